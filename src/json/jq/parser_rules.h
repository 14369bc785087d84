// The grammar of programs, one function a rule, each of which begins at the current token and ends behind what it took;
// private to the parser. Whoever gets a null must return one: the error stands.
#pragma once

#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "json/jq/ast.h"
#include "json/jq/lexer.h"

namespace tieline::json::jq {

class Parser {
 public:
  Parser(std::string_view source, Arena& arena) : source_(source), arena_(arena), lexer_(source) { advance(); }

  Result<const Ast*> program();
  Result<std::span<const Definition* const>> definitions();

 private:
  static constexpr int kDepthMax = 256;

  template <class T>
  std::span<const T> kept(const std::vector<T>& items) {
    if (items.empty()) return {};
    auto* const place = static_cast<T*>(arena_.nodes(items.size() * sizeof(T)));
    for (std::size_t i = 0; i < items.size(); ++i) new (place + i) T(items[i]);
    return {place, items.size()};
  }
  template <class T>
  T* made(T value) {
    return new (arena_.nodes(sizeof(T))) T(std::move(value));
  }
  Ast* node(Ast ast) {
    for (const Ast* const child : {ast.a, ast.b, ast.c, ast.d}) ast.binds |= child != nullptr && child->binds;
    for (const Ast* const part : ast.parts) ast.binds |= part->binds;
    for (const ObjectEntry& entry : ast.entries) {
      ast.binds |= entry.key->binds || (entry.value != nullptr && entry.value->binds);
    }
    return made(ast);
  }
  const Ast* constant(std::uint32_t offset, Node value) {
    return node({.kind = AstKind::kConstant, .offset = offset, .value = value});
  }
  Node string(std::string_view text) {
    char* const copy = arena_.bytes(text.size());
    std::memcpy(copy, text.data(), text.size());
    Node s = string_node({copy, text.size()}, is_plain(text));
    return s;
  }

  void advance() { now_ = lexer_.next(); }
  std::nullptr_t refuse(std::size_t offset, std::string message);
  std::nullptr_t unexpected(std::string_view expecting = {});
  bool take(std::string_view sign) {
    if (!now_.is(sign)) {
      unexpected('\'' + std::string(sign) + '\'');
      return false;
    }
    advance();
    return true;
  }
  bool take_keyword(std::string_view word) {
    if (!now_.keyword(word)) {
      unexpected('"' + std::string(word) + '"');
      return false;
    }
    advance();
    return true;
  }

  struct Deeper {
    explicit Deeper(Parser& p) : parser(p) { ++parser.depth_; }
    ~Deeper() { --parser.depth_; }
    Deeper(const Deeper&) = delete;
    Deeper& operator=(const Deeper&) = delete;
    Parser& parser;
  };

  // --- parser.cc: what is made of terms, and what binds names.
  // The whole language; `commas` false inside an object's values.
  const Ast* pipe(bool commas = true);
  const Ast* comma();
  // What stands between pipes and commas. A definition, a binding and a label take all that follows.
  const Ast* stage();
  const Ast* expression(int power_min);
  bool patterns(std::vector<const Pattern*>& all);
  const Pattern* pattern();
  bool pattern_entry(Pattern::Entry& entry);
  const Definition* definition();

  // --- parser_terms.cc
  // The body and the handler of `try`.
  const Ast* post_term();
  const Ast* term();
  const Ast* optional(const Ast* value, bool access, std::uint32_t offset);
  const Ast* attempt();
  // `."text"` behind a term (null: the input); the quote is the current token.
  const Ast* text_member(const Ast* of);
  const Ast* brackets(const Ast* of);
  const Ast* primary();
  const Ast* sign();
  const Ast* keyword();
  const Ast* condition();
  const Ast* fold();
  const Ast* number();
  // The opening quote is the current token.
  const Ast* text(std::string_view format_name);
  const Ast* format();
  const Ast* location();
  bool refused_variable(std::string_view name);
  bool refused_name(std::string_view name);
  const Ast* call();
  const Ast* object();
  // `key`, `key: value`, `$name`, `$name: value`, `"text"`, `(program): value`; of a key alone the value is `.key`.
  bool object_entry(ObjectEntry& entry);
  const Ast* object_value();
  // Expressions and pipes, without commas and bindings: those need parentheses here.
  const Ast* value_pipe();

  std::string_view source_;
  Arena& arena_;
  Lexer lexer_;
  Token now_;
  int depth_ = 0;
  std::optional<Error> error_;
};

}  // namespace tieline::json::jq
