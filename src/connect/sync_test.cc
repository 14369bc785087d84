#include "core/sync_source.h"

#include <gtest/gtest.h>

#include "connect/test_support.h"

namespace tieline::connect {
namespace {

const char* kHead = R"(connector: x
title: X
category: crm
base_url: https://x.example.com
variables: { fields: { default: "name,email" } }
paginate: { cursor: query.after, from: .next, items: .items }
resources:
)";

const char* kContacts = R"(  contacts:
    id: .id
    updated: .updated
    sync:
      all: { call: list, with: { limit: 100 } }
      changes: { call: changed, with: { since: =.since } }
      overlap: 10m
      order: updated
      deletions: full_diff
    actions:
      list: { get: /contacts, args: { limit: integer }, query: ., returns: list }
      changed:
        { post: /search, safe: true, args: { since: { type: string, required: true }, kind: { enum: [a, b] } }, body: .,
          result: .items, returns: list, paginate: false }
      get: { get: "/contacts/{id}", args: { id: string } }
      put: { put: /contacts, returns: list }
)";

std::string problems_of(const std::string& resources) {
  spec::Problems problems;
  const auto connector = Connector::load(kHead + resources, "connectors/x.yaml", problems);
  EXPECT_EQ(connector == nullptr, !problems.ok());
  return problems.text();
}

std::string changed(const std::string& from, const std::string& to) {
  std::string text = kContacts;
  const std::size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

std::shared_ptr<const Connection> connection_of(const std::string& resources) {
  spec::Problems problems;
  const auto connector = Connector::load(kHead + resources, "connectors/x.yaml", problems);
  EXPECT_NE(connector, nullptr) << problems.text();
  ConnectionSettings settings;
  settings.name = "crm";
  auto connection = connector->bind(settings);
  EXPECT_TRUE(connection.has_value());
  return *connection;
}

SyncSourcePtr source_of(const std::string& resources = kContacts) {
  auto source = connection_of(resources)->sync("contacts");
  EXPECT_NE(source, nullptr);
  return source;
}

// One whose facts are read by `programs`, lines of the resource.
SyncSourcePtr reader_of(const std::string& programs) {
  return source_of("  contacts:\n" + programs +
                   "    sync: { all: list }\n    actions: { list: { get: /contacts, returns: list } }\n");
}

SyncSource::Facts facts_of(const SyncSourcePtr& source, const std::string& record) {
  auto facts = source->facts(doc(record));
  EXPECT_TRUE(facts.has_value()) << facts.error().text();
  return facts ? *facts : SyncSource::Facts{};
}

std::string error_of(const SyncSourcePtr& source, const std::string& record) {
  const auto facts = source->facts(doc(record));
  EXPECT_FALSE(facts.has_value()) << record;
  if (facts) return {};
  EXPECT_EQ(facts.error().code, Code::kInvalid);
  return facts.error().message;
}

Time at(const char* text) { return *parse_time(text); }

std::string printed(const Result<json::Document>& document) {
  EXPECT_TRUE(document.has_value()) << document.error().text();
  return document ? json::print(document->root()) : "";
}

TEST(Sync, IsWhatTheManifestSays) {
  const auto connection = connection_of(kContacts);
  EXPECT_EQ(connection->sync("deals"), nullptr);
  const auto source = connection->sync("contacts");
  ASSERT_NE(source, nullptr);
  EXPECT_EQ(source->name(), "crm.contacts");
  EXPECT_EQ(source->resource(), "contacts");
  EXPECT_EQ(source->all()->name(), "crm.contacts.list");
  EXPECT_EQ(source->changes()->name(), "crm.contacts.changed");
  EXPECT_EQ(source->overlap(), Duration(10min));
  EXPECT_TRUE(source->in_order());
  EXPECT_EQ(source->deletions(), Deletions::kFullDiff);
}

TEST(Sync, KnowsWhetherChangesComeInPages) {
  EXPECT_FALSE(source_of()->pages_changes());
  EXPECT_TRUE(source_of(changed(", paginate: false", ""))->pages_changes());
  EXPECT_TRUE(bound("hubspot")->sync("contacts")->pages_changes());
  EXPECT_TRUE(bound("shopify")->sync("customers")->pages_changes());
}

TEST(Sync, HasDefaults) {
  const auto source = reader_of("    id: .id\n");
  EXPECT_EQ(source->changes(), nullptr);
  EXPECT_EQ(source->overlap(), Duration(5min));
  EXPECT_FALSE(source->in_order());
  EXPECT_EQ(source->deletions(), Deletions::kNone);
  EXPECT_EQ(printed(source->all_arguments()), "{}");
}

TEST(Sync, MayCallAnActionOfAnotherResource) {
  const auto connection = connection_of(
      "  contacts: { id: .id, sync: { all: people.list } }\n"
      "  people: { actions: { list: { get: /people, returns: list } } }\n");
  ASSERT_NE(connection->sync("contacts"), nullptr);
  EXPECT_EQ(connection->sync("contacts")->all()->name(), "crm.people.list");
  EXPECT_EQ(connection->sync("people"), nullptr);
}

TEST(Sync, ARecordMayBeDescribedWithoutIt) {
  const auto connection =
      connection_of("  contacts: { id: .id, updated: .at, version: .v, deleted: .gone, actions: {} }\n");
  EXPECT_EQ(connection->sync("contacts"), nullptr);
}

TEST(Sync, GivesItsCallsTheirArguments) {
  const auto source = source_of();
  EXPECT_EQ(printed(source->all_arguments()), R"({"limit":100})");
  EXPECT_EQ(printed(source->changes_arguments(at("2026-11-29T10:00:00Z"))), R"({"since":"2026-11-29T10:00:00Z"})");
  EXPECT_EQ(printed(source->changes_arguments(at("2026-11-29T10:00:00.25Z"))),
            R"({"since":"2026-11-29T10:00:00.250000Z"})");

  const auto render = [](const ActionPtr& action, const Result<json::Document>& args) {
    const auto request = action->render(*args, {});
    EXPECT_TRUE(request.has_value()) << request.error().text();
    return request->method + " " + request->url + " " + request->body;
  };
  EXPECT_EQ(render(source->all(), source->all_arguments()), "GET https://x.example.com/contacts?limit=100 ");
  EXPECT_EQ(render(source->changes(), source->changes_arguments(at("2026-11-29T10:00:00Z"))),
            R"(POST https://x.example.com/search {"since":"2026-11-29T10:00:00Z"})");
}

TEST(Sync, ArgumentsSeeMillisecondsAndVariables) {
  const auto source =
      source_of(changed("{ since: =.since }", R"({ since: '=.since_ms | tostring + " " + $variables.fields' })"));
  EXPECT_EQ(printed(source->changes_arguments(at("2026-11-29T10:00:00.123456Z"))),
            R"({"since":"1795946400123 name,email"})");
}

// Whoever took it for a list without records would take all of them for gone.
TEST(Sync, AnAnswerWithoutAListIsNone) {
  const SyncSourcePtr source = source_of();
  const auto judged = [](const ActionPtr& action, std::string body) {
    return action->judge(answered(200, std::move(body)), Time());
  };
  EXPECT_EQ(judged(source->all(), R"({"items":[]})").category, Category::kDelivered);
  for (const ActionPtr& action : {source->all(), source->changes()}) {
    for (const char* other : {"<html>Back soon</html>", "", "\"soon\"", "7"}) {
      const Verdict verdict = judged(action, other);
      EXPECT_EQ(verdict.category, Category::kTransient) << other;
      EXPECT_NE(verdict.message, "") << other;
    }
    for (const char* other : {"{}", R"({"items":null})", R"({"error":"soon"})", R"([1])"}) {
      const Verdict verdict = judged(action, other);
      EXPECT_EQ(verdict.category, Category::kValidation) << other;
      EXPECT_FALSE(verdict.message.empty());
    }
  }
  // A flow's own call takes what is not there for nothing, as before.
  const auto connection = connection_of(kContacts);
  EXPECT_EQ(judged(connection->action("contacts", "list"), "{}").category, Category::kDelivered);
  EXPECT_TRUE(judged(connection->action("contacts", "list"), "{}").empty);
}

TEST(Sync, ArgumentsThatFailSayWhere) {
  const auto failing = source_of(changed("{ since: =.since }", R"('.since | error("no")')"));
  const auto error = failing->changes_arguments(kNow);
  ASSERT_FALSE(error.has_value());
  EXPECT_EQ(error.error().code, Code::kInvalid);
  EXPECT_TRUE(error.error().message.starts_with("crm.contacts: sync.changes.with: ")) << error.error().message;

  const auto listing =
      source_of(changed("{ since: =.since }", "'[.since]'"))->changes_arguments(at("2026-01-01T00:00:00Z"));
  ASSERT_FALSE(listing.has_value());
  EXPECT_EQ(listing.error().message,
            R"(crm.contacts: sync.changes.with must give an object, gave ["2026-01-01T00:00:00Z"])");
}

TEST(SyncFacts, ReadIdsOfTextAndOfNumbers) {
  const auto source = source_of();
  const auto text = facts_of(source, R"({"id":"77"})");
  EXPECT_EQ(text.id, "77");
  EXPECT_FALSE(text.number);
  const auto number = facts_of(source, R"({"id":820982911946154508})");
  EXPECT_EQ(number.id, "820982911946154508");
  EXPECT_TRUE(number.number);
  // A program that only the mapping engine can run gets it as a text.
  EXPECT_EQ(facts_of(reader_of("    id: '\"\\(.kind)-\\(.id)\"'\n"), R"({"kind":"a","id":820982911946154508})").id,
            "a-820982911946154508");
}

TEST(SyncFacts, ReadTimes) {
  const auto source = source_of();
  const Time expected = at("2026-11-29T10:00:00.5Z");
  EXPECT_EQ(facts_of(source, R"({"id":1,"updated":"2026-11-29T11:00:00.5+01:00"})").updated, expected);
  EXPECT_EQ(facts_of(source, R"({"id":1,"updated":1795946400500})").updated, expected);
  EXPECT_EQ(facts_of(source, R"({"id":1,"updated":1795946400})").updated, at("2026-11-29T10:00:00Z"));
  EXPECT_EQ(facts_of(source, R"({"id":1,"updated":null})").updated, std::nullopt);
  EXPECT_EQ(facts_of(source, R"({"id":1})").updated, std::nullopt);
}

TEST(SyncFacts, ReadTombstones) {
  EXPECT_FALSE(facts_of(source_of(), R"({"id":1,"archived":true})").deleted);
  const auto source = reader_of("    id: .id\n    deleted: .archived\n");
  EXPECT_TRUE(facts_of(source, R"({"id":1,"archived":true})").deleted);
  EXPECT_FALSE(facts_of(source, R"({"id":1,"archived":false})").deleted);
  EXPECT_FALSE(facts_of(source, R"({"id":1})").deleted);
  const auto moment = reader_of("    id: .id\n    deleted: .deleted_at\n");
  EXPECT_TRUE(facts_of(moment, R"({"id":1,"deleted_at":"2026-11-29T10:00:00Z"})").deleted);
  EXPECT_FALSE(facts_of(moment, R"({"id":1,"deleted_at":null})").deleted);
}

TEST(SyncFacts, TakeTheVersionThatIsSaid) {
  const auto source = reader_of("    id: .id\n    updated: .at\n    version: .v\n");
  EXPECT_EQ(facts_of(source, R"({"id":1,"at":1795946400,"v":"e7"})").version, "e7");
  EXPECT_EQ(facts_of(source, R"({"id":1,"at":1795946400,"v":12345678901234567890})").version, "12345678901234567890");
  // As long as 128 bytes as it is, then its hash.
  EXPECT_EQ(facts_of(source, R"({"id":1,"v":")" + std::string(128, 'v') + "\"}").version, std::string(128, 'v'));
  const std::string hash = facts_of(source, R"({"id":1,"v":")" + std::string(129, 'v') + "\"}").version;
  EXPECT_EQ(hash.size(), 16u);
  EXPECT_NE(hash, facts_of(source, R"({"id":1,"v":")" + std::string(130, 'v') + "\"}").version);
}

TEST(SyncFacts, WithoutAVersionTakeTheTime) {
  const auto source = reader_of("    id: .id\n    updated: .at\n    version: .v\n");
  EXPECT_EQ(facts_of(source, R"({"id":1,"at":1795946400,"v":null})").version, "2026-11-29T10:00:00Z");
  EXPECT_EQ(facts_of(source, R"({"id":1,"at":1795946400,"v":""})").version, "2026-11-29T10:00:00Z");
  // One moment is one version, however it is written.
  EXPECT_EQ(facts_of(source_of(), R"({"id":1,"updated":"2026-11-29T05:00:00-05:00"})").version, "2026-11-29T10:00:00Z");
}

TEST(SyncFacts, WithoutATimeTakeAHashOfTheRecord) {
  const auto source = reader_of("    id: .id\n");
  const std::string first = facts_of(source, R"({"id":1,"name":"Ada"})").version;
  EXPECT_EQ(first.size(), 16u);
  EXPECT_EQ(first, facts_of(source, R"({ "id": 1, "name": "Ada" })").version);
  EXPECT_NE(first, facts_of(source, R"({"id":1,"name":"Bob"})").version);
  // A version that is a list or an object is its hash: here of all but what changes by itself.
  const auto part = reader_of("    id: .id\n    version: .parts\n");
  EXPECT_EQ(facts_of(part, R"({"id":1,"parts":[1,2],"seen":1})").version,
            facts_of(part, R"({"id":1,"parts":[1,2],"seen":2})").version);
  EXPECT_NE(facts_of(part, R"({"id":1,"parts":[1,2]})").version, facts_of(part, R"({"id":1,"parts":[2]})").version);
}

TEST(SyncFacts, RefuseARecordThatIsNotOne) {
  const auto source = source_of();
  EXPECT_EQ(error_of(source, R"({"name":"Ada"})"),
            "crm.contacts: a record: `id` must give a text or number, gave null");
  EXPECT_EQ(error_of(source, R"({"id":["a"]})"),
            R"(crm.contacts: a record: `id` must give a text or number, gave ["a"])");
  EXPECT_EQ(error_of(source, R"({"id":true})"), "crm.contacts: a record: `id` must give a text or number, gave true");
  EXPECT_EQ(error_of(source, R"({"id":""})"), "crm.contacts: a record: `id` gave an empty text");
  EXPECT_EQ(facts_of(source, "{\"id\":\"" + std::string(512, 'a') + "\"}").id.size(), 512u);
  const std::string longer = error_of(source, "{\"id\":\"" + std::string(513, 'a') + "\"}");
  EXPECT_TRUE(longer.starts_with("crm.contacts: a record: `id` gave 513 bytes, of which 512 are allowed: \"aaaa"))
      << longer;
  EXPECT_LT(longer.size(), 160u);
  EXPECT_EQ(error_of(source, R"({"id":77,"updated":"yesterday"})"),
            R"(crm.contacts: the record 77: `updated` must give a time, gave "yesterday")");
  EXPECT_EQ(error_of(source, R"({"id":77,"updated":"2026-11-29T10:00:00"})"),
            R"(crm.contacts: the record 77: `updated` must give a time, gave "2026-11-29T10:00:00")");
  EXPECT_EQ(error_of(source, R"({"id":77,"updated":-1})"),
            "crm.contacts: the record 77: `updated` must give a time, gave -1");
}

TEST(SyncFacts, ReportAProgramThatFails) {
  EXPECT_TRUE(error_of(source_of(), "[1]").starts_with("crm.contacts: a record: `id`: "))
      << error_of(source_of(), "[1]");
  const auto source = reader_of("    id: .id\n    updated: '.at | error(\"a\")'\n    version: '.v | error(\"b\")'\n");
  EXPECT_TRUE(error_of(source, R"({"id":1})").starts_with("crm.contacts: the record 1: `updated`: "));
  const auto version = reader_of("    id: .id\n    version: '.v | error(\"b\")'\n");
  EXPECT_TRUE(error_of(version, R"({"id":1})").starts_with("crm.contacts: the record 1: `version`: "));
  const auto deleted = reader_of("    id: .id\n    deleted: '.v | error(\"b\")'\n");
  EXPECT_TRUE(error_of(deleted, R"({"id":1})").starts_with("crm.contacts: the record 1: `deleted`: "));
}

TEST(Sync, ReportsFaultsOfTheManifestWithTheirPlaces) {
  EXPECT_EQ(problems_of(kContacts), "");
  struct Case {
    const char* from;
    const char* to;
    const char* expected;
  };
  const Case cases[] = {
      {"    id: .id\n", "", "connectors/x.yaml:11:7: error: `sync` needs the resource's `id`: which record is which"},
      {"    id: .id\n", "    id: '.id |'\n", "connectors/x.yaml:9:"},
      {"    updated: .updated\n", "",
       "connectors/x.yaml:12:16: error: `changes` needs the resource's `updated`: the next reading begins there"},
      {"      all: { call: list, with: { limit: 100 } }\n", "",
       "connectors/x.yaml:12:7: error: the key \"all\" is missing in sync"},
      {"call: list", "call: lst",
       "connectors/x.yaml:12:20: error: there is no action `contacts.lst`; did you mean \"contacts.list\"?"},
      {"call: list", "call: contact.list",
       "connectors/x.yaml:12:20: error: there is no action `contact.list`; did you mean \"contacts.list\"?"},
      {"{ call: list, with: { limit: 100 } }", "put",
       "connectors/x.yaml:12:12: error: `contacts.put` is not safe: reading must change nothing"},
      {"{ call: list, with: { limit: 100 } }", "{ call: get, with: { id: '1' } }",
       "connectors/x.yaml:12:20: error: `contacts.get` returns no list: records come in lists"},
      {"{ limit: 100 }", "{ limti: 100 }",
       "connectors/x.yaml:12:41: error: `contacts.list` has no argument `limti`; did you mean \"limit\"?"},
      {"{ limit: 100 }", "{ limit: many }",
       "connectors/x.yaml:12:41: error: argument `limit` must be integer, is string \"many\""},
      {"{ limit: 100 }", "[ 100 ]", "connectors/x.yaml:12:32: error: `with` must be a map or a program"},
      {"{ limit: 100 }", "{ limit: '=.a |' }", "connectors/x.yaml:12:"},
      {", with: { since: =.since }", "",
       "connectors/x.yaml:13:24: error: `contacts.changed` needs the argument `since`"},
      {"{ since: =.since }", "{ since: today }",
       "connectors/x.yaml:13:24: error: `changes` asks for all records, since nothing in its `with` uses .since"},
      {"{ since: =.since }", "{ since: =.sinc }",
       "connectors/x.yaml:13:24: error: `changes` asks for all records, since nothing in its `with` uses .since"},
      {"{ since: =.since }", "{ since: null }",
       "connectors/x.yaml:13:24: error: `contacts.changed` needs the argument `since`"},
      {"{ since: =.since }", "{ since: =.since, kind: c }",
       "connectors/x.yaml:13:63: error: argument `kind` must be one of a, b, is \"c\""},
      {"      changes: { call: changed, with: { since: =.since } }\n      overlap: 10m\n", "",
       "connectors/x.yaml:13:14: error: `order` is about `changes`, which is not there"},
      {"      changes: { call: changed, with: { since: =.since } }\n", "",
       "connectors/x.yaml:13:16: error: `overlap` is about `changes`, which is not there"},
      {"overlap: 10m", "overlap: 30d", "connectors/x.yaml:14:16: error: "},
      {"order: updated", "order: updatd",
       "connectors/x.yaml:15:14: error: expected one of updated, none, found \"updatd\"; did you mean \"updated\"?"},
      {"deletions: full_diff", "deletions: tombstones",
       "connectors/x.yaml:16:18: error: `deletions: tombstones` needs the resource's `deleted`: whether a record is "
       "one"},
      {"deletions: full_diff", "deletions: fulldiff", "did you mean \"full_diff\"?"},
      {"deletions: full_diff", "bulk: 1", "connectors/x.yaml:16:7: error: `bulk` is not available in this version"},
      {"    id: .id\n", "    id: .id\n    dates: x\n",
       "connectors/x.yaml:10:5: error: `dates` is not available in this version"},
      {"    id: .id\n", "    id: .id\n    key: x\n",
       "connectors/x.yaml:10:5: error: `key` is not available in this version"},
      {"    id: .id\n", "    id: .id\n    delted: .x\n", "did you mean \"deleted\"?"},
  };
  for (const Case& one : cases) {
    const std::string text = problems_of(changed(one.from, one.to));
    EXPECT_NE(text.find(one.expected), std::string::npos) << one.from << " -> " << one.to << "\n" << text;
  }
  EXPECT_NE(problems_of("  contacts: { id: .id, version: '.v |', actions: {} }\n").find("connectors/x.yaml:8:"),
            std::string::npos);
}

// METHOD URL BODY of what a reading of changes begins with.
std::string changes_of(const SyncSourcePtr& source, const char* since) {
  const auto request = source->changes()->render(*source->changes_arguments(at(since)), {});
  EXPECT_TRUE(request.has_value()) << request.error().text();
  return request ? request->method + " " + request->url + " " + request->body : "";
}

std::string all_of(const SyncSourcePtr& source) {
  const auto request = source->all()->render(*source->all_arguments(), {});
  EXPECT_TRUE(request.has_value()) << request.error().text();
  return request ? request->method + " " + request->url + " " + request->body : "";
}

TEST(SyncManifests, OfHubSpot) {
  EXPECT_EQ(catalog().find("hubspot")->syncs(), (std::vector<std::string>{"contacts"}));
  const auto source = bound("hubspot")->sync("contacts");
  ASSERT_NE(source, nullptr);
  EXPECT_TRUE(source->in_order());
  EXPECT_EQ(source->deletions(), Deletions::kFullDiff);
  EXPECT_EQ(all_of(source),
            "GET https://api.hubapi.com/crm/v3/objects/contacts?properties=company&properties=email&"
            "properties=firstname&properties=lastmodifieddate&properties=lastname&properties=phone&limit=100 ");
  EXPECT_EQ(changes_of(source, "2026-11-29T10:00:00.123Z"),
            R"(POST https://api.hubapi.com/crm/v3/objects/contacts/search {"filterGroups":[{"filters":)"
            R"([{"propertyName":"lastmodifieddate","operator":"GTE","value":"1795946400123"}]}],)"
            R"("properties":["company","email","firstname","lastmodifieddate","lastname","phone"],)"
            R"("sorts":[{"propertyName":"lastmodifieddate","direction":"ASCENDING"}],"limit":200,"after":"0"})");
  const auto body = R"({"total":2,"results":[{"id":"77"}],"paging":{"next":{"after":"1"}}})";
  const auto request = source->changes()->render(*source->changes_arguments(kNow), {});
  const auto more = source->changes()->next_page(*request, answered(200, body));
  ASSERT_TRUE(more.has_value() && more->has_value());
  EXPECT_TRUE((*more)->body.ends_with(R"("limit":200,"after":"1"})")) << (*more)->body;
  EXPECT_EQ(json::print(source->changes()->judge(answered(200, body), kNow).result.root()), R"([{"id":"77"}])");
  const auto next = source->all()->next_page(*source->all()->render(*source->all_arguments(), {}), answered(200, body));
  ASSERT_TRUE(next.has_value() && next->has_value());
  EXPECT_TRUE((*next)->url.ends_with("&limit=100&after=1")) << (*next)->url;

  const auto facts = facts_of(source, R"({"id":"77","properties":{"email":"ada@example.com",
      "lastmodifieddate":"2024-09-11T13:27:39.356Z"},"updatedAt":"2024-09-11T13:27:39.400Z","archived":false})");
  EXPECT_EQ(facts.id, "77");
  EXPECT_EQ(facts.updated, at("2024-09-11T13:27:39.356Z"));
  EXPECT_EQ(facts.version, "2024-09-11T13:27:39.356000Z");
  EXPECT_FALSE(facts.deleted);

  ConnectionSettings settings = settings_of("hubspot");
  settings.variables.emplace_back("contact_properties", "email");
  EXPECT_EQ(
      all_of(bound("hubspot", settings)->sync("contacts")),
      "GET https://api.hubapi.com/crm/v3/objects/contacts?properties=email&properties=lastmodifieddate&limit=100 ");
}

TEST(SyncManifests, OfShopify) {
  EXPECT_EQ(catalog().find("shopify")->syncs(), (std::vector<std::string>{"orders", "customers"}));
  const auto connection = bound("shopify");
  const auto customers = connection->sync("customers");
  EXPECT_EQ(customers->deletions(), Deletions::kFullDiff);
  EXPECT_EQ(all_of(customers), "GET https://acme.myshopify.com/admin/api/2026-07/customers.json?limit=250 ");
  EXPECT_EQ(changes_of(customers, "2026-11-29T10:00:00.5Z"),
            "GET https://acme.myshopify.com/admin/api/2026-07/customers.json?"
            "updated_at_min=2026-11-29T10%3A00%3A00Z&limit=250 ");
  const auto orders = connection->sync("orders");
  EXPECT_EQ(orders->deletions(), Deletions::kNone);
  EXPECT_EQ(changes_of(orders, "2026-11-29T10:00:00Z"),
            "GET https://acme.myshopify.com/admin/api/2026-07/orders.json?"
            "updated_at_min=2026-11-29T10%3A00%3A00Z&status=any&limit=100 ");
  // Two changes of one second are two versions.
  const auto first =
      facts_of(customers, R"({"id":820982911946154508,"updated_at":"2026-11-29T05:00:00-05:00","note":"a"})");
  const auto second =
      facts_of(customers, R"({"id":820982911946154508,"updated_at":"2026-11-29T05:00:00-05:00","note":"b"})");
  EXPECT_EQ(first.id, "820982911946154508");
  EXPECT_EQ(first.updated, at("2026-11-29T10:00:00Z"));
  EXPECT_NE(first.version, second.version);
}

TEST(SyncManifests, OfStripe) {
  EXPECT_EQ(catalog().find("stripe")->syncs(), (std::vector<std::string>{"customers"}));
  const auto source = bound("stripe")->sync("customers");
  EXPECT_EQ(source->changes(), nullptr);
  EXPECT_EQ(source->deletions(), Deletions::kFullDiff);
  EXPECT_EQ(all_of(source), "GET https://api.stripe.com/v1/customers?limit=100 ");
  EXPECT_EQ(facts_of(source, R"({"id":"cus_1","email":"ada@example.com"})").id, "cus_1");
}

}  // namespace
}  // namespace tieline::connect
