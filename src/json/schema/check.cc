// Asks a document: one walk over schema and document together. What is not asked for is not made: without faults to
// collect nothing is allocated, and which members and elements were looked at is kept only below `unevaluated…`.
#include <algorithm>

#include "base/text.h"
#include "json/node.h"
#include "json/number.h"
#include "json/schema/check_parts.h"

namespace tieline::json::schema {
namespace {

class Walk {
 public:
  Walk(const SchemaLimits& limits, std::vector<SchemaFault>* faults) : limits_(limits), faults_(faults) {}

  bool run(const Check& check, Value value, const Path* path, const Scope* scope, Evaluated* seen) {
    if (!charge(check, path)) return false;
    if (check.always) return *check.always || fail(check, "", path, [] { return "nothing may stand here"; });
    const Scope inner{check.resource, scope};
    if (scope == nullptr || scope->resource != check.resource) scope = &inner;
    ++depth_;
    const bool whole = parts(check, value, path, scope, seen);
    --depth_;
    return whole;
  }
  bool gave_up() const { return gave_up_; }

 private:
  bool charge(const Check& check, const Path* path) {
    if (gave_up_) return false;
    if (++steps_ > limits_.steps_max || depth_ >= limits_.depth_max) {
      const bool deep = depth_ >= limits_.depth_max;
      if (faults_ == nullptr) {
        gave_up_ = true;
        return false;
      }
      fail(check, "", path, [&] {
        return deep ? "the schema refers to itself more deeply than " + std::to_string(limits_.depth_max)
                    : "checking it takes more than " + std::to_string(limits_.steps_max) + " steps";
      });
      gave_up_ = true;
      return false;
    }
    return true;
  }

  // Out of line: inlined, its thirty uses make the frames of all that recurses three times as large.
  template <class Message>
  [[gnu::noinline, gnu::cold]] bool fail(const Check& check, std::string_view keyword, const Path* path,
                                         Message message) {
    if (faults_ == nullptr || gave_up_ || faults_->size() >= limits_.faults_max) return false;
    std::string location = check.location;
    if (!keyword.empty()) location += "/" + std::string(keyword);
    faults_->push_back({pointer_of(path), std::move(location), message()});
    return false;
  }
  // Whether a part that failed ends it: where nobody asks why, or all that may be said is said.
  bool enough() const { return faults_ == nullptr || gave_up_ || faults_->size() >= limits_.faults_max; }

  // What recurses here stands out of line where few schemas have it: inlined into parts(), it would be in the frame of
  // every level, and a schema may refer to itself a thousand deep.
  [[gnu::noinline]] bool parts_of_its_own(const Check& c, Value value, const Path* path, const Scope* scope) {
    Evaluated own;
    return parts(c, value, path, scope, &own);
  }
  bool parts(const Check& c, Value value, const Path* path, const Scope* scope, Evaluated* seen) {
    if (seen == nullptr && (c.unevaluated_properties != nullptr || c.unevaluated_items != nullptr))
      return parts_of_its_own(c, value, path, scope);
    bool good = simple(c, value, path);
    if (!good && (enough() || (c.types != 0 && !has_type(c, value)))) return false;
    if (c.of_objects && value.is_object()) good = object(c, value, path, scope, seen) && good;
    if (c.of_arrays && value.is_array()) good = array(c, value, path, scope, seen) && good;
    if (!good && enough()) return false;
    // What a part that failed has looked at is not known: `unevaluated…` would blame all of it again.
    if (c.in_place && !in_place(c, value, path, scope, seen)) return false;
    if (!good && enough()) return false;
    if (c.unevaluated_properties != nullptr && value.is_object())
      good = unevaluated_members(c, value, path, scope, *seen) && good;
    if (c.unevaluated_items != nullptr && value.is_array())
      good = unevaluated_elements(c, value, path, scope, *seen) && good;
    return good;
  }

  static bool has_type(const Check& c, Value value) {
    static constexpr std::uint8_t kBits[] = {kNullBit, kBooleanBit, kNumberBit, kStringBit, kArrayBit, kObjectBit};
    if ((c.types & kBits[static_cast<std::size_t>(value.kind())]) != 0) return true;
    if (!value.is_number() || (c.types & kIntegerBit) == 0) return false;
    return (value.node()->flags & Node::kInteger) != 0 || is_whole(value.number_text());
  }

  [[gnu::noinline]] bool simple(const Check& c, Value value, const Path* path) {
    if (c.types != 0 && !has_type(c, value)) {
      return fail(c, "type", path, [&] {
        const bool fraction = value.is_number() && (c.types & kIntegerBit) != 0;
        return "must be " + type_words(c.types) + ", is " +
               (fraction ? shown(value) : std::string(kind_words(value.kind())));
      });
    }
    bool good = true;
    if (c.constant && !equal(*c.constant, value))
      good = fail(c, "const", path, [&] { return "must be " + shown(*c.constant); });
    if (!c.any_choice && std::ranges::none_of(c.choices, [&](Value choice) { return equal(choice, value); }))
      good = fail(c, "enum", path, [&] { return choices_words(c); });
    if (!good && enough()) return false;
    if (value.is_number()) return numbers(c, value, path) && good;
    if (value.is_string()) return strings(c, value.as_string(), path) && good;
    return good;
  }

  bool numbers(const Check& c, Value value, const Path* path) {
    if (!c.of_numbers) return true;
    bool good = true;
    const std::optional<std::int64_t> number = value.as_int64();
    const auto bound = [&](const std::optional<Bound>& limit, auto fits, std::string_view keyword,
                           std::string_view words) {
      if (!limit || (!good && enough())) return;
      const int order = number && limit->integer ? int{*number > *limit->integer} - int{*number < *limit->integer}
                                                 : compare_numbers(value.number_text(), limit->text);
      if (fits(order)) return;
      good = fail(c, keyword, path, [&] {
        return "must be " + std::string(words) + " " + std::string(limit->text) + ", is " + shown(value);
      });
    };
    bound(
        c.minimum, [](int order) { return order >= 0; }, "minimum", "at least");
    bound(
        c.maximum, [](int order) { return order <= 0; }, "maximum", "at most");
    bound(
        c.exclusive_minimum, [](int order) { return order > 0; }, "exclusiveMinimum", "more than");
    bound(
        c.exclusive_maximum, [](int order) { return order < 0; }, "exclusiveMaximum", "less than");
    if (c.multiple_of && !is_multiple(value.number_text(), c.multiple_of->text)) {
      good = fail(c, "multipleOf", path,
                  [&] { return "must be a multiple of " + std::string(c.multiple_of->text) + ", is " + shown(value); });
    }
    return good;
  }

  bool strings(const Check& c, std::string_view text, const Path* path) {
    bool good = true;
    // A character has one to four bytes: mostly their number decides.
    const std::size_t most = text.size(), least = (text.size() + 3) / 4;
    if ((c.min_length && least < *c.min_length) || (c.max_length && most > *c.max_length)) {
      const std::size_t length = characters(text);
      if (c.min_length && length < *c.min_length) {
        good = fail(c, "minLength", path, [&] {
          return text.empty()
                     ? std::string("must not be empty")
                     : "must have at least " + counted(*c.min_length, "character") + ", has " + std::to_string(length);
        });
      }
      if (c.max_length && length > *c.max_length) {
        good = fail(c, "maxLength", path, [&] {
          return "must have at most " + counted(*c.max_length, "character") + ", has " + std::to_string(length);
        });
      }
    }
    if (c.pattern && matches(*c.pattern, text, c, path) != true)
      good = fail(c, "pattern", path, [&] { return "must match " + truncated(c.pattern->source, 200); });
    if (c.format_check != nullptr && !c.format_check(text))
      good = fail(c, "format", path, [&] { return "must be of the format " + c.format; });
    return good;
  }

  // False, with a fault, for a search that takes too long.
  bool matches(const Pattern& pattern, std::string_view text, const Check& c, const Path* path) {
    steps_ += text.size() / 64;
    const std::optional<bool> found = pattern.compiled.found_in(text);
    if (!found) fail(c, "pattern", path, [&] { return "matching " + pattern.source + " takes too long"; });
    return found.value_or(false);
  }

  [[gnu::noinline]] bool object(const Check& c, Value value, const Path* path, const Scope* scope, Evaluated* seen) {
    bool good = true;
    const std::size_t size = value.size();
    if (c.min_properties && size < *c.min_properties) {
      good = fail(c, "minProperties", path, [&] {
        return "must have at least " + counted(*c.min_properties, "member") + ", has " + std::to_string(size);
      });
    }
    if (c.max_properties && size > *c.max_properties) {
      good = fail(c, "maxProperties", path, [&] {
        return "must have at most " + counted(*c.max_properties, "member") + ", has " + std::to_string(size);
      });
    }
    Progress progress;
    for (const auto [key, member] : value.members()) {
      if (!good && enough()) return false;
      good = one_member(c, key, member, path, scope, seen, progress) && good;
      ++progress.member;
    }
    if (progress.required != c.required.size()) {
      for (const std::string_view name : c.required) {
        if (!value.has(name)) good = fail(c, "required", path, [&] { return quoted(name) + " is missing"; });
      }
    }
    return (good || !enough()) && dependent(c, value, path) && good;
  }

  // Of an object's members: how many were looked at, how many of them are required, and the place of the property
  // behind the last one.
  struct Progress {
    std::size_t member = 0, required = 0, property = 0;
  };
  // Members mostly come in the order of the schema: the next name is tried before any is looked for.
  static const Property* property_of(const Check& c, std::string_view key, Progress& progress) {
    if ((c.lengths >> std::min<std::size_t>(key.size(), 63) & 1) == 0) return nullptr;
    const Property* found = nullptr;
    if (progress.property < c.in_order.size() && c.in_order[progress.property]->first == key) {
      found = &c.in_order[progress.property]->second;
    } else {
      const auto at = c.properties.find(key);
      if (at == c.properties.end()) return nullptr;
      found = &at->second;
    }
    progress.property = found->place + 1;
    if (found->required) ++progress.required;
    return found;
  }

  bool one_member(const Check& c, std::string_view key, Value member, const Path* path, const Scope* scope,
                  Evaluated* seen, Progress& progress) {
    const Path here{path, key, 0, false};
    bool good = true, known = false;
    const Property* const property = property_of(c, key, progress);
    if (property != nullptr && property->check != nullptr) {
      known = true;
      good = run(*property->check, member, &here, scope, nullptr);
    }
    for (const auto& [pattern, check] : c.pattern_properties) {
      if (!matches(pattern, key, c, path)) continue;
      known = true;
      good = run(*check, member, &here, scope, nullptr) && good;
    }
    if (!known && c.additional_properties != nullptr) {
      known = true;
      const Check& more = *c.additional_properties;
      if (more.always == false) {
        good = fail(c, "additionalProperties", &here, [] { return "is not allowed here"; });
      } else {
        good = run(more, member, &here, scope, nullptr) && good;
      }
    }
    if (known && seen != nullptr) seen->member(progress.member);
    if (c.property_names != nullptr) {
      const Node name = string_node(key, false);
      const bool fits = quietly(*c.property_names, Value(&name), scope, nullptr);
      if (!fits) good = fail(c, "propertyNames", &here, [] { return "is a name that is not allowed here"; });
    }
    return good;
  }

  bool dependent(const Check& c, Value value, const Path* path) {
    bool good = true;
    for (const auto& dependency : c.dependent_required) {
      const std::string_view name = dependency.first;  // clang 14 captures no structured binding
      if (!value.has(name)) continue;
      for (const std::string_view other : dependency.second) {
        if (value.has(other)) continue;
        good = fail(c, "dependentRequired", path,
                    [&] { return quoted(other) + " is missing, where there is " + quoted(name); });
      }
    }
    return good;
  }

  [[gnu::noinline]] bool array(const Check& c, Value value, const Path* path, const Scope* scope, Evaluated* seen) {
    bool good = true;
    const std::size_t size = value.size();
    if (c.min_items && size < *c.min_items) {
      good = fail(c, "minItems", path, [&] {
        return "must have at least " + counted(*c.min_items, "element") + ", has " + std::to_string(size);
      });
    }
    if (c.max_items && size > *c.max_items) {
      good = fail(c, "maxItems", path, [&] {
        return "must have at most " + counted(*c.max_items, "element") + ", has " + std::to_string(size);
      });
    }
    std::size_t index = 0;
    for (const Value element : value.elements()) {
      if (!good && enough()) return false;
      const Check* check = index < c.prefix_items.size() ? c.prefix_items[index] : c.items;
      const Path here{path, {}, index++, true};
      if (check != nullptr) good = run(*check, element, &here, scope, nullptr) && good;
    }
    if (seen != nullptr) {
      seen->first_elements = std::max(seen->first_elements, std::min(size, c.prefix_items.size()));
      if (c.items != nullptr) seen->all_elements = true;
    }
    if (!good && enough()) return false;
    if (c.contains != nullptr) good = contains(c, value, path, scope, seen) && good;
    if (c.unique_items) good = unique(c, value, path) && good;
    return good;
  }

  bool contains(const Check& c, Value value, const Path* path, const Scope* scope, Evaluated* seen) {
    std::size_t found = 0, index = 0;
    for (const Value element : value.elements()) {
      if (quietly(*c.contains, element, scope, nullptr)) {
        ++found;
        if (seen != nullptr) seen->element(index);
      }
      ++index;
    }
    const std::size_t least = c.min_contains.value_or(1);
    if (found < least) {
      return fail(c, c.min_contains ? "minContains" : "contains", path, [&] {
        return "must have at least " + counted(least, "element") + " that `contains` describes, has " +
               std::to_string(found);
      });
    }
    if (c.max_contains && found > *c.max_contains) {
      return fail(c, "maxContains", path, [&] {
        return "must have at most " + counted(*c.max_contains, "element") + " that `contains` describes, has " +
               std::to_string(found);
      });
    }
    return true;
  }

  bool unique(const Check& c, Value value, const Path* path) {
    std::vector<std::pair<std::uint64_t, std::size_t>> hashes;
    hashes.reserve(value.size());
    for (const Value element : value.elements()) hashes.emplace_back(hash_of(element), hashes.size());
    std::ranges::sort(hashes);
    for (std::size_t i = 1; i < hashes.size(); ++i) {
      for (std::size_t j = i; j-- > 0 && hashes[j].first == hashes[i].first;) {
        if (!charge(c, path)) return false;
        if (!equal(value.at(hashes[i].second), value.at(hashes[j].second))) continue;
        return fail(c, "uniqueItems", path, [&] {
          return "must have no two equal elements; " + std::to_string(hashes[j].second) + " and " +
                 std::to_string(hashes[i].second) + " are";
        });
      }
    }
    return true;
  }

  // Whether it fits, where a reason is not asked for. `seen` is added to only where it does.
  [[gnu::noinline]] bool quietly(const Check& check, Value value, const Scope* scope, Evaluated* seen) {
    std::vector<SchemaFault>* const outer = std::exchange(faults_, nullptr);
    Evaluated here;
    const bool fits = run(check, value, nullptr, scope, seen != nullptr ? &here : nullptr);
    faults_ = outer;
    if (fits && seen != nullptr) seen->add(here);
    return fits && !gave_up_;
  }
  bool loudly(const Check& check, Value value, const Path* path, const Scope* scope, Evaluated* seen) {
    return seen == nullptr ? run(check, value, path, scope, nullptr) : noting(check, value, path, scope, *seen);
  }
  [[gnu::noinline]] bool noting(const Check& check, Value value, const Path* path, const Scope* scope,
                                Evaluated& seen) {
    Evaluated here;
    const bool fits = run(check, value, path, scope, &here);
    if (fits) seen.add(here);
    return fits;
  }

  [[gnu::noinline]] bool in_place(const Check& c, Value value, const Path* path, const Scope* scope, Evaluated* seen) {
    bool good = true;
    const auto also = [&](const Check* check) {
      if (check != nullptr && (good || !enough())) good = loudly(*check, value, path, scope, seen) && good;
    };
    also(c.reference);
    if (c.dynamic_reference != nullptr) also(dynamic_target(c, scope));
    for (const Check* check : c.all_of) also(check);
    if (!c.any_of.empty() && (good || !enough())) good = any_of(c, value, path, scope, seen) && good;
    if (!c.one_of.empty() && (good || !enough())) good = one_of(c, value, path, scope, seen) && good;
    if (c.negated != nullptr && (good || !enough()) && quietly(*c.negated, value, scope, nullptr))
      good = fail(c, "not", path, [] { return "must not be what `not` describes"; });
    if (c.condition != nullptr && (good || !enough())) {
      const bool holds = quietly(*c.condition, value, scope, seen);
      if (!gave_up_) also(holds ? c.then : c.otherwise);
    }
    if (value.is_object()) {
      for (const auto& [name, check] : c.dependent_schemas) {
        if (value.has(name)) also(check);
      }
    }
    return good && !gave_up_;
  }

  [[gnu::noinline]] bool any_of(const Check& c, Value value, const Path* path, const Scope* scope, Evaluated* seen) {
    bool fits = false;
    for (const Check* check : c.any_of) {
      fits = quietly(*check, value, scope, seen) || fits;
      if (fits && seen == nullptr) return true;
    }
    if (fits) return true;
    return fail(c, "anyOf", path, [&] { return nearest_fault(c.any_of, value, path, scope); });
  }

  [[gnu::noinline]] bool one_of(const Check& c, Value value, const Path* path, const Scope* scope, Evaluated* seen) {
    std::size_t fitting = 0;
    for (const Check* check : c.one_of) {
      if (quietly(*check, value, scope, seen)) ++fitting;
    }
    if (fitting == 1) return true;
    return fail(c, "oneOf", path, [&] {
      return fitting == 0 ? nearest_fault(c.one_of, value, path, scope)
                          : "must be one of " + std::to_string(c.one_of.size()) + " things, is " +
                                std::to_string(fitting) + " of them";
    });
  }

  // Of several things that it might be, the one that it comes nearest to: whose first fault lies deepest.
  std::string nearest_fault(const std::vector<const Check*>& checks, Value value, const Path* path,
                            const Scope* scope) {
    std::string best;
    std::size_t depth = 0;
    for (const Check* check : checks) {
      std::vector<SchemaFault> faults;
      SchemaLimits limits = limits_;
      limits.faults_max = 1;
      Walk again(limits, &faults);
      again.steps_ = steps_;
      again.depth_ = depth_ + 1;
      again.run(*check, value, path, scope, nullptr);
      steps_ = again.steps_;
      if (faults.empty()) continue;
      const auto deep = static_cast<std::size_t>(std::ranges::count(faults[0].instance, '/')) + 1;
      if (deep > depth) best = faults[0].text();
      depth = std::max(depth, deep);
    }
    return "must be one of " + std::to_string(checks.size()) + " things, and is none; nearest: " + best;
  }

  [[gnu::noinline]] bool unevaluated_members(const Check& c, Value value, const Path* path, const Scope* scope,
                                             Evaluated& seen) {
    bool good = true;
    std::size_t index = 0;
    for (const auto [key, member] : value.members()) {
      const Path here{path, key, 0, false};
      if (seen.has_member(index++)) continue;
      if (c.unevaluated_properties->always == false) {
        good = fail(c, "unevaluatedProperties", &here, [] { return "is not allowed here"; });
      } else {
        good = run(*c.unevaluated_properties, member, &here, scope, nullptr) && good;
      }
      if (!good && enough()) return false;
    }
    seen.all_members = true;
    return good;
  }

  [[gnu::noinline]] bool unevaluated_elements(const Check& c, Value value, const Path* path, const Scope* scope,
                                              Evaluated& seen) {
    bool good = true;
    std::size_t index = 0;
    for (const Value element : value.elements()) {
      const Path here{path, {}, index, true};
      if (seen.has_element(index++)) continue;
      if (c.unevaluated_items->always == false) {
        good = fail(c, "unevaluatedItems", &here, [] { return "is not allowed here"; });
      } else {
        good = run(*c.unevaluated_items, element, &here, scope, nullptr) && good;
      }
      if (!good && enough()) return false;
    }
    seen.all_elements = true;
    return good;
  }

  const SchemaLimits limits_;
  std::vector<SchemaFault>* faults_;
  std::size_t steps_ = 0, depth_ = 0;
  bool gave_up_ = false;
};

}  // namespace

std::vector<SchemaFault> Compiled::check(Value document, const SchemaLimits& limits) const {
  std::vector<SchemaFault> faults;
  const bool good = Walk(limits, &faults).run(*root, document, nullptr, nullptr, nullptr);
  if (!good && faults.empty()) {  // given up where no reasons are collected
    faults.push_back({{},
                      root->location,
                      "checking it takes more than " + std::to_string(limits.steps_max) +
                          " steps, or refers to itself more deeply than " + std::to_string(limits.depth_max)});
  }
  return faults;
}

bool Compiled::fits(Value document, const SchemaLimits& limits) const {
  return Walk(limits, nullptr).run(*root, document, nullptr, nullptr, nullptr);
}

}  // namespace tieline::json::schema
