// What tests of the whole engine stand on: a scripted vendor, and flows of steps that call it.
#pragma once

#include <algorithm>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/shard_fixture.h"

namespace tieline::engine {

// Answers by script, then with 200; remembers what it was sent.
class ScriptedTransport final : public Transport {
 public:
  explicit ScriptedTransport(Clock& clock) : clock_(clock) {}
  asio::awaitable<Exchange> send(Request request, Deadline) override {
    sent.push_back(request);
    left.push_back(clock_.now());
    Exchange exchange;
    exchange.phase = Phase::kAnswered;
    exchange.response.status = 200;
    exchange.response.body = "{\"id\":" + std::to_string(sent.size()) + "}";
    if (!script.empty()) {
      exchange = script.front();
      script.pop_front();
    } else if (answer) {
      exchange = answer(request);
    } else if (const auto fixed = by_path.find(request.url.substr(request.url.rfind('/'))); fixed != by_path.end()) {
      exchange = fixed->second;
    }
    co_await clock_.sleep(latency);
    co_return exchange;
  }
  std::size_t count(std::string_view path) const {
    return static_cast<std::size_t>(std::count_if(sent.begin(), sent.end(), [&](const Request& request) {
      return std::string_view(request.url).ends_with(path);
    }));
  }
  std::deque<Exchange> script;
  std::map<std::string, Exchange> by_path;
  std::function<Exchange(const Request&)> answer;
  std::vector<Request> sent;
  std::vector<Time> left;  // when each of them did
  Duration latency{1'000};

 private:
  Clock& clock_;
};

inline Exchange status(int code, Headers headers = {}, Bytes body = "{}") {
  Exchange exchange;
  exchange.phase = Phase::kAnswered;
  exchange.response = Response{code, std::move(headers), std::move(body)};
  return exchange;
}

inline Exchange lost() {
  Exchange exchange;
  exchange.phase = Phase::kSent;
  exchange.error = Error{Code::kUnavailable, "connection reset", {}};
  return exchange;
}

struct ActionSpec {
  Safety safety = Safety::kRepeatable;
  bool find = false, key = false;
  std::size_t pages = 1;
  Duration key_keep{0};
  std::size_t items = 0;  // it takes up to so many, in `rows`, and answers with a status for each
};

class TestAction final : public Action {
 public:
  static constexpr const char* kBucket = "calls";  // without a limit unless a test configures one
  TestAction(std::string path, ActionSpec spec) : path_(std::move(path)), pages_(spec.pages) {
    name_ = "api." + path_;
    connection_ = "api";
    safety_ = spec.safety;
    has_find_ = spec.find;
    has_idempotency_key_ = spec.key;
    settle_ = 2s;
    idempotency_keep_ = spec.key_keep;
    if (spec.items > 0) {
      items_arg_ = "rows";
      items_max_ = spec.items;
    }
    buckets_ = {kBucket};
  }
  Result<Request> render(const json::Document& args, const CallIdentity& identity) const override {
    if (args.root()["bad"].truthy()) return failure(Code::kInvalid, name_ + ": bad does not fit");
    Request request;
    request.method = "POST";
    request.url = "https://api.example/" + path_;
    request.headers = {
        {"Authorization", "Bearer hush-hush"}, {"X-Key", identity.key}, {"X-Now", format_time(identity.now)}};
    request.body = json::print(args.root());
    request.secrets = {"hush-hush"};
    return request;
  }
  Verdict judge(const Exchange& exchange, Time now) const override {
    Verdict verdict;
    verdict.category = classify(exchange, safety_);
    verdict.wait = retry_after(exchange.response.headers, now, std::chrono::hours(1));
    if (verdict.category == Category::kDelivered) {
      auto result = json::parse(exchange.response.body);
      if (!result) {
        verdict.category = Category::kValidation;
        verdict.happened = safety_ != Safety::kSafe;
        verdict.message = "the call was made, and its answer cannot be read";
        return verdict;
      }
      verdict.result = std::move(*result);
      verdict.empty = verdict.result.root().is_array() && verdict.result.root().size() == 0;
    }
    verdict.message = "said " + exchange.response.body;
    if (const auto body = json::parse(exchange.response.body); body && verdict.category != Category::kDelivered)
      verdict.code = std::string(body->root()["code"].as_string());
    return verdict;
  }
  std::vector<Verdict> judge_items(const Exchange& exchange, json::Value items) const override {
    const auto answers = json::parse(exchange.response.body);
    std::vector<Verdict> out(items.size());
    for (std::size_t i = 0; i < out.size(); ++i) {
      const json::Value one = answers->root().at(i);
      out[i].category = classify(status(static_cast<int>(one["status"].as_int64().value_or(0))), safety_);
      out[i].message = std::string(one["error"].as_string());
      out[i].result = answers->part(one);
    }
    return out;
  }
  std::vector<Spend> spends(const json::Document& args) const override {
    const json::Value cost = args.root()["cost"];
    return {{kBucket, std::string(args.root()["channel"].as_string()), cost.is_number() ? cost.as_double() : 1}};
  }
  std::vector<BudgetReading> observe(const Exchange& exchange, const json::Document& args) const override {
    const std::string used(find_header(exchange.response.headers, "X-Used"));
    if (used.empty()) return {};
    BudgetReading reading;
    reading.bucket = kBucket;
    reading.key = std::string(args.root()["channel"].as_string());
    reading.used = std::stod(used);
    return {reading};
  }
  Result<std::optional<Request>> next_page(const Request& request, const Exchange&) const override {
    const std::size_t page =
        request.url.back() >= '1' && request.url.back() <= '9' ? static_cast<std::size_t>(request.url.back() - '0') : 1;
    if (page >= pages_) return std::optional<Request>();
    Request next = request;
    next.url = "https://api.example/" + path_ + std::to_string(page + 1);
    return std::optional<Request>(next);
  }
  Result<Request> render_find(const json::Document&, const CallIdentity&) const override {
    Request request;
    request.url = "https://api.example/find";
    return request;
  }
  Verdict judge_find(const Exchange& exchange, Time now) const override { return judge(exchange, now); }

 private:
  std::string path_;
  std::size_t pages_;
};

class TestCall final : public Step {
 public:
  TestCall(std::string path, ActionSpec spec) : action_(std::make_shared<TestAction>(std::move(path), spec)) {
    kind_ = "call";
  }
  asio::awaitable<StepResult> run(RunContext& context) const override {
    CallRequest request;
    request.action = action_;
    request.args = from_bound ? context.variables()[kFixedSlots] : context.input();
    request.one_item = !action_->items_arg().empty() && !request.args.root().has(action_->items_arg());
    if (request.one_item) {
      json::Builder one;
      one.begin_object().key(action_->items_arg()).begin_array().copy(request.args.root()).end_array();
      if (const json::Value channel = request.args.root()["channel"]; channel.is_string())
        one.key("channel").copy(channel);
      request.args = one.end_object().finish();
    }
    request.on = &on;
    request.on_unknown = on_unknown;
    request.on_replay = on_replay;
    if (once) request.once = std::string(context.input().root()["once"].as_string());
    RunContext::CallResult result = co_await context.call(std::move(request));
    if (result.step.kind == StepResult::Kind::kNext) context.bind(kFixedSlots, result.value);
    co_return result.step;
  }
  std::vector<AnswerRule> on;
  OnUnknown on_unknown = OnUnknown::kHold;
  OnReplay on_replay = OnReplay::kAgain;
  bool once = false;
  bool from_bound = false;  // the last result is what it sends

 private:
  ActionPtr action_;
};

// A `foreach` over `list` of its data, or over the pages of a safe call; `with` sets what else it asks for.
class TestEach final : public Step {
 public:
  TestEach(std::vector<std::shared_ptr<const Step>> steps, std::size_t item_slot) : item_slot_(item_slot) {
    kind_ = "foreach";
    for (const auto& one : steps) size_ += one->size();
    list_.steps = std::move(steps);
  }
  asio::awaitable<StepResult> run(RunContext& context) const override {
    EachRequest request;
    request.list = context.input().part(context.input().root()["list"]);
    if (pages) {
      request.pages.emplace();
      request.pages->action = pages;
      request.pages->args = context.input();
    }
    request.steps = &list_;
    request.item_slot = request.index_slot = item_slot_;
    request.concurrency = concurrency;
    RunContext::EachResult result = co_await context.each(std::move(request));
    co_return std::move(result.step);
  }
  ActionPtr pages;
  std::uint32_t concurrency = 1;

 private:
  StepList list_;
  std::size_t item_slot_;
};

class Member final : public json::Program {
 public:
  explicit Member(std::string name) : Program(std::move(name)) {}
  Result<std::vector<json::Document>> run(const json::Document& input, std::span<const json::Document>,
                                          const json::RunLimits&) const override {
    if (input.root()["fail"].truthy()) return failure(Code::kInvalid, "it fails");
    return std::vector<json::Document>{input.part(input.root()[source()])};
  }
};

class NoSource final : public FlowSource {
 public:
  Result<FlowPtr> compile(const std::string&, const std::string& hash, const std::string&) override {
    const auto found = known.find(hash);
    if (found == known.end()) return failure(Code::kInvalid, "it does not compile");
    return found->second;
  }
  std::map<std::string, FlowPtr> known;
};

class EngineTest : public ShardTest {
 protected:
  std::shared_ptr<TestCall> step(std::string path, ActionSpec spec = {}) {
    return std::make_shared<TestCall>(std::move(path), spec);
  }
  std::shared_ptr<Flow> flow(std::vector<std::shared_ptr<const Step>> steps, bool keyed = false) {
    auto out = std::make_shared<Flow>();
    out->name = "f";
    out->hash = "h1";
    out->source = "source";
    out->triggers = {{"shop", {"order"}}};
    out->variables = {"event", "vars", "flow", "run", "result"};
    out->steps = std::move(steps);
    if (keyed) out->key = std::make_shared<Member>("key");
    out->retry.first = 10s;
    out->retry.max = 100s;
    out->retry.tries = 3;
    return out;
  }
  void start(std::vector<FlowPtr> flows) {
    flows_ = std::move(flows);
    Clock& clock = engine_clock_ != nullptr ? *engine_clock_ : clock_;
    EngineDeps deps{context_.get_executor(), clock, 7, *store_, *store_, *store_, transport_, source_};
    deps.secrets = secrets_;
    deps.faults = faults_;
    deps.observer = observer_;
    engine_ = std::make_unique<Engine>(deps, limits_);
    Result<void> started;
    await(keep(engine_->start(config()), &started));
    ASSERT_TRUE(started.has_value()) << started.error().message;
    settle();
  }
  EngineConfig config() const {
    EngineConfig config;
    config.flows = flows_;
    ConnectionInfo api;
    api.name = "api";
    api.buckets = buckets_;
    config.connections = {api};
    return config;
  }
  // Kills the process and starts another one on what was durable.
  void crash() {
    kill();
    start(flows_);
  }
  // The same; the engine looks at another clock from then on.
  void crash_onto(Clock& clock) {
    engine_clock_ = &clock;
    crash();
  }
  RunState state(Position event) {
    const auto found = run_of(event);
    EXPECT_TRUE(found.has_value()) << "no run on event " << event.value;
    return found ? found->state : RunState::kDiscarded;
  }

  // The connection's one budget. Before start().
  void limit(double count, Duration window) {
    Bucket bucket;
    bucket.name = TestAction::kBucket;
    bucket.count = count;
    bucket.window = window;
    buckets_ = {bucket};
  }
  std::string summary(Position event) {
    const auto found = run_of(event);
    return found ? found->summary : "no run";
  }
  FlowSnapshot snapshot() const { return engine_->snapshot().flows.at(0); }

  Clock* engine_clock_ = nullptr;  // where it is not that one
  ScriptedTransport transport_{clock_};
  NoSource source_;
  const SecretSource* secrets_ = nullptr;
  EngineFaults faults_;
  EngineObserver* observer_ = nullptr;
  std::vector<FlowPtr> flows_;
  std::vector<Bucket> buckets_;
};

inline constexpr ActionSpec kUnsafeSpec{Safety::kUnsafe, false, false, 1, Duration(0)};

}  // namespace tieline::engine
