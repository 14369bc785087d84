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
  Duration keep = std::chrono::days(30);
  std::uint64_t bytes_max = 20ull << 30;      // of all segments; older ones go first, also before `keep`
  std::uint64_t headroom_bytes = 256u << 20;  // free disk below this sheds history, below a quarter of it refuses
  Duration dedupe_window = kDedupeWindow;
  std::size_t tail_bytes = 16u << 20;   // of the newest events in memory
  std::size_t queue_count_max = 65536;  // appended and not yet taken by the writer
  std::size_t queue_bytes_max = 64u << 20;
  Duration linger = std::chrono::milliseconds(5);  // how long what nobody waits for may wait for a group
  // Open although the log is damaged where it ends, or state.db is lost and segments that it folded are gone.
  bool accept_loss = false;
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
  std::optional<Error> refusing;  // why writes are refused
  std::string background_error;   // why the background thread is stuck; empty: it is not
};

struct VerifyReport {
  std::uint64_t segments = 0, events = 0, records = 0;
  std::uint64_t corrupt_events = 0, corrupt_records = 0, corrupt_segments = 0;
  std::vector<std::string> places;  // "sealed-….db: event 17 fails its crc"; at most kVerifyPlacesMax
  bool clean() const { return corrupt_events + corrupt_records + corrupt_segments == 0; }
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

 private:
  explicit SqliteStore(std::shared_ptr<StoreCore> core);
  std::shared_ptr<StoreCore> core_;
};

}  // namespace tieline::store
