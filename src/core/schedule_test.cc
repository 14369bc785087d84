#include "core/schedule.h"

#include <gtest/gtest.h>

#include <set>

#include "base/prng.h"

namespace tieline {
namespace {

Time at(std::string_view text) {
  const auto time = parse_time(text);
  EXPECT_TRUE(time) << text;
  return time.value_or(Time());
}

Schedule schedule(std::string_view text, std::string_view zone = "UTC") {
  auto parsed = Schedule::parse(text, zone);
  EXPECT_TRUE(parsed) << parsed.error().text();
  return *parsed;
}

// The next ones, in UTC, space between them.
std::string next(std::string_view text, std::string_view zone, std::string_view after, int count = 1) {
  const Schedule parsed = schedule(text, zone);
  std::string out;
  Time time = at(after);
  for (int i = 0; i < count; ++i) {
    time = parsed.next(time);
    out += (i > 0 ? " " : "") + format_time(time);
  }
  return out;
}

struct NextCase {
  const char* text;
  const char* after;
  const char* next;
};

// The cases of robfig/cron's TestNext that its five-field form shares, and those of crontab(5).
TEST(Schedule, NextOfOrdinaryDays) {
  const NextCase cases[] = {
      {"*/15 * * * *", "2012-07-09T14:45:00Z", "2012-07-09T15:00:00Z"},
      {"*/15 * * * *", "2012-07-09T14:59:59Z", "2012-07-09T15:00:00Z"},
      {"20-35/15 * * * *", "2012-07-09T15:45:00Z", "2012-07-09T16:20:00Z"},
      {"20-35/15 * * * *", "2012-07-09T16:20:00Z", "2012-07-09T16:35:00Z"},
      {"*/15 * * * *", "2012-07-09T23:46:00Z", "2012-07-10T00:00:00Z"},
      {"20-35/15 */2 * * *", "2012-07-09T23:45:00Z", "2012-07-10T00:20:00Z"},
      {"20-35/15 1-23/2 * * *", "2012-07-09T23:45:00Z", "2012-07-10T01:20:00Z"},
      {"20-35/15 10-12/1 * * *", "2012-07-09T23:45:00Z", "2012-07-10T10:20:00Z"},
      {"20-35/15 1-23/2 2-31/2 * *", "2012-07-09T23:45:00Z", "2012-07-10T01:20:00Z"},
      {"20-35/15 * 9-20 Jul *", "2012-07-09T23:45:00Z", "2012-07-10T00:20:00Z"},
      {"0 0 9 Apr-Oct *", "2012-07-09T23:35:00Z", "2012-08-09T00:00:00Z"},
      {"0 0 */5 Apr,Aug,Oct mon", "2012-07-09T23:35:00Z", "2012-08-06T00:00:00Z"},
      {"0 0 */5 Oct mon", "2012-07-09T23:35:00Z", "2012-10-01T00:00:00Z"},
      {"0 0 * Feb Mon", "2012-07-09T23:35:00Z", "2013-02-04T00:00:00Z"},
      {"0 0 * Feb Mon/2", "2012-07-09T23:35:00Z", nullptr},
      {"59 23 31 Dec *", "2012-12-31T23:59:00Z", "2013-12-31T23:59:00Z"},
      {"0 0 29 Feb *", "2012-07-09T23:35:00Z", "2016-02-29T00:00:00Z"},
      {"0 0 29 2 *", "2096-03-01T00:00:00Z", "2104-02-29T00:00:00Z"},
      {"0 0 31 2,4,5 *", "2026-01-01T00:00:00Z", "2026-05-31T00:00:00Z"},
      // Both kinds of day restricted: one is enough.
      {"30 4 1,15 * fri", "2026-11-29T00:00:00Z", "2026-12-01T04:30:00Z"},
      {"30 4 1,15 * fri", "2026-12-01T04:30:00Z", "2026-12-04T04:30:00Z"},
      // One of them begins with *: both must fit, which is rare.
      {"0 0 29 2 */6", "2026-01-01T00:00:00Z", "2032-02-29T00:00:00Z"},
      {"0 0 * * 7", "2026-11-23T00:00:00Z", "2026-11-29T00:00:00Z"},
      {"0 0 * * 5-7", "2026-11-28T00:00:00Z", "2026-11-29T00:00:00Z"},
      {"0 22 * * 1-5", "2026-11-27T22:00:00Z", "2026-11-30T22:00:00Z"},
      {"5 4 * * SUN", "2026-11-23T00:00:00.5Z", "2026-11-29T04:05:00Z"},
      {"0 0 1 1 *", "1969-06-01T00:00:00Z", "1970-01-01T00:00:00Z"},
  };
  for (const NextCase& c : cases) {
    SCOPED_TRACE(std::string(c.text) + " after " + c.after);
    if (c.next == nullptr) {
      EXPECT_FALSE(Schedule::parse(c.text, "UTC"));
    } else {
      EXPECT_EQ(next(c.text, "UTC", c.after), c.next);
    }
  }
}

TEST(Schedule, SkippedTimesComeOnceWhenClocksAreForward) {
  // Berlin, 29 March 2026: 02:00 is 03:00, at 01:00 UTC.
  EXPECT_EQ(next("30 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", 2),
            "2026-03-29T01:00:00Z 2026-03-30T00:30:00Z");
  EXPECT_EQ(next("0,15,30,45 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", 2),
            "2026-03-29T01:00:00Z 2026-03-30T00:00:00Z");
  // Were it due at the moment behind the gap as well, it is the same one.
  EXPECT_EQ(next("0 2,3 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", 2),
            "2026-03-29T01:00:00Z 2026-03-30T00:00:00Z");
  EXPECT_EQ(next("*/20 * * * *", "Europe/Berlin", "2026-03-29T00:30:00Z", 3),
            "2026-03-29T00:40:00Z 2026-03-29T01:00:00Z 2026-03-29T01:20:00Z");
  // New York, 8 March 2026 at 07:00 UTC.
  EXPECT_EQ(next("30 2 8 mar *", "America/New_York", "2026-01-01T00:00:00Z"), "2026-03-08T07:00:00Z");
  // Apia skipped the whole of 30 December 2011.
  EXPECT_EQ(next("0 12 30 dec *", "Pacific/Apia", "2011-12-01T00:00:00Z"), "2011-12-30T10:00:00Z");
}

TEST(Schedule, RepeatedTimesComeOnce) {
  // Berlin, 25 October 2026: 03:00 is 02:00 again, at 01:00 UTC.
  EXPECT_EQ(next("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", 2),
            "2026-10-25T00:30:00Z 2026-10-26T01:30:00Z");
  EXPECT_EQ(next("30 2 * * *", "Europe/Berlin", "2026-10-25T00:45:00Z"), "2026-10-26T01:30:00Z");
  EXPECT_EQ(next("30 2 * * *", "Europe/Berlin", "2026-10-25T01:15:00Z"), "2026-10-26T01:30:00Z");
  EXPECT_EQ(next("*/30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", 3),
            "2026-10-25T00:00:00Z 2026-10-25T00:30:00Z 2026-10-26T01:00:00Z");
  EXPECT_EQ(next("0 1-3 * * *", "Europe/Berlin", "2026-10-24T22:00:00Z", 3),
            "2026-10-24T23:00:00Z 2026-10-25T00:00:00Z 2026-10-25T02:00:00Z");
}

TEST(Schedule, EveryHourFollowsTheHoursThatPass) {
  EXPECT_EQ(next("0 * * * *", "Europe/Berlin", "2026-10-24T23:30:00Z", 4),
            "2026-10-25T00:00:00Z 2026-10-25T01:00:00Z 2026-10-25T02:00:00Z 2026-10-25T03:00:00Z");
  EXPECT_EQ(next("*/30 * * * *", "Europe/Berlin", "2026-10-25T00:20:00Z", 4),
            "2026-10-25T00:30:00Z 2026-10-25T01:00:00Z 2026-10-25T01:30:00Z 2026-10-25T02:00:00Z");
  // Clocks are put back by half an hour: 4 April 2026, 15:00 UTC.
  EXPECT_EQ(next("45 * * * *", "Australia/Lord_Howe", "2026-04-04T14:00:00Z", 4),
            "2026-04-04T14:45:00Z 2026-04-04T15:15:00Z 2026-04-04T16:15:00Z 2026-04-04T17:15:00Z");
  EXPECT_EQ(next("0 * * * *", "Asia/Kolkata", "2026-01-01T00:00:00Z", 2), "2026-01-01T00:30:00Z 2026-01-01T01:30:00Z");
}

// Against the plainest reading: every minute is asked whether clocks show a time that fits.
TEST(Schedule, ComesAtEachTimeThatClocksShowOnceAndAtNoOther) {
  Prng chance(20261129);
  const auto pick = [&](std::initializer_list<const char*> from) {
    return std::string(from.begin()[chance.below(from.size())]);
  };
  for (int round = 0; round < 60; ++round) {
    const std::string zone = pick({"Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata"});
    const std::string hours = pick({"1", "2", "0-4", "*/2", "1,2,3", "3"});
    const std::string text =
        pick({"0", "30", "*/15", "7,37", "59"}) + " " + hours + " * * " + pick({"*", "sun", "0-3"});
    SCOPED_TRACE(text + " in " + zone);
    const Schedule parsed = schedule(text, zone);
    const json::Zone* clocks = *json::find_zone(zone);
    const Time begin = at(pick({"2026-03-06T00:00:00Z", "2026-03-27T12:00:00Z", "2026-10-23T00:00:00Z",
                                "2026-10-30T00:00:00Z", "2026-04-03T00:00:00Z"}));
    std::set<Time> came;
    for (Time time = parsed.next(begin); time < begin + 72h; time = parsed.next(time))
      EXPECT_TRUE(came.insert(time).second);
    // By what clocks show: each such time at most once, its first moment; each of them that comes is among them.
    std::set<std::string> shown;
    std::set<Time> plain;
    const auto hour_fits = [&](int hour) {
      if (hours == "*/2") return hour % 2 == 0;
      if (hours == "0-4") return hour <= 4;
      if (hours == "1,2,3") return hour >= 1 && hour <= 3;
      return hour == std::stoi(hours);
    };
    const auto minute_fits = [&](int minute) {
      if (text.starts_with("*/15 ")) return minute % 15 == 0;
      if (text.starts_with("7,37 ")) return minute == 7 || minute == 37;
      return minute == std::stoi(text);
    };
    for (Time time = begin - 4h; time < begin + 72h; time += 1min) {
      const json::LocalTime local = json::local_time(*clocks, to_unix_us(time) / 1'000'000);
      const bool day = text.ends_with("*") || (text.ends_with("sun") ? local.weekday == 0 : local.weekday <= 3);
      if (!day || !hour_fits(local.clock.hour) || !minute_fits(local.clock.minute)) continue;
      const std::string face = std::to_string(local.clock.day) + " " + std::to_string(local.clock.hour) + ":" +
                               std::to_string(local.clock.minute);
      if (shown.insert(face).second && time > begin) plain.insert(time);
    }
    for (const Time time : plain) EXPECT_TRUE(came.contains(time)) << format_time(time);
    // What came besides stands for times that clocks skipped: one moment a gap.
    std::size_t others = 0;
    for (const Time time : came) others += plain.contains(time) ? 0 : 1;
    EXPECT_LE(others, 1u);
  }
}

TEST(Schedule, LatestIsTheLastOneThatWasMissed) {
  const Schedule daily = schedule("0 6 * * *", "Europe/Berlin");
  EXPECT_EQ(daily.latest(at("2026-11-01T12:00:00Z"), at("2026-11-29T12:00:00Z")), at("2026-11-29T05:00:00Z"));
  EXPECT_EQ(daily.latest(at("2026-11-29T05:00:00Z"), at("2026-11-29T12:00:00Z")), std::nullopt);
  EXPECT_EQ(daily.latest(at("2026-11-29T04:59:59Z"), at("2026-11-29T05:00:00Z")), at("2026-11-29T05:00:00Z"));
  EXPECT_EQ(schedule("* * * * *").latest(at("2016-01-01T00:00:00Z"), at("2026-11-29T12:00:30Z")),
            at("2026-11-29T12:00:00Z"));
  EXPECT_EQ(schedule("0 0 29 feb *").latest(at("2016-01-01T00:00:00Z"), at("2026-11-29T12:00:30Z")),
            at("2024-02-29T00:00:00Z"));
  // A clock that was put back: nothing is between.
  EXPECT_EQ(daily.latest(at("2026-11-29T12:00:00Z"), at("2026-11-28T12:00:00Z")), std::nullopt);
}

TEST(Schedule, EverySoOftenFollowsNoClock) {
  const Schedule schedule = Schedule::every(std::chrono::minutes(15), std::chrono::minutes(20));  // at 5, 20, 35, 50
  EXPECT_EQ(schedule.text(), "every 15m");
  const auto at = [](const char* text) { return *parse_time(text); };
  EXPECT_EQ(schedule.next(at("2026-11-23T10:00:00Z")), at("2026-11-23T10:05:00Z"));
  EXPECT_EQ(schedule.next(at("2026-11-23T10:05:00Z")), at("2026-11-23T10:20:00Z"));
  EXPECT_EQ(schedule.next(at("1969-12-31T23:59:59Z")), at("1970-01-01T00:05:00Z"));
  EXPECT_EQ(schedule.latest(at("2026-11-23T09:00:00Z"), at("2026-11-23T10:05:00Z")), at("2026-11-23T10:05:00Z"));
  EXPECT_EQ(schedule.latest(at("2026-11-23T09:00:00Z"), at("2026-11-23T10:04:59Z")), at("2026-11-23T09:50:00Z"));
  EXPECT_EQ(schedule.latest(at("2026-11-23T10:05:00Z"), at("2026-11-23T10:19:59Z")), std::nullopt);
  EXPECT_EQ(schedule.latest(at("1969-12-31T23:00:00Z"), at("1969-12-31T23:59:00Z")), at("1969-12-31T23:50:00Z"));
}

TEST(Schedule, SaysWhatIsWrong) {
  const std::pair<const char*, const char*> cases[] = {
      {"", "has 0 fields; a schedule has five"},
      {"* * * *", "has 4 fields"},
      {"0 0 0 * * *", "has 6 fields"},
      {"@daily", "has 1 field"},
      {"60 * * * *", "the minute \"60\" must be made of 0 to 59"},
      {"* 24 * * *", "the hour \"24\" must be made of 0 to 23"},
      {"* * 0 * *", "the day of the month \"0\" must be made of 1 to 31"},
      {"* * * 13 *", "the month \"13\" must be made of 1 to 12 or jan, feb, …"},
      {"* * * * 8", "the weekday \"8\" must be made of 0 to 7 or sun, mon, …"},
      {"* * * foo *", "the month \"foo\""},
      {"5/15 * * * *", "write 5-59/15"},
      {"*/0 * * * *", "no step from 1 to 59"},
      {"*/99 * * * *", "no step from 1 to 59"},
      {"*/ * * * *", "no step"},
      {"30-10 * * * *", "goes backwards"},
      {"* * * * fri-mon", "goes backwards"},
      {"1,,2 * * * *", "the minute \"\""},
      {"-5 * * * *", "the minute \"-5\""},
      {"+5 * * * *", "the minute \"+5\""},
      {"? * * * *", "the minute \"?\""},
      {"0 0 30 2 *", "never comes"},
      {"0 0 31 4,6,9,11 *", "never comes"},
      {"99999999999999999999 * * * *", "the minute"},
  };
  for (const auto& [text, why] : cases) {
    const auto parsed = Schedule::parse(text, "UTC");
    ASSERT_FALSE(parsed) << text;
    EXPECT_NE(parsed.error().message.find(why), std::string::npos) << parsed.error().message;
  }
  EXPECT_FALSE(Schedule::parse("* * * * *", "Europe/Berlino"));
}

}  // namespace
}  // namespace tieline
