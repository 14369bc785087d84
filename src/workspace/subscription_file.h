// subscriptions/NAME.yaml: who outside receives events of topics as signed webhooks. It becomes a connection and a
// flow, so that everything that holds for flows holds for it; a secret is only ever a reference here.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/flow.h"
#include "spec/table.h"
#include "steps/policy.h"
#include "workspace/catalog.h"
#include "workspace/compile.h"

namespace tieline::workspace {

enum class BodyFormat : std::uint8_t { kStandard, kCloudEvents };
const spec::Names<BodyFormat>& describe(const BodyFormat*);

struct SubscriptionFile {
  spec::At<std::string> url;
  std::vector<spec::At<std::string>> topics;
  std::vector<std::string> types;
  spec::ProgramText filter;
  std::vector<spec::SecretRef> secrets;
  BodyFormat format = BodyFormat::kStandard;
  RetryPolicy retry;
  std::optional<spec::Rate> rate;
  std::uint32_t concurrent = 4;
  Duration timeout = std::chrono::seconds(15);
  bool private_addresses = false;
};
const spec::Table<SubscriptionFile>& describe(const SubscriptionFile*);

// The name of its connection and of its flow.
std::string subscription_name(std::string_view name);
// What its connection is one of.
const ConnectorInfo& subscriber_connector();
// Null after reporting: a secret that is not there or is none.
std::shared_ptr<const BoundConnection> bind_subscription(const std::string& name, const SubscriptionFile& file,
                                                         const SecretSources& secrets, const Place& place,
                                                         spec::Problems& problems);
// The flow's text.
std::string subscription_flow(const std::string& name, const SubscriptionFile& file);

}  // namespace tieline::workspace
