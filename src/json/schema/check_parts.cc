#include "json/schema/check_parts.h"

#include <bit>

#include "base/text.h"
#include "json/schema/compiler.h"

namespace tieline::json {

std::string SchemaFault::text() const { return instance.empty() ? message : instance + ": " + message; }

namespace schema {
namespace {

constexpr std::size_t kShownBytesMax = 60, kKeyBytesMax = 200, kPointerBytesMax = 2'000;

std::uint64_t mixed(std::uint64_t hash, std::uint64_t more) {
  hash = (hash ^ more) * 0x9E3779B97F4A7C15ull;
  return hash ^ (hash >> 32);
}

}  // namespace

std::string pointer_of(const Path* path) {
  if (path == nullptr) return {};
  std::string out = pointer_of(path->outer);
  if (out.size() > kPointerBytesMax) return out;
  out += '/';
  if (path->element) {
    out += std::to_string(path->index);
  } else {
    out += escape_pointer(truncated(path->key, kKeyBytesMax));
  }
  return out.size() > kPointerBytesMax ? out + "/…" : out;
}

std::string_view kind_words(Kind kind) {
  switch (kind) {
    case Kind::kNull: return "null";
    case Kind::kBool: return "a boolean";
    case Kind::kNumber: return "a number";
    case Kind::kString: return "a string";
    case Kind::kArray: return "an array";
    case Kind::kObject: return "an object";
  }
  return "";
}

std::string type_words(std::uint8_t types) {
  static constexpr std::pair<TypeBit, std::string_view> kNames[] = {
      {kStringBit, "a string"}, {kIntegerBit, "a whole number"}, {kNumberBit, "a number"}, {kBooleanBit, "a boolean"},
      {kArrayBit, "an array"},  {kObjectBit, "an object"},       {kNullBit, "null"}};
  std::string out;
  for (const auto& [bit, name] : kNames) {
    if ((types & bit) == 0 || (bit == kIntegerBit && (types & kNumberBit) != 0)) continue;
    if (!out.empty()) out += " or ";
    out += name;
  }
  return out;
}

std::string quoted(std::string_view name) { return "\"" + truncated(name, kShownBytesMax) + "\""; }
std::string shown(Value value) { return truncated(print(value), kShownBytesMax); }

std::size_t characters(std::string_view text) {
  return static_cast<std::size_t>(
      std::ranges::count_if(text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

std::uint64_t hash_of(Value value) {
  const auto kind = static_cast<std::uint64_t>(value.kind());
  switch (value.kind()) {
    case Kind::kNull: return kind;
    case Kind::kBool: return mixed(kind, value.as_bool() ? 1 : 2);
    case Kind::kNumber: {
      // A double alone would make ids of 19 digits equal by the thousand.
      if (const auto integer = value.as_int64()) return mixed(kind, static_cast<std::uint64_t>(*integer));
      return mixed(kind, std::bit_cast<std::uint64_t>(value.as_double() + 0.0));
    }
    case Kind::kString: return mixed(kind, std::hash<std::string_view>()(value.as_string()));
    case Kind::kArray: {
      std::uint64_t hash = kind;
      for (const Value element : value.elements()) hash = mixed(hash, hash_of(element));
      return hash;
    }
    case Kind::kObject: {
      std::uint64_t hash = mixed(kind, value.size());
      for (const auto [key, member] : value.members())
        hash += mixed(std::hash<std::string_view>()(key), hash_of(member));
      return hash;
    }
  }
  return kind;
}

std::string counted(std::size_t number, std::string_view word) {
  return std::to_string(number) + " " + std::string(word) + (number == 1 ? "" : "s");
}

std::string choices_words(const Check& c) {
  constexpr std::size_t kShown = 8;
  std::string out = "must be one of ";
  for (std::size_t i = 0; i < std::min(kShown, c.choices.size()); ++i)
    out += (i == 0 ? "" : ", ") + shown(c.choices[i]);
  if (c.choices.size() > kShown) out += " and " + std::to_string(c.choices.size() - kShown) + " more";
  return c.choices.empty() ? "nothing may stand here" : out;
}

const Check* dynamic_target(const Check& c, const Scope* scope) {
  const Check* target = c.dynamic_reference;
  if (c.dynamic_anchor.empty()) return target;
  for (; scope != nullptr; scope = scope->outer) {
    const auto found = scope->resource->dynamic_anchors.find(c.dynamic_anchor);
    if (found != scope->resource->dynamic_anchors.end()) target = found->second;
  }
  return target;
}

}  // namespace schema
}  // namespace tieline::json
