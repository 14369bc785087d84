// A copy of a store while it works. It must never hold half of what was durable when it began, nor anything behind
// that.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "store/store_core.h"
#include "store/wal.h"

namespace tieline::store {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kLogFrameBytes = WalState::kFrameBytes + 4096;

Error file_error(const std::string& path, int failed) {
  if (failed == ECANCELED) return {Code::kUnavailable, "the backup was given up", {}};
  return {code_of_errno(failed), "copying to " + path + ": " + std::strerror(failed), {}};
}

// At most so many bytes of it; synced.
Result<std::uint64_t> copy_file(const std::string& from, const std::string& to, std::uint64_t bytes_max,
                                const std::atomic<bool>* give_up) {
  const int in = ::open(from.c_str(), O_RDONLY | O_CLOEXEC);
  if (in < 0) return failure(file_error(to, errno));
  const int out = ::open(to.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  int failed = out < 0 ? errno : 0;
  std::uint64_t copied = 0;
  std::array<char, 1 << 16> buffer;
  while (failed == 0 && copied < bytes_max) {
    if (give_up != nullptr && *give_up) {
      failed = ECANCELED;
      break;
    }
    const auto got = ::read(in, buffer.data(), std::min<std::uint64_t>(buffer.size(), bytes_max - copied));
    if (got < 0) failed = errno;
    if (got <= 0) break;
    for (ssize_t done = 0; done < got && failed == 0;) {
      const auto put = ::write(out, buffer.data() + done, static_cast<std::size_t>(got - done));
      if (put < 0) failed = errno;
      if (put > 0) done += put;
    }
    copied += static_cast<std::uint64_t>(got);
  }
  if (failed == 0 && ::fsync(out) != 0) failed = errno;
  ::close(in);
  if (out >= 0) ::close(out);
  if (failed != 0) return failure(file_error(to, failed));
  return copied;
}

class Backup {
 public:
  Backup(StoreCore& core, fs::path to, const std::atomic<bool>* give_up)
      : core_(core), to_(std::move(to)), give_up_(give_up) {}

  Result<BackupReport> run() {
    // In this order: what state.db has folded stands in the segments, too.
    if (core_.has_state()) TRY_VOID(copy_state());
    LogEnd end;
    std::shared_ptr<const std::vector<Segment>> segments;
    std::uint64_t hot_log = 0;
    {
      const std::lock_guard lock(core_.mutex);
      segments = core_.segments;
      hot_log = core_.hot_log_bytes();
      end.last_seq = core_.durable_seq;
      end.last_lsn = core_.durable_lsn;
    }
    for (const Segment& segment : *segments) {
      if (give_up_ != nullptr && *give_up_) return failure(file_error({}, ECANCELED));
      const bool hot = &segment == &segments->back();
      std::error_code missing;
      // Not begun then; what it holds by now is behind the moment that the copy is of.
      if (hot && hot_log == 0 && (!core_.options.read_only || !fs::exists(segment.path, missing))) continue;
      TRY_VOID(copy_segment(segment, hot ? hot_log : segment.log_bytes));
      if (hot && hot_log > WalState::kHeaderBytes) {
        end.segment = segment.first_lsn;
        end.frames = (hot_log - WalState::kHeaderBytes) / kLogFrameBytes;
      }
    }
    TRY_VOID(copy_others());
    TRY(LogEndFile file, LogEndFile::open((to_ / "end").string()));
    TRY_VOID(file.write(end));
    TRY_VOID(file.sync());
    TRY_VOID(sync_directory(to_.string()));
    report_.last = Position(end.last_seq);
    return report_;
  }

 private:
  Result<void> copy_state() {
    const std::string copy = (to_ / "state.db").string();
    std::string quoted;
    for (const char c : copy) quoted += c == '\'' ? std::string("''") : std::string(1, c);
    {
      TRY(Database db, Database::open(core_.state_path(), Database::Mode::kRead));
      db.give_up_when(give_up_);
      TRY_VOID(db.run(("vacuum into '" + quoted + "'").c_str()));
    }
    ::chmod(copy.c_str(), 0600);
    report_.bytes += fs::file_size(copy);
    return sync_file(copy);
  }

  // Without its owner's key what the store made with it could not be made again.
  Result<void> copy_others() {
    for (const std::string& name : core_.options.beside) {
      std::error_code missing;
      if (!fs::exists(core_.path(name), missing)) continue;
      TRY(const std::uint64_t bytes,
          copy_file(core_.path(name).string(), (to_ / name).string(), ~std::uint64_t{0}, give_up_));
      report_.bytes += bytes;
      ++report_.others;
    }
    return {};
  }

  Result<void> copy_segment(const Segment& segment, std::uint64_t log_bytes) {
    ++report_.segments;
    const std::string copy = (to_ / fs::path(segment.path).filename()).string();
    // A sealed one never changes: where it may be, a second name is its copy.
    if (segment.sealed && ::link(segment.path.c_str(), copy.c_str()) == 0) {
      ++report_.linked;
      report_.bytes += segment.bytes;
      return {};
    }
    TRY(const std::uint64_t bytes, copy_file(segment.path, copy, ~std::uint64_t{0}, give_up_));
    report_.bytes += bytes;
    if (segment.sealed) return {};
    TRY(const std::uint64_t log,
        copy_file(segment.path + "-wal", copy + "-wal", log_bytes == 0 ? ~log_bytes : log_bytes, give_up_));
    report_.bytes += log;
    return {};
  }

  StoreCore& core_;
  const fs::path to_;
  const std::atomic<bool>* const give_up_;
  BackupReport report_;
};

}  // namespace

Result<BackupReport> SqliteStore::backup(const fs::path& to, const std::atomic<bool>* give_up) const {
  std::error_code failed;
  if (fs::exists(to, failed) && !fs::is_empty(to, failed))
    return failure(Code::kConflict, to.string() + " is not empty: a backup takes a directory of its own");
  fs::path unfinished = to;
  unfinished += ".unfinished";
  fs::remove_all(unfinished, failed);
  fs::create_directories(unfinished, failed);
  if (failed) return failure(Code::kInternal, "making " + unfinished.string() + ": " + failed.message());
  fs::permissions(unfinished, fs::perms::owner_all, failed);
  const auto held = core_->hold_files();
  Backup backup(*core_, unfinished, give_up);
  auto done = backup.run();
  if (done) {
    fs::remove(to, failed);  // an empty one
    fs::rename(unfinished, to, failed);
    if (failed) done = failure(Code::kInternal, "renaming " + unfinished.string() + ": " + failed.message());
  }
  if (!done) {
    std::error_code ignored;
    fs::remove_all(unfinished, ignored);
    return done;
  }
  TRY_VOID(sync_directory(fs::absolute(to).parent_path().string()));
  return done;
}

}  // namespace tieline::store
