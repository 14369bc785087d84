#include <gtest/gtest.h>

#include "base/bytes.h"
#include "base/prng.h"
#include "base/text.h"
#include "base/time.h"

namespace tieline {
namespace {

TEST(Durations, ReadAndWriteTheFormsPeopleUse) {
  for (const auto& [text, us] : {std::pair{"250ms", 250'000LL},
                                 {"5s", 5'000'000LL},
                                 {"10m", 600'000'000LL},
                                 {"24h", 86'400'000'000LL},
                                 {"7us", 7LL},
                                 {"0", 0LL}}) {
    ASSERT_TRUE(parse_duration(text)) << text;
    EXPECT_EQ(parse_duration(text)->count(), us) << text;
  }
  for (const char* text : {"", "5", "5 s", "-5s", "5x", "1.5s", "99999999999999999d"})
    EXPECT_FALSE(parse_duration(text)) << text;
  EXPECT_EQ(format_duration(90min), "90m");
  EXPECT_EQ(format_duration(24h), "1d");
  EXPECT_EQ(format_duration(0s), "0s");
  EXPECT_EQ(humane_duration(3200us), "3.2 ms");
}

TEST(Times, ReadOffsetsAndFractionsAndWriteUtc) {
  const auto time = parse_time("2026-11-23T16:44:00.5-05:00");
  ASSERT_TRUE(time);
  EXPECT_EQ(format_time(*time), "2026-11-23T21:44:00.500000Z");
  EXPECT_EQ(format_time(*parse_time("2024-02-29T23:59:59Z")), "2024-02-29T23:59:59Z");
  EXPECT_EQ(format_time(*parse_time("1969-12-31T23:59:59Z")), "1969-12-31T23:59:59Z");
  for (const char* text : {"2026-11-23", "2026-02-30T00:00:00Z", "2026-11-23T24:00:00Z", "2026-11-23T10:00:00",
                           "2026-11-23T10:00:00.Z", "x"})
    EXPECT_FALSE(parse_time(text)) << text;
}

TEST(Bytes, HexAndBase64RoundTripAndRefuseNonsense) {
  Prng prng(7);
  for (std::size_t size = 0; size < 40; ++size) {
    Bytes bytes;
    for (std::size_t i = 0; i < size; ++i) bytes += static_cast<char>(prng.next());
    EXPECT_EQ(from_hex(to_hex(bytes)).value(), bytes);
    EXPECT_EQ(from_base64(to_base64(bytes)).value(), bytes);
  }
  EXPECT_EQ(to_base64("any carnal pleas"), "YW55IGNhcm5hbCBwbGVhcw==");  // RFC 4648 §10's kind of example
  EXPECT_EQ(from_base64("_-8").value(), "\xff\xef");
  EXPECT_FALSE(from_hex("abc"));
  EXPECT_FALSE(from_hex("zz"));
  EXPECT_FALSE(from_base64("a"));
  EXPECT_FALSE(from_base64("ab*d"));
}

TEST(Bytes, Crc32cMatchesThePublishedCheckValue) {
  EXPECT_EQ(crc32c("123456789"), 0xE3069283u);  // RFC 3720 B.4's check value
  EXPECT_EQ(crc32c("6789", crc32c("12345")), crc32c("123456789"));
}

TEST(Bytes, Hash64DependsOnEveryByte) {
  const std::string text(40, 'a');
  for (std::size_t i = 0; i < text.size(); ++i) {
    std::string other = text;
    other[i] = 'b';
    EXPECT_NE(hash64(text), hash64(other)) << i;
  }
  EXPECT_NE(hash64("", 0), hash64("", 1));
  EXPECT_NE(hash64("a"), hash64(std::string_view("a\0", 2)));
}

TEST(Text, SuggestsANearWordOnly) {
  const std::vector<std::string> words{"shopify", "hubspot", "stripe"};
  EXPECT_EQ(did_you_mean("shopfy", words), "; did you mean \"shopify\"?");
  EXPECT_EQ(did_you_mean("hubpsot", words), "; did you mean \"hubspot\"?");
  EXPECT_EQ(did_you_mean("netsuite", words), "");
}

TEST(Text, PercentCodingFollowsRfc3986) {
  EXPECT_EQ(percent_encode("a b/ü~"), "a%20b%2F%C3%BC~");
  EXPECT_EQ(percent_decode("a%20b+c").value(), "a b+c");
  EXPECT_EQ(percent_decode("a+c", true).value(), "a c");
  EXPECT_FALSE(percent_decode("%4"));
  EXPECT_FALSE(percent_decode("%zz"));
}

TEST(Text, TruncatesBetweenCharacters) {
  EXPECT_EQ(truncated("grün ist die Wiese im Mai", 3), "gr… (24 bytes more)");
  EXPECT_EQ(truncated("grün", 3), "grün") << "what would be said of the rest is longer than the rest";
  EXPECT_EQ(truncated("grün", 5), "grün");
}

TEST(Text, NumbersForPeople) {
  EXPECT_EQ(whole_number("1042"), 1042u);
  for (const char* no : {"", "-1", "1.0", "1 ", "x1", "18446744073709551616"}) EXPECT_FALSE(whole_number(no)) << no;
  EXPECT_EQ(with_commas(0), "0");
  EXPECT_EQ(with_commas(999), "999");
  EXPECT_EQ(with_commas(1'234'567), "1,234,567");
  EXPECT_EQ(counted(1, "run", "runs"), "1 run");
  EXPECT_EQ(counted(0, "run", "runs"), "0 runs");
}

TEST(Text, RefusesBrokenUtf8) {
  EXPECT_TRUE(valid_utf8("aü€😀"));
  for (const char* text : {"\xC0\x80", "\xED\xA0\x80", "\xF4\x90\x80\x80", "\xE2\x82", "\x80", "\xFF"})
    EXPECT_FALSE(valid_utf8(text));
}

TEST(Prng, IsTheSameForTheSameSeed) {
  Prng a(42), b(42), c(43);
  EXPECT_EQ(a.next(), b.next());
  EXPECT_NE(a.next(), c.next());
  for (int i = 0; i < 1000; ++i) EXPECT_LT(a.below(10), 10u);
}

}  // namespace
}  // namespace tieline
