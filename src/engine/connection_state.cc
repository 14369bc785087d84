// What of a connection outlives a moment: runs that wait for a system that is down, the ramp after it is back, and what
// is written for the next process. It must never have two writes of one entry under way.
#include <algorithm>
#include <utility>

#include "base/text.h"
#include "engine/connections.h"

namespace tieline::engine {
namespace {

constexpr std::size_t kPage = 1'000;

// Writes the entry whatever stands there: this process is the only one that does.
Async<void> put(StateStore& state, std::string_view bucket, std::string key, Bytes value) {
  for (int i = 0;; ++i) {
    CO_TRY(const auto known, co_await state.get(std::string(bucket), key));
    std::string name(bucket);
    Result<std::uint64_t> written;
    if (known) {
      written = co_await state.update(std::move(name), key, value, known->revision);
    } else {
      written = co_await state.create(std::move(name), key, value);
    }
    if (written) co_return Result<void>();
    // A write that was cut off may have come through after all.
    if (written.error().code != Code::kConflict || i > 2) co_return failure(std::move(written.error()));
  }
}

std::string incident_key(const std::string& connection, Time since) {
  const std::string us = std::to_string(since.time_since_epoch().count());
  return connection + "/" + std::string(us.size() < 20 ? 20 - us.size() : 0, '0') + us;
}

}  // namespace

void Connection::hold_in_outage(RunId run, std::string_view action, bool again) {
  if (prober_ == run) {
    prober_.reset();
    again = true;
  }
  auto found = in_outage_.find(action);
  if (found == in_outage_.end()) found = in_outage_.emplace(action, std::set<Waiting>()).first;
  const bool added = found->second.emplace(run.event, run.flow).second;
  if (!breaker.incident() || !added) return;
  if (!again) breaker.held();
  breaker.held_at_least(held_in_outage());
}

void Connection::forget_in_outage(RunId run) {
  for (auto& [action, runs] : in_outage_) runs.erase({run.event, run.flow});
  std::erase_if(in_outage_, [](const auto& entry) { return entry.second.empty(); });
}

std::optional<RunId> Connection::next_released() {
  auto first = in_outage_.end();
  for (auto it = in_outage_.begin(); it != in_outage_.end(); ++it) {
    if (breaker.covers(it->first)) continue;
    if (first == in_outage_.end() || *it->second.begin() < *first->second.begin()) first = it;
  }
  if (first == in_outage_.end()) return std::nullopt;
  const auto [event, flow] = *first->second.begin();
  first->second.erase(first->second.begin());
  if (first->second.empty()) in_outage_.erase(first);
  return RunId{flow, event};
}

std::optional<RunId> Connection::next_probe() {
  if (in_outage_.empty()) return std::nullopt;
  auto next = in_outage_.upper_bound(last_probed_);
  if (next == in_outage_.end()) next = in_outage_.begin();
  last_probed_ = next->first;
  // In turn: one that comes to no call, because it waits for another one's `once`, tells nothing.
  auto run = next->second.upper_bound(last_prober_);
  if (run == next->second.end()) run = next->second.begin();
  last_prober_ = *run;
  const auto [event, flow] = *run;
  next->second.erase(run);
  if (next->second.empty()) in_outage_.erase(next);
  prober_ = RunId{flow, event};
  prober_called_ = false;
  return prober_;
}

std::size_t Connection::held_in_outage() const {
  std::size_t count = 0;
  for (const auto& [action, runs] : in_outage_) count += runs.size();
  return count;
}

bool Connection::may_probe(RunId run, Instant now, Duration timeout) {
  // One of its calls: those beside it wait for what that one tells.
  if (prober_ == run && !std::exchange(prober_called_, true)) return true;
  // Where a cheap call can tell, no run is spent on it.
  if (breaker.whole() && info_.health) return false;
  return breaker.take_probe(now, timeout);
}

void Connection::begin_ramp() {
  ramp_ = 1;
  ramp_served_ = 0;
  budget_.ramp(ramp_);
}

void Connection::ramp_on() {
  if (ramp_ == 0 || ++ramp_served_ < ramp_) return;
  ramp_ *= 2;
  ramp_served_ = 0;
  budget_.ramp(ramp_);
  if (ramp_ >= kRampMax) ramp_ = 0;
}

void Connection::end_ramp() {
  ramp_ = 0;
  budget_.ramp(0);
}

void Connection::ended(Incident incident) {
  ended_.push_back(std::move(incident));
  changed(incident_wanted_);
}

Async<void> Connection::write_budget(StateStore& state, bool clean) {
  Bytes record = budget_.record(clean);
  written_ = true;
  co_return co_await put(state, kBudgetBucket, info_.name, std::move(record));
}

Async<void> Connection::write_incident(StateStore& state, Incident incident) {
  CO_TRY_VOID(co_await put(state, kIncidentBucket, incident_key(info_.name, incident.since), encode(incident)));
  std::string bucket(kIncidentBucket);
  CO_TRY(const auto all, co_await state.scan(bucket, info_.name + "/", "", kIncidentsKept + 10));
  for (std::size_t i = 0; i + kIncidentsKept < all.size(); ++i)
    CO_TRY_VOID(co_await state.erase(bucket, all[i].key, all[i].revision));
  co_return Result<void>();
}

asio::awaitable<void> Connection::keep(StateStore& state, Duration again) {
  while (true) {
    while (!budget_wanted_ && !incident_wanted_) co_await changed_.wait();
    Result<void> written;
    if (budget_wanted_) {
      budget_wanted_ = false;
      written = co_await write_budget(state, false);
      if (written) {
        budget_.recorded();
      } else {
        budget_wanted_ = true;
      }
    }
    if (written && incident_wanted_) {
      incident_wanted_ = false;
      while (written && !ended_.empty()) {
        Incident first = ended_.front();
        written = co_await write_incident(state, std::move(first));
        if (written) ended_.erase(ended_.begin());
      }
      if (written && breaker.incident()) {
        Incident present = *breaker.incident();
        written = co_await write_incident(state, std::move(present));
      }
      if (!written) incident_wanted_ = true;
    }
    if (!written) co_await clock_.sleep(again);
  }
}

Async<void> Connection::close(StateStore& state) {
  while (!ended_.empty()) {
    Incident first = ended_.front();
    CO_TRY_VOID(co_await write_incident(state, std::move(first)));
    ended_.erase(ended_.begin());
  }
  if (breaker.incident()) {
    Incident present = *breaker.incident();
    CO_TRY_VOID(co_await write_incident(state, std::move(present)));
  }
  if (!written_) co_return Result<void>();
  co_return co_await write_budget(state, true);
}

Async<void> Connections::load() {
  std::string after;
  while (true) {
    CO_TRY(const auto page, co_await state_.scan(std::string(kBudgetBucket), "", after, kPage));
    for (const Entry& entry : page) {
      after = entry.key;
      // One that does not parse is one of which nothing is known: as after a crash, but for what was spent.
      auto document = json::parse(entry.value);
      stored_.emplace(entry.key,
                      document ? std::move(*document) : json::Builder().begin_object().end_object().finish());
    }
    if (page.size() < kPage) break;
  }
  after.clear();
  while (true) {
    CO_TRY(const auto page, co_await state_.scan(std::string(kIncidentBucket), "", after, kPage));
    for (const Entry& entry : page) {
      after = entry.key;
      auto incident = decode_incident(entry.value);
      if (!incident || incident->caught_up) continue;
      Connection& connection = get(entry.key.substr(0, entry.key.rfind('/')));
      connection.breaker.restore(std::move(*incident), clock_.instant());
      if (!connection.breaker.down()) connection.begin_ramp();
    }
    if (page.size() < kPage) break;
  }
  co_return Result<void>();
}

Async<void> Connections::close() {
  for (const auto& entry : connections_) CO_TRY_VOID(co_await entry.second->close(state_));
  co_return Result<void>();
}

}  // namespace tieline::engine
