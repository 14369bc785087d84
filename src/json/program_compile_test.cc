// What is refused of the mapping language before it runs, where, and what is suggested instead.
#include "json/program_fixture.h"
#include "json/program_scan.h"

namespace tieline::json {
namespace {

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
