// A connector, compiled: every program, text and name of its manifest checked and ready, shared by all its connections.
// It must hold nothing of a connection: no variable, no secret.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "connect/args.h"
#include "connect/data_plan.h"
#include "connect/manifest.h"
#include "connect/manifest_program.h"
#include "connect/text_template.h"
#include "core/connector.h"

namespace tieline::connect {

struct NamedText {
  TextTemplate name, text;
};

struct AuthPlan {
  std::string name;
  bool available = true;            // false: oauth2, known and not in this version
  std::vector<std::string> fields;  // what a connection gives
  std::vector<NamedText> headers;
  std::optional<std::pair<TextTemplate, TextTemplate>> basic;  // user, password
};

struct LimitPlan {
  LimitSpec spec;
  bool per_method = false;
  std::vector<std::string> per_args;
  ManifestProgramPtr actual, observe;
};

struct RulePlan {
  std::vector<StatusMatch> status;
  std::vector<std::string> code;
  ManifestProgramPtr when, wait, message;
  Judgement as = Judgement::kTransient;
  std::string bucket;
};

struct PagePlan {
  std::string cursor;                    // the query's name, or empty
  std::vector<std::string> body_cursor;  // the names of the body's members that lead to it; or empty
  ManifestProgramPtr from, items, more;
  std::string link;  // the rel, or empty
  std::string limit;
  std::int64_t size = 0;
};

struct ActionPlan;
struct FindPlan {
  ManifestProgramPtr condition, result;  // null: true, `.`
  const ActionPlan* target = nullptr;
  std::optional<DataPlan> with;
};

struct EachPlan {
  std::string arg;
  std::size_t max = 0;
  ManifestProgramPtr items, ok, status, error, result;  // null: as the manifest's rules say
  ManifestProgramPtr item_name, answer_name;            // null: answers come in the items' order
};

struct ActionPlan {
  std::string resource, action;
  std::string method;
  TextTemplate path;
  ArgsPlan args;
  std::optional<DataPlan> query, headers, body, form;
  ManifestProgramPtr result;                                        // or:
  std::vector<std::pair<std::string, ManifestProgramPtr>> results;  // an object of these
  Returns returns = Returns::kOne;
  Safety safety = Safety::kUnsafe;
  std::string idempotency_header;  // or empty
  std::size_t idempotency_max = 64;
  Duration idempotency_keep{0};
  std::optional<FindPlan> find;
  std::optional<EachPlan> each;
  Duration settle{0};
  std::vector<std::size_t> limits;  // of ConnectorPlan::limits
  std::optional<PagePlan> page;

  std::string full_name() const { return resource + "." + action; }
};

struct ReadingPlan {
  const ActionPlan* target = nullptr;
  std::optional<DataPlan> with;  // none: no args
};

struct SyncPlan {
  ReadingPlan all;
  std::optional<ReadingPlan> changes;
  Duration overlap{0};
  bool in_order = false;
  Deletions deletions = Deletions::kNone;
};

struct ResourcePlan {
  std::string name;
  ManifestProgramPtr id, updated, version, deleted;  // over a record; null: the manifest does not say
  std::optional<SyncPlan> sync;                      // with `id`
};

struct SchemePlan {
  SchemeSpec spec;
  TextTemplate hmac, encoding, header, prefix, token, timestamp_header, over;
};

struct WebhookPlan {
  Decode decode = Decode::kJson;
  std::vector<SchemePlan> schemes;
  std::vector<std::string> keys;  // all that the schemes name, each once
  ManifestProgramPtr handshake_when;
  int handshake_status = 200;
  std::optional<DataPlan> handshake_json;
  ManifestProgramPtr split, id, type, time, subject, op;
};

struct ConnectorPlan {
  Manifest manifest;
  TextTemplate base_url;
  std::vector<std::pair<std::string, TextTemplate>> headers;
  std::vector<AuthPlan> auth;
  std::vector<LimitPlan> limits;
  ManifestProgramPtr message, code;
  std::vector<RulePlan> rules;
  std::vector<std::unique_ptr<ActionPlan>> actions;  // in the manifest's order
  std::vector<ResourcePlan> resources;               // in the manifest's order
  std::optional<WebhookPlan> webhooks;
  std::string health;  // RESOURCE.ACTION, or empty

  const ActionPlan* find(std::string_view resource, std::string_view action) const;
  bool is_variable(std::string_view name) const;
};
using ConnectorPlanPtr = std::shared_ptr<const ConnectorPlan>;

// Compiles a manifest. Reports every fault of it at its place; null if there was one.
ConnectorPlanPtr compile_plan(Manifest manifest, CompileAt at, spec::Problems& problems);

}  // namespace tieline::connect
