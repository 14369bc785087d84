// What the language has beyond jq: times in zones, digests, CSV and XML.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "base/bytes.h"
#include "base/text.h"
#include "json/program.h"

namespace tieline::json {
namespace {

using ::testing::HasSubstr;

// All outputs, printed and separated by a space; or the error.
std::string ran_in(const std::string& zone, std::string_view source, std::string input = "null",
                   const RunLimits& limits = {}) {
  const auto program = compile(source, {}, {}, {.zone = zone});
  if (!program) return "does not compile: " + program.error().text();
  const auto document = parse(std::move(input));
  if (!document) return "the input is no JSON: " + document.error().text();
  const auto outputs = (*program)->run(*document, {}, limits);
  if (!outputs) return outputs.error().text();
  std::string text;
  for (const Document& output : *outputs) text += (text.empty() ? "" : " ") + print(output.root());
  return text;
}
std::string ran(std::string_view source, std::string input = "null") { return ran_in("UTC", source, std::move(input)); }

// On a text, which is easier to read than its JSON.
std::string ran_on(std::string_view source, std::string_view text) {
  return ran(source, print(make_string(text).root()));
}
// The one output, a text.
std::string text_of(std::string_view source, std::string input) {
  const std::string shown = ran(source, std::move(input));
  const auto document = parse(shown);
  return document && document->root().is_string() ? std::string(document->root().as_string()) : shown;
}

struct Case {
  std::string_view source;
  const char* input;
  std::string_view output;
};

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

TEST(Digests, OfTheStandardsOwnExamples) {
  const Case cases[] = {
      // FIPS 180-2, appendix B.
      {"sha256", R"("abc")", "\"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\""},
      {"sha256", R"("")", "\"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\""},
      {"sha256", R"("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq")",
       "\"248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1\""},
      // RFC 4231, cases 1 and 2.
      {"hmac_sha256([range(20) | 11] | implode)", R"("Hi There")",
       "\"b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7\""},
      {"hmac_sha256(\"Jefe\")", R"("what do ya want for nothing?")",
       "\"5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843\""},
      {"hmac_sha256(\"\")", R"("")", "\"b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad\""},
      // RFC 9562, appendix A.4.
      {"uuid5(\"dns\")", R"("www.example.com")", "\"2ed6657d-e927-568b-95e1-2665a8aea6a2\""},
      {"uuid5(\"6BA7B810-9DAD-11D1-80B4-00C04FD430C8\")", R"("www.example.com")",
       "\"2ed6657d-e927-568b-95e1-2665a8aea6a2\""},
      {"[(\"url\", \"oid\", \"x500\") as $n | uuid5($n)] | unique | length", R"("x")", "3"},
  };
  for (const Case& c : cases) EXPECT_EQ(ran(c.source, c.input), c.output) << c.source << " of " << c.input;
}

TEST(Digests, FaultsSayWhatIsWrong) {
  const Case cases[] = {
      {"sha256", "{\"a\":1}", "object ({\"a\":1}) is not a text, which sha256 wants; use tostring, or tojson"},
      {"hmac_sha256(\"k\")", "1", "number (1) is not a text, which hmac_sha256 wants"},
      {"hmac_sha256(1)", "\"a\"", "hmac_sha256 wants a text as its key, not number"},
      {"uuid5(\"dns\")", "null", "null (null) is not a text, which uuid5 wants"},
      {"uuid5(\"DNS\")", "\"a\"", "string (\"DNS\") is not a namespace of uuid5"},
      {"uuid5(\"6ba7b810-9dad-11d1-80b4-00c04fd430cg\")", "\"a\"", "is not a namespace of uuid5"},
      {"uuid5(\"6ba7b8109-dad-11d1-80b4-00c04fd430c8\")", "\"a\"", "is not a namespace of uuid5"},
      {"uuid5(5)", "\"a\"", "number (5) is not a namespace of uuid5"},
  };
  for (const Case& c : cases) EXPECT_THAT(ran(c.source, c.input), HasSubstr(std::string(c.output))) << c.source;
}

// Wycheproof's vectors, as far as their keys and messages are texts.
TEST(Digests, HmacOfTheCorpus) {
  const std::string path = "../shared/corpora/crypto/hmac_sha256_test.json";
  if (!std::filesystem::exists(path)) GTEST_SKIP() << "no corpora";
  std::ifstream file(path);
  const auto document = parse(std::string(std::istreambuf_iterator<char>(file), {}));
  ASSERT_TRUE(document);
  const auto program = compile("hmac_sha256($key)", std::vector<std::string>{"key"});
  std::size_t checked = 0;
  for (const Value group : document->root()["testGroups"].elements()) {
    for (const Value test : group["tests"].elements()) {
      const Bytes key = *from_hex(test["key"].as_string()), message = *from_hex(test["msg"].as_string());
      if (!valid_utf8(key) || !valid_utf8(message)) continue;
      const std::vector<Document> variables = {make_string(key)};
      const auto tag = (*program)->run_one(make_string(message), variables);
      ASSERT_TRUE(tag);
      const std::string given(tag->root().as_string().substr(0, test["tag"].size()));
      EXPECT_EQ(given == test["tag"].as_string(), test["result"].as_string() == "valid") << print(test);
      ++checked;
    }
  }
  EXPECT_GT(checked, 0u);
}

TEST(Csv, IsReadByItsRules) {
  struct Read {
    std::string_view source, text, output;
  };
  const Read cases[] = {
      {"parse_csv", "id,name\r\n1,Ada\r\n02,\"Almond, Birch\"\r\n",
       R"([{"id":"1","name":"Ada"},{"id":"02","name":"Almond, Birch"}])"},
      {"parse_csv", "id,name\n1,Ada", R"([{"id":"1","name":"Ada"}])"},
      {"parse_csv", "\xEF\xBB\xBFid\n1\n", R"([{"id":"1"}])"},
      {"parse_csv", "a,b\n\"say \"\"hi\"\"\",\"two\r\nlines\"\n", R"([{"a":"say \"hi\"","b":"two\r\nlines"}])"},
      {"parse_csv", "a,b\n\"\"\"\"\"\",\"\"\n", R"([{"a":"\"\"","b":""}])"},
      {"parse_csv", "a,b\n,\n", R"([{"a":"","b":""}])"},
      {"parse_csv", "\n\r\na\n\n1\n\n\r\n2\r\n\r\n", R"([{"a":"1"},{"a":"2"}])"},
      {"parse_csv", "a\n\"\"\n", R"([{"a":""}])"},
      {"parse_csv", "a,b\r\n", "[]"},
      {"parse_csv", "", "[]"},
      {"parse_csv", "a, b\n 1 ,2\r", R"([{"a":" 1 "," b":"2"}])"},
      {"parse_csv", "a\nx\ry\n", R"([{"a":"x\ry"}])"},
      {"parse_csv({header: false})", "1,2\n3,4\n", R"([["1","2"],["3","4"]])"},
      {"parse_csv({header: [\"x\", \"y\"]})", "1,2\n", R"([{"x":"1","y":"2"}])"},
      {"parse_csv({separator: \";\"})", "a;b\n1,5;\"x;y\"\n", R"([{"a":"1,5","b":"x;y"}])"},
      {"parse_csv({separator: \"\\t\", quote: \"\"})", "a\tb\n5\" pipe\t\"x\n", R"([{"a":"5\" pipe","b":"\"x"}])"},
      {"parse_csv({separator: \"¦\", quote: \"'\"})", "a¦b\n'x¦y'¦'it''s'\n", R"([{"a":"x¦y","b":"it's"}])"},
      {"parse_csv({separator: null, header: null})", "a\n1\n", R"([{"a":"1"}])"},
  };
  for (const Read& c : cases) EXPECT_EQ(ran_on(c.source, c.text), c.output) << c.source << " of " << c.text;
}

TEST(Csv, FaultsHaveTheirLine) {
  struct Read {
    std::string_view source, text, message;
  };
  const Read cases[] = {
      {"parse_csv", "a,b\n1,2\n3\n", "parse_csv: line 3: there is 1 field where the header has 2"},
      {"parse_csv", "a,b\n\"x\ny\",2\n1,2,3\n", "line 4: there are 3 fields where the header has 2"},
      {"parse_csv", "a;b\n1;2;3\n4,5\n", "line 3: there are 2 fields where the header has 1"},
      {"parse_csv({header: false})", "1,2\n\n1\n", "line 3: there is 1 field where the first row has 2; is the sep"},
      {"parse_csv", "a\n\"x\n\ny", "line 2: a field in quotes does not end"},
      {"parse_csv", "a\n\"x\"y\n", "line 2: text stands behind a field in quotes"},
      {"parse_csv", "a\n\"x\" \n", "line 2: text stands behind a field in quotes"},
      {"parse_csv", "a\n1\n5\" pipe\n", "line 3: a quote stands inside a field that does not begin with one"},
      {"parse_csv", "a,b,a\n", "the header has the column \"a\" twice"},
      {"parse_csv({seperator: \";\"})", "a", "parse_csv has no option \"seperator\"; did you mean \"separator\"?"},
      {"parse_csv({separator: \"\"})", "a", "parse_csv: the option separator is one character"},
      {"parse_csv({separator: \"ab\"})", "a", "the option separator is one character"},
      {"parse_csv({separator: \"\\n\"})", "a", "the option separator is one character"},
      {"parse_csv({quote: \",\"})", "a", "the option quote is also the separator"},
      {"parse_csv({header: \"a\"})", "a", "the option header is true, false or the names of the columns"},
      {"parse_csv(\";\")", "a", "string (\";\") are not the options of parse_csv"},
  };
  for (const Read& c : cases) {
    EXPECT_THAT(ran_on(c.source, c.text), HasSubstr(std::string(c.message))) << c.source << " of " << c.text;
  }
  EXPECT_THAT(ran("parse_csv", "[1]"), HasSubstr("array ([1]) is not a text, which parse_csv wants"));
}

TEST(Csv, IsWritten) {
  const Case cases[] = {
      {"to_csv", R"([{"id":1,"name":"Ada"},{"name":"Almond, \"B\"","id":2,"more":true}])",
       "id,name,more\r\n1,Ada,\r\n2,\"Almond, \"\"B\"\"\",true\r\n"},
      {"to_csv", R"([[12345678901234567890,1.10,1e3,null,"x\ny"]])", "12345678901234567890,1.10,1e3,,\"x\ny\"\r\n"},
      {"to_csv({columns: [\"b\", \"a\"], newline: \"\\n\"})", R"([{"a":1,"b":2,"c":3},{"a":4}])", "b,a\n2,1\n,4\n"},
      {"to_csv({header: false, separator: \";\"})", R"([{"a":"1,5","b":"x;y"}])", "1,5;\"x;y\"\r\n"},
      {"to_csv({columns: [\"a\", \"b\"]})", "[[1,2]]", "a,b\r\n1,2\r\n"},
      {"to_csv({columns: [\"a\"]})", "[]", "a\r\n"},
      {"to_csv", "[]", ""},
      {"to_csv", R"([[""],["\uFEFFx"]])", "\"\"\r\n\xEF\xBB\xBFx\r\n"},
      {"to_csv", R"([["\uFEFFx"]])", "\"\xEF\xBB\xBFx\"\r\n"},
      {"to_csv({quote: \"\", separator: \"\\t\"})", R"([["a\"b",1]])", "a\"b\t1\r\n"},
  };
  for (const Case& c : cases) EXPECT_EQ(text_of(c.source, c.input), c.output) << c.source << " of " << c.input;
  const Case faults[] = {
      {"to_csv", "{}", "object ({}) is not an array of rows, which to_csv wants"},
      {"to_csv", "[1]", "to_csv: row 1 is of the kind number; a row is an object or an array"},
      {"to_csv", "[{\"a\":1},[1]]", "to_csv: row 2 is of the kind array, the first is an object"},
      {"to_csv", "[{}]", "to_csv: the rows have no columns"},
      {"to_csv", R"([{"a":1},{"a":[2]}])", "array ([2]) cannot stand in a field of to_csv, in row 2, column \"a\""},
      {"to_csv", "[[1,{}]]", "object ({}) cannot stand in a field of to_csv, in row 1, column 2"},
      {"to_csv", "[[1,2],[3]]", "to_csv: row 2 has 1 field where the first has 2"},
      {"to_csv({columns: [\"a\"]})", "[[1,2]]", "to_csv: row 1 has 2 fields where there are columns for 1"},
      {"to_csv({quote: \"\"})", "[[\"a,b\"]]", "\"a,b\" needs quotes, which {quote: \"\"} forbids, in row 1, column 1"},
      {"to_csv({columns: \"a\"})", "[]", "to_csv: the option columns is an array of texts"},
      {"to_csv({newline: \"\\r\"})", "[]", "to_csv: the option newline is \"\\n\" or \"\\r\\n\""},
      {"to_csv({header: 1})", "[]", "to_csv: the option header is true or false"},
  };
  for (const Case& c : faults) EXPECT_THAT(ran(c.source, c.input), HasSubstr(std::string(c.output))) << c.source;
}

TEST(Csv, ComesBackAsItWas) {
  for (const char* const rows :
       {R"([["a","b"],["","x,y"],["\"","\r\n"],[" ","'"]])", "[[\"\"],[\"\xEF\xBB\xBF\"],[\"\\r\"]]", "[]"}) {
    EXPECT_EQ(ran("to_csv | parse_csv({header: false})", rows), rows);
    EXPECT_EQ(ran("to_csv({separator: \";\", newline: \"\\n\"}) | parse_csv({separator: \";\", header: false})", rows),
              rows);
  }
  EXPECT_EQ(ran("to_csv | parse_csv", R"([{"":"1","x,\"y":"2"}])"), R"([{"":"1","x,\"y":"2"}])");
}

TEST(Xml, IsReadByItsMapping) {
  struct Read {
    std::string_view source, text, output;
  };
  const Read cases[] = {
      {"parse_xml", "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!-- c --><a>x</a>\n<?pi y?>", R"({"a":"x"})"},
      {"parse_xml", "<a/>", R"({"a":""})"},
      {"parse_xml", "<a>  x\r\n </a>", R"({"a":"  x\n "})"},
      {"parse_xml", "<a id='7' b=\"\">x</a>", R"({"a":{"@id":"7","@b":"","#text":"x"}})"},
      {"parse_xml", "<a id=\"7\"/>", R"({"a":{"@id":"7"}})"},
      {"parse_xml", "<o>\n  <l n=\"1\">p</l>\n  <t/>\n  <l>q</l>\n</o>",
       R"({"o":{"l":[{"@n":"1","#text":"p"},"q"],"t":""}})"},
      {"parse_xml({arrays: [\"l\"]})", "<o><l>1</l></o>", R"({"o":{"l":["1"]}})"},
      {"parse_xml({arrays: [\"l\"]})", "<l/>", R"({"l":""})"},
      {"parse_xml", "<p>Hello <b>world</b>!</p>", R"({"p":{"b":"world","#text":"Hello !"}})"},
      {"parse_xml", "<a>1<!-- no -->2<![CDATA[<&>]]>3</a>", R"({"a":"12<&>3"})"},
      {"parse_xml", "<a t='&lt;&#65;&#x42;&quot;\n'>&amp;&apos;&gt;</a>", R"({"a":{"@t":"<AB\" ","#text":"&'>"}})"},
      {"parse_xml", "<s:E xmlns:s='urn:x'><s:B x:y='1'/></s:E>", R"({"s:E":{"@xmlns:s":"urn:x","s:B":{"@x:y":"1"}}})"},
      {"parse_xml", "\xEF\xBB\xBF<\xC3\xA9>\xE2\x82\xAC</\xC3\xA9>", "{\"\xC3\xA9\":\"\xE2\x82\xAC\"}"},
      {"parse_xml", "<a><b> </b><c x=''> </c></a>", R"({"a":{"b":" ","c":{"@x":"","#text":" "}}})"},
  };
  for (const Read& c : cases) EXPECT_EQ(ran_on(c.source, c.text), c.output) << c.source << " of " << c.text;
}

TEST(Xml, FaultsHaveTheirPlace) {
  struct Read {
    std::string_view text, message;
  };
  const Read cases[] = {
      {"", "there is no element"},
      {"x", "line 1, column 1: text stands outside of the root element"},
      {"<a>\n  <b></a>", "parse_xml: line 2, column "},
      {"<a>\n<b>x</c></a>", "line 2, column 7: an end tag is missing, or names another element"},
      {"<a>", "an end tag is missing"},
      {"<a", "a start tag is malformed or does not end"},
      {"<a b></a>", "an attribute is malformed"},
      {"<a b=c/>", "an attribute is malformed"},
      {"<a b='1' b='2'/>", "line 1, column 2: an attribute stands twice in one tag"},
      {"<a/><b/>", "line 1, column 5: there is a second element beside the root"},
      {"<a/>x", "line 1, column 5: text stands outside of the root element"},
      {"<a/></a>", "an end tag is missing, or names another element"},
      {"<!DOCTYPE a [<!ENTITY x \"y\">]>\n<a>&x;</a>", "line 1, column 1: a document type (<!DOCTYPE) is not accepted"},
      {"<a>\n\xC3\xA9&nbsp;</a>", "line 2, column 2: the entity &nbsp; is not one of XML's five"},
      {"<a>R&D</a>", "an & begins no entity; write &amp;"},
      {"<a b='R&D'/>", "an & begins no entity; write &amp;"},
      {"<a>&#0;</a>", "an & begins no entity"},
      {"<a>&#xD800;</a>", "an & begins no entity"},
      {"<a b='<'/>", "a < stands in the value of an attribute"},
      {"<a>\x01</a>", "line 1, column 4: a control character cannot stand in XML"},
      {"<a><![CDATA[x</a>", "a CDATA section does not end"},
      {"<a><!-- x</a>", "a comment does not end"},
      {"<a><!-- x -- y --></a>", "line 1, column 11: -- stands in a comment"},
      {"<a>x]]></a>", "line 1, column 5: ]]> stands in a text"},
      {" <?xml version='1.0'?><a/>", "line 1, column 2: an XML declaration stands behind the beginning"},
      {"<a/><? x?>", "line 1, column 5: a processing instruction (<?) is malformed"},
      {"<1/>", "line 1, column "},
  };
  for (const Read& c : cases) {
    EXPECT_THAT(ran_on("parse_xml", c.text), HasSubstr(std::string(c.message))) << c.text;
  }
  EXPECT_THAT(ran("\"<a>\\u0000</a>\" | parse_xml"), HasSubstr("a control character cannot stand in XML"));
  EXPECT_THAT(ran("parse_xml", "1"), HasSubstr("number (1) is not a text, which parse_xml wants"));
  EXPECT_THAT(ran_on("parse_xml({array: []})", "<a/>"), HasSubstr("has no option \"array\"; did you mean \"arrays\"?"));
  EXPECT_THAT(ran_on("parse_xml({arrays: 1})", "<a/>"), HasSubstr("the option arrays is an array of texts"));
  EXPECT_THAT(ran("[range(300) | \"<a>\"] | join(\"\") | parse_xml"), HasSubstr("nested deeper than 256 levels"));
}

TEST(Xml, IsWritten) {
  const Case cases[] = {
      {"to_xml", R"({"order":{"@id":7,"email":"a&b","line":[{"@n":1,"#text":"x"},null,2.50],"none":[]}})",
       R"(<order id="7"><email>a&amp;b</email><line n="1">x</line><line/><line>2.50</line></order>)"},
      {"to_xml", R"({"a":"<x> \"y\" ]]>\r\n\t"})", "<a>&lt;x&gt; \"y\" ]]&gt;&#13;\n\t</a>"},
      {"to_xml", R"({"a":{"b":true,"@t":"<x> \"y\"\r\n\t'","@none":null}})",
       "<a t=\"&lt;x&gt; &quot;y&quot;&#13;&#10;&#9;'\"><b>true</b></a>"},
      {"to_xml({declaration: true})", R"({"a":12345678901234567890})",
       "<?xml version=\"1.0\" encoding=\"UTF-8\"?><a>12345678901234567890</a>"},
      {"to_xml", R"({"s:a":{"@xmlns:s":"urn:x","#text":""}})", R"(<s:a xmlns:s="urn:x"/>)"},
      {"to_xml", R"({"a":{}})", "<a/>"},
  };
  for (const Case& c : cases) EXPECT_EQ(text_of(c.source, c.input), c.output) << c.input;
  const Case faults[] = {
      {"to_xml", "{}", "object ({}) cannot be XML: to_xml wants an object with one key"},
      {"to_xml", R"({"a":1,"b":2})", "to_xml wants an object with one key"},
      {"to_xml", "\"a\"", "string (\"a\") cannot be XML"},
      {"to_xml", R"({"a":[1]})", "array ([1]) cannot be the root of to_xml"},
      {"to_xml", R"({"a b":1})", "to_xml: \"a b\" is not the name of an element"},
      {"to_xml", R"({"a":{"1":2}})", "to_xml: \"1\" is not the name of an element"},
      {"to_xml", R"({"a":{"x><y":[]}})", "is not the name of an element"},
      {"to_xml", R"({"a":{"@b c":1}})", "to_xml: \"@b c\" is not the name of an attribute"},
      {"to_xml", R"({"a":{"@":1}})", "to_xml: \"@\" is not the name of an attribute"},
      {"to_xml", R"({"a":{"#x":1}})", "to_xml: \"#x\" is not the name of an element"},
      {"to_xml", R"({"a":{"@b":[1]}})", "array ([1]) cannot be the attribute \"@b\" of <a>"},
      {"to_xml", R"({"a":{"#text":{}}})", "object ({}) cannot be the text of <a>"},
      {"to_xml", R"({"a":{"b":[[1]]}})", "array ([1]) cannot be one of the elements <b>"},
      {"to_xml", R"({"a":"\u0001"})", "has a control character that XML cannot hold, in <a>"},
      {"to_xml({declaration: \"1.1\"})", R"({"a":1})", "to_xml: the option declaration is true or false"},
      {"reduce range(300) as $i (1; {a: .}) | to_xml", "null", "to_xml: elements are nested deeper than 256 levels"},
  };
  for (const Case& c : faults) EXPECT_THAT(ran(c.source, c.input), HasSubstr(std::string(c.output))) << c.input;
}

TEST(Xml, ComesBackAsItWas) {
  for (const char* const document :
       {R"({"a":""})", R"({"a":" \n\t\r<&>\"' "})", R"({"a":{"@b":" \n\t\r<&>\"' ","c":["1","2",{"@d":""}]}})",
        R"({"s:a":{"@xmlns:s":"u","s:b":{"s:c":"é"},"x":"1"}})"}) {
    EXPECT_EQ(ran("to_xml | parse_xml", document), document);
    EXPECT_EQ(ran("to_xml({declaration: true}) | parse_xml", document), document);
  }
}

TEST(Business, NothingTakesMoreThanItMay) {
  const RunLimits few{.steps_max = 200'000, .memory_bytes_max = 8u << 20};
  for (const std::string_view source : {
           "reduce range(40) as $i ([\"x\"]; [., .]) | {a: {b: flatten}} | to_xml",
           "reduce range(40) as $i ({b: \"x\"}; {b: [., .]}) | {a: .} | to_xml",
           "[range(1000)] as $r | [range(100000) | $r] | to_csv",
           "\",\" * 4000000 | parse_csv({header: false})",
           "\"a\\n\" * 2000000 | parse_csv",
           "\"<a>\" + (\"<b/>\" * 1000000) + \"</a>\" | parse_xml",
           "\"<a \" + (\"b='' \" * 1000000) + \"/>\" | parse_xml",
           "\"x\" * 7000000 | [., ., ., ., ., ., .] | map(sha256) | map(sha256)",
           "[limit(300000; repeat(1 | in_zone(\"Europe/Berlin\")))] | length",
       }) {
    EXPECT_THAT(ran_in("UTC", source, "null", few),
                ::testing::AnyOf(HasSubstr("did not end within"), HasSubstr("MiB of memory"),
                                 HasSubstr("Repeat string result too long")))
        << source;
  }
}

TEST(Business, IsListedAndSuggested) {
  EXPECT_EQ(
      ran("[\"in_zone/0\", \"in_zone/1\", \"from_iso8601/0\", \"from_iso8601/1\", \"to_iso8601/0\", \"sha256/0\", "
          "\"hmac_sha256/1\", \"uuid5/1\", \"parse_csv/0\", \"parse_csv/1\", \"to_csv/0\", \"to_csv/1\", "
          "\"parse_xml/0\", \"parse_xml/1\", \"to_xml/0\", \"to_xml/1\", \"localtime/0\", \"strflocaltime/1\"] "
          "- builtins"),
      "[]");
  EXPECT_THAT(ran("parse_cvs"), HasSubstr("did you mean \"parse_csv\"?"));
  EXPECT_THAT(ran("in_zon(\"UTC\")"), HasSubstr("did you mean \"in_zone\"?"));
  EXPECT_THAT(ran("uuid5"), HasSubstr("there is uuid5/1"));
}

}  // namespace
}  // namespace tieline::json
