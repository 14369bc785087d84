// Of the parser: what is made of terms (pipes, operators, patterns, definitions), and what it says of a wrong token.
#include "json/jq/parser.h"

#include <string>
#include <utility>
#include <vector>

#include "json/jq/hints.h"
#include "json/jq/parser_rules.h"
#include "json/program_scan.h"

namespace tieline::json::jq {
namespace {

struct Operator {
  std::string_view sign;
  int power;  // higher binds tighter
  bool right = false;
  bool single = false;  // does not associate
  AstKind kind = AstKind::kBinary;
  BinaryOp op = BinaryOp::kAdd;
};

constexpr int kNegatePower = 7;
constexpr Operator kOperators[] = {
    {"//", 1, true, false, AstKind::kAlternative},
    {"=", 2, false, true, AstKind::kAssign},
    {"|=", 2, false, true, AstKind::kUpdate},
    {"//=", 2, false, true, AstKind::kDefaultUpdate},
    {"+=", 2, false, true, AstKind::kArithUpdate, BinaryOp::kAdd},
    {"-=", 2, false, true, AstKind::kArithUpdate, BinaryOp::kSubtract},
    {"*=", 2, false, true, AstKind::kArithUpdate, BinaryOp::kMultiply},
    {"/=", 2, false, true, AstKind::kArithUpdate, BinaryOp::kDivide},
    {"%=", 2, false, true, AstKind::kArithUpdate, BinaryOp::kModulo},
    {"==", 5, false, true, AstKind::kBinary, BinaryOp::kEqual},
    {"!=", 5, false, true, AstKind::kBinary, BinaryOp::kNotEqual},
    {"<", 5, false, true, AstKind::kBinary, BinaryOp::kLess},
    {"<=", 5, false, true, AstKind::kBinary, BinaryOp::kLessEqual},
    {">", 5, false, true, AstKind::kBinary, BinaryOp::kGreater},
    {">=", 5, false, true, AstKind::kBinary, BinaryOp::kGreaterEqual},
    {"+", 6, false, false, AstKind::kBinary, BinaryOp::kAdd},
    {"-", 6, false, false, AstKind::kBinary, BinaryOp::kSubtract},
    {"*", 7, false, false, AstKind::kBinary, BinaryOp::kMultiply},
    {"/", 7, false, false, AstKind::kBinary, BinaryOp::kDivide},
    {"%", 7, false, false, AstKind::kBinary, BinaryOp::kModulo},
};
constexpr Operator kOr{"or", 3, false, false, AstKind::kOr};
constexpr Operator kAnd{"and", 4, false, false, AstKind::kAnd};

const Operator* operator_of(const Token& token) {
  if (token.keyword("or")) return &kOr;
  if (token.keyword("and")) return &kAnd;
  if (token.kind != TokenKind::kSign) return nullptr;
  for (const Operator& op : kOperators) {
    if (op.sign == token.text) return &op;
  }
  return nullptr;
}

std::string described(const Token& token) {
  switch (token.kind) {
    case TokenKind::kEnd: return "end of the program";
    case TokenKind::kInvalid: return "invalid character \"" + std::string(token.text) + '"';
    case TokenKind::kName: return "name";
    case TokenKind::kVariable: return "variable";
    case TokenKind::kField: return "field";
    case TokenKind::kNumber: return "number";
    case TokenKind::kFormat: return "format";
    case TokenKind::kQuote: return "text";
    case TokenKind::kKeyword: return '"' + std::string(token.text) + '"';
    case TokenKind::kSign: return '\'' + std::string(token.text) + '\'';
  }
  return "token";
}

}  // namespace

Result<const Ast*> Parser::program() {
  const Ast* root = nullptr;
  if (now_.keyword("module")) {
    refuse(now_.offset, "`module` is not available in a program: programs have no modules");
  } else {
    root = pipe();
  }
  if (root != nullptr && now_.kind != TokenKind::kEnd) {
    unexpected("end of the program");
    root = nullptr;
  }
  if (root == nullptr) return failure(std::move(*error_));
  return root;
}

Result<std::span<const Definition* const>> Parser::definitions() {
  std::vector<const Definition*> all;
  while (now_.keyword("def")) {
    const Definition* const one = definition();
    if (one == nullptr) return failure(std::move(*error_));
    all.push_back(one);
  }
  if (now_.kind != TokenKind::kEnd) {
    unexpected("`def`");
    return failure(std::move(*error_));
  }
  return kept<const Definition*>(all);
}

std::nullptr_t Parser::refuse(std::size_t offset, std::string message) {
  if (!error_) error_ = Error{Code::kInvalid, std::move(message), place_in(source_, offset)};
  return nullptr;
}

std::nullptr_t Parser::unexpected(std::string_view expecting) {
  std::string message = "the program does not compile: syntax error, unexpected " + described(now_);
  if (!expecting.empty()) message += ", expecting " + std::string(expecting);
  return refuse(now_.offset, message + syntax_hint(source_, now_));
}

const Ast* Parser::pipe(bool commas) {
  const Deeper deeper(*this);
  if (depth_ > kDepthMax) return refuse(now_.offset, "the program is nested too deeply");
  std::vector<const Ast*> stages;
  const Ast* last = nullptr;
  for (;;) {
    last = commas ? comma() : stage();
    if (last == nullptr) return nullptr;
    if (!now_.is("|")) break;
    stages.push_back(last);
    advance();
  }
  while (!stages.empty()) {
    const Ast* const before = stages.back();
    stages.pop_back();
    last = node({.kind = AstKind::kPipe, .offset = before->offset, .a = before, .b = last});
  }
  return last;
}

const Ast* Parser::comma() {
  const Ast* const first = stage();
  if (first == nullptr || !now_.is(",")) return first;
  std::vector<const Ast*> all = {first};
  while (now_.is(",")) {
    advance();
    const Ast* const more = stage();
    if (more == nullptr) return nullptr;
    all.push_back(more);
  }
  return node({.kind = AstKind::kComma, .offset = first->offset, .parts = kept(all)});
}

const Ast* Parser::stage() {
  if (now_.keyword("def")) {
    const std::uint32_t offset = now_.offset;
    const Definition* const def = definition();
    if (def == nullptr) return nullptr;
    // A program, or an argument, of definitions only is the identity.
    const Ast* const body = now_.kind == TokenKind::kEnd ? node({.offset = now_.offset}) : pipe();
    if (body == nullptr) return nullptr;
    return node({.kind = AstKind::kDefine, .offset = offset, .a = body, .definition = def});
  }
  if (now_.keyword("label")) {
    const std::uint32_t offset = now_.offset;
    advance();
    if (now_.kind != TokenKind::kVariable) return unexpected("variable");
    const std::string_view name = now_.text;
    advance();
    if (!take("|")) return nullptr;
    const Ast* const body = pipe();
    if (body == nullptr) return nullptr;
    return node({.kind = AstKind::kLabel, .binds = true, .offset = offset, .name = name, .a = body});
  }
  const Ast* const value = expression(0);
  if (value == nullptr || !now_.keyword("as")) return value;
  advance();
  std::vector<const Pattern*> all;
  if (!patterns(all) || !take("|")) return nullptr;
  const Ast* const body = pipe();
  if (body == nullptr) return nullptr;
  return node(
      {.kind = AstKind::kBind, .binds = true, .offset = value->offset, .a = value, .b = body, .patterns = kept(all)});
}

const Ast* Parser::expression(int power_min) {
  const Deeper deeper(*this);
  if (depth_ > kDepthMax) return refuse(now_.offset, "the program is nested too deeply");
  const Ast* left = nullptr;
  if (now_.is("-")) {
    const std::uint32_t offset = now_.offset;
    advance();
    const Ast* const operand = expression(kNegatePower);
    if (operand == nullptr) return nullptr;
    left = node({.kind = AstKind::kNegate, .offset = offset, .a = operand});
  } else {
    left = term();
  }
  int chained = 0;  // left-associative operators are a chain in the tree, which is walked by recursion
  for (;;) {
    if (left == nullptr) return nullptr;
    const Operator* const op = operator_of(now_);
    if (op == nullptr || op->power < power_min) return left;
    if (++chained > 4000) return refuse(now_.offset, "the expression is too long");
    const std::uint32_t offset = now_.offset;
    advance();
    const Ast* const right = expression(op->right ? op->power : op->power + 1);
    if (right == nullptr) return nullptr;
    left = node({.kind = op->kind, .op = op->op, .offset = offset, .a = left, .b = right});
    if (op->single) {
      const Operator* const next = operator_of(now_);
      if (next != nullptr && next->power == op->power) return unexpected();
    }
  }
}

bool Parser::patterns(std::vector<const Pattern*>& all) {
  for (;;) {
    const Pattern* const one = pattern();
    if (one == nullptr) return false;
    all.push_back(one);
    if (!now_.is("?//")) return true;
    advance();
  }
}

const Pattern* Parser::pattern() {
  const Deeper deeper(*this);
  if (depth_ > kDepthMax) return refuse(now_.offset, "the program is nested too deeply");
  Pattern result{.offset = now_.offset};
  if (now_.kind == TokenKind::kVariable) {
    result.name = now_.text;
    advance();
    return made(result);
  }
  if (now_.is("[")) {
    result.kind = Pattern::Kind::kArray;
    std::vector<const Pattern*> elements;
    do {
      advance();
      const Pattern* const element = pattern();
      if (element == nullptr) return nullptr;
      elements.push_back(element);
    } while (now_.is(","));
    if (!take("]")) return nullptr;
    result.elements = kept(elements);
    return made(result);
  }
  if (!now_.is("{")) return unexpected("variable, '[' or '{'");
  result.kind = Pattern::Kind::kObject;
  std::vector<Pattern::Entry> entries;
  do {
    advance();
    Pattern::Entry entry;
    if (!pattern_entry(entry)) return nullptr;
    entries.push_back(entry);
  } while (now_.is(","));
  if (!take("}")) return nullptr;
  result.entries = kept(entries);
  return made(result);
}

bool Parser::pattern_entry(Pattern::Entry& entry) {
  entry.offset = now_.offset;
  if (now_.kind == TokenKind::kVariable) {
    entry.variable = now_.text;
    advance();
    if (!now_.is(":")) return true;
  } else if (now_.kind == TokenKind::kName || now_.kind == TokenKind::kKeyword) {
    entry.key = constant(now_.offset, string(now_.text));
    advance();
  } else if (now_.kind == TokenKind::kQuote || now_.kind == TokenKind::kFormat) {
    entry.key = now_.kind == TokenKind::kQuote ? text({}) : format();
    if (entry.key == nullptr) return false;
  } else if (now_.is("(")) {
    advance();
    entry.key = pipe();
    if (entry.key == nullptr || !take(")")) return false;
  } else {
    unexpected("variable or name");
    return false;
  }
  if (!take(":")) return false;
  entry.value = pattern();
  return entry.value != nullptr;
}

const Definition* Parser::definition() {
  advance();
  if (now_.kind != TokenKind::kName) return unexpected("name");
  Definition def{.name = now_.text, .offset = now_.offset};
  if (refused_name(def.name)) return nullptr;
  advance();
  if (now_.is("(")) {
    std::vector<Parameter> parameters;
    do {
      advance();
      const bool value = now_.kind == TokenKind::kVariable;
      if (!value && now_.kind != TokenKind::kName) return unexpected("name or variable");
      if (!value && refused_name(now_.text)) return nullptr;
      parameters.push_back({now_.text, value});
      advance();
    } while (now_.is(";"));
    if (!take(")")) return nullptr;
    def.parameters = kept(parameters);
  }
  if (!take(":")) return nullptr;
  def.body = pipe();
  if (def.body == nullptr || !take(";")) return nullptr;
  return made(def);
}

Result<const Ast*> parse_program(std::string_view source, Arena& arena) { return Parser(source, arena).program(); }

Result<std::span<const Definition* const>> parse_definitions(std::string_view source, Arena& arena) {
  return Parser(source, arena).definitions();
}

}  // namespace tieline::json::jq
