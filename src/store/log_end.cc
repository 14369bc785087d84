#include "store/log_end.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/bytes.h"
#include "store/files.h"

namespace tieline::store {
namespace {

constexpr std::string_view kMagic = "TLEND1\n";  // and a zero: 8 bytes
using Row = std::array<char, 48>;                // magic, segment, frames, last_seq, last_lsn, crc and 4 bytes of zero

Row encode(const LogEnd& end) {
  Row row{};
  std::memcpy(row.data(), kMagic.data(), kMagic.size());
  std::memcpy(row.data() + 8, &end.segment, 8);
  std::memcpy(row.data() + 16, &end.frames, 8);
  std::memcpy(row.data() + 24, &end.last_seq, 8);
  std::memcpy(row.data() + 32, &end.last_lsn, 8);
  const std::uint32_t crc = crc32c({row.data(), 40});
  std::memcpy(row.data() + 40, &crc, 4);
  return row;
}

}  // namespace

std::optional<LogEnd> read_log_end(const std::string& path) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return std::nullopt;
  Row row;
  const bool whole = ::pread(file, row.data(), row.size(), 0) == static_cast<ssize_t>(row.size());
  ::close(file);
  if (!whole) return std::nullopt;
  LogEnd end;
  std::memcpy(&end.segment, row.data() + 8, 8);
  std::memcpy(&end.frames, row.data() + 16, 8);
  std::memcpy(&end.last_seq, row.data() + 24, 8);
  std::memcpy(&end.last_lsn, row.data() + 32, 8);
  if (encode(end) != row) return std::nullopt;
  return end;
}

LogEndFile::LogEndFile(LogEndFile&& other) noexcept
    : file_(std::exchange(other.file_, -1)), path_(std::move(other.path_)) {}

LogEndFile& LogEndFile::operator=(LogEndFile&& other) noexcept {
  std::swap(file_, other.file_);
  std::swap(path_, other.path_);
  return *this;
}

LogEndFile::~LogEndFile() {
  if (file_ >= 0) ::close(file_);
}

Result<LogEndFile> LogEndFile::open(const std::string& path) {
  LogEndFile end;
  end.path_ = path;
  end.file_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (end.file_ < 0) return failure(file_error(path, "opening"));
  return end;
}

Result<void> LogEndFile::write(const LogEnd& end) {
  const Row row = encode(end);
  if (::pwrite(file_, row.data(), row.size(), 0) == static_cast<ssize_t>(row.size())) return {};
  return failure(file_error(path_, "writing"));
}

Result<void> LogEndFile::sync() {
  if (::fdatasync(file_) == 0) return {};
  return failure(file_error(path_, "syncing"));
}

}  // namespace tieline::store
