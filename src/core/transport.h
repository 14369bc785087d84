// The port through which a call reaches a system: HTTP today. It must say how far a failed exchange came, because that
// decides whether repeating it is safe.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "async/async.h"
#include "async/clock.h"
#include "base/bytes.h"

namespace tieline {

using Headers = std::vector<std::pair<std::string, std::string>>;
// The first value under `name` (ASCII case ignored), or empty.
std::string_view find_header(const Headers& headers, std::string_view name);

struct Request {
  std::string method = "GET";
  std::string url;  // absolute http or https
  Headers headers;
  Bytes body;
  Duration timeout = Duration(30'000'000);  // for the whole exchange
  std::size_t response_bytes_max = 4u << 20;
  // Whether sending it twice does no more than once; as its method says unless set. Such a request is sent again by
  // itself when a kept connection turns out to be dead.
  std::optional<bool> repeatable;
  bool private_addresses = false;    // may it dial loopback, private and link-local addresses
  std::vector<std::string> secrets;  // texts that must not be seen in anything that is kept of this request
};

struct Response {
  int status = 0;
  Headers headers;
  Bytes body;
};

// How far an exchange came.
enum class Phase : std::uint8_t {
  kNotSent,   // no byte of the request left: refused, timed out connecting, DNS, TLS, address not allowed
  kSent,      // something left and no whole answer came: reset, read timeout, answer cut short, answer too large
  kAnswered,  // a whole answer
};

struct Exchange {
  Phase phase = Phase::kNotSent;
  Response response;  // whole with kAnswered; what came of it (status and headers, perhaps) with kSent
  Error error;        // why, unless kAnswered
  Duration took{0};
  std::string peer;  // the dialled address, where known
};

class Transport {
 public:
  virtual ~Transport() = default;
  // Never fails to return an Exchange; ends by min(request.timeout, deadline). A cancelled coroutine unwinds.
  virtual asio::awaitable<Exchange> send(Request request, Deadline deadline) = 0;
};

}  // namespace tieline
