// JSON documents: exact, immutable, one block of memory each. A Document owns; a Value is a view into one.
// It must never change a number: a number keeps the text it was written with until arithmetic touches it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace tieline::json {

enum class Kind : std::uint8_t { kNull, kBool, kNumber, kString, kArray, kObject };
std::string_view kind_name(Kind kind);  // "null", "boolean", "number", "string", "array", "object"

struct Node;    // 16 bytes: tag, flags, length and a pointer (STORE.md); numbers point to their text, integers too
struct Member;  // a key node and a value node
class Members;
class Elements;

// A view of one value. Cheap to copy; valid as long as the Document it came from.
class Value {
 public:
  Value();  // null
  explicit Value(const Node* node) : node_(node) {}

  Kind kind() const;
  bool is_null() const { return kind() == Kind::kNull; }
  bool is_string() const { return kind() == Kind::kString; }
  bool is_number() const { return kind() == Kind::kNumber; }
  bool is_array() const { return kind() == Kind::kArray; }
  bool is_object() const { return kind() == Kind::kObject; }
  bool truthy() const;  // jq's: all but null and false

  bool as_bool() const;                // false unless it is `true`
  std::string_view as_string() const;  // decoded UTF-8; empty unless it is a string
  // The number as it was written ("1.10", "12345678901234567890"); empty unless it is a number.
  std::string_view number_text() const;
  // The exact integer (1e3 and 2.0 are integers too), where it is one of 64 bits.
  std::optional<std::int64_t> as_int64() const;
  double as_double() const;  // the nearest double; 0 unless it is a number

  std::size_t size() const;                      // elements, members, or bytes of a string; else 0
  Value at(std::size_t index) const;             // null beyond the end, or unless it is an array
  Value operator[](std::string_view key) const;  // null when absent, or unless it is an object; the last of equal keys
  bool has(std::string_view key) const;
  Elements elements() const;  // empty unless it is an array
  Members members() const;    // in input order, each key once (the last one's value); empty unless it is an object

  const Node* node() const { return node_; }

 private:
  const Node* node_;
};

// Deep, by value: 1 == 1.0 == 1e0, object order does not matter.
bool equal(Value a, Value b);

struct KeyValue {
  std::string_view key;
  Value value;
};

class Elements {
 public:
  class Iterator {
   public:
    explicit Iterator(const Node* at) : at_(at) {}
    Value operator*() const { return Value(at_); }
    Iterator& operator++();
    bool operator==(const Iterator&) const = default;

   private:
    const Node* at_;
  };
  Elements(const Node* first, std::size_t count) : first_(first), count_(count) {}
  Iterator begin() const { return Iterator(first_); }
  Iterator end() const;
  std::size_t size() const { return count_; }

 private:
  const Node* first_;
  std::size_t count_;
};

class Members {
 public:
  class Iterator {
   public:
    explicit Iterator(const Member* at) : at_(at) {}
    KeyValue operator*() const;
    Iterator& operator++();
    bool operator==(const Iterator&) const = default;

   private:
    const Member* at_;
  };
  Members(const Member* first, std::size_t count) : first_(first), count_(count) {}
  Iterator begin() const { return Iterator(first_); }
  Iterator end() const;
  std::size_t size() const { return count_; }

 private:
  const Member* first_;
  std::size_t count_;
};

// An owning, shared, immutable document. Copying shares. May be read from any thread.
class Document {
 public:
  Document();  // null
  Value root() const { return root_; }
  // The same memory, seen from a value inside it: keeps all of it alive.
  Document part(Value inside) const;
  // True if some number in it is not represented exactly by a double: an integer beyond 2^53 written as digits, or any
  // number that comes back as another one from the nearest double's shortest text (too many digits, 1E400).
  bool has_inexact_numbers() const;

  // Takes ownership of storage that `root` points into.
  Document(std::shared_ptr<const void> storage, Value root, bool inexact_numbers);

 private:
  std::shared_ptr<const void> storage_;
  Value root_;
  bool inexact_numbers_ = false;
};

struct ParseLimits {
  std::size_t depth_max = 128;
  std::size_t bytes_max = 64u << 20;
};

// Parses exactly one JSON text (RFC 8259; no BOM, no comments, nothing behind it but white space). Invalid UTF-8, lone
// surrogate escapes and control characters in strings are refused. kInvalid with line and column (Place::file empty),
// kTooLarge when a limit is passed (a depth_max above 4096 counts as 4096). Columns count characters. Of equal keys the
// first one's position and the last one's value stay. The document keeps `text`.
Result<Document> parse(std::string text, const ParseLimits& limits = {});
Result<Document> parse(std::shared_ptr<const std::string> text, const ParseLimits& limits = {});
// Checks the same rules without building anything: what the door does.
Result<void> validate(std::string_view text, const ParseLimits& limits = {});

// Compact, keys in their order, numbers as written; what is printed parses to an equal document. DEL stands as it is.
std::string print(Value value);
void print_to(std::string& out, Value value);
struct PrintStyle {
  int indent = 2;  // 0: compact, -1: one tab
  bool sort_keys = false;
  bool color = false;  // ANSI, as jq colours
  bool ascii = false;  // \uXXXX for what is not ASCII
};
std::string print(Value value, const PrintStyle& style);

// Builds a document from the outside in. Misuse (a value where a key belongs, unbalanced ends, more
// than 4096 levels) is a bug: CHECK. Equal keys as in parse.
class Builder {
 public:
  Builder();
  ~Builder();
  Builder(Builder&&) noexcept;
  Builder& operator=(Builder&&) noexcept;

  Builder& null();
  Builder& boolean(bool value);
  Builder& integer(std::int64_t value);
  // Shortest text that reads back the same; NaN becomes null, infinity the largest double (as in jq).
  Builder& real(double value);
  Builder& number(std::string_view text);  // must be a JSON number: CHECK
  Builder& string(std::string_view text);  // invalid UTF-8 becomes U+FFFD
  Builder& copy(Value value);              // deep
  // The document's root without a copy: the finished document keeps all of `document` alive.
  Builder& share(const Document& document);
  Builder& begin_array();
  Builder& end_array();
  Builder& begin_object();
  Builder& key(std::string_view text);
  Builder& end_object();
  Document finish();  // leaves the builder empty and usable

 private:
  struct State;
  std::unique_ptr<State> state_;
};

Document make_string(std::string_view text);
Document make_bool(bool value);
Document make_integer(std::int64_t value);

// RFC 6901 pointer, or a plain path of keys and indices "a.b.0.c". Null when nothing is there.
Value find_pointer(Value from, std::string_view pointer);
Value find_path(Value from, std::string_view dotted);

}  // namespace tieline::json
