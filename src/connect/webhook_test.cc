#include <gtest/gtest.h>

#include <filesystem>

#include "auth/hash.h"
#include "connect/test_support.h"

namespace tieline::connect {
namespace {

std::shared_ptr<const std::string> bytes(std::string text) {
  return std::make_shared<const std::string>(std::move(text));
}

InboundRequest request(std::string body, Headers headers, Time received = kNow) {
  return {"POST",  "https://hooks.example.com/hooks/c", "/hooks/c", std::move(headers), bytes(std::move(body)),
          received};
}

std::string mac(auth::Encoding encoding, const std::string& key, const std::string& text) {
  return auth::encode(encoding, auth::HmacKey(auth::Hash::kSha256, key).sign(text));
}
std::string hex(const std::string& key, const std::string& text) { return mac(auth::Encoding::kHex, key, text); }
std::string base64(const std::string& key, const std::string& text) { return mac(auth::Encoding::kBase64, key, text); }

// "ok", or the refusal's reason.
std::string outcome(const WebhookSource& source, const InboundRequest& one) {
  const auto reception = source.receive(one);
  if (reception) return "ok";
  EXPECT_EQ(reception.error().reply.status, reception.error().reason == "malformed_body" ? 400 : 401);
  return reception.error().reason;
}

TEST(Webhook, ShopifyVerifiesWithTheNewAndTheOldSecret) {
  ConnectionSettings settings = settings_of("shopify");
  settings.webhook_secrets = {{"client_secret", "new"}, {"client_secret_previous", "old"}};
  const auto source = bound("shopify", settings)->webhook();
  const std::string body = R"({"id":1})";
  struct Case {
    std::string signature;
    const char* expected;
  };
  for (const Case& one :
       {Case{base64("new", body), "ok"}, Case{base64("old", body), "ok"}, Case{base64("other", body), "bad_signature"},
        Case{base64("new", body + " "), "bad_signature"}, Case{hex("new", body), "bad_signature"},
        Case{"", "missing_signature"}, Case{"***", "bad_signature"},
        Case{base64("new", body).substr(0, 20), "bad_signature"}})
    EXPECT_EQ(outcome(*source, request(body, {{"x-shopify-hmac-sha256", one.signature}})), one.expected)
        << one.signature;
  EXPECT_EQ(outcome(*source, request(body, {})), "missing_signature");
}

TEST(Webhook, ARefusalSaysNothingOfTheSecret) {
  const auto source = bound("shopify")->webhook();
  const auto refused = source->receive(request("{}", {{"X-Shopify-Hmac-Sha256", base64("wrong", "{}")}}));
  ASSERT_FALSE(refused);
  for (const std::string& text : {refused.error().message, refused.error().reply.body}) {
    EXPECT_EQ(text.find("hush"), std::string::npos);
    EXPECT_EQ(text.find(base64("hush", "{}")), std::string::npos);
  }
}

TEST(Webhook, ShopifyEventsComeFromHeaders) {
  const auto source = bound("shopify")->webhook();
  const std::string body =
      R"({"id":820982911946154508,"admin_graphql_api_id":"gid://shopify/Order/820982911946154508","x":1.10})";
  const InboundRequest one = request(body, {{"X-Shopify-Hmac-Sha256", base64("hush", body)},
                                            {"X-Shopify-Topic", "orders/create"},
                                            {"X-Shopify-Webhook-Id", "w-1"},
                                            {"X-Shopify-Event-Id", "e-1"},
                                            {"X-Shopify-Triggered-At", "2026-11-23T10:00:00.5Z"}});
  const auto reception = source->receive(one);
  ASSERT_TRUE(reception);
  ASSERT_EQ(reception->events.size(), 1u);
  const NewEvent& event = reception->events[0];
  EXPECT_EQ(event.source, "shopify");
  EXPECT_EQ(event.id, "w-1");
  EXPECT_EQ(event.type, "orders/create");
  EXPECT_EQ(event.subject, "gid://shopify/Order/820982911946154508");
  EXPECT_EQ(event.op, Op::kCreated);
  EXPECT_EQ(format_time(event.time), "2026-11-23T10:00:00.500000Z");
  EXPECT_EQ(event.received, kNow);
  EXPECT_EQ(event.data.get(), one.body.get());  // shared, not copied
  EXPECT_EQ(reception->reply.status, 200);
  EXPECT_EQ(reception->reply.body, R"({"id":"w-1"})");
  InboundRequest second = one;
  std::erase_if(second.headers, [](const auto& header) { return header.first == "X-Shopify-Webhook-Id"; });
  EXPECT_EQ(source->receive(second)->events[0].id, "e-1:orders/create");
  std::erase_if(second.headers, [](const auto& header) { return header.first == "X-Shopify-Event-Id"; });
  EXPECT_EQ(source->receive(second)->events[0].id.size(), 32u);
  EXPECT_NE(source->receive(second)->events[0].id, source->receive(second)->events[0].id);
}

TEST(Webhook, OpsFollowTheTopic) {
  const auto source = bound("shopify")->webhook();
  for (const auto& [topic, op] : {std::pair{"orders/create", Op::kCreated}, std::pair{"orders/updated", Op::kUpdated},
                                  std::pair{"customers/delete", Op::kDeleted}, std::pair{"shop/redact", Op::kDeleted},
                                  std::pair{"app/uninstalled", Op::kOther}}) {
    const auto reception =
        source->receive(request("{}", {{"X-Shopify-Hmac-Sha256", base64("hush", "{}")}, {"X-Shopify-Topic", topic}}));
    EXPECT_EQ(reception->events[0].op, op) << topic;
  }
}

TEST(Webhook, EveryShopifySampleIsTakenAsItIs) {
  const std::filesystem::path folder = "../shared/vendor-specs/shopify/samples";
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << folder << " is not here";
  const auto source = bound("shopify")->webhook();
  int taken = 0;
  for (const auto& file : std::filesystem::directory_iterator(folder)) {
    const auto body = read_text(file.path().string());
    const auto signed_request =
        source->sign_as_vendor({"orders/create", bytes(*body), kNow, "id-1", "https://h/hooks/shopify"});
    ASSERT_TRUE(signed_request);
    const auto reception = source->receive(*signed_request);
    ASSERT_TRUE(reception) << file.path() << reception.error().message;
    ASSERT_EQ(reception->events.size(), 1u);
    EXPECT_EQ(*reception->events[0].data, *body);
    EXPECT_EQ(reception->events[0].id, "id-1");
    EXPECT_EQ(reception->events[0].type, "orders/create");
    ++taken;
  }
  EXPECT_GE(taken, 20);
}

TEST(Webhook, HubspotSignsMethodUrlBodyAndTime) {
  const auto source = bound("hubspot")->webhook();
  const std::string body =
      R"([{"eventId":1,"portalId":2,"appId":3,"subscriptionId":4,"objectId":5,"occurredAt":1790000000000,)"
      R"("subscriptionType":"deal.creation"}])";
  const std::string url = "https://hooks.example.com/hooks/c";
  const auto headers = [&](const std::string& text, const std::string& stamp) {
    return Headers{{"X-HubSpot-Signature-v3", base64("hush", text)}, {"X-HubSpot-Request-Timestamp", stamp}};
  };
  const std::string now = "1790000000000";
  EXPECT_EQ(outcome(*source, request(body, headers("POST" + url + body + now, now))), "ok");
  EXPECT_EQ(outcome(*source, request(body, headers("PUT" + url + body + now, now))), "bad_signature");
  EXPECT_EQ(outcome(*source, request(body, headers("POST" + url + "?x=1" + body + now, now))), "bad_signature");
  EXPECT_EQ(outcome(*source, request(body, headers("POST" + url + body + now, "1790000000001"))), "bad_signature");
  for (const auto& [stamp, expected] : {std::pair{"1789999700000", "ok"}, std::pair{"1789999699999", "stale_timestamp"},
                                        std::pair{"1790000300000", "ok"}, std::pair{"1790000300001", "stale_timestamp"},
                                        std::pair{"17x", "stale_timestamp"}, std::pair{"", "missing_timestamp"}})
    EXPECT_EQ(outcome(*source, request(body, headers("POST" + url + body + stamp, stamp))), expected) << stamp;
  const auto reception = source->receive(request(body, headers("POST" + url + body + now, now)));
  EXPECT_EQ(reception->events[0].id, "2-3-4-1-5--1790000000000");
  EXPECT_EQ(reception->events[0].type, "deal.creation");
  EXPECT_EQ(reception->events[0].op, Op::kCreated);
  EXPECT_EQ(reception->events[0].subject, "5");
  EXPECT_EQ(to_unix_us(reception->events[0].time), 1'790'000'000'000'000);
}

TEST(Webhook, AHubspotBatchIsSeveralEvents) {
  const auto body = read_text("../shared/vendor-specs/hubspot/samples/webhook-batch.json");
  if (!body) GTEST_SKIP() << "../shared/vendor-specs is not here";
  const auto source = bound("hubspot")->webhook();
  const auto signed_request = source->sign_as_vendor({"", bytes(*body), kNow, "", "https://h/hooks/hubspot"});
  ASSERT_TRUE(signed_request);
  const auto reception = source->receive(*signed_request);
  ASSERT_TRUE(reception) << reception.error().message;
  ASSERT_EQ(reception->events.size(), 2u);
  EXPECT_EQ(reception->events[0].type, "contact.propertyChange");
  EXPECT_EQ(reception->events[0].op, Op::kUpdated);
  EXPECT_EQ(reception->events[1].op, Op::kCreated);
  EXPECT_NE(reception->events[0].id, reception->events[1].id);
  EXPECT_EQ(doc(*reception->events[1].data).root()["objectId"].number_text(), "1246978");
}

TEST(Webhook, AnEmptyBatchIsAHeartbeatAndNoBatchIsRefused) {
  const auto source = bound("hubspot")->webhook();
  const auto send = [&](const std::string& body) {
    return source->receive(*source->sign_as_vendor({"", bytes(body), kNow, "", "https://h/hooks/hubspot"}));
  };
  EXPECT_TRUE(send("[]")->events.empty());
  EXPECT_EQ(send("[]")->reply.status, 200);
  ASSERT_FALSE(send("{}"));
  EXPECT_EQ(send("{}").error().reason, "malformed_body");
}

TEST(Webhook, StripeTakesAnySignatureOfItsHeader) {
  ConnectionSettings settings = settings_of("stripe");
  settings.webhook_secrets = {{"webhook_secret", "new"}, {"webhook_secret_previous", "old"}};
  const auto source = bound("stripe", settings)->webhook();
  const std::string body =
      R"({"id":"evt_1","type":"payout.paid","created":1790000000,"data":{"object":{"id":"po_1"}}})";
  const std::string t = "1790000000", fresh = hex("new", t + "." + body), stale = hex("old", t + "." + body),
                    none = hex("x", body);
  struct Case {
    std::string header;
    const char* expected;
  };
  for (const Case& one :
       {Case{"t=" + t + ",v1=" + fresh, "ok"}, Case{"t=" + t + ",v1=" + none + ",v1=" + stale + ",v0=" + none, "ok"},
        Case{"t=" + t + ", v1=" + fresh, "ok"}, Case{"t=" + t + ",v1=" + none, "bad_signature"},
        Case{"t=" + t + ",v0=" + fresh, "missing_signature"}, Case{"v1=" + fresh, "missing_timestamp"},
        Case{"t=1790000001,v1=" + fresh, "bad_signature"}, Case{fresh, "missing_timestamp"}})
    EXPECT_EQ(outcome(*source, request(body, {{"Stripe-Signature", one.header}})), one.expected) << one.header;
  for (const auto& [after, expected] : {std::pair{300, "ok"}, std::pair{301, "stale_timestamp"}, std::pair{-300, "ok"},
                                        std::pair{-301, "stale_timestamp"}})
    EXPECT_EQ(outcome(*source, request(body, {{"Stripe-Signature", "t=" + t + ",v1=" + fresh}},
                                       kNow + std::chrono::seconds(after))),
              expected)
        << after;
  const auto reception = source->receive(request(body, {{"Stripe-Signature", "t=" + t + ",v1=" + fresh}}));
  EXPECT_EQ(reception->events[0].id, "evt_1");
  EXPECT_EQ(reception->events[0].type, "payout.paid");
  EXPECT_EQ(reception->events[0].subject, "po_1");
  EXPECT_EQ(reception->events[0].op, Op::kUpdated);
  EXPECT_EQ(to_unix_us(reception->events[0].time), 1'790'000'000'000'000);
}

TEST(Webhook, StandardWebhooksTakesOneOfSixteenSignatures) {
  const std::string key = "0123456789abcdef", body = R"({"type":"a.b","timestamp":"2026-09-21T14:13:20Z","data":{}})";
  ConnectionSettings settings;
  settings.name = "c";
  settings.webhook_secrets = {{"secret", "whsec_" + auth::encode(auth::Encoding::kBase64, key)}};
  const auto source = bound("standard-webhooks", settings)->webhook();
  ASSERT_NE(source, nullptr);
  const std::string t = "1790000000", good = "v1," + base64(key, "msg_1." + t + "." + body);
  const auto many = [](int count) {
    std::string out;
    for (int i = 0; i < count; ++i) out += "v1," + base64("other", std::to_string(i)) + " ";
    return out;
  };
  struct Case {
    std::string header;
    const char* expected;
  };
  for (const Case& one :
       {Case{good, "ok"}, Case{"v1a,AAAA  " + good + " ", "ok"}, Case{many(15) + good, "ok"},
        Case{many(16) + good, "bad_signature"}, Case{good.substr(3), "bad_signature"},
        Case{"v2," + good.substr(3), "bad_signature"}, Case{" ", "missing_signature"}, Case{many(3), "bad_signature"}})
    EXPECT_EQ(
        outcome(*source,
                request(body, {{"webhook-id", "msg_1"}, {"webhook-timestamp", t}, {"webhook-signature", one.header}})),
        one.expected)
        << one.header;
  EXPECT_EQ(outcome(*source, request(body, {{"webhook-timestamp", t}, {"webhook-signature", good}})), "bad_signature");
}

TEST(Webhook, SlackAnswersItsHandshake) {
  const auto source = bound("slack")->webhook();
  // Slack's own example of a signature.
  const std::string body =
      "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name="
      "foobar&user_id="
      "U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%"
      "2Fcommands%2FT1DC2"
      "JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121."
      "803a0bc887a14d10d2c447fce8b6703c";
  const Headers own{{"X-Slack-Request-Timestamp", "1531420618"},
                    {"X-Slack-Signature", "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"}};
  EXPECT_EQ(outcome(*source, request(body, own, from_unix_us(1'531'420'618'000'000))),
            "malformed_body");  // verified, and no JSON
  EXPECT_EQ(outcome(*source, request(body, own)), "stale_timestamp");
  const auto shake = source->sign_as_vendor(
      {"", bytes(R"({"type":"url_verification","challenge":"c-1"})"), kNow, "", "https://h/hooks/slack"});
  const auto reply = source->receive(*shake);
  ASSERT_TRUE(reply);
  EXPECT_TRUE(reply->events.empty());
  EXPECT_EQ(reply->reply.body, R"({"challenge":"c-1"})");
  InboundRequest forged = *shake;
  forged.body = bytes(R"({"type":"url_verification","challenge":"c-2"})");
  EXPECT_EQ(outcome(*source, forged), "bad_signature");
  const auto event =
      source->sign_as_vendor({"",
                              bytes(R"({"type":"event_callback","event_id":"Ev1","event_time":1790000000,)"
                                    R"("event":{"type":"channel_created","channel":{"id":"C1"}}})"),
                              kNow, "", "https://h/hooks/slack"});
  const auto reception = source->receive(*event);
  ASSERT_TRUE(reception);
  EXPECT_EQ(reception->events[0].id, "Ev1");
  EXPECT_EQ(reception->events[0].type, "channel_created");
  EXPECT_EQ(reception->events[0].subject, "C1");
}

TEST(Webhook, MalformedBodiesSayWhere) {
  const auto source = bound("shopify")->webhook();
  const std::string body = "{\n  \"a\": tru\n}";
  const auto refused = source->receive(request(body, {{"X-Shopify-Hmac-Sha256", base64("hush", body)}}));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reply.status, 400);
  EXPECT_EQ(refused.error().reason, "malformed_body");
  EXPECT_NE(refused.error().message.find(" at 2:"), std::string::npos) << refused.error().message;
  EXPECT_EQ(outcome(*source, request(body, {{"X-Shopify-Hmac-Sha256", base64("wrong", body)}})),
            "bad_signature");  // verified first
}

ConnectionSettings http_settings(std::vector<std::pair<std::string, std::string>> secrets) {
  ConnectionSettings settings = settings_of("http");
  settings.webhook_secrets = std::move(secrets);
  return settings;
}

TEST(Webhook, WithoutASecretAllAreRefusedUnlessTold) {
  EXPECT_EQ(outcome(*bound("http")->webhook(), request("{}", {{"Content-Type", "application/json"}})), "no_secret");
  ConnectionSettings settings = http_settings({});
  settings.verify_none = true;
  EXPECT_EQ(outcome(*bound("http", settings)->webhook(), request("{}", {{"Content-Type", "application/json"}})), "ok");
}

TEST(Webhook, TheSecretThatIsSetChoosesTheScheme) {
  const Headers type{{"Content-Type", "application/json"}};
  const auto with = [&](const char* name, const std::string& value) {
    Headers headers = type;
    headers.emplace_back(name, value);
    return headers;
  };
  const auto token = bound("http", http_settings({{"webhook_token", "tok"}}))->webhook();
  EXPECT_EQ(token->schemes(), (std::vector<std::string>{"token"}));
  EXPECT_EQ(outcome(*token, request("{}", with("X-Webhook-Token", "tok"))), "ok");
  EXPECT_EQ(outcome(*token, request("{}", with("X-Webhook-Token", "tik"))), "bad_signature");
  EXPECT_EQ(outcome(*token, request("{}", type)), "missing_signature");
  ConnectionSettings settings = http_settings({{"webhook_secret", "k"}});
  settings.variables.emplace_back("signature_header", "X-Hub-Signature-256");
  settings.variables.emplace_back("signature_prefix", "sha256=");
  const auto hub = bound("http", settings)->webhook();
  EXPECT_EQ(outcome(*hub, request("{}", with("X-Hub-Signature-256", "sha256=" + hex("k", "{}")))), "ok");
  EXPECT_EQ(outcome(*hub, request("{}", with("X-Hub-Signature-256", hex("k", "{}")))), "bad_signature");
  const auto both = bound("http", http_settings({{"webhook_secret", "k"}, {"webhook_token", "tok"}}))->webhook();
  EXPECT_EQ(outcome(*both, request("{}", with("X-Webhook-Token", "tok"))), "ok");
  EXPECT_EQ(outcome(*both, request("{}", with("X-Signature", hex("k", "{}")))), "ok");
  const auto timed = bound("http", http_settings({{"timestamped_secret", "k"}}))->webhook();
  Headers headers = with("X-Signature", hex("k", "1790000000.{}"));
  headers.emplace_back("X-Timestamp", "1790000000");
  EXPECT_EQ(outcome(*timed, request("{}", headers)), "ok");
}

TEST(Webhook, BodiesAreDecodedByTheirType) {
  ConnectionSettings settings = http_settings({});
  settings.verify_none = true;
  settings.new_id = [] { return std::string("id-0"); };
  const auto source = bound("http", settings)->webhook();
  const auto data = [&](const std::string& type, const std::string& body) {
    const auto reception = source->receive(request(body, {{"Content-Type", type}, {"X-Event-Type", "t"}}));
    return reception ? *reception->events[0].data : "error: " + reception.error().reason;
  };
  EXPECT_EQ(data("application/json", R"({"a": 1.10})"), R"({"a": 1.10})");
  EXPECT_EQ(data("application/vnd.x+json; charset=utf-8", "[1]"), "[1]");
  EXPECT_EQ(data("application/x-www-form-urlencoded", "a=1&b%5B%5D=x+y&c=1&c=2&d"),
            R"({"a":"1","b[]":"x y","c":["1","2"],"d":""})");
  EXPECT_EQ(data("text/plain", "say \"hi\""), R"("say \"hi\"")");
  // Names are found by hashing: the time grows with the fields, not with their square.
  std::string form, listed;
  for (int i = 0; i < 200'000; ++i) form += 'k' + std::to_string(i % 100'000) + "=&";
  for (int i = 0; i < 100'000; ++i) listed += (i == 0 ? "{\"k" : ",\"k") + std::to_string(i) + "\":[\"\",\"\"]";
  EXPECT_EQ(data("application/x-www-form-urlencoded", form), listed + "}");
  InboundRequest nested = request("[[[1]]]", {{"Content-Type", "application/json"}, {"X-Event-Type", "t"}});
  nested.depth_max = 3;
  EXPECT_TRUE(source->receive(nested));
  nested.depth_max = 2;
  EXPECT_EQ(source->receive(nested).error().reason, "malformed_body");
  EXPECT_EQ(data("application/json", "{"), "error: malformed_body");
  EXPECT_EQ(data("application/x-www-form-urlencoded", "a=%zz"), "error: malformed_body");
  const auto reception = source->receive(request("1", {{"Content-Type", "application/json"}, {"webhook-id", "w"}}));
  EXPECT_EQ(reception->events[0].id, "w");
  EXPECT_EQ(reception->events[0].type, "received");
  EXPECT_EQ(source->receive(request("1", {{"Content-Type", "application/json"}}))->events[0].id, "id-0");
}

TEST(Webhook, WhatWeSignAsTheVendorWeAccept) {
  for (const char* connector : {"shopify", "hubspot", "stripe", "slack"}) {
    const auto source = bound(connector)->webhook();
    const std::string body = std::string(connector) == "hubspot" ? "[{}]" : "{}";
    const auto made =
        source->sign_as_vendor({"a.b", bytes(body), kNow, "id", std::string("https://h/hooks/") + connector});
    ASSERT_TRUE(made) << connector;
    EXPECT_EQ(made->target, std::string("/hooks/") + connector);
    EXPECT_EQ(outcome(*source, *made), "ok") << connector;
    InboundRequest changed = *made;
    changed.body = bytes(body + " ");
    EXPECT_EQ(outcome(*source, changed), "bad_signature") << connector;
  }
  const auto said = [](const char* connector) {
    const bool others = std::string_view(connector) == "standard-webhooks";  // it has no variables to set
    const auto webhook = bound(connector, others ? ConnectionSettings() : settings_of(connector))->webhook();
    const auto headers = webhook->said_in_headers();
    return headers.type + "|" + headers.id;
  };
  EXPECT_EQ(said("shopify"), "x-shopify-topic|x-shopify-webhook-id");
  EXPECT_EQ(said("stripe"), "|");
  EXPECT_EQ(said("standard-webhooks"), "|webhook-id");
  EXPECT_FALSE(bound("http")->webhook()->sign_as_vendor({"t", bytes("{}"), kNow, "", "https://h/"}));
}

}  // namespace
}  // namespace tieline::connect
