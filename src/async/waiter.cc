// One suspended coroutine, held as the completion handler that resumes it. It must never resume the coroutine inside
// wake() or inside a cancellation: both only post.
#include "async/waiter.h"

#include <boost/asio/append.hpp>
#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/cancellation_type.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/system/error_code.hpp>
#include <optional>
#include <utility>

#include "base/check.h"

namespace tieline {

using boost::system::error_code;

namespace {
// Only coroutines wait here, so the handler has one type and needs no erasure, and no memory of its own.
using CoroutineHandler = asio::async_result<asio::use_awaitable_t<>, void(error_code)>::handler_type;

asio::awaitable<void> nothing_to_wait_for() { co_return; }
}  // namespace

struct Waiter::State {
  std::optional<CoroutineHandler> handler;  // set exactly while the coroutine is suspended here
  bool woken = false;

  void complete(error_code result) {
    CoroutineHandler resumed = std::move(*handler);
    handler.reset();
    asio::post(asio::append(std::move(resumed), result));
  }

  // What async_initiate runs once the coroutine is suspended.
  struct Suspend {
    void operator()(CoroutineHandler handler, const std::shared_ptr<State>& state) const {
      auto slot = asio::get_associated_cancellation_slot(handler);
      state->handler.emplace(std::move(handler));
      if (state->woken) return state->complete({});  // between wait() and its co_await
      if (!slot.is_connected()) return;
      // The slot outlives this suspension, so it must not keep the state, nor reach a later suspension's.
      slot.assign([weak = std::weak_ptr<State>(state)](asio::cancellation_type) {
        auto waiting = weak.lock();
        if (waiting && waiting->handler) waiting->complete(asio::error::operation_aborted);
      });
    }
  };
};

Waiter::Waiter() : state_(std::make_shared<State>()) {}

Waiter::~Waiter() { CHECK(!waiting()); }

asio::awaitable<void> Waiter::wait() {
  if (state_->woken) return nothing_to_wait_for();
  CHECK(!waiting());
  // No coroutine of its own: thousands of these begin a second.
  return asio::async_initiate<const asio::use_awaitable_t<>, void(error_code)>(State::Suspend(), asio::use_awaitable,
                                                                               state_);
}

void Waiter::wake() {
  if (std::exchange(state_->woken, true)) return;
  if (state_->handler) state_->complete({});
}

bool Waiter::waiting() const { return state_->handler.has_value(); }

}  // namespace tieline
