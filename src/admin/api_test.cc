#include "admin/api.h"

#include <gmock/gmock.h>

#include "admin/find.h"
#include "admin/incidents.h"
#include "admin/test_support.h"
#include "core/topic.h"
#include "engine/connections.h"

namespace tieline::admin {
namespace {

using testing::HasSubstr;

struct NoTransport final : Transport {
  asio::awaitable<Exchange> send(Request, Deadline) override { co_return Exchange{}; }
};
struct NoFlows final : FlowSource {
  Result<FlowPtr> compile(const std::string&, const std::string&, const std::string&) override {
    return failure(Code::kInvalid, "no flow here");
  }
};

class ApiTest : public AdminTest {
 protected:
  void SetUp() override {
    const auto started = await(engine.start({}));
    ASSERT_TRUE(started) << started.error().text();
    api.set_ready(true);
  }
  static Async<std::string> reload(ApiTest* self) {
    if (!self->reload_error.empty()) co_return failure(Code::kInvalid, self->reload_error);
    co_return "2 flows";
  }
  static Async<json::Document> verify() {
    json::Builder out;
    co_return out.begin_object().key("corrupt").integer(0).end_object().finish();
  }
  static asio::awaitable<std::optional<Verdict>> check(std::string, Deadline) { co_return std::nullopt; }

  int ask(const std::string& method, const std::string& target, const std::string& body = {}) {
    InboundRequest request{.method = method, .target = target, .headers = headers};
    request.body = std::make_shared<const std::string>(body);
    reply = await(api.handle(std::move(request)));
    const auto parsed = json::parse(reply.body);
    answer = parsed ? *parsed : json::Document();
    return reply.status;
  }
  std::string at(std::string_view path) const { return json::print(json::find_path(answer.root(), path)); }
  void TearDown() override {
    finish(engine.halt());
    finish(health.stop());
    AdminTest::TearDown();
  }

  NoTransport transport;
  NoFlows flows;
  Metrics metrics;
  Health health{io.get_executor(), clock, [](std::string name, Deadline by) { return check(std::move(name), by); }};
  engine::Engine engine{engine::EngineDeps{.executor = io.get_executor(),
                                           .clock = clock,
                                           .log = *store,
                                           .journal = *store,
                                           .state = *store,
                                           .transport = transport,
                                           .flow_source = flows}};
  engine::Door door{{}, *store, clock};
  std::string reload_error, store_refuses;
  std::vector<FlowPtr> workspace_flows;
  Api api{ApiDeps{.clock = clock,
                  .ports = ports(),
                  .engine = engine,
                  .door = door,
                  .metrics = metrics,
                  .health = health,
                  .reload = [this] { return reload(this); },
                  .connections = [] { return std::vector<std::string>{"shopify"}; },
                  .flows = [this] { return workspace_flows; },
                  .store_numbers =
                      [] {
                        return Metrics::StoreNumbers{{"bytes", 4096}};
                      },
                  .store_verify = [] { return verify(); },
                  .store_refuses = [this] { return store_refuses; }}};
  Headers headers{{"Host", "127.0.0.1:8081"}, {"X-Tieline", "1"}};
  Reply reply;
  json::Document answer;
};

TEST_F(ApiTest, RefusesWhatAPageInABrowserCouldSend) {
  const struct {
    const char* name;
    Headers headers;
    const char* method;
    int status;
  } cases[] = {
      {"its own address", {{"Host", "127.0.0.1:8081"}}, "GET", 200},
      {"localhost", {{"Host", "localhost:8081"}}, "GET", 200},
      {"IPv6", {{"Host", "[::1]:8081"}}, "GET", 200},
      {"IPv6 without port", {{"Host", "[::1]"}}, "GET", 200},
      {"a name of a stranger's", {{"Host", "evil.example.com:8081"}}, "GET", 403},
      {"a name that looks like an address", {{"Host", "127.0.0.1.example.com"}}, "GET", 403},
      {"another page's script", {{"Host", "127.0.0.1:8081"}, {"Origin", "https://evil.example.com"}}, "GET", 403},
      {"a form", {{"Host", "127.0.0.1:8081"}}, "POST", 403},
      {"a form with a null origin", {{"Host", "127.0.0.1:8081"}, {"Origin", "null"}, {"X-Tieline", "1"}}, "POST", 403},
      {"a program", {{"Host", "127.0.0.1:8081"}, {"X-Tieline", "1"}}, "POST", 200},
  };
  for (const auto& one : cases) {
    headers = one.headers;
    EXPECT_EQ(ask(one.method, one.method == std::string("GET") ? "/healthz" : "/api/reload"), one.status) << one.name;
  }
}

TEST_F(ApiTest, SaysWhatItDoesNotTake) {
  EXPECT_EQ(ask("PUT", "/api/runs"), 405);
  EXPECT_THAT(at("error"), HasSubstr("GET, HEAD and POST"));
  EXPECT_EQ(ask("GET", "/api/runs?stat=dead"), 400);
  EXPECT_THAT(at("error"), HasSubstr("did you mean"));
  headers = {{"Host", "tieline.internal:8081"}};
  EXPECT_EQ(ask("GET", "/metrics"), 403);
  EXPECT_THAT(at("error"), HasSubstr("the Host header"));
}

TEST_F(ApiTest, SaysWhetherItIsReady) {
  EXPECT_EQ(ask("GET", "/readyz"), 200);
  store_refuses = "the disk has 1 MiB left";
  EXPECT_EQ(ask("GET", "/readyz"), 503);
  EXPECT_EQ(reply.body, "the store refuses: the disk has 1 MiB left\n");
  store_refuses.clear();
  EXPECT_EQ(ask("GET", "/readyz"), 200);
  api.set_ready(false, "draining");
  EXPECT_EQ(ask("GET", "/readyz"), 503);
  EXPECT_EQ(reply.body, "draining\n");
  EXPECT_EQ(ask("GET", "/healthz"), 200);
  EXPECT_EQ(ask("HEAD", "/healthz"), 200);
}

TEST_F(ApiTest, ServesEachPage) {
  EXPECT_EQ(ask("GET", "/health/integrations"), 200);
  EXPECT_EQ(at("status"), "\"healthy\"");
  EXPECT_EQ(ask("GET", "/metrics"), 200);
  EXPECT_THAT(reply.body, HasSubstr("tieline_store_bytes 4096\n"));
  EXPECT_EQ(ask("GET", "/api/store"), 200);
  EXPECT_EQ(at("bytes"), "4096");
  EXPECT_EQ(ask("POST", "/api/store/verify"), 200);
  EXPECT_EQ(at("corrupt"), "0");
  EXPECT_EQ(ask("GET", "/api/status"), 200);
  EXPECT_EQ(at("received"), "0");
  EXPECT_EQ(at("refused"), "[]");
}

TEST_F(ApiTest, StatusCountsWhatTheDoorRefused) {
  InboundRequest stranger{.method = "POST", .target = "/hooks/unknown"};
  stranger.body = std::make_shared<const std::string>("{}");
  EXPECT_EQ(await(door.receive(std::move(stranger))).status, 404);
  ask("GET", "/api/status");
  EXPECT_EQ(at("refused.0.reason"), "\"unknown_connection\"");
  EXPECT_EQ(at("refused.0.count"), "1");
}

TEST_F(ApiTest, AnswersWrongRequestsInWords) {
  const struct {
    const char *method, *target, *body;
    int status;
  } cases[] = {
      {"GET", "/", "", 404},
      {"GET", "/api/nothing", "", 404},
      {"POST", "/api/status", "", 404},
      {"DELETE", "/api/runs", "", 405},
      {"POST", "/api/reload", "{", 400},
      {"GET", "/api/runs?state=helt", "", 400},
      {"GET", "/api/runs?count=many", "", 400},
      {"GET", "/api/runs?after=-1", "", 400},
      {"GET", "/api/runs?since=yesterday", "", 400},
      {"GET", "/api/runs?flow=none", "", 404},
      {"GET", "/api/events/none", "", 404},
      {"GET", "/api/events/%zz", "", 400},
      {"POST", "/api/held/none%2F1", R"({"answer": "perhaps"})", 400},
      {"POST", "/api/held/none%2F1", R"({"answer": "repeat"})", 404},
      {"POST", "/api/held/none", R"({"answer": "repeat"})", 400},
      {"GET", "/api/dead?flw=x", "", 400},
      {"GET", "/api/dead?since=yesterday", "", 400},
      {"GET", "/api/held?flow=none", "", 404},
      {"GET", "/api/links?sistem=x", "", 400},
      {"GET", "/api/links?count=many", "", 400},
      {"GET", "/api/find", "", 400},
      {"GET", "/api/find?value=1042", "", 404},
      {"GET", "/api/find?value=1042&count=0", "", 400},
      {"POST", "/api/jobs", R"({"kind": "repaly", "select": {"all": true}})", 400},
      {"POST", "/api/jobs", R"({"kind": "replay"})", 400},
      {"POST", "/api/jobs", R"({"kind": "replay", "select": {"flw": "x"}})", 400},
      {"POST", "/api/jobs", R"({"kind": "replay", "select": {"flow": "none"}})", 404},
      {"POST", "/api/jobs", R"({"kind": "replay", "select": {"states": ["held"]}})", 400},
      {"POST", "/api/jobs", R"({"kind": "replay", "select": {"states": ["untaken"]}})", 400},
      {"POST", "/api/jobs", R"({"kind": "replay", "select": {"all": true}, "as": "now", "from": "failed"})", 400},
      {"POST", "/api/jobs", R"({"kind": "replay", "select": {"all": true}, "damaged": true})", 400},
      {"POST", "/api/jobs", R"({"kind": "replay", "select": "x"})", 400},
      {"POST", "/api/jobs", R"({"kind": "replay", "select": [{"all": true}]})", 400},
      {"POST", "/api/jobs", R"({"kind": "replay", "select": {}})", 400},
      {"POST", "/api/jobs", R"({"kind": "replay", "select": {"all": false}})", 400},
      {"POST", "/api/jobs", R"({"kind": "replay", "select": {"all": "true"}})", 400},
      {"POST", "/api/jobs", R"({"kind": "replay", "select": {"group": ""}})", 400},
      {"POST", "/api/jobs", R"({"kind": "replay", "select": {"group": 5}})", 400},
      {"POST", "/api/jobs", R"({"kind": "replay", "select": {"flow": null}})", 400},
      {"POST", "/api/jobs", R"({"kind": "replay", "select": {"since": 5}})", 400},
      {"POST", "/api/jobs", R"({"kind": "replay", "select": {"states": ["dead"]}})", 400},
      {"POST", "/api/jobs", R"({"kind": "replay", "select": {"all": true, "states": "dead"}})", 400},
      {"POST", "/api/jobs", R"({"kind": "replay", "select": {"all": true, "states": []}})", 400},
      {"POST", "/api/jobs", R"({"kind": "replay", "select": {"all": true, "states": [5]}})", 400},
      {"POST", "/api/jobs", R"({"kind": "discard", "select": {"all": true, "states": ["delivered"]}})", 400},
      {"POST", "/api/jobs", R"({"kind": "delivered", "select": {"all": true, "states": ["dead"]}})", 400},
      {"POST", "/api/jobs", R"({"kind": "repeat", "select": {"all": true, "states": ["held"]}})", 400},
      {"POST", "/api/jobs", R"({"kind": "replay", "select": {"group": "a", "states": ["delivered"]}})", 400},
      {"POST", "/api/jobs", R"({"kind": "replay", "select": {"category": "validation", "states": ["dead", "stale"]}})",
       400},
      {"POST", "/api/jobs", R"({"kind": "replay", "select": {"category": "validatoin"}})", 400},
      {"GET", "/api/dead?category=validatoin", "", 400},
      {"POST", "/api/jobs", R"({"kind": "replay", "select": {"connection": "a", "states": ["untaken"]}})", 400},
      {"POST", "/api/jobs", R"({"kind": "replay", "select": {"run": "a/1", "flow": "a"}})", 400},
      {"POST", "/api/jobs", R"({"kind": "replay", "select": {"all": true}, "dry_run": "true"})", 400},
      {"POST", "/api/jobs", R"({"kind": "replay", "select": {"all": true}, "redo": 1})", 400},
      {"POST", "/api/jobs", R"({"kind": "replay", "select": {"all": true}, "damaged": "no"})", 400},
      {"POST", "/api/held/none%2F1", R"({"answer": "repeat", "redo": "yes"})", 400},
      {"POST", "/api/held/none%2F1", R"({"answer": "approved"})", 404},
      {"POST", "/api/jobs/7/stop", "", 404},
      {"POST", "/api/dead/none%2F1/edit", R"({"data": {}})", 404},
      {"POST", "/api/dead/none%2F1/edit", R"({})", 400},
  };
  for (const auto& one : cases) {
    EXPECT_EQ(ask(one.method, one.target, one.body), one.status) << one.method << " " << one.target << reply.body;
    if (one.status != 405) {
      EXPECT_NE(at("error"), "null") << one.target;
    }
  }
}

TEST_F(ApiTest, AReloadThatFailsShowsEveryProblem) {
  EXPECT_EQ(ask("POST", "/api/reload"), 200);
  EXPECT_EQ(at("message"), "\"2 flows\"");
  reload_error = "a.yaml:1:1: error: x\nb.yaml:2:2: error: y\n";
  EXPECT_EQ(ask("POST", "/api/reload"), 400);
  EXPECT_EQ(answer.root()["error"].as_string(), reload_error);
}

TEST_F(ApiTest, ListsRunsAndTellsOfEvents) {
  const RunId run{flow("orders"), event("shopify", "a/b c")};
  state(run, RunState::kDelivered);
  EXPECT_EQ(ask("GET", "/api/runs?flow=orders&count=10"), 200);
  EXPECT_EQ(at("runs.0.run"), "\"orders/1\"");
  EXPECT_EQ(ask("GET", "/api/runs?after=1"), 200);
  EXPECT_EQ(at("runs"), "[]");
  EXPECT_EQ(ask("GET", "/api/events/a%2Fb%20c"), 200);
  EXPECT_EQ(at("event"), "1");
  EXPECT_EQ(at("runs.0.story.0.text"), "\"delivered\"");
  EXPECT_EQ(ask("POST", "/api/held/orders%2F1", R"({"answer": "delivered"})"), 404) << "it is not held";
  EXPECT_EQ(ask("POST", "/api/held/orders%2F1", R"({"answer": "approved"})"), 404);
  EXPECT_EQ(at("error"), "\"nothing of flow orders on event 1 waits for a person\"");
}

TEST_F(ApiTest, GroupsDeadLettersByCauseAndCountsThem) {
  const FlowId orders = flow("orders"), leads = flow("leads");
  for (int i = 0; i < 12; ++i)
    state(RunId{orders, event("shopify", "o" + std::to_string(i))}, RunState::kDead,
          "permanent: crm.contacts.get: contact " + std::to_string(1000 + i) + " not found");
  state(RunId{leads, event("shopify", "l")}, RunState::kDead, "validation: crm.leads.create: status 422");
  EXPECT_EQ(ask("GET", "/api/dead"), 200);
  EXPECT_EQ(at("total"), "13");
  EXPECT_EQ(at("groups.0.count"), "12");
  EXPECT_EQ(at("groups.0.message"), "\"crm.contacts.get: contact # not found\"");
  EXPECT_EQ(at("groups.0.example"), "\"orders/1\"");
  EXPECT_EQ(at("groups.0.step"), "2");
  EXPECT_EQ(at("groups.1.category"), "\"validation\"");
  const std::string cause(answer.root()["groups"].at(0)["group"].as_string());
  EXPECT_EQ(ask("GET", ("/api/dead?group=" + cause).c_str()), 200);
  EXPECT_EQ(at("total"), "12");
  EXPECT_EQ(ask("GET", "/api/dead?flow=leads"), 200);
  EXPECT_EQ(at("total"), "1");
  EXPECT_EQ(ask("GET", "/api/held"), 200);
  EXPECT_EQ(at("total"), "0");
}

TEST_F(ApiTest, AJobIsCountedBeforeItBegins) {
  state(RunId{flow("orders"), event("shopify", "o")}, RunState::kDead, "permanent: gone");
  const auto body = [](const std::string& more) {
    return R"({"kind": "replay", "select": {"all": true})" + more + "}";
  };
  EXPECT_EQ(ask("POST", "/api/jobs", body(R"(, "dry_run": true)").c_str()), 200);
  EXPECT_EQ(at("runs"), "1");
  EXPECT_EQ(at("job"), "null");
  EXPECT_EQ(ask("GET", "/api/jobs"), 200);
  EXPECT_EQ(at("jobs"), "[]");
}

TEST_F(ApiTest, ListsIncidentsAndAsksNoFlowThatIsNotThere) {
  const engine::Incident incident{.since = clock.now(), .cause = "answered 503", .actions = {"deals.get"}, .runs = 3};
  const std::string bucket(engine::kIncidentBucket);
  ASSERT_TRUE(await(store->create(bucket, "hubspot/1", engine::encode(incident))));
  EXPECT_EQ(ask("GET", "/api/incidents"), 200);
  EXPECT_EQ(at("incidents.0.connection"), "\"hubspot\"");
  EXPECT_EQ(at("incidents.0.state"), "\"down\"");
  EXPECT_EQ(at("incidents.0.actions"), "[\"deals.get\"]");
  EXPECT_EQ(at("incidents.0.runs"), "3");
  for (const char* action : {"pause", "resume", "release", "start"})
    EXPECT_EQ(ask("POST", std::string("/api/flows/none/") + action), 404) << action << reply.body;
  EXPECT_EQ(ask("POST", "/api/flows/none/halt"), 404);
  EXPECT_THAT(at("error"), HasSubstr("NAME/release"));
  EXPECT_EQ(ask("POST", "/api/flows/%zz/pause"), 400);
}

TEST_F(ApiTest, SaysWhatCanBeReplayed) {
  EXPECT_EQ(ask("POST", "/api/jobs", R"({"kind": "replay", "select": {"all": true, "states": ["delivred"]}})"), 400);
  EXPECT_THAT(at("error"), HasSubstr("what is \\\"delivred\\\" cannot be replayed, only untaken, "));
  EXPECT_TRUE(at("error").ends_with("did you mean \\\"delivered\\\"?\"")) << at("error");
}

TEST_F(ApiTest, AnIncidentCountsTheRunsThatWaitNow) {
  const engine::Incident stored{.since = clock.now(), .cause = "answered 503", .actions = {"deals.get"}, .runs = 0};
  engine::Incident now = stored;
  now.runs = 7;
  const std::string bucket(engine::kIncidentBucket);
  ASSERT_TRUE(await(store->create(bucket, "hubspot/1", engine::encode(stored))));
  const auto runs_of = [&](const std::vector<engine::ConnectionSnapshot>& connections) {
    const auto listed = await(list_incidents({*store, *store, *store}, connections));
    return listed ? json::print(listed->root()["incidents"].at(0)["runs"]) : listed.error().text();
  };
  engine::ConnectionSnapshot hubspot;
  hubspot.name = "hubspot";
  hubspot.incident = now;
  EXPECT_EQ(runs_of({}), "0");
  EXPECT_EQ(runs_of({hubspot}), "7");
  hubspot.incident->since = clock.now() + std::chrono::seconds(1);
  EXPECT_EQ(runs_of({hubspot}), "0") << "another one";
  hubspot.incident.reset();
  EXPECT_EQ(runs_of({hubspot}), "0");
}

TEST_F(ApiTest, ARunByItsNameIsCountedHoweverItEnded) {
  for (const RunState ended : {RunState::kDelivered, RunState::kSkipped, RunState::kDead, RunState::kDiscarded}) {
    const Position came = event("shopify", std::string(run_state_name(ended)));
    state(RunId{flow("orders"), came}, ended, "permanent: gone");
    const std::string run = "orders/" + std::to_string(came.value);
    EXPECT_EQ(ask("POST", "/api/jobs", R"({"kind": "replay", "select": {"run": ")" + run + R"("}, "dry_run": true})"),
              200);
    EXPECT_EQ(at("runs"), "1") << run;
  }
}

TEST_F(ApiTest, AJobIsGivenWhatAPersonSawCounted) {
  const FlowId orders = flow("orders");
  state(RunId{orders, event("shopify", "one")}, RunState::kDead, "permanent: gone");
  const std::string all = R"({"kind": "discard", "select": {"all": true}, "dry_run": true)";
  EXPECT_EQ(ask("POST", "/api/jobs", all + "}"), 200);
  const std::string as_of = at("as_of");
  clock.advance(1s);
  state(RunId{orders, event("shopify", "two")}, RunState::kDead, "permanent: gone");
  EXPECT_EQ(ask("POST", "/api/jobs", all + R"(, "as_of": )" + as_of + "}"), 200);
  EXPECT_EQ(at("runs"), "1");
  EXPECT_EQ(at("as_of"), as_of);
  EXPECT_EQ(ask("POST", "/api/jobs", all + "}"), 200);
  EXPECT_EQ(at("runs"), "2");
  EXPECT_EQ(ask("POST", "/api/jobs", all + R"(, "as_of": "2099-01-01T00:00:00Z"})"), 400);
  EXPECT_EQ(ask("POST", "/api/jobs", all + R"(, "as_of": 5})"), 400);
}

TEST_F(ApiTest, FindsEverythingByAValue) {
  const FlowId orders = flow("orders"), leads = flow("leads");
  const Position one = event("shopify", "a"), two = event("stripe", "b");
  state(RunId{orders, one}, RunState::kDelivered, {}, {index("order", "1042", one)});
  state(RunId{leads, two}, RunState::kHeld, "unknown outcome: crm: crm.leads.create: lost",
        {index("ref", "1042", two)});
  record(RunId{leads, two}, RecordKind::kState, {.answer = engine::HeldAnswer::kRepeat, .by = "ann"},
         RunState::kRunning);
  KeyPut name{.bucket = std::string(engine::kIndexNameBucket), .key = "order"}, other = name;
  other.key = "ref";
  state(RunId{orders, two}, RunState::kSkipped, "no", {name, other});
  EXPECT_EQ(ask("GET", "/api/find?value=1042"), 200);
  EXPECT_EQ(at("events"), "2");
  EXPECT_EQ(answer.root()["lines"].size(), 6u);
  EXPECT_THAT(at("lines.0.text"), HasSubstr("shopify sent orders/create (event 1, id a, about 881)"));
  EXPECT_THAT(json::print(answer.root()), HasSubstr("decided by ann: send it again"));
  EXPECT_EQ(ask("GET", "/api/find?value=order%3D1042&count=1"), 200);
  EXPECT_EQ(at("events"), "1");
  EXPECT_EQ(at("more"), "1");
  EXPECT_EQ(at("lines.0.text"), "\"delivered\"") << "what happened last is shown";
  EXPECT_THAT(find_in_words(answer.root()), testing::StartsWith("(1 older line is left out)\n"));
  EXPECT_EQ(ask("GET", "/api/find?value=a"), 200) << "a vendor's id";
  EXPECT_EQ(ask("GET", "/api/find?value=orders%2F1"), 200) << "a run";
  EXPECT_EQ(ask("GET", "/api/find?value=1043"), 404);
}

TEST_F(ApiTest, FindsWhatAFlowPublished) {
  auto publishes = std::make_shared<Flow>();
  publishes->name = "orders";
  publishes->publishes = {"order.paid"};
  workspace_flows = {publishes};
  event(std::string(kTopicSource) + "order.paid", "1042-3-x");
  EXPECT_EQ(ask("GET", "/api/find?value=1042-3-x"), 200);
  EXPECT_EQ(at("events"), "1");
}

TEST_F(ApiTest, FindsTheNewestOfMany) {
  const FlowId orders = flow("orders");
  for (std::size_t i = 0; i < kFindEventsMax + 50; ++i) {
    const Position came = event("shopify", "many-" + std::to_string(i));
    state(RunId{orders, came}, RunState::kSkipped, "no " + std::to_string(i), {index("email", "ann", came)});
  }
  const Position last = event("shopify", "last");
  const RunId run{orders, last};
  for (std::size_t i = 0; i < kFindLinesMax; ++i) record(run, RecordKind::kNote, {.message = "item"});
  KeyPut name{.bucket = std::string(engine::kIndexNameBucket), .key = "email"};
  state(run, RunState::kDelivered, {}, {index("email", "ann", last), name});
  EXPECT_EQ(ask("GET", "/api/find?value=email%3Dann&count=3"), 200);
  EXPECT_EQ(at("events"), std::to_string(kFindEventsMax + 51));
  EXPECT_EQ(at("lines.2.text"), "\"delivered\"");
  EXPECT_EQ(at("lines.0.text"), "\"item\"");
  EXPECT_THAT(find_in_words(answer.root()), HasSubstr("older lines are left out"));
}

TEST_F(ApiTest, SaysThatAnEventIsCorruptAndWhichRecordsAreMissing) {
  const RunId run{flow("orders"), event("shopify", "a")};
  record(run, RecordKind::kOutcome, {.action = "crm.get", .category = Category::kDelivered});
  state(run, RunState::kDelivered);
  store->lose(run, 1);
  EXPECT_EQ(ask("GET", "/api/events/1"), 200);
  EXPECT_EQ(at("runs.0.story.0.kind"), "\"missing\"");
  store->corrupt(run.event);
  EXPECT_EQ(ask("GET", "/api/events/1"), 200);
  EXPECT_EQ(at("corrupt"), "true");
  EXPECT_EQ(at("runs.0.state"), "\"delivered\"");
  EXPECT_THAT(in_words(answer.root()), HasSubstr("its record in the store is corrupt"));
}

}  // namespace
}  // namespace tieline::admin
