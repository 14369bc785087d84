// How far the log was durable, beside the log: a few bytes that are written after each group. It must never be ahead of
// the log, so that a log which ends before it has lost something.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/result.h"

namespace tieline::store {

struct LogEnd {
  std::uint64_t segment = 0;  // the first lsn of the newest segment; 0: none is promised
  std::uint64_t frames = 0;   // of its write-ahead log
  std::uint64_t last_seq = 0, last_lsn = 0;
  friend bool operator==(const LogEnd&, const LogEnd&) = default;
};

// Nothing when there is no such file or it is not whole: it is not synced with each group, so a power loss may cost it.
std::optional<LogEnd> read_log_end(const std::string& path);

// Writes in place. One thread.
class LogEndFile {
 public:
  LogEndFile() = default;
  LogEndFile(LogEndFile&& other) noexcept;
  LogEndFile& operator=(LogEndFile&& other) noexcept;
  ~LogEndFile();

  // kFull, kInternal.
  static Result<LogEndFile> open(const std::string& path);
  Result<void> write(const LogEnd& end);
  Result<void> sync();

 private:
  int file_ = -1;
  std::string path_;
};

}  // namespace tieline::store
