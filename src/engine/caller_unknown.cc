// What may have happened: an attempt without an answer is looked for, dropped as the flow says, or left to a person.
#include "base/check.h"
#include "engine/caller.h"
#include "engine/concealed.h"

namespace tieline::engine {

// An attempt's outcome is not known: idempotency key, look-up, else what the call says (FLOWS.md §4).
asio::awaitable<Caller::Ending> Caller::resolve() {
  CHECK(history_.open);
  if (repeats_unknown()) {
    if (history_.undecided) {
      RecordBody unknown = history_.last.value_or(RecordBody());
      if (unknown.category != Category::kUnknown) unknown.message = "its last attempt was cut off";
      unknown.category = Category::kUnknown;
      co_return try_again(unknown);
    }
    history_.open = false;
    history_.key_used = true;
    co_return std::nullopt;
  }
  if (action_.has_find()) co_return co_await look_up();
  if (request_.on_unknown == OnUnknown::kDrop) {
    RecordBody body;
    body.category = Category::kDelivered;
    body.message = "its outcome is unknown, and the flow goes on without it";
    body.resolved = Resolved::kDropped;
    body.result = json::Document();
    auto written = co_await journal_outcome(std::move(body), history_.attempts);
    if (!written) co_return refused(written.error());
    co_return follow(*history_.last);
  }
  co_return hold(Hold::kUnknownOutcome, "it may have happened; say whether it did");
}

asio::awaitable<Caller::Ending> Caller::look_up() {
  if (!history_.open_known) {
    history_.open_since = shard_.now();
    history_.open_known = true;
  }
  const Time visible = history_.open_since + action_.settle();
  if (shard_.now() < visible) co_return wait_until(visible, "an unanswered call becomes visible", Category::kUnknown);
  if (Ending held = gate()) co_return held;
  auto request = render_revealed(request_, identity(), true);
  if (!request) co_return hold(Hold::kUnknownOutcome, "cannot look for it: " + request.error().message);
  history_.stand(shard_.now());
  auto permit = co_await connection_.budget().acquire(spends(), Deadline::never(), run_.flow->priority);
  if (!permit) co_return abandoned();
  history_.begin(shard_.now());
  if (Ending held = gate()) {
    permit->unused();
    co_return held;
  }
  Sent sent;
  sent.request = std::move(*request);
  sent.bytes_out = sent.request.body.size();
  sent.exchange = co_await send(sent.request);
  sent.took = sent.exchange.took;
  sent.verdict = action_.judge_find(sent.exchange, shard_.now());
  if (sent.verdict.category == Category::kUnknown) sent.verdict.category = Category::kTransient;
  const Category category = sent.verdict.category;
  Duration shut{0};
  settle_permit(*permit, sent, shut);
  permit.reset();
  observe(sent, true, history_.attempts);
  RecordBody body = outcome_of(sent, true);
  if (category == Category::kDelivered) body.resolved = Resolved::kFound;
  if (category == Category::kMissing) body.resolved = Resolved::kNotFound;
  auto written = co_await journal_outcome(RecordBody(body), history_.attempts);
  if (!written) co_return refused(written.error());
  switch (category) {
    case Category::kDelivered: co_return follow(*history_.last);
    case Category::kMissing: co_return follow(*history_.last);
    case Category::kRateLimited: co_return limited(shut);
    case Category::kAuth: co_return follow(body);
    case Category::kTransient:
      if (down()) co_return hold(Hold::kOutage, body.message);
      break;
    case Category::kConflict: break;
    default: co_return hold(Hold::kUnknownOutcome, "the look-up failed: " + body.message);
  }
  AttemptHistory lookups;
  lookups.tries = history_.lookups;
  lookups.first = history_.open_since;
  lookups.standing = history_.lookups_standing;
  const NextAttempt next =
      next_attempt(policy(), lookups, sent.verdict.wait, shard_.limits.vendor_wait_max, shard_.now(), shard_.prng);
  if (!next.retry) co_return hold(Hold::kUnknownOutcome, "the look-up failed: " + body.message);
  co_return wait_until(shard_.now() + next.wait, "look-up: " + body.message, category);
}

}  // namespace tieline::engine
