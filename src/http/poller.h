// The readiness of many sockets and the deadlines of what waits for them, as one wait of the shard's loop. It must
// never run a callback inside a call that was made on it.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>

#include "async/async.h"

namespace tieline::http {

using SteadyTime = std::chrono::steady_clock::time_point;

// One thread only.
class Poller {
 public:
  // Told what happened on a descriptor: EPOLLIN, EPOLLOUT, EPOLLERR, EPOLLHUP, as long as it is so.
  class Watcher {
   public:
    virtual void ready(std::uint32_t events) = 0;

   protected:
    ~Watcher() = default;
  };

  // Rings once at its time. Must be cleared before it is destroyed.
  class Alarm {
   public:
    virtual void rings() = 0;

   protected:
    virtual ~Alarm() = default;

   private:
    friend class Poller;
    std::multimap<SteadyTime, Alarm*>::iterator place_;
    bool set_ = false;
  };

  explicit Poller(asio::any_io_executor executor);
  ~Poller();  // CHECK: nothing runs
  Poller(const Poller&) = delete;
  Poller& operator=(const Poller&) = delete;

  // The loop has work, and callbacks come, between begin() and end(), which may nest.
  void begin();
  void end();
  std::size_t running() const;

  // Begins to watch `descriptor`, or changes for what and for whom.
  void watch(int descriptor, Watcher& watcher, std::uint32_t events);
  // Closes it, and forgets its watcher.
  void close(int descriptor);

  SteadyTime now() const;
  void set(Alarm& alarm, SteadyTime at);  // also instead of another time
  void clear(Alarm& alarm);               // does nothing when it is not set

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;  // shared, because what it waits for on the executor looks for it later
};

}  // namespace tieline::http
