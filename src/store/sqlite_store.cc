#include "store/sqlite_store.h"

#include "store/codec.h"
#include "store/sqlite_shard.h"

namespace tieline::store {
namespace {

Result<void> check_record_row(const RawRecord& row) {
  if (row.kind < kRecPut) {
    TRY_VOID(row.decode());
    return {};
  }
  Bytes buffer;
  TRY(const std::string_view content, row.content(buffer));
  TRY_VOID(decode_entry(content));
  return {};
}

}  // namespace

SqliteStore::SqliteStore(std::shared_ptr<StoreCore> core) : core_(std::move(core)) {}

SqliteStore::~SqliteStore() { core_->close(); }

Result<std::unique_ptr<SqliteStore>> SqliteStore::open(StoreOptions options, Clock& clock) {
  auto core = std::make_shared<StoreCore>(std::move(options), clock);
  TRY_VOID(core->open());
  return std::unique_ptr<SqliteStore>(new SqliteStore(std::move(core)));
}

std::unique_ptr<ShardStore> SqliteStore::shard(asio::any_io_executor executor) {
  return std::make_unique<SqliteShard>(core_, std::move(executor));
}

Result<void> SqliteStore::maintain() { return core_->maintain(); }
StoreStats SqliteStore::stats() const { return core_->stats(); }

StoreStats StoreCore::stats() const {
  const std::lock_guard lock(mutex);
  StoreStats stats = counters;
  stats.bytes = hot_bytes_seen_;
  for (const Segment& segment : *segments) {
    stats.events += segment.events;
    stats.records += segment.records;
    stats.bytes += segment.bytes;
    stats.sealed += segment.sealed;
  }
  stats.segments = segments->size();
  stats.last_position = durable_seq;
  stats.oldest_position = oldest_seq();
  stats.last_lsn = durable_lsn;
  stats.folded_lsn = folded_lsn_;
  stats.unfolded_segments = recent.generations().size();
  stats.queue = queue_.count;
  stats.queue_bytes = queue_.bytes;
  stats.dedupe_entries = dedupe.size();
  stats.dedupe_bytes = dedupe.bytes();
  stats.tail_bytes = tail.bytes();
  stats.corrupt_events = corrupt_events.size();
  stats.corrupt_records = corrupt_records.size();
  stats.disk_free = disk_free_;
  stats.refusing = refusal();
  stats.background_error = background_error_;
  return stats;
}

Result<VerifyReport> SqliteStore::verify(const std::atomic<bool>* give_up) const {
  std::shared_ptr<const std::vector<Segment>> segments;
  {
    const std::lock_guard lock(core_->mutex);
    segments = core_->segments;
  }
  VerifyReport report;
  report.corrupt_segments = core_->unreadable.size() + core_->damaged.size();
  const auto found = [&](const std::string& path, const std::string& what) {
    if (report.places.size() == kVerifyPlacesMax) return;
    report.places.push_back(std::filesystem::path(path).filename().string() + ": " + what);
  };
  for (const std::string& line : core_->damaged) report.places.push_back(line);
  for (const std::string& path : core_->unreadable) found(path, "cannot be opened");
  std::uint64_t expected = 0;  // the position that the next segment begins with
  for (const Segment& segment : *segments) {
    if (give_up != nullptr && *give_up) return failure(Code::kUnavailable, "the verification was given up");
    if (expected != 0 && segment.first_seq > expected) {
      report.corrupt_events += segment.first_seq - expected;
      found(segment.path, "events " + std::to_string(expected) + " to " + std::to_string(segment.first_seq - 1) +
                              ", which stood before it, are missing");
    }
    expected = std::max(segment.first_seq, segment.last_seq + 1);
    std::error_code ignored;
    if (!std::filesystem::exists(segment.path, ignored)) continue;  // not begun, or gone since
    ++report.segments;
    auto reader = SegmentReader::open(segment.path, core_->options.vfs);
    Result<void> walked = core_->verify_log(segment);
    if (!walked) {
      ++report.corrupt_segments;
      found(segment.path, walked.error().message);
      walked = Result<void>();
    }
    if (reader) {
      walked = reader->each_event([&](std::uint64_t, const Result<EventPtr>& event) {
        ++report.events;
        if (event && *event != nullptr) return;
        ++report.corrupt_events;
        found(segment.path, event ? "an event is missing" : event.error().message);
      });
    }
    if (reader && walked) {
      walked = reader->each_record([&](const RawRecord& row) -> Result<void> {
        ++report.records;
        const auto good = check_record_row(row);
        if (good) return {};
        ++report.corrupt_records;
        found(segment.path, good.error().message);
        return {};
      });
    }
    if (reader && walked) walked = reader->check();
    if (!reader || !walked) {
      ++report.corrupt_segments;
      found(segment.path, reader ? walked.error().message : reader.error().message);
    }
  }
  return report;
}

}  // namespace tieline::store
