// The HTTP client of one shard: kept connections, TLS and a reader of answers on the shard's own loop. It must never
// send a request twice that is not repeatable, follow a redirect, or dial a private address unasked.
#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "async/async.h"
#include "async/clock.h"
#include "core/transport.h"

namespace tieline::http {

struct ClientOptions {
  std::string ca_file;                     // PEM of the authorities to trust instead of the system's
  std::string user_agent;                  // unless the request has its own
  Duration connect_timeout = 10s;          // of the request's time, at most
  std::size_t kept_connections_max = 256;  // open without use, over all hosts
  Duration kept_connection_age_max = 55s;  // beyond it an unused connection is not used again
  std::size_t response_header_bytes_max = 256u << 10;
};

// HTTP/1.1 over http and https, with no proxy, cookies or redirects. One thread only: that of its executor. A request
// with `private_addresses` never shares a connection with one without.
//
// Connections are used again. When such a one turns out to be closed, a safe or repeatable request (by its method) is
// sent again on a new one at once; any other only when no byte of it had left, else it ends as kSent.
class HttpTransport final : public Transport {
 public:
  HttpTransport(asio::any_io_executor executor, Clock& clock, ClientOptions options = {});
  ~HttpTransport() override;  // CHECK: nothing is under way

  // Error codes: kInvalid (url, method or a header cannot be sent), kDenied (address not allowed, certificate refused),
  // kTimeout, kTooLarge, kUnavailable (all else). Messages name host and port, never path, query or headers.
  // Timeouts count on the machine's clock, whatever `clock` says.
  asio::awaitable<Exchange> send(Request request, Deadline deadline) override;

  struct Impl;

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace tieline::http
