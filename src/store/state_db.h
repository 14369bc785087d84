// state.db: the fold of the sealed segments, and what they owed when they went. It must never hold anything of a live
// segment that the segment's records do not tell.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <optional>

#include "store/recent.h"
#include "store/segment.h"
#include "store/sql.h"

namespace tieline::store {

// Runs that work on or may be asked for: these keep their event.
bool keeps_event(RunState state);

struct FoldedRun {
  RunStatus status;
  std::uint64_t last_lsn = 0;
};

// Where the oldest segment begins that was not let go of; 0: it is not known.
struct LogStart {
  std::uint64_t lsn = 0, seq = 0;
};

// Reads of one thread.
class StateReader {
 public:
  static Result<StateReader> open(const std::string& path, const std::string& vfs);

  Result<std::optional<FoldedRun>> run(RunId run);
  struct Found {
    Bytes value;
    std::uint64_t revision;
  };
  Result<std::optional<Found>> entry(std::string_view bucket, std::string_view key);
  // Rows in the query's order until `visit` says false.
  Result<void> runs(const RunQuery& query, const std::function<bool(FoldedRun)>& visit);
  Result<void> scan(std::string_view bucket, std::string_view prefix, std::string_view after,
                    const std::function<bool(Entry)>& visit);
  Result<EventPtr> kept_event(std::uint64_t seq);  // null when there is none; kCorrupt
  Result<void> kept_records(RunId run, std::vector<Record>& out, std::vector<std::uint64_t>& corrupt);
  // Every kept row; its number, and the error of one that is corrupt.
  Result<void> check_kept(const std::function<void(const std::string& what)>& found);
  // SQLite's own check of the file and its indexes. kCorrupt.
  Result<void> check();
  // Between the two all reads see one moment.
  Result<void> hold() { return db_.run("begin; select lsn from applied"); }
  void release() { (void)db_.run("commit"); }
  // What a restart begins with.
  Result<std::uint64_t> applied();
  Result<std::uint64_t> next_seq();
  Result<LogStart> start();
  Result<std::vector<FlowState>> flows();

 private:
  Database db_;
  Statement run_, entry_, kept_event_, kept_records_;
};

// The writes: background thread (or open()) only.
class StateDb {
 public:
  static Result<StateDb> open(const std::string& path, const std::string& vfs);

  // One transaction; nothing when the generation's last lsn is applied already.
  Result<void> fold(const Generation& generation, Time now);
  Result<std::uint64_t> applied();
  // What was up to here and is not folded is lost, and that is accepted.
  Result<void> skip_to(std::uint64_t lsn, std::uint64_t seq);
  // What stands before it is not missed.
  Result<void> start_at(LogStart start);

  // Copies what the runs still owe from a segment that is about to go: their events and all their records in it.
  // `more`: runs that are unfinished in memory only.
  // `records` false: only the events, as the records stay where they are.
  Result<void> keep(SegmentReader& segment, const SegmentCounts& counts, const std::vector<RunId>& more, bool records);
  // Forgets ended runs of events up to `last_seq`.
  Result<void> forget_runs(std::uint64_t last_seq, const std::vector<RunId>& more);
  // Forgets kept rows that no run needs any more. `more`: as above.
  Result<void> forget_kept(const std::vector<RunId>& more);
  // Removes entries whose time is over, at most `count`; how many. What a run wrote that is open, or in `more`, stays.
  Result<std::size_t> expire(Time now, const std::vector<RunId>& more, std::size_t count);
  // Gives free pages back to the disk, at most so many, while they are more than an eighth of the file: moving pages
  // costs more than their room is worth. How many are left to give back. None while the file is one of an earlier
  // program: compact() makes it one of today's.
  Result<std::uint64_t> give_back(std::uint64_t pages);
  // Writes the whole file anew, without free pages. Readers go on; it takes as much disk again for a while.
  // kUnavailable, and nothing is changed, when `give_up` became true.
  Result<void> compact(const std::atomic<bool>& give_up);
  // For a state.db that was made of another's rows: what flows have in hand, by its runs; what ended is not counted.
  static Result<void> count_anew(Database& db);
  // Everything so far is on disk, in the file itself. kUnavailable while somebody reads on: nothing may go then.
  Result<void> checkpoint();

 private:
  Result<void> fold_runs(const Generation& generation);
  Result<void> fold_entries(const Generation& generation, Time now);
  Result<void> fold_flows(const Generation& generation);
  Result<void> upgrade(std::int64_t from);
  Result<void> know_working(const std::vector<RunId>& more);
  Result<void> in_transaction(const std::function<Result<void>()>& all);
  Result<std::vector<RunId>> keepers(std::uint64_t last_seq, std::uint64_t first_lsn);
  Database db_;
};

}  // namespace tieline::store
