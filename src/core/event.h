// An event: an immutable thing that happened, as the door received it and the log keeps it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/strong_id.h"
#include "base/time.h"
#include "json/value.h"

namespace tieline {

// Where an event stands in the log: grows, gaps allowed, compared only within one log. 0 is before the first.
using Position = StrongId<struct PositionTag, std::uint64_t>;

enum class Op : std::uint8_t { kOther, kCreated, kUpdated, kDeleted, kSnapshot };
std::string_view op_name(Op op);             // "other", "created", …
Op op_from_name(std::string_view name);      // kOther when unknown
const std::vector<std::string>& op_names();  // for people: "other" last

// What is about to be appended. `source` and `id` together are the dedupe key.
struct NewEvent {
  std::string source;  // the connection's name, or what topic.h says of the engine's own events
  std::string id;
  std::string type;
  std::string subject;  // may be empty
  Op op = Op::kOther;
  std::uint32_t hops = 0;  // how many flows it came through: one more than the event whose run published it
  Time time;               // when it happened, as the vendor says; else when it was received
  Time received;
  std::shared_ptr<const std::string> data;  // a valid JSON text
};

struct Event : NewEvent {
  Position position;
  // What it held is not kept any longer (`keep_payloads`): `data` is null. No flow reads such an event.
  bool data_expired = false;
};
using EventPtr = std::shared_ptr<const Event>;

// The envelope that programs see as `$event`: id source type time subject op key data batch (FLOWS.md §1), and `topic`
// where a flow published it. The source of a record is its CONNECTION.RESOURCE.
json::Document event_envelope(const Event& event, const json::Document& data, json::Value key);

}  // namespace tieline
