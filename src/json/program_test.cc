// The mapping language through its port: what programs give, and how they fail.
#include "json/program_fixture.h"

namespace tieline::json {
namespace {

// Beside what ran() compares in all these tests.
TEST(Program, GivesOneValueAlikeWhereverItGoes) {
  const Bound with = bound({{"v", "12345678901234567890"}});
  for (const std::string_view source :
       {"$v", "-0", "1e1000", "9007199254740993 + 0", "0.1 + 0.2", "\"\"", "false", "nan", "infinite", ".[0]", ".[1]",
        "label $f | ., break $f", "if .[1] then empty else 1 end", "error({a: 1})", "[limit(1; .[])]",
        "\"x\" * 17000000", "[range(300)]", "reduce range(200) as $i (0; [.])", "reduce .[] as $x (\"\"; . + \"y\")"}) {
    const std::string text = ran(source, R"([12345678901234567890,1.10,"a"])", with);
    EXPECT_FALSE(text.starts_with("does not compile")) << text;
  }
}

TEST(Program, Computes) {
  struct Case {
    std::string_view source;
    const char* input;
    std::string_view output;
  };
  const Case cases[] = {
      {".", R"({"b":1,"a":[true,null,"x\u0000y"]})", R"({"b":1,"a":[true,null,"x\u0000y"]})"},
      {".a + 1", R"({"a":41})", "42"},
      {".price * 3", R"({"price":1.10})", "3.3000000000000003"},
      {"9007199254740991 + 1", "null", "9007199254740992"},
      {"[.[] | select(. > 1)]", "[1,2,3]", "[2,3]"},
      {".[]", "[1,\"a\",null]", "1 \"a\" null"},
      {"empty", "null", ""},
      {"\"Order \\(.n)\"", R"({"n":7})", "\"Order 7\""},
      {"def double: . * 2; double", "4", "8"},
      {". # a comment\n| .a", R"({"a":5})", "5"},
      {"{a, \"b\": 2, (\"c\"): 3}", R"({"a":1})", R"({"a":1,"b":2,"c":3})"},
      {".z, .a", R"({"z":1,"a":2})", "1 2"},
      {"to_entries | map(.key)", R"({"z":1,"a":2})", R"(["z","a"])"},
      {"(.email // \"none\") | ascii_downcase", R"({"email":"A@B.C"})", "\"a@b.c\""},
      {"reduce .[] as $x (0; . + $x)", "[1,2,3]", "6"},
      {"first(range(10))", "null", "0"},
      {"nan, infinite, -infinite", "null", "null 1.7976931348623157e+308 -1.7976931348623157e+308"},
      {".t | fromdate | todate", R"({"t":"2026-11-23T21:44:00Z"})", "\"2026-11-23T21:44:00Z\""},
      {"\"x\" | test(\"[a-z]\")", "null", "true"},
      {"$__loc__.line", "null", "1"},
  };
  for (const Case& c : cases) EXPECT_EQ(ran(c.source, c.input), c.output) << c.source;
}

TEST(Program, ManyKeysOfWhichFewAreDifferent) {
  // Two keys too many for an object without an index, and only three of them left: copies have no room for one.
  std::string members;
  for (int i = 0; i < 34; ++i)
    members += (i == 0 ? "" : ",") + ('"' + std::string(1, "abc"[i % 3])) + "\":" + std::to_string(i);
  const std::string object = '{' + members + '}', expected = R"({"a":33,"b":31,"c":32})";
  EXPECT_EQ(ran(".", object), expected);
  EXPECT_EQ(ran("[., .]", object), '[' + expected + ',' + expected + ']');
  EXPECT_EQ(ran("[" + object + ", .b, {d: .}]", object), '[' + expected + ",31,{\"d\":" + expected + "}]");
  EXPECT_EQ(ran(object + " | .a, .c, (.d = 1), del(.b)"), R"(33 32 {"a":33,"b":31,"c":32,"d":1} {"a":33,"c":32})");
}

TEST(Program, KeysAreTexts) {
  EXPECT_THAT(ran("from_entries", R"([{"key":1,"value":2}])"), HasSubstr("Cannot use number (1) as object key"));
  EXPECT_THAT(ran("with_entries(.)", "[true]"), HasSubstr("Cannot use number (0) as object key"));
  EXPECT_THAT(ran("from_entries", R"([{"value":2}])"), HasSubstr("Cannot use null (null) as object key"));
}

TEST(Program, NothingContainsWhatIsOfAnotherKind) {
  EXPECT_EQ(ran("contains({a: 1})", R"({"a":[1]})"), "false");
  EXPECT_EQ(ran("contains({a: {b: \"x\"}, c: true})", R"({"a":{"b":null},"c":true})"), "false");
  EXPECT_EQ(ran("contains([[1]])", R"([1,[2]])"), "false");
  EXPECT_EQ(ran("[true] | contains([true]), contains([false])"), "true false");
  EXPECT_THAT(ran("contains([1])", "1"), HasSubstr("cannot have their containment checked"));
  EXPECT_THAT(ran("contains(false)", "true"), HasSubstr("cannot have their containment checked"));
}

TEST(Program, SeesItsVariablesInTheOrderOfTheirNames) {
  const Bound with =
      bound({{"event", R"({"type":"order"})"}, {"unused", "1"}, {"contact", "{\"id\":7}"}, {"none", "null"}});
  EXPECT_EQ(ran("[., $event.type, $contact.id, $none]", "\"in\"", with), R"(["in","order",7,null])");
  EXPECT_EQ(ran("{$contact, a: $event.type}", "null", with), R"({"contact":{"id":7},"a":"order"})");
  EXPECT_EQ(ran("\"\\($contact.id)\", 1", "null", with), "\"7\" 1");
  EXPECT_EQ(ran("def f: $contact.id; .a, f", "{\"a\":1}", with), "1 7");
}

TEST(Program, RunsManyTimesAndForgetsTheLastRun) {
  const Bound with = bound({{"x", "1"}});
  const auto program = compile(".a + $x", with.names);
  ASSERT_TRUE(program);
  for (int i = 0; i < 100; ++i) {
    const std::vector<Document> values = {make_integer(i)};
    EXPECT_FALSE((*program)->run(parsed(R"({"a":"text"})"), values));
    const auto outputs = (*program)->run(parsed(R"({"a":1})"), values);
    ASSERT_TRUE(outputs);
    EXPECT_EQ(outputs->front().root().as_int64(), i + 1);
  }
  EXPECT_EQ((*program)->source(), ".a + $x");
}

TEST(Program, RunOneWantsExactlyOneValue) {
  const auto none = compile("empty", {});
  const auto two = compile("1, 2", {});
  const auto one = compile(".a", {});
  ASSERT_TRUE(none && two && one);
  EXPECT_THAT((*none)->run_one({}, {}).error().message, HasSubstr("gave no value; add `// null`"));
  EXPECT_THAT((*two)->run_one({}, {}).error().message, HasSubstr("gave more than one value"));
  EXPECT_EQ((*two)->run_one({}, {}).error().code, Code::kInvalid);
  EXPECT_EQ(print((*one)->run_one(parsed("{\"a\":[1]}"), {})->root()), "[1]");
  EXPECT_TRUE(*(*one)->test(parsed("{\"a\":0}"), {}));
  EXPECT_FALSE(*(*one)->test(parsed("{\"a\":false}"), {}));
  EXPECT_FALSE(*(*one)->test(parsed("{}"), {}));
  EXPECT_FALSE((*none)->test({}, {}));
}

TEST(Program, FailsWithItsOwnMessage) {
  struct Case {
    std::string_view source, message;
  };
  for (const Case& c : {Case{"error(\"no customer\")", "the program failed: no customer"},
                        Case{"error({\"code\":5})", "the program failed: {\"code\":5}"},
                        Case{".a.b", "the program failed: Cannot index number with string (\"b\")"},
                        Case{"1, error(\"late\")", "the program failed: late"},
                        Case{"{} + 1", "the program failed: object ({}) and number (1) cannot be added"}}) {
    const auto program = compile(c.source, {});
    ASSERT_TRUE(program) << c.source;
    const auto outputs = (*program)->run(parsed("{\"a\":1}"), {});
    ASSERT_FALSE(outputs) << c.source;
    EXPECT_EQ(outputs.error().code, Code::kInvalid);
    EXPECT_EQ(outputs.error().message, c.message);
  }
}

TEST(Program, KeepsItsLimits) {
  const auto many = compile("range(100)", {});
  const auto large = compile("[range(1000)]", {});
  const auto deep = compile("reduce range(.) as $i (0; [.])", {});
  ASSERT_TRUE(many && large && deep);
  EXPECT_EQ((*many)->run({}, {}, {.outputs_max = 100})->size(), 100u);
  EXPECT_EQ((*many)->run({}, {}, {.outputs_max = 99}).error().code, Code::kTooLarge);
  EXPECT_EQ((*large)->run({}, {}, {.output_bytes_max = 1000}).error().code, Code::kTooLarge);
  EXPECT_TRUE((*large)->run({}, {}));
  EXPECT_TRUE((*deep)->run(make_integer(128), {}));
  EXPECT_EQ((*deep)->run(make_integer(129), {}).error().code, Code::kTooLarge);
  EXPECT_EQ((*deep)->run(make_integer(20'000), {}).error().code, Code::kTooLarge);
}

TEST(Exact, NumbersPassUntouched) {
  const char* const document =
      R"({"id":12345678901234567890,"n":9007199254740993,"m":1.10,"d":123456789012345678901234.56789})";
  EXPECT_EQ(ran("{id,n,m,d}", document), document);
  EXPECT_EQ(ran(".", document), document);
  EXPECT_EQ(ran("[.id, (.n | tostring), \"\\(.d)\"]", document),
            R"([12345678901234567890,"9007199254740993","123456789012345678901234.56789"])");
  EXPECT_EQ(ran(".", "[1.10,0.1,9007199254740992,-0,1e3,1E400]"), "[1.10,0.1,9007199254740992,-0,1e3,1E400]");
  EXPECT_EQ(ran("12345678901234567890, 1.10", "null"), "12345678901234567890 1.10");
  EXPECT_EQ(ran("tonumber, (\"-12.50\" | tonumber)", "\"12345678901234567890\""), "12345678901234567890 -12.50");
  EXPECT_EQ(ran("fromjson", "\"[{\\\"a\\\":9007199254740993}]\""), R"([{"a":9007199254740993}])");
  EXPECT_EQ(ran("{b: .a, c: 1}", R"({"a":[12345678901234567890]})"), R"({"b":[12345678901234567890],"c":1})");
}

TEST(Exact, IntegersAreComputedAsIntegers) {
  EXPECT_EQ(ran(".n + 1, .n - 1, .n * 2, (.n % 10), -.n", R"({"n":9007199254740993})"),
            "9007199254740994 9007199254740992 18014398509481986 3 -9007199254740993");
  EXPECT_EQ(ran(". + 1", "9223372036854775807"), "9223372036854776000");  // beyond 64 bits: a double
  EXPECT_EQ(ran(". * 3, . / 4", "10"), "30 2.5");
  EXPECT_EQ(ran("add", "[9007199254740993,2]"), "9007199254740995");
}

TEST(Exact, BigNumbersAreComparedExactly) {
  EXPECT_EQ(ran(".[0] == .[1], .[0] < .[1], (sort == [.[1], .[0]])", "[12345678901234567891,12345678901234567890]"),
            "false false true");
  EXPECT_EQ(ran("unique", "[9007199254740993,9007199254740992,9007199254740993.0]"),
            "[9007199254740992,9007199254740993]");
  EXPECT_EQ(ran(".[0] == .[1], .[0] < 0.10000000000000000000002", "[0.10000000000000000000001,0.1]"), "false true");
}

TEST(Exact, ResultsKnowWhetherTheyHoldInexactNumbers) {
  const auto program = compile("[.a], [.b], {c: .a, d: [range(300)]}", {});
  const auto outputs = (*program)->run(parsed(R"({"a":12345678901234567890,"b":1})"), {});
  ASSERT_TRUE(outputs);
  EXPECT_TRUE((*outputs)[0].has_inexact_numbers());
  EXPECT_FALSE((*outputs)[1].has_inexact_numbers());
  EXPECT_TRUE((*outputs)[2].has_inexact_numbers());
}

TEST(Regex, MatchesOfTheEmptyTextEnd) {
  EXPECT_EQ(ran("gsub(\"a\"; \"b\")", "\"banana\""), "\"bbnbnb\"");
  EXPECT_EQ(ran("gsub(\"(?<x>[a-z])\"; \"<\\(.x)>\")",
                "\"\xC3\xA9"
                "a1b\""),
            "\"\xC3\xA9<a>1<b>\"");
  EXPECT_EQ(ran("gsub(\"A\"; \"\"; \"i\")", "\"banana\""), "\"bnn\"");
  EXPECT_EQ(ran("sub(\"^ +\"; \"\")", "\"  x\""), "\"x\"");
  EXPECT_EQ(ran("[scan(\"[0-9]+\")]", "\"a1b22\""), R"(["1","22"])");
  EXPECT_EQ(ran("[splits(\", *\")]", "\"a, b,c\""), R"(["a","b","c"])");
  EXPECT_EQ(ran("split(\",\"), split(\", *\"; null)", "\"a,b\""), R"(["a","b"] ["a","b"])");
  EXPECT_EQ(ran("[match(\"b\"; \"g\").offset], [match([\"b\", \"g\"]).offset]", "\"abcb\""), "[1,3] [1,3]");
  EXPECT_EQ(ran("capture(\"(?<n>[0-9]+)\")", "\"a12\""), R"({"n":"12"})");
  EXPECT_EQ(ran("indices(\"\"), index(\"\"), rindex(\"\"), indices(\"b\")", "\"abcb\""), "[] null null [1,3]");
  EXPECT_EQ(ran("gsub(\"\"; \"y\"), gsub(\"x*\"; \"y\"), gsub(\"^\"; \"+\")", "\"a\xC3\xA9z\""),
            "\"yay\xC3\xA9yzy\" \"yay\xC3\xA9yzy\" \"+a\xC3\xA9z\"");
  EXPECT_EQ(ran("[match(\"\"; \"g\").offset]", "\"a\xC3\xA9z\""), "[0,1,2,3]");
  EXPECT_EQ(ran("test(\"x*\")", "\"\xC3\xA9\""), "true");
  EXPECT_THAT(ran("test(\"(\")", "\"x\""), HasSubstr("is not a valid regex"));
  EXPECT_THAT(ran("test(\"x\"; \"q\")", "\"x\""), HasSubstr("q is not a valid modifier string"));
  EXPECT_THAT(ran("test(\"^(a+)+$\")", '"' + std::string(40, 'a') + "b\""), HasSubstr("takes too long"));
}

TEST(Business, MoneyIsExact) {
  EXPECT_EQ(ran("from_minor(\"EUR\", \"JPY\", \"kwd\")", "19995"), "199.95 19995 19.995");
  EXPECT_EQ(ran("to_minor(\"EUR\"), to_minor(\"KWD\")", "\"199.95\""), "19995 199950");
  EXPECT_EQ(ran("map(to_minor(\"USD\"))", "[0.29, \"-1.10\", 5, 1e2, \" 0.07 \"]"), "[29,-110,500,10000,7]");
  EXPECT_EQ(ran("-5 | from_minor(\"USD\")"), "-0.05");
  EXPECT_EQ(ran("12345678901234567890123 | from_minor(\"USD\")"), "123456789012345678901.23");
  EXPECT_THAT(ran("\"1.005\" | to_minor(\"USD\")"), HasSubstr("has more decimals than USD has; use round_to(2) first"));
  EXPECT_THAT(ran("1.5 | from_minor(\"USD\")"), HasSubstr("is not a whole number of minor units"));
  EXPECT_THAT(ran("1 | from_minor(\"EURO\")"), HasSubstr("is not the code of a currency"));
  EXPECT_THAT(ran("null | decimal"), HasSubstr("is not a decimal number"));
  EXPECT_EQ(ran("map(round_to(2))", "[1.005, \"2.675\", -1.005, 9.999, 3, 0.004, -0.004]"),
            "[1.01,2.68,-1.01,10.00,3.00,0.00,0.00]");
  EXPECT_EQ(ran("(\"50000.01\" | decimal) > 50000, (\"1.10\" | decimal)"), "true 1.10");
}

TEST(Business, TablesAreStrict) {
  EXPECT_EQ(ran("lookup!({a: 1}; \"a\")"), "1");
  EXPECT_EQ(ran("lookup!({\"7\": \"x\"}; 7), (1 != 2)"), "\"x\" true");
  EXPECT_EQ(ran("lookup!({a: 1}; \"b\")"), "error: the program failed: lookup! finds no \"b\" in the table");
  EXPECT_THAT(ran("lookup!({a: null}; \"a\")"), HasSubstr("finds no \"a\""));
  EXPECT_THAT(ran("lookup!({a: 1}; null)"), HasSubstr("is not a key"));
}

TEST(Business, TextsForAddresses) {
  EXPECT_EQ(ran("slug", "\"  Crème Brûlée & Straße, Ada's  \""), "\"creme-brulee-strasse-adas\"");
  EXPECT_EQ(ran("title_case", "\"ADA almond-birch\""), "\"Ada Almond-Birch\"");
  EXPECT_EQ(ran("url_query", R"({"a":1,"b":["x","y z"],"c":null,"d e":"&"})"), "\"a=1&b=x&b=y%20z&d%20e=%26\"");
}

// By value, whatever the keys were written as; equal ones in their order.
TEST(Order, OfKeysOfEachKind) {
  EXPECT_EQ(
      ran("sort_by(.k) | map(.v)", R"([{"k":2,"v":1},{"k":10,"v":2},{"k":2.0,"v":3},{"k":-1,"v":4},{"k":1e1,"v":5}])"),
      "[4,1,3,2,5]");
  EXPECT_EQ(ran("sort_by(.k) | map(.v)", R"([{"k":2.5,"v":1},{"k":2,"v":2},{"k":"2","v":3},{"k":null,"v":4},{"v":5}])"),
            "[4,5,2,1,3]");
  EXPECT_EQ(ran("sort", "[12345678901234567891, 12345678901234567890, 9007199254740993, 9007199254740992.5, 0.1]"),
            "[0.1,9007199254740992.5,9007199254740993,12345678901234567890,12345678901234567891]");
  EXPECT_EQ(ran("group_by(.) | map(length)", "[1, 1.0, \"1\", [1], 1e0, [1]]"), "[3,1,2]");
  EXPECT_EQ(ran("sort", "[[2],[1],[10]]"), "[[1],[2],[10]]");
  EXPECT_EQ(ran("sort_by(.a, .b)", R"([{"a":"x","b":2},{"a":"x","b":1},{"a":"w","b":3}])"),
            R"([{"a":"w","b":3},{"a":"x","b":1},{"a":"x","b":2}])");
  EXPECT_EQ(ran("sort_by(.[])", "[[],[2,1],[1]]"), "[[],[1],[2,1]]");
  EXPECT_EQ(ran("min_by(.k).v, max_by(.k).v, unique_by(.k) == .", R"([{"k":2,"v":1},{"k":2.0,"v":2}])"), "1 2 false");
  EXPECT_EQ(ran("min, max", "[]"), "null null");
  EXPECT_EQ(ran("unique", R"(["b","a","b","ab",""])"), R"(["","a","ab","b"])");
}

}  // namespace
}  // namespace tieline::json
