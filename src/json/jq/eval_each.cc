// Evaluation of what may give many outputs: each goes to a sink, and backtracking is returning.
#include <array>

#include "json/jq/machine.h"
#include "json/jq/regex.h"
#include "json/jq/values.h"

namespace tieline::json::jq {

bool Machine::each(const Code* code, Frame* frame, Node in, Sink& out) {
  if (deep()) return false;
  const FrameMark before = mark();
  const bool well = run_each(code, frame, in, out);
  if (frame_at_ != before.at) release(before);
  return well;
}

bool Machine::run_each(const Code* code, Frame* frame, Node in, Sink& out) {
  FrameMark before = mark();
  for (bool first = true;; first = false) {
    if (--steps_left_ <= 0) [[unlikely]]
      return out_of_steps();
    if (arena_.reserved() > limits_.memory_bytes_max) [[unlikely]]
      return room(0);
    if (code->single && !(first && only_each(code->op))) {
      Node value;
      const Got got = one(code, frame, in, value);
      if (got == Got::kNothing) return true;
      return got == Got::kValue && out.emit(value);
    }
    switch (code->op) {
      case Op::kPipe: {
        if (code->a->single) {
          const Got got = one(code->a, frame, in, in);
          if (got != Got::kValue) return got == Got::kNothing;
          code = code->b;
          continue;
        }
        const Code* const rest = code->b;
        SinkOf sink([&, rest](Node value) { return each(rest, frame, value, out); });
        return each(code->a, frame, in, sink);
      }
      case Op::kComma: {
        for (const Code* const part : code->parts.first(code->parts.size() - 1)) {
          if (!each(part, frame, in, out)) return false;
        }
        code = code->parts.back();
        continue;
      }
      case Op::kIf: {
        if (!code->a->single) return each_if(code, frame, in, out);
        Node asked;
        const Got got = one(code->a, frame, in, asked);
        if (got != Got::kValue) return got == Got::kNothing;
        code = truthy(asked) ? code->b : code->c;
        if (code == nullptr) return out.emit(in);
        continue;
      }
      case Op::kBind: {
        if (!code->a->single || code->patterns.size() != 1 || !code->patterns.front().single) {
          return each_bind(code, frame, in, out);
        }
        Node value;
        const Got got = one(code->a, frame, in, value);
        if (got != Got::kValue) return got == Got::kNothing;
        if (!bound(code, frame, value)) return false;
        code = code->b;
        continue;
      }
      case Op::kCall: {
        bool direct = true;
        for (std::size_t i = 0; i < code->parts.size(); ++i) {
          if (code->function->value_parameters[i] && !code->parts[i]->single) direct = false;
        }
        if (!direct) {
          std::array<Node, kParametersMax> values;
          return each_call(code, frame, in, 0, values.data(), out);
        }
        Frame* callee = nullptr;
        const Got got = enter(code, frame, in, callee);
        if (got != Got::kValue) return got == Got::kNothing;
        if (code->function->frame && code->function->values) callee = reuse(before, callee, code->function->slots);
        frame = callee;
        code = code->function->body;
        continue;
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
      case Op::kIterate: return each_iterate(code, frame, in, out);
      case Op::kRecurse: return each_recurse(in, out);
      case Op::kMembers: {
        SinkOf sink([&, code](Node value) {
          for (const Node& key : code->keys) {
            if (!index(value, key, value)) return forgiven(code) == Got::kNothing;
          }
          return out.emit(value);
        });
        return each(code->a, frame, in, sink);
      }
      case Op::kIndex: return each_index(code, frame, in, out);
      case Op::kSlice: return each_slice(code, frame, in, out);
      case Op::kBinary: return each_binary(code, frame, in, out);
      case Op::kAnd:
      case Op::kOr: return each_logic(code, frame, in, out);
      case Op::kAlternative: return each_alternative(code, frame, in, out);
      case Op::kTry: return each_try(code, frame, in, out);
      case Op::kReduce: return each_reduce(code, frame, in, out);
      case Op::kForeach: return each_foreach(code, frame, in, out);
      case Op::kLabel: return each_label(code, frame, in, out);
      case Op::kObject: return each_object(code, frame, in, 0, members(code->parts.size() / 2), out);
      case Op::kText: return each_text(code, frame, in, code->parts.size(), nodes(code->parts.size()), out);
      case Op::kNative: {
        std::array<Node, kNativeParametersMax> values;
        return each_native(code, frame, in, code->parts.size(), values.data(), out);
      }
      case Op::kLimit:
      case Op::kSkip: return each_limit(code, frame, in, out);
      case Op::kRange: return each_range(code, frame, in, out);
      case Op::kPath: return each_path_of(code, frame, in, out);
      case Op::kAssign:
      case Op::kArithUpdate:
      case Op::kDefaultUpdate: return each_assign(code, frame, in, out);
      case Op::kSubstitute: return each_substitute(code, frame, in, out);
      default: return each_unary(code, frame, in, out);
    }
  }
}

// Ops that one() leaves to each() even where they give one output.
bool Machine::only_each(Op op) {
  return op == Op::kRange || op == Op::kSubstitute || op == Op::kLimit || op == Op::kSkip || op == Op::kPath;
}

// -a, select(a), error(a), @format of a, getpath(a): for each output of a.
bool Machine::each_unary(const Code* code, Frame* frame, Node in, Sink& out) {
  SinkOf sink([&](Node value) {
    Node result = in;
    switch (code->op) {
      case Op::kNegate:
        if (!negate(value, result)) return false;
        break;
      case Op::kSelect:
        if (!truthy(value)) return true;
        break;
      case Op::kError: return fail(value);
      case Op::kFormat:
        if (!formatted(static_cast<Format>(code->slot), value, result)) return false;
        break;
      case Op::kGetPath:
        if (!is_array(value)) return fail("Path must be specified as an array");
        if (!get_path(in, elements_of(value), result)) return false;
        break;
      default: CHECK(false);
    }
    return out.emit(result);
  });
  return each(code->a, frame, in, sink);
}

bool Machine::each_if(const Code* code, Frame* frame, Node in, Sink& out) {
  SinkOf sink([&](Node asked) {
    const Code* const branch = truthy(asked) ? code->b : code->c;
    return branch == nullptr ? out.emit(in) : each(branch, frame, in, out);
  });
  return each(code->a, frame, in, sink);
}

bool Machine::each_iterate(const Code* code, Frame* frame, Node in, Sink& out) {
  const auto all = [&](Node of) {
    if (code->optional && !is_array(of) && !is_object(of)) return true;
    return iterate(of, [&](Node element) { return --steps_left_ > 0 ? out.emit(element) : out_of_steps(); });
  };
  if (code->a == nullptr) return all(in);
  if (code->a->single) {
    const Got got = one(code->a, frame, in, in);
    return got == Got::kValue ? all(in) : got == Got::kNothing;
  }
  SinkOf sink(all);
  return each(code->a, frame, in, sink);
}

bool Machine::each_recurse(Node in, Sink& out) {
  if (deep() || !spend(1) || !out.emit(in)) return false;
  if (!is_array(in) && !is_object(in)) return true;
  return iterate(in, [&](Node element) { return each_recurse(element, out); });
}

bool Machine::each_index(const Code* code, Frame* frame, Node in, Sink& out) {
  SinkOf keys([&](Node key) {
    SinkOf values([&](Node of) {
      Node result;
      return index(of, key, result) ? out.emit(result) : forgiven(code) == Got::kNothing;
    });
    return code->a == nullptr ? values.emit(in) : each(code->a, frame, in, values);
  });
  return each(code->b, frame, in, keys);
}

bool Machine::each_slice(const Code* code, Frame* frame, Node in, Sink& out) {
  SinkOf froms([&](Node from) {
    SinkOf tos([&](Node to) {
      SinkOf values([&](Node of) {
        Node result;
        return slice(of, from, to, result) ? out.emit(result) : forgiven(code) == Got::kNothing;
      });
      return code->a == nullptr ? values.emit(in) : each(code->a, frame, in, values);
    });
    return code->c == nullptr ? tos.emit(Node{}) : each(code->c, frame, in, tos);
  });
  return code->b == nullptr ? froms.emit(Node{}) : each(code->b, frame, in, froms);
}

bool Machine::each_binary(const Code* code, Frame* frame, Node in, Sink& out) {
  SinkOf right([&](Node b) {
    SinkOf left([&](Node a) {
      Node result;
      return binary(code->binary, a, b, result) && out.emit(result);
    });
    return each(code->a, frame, in, left);
  });
  return each(code->b, frame, in, right);
}

bool Machine::each_logic(const Code* code, Frame* frame, Node in, Sink& out) {
  const bool both = code->op == Op::kAnd;
  SinkOf left([&](Node a) {
    if (truthy(a) != both) return out.emit(boolean(!both));
    SinkOf right([&](Node b) { return out.emit(boolean(truthy(b))); });
    return each(code->b, frame, in, right);
  });
  return each(code->a, frame, in, left);
}

bool Machine::each_alternative(const Code* code, Frame* frame, Node in, Sink& out) {
  bool found = false;
  SinkOf sink([&](Node value) {
    if (!truthy(value)) return true;
    found = true;
    return out.emit(value);
  });
  return each(code->a, frame, in, sink) && (found || each(code->b, frame, in, out));
}

bool Machine::each_try(const Code* code, Frame* frame, Node in, Sink& out) {
  bool downstream = false;
  SinkOf sink([&](Node value) {
    if (out.emit(value)) return true;
    downstream = true;
    return false;
  });
  if (each(code->a, frame, in, sink)) return true;
  if (downstream || unwind_ != Unwind::kError) return false;
  unwind_ = Unwind::kNone;
  return code->b == nullptr || each(code->b, frame, error_, out);
}

bool Machine::each_reduce(const Code* code, Frame* frame, Node in, Sink& out) {
  SinkOf sink([&](Node state) { return reduce_from(code, frame, in, state) && out.emit(state); });
  return each(code->b, frame, in, sink);
}

bool Machine::each_foreach(const Code* code, Frame* frame, Node in, Sink& out) {
  SinkOf starts([&](Node state) {
    bool downstream = false;
    SinkOf updates([&](Node next) {
      state = next;
      if (code->d == nullptr) {
        downstream = !out.emit(next);
        return !downstream;
      }
      SinkOf extracts([&](Node value) {
        downstream = !out.emit(value);
        return !downstream;
      });
      return each(code->d, frame, next, extracts);
    });
    SinkOf sources([&](Node value) {
      return each_binding(code, frame, value, downstream, [&] { return each(code->c, frame, state, updates); });
    });
    return each(code->a, frame, in, sources);
  });
  return each(code->b, frame, in, starts);
}

bool Machine::each_bind(const Code* code, Frame* frame, Node in, Sink& out) {
  bool downstream = false;
  SinkOf guarded([&](Node value) {
    downstream = !out.emit(value);
    return !downstream;
  });
  Sink& into = code->patterns.size() == 1 ? out : static_cast<Sink&>(guarded);
  SinkOf sources([&](Node value) {
    return each_binding(code, frame, value, downstream, [&] { return each(code->b, frame, in, into); });
  });
  return each(code->a, frame, in, sources);
}

bool Machine::each_label(const Code* code, Frame* frame, Node in, Sink& out) {
  const std::uint64_t label = ++labels_made_;
  frame->slots[code->slot].value = integer(static_cast<std::int64_t>(label));
  if (each(code->a, frame, in, out)) return true;
  if (unwind_ != Unwind::kBreak || label_ != label) return false;
  unwind_ = Unwind::kNone;
  return true;
}

bool Machine::each_object(const Code* code, Frame* frame, Node in, std::size_t at, Member* made, Sink& out) {
  const std::size_t count = code->parts.size() / 2;
  if (at == count) return out.emit(object_copy({made, count}));
  SinkOf keys([&](Node key) {
    if (!is_string(key)) return fail_key(key);
    SinkOf values([&](Node value) {
      new (made + at) Member{key, value};
      return each_object(code, frame, in, at + 1, made, out);
    });
    return each(code->parts[2 * at + 1], frame, in, values);
  });
  return each(code->parts[2 * at], frame, in, keys);
}

// `left` parts are still to come; the last one varies slowest.
bool Machine::each_text(const Code* code, Frame* frame, Node in, std::size_t left, Node* texts, Sink& out) {
  if (left == 0) {
    std::size_t size = 0;
    for (std::size_t i = 0; i < code->parts.size(); ++i) size += texts[i].length;
    return room(size) && out.emit(joined(texts, code->parts.size(), size));
  }
  SinkOf sink([&](Node part) {
    texts[left - 1] = part;
    return each_text(code, frame, in, left - 1, texts, out);
  });
  return each(code->parts[left - 1], frame, in, sink);
}

bool Machine::each_native(const Code* code, Frame* frame, Node in, std::size_t left, Node* values, Sink& out) {
  if (left == 0) {
    Node result;
    return code->native->function(*this, in, values, result) && out.emit(result);
  }
  const std::size_t at = code->native->left_outer ? code->parts.size() - left : left - 1;
  SinkOf sink([&](Node value) {
    values[at] = value;
    return each_native(code, frame, in, left - 1, values, out);
  });
  return each(code->parts[at], frame, in, sink);
}

bool Machine::each_call(const Code* code, Frame* frame, Node in, std::size_t at, Node* values, Sink& out) {
  if (at == code->parts.size()) {
    if (!room(0)) return false;
    Frame* const callee = enter_with(code, frame, values);
    return each(code->function->body, callee, in, out);
  }
  if (!code->function->value_parameters[at]) return each_call(code, frame, in, at + 1, values, out);
  SinkOf sink([&](Node value) {
    values[at] = value;
    return each_call(code, frame, in, at + 1, values, out);
  });
  return each(code->parts[at], frame, in, sink);
}

bool Machine::each_limit(const Code* code, Frame* frame, Node in, Sink& out) {
  const bool limit = code->op == Op::kLimit;
  SinkOf counts([&](Node count) {
    if (!is_number(count)) {
      return fail(limit ? "limit count must be a number" : "skip count must be a number");
    }
    double left = double_of(count);
    if (left < 0) return fail(limit ? "limit doesn't support negative count" : "skip doesn't support negative count");
    if (!limit) {
      SinkOf sink([&](Node value) {
        if (left > 0) {
          left -= 1;
          return true;
        }
        return out.emit(value);
      });
      return each(code->b, frame, in, sink);
    }
    if (left <= 0) return true;
    return until_enough(code->b, frame, in, [&](Node value, bool& well) {
      left -= 1;
      well = out.emit(value);
      return well && left > 0;
    });
  });
  return each(code->a, frame, in, counts);
}

bool Machine::each_range(const Code* code, Frame* frame, Node in, Sink& out) {
  SinkOf froms([&](Node from) {
    SinkOf tos([&](Node to) {
      if (code->c == nullptr) return range(from, to, integer(1), out);
      SinkOf steps([&](Node by) { return range(from, to, by, out); });
      return each(code->c, frame, in, steps);
    });
    return each(code->b, frame, in, tos);
  });
  return each(code->a, frame, in, froms);
}

bool Machine::range(Node from, Node to, Node by, Sink& out) {
  if (!is_number(from) || !is_number(to) || !is_number(by)) return fail("Range bounds must be numeric");
  const Number a = number_of(from), b = number_of(to), step = number_of(by);
  if (step.real == 0) return true;
  if (a.whole && b.whole && step.whole) {
    std::int64_t at = a.integer;
    while (step.integer > 0 ? at < b.integer : at > b.integer) {
      if (--steps_left_ <= 0) return out_of_steps();
      if (!out.emit(integer(at))) return false;
      if (__builtin_add_overflow(at, step.integer, &at)) return true;
    }
    return true;
  }
  for (double at = a.real; step.real > 0 ? at < b.real : at > b.real; at += step.real) {
    if (--steps_left_ <= 0) return out_of_steps();
    if (!out.emit(real(at))) return false;
  }
  return true;
}

bool Machine::each_path_of(const Code* code, Frame* frame, Node in, Sink& out) {
  PathSinkOf sink([&](const Placed& placed) {
    if (!placed.valid) return fail_result(placed.value);
    return out.emit(path_array(placed.path));
  });
  return each_path(code->a, frame, Placed{in}, sink);
}

}  // namespace tieline::json::jq
