// Reading and changing parts of values by key: `.[k]`, slices, setpath, delpaths, with jq's own rules and messages.
#include <algorithm>
#include <cmath>

#include "json/jq/machine.h"
#include "json/jq/values.h"

namespace tieline::json::jq {
namespace {

constexpr double kIndexMax = 536870911;  // jq's

struct Range {
  std::size_t from = 0;
  std::size_t to = 0;
};

// Of `[from:to]` on `length` elements; false when an end is neither a number nor null.
bool range_of(Node from, Node to, std::size_t length, Range& range) {
  if ((from.kind != Kind::kNull && !is_number(from)) || (to.kind != Kind::kNull && !is_number(to))) return false;
  const auto size = static_cast<double>(length);
  const auto clamped = [&](Node end, double otherwise) {
    double d = end.kind == Kind::kNull ? otherwise : double_of(end);
    if (std::isnan(d)) d = otherwise;
    if (d < 0) d += size;
    return std::clamp(d, 0.0, size);
  };
  const double begin = clamped(from, 0), end = std::ceil(clamped(to, size));
  range.from = static_cast<std::size_t>(begin);
  range.to = std::max(range.from, static_cast<std::size_t>(end));
  return true;
}

constexpr std::string_view kSliceEnds = "Start and end indices of an array slice must be numbers";

const Member* member(Node object, std::string_view key) { return find_member(object, key); }

// The ends of a slice that is written as an object.
bool slice_ends(Node key, Node& from, Node& to) {
  const Member* const start = member(key, "start");
  const Member* const end = member(key, "end");
  if (start == nullptr && end == nullptr) return false;
  from = start != nullptr ? start->value : Node{};
  to = end != nullptr ? end->value : Node{};
  return true;
}

}  // namespace

bool Machine::index(Node of, Node key, Node& out) {
  if (is_object(of) && is_string(key)) [[likely]] {
    const Member* const found = find_member(of, key.view());
    out = found != nullptr ? found->value : Node{};
    return true;
  }
  if (of.kind == Kind::kNull && (is_string(key) || is_number(key) || key.kind == Kind::kNull)) {
    out = Node{};
    return true;
  }
  if (is_array(of) && is_number(key)) {
    double at = double_of(key);
    out = Node{};
    if (std::isnan(at)) return true;
    at = std::trunc(at);
    if (at < 0) at += static_cast<double>(of.length);
    if (at >= 0 && at < static_cast<double>(of.length)) out = of.elements[static_cast<std::size_t>(at)];
    return true;
  }
  if (is_object(key) && (is_array(of) || is_string(of) || of.kind == Kind::kNull)) {
    Node from, to;
    if (slice_ends(key, from, to)) return slice(of, from, to, out);
  }
  if (is_array(of) && is_array(key)) {
    Collector found(arena_);
    for (std::size_t i = 0; key.length != 0 && i + key.length <= of.length; ++i) {
      bool same = true;
      for (std::size_t k = 0; same && k < key.length; ++k) {
        if (!equal(of.elements[i + k], key.elements[k], same)) return false;
      }
      if (same) found.push(integer(static_cast<std::int64_t>(i)));
    }
    out = found.array();
    return true;
  }
  std::string message = "Cannot index ";
  message += kind_name(of.kind);
  message += " with ";
  message += kind_name(key.kind);
  message += " (";
  if (!quote(key, 29, message)) return false;
  return fail(message + ')');
}

bool Machine::slice(Node of, Node from, Node to, Node& out) {
  if (of.kind == Kind::kNull) {
    out = Node{};
    return true;
  }
  if (!is_array(of) && !is_string(of)) {
    std::string message = "Cannot index ";
    message += kind_name(of.kind);
    message += " with object";
    return fail(message);
  }
  Range range;
  if (is_array(of)) {
    if (!range_of(from, to, of.length, range)) return fail(kSliceEnds);
    out = of;
    out.flags = of.flags & static_cast<std::uint8_t>(~Node::kHeaded);
    out.elements = of.elements + range.from;
    out.length = static_cast<std::uint32_t>(range.to - range.from);
    return true;
  }
  const std::string_view whole = of.view();
  if (!range_of(from, to, characters(whole), range)) return fail(kSliceEnds);
  const std::size_t begin = byte_offset(whole, range.from);
  const std::size_t size = byte_offset(whole.substr(begin), range.to - range.from);
  out = text_in_place(whole.data() + begin, size);
  out.flags = of.flags & Node::kPlain;
  return true;
}

bool Machine::fail_iterate(Node of) {
  std::string message = "Cannot iterate over ";
  message += kind_name(of.kind);
  if (of.kind == Kind::kNull) return fail(message);
  message += " (";
  if (!quote(of, 29, message)) return false;
  return fail(message + ')');
}

namespace {

// The object with one member set; the position of a key that is there stays.
Node with_member(Machine& machine, Node object, Node key, Node value) {
  const Member* const found = object.length == 0 ? nullptr : find_member(object, key.view());
  const std::size_t count = object.length + (found == nullptr ? 1u : 0u);
  const bool indexed = (object.flags & Node::kIndexed) != 0;
  const std::size_t bytes = count * sizeof(Member);
  char* const place = static_cast<char*>(machine.arena().nodes(bytes + (indexed ? count * sizeof(std::uint32_t) : 0)));
  auto* const members = reinterpret_cast<Member*>(place);
  if (object.length != 0) {
    std::memcpy(place, static_cast<const void*>(object.members), object.length * sizeof(Member));
  }
  Node result = object;
  result.kind = Kind::kObject;
  result.flags = static_cast<std::uint8_t>((object.flags & Node::kIndexed) | Node::kRun);
  result.members = members;
  result.length = static_cast<std::uint32_t>(count);
  if (found != nullptr) {
    members[found - object.members].value = value;
  } else {
    new (members + object.length) Member{key, value};
  }
  if (indexed) {
    auto* const order = reinterpret_cast<std::uint32_t*>(place + bytes);
    const std::uint32_t* const old = index_of(object);
    if (found != nullptr) {
      std::memcpy(order, old, count * sizeof(std::uint32_t));
    } else {
      const auto* const at =
          std::lower_bound(old, old + object.length, key.view(),
                           [&](std::uint32_t m, std::string_view k) { return object.members[m].key.view() < k; });
      std::uint32_t* const to = std::copy(old, at, order);
      *to = object.length;
      std::copy(at, old + object.length, to + 1);
    }
  } else if (found == nullptr && count == kIndexAbove + 1) {
    return machine.object(members, count);  // becomes indexed here
  }
  return result;
}

}  // namespace

bool Machine::set(Node of, Node key, Node value, Node& out) {
  if (is_string(key) && (is_object(of) || of.kind == Kind::kNull)) {
    if (of.kind == Kind::kNull) of = Node{.kind = Kind::kObject};
    if (!spend(of.length / 8) || !room(of.length * sizeof(Member))) return false;
    out = with_member(*this, of, key, value);
    return true;
  }
  if (is_number(key) && (is_array(of) || of.kind == Kind::kNull)) {
    double at = double_of(key);
    if (std::isnan(at)) return fail("Cannot set array element at NaN index");
    const std::size_t length = is_array(of) ? of.length : 0;
    at = std::trunc(at);
    if (at < 0) at += static_cast<double>(length);
    if (at < 0) return fail("Out of bounds negative array index");
    if (at > kIndexMax) return fail("Array index too large");
    const auto position = static_cast<std::size_t>(at);
    const std::size_t count = std::max(length, position + 1);
    if (!spend(count / 8) || !room(count * sizeof(Node))) return false;
    Node* const elements = nodes(count);
    if (length != 0) std::memcpy(static_cast<void*>(elements), of.elements, length * sizeof(Node));
    for (std::size_t i = length; i < count; ++i) new (elements + i) Node{};
    elements[position] = value;
    out = array_in_place(elements, count);
    return true;
  }
  if (is_object(key) && (is_array(of) || of.kind == Kind::kNull)) {
    Node from, to;
    if (!slice_ends(key, from, to)) return fail("Cannot update field at object index of array");
    if (!is_array(value)) return fail("A slice of an array can only be assigned another array");
    const std::size_t length = is_array(of) ? of.length : 0;
    Range range;
    if (!range_of(from, to, length, range)) return fail(kSliceEnds);
    const std::size_t count = length - (range.to - range.from) + value.length;
    if (!spend(count / 8) || !room(count * sizeof(Node))) return false;
    Node* const elements = nodes(count);
    Node* at = elements;
    const auto put = [&](const Node* source, std::size_t n) {
      if (n != 0) std::memcpy(static_cast<void*>(at), source, n * sizeof(Node));
      at += n;
    };
    put(of.elements, range.from);
    put(value.elements, value.length);
    put(of.elements + range.to, length - range.to);
    out = array_in_place(elements, count);
    return true;
  }
  if (is_object(key) && is_string(of)) return fail("Cannot update string slices");
  if (is_array(of) && (is_array(key) || is_object(key))) {
    return fail("Cannot update field at " + std::string(kind_name(key.kind)) + " index of array");
  }
  Node ignored;
  if (index(of, key, ignored)) return fail("Cannot update field at " + std::string(kind_name(key.kind)) + " index");
  return false;
}

bool Machine::get_path(Node of, std::span<const Node> path, Node& out) {
  if (path.size() > kValueDepthMax) return fail("Path too deep");
  for (const Node& key : path) {
    if (of.kind == Kind::kNull) break;
    if (!index(of, key, of)) return false;
  }
  out = of;
  return true;
}

bool Machine::set_path(Node of, std::span<const Node> path, Node value, Node& out) {
  if (path.size() > kValueDepthMax) return fail("Path too deep");
  if (deep()) return false;
  if (path.empty()) {
    out = value;
    return true;
  }
  Node inner;
  if (!index(of, path.front(), inner) || !set_path(inner, path.subspan(1), value, inner)) return false;
  return set(of, path.front(), inner, out);
}

bool Machine::delete_keys(Node of, std::span<const Node> keys, Node& out) {
  out = of;
  if (of.kind == Kind::kNull || keys.empty()) return true;
  if (is_object(of)) {
    for (const Node& key : keys) {
      if (!is_string(key)) {
        return fail("Cannot delete field at " + std::string(kind_name(key.kind)) + " index of object");
      }
    }
    Member* const kept = members(of.length);
    std::size_t count = 0;
    for (const Member& m : members_of(of)) {
      const bool gone =
          std::any_of(keys.begin(), keys.end(), [&](const Node& key) { return key.view() == m.key.view(); });
      if (!gone) new (kept + count++) Member(m);
    }
    if (!spend(of.length * keys.size())) return false;
    out = object(kept, count);
    return true;
  }
  if (!is_array(of)) {
    return fail("Cannot delete field at " + std::string(is_string(keys.front()) ? "object" : "array") + " index of " +
                std::string(kind_name(of.kind)));
  }
  std::vector<bool> gone(of.length);
  for (const Node& key : keys) {
    Node from, to;
    Range range;
    if (is_number(key)) {
      double at = double_of(key);
      if (std::isnan(at)) continue;
      at = std::trunc(at);
      if (at < 0) at += static_cast<double>(of.length);
      if (at >= 0 && at < static_cast<double>(of.length)) gone[static_cast<std::size_t>(at)] = true;
    } else if (is_object(key) && slice_ends(key, from, to)) {
      if (!range_of(from, to, of.length, range)) return fail(kSliceEnds);
      for (std::size_t i = range.from; i < range.to; ++i) gone[i] = true;
    } else {
      return fail("Cannot delete field at " + std::string(is_string(key) ? "object" : kind_name(key.kind)) +
                  " index of array");
    }
  }
  Node* const kept = nodes(of.length);
  std::size_t count = 0;
  for (std::size_t i = 0; i < of.length; ++i) {
    if (!gone[i]) new (kept + count++) Node(of.elements[i]);
  }
  out = array_in_place(kept, count);
  return spend(of.length);
}

// `paths` are sorted and agree in their first `start` keys.
bool Machine::delete_sorted(Node of, std::span<const Node> paths, std::size_t start, Node& out) {
  if (deep()) return false;
  Collector keys(arena_);
  for (std::size_t i = 0; i < paths.size();) {
    const Node key = paths[i].elements[start];
    const bool whole = paths[i].length == start + 1;
    std::size_t j = i + 1;
    for (bool same = true; j < paths.size(); ++j) {
      if (!equal(key, paths[j].elements[start], same)) return false;
      if (!same) break;
    }
    if (whole) {
      keys.push(key);
    } else {
      Node inner;
      if (!index(of, key, inner)) return false;
      if (inner.kind != Kind::kNull) {
        if (!delete_sorted(inner, paths.subspan(i, j - i), start + 1, inner) || !set(of, key, inner, of)) return false;
      }
    }
    i = j;
  }
  return delete_keys(of, {keys.data(), keys.size()}, out);
}

bool Machine::delete_paths(Node of, Node paths, Node& out) {
  if (!is_array(paths)) return fail("Paths must be specified as an array");
  const std::span<const Node> given = elements_of(paths);
  for (const Node& path : given) {
    if (!is_array(path)) return fail("Path must be specified as an array");
    if (path.length > kValueDepthMax) return fail("Path too deep");
  }
  for (const Node& path : given) {
    if (path.length != 0) continue;
    out = Node{};
    return true;
  }
  if (given.empty()) {
    out = of;
    return true;
  }
  const Node sorted = array(given);
  if (!sort(const_cast<Node*>(sorted.elements), sorted.length)) return false;
  return delete_sorted(of, elements_of(sorted), 0, out);
}

}  // namespace tieline::json::jq
