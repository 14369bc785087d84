// Opening, as far as it is about files: takes the directory's lock, finds the segments that stand, and opens state.db.
// It must never touch a file of a store that another process has open.
#include <fcntl.h>
#include <sys/file.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>

#include "store/sql.h"
#include "store/store_core.h"

namespace tieline::store {
namespace {

// The number in "<prefix><20 digits>.db".
std::optional<std::uint64_t> number_in(const std::string& name, std::string_view prefix) {
  if (!name.starts_with(prefix) || !name.ends_with(".db") || name.size() != prefix.size() + 23) return std::nullopt;
  std::uint64_t number = 0;
  const char* first = name.data() + prefix.size();
  const auto parsed = std::from_chars(first, first + 20, number);
  if (parsed.ec != std::errc() || parsed.ptr != first + 20) return std::nullopt;
  return number;
}

// The log and index, too, of a database that a crash cut short.
bool is_unfinished(std::string_view name) {
  for (const std::string_view suffix : {"-wal", "-shm"}) {
    if (name.ends_with(suffix)) name.remove_suffix(suffix.size());
  }
  return name.ends_with(kUnfinished);
}

// A crash while SQLite makes a segment's file leaves a journal to take its first page back by: only who may write can
// read it then. Nothing is committed to such a file yet. What goes wrong here the reader will meet, and tell.
void take_back(const std::string& database, const std::string& vfs) {
  std::error_code ignored;
  if (!std::filesystem::exists(database + "-journal", ignored)) return;
  auto opened = Database::open(database, Database::Mode::kReadWrite, vfs);
  if (opened) (void)opened->run("begin immediate; rollback");
}

}  // namespace

StoreCore::StoreCore(StoreOptions with, Clock& with_clock)
    : options(std::move(with)),
      clock(with_clock),
      tail(options.tail_bytes),
      next_files_(options.directory, options.vfs) {}

StoreCore::~StoreCore() {
  close();
  if (lock_file_ >= 0) ::close(lock_file_);
}

Result<void> StoreCore::open() {
  auto opened = open_files();
  if (opened || opened.error().code != Code::kFull) return opened;
  struct statvfs disk {};
  const bool known = ::statvfs(options.directory.c_str(), &disk) == 0;
  const std::string left = known ? std::to_string(disk.f_bavail * disk.f_frsize >> 10) + " KiB left" : "no room left";
  return failure(Code::kFull, "the disk of " + options.directory.string() + " is full (" + left +
                                  "), and the store cannot start: nothing is lost; free some space, and start again (" +
                                  opened.error().message + ")");
}

Result<void> StoreCore::open_files() {
  sample_time();
  TRY_VOID(lock_directory());
  if (!options.read_only) TRY_VOID(put_in_place(options.directory));
  TRY(std::vector<Segment> found, list_segments());
  TRY_VOID(open_state(found));
  TRY_VOID(inspect(found));
  background_files_ = std::make_unique<Files>(has_state_ ? state_path() : std::string(), options.vfs);
  TRY_VOID(recover(std::move(found)));
  if (!options.read_only) {
    TRY(log_end_, LogEndFile::open(path("end").string()));
    check_disk();
    writer_ = std::thread([this] { write_loop(); });
    background_ = std::thread([this] { background_loop(); });
  }
  return {};
}

void StoreCore::close() {
  {
    const std::lock_guard lock(mutex);
    stopping_ = true;
    compact_given_up_ = true;
  }
  wake_writer_.notify_all();
  wake_background_.notify_all();
  const bool ran = writer_.joinable();  // or the files may be another process's
  if (ran) writer_.join();
  if (background_.joinable()) background_.join();
  if (ran) next_files_.remove();
}

Result<void> StoreCore::lock_directory() {
  std::error_code failed;
  if (!options.read_only) std::filesystem::create_directories(options.directory, failed);
  if (failed)
    return failure(Code::kUnavailable,
                   "cannot make the store's directory " + options.directory.string() + ": " + failed.message());
  if (!std::filesystem::is_directory(options.directory, failed)) {
    return failure(Code::kNotFound, "there is no store at " + options.directory.string());
  }
  if (!options.read_only) {
    // Payloads are nobody else's business; also those that stood here before.
    using std::filesystem::perms;
    std::filesystem::permissions(options.directory, perms::owner_all, failed);
    for (const auto& entry : std::filesystem::directory_iterator(options.directory, failed)) {
      if (entry.is_regular_file(failed))
        std::filesystem::permissions(entry.path(), perms::owner_read | perms::owner_write, failed);
    }
  }
  const std::string file = path("lock").string();
  lock_file_ = ::open(file.c_str(), (options.read_only ? O_RDONLY : O_RDWR) | O_CREAT | O_CLOEXEC, 0600);
  if (lock_file_ < 0) return failure(code_of_errno(errno), "opening " + file + ": " + std::strerror(errno));
  if (::flock(lock_file_, (options.read_only ? LOCK_SH : LOCK_EX) | LOCK_NB) != 0) {
    return failure(Code::kUnavailable, "another process has the store " + options.directory.string() +
                                           " open; stop it, or ask it through its admin port");
  }
  return {};
}

Result<std::vector<Segment>> StoreCore::list_segments() {
  std::vector<Segment> found;
  std::error_code failed;
  for (const auto& file : std::filesystem::directory_iterator(options.directory, failed)) {
    const std::string name = file.path().filename().string();
    // A sealing that a crash cut short, whose source still stands, and files that had not become a segment's yet.
    if ((is_unfinished(name) || name.starts_with(kNextSegment)) && !options.read_only) {
      std::filesystem::remove(file.path(), failed);
      continue;
    }
    // A log whose file is gone is a segment all the same.
    const bool alone = name.starts_with("seg-") && name.ends_with("-wal") &&
                       !std::filesystem::exists(path(name.substr(0, name.size() - 4)), failed);
    for (const bool sealed : {false, true}) {
      const std::string base = alone ? name.substr(0, name.size() - 4) : name;
      const auto number = number_in(base, sealed ? "sealed-" : "seg-");
      if (!number) continue;
      Segment segment;
      segment.path = path(base).string();
      segment.first_lsn = *number;
      segment.sealed = sealed;
      if (!sealed && !alone && !options.read_only) take_back(segment.path, options.vfs);
      found.push_back(std::move(segment));
    }
  }
  if (failed) return failure(Code::kInternal, "listing " + options.directory.string() + ": " + failed.message());
  // Of a segment that stands in both forms the sealed one counts: it was complete before it got its name.
  std::sort(found.begin(), found.end(), [](const Segment& a, const Segment& b) {
    return std::pair(a.first_lsn, !a.sealed) < std::pair(b.first_lsn, !b.sealed);
  });
  for (std::size_t i = 1; i < found.size();) {
    if (found[i].first_lsn != found[i - 1].first_lsn) {
      ++i;
      continue;
    }
    if (!options.read_only) remove_database(found[i].path);
    found.erase(found.begin() + static_cast<std::ptrdiff_t>(i));
  }
  return found;
}

Result<void> StoreCore::open_state(const std::vector<Segment>& found) {
  const std::string file = state_path();
  std::error_code ignored;
  if (options.read_only) {
    has_state_ = std::filesystem::exists(file, ignored);
    const auto sound = has_state_ ? StateReader::open(file, {}) : failure(Code::kNotFound, "");
    if (!sound && sound.error().code == Code::kCorrupt) {  // the segments are read all the same
      TRY_VOID(damage(sound.error().message + "; mend it with: tieline store repair", false));
      has_state_ = false;
    }
  } else {
    auto opened = StateDb::open(file, {});
    if (!opened && opened.error().code == Code::kCorrupt) {
      report("state.db is corrupt and is rebuilt from the segments: " + opened.error().message);
      TRY_VOID(set_aside(file, ".corrupt"));
      opened = StateDb::open(file, {});
    }
    if (!opened) return failure(std::move(opened.error()).in("state.db"));
    state_ = std::move(*opened);
    has_state_ = true;
  }
  if (!has_state_) return {};
  TRY(StateReader reader, StateReader::open(file, {}));
  TRY(folded_lsn_, reader.applied());
  TRY(const std::uint64_t next, reader.next_seq());
  folded_seq_ = next - 1;
  TRY(flows, reader.flows());
  TRY(start, reader.start());
  if (options.read_only) return {};
  if (found.empty()) return folded_lsn_ + folded_seq_ == 0 && start.lsn == 0 ? note_start({1, 1}) : Result<void>();
  // What was folded up to the hot segment is nobody else's to tell: the heads of all others need not be read.
  if (!found.back().sealed && folded_lsn_ + 1 >= found.back().first_lsn) return {};
  TRY(const Told told, told_by(found));
  if (folded_lsn_ + 1 >= told.all_from) return {};
  if (!options.accept_loss) {
    return failure(Code::kCorrupt,
                   "state.db lacks what was folded before record " + std::to_string(told.all_from) +
                       ", and the segments that held it are gone: restore state.db from a backup, or go on without the "
                       "older entries and unfinished runs: tieline run --accept-loss");
  }
  if (folded_lsn_ + 1 >= told.records_from) return {};
  folded_lsn_ = told.records_from - 1;
  return state_.skip_to(folded_lsn_, 0);
}

Result<void> StoreCore::note_start(LogStart first) {
  TRY_VOID(state_.start_at(first));
  const std::lock_guard lock(mutex);
  start = first;
  return {};
}

// From which record on the segments have everything, and from which on they have the records. What they let go of
// state.db alone knows.
Result<StoreCore::Told> StoreCore::told_by(const std::vector<Segment>& found) const {
  Told told;
  for (const Segment& segment : found) {
    auto holds = Holds::kAll;
    if (segment.sealed) {
      // One that cannot be read is looked at later, and told of.
      if (const auto reader = SegmentReader::open(segment.path, options.vfs)) {
        holds = reader->head().holds;
      } else if (reader.error().code == Code::kUnsupported) {
        return failure(reader.error());
      }
    }
    if (holds != Holds::kKeys && told.records_from == 0) told.records_from = segment.first_lsn;
    if (holds == Holds::kAll) {
      told.all_from = segment.first_lsn;
      break;
    }
    told.all_from = segment.first_lsn + 1;
  }
  told.records_from = std::max(told.records_from, std::uint64_t{1});
  return told;
}

}  // namespace tieline::store
