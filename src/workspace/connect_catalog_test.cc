#include "workspace/connect_catalog.h"

#include <gtest/gtest.h>

#include "connect/catalog.h"

namespace tieline::workspace {
namespace {

TEST(ConnectCatalog, PassesSyncsOn) {
  const connect::Catalog manifests;
  const ConnectCatalog catalog(manifests);
  const ConnectorInfo* hubspot = catalog.find("hubspot");
  ASSERT_NE(hubspot, nullptr);
  EXPECT_EQ(hubspot->syncs(), (std::vector<std::string>{"contacts"}));
  EXPECT_EQ(catalog.find("slack")->syncs(), std::vector<std::string>());
  ConnectionSettings settings;
  settings.name = "crm";
  const auto connection = hubspot->bind(settings);
  ASSERT_TRUE(connection.has_value()) << connection.error().text();
  ASSERT_NE((*connection)->sync("contacts"), nullptr);
  EXPECT_EQ((*connection)->sync("contacts")->name(), "crm.contacts");
  EXPECT_EQ((*connection)->sync("deals"), nullptr);
}

TEST(ConnectCatalog, PassesSyncsOfTheWorkspacesOwnConnectorsOn) {
  const connect::Catalog manifests;
  const ConnectCatalog catalog(manifests);
  spec::Problems problems;
  const auto own = catalog.load(
      "connector: own\ntitle: Own\ncategory: erp\nbase_url: https://own.example.com\n"
      "resources: { items: { id: .id, sync: { all: list }, actions: { list: { get: /items, returns: list } } } }\n",
      "connectors/own.yaml", problems);
  ASSERT_NE(own, nullptr) << problems.text();
  EXPECT_EQ(own->syncs(), (std::vector<std::string>{"items"}));
}

}  // namespace
}  // namespace tieline::workspace
