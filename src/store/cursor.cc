#include "store/cursor.h"

#include <algorithm>

#include "store/codec.h"

namespace tieline::store {

bool Cursor::settle(Position position) {
  const std::uint64_t p = position.value;
  if (p <= floor_) return false;
  // The first range that ends at p - 1 or later: the only one that can hold p or touch it from below.
  const auto at = std::partition_point(ranges_.begin(), ranges_.end(), [p](const Range& r) { return r.last + 1 < p; });
  if (at == ranges_.end() || at->first > p + 1) {
    ranges_.insert(at, Range{p, p});
  } else if (at->first == p + 1) {
    at->first = p;
  } else if (at->last + 1 == p) {
    at->last = p;
    const auto next = at + 1;
    if (next != ranges_.end() && next->first == p + 1) {
      at->last = next->last;
      ranges_.erase(next);
    }
  } else {
    return false;
  }
  absorb();
  return true;
}

bool Cursor::unsettle(Position position) {
  const std::uint64_t p = position.value;
  if (p == 0 || !settled(position)) return false;
  if (p <= floor_) {
    if (p < floor_) ranges_.insert(ranges_.begin(), Range{p + 1, floor_});
    floor_ = p - 1;
    return true;
  }
  const auto at = std::partition_point(ranges_.begin(), ranges_.end(), [p](const Range& r) { return r.last < p; });
  const Range whole = *at;
  const auto rest = ranges_.erase(at);
  const auto behind = p < whole.last ? ranges_.insert(rest, Range{p + 1, whole.last}) : rest;
  if (whole.first < p) ranges_.insert(behind, Range{whole.first, p - 1});
  return true;
}

void Cursor::settle_up_to(Position floor) {
  if (floor.value <= floor_) return;
  floor_ = floor.value;
  absorb();
}

void Cursor::settle_all(const Cursor& other) {
  settle_up_to(other.floor());
  for (const Range& range : other.ranges_) {
    for (std::uint64_t p = range.first; p <= range.last; ++p) settle(Position(p));
  }
}

void Cursor::absorb() {
  auto at = ranges_.begin();
  while (at != ranges_.end() && at->first <= floor_ + 1) {
    floor_ = std::max(floor_, at->last);
    ++at;
  }
  ranges_.erase(ranges_.begin(), at);
}

bool Cursor::settled(Position position) const {
  const std::uint64_t p = position.value;
  if (p <= floor_) return true;
  const auto at = std::partition_point(ranges_.begin(), ranges_.end(), [p](const Range& r) { return r.last < p; });
  return at != ranges_.end() && at->first <= p;
}

FlowCursor Cursor::list() const {
  FlowCursor out{Position(floor_), {}};
  for (const Range& range : ranges_) {
    for (std::uint64_t p = range.first; p <= range.last; ++p) out.settled.emplace_back(p);
  }
  return out;
}

Bytes Cursor::encode() const {
  Bytes out;
  std::uint64_t end = floor_;
  for (const Range& range : ranges_) {
    put_varint(out, range.first - end);
    put_varint(out, range.last - range.first);
    end = range.last;
  }
  return out;
}

Result<Cursor> Cursor::decode(Position floor, std::string_view ranges) {
  Cursor out(floor);
  Reader reader(ranges);
  std::uint64_t end = floor.value;
  while (!reader.at_end()) {
    const std::uint64_t first = end + reader.varint();
    const std::uint64_t last = first + reader.varint();
    if (!reader.ok() || first <= end || last < first)
      return failure(Code::kCorrupt, "a cursor's ranges are not ascending");
    out.ranges_.push_back({first, last});
    end = last;
  }
  out.absorb();
  return out;
}

}  // namespace tieline::store
