// What an opening looks at before SQLite does: whether the log still ends where it was durable. It must never let a
// damaged or missing file pass for a shorter log.
#include "store/store_core.h"
#include "store/wal.h"

namespace tieline::store {
namespace {

constexpr std::uint64_t kPageBytes = 4096;
constexpr const char* kAdvice =
    "; keep a copy of the store's directory, then restore the file from a backup, or go on without what is lost: "
    "tieline run --accept-loss";

std::uint64_t file_bytes(const std::string& path) {
  std::error_code missing;
  const auto size = std::filesystem::file_size(path, missing);
  return missing ? 0 : size;
}

// "events 101 to 200"; empty when there are none.
std::string range(const char* what, std::uint64_t first, std::uint64_t last) {
  if (first > last) return {};
  if (first == last) return std::string(what) + ' ' + std::to_string(first);
  return std::string(what) + "s " + std::to_string(first) + " to " + std::to_string(last);
}

// What is wrong with the segment's files; empty: nothing. `promised`: frames that were durable once.
std::string fault_of(const std::string& path, const WalState& wal, std::uint64_t promised) {
  const std::string log = name_of(path) + "-wal";
  const bool headless = file_bytes(path) < kPageBytes;
  if (headless && (promised > 0 || wal.frames + wal.frames_behind > 0)) return name_of(path) + " is cut off or missing";
  if (!wal.torn_at_most() || (wal.frames < promised && wal.frames_behind > 0))
    return log + " is damaged at byte " + std::to_string(wal.bytes()) + " of " + std::to_string(wal.file_bytes);
  if (wal.frames >= promised) return {};
  if (wal.file_bytes == 0) return log + " is missing or empty";
  return log + " ends after " + std::to_string(wal.frames) + " of " + std::to_string(promised) + " pages";
}

}  // namespace

std::string StoreCore::loss_behind(std::uint64_t last_seq, std::uint64_t last_lsn) const {
  const std::uint64_t known_seq = std::max(folded_seq_, known_end_ ? known_end_->last_seq : 0);
  const std::uint64_t known_lsn = std::max(folded_lsn_, known_end_ ? known_end_->last_lsn : 0);
  const std::string events = range("event", last_seq + 1, known_seq),
                    records = range("record", last_lsn + 1, known_lsn);
  if (events.empty() && records.empty()) return "what was written behind event " + std::to_string(last_seq);
  return events + (events.empty() || records.empty() ? "" : " and ") + records;
}

Result<void> StoreCore::damage(const std::string& line, bool at_the_end) {
  if (at_the_end && !options.read_only && !options.accept_loss) return failure(Code::kCorrupt, line + kAdvice);
  report(line);
  damaged.push_back(line);
  end_lost_ = end_lost_ || at_the_end;
  return {};
}

Result<void> StoreCore::inspect(std::vector<Segment>& found) {
  known_end_ = read_log_end(path("end").string());
  for (std::size_t i = 0; i < found.size(); ++i) {
    const Segment* older = i == 0 ? nullptr : &found[i - 1];
    if (!found[i].sealed) TRY_VOID(inspect(found[i], older, i + 1 == found.size()));
  }
  // SQLite removes the log of a file that has no page.
  std::erase_if(found, [](const Segment& s) { return s.damaged && file_bytes(s.path) < kPageBytes; });
  return {};
}

Result<void> StoreCore::inspect(Segment& segment, const Segment* older, bool newest) {
  const std::string log = segment.path + "-wal";
  TRY(const WalState wal, read_wal(log));
  const bool is_end = known_end_ && known_end_->segment == segment.first_lsn;
  std::string line = fault_of(segment.path, wal, is_end ? known_end_->frames : 0);
  if (line.empty()) return options.read_only ? Result<void>() : cut_wal(log, wal);
  segment.damaged = true;
  if (newest) {
    std::uint64_t last_seq = folded_seq_, last_lsn = segment.first_lsn - 1;
    if (file_bytes(segment.path) >= kPageBytes) {
      auto reader = SegmentReader::open(segment.path, options.vfs);
      const auto counts = reader ? reader->counts() : failure(reader.error());
      if (counts) last_seq = counts->last_seq, last_lsn = std::max(last_lsn, counts->last_lsn);
    }
    line += ": " + loss_behind(last_seq, last_lsn) + " may be lost";
  }
  TRY_VOID(damage(line, newest));
  segment.loss_accepted = newest;
  return options.read_only || !wal.present ? Result<void>() : salvage(segment, older, newest);
}

Result<void> StoreCore::verify_log(const Segment& segment) const {
  if (segment.sealed || options.read_only) return {};  // a store that is only looked at was inspected just now
  // Before the log is read: a group that is written meanwhile is nobody's loss.
  const auto end = read_log_end(path("end").string());
  const bool is_end = end && end->segment == segment.first_lsn;
  TRY(WalState wal, read_wal(segment.path + "-wal"));
  if (!wal.present && file_bytes(segment.path) == 0) return {};  // sealed meanwhile
  if (is_end && wal.frames >= end->frames) return {};
  const std::string fault = fault_of(segment.path, wal, is_end ? end->frames : 0);
  return fault.empty() ? Result<void>() : failure(Code::kCorrupt, fault);
}

Result<void> StoreCore::check_tail(const std::vector<Segment>& standing, std::vector<std::uint64_t>& gaps) {
  const std::uint64_t last_seq = standing.empty() ? 0 : standing.back().last_seq;
  const std::uint64_t last_lsn = standing.empty() ? 0 : standing.back().last_lsn;
  const LogEnd known = known_end_.value_or(LogEnd{});
  // An end that promises no segment is what an opening that accepted a loss left: only its numbers count.
  const bool accepted = known.segment == 0 && known.last_seq >= folded_seq_ && known.last_lsn >= folded_lsn_;
  const bool gone =
      standing.empty() ? known.segment + folded_lsn_ + folded_seq_ > 0 : standing.back().first_lsn < known.segment;
  // A segment that no record went to leaves one lsn out.
  const bool shorter = folded_seq_ > last_seq || folded_lsn_ > last_lsn + 1;
  if ((gone || shorter) && !accepted && !end_lost_)
    TRY_VOID(damage("the newest segment is missing from " + options.directory.string() + ": " +
                        loss_behind(last_seq, last_lsn) + " may be lost",
                    true));
  next_seq = std::max(next_seq, known.last_seq + 1);
  next_lsn = std::max(next_lsn, known.last_lsn + 1);
  if (!standing.empty()) {
    for (std::uint64_t seq = last_seq + 1; seq < next_seq; ++seq) gaps.push_back(seq);
    lost_records(last_lsn + 1, known.last_lsn);
  }
  if (!end_lost_ || options.read_only) return {};
  // Later openings must not look for it again.
  if (standing.empty()) {
    TRY_VOID(state_.skip_to(next_lsn - 1, next_seq - 1));
    folded_lsn_ = next_lsn - 1;
    folded_seq_ = next_seq - 1;
  }
  TRY(log_end_, LogEndFile::open(path("end").string()));
  TRY_VOID(log_end_.write({0, 0, next_seq - 1, next_lsn - 1}));
  return log_end_.sync();
}

}  // namespace tieline::store
