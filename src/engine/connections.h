// The connections of one shard as the engine sees them: budget, authorization, outages, what their calls came to
// lately. It must never send anything itself.
//
// What survives the process stands in the StateStore: bucket "budget", an entry a connection (budget_record.cc); bucket
// "incident", an entry for each one, under CONNECTION/SINCE, the last kIncidentsKept of a connection.
#pragma once

#include <array>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "async/task_group.h"
#include "core/connector.h"
#include "core/journal.h"
#include "engine/breaker.h"
#include "engine/budget.h"
#include "engine/engine.h"
#include "engine/redact.h"

namespace tieline::engine {

inline constexpr std::string_view kBudgetBucket = "budget";
inline constexpr std::string_view kIncidentBucket = "incident";
inline constexpr std::size_t kIncidentsKept = 100;

class Connection {
 public:
  Connection(Clock& clock, std::uint64_t seed, ConnectionInfo info, const BreakerLimits& limits);

  const std::string& name() const { return info_.name; }
  Budget& budget() { return budget_; }
  const ActionPtr& health() const { return info_.health; }
  void configure(ConnectionInfo info);
  // Made once for as long as the secrets stay the same.
  const Redactor& redactor(const std::vector<std::string>& secrets);
  void count(Category category, std::string_view message);
  ConnectionSnapshot snapshot() const;

  // Set by the first call that the vendor refuses to authorize, until one is served again.
  bool needs_authorization = false;
  Instant probe_at{};    // when the next call may try whether it works again
  std::set<RunId> held;  // for authorization

  Breaker breaker;
  // A run that waits for the action's system; `again` where it did so already in an earlier process.
  void hold_in_outage(RunId run, std::string_view action, bool again = false);
  void forget_in_outage(RunId run);
  // One that waits for nothing any more, the oldest event first; or one that shall try whether its action works, each
  // action in its turn.
  std::optional<RunId> next_released();
  std::optional<RunId> next_probe();
  std::size_t held_in_outage() const;
  // Whether a call may leave although its action is down.
  bool may_probe(RunId run, Instant now, Duration timeout);
  // What is back is called with one call at once, then with twice as many each time that so many were served.
  void begin_ramp();
  void ramp_on();
  void end_ramp();

  // Writes what must survive whenever it changes; never returns. Spawn it once.
  asio::awaitable<void> keep(StateStore& state, Duration again);
  void incident_changed() { changed(incident_wanted_); }
  void ended(Incident incident);
  // At a clean end, with nobody else writing.
  Async<void> close(StateStore& state);
  void restore(const json::Document& budget) { budget_.restore(budget); }

 private:
  struct Minute {
    std::int64_t minute = -1;
    std::uint64_t succeeded = 0, failed = 0;
  };
  Clock& clock_;
  ConnectionInfo info_;
  Budget budget_;
  std::vector<std::string> redactor_secrets_;
  Redactor redactor_;
  ConnectionSnapshot counts_;
  std::array<Minute, 5> minutes_;

  void changed(bool& what) {
    what = true;
    changed_.notify_all();
  }
  Async<void> write_budget(StateStore& state, bool clean);
  Async<void> write_incident(StateStore& state, Incident incident);
  using Waiting = std::pair<Position, FlowId>;
  std::map<std::string, std::set<Waiting>, std::less<>> in_outage_;  // by action
  std::string last_probed_;                                          // action
  Waiting last_prober_{};
  std::optional<RunId> prober_;
  bool prober_called_ = false;  // it has had its call
  std::uint32_t ramp_ = 0, ramp_served_ = 0;
  bool budget_wanted_ = false, incident_wanted_ = false, written_ = false;
  std::vector<Incident> ended_;  // to be written
  Signal changed_;
};

class Connections {
 public:
  // `timers` runs the budgets, and must be stopped before this dies.
  Connections(Clock& clock, std::uint64_t seed, TaskGroup& timers, StateStore& state, const EngineLimits& limits);

  // What an earlier process left of all of them; before anything else.
  Async<void> load();
  // Exactly what is spent, at a clean end.
  Async<void> close();

  // A connection that the config does not know has no limits of its own: only runs of older flows still call it.
  Connection& get(const std::string& name);
  Connection* find(std::string_view name);
  void configure(const std::vector<ConnectionInfo>& infos);
  void refuse_waiters();
  std::vector<Connection*> all();
  std::vector<ConnectionSnapshot> snapshot() const;

 private:
  Connection& add(ConnectionInfo info);
  Clock& clock_;
  std::uint64_t seed_;
  TaskGroup& timers_;
  StateStore& state_;
  const EngineLimits& limits_;
  std::map<std::string, json::Document, std::less<>> stored_;  // budgets, of connections that are not made yet
  bool refusing_ = false;
  std::map<std::string, std::unique_ptr<Connection>, std::less<>> connections_;
};

}  // namespace tieline::engine
