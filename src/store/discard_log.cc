#include "store/discard_log.h"

#include "store/codec.h"

namespace tieline::store {

DiscardLog::DiscardLog(Clock& clock, DiscardOptions options)
    : clock_(clock), options_(options), tail_(options.tail_bytes) {}

std::optional<Position> DiscardLog::first_of(const NewEvent& event, std::uint64_t hash) const {
  std::optional<Position> first;
  dedupe_.each(hash, [&](std::uint64_t seq) {
    if (first && first->value > seq) return;
    if (const EventPtr* recent = tail_.find(seq)) {
      if ((*recent)->id != event.id || (*recent)->source != event.source) return;
      if (event.received - (*recent)->received >= options_.dedupe_window) return;
    }
    first = Position(seq);
  });
  return first;
}

Async<std::vector<Appended>> DiscardLog::append(std::vector<NewEvent> events, Deadline) {
  CO_TRY_VOID(check_events(events));
  std::vector<Appended> answers;
  answers.reserve(events.size());
  for (NewEvent& event : events) {
    const std::uint64_t hash = event_hash(event.source, event.id);
    if (const auto first = first_of(event, hash)) {
      answers.push_back({*first, true});
      continue;
    }
    const std::uint64_t seq = next_seq_++;
    const std::size_t size = event_bytes(event);
    auto kept = std::make_shared<Event>();
    static_cast<NewEvent&>(*kept) = std::move(event);
    kept->position = Position(seq);
    answers.push_back({Position(seq), false});
    dedupe_.add(hash, seq);
    tail_.push(std::move(kept), size);
  }
  tail_.trim(next_seq_ - 1);
  co_return answers;
}

Async<std::vector<EventPtr>> DiscardLog::read(Position, ReadLimits) { co_return std::vector<EventPtr>(); }

Async<std::vector<EventPtr>> DiscardLog::get(std::vector<Position>) { co_return std::vector<EventPtr>(); }

Async<EventPtr> DiscardLog::find(std::string, std::string id) {
  co_return failure(Code::kNotFound, "event " + id + " was not kept");
}

Async<Position> DiscardLog::first_at_or_after(Time) { co_return Position(next_seq_); }

asio::awaitable<void> DiscardLog::wait_beyond(Position after, Deadline deadline) {
  if (last() <= after) co_await clock_.sleep_until(deadline.at);
}

}  // namespace tieline::store
