#include "engine/engine.h"

#include <algorithm>
#include <map>
#include <set>

#include "base/check.h"
#include "engine/dispatcher.h"
#include "engine/shard.h"

namespace tieline::engine {
namespace {

// The wall clock may jump: whoever sleeps for it looks again after at most this long.
constexpr Duration kTimerMax{60'000'000};

Result<void> check_names(const EngineConfig& config) {
  std::set<std::string_view> names;
  for (const FlowPtr& flow : config.flows) {
    CHECK(flow != nullptr);
    if (!names.insert(flow->name).second) return failure(Code::kInvalid, "two flows are called " + flow->name);
  }
  return {};
}

}  // namespace

struct Engine::Impl {
  Impl(const EngineDeps& deps, const EngineLimits& limits) : shard(deps, limits) {
    shard.authorized = [this](Connection& connection) { authorized(connection); };
  }

  Async<void> open_new(const EngineConfig& config, std::vector<std::unique_ptr<Dispatcher>>& opened);
  void swap(const EngineConfig& config);
  void tell_configured(const EngineConfig& config);
  Dispatcher* find(std::string_view name);
  Dispatcher* find(FlowId id);
  asio::awaitable<void> run_timer();
  Instant next_timer();
  void probe();
  void release(const std::set<RunId>& runs, Hold hold);
  void authorized(Connection& connection);
  asio::awaitable<void> stop_runs(Deadline deadline);

  Shard shard;
  std::map<FlowId, std::unique_ptr<Dispatcher>> dispatchers;
  bool started = false;
  bool reloading = false;
};

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

Async<void> Engine::start(EngineConfig config) {
  Impl& impl = *impl_;
  CHECK(!impl.started);
  CO_TRY_VOID(check_names(config));
  for (const FlowPtr& flow : config.flows) CO_TRY_VOID(co_await impl.shard.flows.keep(flow));
  const Position last = impl.shard.deps.log.last();
  for (const FlowPtr& flow : config.flows) CO_TRY_VOID(co_await impl.shard.deps.journal.open_flow(flow->name, last));
  CO_TRY(const auto known, co_await impl.shard.deps.journal.flows());
  for (const auto& [id, name] : known) impl.dispatchers.emplace(id, std::make_unique<Dispatcher>(impl.shard, id, name));
  for (const FlowPtr& flow : config.flows) impl.find(flow->name)->set_flow(flow);
  for (const auto& entry : impl.dispatchers) CO_TRY_VOID(co_await entry.second->recover());
  impl.tell_configured(config);
  impl.started = true;
  impl.shard.connections.configure(config.connections);
  impl.shard.timers.spawn(impl.run_timer());
  for (const auto& [id, dispatcher] : impl.dispatchers) dispatcher->begin();
  co_return Result<void>();
}

Async<void> Engine::Impl::open_new(const EngineConfig& config, std::vector<std::unique_ptr<Dispatcher>>& opened) {
  for (const FlowPtr& flow : config.flows) CO_TRY_VOID(co_await shard.flows.keep(flow));
  const Position last = shard.deps.log.last();
  for (const FlowPtr& flow : config.flows) {
    if (find(flow->name) != nullptr) continue;
    CO_TRY(const FlowId id, co_await shard.deps.journal.open_flow(flow->name, last));
    opened.push_back(std::make_unique<Dispatcher>(shard, id, flow->name));
    opened.back()->set_flow(flow);
    CO_TRY_VOID(co_await opened.back()->recover());
  }
  co_return Result<void>();
}

void Engine::Impl::swap(const EngineConfig& config) {
  shard.connections.configure(config.connections);
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
  for (Connection* connection : impl.shard.connections.all()) impl.authorized(*connection);
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

Result<void> Engine::authorized(std::string_view connection) {
  Connection* found = impl_->shard.connections.find(connection);
  if (found == nullptr) return failure(Code::kNotFound, "no connection is called " + std::string(connection));
  impl_->authorized(*found);
  return {};
}

Async<void> Engine::settle_held(RunId run, HeldAnswer answer, std::string by) {
  Dispatcher* dispatcher = impl_->find(run.flow);
  if (dispatcher == nullptr) co_return failure(Code::kNotFound, "no flow " + std::to_string(run.flow.value));
  co_return co_await dispatcher->settle_held(run.event, answer, std::move(by));
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
  co_await impl.shard.timers.stop();
  co_await impl.stop_runs(deadline);
  co_return co_await impl.shard.deps.journal.flush();
}

asio::awaitable<void> Engine::halt() {
  Impl& impl = *impl_;
  impl.shard.draining = true;
  impl.shard.connections.refuse_waiters();
  co_await impl.shard.timers.stop();
  co_await impl.shard.runs.stop();
}

asio::awaitable<Verdict> Engine::probe(ActionPtr action, Deadline deadline) {
  CHECK(action->safety() == Safety::kSafe);
  Shard& shard = impl_->shard;
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
  if (verdict.category == Category::kRateLimited) {
    permit->limited(verdict.wait);
  } else if (exchange.phase == Phase::kAnswered) {
    permit->served();
    if (verdict.category == Category::kDelivered && connection.needs_authorization) shard.authorized(connection);
  }
  co_return verdict;
}

EngineSnapshot Engine::snapshot() const {
  const Shard& shard = impl_->shard;
  EngineSnapshot out;
  out.draining = shard.draining;
  out.store_errors = shard.store_errors;
  out.store_error = shard.store_refuses ? shard.store_error : std::string();
  for (const auto& [id, dispatcher] : impl_->dispatchers) {
    FlowSnapshot flow = dispatcher->snapshot();
    const bool busy = flow.running + flow.queued + flow.retrying + flow.parked + flow.held > 0;
    if (!flow.removed || busy) out.flows.push_back(std::move(flow));
  }
  out.connections = shard.connections.snapshot();
  return out;
}

}  // namespace tieline::engine
