// What a program is compiled to: a tree whose names are slots and whose functions are resolved; private to src/json.
// It must never change after compilation: any number of runs may read it.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "json/jq/ast.h"

namespace tieline::json::jq {

class Machine;

enum class Op : std::uint8_t {
  kConstant,  // value
  kIdentity,  // .
  kMembers,   // a.key.key…: keys; a null means `.`
  kIndex,     // a[b]
  kSlice,     // a[b:c]; null where left out
  kIterate,   // a[]
  kRecurse,   // ..
  kPipe,      // a | b
  kComma,     // parts
  kNegate,    // -a
  kBinary,    // a op b
  kAlternative,
  kAnd,
  kOr,
  kIf,             // c may be null
  kTry,            // b may be null
  kReduce,         // patterns, a source, b start, c update
  kForeach,        // and d, may be null
  kBind,           // a as patterns | b
  kLabel,          // slot
  kBreak,          // slot, up
  kArray,          // a may be null
  kObject,         // parts: key, value, key, value …; `distinct`: constant keys, all different
  kText,           // parts, each a constant text or a format of something
  kFormat,         // @name of a (null: `.`); slot is the format
  kVariable,       // slot, up
  kParameter,      // calls the closure in slot, up
  kCall,           // function, parts: arguments, up: to the function's surroundings
  kFrame,          // a, in a frame of its own with `slot` slots
  kNative,         // native with the values of parts
  kAssign,         // a = b
  kUpdate,         // a |= b
  kArithUpdate,    // a op= b
  kDefaultUpdate,  // a //= b
  // Functions that take programs.
  kEmpty,
  kError,       // error(a); null: `.`
  kMap,         // map(a)
  kSelect,      // select(a)
  kFirst,       // first(a)
  kLast,        // last(a)
  kLimit,       // limit(a; b)
  kSkip,        // skip(a; b)
  kAny,         // any(a; b)
  kAll,         // all(a; b)
  kIsEmpty,     // isempty(a)
  kRange,       // range(a; b; c); c may be null
  kPath,        // path(a)
  kGetPath,     // getpath(a)
  kDelete,      // del(a)
  kAdd,         // add(a)
  kSortBy,      // by a; `slot` is the Order
  kSubstitute,  // sub(a; b; c); c may be null; `slot` 1: all
};

enum class Order : std::uint8_t { kSort, kGroup, kUnique, kMin, kMax };

enum class Format : std::uint8_t {
  kText,
  kJson,
  kHtml,
  kUri,
  kUrid,
  kCsv,
  kTsv,
  kSh,
  kBase64,
  kBase64d,
  kBase32,
  kBase32d
};

struct Code;

// One step of taking a value apart: slot `to` becomes `from[key]`. Steps stand in an order in which `from` is known.
struct Taking {
  std::uint32_t from = 0;
  std::uint32_t to = 0;
  const Code* key = nullptr;
};

struct PatternCode {
  std::uint32_t root = 0;  // the slot of the whole value
  bool single = true;      // every key gives exactly one value
  std::span<const Taking> steps;
};

using NativeFunction = bool (*)(Machine& machine, Node in, const Node* arguments, Node& out);

struct Native {
  std::string_view name;
  std::uint8_t arity = 0;
  NativeFunction function = nullptr;
  bool stream = false;      // gives an array whose elements are the outputs
  bool left_outer = false;  // of several arguments with several values the first one varies slowest
  bool zone = false;        // its argument is the name of a zone
};

struct Function {
  const Code* body = nullptr;
  std::uint32_t slots = 0;
  bool frame = false;  // needs a frame: has parameters or binds something
  bool single = false;
  bool values = true;  // no parameter is a closure
  bool closures_only = true;
  std::span<const bool> value_parameters;
};

inline constexpr std::uint32_t kNoFrame = 0xFFFF'FFFF;  // `up` of a function of the language itself
inline constexpr std::size_t kParametersMax = 16;
inline constexpr std::size_t kNativeParametersMax = 4;

struct Code {
  Op op = Op::kIdentity;
  BinaryOp binary = BinaryOp::kAdd;
  bool single = false;  // at most one output
  bool distinct = false;
  bool optional = false;      // kMembers, kIndex, kSlice, kIterate: gives nothing where it cannot be applied
  bool accumulating = false;  // kReduce: its update only changes its state, so that may be changed in place
  bool simple_path = false;   // members and single indexes only, from `.`
  std::uint32_t offset = 0;
  std::uint32_t slot = 0;
  std::uint32_t up = 0;
  Node value;
  const Code* a = nullptr;
  const Code* b = nullptr;
  const Code* c = nullptr;
  const Code* d = nullptr;
  std::span<const Code* const> parts;
  std::span<const Node> keys;
  std::span<const PatternCode> patterns;
  std::span<const std::uint32_t> variables;  // of several patterns: all that are bound
  const Function* function = nullptr;
  const Native* native = nullptr;
  std::string_view name;  // kVariable, kParameter, kCall: as written, for people
};

}  // namespace tieline::json::jq
