// What one connection may spend at its vendor: named buckets, waiters in order. It must never let one call more through
// than a bucket allows, wherever in its flight the vendor counts it.
//
// A call counts against a bucket from the moment it gets its permit, and its window begins only when its exchange has
// ended: the vendor saw it at some moment between the two, so that no window of the vendor's holds more than the
// bucket's count, however long a request was under way. The price is a rate lower by latency/window.
//
// Where a budget survives its process, what may be spent is written ahead: see remember().
//
// A bucket that counts for each value of an argument has a counter for each key. Counters that hold nothing are
// forgotten; where more than kCountersMax are in use, further keys share one, which is never too little.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "async/clock.h"
#include "async/sync.h"
#include "base/prng.h"
#include "core/connector.h"
#include "engine/engine.h"

namespace tieline::engine {

inline constexpr std::size_t kCountersMax = 4'096;     // of one bucket
inline constexpr std::size_t kEndedMax = 512;          // moments that a rolling window remembers at most
inline constexpr Duration kForecastFrom{600'000'000};  // shorter windows are over before a forecast would be read
// A window up to this long is not made durable: after a process that ended without a word its bucket begins full, so
// that the first call waits for the whole window, in which whatever that process had sent leaves the vendor's window.
inline constexpr Duration kUnrecordedWindow{2'000'000};
inline constexpr std::uint32_t kRampMax = 1'024;  // calls at once; a ramp that has come so far limits nothing any more

// One thread only.
class Budget {
 public:
  Budget(Clock& clock, std::uint64_t seed, std::vector<Bucket> buckets);
  ~Budget();
  Budget(const Budget&) = delete;
  Budget& operator=(const Budget&) = delete;

  // New limits for buckets of the same name, which keep what was spent; those that are gone limit nothing.
  void set_buckets(std::vector<Bucket> buckets);

  struct State;
  struct Part {
    State* state;
    double amount;
    double ended_before;  // what the counter had seen ended when the permit was given
    State* bucket;        // the counter's, or itself
  };
  // The right to send one request. Ends its part in the buckets when it dies.
  class Permit {
   public:
    Permit() = default;
    Permit(Permit&& other) noexcept;
    Permit& operator=(Permit&& other) noexcept;
    ~Permit();
    // Nothing was sent: gives the units back.
    void unused();
    // The vendor has shut one of its buckets since the permit was given.
    bool shut() const;
    // The vendor turned it away for its limits: shuts its buckets, or of them only `bucket` where the vendor names one,
    // for `wait`, and at least for a while that doubles with every such answer in a row: a vendor that asks for no wait
    // and goes on refusing must not be called in a loop. Returns how long they are shut.
    Duration limited(std::optional<Duration> wait, std::string_view bucket = {});
    // The vendor served it: buckets that a limit had slowed down open fully again.
    void served();
    // What its answer says of its counters; takes effect when the permit ends. A vendor's count is correct but for
    // calls that ended since this one was let go: those are added to it.
    void observed(std::vector<BudgetReading> readings);

   private:
    friend class Budget;
    Permit(Budget* budget, std::vector<Part> parts);
    void end();
    Budget* budget_ = nullptr;
    std::vector<Part> parts_;
    std::vector<BudgetReading> readings_;
    std::uint64_t order_ = 0;
    bool sent_ = true;
  };

  // Waits until all of its counters have room; unknown names have no limit. Of those who wait, a priority's share is
  // 16 : 4 : 1 as long as each has somebody, first come first served within it: the high ones go first, and no low one
  // waits for ever. More than a bucket holds waits for a full one. Nothing when the deadline came first, or
  // refuse_waiters was called. The empty list means the connection's unnamed bucket, which only the vendor shuts.
  asio::awaitable<std::optional<Permit>> acquire(std::vector<Spend> spends, Deadline deadline = Deadline::never(),
                                                 Priority priority = Priority::kNormal);
  std::size_t waiting() const { return waiting_; }

  // At most so many calls at once, whatever the buckets allow; 0: no such limit.
  void ramp(std::uint32_t at_once);

  // What must survive this process (budget_record.cc). Once told whom to tell, it grants nothing in a longer window
  // that is not covered by a durable record: `wanted` is called when one is to be written, and must only take note.
  void remember(std::function<void()> wanted);
  // What is spent, and a lease of what may be spent next. With `clean`: exactly, as nothing follows.
  Bytes record(bool clean);
  // The last record() is durable.
  void recorded();
  // What an earlier process left; once, before the first call. Without a clean end its last lease counts as spent.
  void restore(const json::Document& record);

  // Grants what time alone makes free; never returns. Spawn it once for as long as the budget lives.
  asio::awaitable<void> run();
  // From now on nobody waits: those who do, and those who would have to, get nothing.
  void refuse_waiters();

  std::vector<BucketSnapshot> snapshot() const;

 private:
  struct Node;
  State& find(const std::string& name);
  State& find(const Spend& spend);
  std::vector<State*> all() const;
  void configure(State& state, const Bucket& bucket);
  void prune(State& state) const;
  bool has_room(State& state, double amount) const;
  bool has_room(const std::vector<Part>& parts) const;
  bool stopped() const { return !open_ || (ramp_ != 0 && in_flight_ >= ramp_); }
  std::int64_t period_at(State& state, Instant now) const;
  Instant period_end(State& state) const;
  double rate_now(const State& state) const;
  std::optional<Instant> ends(State& state) const;
  void tell_end(State& state, Duration left) const;
  void lease(State& state) const;
  void want_record();
  void needs_record();
  void enqueue(Node& node, Priority priority);
  std::optional<Instant> opens(State& state, double amount) const;
  Instant opens(const Node& node) const;
  bool grantable(const Node& node) const;
  void take(std::vector<Part>& parts);
  void spend(State& state, double amount) const;
  void correct(State& state, const BudgetReading& reading, double ended_since) const;
  void grant_from(std::vector<State*> states);
  void leave(Node& node);
  void forget_idle(State& bucket) const;

  Clock& clock_;
  Prng prng_;
  const Duration wall_offset_;  // wall time at instant 0, once: fixed windows must not move when the wall clock jumps
  std::vector<std::unique_ptr<State>> buckets_;
  Signal changed_;
  Instant planned_ = Instant::max();  // when run() looks again
  std::uint64_t permits_ = 0;
  std::size_t waiting_ = 0;
  std::uint32_t ramp_ = 0, in_flight_ = 0;
  double now_tag_ = 0;
  std::array<double, kPriorities> last_tag_{};
  std::function<void()> wanted_;
  bool open_ = true;  // false: nothing durable says yet that this process spends
  bool recorded_ = false;
  bool wanting_ = false;               // a record is asked for and not made
  std::optional<Instant> keyed_full_;  // an earlier process spent keyed counters at last before this moment
  bool refusing_ = false;
};

}  // namespace tieline::engine
