#include "spec/schema.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <utility>

#include "base/text.h"

namespace tieline::spec {
namespace {

std::string json_string(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      std::array<char, 8> escape;
      std::snprintf(escape.data(), escape.size(), "\\u%04x", static_cast<unsigned>(c));
      out += escape.data();
    } else {
      out += c;
    }
  }
  return out + "\"";
}

// One JSON object, members in order; values are JSON already.
class Object {
 public:
  Object& member(std::string_view key, std::string json) {
    members_.emplace_back(key, std::move(json));
    return *this;
  }
  Object& text(std::string_view key, std::string_view value) { return member(key, json_string(value)); }
  std::string print() const {
    std::string out = "{";
    for (const auto& [key, json] : members_) out += (out.size() > 1 ? "," : "") + json_string(key) + ":" + json;
    return out + "}";
  }

 private:
  std::vector<std::pair<std::string, std::string>> members_;
};

std::string array_of(const std::vector<std::string>& jsons) { return "[" + join(jsons, ",") + "]"; }

// Compact JSON to one with two spaces an indent.
std::string indented(std::string_view json) {
  std::string out;
  std::size_t depth = 0;
  bool inside = false;
  const auto line = [&] { out += "\n" + std::string(2 * depth, ' '); };
  for (std::size_t i = 0; i < json.size(); ++i) {
    const char c = json[i];
    if (inside) {
      out += c;
      if (c == '\\') out += json[++i];
      if (c == '"') inside = false;
    } else if (c == '{' || c == '[') {
      out += c;
      ++depth;
      if (json[i + 1] != '}' && json[i + 1] != ']') line();
    } else if (c == '}' || c == ']') {
      --depth;
      if (json[i - 1] != '{' && json[i - 1] != '[') line();
      out += c;
    } else {
      out += c;
      if (c == '"') inside = true;
      if (c == ',') line();
      if (c == ':') out += ' ';
    }
  }
  return out + "\n";
}

class Writer {
 public:
  std::string document(const TableInfo& table, std::string_view id) {
    const std::string root = reference(table);
    Object definitions;
    // Writing a definition may find further tables.
    for (std::size_t i = 0; i < found_.size(); ++i) definitions.member(found_[i].second, definition(*found_[i].first));
    Object out;
    out.text("$schema", "https://json-schema.org/draft/2020-12/schema").text("$id", id).text("title", table.name());
    return indented(out.member("$ref", json_string(root)).member("$defs", definitions.print()).print());
  }

 private:
  // "#/$defs/retry"; a second table of the same name is retry-2.
  std::string reference(const TableInfo& table) {
    for (const auto& [known, name] : found_) {
      if (known == &table) return "#/$defs/" + name;
    }
    const auto same = std::count_if(found_.begin(), found_.end(),
                                    [&](const auto& known) { return known.first->name() == table.name(); });
    std::string name = table.name() + (same == 0 ? "" : "-" + std::to_string(same + 1));
    std::replace(name.begin(), name.end(), ' ', '-');  // a blank has no place in a URI reference
    found_.emplace_back(&table, std::move(name));
    return "#/$defs/" + found_.back().second;
  }

  std::string definition(const TableInfo& table) {
    Object properties;
    std::vector<std::string> required;
    for (const FieldInfo& field : table.fields()) {
      if (field.reserved) continue;
      properties.member(field.name, of_field(field));
      if (field.required) required.push_back(json_string(field.name));
    }
    Object map;
    map.text("description", table.doc()).member("type", required.empty() ? "[\"object\",\"null\"]" : "\"object\"");
    map.member("properties", properties.print());
    if (!required.empty()) map.member("required", array_of(required));
    map.member("additionalProperties", table.rest() ? of_field(*table.rest()) : "false");
    if (table.shorthand() == nullptr) return map.print();
    return Object().member("anyOf", array_of({map.print(), of_field(*table.shorthand())})).print();
  }

  std::string of_field(const FieldInfo& field) {
    Object out = of_shape(field.shape, field.rules);
    if (field.rules.one_or_list) {
      const std::string list = out.print();
      out = Object().member("anyOf", array_of({of_shape(*field.shape.element, field.rules).print(), list}));
    }
    std::string doc = field.doc;
    if (!field.default_text.empty()) doc += (doc.empty() ? "" : ". ") + ("Default: " + field.default_text);
    if (!doc.empty()) out.text("description", doc);
    if (!field.example.empty() && !field.secret) out.member("examples", array_of({json_string(field.example)}));
    return out.print();
  }

  static Object text_like(std::string_view pattern) {
    return Object().member("anyOf", array_of({Object().text("type", "string").text("pattern", pattern).print(),
                                              Object().member("const", "0").print()}));
  }

  static Object numeric(std::string_view type, const Rules& rules) {
    Object out;
    out.text("type", type);
    if (rules.min) out.member("minimum", rules.min_text);
    if (rules.max) out.member("maximum", rules.max_text);
    return out;
  }

  Object of_shape(const Shape& shape, const Rules& rules) {
    switch (shape.kind) {
      case Shape::Kind::kBool: return Object().text("type", "boolean");
      case Shape::Kind::kInteger: return numeric("integer", rules);
      case Shape::Kind::kNumber: return numeric("number", rules);
      case Shape::Kind::kText: {
        // An unquoted number or true is text where text is wanted.
        Object out = Object().member("type", R"(["string","number","boolean"])");
        return rules.pattern ? out.text("pattern", rules.pattern->text()) : out;
      }
      case Shape::Kind::kChoice: {
        std::vector<std::string> names;
        for (const Choice& choice : shape.choices) {
          if (!choice.reserved) names.push_back(json_string(choice.name));
        }
        return Object().member("enum", array_of(names));
      }
      case Shape::Kind::kDuration: return text_like("^[0-9]+(us|ms|s|m|h|d)$");
      case Shape::Kind::kSize: return text_like("^[0-9]+([KMGT]i?)?B$");
      case Shape::Kind::kRate: return Object().text("type", "string").text("pattern", "^[0-9]+/[0-9]*(us|ms|s|m|h|d)$");
      case Shape::Kind::kProgram: return Object().member("type", R"(["string","number","boolean"])");
      case Shape::Kind::kSecret: return Object().text("type", "string").text("pattern", "^(secret|env|file):.+");
      case Shape::Kind::kData:
      case Shape::Kind::kAny: return Object();
      case Shape::Kind::kCustom:
        return shape.schema.empty() ? Object() : Object().member("allOf", array_of({shape.schema}));
      case Shape::Kind::kList:
        return Object().text("type", "array").member("items", of_shape(*shape.element, rules).print());
      case Shape::Kind::kMap:
        return Object().text("type", "object").member("additionalProperties", of_shape(*shape.element, rules).print());
      case Shape::Kind::kTable: return Object().text("$ref", reference(shape.table()));
      case Shape::Kind::kUnion: {
        std::vector<std::string> kinds;
        for (const UnionInfo::Kind& kind : shape.one_of().kinds()) {
          if (kind.reserved) continue;
          Object one = Object().text("$ref", reference(kind.table()));
          kinds.push_back(one.member("required", array_of({json_string(kind.key)})).print());
        }
        return Object().member("anyOf", array_of(kinds));
      }
    }
    return Object();
  }

  std::vector<std::pair<const TableInfo*, std::string>> found_;
};

}  // namespace

std::string json_schema(const TableInfo& table, std::string_view id) { return Writer().document(table, id); }

}  // namespace tieline::spec
