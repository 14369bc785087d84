// The one place where coroutines are detached. It must never let an exception other than cancellation disappear.
#include "async/task_group.h"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/system/system_error.hpp>
#include <list>
#include <string>
#include <utility>

#include "async/sync.h"
#include "base/check.h"

namespace tieline {

struct TaskGroup::State {
  explicit State(asio::any_io_executor on) : executor(std::move(on)) {}

  asio::any_io_executor executor;
  std::list<asio::cancellation_signal> tasks;  // one for each that runs
  std::size_t stopping = 0;                    // calls of stop() under way
  Signal idle;
};

namespace {

// co_spawn dispatches, which inside the executor would run the task before spawn() returns.
asio::awaitable<void> start_later(asio::awaitable<void> task) {
  co_await asio::post(asio::use_awaitable);
  co_await std::move(task);
}

void check_outcome(const std::exception_ptr& outcome) {
  if (!outcome) return;
  std::string what;
  try {
    std::rethrow_exception(outcome);
  } catch (const boost::system::system_error& error) {
    if (error.code() == asio::error::operation_aborted) return;
    what = error.what();
  } catch (const std::exception& error) {
    what = error.what();
  } catch (...) {
    what = "an exception of unknown type";
  }
  check_failed(__FILE__, __LINE__, ("a task ended with an exception: " + what).c_str());
}

}  // namespace

TaskGroup::TaskGroup(asio::any_io_executor executor) : state_(std::make_shared<State>(std::move(executor))) {}

TaskGroup::~TaskGroup() { CHECK(running() == 0); }

void TaskGroup::spawn(asio::awaitable<void> task) {
  auto& tasks = state_->tasks;
  auto signal = tasks.emplace(tasks.end());
  auto ended = [state = state_, signal](const std::exception_ptr& outcome) {
    state->tasks.erase(signal);
    check_outcome(outcome);
    if (state->tasks.empty()) state->idle.notify_all();
  };
  asio::co_spawn(state_->executor, start_later(std::move(task)),
                 asio::bind_cancellation_slot(signal->slot(), std::move(ended)));
  if (state_->stopping > 0) signal->emit(asio::cancellation_type::terminal);
}

std::size_t TaskGroup::running() const { return state_->tasks.size(); }

asio::awaitable<void> TaskGroup::stop() {
  struct Stopping {
    State& state;
    explicit Stopping(State& s) : state(s) { ++state.stopping; }
    ~Stopping() { --state.stopping; }
  };
  Stopping stopping(*state_);
  for (auto task = state_->tasks.begin(); task != state_->tasks.end();) {
    auto next = std::next(task);  // a task may end, and so leave the list, inside emit
    task->emit(asio::cancellation_type::terminal);
    task = next;
  }
  co_await drain();
}

asio::awaitable<void> TaskGroup::drain() {
  while (running() > 0) co_await state_->idle.wait();
}

}  // namespace tieline
