#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "core/category.h"
#include "core/event.h"
#include "core/flow.h"
#include "core/journal.h"
#include "core/reset_header.h"
#include "core/template.h"

namespace tieline {
namespace {

json::Document doc(std::string text) {
  auto parsed = json::parse(std::move(text));
  EXPECT_TRUE(parsed.has_value()) << (parsed ? "" : parsed.error().text());
  return parsed ? *parsed : json::Document();
}

struct ClassifyCase {
  const char* name;
  Phase phase;
  int status;
  Code error;
  Category safe, repeatable, unsafe;
};

class Classify : public testing::TestWithParam<ClassifyCase> {};

TEST_P(Classify, FollowsTheTableOfErrors) {
  const ClassifyCase& c = GetParam();
  Exchange exchange;
  exchange.phase = c.phase;
  exchange.response.status = c.status;
  exchange.error.code = c.error;
  EXPECT_EQ(category_name(classify(exchange, Safety::kSafe)), category_name(c.safe));
  EXPECT_EQ(category_name(classify(exchange, Safety::kRepeatable)), category_name(c.repeatable));
  EXPECT_EQ(category_name(classify(exchange, Safety::kUnsafe)), category_name(c.unsafe));
}

constexpr auto kD = Category::kDelivered, kT = Category::kTransient, kU = Category::kUnknown,
               kR = Category::kRateLimited, kA = Category::kAuth, kC = Category::kConflict, kV = Category::kValidation,
               kP = Category::kPermanent, kM = Category::kMissing;
constexpr Phase kNot = Phase::kNotSent, kSent = Phase::kSent, kAns = Phase::kAnswered;
constexpr Code kNo = Code::kInternal;

INSTANTIATE_TEST_SUITE_P(
    Table, Classify,
    testing::Values(ClassifyCase{"refused", kNot, 0, Code::kUnavailable, kT, kT, kT},
                    ClassifyCase{"connect_timeout", kNot, 0, Code::kTimeout, kT, kT, kT},
                    ClassifyCase{"address_refused", kNot, 0, Code::kDenied, kP, kP, kP},
                    ClassifyCase{"broken_url", kNot, 0, Code::kInvalid, kP, kP, kP},
                    ClassifyCase{"reset_after_sending", kSent, 0, Code::kUnavailable, kT, kT, kU},
                    ClassifyCase{"read_timeout", kSent, 0, Code::kTimeout, kT, kT, kU},
                    ClassifyCase{"answer_too_large", kSent, 200, Code::kTooLarge, kP, kP, kU},
                    ClassifyCase{"s200", kAns, 200, kNo, kD, kD, kD}, ClassifyCase{"s201", kAns, 201, kNo, kD, kD, kD},
                    ClassifyCase{"s204", kAns, 204, kNo, kD, kD, kD}, ClassifyCase{"s302", kAns, 302, kNo, kP, kP, kP},
                    ClassifyCase{"s400", kAns, 400, kNo, kV, kV, kV}, ClassifyCase{"s401", kAns, 401, kNo, kA, kA, kA},
                    ClassifyCase{"s402", kAns, 402, kNo, kV, kV, kV}, ClassifyCase{"s403", kAns, 403, kNo, kV, kV, kV},
                    ClassifyCase{"s404", kAns, 404, kNo, kM, kM, kM}, ClassifyCase{"s405", kAns, 405, kNo, kP, kP, kP},
                    ClassifyCase{"s408", kAns, 408, kNo, kT, kT, kT}, ClassifyCase{"s409", kAns, 409, kNo, kC, kC, kC},
                    ClassifyCase{"s410", kAns, 410, kNo, kM, kM, kM}, ClassifyCase{"s412", kAns, 412, kNo, kC, kC, kC},
                    ClassifyCase{"s422", kAns, 422, kNo, kV, kV, kV}, ClassifyCase{"s425", kAns, 425, kNo, kT, kT, kT},
                    ClassifyCase{"s429", kAns, 429, kNo, kR, kR, kR}, ClassifyCase{"s451", kAns, 451, kNo, kP, kP, kP},
                    ClassifyCase{"s500", kAns, 500, kNo, kT, kT, kT}, ClassifyCase{"s501", kAns, 501, kNo, kP, kP, kP},
                    ClassifyCase{"s502", kAns, 502, kNo, kT, kT, kU}, ClassifyCase{"s503", kAns, 503, kNo, kT, kT, kT},
                    ClassifyCase{"s504", kAns, 504, kNo, kT, kT, kU}, ClassifyCase{"s522", kAns, 522, kNo, kT, kT, kU}),
    [](const auto& test) { return std::string(test.param.name); });

TEST(Category, NamesReadBack) {
  for (int i = 0; i <= static_cast<int>(Category::kMissing); ++i) {
    const auto category = static_cast<Category>(i);
    EXPECT_EQ(category_from_name(category_name(category)), category);
  }
  EXPECT_FALSE(category_from_name("flaky").has_value());
}

TEST(Category, SafetyFollowsTheMethod) {
  for (const auto& [method, safety] : std::vector<std::pair<const char*, Safety>>{{"GET", Safety::kSafe},
                                                                                  {"HEAD", Safety::kSafe},
                                                                                  {"PUT", Safety::kRepeatable},
                                                                                  {"DELETE", Safety::kRepeatable},
                                                                                  {"POST", Safety::kUnsafe},
                                                                                  {"PATCH", Safety::kUnsafe}}) {
    EXPECT_EQ(safety_of_method(method), safety) << method;
  }
}

TEST(RetryAfter, ReadsSecondsAndDatesAndClamps) {
  const Time now = *parse_time("1994-11-06T08:49:30Z");
  const Duration hour = 3600s;
  const auto after = [&](const char* text) { return retry_after({{"retry-after", text}}, now, hour); };
  EXPECT_EQ(after("7"), Duration(7s));
  EXPECT_EQ(after(" 0 "), Duration(0s));
  EXPECT_EQ(after("999999"), hour);
  EXPECT_EQ(after("99999999999999999999999"), hour);
  EXPECT_EQ(after("Sun, 06 Nov 1994 08:49:37 GMT"), Duration(7s));
  EXPECT_EQ(after("Sunday, 06-Nov-94 08:49:37 GMT"), Duration(7s));
  EXPECT_EQ(after("Sun Nov  6 08:49:37 1994"), Duration(7s));
  EXPECT_EQ(after("Sun, 06 Nov 1994 08:00:00 GMT"), Duration(0s));
  EXPECT_EQ(after("Sun, 06 Nov 2094 08:00:00 GMT"), hour);
  EXPECT_FALSE(after("soon"));
  EXPECT_FALSE(after("-3"));
  EXPECT_FALSE(after("Sun, 31 Feb 1994 08:49:37 GMT"));
  EXPECT_FALSE(retry_after({}, now, hour));
}

TEST(ResetHeader, ReadsWaitsAndMomentsAndClamps) {
  const Time now = *parse_time("2026-11-29T12:00:00Z");  // 1796040000
  struct Case {
    const char* name;
    const char* value;
    std::optional<Duration> expected;
  };
  const Case cases[] = {
      {"RateLimit-Reset", "30", Duration(30s)},
      {"X-RateLimit-Reset", "30", Duration(30s)},
      {"x-ratelimit-reset", " 0.5 ", Duration(500'000)},
      {"X-Rate-Limit-Reset", "1795953645", Duration(45s)},
      {"X-RateLimit-Reset", "1795953645250", Duration(45'250'000)},
      {"X-RateLimit-Reset", "2026-11-29T12:00:05Z", Duration(5s)},
      {"X-RateLimit-Reset", "1795953599", Duration(0s)},  // a second ago: it is over
      {"X-RateLimit-Reset", "1795950000", std::nullopt},  // an hour ago: another clock
      {"X-RateLimit-Reset", "999999999999999999999", Duration(1h)},
      {"X-RateLimit-Reset", "86400", Duration(1h)},
      {"X-RateLimit-Reset", "soon", std::nullopt},
      {"X-RateLimit-Reset", "-5", std::nullopt},
      {"RateLimit", "limit=100, remaining=0, reset=7", Duration(7s)},
      {"RateLimit", "\"default\";r=0;t=9", Duration(9s)},
      {"RateLimit", "\"default\";r=50", std::nullopt},
      {"X-Other", "30", std::nullopt},
  };
  for (const Case& c : cases)
    EXPECT_EQ(reset_after({{c.name, c.value}}, now, 1h), c.expected) << c.name << ": " << c.value;
}

TEST(ResetHeader, ReadsTheFormsOfANumber) {
  const Time now = from_unix_us(1'796'040'000'000'000);
  EXPECT_EQ(until_reset(0, now), Duration(0));
  EXPECT_EQ(until_reset(30.5, now), Duration(30'500'000));
  EXPECT_EQ(until_reset(1'796'040'045, now), Duration(45s));
  EXPECT_EQ(until_reset(1'796'040'045'250, now), Duration(45'250'000));
  EXPECT_EQ(until_reset(1'796'039'999, now), Duration(-1s));
  EXPECT_FALSE(until_reset(-1, now));
  EXPECT_FALSE(until_reset(std::numeric_limits<double>::infinity(), now));
  EXPECT_FALSE(until_reset(std::nan(""), now));
}

TEST(Event, ARecordsSourceIsWhatItWasReadFrom) {
  Event event;
  event.source = "sync/customers/hubspot.contacts";
  const json::Document envelope = event_envelope(event, json::Document(), json::Value());
  EXPECT_EQ(envelope.root()["source"].as_string(), "hubspot.contacts");
  Flow flow;
  flow.name = "customers";
  flow.syncs = {{"shopify.customers"}, {"hubspot.contacts"}};
  EXPECT_TRUE(flow.matches(event));
  flow.name = "other";
  EXPECT_FALSE(flow.matches(event));
  flow.was = "customers";
  EXPECT_TRUE(flow.matches(event));
  flow.syncs = {{"hubspot.deals"}};
  EXPECT_FALSE(flow.matches(event));
}

TEST(Event, EnvelopeHasEveryField) {
  Event event;
  event.source = "shopify";
  event.id = "e1";
  event.type = "orders/create";
  event.op = Op::kCreated;
  event.time = from_unix_us(0);
  event.position = Position(9);
  const json::Document data = doc(R"({"n":12345678901234567890,"d":1.10})");
  const json::Document key = doc("[1,\"a\"]");
  EXPECT_EQ(json::print(event_envelope(event, data, key.root()).root()),
            R"({"id":"e1","source":"shopify","type":"orders/create","time":"1970-01-01T00:00:00Z","subject":null,)"
            R"("op":"created","key":[1,"a"],"data":{"n":12345678901234567890,"d":1.10},"batch":null})");
}

TEST(Event, OpNamesReadBack) {
  for (const Op op : {Op::kOther, Op::kCreated, Op::kUpdated, Op::kDeleted, Op::kSnapshot}) {
    EXPECT_EQ(op_from_name(op_name(op)), op);
  }
  EXPECT_EQ(op_from_name("exploded"), Op::kOther);
}

TEST(Flow, MatchesByConnectionAndType) {
  Flow flow;
  flow.triggers = {{"shopify", {"orders/create", "orders/paid"}}, {"hubspot", {}}};
  Event event;
  const auto matches = [&](const char* source, const char* type) {
    event.source = source;
    event.type = type;
    return flow.matches(event);
  };
  EXPECT_TRUE(matches("shopify", "orders/paid"));
  EXPECT_FALSE(matches("shopify", "orders/deleted"));
  EXPECT_TRUE(matches("hubspot", "anything"));
  EXPECT_FALSE(matches("stripe", "orders/paid"));
}

TEST(RunState, NamesAndTerminals) {
  EXPECT_EQ(run_state_name(RunState::kHeld), "held");
  for (const RunState state : {RunState::kRunning, RunState::kRetrying, RunState::kParked, RunState::kHeld})
    EXPECT_FALSE(is_terminal(state)) << run_state_name(state);
  for (const RunState state :
       {RunState::kDelivered, RunState::kSkipped, RunState::kStale, RunState::kDead, RunState::kDiscarded})
    EXPECT_TRUE(is_terminal(state)) << run_state_name(state);
}

// A program that gives the input's member of its name, or fails.
class MemberProgram final : public json::Program {
 public:
  explicit MemberProgram(std::string name) : Program(std::move(name)) {}
  Result<std::vector<json::Document>> run(const json::Document& input, std::span<const json::Document>,
                                          const json::RunLimits&) const override {
    if (!input.root().has(source())) return failure(Code::kInvalid, "no such member");
    return std::vector<json::Document>{input.part(input.root()[source()])};
  }
};

Template member(const char* name) { return Template::program(std::make_shared<MemberProgram>(name)); }

TEST(Template, FillsListsAndMapsLeafByLeaf) {
  std::vector<std::pair<std::string, Template>> inner;
  inner.emplace_back("amount", member("price"));
  inner.emplace_back("pipeline", Template::literal(json::make_string("default")));
  inner.emplace_back("owner", Template::literal(json::Document()));
  std::vector<Template> items;
  items.push_back(Template::map(std::move(inner)));
  items.push_back(member("name"));
  const Template whole = Template::list(std::move(items));
  EXPECT_FALSE(whole.is_literal());
  const auto value = whole.evaluate(doc(R"({"price":1.10,"name":"x"})"), {});
  ASSERT_TRUE(value.has_value());
  EXPECT_EQ(json::print(value->root()), R"([{"amount":1.10,"pipeline":"default","owner":null},"x"])");
}

TEST(Template, NamesTheFailingLeaf) {
  std::vector<std::pair<std::string, Template>> inner;
  inner.emplace_back("amount", member("price"));
  std::vector<std::pair<std::string, Template>> outer;
  outer.emplace_back("lines", Template::map(std::move(inner)));
  const Template whole = Template::map(std::move(outer));
  const auto value = whole.evaluate(doc("{}"), {}, "with");
  ASSERT_FALSE(value.has_value());
  EXPECT_EQ(value.error().code, Code::kInvalid);
  EXPECT_EQ(value.error().message, "with.lines.amount: no such member");
}

TEST(Template, FoldsWhatHasNoProgram) {
  std::vector<std::pair<std::string, Template>> members;
  members.emplace_back("a", Template::literal(json::make_integer(1)));
  const Template whole = Template::map(std::move(members));
  EXPECT_TRUE(whole.is_literal());
  EXPECT_EQ(json::print(whole.evaluate(json::Document(), {})->root()), R"({"a":1})");
}

}  // namespace
}  // namespace tieline
