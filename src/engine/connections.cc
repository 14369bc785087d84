#include "engine/connections.h"

#include "base/bytes.h"
#include "base/text.h"

namespace tieline::engine {

Connection::Connection(Clock& clock, std::uint64_t seed, ConnectionInfo info, const BreakerLimits& limits)
    : breaker(limits, seed + 1),
      clock_(clock),
      info_(std::move(info)),
      budget_(clock, seed, info_.buckets),
      redactor_({}) {
  budget_.remember([this] { changed(budget_wanted_); });
}

void Connection::configure(ConnectionInfo info) {
  info_ = std::move(info);
  budget_.set_buckets(info_.buckets);
}

const Redactor& Connection::redactor(const std::vector<std::string>& secrets) {
  if (secrets != redactor_secrets_) {
    redactor_secrets_ = secrets;
    redactor_ = Redactor(secrets);
  }
  return redactor_;
}

void Connection::count(Category category, std::string_view message) {
  const Time now = clock_.now();
  const std::int64_t minute = now.time_since_epoch() / std::chrono::minutes(1);
  Minute& slot = minutes_[static_cast<std::size_t>(minute % 5 + 5) % 5];
  if (slot.minute != minute) slot = Minute{minute, 0, 0};
  switch (category) {
    case Category::kRateLimited: ++counts_.limited; return;
    // The vendor is there and answers; that this run's data or wish does not fit is not its failure.
    case Category::kDelivered:
    case Category::kMissing:
    case Category::kConflict:
    case Category::kValidation:
    case Category::kPermanent:
      ++counts_.succeeded;
      ++slot.succeeded;
      counts_.last_success = now;
      break;
    case Category::kTransient:
    case Category::kUnknown:
    case Category::kAuth:
      ++counts_.failed;
      ++slot.failed;
      counts_.last_failure = now;
      break;
  }
  if (category == Category::kDelivered || category == Category::kMissing) return;
  counts_.last_error = truncated(message, 300);
  counts_.last_category = category;
}

ConnectionSnapshot Connection::snapshot() const {
  ConnectionSnapshot out = counts_;
  out.name = info_.name;
  out.connector = info_.connector;
  out.needs_authorization = needs_authorization;
  const std::int64_t minute = clock_.now().time_since_epoch() / std::chrono::minutes(1);
  for (const Minute& slot : minutes_) {
    if (slot.minute < 0 || slot.minute <= minute - 5) continue;
    out.recent_succeeded += slot.succeeded;
    out.recent_failed += slot.failed;
  }
  out.buckets = budget_.snapshot();
  out.incident = breaker.incident();
  out.held_in_outage = held_in_outage();
  return out;
}

Connections::Connections(Clock& clock, std::uint64_t seed, TaskGroup& timers, StateStore& state,
                         const EngineLimits& limits)
    : clock_(clock), seed_(seed), timers_(timers), state_(state), limits_(limits) {}

Connection& Connections::add(ConnectionInfo info) {
  const std::string name = info.name;
  auto made = std::make_unique<Connection>(clock_, hash64(name, seed_), std::move(info), limits_.breaker);
  if (refusing_) {
    made->budget().refuse_waiters();
  } else {
    timers_.spawn(made->budget().run());
    timers_.spawn(made->keep(state_, limits_.store_retry));
  }
  return *connections_.emplace(name, std::move(made)).first->second;
}

Connection* Connections::find(std::string_view name) {
  const auto found = connections_.find(name);
  return found == connections_.end() ? nullptr : found->second.get();
}

Connection& Connections::get(const std::string& name) {
  if (Connection* found = find(name)) return *found;
  ConnectionInfo info;
  info.name = name;
  return add(std::move(info));
}

void Connections::configure(const std::vector<ConnectionInfo>& infos) {
  for (const ConnectionInfo& info : infos) {
    Connection* connection = find(info.name);
    if (connection != nullptr) {
      connection->configure(info);
    } else {
      connection = &add(info);
    }
    const auto stored = stored_.find(info.name);
    if (stored == stored_.end()) continue;
    connection->restore(stored->second);
    stored_.erase(stored);
  }
}

void Connections::refuse_waiters() {
  refusing_ = true;
  for (const auto& [name, connection] : connections_) connection->budget().refuse_waiters();
}

std::vector<Connection*> Connections::all() {
  std::vector<Connection*> out;
  for (const auto& [name, connection] : connections_) out.push_back(connection.get());
  return out;
}

std::vector<ConnectionSnapshot> Connections::snapshot() const {
  std::vector<ConnectionSnapshot> out;
  for (const auto& [name, connection] : connections_) out.push_back(connection->snapshot());
  return out;
}

}  // namespace tieline::engine
