// What decides whether a dispatcher reads: its flow, and whether its subscriber is gone. It must never drop what it has
// not read.
#include "engine/dispatcher.h"

namespace tieline::engine {

void Dispatcher::set_flow(FlowPtr flow) {
  flow_ = std::move(flow);
  if (flow_) {
    last_flow_ = flow_;
    shard_.flows.add(flow_);
  }
  room_.notify_all();
  if (!begun_) return;
  // More may work at once now.
  start_ready();
  start_idle();
}

// Whoever says that it wants no more events is not asked for each of them.
asio::awaitable<void> Dispatcher::pause_if_gone(Run& run, const Transition& end) {
  const auto& last = run.history.call(CallId{{}, end.step, end.body.call}).last;
  if (paused() || !last || last->code != kGoneCode) co_return;
  auto written = co_await shard_.pause(name_, "its subscriber: " + last->message);
  if (!written && written.error().code != Code::kNotFound) shard_.store_failed(written.error());
}

}  // namespace tieline::engine
