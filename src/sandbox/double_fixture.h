// For tests: a double with the rules of its vendor's manifest, asked without a socket on a clock moved by hand.
#pragma once

#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>

#include "async/manual_clock.h"
#include "async/task_group.h"
#include "sandbox/double.h"

namespace tieline::sandbox {

inline VendorRules manifest_rules(const std::string& vendor, const std::map<std::string, std::string>& variables = {}) {
  const std::string file = "connectors/" + vendor + ".yaml";
  std::ifstream in(file);
  auto rules = parse_rules(std::string(std::istreambuf_iterator<char>(in), {}), file, variables);
  EXPECT_TRUE(rules) << rules.error().text();
  return rules ? *rules : VendorRules{};
}

// Any request has the credentials and the content type that its vendor wants, unless `headers` says otherwise.
class DoubleTest : public testing::Test {
 protected:
  void use(const std::string& vendor, DoubleOptions options = {}) {
    if (options.rules.actions.empty()) options.rules = manifest_rules(vendor);
    const bool form = vendor == "stripe";
    headers = {{"Host", "127.0.0.1:1"},
               {"Content-Type", form ? "application/x-www-form-urlencoded" : "application/json"}};
    headers.emplace_back(vendor == "shopify" ? "X-Shopify-Access-Token" : "Authorization",
                         vendor == "shopify" ? "any" : "Bearer any");
    vendor_double = make_double(vendor, std::move(options), clock);
    ASSERT_NE(vendor_double, nullptr);
  }

  static asio::awaitable<void> serve(DoubleTest* self, InboundRequest request) {
    self->reply = co_await self->vendor_double->serve(std::move(request));
    self->answered = true;
  }
  // Begins; `answered` says whether it is over.
  void begin(std::string method, std::string target, std::string body = {}) {
    InboundRequest request{.method = std::move(method), .target = std::move(target), .headers = headers};
    request.body = std::make_shared<const std::string>(std::move(body));
    answered = false;
    group.spawn(serve(this, std::move(request)));
    poll();
  }
  void poll() {
    io.restart();
    io.poll();
  }
  int ask(std::string method, std::string target, std::string body = {}) {
    begin(std::move(method), std::move(target), std::move(body));
    EXPECT_TRUE(answered);
    auto parsed = json::parse(reply.body);
    answer = parsed ? *parsed : json::Document();
    return reply.status;
  }
  // What stands at `path` of the last answer, or of the double's state, as JSON.
  std::string at(std::string_view path) const { return json::print(json::find_path(answer.root(), path)); }
  std::string state(std::string_view path) const {
    const json::Document all = vendor_double->state();
    return json::print(json::find_path(all.root(), path));
  }
  std::size_t count(std::string_view path) const {
    const json::Document all = vendor_double->state();
    return json::find_path(all.root(), path).size();
  }
  void TearDown() override {
    bool stopped = false;
    asio::io_context& loop = io;
    TaskGroup closing(loop.get_executor());
    closing.spawn(close(this, &stopped));
    poll();
    EXPECT_TRUE(stopped);
  }
  static asio::awaitable<void> close(DoubleTest* self, bool* stopped) {
    co_await self->group.stop();
    *stopped = true;
  }

  asio::io_context io;
  ManualClock clock{Time(1'793'000'000s)};
  TaskGroup group{io.get_executor()};
  std::unique_ptr<Double> vendor_double;
  Headers headers;
  Reply reply;
  json::Document answer;
  bool answered = false;
};

}  // namespace tieline::sandbox
