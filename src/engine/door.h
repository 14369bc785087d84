// The webhook door: finds the connection's source, has the request verified and decoded, makes its events durable, and
// only then answers. It must never answer 2xx for an event that a crash could lose, nor tell a stranger what exists.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "async/async.h"
#include "async/clock.h"
#include "core/event_log.h"
#include "core/webhook.h"

namespace tieline::engine {

struct DoorOptions {
  std::string public_url;    // what vendors sign and call, without the path
  Duration ack_within = 2s;  // from the call of receive(); then 503, and the vendor tries again
  std::size_t depth_max = json::ParseLimits{}.depth_max;  // of a document; deeper is malformed
  std::string hooks_path = "/hooks/";                     // followed by the connection's name
  std::size_t refusals_max = 256;  // distinct (connection, reason) that are kept; what comes after counts as "other"
};

// Connection's name → its source.
using DoorSources = std::map<std::string, std::shared_ptr<const WebhookSource>, std::less<>>;

// Told of each request's end; on the door's thread.
class DoorObserver {
 public:
  virtual ~DoorObserver() = default;
  // Acknowledged: `events` are in the log, `duplicates` of them were before. `took` is from receive() to its answer.
  virtual void received(std::string_view /*connection*/, std::size_t /*events*/, std::size_t /*duplicates*/,
                        Duration /*took*/) {}
  // Not acknowledged. `connection` is empty when there is none of the name that was called: labels stay bounded.
  virtual void refused(std::string_view /*connection*/, std::string_view /*reason*/) {}
};

struct DoorCounts {
  std::uint64_t received = 0;      // events that are new in the log
  std::uint64_t duplicates = 0;    // events that were in the log already
  std::uint64_t acknowledged = 0;  // requests
  std::uint64_t refused = 0;       // requests
};

// Requests that were not taken in, so that a wrong secret can be diagnosed.
struct RefusalCount {
  std::string connection;  // empty: no connection of that name
  std::string reason;      // a stable word
  std::uint64_t count = 0;
  Time last;
  std::string message;  // of the last one; for the operator only
};

// receive() and count_unread() on one thread only, that of `log`; everything else from any.
class Door {
 public:
  // `log`, `clock` and `observer` (which may be null) must outlive the door.
  Door(DoorOptions options, EventLog& log, Clock& clock, DoorObserver* observer = nullptr);

  // Swaps the connections; requests under way end with the source they began with.
  void configure(DoorSources sources);
  // For what comes from now on.
  void set_options(DoorOptions options);

  // The answer, at the latest soon after ack_within. 405 unless POST; 404 for an unknown connection or path; what the
  // source refuses, as it says; 503 with Retry-After when the events could not be made durable in time.
  asio::awaitable<Reply> receive(InboundRequest request);

  // A request that was refused before it was whole, for the book: 400, 408, 413, 417 or 431.
  void count_unread(const UnreadRequest& request);

  DoorCounts counts() const;
  // Ordered by connection and reason.
  std::vector<RefusalCount> refusals() const;

 private:
  // Swapped as a whole: a request is answered by the one that it began with.
  struct Config {
    DoorOptions options;
    DoorSources sources;
  };
  std::shared_ptr<const Config> config() const;
  asio::awaitable<Reply> take_in(std::shared_ptr<const WebhookSource> source, InboundRequest request,
                                 Duration ack_within);
  Reply refuse_unknown(const Config& config, std::string_view name);
  Reply refuse_append(const std::string& connection, const Error& error);
  void count_refusal(std::string_view connection, std::string_view reason, std::string message);

  EventLog& log_;
  Clock& clock_;
  DoorObserver* const observer_;
  mutable std::mutex mutex_;  // of what follows
  std::shared_ptr<const Config> config_;
  DoorCounts counts_;
  std::map<std::pair<std::string, std::string>, RefusalCount> refusals_;
};

}  // namespace tieline::engine
