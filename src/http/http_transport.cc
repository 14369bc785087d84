// What requests share, and the coroutine that waits for one.
#include "http/http_transport.h"

#include <utility>

#include "http/transfer.h"

namespace tieline::http {

struct HttpTransport::Impl {
  Impl(asio::any_io_executor executor, Clock& clock, ClientOptions options)
      : shared(std::move(executor), clock, std::move(options)) {}
  TransferParts shared;
};

HttpTransport::HttpTransport(asio::any_io_executor executor, Clock& clock, ClientOptions options)
    : impl_(std::make_unique<Impl>(std::move(executor), clock, std::move(options))) {}

HttpTransport::~HttpTransport() = default;

asio::awaitable<Exchange> HttpTransport::send(Request request, Deadline deadline) {
  TransferParts& shared = impl_->shared;
  const Instant begin = shared.clock.instant();
  Transfer transfer(std::move(request), shared);
  transfer.start(begin, deadline);
  if (!transfer.ended()) co_await transfer.wait();
  Exchange out = transfer.finish();
  out.took = shared.clock.instant() - begin;
  co_return out;
}

}  // namespace tieline::http
