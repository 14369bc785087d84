// The syntax tree of a program, as the parser leaves it: names are still names; private to src/json.
// A tree must never outlive the arena and the source text that it points into.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "json/node.h"

namespace tieline::json::jq {

enum class AstKind : std::uint8_t {
  kConstant,     // value
  kIdentity,     // .
  kRecurse,      // ..
  kMember,       // a.name (value: the key); a null means `.`
  kIndex,        // a[b]
  kSlice,        // a[b:c], either may be null
  kIterate,      // a[]
  kPipe,         // a | b
  kComma,        // a, b
  kNegate,       // -a
  kBinary,       // a op b
  kAlternative,  // a // b
  kAnd,
  kOr,
  kAssign,         // a = b
  kUpdate,         // a |= b
  kArithUpdate,    // a op= b
  kDefaultUpdate,  // a //= b
  kIf,             // if a then b else c; c may be null
  kTry,            // try a catch b; b may be null
  kReduce,         // reduce a as patterns (b; c)
  kForeach,        // foreach a as patterns (b; c; d); d may be null
  kBind,           // a as patterns | b
  kLabel,          // label $name | a
  kBreak,          // break $name
  kDefine,         // def …; a
  kArray,          // [a]; a may be null
  kObject,         // {…}
  kText,           // "…\(…)…": parts; name is the format, without @
  kFormat,         // @name
  kVariable,       // $name
  kLocation,       // $__loc__
  kCall,           // name(parts…)
};

enum class BinaryOp : std::uint8_t {
  kAdd,
  kSubtract,
  kMultiply,
  kDivide,
  kModulo,
  kEqual,
  kNotEqual,
  kLess,
  kLessEqual,
  kGreater,
  kGreaterEqual
};

struct Ast;

struct Pattern {
  enum class Kind : std::uint8_t { kVariable, kArray, kObject };
  struct Entry {
    std::string_view variable;  // `$name` or `$name: pattern`: bound, and the key
    std::uint32_t offset = 0;
    const Ast* key = nullptr;        // else
    const Pattern* value = nullptr;  // null for `$name` alone
  };
  Kind kind = Kind::kVariable;
  std::uint32_t offset = 0;
  std::string_view name;
  std::span<const Pattern* const> elements;
  std::span<const Entry> entries;
};

struct ObjectEntry {
  const Ast* key = nullptr;
  const Ast* value = nullptr;
};

struct Parameter {
  std::string_view name;
  bool value = false;  // `$name`
};

struct Definition {
  std::string_view name;
  std::uint32_t offset = 0;
  std::span<const Parameter> parameters;
  const Ast* body = nullptr;
};

struct Ast {
  AstKind kind = AstKind::kIdentity;
  BinaryOp op = BinaryOp::kAdd;
  bool optional = false;  // kMember, kIndex, kSlice, kIterate with a `?`: gives nothing where it cannot be applied
  bool binds = false;     // it, or something below it outside a definition, needs a slot
  std::uint32_t offset = 0;
  Node value;
  std::string_view name;
  const Ast* a = nullptr;
  const Ast* b = nullptr;
  const Ast* c = nullptr;
  const Ast* d = nullptr;
  std::span<const Ast* const> parts;
  std::span<const Pattern* const> patterns;
  std::span<const ObjectEntry> entries;
  const Definition* definition = nullptr;
};

}  // namespace tieline::json::jq
