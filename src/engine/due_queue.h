// When which run is to be looked at again: retries, and the end of a held run's patience. It must never be asked for
// more than it was told: an entry that no longer holds is for its reader to pass over.
#pragma once

#include <queue>
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
    friend bool operator>(const Entry& a, const Entry& b) { return a.at != b.at ? a.at > b.at : a.run > b.run; }
  };

  void push(Time at, RunId run) {
    if (at == Time::max()) return;
    if (queue_.empty() || at < queue_.top().at) changed_.notify_all();
    queue_.push(Entry{at, run});
  }
  // Those due at `now`, earliest first.
  std::vector<Entry> take(Time now) {
    std::vector<Entry> due;
    for (; !queue_.empty() && queue_.top().at <= now; queue_.pop()) due.push_back(queue_.top());
    return due;
  }
  Time next() const { return queue_.empty() ? Time::max() : queue_.top().at; }
  // Notified when next() has become earlier, and by whoever else moves the timer.
  Signal& changed() { return changed_; }

 private:
  std::priority_queue<Entry, std::vector<Entry>, std::greater<>> queue_;
  Signal changed_;
};

}  // namespace tieline::engine
