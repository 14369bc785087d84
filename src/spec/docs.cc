#include "spec/docs.h"

#include <algorithm>

#include "base/text.h"

namespace tieline::spec {
namespace {

// Text inside a cell of a Markdown table.
std::string cell(std::string_view text) {
  std::string out;
  for (const char c : text) out += c == '|' ? "\\|" : c == '\n' ? "<br>" : std::string(1, c);
  return out;
}

std::string code(std::string_view text) { return text.empty() ? "" : "`" + cell(text) + "`"; }

std::string anchor(std::string_view name) {
  std::string out = to_lower(name);
  std::replace(out.begin(), out.end(), ' ', '-');
  return out;
}

std::string link(std::string_view name) { return "[" + std::string(name) + "](#" + anchor(name) + ")"; }

class Writer {
 public:
  explicit Writer(int level) : heading_(static_cast<std::size_t>(level), '#') {}

  std::string document(const TableInfo& root) {
    tables_.push_back(&root);
    std::size_t table = 0, one = 0;
    std::string out;
    // Sections are found while others are written.
    while (table < tables_.size() || one < unions_.size()) {
      if (!out.empty()) out += "\n";
      if (one < unions_.size()) {
        out += section(*unions_[one++]);
      } else {
        out += section(*tables_[table++]);
      }
    }
    return out;
  }

 private:
  std::string section(const TableInfo& table) {
    std::string out = heading_ + " " + table.name() + "\n\n" + table.doc() + ".\n";
    if (table.shorthand() != nullptr) out += "A value that is not a map is its `" + table.shorthand()->name + "`.\n";
    out += "\n| field | type | default | limits | meaning | example |\n| --- | --- | --- | --- | --- | --- |\n";
    std::string reserved;
    for (const FieldInfo& field : table.fields()) {
      if (field.reserved) {
        reserved += (reserved.empty() ? "" : ", ") + code(field.name) + " (" + field.doc + ")";
      } else {
        out += row(field, code(field.name));
      }
    }
    if (table.rest() != nullptr) out += row(*table.rest(), "*" + cell(table.rest()->name) + "*");
    if (!reserved.empty()) out += "\nNot available in this version: " + reserved + ".\n";
    return out;
  }

  std::string section(const UnionInfo& one) {
    std::string out =
        heading_ + " " + one.name() + "\n\n" + one.doc() + ". Exactly one of these keys says what it is:\n\n";
    std::string reserved;
    for (const UnionInfo::Kind& kind : one.kinds()) {
      if (kind.reserved) {
        reserved += (reserved.empty() ? "" : ", ") + code(kind.key) + " (" + kind.doc + ")";
      } else {
        out += "- " + code(kind.key) + ": " + mention(kind.table()) + ". " + kind.table().doc() + ".\n";
      }
    }
    if (!reserved.empty()) out += "\nNot available in this version: " + reserved + ".\n";
    return out;
  }

  std::string row(const FieldInfo& field, const std::string& name) {
    std::string type = type_of(field.shape);
    if (field.rules.one_or_list) type = type_of(*field.shape.element) + " or " + type;
    const std::string by_default = field.required ? "required" : code(field.default_text);
    return "| " + name + " | " + type + (field.secret ? ", secret" : "") + " | " + by_default + " | " + limits(field) +
           " | " + cell(field.doc) + " | " + code(field.secret ? "" : field.example) + " |\n";
  }

  std::string type_of(const Shape& shape) {
    switch (shape.kind) {
      case Shape::Kind::kList: return "list of " + type_of(*shape.element);
      case Shape::Kind::kMap: return "map of " + type_of(*shape.element);
      case Shape::Kind::kTable: return mention(shape.table());
      case Shape::Kind::kUnion: return mention(shape.one_of());
      case Shape::Kind::kCustom:
        return cell(shape.word) + (shape.table ? " or " + mention(shape.table()) : std::string());
      default: return cell(shape.word);
    }
  }

  static std::string limits(const FieldInfo& field) {
    std::string out;
    const auto add = [&](std::string text) { out += (out.empty() ? "" : "; ") + std::move(text); };
    const Rules& rules = field.rules;
    if (rules.min && rules.max) {
      add(rules.min_text + " to " + rules.max_text);
    } else if (rules.min) {
      add("at least " + rules.min_text);
    } else if (rules.max) {
      add("at most " + rules.max_text);
    }
    if (rules.pattern) add(code(rules.pattern->text()));
    const Shape* leaf = &field.shape;
    while (leaf->element) leaf = leaf->element.get();
    std::string names;
    for (const Choice& choice : leaf->choices) {
      if (choice.reserved) continue;
      names +=
          (names.empty() ? "" : ", ") + code(choice.name) + (choice.doc.empty() ? "" : " (" + cell(choice.doc) + ")");
    }
    if (!names.empty()) add(names);
    return out;
  }

  template <class Info>
  static void remember(std::vector<const Info*>& known, const Info& info) {
    if (std::find(known.begin(), known.end(), &info) == known.end()) known.push_back(&info);
  }
  std::string mention(const TableInfo& table) {
    remember(tables_, table);
    return link(table.name());
  }
  std::string mention(const UnionInfo& one) {
    remember(unions_, one);
    return link(one.name());
  }

  std::string heading_;
  std::vector<const TableInfo*> tables_;
  std::vector<const UnionInfo*> unions_;
};

}  // namespace

std::string reference_docs(const TableInfo& table, int level) { return Writer(level).document(table); }

}  // namespace tieline::spec
