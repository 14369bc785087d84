#include "json/jq/lexer.h"

#include <algorithm>
#include <array>

#include "json/scan.h"

namespace tieline::json::jq {
namespace {

bool name_start(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool digit(char c) { return c >= '0' && c <= '9'; }
bool name_part(char c) { return name_start(c) || digit(c); }

constexpr std::array<std::string_view, 19> kKeywords = {"as",   "def",   "module", "import", "include", "if",  "then",
                                                        "else", "elif",  "end",    "reduce", "foreach", "and", "or",
                                                        "try",  "catch", "label",  "break",  "__loc__"};

// Longest first.
constexpr std::array<std::string_view, 33> kSigns = {
    "?//=", "//=", "?//", "!=", "==", "|=", "+=", "-=", "*=", "/=", "%=", "<=", ">=", "//", "..", ".", "?",
    "=",    ";",   ",",   ":",  "|",  "+",  "-",  "*",  "/",  "%",  "$",  "<",  ">",  "[",  "{",  "("};

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

int hex4(std::string_view text) {
  if (text.size() < 4) return -1;
  int value = 0;
  for (std::size_t k = 0; k < 4; ++k) {
    const int d = hex_digit(text[k]);
    if (d < 0) return -1;
    value = value * 16 + d;
  }
  return value;
}

void put_utf8(std::string& out, unsigned code) {
  const auto put = [&](unsigned byte) { out += static_cast<char>(byte); };
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

}  // namespace

bool is_keyword(std::string_view word) {
  return std::find(kKeywords.begin(), kKeywords.end(), word) != kKeywords.end();
}

void Lexer::skip_space() {
  for (;;) {
    const char c = peek(0);
    if (at_ < source_.size() && (c == ' ' || c == '\t' || c == '\n' || c == '\r')) {
      ++at_;
    } else if (c == '#') {
      // An odd number of backslashes before the line's end lets the comment go on (as in jq 1.8).
      while (at_ < source_.size() && source_[at_] != '\n' && source_[at_] != '\r') {
        if (source_[at_] == '\\' && at_ + 1 < source_.size()) {
          at_ += source_[at_ + 1] == '\r' && peek(2) == '\n' ? 3 : 2;
        } else {
          ++at_;
        }
      }
    } else {
      return;
    }
  }
}

Token Lexer::token(TokenKind kind, std::size_t start, std::size_t text_from) const {
  return {kind, source_.substr(text_from, at_ - text_from), static_cast<std::uint32_t>(start)};
}

Token Lexer::number(std::size_t start) {
  while (digit(peek(0))) ++at_;
  if (peek(0) == '.' && peek(1) != '.') ++at_;
  while (digit(peek(0))) ++at_;
  if ((peek(0) == 'e' || peek(0) == 'E') &&
      (digit(peek(1)) || ((peek(1) == '+' || peek(1) == '-') && digit(peek(2))))) {
    at_ += 2;
    while (digit(peek(0))) ++at_;
  }
  return token(TokenKind::kNumber, start, start);
}

Token Lexer::next() {
  skip_space();
  const std::size_t start = at_;
  if (at_ >= source_.size()) return {TokenKind::kEnd, {}, static_cast<std::uint32_t>(source_.size())};
  const char c = source_[at_];
  if (name_start(c)) {
    while (name_part(peek(0)) || (peek(0) == ':' && peek(1) == ':' && name_start(peek(2)))) {
      at_ += peek(0) == ':' ? 2 : 1;
    }
    if (peek(0) == '!' && peek(1) == '(') ++at_;  // a strict function: `lookup!(…)`
    const Token word = token(TokenKind::kName, start, start);
    return is_keyword(word.text) ? token(TokenKind::kKeyword, start, start) : word;
  }
  if (digit(c) || (c == '.' && digit(peek(1)))) return number(start);
  if (c == '.' && name_start(peek(1))) {
    ++at_;
    while (name_part(peek(0))) ++at_;
    return token(TokenKind::kField, start, start + 1);
  }
  if (c == '$') {
    ++at_;
    skip_space();
    const std::size_t from = at_;
    if (!name_start(peek(0))) {
      at_ = start + 1;
      return token(TokenKind::kInvalid, start, start);
    }
    while (name_part(peek(0)) || (peek(0) == ':' && peek(1) == ':' && name_start(peek(2)))) {
      at_ += peek(0) == ':' ? 2 : 1;
    }
    return token(TokenKind::kVariable, start, from);
  }
  if (c == '@' && name_part(peek(1))) {
    ++at_;
    while (name_part(peek(0))) ++at_;
    return token(TokenKind::kFormat, start, start + 1);
  }
  if (c == '"') {
    ++at_;
    return token(TokenKind::kQuote, start, start);
  }
  if (c == ']' || c == '}' || c == ')') {
    ++at_;
    return token(TokenKind::kSign, start, start);
  }
  for (const std::string_view sign : kSigns) {
    if (!source_.substr(at_).starts_with(sign)) continue;
    if (sign == "?//=") {  // `.a? //= 1`
      ++at_;
      return token(TokenKind::kSign, start, start);
    }
    at_ += sign.size();
    return token(TokenKind::kSign, start, start);
  }
  at_ += std::max<std::size_t>(
      static_cast<signed char>(c) < 0 ? utf8_character(source_.data() + at_, source_.data() + source_.size()) : 1, 1);
  return token(TokenKind::kInvalid, start, start);
}

bool Lexer::escape(std::string& out) {
  const char c = peek(1);
  if (c == 'u') {
    int unit = hex4(source_.substr(std::min(at_ + 2, source_.size())));
    if (unit < 0) return false;
    at_ += 6;
    auto code = static_cast<unsigned>(unit);
    if (unit >= 0xD800 && unit <= 0xDBFF && peek(0) == '\\' && peek(1) == 'u') {
      const int low = hex4(source_.substr(std::min(at_ + 2, source_.size())));
      if (low >= 0xDC00 && low <= 0xDFFF) {
        code = 0x10000 + ((static_cast<unsigned>(unit) - 0xD800) << 10) + (static_cast<unsigned>(low) - 0xDC00);
        at_ += 6;
      }
    }
    put_utf8(out, code >= 0xD800 && code <= 0xDFFF ? 0xFFFD : code);
    return true;
  }
  const std::size_t known = std::string_view("\"\\/bfnrt").find(c);
  if (at_ + 1 >= source_.size() || known == std::string_view::npos) return false;
  out += "\"\\/\b\f\n\r\t"[known];
  at_ += 2;
  return true;
}

Lexer::Piece Lexer::text_piece(std::string& out) {
  while (at_ < source_.size()) {
    const char c = source_[at_];
    if (c == '"') {
      ++at_;
      return Piece::kEnd;
    }
    if (c != '\\') {
      out += c;
      ++at_;
    } else if (peek(1) == '(') {
      at_ += 2;
      return Piece::kInterpolation;
    } else if (!escape(out)) {
      return at_ + 1 >= source_.size() ? Piece::kUnclosed : Piece::kBadEscape;
    }
  }
  return Piece::kUnclosed;
}

}  // namespace tieline::json::jq
