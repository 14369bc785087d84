// The door of this folder: manifests in, connectors that can be asked what they have and bound to a connection's values
// out. A secret goes in as text and must never come out in an error or a log.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/embedded.h"
#include "core/connector.h"
#include "core/sync_source.h"
#include "core/webhook.h"
#include "spec/problems.h"
#include "spec/types.h"

namespace tieline::connect {

struct ConnectorPlan;

struct VariableInfo {
  std::string name, title, example, pattern;
  std::optional<std::string> fallback;
  std::vector<std::string> choices;  // empty: anything
  bool required = false;             // must be set: no default, not optional
};

struct AuthMethodInfo {
  std::string name;
  std::vector<std::string> fields;  // all of them secret and required
  bool available = true;            // false: known, and not in this version
};

struct ArgumentInfo {
  std::string name, type;
  bool required = false;  // and without a default
  bool refused = false;   // declared only in order to say no to it
  std::vector<std::string> choices;
  bool names_argument = false;  // its value names another one, which must be given
  std::string fallback;         // of one that names another
};

struct ActionDescription {
  std::vector<ArgumentInfo> arguments;
  bool other_arguments = false;  // takes names that are not declared
  Safety safety = Safety::kUnsafe;
  std::string method;
};

// What a connection adds to a bucket: another bucket beside it, so that it can only get tighter.
struct BudgetOverride {
  std::string bucket;  // empty: every call of the connection
  std::optional<spec::Rate> rate;
  std::optional<std::uint32_t> concurrent;
};

struct ConnectionSettings {
  std::string name;
  std::vector<std::pair<std::string, std::string>> variables;  // as set; defaults are filled in
  std::string auth_method;                                     // empty: none
  std::vector<std::pair<std::string, std::string>> auth_values;
  std::vector<std::pair<std::string, std::string>> webhook_secrets;
  std::vector<BudgetOverride> budget;
  std::optional<std::string> base_url;  // instead of the connector's, from scheme to path
  bool private_addresses = false;
  bool vendor_limits = true;            // false: only `budget` limits it, since base_url leads elsewhere
  bool verify_none = false;             // takes webhooks that nobody signed
  std::function<std::string()> new_id;  // for events without an id; empty: random ones
};

// A payload as the vendor would send it.
struct SendAs {
  std::string type;  // where a header says the type; the body says it for all others
  std::shared_ptr<const std::string> body;
  Time now;
  std::string id;   // where a header says it; empty: none
  std::string url;  // as the vendor calls it: public_url + "/hooks/NAME"
};

class VendorWebhook : public WebhookSource {
 public:
  // The request that receive() accepts and the vendor would send, signed with the first secret that is set. kInvalid
  // when none is.
  virtual Result<InboundRequest> sign_as_vendor(const SendAs& payload) const = 0;
  // The headers in which the vendor says an event's type and a delivery's id; empty: the body says it, or nothing does.
  struct SaidInHeaders {
    std::string type, id;
  };
  virtual SaidInHeaders said_in_headers() const = 0;
  // The schemes that check requests, by name; empty: all are refused, or all are taken (`verify: none`).
  virtual std::vector<std::string> schemes() const = 0;
};

// An account that can be called and can receive. Immutable; may be used from any thread.
class Connection {
 public:
  struct State;
  explicit Connection(std::unique_ptr<State> state);
  ~Connection();
  const ConnectionInfo& info() const;
  // Null unless the connector knows it. `connection.resource.action` is its name().
  ActionPtr action(std::string_view resource, std::string_view action) const;
  // Null unless the manifest says how the resource is read again and again. `connection.resource` is its name().
  SyncSourcePtr sync(std::string_view resource) const;
  // Null when the connector has no webhooks.
  std::shared_ptr<const VendorWebhook> webhook() const;

 private:
  std::unique_ptr<State> state_;
};

class Connector {
 public:
  // Reports every fault at its place in `file`; null if there was one. A file `x.yaml` must say `connector: x`.
  // `embedded`: one that the program's tests have compiled, whose programs are compiled when they first run.
  static std::shared_ptr<const Connector> load(std::string text, const std::string& file, spec::Problems& problems,
                                               bool embedded = false);
  explicit Connector(std::shared_ptr<const ConnectorPlan> plan);
  ~Connector();

  const std::string& name() const;
  const std::string& title() const;
  const std::string& category() const;
  std::vector<VariableInfo> variables() const;
  std::vector<AuthMethodInfo> auth_methods() const;
  std::vector<std::string> webhook_secrets() const;  // names; empty: it has no webhooks
  std::vector<std::string> buckets() const;
  std::vector<std::string> resources() const;
  std::vector<std::string> actions(std::string_view resource) const;
  std::vector<std::string> syncs() const;  // the resources that can be read again and again
  std::optional<ActionDescription> find(std::string_view resource, std::string_view action) const;

  // kInvalid with a message for the connection's file when the settings do not fit or do not work together;
  // kUnsupported for an auth method of a later version.
  Result<std::shared_ptr<const Connection>> bind(const ConnectionSettings& settings) const;

 private:
  std::shared_ptr<const ConnectorPlan> plan_;
};

// The manifests that the program carries: the files of connectors/.
std::span<const EmbeddedFile> embedded_files();

// The connectors that the program carries, by name, compiled when they are first asked for. May be used from any
// thread.
class Catalog {
 public:
  Catalog();
  ~Catalog();
  std::vector<std::string> connectors() const;  // names, in order
  // Null when unknown; lives as long as the catalog.
  const Connector* find(std::string_view name) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace tieline::connect
