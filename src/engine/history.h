// What a run's journal says of each of its calls, so that a resumed run does nothing again that is known to be done.
// It must never take an intent without an outcome for a call that did not happen.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "core/journal.h"
#include "engine/record.h"
#include "engine/retry.h"

namespace tieline::engine {

struct CallHistory {
  std::uint32_t attempts = 0;  // number of the last one
  AttemptHistory policy;
  std::optional<Time> first_sent;      // the first intent: from when on the vendor knows an idempotency key
  std::optional<Time> standing_since;  // the policy clock stands still from here until the next attempt
  std::uint32_t conflicts = 0;
  std::uint32_t lookups = 0;       // of the open attempt
  Duration lookups_standing{0};    // of the time since it was made
  bool open = false;               // the last attempt's outcome is not known
  Time open_since;                 // when it may have happened at the latest
  bool open_known = false;         // open_since is; else the process ended at an unknown time after it
  bool repeat_asked = false;       // a person said that it did not happen, and no attempt has left since
  std::optional<RecordBody> last;  // the last outcome that says what the call came to
  Time last_at;
  bool undecided = false;  // nothing says yet what follows from the last attempt: whether another one, and when

  bool reread = false;  // a later call ended in a conflict: what this one read, if it only reads, is old

  // Forgets what the call came to, so that it is made anew, with a whole policy's worth of tries.
  void restart();
  // An attempt or a look-up begins.
  void begin(Time at);
  void intent(std::uint32_t attempt, Time at);
  void outcome(RecordBody body, std::uint32_t attempt, Time at);
  // The open attempt is one that may simply be made again: it failed like any other.
  void unanswered(const char* message, Time at);
  // The call waits for something else than its own failures from now on: a limit, its budget, a person.
  void stand(Time at) { standing_since = standing_since.value_or(at); }
  void answered(HeldAnswer answer);
};

// One pause of a run, as it was first journaled.
struct PauseHistory {
  Time until = Time::max();
  std::optional<HeldAnswer> answer;
  std::string by;
};

class RunHistory {
 public:
  // `known`: the highest number that the store has seen. kCorrupt, with which record, when one does not decode or is
  // missing: but for what stands before the record with which a person had the run begin again.
  static Result<RunHistory> of(const std::vector<Record>& records, std::uint32_t known = 0);

  CallHistory& call(std::uint16_t step, std::uint32_t call) { return calls_[{step, call}]; }
  const std::optional<RecordBody::Start>& start() const { return start_; }
  bool began() const;                                 // some call of it was attempted
  std::uint32_t records() const { return records_; }  // the highest number
  bool stated() const { return stated_; }             // has a state record
  // Of the last state record, where the run is held or waits.
  const std::optional<Record>& held() const { return held_; }
  // Null where the run never came to it.
  const PauseHistory* pause(std::uint16_t step, std::uint32_t call) const;
  bool paused() const { return !pauses_.empty(); }
  bool passed_brake() const { return passed_brake_; }  // a person let it pass

 private:
  Result<void> take(std::span<const Record> records);
  void take(const Record& record, const RecordBody& body);
  void answered(const Record& record, const RecordBody& body);

  std::map<std::pair<std::uint16_t, std::uint32_t>, CallHistory> calls_;
  std::map<std::pair<std::uint16_t, std::uint32_t>, PauseHistory> pauses_;
  std::optional<RecordBody::Start> start_;
  std::optional<Record> held_;
  std::uint32_t records_ = 0;
  bool stated_ = false;
  bool passed_brake_ = false;
};

}  // namespace tieline::engine
