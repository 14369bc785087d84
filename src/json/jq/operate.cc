// Comparing, sorting and computing: jq's order of values, and its operators.
#include <algorithm>
#include <cmath>
#include <limits>

#include "json/jq/machine.h"
#include "json/jq/values.h"

namespace tieline::json::jq {
namespace {

int rank(Node node) {
  switch (node.kind) {
    case Kind::kNull: return 0;
    case Kind::kBool: return truthy(node) ? 2 : 1;
    case Kind::kNumber: return 3;
    case Kind::kString: return 4;
    case Kind::kArray: return 5;
    case Kind::kObject: return 6;
  }
  return 0;
}

int sign_of(int order) { return order < 0 ? -1 : order > 0 ? 1 : 0; }

std::vector<const Member*> sorted_members(Node object) {
  std::vector<const Member*> sorted(object.length);
  for (std::size_t i = 0; i < object.length; ++i) sorted[i] = object.members + i;
  std::sort(sorted.begin(), sorted.end(),
            [](const Member* a, const Member* b) { return a->key.view() < b->key.view(); });
  return sorted;
}

}  // namespace

bool Machine::compare_at(Node a, Node b, std::size_t depth, int& order) {
  if (depth > kValueDepthMax) return fail("Comparison too deep");
  const int ra = rank(a), rb = rank(b);
  order = ra < rb ? -1 : ra > rb ? 1 : 0;
  if (order != 0) return true;
  switch (a.kind) {
    case Kind::kNumber: order = compare_number_nodes(a, b); return true;
    case Kind::kString: order = sign_of(a.view().compare(b.view())); return true;
    case Kind::kArray: {
      if (deep() || !spend(std::min(a.length, b.length))) return false;
      if (a.elements == b.elements && a.length == b.length && depth != 0 && a.length == 0) return true;
      for (std::size_t i = 0; i < a.length && i < b.length; ++i) {
        if (!compare_at(a.elements[i], b.elements[i], depth + 1, order)) return false;
        if (order != 0) return true;
      }
      order = a.length < b.length ? -1 : a.length > b.length ? 1 : 0;
      return true;
    }
    case Kind::kObject: {
      if (deep() || !spend(a.length + b.length)) return false;
      const auto x = sorted_members(a), y = sorted_members(b);
      // The keys first, as lists; then the values in the order of the keys.
      for (std::size_t i = 0; i < x.size() && i < y.size(); ++i) {
        order = sign_of(x[i]->key.view().compare(y[i]->key.view()));
        if (order != 0) return true;
      }
      order = x.size() < y.size() ? -1 : x.size() > y.size() ? 1 : 0;
      for (std::size_t i = 0; order == 0 && i < x.size(); ++i) {
        if (!compare_at(x[i]->value, y[i]->value, depth + 1, order)) return false;
      }
      return true;
    }
    default: return true;
  }
}

bool Machine::equal_at(Node a, Node b, std::size_t depth, bool& same) {
  if (depth > kValueDepthMax) return fail("Equality check too deep");
  same = false;
  if (a.kind != b.kind) return true;
  switch (a.kind) {
    case Kind::kNull: same = true; return true;
    case Kind::kBool: same = truthy(a) == truthy(b); return true;
    case Kind::kNumber: same = compare_number_nodes(a, b) == 0; return true;
    case Kind::kString: same = a.view() == b.view(); return true;
    case Kind::kArray:
      if (a.length != b.length) return true;
      if (deep() || !spend(a.length)) return false;
      same = true;
      for (std::size_t i = 0; same && i < a.length; ++i) {
        if (!equal_at(a.elements[i], b.elements[i], depth + 1, same)) return false;
      }
      return true;
    case Kind::kObject:
      if (a.length != b.length) return true;
      if (deep() || !spend(a.length)) return false;
      same = true;
      for (std::size_t i = 0; same && i < a.length; ++i) {
        const Member* const other = find_member(b, a.members[i].key.view());
        if (other == nullptr) {
          same = false;
        } else if (!equal_at(a.members[i].value, other->value, depth + 1, same)) {
          return false;
        }
      }
      return true;
  }
  return true;
}

bool Machine::sort(Node* nodes, std::size_t count) {
  bool well = true;
  std::stable_sort(nodes, nodes + count, [&](const Node& a, const Node& b) {
    int order = 0;
    // After a failure any answer that is an order will do: "all are equal" is one.
    if (well && !compare(a, b, order)) {
      well = false;
      order = 0;
    }
    return well && order < 0;
  });
  return well && spend(count);
}

Node Machine::sorted_keys(Node object) {
  Node* const keys = nodes(object.length);
  const auto sorted = sorted_members(object);
  for (std::size_t i = 0; i < sorted.size(); ++i) new (keys + i) Node(sorted[i]->key);
  return array_in_place(keys, sorted.size());
}

bool Machine::contains(Node a, Node b, std::size_t depth, bool& result) {
  if (depth > kValueDepthMax) return fail("Containment check too deep");
  if (deep() || !spend(1)) return false;
  if (is_object(a) && is_object(b)) {
    result = true;
    for (const Member& m : members_of(b)) {
      const Member* const other = find_member(a, m.key.view());
      if (other == nullptr) {
        result = false;
      } else if (!contains(other->value, m.value, depth + 1, result)) {
        return false;
      }
      if (!result) return true;
    }
    return true;
  }
  if (is_array(a) && is_array(b)) {
    for (const Node& wanted : elements_of(b)) {
      bool found = false;
      for (const Node& element : elements_of(a)) {
        if (element.kind != wanted.kind) continue;
        if (!contains(element, wanted, depth + 1, found)) return false;
        if (found) break;
      }
      if (!found) {
        result = false;
        return true;
      }
    }
    result = true;
    return true;
  }
  if (is_string(a) && is_string(b)) {
    result = a.view().find(b.view()) != std::string_view::npos;
    return true;
  }
  // Inside of others, what is of another kind is not contained; true and false are two kinds in jq.
  result = false;
  const bool same_kind = a.kind == b.kind && (a.kind != Kind::kBool || truthy(a) == truthy(b));
  if (same_kind) return equal(a, b, result);
  return depth > 0 || fail_types(a, b, "cannot have their containment checked");
}

// Objects that are in both are merged, too.
bool Machine::merge(Node a, Node b, std::size_t depth, Node& out) {
  if (depth > kValueDepthMax) return fail("Object merge too deep");
  if (deep() || !spend(a.length + b.length) || !room((a.length + b.length) * sizeof(Member))) return false;
  Member* const all = members(a.length + b.length);
  std::size_t count = 0;
  for (const Member& m : members_of(a)) new (all + count++) Member(m);
  for (const Member& m : members_of(b)) {
    Node value = m.value;
    const Member* const other = is_object(value) ? find_member(a, m.key.view()) : nullptr;
    if (other != nullptr && is_object(other->value) && !merge(other->value, value, depth + 1, value)) return false;
    new (all + count++) Member{m.key, value};
  }
  out = object(all, count);
  return true;
}

namespace {

bool repeat(Machine& machine, Node text, Node times, Node& out) {
  const double n = double_of(times);
  if (std::isnan(n) || n < 0) {
    out = Node{};
    return true;
  }
  const double whole = std::trunc(n);
  const double bytes = whole * static_cast<double>(text.length);
  if (bytes >= 1u << 30) return machine.fail("Repeat string result too long");
  const auto count = text.length == 0 ? 0 : static_cast<std::size_t>(whole);
  if (!machine.room(count * text.length) || !machine.spend(count * text.length / 64)) return false;
  char* const to = machine.arena().bytes(count * text.length);
  for (std::size_t i = 0; i < count; ++i) std::memcpy(to + i * text.length, text.text, text.length);
  out = machine.text_in_place(to, count * text.length);
  return true;
}

bool split_text(Machine& machine, std::string_view text, std::string_view separator, Node& out) {
  Collector parts(machine.arena());
  if (text.empty()) {
    out = parts.array();
    return true;
  }
  std::size_t at = 0;
  while (separator.empty() ? at < text.size() : true) {
    if (!machine.spend(1)) return false;
    const std::size_t next = separator.empty() ? at + byte_offset(text.substr(at), 1) : text.find(separator, at);
    const std::size_t stop = std::min(next, text.size());
    parts.push(machine.text_in_place(text.data() + at, stop - at));
    if (next == std::string_view::npos) break;
    at = stop + separator.size();
  }
  out = parts.array();
  return true;
}

bool remainder(Machine& machine, Node a, Node b, Node& out) {
  const double x = double_of(a), y = double_of(b);
  if (std::isnan(x) || std::isnan(y)) {
    out = real(std::numeric_limits<double>::quiet_NaN());
    return true;
  }
  const auto whole = [](Node node) {
    const Number n = number_of(node);
    if (n.whole) return n.integer;
    if (n.real >= 9.2233720368547758e18) return std::numeric_limits<std::int64_t>::max();
    if (n.real <= -9.2233720368547758e18) return std::numeric_limits<std::int64_t>::min();
    return static_cast<std::int64_t>(n.real);
  };
  const std::int64_t p = whole(a), q = whole(b);
  if (q == 0) return machine.fail_types(a, b, "cannot be divided (remainder) because the divisor is zero");
  // Of the magnitudes, with the dividend's sign; the smallest integer has none of its own.
  const auto magnitude = [](std::int64_t v) {
    return v < 0 ? std::uint64_t{0} - static_cast<std::uint64_t>(v) : static_cast<std::uint64_t>(v);
  };
  const std::uint64_t rest = magnitude(p) % magnitude(q);
  out = integer(p < 0 ? -static_cast<std::int64_t>(rest) : static_cast<std::int64_t>(rest));
  return true;
}

bool compute(BinaryOp op, Node a, Node b, Node& out) {
  const Number x = number_of(a), y = number_of(b);
  std::int64_t whole = 0;
  switch (op) {
    case BinaryOp::kAdd:
      if (x.whole && y.whole && !__builtin_add_overflow(x.integer, y.integer, &whole)) break;
      out = real(x.real + y.real);
      return true;
    case BinaryOp::kSubtract:
      if (x.whole && y.whole && !__builtin_sub_overflow(x.integer, y.integer, &whole)) break;
      out = real(x.real - y.real);
      return true;
    case BinaryOp::kMultiply:
      if (x.whole && y.whole && !__builtin_mul_overflow(x.integer, y.integer, &whole)) break;
      out = real(x.real * y.real);
      return true;
    default:
      if (x.whole && y.whole && y.integer != -1 && x.integer % y.integer == 0) {
        whole = x.integer / y.integer;
        break;
      }
      out = real(x.real / y.real);
      return true;
  }
  out = integer(whole);
  return true;
}

}  // namespace

bool Machine::binary(BinaryOp op, Node a, Node b, Node& out) {
  switch (op) {
    case BinaryOp::kEqual:
    case BinaryOp::kNotEqual: {
      bool same = false;
      if (!equal(a, b, same)) return false;
      out = boolean(same == (op == BinaryOp::kEqual));
      return true;
    }
    case BinaryOp::kLess:
    case BinaryOp::kLessEqual:
    case BinaryOp::kGreater:
    case BinaryOp::kGreaterEqual: {
      int order = 0;
      if (!compare(a, b, order)) return false;
      out = boolean(op == BinaryOp::kLess        ? order < 0
                    : op == BinaryOp::kLessEqual ? order <= 0
                    : op == BinaryOp::kGreater   ? order > 0
                                                 : order >= 0);
      return true;
    }
    default: break;
  }
  if (is_number(a) && is_number(b)) {
    if (op == BinaryOp::kModulo) return remainder(*this, a, b, out);
    if (op == BinaryOp::kDivide && double_of(b) == 0) {
      return fail_types(a, b, "cannot be divided because the divisor is zero");
    }
    return compute(op, a, b, out);
  }
  switch (op) {
    case BinaryOp::kAdd:
      if (a.kind == Kind::kNull || b.kind == Kind::kNull) {
        out = a.kind == Kind::kNull ? b : a;
        return true;
      }
      if (a.kind == b.kind && is_string(a)) {
        const std::size_t size = std::size_t{a.length} + b.length;
        if (!room(size)) return false;
        char* to = nullptr;
        if (arena_.extend(a.text + a.length, b.length)) {  // a was made last: it grows where it is
          to = const_cast<char*>(a.text);
        } else {
          to = arena_.bytes(size);
          std::memcpy(to, a.text, a.length);
        }
        std::memcpy(to + a.length, b.text, b.length);
        out = text_in_place(to, size);
        return true;
      }
      if (a.kind == b.kind && is_array(a)) {
        if (a.length == 0 || b.length == 0) {
          out = a.length == 0 ? b : a;
          return true;
        }
        return append(a, b, out);
      }
      if (a.kind == b.kind && is_object(a)) {
        if (a.length == 0 || b.length == 0) {
          out = a.length == 0 ? b : a;
          return true;
        }
        const std::size_t count = std::size_t{a.length} + b.length;
        if (!room(count * sizeof(Member)) || !spend(count / 8)) return false;
        Member* const to = members(count);
        std::memcpy(static_cast<void*>(to), a.members, a.length * sizeof(Member));
        std::memcpy(static_cast<void*>(to + a.length), b.members, b.length * sizeof(Member));
        out = object(to, count);
        return true;
      }
      return fail_types(a, b, "cannot be added");
    case BinaryOp::kSubtract:
      if (is_array(a) && is_array(b)) {
        Collector kept(arena_);
        for (const Node& element : elements_of(a)) {
          bool gone = false;
          for (const Node& other : elements_of(b)) {
            if (!equal(element, other, gone)) return false;
            if (gone) break;
          }
          if (!gone) kept.push(element);
        }
        out = kept.array();
        return spend(std::size_t{a.length} * b.length);
      }
      return fail_types(a, b, "cannot be subtracted");
    case BinaryOp::kMultiply:
      if (is_string(a) && is_number(b)) return repeat(*this, a, b, out);
      if (is_number(a) && is_string(b)) return repeat(*this, b, a, out);
      if (is_object(a) && is_object(b)) return merge(a, b, 0, out);
      return fail_types(a, b, "cannot be multiplied");
    case BinaryOp::kDivide:
      if (is_string(a) && is_string(b)) return split_text(*this, a.view(), b.view(), out);
      return fail_types(a, b, "cannot be divided");
    default: return fail_types(a, b, "cannot be divided (remainder)");
  }
}

bool Machine::negate(Node a, Node& out) {
  if (!is_number(a)) return fail_type(a, "cannot be negated");
  if ((a.flags & (Node::kInt64 | Node::kReal)) == 0) {  // a literal stays one
    const std::string_view written = a.view();
    out = a;
    if (written.front() == '-') {
      out.text = written.data() + 1;
      out.length = a.length - 1;
    } else {
      char* const to = arena_.bytes(written.size() + 1);
      *to = '-';
      std::memcpy(to + 1, written.data(), written.size());
      out.text = to;
      out.length = a.length + 1;
    }
    return true;
  }
  if ((a.flags & Node::kInt64) != 0 && a.integer != 0 && a.integer != std::numeric_limits<std::int64_t>::min()) {
    out = integer(-a.integer);
  } else {
    out = real(-double_of(a));
  }
  return true;
}

bool Machine::absolute(Node a, Node& out) {
  const bool negative = (a.flags & Node::kReal) != 0    ? std::signbit(a.real)
                        : (a.flags & Node::kInt64) != 0 ? a.integer < 0
                                                        : a.view().front() == '-';
  out = a;
  return !negative || negate(a, out);
}

}  // namespace tieline::json::jq
