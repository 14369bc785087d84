#include "connect/manifest.h"

#include <gtest/gtest.h>

#include "connect/test_support.h"
#include "spec/docs.h"
#include "spec/schema.h"

namespace tieline::connect {
namespace {

std::string problems_of(const std::string& text) {
  spec::Problems problems;
  const auto connector = Connector::load(text, "connectors/x.yaml", problems);
  EXPECT_EQ(connector == nullptr, !problems.ok());
  return problems.text();
}

const char* kGood = R"(connector: x
title: X
category: crm
base_url: https://x.example.com
limits: [ { name: all, rate: 10/s } ]
resources:
  things:
    actions:
      get: { get: "/things/{id}", args: { id: string } }
      create: { post: /things, args: { "*": any }, body: . }
)";

std::string with(const std::string& from, const std::string& to) {
  std::string text = kGood;
  const std::size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

TEST(Manifest, EveryEmbeddedOneLoads) {
  ASSERT_EQ(embedded_files().size(), 6u);
  for (const EmbeddedFile& file : embedded_files()) {
    spec::Problems problems;
    const auto connector = Connector::load(std::string(file.text), std::string(file.path), problems);
    EXPECT_TRUE(problems.empty()) << problems.text();
    ASSERT_NE(connector, nullptr);
    EXPECT_FALSE(connector->title().empty());
  }
}

TEST(Manifest, TheExampleOfTheReferenceLoads) {
  const auto page = read_text("docs/manifests.md");
  ASSERT_TRUE(page);
  const std::size_t begin = page->find("```yaml\nconnector: example\n");
  ASSERT_NE(begin, std::string::npos);
  const std::size_t first = begin + 8;
  spec::Problems problems;
  const auto connector =
      Connector::load(page->substr(first, page->find("```", first) - first), "example.yaml", problems);
  EXPECT_TRUE(problems.empty()) << problems.text();
  ASSERT_NE(connector, nullptr);
  EXPECT_EQ(connector->actions("tickets"), (std::vector<std::string>{"get", "list", "create"}));
}

TEST(Manifest, ReportsFaultsWithTheirPlaces) {
  EXPECT_EQ(problems_of(kGood), "");
  struct Case {
    const char* from;
    const char* to;
    const char* expected;  // place and a part of the message
  };
  const Case cases[] = {
      {"title: X", "titel: X",
       "connectors/x.yaml:2:1: error: unknown key \"titel\" in manifest; did you mean \"title\"?"},
      {"connector: x", "connector: y", "connectors/x.yaml:1:12: error: the connector is named `y`"},
      {"category: crm", "category: cmr", "connectors/x.yaml:3:11: error: expected one of"},
      {"title: X", "title: X\nsync: 1", "connectors/x.yaml:3:1: error: `sync` is not available in this version"},
      {"rate: 10/s", "rate: 10/s, zone: UTC", "`zone` is for days: write `window: fixed` and a rate per day"},
      {"rate: 10/s", "rate: 10/d, window: fixed, zone: Europe/Berln", "did you mean \"Europe/Berlin\"?"},
      {"rate: 10/s", "rate: 10/s, shared_with: outsid", "did you mean \"outside\"?"},
      {"rate: 10/s", "rate: 10/s, reset: .x",
       "connectors/x.yaml:5:36: error: `reset` is told by the answer: write `observe: { reset: PROGRAM }`"},
      {"rate: 10/s", "rate: 10/s, zonne: UTC", "connectors/x.yaml:5:36: error: unknown key \"zonne\" in limit"},
      {"rate: 10/s", "rate: 10/s, concurrent: 2",
       "connectors/x.yaml:5:11: error: exactly one of rate, restore, concurrent"},
      {"rate: 10/s", "rate: { by: plan, a: 1/s }", "`by` must name a variable"},
      {"rate: 10/s", "rate: 10/s, per: [account, arg.nosuch]", "counts by the arg `nosuch`"},
      {"rate: 10/s", "rate: 10/s, per: app", "`app` is not available in this version"},
      {"/things/{id}", "/things/{idd}",
       "connectors/x.yaml:9:27: error: `{idd}` is neither a variable nor known here; did you mean \"id\"?"},
      {"/things/{id}", "/things/{id|soql}",
       "connectors/x.yaml:9:27: error: the filter `soql` is not available in this version"},
      {"https://x.example.com", "https://{shop}.example.com", "connectors/x.yaml:4:19: error: `{shop}` is neither"},
      {"https://x.example.com", "https://x.example.com/", "must not end with /"},
      {"base_url: https://x.example.com", "", "missing key `base_url`"},
      {"body: .", "body: '{ a: nosuch }'", "connectors/x.yaml:10:6"},
      {"body: .", "body: ., get: /y", "exactly one of get, post, put, patch, delete"},
      {"body: .", "body: ., bucket: al", "there is no bucket `al` in limits; did you mean \"all\"?"},
      {"body: .", "body: ., graphql: x", "is not available in this version"},
      {"body: .", "body: ., find: { call: things.gte }",
       "there is no action `things.gte`; did you mean \"things.get\"?"},
      {"body: .", "body: ., find: { call: things.create }", "looking must change nothing"},
      {"body: .", "body: ., idempotency: { into: body.key, keep_for: 1h }", "`into: body.key` is not available"},
      {"body: .", "body: ., headers: { Host: evil }", "is the program's own"},
      {"args: { id: string }", "args: { id: strng }", "did you mean \"string\"?"},
      {"args: { id: string }", "args: { id: { type: integer, default: abc } }",
       "default: argument `id` must be integer"},
      {"args: { id: string }", "args: { id: { type: string, pattern: '(' } }", "pattern of `id`"},
      {"args: { id: string }", "args: { id: string }, paginate: { from: .x, cursor: query.c, page: 1 }",
       "is not available in this version"},
      {"args: { id: string }", "args: { id: string }, returns: list, paginate: { cursor: query.c }",
       "`cursor` needs `from`"},
      {"args: { id: string }", "args: { id: string }, returns: list, paginate: { cursor: body.a..c, from: .x }",
       "expected body.NAME or body.NAME.NAME, found \"body.a..c\""},
      {"args: { id: string }", "args: { id: string }, returns: list, paginate: { cursor: body.c, from: .x }",
       "the cursor goes into the body, and the action has none"},
      {"args: { id: string }",
       "args: { id: string }, returns: list, paginate: { cursor: query.c, from: .x, limit: body.l, size: 5 }",
       "`body.l` is not available"},
      {"resources:", "health: { call: things.create, proves: x }\nresources:", "must be safe and need no args"},
      {"resources:", "errors: { rules: [ { as: auth } ] }\nresources:", "a rule needs status, code or when"},
      {"resources:", "errors: { rules: [ { status: 600, as: auth } ] }\nresources:", "expected a status like 429"},
      {"resources:", "errors: { rules: [ { status: 400, as: renew } ] }\nresources:",
       "`renew` is not available in this version"},
      {"resources:", "errors: { rules: [ { status: 429, as: rate_limited, bucket: no } ] }\nresources:",
       "there is no bucket `no`"},
      {"resources:", "auth: { a: { bearer: x, basic: { user: a, password: b } } }\nresources:",
       "exactly one of bearer, basic"},
      {"resources:", "auth: { a: { hmac: x } }\nresources:", "`hmac` is not available in this version"},
      {"resources:",
       "webhooks: { verify: [ { hmac: md5, encoding: hex, header: X, keys: [k] } ], event: {} }\nresources:",
       "expected sha1, sha256 or sha512"},
      {"resources:",
       "webhooks: { verify: [ { hmac: sha256, encoding: hex, header: X, over: '{timestamp}', keys: [k] } ], event: {} "
       "}\nresources:",
       "needs the scheme's `timestamp`"},
      {"resources:", "webhooks: { verify: [ { rsa: x, keys: [k] } ], event: {} }\nresources:",
       "is not available in this version"},
      {"resources:", "webhooks: { verify: [ { token: query.k, keys: [k] } ], event: {} }\nresources:",
       "`query.k` is not available"},
      {"resources:", "webhooks: { verify: [ { token: header.k, keys: [k] } ], event: { id: '.a |' } }\nresources:",
       "connectors/x.yaml:6:"},
      {"resources:", "webhooks: { verify: [ { token: header.k, keys: [k] } ], decode: form, event: {} }\nresources:",
       "`form` is not available"},
  };
  for (const Case& one : cases) {
    const std::string text = problems_of(with(one.from, one.to));
    EXPECT_NE(text.find(one.expected), std::string::npos) << one.to << "\n" << text;
  }
}

TEST(Manifest, HasAReferenceAndASchema) {
  const auto& table = describe(static_cast<const Manifest*>(nullptr));
  EXPECT_TRUE(json::parse(spec::json_schema(table, "manifest")).has_value());
  EXPECT_NE(spec::reference_docs(table).find("keep_for"), std::string::npos);
}

TEST(Catalog, KnowsTheEmbeddedConnectors) {
  EXPECT_EQ(catalog().connectors(),
            (std::vector<std::string>{"http", "hubspot", "shopify", "slack", "standard-webhooks", "stripe"}));
  EXPECT_EQ(catalog().find("nosuch"), nullptr);
  const Connector* hubspot = catalog().find("hubspot");
  ASSERT_NE(hubspot, nullptr);
  EXPECT_EQ(hubspot->buckets(), (std::vector<std::string>{"burst", "search", "daily"}));
  EXPECT_EQ(hubspot->webhook_secrets(), (std::vector<std::string>{"client_secret"}));
  const auto methods = hubspot->auth_methods();
  ASSERT_EQ(methods.size(), 2u);
  EXPECT_TRUE(methods[0].available && !methods[1].available);
  EXPECT_EQ(methods[0].fields, (std::vector<std::string>{"token"}));
  const auto upsert = hubspot->find("deals", "upsert");
  ASSERT_TRUE(upsert);
  EXPECT_EQ(upsert->safety, Safety::kRepeatable);
  EXPECT_TRUE(upsert->other_arguments);
  ASSERT_EQ(upsert->arguments.size(), 2u);
  EXPECT_TRUE(upsert->arguments[1].refused);
  EXPECT_EQ(hubspot->find("deals", "nosuch"), std::nullopt);
}

TEST(Bind, RefusesSettingsThatDoNotFit) {
  struct Case {
    const char* connector;
    void (*change)(ConnectionSettings&);
    const char* expected;
  };
  const Case cases[] = {
      {"shopify", [](ConnectionSettings& s) { s.variables.clear(); }, "variable `shop` is missing, for example acme"},
      {"shopify",
       [](ConnectionSettings& s) {
         s.variables = {{"shop", "ac/me"}};
       },
       "variable `shop` must match"},
      {"shopify", [](ConnectionSettings& s) { s.variables.emplace_back("plna", "x"); },
       "no variable `plna`; did you mean \"plan\"?"},
      {"shopify", [](ConnectionSettings& s) { s.variables.emplace_back("plan", "gold"); },
       "one of standard, advanced, plus"},
      {"shopify", [](ConnectionSettings& s) { s.auth_values.clear(); }, "needs `token`"},
      {"shopify",
       [](ConnectionSettings& s) {
         s.auth_values = {{"tokn", "x"}};
       },
       "no field `tokn`; did you mean \"token\"?"},
      {"shopify",
       [](ConnectionSettings& s) {
         s.auth_values = {{"token", "a\nb"}};
       },
       "must not hold a line end"},
      {"shopify",
       [](ConnectionSettings& s) {
         s.webhook_secrets = {{"secret", "x"}};
       },
       "no webhook secret `secret`"},
      {"shopify", [](ConnectionSettings& s) { s.base_url = "ftp://x"; }, "base_url must be an address"},
      {"shopify",
       [](ConnectionSettings& s) {
         s.budget = {{"rset", spec::Rate{1}, {}}};
       },
       "no bucket `rset`; did you mean \"rest\"?"},
      {"hubspot", [](ConnectionSettings& s) { s.auth_method = "app"; }, "is not available in this version"},
      {"hubspot", [](ConnectionSettings& s) { s.auth_method = "private_ap"; }, "did you mean \"private_app\"?"},
      {"http", [](ConnectionSettings& s) { s.variables.emplace_back("signature_hash", "md5"); },
       "one of sha1, sha256, sha512"},
      {"stripe",
       [](ConnectionSettings& s) {
         s.auth_method = "basic_key", s.auth_values = {{"key", "a:b"}};
       },
       "must not hold a colon"},
  };
  for (const Case& one : cases) {
    ConnectionSettings settings = settings_of(one.connector);
    one.change(settings);
    const auto connection = catalog().find(one.connector)->bind(settings);
    ASSERT_FALSE(connection.has_value()) << one.expected;
    EXPECT_NE(connection.error().message.find(one.expected), std::string::npos) << connection.error().message;
  }
}

}  // namespace
}  // namespace tieline::connect
