#include <gtest/gtest.h>
#include <array>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "connect/catalog.h"
#include "json/value.h"
#include "workspace/compile.h"
#include "workspace/connect_catalog.h"
#include "workspace/docs.h"
#include "workspace/load.h"

namespace tieline::workspace {
namespace {

SecretSources all_secrets() {
  return {.environment =
              [](const std::string& name) {
                const bool whsec = name == "ERP_WEBHOOK_SECRET";
                return std::optional<std::string>(whsec ? "whsec_MDEyMzQ1Njc4OWFiY2RlZg==" : "value of " + name);
              },
          .file = [](const std::string& path) { return Result<std::string>("content of " + path + "\n"); }};
}

const ConnectorCatalog& catalog() {
  static const connect::Catalog manifests;
  static const ConnectCatalog catalog(manifests);
  return catalog;
}

Files small_workspace() {
  return {.texts = {{"tieline.yaml", "variables: { stage: closedwon, ids: [1, 12345678901234567890] }\n"},
                    {"connections/shopify.yaml",
                     "connector: shopify\nvariables: { shop: acme }\nauth: { access_token: { token: env:A } }\n"
                     "secrets: { client_secret: env:B }\n"},
                    {"connections/hubspot.yaml", "connector: hubspot\nauth: { private_app: { token: env:C } }\n"},
                    {"flows/orders.yaml",
                     "on: { webhook: shopify, event: [orders/create, orders/updated] }\nkey: .customer.id\n"
                     "index: { order: .order_number }\nretry: { first: 2s, tries: 4 }\nsteps:\n"
                     "  - let: { email: =.email }\n"
                     "  - { call: hubspot.contacts.search, with: { email: =$email }, as: contact }\n"
                     "  - { filter: $contact != null, if: .id > 0 }\n"}}};
}

TEST(Load, GivesEverythingThatAServerNeeds) {
  const Loaded loaded = load(small_workspace(), catalog(), all_secrets());
  ASSERT_NE(loaded.workspace, nullptr) << loaded.problems.text();
  EXPECT_TRUE(loaded.problems.empty()) << loaded.problems.text();
  const Workspace& workspace = *loaded.workspace;
  EXPECT_EQ(workspace.settings.listen.hooks.text(), "0.0.0.0:8080");
  EXPECT_EQ(json::print(workspace.variables.root()), R"({"stage":"closedwon","ids":[1,12345678901234567890]})");
  ASSERT_EQ(workspace.connections.size(), 2u);
  EXPECT_NE(workspace.connection("hubspot"), nullptr);
  EXPECT_EQ(workspace.connection("none"), nullptr);
  ASSERT_EQ(workspace.flows.size(), 1u);
  const Flow& flow = *workspace.flows[0];
  EXPECT_EQ(flow.name, "orders");
  EXPECT_EQ(flow.variables, (std::vector<std::string>{"event", "vars", "flow", "run", "email", "contact"}));
  ASSERT_EQ(flow.triggers.size(), 1u);
  EXPECT_EQ(flow.triggers[0].connection, "shopify");
  EXPECT_EQ(flow.triggers[0].types, (std::vector<std::string>{"orders/create", "orders/updated"}));
  EXPECT_EQ(flow.retry.first, Duration(2s));
  EXPECT_EQ(flow.retry.tries, 4u);
  ASSERT_EQ(flow.steps.size(), 3u);
  EXPECT_EQ(flow.steps[1]->kind(), "call");
  EXPECT_EQ(flow.steps[1]->place().text(), "flows/orders.yaml:7:5");
  EXPECT_EQ(flow.steps[0]->condition(), nullptr);
  EXPECT_NE(flow.steps[2]->condition(), nullptr);
}

TEST(Load, HashChangesWithTheTextTheVariablesAndTheZoneOnly) {
  const auto hash = [](const Files& files) { return load(files, catalog(), all_secrets()).workspace->flows[0]->hash; };
  const std::string first = hash(small_workspace());
  EXPECT_EQ(hash(small_workspace()), first);
  Files text = small_workspace();
  text.texts["flows/orders.yaml"] += "  - stop: done\n";
  EXPECT_NE(hash(text), first);
  Files variables = small_workspace();
  variables.texts["tieline.yaml"] = "variables: { stage: lost }\n";
  EXPECT_NE(hash(variables), first);
  Files zone = small_workspace();
  zone.texts["tieline.yaml"] += "zone: UTC\n";
  EXPECT_EQ(hash(zone), first);
  zone.texts["tieline.yaml"] = small_workspace().texts["tieline.yaml"] + "zone: Asia/Tokyo\n";
  EXPECT_NE(hash(zone), first);
}

TEST(Load, ProgramsAreInTheWorkspacesZoneAndStayInIt) {
  Files files = small_workspace();
  files.texts["tieline.yaml"] += "zone: Asia/Tokyo\n";
  files.texts["flows/orders.yaml"] =
      "on: { webhook: shopify, event: orders/create }\nkey: 1795470240 | in_zone\nsteps: [ { stop: x } ]\n";
  const auto key = [](const FlowPtr& flow) {
    const std::vector<json::Document> variables(flow->variables.size());
    return json::print(flow->key->run_one({}, variables)->root());
  };
  const Loaded then = load(files, catalog(), all_secrets());
  ASSERT_NE(then.workspace, nullptr) << then.problems.text();
  const Flow& flow = *then.workspace->flows[0];
  EXPECT_EQ(key(then.workspace->flows[0]), "\"2026-11-24T06:44:00+09:00\"");

  FlowArchive archive;
  archive.use(then.workspace->actions, {});
  const Result<FlowPtr> again = archive.compile(flow.name, flow.hash, flow.source);
  ASSERT_TRUE(again) << again.error().text();
  EXPECT_EQ((*again)->hash, flow.hash);
  EXPECT_EQ(key(*again), "\"2026-11-24T06:44:00+09:00\"");

  files.texts["tieline.yaml"] = "zone: Asia/Tokio\n";
  EXPECT_NE(load(files, catalog(), all_secrets())
                .problems.text()
                .find("there is no time zone \"Asia/Tokio\"; did you mean \"Asia/Tokyo\"?"),
            std::string::npos);
}

// A variable that is not made where a program reads it would be null without a word.
TEST(Load, EveryVariableThatAProgramMaySeeIsMade) {
  const auto visible = [](const std::string& program) {
    Files files = small_workspace();
    files.texts["flows/orders.yaml"] =
        "on: { webhook: shopify, event: orders/create }\nkey: '" + program + "'\nsteps: [ { stop: x } ]\n";
    const Loaded loaded = load(files, catalog(), all_secrets());
    EXPECT_NE(loaded.workspace, nullptr) << loaded.problems.text();
    return loaded.workspace->flows[0]->visible;
  };
  using Visible = std::array<bool, kFixedSlots>;  // event vars flow run
  EXPECT_EQ(visible(".id"), (Visible{false, false, false, false}));
  EXPECT_EQ(visible("$event.id"), (Visible{true, false, false, false}));
  EXPECT_EQ(visible("[$flow.name, $run.id]"), (Visible{false, false, true, true}));
  EXPECT_TRUE(visible("$ event.id")[kSlotEvent]) << "space behind the sign";
  EXPECT_TRUE(visible("{$event} | length")[kSlotEvent]) << "short for event: $event";
}

TEST(Load, ShowsPlacesWithThePrefix) {
  Files files = small_workspace();
  files.prefix = "work/";
  files.texts["flows/orders.yaml"] = "steps: []\n";
  const Loaded loaded = load(files, catalog(), all_secrets());
  EXPECT_EQ(loaded.workspace, nullptr);
  EXPECT_EQ(loaded.problems.text().find("work/flows/orders.yaml:1:1: error: "), 0u) << loaded.problems.text();
}

TEST(Load, FindsAPatternOfAVariableAnywhereUnlessItIsAnchored) {
  const auto problems = [](const std::string& address) {
    Files files = small_workspace();
    files.texts["connections/erp.yaml"] = "connector: http\nvariables: { base_url: \"" + address + "\" }\n";
    return load(files, catalog(), all_secrets()).problems.text();
  };
  EXPECT_EQ(problems("http://erp.example:8080/v1").find("error:"), std::string::npos);
  EXPECT_NE(problems("erp.example/https://").find("must match ^https?://"), std::string::npos);
}

// With a connector of its own, whose action `put` stands at `path`.
Files workspace_with_own_connector(const std::string& action, const std::string& path) {
  Files files = small_workspace();
  files.texts["connectors/stock.yaml"] =
      "connector: stock\ntitle: Our stock\ncategory: shipping\nbase_url: https://stock.example.com\n"
      "resources: { items: { actions: { " +
      action + ": { put: \"" + path + "\" } } } }\n";
  files.texts["connections/store.yaml"] = "connector: stock\n";
  files.texts["flows/stock.yaml"] = "on: { webhook: shopify }\nsteps: [ { call: store.items.put } ]\n";
  return files;
}

std::string url_of_put(const Workspace& workspace) {
  const ActionPtr action = workspace.connection("store")->action("items", "put");
  if (action == nullptr) return "none";
  const auto request = action->render(*json::parse("{}"), CallIdentity{});
  return request ? request->url : request.error().message;
}

TEST(OwnConnector, IsLoadedBesideThoseThatTielineBrings) {
  auto loaded = load(workspace_with_own_connector("put", "/v1"), catalog(), all_secrets());
  ASSERT_NE(loaded.workspace, nullptr) << loaded.problems.text();
  EXPECT_TRUE(loaded.problems.empty()) << loaded.problems.text();
  EXPECT_EQ(url_of_put(*loaded.workspace), "https://stock.example.com/v1");
  EXPECT_EQ(catalog().find("stock"), nullptr) << "it is this workspace's only";
  // What a flow holds of it outlives the loading and the other parts of the workspace.
  const FlowPtr flow = loaded.workspace->flows.back();
  auto actions = loaded.workspace->actions;
  loaded.workspace.reset();
  EXPECT_EQ(actions->actions("store", "items"), std::vector<std::string>{"put"});
  EXPECT_EQ(flow->steps.size(), 1u);
}

TEST(OwnConnector, IsSwappedByAReloadAndNotPinnedByAFlow) {
  const Loaded then = load(workspace_with_own_connector("put", "/v1"), catalog(), all_secrets());
  const Loaded now = load(workspace_with_own_connector("put", "/v2"), catalog(), all_secrets());
  ASSERT_TRUE(then.workspace && now.workspace) << now.problems.text();
  const Flow& flow = *then.workspace->flows.back();
  EXPECT_EQ(now.workspace->flows.back()->hash, flow.hash);
  EXPECT_EQ(url_of_put(*now.workspace), "https://stock.example.com/v2");
  EXPECT_EQ(url_of_put(*then.workspace), "https://stock.example.com/v1") << "what is under way keeps what it has";

  Files without = workspace_with_own_connector("set", "/v3");
  without.texts["flows/stock.yaml"] = "on: { webhook: shopify }\nsteps: [ { call: store.items.set } ]\n";
  const Loaded later = load(without, catalog(), all_secrets());
  ASSERT_NE(later.workspace, nullptr) << later.problems.text();
  FlowArchive archive;
  archive.use(now.workspace->actions, {});
  EXPECT_TRUE(archive.compile(flow.name, flow.hash, flow.source));
  archive.use(later.workspace->actions, {});
  const Result<FlowPtr> gone = archive.compile(flow.name, flow.hash, flow.source);
  ASSERT_FALSE(gone);
  EXPECT_EQ(gone.error().code, Code::kInvalid) << "so the run is held";
  EXPECT_NE(gone.error().message.find("no action \"put\""), std::string::npos) << gone.error().text();
}

TEST(OwnConnector, OfTheDocumentationIsThatOfTheExample) {
  const auto text = [](const char* path) {
    std::ifstream in(path, std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(in), {});
  };
  const std::string page = text("docs/manifests.md");
  for (const char* file : {"connectors/warehouse.yaml", "connections/warehouse.yaml"}) {
    const std::string shown = "```yaml\n# " + std::string(file) + "\n" +
                              text((std::string("examples/own-connector/") + file).c_str()) + "```\n";
    EXPECT_NE(page.find(shown), std::string::npos) << file;
  }
}

TEST(Archive, RecompilesTheFlowThatARunBeganWith) {
  const Loaded then = load(small_workspace(), catalog(), all_secrets());
  Files changed = small_workspace();
  changed.texts["flows/orders.yaml"] = "on: { webhook: shopify }\nsteps: [ { stop: not any more } ]\n";
  const Loaded now = load(changed, catalog(), all_secrets());
  ASSERT_NE(now.workspace, nullptr) << now.problems.text();
  const Flow& old = *then.workspace->flows[0];

  FlowArchive archive;
  EXPECT_EQ(archive.compile(old.name, old.hash, old.source).error().code, Code::kUnavailable);
  archive.use(now.workspace->actions, now.workspace->flows);
  const Result<FlowPtr> again = archive.compile(old.name, old.hash, old.source);
  ASSERT_TRUE(again) << again.error().text();
  EXPECT_EQ((*again)->hash, old.hash);
  EXPECT_EQ((*again)->source, old.source);
  EXPECT_EQ((*again)->steps.size(), 3u);
  EXPECT_EQ(json::print((*again)->workspace_variables.root()), json::print(old.workspace_variables.root()));
  const FlowPtr& current = now.workspace->flows[0];
  EXPECT_EQ(*archive.compile(current->name, current->hash, current->source), current);
}

TEST(Archive, RefusesWhatIsNotWhatTheRunBeganWith) {
  const Loaded loaded = load(small_workspace(), catalog(), all_secrets());
  const Flow& flow = *loaded.workspace->flows[0];
  FlowArchive archive;
  archive.use(loaded.workspace->actions, {});
  std::string other = flow.source;
  other.replace(other.find("closedwon"), 9, "closedlos");
  EXPECT_EQ(archive.compile(flow.name, flow.hash, other).error().code, Code::kInvalid);
  EXPECT_TRUE(archive.compile(flow.name, flow.hash, flow.source));

  Files without = small_workspace();
  without.texts.erase("connections/hubspot.yaml");
  without.texts["flows/orders.yaml"] = "on: { webhook: shopify }\nsteps: [ { stop: x } ]\n";
  const Loaded smaller = load(without, catalog(), all_secrets());
  ASSERT_NE(smaller.workspace, nullptr) << smaller.problems.text();
  archive.use(smaller.workspace->actions, smaller.workspace->flows);
  const Result<FlowPtr> gone = archive.compile(flow.name, flow.hash, flow.source);
  ASSERT_FALSE(gone);
  EXPECT_NE(gone.error().message.find("there is no connection \"hubspot\""), std::string::npos) << gone.error().text();
}

TEST(Secrets, ComeFromTheEnvironmentAndFilesAndAreNeverNamedByTheirText) {
  const auto resolve = [](std::string_view text, const SecretSources& sources) {
    spec::SecretRef reference = *spec::parse_secret_ref(text);
    reference.place = {"connections/a.yaml", 3, 4};
    return resolve_secret(reference, sources);
  };
  EXPECT_EQ(resolve("env:A", all_secrets())->reveal(), "value of A");
  EXPECT_EQ(resolve("file:a/b", all_secrets())->reveal(), "content of a/b");
  const SecretSources empty{.environment = [](const std::string&) { return std::optional<std::string>(""); },
                            .file = [](const std::string&) { return Result<std::string>("\r\n"); }};
  EXPECT_EQ(resolve("env:A", empty).error().code, Code::kNotFound);
  EXPECT_EQ(resolve("file:a", empty).error().text(), "connections/a.yaml:3:4: error: `file:a`: the file is empty");
  EXPECT_EQ(resolve("secret:a", all_secrets()).error().code, Code::kUnsupported);
}

TEST(Secrets, FilesAreRelativeToTheWorkspace) {
  const std::filesystem::path directory = std::filesystem::path(testing::TempDir()) / "tieline_secrets_test";
  std::filesystem::create_directories(directory / "secrets");
  std::ofstream(directory / "secrets" / "token") << "t0p\n";
  const SecretSources sources = system_secrets(directory.string());
  EXPECT_EQ(resolve_secret(*spec::parse_secret_ref("file:secrets/token"), sources)->reveal(), "t0p");
  EXPECT_EQ(resolve_secret(*spec::parse_secret_ref("file:secrets/none"), sources).error().code, Code::kNotFound);
  std::filesystem::remove_all(directory);
}

TEST(Settings, RefusesAddressesThatCannotBe) {
  for (const auto& [text, ok] : {std::pair{"127.0.0.1:0", true},
                                 {"localhost:65535", true},
                                 {"[::1]:8080", true},
                                 {"0.0.0.0", false},
                                 {":8080", false},
                                 {"a:65536", false},
                                 {"a:80x", false},
                                 {"[x]:1", false},
                                 {"a b:1", false}}) {
    spec::Problems problems;
    const auto address = spec::parse<Address>(spec::Node::make_scalar(text), problems);
    EXPECT_EQ(address.has_value(), ok) << text;
    EXPECT_EQ(address ? address->text() : text, text);
  }
}

TEST(Problems, AreOneJsonArray) {
  spec::Problems problems;
  problems.warning({"b.yaml", 2, 3}, "second");
  problems.error({"a.yaml", 1, 1}, "first");
  const json::Document parsed = *json::parse(problems_json(problems));
  ASSERT_EQ(parsed.root().size(), 2u);
  EXPECT_EQ(json::print(parsed.root().at(0)),
            R"({"file":"a.yaml","line":1,"column":1,"severity":"error","message":"first"})");
  EXPECT_EQ(parsed.root().at(1)["severity"].as_string(), "warning");
}

TEST(Examples, Load) {
  for (const char* name :
       {"orders-to-deals", "leads-to-slack", "failed-payment-alert", "own-connector", "customer-topics"}) {
    const Result<Files> files = read_files(std::string("examples/") + name);
    ASSERT_TRUE(files) << files.error().text();
    const Loaded loaded = load(*files, catalog(), all_secrets());
    EXPECT_NE(loaded.workspace, nullptr) << name;
    EXPECT_EQ(loaded.problems.text(), "") << name;
  }
}

Files with_schemas() {
  Files files = small_workspace();
  files.texts["schemas/order.json"] = R"({"properties": {"customer": {"$ref": "customer.json"}}})";
  files.texts["schemas/customer.json"] = R"({"$id": "https://acme.example/customer", "required": ["id"]})";
  files.texts["schemas/unused.json"] = "{\"type\": 1}";
  files.texts["flows/orders.yaml"] =
      "on: { webhook: shopify }\nsteps:\n  - validate: { schema: 'file:schemas/order.json' }\n"
      "  - validate: { schema: { $ref: 'https://acme.example/customer' }, of: =.customer }\n"
      "  - { call: hubspot.contacts.search, with: { email: =.email } }\n";
  return files;
}

TEST(Schemas, AreKeptWithTheRunsThatBeganWithThem) {
  const Loaded loaded = load(with_schemas(), catalog(), all_secrets());
  ASSERT_NE(loaded.workspace, nullptr) << loaded.problems.text();
  const Flow& flow = *loaded.workspace->flows[0];
  const auto source = json::parse(flow.source);
  EXPECT_EQ(source->root()["schemas"].size(), 2u);
  FlowArchive archive;
  archive.use(loaded.workspace->actions, {});
  const Result<FlowPtr> again = archive.compile(flow.name, flow.hash, flow.source);
  ASSERT_TRUE(again) << again.error().text();
  EXPECT_EQ((*again)->hash, flow.hash);
  Files changed = with_schemas();
  changed.texts["schemas/customer.json"] = R"({"$id": "https://acme.example/customer"})";
  EXPECT_NE(load(changed, catalog(), all_secrets()).workspace->flows[0]->hash, flow.hash);
  changed = with_schemas();
  changed.texts["schemas/unused.json"] = "{}";
  EXPECT_EQ(load(changed, catalog(), all_secrets()).workspace->flows[0]->hash, flow.hash);
}

TEST(Schemas, HaveTheirMistakesInTheirOwnFiles) {
  Files files = with_schemas();
  files.texts["schemas/order.json"] = "{\n  \"properties\": {\n    \"id\": {\"type\": \"sting\"}\n  }\n}\n";
  files.texts["schemas/customer.json"] = "{\"$id\": \"https://acme.example/customer\",\n \"requierd\": []}";
  const std::string said = load(files, catalog(), all_secrets()).problems.text();
  EXPECT_NE(said.find("schemas/order.json:3:12: error: \"sting\" is no type"), std::string::npos) << said;
  EXPECT_NE(said.find("schemas/customer.json:2:2: warning: \"requierd\" is no keyword"), std::string::npos) << said;
}

TEST(Schemas, SayOnceWhyTheyCannotBeRead) {
  Files files = with_schemas();
  files.texts["schemas/broken.json"] = "{\"$id\": \"https://acme.example/broken\",\n \"type\": }";
  files.texts["schemas/none.yaml"] = "";
  files.texts["schemas/refers.json"] = R"({"$ref": "broken.json#/$defs/x"})";
  files.texts["flows/orders.yaml"] =
      "on: { webhook: shopify }\nsteps:\n"
      "  - validate: { schema: { $ref: 'https://acme.example/broken' } }\n"
      "  - validate: { schema: 'file:schemas/broken.json' }\n"
      "  - validate: { schema: 'file:schemas/broken.json' }\n"
      "  - validate: { schema: 'file:schemas/refers.json' }\n"
      "  - validate: { schema: 'file:schemas/none.yaml' }\n"
      "  - validate: { schema: 'file:schemas/ordr.json' }\n"
      "  - validate: { schema: 'file:schemas/nothing-of-the-kind.json' }\n"
      "  - validate: { schema: schemas/order.json }\n"
      "  - { call: hubspot.contacts.search, with: { email: =.email } }\n";
  const std::string said = load(files, catalog(), all_secrets()).problems.text();
  EXPECT_EQ(
      said,
      "flows/orders.yaml:3:27: error: there is no schema https://acme.example/broken: references lead to the "
      "workspace's schemas/ only\n"
      "flows/orders.yaml:8:25: error: there is no file schemas/ordr.json; did you mean \"schemas/order.json\"?\n"
      "flows/orders.yaml:9:25: error: there is no file schemas/nothing-of-the-kind.json; schemas/ has broken.json, "
      "customer.json, none.yaml, order.json, refers.json, unused.json\n"
      "flows/orders.yaml:10:25: error: \"schemas/order.json\" is no schema: write `file:schemas/order.json`, or the "
      "schema as a map\n"
      "schemas/broken.json:2:10: error: expected a value after a key, found \"}\"\n"
      "schemas/none.yaml:1:1: error: a schema is a map, true or false, not null\n");
}

// Loads each block of the page, which is the steps of a flow or a whole flow; how many there are.
std::size_t load_blocks(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  const std::string page{std::istreambuf_iterator<char>(in), {}};
  std::size_t blocks = 0;
  for (std::size_t at = page.find("```yaml\n"); at != std::string::npos; at = page.find("```yaml\n", at + 1)) {
    const std::size_t begin = at + 8;
    Files files = with_schemas();
    const std::string block = page.substr(begin, page.find("```", begin) - begin);
    const bool whole = block.starts_with("on:") || block.starts_with("# flows/");
    files.texts["flows/orders.yaml"] = "on: { webhook: shopify }\nsteps:\n" + (whole ? "" : block) +
                                       "- { call: hubspot.contacts.search, with: { email: =.email } }\n";
    if (whole) {
      files.texts["flows/whole.yaml"] = block;
      files.texts["connections/warehouse.yaml"] = "connector: warehouse\n";
      files.texts["connectors/warehouse.yaml"] =
          "connector: warehouse\ntitle: Warehouse\ncategory: generic\nbase_url: https://warehouse.example\n"
          "resources: { customers: { actions: { upsert: { post: /rows, args: { key: array, rows: array }, body: ., "
          "each: { of: rows, max: 1000, ok: .ok } } } } }\n";
    }
    EXPECT_EQ(load(files, catalog(), all_secrets()).problems.text(), "") << path << ", block " << blocks + 1;
    ++blocks;
  }
  return blocks;
}

TEST(Docs, OfStepsHoldFlowsThatLoad) { EXPECT_EQ(load_blocks("docs/steps.md"), 7u); }
TEST(Docs, OfSyncHoldFlowsThatLoad) { EXPECT_EQ(load_blocks("docs/sync.md"), 1u); }

// The flow that reads is stored like any other, and goes on with what its connection is by then.
TEST(Sync, TheReaderComesBackFromItsSource) {
  Files files = with_schemas();
  files.texts["flows/dead.yaml"] = "on: { topic: dead }\nsteps: [ { stop: enough } ]\n";
  files.texts["flows/customers.yaml"] =
      "on: { sync: shopify.customers, every: 10m, full: \"0 3 * * 0\", zone: Europe/Berlin }\n"
      "priority: low\nretry: { first: 7s, tries: 3 }\non_dead: { publish: dead }\nsteps: [ { stop: enough } ]\n";
  const Loaded loaded = load(files, catalog(), all_secrets());
  ASSERT_NE(loaded.workspace, nullptr) << loaded.problems.text();
  const auto reader = std::ranges::find_if(loaded.workspace->flows, [](const FlowPtr& flow) { return flow->reads; });
  ASSERT_NE(reader, loaded.workspace->flows.end());
  const Flow& flow = **reader;
  EXPECT_EQ(flow.name, "syncs/customers/shopify.customers");
  ASSERT_EQ(flow.schedules.size(), 2u);
  EXPECT_EQ(flow.schedules[0].schedule.text(), "every 10m");
  EXPECT_TRUE(flow.schedules[0].at_once);
  EXPECT_EQ(flow.schedules[1].schedule.zone(), "Europe/Berlin");
  FlowArchive archive;
  archive.use(loaded.workspace->actions, {});
  const Result<FlowPtr> again = archive.compile(flow.name, flow.hash, flow.source);
  ASSERT_TRUE(again) << again.error().text();
  EXPECT_EQ((*again)->hash, flow.hash);
  EXPECT_EQ((*again)->priority, Priority::kLow);
  EXPECT_EQ((*again)->retry.first, 7s);
  EXPECT_EQ((*again)->retry.tries, 3u);
  EXPECT_EQ((*again)->retry.max, 10min) << "what is asked every ten minutes waits no longer for a try";
  EXPECT_EQ((*again)->on_dead, "dead");
  EXPECT_EQ((*again)->steps.size(), 1u);
  // When it reads is no part of the runs that have begun.
  files.texts["flows/customers.yaml"] =
      "on: { sync: shopify.customers, every: 10m, full: never }\n"
      "priority: low\nretry: { first: 7s, tries: 3 }\non_dead: { publish: dead }\nsteps: [ { stop: enough } ]\n";
  const Loaded changed = load(files, catalog(), all_secrets());
  ASSERT_NE(changed.workspace, nullptr) << changed.problems.text();
  EXPECT_TRUE(changed.problems.empty()) << changed.problems.text();
  const auto other = std::ranges::find_if(changed.workspace->flows, [](const FlowPtr& one) { return one->reads; });
  EXPECT_EQ((*other)->hash, flow.hash);
  // The connection is gone.
  files.texts.erase("flows/customers.yaml");
  files.texts.erase("connections/shopify.yaml");
  files.texts["flows/orders.yaml"] = "on: { manual: true }\nsteps: [ { stop: enough } ]\n";
  const Loaded without = load(files, catalog(), all_secrets());
  ASSERT_NE(without.workspace, nullptr) << without.problems.text();
  archive.use(without.workspace->actions, {});
  const Result<FlowPtr> gone = archive.compile(flow.name, flow.hash, flow.source);
  ASSERT_FALSE(gone);
  EXPECT_EQ(gone.error().message, "\"shopify.customers\" cannot be read any more");
}

TEST(Docs, ArePageAndSchemasOfTheTables) {
  const auto stored = [](const std::string& path, const std::string& text) {
    if (std::getenv("TIELINE_WRITE_DOCS") != nullptr) {
      std::filesystem::create_directories(std::filesystem::path(path).parent_path());
      std::ofstream(path, std::ios::binary) << text;
    }
    std::ifstream in(path, std::ios::binary);
    EXPECT_EQ(std::string(std::istreambuf_iterator<char>(in), {}), text)
        << path << " is not what the tables say: run this test with TIELINE_WRITE_DOCS=1";
  };
  stored("docs/flows-reference.md", reference_page());
  for (const SchemaFile& schema : json_schemas()) {
    EXPECT_TRUE(json::parse(schema.text)) << schema.name;
    stored("docs/schemas/" + schema.name, schema.text);
  }
}

}  // namespace
}  // namespace tieline::workspace
