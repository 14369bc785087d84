// Of the resolver: code for what needs no name, and what is known of all code.
#include "json/jq/resolver.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "base/text.h"
#include "json/jq/format_names.h"
#include "json/jq/machine.h"
#include "json/jq/resolver_rules.h"
#include "json/jq/values.h"
#include "json/program_scan.h"

namespace tieline::json::jq {
namespace {

constexpr std::size_t kCodesMax = 200'000;

}  // namespace

Result<Compiled> Resolver::run(const Ast* program, std::span<const std::string> variables) {
  Scope main;
  const Name* names = nullptr;
  for (const std::string& variable : variables) {
    names = named({.kind = Name::Kind::kVariable, .name = variable, .scope = &main, .slot = main.slots++}, names);
  }
  const Code* const code = compile(program, names, &main);
  if (code == nullptr) return failure(std::move(*error_));
  return Compiled{code, main.slots};
}

std::nullptr_t Resolver::refuse(std::size_t offset, std::string message) {
  if (!error_) error_ = Error{tieline::Code::kInvalid, std::move(message), place_in(source_, offset)};
  return nullptr;
}

Code* Resolver::code(Code c) {
  if (++codes_ > kCodesMax) return refuse(c.offset, "the program is too large");
  const auto one = [](const Code* of) { return of == nullptr || of->single; };
  const bool operands = one(c.a) && one(c.b) && one(c.c);
  const bool parts = std::all_of(c.parts.begin(), c.parts.end(), one);
  switch (c.op) {
    case Op::kComma:
    case Op::kIterate:
    case Op::kRecurse:
    case Op::kForeach:
    case Op::kLimit:
    case Op::kSkip:
    case Op::kRange:
    case Op::kPath:
    case Op::kParameter: break;  // as the caller says
    case Op::kArray:
    case Op::kUpdate:
    case Op::kMap:
    case Op::kFirst:
    case Op::kLast:
    case Op::kAny:
    case Op::kAll:
    case Op::kIsEmpty:
    case Op::kDelete:
    case Op::kAdd:
    case Op::kSortBy: c.single = true; break;
    case Op::kReduce:
    case Op::kAssign:
    case Op::kArithUpdate:
    case Op::kDefaultUpdate: c.single = c.b->single; break;
    case Op::kBind: c.single = operands && c.patterns.size() == 1 && c.patterns.front().single; break;
    case Op::kCall: {
      c.single = c.function->single;
      for (std::size_t i = 0; i < c.parts.size(); ++i) {
        if (c.function->value_parameters[i] && !c.parts[i]->single) c.single = false;
      }
      break;
    }
    default: c.single = operands && parts;
  }
  c.simple_path =
      c.op == Op::kIdentity ||
      (c.op == Op::kMembers && !c.optional && (c.a == nullptr || c.a->simple_path) && path_length(&c) <= 16) ||
      (c.op == Op::kIndex && !c.optional && c.single && (c.a == nullptr || c.a->simple_path) && path_length(&c) <= 16);
  return new (arena_.nodes(sizeof(Code))) Code(c);
}

std::size_t Resolver::path_length(const Code* c) {
  std::size_t length = 0;
  for (; c != nullptr; c = c->a) length += c->op == Op::kMembers ? c->keys.size() : 1;
  return length;
}

Node Resolver::literal(Node value) {
  if (value.kind != Kind::kNumber) return value;
  const Number n = number_of(value);
  NumberText text;
  const Node computed = n.whole ? integer(n.integer) : real(n.real);
  return number_text(computed, text) == value.view() ? computed : value;
}

const Code* Resolver::compile(const Ast* ast, const Name* names, Scope* scope) {
  const Deeper deeper(depth_);
  if (depth_ > kDepthMax) return refuse(ast->offset, "the program is nested too deeply");
  switch (ast->kind) {
    case AstKind::kConstant: return constant(literal(ast->value), ast->offset);
    case AstKind::kIdentity: return code({.op = Op::kIdentity, .offset = ast->offset});
    case AstKind::kRecurse: return code({.op = Op::kRecurse, .offset = ast->offset});
    case AstKind::kMember: return member(ast, names, scope);
    case AstKind::kIndex: return with(ast, Op::kIndex, names, scope);
    case AstKind::kSlice: return with(ast, Op::kSlice, names, scope);
    case AstKind::kIterate: return with(ast, Op::kIterate, names, scope);
    case AstKind::kPipe: return pipe(ast, names, scope);
    case AstKind::kComma: return comma(ast, names, scope);
    case AstKind::kNegate: return folded(with(ast, Op::kNegate, names, scope));
    case AstKind::kBinary: return folded(with(ast, Op::kBinary, names, scope));
    case AstKind::kAlternative: return with(ast, Op::kAlternative, names, scope);
    case AstKind::kAnd: return with(ast, Op::kAnd, names, scope);
    case AstKind::kOr: return with(ast, Op::kOr, names, scope);
    case AstKind::kAssign: return with(ast, Op::kAssign, names, scope);
    case AstKind::kUpdate: return with(ast, Op::kUpdate, names, scope);
    case AstKind::kArithUpdate: return with(ast, Op::kArithUpdate, names, scope);
    case AstKind::kDefaultUpdate: return with(ast, Op::kDefaultUpdate, names, scope);
    case AstKind::kIf: return with(ast, Op::kIf, names, scope);
    case AstKind::kTry: return with(ast, Op::kTry, names, scope);
    case AstKind::kReduce:
    case AstKind::kForeach: return fold(ast, names, scope);
    case AstKind::kBind: return bind(ast, names, scope);
    case AstKind::kLabel: {
      const std::uint32_t slot = scope->slots++;
      const Name* const inner =
          named({.kind = Name::Kind::kLabel, .name = ast->name, .scope = scope, .slot = slot}, names);
      const Code* const body = compile(ast->a, inner, scope);
      return body == nullptr ? nullptr : code({.op = Op::kLabel, .offset = ast->offset, .slot = slot, .a = body});
    }
    case AstKind::kBreak: {
      const Name* const label = find(names, Name::Kind::kLabel, ast->name);
      if (label == nullptr) {
        return refuse(ast->offset, "`break $" + std::string(ast->name) + "` has no label around it");
      }
      return code({.op = Op::kBreak, .offset = ast->offset, .slot = label->slot, .up = levels(scope, label->scope)});
    }
    case AstKind::kDefine: {
      const Name* const inner = defined(ast->definition, names, scope);
      return compile(ast->a, inner, scope);
    }
    case AstKind::kArray: return array(ast, names, scope);
    case AstKind::kObject: return object(ast, names, scope);
    case AstKind::kText: return text(ast, names, scope);
    case AstKind::kFormat: return format(ast, ast->name, names, scope);
    case AstKind::kVariable: return variable(ast, names, scope);
    case AstKind::kLocation: return location(ast);
    case AstKind::kCall: return call(ast, names, scope);
  }
  return nullptr;
}

Code* Resolver::with(const Ast* ast, Op op, const Name* names, Scope* scope) {
  Code c{.op = op, .binary = ast->op, .optional = ast->optional, .offset = ast->offset};
  for (const auto& [from, to] : {std::pair(ast->a, &c.a), std::pair(ast->b, &c.b), std::pair(ast->c, &c.c)}) {
    if (from == nullptr) continue;
    *to = compile(from, names, scope);
    if (*to == nullptr) return nullptr;
  }
  if (c.a != nullptr && c.a->op == Op::kIdentity && (op == Op::kIndex || op == Op::kSlice || op == Op::kIterate)) {
    c.a = nullptr;
  }
  return code(c);
}

const Code* Resolver::member(const Ast* ast, const Name* names, Scope* scope) {
  std::vector<Node> keys;
  const Ast* base = ast;
  // What is optional stands alone, since what comes before it is not.
  for (; base != nullptr && base->kind == AstKind::kMember && (base == ast || !(ast->optional || base->optional));
       base = base->a) {
    keys.push_back(base->value);
  }
  std::reverse(keys.begin(), keys.end());
  const Code* a = nullptr;
  if (base != nullptr) {
    a = compile(base, names, scope);
    if (a == nullptr) return nullptr;
    if (a->op == Op::kIdentity) a = nullptr;
  }
  if (a != nullptr && a->op == Op::kMembers && !ast->optional && !a->optional) {
    keys.insert(keys.begin(), a->keys.begin(), a->keys.end());
    a = a->a;
  }
  return code({.op = Op::kMembers, .optional = ast->optional, .offset = ast->offset, .a = a, .keys = kept(keys)});
}

const Code* Resolver::pipe(const Ast* ast, const Name* names, Scope* scope) {
  const Code* const a = compile(ast->a, names, scope);
  if (a == nullptr) return nullptr;
  const Code* const b = compile(ast->b, names, scope);
  if (b == nullptr || a->op == Op::kIdentity) return b;
  if (b->op == Op::kIdentity) return a;
  return code({.op = Op::kPipe, .offset = ast->offset, .a = a, .b = b});
}

bool Resolver::all(std::span<const Ast* const> from, const Name* names, Scope* scope, std::vector<const Code*>& to) {
  for (const Ast* const one : from) {
    to.push_back(compile(one, names, scope));
    if (to.back() == nullptr) return false;
  }
  return true;
}

const Code* Resolver::comma(const Ast* ast, const Name* names, Scope* scope) {
  std::vector<const Code*> parts;
  if (!all(ast->parts, names, scope, parts)) return nullptr;
  return code({.op = Op::kComma, .offset = ast->offset, .parts = kept(parts)});
}

const Code* Resolver::folded(const Code* c) {
  if (c == nullptr || c->a->op != Op::kConstant || (c->b != nullptr && c->b->op != Op::kConstant)) return c;
  Machine machine(RunLimits{});
  Node value;
  const bool well = c->op == Op::kNegate ? machine.negate(c->a->value, value)
                                         : machine.binary(c->binary, c->a->value, c->b->value, value);
  if (!well || is_array(value) || is_object(value) || value.length > 1000) return c;
  if (is_string(value) || (is_number(value) && (value.flags & (Node::kInt64 | Node::kReal)) == 0)) {
    char* const copy = arena_.bytes(value.length);
    std::memcpy(copy, value.text, value.length);
    value.text = copy;
  }
  return constant(value, c->offset);
}

const Code* Resolver::array(const Ast* ast, const Name* names, Scope* scope) {
  const Code* a = nullptr;
  if (ast->a != nullptr) {
    a = compile(ast->a, names, scope);
    if (a == nullptr) return nullptr;
  }
  std::vector<Node> elements;
  const auto take = [&](const Code* c) {
    if (c->op != Op::kConstant) return false;
    elements.push_back(c->value);
    return true;
  };
  const bool fixed =
      a == nullptr || take(a) || (a->op == Op::kComma && std::all_of(a->parts.begin(), a->parts.end(), take));
  if (!fixed) return code({.op = Op::kArray, .offset = ast->offset, .a = a});
  Node value{.kind = Kind::kArray, .flags = Node::kRun, .length = static_cast<std::uint32_t>(elements.size())};
  value.elements = kept(elements).data();
  return constant(value, ast->offset);
}

const Code* Resolver::object(const Ast* ast, const Name* names, Scope* scope) {
  std::vector<const Code*> parts;
  std::vector<Member> fixed;
  bool distinct = true;
  for (const ObjectEntry& entry : ast->entries) {
    const Code* const key = compile(entry.key, names, scope);
    if (key == nullptr) return nullptr;
    if (key->op == Op::kConstant && !is_string(key->value)) {
      Machine machine(RunLimits{});
      std::string shown;
      machine.tojson(key->value, shown);
      return refuse(entry.key->offset, "the program does not compile: a " + std::string(kind_name(key->value.kind)) +
                                           " (" + truncated(shown, 40) + ") cannot be the key of an object");
    }
    const Code* const value = compile(entry.value, names, scope);
    if (value == nullptr) return nullptr;
    if (key->op == Op::kConstant) {
      for (std::size_t i = 0; i < parts.size(); i += 2) {
        if (parts[i]->value.view() == key->value.view()) distinct = false;
      }
    } else {
      distinct = false;
    }
    if (key->op == Op::kConstant && value->op == Op::kConstant) fixed.push_back({key->value, value->value});
    parts.push_back(key);
    parts.push_back(value);
  }
  if (distinct && fixed.size() * 2 == parts.size() && fixed.size() <= kIndexAbove) {
    Node value{.kind = Kind::kObject, .flags = Node::kRun, .length = static_cast<std::uint32_t>(fixed.size())};
    value.members = kept(fixed).data();
    return constant(value, ast->offset);
  }
  return code({.op = Op::kObject, .distinct = distinct, .offset = ast->offset, .parts = kept(parts)});
}

const Code* Resolver::text(const Ast* ast, const Name* names, Scope* scope) {
  std::vector<const Code*> parts;
  for (const Ast* const part : ast->parts) {
    const Code* const c =
        part->kind == AstKind::kFormat ? format(part, ast->name, names, scope) : compile(part, names, scope);
    if (c == nullptr) return nullptr;
    parts.push_back(c);
  }
  return code({.op = Op::kText, .offset = ast->offset, .parts = kept(parts)});
}

const Code* Resolver::format(const Ast* ast, std::string_view name, const Name* names, Scope* scope) {
  if (name.empty()) name = "text";
  const auto* const known =
      std::find_if(kFormats.begin(), kFormats.end(), [&](const FormatName& f) { return f.name == name; });
  if (known == kFormats.end()) {
    std::vector<std::string> all_names;
    for (const FormatName& f : kFormats) all_names.push_back('@' + std::string(f.name));
    return refuse(ast->offset, "the format @" + std::string(name) + " is not defined" +
                                   did_you_mean('@' + std::string(name), all_names));
  }
  const Code* a = nullptr;
  if (ast->a != nullptr) {
    a = compile(ast->a, names, scope);
    if (a == nullptr) return nullptr;
  }
  return code({.op = Op::kFormat, .offset = ast->offset, .slot = static_cast<std::uint32_t>(known->format), .a = a});
}

const Code* Resolver::location(const Ast* ast) {
  std::vector<Member> members = {{constant_text("file"), constant_text("<top-level>")},
                                 {constant_text("line"), integer(ast->value.length)}};
  Node value{.kind = Kind::kObject, .flags = Node::kRun, .length = 2};
  value.members = kept(members).data();
  return constant(value, ast->offset);
}

Result<Compiled> resolve(const Ast* program, std::span<const std::string> variables, std::string_view source,
                         Arena& arena) {
  return Resolver(source, arena).run(program, variables);
}

}  // namespace tieline::json::jq
