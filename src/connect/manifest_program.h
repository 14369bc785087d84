// A program of a manifest: jq with the shorthand `header.X`, compiled once and run by several threads. What only reads
// fields and headers never reaches the mapping engine: no copy, no rounding, no lock.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "core/transport.h"
#include "json/value.h"
#include "spec/types.h"

namespace tieline::connect {

// What a program may look at beside its input.
enum class Sees : std::uint8_t {
  kVariables,  // builds a request: $variables
  kWebhook,    // reads a webhook: $headers, $variables
  kAnswer,     // reads an answer: $headers, $status, $variables
};

enum class CompileAt : std::uint8_t {
  kOnce,      // so that every fault is known
  kFirstUse,  // of manifests that the program carries and its tests compile: an engine's compile takes tens of ms
};

// That, for one run. Must outlive the run only; not for sharing between threads.
struct Scope {
  const json::Document* variables = nullptr;  // an object; null: {}
  const Headers* headers = nullptr;
  int status = 0;
  mutable std::optional<json::Document> headers_document = {};  // made on first use
};

// All values under `name` (case ignored), joined by ", "; nothing when there is none.
std::optional<std::string> joined_header(const Headers& headers, std::string_view name);

class ManifestProgram {
 public:
  // kInvalid with the place in the manifest; with kFirstUse never, and the first run CHECKs.
  static Result<std::shared_ptr<const ManifestProgram>> compile(const spec::ProgramText& text, Sees sees,
                                                                CompileAt at = CompileAt::kOnce);
  ~ManifestProgram();

  // The first output; nothing when it yields none. kInvalid when it fails.
  Result<std::optional<json::Document>> run(const json::Document& input, const Scope& scope) const;
  // The same. Numbers that the mapping engine cannot hold are given to it as texts, so that they are never rounded and
  // one of them does not blind the program.
  Result<std::optional<json::Document>> read(const json::Document& input, const Scope& scope) const;
  // read(); null when it yields none or fails.
  json::Document value(const json::Document& input, const Scope& scope) const;
  // value(), and neither false nor null.
  bool holds(const json::Document& input, const Scope& scope) const;

  bool reads_input() const;
  // The header that gives the first of its alternatives, where it begins with one (`header.X // …`); else empty.
  std::string first_header(const json::Document& variables) const;

 private:
  struct State;
  explicit ManifestProgram(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;  // guards itself
};
using ManifestProgramPtr = std::shared_ptr<const ManifestProgram>;

}  // namespace tieline::connect
