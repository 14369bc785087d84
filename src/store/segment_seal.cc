// A segment's sealed form: the same rows, compressed and indexed (docs/store-format.md). It must never leave out a row
// that it can read.
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "store/codec.h"
#include "store/segment.h"

namespace tieline::store {
namespace {

// A block of the sealed time index: the greatest time of receipt among this many events.
constexpr std::uint64_t kTimeBlock = 256;
// A sealed file is some 20 MB: written by its sync, in one piece, it kept the hot log's syncs waiting for 14 ms. So it
// is written as it grows, and must not gather in memory.
constexpr std::uint64_t kStepBytes = 512u << 10;
constexpr std::uint64_t kNarrowRow = 16;  // bytes, about
constexpr const char* kBegin =
    "pragma page_size=4096; pragma journal_mode=off; pragma synchronous=off; pragma cache_size=-1024; "
    "pragma secure_delete=off; "
    "pragma locking_mode=exclusive; begin immediate";

}  // namespace

// Has the disk write what was inserted, in steps. It makes nothing durable, the sync at the end does; but a failure
// that Linux tells here it does not tell that sync again.
class SegmentReader::Steps {
 public:
  // SQLite's lock on the file goes when this closes it: nobody else knows of it yet.
  Steps(const std::string& path, const std::function<void()>& taken)
      : file_(::open(path.c_str(), O_RDWR | O_CLOEXEC)), taken_(taken) {}
  ~Steps() {
    if (file_ >= 0) ::close(file_);
  }
  Steps(const Steps&) = delete;
  Steps& operator=(const Steps&) = delete;

  Result<void> inserted(std::uint64_t bytes) {
    bytes_ += bytes;
    if (bytes_ < kStepBytes) return {};
    bytes_ = 0;
    constexpr unsigned kWritten = SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER;
    if (file_ >= 0 && ::sync_file_range(file_, 0, 0, kWritten) != 0) {
      const bool full = errno == ENOSPC || errno == EDQUOT;
      if (full || errno == EIO)
        return failure(full ? Code::kFull : Code::kInternal, std::string("writing it: ") + std::strerror(errno));
    }
    taken_();
    return {};
  }

 private:
  const int file_;
  const std::function<void()>& taken_;
  std::uint64_t bytes_ = 0;
};

Result<void> SegmentReader::seal(const std::string& path, const std::string& vfs, Holds holds,
                                 const std::function<void()>& step) {
  TRY(Database to, Database::open(path, Database::Mode::kCreate, vfs));
  TRY_VOID(to.run(kBegin));
  TRY_VOID(to.run(kSegmentSchema));
  TRY_VOID(to.run("create table time(seq integer primary key, ts int)"));
  Steps steps(path, step);
  TRY_VOID(copy_events(to, holds, steps));
  TRY_VOID(copy_rest(to, holds, steps));
  TRY_VOID(
      to.run("create index rec_run on rec(seq, flow) where kind<16; create index seen_hash on seen(hash); commit"));
  return {};
}

Result<void> SegmentReader::copy_events(Database& to, Holds holds, Steps& steps) {
  TRY(Statement from, db_.prepare("select seq, ts, codec, key_id, crc, meta, body from event order by seq"));
  TRY(Statement insert, to.prepare("insert into event values(?,?,?,?,?,?,?)"));
  TRY(Statement time, to.prepare("insert into time values(?,?)"));
  Bytes compressed;
  std::uint64_t block = 0, in_block = 0;
  std::int64_t latest = 0;
  const auto end_block = [&]() -> Result<void> {
    if (in_block == 0) return {};
    in_block = 0;
    return time.bind(1, block).bind(2, latest).run();
  };
  while (true) {
    TRY(const bool row, from.step());
    if (!row) return end_block();
    RawEvent raw{from.natural(0), from.integer(1), from.integer(2), from.integer(3), from.bytes(5), from.bytes(6)};
    std::int64_t crc = from.integer(4);
    const bool intact = raw.computed_crc() == static_cast<std::uint32_t>(crc);
    if (holds != Holds::kAll) {
      raw.codec = kCodecExpired;
      raw.key_id = kNoKey;
      raw.body = {};
      crc = intact ? raw.computed_crc() : static_cast<std::uint32_t>(~raw.computed_crc());
    } else if (raw.codec == kCodecPlain && raw.key_id == kNoKey && intact) {
      raw.codec = compress_body(raw.body, compressed);
      raw.body = compressed;
      crc = raw.computed_crc();
    }
    insert.bind(1, raw.seq).bind(2, raw.ts).bind(3, raw.codec).bind(4, raw.key_id).bind(5, crc);
    TRY_VOID(insert.bind_blob(6, raw.meta).bind_blob(7, raw.body).run());
    TRY_VOID(steps.inserted(raw.meta.size() + raw.body.size()));
    if (in_block++ == 0) {
      block = raw.seq;
      latest = raw.ts;
    }
    latest = std::max(latest, raw.ts);
    if (in_block == kTimeBlock) TRY_VOID(end_block());
  }
}

Result<void> SegmentReader::copy_rest(Database& to, Holds holds, Steps& steps) {
  const auto copy = [&](const char* select, const char* insert, int columns, int body = -1) -> Result<void> {
    TRY(Statement from, db_.prepare(select));
    TRY(Statement into, to.prepare(insert));
    while (true) {
      TRY(const bool row, from.step());
      if (!row) return {};
      from.copy_row(into, columns);
      TRY_VOID(into.run());
      TRY_VOID(steps.inserted(body < 0 ? kNarrowRow : kNarrowRow + from.bytes(body).size()));
    }
  };
  TRY_VOID(copy("select seq, hash from seen order by seq", "insert into seen values(?,?)", 2));
  if (holds != Holds::kKeys)
    TRY_VOID(copy((std::string(kRecordRows) + "order by lsn").c_str(), "insert into rec values(?,?,?,?,?,?,?,?,?,?,?)",
                  11, 10));
  if (!events_aside_.empty() || !records_aside_.empty()) {
    TRY_VOID(to.run(kAsideSchema));
    TRY_VOID(copy("select number, record from aside", "insert into aside values(?,?)", 2));
  }
  TRY_VOID(copy("select id, name from flow", "insert into flow values(?,?)", 2));
  TRY_VOID(copy("select flow, floor, ranges from mark", "insert into mark values(?,?,?)", 3));
  const bool reduced = holds != Holds::kAll || !events_aside_.empty() || !records_aside_.empty();
  const std::string head = "select " + std::to_string(reduced ? kReducedFormat : kSegmentFormat) +
                           ", first_lsn, first_seq, " + std::to_string(static_cast<int>(holds)) +
                           ", environment from head";
  return copy(head.c_str(), "insert into head values(?,?,?,?,?)", 5);
}

Result<std::vector<SegmentReader::Owned>> SegmentReader::owners() {
  TRY(const std::int64_t indexes, db_.number("select count(*) from sqlite_master where name='rec_run'"));
  if (indexes == 0) return failure(Code::kNotFound, "an open segment has no index by run");
  // Of the table nothing is asked for that the index lacks, so that it is not read.
  TRY(Statement all, db_.prepare("select lsn, seq, flow from rec indexed by rec_run where kind<16 order by seq, flow"));
  std::vector<Owned> owned;
  while (true) {
    TRY(const bool row, all.step());
    if (!row) return owned;
    owned.push_back({all.natural(0), {FlowId(static_cast<std::uint32_t>(all.integer(2))), Position(all.natural(1))}});
  }
}

}  // namespace tieline::store
