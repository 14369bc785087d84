#include "sim/simulation.h"

#include <algorithm>
#include <cstdio>

#include "base/check.h"
#include "sim/life.h"

namespace tieline::sim {
namespace {

constexpr std::size_t kStepsMax = 100'000;
constexpr Duration kLifeMax = std::chrono::hours(24 * 10);

}  // namespace

engine::EngineConfig Life::config() const {
  engine::EngineConfig config;
  config.flows = make_flows(generation_);
  ConnectionInfo vendor;
  vendor.name = "vendor";
  Bucket bucket;
  bucket.name = "all";
  bucket.count = static_cast<double>(kRateCount);
  bucket.window = kRateWindow;
  bucket.concurrent = 8;
  Bucket longer;
  longer.name = "long";
  longer.count = static_cast<double>(kLongCount);
  longer.window = kLongWindow;
  vendor.buckets = {bucket, longer};
  config.connections = {vendor};
  return config;
}

void Life::boot() {
  engine::EngineDeps deps{context_.get_executor(), clock_, prng_.next(), *store_, *store_, *store_, vendor_, source_};
  deps.faults = options_.faults;
  engine::EngineLimits limits;
  limits.window = 6;
  limits.waiting_max = 12;
  limits.unsettled_span = 8;
  limits.read_batch = 5;
  engine_ = std::make_unique<engine::Engine>(deps, limits);
  tasks_ = std::make_unique<TaskGroup>(context_.get_executor());
  started_ = must_crash_ = dying_ = false;
  const bool crashes = report_.crashes < options_.crashes_max && prng_.chance(4, 5);
  crash_at_ = crashes ? report_.steps + 50 + prng_.below(4'000) : 0;
  tasks_->spawn(start());
}

asio::awaitable<void> Life::start() {
  auto started = co_await engine_->start(config());
  if (!started) {
    if (dying_) co_return;
    violation("the engine does not start: " + started.error().message);
    co_return;
  }
  started_ = true;
  tasks_->spawn(produce());
  tasks_->spawn(operate());
  tasks_->spawn(replay());
  if (prng_.chance(1, 2)) tasks_->spawn(reload());
  if (prng_.chance(1, 2)) tasks_->spawn(trouble());
}

bool Life::turn() {
  ++report_.steps;
  context_.restart();
  if (context_.poll_one() > 0) return true;
  const auto next = clock_.next_wake();
  if (!next) return false;
  clock_.advance_to(*next);
  return true;
}

void Life::finish(asio::awaitable<void> task) {
  auto group = std::make_unique<TaskGroup>(context_.get_executor());
  group->spawn(std::move(task));
  while (group->running() > 0) {
    if (!turn()) {
      violation("stuck while stopping");
      std::abort();
    }
  }
}

void Life::crash() {
  ++report_.crashes;
  say("-- crash");
  dying_ = true;
  auto next = store_->crash(context_.get_executor(), store_options());
  auto halt = [](Life* life) -> asio::awaitable<void> {
    co_await life->tasks_->stop();
    co_await life->engine_->halt();
    co_await life->store_->stop();
  };
  finish(halt(this));
  // An answer is as good as not heard until what it says is on disk.
  vendor_.caller_died(std::min(unkept_, clock_.instant() - Duration(100'000)));
  unkept_ = Instant::max();
  engine_.reset();
  tasks_.reset();
  store_ = std::move(next);
  boot();
}

// Quiet: everything was posted, everything is settled for every flow.
asio::awaitable<void> Life::look() {
  quiet_ = false;
  if (!started_ || must_crash_ || !vendor_.is_calm()) co_return;
  for (const engine::FlowSnapshot& flow : engine_->snapshot().flows) {
    if (flow.lag + flow.running + flow.queued + flow.retrying + flow.parked + flow.held + flow.waiting > 0) co_return;
  }
  const auto jobs = co_await engine_->jobs();
  if (!jobs) co_return;
  for (const engine::Job& job : *jobs) {
    if (job.state == engine::Job::State::kRunning) co_return;
  }
  quiet_ = true;
}

std::string Life::standing() const {
  std::string out = vendor_.is_calm() ? "calm" : "not calm";
  for (const engine::FlowSnapshot& flow : engine_->snapshot().flows)
    out += "; " + flow.name + ": lag " + std::to_string(flow.lag) + ", running " + std::to_string(flow.running) +
           ", queued " + std::to_string(flow.queued) + ", retrying " + std::to_string(flow.retrying) + ", parked " +
           std::to_string(flow.parked) + ", held " + std::to_string(flow.held) + ", waiting " +
           std::to_string(flow.waiting);
  return out;
}

// The end of the journal of each run that has not ended, where that is asked for.
asio::awaitable<void> Life::show_unfinished() {
  RunQuery query;
  query.states = {RunState::kRunning, RunState::kRetrying, RunState::kHeld, RunState::kWaiting};
  auto found = co_await store_->runs(query);
  if (!found || !options_.trace) co_return;
  for (const RunStatus& status : *found) {
    auto records = co_await store_->read(status.run);
    say("flow " + std::to_string(status.run.flow.value) + ", event " + std::to_string(status.run.event.value));
    const std::size_t from = records->size() - std::min<std::size_t>(records->size(), 6);
    for (std::size_t i = from; i < records->size(); ++i) show((*records)[i]);
  }
}

asio::awaitable<void> Life::stop_cleanly() {
  co_await tasks_->stop();
  const Deadline soon = clock_.deadline_in(Duration(10'000'000));
  auto drained = co_await engine_->drain(soon);
  if (!drained) violation("draining fails: " + drained.error().message);
}

Report Life::run() {
  for (std::uint32_t i = 0; i < options_.events; ++i) {
    Sent sent;
    sent.id = "e" + std::to_string(i);
    sent.key = "k" + std::to_string(prng_.below(options_.keys));
    sent.group = "g" + std::to_string(prng_.below(options_.events / 2 + 1));
    sent.version = static_cast<std::int64_t>(i) - static_cast<std::int64_t>(prng_.below(6));
    events_.push_back(std::move(sent));
  }
  boot();
  while (!quiet_) {
    if (crash_at_ != 0 && report_.steps >= crash_at_) crash();
    if (report_.steps > kStepsMax || clock_.instant().time_since_epoch() > kLifeMax) {
      violation("it does not come to rest: " + standing());
      finish(show_unfinished());
      break;
    }
    const bool alive = turn();
    if (!alive || report_.steps % 64 == 0) finish(look());
    if (!alive && !quiet_) {
      violation("nothing is left to happen, and not everything is done: " + standing());
      break;
    }
  }
  finish(stop_cleanly());
  if (quiet_) finish(judge());
  // Ten in a row and those under way, for each process; then probes, further and further apart, and after each reload.
  const std::size_t calls_max = 50 * (report_.crashes + 1) + 10 * report_.reloads;
  if (!vendor_.outage_known().empty() && vendor_.outage_calls() > calls_max)
    violation("a system that is down is called " + std::to_string(vendor_.outage_calls()) + " times");
  for (const std::string& complaint : vendor_.complaints()) violation("the vendor complains: " + complaint);
  finish(store_->stop());
  engine_.reset();
  tasks_.reset();
  report_.lost_answers = vendor_.lost();
  report_.together = vendor_.together();
  report_.failed_before = vendor_.failed_before();
  return report_;
}

Report& Report::operator+=(const Report& other) {
  violations.insert(violations.end(), other.violations.begin(), other.violations.end());
  for (const auto count : {&Report::acknowledged, &Report::delivered, &Report::stale, &Report::dead, &Report::crashes,
                           &Report::reloads, &Report::replays, &Report::lost_answers, &Report::failed_before,
                           &Report::settled_by_hand, &Report::steps, &Report::skipped, &Report::cancelled,
                           &Report::approvals, &Report::releases, &Report::in_outage, &Report::together}) {
    this->*count += other.*count;
  }
  return *this;
}

Report simulate(const Options& options) {
  Life life(options);
  return life.run();
}

}  // namespace tieline::sim
