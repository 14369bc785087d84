// Of the parser: terms, which are what stands between operators, and what is written behind them.
#include <cstring>
#include <string>
#include <vector>

#include "json/jq/hints.h"
#include "json/jq/parser_rules.h"
#include "json/number.h"
#include "json/program_scan.h"

namespace tieline::json::jq {

const Ast* Parser::post_term() {
  if (!now_.is("-")) return term();
  const std::uint32_t offset = now_.offset;
  advance();
  const Ast* const operand = post_term();
  if (operand == nullptr) return nullptr;
  return node({.kind = AstKind::kNegate, .offset = offset, .a = operand});
}

const Ast* Parser::term() {
  const Deeper deeper(*this);
  if (depth_ > kDepthMax) return refuse(now_.offset, "the program is nested too deeply");
  bool access = now_.kind == TokenKind::kField || now_.is(".");  // a `?` behind it is its own, not of all before it
  const Ast* value = now_.keyword("try") ? attempt() : primary();
  int chained = 0;
  while (value != nullptr) {
    if (++chained > 4000) return refuse(now_.offset, "the expression is too long");
    const std::uint32_t offset = now_.offset;
    if (now_.kind == TokenKind::kField) {
      value = node({.kind = AstKind::kMember, .offset = offset, .value = string(now_.text), .a = value});
      access = true;
      advance();
    } else if (now_.is("?")) {
      advance();
      value = optional(value, access, offset);
      access = false;
    } else if (now_.is("?//")) {  // `.a?//1`: a question mark and an alternative
      value = optional(value, access, offset);
      access = false;
      now_ = {TokenKind::kSign, now_.text.substr(1), now_.offset + 1};
    } else if (now_.is("[")) {
      value = brackets(value);
      access = true;
    } else if (now_.is(".")) {
      advance();
      access = true;
      if (now_.is("[")) {
        value = brackets(value);
      } else if (now_.kind == TokenKind::kQuote) {
        value = text_member(value);
      } else {
        return unexpected("field");
      }
    } else {
      return value;
    }
  }
  return nullptr;
}

const Ast* Parser::optional(const Ast* value, bool access, std::uint32_t offset) {
  const bool takes = value->kind == AstKind::kMember || value->kind == AstKind::kIndex ||
                     value->kind == AstKind::kSlice || value->kind == AstKind::kIterate;
  if (!access || !takes) return node({.kind = AstKind::kTry, .offset = offset, .a = value});
  Ast own = *value;
  own.optional = true;
  return node(own);
}

const Ast* Parser::attempt() {
  const std::uint32_t offset = now_.offset;
  advance();
  const Ast* const body = post_term();
  if (body == nullptr) return nullptr;
  const Ast* handler = nullptr;
  if (now_.keyword("catch")) {
    advance();
    handler = post_term();
    if (handler == nullptr) return nullptr;
  }
  return node({.kind = AstKind::kTry, .offset = offset, .a = body, .b = handler});
}

const Ast* Parser::text_member(const Ast* of) {
  const std::uint32_t offset = now_.offset;
  const Ast* const key = text({});
  if (key == nullptr) return nullptr;
  if (key->kind == AstKind::kConstant) {
    return node({.kind = AstKind::kMember, .offset = offset, .value = key->value, .a = of});
  }
  return node({.kind = AstKind::kIndex, .offset = offset, .a = of, .b = key});
}

const Ast* Parser::brackets(const Ast* of) {
  const std::uint32_t offset = now_.offset;
  advance();
  if (now_.is("]")) {
    advance();
    return node({.kind = AstKind::kIterate, .offset = offset, .a = of});
  }
  const Ast* from = nullptr;
  if (!now_.is(":")) {
    from = pipe();
    if (from == nullptr) return nullptr;
    if (now_.is("]")) {
      advance();
      if (from->kind == AstKind::kConstant && from->value.kind == Kind::kString) {
        return node({.kind = AstKind::kMember, .offset = offset, .value = from->value, .a = of});
      }
      return node({.kind = AstKind::kIndex, .offset = offset, .a = of, .b = from});
    }
  }
  if (!now_.is(":")) return unexpected("']'");
  advance();
  const Ast* to = nullptr;
  if (!now_.is("]") || from == nullptr) {
    to = pipe();
    if (to == nullptr) return nullptr;
  }
  if (!take("]")) return nullptr;
  return node({.kind = AstKind::kSlice, .offset = offset, .a = of, .b = from, .c = to});
}

const Ast* Parser::primary() {
  const std::uint32_t offset = now_.offset;
  switch (now_.kind) {
    case TokenKind::kNumber: return number();
    case TokenKind::kQuote: return text({});
    case TokenKind::kFormat: return format();
    case TokenKind::kName: return call();
    case TokenKind::kKeyword: return keyword();
    case TokenKind::kField: {
      const Node key = string(now_.text);
      advance();
      return node({.kind = AstKind::kMember, .offset = offset, .value = key});
    }
    case TokenKind::kVariable: {
      const std::string_view name = now_.text;
      if (name == "__loc__") return location();
      if (refused_variable(name)) return nullptr;
      advance();
      return node({.kind = AstKind::kVariable, .offset = offset, .name = name});
    }
    case TokenKind::kSign: return sign();
    default: return unexpected();
  }
}

const Ast* Parser::sign() {
  const std::uint32_t offset = now_.offset;
  if (now_.is("..")) {
    advance();
    return node({.kind = AstKind::kRecurse, .offset = offset});
  }
  if (now_.is(".")) {
    advance();
    if (now_.kind == TokenKind::kQuote) return text_member(nullptr);
    if (now_.kind == TokenKind::kName) {
      return refuse(offset,
                    "the program does not compile: syntax error, unexpected name behind '.'; write .name "
                    "without a space, or .[\"name\"]");
    }
    return node({.offset = offset});
  }
  if (now_.is("(")) {
    advance();
    const Ast* const inside = pipe();
    if (inside == nullptr || !take(")")) return nullptr;
    return inside;
  }
  if (now_.is("[")) {
    advance();
    if (now_.is("]")) {
      advance();
      return node({.kind = AstKind::kArray, .offset = offset});
    }
    const Ast* const inside = pipe();
    if (inside == nullptr) return nullptr;
    if (!now_.is("]")) return unexpected();
    advance();
    return node({.kind = AstKind::kArray, .offset = offset, .a = inside});
  }
  if (now_.is("{")) return object();
  return unexpected();
}

const Ast* Parser::keyword() {
  if (now_.text == "if") return condition();
  if (now_.text == "reduce" || now_.text == "foreach") return fold();
  if (now_.text == "break") {
    const std::uint32_t offset = now_.offset;
    advance();
    if (now_.kind != TokenKind::kVariable) return unexpected("variable");
    const std::string_view name = now_.text;
    advance();
    return node({.kind = AstKind::kBreak, .offset = offset, .name = name});
  }
  if (now_.text == "import" || now_.text == "include") {
    return refuse(now_.offset, '`' + std::string(now_.text) +
                                   "` is not available in a program: " + std::string(refusal_reason(now_.text)));
  }
  return unexpected();
}

const Ast* Parser::condition() {
  const std::uint32_t offset = now_.offset;
  advance();
  const Ast* const asked = pipe();
  if (asked == nullptr || !take_keyword("then")) return nullptr;
  const Ast* const then = pipe();
  if (then == nullptr) return nullptr;
  const Ast* otherwise = nullptr;
  if (now_.keyword("elif")) {
    const Deeper deeper(*this);
    if (depth_ > kDepthMax) return refuse(now_.offset, "the program is nested too deeply");
    otherwise = condition();  // ends at the same `end`
    if (otherwise == nullptr) return nullptr;
    return node({.kind = AstKind::kIf, .offset = offset, .a = asked, .b = then, .c = otherwise});
  }
  if (now_.keyword("else")) {
    advance();
    otherwise = pipe();
    if (otherwise == nullptr) return nullptr;
  }
  if (!take_keyword("end")) return nullptr;
  return node({.kind = AstKind::kIf, .offset = offset, .a = asked, .b = then, .c = otherwise});
}

const Ast* Parser::fold() {
  const bool reduce = now_.text == "reduce";
  Ast ast{.kind = reduce ? AstKind::kReduce : AstKind::kForeach, .binds = true, .offset = now_.offset};
  advance();
  ast.a = expression(0);
  if (ast.a == nullptr || !take_keyword("as")) return nullptr;
  std::vector<const Pattern*> all;
  if (!patterns(all) || !take("(")) return nullptr;
  ast.patterns = kept(all);
  ast.b = pipe();
  if (ast.b == nullptr || !take(";")) return nullptr;
  ast.c = pipe();
  if (ast.c == nullptr) return nullptr;
  if (!reduce && now_.is(";")) {
    advance();
    ast.d = pipe();
    if (ast.d == nullptr) return nullptr;
  }
  if (!take(")")) return nullptr;
  return node(ast);
}

const Ast* Parser::number() {
  std::string text(now_.text);
  if (text.front() == '.') text.insert(0, "0");
  const std::size_t point = text.find('.');
  if (point != std::string::npos && (point + 1 == text.size() || text[point + 1] < '0' || text[point + 1] > '9')) {
    text.erase(point, 1);
  }
  const std::size_t digits = text.find_first_not_of('0');
  if (digits == std::string::npos) {
    text = "0";
  } else {
    const bool keep_one = text[digits] < '0' || text[digits] > '9';
    text.erase(0, digits - (keep_one ? 1 : 0));
  }
  if (!is_json_number(text)) return unexpected();
  char* const copy = arena_.bytes(text.size());
  std::memcpy(copy, text.data(), text.size());
  Node value{.kind = Kind::kNumber, .length = static_cast<std::uint32_t>(text.size())};
  value.text = copy;
  if (text.find_first_of(".eE") == std::string::npos) value.flags |= Node::kInteger;
  if (is_inexact(text)) value.flags |= Node::kInexact;
  const std::uint32_t offset = now_.offset;
  advance();
  return node({.kind = AstKind::kConstant, .offset = offset, .value = value});
}

const Ast* Parser::text(std::string_view format_name) {
  const std::uint32_t offset = now_.offset;
  std::vector<const Ast*> parts;
  std::string piece;
  for (;;) {
    const std::size_t from = lexer_.position();
    const Lexer::Piece end = lexer_.text_piece(piece);
    if (end == Lexer::Piece::kUnclosed) {
      return refuse(from - 1, "a text in quotes is not closed");
    }
    if (end == Lexer::Piece::kBadEscape) {
      return refuse(lexer_.position(),
                    "the program does not compile: invalid escape in a text: after a backslash "
                    "expected one of \" \\ / b f n r t u (; write two for one in the text");
    }
    if (!piece.empty() || (parts.empty() && end == Lexer::Piece::kEnd)) {
      parts.push_back(node({.kind = AstKind::kConstant, .offset = offset, .value = string(piece)}));
      piece.clear();
    }
    if (end == Lexer::Piece::kEnd) break;
    advance();
    const Ast* const inside = pipe();
    if (inside == nullptr) return nullptr;
    if (!now_.is(")")) return unexpected("')'");  // and not advance: what follows is text
    parts.push_back(node({.kind = AstKind::kFormat, .offset = inside->offset, .a = inside}));
  }
  advance();
  if (parts.size() == 1 && parts.front()->kind == AstKind::kConstant) return parts.front();
  return node({.kind = AstKind::kText, .offset = offset, .name = format_name, .parts = kept(parts)});
}

const Ast* Parser::format() {
  const Token name = now_;
  advance();
  if (now_.kind == TokenKind::kQuote) return text(name.text);
  return node({.kind = AstKind::kFormat, .offset = name.offset, .name = name.text});
}

const Ast* Parser::location() {
  const Place place = place_in(source_, now_.offset);
  const std::uint32_t offset = now_.offset;
  advance();
  return node({.kind = AstKind::kLocation, .offset = offset, .value = Node{.length = place.line}});
}

bool Parser::refused_variable(std::string_view name) {
  if (name != "ENV" && name != "__prog_args") return false;
  refuse(now_.offset, "`$" + std::string(name) + "` is not available in a program: " +
                          std::string(refusal_reason(name == "ENV" ? "env" : "input")));
  return true;
}

bool Parser::refused_name(std::string_view name) {
  if (!is_refused_name(name)) return false;
  refuse(now_.offset,
         '`' + std::string(name) + "` is not available in a program: " + std::string(refusal_reason(name)));
  return true;
}

const Ast* Parser::call() {
  const Token name = now_;
  if (refused_name(name.text)) return nullptr;
  advance();
  if (!now_.is("(")) {
    if (name.text == "null") return constant(name.offset, Node{});
    if (name.text == "true") return constant(name.offset, Node{.kind = Kind::kBool, .flags = Node::kTrue});
    if (name.text == "false") return constant(name.offset, Node{.kind = Kind::kBool});
    return node({.kind = AstKind::kCall, .offset = name.offset, .name = name.text});
  }
  std::vector<const Ast*> arguments;
  do {
    advance();
    const Ast* const argument = pipe();
    if (argument == nullptr) return nullptr;
    arguments.push_back(argument);
  } while (now_.is(";"));
  if (!take(")")) return nullptr;
  return node({.kind = AstKind::kCall, .offset = name.offset, .name = name.text, .parts = kept(arguments)});
}

const Ast* Parser::object() {
  const std::uint32_t offset = now_.offset;
  advance();
  std::vector<ObjectEntry> entries;
  while (!now_.is("}")) {
    ObjectEntry entry;
    if (!object_entry(entry)) return nullptr;
    entries.push_back(entry);
    if (now_.is(",")) {
      advance();
      if (now_.is("}")) return unexpected();
    } else if (!now_.is("}")) {
      return unexpected("'}'");
    }
  }
  advance();
  return node({.kind = AstKind::kObject, .offset = offset, .entries = kept(entries)});
}

bool Parser::object_entry(ObjectEntry& entry) {
  const std::uint32_t offset = now_.offset;
  const Ast* alone = nullptr;  // what the value is without a colon
  if (now_.kind == TokenKind::kVariable) {
    const std::string_view name = now_.text;
    if (name == "__loc__") {
      alone = location();
      entry.key = constant(offset, string("__loc__"));
    } else {
      if (refused_variable(name)) return false;
      advance();
      const Ast* const variable = node({.kind = AstKind::kVariable, .offset = offset, .name = name});
      entry.key = now_.is(":") ? variable : constant(offset, string(name));
      alone = variable;
    }
  } else if (now_.kind == TokenKind::kName || now_.kind == TokenKind::kKeyword) {
    entry.key = constant(offset, string(now_.text));
    advance();
    alone = node({.kind = AstKind::kMember, .offset = offset, .value = entry.key->value});
  } else if (now_.kind == TokenKind::kQuote || now_.kind == TokenKind::kFormat) {
    entry.key = now_.kind == TokenKind::kQuote ? text({}) : format();
    if (entry.key == nullptr) return false;
    alone = entry.key->kind == AstKind::kConstant
                ? node({.kind = AstKind::kMember, .offset = offset, .value = entry.key->value})
                : node({.kind = AstKind::kIndex, .offset = offset, .b = entry.key});
  } else if (now_.is("(")) {
    advance();
    entry.key = pipe();
    if (entry.key == nullptr || !take(")")) return false;
    if (!now_.is(":")) {
      unexpected("':'");
      return false;
    }
  } else if (now_.kind == TokenKind::kNumber) {
    refuse(offset, "the program does not compile: a number cannot be the key of an object; put it in quotes");
    return false;
  } else {
    unexpected("name");
    return false;
  }
  if (!now_.is(":")) {
    entry.value = alone;
    return true;
  }
  advance();
  entry.value = object_value();
  return entry.value != nullptr;
}

const Ast* Parser::object_value() { return now_.keyword("def") || now_.keyword("label") ? unexpected() : value_pipe(); }

const Ast* Parser::value_pipe() {
  const Ast* const first = expression(0);
  if (first == nullptr || !now_.is("|")) return first;
  advance();
  const Deeper deeper(*this);
  if (depth_ > kDepthMax) return refuse(now_.offset, "the program is nested too deeply");
  const Ast* const rest = value_pipe();
  if (rest == nullptr) return nullptr;
  return node({.kind = AstKind::kPipe, .offset = first->offset, .a = first, .b = rest});
}

}  // namespace tieline::json::jq
