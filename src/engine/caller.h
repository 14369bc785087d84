// One call of one run: intent, budget, sending, outcome, and what is not known. It must never send an unsafe call whose
// earlier attempt may have happened, unless the vendor's idempotency key, a look-up, a person or the flow allows it.
#pragma once

#include <optional>
#include <string>

#include "core/flow.h"
#include "engine/answer.h"
#include "engine/once.h"
#include "engine/shard.h"

namespace tieline::engine {

// Made for one performance; `request` must outlive it. When the run cannot go on, `transition` says where it goes.
// `path`: as RecordBody's; not empty where other calls of the run may be under way.
class Caller {
 public:
  Caller(Shard& shard, Run& run, CallRequest& request, CallId id, std::string path);
  asio::awaitable<RunContext::CallResult> perform(Transition& transition);

 private:
  using Ending = std::optional<RunContext::CallResult>;  // nothing: go on
  struct Sent {
    Request request;  // the first page's; of an unsafe call only its secrets, once it has left
    std::size_t bytes_out = 0;
    Exchange exchange;  // the last one
    Verdict verdict;
    std::uint32_t pages = 1;
    std::string next;  // of one page
    Duration took{0};
    std::uint32_t together = 0;  // how many items the request had, where other runs' were among them
    bool halved = false;         // … and what refused it may be none of this run's
  };

  Ending not_due();
  Ending remembered();
  Ending made_before();
  asio::awaitable<Ending> resolve();
  asio::awaitable<Ending> look_up();
  asio::awaitable<Ending> claim_once();
  asio::awaitable<Ending> attempt();
  asio::awaitable<Ending> shadow();
  Ending render(Request& out, Time now);
  asio::awaitable<Ending> leave(Sent& sent, Budget::Permit& permit);
  asio::awaitable<Ending> intend(const Request& request, std::uint32_t number);
  asio::awaitable<Ending> unsent(std::uint32_t number);
  RecordBody observed(const Sent& sent, Duration shut, std::uint32_t number);
  RecordBody too_large(const Sent& sent) const;
  Ending concluded(const Result<void>& written, Duration shut);
  bool takes_items() const { return !action_.items_arg().empty(); }
  json::Value items() const { return request_.args.root()[action_.items_arg()]; }
  Verdict of_items(std::vector<Verdict> verdicts) const;
  bool gathers() const;
  std::string gathering_key() const;
  asio::awaitable<Ending> leave_together();
  asio::awaitable<std::optional<Budget::Permit>> lead(const std::string& key, Gathering& together);
  asio::awaitable<void> send_together(Gathering& together, Budget::Permit permit);
  asio::awaitable<Ending> take_answer(Request&& own, Gathering& together, std::size_t place, std::uint32_t number);
  asio::awaitable<bool> pages(Sent& sent, Budget::Permit& permit, std::uint32_t number);
  void find_next(Sent& sent) const;
  asio::awaitable<bool> turn_page(Sent& sent, Budget::Permit& permit, const Request& request, std::uint32_t number);
  asio::awaitable<Exchange> send(Request request) const;

  Ending limited(Duration shut);
  Ending gate();
  Ending brake();
  Ending follow(const RecordBody& outcome);
  // Journals what it came to without an attempt, and goes on with it.
  asio::awaitable<Ending> settled(RecordBody body);
  Ending try_again(const RecordBody& outcome);
  Ending ask_again(const Answer& answer);
  Ending wait_until(Time due, std::string summary, Category category);
  Ending hold(Hold hold, const std::string& why);
  Ending hold_as(Hold hold, std::string summary);
  Ending dead(Category category, std::string why);
  // What is wrong with the call itself begins with its name already.
  std::string named(const std::string& why) const;
  Ending suspended();
  Ending abandoned();
  Ending refused(const Error& error);
  Ending bind(json::Document value) const;

  bool unsafe() const { return action_.safety() == Safety::kUnsafe; }
  bool repeats_unknown() const;
  bool down() const { return connection_.breaker.covers(action_.name()); }
  void tell_breaker(const Sent& sent);
  void settle_permit(Budget::Permit& permit, const Sent& sent, Duration& shut);
  KeptRequest kept(const Request& request);
  bool journals_intent() const { return unsafe() || request_.once.has_value(); }
  Verdict guarded(Verdict verdict, const Exchange& exchange) const;
  RecordBody outcome_of(const Sent& sent, bool lookup);
  RecordDraft draft(RecordKind kind, RecordBody&& body) const;
  // To be awaited at once.
  Async<void> journal_outcome(RecordBody&& body, std::uint32_t number);
  void observe(const Sent& sent, bool lookup, std::uint32_t number);
  std::vector<Spend> spends() const;
  const RetryPolicy& policy() const { return request_.retry != nullptr ? *request_.retry : run_.flow->retry; }
  CallIdentity identity() const;
  std::string name_in_run() const;
  KeyPut once_entry(OnceEntry::State state, json::Document result) const;

  Shard& shard_;
  Run& run_;
  CallRequest& request_;
  const Action& action_;
  Connection& connection_;
  CallHistory& history_;
  const CallId id_;
  const std::string path_;
  OnceGuard once_;
  bool counted_ = false;       // at the flow's brake
  bool probing_ = false;       // this call is the one that tries whether its connection works again
  bool outage_probe_ = false;  // … whether its system is there again
  bool outage_ = false;        // its last attempt failed in an outage
  std::size_t most_ = 0;       // so many items a request may have from now on; 0: as the flow says
  Transition* transition_ = nullptr;
};

}  // namespace tieline::engine
