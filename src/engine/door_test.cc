#include "engine/door.h"

#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <map>
#include <optional>
#include <set>

#include "async/manual_clock.h"
#include "async/sync.h"
#include "async/task_group.h"

namespace tieline::engine {
namespace {

// Durable when the test says so; else it waits until the deadline.
class FakeLog final : public EventLog {
 public:
  explicit FakeLog(Clock& clock) : clock_(clock) {}

  bool durable_at_once = true;
  std::optional<Error> refuses;
  std::vector<NewEvent> stored;

  Async<std::vector<Appended>> append(std::vector<NewEvent> events, Deadline deadline) override {
    if (refuses) co_return failure(*refuses);
    if (!durable_at_once) {
      const bool durable = co_await synced_.wait(clock_, deadline);
      if (!durable) co_return failure(Code::kTimeout, "the commit did not come in time");
    }
    std::vector<Appended> out;
    for (NewEvent& event : events) {
      const bool duplicate = !keys_.insert(event.source + "/" + event.id).second;
      out.push_back(Appended{Position(stored.size() + 1), duplicate});
      if (!duplicate) stored.push_back(std::move(event));
    }
    co_return out;
  }
  void sync() { synced_.notify_all(); }

  Async<std::vector<EventPtr>> read(Position, ReadLimits) override { co_return std::vector<EventPtr>{}; }
  Async<std::vector<EventPtr>> get(std::vector<Position>) override { co_return std::vector<EventPtr>{}; }
  Async<EventPtr> find(std::string, std::string) override { co_return failure(Code::kNotFound, "none"); }
  Async<Position> first_at_or_after(Time) override { co_return Position(); }
  Position last() const override { return Position(stored.size()); }
  asio::awaitable<void> wait_beyond(Position, Deadline) override { co_return; }
  Duration dedupe_window() const override { return 24h; }

 private:
  Clock& clock_;
  Signal synced_;
  std::set<std::string> keys_;
};

// One event for each line of the body; a first line "bad" is refused.
class LinesSource final : public WebhookSource {
 public:
  LinesSource(std::string connection, std::string version)
      : connection_(std::move(connection)), version_(std::move(version)) {}
  const std::string& connection() const override { return connection_; }
  tl::expected<Reception, Refusal> receive(const InboundRequest& request) const override {
    if (*request.body == "bad") {
      Refusal refusal;
      refusal.reply.status = 401;
      refusal.reason = "bad_signature";
      refusal.message = "the signature does not fit";
      return tl::unexpected(refusal);
    }
    Reception reception;
    std::string_view rest = *request.body;
    while (!rest.empty()) {
      NewEvent event;
      event.source = connection_;
      event.id = rest.substr(0, rest.find('\n'));
      rest.remove_prefix(std::min(event.id.size() + 1, rest.size()));
      reception.events.push_back(std::move(event));
    }
    reception.reply.body = version_ + " " + request.url;
    return reception;
  }

 private:
  std::string connection_, version_;
};

struct Watcher final : DoorObserver {
  void received(std::string_view connection, std::size_t events, std::size_t duplicates, Duration took) override {
    notes.push_back(std::string(connection) + " " + std::to_string(events) + "/" + std::to_string(duplicates) + " " +
                    format_duration(took));
  }
  void refused(std::string_view connection, std::string_view reason) override {
    notes.push_back(std::string(connection) + " " + std::string(reason));
  }
  std::vector<std::string> notes;
};

struct DoorTest : testing::Test {
  DoorTest() { configure("v1"); }

  void configure(const std::string& version) {
    DoorSources sources;
    sources.emplace("shopify", std::make_shared<LinesSource>("shopify", version));
    sources.emplace("stripe", std::make_shared<LinesSource>("stripe", version));
    door.configure(std::move(sources));
  }
  static DoorOptions options() {
    DoorOptions out;
    out.public_url = "https://hooks.example.com/";
    out.refusals_max = 6;
    return out;
  }
  static asio::awaitable<void> run(Door& door, InboundRequest request, std::optional<Reply>& reply) {
    reply = co_await door.receive(std::move(request));
  }
  void poll() {
    io.restart();
    io.poll();
  }
  std::optional<Reply>& start(std::string target, std::string body, std::string method = "POST") {
    InboundRequest request;
    request.method = std::move(method);
    request.target = std::move(target);
    request.body = std::make_shared<std::string>(std::move(body));
    request.received = clock.now();
    auto& reply = replies.emplace_back(std::make_unique<std::optional<Reply>>());
    group.spawn(run(door, std::move(request), *reply));
    poll();
    return *reply;
  }

  asio::io_context io;
  ManualClock clock{Time(1000s)};
  TaskGroup group{io.get_executor()};
  FakeLog log{clock};
  Watcher watcher;
  Door door{options(), log, clock, &watcher};
  std::vector<std::unique_ptr<std::optional<Reply>>> replies;
};

TEST_F(DoorTest, AnswersOnlyWhenAllEventsAreDurable) {
  log.durable_at_once = false;
  auto& reply = start("/hooks/shopify?a=1", "one\ntwo");
  EXPECT_FALSE(reply);
  clock.advance(300ms);
  log.sync();
  poll();
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->status, 200);
  EXPECT_EQ(reply->body, "v1 https://hooks.example.com/hooks/shopify?a=1");
  ASSERT_EQ(log.stored.size(), 2u);
  EXPECT_EQ(log.stored[1].id, "two");
  EXPECT_EQ(watcher.notes, std::vector<std::string>{"shopify 2/0 300ms"});
  EXPECT_EQ(door.counts().received, 2u);
  EXPECT_EQ(door.counts().acknowledged, 1u);
}

TEST_F(DoorTest, ADuplicateGetsTheSameReply) {
  auto& first = start("/hooks/shopify", "one");
  auto& second = start("/hooks/shopify", "one\ntwo");
  ASSERT_TRUE(first && second);
  EXPECT_EQ(second->status, 200);
  EXPECT_EQ(first->body, second->body);
  EXPECT_EQ(log.stored.size(), 2u);
  EXPECT_EQ(door.counts().received, 2u);
  EXPECT_EQ(door.counts().duplicates, 1u);
}

TEST_F(DoorTest, AHeartbeatIsAnsweredWithoutTheLog) {
  log.refuses = Error{Code::kUnavailable, "stopped", {}};
  auto& reply = start("/hooks/shopify", "");
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->status, 200);
  EXPECT_EQ(door.counts().received, 0u);
}

TEST_F(DoorTest, SaysTryAgainWhenTheLogCannotKeepIt) {
  const struct {
    Code code;
    int status;
    const char* reason;
  } cases[] = {{Code::kUnavailable, 503, "store_unavailable"},
               {Code::kFull, 503, "store_full"},
               {Code::kInternal, 503, "store_unavailable"},
               {Code::kTimeout, 503, "not_durable_in_time"},
               {Code::kTooLarge, 413, "event_too_large"}};
  for (const auto& c : cases) {
    watcher.notes.clear();
    log.refuses = Error{c.code, "why", {}};
    auto& reply = start("/hooks/shopify", "one");
    ASSERT_TRUE(reply);
    EXPECT_EQ(reply->status, c.status);
    EXPECT_EQ(find_header(reply->headers, "Retry-After"), c.status == 503 ? "5" : "") << c.reason;
    EXPECT_EQ(reply->body.find("why"), std::string::npos);
    EXPECT_EQ(watcher.notes, std::vector<std::string>{"shopify " + std::string(c.reason)});
  }
  EXPECT_EQ(door.counts().acknowledged, 0u);
}

TEST_F(DoorTest, AnswersByAckWithin) {
  log.durable_at_once = false;
  auto& reply = start("/hooks/shopify", "one");
  clock.advance(2s - 1ms);
  poll();
  EXPECT_FALSE(reply);
  clock.advance(1ms);
  poll();
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->status, 503);
}

TEST_F(DoorTest, RefusesWhatIsNotAWebhook) {
  const struct {
    const char *method, *target, *body;
    int status;
    const char* note;
  } cases[] = {
      {"GET", "/hooks/shopify", "", 405, "shopify method_not_allowed"},
      {"HEAD", "/hooks/shopify", "", 405, "shopify method_not_allowed"},
      {"PUT", "/hooks/nobody", "a", 405, " method_not_allowed"},
      {"POST", "/hooks/nobody", "a", 404, " unknown_connection"},
      {"POST", "/hooks/shopify/", "a", 404, " unknown_connection"},
      {"POST", "/hooks/shopify/x", "a", 404, " unknown_connection"},
      {"POST", "/hooks/", "a", 404, " unknown_connection"},
      {"POST", "/hooks", "a", 404, " unknown_path"},
      {"POST", "/", "a", 404, " unknown_path"},
      {"OPTIONS", "*", "", 404, " unknown_path"},
      {"POST", "/hooks/shopify", "bad", 401, "shopify bad_signature"},
  };
  for (const auto& c : cases) {
    watcher.notes.clear();
    auto& reply = start(c.target, c.body, c.method);
    ASSERT_TRUE(reply) << c.target;
    EXPECT_EQ(reply->status, c.status) << c.method << c.target;
    EXPECT_EQ(find_header(reply->headers, "Allow"), c.status == 405 ? "POST" : "");
    EXPECT_EQ(watcher.notes, std::vector<std::string>{c.note}) << c.target;
  }
  EXPECT_TRUE(log.stored.empty());
  EXPECT_EQ(door.counts().refused, std::size(cases));
}

TEST_F(DoorTest, TellsTheOperatorWhatItHidesFromStrangers) {
  auto& reply = start("/hooks/shopfy", "a");
  clock.advance(5s);
  start("/hooks/stripey", "a");
  start("/hooks/shopify", "bad");
  EXPECT_EQ(reply->body.find("shop"), std::string::npos);
  const auto refusals = door.refusals();
  ASSERT_EQ(refusals.size(), 2u);
  EXPECT_EQ(refusals[0].connection, "");
  EXPECT_EQ(refusals[0].reason, "unknown_connection");
  EXPECT_EQ(refusals[0].count, 2u);
  EXPECT_EQ(refusals[0].last, Time(1005s));
  EXPECT_EQ(refusals[0].message, "no connection \"stripey\" takes webhooks; did you mean \"stripe\"?");
  EXPECT_EQ(refusals[1].connection, "shopify");
  EXPECT_EQ(refusals[1].message, "the signature does not fit");
}

TEST_F(DoorTest, StrangersCannotGrowTheBook) {
  for (int i = 0; i < 100; ++i) start("/hooks/" + std::string(static_cast<std::size_t>(i) * 100, 'x'), "a");
  ASSERT_EQ(door.refusals().size(), 1u);
  EXPECT_EQ(door.refusals()[0].count, 100u);
  EXPECT_LT(door.refusals()[0].message.size(), 500u);
}

TEST_F(DoorTest, TheBookIsBounded) {
  const Code codes[] = {Code::kUnavailable, Code::kFull, Code::kTimeout, Code::kTooLarge};
  for (const char* target : {"/hooks/shopify", "/hooks/stripe"}) {
    for (Code code : codes) {
      log.refuses = Error{code, "why", {}};
      start(target, "one");
    }
  }
  const auto refusals = door.refusals();
  EXPECT_EQ(refusals.size(), 7u) << "six, and the one that collects the rest";
  std::uint64_t total = 0;
  for (const auto& refusal : refusals) total += refusal.count;
  EXPECT_EQ(total, 8u);
  EXPECT_EQ(refusals[0].reason, "other");
  EXPECT_EQ(refusals[0].count, 2u);
}

TEST_F(DoorTest, ARequestEndsWithTheSourceItBeganWith) {
  log.durable_at_once = false;
  auto& under_way = start("/hooks/shopify", "one");
  configure("v2");
  log.durable_at_once = true;
  auto& next = start("/hooks/shopify", "two");
  log.sync();
  poll();
  ASSERT_TRUE(under_way && next);
  EXPECT_EQ(under_way->body.substr(0, 2), "v1");
  EXPECT_EQ(next->body.substr(0, 2), "v2");
  DoorOptions changed = options();
  changed.public_url = "https://other.example.com";
  door.set_options(changed);
  auto& elsewhere = start("/hooks/shopify", "four");
  log.sync();
  poll();
  ASSERT_TRUE(elsewhere);
  EXPECT_EQ(elsewhere->body, "v2 https://other.example.com/hooks/shopify");
  door.configure({});
  auto& gone = start("/hooks/shopify", "three");
  EXPECT_EQ(gone->status, 404);
}

TEST_F(DoorTest, WhatTheServerRefusedIsInTheBook) {
  struct Case {
    int status;
    const char* target;
    const char* connection;
    const char* reason;
  };
  const Case cases[] = {
      {413, "/hooks/shopify?a=/hooks/stripe", "shopify", "body_too_large"},
      {431, "/hooks/stripe", "stripe", "headers_too_large"},
      {408, "/hooks/shopify", "shopify", "too_slow"},
      {417, "/hooks/shopify", "shopify", "unmet_expectation"},
      {400, "/hooks/stripe", "stripe", "malformed_request"},
      {400, "/hooks/stripey", "", "malformed_request"},
      {413, "/elsewhere", "", "body_too_large"},
      {408, "", "", "too_slow"},
  };
  const std::uint64_t before = door.counts().refused;
  for (const Case& c : cases) {
    SCOPED_TRACE(std::string(c.reason) + " " + c.target);
    watcher.notes.clear();
    door.count_unread({c.status, c.target, "because"});
    EXPECT_EQ(watcher.notes, (std::vector<std::string>{std::string(c.connection) + " " + c.reason}));
  }
  EXPECT_EQ(door.counts().refused, before + std::size(cases));
  const auto refusals = door.refusals();  // six, and the one that collects the rest
  ASSERT_EQ(refusals.size(), 7u);
  EXPECT_EQ(refusals[2].connection, "shopify");
  EXPECT_EQ(refusals[2].reason, "body_too_large");
  EXPECT_EQ(refusals[2].message, "answered 413: because");
}

}  // namespace
}  // namespace tieline::engine
