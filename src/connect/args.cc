#include "connect/args.h"

#include <algorithm>

#include "base/text.h"
#include "connect/encode.h"
#include "spec/literal.h"

namespace tieline::connect {
namespace {

constexpr std::size_t kShownMax = 60;

// The value as one number, if it is that.
std::optional<json::Document> as_number(std::string_view text) {
  if (text.empty() || (text[0] != '-' && (text[0] < '0' || text[0] > '9'))) return std::nullopt;
  auto parsed = json::parse(std::string(text));
  if (!parsed || !parsed->root().is_number() || parsed->root().number_text() != text) return std::nullopt;
  return std::move(*parsed);
}

bool whole_number(json::Value value) {
  if (!value.is_number()) return false;
  if (value.as_int64()) return true;
  const std::string_view text = value.number_text();
  return text.find_first_of(".eE") == text.npos;
}

// Exact conversions only; nothing where the value stands as it is. What is not of the type afterwards is the caller's
// to refuse.
std::optional<json::Document> coerced(ArgType type, json::Value value) {
  if (type == ArgType::kString && (value.is_number() || value.kind() == json::Kind::kBool))
    return json::make_string(*scalar_text(value));
  if ((type == ArgType::kInteger || type == ArgType::kNumber) && value.is_string()) {
    return as_number(value.as_string());
  }
  if (type == ArgType::kBoolean && value.is_string() && (value.as_string() == "true" || value.as_string() == "false"))
    return json::make_bool(value.as_string() == "true");
  return std::nullopt;
}

bool fits(ArgType type, json::Value value) {
  switch (type) {
    case ArgType::kString: return value.is_string();
    case ArgType::kInteger: return whole_number(value);
    case ArgType::kNumber: return value.is_number();
    case ArgType::kBoolean: return value.kind() == json::Kind::kBool;
    case ArgType::kArray: return value.is_array();
    case ArgType::kObject: return value.is_object();
    case ArgType::kAny: return true;
    case ArgType::kRefused: return false;
  }
  return false;
}

std::string shown(json::Value value) { return truncated(json::print(value), kShownMax); }

ArgPlan plan_one(const std::string& name, const ArgSpec& spec, spec::Problems& problems) {
  ArgPlan plan{name, spec.type, spec.required, spec.names_arg, {}, {}, {}};
  if (!spec.pattern.empty()) {
    auto pattern = spec::Pattern::compile(spec.pattern);
    if (pattern) {
      plan.pattern = std::move(*pattern);
    } else {
      problems.error(spec.place, "pattern of `" + name + "`: " + pattern.error().message);
    }
  }
  for (const spec::Data& choice : spec.choices) plan.choices.push_back(spec::literal_document(choice));
  if (spec.fallback) {
    const json::Document given = spec::literal_document(*spec.fallback);
    auto fallback = check_arg(plan, name, given.root());
    if (fallback) {
      plan.fallback = fallback->value_or(given);
    } else {
      problems.error(spec.place, "default: " + fallback.error().message);
    }
  }
  return plan;
}

// The schema of an argument of that name; kInvalid with the nearest one where there is none.
Result<const ArgPlan*> plan_of(const ArgsPlan& plan, std::string_view name) {
  if (const ArgPlan* const arg = plan.find(name)) return arg;
  if (plan.others) return &*plan.others;
  std::vector<std::string> known;
  for (const ArgPlan& one : plan.named) {
    if (one.type != ArgType::kRefused) known.push_back(one.name);
  }
  return failure(Code::kInvalid, "unknown argument `" + std::string(name) + "`" + did_you_mean(name, known));
}

// Whether a default fills something in; kInvalid where a required argument is missing.
Result<bool> needs_fallbacks(const ArgsPlan& plan, json::Value args) {
  bool some = false;
  for (const ArgPlan& arg : plan.named) {
    if (!args[arg.name].is_null()) continue;
    if (!arg.fallback && arg.required) return failure(Code::kInvalid, "argument `" + arg.name + "` is missing");
    some = some || arg.fallback;
  }
  return some;
}

}  // namespace

std::string_view arg_type_name(ArgType type) {
  constexpr std::string_view kTypeNames[] = {"string", "integer", "number", "boolean",
                                             "array",  "object",  "any",    "refused"};
  return kTypeNames[static_cast<std::size_t>(type)];
}

const ArgPlan* ArgsPlan::find(std::string_view name) const {
  const auto at = std::find_if(named.begin(), named.end(), [&](const ArgPlan& arg) { return arg.name == name; });
  return at == named.end() ? nullptr : &*at;
}

Result<std::optional<json::Document>> check_arg(const ArgPlan& plan, std::string_view name, json::Value value) {
  const auto refused = [&](const std::string& why) {
    return failure(Code::kInvalid, "argument `" + std::string(name) + "` " + why);
  };
  if (plan.type == ArgType::kRefused) return refused("is not taken here");
  std::optional<json::Document> changed = coerced(plan.type, value);
  const json::Value out = changed ? changed->root() : value;
  if (!fits(plan.type, out))
    return refused("must be " + std::string(arg_type_name(plan.type)) + ", is " +
                   std::string(json::kind_name(value.kind())) + " " + shown(value));
  if (plan.pattern && !plan.pattern->matches(out.as_string()))
    return refused("must match " + plan.pattern->text() + ", is " + shown(out));
  const bool listed = std::any_of(plan.choices.begin(), plan.choices.end(),
                                  [&](const json::Document& choice) { return json::equal(choice.root(), out); });
  if (!plan.choices.empty() && !listed) {
    std::vector<std::string> texts;
    for (const json::Document& choice : plan.choices) texts.push_back(scalar_text(choice.root()).value_or("null"));
    return refused("must be one of " + join(texts, ", ") + ", is " + shown(out) + did_you_mean(out.as_string(), texts));
  }
  return changed;
}

ArgsPlan plan_args(const spec::Map<ArgSpec>& specs, spec::Problems& problems) {
  ArgsPlan plan;
  for (const auto& [name, spec] : specs) {
    if (name == "*") {
      plan.others = plan_one(name, spec, problems);
    } else {
      plan.named.push_back(plan_one(name, spec, problems));
    }
  }
  return plan;
}

Result<json::Document> check_args(const ArgsPlan& plan, const json::Document& given) {
  const json::Value args = given.root();
  if (!args.is_object() && !args.is_null())
    return failure(Code::kInvalid, "the arguments must be an object, are " + std::string(json::kind_name(args.kind())));
  bool same = args.is_object();
  std::vector<std::optional<json::Document>> changes;  // one for each member that is not null
  changes.reserve(args.size());
  for (const json::KeyValue member : args.members()) {
    if (member.value.is_null()) {
      same = false;
      continue;
    }
    TRY(const ArgPlan* const arg, plan_of(plan, member.key));
    TRY(changes.emplace_back(), check_arg(*arg, member.key, member.value));
    same = same && !changes.back();
  }
  TRY(const bool fill_in, needs_fallbacks(plan, args));
  json::Document whole = given;
  if (!same || fill_in) {
    json::Builder out;
    out.begin_object();
    auto change = changes.begin();
    for (const json::KeyValue member : args.members()) {
      if (member.value.is_null()) continue;
      out.key(member.key).copy(*change ? (*change)->root() : member.value);
      ++change;
    }
    for (const ArgPlan& arg : plan.named) {
      if (arg.fallback && args[arg.name].is_null()) out.key(arg.name).share(*arg.fallback);
    }
    whole = out.end_object().finish();
  }
  for (const ArgPlan& arg : plan.named) {
    const std::string_view named = arg.names_arg ? whole.root()[arg.name].as_string() : std::string_view();
    if (!named.empty() && whole.root()[named].is_null())
      return failure(Code::kInvalid, "argument `" + std::string(named) + "` is missing: `" + arg.name + "` names it");
  }
  return whole;
}

}  // namespace tieline::connect
