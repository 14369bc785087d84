// The connections of one shard as the engine sees them: budget, authorization, what their calls came to lately. It must
// never send anything itself.
#pragma once

#include <array>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "async/task_group.h"
#include "core/connector.h"
#include "engine/budget.h"
#include "engine/engine.h"
#include "engine/redact.h"

namespace tieline::engine {

class Connection {
 public:
  Connection(Clock& clock, std::uint64_t seed, ConnectionInfo info);

  const std::string& name() const { return info_.name; }
  Budget& budget() { return budget_; }
  void configure(ConnectionInfo info);
  // Made once for as long as the secrets stay the same.
  const Redactor& redactor(const std::vector<std::string>& secrets);
  void count(Category category, std::string_view message);
  ConnectionSnapshot snapshot() const;

  // Set by the first call that the vendor refuses to authorize, until one is served again.
  bool needs_authorization = false;
  Instant probe_at{};    // when the next call may try whether it works again
  std::set<RunId> held;  // for authorization

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
};

class Connections {
 public:
  // `timers` runs the budgets, and must be stopped before this dies.
  Connections(Clock& clock, std::uint64_t seed, TaskGroup& timers);

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
  bool refusing_ = false;
  std::map<std::string, std::unique_ptr<Connection>, std::less<>> connections_;
};

}  // namespace tieline::engine
