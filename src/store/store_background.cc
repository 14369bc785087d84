// The background thread: seals and folds full segments, and watches the disk. It must never let go of a segment's open
// form before the sealed one is on disk.
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
// A segment ends at the latest when what it holds is as old as this part of what is kept shortest.
constexpr int kSegmentsOfKeep = 8;

}  // namespace

void StoreCore::background_loop() {
  yield_to_others();
  while (true) {
    std::optional<Sealing> work;
    std::uint64_t asked = 0;
    bool next_wanted = false, asked_for = false;
    {
      std::unique_lock lock(mutex);
      const bool stuck = background_error_.has_value();
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
      asked_for = asked > maintain_done_;
      if (!sealing_.empty()) work = sealing_.front();
    }
    // Without it the writer makes the files itself, and tells what it meets.
    if (next_wanted) (void)next_files_.prepare();
    Result<void> done;
    if (work) done = seal_and_fold(*work);
    sample_time();
    check_disk();
    let_go();
    if (!work) end_old_segment();
    if (done) done = retire();
    if (done) done = expire(asked_for);
    if (done && asked_for) done = compact_state();
    if (!done) tell_stuck(done.error());
    const std::lock_guard lock(mutex);
    background_error_ = done ? std::nullopt : std::optional(done.error());
    if (sealing_.empty() || !done) {
      maintain_done_ = asked;
      background_idle_.notify_all();
    }
  }
  for (const Segment& segment : leaving_) remove_database(segment.path);
}

// Once, not with every tick.
void StoreCore::tell_stuck(const Error& error) {
  {
    const std::lock_guard lock(mutex);
    if (background_error_ && background_error_->message == error.message) return;
  }
  report("old segments are neither sealed nor let go of: " + error.message +
         (error.code == Code::kCorrupt ? "; stop the server, and mend it with: tieline store repair" : ""));
}

Result<void> StoreCore::compact_state() {
  {
    const std::lock_guard lock(mutex);
    if (!std::exchange(compact_wanted_, false)) return {};
  }
  std::error_code ignored;
  const auto size = std::filesystem::file_size(state_path(), ignored);
  if (disk_free_ < 2 * size + options.headroom_bytes) {
    const auto mib = [](std::uint64_t bytes) { return std::to_string(bytes >> 20) + " MiB"; };
    return failure(Code::kFull, "state.db cannot be written anew: that takes " + mib(2 * size) +
                                    " for a while beside the reserve of " + mib(options.headroom_bytes) + ", and " +
                                    mib(disk_free_) + " are free");
  }
  if (auto done = state_.compact(compact_given_up_); !done) return compact_given_up_ ? Result<void>() : done;
  auto written = state_.checkpoint();
  if (!written && written.error().code != Code::kUnavailable) return written;
  return {};
}

Result<void> StoreCore::compact(const std::atomic<bool>* give_up) {
  constexpr auto kLook = std::chrono::milliseconds(20);
  sample_time();
  std::unique_lock lock(mutex);
  if (options.read_only) return failure(Code::kUnavailable, "the store is open for reading only");
  compact_wanted_ = true;
  if (!stopping_) compact_given_up_ = false;
  const std::uint64_t asked = ++maintain_asked_;
  wake_background_.notify_one();
  while (!background_idle_.wait_for(lock, kLook, [&] { return stopping_ || maintain_done_ >= asked; })) {
    if (give_up == nullptr || !*give_up) continue;
    compact_wanted_ = false;
    compact_given_up_ = true;
    return failure(Code::kUnavailable, "the compaction was given up");
  }
  // What failed before it is not done when the next one asks for something else.
  compact_wanted_ = false;
  if (background_error_) return failure(*background_error_);
  return {};
}

// Nothing goes, and nothing is written anew, until the one that is returned goes.
std::shared_ptr<void> StoreCore::hold_files() {
  std::unique_lock lock(mutex);
  ++held_back_;
  background_idle_.wait(lock, [this] { return !shedding_ || stopping_; });
  return std::shared_ptr<void>(nullptr, [core = shared_from_this()](void*) {
    const std::lock_guard unlock(core->mutex);
    --core->held_back_;
  });
}

Result<void> StoreCore::maintain() {
  sample_time();
  std::unique_lock lock(mutex);
  if (options.read_only) return failure(Code::kUnavailable, "the store is open for reading only");
  const std::uint64_t asked = ++maintain_asked_;
  wake_background_.notify_one();
  background_idle_.wait(lock, [&] { return stopping_ || maintain_done_ >= asked; });
  if (background_error_) return failure(*background_error_);
  return {};
}

Result<void> StoreCore::seal_and_fold(Sealing& work) {
  Segment sealed = work.segment;
  if (!sealed.sealed) {
    auto made = write_sealed(work.segment, Holds::kAll);
    if (made) made = finish_sealed(std::move(*made));
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
  {
    const std::lock_guard lock(mutex);
    if (held_back_ > 0 && !disk_low_) return;
  }
  if (disk_low_) next_files_.drop_log();
  for (; !leaving_.empty(); leaving_.pop_front()) {
    const Segment& segment = leaving_.front();
    const bool unused = segment.in_use.use_count() == 1;
    if (!unused && !disk_low_ && leaving_.size() <= kLeavingMax) return;
    if (unused && !disk_low_) {
      (void)next_files_.prepare();  // the writer may have taken the one before meanwhile
      // Its own frames only: what an earlier log left behind them would never be written over by shorter ones, and
      // stay longer than it may.
      const std::uint64_t own = segment.log_bytes == 0 ? 2 * options.segment_bytes : segment.log_bytes;
      next_files_.add_log(segment.path + "-wal", std::min(own, 2 * options.segment_bytes));
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
  const std::size_t by_runs = recent.closed_runs() * (kGenerationsMax - 1) / kClosedRunsMax;
  const Duration pause = pause_of_sealing(worked, std::max(sealing_.size(), by_runs));
  wake_background_.wait_for(lock, pause, [&] { return stopping_ || maintain_asked_ > maintain_done_; });
}

Result<Segment> StoreCore::write_sealed(const Segment& segment, Holds holds) {
  Segment sealed = segment;
  sealed.in_use = std::make_shared<const char>();
  sealed.sealed = true;
  sealed.holds = holds;
  sealed.path = path(segment_name(segment.first_lsn, true)).string();
  const std::string unfinished = sealed.path + kUnfinished;
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
  auto written = reader.seal(unfinished, options.vfs, holds, step);
  if (written) written = sync_file(unfinished);
  if (!written) {
    remove_database(unfinished);
    return failure(std::move(written.error()));
  }
  return sealed;
}

Result<Segment> StoreCore::finish_sealed(Segment sealed) {
  std::error_code failed;
  std::filesystem::rename(sealed.path + kUnfinished, sealed.path, failed);
  if (failed) return failure(Code::kInternal, "renaming " + sealed.path + kUnfinished + ": " + failed.message());
  TRY_VOID(sync_directory(options.directory.string()));
  sealed.bytes = std::filesystem::file_size(sealed.path, failed);
  return sealed;
}

// Segments that fill slowly would hold for ever what is to be kept for a while.
void StoreCore::end_old_segment() {
  const Duration shortest = std::min(options.keep, options.keep_payloads);
  std::unique_lock lock(mutex);
  if (hot_since_ == Time::max() || now() - hot_since_ <= shortest / kSegmentsOfKeep) return;
  if (refusal(false)) return;
  end_wanted_ = true;
  wake_writer_.notify_one();
  const Time since = hot_since_;
  wake_background_.wait_for(lock, kTick, [&] { return stopping_ || hot_since_ != since || refusing_; });
}

void StoreCore::check_disk() {
  struct statvfs disk {};
  if (::statvfs(options.directory.c_str(), &disk) != 0) return;
  const std::uint64_t free = static_cast<std::uint64_t>(disk.f_bavail) * disk.f_frsize;
  std::string line;
  {
    const std::lock_guard lock(mutex);
    disk_free_ = free;
    const auto degree = [this] { return disk_low_ + disk_out_ + disk_gone_; };
    const int before = degree();
    disk_low_ = free < options.headroom_bytes;
    disk_out_ = free < options.headroom_bytes / 4;
    disk_gone_ = free < options.headroom_bytes / 8;
    if (degree() == before) return;
    line = "the disk of " + options.directory.string() + " has " + std::to_string(free >> 20) + " MiB left, ";
    line += !disk_low_ ? "enough again: everything is taken"
                       : "less than the reserve of " + std::to_string(options.headroom_bytes >> 20) + " MiB: ";
    if (disk_low_) {
      line += disk_gone_  ? "nothing is written any more"
              : disk_out_ ? "webhooks are refused with 503, runs go on"
                          : "the oldest history goes before its time";
    }
  }
  report(line);
}

}  // namespace tieline::store
