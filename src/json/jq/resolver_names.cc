// Of the resolver: what names stand for - variables, patterns that bind them, functions and their calls.
#include <algorithm>
#include <array>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "base/text.h"
#include "json/jq/hints.h"
#include "json/jq/parser.h"
#include "json/jq/resolver_rules.h"
#include "json/jq/state.h"
#include "json/jq/values.h"

namespace tieline::json::jq {

const Code* Resolver::in_slot(Op op, const Ast* ast, const Name* name, Scope* scope) {
  return code({.op = op,
               .single = name->single,
               .offset = ast->offset,
               .slot = name->slot,
               .up = levels(scope, name->scope),
               .name = ast->name});
}

const Code* Resolver::variable(const Ast* ast, const Name* names, Scope* scope) {
  const Name* const found = find(names, Name::Kind::kVariable, ast->name);
  if (found != nullptr) return in_slot(Op::kVariable, ast, found, scope);
  std::vector<std::string> known;
  for (const Name* n = names; n != nullptr; n = n->next) {
    if (n->kind == Name::Kind::kVariable) known.push_back('$' + std::string(n->name));
  }
  const std::string name = '$' + std::string(ast->name);
  return refuse(ast->offset, "the variable " + name + " is not defined" + did_you_mean(name, known));
}

const Name* Resolver::defined(const Definition* definition, const Name* names, Scope* scope) {
  instances_.emplace_back();
  return named({.kind = Name::Kind::kFunction,
                .name = definition->name,
                .scope = scope,
                .definition = definition,
                .instances = &instances_.back()},
               names);
}

std::uint32_t Resolver::variable_slot(std::string_view name, Binding& binding) {
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

void Resolver::variables_of(const Pattern* pattern, std::vector<std::string_view>& names) {
  if (pattern->kind == Pattern::Kind::kVariable) names.push_back(pattern->name);
  for (const Pattern* const element : pattern->elements) variables_of(element, names);
  for (const Pattern::Entry& entry : pattern->entries) {
    if (!entry.variable.empty()) names.push_back(entry.variable);
    if (entry.value != nullptr) variables_of(entry.value, names);
  }
}

bool Resolver::steps(const Pattern* pattern, std::uint32_t from, Binding& binding, PatternCode& out,
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

bool Resolver::steps_below(const Pattern* pattern, std::uint32_t slot, Binding& binding, PatternCode& out,
                           std::vector<Taking>& into) {
  if (pattern->kind != Pattern::Kind::kVariable) return steps(pattern, slot, binding, out, into);
  // `{$a: $b}`: the value has two names.
  binding.names = named({.kind = Name::Kind::kVariable, .name = pattern->name, .scope = binding.scope, .slot = slot},
                        binding.names);
  return true;
}

bool Resolver::patterns(std::span<const Pattern* const> from, Binding& binding, Code& into) {
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

const Code* Resolver::bind(const Ast* ast, const Name* names, Scope* scope) {
  Code c{.op = Op::kBind, .offset = ast->offset, .a = compile(ast->a, names, scope)};
  if (c.a == nullptr) return nullptr;
  Binding binding{names, scope, {}, {}};
  if (!patterns(ast->patterns, binding, c)) return nullptr;
  c.b = compile(ast->b, binding.names, scope);
  return c.b == nullptr ? nullptr : code(c);
}

const Code* Resolver::fold(const Ast* ast, const Name* names, Scope* scope) {
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

const Code* Resolver::call(const Ast* ast, const Name* names, Scope* scope) {
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

const Name* Resolver::in_prelude(const PreludeFunction& f) {
  for (const auto& [known, name] : prelude_) {
    if (known == &f) return name;
  }
  const auto definitions = parse_definitions(f.source, arena_);
  CHECK(definitions && definitions->size() == 1);
  const Name* const name = defined(definitions->front(), nullptr, nullptr);
  prelude_.emplace_back(&f, name);
  return name;
}

const Code* Resolver::unknown(const Ast* ast, const Name* names) {
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

const Code* Resolver::special(const Ast* ast, const SpecialForm& form, const Name* names, Scope* scope) {
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

const Code* Resolver::closure(const Ast* ast, const Name* names, Scope* scope) {
  if (!ast->binds) return compile(ast, names, scope);
  Scope inner{scope, 0};
  const Code* const body = compile(ast, names, &inner);
  if (body == nullptr) return nullptr;
  Code* const frame = code({.op = Op::kFrame, .offset = ast->offset, .slot = inner.slots, .a = body});
  return frame;
}

const Code* Resolver::call_function(const Ast* ast, const Name* name, const Name* names, Scope* scope) {
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

const Function* Resolver::instance(const Name* name, std::uint32_t mask) {
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

}  // namespace tieline::json::jq
