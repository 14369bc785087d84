// What tests of the client share: a transport whose peer is a socket that the test reads and writes by hand.
#pragma once

#include <gtest/gtest.h>

#include <deque>
#include <string>
#include <string_view>
#include <utility>

#include "async/manual_clock.h"
#include "async/task_group.h"
#include "http/http_transport.h"
#include "http/raw_peer.h"

namespace tieline::http {

struct Call {
  bool done = false;
  Exchange exchange;
};

// Timeouts count on the machine's clock: those that must come are short, all others are far away.
inline constexpr Duration kShort = 60ms;

struct ClientTest : testing::Test {
  asio::io_context io;
  ManualClock clock{Time{}};
  TaskGroup group{io.get_executor()};
  HttpTransport transport{io.get_executor(), clock};
  RawListener listener;
  std::deque<Call> calls;

  static asio::awaitable<void> run(Transport& transport, Request request, Deadline deadline, Call& call) {
    call.exchange = co_await transport.send(std::move(request), deadline);
    call.done = true;
  }
  Request request(std::string method = "GET", std::string path = "/") {
    Request out;
    out.method = std::move(method);
    out.url = "http://127.0.0.1:" + std::to_string(listener.port()) + path;
    out.private_addresses = true;
    if (out.method == "POST") out.body = "{\"a\":1}";
    return out;
  }
  Call& start(Request what, Deadline deadline = Deadline::never()) {
    Call& call = calls.emplace_back();
    group.spawn(run(transport, std::move(what), deadline, call));
    return call;
  }
  bool finishes(Call& call) {
    return pump(io, [&] { return call.done; });
  }
  RawPeer accept() {
    RawPeer peer;
    pump(io, [&] {
      if (!peer.connected()) peer = listener.accept();
      return peer.connected();
    });
    return peer;
  }
  // Waits for a whole request.
  bool receives(RawPeer& peer, std::string_view what) {
    return pump(io, [&] { return peer.text().find(what) != std::string::npos; });
  }
  std::string where() const { return "127.0.0.1:" + std::to_string(listener.port()); }
};

}  // namespace tieline::http
