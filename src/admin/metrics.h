// The program's numbers in Prometheus' text format. Labels are names from the workspace only, never data of an event,
// so that their number is bounded.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/door.h"
#include "engine/engine.h"

namespace tieline::admin {

// One of these watches the door and the engine. What the door tells comes on the door's thread, all else on the
// shard's.
class Metrics final : public engine::EngineObserver, public engine::DoorObserver {
 public:
  Metrics();
  ~Metrics() override;

  void attempt_ended(const engine::AttemptInfo& attempt) override;
  void run_ended(const engine::RunInfo& run) override;
  void incident_changed(std::string_view connection, const engine::Incident& incident) override;
  void received(std::string_view connection, std::size_t events, std::size_t duplicates, Duration took) override;
  void refused(std::string_view connection, std::string_view reason) override;

  // What the store says of itself, as gauges: name (without "tieline_store_") and value.
  using StoreNumbers = std::vector<std::pair<std::string, double>>;
  // The page at /metrics: what was counted, and the snapshot as gauges.
  std::string text(const engine::EngineSnapshot& snapshot, const StoreNumbers& store);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tieline::admin
