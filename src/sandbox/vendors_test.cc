#include <gmock/gmock.h>

#include <set>

#include "sandbox/double_fixture.h"

namespace tieline::sandbox {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

class HubspotTest : public DoubleTest {
 protected:
  void SetUp() override { use("hubspot"); }
  static std::string search_of(const std::string& property, const std::string& value) {
    return R"({"filterGroups": [{"filters": [{"propertyName": ")" + property + R"(", "operator": "EQ", "value": ")" +
           value + R"("}]}], "properties": ["email"], "sorts": [], "limit": 1, "after": "0"})";
  }
  static std::string upsert_of(const std::string& property, const std::string& value, const std::string& properties) {
    return R"({"inputs": [{"idProperty": ")" + property + R"(", "id": ")" + value + R"(", "properties": )" +
           properties + "}]}";
  }
  std::string contact(const std::string& email) {
    ask("POST", "/crm/v3/objects/contacts/batch/upsert", upsert_of("email", email, R"({"firstname": "Ada"})"));
    return std::string(answer.root()["results"].at(0)["id"].as_string());
  }
};

TEST_F(HubspotTest, AContactIsFoundByEmailWhateverItsCase) {
  const std::string id = contact("Ada@Example.com");
  EXPECT_EQ(ask("POST", "/crm/v3/objects/contacts/search", search_of("email", "ada@example.COM")), 200);
  EXPECT_EQ(at("total"), "1");
  EXPECT_EQ(at("results.0.id"), "\"" + id + "\"");
  EXPECT_EQ(at("results.0.properties.email"), "\"ada@example.com\"");
  EXPECT_EQ(at("results.0.properties.firstname"), "null") << "only what was asked for";
  EXPECT_EQ(ask("POST", "/crm/v3/objects/contacts/search", search_of("email", "ada@example.co")), 200);
  EXPECT_EQ(at("total"), "0");
  EXPECT_EQ(at("results"), "[]");
}

TEST_F(HubspotTest, AContactThatWasThereBeforeIsLikeAnyOther) {
  add_hubspot_contact(*vendor_double, "Ada@example.com", "Ada", "Almond");
  EXPECT_EQ(ask("POST", "/crm/v3/objects/contacts/search", search_of("email", "ada@example.com")), 200);
  EXPECT_EQ(at("total"), "1");
  EXPECT_EQ(state("requests"), "1");
  contact("ada@example.com");
  EXPECT_EQ(count("contacts"), 1u);
}

TEST_F(HubspotTest, ASearchHasAllFiveFieldsAndPages) {
  for (const char* name : {"a", "b", "c"}) contact(std::string(name) + "@example.com");
  EXPECT_EQ(ask("POST", "/crm/v3/objects/contacts/search", R"({"filterGroups": [], "limit": 1})"), 400);
  EXPECT_EQ(at("category"), "\"VALIDATION_ERROR\"");
  std::set<std::string> seen;
  std::string after = "0";
  for (int page = 0; page < 3; ++page) {
    EXPECT_EQ(ask("POST", "/crm/v3/objects/contacts/search",
                  R"({"filterGroups": [], "properties": [], "sorts": [], "limit": 1, "after": ")" + after + "\"}"),
              200);
    seen.insert(at("results.0.id"));
    after = answer.root()["paging"]["next"]["after"].as_string();
  }
  EXPECT_EQ(seen.size(), 3u);
  EXPECT_EQ(after, "");
}

TEST_F(HubspotTest, AListHoldsEachContactOnceHoweverItIsCut) {
  std::set<std::string> made;
  for (int i = 0; i < 7; ++i) made.insert(contact("c" + std::to_string(i) + "@example.com"));
  std::multiset<std::string> listed;
  std::string after;
  int pages = 0;
  do {
    const std::string more = after.empty() ? std::string() : "&after=" + after;
    ASSERT_EQ(ask("GET", "/crm/v3/objects/contacts?limit=3&properties=lastmodifieddate" + more), 200) << reply.body;
    for (const json::Value one : answer.root()["results"].elements()) {
      listed.insert(std::string(one["id"].as_string()));
      EXPECT_TRUE(one["properties"]["lastmodifieddate"].is_string());
    }
    after = std::string(json::find_path(answer.root(), "paging.next.after").as_string());
    ++pages;
  } while (!after.empty());
  EXPECT_EQ(pages, 3);
  EXPECT_EQ(listed, std::multiset<std::string>(made.begin(), made.end()));
  EXPECT_EQ(ask("GET", "/crm/v3/objects/contacts?limit=101"), 400);
  EXPECT_EQ(ask("GET", "/crm/v3/objects/contacts?limit=5&archived=true"), 200);
  EXPECT_EQ(at("results"), "[]");
}

TEST_F(HubspotTest, ASearchFindsWhatChangedSinceInThatOrder) {
  std::vector<std::string> ids;
  for (const char* name : {"c", "a", "b"}) {
    clock.advance(1s);
    ids.push_back(contact(std::string(name) + "@example.com"));
  }
  clock.advance(1s);
  contact("c@example.com");  // once more
  const auto changed = [&](Time since, const std::string& sorts) {
    const std::string ms = std::to_string(to_unix_us(since) / 1000);
    EXPECT_EQ(
        ask("POST", "/crm/v3/objects/contacts/search",
            R"({"filterGroups": [{"filters": [{"propertyName": "lastmodifieddate", "operator": "GTE", "value": ")" +
                ms + R"("}]}], "properties": ["lastmodifieddate"], "sorts": )" + sorts +
                R"(, "limit": 10, "after": "0"})"),
        200);
    std::vector<std::string> found;
    for (const json::Value one : answer.root()["results"].elements()) found.emplace_back(one["id"].as_string());
    return found;
  };
  using Ids = std::vector<std::string>;
  const std::string up = R"([{"propertyName": "lastmodifieddate", "direction": "ASCENDING"}])";
  EXPECT_EQ(changed(clock.now() - 9s, up), (Ids{ids[1], ids[2], ids[0]}));
  EXPECT_EQ(changed(clock.now() - 1s, up), (Ids{ids[2], ids[0]}));
  EXPECT_EQ(changed(clock.now() + 1s, up), Ids{});
  const std::string down = R"([{"propertyName": "lastmodifieddate", "direction": "DESCENDING"}])";
  EXPECT_EQ(changed(clock.now() - 9s, down), (Ids{ids[0], ids[2], ids[1]}));
  EXPECT_EQ(changed(clock.now() - 9s, R"(["lastmodifieddate"])"), ids) << "a text does nothing";
  clock.advance(1s);
  EXPECT_EQ(ask("POST", "/crm/v3/objects/contacts/search",
                R"({"filterGroups": [], "properties": [], "sorts": [], "limit": 200, "after": "9801"})"),
            400);
}

TEST_F(HubspotTest, AnUpsertTwiceIsOneObject) {
  const std::string path = "/crm/v3/objects/0-3/batch/upsert";
  EXPECT_EQ(
      ask("POST", path, upsert_of("shopify_order_id", "gid/1", R"({"shopify_order_id": "gid/1", "amount": 10.50})")),
      200);
  EXPECT_EQ(at("results.0.new"), "true");
  EXPECT_EQ(at("results.0.properties.amount"), "\"10.50\"") << "every property is text, as it was written";
  const std::string id = at("results.0.id");
  clock.advance(5s);
  EXPECT_EQ(ask("POST", path, upsert_of("shopify_order_id", "gid/1", R"({"amount": "11"})")), 200);
  EXPECT_EQ(at("results.0.new"), "false");
  EXPECT_EQ(at("results.0.id"), id);
  EXPECT_EQ(at("results.0.properties.amount"), "\"11\"");
  EXPECT_NE(at("results.0.createdAt"), at("results.0.updatedAt"));
  EXPECT_EQ(count("deals"), 1u);
}

TEST_F(HubspotTest, ABatchIsReadAndSaysWhatIsNotThere) {
  ask("POST", "/crm/v3/objects/line_items", R"({"properties": {"name": "Cup", "quantity": 2}, "associations": []})");
  const std::string id(answer.root()["id"].as_string());
  const std::string rest = R"(], "properties": ["name"], "propertiesWithHistory": []})";
  const std::string path = "/crm/v3/objects/line_items/batch/read";
  EXPECT_EQ(ask("POST", path, R"({"inputs": [{"id": ")" + id + "\"}" + rest), 200);
  EXPECT_EQ(answer.root()["results"].at(0)["properties"]["name"].as_string(), "Cup");
  EXPECT_FALSE(answer.root()["results"].at(0)["properties"].has("quantity"));
  EXPECT_EQ(ask("POST", path, R"({"inputs": [{"id": ")" + id + R"("}, {"id": "9"})" + rest), 207);
  EXPECT_EQ(answer.root()["results"].size(), 1u);
  EXPECT_EQ(answer.root()["errors"].at(0)["context"]["ids"].at(0).as_string(), "9");
  EXPECT_EQ(ask("POST", path, R"({"inputs": []})"), 400);
}

TEST_F(HubspotTest, ADealIsReadByItsUniqueProperty) {
  const std::string who = contact("ada@example.com");
  const std::string deal = R"({"properties": {"dealname": "Order 1", "shopify_order_id": "gid://shopify/Order/1"},
    "associations": [{"to": {"id": ")" +
                           who + R"("}, "types": [{"associationCategory": "HUBSPOT_DEFINED",
    "associationTypeId": 3}]}]})";
  EXPECT_EQ(ask("POST", "/crm/v3/objects/0-3", deal), 201);
  const std::string id(answer.root()["id"].as_string());
  EXPECT_EQ(ask("GET",
                "/crm/v3/objects/0-3/gid%3A%2F%2Fshopify%2FOrder%2F1?idProperty=shopify_order_id"
                "&associations=contacts&properties=shopify_order_id"),
            200);
  EXPECT_EQ(at("id"), "\"" + id + "\"");
  EXPECT_EQ(at("properties.dealname"), "\"Order 1\"");
  EXPECT_EQ(at("associations.contacts.results.0.id"), "\"" + who + "\"");
  EXPECT_EQ(ask("GET", "/crm/v3/objects/0-3/" + id), 200);
  EXPECT_EQ(at("properties.shopify_order_id"), "null") << "not asked for";
  EXPECT_EQ(ask("GET", "/crm/v3/objects/0-3/gid?idProperty=shopify_order_id"), 404);
  EXPECT_EQ(at("category"), "\"OBJECT_NOT_FOUND\"");
  EXPECT_EQ(ask("PATCH", "/crm/v3/objects/0-3/" + id, R"({"properties": {"dealname": "New"}})"), 200);
  EXPECT_EQ(at("properties.dealname"), "\"New\"");
  EXPECT_EQ(ask("PATCH", "/crm/v3/objects/0-3/9", R"({"properties": {}})"), 404);
}

TEST_F(HubspotTest, WhatHubSpotRefusesIsRefused) {
  const std::string who = contact("ada@example.com");
  ask("POST", "/crm/v3/objects/0-3", R"({"properties": {"shopify_order_id": "1"}, "associations": []})");
  const struct {
    const char *name, *target, *body;
    int status;
    const char* category;
  } cases[] = {
      {"a second contact of an address", "/crm/v3/objects/contacts",
       R"({"properties": {"email": "ADA@example.com"}, "associations": []})", 409, "\"CONFLICT\""},
      {"a second deal of a unique value", "/crm/v3/objects/0-3",
       R"({"properties": {"shopify_order_id": "1"}, "associations": []})", 400, "\"VALIDATION_ERROR\""},
      {"no associations field", "/crm/v3/objects/0-3", R"({"properties": {}})", 400, "\"VALIDATION_ERROR\""},
      {"no such contact", "/crm/v3/objects/0-3", R"({"properties": {}, "associations": [{"to": {"id": "7"}}]})", 400,
       "\"VALIDATION_ERROR\""},
      {"a property that is no text", "/crm/v3/objects/0-3", R"({"properties": {"a": {}}, "associations": []})", 400,
       "\"VALIDATION_ERROR\""},
      {"an upsert without id", "/crm/v3/objects/0-3/batch/upsert",
       R"({"inputs": [{"idProperty": "email", "properties": {}}]})", 400, "\"VALIDATION_ERROR\""},
      {"no JSON", "/crm/v3/objects/0-3", "{", 400, "\"VALIDATION_ERROR\""},
      {"no such type", "/crm/v3/objects/unicorns", "{}", 400, "\"VALIDATION_ERROR\""},
  };
  for (const auto& one : cases) {
    EXPECT_EQ(ask("POST", one.target, one.body), one.status) << one.name;
    EXPECT_EQ(at("category"), one.category) << one.name;
  }
  EXPECT_EQ(count("deals"), 1u);
  EXPECT_EQ(count("contacts"), 1u);
}

TEST_F(HubspotTest, AnAssociationNeedsBothSidesAndIsOneHoweverOften) {
  const std::string who = contact("ada@example.com");
  ask("POST", "/crm/v3/objects/0-3", R"({"properties": {}, "associations": []})");
  const std::string deal(answer.root()["id"].as_string());
  const std::string path = "/crm/v4/objects/deals/" + deal + "/associations/default/contacts/" + who;
  for (int i = 0; i < 2; ++i) EXPECT_EQ(ask("PUT", path), 200);
  EXPECT_EQ(at("results.0.associationSpec.associationTypeId"), "3");
  EXPECT_EQ(count("associations"), 2u) << "one, and its way back";
  EXPECT_EQ(ask("PUT", "/crm/v4/objects/deals/" + deal + "/associations/default/contacts/1"), 404);
}

class StripeTest : public DoubleTest {
 protected:
  void SetUp() override { use("stripe"); }
  int ask_once(const std::string& key, const std::string& target, const std::string& body) {
    headers.emplace_back("Idempotency-Key", key);
    const int status = ask("POST", target, body);
    headers.pop_back();
    return status;
  }
};

TEST_F(StripeTest, AKeyGivesTheFirstAnswerAgain) {
  const std::string body = "email=ada%40example.com&metadata%5Border%5D=42&address[city]=Hamburg";
  EXPECT_EQ(ask_once("k1", "/v1/customers", body), 200);
  const std::string first = reply.body;
  EXPECT_EQ(at("metadata.order"), "\"42\"");
  EXPECT_EQ(at("address.city"), "\"Hamburg\"");
  EXPECT_EQ(find_header(reply.headers, "Idempotent-Replayed"), "");
  clock.advance(1h);
  EXPECT_EQ(ask_once("k1", "/v1/customers", body), 200);
  EXPECT_EQ(reply.body, first);
  EXPECT_EQ(find_header(reply.headers, "Idempotent-Replayed"), "true");
  EXPECT_EQ(count("customers"), 1u);
  EXPECT_EQ(state("idempotent_replays"), "1");

  EXPECT_EQ(ask_once("k1", "/v1/customers", "email=eve%40example.com"), 400);
  EXPECT_EQ(at("error.type"), "\"idempotency_error\"");
  EXPECT_EQ(ask_once("k2", "/v1/customers", body), 200);
  EXPECT_EQ(ask("POST", "/v1/customers", body), 200);
  EXPECT_EQ(count("customers"), 3u);
  clock.advance(24h);
  EXPECT_EQ(ask_once("k1", "/v1/customers", body), 200);
  EXPECT_EQ(count("customers"), 4u) << "a key is forgotten after 24 hours";
}

TEST_F(StripeTest, ARefusedRequestLeavesItsKeyUnused) {
  EXPECT_EQ(ask_once("k", "/v1/refunds", "amount=1"), 400);
  EXPECT_EQ(at("error.code"), "\"parameter_missing\"");
  EXPECT_EQ(ask_once("k", "/v1/refunds", "charge=ch_1&amount=1"), 200);
  EXPECT_EQ(count("refunds"), 1u);
}

TEST_F(StripeTest, WhatStripeRefusesIsRefused) {
  ask("POST", "/v1/refunds", "charge=ch_spent");
  const struct {
    const char *target, *body;
    int status;
    const char *path, *value;
  } cases[] = {
      {"/v1/customers", "emial=a", 400, "error.code", "\"parameter_unknown\""},
      {"/v1/refunds", "charge=ch_missing", 404, "error.code", "\"resource_missing\""},
      {"/v1/refunds", "payment_intent=ch_1", 404, "error.code", "\"resource_missing\""},
      {"/v1/refunds", "charge=ch_1&amount=ten", 400, "error.code", "\"parameter_invalid_integer\""},
      {"/v1/refunds", "charge=ch_1&amount=1001", 400, "error.param", "\"amount\""},
      {"/v1/refunds", "charge=ch_1&reason=because", 400, "error.param", "\"reason\""},
      {"/v1/refunds", "charge=ch_spent", 400, "error.code", "\"charge_already_refunded\""},
  };
  for (const auto& one : cases) {
    EXPECT_EQ(ask("POST", one.target, one.body), one.status) << one.body;
    EXPECT_EQ(at(one.path), one.value) << one.body;
  }
  headers[1].second = "application/json";
  EXPECT_EQ(ask("POST", "/v1/customers", R"({"email": "a"})"), 400);
  EXPECT_THAT(at("error.message"), HasSubstr("application/x-www-form-urlencoded"));
  EXPECT_EQ(count("refunds"), 1u);
  EXPECT_EQ(count("customers"), 0u);
}

TEST_F(StripeTest, ListsAreFilteredAndPagedNewestFirst) {
  for (int i = 0; i < 5; ++i) ask("POST", "/v1/refunds", "amount=1&charge=ch_" + std::to_string(i));
  std::vector<std::string> ids;
  std::string after;
  do {
    ASSERT_EQ(ask("GET", "/v1/balance_transactions?limit=2" + after), 200);
    for (const json::Value item : answer.root()["data"].elements()) ids.emplace_back(item["id"].as_string());
    after = "&starting_after=" + ids.back();
  } while (answer.root()["has_more"].as_bool());
  EXPECT_EQ(ids.size(), 5u);
  EXPECT_TRUE(std::is_sorted(ids.rbegin(), ids.rend()));
  EXPECT_EQ(std::set<std::string>(ids.begin(), ids.end()).size(), 5u);
  ask("GET", "/v1/balance_transactions?type=charge");
  EXPECT_EQ(at("data"), "[]");
  EXPECT_EQ(ask("GET", "/v1/balance_transactions?starting_after=txn_none"), 404);
  EXPECT_EQ(ask("GET", "/v1/balance_transactions?limit=101"), 400);

  ask("POST", "/v1/customers", "email=ada%40example.com");
  const std::string id(answer.root()["id"].as_string());
  ask("POST", "/v1/customers", "email=eve%40example.com");
  ask("GET", "/v1/customers?email=ada%40example.com&limit=1");
  EXPECT_EQ(at("data.0.id"), "\"" + id + "\"");
  EXPECT_EQ(at("has_more"), "false");
  EXPECT_EQ(ask("GET", "/v1/customers/" + id), 200);
  EXPECT_EQ(ask("GET", "/v1/customers/cus_none"), 404);
}

class SlackTest : public DoubleTest {
 protected:
  void SetUp() override { use("slack"); }
};

TEST_F(SlackTest, AMessageIsPostedAndChanged) {
  EXPECT_EQ(ask("POST", "/chat.postMessage", R"({"channel": "C1", "text": "first"})"), 200);
  EXPECT_EQ(at("ok"), "true");
  const std::string ts(answer.root()["ts"].as_string());
  EXPECT_THAT(ts, StartsWith("1793000000."));
  clock.advance(1s);
  EXPECT_EQ(ask("POST", "/chat.postMessage", R"({"channel": "C1", "blocks": [{"type": "divider"}]})"), 200);
  EXPECT_NE(at("ts"), "\"" + ts + "\"");
  EXPECT_EQ(ask("POST", "/chat.update", R"({"channel": "C1", "ts": ")" + ts + R"(", "text": "changed"})"), 200);
  EXPECT_EQ(at("text"), "\"changed\"");
  EXPECT_EQ(state("messages.0.text"), "\"changed\"");
  EXPECT_EQ(count("messages"), 2u);
}

TEST_F(SlackTest, ARefusalIsA200WithACode) {
  const struct {
    const char *method, *target, *body, *code;
  } cases[] = {
      {"POST", "/chat.postMessage", R"({"channel": "no-such-1", "text": "a"})", "\"channel_not_found\""},
      {"POST", "/chat.postMessage", R"({"channel": "C1"})", "\"no_text\""},
      {"POST", "/chat.update", R"({"channel": "C1", "ts": "1.2", "text": "a"})", "\"message_not_found\""},
      {"POST", "/chat.postMessage", "{", "\"invalid_json\""},
      {"POST", "/chat.delete", "{}", "\"unknown_method\""},
      {"GET", "/users.lookupByEmail?email=a%40example.org", "", "\"users_not_found\""},
      {"GET", "/conversations.list?cursor=x", "", "\"invalid_cursor\""},
  };
  for (const auto& one : cases) {
    clock.advance(60s);
    EXPECT_EQ(ask(one.method, one.target, one.body), 200) << one.target;
    EXPECT_EQ(at("ok"), "false") << one.target;
    EXPECT_EQ(at("error"), one.code) << one.target;
  }
  EXPECT_EQ(count("messages"), 0u);
  EXPECT_EQ(ask("GET", "/users.lookupByEmail?email=ada%40example.com"), 200);
  EXPECT_EQ(at("user.profile.email"), "\"ada@example.com\"");
}

TEST_F(SlackTest, ChannelsComeInPages) {
  std::vector<std::string> names;
  std::string cursor;
  do {
    ask("GET", "/conversations.list?limit=2&cursor=" + cursor);
    for (const json::Value channel : answer.root()["channels"].elements())
      names.emplace_back(channel["name"].as_string());
    cursor = answer.root()["response_metadata"]["next_cursor"].as_string();
  } while (!cursor.empty());
  EXPECT_THAT(names, testing::ElementsAre("general", "random", "orders"));
}

class ShopifyTest : public DoubleTest {
 protected:
  void SetUp() override { use("shopify"); }
  // Path and query of the next page, or empty.
  std::string next() const {
    const std::string link(find_header(reply.headers, "Link"));
    if (link.empty()) return {};
    EXPECT_THAT(link, StartsWith("<http://127.0.0.1:1/"));
    EXPECT_THAT(link, testing::EndsWith(">; rel=\"next\""));
    const std::size_t begin = link.find('/', 8);
    return link.substr(begin, link.find('>') - begin);
  }
};

TEST_F(ShopifyTest, LinkPagesHoldEachOrderExactlyOnce) {
  for (const std::string base : {"", "/admin/api/2026-07"}) {
    std::multiset<std::string> ids;
    int pages = 0;
    for (std::string target = base + "/orders.json?status=any&limit=70"; !target.empty(); target = next()) {
      clock.advance(1s);
      ASSERT_EQ(ask("GET", target), 200) << target << reply.body;
      EXPECT_THAT(target, StartsWith(base + "/orders.json"));
      for (const json::Value order : answer.root()["orders"].elements())
        ids.insert(std::string(order["id"].number_text()));
      ++pages;
    }
    EXPECT_EQ(pages, 5);
    EXPECT_EQ(ids.size(), 300u);
    EXPECT_EQ(std::set<std::string>(ids.begin(), ids.end()).size(), 300u);
  }
}

TEST_F(ShopifyTest, CustomersAreListedOnce) {
  std::multiset<std::string> ids;
  for (std::string target = "/customers.json?limit=20"; !target.empty(); target = next()) {
    clock.advance(1s);
    ASSERT_EQ(ask("GET", target), 200) << target << reply.body;
    EXPECT_THAT(target, StartsWith("/customers.json"));
    for (const json::Value one : answer.root()["customers"].elements()) {
      ids.insert(std::string(one["id"].number_text()));
      EXPECT_TRUE(parse_time(one["updated_at"].as_string()));
    }
  }
  EXPECT_GT(ids.size(), 20u);
  EXPECT_EQ(std::set<std::string>(ids.begin(), ids.end()).size(), ids.size());
}

TEST_F(ShopifyTest, APageKeepsTheFiltersOfTheFirstAndTakesNoOthers) {
  ask("GET", "/orders.json?limit=1");
  const std::string newest(answer.root()["orders"].at(0)["created_at"].as_string());
  const std::string since = format_time(*parse_time(newest) - 90s * 9);
  std::size_t count = 0;
  for (std::string target = "/orders.json?limit=4&created_at_min=" + since; !target.empty(); target = next()) {
    ASSERT_EQ(ask("GET", target), 200);
    count += answer.root()["orders"].size();
  }
  EXPECT_EQ(count, 10u);
  ask("GET", "/orders.json?limit=4");
  const std::string second = next();
  EXPECT_EQ(ask("GET", second + "&status=any"), 400);
  EXPECT_EQ(ask("GET", "/orders.json?page_info=zz"), 400);
  EXPECT_EQ(ask("GET", "/orders.json?limit=251"), 400);
  EXPECT_EQ(ask("GET", "/orders.json?created_at_min=yesterday"), 400);
  EXPECT_EQ(ask("GET", "/orders.json?status=closed"), 200);
  EXPECT_EQ(at("orders"), "[]");
  ask("GET", "/orders.json?limit=1&fields=id,name");
  EXPECT_EQ(answer.root()["orders"].at(0).size(), 2u);
}

TEST_F(ShopifyTest, AnOrderAndItsCustomerAreFoundById) {
  ask("GET", "/orders.json?limit=1");
  const std::string order(answer.root()["orders"].at(0)["id"].number_text());
  const std::string customer(answer.root()["orders"].at(0)["customer"]["id"].number_text());
  EXPECT_EQ(ask("GET", "/orders/" + order + ".json"), 200);
  EXPECT_EQ(at("order.id"), order);
  EXPECT_EQ(ask("GET", "/customers/" + customer + ".json"), 200);
  EXPECT_EQ(at("customer.id"), customer);
  EXPECT_EQ(ask("GET", "/orders/1.json"), 404);
  EXPECT_EQ(at("errors"), "\"Not Found\"");
}

TEST_F(ShopifyTest, GraphqlAnswersWithItsCostAndRefusesWhatItDoesNotKnow) {
  EXPECT_EQ(ask("POST", "/graphql.json", R"({"query": "{ shop { name } }"})"), 200);
  EXPECT_EQ(at("data.shop.name"), "\"Double\"");
  EXPECT_EQ(at("extensions.cost.throttleStatus.maximumAvailable"), "100");
  EXPECT_EQ(at("extensions.cost.throttleStatus.currentlyAvailable"), "99");
  EXPECT_EQ(ask("POST", "/graphql.json", R"({"query": "query x { orders { id } }"})"), 200);
  EXPECT_THAT(at("errors.0.message"), HasSubstr("Field 'orders' doesn't exist on type 'QueryRoot'"));
}

}  // namespace
}  // namespace tieline::sandbox
