// The mapping language through its port.
#include "json/program.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "json/program_scan.h"

namespace tieline::json {
namespace {

using ::testing::HasSubstr;

Document parsed(std::string text) {
  auto document = parse(text);
  EXPECT_TRUE(document) << text;
  return document ? *document : Document();
}

struct Bound {
  std::vector<std::string> names;
  std::vector<Document> values;
};

Bound bound(std::initializer_list<std::pair<std::string, std::string>> variables) {
  Bound b;
  for (const auto& [name, text] : variables) {
    b.names.push_back(name);
    b.values.push_back(parsed(text));
  }
  return b;
}

// All outputs, printed and separated by a space; or "error: …".
std::string ran(std::string_view source, std::string input = "null", const Bound& with = {}) {
  const auto program = compile(source, with.names);
  if (!program) return "does not compile: " + program.error().text();
  const auto outputs = (*program)->run(parsed(std::move(input)), with.values);
  if (!outputs) return outputs.error().text();
  std::string text;
  for (const Document& output : *outputs) text += (text.empty() ? "" : " ") + print(output.root());
  return text;
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

TEST(Refused, NamesThatReachBeyondTheInput) {
  struct Case {
    std::string_view source, name;
    std::uint32_t line, column;
  };
  const Case cases[] = {
      {"input", "input", 1, 1},
      {"[inputs]", "inputs", 1, 2},
      {". | debug", "debug", 1, 5},
      {"input_filename", "input_filename", 1, 1},
      {"input_line_number", "input_line_number", 1, 1},
      {"$ENV.PATH", "$ENV", 1, 1},
      {"$ ENV", "$ENV", 1, 1},
      {"{$ENV}", "$ENV", 1, 2},
      {"env.PATH", "env", 1, 1},
      {"\"x\\(env.PATH)\"", "env", 1, 5},
      {"\"x\\(\"y\\($ENV)\")\"", "$ENV", 1, 9},
      {"\"x\\({a: (1)})y\\(input)\"", "input", 1, 17},
      {"import \"a\" as a; 1", "import", 1, 1},
      {"include \"a\"; 1", "include", 1, 1},
      {"$__prog_args", "$__prog_args", 1, 1},
      {"\"a\" | modulemeta", "modulemeta", 1, 7},
      {"get_search_list", "get_search_list", 1, 1},
      {"halt", "halt", 1, 1},
      {"\"x\" | halt_error(1)", "halt_error", 1, 7},
      {"# input\n. |\n  stderr", "stderr", 3, 3},
      {"{a: input}", "input", 1, 5},
      {"{(input): 1}", "input", 1, 3},
      {"[1, input]", "input", 1, 5},
      {"{a: [1, input]}", "input", 1, 9},
      {"def input: 1; input", "input", 1, 5},
      {"now", "now", 1, 1},
  };
  for (const Case& c : cases) {
    const auto program = compile(c.source, {});
    ASSERT_FALSE(program) << c.source;
    EXPECT_EQ(program.error().code, Code::kInvalid);
    EXPECT_THAT(program.error().message,
                ::testing::StartsWith("`" + std::string(c.name) + "` is not available in a program: "));
    EXPECT_EQ(program.error().place, (Place{"", c.line, c.column})) << c.source;
  }
}

TEST(Refused, NotWhereTheNameIsData) {
  for (const std::string_view source :
       {".input", ".a.env.debug", "{input: 1}", "{a: 1, input: 2}", "{input}", "\"input\"", "\"$ENV \\\\(input)\"",
        "\"a\\\"input\"", "1 # input $ENV\n", ".[\"env\"]", ".\"env\"", ". as {input: $x} | $x", ". as $input | 1",
        "{\"halt\": 1}", "@base64 \"env\"", "\"\\(\"input\")\"", ".env?", "..|.input?", "{a: {input: 1}, env: 2}"}) {
    const auto program = compile(source, {});
    EXPECT_TRUE(program) << source << ": " << program.error().text();
  }
}

TEST(Compile, ErrorsHaveAPlaceAndASuggestion) {
  const std::vector<std::string> names = {"contact", "event"};
  struct Case {
    std::string_view source;
    std::uint32_t line, column;
    std::string_view message;
  };
  const Case cases[] = {
      {"$contcat.id", 1, 1, "the variable $contcat is not defined; did you mean \"$contact\"?"},
      {".a |\n  {x: $evnt}", 2, 7, "the variable $evnt is not defined; did you mean \"$event\"?"},
      {"1 as $total | $totl", 1, 15, "the variable $totl is not defined; did you mean \"$total\"?"},
      {"\"$zz\" | $zz", 1, 9, "the variable $zz is not defined"},
      {".a | ascii_downcas", 1, 6, "the function ascii_downcas/0 is not defined; did you mean \"ascii_downcase\"?"},
      {"def helper: 1; helpr", 1, 16, "the function helpr/0 is not defined; did you mean \"helper\"?"},
      {"map", 1, 1, "the function map/0 is not defined; there is map/1"},
      {"$contact | .a ^ 2", 1, 15,
       "the program does not compile: syntax error, unexpected invalid character \"^\", expecting end of the program"},
      {"{a: 1,\n b c}", 2, 4, "the program does not compile: syntax error, unexpected name, expecting '}'"},
      {"[1, 2", 1, 6, "the program does not compile: syntax error, unexpected end of the program"},
      {". |", 1, 4, "the program does not compile: syntax error, unexpected end of the program"},
      {".a + \"abc", 1, 6, "a text in quotes is not closed"},
      {"\"a\\(1)bc", 1, 6, "a text in quotes is not closed"},
      {"break $out", 1, 1, "`break $out` has no label around it"},
      {"", 0, 0, "the program is empty; write `.` for the input as it is"},
      {" # only this\n", 0, 0, "the program is empty; write `.` for the input as it is"},
      {". ) | (.", 1, 3, "the program does not compile: syntax error, unexpected ')', expecting end of the program"},
  };
  for (const Case& c : cases) {
    const auto program = compile(c.source, names);
    ASSERT_FALSE(program) << c.source;
    EXPECT_EQ(program.error().code, Code::kInvalid) << c.source;
    EXPECT_EQ(program.error().message, c.message) << c.source;
    EXPECT_EQ(program.error().place, (Place{"", c.line, c.column})) << c.source;
  }
}

// What people write who come from other languages.
TEST(Compile, ErrorsSayWhatIsMeantHere) {
  struct Case {
    std::string_view source, end;
  };
  for (const Case& c :
       {Case{".a && .b", "invalid character \"&\", expecting end of the program; write \"and\" for &&"},
        Case{".a || .b", "unexpected '|'; write \"or\" for ||"},
        Case{"!.a", "invalid character \"!\"; write \"| not\" behind it for !"},
        Case{"lookup!", "expecting end of the program; write lookup!(table; key)"},
        Case{".a == 'x'", "invalid character \"'\"; texts stand in double quotes"},
        Case{".a ? 1 : 2", "unexpected number, expecting end of the program; write if … then … else … end for ? :"},
        Case{".a ? .b : .c", "unexpected ':', expecting end of the program; write if … then … else … end for ? :"},
        Case{".a ?? \"x\"", "; write // for ??"},
        Case{".a.0", "unexpected number, expecting end of the program; write [0] for an element"},
        Case{"{a: 1, b: . as $x | $x}", "expecting '}'; what binds a variable stands in parentheses here"},
        Case{"{a: 1, }", "unexpected '}'; there is a comma too many"},
        Case{".a.map(.b)", "expecting end of the program; write | map for a function"},
        Case{".[\"a\"", "unexpected end of the program, expecting ']'"},
        Case{"test(\"\\d\")", "expected one of \" \\ / b f n r t u (; write two for one in the text"},
        Case{".line-items", "items/0 is not defined; write .\"line-items\" for a member with a dash in its name"},
        Case{".a.first-name-of", "; write .\"first-name-of\" for a member with a dash in its name"},
        Case{".a - nope", "the function nope/0 is not defined; write .nope for a member"},
        Case{"customer.id", "the function customer/0 is not defined; write .customer for a member"},
        Case{".a == None", "the function None/0 is not defined; did you mean \"null\"?"},
        Case{".a === 1", "unexpected '='; write == for ==="},
        Case{".a <> 1", "unexpected '>'; write != for <>"},
        Case{".a =~ \"x\"", "; write | test(\"…\") for a regular expression"},
        Case{"{{.a}}", "unexpected '{', expecting name; write .name for {{name}}"},
        Case{".a[*]", "unexpected '*'; write [] for [*]"},
        Case{"$.a", "invalid character \"$\"; write .name for $.name"},
        Case{"@uri(.a)", "; write … | @uri"},
        Case{"..name", "; write .. | .name"},
        Case{"{.a}", "unexpected field, expecting name; write {a}"},
        Case{"{a = 1}", "expecting '}'; write : behind a member's name"},
        Case{"if . then 1 else if 2 then 3 end", "; write elif for else if, which wants its own end"},
        Case{"let x = 1", "; write … as $x | … for a variable"},
        Case{".a as x | x", "; write $x"},
        Case{".a; .b", "; write | between steps: \";\" separates arguments"},
        Case{"{a: .a; b: 1}", "expecting '}'; members are separated by \",\""},
        Case{"def f(x, y): x; f(1; 2)", "expecting ')'; parameters are separated by \";\""},
        Case{".a is null", "; write == for is"},
        Case{".a AND .b", "; write \"and\""},
        Case{".a | split \"#\"", "; arguments stand in parentheses: split(…)"},
        Case{".a \"#\"", "unexpected text, expecting end of the program"},
        Case{"1.5.5", "unexpected number, expecting end of the program"},
        Case{"length(.a)", "there is length/0; the value stands in front: … | length"},
        Case{"strftime(.a; \"%Y\")", "there is strftime/1; the value stands in front: … | strftime(…)"},
        Case{"max(1, 2)", "there is max/0; the value stands in front: … | max"},
        Case{"toLowerCase", "the function toLowerCase/0 is not defined; did you mean \"ascii_downcase\"?"},
        Case{"parse_int", "the function parse_int/0 is not defined; did you mean \"tonumber\"?"},
        Case{"round(2)", "round/1 is not defined; there is round/0; did you mean \"round_to(…)\"?"},
        Case{"sub(\"a\", \"b\")", "there is sub/2, sub/3; arguments are separated by \";\""}}) {
    const auto program = compile(c.source, {});
    ASSERT_FALSE(program) << c.source;
    EXPECT_THAT(program.error().message, ::testing::EndsWith(c.end)) << c.source;
  }
}

TEST(Compile, MovesPlacesByWhereTheProgramStands) {
  const Place at{"flows/a.yaml", 10, 20};
  EXPECT_EQ(compile(". | nope", {}, at).error().place, (Place{"flows/a.yaml", 10, 24}));
  EXPECT_EQ(compile(".\n | nope", {}, at).error().place, (Place{"flows/a.yaml", 11, 4}));
  EXPECT_EQ(compile(".\n | input", {}, at).error().place, (Place{"flows/a.yaml", 11, 4}));
  EXPECT_EQ(compile("", {}, at).error().place, at);
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

TEST(Fuel, NothingHangs) {
  for (const std::string_view source : {"def f: f; f",
                                        "[repeat(1)]",
                                        "last(repeat(1))",
                                        "def f: 1 + f; f",
                                        "until(false; . + 1)",
                                        "[range(1e18)]",
                                        "last(range(1e18))",
                                        "def f(g): f(g | g); f(.)",
                                        "[recurse(.)]",
                                        "reduce repeat(1) as $x (0; . + 1)",
                                        "first(repeat(empty))",
                                        "[limit(1; repeat(empty))]",
                                        "def f: f | f; f",
                                        "def f: [f]; f",
                                        "reduce range(100) as $i (1; [., .]) | tojson",
                                        "reduce range(100) as $i (1; [., .]) | . == (. | map(.))",
                                        "reduce range(100) as $i (1; [., .]) | flatten",
                                        "reduce range(60) as $i (\"ab\"; . + .)",
                                        "\"x\" * 1e9",
                                        "[range(1e7)] | combinations",
                                        "[1,2,3,4,5,6,7,8,9] | [combinations(9)]",
                                        ".[536870911] = 1",
                                        "def f(x): x | f(x); f(., .)",
                                        "[range(300)] | [.[] as $a | .[] as $b | .[] as $c | [$a, $b, $c]]",
                                        "reduce range(1e6) as $i ([]; . + [$i])",
                                        "label $f | def g: g, break $f; g",
                                        "def f: try f catch f; f"}) {
    const auto program = compile(source, {});
    ASSERT_TRUE(program) << source;
    const auto outputs = (*program)->run({}, {}, {.steps_max = 2'000'000, .memory_bytes_max = 64u << 20});
    ASSERT_FALSE(outputs) << source;
    EXPECT_THAT(outputs.error().message,
                ::testing::AnyOf(HasSubstr("the program did not end within 2000000 steps"),
                                 HasSubstr("the program recurses too deeply"), HasSubstr("MiB of memory"),
                                 HasSubstr("Repeat string result too long"), HasSubstr("is larger than"),
                                 HasSubstr("nested deeper than")))
        << source;
  }
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

// Where a reduce changes its state in place, nobody may see that it does.
TEST(Reduce, UpdatesInPlaceAreNotSeenElsewhere) {
  EXPECT_EQ(ran("reduce range(5) as $i ({}; .[\"k\\($i % 2)\"] += [$i])"), R"({"k0":[0,2,4],"k1":[1,3]})");
  EXPECT_EQ(ran("{a: [1]} as $v | [reduce range(2) as $i ($v; .a += [$i]), $v]"), R"([{"a":[1,0,1]},{"a":[1]}])");
  EXPECT_EQ(ran("[1] as $v | [reduce range(3) as $i ([]; . + [$v] | .[0] += [9])]"), "[[[1,9,9,9],[1],[1]]]");
  EXPECT_EQ(ran("reduce range(3) as $i ({a: {b: [0]}}; .a |= {b: .b, c: .b} | .a.b += [$i])"),
            R"({"a":{"b":[0,0,1,2],"c":[0,0,1]}})");
  EXPECT_EQ(ran("reduce range(3) as $i ([[0]]; .[0] |= [., .] | .[0][0] = $i)"), "[[2,[1,[0,[0]]]]]");
  EXPECT_EQ(ran("reduce .[] as $x ([]; if length > 1 then .[0] = $x else . + [$x] end)", "[1,2,3,4]"), "[4,2]");
  // Of alternative patterns the second one sees nothing of what the first one did before it failed.
  EXPECT_EQ(ran("reduce [2] as [$x] ?// $x ([]; . + [$x] | . + $x)"), "[[2],2]");
  EXPECT_EQ(ran("[reduce (1, 2) as $i (({}, {z: 0}); .[\"a\"] = $i | .z += -1)]"),
            R"([{"a":2,"z":-2},{"z":-2,"a":2}])");
  EXPECT_EQ(ran("reduce range(3) as $i ([]; .[$i] = $i | .[-1] += 10)"), "[10,11,12]");
  EXPECT_EQ(ran("reduce range(2000) as $i ({}; .[\"k\\($i % 1000)\"] += $i) | .k7, length"), "1014 1000");
  EXPECT_EQ(ran("try (reduce range(3) as $i ({}; .a[\"x\"] = $i | .a[0] = 1)) catch ."),
            "\"Cannot index object with number (0)\"");
  EXPECT_EQ(ran("reduce .[] as [$k, $v] ({}; .[$k] //= $v)", R"([["a",1],["b",null],["a",2],["b",3]])"),
            R"({"a":1,"b":3})");
  EXPECT_EQ(ran("[limit(3; foreach range(5) as $i ([]; . + [$i]))]"), "[[0],[0,1],[0,1,2]]");
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

// What `. + [x]` puts behind a value is not seen through that value.
TEST(Append, IsNotSeenElsewhere) {
  EXPECT_EQ(ran("[range(40)] as $v | ($v + [40]) as $w | [$w + [1], $w + [2], $w, $v + [3]] "
                "| map(length), map(last)"),
            "[42,42,41,41] [1,2,40,3]");
  EXPECT_EQ(ran("([range(40)] + [40]) as $w | [($w + [1])[:41] + [7], $w + [8]] | map(last)"), "[7,8]");
  EXPECT_EQ(
      ran("([range(40)] + [40]) as $w | ($w + $w) as $u | [$u + [1], $w + [2], $u[41:] + [3]] | map(length, last)"),
      "[83,1,42,2,42,3]");
  EXPECT_EQ(ran("([range(40)] + [40]) as $w | [reduce range(2) as $i ($w; . + [$i]), $w + [9]] | map(length, last)"),
            "[43,1,42,9]");
  EXPECT_EQ(
      ran("[foreach range(40) as $i ([]; . + [$i])] | map(length) == [range(1; 41)] and all(.[]; last == length - 1)"),
      "true");
  EXPECT_EQ(
      ran("([range(40)] + [40]) as $w | ([$w, $w] | map(. + [.[0]]) | map(length)), ([$w, [1], $w] | add | length)"),
      "[42,42] 83");
  EXPECT_EQ(ran("{a: [1]} as $v | [$v, {a: [2], b: 3}] | add, .[0]"), R"({"a":[2],"b":3} {"a":[1]})");
}

// Each is tens of millions of copied elements, or more memory than a run has, unless growing is cheap.
TEST(Append, GrowsWithoutCopying) {
  EXPECT_EQ(ran("[1] | until(length >= 30000; . + [length]) | length"), "30000");
  EXPECT_EQ(ran("[range(30000) | [.]] | add | length"), "30000");
  EXPECT_EQ(ran("[range(30000) | {(tostring): .}] | add | length"), "30000");
  EXPECT_EQ(ran("last(foreach range(30000) as $i ([]; . + [$i])) | length"), "30000");
  EXPECT_EQ(ran("reduce range(30000) as $i ({}; .a[\"\\($i)\"] = $i) | .a as $a | [range(30000) | $a[tostring]] | add"),
            "449985000");
}

TEST(Fuel, TailCallsDoNotGrow) {
  EXPECT_EQ(ran("def f: if . >= 1000000 then . else . + 1 | f end; 0 | f"), "1000000");
  EXPECT_EQ(ran("def f($n): if $n == 0 then \"done\" else f($n - 1) end; f(500000)"), "\"done\"");
  EXPECT_EQ(ran("0 | until(. >= 500000; . + 1)"), "500000");
  EXPECT_EQ(ran("last(0 | while(. < 300000; . + 1))"), "299999");
  EXPECT_EQ(ran("last(limit(300000; 0 | recurse(. + 1)))"), "299999");
  EXPECT_EQ(ran("def f: . as $x | if $x >= 300000 then $x else $x + 1 | f end; 0 | f"), "300000");
}

// Wherever in a block of frames the loop begins.
TEST(Fuel, TailCallsDoNotGrowAtAnyDepth) {
  const auto program = compile(
      "def f($n): if $n == 0 then \"done\" else f($n - 1) end; "
      "def up($k): if $k == 0 then f(20000) else up($k - 1) | tostring end; up($depth)",
      std::vector<std::string>{"depth"});
  ASSERT_TRUE(program);
  for (int depth = 0; depth < 60; ++depth) {
    const std::vector<Document> variables = {make_integer(depth)};
    const auto outputs = (*program)->run({}, variables, {.memory_bytes_max = 100'000});
    ASSERT_TRUE(outputs) << depth << ": " << outputs.error().text();
    EXPECT_EQ(print(outputs->front().root()), "\"done\"");
  }
}

TEST(Fuel, DeepRecursionIsNoCrash) {
  EXPECT_EQ(ran("def f: if . == 0 then 0 else 1 + (. - 1 | f) end; 1000 | f"), "1000");
  EXPECT_THAT(ran("def f: if . == 0 then 0 else 1 + (. - 1 | f) end; 10000000 | f"), HasSubstr("recurses too deeply"));
  EXPECT_THAT(ran("reduce range(100000) as $i (0; [.]) | tojson | length"), HasSubstr(""));
  EXPECT_THAT(ran("reduce range(100000) as $i (0; [.]) | [..] | length"), HasSubstr("recurses too deeply"));
}

TEST(Scan, MovesPlaces) {
  EXPECT_EQ(moved({}, {"", 3, 4}), (Place{"", 3, 4}));
  EXPECT_EQ(moved({"f", 0, 0}, {"", 1, 4}), (Place{"f", 1, 4}));
  EXPECT_EQ(moved({"f", 7, 0}, {"", 1, 4}), (Place{"f", 7, 4}));
  EXPECT_EQ(moved({"f", 7, 9}, {"", 1, 4}), (Place{"f", 7, 12}));
  EXPECT_EQ(moved({"f", 7, 9}, {"", 2, 4}), (Place{"f", 8, 4}));
  EXPECT_EQ(moved({"f", 7, 9}, {}), (Place{"f", 7, 9}));
}

}  // namespace
}  // namespace tieline::json
