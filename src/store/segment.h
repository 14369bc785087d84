// One segment file of the log: how it is written, read and sealed (docs/store-format.md). It must never hand out an
// event or record whose check fails.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <variant>
#include <vector>

#include "core/event.h"
#include "core/journal.h"
#include "store/codec.h"
#include "store/cursor.h"
#include "store/sql.h"

namespace tieline::store {

// As segments are written. Those of which something was let go or set aside have the other one: what does not know
// that must not read them.
inline constexpr std::int64_t kSegmentFormat = 2, kReducedFormat = 3;
// Kinds of rec rows beyond RecordKind's: stored, append only.
inline constexpr int kRecPut = 16, kRecErase = 17;

// What SQL says of a segment (docs/store-format.md).
inline constexpr const char* kSegmentSchema =
    "create table head(format int, first_lsn int, first_seq int, sealed int, environment text);"
    "create table event(seq integer primary key, ts int, codec int, key_id int, crc int, meta blob, body blob);"
    "create table seen(seq integer primary key, hash int);"
    "create table rec(lsn integer primary key, kind int, flow int, seq int, step int, try int, ts int, codec int, "
    "key_id int, crc int, body blob);"
    "create table flow(id integer primary key, name text);"
    "create table mark(flow integer primary key, floor int, ranges blob);";
// Of a segment that was repaired: what of it was set aside.
inline constexpr const char* kAsideSchema = "create table aside(number int, record int)";
// Of one whose log was damaged at its end: what is lost of it was given up on a person's word. On the first page, so
// that it can be taken back whatever else is damaged.
inline constexpr const char* kLossAccepted = "pragma user_version=1";
inline constexpr const char* kNoLossAccepted = "pragma user_version=0";
inline constexpr const char* kRecordRows =
    "select lsn, kind, flow, seq, step, try, ts, codec, key_id, crc, body from rec ";

// A key-value write as a rec row's body.
struct EntryWrite {
  std::string_view bucket, key, value;
  Time until = Time::max();
};
void encode_entry(Bytes& out, const EntryWrite& entry);
Result<EntryWrite> decode_entry(std::string_view body);

// A row of `rec` as it stands on disk.
struct RawRecord {
  std::uint64_t lsn = 0;
  int kind = 0;
  std::uint32_t flow = 0;
  std::uint64_t seq = 0;
  std::uint16_t step = 0, attempt = 0;
  std::int64_t ts = 0;
  std::int64_t codec = kCodecPlain, key_id = kNoKey;
  std::string_view body;
  std::uint32_t crc = 0;

  std::uint32_t computed_crc() const;
  // The body as it was before it was stored: itself, or in `buffer`. kCorrupt: its crc fails, or its codec or key is
  // not known.
  Result<std::string_view> content(Bytes& buffer) const;
  // kCorrupt. Only for RecordKind's kinds.
  Result<Record> decode() const;
  // What it tells, whatever its kind: kCorrupt when it cannot be read. An entry's texts stand in the row or in
  // `buffer`.
  Result<std::variant<Record, EntryWrite>> read(Bytes& buffer) const;
};
// A row of `event`; `body` as stored.
struct RawEvent {
  std::uint64_t seq = 0;
  std::int64_t ts = 0;
  std::int64_t codec = kCodecPlain, key_id = kNoKey;
  std::string_view meta, body;

  std::uint32_t computed_crc() const;
};

struct StoredFlow {
  FlowId id;
  std::string name;
};

// What a segment holds of its events and records: less with time. Stored in a sealed one's head: append only.
enum class Holds : std::uint8_t {
  kAll = 1,
  kHistory = 2,  // no event's data
  kKeys = 3,     // nor a record: events as far as a duplicate is known by them
};

struct SegmentHead {
  std::uint64_t first_lsn = 0;  // of what it may hold
  std::uint64_t first_seq = 0;
  std::string environment;
  bool sealed = false;
  Holds holds = Holds::kAll;
  bool loss_accepted = false;  // by a person: what is lost of it may be done again
};

using Marks = std::vector<std::pair<FlowId, Cursor>>;

// Appends to the hot segment: one transaction a group. Writer thread only.
class SegmentWriter {
 public:
  static Result<SegmentWriter> create(const std::string& path, const SegmentHead& head, const std::string& vfs);
  static Result<SegmentWriter> open(const std::string& path, const std::string& vfs);

  // SQLite's codes, 0 when it worked; the first that is not ends the group: roll_back().
  int begin();
  int event(const Event& event, std::uint64_t hash);
  int record(const RawRecord& record);
  int flow(FlowId id, std::string_view name);
  int mark(FlowId id, const Cursor& cursor);
  int commit();
  void roll_back();
  Error error(int code, std::string_view what) const { return sql_error(db_.handle(), code, what); }
  Result<std::uint64_t> bytes();
  // Of the write-ahead log as of the last commit; 0 before the first one of this writer.
  std::uint64_t frames() const { return *frames_; }

 private:
  Result<void> prepare();
  std::unique_ptr<std::uint64_t> frames_ = std::make_unique<std::uint64_t>(0);  // SQLite holds its address
  Database db_;                                                                 // before the statements: they go first
  Statement begin_, commit_, event_, seen_, record_, flow_, mark_;
  Bytes meta_;
};

struct SegmentCounts {
  std::uint64_t events = 0, records = 0, last_seq = 0, last_lsn = 0;
  // Of its events; where it has none, when its records were written. min: it has neither.
  Time first_received = Time::min(), last_received = Time::min();
  bool end_known = true;  // false: pages are damaged, last_seq and last_lsn may be short
};

// Reads a segment, hot or sealed. One thread.
class SegmentReader {
 public:
  // kNotFound when a crash came before the first commit, kCorrupt, kUnsupported (another format), kInternal.
  static Result<SegmentReader> open(const std::string& path, const std::string& vfs);
  const SegmentHead& head() const { return head_; }
  // Events and records that a repair set aside: missing, and known to be. Ascending.
  const std::vector<std::uint64_t>& events_aside() const { return events_aside_; }
  const std::vector<std::uint64_t>& records_aside() const { return records_aside_; }

  // Events first <= position <= last, in order, until `count` or `bytes` is reached (at least one). Positions that
  // stand in the range and are missing or corrupt go to `lost`. Returns the last position looked at.
  Result<std::uint64_t> events(std::uint64_t first, std::uint64_t last, std::size_t count, std::size_t bytes,
                               std::vector<EventPtr>& out, std::vector<std::uint64_t>& lost);
  // Null when there is none; kCorrupt.
  Result<EventPtr> event(std::uint64_t seq);
  // Time of receipt and metadata of an event, without its body and unchecked.
  struct Meta {
    Time received;
    Bytes meta;
  };
  Result<std::optional<Meta>> meta(std::uint64_t seq);
  // The row as stored, for copying; false when there is none.
  Result<bool> raw_event(std::uint64_t seq, const std::function<Result<void>(Statement& row)>& take);

  Result<std::optional<Record>> record(std::uint64_t lsn);  // kCorrupt
  Result<bool> raw_record(std::uint64_t lsn, const std::function<Result<void>(const RawRecord&)>& take);
  // The run's intact records in a sealed segment; adds to `corrupt` those that are not.
  Result<void> records_of(RunId run, std::vector<Record>& out, std::vector<std::uint64_t>& corrupt);
  Result<std::vector<std::uint64_t>> raw_records_of(RunId run,
                                                    const std::function<Result<void>(const RawRecord&)>& take);

  // By the index of a sealed segment, whose pages are not those of the records: which run each of them belongs to, in
  // the index's order. kNotFound: it has no index; kCorrupt.
  struct Owned {
    std::uint64_t lsn;
    RunId run;
  };
  Result<std::vector<Owned>> owners();

  // Positions of events with that hash, newest first; sealed segments only.
  Result<std::vector<std::uint64_t>> with_hash(std::uint64_t hash);
  // The first position received at `time` or later.
  Result<std::optional<std::uint64_t>> first_at_or_after(Time time);

  // All rows in order. A visitor that fails ends the walk with its error. kCorrupt when damaged pages hid some of the
  // records: those that can be read one by one were visited.
  Result<void> each_record(const std::function<Result<void>(const RawRecord&)>& visit);
  // The same, with what should stand up to `last_lsn` and does not, in its place: kNotFound when it is missing, else
  // what hides it. What a repair set aside is not missed, nor is anything where the segment holds no record any more.
  Result<void> each_lsn(std::uint64_t last_lsn,
                        const std::function<Result<void>(std::uint64_t lsn, const Result<RawRecord>&)>& visit);
  Result<void> each_hash(const std::function<void(std::uint64_t seq, std::uint64_t hash)>& visit);
  Result<void> each_event(const std::function<void(std::uint64_t seq, const Result<EventPtr>&)>& visit);
  Result<std::vector<StoredFlow>> flows();
  Result<Marks> marks();
  Result<SegmentCounts> counts();
  // SQLite's own check of the file's structure. kCorrupt.
  Result<void> check();

  // Writes the sealed form to `path` (which must not exist), to be synced by the caller: bodies compressed with zstd
  // level 1, indexes by run, by hash and by time; of all that only what `holds` says. Rows that are corrupt are copied
  // as they are, and stay corrupt. `step` is called between parts of the work of some milliseconds each.
  Result<void> seal(const std::string& path, const std::string& vfs, Holds holds, const std::function<void()>& step);

 private:
  Result<std::uint64_t> events_one_by_one(std::uint64_t first, std::uint64_t last, std::size_t count, std::size_t bytes,
                                          std::vector<EventPtr>& out, std::vector<std::uint64_t>& lost);
  class Steps;
  Result<void> copy_events(Database& to, Holds holds, Steps& steps);
  Result<void> copy_rest(Database& to, Holds holds, Steps& steps);
  Result<void> read_aside();
  void miss(std::uint64_t seq, std::vector<std::uint64_t>& lost) const;

  Database db_;
  SegmentHead head_;
  std::vector<std::uint64_t> events_aside_, records_aside_;
  Result<void> each_record_one_by_one(std::uint64_t first, const std::function<Result<void>(const RawRecord&)>& visit);

  Statement range_, one_, meta_, record_, run_;
};

// From kept_event as from event: seq, ts, codec, key_id, crc, meta, body in columns 0 to 6. kCorrupt.
Result<EventPtr> decode_event_row(const Statement& row);
// lsn, kind, flow, seq, step, try, ts, codec, key_id, crc, body in columns 0 to 10.
RawRecord raw_record_row(const Statement& row);

}  // namespace tieline::store
