#include "json/jq/parser.h"

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "json/jq/hints.h"
#include "json/jq/lexer.h"
#include "json/number.h"
#include "json/program_scan.h"

namespace tieline::json::jq {
namespace {

constexpr int kDepthMax = 256;

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

class Parser {
 public:
  Parser(std::string_view source, Arena& arena) : source_(source), arena_(arena), lexer_(source) { advance(); }

  Result<const Ast*> program() {
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

  Result<std::span<const Definition* const>> definitions() {
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

 private:
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

  Node string(std::string_view text) {
    char* const copy = arena_.bytes(text.size());
    std::memcpy(copy, text.data(), text.size());
    Node s = string_node({copy, text.size()}, is_plain(text));
    return s;
  }

  void advance() { now_ = lexer_.next(); }

  std::nullptr_t refuse(std::size_t offset, std::string message) {
    if (!error_) error_ = Error{Code::kInvalid, std::move(message), place_in(source_, offset)};
    return nullptr;
  }
  std::nullptr_t unexpected(std::string_view expecting = {}) {
    std::string message = "the program does not compile: syntax error, unexpected " + described(now_);
    if (!expecting.empty()) message += ", expecting " + std::string(expecting);
    return refuse(now_.offset, message + syntax_hint(source_, now_));
  }
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

  // The whole language; `commas` false inside an object's values.
  const Ast* pipe(bool commas = true) {
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

  const Ast* comma() {
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

  // What stands between pipes and commas. A definition, a binding and a label take all that follows.
  const Ast* stage() {
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

  const Ast* expression(int power_min) {
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

  // The body and the handler of `try`.
  const Ast* post_term() {
    if (!now_.is("-")) return term();
    const std::uint32_t offset = now_.offset;
    advance();
    const Ast* const operand = post_term();
    if (operand == nullptr) return nullptr;
    return node({.kind = AstKind::kNegate, .offset = offset, .a = operand});
  }

  const Ast* term() {
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

  const Ast* optional(const Ast* value, bool access, std::uint32_t offset) {
    const bool takes = value->kind == AstKind::kMember || value->kind == AstKind::kIndex ||
                       value->kind == AstKind::kSlice || value->kind == AstKind::kIterate;
    if (!access || !takes) return node({.kind = AstKind::kTry, .offset = offset, .a = value});
    Ast own = *value;
    own.optional = true;
    return node(own);
  }

  const Ast* attempt() {
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

  // `."text"` behind a term (null: the input); the quote is the current token.
  const Ast* text_member(const Ast* of) {
    const std::uint32_t offset = now_.offset;
    const Ast* const key = text({});
    if (key == nullptr) return nullptr;
    if (key->kind == AstKind::kConstant) {
      return node({.kind = AstKind::kMember, .offset = offset, .value = key->value, .a = of});
    }
    return node({.kind = AstKind::kIndex, .offset = offset, .a = of, .b = key});
  }

  const Ast* brackets(const Ast* of) {
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

  const Ast* primary() {
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

  const Ast* sign() {
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

  const Ast* keyword() {
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

  const Ast* condition() {
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

  const Ast* fold() {
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

  const Ast* number() {
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

  // The opening quote is the current token.
  const Ast* text(std::string_view format_name) {
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

  const Ast* format() {
    const Token name = now_;
    advance();
    if (now_.kind == TokenKind::kQuote) return text(name.text);
    return node({.kind = AstKind::kFormat, .offset = name.offset, .name = name.text});
  }

  const Ast* location() {
    const Place place = place_in(source_, now_.offset);
    const std::uint32_t offset = now_.offset;
    advance();
    return node({.kind = AstKind::kLocation, .offset = offset, .value = Node{.length = place.line}});
  }

  bool refused_variable(std::string_view name) {
    if (name != "ENV" && name != "__prog_args") return false;
    refuse(now_.offset, "`$" + std::string(name) + "` is not available in a program: " +
                            std::string(refusal_reason(name == "ENV" ? "env" : "input")));
    return true;
  }
  bool refused_name(std::string_view name) {
    if (!is_refused_name(name)) return false;
    refuse(now_.offset,
           '`' + std::string(name) + "` is not available in a program: " + std::string(refusal_reason(name)));
    return true;
  }

  const Ast* call() {
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
  const Ast* constant(std::uint32_t offset, Node value) {
    return node({.kind = AstKind::kConstant, .offset = offset, .value = value});
  }

  const Ast* object() {
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

  // `key`, `key: value`, `$name`, `$name: value`, `"text"`, `(program): value`; of a key alone the value is `.key`.
  bool object_entry(ObjectEntry& entry) {
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

  const Ast* object_value() { return now_.keyword("def") || now_.keyword("label") ? unexpected() : value_pipe(); }

  // Expressions and pipes, without commas and bindings: those need parentheses here.
  const Ast* value_pipe() {
    const Ast* const first = expression(0);
    if (first == nullptr || !now_.is("|")) return first;
    advance();
    const Deeper deeper(*this);
    if (depth_ > kDepthMax) return refuse(now_.offset, "the program is nested too deeply");
    const Ast* const rest = value_pipe();
    if (rest == nullptr) return nullptr;
    return node({.kind = AstKind::kPipe, .offset = first->offset, .a = first, .b = rest});
  }

  bool patterns(std::vector<const Pattern*>& all) {
    for (;;) {
      const Pattern* const one = pattern();
      if (one == nullptr) return false;
      all.push_back(one);
      if (!now_.is("?//")) return true;
      advance();
    }
  }

  const Pattern* pattern() {
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

  bool pattern_entry(Pattern::Entry& entry) {
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

  const Definition* definition() {
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

  std::string_view source_;
  Arena& arena_;
  Lexer lexer_;
  Token now_;
  int depth_ = 0;
  std::optional<Error> error_;
};

}  // namespace

Result<const Ast*> parse_program(std::string_view source, Arena& arena) { return Parser(source, arena).program(); }

Result<std::span<const Definition* const>> parse_definitions(std::string_view source, Arena& arena) {
  return Parser(source, arena).definitions();
}

}  // namespace tieline::json::jq
