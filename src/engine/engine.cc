#include "engine/engine.h"

#include <algorithm>
#include <map>
#include <set>

#include "base/check.h"
#include "engine/engine_impl.h"

namespace tieline::engine {
namespace {

// The wall clock may jump: whoever sleeps for it looks again after at most this long.
constexpr Duration kTimerMax{60'000'000};
// How many runs a served call lets go on that had waited for the system: their number doubles with each round of them.
constexpr int kReleasedByEach = 2;
// How often one more goes on without that, so that the drain does not stop where some of them make no call.
constexpr Duration kDrainTick{1'000'000};

Result<void> check_names(const EngineConfig& config) {
  std::set<std::string_view> names;
  for (const FlowPtr& flow : config.flows) {
    CHECK(flow != nullptr);
    if (!names.insert(flow->name).second) return failure(Code::kInvalid, "two flows are called " + flow->name);
  }
  std::set<std::string_view> former;
  for (const FlowPtr& flow : config.flows) {
    if (flow->was.empty()) continue;
    if (names.contains(flow->was))
      return failure(Code::kInvalid, "flow " + flow->name + " was " + flow->was + ", which is a flow still");
    if (!former.insert(flow->was).second) return failure(Code::kInvalid, "two flows were " + flow->was);
  }
  return {};
}

}  // namespace

Engine::Engine(const EngineDeps& deps, const EngineLimits& limits) : impl_(std::make_unique<Impl>(deps, limits)) {}

Engine::~Engine() = default;

Dispatcher* Engine::Impl::find(std::string_view name) {
  for (const auto& [id, dispatcher] : dispatchers) {
    if (dispatcher->name() == name) return dispatcher.get();
  }
  return nullptr;
}

Dispatcher* Engine::Impl::find(FlowId id) {
  const auto found = dispatchers.find(id);
  return found == dispatchers.end() ? nullptr : found->second.get();
}

Result<Dispatcher*> Engine::Impl::dispatcher_of(RunId run) {
  Dispatcher* found = find(run.flow);
  if (found == nullptr) return failure(Code::kNotFound, "no flow " + std::to_string(run.flow.value));
  return found;
}

Async<void> Engine::start(EngineConfig config) {
  Impl& impl = *impl_;
  CHECK(!impl.started);
  CO_TRY_VOID(check_names(config));
  for (const FlowPtr& flow : config.flows) CO_TRY_VOID(co_await impl.shard.flows.keep(flow));
  CO_TRY(const auto known, co_await impl.shard.deps.journal.flows());
  for (const auto& [id, name] : known) impl.dispatchers.emplace(id, std::make_unique<Dispatcher>(impl.shard, id, name));
  CO_TRY_VOID(co_await impl.rename(config));
  for (const FlowPtr& flow : config.flows) {
    if (impl.find(flow->name) != nullptr) continue;
    CO_TRY(const FlowId id, co_await impl.open(*flow));
    impl.dispatchers.emplace(id, std::make_unique<Dispatcher>(impl.shard, id, flow->name));
  }
  if (!impl.shard.deps.faults.forget_budgets) CO_TRY_VOID(co_await impl.shard.connections.load());
  for (const FlowPtr& flow : config.flows) impl.find(flow->name)->set_flow(flow);
  for (const auto& entry : impl.dispatchers) {
    CO_TRY_VOID(co_await impl.recall_pause(*entry.second));
    CO_TRY_VOID(co_await entry.second->recover());
  }
  CO_TRY_VOID(co_await impl.jobs.recover());
  impl.tell_configured(config);
  impl.started = true;
  impl.shard.connections.configure(config.connections);
  impl.scheduler.configure(config.flows);
  impl.shard.timers.spawn(impl.run_timer());
  impl.shard.timers.spawn(impl.scheduler.run());
  for (const auto& [id, dispatcher] : impl.dispatchers) dispatcher->begin();
  impl.jobs.begin();
  co_return Result<void>();
}

// An entry that is kept by a flow's name, to its new one.
Async<void> Engine::Impl::carry_over(std::string bucket, std::string from, std::string to) {
  CO_TRY(const auto entry, co_await shard.deps.state.get(bucket, from));
  if (!entry) co_return Result<void>();
  auto created = co_await shard.deps.state.create(bucket, to, entry->value);
  if (!created && created.error().code != Code::kConflict) co_return failure(std::move(created.error()));
  co_return co_await shard.deps.state.erase(std::move(bucket), std::move(from), entry->revision);
}

// Gives the flows their new names, with what is kept by them.
Async<void> Engine::Impl::rename(const EngineConfig& config) {
  for (const FlowPtr& flow : config.flows) {
    if (flow->was.empty()) continue;
    Dispatcher* former = find(flow->was);
    if (former != nullptr && find(flow->name) == nullptr) {
      CO_TRY_VOID(co_await shard.deps.journal.rename_flow(flow->was, flow->name));
      former->rename(flow->name);
    }
    // Also where this failed, or the process ended, after the flow got its name.
    CO_TRY_VOID(co_await carry_over(std::string(kPausedBucket), flow->was, flow->name));
    for (std::size_t i = 0; i < flow->schedules.size(); ++i) {
      const std::string number = '/' + std::to_string(i);
      CO_TRY_VOID(co_await carry_over(std::string(kScheduleBucket), flow->was + number, flow->name + number));
    }
  }
  co_return Result<void>();
}

// The number of a flow that the journal does not know: it begins where it says.
Async<FlowId> Engine::Impl::open(const Flow& flow) {
  Position start = shard.deps.log.last();
  if (flow.from.kind == StartFrom::Kind::kEarliest) start = Position(0);
  if (flow.from.kind == StartFrom::Kind::kTime) {
    CO_TRY(const Position first, co_await shard.deps.log.first_at_or_after(flow.from.time));
    start = Position(first.value - 1);
  }
  co_return co_await shard.deps.journal.open_flow(flow.name, start);
}

Async<void> Engine::Impl::open_new(const EngineConfig& config, std::vector<std::unique_ptr<Dispatcher>>& opened) {
  for (const FlowPtr& flow : config.flows) CO_TRY_VOID(co_await shard.flows.keep(flow));
  for (const FlowPtr& flow : config.flows) {
    const bool renamed = !flow->was.empty() && find(flow->was) != nullptr;
    if (renamed || find(flow->name) != nullptr) continue;
    CO_TRY(const FlowId id, co_await open(*flow));
    opened.push_back(std::make_unique<Dispatcher>(shard, id, flow->name));
    opened.back()->set_flow(flow);
    CO_TRY_VOID(co_await recall_pause(*opened.back()));
    CO_TRY_VOID(co_await opened.back()->recover());
  }
  // At last: a name that was changed is not changed back.
  co_return co_await rename(config);
}

void Engine::Impl::swap(const EngineConfig& config) {
  shard.connections.configure(config.connections);
  scheduler.configure(config.flows);
  for (const auto& [id, dispatcher] : dispatchers) {
    const auto found = std::find_if(config.flows.begin(), config.flows.end(),
                                    [&](const FlowPtr& flow) { return flow->name == dispatcher->name(); });
    dispatcher->set_flow(found == config.flows.end() ? nullptr : *found);
  }
}

void Engine::Impl::tell_configured(const EngineConfig& config) {
  std::vector<FlowId> configured;
  for (const FlowPtr& flow : config.flows) configured.push_back(find(flow->name)->id());
  shard.deps.journal.configured(std::move(configured));
}

Async<void> Engine::reload(EngineConfig config) {
  Impl& impl = *impl_;
  CHECK(impl.started);
  CO_TRY_VOID(check_names(config));
  if (impl.shard.draining) co_return failure(Code::kUnavailable, "the engine is draining");
  if (impl.reloading) co_return failure(Code::kUnavailable, "another reload is under way");
  impl.reloading = true;
  std::vector<std::unique_ptr<Dispatcher>> opened;
  auto ready = co_await impl.open_new(config, opened);
  impl.reloading = false;
  if (!ready) co_return failure(std::move(ready.error()));
  if (impl.shard.draining) co_return failure(Code::kUnavailable, "the engine is draining");
  impl.swap(config);
  for (auto& dispatcher : opened) {
    Dispatcher& added = *dispatcher;
    impl.dispatchers.emplace(added.id(), std::move(dispatcher));
    added.begin();
  }
  impl.tell_configured(config);
  for (Connection* connection : impl.shard.connections.all()) {
    impl.authorized(*connection);
    connection->breaker.probe_soon(impl.shard.deps.clock.instant());
  }
  impl.shard.due.changed().notify_all();
  for (const auto& [id, dispatcher] : impl.dispatchers) dispatcher->release_all(Hold::kFlow);
  co_return Result<void>();
}

// Timers.

Instant Engine::Impl::next_timer() {
  const Instant now = shard.deps.clock.instant();
  Instant next = shard.due.next(shard.deps.clock);
  if (next != Instant::max()) next = std::min(next, now + kTimerMax);
  for (Connection* connection : shard.connections.all()) {
    if (connection->needs_authorization && !connection->held.empty()) next = std::min(next, connection->probe_at);
    if (!connection->breaker.incident()) continue;
    const bool asks = connection->held_in_outage() > 0 || (connection->breaker.whole() && connection->health());
    if (connection->breaker.down() && asks) next = std::min(next, std::max(now, connection->breaker.probe_at()));
    if (!connection->breaker.down()) next = std::min(next, now + kDrainTick);
  }
  return next;
}

asio::awaitable<void> Engine::Impl::run_timer() {
  while (true) {
    for (const DueQueue::Entry& entry : shard.due.take(shard.deps.clock)) {
      if (Dispatcher* dispatcher = find(entry.run.flow)) dispatcher->due(entry.run.event, entry.at);
    }
    probe();
    Deadline deadline;
    deadline.at = next_timer();
    co_await shard.due.changed().wait(shard.deps.clock, deadline);
  }
}

// One held run in a while tries whether its connection works again.
void Engine::Impl::probe() {
  for (Connection* connection : shard.connections.all()) {
    if (connection->breaker.incident()) look_after_incident(*connection);
    if (!connection->needs_authorization || connection->held.empty()) continue;
    if (shard.deps.clock.instant() < connection->probe_at) continue;
    const std::set<RunId> first{*connection->held.begin()};
    connection->held.erase(connection->held.begin());
    release(first, Hold::kAuthorization);
  }
}

void Engine::Impl::release(const std::set<RunId>& runs, Hold hold) {
  for (const RunId& run : runs) {
    if (Dispatcher* dispatcher = find(run.flow)) dispatcher->release(run.event, hold);
  }
}

void Engine::Impl::authorized(Connection& connection) {
  if (connection.needs_authorization) {
    connection.needs_authorization = false;
    if (shard.deps.observer != nullptr) shard.deps.observer->authorization_changed(connection.name(), false);
  }
  release(std::exchange(connection.held, {}), Hold::kAuthorization);
}

// Outages.

void Engine::Impl::tell_incident(Connection& connection, const Incident& incident) {
  connection.incident_changed();
  shard.due.changed().notify_all();
  if (shard.deps.observer != nullptr) shard.deps.observer->incident_changed(connection.name(), incident);
}

bool Engine::Impl::failed(Connection& connection, const Breaker::Failure& failure) {
  const Breaker::Judgement judgement = connection.breaker.failed(failure, shard.now(), shard.deps.clock.instant());
  if (judgement.opened || judgement.worse) {
    connection.end_ramp();
    tell_incident(connection, *connection.breaker.incident());
  }
  return judgement.counts || shard.deps.faults.burn_in_outage;
}

void Engine::Impl::served(Connection& connection, std::string_view action) {
  const bool whole = connection.breaker.whole();
  const bool back = connection.breaker.served(action, shard.now());
  if (!connection.breaker.incident()) return;
  if (back) {
    if (whole) connection.begin_ramp();
    tell_incident(connection, *connection.breaker.incident());
  } else {
    connection.ramp_on();
  }
  let_go(connection, kReleasedByEach);
}

// Runs go on that wait for nothing any more; and when nobody is left who waits, the incident is over.
void Engine::Impl::let_go(Connection& connection, int count) {
  for (; count > 0; --count) {
    const std::optional<RunId> next = connection.next_released();
    if (!next) break;
    release({*next}, Hold::kOutage);
  }
  if (connection.breaker.down() || connection.held_in_outage() > 0 || connection.budget().waiting() > 0) return;
  const Incident over = connection.breaker.caught_up(shard.now());
  connection.end_ramp();
  connection.ended(over);
  tell_incident(connection, over);
}

// By time: a probe, and the drain where no call moves it.
void Engine::Impl::look_after_incident(Connection& connection) {
  const Instant now = shard.deps.clock.instant();
  if (!connection.breaker.down()) {
    let_go(connection, 1);
    return;
  }
  if (now < connection.breaker.probe_at()) return;
  connection.incident_changed();  // how many wait by now
  let_go(connection, 1);
  if (connection.breaker.whole() && connection.health()) {
    if (connection.breaker.take_probe(now, connection.health()->timeout()))
      shard.timers.spawn(probe_health(&connection));
    return;
  }
  if (connection.held_in_outage() == 0) return;
  (void)connection.breaker.take_probe(now, kTimerMax);
  if (const auto run = connection.next_probe()) release({*run}, Hold::kOutage);
}

asio::awaitable<void> Engine::Impl::probe_health(Connection* connection) {
  const ActionPtr action = connection->health();
  if (action) (void)co_await look(action, shard.deps.clock.deadline_in(action->timeout()));
}

// The end.

asio::awaitable<void> Engine::Impl::stop_runs(Deadline deadline) {
  bool in_time = true;
  while (in_time && shard.working > 0) in_time = co_await shard.idle.wait(shard.deps.clock, deadline);
  co_await shard.runs.stop();
}

Async<void> Engine::drain(Deadline deadline) {
  Impl& impl = *impl_;
  impl.shard.draining = true;
  impl.shard.connections.refuse_waiters();
  impl.shard.gatherings.end();
  co_await impl.shard.timers.stop();
  co_await impl.stop_runs(deadline);
  if (impl.started) {
    // Where that cannot be written, the next process counts the last lease as spent.
    auto closed = co_await impl.shard.connections.close();
    if (!closed) impl.shard.store_failed(closed.error());
  }
  co_return co_await impl.shard.deps.journal.flush();
}

asio::awaitable<void> Engine::halt() {
  Impl& impl = *impl_;
  impl.shard.draining = true;
  impl.shard.connections.refuse_waiters();
  impl.shard.gatherings.end();
  co_await impl.shard.timers.stop();
  co_await impl.shard.runs.stop();
}

asio::awaitable<Verdict> Engine::probe(ActionPtr action, Deadline deadline) {
  return impl_->look(std::move(action), deadline);
}

asio::awaitable<Verdict> Engine::Impl::look(ActionPtr action, Deadline deadline) {
  CHECK(action->safety() == Safety::kSafe);
  Connection& connection = shard.connections.get(action->connection());
  Verdict verdict;
  const json::Document no_arguments = json::Builder().begin_object().end_object().finish();
  auto request = action->render(no_arguments, CallIdentity{});
  if (!request) {
    verdict.category = Category::kValidation;
    verdict.message = request.error().message;
    co_return verdict;
  }
  auto permit = co_await connection.budget().acquire(action->spends(no_arguments), deadline);
  if (!permit) {
    verdict.category = Category::kTransient;
    verdict.message = shard.draining ? "the engine is stopping" : "its budget had no room for a look in time";
    co_return verdict;
  }
  const std::vector<std::string> secrets = request->secrets;
  const Exchange exchange = co_await shard.deps.transport.send(std::move(*request), deadline);
  verdict = action->judge(exchange, shard.now());
  if (verdict.message.empty() && exchange.phase != Phase::kAnswered) verdict.message = exchange.error.message;
  verdict.message = connection.redactor(secrets).text(verdict.message);
  connection.count(verdict.category, verdict.message);
  permit->observed(action->observe(exchange, no_arguments));
  const bool failed = verdict.category == Category::kTransient || verdict.category == Category::kUnknown;
  if (failed && connection.breaker.whole()) connection.breaker.probe_failed(shard.deps.clock.instant());
  // It speaks for the connection, not for an action of which it is no call.
  if (!failed && (connection.breaker.whole() || connection.breaker.covers(action->name())))
    served(connection, action->name());
  if (verdict.category == Category::kRateLimited) {
    permit->limited(verdict.wait, verdict.bucket);
  } else if (exchange.phase == Phase::kAnswered) {
    permit->served();
    if (verdict.category == Category::kDelivered && connection.needs_authorization) shard.authorized(connection);
  }
  co_return verdict;
}

EngineSnapshot Engine::snapshot() const {
  const Shard& shard = impl_->shard;
  EngineSnapshot out;
  out.at = shard.now();
  out.draining = shard.draining;
  out.store_errors = shard.store_errors;
  out.store_error = shard.store_refuses ? shard.store_error : std::string();
  for (const auto& [id, dispatcher] : impl_->dispatchers) {
    FlowSnapshot flow = dispatcher->snapshot();
    flow.next_time = impl_->scheduler.next(flow.name);
    flow.gathering = shard.gatherings.waiting(flow.name);
    const bool busy = flow.running + flow.queued + flow.retrying + flow.parked + flow.held + flow.waiting > 0;
    if (!flow.removed || busy) out.flows.push_back(std::move(flow));
  }
  out.connections = shard.connections.snapshot();
  return out;
}

}  // namespace tieline::engine
