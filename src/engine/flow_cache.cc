#include "engine/flow_cache.h"

#include "engine/index_key.h"
#include "engine/runner.h"

namespace tieline::engine {

Async<void> FlowCache::keep(FlowPtr flow) {
  if (const auto known = flows_.find(flow->hash); known != flows_.end() && !known->second.expired())
    co_return Result<void>();
  for (const IndexKey& index : flow->index) {
    const std::string names(kIndexNameBucket);
    CO_TRY(const auto known, co_await state_.get(names, index.name));
    if (known) continue;
    auto noted = co_await state_.create(names, index.name, Bytes());
    if (!noted && noted.error().code != Code::kConflict) co_return failure(std::move(noted.error()));
  }
  const std::string bucket(kFlowSourceBucket);
  CO_TRY(const auto present, co_await state_.get(bucket, flow->hash));
  if (present) co_return Result<void>();
  // A flow may get another name, and is compiled by the one that it had.
  auto named = co_await state_.create(std::string(kFlowNameBucket), flow->hash, flow->name);
  if (!named && named.error().code != Code::kConflict) co_return failure(std::move(named.error()));
  auto created = co_await state_.create(bucket, flow->hash, flow->source);
  if (!created && created.error().code != Code::kConflict) co_return failure(std::move(created.error()));
  co_return Result<void>();
}

Async<FlowPtr> FlowCache::find(std::string name, std::string hash) {
  if (const auto found = flows_.find(hash); found != flows_.end()) {
    if (FlowPtr flow = found->second.lock()) co_return flow;
  }
  const std::string bucket(kFlowSourceBucket);
  CO_TRY(const auto source, co_await state_.get(bucket, hash));
  if (!source) co_return failure(Code::kNotFound, "the source of the flow it began with is not kept");
  CO_TRY(const auto had, co_await state_.get(std::string(kFlowNameBucket), hash));
  if (had) name = had->value;
  CO_TRY(FlowPtr flow, source_.compile(name, hash, source->value));
  flows_[hash] = flow;
  co_return flow;
}

}  // namespace tieline::engine
