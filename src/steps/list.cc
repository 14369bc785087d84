// The list of all step kinds: what `steps:` may hold. Kinds of the language that are not built yet stand here by name,
// so that they are refused and never ignored.
#include "steps/step_kind.h"

#include <array>

#include "base/check.h"

namespace tieline::steps {
namespace {

// A new step kind is one file and one line here.
const auto& all_kinds() {
  static const std::array kinds{
      filter_step(), let_step(),    map_step(),     assert_step(),   call_step(),
      stop_step(),   branch_step(), foreach_step(), parallel_step(),
  };
  return kinds;
}

}  // namespace

const spec::Table<StepCommon>& describe(const StepCommon*) {
  static const auto table =
      spec::Table<StepCommon>("step options", "What every step takes")
          .field("if", &StepCommon::condition,
                 {.doc = "The step is left out where this is false or null; the names it binds are null then",
                  .example = "$customer == null"})
          .field("name", &StepCommon::name,
                 {.doc = "What the step is called where runs are shown", .example = "find the contact"})
          .place(&StepCommon::place);
  return table;
}

const spec::Union<StepDraft>& describe(const StepDraft*) {
  static const auto steps = [] {
    spec::Union<StepDraft> kinds("step", "One thing a flow does; steps run in the order in which they are written");
    for (const StepKind& kind : all_kinds()) kind.add(kinds, kind.name);
    kinds.reserved("validate", "Checks a document against a JSON Schema");
    kinds.reserved("lookup", "Reads the durable table of who is who across systems");
    kinds.reserved("link", "Writes the durable table of who is who across systems");
    kinds.reserved("publish", "Puts a new event on a topic");
    kinds.reserved("wait", "Waits durably, for a time or until a moment");
    kinds.reserved("approve", "Waits for a person");
    kinds.reserved("secret", "Makes a password that is never shown");
    return kinds;
  }();
  return steps;
}

std::vector<BoundName> names_of(const std::vector<StepDraft>& drafts) {
  std::vector<BoundName> names;
  for (const StepDraft& draft : drafts) {
    for (BoundName& name : draft.spec().names()) names.push_back(std::move(name));
  }
  return names;
}

std::vector<BoundName> names_after(const std::vector<StepDraft>& drafts) {
  std::vector<BoundName> names;
  for (const StepDraft& draft : drafts) {
    for (BoundName& name : draft.spec().names_after()) names.push_back(std::move(name));
  }
  return names;
}

std::optional<StepDraft> read_step(const spec::Node& node, spec::Problems& problems) {
  const spec::UnionInfo::Kind* picked = describe(static_cast<const StepDraft*>(nullptr)).pick(node, problems);
  if (picked == nullptr) return std::nullopt;
  for (const StepKind& kind : all_kinds()) {
    if (kind.name == picked->key) return kind.read(node, problems);
  }
  CHECK(false);
  return std::nullopt;
}

}  // namespace tieline::steps
