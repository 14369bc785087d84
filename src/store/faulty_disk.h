// A disk that fails, fills, tears, stalls and loses its power on purpose: a VFS before SQLite's own, for tests. It must
// never fail a file by accident, and nothing but tests may use it.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace tieline::store {

struct DiskFault {
  enum class On : std::uint8_t { kOpen, kRead, kWrite, kSync, kTruncate };
  On on = On::kWrite;
  std::string file;             // a part of its name, as "seg-", "-wal" or "state.db"; empty: any file
  bool full = false;            // no space is left; else an I/O error
  std::int64_t torn_bytes = 0;  // of a write that fails: so many reach the file all the same
  std::uint64_t after = 0;      // calls that work before
  std::uint64_t times = std::numeric_limits<std::uint64_t>::max();  // that fail then; later ones work
};

// One for the process; any thread.
class FaultyDisk {
 public:
  static FaultyDisk& get();
  // For StoreOptions::vfs; registered at the first call.
  static const char* vfs();

  // Adds to what fails already.
  void fail(DiskFault fault);
  // Nothing fails, stalls or is off any more; what no sync covered is forgotten as if it were on disk.
  void mend();
  // Syncs wait, or go on.
  void stall(bool on);

  // Power. After so many writes and syncs of segments and their logs it is off, and all of them fail.
  void power_off_after(std::uint64_t calls);
  // The power comes back: of each block of those files that no sync covered, what `survives` says is new, the rest as
  // it was.
  void lose_power(const std::function<bool()>& survives);
  // The files of which something would be lost now.
  std::vector<std::string> unsynced();

  // What the VFS asks. `file` null: it has no name.
  std::optional<DiskFault> failing(DiskFault::On call, const char* file);
  bool powered(const char* segment);
  void pass_sync();
  // `size` and `block` read the file as it is before a write of `bytes` at `at`.
  void remember(const char* segment, std::int64_t at, std::int64_t bytes, const std::function<std::int64_t()>& size,
                const std::function<void(char* to, std::int64_t at)>& block);
  void synced(const char* segment);

  static constexpr std::int64_t kBlock = 4096;

 private:
  // What a file held when it was synced last, of the blocks that were written since.
  struct Unsynced {
    std::int64_t bytes = 0;
    std::map<std::int64_t, std::string> blocks;
  };
  std::mutex mutex_;
  std::condition_variable released_;
  std::vector<DiskFault> faults_;
  bool stalled_ = false;
  std::uint64_t power_for_ = 0;  // calls; 0: it stays
  bool power_off_ = false;
  std::map<std::string, Unsynced> unsynced_;
};

}  // namespace tieline::store
