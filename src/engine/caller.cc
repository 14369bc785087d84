#include "engine/caller.h"

#include <algorithm>

#include "base/check.h"
#include "engine/concealed.h"

namespace tieline::engine {
namespace {

// "https://host:port" of an address.
std::string origin_of(const std::string& url) {
  const std::size_t host = url.find("://");
  return url.substr(0, host == std::string::npos ? 0 : std::min(url.size(), url.find_first_of("/?#", host + 3)));
}

// The next page's request, without what all pages have in common: path and query, and where that is another one the
// body behind a line break, which no address has.
constexpr char kBodyOfPage = '\n';
constexpr std::size_t kPageBytesMax = 64u << 10;

void to_page(Request& request, std::string_view page) {
  const std::size_t body = page.find(kBodyOfPage);
  request.url = origin_of(request.url) + std::string(page.substr(0, body));
  if (body != std::string_view::npos) request.body = std::string(page.substr(body + 1));
}

}  // namespace

Caller::Caller(Shard& shard, Run& run, CallRequest& request, CallId id, std::string path)
    : shard_(shard),
      run_(run),
      request_(request),
      action_(*request.action),
      connection_(shard.connections.get(action_.connection())),
      history_(run.history.call(id)),
      id_(std::move(id)),
      path_(std::move(path)) {}

asio::awaitable<RunContext::CallResult> Caller::perform(Transition& transition) {
  transition_ = &transition;
  if (Ending early = not_due()) co_return std::move(*early);
  // After a conflict the run reads again and maps again; what it has changed already it does not change again.
  if (history_.reread && action_.safety() == Safety::kSafe) history_.restart();
  if (Ending skipped = made_before()) co_return std::move(*skipped);
  if (!unsafe() && history_.open) history_.unanswered("its last attempt was cut off", history_.open_since);
  if (Ending known = remembered()) co_return std::move(*known);
  while (true) {
    Ending ending;
    if (shard_.draining) ending = abandoned();
    if (!ending && history_.open) ending = co_await resolve();
    if (!ending && history_.open) continue;
    if (!ending) ending = co_await attempt();
    if (ending) co_return std::move(*ending);
  }
}

// The run is here for others of its calls: this one waits on.
Caller::Ending Caller::not_due() {
  if (!history_.due || *history_.due <= shard_.now()) return std::nullopt;
  if (!history_.last)
    return wait_until(*history_.due, action_.name() + ": its last try was cut off", Category::kTransient);
  const RecordBody& last = *history_.last;
  if (last.category == Category::kDelivered)
    return wait_until(*history_.due, action_.name() + ": found nothing", Category::kMissing);
  return wait_until(*history_.due, action_.name() + ": " + last.message, last.category.value_or(Category::kTransient));
}

// A replay from the start leaves out what its flow says is not to be made again, where it was made.
Caller::Ending Caller::made_before() {
  if (request_.on_replay != OnReplay::kSkip || !history_.earlier || history_.open || history_.last) return std::nullopt;
  if (!history_.earlier->action.empty() && history_.earlier->action != action_.name()) return std::nullopt;
  // Only what went through was made: the failure of another item of the run is in there, too.
  if (interpret(*history_.earlier, request_.on, 0, 0).then != Answer::Then::kBind) return std::nullopt;
  return bind(history_.earlier->result.value_or(json::Document()));
}

// What the journal knows of the call already: its end; or a failure that nothing was decided on before the process
// ended.
Caller::Ending Caller::remembered() {
  if (history_.open || !history_.last) return std::nullopt;
  RecordBody outcome = *history_.last;
  if (outcome.wait) outcome.wait = std::max(Duration(0), Duration(history_.last_at + *outcome.wait - shard_.now()));
  const Answer answer = interpret(outcome, request_.on, history_.conflicts, shard_.limits.conflict_tries);
  switch (answer.then) {
    case Answer::Then::kBind:
    case Answer::Then::kSkip:
    case Answer::Then::kDead: return follow(outcome);
    case Answer::Then::kRetry: return history_.undecided ? try_again(outcome) : std::nullopt;
    case Answer::Then::kAsk: return history_.undecided ? ask_again(answer) : std::nullopt;
    case Answer::Then::kLimited:
      if (!history_.undecided || outcome.wait.value_or(Duration(0)).count() == 0) return std::nullopt;
      return wait_until(shard_.now() + *outcome.wait, action_.connection() + " is at its limit",
                        Category::kRateLimited);
    case Answer::Then::kHold:  // credentials may be others by now
    case Answer::Then::kResolve: break;
  }
  return std::nullopt;
}

// Of a call with a key: binds what another run made, or claims the key for this one.
asio::awaitable<Caller::Ending> Caller::claim_once() {
  if (!once_.entered()) co_await once_.enter(shard_, once_key(action_, *request_.once));
  auto entry = co_await once_look(shard_.deps.state, once_.key());
  if (!entry) co_return refused(entry.error());
  if (entry->state == OnceEntry::State::kFree) co_return std::nullopt;
  if (history_.redo && entry->state == OnceEntry::State::kDone) co_return std::nullopt;
  const bool ours = entry->run == run_.id, other_call = ours && !entry->call.empty() && entry->call != name_in_run();
  if (entry->state == OnceEntry::State::kClaimed && !other_call && (ours || history_.repeat_asked))
    co_return std::nullopt;
  if (entry->state == OnceEntry::State::kClaimed && other_call) {
    transition_->behind = true;
    co_return wait_until(shard_.now() + shard_.limits.once_retry, "waits for another call of the run with its `once`",
                         Category::kUnknown);
  }
  const std::string other = "the run of event " + std::to_string(entry->run.event.value);
  RecordBody body;
  body.category = Category::kDelivered;
  body.resolved = Resolved::kOnce;
  body.message = "done once by " + other;
  if (entry->state == OnceEntry::State::kClaimed) {
    auto status = co_await shard_.deps.journal.status(entry->run);
    if (!status) co_return refused(status.error());
    const bool gone = !status->has_value();
    if (!gone && !is_terminal((*status)->state))
      co_return wait_until(shard_.now() + shard_.limits.once_retry, "waits for " + other, Category::kUnknown);
    if (gone || (*status)->state == RunState::kDead || (*status)->state == RunState::kDiscarded)
      co_return hold(Hold::kUnknownOutcome, other + " ended without knowing whether it happened");
  } else {
    body.result = entry->result;
  }
  if (!body.result) body.result = json::Document();
  co_return co_await settled(std::move(body));
}

asio::awaitable<Caller::Ending> Caller::attempt() {
  if (run_.flow->mode == FlowMode::kShadow) co_return co_await shadow();
  if (Ending held = gate()) co_return held;
  if (request_.once) {
    if (Ending known = co_await claim_once()) co_return known;
  }
  if (Ending held = brake()) co_return held;
  if (takes_items() && items().size() > action_.items_max())
    co_return dead(Category::kValidation, action_.name() + " takes at most " + std::to_string(action_.items_max()) +
                                              " items, and was given " + std::to_string(items().size()));
  if (gathers()) co_return co_await leave_together();
  history_.stand(shard_.now());
  auto permit = co_await connection_.budget().acquire(spends(), Deadline::never(), run_.flow->priority);
  if (!permit) co_return abandoned();
  const Time now = shard_.now();
  history_.begin(now);
  Ending stop = gate();
  if (shard_.draining) stop = abandoned();
  Sent sent;
  if (!stop) stop = render(sent.request, now);
  if (stop) {
    permit->unused();
    co_return stop;
  }
  co_return co_await leave(sent, *permit);
}

// The request as it leaves `now`: some are signed with that moment, and it may have waited for long.
Caller::Ending Caller::render(Request& out, Time now) {
  CallIdentity who = action_.has_idempotency_key() ? identity() : CallIdentity();
  who.now = now;
  auto request = render_revealed(request_, who, false);
  if (!request) {
    if (request.error().code != Code::kDenied) return dead(Category::kValidation, named(request.error().message));
    RecordBody body;
    body.action = action_.name();
    body.category = Category::kAuth;
    body.message = request.error().message;
    return follow(body);
  }
  out = std::move(*request);
  if (request_.page != nullptr && !request_.page->at.empty()) to_page(out, request_.page->at);
  out.timeout = request_.timeout.value_or(action_.timeout());
  return std::nullopt;
}

// Before anything leaves: the intent, where one is needed.
asio::awaitable<Caller::Ending> Caller::intend(const Request& request, std::uint32_t number) {
  if (!journals_intent()) {
    if (!shard_.store_refuses) co_return std::nullopt;
    // What cannot be journaled is not sent: a full disk must not become a vendor called again and again.
    auto written = co_await append_record(shard_, run_, draft(RecordKind::kState, RecordBody()), Sync::kWait);
    if (!written) co_return refused(written.error());
    co_return std::nullopt;
  }
  RecordBody body;
  if (run_.flow->history == HistoryKept::kFull) body.request = kept(request);
  RecordDraft intent = draft(RecordKind::kIntent, std::move(body));
  intent.attempt = static_cast<std::uint16_t>(number);
  if (request_.once) intent.puts.push_back(once_entry(OnceEntry::State::kClaimed, json::Document()));
  const Sync sync = shard_.deps.faults.unsynced_intents ? Sync::kWithNext : Sync::kWait;
  auto written = co_await append_record(shard_, run_, std::move(intent), sync);
  if (!written) co_return refused(written.error());
  history_.intent(number, shard_.now());
  co_return std::nullopt;
}

// While the intent was being synced the vendor asked for a wait: it stays unsent, and the journal says so.
asio::awaitable<Caller::Ending> Caller::unsent(std::uint32_t number) {
  if (!journals_intent()) co_return std::nullopt;
  RecordBody body;
  body.category = Category::kRateLimited;
  body.message = "not sent: " + action_.connection() + " is at its limit";
  auto written = co_await journal_outcome(std::move(body), number);
  if (!written) co_return refused(written.error());
  co_return std::nullopt;
}

// The intent where one is needed, the request, its outcome.
asio::awaitable<Caller::Ending> Caller::leave(Sent& sent, Budget::Permit& permit) {
  const std::uint32_t number = history_.attempts + 1;
  if (journals_intent() || shard_.store_refuses) {
    Ending stop = co_await intend(sent.request, number);
    if (stop) {
      permit.unused();
      co_return stop;
    }
  }
  if (journals_intent() && permit.shut()) {
    permit.unused();
    co_return co_await unsent(number);
  }
  sent.bytes_out = sent.request.body.size();
  if (unsafe()) {
    // Nothing looks at it any more: its intent has kept what is kept of it.
    Request leaving = std::move(sent.request);
    sent.request = Request();
    sent.request.secrets = leaving.secrets;
    sent.exchange = co_await send(std::move(leaving));
  } else {
    sent.exchange = co_await send(sent.request);
  }
  sent.verdict = guarded(action_.judge(sent.exchange, shard_.now()), sent.exchange);
  sent.took = sent.exchange.took;
  if (action_.safety() == Safety::kSafe && sent.verdict.category == Category::kDelivered) {
    bool whole = true;
    if (request_.page != nullptr) {
      find_next(sent);
    } else {
      whole = co_await pages(sent, permit, number);
    }
    if (!whole) co_return abandoned();
  }
  if (takes_items() && sent.verdict.category == Category::kDelivered)
    sent.verdict = of_items(action_.judge_items(sent.exchange, items()));
  Duration shut{0};
  settle_permit(permit, sent, shut);
  permit = Budget::Permit();
  auto written = co_await journal_outcome(observed(sent, shut, number), number);
  if (!written && written.error().code == Code::kTooLarge) written = co_await journal_outcome(too_large(sent), number);
  co_return concluded(written, shut);
}

// What follows from the outcome, which is journaled, or was refused.
Caller::Ending Caller::concluded(const Result<void>& written, Duration shut) {
  if (!written) return refused(written.error());
  if (history_.last->category == Category::kRateLimited || history_.last->halved) return limited(shut);
  return follow(*history_.last);
}

// Asks for the pages that follow the first one of a safe call, where there are any, and makes one result of all. False
// when it had to stop between two of them.
asio::awaitable<bool> Caller::pages(Sent& sent, Budget::Permit& permit, std::uint32_t number) {
  const Time began = shard_.now() - sent.took;
  std::vector<json::Document> results;
  std::size_t bytes = 0;
  Request request = sent.request;
  while (sent.verdict.category == Category::kDelivered) {
    auto next = action_.next_page(request, sent.exchange);
    if (next && !next->has_value() && results.empty()) break;
    bytes += json::print(sent.verdict.result.root()).size();
    results.push_back(sent.verdict.result);
    if (next && !next->has_value()) break;
    // What cannot be kept in the end need not be fetched to the end.
    if (!next || results.size() >= shard_.limits.pages_max || bytes > shard_.limits.result_bytes_max) {
      sent.verdict.category = next ? Category::kPermanent : Category::kValidation;
      sent.verdict.message = !next ? next.error().message
                             : bytes > shard_.limits.result_bytes_max
                                 ? "its pages are together too large to be kept"
                                 : "more than " + std::to_string(shard_.limits.pages_max) + " pages";
      break;
    }
    request = std::move(**next);
    request.timeout = sent.request.timeout;
    permit.observed(action_.observe(sent.exchange, request_.args));
    permit.served();
    const bool turned = co_await turn_page(sent, permit, request, number);
    if (!turned) co_return false;
    ++sent.pages;
  }
  if (sent.verdict.category == Category::kDelivered && results.size() > 1) {
    json::Builder merged;
    merged.begin_array();
    for (const json::Document& result : results) {
      for (const json::Value item : result.root().elements()) merged.copy(item);
    }
    merged.end_array();
    sent.verdict.result = merged.finish();
    sent.verdict.empty = sent.verdict.result.root().size() == 0;
  }
  if (sent.pages > 1) sent.took = Duration(shard_.now() - began);
  co_return true;
}

// One page more. A short limit is waited for here, so that the pages before it need not be fetched again.
asio::awaitable<bool> Caller::turn_page(Sent& sent, Budget::Permit& permit, const Request& request,
                                        std::uint32_t number) {
  while (true) {
    permit = Budget::Permit();
    auto other = co_await connection_.budget().acquire(spends(), Deadline::never(), run_.flow->priority);
    if (!other) co_return false;
    permit = std::move(*other);
    sent.exchange = co_await send(request);
    sent.verdict = guarded(action_.judge(sent.exchange, shard_.now()), sent.exchange);
    if (sent.verdict.category != Category::kRateLimited) co_return true;
    if (sent.verdict.wait.value_or(Duration(0)) > shard_.limits.limited_in_memory_max) co_return true;
    Duration shut{0};
    settle_permit(permit, sent, shut);
    sent.took = sent.exchange.took;
    observe(sent, false, number);
  }
}

// Where the page behind the one that came is. It is journaled, so it holds neither secrets nor an origin, to which
// credentials would go: both are rendered anew.
void Caller::find_next(Sent& sent) const {
  auto next = action_.next_page(sent.request, sent.exchange);
  if (next && !next->has_value()) return;
  std::string why;
  if (!next) {
    why = next.error().message;
  } else {
    const Request& request = **next;
    const std::string origin = origin_of(request.url);
    sent.next = request.url.substr(origin.size());
    if (request.body != sent.request.body) sent.next += kBodyOfPage + request.body;
    const bool plain = origin == origin_of(sent.request.url) && sent.next.size() <= kPageBytesMax &&
                       !connection_.redactor(request.secrets).finds(sent.next);
    if (plain && !sent.next.empty()) return;
    why =
        "this action's pages cannot be gone through one by one: the next one is asked for at another host, with a "
        "secret, or by more than can be kept. Use `call` and `foreach` over its result";
  }
  sent.next.clear();
  sent.verdict.category = Category::kValidation;
  sent.verdict.message = why;
}

asio::awaitable<Exchange> Caller::send(Request request) const {
  return shard_.deps.transport.send(std::move(request), Deadline::never());  // the request's own timeout ends it
}

// Waits for the vendor: shortly here, longer in the journal. Neither costs a try.
Caller::Ending Caller::limited(Duration shut) {
  history_.stand(shard_.now());
  if (shut > shard_.limits.limited_in_memory_max)
    return wait_until(shard_.now() + shut, action_.connection() + " is at its limit", Category::kRateLimited);
  // The budget's queue is where it waits: its buckets are shut for as long.
  return std::nullopt;
}

// Calls of a connection that needs authorization, and those whose system is down, are held, but for one in a while that
// tries whether it works again.
Caller::Ending Caller::gate() {
  if (down() && !outage_probe_) {
    outage_probe_ = connection_.may_probe(run_.id, shard_.deps.clock.instant(), action_.timeout());
    if (!outage_probe_) return hold(Hold::kOutage, connection_.breaker.incident()->cause);
  }
  if (!connection_.needs_authorization || probing_) return std::nullopt;
  const Instant now = shard_.deps.clock.instant();
  if (now < connection_.probe_at) return hold(Hold::kAuthorization, "its calls are refused");
  connection_.probe_at = now + shard_.limits.authorization_probe;
  probing_ = true;
  return std::nullopt;
}

Caller::Ending Caller::follow(const RecordBody& outcome) {
  const Answer answer = interpret(outcome, request_.on, history_.conflicts, shard_.limits.conflict_tries);
  switch (answer.then) {
    case Answer::Then::kBind:
      if (request_.page != nullptr) request_.page->next = outcome.next;
      return bind(answer.null || !outcome.result ? json::Document() : *outcome.result);
    case Answer::Then::kSkip: {
      RunContext::CallResult result;
      result.step = StepResult::skip(answer.reason);
      return result;
    }
    case Answer::Then::kDead: return dead(answer.category, answer.reason);
    case Answer::Then::kRetry: return try_again(outcome);
    case Answer::Then::kAsk: return ask_again(answer);
    case Answer::Then::kLimited: return std::nullopt;
    case Answer::Then::kHold:
      probing_ = false;
      if (!connection_.needs_authorization) {
        connection_.needs_authorization = true;
        connection_.probe_at = shard_.deps.clock.instant() + shard_.limits.authorization_probe;
        if (shard_.deps.observer != nullptr) shard_.deps.observer->authorization_changed(connection_.name(), true);
      }
      return hold(Hold::kAuthorization, outcome.message);
    case Answer::Then::kResolve: return std::nullopt;  // by resolve()
  }
  return std::nullopt;
}

Caller::Ending Caller::try_again(const RecordBody& outcome) {
  NextAttempt next =
      next_attempt(policy(), history_.policy, outcome.wait, shard_.limits.vendor_wait_max, shard_.now(), shard_.prng);
  if (shard_.deps.faults.ignore_policy) next = NextAttempt{true, Duration(0), {}};
  const Category category = outcome.category.value_or(Category::kTransient);
  const std::string what = action_.name() + ": " + outcome.message;
  // In an outage its turn is when the system is back, and not before; what it may still try it keeps for then.
  const bool passing = category == Category::kTransient || category == Category::kUnknown;
  if (passing && down() && (next.retry || outage_)) return hold(Hold::kOutage, outcome.message);
  if (next.retry) return wait_until(shard_.now() + next.wait, what, category);
  if (category == Category::kUnknown) return hold(Hold::kUnknownOutcome, next.reason + ": " + what);
  return dead(category == Category::kConflict ? Category::kValidation : category, what + "; " + next.reason);
}

// It is not there yet, and may come: that is no failure, and no try of the policy.
Caller::Ending Caller::ask_again(const Answer& answer) {
  const Time now = shard_.now();
  history_.not_there(now);
  if (now - *history_.asking_since >= answer.keep_for)
    return dead(Category::kValidation, answer.reason + "; asked for " + format_duration(answer.keep_for));
  return wait_until(now + answer.again, answer.reason, Category::kMissing);
}

std::vector<Spend> Caller::spends() const {
  if (shard_.deps.faults.ignore_budget) return {};
  return action_.spends(request_.args);
}

bool Caller::repeats_unknown() const {
  if (shard_.deps.faults.repeat_unknown) return true;
  if (action_.has_idempotency_key()) {
    // A key that the vendor may have forgotten by now proves nothing, and neither does one without a known beginning.
    const Duration keep = action_.idempotency_keep();
    const auto& first = history_.first_sent;
    if (keep.count() == 0 || (first && shard_.now() + action_.timeout() < *first + keep)) return true;
  }
  return !action_.has_find() && request_.on_unknown == OnUnknown::kRepeat;
}

// Whatever a connector's rules say: no whole answer to an unsafe call is unknown, and only an unsafe call can be that.
Verdict Caller::guarded(Verdict verdict, const Exchange& exchange) const {
  if (unsafe() && exchange.phase == Phase::kSent) {
    verdict.category = Category::kUnknown;
  } else if (!unsafe() && verdict.category == Category::kUnknown) {
    verdict.category = Category::kTransient;
  }
  if (verdict.message.empty() && verdict.category != Category::kDelivered) {
    verdict.message = exchange.phase == Phase::kAnswered ? "status " + std::to_string(exchange.response.status)
                                                         : exchange.error.message;
  }
  return verdict;
}

void Caller::tell_breaker(const Sent& sent) {
  const Category category = sent.verdict.category;
  outage_ = false;
  if (category != Category::kTransient && category != Category::kUnknown) {
    if (!connection_.breaker.quiet()) shard_.served(connection_, action_.name());
    outage_probe_ = false;
    return;
  }
  const std::string cause = connection_.redactor(sent.request.secrets).text(sent.verdict.message);
  Breaker::Failure failure{action_.name(), run_.id, sent.exchange.phase != Phase::kNotSent, cause, outage_probe_};
  outage_ = !shard_.failed(connection_, failure);
  outage_probe_ = false;
}

void Caller::settle_permit(Budget::Permit& permit, const Sent& sent, Duration& shut) {
  const Verdict& verdict = sent.verdict;
  tell_breaker(sent);
  permit.observed(action_.observe(sent.exchange, request_.args));
  switch (verdict.category) {
    case Category::kRateLimited: {
      std::optional<Duration> wait = verdict.wait;
      if (wait) wait = std::clamp(*wait, Duration(0), shard_.limits.vendor_wait_max);
      shut = permit.limited(wait, verdict.bucket);
      return;
    }
    case Category::kTransient:
    case Category::kUnknown: return;
    case Category::kAuth: permit.served(); return;
    default: break;
  }
  permit.served();
  if (connection_.needs_authorization) shard_.authorized(connection_);
}

}  // namespace tieline::engine
