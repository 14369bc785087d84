// The files that the next segment will begin with, made ready while the one before it is written, so that the writer
// only has to give them their name. They must never be taken for a segment before that: an opening removes them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <mutex>
#include <string>

#include "base/result.h"

namespace tieline::store {

inline constexpr const char* kNextSegment = "next.db";  // and its -wal

class NextSegment {
 public:
  NextSegment(std::filesystem::path directory, std::string vfs)
      : path_((directory / kNextSegment).string()), directory_(directory.string()), vfs_(std::move(vfs)) {}

  // The background thread's.

  // Makes the database without a table, unless it stands. Synced. kFull, kInternal; what SQLite says.
  Result<void> prepare();
  // Takes the log of a segment that is gone for this one's, so that its frames will be written over blocks that the
  // disk has given already; what is longer than `bytes_max` is cut off. Nobody else may have it open, or ever read it
  // again. False when it is not wanted, or could not be made safe, as one that has a second name: it
  // stands where it was, if anywhere.
  bool add_log(const std::string& log, std::uint64_t bytes_max);
  // Gives the log's room back to the disk.
  void drop_log();

  // The writer's. Renames what stands to `path`, where nothing may stand, without a sync. False when nothing is ready,
  // or could not be renamed: nothing stands at `path`.
  bool take(const std::string& path);

  // When no thread uses it.
  void remove();

 private:
  enum class State : std::uint8_t { kNone, kBusy, kReady };
  // True: it was `from`, and is the caller's until end().
  bool begin(State from);
  void end(State to);

  const std::string path_, directory_, vfs_;
  std::mutex mutex_;
  State state_ = State::kNone;  // guarded by `mutex_`
  bool has_log_ = false;        // whose the state is
};

}  // namespace tieline::store
