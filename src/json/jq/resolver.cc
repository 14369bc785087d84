#include "json/jq/resolver.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>
#include <vector>

#include "base/text.h"
#include "json/jq/format_names.h"
#include "json/jq/hints.h"
#include "json/jq/machine.h"
#include "json/jq/natives.h"
#include "json/jq/parser.h"
#include "json/jq/state.h"
#include "json/jq/values.h"
#include "json/program_scan.h"

namespace tieline::json::jq {
namespace {

constexpr std::size_t kCodesMax = 200'000;
constexpr int kDepthMax = 6000;

// A frame at run time; the slots that its names have.
struct Scope {
  Scope* parent = nullptr;
  std::uint32_t slots = 0;
};

struct Instance {
  std::uint32_t mask = 0;  // which closures give at most one output
  Function* function = nullptr;
  bool running = false;
  bool assumed = false;  // something was compiled under the assumption that it is single
};

struct Name {
  enum class Kind : std::uint8_t { kVariable, kParameter, kFunction, kLabel };
  Kind kind;
  std::string_view name;
  Scope* scope = nullptr;
  std::uint32_t slot = 0;
  bool single = false;    // of a parameter
  bool callable = false;  // a variable that is a parameter `$name`
  const Definition* definition = nullptr;
  std::vector<Instance>* instances = nullptr;
  const Name* next = nullptr;  // visible around it
};

class Resolver {
 public:
  Resolver(std::string_view source, Arena& arena) : source_(source), arena_(arena) {}

  Result<Compiled> run(const Ast* program, std::span<const std::string> variables) {
    Scope main;
    const Name* names = nullptr;
    for (const std::string& variable : variables) {
      names = named({.kind = Name::Kind::kVariable, .name = variable, .scope = &main, .slot = main.slots++}, names);
    }
    const Code* const code = compile(program, names, &main);
    if (code == nullptr) return failure(std::move(*error_));
    return Compiled{code, main.slots};
  }

 private:
  struct Deeper {
    explicit Deeper(int& d) : depth(d) { ++depth; }
    ~Deeper() { --depth; }
    Deeper(const Deeper&) = delete;
    Deeper& operator=(const Deeper&) = delete;
    int& depth;
  };

  std::nullptr_t refuse(std::size_t offset, std::string message) {
    if (!error_) error_ = Error{tieline::Code::kInvalid, std::move(message), place_in(source_, offset)};
    return nullptr;
  }

  const Name* named(Name name, const Name* next) {
    name.next = next;
    names_.push_back(std::move(name));
    return &names_.back();
  }
  template <class T>
  std::span<const T> kept(const std::vector<T>& items) {
    if (items.empty()) return {};
    auto* const place = static_cast<T*>(arena_.nodes(items.size() * sizeof(T)));
    for (std::size_t i = 0; i < items.size(); ++i) new (place + i) T(items[i]);
    return {place, items.size()};
  }

  // Says of every op whether it gives at most one output.
  Code* code(Code c) {
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
        (c.op == Op::kIndex && !c.optional && c.single && (c.a == nullptr || c.a->simple_path) &&
         path_length(&c) <= 16);
    return new (arena_.nodes(sizeof(Code))) Code(c);
  }
  static std::size_t path_length(const Code* c) {
    std::size_t length = 0;
    for (; c != nullptr; c = c->a) length += c->op == Op::kMembers ? c->keys.size() : 1;
    return length;
  }

  Code* constant(Node value, std::uint32_t offset) {
    return code({.op = Op::kConstant, .offset = offset, .value = value});
  }

  // A literal as a number where its text would come back the same.
  static Node literal(Node value) {
    if (value.kind != Kind::kNumber) return value;
    const Number n = number_of(value);
    NumberText text;
    const Node computed = n.whole ? integer(n.integer) : real(n.real);
    return number_text(computed, text) == value.view() ? computed : value;
  }

  const Code* compile(const Ast* ast, const Name* names, Scope* scope) {
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

  // Operands compiled in the same surroundings.
  Code* with(const Ast* ast, Op op, const Name* names, Scope* scope) {
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

  const Code* member(const Ast* ast, const Name* names, Scope* scope) {
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

  const Code* pipe(const Ast* ast, const Name* names, Scope* scope) {
    const Code* const a = compile(ast->a, names, scope);
    if (a == nullptr) return nullptr;
    const Code* const b = compile(ast->b, names, scope);
    if (b == nullptr || a->op == Op::kIdentity) return b;
    if (b->op == Op::kIdentity) return a;
    return code({.op = Op::kPipe, .offset = ast->offset, .a = a, .b = b});
  }

  bool all(std::span<const Ast* const> from, const Name* names, Scope* scope, std::vector<const Code*>& to) {
    for (const Ast* const one : from) {
      to.push_back(compile(one, names, scope));
      if (to.back() == nullptr) return false;
    }
    return true;
  }

  const Code* comma(const Ast* ast, const Name* names, Scope* scope) {
    std::vector<const Code*> parts;
    if (!all(ast->parts, names, scope, parts)) return nullptr;
    return code({.op = Op::kComma, .offset = ast->offset, .parts = kept(parts)});
  }

  // Computes now what has constant operands and a scalar result.
  const Code* folded(const Code* c) {
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

  const Code* array(const Ast* ast, const Name* names, Scope* scope) {
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

  const Code* object(const Ast* ast, const Name* names, Scope* scope) {
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

  const Code* text(const Ast* ast, const Name* names, Scope* scope) {
    std::vector<const Code*> parts;
    for (const Ast* const part : ast->parts) {
      const Code* const c =
          part->kind == AstKind::kFormat ? format(part, ast->name, names, scope) : compile(part, names, scope);
      if (c == nullptr) return nullptr;
      parts.push_back(c);
    }
    return code({.op = Op::kText, .offset = ast->offset, .parts = kept(parts)});
  }

  const Code* format(const Ast* ast, std::string_view name, const Name* names, Scope* scope) {
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

  const Code* location(const Ast* ast) {
    std::vector<Member> members = {{constant_text("file"), constant_text("<top-level>")},
                                   {constant_text("line"), integer(ast->value.length)}};
    Node value{.kind = Kind::kObject, .flags = Node::kRun, .length = 2};
    value.members = kept(members).data();
    return constant(value, ast->offset);
  }

  // --- Names

  static const Name* find(const Name* names, Name::Kind kind, std::string_view name) {
    for (; names != nullptr; names = names->next) {
      if (names->kind == kind && names->name == name) return names;
    }
    return nullptr;
  }
  static std::uint32_t levels(const Scope* from, const Scope* to) {
    if (to == nullptr) return kNoFrame;
    std::uint32_t up = 0;
    for (; from != to; from = from->parent) ++up;
    return up;
  }

  const Code* in_slot(Op op, const Ast* ast, const Name* name, Scope* scope) {
    return code({.op = op,
                 .single = name->single,
                 .offset = ast->offset,
                 .slot = name->slot,
                 .up = levels(scope, name->scope),
                 .name = ast->name});
  }

  const Code* variable(const Ast* ast, const Name* names, Scope* scope) {
    const Name* const found = find(names, Name::Kind::kVariable, ast->name);
    if (found != nullptr) return in_slot(Op::kVariable, ast, found, scope);
    std::vector<std::string> known;
    for (const Name* n = names; n != nullptr; n = n->next) {
      if (n->kind == Name::Kind::kVariable) known.push_back('$' + std::string(n->name));
    }
    const std::string name = '$' + std::string(ast->name);
    return refuse(ast->offset, "the variable " + name + " is not defined" + did_you_mean(name, known));
  }

  const Name* defined(const Definition* definition, const Name* names, Scope* scope) {
    instances_.emplace_back();
    return named({.kind = Name::Kind::kFunction,
                  .name = definition->name,
                  .scope = scope,
                  .definition = definition,
                  .instances = &instances_.back()},
                 names);
  }

  // --- Patterns

  struct Binding {
    const Name* names;
    Scope* scope;
    std::vector<std::uint32_t> variables;
    std::vector<std::pair<std::string_view, std::uint32_t>> slots;
  };

  std::uint32_t variable_slot(std::string_view name, Binding& binding) {
    for (const auto& [known, slot] : binding.slots) {
      if (known == name) return slot;
    }
    const std::uint32_t slot = binding.scope->slots++;
    binding.slots.emplace_back(name, slot);
    binding.variables.push_back(slot);
    binding.names =
        named({.kind = Name::Kind::kVariable, .name = name, .scope = binding.scope, .slot = slot}, binding.names);
    return slot;
  }

  static void variables_of(const Pattern* pattern, std::vector<std::string_view>& names) {
    if (pattern->kind == Pattern::Kind::kVariable) names.push_back(pattern->name);
    for (const Pattern* const element : pattern->elements) variables_of(element, names);
    for (const Pattern::Entry& entry : pattern->entries) {
      if (!entry.variable.empty()) names.push_back(entry.variable);
      if (entry.value != nullptr) variables_of(entry.value, names);
    }
  }

  // Takes what is in slot `from` apart.
  bool steps(const Pattern* pattern, std::uint32_t from, Binding& binding, PatternCode& out,
             std::vector<Taking>& into) {
    const auto part = [&](const Code* key, const Pattern* inner) {
      const std::uint32_t slot =
          inner->kind == Pattern::Kind::kVariable ? variable_slot(inner->name, binding) : binding.scope->slots++;
      into.push_back({from, slot, key});
      return inner->kind == Pattern::Kind::kVariable || steps(inner, slot, binding, out, into);
    };
    for (std::size_t i = 0; i < pattern->elements.size(); ++i) {
      const Code* const key = constant(integer(static_cast<std::int64_t>(i)), pattern->offset);
      if (key == nullptr || !part(key, pattern->elements[i])) return false;
    }
    for (const Pattern::Entry& entry : pattern->entries) {
      if (!entry.variable.empty()) {
        char* const copy = arena_.bytes(entry.variable.size());
        std::memcpy(copy, entry.variable.data(), entry.variable.size());
        const Code* const key = constant(string_node({copy, entry.variable.size()}, true), entry.offset);
        const std::uint32_t slot = variable_slot(entry.variable, binding);
        into.push_back({from, slot, key});
        if (key == nullptr || (entry.value != nullptr && !steps_below(entry.value, slot, binding, out, into))) {
          return false;
        }
        continue;
      }
      const Code* const key = compile(entry.key, binding.names, binding.scope);
      if (key == nullptr) return false;
      if (key->op == Op::kConstant && !is_string(key->value)) {
        refuse(entry.offset, "the program does not compile: a " + std::string(kind_name(key->value.kind)) +
                                 " cannot be the key of an object");
        return false;
      }
      out.single = out.single && key->single;
      if (!part(key, entry.value)) return false;
    }
    return true;
  }
  // `$name: pattern`: the pattern applies to what the variable holds.
  bool steps_below(const Pattern* pattern, std::uint32_t slot, Binding& binding, PatternCode& out,
                   std::vector<Taking>& into) {
    if (pattern->kind != Pattern::Kind::kVariable) return steps(pattern, slot, binding, out, into);
    // `{$a: $b}`: the value has two names.
    binding.names = named({.kind = Name::Kind::kVariable, .name = pattern->name, .scope = binding.scope, .slot = slot},
                          binding.names);
    return true;
  }

  bool patterns(std::span<const Pattern* const> from, Binding& binding, Code& into) {
    if (from.size() > 1) {
      std::vector<std::string_view> all_names;
      for (const Pattern* const pattern : from) variables_of(pattern, all_names);
      for (const std::string_view name : all_names) variable_slot(name, binding);
    }
    std::vector<PatternCode> made;
    for (const Pattern* const pattern : from) {
      PatternCode one;
      std::vector<Taking> takings;
      if (pattern->kind == Pattern::Kind::kVariable) {
        one.root = variable_slot(pattern->name, binding);
      } else {
        one.root = binding.scope->slots++;
        if (!steps(pattern, one.root, binding, one, takings)) return false;
      }
      one.steps = kept(takings);
      made.push_back(one);
    }
    into.patterns = kept(made);
    into.variables = kept(binding.variables);
    return true;
  }

  const Code* bind(const Ast* ast, const Name* names, Scope* scope) {
    Code c{.op = Op::kBind, .offset = ast->offset, .a = compile(ast->a, names, scope)};
    if (c.a == nullptr) return nullptr;
    Binding binding{names, scope, {}, {}};
    if (!patterns(ast->patterns, binding, c)) return nullptr;
    c.b = compile(ast->b, binding.names, scope);
    return c.b == nullptr ? nullptr : code(c);
  }

  const Code* fold(const Ast* ast, const Name* names, Scope* scope) {
    Code c{.op = ast->kind == AstKind::kReduce ? Op::kReduce : Op::kForeach, .offset = ast->offset};
    c.a = compile(ast->a, names, scope);
    if (c.a == nullptr) return nullptr;
    c.b = compile(ast->b, names, scope);
    if (c.b == nullptr) return nullptr;
    Binding binding{names, scope, {}, {}};
    if (!patterns(ast->patterns, binding, c)) return nullptr;
    c.c = compile(ast->c, binding.names, scope);
    if (c.c == nullptr) return nullptr;
    if (ast->d != nullptr) {
      c.d = compile(ast->d, binding.names, scope);
      if (c.d == nullptr) return nullptr;
    }
    // Of alternative patterns the next one begins with the state as it was before the one that failed.
    c.accumulating = c.op == Op::kReduce && c.patterns.size() == 1 && accumulates(c.c);
    return code(c);
  }

  // --- Calls

  const Code* call(const Ast* ast, const Name* names, Scope* scope) {
    const std::size_t arity = ast->parts.size();
    for (const Name* n = names; n != nullptr; n = n->next) {
      if (n->name != ast->name) continue;
      if (arity == 0 && n->kind == Name::Kind::kParameter) {
        return in_slot(Op::kParameter, ast, n, scope);
      }
      if (arity == 0 && n->kind == Name::Kind::kVariable && n->callable) {
        return in_slot(Op::kVariable, ast, n, scope);
      }
      if (n->kind == Name::Kind::kFunction && n->definition->parameters.size() == arity) {
        return call_function(ast, n, names, scope);
      }
    }
    for (const SpecialForm& form : special_forms()) {
      if (form.arity == arity && form.name == ast->name) return special(ast, form, names, scope);
    }
    if (const Native* const native = find_native(ast->name, arity)) {
      std::vector<const Code*> parts;
      if (!all(ast->parts, names, scope, parts)) return nullptr;
      const std::string problem = native->zone ? zone_problem(*parts[0]) : "";
      if (!problem.empty()) return refuse(ast->parts[0]->offset, problem);
      Code* const c = code({.op = Op::kNative, .offset = ast->offset, .parts = kept(parts), .native = native});
      if (c == nullptr || !native->stream) return c;
      const Code* const elements = code({.op = Op::kIterate, .offset = ast->offset});
      return code({.op = Op::kPipe, .offset = ast->offset, .a = c, .b = elements});
    }
    for (const PreludeFunction& f : prelude()) {
      if (f.arity == arity && f.name == ast->name) return call_function(ast, in_prelude(f), names, scope);
    }
    return unknown(ast, names);
  }

  const Name* in_prelude(const PreludeFunction& f) {
    for (const auto& [known, name] : prelude_) {
      if (known == &f) return name;
    }
    const auto definitions = parse_definitions(f.source, arena_);
    CHECK(definitions && definitions->size() == 1);
    const Name* const name = defined(definitions->front(), nullptr, nullptr);
    prelude_.emplace_back(&f, name);
    return name;
  }

  const Code* unknown(const Ast* ast, const Name* names) {
    const std::size_t arity = ast->parts.size();
    std::vector<std::string> known, arities;
    const auto add = [&](std::string_view name, std::size_t parameters) {
      if (name.starts_with('_')) return;
      if (name == ast->name) arities.push_back(std::string(name) + '/' + std::to_string(parameters));
      known.emplace_back(name);
    };
    for (const Name* n = names; n != nullptr; n = n->next) {
      if (n->kind == Name::Kind::kFunction) add(n->name, n->definition->parameters.size());
      if (n->kind == Name::Kind::kParameter || n->callable) add(n->name, 0);
    }
    for (const SpecialForm& form : special_forms()) add(form.name, form.arity);
    for (const std::span<const Native> natives : all_natives()) {
      for (const Native& native : natives) add(native.name, native.arity);
    }
    for (const PreludeFunction& f : prelude()) add(f.name, f.arity);
    std::sort(arities.begin(), arities.end());
    const std::size_t commas = arity == 1 ? ast->parts.front()->parts.size() : 0;  // of `,`, and of calls
    return refuse(ast->offset, "the function " + std::string(ast->name) + '/' + std::to_string(arity) +
                                   " is not defined" +
                                   name_hint({source_, ast->offset, ast->name, arity, commas, arities, known}));
  }

  const Code* special(const Ast* ast, const SpecialForm& form, const Name* names, Scope* scope) {
    std::array<const Code*, 3> given{};
    for (std::size_t i = 0; i < ast->parts.size(); ++i) {
      given[i] = compile(ast->parts[i], names, scope);
      if (given[i] == nullptr) return nullptr;
    }
    Code c{.op = form.op, .offset = ast->offset, .slot = form.slot, .a = given[0], .b = given[1], .c = given[2]};
    if (form.op == Op::kAny || form.op == Op::kAll) {
      if (form.arity != 2) {
        c.a = nullptr;
        c.b = form.arity == 1 ? given[0] : code({.op = Op::kIdentity, .offset = ast->offset});
      }
    }
    if (form.op == Op::kRange && form.arity == 1) {
      c.b = given[0];
      c.a = constant(integer(0), ast->offset);
    }
    return code(c);
  }

  // What a function gets for a closure: compiled where the call stands, in a frame of its own where it binds.
  const Code* closure(const Ast* ast, const Name* names, Scope* scope) {
    if (!ast->binds) return compile(ast, names, scope);
    Scope inner{scope, 0};
    const Code* const body = compile(ast, names, &inner);
    if (body == nullptr) return nullptr;
    Code* const frame = code({.op = Op::kFrame, .offset = ast->offset, .slot = inner.slots, .a = body});
    return frame;
  }

  const Code* call_function(const Ast* ast, const Name* name, const Name* names, Scope* scope) {
    const std::span<const Parameter> parameters = name->definition->parameters;
    if (parameters.size() > kParametersMax) return refuse(ast->offset, "a function has too many parameters");
    std::vector<const Code*> parts;
    std::uint32_t mask = 0;
    for (std::size_t i = 0; i < parameters.size(); ++i) {
      const Ast* const given = ast->parts[i];
      const Code* const part = parameters[i].value ? compile(given, names, scope) : closure(given, names, scope);
      if (part == nullptr) return nullptr;
      if (!parameters[i].value && part->single) mask |= 1u << i;
      parts.push_back(part);
    }
    const Function* const function = instance(name, mask);
    if (function == nullptr) return nullptr;
    return code({.op = Op::kCall,
                 .offset = ast->offset,
                 .up = levels(scope, name->scope),
                 .parts = kept(parts),
                 .function = function,
                 .name = ast->name});
  }

  // The function for closures of which those in `mask` give at most one output. Of a recursive one it is assumed that
  // it does, too; where that turns out wrong it is compiled again.
  const Function* instance(const Name* name, std::uint32_t mask) {
    for (Instance& known : *name->instances) {
      if (known.mask != mask) continue;
      if (known.running) known.assumed = true;
      return known.function;
    }
    const Definition& def = *name->definition;
    auto* const function = new (arena_.nodes(sizeof(Function))) Function{};
    std::vector<char> values;
    for (const Parameter& parameter : def.parameters) {
      values.push_back(parameter.value ? 1 : 0);
      function->values = function->values && parameter.value;
      function->closures_only = function->closures_only && !parameter.value;
    }
    auto* const flags = static_cast<bool*>(arena_.nodes(std::max<std::size_t>(values.size(), 1)));
    for (std::size_t i = 0; i < values.size(); ++i) flags[i] = values[i] != 0;
    function->value_parameters = {flags, values.size()};
    function->frame = !def.parameters.empty() || def.body->binds;
    function->single = true;
    const std::size_t at = name->instances->size();
    name->instances->push_back({mask, function, true, false});
    for (;;) {
      Scope inner{name->scope, 0};
      Scope* const scope = function->frame ? &inner : name->scope;
      const Name* names = name;  // itself, and what stands around it
      for (std::size_t i = 0; i < def.parameters.size(); ++i) {
        names = named({.kind = def.parameters[i].value ? Name::Kind::kVariable : Name::Kind::kParameter,
                       .name = def.parameters[i].name,
                       .scope = scope,
                       .slot = inner.slots++,
                       .single = (mask >> i & 1) != 0,
                       .callable = def.parameters[i].value},
                      names);
      }
      function->body = compile(def.body, names, scope);
      if (function->body == nullptr) return nullptr;
      function->slots = inner.slots;
      if (function->body->single || !function->single) break;
      function->single = false;
      if (!(*name->instances)[at].assumed) break;
    }
    (*name->instances)[at].running = false;
    return function;
  }

  std::string_view source_;
  Arena& arena_;
  std::optional<Error> error_;
  std::deque<Name> names_;
  std::deque<std::vector<Instance>> instances_;
  std::vector<std::pair<const PreludeFunction*, const Name*>> prelude_;
  std::size_t codes_ = 0;
  int depth_ = 0;
};

}  // namespace

Result<Compiled> resolve(const Ast* program, std::span<const std::string> variables, std::string_view source,
                         Arena& arena) {
  return Resolver(source, arena).run(program, variables);
}

}  // namespace tieline::json::jq
