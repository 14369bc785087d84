// Growing without copying: `reduce` whose update only changes its state does that in place, and `. + [x]` appends.
// A container may be changed in place only by the reduce that made it, and never once anything else has seen it; what
// is appended stands behind all that anybody has seen.
#include <algorithm>
#include <array>

#include "json/jq/machine.h"
#include "json/jq/values.h"

namespace tieline::json::jq {
namespace {

constexpr std::size_t kTableAbove = 16;   // members that are searched one by one
constexpr std::size_t kAppendAbove = 16;  // elements that are copied to append some
constexpr std::size_t kSettledDepth = 4;

// Stands before the elements or members of a container with the flag kHeaded.
struct Header {
  std::uint64_t owner;  // 0: none
  std::uint32_t capacity;
  std::uint32_t slots;  // of the table, a power of two; 0 without one
  union {
    std::uint32_t* table;  // of an object: positions of members plus one; 0 is free
    std::uint64_t used;    // of an array without an owner: the most elements that anybody sees
  };
};

Header& header_of(Node container) {
  auto* const first = const_cast<Node*>(container.elements);  // members stand at the same place
  return *reinterpret_cast<Header*>(reinterpret_cast<char*>(first) - sizeof(Header));
}

bool owned(Node node, std::uint64_t owner) {
  return (node.flags & Node::kHeaded) != 0 && (is_array(node) || is_object(node)) && header_of(node).owner == owner;
}

std::uint32_t hash(std::string_view key) {
  std::uint64_t h = 0xCBF29CE484222325u;
  for (const char c : key) h = (h ^ static_cast<unsigned char>(c)) * 0x100000001B3u;
  return static_cast<std::uint32_t>(h ^ h >> 32);
}

}  // namespace

// `node` as a container of this owner with room for `more`: itself, or a copy.
bool Machine::own(Node& node, std::size_t more, std::uint64_t owner) {
  const bool array = is_array(node);
  const bool mine = owned(node, owner);
  const std::size_t needed = node.length + more;
  if (mine && needed <= header_of(node).capacity) return true;
  const std::size_t capacity = std::max<std::size_t>(8, needed + needed / 2);
  const std::size_t each = array ? sizeof(Node) : sizeof(Member);
  if (!room(capacity * each) || !spend(node.length / 8)) return false;
  char* const place = static_cast<char*>(arena_.nodes(sizeof(Header) + capacity * each));
  auto* const header = new (place) Header{owner, static_cast<std::uint32_t>(capacity), 0, {nullptr}};
  if (node.length != 0)
    std::memcpy(place + sizeof(Header), static_cast<const void*>(node.elements), node.length * each);
  node.flags = Node::kRun | Node::kHeaded;
  node.elements = reinterpret_cast<const Node*>(place + sizeof(Header));
  if (!array && capacity > kTableAbove) {
    std::uint32_t slots = 32;
    while (slots < capacity * 2) slots *= 2;
    header->table = reinterpret_cast<std::uint32_t*>(arena_.nodes(slots * sizeof(std::uint32_t)));
    std::fill(header->table, header->table + slots, 0u);
    header->slots = slots;
    for (std::uint32_t i = 0; i < node.length; ++i) {
      std::uint32_t at = hash(node.members[i].key.view()) & (slots - 1);
      while (header->table[at] != 0) {
        at = (at + 1) & (slots - 1);
        --steps_left_;
      }
      header->table[at] = i + 1;
    }
  }
  return true;
}

// The member of an owned object, or null; `slot` is where the table would have it.
Member* Machine::owned_member(Node object, std::string_view key, std::uint32_t& slot) {
  const Header& header = header_of(object);
  if (header.slots == 0) return const_cast<Member*>(find_member(object, key));
  slot = hash(key) & (header.slots - 1);
  for (; header.table[slot] != 0; slot = (slot + 1) & (header.slots - 1)) {
    auto* const member = const_cast<Member*>(object.members + (header.table[slot] - 1));
    if (member->key.view() == key) return member;
    --steps_left_;
  }
  return nullptr;
}

// The place of that key in an owned container, made where it is missing; null where only set() knows what to do.
Node* Machine::owned_place(Node& of, Node key, std::uint64_t owner) {
  if (is_string(key) && (is_object(of) || of.kind == Kind::kNull)) {
    if (of.kind == Kind::kNull) of = Node{.kind = Kind::kObject};
    if (!own(of, 0, owner)) return nullptr;
    std::uint32_t slot = 0;
    if (Member* const found = owned_member(of, key.view(), slot)) return &found->value;
    const bool grows = of.length == header_of(of).capacity;
    if (!own(of, 1, owner)) return nullptr;
    if (grows) owned_member(of, key.view(), slot);
    auto* const member = new (const_cast<Member*>(of.members + of.length)) Member{key, Node{}};
    ++of.length;
    if (header_of(of).slots != 0) header_of(of).table[slot] = of.length;
    return &member->value;
  }
  if (!is_number(key) || (!is_array(of) && of.kind != Kind::kNull)) return nullptr;
  const Number at = number_of(key);
  if (!at.whole) return nullptr;
  const std::int64_t length = is_array(of) ? of.length : 0;
  const std::int64_t position = at.integer < 0 ? at.integer + length : at.integer;
  if (position < 0 || position > length) return nullptr;
  if (of.kind == Kind::kNull) of = Node{.kind = Kind::kArray};
  if (!own(of, position == length ? 1 : 0, owner)) return nullptr;
  auto* const element = const_cast<Node*>(of.elements + position);
  if (position == length) {
    new (element) Node{};
    ++of.length;
  }
  return element;
}

// `a + b` of arrays. Where `a` is the longest view of what it stands in, and there is room, `b` goes behind it.
bool Machine::append(Node a, Node b, Node& out) {
  const std::size_t count = std::size_t{a.length} + b.length;
  if ((a.flags & Node::kHeaded) != 0) {
    Header& header = header_of(a);
    if (header.owner == 0 && header.used == a.length && count <= header.capacity) {
      std::memcpy(static_cast<void*>(const_cast<Node*>(a.elements + a.length)), b.elements, b.length * sizeof(Node));
      header.used = count;
      out = a;
      out.length = static_cast<std::uint32_t>(count);
      return spend(b.length / 8);
    }
  }
  // Whoever appends a little to much will do it again.
  const bool grows = a.length > kAppendAbove && b.length < a.length / 2;
  const std::size_t capacity = grows ? count + count / 2 : count;
  if (!room(capacity * sizeof(Node)) || !spend(count / 8)) return false;
  CHECK(capacity <= 0xFFFF'FFFFu);
  char* place = static_cast<char*>(arena_.nodes((grows ? sizeof(Header) : 0) + capacity * sizeof(Node)));
  if (grows) {
    auto* const header = new (place) Header{0, static_cast<std::uint32_t>(capacity), 0, {nullptr}};
    header->used = count;
    place += sizeof(Header);
  }
  auto* const to = reinterpret_cast<Node*>(place);
  std::memcpy(place, static_cast<const void*>(a.elements), a.length * sizeof(Node));
  std::memcpy(place + a.length * sizeof(Node), static_cast<const void*>(b.elements), b.length * sizeof(Node));
  out = array_in_place(to, count);
  if (grows) out.flags |= Node::kHeaded;
  return true;
}

// `to + by`, where `to` may be changed.
bool Machine::add_to(Node& to, Node by, std::uint64_t owner) {
  if (is_array(to) && is_array(by) && by.length != 0) {
    const Node added = by;  // may be `to` itself
    if (!own(to, by.length, owner)) return false;
    std::memcpy(static_cast<void*>(const_cast<Node*>(to.elements + to.length)), added.elements,
                added.length * sizeof(Node));
    to.length += added.length;
    return true;
  }
  if (is_object(to) && is_object(by) && by.elements != to.elements) {
    for (const Member& m : members_of(by)) {
      Node* const place = owned_place(to, m.key, owner);
      if (place == nullptr) return false;
      *place = m.value;
    }
    return true;
  }
  return binary(BinaryOp::kAdd, to, by, to);
}

// What stands at `path` becomes what `change` makes of it.
template <class F>
Got Machine::change_owned(Node& of, std::span<const Node> path, std::uint64_t owner, F&& change) {
  if (path.empty()) return change(of);
  if (deep()) return Got::kFailed;
  Node* const place = owned_place(of, path.front(), owner);
  if (place != nullptr) return change_owned(*place, path.subspan(1), owner, change);
  if (unwind_ != Unwind::kNone) return Got::kFailed;
  Node inner;
  if (!index(of, path.front(), inner)) return Got::kFailed;
  const Got got = change_owned(inner, path.subspan(1), owner, change);
  if (got != Got::kValue) return got;
  return set(of, path.front(), inner, of) ? Got::kValue : Got::kFailed;
}

// One update of the state; the code is what the compiler found to be `accumulating`.
Got Machine::accumulate(const Code* code, Frame* frame, std::uint64_t& owner, Node& state) {
  for (;;) {
    if (--steps_left_ <= 0) {
      out_of_steps();
      return Got::kFailed;
    }
    switch (code->op) {
      case Op::kIdentity: return Got::kValue;
      case Op::kPipe: {
        const Got got = accumulate(code->a, frame, owner, state);
        if (got != Got::kValue) return got;
        code = code->b;
        continue;
      }
      case Op::kIf: {
        Node asked;
        const Got got = one(code->a, frame, state, asked);
        if (got != Got::kValue) return got;
        code = truthy(asked) ? code->b : code->c;
        if (code == nullptr) return Got::kValue;
        continue;
      }
      case Op::kBind: {
        Node value;
        const Got got = one(code->a, frame, Node{}, value);
        if (got != Got::kValue) return got;
        if (!bound(code, frame, value)) return Got::kFailed;
        code = code->b;
        continue;
      }
      case Op::kBinary: {
        Node by;
        const Got got = one(code->b, frame, Node{}, by);
        if (got != Got::kValue) return got;
        return add_to(state, by, owner) ? Got::kValue : Got::kFailed;
      }
      default: return accumulate_at(code, frame, owner, state);
    }
  }
}

Got Machine::accumulate_at(const Code* code, Frame* frame, std::uint64_t& owner, Node& state) {
  Node by;
  if (code->op != Op::kUpdate) {
    const Got got = one(code->b, frame, Node{}, by);
    if (got != Got::kValue) return got;
  }
  std::array<Node, 16> keys;
  std::size_t count = 0;
  Got got = Got::kValue;
  if (!simple_keys(code->a, frame, Node{}, keys.data(), count, got)) return got == Got::kFailed ? got : Got::kValue;
  return change_owned(state, {keys.data(), count}, owner, [&](Node& place) {
    switch (code->op) {
      case Op::kAssign: place = by; return Got::kValue;
      case Op::kDefaultUpdate:
        if (!truthy(place)) place = by;
        return Got::kValue;
      case Op::kArithUpdate:
        if (code->binary == BinaryOp::kAdd) return add_to(place, by, owner) ? Got::kValue : Got::kFailed;
        return binary(code->binary, place, by, place) ? Got::kValue : Got::kFailed;
      default: {
        const Node before = place;
        // What sees a container may keep it, and all within: from here on nothing that is there is this owner's.
        if (is_array(before) || is_object(before)) owner = ++labels_made_;
        return one(code->b, frame, before, place);
      }
    }
  });
}

// After the last update: large objects get the index that reading them wants. It is equal to what it was, so whoever
// else has seen it sees no difference.
bool Machine::settle(Node& state, std::size_t depth) {
  if (depth == kSettledDepth || (!is_array(state) && !is_object(state)) || (state.flags & Node::kHeaded) == 0 ||
      header_of(state).owner == 0) {
    return true;
  }
  if (!spend(state.length / 8)) return false;
  for (std::size_t i = 0; i < state.length; ++i) {
    const Node& inner = is_array(state) ? state.elements[i] : state.members[i].value;
    if (!settle(const_cast<Node&>(inner), depth + 1)) return false;
  }
  if (is_object(state) && state.length > kIndexAbove) state = object_copy(members_of(state));
  return true;
}

}  // namespace tieline::json::jq
