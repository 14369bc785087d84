// A data field of a manifest, compiled: literals, programs and, in `query` and `headers`, texts with placeholders. It
// must never evaluate to a part of itself: one failing leaf fails all of it.
#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "connect/manifest_program.h"
#include "connect/text_template.h"
#include "json/value.h"
#include "spec/problems.h"

namespace tieline::connect {

enum class Leaves : std::uint8_t { kLiteral, kTemplates };

class DataPlan {
 public:
  // Reports what does not compile, in place.
  struct How {
    Sees sees = Sees::kVariables;
    Leaves leaves = Leaves::kLiteral;
    CompileAt at = CompileAt::kOnce;
  };
  static DataPlan compile(const spec::Data& data, const How& how, spec::Problems& problems);

  // kInvalid with `name` and the leaf's path before the program's message. A text whose placeholder has no value is
  // null.
  Result<json::Document> evaluate(const json::Document& input, const Scope& scope, const TextTemplate::Lookup& lookup,
                                  const std::string& name) const;
  // Every template below.
  void each_template(const std::function<void(const TextTemplate&, const Place&)>& visit) const;
  // The keys of a map; empty otherwise.
  const std::vector<std::string>& keys() const { return keys_; }
  bool is_map() const { return kind_ == Kind::kMap; }

 private:
  enum class Kind : std::uint8_t { kLiteral, kProgram, kTemplate, kList, kMap };
  Result<void> build(json::Builder& out, const json::Document& input, const Scope& scope,
                     const TextTemplate::Lookup& lookup, const std::string& name) const;
  Kind kind_ = Kind::kLiteral;
  json::Document literal_;
  ManifestProgramPtr program_;
  TextTemplate text_;
  Place place_;
  std::vector<std::string> keys_;  // of a map, beside items_
  std::vector<DataPlan> items_;
};

// The place of an error inside a text that stands in the manifest at `at`.
Place place_within(const Place& at, const Place& inside);

}  // namespace tieline::connect
