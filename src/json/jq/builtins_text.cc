// Functions on text.
#include <algorithm>
#include <array>
#include <cmath>

#include "json/jq/machine.h"
#include "json/jq/natives.h"
#include "json/jq/values.h"

namespace tieline::json::jq {
namespace {

bool affix(Machine& m, Node in, Node what, std::string_view name, bool& found) {
  if (!is_string(in) || !is_string(what)) return m.fail(std::string(name) + "() requires string inputs");
  found = name == "startswith" ? in.view().starts_with(what.view()) : in.view().ends_with(what.view());
  return true;
}

Node cut(Machine& m, Node in, std::size_t front, std::size_t back) {
  Node result = m.text_in_place(in.text + front, in.length - front - back);
  result.flags = in.flags & Node::kPlain;
  return result;
}

bool startswith(Machine& m, Node in, const Node* a, Node& out) {
  bool found = false;
  if (!affix(m, in, a[0], "startswith", found)) return false;
  out = boolean(found);
  return true;
}
bool endswith(Machine& m, Node in, const Node* a, Node& out) {
  bool found = false;
  if (!affix(m, in, a[0], "endswith", found)) return false;
  out = boolean(found);
  return true;
}
bool ltrimstr(Machine& m, Node in, const Node* a, Node& out) {
  bool found = false;
  if (!affix(m, in, a[0], "startswith", found)) return false;
  out = found ? cut(m, in, a[0].length, 0) : in;
  return true;
}
bool rtrimstr(Machine& m, Node in, const Node* a, Node& out) {
  bool found = false;
  if (!affix(m, in, a[0], "endswith", found)) return false;
  out = found ? cut(m, in, 0, a[0].length) : in;
  return true;
}
bool trimstr(Machine& m, Node in, const Node* a, Node& out) {
  return ltrimstr(m, in, a, out) && rtrimstr(m, out, a, out);
}

// Unicode's White_Space, which jq 1.8 trims.
bool is_space(std::uint32_t c) {
  return (c >= 0x09 && c <= 0x0D) || c == 0x20 || c == 0x85 || c == 0xA0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

// The character that begins at `at`, and how many bytes it has.
std::uint32_t character(std::string_view text, std::size_t at, std::size_t& size) {
  const auto byte = [&](std::size_t k) { return static_cast<std::uint32_t>(static_cast<unsigned char>(text[at + k])); };
  const std::uint32_t lead = byte(0);
  size = lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  if (size > text.size() - at) size = 1;
  switch (size) {
    case 1: return lead;
    case 2: return (lead & 0x1F) << 6 | (byte(1) & 0x3F);
    case 3: return (lead & 0x0F) << 12 | (byte(1) & 0x3F) << 6 | (byte(2) & 0x3F);
    default: return (lead & 0x07) << 18 | (byte(1) & 0x3F) << 12 | (byte(2) & 0x3F) << 6 | (byte(3) & 0x3F);
  }
}

bool trimmed(Machine& m, Node in, bool left, bool right, Node& out) {
  if (!is_string(in)) return m.fail("trim input must be a string");
  const std::string_view text = in.view();
  std::size_t front = 0, end = text.size(), size = 0;
  while (left && front < end && is_space(character(text, front, size))) front += size;
  while (right && end > front) {
    std::size_t last = end - 1;
    while (last > front && (static_cast<unsigned char>(text[last]) & 0xC0) == 0x80) --last;
    if (!is_space(character(text, last, size))) break;
    end = last;
  }
  out = cut(m, in, front, text.size() - end);
  return true;
}
bool trim(Machine& m, Node in, const Node*, Node& out) { return trimmed(m, in, true, true, out); }
bool ltrim(Machine& m, Node in, const Node*, Node& out) { return trimmed(m, in, true, false, out); }
bool rtrim(Machine& m, Node in, const Node*, Node& out) { return trimmed(m, in, false, true, out); }

bool cased(Machine& m, Node in, char from, char to, std::string_view name, Node& out) {
  if (!is_string(in)) return m.fail(std::string(name) + " input must be a string");
  const char* const end = in.text + in.length;
  const auto other = [&](char c) { return c >= from && c <= to; };
  if (std::none_of(in.text, end, other)) {
    out = in;
    return true;
  }
  char* const bytes = m.arena().bytes(in.length);
  std::transform(in.text, end, bytes, [&](char c) { return other(c) ? static_cast<char>(c ^ 0x20) : c; });
  out = m.text_in_place(bytes, in.length);
  out.flags = in.flags & Node::kPlain;
  return true;
}
bool ascii_downcase(Machine& m, Node in, const Node*, Node& out) {
  return cased(m, in, 'A', 'Z', "ascii_downcase", out);
}
bool ascii_upcase(Machine& m, Node in, const Node*, Node& out) { return cased(m, in, 'a', 'z', "ascii_upcase", out); }

bool explode(Machine& m, Node in, const Node*, Node& out) {
  if (!is_string(in)) return m.fail_type(in, "cannot be exploded, as it is not a string");
  const std::string_view text = in.view();
  Collector codes(m.arena());
  for (std::size_t at = 0, size = 0; at < text.size(); at += size) codes.push(integer(character(text, at, size)));
  out = codes.array();
  return m.spend(in.length);
}

bool implode(Machine& m, Node in, const Node*, Node& out) {
  if (!is_array(in)) return m.fail("implode input must be an array");
  std::string text;
  for (const Node& code : elements_of(in)) {
    if (!is_number(code) || is_nan(code)) {
      return m.fail_type(code, "can't be imploded, unicode codepoint needs to be numeric");
    }
    const double value = std::trunc(double_of(code));
    const bool valid = value >= 0 && value <= 0x10FFFF && !(value >= 0xD800 && value <= 0xDFFF);
    append_utf8(text, valid ? static_cast<std::uint32_t>(value) : 0xFFFD);
  }
  out = m.text(text);
  return m.spend(in.length);
}

bool split(Machine& m, Node in, const Node* a, Node& out) {
  if (!is_string(in) || !is_string(a[0])) return m.fail("split input and separator must be strings");
  return m.binary(BinaryOp::kDivide, in, a[0], out);
}

bool join(Machine& m, Node in, const Node* a, Node& out) {
  const Node separator = a[0];
  std::string text;
  bool first = true;
  const bool well = m.iterate(in, [&](Node element) {
    if (!first) {
      if (is_string(separator)) {
        text += separator.view();
      } else if (separator.kind != Kind::kNull) {
        return m.fail_types(m.text(text), separator, "cannot be added");
      }
    }
    first = false;
    if (is_array(element) || is_object(element)) return m.fail_types(m.text(text), element, "cannot be added");
    if (text.size() > (1u << 20) && !m.room(text.size())) return false;
    return element.kind == Kind::kNull || m.to_text(element, text);
  });
  if (!well) return false;
  out = m.text(text);
  return m.spend(in.length);
}

bool format(Machine& m, Node in, const Node* a, Node& out) {
  constexpr std::array<std::string_view, 12> kNames = {"text", "json", "html",   "uri",     "urid",   "csv",
                                                       "tsv",  "sh",   "base64", "base64d", "base32", "base32d"};
  if (!is_string(a[0])) return m.fail_type(a[0], "is not a valid format");
  const auto* const known = std::find(kNames.begin(), kNames.end(), a[0].view());
  if (known == kNames.end()) return m.fail(std::string(a[0].view()) + " is not a valid format");
  std::string text;
  if (!m.format(static_cast<Format>(known - kNames.begin()), in, text)) return false;
  out = m.text(text);
  return true;
}

constexpr std::array kText = {
    Native{"startswith", 1, startswith},
    Native{"endswith", 1, endswith},
    Native{"ltrimstr", 1, ltrimstr},
    Native{"rtrimstr", 1, rtrimstr},
    Native{"trimstr", 1, trimstr},
    Native{"trim", 0, trim},
    Native{"ltrim", 0, ltrim},
    Native{"rtrim", 0, rtrim},
    Native{"ascii_downcase", 0, ascii_downcase},
    Native{"ascii_upcase", 0, ascii_upcase},
    Native{"explode", 0, explode},
    Native{"implode", 0, implode},
    Native{"split", 1, split},
    Native{"join", 1, join},
    Native{"format", 1, format},
};

}  // namespace

std::span<const Native> text_natives() { return kText; }

}  // namespace tieline::json::jq
