// The connectors that a workspace may name, as the checker sees them: what a connection may set, what a call may say,
// and how both become something that runs. The port to src/connect; a test has its own in C++.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/connector.h"
#include "core/sync_source.h"
#include "core/webhook.h"
#include "spec/problems.h"
#include "spec/types.h"
#include "steps/actions.h"
#include "workspace/secrets.h"

namespace tieline::workspace {

// A variable of the connector, set by the connection.
struct VariableInfo {
  std::string name;
  bool required = false;             // and without a default
  std::string example;               // for messages; may be empty
  std::string pattern;               // ECMAScript; empty: anything
  std::vector<std::string> choices;  // empty: anything
};

// One value that an auth method needs.
struct AuthValueInfo {
  std::string name;
  bool secret = true;  // must be a reference, never a literal
  bool required = true;
};

struct AuthMethodInfo {
  std::string name;
  std::vector<AuthValueInfo> values;
  bool available = true;  // false: known, and not in this version
};

// What the connection adds to one of the connector's budget buckets; it can only make it tighter.
struct BudgetOverride {
  std::string bucket;  // empty: a bucket of its own, which every call of the connection spends
  std::optional<spec::Rate> rate;
  std::optional<std::uint32_t> concurrent;
};

// A connection, checked: every name in it is one of the connector's, every secret is resolved.
struct ConnectionSettings {
  std::string name;
  std::vector<std::pair<std::string, std::string>> variables;  // as set; defaults are the connector's to fill in
  std::string auth_method;                                     // empty: none
  std::vector<std::pair<std::string, SecretString>> auth_values;
  std::vector<std::pair<std::string, SecretString>> webhook_secrets;
  std::vector<BudgetOverride> budget;
  std::optional<std::string> base_url;  // instead of the connector's
  bool private_addresses = false;
  bool vendor_limits = true;       // false: base_url leads to something that has no limits
  bool unsigned_webhooks = false;  // takes webhooks without a signature on purpose
};

// A connection that can be called and can receive. Immutable; shared by the flows and the door.
class BoundConnection {
 public:
  virtual ~BoundConnection() = default;
  virtual const ConnectionInfo& info() const = 0;
  // Null unless connector().find(resource, action) knows it.
  virtual ActionPtr action(std::string_view resource, std::string_view action) const = 0;
  // Null unless connector().syncs() has it.
  virtual SyncSourcePtr sync(std::string_view /*resource*/) const { return nullptr; }
  // Null when the connector has no webhooks.
  virtual std::shared_ptr<const WebhookSource> webhook() const = 0;
};

class ConnectorInfo {
 public:
  virtual ~ConnectorInfo() = default;
  virtual const std::string& name() const = 0;
  virtual std::vector<VariableInfo> variables() const = 0;
  virtual std::vector<AuthMethodInfo> auth_methods() const = 0;
  virtual std::vector<std::string> webhook_secrets() const = 0;  // names; empty: it has no webhooks
  virtual std::vector<std::string> buckets() const = 0;
  virtual std::vector<std::string> resources() const = 0;
  virtual std::vector<std::string> actions(std::string_view resource) const = 0;
  // The resources that can be read again and again.
  virtual std::vector<std::string> syncs() const { return {}; }
  // The action's arguments; `action` in it is null: nothing is bound yet.
  virtual std::optional<steps::ActionInfo> find(std::string_view resource, std::string_view action) const = 0;
  // kInvalid with a message for the connection's file when the settings do not work together.
  virtual Result<std::shared_ptr<const BoundConnection>> bind(const ConnectionSettings& settings) const = 0;
};

class ConnectorCatalog {
 public:
  virtual ~ConnectorCatalog() = default;
  virtual std::vector<std::string> connectors() const = 0;  // names, in order
  virtual const ConnectorInfo* find(
      std::string_view name) const = 0;  // null when unknown; lives as long as the catalog
  // A connector of the workspace's own, from its manifest; it belongs to the caller and is not in the list above. Null
  // after reporting every fault at its place in `file`, whose name is the connector's.
  virtual std::shared_ptr<const ConnectorInfo> load(std::string manifest, const std::string& file,
                                                    spec::Problems& problems) const = 0;
};

}  // namespace tieline::workspace
