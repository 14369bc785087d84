// A connector's plan with a connection's values in it: what actions and webhooks of one account run on; private to this
// folder. Its secrets must leave it only into a request's headers and a signature's key.
#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "connect/catalog.h"
#include "connect/plan.h"

namespace tieline::connect {

// A bucket as one action spends it.
struct BoundSpend {
  std::string bucket;
  std::vector<std::string> key_args;  // whose values tell the counters apart
  // A bucket of points is counted in calls of the estimated cost, so that taking one for each call is never too little:
  // so many points are one of its units.
  double points = 1;
  const LimitPlan* limit = nullptr;  // null: the connection's own budget
};

struct Binding {
  ConnectorPlanPtr plan;
  std::string name;
  json::Document variables;  // an object of texts
  std::string base_url, origin;
  Headers headers;      // the connector's
  Headers credentials;  // the auth method's
  std::vector<std::string> secrets;
  bool private_addresses = false;
  ConnectionInfo info;
  std::vector<std::pair<const ActionPlan*, std::vector<BoundSpend>>> spends;

  std::optional<std::string> variable(std::string_view variable_name) const;
  TextTemplate::Lookup variable_lookup() const;
  const std::vector<BoundSpend>& spends_of(const ActionPlan* action) const;
  // `text` without any of the secrets.
  std::string redacted(std::string text) const;
};

// Fills info.buckets and spends.
void bind_limits(Binding& binding, const ConnectionSettings& settings);

// What an answer without a list comes to: a list without elements; or, for who would take what is not in it for gone,
// an answer that cannot be read.
enum class NoList : std::uint8_t { kEmpty, kUnreadable };
std::shared_ptr<const Action> make_action(std::shared_ptr<const Binding> binding, const ActionPlan* plan,
                                          NoList no_list = NoList::kEmpty);
// `plan` has a sync.
SyncSourcePtr make_sync(std::shared_ptr<const Binding> binding, const ResourcePlan* plan);
// Null when the connector has no webhooks.
Result<std::shared_ptr<const VendorWebhook>> make_webhook(std::shared_ptr<const Binding> binding,
                                                          const ConnectionSettings& settings);

}  // namespace tieline::connect
