#include "store/state_db.h"

#include <algorithm>
#include <array>
#include <set>

#include "store/codec.h"

namespace tieline::store {
namespace {

// 3: entries have an owner. 4: the log's start is known. Older ones are read, and brought up when opened for writing.
constexpr std::int64_t kStateFormat = 4, kOldestStateFormat = 2;

constexpr std::int64_t kFreePart = 8;  // of the file: as much of it may be free pages

constexpr const char* kSchema =
    "create table if not exists applied(format int, lsn int, seq int, first_lsn int, first_seq int);"
    "create table if not exists run(seq int, flow int, state int, open int, changed int, due int, lane int, records "
    "int, "
    "last_lsn int, summary text, primary key(seq, flow)) without rowid;"
    "create index if not exists run_open on run(seq, flow) where open=1;"
    "create table if not exists entry(bucket text, key text, revision int, until int, value blob, seq int, flow int, "
    "primary key(bucket, key)) without rowid;"
    "create index if not exists entry_until on entry(until) where until is not null;"
    "create table if not exists flow(id integer primary key, name text, floor int, ranges blob, counts blob);"
    "create table if not exists kept_event(seq integer primary key, ts int, codec int, key_id int, crc int, meta blob, "
    "body blob);"
    "create table if not exists kept_rec(lsn integer primary key, kind int, flow int, seq int, step int, try int, ts "
    "int, codec int, key_id int, crc int, body blob);"
    "create index if not exists kept_rec_run on kept_rec(seq, flow);";

constexpr std::string_view kRunColumns =
    "select seq, flow, state, changed, due, lane, records, last_lsn, summary from run ";

Bytes encode_counts(const FlowCounts& c) {
  Bytes out;
  for (const std::uint64_t n : {c.delivered, c.skipped, c.stale, c.dead, c.discarded, c.running, c.retrying, c.parked,
                                c.held, c.waiting, c.cancelled}) {
    put_varint(out, n);
  }
  return out;
}

Result<FlowCounts> decode_counts(std::string_view bytes) {
  Reader reader(bytes);
  FlowCounts c;
  for (std::uint64_t* n :
       {&c.delivered, &c.skipped, &c.stale, &c.dead, &c.discarded, &c.running, &c.retrying, &c.parked, &c.held}) {
    *n = reader.varint();
  }
  // Added later than the others.
  for (std::uint64_t* n : {&c.waiting, &c.cancelled}) {
    if (!reader.at_end()) *n = reader.varint();
  }
  if (!reader.ok()) return failure(Code::kCorrupt, "a flow's counts do not decode");
  return c;
}

FoldedRun run_row(const Statement& row) {
  FoldedRun found;
  found.status.run = {FlowId(static_cast<std::uint32_t>(row.integer(1))), Position(row.natural(0))};
  found.status.state = static_cast<RunState>(row.integer(2));
  found.status.changed = from_unix_us(row.integer(3));
  found.status.due = from_unix_us(row.integer(4));
  found.status.lane = row.natural(5);
  found.status.records = static_cast<std::uint32_t>(row.integer(6));
  found.last_lsn = row.natural(7);
  found.status.summary = row.bytes(8);
  return found;
}

}  // namespace

bool keeps_event(RunState state) { return !is_terminal(state) || state == RunState::kDead; }

// Reads.

Result<StateReader> StateReader::open(const std::string& path, const std::string& vfs) {
  StateReader reader;
  TRY(reader.db_, Database::open(path, Database::Mode::kRead, vfs));
  TRY_VOID(reader.db_.run("pragma cache_size=-4096"));
  TRY(const std::int64_t format, reader.db_.number("select format from applied"));
  TRY_VOID(check_format(path, format, kOldestStateFormat, kStateFormat));
  TRY(reader.run_, reader.db_.prepare(std::string(kRunColumns) + "where seq=? and flow=?"));
  TRY(reader.entry_, reader.db_.prepare("select revision, value from entry where bucket=? and key=?"));
  TRY(reader.kept_event_,
      reader.db_.prepare("select seq, ts, codec, key_id, crc, meta, body from kept_event where seq=?"));
  TRY(reader.kept_records_, reader.db_.prepare("select lsn, kind, flow, seq, step, try, ts, codec, key_id, crc, "
                                               "body from kept_rec where seq=? and flow=? order by lsn"));
  return reader;
}

Result<std::uint64_t> StateReader::applied() {
  TRY(const std::int64_t lsn, db_.number("select lsn from applied"));
  return static_cast<std::uint64_t>(lsn);
}

Result<std::uint64_t> StateReader::next_seq() {
  TRY(const std::int64_t seq, db_.number("select seq from applied"));
  return static_cast<std::uint64_t>(seq) + 1;
}

Result<LogStart> StateReader::start() {
  TRY(const std::int64_t format, db_.number("select format from applied"));
  LogStart start;
  if (format < kStateFormat) return start;
  TRY(Statement first, db_.prepare("select first_lsn, first_seq from applied"));
  TRY(const bool row, first.step());
  if (row) start = {first.natural(0), first.natural(1)};
  return start;
}

Result<std::optional<FoldedRun>> StateReader::run(RunId run) {
  Rewind rewind(run_);
  TRY(const bool row, run_.bind(1, run.event.value).bind(2, run.flow.value).step());
  return row ? std::optional(run_row(run_)) : std::nullopt;
}

Result<std::optional<StateReader::Found>> StateReader::entry(std::string_view bucket, std::string_view key) {
  Rewind rewind(entry_);
  TRY(const bool row, entry_.bind_text(1, bucket).bind_text(2, key).step());
  if (!row) return std::optional<Found>();
  return std::optional(Found{Bytes(entry_.bytes(1)), entry_.natural(0)});
}

Result<void> StateReader::runs(const RunQuery& query, const std::function<bool(FoldedRun)>& visit) {
  std::string sql(kRunColumns);
  sql += "where seq>?1 and changed>=?2";
  if (query.flow) sql += " and flow=" + std::to_string(query.flow->value);
  if (!query.states.empty()) {
    sql += " and state in (";
    for (const RunState state : query.states) sql += std::to_string(static_cast<int>(state)) + ",";
    sql.back() = ')';
    if (std::all_of(query.states.begin(), query.states.end(), keeps_event)) sql += " and open=1";
  }
  sql += query.newest_first ? " order by seq desc, flow desc" : " order by seq, flow";
  TRY(Statement all, db_.prepare(sql));
  all.bind(1, query.after.value).bind(2, to_unix_us(query.since));
  while (true) {
    TRY(const bool row, all.step());
    if (!row || !visit(run_row(all))) return {};
  }
}

Result<void> StateReader::scan(std::string_view bucket, std::string_view prefix, std::string_view after,
                               const std::function<bool(Entry)>& visit) {
  const bool from_prefix = after < prefix;
  TRY(Statement all, db_.prepare(std::string("select key, revision, value from entry where bucket=? and key") +
                                 (from_prefix ? ">=" : ">") + "? order by key"));
  all.bind_text(1, bucket).bind_text(2, from_prefix ? prefix : after);
  while (true) {
    TRY(const bool row, all.step());
    if (!row || !all.bytes(0).starts_with(prefix)) return {};
    if (!visit(Entry{std::string(all.bytes(0)), Bytes(all.bytes(2)), all.natural(1)})) return {};
  }
}

Result<EventPtr> StateReader::kept_event(std::uint64_t seq) {
  Rewind rewind(kept_event_);
  TRY(const bool row, kept_event_.bind(1, seq).step());
  if (!row) return EventPtr();
  return decode_event_row(kept_event_);
}

Result<void> StateReader::kept_records(RunId run, std::vector<Record>& out, std::vector<std::uint64_t>& corrupt) {
  Rewind rewind(kept_records_);
  kept_records_.bind(1, run.event.value).bind(2, run.flow.value);
  while (true) {
    TRY(const bool row, kept_records_.step());
    if (!row) return {};
    const RawRecord raw = raw_record_row(kept_records_);
    if (auto record = raw.decode()) {
      out.push_back(std::move(*record));
    } else {
      corrupt.push_back(raw.lsn);
    }
  }
}

Result<void> StateReader::check_kept(const std::function<void(const std::string&)>& found) {
  TRY(Statement events, db_.prepare("select seq, ts, codec, key_id, crc, meta, body from kept_event order by seq"));
  while (true) {
    TRY(const bool row, events.step());
    if (!row) break;
    if (const auto event = decode_event_row(events); !event) found("kept " + event.error().message);
  }
  TRY(Statement records,
      db_.prepare("select lsn, kind, flow, seq, step, try, ts, codec, key_id, crc, body from kept_rec"));
  while (true) {
    TRY(const bool row, records.step());
    if (!row) return {};
    if (const auto record = raw_record_row(records).decode(); !record) found("kept " + record.error().message);
  }
}

Result<void> StateReader::check() {
  TRY(Statement check, db_.prepare("pragma integrity_check(1)"));
  TRY(const bool row, check.step());
  if (row && check.bytes(0) != "ok")
    return failure(Code::kCorrupt, "state.db is damaged (" + std::string(check.bytes(0)) + ")");
  return {};
}

Result<std::vector<FlowState>> StateReader::flows() {
  TRY(Statement all, db_.prepare("select id, name, floor, ranges, counts from flow order by id"));
  std::vector<FlowState> flows;
  while (true) {
    TRY(const bool row, all.step());
    if (!row) return flows;
    flows.resize(static_cast<std::size_t>(all.integer(0)));
    FlowState& flow = flows.back();
    flow.name = all.bytes(1);
    TRY(flow.cursor, Cursor::decode(Position(all.natural(2)), all.bytes(3)));
    TRY(flow.counts, decode_counts(all.bytes(4)));
  }
}

// Writes.

Result<StateDb> StateDb::open(const std::string& path, const std::string& vfs) {
  StateDb state;
  TRY(state.db_, Database::open(path, Database::Mode::kCreate, vfs));
  TRY_VOID(
      state.db_.run("pragma page_size=4096; pragma auto_vacuum=incremental; pragma journal_mode=wal; "
                    "pragma synchronous=normal; pragma cache_size=-8192; begin immediate"));
  TRY_VOID(state.db_.run(kSchema));
  const std::string first = "insert into applied(format, lsn, seq) select " + std::to_string(kStateFormat) +
                            ",0,0 where not exists (select 1 from applied); commit";
  TRY_VOID(state.db_.run(first.c_str()));
  TRY(const std::int64_t format, state.db_.number("select format from applied"));
  TRY_VOID(check_format(path, format, kOldestStateFormat, kStateFormat));
  if (format < kStateFormat) TRY_VOID(state.upgrade(format));
  return state;
}

Result<void> StateDb::upgrade(std::int64_t from) {
  return in_transaction([&]() -> Result<void> {
    if (from < 3) TRY_VOID(db_.run("alter table entry add column seq int; alter table entry add column flow int"));
    TRY_VOID(
        db_.run("alter table applied add column first_lsn int default 0; "
                "alter table applied add column first_seq int default 0"));
    const std::string stamp = "update applied set format=" + std::to_string(kStateFormat);
    return db_.run(stamp.c_str());
  });
}

Result<std::uint64_t> StateDb::applied() {
  TRY(const std::int64_t lsn, db_.number("select lsn from applied"));
  return static_cast<std::uint64_t>(lsn);
}

Result<void> StateDb::skip_to(std::uint64_t lsn, std::uint64_t seq) {
  TRY(Statement done, db_.prepare("update applied set lsn=max(lsn,?), seq=max(seq,?)"));
  return done.bind(1, lsn).bind(2, seq).run();
}

Result<void> StateDb::start_at(LogStart start) {
  TRY(Statement from, db_.prepare("update applied set first_lsn=?, first_seq=?"));
  return from.bind(1, start.lsn).bind(2, start.seq).run();
}

Result<void> StateDb::in_transaction(const std::function<Result<void>()>& all) {
  TRY_VOID(db_.run("begin immediate"));
  auto outcome = all();
  if (outcome) outcome = db_.run("commit");
  if (!outcome) (void)db_.run("rollback");
  return outcome;
}

Result<void> StateDb::fold(const Generation& generation, Time now) {
  return in_transaction([&]() -> Result<void> {
    TRY(const std::uint64_t before, applied());
    if (generation.last_lsn < before) return {};
    TRY_VOID(fold_runs(generation));
    TRY_VOID(fold_entries(generation, now));
    TRY_VOID(fold_flows(generation));
    return skip_to(generation.last_lsn, generation.last_seq);
  });
}

Result<void> StateDb::fold_runs(const Generation& generation) {
  std::vector<const RecentRun*> ordered;  // by key: neighbours share pages
  ordered.reserve(generation.runs.size());
  for (const auto& [id, run] : generation.runs) ordered.push_back(&run);
  std::sort(ordered.begin(), ordered.end(), [](const RecentRun* a, const RecentRun* b) {
    return std::pair(a->status.run.event, a->status.run.flow) < std::pair(b->status.run.event, b->status.run.flow);
  });
  TRY(Statement insert, db_.prepare("insert or replace into run values(?,?,?,?,?,?,?,?,?,?)"));
  for (const RecentRun* run : ordered) {
    const RunStatus& s = run->status;
    insert.bind(1, s.run.event.value).bind(2, s.run.flow.value).bind(3, static_cast<std::int64_t>(s.state));
    insert.bind(4, static_cast<std::int64_t>(keeps_event(s.state))).bind(5, to_unix_us(s.changed));
    insert.bind(6, to_unix_us(s.due)).bind(7, s.lane).bind(8, s.records).bind(9, run->last_lsn);
    TRY_VOID(insert.bind_text(10, s.summary).run());
  }
  return {};
}

Result<void> StateDb::fold_entries(const Generation& generation, Time now) {
  TRY(Statement insert, db_.prepare("insert or replace into entry(bucket, key, revision, until, value, seq, flow) "
                                    "values(?1,?2,?3,nullif(?4,0),?5,?6,?7)"));
  TRY(Statement erase, db_.prepare("delete from entry where bucket=? and key=?"));
  for (const auto& [bucket, entries] : generation.entries) {
    std::vector<const std::pair<const std::string, RecentEntry>*> ordered;
    ordered.reserve(entries.size());
    for (const auto& entry : entries) ordered.push_back(&entry);
    std::sort(ordered.begin(), ordered.end(), [](const auto* a, const auto* b) { return a->first < b->first; });
    for (const auto* entry : ordered) {
      const auto& [key, recent] = *entry;
      // What a run owns may be needed by it: expire() knows whether it has ended.
      if (!recent.value || (recent.until < now && recent.owner.event.value == 0)) {
        TRY_VOID(erase.bind_text(1, bucket).bind_text(2, key).run());
        continue;
      }
      insert.bind_text(1, bucket).bind_text(2, key).bind(3, recent.revision);
      insert.bind(4, recent.until == Time::max() ? 0 : to_unix_us(recent.until)).bind_blob(5, *recent.value);
      TRY_VOID(insert.bind(6, recent.owner.event.value).bind(7, recent.owner.flow.value).run());
    }
  }
  return {};
}

Result<void> StateDb::fold_flows(const Generation& generation) {
  TRY(Statement insert, db_.prepare("insert or replace into flow values(?,?,?,?,?)"));
  for (std::size_t i = 0; i < generation.flows.size(); ++i) {
    const FlowState& flow = generation.flows[i];
    const Bytes ranges = flow.cursor.encode(), counts = encode_counts(flow.counts);
    insert.bind(1, static_cast<std::int64_t>(i + 1)).bind_text(2, flow.name).bind(3, flow.cursor.floor().value);
    TRY_VOID(insert.bind_blob(4, ranges).bind_blob(5, counts).run());
  }
  return {};
}

// Retention.

Result<std::vector<RunId>> StateDb::keepers(std::uint64_t last_seq, std::uint64_t first_lsn) {
  TRY(Statement open, db_.prepare("select flow, seq from run where open=1 and seq<=? and last_lsn>=?"));
  open.bind(1, last_seq).bind(2, first_lsn);
  std::vector<RunId> runs;
  while (true) {
    TRY(const bool row, open.step());
    if (!row) return runs;
    runs.push_back({FlowId(static_cast<std::uint32_t>(open.integer(0))), Position(open.natural(1))});
  }
}

Result<void> StateDb::keep(SegmentReader& segment, const SegmentCounts& counts, const std::vector<RunId>& more,
                           bool records) {
  TRY(std::vector<RunId> runs, keepers(counts.last_seq, segment.head().first_lsn));
  runs.insert(runs.end(), more.begin(), more.end());
  std::sort(runs.begin(), runs.end());
  runs.erase(std::unique(runs.begin(), runs.end()), runs.end());
  return in_transaction([&]() -> Result<void> {
    TRY(Statement event, db_.prepare("insert or replace into kept_event values(?,?,?,?,?,?,?)"));
    TRY(Statement record, db_.prepare("insert or replace into kept_rec values(?,?,?,?,?,?,?,?,?,?,?)"));
    for (const RunId& run : runs) {
      if (run.event.value > counts.last_seq) continue;
      // Where the segment has no data any more, it was kept before that went.
      if (run.event.value >= segment.head().first_seq && segment.head().holds == Holds::kAll) {
        TRY_VOID(segment.raw_event(run.event.value, [&](Statement& row) {
          row.copy_row(event, 7);
          return event.run();
        }));
      }
      if (!records) continue;
      TRY_VOID(segment.raw_records_of(run, [&](const RawRecord& r) {
        record.bind(1, r.lsn).bind(2, static_cast<std::int64_t>(r.kind)).bind(3, r.flow).bind(4, r.seq);
        record.bind(5, static_cast<std::int64_t>(r.step)).bind(6, static_cast<std::int64_t>(r.attempt)).bind(7, r.ts);
        return record.bind(8, r.codec).bind(9, r.key_id).bind(10, r.crc).bind_blob(11, r.body).run();
      }));
    }
    return {};
  });
}

Result<void> StateDb::forget_runs(std::uint64_t last_seq, const std::vector<RunId>& more) {
  return in_transaction([&]() -> Result<void> {
    TRY_VOID(know_working(more));
    // One that ended, was folded and works again: what the fold knows of it is still its beginning.
    TRY(Statement ended, db_.prepare("delete from run where seq<=? and open=0 and not exists (select 1 from working w "
                                     "where w.seq=run.seq and w.flow=run.flow)"));
    return ended.bind(1, last_seq).run();
  });
}

Result<void> StateDb::know_working(const std::vector<RunId>& more) {
  TRY_VOID(
      db_.run("create temp table if not exists working(seq int, flow int, primary key(seq, flow)); "
              "delete from working"));
  TRY(Statement working, db_.prepare("insert or ignore into working values(?,?)"));
  for (const RunId& run : more) TRY_VOID(working.bind(1, run.event.value).bind(2, run.flow.value).run());
  return {};
}

Result<void> StateDb::forget_kept(const std::vector<RunId>& more) {
  return in_transaction([&]() -> Result<void> {
    TRY_VOID(know_working(more));
    for (const char* table : {"kept_event", "kept_rec"}) {
      const std::string sql = "delete from " + std::string(table) +
                              " where seq not in (select seq from working) and not exists "
                              "(select 1 from run where run.seq=" +
                              table + ".seq and open=1)";
      TRY_VOID(db_.run(sql.c_str()));
    }
    return {};
  });
}

Result<std::size_t> StateDb::expire(Time now, const std::vector<RunId>& more, std::size_t count) {
  std::int64_t gone = 0;
  const auto all = [&]() -> Result<void> {
    TRY_VOID(know_working(more));
    TRY(Statement expired,
        db_.prepare("delete from entry where (bucket, key) in (select bucket, key from entry e where until<?1 "
                    "and not exists (select 1 from run r where r.seq=e.seq and r.flow=e.flow and r.open=1) "
                    "and not exists (select 1 from working w where w.seq=e.seq and w.flow=e.flow) limit ?2)"));
    TRY_VOID(expired.bind(1, to_unix_us(now)).bind(2, static_cast<std::int64_t>(count)).run());
    TRY(gone, db_.number("select changes()"));
    return {};
  };
  TRY_VOID(in_transaction(all));
  return static_cast<std::size_t>(gone);
}

Result<std::uint64_t> StateDb::give_back(std::uint64_t pages) {
  TRY(const std::int64_t mode, db_.number("pragma auto_vacuum"));
  // More than an eighth of the file as it is then.
  const auto to_give = [this]() -> Result<std::uint64_t> {
    TRY(const std::int64_t all, db_.number("pragma page_count"));
    TRY(const std::int64_t free, db_.number("pragma freelist_count"));
    return static_cast<std::uint64_t>(std::max<std::int64_t>(free - all / kFreePart, 0));
  };
  TRY(const std::uint64_t before, to_give());
  if (mode != 2 || before == 0) return std::uint64_t{0};
  TRY_VOID(db_.run(("pragma incremental_vacuum(" + std::to_string(std::min(pages, before)) + ")").c_str()));
  return to_give();
}

Result<void> StateDb::count_anew(Database& db) {
  std::map<std::int64_t, FlowCounts> counts;
  {
    TRY(Statement flows, db.prepare("select id from flow"));
    while (true) {
      TRY(const bool row, flows.step());
      if (!row) break;
      counts[flows.integer(0)];
    }
    TRY(Statement runs, db.prepare("select flow, state, count(*) from run where open=1 group by flow, state"));
    while (true) {
      TRY(const bool row, runs.step());
      if (!row) break;
      std::uint64_t* const of = counter(counts[runs.integer(0)], static_cast<RunState>(runs.integer(1)));
      if (of != nullptr) *of = runs.natural(2);
    }
  }
  TRY(Statement write, db.prepare("update flow set counts=? where id=?"));
  for (const auto& [flow, of] : counts) {
    const Bytes encoded = encode_counts(of);
    TRY_VOID(write.bind_blob(1, encoded).bind(2, flow).run());
  }
  return {};
}

Result<void> StateDb::compact(const std::atomic<bool>& give_up) {
  db_.give_up_when(&give_up);
  auto done = db_.run("pragma auto_vacuum=incremental; vacuum");
  db_.give_up_when(nullptr);
  return done;
}

Result<void> StateDb::checkpoint() {
  TRY_VOID(db_.run("pragma busy_timeout=0"));  // there is a next time: nothing else need wait for a reader
  const auto busy = db_.number("pragma wal_checkpoint(truncate)");
  TRY_VOID(db_.run("pragma busy_timeout=5000"));
  if (!busy) return failure(busy.error());
  if (*busy != 0) return failure(Code::kUnavailable, "state.db is being read; its checkpoint comes later");
  return {};
}

}  // namespace tieline::store
