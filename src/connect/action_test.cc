#include <gtest/gtest.h>

#include "auth/hash.h"
#include "connect/test_support.h"

namespace tieline::connect {
namespace {

// A request as a text: what a person compares. Credentials are told from other headers by the request's secrets.
std::string shown(const Request& request) {
  std::string out = request.method + " " + request.url + "\n";
  for (const auto& [name, value] : request.headers) {
    bool secret = false;
    for (const std::string& text : request.secrets) secret = secret || value.find(text) != std::string::npos;
    if (name != "User-Agent" && name != "Accept") out += name + ": " + (secret ? "[secret]" : value) + "\n";
  }
  return out + request.body;
}

std::string rendered(const std::string& connector, const std::string& action, const std::string& args) {
  const auto request = action_of(connector, action)->render(doc(args), {"run-1/step-2"});
  return request ? shown(*request) : "error: " + request.error().message;
}

struct Golden {
  const char* connector;
  const char* action;
  const char* args;
  const char* expected;
};

#define HUBSPOT "https://api.hubapi.com"
#define SHOPIFY "https://acme.myshopify.com/admin/api/2026-07"

const Golden kGoldens[] = {
    {"hubspot", "account.get", "{}", "GET " HUBSPOT "/account-info/v3/details\nAuthorization: [secret]\n"},
    {"hubspot", "contacts.search", R"({"email":"a@b.c"})",
     "POST " HUBSPOT "/crm/v3/objects/contacts/search\nContent-Type: application/json\nAuthorization: [secret]\n"
     R"({"filterGroups":[{"filters":[{"propertyName":"email","operator":"EQ","value":"a@b.c"}]}],)"
     R"("properties":["email","firstname","lastname"],"sorts":[],"limit":1,"after":"0"})"},
    {"hubspot", "contacts.get", R"({"id":"a@b.c","id_property":"email","properties":["x","y"]})",
     "GET " HUBSPOT
     "/crm/v3/objects/contacts/a%40b.c?idProperty=email&properties=x&properties=y\nAuthorization: [secret]\n"},
    {"hubspot", "contacts.upsert", R"({"email":"a@b.c","age":7})",
     "POST " HUBSPOT "/crm/v3/objects/contacts/batch/upsert\nContent-Type: application/json\nAuthorization: [secret]\n"
     R"({"inputs":[{"idProperty":"email","id":"a@b.c","properties":{"email":"a@b.c","age":"7"}}]})"},
    {"hubspot", "deals.get", R"({"id":7,"with":["contacts"]})",
     "GET " HUBSPOT "/crm/v3/objects/0-3/7?associations=contacts\nAuthorization: [secret]\n"},
    {"hubspot", "deals.create", R"({"dealname":"D","contact":"5"})",
     "POST " HUBSPOT "/crm/v3/objects/0-3\nContent-Type: application/json\nAuthorization: [secret]\n"
     R"({"properties":{"dealname":"D"},"associations":[{"to":{"id":"5"},)"
     R"("types":[{"associationCategory":"HUBSPOT_DEFINED","associationTypeId":3}]}]})"},
    {"hubspot", "deals.upsert", R"({"shopify_order_id":"gid://1","dealname":"D"})",
     "POST " HUBSPOT "/crm/v3/objects/0-3/batch/upsert\nContent-Type: application/json\nAuthorization: [secret]\n"
     R"({"inputs":[{"idProperty":"shopify_order_id","id":"gid://1","properties":{"shopify_order_id":"gid://1",)"
     R"("dealname":"D"}}]})"},
    {"hubspot", "deals.update", R"({"id":"7","amount":12.50})",
     "PATCH " HUBSPOT "/crm/v3/objects/0-3/7\nContent-Type: application/json\nAuthorization: [secret]\n"
     R"({"properties":{"amount":"12.50"}})"},
    {"hubspot", "associations.put", R"({"from":"deals","from_id":"1","to":"contacts","to_id":"2"})",
     "PUT " HUBSPOT "/crm/v4/objects/deals/1/associations/default/contacts/2\nAuthorization: [secret]\n"},
    {"shopify", "orders.get", R"({"id":820982911946154508})",
     "GET " SHOPIFY "/orders/820982911946154508.json\nX-Shopify-Access-Token: [secret]\n"},
    {"shopify", "orders.list", R"({"updated_at_min":"2026-01-01T00:00:00Z"})",
     "GET " SHOPIFY
     "/orders.json?updated_at_min=2026-01-01T00%3A00%3A00Z&status=any&limit=100\nX-Shopify-Access-Token: [secret]\n"},
    {"shopify", "customers.get", R"({"id":"9"})",
     "GET " SHOPIFY "/customers/9.json\nX-Shopify-Access-Token: [secret]\n"},
    {"shopify", "shop.get", "{}", "GET " SHOPIFY "/shop.json\nX-Shopify-Access-Token: [secret]\n"},
    {"shopify", "graphql.query", R"({"query":"{ shop { name } }","variables":{"n":1.10}})",
     "POST " SHOPIFY "/graphql.json\nContent-Type: application/json\nX-Shopify-Access-Token: [secret]\n"
     R"({"query":"{ shop { name } }","variables":{"n":1.10}})"},
    {"shopify", "graphql.mutate", R"({"query":"mutation { x }"})",
     "POST " SHOPIFY "/graphql.json\nContent-Type: application/json\nX-Shopify-Access-Token: [secret]\n"
     R"({"query":"mutation { x }"})"},
    {"slack", "auth.test", "{}", "GET https://slack.com/api/auth.test\nAuthorization: [secret]\n"},
    {"slack", "chat.postMessage", R"({"channel":"C1","text":"hi"})",
     "POST https://slack.com/api/chat.postMessage\nContent-Type: application/json\nAuthorization: [secret]\n"
     R"({"channel":"C1","text":"hi"})"},
    {"slack", "chat.update", R"({"channel":"C1","ts":"1.2","text":"hi"})",
     "POST https://slack.com/api/chat.update\nContent-Type: application/json\nAuthorization: [secret]\n"
     R"({"channel":"C1","ts":"1.2","text":"hi"})"},
    {"slack", "users.lookupByEmail", R"({"email":"a+b@c.d"})",
     "GET https://slack.com/api/users.lookupByEmail?email=a%2Bb%40c.d\nAuthorization: [secret]\n"},
    {"slack", "conversations.list", "{}",
     "GET "
     "https://slack.com/api/conversations.list?types=public_channel%2Cprivate_channel&exclude_archived=true&limit=200\n"
     "Authorization: [secret]\n"},
    {"stripe", "customers.get", R"({"id":"cus_1","expand":["a","b"]})",
     "GET https://api.stripe.com/v1/customers/cus_1?expand%5B%5D=a&expand%5B%5D=b\nStripe-Version: 2026-10-28.endive\n"
     "Authorization: [secret]\n"},
    {"stripe", "customers.search", R"({"email":"a@b.c"})",
     "GET https://api.stripe.com/v1/customers?email=a%40b.c&limit=1\nStripe-Version: 2026-10-28.endive\nAuthorization: "
     "[secret]\n"},
    {"stripe", "invoices.get", R"({"id":"in_1"})",
     "GET https://api.stripe.com/v1/invoices/in_1\nStripe-Version: 2026-10-28.endive\nAuthorization: [secret]\n"},
    {"stripe", "payment_intents.get", R"({"id":"pi_1"})",
     "GET https://api.stripe.com/v1/payment_intents/pi_1\nStripe-Version: 2026-10-28.endive\nAuthorization: "
     "[secret]\n"},
    {"stripe", "balance_transactions.list", R"({"payout":"po_1","created":{"gte":1790000000}})",
     "GET https://api.stripe.com/v1/balance_transactions?payout=po_1&created%5Bgte%5D=1790000000&limit=100\n"
     "Stripe-Version: 2026-10-28.endive\nAuthorization: [secret]\n"},
    {"stripe", "balance.get", "{}",
     "GET https://api.stripe.com/v1/balance\nStripe-Version: 2026-10-28.endive\nAuthorization: [secret]\n"},
    {"http", "request.get", R"({"path":"/a b/c","query":{"x":[1,2]},"headers":{"X-One":"1"}})",
     "GET https://api.example.com/v1/a%20b/c?x=1&x=2\nX-One: 1\nX-Api-Key: [secret]\n"},
    {"http", "request.post", R"({"path":"things","body":{"n":12345678901234567890}})",
     "POST https://api.example.com/v1/things\nContent-Type: application/json\nX-Api-Key: [secret]\n"
     R"({"n":12345678901234567890})"},
    {"http", "request.put", R"({"path":"t","form":{"a":"b c"}})",
     "PUT https://api.example.com/v1/t\nContent-Type: application/x-www-form-urlencoded\nX-Api-Key: [secret]\na=b+c"},
    {"http", "request.patch", R"({"path":"t","body":[]})",
     "PATCH https://api.example.com/v1/t\nContent-Type: application/json\nX-Api-Key: [secret]\n[]"},
    {"http", "request.delete", R"({"path":"t/1"})", "DELETE https://api.example.com/v1/t/1\nX-Api-Key: [secret]\n"},
};

TEST(Render, EachActionMakesItsRequest) {
  for (const Golden& one : kGoldens)
    EXPECT_EQ(rendered(one.connector, one.action, one.args), one.expected) << one.connector << "." << one.action;
}

TEST(Render, NestedFormsCarryAnIdempotencyKey) {
  const ActionPtr action = action_of("stripe", "customers.create");
  const std::string key = to_hex(auth::sha256("stripe\ncustomers.create\nrun-1/step-2"));
  EXPECT_EQ(rendered("stripe", "customers.create",
                     R"({"email":"a@b.c","address":{"line1":"1 Main St"},"items":[{"price":"p"}]})"),
            "POST https://api.stripe.com/v1/customers\nContent-Type: application/x-www-form-urlencoded\n"
            "Stripe-Version: 2026-10-28.endive\nIdempotency-Key: " +
                key +
                "\nAuthorization: [secret]\n"
                "email=a%40b.c&address[line1]=1+Main+St&items[0][price]=p");
  EXPECT_TRUE(action->has_idempotency_key());
  EXPECT_EQ(action->idempotency_keep(), Duration(24h));
  const auto first = action->render(doc("{}"), {"a"}), again = action->render(doc("{}"), {"a"}),
             other = action->render(doc("{}"), {"b"});
  EXPECT_EQ(find_header(first->headers, "Idempotency-Key"), find_header(again->headers, "Idempotency-Key"));
  EXPECT_NE(find_header(first->headers, "Idempotency-Key"), find_header(other->headers, "Idempotency-Key"));
  EXPECT_EQ(
      rendered("stripe", "refunds.create", R"({"charge":"ch_1","amount":"100","reason":"fraud"})"),
      "error: stripe.refunds.create: argument `reason` must be one of duplicate, fraudulent, requested_by_customer, "
      "is \"fraud\"");
}

TEST(Render, RefusesWhatCannotBeSent) {
  struct Case {
    const char* connector;
    const char* action;
    const char* args;
    const char* expected;
  };
  for (const Case& one : {
           Case{"hubspot", "contacts.search", R"({"emial":"x"})",
                "hubspot.contacts.search: unknown argument `emial`; did you mean \"email\"?"},
           Case{"hubspot", "deals.upsert", R"({"dealname":"D"})",
                "argument `shopify_order_id` is missing: `id_property` names it"},
           Case{"hubspot", "deals.upsert", R"({"contact":"1"})", "argument `contact` is not taken here"},
           Case{"hubspot", "deals.get", "{}", "argument `id` is missing"},
           Case{"hubspot", "deals.get", R"({"id":".."})", "must not be empty, . or .."},
           Case{"shopify", "orders.get", R"({"id":"1/2"})", "argument `id` must match"},
           Case{"http", "request.get", R"({"path":"a/../b"})", "must not have a part . or .."},
           Case{"http", "request.get", R"({"path":"a","headers":{"Host":"x"}})",
                "the header `Host` cannot be set here"},
           Case{"http", "request.get", R"({"path":"a","headers":{"x-api-key":"x"}})",
                "the header `x-api-key` cannot be set here"},
           Case{"http", "request.get", R"({"path":"a","headers":{"X-A":"x\r\nY: z"}})", "one line of text"},
           Case{"http", "request.post",
                R"({"path":"a","body":1,)"
                R"("form":{"a":1}})",
                "body and form cannot both be sent"},
       }) {
    const std::string text = rendered(one.connector, one.action, one.args);
    EXPECT_TRUE(text.starts_with("error: ") && text.find(one.expected) != std::string::npos) << text;
  }
}

TEST(Render, NumbersReachTheBodyAsTheyAre) {
  const std::string text = rendered("hubspot", "deals.update", R"({"id":1,"big":12345678901234567890,"tax":1.10})");
  EXPECT_NE(text.find(R"({"big":"12345678901234567890","tax":"1.10"})"), std::string::npos) << text;
}

TEST(Render, OptionalHeadersAndOtherAddresses) {
  ConnectionSettings settings = settings_of("stripe");
  settings.variables = {{"account", "acct_1"}};
  settings.base_url = "http://127.0.0.1:9/stripe/";
  settings.private_addresses = true;
  settings.auth_method = "basic_key";
  const auto request = bound("stripe", settings)->action("balance", "get")->render(doc("{}"), {"a"});
  EXPECT_EQ(request->url, "http://127.0.0.1:9/stripe/v1/balance");
  EXPECT_TRUE(request->private_addresses);
  EXPECT_EQ(find_header(request->headers, "Stripe-Account"), "acct_1");
  EXPECT_EQ(find_header(request->headers, "Authorization"), "Basic " + to_base64("sk-live-1:"));
  EXPECT_EQ(request->secrets, (std::vector<std::string>{"sk-live-1", to_base64("sk-live-1:")}));
}

TEST(Render, NamesSafetyOfEachAction) {
  for (const auto& [connector, action, safety] :
       {std::tuple{"hubspot", "contacts.search", Safety::kSafe}, std::tuple{"hubspot", "deals.create", Safety::kUnsafe},
        std::tuple{"hubspot", "deals.update", Safety::kRepeatable},
        std::tuple{"hubspot", "associations.put", Safety::kRepeatable},
        std::tuple{"slack", "chat.postMessage", Safety::kUnsafe},
        std::tuple{"http", "request.delete", Safety::kRepeatable}})
    EXPECT_EQ(action_of(connector, action)->safety(), safety) << action;
  EXPECT_EQ(bound("hubspot", settings_of("hubspot"))
                ->action("contacts", "search")
                ->render(doc(R"({"email":"a@b.c"})"), {"a"})
                ->repeatable,
            true);
}

const Bucket* bucket(const ConnectionInfo& info, std::string_view name) {
  for (const Bucket& one : info.buckets) {
    if (one.name == name) return &one;
  }
  return nullptr;
}

TEST(Limits, FollowThePlanOfTheAccount) {
  ConnectionSettings settings = settings_of("hubspot");
  settings.variables = {{"tier", "professional"}};
  settings.budget = {{"", spec::Rate{5, 1s}, 2}, {"search", spec::Rate{3, 1s}, {}}};
  const auto connection = bound("hubspot", settings);
  EXPECT_EQ(bucket(connection->info(), "burst")->count, 190);
  EXPECT_EQ(bucket(connection->info(), "burst")->window, Duration(10s));
  EXPECT_EQ(bucket(connection->info(), "budget")->concurrent, 2u);
  EXPECT_EQ(connection->action("contacts", "search")->buckets(),
            (std::vector<std::string>{"search", "daily", "budget", "search.budget"}));
  EXPECT_EQ(connection->action("deals", "get")->buckets(), (std::vector<std::string>{"burst", "daily", "budget"}));
  settings.variables = {{"tier", "oauth_app"}};
  EXPECT_EQ(bucket(bound("hubspot", settings)->info(), "daily"), nullptr);
  EXPECT_EQ(connection->info().health_action, "hubspot.account.get");
}

TEST(Limits, CountPerMethodAndArgument) {
  const auto slack = bound("slack");
  EXPECT_EQ(slack->action("users", "lookupByEmail")->buckets(),
            (std::vector<std::string>{"tier3:users.lookupByEmail"}));
  EXPECT_EQ(slack->action("auth", "test")->buckets(), (std::vector<std::string>{"tier4:auth.test"}));
  EXPECT_NE(bucket(slack->info(), "tier3:chat.update"), nullptr);
  const auto spends = slack->action("chat", "postMessage")->spends(doc(R"({"channel":"C1"})"));
  ASSERT_EQ(spends.size(), 1u);
  EXPECT_EQ(spends[0].bucket, "post");
  EXPECT_EQ(spends[0].key, "C1");
}

TEST(Limits, PointsAreEstimatedAndCorrected) {
  const auto shopify = bound("shopify");
  EXPECT_EQ(bucket(shopify->info(), "rest")->count, 40);
  EXPECT_EQ(bucket(shopify->info(), "rest")->window, Duration(20s));
  EXPECT_EQ(bucket(shopify->info(), "rest")->kind, Bucket::Kind::kRestore);
  const ActionPtr query = shopify->action("graphql", "query");
  EXPECT_EQ(query->spends(doc("{}"))[0].amount, 1);
  EXPECT_EQ(bucket(shopify->info(), "graphql")->count, 2);  // 100 points a second, 50 estimated for each call
  const auto readings = query->observe(
      answered(200, R"({"extensions":{"cost":{"actualQueryCost":12,"throttleStatus":{"maximumAvailable":2000,)"
                    R"("currentlyAvailable":1988,"restoreRate":100}}}})"),
      doc("{}"));
  ASSERT_EQ(readings.size(), 1u);
  EXPECT_EQ(readings[0].actual, 0.24);
  EXPECT_EQ(readings[0].limit, 40);
  EXPECT_EQ(readings[0].left, 39.76);
  EXPECT_EQ(readings[0].restore, 2);
  const auto rest = shopify->action("shop", "get")
                        ->observe(answered(200, "{}", {{"X-Shopify-Shop-Api-Call-Limit", "32/40"}}), doc("{}"));
  ASSERT_EQ(rest.size(), 1u);
  EXPECT_EQ(rest[0].used, 32);
  EXPECT_TRUE(shopify->action("shop", "get")->observe(answered(200, "{}"), doc("{}")).empty());
}

// One of a connector with this beside its head.
std::shared_ptr<const Connection> connection_of(const std::string& manifest) {
  spec::Problems problems;
  const auto connector = Connector::load(
      "connector: x\ntitle: X\ncategory: crm\nbase_url: https://x.example.com\n" + manifest, "x.yaml", problems);
  EXPECT_NE(connector, nullptr) << problems.text();
  ConnectionSettings settings;
  settings.name = "x";
  auto connection = connector->bind(settings);
  EXPECT_TRUE(connection) << connection.error().text();
  return *connection;
}

TEST(Limits, TellWhenTheWindowEndsAsTheVendorWritesIt) {
  const auto connection = connection_of(
      "limits: [ { name: all, rate: 100/h, window: fixed, observe: '{ reset: (header.X-Reset | tonumber) }' } ]\n"
      "resources: { things: { actions: { get: { get: /things } } } }\n");
  for (const char* written : {"30", "1796040045", "1796040045250"}) {
    const auto readings =
        connection->action("things", "get")->observe(answered(200, "{}", {{"X-Reset", written}}), doc("{}"));
    ASSERT_EQ(readings.size(), 1u) << written;
    EXPECT_EQ(readings[0].reset, std::stod(written));
  }
}

TEST(Pages, ACursorGoesIntoTheBody) {
  const auto connection = connection_of(
      "resources: { things: { actions: { list: { post: /search, safe: true, args: { q: string }, returns: list,\n"
      "  body: { q: =.q, page: { limit: 2 }, last: true }, result: .items,\n"
      "  paginate: { cursor: body.page.after, from: .next } } } } }\n");
  const ActionPtr list = connection->action("things", "list");
  const Request first = *list->render(doc(R"({"q":"x"})"), {"a"});
  const auto second = list->next_page(first, answered(200, R"({"items":[],"next":7})"));
  ASSERT_TRUE(second && *second);
  EXPECT_EQ((*second)->url, first.url);
  EXPECT_EQ((*second)->body, R"({"q":"x","page":{"limit":2,"after":7},"last":true})");
  const auto third = list->next_page(**second, answered(200, R"({"items":[],"next":"8"})"));
  ASSERT_TRUE(third && *third);
  EXPECT_EQ((*third)->body, R"({"q":"x","page":{"limit":2,"after":"8"},"last":true})");
  EXPECT_FALSE(list->next_page(**third, answered(200, R"({"items":[],"next":8})")).has_value());
  EXPECT_FALSE(*list->next_page(**third, answered(200, R"({"items":[]})")));
}

TEST(Pages, FollowTheCursorUntilItIsEmpty) {
  const ActionPtr list = action_of("slack", "conversations.list");
  const Request first = *list->render(doc("{}"), {"a"});
  const auto second =
      list->next_page(first, answered(200, R"({"ok":true,"response_metadata":{"next_cursor":"dGVh=="}})"));
  ASSERT_TRUE(second && *second);
  EXPECT_NE((*second)->url.find("&cursor=dGVh%3D%3D"), std::string::npos);
  EXPECT_FALSE(*list->next_page(**second, answered(200, R"({"ok":true,"response_metadata":{"next_cursor":""}})")));
  EXPECT_FALSE(*list->next_page(first, answered(200, R"({"ok":true})")));
  EXPECT_FALSE(list->next_page(**second, answered(200, R"({"ok":true,"response_metadata":{"next_cursor":"dGVh=="}})"))
                   .has_value());
}

TEST(Pages, MoreDecidesWhereItIsGiven) {
  const ActionPtr list = action_of("stripe", "balance_transactions.list");
  const Request first = *list->render(doc(R"({"payout":"po"})"), {"a"});
  const auto second = list->next_page(first, answered(200, R"({"data":[{"id":"t1"},{"id":"t2"}],"has_more":true})"));
  ASSERT_TRUE(second && *second);
  EXPECT_TRUE((*second)->url.ends_with("payout=po&limit=100&starting_after=t2")) << (*second)->url;
  EXPECT_FALSE(*list->next_page(first, answered(200, R"({"data":[{"id":"t1"}],"has_more":false})")));
}

TEST(Pages, LinksStayAtTheirOrigin) {
  const ActionPtr list = action_of("shopify", "orders.list");
  const Request first = *list->render(doc("{}"), {"a"});
  const auto page = [&](const std::string& target) {
    return list->next_page(first, answered(200, R"({"orders":[]})", {{"Link", "<" + target + ">; rel=\"next\""}}));
  };
  EXPECT_EQ((*page(SHOPIFY "/orders.json?page_info=x&limit=250"))->url, SHOPIFY "/orders.json?page_info=x&limit=250");
  EXPECT_EQ((*page("/admin/x"))->url, "https://acme.myshopify.com/admin/x");
  for (const char* elsewhere :
       {"https://evil.example.com/x", "http://acme.myshopify.com/x", "https://acme.myshopify.com:444/x",
        "https://acme.myshopify.com@evil.example.com/", "//evil.example.com/x", "https://acme.myshopify.com\\@evil/"})
    EXPECT_FALSE(page(elsewhere).has_value()) << elsewhere;
  EXPECT_FALSE(page(first.url).has_value());
  EXPECT_FALSE(*list->next_page(first, answered(200, "{}", {{"Link", "<https://x/>; rel=\"previous\""}})));
  EXPECT_FALSE(*action_of("shopify", "orders.get")->next_page(first, answered(200, "{}")));
}

TEST(Find, LooksByTheUniqueProperty) {
  const ActionPtr create = action_of("hubspot", "deals.create");
  EXPECT_TRUE(create->has_find());
  EXPECT_EQ(create->settle(), Duration(5s));
  const auto look = create->render_find(doc(R"({"shopify_order_id":"o/1","dealname":"D"})"), {"a"});
  ASSERT_TRUE(look) << look.error().message;
  EXPECT_EQ(look->method + " " + look->url, "GET " HUBSPOT "/crm/v3/objects/0-3/o%2F1?idProperty=shopify_order_id");
  const auto blind = create->render_find(doc(R"({"dealname":"D"})"), {"a"});
  ASSERT_FALSE(blind);
  EXPECT_EQ(blind.error().code, Code::kUnsupported);
  const Verdict there =
      create->judge_find(answered(200, R"({"id":"5","properties":{"dealname":"D"},"createdAt":"x"})"), kNow);
  EXPECT_EQ(there.category, Category::kDelivered);
  EXPECT_EQ(json::print(there.result.root()), R"({"id":"5","properties":{"dealname":"D"}})");
  EXPECT_EQ(create->judge_find(answered(404, "{}"), kNow).category, Category::kMissing);
  EXPECT_EQ(create->judge_find(answered(503, "{}"), kNow).category, Category::kTransient);
}

}  // namespace
}  // namespace tieline::connect
