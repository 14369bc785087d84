// What the shards' handles, the writer and the background thread share. It must never run SQL with its lock held.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <list>
#include <mutex>
#include <thread>

#include "store/files.h"
#include "store/log_end.h"
#include "store/losses.h"
#include "store/next_segment.h"
#include "store/recent.h"
#include "store/segment.h"
#include "store/sqlite_store.h"
#include "store/state_db.h"

namespace tieline::store {

// Generations in memory, the hot one among them: more, and appends wait for the background thread.
inline constexpr std::size_t kGenerationsMax = 12;
// Runs in the closed ones of them: a segment of small records has many, and each takes some 300 bytes of memory.
inline constexpr std::size_t kClosedRunsMax = 300'000;

// How long sealing rests after it has worked for a while, with so many full segments that wait: it can wait itself, a
// burst of webhooks cannot. Sustained load lets them grow until it keeps up.
Duration pause_of_sealing(Duration worked, std::size_t behind);

// What the writer takes at once.
struct Group {
  struct QueuedEvent {
    EventPtr event;
    std::uint64_t hash;
  };
  struct QueuedRecord {
    RawRecord row;  // its body: `size` bytes of the arena from `at`
    std::size_t at, size;
  };
  std::vector<QueuedEvent> events;
  std::vector<QueuedRecord> records;
  std::vector<StoredFlow> flows;
  Bytes arena;
  std::size_t bytes = 0;
  std::size_t count = 0;
  std::uint64_t ticket = 0;  // of the last call in it
  std::uint64_t shards = 0;  // bit set: who waits
  bool awaited = false;      // somebody waits for it: no lingering
  // Filled when the writer takes it.
  Marks marks;
  std::uint64_t last_seq = 0, last_lsn = 0;
  bool ends_segment = false;

  void clear();
};

// What the writer tells a shard.
class GroupListener {
 public:
  virtual ~GroupListener() = default;
  virtual asio::any_io_executor executor() const = 0;
  // On one of the store's threads, one call at a time: `last` is the newest durable event. True when somebody waits for
  // one, so that resolved() has to be called even if no call of this shard is.
  virtual bool told(Position last) = 0;
  // On the shard's executor: calls up to `ticket` are durable, or failed with `error`.
  virtual void resolved(std::uint64_t ticket, std::optional<Error> error) = 0;
};

class StoreCore : public std::enable_shared_from_this<StoreCore> {
 public:
  StoreCore(StoreOptions options, Clock& clock);
  ~StoreCore();

  Result<void> open();  // recovery; then the threads run
  void close();

  const StoreOptions options;
  Clock& clock;

  // Guarded by `mutex` from here on.
  mutable std::mutex mutex;
  Recent recent;
  Tail tail;
  Dedupe dedupe;
  std::vector<FlowState> flows;  // by id, from 1
  std::shared_ptr<const std::vector<Segment>> segments = std::make_shared<std::vector<Segment>>();
  std::uint64_t next_lsn = 1, next_seq = 1;
  std::uint64_t durable_seq = 0, durable_lsn = 0, durable_ticket = 0, last_ticket = 0;
  std::uint64_t folds = 0;  // counts the generations dropped
  StoreStats counters;      // commits, duplicates, corrupt records
  Losses corrupt_events, corrupt_records;
  std::vector<std::uint64_t> events_aside;  // that a repair took out: settled for every flow
  std::vector<std::string> unreadable;      // segments that could not be opened
  std::vector<std::string> never_finished;  // that a crash left before their first commit
  std::vector<std::string> damaged;         // what else the opening found wrong, in words
  LogStart start;                           // as state.db has it

  // With the lock held.
  Result<void> writable() const;                    // what flows write; the last of the disk is theirs
  Result<void> takes_events() const;                // what comes in
  std::optional<Error> refusal(bool events) const;  // why it takes none, though it is open for them
  bool has_room() const;
  void want_room(std::size_t shard) { room_wanted_ |= 1ull << shard; }
  FlowState* flow(FlowId id);
  Group& queue() { return queue_; }
  // Ends a submission to the queue; the ticket to wait for. `awaited` false: it may linger.
  std::uint64_t submitted(std::size_t shard, std::size_t bytes, bool awaited);
  void cursor_moved() { unmarked_ = true; }
  bool needs_kick() const { return writer_idle_; }
  // Where flows and reads begin: what is older is not kept, or without its data.
  std::uint64_t oldest_seq() const {
    const Segment* first = first_with_data(*segments);
    return first == nullptr ? next_seq : first->first_seq;
  }

  // Without.
  void kick();
  std::size_t add_listener(std::shared_ptr<GroupListener> listener);
  void remove_listener(std::size_t shard);
  void lost(std::span<const std::uint64_t> seqs);  // corrupt or missing events: counted, settled for every flow
  void lost_record(std::uint64_t lsn, const std::string& why = {});
  void lost_records(std::uint64_t first, std::uint64_t last);  // missing
  // The same, but for those that a repair set aside.
  void lost_records(const SegmentReader& reader, std::uint64_t first, std::uint64_t last);
  void sample_time() { now_us_.store(to_unix_us(clock.now()), std::memory_order_relaxed); }
  Result<void> maintain();
  Result<void> compact(const std::atomic<bool>* give_up);
  std::shared_ptr<void> hold_files();
  StoreStats stats() const;
  std::uint64_t folded_lsn() const { return folded_lsn_; }  // with the lock held
  std::uint64_t hot_log_bytes() const { return hot_log_bytes_; }
  // Whether a segment's write-ahead log still holds what was durable in it. kCorrupt, kInternal.
  Result<void> verify_log(const Segment& segment) const;
  void report(const std::string& line) const;
  std::filesystem::path path(std::string_view name) const { return options.directory / name; }
  std::string state_path() const { return path("state.db").string(); }
  bool has_state() const { return has_state_; }
  // The base of a run's first record of a generation: true when state.db may know more than memory.
  bool may_be_folded(RunId run) const { return run.event.value < recent.first_seq() && recent.run(run) == nullptr; }

 private:
  struct Sealing {
    Segment segment;
    std::shared_ptr<Generation> generation;  // null: folded already
  };

  // store_opening.cc
  Result<void> open_files();
  Result<void> lock_directory();
  Result<std::vector<Segment>> list_segments();
  Result<void> open_state(const std::vector<Segment>& found);
  struct Told {
    std::uint64_t all_from = 0, records_from = 0;  // lsns
  };
  Result<Told> told_by(const std::vector<Segment>& found) const;

  // store_recovery.cc
  Result<void> recover(std::vector<Segment> found);
  Result<void> take_standing(std::vector<Segment>& found, std::vector<Segment>& standing,
                             std::vector<std::uint64_t>& gaps);
  std::uint64_t first_of_all(const std::vector<Segment>& found, const Segment& segment) const;
  Result<void> note_start(LogStart first);
  Result<void> leave_out(const Segment& segment, bool newest, const Error& error);
  Result<void> check_environment(const SegmentReader& reader) const;
  Result<void> replay(const Segment& segment, const Segment* next);  // null: the newest
  Result<void> take_heads(const Segment& segment, SegmentReader& reader);
  Result<bool> replay_record(const RawRecord& row);  // false: its lsn cannot be believed
  Result<void> end_recovered(const Segment& segment, const Segment& next);
  Result<void> open_hot(std::vector<Segment>& found);
  void load_dedupe(const std::vector<Segment>& found);

  // store_losses.cc
  Result<void> hold_for_losses(const Segment& segment, const Segment* next, bool indexed);
  Result<bool> hold_owners(const Segment& segment, std::uint64_t last_lsn);  // false: who they are is not known
  Result<void> hold_open(std::uint64_t first_seq, std::uint64_t last_seq);
  Result<void> hold_begun(std::uint64_t first_seq, std::uint64_t last_seq);
  Result<void> read_newest_marks();
  Result<const RecentRun*> latest(RunId run);  // in the hot generation; null: it is not known
  void suspect(RunId run, std::uint32_t lost, std::uint64_t last_lsn);

  // store_inspect.cc
  Result<void> inspect(std::vector<Segment>& found);
  Result<void> inspect(Segment& segment, const Segment* older, bool newest);  // null: it is the oldest
  // Counts and reports it; kCorrupt when it ends the log and nobody accepted the loss.
  Result<void> damage(const std::string& line, bool at_the_end);
  Result<void> check_tail(const std::vector<Segment>& standing, std::vector<std::uint64_t>& gaps);
  // "events 101 to 200 and records 40 to 50": what was durable and stands behind these.
  std::string loss_behind(std::uint64_t last_seq, std::uint64_t last_lsn) const;

  // store_salvage.cc
  Result<void> salvage(const Segment& segment, const Segment* older, bool newest);
  std::vector<FlowId> known_flows(const Segment* older) const;

  // store_writer.cc
  void write_loop();
  void take_group(Group& group);
  bool commit_group(Group& group);  // false: the store is stopping or refuses
  int write_group(Group& group);
  Result<void> new_segment();
  void group_done(Group& group);
  void next_hot_segment();  // with the lock held
  void snapshot(const std::vector<FlowState>& states);
  void remember_end(const Group& group);
  void refuse(Error error);
  void notify(std::uint64_t shards, std::uint64_t ticket, const std::optional<Error>& error);

  // store_background.cc
  void background_loop();
  Result<void> seal_and_fold(Sealing& work);
  Result<Segment> write_sealed(const Segment& segment, Holds holds);  // its name is still unfinished_name()
  Result<Segment> finish_sealed(Segment sealed);
  void rest(Duration worked);
  void forget_leaving(std::uint64_t first_lsn);
  void let_go();
  void end_old_segment();
  void check_disk();
  void tell_stuck(const Error& error);
  Result<void> compact_state();

  // store_retention.cc
  struct Shedding {
    Segment segment;
    std::optional<Holds> to;     // nothing: it goes
    std::vector<RunId> working;  // unfinished in memory only
    bool pressed = false;        // before its time
    LogStart next{};             // where the log begins without it, if it is the oldest
  };
  Result<void> retire();
  Result<void> shed_all();
  std::optional<Shedding> next_to_shed();
  std::optional<Shedding> shedding_by_time() const;
  std::optional<Shedding> shedding_by_size() const;
  bool may_go(const Segment& segment) const;
  std::optional<Holds> holds_by_time(const Segment& segment) const;
  std::vector<RunId> working_runs() const;  // without the lock
  static bool all_known(const std::vector<RunId>& working, const Shedding& what);
  bool held_back() const;
  Result<bool> shed(const Shedding& what);  // false: not now
  void shed_done(const Shedding& what, const std::optional<Segment>& less);
  Result<void> expire(bool asked);
  Time now() const { return from_unix_us(now_us_.load(std::memory_order_relaxed)); }

  int lock_file_ = -1;
  std::optional<LogEnd> known_end_;  // as the opening found it
  bool end_lost_ = false;            // it lacks something, and that is accepted, or it is only looked at
  bool has_state_ = false;
  const Segment* newest_ = nullptr;                     // while it opens
  std::optional<std::vector<FlowState>> newest_flows_;  // cursors as it has them, once somebody asked; while it opens
  std::uint64_t suspects_ = 0;  // runs that are held as records of them may be lost; while it opens
  std::atomic<std::int64_t> now_us_{0};
  std::atomic<bool> compact_given_up_{false};  // by who asked for it, or as the store closes

  // Guarded by `mutex`.
  Group queue_;
  bool unmarked_ = false;
  bool writer_idle_ = false;
  bool stopping_ = false;
  std::optional<Error> refusing_;
  std::optional<Error> full_;      // passes when there is room again
  bool disk_low_ = false;          // history is shed
  bool disk_out_ = false;          // events are refused
  bool disk_gone_ = false;         // everything is
  bool end_wanted_ = false;        // of the hot segment: what it holds becomes old
  Time hot_since_ = Time::max();   // what the hot segment holds came from here on
  std::size_t held_back_ = 0;      // who needs the files to stay
  std::uint64_t irreducible_ = 0;  // the first lsn of a segment whose pages are damaged: it cannot be written anew
  std::uint64_t hot_bytes_seen_ = 0;
  std::uint64_t hot_log_bytes_ = 0;  // of the hot segment's log: as much of it is durable
  bool shedding_ = false, compact_wanted_ = false;
  std::uint64_t disk_free_ = 0;
  std::uint64_t room_wanted_ = 0;
  std::condition_variable wake_writer_;
  std::deque<Sealing> sealing_;
  std::uint64_t maintain_asked_ = 0, maintain_done_ = 0;
  std::optional<Error> background_error_;
  std::condition_variable wake_background_, background_idle_;
  std::uint64_t folded_lsn_ = 0, folded_seq_ = 0;

  // Writer thread only.
  SegmentWriter hot_;
  bool hot_open_ = false;
  std::uint64_t hot_bytes_ = 0;
  std::uint64_t hot_first_lsn_ = 0;
  LogEndFile log_end_;
  bool end_reported_ = false;
  std::vector<StoredFlow> snapshot_flows_;  // for the head of the next segment
  Marks snapshot_marks_;
  Segment next_segment_;

  // Background thread only (open() before it starts).
  StateDb state_;
  std::unique_ptr<Files> background_files_;
  std::deque<Segment> leaving_;  // open forms of sealed segments, not removed yet
  Instant expired_at_ = Instant::min();
  std::optional<std::uint64_t> forgotten_at_;  // the lsn that was folded when kept rows were last looked through

  NextSegment next_files_;

  std::mutex listeners_mutex_;
  std::vector<std::shared_ptr<GroupListener>> listeners_;

  std::thread writer_, background_;
};

}  // namespace tieline::store
