// When which run is to be looked at again: retries, and the end of a held run's patience. It must never be asked for
// more than it was told: an entry that no longer holds is for its reader to pass over, and goes when many have piled
// up.
#pragma once

#include <algorithm>
#include <cstddef>
#include <functional>
#include <utility>
#include <vector>

#include "async/clock.h"
#include "async/sync.h"
#include "core/journal.h"

namespace tieline::engine {

// One thread only.
class DueQueue {
 public:
  struct Entry {
    Time at;
    RunId run;
  };
  // Besides twice as many as hold.
  static constexpr std::size_t kStaleMax = 4'096;

  // Whether an entry holds still; without it none ever goes before its moment.
  void ask(std::function<bool(const Entry&)> holds) { holds_ = std::move(holds); }
  std::size_t size() const { return by_wall_.size() + by_steady_.size(); }

  // Due when the wall clock says `at`; and once as much time has passed as is left now, whatever the wall clock says by
  // then: set back by an hour, it would keep every retry waiting for an hour.
  void push(Time at, RunId run, const Clock& clock) {
    if (at == Time::max()) return;
    const Instant latest = clock.instant() + std::max(Duration(at - clock.now()), Duration(0));
    // One of the two may hold what the other gave already.
    const bool earlier =
        by_wall_.empty() || at < by_wall_.top().at || by_steady_.empty() || latest < by_steady_.top().at;
    if (earlier) changed_.notify_all();
    by_wall_.push({at, Entry{at, run}});
    by_steady_.push({latest, Entry{at, run}});
    if (holds_ && size() > sweep_above_) sweep();
  }
  // Those due now; each may be given a second time later.
  std::vector<Entry> take(const Clock& clock) {
    std::vector<Entry> due;
    take_until(by_wall_, clock.now(), due);
    take_until(by_steady_, clock.instant(), due);
    return due;
  }
  // When to look again, if the wall clock does not jump; max() when there is nothing.
  Instant next(const Clock& clock) const {
    if (by_wall_.empty()) return by_steady_.empty() ? Instant::max() : by_steady_.top().at;
    const Instant by_wall = clock.instant() + std::max(Duration(by_wall_.top().at - clock.now()), Duration(0));
    return by_steady_.empty() ? by_wall : std::min(by_wall, by_steady_.top().at);
  }
  // Notified when next() has become earlier, and by whoever else moves the timer.
  Signal& changed() { return changed_; }

 private:
  template <class When>
  struct Item {
    When at;
    Entry entry;
    friend bool operator>(const Item& a, const Item& b) {
      return a.at != b.at ? a.at > b.at : a.entry.run > b.entry.run;
    }
  };
  // A heap: the earliest first.
  template <class When>
  class Queue {
   public:
    bool empty() const { return items_.empty(); }
    std::size_t size() const { return items_.size(); }
    const Item<When>& top() const { return items_.front(); }
    void push(Item<When> item) {
      items_.push_back(std::move(item));
      std::push_heap(items_.begin(), items_.end(), std::greater<>());
    }
    void pop() {
      std::pop_heap(items_.begin(), items_.end(), std::greater<>());
      items_.pop_back();
    }
    template <class Holds>
    void keep(const Holds& holds) {
      std::erase_if(items_, [&](const Item<When>& item) { return !holds(item.entry); });
      std::make_heap(items_.begin(), items_.end(), std::greater<>());
    }

   private:
    std::vector<Item<When>> items_;
  };

  // Those of waits that were cancelled, answered or let go.
  void sweep() {
    by_wall_.keep(holds_);
    by_steady_.keep(holds_);
    sweep_above_ = 2 * size() + kStaleMax;
  }
  template <class When>
  static void take_until(Queue<When>& queue, When now, std::vector<Entry>& due) {
    for (; !queue.empty() && queue.top().at <= now; queue.pop()) due.push_back(queue.top().entry);
  }

  Queue<Time> by_wall_;
  Queue<Instant> by_steady_;
  std::function<bool(const Entry&)> holds_;
  std::size_t sweep_above_ = kStaleMax;
  Signal changed_;
};

}  // namespace tieline::engine
