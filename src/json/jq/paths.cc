// Evaluation that keeps where each output stands: path(…), and the left sides of assignments.
#include <array>

#include "json/jq/machine.h"
#include "json/jq/values.h"

namespace tieline::json::jq {

namespace {

std::string shown(Machine& machine, Node value) {
  std::string json;
  machine.tojson(value, json);
  return json;
}

}  // namespace

bool Machine::fail_result(Node value) { return fail("Invalid path expression with result " + shown(*this, value)); }

Node Machine::path_array(const PathCell* path) {
  const std::size_t length = path == nullptr ? 0 : path->length;
  Node* const keys = nodes(length);
  for (std::size_t i = length; path != nullptr; path = path->before) keys[--i] = path->key;
  return array_in_place(keys, length);
}

bool Machine::path_step(const Placed& at, Node key, Placed& out) {
  if (!at.valid) {
    return fail("Invalid path expression near attempt to access element " + shown(*this, key) + " of " +
                shown(*this, at.value));
  }
  Node value;
  if (!index(at.value, key, value)) return false;
  auto* const cell =
      new (arena_.nodes(sizeof(PathCell))) PathCell{key, at.path, at.path == nullptr ? 1 : at.path->length + 1};
  out = {value, cell, true};
  return true;
}

bool Machine::each_path(const Code* code, Frame* frame, const Placed& in, PathSink& out) {
  if (deep()) return false;
  const FrameMark before = mark();
  const bool well = run_path(code, frame, in, out);
  if (frame_at_ != before.at) release(before);
  return well;
}

bool Machine::run_path(const Code* code, Frame* frame, Placed in, PathSink& out) {
  for (;;) {
    if (--steps_left_ <= 0) return out_of_steps();
    if (arena_.reserved() > limits_.memory_bytes_max) return room(0);
    switch (code->op) {
      case Op::kIdentity: return out.emit(in);
      case Op::kMembers: {
        if (code->a == nullptr) return path_members(code, in, out);
        PathSinkOf sink([&, code](const Placed& at) { return path_members(code, at, out); });
        return each_path(code->a, frame, in, sink);
      }
      case Op::kIndex: return path_index(code, frame, in, out);
      case Op::kSlice: return path_slice(code, frame, in, out);
      case Op::kIterate: return path_iterate(code, frame, in, out);
      case Op::kRecurse: return path_recurse(in, out);
      case Op::kPipe: {
        const Code* const rest = code->b;
        if (code->a->op == Op::kIdentity) {
          code = rest;
          continue;
        }
        PathSinkOf sink([&, rest](const Placed& at) { return each_path(rest, frame, at, out); });
        return each_path(code->a, frame, in, sink);
      }
      case Op::kComma:
        for (const Code* const part : code->parts.first(code->parts.size() - 1)) {
          if (!each_path(part, frame, in, out)) return false;
        }
        code = code->parts.back();
        continue;
      case Op::kIf: {
        if (code->a->single) {
          Node asked;
          const Got got = one(code->a, frame, in.value, asked);
          if (got != Got::kValue) return got == Got::kNothing;
          code = truthy(asked) ? code->b : code->c;
          if (code == nullptr) return out.emit(in);
          continue;
        }
        SinkOf sink([&](Node asked) {
          const Code* const branch = truthy(asked) ? code->b : code->c;
          return branch == nullptr ? out.emit(in) : each_path(branch, frame, in, out);
        });
        return each(code->a, frame, in.value, sink);
      }
      case Op::kSelect: {
        SinkOf sink([&](Node asked) { return !truthy(asked) || out.emit(in); });
        return each(code->a, frame, in.value, sink);
      }
      case Op::kAlternative: return path_alternative(code, frame, in, out);
      case Op::kTry: return path_try(code, frame, in, out);
      case Op::kReduce:
      case Op::kForeach: return path_fold(code, frame, in, out);
      case Op::kBind: {
        bool downstream = false;
        PathSinkOf guarded([&](const Placed& at) {
          downstream = !out.emit(at);
          return !downstream;
        });
        SinkOf sources([&](Node value) {
          return each_binding(code, frame, value, downstream, [&] { return each_path(code->b, frame, in, guarded); });
        });
        return each(code->a, frame, in.value, sources);
      }
      case Op::kLabel: {
        const std::uint64_t label = ++labels_made_;
        frame->slots[code->slot].value = integer(static_cast<std::int64_t>(label));
        if (each_path(code->a, frame, in, out)) return true;
        if (unwind_ != Unwind::kBreak || label_ != label) return false;
        unwind_ = Unwind::kNone;
        return true;
      }
      case Op::kCall: {
        std::array<Node, kParametersMax> values;
        return path_call(code, frame, in, 0, values.data(), out);
      }
      case Op::kParameter: {
        const Closure closure = ancestor(frame, code->up)->slots[code->slot].closure;
        code = closure.code;
        frame = closure.frame;
        continue;
      }
      case Op::kFrame:
        frame = new_frame(frame, code->slot);
        code = code->a;
        continue;
      case Op::kEmpty: return true;
      case Op::kFirst:
      case Op::kLimit:
      case Op::kSkip: return path_limit(code, frame, in, out);
      case Op::kLast: return path_last(code, frame, in, out);
      case Op::kGetPath: return path_get(code, frame, in, out);
      case Op::kError:
      default: {
        SinkOf sink([&](Node value) { return out.emit(Placed{value, nullptr, false}); });
        return each(code, frame, in.value, sink);
      }
    }
  }
}

bool Machine::path_members(const Code* code, const Placed& from, PathSink& out) {
  Placed at = from;
  for (const Node& key : code->keys) {
    if (!path_step(at, key, at)) return forgiven(code) == Got::kNothing;
  }
  return out.emit(at);
}

bool Machine::path_index(const Code* code, Frame* frame, const Placed& in, PathSink& out) {
  SinkOf keys([&](Node key) {
    PathSinkOf values([&](const Placed& at) {
      Placed next;
      return path_step(at, key, next) ? out.emit(next) : forgiven(code) == Got::kNothing;
    });
    return code->a == nullptr ? values.emit(in) : each_path(code->a, frame, in, values);
  });
  return each(code->b, frame, in.value, keys);
}

bool Machine::path_slice(const Code* code, Frame* frame, const Placed& in, PathSink& out) {
  SinkOf froms([&](Node from) {
    SinkOf tos([&](Node to) {
      Member* const ends = members(2);
      new (ends) Member{constant_text("start"), from};
      new (ends + 1) Member{constant_text("end"), to};
      const Node key = object(ends, 2);
      PathSinkOf values([&](const Placed& at) {
        Placed next;
        return path_step(at, key, next) ? out.emit(next) : forgiven(code) == Got::kNothing;
      });
      return code->a == nullptr ? values.emit(in) : each_path(code->a, frame, in, values);
    });
    return code->c == nullptr ? tos.emit(Node{}) : each(code->c, frame, in.value, tos);
  });
  return code->b == nullptr ? froms.emit(Node{}) : each(code->b, frame, in.value, froms);
}

bool Machine::path_children(const Placed& of, PathSink& out) {
  if (!of.valid) {
    return fail("Invalid path expression near attempt to iterate through " + shown(*this, of.value));
  }
  std::size_t at = 0;
  return iterate(of.value, [&](Node element) {
    if (--steps_left_ <= 0) return out_of_steps();
    const Node key = is_array(of.value) ? integer(static_cast<std::int64_t>(at)) : of.value.members[at].key;
    ++at;
    auto* const cell =
        new (arena_.nodes(sizeof(PathCell))) PathCell{key, of.path, of.path == nullptr ? 1 : of.path->length + 1};
    return out.emit(Placed{element, cell, true});
  });
}

bool Machine::path_iterate(const Code* code, Frame* frame, const Placed& in, PathSink& out) {
  const auto all = [&](const Placed& of) {
    if (code->optional && !is_array(of.value) && !is_object(of.value)) return true;
    return path_children(of, out);
  };
  if (code->a == nullptr) return all(in);
  PathSinkOf sink(all);
  return each_path(code->a, frame, in, sink);
}

bool Machine::path_recurse(const Placed& in, PathSink& out) {
  if (deep() || !spend(1) || !out.emit(in)) return false;
  if (!is_array(in.value) && !is_object(in.value)) return true;
  PathSinkOf sink([&](const Placed& child) { return path_recurse(child, out); });
  return path_children(in, sink);
}

bool Machine::path_alternative(const Code* code, Frame* frame, const Placed& in, PathSink& out) {
  bool found = false;
  PathSinkOf sink([&](const Placed& at) {
    if (!truthy(at.value)) return true;
    found = true;
    return out.emit(at);
  });
  return each_path(code->a, frame, in, sink) && (found || each_path(code->b, frame, in, out));
}

bool Machine::path_try(const Code* code, Frame* frame, const Placed& in, PathSink& out) {
  bool downstream = false;
  PathSinkOf sink([&](const Placed& at) {
    downstream = !out.emit(at);
    return !downstream;
  });
  if (each_path(code->a, frame, in, sink)) return true;
  if (downstream || unwind_ != Unwind::kError) return false;
  unwind_ = Unwind::kNone;
  return code->b == nullptr || each_path(code->b, frame, Placed{error_, nullptr, false}, out);
}

bool Machine::path_fold(const Code* code, Frame* frame, const Placed& in, PathSink& out) {
  const bool reduce = code->op == Op::kReduce;
  PathSinkOf starts([&](const Placed& start) {
    Placed state = start;
    const bool downstream = false;
    SinkOf sources([&](Node value) {
      return each_binding(code, frame, value, downstream, [&] {
        const Placed before = state;
        if (reduce) state = Placed{Node{}, nullptr, false};
        PathSinkOf updates([&](const Placed& next) {
          state = next;
          if (reduce) return true;
          return code->d == nullptr ? out.emit(next) : each_path(code->d, frame, next, out);
        });
        return each_path(code->c, frame, before, updates);
      });
    });
    return each(code->a, frame, in.value, sources) && (!reduce || out.emit(state));
  });
  return each_path(code->b, frame, in, starts);
}

bool Machine::path_limit(const Code* code, Frame* frame, const Placed& in, PathSink& out) {
  const auto limited = [&](const Code* of, double left) {
    const std::uint64_t label = ++labels_made_;
    bool enough = false;
    PathSinkOf sink([&](const Placed& at) {
      left -= 1;
      if (!out.emit(at)) return false;
      if (left > 0) return true;
      enough = true;
      unwind_ = Unwind::kBreak;
      label_ = label;
      return false;
    });
    if (left <= 0 || each_path(of, frame, in, sink)) return true;
    if (!enough || unwind_ != Unwind::kBreak || label_ != label) return false;
    unwind_ = Unwind::kNone;
    return true;
  };
  if (code->op == Op::kFirst) return limited(code->a, 1);
  SinkOf counts([&](Node count) {
    if (!is_number(count)) return fail("the count must be a number");
    double left = double_of(count);
    const bool limit = code->op == Op::kLimit;
    if (left < 0) return fail(limit ? "limit doesn't support negative count" : "skip doesn't support negative count");
    if (limit) return limited(code->b, left);
    PathSinkOf sink([&](const Placed& at) { return left-- > 0 || out.emit(at); });
    return each_path(code->b, frame, in, sink);
  });
  return each(code->a, frame, in.value, counts);
}

bool Machine::path_last(const Code* code, Frame* frame, const Placed& in, PathSink& out) {
  bool found = false;
  Placed last;
  PathSinkOf sink([&](const Placed& at) {
    last = at;
    found = true;
    return true;
  });
  return each_path(code->a, frame, in, sink) && (!found || out.emit(last));
}

bool Machine::path_get(const Code* code, Frame* frame, const Placed& in, PathSink& out) {
  SinkOf sink([&](Node path) {
    if (!is_array(path)) return fail("Path must be specified as an array");
    if (path.length > kValueDepthMax) return fail("Path too deep");
    Placed at = in;
    for (const Node& key : elements_of(path)) {
      if (!path_step(at, key, at)) return false;
    }
    return out.emit(at);
  });
  return each(code->a, frame, in.value, sink);
}

bool Machine::path_call(const Code* code, Frame* frame, const Placed& in, std::size_t at, Node* values, PathSink& out) {
  if (at == code->parts.size()) {
    if (!room(0)) return false;
    Frame* const callee = enter_with(code, frame, values);
    return each_path(code->function->body, callee, in, out);
  }
  if (!code->function->value_parameters[at]) return path_call(code, frame, in, at + 1, values, out);
  SinkOf sink([&](Node value) {
    values[at] = value;
    return path_call(code, frame, in, at + 1, values, out);
  });
  return each(code->parts[at], frame, in.value, sink);
}

bool Machine::collect_paths(const Code* code, Frame* frame, Node in, Collector& paths) {
  PathSinkOf sink([&](const Placed& placed) {
    if (!placed.valid) return fail_result(placed.value);
    paths.push(path_array(placed.path));
    return true;
  });
  return each_path(code, frame, Placed{in}, sink);
}

}  // namespace tieline::json::jq
