// Serves a double over HTTP on loopback. It must never listen on another address: a double takes any client's word.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "async/async.h"
#include "async/clock.h"
#include "sandbox/double.h"

namespace tieline::http {
class HttpServer;
}

namespace tieline::sandbox {

// One thread only: that of its executor. Await stop() before destroying it.
class DoubleServer {
 public:
  // Listens at once on 127.0.0.1:`port` (0: any free one). kUnavailable when the port cannot be had.
  static Result<std::unique_ptr<DoubleServer>> start(asio::any_io_executor executor, std::unique_ptr<Double> vendor,
                                                     Clock& clock, std::uint16_t port = 0);
  ~DoubleServer();
  DoubleServer(const DoubleServer&) = delete;
  DoubleServer& operator=(const DoubleServer&) = delete;

  std::uint16_t port() const;
  std::string url() const;  // "http://127.0.0.1:PORT"
  Double& vendor() { return *vendor_; }
  // Lets requests under way end until `deadline` and cuts off the rest.
  asio::awaitable<void> stop(Deadline deadline);

 private:
  explicit DoubleServer(std::unique_ptr<Double> vendor);
  std::unique_ptr<Double> vendor_;
  std::unique_ptr<http::HttpServer> server_;
};

}  // namespace tieline::sandbox
