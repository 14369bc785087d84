#include "spec/shape.h"

#include <algorithm>
#include <cstdlib>

#include "base/check.h"
#include "base/text.h"
#include "spec/table.h"

namespace tieline::spec {
namespace {

constexpr std::size_t kShownBytesMax = 60;

const Shape& leaf_of(const Shape& shape) { return shape.element ? leaf_of(*shape.element) : shape; }

// A bound in the units of the type. A bound that does not read is a fault of the table.
double bound(const Shape& leaf, std::string_view text) {
  switch (leaf.kind) {
    case Shape::Kind::kInteger:
    case Shape::Kind::kNumber:
    case Shape::Kind::kRate: {
      char* end = nullptr;
      const std::string copy(text);
      const double value = std::strtod(copy.c_str(), &end);
      CHECK(*end == '\0');
      return value;
    }
    case Shape::Kind::kDuration: {
      const auto duration = parse_duration(text);
      CHECK(duration.has_value());
      return static_cast<double>(duration->count());
    }
    case Shape::Kind::kSize: {
      const auto size = parse_size(text);
      CHECK(size.has_value());
      return static_cast<double>(size->bytes);
    }
    default: check_failed(__FILE__, __LINE__, "a type with limits");
  }
}

Shape with_choices(Shape shape, const std::vector<Choice>& choices) {
  if (shape.element) {
    shape.element = std::make_shared<const Shape>(with_choices(*shape.element, choices));
    return shape;
  }
  CHECK(shape.kind == Shape::Kind::kText);
  shape.kind = Shape::Kind::kChoice;
  shape.choices = choices;
  shape.what = one_of(choices);
  shape.word = "name";
  return shape;
}

FieldInfo make_field(std::string_view name, const Field& field, Shape shape, std::string default_text) {
  FieldInfo info;
  info.name = name;
  info.doc = field.doc;
  info.example = field.example;
  info.default_text = field.fallback.empty() ? std::move(default_text) : std::string(field.fallback);
  info.required = field.required;
  info.secret = field.secret;
  if (!field.choices.empty()) {
    for (const std::string_view choice : field.choices) info.rules.choices.push_back({std::string(choice), {}, false});
    shape = with_choices(std::move(shape), info.rules.choices);
  }
  const Shape& leaf = leaf_of(shape);
  if (!field.min.empty()) info.rules.min = bound(leaf, info.rules.min_text = field.min);
  if (!field.max.empty()) info.rules.max = bound(leaf, info.rules.max_text = field.max);
  if (!field.pattern.empty()) {
    CHECK(leaf.kind == Shape::Kind::kText);
    auto pattern = Pattern::compile(field.pattern);
    CHECK(pattern.has_value());
    info.rules.pattern = std::move(*pattern);
  }
  CHECK(!field.one_or_list || shape.kind == Shape::Kind::kList);
  CHECK(!field.text_is_program || leaf.kind == Shape::Kind::kData);
  info.rules.one_or_list = field.one_or_list;
  info.rules.text_is_program = field.text_is_program;
  info.shape = std::move(shape);
  return info;
}

std::string quoted(std::string_view text) { return "\"" + std::string(text) + "\""; }

std::string unavailable(std::string_view name) {
  return "`" + std::string(name) + "` is not available in this version";
}

}  // namespace

std::string found(const Context& context, const Node& node) {
  if (!node.is_scalar() || context.secret) return std::string(node.kind_name());
  if (node.text().empty()) return "empty text";
  return (node.quoted() ? "the text " : "") + quoted(truncated(node.text(), kShownBytesMax));
}

bool report_mismatch(Context& context, const Node& node, std::string_view what) {
  context.problems.error(node.place(), "expected " + std::string(what) + ", found " + found(context, node));
  return false;
}

std::string one_of(const std::vector<Choice>& choices) {
  std::vector<std::string> names;
  for (const Choice& choice : choices) {
    if (!choice.reserved) names.push_back(choice.name);
  }
  return names.size() == 1 ? names[0] : "one of " + join(names, ", ");
}

Shape scalar_shape(Shape::Kind kind, std::string_view word, std::string_view what) {
  Shape shape;
  shape.kind = kind;
  shape.word = word;
  shape.what = what;
  return shape;
}

Shape list_of(Shape element) {
  Shape shape = scalar_shape(Shape::Kind::kList, "list of " + element.word, "a list");
  shape.element = std::make_shared<const Shape>(std::move(element));
  return shape;
}

Shape map_of(Shape element) {
  Shape shape = scalar_shape(Shape::Kind::kMap, "map of " + element.word, "a map");
  shape.element = std::make_shared<const Shape>(std::move(element));
  return shape;
}

const FieldInfo* TableInfo::find(std::string_view name) const {
  const auto at =
      std::find_if(fields_.begin(), fields_.end(), [&](const FieldInfo& field) { return field.name == name; });
  return at == fields_.end() ? nullptr : &*at;
}

std::vector<std::string> TableInfo::field_names() const {
  std::vector<std::string> names;
  for (const FieldInfo& field : fields_) names.push_back(field.name);
  return names;
}

void TableInfo::add(std::string_view name, const Field& field, Shape shape, std::string default_text) {
  add_inherited(make_field(name, field, std::move(shape), std::move(default_text)));
}

void TableInfo::add_reserved(std::string_view name, std::string_view doc, std::string_view instead) {
  FieldInfo info;
  info.name = name;
  info.doc = doc;
  info.reserved = true;
  info.instead = instead;
  add_inherited(info);
}

void TableInfo::add_inherited(const FieldInfo& field) {
  CHECK(find(field.name) == nullptr);
  fields_.push_back(field);
}

void TableInfo::set_rest(std::string_view placeholder, const Field& field, Shape shape) {
  CHECK(!rest_);
  rest_ = make_field(placeholder, field, std::move(shape), {});
}

void TableInfo::set_shorthand(std::string_view name) {
  CHECK(find(name) != nullptr && !find(name)->reserved);
  shorthand_ = name;
}

bool TableInfo::walk(const Node& node, Context& context, const ReadField& read, const ReadRest& read_rest) const {
  bool ok = true;
  const auto inner = [&](const FieldInfo& field) {
    return Context{context.problems, &field.rules, context.secret || field.secret};
  };
  const FieldInfo* filled = nullptr;
  if (!node.is_map() && !node.is_null()) {
    filled = shorthand();
    if (filled == nullptr) return report_mismatch(context, node, "a map (" + name_ + ")");
    Context field_context = inner(*filled);
    ok = read(static_cast<std::size_t>(filled - fields_.data()), node, field_context);
  }
  for (const Entry& entry : node.entries()) {
    const FieldInfo* field = find(entry.key);
    if (field != nullptr && !field->reserved) {
      Context field_context = inner(*field);
      if (!read(static_cast<std::size_t>(field - fields_.data()), entry.value, field_context)) ok = false;
    } else if (field != nullptr) {
      context.problems.error(entry.key_place, field->instead.empty() ? unavailable(entry.key) : field->instead,
                             Code::kUnsupported);
      ok = false;
    } else if (rest_) {
      Context field_context = inner(*rest_);
      if (!read_rest(entry, field_context)) ok = false;
    } else {
      context.problems.error(entry.key_place, "unknown key " + quoted(entry.key) + " in " + name_ +
                                                  did_you_mean(entry.key, field_names()));
      ok = false;
    }
  }
  for (const FieldInfo& field : fields_) {
    if (!field.required || &field == filled || node.find(field.name) != nullptr) continue;
    context.problems.error(node.place(), "the key " + quoted(field.name) + " is missing in " + name_);
    ok = false;
  }
  return ok;
}

void UnionInfo::add(Kind kind) {
  CHECK(std::none_of(kinds_.begin(), kinds_.end(), [&](const Kind& known) { return known.key == kind.key; }));
  kinds_.push_back(std::move(kind));
}

const UnionInfo::Kind* UnionInfo::pick(const Node& node, Problems& problems) const {
  std::vector<std::string> keys, available;
  for (const Kind& kind : kinds_) {
    keys.push_back(kind.key);
    if (!kind.reserved) available.push_back(kind.key);
  }
  const std::string expected = "a " + name_ + ": a map with one of " + join(available, ", ");
  if (!node.is_map()) {
    Context context{problems};
    report_mismatch(context, node, expected);
    return nullptr;
  }
  const Kind* picked = nullptr;
  for (const Entry& entry : node.entries()) {
    const auto kind =
        std::find_if(kinds_.begin(), kinds_.end(), [&](const Kind& known) { return known.key == entry.key; });
    if (kind == kinds_.end()) continue;
    // A kind's own table may have a field that is named like another kind.
    if (picked != nullptr && picked->table && picked->table().find(entry.key) != nullptr) continue;
    if (picked != nullptr && !(kind->table && kind->table().find(picked->key) != nullptr)) {
      problems.error(entry.key_place,
                     "a " + name_ + " does one thing, found both " + quoted(picked->key) + " and " + quoted(entry.key));
      return nullptr;
    }
    picked = &*kind;
  }
  if (picked == nullptr) {
    for (const Entry& entry : node.entries()) {
      if (const std::string hint = did_you_mean(entry.key, keys); !hint.empty()) {
        problems.error(entry.key_place, "unknown " + name_ + " " + quoted(entry.key) + hint);
        return nullptr;
      }
    }
    std::vector<std::string> written;
    for (const Entry& entry : node.entries()) written.push_back(entry.key);
    problems.error(node.place(), "expected " + expected + ", found " +
                                     (written.empty() ? "an empty map" : "only " + join(written, ", ")));
    return nullptr;
  }
  if (picked->reserved) {
    for (const Entry& entry : node.entries()) {
      if (entry.key == picked->key) problems.error(entry.key_place, unavailable(entry.key), Code::kUnsupported);
    }
    return nullptr;
  }
  return picked;
}

}  // namespace tieline::spec
