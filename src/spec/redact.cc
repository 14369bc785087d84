#include "spec/redact.h"

#include "base/text.h"
#include "spec/table.h"

namespace tieline::spec {
namespace {

// What is to be done with a value: by a shape, or hide all of it.
struct Rule {
  const Shape* shape = nullptr;
  bool hide = false;
};
constexpr Rule kHide{nullptr, true};

// The rule for `key` of a map.
Rule rule_for(const Rule& rule, const TableInfo* table, std::string_view key) {
  if (rule.hide) return kHide;
  if (table != nullptr) {
    const FieldInfo* field = table->find(key);
    if (field == nullptr) field = table->rest();
    if (field == nullptr || field->secret || field->reserved) return kHide;
    return {&field->shape, false};
  }
  if (rule.shape != nullptr && rule.shape->kind == Shape::Kind::kMap) return {rule.shape->element.get(), false};
  if (rule.shape != nullptr && (rule.shape->kind == Shape::Kind::kData || rule.shape->kind == Shape::Kind::kAny))
    return rule;
  return kHide;
}

// The rule for an item of a list; a list of one type and a single value of it may stand for each other.
Rule rule_for_item(const Rule& rule) {
  if (rule.hide || rule.shape == nullptr) return kHide;
  if (rule.shape->kind == Shape::Kind::kList) return {rule.shape->element.get(), false};
  return rule;
}

// The table that reads a map under `rule`, or null. `has` tells which keys the map has.
template <class Has>
const TableInfo* table_of(const Rule& rule, const Has& has) {
  if (rule.hide || rule.shape == nullptr) return nullptr;
  const Shape& shape = rule.shape->kind == Shape::Kind::kList ? *rule.shape->element : *rule.shape;
  if (shape.kind == Shape::Kind::kTable) return &shape.table();
  if (shape.kind != Shape::Kind::kUnion) return nullptr;
  const TableInfo* picked = nullptr;
  for (const UnionInfo::Kind& kind : shape.one_of().kinds()) {
    if (kind.reserved || !has(kind.key) || (picked != nullptr && picked->find(kind.key) != nullptr)) continue;
    // Which of two kinds is meant cannot be known, so neither can what is secret.
    if (picked != nullptr && kind.table().find(kind.key) != nullptr) return nullptr;
    picked = &kind.table();
  }
  return picked;
}

// Whether a scalar under `rule` must be replaced.
bool hidden(const Rule& rule, std::string_view text) {
  if (rule.hide || rule.shape == nullptr) return true;
  const Shape& shape = *rule.shape;
  switch (shape.kind) {
    case Shape::Kind::kSecret: return !parse_secret_ref(text).has_value();
    case Shape::Kind::kList: return hidden({shape.element.get(), false}, text);
    case Shape::Kind::kMap:
    case Shape::Kind::kUnion: return true;
    case Shape::Kind::kTable: {
      const FieldInfo* field = shape.table().shorthand();
      return field == nullptr || field->secret || hidden({&field->shape, false}, text);
    }
    default: return false;
  }
}

// The rule of a list that stands for a table's shorthand field.
Rule through_shorthand(const Rule& rule) {
  if (rule.hide || rule.shape == nullptr || rule.shape->kind != Shape::Kind::kTable) return rule;
  const FieldInfo* field = rule.shape->table().shorthand();
  return field == nullptr || field->secret ? kHide : Rule{&field->shape, false};
}

Node redact_node(const Rule& rule, const Node& node) {
  switch (node.kind()) {
    case NodeKind::kNull: return node;
    case NodeKind::kScalar:
      return hidden(rule, node.text())
                 ? Node::make_scalar(std::string(kRedacted), ScalarStyle::kDoubleQuoted, node.place())
                 : node;
    case NodeKind::kList: {
      std::vector<Node> items;
      const Rule of_items = rule_for_item(through_shorthand(rule));
      for (const Node& item : node.items()) items.push_back(redact_node(of_items, item));
      return Node::make_list(std::move(items), node.place());
    }
    case NodeKind::kMap: {
      const TableInfo* table = table_of(rule, [&](const std::string& key) { return node.find(key) != nullptr; });
      std::vector<Entry> entries;
      for (const Entry& entry : node.entries())
        entries.push_back({entry.key, entry.key_place, redact_node(rule_for(rule, table, entry.key), entry.value)});
      return Node::make_map(std::move(entries), node.place());
    }
  }
  return Node();
}

void redact_json(const Rule& rule, json::Value value, json::Builder& out) {
  switch (value.kind()) {
    case json::Kind::kNull: out.null(); return;
    case json::Kind::kBool:
    case json::Kind::kNumber:
    case json::Kind::kString:
      if (hidden(rule, value.as_string())) {
        out.string(kRedacted);
      } else {
        out.copy(value);
      }
      return;
    case json::Kind::kArray: {
      out.begin_array();
      const Rule of_items = rule_for_item(through_shorthand(rule));
      for (const json::Value item : value.elements()) redact_json(of_items, item, out);
      out.end_array();
      return;
    }
    case json::Kind::kObject: {
      const TableInfo* table = table_of(rule, [&](const std::string& key) { return value.has(key); });
      out.begin_object();
      for (const json::KeyValue member : value.members()) {
        out.key(member.key);
        redact_json(rule_for(rule, table, member.key), member.value, out);
      }
      out.end_object();
      return;
    }
  }
}

Shape shape_of(const TableInfo& table) {
  Shape shape = scalar_shape(Shape::Kind::kTable, table.name(), "a map");
  shape.table = [&table]() -> const TableInfo& { return table; };
  return shape;
}

constexpr std::string_view kPlainCharacters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./$=";

std::string in_single_quotes(std::string_view text) {
  std::string out = "'";
  for (const char c : text) out += c == '\'' ? "''" : std::string(1, c);
  return out + "'";
}

std::string in_double_quotes(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c == '\n' ? "\\n" : c == '\r' ? "\\r" : c == '\t' ? "\\t" : std::string(1, c);
  }
  return out + "\"";
}

// Plain only where it can be nothing else: `null`, `~` and `...` mean something.
std::string flow_scalar(std::string_view text, bool plain) {
  const bool safe = !text.empty() && text.find_first_not_of(kPlainCharacters) == std::string_view::npos &&
                    text.find_first_not_of('.') != std::string_view::npos && !equals_ignore_case(text, "null");
  if (plain && safe) return std::string(text);
  const bool printable = text.find_first_of("\n\r\t\x7f") == std::string_view::npos;
  return printable ? in_single_quotes(text) : in_double_quotes(text);
}

// A block scalar stays one: in a data field it is a program.
std::string block_scalar(const std::string& text, const std::string& margin) {
  std::string out = " |";
  if (text.find_first_not_of('\n') != std::string::npos && (text[0] == ' ' || text[0] == '\n')) out += "2";
  if (!text.ends_with('\n')) out += "-";
  if (text.ends_with("\n\n")) out += "+";
  const std::string_view body = text.ends_with('\n') ? std::string_view(text).substr(0, text.size() - 1) : text;
  for (const std::string_view line : split(body, '\n')) out += "\n" + (line.empty() ? "" : margin + std::string(line));
  return out;
}

void print_node(const Node& node, std::size_t indent, std::string& out) {
  const std::string margin(indent, ' ');
  if (node.is_list() && !node.items().empty()) {
    for (const Node& item : node.items()) {
      out += "\n" + margin + "-";
      print_node(item, indent + 2, out);
    }
  } else if (node.is_map() && !node.entries().empty()) {
    for (const Entry& entry : node.entries()) {
      out += "\n" + margin + flow_scalar(entry.key, true) + ":";
      print_node(entry.value, indent + 2, out);
    }
  } else if (node.block()) {
    out += block_scalar(node.text(), indent == 0 ? "  " : margin);
  } else {
    out += node.is_list()   ? " []"
           : node.is_map()  ? " {}"
           : node.is_null() ? " null"
                            : " " + flow_scalar(node.text(), node.plain());
  }
}

}  // namespace

Node redacted(const TableInfo& table, const Node& node) {
  const Shape shape = shape_of(table);
  return redact_node({&shape, false}, node);
}

json::Document redacted(const TableInfo& table, json::Value value) {
  const Shape shape = shape_of(table);
  json::Builder out;
  redact_json({&shape, false}, value, out);
  return out.finish();
}

std::string print_yaml(const Node& node) {
  std::string out;
  print_node(node, 0, out);
  return out.substr(1) + "\n";
}

}  // namespace tieline::spec
