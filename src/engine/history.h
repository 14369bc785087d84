// What a run's journal says of each of its calls, so that a resumed run does nothing again that is known to be done.
// It must never take an intent without an outcome for a call that did not happen.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/journal.h"
#include "engine/record.h"
#include "engine/retry.h"

namespace tieline::engine {

// Which call of a run: the same for every attempt, in whatever order the items of a `foreach` end.
struct CallId {
  std::vector<std::uint32_t> items;  // which item of each `foreach` around it, from the outermost
  std::uint16_t step = 0;            // Flow's numbering
  std::uint32_t call = 0;            // the how-manieth of its step
  friend auto operator<=>(const CallId&, const CallId&) = default;
};

struct CallHistory {
  std::uint32_t attempts = 0;  // number of the last one
  AttemptHistory policy;
  std::optional<Time> first_sent;      // the first intent: from when on the vendor knows an idempotency key
  std::optional<Time> standing_since;  // the policy clock stands still from here until the next attempt
  std::optional<Time> asking_since;    // the first answer that it is not there yet, which the flow waits for
  std::uint32_t asked = 0;             // the last attempt with that answer: those behind it have another key
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
  // No attempt before: decided of this call while others of its run went on. The run may be there earlier for them.
  std::optional<Time> due;

  bool reread = false;  // a later call ended in a conflict: what this one read, if it only reads, is old

  // Of a run that began again.
  std::shared_ptr<const RecordBody> earlier;  // from the start: what the call came to before; may be null
  std::string keyed_for;                      // the action of the last attempt before
  bool key_used = false;        // an attempt with the present key may have happened, whatever came of later ones
  std::uint32_t key_round = 0;  // tells its idempotency key from the earlier ones; 0: the first one's
  std::uint32_t replayed = 0;   // the last replay's number; 0: none
  bool redo = false;            // made again, whatever the table of `once` says

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
  // A person lets it go on that waited for its connection: what may have happened is as open as before.
  void try_anew();
  // What it asks for is not there, and is asked for again: every answer begins a whole policy's worth of tries.
  void not_there(Time at);
  // The run begins again for the `replay`-th time, and this call is made again. What may have happened stays to be
  // found out. `from_start`: what it came to is remembered in `earlier`, unless it is why the run `failed`.
  void again(std::uint32_t replay, bool from_start, bool failed);
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

  // The reference lasts until forget() of it.
  CallHistory& call(const CallId& id) {
    const auto [found, fresh] = calls_.try_emplace(id);
    if (fresh) found->second.redo = redo_;
    return found->second;
  }
  // What was kept of calls that this process comes back to no more: those at `items` and deeper of `count` steps from
  // `first` on; one call.
  void forget(const std::vector<std::uint32_t>& items, std::uint32_t first, std::uint32_t count);
  void forget(const CallId& id) { calls_.erase(id); }
  const std::optional<RecordBody::Start>& start() const { return start_; }
  bool began() const { return began_; }               // some call of it was attempted, since it began again last
  std::uint32_t records() const { return records_; }  // the highest number
  bool stated() const { return stated_; }             // has a state record
  // Of the last state record, where the run is held or waits.
  const std::optional<Record>& held() const { return held_; }
  // Null where the run never came to it.
  const PauseHistory* pause(const CallId& id) const;
  bool paused() const { return !pauses_.empty(); }
  // Its last state record says that it waits outside of its lane.
  bool outside() const { return held_ && held_->state == RunState::kWaiting; }
  bool passed_brake() const { return passed_brake_; }  // a person let it pass
  bool admitted() const { return admitted_; }          // it waited at a step: its brake had let it begin
  std::uint32_t replays() const { return replays_; }   // how often it began again
  bool completed() const { return completed_; }        // it was delivered or skipped before it began again
  // What a person put in the place of the event's data; null: nothing.
  const std::optional<json::Document>& data() const { return data_; }
  // A call whose outcome is not known, or which failed and took effect; nullptr: none.
  const CallHistory* uncertain() const;

 private:
  Result<void> take(std::span<const Record> records);
  void take(const Record& record, const RecordBody& body);
  void answered(const Record& record, const RecordBody& body);
  void wait(CallHistory& call, const Record& record, const RecordBody& body, Time until);
  void read_again(const CallId& before);
  void take_state(const Record& record, const RecordBody& body);
  void begin_again(const RecordBody& body);

  std::map<CallId, CallHistory> calls_;
  std::map<CallId, PauseHistory> pauses_;
  std::optional<RecordBody::Start> start_;
  std::optional<Record> held_;
  std::optional<CallId> failed_;  // the call of which the run died
  std::uint16_t failed_step_ = 0;
  std::optional<json::Document> data_;
  std::uint32_t records_ = 0, replays_ = 0;
  bool stated_ = false, began_ = false, completed_ = false, redo_ = false, passed_brake_ = false, admitted_ = false;
};

}  // namespace tieline::engine
