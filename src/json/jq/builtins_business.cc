// Functions beyond jq that integrations need: exact decimals and money, strict tables, texts for addresses and queries.
// A decimal must never pass through a double here.
#include <algorithm>
#include <array>
#include <optional>

#include "base/text.h"
#include "json/jq/decimal.h"
#include "json/jq/machine.h"
#include "json/jq/natives.h"
#include "json/jq/values.h"

namespace tieline::json::jq {
namespace {

Node number_from(Machine& m, const Decimal& d) {
  std::string text = d.digits;
  const auto scale = static_cast<std::size_t>(d.scale);
  if (scale != 0) {
    if (text.size() <= scale) text.insert(0, scale + 1 - text.size(), '0');
    text.insert(text.size() - scale, 1, '.');
  }
  if (d.negative && d.digits != "0") text.insert(0, 1, '-');
  Node number = m.text(text);
  number.kind = Kind::kNumber;
  number.flags = scale == 0 ? Node::kInteger : 0;
  if (is_inexact(text)) number.flags |= Node::kInexact;
  return number;
}

// Of a number, or of a text that is one.
bool read_decimal(Machine& m, Node in, std::string_view name, Decimal& out) {
  NumberText buffer;
  std::optional<Decimal> read;
  if (is_number(in)) read = decimal_of(number_text(in, buffer));
  if (is_string(in)) {
    std::string_view text = trim(in.view());
    if (text.starts_with('+')) text.remove_prefix(1);
    read = decimal_of(text);
  }
  if (!read) return m.fail_type(in, "is not a decimal number, which " + std::string(name) + " wants");
  out = std::move(*read);
  return true;
}

bool decimal(Machine& m, Node in, const Node*, Node& out) {
  Decimal d;
  if (!read_decimal(m, in, "decimal", d)) return false;
  out = number_from(m, d);
  return true;
}

bool round_to(Machine& m, Node in, const Node* a, Node& out) {
  Decimal d;
  if (!read_decimal(m, in, "round_to", d)) return false;
  const Number places = is_number(a[0]) ? number_of(a[0]) : Number{};
  if (!places.whole || places.integer < 0 || places.integer > 100) {
    return m.fail_type(a[0], "is not a number of decimals (0 to 100)");
  }
  rescale(d, places.integer, false);
  out = number_from(m, d);
  return true;
}

// ISO 4217: the currencies whose minor unit is not a hundredth.
struct Currency {
  std::string_view code;
  std::int64_t decimals;
};
constexpr std::array kCurrencies = {
    Currency{"BIF", 0}, Currency{"CLP", 0}, Currency{"DJF", 0}, Currency{"GNF", 0}, Currency{"ISK", 0},
    Currency{"JPY", 0}, Currency{"KMF", 0}, Currency{"KRW", 0}, Currency{"PYG", 0}, Currency{"RWF", 0},
    Currency{"UGX", 0}, Currency{"UYI", 0}, Currency{"VND", 0}, Currency{"VUV", 0}, Currency{"XAF", 0},
    Currency{"XOF", 0}, Currency{"XPF", 0}, Currency{"BHD", 3}, Currency{"IQD", 3}, Currency{"JOD", 3},
    Currency{"KWD", 3}, Currency{"LYD", 3}, Currency{"OMR", 3}, Currency{"TND", 3}, Currency{"CLF", 4},
    Currency{"UYW", 4},
};

bool minor_decimals(Machine& m, Node currency, std::int64_t& decimals) {
  const std::string_view code = is_string(currency) ? currency.view() : std::string_view();
  const auto letter = [](char c) { return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'); };
  if (code.size() != 3 || !std::all_of(code.begin(), code.end(), letter)) {
    return m.fail_type(currency, "is not the code of a currency (ISO 4217)");
  }
  const auto* const known = std::find_if(kCurrencies.begin(), kCurrencies.end(),
                                         [&](const Currency& c) { return equals_ignore_case(c.code, code); });
  decimals = known == kCurrencies.end() ? 2 : known->decimals;
  return true;
}

bool from_minor(Machine& m, Node in, const Node* a, Node& out) {
  Decimal d;
  std::int64_t decimals = 0;
  if (!minor_decimals(m, a[0], decimals) || !read_decimal(m, in, "from_minor", d)) return false;
  if (!rescale(d, 0, true)) return m.fail_type(in, "is not a whole number of minor units");
  d.scale = decimals;
  out = number_from(m, d);
  return true;
}

bool to_minor(Machine& m, Node in, const Node* a, Node& out) {
  Decimal d;
  std::int64_t decimals = 0;
  if (!minor_decimals(m, a[0], decimals) || !read_decimal(m, in, "to_minor", d)) return false;
  if (!rescale(d, decimals, true)) {
    return m.fail_type(in, "has more decimals than " + std::string(a[0].view()) + " has; use round_to(" +
                               std::to_string(decimals) + ") first");
  }
  d.scale = 0;
  out = number_from(m, d);
  return true;
}

bool strict_lookup(Machine& m, Node, const Node* a, Node& out) {
  if (!is_object(a[0])) return m.fail_type(a[0], "is not a table, which lookup! wants");
  Node key;
  if (a[1].kind == Kind::kNull || is_array(a[1]) || is_object(a[1])) {
    return m.fail_type(a[1], "is not a key, which lookup! wants");
  }
  if (!m.tostring(a[1], key)) return false;
  const Member* const found = find_member(a[0], key.view());
  if (found == nullptr || found->value.kind == Kind::kNull) {
    return m.fail("lookup! finds no \"" + truncated(key.view(), 200) + "\" in the table");
  }
  out = found->value;
  return true;
}

// Letters from U+00C0 to U+017F without their marks; a space where there is no ASCII letter for one.
constexpr std::string_view kLatin =
    "AAAAAAACEEEEIIIIDNOOOOO OUUUUY  aaaaaaaceeeeiiiidnooooo ouuuuy y"
    "AaAaAaCcCcCcCcDdDdEeEeEeEeEeGgGgGgGgHhHhIiIiIiIiIi  JjKkkLlLlLlL"
    "lLlNnNnNnnNnOoOoOo  RrRrRrSsSsSsSsTtTtTtUuUuUuUuUuUuWwYyYZzZzZzs";

bool slug(Machine& m, Node in, const Node*, Node& out) {
  Node whole;
  if (is_array(in) || is_object(in)) return m.fail_type(in, "cannot be a slug, as it is not a text");
  if (!m.tostring(in, whole)) return false;
  std::string text;
  const auto put = [&](char c) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
    if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9')) {
      text += c;
    } else if (!text.empty() && text.back() != '-') {
      text += '-';
    }
  };
  const std::string_view from = whole.view();
  for (std::size_t i = 0; i < from.size(); ++i) {
    const auto byte = static_cast<unsigned char>(from[i]);
    if (byte < 0x80) {
      if (from[i] != '\'') put(from[i]);
      continue;
    }
    const bool two = byte >= 0xC3 && byte <= 0xC5 && i + 1 < from.size();
    const std::size_t code = two ? (byte & 0x1Fu) << 6 | (static_cast<unsigned char>(from[i + 1]) & 0x3Fu) : 0;
    if (code == 0xDF) {
      text += "ss";
    } else {
      put(code >= 0xC0 && code - 0xC0 < kLatin.size() ? kLatin[code - 0xC0] : ' ');
    }
    while (i + 1 < from.size() && (static_cast<unsigned char>(from[i + 1]) & 0xC0) == 0x80) ++i;
  }
  while (text.ends_with('-')) text.pop_back();
  out = m.text(text);
  return m.spend(from.size() / 8);
}

bool title_case(Machine& m, Node in, const Node*, Node& out) {
  if (!is_string(in)) return m.fail("title_case input must be a string");
  std::string text(in.view());
  bool start = true;
  for (char& c : text) {
    if (c >= 'A' && c <= 'Z' && !start) c = static_cast<char>(c + 32);
    if (c >= 'a' && c <= 'z' && start) c = static_cast<char>(c - 32);
    start = c == ' ' || c == '-' || c == '\t' || c == '\n' || c == '/' || c == '(';
  }
  out = m.text(text);
  return true;
}

// {"a": 1, "b": ["x", "y z"], "c": null} is "a=1&b=x&b=y%20z".
bool url_query(Machine& m, Node in, const Node*, Node& out) {
  if (!is_object(in)) return m.fail_type(in, "cannot be a query, as it is not an object");
  std::string text;
  const auto put = [&](std::string_view key, Node value) {
    if (value.kind == Kind::kNull) return true;
    if (is_array(value) || is_object(value)) return m.fail_type(value, "cannot stand in a query");
    std::string shown;
    if (!m.to_text(value, shown)) return false;
    text += (text.empty() ? "" : "&") + percent_encode(key) + '=' + percent_encode(shown);
    return true;
  };
  for (const Member& member : members_of(in)) {
    if (!is_array(member.value)) {
      if (!put(member.key.view(), member.value)) return false;
      continue;
    }
    for (const Node& element : elements_of(member.value)) {
      if (!put(member.key.view(), element)) return false;
    }
  }
  out = m.text(text);
  return m.spend(text.size() / 8);
}

constexpr std::array kBusiness = {
    Native{"decimal", 0, decimal},       Native{"round_to", 1, round_to},     Native{"from_minor", 1, from_minor},
    Native{"to_minor", 1, to_minor},     Native{"lookup!", 2, strict_lookup}, Native{"slug", 0, slug},
    Native{"title_case", 0, title_case}, Native{"url_query", 0, url_query},
};

}  // namespace

std::span<const Native> business_natives() { return kBusiness; }

}  // namespace tieline::json::jq
