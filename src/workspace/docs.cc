#include "workspace/docs.h"

#include "spec/docs.h"
#include "spec/schema.h"
#include "workspace/connection_file.h"
#include "workspace/flow_file.h"
#include "workspace/settings.h"
#include "workspace/subscription_file.h"

namespace tieline::workspace {
namespace {

const spec::TableInfo& settings_table() { return describe(static_cast<const Settings*>(nullptr)); }
const spec::TableInfo& connection_table() { return describe(static_cast<const ConnectionFile*>(nullptr)); }
const spec::TableInfo& subscription_table() { return describe(static_cast<const SubscriptionFile*>(nullptr)); }
const spec::TableInfo& flow_table() { return describe(static_cast<const FlowFile*>(nullptr)); }

}  // namespace

std::string reference_page() {
  return "# The files of a workspace\n\n"
         "Made from the tables that the program reads them with (`TIELINE_WRITE_DOCS=1` and the workspace test write "
         "it anew).\n"
         "A data field is a map or list whose leaves are literal unless they start with `=`; a text in a block scalar "
         "is a program. [mapping.md](mapping.md) is about programs.\n\n" +
         spec::reference_docs(settings_table()) + "\n" + spec::reference_docs(connection_table()) + "\n" +
         spec::reference_docs(flow_table()) + "\n" + spec::reference_docs(subscription_table());
}

std::vector<SchemaFile> json_schemas() {
  const std::string base = "https://tieline.example/schemas/";
  std::vector<SchemaFile> files;
  const auto add = [&](const std::string& name, const spec::TableInfo& table) {
    files.push_back({name, spec::json_schema(table, base + name)});
  };
  add("tieline.schema.json", settings_table());
  add("connection.schema.json", connection_table());
  add("flow.schema.json", flow_table());
  add("subscription.schema.json", subscription_table());
  return files;
}

}  // namespace tieline::workspace
