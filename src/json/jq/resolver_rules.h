// How the syntax tree becomes code, one function for each kind of syntax; private to the resolver. Each is given the
// names that are visible where it stands and the scope whose slots it may take. Whoever gets a null must return one:
// the error stands.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "json/jq/ast.h"
#include "json/jq/code.h"
#include "json/jq/natives.h"
#include "json/jq/resolver.h"

namespace tieline::json::jq {

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

  Result<Compiled> run(const Ast* program, std::span<const std::string> variables);

 private:
  static constexpr int kDepthMax = 6000;

  struct Deeper {
    explicit Deeper(int& d) : depth(d) { ++depth; }
    ~Deeper() { --depth; }
    Deeper(const Deeper&) = delete;
    Deeper& operator=(const Deeper&) = delete;
    int& depth;
  };

  std::nullptr_t refuse(std::size_t offset, std::string message);
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
  Code* code(Code c);
  static std::size_t path_length(const Code* c);
  Code* constant(Node value, std::uint32_t offset) {
    return code({.op = Op::kConstant, .offset = offset, .value = value});
  }

  // --- resolver.cc: what needs no name.
  // A literal as a number where its text would come back the same.
  static Node literal(Node value);
  const Code* compile(const Ast* ast, const Name* names, Scope* scope);
  // Operands compiled in the same surroundings.
  Code* with(const Ast* ast, Op op, const Name* names, Scope* scope);
  const Code* member(const Ast* ast, const Name* names, Scope* scope);
  const Code* pipe(const Ast* ast, const Name* names, Scope* scope);
  bool all(std::span<const Ast* const> from, const Name* names, Scope* scope, std::vector<const Code*>& to);
  const Code* comma(const Ast* ast, const Name* names, Scope* scope);
  // Computes now what has constant operands and a scalar result.
  const Code* folded(const Code* c);
  const Code* array(const Ast* ast, const Name* names, Scope* scope);
  const Code* object(const Ast* ast, const Name* names, Scope* scope);
  const Code* text(const Ast* ast, const Name* names, Scope* scope);
  const Code* format(const Ast* ast, std::string_view name, const Name* names, Scope* scope);
  const Code* location(const Ast* ast);

  // --- resolver_names.cc
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
  const Code* in_slot(Op op, const Ast* ast, const Name* name, Scope* scope);
  const Code* variable(const Ast* ast, const Name* names, Scope* scope);
  const Name* defined(const Definition* definition, const Name* names, Scope* scope);

  // Patterns.
  struct Binding {
    const Name* names;
    Scope* scope;
    std::vector<std::uint32_t> variables;
    std::vector<std::pair<std::string_view, std::uint32_t>> slots;
  };
  std::uint32_t variable_slot(std::string_view name, Binding& binding);
  static void variables_of(const Pattern* pattern, std::vector<std::string_view>& names);
  // Takes what is in slot `from` apart.
  bool steps(const Pattern* pattern, std::uint32_t from, Binding& binding, PatternCode& out, std::vector<Taking>& into);
  // `$name: pattern`: the pattern applies to what the variable holds.
  bool steps_below(const Pattern* pattern, std::uint32_t slot, Binding& binding, PatternCode& out,
                   std::vector<Taking>& into);
  bool patterns(std::span<const Pattern* const> from, Binding& binding, Code& into);
  const Code* bind(const Ast* ast, const Name* names, Scope* scope);
  const Code* fold(const Ast* ast, const Name* names, Scope* scope);

  // Calls.
  const Code* call(const Ast* ast, const Name* names, Scope* scope);
  const Name* in_prelude(const PreludeFunction& f);
  const Code* unknown(const Ast* ast, const Name* names);
  const Code* special(const Ast* ast, const SpecialForm& form, const Name* names, Scope* scope);
  // What a function gets for a closure: compiled where the call stands, in a frame of its own where it binds.
  const Code* closure(const Ast* ast, const Name* names, Scope* scope);
  const Code* call_function(const Ast* ast, const Name* name, const Name* names, Scope* scope);
  // The function for closures of which those in `mask` give at most one output. Of a recursive one it is assumed that
  // it does, too; where that turns out wrong it is compiled again.
  const Function* instance(const Name* name, std::uint32_t mask);

  std::string_view source_;
  Arena& arena_;
  std::optional<Error> error_;
  std::deque<Name> names_;
  std::deque<std::vector<Instance>> instances_;
  std::vector<std::pair<const PreludeFunction*, const Name*>> prelude_;
  std::size_t codes_ = 0;
  int depth_ = 0;
};

}  // namespace tieline::json::jq
