// Reading a whole store to verify it: every row against its crc, every file against its own structure, and what
// state.db tells against the records that it was folded from. It must never take for damage what changes meanwhile.
#include <algorithm>
#include <unordered_map>

#include "store/codec.h"
#include "store/store_core.h"

namespace tieline::store {
namespace {

constexpr std::size_t kMissingMax = 65536;  // entries that are looked for at the end

class Verification {
 public:
  Verification(const StoreCore& core, const std::atomic<bool>* give_up) : core_(core), give_up_(give_up) {}

  Result<VerifyReport> run() {
    {
      const std::lock_guard lock(core_.mutex);
      segments_ = core_.segments;
      durable_lsn_ = core_.durable_lsn;
      start_ = core_.start;
      for (std::size_t i = 0; i < core_.flows.size(); ++i) flow_names_[i + 1] = core_.flows[i].name;
    }
    report_.corrupt_segments = core_.unreadable.size() + core_.damaged.size();
    for (const std::string& line : core_.damaged) report_.places.push_back(line);
    for (const std::string& path : core_.unreadable) found(path, "cannot be opened");
    if (core_.options.read_only) {
      for (const std::string& path : core_.never_finished)
        found(path, "a crash left it before its first commit: it holds nothing, and the next start sets it aside");
    }
    if (core_.has_state()) open_state();
    std::uint64_t expected = start_.seq;  // the position that the next segment begins with; 0: not known
    std::vector<std::uint64_t> aside;
    for (std::size_t i = 0; i < segments_->size(); ++i) {
      const Segment& segment = (*segments_)[i];
      if (give_up_ != nullptr && *give_up_) return failure(Code::kUnavailable, "the verification was given up");
      if (expected != 0 && segment.first_seq > expected) gap(segment, expected, aside);
      expected = std::max(segment.first_seq, segment.last_seq + 1);
      std::error_code ignored;
      if (!std::filesystem::exists(segment.path, ignored)) continue;  // not begun, or gone since
      if (i == 0 && start_.lsn != 0 && segment.first_lsn > start_.lsn) {
        first_missing_ = start_.lsn;
        last_missing_ = segment.first_lsn - 1;
        records_missing(segment);
      }
      const bool newest = i + 1 == segments_->size();
      verify(segment, newest ? durable_lsn_ : (*segments_)[i + 1].first_lsn - 1, aside);
    }
    for (const auto& [key, what] : missing_) state_fault(what);
    return std::move(report_);
  }

 private:
  void found(const std::string& path, const std::string& what) {
    if (report_.places.size() == kVerifyPlacesMax) return;
    report_.places.push_back(std::filesystem::path(path).filename().string() + ": " + what);
  }
  void state_fault(const std::string& what) {
    ++report_.state_faults;
    found("state.db", what);
  }

  void open_state() {
    auto opened = StateReader::open(core_.state_path(), {});
    if (!opened) return state_fault(opened.error().message);
    state_ = std::move(*opened);
    if (const auto sound = state_->check(); !sound) {
      state_.reset();
      return state_fault(sound.error().message);
    }
    const auto kept = state_->check_kept([this](const std::string& what) { state_fault(what); });
    if (!kept) state_fault(kept.error().message);
  }

  void gap(const Segment& segment, std::uint64_t expected, const std::vector<std::uint64_t>& aside) {
    std::uint64_t missing = 0;
    for (std::uint64_t seq = expected; seq < segment.first_seq; ++seq)
      missing += !std::binary_search(aside.begin(), aside.end(), seq);
    if (missing == 0) return;
    report_.corrupt_events += missing;
    found(segment.path, "events " + std::to_string(expected) + " to " + std::to_string(segment.first_seq - 1) +
                            ", which stood before it, are missing");
  }

  // Those that were noted, in one line.
  void records_missing(const Segment& segment) {
    if (first_missing_ == 0) return;
    report_.corrupt_records += last_missing_ - first_missing_ + 1;
    found(segment.path, first_missing_ == last_missing_ ? "record " + std::to_string(first_missing_) + " is missing"
                                                        : "records " + std::to_string(first_missing_) + " to " +
                                                              std::to_string(last_missing_) + " are missing");
    first_missing_ = last_missing_ = 0;
  }

  void verify(const Segment& segment, std::uint64_t last_lsn, std::vector<std::uint64_t>& aside) {
    ++report_.segments;
    auto reader = SegmentReader::open(segment.path, core_.options.vfs);
    if (const auto log = core_.verify_log(segment); !log) {
      ++report_.corrupt_segments;
      found(segment.path, log.error().message);
    }
    Result<void> walked;
    if (reader) {
      aside = reader->events_aside();
      walked = reader->each_event([&](std::uint64_t seq, const Result<EventPtr>& event) {
        ++report_.events;
        if (event && *event != nullptr) return;
        ++report_.corrupt_events;
        found(segment.path, event ? "event " + std::to_string(seq) + " is missing" : event.error().message);
      });
    }
    const bool folded = reader && state_ && hold_state(segment);
    if (reader && walked) {
      walked = reader->each_lsn(last_lsn, [&](std::uint64_t lsn, const Result<RawRecord>& row) -> Result<void> {
        if (!row && row.error().code == Code::kNotFound) {
          if (lsn != last_missing_ + 1) records_missing(segment);
          if (first_missing_ == 0) first_missing_ = lsn;
          last_missing_ = lsn;
          return {};
        }
        report_.records += row.has_value();
        const auto good = row ? verify_record(*row, folded) : failure(row.error());
        if (good) return {};
        ++report_.corrupt_records;
        found(segment.path, good.error().message);
        return {};
      });
    }
    records_missing(segment);
    if (folded) state_->release();
    if (reader && walked) walked = reader->check();
    if (!reader || !walked) {
      ++report_.corrupt_segments;
      found(segment.path, reader ? walked.error().message : reader.error().message);
    }
  }

  // One moment of state.db, in which it has all of the segment, and the segment stands.
  bool hold_state(const Segment& segment) {
    if (!state_->hold()) return false;
    const auto applied = state_->applied();
    const std::lock_guard lock(core_.mutex);
    const auto& now = *core_.segments;
    const auto stands =
        std::find_if(now.begin(), now.end(), [&](const Segment& s) { return s.in_use == segment.in_use; });
    const auto told = std::find_if(now.begin(), now.end(), [](const Segment& s) { return s.holds != Holds::kKeys; });
    if (applied && segment.last_lsn > 0 && *applied >= segment.last_lsn && stands != now.end() && told != now.end()) {
      history_from_ = told->first_seq;
      return true;
    }
    state_->release();
    return false;
  }

  std::string name(const RawRecord& row) const {
    const auto known = flow_names_.find(row.flow);
    return (known == flow_names_.end() ? std::to_string(row.flow) : known->second) + "/" + std::to_string(row.seq);
  }

  Result<void> verify_record(const RawRecord& row, bool folded) {
    Bytes buffer;
    TRY(const auto told, row.read(buffer));
    if (const auto* entry = std::get_if<EntryWrite>(&told)) {
      if (row.kind == kRecErase) missing_.erase(std::string(entry->bucket) + '\n' + std::string(entry->key));
      if (folded && row.kind == kRecPut) verify_entry(row, entry->bucket, entry->key, entry->value, entry->until);
      return {};
    }
    const Record& record = std::get<Record>(told);
    if (!folded) return {};
    for (const KeyPut& put : record.puts) verify_entry(row, put.bucket, put.key, put.value, put.until);
    const auto run = state_->run(record.run);
    if (!run) {
      state_fault(run.error().message);
    } else if (!*run) {
      if (row.seq >= history_from_) state_fault("run " + name(row) + " is missing");
    } else if ((*run)->last_lsn < row.lsn || (*run)->status.records < record.number) {
      state_fault("run " + name(row) + " lacks its record " + std::to_string(record.number));
    } else if ((*run)->last_lsn == row.lsn && record.kind == RecordKind::kState &&
               (*run)->status.state != record.state) {
      state_fault("run " + name(row) + " is " + std::string(run_state_name((*run)->status.state)) +
                  ", its last record says " + std::string(run_state_name(record.state)));
    }
    return {};
  }

  void verify_entry(const RawRecord& row, std::string_view bucket, std::string_view key, std::string_view value,
                    Time until) {
    std::string name = std::string(bucket) + '\n' + std::string(key);
    const std::string what = "entry " + std::string(bucket) + " " + std::string(key);
    const auto entry = state_->entry(bucket, key);
    if (!entry) {
      state_fault(entry.error().message);
    } else if (!*entry) {
      // It may have been erased since.
      if (until == Time::max() && missing_.size() < kMissingMax) missing_[std::move(name)] = what + " is missing";
    } else if ((*entry)->revision < row.lsn) {
      state_fault(what + " is older than record " + std::to_string(row.lsn));
    } else if ((*entry)->revision == row.lsn && (*entry)->value != value) {
      state_fault(what + " differs from record " + std::to_string(row.lsn));
    }
  }

  const StoreCore& core_;
  const std::atomic<bool>* give_up_;
  VerifyReport report_;
  std::shared_ptr<const std::vector<Segment>> segments_;
  std::uint64_t durable_lsn_ = 0;
  LogStart start_;
  std::uint64_t first_missing_ = 0, last_missing_ = 0;  // records, one behind the other; 0: none
  std::unordered_map<std::uint64_t, std::string> flow_names_;
  std::optional<StateReader> state_;
  std::uint64_t history_from_ = 0;  // the position from which on ended runs are known
  std::unordered_map<std::string, std::string> missing_;
};

}  // namespace

Result<VerifyReport> SqliteStore::verify(const std::atomic<bool>* give_up) const {
  Verification verification(*core_, give_up);
  return verification.run();
}

}  // namespace tieline::store
