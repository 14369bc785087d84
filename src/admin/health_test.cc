#include "admin/health.h"

#include "admin/test_support.h"

namespace tieline::admin {
namespace {

class HealthTest : public AdminTest {
 protected:
  static asio::awaitable<std::optional<Verdict>> call(HealthTest* self, std::string connection, Deadline deadline) {
    ++self->calls;
    if (connection == "slow") {
      co_await self->clock.sleep(3s);
    } else if (connection == "hung") {
      co_await self->clock.sleep(1h);
    }
    EXPECT_EQ(deadline.at, self->began + 5s);
    if (connection == "silent") co_return std::nullopt;
    Verdict verdict;
    if (connection == "down" || self->all_down) {
      verdict.category = Category::kTransient;
      verdict.message = "connection refused";
    }
    co_return verdict;
  }
  static engine::ConnectionSnapshot connection(const std::string& name) {
    engine::ConnectionSnapshot one;
    one.name = name;
    one.connector = "hubspot";
    return one;
  }
  static asio::awaitable<void> ask(HealthTest* self, engine::EngineSnapshot snapshot) {
    self->reply = co_await self->health.reply(std::move(snapshot));
    self->answered = true;
  }
  void begin(std::vector<engine::ConnectionSnapshot> connections) {
    engine::EngineSnapshot snapshot;
    snapshot.connections = std::move(connections);
    answered = false;
    began = clock.instant();
    group.spawn(ask(this, std::move(snapshot)));
    poll();
  }
  // Status of one connection, when the answer is there.
  std::string status(const std::string& name, const char* what = "status") {
    EXPECT_TRUE(answered);
    const auto body = json::parse(reply.body);
    EXPECT_TRUE(body);
    return std::string(body->root()["integrations"][name][what].as_string());
  }
  void TearDown() override {
    finish(health.stop());
    AdminTest::TearDown();
  }

  int calls = 0;
  bool all_down = false, answered = false;
  Instant began{};
  Reply reply;
  Health health{io.get_executor(), clock,
                [this](std::string name, Deadline deadline) { return call(this, std::move(name), deadline); }};
};

TEST_F(HealthTest, SaysHowEachConnectionIs) {
  begin({connection("good"), connection("down"), connection("silent")});
  EXPECT_EQ(status("good"), "healthy");
  EXPECT_EQ(status("down"), "unhealthy");
  EXPECT_EQ(status("down", "message"), "transient: connection refused");
  EXPECT_EQ(status("silent"), "unchecked");
  EXPECT_EQ(reply.status, 503);
  begin({connection("good"), connection("silent")});
  EXPECT_EQ(reply.status, 200) << "unchecked counts as healthy";
  begin({});
  EXPECT_EQ(reply.status, 200);
}

TEST_F(HealthTest, AnAnswerStandsForAMinute) {
  begin({connection("good")});
  clock.advance(59s);
  all_down = true;
  begin({connection("good")});
  EXPECT_EQ(status("good"), "healthy");
  EXPECT_EQ(calls, 1);
  clock.advance(1s);
  begin({connection("good")});
  EXPECT_EQ(status("good"), "unhealthy");
  EXPECT_EQ(calls, 2);
  health.reset();
  all_down = false;
  begin({connection("good")});
  EXPECT_EQ(status("good"), "healthy") << "the connections changed";
}

TEST_F(HealthTest, TrafficStandsForACheck) {
  auto busy = connection("down");
  busy.last_success = clock.now() - 10s;
  begin({busy});
  EXPECT_EQ(status("down"), "healthy");
  EXPECT_EQ(calls, 0);
  health.reset();
  busy.last_failure = clock.now() - 5s;
  begin({busy});
  EXPECT_EQ(status("down"), "unhealthy") << "the newest traffic failed: it is asked";
  EXPECT_EQ(calls, 1);
  auto revoked = connection("good");
  revoked.needs_authorization = true;
  revoked.last_success = clock.now();
  begin({revoked});
  EXPECT_EQ(status("good"), "unhealthy");
  EXPECT_EQ(status("good", "message"), "needs authorization");
  EXPECT_EQ(calls, 1);
}

TEST_F(HealthTest, AnOutageAndABudgetThatEndsAreSaid) {
  auto down = connection("good");
  down.incident = engine::Incident{.since = clock.now(), .cause = "answered 503", .whole = true};
  down.held_in_outage = 1;
  begin({down});
  EXPECT_EQ(status("good"), "unhealthy");
  EXPECT_EQ(status("good", "message"), "down since " + format_time(clock.now()) + ": answered 503; 1 run waits");
  EXPECT_EQ(calls, 0) << "what is down is not asked";

  health.reset();
  down.incident->whole = false;
  down.incident->actions = {"deals.get", "deals.put"};
  down.held_in_outage = 40;
  begin({down});
  EXPECT_EQ(status("good"), "healthy");
  EXPECT_EQ(status("good", "message"),
            "deals.get, deals.put down since " + format_time(clock.now()) + ": answered 503; 40 runs wait");

  down.incident->back = clock.now();
  begin({down});
  EXPECT_EQ(status("good", "message"), "back after an outage; 40 runs still wait");

  auto spends = connection("good");
  spends.buckets.push_back({.name = "day", .count = 100, .ends = clock.now()});
  begin({spends});
  EXPECT_EQ(status("good", "message"), "its budget `day` ends at " + format_time(clock.now()) + " at this rate");
}

TEST_F(HealthTest, ChecksRunSideBySideAndOnceForAllWhoAsk) {
  begin({connection("slow"), connection("good")});
  EXPECT_FALSE(answered);
  EXPECT_EQ(calls, 2);
  group.spawn(ask(this, [] {
    engine::EngineSnapshot snapshot;
    snapshot.connections = {connection("slow")};
    return snapshot;
  }()));
  poll();
  EXPECT_EQ(calls, 2) << "somebody is asking already";
  clock.advance(3s);
  poll();
  EXPECT_EQ(status("slow"), "healthy");
}

TEST_F(HealthTest, ACheckThatHangsIsUnhealthyWhateverItSaidBefore) {
  auto hung = connection("hung");
  hung.last_success = clock.now();
  begin({hung});
  EXPECT_EQ(status("hung"), "healthy");
  clock.advance(60s);
  hung.last_success.reset();
  begin({hung});
  EXPECT_FALSE(answered);
  clock.advance(6s);
  poll();
  EXPECT_EQ(status("hung"), "unhealthy");
  EXPECT_EQ(status("hung", "message"), "the check did not end in time");
  EXPECT_EQ(reply.status, 503);
}

}  // namespace
}  // namespace tieline::admin
