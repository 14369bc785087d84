#include "store/sqlite_store.h"

#include "store/sqlite_shard.h"

namespace tieline::store {

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
Result<void> SqliteStore::compact(const std::atomic<bool>* give_up) { return core_->compact(give_up); }

StoreStats SqliteStore::stats() const { return core_->stats(); }

std::uint64_t SqliteStore::bytes_on_disk() const {
  std::uint64_t all = 0;
  std::error_code gone;
  for (const auto& entry : std::filesystem::directory_iterator(core_->options.directory, gone)) {
    const auto bytes = entry.file_size(gone);
    if (!gone) all += bytes;
  }
  return all;
}

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
  stats.disk_low = disk_low_;
  stats.refusing = refusal(true);
  stats.background_error = background_error_ ? background_error_->message : std::string();
  return stats;
}

}  // namespace tieline::store
