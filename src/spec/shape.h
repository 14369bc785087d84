// What a described type looks like, without the type: the form in which schema, docs and redaction see every table.
// It must never depend on T; table.h adds the typed half.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "spec/pattern.h"
#include "spec/problems.h"
#include "spec/yaml.h"

namespace tieline::spec {

class TableInfo;
class UnionInfo;

struct Choice {
  std::string name;
  std::string doc;
  bool reserved = false;  // known in the language, refused by name
};

struct Shape {
  enum class Kind : std::uint8_t {
    kBool,
    kInteger,
    kNumber,
    kText,
    kChoice,
    kDuration,
    kSize,
    kRate,
    kProgram,
    kData,
    kSecret,
    kAny,
    kCustom,
    kList,
    kMap,
    kTable,
    kUnion,
  };
  Kind kind = Kind::kAny;
  std::string what;                      // "a duration like 5s": as in "expected …"
  std::string word;                      // "duration": the type column of the docs
  std::vector<Choice> choices;           // of kChoice
  std::string schema;                    // of kCustom: its JSON Schema, a JSON object; empty: anything
  std::shared_ptr<const Shape> element;  // of kList and kMap
  // Called late: tables may refer to each other and to themselves. Of kCustom: what a map is read with, or empty.
  std::function<const TableInfo&()> table;
  std::function<const UnionInfo&()> one_of;
};

// What a field adds to its type. All of it is optional; texts are string literals.
//   {.doc = "How long the first wait is", .example = "5s", .min = "1s", .max = "24h"}
struct Field {
  std::string_view doc = {};       // one sentence, no full stop
  std::string_view example = {};   // YAML, as one would write it
  std::string_view fallback = {};  // the default in words, where T{}'s own value does not say it
  std::string_view min = {};  // in the field's own notation ("1s", "4KiB", "1"); bounds of a list's or map's elements
  std::string_view max = {};
  std::string_view pattern = {};               // of text, as pattern.h says; not anchored by itself
  std::vector<std::string_view> choices = {};  // for text
  bool required = false;
  bool secret = false;           // never shown: redacted, and not repeated in messages
  bool one_or_list = false;      // for std::vector<X>: a bare X is a list of one
  bool text_is_program = false;  // for Data: a bare text is a whole program (`map: .customer`), not a literal
};

struct Rules {
  std::optional<double> min, max;  // in units of the type: numbers, microseconds, bytes, a rate's count
  std::string min_text, max_text;
  std::optional<Pattern> pattern;
  std::vector<Choice> choices;  // for text
  bool one_or_list = false;
  bool text_is_program = false;
};

struct FieldInfo {
  std::string name;
  std::string doc;
  std::string example;
  std::string default_text;  // empty: none
  bool required = false;
  bool secret = false;
  bool reserved = false;
  std::string instead;  // of a reserved one: what is said of it, where there is more to say than its name
  Shape shape;
  Rules rules;
};

// What a reader needs beside the node.
struct Context {
  Problems& problems;
  const Rules* rules = nullptr;
  bool secret = false;  // inside a secret field: a message must not repeat the value
};

// The untyped half of Table<T>.
class TableInfo {
 public:
  const std::string& name() const { return name_; }
  const std::string& doc() const { return doc_; }
  const std::vector<FieldInfo>& fields() const { return fields_; }  // as declared, reserved ones too
  const FieldInfo* find(std::string_view name) const;               // null when unknown
  // The field that a value which is not a map fills, or null.
  const FieldInfo* shorthand() const { return shorthand_.empty() ? nullptr : find(shorthand_); }
  // The field that takes all keys which are no field's name, or null. Its name is a placeholder ("CODE").
  const FieldInfo* rest() const { return rest_ ? &*rest_ : nullptr; }
  // Names for "did you mean", reserved ones included.
  std::vector<std::string> field_names() const;

 protected:
  TableInfo(std::string name, std::string doc) : name_(std::move(name)), doc_(std::move(doc)) {}
  ~TableInfo() = default;
  TableInfo(const TableInfo&) = default;
  TableInfo(TableInfo&&) = default;
  TableInfo& operator=(TableInfo&&) = default;

  // Adds a field; CHECKs that the name is new and that limits, pattern and choices fit the shape.
  void add(std::string_view name, const Field& field, Shape shape, std::string default_text);
  void add_reserved(std::string_view name, std::string_view doc, std::string_view instead = {});
  void set_rest(std::string_view placeholder, const Field& field, Shape shape);
  void set_shorthand(std::string_view name);
  void add_inherited(const FieldInfo& field);

  using ReadField = std::function<bool(std::size_t index, const Node& value, Context&)>;
  using ReadRest = std::function<bool(const Entry& entry, Context&)>;
  // Hands each known key's value to `read`; reports unknown, reserved and missing keys. False if anything was reported
  bool walk(const Node& node, Context& context, const ReadField& read, const ReadRest& read_rest) const;

 private:
  std::string name_, doc_, shorthand_;
  std::vector<FieldInfo> fields_;
  std::optional<FieldInfo> rest_;
};

// The untyped half of Union<V>: a map with exactly one of several keys that name its kind.
class UnionInfo {
 public:
  struct Kind {
    std::string key;
    std::string doc;
    bool reserved = false;
    std::function<const TableInfo&()> table;  // empty for a reserved kind
  };
  const std::string& name() const { return name_; }
  const std::string& doc() const { return doc_; }
  const std::vector<Kind>& kinds() const { return kinds_; }
  // The kind of `node`, or null after reporting: not a map, no kind, two kinds, a reserved or misspelled one.
  const Kind* pick(const Node& node, Problems& problems) const;

 protected:
  UnionInfo(std::string name, std::string doc) : name_(std::move(name)), doc_(std::move(doc)) {}
  ~UnionInfo() = default;
  UnionInfo(const UnionInfo&) = default;
  UnionInfo(UnionInfo&&) = default;
  UnionInfo& operator=(UnionInfo&&) = default;
  void add(Kind kind);

 private:
  std::string name_, doc_;
  std::vector<Kind> kinds_;
};

// Reports "expected WHAT, found …" at the node. Gives false.
bool report_mismatch(Context& context, const Node& node, std::string_view what);
// What a message says about a value: "a list", "nothing", `"5 sec"`; "text" inside a secret field.
std::string found(const Context& context, const Node& node);

}  // namespace tieline::spec
