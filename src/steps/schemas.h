// The JSON Schemas of a workspace, for `validate`: files of schemas/ and what stands in a flow, compiled with what they
// refer to. It must never read a file itself, let alone the network.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>

#include "json/schema.h"
#include "spec/problems.h"
#include "spec/yaml.h"

namespace tieline::steps {

using SchemaTexts = std::map<std::string, std::string>;  // by path in the workspace: "schemas/order.json"

// For one flow.
class Schemas {
 public:
  explicit Schemas(std::shared_ptr<const SchemaTexts> texts, std::string prefix)
      : texts_(std::move(texts)), prefix_(std::move(prefix)) {}

  // The schema of `written`: "file:schemas/order.json", or a schema as a YAML map. Null after reporting, in the file
  // where it is wrong; what is wrong with reading a file is reported once, for all that name it.
  std::shared_ptr<const json::Schema> compile(const spec::Node& written, bool assert_formats, spec::Problems& problems);
  // The files that it took to compile: what a run must keep of them.
  SchemaTexts used() const;

 private:
  struct File {
    json::Document document;  // null where there are problems
    spec::Problems problems;  // of reading it, told once: when it is named
    bool told = false;
  };
  // A null document for a file that cannot be read, after telling why; nothing where there is no such file.
  std::optional<json::Document> find(const std::string& uri, spec::Problems& problems);
  json::Document named(const std::string& uri, const std::string& path, spec::Problems& problems);
  const File* load(const std::string& path);
  std::string no_such_schema(const std::string& written) const;

  std::shared_ptr<const SchemaTexts> texts_;  // may be null
  std::string prefix_;                        // of places: what stands before a path
  std::map<std::string, File> files_;
  std::set<std::string> used_;
  std::map<std::string, std::string> paths_;  // of what was asked for, by its URI
};

}  // namespace tieline::steps
