// The port between the door and a connector's webhooks: raw request in, events or a refusal out. Nothing may be parsed
// before its signature was verified on the raw bytes.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/event.h"
#include "core/transport.h"
#include "json/value.h"

namespace tieline {

struct InboundRequest {
  std::string method;
  std::string url;     // as the vendor called it: public_url + target
  std::string target;  // path and query
  Headers headers;
  std::shared_ptr<const std::string> body;
  Time received;
  std::size_t depth_max = json::ParseLimits{}.depth_max;  // how deep its document may be nested
};

struct Reply {
  int status = 200;
  Headers headers;
  Bytes body;
};

// A request that was refused before it was whole, so that no source saw it.
struct UnreadRequest {
  int status = 400;     // what it was answered
  std::string target;   // path and query; empty when they had not come, or could not be read
  std::string message;  // what the sender was told
};

// Why a request was refused: `reason` is a stable word for counters ("bad_signature", "missing_signature",
// "stale_timestamp", "malformed_body", "unknown_connection", "body_too_large", …).
struct Refusal {
  Reply reply;
  std::string reason;
  std::string message;  // for the operator; never the secret, never the expected signature
};

struct Reception {
  std::vector<NewEvent> events;  // may be empty: a heartbeat, a handshake
  // The answer once all events are durable. `{id}` in the body is replaced by the first event's id by the connector
  // itself; a duplicate gets the same reply.
  Reply reply;
};

class WebhookSource {
 public:
  virtual ~WebhookSource() = default;
  virtual const std::string& connection() const = 0;
  virtual tl::expected<Reception, Refusal> receive(const InboundRequest& request) const = 0;
};

}  // namespace tieline
