// An epoll set of our own, itself watched by the executor's reactor: a wake brings up to 64 events for three system
// calls, and a connection that serves one request after another costs none to be waited for.
#include "http/poller.h"

#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <array>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <utility>
#include <vector>

#include "base/check.h"

namespace tieline::http {
namespace {

constexpr int kEventsAtOnce = 64;

}  // namespace

struct Poller::Impl : std::enable_shared_from_this<Impl> {
  struct Watched {
    Watcher* watcher = nullptr;
    std::uint32_t events = 0;
    std::uint32_t generation = 0;  // a descriptor's number is soon another socket's
  };

  explicit Impl(asio::any_io_executor executor)
      : set(std::move(executor)), timer(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK)) {
    const int descriptor = ::epoll_create1(EPOLL_CLOEXEC);
    CHECK(descriptor >= 0 && timer >= 0);
    set.assign(descriptor);
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = number(timer);
    CHECK(::epoll_ctl(descriptor, EPOLL_CTL_ADD, timer, &event) == 0);
  }
  ~Impl() { ::close(timer); }

  static std::uint64_t number(int descriptor, std::uint32_t generation = 0) {
    return std::uint64_t{generation} << 32 | static_cast<std::uint32_t>(descriptor);
  }

  void wait() {
    if (waiting || running == 0) return;
    waiting = true;
    set.async_wait(asio::posix::stream_descriptor::wait_read,
                   [weak = weak_from_this()](const boost::system::error_code&) {
                     auto self = weak.lock();
                     if (!self) return;
                     self->waiting = false;
                     if (self->running == 0) return;
                     self->handling = true;
                     self->handle_events();
                     self->handling = false;
                     self->wait();
                   });
  }

  void handle_events() {
    std::array<epoll_event, kEventsAtOnce> events;
    const int count = ::epoll_wait(set.native_handle(), events.data(), kEventsAtOnce, 0);
    bool time_came = false;
    for (int i = 0; i < count; ++i) {
      const epoll_event& event = events[static_cast<std::size_t>(i)];
      const auto descriptor = static_cast<int>(static_cast<std::uint32_t>(event.data.u64));
      if (descriptor == timer) {
        time_came = true;
        continue;
      }
      const Watched& one = watched[static_cast<std::size_t>(descriptor)];
      // Closed by an earlier event of this batch.
      if (one.watcher == nullptr || number(descriptor, one.generation) != event.data.u64) continue;
      one.watcher->ready(event.events);
    }
    if (time_came) ring();
  }

  void ring() {
    std::uint64_t times = 0;
    [[maybe_unused]] const auto read = ::read(timer, &times, sizeof times);
    armed = SteadyTime::max();
    const SteadyTime now = std::chrono::steady_clock::now();
    while (!alarms.empty() && alarms.begin()->first <= now) {
      Alarm* alarm = alarms.begin()->second;
      alarms.erase(alarms.begin());
      alarm->set_ = false;
      alarm->rings();
    }
    if (!alarms.empty()) arm(alarms.begin()->first);
  }

  // A timer that is armed for an earlier moment stays: it looks again when it fires. Most deadlines never come.
  void arm(SteadyTime at) {
    if (armed <= at) return;
    armed = at;
    const auto since = std::max(at.time_since_epoch(), std::chrono::nanoseconds(1));
    const auto seconds = std::chrono::floor<std::chrono::seconds>(since);
    itimerspec when{};
    when.it_value.tv_sec = seconds.count();
    when.it_value.tv_nsec = (since - seconds).count();
    CHECK(::timerfd_settime(timer, TFD_TIMER_ABSTIME, &when, nullptr) == 0);
  }

  asio::posix::stream_descriptor set;  // the epoll descriptor
  int timer;
  std::vector<Watched> watched;  // by descriptor
  std::multimap<SteadyTime, Alarm*> alarms;
  SteadyTime armed = SteadyTime::max();
  std::size_t running = 0;
  bool waiting = false, handling = false;
};

Poller::Poller(asio::any_io_executor executor) : impl_(std::make_shared<Impl>(std::move(executor))) {}
Poller::~Poller() { CHECK(impl_->running == 0 && impl_->alarms.empty()); }

void Poller::begin() {
  ++impl_->running;
  impl_->wait();
}

void Poller::end() {
  // A wait that stayed would keep the loop from ending.
  if (--impl_->running == 0 && impl_->waiting && !impl_->handling) impl_->set.cancel();
}

std::size_t Poller::running() const { return impl_->running; }

void Poller::watch(int descriptor, Watcher& watcher, std::uint32_t events) {
  const auto index = static_cast<std::size_t>(descriptor);
  if (impl_->watched.size() <= index) impl_->watched.resize(index + 1);
  Impl::Watched& one = impl_->watched[index];
  const bool known = std::exchange(one.watcher, &watcher) != nullptr;
  if (known && one.events == events) return;
  one.events = events;
  epoll_event event{};
  event.events = events;
  event.data.u64 = Impl::number(descriptor, one.generation);
  CHECK(::epoll_ctl(impl_->set.native_handle(), known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, descriptor, &event) == 0);
}

void Poller::close(int descriptor) {
  const auto index = static_cast<std::size_t>(descriptor);
  if (index < impl_->watched.size()) {
    Impl::Watched& one = impl_->watched[index];
    // Closing alone would not take it out of the set while another descriptor stands for the same file.
    if (one.watcher != nullptr) ::epoll_ctl(impl_->set.native_handle(), EPOLL_CTL_DEL, descriptor, nullptr);
    one.watcher = nullptr;
    ++one.generation;
  }
  ::close(descriptor);
}

SteadyTime Poller::now() const { return std::chrono::steady_clock::now(); }

void Poller::set(Alarm& alarm, SteadyTime at) {
  clear(alarm);
  alarm.place_ = impl_->alarms.emplace_hint(impl_->alarms.end(), at, &alarm);
  alarm.set_ = true;
  impl_->arm(impl_->alarms.begin()->first);
}

void Poller::clear(Alarm& alarm) {
  if (!std::exchange(alarm.set_, false)) return;
  impl_->alarms.erase(alarm.place_);
}

}  // namespace tieline::http
