// What the operator reads on stderr: a line each with time and level, of what happened and what is to be done. It must
// never hold a secret or a payload, and a stranger must not be able to fill it.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "base/time.h"
#include "engine/door.h"
#include "engine/engine.h"

namespace tieline::cli {

enum class LogLevel : std::uint8_t { kInfo, kWarning, kError };

using Log = std::function<void(LogLevel, std::string_view)>;

// "2026-11-25T10:02:02Z warning TEXT" and a line end, for each line of the text; lines without text are left out.
std::string log_lines(Time now, LogLevel level, std::string_view text);

// Says in plain words what the engine and the door tell: dead letters, held runs, runs that wait for a
// person's yes, connections that need authorization,
// refused webhooks. refused() is called on the door's thread, the rest on the shard's. Of refused ones the first of
// each connection and reason, then each tenth power; of those that a flow's brake holds the first.
class OperatorLog final : public engine::EngineObserver, public engine::DoorObserver {
 public:
  explicit OperatorLog(Log log) : log_(std::move(log)) {}

  void run_ended(const engine::RunInfo& run) override;
  void run_waits(const engine::RunInfo& run) override;
  void authorization_changed(std::string_view connection, bool needed) override;
  void incident_changed(std::string_view connection, const engine::Incident& incident) override;
  void refused(std::string_view connection, std::string_view reason) override;

 private:
  void went_on(const engine::RunInfo& run);

  Log log_;
  std::map<std::pair<std::string, std::string>, std::uint64_t> refused_;  // both are of a bounded set
  std::map<std::string, std::string, std::less<>> down_;                  // by connection: what is said to be down
  std::map<std::string, Position, std::less<>> braked_;                   // by flow: the first run that its brake holds
};

}  // namespace tieline::cli
