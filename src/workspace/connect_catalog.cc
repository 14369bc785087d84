#include "workspace/connect_catalog.h"

#include "connect/catalog.h"

namespace tieline::workspace {
namespace {

using Texts = std::vector<std::pair<std::string, std::string>>;

Texts revealed(const std::vector<std::pair<std::string, SecretString>>& secrets) {
  Texts out;
  for (const auto& [name, secret] : secrets) out.emplace_back(name, secret.reveal());
  return out;
}

class ManifestConnection final : public BoundConnection {
 public:
  explicit ManifestConnection(std::shared_ptr<const connect::Connection> connection)
      : connection_(std::move(connection)), webhook_(connection_->webhook()) {}
  const ConnectionInfo& info() const override { return connection_->info(); }
  ActionPtr action(std::string_view resource, std::string_view action) const override {
    return connection_->action(resource, action);
  }
  SyncSourcePtr sync(std::string_view resource) const override { return connection_->sync(resource); }
  std::shared_ptr<const WebhookSource> webhook() const override { return webhook_; }

 private:
  std::shared_ptr<const connect::Connection> connection_;
  std::shared_ptr<const WebhookSource> webhook_;
};

class ManifestConnector final : public ConnectorInfo {
 public:
  explicit ManifestConnector(std::shared_ptr<const connect::Connector> connector)
      : owned_(std::move(connector)), connector_(*owned_) {}
  const std::string& name() const override { return connector_.name(); }
  std::vector<VariableInfo> variables() const override {
    std::vector<VariableInfo> out;
    for (const connect::VariableInfo& variable : connector_.variables()) {
      out.push_back({.name = variable.name,
                     .required = variable.required,
                     .example = variable.example,
                     .pattern = variable.pattern,
                     .choices = variable.choices});
    }
    return out;
  }
  std::vector<AuthMethodInfo> auth_methods() const override {
    std::vector<AuthMethodInfo> out;
    for (const connect::AuthMethodInfo& method : connector_.auth_methods()) {
      AuthMethodInfo info{.name = method.name, .values = {}, .available = method.available};
      // By their names in every manifest: a user's name and a header's name may stand in the file as they are.
      for (const std::string& field : method.fields) {
        info.values.push_back({.name = field, .secret = field != "user" && field != "name", .required = true});
      }
      out.push_back(std::move(info));
    }
    return out;
  }
  std::vector<std::string> webhook_secrets() const override { return connector_.webhook_secrets(); }
  std::vector<std::string> buckets() const override { return connector_.buckets(); }
  std::vector<std::string> resources() const override { return connector_.resources(); }
  std::vector<std::string> actions(std::string_view resource) const override { return connector_.actions(resource); }
  std::vector<std::string> syncs() const override { return connector_.syncs(); }
  std::optional<steps::ActionInfo> find(std::string_view resource, std::string_view action) const override {
    const std::optional<connect::ActionDescription> found = connector_.find(resource, action);
    if (!found) return std::nullopt;
    steps::ActionInfo info;
    info.other_arguments = found->other_arguments;
    for (const connect::ArgumentInfo& argument : found->arguments) {
      info.arguments.push_back({.name = argument.name,
                                .type = argument.type,
                                .required = argument.required,
                                .refused = argument.refused,
                                .choices = argument.choices,
                                .names_argument = argument.names_argument,
                                .fallback = argument.fallback});
    }
    return info;
  }
  Result<std::shared_ptr<const BoundConnection>> bind(const ConnectionSettings& settings) const override {
    connect::ConnectionSettings out;
    out.name = settings.name;
    out.variables = settings.variables;
    out.auth_method = settings.auth_method;
    out.auth_values = revealed(settings.auth_values);
    out.webhook_secrets = revealed(settings.webhook_secrets);
    for (const BudgetOverride& budget : settings.budget)
      out.budget.push_back({budget.bucket, budget.rate, budget.concurrent});
    out.base_url = settings.base_url;
    out.private_addresses = settings.private_addresses;
    out.vendor_limits = settings.vendor_limits;
    out.verify_none = settings.unsigned_webhooks;
    TRY(std::shared_ptr<const connect::Connection> connection, connector_.bind(out));
    return std::make_shared<ManifestConnection>(std::move(connection));
  }

 private:
  const std::shared_ptr<const connect::Connector> owned_;
  const connect::Connector& connector_;
};

}  // namespace

ConnectCatalog::ConnectCatalog(const connect::Catalog& connectors) : connectors_(connectors) {}
ConnectCatalog::~ConnectCatalog() = default;

std::vector<std::string> ConnectCatalog::connectors() const { return connectors_.connectors(); }

const ConnectorInfo* ConnectCatalog::find(std::string_view name) const {
  const std::lock_guard lock(mutex_);
  const auto known = known_.find(name);
  if (known != known_.end()) return known->second.get();
  const connect::Connector* connector = connectors_.find(name);
  if (connector == nullptr) return nullptr;
  // The catalogue keeps it.
  const std::shared_ptr<const connect::Connector> shared(std::shared_ptr<void>(), connector);
  return known_.emplace(std::string(name), std::make_unique<ManifestConnector>(shared)).first->second.get();
}

std::shared_ptr<const ConnectorInfo> ConnectCatalog::load(std::string manifest, const std::string& file,
                                                          spec::Problems& problems) const {
  auto connector = connect::Connector::load(std::move(manifest), file, problems);
  return connector == nullptr ? nullptr : std::make_shared<ManifestConnector>(std::move(connector));
}

}  // namespace tieline::workspace
