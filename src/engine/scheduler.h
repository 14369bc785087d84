// Appends an event when a flow's schedule comes. It must never append one for a moment twice, nor forget one that came
// while nothing ran.
//
// Of each schedule the last moment that was dealt with is kept in the store; the event of a moment has the moment as
// its id, so that a crash between the two appends nothing anew.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/shard.h"

namespace tieline::engine {

inline constexpr std::string_view kScheduleBucket = "schedule";

class Scheduler {
 public:
  // `shard` must outlive it.
  explicit Scheduler(Shard& shard) : shard_(shard) {}

  // The schedules of these flows from now on. One that is new, or another than its flow had before, begins now.
  void configure(const std::vector<FlowPtr>& flows);
  // Never returns; the errors of the store are counted in the shard, and it tries again. Spawn it once.
  asio::awaitable<void> run();
  // When the flow's next schedule comes, as far as that is known.
  std::optional<Time> next(std::string_view flow) const;

 private:
  struct Entry {
    FlowPtr flow;
    const ScheduleTrigger* trigger;  // of the flow
    std::string key;
    std::optional<Time> last;  // dealt with up to here; nothing: the store was not asked yet
    std::uint64_t revision = 0;
    Time next = Time::min();
  };
  Async<void> recall(Entry& entry);
  Async<void> remember(Entry& entry);
  Async<void> come(Entry& entry);
  Instant wake() const;

  Shard& shard_;
  std::vector<std::shared_ptr<Entry>> entries_;
  Signal changed_;
};

}  // namespace tieline::engine
