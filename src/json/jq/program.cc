#include "json/jq/program.h"

#include <utility>

#include "base/text.h"
#include "json/jq/explain.h"
#include "json/jq/lexer.h"
#include "json/jq/machine.h"
#include "json/jq/parser.h"
#include "json/jq/resolver.h"
#include "json/jq/result.h"
#include "json/jq/values.h"
#include "json/program_scan.h"

namespace tieline::json::jq {
namespace {

class NativeProgram final : public Program {
 public:
  NativeProgram(std::string source, std::unique_ptr<Arena> arena, Compiled compiled, std::size_t variables,
                std::string zone)
      : Program(std::move(source)),
        arena_(std::move(arena)),
        compiled_(compiled),
        variables_(variables),
        zone_(std::move(zone)) {}

  Result<std::vector<Document>> run(const Document& input, std::span<const Document> variables,
                                    const RunLimits& limits) const override {
    Machine machine(limits, &input, own(variables), zone_);
    std::vector<Document> outputs;
    std::size_t bytes_left = limits.output_bytes_max;
    std::optional<Error> error;
    SinkOf sink([&](Node value) {
      if (outputs.size() == limits.outputs_max) {
        error = Error{tieline::Code::kTooLarge,
                      "the program gave more than " + std::to_string(limits.outputs_max) + " values",
                      {}};
        return false;
      }
      auto document = to_document(machine, value, bytes_left, limits);
      if (!document) {
        error = std::move(document.error());
        return false;
      }
      outputs.push_back(std::move(*document));
      return true;
    });
    if (run_on(machine, input, variables, sink)) return outputs;
    return failure(error ? std::move(*error) : machine.error());
  }

  Result<Document> run_one(const Document& input, std::span<const Document> variables) const override {
    if (!compiled_.code->single) return Program::run_one(input, variables);
    const RunLimits limits;
    Machine machine(limits, &input, own(variables), zone_);
    TRY(const Node value, only_value(machine, input, variables));
    std::size_t bytes_left = limits.output_bytes_max;
    return to_document(machine, value, bytes_left, limits);
  }

  Result<void> run_into(Builder& out, const Document& input, std::span<const Document> variables) const override {
    if (!compiled_.code->single) return Program::run_into(out, input, variables);
    const RunLimits limits;
    Machine machine(limits, &input, own(variables), zone_);
    TRY(const Node value, only_value(machine, input, variables));
    if (put_scalar(out, value, limits)) return {};
    std::size_t bytes_left = limits.output_bytes_max;
    TRY(const Document document, to_document(machine, value, bytes_left, limits));
    out.share(document);
    return {};
  }

  Result<void> each(const Document& input, std::span<const Document> variables, const RunLimits& limits,
                    const Take& take) const override {
    Machine machine(limits, &input, own(variables), zone_);
    bool enough = false;
    SinkOf sink([&](Node value) {
      enough = !take(Output(value, limits.output_bytes_max));
      return !enough;
    });
    if (run_on(machine, input, variables, sink) || enough) return {};
    return failure(machine.error());
  }

  std::string explain() const override { return jq::explain(*compiled_.code, compiled_.slots); }

 private:
  std::span<const Document> own(std::span<const Document> variables) const {
    CHECK(variables.size() >= variables_);
    return variables.first(variables_);
  }
  Frame* first_frame(Machine& machine, std::span<const Document> variables) const {
    Frame* const frame = machine.new_frame(nullptr, compiled_.slots);
    for (std::size_t i = 0; i < variables_; ++i) frame->slots[i].value = *variables[i].root().node();
    return frame;
  }
  bool run_on(Machine& machine, const Document& input, std::span<const Document> variables, Sink& sink) const {
    return machine.each(compiled_.code, first_frame(machine, variables), *input.root().node(), sink);
  }
  // Of code that is `single`; the errors are run_one's.
  Result<Node> only_value(Machine& machine, const Document& input, std::span<const Document> variables) const {
    Node value;
    const Got got = machine.one(compiled_.code, first_frame(machine, variables), *input.root().node(), value);
    if (got == Got::kFailed) return failure(machine.error());
    if (got == Got::kNothing) return gave_no_value();
    return value;
  }

  std::unique_ptr<Arena> arena_;
  Compiled compiled_;
  std::size_t variables_;
  std::string zone_;
};

}  // namespace

Result<std::unique_ptr<const Program>> compile_native(std::string_view source,
                                                      std::span<const std::string> variable_names, const Place& at,
                                                      const CompileOptions& options) {
  if (!valid_utf8(source)) return failure(tieline::Code::kInvalid, "the program is not valid UTF-8", at);
  if (Lexer(source).next().kind == TokenKind::kEnd) {
    return failure(tieline::Code::kInvalid, "the program is empty; write `.` for the input as it is", at);
  }
  auto arena = std::make_unique<Arena>(4096);
  // The tree and the code point into the text: the arena keeps one.
  char* const copy = arena->bytes(source.size());
  std::memcpy(copy, source.data(), source.size());
  const std::string_view kept(copy, source.size());
  const auto moved_error = [&](Error error) {
    error.place = moved(at, error.place);
    return failure(std::move(error));
  };
  auto tree = parse_program(kept, *arena);
  if (!tree) return moved_error(std::move(tree.error()));
  auto compiled = resolve(*tree, variable_names, kept, *arena);
  if (!compiled) return moved_error(std::move(compiled.error()));
  return std::make_unique<const NativeProgram>(std::string(source), std::move(arena), *compiled, variable_names.size(),
                                               options.zone);
}

}  // namespace tieline::json::jq
