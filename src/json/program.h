// The port to the mapping language: a program is compiled once, with its variables' names, and run many times.
// A program is pure: it sees its input and its variables, never the environment, files, other inputs or the clock.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "json/value.h"

namespace tieline::json {

struct RunLimits {
  std::size_t outputs_max = 10'000;
  std::size_t output_bytes_max = 16u << 20;
  std::size_t steps_max = 20'000'000;  // evaluations, elements looked at, bytes written
  std::size_t memory_bytes_max = 256u << 20;
};

// Compiled; immutable. May be run by one thread at a time.
class Program {
 public:
  virtual ~Program() = default;
  // Every output, in order. `variables` stand in the order of the names given to compile. kInvalid with the program's
  // own message when it fails (`error("…")`, a type error); kInvalid too when the engine behind cannot represent a
  // number of the input exactly: it is never silently altered. kTooLarge when a limit is passed.
  virtual Result<std::vector<Document>> run(const Document& input, std::span<const Document> variables,
                                            const RunLimits& limits = {}) const = 0;
  // Exactly one output. kInvalid when there is none ("gave no value; add `// null` …") or more than one.
  Result<Document> run_one(const Document& input, std::span<const Document> variables) const;
  // jq's truth of the one output.
  Result<bool> test(const Document& input, std::span<const Document> variables) const;

  std::string_view source() const { return source_; }

 protected:
  explicit Program(std::string source) : source_(std::move(source)) {}

 private:
  std::string source_;
};

// Compiles `source`; `variable_names` without `$`. The error's place is `at` moved by the position inside the source
// where that is known (line 1 keeps at.column as its base), with the file of `at`. Refused by name: input inputs debug
// stderr input_filename input_line_number $ENV env $__prog_args import include modulemeta get_search_list halt
// halt_error now localtime strflocaltime; and number literals that the engine would alter. An unknown variable or
// function gets a "did you mean". kUnsupported where a file ~/.jq would change what programs mean.
Result<std::unique_ptr<const Program>> compile(std::string_view source, std::span<const std::string> variable_names,
                                               const Place& at = {});

}  // namespace tieline::json
