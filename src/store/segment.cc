#include "store/segment.h"

#include <sqlite3.h>

#include <algorithm>
#include <memory>

#include "store/codec.h"
#include "store/gather_vfs.h"

namespace tieline::store {

// Writing. Nothing is deleted from a segment row by row; some builds of SQLite would fill each new page with zeroes, in
// case it held what was (secure_delete).

Result<SegmentWriter> SegmentWriter::create(const std::string& path, const SegmentHead& head, const std::string& vfs) {
  SegmentWriter writer;
  TRY(writer.db_, Database::open(path, Database::Mode::kCreate, gather_vfs(vfs)));
  TRY_VOID(writer.db_.run(
      "pragma page_size=4096; pragma journal_mode=wal; pragma synchronous=full; "
      "pragma wal_autocheckpoint=0; pragma cache_size=-8192; pragma secure_delete=off; begin immediate"));
  TRY_VOID(writer.db_.run(kSegmentSchema));
  {
    TRY(Statement insert, writer.db_.prepare("insert into head values(?,?,?,0,?)"));
    insert.bind(1, kSegmentFormat).bind(2, head.first_lsn).bind(3, head.first_seq).bind_text(4, head.environment);
    TRY_VOID(insert.run());
  }
  TRY_VOID(writer.db_.run("commit"));
  TRY_VOID(writer.prepare());
  return writer;
}

Result<SegmentWriter> SegmentWriter::open(const std::string& path, const std::string& vfs) {
  SegmentWriter writer;
  TRY(writer.db_, Database::open(path, Database::Mode::kReadWrite, gather_vfs(vfs)));
  TRY_VOID(writer.db_.run(
      "pragma synchronous=full; pragma wal_autocheckpoint=0; pragma cache_size=-8192; pragma secure_delete=off"));
  TRY_VOID(writer.prepare());
  return writer;
}

Result<void> SegmentWriter::prepare() {
  TRY(begin_, db_.prepare("begin immediate"));
  TRY(commit_, db_.prepare("commit"));
  TRY(event_, db_.prepare("insert into event values(?,?,0,0,?,?,?)"));
  TRY(seen_, db_.prepare("insert into seen values(?,?)"));
  TRY(record_, db_.prepare("insert into rec values(?,?,?,?,?,?,?,0,0,?,?)"));
  TRY(flow_, db_.prepare("insert or replace into flow values(?,?)"));
  TRY(mark_, db_.prepare("insert or replace into mark values(?,?,?)"));
  sqlite3_wal_hook(
      db_.handle(),
      [](void* frames, sqlite3*, const char*, int count) {
        *static_cast<std::uint64_t*>(frames) = static_cast<std::uint64_t>(count);
        return SQLITE_OK;
      },
      frames_.get());
  return {};
}

int SegmentWriter::begin() { return begin_.run_code(); }
int SegmentWriter::commit() { return commit_.run_code(); }
void SegmentWriter::roll_back() { sqlite3_exec(db_.handle(), "rollback", nullptr, nullptr, nullptr); }

int SegmentWriter::event(const Event& event, std::uint64_t hash) {
  meta_.clear();
  encode_meta(meta_, event);
  const std::uint64_t seq = event.position.value;
  const std::int64_t ts = to_unix_us(event.received);
  event_.bind(1, seq).bind(2, ts).bind(3, RawEvent{seq, ts, kCodecPlain, kNoKey, meta_, *event.data}.computed_crc());
  event_.bind_blob(4, meta_).bind_blob(5, *event.data);
  if (const int code = event_.run_code(); code != SQLITE_OK) return code;
  return seen_.bind(1, seq).bind(2, hash).run_code();
}

int SegmentWriter::record(const RawRecord& r) {
  record_.bind(1, r.lsn).bind(2, static_cast<std::int64_t>(r.kind)).bind(3, r.flow).bind(4, r.seq);
  record_.bind(5, static_cast<std::int64_t>(r.step)).bind(6, static_cast<std::int64_t>(r.attempt)).bind(7, r.ts);
  return record_.bind(8, r.computed_crc()).bind_blob(9, r.body).run_code();
}

int SegmentWriter::flow(FlowId id, std::string_view name) {
  return flow_.bind(1, id.value).bind_text(2, name).run_code();
}

int SegmentWriter::mark(FlowId id, const Cursor& cursor) {
  const Bytes ranges = cursor.encode();
  return mark_.bind(1, id.value).bind(2, cursor.floor().value).bind_blob(3, ranges).run_code();
}

Result<std::uint64_t> SegmentWriter::bytes() {
  TRY(const std::int64_t pages, db_.number("pragma page_count"));
  return static_cast<std::uint64_t>(pages) * 4096;
}

// Reading.

Result<SegmentReader> SegmentReader::open(const std::string& path, const std::string& vfs) {
  SegmentReader reader;
  TRY(reader.db_, Database::open(path, Database::Mode::kRead, vfs));
  TRY_VOID(reader.db_.run("pragma cache_size=-1024"));
  TRY(const std::int64_t tables, reader.db_.number("select count(*) from sqlite_master"));
  if (tables == 0) return failure(Code::kNotFound, path + ": nothing was ever committed to it");
  {
    TRY(Statement head, reader.db_.prepare("select format, first_lsn, first_seq, sealed, environment from head"));
    TRY(const bool row, head.step());
    if (!row) return failure(Code::kCorrupt, path + ": no head");
    TRY_VOID(check_format(path, head.integer(0), kSegmentFormat, kReducedFormat));
    reader.head_ = {head.natural(1), head.natural(2), std::string(head.bytes(4)), head.integer(3) != 0};
    if (reader.head_.sealed) reader.head_.holds = static_cast<Holds>(head.integer(3));
    if (head.integer(0) == kReducedFormat) TRY_VOID(reader.read_aside());
  }
  TRY(const std::int64_t accepted, reader.db_.number("pragma user_version"));
  reader.head_.loss_accepted = accepted != 0;
  TRY(reader.range_, reader.db_.prepare("select seq, ts, codec, key_id, crc, meta, body from event "
                                        "where seq between ? and ? order by seq"));
  TRY(reader.one_, reader.db_.prepare("select seq, ts, codec, key_id, crc, meta, body from event where seq=?"));
  TRY(reader.meta_, reader.db_.prepare("select ts, meta from event where seq=?"));
  TRY(reader.record_, reader.db_.prepare(std::string(kRecordRows) + "where lsn=?"));
  TRY(reader.run_, reader.db_.prepare(std::string(kRecordRows) + "where seq=? and flow=? and kind<16 order by lsn"));
  return reader;
}

Result<void> SegmentReader::read_aside() {
  TRY(const std::int64_t tables, db_.number("select count(*) from sqlite_master where name='aside'"));
  if (tables == 0) return {};
  TRY(Statement all, db_.prepare("select number, record from aside order by number"));
  while (true) {
    TRY(const bool row, all.step());
    if (!row) return {};
    (all.integer(1) != 0 ? records_aside_ : events_aside_).push_back(all.natural(0));
  }
}

void SegmentReader::miss(std::uint64_t seq, std::vector<std::uint64_t>& lost) const {
  if (!std::binary_search(events_aside_.begin(), events_aside_.end(), seq)) lost.push_back(seq);
}

Result<std::uint64_t> SegmentReader::events(std::uint64_t first, std::uint64_t last, std::size_t count,
                                            std::size_t bytes, std::vector<EventPtr>& out,
                                            std::vector<std::uint64_t>& lost) {
  Rewind rewind(range_);
  range_.bind(1, first).bind(2, last);
  const std::size_t had = out.size();
  std::size_t size = 0;
  std::uint64_t expected = first;
  while (expected <= last) {
    auto row = range_.step();
    if (!row) {
      if (row.error().code != Code::kCorrupt) return failure(std::move(row.error()));
      range_.reset();
      return events_one_by_one(expected, last, count - (out.size() - had), bytes - std::min(bytes, size), out, lost);
    }
    if (!*row) break;
    for (; expected < range_.natural(0); ++expected) miss(expected, lost);
    auto event = decode_event_row(range_);
    ++expected;
    if (!event) {
      lost.push_back(expected - 1);
      continue;
    }
    size += event_bytes(**event);
    if (out.size() > had && size > bytes) return expected - 2;
    out.push_back(std::move(*event));
    if (out.size() - had >= count || size >= bytes) return expected - 1;
  }
  for (; expected <= last; ++expected) miss(expected, lost);
  return last;
}

Result<std::uint64_t> SegmentReader::events_one_by_one(std::uint64_t first, std::uint64_t last, std::size_t count,
                                                       std::size_t bytes, std::vector<EventPtr>& out,
                                                       std::vector<std::uint64_t>& lost) {
  std::size_t size = 0, found = 0;
  for (std::uint64_t seq = first; seq <= last; ++seq) {
    auto one = event(seq);
    if (!one && one.error().code != Code::kCorrupt) return failure(std::move(one.error()));
    if (!one || *one == nullptr) {
      miss(seq, lost);
      continue;
    }
    size += event_bytes(**one);
    out.push_back(std::move(*one));
    if (++found >= count || size >= bytes) return seq;
  }
  return last;
}

Result<EventPtr> SegmentReader::event(std::uint64_t seq) {
  Rewind rewind(one_);
  TRY(const bool row, one_.bind(1, seq).step());
  if (!row) return EventPtr();
  return decode_event_row(one_);
}

Result<std::optional<SegmentReader::Meta>> SegmentReader::meta(std::uint64_t seq) {
  Rewind rewind(meta_);
  TRY(const bool row, meta_.bind(1, seq).step());
  if (!row) return std::optional<Meta>();
  return std::optional(Meta{from_unix_us(meta_.integer(0)), Bytes(meta_.bytes(1))});
}

Result<bool> SegmentReader::raw_event(std::uint64_t seq, const std::function<Result<void>(Statement&)>& take) {
  Rewind rewind(one_);
  TRY(const bool row, one_.bind(1, seq).step());
  if (row) TRY_VOID(take(one_));
  return row;
}

Result<std::optional<Record>> SegmentReader::record(std::uint64_t lsn) {
  Rewind rewind(record_);
  TRY(const bool row, record_.bind(1, lsn).step());
  if (!row) return std::optional<Record>();
  TRY(Record record, raw_record_row(record_).decode());
  return std::optional(std::move(record));
}

Result<bool> SegmentReader::raw_record(std::uint64_t lsn, const std::function<Result<void>(const RawRecord&)>& take) {
  Rewind rewind(record_);
  TRY(const bool row, record_.bind(1, lsn).step());
  if (row) TRY_VOID(take(raw_record_row(record_)));
  return row;
}

Result<void> SegmentReader::records_of(RunId run, std::vector<Record>& out, std::vector<std::uint64_t>& corrupt) {
  Rewind rewind(run_);
  run_.bind(1, run.event.value).bind(2, run.flow.value);
  while (true) {
    TRY(const bool row, run_.step());
    if (!row) return {};
    const RawRecord raw = raw_record_row(run_);
    if (auto record = raw.decode()) {
      out.push_back(std::move(*record));
    } else {
      corrupt.push_back(raw.lsn);
    }
  }
}

Result<std::vector<std::uint64_t>> SegmentReader::raw_records_of(
    RunId run, const std::function<Result<void>(const RawRecord&)>& take) {
  Rewind rewind(run_);
  run_.bind(1, run.event.value).bind(2, run.flow.value);
  std::vector<std::uint64_t> taken;
  while (true) {
    TRY(const bool row, run_.step());
    if (!row) return taken;
    const RawRecord raw = raw_record_row(run_);
    TRY_VOID(take(raw));
    taken.push_back(raw.lsn);
  }
}

Result<std::vector<std::uint64_t>> SegmentReader::with_hash(std::uint64_t hash) {
  TRY(Statement found, db_.prepare("select seq from seen where hash=? order by seq desc"));
  found.bind(1, hash);
  std::vector<std::uint64_t> positions;
  while (true) {
    TRY(const bool row, found.step());
    if (!row) return positions;
    positions.push_back(found.natural(0));
  }
}

Result<std::optional<std::uint64_t>> SegmentReader::first_at_or_after(Time time) {
  std::uint64_t from = 0;
  if (head_.sealed) {
    TRY(Statement block, db_.prepare("select seq from time where ts>=? order by seq limit 1"));
    TRY(const bool row, block.bind(1, to_unix_us(time)).step());
    if (!row) return std::optional<std::uint64_t>();
    from = block.natural(0);
  }
  TRY(Statement exact, db_.prepare("select seq from event where seq>=? and ts>=? order by seq limit 1"));
  TRY(const bool row, exact.bind(1, from).bind(2, to_unix_us(time)).step());
  return row ? std::optional(exact.natural(0)) : std::nullopt;
}

Result<void> SegmentReader::each_record(const std::function<Result<void>(const RawRecord&)>& visit) {
  TRY(Statement all, db_.prepare(std::string(kRecordRows) + "order by lsn"));
  std::uint64_t next = head_.first_lsn;
  while (true) {
    auto row = all.step();
    if (!row && row.error().code == Code::kCorrupt) {
      TRY_VOID(each_record_one_by_one(next, visit));
      return failure(std::move(row.error()));
    }
    if (!row) return failure(std::move(row.error()));
    if (!*row) return {};
    const RawRecord raw = raw_record_row(all);
    next = raw.lsn + 1;
    TRY_VOID(visit(raw));
  }
}

Result<void> SegmentReader::each_record_one_by_one(std::uint64_t first,
                                                   const std::function<Result<void>(const RawRecord&)>& visit) {
  // What stands behind the last page that can be reached is not looked for.
  TRY(const SegmentCounts all, counts());
  TRY(Statement one, db_.prepare(std::string(kRecordRows) + "where lsn=?"));  // a visitor may ask for others
  for (std::uint64_t lsn = first; lsn <= all.last_lsn; ++lsn) {
    Rewind rewind(one);
    const auto row = one.bind(1, lsn).step();
    if (!row && row.error().code != Code::kCorrupt) return failure(row.error());
    if (row && *row) TRY_VOID(visit(raw_record_row(one)));
  }
  return {};
}

Result<void> SegmentReader::each_lsn(
    std::uint64_t last_lsn, const std::function<Result<void>(std::uint64_t, const Result<RawRecord>&)>& visit) {
  if (head_.holds == Holds::kKeys) return {};
  std::uint64_t next = head_.first_lsn;
  const auto missed_before = [&](std::uint64_t lsn) -> Result<void> {
    for (; next < lsn; ++next) {
      if (std::binary_search(records_aside_.begin(), records_aside_.end(), next)) continue;
      // A segment that no record went to leaves its first lsn out.
      if (next == head_.first_lsn && next == last_lsn) continue;
      const auto row = raw_record(next, [](const RawRecord&) { return Result<void>(); });
      TRY_VOID(visit(next, row ? failure(Code::kNotFound, "record " + std::to_string(next) + " is missing")
                               : failure(row.error())));
    }
    return {};
  };
  const auto walked = each_record([&](const RawRecord& row) -> Result<void> {
    if (row.lsn < next || row.lsn > last_lsn) return {};  // a page says so that is damaged
    TRY_VOID(missed_before(row.lsn));
    next = row.lsn + 1;
    return visit(row.lsn, row);
  });
  if (!walked && walked.error().code != Code::kCorrupt) return walked;
  TRY_VOID(missed_before(last_lsn + 1));
  return walked;
}

Result<void> SegmentReader::each_hash(const std::function<void(std::uint64_t, std::uint64_t)>& visit) {
  TRY(Statement all, db_.prepare("select seq, hash from seen order by seq"));
  while (true) {
    TRY(const bool row, all.step());
    if (!row) return {};
    visit(all.natural(0), all.natural(1));
  }
}

Result<void> SegmentReader::each_event(const std::function<void(std::uint64_t, const Result<EventPtr>&)>& visit) {
  TRY(const SegmentCounts all, counts());
  for (std::uint64_t seq = head_.first_seq; seq <= all.last_seq; ++seq) {
    if (!std::binary_search(events_aside_.begin(), events_aside_.end(), seq)) visit(seq, event(seq));
  }
  return {};
}

Result<std::vector<StoredFlow>> SegmentReader::flows() {
  TRY(Statement all, db_.prepare("select id, name from flow order by id"));
  std::vector<StoredFlow> flows;
  while (true) {
    TRY(const bool row, all.step());
    if (!row) return flows;
    flows.push_back({FlowId(static_cast<std::uint32_t>(all.integer(0))), std::string(all.bytes(1))});
  }
}

Result<Marks> SegmentReader::marks() {
  TRY(Statement all, db_.prepare("select flow, floor, ranges from mark"));
  Marks marks;
  while (true) {
    TRY(const bool row, all.step());
    if (!row) return marks;
    TRY(Cursor cursor, Cursor::decode(Position(all.natural(1)), all.bytes(2)));
    marks.emplace_back(FlowId(static_cast<std::uint32_t>(all.integer(0))), std::move(cursor));
  }
}

Result<SegmentCounts> SegmentReader::counts() {
  SegmentCounts counts;
  counts.last_seq = head_.first_seq - 1;
  // A damaged page must not cost the rest of the segment: what it hides stays unknown. True when the number is known.
  const auto number = [this](const char* sql, auto take) -> Result<bool> {
    auto statement = db_.prepare(sql);
    Result<bool> row = statement ? statement->step() : failure(statement.error());
    if (!row && row.error().code == Code::kCorrupt) return false;
    if (!row) return row;
    if (*row && !statement->is_null(0)) take(statement->integer(0));
    return true;
  };
  const auto count = [](std::uint64_t& to) { return [&to](std::int64_t n) { to = static_cast<std::uint64_t>(n); }; };
  TRY(const bool seen, number("select max(seq) from seen", count(counts.last_seq)));
  TRY_VOID(number("select max(seq) from event",
                  [&](std::int64_t n) { counts.last_seq = std::max(counts.last_seq, static_cast<std::uint64_t>(n)); }));
  TRY(const bool recorded, number("select max(lsn) from rec", count(counts.last_lsn)));
  counts.end_known = seen && recorded;
  TRY_VOID(number("select count(*) from seen", count(counts.events)));
  TRY_VOID(number("select count(*) from rec", count(counts.records)));
  // Times of receipt hardly ever run backwards: the last one is near enough for retention.
  TRY_VOID(number("select ts from event order by seq desc limit 1",
                  [&](std::int64_t n) { counts.last_received = from_unix_us(n); }));
  TRY_VOID(number("select ts from event order by seq limit 1",
                  [&](std::int64_t n) { counts.first_received = from_unix_us(n); }));
  if (counts.first_received != Time::min()) return counts;
  TRY_VOID(number("select ts from rec where kind<16 order by lsn desc limit 1",
                  [&](std::int64_t n) { counts.last_received = from_unix_us(n); }));
  TRY_VOID(number("select ts from rec where kind<16 order by lsn limit 1",
                  [&](std::int64_t n) { counts.first_received = from_unix_us(n); }));
  return counts;
}

Result<void> SegmentReader::check() {
  TRY(Statement check, db_.prepare("pragma integrity_check(1)"));
  TRY(const bool row, check.step());
  if (row && check.bytes(0) != "ok") return failure(Code::kCorrupt, std::string(check.bytes(0)));
  return {};
}

}  // namespace tieline::store
