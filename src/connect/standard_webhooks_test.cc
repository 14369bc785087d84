#include "connect/standard_webhooks.h"

#include <gtest/gtest.h>

namespace tieline::connect {
namespace {

const char* const kSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const char* const kOther = "whsec_MDEyMzQ1Njc4OWFiY2RlZg==";

ActionPtr subscriber(std::vector<std::string> secrets) {
  SubscriberSpec spec;
  spec.name = "subscriptions/erp";
  spec.url = "https://erp.example.com/events";
  spec.secrets = std::move(secrets);
  auto made = make_subscriber(std::move(spec));
  EXPECT_TRUE(made) << made.error().text();
  return made ? *made : nullptr;
}

Verdict judged(int status, Headers headers = {}) {
  Exchange exchange;
  exchange.phase = Phase::kAnswered;
  exchange.response = Response{status, std::move(headers), "{}"};
  return subscriber({kSecret})->judge(exchange, from_unix_us(0));
}

TEST(StandardWebhooks, SignsAsTheOfficialPackageDoes) {
  const auto args = json::parse(R"({"id":"msg_p5jXN8AQM9LWM0D4loKWxJek","body":{"test":2432232314}})");
  CallIdentity identity;
  identity.now = from_unix_us(1'614'265'330'999'999);
  const auto request = subscriber({kSecret, kOther})->render(*args, identity);
  ASSERT_TRUE(request) << request.error().text();
  EXPECT_EQ(request->body, R"({"test":2432232314})");
  EXPECT_EQ(find_header(request->headers, "webhook-id"), "msg_p5jXN8AQM9LWM0D4loKWxJek");
  EXPECT_EQ(find_header(request->headers, "webhook-timestamp"), "1614265330");
  EXPECT_EQ(find_header(request->headers, "webhook-signature"),
            "v1,Vif40peJBP7Iyl0XGmu61n4MwdrcHov5CFREBpE0svs= "
            "v1,NFngt8bUs5Bdoe2Y7PNj9NVDSJyTYlh4+pWLYtdwU70=");
  EXPECT_EQ(request->secrets.size(), 2u);
  EXPECT_FALSE(subscriber({kSecret})->render(*json::parse("{}"), identity));
}

TEST(StandardWebhooks, TakesNoSecretThatIsNone) {
  EXPECT_TRUE(standard_webhooks_key(kSecret));
  EXPECT_TRUE(standard_webhooks_key(std::string_view(kSecret).substr(6)));
  for (const char* bad : {"", "whsec_", "whsec_short", "whsec_not base64 at all, is it?", "a-plain-secret"}) {
    const auto key = standard_webhooks_key(bad);
    ASSERT_FALSE(key) << bad;
    EXPECT_EQ(key.error().code, Code::kInvalid);
    EXPECT_EQ(key.error().message.find("a-plain-secret"), std::string::npos);
  }
}

TEST(StandardWebhooks, JudgesAnswersAsASenderMust) {
  EXPECT_EQ(judged(200).category, Category::kDelivered);
  EXPECT_EQ(judged(204).category, Category::kDelivered);
  EXPECT_TRUE(judged(200).result.root().is_null());
  for (const int status : {301, 302, 307, 400, 401, 403, 404, 409, 413, 422, 500, 501, 502, 503, 504})
    EXPECT_EQ(judged(status).category, Category::kTransient) << status;
  EXPECT_EQ(judged(429, {{"Retry-After", "7"}}).category, Category::kRateLimited);
  EXPECT_EQ(judged(429, {{"Retry-After", "7"}}).wait, Duration(7'000'000));
  EXPECT_EQ(judged(410).category, Category::kPermanent);
  EXPECT_EQ(judged(410).code, "gone");
}

TEST(StandardWebhooks, TriesAgainWhatTheSubscriberCanMend) {
  const auto judged_unsent = [](Code code) {
    Exchange exchange;
    exchange.phase = Phase::kNotSent;
    exchange.error = {code, "why"};
    return subscriber({kSecret})->judge(exchange, from_unix_us(0));
  };
  EXPECT_EQ(judged_unsent(Code::kDenied).category, Category::kTransient);  // its certificate, its address
  EXPECT_EQ(judged_unsent(Code::kDenied).message, "why");
  EXPECT_EQ(judged_unsent(Code::kUnavailable).category, Category::kTransient);
  EXPECT_EQ(judged_unsent(Code::kInvalid).category, Category::kPermanent);
}

}  // namespace
}  // namespace tieline::connect
