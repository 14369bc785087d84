// Steps inside steps: their numbers, and which of their names others may use.
#include <algorithm>
#include <map>

#include "steps/flow_builder.h"

namespace tieline {

std::optional<StepList> FlowBuilder::build_list(const std::vector<steps::StepDraft>& drafts) {
  StepList list;
  list.first = steps_ - holder_;
  if (depth_ == kNestingMax) {
    if (!drafts.empty())
      problems_.error(drafts.front().spec().place,
                      "steps stand inside steps at most " + std::to_string(kNestingMax) + " deep");
    return std::nullopt;
  }
  ++depth_;
  bool ok = true;
  for (const steps::StepDraft& draft : drafts) {
    list.steps.push_back(build(draft.spec()));
    ok = ok && list.steps.back() != nullptr;
  }
  --depth_;
  for (const steps::BoundName& name : steps::names_after(drafts)) {
    const std::optional<std::size_t> slot = slot_of(name.name);
    if (slot && std::find(list.slots.begin(), list.slots.end(), *slot) == list.slots.end()) list.slots.push_back(*slot);
  }
  if (!ok) return std::nullopt;
  return list;
}

bool FlowBuilder::clash(const std::vector<Arm>& arms) {
  std::map<std::string, std::pair<const Arm*, Place>> first;
  bool found = false;
  for (const Arm& arm : arms) {
    for (const steps::BoundName& name : steps::names_after(*arm.drafts)) {
      const auto [known, added] = first.try_emplace(name.name, &arm, name.place);
      if (added || known->second.first == &arm) continue;
      found = true;
      problems_.error(name.place, "`$" + name.name + "` is bound in the arm \"" + known->second.first->name +
                                      "\" already (line " + std::to_string(known->second.second.line) +
                                      "), which works at the same time: bind another name");
    }
  }
  return found;
}

std::optional<std::vector<StepList>> FlowBuilder::build_beside(const std::vector<Arm>& arms) {
  bool ok = !clash(arms);
  std::vector<StepList> lists;
  const std::vector<Variable> before = states_;
  std::vector<Variable> after = states_;
  for (const Arm& arm : arms) {
    states_ = before;
    for (const Arm& other : arms) {
      if (&other == &arm) continue;
      for (const steps::BoundName& name : steps::names_of(*other.drafts)) {
        const std::optional<std::size_t> slot = slot_of(name.name);
        if (slot && !name.given) states_[*slot].beside = true;
      }
    }
    std::optional<StepList> list = build_list(*arm.drafts);
    for (std::size_t slot = 0; slot < after.size(); ++slot) after[slot].bound |= states_[slot].bound;
    ok = ok && list.has_value();
    if (!list) continue;
    list->name = arm.name;
    lists.push_back(std::move(*list));
  }
  states_ = std::move(after);
  if (!ok) return std::nullopt;
  return lists;
}

}  // namespace tieline
