// What tests of the server share: one that listens, and answers with what it was asked.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "async/manual_clock.h"
#include "async/sync.h"
#include "async/task_group.h"
#include "http/raw_peer.h"
#include "http/server.h"

namespace tieline::http {

struct ServerTest : testing::Test {
  asio::io_context io;
  ManualClock clock{Time(784111777s)};
  TaskGroup group{io.get_executor()};
  Signal release;  // what "/slow" waits for
  std::vector<InboundRequest> seen;
  bool stopped = false;
  std::unique_ptr<HttpServer> server;

  static asio::awaitable<Reply> handle(ServerTest* self, InboundRequest request) {
    Reply reply;
    reply.headers.emplace_back("X-Test", "1");
    if (request.target == "/slow") co_await self->release.wait();
    if (request.target == "/drop") reply.status = 0;
    if (request.target == "/large") {
      reply.body.assign(8u << 20, 'x');
    } else {
      reply.body = request.method + " " + *request.body;
    }
    self->seen.push_back(std::move(request));
    co_return reply;
  }

  void listen(ServerOptions options = {}) {
    auto listening = HttpServer::listen(
        io.get_executor(), std::move(options),
        [this](InboundRequest request) { return handle(this, std::move(request)); }, clock);
    ASSERT_TRUE(listening) << listening.error().text();
    server = std::move(*listening);
  }
  static asio::awaitable<void> stop_server(ServerTest* self, Deadline deadline) {
    co_await self->server->stop(deadline);
    self->stopped = true;
  }
  void TearDown() override {
    if (server && !stopped) {
      group.spawn(stop_server(this, clock.deadline_in(0s)));
      EXPECT_TRUE(pump(io, [&] { return stopped; }));
    }
  }
  RawPeer connect() { return RawPeer::connect(server->port()); }
  bool receives(RawPeer& peer, std::string_view what) {
    return pump(io, [&] { return peer.text().find(what) != std::string::npos; });
  }
  bool ends(RawPeer& peer) {
    return pump(io, [&] { return peer.ended(); });
  }
  void settle() {
    pump(io, [this] { return io.poll() == 0; });
  }
};

inline const std::string kPost = "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc";

}  // namespace tieline::http
