#include "json/value.h"

#include <charconv>
#include <utility>

#include "base/text.h"
#include "json/node.h"
#include "json/number.h"

namespace tieline::json {
namespace {

bool any_inexact(Value value) {
  switch (value.kind()) {
    case Kind::kNumber: return (value.node()->flags & Node::kInexact) != 0;
    case Kind::kArray:
      for (const Value element : value.elements()) {
        if (any_inexact(element)) return true;
      }
      return false;
    case Kind::kObject:
      for (const auto [key, member] : value.members()) {
        if (any_inexact(member)) return true;
      }
      return false;
    default: return false;
  }
}

bool equal_objects(Value a, Value b) {
  if (a.size() != b.size()) return false;
  for (const auto [key, value] : a.members()) {
    const Member* const other = find_member(*b.node(), key);
    if (other == nullptr || !equal(value, Value(&other->value))) return false;
  }
  return true;
}

bool equal_arrays(Value a, Value b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (!equal(a.at(i), b.at(i))) return false;
  }
  return true;
}

// An array index as RFC 6901 §4 writes it: digits without a leading zero.
std::optional<std::size_t> index_from(std::string_view text) {
  std::size_t index = 0;
  if (text.empty() || (text.size() > 1 && text.front() == '0')) return std::nullopt;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), index);
  return error == std::errc() && end == text.data() + text.size() ? std::optional(index) : std::nullopt;
}

Value step(Value from, std::string_view part) {
  if (from.is_object()) return from[part];
  const auto index = from.is_array() ? index_from(part) : std::nullopt;
  return index ? from.at(*index) : Value();
}

// "~1" is a slash, "~0" a tilde; nothing else may follow a tilde.
std::optional<std::string> unescaped_part(std::string_view part) {
  std::string out;
  for (std::size_t i = 0; i < part.size(); ++i) {
    if (part[i] != '~') {
      out += part[i];
      continue;
    }
    if (++i == part.size() || (part[i] != '0' && part[i] != '1')) return std::nullopt;
    out += part[i] == '0' ? '~' : '/';
  }
  return out;
}

}  // namespace

std::string_view kind_name(Kind kind) {
  switch (kind) {
    case Kind::kNull: return "null";
    case Kind::kBool: return "boolean";
    case Kind::kNumber: return "number";
    case Kind::kString: return "string";
    case Kind::kArray: return "array";
    case Kind::kObject: return "object";
  }
  return "value";
}

Value::Value() : node_(&kNullNode) {}

Kind Value::kind() const { return node_->kind; }

bool Value::truthy() const { return is_null() ? false : kind() != Kind::kBool || as_bool(); }

bool Value::as_bool() const { return kind() == Kind::kBool && (node_->flags & Node::kTrue) != 0; }

std::string_view Value::as_string() const { return is_string() ? node_->view() : std::string_view(); }

std::string_view Value::number_text() const { return is_number() ? node_->view() : std::string_view(); }

std::optional<std::int64_t> Value::as_int64() const { return is_number() ? exact_int64(node_->view()) : std::nullopt; }

double Value::as_double() const { return is_number() ? nearest_double(node_->view()) : 0.0; }

std::size_t Value::size() const { return is_string() || is_array() || is_object() ? node_->length : 0; }

Value Value::at(std::size_t index) const {
  return is_array() && index < node_->length ? Value(node_->elements + index) : Value();
}

Value Value::operator[](std::string_view key) const {
  if (!is_object()) return Value();
  const Member* const member = find_member(*node_, key);
  return member != nullptr ? Value(&member->value) : Value();
}

bool Value::has(std::string_view key) const { return is_object() && find_member(*node_, key) != nullptr; }

Elements Value::elements() const {
  return is_array() ? Elements(node_->elements, node_->length) : Elements(nullptr, 0);
}

Members Value::members() const { return is_object() ? Members(node_->members, node_->length) : Members(nullptr, 0); }

Elements::Iterator& Elements::Iterator::operator++() {
  ++at_;
  return *this;
}

Elements::Iterator Elements::end() const { return Iterator(first_ + count_); }

KeyValue Members::Iterator::operator*() const { return {at_->key.view(), Value(&at_->value)}; }

Members::Iterator& Members::Iterator::operator++() {
  ++at_;
  return *this;
}

Members::Iterator Members::end() const { return Iterator(first_ + count_); }

bool equal(Value a, Value b) {
  if (a.node() == b.node()) return true;
  if (a.kind() != b.kind()) return false;
  switch (a.kind()) {
    case Kind::kNull: return true;
    case Kind::kBool: return a.as_bool() == b.as_bool();
    case Kind::kNumber: return equal_numbers(a.number_text(), b.number_text());
    case Kind::kString: return a.as_string() == b.as_string();
    case Kind::kArray: return equal_arrays(a, b);
    case Kind::kObject: return equal_objects(a, b);
  }
  return false;
}

Document::Document() = default;

Document::Document(std::shared_ptr<const void> storage, Value root, bool inexact_numbers)
    : storage_(std::move(storage)), root_(root), inexact_numbers_(inexact_numbers) {}

Document Document::part(Value inside) const {
  return Document(storage_, inside, inexact_numbers_ && any_inexact(inside));
}

bool Document::has_inexact_numbers() const { return inexact_numbers_; }

Value find_pointer(Value from, std::string_view pointer) {
  if (pointer.empty()) return from;
  if (pointer.front() != '/') return Value();
  for (const std::string_view part : split(pointer.substr(1), '/')) {
    const auto key = unescaped_part(part);
    if (!key) return Value();
    from = step(from, *key);
  }
  return from;
}

Value find_path(Value from, std::string_view dotted) {
  if (dotted.empty()) return from;
  for (const std::string_view part : split(dotted, '.')) from = step(from, part);
  return from;
}

}  // namespace tieline::json
