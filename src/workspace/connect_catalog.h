// The catalogue over the manifests of src/connect: what the program and the tests load workspaces with.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "workspace/catalog.h"

namespace tieline::connect {
class Catalog;
}

namespace tieline::workspace {

// May be used from any thread. The webhook() of its connections is a connect::VendorWebhook.
class ConnectCatalog final : public ConnectorCatalog {
 public:
  // `connectors` must outlive it, and every workspace loaded with it.
  explicit ConnectCatalog(const connect::Catalog& connectors);
  ~ConnectCatalog() override;
  std::vector<std::string> connectors() const override;
  const ConnectorInfo* find(std::string_view name) const override;
  std::shared_ptr<const ConnectorInfo> load(std::string manifest, const std::string& file,
                                            spec::Problems& problems) const override;

 private:
  const connect::Catalog& connectors_;
  mutable std::mutex mutex_;
  mutable std::map<std::string, std::unique_ptr<const ConnectorInfo>, std::less<>> known_;
};

}  // namespace tieline::workspace
