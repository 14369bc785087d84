// What tests of flows with steps inside steps share: a scripted vendor, and flows as they are written, run by the
// engine on the store's fake.
#pragma once

#include <algorithm>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/record.h"
#include "engine/shard_fixture.h"
#include "workspace/compile.h"

namespace tieline::workspace {

inline Exchange status(int code, Bytes body = "{}") {
  Exchange exchange;
  exchange.phase = Phase::kAnswered;
  exchange.response = Response{code, {}, std::move(body)};
  return exchange;
}

inline Exchange lost() {
  Exchange exchange;
  exchange.phase = Phase::kSent;
  exchange.error = Error{Code::kUnavailable, "connection reset", {}};
  return exchange;
}

// Answers to one request by script, then with 200 and what was sent.
class Vendor final : public Transport {
 public:
  explicit Vendor(Clock& clock) : clock_(clock) {}
  asio::awaitable<Exchange> send(Request request, Deadline) override {
    const std::string what = request.url.substr(std::string("https://api.example/").size()) + " " + request.body;
    sent.push_back(what);
    for (const auto& [name, value] : request.headers) keys[what].insert(name == "X-Key" ? value : "");
    most_at_once = std::max(most_at_once, ++at_once);
    Exchange exchange = status(200, "{\"got\":" + request.body + "}");
    if (const auto page = pages.find(what); page != pages.end()) exchange = status(200, page->second);
    if (auto& script = scripts[what]; !script.empty()) {
      exchange = script.front();
      script.pop_front();
    }
    if (down.contains(what)) exchange = down[what];
    struct Left {
      std::size_t& count;
      ~Left() { --count; }
    } left{at_once};
    co_await clock_.sleep(latency(what));
    co_return exchange;
  }
  std::size_t count(std::string_view what) const {
    return static_cast<std::size_t>(std::count(sent.begin(), sent.end(), what));
  }
  Duration latency(const std::string& what) const {
    const auto found = latencies.find(what);
    return found == latencies.end() ? Duration(1'000) : found->second;
  }
  void forget() {
    scripts.clear();
    down.clear();
    keys.clear();
    sent.clear();
    most_at_once = 0;
  }
  std::map<std::string, std::deque<Exchange>> scripts;
  std::map<std::string, Exchange> down;
  std::map<std::string, std::string> pages;
  std::map<std::string, Duration> latencies;
  std::map<std::string, std::set<std::string>> keys;
  std::vector<std::string> sent;
  std::size_t at_once = 0, most_at_once = 0;

 private:
  Clock& clock_;
};

class ApiAction final : public Action {
 public:
  ApiAction(const std::string& connection, const std::string& resource, std::string name) : path_(std::move(name)) {
    connection_ = connection;
    name_ = connection + "." + resource + "." + path_;
    safety_ = path_ == "read" || path_ == "list" ? Safety::kSafe
              : path_ == "put"                   ? Safety::kRepeatable
                                                 : Safety::kUnsafe;
    has_idempotency_key_ = path_ == "key";
    url_ = "https://api.example/" + (connection == "api" ? path_ : name_);
    buckets_ = {"calls"};
  }
  Result<Request> render(const json::Document& args, const CallIdentity& identity) const override {
    Request request;
    request.url = url_;
    request.headers = {{"X-Key", identity.key}};
    request.body = json::print(args.root());
    return request;
  }
  Verdict judge(const Exchange& exchange, Time now) const override {
    Verdict verdict;
    verdict.category = classify(exchange, safety_);
    verdict.wait = retry_after(exchange.response.headers, now, std::chrono::hours(1));
    if (verdict.category == Category::kDelivered) {
      verdict.result = *json::parse(exchange.response.body);
      if (path_ == "list") verdict.result = verdict.result.part(verdict.result.root()["data"]);
      verdict.empty = verdict.result.root().is_array() && verdict.result.root().size() == 0;
    }
    verdict.message = "said " + exchange.response.body;
    return verdict;
  }
  Result<std::optional<Request>> next_page(const Request& request, const Exchange& exchange) const override {
    const auto body = json::parse(exchange.response.body);
    const json::Value next = body->root()["next"];
    if (path_ != "list" || !next.is_string()) return std::optional<Request>();
    Request more = request;
    more.url = url_ + std::string(next.as_string());
    return std::optional<Request>(more);
  }
  Result<Request> render_find(const json::Document&, const CallIdentity&) const override { return Request{}; }
  Verdict judge_find(const Exchange&, Time) const override { return {}; }

 private:
  std::string path_, url_;
};

class ApiActions final : public steps::Actions {
 public:
  std::vector<std::string> connections() const override {
    return {"api", "bank", "books", "chat", "crm", "log", "stock"};
  }
  bool loaded(std::string_view) const override { return true; }
  std::vector<std::string> resources(std::string_view) const override {
    return {"things", "deals", "deposits", "entries", "items", "lines", "messages", "orders", "owners"};
  }
  std::vector<std::string> actions(std::string_view, std::string_view) const override {
    return {"read", "list", "put", "make", "key"};
  }
  std::optional<steps::ActionInfo> find(std::string_view connection, std::string_view resource,
                                        std::string_view action) const override {
    auto made = std::make_shared<ApiAction>(std::string(connection), std::string(resource), std::string(action));
    return steps::ActionInfo{.arguments = {}, .other_arguments = true, .action = std::move(made)};
  }
};

class Sources final : public FlowSource {
 public:
  Result<FlowPtr> compile(const std::string&, const std::string&, const std::string&) override { return flow; }
  FlowPtr flow;
};

class NestedFlow : public engine::ShardTest {
 protected:
  // A flow of these steps.
  void start(const std::string& steps) {
    FlowInput input;
    input.name = "f";
    input.file = "flows/f.yaml";
    input.yaml = "on: { webhook: shop }\nretry: { first: 10s, max: 10s, multiplier: 1, tries: 3 }\nsteps:\n" + steps;
    input.zone = "UTC";
    spec::Problems problems;
    const CompiledFlow compiled = compile_flow(input, actions_, problems);
    ASSERT_TRUE(compiled.flow != nullptr) << problems.text();
    sources_.flow = compiled.flow;
    begin();
  }
  void begin() {
    engine::EngineDeps deps{context_.get_executor(), clock_, 7, *store_, *store_, *store_, vendor_, sources_};
    engine_ = std::make_unique<engine::Engine>(deps, limits_);
    engine::EngineConfig config;
    config.flows = {sources_.flow};
    ConnectionInfo api;
    api.name = "api";
    config.connections = {api};
    Result<void> started;
    await(keep(engine_->start(config), &started));
    ASSERT_TRUE(started.has_value());
    settle();
  }
  // `known_`: what is durable of the event's run by then.
  void crash(Position event = Position(1)) {
    kill();
    known_.clear();
    for (const Record& record : records(event)) {
      const auto body = engine::decode(record.body);
      if (record.kind == RecordKind::kOutcome && body->category == Category::kDelivered && !body->items.empty())
        known_.insert(body->action + " " + std::to_string(body->items.front()));
    }
    begin();
  }
  RunStatus run_of(Position event) { return ShardTest::run_of(event).value_or(RunStatus{}); }
  static std::string items(std::size_t count) {
    std::string out;
    for (std::size_t i = 0; i < count; ++i) out += (i == 0 ? "" : ",") + std::to_string(i);
    return "{\"list\":[" + out + "]}";
  }

  Vendor vendor_{clock_};
  ApiActions actions_;
  Sources sources_;
  std::set<std::string> known_;
};

}  // namespace tieline::workspace
