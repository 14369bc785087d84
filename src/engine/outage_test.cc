// What many runs of several flows do to the systems that they call, and to each other: priorities within a budget, an
// outage as one incident, and targets that are dead, slow or poisoned. On the store's fake, in simulated time.
#include <algorithm>
#include <cstdio>
#include <deque>
#include <functional>
#include <map>

#include "engine/connections.h"
#include "engine/engine_fixture.h"
#include "engine/record.h"

namespace tieline::engine {
namespace {

// Answers as it is told for each path, after as long as that takes; counts what is under way.
class Systems final : public Transport {
 public:
  explicit Systems(Clock& clock) : clock_(clock) {}
  asio::awaitable<Exchange> send(Request request, Deadline) override {
    const std::string path = request.url.substr(request.url.rfind('/') + 1);
    Call call{path, request.body, clock_.instant()};
    calls.push_back(call);
    ++under_way;
    most = std::max(most, under_way);
    struct Over {
      int& count;
      ~Over() { --count; }
    } over{under_way};
    const Duration half = took(call) / 2;
    co_await clock_.sleep(half);
    Exchange exchange = answer(call);
    co_await clock_.sleep(half);
    co_return exchange;
  }
  static Exchange status(int code) {
    Exchange exchange;
    exchange.phase = Phase::kAnswered;
    exchange.response = Response{code, {}, "{}"};
    return exchange;
  }
  static Exchange refused() {
    Exchange exchange;
    exchange.error = Error{Code::kUnavailable, "connect refused", {}};
    return exchange;
  }
  struct Call {
    std::string path;
    Bytes body;
    Instant at;
  };
  std::size_t count(std::string_view path) const {
    return static_cast<std::size_t>(
        std::count_if(calls.begin(), calls.end(), [&](const Call& call) { return call.path == path; }));
  }
  std::function<Exchange(const Call&)> answer = [](const Call&) { return status(200); };
  std::function<Duration(const Call&)> took = [](const Call&) { return Duration(100'000); };
  std::vector<Call> calls;
  int under_way = 0, most = 0;

 private:
  Clock& clock_;
};

class PlainAction final : public Action {
 public:
  PlainAction(std::string connection, std::string path) : path_(std::move(path)) {
    connection_ = std::move(connection);
    name_ = connection_ + "." + path_;
    safety_ = Safety::kRepeatable;
    buckets_ = {"rate", "many"};
  }
  Result<Request> render(const json::Document& args, const CallIdentity&) const override {
    Request request;
    request.method = "PUT";
    request.url = "https://" + connection_ + ".example/" + path_;
    request.body = json::print(args.root());
    return request;
  }
  Verdict judge(const Exchange& exchange, Time now) const override {
    Verdict verdict;
    verdict.category = classify(exchange, safety_);
    verdict.wait = retry_after(exchange.response.headers, now, std::chrono::hours(1));
    verdict.bucket = std::string(find_header(exchange.response.headers, "X-Bucket"));
    if (exchange.phase != Phase::kAnswered) verdict.message = exchange.error.message;
    return verdict;
  }
  Result<std::optional<Request>> next_page(const Request&, const Exchange&) const override {
    return std::optional<Request>();
  }
  Result<Request> render_find(const json::Document&, const CallIdentity&) const override { return Request(); }
  Verdict judge_find(const Exchange& exchange, Time now) const override { return judge(exchange, now); }
  void make_safe() { safety_ = Safety::kSafe; }

 private:
  std::string path_;
};

class PlainCall final : public Step {
 public:
  PlainCall(std::string connection, std::string path)
      : action_(std::make_shared<PlainAction>(std::move(connection), std::move(path))) {
    kind_ = "call";
  }
  asio::awaitable<StepResult> run(RunContext& context) const override {
    CallRequest request;
    request.action = action_;
    request.args = context.input();
    RunContext::CallResult result = co_await context.call(std::move(request));
    co_return result.step;
  }

 private:
  ActionPtr action_;
};

class KeyOf final : public json::Program {
 public:
  KeyOf() : Program("key") {}
  Result<std::vector<json::Document>> run(const json::Document& input, std::span<const json::Document>,
                                          const json::RunLimits&) const override {
    return std::vector<json::Document>{input.part(input.root()["key"])};
  }
};

class OneSource final : public FlowSource {
 public:
  Result<FlowPtr> compile(const std::string& name, const std::string&, const std::string&) override {
    return flows.at(name);
  }
  std::map<std::string, FlowPtr> flows;
};

class Seen final : public EngineObserver {
 public:
  explicit Seen(Clock& clock) : clock_(clock) {}
  void run_ended(const RunInfo& run) override {
    latencies[std::string(run.flow)].push_back(run.latency);
    ended[std::string(run.flow)].push_back(clock_.instant());
    if (run.state == RunState::kDead) ++dead;
  }
  void incident_changed(std::string_view, const Incident& incident) override { incidents.push_back(incident); }
  std::map<std::string, std::vector<Duration>> latencies;
  std::map<std::string, std::vector<Instant>> ended;
  std::vector<Incident> incidents;
  int dead = 0;

 private:
  Clock& clock_;
};

class OutageTest : public ShardTest {
 protected:
  // Takes events of its own name, and calls each "CONNECTION/PATH" in turn.
  std::shared_ptr<Flow> flow(std::string name, std::vector<std::string> calls, Priority priority = Priority::kNormal) {
    auto out = std::make_shared<Flow>();
    out->name = std::move(name);
    out->hash = out->name + "1";
    out->source = "source";
    out->triggers = {{"shop", {out->name}}};
    out->variables = {"event", "vars", "flow", "run"};
    out->priority = priority;
    for (const std::string& call : calls)
      out->steps.push_back(
          std::make_shared<PlainCall>(call.substr(0, call.find('/')), call.substr(call.find('/') + 1)));
    flows_.push_back(out);
    source_.flows[out->name] = out;
    return out;
  }
  void limit(const std::string& connection, std::vector<Bucket> buckets, ActionPtr health = nullptr) {
    ConnectionInfo info;
    info.name = connection;
    info.buckets = std::move(buckets);
    info.health = std::move(health);
    connections_.push_back(std::move(info));
  }
  void start() {
    EngineDeps deps{context_.get_executor(), clock_, 7, *store_, *store_, *store_, systems_, source_};
    deps.observer = &seen_;
    engine_ = std::make_unique<Engine>(deps, limits_);
    EngineConfig config;
    config.flows = flows_;
    config.connections = connections_;
    Result<void> started;
    await(keep(engine_->start(config), &started));
    ASSERT_TRUE(started.has_value()) << started.error().message;
    settle();
  }
  void crash() {
    kill();
    start();
  }
  void post(const std::string& type, int count, const std::string& key = "null") {
    std::vector<NewEvent> events;
    for (int i = 0; i < count; ++i)
      events.push_back(event("{\"n\":" + std::to_string(posted_ + 1) + ",\"key\":" + key + "}", type));
    append(std::move(events));
  }
  ConnectionSnapshot connection(const std::string& name) {
    for (const ConnectionSnapshot& one : engine_->snapshot().connections) {
      if (one.name == name) return one;
    }
    return {};
  }
  std::vector<Incident> stored_incidents() {
    Result<std::vector<Entry>> found;
    await(keep(store_->scan(std::string(kIncidentBucket), "", "", 100), &found));
    std::vector<Incident> out;
    for (const Entry& entry : *found) out.push_back(*decode_incident(entry.value));
    return out;
  }
  static Bucket bucket(std::string name, double count, Duration window, std::uint32_t concurrent = 0) {
    Bucket out;
    out.name = std::move(name);
    out.count = count;
    out.window = window;
    out.concurrent = concurrent;
    return out;
  }
  static double percentile(std::vector<Duration> all, double part) {
    std::sort(all.begin(), all.end());
    const auto at = static_cast<std::size_t>(part * static_cast<double>(all.size() - 1));
    return static_cast<double>(all.at(at).count()) / 1e6;
  }

  Systems systems_{clock_};
  OneSource source_;
  Seen seen_{clock_};
  std::vector<FlowPtr> flows_;
  std::vector<ConnectionInfo> connections_;
};

// 10,000 events, three priorities, one connection of 50/10s and 20 at once, and a double that counts every window.
TEST_F(OutageTest, ThreePrioritiesShareABudgetAndNeverExceedIt) {
  flow("high", {"api/put"}, Priority::kHigh);
  flow("normal", {"api/put"}, Priority::kNormal);
  flow("low", {"api/put"}, Priority::kLow);
  limit("api", {bucket("rate", 50, 10s), bucket("many", 0, 0s, 20)});
  std::deque<Instant> window;
  std::size_t too_many = 0, fullest = 0;
  Prng prng(3);
  systems_.took = [&](const Systems::Call&) {
    return Duration(20'000 + static_cast<std::int64_t>(prng.below(600'000)));
  };
  systems_.answer = [&](const Systems::Call&) {
    const Instant now = clock_.instant();
    while (!window.empty() && window.front() + 10s <= now) window.pop_front();
    window.push_back(now);
    fullest = std::max(fullest, window.size());
    const bool over = window.size() > 50 || systems_.under_way > 20;
    too_many += over ? 1 : 0;
    return Systems::status(over ? 429 : 200);
  };
  start();
  post("high", 3'334);
  post("normal", 3'333);
  post("low", 3'333);
  const Instant begin = clock_.instant();
  // As long as all three wait.
  advance(500s);
  std::map<std::string, std::size_t> early;
  for (const auto& [name, ends] : seen_.ended) early[name] = ends.size();
  for (int i = 0; i < 400 && shown("low").delivered < 3'333; ++i) advance(10s);
  Duration gap{0};
  for (const char* name : {"high", "normal", "low"}) {
    std::vector<Instant>& ends = seen_.ended[name];
    EXPECT_GE(ends.size(), 3'333u) << name;
    Instant last = begin;
    Duration longest{0};
    for (const Instant at : ends) longest = std::max(longest, Duration(at - std::exchange(last, at)));
    gap = std::max(gap, longest);
    std::printf("%-6s: %4zu in the first 500 s, all after %4.0f s, never longer than %.1f s without one\n", name,
                early[name], static_cast<double>((ends.back() - begin).count()) / 1e6,
                static_cast<double>(longest.count()) / 1e6);
  }
  std::printf("%zu calls, %zu answered 429, the fullest window %zu of 50, at most %d of 20 at once\n",
              systems_.calls.size(), too_many, fullest, systems_.most);
  EXPECT_EQ(too_many, 0u);
  EXPECT_EQ(systems_.calls.size(), 10'000u);
  EXPECT_EQ(fullest, 50u);
  EXPECT_LE(systems_.most, 20);
  EXPECT_GT(early["high"], 3 * early["normal"]);
  EXPECT_GT(early["normal"], 3 * early["low"]);
  EXPECT_GT(early["low"], 80u);
  EXPECT_LT(gap, 25s);
  EXPECT_LT(seen_.ended["high"].back(), seen_.ended["normal"].back());
}

TEST_F(OutageTest, AnOutageIsOneIncidentAndBurnsNothing) {
  auto down_flow = flow("down", {"api/put"});
  down_flow->retry.tries = 3;
  down_flow->retry.keep_for = 300s;
  flow("well", {"other/get"});
  bool down = true;
  systems_.answer = [&](const Systems::Call& call) {
    return call.path == "put" && down ? Systems::refused() : Systems::status(200);
  };
  limit("api", {bucket("many", 0, 0s, 16)});
  limit("other", {});
  start();
  post("down", 400, "1");
  advance(1200s);  // four times as long as its policy tries
  EXPECT_EQ(shown("down").held, 400u);
  EXPECT_EQ(seen_.dead, 0);
  // Ten in a row, what was under way with them, and probes further and further apart.
  EXPECT_LE(systems_.calls.size(), 10u + 16u + 12u);
  ASSERT_EQ(stored_incidents().size(), 1u);
  EXPECT_EQ(stored_incidents().front().cause, "connect refused");
  EXPECT_TRUE(connection("api").incident->whole);
  EXPECT_EQ(connection("api").held_in_outage, 400u);
  // Another connection is not concerned.
  post("well", 50);
  advance(5s);
  EXPECT_EQ(shown("well").delivered, 50u);

  const std::size_t before = systems_.count("put");
  crash();  // the incident survives: no run tries by itself, one probe does
  advance(4s);
  EXPECT_LE(systems_.count("put"), before + 1);
  EXPECT_GE(connection("api").held_in_outage, 399u);

  down = false;
  systems_.most = 0;
  std::vector<int> ramp;
  const std::size_t at_end_of_outage = systems_.calls.size();
  for (int i = 0; i < 3'600 && connection("api").incident; ++i) {
    systems_.most = 0;
    advance(100ms);
    if (systems_.calls.size() > at_end_of_outage) ramp.push_back(systems_.most);
  }
  EXPECT_EQ(shown("down").held, 0u);
  EXPECT_EQ(seen_.latencies["down"].size(), 400u);
  EXPECT_EQ(seen_.dead, 0);
  ASSERT_GE(ramp.size(), 4u);
  EXPECT_LE(ramp[0], 1);
  EXPECT_LE(*std::max_element(ramp.begin(), ramp.end()), 16);
  EXPECT_EQ(*std::max_element(ramp.begin(), ramp.end()), 16);
  for (std::size_t i = 1; i < ramp.size(); ++i) EXPECT_LE(ramp[i], std::max(1, ramp[i - 1]) * 3) << i;
  const std::vector<Incident> stored = stored_incidents();
  ASSERT_EQ(stored.size(), 1u);
  EXPECT_TRUE(stored[0].back.has_value());
  ASSERT_TRUE(stored[0].caught_up.has_value());
  EXPECT_GE(*stored[0].caught_up, *stored[0].back);
  EXPECT_EQ(stored[0].runs, 400u);
}

TEST_F(OutageTest, OneFailingActionStopsNeitherTheOthersNorThoseThatNeedItNotYet) {
  flow("bad", {"api/bad"})->retry.tries = 3;
  flow("good", {"api/good"});
  flow("mixed", {"api/good", "api/bad"})->retry.tries = 3;
  bool down = true;
  systems_.answer = [&](const Systems::Call& call) { return Systems::status(call.path == "bad" && down ? 500 : 200); };
  limit("api", {bucket("many", 0, 0s, 16)});
  start();
  post("bad", 100);
  advance(60s);
  EXPECT_EQ(shown("bad").held, 100u);
  const ConnectionSnapshot shown_connection = connection("api");
  ASSERT_TRUE(shown_connection.incident.has_value());
  EXPECT_FALSE(shown_connection.incident->whole);
  EXPECT_EQ(shown_connection.incident->actions, std::vector<std::string>{"api.bad"});
  const std::size_t bad = systems_.count("bad");
  post("good", 200);
  post("mixed", 20);
  advance(20s);
  EXPECT_EQ(shown("good").delivered, 200u);
  EXPECT_EQ(systems_.count("good"), 220u);
  EXPECT_EQ(shown("mixed").held, 20u);
  EXPECT_LE(systems_.count("bad"), bad + 3);
  down = false;
  advance(600s);
  EXPECT_EQ(shown("bad").delivered, 100u);
  EXPECT_EQ(shown("mixed").delivered, 20u);
  EXPECT_EQ(systems_.count("good"), 220u);  // what was done is not done again
  EXPECT_EQ(seen_.dead, 0);
  EXPECT_FALSE(connection("api").incident.has_value());
}

// The run that tries whether the system is back tries with one of its calls, however many it has.
TEST_F(OutageTest, AProbingRunOfManyItemsSendsOneOfThem) {
  std::vector<std::shared_ptr<const Step>> put{std::make_shared<PlainCall>("api", "put")};
  auto each = std::make_shared<TestEach>(std::move(put), kFixedSlots);
  each->concurrency = 8;
  auto many = flow("many", {});
  many->variables.emplace_back("item");
  many->steps.push_back(std::move(each));
  bool down = true;
  systems_.answer = [&](const Systems::Call&) { return down ? Systems::refused() : Systems::status(200); };
  limit("api", {bucket("many", 0, 0s, 16)});
  start();
  std::string list = "[0";
  for (int i = 1; i < 50; ++i) list += "," + std::to_string(i);
  append({event("{\"list\":" + list + "]}", "many")});
  advance(1200s);
  EXPECT_EQ(shown("many").held, 1u);
  // Ten in a row, what was under way with them, and probes further and further apart.
  EXPECT_LE(systems_.calls.size(), 10u + 8u + 12u);
  down = false;
  advance(600s);
  EXPECT_EQ(shown("many").delivered, 1u);
  EXPECT_EQ(seen_.dead, 0);
}

TEST_F(OutageTest, AHealthCallProbesInsteadOfARun) {
  flow("f", {"api/put"});
  auto health = std::make_shared<PlainAction>("api", "health");
  health->make_safe();
  limit("api", {}, health);
  bool down = true;
  systems_.answer = [&](const Systems::Call&) { return down ? Systems::refused() : Systems::status(200); };
  start();
  post("f", 100);
  advance(120s);
  const std::size_t puts = systems_.count("put");
  advance(1200s);
  EXPECT_EQ(systems_.count("put"), puts);
  EXPECT_GE(systems_.count("health"), 5u);
  EXPECT_LE(systems_.count("health"), 15u);
  down = false;
  advance(400s);
  EXPECT_EQ(shown("f").delivered, 100u);
  EXPECT_FALSE(connection("api").incident.has_value());
}

TEST_F(OutageTest, AHealthCallAtItsLimitShutsTheBucketThatTheVendorNames) {
  flow("f", {"api/put"});
  auto health = std::make_shared<PlainAction>("api", "health");
  health->make_safe();
  limit("api", {bucket("rate", 50, 10s), bucket("many", 0, 0s, 8)}, health);
  systems_.answer = [&](const Systems::Call& call) {
    if (call.path != "health") return Systems::refused();
    Exchange limited = Systems::status(429);
    limited.response.headers = {{"Retry-After", "600"}, {"X-Bucket", "rate"}};
    return limited;
  };
  start();
  post("f", 20);
  advance(60s);
  EXPECT_EQ(systems_.count("health"), 1u);
  for (const BucketSnapshot& one : connection("api").buckets)
    EXPECT_EQ(one.blocked > 60s, one.name == "rate") << one.name;
}

// A dead target, one that takes 30 s, a poisoned key: the other flow's runs take what they take alone.
TEST_F(OutageTest, OthersLatencyIsTheirOwn) {
  flow("well", {"well/put"});
  flow("dead", {"dead/put_dead"});
  flow("slow", {"slow/put_slow"});
  auto poisoned = flow("poisoned", {"well/put_poison"});
  poisoned->key = std::make_shared<KeyOf>();
  systems_.answer = [&](const Systems::Call& call) {
    if (call.path == "put_dead") return Systems::refused();
    return Systems::status(call.path == "put_poison" && call.body.find("\"key\":13") != std::string::npos ? 500 : 200);
  };
  systems_.took = [&](const Systems::Call& call) { return Duration(call.path == "put_slow" ? 30s : 100ms); };
  limit("well", {});
  limit("dead", {});
  limit("slow", {bucket("many", 0, 0s, 8)});
  start();
  for (int i = 0; i < 100; ++i) {
    post("well", 1);
    advance(100ms);
  }
  const double alone = percentile(seen_.latencies["well"], 0.95);
  seen_.latencies.clear();
  post("dead", 2'000);
  post("slow", 2'000);
  post("poisoned", 200, "13");
  post("poisoned", 20, "7");
  for (int i = 0; i < 300; ++i) {
    post("well", 1);
    advance(100ms);
  }
  const double beside = percentile(seen_.latencies["well"], 0.95);
  std::printf("95%% of the healthy flow's runs within %.3f s alone, %.3f s beside dead, slow and poisoned ones\n",
              alone, beside);
  EXPECT_EQ(seen_.latencies["well"].size(), 300u);
  EXPECT_LE(beside, alone * 1.1);
  EXPECT_EQ(seen_.latencies["poisoned"].size(), 20u);  // the other key's
}

}  // namespace
}  // namespace tieline::engine
