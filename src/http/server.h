// The HTTP/1.1 server of one shard: the door, the gateway and the admin port stand behind it. It must never hold more
// than its named limits, whatever strangers send.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "async/async.h"
#include "async/clock.h"
#include "core/webhook.h"
#include "http/request_reader.h"

namespace tieline::http {

struct ServerOptions {
  std::string address = "127.0.0.1";  // an IP address, or "localhost"
  std::uint16_t port = 0;             // 0: any free one
  bool reuse_port = false;            // several shards listen on one port (SO_REUSEPORT)
  RequestLimits limits;
  std::size_t connections_max = 10'000;  // beyond it they wait in the kernel; idle ones then make room
  // Of all bodies that are being read or handled: what would come beyond is refused (503), so that strangers, who are
  // known as such only by a whole body's signature, cannot take the memory.
  std::size_t bodies_bytes_max = 64u << 20;
  // Driven by a sweep once a second on the clock, so up to a second later.
  Duration header_timeout = 10s;  // from a request's first byte (or the connection's) to the end of its header → 408
  Duration body_timeout = 30s;    // from there to the end of its body → 408
  Duration idle_timeout = 75s;    // between requests
  Duration write_timeout = 30s;   // for the peer to take a reply
  std::string certificate_file;   // PEM, chain included; empty: no TLS
  std::string key_file;           // PEM
  // Told of each request that is answered here and not by the handler (ServerStats::refused), on the server's thread.
  // May be empty.
  std::function<void(const UnreadRequest&)> on_refused = {};
};

// Answers one request: everything of it but `url`. Cancelled when the server stops beyond its deadline. A reply with
// status 0 closes the connection without an answer.
using Handler = std::function<asio::awaitable<Reply>(InboundRequest)>;

struct ServerStats {
  std::uint64_t connections_accepted = 0;
  std::uint64_t connections_open = 0;
  std::uint64_t requests = 0;  // handed to the handler
  std::uint64_t refused = 0;   // answered here: 400, 408, 413, 417, 431, 503
};

// One thread only: that of its executor.
class HttpServer {
 public:
  // Listens at once. kInvalid when address or certificate cannot be used, kUnavailable when the port cannot be had.
  // `clock` and what `handler` refers to must outlive the server.
  static Result<std::unique_ptr<HttpServer>> listen(asio::any_io_executor executor, ServerOptions options,
                                                    Handler handler, Clock& clock);
  ~HttpServer();  // CHECK: stopped
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  std::uint16_t port() const;  // the bound one
  ServerStats stats() const;

  // Accepts no more, closes idle connections, lets requests under way end until `deadline` and cuts off the rest. On
  // return nothing runs any more.
  asio::awaitable<void> stop(Deadline deadline);

  struct Impl;

 private:
  explicit HttpServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace tieline::http
