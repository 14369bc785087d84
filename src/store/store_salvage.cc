// What is saved of a segment's damaged write-ahead log, and what of it may still be believed. It must never leave a
// flow done with an event because of a run of which nothing can be read.
#include <algorithm>
#include <unordered_set>

#include "store/sql.h"
#include "store/store_core.h"
#include "store/wal.h"

namespace tieline::store {
namespace {

constexpr const char* kSafely = "pragma synchronous=full; pragma wal_autocheckpoint=0";

Result<void> copy_file(const std::string& from, const std::string& to) {
  std::error_code failed;
  std::filesystem::copy_file(from, to, failed);
  if (!failed) return {};
  return failure(code_of_errno(failed.value()), "copying " + from + " to " + to + ": " + failed.message());
}

// Tables that cannot be read tell nothing, and are told of when they are looked at.
Result<void> unless_corrupt(Result<void> done) {
  if (!done && (done.error().code == Code::kCorrupt || done.error().code == Code::kNotFound)) return {};
  return done;
}

// A person's word holds for what is lost by then: not for damage that nobody was asked about.
Result<void> note_acceptance(const std::string& database, const std::string& vfs, bool accepted) {
  TRY(Database db, Database::open(database, Database::Mode::kReadWrite, vfs));
  TRY_VOID(db.run(kSafely));
  return db.run(accepted ? kLossAccepted : kNoLossAccepted);
}

struct Settled {
  std::uint64_t lsn;
  RunId run;
};

// The records by which runs settled their events, ascending. Of one that began in an older segment more is known.
Result<std::vector<Settled>> settled_by(SegmentReader& reader) {
  std::vector<Settled> settled;
  std::unordered_set<RunId, RunIdHash> began;
  const auto walked = reader.each_record([&](const RawRecord& row) -> Result<void> {
    if (row.kind >= kRecPut) return {};
    const auto record = row.decode();
    if (!record) return {};
    if (record->number == 1) began.insert(record->run);
    if (record->kind == RecordKind::kState && began.contains(record->run)) settled.push_back({row.lsn, record->run});
    return {};
  });
  if (!walked && walked.error().code != Code::kCorrupt) return failure(walked.error());
  return settled;
}

// The cursors as they were before the damage, but for what they had settled by a record that is lost all the same: a
// page that grew full may have its only copy in a later group.
Result<Marks> marks_before(SegmentReader& before, SegmentReader& saved) {
  TRY(Marks marks, before.marks());
  TRY(const std::vector<Settled> had, settled_by(before));
  TRY(const std::vector<Settled> has, settled_by(saved));
  auto next = has.begin();
  for (const Settled& one : had) {
    next = std::find_if(next, has.end(), [&](const Settled& other) { return other.lsn >= one.lsn; });
    if (next != has.end() && next->lsn == one.lsn) continue;
    for (auto& [flow, cursor] : marks) {
      if (flow == one.run.flow) cursor.unsettle(one.run.event);
    }
  }
  return marks;
}

// Cursors in `saved` become those of `before`, the same segment up to the damage: a later one may be past an event
// whose only record is lost. One that `before` lacks stays if its flow is new there; a known flow's goes, and an older
// segment's counts.
Result<void> take_cursors_back(const std::string& saved, const std::string& before, const std::string& vfs,
                               const std::vector<FlowId>& known) {
  Marks marks;
  {
    auto old = SegmentReader::open(before, vfs);
    if (!old && old.error().code != Code::kNotFound && old.error().code != Code::kCorrupt)
      return failure(std::move(old.error()));
    TRY(SegmentReader mended, SegmentReader::open(saved, vfs));
    if (old) {
      TRY(marks, marks_before(*old, mended));
    }
  }
  TRY(Database db, Database::open(saved, Database::Mode::kReadWrite, vfs));
  TRY_VOID(db.run(kSafely));
  TRY_VOID(db.run("begin immediate"));
  {
    TRY(Statement drop, db.prepare("delete from mark where flow=?"));
    for (const FlowId flow : known) TRY_VOID(drop.bind(1, flow.value).run());
    TRY(Statement put, db.prepare("insert or replace into mark values(?,?,?)"));
    for (const auto& [flow, cursor] : marks) {
      const Bytes ranges = cursor.encode();
      TRY_VOID(put.bind(1, flow.value).bind(2, cursor.floor().value).bind_blob(3, ranges).run());
    }
  }
  return db.run("commit");
}

}  // namespace

// Those that state.db or an older segment has a cursor of.
std::vector<FlowId> StoreCore::known_flows(const Segment* older) const {
  std::vector<FlowId> known;
  for (std::size_t i = 0; i < flows.size(); ++i) {
    if (!flows[i].name.empty()) known.emplace_back(static_cast<std::uint32_t>(i + 1));
  }
  auto reader = older != nullptr ? SegmentReader::open(older->path, options.vfs) : failure(Code::kNotFound, "");
  const auto more = reader ? reader->flows() : failure(reader.error());
  if (!more) return known;
  for (const StoredFlow& flow : *more) known.push_back(flow.id);
  return known;
}

// All of it is made beside the segment: a crash leaves the damaged log, or the whole of what was saved.
Result<void> StoreCore::salvage(const Segment& segment, const Segment* older, bool newest) {
  const std::string log = segment.path + "-wal", saved = segment.path + kUnfinished,
                    before = segment.path + ".before" + kUnfinished;
  for (const std::string& unfinished : {saved, before}) remove_database(unfinished);
  TRY_VOID(mend_database(segment.path, log));
  TRY(const WalSalvage frames, salvage_wal(log, saved + "-wal", Frames::kIntact));
  TRY_VOID(copy_file(segment.path, saved));
  TRY_VOID(unless_corrupt(note_acceptance(saved, options.vfs, newest)));
  if (newest) {
    TRY_VOID(salvage_wal(log, before + "-wal", Frames::kBeforeDamage));
    TRY_VOID(copy_file(segment.path, before));
    TRY_VOID(unless_corrupt(take_cursors_back(saved, before, options.vfs, known_flows(older))));
  }
  TRY_VOID(sync_file(saved + "-wal"));
  TRY(const std::string aside, keep_aside(log, ".damaged"));
  std::error_code failed;
  std::filesystem::rename(saved + "-wal", log, failed);
  if (failed) return failure(Code::kInternal, "renaming " + saved + "-wal: " + failed.message());
  for (const std::string& unfinished : {saved, before}) remove_database(unfinished);
  TRY_VOID(sync_directory(options.directory.string()));
  report(name_of(log) + ": saved " + std::to_string(frames.frames) + " of " +
         std::to_string(frames.frames + frames.lost) + " pages; the damaged file is kept as " + name_of(aside));
  if (newest) report("what was done behind the damage, and has no record that can be read, is done again");
  return {};
}

}  // namespace tieline::store
