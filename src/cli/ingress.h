// The door's own thread: the HTTP server of webhooks, the door, and their handle on the log. A webhook is answered
// while a flow maps something large; nothing of the door may run on the shard's thread, nor wait for it.
#pragma once

#include <cstdint>
#include <memory>

#include "async/async.h"
#include "async/clock.h"
#include "engine/door.h"
#include "http/server.h"
#include "store/sqlite_store.h"

namespace tieline::cli {

struct IngressOptions {
  engine::DoorOptions door;
  bool drop_events = false;  // keeps nothing: what `make bench` compares with
};

// Made, started and stopped on one thread, the service's; the door's observer is called on the ingress's own.
class Ingress {
 public:
  // `store`, `clock` and `observer` must outlive it.
  Ingress(IngressOptions options, store::SqliteStore& store, Clock& clock, engine::DoorObserver& observer);
  ~Ingress();  // CHECK: not started, or stopped
  Ingress(const Ingress&) = delete;
  Ingress& operator=(const Ingress&) = delete;

  // Listens, and begins to take webhooks in. `options.on_refused` is the door's. The server's errors.
  Result<void> start(http::ServerOptions options);
  // Lets requests under way end until `deadline`, cuts off the rest, ends the thread and lets go of the store; the door
  // stays for its counts. Resumes on the caller's executor.
  asio::awaitable<void> stop(Deadline deadline);

  std::uint16_t port() const;  // after start()
  engine::Door& door();        // for what may be called from any thread

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tieline::cli
