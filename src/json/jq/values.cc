#include "json/jq/values.h"

#include <algorithm>
#include <charconv>
#include <cstring>

#include "json/scan.h"

namespace tieline::json::jq {
namespace {

// The layout of jq: plain where that is short, else with an exponent of at least two digits.
std::string_view real_text(double value, NumberText& buffer) {
  if (std::isnan(value)) return "null";
  value = std::clamp(value, std::numeric_limits<double>::lowest(), std::numeric_limits<double>::max());
  char digits[32];
  const auto end = std::to_chars(digits, digits + sizeof digits, value, std::chars_format::scientific).ptr;
  // d.ddddde±XX
  const char* const e = std::find(digits, end, 'e');
  int exponent = 0;
  std::from_chars(e[1] == '+' ? e + 2 : e + 1, end, exponent);
  char plain[32] = {};
  std::size_t count = 0;
  const bool negative = digits[0] == '-';
  for (const char* c = digits + (negative ? 1 : 0); c != e; ++c) {
    if (*c != '.') plain[count++] = *c;
  }
  char* to = buffer.text;
  if (negative) *to++ = '-';
  const int point = exponent + 1;  // digits before the point
  const auto put = [&](const char* from, std::size_t n) {
    std::memcpy(to, from, n);
    to += n;
  };
  if (point <= -5 || point > static_cast<int>(count) + 15) {
    put(plain, 1);
    if (count > 1) {
      *to++ = '.';
      put(plain + 1, count - 1);
    }
    put(e, static_cast<std::size_t>(end - e));
  } else if (point <= 0) {
    put("0.", 2);
    for (int k = point; k < 0; ++k) *to++ = '0';
    put(plain, count);
  } else {
    const auto whole = std::min<std::size_t>(static_cast<std::size_t>(point), count);
    put(plain, whole);
    for (int k = static_cast<int>(count); k < point; ++k) *to++ = '0';
    if (count > whole) {
      *to++ = '.';
      put(plain + whole, count - whole);
    }
  }
  return {buffer.text, static_cast<std::size_t>(to - buffer.text)};
}

// The decimal arithmetic standard's to-scientific-string, which jq 1.8 uses for literals.
void append_literal(std::string_view text, std::string& out) {
  std::string digits;
  std::int64_t exponent = 0;
  const bool negative = text.front() == '-';
  std::size_t e = std::min(text.find_first_of("eE"), text.size());
  bool fraction = false;
  for (const char c : text.substr(negative ? 1 : 0, e - (negative ? 1 : 0))) {
    if (c == '.') {
      fraction = true;
      continue;
    }
    digits += c;
    if (fraction) --exponent;
  }
  if (e < text.size()) {
    std::string_view power = text.substr(e + 1);
    if (power.front() == '+') power.remove_prefix(1);
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(power.data(), power.data() + power.size(), value);
    if (error != std::errc() || value > (std::int64_t{1} << 60) || value < -(std::int64_t{1} << 60)) {
      out += text;  // its own exponent is beyond all bounds
      return;
    }
    exponent += value;
  }
  digits.erase(0, std::min(digits.find_first_not_of('0'), digits.size() - 1));
  const auto count = static_cast<std::int64_t>(digits.size());
  const std::int64_t adjusted = exponent + count - 1;
  if (negative) out += '-';
  if (exponent <= 0 && adjusted >= -6) {
    if (exponent == 0) {
      out += digits;
    } else if (count > -exponent) {
      out.append(digits, 0, static_cast<std::size_t>(count + exponent));
      out += '.';
      out.append(digits, static_cast<std::size_t>(count + exponent), std::string::npos);
    } else {
      out += "0.";
      out.append(static_cast<std::size_t>(-exponent - count), '0');
      out += digits;
    }
    return;
  }
  out += digits[0];
  if (count > 1) {
    out += '.';
    out.append(digits, 1, std::string::npos);
  }
  out += adjusted < 0 ? "E" : "E+";
  out += std::to_string(adjusted);
}

}  // namespace

Number written_number(Node node) {
  const std::string_view text = node.view();
  if ((node.flags & Node::kInteger) != 0) {
    if (text.size() <= 18) [[likely]] {
      std::int64_t value = 0;
      const bool negative = text.front() == '-';
      for (std::size_t i = negative ? 1 : 0; i < text.size(); ++i) value = value * 10 + (text[i] - '0');
      if (negative && value == 0) return {false, 0, -0.0};
      return {true, negative ? -value : value, static_cast<double>(negative ? -value : value)};
    }
    if (const auto exact = exact_int64(text)) return {true, *exact, static_cast<double>(*exact)};
    return {false, 0, nearest_double(text)};
  }
  const double value = nearest_double(text);
  if ((node.flags & Node::kInexact) == 0) return number_of(real(value));
  if (const auto exact = exact_int64(text)) return {true, *exact, static_cast<double>(*exact)};
  return {false, 0, value};
}

int compare_number_nodes(Node a, Node b) {
  if (is_nan(a)) return -1;
  if (is_nan(b)) return 1;
  const Number x = number_of(a), y = number_of(b);
  if (x.whole && y.whole) return x.integer < y.integer ? -1 : x.integer > y.integer ? 1 : 0;
  if (((a.flags | b.flags) & Node::kInexact) != 0 && !std::isinf(x.real) && !std::isinf(y.real)) {
    NumberText first, second;
    return compare_numbers(number_text(a, first), number_text(b, second));
  }
  // Holds every int64 and every double.
  const long double p = x.whole ? static_cast<long double>(x.integer) : static_cast<long double>(x.real);
  const long double q = y.whole ? static_cast<long double>(y.integer) : static_cast<long double>(y.real);
  return p < q ? -1 : p > q ? 1 : 0;
}

std::string_view number_text(Node number, NumberText& buffer) {
  if ((number.flags & Node::kInt64) != 0) {
    const auto end = std::to_chars(buffer.text, buffer.text + sizeof buffer.text, number.integer).ptr;
    return {buffer.text, static_cast<std::size_t>(end - buffer.text)};
  }
  if ((number.flags & Node::kReal) != 0) return real_text(number.real, buffer);
  return number.view();
}

void append_number(Node number, std::string& out) {
  if ((number.flags & (Node::kInt64 | Node::kReal)) != 0) {
    NumberText buffer;
    out += number_text(number, buffer);
    return;
  }
  const std::string_view text = number.view();
  const bool plain = (number.flags & Node::kInteger) != 0 || (text.find_first_of("eE") == std::string_view::npos &&
                                                              text.find("0.00000") == std::string_view::npos);
  if (plain) {
    out += text;
  } else {
    append_literal(text, out);
  }
}

std::size_t characters(std::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

std::size_t byte_offset(std::string_view text, std::size_t character) {
  std::size_t at = 0;
  for (; at < text.size(); ++at) {
    if ((static_cast<unsigned char>(text[at]) & 0xC0) == 0x80) continue;
    if (character-- == 0) return at;
  }
  return text.size();
}

void append_utf8(std::string& out, std::uint32_t code) {
  const auto put = [&](std::uint32_t byte) { out += static_cast<char>(byte); };
  if (code < 0x80) {
    put(code);
  } else if (code < 0x800) {
    put(0xC0 | code >> 6);
    put(0x80 | (code & 0x3F));
  } else if (code < 0x10000) {
    put(0xE0 | code >> 12);
    put(0x80 | (code >> 6 & 0x3F));
    put(0x80 | (code & 0x3F));
  } else {
    put(0xF0 | code >> 18);
    put(0x80 | (code >> 12 & 0x3F));
    put(0x80 | (code >> 6 & 0x3F));
    put(0x80 | (code & 0x3F));
  }
}

void append_quoted(std::string& out, const Node& text) {
  if ((text.flags & Node::kPlain) != 0) {
    const std::size_t before = out.size();
    out.resize(before + text.length + 2, '"');
    if (text.length != 0) std::memcpy(out.data() + before + 1, text.text, text.length);
    return;
  }
  out += '"';
  const char* at = text.text;
  const char* const end = at + text.length;
  while (at != end) {
    const char* const stop = skip_unescaped(at, end);
    out.append(at, stop);
    at = stop;
    if (at == end) break;
    const auto byte = static_cast<unsigned char>(*at++);
    switch (byte) {
      case '"': out += "\\\""; break;
      case '\\': out += "\\\\"; break;
      case '\b': out += "\\b"; break;
      case '\f': out += "\\f"; break;
      case '\n': out += "\\n"; break;
      case '\r': out += "\\r"; break;
      case '\t': out += "\\t"; break;
      default:
        out += "\\u00";
        out += "0123456789abcdef"[byte >> 4];
        out += "0123456789abcdef"[byte & 15];
    }
  }
  out += '"';
}

}  // namespace tieline::json::jq
