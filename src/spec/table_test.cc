#include "spec/table.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <variant>

namespace tieline::spec::example {

using namespace std::chrono_literals;

enum class Mode { kLive, kShadow, kMirror };

struct Retry {
  Duration first = 5s;
  Duration max = 1h;
  std::optional<std::int64_t> tries;
};

struct Cron {
  std::string text;
};

struct Everything {
  bool on = false;
  std::uint16_t port = 8080;
  std::int64_t big = 0;
  double share = 0.5;
  std::string title;
  std::string level = "low";
  Duration every = 15min;
  Size keep{20'000'000'000};
  Rate rate{90, 10s};
  Mode mode = Mode::kLive;
  ProgramText key;
  Data with;
  Data map;
  SecretRef token;
  std::string password;
  std::optional<Retry> retry;
  std::vector<std::string> events;
  Map<Size> limits;
  std::vector<Retry> retries;
  Node raw;
  At<std::string> call;
  Cron schedule;
  Place place;
};

struct Step;
struct Common {
  ProgramText condition;
  std::string name;
};
struct CallStep : Common {
  std::string call;
  Map<std::string> on;
  SecretRef token;
};
struct BranchStep : Common {
  std::vector<Step> branch;
};
struct Step {
  std::variant<CallStep, BranchStep> kind;
};
struct Answers {
  std::string empty;
  Map<std::string> codes;
};

const Names<Mode>& describe(const Mode*) {
  static const Names<Mode> names{
      {Mode::kLive, "live"}, {Mode::kShadow, "shadow", "sends nothing"}, {Mode::kMirror, "mirror", "", true}};
  return names;
}

const Table<Retry>& describe(const Retry*) {
  static const auto table =
      Table<Retry>("retry", "How long and how often a call is tried again")
          .field("first", &Retry::first, {.doc = "The first wait", .example = "5s", .min = "1s", .max = "1h"})
          .field("max", &Retry::max, {.doc = "The longest wait"})
          .field("tries", &Retry::tries, {.doc = "At most so many tries", .fallback = "no limit", .min = "1"})
          .reserved("jitter", "How waits are spread")
          .shorthand("first")
          .check([](const Retry& retry, const Node& node, Problems& problems) {
            if (retry.max < retry.first) problems.error(node.place(), "max must not be below first");
          });
  return table;
}

const Custom<Cron>& describe(const Cron*) {
  static const Custom<Cron> custom{
      .what = "a schedule like 0 3 * * 0",
      .word = "schedule",
      .schema = R"({"type":"string"})",
      .read = [](const Node& node, Problems& problems) -> std::optional<Cron> {
        if (node.is_scalar() && std::count(node.text().begin(), node.text().end(), ' ') == 4) return Cron{node.text()};
        problems.error(node.place(), "a schedule has five parts");
        return std::nullopt;
      }};
  return custom;
}

const Table<Everything>& describe(const Everything*) {
  static const auto table = Table<Everything>("everything", "One of each type")
                                .field("on", &Everything::on)
                                .field("port", &Everything::port, {.min = "1"})
                                .field("big", &Everything::big)
                                .field("share", &Everything::share, {.min = "0", .max = "1"})
                                .field("title", &Everything::title, {.pattern = "^[a-z0-9-]+$"})
                                .field("level", &Everything::level, {.choices = {"low", "high"}})
                                .field("every", &Everything::every, {.min = "1s", .max = "1d"})
                                .field("keep", &Everything::keep, {.min = "1MB"})
                                .field("rate", &Everything::rate, {.max = "1000"})
                                .field("mode", &Everything::mode)
                                .field("key", &Everything::key)
                                .field("with", &Everything::with)
                                .field("map", &Everything::map, {.text_is_program = true})
                                .field("token", &Everything::token)
                                .field("password", &Everything::password, {.pattern = "^.{12,}$", .secret = true})
                                .field("retry", &Everything::retry)
                                .field("events", &Everything::events, {.one_or_list = true})
                                .field("limits", &Everything::limits, {.max = "1GB"})
                                .field("retries", &Everything::retries)
                                .field("raw", &Everything::raw)
                                .field("call", &Everything::call)
                                .field("schedule", &Everything::schedule)
                                .place(&Everything::place);
  return table;
}

const Table<Common>& describe(const Common*) {
  static const auto table = Table<Common>("common", "What every step has")
                                .field("if", &Common::condition, {.doc = "Whether the step is done"})
                                .field("name", &Common::name, {.doc = "A name for people"});
  return table;
}
const Table<CallStep>& describe(const CallStep*) {
  static const auto table = Table<CallStep>("call", "Performs an action")
                                .field("call", &CallStep::call, {.doc = "CONNECTION.RESOURCE.ACTION", .required = true})
                                .field("on", &CallStep::on)
                                .field("token", &CallStep::token, {.required = true})
                                .inherit(describe(static_cast<const Common*>(nullptr)));
  return table;
}
const Union<Step>& describe(const Step*);
const Table<BranchStep>& describe(const BranchStep*) {
  static const auto table = Table<BranchStep>("branch", "The first arm that holds")
                                .field("branch", &BranchStep::branch)
                                .inherit(describe(static_cast<const Common*>(nullptr)));
  return table;
}
const Union<Step>& describe(const Step*) {
  static const auto steps = Union<Step>("step", "One thing a flow does")
                                .kind<CallStep>("call")
                                .kind<BranchStep>("branch")
                                .reserved("approve", "A person in the loop");
  return steps;
}
const Table<Answers>& describe(const Answers*) {
  static const auto table = Table<Answers>("answers", "What expected answers mean")
                                .field("empty", &Answers::empty)
                                .rest("CODE", &Answers::codes, {.choices = {"skip", "fail"}});
  return table;
}

}  // namespace tieline::spec::example

namespace tieline::spec {
namespace {

using namespace std::chrono_literals;
using example::Everything;
using example::Retry;
using example::Step;

template <class T>
std::optional<T> read(const std::string& text, Problems& problems) {
  const auto node = parse_yaml(text, "f", problems);
  return node ? parse<T>(*node, problems) : std::nullopt;
}

template <class T>
T read_ok(const std::string& text) {
  Problems problems;
  auto value = read<T>(text, problems);
  EXPECT_EQ(problems.text(), "") << text;
  return value ? std::move(*value) : T{};
}

template <class T>
std::string problems_of(const std::string& text) {
  Problems problems;
  const auto value = read<T>(text, problems);
  EXPECT_EQ(value.has_value(), problems.ok()) << text;
  return problems.text();
}

TEST(Table, FillsDefaults) {
  for (const char* text : {"", "{}", "# nothing\n"}) {
    const auto value = read_ok<Everything>(text);
    EXPECT_EQ(value.every, 15min);
    EXPECT_EQ(value.port, 8080);
    EXPECT_FALSE(value.retry.has_value());
    EXPECT_TRUE(value.key.empty());
  }
}

TEST(Table, ReadsEveryType) {
  const auto value = read_ok<Everything>(R"(on: true
port: 9090
big: -9223372036854775808
share: 2.5e-1
title: 007
level: high
every: 30s
keep: 4MiB
rate: 100/s
mode: shadow
key: =.customer.id
with: { a: =.x, b: 1.10, c: [true, null, "1", 007, '=[.y]'], d: { e: text } }
map: .customer
token: secret:hubspot/token
password: correct horse battery
retry: { max: 2h, tries: 3 }
events: orders/create
limits: { a: 1KB, b: 0 }
retries: [ 10s, { first: 20s } ]
raw: [1, { x: y }]
call: hubspot.deals.upsert
schedule: 0 3 * * 0
)");
  EXPECT_TRUE(value.on);
  EXPECT_EQ(value.port, 9090);
  EXPECT_EQ(value.big, std::numeric_limits<std::int64_t>::min());
  EXPECT_EQ(value.share, 0.25);
  EXPECT_EQ(value.title, "007");
  EXPECT_EQ(value.level, "high");
  EXPECT_EQ(value.every, 30s);
  EXPECT_EQ(value.keep.bytes, 4 << 20);
  EXPECT_EQ(value.rate, (Rate{100, 1s}));
  EXPECT_EQ(value.mode, example::Mode::kShadow);
  EXPECT_EQ(value.key.source, ".customer.id");
  EXPECT_EQ(value.map.kind, Data::Kind::kProgram);
  EXPECT_EQ(value.map.program.source, ".customer");
  EXPECT_EQ(value.token.text(), "secret:hubspot/token");
  EXPECT_EQ(value.retry->max, 2h);
  EXPECT_EQ(value.retry->first, 5s);
  EXPECT_EQ(value.events, std::vector<std::string>{"orders/create"});
  EXPECT_EQ(value.limits[0].second.bytes, 1000);
  EXPECT_EQ(value.retries[0].first, 10s);
  EXPECT_EQ(value.retries[1].first, 20s);
  EXPECT_EQ(value.raw.items()[1].find("x")->text(), "y");
  EXPECT_EQ(value.call.place.text(), "f:21:7");
  EXPECT_EQ(value.place.text(), "f:1:1");

  using Kind = Data::Kind;
  EXPECT_TRUE(value.with.has_programs());
  EXPECT_EQ(value.with.find("a")->program.source, ".x");
  EXPECT_EQ(value.with.find("b")->text, "1.10");
  EXPECT_EQ(value.with.find("b")->kind, Kind::kNumber);
  const Data& list = *value.with.find("c");
  const Kind kinds[] = {Kind::kBool, Kind::kNull, Kind::kText, Kind::kText, Kind::kProgram};
  for (std::size_t i = 0; i < std::size(kinds); ++i) EXPECT_EQ(list.items[i].kind, kinds[i]) << i;
  EXPECT_FALSE(value.with.find("d")->has_programs());
}

TEST(Table, SaysWhatIsWrongAndWhere) {
  struct Case {
    const char* text;
    const char* problems;
  };
  const Case cases[] = {
      {"on: yes", "f:1:5: error: expected true or false, found \"yes\"\n"},
      {"on: 'true'", "f:1:5: error: expected true or false, found the text \"true\"\n"},
      {"on:", "f:1:1: error: expected true or false, found nothing\n"},
      {"port: 80.5", "f:1:7: error: expected a whole number, found \"80.5\"\n"},
      {"port: 70000", "f:1:7: error: must be between 0 and 65535\n"},
      {"port: 0", "f:1:7: error: must be at least 1, found 0\n"},
      {"big: 9223372036854775808", "f:1:6: error: must be between -9223372036854775808 and 9223372036854775807\n"},
      {"share: 1.5", "f:1:8: error: must be at most 1, found 1.5\n"},
      {"share: inf", "f:1:8: error: expected a number, found \"inf\"\n"},
      {"title: [a]", "f:1:8: error: expected text, found a list\n"},
      {"title: A b", "f:1:8: error: must match ^[a-z0-9-]+$, found \"A b\"\n"},
      {"level: hgih", "f:1:8: error: expected one of low, high, found \"hgih\"; did you mean \"high\"?\n"},
      {"every: [1]", "f:1:8: error: expected a duration like 5s, found a list\n"},
      {"every: 5 sec", "f:1:8: error: expected a duration like 5s, found \"5 sec\"\n"},
      {"every: 2d", "f:1:8: error: must be at most 1d, found 2d\n"},
      {"every: 10ms", "f:1:8: error: must be at least 1s, found 10ms\n"},
      {"keep: 20 GB", "f:1:7: error: expected a size like 20GB or 4MiB, found \"20 GB\"\n"},
      {"keep: 1KB", "f:1:7: error: must be at least 1MB, found 1KB\n"},
      {"rate: 90", "f:1:7: error: expected a rate like 90/10s, found \"90\"\n"},
      {"rate: 1001/s", "f:1:7: error: must be at most 1000, found 1001/s\n"},
      {"mode: shaddow", "f:1:7: error: expected one of live, shadow, found \"shaddow\"; did you mean \"shadow\"?\n"},
      {"mode: mirror", "f:1:7: error: `mirror` is not available in this version\n"},
      {"key: [.a]",
       "f:1:6: error: expected a program (one that begins with [ must stand in single quotes), found a list\n"},
      {"key: ''", "f:1:6: error: expected a program, found empty text\n"},
      {"with: { a: = }", "f:1:12: error: expected a program, found \"=\"\n"},
      {"with: { a: .b }",
       "f:1:12: warning: this is the text \".b\"; a program begins with =, as in =.b; if the text is meant, quote "
       "it\n"},
      {"with: { a: '.b', c: ./x, d: $5 }", ""},
      {"token: hunter2hunter2",
       "f:1:8: error: a secret must not stand here itself; give a reference: secret:NAME (the vault), env:NAME or "
       "file:PATH\n"},
      {"token: { a: b }",
       "f:1:8: error: expected a reference to a secret: secret:NAME, env:NAME or file:PATH, found a map\n"},
      {"password: hunter2", "f:1:11: error: must match ^.{12,}$\n"},
      {"retry: { first: 2h }", "f:1:17: error: must be at most 1h, found 2h\n"},
      {"retry: { first: 1h, max: 5s }", "f:1:8: error: max must not be below first\n"},
      {"retry: { jitter: full }", "f:1:10: error: `jitter` is not available in this version\n"},
      {"retry: { frist: 5s }", "f:1:10: error: unknown key \"frist\" in retry; did you mean \"first\"?\n"},
      {"retry: [5s]", "f:1:8: error: expected a duration like 5s, found a list\n"},
      {"events: { a: b }", "f:1:9: error: expected text, found a map\n"},
      {"limits: { a: 2GB, b: x }",
       "f:1:14: error: must be at most 1GB, found 2GB\n"
       "f:1:22: error: expected a size like 20GB or 4MiB, found \"x\"\n"},
      {"retries: 5s", "f:1:10: error: expected a list, found \"5s\"\n"},
      {"schedule: daily", "f:1:11: error: a schedule has five parts\n"},
      {"[a]", "f:1:1: error: expected a map (everything), found a list\n"},
      {"xyz: 1", "f:1:1: error: unknown key \"xyz\" in everything\n"},
  };
  for (const Case& c : cases) EXPECT_EQ(problems_of<Everything>(c.text), c.problems) << c.text;
}

TEST(Table, ReportsAllProblemsAtOnce) {
  EXPECT_EQ(problems_of<Everything>("on: 1\nretries:\n  - first: x\n    nope: 1\n  - max: y\nevery: z\n"),
            "f:1:5: error: expected true or false, found \"1\"\n"
            "f:3:12: error: expected a duration like 5s, found \"x\"\n"
            "f:4:5: error: unknown key \"nope\" in retry\n"
            "f:5:10: error: expected a duration like 5s, found \"y\"\n"
            "f:6:8: error: expected a duration like 5s, found \"z\"\n");
}

TEST(Table, TakesTheRestOfTheKeys) {
  const auto answers = read_ok<example::Answers>("{ empty: wait, CARD_DECLINED: fail, E2: skip }");
  EXPECT_EQ(answers.empty, "wait");
  ASSERT_EQ(answers.codes.size(), 2u);
  EXPECT_EQ(answers.codes[0], std::make_pair(std::string("CARD_DECLINED"), std::string("fail")));
  EXPECT_EQ(problems_of<example::Answers>("E1: halt"), "f:1:5: error: expected one of skip, fail, found \"halt\"\n");
}

TEST(Union, PicksTheKindAndReadsItsTable) {
  const auto step = read_ok<Step>(
      "branch: [ { call: a.b.c, token: env:T, if: .x, on: { empty: skip } }, { branch: [] } ]\nname: n\n");
  const auto& branch = std::get<example::BranchStep>(step.kind);
  EXPECT_EQ(branch.name, "n");
  ASSERT_EQ(branch.branch.size(), 2u);
  const auto& call = std::get<example::CallStep>(branch.branch[0].kind);
  EXPECT_EQ(call.call, "a.b.c");
  EXPECT_EQ(call.condition.source, ".x");
}

TEST(Union, SaysWhichKindIsMissingDoubledOrUnknown) {
  struct Case {
    const char* text;
    const char* problems;
  };
  const Case cases[] = {
      {"cal: a.b.c", "f:1:1: error: unknown step \"cal\"; did you mean \"call\"?\n"},
      {"{ if: .x, with: 1 }", "f:1:1: error: expected a step: a map with one of call, branch, found only if, with\n"},
      {"{}", "f:1:1: error: expected a step: a map with one of call, branch, found an empty map\n"},
      {"call", "f:1:1: error: expected a step: a map with one of call, branch, found \"call\"\n"},
      {"{ call: x, branch: [] }", "f:1:12: error: a step does one thing, found both \"call\" and \"branch\"\n"},
      {"name: x\napprove: { who: finance }", "f:2:1: error: `approve` is not available in this version\n"},
      {"{ aprove: x }", "f:1:3: error: unknown step \"aprove\"; did you mean \"approve\"?\n"},
      {"{ call: x, tokn: y }",
       "f:1:1: error: the key \"token\" is missing in call\n"
       "f:1:12: error: unknown key \"tokn\" in call; did you mean \"token\"?\n"},
  };
  for (const Case& c : cases) EXPECT_EQ(problems_of<Step>(c.text), c.problems) << c.text;
}

TEST(Program, ErrorsPointIntoTheFile) {
  const auto value = read_ok<Everything>("key: '=.it''s'\nwith:\n  a: |\n    .x\n    | foo\n  b:   =.y | bar\n");
  EXPECT_EQ(value.key.in_file(1, 4).text(), "f:1:11");
  EXPECT_EQ(value.key.in_file(1, 5).text(), "f:1:13");
  EXPECT_EQ(value.key.place().text(), "f:1:8");
  const Data& block = *value.with.find("a");
  EXPECT_EQ(block.kind, Data::Kind::kProgram);
  EXPECT_EQ(block.program.source, ".x\n| foo\n");
  EXPECT_EQ(block.program.located(Error{Code::kInvalid, "m", {"", 2, 3}}).text(), "f:5:7: error: m");
  EXPECT_EQ(value.with.find("b")->program.located(Error{Code::kInvalid, "m", {"", 1, 6}}).text(), "f:6:14: error: m");
}

TEST(Pattern, TakesOnlyWhatBothDialectsReadAlike) {
  EXPECT_TRUE(Pattern::compile("^[A-Za-z0-9_-]+$")->matches("a-B_9"));
  EXPECT_FALSE(Pattern::compile("^[a-z]{2,3}$")->matches("abcd"));
  EXPECT_TRUE(Pattern::compile("d$")->matches(std::string("ab\0d", 4)));
  EXPECT_TRUE(Pattern::compile("^(a|b)\\.$")->matches("b."));
  EXPECT_FALSE(Pattern::compile("x")->matches(""));
  for (const char* text : {"[a", "(a", "a{2,1}", "\\d+", "(a)\\1", "(?:a)", "a+?"}) {
    const auto pattern = Pattern::compile(text);
    ASSERT_FALSE(pattern.has_value()) << text;
    EXPECT_TRUE(pattern.error().message.starts_with("the pattern " + std::string(text) + " is not valid: "));
  }
}

TEST(Size, ReadsAndPrints) {
  struct Case {
    const char* text;
    std::int64_t bytes;
    const char* printed;
  };
  const Case cases[] = {{"0", 0, "0"},
                        {"512B", 512, "512B"},
                        {"64KB", 64'000, "64KB"},
                        {"4MiB", 4 << 20, "4MiB"},
                        {"20GB", 20'000'000'000, "20GB"},
                        {"1024KiB", 1 << 20, "1MiB"},
                        {"8TiB", 8LL << 40, "8TiB"}};
  for (const Case& c : cases) {
    const auto size = parse_size(c.text);
    ASSERT_TRUE(size.has_value()) << c.text;
    EXPECT_EQ(size->bytes, c.bytes);
    EXPECT_EQ(format_size(*size), c.printed);
  }
  for (const char* text : {"", "20", "GB", "-1B", "1.5GB", "1gb", "20 GB", "9000000000TB", "1B "})
    EXPECT_FALSE(parse_size(text).has_value()) << text;
}

TEST(Rate, ReadsAndPrints) {
  for (const char* text : {"90/10s", "100/s", "100000/d", "10/5m", "1/250ms"}) {
    const auto rate = parse_rate(text);
    ASSERT_TRUE(rate.has_value()) << text;
    EXPECT_EQ(format_rate(*rate), text);
  }
  EXPECT_EQ(parse_rate("100000/24h")->per, 24h);
  for (const char* text : {"", "90", "90/", "/s", "0/s", "90/0s", "-1/s", "90/10", "90 / 10s", "1.5/s"})
    EXPECT_FALSE(parse_rate(text).has_value()) << text;
}

TEST(SecretRef, ReadsReferencesAndNeverRepeatsAnythingElse) {
  EXPECT_EQ(parse_secret_ref("env:TOKEN")->kind, SecretRef::Kind::kEnv);
  EXPECT_EQ(parse_secret_ref("file:/run/secrets/t")->name, "/run/secrets/t");
  EXPECT_EQ(parse_secret_ref("secret:a/b")->text(), "secret:a/b");
  for (const std::string text : {"hunter2", "secret:", "SECRET:x", "vault:hunter2"}) {
    const auto reference = parse_secret_ref(text);
    ASSERT_FALSE(reference.has_value()) << text;
    EXPECT_EQ(reference.error().message.find("hunter2"), std::string::npos);
  }
}

}  // namespace
}  // namespace tieline::spec
