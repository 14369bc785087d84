#include "json/jq/hints.h"

#include <algorithm>
#include <array>

#include "base/text.h"

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
    Elsewhere{"each", "map(…)"},
    Elsewhere{"every", "all"},
    Elsewhere{"false", "false"},
    Elsewhere{"filter", "map(select(…))"},
    Elsewhere{"find", "first(.[] | select(…))"},
    Elsewhere{"includes", "contains"},
    Elsewhere{"indexof", "index"},
    Elsewhere{"int", "tonumber"},
    Elsewhere{"isnull", "== null"},
    Elsewhere{"len", "length"},
    Elsewhere{"lower", "ascii_downcase"},
    Elsewhere{"lowercase", "ascii_downcase"},
    Elsewhere{"matches", "test(…)"},
    Elsewhere{"nil", "null"},
    Elsewhere{"none", "null"},
    Elsewhere{"null", "null"},
    Elsewhere{"number", "tonumber"},
    Elsewhere{"parsefloat", "tonumber"},
    Elsewhere{"parseint", "tonumber"},
    Elsewhere{"parsejson", "fromjson"},
    Elsewhere{"raise", "error(…)"},
    Elsewhere{"regex", "test(…)"},
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
    Elsewhere{"throw", "error(…)"},
    Elsewhere{"tofixed", "round_to(…)"},
    Elsewhere{"tolower", "ascii_downcase"},
    Elsewhere{"tolowercase", "ascii_downcase"},
    Elsewhere{"toupper", "ascii_upcase"},
    Elsewhere{"touppercase", "ascii_upcase"},
    Elsewhere{"true", "true"},
    Elsewhere{"undefined", "null"},
    Elsewhere{"uniq", "unique"},
    Elsewhere{"upcase", "ascii_upcase"},
    Elsewhere{"upper", "ascii_upcase"},
    Elsewhere{"uppercase", "ascii_upcase"},
    Elsewhere{"uri", "@uri"},
    Elsewhere{"urlencode", "@uri"},
    Elsewhere{"where", "map(select(…))"},
};

struct Sign {
  std::string_view behind;  // what stands directly before the place
  std::string_view ahead;   // what stands there
  std::string_view hint;
};

// The first one that fits.
constexpr std::array kSigns = {
    Sign{"", "&&", "; write \"and\" for &&"},
    Sign{"|", "|", "; write \"or\" for ||"},
    Sign{"==", "=", "; write == for ==="},
    Sign{"!=", "=", "; write != for !=="},
    Sign{"<", ">", "; write != for <>"},
    Sign{"*", "*", "; write pow(…; …) for **"},
    Sign{"", "~", "; write | test(\"…\") for a regular expression"},
    Sign{"", "'", "; texts stand in double quotes"},
    Sign{"", "`", "; texts stand in double quotes"},
    Sign{"lookup", "!", "; write lookup!(table; key)"},
    Sign{"", "!", "; write \"| not\" behind it for !"},
    Sign{"{", "{", "; write .name for {{name}}"},
    Sign{"[", "*]", "; write [] for [*]"},
    Sign{"", "$.", "; write .name for $.name"},
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

bool is_number(std::string_view name) {
  return std::all_of(name.begin(), name.end(), [](char c) { return c >= '0' && c <= '9'; });
}

// Where a word is too much.
std::string word_hint(std::string_view word, std::string_view last) {
  const std::string_view before = last_name(last);
  if (word == "AND" || word == "OR") return word == "AND" ? "; write \"and\"" : "; write \"or\"";
  if (word == "is") return "; write == for is";
  if (before == "as") return "; write $" + std::string(word);
  if (before == "let" || before == "var" || before == "const") {
    return "; write … as $" + std::string(word) + " | … for a variable";
  }
  if (word == "as" && !last.empty() && last.back() != '|') {
    return "; what binds a variable stands in parentheses here";
  }
  return {};
}

// Where a bracket or a `;` `,` `=` `:` is too much.
std::string bracket_hint(std::string_view source, const Token& unexpected, std::string_view last) {
  const std::string_view before = source.substr(0, unexpected.offset);
  if (unexpected.is("(")) {
    const std::string_view name = last_name(before);
    const std::string_view front = before.substr(0, before.size() - name.size());
    if (!name.empty() && front.ends_with('.')) return "; write | " + std::string(name) + " for a function";
    if (!name.empty() && front.ends_with('@')) return "; write … | @" + std::string(name);
  }
  if ((unexpected.is("}") || unexpected.is("]") || unexpected.is(")")) && last.ends_with(',')) {
    return "; there is a comma too many";
  }
  const std::size_t open = before.find_last_of("{}");
  const bool in_object = open != std::string_view::npos && before[open] == '{';
  if (unexpected.is(";") && in_object) return "; members are separated by \",\"";
  if (unexpected.is(";")) return "; write | between steps: \";\" separates arguments";
  const std::size_t def = before.rfind("def ");
  if (unexpected.is(",") && def != std::string_view::npos && before.find(':', def) == std::string_view::npos) {
    return "; parameters are separated by \";\"";
  }
  if (unexpected.is("=") && in_object) return "; write : behind a member's name";
  return {};
}

}  // namespace

std::string syntax_hint(std::string_view source, const Token& unexpected) {
  const std::string_view before = source.substr(0, unexpected.offset), rest = source.substr(unexpected.offset);
  const std::string_view last = without_space(before);
  const auto* const sign = std::find_if(kSigns.begin(), kSigns.end(), [&](const Sign& s) {
    return before.ends_with(s.behind) && rest.starts_with(s.ahead);
  });
  if (sign != kSigns.end()) return std::string(sign->hint);
  if (last.ends_with("??")) return "; write // for ??";
  if (last.ends_with('?') || (unexpected.is(":") && before.find('?') != std::string_view::npos)) {
    return "; write if … then … else … end for ? :";
  }
  const std::string_view name = last_name(last);
  const std::string_view front = last.substr(0, last.size() - name.size());
  switch (unexpected.kind) {
    case TokenKind::kEnd:
      return before.find("else if") == std::string_view::npos ? ""
                                                              : "; write elif for else if, which wants its own end";
    case TokenKind::kName:
    case TokenKind::kKeyword:
      if (before.ends_with("..")) return "; write .. | ." + std::string(unexpected.text);
      return word_hint(unexpected.text, last);
    case TokenKind::kField: return last.ends_with('{') ? "; write {" + std::string(unexpected.text) + '}' : "";
    case TokenKind::kNumber:
      if (rest.starts_with('.') && !is_number(name)) {
        return "; write [" + std::string(unexpected.text.substr(1)) + "] for an element";
      }
      [[fallthrough]];
    case TokenKind::kQuote:
    case TokenKind::kVariable:
      if (is_number(name) || is_keyword(name) || (!front.empty() && std::string_view(".$@").find(front.back()) < 3)) {
        return {};
      }
      return "; arguments stand in parentheses: " + std::string(name) + "(…)";
    default: return bracket_hint(source, unexpected, last);
  }
}

std::string name_hint(const UnknownFunction& unknown) {
  const std::string name(unknown.name);
  if (const std::string_view member = dashed_member(unknown.source, unknown.offset); !member.empty()) {
    return "; write .\"" + std::string(member) + "\" for a member with a dash in its name";
  }
  std::string plain;
  for (const char c : name) {
    if (c != '_') plain += static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
  }
  std::string hint;
  if (!unknown.arities.empty()) hint = "; there is " + join(unknown.arities, ", ");
  const auto there_is = [&](std::size_t arity) {
    const std::string wanted = name + '/' + std::to_string(arity);
    return std::find(unknown.arities.begin(), unknown.arities.end(), wanted) != unknown.arities.end();
  };
  const auto* const elsewhere =
      std::find_if(kElsewhere.begin(), kElsewhere.end(), [&](const Elsewhere& e) { return e.name == plain; });
  if (elsewhere != kElsewhere.end()) return hint + "; did you mean \"" + std::string(elsewhere->here) + "\"?";
  if (unknown.arity == 1 && unknown.listed > 1 && there_is(unknown.listed)) {
    return hint + "; arguments are separated by \";\"";
  }
  if (unknown.arity != 0 && there_is(unknown.arity - 1)) {
    return hint + "; the value stands in front: … | " + name + (unknown.arity == 1 ? "" : "(…)");
  }
  if (hint.empty()) hint = did_you_mean(name, unknown.known);
  if (hint.empty() && unknown.arity == 0) hint = "; write ." + name + " for a member";
  return hint;
}

}  // namespace tieline::json::jq
