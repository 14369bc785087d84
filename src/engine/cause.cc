#include "engine/cause.h"

#include <algorithm>

#include "base/bytes.h"

namespace tieline::engine {
namespace {

bool in_word(char c) {
  const auto u = static_cast<unsigned char>(c);
  return (u >= '0' && u <= '9') || (u >= 'a' && u <= 'z') || (u >= 'A' && u <= 'Z') || c == '_' || c == '-' ||
         c == '@' || c == '+' || u >= 0x80;
}

bool is_value(std::string_view word) { return word.find_first_of("0123456789@") != std::string_view::npos; }

// The end of the value that is quoted from `at` on, or `at` where none is: an apostrophe inside a word quotes nothing,
// and between backticks stand names. A value that was cut ends where truncated() says so.
std::size_t quoted_end(std::string_view text, std::size_t at) {
  const char quote = text[at];
  if (quote != '"' && quote != '\'') return at;
  if (quote == '\'' && at > 0 && in_word(text[at - 1])) return at;
  for (std::size_t end = at + 1; end < text.size(); ++end) {
    if (text[end] == quote) return end + 1;
    if (text[end] == '\\') ++end;
  }
  const std::size_t cut = text.find("… (", at + 1);
  return cut == std::string_view::npos ? at : cut;
}

std::string normalised(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size();) {
    if (const std::size_t end = quoted_end(text, i); end != i) {
      out += '#';
      i = end;
      continue;
    }
    if (!in_word(text[i])) {
      out += text[i++];
      continue;
    }
    std::size_t end = i;
    // "1.10" and "a.b@example.com" are one value.
    while (end < text.size() &&
           (in_word(text[end]) || (text[end] == '.' && end + 1 < text.size() && in_word(text[end + 1]))))
      ++end;
    const std::string_view word = text.substr(i, end - i);
    // A status is part of the cause.
    const bool status = out.ends_with("status ") || out.ends_with("HTTP ");
    // "hubspot.v3.get": names keep their digits.
    const bool name = word.find('.') != std::string_view::npos && word.find('@') == std::string_view::npos &&
                      ((word[0] >= 'a' && word[0] <= 'z') || (word[0] >= 'A' && word[0] <= 'Z'));
    if (is_value(word) && !status && !name) {
      out += '#';
    } else {
      out += word;
    }
    i = end;
  }
  return out;
}

}  // namespace

Cause cause_of(std::string_view flow, std::string_view summary) {
  Cause cause;
  const std::size_t colon = summary.find(": ");
  if (colon != std::string_view::npos) cause.category = summary.substr(0, colon);
  cause.message = normalised(colon == std::string_view::npos ? summary : summary.substr(colon + 2));
  Bytes bits;
  const std::string all = std::string(flow) + '\n' + cause.category + '\n' + cause.message;
  put_u32(bits, static_cast<std::uint32_t>(hash64(all)));
  cause.id = to_hex(bits);
  return cause;
}

bool matches(const CauseSelection& select, std::string_view flow, const RunStatus& status) {
  if (select.empty()) return true;
  if (status.state != RunState::kDead && status.state != RunState::kHeld) return false;
  if (status.summary.find(select.text) == std::string::npos) return false;
  if (!select.connection.empty() &&
      status.summary.find(": " + std::string(select.connection) + ": ") == std::string::npos)
    return false;
  if (select.group.empty() && select.category.empty()) return true;
  const Cause cause = cause_of(flow, status.summary);
  return (select.category.empty() || cause.category == select.category) &&
         (select.group.empty() || cause.id == select.group);
}

}  // namespace tieline::engine
