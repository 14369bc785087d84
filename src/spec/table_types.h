// How each type of a member is described and read; the second half of table.h, which is the header to include.
// It must never hold text that the untyped readers in read.cc could hold.
#pragma once

namespace tieline::spec {

// The untyped readers. Each gives false after reporting.
bool read_bool(Context& context, const Node& node, bool& out);
// Whole numbers between `lowest` and `highest`, the bounds of the member's type, and the field's own.
bool read_integer(Context& context, const Node& node, std::int64_t lowest, std::int64_t highest, std::int64_t& out);
bool read_number(Context& context, const Node& node, double& out);
bool read_text(Context& context, const Node& node, std::string& out);
bool read_duration(Context& context, const Node& node, Duration& out);
bool read_size(Context& context, const Node& node, Size& out);
bool read_rate(Context& context, const Node& node, Rate& out);
bool read_program(Context& context, const Node& node, ProgramText& out);
bool read_data(Context& context, const Node& node, Data& out);
bool read_secret(Context& context, const Node& node, SecretRef& out);
bool read_choice(Context& context, const Node& node, const std::vector<Choice>& choices, std::size_t& out);
// "one of live, shadow, paused".
std::string one_of(const std::vector<Choice>& choices);

Shape list_of(Shape element);
Shape map_of(Shape element);
Shape scalar_shape(Shape::Kind kind, std::string_view word, std::string_view what);

// X has a description beside it.
template <class X>
concept Described = requires(const X* x) {
  describe(x);
};

template <class X>
const auto& description_of() {
  return describe(static_cast<const X*>(nullptr));
}

// How a description is used: one specialisation for each of its four kinds.
template <class Description, class X>
struct By;

template <class X>
struct By<Table<X>, X> {
  static Shape shape() {
    Shape shape = scalar_shape(Shape::Kind::kTable, "map", "a map");
    shape.table = []() -> const TableInfo& { return description_of<X>(); };
    return shape;
  }
  static bool read(Context& context, const Node& node, X& out) { return description_of<X>().read(context, node, out); }
  // Nothing: a map has no short text, and a table that contains itself would never end.
  static std::string print(const X&) { return {}; }
};

template <class X>
struct By<Union<X>, X> {
  static Shape shape() {
    Shape shape = scalar_shape(Shape::Kind::kUnion, "map", "a map");
    shape.one_of = []() -> const UnionInfo& { return description_of<X>(); };
    return shape;
  }
  static bool read(Context& context, const Node& node, X& out) {
    std::optional<X> value = description_of<X>().read(context, node);
    if (value) out = std::move(*value);
    return value.has_value();
  }
  static std::string print(const X&) { return {}; }
};

template <class X>
struct By<Names<X>, X> {
  static Shape shape() {
    Shape shape = scalar_shape(Shape::Kind::kChoice, "name", one_of(description_of<X>().choices()));
    shape.choices = description_of<X>().choices();
    return shape;
  }
  static bool read(Context& context, const Node& node, X& out) {
    std::size_t index = 0;
    if (!read_choice(context, node, description_of<X>().choices(), index)) return false;
    out = description_of<X>().all()[index].value;
    return true;
  }
  static std::string print(const X& value) { return std::string(description_of<X>().name_of(value)); }
};

template <class X>
struct By<Custom<X>, X> {
  static Shape shape() {
    const Custom<X>& custom = description_of<X>();
    Shape shape = scalar_shape(Shape::Kind::kCustom, custom.word, custom.what);
    shape.schema = custom.schema;
    shape.table = custom.table;
    return shape;
  }
  static bool read(Context& context, const Node& node, X& out) {
    std::optional<X> value = description_of<X>().read(node, context.problems);
    if (value) out = std::move(*value);
    return value.has_value();
  }
  static std::string print(const X& value) {
    const Custom<X>& custom = description_of<X>();
    return custom.print ? custom.print(value) : "";
  }
};

template <class X>
struct Type {
  static_assert(Described<X>, "declare `const spec::Table<X>& describe(const X*);` (or Names, Union, Custom) beside X");
  using Use = By<std::remove_cvref_t<decltype(description_of<X>())>, X>;
  static Shape shape() { return Use::shape(); }
  static bool read(Context& context, const Node& node, X& out) { return Use::read(context, node, out); }
  static std::string print(const X& value) { return Use::print(value); }
};

template <>
struct Type<bool> {
  static Shape shape() { return scalar_shape(Shape::Kind::kBool, "true or false", "true or false"); }
  static bool read(Context& context, const Node& node, bool& out) { return read_bool(context, node, out); }
  static std::string print(bool value) { return value ? "true" : "false"; }
};

template <std::integral X>
struct Type<X> {
  static Shape shape() { return scalar_shape(Shape::Kind::kInteger, "whole number", "a whole number"); }
  static bool read(Context& context, const Node& node, X& out) {
    constexpr std::int64_t kLowest = std::is_signed_v<X> ? static_cast<std::int64_t>(std::numeric_limits<X>::min()) : 0;
    constexpr std::int64_t kHighest = sizeof(X) < 8 ? static_cast<std::int64_t>(std::numeric_limits<X>::max())
                                                    : std::numeric_limits<std::int64_t>::max();
    std::int64_t value = 0;
    if (!read_integer(context, node, kLowest, kHighest, value)) return false;
    out = static_cast<X>(value);
    return true;
  }
  static std::string print(X value) { return std::to_string(value); }
};

template <>
struct Type<double> {
  static Shape shape() { return scalar_shape(Shape::Kind::kNumber, "number", "a number"); }
  static bool read(Context& context, const Node& node, double& out) { return read_number(context, node, out); }
  static std::string print(double value);
};

template <>
struct Type<std::string> {
  static Shape shape() { return scalar_shape(Shape::Kind::kText, "text", "text"); }
  static bool read(Context& context, const Node& node, std::string& out) { return read_text(context, node, out); }
  static std::string print(const std::string& value) { return value; }
};

template <>
struct Type<Duration> {
  static Shape shape() { return scalar_shape(Shape::Kind::kDuration, "duration", "a duration like 5s"); }
  static bool read(Context& context, const Node& node, Duration& out) { return read_duration(context, node, out); }
  static std::string print(Duration value) { return format_duration(value); }
};

template <>
struct Type<Size> {
  static Shape shape() { return scalar_shape(Shape::Kind::kSize, "size", "a size like 20GB or 4MiB"); }
  static bool read(Context& context, const Node& node, Size& out) { return read_size(context, node, out); }
  static std::string print(Size value) { return format_size(value); }
};

template <>
struct Type<Rate> {
  static Shape shape() { return scalar_shape(Shape::Kind::kRate, "rate", "a rate like 90/10s"); }
  static bool read(Context& context, const Node& node, Rate& out) { return read_rate(context, node, out); }
  static std::string print(Rate value) { return value.count == 0 ? "" : format_rate(value); }
};

template <>
struct Type<ProgramText> {
  static Shape shape() { return scalar_shape(Shape::Kind::kProgram, "program", "a program"); }
  static bool read(Context& context, const Node& node, ProgramText& out) { return read_program(context, node, out); }
  static std::string print(const ProgramText& value) { return value.source; }
};

template <>
struct Type<Data> {
  static Shape shape() { return scalar_shape(Shape::Kind::kData, "data", "data"); }
  static bool read(Context& context, const Node& node, Data& out) { return read_data(context, node, out); }
  static std::string print(const Data& value) { return value.text; }
};

template <>
struct Type<SecretRef> {
  static Shape shape() {
    return scalar_shape(Shape::Kind::kSecret, "secret", "a reference to a secret: secret:NAME, env:NAME or file:PATH");
  }
  static bool read(Context& context, const Node& node, SecretRef& out) { return read_secret(context, node, out); }
  static std::string print(const SecretRef& value) { return value.empty() ? "" : value.text(); }
};

template <>
struct Type<Node> {
  static Shape shape() { return scalar_shape(Shape::Kind::kAny, "any", "anything"); }
  static bool read(Context&, const Node& node, Node& out) { return out = node, true; }
  static std::string print(const Node&) { return {}; }
};

template <class X>
struct Type<At<X>> {
  static Shape shape() { return Type<X>::shape(); }
  static bool read(Context& context, const Node& node, At<X>& out) {
    out.place = node.place();
    return Type<X>::read(context, node, out.value);
  }
  static std::string print(const At<X>& value) { return Type<X>::print(value.value); }
};

template <class X>
struct Type<std::optional<X>> {
  static Shape shape() { return Type<X>::shape(); }
  static bool read(Context& context, const Node& node, std::optional<X>& out) {
    X value{};
    if (!Type<X>::read(context, node, value)) return false;
    out = std::move(value);
    return true;
  }
  static std::string print(const std::optional<X>& value) { return value ? Type<X>::print(*value) : ""; }
};

// For a type inside itself (`std::shared_ptr<const Condition>`).
template <class X>
struct Type<std::shared_ptr<const X>> {
  static Shape shape() { return Type<X>::shape(); }
  static bool read(Context& context, const Node& node, std::shared_ptr<const X>& out) {
    X value{};
    if (!Type<X>::read(context, node, value)) return false;
    out = std::make_shared<const X>(std::move(value));
    return true;
  }
  static std::string print(const std::shared_ptr<const X>&) { return {}; }
};

template <class X>
struct Type<std::vector<X>> {
  static Shape shape() { return list_of(Type<X>::shape()); }
  static bool read(Context& context, const Node& node, std::vector<X>& out) {
    const bool one_or_list = context.rules != nullptr && context.rules->one_or_list;
    if (!node.is_list() && !one_or_list) return report_mismatch(context, node, list_of(Type<X>::shape()).what);
    out.clear();
    bool ok = true;
    const auto read_one = [&](const Node& item) {
      X value{};
      if (!Type<X>::read(context, item, value)) {
        ok = false;
      } else {
        out.push_back(std::move(value));
      }
    };
    if (node.is_list()) {
      for (const Node& item : node.items()) read_one(item);
    } else {
      read_one(node);
    }
    return ok;
  }
  static std::string print(const std::vector<X>& values) {
    if (values.empty()) return {};
    std::string out = "[";
    for (const X& value : values) out += (out.size() > 1 ? ", " : "") + Type<X>::print(value);
    return out + "]";
  }
};

template <class X>
struct Type<Map<X>> {
  static Shape shape() { return map_of(Type<X>::shape()); }
  static bool read(Context& context, const Node& node, Map<X>& out) {
    if (!node.is_map()) return report_mismatch(context, node, map_of(Type<X>::shape()).what);
    out.clear();
    bool ok = true;
    for (const Entry& entry : node.entries()) {
      X value{};
      if (!Type<X>::read(context, entry.value, value)) {
        ok = false;
      } else {
        out.emplace_back(entry.key, std::move(value));
      }
    }
    return ok;
  }
  static std::string print(const Map<X>&) { return {}; }
};

template <class T>
template <class X, class Owner>
requires std::derived_from<T, Owner> Table<T> &&
    Table<T>::custom(std::string_view name, X Owner::*member, Custom<X> custom, const Field& field) {
  const T defaults{};
  Shape shape = scalar_shape(Shape::Kind::kCustom, custom.word, custom.what);
  shape.schema = custom.schema;
  shape.table = custom.table;
  add(name, field, std::move(shape), custom.print && !field.required ? custom.print(defaults.*member) : std::string());
  readers_.push_back([member, read = std::move(custom.read)](Context& context, const Node& node, T& out) {
    std::optional<X> value = read(node, context.problems);
    if (value) out.*member = std::move(*value);
    return value.has_value();
  });
  return std::move(*this);
}

template <class T>
bool Table<T>::read(Context& context, const Node& node, T& out) const {
  const auto read_field = [&](std::size_t index, const Node& value, Context& inner) {
    return readers_[index](inner, value, out);
  };
  const auto read_rest = [&](const Entry& entry, Context& inner) { return read_rest_(inner, entry, out); };
  for (const auto& mark : marks_) mark(node, out);
  if (!walk(node, context, read_field, read_rest)) return false;
  const std::size_t before = context.problems.error_count();
  for (const auto& check : checks_) check(out, node, context.problems);
  return context.problems.error_count() == before;
}

template <class V>
template <class T>
Union<V>&& Union<V>::kind(std::string_view key) {
  add({.key = std::string(key), .doc = {}, .reserved = false, .table = []() -> const TableInfo& {
         return description_of<T>();
       }});
  readers_.push_back([](Context& context, const Node& node) -> std::optional<V> {
    T value{};
    if (!description_of<T>().read(context, node, value)) return std::nullopt;
    return V{std::move(value)};
  });
  return std::move(*this);
}

}  // namespace tieline::spec
