// Small tools on the nodes of a run: numbers without text, texts, truth; private to src/json.
// A node with a number in it must never reach a document: result.cc writes it out.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>

#include "json/node.h"
#include "json/number.h"

namespace tieline::json::jq {

// jq's own bounds: values nested deeper are not compared, printed or parsed.
inline constexpr std::size_t kValueDepthMax = 10'000;
inline constexpr std::int64_t kExactDouble = std::int64_t{1} << 53;

inline Node boolean(bool value) {
  return Node{.kind = Kind::kBool, .flags = static_cast<std::uint8_t>(value ? Node::kTrue : 0)};
}
inline Node integer(std::int64_t value) {
  Node node{.kind = Kind::kNumber, .flags = Node::kInt64};
  node.integer = value;
  return node;
}
inline Node real(double value) {
  Node node{.kind = Kind::kNumber, .flags = Node::kReal};
  node.real = value;
  return node;
}
inline bool truthy(Node node) {
  return node.kind != Kind::kNull && (node.kind != Kind::kBool || (node.flags & Node::kTrue) != 0);
}
inline bool is_string(Node node) { return node.kind == Kind::kString; }
inline bool is_number(Node node) { return node.kind == Kind::kNumber; }
inline bool is_array(Node node) { return node.kind == Kind::kArray; }
inline bool is_object(Node node) { return node.kind == Kind::kObject; }
inline std::span<const Node> elements_of(Node array) { return {array.elements, array.length}; }
inline std::span<const Member> members_of(Node object) { return {object.members, object.length}; }
inline Node constant_text(std::string_view text) { return string_node(text, false); }

struct Number {
  bool whole = false;  // `integer` is its value
  std::int64_t integer = 0;
  double real = 0;
};
Number written_number(Node node);
inline Number number_of(Node node) {
  if ((node.flags & Node::kInt64) != 0) return {true, node.integer, static_cast<double>(node.integer)};
  if ((node.flags & Node::kReal) != 0) {
    const double d = node.real;
    if (d >= -9007199254740992.0 && d <= 9007199254740992.0) {
      const auto whole = static_cast<std::int64_t>(d);
      if (static_cast<double>(whole) == d && (whole != 0 || !std::signbit(d))) return {true, whole, d};
    }
    return {false, 0, d};
  }
  return written_number(node);
}
inline double double_of(Node node) { return number_of(node).real; }
inline bool is_nan(Node node) { return (node.flags & Node::kReal) != 0 && std::isnan(node.real); }

// -1, 0, 1; NaN is below every number, itself included.
int compare_number_nodes(Node a, Node b);

struct NumberText {
  char text[48];
};
// As a document writes it: a literal as it was written. `buffer` may hold the text.
std::string_view number_text(Node number, NumberText& buffer);
// As tostring and tojson write it: a literal in the normal form that jq 1.8 gives it; appended.
void append_number(Node number, std::string& out);

// The number of characters, and the byte offset of a character.
std::size_t characters(std::string_view text);
std::size_t byte_offset(std::string_view text, std::size_t character);
void append_utf8(std::string& out, std::uint32_t code);

// The text as it stands in JSON, with its quotes; appended.
void append_quoted(std::string& out, const Node& text);

}  // namespace tieline::json::jq
