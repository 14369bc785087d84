#include "store/files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>

namespace tieline::store {
namespace {

constexpr std::size_t kReadersMax = 8;
constexpr int kAsideMax = 100;
constexpr std::uint64_t kShrinkBytes = 4u << 20;

Result<void> sync_path(const std::string& path, int flags) {
  const int file = ::open(path.c_str(), flags | O_CLOEXEC);
  if (file < 0) return failure(Code::kInternal, "opening " + path + ": " + std::strerror(errno));
  const int failed = ::fsync(file) == 0 ? 0 : errno;
  ::close(file);
  if (failed == 0) return {};
  return failure(code_of_errno(failed), "syncing " + path + ": " + std::strerror(failed));
}

// Of 100 names the last one is all that is ever written over, and by a rename only.
Result<std::string> aside(const std::string& path, const std::string& why, int (*take)(const char*, const char*)) {
  constexpr std::array<const char*, 3> kSuffixes{"-wal", "-shm", ""};
  std::string name;
  for (int i = 1; i <= kAsideMax; ++i) {
    name = path + why + (i == 1 ? "" : "-" + std::to_string(i));
    std::error_code ignored;
    const auto taken = [&](const char* suffix) { return std::filesystem::exists(name + suffix, ignored); };
    if (std::none_of(kSuffixes.begin(), kSuffixes.end(), taken)) break;
  }
  for (const char* suffix : kSuffixes) {
    if (take((path + suffix).c_str(), (name + suffix).c_str()) == 0 || errno == ENOENT) continue;
    return failure(code_of_errno(errno),
                   "keeping " + path + suffix + " as " + name + suffix + ": " + std::strerror(errno));
  }
  return name;
}

}  // namespace

std::string segment_name(std::uint64_t first_lsn, bool sealed) {
  std::array<char, 48> name;
  std::snprintf(name.data(), name.size(), "%s-%020llu.db", sealed ? "sealed" : "seg",
                static_cast<unsigned long long>(first_lsn));
  return name.data();
}

const Segment* segment_of_position(const std::vector<Segment>& segments, std::uint64_t seq) {
  const auto next = std::upper_bound(segments.begin(), segments.end(), seq,
                                     [](std::uint64_t value, const Segment& s) { return value < s.first_seq; });
  return next == segments.begin() ? nullptr : &*(next - 1);
}

const Segment* segment_of_lsn(const std::vector<Segment>& segments, std::uint64_t lsn) {
  const auto next = std::upper_bound(segments.begin(), segments.end(), lsn,
                                     [](std::uint64_t value, const Segment& s) { return value < s.first_lsn; });
  return next == segments.begin() ? nullptr : &*(next - 1);
}

const Segment* first_with_data(const std::vector<Segment>& segments) {
  const auto first =
      std::partition_point(segments.begin(), segments.end(), [](const Segment& s) { return s.holds != Holds::kAll; });
  return first == segments.end() ? nullptr : &*first;
}

std::string name_of(const std::string& path) { return std::filesystem::path(path).filename().string(); }

Code code_of_errno(int error) { return error == ENOSPC || error == EDQUOT ? Code::kFull : Code::kInternal; }

Error file_error(const std::string& path, std::string_view doing) {
  return {code_of_errno(errno), std::string(doing) + " " + path + ": " + std::strerror(errno), {}};
}

Result<void> sync_file(const std::string& path) { return sync_path(path, O_RDWR); }
Result<void> sync_directory(const std::string& path) { return sync_path(path, O_RDONLY | O_DIRECTORY); }

Result<std::string> set_aside(const std::string& path, const std::string& why) { return aside(path, why, ::rename); }

Result<std::string> keep_aside(const std::string& path, const std::string& why) { return aside(path, why, ::link); }

Result<void> put_in_place(const std::filesystem::path& directory) {
  const std::string mended = (directory / kMendedState).string(), state = (directory / "state.db").string();
  std::error_code failed;
  if (!std::filesystem::exists(mended, failed)) return {};
  // The log is the damaged one's: over the mended one it would be read as its own.
  for (const char* suffix : {"-wal", "-shm"}) std::filesystem::remove(state + suffix, failed);
  TRY_VOID(sync_directory(directory.string()));
  std::filesystem::rename(mended, state, failed);
  if (failed) return failure(Code::kInternal, "renaming " + mended + ": " + failed.message());
  return sync_directory(directory.string());
}

void remove_database(const std::string& path) {
  std::error_code ignored;
  // The WAL first: a database without its WAL is short, a WAL without its database could meet a new one of that name.
  for (const char* suffix : {"-wal", "-shm", ""}) std::filesystem::remove(path + suffix, ignored);
}

bool shrink_file(const std::string& path, std::uint64_t bytes_max) {
  struct stat file {};
  if (::stat(path.c_str(), &file) != 0 || file.st_nlink != 1) return false;
  auto bytes = static_cast<std::uint64_t>(file.st_size);
  while (bytes > bytes_max) {
    bytes -= std::min(bytes - bytes_max, kShrinkBytes);
    if (::truncate(path.c_str(), static_cast<off_t>(bytes)) != 0) return false;
  }
  return true;
}

void remove_database_slowly(const std::string& path) {
  // Under a name that an opening removes: half of it must not be taken for a damaged one.
  for (const char* suffix : {"-wal", ""}) {
    const std::string file = path + suffix, leaving = file + ".tmp";
    if (::rename(file.c_str(), leaving.c_str()) != 0) continue;
    shrink_file(leaving, 0);
    ::unlink(leaving.c_str());
  }
  remove_database(path);
}

Result<SegmentReader*> Files::segment(const Segment& segment) {
  // The file may be another one under the same name, which holds less.
  const auto known =
      std::find_if(open_.begin(), open_.end(), [&](const Open& open) { return open.segment.in_use == segment.in_use; });
  if (known != open_.end()) {
    open_.splice(open_.begin(), open_, known);
    return &open_.front().reader;
  }
  TRY(SegmentReader reader, SegmentReader::open(segment.path, vfs_));
  open_.push_front({segment, std::move(reader)});
  if (open_.size() > kReadersMax) open_.pop_back();
  return &open_.front().reader;
}

void Files::only(const std::vector<Segment>& segments) {
  std::erase_if(open_, [&](const Open& open) {
    return std::none_of(segments.begin(), segments.end(),
                        [&](const Segment& s) { return s.in_use == open.segment.in_use; });
  });
}

Result<StateReader*> Files::state() {
  if (state_path_.empty()) return nullptr;
  if (!state_) {
    TRY(state_, StateReader::open(state_path_, {}));
  }
  return &*state_;
}

}  // namespace tieline::store
