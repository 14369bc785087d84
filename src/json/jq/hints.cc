#include "json/jq/hints.h"

#include <algorithm>
#include <array>

namespace tieline::json::jq {
namespace {

bool name_part(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

// The end of `text` from its last name on, or empty.
std::string_view last_name(std::string_view text) {
  std::size_t at = text.size();
  while (at != 0 && name_part(text[at - 1])) --at;
  return text.substr(at);
}

std::string_view without_space(std::string_view text) {
  while (!text.empty() && std::string_view(" \t\r\n").find(text.back()) != std::string_view::npos) {
    text.remove_suffix(1);
  }
  return text;
}

struct Elsewhere {
  std::string_view name;  // in small letters, without _
  std::string_view here;
};

constexpr std::array kElsewhere = {
    Elsewhere{"avg", "add / length"},
    Elsewhere{"base64", "@base64"},
    Elsewhere{"base64d", "@base64d"},
    Elsewhere{"capitalize", "title_case"},
    Elsewhere{"coalesce", "//"},
    Elsewhere{"concat", "add"},
    Elsewhere{"count", "length"},
    Elsewhere{"default", "//"},
    Elsewhere{"distinct", "unique"},
    Elsewhere{"downcase", "ascii_downcase"},
    Elsewhere{"every", "all"},
    Elsewhere{"filter", "map(select(…))"},
    Elsewhere{"find", "first(.[] | select(…))"},
    Elsewhere{"includes", "contains"},
    Elsewhere{"indexof", "index"},
    Elsewhere{"int", "tonumber"},
    Elsewhere{"isnull", "== null"},
    Elsewhere{"len", "length"},
    Elsewhere{"lower", "ascii_downcase"},
    Elsewhere{"lowercase", "ascii_downcase"},
    Elsewhere{"number", "tonumber"},
    Elsewhere{"parsefloat", "tonumber"},
    Elsewhere{"parseint", "tonumber"},
    Elsewhere{"parsejson", "fromjson"},
    Elsewhere{"replace", "sub(…; …)"},
    Elsewhere{"replaceall", "gsub(…; …)"},
    Elsewhere{"round", "round_to(…)"},
    Elsewhere{"size", "length"},
    Elsewhere{"slice", ".[…:…]"},
    Elsewhere{"some", "any"},
    Elsewhere{"string", "tostring"},
    Elsewhere{"stringify", "tojson"},
    Elsewhere{"strip", "trim"},
    Elsewhere{"substr", ".[…:…]"},
    Elsewhere{"substring", ".[…:…]"},
    Elsewhere{"sum", "add"},
    Elsewhere{"tofixed", "round_to(…)"},
    Elsewhere{"tolower", "ascii_downcase"},
    Elsewhere{"tolowercase", "ascii_downcase"},
    Elsewhere{"toupper", "ascii_upcase"},
    Elsewhere{"touppercase", "ascii_upcase"},
    Elsewhere{"uniq", "unique"},
    Elsewhere{"upcase", "ascii_upcase"},
    Elsewhere{"upper", "ascii_upcase"},
    Elsewhere{"uppercase", "ascii_upcase"},
    Elsewhere{"uri", "@uri"},
    Elsewhere{"urlencode", "@uri"},
};

// "line-items" where `offset` is behind the dash of `.line-items`.
std::string_view dashed_member(std::string_view source, std::size_t offset) {
  std::size_t begin = offset;
  while (begin != 0 && (name_part(source[begin - 1]) || source[begin - 1] == '-')) --begin;
  if (begin == 0 || source[begin - 1] != '.' || begin == offset || source[offset - 1] != '-') return {};
  std::size_t end = offset;
  while (end < source.size() && (name_part(source[end]) || source[end] == '-')) ++end;
  return source.substr(begin, end - begin);
}

}  // namespace

std::string syntax_hint(std::string_view source, const Token& unexpected) {
  const std::string_view before = source.substr(0, unexpected.offset), rest = source.substr(unexpected.offset);
  const std::string_view last = without_space(before);
  if (rest.starts_with("&&")) return "; write \"and\" for &&";
  if (rest.starts_with('|') && before.ends_with('|')) return "; write \"or\" for ||";
  if (rest.starts_with('\'')) return "; texts stand in double quotes";
  if (rest.starts_with('!')) {
    return last_name(before) == "lookup" ? "; write lookup!(table; key)" : "; write \"| not\" behind it for !";
  }
  if (last.ends_with("??")) return "; write // for ??";
  if (last.ends_with('?') || (rest.starts_with(':') && before.find('?') != std::string_view::npos)) {
    return "; write if … then … else … end for ? :";
  }
  if (unexpected.kind == TokenKind::kNumber && rest.starts_with('.')) {
    return "; write [" + std::string(unexpected.text.substr(1)) + "] for an element";
  }
  if (unexpected.keyword("as")) return "; what binds a variable stands in parentheses here";
  if ((rest.starts_with('}') || rest.starts_with(']') || rest.starts_with(')')) && last.ends_with(',')) {
    return "; there is a comma too many";
  }
  const std::string_view name = last_name(before);
  if (rest.starts_with('(') && !name.empty() && before.substr(0, before.size() - name.size()).ends_with('.')) {
    return "; write | " + std::string(name) + " for a function";
  }
  return {};
}

std::string name_hint(std::string_view source, std::size_t offset, std::string_view name) {
  if (const std::string_view member = dashed_member(source, offset); !member.empty()) {
    return "; write .\"" + std::string(member) + "\" for a member with a dash in its name";
  }
  std::string plain;
  for (const char c : name) {
    if (c != '_') plain += static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
  }
  const auto* const known =
      std::find_if(kElsewhere.begin(), kElsewhere.end(), [&](const Elsewhere& e) { return e.name == plain; });
  if (known == kElsewhere.end()) return {};
  return "; did you mean \"" + std::string(known->here) + "\"?";
}

}  // namespace tieline::json::jq
