#include "json/program.h"

#include <utility>

#include "json/jq/program.h"

namespace tieline::json {

Result<Document> Program::run_one(const Document& input, std::span<const Document> variables) const {
  TRY(std::vector<Document> outputs, run(input, variables));
  if (outputs.empty()) {
    return failure(Code::kInvalid, "the program gave no value; add `// null` where none is meant to be null");
  }
  if (outputs.size() > 1) {
    return failure(Code::kInvalid,
                   "the program gave more than one value; wrap it in `[ ]` for a list, or in `first( )`");
  }
  return std::move(outputs.front());
}

Result<bool> Program::test(const Document& input, std::span<const Document> variables) const {
  TRY(const Document output, run_one(input, variables));
  return output.root().truthy();
}

Result<std::unique_ptr<const Program>> compile(std::string_view source, std::span<const std::string> variable_names,
                                               const Place& at, const CompileOptions& options) {
  return jq::compile_native(source, variable_names, at, options);
}

}  // namespace tieline::json
