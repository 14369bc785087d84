#include "engine/scheduler.h"

#include <algorithm>
#include <charconv>

namespace tieline::engine {
namespace {

// The wall clock may jump: it is looked at after at most this long.
constexpr Duration kLookAgain{60'000'000};
constexpr Duration kLookBack = std::chrono::days(366);

// "1764403200000000 Europe/Berlin 0 6 * * mon-fri"
Bytes write_last(Time last, const Schedule& schedule) {
  return std::to_string(to_unix_us(last)) + ' ' + schedule.zone() + ' ' + schedule.text();
}

// Nothing when it is of another schedule.
std::optional<Time> read_last(std::string_view value, const Schedule& schedule) {
  std::int64_t us = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), us);
  if (error != std::errc() ||
      std::string_view(end, value.data() + value.size()) != ' ' + schedule.zone() + ' ' + schedule.text())
    return std::nullopt;
  return from_unix_us(us);
}

NewEvent event_of(const Flow& flow, const ScheduleTrigger& trigger, Time moment, bool missed) {
  const Schedule& schedule = trigger.schedule;
  json::Builder data;
  data.begin_object();
  data.key("scheduled").string(format_time(moment));
  data.key("zone").string(schedule.zone());
  data.key("missed").boolean(missed);
  data.end_object();
  NewEvent event;
  event.source = std::string(kScheduleSource) + flow.name;
  event.id = format_time(moment);
  // Two schedules of one flow that come at one moment are one event, unless they ask for different things.
  if (trigger.type != ScheduleTrigger::kType) event.id = trigger.type + ' ' + event.id;
  event.type = trigger.type;
  event.time = moment;
  event.data = std::make_shared<const std::string>(json::print(data.finish().root()));
  return event;
}

}  // namespace

void Scheduler::configure(const std::vector<FlowPtr>& flows) {
  std::vector<std::shared_ptr<Entry>> entries;
  for (const FlowPtr& flow : flows) {
    for (std::size_t i = 0; i < flow->schedules.size(); ++i) {
      const std::string key = flow->name + '/' + std::to_string(i);
      const ScheduleTrigger& trigger = flow->schedules[i];
      const auto known = std::find_if(entries_.begin(), entries_.end(), [&](const auto& entry) {
        return entry->key == key && entry->trigger->schedule.text() == trigger.schedule.text() &&
               entry->trigger->schedule.zone() == trigger.schedule.zone();
      });
      auto entry = std::make_shared<Entry>();
      if (known != entries_.end()) *entry = **known;
      entry->flow = flow;
      entry->trigger = &trigger;
      entry->key = key;
      entries.push_back(std::move(entry));
    }
  }
  entries_ = std::move(entries);
  changed_.notify_all();
}

std::optional<Time> Scheduler::next(std::string_view flow) const {
  std::optional<Time> out;
  for (const auto& entry : entries_) {
    if (entry->flow->name == flow && entry->last) out = std::min(out.value_or(entry->next), entry->next);
  }
  return out;
}

Async<void> Scheduler::recall(Entry& entry) {
  CO_TRY(const auto stored, co_await shard_.deps.state.get(std::string(kScheduleBucket), entry.key));
  if (stored) entry.revision = stored->revision;
  entry.last = stored ? read_last(stored->value, entry.trigger->schedule) : std::nullopt;
  if (entry.last) {
    entry.next = entry.trigger->schedule.next(*entry.last);
    co_return Result<void>();
  }
  // Durable before its first moment: were the process gone then, the moment would be known to be missed.
  const Time now = shard_.now();
  const Schedule& schedule = entry.trigger->schedule;
  // What begins at once has missed the moment before.
  const auto before = entry.trigger->at_once ? schedule.latest(now - kLookBack, now) : std::nullopt;
  entry.last = before ? *before - Duration(1) : now;
  auto remembered = co_await remember(entry);
  if (!remembered) entry.last.reset();
  if (remembered) entry.next = schedule.next(*entry.last);
  co_return remembered;
}

Async<void> Scheduler::remember(Entry& entry) {
  Bytes value = write_last(*entry.last, entry.trigger->schedule);
  const std::string bucket(kScheduleBucket);
  auto written = entry.revision == 0
                     ? co_await shard_.deps.state.create(bucket, entry.key, std::move(value))
                     : co_await shard_.deps.state.update(bucket, entry.key, std::move(value), entry.revision);
  if (!written && written.error().code == Code::kConflict) {
    // A reload copied this entry while its last write was under way.
    CO_TRY(const auto stored, co_await shard_.deps.state.get(bucket, entry.key));
    entry.revision = stored ? stored->revision : 0;
  }
  if (!written) co_return failure(std::move(written.error()));
  entry.revision = *written;
  co_return Result<void>();
}

// Appends what has come, if anything has.
Async<void> Scheduler::come(Entry& entry) {
  const Time now = shard_.now();
  const Schedule& schedule = entry.trigger->schedule;
  if (schedule.interval().count() > 0 && entry.next - now > schedule.interval()) {
    // The clock was ahead, and was put back: what comes every so often waits for no moment that is not its next.
    entry.last = now;
    entry.next = schedule.next(now);
    co_return co_await remember(entry);
  }
  if (entry.next > now) co_return Result<void>();
  const auto latest = schedule.latest(*entry.last, now);
  if (!latest) {
    entry.next = schedule.next(*entry.last);
    co_return Result<void>();
  }
  const bool missed = now - *latest > shard_.limits.schedule_grace;
  if (!missed || entry.trigger->run_missed) {
    std::vector<NewEvent> events{event_of(*entry.flow, *entry.trigger, *latest, missed)};
    // What comes every so often comes again at moments to which the clock was put back. A crash makes one more of it.
    if (schedule.interval().count() > 0) events.front().id += ' ' + std::to_string(shard_.prng.next() % 1'000'000);
    events.front().received = now;
    const Deadline never = Deadline::never();
    auto appended = co_await shard_.deps.log.append(std::move(events), never);
    if (!appended) co_return failure(std::move(appended.error()));
  }
  entry.last = *latest;
  entry.next = schedule.next(*latest);
  co_return co_await remember(entry);
}

Instant Scheduler::wake() const {
  const Instant now = shard_.deps.clock.instant();
  Duration soonest = kLookAgain;
  for (const auto& entry : entries_) {
    if (entry->last) soonest = std::min(soonest, std::max(Duration(0), Duration(entry->next - shard_.now())));
  }
  return entries_.empty() ? Instant::max() : now + soonest;
}

asio::awaitable<void> Scheduler::run() {
  while (true) {
    bool refused = false;
    const std::vector<std::shared_ptr<Entry>> all = entries_;
    for (const std::shared_ptr<Entry>& entry : all) {
      Result<void> done;
      if (!entry->last) done = co_await recall(*entry);
      if (done) done = co_await come(*entry);
      if (done) continue;
      shard_.store_failed(done.error());
      refused = true;
    }
    if (refused) {
      co_await shard_.deps.clock.sleep(shard_.limits.store_retry);
      continue;
    }
    if (all != entries_) continue;  // configured meanwhile
    Deadline deadline;
    deadline.at = wake();
    co_await changed_.wait(shard_.deps.clock, deadline);
  }
}

}  // namespace tieline::engine
