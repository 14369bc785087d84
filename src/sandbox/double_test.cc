#include "sandbox/double.h"

#include <gmock/gmock.h>

#include "base/bytes.h"
#include "sandbox/double_fixture.h"

namespace tieline::sandbox {
namespace {

using testing::HasSubstr;

const std::string kContact =
    R"({"inputs": [{"idProperty": "email", "id": "ada@example.com", "properties": {"email": "ada@example.com"}}]})";
const std::string kUpsert = "/crm/v3/objects/contacts/batch/upsert";

TEST(Faults, AreReadFromJson) {
  const struct {
    const char *text, *error;
  } cases[] = {
      {R"({"unavailable": 50, "reset_after": 1000, "slow": 1, "slow_by": "3s"})", ""},
      {R"({})", ""},
      {R"([])", "faults are an object"},
      {R"({"unavailible": 50})", "did you mean \"unavailable\"?"},
      {R"({"slow": 1001})", "a chance in 1,000"},
      {R"({"slow": -1})", "a chance in 1,000"},
      {R"({"slow": "often"})", "a chance in 1,000"},
      {R"({"slow_by": "soon"})", "slow_by"},
  };
  for (const auto& one : cases) {
    const auto document = json::parse(std::string(one.text));
    const auto faults = parse_faults(document->root());
    EXPECT_EQ(faults.has_value(), one.error[0] == '\0') << one.text;
    if (!faults) {
      EXPECT_THAT(faults.error().text(), HasSubstr(one.error));
    }
  }
  const auto document = json::parse(std::string(cases[0].text));
  const auto faults = parse_faults(document->root());
  EXPECT_EQ(faults->unavailable, 50u);
  EXPECT_EQ(faults->reset_after, 1000u);
  EXPECT_EQ(faults->slow_by, 3s);
}

class Credentials : public DoubleTest {};

TEST_F(Credentials, ARequestWithoutThemIsRefusedInTheVendorsWords) {
  const struct {
    const char *vendor, *method, *target;
    int status;
    const char *path, *words;
  } cases[] = {
      {"hubspot", "GET", "/account-info/v3/details", 401, "category", "\"INVALID_AUTHENTICATION\""},
      {"stripe", "GET", "/v1/balance", 401, "error.type", "\"invalid_request_error\""},
      {"slack", "POST", "/auth.test", 200, "error", "\"invalid_auth\""},
      {"shopify", "GET", "/shop.json", 401, "errors",
       "\"[API] Invalid API key or access token (unrecognized login or wrong password)\""},
  };
  for (const auto& one : cases) {
    DoubleOptions options;
    options.credential = "right";
    use(one.vendor, std::move(options));
    const std::string name = headers.back().first, scheme = one.vendor == std::string("shopify") ? "" : "Bearer ";
    for (const std::string& value : {std::string("wrong"), std::string("rightly"), std::string(), scheme + "wrong"}) {
      headers.back() = {name, value};
      EXPECT_EQ(ask(one.method, one.target), one.status) << one.vendor << " " << value;
      EXPECT_EQ(at(one.path), one.words) << one.vendor;
    }
    EXPECT_EQ(state("unauthorized"), "4");
    headers.back() = {name, scheme + "right"};
    EXPECT_EQ(ask(one.method, one.target), 200) << one.vendor;
    EXPECT_EQ(state("unauthorized"), "4");
  }
}

TEST_F(Credentials, AnyWillDoUnlessOneIsNamedButNoneWillNot) {
  use("hubspot");
  EXPECT_EQ(ask("GET", "/account-info/v3/details"), 200);
  headers.back().second = "Bearer ";
  EXPECT_EQ(ask("GET", "/account-info/v3/details"), 401);
  headers.pop_back();
  EXPECT_EQ(ask("GET", "/account-info/v3/details"), 401);
}

TEST_F(Credentials, BasicCarriesThemInBase64) {
  DoubleOptions options;
  options.credential = "sk_test_1";
  use("stripe", std::move(options));
  headers.back() = {"Authorization", "Basic " + to_base64("sk_test_1:")};
  EXPECT_EQ(ask("GET", "/v1/balance"), 200);
  headers.back() = {"Authorization", "Basic " + to_base64("sk_test_2:")};
  EXPECT_EQ(ask("GET", "/v1/balance"), 401);
  headers.back() = {"Authorization", "Basic %%%"};
  EXPECT_EQ(ask("GET", "/v1/balance"), 401);
}

class FaultTest : public DoubleTest {
 protected:
  void use_with(std::uint32_t Faults::*fault, std::uint32_t chance = 1000) {
    DoubleOptions options;
    options.faults.*fault = chance;
    use("hubspot", std::move(options));
  }
};

TEST_F(FaultTest, OneBeforeTheEffectLeavesNothingBehind) {
  const struct {
    std::uint32_t Faults::*fault;
    int status;
  } cases[] = {{&Faults::rate_limited, 429}, {&Faults::unavailable, 503}, {&Faults::reset_before, 0}};
  for (const auto& one : cases) {
    use_with(one.fault);
    EXPECT_EQ(ask("POST", kUpsert, kContact), one.status);
    EXPECT_EQ(count("contacts"), 0u);
    EXPECT_EQ(state("requests"), "1");
  }
}

TEST_F(FaultTest, ResetAfterHappensWithoutAnAnswer) {
  use_with(&Faults::reset_after);
  EXPECT_EQ(ask("POST", kUpsert, kContact), 0);
  EXPECT_EQ(count("contacts"), 1u);
}

TEST_F(FaultTest, ATimeoutHappensAndSaysNothingForLong) {
  use_with(&Faults::timeout);
  begin("POST", kUpsert, kContact);
  EXPECT_EQ(count("contacts"), 1u);
  clock.advance(59s);
  poll();
  EXPECT_FALSE(answered);
  clock.advance(1s);
  poll();
  EXPECT_TRUE(answered);
  EXPECT_EQ(reply.status, 0);
}

TEST_F(FaultTest, ASlowAnswerComesLate) {
  use_with(&Faults::slow);
  begin("POST", kUpsert, kContact);
  EXPECT_FALSE(answered);
  clock.advance(2s);
  poll();
  EXPECT_TRUE(answered);
  EXPECT_EQ(reply.status, 200);
}

TEST_F(FaultTest, ChancesAreInAThousandAndTheSameForTheSameSeed) {
  std::string seen[2];
  for (std::string& run : seen) {
    use_with(&Faults::unavailable, 100);
    for (int i = 0; i < 1000; ++i) {
      clock.advance(1s);
      run += ask("GET", "/account-info/v3/details") == 503 ? '!' : '.';
    }
  }
  EXPECT_EQ(seen[0], seen[1]);
  const auto faults = std::count(seen[0].begin(), seen[0].end(), '!');
  EXPECT_GT(faults, 60);
  EXPECT_LT(faults, 140);
}

TEST_F(FaultTest, CanBeChangedWhileItRuns) {
  use("hubspot");
  EXPECT_EQ(ask("POST", "/_double/faults", R"({"unavailable": 1000})"), 204);
  EXPECT_EQ(ask("GET", "/account-info/v3/details"), 503);
  EXPECT_EQ(ask("POST", "/_double/faults", R"({"unavailable": 2000})"), 400);
  EXPECT_EQ(ask("POST", "/_double/faults", "nonsense"), 400);
  EXPECT_EQ(ask("GET", "/account-info/v3/details"), 503) << "a refused change changes nothing";
  EXPECT_EQ(ask("POST", "/_double/faults", "{}"), 204);
  EXPECT_EQ(ask("GET", "/account-info/v3/details"), 200);
  EXPECT_EQ(ask("GET", "/_double/state"), 200);
  EXPECT_EQ(at("vendor"), "\"hubspot\"");
  EXPECT_EQ(at("requests"), "3") << "its own paths do not count";
  EXPECT_EQ(ask("GET", "/_double/nothing"), 404);
}

class LimitTest : public DoubleTest {
 protected:
  // Asks as often as it is let within one moment, at most `most` times.
  int burst(const std::string& method, const std::string& target, const std::string& body = {}, int most = 300) {
    for (int i = 0; i < most; ++i) {
      ask(method, target, body);
      if (reply.status == 429 || (answer.root()["errors"].at(0)["extensions"]["code"].as_string() == "THROTTLED"))
        return i;
    }
    return most;
  }
};

TEST_F(LimitTest, ARollingWindowNeverHoldsOneMore) {
  use("hubspot");
  // A request a moment for a minute, and what was let through.
  std::vector<Instant> let;
  for (int i = 0; i < 1200; ++i) {
    if (ask("GET", "/account-info/v3/details") == 200) let.push_back(clock.instant());
    clock.advance(Duration(50'001));
  }
  std::size_t most = 0;
  for (std::size_t first = 0, last = 0; last < let.size(); ++last) {
    while (let[last] - let[first] >= 10s) ++first;
    most = std::max(most, last - first + 1);
  }
  EXPECT_EQ(most, 100u);
  EXPECT_GE(let.size(), 600u) << "and no fewer than the vendor lets through";
}

TEST_F(LimitTest, ANamedBucketCountsOnlyTheActionsThatNameIt) {
  use("hubspot");
  const std::string search = R"({"filterGroups": [], "properties": [], "sorts": [], "limit": 1, "after": "0"})";
  EXPECT_EQ(burst("POST", "/crm/v3/objects/contacts/search", search), 5);
  EXPECT_EQ(at("policyName"), "\"SECONDLY\"");
  EXPECT_EQ(find_header(reply.headers, "X-HubSpot-RateLimit-Interval-Milliseconds"), "");
  EXPECT_EQ(burst("GET", "/account-info/v3/details"), 100) << "search is not counted in the burst";
  EXPECT_EQ(at("policyName"), "\"TEN_SECONDLY_ROLLING\"");
  EXPECT_EQ(find_header(reply.headers, "X-HubSpot-RateLimit-Interval-Milliseconds"), "10000");
  clock.advance(Duration(999'999));
  EXPECT_EQ(burst("POST", "/crm/v3/objects/contacts/search", search), 0);
  clock.advance(Duration(1));
  EXPECT_EQ(burst("POST", "/crm/v3/objects/contacts/search", search), 5);
  EXPECT_EQ(state("limited"), "4");
}

TEST_F(LimitTest, AnswersSayWhatIsLeft) {
  use("hubspot");
  ask("GET", "/account-info/v3/details");
  EXPECT_EQ(find_header(reply.headers, "X-HubSpot-RateLimit-Max"), "100");
  EXPECT_EQ(find_header(reply.headers, "X-HubSpot-RateLimit-Remaining"), "99");
  EXPECT_EQ(find_header(reply.headers, "X-HubSpot-RateLimit-Daily"), "250000");
  EXPECT_EQ(find_header(reply.headers, "X-HubSpot-RateLimit-Daily-Remaining"), "249999");
  use("shopify");
  ask("GET", "/shop.json");
  ask("GET", "/shop.json");
  EXPECT_EQ(find_header(reply.headers, "X-Shopify-Shop-Api-Call-Limit"), "2/40");
}

TEST_F(LimitTest, ARefusalTakesFromNoBucket) {
  DoubleOptions options;
  options.rules = manifest_rules("stripe", {{"mode", "test"}});
  use("stripe", std::move(options));
  EXPECT_EQ(burst("GET", "/v1/balance"), 25) << "25 a second in all and for each endpoint";
  clock.advance(Duration(999'999));
  EXPECT_EQ(burst("GET", "/v1/customers"), 0);
  clock.advance(Duration(1));
  EXPECT_EQ(burst("GET", "/v1/customers"), 25);
}

TEST_F(LimitTest, CountersAreKeptForEachMethod) {
  use("stripe");
  EXPECT_EQ(burst("GET", "/v1/balance"), 25);
  EXPECT_EQ(burst("GET", "/v1/customers"), 25);
  EXPECT_EQ(burst("GET", "/v1/customers/cus_1"), 25);
  EXPECT_EQ(burst("GET", "/v1/balance_transactions"), 25);
  EXPECT_EQ(burst("GET", "/v1/invoices/in_1"), 0) << "100 a second in all";
}

TEST_F(LimitTest, CountersAreKeptForEachValueOfAnArg) {
  use("slack");
  EXPECT_EQ(burst("POST", "/chat.postMessage", R"({"channel": "C1", "text": "a"})"), 1);
  EXPECT_EQ(find_header(reply.headers, "Retry-After"), "1");
  EXPECT_EQ(at("error"), "\"ratelimited\"");
  EXPECT_EQ(burst("POST", "/chat.postMessage", R"({"channel": "C2", "text": "a"})"), 1);
  clock.advance(1s);
  EXPECT_EQ(burst("POST", "/chat.postMessage", R"({"channel": "C1", "text": "a"})"), 1);
  EXPECT_EQ(burst("POST", "/chat.update", R"({"channel": "C1", "ts": "1", "text": "a"})"), 50);
  EXPECT_EQ(find_header(reply.headers, "Retry-After"), "60");
}

TEST_F(LimitTest, ALeakyBucketRefillsWithTime) {
  use("shopify");
  EXPECT_EQ(burst("GET", "/shop.json"), 40);
  EXPECT_EQ(find_header(reply.headers, "Retry-After"), "2.0");
  clock.advance(1s);
  EXPECT_EQ(burst("GET", "/shop.json"), 2);
  clock.advance(20s);
  EXPECT_EQ(burst("GET", "/shop.json"), 40);
}

TEST_F(LimitTest, PointsAreSpentByCostAndTheRefusalSaysHowLong) {
  use("shopify");
  const std::string mutation = R"({"query": "mutation { nothing }"})";
  EXPECT_EQ(burst("POST", "/graphql.json", mutation), 10) << "10 points each of 100";
  EXPECT_EQ(reply.status, 200) << "Shopify refuses in a 200";
  const json::Value cost = answer.root()["extensions"]["cost"];
  const double wait =
      (cost["requestedQueryCost"].as_double() - cost["throttleStatus"]["currentlyAvailable"].as_double()) /
      cost["throttleStatus"]["restoreRate"].as_double();
  EXPECT_NEAR(wait, 0.1, 1e-6);
  clock.advance(Duration(99'000));
  EXPECT_EQ(burst("POST", "/graphql.json", mutation), 0);
  clock.advance(Duration(1'000));
  EXPECT_EQ(burst("POST", "/graphql.json", mutation), 1);
  EXPECT_EQ(burst("GET", "/shop.json"), 40) << "REST has a bucket of its own";
}

TEST(LimiterTest, AFixedWindowBeginsAnewAtItsBoundary) {
  Limiter limiter({{.name = "day", .kind = Limit::Kind::kFixed, .count = 2, .window = 24h}});
  const std::vector<Charge> one{{0, "", 1}};
  const Time noon = Time(36h);
  EXPECT_EQ(limiter.take(one, Instant(0s), noon).over, nullptr);
  EXPECT_EQ(limiter.take(one, Instant(1s), noon + 1s).over, nullptr);
  const auto refused = limiter.take(one, Instant(2s), noon + 2s);
  ASSERT_NE(refused.over, nullptr);
  EXPECT_EQ(refused.wait, 12h - 2s);
  EXPECT_NE(limiter.take(one, Instant(12h - 1s), noon + 12h - 1s).over, nullptr);
  EXPECT_EQ(limiter.take(one, Instant(12h), noon + 12h).over, nullptr);
}

TEST(LimiterTest, WhatIsInFlightIsGivenBack) {
  Limiter limiter({{.name = "all", .kind = Limit::Kind::kConcurrent, .count = 2}});
  const std::vector<Charge> one{{0, "", 1}};
  EXPECT_EQ(limiter.take(one, Instant(), Time()).over, nullptr);
  EXPECT_EQ(limiter.take(one, Instant(), Time()).over, nullptr);
  EXPECT_NE(limiter.take(one, Instant(), Time()).over, nullptr);
  limiter.leave(one);
  EXPECT_EQ(limiter.take(one, Instant(), Time()).over, nullptr);
  EXPECT_NE(limiter.take(one, Instant(), Time()).over, nullptr);
}

TEST(LimiterTest, AllChargesAreTakenOrNone) {
  Limiter limiter({{.name = "wide", .count = 10, .window = 1s}, {.name = "narrow", .count = 1, .window = 1s}});
  const std::vector<Charge> both{{0, "", 1}, {1, "", 1}};
  EXPECT_EQ(limiter.take(both, Instant(), Time()).over, nullptr);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(limiter.take(both, Instant(), Time()).over->name, "narrow");
  EXPECT_EQ(limiter.used({0, "", 1}, Instant(), Time()), 1);
}

}  // namespace
}  // namespace tieline::sandbox
