// One flow's share of the engine: it reads the log, finds each event's lane, keeps a bounded window of runs in memory
// and the rest in the journal. It must never start a run while another one of its lane is at work, nor before an older
// one that waits in it.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "engine/lane_table.h"
#include "engine/pause.h"
#include "engine/shard.h"

namespace tieline::engine {

class Dispatcher {
 public:
  Dispatcher(Shard& shard, FlowId id, std::string name);
  Dispatcher(const Dispatcher&) = delete;
  Dispatcher& operator=(const Dispatcher&) = delete;

  FlowId id() const { return id_; }
  const std::string& name() const { return name_; }
  void rename(std::string name) { name_ = std::move(name); }
  const FlowPtr& flow() const { return flow_; }  // null: removed
  Position read_to() const { return read_to_; }
  bool works_on(Position event) const { return active_.contains(event.value) || waiting_.contains(event.value); }
  // Nothing: the flow is removed; it takes no more events.
  void set_flow(FlowPtr flow);
  // While there is a reason it reads nothing; its runs go on.
  void pause(std::string why) { paused_ = std::move(why); }
  void resume() {
    paused_.reset();
    room_.notify_all();
  }
  bool paused() const { return paused_.has_value(); }

  // Finds again what an earlier process left (recovery.cc). Starts nothing.
  Async<void> recover();
  // Starts what recover() found, and the reading of the log. Once.
  void begin();

  // A timer that was set for the run has run out.
  void due(Position event, Time at);
  // Lets a run go on that is held for `hold`.
  void release(Position event, Hold hold);
  void release_all(Hold hold);
  // As Engine::release_brake.
  Result<void> release_brake();
  // As Engine's members of these names.
  Async<void> settle_held(Position event, HeldAnswer answer, Decision by);
  Async<void> replay(Position event, Replay how);
  Async<void> discard(Position event, std::string by);
  Async<void> edit(Position event, json::Document data, std::string by);
  // Returns when the flow has room for one more run that begins again.
  asio::awaitable<void> room_to_replay();

  FlowSnapshot snapshot() const;

 private:
  // A run that is not in memory: everything else about it stands in the journal.
  struct Waiting {
    RunState state = RunState::kRetrying;  // kRunning: the store refused a record, or a decision is being written
    Time due = Time::max();
    std::uint64_t lane = 0;
    Hold hold = Hold::kUnknownOutcome;
    Time received;
    PauseMarks pause{};       // kWaiting
    Position cancelled_by{};  // kWaiting: the newer one whose wait an earlier process did not live to cancel it for
    bool lane_ready = false;  // kWaiting: it goes on as soon as its lane is free
  };
  struct Ready {
    Position event;
    std::uint64_t lane = 0;
    bool expired = false;         // held for too long
    bool brake_released = false;  // a person let go all that the brake held
  };
  struct Unsettled {
    std::uint64_t ordinal;
    Position event;
  };

  // Reading.
  asio::awaitable<void> pump();
  asio::awaitable<void> unhurried();
  asio::awaitable<void> take(EventPtr event);
  asio::awaitable<void> settle_old();
  std::size_t window() const;
  bool has_room() const;
  bool may_read() const { return flow_ != nullptr && flow_->mode != FlowMode::kPaused && !paused_ && has_room(); }
  std::size_t taken() const { return active_.size() - resumed_active_; }
  std::size_t waiting() const { return waiting_.size() + parked_ + ready_.size(); }

  // Working.
  bool may_work() const;
  void start(Run& run);
  void start_idle();
  void supersede(Run& run) const;
  asio::awaitable<void> work_on(Run* run);
  asio::awaitable<void> load(Ready ready);
  asio::awaitable<std::optional<Transition>> come_back(Run& run);
  asio::awaitable<std::optional<Transition>> restore(Run& run, bool expired);
  asio::awaitable<void> finish(Run& run, const Transition& end);
  bool waits_for_connection(RunId run, const Transition& end);
  asio::awaitable<void> pause_if_gone(Run& run, const Transition& end);
  asio::awaitable<void> park(std::unique_ptr<Run> run);
  asio::awaitable<void> park_followers(std::uint64_t lane);
  Async<RecordDraft> decision(Run& run, Hold hold, HeldAnswer answer);
  Async<RecordDraft> beginning_again(Run& run, const Replay& how);
  Async<void> known_to_rest(Run& run, std::optional<RunStatus>& status);
  Async<void> journal_of_dead(Run& run, RecordDraft draft);
  void wait_again(Position event, const Waiting& entry);
  void leave_waiting(Position event, bool expired, bool brake_released = false);
  void rejoin_lane(Position event);
  void leave_lane(std::uint64_t lane, Position event);
  asio::awaitable<bool> cancel(Position waiting, Position newer);
  Position waits_newer(const Waiting& entry, Position event) const;
  asio::awaitable<void> cancel_due(Position event, Position newer);
  asio::awaitable<void> cancel_older(std::uint64_t lane, Position event);
  void start_head(std::uint64_t lane, Position event);
  void make_ready(const Ready& ready);
  void start_ready();
  void observe(const Run& run, const Transition& end);

  // Recovery.
  struct Found {
    std::unordered_set<std::uint64_t> settled, unfinished;
    std::unordered_map<std::uint64_t, Position> begun;  // by lane: its head when the earlier process ended
    Position horizon;  // the last event that the earlier process may have taken before others it settled
  };
  Async<void> find_unfinished(Found& found);
  asio::awaitable<std::uint64_t> find_lane(RunStatus status);
  Async<bool> has_begun(RunStatus status);
  Async<void> read_gap(Found& found, Position floor);
  void recovered(const RunStatus& status, std::uint64_t lane);
  void place_over();
  bool held_again(const RunStatus& status);
  bool in_outage_again(const RunStatus& status);

  Shard& shard_;
  const FlowId id_;
  std::string name_;
  FlowPtr flow_;       // present, or null
  FlowPtr last_flow_;  // the latest that there was
  std::optional<std::string> paused_;
  Position read_to_;
  // Of a flow that was gone when the process started: what of its events up to known_to_ needs no reading when it comes
  // back.
  std::unordered_set<std::uint64_t> known_;
  Position known_to_;
  std::uint64_t ordinal_ = 0;  // events read
  std::deque<Unsettled> unsettled_;
  LaneTable lanes_;
  std::unordered_map<std::uint64_t, std::unique_ptr<Run>> active_;  // by position: in memory, working or queued
  bool begun_ = false;
  std::size_t resumed_active_ = 0;
  std::size_t working_ = 0;                                           // of active_
  std::size_t loading_ = 0;                                           // resumed runs between ready_ and their end
  std::unordered_map<std::uint64_t, Waiting> waiting_;                // by position
  std::size_t parked_ = 0;                                            // in lanes_ only
  std::unordered_map<std::uint64_t, std::vector<Position>> outside_;  // by lane: those of waiting_ that left it
  std::vector<std::pair<Position, Waiting>> over_;  // recovery: their wait outside of their lane is over
  std::deque<Position> idle_;                       // of active_: heads that the flow's concurrency keeps back
  std::deque<Ready> ready_;                         // to be loaded
  Signal room_;
  FlowSnapshot counts_;
};

}  // namespace tieline::engine
