// sort_by, group_by, unique_by, min_by and max_by: elements by their keys.
// Equal keys must keep the order of their elements.
#include <algorithm>
#include <vector>

#include "json/jq/machine.h"
#include "json/jq/values.h"

namespace tieline::json::jq {
namespace {

struct Entry {
  Node key;
  Node value;
};

struct Keys {
  enum Kind : std::uint8_t { kIntegers, kTexts, kAny };
  Kind kind = kAny;
  std::size_t depth = 0;  // where they stood in what is compared
};

// Makes keys cheap to compare: lists of one become what is in them, and numbers are read once; says what all of them
// are.
Keys prepare(std::vector<Entry>& entries) {
  const auto all = [&](auto&& is) {
    return std::all_of(entries.begin(), entries.end(), [&](const Entry& e) { return is(e.key); });
  };
  const bool lists = all([](const Node& key) { return is_array(key) && key.length == 1; });
  const std::size_t depth = lists ? 1 : 0;
  if (lists) {
    for (Entry& entry : entries) entry.key = entry.key.elements[0];
  }
  if (all(is_string)) return {Keys::kTexts, depth};
  bool integers = true;
  for (Entry& entry : entries) {
    if (is_number(entry.key)) {
      const Number number = number_of(entry.key);
      if (number.whole) {
        entry.key = integer(number.integer);
        continue;
      }
      // What no double holds stays as it was written.
      if ((entry.key.flags & Node::kInexact) == 0) entry.key = real(number.real);
    }
    integers = false;
  }
  return {integers ? Keys::kIntegers : Keys::kAny, depth};
}

}  // namespace

bool Machine::order_by(Order how, Node elements, std::span<const Node> keys, Node& out) {
  const std::size_t count = elements.length;
  if (!room(count * sizeof(Entry) * 3)) return false;
  std::vector<Entry> entries(count);
  for (std::size_t i = 0; i < count; ++i) entries[i] = {keys[i], elements.elements[i]};
  const Keys all = prepare(entries);
  bool well = true;
  if (how == Order::kMin || how == Order::kMax) {
    out = Node{};
    std::size_t best = 0;
    for (std::size_t i = 1; i < count; ++i) {
      int order = 0;
      if (!compare_at(entries[i].key, entries[best].key, all.depth, order)) return false;
      if (how == Order::kMin ? order < 0 : order >= 0) best = i;
    }
    if (count != 0) out = entries[best].value;
    return spend(count);
  }
  const auto sort_with = [&](auto&& less) {
    std::stable_sort(entries.begin(), entries.end(),
                     [&](const Entry& a, const Entry& b) { return less(a.key, b.key); });
  };
  switch (all.kind) {
    case Keys::kIntegers: sort_with([](const Node& a, const Node& b) { return a.integer < b.integer; }); break;
    case Keys::kTexts: sort_with([](const Node& a, const Node& b) { return a.view() < b.view(); }); break;
    case Keys::kAny:
      sort_with([&](const Node& a, const Node& b) {
        int order = 0;
        // After a failure any answer that is an order will do: "all are equal" is one.
        if (well && !compare_at(a, b, all.depth, order)) well = false;
        return well && order < 0;
      });
  }
  if (!well || !spend(count)) return false;
  Collector result(arena_), group(arena_);
  Collector* const into = how == Order::kGroup ? &group : &result;
  for (std::size_t i = 0; i < count; ++i) {
    bool same = false;
    if (how != Order::kSort && i != 0 && !equal_at(entries[i - 1].key, entries[i].key, all.depth, same)) return false;
    if (how == Order::kGroup && !same && i != 0) {
      result.push(array({group.data(), group.size()}));
      group.clear();
    }
    if (how == Order::kUnique && same) continue;
    into->push(entries[i].value);
  }
  if (how == Order::kGroup && count != 0) result.push(array({group.data(), group.size()}));
  out = result.array();
  return true;
}

}  // namespace tieline::json::jq
