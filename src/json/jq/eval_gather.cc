// Evaluation of what makes one value of many: collecting, reducing, searching, adding up, sorting.
#include <string>

#include "json/jq/machine.h"
#include "json/jq/values.h"

namespace tieline::json::jq {

// What `[code]` gives.
bool Machine::collect(const Code* code, Frame* frame, Node in, Node& out) {
  if (code == nullptr) {
    out = array_in_place(nullptr, 0);
    return true;
  }
  if (code->single) {
    Node value;
    const Got got = one(code, frame, in, value);
    if (got == Got::kFailed) return false;
    if (got == Got::kNothing) {
      out = array_in_place(nullptr, 0);
      return true;
    }
    Node* const place = nodes(1);
    *place = value;
    out = array_in_place(place, 1);
    return true;
  }
  Collector items(arena_);
  SinkOf sink([&](Node value) {
    items.push(value);
    return true;
  });
  if (!each(code, frame, in, sink)) return false;
  out = items.array();
  return true;
}

Got Machine::one_map(const Code* code, Frame* frame, Node in, Node& out) {
  Collector items(arena_);
  const Code* const body = code->a;
  SinkOf sink([&](Node value) {
    items.push(value);
    return true;
  });
  const bool well = iterate(in, [&](Node element) {
    if (!body->single) return each(body, frame, element, sink);
    Node value;
    const Got got = one(body, frame, element, value);
    if (got == Got::kValue) items.push(value);
    return got != Got::kFailed;
  });
  if (!well) return Got::kFailed;
  out = items.array();
  return Got::kValue;
}

// From the state, through every value of the source.
bool Machine::reduce_from(const Code* code, Frame* frame, Node in, Node& state) {
  const bool downstream = false;
  std::uint64_t owner = ++labels_made_;
  SinkOf sink([&](Node value) {
    return each_binding(code, frame, value, downstream, [&] {
      if (code->accumulating) {
        const Got got = accumulate(code->c, frame, owner, state);
        if (got == Got::kNothing) state = Node{};
        return got != Got::kFailed;
      }
      const Node before = state;
      if (code->c->single) {
        const Got got = one(code->c, frame, before, state);
        if (got == Got::kNothing) state = Node{};
        return got != Got::kFailed;
      }
      state = Node{};
      SinkOf last([&](Node next) {
        state = next;
        return true;
      });
      return each(code->c, frame, before, last);
    });
  });
  if (!each(code->a, frame, in, sink)) return false;
  return !code->accumulating || settle(state);
}

Got Machine::one_reduce(const Code* code, Frame* frame, Node in, Node& out) {
  Node state;
  const Got got = one(code->b, frame, in, state);
  if (got != Got::kValue) return got;
  if (!reduce_from(code, frame, in, state)) return Got::kFailed;
  out = state;
  return Got::kValue;
}

Got Machine::one_first(const Code* code, Frame* frame, Node in, Node& out) {
  if (code->a->single) return one(code->a, frame, in, out);
  bool found = false;
  const bool well = until_enough(code->a, frame, in, [&](Node value, bool&) {
    out = value;
    found = true;
    return false;
  });
  return !well ? Got::kFailed : found ? Got::kValue : Got::kNothing;
}

Got Machine::one_last(const Code* code, Frame* frame, Node in, Node& out) {
  bool found = false;
  SinkOf sink([&](Node value) {
    out = value;
    found = true;
    return true;
  });
  if (!each(code->a, frame, in, sink)) return Got::kFailed;
  return found ? Got::kValue : Got::kNothing;
}

Got Machine::one_is_empty(const Code* code, Frame* frame, Node in, Node& out) {
  Node ignored;
  const Got got = code->a->single ? one(code->a, frame, in, ignored) : one_first(code, frame, in, ignored);
  out = boolean(got == Got::kNothing);
  return got == Got::kFailed ? got : Got::kValue;
}

// any(a; b), all(a; b); a null means `.[]`.
Got Machine::one_any(const Code* code, Frame* frame, Node in, Node& out) {
  const bool any = code->op == Op::kAny;
  bool decided = false;
  const auto look = [&](Node value, bool& well) {
    if (code->b->single) {
      Node asked;
      const Got got = one(code->b, frame, value, asked);
      well = got != Got::kFailed;
      if (got == Got::kValue && truthy(asked) == any) decided = true;
    } else {
      well = until_enough(code->b, frame, value, [&](Node asked, bool&) {
        if (truthy(asked) == any) decided = true;
        return !decided;
      });
    }
    return well && !decided;
  };
  bool well = true;
  if (code->a != nullptr) {
    well = until_enough(code->a, frame, in, look);
  } else {
    const bool all_seen = iterate(in, [&](Node element) { return look(element, well); });
    well = well && (all_seen || decided);
  }
  if (!well) return Got::kFailed;
  out = boolean(decided == any);
  return Got::kValue;
}

Got Machine::one_add(const Code* code, Frame* frame, Node in, Node& out) {
  Node sum;
  std::string texts;  // of strings only, so that adding many is one copy
  bool joining = false;
  const std::uint64_t owner = ++labels_made_;  // nothing sees the sum before it is whole
  const auto put = [&](Node value) {
    if (joining && is_string(value)) {
      texts += value.view();
      return texts.size() < (1u << 20) || room(texts.size());
    }
    if (!joining && is_string(value) && is_string(sum)) {
      joining = true;
      texts = sum.view();
      texts += value.view();
      return true;
    }
    if (joining) {
      sum = text(texts);
      joining = false;
    }
    return add_to(sum, value, owner);
  };
  bool well = false;
  if (code->a == nullptr) {
    well = iterate(in, put);
  } else {
    SinkOf sink(put);
    well = each(code->a, frame, in, sink);
  }
  if (!well) return Got::kFailed;
  if (!joining && !settle(sum)) return Got::kFailed;
  out = joining ? text(texts) : sum;
  return Got::kValue;
}

Got Machine::one_sort_by(const Code* code, Frame* frame, Node in, Node& out) {
  const auto how = static_cast<Order>(code->slot);
  if (!is_array(in)) {
    const bool grouped = how == Order::kGroup || how == Order::kUnique;
    return fail_type(in,
                     grouped ? "cannot be grouped, as it is not an array" : "cannot be sorted, as it is not an array")
               ? Got::kValue
               : Got::kFailed;
  }
  if (code->a == nullptr) return order_by(how, in, elements_of(in), out) ? Got::kValue : Got::kFailed;
  Node* const keys = nodes(in.length);
  for (std::size_t i = 0; i < in.length; ++i) {
    if (!collect(code->a, frame, in.elements[i], keys[i])) return Got::kFailed;
  }
  return order_by(how, in, {keys, in.length}, out) ? Got::kValue : Got::kFailed;
}

}  // namespace tieline::json::jq
