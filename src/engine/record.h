// What the engine writes into a record's body: compact JSON, so that the timeline of a run can be read without the
// engine. It must never hold a secret: exchanges pass through redact.h first.
//
// Members by kind of record (absent ones have their default):
//   first record of a run   flow: hash of the flow it is pinned to; started: microseconds since 1970; also in the
//                           kState record with which a person has a run begin again whose journal is damaged
//   kIntent                 call items path action once request
//   kOutcome                call items path action category code message took wait lookup empty outage happened
//                           halved resolved pages together next request response result
//   kState                  call items path action category code message wait until hold answer by redo published
//                           with which an ended run begins again: replay, and what it begins with: flow started data
//   kNote                   call items path action category message and wait, until or hold: what was decided of one
//                           call that waits, while others of its run went on
//                           data by: a person edited the data that the run's next replay works on
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/category.h"
#include "core/journal.h"
#include "core/transport.h"
#include "engine/engine.h"
#include "json/value.h"

namespace tieline::engine {

struct KeptRequest {
  std::string method, url;
  Headers headers;
  std::string body;
};
struct KeptResponse {
  int status = 0;     // 0: no whole answer
  std::string phase;  // "answered", "sent" (something left, no whole answer came), "not sent"
  Headers headers;
  std::string body;
};

// How an outcome came to be known, where it is not the vendor's answer to the attempt.
enum class Resolved : std::uint8_t {
  kAnswer,    // by the answer
  kFound,     // an unanswered attempt was looked for, and it happened
  kNotFound,  // … and it did not
  kDropped,   // `on_unknown: drop`
  kOnce,      // another run made the effect; its result is bound
  kShadow,    // the flow is a shadow: it was rendered, and not sent
  kTable,     // no call: a durable table was read or written
};
std::string_view resolved_name(Resolved resolved);  // "answer", "found", "not found", "dropped", "once", …

// An event of the run's end, as EventLog::find knows it.
struct PublishedEvent {
  std::string source, id;
};

struct RecordBody {
  struct Start {
    std::string flow;  // hash
    Time started;
  };
  std::optional<Start> start;
  std::uint32_t call = 0;            // the how-manieth call of its step
  std::vector<std::uint32_t> items;  // from 0: which item of each `foreach` around it, from the outermost
  std::string path;                  // the same in words, of a call inside other steps: "step 3 › item 17 › step 4"
  std::string action;
  std::string once;  // the evaluated key
  std::optional<Category> category;
  std::string code, message;
  Duration took{0};
  std::optional<Time> until;     // of a pause: the moment of its first time
  std::optional<Duration> wait;  // until the next attempt, or as the vendor asked
  bool lookup = false;
  bool empty = false;
  bool outage = false;    // it failed in an outage of the system, and costs its run nothing
  bool happened = false;  // it failed, and took effect all the same: its answer cannot be read or kept
  bool halved = false;    // refused with items of other runs in it: it goes with fewer, and this costs its run nothing
  Resolved resolved = Resolved::kAnswer;
  std::uint32_t pages = 1;
  std::uint32_t together = 0;  // how many items its request had, where other runs' were among them
  std::string next;            // of one page: as CallRequest::Page::next
  std::optional<KeptRequest> request;
  std::optional<KeptResponse> response;
  std::optional<json::Document> result;  // what was bound
  std::optional<Hold> hold;
  std::optional<HeldAnswer> answer;
  std::string by;
  struct Replay {
    bool start = false;     // from the first step; else from the one that failed
    bool as_now = false;    // with the flow as it was at the replay
    bool damaged = false;   // whatever its journal tells of before
    std::uint64_t job = 0;  // which began it; 0: none
  };
  std::optional<Replay> replay;
  bool redo = false;                      // calls with `once` are made, whatever the table says
  std::optional<json::Document> data;     // the edited data
  std::vector<PublishedEvent> published;  // with the record that ends the run

  // Of an outcome: what a run goes on with. Neither the exchange, nor what a person said.
  RecordBody conclusion() const;
};

Bytes encode(const RecordBody& body);
// kCorrupt when it is not what encode gives; unknown members are passed over.
Result<RecordBody> decode(std::string_view bytes);

}  // namespace tieline::engine
