// One life of the engine under one seed: what happens to it, who uses it, and the judgement of it at its end. It must
// never depend on anything but its options.
#pragma once

#include <boost/asio/io_context.hpp>
#include <cstdio>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "async/manual_clock.h"
#include "async/task_group.h"
#include "engine/engine.h"
#include "engine/record.h"
#include "sim/flows.h"
#include "sim/simulation.h"
#include "sim/vendor.h"
#include "store/memory_store.h"

namespace tieline::sim {

struct Sent {
  std::string id, key, group;
  std::int64_t version = 0;
  bool acknowledged = false;
};

// What the journal tells of a run that waits, or that newer ones stand for.
struct Story {
  struct Wait {
    Time since, until;
  };
  std::vector<Wait> waits;  // a moment that is journaled again is one wait
  std::vector<Time> approved;
  std::optional<Time> cancelled;
  Position event;
  Time changed;
  std::string summary;
};

class Life {
 public:
  explicit Life(const Options& options)
      : options_(options),
        prng_(options.seed),
        clock_(*parse_time("2026-11-23T00:00:00Z")),
        vendor_(clock_, options_),
        store_(std::make_unique<store::MemoryStore>(context_.get_executor(), clock_, store_options())) {}

  Report run();

 private:
  store::MemoryStoreOptions store_options() {
    store::MemoryStoreOptions options;
    options.sync_delay = Duration(static_cast<std::int64_t>(prng_.below(8'000)));
    return options;
  }
  void say(const std::string& text) const {
    if (options_.trace) std::fprintf(stderr, "%12.6f %s\n", seconds(), text.c_str());
  }
  double seconds() const { return static_cast<double>(clock_.instant().time_since_epoch().count()) / 1e6; }
  void violation(std::string text) { report_.violations.push_back(std::move(text)); }

  void boot();
  void crash();
  bool turn();  // false: nothing is left that could happen
  void finish(asio::awaitable<void> task);
  engine::EngineConfig config() const;
  asio::awaitable<void> start();
  asio::awaitable<void> stop_cleanly();
  asio::awaitable<void> produce();
  asio::awaitable<void> operate();
  asio::awaitable<void> look_into(RunStatus held, std::string flow);
  asio::awaitable<void> approve(RunStatus waiting, std::string flow);
  asio::awaitable<void> let_go(std::vector<RunStatus> held);
  asio::awaitable<std::string> id_of(Position event);
  asio::awaitable<void> replay();
  asio::awaitable<void> reload();
  asio::awaitable<void> trouble();
  asio::awaitable<void> look();
  asio::awaitable<void> judge();
  void show(const Record& record) const;
  asio::awaitable<void> show_unfinished();
  std::string standing() const;
  void judge_outage(const std::string& name, const Record& record, const engine::RecordBody& body);
  void judge_effects();
  asio::awaitable<void> judge_topics();
  void judge_order();
  void tell(const std::string& name, const RunStatus& status, const Record& record, const engine::RecordBody& body);
  void judge_waits();
  void judge_wait(const std::string& name, const Story& story);
  void judge_cancelled(const std::string& name, const Story& story);
  void judge_waited(const Vendor::Effect& effect);
  void judge_newest(const std::string& name, const Story& story);
  void judge_brake();

  Options options_;
  Prng prng_;
  asio::io_context context_;
  ManualClock clock_;
  const Time began_ = clock_.now();
  Vendor vendor_;
  Source source_;
  std::unique_ptr<store::MemoryStore> store_;
  std::unique_ptr<engine::Engine> engine_;
  std::unique_ptr<TaskGroup> tasks_;
  std::vector<Sent> events_;
  std::map<std::string, RunState> ends_;          // by "flow/event"
  std::map<std::string, std::uint32_t> repeats_;  // that the operator asked for
  // By "flow/event": when the run began again, and for which job.
  std::map<std::string, std::vector<std::pair<Time, std::uint64_t>>> replays_;
  std::map<std::string, std::uint32_t> from_start_;    // of repeats_: those that were to do everything again
  std::map<std::string, std::uint32_t> outage_tries_;  // by "flow/event/action"
  std::map<std::uint64_t, std::size_t> published_;     // by the position of the event whose run published
  std::map<std::string, Story> stories_;               // by "flow/event", of flows whose runs wait
  std::map<std::string, engine::HeldAnswer> answers_;  // by "flow/event": to approvals, and durable
  std::vector<Time> releases_;                         // of the brake
  std::uint32_t passes_ = 0;                           // runs that were let pass by themselves before the first of them
  std::uint32_t generation_ = 1;
  bool started_ = false, must_crash_ = false, dying_ = false, quiet_ = false;
  std::uint32_t troubles_ = 0;
  Instant unkept_ = Instant::max();  // since then nothing that the engine is told may be durable
  std::size_t crash_at_ = 0;
  Report report_;
};

}  // namespace tieline::sim
