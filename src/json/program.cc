#include "json/program.h"

#include <utility>

#include "json/jq/program.h"
#include "json/jq/values.h"
#include "json/node.h"

namespace tieline::json {

bool Output::truthy() const { return jq::truthy(node_); }

std::optional<std::string_view> Output::text() const {
  return jq::is_string(node_) ? std::optional(node_.view()) : std::nullopt;
}

Result<void> Output::print_to(std::string& out, const PrintStyle& style) const {
  switch (print_bounded(out, node_, style, bytes_max_)) {
    case Printed::kWell: break;
    case Printed::kTooLarge:
      return failure(Code::kTooLarge, "the program's output is larger than " + std::to_string(bytes_max_) + " bytes");
    case Printed::kTooDeep:
      return failure(Code::kTooLarge,
                     "the program's output is nested deeper than " + std::to_string(kDepthCap) + " levels");
  }
  return {};
}

Result<void> Program::each(const Document& input, std::span<const Document> variables, const RunLimits& limits,
                           const Take& take) const {
  TRY(const std::vector<Document> outputs, run(input, variables, limits));
  for (const Document& output : outputs) {
    if (!take(Output(*output.root().node(), limits.output_bytes_max))) break;
  }
  return {};
}

Result<Document> Program::run_one(const Document& input, std::span<const Document> variables) const {
  TRY(std::vector<Document> outputs, run(input, variables));
  if (outputs.empty()) return gave_no_value();
  if (outputs.size() > 1) {
    return failure(Code::kInvalid,
                   "the program gave more than one value; wrap it in `[ ]` for a list, or in `first( )`");
  }
  return std::move(outputs.front());
}

Result<void> Program::run_into(Builder& out, const Document& input, std::span<const Document> variables) const {
  TRY(const Document output, run_one(input, variables));
  out.share(output);
  return {};
}

Result<bool> Program::test(const Document& input, std::span<const Document> variables) const {
  TRY(const Document output, run_one(input, variables));
  return output.root().truthy();
}

tl::unexpected<Error> Program::gave_no_value() {
  return failure(Code::kInvalid, "the program gave no value; add `// null` where none is meant to be null");
}

Result<std::unique_ptr<const Program>> compile(std::string_view source, std::span<const std::string> variable_names,
                                               const Place& at, const CompileOptions& options) {
  return jq::compile_native(source, variable_names, at, options);
}

}  // namespace tieline::json
