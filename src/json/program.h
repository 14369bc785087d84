// The port to the mapping language: a program is compiled once, with its variables' names, and run many times.
// A program is pure: it sees its input and its variables, never the environment, files, other inputs, the clock or the
// zone of the machine.
#pragma once

#include <functional>
#include <memory>
#include <optional>
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

// One value that a program gives, while the run that gave it waits.
class Output {
 public:
  Output(const Node& node, std::size_t bytes_max) : node_(node), bytes_max_(bytes_max) {}

  bool truthy() const;                           // jq's: all but null and false
  std::optional<std::string_view> text() const;  // of a string
  // Appends it. kTooLarge when it takes more than output_bytes_max of the run's limits, or is deeper than any document.
  Result<void> print_to(std::string& out, const PrintStyle& style) const;

 private:
  const Node& node_;
  std::size_t bytes_max_;
};

// Compiled; immutable: may be run by any number of threads at a time.
class Program {
 public:
  virtual ~Program() = default;
  // Every output, in order. `variables` stand in the order of the names given to compile. kInvalid with the program's
  // own message when it fails (`error("…")`, a type error), when it takes more than its steps or recurses too deeply;
  // kTooLarge when it needs more memory, or gives more, than the limits say. Results copy what is small and hold on to
  // large parts of the input and the variables.
  virtual Result<std::vector<Document>> run(const Document& input, std::span<const Document> variables,
                                            const RunLimits& limits = {}) const = 0;
  // Hands each output to `take` as it comes and keeps none; `take` says whether to go on. The same errors, after what
  // came before them; but outputs may be as many as they like, and output_bytes_max holds for each.
  using Take = std::function<bool(const Output& output)>;
  virtual Result<void> each(const Document& input, std::span<const Document> variables, const RunLimits& limits,
                            const Take& take) const;
  // Exactly one output. kInvalid when there is none ("gave no value; add `// null` …") or more than one.
  virtual Result<Document> run_one(const Document& input, std::span<const Document> variables) const;
  // The one output becomes the next value of `out`, which shares its large parts. After an error, one of run_one's,
  // nothing was put.
  virtual Result<void> run_into(Builder& out, const Document& input, std::span<const Document> variables) const;
  // jq's truth of the one output.
  Result<bool> test(const Document& input, std::span<const Document> variables) const;

  // What it was compiled to, as an indented tree for people; its form may change. Empty where there is none to show.
  virtual std::string explain() const { return {}; }

  std::string_view source() const { return source_; }

 protected:
  explicit Program(std::string source) : source_(std::move(source)) {}
  static tl::unexpected<Error> gave_no_value();  // run_one's error

 private:
  std::string source_;
};

struct CompileOptions {
  // The program's zone, by its IANA name: of in_zone and from_iso8601 without an argument, localtime, strflocaltime.
  // One that does not exist is an error of each run that asks for it.
  std::string zone = "UTC";
};

// Compiles `source`, a program of jq 1.8; `variable_names` without `$`. The error's place is `at` moved by the position
// inside the source (line 1 keeps at.column as its base), with the file of `at`. An unknown variable, function or
// format gets a "did you mean". Numbers keep the text they were written with until they are computed with; integers of
// 64 bits are computed as integers, everything else as doubles; comparisons are exact. Refused by name: input inputs
// debug stderr input_filename input_line_number $ENV env $__prog_args import include modulemeta get_search_list halt
// halt_error now.
//
// Beyond jq, where an option may be left out and an unknown one is an error:
//   decimal, round_to(n), from_minor(currency), to_minor(currency)   exact; ISO 4217
//   lookup!(table; key)                     fails where the key is missing
//   slug, title_case, url_query
//   in_zone, in_zone(zone), to_iso8601      of unix seconds or an ISO-8601 text with an offset; the latter is in UTC
//   from_iso8601, from_iso8601(zone)        unix seconds; the zone is that of texts without an offset
//   sha256, hmac_sha256(key)                of texts, as lower-case hexadecimal
//   uuid5(namespace)                        RFC 9562; "dns" "url" "oid" "x500" or a UUID
//   parse_csv, parse_csv({separator, quote, header}), to_csv, to_csv({separator, quote, header, columns, newline})
//   parse_xml, parse_xml({arrays}), to_xml, to_xml({declaration})
// A zone that is written in the program is checked here.
Result<std::unique_ptr<const Program>> compile(std::string_view source, std::span<const std::string> variable_names,
                                               const Place& at = {}, const CompileOptions& options = {});

}  // namespace tieline::json
