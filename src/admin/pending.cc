#include "admin/pending.h"

#include <algorithm>
#include <optional>

#include "engine/index_key.h"
#include "engine/runner.h"

namespace tieline::admin {
namespace {

constexpr std::size_t kBatch = 256;

// A configured flow that the journal knows.
struct Reader {
  FlowId id;
  FlowPtr flow;
  FlowCursor cursor;

  bool may_still_take(const Event& event) const {
    return event.position > cursor.floor && !std::ranges::binary_search(cursor.settled, event.position) &&
           flow->matches(event);
  }
};

Async<std::vector<Reader>> readers_of(Ports ports, FlowNames names, std::optional<FlowId> wanted) {
  std::vector<Reader> readers;
  for (const auto& [id, name] : names) {
    if (wanted && id != *wanted) continue;
    const auto flow = std::ranges::find(ports.flows, name, [](const FlowPtr& one) { return one->name; });
    if (flow == ports.flows.end()) continue;
    Reader reader;
    reader.id = id;
    reader.flow = *flow;
    auto cursor = co_await ports.journal.cursor(id);
    if (!cursor) co_return failure(std::move(cursor.error()));
    reader.cursor = std::move(*cursor);
    readers.push_back(std::move(reader));
  }
  co_return readers;
}

// Positions of the log in the order of a query, batch by batch.
class Walk {
 public:
  Walk(Position least, Position last, const RunQuery& query) : newest_first_(query.newest_first) {
    first_ = std::max(least.value, query.after.value) + 1;
    end_ = std::max(first_, last.value + 1);
    if (end_ - first_ > kLookedAtMax)
      (newest_first_ ? first_ : end_) = newest_first_ ? end_ - kLookedAtMax : first_ + kLookedAtMax;
  }

  std::vector<Position> next() {
    std::vector<Position> batch;
    for (; batch.size() < kBatch && first_ < end_;) batch.emplace_back(newest_first_ ? --end_ : first_++);
    return batch;
  }

 private:
  bool newest_first_;
  std::uint64_t first_ = 1, end_ = 1;
};

// What the index will hold of the run, once it has a record.
bool has_key(const Reader& reader, const EventPtr& event, const std::string& key) {
  engine::Run run;
  run.id = RunId{reader.id, event->position};
  run.event = event;
  run.flow = reader.flow;
  engine::prepare(run);
  if (run.broken) return false;
  const std::string prefix = engine::index_prefix(key);
  return std::ranges::any_of(engine::index_puts(run, engine::fixed_variables(run, event->received), Time::max()),
                             [&](const KeyPut& put) { return put.key.starts_with(prefix); });
}

Async<bool> has_record(Ports ports, RunId run) {
  const auto status = co_await ports.journal.status(run);
  if (!status) co_return failure(status.error());
  co_return status->has_value();
}

Async<bool> worked_on(Ports ports, FlowNames names, Position position) {
  for (const auto& [id, name] : names) {
    const RunId run{id, position};
    const auto known = co_await has_record(ports, run);
    if (!known || *known) co_return known;
  }
  co_return false;
}

}  // namespace

Async<std::vector<EventOf>> pending_runs(Ports ports, FlowNames names, RunQuery query, std::string key) {
  std::vector<EventOf> found;
  const auto readers = co_await readers_of(ports, std::move(names), query.flow);
  if (!readers) co_return failure(readers.error());
  if (readers->empty()) co_return found;
  Position floor = readers->front().cursor.floor;
  for (const Reader& reader : *readers) floor = std::min(floor, reader.cursor.floor);
  Walk walk(floor, ports.log.last(), query);
  for (std::vector<Position> batch = walk.next(); !batch.empty(); batch = walk.next()) {
    auto events = co_await ports.log.get(std::move(batch));
    if (!events) co_return failure(std::move(events.error()));
    for (const EventPtr& event : *events) {
      if (event->received < query.since) continue;
      for (const Reader& reader : *readers) {
        if (!reader.may_still_take(*event) || (!key.empty() && !has_key(reader, event, key))) continue;
        const RunId run{reader.id, event->position};
        const auto known = co_await has_record(ports, run);
        if (!known) co_return failure(known.error());
        if (!*known) found.push_back({event, run});
      }
      if (found.size() >= query.count) co_return found;
    }
  }
  co_return found;
}

Async<std::vector<EventOf>> pending_runs_of(Ports ports, FlowNames names, EventPtr event) {
  std::vector<EventOf> found;
  const auto readers = co_await readers_of(ports, std::move(names), std::nullopt);
  if (!readers) co_return failure(readers.error());
  for (const Reader& reader : *readers) {
    if (!reader.may_still_take(*event)) continue;
    const RunId run{reader.id, event->position};
    const auto known = co_await has_record(ports, run);
    if (!known) co_return failure(known.error());
    if (!*known) found.push_back({event, run});
  }
  co_return found;
}

Async<std::vector<EventOf>> unmatched_events(Ports ports, FlowNames names, RunQuery query) {
  std::vector<EventOf> found;
  Walk walk(Position(0), ports.log.last(), query);
  for (std::vector<Position> batch = walk.next(); !batch.empty(); batch = walk.next()) {
    auto events = co_await ports.log.get(std::move(batch));
    if (!events) co_return failure(std::move(events.error()));
    for (const EventPtr& event : *events) {
      if (event->received < query.since) continue;
      if (std::ranges::any_of(ports.flows, [&](const FlowPtr& flow) { return flow->matches(*event); })) continue;
      const auto worked = co_await worked_on(ports, names, event->position);
      if (!worked) co_return failure(worked.error());
      if (*worked) continue;
      found.push_back({event, RunId{FlowId(0), event->position}});
      if (found.size() >= query.count) co_return found;
    }
  }
  co_return found;
}

}  // namespace tieline::admin
