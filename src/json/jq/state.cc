#include "json/jq/state.h"

#include <algorithm>

namespace tieline::json::jq {
namespace {

// True if the code never looks at its input; in doubt it does.
bool blind(const Code* c) {
  const auto all = [](const Code* of) { return of == nullptr || blind(of); };
  switch (c->op) {
    case Op::kConstant:
    case Op::kVariable: return true;
    case Op::kPipe: return blind(c->a);
    case Op::kMembers:
    case Op::kIterate: return c->a != nullptr && blind(c->a);
    case Op::kIndex:
    case Op::kSlice: return c->a != nullptr && blind(c->a) && all(c->b) && all(c->c);
    case Op::kArray: return all(c->a);
    case Op::kFormat: return c->a != nullptr && blind(c->a);
    case Op::kNegate:
    case Op::kBinary:
    case Op::kAlternative:
    case Op::kAnd:
    case Op::kOr: return all(c->a) && all(c->b);
    case Op::kIf: return blind(c->a) && blind(c->b) && c->c != nullptr && blind(c->c);
    case Op::kObject:
    case Op::kText:
    case Op::kComma: return std::all_of(c->parts.begin(), c->parts.end(), [](const Code* of) { return blind(of); });
    default: return false;
  }
}
bool blind_path(const Code* c) {
  if (c->op == Op::kIdentity) return true;
  if (c->op == Op::kIndex && !blind(c->b)) return false;
  return c->a == nullptr || blind_path(c->a);
}

// True if the code, where it does not fail, gives exactly one output.
bool gives(const Code* c) {
  switch (c->op) {
    case Op::kConstant:
    case Op::kIdentity:
    case Op::kVariable:
    case Op::kArray: return true;
    case Op::kMembers: return !c->optional && (c->a == nullptr || gives(c->a));
    case Op::kBinary:
    case Op::kPipe:
    case Op::kAlternative: return gives(c->a) && gives(c->b);
    case Op::kNative:
    case Op::kObject:
    case Op::kText: return std::all_of(c->parts.begin(), c->parts.end(), [](const Code* of) { return gives(of); });
    default: return false;
  }
}

}  // namespace

bool accumulates(const Code* c) {
  if (!c->single) return false;
  switch (c->op) {
    case Op::kIdentity: return true;
    case Op::kPipe: return accumulates(c->a) && accumulates(c->b);
    case Op::kIf: return accumulates(c->b) && (c->c == nullptr || accumulates(c->c));
    case Op::kBind: return blind(c->a) && accumulates(c->b);
    case Op::kBinary: return c->binary == BinaryOp::kAdd && c->a->op == Op::kIdentity && blind(c->b);
    case Op::kAssign:
    case Op::kArithUpdate:
    case Op::kDefaultUpdate: return c->a->simple_path && blind_path(c->a) && blind(c->b);
    case Op::kUpdate: return c->a->simple_path && blind_path(c->a) && c->b->single && gives(c->b);
    default: return false;
  }
}

}  // namespace tieline::json::jq
