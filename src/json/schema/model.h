// A compiled schema: one Check for each schema that can be reached, with its keywords read and its references resolved.
// Immutable once compiled.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "json/schema.h"
#include "json/schema/ecma_pattern.h"
#include "json/schema/formats.h"

namespace tieline::json::schema {

struct Check;

// A schema resource (Core §4.3.5): what a `$id` begins. References change between them.
struct Resource {
  std::string uri;  // absolute, without a fragment
  std::map<std::string, const Check*, std::less<>> dynamic_anchors;
};

// Kinds that `type` names, as bits.
enum TypeBit : std::uint8_t {
  kNullBit = 1,
  kBooleanBit = 2,
  kNumberBit = 4,
  kStringBit = 8,
  kArrayBit = 16,
  kObjectBit = 32,
  kIntegerBit = 64,
};

// A bound with its number as written, and as an integer where it is one.
struct Bound {
  std::string_view text;
  std::optional<std::int64_t> integer;
};

struct Pattern {
  std::string source;
  EcmaPattern compiled;
};

struct Property {
  const Check* check = nullptr;
  bool required = false;
  std::size_t place = 0;  // in Check::in_order
};

// One schema.
struct Check {
  std::string location;  // "schemas/order.json#/properties/qty"
  const Resource* resource = nullptr;
  std::optional<bool> always;  // `true` and `false`

  std::uint8_t types = 0;  // TypeBits; 0: all
  std::optional<Value> constant;
  std::vector<Value> choices;  // of `enum`
  bool any_choice = true;      // no `enum`

  std::optional<Bound> minimum, maximum, exclusive_minimum, exclusive_maximum, multiple_of;
  std::optional<std::size_t> min_length, max_length;
  std::optional<Pattern> pattern;
  std::string format;
  FormatCheck format_check = nullptr;

  std::optional<std::size_t> min_items, max_items, min_contains, max_contains;
  bool unique_items = false;
  std::vector<const Check*> prefix_items;
  const Check* items = nullptr;
  const Check* contains = nullptr;

  std::optional<std::size_t> min_properties, max_properties;
  std::unordered_map<std::string_view, Property> properties;                 // those of `properties` and `required`
  std::vector<const std::pair<const std::string_view, Property>*> in_order;  // the same, as the schema names them
  std::vector<std::string_view> required;
  std::uint64_t lengths = 0;  // bit n: a property's name has n bytes (63: or more)
  std::vector<std::pair<Pattern, const Check*>> pattern_properties;
  const Check* additional_properties = nullptr;
  const Check* property_names = nullptr;
  std::vector<std::pair<std::string_view, std::vector<std::string_view>>> dependent_required;
  std::vector<std::pair<std::string_view, const Check*>> dependent_schemas;

  const Check* reference = nullptr;
  const Check* dynamic_reference = nullptr;  // where no resource on the way has the anchor
  std::string dynamic_anchor;                // empty: it is a plain reference
  std::vector<const Check*> all_of, any_of, one_of;
  const Check* negated = nullptr;
  const Check* condition = nullptr;
  const Check* then = nullptr;
  const Check* otherwise = nullptr;
  const Check* unevaluated_items = nullptr;
  const Check* unevaluated_properties = nullptr;

  // Whether there is anything to ask of an array, an object or a number besides its type.
  bool of_arrays = false, of_objects = false, of_numbers = false, in_place = false;

  Property& property(std::string_view name) {
    const auto [at, added] = properties.try_emplace(name);
    if (added) {
      at->second.place = in_order.size();
      in_order.push_back(&*at);
      lengths |= std::uint64_t(1) << std::min<std::size_t>(name.size(), 63);
    }
    return at->second;
  }
};

// What compile_schema gives.
class Compiled final : public Schema {
 public:
  std::vector<SchemaFault> check(Value document, const SchemaLimits& limits) const override;
  bool fits(Value document, const SchemaLimits& limits) const override;

  const Check* root = nullptr;
  std::vector<Document> documents;  // what texts and values of the checks live in
  std::vector<std::unique_ptr<Check>> checks;
  std::vector<std::unique_ptr<Resource>> resources;
};

}  // namespace tieline::json::schema
