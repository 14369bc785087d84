#include "json/node.h"

#include <algorithm>
#include <numeric>
#include <utility>
#include <vector>

#include "json/scan.h"

namespace tieline::json {
namespace {

// One of 256 bits for a key: equal keys have equal bits, so a bit not seen before needs no comparison.
unsigned key_bit(std::string_view key) {
  if (key.empty()) return 0;
  const auto byte = [&](std::size_t at) { return static_cast<unsigned char>(key[at]); };
  const auto size = static_cast<unsigned>(key.size());
  return (size * 0xE5u + byte(0) * 0xF3u + byte(size - 1) * 0x2Bu + byte(size / 2) * 0x5Du) & 255;
}

// For few members: at most kIndexAbove² / 2 comparisons, in practice hardly any.
std::size_t unite_few(Member* members, std::size_t count) {
  std::uint64_t seen[4] = {};
  std::size_t kept = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const std::string_view key = members[i].key.view();
    const unsigned bit = key_bit(key);
    std::uint64_t& word = seen[bit / 64];
    const std::uint64_t mask = std::uint64_t{1} << (bit & 63);
    if ((word & mask) != 0) {
      const auto same = std::find_if(members, members + kept, [&](const Member& m) { return m.key.view() == key; });
      if (same != members + kept) {
        same->value = members[i].value;
        continue;
      }
    }
    word |= mask;
    if (kept != i) members[kept] = members[i];
    ++kept;
  }
  return kept;
}

std::vector<std::uint32_t> sorted_positions(const Member* members, std::size_t count) {
  std::vector<std::uint32_t> order(count);
  std::iota(order.begin(), order.end(), 0u);
  std::sort(order.begin(), order.end(), [&](std::uint32_t a, std::uint32_t b) {
    const int c = members[a].key.view().compare(members[b].key.view());
    return c != 0 ? c < 0 : a < b;
  });
  return order;
}

// For many members: sorting costs n log n whatever keys an adversary chooses, which no unseeded hash does.
std::size_t unite_many(Member* members, std::size_t count, std::vector<std::uint32_t>& order) {
  order = sorted_positions(members, count);
  std::vector<bool> dropped;
  for (std::size_t i = 0, first = 0; i < count; ++i) {
    if (i == first || members[order[i]].key.view() != members[order[first]].key.view()) {
      first = i;
      continue;
    }
    if (dropped.empty()) dropped.resize(count);
    members[order[first]].value = members[order[i]].value;
    dropped[order[i]] = true;
  }
  if (dropped.empty()) return count;
  std::size_t kept = 0;
  for (std::size_t i = 0; i < count; ++i) {
    if (!dropped[i]) members[kept++] = members[i];
  }
  // The index goes with the length alone: whoever copies an object reserves room for one by it.
  order = kept > kIndexAbove ? sorted_positions(members, kept) : std::vector<std::uint32_t>();
  return kept;
}

}  // namespace

void Arena::rewind() {
  if (chunks_ == nullptr) return;
  while (chunks_->before != nullptr) {
    Chunk* const before = chunks_->before;
    chunks_->before = before->before;
    std::free(before);
  }
  reserved_ = static_cast<std::size_t>(end_ - reinterpret_cast<char*>(chunks_));
  at_ = reinterpret_cast<char*>(chunks_ + 1);
}

void Arena::grow(std::size_t count) {
  const std::size_t size = std::max(next_bytes_, count) + sizeof(Chunk);
  auto* const chunk = static_cast<Chunk*>(std::malloc(size));
  CHECK(chunk != nullptr);
  chunk->before = std::exchange(chunks_, chunk);
  at_ = reinterpret_cast<char*>(chunk + 1);
  end_ = reinterpret_cast<char*>(chunk) + size;
  reserved_ += size;
  next_bytes_ = std::clamp<std::size_t>(next_bytes_ * 2, 256, 16u << 20);
}

void Scratch::grow() {
  const std::size_t bytes = capacity_ * 2 * sizeof(Node);
  void* const old = base_ == inline_ ? nullptr : base_;
  auto* const wider = static_cast<Node*>(std::realloc(old, bytes));
  CHECK(wider != nullptr);
  if (old == nullptr) std::memcpy(static_cast<void*>(wider), inline_, size_ * sizeof(Node));
  base_ = wider;
  capacity_ *= 2;
}

Node close_array(Scratch& scratch, std::size_t start, Arena& arena) {
  const std::size_t count = scratch.size() - start;
  Node node{.kind = Kind::kArray, .length = static_cast<std::uint32_t>(count)};
  if (count != 0) {
    void* const place = arena.nodes(count * sizeof(Node));
    std::memcpy(place, scratch.from(start), count * sizeof(Node));
    node.elements = static_cast<const Node*>(place);
  }
  scratch.shrink(start);
  return node;
}

std::size_t unite_members(Member* members, std::size_t count, std::vector<std::uint32_t>& order) {
  return count <= kIndexAbove ? unite_few(members, count) : unite_many(members, count, order);
}

Node close_object(Scratch& scratch, std::size_t start, Arena& arena) {
  auto* const members = reinterpret_cast<Member*>(scratch.from(start));
  std::size_t count = (scratch.size() - start) / 2;
  Node node{.kind = Kind::kObject};
  if (count != 0) {
    std::vector<std::uint32_t> order;
    count = unite_members(members, count, order);
    const std::size_t bytes = count * sizeof(Member);
    char* const place = static_cast<char*>(arena.nodes(bytes + order.size() * sizeof(std::uint32_t)));
    std::memcpy(place, members, bytes);
    if (!order.empty()) std::memcpy(place + bytes, order.data(), order.size() * sizeof(std::uint32_t));
    node.flags = order.empty() ? 0 : Node::kIndexed;
    node.length = static_cast<std::uint32_t>(count);
    node.members = reinterpret_cast<const Member*>(place);
  }
  scratch.shrink(start);
  return node;
}

const Member* find_member(const Node& object, std::string_view key) {
  const Member* const members = object.members;
  if ((object.flags & Node::kIndexed) == 0) {
    if (key.empty()) {
      const auto* const at =
          std::find_if(members, members + object.length, [](const Member& m) { return m.key.length == 0; });
      return at != members + object.length ? at : nullptr;
    }
    const char first = key.front();  // keys of one length are common, the same first byte is not
    for (const Member* m = members; m != members + object.length; ++m) {
      if (m->key.length == key.size() && *m->key.text == first &&
          std::memcmp(m->key.text, key.data(), key.size()) == 0) {
        return m;
      }
    }
    return nullptr;
  }
  const std::uint32_t* const order = index_of(object);
  const auto* const at = std::lower_bound(order, order + object.length, key, [&](std::uint32_t m, std::string_view k) {
    return members[m].key.view() < k;
  });
  return at != order + object.length && members[*at].key.view() == key ? members + *at : nullptr;
}

bool is_plain(std::string_view text) {
  const char* const end = text.data() + text.size();
  return skip_unescaped(text.data(), end) == end;
}

}  // namespace tieline::json
