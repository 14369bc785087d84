// What a call leaves in the journal and shows to its observers. It must never write what redact.h has not seen.
#include "base/bytes.h"
#include "engine/caller.h"

namespace tieline::engine {

KeptRequest Caller::kept(const Request& request) {
  const Redactor& redactor = connection_.redactor(request.secrets);
  KeptRequest out{request.method, redactor.text(request.url), harmless_headers(request.headers),
                  redactor.body(request.body, shard_.limits.kept_body_bytes)};
  for (auto& [name, value] : out.headers) value = redactor.text(std::move(value));
  return out;
}

RecordBody Caller::outcome_of(const Sent& sent, bool lookup) {
  const Redactor& redactor = connection_.redactor(sent.request.secrets);
  RecordBody body;
  body.category = sent.verdict.category;
  body.code = sent.verdict.code;
  body.message = redactor.text(sent.verdict.message);
  body.took = sent.took;
  body.wait = sent.verdict.wait;
  body.lookup = lookup;
  body.outage = outage_;
  body.empty = sent.verdict.empty;
  body.happened = sent.verdict.happened;
  body.halved = sent.halved;
  body.pages = sent.pages;
  body.next = sent.next;
  body.together = sent.together;
  const bool full = run_.flow->history == HistoryKept::kFull;
  // An intent holds its request already.
  if (full && (lookup || !journals_intent())) body.request = kept(sent.request);
  KeptResponse response;
  response.status = sent.exchange.response.status;
  response.phase = sent.exchange.phase == Phase::kAnswered
                       ? "answered"
                       : (sent.exchange.phase == Phase::kSent ? "sent" : "not sent");
  if (full) {
    response.headers = harmless_headers(sent.exchange.response.headers);
    for (auto& [name, value] : response.headers) value = redactor.text(std::move(value));
    response.body = redactor.body(sent.exchange.response.body, shard_.limits.kept_body_bytes);
  }
  body.response = std::move(response);
  if (sent.verdict.category == Category::kDelivered) body.result = redactor.document(sent.verdict.result);
  return body;
}

// What is journaled of the attempt.
RecordBody Caller::observed(const Sent& sent, Duration shut, std::uint32_t number) {
  observe(sent, false, number);
  RecordBody body = outcome_of(sent, false);
  if (body.category == Category::kRateLimited) body.wait = shut;
  return body;
}

// In the place of an outcome that the store did not take because of its size.
RecordBody Caller::too_large(const Sent& sent) const {
  RecordBody small;
  small.category = Category::kValidation;
  small.message = "the call was made, and its answer is too large to be kept";
  small.happened = action_.safety() != Safety::kSafe;
  small.took = sent.took;
  return small;
}

RecordDraft Caller::draft(RecordKind kind, RecordBody&& body) const {
  RecordDraft out{
      .kind = kind,
      .step = id_.step,
      .attempt = static_cast<std::uint16_t>(history_.attempts),
      .body = std::move(body),
  };
  out.body.call = id_.call;
  out.body.items = id_.items;
  out.body.path = path_;
  out.body.action = action_.name();
  if (request_.once) out.body.once = *request_.once;
  return out;
}

Async<void> Caller::journal_outcome(RecordBody&& body, std::uint32_t number) {
  body.action = action_.name();
  history_.outcome(body.conclusion(), number, shard_.now());
  RecordDraft outcome = draft(RecordKind::kOutcome, std::move(body));
  outcome.attempt = static_cast<std::uint16_t>(number);
  // What stays unknown stays claimed; a known failure leaves the key to whoever comes first.
  if (request_.once && !history_.open) {
    const bool done = history_.last && (history_.last->category == Category::kDelivered || history_.last->happened);
    // One that was to be redone was made before: its key is not free for others.
    const auto failed = history_.redo ? OnceEntry::State::kClaimed : OnceEntry::State::kFree;
    outcome.puts.push_back(once_entry(done ? OnceEntry::State::kDone : failed,
                                      done && history_.last->result ? *history_.last->result : json::Document()));
  }
  return append_record(shard_, run_, std::move(outcome), Sync::kWithNext);
}

void Caller::observe(const Sent& sent, bool lookup, std::uint32_t number) {
  const std::string& said = sent.verdict.message;
  connection_.count(sent.verdict.category,
                    said.empty() ? std::string() : connection_.redactor(sent.request.secrets).text(said));
  if (shard_.deps.observer == nullptr) return;
  AttemptInfo info;
  info.run = run_.id;
  info.flow = run_.flow->name;
  info.connection = action_.connection();
  info.action = action_.name();
  info.category = sent.verdict.category;
  info.lookup = lookup;
  info.attempt = number;
  info.status = sent.exchange.response.status;
  info.took = sent.took;
  info.bytes_out = sent.bytes_out;
  info.bytes_in = sent.exchange.response.body.size();
  shard_.deps.observer->attempt_ended(info);
}

// The event's own names are in it, because two stores count positions and flows alike.
CallIdentity Caller::identity() const {
  std::string text;
  if (request_.once) {
    text = once_key(action_, *request_.once);
  } else {
    text = run_.flow->name + '\n' + run_.event->source + '\n' + run_.event->id + '\n' + name_in_run();
  }
  // A vendor answers an earlier key with what it answered then, so what is another request has another key: what failed
  // before the run began again, what another flow calls in its place, and what is to be made once more.
  std::uint32_t round = history_.key_round;
  const bool other = !history_.keyed_for.empty() && history_.keyed_for != action_.name();
  if (history_.redo || other) round = history_.replayed;
  if (round != 0) text += "\nreplay " + std::to_string(round);
  if (history_.asked != 0) text += "\nasked " + std::to_string(history_.asked);
  Bytes bits;
  put_u64(bits, hash64(text, 1));
  put_u64(bits, hash64(text, 2));
  CallIdentity identity;
  identity.key = "tl-" + to_hex(bits);
  return identity;
}

std::string Caller::name_in_run() const {
  std::string name = std::to_string(id_.step) + '\n' + std::to_string(id_.call);
  for (const std::uint32_t item : id_.items) name += '\n' + std::to_string(item);
  return name;
}

KeyPut Caller::once_entry(OnceEntry::State state, json::Document result) const {
  OnceEntry entry;
  entry.state = state;
  entry.run = run_.id;
  if (!path_.empty()) entry.call = name_in_run();
  entry.result = std::move(result);
  const bool kept_on = state != OnceEntry::State::kFree;
  return once_put(once_key(action_, *request_.once), entry,
                  kept_on ? shard_.now() + shard_.limits.once_keep : shard_.now());
}

}  // namespace tieline::engine
