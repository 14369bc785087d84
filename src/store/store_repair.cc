// Mending a store that nobody has open: what is corrupt goes into a file, what is left becomes a store without a fault.
// It must never lose a row that can be read, nor touch one that is intact.
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>

#include "json/value.h"
#include "store/codec.h"
#include "store/store_core.h"

namespace tieline::store {
namespace {

namespace fs = std::filesystem;

// What is set aside: a JSON object a line.
class Aside {
 public:
  Aside(const fs::path& directory, Time now)
      : path_((directory / ("repair-" + std::to_string(to_unix_us(now) / 1'000'000) + ".corrupt-records")).string()) {}

  void event(const std::string& file, std::uint64_t seq, const std::string& why, std::string_view meta,
             std::string_view body) {
    json::Builder out;
    begin(out, file, "event", seq, why);
    if (!meta.empty()) out.key("meta").string(to_base64(meta));
    if (!body.empty()) out.key("body").string(to_base64(body));
    end(out);
    ++events;
  }
  void record(const std::string& file, std::uint64_t lsn, const std::string& why, const RawRecord* row) {
    json::Builder out;
    begin(out, file, "record", lsn, why);
    if (row != nullptr) {
      out.key("kind").integer(row->kind).key("flow").integer(row->flow);
      out.key("event_number").integer(static_cast<std::int64_t>(row->seq)).key("step").integer(row->step);
      out.key("body").string(to_base64(row->body));
    }
    end(out);
    ++records;
  }
  // What was told so far is on disk; nothing may go before that. kFull, kInternal.
  Result<void> close() {
    if (!std::exchange(written_to_, false)) return {};
    if (!file_.is_open()) return failure(Code::kInternal, "making " + path_ + " failed: " + std::strerror(failed_));
    file_.close();
    if (file_.fail()) return failure(Code::kFull, "writing " + path_ + " failed");
    return sync_file(path_);
  }
  const std::string& path() const { return path_; }
  std::uint64_t events = 0, records = 0;

 private:
  void begin(json::Builder& out, const std::string& file, const char* what, std::uint64_t number,
             const std::string& why) {
    out.begin_object().key("file").string(name_of(file)).key(what).integer(static_cast<std::int64_t>(number));
    out.key("why").string(why);
  }
  void end(json::Builder& out) {
    written_to_ = true;
    if (!file_.is_open()) {
      const int made = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
      if (made < 0) failed_ = errno;
      if (made >= 0) ::close(made);
      file_.open(path_, std::ios::app);
    }
    file_ << json::print(out.end_object().finish().root()) << "\n";
  }

  std::string path_;
  std::ofstream file_;
  bool written_to_ = false;  // since it was closed
  int failed_ = 0;
};

// One segment written anew: its intact rows, and the numbers of those that are not there.
class Mending {
 public:
  // What it should hold goes up to these; `reader` may lack pages.
  Mending(const Segment& segment, SegmentReader& reader, std::uint64_t last_seq, std::uint64_t last_lsn, Aside& aside)
      : segment_(segment), reader_(reader), aside_(aside), events_(events(last_seq)), records_(records(last_lsn)) {}

  // Whether there is anything to mend; what is, goes to `aside` in the second pass only.
  bool faulty() {
    const auto wrong = [](const auto& row) { return !row.second.empty(); };
    return std::ranges::any_of(events_, wrong) || std::ranges::any_of(records_, wrong) || !reader_.check();
  }

  Result<void> write(const std::string& path) {
    remove_database(path);
    TRY(Database to, Database::open(path, Database::Mode::kCreate));
    TRY_VOID(to.run("pragma page_size=4096; pragma journal_mode=off; pragma synchronous=off; begin immediate"));
    TRY_VOID(to.run(kSegmentSchema));
    TRY_VOID(to.run(kAsideSchema));
    if (reader_.head().loss_accepted) TRY_VOID(to.run(kLossAccepted));
    TRY_VOID(to.run("create table time(seq integer primary key, ts int)"));
    TRY(aside_row_, to.prepare("insert into aside values(?,?)"));
    for (const std::vector<std::uint64_t>* numbers : {&reader_.events_aside(), &reader_.records_aside()}) {
      const bool record = numbers == &reader_.records_aside();
      for (const std::uint64_t number : *numbers)
        TRY_VOID(aside_row_.bind(1, number).bind(2, std::uint64_t{record}).run());
    }
    TRY_VOID(write_events(to));
    TRY_VOID(write_records(to));
    TRY_VOID(write_heads(to));
    TRY_VOID(
        to.run("create index rec_run on rec(seq, flow) where kind<16; create index seen_hash on seen(hash); "
               "commit"));
    return {};
  }

 private:
  using Faults = std::vector<std::pair<std::uint64_t, std::string>>;  // number, and why; empty: it is intact

  Faults events(std::uint64_t last_seq) {
    Faults all;
    for (std::uint64_t seq = reader_.head().first_seq; seq <= last_seq; ++seq) {
      const auto& aside = reader_.events_aside();
      if (std::binary_search(aside.begin(), aside.end(), seq)) continue;
      const auto event = reader_.event(seq);
      all.emplace_back(seq, !event ? event.error().message : *event == nullptr ? "it is missing" : "");
    }
    return all;
  }
  Faults records(std::uint64_t last_lsn) {
    Faults all;
    // What damage hides is told of row by row.
    (void)reader_.each_lsn(last_lsn, [&](std::uint64_t lsn, const Result<RawRecord>& row) -> Result<void> {
      Bytes buffer;
      const auto told = row ? row->read(buffer) : failure(row.error());
      all.emplace_back(lsn, told ? "" : told.error().message);
      return {};
    });
    return all;
  }

  Result<void> write_events(Database& to) {
    TRY(Statement insert, to.prepare("insert into event values(?,?,?,?,?,?,?)"));
    TRY(Statement seen, to.prepare("insert into seen values(?,?)"));
    TRY(Statement time, to.prepare("insert into time values(?,?)"));
    for (const auto& [seq, why] : events_) {
      if (!why.empty()) {
        Bytes meta, body;
        (void)reader_.raw_event(seq, [&](Statement& row) -> Result<void> {
          meta = row.bytes(5);
          body = row.bytes(6);
          return {};
        });
        aside_.event(segment_.path, seq, why, meta, body);
        TRY_VOID(aside_row_.bind(1, seq).bind(2, std::uint64_t{0}).run());
        continue;
      }
      TRY(const auto event, reader_.event(seq));
      TRY_VOID(reader_.raw_event(seq, [&](Statement& row) {
        row.copy_row(insert, 7);
        return insert.run();
      }));
      TRY_VOID(seen.bind(1, seq).bind(2, event_hash(event->source, event->id)).run());
      // Blocks of one: the index is larger, and as right.
      TRY_VOID(time.bind(1, seq).bind(2, to_unix_us(event->received)).run());
    }
    return {};
  }

  Result<void> write_records(Database& to) {
    TRY(Statement insert, to.prepare("insert into rec values(?,?,?,?,?,?,?,?,?,?,?)"));
    for (const auto& [lsn, why] : records_) {
      bool told = false;
      const auto row = reader_.raw_record(lsn, [&](const RawRecord& r) -> Result<void> {
        told = true;
        if (!why.empty()) {
          aside_.record(segment_.path, lsn, why, &r);
          return {};
        }
        insert.bind(1, r.lsn).bind(2, static_cast<std::int64_t>(r.kind)).bind(3, r.flow).bind(4, r.seq);
        insert.bind(5, static_cast<std::int64_t>(r.step)).bind(6, static_cast<std::int64_t>(r.attempt)).bind(7, r.ts);
        return insert.bind(8, r.codec).bind(9, r.key_id).bind(10, r.crc).bind_blob(11, r.body).run();
      });
      if (!row && told) return failure(row.error());
      if (!told) aside_.record(segment_.path, lsn, why, nullptr);
      if (!why.empty()) TRY_VOID(aside_row_.bind(1, lsn).bind(2, std::uint64_t{1}).run());
    }
    return {};
  }

  // Names and cursors stand in each segment's head, and in state.db: where a page of them is gone, the others have
  // them.
  Result<void> write_heads(Database& to) {
    if (const auto flows = reader_.flows()) {
      TRY(Statement insert, to.prepare("insert into flow values(?,?)"));
      for (const StoredFlow& flow : *flows) TRY_VOID(insert.bind(1, flow.id.value).bind_text(2, flow.name).run());
    }
    if (const auto marks = reader_.marks()) {
      TRY(Statement insert, to.prepare("insert into mark values(?,?,?)"));
      for (const auto& [id, cursor] : *marks) {
        const Bytes ranges = cursor.encode();
        TRY_VOID(insert.bind(1, id.value).bind(2, cursor.floor().value).bind_blob(3, ranges).run());
      }
    }
    TRY(Statement head, to.prepare("insert into head values(?,?,?,?,?)"));
    const SegmentHead& was = reader_.head();
    head.bind(1, kReducedFormat).bind(2, was.first_lsn).bind(3, was.first_seq);
    return head.bind(4, static_cast<std::int64_t>(was.holds)).bind_text(5, was.environment).run();
  }

  const Segment& segment_;
  SegmentReader& reader_;
  Aside& aside_;
  const Faults events_, records_;
  Statement aside_row_;
};

// Rows of a damaged table, as many as can be had from its two ends.
Result<void> save_rows(Database& from, Database& to, const std::string& table, const std::string& columns,
                       const std::string& where, const std::string& order, int count,
                       const std::function<bool(const Statement&)>& good) {
  std::string places = "?";
  for (int i = 1; i < count; ++i) places += ",?";
  TRY(Statement insert, to.prepare("insert or ignore into " + table + "(" + columns + ") values(" + places + ")"));
  for (const char* direction : {"", " desc"}) {
    auto rows = from.prepare("select " + columns + " from " + table + " where " + where + " order by " + order +
                             std::string(direction));
    if (!rows) return {};  // the table is gone
    while (true) {
      const auto row = rows->step();
      if (!row && row.error().code != Code::kCorrupt) return failure(row.error());
      if (row && !*row) return {};
      if (!row) break;
      if (good && !good(*rows)) continue;
      rows->copy_row(insert, count);
      TRY_VOID(insert.run());
    }
  }
  return {};
}

class Repair {
 public:
  Repair(StoreOptions options, Clock& clock)
      : options_(std::move(options)), clock_(clock), aside_(options_.directory, clock.now()) {
    options_.read_only = false;
    options_.accept_loss = true;
    // Nothing may go while it is looked at.
    options_.keep = options_.keep_payloads = Duration::max();
    options_.bytes_max = ~std::uint64_t{0};
    options_.headroom_bytes = 0;
    const auto report = options_.report;
    options_.report = [this, report](std::string_view line) {
      report_.lines.emplace_back(line);
      if (report) report(line);
    };
  }

  Result<RepairReport> run() {
    if (!fs::is_directory(options_.directory))
      return failure(Code::kNotFound, "there is no store at " + options_.directory.string());
    TRY_VOID(alone());
    TRY_VOID(put_in_place(options_.directory));
    TRY(const bool sound, state_is_sound());
    if (!sound) TRY_VOID(rebuild_state());
    // Saves what can be had of a damaged log, seals and folds.
    {
      TRY(const auto store, SqliteStore::open(options_, clock_));
      if (const auto done = store->maintain(); !done) report_.lines.push_back(done.error().message);
    }
    TRY_VOID(mend_segments());
    TRY_VOID(aside_.close());
    report_.events_aside = aside_.events;
    report_.records_aside = aside_.records;
    if (aside_.events + aside_.records > 0) report_.aside_file = aside_.path();
    TRY(report_.after, verify());
    // What state.db was folded from may have been read wrongly, or be gone.
    if (report_.after.state_faults > 0 && sound) {
      TRY_VOID(rebuild_state());
      {
        TRY(const auto store, SqliteStore::open(options_, clock_));
        TRY_VOID(store->maintain());
      }
      TRY(report_.after, verify());
    }
    return std::move(report_);
  }

 private:
  std::string path(const char* name) const { return (options_.directory / name).string(); }

  // Nobody else has it open now; each opening takes the lock anew.
  Result<void> alone() const {
    const int file = ::open(path("lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (file < 0) return failure(Code::kInternal, "opening " + path("lock") + " failed");
    const bool locked = ::flock(file, LOCK_EX | LOCK_NB) == 0;
    ::close(file);
    if (locked) return {};
    return failure(Code::kUnavailable,
                   "the store " + options_.directory.string() + " is open in another process: stop the server first");
  }

  Result<VerifyReport> verify() {
    StoreOptions reading = options_;
    reading.read_only = true;
    TRY(const auto store, SqliteStore::open(reading, clock_));
    return store->verify();
  }

  Result<bool> state_is_sound() {
    if (!fs::exists(path("state.db"))) return true;  // an opening makes it
    auto reader = StateReader::open(path("state.db"), {});
    if (!reader && reader.error().code == Code::kUnsupported) return failure(reader.error());
    if (!reader || !reader->check() || !reader->flows()) return false;
    bool sound = true;
    const auto kept = reader->check_kept([&](const std::string&) { sound = false; });
    return kept && sound;
  }

  // The first lsn whose records a segment has.
  std::uint64_t told_from() const {
    std::uint64_t first = 0;
    for (const auto& entry : fs::directory_iterator(options_.directory)) {
      const std::string name = entry.path().filename();
      if (!name.ends_with(".db") || (!name.starts_with("seg-") && !name.starts_with("sealed-"))) continue;
      const auto reader = SegmentReader::open(entry.path().string(), options_.vfs);
      if (!reader || reader->head().holds == Holds::kKeys) continue;
      first = first == 0 ? reader->head().first_lsn : std::min(first, reader->head().first_lsn);
    }
    return std::max(first, std::uint64_t{1});
  }

  Result<void> rebuild_state() {
    const std::string old = path("state.db"), fresh = path("state.db.tmp");
    const std::uint64_t told = told_from();
    remove_database(fresh);
    {
      TRY(StateDb made, StateDb::open(fresh, {}));
      TRY_VOID(made.skip_to(told - 1, 0));
      auto from = Database::open(old, Database::Mode::kRead);
      TRY(Database to, Database::open(fresh, Database::Mode::kReadWrite));
      if (from) {
        TRY_VOID(save_state(*from, to, told));
        const auto lsn = from->number("select first_lsn from applied");
        const auto seq = from->number("select first_seq from applied");
        if (lsn && seq) TRY_VOID(made.start_at({static_cast<std::uint64_t>(*lsn), static_cast<std::uint64_t>(*seq)}));
      }
      TRY_VOID(made.checkpoint());
    }
    TRY_VOID(aside_.close());
    TRY_VOID(sync_file(fresh));
    std::error_code failed;
    for (const char* suffix : {"-wal", "-shm"}) fs::remove(fresh + suffix, failed);  // all of it stands in the file
    TRY_VOID(keep_aside(old, ".corrupt"));
    fs::rename(fresh, path(kMendedState), failed);
    if (failed) return failure(Code::kInternal, "renaming " + fresh + ": " + failed.message());
    TRY_VOID(sync_directory(options_.directory.string()));
    TRY_VOID(put_in_place(options_.directory));
    report_.state_rebuilt = true;
    report_.lines.push_back(
        "state.db is rebuilt from the segments; the counts of flows begin with the history that stands");
    return {};
  }

  // What no segment tells any more.
  Result<void> save_state(Database& from, Database& to, std::uint64_t told) {
    const std::string before = "<" + std::to_string(told);
    TRY_VOID(to.run("begin immediate"));
    TRY_VOID(save_rows(from, to, "kept_event", "seq, ts, codec, key_id, crc, meta, body", "1", "seq", 7,
                       [&](const Statement& row) {
                         const auto event = decode_event_row(row);
                         if (!event)
                           aside_.event("state.db", row.natural(0), event.error().message, row.bytes(5), row.bytes(6));
                         return event.has_value();
                       }));
    TRY_VOID(save_rows(from, to, "kept_rec", "lsn, kind, flow, seq, step, try, ts, codec, key_id, crc, body", "1",
                       "lsn", 11, [&](const Statement& row) {
                         const RawRecord raw = raw_record_row(row);
                         const auto record = raw.decode();
                         if (!record) aside_.record("state.db", raw.lsn, record.error().message, &raw);
                         return record.has_value();
                       }));
    TRY_VOID(save_rows(from, to, "run", "seq, flow, state, open, changed, due, lane, records, last_lsn, summary",
                       "last_lsn" + before, "seq", 10, nullptr));
    const bool owners = from.prepare("select seq from entry limit 0").has_value();
    TRY_VOID(save_rows(from, to, "entry",
                       std::string("bucket, key, revision, until, value") + (owners ? ", seq, flow" : ""),
                       "revision" + before, "bucket, key", owners ? 7 : 5, nullptr));
    TRY_VOID(save_rows(from, to, "flow", "id, name, floor, ranges", "1", "id", 4, nullptr));
    TRY_VOID(StateDb::count_anew(to));
    return to.run("commit");
  }

  Result<std::vector<Segment>> list() const {
    std::vector<Segment> all;
    for (const auto& entry : fs::directory_iterator(options_.directory)) {
      const std::string name = entry.path().filename();
      const bool sealed = name.starts_with("sealed-");
      if (!name.ends_with(".db") || !(sealed || name.starts_with("seg-"))) continue;
      auto reader = SegmentReader::open(entry.path().string(), options_.vfs);
      if (!reader && reader.error().code == Code::kUnsupported) return failure(reader.error());
      if (!reader) {
        TRY_VOID(set_aside(entry.path().string(), ".corrupt"));
        continue;
      }
      Segment segment;
      segment.path = entry.path().string();
      segment.sealed = sealed;
      segment.first_lsn = reader->head().first_lsn;
      segment.first_seq = reader->head().first_seq;
      all.push_back(std::move(segment));
    }
    std::sort(all.begin(), all.end(), [](const Segment& a, const Segment& b) { return a.first_lsn < b.first_lsn; });
    return all;
  }

  // The oldest segments are gone, and were not let go of.
  Result<void> mend_start(const Segment& oldest) {
    TRY(StateDb state, StateDb::open(path("state.db"), {}));
    TRY(StateReader reader, StateReader::open(path("state.db"), {}));
    TRY(const LogStart start, reader.start());
    if (start.lsn == 0 || start.lsn >= oldest.first_lsn) return {};
    const std::string gone = segment_name(start.lsn, true);
    for (std::uint64_t seq = start.seq; seq < oldest.first_seq; ++seq) aside_.event(gone, seq, "it is missing", {}, {});
    for (std::uint64_t lsn = start.lsn; lsn < oldest.first_lsn; ++lsn)
      aside_.record(gone, lsn, "it is missing", nullptr);
    TRY_VOID(aside_.close());
    report_.lines.push_back("what stood before " + name_of(oldest.path) + " is missing");
    return state.start_at({oldest.first_lsn, oldest.first_seq});
  }

  Result<void> mend_segments() {
    TRY(const std::vector<Segment> all, list());
    if (!all.empty()) TRY_VOID(mend_start(all.front()));
    const LogEnd end = read_log_end(path("end")).value_or(LogEnd{});
    for (std::size_t i = 0; i < all.size(); ++i) {
      TRY(SegmentReader reader, SegmentReader::open(all[i].path, options_.vfs));
      TRY(const SegmentCounts counts, reader.counts());
      const bool newest = i + 1 == all.size();
      const std::uint64_t last_seq = newest ? std::max(counts.last_seq, end.last_seq) : all[i + 1].first_seq - 1;
      const std::uint64_t last_lsn = newest ? std::max(counts.last_lsn, end.last_lsn) : all[i + 1].first_lsn - 1;
      Mending mending(all[i], reader, last_seq, last_lsn, aside_);
      if (!mending.faulty()) continue;
      const std::string sealed = path(segment_name(all[i].first_lsn, true).c_str()), unfinished = sealed + ".tmp";
      TRY_VOID(mending.write(unfinished));
      TRY_VOID(aside_.close());  // on disk, before the rows go
      TRY_VOID(sync_file(unfinished));
      std::error_code failed;
      fs::rename(unfinished, sealed, failed);
      if (failed) return failure(Code::kInternal, "renaming " + unfinished + ": " + failed.message());
      TRY_VOID(sync_directory(options_.directory.string()));
      if (!all[i].sealed) remove_database(all[i].path);
      ++report_.segments_rewritten;
      report_.lines.push_back(name_of(all[i].path) + " is written anew without what is corrupt");
      if (newest && !all[i].sealed) {
        // Its log is no more: only the numbers count.
        TRY(LogEndFile file, LogEndFile::open(path("end")));
        TRY_VOID(file.write({0, 0, last_seq, last_lsn}));
        TRY_VOID(file.sync());
      }
    }
    return {};
  }

  StoreOptions options_;
  Clock& clock_;
  RepairReport report_;
  Aside aside_;
};

}  // namespace

Result<RepairReport> SqliteStore::repair(StoreOptions options, Clock& clock) {
  Repair repair(std::move(options), clock);
  return repair.run();
}

}  // namespace tieline::store
