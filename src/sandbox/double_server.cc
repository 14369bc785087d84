#include "sandbox/double_server.h"

#include "http/server.h"

namespace tieline::sandbox {

DoubleServer::DoubleServer(std::unique_ptr<Double> vendor) : vendor_(std::move(vendor)) {}
DoubleServer::~DoubleServer() = default;

Result<std::unique_ptr<DoubleServer>> DoubleServer::start(asio::any_io_executor executor,
                                                          std::unique_ptr<Double> vendor, Clock& clock,
                                                          std::uint16_t port) {
  std::unique_ptr<DoubleServer> self(new DoubleServer(std::move(vendor)));
  http::ServerOptions options;
  options.port = port;
  Double* served = self->vendor_.get();
  const auto handler = [served](InboundRequest request) { return served->serve(std::move(request)); };
  TRY(self->server_, http::HttpServer::listen(std::move(executor), std::move(options), handler, clock));
  return self;
}

std::uint16_t DoubleServer::port() const { return server_->port(); }
std::string DoubleServer::url() const { return "http://127.0.0.1:" + std::to_string(port()); }
asio::awaitable<void> DoubleServer::stop(Deadline deadline) { return server_->stop(deadline); }

}  // namespace tieline::sandbox
