#include "engine/breaker.h"

#include <gtest/gtest.h>

#include "async/async.h"

namespace tieline::engine {
namespace {

class BreakerTest : public testing::Test {
 protected:
  Breaker::Judgement fail(std::string_view action, std::uint64_t run, bool left = true, bool probe = false) {
    return breaker_.failed({action, RunId{FlowId(1), Position(run)}, left, "status 503", probe}, now_, instant_);
  }
  void open(std::string_view action, bool left = true) {
    for (std::uint64_t run = 1; !breaker_.covers(action); ++run) fail(action, run, left);
  }

  Breaker breaker_{BreakerLimits{}, 1};
  Time now_ = from_unix_us(1'000'000'000);
  Instant instant_{Duration(1'000'000)};
};

TEST_F(BreakerTest, OpensForAnActionAfterTenFailuresInARowOfSeveralRuns) {
  for (std::uint64_t run = 1; run <= 9; ++run) EXPECT_TRUE(fail("v.a.put", run).counts);
  EXPECT_FALSE(breaker_.covers("v.a.put"));
  const Breaker::Judgement tenth = fail("v.a.put", 10);
  EXPECT_TRUE(tenth.opened);
  EXPECT_TRUE(tenth.counts);  // nobody knew yet
  EXPECT_TRUE(breaker_.covers("v.a.put"));
  EXPECT_FALSE(breaker_.covers("v.b.get"));  // the healthy action goes on
  EXPECT_FALSE(breaker_.whole());
  EXPECT_FALSE(fail("v.a.put", 11).counts);  // it was under way
}

TEST_F(BreakerTest, OneRunAloneIsNoOutage) {
  for (int i = 0; i < 1'000; ++i) EXPECT_TRUE(fail("v.a.put", 1 + i % 2).counts);
  EXPECT_FALSE(breaker_.down());
}

TEST_F(BreakerTest, OneSuccessBeginsTheRowAnew) {
  for (std::uint64_t run = 1; run <= 9; ++run) fail("v.a.put", run);
  EXPECT_FALSE(breaker_.served("v.a.put", now_));
  EXPECT_TRUE(breaker_.quiet());
  for (std::uint64_t run = 1; run <= 9; ++run) fail("v.a.put", run);
  EXPECT_FALSE(breaker_.down());
}

TEST_F(BreakerTest, AnotherActionsSuccessDoesNotHideAFailingOne) {
  for (std::uint64_t run = 1; run <= 10; ++run) {
    fail("v.a.put", run);
    breaker_.served("v.b.get", now_);
  }
  EXPECT_TRUE(breaker_.covers("v.a.put"));
}

TEST_F(BreakerTest, WhoeverIsNotReachedIsDownAsAWhole) {
  for (int i = 0; i < 10; ++i) fail(i % 2 == 0 ? "v.a.put" : "v.b.get", 1, false);
  EXPECT_TRUE(breaker_.whole());
  EXPECT_TRUE(breaker_.covers("v.c.list"));
  EXPECT_TRUE(breaker_.served("v.c.list", now_));
  EXPECT_FALSE(breaker_.down());
  EXPECT_TRUE(breaker_.incident()->back.has_value());
}

TEST_F(BreakerTest, ProbesComeAtIntervalsThatGrow) {
  open("v.a.put");
  Duration last{0};
  for (int i = 0; i < 12; ++i) {
    const Duration wait = breaker_.probe_at() - instant_;
    EXPECT_GE(wait, std::min(last, Duration(225s)));
    EXPECT_LE(wait, 300s);
    EXPECT_FALSE(breaker_.take_probe(instant_, 1s));
    instant_ = breaker_.probe_at();
    EXPECT_TRUE(breaker_.take_probe(instant_, 30s));
    EXPECT_FALSE(breaker_.take_probe(instant_ + 1s, 30s));  // one at a time
    fail("v.a.put", 1, true, true);
    last = wait;
  }
  EXPECT_GE(last, 225s);
}

TEST_F(BreakerTest, FailuresThatWereUnderWayDoNotPutTheProbeOff) {
  open("v.a.put");
  const Instant at = breaker_.probe_at();
  for (std::uint64_t run = 20; run < 500; ++run) fail("v.a.put", run);
  EXPECT_EQ(breaker_.probe_at(), at);
}

TEST_F(BreakerTest, WhatWasDownIsDownAgainSoonerAndCostsNothing) {
  open("v.a.put");
  breaker_.served("v.a.put", now_);
  EXPECT_FALSE(breaker_.down());
  EXPECT_FALSE(fail("v.a.put", 1).counts);
  fail("v.a.put", 1);
  EXPECT_TRUE(fail("v.a.put", 1).worse);
  EXPECT_TRUE(breaker_.down());
  EXPECT_FALSE(breaker_.incident()->back.has_value());
  breaker_.served("v.a.put", now_);
  const Incident over = breaker_.caught_up(now_ + 1s);
  EXPECT_EQ(over.since, now_);
  EXPECT_EQ(over.caught_up, now_ + 1s);
  EXPECT_TRUE(breaker_.quiet());
  EXPECT_TRUE(fail("v.a.put", 1).counts);
}

TEST_F(BreakerTest, AnIncidentIsReadAsItWasWritten) {
  open("v.a.put");
  breaker_.held();
  const auto read = decode_incident(encode(*breaker_.incident()));
  ASSERT_TRUE(read.has_value());
  EXPECT_EQ(read->since, now_);
  EXPECT_EQ(read->cause, "status 503");
  EXPECT_EQ(read->actions, std::vector<std::string>{"v.a.put"});
  EXPECT_EQ(read->runs, 1u);
  Breaker next(BreakerLimits{}, 2);
  next.restore(*read, instant_);
  EXPECT_TRUE(next.covers("v.a.put"));
  EXPECT_FALSE(next.covers("v.b.get"));
  EXPECT_TRUE(next.take_probe(instant_, 1s));  // at once
  EXPECT_FALSE(decode_incident("not json").has_value());
}

}  // namespace
}  // namespace tieline::engine
