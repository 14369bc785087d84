// Calls that leave together with those of other runs, where a flow has `batch` and its action takes several items. Each
// run keeps its own journal: its intent before the request leaves, its own outcome out of the one answer.
#include <algorithm>
#include <cstdint>

#include "base/check.h"
#include "base/text.h"
#include "engine/caller.h"

namespace tieline::engine {
namespace {

constexpr std::size_t kShownMax = 200;
constexpr Duration kCutWait{50'000};

json::Document list_of(std::vector<Verdict>& verdicts) {
  json::Builder out;
  out.begin_array();
  for (const Verdict& one : verdicts) out.copy(one.result.root());
  out.end_array();
  return out.finish();
}

// What nothing but another request can mend: another try of the same one comes to the same.
bool refuses(Category category) {
  return category == Category::kValidation || category == Category::kPermanent || category == Category::kMissing ||
         category == Category::kConflict;
}

}  // namespace

// Calls of a run that made secrets go by themselves: what stands for them is known to that run only. So do those that
// try whether a system works again: others are not to wait for them, nor they for others.
bool Caller::gathers() const {
  return run_.flow->batch && takes_items() && most_ != 1 && items().size() > 0 && !outage_probe_ && !probing_ &&
         (request_.concealed == nullptr || request_.concealed->empty());
}

// What all calls of one request have in common: the flow as it was, the action, and all arguments but the items. The
// action is the very same one: after a reload one of that name may take its items elsewhere.
std::string Caller::gathering_key() const {
  const auto action = reinterpret_cast<std::uintptr_t>(&action_);
  std::string key =
      run_.flow->name + '\n' + run_.flow->hash + '\n' + std::to_string(action) + '\n' + std::to_string(most_);
  for (const json::KeyValue member : request_.args.root().members()) {
    if (member.key != action_.items_arg()) key += '\n' + std::string(member.key) + '=' + json::print(member.value);
  }
  return key;
}

asio::awaitable<Caller::Ending> Caller::leave_together() {
  using Stage = Gathering::Stage;
  if (shard_.draining) co_return abandoned();  // nobody would end a request that is opened now
  Request own;
  if (Ending stop = render(own, shard_.now())) co_return std::move(*stop);
  history_.stand(shard_.now());
  const Batch& batch = *run_.flow->batch;
  const std::size_t most = most_ != 0 ? most_ : std::min<std::size_t>(batch.count, action_.items_max());
  const std::string key = gathering_key();
  Gathering::Part part{request_.args, items().size(), own.body.size(), true, {}};
  const Gatherings::Seat seat = shard_.gatherings.join(key, std::move(part), {most, batch.bytes});
  Gathering& together = *seat.gathering;
  std::optional<Budget::Permit> permit;
  if (seat.place == 0) {
    permit = co_await lead(key, together);
  } else {
    while (together.stage == Stage::kOpen || together.stage == Stage::kClosed) co_await together.changed.wait();
  }
  if (together.stage == Stage::kAbandoned) co_return abandoned();
  const std::uint32_t number = history_.attempts + 1;
  history_.begin(shard_.now());
  Ending stop = gate();
  if (shard_.draining) stop = abandoned();
  if (!stop) stop = co_await intend(own, number);
  together.ready(seat.place, !stop.has_value());
  if (permit) {
    co_await send_together(together, std::move(*permit));
  } else {
    while (!stop && together.stage == Stage::kReadying) co_await together.changed.wait();
  }
  if (stop) co_return stop;
  if (together.stage == Stage::kUnsent) co_return co_await unsent(number);
  co_return co_await take_answer(std::move(own), together, seat.place, number);
}

// The leader's: closes it in time, and waits for the budget. Nothing where the engine stops.
asio::awaitable<std::optional<Budget::Permit>> Caller::lead(const std::string& key, Gathering& together) {
  using Stage = Gathering::Stage;
  // The parts of one that was cut come at the same moment: none waits for others a second time.
  const Duration time = run_.flow->batch->time;
  const Deadline deadline = shard_.deps.clock.deadline_in(most_ != 0 ? std::min(time, kCutWait) : time);
  while (together.stage == Stage::kOpen) {
    const bool in_time = co_await together.changed.wait(shard_.deps.clock, deadline);
    if (!in_time && together.stage == Stage::kOpen) shard_.gatherings.close(key, together);
  }
  if (together.stage == Stage::kAbandoned) co_return std::nullopt;
  auto permit = co_await connection_.budget().acquire(spends(), Deadline::never(), run_.flow->priority);
  if (!permit) {
    together.to(Stage::kAbandoned);
    co_return std::nullopt;
  }
  together.to(Stage::kReadying);
  co_return std::move(*permit);
}

// The leader's, whether or not its own call goes with the others.
asio::awaitable<void> Caller::send_together(Gathering& together, Budget::Permit permit) {
  using Stage = Gathering::Stage;
  while (together.unready > 0) co_await together.changed.wait();
  if (together.items == 0 || (journals_intent() && permit.shut())) {
    permit.unused();
    together.to(Stage::kUnsent);
    co_return;
  }
  const json::Document args = together.merged(action_.items_arg());
  CallIdentity who;
  who.now = shard_.now();
  auto request = action_.render(args, who);
  if (!request) {
    permit.unused();
    together.whole.category = Category::kValidation;
    together.whole.message = request.error().message;
    together.to(Stage::kAnswered);
    co_return;
  }
  request->timeout = request_.timeout.value_or(action_.timeout());
  Sent sent;
  sent.request = std::move(*request);
  sent.exchange = co_await send(sent.request);
  sent.verdict = guarded(action_.judge(sent.exchange, shard_.now()), sent.exchange);
  settle_permit(permit, sent, together.shut);
  together.outage = outage_;
  together.took = sent.exchange.took;
  if (sent.verdict.category == Category::kDelivered)
    together.hand_out(action_.judge_items(sent.exchange, args.root()[action_.items_arg()]));
  together.whole = std::move(sent.verdict);
  together.exchange = std::move(sent.exchange);
  together.to(Stage::kAnswered);
}

asio::awaitable<Caller::Ending> Caller::take_answer(Request&& own, Gathering& together, std::size_t place,
                                                    std::uint32_t number) {
  Gathering::Part& part = together.parts[place];
  Sent sent;
  sent.bytes_out = own.body.size();
  sent.request = std::move(own);
  sent.exchange.phase = together.exchange.phase;
  sent.exchange.error = together.exchange.error;
  sent.exchange.response.status = together.exchange.response.status;
  sent.exchange.response.headers = together.exchange.response.headers;
  sent.took = together.took;
  sent.together = static_cast<std::uint32_t>(together.items);
  const bool delivered = together.whole.category == Category::kDelivered;
  // What the answer says of others is theirs; one that says nothing of any stands in the leader's journal.
  if (!delivered && place == 0) sent.exchange.response.body = together.exchange.response.body;
  sent.verdict = delivered ? of_items(std::move(part.verdicts)) : together.whole;
  outage_ = together.outage;
  // Each of them lets others go on that wait for the system, as if it had been called alone; the leader's has been
  // told.
  if (delivered && place != 0 && !connection_.breaker.quiet()) shard_.served(connection_, action_.name());
  // A connector may find a refusal in an answer of 200, of which some rows went through.
  const bool nothing_done =
      !unsafe() || sent.exchange.phase != Phase::kAnswered || sent.exchange.response.status >= 400;
  if (refuses(sent.verdict.category) && !delivered && nothing_done && together.items > part.items) {
    // One item may be what is wrong with all: halves are tried, and their halves, until it is alone.
    most_ = std::max(part.items, (together.items + 1) / 2);
    sent.halved = true;
    sent.verdict.code.clear();  // somebody else's, and `on:` may have an answer to it
    sent.verdict.message = "refused together with " +
                           counted(together.items - part.items, "item of another run", "items of other runs") +
                           ", so it goes with fewer: " + truncated(sent.verdict.message, kShownMax);
  }
  auto written = co_await journal_outcome(observed(sent, together.shut, number), number);
  if (!written && written.error().code == Code::kTooLarge) written = co_await journal_outcome(too_large(sent), number);
  co_return concluded(written, together.shut);
}

// What became of the call's own items, as one verdict.
Verdict Caller::of_items(std::vector<Verdict> verdicts) const {
  CHECK(verdicts.size() == items().size());
  Verdict out;
  const Verdict* failed = nullptr;
  std::size_t went_through = 0, which = 0;
  for (std::size_t i = 0; i < verdicts.size(); ++i) {
    if (verdicts[i].category == Category::kDelivered) {
      ++went_through;
    } else if (failed == nullptr ||
               (verdicts[i].category == Category::kUnknown && failed->category != Category::kUnknown)) {
      failed = &verdicts[i];
      which = i;
    }
  }
  if (failed == nullptr) {
    out.result = request_.one_item && verdicts.size() == 1 ? verdicts.front().result : list_of(verdicts);
    return out;
  }
  out.category = failed->category;
  out.message = failed->message;
  if (verdicts.size() == 1) return out;
  out.message = "item " + std::to_string(which + 1) + " of " + std::to_string(verdicts.size()) + ": " + out.message;
  if (went_through > 0 && unsafe() && out.category != Category::kUnknown) {
    // To try all again would do twice what went through.
    out.category = Category::kValidation;
    out.happened = true;
    out.message += " (" + counted(went_through, "other", "others") + " went through)";
  }
  return out;
}

}  // namespace tieline::engine
