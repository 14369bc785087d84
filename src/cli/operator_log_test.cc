#include "cli/operator_log.h"

#include <gmock/gmock.h>

#include <vector>

namespace tieline::cli {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class OperatorLogTest : public testing::Test {
 protected:
  engine::RunInfo run(RunState state, std::string_view summary) {
    return {.run = {FlowId(1), Position(42)}, .flow = "orders-to-deals", .state = state, .summary = summary};
  }
  std::vector<std::string> lines;
  OperatorLog log{[this](LogLevel level, std::string_view text) {
    lines.push_back((level == LogLevel::kError ? "E " : level == LogLevel::kWarning ? "W " : "I ") + std::string(text));
  }};
};

TEST(LogLines, EachHasTimeAndLevel) {
  const Time now = *parse_time("2026-11-25T10:02:02.7Z");
  EXPECT_EQ(log_lines(now, LogLevel::kWarning, "one\n\ntwo\n"),
            "2026-11-25T10:02:02Z warning one\n2026-11-25T10:02:02Z warning two\n");
}

TEST_F(OperatorLogTest, WhatNeedsAPersonIsSaidAndWhatWorksIsNot) {
  log.run_ended(run(RunState::kDelivered, ""));
  log.run_ended(run(RunState::kSkipped, "found nothing"));
  log.run_waits(run(RunState::kRetrying, "transient: down"));
  EXPECT_THAT(lines, IsEmpty());
  log.run_ended(run(RunState::kDead, "validation: no"));
  log.run_waits(run(RunState::kHeld, "unknown outcome: reset"));
  EXPECT_THAT(lines, ElementsAre(HasSubstr("E dead letter: orders-to-deals/42: validation: no"),
                                 HasSubstr("W held: orders-to-deals/42: unknown outcome: reset; `tieline show")));
}

TEST_F(OperatorLogTest, WhoIsAskedForApprovalIsTold) {
  log.run_waits(run(RunState::kWaiting, "waits until 2026-11-30T09:00:00Z"));
  log.run_waits(run(RunState::kWaiting, "waits for approval by finance"));
  EXPECT_THAT(lines, ElementsAre("W orders-to-deals/42 waits for approval by finance; `tieline approve yes "
                                 "orders-to-deals/42`, or `no`"));
}

TEST_F(OperatorLogTest, AConnectionThatNeedsAuthorizationIsOneLineHoweverManyRunsItHolds) {
  log.authorization_changed("hubspot", true);
  for (int i = 0; i < 400; ++i) log.run_waits(run(RunState::kHeld, "needs authorization: hubspot: 401"));
  log.authorization_changed("hubspot", false);
  EXPECT_THAT(lines, ElementsAre(HasSubstr("`tieline reload`"), HasSubstr("I connection \"hubspot\" is authorized")));
}

TEST_F(OperatorLogTest, AnOutageIsALineWhenItBeginsGrowsAndIsOver) {
  const Time now = *parse_time("2026-11-25T10:02:02Z");
  engine::Incident incident{.since = now, .cause = "answered 503", .actions = {"deals.get"}};
  for (int i = 0; i < 3; ++i) log.incident_changed("hubspot", incident);
  incident.whole = true;
  incident.runs = 1;
  log.incident_changed("hubspot", incident);
  for (int i = 0; i < 400; ++i) log.run_waits(run(RunState::kHeld, "outage: hubspot"));
  incident.back = now + std::chrono::minutes(1);
  log.incident_changed("hubspot", incident);
  incident.caught_up = now + std::chrono::minutes(2);
  log.incident_changed("hubspot", incident);
  EXPECT_THAT(lines, ElementsAre(HasSubstr("E connection \"hubspot\" is down in deals.get since 2026-11-25T10:02:02Z"),
                                 HasSubstr("E connection \"hubspot\" is down since"),
                                 HasSubstr("I connection \"hubspot\" was down from 2026-11-25T10:02:02Z until "
                                           "2026-11-25T10:03:02Z: 1 run waited, caught up at 2026-11-25T10:04:02Z")));
}

TEST_F(OperatorLogTest, ABrakeIsOneLineUntilItIsReleased) {
  engine::RunInfo one = run(RunState::kHeld, "brake: more than 10 calls in 5m");
  for (std::uint64_t event = 1; event <= 4000; ++event) {
    one.run.event = Position(event);
    log.run_waits(one);
  }
  EXPECT_THAT(lines, ElementsAre(HasSubstr("held: orders-to-deals/1: brake: more")));
  engine::RunInfo ended = run(RunState::kDelivered, "");
  ended.run.event = Position(1);
  log.run_ended(ended);
  for (std::uint64_t event = 4001; event <= 4003; ++event) {
    one.run.event = Position(event);
    log.run_waits(one);
  }
  EXPECT_THAT(lines, ElementsAre(HasSubstr("orders-to-deals/1:"), HasSubstr("orders-to-deals/4001:")));
}

TEST_F(OperatorLogTest, RefusedRequestsAreCountedAndDoNotFillTheLog) {
  for (int i = 0; i < 5000; ++i) log.refused("shopify", "bad_signature");
  log.refused("", "unknown_path");
  EXPECT_THAT(lines, ElementsAre(HasSubstr("/hooks/shopify: bad_signature (its signature"), HasSubstr("; 10 so far"),
                                 HasSubstr("; 100 so far"), HasSubstr("; 1000 so far"),
                                 HasSubstr("refused a request: unknown_path")));
}

}  // namespace
}  // namespace tieline::cli
