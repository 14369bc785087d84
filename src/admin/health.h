// GET /health/integrations: each connection checked side by side, and the answers kept, so that a probe that asks every
// second spends no quota.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "async/sync.h"
#include "async/task_group.h"
#include "core/connector.h"
#include "core/webhook.h"
#include "engine/engine.h"

namespace tieline::admin {

struct HealthOptions {
  Duration keep{60'000'000};    // how long an answer stands
  Duration timeout{5'000'000};  // of one check
};

// Makes the connection's health call within its budget; nothing when it has none.
using HealthCall = std::function<asio::awaitable<std::optional<Verdict>>(std::string connection, Deadline deadline)>;

// One thread only: the shard's. Await stop() before destroying it.
class Health {
 public:
  Health(asio::any_io_executor executor, Clock& clock, HealthCall call, HealthOptions options = {});

  // 200 when every connection is healthy, else 503: {"status", "integrations": {NAME: {"status", "message",
  // "checked"}}, "timestamp"}. Status of a connection: "healthy", "unhealthy", or "unchecked" when it has no health
  // call and no traffic yet (which counts as healthy). Traffic that succeeded lately stands for a check.
  asio::awaitable<Reply> reply(engine::EngineSnapshot snapshot);
  // Forgets what it knew: the connections changed.
  void reset() { answers_.clear(); }
  asio::awaitable<void> stop() { return tasks_.stop(); }

 private:
  struct Answer {
    std::string status, message;
    Time checked;
    Instant at;
  };
  bool fresh(const std::string& connection) const;
  asio::awaitable<void> check(std::string connection);

  Clock& clock_;
  HealthCall call_;
  HealthOptions options_;
  TaskGroup tasks_;
  Signal checked_;
  std::map<std::string, Answer> answers_;
  std::map<std::string, bool> checking_;
};

}  // namespace tieline::admin
