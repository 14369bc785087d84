// What people ask of a running engine: of runs, of many runs at once, of flows, connections and tables.
#include "base/text.h"
#include "engine/engine_impl.h"
#include "engine/once.h"

namespace tieline::engine {

Error Engine::Impl::no_such_flow(std::string_view flow) const {
  std::vector<std::string> known;
  for (const auto& [id, dispatcher] : dispatchers) {
    if (dispatcher->flow() != nullptr) known.push_back(dispatcher->name());
  }
  return {Code::kNotFound, "no flow is called " + std::string(flow) + did_you_mean(flow, known), {}};
}

Result<void> Engine::release_brake(std::string_view flow) {
  Dispatcher* found = impl_->find(flow);
  if (found == nullptr) return failure(impl_->no_such_flow(flow));
  return found->release_brake();
}

Result<void> Engine::authorized(std::string_view connection) {
  Connection* found = impl_->shard.connections.find(connection);
  if (found == nullptr) return failure(Code::kNotFound, "no connection is called " + std::string(connection));
  impl_->authorized(*found);
  return {};
}

asio::awaitable<std::shared_ptr<void>> Engine::table_turn(std::string bucket) {
  auto turn = std::make_shared<OnceGuard>();
  std::string key = "\n" + bucket;
  co_await turn->enter(impl_->shard, std::move(key));
  co_return turn;
}

Async<void> Engine::settle_held(RunId run, HeldAnswer answer, Decision by) {
  CO_TRY(Dispatcher * dispatcher, impl_->dispatcher_of(run));
  co_return co_await dispatcher->settle_held(run.event, answer, std::move(by));
}

Async<void> Engine::replay(RunId run, Replay how) {
  CO_TRY(Dispatcher * dispatcher, impl_->dispatcher_of(run));
  co_return co_await dispatcher->replay(run.event, std::move(how));
}

Async<void> Engine::discard(RunId run, std::string by) {
  CO_TRY(Dispatcher * dispatcher, impl_->dispatcher_of(run));
  co_return co_await dispatcher->discard(run.event, std::move(by));
}

Async<void> Engine::edit(RunId run, json::Document data, std::string by) {
  CO_TRY(Dispatcher * dispatcher, impl_->dispatcher_of(run));
  co_return co_await dispatcher->edit(run.event, std::move(data), std::move(by));
}

Async<JobCount> Engine::count(Selection select, Time created) {
  return impl_->jobs.count(std::move(select), std::min(created, impl_->shard.now()));
}

Async<Job> Engine::start_job(Job job) { return impl_->jobs.start(std::move(job)); }

Async<void> Engine::stop_job(std::uint64_t id) { return impl_->jobs.stop(id); }

Async<std::vector<Job>> Engine::jobs() { return impl_->jobs.list(); }

Result<Dispatcher*> Engine::Impl::configured(std::string_view flow) {
  Dispatcher* found = find(flow);
  if (found == nullptr || found->flow() == nullptr) return failure(no_such_flow(flow));
  return found;
}

Async<void> Engine::Impl::recall_pause(Dispatcher& dispatcher) {
  CO_TRY(const auto stored, co_await shard.deps.state.get(std::string(kPausedBucket), dispatcher.name()));
  if (stored) dispatcher.pause(stored->value);
  co_return Result<void>();
}

Async<void> Engine::Impl::pause(std::string flow, std::string why) {
  CO_TRY(Dispatcher * dispatcher, configured(flow));
  const std::string bucket(kPausedBucket);
  CO_TRY(const auto stored, co_await shard.deps.state.get(bucket, flow));
  dispatcher->pause(why);
  auto written = stored ? co_await shard.deps.state.update(bucket, flow, why, stored->revision)
                        : co_await shard.deps.state.create(bucket, flow, why);
  if (written) co_return Result<void>();
  if (!stored) dispatcher->resume();
  co_return failure(std::move(written.error()));
}

Async<void> Engine::pause(std::string flow, std::string why) { return impl_->pause(std::move(flow), std::move(why)); }

Async<void> Engine::resume(std::string flow) {
  Impl& impl = *impl_;
  CO_TRY(Dispatcher * dispatcher, impl.configured(flow));
  const std::string bucket(kPausedBucket);
  CO_TRY(const auto stored, co_await impl.shard.deps.state.get(bucket, flow));
  if (stored) CO_TRY_VOID(co_await impl.shard.deps.state.erase(bucket, flow, stored->revision));
  dispatcher->resume();
  co_return Result<void>();
}

Async<EventPtr> Engine::start_flow(std::string flow, std::string id, json::Document data) {
  Shard& shard = impl_->shard;
  CO_TRY(const Dispatcher* dispatcher, impl_->configured(flow));
  if (!dispatcher->flow()->manual)
    co_return failure(Code::kInvalid, "flow " + flow + " has no trigger `manual`: write `on: { manual: true }`");
  auto event = std::make_shared<Event>();
  event->source = std::string(kManualSource) + flow;
  event->time = event->received = shard.now();
  event->id = id.empty() ? std::to_string(to_unix_us(event->time)) + '-' + std::to_string(shard.prng.next() % 1'000'000)
                         : std::move(id);
  event->type = "manual";
  event->data = std::make_shared<const std::string>(json::print(data.root()));
  std::vector<NewEvent> events{*event};
  const Deadline never = Deadline::never();
  CO_TRY(const std::vector<Appended> appended, co_await shard.deps.log.append(std::move(events), never));
  event->position = appended.front().at;
  co_return EventPtr(std::move(event));
}

}  // namespace tieline::engine
