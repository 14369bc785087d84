// The arguments of an action: what a call may give it, and what its programs and placeholders then see. An argument
// must never be silently dropped or reach a request unchecked.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "connect/manifest.h"
#include "json/value.h"
#include "spec/pattern.h"

namespace tieline::connect {

struct ArgPlan {
  std::string name;
  ArgType type = ArgType::kAny;
  bool required = false;
  bool names_arg = false;  // its value names another one, which must be given
  std::optional<json::Document> fallback;
  std::vector<json::Document> choices;
  std::optional<spec::Pattern> pattern;
};

struct ArgsPlan {
  std::vector<ArgPlan> named;
  std::optional<ArgPlan> others;  // the schema of every name not listed

  const ArgPlan* find(std::string_view name) const;
};

std::string_view arg_type_name(ArgType type);

// Reports broken patterns and defaults that do not fit at their places.
ArgsPlan plan_args(const spec::Map<ArgSpec>& specs, spec::Problems& problems);

// What the one argument `value` becomes; nothing where it stands as it is. kInvalid with the argument's name.
Result<std::optional<json::Document>> check_arg(const ArgPlan& plan, std::string_view name, json::Value value);

// The object that the action sees: nulls left out, defaults filled in, texts and numbers turned into one another where
// that is exact; `given` itself where that changes nothing. kInvalid with the argument's name, and the nearest one for
// an unknown name.
Result<json::Document> check_args(const ArgsPlan& plan, const json::Document& given);

}  // namespace tieline::connect
