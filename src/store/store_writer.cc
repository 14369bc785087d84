// The writer thread: takes what the shards queued, one transaction a group, and tells them. It must never touch a
// segment's connection again after a failed sync.
#include <sqlite3.h>

#include <boost/asio/post.hpp>

#include "base/check.h"
#include "store/codec.h"
#include "store/store_core.h"
#include "store/threads.h"

namespace tieline::store {
namespace {

constexpr auto kFullRetry = std::chrono::milliseconds(200);
constexpr std::uint64_t kLogHeaderBytes = 32, kLogFrameBytes = 24 + 4096;

}  // namespace

void Group::clear() {
  events.clear();
  records.clear();
  flows.clear();
  arena.clear();
  marks.clear();
  bytes = count = 0;
  shards = 0;
  awaited = ends_segment = false;
}

// The shards' side.

Result<void> StoreCore::writable() const {
  if (options.read_only) return failure(Code::kUnavailable, "the store is open for reading only");
  if (stopping_ && !refusing_) return failure(Code::kUnavailable, "the store is stopping");
  if (auto refused = refusal(false)) return failure(std::move(*refused));
  return {};
}

Result<void> StoreCore::takes_events() const {
  if (!refusing_ && disk_out_) return failure(*refusal(true));
  return writable();
}

std::optional<Error> StoreCore::refusal(bool events) const {
  if (refusing_) return refusing_;
  if (full_) return full_;
  if (!(events ? disk_out_ : disk_gone_)) return std::nullopt;
  return Error{Code::kFull,
               "the disk of " + options.directory.string() + " has " + std::to_string(disk_free_ >> 20) +
                   " MiB left, less than the " + std::to_string(options.headroom_bytes >> (events ? 22 : 23)) +
                   " MiB that the store leaves free; it goes on by itself when there is more",
               {}};
}

bool StoreCore::has_room() const {
  return queue_.count < options.queue_count_max && queue_.bytes < options.queue_bytes_max &&
         recent.generations().size() <= kGenerationsMax && recent.closed_runs() <= kClosedRunsMax;
}

FlowState* StoreCore::flow(FlowId id) {
  return id.value == 0 || id.value > flows.size() || flows[id.value - 1].name.empty() ? nullptr : &flows[id.value - 1];
}

std::uint64_t StoreCore::submitted(std::size_t shard, std::size_t bytes, bool awaited) {
  queue_.bytes += bytes;
  ++queue_.count;
  queue_.ticket = ++last_ticket;
  if (awaited) {
    queue_.shards |= 1ull << shard;
    queue_.awaited = true;
  }
  return last_ticket;
}

void StoreCore::kick() {
  {
    const std::lock_guard lock(mutex);
    if (!writer_idle_) return;
  }
  wake_writer_.notify_one();
}

std::size_t StoreCore::add_listener(std::shared_ptr<GroupListener> listener) {
  const std::lock_guard lock(listeners_mutex_);
  for (std::size_t i = 0; i < listeners_.size(); ++i) {
    if (listeners_[i] == nullptr) {
      listeners_[i] = std::move(listener);
      return i;
    }
  }
  CHECK(listeners_.size() < 64);
  listeners_.push_back(std::move(listener));
  return listeners_.size() - 1;
}

void StoreCore::remove_listener(std::size_t shard) {
  const std::lock_guard lock(listeners_mutex_);
  listeners_[shard] = nullptr;
}

void StoreCore::notify(std::uint64_t shards, std::uint64_t ticket, const std::optional<Error>& error) {
  Position last;
  {
    const std::lock_guard lock(mutex);
    last = Position(durable_seq);
  }
  const std::lock_guard lock(listeners_mutex_);
  // All are told before one resumes: who has appended finds that every shard knows of it.
  for (std::size_t i = 0; i < listeners_.size(); ++i) {
    if (listeners_[i] != nullptr && listeners_[i]->told(last)) shards |= 1ull << i;
  }
  for (std::size_t i = 0; i < listeners_.size(); ++i) {
    if (listeners_[i] == nullptr || (shards >> i & 1) == 0) continue;
    asio::post(listeners_[i]->executor(),
               [listener = listeners_[i], ticket, error] { listener->resolved(ticket, error); });
  }
}

void StoreCore::report(const std::string& line) const {
  if (options.report) options.report(line);
}

// The writer's side.

void StoreCore::write_loop() {
  wake_promptly();
  Group group;
  while (true) {
    {
      std::unique_lock lock(mutex);
      writer_idle_ = true;
      wake_writer_.wait(lock, [this] { return queue_.count > 0 || unmarked_ || stopping_ || end_wanted_; });
      if (!queue_.awaited && !stopping_) {
        wake_writer_.wait_for(lock, options.linger, [this] { return queue_.awaited || stopping_; });
      }
      writer_idle_ = false;
      if (stopping_ && queue_.count == 0 && !unmarked_) break;
      take_group(group);
    }
    if (!commit_group(group)) return;
  }
  if (hot_open_) (void)log_end_.sync();  // behind the log it tells nothing wrong
}

void StoreCore::take_group(Group& group) {
  std::swap(group, queue_);
  group.ticket = last_ticket;
  group.last_seq = next_seq - 1;
  group.last_lsn = next_lsn - 1;
  if (unmarked_) {
    for (std::size_t i = 0; i < flows.size(); ++i) {
      if (flows[i].marked) continue;
      flows[i].marked = true;
      group.marks.emplace_back(FlowId(static_cast<std::uint32_t>(i + 1)), flows[i].cursor);
    }
    unmarked_ = false;
  }
  const bool full = hot_bytes_ + group.bytes >= options.segment_bytes;
  group.ends_segment = (full || end_wanted_) && !(hot_bytes_ == 0 && group.bytes == 0);
  end_wanted_ = false;
  if (hot_since_ == Time::max() && group.bytes > 0) hot_since_ = now();
  if (!group.ends_segment) return;
  // Everything queued so far is folded into the generation that ends here, and will stand in the segment that ends.
  // A segment is named after its first lsn, so that one has to be left even if no record took it.
  next_lsn = std::max(next_lsn, segments->back().first_lsn + 1);
  Generation& ending = recent.hot();
  ending.last_lsn = next_lsn - 1;
  ending.last_seq = next_seq - 1;
  ending.flows = flows;
  recent.open(next_lsn, next_seq);
}

bool StoreCore::commit_group(Group& group) {
  while (true) {
    const int code = write_group(group);
    if (code == SQLITE_OK) break;
    Error error = hot_.error(code, "writing to the log");
    if ((code & 0xFF) != SQLITE_FULL) {
      // Nobody uses the connection again: this thread ends, and closing it neither checkpoints nor syncs.
      refuse(std::move(error).in("the store refuses until it is restarted"));
      return false;
    }
    // Nothing of the group is written: it waits for room, while new calls are told.
    if (hot_open_) hot_.roll_back();
    std::unique_lock lock(mutex);
    full_ = Error{Code::kFull, "the disk is full; free some space, the store resumes by itself", {}};
    if (wake_writer_.wait_for(lock, kFullRetry, [this] { return stopping_; })) {
      const Error gone = *full_;
      lock.unlock();
      refuse(gone);
      return false;
    }
  }
  remember_end(group);
  group_done(group);
  return true;
}

// Before anybody is told: what was acknowledged is missed when it is gone.
void StoreCore::remember_end(const Group& group) {
  if (hot_.frames() == 0) return;  // nothing was written yet
  const auto written = log_end_.write({hot_first_lsn_, hot_.frames(), group.last_seq, group.last_lsn});
  if (!written && !std::exchange(end_reported_, true)) report(written.error().message);
}

Result<void> StoreCore::new_segment() {
  const SegmentHead head{next_segment_.first_lsn, next_segment_.first_seq, options.environment, false};
  remove_database(next_segment_.path);  // what an attempt that met a full disk left
  next_files_.take(next_segment_.path);
  TRY(hot_, SegmentWriter::create(next_segment_.path, head, options.vfs));
  TRY_VOID(sync_directory(options.directory.string()));
  hot_first_lsn_ = head.first_lsn;
  return {};
}

int StoreCore::write_group(Group& group) {
  if (!hot_open_) {
    if (auto made = new_segment(); !made) {
      report("creating a segment: " + made.error().message);
      return made.error().code == Code::kFull ? SQLITE_FULL : SQLITE_IOERR;
    }
  }
  if (group.events.empty() && group.records.empty() && group.flows.empty() && group.marks.empty()) {
    hot_open_ = true;
    return SQLITE_OK;
  }
  int code = hot_.begin();
  if (!hot_open_) {
    for (const StoredFlow& flow : snapshot_flows_) code = code != 0 ? code : hot_.flow(flow.id, flow.name);
    for (const auto& [id, cursor] : snapshot_marks_) code = code != 0 ? code : hot_.mark(id, cursor);
  }
  for (const auto& queued : group.events) {
    if (code != SQLITE_OK) return code;
    code = hot_.event(*queued.event, queued.hash);
  }
  for (auto& queued : group.records) {
    if (code != SQLITE_OK) return code;
    queued.row.body = std::string_view(group.arena).substr(queued.at, queued.size);
    code = hot_.record(queued.row);
  }
  for (const StoredFlow& flow : group.flows) code = code != 0 ? code : hot_.flow(flow.id, flow.name);
  for (const auto& [id, cursor] : group.marks) code = code != 0 ? code : hot_.mark(id, cursor);
  if (code == SQLITE_OK) code = hot_.commit();
  if (code == SQLITE_OK) hot_open_ = true;
  return code;
}

void StoreCore::group_done(Group& group) {
  hot_bytes_ += group.bytes;
  std::uint64_t wake = group.shards;
  {
    const std::lock_guard lock(mutex);
    full_.reset();
    hot_bytes_seen_ = group.ends_segment ? 0 : hot_bytes_;
    if (hot_.frames() > 0) hot_log_bytes_ = kLogHeaderBytes + hot_.frames() * kLogFrameBytes;
    durable_seq = group.last_seq;
    durable_lsn = group.last_lsn;
    durable_ticket = group.ticket;
    tail.trim(durable_seq);
    const bool wrote = !group.events.empty() || !group.records.empty() || !group.marks.empty() || !group.flows.empty();
    if (wrote) ++counters.commits;
    counters.events += group.events.size();
    counters.records += group.records.size();
    wake |= std::exchange(room_wanted_, 0);
    for (const auto& [id, cursor] : group.marks) flows[id.value - 1].durable_floor = cursor.floor();
    if (group.ends_segment) next_hot_segment();
  }
  if (group.ends_segment) {
    hot_ = SegmentWriter();
    hot_open_ = false;
    hot_bytes_ = 0;
    wake_background_.notify_one();
  }
  notify(wake, group.ticket, std::nullopt);
  group.clear();
}

void StoreCore::next_hot_segment() {
  auto all = std::make_shared<std::vector<Segment>>(*segments);
  Segment& ended = all->back();
  const auto& generation = recent.generations()[recent.generations().size() - 2];
  ended.last_seq = generation->last_seq;
  ended.last_lsn = generation->last_lsn;
  ended.events = std::exchange(counters.events, 0);
  ended.records = std::exchange(counters.records, 0);
  ended.bytes = hot_bytes_;
  ended.first_received = std::exchange(hot_since_, Time::max());
  ended.last_received = now();
  ended.log_bytes = std::exchange(hot_log_bytes_, 0);
  sealing_.push_back({ended, generation});
  next_segment_ = Segment{};
  next_segment_.first_lsn = generation->last_lsn + 1;
  next_segment_.first_seq = generation->last_seq + 1;
  next_segment_.path = path(segment_name(next_segment_.first_lsn, false)).string();
  snapshot(generation->flows);
  all->push_back(next_segment_);
  segments = std::move(all);
}

void StoreCore::snapshot(const std::vector<FlowState>& states) {
  snapshot_flows_.clear();
  snapshot_marks_.clear();
  for (std::size_t i = 0; i < states.size(); ++i) {
    const FlowId id(static_cast<std::uint32_t>(i + 1));
    if (states[i].name.empty()) continue;
    snapshot_flows_.push_back({id, states[i].name});
    snapshot_marks_.emplace_back(id, states[i].cursor);
  }
}

void StoreCore::refuse(Error error) {
  std::uint64_t ticket;
  {
    const std::lock_guard lock(mutex);
    refusing_ = Error{error.code == Code::kFull ? Code::kFull : Code::kUnavailable, error.message, {}};
    error = *refusing_;
    ticket = last_ticket;
    stopping_ = true;
  }
  report(error.message);
  notify(~0ull, ticket, error);
}

}  // namespace tieline::store
