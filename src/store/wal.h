// A segment's write-ahead log as bytes: where it ends for SQLite, and what stands behind that. It must never take a
// damaged log for a short one (https://www.sqlite.org/fileformat2.html#the_write_ahead_log).
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"

namespace tieline::store {

struct WalState {
  bool present = false;
  bool header_intact = false;
  bool blank = false;  // made ready to be written from its start (blank_wal): nothing in it is this log's
  std::uint64_t file_bytes = 0;
  std::uint64_t page_bytes = 4096;
  std::uint64_t frames = 0;  // up to the last commit that SQLite accepts
  // Of the frames behind it that bear the log's salts:
  std::uint64_t frames_behind = 0, commits_behind = 0;
  bool commit_is_last = false;    // no such frame follows the last commit among them
  std::uint64_t last_salted = 0;  // the last frame that bears the log's salts; 0: none does

  // The end of what SQLite accepts. Frames of an earlier log may follow, with other salts: they are nobody's.
  std::uint64_t bytes() const { return kHeaderBytes + frames * (kFrameBytes + page_bytes); }
  // What a crash leaves behind the last commit is one group, or a part of it: any of its pages, its commit at the end.
  // Nothing else is written before that group is synced, and the next opening cuts it off.
  bool torn_at_most() const { return commits_behind == 0 || (commits_behind == 1 && commit_is_last); }

  static constexpr std::uint64_t kHeaderBytes = 32, kFrameBytes = 24;
};

// Reads all of it. Not present: no such file. kInternal (I/O).
Result<WalState> read_wal(const std::string& path);

// Takes off what stands behind the last commit, and syncs. Of a log without a commit its frames stay, for a person to
// look at, and without a header that can be read all of it. kInternal.
Result<void> cut_wal(const std::string& path, const WalState& wal);

// Makes of a log that is not needed any more the file of a new one, whose frames will take blocks that the disk has
// given already: its header becomes one that no SQLite accepts, and is synced; the frames stay, behind whatever is
// written, with salts that are not the new log's. kInternal.
Result<void> blank_wal(const std::string& path);

struct WalSalvage {
  std::uint64_t frames = 0;  // that were written
  std::uint64_t lost = 0;    // that were not: their bytes do not fit their checksum, or no commit follows them
};
enum class Frames : std::uint8_t {
  kIntact,        // one by one: what a frame that is left out held, an older one of its page holds as it was, or nobody
  kBeforeDamage,  // up to the first one that is not
};
// Writes to `to` those frames of `path`, up to the last commit among them, as a log that SQLite accepts. A header that
// is damaged costs the first frame at most. Synced. kFull, kInternal.
Result<WalSalvage> salvage_wal(const std::string& path, const std::string& to, Frames which);
// If `database` is cut off or missing, its first page is made from the frames of `path` that are intact. Synced. kFull,
// kInternal.
Result<void> mend_database(const std::string& database, const std::string& path);

}  // namespace tieline::store
