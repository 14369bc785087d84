// A shard's handle on the embedded store: submits to the one queue, waits for the writer's word, reads through its own
// connections. It must never block its thread on anything but a read.
#pragma once

#include <atomic>
#include <list>
#include <unordered_map>

#include "async/task_group.h"
#include "async/waiter.h"
#include "store/store_core.h"

namespace tieline::store {

// Who waits on one shard, for which ticket or position. On the shard's thread, but for told(); else the store's threads
// only post to it.
class ShardWaits final : public GroupListener {
 public:
  ShardWaits(asio::any_io_executor executor, Clock& clock)
      : executor_(executor), clock_(clock), tasks_(std::move(executor)) {}

  asio::any_io_executor executor() const override { return executor_; }
  bool told(Position last) override;
  void resolved(std::uint64_t ticket, std::optional<Error> error) override;

  // kTimeout, or why the group failed.
  Async<void> durable(std::uint64_t ticket, Deadline deadline);
  asio::awaitable<void> beyond(Position after, Deadline deadline);
  // Returns after the next group or fold; false at the deadline.
  asio::awaitable<bool> progress(Deadline deadline);

  Position last() const { return Position(last_); }
  void set_last(Position last) { last_ = last.value; }
  asio::awaitable<void> stop();

  bool kicking = false;  // the writer is about to be woken

 private:
  enum class For : std::uint8_t { kTicket, kPosition, kProgress };
  struct Wait {  // in the list as long as it lives
    Wait(ShardWaits& in, For why, std::uint64_t until, Deadline at)
        : what(why), value(until), deadline(at), owner(in), place(in.waits_.insert(in.waits_.end(), this)) {
      if (what == For::kPosition) ++owner.position_waits_;
      owner.watch(at);
    }
    ~Wait() {
      if (what == For::kPosition) --owner.position_waits_;
      owner.waits_.erase(place);
    }
    Wait(const Wait&) = delete;
    Wait& operator=(const Wait&) = delete;

    const For what;
    const std::uint64_t value;
    const Deadline deadline;
    Waiter waiter;
    bool expired = false;
    std::optional<Error> error;
    ShardWaits& owner;
    const std::list<Wait*>::iterator place;
  };
  void watch(Deadline deadline);
  asio::awaitable<void> expire_at(Instant when);

  asio::any_io_executor executor_;
  Clock& clock_;
  TaskGroup tasks_;
  std::list<Wait*> waits_;            // in order of arrival
  Instant watched_ = Instant::max();  // when the next expiry is looked at
  // Written by the store's threads and by this shard; sequentially consistent, see told().
  std::atomic<std::uint64_t> last_ = 0;
  std::atomic<std::size_t> position_waits_ = 0;
};

class SqliteShard final : public ShardStore {
 public:
  SqliteShard(std::shared_ptr<StoreCore> core, asio::any_io_executor executor);
  ~SqliteShard() override;

  Async<std::vector<Appended>> append(std::vector<NewEvent> events, Deadline deadline) override;
  Async<std::vector<EventPtr>> read(Position after, ReadLimits limits) override;
  Async<std::vector<EventPtr>> get(std::vector<Position> positions) override;
  Async<EventPtr> find(std::string source, std::string id) override;
  Async<Position> first_at_or_after(Time received) override;
  Position last() const override { return waits_->last(); }
  asio::awaitable<void> wait_beyond(Position after, Deadline deadline) override;
  Duration dedupe_window() const override { return core_->options.dedupe_window; }

  Async<FlowId> open_flow(std::string name, Position start) override;
  Async<void> rename_flow(std::string from, std::string to) override;
  Async<std::vector<std::pair<FlowId, std::string>>> flows() override;
  void configured(std::vector<FlowId> flows) override;
  Async<void> append(Record record, Sync sync) override;
  void settle(FlowId flow, Position event) override;
  Async<FlowCursor> cursor(FlowId flow) override;
  Async<std::vector<Record>> read(RunId run) override;
  Async<std::optional<RunStatus>> status(RunId run) override;
  Async<std::vector<RunStatus>> runs(RunQuery query) override;
  Async<FlowCounts> counts(FlowId flow) override;
  Async<void> flush() override;

  Async<std::optional<Entry>> get(std::string bucket, std::string key) override;
  Async<std::uint64_t> create(std::string bucket, std::string key, Bytes value) override;
  Async<std::uint64_t> update(std::string bucket, std::string key, Bytes value, std::uint64_t revision) override;
  Async<void> erase(std::string bucket, std::string key, std::uint64_t revision) override;
  Async<std::vector<Entry>> scan(std::string bucket, std::string prefix, std::string after, std::size_t count) override;

  asio::awaitable<void> stop() override;

 private:
  using Lock = std::unique_lock<std::mutex>;
  struct Known {  // an old event's dedupe key, read from its segment
    std::string source, id;
    Time received;
  };
  struct Submission {
    std::uint64_t ticket = 0;
    std::uint64_t lsn = 0;
  };
  struct EntryChange {  // to be applied when the key's revision is `expected`
    std::string bucket, key;
    std::optional<Bytes> value;  // nothing: erase
    std::uint64_t expected = 0;  // 0: the key is absent
  };

  // False when the queue is full. Why the store takes no writes.
  Result<bool> room_now(bool events);
  // Waits until it has room. kFull at the deadline.
  Async<void> room(bool events, Deadline deadline);
  void kick_soon();
  std::uint64_t flush_ticket(Lock& lock);

  // Events on their way into the log, and their hashes.
  struct Incoming {
    explicit Incoming(std::vector<NewEvent> all);
    std::vector<std::shared_ptr<Event>> events;
    std::vector<std::uint64_t> hashes;
  };
  struct Queued {
    std::vector<Appended> answers;
    std::size_t bytes = 0;
    bool wait = false;  // one of them, or the first of a duplicate, is not durable yet
  };
  // Fills known_ with what the disk has to be asked for. True when the lock was given up for it meanwhile.
  Result<bool> learn(const Incoming& incoming, Lock& lock);
  std::optional<Position> first_of(const NewEvent& event, std::uint64_t hash) const;
  Queued queue_events(Incoming& incoming);
  Result<Submission> submit_record(Record& record, Sync sync);
  // With the lock held, which it may give up meanwhile: fills `base` with the run's status before `record` where memory
  // does not have it, or `repeat` when the record stands already. kConflict, kInvalid, and why nothing can be written.
  Result<void> find_base(const Record& record, std::uint64_t hash, std::optional<RunStatus>& base,
                         std::optional<Submission>& repeat, Lock& lock);
  Result<bool> known_repeat(const Record& record, std::uint64_t hash);
  Result<Submission> submit_entry(EntryChange& change);
  Async<std::uint64_t> change_entry(EntryChange change);

  // The segments as they stand, with no reader of one that is gone.
  std::shared_ptr<const std::vector<Segment>> standing();
  Result<EventPtr> load(std::uint64_t seq);
  Result<std::optional<SegmentReader::Meta>> load_meta(std::uint64_t seq);
  Result<std::vector<Record>> load_records(RunId run);
  Result<std::optional<FoldedRun>> load_status(RunId run);

  std::shared_ptr<StoreCore> core_;
  std::shared_ptr<ShardWaits> waits_;
  std::size_t shard_;
  Files files_;
  std::weak_ptr<const std::vector<Segment>> seen_segments_;  // an idle shard must not keep files in use
  std::unordered_map<std::uint64_t, Known> known_;
  Bytes scratch_;
  bool stopped_ = false;
};

}  // namespace tieline::store
