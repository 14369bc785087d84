// What the demo counts, and how it tells it. The report must add up: received = delivered + skipped + stale + held +
// dead + pending.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "json/value.h"

namespace tieline::cli {

// Watches the engine and keeps the numbers of the report.
class DemoTally final : public engine::EngineObserver {
 public:
  void run_ended(const engine::RunInfo& run) override;

  std::uint64_t ended() const { return delivered + skipped + stale + dead; }
  // The latency below which `percent` of the delivered runs stayed, in milliseconds; 0 without any.
  double latency_ms(double percent) const;

  std::uint64_t delivered = 0, skipped = 0, stale = 0, dead = 0;
  std::map<std::string, std::uint64_t> reasons;  // of skipped and dead runs

 private:
  std::vector<Duration> latencies_;
};

struct DemoReport {
  std::uint64_t sent = 0, received = 0, duplicates = 0;
  std::uint64_t delivered = 0, skipped = 0, stale = 0, held = 0, dead = 0, pending = 0;
  std::uint64_t deals = 0, tied_deals = 0;  // at the HubSpot double
  double p50_ms = 0, p99_ms = 0, seconds = 0;
  std::map<std::string, std::uint64_t> reasons;
  std::string workspace;
  std::uint64_t wanted = 0;  // orders; more than `sent` where a person interrupted it
  bool interrupted = false;

  // Every order that was acknowledged is accounted for, and HubSpot has one deal for each delivered one, tied to its
  // contact.
  bool complete() const;
  json::Document document() const;
  std::string text() const;  // for a person
};

}  // namespace tieline::cli
