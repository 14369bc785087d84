#include "engine/budget.h"

#include <algorithm>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <cmath>

#include "async/waiter.h"
#include "base/check.h"

namespace tieline::engine {
namespace {
constexpr Duration kLimitedFirst{1'000'000};
constexpr Duration kLimitedMax{60'000'000};
}  // namespace

struct Budget::State {
  Bucket limit;
  std::uint32_t in_flight = 0;
  std::deque<Instant> ended;  // kRolling: when calls of the last window ended
  std::int64_t period = 0;    // kFixed: the window that `spent` belongs to
  double spent = 0;           // kFixed: ended in this window; kRestore: the level, as of `as_of`
  Instant as_of{};
  Instant shut_until{};
  bool slowed = false;             // after a limit only one call at a time, until one is served
  std::uint64_t slowed_order = 0;  // permits given before this prove nothing
  std::uint32_t strikes = 0;
  std::deque<Node*> queue;
};

struct Budget::Node {
  std::vector<State*> buckets;
  Waiter waiter;
  enum class Is : std::uint8_t { kWaiting, kGranted, kRefused } is = Is::kWaiting;
};

Budget::Budget(Clock& clock, std::uint64_t seed, std::vector<Bucket> buckets)
    : clock_(clock), prng_(seed), wall_offset_(clock.now().time_since_epoch() - clock.instant().time_since_epoch()) {
  find("");
  set_buckets(std::move(buckets));
}

Budget::~Budget() {
  for (const auto& state : buckets_) CHECK(state->queue.empty() && state->in_flight == 0);
}

Budget::State& Budget::find(const std::string& name) {
  for (const auto& state : buckets_) {
    if (state->limit.name == name) return *state;
  }
  buckets_.push_back(std::make_unique<State>());
  buckets_.back()->limit.name = name;
  buckets_.back()->as_of = clock_.instant();
  return *buckets_.back();
}

void Budget::configure(State& state, const Bucket& bucket) {
  prune(state);
  // What was spent under other rules counts as spent now: never less than the truth.
  const double spent =
      state.limit.kind == Bucket::Kind::kRolling ? static_cast<double>(state.ended.size()) : state.spent;
  const bool same = state.limit.kind == bucket.kind && state.limit.window == bucket.window;
  state.limit = bucket;
  if (same) return;
  state.as_of = clock_.instant();
  state.ended.clear();
  if (bucket.kind == Bucket::Kind::kRolling && bucket.count > 0)
    state.ended.assign(static_cast<std::size_t>(std::ceil(spent)), state.as_of);
  state.spent = spent;
  prune(state);
}

void Budget::set_buckets(std::vector<Bucket> buckets) {
  for (const auto& state : buckets_) {
    const bool kept = std::any_of(buckets.begin(), buckets.end(),
                                  [&](const Bucket& bucket) { return bucket.name == state->limit.name; });
    if (kept) continue;
    Bucket open;
    open.name = state->limit.name;
    configure(*state, open);
  }
  for (const Bucket& bucket : buckets) configure(find(bucket.name), bucket);
  std::vector<State*> all;
  for (const auto& state : buckets_) all.push_back(state.get());
  grant_from(std::move(all));
  changed_.notify_all();
}

// Brings the state to the present moment.
void Budget::prune(State& state) const {
  const Instant now = clock_.instant();
  if (state.limit.count <= 0 || state.limit.window.count() <= 0) return;
  switch (state.limit.kind) {
    case Bucket::Kind::kRolling:
      while (!state.ended.empty() && state.ended.front() + state.limit.window <= now) state.ended.pop_front();
      return;
    case Bucket::Kind::kFixed: {
      const std::int64_t period = (now.time_since_epoch() + wall_offset_) / state.limit.window;
      if (period != state.period) state.spent = 0;
      state.period = period;
      return;
    }
    case Bucket::Kind::kRestore: {
      const double restored = state.limit.count * static_cast<double>((now - state.as_of).count()) /
                              static_cast<double>(state.limit.window.count());
      state.spent = std::max(0.0, state.spent - restored);
      state.as_of = now;
      return;
    }
  }
}

bool Budget::has_room(State& state) const {
  if (state.shut_until > clock_.instant()) return false;
  if (state.slowed && state.in_flight > 0) return false;
  if (state.limit.concurrent != 0 && state.in_flight >= state.limit.concurrent) return false;
  if (state.limit.count <= 0) return true;
  prune(state);
  const double used =
      state.limit.kind == Bucket::Kind::kRolling ? static_cast<double>(state.ended.size()) : state.spent;
  return used + state.in_flight + 1 <= std::max(1.0, state.limit.count) + 1e-9;
}

// When time alone gives room; nothing when a call has to end first.
std::optional<Instant> Budget::opens(State& state) const {
  if (state.shut_until > clock_.instant()) return state.shut_until;
  if (state.slowed && state.in_flight > 0) return std::nullopt;
  if (state.limit.concurrent != 0 && state.in_flight >= state.limit.concurrent) return std::nullopt;
  if (has_room(state)) return clock_.instant();
  const double count = std::max(1.0, state.limit.count);
  if (state.in_flight + 1 > count) return std::nullopt;
  switch (state.limit.kind) {
    case Bucket::Kind::kRolling: {
      // As many must leave the window as are too many: after a change of limits that may be more than one.
      const auto excess =
          static_cast<std::size_t>(std::ceil(static_cast<double>(state.ended.size()) + state.in_flight + 1 - count));
      return state.ended[std::min(excess, state.ended.size()) - 1] + state.limit.window;
    }
    case Bucket::Kind::kFixed: return Instant((state.period + 1) * state.limit.window - wall_offset_);
    case Bucket::Kind::kRestore: {
      const double excess = state.spent + state.in_flight + 1 - count;
      const double us = excess * static_cast<double>(state.limit.window.count()) / state.limit.count;
      return state.as_of + Duration(static_cast<std::int64_t>(std::ceil(us)));
    }
  }
  return std::nullopt;
}

// A head waits for all of its buckets: the last one to open decides. Never, where a call has to end first.
Instant Budget::opens(const Node& node) const {
  Instant last = clock_.instant();
  for (State* state : node.buckets) {
    const auto at = state->queue.front() == &node ? opens(*state) : std::nullopt;
    last = at ? std::max(last, *at) : Instant::max();
  }
  return last;
}

bool Budget::grantable(const Node& node) const {
  return std::all_of(node.buckets.begin(), node.buckets.end(),
                     [&](State* state) { return state->queue.front() == &node && has_room(*state); });
}

void Budget::take(const std::vector<State*>& buckets) {
  for (State* state : buckets) ++state->in_flight;
}

// Wakes heads of these queues, and of whichever queues that moves, for as long as any has room.
void Budget::grant_from(std::vector<State*> buckets) {
  while (!buckets.empty()) {
    State* state = buckets.back();
    if (state->queue.empty() || !grantable(*state->queue.front())) {
      buckets.pop_back();
      continue;
    }
    Node& node = *state->queue.front();
    for (State* other : node.buckets) {
      other->queue.pop_front();
      if (other != state) buckets.push_back(other);
    }
    take(node.buckets);
    node.is = Node::Is::kGranted;
    node.waiter.wake();
  }
}

void Budget::leave(Node& node) {
  for (State* state : node.buckets) std::erase(state->queue, &node);
  grant_from(node.buckets);
}

namespace {

asio::awaitable<void> wait_until(Waiter& waiter, Clock& clock, Deadline deadline) {
  if (deadline.at == Instant::max()) {
    co_await waiter.wait();
    co_return;
  }
  using asio::experimental::awaitable_operators::operator||;
  std::exception_ptr failed;
  try {
    auto either = waiter.wait() || clock.sleep_until(deadline.at);
    (void)co_await std::move(either);
    co_return;
  } catch (const asio::multiple_exceptions& both) {
    failed = both.first_exception();  // cancelled: callers know only that exception
  }
  std::rethrow_exception(failed);
}

}  // namespace

asio::awaitable<std::optional<Budget::Permit>> Budget::acquire(std::vector<std::string> names, Deadline deadline) {
  Node node;
  for (const std::string& name : names) {
    State& state = find(name);
    if (std::find(node.buckets.begin(), node.buckets.end(), &state) == node.buckets.end())
      node.buckets.push_back(&state);
  }
  if (node.buckets.empty()) node.buckets.push_back(&find(""));
  const bool free = std::all_of(node.buckets.begin(), node.buckets.end(),
                                [&](State* state) { return state->queue.empty() && has_room(*state); });
  if (free) {
    take(node.buckets);
  } else {
    if (refusing_) co_return std::nullopt;
    struct Leave {  // a cancelled waiter gives its place, or its grant, to the next
      Budget& budget;
      Node& node;
      bool done = false;
      ~Leave() {
        if (done) return;
        if (node.is == Node::Is::kGranted) {
          Permit permit(&budget, node.buckets);
          permit.unused();
        } else if (node.is == Node::Is::kWaiting) {
          budget.leave(node);
        }
      }
    } leave_on_unwind{*this, node};
    for (State* state : node.buckets) state->queue.push_back(&node);
    if (opens(node) < planned_) changed_.notify_all();
    co_await wait_until(node.waiter, clock_, deadline);
    if (node.is != Node::Is::kGranted) co_return std::nullopt;
    leave_on_unwind.done = true;
  }
  std::optional<Permit> permit;
  permit.emplace(Permit(this, std::move(node.buckets)));
  co_return permit;
}

asio::awaitable<void> Budget::run() {
  while (true) {
    planned_ = Instant::max();
    for (const auto& state : buckets_) {
      if (!state->queue.empty()) planned_ = std::min(planned_, opens(*state->queue.front()));
    }
    if (planned_ <= clock_.instant()) {
      std::vector<State*> all;
      for (const auto& state : buckets_) all.push_back(state.get());
      grant_from(std::move(all));
      continue;
    }
    Deadline deadline;
    deadline.at = planned_;
    co_await changed_.wait(clock_, deadline);
  }
}

void Budget::refuse_waiters() {
  refusing_ = true;
  for (const auto& state : buckets_) {
    while (!state->queue.empty()) {
      Node& node = *state->queue.front();
      for (State* other : node.buckets) std::erase(other->queue, &node);
      node.is = Node::Is::kRefused;
      node.waiter.wake();
    }
  }
}

std::vector<BucketSnapshot> Budget::snapshot() const {
  std::vector<BucketSnapshot> out;
  for (const auto& state : buckets_) {
    prune(*state);
    BucketSnapshot bucket;
    bucket.name = state->limit.name;
    bucket.count = state->limit.count;
    bucket.window = state->limit.window;
    bucket.concurrent = state->limit.concurrent;
    bucket.in_flight = state->in_flight;
    bucket.waiting = state->queue.size();
    bucket.used = state->in_flight;
    if (state->limit.count > 0)
      bucket.used +=
          state->limit.kind == Bucket::Kind::kRolling ? static_cast<double>(state->ended.size()) : state->spent;
    bucket.blocked = std::max(Duration(0), Duration(state->shut_until - clock_.instant()));
    out.push_back(std::move(bucket));
  }
  return out;
}

Budget::Permit::Permit(Budget* budget, std::vector<State*> buckets)
    : budget_(budget), buckets_(std::move(buckets)), order_(++budget->permits_) {}

Budget::Permit::Permit(Permit&& other) noexcept
    : budget_(std::exchange(other.budget_, nullptr)),
      buckets_(std::move(other.buckets_)),
      order_(other.order_),
      sent_(other.sent_) {}

Budget::Permit& Budget::Permit::operator=(Permit&& other) noexcept {
  if (this != &other) {
    end();
    budget_ = std::exchange(other.budget_, nullptr);
    buckets_ = std::move(other.buckets_);
    order_ = other.order_;
    sent_ = other.sent_;
  }
  return *this;
}

Budget::Permit::~Permit() { end(); }

void Budget::Permit::unused() {
  sent_ = false;
  end();
}

void Budget::Permit::end() {
  if (budget_ == nullptr) return;
  Budget& budget = *std::exchange(budget_, nullptr);
  for (State* state : buckets_) {
    CHECK(state->in_flight > 0);
    if (sent_ && state->limit.count > 0) {
      budget.prune(*state);
      if (state->limit.kind == Bucket::Kind::kRolling) {
        state->ended.push_back(budget.clock_.instant());
      } else {
        state->spent += 1;
      }
    }
    --state->in_flight;
  }
  budget.grant_from(buckets_);
  // The timer is woken only where it would now wake too late: most calls end with nobody waiting.
  for (State* state : buckets_) {
    if (!state->queue.empty() && budget.opens(*state->queue.front()) < budget.planned_) budget.changed_.notify_all();
  }
}

bool Budget::Permit::shut() const {
  CHECK(budget_ != nullptr);
  const Instant now = budget_->clock_.instant();
  return std::any_of(buckets_.begin(), buckets_.end(), [&](const State* state) { return state->shut_until > now; });
}

Duration Budget::Permit::limited(std::optional<Duration> wait, std::string_view bucket) {
  CHECK(budget_ != nullptr);
  Budget& budget = *budget_;
  std::vector<State*> named;
  for (State* state : buckets_) {
    if (state->limit.name == bucket) named.push_back(state);
  }
  // A bucket that the call does not spend would not keep it from coming again at once.
  if (named.empty()) named = buckets_;
  Duration longest{0};
  for (State* state : named) {
    // Answers to calls that left before the bucket was slowed are the same event, not one more.
    if (!state->slowed || order_ > state->slowed_order) state->strikes = std::min(state->strikes + 1, 16u);
    const Duration cap = std::min(kLimitedMax, kLimitedFirst * (std::int64_t{1} << (state->strikes - 1)));
    const Duration backoff =
        cap / 2 +
        Duration(static_cast<std::int64_t>(budget.prng_.below(static_cast<std::uint64_t>(cap.count() / 2 + 1))));
    const Duration shut = std::max(backoff, wait.value_or(Duration(0)));
    state->shut_until = std::max(state->shut_until, budget.clock_.instant() + shut);
    state->slowed = true;
    state->slowed_order = budget.permits_;
    longest = std::max(longest, Duration(state->shut_until - budget.clock_.instant()));
  }
  budget.changed_.notify_all();
  return longest;
}

void Budget::Permit::served() {
  CHECK(budget_ != nullptr);
  for (State* state : buckets_) {
    if (!state->slowed || order_ <= state->slowed_order) continue;
    state->slowed = false;
    state->strikes = 0;
  }
}

}  // namespace tieline::engine
