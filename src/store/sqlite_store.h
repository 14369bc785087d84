// The embedded store: an append-only log of SQLite segments, one writer thread with group commit, one background thread
// that seals, folds and retires. It must never report durable what a crash could undo (docs/store-format.md).
#pragma once

#include <atomic>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "store/shard_store.h"

namespace tieline::store {

struct StoreOptions {
  std::filesystem::path directory;
  std::string environment;  // stamped into the segments; another one is refused. Empty: not checked
  bool read_only = false;   // for looking at a store that no server runs; writes are refused, several may read
  std::uint64_t segment_bytes = 64u << 20;
  // How long what nobody works on any more is kept. Entries have their own times (KeyPut::until).
  Duration keep = std::chrono::days(30);     // the history: events, runs and their records
  Duration keep_payloads = Duration::max();  // the data of events; no longer than `keep` in any case
  Duration dedupe_window = kDedupeWindow;    // by what a duplicate is known stays as long, whatever `keep` says
  std::uint64_t bytes_max = 20ull << 30;     // of all segments; the oldest go first, also before their time
  // Free disk below this sheds history; below a quarter of it events are refused, below an eighth everything.
  std::uint64_t headroom_bytes = 256u << 20;
  std::size_t tail_bytes = 16u << 20;   // of the newest events in memory
  std::size_t queue_count_max = 65536;  // appended and not yet taken by the writer
  std::size_t queue_bytes_max = 64u << 20;
  Duration linger = std::chrono::milliseconds(5);  // how long what nobody waits for may wait for a group
  // Open although the log is damaged where it ends, or state.db is lost and segments that it folded are gone.
  bool accept_loss = false;
  std::vector<std::string> beside;               // names of files in it that are not the store's: a backup has them
  std::string vfs;                               // SQLite's VFS for the segments; tests make it fail
  std::function<void(std::string_view)> report;  // one line for the log; called from any thread
};

struct StoreStats {
  std::uint64_t events = 0, records = 0;  // in the segments that stand
  std::uint64_t segments = 0, sealed = 0, bytes = 0;
  std::uint64_t last_position = 0, oldest_position = 0, last_lsn = 0, folded_lsn = 0;
  std::uint64_t unfolded_segments = 0;
  std::uint64_t queue = 0, queue_bytes = 0;
  std::uint64_t commits = 0, duplicates = 0;  // since it was opened
  std::uint64_t dedupe_entries = 0, dedupe_bytes = 0, tail_bytes = 0;
  std::uint64_t corrupt_events = 0, corrupt_records = 0;  // met since it was opened
  std::uint64_t disk_free = 0;
  bool disk_low = false;          // history is shed before its time
  std::optional<Error> refusing;  // why events are refused
  std::string background_error;   // why the background thread is stuck; empty: it is not
};

struct VerifyReport {
  std::uint64_t segments = 0, events = 0, records = 0;
  std::uint64_t corrupt_events = 0, corrupt_records = 0, corrupt_segments = 0;
  std::uint64_t state_faults = 0;  // where state.db is damaged, or tells something else than the segments
  std::vector<std::string>
      places;  // "sealed-….db: event 17 fails its crc"; at most kVerifyPlacesMax; what a crash left, too
  std::uint64_t corrupt() const { return corrupt_events + corrupt_records + corrupt_segments + state_faults; }
  bool clean() const { return corrupt() == 0; }
};

struct BackupReport {
  std::uint64_t segments = 0, bytes = 0;
  std::uint64_t others = 0;  // files of StoreOptions::beside
  std::uint64_t linked = 0;  // of the segments: they share the disk's blocks with the store
  Position last;             // the newest event that the copy has
};

struct RepairReport {
  std::uint64_t events_aside = 0, records_aside = 0;  // that are corrupt, or missing
  std::uint64_t segments_rewritten = 0;
  bool state_rebuilt = false;
  std::string aside_file;          // with what could be read of them; empty: nothing was set aside
  std::vector<std::string> lines;  // what was done, in words
  VerifyReport after;
};
inline constexpr std::size_t kVerifyPlacesMax = 1000;

class StoreCore;

class SqliteStore {
 public:
  // Recovers what a crash left. `clock` must outlive the store. Errors: kUnavailable (another process has it), kDenied
  // (another environment's), kCorrupt (see accept_loss), kUnsupported (a newer format), kFull, kInternal (I/O).
  static Result<std::unique_ptr<SqliteStore>> open(StoreOptions options, Clock& clock);
  // Makes what is queued durable, then stops both threads. Handles may outlive it; their calls get kUnavailable.
  ~SqliteStore();
  SqliteStore(const SqliteStore&) = delete;
  SqliteStore& operator=(const SqliteStore&) = delete;

  // The handle of the shard that runs on `executor`, a single thread. At most 64 at a time.
  std::unique_ptr<ShardStore> shard(asio::any_io_executor executor);

  // From any thread.
  StoreStats stats() const;
  // Reads every event and record; slow. What is not durable yet is left out. kUnavailable when `give_up` became true,
  // which is looked at before each segment.
  Result<VerifyReport> verify(const std::atomic<bool>* give_up = nullptr) const;
  // Blocks until every full segment is sealed and folded and retention has run; the background thread's error if it is
  // stuck.
  Result<void> maintain();
  // As maintain(); then state.db is written anew without its free pages. kFull when there is no room for that;
  // kUnavailable soon after `give_up` became true.
  Result<void> compact(const std::atomic<bool>* give_up = nullptr);
  // Of all files, state.db among them: lists the directory.
  std::uint64_t bytes_on_disk() const;
  // A copy on which a store may be opened, of what is durable now; the store goes on meanwhile, but lets go of nothing.
  // `to` must not exist, or be empty. kConflict, kFull, kInternal; kUnavailable soon after `give_up` became true. What
  // is unfinished is removed.
  Result<BackupReport> backup(const std::filesystem::path& to, const std::atomic<bool>* give_up = nullptr) const;
  // On a store that nobody has open: sets aside what is corrupt or missing, into a file NAME.corrupt-records of the
  // directory, rebuilds state.db if it is damaged or tells something else than the segments, and leaves a store that
  // verify() finds clean. kUnavailable (another process has it), kNotFound, kFull, kInternal.
  static Result<RepairReport> repair(StoreOptions options, Clock& clock);

 private:
  explicit SqliteStore(std::shared_ptr<StoreCore> core);
  std::shared_ptr<StoreCore> core_;
};

}  // namespace tieline::store
