// The open connections of a transport: those in use, and those that are kept for the next request. It must never lend
// one to a request that may not dial what it was dialled for.
#pragma once

#include <cstddef>
#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "async/clock.h"
#include "http/channel.h"
#include "http/poller.h"
#include "http/tls_channel.h"
#include "http/url.h"

namespace tieline::http {

class ConnectionPool;

struct Connection;

// What connections are alike for: scheme, host, port, and whether private addresses may be dialled.
struct Origin {
  bool https = false;
  bool private_addresses = false;
  std::string host;  // lower case, without brackets
  std::uint16_t port = 0;
  TlsSession session;
  std::vector<Connection*> kept;  // the last used one is last
};

struct Connection final : Poller::Watcher {
  Connection(ConnectionPool& p, std::shared_ptr<Origin> to, int socket)
      : pool(p), origin(std::move(to)), descriptor(socket) {}
  void ready(std::uint32_t events) override;

  ConnectionPool& pool;
  const std::shared_ptr<Origin> origin;
  const int descriptor;
  std::unique_ptr<Channel> channel;
  std::string peer;
  Poller::Watcher* user = nullptr;
  Instant kept_since{};
  std::list<Connection>::iterator place;
};

class ConnectionPool {
 public:
  ConnectionPool(Poller& poller, std::size_t kept_max, Duration kept_age_max)
      : poller_(poller), kept_max_(kept_max), kept_age_max_(kept_age_max) {}
  ~ConnectionPool();  // CHECK: none is in use
  ConnectionPool(const ConnectionPool&) = delete;
  ConnectionPool& operator=(const ConnectionPool&) = delete;

  std::shared_ptr<Origin> origin(const Url& url, bool private_addresses);

  // A kept connection whose peer has neither closed it nor said anything since, or null. `user` is told of its events.
  Connection* take(Origin& origin, Poller::Watcher& user, Instant now);
  // A new one, on a descriptor that the pool closes.
  Connection& add(std::shared_ptr<Origin> origin, int descriptor, Poller::Watcher& user);
  // Keeps what is in use for another request; closes what has been kept too long, or is too much.
  void keep(Connection& connection, Instant now);
  void close(Connection& connection);

 private:
  void forget_unused_origins();

  Poller& poller_;
  const std::size_t kept_max_;
  const Duration kept_age_max_;
  std::unordered_map<std::string, std::shared_ptr<Origin>> origins_;
  std::string key_;                    // scratch
  std::list<Connection> used_, kept_;  // kept: the one that has been unused longest is first
};

}  // namespace tieline::http
