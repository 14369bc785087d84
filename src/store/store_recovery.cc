// Opening: takes the directory's lock, repeats what state.db has not folded, and finds where the log ends. It must
// never guess: what is missing is reported, counted and set aside, or refused.
#include <fcntl.h>
#include <sys/file.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>

#include "store/codec.h"
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

// Out of the way, but not gone: a person may want to look.
void set_aside(const std::string& database, const std::string& why) {
  std::error_code ignored;
  for (const char* suffix : {"-wal", "-shm", ""}) {
    std::filesystem::rename(database + suffix, database + why + suffix, ignored);
  }
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
  if (lock_file_ < 0)
    return failure(errno == ENOSPC ? Code::kFull : Code::kInternal, "opening " + file + ": " + std::strerror(errno));
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
    if ((name.ends_with(".tmp") || name.starts_with(kNextSegment)) && !options.read_only) {
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
      set_aside(file, ".corrupt");
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
  TRY(const Told told, told_by(found));
  if (found.empty() || folded_lsn_ + 1 >= told.all_from || options.read_only) return {};
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

Result<void> StoreCore::check_environment(const SegmentReader& reader) const {
  const std::string& stamp = reader.head().environment;
  if (options.environment.empty() || stamp.empty() || stamp == options.environment) return {};
  return failure(Code::kDenied, "the store " + options.directory.string() + " belongs to the environment \"" + stamp +
                                    "\", not to \"" + options.environment + "\"");
}

Result<void> StoreCore::recover(std::vector<Segment> found) {
  Files& files = *background_files_;
  next_lsn = folded_lsn_ + 1;
  next_seq = folded_seq_ + 1;
  std::vector<Segment> standing;
  std::vector<std::uint64_t> gaps;
  TRY_VOID(take_standing(found, standing, gaps));
  for (std::size_t i = 0; i < standing.size(); ++i) {
    const bool newest = i + 1 == standing.size();
    next_lsn = std::max(next_lsn, standing[i].last_lsn + 1);
    next_seq = std::max(next_seq, standing[i].last_seq + 1);
    if (!newest && standing[i].holds == Holds::kKeys) continue;
    if (!newest && folded_lsn_ + 1 >= standing[i + 1].first_lsn && folded_seq_ + 1 >= standing[i + 1].first_seq) {
      if (!standing[i].sealed && !options.read_only) sealing_.push_back({standing[i], nullptr});
      continue;
    }
    TRY(SegmentReader * reader, files.segment(standing[i]));
    TRY_VOID(replay(standing[i], *reader));
    // A segment that no record went to leaves one lsn out.
    if (!newest && standing[i + 1].first_lsn > standing[i].first_lsn + 1)
      lost_records(*reader, standing[i].last_lsn + 1, standing[i + 1].first_lsn - 1);
    if (!newest) TRY_VOID(end_recovered(standing[i], standing[i + 1]));
  }
  TRY_VOID(check_tail(standing, gaps));
  TRY_VOID(open_hot(standing));
  load_dedupe(standing);
  for (FlowState& flow : flows) {
    flow.cursor.settle_up_to(Position(first_with_data(standing)->first_seq - 1));
    for (const std::uint64_t seq : events_aside) flow.cursor.settle(Position(seq));
    flow.durable_floor = flow.cursor.floor();
  }
  segments = std::make_shared<std::vector<Segment>>(std::move(standing));
  durable_seq = next_seq - 1;
  durable_lsn = next_lsn - 1;
  tail.restart(next_seq);
  lost(gaps);
  return {};
}

Result<void> StoreCore::take_standing(std::vector<Segment>& found, std::vector<Segment>& standing,
                                      std::vector<std::uint64_t>& gaps) {
  bool end_known = true;  // of the segment before
  for (std::size_t i = 0; i < found.size(); ++i) {
    Segment& segment = found[i];
    const bool newest = i + 1 == found.size();
    Result<SegmentReader*> reader = failure(Code::kNotFound, segment.path + " is missing");
    std::error_code ignored;
    if (std::filesystem::exists(segment.path, ignored)) reader = background_files_->segment(segment);
    Result<SegmentCounts> counts = failure(Code::kCorrupt, "unread");
    if (reader) counts = (*reader)->counts();
    // What was saved of a damaged log may be an earlier one's, whose frames stood behind it.
    if (counts && (*reader)->head().first_lsn != segment.first_lsn)
      counts = failure(Code::kCorrupt, segment.path + " holds another segment");
    if (!reader || !counts) {
      TRY_VOID(leave_out(segment, newest, reader ? counts.error() : reader.error()));
      continue;
    }
    TRY_VOID(check_environment(**reader));
    if (!counts->end_known && newest) {
      if (!segment.damaged)
        TRY_VOID(damage(segment.path + " is damaged where the log ends: " +
                            loss_behind(counts->last_seq, counts->last_lsn) + " may be lost",
                        true));
      segment.damaged = true;
    }
    segment.first_seq = (*reader)->head().first_seq;
    segment.events = counts->events;
    segment.records = counts->records;
    segment.last_seq = counts->last_seq;
    segment.last_lsn = std::max(counts->last_lsn, segment.first_lsn - 1);
    segment.first_received = counts->first_received == Time::min() ? now() : counts->first_received;
    segment.last_received = counts->last_received == Time::min() ? now() : counts->last_received;
    segment.holds = (*reader)->head().holds;
    const auto& aside = (*reader)->events_aside();
    events_aside.insert(events_aside.end(), aside.begin(), aside.end());
    segment.bytes = std::filesystem::file_size(segment.path, ignored);
    if (!segment.sealed) {
      const auto log = std::filesystem::file_size(segment.path + "-wal", ignored);
      if (!ignored) segment.bytes += log;
    }
    if (!standing.empty() && !end_known) {
      standing.back().last_seq = segment.first_seq - 1;
      standing.back().last_lsn = segment.first_lsn - 1;
    }
    end_known = counts->end_known;
    const std::uint64_t expected = standing.empty() ? first_missing(found, segment) : standing.back().last_seq + 1;
    for (std::uint64_t seq = expected; seq < segment.first_seq; ++seq) {
      if (!std::binary_search(events_aside.begin(), events_aside.end(), seq)) gaps.push_back(seq);
    }
    standing.push_back(segment);
  }
  return {};
}

// The first event that is missed where `segment` is the oldest that can be read: none, unless one before it cannot.
// That one's first event is known only if nothing was removed before it; else what every flow had settled passes for
// history.
std::uint64_t StoreCore::first_missing(const std::vector<Segment>& found, const Segment& segment) const {
  if (found.front().first_lsn == segment.first_lsn) return segment.first_seq;
  if (found.front().first_lsn == 1) return 1;
  std::uint64_t first = segment.first_seq;
  for (const FlowState& flow : flows) {
    if (!flow.name.empty()) first = std::min(first, flow.cursor.floor().value + 1);
  }
  return first;
}

// A segment that cannot be read at all.
Result<void> StoreCore::leave_out(const Segment& segment, bool newest, const Error& error) {
  if (error.code == Code::kNotFound && newest && !segment.damaged) {
    report(segment.path + " was never finished and is set aside");
    if (!options.read_only) set_aside(segment.path, ".unfinished");
    return {};
  }
  // An older one that nothing was ever committed to has lost what was.
  if (error.code != Code::kCorrupt && error.code != Code::kNotFound && !segment.damaged) return failure(error);
  if (newest && !segment.damaged)
    TRY_VOID(damage(segment.path + " cannot be read (" + error.message +
                        "): " + loss_behind(folded_seq_, segment.first_lsn - 1) + " may be lost",
                    true));
  report(segment.path + " is corrupt and is set aside: " + error.message);
  if (newest && !options.read_only) set_aside(segment.path, ".corrupt");
  unreadable.push_back(segment.path);
  return {};
}

Result<void> StoreCore::replay(const Segment& segment, SegmentReader& reader) {
  recent.open(std::max(segment.first_lsn, folded_lsn_ + 1), std::max(segment.first_seq, folded_seq_ + 1));
  auto named = reader.flows();
  auto marks = reader.marks();
  for (const Error* error : {named ? nullptr : &named.error(), marks ? nullptr : &marks.error()}) {
    if (error == nullptr) continue;
    if (error->code != Code::kCorrupt || !options.accept_loss) return failure(*error);
    report(segment.path + ": cursors cannot be read, and older ones are taken: " + error->message);
  }
  if (!named) named.emplace();
  if (!marks) marks.emplace();
  for (const StoredFlow& flow : *named) {
    if (flows.size() < flow.id.value) flows.resize(flow.id.value);
    flows[flow.id.value - 1].name = flow.name;
  }
  for (auto& [id, cursor] : *marks) {
    if (id.value == 0 || id.value > flows.size()) continue;
    flows[id.value - 1].cursor = std::move(cursor);
  }
  std::uint64_t expected = std::max(segment.first_lsn, folded_lsn_ + 1);
  auto walked = reader.each_record([this, &expected, &reader](const RawRecord& row) -> Result<void> {
    TRY(const bool good, replay_record(row));
    if (!good || row.lsn < expected) return {};
    lost_records(reader, expected, row.lsn - 1);
    expected = row.lsn + 1;
    return {};
  });
  if (!walked && walked.error().code == Code::kCorrupt) {
    report(segment.path + ": some records cannot be read: " + walked.error().message);
    corrupt_records.insert(segment.first_lsn);
    return {};
  }
  return walked;
}

Result<bool> StoreCore::replay_record(const RawRecord& row) {
  if (row.lsn <= folded_lsn_) return true;
  Bytes buffer;
  const auto content = row.content(buffer);
  if (!content) {
    lost_record(row.lsn, content.error().message);
    return false;
  }
  if (row.kind == kRecPut || row.kind == kRecErase) {
    auto entry = decode_entry(*content);
    if (!entry) {
      lost_record(row.lsn);
      return true;
    }
    RecentEntry recent_entry{std::nullopt, row.lsn, entry->until};
    if (row.kind == kRecPut) recent_entry.value = Bytes(entry->value);
    recent.put(entry->bucket, entry->key, std::move(recent_entry));
    return true;
  }
  auto record = row.decode();
  if (!record || flow(record->run.flow) == nullptr) {
    lost_record(row.lsn);
    return true;
  }
  std::optional<RunStatus> base;
  if (may_be_folded(record->run) && has_state_) {
    TRY(StateReader * state, background_files_->state());
    TRY(auto folded, state->run(record->run));
    if (folded) base = std::move(folded->status);
  }
  const RecordRef ref{row.lsn, record_hash(*record, *content), record->number};
  recent.apply(*record, ref, base, flow(record->run.flow)->counts);
  // Marked already, unless the mark is lost.
  if (record->kind == RecordKind::kState) flow(record->run.flow)->cursor.settle(record->run.event);
  return true;
}

Result<void> StoreCore::end_recovered(const Segment& segment, const Segment& next) {
  Generation& ended = recent.hot();
  ended.last_lsn = next.first_lsn - 1;
  ended.last_seq = next.first_seq - 1;
  ended.flows = flows;
  if (options.read_only) return {};
  TRY_VOID(state_.fold(ended, now()));
  folded_lsn_ = ended.last_lsn;
  folded_seq_ = ended.last_seq;
  recent = Recent();
  if (!segment.sealed) sealing_.push_back({segment, nullptr});
  return {};
}

Result<void> StoreCore::open_hot(std::vector<Segment>& found) {
  // Behind a loss the log goes on in a segment of its own: positions that were given are not given again.
  const bool goes_on = !found.empty() && !found.back().sealed && !found.back().damaged &&
                       found.back().last_seq + 1 == next_seq && found.back().last_lsn + 1 == next_lsn;
  if (goes_on || (options.read_only && !found.empty() && !found.back().sealed)) {
    counters.events = std::exchange(found.back().events, 0);
    counters.records = std::exchange(found.back().records, 0);
    if (counters.events + counters.records > 0) hot_since_ = found.back().first_received;
    if (options.read_only) return {};
    TRY(hot_, SegmentWriter::open(found.back().path, options.vfs));
    TRY(hot_bytes_, hot_.bytes());
    found.back().bytes = 0;  // counted as the hot one's
    hot_bytes_seen_ = hot_bytes_;
    std::error_code missing;
    const auto log = std::filesystem::file_size(found.back().path + "-wal", missing);
    hot_log_bytes_ = missing ? 0 : log;
    hot_open_ = true;
    hot_first_lsn_ = found.back().first_lsn;
    return {};
  }
  if (!found.empty()) next_lsn = std::max(next_lsn, found.back().first_lsn + 1);
  // Its file is made with the first group. The sealed one before it is replayed already: one generation serves both.
  if (recent.empty()) recent.open(next_lsn, next_seq);
  next_segment_.first_lsn = next_lsn;
  next_segment_.first_seq = next_seq;
  next_segment_.path = path(segment_name(next_lsn, false)).string();
  snapshot(flows);
  found.push_back(next_segment_);
  return {};
}

void StoreCore::load_dedupe(const std::vector<Segment>& found) {
  const Time oldest = now() - options.dedupe_window;
  for (std::size_t i = 0; i < found.size(); ++i) {
    const bool hot = i + 1 == found.size();
    if (hot && !hot_open_ && !options.read_only) break;  // no file yet
    if (!hot && found[i].last_received < oldest) {
      dedupe.forget_up_to(found[i].last_seq);
      continue;
    }
    auto reader = background_files_->segment(found[i]);
    if (!reader) continue;
    auto read = (*reader)->each_hash([this](std::uint64_t seq, std::uint64_t hash) { dedupe.add(hash, seq); });
    if (!read) report(found[i].path + ": some dedupe hashes cannot be read: " + read.error().message);
  }
}

}  // namespace tieline::store
