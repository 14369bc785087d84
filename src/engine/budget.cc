#include "engine/budget.h"

#include <algorithm>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <cmath>

#include "base/check.h"
#include "engine/budget_counter.h"

namespace tieline::engine {
namespace {
constexpr Duration kLimitedFirst{1'000'000};
constexpr Duration kLimitedMax{60'000'000};
// What one call of a priority moves its turn on: the less, the larger its share.
constexpr std::array<double, kPriorities> kStep{1.0, 4.0, 16.0};
}  // namespace

Budget::Budget(Clock& clock, std::uint64_t seed, std::vector<Bucket> buckets)
    : clock_(clock), prng_(seed), wall_offset_(clock.now().time_since_epoch() - clock.instant().time_since_epoch()) {
  find("");
  set_buckets(std::move(buckets));
}

Budget::~Budget() {
  for (const State* state : all()) CHECK(state->queue.empty() && state->in_flight == 0);
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

Budget::State& Budget::find(const Spend& spend) {
  State& bucket = find(spend.bucket);
  if (spend.key.empty()) return bucket;
  const auto known = bucket.keyed.find(spend.key);
  if (known != bucket.keyed.end()) return *known->second;
  if (bucket.keyed.size() >= kCountersMax) return bucket;
  auto& made = bucket.keyed[spend.key];
  made = std::make_unique<State>();
  made->limit = bucket.limit;
  made->as_of = clock_.instant();
  made->bucket = &bucket;
  made->key = spend.key;
  if (keyed_full_ && bucket.limited()) {
    // An earlier process may have spent it: as if all of it, until then.
    prune(*made);
    if (bucket.limit.kind == Bucket::Kind::kRolling) {
      made->push(*keyed_full_, bucket.limit.count);
    } else if (bucket.limit.kind == Bucket::Kind::kRestore || period_at(*made, *keyed_full_) == made->period) {
      made->spent = bucket.limit.count;
      made->as_of = *keyed_full_;
    }
    prune(*made);
  }
  return *made;
}

std::vector<Budget::State*> Budget::all() const {
  std::vector<State*> out;
  for (const auto& bucket : buckets_) {
    out.push_back(bucket.get());
    for (const auto& [key, counter] : bucket->keyed) out.push_back(counter.get());
  }
  return out;
}

void Budget::forget_idle(State& bucket) const {
  if (bucket.keyed.size() < bucket.forget_at) return;
  std::erase_if(bucket.keyed, [&](const auto& entry) {
    State& counter = *entry.second;
    prune(counter);
    return counter.in_flight == 0 && counter.queue.empty() && counter.spent <= kTiny && !counter.slowed &&
           counter.shut_until <= clock_.instant();
  });
  bucket.forget_at = std::clamp(bucket.keyed.size() * 2, kForgetFirst, kCountersMax);
}

void Budget::configure(State& state, const Bucket& bucket) {
  prune(state);
  for (const auto& [key, counter] : state.keyed) configure(*counter, bucket);
  // What was spent under other rules counts as spent now: never less than the truth.
  const double spent = state.limited() ? state.spent : 0;
  const bool same =
      state.limit.kind == bucket.kind && state.limit.window == bucket.window && state.limit.zone == bucket.zone;
  state.limit = bucket;
  lease(state);
  if (same) return;
  state.as_of = clock_.instant();
  state.told_size.reset();
  state.told_restore.reset();
  state.phase = Duration(0);
  state.day_from = state.day_until = Instant{};
  state.ended.clear();
  state.spent = 0;
  if (bucket.kind != Bucket::Kind::kRolling) {
    state.spent = spent;
  } else if (bucket.count > 0) {
    state.push(state.as_of, spent);
  }
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
  needs_record();
  if (waiting_ > 0) want_record();  // they asked for none under the limits before
  grant_from(all());
  changed_.notify_all();
}

bool Budget::has_room(const std::vector<Part>& parts) const {
  return !stopped() && std::all_of(parts.begin(), parts.end(), [&](const Part& part) {
    return part.state->queue.empty() && has_room(*part.state, part.amount);
  });
}

// A head waits for all of its counters: the last one to open decides. Never, where a call has to end first.
Instant Budget::opens(const Node& node) const {
  if (stopped()) return Instant::max();
  Instant last = clock_.instant();
  for (const Part& part : node.parts) {
    const auto at = part.state->queue.front() == &node ? opens(*part.state, part.amount) : std::nullopt;
    last = at ? std::max(last, *at) : Instant::max();
  }
  return last;
}

bool Budget::grantable(const Node& node) const {
  return !stopped() && std::all_of(node.parts.begin(), node.parts.end(), [&](const Part& part) {
    return part.state->queue.front() == &node && has_room(*part.state, part.amount);
  });
}

void Budget::take(std::vector<Part>& parts) {
  ++in_flight_;
  for (Part& part : parts) {
    State& state = *part.state;
    ++state.in_flight;
    state.reserved += part.amount;
    part.ended_before = state.ended_total;
    if (!state.leased) continue;
    state.lease -= part.amount;
    state.granted_since += part.amount;
    if (state.lease < state.recorded_lease / 2) want_record();
  }
}

// By start-time fair queueing: each waiter gets a tag that is its priority's last one and a step further, but never
// less than the tag that is being served. Tags do not change, so that all counters of a call agree on who is first.
void Budget::enqueue(Node& node, Priority priority) {
  double& last = last_tag_[static_cast<std::size_t>(priority)];
  node.tag = last = std::max(last, now_tag_) + kStep[static_cast<std::size_t>(priority)];
  ++waiting_;
  for (const Part& part : node.parts) {
    std::deque<Node*>& queue = part.state->queue;
    auto at = queue.end();
    while (at != queue.begin() && (*std::prev(at))->tag > node.tag) --at;
    queue.insert(at, &node);
    if (part.state->leased && part.state->lease < part.amount) want_record();
  }
  if (!open_) want_record();
}

void Budget::ramp(std::uint32_t at_once) {
  ramp_ = at_once >= kRampMax ? 0 : at_once;
  grant_from(all());
  changed_.notify_all();
}

// Wakes heads of these queues, and of whichever queues that moves, for as long as any has room.
void Budget::grant_from(std::vector<State*> states) {
  while (!states.empty()) {
    State* state = states.back();
    if (state->queue.empty() || !grantable(*state->queue.front())) {
      states.pop_back();
      continue;
    }
    Node& node = *state->queue.front();
    for (const Part& part : node.parts) {
      part.state->queue.pop_front();
      if (part.state != state) states.push_back(part.state);
    }
    --waiting_;
    now_tag_ = std::max(now_tag_, node.tag);
    take(node.parts);
    node.is = Node::Is::kGranted;
    node.waiter->wake();
  }
}

void Budget::leave(Node& node) {
  std::vector<State*> states;
  --waiting_;
  for (const Part& part : node.parts) {
    std::erase(part.state->queue, &node);
    states.push_back(part.state);
  }
  grant_from(std::move(states));
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

asio::awaitable<std::optional<Budget::Permit>> Budget::acquire(std::vector<Spend> spends, Deadline deadline,
                                                               Priority priority) {
  Node node;
  node.parts.reserve(std::max<std::size_t>(1, spends.size()));
  for (const Spend& one : spends) {
    State& state = find(one);
    const auto same =
        std::find_if(node.parts.begin(), node.parts.end(), [&](const Part& part) { return part.state == &state; });
    if (same == node.parts.end()) {
      node.parts.push_back({&state, std::max(0.0, one.amount), 0, state.bucket ? state.bucket : &state});
    } else {
      same->amount += std::max(0.0, one.amount);
    }
  }
  if (node.parts.empty()) node.parts.push_back({&find(""), 1, 0, &find("")});
  const bool free = has_room(node.parts);
  if (free) {
    take(node.parts);
  } else {
    if (refusing_) co_return std::nullopt;
    struct Leave {  // a cancelled waiter gives its place, or its grant, to the next
      Budget& budget;
      Node& node;
      bool done = false;
      ~Leave() {
        if (done) return;
        if (node.is == Node::Is::kGranted) {
          Permit permit(&budget, node.parts);
          permit.unused();
        } else if (node.is == Node::Is::kWaiting) {
          budget.leave(node);
        }
      }
    } leave_on_unwind{*this, node};
    node.waiter.emplace();
    enqueue(node, priority);
    if (opens(node) < planned_) changed_.notify_all();
    co_await wait_until(*node.waiter, clock_, deadline);
    if (node.is != Node::Is::kGranted) co_return std::nullopt;
    leave_on_unwind.done = true;
  }
  std::optional<Permit> permit;
  permit.emplace(Permit(this, std::move(node.parts)));
  co_return permit;
}

asio::awaitable<void> Budget::run() {
  while (true) {
    planned_ = Instant::max();
    const std::vector<State*> states = all();
    for (const State* state : states) {
      if (!state->queue.empty()) planned_ = std::min(planned_, opens(*state->queue.front()));
    }
    if (planned_ <= clock_.instant()) {
      grant_from(states);
      continue;
    }
    Deadline deadline;
    deadline.at = planned_;
    co_await changed_.wait(clock_, deadline);
  }
}

void Budget::refuse_waiters() {
  refusing_ = true;
  for (State* state : all()) {
    while (!state->queue.empty()) {
      Node& node = *state->queue.front();
      for (const Part& part : node.parts) std::erase(part.state->queue, &node);
      --waiting_;
      node.is = Node::Is::kRefused;
      node.waiter->wake();
    }
  }
}

// Of a bucket with keys: the fullest counter.
std::vector<BucketSnapshot> Budget::snapshot() const {
  std::vector<BucketSnapshot> out;
  for (State* state : all()) {
    prune(*state);
    if (state->bucket == nullptr) {
      BucketSnapshot& bucket = out.emplace_back();
      bucket.name = state->limit.name;
      bucket.count = state->size();
      bucket.window = state->limit.window;
      bucket.concurrent = state->limit.concurrent;
    }
    BucketSnapshot& bucket = out.back();
    bucket.in_flight += state->in_flight;
    bucket.waiting += state->queue.size();
    bucket.used = std::max(bucket.used, state->limited() ? state->reserved + state->spent : state->in_flight);
    bucket.blocked = std::max(bucket.blocked, Duration(state->shut_until - clock_.instant()));
    if (const auto at = ends(*state)) {
      const Time when(at->time_since_epoch() + wall_offset_);
      bucket.ends = std::min(bucket.ends.value_or(when), when);
    }
  }
  return out;
}

Budget::Permit::Permit(Budget* budget, std::vector<Part> parts)
    : budget_(budget), parts_(std::move(parts)), order_(++budget->permits_) {}

Budget::Permit::Permit(Permit&& other) noexcept
    : budget_(std::exchange(other.budget_, nullptr)),
      parts_(std::move(other.parts_)),
      readings_(std::move(other.readings_)),
      order_(other.order_),
      sent_(other.sent_) {}

Budget::Permit& Budget::Permit::operator=(Permit&& other) noexcept {
  if (this != &other) {
    end();
    budget_ = std::exchange(other.budget_, nullptr);
    parts_ = std::move(other.parts_);
    readings_ = std::move(other.readings_);
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
  std::vector<State*> states;
  states.reserve(parts_.size());
  --budget.in_flight_;
  for (const Part& part : parts_) {
    State& state = *part.state;
    states.push_back(&state);
    CHECK(state.in_flight > 0);
    --state.in_flight;
    state.reserved = state.in_flight == 0 ? 0 : state.reserved - part.amount;
    if (!sent_) {
      if (state.leased) state.lease += part.amount;
      continue;
    }
    const auto reading = std::find_if(readings_.begin(), readings_.end(), [&](const BudgetReading& one) {
      return one.bucket == state.limit.name && (state.bucket == nullptr || one.key == state.key);
    });
    const double ended_since = state.ended_total - part.ended_before;
    const bool known = reading != readings_.end();
    const double actual = known && reading->actual ? std::max(0.0, *reading->actual) : part.amount;
    if (state.leased && actual > part.amount) state.lease -= actual - part.amount;
    budget.spend(state, actual);
    if (known) budget.correct(state, *reading, ended_since);
  }
  budget.grant_from(budget.ramp_ != 0 ? budget.all() : states);
  // The timer is woken only where it would now wake too late: most calls end with nobody waiting.
  for (State* state : states) {
    if (!state->queue.empty() && budget.opens(*state->queue.front()) < budget.planned_) budget.changed_.notify_all();
  }
  for (const Part& part : parts_) {
    if (State* bucket = part.bucket; !bucket->keyed.empty()) budget.forget_idle(*bucket);
  }
}

bool Budget::Permit::shut() const {
  CHECK(budget_ != nullptr);
  const Instant now = budget_->clock_.instant();
  return std::any_of(parts_.begin(), parts_.end(), [&](const Part& part) { return part.state->shut_until > now; });
}

void Budget::Permit::observed(std::vector<BudgetReading> readings) { readings_ = std::move(readings); }

Duration Budget::Permit::limited(std::optional<Duration> wait, std::string_view bucket) {
  CHECK(budget_ != nullptr);
  Budget& budget = *budget_;
  std::vector<State*> named;
  for (const Part& part : parts_) {
    if (part.state->limit.name == bucket) named.push_back(part.state);
  }
  // A bucket that the call does not spend would not keep it from coming again at once.
  if (named.empty()) {
    for (const Part& part : parts_) named.push_back(part.state);
  }
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
  budget.want_record();
  budget.changed_.notify_all();
  return longest;
}

void Budget::Permit::served() {
  CHECK(budget_ != nullptr);
  for (const Part& part : parts_) {
    State* state = part.state;
    if (!state->slowed || order_ <= state->slowed_order) continue;
    state->slowed = false;
    state->strikes = 0;
  }
}

}  // namespace tieline::engine
