// One table a config type: each option once, with its name, type, default, limits, secrecy, sentence and example.
// Parsing, lint, JSON Schema, reference docs and redaction all come from it; nothing about an option may be written
// anywhere else.
//
//   struct Retry {
//     Duration first = 5s;
//     Duration max = 1h;
//     std::optional<std::int64_t> tries;
//   };
//   // retry.h: a declaration beside the type, found by its argument, makes Retry a type that fields may have.
//   const spec::Table<Retry>& describe(const Retry*);
//   // retry.cc
//   const spec::Table<Retry>& describe(const Retry*) {
//     static const auto table = spec::Table<Retry>("retry", "How long and how often a call is tried again")
//       .field("first", &Retry::first, {.doc = "The first wait", .example = "5s", .min = "10ms", .max = "1h"})
//       .field("max", &Retry::max, {.doc = "The longest wait between two tries"})
//       .field("tries", &Retry::tries, {.doc = "At most so many tries", .fallback = "no limit", .min = "1"})
//       .reserved("jitter", "How waits are spread");
//     return table;
//   }
//   std::optional<Retry> retry = describe(static_cast<const Retry*>(nullptr)).parse(node, problems);   // or:
//   std::optional<Retry> retry = spec::parse<Retry>(node, problems);
//
// Types of members: bool, integers, double, std::string, Duration, Size, Rate, ProgramText, Data, SecretRef, Node
// (raw), At<X>, std::optional<X>, std::vector<X>, Map<X>, and every type that has a `describe(const X*)` in its own
// namespace, which returns `const Table<X>&` (a map), `const Names<X>&` (an enum), `const Union<X>&` (a map of one of
// several kinds) or `const Custom<X>&` (its own reader):
//
//   const spec::Names<Mode>& describe(const Mode*) {
//     static const spec::Names<Mode> names{{Mode::kLive, "live"}, {Mode::kShadow, "shadow", "renders, sends nothing"}};
//     return names;
//   }
//   struct Step { std::variant<CallStep, FilterStep> kind; };     // or any V that can be made from each kind's type
//   const spec::Union<Step>& describe(const Step*) {
//     static const auto steps = spec::Union<Step>("step", "One thing a flow does")
//       .kind<CallStep>("call").kind<FilterStep>("filter").reserved("approve", "A person in the loop");
//     return steps;                                               // CallStep's table has the field "call", and so on
//   }
#pragma once

#include <concepts>
#include <functional>
#include <initializer_list>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/check.h"
#include "spec/shape.h"
#include "spec/types.h"

namespace tieline::spec {

// The names of an enum's values, in the order of the docs. A reserved name is refused: "not available in this version".
template <class E>
struct Name {
  E value;
  std::string_view name;
  std::string_view doc = {};
  bool reserved = false;
};
template <class E>
class Names {
 public:
  Names(std::initializer_list<Name<E>> names) : names_(names) {
    for (const Name<E>& name : names_)
      choices_.push_back({std::string(name.name), std::string(name.doc), name.reserved});
  }
  const std::vector<Name<E>>& all() const { return names_; }
  const std::vector<Choice>& choices() const { return choices_; }  // beside all()
  std::string_view name_of(E value) const {
    for (const Name<E>& name : names_) {
      if (name.value == value) return name.name;
    }
    return {};
  }

 private:
  std::vector<Name<E>> names_;
  std::vector<Choice> choices_;
};

// A type with its own reader. `read` reports what is wrong (at node.place(), or inside it) and then gives nothing.
template <class X>
struct Custom {
  std::string what;    // "a schedule like 0 3 * * 0"
  std::string word;    // "schedule"
  std::string schema;  // JSON Schema, an object; empty: anything
  std::function<std::optional<X>(const Node&, Problems&)> read;
  std::function<std::string(const X&)> print = {};  // for defaults in the docs
  std::function<const TableInfo&()> table = {};     // what a map is read with, where it may be one: for the docs
};

template <class X>
struct Type;  // shape(), read(Context&, const Node&, X&), print(const X&): one specialisation a kind of type

// A described object type. Build it once (a function-local static); then immutable, read from any thread.
template <class T>
class Table : public TableInfo {
 public:
  Table(std::string_view name, std::string_view doc) : TableInfo(std::string(name), std::string(doc)) {}

  // An option kept in `member` (of T or of a base of T). The default is what T{} holds.
  template <class X, class Owner>
  requires std::derived_from<T, Owner> Table &&
      field(std::string_view name, X Owner::*member, const Field& field = {}) {
    const T defaults{};
    add(name, field, Type<X>::shape(), field.required ? std::string() : Type<X>::print(defaults.*member));
    readers_.push_back(
        [member](Context& context, const Node& node, T& out) { return Type<X>::read(context, node, out.*member); });
    return std::move(*this);
  }
  // An option with a reader of its own, for this field only.
  template <class X, class Owner>
  requires std::derived_from<T, Owner> Table &&
      custom(std::string_view name, X Owner::*member, Custom<X> custom, const Field& field = {});
  // All fields of the table of `Base`, a base of T (what every step has).
  template <class Base>
  requires std::derived_from<T, Base> Table && inherit(const Table<Base>& base) {
    for (std::size_t i = 0; i < base.fields().size(); ++i) {
      add_inherited(base.fields()[i]);
      readers_.push_back(
          [read = base.reader(i)](Context& context, const Node& node, T& out) { return read(context, node, out); });
    }
    for (const auto& check : base.checks())
      checks_.push_back(
          [check](const T& value, const Node& node, Problems& problems) { check(value, node, problems); });
    for (const auto& mark : base.marks()) marks_.push_back([mark](const Node& node, T& out) { mark(node, out); });
    return std::move(*this);
  }
  // A key of the language that this version does not have: refused by name, or with `instead`, which says what to
  // write; listed in the docs as such.
  Table&& reserved(std::string_view name, std::string_view doc, std::string_view instead = {}) {
    add_reserved(name, doc, instead);
    readers_.push_back(nullptr);
    return std::move(*this);
  }
  // A value that is not a map fills this field: `filter: PROGRAM` for `filter: {if: PROGRAM}`. The field must exist.
  Table&& shorthand(std::string_view name) {
    set_shorthand(name);
    return std::move(*this);
  }
  // All keys that are no field's name: `on: {empty: skip, CODE: fail}`. `placeholder` stands for the key in the docs.
  template <class X>
  Table&& rest(std::string_view placeholder, Map<X> T::*member, const Field& field = {}) {
    set_rest(placeholder, field, Type<X>::shape());
    read_rest_ = [member](Context& context, const Entry& entry, T& out) {
      X value{};
      if (!Type<X>::read(context, entry.value, value)) return false;
      (out.*member).emplace_back(entry.key, std::move(value));
      return true;
    };
    return std::move(*this);
  }
  // Keeps where the value was written, or the value as it was written.
  template <class Owner>
  Table&& place(Place Owner::*member) {
    marks_.push_back([member](const Node& node, T& out) { out.*member = node.place(); });
    return std::move(*this);
  }
  template <class Owner>
  Table&& node(Node Owner::*member) {
    marks_.push_back([member](const Node& from, T& out) { out.*member = from; });
    return std::move(*this);
  }
  // A rule between fields; runs only when all fields were read without an error.
  Table&& check(std::function<void(const T&, const Node&, Problems&)> check) {
    checks_.push_back(std::move(check));
    return std::move(*this);
  }

  // The value with defaults filled in, or nothing after reporting all that is wrong. A null node is an empty map.
  std::optional<T> parse(const Node& node, Problems& problems) const {
    Context context{problems};
    T value{};
    if (!read(context, node, value)) return std::nullopt;
    return value;
  }
  // The same inside another reader; `out` must be T{} or hold the defaults to keep.
  bool read(Context& context, const Node& node, T& out) const;

  using Reader = std::function<bool(Context&, const Node&, T&)>;
  const Reader& reader(std::size_t index) const { return readers_[index]; }
  const auto& checks() const { return checks_; }
  const auto& marks() const { return marks_; }

 private:
  std::vector<Reader> readers_;  // beside fields()
  std::function<bool(Context&, const Entry&, T&)> read_rest_;
  std::vector<std::function<void(const T&, const Node&, Problems&)>> checks_;
  std::vector<std::function<void(const Node&, T&)>> marks_;
};

// A map of which exactly one key names the kind; the kind's table reads the whole map. V is made from each kind's type.
template <class V>
class Union : public UnionInfo {
 public:
  Union(std::string_view name, std::string_view doc) : UnionInfo(std::string(name), std::string(doc)) {}

  // The kind `key`, read by T's table (`describe(const T*)`), which has a field `key`.
  template <class T>
  Union&& kind(std::string_view key);
  Union&& reserved(std::string_view key, std::string_view doc) {
    add({.key = std::string(key), .doc = std::string(doc), .reserved = true, .table = {}});
    readers_.push_back(nullptr);
    return std::move(*this);
  }
  std::optional<V> parse(const Node& node, Problems& problems) const {
    Context context{problems};
    return read(context, node);
  }
  std::optional<V> read(Context& context, const Node& node) const {
    const Kind* kind = pick(node, context.problems);
    if (kind == nullptr) return std::nullopt;
    return readers_[static_cast<std::size_t>(kind - kinds().data())](context, node);
  }

 private:
  std::vector<std::function<std::optional<V>(Context&, const Node&)>> readers_;  // beside kinds()
};

// T by its own description.
template <class T>
std::optional<T> parse(const Node& node, Problems& problems) {
  Context context{problems};
  T value{};
  if (!Type<T>::read(context, node, value)) return std::nullopt;
  return value;
}

}  // namespace tieline::spec

#include "spec/table_types.h"  // IWYU pragma: export
