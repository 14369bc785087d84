// A flow's cursor as ranges: which events need nothing more from the flow. It must never forget a settled position, nor
// invent one.
#pragma once

#include <string_view>
#include <vector>

#include "core/journal.h"

namespace tieline::store {

class Cursor {
 public:
  Cursor() = default;
  explicit Cursor(Position floor) : floor_(floor.value) {}

  // False when it was settled already.
  bool settle(Position position);
  // Takes it back; false when it was not settled.
  bool unsettle(Position position);
  // Every position up to `floor` is settled (the log begins after it).
  void settle_up_to(Position floor);
  // What is settled in the other is settled here, too.
  void settle_all(const Cursor& other);

  bool settled(Position position) const;
  Position floor() const { return Position(floor_); }
  FlowCursor list() const;
  std::size_t ranges() const { return ranges_.size(); }
  // The last position that is settled.
  Position reach() const { return Position(ranges_.empty() ? floor_ : ranges_.back().last); }

  // The ranges above the floor as pairs of varints: the gap since the end of the range before, and the length less one.
  Bytes encode() const;
  // kCorrupt when `ranges` is not what encode() gave.
  static Result<Cursor> decode(Position floor, std::string_view ranges);

  friend bool operator==(const Cursor&, const Cursor&) = default;

 private:
  struct Range {
    std::uint64_t first, last;
    friend bool operator==(const Range&, const Range&) = default;
  };
  void absorb();

  std::uint64_t floor_ = 0;
  std::vector<Range> ranges_;  // ascending, apart by at least one position, all above floor_ + 1
};

}  // namespace tieline::store
