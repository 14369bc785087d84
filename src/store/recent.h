// What the store knows in memory: run states and entries not yet folded into state.db, the newest events, and the
// dedupe hashes. It must never be the only place where something durable stands: all of it is rebuilt from the files.
#pragma once

#include <algorithm>
#include <boost/container/small_vector.hpp>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "core/event.h"
#include "core/journal.h"
#include "store/cursor.h"
#include "store/fold.h"

namespace tieline::store {

struct FlowState {
  std::string name;
  Cursor cursor;
  FlowCounts counts;
  bool configured = true;  // its cursor holds history back
  bool marked = true;      // the log has the cursor as it is here
  Position durable_floor;  // of the newest mark that is durable
};

// A record in the log, as far as finding it and recognising a repeat needs.
struct RecordRef {
  std::uint64_t lsn = 0;
  std::uint64_t hash = 0;
  std::uint32_t number = 0;
};

struct RecentRun {
  RunStatus status;
  std::uint64_t last_lsn = 0;
  boost::container::small_vector<RecordRef, 4> records;  // of this generation
};

struct RecentEntry {
  std::optional<Bytes> value;  // nothing: erased
  std::uint64_t revision = 0;
  Time until = Time::max();
  RunId owner{};  // whose record carried it; event 0: nobody's
};

struct TextHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const noexcept { return hash64(text); }
};
template <class T>
using TextMap = std::unordered_map<std::string, T, TextHash, std::equal_to<>>;

// The fold of one segment's records. Closed when its segment is full; then it never changes again.
struct Generation {
  std::uint64_t first_lsn = 1;
  std::uint64_t first_seq = 1;
  std::unordered_map<RunId, RecentRun, RunIdHash> runs;
  TextMap<TextMap<RecentEntry>> entries;  // by bucket, then key
  // Hashes of dedupe keys, of the events from `hashes_from` on, as far as they came in this process.
  std::vector<std::uint64_t> hashes;
  std::uint64_t hashes_from = 0;
  // Set when it closes.
  std::uint64_t last_lsn = 0;
  std::uint64_t last_seq = 0;
  std::vector<FlowState> flows;

  // Then neither it nor an older one has a run of the event, which came after it had closed.
  bool closed_before(Position event) const { return last_seq != 0 && last_seq < event.value; }
};

// The generations, oldest first; the last one is the hot segment's. Guarded by the store's lock.
class Recent {
 public:
  void open(std::uint64_t first_lsn, std::uint64_t first_seq);
  Generation& hot() { return *generations_.back(); }
  bool empty() const { return generations_.empty(); }
  const std::deque<std::shared_ptr<Generation>>& generations() const { return generations_; }
  std::shared_ptr<Generation> drop_oldest();
  std::size_t closed_runs() const { return closed_runs_; }  // of all generations but the hot one

  // Of the hot generation, in the order of their positions.
  void add_hash(std::uint64_t seq, std::uint64_t hash);
  // Whether the event is known to have another hash. Looking into a segment that is not sealed yet costs the reading of
  // its log, which what agrees with a hash in half of its bits only is not worth.
  bool differs(std::uint64_t seq, std::uint64_t hash) const;

  // Null when no generation has it: then state.db has the last word.
  const RecentRun* run(RunId run) const;
  const RecentEntry* entry(std::string_view bucket, std::string_view key) const;
  // A run of an event at this position or later cannot stand in state.db.
  std::uint64_t first_seq() const { return generations_.front()->first_seq; }

  // `base`: the run's status in state.db, where no generation has the run. Returns the status after the record.
  const RunStatus& apply(const Record& record, const RecordRef& ref, const std::optional<RunStatus>& base,
                         FlowCounts& counts);
  void put(std::string_view bucket, std::string_view key, RecentEntry entry);

  // The run's records that stand in generations, ascending by lsn.
  std::vector<RecordRef> records(RunId run) const;
  // The newest status of each run that matches; and whether any generation has the run.
  void collect(const RunQuery& query, std::vector<RunStatus>& out) const;
  // Newest entries (erased ones too) of the bucket whose key starts with `prefix` and is greater than `after`.
  void collect(std::string_view bucket, std::string_view prefix, std::string_view after,
               std::unordered_map<std::string, RecentEntry>& out) const;

 private:
  std::deque<std::shared_ptr<Generation>> generations_;
  std::size_t closed_runs_ = 0;
};

// The newest events, without a gap: those that are not durable yet, and of the durable ones as many as fit.
class Tail {
 public:
  explicit Tail(std::size_t bytes_max) : bytes_max_(bytes_max) {}
  void push(EventPtr event, std::size_t bytes);
  // Forgets the oldest ones up to `durable` until the rest fits.
  void trim(std::uint64_t durable);
  const EventPtr* find(std::uint64_t seq) const;
  // The first position it holds; one beyond the last when it is empty.
  std::uint64_t first() const { return first_; }
  void restart(std::uint64_t first);
  std::size_t bytes() const { return bytes_; }

 private:
  struct Item {
    EventPtr event;
    std::size_t bytes;
  };
  const std::size_t bytes_max_;
  std::deque<Item> items_;
  std::uint64_t first_ = 1;
  std::size_t bytes_ = 0;
};

// Positions by the hash of the dedupe key: 8 bytes a slot, open addressing. A hit is only a hint, to be verified.
class Dedupe {
 public:
  void add(std::uint64_t hash, std::uint64_t seq);
  // Candidates for the hash.
  template <class Visit>
  void each(std::uint64_t hash, Visit visit) const {
    if (slots_.empty()) return;
    const std::uint32_t tag = tag_of(hash);
    for (std::size_t i = home(tag);; i = (i + 1) & (slots_.size() - 1)) {
      if (slots_[i].offset == 0) return;
      if (slots_[i].tag == tag && base_ + slots_[i].offset > oldest_) visit(base_ + slots_[i].offset);
    }
  }
  // Positions up to here may be forgotten.
  void forget_up_to(std::uint64_t seq) { oldest_ = std::max(oldest_, seq); }
  std::size_t size() const { return used_; }
  std::size_t bytes() const { return slots_.capacity() * sizeof(Slot); }

 private:
  struct Slot {
    std::uint32_t tag = 0;
    std::uint32_t offset = 0;  // position less base_; 0: free
  };
  static std::uint32_t tag_of(std::uint64_t hash) { return static_cast<std::uint32_t>(hash >> 32); }
  // By the tag's high bits, so that growing needs nothing but the tag.
  std::size_t home(std::uint32_t tag) const { return static_cast<std::uint64_t>(tag) * slots_.size() >> 32; }
  void insert(Slot slot);
  void rebuild();

  std::vector<Slot> slots_;  // a power of two
  std::size_t used_ = 0;
  std::uint64_t base_ = 0;
  std::uint64_t oldest_ = 0;
};

}  // namespace tieline::store
