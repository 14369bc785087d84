// Any headers before any body: no scheme takes them for signed, unless it signed them itself; then it does, until a
// byte of the body differs.
#include "base/text.h"
#include "connect/webhook_verify.h"
#include "target.h"

namespace tieline::fuzz {
namespace {

using connect::BoundScheme;
using connect::SchemePlan;
using connect::TextTemplate;

constexpr std::size_t kHeadersMax = 16;
constexpr std::int64_t kNow = 1'795'470'240'000'000;  // 2026-11-23T21:44:00Z

TextTemplate text(std::string_view source) {
  auto parsed = TextTemplate::parse(source);
  CHECK(parsed.has_value());
  return std::move(*parsed);
}

SchemePlan hmac(std::string_view header, std::string_view encoding, std::string_view over) {
  SchemePlan plan;
  plan.spec.name = std::string(header);
  plan.spec.hmac.emplace();
  plan.hmac = text("sha256");
  plan.header = text(header);
  plan.encoding = text(encoding);
  plan.over = text(over);
  return plan;
}

// As the vendors do it: Shopify, Stripe, Slack, HubSpot, Standard Webhooks, and a token.
std::vector<BoundScheme> schemes() {
  std::vector<SchemePlan> plans;
  plans.push_back(hmac("X-Shopify-Hmac-Sha256", "base64", "{body}"));
  SchemePlan& stripe = plans.emplace_back(hmac("Stripe-Signature", "hex", "{timestamp}.{body}"));
  stripe.spec.pair = "v1";
  stripe.spec.timestamp.emplace().pair = "t";
  SchemePlan& slack = plans.emplace_back(hmac("X-Slack-Signature", "hex", "v0:{timestamp}:{body}"));
  slack.prefix = text("v0=");
  slack.spec.timestamp.emplace();
  slack.timestamp_header = text("X-Slack-Request-Timestamp");
  SchemePlan& hubspot = plans.emplace_back(hmac("X-HubSpot-Signature-v3", "base64", "{method}{url}{body}{timestamp}"));
  hubspot.spec.timestamp.emplace().unit = connect::TimestampUnit::kMilliseconds;
  hubspot.timestamp_header = text("X-HubSpot-Request-Timestamp");
  SchemePlan& standard = plans.emplace_back(hmac("webhook-signature", "base64", "{timestamp}.{body}"));
  standard.prefix = text("v1,");
  standard.spec.split = " ";
  standard.spec.timestamp.emplace();
  standard.timestamp_header = text("webhook-timestamp");
  SchemePlan& token = plans.emplace_back();
  token.spec.name = "token";
  token.spec.token.emplace();
  token.token = text("header.Authorization");
  token.prefix = text("Bearer ");
  std::vector<BoundScheme> bound;
  for (const SchemePlan& plan : plans) {
    auto scheme = BoundScheme::bind(plan, connect::Binding{}, {"a secret", "the one before"});
    CHECK(scheme.has_value() && scheme->has_value());
    bound.push_back(std::move(**scheme));
  }
  return bound;
}

InboundRequest request_of(std::string_view bytes) {
  InboundRequest request{.method = "POST", .url = "https://hooks.example/in/a", .target = "/in/a", .headers = {}};
  request.received = from_unix_us(kNow);
  while (request.headers.size() < kHeadersMax) {
    const std::size_t line = bytes.find('\n');
    const std::string_view header = bytes.substr(0, line);
    const std::size_t colon = header.find(':');
    if (line == bytes.npos || colon == bytes.npos) break;
    request.headers.emplace_back(header.substr(0, colon), trim(header.substr(colon + 1)));
    bytes.remove_prefix(line + 1);
  }
  request.body = std::make_shared<const std::string>(bytes);
  return request;
}

}  // namespace

void run(std::string_view bytes) {
  static const std::vector<BoundScheme> all = schemes();
  const InboundRequest request = request_of(bytes);
  for (const BoundScheme& scheme : all) {
    const auto why = scheme.check(request);
    const bool known_token = scheme.name() == "token" && !why;
    CHECK(known_token || (why && !why->reason.empty() && why->message.find("a secret") == std::string::npos));
    InboundRequest own = request;
    own.headers.clear();
    scheme.sign(own);
    CHECK(!scheme.check(own));
    if (scheme.name() == "token") continue;
    own.body = std::make_shared<const std::string>(*own.body + ' ');
    CHECK(scheme.check(own)->reason == "bad_signature");
  }
}

}  // namespace tieline::fuzz
