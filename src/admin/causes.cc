#include "admin/causes.h"

#include <algorithm>
#include <map>

#include "admin/lookup.h"
#include "async/sync.h"
#include "base/text.h"
#include "engine/cause.h"
#include "engine/engine.h"

namespace tieline::admin {
namespace {

constexpr std::size_t kPage = 1'000;
constexpr std::size_t kStepsMax = 50;  // groups of which the example's journal is read

struct Group {
  std::string flow;
  engine::Cause cause;
  RunStatus example;  // the oldest event's
  std::uint64_t count = 0;
  Time first = Time::max(), last = Time::min();
};

struct Groups {
  std::map<std::string, Group> by_id;
  std::uint64_t total = 0, ungrouped = 0;

  void add(const std::string& flow, const CauseFilter& filter, const RunStatus& status) {
    if (status.changed > filter.until) return;
    if (!engine::matches({filter.group, filter.category, filter.text, filter.connection}, flow, status)) return;
    engine::Cause cause = engine::cause_of(flow, status.summary);
    ++total;
    const auto found = by_id.find(cause.id);
    if (found == by_id.end() && by_id.size() >= kGroupsMax) {
      ++ungrouped;
      return;
    }
    Group& group = found == by_id.end() ? by_id[cause.id] : found->second;
    if (++group.count == 1) {
      group.flow = flow;
      group.cause = std::move(cause);
      group.example = status;
    }
    group.first = std::min(group.first, status.changed);
    group.last = std::max(group.last, status.changed);
  }
};

// The step, counted from 1, of the record with which the run came to stand as it does; 0 where it cannot be read.
Async<std::size_t> step_of(Journal& journal, RunStatus status) {
  auto records = co_await journal.read(status.run);
  if (!records) co_return failure(std::move(records.error()));
  for (auto record = records->rbegin(); record != records->rend(); ++record) {
    if (record->kind == RecordKind::kState && record->state == status.state) co_return record->step + std::size_t{1};
  }
  co_return std::size_t{0};
}

Async<void> collect(Ports ports, FlowId flow, std::string name, const CauseFilter* filter, Groups* groups) {
  RunQuery query;
  query.flow = flow;
  query.states = {filter->state};
  query.since = filter->since;
  query.count = kPage;
  while (true) {
    auto page = co_await ports.journal.runs(query);
    if (!page) co_return failure(std::move(page.error()));
    for (const RunStatus& status : *page) {
      query.after = status.run.event;
      groups->add(name, *filter, status);
    }
    if (page->size() < kPage) co_return Result<void>();
    co_await next_turn();
  }
}

}  // namespace

Result<void> check_category(const std::string& name) {
  if (name.empty() || category_from_name(name)) return {};
  std::vector<std::string> known;
  for (auto i = 1; i <= static_cast<int>(Category::kMissing); ++i)
    known.emplace_back(category_name(static_cast<Category>(i)));
  for (const engine::Hold hold : {engine::Hold::kUnknownOutcome, engine::Hold::kAuthorization, engine::Hold::kFlow,
                                  engine::Hold::kJournal, engine::Hold::kBrake, engine::Hold::kOutage})
    known.emplace_back(engine::hold_name(hold));
  if (std::ranges::find(known, name) != known.end()) return {};
  const std::string hint = did_you_mean(name, known);
  return failure(Code::kInvalid,
                 "there is no category \"" + name + "\"" + (hint.empty() ? ": there are " + join(known, ", ") : hint));
}

Async<json::Document> list_causes(Ports ports, CauseFilter filter) {
  CO_TRY_VOID(check_category(filter.category));
  auto names = co_await flow_names(ports.journal);
  if (!names) co_return failure(std::move(names.error()));
  if (!filter.flow.empty()) {
    CO_TRY(const FlowId only, flow_named(*names, filter.flow));
    *names = {{only, filter.flow}};
  }
  Groups groups;
  for (const auto& [id, name] : *names) {
    auto collected = co_await collect(ports, id, name, &filter, &groups);
    if (!collected) co_return failure(std::move(collected.error()));
  }
  std::vector<const Group*> ordered;
  for (const auto& [id, group] : groups.by_id) ordered.push_back(&group);
  std::ranges::stable_sort(ordered, [](const Group* a, const Group* b) { return a->count > b->count; });
  json::Builder out;
  out.begin_object().key("total").integer(static_cast<std::int64_t>(groups.total)).key("groups").begin_array();
  std::size_t read = 0;
  for (const Group* group : ordered) {
    std::size_t step = 0;
    if (++read <= kStepsMax) {
      CO_TRY(step, co_await step_of(ports.journal, group->example));
    }
    out.begin_object().key("group").string(group->cause.id).key("flow").string(group->flow);
    out.key("category").string(group->cause.category).key("message").string(group->cause.message);
    out.key("count").integer(static_cast<std::int64_t>(group->count));
    out.key("first").string(format_time(group->first)).key("last").string(format_time(group->last));
    out.key("example").string(group->flow + "/" + std::to_string(group->example.run.event.value));
    out.key("summary").string(group->example.summary);
    if (step != 0) out.key("step").integer(static_cast<std::int64_t>(step));
    out.end_object();
  }
  out.end_array();
  if (groups.ungrouped > 0) out.key("ungrouped").integer(static_cast<std::int64_t>(groups.ungrouped));
  co_return out.end_object().finish();
}

}  // namespace tieline::admin
