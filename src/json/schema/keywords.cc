// The keywords of a schema, read into a Check. What has the wrong type is an error; a name that means nothing is warned
// of, since JSON Schema would pass over it without a word.
#include <algorithm>
#include <array>

#include "base/text.h"
#include "json/number.h"
#include "json/schema/compiler.h"

namespace tieline::json {

std::shared_ptr<const Schema> compile_schema(const Document& schema, const SchemaOptions& options,
                                             std::vector<SchemaProblem>& problems) {
  return schema::Compiler(options, problems).run(schema);
}

namespace schema {
namespace {

constexpr std::array<std::pair<std::string_view, Holds>, 61> kKeywords{{
    {"$id", Holds::kOther},
    {"$schema", Holds::kOther},
    {"$ref", Holds::kOther},
    {"$anchor", Holds::kOther},
    {"$dynamicRef", Holds::kOther},
    {"$dynamicAnchor", Holds::kOther},
    {"$vocabulary", Holds::kOther},
    {"$comment", Holds::kOther},
    {"$defs", Holds::kSchemaMap},
    {"definitions", Holds::kSchemaMap},
    {"prefixItems", Holds::kSchemas},
    {"items", Holds::kSchema},
    {"contains", Holds::kSchema},
    {"additionalProperties", Holds::kSchema},
    {"properties", Holds::kSchemaMap},
    {"patternProperties", Holds::kSchemaMap},
    {"dependentSchemas", Holds::kSchemaMap},
    {"propertyNames", Holds::kSchema},
    {"if", Holds::kSchema},
    {"then", Holds::kSchema},
    {"else", Holds::kSchema},
    {"allOf", Holds::kSchemas},
    {"anyOf", Holds::kSchemas},
    {"oneOf", Holds::kSchemas},
    {"not", Holds::kSchema},
    {"unevaluatedItems", Holds::kSchema},
    {"unevaluatedProperties", Holds::kSchema},
    {"type", Holds::kOther},
    {"const", Holds::kOther},
    {"enum", Holds::kOther},
    {"multipleOf", Holds::kOther},
    {"maximum", Holds::kOther},
    {"exclusiveMaximum", Holds::kOther},
    {"minimum", Holds::kOther},
    {"exclusiveMinimum", Holds::kOther},
    {"maxLength", Holds::kOther},
    {"minLength", Holds::kOther},
    {"pattern", Holds::kOther},
    {"maxItems", Holds::kOther},
    {"minItems", Holds::kOther},
    {"uniqueItems", Holds::kOther},
    {"maxContains", Holds::kOther},
    {"minContains", Holds::kOther},
    {"maxProperties", Holds::kOther},
    {"minProperties", Holds::kOther},
    {"required", Holds::kOther},
    {"dependentRequired", Holds::kOther},
    {"title", Holds::kOther},
    {"description", Holds::kOther},
    {"default", Holds::kOther},
    {"deprecated", Holds::kOther},
    {"readOnly", Holds::kOther},
    {"writeOnly", Holds::kOther},
    {"examples", Holds::kOther},
    {"format", Holds::kOther},
    {"contentEncoding", Holds::kOther},
    {"contentMediaType", Holds::kOther},
    {"contentSchema", Holds::kSchema},
    {"dependencies", Holds::kOther},
    {"$recursiveRef", Holds::kOther},
    {"$recursiveAnchor", Holds::kOther},
}};

std::string is_a(Value value) {
  return std::string(value.is_array() || value.is_object() ? "an " : "a ") + std::string(kind_name(value.kind()));
}

}  // namespace

std::optional<Holds> keyword_holds(std::string_view name) {
  const auto found = std::ranges::find(kKeywords, name, [](const auto& keyword) { return keyword.first; });
  return found == kKeywords.end() ? std::nullopt : std::optional(found->second);
}

std::vector<std::string> keyword_names() {
  std::vector<std::string> names;
  for (const auto& [name, holds] : kKeywords) names.emplace_back(name);
  return names;
}

std::shared_ptr<const Schema> Compiler::run(const Document& schema) {
  const auto ok = [&] {
    return std::ranges::none_of(problems_, [](const SchemaProblem& problem) { return !problem.warning; });
  };
  add_document(schema, options_.uri);
  compiled_->root = compile(schema.root(), 0, "");
  // Reading one schema names others; all anchors that a $dynamicRef may meet are among them.
  std::size_t anchored = 0;
  while (!pending_.empty() || anchored < drafts_.size()) {
    if (!pending_.empty()) {
      const auto [check, value] = pending_.back();
      pending_.pop_back();
      const Place place = places_.at(value.node());
      here_ = &place;
      read_core(*check, value);
      here_ = nullptr;
      continue;
    }
    const Draft draft = drafts_[anchored];
    for (const std::string& name : draft.dynamic) {
      const Value value = draft.anchors.at(name);
      draft.resource->dynamic_anchors[name] = compile(value, anchored, places_.at(value.node()).pointer);
    }
    ++anchored;
  }
  if (compiled_->checks.size() > kSchemasMax)
    problem(0, "", "the schema and what it refers to have more than " + std::to_string(kSchemasMax) + " parts");
  if (!ok() || unreadable_) return nullptr;
  return compiled_;
}

const Check* Compiler::compile(Value value, std::size_t draft, const std::string& pointer) {
  if (const auto known = checks_.find(value.node()); known != checks_.end()) return known->second;
  if (!places_.contains(value.node())) places_[value.node()] = {draft, pointer};
  const Place& place = places_.at(value.node());
  auto made = std::make_unique<Check>();
  Check* const check = made.get();
  check->resource = drafts_[place.draft].resource;
  check->location = uris_[drafts_[place.draft].document] + "#" + place.pointer;
  checks_[value.node()] = check;
  compiled_->checks.push_back(std::move(made));
  if (compiled_->checks.size() > kSchemasMax) return check;
  if (value.kind() == Kind::kBool) {
    check->always = value.as_bool();
  } else if (!value.is_object()) {
    problem(drafts_[place.draft].document, place.pointer, "a schema is a map, true or false, not " + is_a(value));
  } else {
    pending_.emplace_back(check, value);
  }
  return check;
}

const Check* Compiler::sub(Value value, std::string_view keyword) {
  if (!value.has(keyword)) return nullptr;
  return compile(value[keyword], here_->draft, here_->pointer + "/" + std::string(keyword));
}

std::vector<const Check*> Compiler::subs(Value value, std::string_view keyword) {
  std::vector<const Check*> out;
  if (!value.has(keyword)) return out;
  const Value list = value[keyword];
  if (!list.is_array() || list.size() == 0) {
    wrong(keyword, "`" + std::string(keyword) + "` is a list of at least one schema");
    return out;
  }
  for (std::size_t i = 0; i < list.size(); ++i)
    out.push_back(
        compile(list.at(i), here_->draft, here_->pointer + "/" + std::string(keyword) + "/" + std::to_string(i)));
  return out;
}

std::optional<Bound> Compiler::bound(Value value, std::string_view keyword) {
  if (!value.has(keyword)) return std::nullopt;
  const Value number = value[keyword];
  if (!number.is_number()) {
    const bool old = number.kind() == Kind::kBool && keyword.starts_with("exclusive");
    wrong(keyword, "`" + std::string(keyword) + "` is a number, not " + is_a(number) +
                       (old ? ": since draft 6 it is the bound itself" : ""));
    return std::nullopt;
  }
  return Bound{number.number_text(), number.as_int64()};
}

std::optional<std::size_t> Compiler::count(Value value, std::string_view keyword) {
  if (!value.has(keyword)) return std::nullopt;
  const Value number = value[keyword];
  if (!number.is_number() || !is_whole(number.number_text()) || compare_numbers(number.number_text(), "0") < 0) {
    wrong(keyword, "`" + std::string(keyword) + "` is a whole number from 0");
    return std::nullopt;
  }
  return static_cast<std::size_t>(number.as_int64().value_or(INT64_MAX));
}

std::vector<std::string_view> Compiler::names(Value list, const std::string& keyword) {
  std::vector<std::string_view> out;
  bool good = list.is_array();
  for (const Value name : list.elements()) {
    good = good && name.is_string();
    if (std::ranges::find(out, name.as_string()) == out.end()) out.push_back(name.as_string());
  }
  if (!good) wrong(keyword, "`" + keyword.substr(0, keyword.find('/')) + "` lists names of members");
  return good ? out : std::vector<std::string_view>();
}

std::optional<Pattern> Compiler::pattern(std::string_view source, const std::string& keyword) {
  auto compiled = EcmaPattern::compile(source);
  if (!compiled) {
    wrong(keyword, "the pattern " + truncated(source, 100) + " is none of ECMA-262: " + compiled.error().message);
    return std::nullopt;
  }
  return Pattern{std::string(source), std::move(*compiled)};
}

void Compiler::read_core(Check& check, Value value) {
  const Vocabularies vocabularies = drafts_[here_->draft].vocabularies;
  warn_of_names(value);
  for (const char* const keyword : {"$id", "$schema", "$ref", "$anchor", "$dynamicRef", "$dynamicAnchor", "$comment",
                                    "format", "title", "description"}) {
    if (value.has(keyword) && !value[keyword].is_string())
      wrong(keyword, "`" + std::string(keyword) + "` is text, not " + is_a(value[keyword]));
  }
  for (const char* const keyword : {"$defs", "definitions"}) {
    if (value.has(keyword) && !value[keyword].is_object())
      wrong(keyword, "`" + std::string(keyword) + "` is a map of schemas, not " + is_a(value[keyword]));
    // What nobody refers to is read too, for what is wrong in it.
    for (const auto [name, schema] : value[keyword].members())
      compile(schema, here_->draft, here_->pointer + "/" + keyword + "/" + escape_pointer(name));
  }
  if (const Value reference = value["$ref"]; reference.is_string()) {
    const auto target = find_target(here_->draft, reference.as_string(), here_->pointer, "$ref");
    if (target) check.reference = compile(target->value, target->draft, places_.at(target->value.node()).pointer);
  }
  if (const Value reference = value["$dynamicRef"]; reference.is_string()) {
    const auto target = find_target(here_->draft, reference.as_string(), here_->pointer, "$dynamicRef");
    if (target) {
      check.dynamic_reference = compile(target->value, target->draft, places_.at(target->value.node()).pointer);
      check.dynamic_anchor = target->dynamic_anchor;
    }
  }
  if (vocabularies.applicator) {
    read_applicators(check, value);
    read_objects(check, value);
  }
  if (vocabularies.unevaluated) {
    check.unevaluated_items = sub(value, "unevaluatedItems");
    check.unevaluated_properties = sub(value, "unevaluatedProperties");
  }
  if (vocabularies.validation) read_validation(check, value);
  check.format = std::string(value["format"].as_string());
  if (options_.assert_formats || vocabularies.format_assertion) check.format_check = find_format(check.format);
  check.of_objects = check.min_properties || check.max_properties || !check.properties.empty() ||
                     !check.pattern_properties.empty() || check.additional_properties != nullptr ||
                     check.property_names != nullptr || !check.dependent_required.empty();
  check.of_numbers =
      check.minimum || check.maximum || check.exclusive_minimum || check.exclusive_maximum || check.multiple_of;
  check.of_arrays = check.min_items || check.max_items || check.unique_items || !check.prefix_items.empty() ||
                    check.items != nullptr || check.contains != nullptr;
  check.in_place = check.reference != nullptr || check.dynamic_reference != nullptr || !check.all_of.empty() ||
                   !check.any_of.empty() || !check.one_of.empty() || check.negated != nullptr ||
                   check.condition != nullptr || !check.dependent_schemas.empty();
}

void Compiler::read_applicators(Check& check, Value value) {
  check.prefix_items = subs(value, "prefixItems");
  if (value["items"].is_array()) {
    wrong("items", "`items` is one schema for all elements: write `prefixItems` for a list of them");
  } else {
    check.items = sub(value, "items");
  }
  check.contains = sub(value, "contains");
  check.all_of = subs(value, "allOf");
  check.any_of = subs(value, "anyOf");
  check.one_of = subs(value, "oneOf");
  check.negated = sub(value, "not");
  check.condition = sub(value, "if");
  check.then = sub(value, "then");
  check.otherwise = sub(value, "else");
  check.property_names = sub(value, "propertyNames");
  check.additional_properties = sub(value, "additionalProperties");
  sub(value, "contentSchema");
}

void Compiler::read_objects(Check& check, Value value) {
  const auto map = [&](const char* keyword, auto use) {
    if (!value.has(keyword)) return;
    if (!value[keyword].is_object()) {
      wrong(keyword, "`" + std::string(keyword) + "` is a map of schemas, not " + is_a(value[keyword]));
      return;
    }
    for (const auto [name, schema] : value[keyword].members()) {
      const std::string below = std::string(keyword) + "/" + escape_pointer(name);
      use(name, compile(schema, here_->draft, here_->pointer + "/" + below), below);
    }
  };
  map("properties",
      [&](std::string_view name, const Check* schema, const std::string&) { check.property(name).check = schema; });
  map("patternProperties", [&](std::string_view name, const Check* schema, const std::string& below) {
    if (auto compiled = pattern(name, below)) check.pattern_properties.emplace_back(std::move(*compiled), schema);
  });
  map("dependentSchemas", [&](std::string_view name, const Check* schema, const std::string&) {
    check.dependent_schemas.emplace_back(name, schema);
  });
}

void Compiler::read_types(Check& check, Value value) {
  if (!value.has("type")) return;
  static const std::vector<std::string> known{"null", "boolean", "number", "string", "array", "object", "integer"};
  const Value type = value["type"];
  const auto add = [&](Value name) {
    const auto found = std::ranges::find(known, name.as_string());
    if (!name.is_string() || found == known.end()) {
      const std::string said =
          name.is_string() ? "\"" + truncated(name.as_string(), 60) + "\"" + " is no type" : is_a(name) + " is no type";
      wrong("type", said + ": write one of " + join(known, ", ") +
                        (name.is_string() ? did_you_mean(name.as_string(), known) : ""));
      return;
    }
    check.types = static_cast<std::uint8_t>(check.types | (1u << (found - known.begin())));
  };
  if (!type.is_array()) return add(type);
  if (type.size() == 0) wrong("type", "`type` lists at least one type");
  for (const Value name : type.elements()) add(name);
}

void Compiler::read_validation(Check& check, Value value) {
  read_types(check, value);
  if (value.has("const")) check.constant = value["const"];
  if (value.has("enum")) {
    check.any_choice = !value["enum"].is_array();
    if (check.any_choice) wrong("enum", "`enum` is a list of values, not " + is_a(value["enum"]));
    for (const Value choice : value["enum"].elements()) check.choices.push_back(choice);
  }
  check.minimum = bound(value, "minimum");
  check.maximum = bound(value, "maximum");
  check.exclusive_minimum = bound(value, "exclusiveMinimum");
  check.exclusive_maximum = bound(value, "exclusiveMaximum");
  check.multiple_of = bound(value, "multipleOf");
  if (check.multiple_of && compare_numbers(check.multiple_of->text, "0") <= 0) {
    wrong("multipleOf", "`multipleOf` is above 0");
    check.multiple_of.reset();
  }
  check.min_length = count(value, "minLength");
  check.max_length = count(value, "maxLength");
  check.min_items = count(value, "minItems");
  check.max_items = count(value, "maxItems");
  check.min_contains = count(value, "minContains");
  check.max_contains = count(value, "maxContains");
  check.min_properties = count(value, "minProperties");
  check.max_properties = count(value, "maxProperties");
  if (value.has("uniqueItems")) {
    if (value["uniqueItems"].kind() != Kind::kBool) wrong("uniqueItems", "`uniqueItems` is true or false");
    check.unique_items = value["uniqueItems"].as_bool();
  }
  if (value.has("pattern")) {
    if (!value["pattern"].is_string()) {
      wrong("pattern", "`pattern` is text, not " + is_a(value["pattern"]));
    } else {
      check.pattern = pattern(value["pattern"].as_string(), "pattern");
    }
  }
  if (value.has("required")) check.required = names(value["required"], "required");
  for (const std::string_view name : check.required) check.property(name).required = true;
  if (!value.has("dependentRequired")) return;
  if (!value["dependentRequired"].is_object())
    wrong("dependentRequired", "`dependentRequired` is a map of lists of names");
  for (const auto [name, list] : value["dependentRequired"].members())
    check.dependent_required.emplace_back(name, names(list, "dependentRequired/" + escape_pointer(name)));
}

void Compiler::warn_of_names(Value value) {
  static constexpr std::pair<std::string_view, std::string_view> kOlder[] = {
      {"dependencies", "`dependentRequired` or `dependentSchemas`"},
      {"$recursiveRef", "`$dynamicRef`"},
      {"$recursiveAnchor", "`$dynamicAnchor`"},
      {"additionalItems", "`prefixItems` and `items`"},
      {"id", "`$id`"}};
  static const std::vector<std::string> known = keyword_names();
  for (const auto [key, member] : value.members()) {
    const auto older = std::ranges::find(kOlder, key, [](const auto& old) { return old.first; });
    if (older != std::end(kOlder) && (key != "id" || member.is_string())) {
      wrong(escape_pointer(key),
            "`" + std::string(key) + "` means nothing in 2020-12; it has " + std::string(older->second), true);
    } else if (!keyword_holds(key) && !key.starts_with("x-")) {
      wrong(escape_pointer(key),
            "\"" + std::string(key) + "\" is no keyword of JSON Schema 2020-12, so it says nothing" +
                did_you_mean(key, known),
            true);
    }
  }
  if (value.has("then") != value.has("if") && value.has("then"))
    wrong("then", "`then` without `if` says nothing", true);
}

}  // namespace schema
}  // namespace tieline::json
