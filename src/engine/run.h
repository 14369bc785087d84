// One run in memory, and what its work on it came to.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "async/sync.h"
#include "base/text.h"
#include "core/event.h"
#include "core/flow.h"
#include "core/journal.h"
#include "engine/history.h"
#include "engine/record.h"

namespace tieline::engine {

struct Run {
  RunId id;
  EventPtr event;
  FlowPtr flow;
  json::Document data;  // of the event
  json::Document key;
  std::uint64_t lane = 0;
  std::optional<Error> broken;  // its key does not evaluate: dead as soon as it works
  bool unwanted = false;        // no trigger's filter lets its event through: it is no run
  RunHistory history;
  std::uint32_t records = 0;  // the highest number used
  bool appending = false;     // a record of it is on its way into the store
  bool stated = false;        // a state record is appended: the event is settled for the cursor
  bool working = false;
  bool resumed = false;                     // came back from the journal, and fills no place of the window
  bool brake_released = false;              // a person let go all that the flow's brake held
  std::optional<Position> superseded_by{};  // the newest run behind it, where its flow works on the newest only
  std::optional<Time> started;
  // Where several of its calls may be under way at once: records are appended one after the other.
  std::unique_ptr<Gate> turns;
  std::vector<NewEvent> published;  // so far (outbox.h)
  std::size_t published_bytes = 0;
  std::vector<KeyPut> puts;          // that become visible with its end, where it completes
  std::string words;                 // for the timeline: what it came to, where it is delivered; or empty
  std::vector<Concealed> concealed;  // secrets that it has made, in this pass: all of its scopes see them
  std::size_t items = 0;  // that its `foreach` steps have met, all of them together, since it came into memory
};

inline constexpr std::size_t kSummaryBytesMax = 300;
// `text` as a summary says it: without line breaks and other control characters, and cut.
inline std::string one_line(std::string_view text) { return truncated(without_controls(text), kSummaryBytesMax); }

// Where a run goes when its work ends. What it is called with is journaled by the runner.
struct Transition {
  enum class Kind : std::uint8_t {
    kState,      // to `state`
    kAbandoned,  // draining: it goes on after the next start, from what is journaled
    kRefused,    // the store takes no record: again after a while, from what is journaled
  } kind = Kind::kState;
  RunState state = RunState::kDelivered;
  Time due = Time::max();
  std::optional<Hold> hold;
  std::string connection;  // of a hold for authorization
  std::string summary;
  std::uint16_t step = 0, attempt = 0;
  RecordBody body;
  bool behind = false;  // kRetrying only because another call of the same run has not ended
};

}  // namespace tieline::engine
