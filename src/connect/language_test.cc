#include <gtest/gtest.h>

#include "connect/args.h"
#include "connect/encode.h"
#include "connect/manifest_program.h"
#include "connect/manifest_tables.h"
#include "connect/program_text.h"
#include "connect/test_support.h"
#include "connect/text_template.h"

namespace tieline::connect {
namespace {

spec::ProgramText program_text(const std::string& source) {
  return {source, spec::Node::make_scalar(source, spec::ScalarStyle::kPlain, Place{"x.yaml", 3, 9}), 0};
}

ManifestProgramPtr program(const std::string& source, Sees sees = Sees::kAnswer) {
  auto compiled = ManifestProgram::compile(program_text(source), sees);
  EXPECT_TRUE(compiled.has_value()) << source << ": " << (compiled ? "" : compiled.error().text());
  return compiled ? *compiled : nullptr;
}

TEST(ProgramText, HeadersBecomeLookups) {
  const std::pair<const char*, const char*> cases[] = {
      {"header.X-Cost - 1", "$headers[\"x-cost\"] - 1"},
      {"header.X-Cost-1", "$headers[\"x-cost-1\"]"},
      {".header.X", ".header.X"},
      {"$header.X", "$header.X"},
      {"my_header.X", "my_header.X"},
      {"\"header.X \\(header.X)\"", "\"header.X \\($headers[\"x\"])\""},
      {"\"\\(\"a\" + header.A) header.B\"", "\"\\(\"a\" + $headers[\"a\"]) header.B\""},
      {".a # header.X\n| header.X", ".a # header.X\n| $headers[\"x\"]"},
      {"(header.A|tonumber)/1000", "($headers[\"a\"]|tonumber)/1000"},
  };
  for (const auto& [source, expanded] : cases) EXPECT_EQ(expand_headers(source).text, expanded);
}

TEST(ProgramText, PlacesLeadBackToTheSource) {
  const Expanded expanded = expand_headers("header.X + y");
  EXPECT_EQ(expanded.text, "$headers[\"x\"] + y");
  EXPECT_EQ(expanded.source_offset(expanded.text.find('y')), 11u);
  EXPECT_EQ(expanded.source_offset(0), 0u);
}

TEST(ProgramText, RecognisesOnlyWhatIsPlain) {
  for (const char* plain : {".", ".a", ".a.b[0].c", ".\"a b\"", ".[\"x\"]", ".a[-1]", ".a // .b",
                            "header.X // .a // \"none\"", ".a == \"b\"", "header.X | split(\"/\")[1]",
                            ".a // (.b | .c)", "$headers[$variables.id_header | ascii_downcase]"})
    EXPECT_TRUE(recognise(plain)) << plain;
  for (const char* other : {"..",
                            ".a?",
                            ".a[]",
                            ".a + 1",
                            ".a |= 1",
                            ".a //= 1",
                            ".a, .b",
                            ".a // .b + 1",
                            ".a // (.b) | .c",
                            "header.X | . + header.Y",
                            ".a | $status",
                            ".[1:2]",
                            "\"a\\nb\"",
                            ".a == .b",
                            "if . then 1 else 2 end",
                            ".a // empty",
                            ".a #x",
                            "",
                            ".5",
                            ".a[\"\\(1)\"]",
                            ".a // .b == \"c\""})
    EXPECT_FALSE(recognise(other)) << other;
}

// The plain reading and the mapping engine agree: `(SOURCE)` is never plain.
TEST(ManifestProgram, PlainProgramsDoWhatTheEngineDoes) {
  const Headers headers{{"X-Topic", "orders/create"}, {"x-two", "1"}, {"X-Two", "2"}};
  const json::Document variables = doc(R"({"h":"X-Topic","none":"X-None"})");
  Scope scope;
  scope.headers = &headers;
  scope.variables = &variables;
  // The engine takes tens of milliseconds to compile one, so each is compiled once.
  for (const char* source :
       {".", ".a", ".a.b[0]", ".a.b[-1].c", ".a.b[7]", ".a.b.c", ".f // .t", ".f // .f", ".a.b.c // .t", ".t // .a.b.c",
        "header.X-Two", "header.None // .t // \"z\"", ".f == \"y\"", "header.X-Topic | split(\"/\")[1]",
        ".f // (.t | length)", "$headers[$variables.none | ascii_downcase] // \"r\""}) {
    ASSERT_TRUE(recognise(source)) << source;
    const ManifestProgramPtr plain = program(source), engine = program("(" + std::string(source) + ")");
    for (const char* input : {R"({"a":{"b":[1,{"c":"x"}]},"t":"y","f":false})", "[]", "null", R"("text")", "3"})
      EXPECT_EQ(json::print(plain->value(doc(input), scope).root()),
                json::print(engine->value(doc(input), scope).root()))
          << source << " on " << input;
  }
}

TEST(ManifestProgram, KeepsNumbersThatTheEngineWouldRound) {
  const json::Document input = doc(R"({"id":12345678901234567890,"name":"n","price":1.10})");
  EXPECT_EQ(json::print(program(".id")->value(input, {}).root()), "12345678901234567890");
  EXPECT_EQ(json::print(program(".")->value(input, {}).root()), json::print(input.root()));
  EXPECT_EQ(json::print(program("[.name, .id] | map(tostring) | join(\"-\")")->value(input, {}).root()),
            "\"n-12345678901234567890\"");
}

TEST(ManifestProgram, FailureAndNothingAreNull) {
  for (const char* source : {"error(\"x\")", "empty", ".a.b", ".a | tonumber"})
    EXPECT_TRUE(program(source)->value(doc(R"({"a":"t"})"), {}).root().is_null()) << source;
  EXPECT_EQ(json::print(program("1, 2")->value({}, {}).root()), "1");
  EXPECT_FALSE(program("error(\"needs x\")")->run({}, {}).has_value());
}

TEST(ManifestProgram, RemembersOneAnswerForOneText) {
  const ManifestProgramPtr op = program(".type | split(\".\") | .[-1]");
  for (int round = 0; round < 3; ++round) {
    EXPECT_EQ(op->value(doc(R"({"type":"a.b"})"), {}).root().as_string(), "b");
    EXPECT_EQ(op->value(doc(R"({"type":"a.c"})"), {}).root().as_string(), "c");
  }
}

TEST(ManifestProgram, SeesOnlyWhatItsFieldOffers) {
  EXPECT_FALSE(ManifestProgram::compile(program_text("header.X"), Sees::kVariables));
  EXPECT_FALSE(ManifestProgram::compile(program_text("$headers.x"), Sees::kVariables));
  EXPECT_FALSE(ManifestProgram::compile(program_text("$status"), Sees::kWebhook));
  EXPECT_FALSE(ManifestProgram::compile(program_text("$args"), Sees::kAnswer));
  EXPECT_TRUE(ManifestProgram::compile(program_text("$status + ($headers | length)"), Sees::kAnswer));
}

TEST(ManifestProgram, ErrorsPointIntoTheManifest) {
  const auto broken = ManifestProgram::compile(program_text("header.X-Y | nosuch"), Sees::kAnswer);
  ASSERT_FALSE(broken);
  EXPECT_EQ(broken.error().place.file, "x.yaml");
  EXPECT_EQ(broken.error().place.line, 3u);
}

TEST(TextTemplate, EscapesForThePlace) {
  const TextTemplate::Lookup lookup = [](std::string_view name) -> std::optional<std::string> {
    if (name == "slash") return "a/b c";
    if (name == "up") return "a/../b";
    if (name == "dots") return "..";
    if (name == "empty") return "";
    if (name == "line") return "a\r\nX: y";
    if (name == "url") return "https://h/x";
    return std::nullopt;
  };
  struct Case {
    const char* text;
    Spot spot;
    const char* expected;  // null: an error
  };
  for (const Case& one :
       {Case{"/x/{slash}", Spot::kPath, "/x/a%2Fb%20c"}, Case{"/x/{slash|path}", Spot::kPath, "/x/a/b%20c"},
        Case{"/x/{up|path}", Spot::kPath, nullptr}, Case{"/x/{dots}", Spot::kPath, nullptr},
        Case{"/x/{empty}", Spot::kPath, nullptr}, Case{"{line}", Spot::kHeader, nullptr},
        Case{"{slash}", Spot::kBase, nullptr}, Case{"{url|raw}", Spot::kBase, "https://h/x"},
        Case{"{{{slash}}}", Spot::kRaw, "{a/b c}"}}) {
    const auto text = TextTemplate::parse(one.text);
    ASSERT_TRUE(text) << one.text;
    const auto out = text->expand(one.spot, lookup);
    ASSERT_EQ(out.has_value(), one.expected != nullptr) << one.text;
    if (out) {
      EXPECT_EQ(**out, one.expected);
    }
  }
  EXPECT_EQ(*TextTemplate::parse("{none}")->expand(Spot::kRaw, lookup), std::nullopt);
}

TEST(TextTemplate, RefusesWhatIsNotAPlaceholder) {
  for (const char* broken : {"{", "}", "{}", "{a b}", "{a|nosuch}", "a}b"})
    EXPECT_FALSE(TextTemplate::parse(broken)) << broken;
  for (const char* later : {"{a|soql}", "{a|lower}", "{kept.x}"}) {
    const auto text = TextTemplate::parse(later);
    ASSERT_FALSE(text);
    EXPECT_EQ(text.error().code, Code::kUnsupported) << later;
  }
  EXPECT_EQ(TextTemplate::parse("ab{c|x}").error().place.column, 3u);
}

TEST(Encode, QueriesRepeatListsAndNestObjects) {
  EXPECT_EQ(*encode_query(
                doc(R"({"a":1,"b":[1,"x y"],"c":{"gte":2,"d":{"e":true}},"n":null,"z":"","expand[]":["p"]})").root()),
            "a=1&b=1&b=x%20y&c%5Bgte%5D=2&c%5Bd%5D%5Be%5D=true&z=&expand%5B%5D=p");
  EXPECT_FALSE(encode_query(doc("[1]").root()));
}

TEST(Encode, FormsNestAsDeepAsTheyGo) {
  EXPECT_EQ(
      *encode_form(
          doc(R"({"a":{"b":[{"c":"x y"},{"c":"&"}]},"e":[],"o":{},"n":null,"t":"","m":{"k k":12345678901234567890}})")
              .root()),
      "a[b][0][c]=x+y&a[b][1][c]=%26&t=&m[k+k]=12345678901234567890");
}

TEST(Encode, OriginsCompareWithoutTricks) {
  EXPECT_EQ(url_origin("https://API.example.com/x"), "https://api.example.com:443");
  EXPECT_EQ(url_origin("http://h:8080?x"), "http://h:8080");
  EXPECT_EQ(url_origin("https://[::1]:9/x"), "https://[::1]:9");
  for (const char* bad : {"https://a@b/", "https://a\\b", "ftp://a", "//a", "https:///x", "https://a b"})
    EXPECT_FALSE(url_origin(bad)) << bad;
}

TEST(Encode, QueriesOfUrlsAreReplaced) {
  EXPECT_EQ(url_with_query("https://h/p?a=1&cursor=x&b=2", "cursor", "y z"), "https://h/p?a=1&b=2&cursor=y%20z");
  EXPECT_EQ(url_with_query("https://h/p", "c", "1"), "https://h/p?c=1");
  EXPECT_EQ(url_query_value("https://h/p?a=b+c%21", "a"), "b c!");
  EXPECT_EQ(url_query_value("https://h/p", "a"), std::nullopt);
}

TEST(Encode, LinksAreReadByRel) {
  const char* header = R"(<https://h/a?x=1,2>; rel="previous", <https://h/b>; title="a,b"; rel="last next")";
  EXPECT_EQ(link_target(header, "next"), "https://h/b");
  EXPECT_EQ(link_target(header, "previous"), "https://h/a?x=1,2");
  EXPECT_EQ(link_target(header, "first"), std::nullopt);
  EXPECT_EQ(link_target("<https://h", "next"), std::nullopt);
}

ArgsPlan args_plan(const std::string& yaml) {
  spec::Problems problems;
  const auto node = spec::parse_yaml("get: /x\nargs:\n" + yaml, "a.yaml", problems);
  const auto spec = spec::parse<ActionSpec>(*node, problems);
  EXPECT_TRUE(problems.ok()) << problems.text();
  return plan_args(spec->args, problems);
}

TEST(Args, CoercesExactlyAndRefusesTheRest) {
  const ArgsPlan plan = args_plan(
      "  email: { type: string, required: true }\n  n: integer\n  x: number\n  b: boolean\n  l: array\n  o: object\n"
      "  s: { type: string, enum: [open, closed] }\n  p: { type: string, pattern: '^[0-9]+$' }\n"
      "  d: { type: string, default: any }\n  no: false\n");
  struct Case {
    const char* args;
    const char* expected;  // the object, or a part of the message
    bool good;
  };
  const Case cases[] = {
      {R"({"email":"a"})", R"({"email":"a","d":"any"})", true},
      {R"({"email":12345678901234567890})", R"({"email":"12345678901234567890","d":"any"})", true},
      {R"({"email":true})", R"({"email":"true","d":"any"})", true},
      {R"({"email":"a","n":"12","x":"1.10","b":"true","d":null})",
       R"({"email":"a","n":12,"x":1.10,"b":true,"d":"any"})", true},
      {R"({"n":1})", "argument `email` is missing", false},
      {R"({"email":null})", "argument `email` is missing", false},
      {R"({"emial":"a"})", "unknown argument `emial`; did you mean \"email\"?", false},
      {R"({"email":"a","n":1.5})", "argument `n` must be integer", false},
      {R"({"email":"a","n":"x"})", "argument `n` must be integer", false},
      {R"({"email":["a"]})", "argument `email` must be string, is array", false},
      {R"({"email":"a","l":{}})", "argument `l` must be array", false},
      {R"({"email":"a","s":"opne"})", "one of open, closed, is \"opne\"; did you mean \"open\"?", false},
      {R"({"email":"a","p":"12a"})", "argument `p` must match", false},
      {R"({"email":"a","no":1})", "argument `no` is not taken here", false},
      {R"([1])", "must be an object", false},
  };
  for (const Case& one : cases) {
    const auto out = check_args(plan, doc(one.args));
    ASSERT_EQ(out.has_value(), one.good) << one.args << (out ? "" : out.error().message);
    if (out) {
      EXPECT_EQ(json::print(out->root()), one.expected);
    } else {
      EXPECT_NE(out.error().message.find(one.expected), std::string::npos) << out.error().message;
    }
  }
}

TEST(Args, AStarTakesOtherNames) {
  const ArgsPlan plan = args_plan("  id: string\n  contact: false\n  \"*\": string\n");
  EXPECT_EQ(json::print(check_args(plan, doc(R"({"b":1,"id":2})"))->root()), R"({"b":"1","id":"2"})");
  EXPECT_FALSE(check_args(plan, doc(R"({"contact":1})")));
  EXPECT_FALSE(check_args(plan, doc(R"({"b":[]})")));
}

}  // namespace
}  // namespace tieline::connect
