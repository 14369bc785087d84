// Numbers of events or records that were lost: each is counted once, however often it is met. It must never grow with
// what is lost, but with the places where it is.
#pragma once

#include "store/cursor.h"

namespace tieline::store {

// Ranges that are remembered, of 16 bytes. A page holds a few dozen rows: so many are a store that is beyond help. What
// is beyond them is counted each time that it is met.
inline constexpr std::size_t kLossRangesMax = 65536;

class Losses {
 public:
  // False when it was known.
  bool add(std::uint64_t number) {
    const bool fresh =
        known_.ranges() < kLossRangesMax ? known_.settle(Position(number)) : !known_.settled(Position(number));
    count_ += fresh;
    return fresh;
  }
  std::uint64_t size() const { return count_; }
  // What is lost is settled for it.
  void settle(Cursor& cursor) const { cursor.settle_all(known_); }

 private:
  Cursor known_;
  std::uint64_t count_ = 0;
};

}  // namespace tieline::store
