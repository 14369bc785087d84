#include <gtest/gtest.h>

#include "connect/test_support.h"

namespace tieline::connect {
namespace {

struct Case {
  const char* name;
  const char* connector;
  const char* action;
  int status;
  const char* body;
  Headers headers;
  Category category;
  const char* code;
  const char* message;  // null: anything
  std::optional<std::int64_t> wait_ms = {};
};

const Case kCases[] = {
    // Slack: a refusal is a 200.
    {"ok",
     "slack",
     "chat.postMessage",
     200,
     R"({"ok":true,"channel":"C1","ts":"1.2"})",
     {},
     Category::kDelivered,
     "",
     ""},
    {"not in channel",
     "slack",
     "chat.postMessage",
     200,
     R"({"ok":false,"error":"not_in_channel"})",
     {},
     Category::kValidation,
     "not_in_channel",
     "not_in_channel"},
    {"limited in a 200",
     "slack",
     "chat.postMessage",
     200,
     R"({"ok":false,"error":"ratelimited"})",
     {},
     Category::kRateLimited,
     "ratelimited",
     nullptr,
     30'000},
    {"limited",
     "slack",
     "chat.postMessage",
     429,
     R"({"ok":false,"error":"ratelimited"})",
     {{"Retry-After", "7"}},
     Category::kRateLimited,
     "ratelimited",
     nullptr,
     7'000},
    {"scope",
     "slack",
     "chat.postMessage",
     200,
     R"({"ok":false,"error":"missing_scope","needed":"chat:write"})",
     {},
     Category::kAuth,
     "missing_scope",
     "missing_scope (needs chat:write)"},
    {"no such user",
     "slack",
     "users.lookupByEmail",
     200,
     R"({"ok":false,"error":"users_not_found"})",
     {},
     Category::kMissing,
     "users_not_found",
     nullptr},
    {"half done",
     "slack",
     "chat.postMessage",
     200,
     R"({"ok":false,"error":"fatal_error"})",
     {},
     Category::kUnknown,
     "fatal_error",
     nullptr},
    {"half done, harmless",
     "slack",
     "chat.update",
     200,
     R"({"ok":false,"error":"internal_error"})",
     {},
     Category::kTransient,
     "internal_error",
     nullptr},
    {"gateway, unsafe",
     "slack",
     "chat.postMessage",
     504,
     "<html>",
     {{"Content-Type", "text/html"}},
     Category::kUnknown,
     "",
     "HTTP 504: <html>"},
    {"gateway, safe", "slack", "users.lookupByEmail", 504, "", {}, Category::kTransient, "", "HTTP 504"},
    // Shopify.
    {"throttled",
     "shopify",
     "graphql.query",
     200,
     R"({"errors":[{"message":"Throttled","extensions":{"code":"THROTTLED"}}],)"
     R"("extensions":{"cost":{"requestedQueryCost":500,"throttleStatus":{"maximumAvailable":1000,)"
     R"("currentlyAvailable":100,"restoreRate":100}}}})",
     {},
     Category::kRateLimited,
     "THROTTLED",
     "Throttled",
     4'000},
    {"broken inside, read",
     "shopify",
     "graphql.query",
     200,
     R"({"errors":[{"message":"x","extensions":{"code":"INTERNAL_SERVER_ERROR"}}]})",
     {},
     Category::kTransient,
     "INTERNAL_SERVER_ERROR",
     "x"},
    {"broken inside, written",
     "shopify",
     "graphql.mutate",
     200,
     R"({"errors":[{"message":"x","extensions":{"code":"INTERNAL_SERVER_ERROR"}}]})",
     {},
     Category::kUnknown,
     "INTERNAL_SERVER_ERROR",
     "x"},
    {"query refused",
     "shopify",
     "graphql.query",
     200,
     R"({"errors":[{"message":"Field 'x' doesn't exist"},{"message":"b"}]})",
     {},
     Category::kValidation,
     "",
     "Field 'x' doesn't exist; b"},
    {"user errors",
     "shopify",
     "graphql.mutate",
     200,
     R"({"data":{"orderUpdate":{"userErrors":[{"message":"Email is invalid"}]}}})",
     {},
     Category::kValidation,
     "",
     "Email is invalid"},
    {"user errors beside a great number",
     "shopify",
     "graphql.mutate",
     200,
     R"({"data":{"n":12345678901234567890,"orderUpdate":{"id":12345678901234567890,)"
     R"("userErrors":[{"message":"Email is invalid"}]}}})",
     {},
     Category::kValidation,
     "",
     "Email is invalid"},
    {"bucket full",
     "shopify",
     "orders.get",
     429,
     R"({"errors":"Exceeded 2 calls per second"})",
     {{"Retry-After", "2.0"}},
     Category::kRateLimited,
     "",
     "Exceeded 2 calls per second"},
    {"gone", "shopify", "orders.get", 404, R"({"errors":"Not Found"})", {}, Category::kMissing, "", "Not Found"},
    {"fields",
     "shopify",
     "orders.list",
     422,
     R"({"errors":{"status":["is invalid"]}})",
     {},
     Category::kValidation,
     "",
     R"({"status":["is invalid"]})"},
    {"token", "shopify", "shop.get", 401, R"({"errors":"[API] Invalid API key"})", {}, Category::kAuth, "", nullptr},
    // HubSpot.
    {"partly",
     "hubspot",
     "deals.upsert",
     207,
     R"({"results":[],"errors":[{"category":"VALIDATION_ERROR","message":"bad stage"}]})",
     {},
     Category::kValidation,
     "VALIDATION_ERROR",
     "bad stage"},
    {"wholly",
     "hubspot",
     "deals.upsert",
     207,
     R"({"results":[{"id":"1","properties":{}}]})",
     {},
     Category::kDelivered,
     "",
     ""},
    {"burst",
     "hubspot",
     "deals.get",
     429,
     R"({"category":"RATE_LIMITS","policyName":"TEN_SECONDLY_ROLLING","message":"slow"})",
     {{"X-HubSpot-RateLimit-Interval-Milliseconds", "10000"}},
     Category::kRateLimited,
     "RATE_LIMITS",
     "slow",
     10'000},
    {"daily",
     "hubspot",
     "deals.get",
     429,
     R"({"category":"RATE_LIMITS","policyName":"DAILY","message":"spent"})",
     {},
     Category::kRateLimited,
     "RATE_LIMITS",
     "spent",
     3'600'000},
    {"exists",
     "hubspot",
     "deals.create",
     409,
     R"({"category":"CONFLICT","message":"exists"})",
     {},
     Category::kConflict,
     "CONFLICT",
     "exists"},
    {"scopes",
     "hubspot",
     "deals.get",
     403,
     R"({"category":"MISSING_SCOPES","message":"m"})",
     {},
     Category::kAuth,
     "MISSING_SCOPES",
     "m"},
    // Stripe.
    {"locked",
     "stripe",
     "refunds.create",
     429,
     R"({"error":{"code":"lock_timeout","message":"busy"}})",
     {},
     Category::kTransient,
     "lock_timeout",
     "busy"},
    {"too fast",
     "stripe",
     "balance.get",
     429,
     R"({"error":{"type":"rate_limit","message":"m"}})",
     {},
     Category::kRateLimited,
     "rate_limit",
     "m"},
    {"same key in use",
     "stripe",
     "refunds.create",
     409,
     R"({"error":{"code":"idempotency_key_in_use","message":"m"}})",
     {},
     Category::kTransient,
     "idempotency_key_in_use",
     "m"},
    {"do not repeat",
     "stripe",
     "refunds.create",
     500,
     R"({"error":{"message":"m"}})",
     {{"stripe-should-retry", "false"}},
     Category::kUnknown,
     "",
     "m"},
    {"do repeat",
     "stripe",
     "refunds.create",
     409,
     R"({"error":{"message":"m"}})",
     {{"Stripe-Should-Retry", "true"}},
     Category::kTransient,
     "",
     "m"},
    {"card",
     "stripe",
     "refunds.create",
     402,
     R"({"error":{"code":"card_declined","message":"m"}})",
     {},
     Category::kValidation,
     "card_declined",
     "m"},
    // Any.
    {"broken JSON, read", "stripe", "balance.get", 200, "{\"a\":", {}, Category::kTransient, "", nullptr},
    {"broken JSON, written", "stripe", "refunds.create", 200, "{\"a\":", {}, Category::kUnknown, "", nullptr},
    {"redirect", "http", "request.get", 302, "", {}, Category::kPermanent, "", "HTTP 302"},
    {"text",
     "http",
     "request.get",
     400,
     "no such thing",
     {{"Content-Type", "text/plain"}},
     Category::kValidation,
     "",
     "no such thing"},
    {"nested",
     "http",
     "request.get",
     400,
     R"({"error":{"code":"E1","message":"deep"}})",
     {},
     Category::kValidation,
     "E1",
     "deep"},
    {"our key, echoed",
     "http",
     "request.get",
     400,
     R"({"message":"bad key key-1!"})",
     {},
     Category::kValidation,
     "",
     "bad key [redacted]!"},
};

TEST(Judge, VendorsAnswersComeToTheirCategories) {
  for (const Case& one : kCases) {
    const Verdict verdict =
        action_of(one.connector, one.action)->judge(answered(one.status, one.body, one.headers), kNow);
    const std::string name = std::string(one.connector) + ": " + one.name;
    EXPECT_EQ(category_name(verdict.category), category_name(one.category)) << name << ": " << verdict.message;
    EXPECT_EQ(verdict.code, one.code) << name;
    if (one.message != nullptr) {
      EXPECT_EQ(verdict.message, one.message) << name;
    }
    if (one.wait_ms) {
      EXPECT_EQ(verdict.wait, Duration(*one.wait_ms * 1'000)) << name;
    }
  }
}

TEST(Judge, NamesTheBucketThatIsSpent) {
  const ActionPtr get = action_of("hubspot", "deals.get");
  EXPECT_EQ(get->judge(answered(429, R"({"policyName":"DAILY"})"), kNow).bucket, "daily");
  EXPECT_EQ(get->judge(answered(429, "{}"), kNow).bucket, "");
}

TEST(Judge, WhatWasNotAnsweredIsTheTransports) {
  Exchange lost;
  lost.phase = Phase::kSent;
  lost.error = {Code::kTimeout, "no answer to a request with key-1", {}};
  const Verdict verdict = action_of("http", "request.post")->judge(lost, kNow);
  EXPECT_EQ(verdict.category, Category::kUnknown);
  EXPECT_EQ(verdict.message, "no answer to a request with [redacted]");
  EXPECT_EQ(action_of("http", "request.get")->judge(lost, kNow).category, Category::kTransient);
}

struct ResultCase {
  const char* connector;
  const char* action;
  const char* body;
  const char* result;
  bool empty;
};

TEST(Judge, RedactsASecretThatIsAPartOfItsReplacement) {
  for (const std::string secret : {"red", "d", "[redacted]"}) {
    ConnectionSettings settings = settings_of("hubspot");
    settings.auth_values = {{"token", secret}};
    const ActionPtr get = bound("hubspot", settings)->action("deals", "get");
    const std::string message =
        get->judge(answered(400, R"({"message":")" + secret + " is no token, " + secret + R"("})"), kNow).message;
    EXPECT_EQ(message, "[redacted] is no token, [redacted]");
  }
}

TEST(Judge, ResultsAreWhatTheManifestSays) {
  const ResultCase cases[] = {
      {"hubspot", "contacts.search", R"({"total":1,"results":[{"id":"1"}]})", R"({"id":"1"})", false},
      {"hubspot", "contacts.search", R"({"total":0,"results":[]})", "null", true},
      {"hubspot", "contacts.search", R"({"total":1,"results":[{"id":12345678901234567890}]})",
       R"({"id":12345678901234567890})", false},
      {"hubspot", "deals.upsert", R"({"results":[{"id":"1","properties":{"a":"b"},"new":true}]})",
       R"({"id":"1","properties":{"a":"b"}})", false},
      {"hubspot", "deals.get", R"({"id":"1","associations":{"line items":{"results":[{"id":"3","type":"t"}]}}})",
       R"({"id":"1","line_items":[{"id":"3"}]})", false},
      {"shopify", "orders.get", R"({"order":{"id":820982911946154508,"total_price":"1.10"}})",
       R"({"id":820982911946154508,"total_price":"1.10"})", false},
      {"shopify", "orders.list", R"({"orders":[{"id":1}]})", R"([{"id":1}])", false},
      {"shopify", "orders.list", R"({"orders":[]})", "[]", true},
      {"shopify", "orders.list", R"({})", "[]", true},
      {"slack", "chat.postMessage", R"({"ok":true,"channel":"C","ts":"1.2","message":{}})",
       R"({"channel":"C","ts":"1.2"})", false},
      {"stripe", "customers.search", R"({"data":[]})", "null", true},
      {"stripe", "balance_transactions.list", R"({"data":[1],"has_more":false})", "[1]", false},
      {"http", "request.delete", "", "null", false},
  };
  for (const ResultCase& one : cases) {
    const Verdict verdict = action_of(one.connector, one.action)->judge(answered(200, one.body), kNow);
    EXPECT_EQ(verdict.category, Category::kDelivered) << one.action << ": " << verdict.message;
    EXPECT_EQ(json::print(verdict.result.root()), one.result) << one.action;
    EXPECT_EQ(verdict.empty, one.empty) << one.action;
  }
}

TEST(Judge, AListThatIsNoneIsRefused) {
  const Verdict verdict = action_of("shopify", "orders.list")->judge(answered(200, R"({"orders":{"id":1}})"), kNow);
  EXPECT_EQ(verdict.category, Category::kValidation);
}

TEST(Judge, AnIdBeyondADoubleStaysExactInAResult) {
  const Verdict verdict =
      action_of("hubspot", "deals.upsert")->judge(answered(200, R"({"results":[{"id":12345678901234567890}]})"), kNow);
  EXPECT_EQ(verdict.category, Category::kDelivered);
  EXPECT_EQ(verdict.result.root()["id"].number_text(), "12345678901234567890");
}

}  // namespace
}  // namespace tieline::connect
