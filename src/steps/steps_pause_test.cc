// The steps at which a run pauses: `wait` and `approve`.
#include "steps/steps_fixture.h"

namespace tieline::steps {
namespace {

Pause paused(const Step& step, std::string_view input) {
  TestRun context(input, kFixedSlots);
  const StepResult result = run(step, context);
  EXPECT_EQ(result.kind, Kind::kSuspend) << result.error.text();
  return context.pauses.empty() ? Pause() : context.pauses.front();
}

TEST(Wait, ReadsMomentsAsTheyAreWritten) {
  const std::vector<std::pair<std::string, std::string>> cases{
      {"10m", "2026-11-29T12:10:00Z"},
      {"{ for: 2d }", "2026-12-01T12:00:00Z"},
      {"{ until: =.at }", "2026-12-24T18:30:00Z"},
      {"{ until: '2026-12-24T18:30:00+02:00' }", "2026-12-24T16:30:00Z"},
      {"{ until: '2026-12-24T18:30:00.25-05:30' }", "2026-12-25T00:00:00.250000Z"},
      {"{ until: 20261224T1830Z }", "2026-12-24T18:30:00Z"},
      {"{ until: '2026-12-24' }", "2026-12-24T00:00:00Z"},
      {"{ until: '2026-12-24 09:15', zone: Europe/Berlin }", "2026-12-24T08:15:00Z"},
      {"{ until: =.day + \"T09:00\", zone: =.zone }", "2026-12-24T14:00:00Z"},
      {"{ until: '2026-03-29T02:30:00', zone: Europe/Berlin }", "2026-03-29T01:30:00Z"},  // what clocks skip
  };
  for (const auto& [yaml, until] : cases) {
    const Built built = build("- wait: " + yaml + "\n");
    ASSERT_EQ(built.problems, "") << yaml;
    const Pause pause =
        paused(*built.steps[0], R"({"at":"2026-12-24T18:30:00Z","day":"2026-12-24","zone":"America/New_York"})");
    EXPECT_EQ(format_time(pause.until), until) << yaml;
    EXPECT_FALSE(pause.keep || pause.approval) << yaml;
  }
  const Built keeps = build("- wait: { for: 1h, newer: keep }\n");
  EXPECT_TRUE(paused(*keeps.steps[0], "{}").keep);
}

TEST(Wait, ForNoMomentIsAnError) {
  const Built built = build("- wait: { until: =.at, zone: =.zone }\n");
  ASSERT_EQ(built.problems, "");
  const std::vector<std::pair<std::string, std::string>> cases{
      {"{}", "`until` gave null, a moment is a text"},
      {R"({"at":"soon"})", "`until` is no moment like 2026-11-29T09:00: \"soon\""},
      {R"({"at":"2026-13-01"})", "`until` is no moment like 2026-11-29T09:00: \"2026-13-01\""},
      {R"({"at":"2026-12-24T9"})", "`until` is no moment like 2026-11-29T09:00: \"2026-12-24T9\""},
      {R"({"at":"2026-12-24","zone":"Europe/Berln"})", "Europe/Berln"},
  };
  for (const auto& [input, message] : cases) {
    TestRun context(input, kFixedSlots);
    const StepResult result = run(*built.steps[0], context);
    EXPECT_EQ(result.kind, Kind::kFail) << input;
    EXPECT_NE(result.error.message.find(message), std::string::npos) << result.error.message;
  }
}

TEST(Wait, WhatIsWrittenOutIsCheckedBeforeItRuns) {
  const std::vector<std::pair<std::string, std::string>> cases{
      {"{ until: soon }", "f.yaml:1:18: error: `until` is no moment like 2026-11-29T09:00: \"soon\": ISO 8601 begins"},
      {"{ until: 2026-02-30 }", "f.yaml:1:18: error: `until` is no moment like 2026-11-29T09:00: \"2026-02-30\""},
      {"{ until: 20261224 }", "f.yaml:1:18: error: `until` is a moment like"},
      {"{ until: =.at, zone: Europe/Berln }",
       "f.yaml:1:30: error: there is no time zone \"Europe/Berln\"; did you mean"},
      {"{ until: =.at, zone: { a: 1 } }", "f.yaml:1:30: error: `zone` is the name of a time zone"},
  };
  for (const auto& [yaml, said] : cases) {
    const std::string problems = build("- wait: " + yaml + "\n").problems;
    EXPECT_EQ(problems.find(said), 0u) << problems;
  }
}

TEST(Approve, AsksOnlyWhereItsConditionHolds) {
  const Built built = build("- approve: { if: .amount > 50, who: finance, after: 2d → skip }\n");
  ASSERT_EQ(built.problems, "");
  const Pause pause = paused(*built.steps[0], R"({"amount":51})");
  EXPECT_TRUE(pause.approval);
  EXPECT_EQ(pause.who, "finance");
  EXPECT_EQ(pause.then, Pause::Then::kSkip);
  EXPECT_EQ(format_time(pause.until), "2026-12-01T12:00:00Z");
  TestRun small(R"({"amount":50})", kFixedSlots);
  EXPECT_EQ(run(*built.steps[0], small).kind, Kind::kNext);
  const Built forever = build("- approve: finance\n");
  EXPECT_EQ(paused(*forever.steps[0], "{}").until, Time::max());
}

TEST(Approve, SilenceMustBeSpelledOut) {
  EXPECT_NE(build("- approve: { who: finance, after: 2d }\n").problems.find("like 2d → fail or 2d → skip"),
            std::string::npos);
  EXPECT_EQ(build("- approve: { who: finance, after: 2d -> fail }\n").problems, "");
  EXPECT_NE(build("- approve: { who: finance, after: 2d → yes }\n").problems, "");
  for (const char* const after : {"0s", "30s", "367d", "4000d"}) {
    const std::string said = build("- approve: { who: finance, after: " + std::string(after) + " → skip }\n").problems;
    EXPECT_NE(said.find("f.yaml:1:35: error: `after` is from 1m to 366d, found " + std::string(after)),
              std::string::npos)
        << said;
  }
  EXPECT_NE(build("- wait: { for: 1h, until: '2026-12-24' }\n").problems.find("and not both"), std::string::npos);
  EXPECT_NE(build("- wait: {}\n").problems.find("one of the two"), std::string::npos);
}

}  // namespace
}  // namespace tieline::steps
