// Times in zones.
#include <cstdlib>

#include "json/jq/business_fixture.h"

namespace tieline::json {
namespace {

TEST(Times, InAZone) {
  const Case cases[] = {
      {"in_zone(\"America/New_York\")", "1795470240", R"("2026-11-23T16:44:00-05:00")"},
      {"in_zone(\"America/New_York\")", R"("2026-11-23T21:44:00Z")", R"("2026-11-23T16:44:00-05:00")"},
      {"in_zone(\"Europe/Berlin\")", R"("2026-07-01T00:30:00+09:00")", R"("2026-06-30T17:30:00+02:00")"},
      {"in_zone(\"Asia/Kolkata\", \"UTC\", \"Etc/UTC\", \"Europe/London\")", "0",
       R"("1970-01-01T05:30:00+05:30" "1970-01-01T00:00:00Z" "1970-01-01T00:00:00Z" "1970-01-01T01:00:00+01:00")"},
      {"in_zone(\"UTC\")", "1425599507.25", R"("2015-03-05T23:51:47.25Z")"},
      {"in_zone(\"UTC\")", "1425599507.1", R"("2015-03-05T23:51:47.1Z")"},
      {"in_zone(\"UTC\")", "1425599507.123456789123", R"("2015-03-05T23:51:47.123456789Z")"},
      {". + 1 | in_zone(\"UTC\")", "1425599506.5", R"("2015-03-05T23:51:47.5Z")"},
      {"in_zone(\"UTC\")", "1.4255995e9", R"("2015-03-05T23:51:40Z")"},
      {"in_zone(\"UTC\")", "-1.25", R"("1969-12-31T23:59:58.75Z")"},
      {"in_zone(\"UTC\")", "-0.05", R"("1969-12-31T23:59:59.95Z")"},
      {"in_zone(\"UTC\")", "-1.0", R"("1969-12-31T23:59:59Z")"},
      {"in_zone(\"UTC\")", R"("2026-11-23T21:44:00.120-00:30")", R"("2026-11-23T22:14:00.120Z")"},
      // Before standard times an offset has seconds, and is read back with them.
      {"in_zone(\"Europe/Berlin\") | ., (from_iso8601)", "-2500000000",
       R"("1890-10-11T20:26:48+00:53:28" -2500000000)"},
      {"in_zone(\"UTC\")", "253402300799", R"("9999-12-31T23:59:59Z")"},
      {"in_zone(\"UTC\")", "-62167219200", R"("0000-01-01T00:00:00Z")"},
      {"to_iso8601", R"("2026-11-23T16:44:00.5-05:00")", R"("2026-11-23T21:44:00.5Z")"},
      {"to_iso8601", "1795470240", R"("2026-11-23T21:44:00Z")"},
  };
  for (const Case& c : cases) EXPECT_EQ(ran(c.source, c.input), c.output) << c.source << " of " << c.input;
  EXPECT_EQ(ran_in("Europe/Berlin", "0 | in_zone, to_iso8601"),
            R"("1970-01-01T01:00:00+01:00" "1970-01-01T00:00:00Z")");
  EXPECT_EQ(ran("0 | in_zone"), R"("1970-01-01T00:00:00Z")");
}

TEST(Times, AreReadFromIso8601) {
  const Case cases[] = {
      {"from_iso8601", R"("2026-11-23T21:44:00Z")", "1795470240"},
      {"from_iso8601", R"("2026-11-23T16:44:00-05:00")", "1795470240"},
      {"from_iso8601", R"("2026-11-23t16:44:00-0500")", "1795470240"},
      {"from_iso8601", R"("2026-11-23 22:44+01")", "1795470240"},
      {"from_iso8601", R"("20261123T214400Z")", "1795470240"},
      {"from_iso8601", R"("20261123T2144z")", "1795470240"},
      {"from_iso8601", R"("2026-11-23T21:44:00.250Z")", "1795470240.25"},
      {"from_iso8601", R"("2026-11-23T21:44:00,000Z")", "1795470240"},
      {"from_iso8601", R"("2026-11-23T21:44:00.123456789Z")", "1795470240.123456789"},
      {"from_iso8601", R"("1969-12-31T23:59:58.75Z")", "-1.25"},
      {"from_iso8601", R"("1969-12-31T23:59:59.95Z")", "-0.05"},
      {"from_iso8601", R"("1990-12-31T23:59:60Z")", "662688000"},
      {"from_iso8601", R"("2024-02-29")", "1709164800"},
      {"from_iso8601(\"Europe/Berlin\")", R"("2026-11-23T09:00")", "1795420800"},
      {"from_iso8601(\"Europe/Berlin\")", R"("2026-11-23")", "1795388400"},
      {"from_iso8601(\"Europe/Berlin\")", R"("2026-11-23T21:44:00Z")", "1795470240"},  // its own offset counts
      {"from_iso8601, fromdateiso8601", R"("2015-03-05T23:51:47Z")", "1425599507 1425599507"},
  };
  for (const Case& c : cases) EXPECT_EQ(ran(c.source, c.input), c.output) << c.source << " of " << c.input;
  EXPECT_EQ(ran_in("America/New_York", "\"2026-11-23T16:44\" | from_iso8601"), "1795470240");
}

TEST(Times, ThatClocksSkipOrShowTwice) {
  // 02:00 to 03:00 does not happen on 29 March 2026 in Berlin, and happens twice on 25 October.
  const Case cases[] = {
      {"from_iso8601(\"Europe/Berlin\") | in_zone(\"Europe/Berlin\")", R"("2026-03-29T01:59:59")",
       R"("2026-03-29T01:59:59+01:00")"},
      {"from_iso8601(\"Europe/Berlin\") | in_zone(\"Europe/Berlin\")", R"("2026-03-29T02:30")",
       R"("2026-03-29T03:30:00+02:00")"},
      {"from_iso8601(\"Europe/Berlin\") | in_zone(\"Europe/Berlin\")", R"("2026-03-29T03:00")",
       R"("2026-03-29T03:00:00+02:00")"},
      {"from_iso8601(\"Europe/Berlin\") | in_zone(\"Europe/Berlin\")", R"("2026-10-25T02:30")",
       R"("2026-10-25T02:30:00+02:00")"},
      {"from_iso8601(\"Europe/Berlin\") + 3600 | in_zone(\"Europe/Berlin\")", R"("2026-10-25T02:30")",
       R"("2026-10-25T02:30:00+01:00")"},
      // Far years follow the rule of the zone.
      {"from_iso8601(\"Europe/Berlin\") | in_zone(\"Europe/Berlin\")", R"("2099-07-01T12:00")",
       R"("2099-07-01T12:00:00+02:00")"},
  };
  for (const Case& c : cases) EXPECT_EQ(ran(c.source, c.input), c.output) << c.input;
}

TEST(Times, FaultsSayWhatIsWrong) {
  const Case cases[] = {
      {"in_zone(\"UTC\")", R"("2026-11-23T21:44:00")", "has no offset, so that in_zone cannot know the moment"},
      {"to_iso8601", R"("2026-11-23")", "has no offset, so that to_iso8601 cannot know the moment"},
      {"in_zone(\"UTC\")", "null", "null (null) is not a time (unix seconds or an ISO-8601 text), which in_zone wants"},
      {"in_zone(\"UTC\")", "1e15", "is too far a time for in_zone"},
      {"in_zone(\"UTC\")", "253402300800", "is not in the years 0 to 9999"},
      {"in_zone(\"Asia/Tokyo\")", "253402300799", "is not in the years 0 to 9999"},
      {"in_zone(1)", "0", "number (1) is not the name of a time zone"},
      {"from_iso8601", "5", "number (5) is not a text, which from_iso8601 wants"},
      {"from_iso8601", R"("yesterday")", "is not an ISO-8601 time, which from_iso8601 wants: ISO 8601 begins with"},
      {"from_iso8601", R"("2026-13-01")", "there is no month 13"},
      {"from_iso8601", R"("2026-00-01")", "there is no month 0"},
      {"from_iso8601", R"("2026-02-29")", "there is no day 29 in that month"},
      {"from_iso8601", R"("1900-02-29")", "there is no day 29 in that month"},
      {"from_iso8601", R"("2026-11-23T24:00Z")", "there is no hour 24"},
      {"from_iso8601", R"("2026-11-23T12:61Z")", "there is no minute 61"},
      {"from_iso8601", R"("2026-11-23T12:00:61Z")", "there is no second 61"},
      {"from_iso8601", R"("2026-11-23T12:00:00.Z")", "no digits behind the point"},
      {"from_iso8601", R"("2026-11-23T12:00:00Zx")", "nothing may stand behind it"},
      {"from_iso8601", R"("2026-11-23T12:00:00+1")", "its offset's hour has two digits"},
      {"from_iso8601", R"("2026-11-23Z")", "has a T between date and time"},
      {"from_iso8601", R"("2026-1-1")", "its month has two digits"},
  };
  for (const Case& c : cases) EXPECT_THAT(ran(c.source, c.input), HasSubstr(std::string(c.output))) << c.input;
}

TEST(Times, AnUnknownZoneIsFoundWhereItIsWritten) {
  EXPECT_EQ(ran("0 | in_zone(\"Europe/Berln\")"),
            "does not compile: 1:13: error: there is no time zone \"Europe/Berln\"; did you mean \"Europe/Berlin\"?");
  EXPECT_THAT(ran("0 | in_zone(\"europe/berlin\")"), HasSubstr("did you mean \"Europe/Berlin\"?"));
  EXPECT_THAT(ran("\"2026-01-01\" | from_iso8601(\"CET+1\")"), HasSubstr("there is no time zone \"CET+1\""));
  EXPECT_EQ(ran(". as $z | 0 | in_zone($z)", R"("Mars/Olympus")"),
            "error: the program failed: there is no time zone \"Mars/Olympus\"; write one like Europe/Berlin");
  // None of these is a name in the database, whatever the machine has there.
  for (const std::string name :
       {"", "/etc/localtime", "../zoneinfo/UTC", "localtime", "Europe", "Europe//Berlin", "Europe/", "tzdata.zi",
        "libc:localtime", "Fixed/UTC+05:30:00", "file:UTC", "Europe/Berlin\\u0000"}) {
    EXPECT_THAT(ran(". as $z | 0 | in_zone($z)", '"' + name + '"'), HasSubstr("there is no time zone")) << name;
  }
  EXPECT_THAT(ran_in("No/Zone", "0 | in_zone"), HasSubstr("there is no time zone \"No/Zone\""));
  EXPECT_THAT(ran_in("No/Zone", "0 | localtime"), HasSubstr("there is no time zone \"No/Zone\""));
  EXPECT_EQ(ran_in("No/Zone", "1 + 1, (0 | todate)"), "2 \"1970-01-01T00:00:00Z\"");
}

TEST(Times, JqsLocalTimeIsTheProgramsZone) {
  const auto berlin = [](std::string_view source) { return ran_in("Europe/Berlin", source); };
  EXPECT_EQ(berlin("1425599507.25 | localtime"), "[2015,2,6,0,51,47.25,5,64]");
  EXPECT_EQ(ran("1425599507 | localtime == gmtime"), "true");
  EXPECT_EQ(berlin("1425599507 | localtime | mktime"), "1425603107");  // as in jq: mktime reads UTC
  EXPECT_EQ(berlin("1425599507 | strflocaltime(\"%Y-%m-%dT%H:%M:%S%z %Z\")"), "\"2015-03-06T00:51:47+0100 CET\"");
  EXPECT_EQ(berlin("1435677542 | strflocaltime(\"%H:%M %Z\")"), "\"17:19 CEST\"");
  EXPECT_EQ(berlin("1435677542 | localtime | strflocaltime(\"%A %H:%M %z %Z\")"), "\"Tuesday 17:19 +0200 CEST\"");
  EXPECT_EQ(berlin("1435677542 | strftime(\"%H:%M %z %Z\")"), "\"15:19 +0000 UTC\"");
  EXPECT_EQ(berlin("[2026, 6, 1] | strflocaltime(\"%A %z\")"), "\"Wednesday +0200\"");
  EXPECT_THAT(berlin("\"x\" | localtime"), HasSubstr("localtime() requires a number"));
  EXPECT_THAT(berlin("1e300 | localtime"), HasSubstr("localtime() cannot say so far a time"));
  // Seconds since 1970 are the same ones in every zone, the machine's included.
  EXPECT_EQ(berlin("1425599507 | strflocaltime(\"%s %%s\"), strftime(\"%s\"), (localtime | strflocaltime(\"%-s\"))"),
            "\"1425599507 %s\" \"1425599507\" \"1425599507\"");
  EXPECT_EQ(berlin("\"1425599507\" | strptime(\"%s\") | ., mktime"), "[2015,2,5,23,51,47,4,63] 1425599507");
}

TEST(Times, TheMachinesZoneIsNotAsked) {
  const char* const before = std::getenv("TZ");
  const std::string kept = before == nullptr ? "" : before;
  ::setenv("TZ", "Asia/Kathmandu", 1);
  ::tzset();
  EXPECT_EQ(ran("0 | localtime, strflocaltime(\"%H:%M %z %Z %s\"), strftime(\"%H:%M %z %Z %s\"), in_zone"),
            R"([1970,0,1,0,0,0,4,0] "00:00 +0000 UTC 0" "00:00 +0000 UTC 0" "1970-01-01T00:00:00Z")");
  EXPECT_EQ(ran("[1970, 0, 1] | strftime(\"%s\"), strflocaltime(\"%s\"), mktime, todate"),
            R"("0" "0" 0 "1970-01-01T00:00:00Z")");
  EXPECT_EQ(ran("\"3600\" | strptime(\"%s\") | mktime"), "3600");
  EXPECT_EQ(ran("\"1970-01-01\" | from_iso8601"), "0");
  if (before == nullptr) {
    ::unsetenv("TZ");
  } else {
    ::setenv("TZ", kept.c_str(), 1);
  }
  ::tzset();
}

}  // namespace
}  // namespace tieline::json
