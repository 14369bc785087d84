// Assignments: `=`, `|=`, `+=` and their kin, and del(…).
#include <array>

#include "json/jq/machine.h"
#include "json/jq/values.h"

namespace tieline::json::jq {
namespace {

constexpr std::size_t kSimpleMax = 16;

}  // namespace

// The keys of a path that is members and single indexes from `.`, innermost last.
bool Machine::simple_keys(const Code* code, Frame* frame, Node in, Node* keys, std::size_t& count, Got& got) {
  if (code->op == Op::kIdentity) return true;
  // Keys of indexes are computed before what they are applied to, as everywhere.
  Node key;
  if (code->op == Op::kIndex) {
    got = one(code->b, frame, in, key);
    if (got != Got::kValue) return false;
  }
  if (code->a != nullptr && !simple_keys(code->a, frame, in, keys, count, got)) return false;
  if (code->op == Op::kMembers) {
    for (const Node& name : code->keys) keys[count++] = name;
  } else {
    keys[count++] = key;
  }
  return true;
}

// `of` with what stands at `path` changed; kNothing when the change gave nothing.
template <class F>
Got Machine::change_at(Node of, std::span<const Node> path, F&& change, Node& out) {
  if (path.empty()) return change(of, out);
  if (deep()) return Got::kFailed;
  Node inner;
  if (!index(of, path.front(), inner)) return Got::kFailed;
  const Got got = change_at(inner, path.subspan(1), change, inner);
  if (got != Got::kValue) return got;
  return set(of, path.front(), inner, out) ? Got::kValue : Got::kFailed;
}

// Runs `change` at every path of code->a; where it gives nothing the path is deleted at the end.
template <class F>
Got Machine::change_all(const Code* paths, Frame* frame, Node in, F&& change, Node& out) {
  Node doomed;
  if (paths->simple_path) {
    std::array<Node, kSimpleMax> keys;
    std::size_t count = 0;
    Got got = Got::kValue;
    if (!simple_keys(paths, frame, in, keys.data(), count, got)) {
      if (got == Got::kNothing) out = in;
      return got == Got::kFailed ? got : Got::kValue;
    }
    got = change_at(in, {keys.data(), count}, change, out);
    if (got != Got::kNothing) return got;
    const Node path = array({keys.data(), count});
    doomed = array({&path, 1});
    return delete_paths(in, doomed, out) ? Got::kValue : Got::kFailed;
  }
  Collector all(arena_), gone(arena_);
  if (!collect_paths(paths, frame, in, all)) return Got::kFailed;
  Node state = in;
  for (std::size_t i = 0; i < all.size(); ++i) {
    const Node path = all.data()[i];
    if (deep_path(path)) return Got::kFailed;
    const Got got = change_at(state, elements_of(path), change, state);
    if (got == Got::kFailed) return got;
    if (got == Got::kNothing) gone.push(path);
  }
  if (gone.size() == 0) {
    out = state;
    return Got::kValue;
  }
  return delete_paths(state, gone.array(), out) ? Got::kValue : Got::kFailed;
}

bool Machine::deep_path(Node path) { return path.length > kValueDepthMax && !fail("Path too deep"); }

Got Machine::one_update(const Code* code, Frame* frame, Node in, Node& out) {
  if (code->op == Op::kUpdate) {
    const auto change = [&](Node before, Node& after) {
      if (code->b->single) return one(code->b, frame, before, after);
      bool found = false;
      const bool well = until_enough(code->b, frame, before, [&](Node value, bool&) {
        after = value;
        found = true;
        return false;
      });
      return !well ? Got::kFailed : found ? Got::kValue : Got::kNothing;
    };
    return change_all(code->a, frame, in, change, out);
  }
  Node by;
  const Got got = one(code->b, frame, in, by);
  if (got != Got::kValue) return got;
  return update_by(code, frame, in, by, out);
}

// `a op= by` with the value of its right side.
Got Machine::update_by(const Code* code, Frame* frame, Node in, Node by, Node& out) {
  const auto change = [&](Node before, Node& after) {
    if (code->op == Op::kDefaultUpdate) {
      after = truthy(before) ? before : by;
      return Got::kValue;
    }
    return binary(code->binary, before, by, after) ? Got::kValue : Got::kFailed;
  };
  return change_all(code->a, frame, in, change, out);
}

Got Machine::assign(const Code* code, Frame* frame, Node in, Node value, Node& out) {
  const auto change = [&](Node, Node& after) {
    after = value;
    return Got::kValue;
  };
  return change_all(code->a, frame, in, change, out);
}

Got Machine::one_assign(const Code* code, Frame* frame, Node in, Node& out) {
  Node value;
  const Got got = one(code->b, frame, in, value);
  if (got != Got::kValue) return got;
  return assign(code, frame, in, value, out);
}

bool Machine::each_assign(const Code* code, Frame* frame, Node in, Sink& out) {
  SinkOf sink([&](Node value) {
    Node result;
    const Got got =
        code->op == Op::kAssign ? assign(code, frame, in, value, result) : update_by(code, frame, in, value, result);
    if (got != Got::kValue) return got == Got::kNothing;
    return out.emit(result);
  });
  return each(code->b, frame, in, sink);
}

Got Machine::one_delete(const Code* code, Frame* frame, Node in, Node& out) {
  Collector paths(arena_);
  if (!collect_paths(code->a, frame, in, paths)) return Got::kFailed;
  return delete_paths(in, paths.array(), out) ? Got::kValue : Got::kFailed;
}

}  // namespace tieline::json::jq
