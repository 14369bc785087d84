// Evaluation of what gives at most one output: no sinks, no backtracking; most of every mapping runs here.
#include <array>

#include "json/jq/machine.h"
#include "json/jq/regex.h"
#include "json/jq/values.h"

namespace tieline::json::jq {

Got Machine::one(const Code* code, Frame* frame, Node in, Node& out) {
  if (deep()) return Got::kFailed;
  const FrameMark before = mark();
  const Got got = run_one(code, frame, in, out);
  if (frame_at_ != before.at) release(before);
  return got;
}

Frame* Machine::enter_with(const Code* code, Frame* frame, const Node* values) {
  const Function& f = *code->function;
  Frame* const parent = code->up == kNoFrame ? nullptr : ancestor(frame, code->up);
  if (!f.frame) return parent;
  Frame* const callee = new_frame(parent, f.slots);
  for (std::size_t i = 0; i < code->parts.size(); ++i) {
    const Code* const argument = code->parts[i];
    if (f.value_parameters[i]) {
      callee->slots[i].value = values[i];
    } else if (argument->op == Op::kParameter) {  // handed on
      callee->slots[i].closure = ancestor(frame, argument->up)->slots[argument->slot].closure;
    } else {
      callee->slots[i].closure = {argument, frame};
    }
  }
  return callee;
}

Got Machine::enter(const Code* code, Frame* frame, Node in, Frame*& callee) {
  const Function& f = *code->function;
  std::array<Node, 16> values;
  const std::size_t count = code->parts.size();
  CHECK(count <= values.size());  // the compiler refuses more
  if (!f.closures_only) {
    for (std::size_t i = 0; i < count; ++i) {
      if (!f.value_parameters[i]) continue;
      const Got got = one(code->parts[i], frame, in, values[i]);
      if (got != Got::kValue) return got;
    }
  }
  if (f.frame && arena_.reserved() + frame_bytes_ > limits_.memory_bytes_max) {
    room(0);
    return Got::kFailed;
  }
  callee = enter_with(code, frame, values.data());
  return Got::kValue;
}

Got Machine::run_one(const Code* code, Frame* frame, Node in, Node& out) {
  FrameMark before = mark();
  for (;;) {
    if (--steps_left_ <= 0) [[unlikely]] {
      out_of_steps();
      return Got::kFailed;
    }
    switch (code->op) {
      case Op::kConstant: out = code->value; return Got::kValue;
      case Op::kIdentity: out = in; return Got::kValue;
      case Op::kMembers: return one_members(code, frame, in, out);
      case Op::kVariable: out = ancestor(frame, code->up)->slots[code->slot].value; return Got::kValue;
      case Op::kPipe: {
        const Got got = one(code->a, frame, in, in);
        if (got != Got::kValue) return got;
        code = code->b;
        continue;
      }
      case Op::kIf: {
        Node asked;
        const Got got = one(code->a, frame, in, asked);
        if (got != Got::kValue) return got;
        code = truthy(asked) ? code->b : code->c;
        if (code != nullptr) continue;
        out = in;
        return Got::kValue;
      }
      case Op::kAlternative: {
        Node value;
        const Got got = one(code->a, frame, in, value);
        if (got == Got::kValue && truthy(value)) {
          out = value;
          return Got::kValue;
        }
        if (got == Got::kFailed) return got;
        code = code->b;
        continue;
      }
      case Op::kAnd:
      case Op::kOr: {
        Node value;
        Got got = one(code->a, frame, in, value);
        if (got != Got::kValue) return got;
        if (truthy(value) == (code->op == Op::kAnd)) {
          got = one(code->b, frame, in, value);
          if (got != Got::kValue) return got;
        }
        out = boolean(truthy(value));
        return Got::kValue;
      }
      case Op::kTry: {
        const Got got = one(code->a, frame, in, out);
        if (got != Got::kFailed || unwind_ != Unwind::kError) return got;
        unwind_ = Unwind::kNone;
        if (code->b == nullptr) return Got::kNothing;
        in = error_;
        code = code->b;
        continue;
      }
      case Op::kBind: {
        Node value;
        const Got got = one(code->a, frame, in, value);
        if (got != Got::kValue) return got;
        if (!bound(code, frame, value)) return Got::kFailed;
        code = code->b;
        continue;
      }
      case Op::kCall: {
        Frame* callee = nullptr;
        const Got got = enter(code, frame, in, callee);
        if (got != Got::kValue) return got;
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
      case Op::kNegate: {
        Node value;
        const Got got = one(code->a, frame, in, value);
        if (got != Got::kValue) return got;
        return negate(value, out) ? Got::kValue : Got::kFailed;
      }
      case Op::kSelect: {
        Node asked;
        const Got got = one(code->a, frame, in, asked);
        if (got != Got::kValue) return got;
        out = in;
        return truthy(asked) ? Got::kValue : Got::kNothing;
      }
      case Op::kLabel: {
        frame->slots[code->slot].value = integer(static_cast<std::int64_t>(++labels_made_));
        const std::uint64_t label = labels_made_;
        const Got got = one(code->a, frame, in, out);
        if (got != Got::kFailed || unwind_ != Unwind::kBreak || label_ != label) return got;
        unwind_ = Unwind::kNone;
        return Got::kNothing;
      }
      case Op::kBreak:
        unwind_ = Unwind::kBreak;
        label_ = static_cast<std::uint64_t>(ancestor(frame, code->up)->slots[code->slot].value.integer);
        return Got::kFailed;
      case Op::kEmpty: return Got::kNothing;
      case Op::kIndex: return one_index(code, frame, in, out);
      case Op::kSlice: return one_slice(code, frame, in, out);
      case Op::kBinary: return one_binary(code, frame, in, out);
      case Op::kObject: return one_object(code, frame, in, out);
      case Op::kArray: return collect(code->a, frame, in, out) ? Got::kValue : Got::kFailed;
      case Op::kText: return one_text(code, frame, in, out);
      case Op::kFormat: return one_format(code, frame, in, out);
      case Op::kNative: return one_native(code, frame, in, out);
      case Op::kReduce: return one_reduce(code, frame, in, out);
      case Op::kFirst: return one_first(code, frame, in, out);
      case Op::kLast: return one_last(code, frame, in, out);
      case Op::kAny:
      case Op::kAll: return one_any(code, frame, in, out);
      case Op::kIsEmpty: return one_is_empty(code, frame, in, out);
      case Op::kMap: return one_map(code, frame, in, out);
      case Op::kDelete: return one_delete(code, frame, in, out);
      case Op::kAdd: return one_add(code, frame, in, out);
      case Op::kSortBy: return one_sort_by(code, frame, in, out);
      case Op::kError: return one_error(code, frame, in);
      case Op::kAssign: return one_assign(code, frame, in, out);
      case Op::kUpdate:
      case Op::kArithUpdate:
      case Op::kDefaultUpdate: return one_update(code, frame, in, out);
      case Op::kGetPath: return one_get_path(code, frame, in, out);
      default: return one_by_each(code, frame, in, out);
    }
  }
}

// The caller's frame is of no more use where nothing of the callee points into it: the callee takes its place.
Frame* Machine::reuse(FrameMark& before, Frame* callee, std::uint32_t slots) {
  if (before.chunk != frame_chunk_) {  // the next callees take the place of this one
    before = {frame_chunk_, reinterpret_cast<char*>(callee)};
    return callee;
  }
  const auto at = reinterpret_cast<std::uintptr_t>(callee);
  const auto low = reinterpret_cast<std::uintptr_t>(before.at);
  // Only where the surroundings are older than this evaluation.
  if (at <= low) return callee;
  const auto parent = reinterpret_cast<std::uintptr_t>(callee->parent);
  if (parent >= low && parent < reinterpret_cast<std::uintptr_t>(frame_end_)) return callee;
  std::memmove(static_cast<void*>(before.at), callee, sizeof(Frame*) + slots * sizeof(Slot));
  frame_at_ = before.at + (frame_at_ - reinterpret_cast<char*>(callee));
  return reinterpret_cast<Frame*>(before.at);
}

// What an access that failed gives: nothing where it is optional.
Got Machine::forgiven(const Code* code) {
  if (!code->optional || unwind_ != Unwind::kError) return Got::kFailed;
  unwind_ = Unwind::kNone;
  return Got::kNothing;
}

Got Machine::one_members(const Code* code, Frame* frame, Node in, Node& out) {
  if (code->a != nullptr) {
    const Got got = one(code->a, frame, in, in);
    if (got != Got::kValue) return got;
  }
  for (const Node& key : code->keys) {
    if (is_object(in)) [[likely]] {
      const Member* const found = find_member(in, key.view());
      in = found != nullptr ? found->value : Node{};
    } else if (in.kind != Kind::kNull) {
      index(in, key, in);
      return forgiven(code);
    }
  }
  out = in;
  return Got::kValue;
}

Got Machine::one_index(const Code* code, Frame* frame, Node in, Node& out) {
  Node key, of = in;
  Got got = one(code->b, frame, in, key);
  if (got != Got::kValue) return got;
  if (code->a != nullptr) {
    got = one(code->a, frame, in, of);
    if (got != Got::kValue) return got;
  }
  return index(of, key, out) ? Got::kValue : forgiven(code);
}

Got Machine::one_slice(const Code* code, Frame* frame, Node in, Node& out) {
  Node from, to, of = in;
  Got got = Got::kValue;
  if (code->b != nullptr) got = one(code->b, frame, in, from);
  if (got == Got::kValue && code->c != nullptr) got = one(code->c, frame, in, to);
  if (got == Got::kValue && code->a != nullptr) got = one(code->a, frame, in, of);
  if (got != Got::kValue) return got;
  return slice(of, from, to, out) ? Got::kValue : forgiven(code);
}

Got Machine::one_binary(const Code* code, Frame* frame, Node in, Node& out) {
  Node a, b;
  Got got = one(code->b, frame, in, b);
  if (got != Got::kValue) return got;
  got = one(code->a, frame, in, a);
  if (got != Got::kValue) return got;
  return binary(code->binary, a, b, out) ? Got::kValue : Got::kFailed;
}

Got Machine::one_object(const Code* code, Frame* frame, Node in, Node& out) {
  const std::size_t count = code->parts.size() / 2;
  Member* const made = members(count);
  for (std::size_t i = 0; i < count; ++i) {
    const Code* const key_code = code->parts[2 * i];
    const Code* const value_code = code->parts[2 * i + 1];
    Node key, value;
    if (key_code->op == Op::kConstant) {
      key = key_code->value;
    } else {
      const Got got = one(key_code, frame, in, key);
      if (got != Got::kValue) return got;
    }
    if (!is_string(key)) return fail_key(key) ? Got::kValue : Got::kFailed;
    const Got got = one(value_code, frame, in, value);
    if (got != Got::kValue) return got;
    new (made + i) Member{key, value};
  }
  if (code->distinct && count <= kIndexAbove) [[likely]] {
    out = Node{.kind = Kind::kObject, .flags = Node::kRun, .length = static_cast<std::uint32_t>(count)};
    out.members = made;
  } else {
    out = object(made, count);
  }
  return Got::kValue;
}

bool Machine::fail_key(Node key) {
  std::string message = "Cannot use ";
  message += kind_name(key.kind);
  message += " (";
  if (!quote(key, 29, message)) return false;
  return fail(message + ") as object key");
}

Got Machine::one_text(const Code* code, Frame* frame, Node in, Node& out) {
  std::array<Node, 24> few;
  const std::size_t count = code->parts.size();
  Node* const texts = count <= few.size() ? few.data() : nodes(count);
  std::size_t size = 0;
  for (std::size_t i = count; i-- > 0;) {  // the last one first, as all operators do
    const Got got = one(code->parts[i], frame, in, texts[i]);
    if (got != Got::kValue) return got;
    size += texts[i].length;
  }
  if (!room(size)) return Got::kFailed;
  out = joined(texts, count, size);
  return Got::kValue;
}

Node Machine::joined(const Node* texts, std::size_t count, std::size_t size) {
  char* const to = arena_.bytes(size);
  char* at = to;
  for (std::size_t i = 0; i < count; ++i) {
    if (texts[i].length != 0) std::memcpy(at, texts[i].text, texts[i].length);
    at += texts[i].length;
  }
  return text_in_place(to, size);
}

Got Machine::one_format(const Code* code, Frame* frame, Node in, Node& out) {
  Node value = in;
  if (code->a != nullptr) {
    const Got got = one(code->a, frame, in, value);
    if (got != Got::kValue) return got;
  }
  return formatted(static_cast<Format>(code->slot), value, out) ? Got::kValue : Got::kFailed;
}

bool Machine::formatted(Format how, Node value, Node& out) {
  if (how == Format::kText) return tostring(value, out);
  std::string written;
  if (!format(how, value, written)) return false;
  out = text(written);
  return true;
}

Got Machine::one_native(const Code* code, Frame* frame, Node in, Node& out) {
  std::array<Node, 4> values;
  for (std::size_t i = code->parts.size(); i-- > 0;) {
    const Got got = one(code->parts[i], frame, in, values[i]);
    if (got != Got::kValue) return got;
  }
  return code->native->function(*this, in, values.data(), out) ? Got::kValue : Got::kFailed;
}

bool Machine::bound(const Code* code, Frame* frame, Node value) {
  const PatternCode& pattern = code->patterns.front();
  frame->slots[pattern.root].value = value;
  for (const Taking& step : pattern.steps) {
    const Node from = frame->slots[step.from].value;
    Node key;
    // Of single patterns the keys are constants or give one value.
    const Got got = one(step.key, frame, from, key);
    if (got == Got::kFailed) return false;
    if (got == Got::kNothing) return fail("a key of a pattern gave no value");
    if (!index(from, key, frame->slots[step.to].value)) return false;
  }
  return true;
}

Got Machine::one_error(const Code* code, Frame* frame, Node in) {
  if (code->a != nullptr) {
    const Got got = one(code->a, frame, in, in);
    if (got != Got::kValue) return got;
  }
  fail(in);
  return Got::kFailed;
}

Got Machine::one_get_path(const Code* code, Frame* frame, Node in, Node& out) {
  Node path;
  const Got got = one(code->a, frame, in, path);
  if (got != Got::kValue) return got;
  if (!is_array(path)) {
    fail("Path must be specified as an array");
    return Got::kFailed;
  }
  return get_path(in, elements_of(path), out) ? Got::kValue : Got::kFailed;
}

// Of single code that only each() knows.
Got Machine::one_by_each(const Code* code, Frame* frame, Node in, Node& out) {
  bool found = false;
  SinkOf sink([&](Node value) {
    out = value;
    found = true;
    return true;
  });
  if (!run_each(code, frame, in, sink)) return Got::kFailed;
  return found ? Got::kValue : Got::kNothing;
}

}  // namespace tieline::json::jq
