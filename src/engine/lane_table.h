// The lanes of one flow: which runs of one key wait behind which. It must never let two runs of a lane be at its head.
#pragma once

#include <cstdint>
#include <unordered_map>
#include <utility>
#include <vector>

#include "core/event.h"

namespace tieline::engine {

// Lane 0 is not kept: a run without a key has a lane of its own.
class LaneTable {
 public:
  // At the end; events are taken in order. True when it is at the head.
  bool push(std::uint64_t lane, Position run);
  // Where its position belongs, however late it is found: only before anything of the lane has started.
  void insert(std::uint64_t lane, Position run);
  // Where its position belongs, while nothing of the lane is at work.
  void rejoin(std::uint64_t lane, Position run);
  // Puts a run of the lane to its head, before anything of the lane has started and after all are inserted.
  void lead(std::uint64_t lane, Position run);
  // Where its position belongs behind the head, which may have begun: it is never displaced.
  void place(std::uint64_t lane, Position run);
  bool is_head(std::uint64_t lane, Position run) const { return head(lane) == run; }
  Position head(std::uint64_t lane) const;  // 0 when the lane is empty
  bool contains(std::uint64_t lane, Position run) const;
  Position last(std::uint64_t lane) const;  // 0 when the lane is empty
  // Takes the head off and returns the next one, or 0.
  Position pop(std::uint64_t lane);
  // Takes one that is not the head out of the middle.
  void erase(std::uint64_t lane, Position run);
  // Those behind the head, in order.
  std::vector<Position> followers(std::uint64_t lane) const;
  // The head of every lane.
  std::vector<std::pair<std::uint64_t, Position>> heads() const;
  std::size_t size() const { return lanes_.size(); }

 private:
  // Most lanes hold one run, so that the vector is one small block; the front moves by an index, and closes up when
  // half of it is empty.
  struct Lane {
    std::vector<Position> runs;
    std::size_t first = 0;
  };
  std::unordered_map<std::uint64_t, Lane> lanes_;
};

}  // namespace tieline::engine
