// That the simulation's checker can fail: each deliberate fault of the engine is caught within a few hundred seeds.
#include <gtest/gtest.h>

#include "sim/simulation.h"

namespace tieline::sim {
namespace {

// The first seed whose report names a violation that contains `text`, or 0.
std::uint64_t first_caught(const engine::EngineFaults& faults, std::string_view text, std::uint64_t seeds) {
  Options options;
  options.faults = faults;
  for (options.seed = 1; options.seed <= seeds; ++options.seed) {
    for (const std::string& violation : simulate(options).violations) {
      if (violation.find(text) != std::string::npos) return options.seed;
    }
  }
  return 0;
}

TEST(Simulation, KeepsEveryPromiseWithoutAFault) {
  Options options;
  Report all;
  for (options.seed = 1'001; options.seed <= 1'010; ++options.seed) {
    const Report report = simulate(options);
    all += report;
    EXPECT_TRUE(report.violations.empty()) << "seed " << options.seed << ": " << report.violations.front();
    EXPECT_EQ(report.acknowledged, options.events);
  }
  EXPECT_GE(all.together, 20u);
}

TEST(Simulation, CatchesUnknownOutcomesThatAreRepeated) {
  engine::EngineFaults faults;
  faults.repeat_unknown = true;
  EXPECT_NE(first_caught(faults, "an unsafe effect", 50), 0u);
}

TEST(Simulation, CatchesThemInsideOfOtherStepsToo) {
  engine::EngineFaults faults;
  faults.repeat_unknown = true;
  EXPECT_NE(first_caught(faults, "without a hold or look-up: nested/", 50), 0u);
}

TEST(Simulation, CatchesThemWhereCallsLeaveTogetherToo) {
  engine::EngineFaults faults;
  faults.repeat_unknown = true;
  EXPECT_NE(first_caught(faults, "without a hold or look-up: batched/", 50), 0u);
}

TEST(Simulation, CatchesIntentsThatAreNotDurable) {
  engine::EngineFaults faults;
  faults.unsynced_intents = true;
  EXPECT_NE(first_caught(faults, "an unsafe effect", 400), 0u);
}

TEST(Simulation, CatchesLanesThatAreIgnored) {
  engine::EngineFaults faults;
  faults.ignore_lanes = true;
  EXPECT_NE(first_caught(faults, "out of order", 50), 0u);
}

TEST(Simulation, CatchesBudgetsThatAreIgnored) {
  engine::EngineFaults faults;
  faults.ignore_budget = true;
  EXPECT_NE(first_caught(faults, "over its rate", 50), 0u);
}

TEST(Simulation, CatchesBudgetsThatAProcessForgets) {
  engine::EngineFaults faults;
  faults.forget_budgets = true;
  EXPECT_NE(first_caught(faults, "over its", 200), 0u);
}

TEST(Simulation, CatchesTriesThatAreBurntInAnOutage) {
  engine::EngineFaults faults;
  faults.burn_in_outage = true;
  EXPECT_NE(first_caught(faults, "a try is burnt", 200), 0u);
}

TEST(Simulation, CatchesWaitsThatEndEarly) {
  engine::EngineFaults faults;
  faults.cut_waits = true;
  EXPECT_NE(first_caught(faults, "a wait is cut short", 10), 0u);
}

TEST(Simulation, CatchesWhatNobodyApproved) {
  engine::EngineFaults faults;
  faults.approve_unasked = true;
  EXPECT_NE(first_caught(faults, "an effect that nobody approved", 20), 0u);
}

TEST(Simulation, CatchesWaitsThatNoNewerRunCancels) {
  engine::EngineFaults faults;
  faults.cancel_nothing = true;
  EXPECT_NE(first_caught(faults, "a newer run leaves a wait alone", 10), 0u);
}

TEST(Simulation, CatchesABrakeThatIsIgnored) {
  engine::EngineFaults faults;
  faults.ignore_brake = true;
  EXPECT_NE(first_caught(faults, "more than the brake lets pass", 20), 0u);
}

TEST(Simulation, CatchesRetriesThatNoPolicyEnds) {
  engine::EngineFaults faults;
  faults.ignore_policy = true;
  EXPECT_NE(first_caught(faults, "more attempts than the policy allows", 50), 0u);
}

}  // namespace
}  // namespace tieline::sim
