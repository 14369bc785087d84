// `tieline schema`: JSON Schemas of the workspace's files, for editors.
#include <cstdio>
#include <filesystem>
#include <fstream>

#include "cli/command.h"
#include "workspace/docs.h"

namespace tieline::cli {
namespace {

int run_schema(const Arguments& arguments) {
  const std::filesystem::path directory = arguments.text("DIR");
  std::error_code failed;
  std::filesystem::create_directories(directory, failed);
  for (const workspace::SchemaFile& schema : workspace::json_schemas()) {
    const std::filesystem::path path = directory / schema.name;
    std::ofstream out(path);
    out << schema.text;
    if (!out.flush()) return report({Code::kInternal, "cannot write " + path.string(), {}});
    std::puts(path.string().c_str());
  }
  return kOk;
}

}  // namespace

Command schema_command() {
  return {.name = "schema",
          .summary = "writes JSON Schemas of the workspace's files, for editors",
          .description =
              "One for tieline.yaml, one for connections, one for flows. An editor with a YAML language server "
              "completes and checks with them while you type.",
          .positionals = {{"DIR", "where to write them", false, "schemas"}},
          .options = {},
          .examples = {"tieline schema .vscode/schemas"},
          .run = run_schema};
}

}  // namespace tieline::cli
