// Parsing, comparing and building documents. Nothing here may depend on the mapping language.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <limits>
#include <sstream>
#include <thread>

#include "json/value.h"

namespace tieline::json {
namespace {

Document parsed(std::string text) {
  auto document = parse(text);
  EXPECT_TRUE(document) << text << ": " << (document ? "" : document.error().text());
  return document ? *document : Document();
}

std::string read_file(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

TEST(Corpus, EveryFileIsAcceptedOrRefusedAsItsNameSays) {
  const std::filesystem::path folder = "../shared/corpora/json/test_parsing";
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << folder << " is missing";
  int yes = 0, no = 0, either = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    const std::string text = read_file(entry.path());
    const auto document = parse(text);
    EXPECT_EQ(document.has_value(), validate(text).has_value()) << name;
    if (!document) {
      EXPECT_EQ(document.error(), validate(text).error()) << name;
      EXPECT_GE(document.error().place.line, 1u) << name;
    } else {
      const std::string printed = print(document->root());
      const auto again = parse(printed);
      ASSERT_TRUE(again) << name;
      EXPECT_TRUE(equal(document->root(), again->root())) << name;
      EXPECT_EQ(print(again->root()), printed) << name;
    }
    switch (name.front()) {
      case 'y':
        EXPECT_TRUE(document) << name;
        ++yes;
        break;
      case 'n':
        EXPECT_FALSE(document) << name;
        ++no;
        break;
      default: ++either;
    }
  }
  EXPECT_GT(yes, 90);
  EXPECT_GT(no, 180);
  EXPECT_GT(either, 30);
}

TEST(Parse, SaysWhereAndWhatWasExpected) {
  struct Case {
    std::string_view text;
    std::uint32_t line, column;
    std::string_view message;
  };
  const Case cases[] = {
      {"", 1, 1, "expected a value, found the end of the text"},
      {"  x", 1, 3, "expected a value, found \"x\""},
      {"{\"a\":1 \"b\":2}", 1, 8, "expected \",\" or \"}\" after a member, found '\"'"},
      {"{\"a\" 1}", 1, 6, "expected \":\" after a key, found \"1\""},
      {"{a:1}", 1, 2, "expected a key in quotes or \"}\", found \"a\""},
      {"{\"a\":1,}", 1, 8, "expected a key in quotes after \",\", found \"}\""},
      {"{\"a\":}", 1, 6, "expected a value after a key, found \"}\""},
      {"[1,]", 1, 4, "expected a value after \",\", found \"]\""},
      {"[,1]", 1, 2, "expected a value or \"]\", found \",\""},
      {"[", 1, 2, "expected a value or \"]\", found the end of the text"},
      {"[1,\n 2\n 3]", 3, 2, "expected \",\" or \"]\" after an element, found \"3\""},
      {"{} {}", 1, 4, "expected the end of the text, found \"{\""},
      {"[tru]", 1, 2, "expected a value: null, true, false, a number, or a string in quotes"},
      {"[01]", 1, 2, "invalid number: expected no digit after a leading zero"},
      {"[-]", 1, 2, "invalid number: expected a digit after \"-\""},
      {"[1.]", 1, 2, "invalid number: expected a digit after the decimal point"},
      {"[1e+]", 1, 2, "invalid number: expected a digit in the exponent"},
      {"[\"\xC3\xA4\", \"a\tb\"]", 1, 9, "a control character in a string must be escaped, found byte 0x09"},
      {"[\"a\xFF\"]", 1, 4, "invalid UTF-8 in a string, found byte 0xFF"},
      {"[\"\\x\"]", 1, 3,
       "invalid escape in a string: after a backslash expected one of \" \\ / b f n r t u, found \"x\""},
      {"[\"\\u12G4\"]", 1, 3, "invalid escape in a string: \\u needs four hexadecimal digits"},
      {"[\"\\uD800x\"]", 1, 3, "invalid escape in a string: \\uD800 is half of a surrogate pair"},
      {"[\"\\uDC00\"]", 1, 3, "invalid escape in a string: \\uDC00 is half of a surrogate pair"},
      {"[\"abc", 1, 2, "a string is not closed: expected a quote before the end of the text"},
      {"\xEF\xBB\xBF{}", 1, 1, "a byte order mark is not allowed before JSON"},
  };
  for (const Case& c : cases) {
    const auto document = parse(std::string(c.text));
    ASSERT_FALSE(document) << c.text;
    EXPECT_EQ(document.error().code, Code::kInvalid) << c.text;
    EXPECT_EQ(document.error().message, c.message) << c.text;
    EXPECT_EQ(document.error().place, (Place{"", c.line, c.column})) << c.text;
    const auto checked = validate(c.text);
    ASSERT_FALSE(checked) << c.text;
    EXPECT_EQ(checked.error(), document.error()) << c.text;
  }
}

TEST(Parse, KeepsTheBytesOfEveryKindOfText) {
  const std::string_view texts[] = {"null",
                                    "true",
                                    "false",
                                    "0",
                                    "-0",
                                    "1.10",
                                    "12345678901234567890",
                                    "1E400",
                                    "-1.5e-7",
                                    "\"\"",
                                    "\"a/b\"",
                                    "[]",
                                    "{}",
                                    "[[],{}]",
                                    "{\"a\":{\"b\":[1,2.0,null]},\"\":true}",
                                    "\"\x7F\xC3\xA9\xF0\x9F\x98\x80\"",
                                    "\"\\u0001\\n\\\"\\\\\"",
                                    "[\"exactly sixteen.\",\"one more than 16.\"]"};
  for (const std::string_view text : texts) {
    EXPECT_EQ(print(parsed(std::string(text)).root()), text);
    EXPECT_TRUE(validate(text)) << text;
  }
}

TEST(Parse, DecodesEscapes) {
  EXPECT_EQ(parsed(R"("\u0041\t\/\u00e9\u20ac\uD83D\uDE00\u0000|")").root().as_string(),
            std::string_view("A\t/\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80\0|", 14));
  EXPECT_EQ(parsed(R"({"\u0061":1})").root()["a"].number_text(), "1");
}

TEST(Parse, FindsSpecialBytesAtEveryOffsetOfABlock) {
  for (std::size_t before = 0; before < 40; ++before) {
    const std::string run(before, 'x');
    for (const std::string& middle : {std::string("\\n"), std::string("\xC3\xA9"), std::string()}) {
      const std::string text = '"' + run + middle + run + '"';
      EXPECT_EQ(print(parsed(text).root()), text);
    }
    EXPECT_FALSE(validate('"' + run + '\x01' + run + '"')) << before;
    EXPECT_FALSE(validate('"' + run + "\xC3\"")) << before;
  }
}

TEST(Parse, RefusesInvalidUtf8) {
  for (const std::string_view bytes :
       {"\x80", "\xC0\x80", "\xC1\xBF", "\xC3", "\xE0\x80\x80", "\xED\xA0\x80", "\xE2\x82", "\xF0\x80\x80\x80",
        "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xF0\x9F\x98", "\xFE"}) {
    EXPECT_FALSE(validate('"' + std::string(bytes) + '"')) << ::testing::PrintToString(bytes);
  }
  EXPECT_TRUE(validate("\"\xED\x9F\xBF\xEE\x80\x80\xF4\x8F\xBF\xBF\""));
}

TEST(Parse, RefusesDeepNestingWithoutOverflow) {
  for (const std::string_view open : {"[", "{\"a\":"}) {
    std::string text;
    for (int i = 0; i < 100'000; ++i) text += open;
    const auto document = parse(text);
    ASSERT_FALSE(document);
    EXPECT_EQ(document.error().code, Code::kTooLarge);
    EXPECT_EQ(document.error().message, "nested deeper than 128 levels");
    EXPECT_EQ(document.error().place.column, 128 * open.size() + 1);
    EXPECT_EQ(validate(text, {.depth_max = 1'000'000}).error().message, "nested deeper than 4096 levels");
  }
  EXPECT_TRUE(validate(std::string(128, '[') + std::string(128, ']')));
  EXPECT_FALSE(validate(std::string(129, '[') + std::string(129, ']')));
  const Document deep = *parse(std::string(4096, '[') + std::string(4096, ']'), {.depth_max = 4096});
  EXPECT_TRUE(equal(deep.root(), Builder().copy(deep.root()).finish().root()));
  EXPECT_EQ(print(deep.root()).size(), 8192u);
}

TEST(Parse, RefusesMoreBytesThanTheLimit) {
  const auto document = parse("[1,2,3]", {.bytes_max = 6});
  ASSERT_FALSE(document);
  EXPECT_EQ(document.error().code, Code::kTooLarge);
  EXPECT_EQ(document.error().message, "the text has 7 bytes, the limit is 6");
  EXPECT_TRUE(parse("[1,2,3]", {.bytes_max = 7}));
}

TEST(Parse, OfEqualKeysTheFirstPositionAndTheLastValueStay) {
  EXPECT_EQ(print(parsed(R"({"a":1,"b":2,"a":3,"\u0061":4})").root()), R"({"a":4,"b":2})");
  std::string text = "{";
  for (int round = 0; round < 2; ++round) {
    for (int i = 0; i < 100; ++i) text += "\"k" + std::to_string(i) + "\":" + std::to_string(i + 1000 * round) + ",";
  }
  text.back() = '}';
  const Document document = parsed(text);
  ASSERT_EQ(document.root().size(), 100u);
  int i = 0;
  for (const auto [key, value] : document.root().members()) {
    EXPECT_EQ(key, "k" + std::to_string(i));
    EXPECT_EQ(value.as_int64(), 1000 + i);
    EXPECT_EQ(document.root()[key].node(), value.node());
    ++i;
  }
}

TEST(Parse, ManyKeysAreUnitedAndFoundWithoutComparingAllPairs) {
  // All pairs would be ten thousand million comparisons, several times over.
  std::string text = "{";
  for (int i = 0; i < 100'000; ++i) text += "\"key" + std::to_string(i) + "\":" + std::to_string(i) + ",";
  text.back() = '}';
  const Document document = parsed(text);
  ASSERT_EQ(document.root().size(), 100'000u);
  EXPECT_EQ(document.root()["key77777"].as_int64(), 77'777);
  EXPECT_FALSE(document.root().has("key100000"));
  EXPECT_TRUE(equal(document.root(), parsed(text).root()));
  EXPECT_EQ(print(document.root()), text);
}

TEST(Parse, DocumentKeepsASharedBodyAlive) {
  auto body = std::make_shared<const std::string>(R"({"a":["text that is longer than a small string"]})");
  std::weak_ptr<const std::string> watched = body;
  Document part;
  {
    const auto document = parse(std::move(body));
    ASSERT_TRUE(document);
    part = document->part(document->root()["a"].at(0));
  }
  EXPECT_FALSE(watched.expired());
  EXPECT_EQ(part.root().as_string(), "text that is longer than a small string");
  part = Document();
  EXPECT_TRUE(watched.expired());
}

TEST(Number, Integers) {
  struct Case {
    std::string_view text;
    std::optional<std::int64_t> value;
  };
  const Case cases[] = {{"0", 0},
                        {"-0", 0},
                        {"7", 7},
                        {"2.0", 2},
                        {"1e3", 1000},
                        {"12.50e1", 125},
                        {"-1.5e1", -15},
                        {"1000e-3", 1},
                        {"0.0e99999999999999999999", 0},
                        {"1.5", std::nullopt},
                        {"1e-1", std::nullopt},
                        {"9223372036854775807", std::numeric_limits<std::int64_t>::max()},
                        {"-9223372036854775808", std::numeric_limits<std::int64_t>::min()},
                        {"9223372036854775808", std::nullopt},
                        {"9223372036854775.807e3", 9223372036854775807},
                        {"9.223372036854775808e18", std::nullopt},
                        {"1e19", std::nullopt},
                        {"1e99999999999999999999", std::nullopt}};
  for (const Case& c : cases) EXPECT_EQ(parsed(std::string(c.text)).root().as_int64(), c.value) << c.text;
}

TEST(Number, ExactnessOfDoubles) {
  struct Case {
    std::string_view text;
    bool inexact;
  };
  const Case cases[] = {{"0", false},
                        {"-0", false},
                        {"1.10", false},
                        {"0.1", false},
                        {"123456789012345", false},
                        {"9007199254740992", false},
                        {"9007199254740993", true},
                        {"-9007199254740993", true},
                        {"9007199254740994", true},  // held, but its neighbours are not: no arithmetic on it is exact
                        {"12345678901234567890", true},
                        {"9007199254740993.0", true},
                        {"1e22", false},
                        {"1e400", true},
                        {"1e-400", true},
                        {"0e400", false},
                        {"0.30000000000000004", false},
                        {"3.141592653589793238", true},
                        {"1234567.8901234567", false},
                        {"1e99999999999999999999", true}};
  for (const Case& c : cases) {
    EXPECT_EQ(parsed(std::string(c.text)).has_inexact_numbers(), c.inexact) << c.text;
    EXPECT_EQ(Builder().number(c.text).finish().has_inexact_numbers(), c.inexact) << c.text;
  }
  const Document document = parsed(R"({"id":12345678901234567890,"n":[1]})");
  EXPECT_TRUE(document.part(document.root()["id"]).has_inexact_numbers());
  EXPECT_FALSE(document.part(document.root()["n"]).has_inexact_numbers());
}

TEST(Number, ComparedByValue) {
  const char* const same[][2] = {{"1", "1.0"},       {"1", "1e0"},
                                 {"10", "1e1"},      {"0", "-0.0e5"},
                                 {"0.001", "1E-3"},  {"12345678901234567890", "1234567890123456789.0e1"},
                                 {"1e400", "10e399"}};
  const char* const different[][2] = {
      {"9007199254740993", "9007199254740992"},         {"1", "-1"},       {"1", "10"}, {"1.01", "1.1"},
      {"12345678901234567890", "12345678901234567891"}, {"1e400", "1e401"}};
  for (const auto& [a, b] : same) EXPECT_TRUE(equal(parsed(a).root(), parsed(b).root())) << a << ' ' << b;
  for (const auto& [a, b] : different) EXPECT_FALSE(equal(parsed(a).root(), parsed(b).root())) << a << ' ' << b;
}

TEST(Number, ExponentsAtTheEndOf64BitsAreNotComputedWith) {
  for (const char* text : {"100e9223372036854775807", "0.001e-9223372036854775807", "100e18446744073709551615"}) {
    const Document number = parsed(text);
    EXPECT_TRUE(equal(number.root(), number.root())) << text;
    EXPECT_FALSE(equal(number.root(), parsed("100e3").root())) << text;
    EXPECT_FALSE(number.root().as_int64()) << text;
    EXPECT_TRUE(number.has_inexact_numbers()) << text;
  }
}

TEST(Number, NearestDouble) {
  EXPECT_EQ(parsed("0.1").root().as_double(), 0.1);
  EXPECT_EQ(parsed("1e400").root().as_double(), std::numeric_limits<double>::max());
  EXPECT_EQ(parsed("-1e400").root().as_double(), std::numeric_limits<double>::lowest());
  EXPECT_EQ(parsed("1e-400").root().as_double(), 0.0);
  EXPECT_EQ(parsed("\"1\"").root().as_double(), 0.0);
}

TEST(Equal, IgnoresOrderOfMembersOnly) {
  EXPECT_TRUE(equal(parsed(R"({"a":1,"b":[1,{"c":null}]})").root(), parsed(R"({"b":[1.0,{"c":null}],"a":1})").root()));
  for (const char* other :
       {R"({"a":1,"b":[{"c":null},1]})", R"({"a":1})", R"({"a":1,"b":[1,{"d":null}]})", "null", "[]"}) {
    EXPECT_FALSE(equal(parsed(R"({"a":1,"b":[1,{"c":null}]})").root(), parsed(other).root())) << other;
  }
}

TEST(Value, AnswersNullOrEmptyForWhatIsNotThere) {
  const Document document = parsed(R"({"s":"x","a":[1],"f":false})");
  const Value root = document.root();
  EXPECT_TRUE(root["none"].is_null());
  EXPECT_TRUE(root["s"]["x"].is_null());
  EXPECT_TRUE(root["a"].at(1).is_null());
  EXPECT_TRUE(root.at(0).is_null());
  EXPECT_EQ(root["a"].as_string(), "");
  EXPECT_EQ(root["s"].number_text(), "");
  EXPECT_EQ(root["s"].as_int64(), std::nullopt);
  EXPECT_EQ(root["s"].size(), 1u);
  EXPECT_EQ(root["f"].size(), 0u);
  EXPECT_EQ(root["s"].elements().size(), 0u);
  EXPECT_EQ(root["s"].members().size(), 0u);
  EXPECT_FALSE(root["f"].truthy());
  EXPECT_FALSE(Value().truthy());
  EXPECT_TRUE(root["s"].truthy());
  EXPECT_FALSE(root["s"].as_bool());
  EXPECT_EQ(kind_name(root["f"].kind()), "boolean");
  EXPECT_TRUE(Document().root().is_null());
}

TEST(Find, Pointers) {
  const Document document = parsed(R"({"a/b":{"m~n":[10,{"":20}]},"0":"zero"})");
  struct Case {
    std::string_view pointer, text;
  };
  for (const Case& c : {Case{"/a~1b/m~0n/0", "10"}, Case{"/a~1b/m~0n/1/", "20"}, Case{"/0", "\"zero\""},
                        Case{"/a~1b/m~0n/00", "null"}, Case{"/a~1b/m~0n/-", "null"}, Case{"/a~1b/m~0n/2", "null"},
                        Case{"a", "null"}, Case{"/a~2b", "null"}, Case{"/0/1", "null"}}) {
    EXPECT_EQ(print(find_pointer(document.root(), c.pointer)), c.text) << c.pointer;
  }
  EXPECT_EQ(find_pointer(document.root(), "").node(), document.root().node());
}

TEST(Find, Paths) {
  const Document document = parsed(R"({"a":{"b":[{"c":1},{"c":2}]}})");
  EXPECT_EQ(print(find_path(document.root(), "a.b.1.c")), "2");
  EXPECT_EQ(print(find_path(document.root(), "a.b.2.c")), "null");
  EXPECT_EQ(print(find_path(document.root(), "a.x")), "null");
  EXPECT_EQ(find_path(document.root(), "").node(), document.root().node());
}

TEST(Builder, BuildsEveryKind) {
  Builder builder;
  builder.begin_object().key("n").null().key("b").boolean(true).key("i").integer(-5).key("r").real(0.5).key("t").number(
      "1.10");
  builder.key("s").string("a\"b").key("a").begin_array().integer(1).begin_array().end_array().end_array();
  builder.key("c").copy(parsed(R"({"x":[1.0,"é\n"]})").root()).key("n").string("last").end_object();
  const Document document = builder.finish();
  EXPECT_EQ(print(document.root()),
            R"({"n":"last","b":true,"i":-5,"r":0.5,"t":1.10,"s":"a\"b","a":[1,[]],"c":{"x":[1.0,"é\n"]}})");
  EXPECT_EQ(print(builder.integer(7).finish().root()), "7");  // usable again
  EXPECT_EQ(print(document.root()["b"]), "true");             // and the first one stands
}

TEST(Builder, RepairsInvalidUtf8) {
  EXPECT_EQ(make_string("a\xFF"
                        "b\xC3")
                .root()
                .as_string(),
            "a\xEF\xBF\xBD"
            "b\xEF\xBF\xBD");
  EXPECT_EQ(make_string("").root().as_string(), "");
}

TEST(Builder, PrintsDoublesShortest) {
  struct Case {
    double value;
    std::string_view text;
  };
  for (const Case& c :
       {Case{0.1, "0.1"}, Case{100, "100"}, Case{-3, "-3"}, Case{1e15, "1000000000000000"},
        Case{9007199254740992.0, "9007199254740992"}, Case{1e22, "1e+22"}, Case{1.0 / 3, "0.3333333333333333"},
        Case{-0.0, "-0"}, Case{5e-324, "5e-324"}, Case{std::numeric_limits<double>::quiet_NaN(), "null"},
        Case{std::numeric_limits<double>::infinity(), "1.7976931348623157e+308"}}) {
    EXPECT_EQ(print(Builder().real(c.value).finish().root()), c.text);
  }
}

TEST(Builder, Shortcuts) {
  EXPECT_EQ(print(make_bool(false).root()), "false");
  EXPECT_EQ(print(make_integer(std::numeric_limits<std::int64_t>::min()).root()), "-9223372036854775808");
  EXPECT_TRUE(make_integer(std::numeric_limits<std::int64_t>::min()).has_inexact_numbers());
  EXPECT_EQ(make_integer(42).root().as_int64(), 42);
}

using BuilderDeathTest = ::testing::Test;

TEST(BuilderDeathTest, MisuseIsABug) {
  ::testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_DEATH(Builder().begin_object().integer(1), "");
  EXPECT_DEATH(Builder().begin_object().key("a").key("b"), "");
  EXPECT_DEATH(Builder().begin_object().key("a").end_object(), "");
  EXPECT_DEATH(Builder().begin_array().key("a"), "");
  EXPECT_DEATH(Builder().begin_array().end_object(), "");
  EXPECT_DEATH(Builder().begin_array().finish(), "");
  EXPECT_DEATH(Builder().finish(), "");
  EXPECT_DEATH(Builder().integer(1).integer(2), "");
  EXPECT_DEATH(Builder().integer(1).begin_array(), "");
  EXPECT_DEATH(Builder().begin_object().begin_array(), "");
  EXPECT_DEATH(Builder().number("01"), "");
  EXPECT_DEATH(Builder().key("a"), "");
}

TEST(Document, IsReadFromSeveralThreads) {
  const Document document = parsed(R"({"a":[1,2,3],"b":"x"})");
  std::vector<std::thread> threads;
  std::array<std::string, 4> printed;
  for (std::string& out : printed) {
    threads.emplace_back([document, &out] { out = print(document.root()); });
  }
  for (std::thread& thread : threads) thread.join();
  for (const std::string& out : printed) EXPECT_EQ(out, R"({"a":[1,2,3],"b":"x"})");
}

// Texts are scanned, decoded and escaped 16 bytes at a time: wherever in such a block something special stands.
TEST(Texts, AreReadAndWrittenAtEveryOffset) {
  struct Case {
    std::string written, decoded, printed;
  };
  const Case cases[] = {{"\\n", "\n", "\\n"},         {"\\u0041", "A", "A"},
                        {"\\ud83d\\ude00", "😀", "😀"}, {"\\u001f\\\"", "\x1f\"", "\\u001f\\\""},
                        {"é東😀", "é東😀", "é東😀"},     {"\x7f", "\x7f", "\x7f"}};
  for (const Case& c : cases) {
    for (std::size_t before = 0; before < 40; ++before) {
      for (std::size_t after = 0; after < 20; ++after) {
        const std::string head(before, 'a'), tail(after, 'b');
        const auto document = parse('"' + head + c.written + tail + c.written + '"');
        ASSERT_TRUE(document);
        EXPECT_EQ(document->root().as_string(), head + c.decoded + tail + c.decoded);
        EXPECT_EQ(print(document->root()), '"' + head + c.printed + tail + c.printed + '"');
        EXPECT_EQ(print(make_string(head + c.decoded + tail).root()), '"' + head + c.printed + tail + '"');
      }
    }
  }
  for (std::size_t before = 0; before < 40; ++before) {
    for (const std::string_view bad : {"\x01", "\xC3", "é\xC3", "東\xE6\x9D", "\xED\xA0\x80", "\\x"}) {
      EXPECT_FALSE(parse('"' + std::string(before, 'a') + std::string(bad) + "bcdefghijklmnopqrstuvwxyz\""));
    }
  }
}

}  // namespace
}  // namespace tieline::json
