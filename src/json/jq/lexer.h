// The words of a program, one at a time; private to src/json.
// It must agree with jq 1.8 on what is a string, a comment, a field and a number.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace tieline::json::jq {

enum class TokenKind : std::uint8_t {
  kEnd,
  kName,      // text
  kKeyword,   // text
  kField,     // .name: text without the dot
  kVariable,  // $name: text without the dollar
  kNumber,
  kFormat,  // @name: text without the @
  kQuote,   // an opening quote: what follows is read with text_piece
  kSign,    // text: one of the operators and brackets
  kInvalid
};

struct Token {
  TokenKind kind = TokenKind::kEnd;
  std::string_view text;
  std::uint32_t offset = 0;
  bool is(std::string_view sign) const { return kind == TokenKind::kSign && text == sign; }
  bool keyword(std::string_view word) const { return kind == TokenKind::kKeyword && text == word; }
};

class Lexer {
 public:
  explicit Lexer(std::string_view source) : source_(source) {}

  Token next();

  enum class Piece : std::uint8_t { kInterpolation, kEnd, kUnclosed, kBadEscape };
  // Behind an opening quote, or behind the parenthesis that closes an interpolation: appends the decoded characters to
  // `out` up to `\(` (which is eaten), the closing quote (eaten), or a fault at position().
  Piece text_piece(std::string& out);

  std::size_t position() const { return at_; }

 private:
  char peek(std::size_t ahead) const { return at_ + ahead < source_.size() ? source_[at_ + ahead] : '\0'; }
  void skip_space();
  Token token(TokenKind kind, std::size_t start, std::size_t text_from) const;
  Token number(std::size_t start);
  bool escape(std::string& out);

  std::string_view source_;
  std::size_t at_ = 0;
};

bool is_keyword(std::string_view word);

}  // namespace tieline::json::jq
