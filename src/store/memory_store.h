// The store as a fake: everything in memory, on one thread, and what was not synced is forgotten in a crash. It must
// never be kinder than the disk: nothing is durable before a sync, and nothing un-synced survives.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <unordered_map>
#include <variant>
#include <vector>

#include "async/sync.h"
#include "async/task_group.h"
#include "store/cursor.h"
#include "store/fold.h"
#include "store/shard_store.h"

namespace tieline::store {

struct MemoryStoreOptions {
  // Whoever waits for durability starts a sync, on the executor's next turn; else only sync() makes things durable.
  bool autosync = true;
  Duration sync_delay{0};  // how long such a sync takes; it covers what was appended before it began
  Duration dedupe_window = kDedupeWindow;
};

class MemoryStore final : public ShardStore {
 public:
  // `clock` must outlive the store.
  MemoryStore(asio::any_io_executor executor, Clock& clock, MemoryStoreOptions options = {});
  ~MemoryStore() override;

  // Makes everything appended so far durable and wakes who waits for it.
  void sync();
  // The store that a process would find after this one died now: without what was not durable. This one is dead: what
  // waits is never answered (cancel it), further calls get kUnavailable; stop() it all the same.
  std::unique_ptr<MemoryStore> crash();
  std::unique_ptr<MemoryStore> crash(asio::any_io_executor executor, MemoryStoreOptions options);

  // Faults. Until told otherwise (nothing), writes are refused with this code (kUnavailable, kFull).
  void refuse(std::optional<Code> code) { refuse_ = code; }
  // The next sync fails: who waits gets kUnavailable, and so does every later write until crash().
  void fail_next_sync() { fail_next_sync_ = true; }
  void set_sync_delay(Duration delay) { options_.sync_delay = delay; }
  void set_autosync(bool autosync) { options_.autosync = autosync; }
  // The event is as good as destroyed on disk: left out of reads, counted, settled for every flow.
  void corrupt(Position position);
  // The record is as good as destroyed on disk: left out of reads; what was folded from it stays.
  void lose(RunId run, std::uint32_t number) { lost_.insert({run, number}); }
  std::size_t corrupt_events() const { return corrupt_.size(); }
  const std::vector<FlowId>& configured_flows() const { return configured_; }  // as told last
  std::size_t syncs() const { return syncs_; }                                 // that made something durable

  Async<std::vector<Appended>> append(std::vector<NewEvent> events, Deadline deadline) override;
  Async<std::vector<EventPtr>> read(Position after, ReadLimits limits) override;
  Async<std::vector<EventPtr>> get(std::vector<Position> positions) override;
  Async<EventPtr> find(std::string source, std::string id) override;
  Async<Position> first_at_or_after(Time received) override;
  Position last() const override { return Position(durable_events_); }
  asio::awaitable<void> wait_beyond(Position after, Deadline deadline) override;
  Duration dedupe_window() const override { return options_.dedupe_window; }

  Async<FlowId> open_flow(std::string name, Position start) override;
  Async<std::vector<std::pair<FlowId, std::string>>> flows() override;
  Async<void> rename_flow(std::string from, std::string to) override;
  void configured(std::vector<FlowId> flows) override;  // history is kept for ever here
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
  struct OpenFlow {
    std::string name;
    Position start;
  };
  struct RenameFlow {
    FlowId flow;
    std::string name;
  };
  struct Settle {
    FlowId flow;
    Position event;
  };
  struct Put {  // value nothing: erased
    std::string bucket, key;
    std::optional<Bytes> value;
  };
  using Op = std::variant<EventPtr, std::shared_ptr<const Record>, OpenFlow, RenameFlow, Settle, Put>;

  struct Flow {
    std::string name;
    Cursor cursor;
    FlowCounts counts;
  };
  struct Run {
    std::optional<RunStatus> status;
    std::vector<std::shared_ptr<const Record>> records;  // ascending by number
  };

  std::uint64_t apply(Op op);  // the op's number in the log, from 1
  // A duplicate writes nothing; `number` is its op's, or that of everything so far when it is a duplicate that is not
  // durable yet, else 0.
  struct Taken {
    Appended answer;
    std::size_t number = 0;
  };
  Taken take(NewEvent event);
  void apply_record(const std::shared_ptr<const Record>& record, std::uint64_t revision);
  void make_durable(std::size_t ops);
  Result<void> writable() const;
  Flow* find_flow(FlowId flow);
  Async<void> durable_through(std::size_t ops, Deadline deadline);
  void start_sync();
  asio::awaitable<void> run_sync();

  asio::any_io_executor executor_;
  Clock& clock_;
  MemoryStoreOptions options_;
  TaskGroup tasks_;

  std::vector<Op> log_;  // the truth: everything below is its fold
  std::size_t durable_ops_ = 0;
  std::uint64_t durable_events_ = 0;
  std::vector<EventPtr> events_;                      // by position, from 1
  std::unordered_map<std::string, Position> by_key_;  // the newest event of each dedupe key
  std::vector<FlowId> configured_;
  std::vector<Flow> flows_;  // by id, from 1
  std::map<RunId, Run> runs_;
  std::map<std::pair<std::string, std::string>, Entry> entries_;
  std::set<Position> corrupt_;
  std::set<std::pair<RunId, std::uint32_t>> lost_;

  Signal synced_;
  bool syncing_ = false;
  bool dead_ = false;
  bool fail_next_sync_ = false;
  std::optional<Code> refuse_;
  bool sync_failed_ = false;
  std::size_t syncs_ = 0;
};

}  // namespace tieline::store
