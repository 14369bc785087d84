// The background thread: seals and folds full segments, lets old ones go, watches the disk. It must never remove a
// segment before everything that is still owed from it stands on disk elsewhere.
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>

#include "base/check.h"
#include "store/store_core.h"
#include "store/threads.h"

namespace tieline::store {
namespace {

constexpr auto kTick = std::chrono::seconds(1);
constexpr Duration kRestMax = std::chrono::milliseconds(200);
// Open forms that are kept because somebody may still read them: a shard that reads nothing keeps its readers open.
constexpr std::size_t kLeavingMax = 1;

}  // namespace

void StoreCore::background_loop() {
  yield_to_others();
  while (true) {
    std::optional<Sealing> work;
    std::uint64_t asked = 0;
    bool next_wanted = false;
    {
      std::unique_lock lock(mutex);
      const bool stuck = !background_error_.empty();
      if (sealing_.empty() || stuck) {
        wake_background_.wait_for(lock, kTick, [&] {
          return stopping_ || maintain_asked_ > maintain_done_ || (!stuck && !sealing_.empty());
        });
      }
      if (stopping_) {
        background_idle_.notify_all();
        break;
      }
      next_wanted = !sealing_.empty() || hot_bytes_seen_ > options.segment_bytes / 4;
      asked = maintain_asked_;
      if (!sealing_.empty()) work = sealing_.front();
    }
    // Without it the writer makes the files itself, and tells what it meets.
    if (next_wanted) (void)next_files_.prepare();
    Result<void> done;
    if (work) done = seal_and_fold(*work);
    check_disk();
    let_go();
    if (done) done = retire();
    if (!done) report("the background thread: " + done.error().message);
    const std::lock_guard lock(mutex);
    background_error_ = done ? std::string() : done.error().message;
    if (sealing_.empty() || !done) {
      maintain_done_ = asked;
      background_idle_.notify_all();
    }
  }
  for (const Segment& segment : leaving_) remove_database(segment.path);
}

Result<void> StoreCore::maintain() {
  sample_time();
  std::unique_lock lock(mutex);
  if (options.read_only) return failure(Code::kUnavailable, "the store is open for reading only");
  const std::uint64_t asked = ++maintain_asked_;
  wake_background_.notify_one();
  background_idle_.wait(lock, [&] { return stopping_ || maintain_done_ >= asked; });
  if (!background_error_.empty()) return failure(Code::kInternal, background_error_);
  return {};
}

Result<void> StoreCore::seal_and_fold(Sealing& work) {
  Segment sealed = work.segment;
  if (!sealed.sealed) {
    auto made = seal(work.segment);
    if (made) {
      sealed = *made;
    } else if (made.error().code == Code::kCorrupt) {
      report(work.segment.path + " stays unsealed: " + made.error().message);
    } else {
      return failure(std::move(made.error()));
    }
  }
  if (work.generation) TRY_VOID(state_.fold(*work.generation, now()));
  std::shared_ptr<Generation> folded;  // destroyed without the lock
  std::uint64_t waiting = 0;
  {
    const std::lock_guard lock(mutex);
    sealing_.pop_front();
    auto all = std::make_shared<std::vector<Segment>>(*segments);
    for (Segment& segment : *all) {
      if (segment.path == work.segment.path) segment = sealed;
    }
    segments = std::move(all);
    if (work.generation) {
      folded = recent.drop_oldest();
      CHECK(folded == work.generation);
      folded_lsn_ = std::max(folded_lsn_, folded->last_lsn);
      folded_seq_ = std::max(folded_seq_, folded->last_seq);
      ++folds;
      waiting = std::exchange(room_wanted_, 0);
    }
    // Times of receipt older than the window need no hash in memory any more.
    const Time oldest = now() - options.dedupe_window;
    for (const Segment& segment : *segments) {
      if (segment.last_seq == 0 || segment.last_received >= oldest) break;
      dedupe.forget_up_to(segment.last_seq);
    }
  }
  background_files_->only({});
  if (sealed.path != work.segment.path) leaving_.push_back(std::move(work.segment));
  if (waiting != 0) notify(waiting, 0, std::nullopt);
  return {};
}

// What stands in two forms needs but the sealed one. The log of the other becomes the next segment's, unless somebody
// may still read it.
void StoreCore::let_go() {
  if (disk_low_) next_files_.drop_log();
  for (; !leaving_.empty(); leaving_.pop_front()) {
    const Segment& segment = leaving_.front();
    const bool unused = segment.in_use.use_count() == 1;
    if (!unused && !disk_low_ && leaving_.size() <= kLeavingMax) return;
    if (unused && !disk_low_) {
      (void)next_files_.prepare();  // the writer may have taken the one before meanwhile
      next_files_.add_log(segment.path + "-wal", 2 * options.segment_bytes);
    }
    if (unused) {
      remove_database_slowly(segment.path);
    } else {
      remove_database(segment.path);
    }
  }
}

// An open form must not outlive the sealed one: the next start would take it for a segment of its own.
void StoreCore::forget_leaving(std::uint64_t first_lsn) {
  std::erase_if(leaving_, [&](const Segment& segment) {
    if (segment.first_lsn != first_lsn) return false;
    remove_database(segment.path);
    return true;
  });
}

Duration pause_of_sealing(Duration worked, std::size_t behind) {
  constexpr std::int64_t kMost = kGenerationsMax - 1, kAlways = kMost * kMost * kMost;
  const auto waiting = static_cast<std::int64_t>(behind);
  if (waiting >= kMost) return Duration(0);
  // The share of the time in which it works is the cube of waiting / kMost, and a sixteenth at least.
  const std::int64_t share = std::max(waiting * waiting * waiting, kAlways / 16);
  return std::min(worked * (kAlways - share) / share, kRestMax);
}

void StoreCore::rest(Duration worked) {
  std::unique_lock lock(mutex);
  if (disk_low_ || disk_out_) return;  // what is sealed is smaller
  const Duration pause = pause_of_sealing(worked, sealing_.size());
  wake_background_.wait_for(lock, pause, [&] { return stopping_ || maintain_asked_ > maintain_done_; });
}

Result<Segment> StoreCore::seal(const Segment& segment) {
  Segment sealed = segment;
  sealed.in_use = std::make_shared<const char>();
  sealed.sealed = true;
  sealed.path = path(segment_name(segment.first_lsn, true)).string();
  const std::string unfinished = sealed.path + ".tmp";
  remove_database(unfinished);
  TRY(SegmentReader reader, SegmentReader::open(segment.path, options.vfs));
  Instant begun = clock.instant(), looked = begun;
  const auto step = [&] {
    if (clock.instant() - looked >= kTick) {
      check_disk();
      looked = clock.instant();
    }
    rest(clock.instant() - begun);
    begun = clock.instant();
  };
  if (auto written = reader.seal(unfinished, options.vfs, step); !written) {
    remove_database(unfinished);
    return failure(std::move(written.error()));
  }
  TRY_VOID(sync_file(unfinished));
  std::error_code failed;
  std::filesystem::rename(unfinished, sealed.path, failed);
  if (failed) return failure(Code::kInternal, "renaming " + unfinished + ": " + failed.message());
  TRY_VOID(sync_directory(options.directory.string()));
  sealed.bytes = std::filesystem::file_size(sealed.path, failed);
  return sealed;
}

// Retention.

std::optional<Segment> StoreCore::next_to_retire(std::vector<RunId>& working) {
  const std::lock_guard lock(mutex);
  if (segments->size() < 2) return std::nullopt;
  // One file stays, or an emptied store would look like one whose segments are missing.
  std::error_code ignored;
  if (segments->size() == 2 && !std::filesystem::exists(segments->back().path, ignored)) return std::nullopt;
  const Segment& oldest = segments->front();
  std::uint64_t bytes = hot_bytes_seen_;
  for (const Segment& segment : *segments) bytes += segment.bytes;
  const bool needed = bytes > options.bytes_max || disk_low_;
  if (!needed && oldest.last_received >= now() - options.keep) return std::nullopt;
  if (oldest.last_lsn > folded_lsn_ || oldest.last_seq > folded_seq_) return std::nullopt;
  if (!sealing_.empty() && sealing_.front().segment.path == oldest.path) return std::nullopt;
  for (const FlowState& flow : flows) {
    if (flow.configured && !flow.name.empty() && flow.durable_floor.value < oldest.last_seq) return std::nullopt;
  }
  for (const auto& generation : recent.generations()) {
    for (const auto& [id, run] : generation->runs) {
      if (id.event.value < recent.first_seq() && keeps_event(run.status.state)) working.push_back(id);
    }
  }
  return oldest;
}

Result<void> StoreCore::retire() {
  while (true) {
    std::vector<RunId> working;
    const auto oldest = next_to_retire(working);
    if (!oldest) return {};
    {
      TRY(SegmentReader reader, SegmentReader::open(oldest->path, options.vfs));
      SegmentCounts counts;
      counts.last_seq = oldest->last_seq;
      TRY_VOID(state_.keep(reader, counts, working));
    }
    forget_leaving(oldest->first_lsn);
    auto written = state_.checkpoint();
    if (!written && written.error().code == Code::kUnavailable) return {};  // the next tick tries again
    TRY_VOID(std::move(written));
    TRY_VOID(sync_file(state_path()));
    {
      const std::lock_guard lock(mutex);
      auto all = std::make_shared<std::vector<Segment>>(*segments);
      all->erase(all->begin());
      segments = std::move(all);
      dedupe.forget_up_to(oldest->last_seq);
      for (FlowState& flow : flows) {  // one that is not configured; the others are there already
        if (flow.name.empty() || flow.cursor.floor().value >= oldest->last_seq) continue;
        flow.cursor.settle_up_to(Position(oldest->last_seq));
        flow.marked = false;
        unmarked_ = true;
      }
    }
    if (oldest->in_use.use_count() == 1) {
      remove_database_slowly(oldest->path);
    } else {
      remove_database(oldest->path);
    }
    TRY_VOID(state_.forget(oldest->last_seq, working));
    report("let go of " + oldest->path + " (" + std::to_string(oldest->events) + " events)");
  }
}

void StoreCore::check_disk() {
  struct statvfs disk {};
  if (::statvfs(options.directory.c_str(), &disk) != 0) return;
  const std::uint64_t free = static_cast<std::uint64_t>(disk.f_bavail) * disk.f_frsize;
  const std::lock_guard lock(mutex);
  disk_free_ = free;
  disk_low_ = free < options.headroom_bytes;
  disk_out_ = free < options.headroom_bytes / 4;
}

}  // namespace tieline::store
