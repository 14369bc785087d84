#include "cli/ingress.h"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <optional>
#include <thread>
#include <utility>

#include "async/task_group.h"
#include "async/waiter.h"
#include "base/check.h"
#include "store/discard_log.h"

namespace tieline::cli {

struct Ingress::Impl {
  Impl(IngressOptions options, store::SqliteStore& store, Clock& the_clock, engine::DoorObserver& observer)
      : clock(the_clock),
        tasks(loop.get_executor()),
        shard(store.shard(loop.get_executor())),
        discard(options.drop_events ? std::make_unique<store::DiscardLog>(clock) : nullptr),
        door(std::move(options.door), discard ? static_cast<EventLog&>(*discard) : *shard, clock, &observer) {}

  Clock& clock;
  asio::io_context loop{1};
  std::optional<asio::executor_work_guard<asio::io_context::executor_type>> open;  // while it may be given work
  TaskGroup tasks;
  std::unique_ptr<store::ShardStore> shard;
  std::unique_ptr<store::DiscardLog> discard;
  engine::Door door;
  std::unique_ptr<http::HttpServer> server;
  std::thread thread;

  asio::awaitable<void> close(Deadline deadline) {
    co_await server->stop(deadline);
    co_await shard->stop();
  }
  static asio::awaitable<void> close_and_tell(Impl* self, Deadline deadline, asio::any_io_executor teller,
                                              Waiter* closed) {
    co_await self->close(deadline);
    asio::post(teller, [closed] { closed->wake(); });
  }
};

Ingress::Ingress(IngressOptions options, store::SqliteStore& store, Clock& clock, engine::DoorObserver& observer)
    : impl_(std::make_unique<Impl>(std::move(options), store, clock, observer)) {}

Ingress::~Ingress() { CHECK(!impl_->thread.joinable()); }

Result<void> Ingress::start(http::ServerOptions options) {
  options.on_refused = [this](const UnreadRequest& request) { impl_->door.count_unread(request); };
  const auto to_door = [this](InboundRequest request) { return impl_->door.receive(std::move(request)); };
  TRY(impl_->server, http::HttpServer::listen(impl_->loop.get_executor(), std::move(options), to_door, impl_->clock));
  impl_->open.emplace(impl_->loop.get_executor());
  impl_->thread = std::thread([this] { impl_->loop.run(); });
  return {};
}

asio::awaitable<void> Ingress::stop(Deadline deadline) {
  if (impl_->thread.joinable()) {
    Waiter closed;
    const asio::any_io_executor here = co_await asio::this_coro::executor;
    asio::post(impl_->loop, [self = impl_.get(), deadline, here, &closed] {
      self->tasks.spawn(Impl::close_and_tell(self, deadline, here, &closed));
    });
    co_await closed.wait();
    impl_->open.reset();
    impl_->thread.join();
  } else if (impl_->shard) {
    co_await impl_->shard->stop();
  }
  impl_->server.reset();
  impl_->shard.reset();
}

std::uint16_t Ingress::port() const { return impl_->server->port(); }
engine::Door& Ingress::door() { return impl_->door; }

}  // namespace tieline::cli
