// Calls that a flow does not want sent: all of them, those that are too many, or those that were made already.
#include "engine/caller.h"
#include "engine/concealed.h"
#include "engine/runner.h"

namespace tieline::engine {

// Of a flow that is a shadow: what would be sent is kept, nothing is sent or claimed, and the call binds null.
asio::awaitable<Caller::Ending> Caller::shadow() {
  auto request = render_revealed(request_, action_.has_idempotency_key() ? identity() : CallIdentity(), false);
  if (!request) co_return dead(Category::kValidation, named(request.error().message));
  RecordBody body;
  body.category = Category::kDelivered;
  body.resolved = Resolved::kShadow;
  body.message = "not sent: the flow is a shadow";
  body.request = kept(*request);
  body.result = json::Document();
  co_return co_await settled(std::move(body));
}

asio::awaitable<Caller::Ending> Caller::settled(RecordBody body) {
  RecordBody conclusion = body.conclusion();
  auto written = co_await append_record(shard_, run_, draft(RecordKind::kOutcome, std::move(body)), Sync::kWithNext);
  if (!written) co_return refused(written.error());
  history_.outcome(std::move(conclusion), history_.attempts, shard_.now());
  co_return follow(*history_.last);
}

// A flow that does too much at once waits for a person. Each call counts once, however often it is tried.
Caller::Ending Caller::brake() {
  const auto& brake = run_.flow->brake;
  if (!brake || brake->action != action_.name() || history_.policy.first || counted_) return std::nullopt;
  if (!passes_brake(shard_, run_)) return hold_as(Hold::kBrake, braked_summary(*brake));
  counted_ = true;
  return std::nullopt;
}

}  // namespace tieline::engine
