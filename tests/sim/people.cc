// Who uses the engine during a life, and what befalls it: events come in, people answer and replay, flows are reloaded,
// the disk fills up.
#include "sim/life.h"

namespace tieline::sim {
namespace {

// Of a held run of kNested: which part of it a person is asked about.
std::string held_part(const std::vector<Record>& records) {
  std::string part;
  for (const Record& record : records) {
    if (record.kind != RecordKind::kState || record.state != RunState::kHeld) continue;
    const auto body = engine::decode(record.body);
    part = !body || body->items.empty() ? "held" : std::to_string(body->items.front());
  }
  return part;
}

}  // namespace

asio::awaitable<void> Life::produce() {
  // What was not acknowledged before a crash is posted again, as a vendor does.
  for (Sent& sent : events_) {
    if (sent.acknowledged) continue;
    std::vector<NewEvent> batch(1);
    batch[0].source = "shop";
    batch[0].id = sent.id;
    batch[0].type = "order";
    batch[0].time = batch[0].received = clock_.now();
    batch[0].data = std::make_shared<std::string>("{\"key\":\"" + sent.key + "\",\"group\":\"" + sent.group +
                                                  "\",\"version\":" + std::to_string(sent.version) + "}");
    if (prng_.chance(2, 3)) co_await clock_.sleep(Duration(static_cast<std::int64_t>(prng_.below(3'000'000))));
    while (!sent.acknowledged) {
      std::vector<NewEvent> again = batch;
      const Deadline never = Deadline::never();
      auto appended = co_await store_->append(std::move(again), never);
      sent.acknowledged = appended.has_value();
      if (!sent.acknowledged) co_await clock_.sleep(Duration(1'000'000));
      if (sent.acknowledged) say("event " + sent.id + " at " + std::to_string(appended->front().at.value));
    }
  }
  if (prng_.chance(1, 4)) co_await clock_.sleep(Duration(static_cast<std::int64_t>(prng_.below(120'000'000))));
  vendor_.calm();
}

asio::awaitable<std::string> Life::id_of(Position event) {
  std::vector<Position> wanted{event};
  auto events = co_await store_->get(std::move(wanted));
  co_return events->front()->id;
}

asio::awaitable<void> Life::operate() {
  while (true) {
    co_await clock_.sleep(Duration(20'000'000));
    RunQuery query;
    query.states = {RunState::kHeld, RunState::kWaiting};
    auto found = co_await store_->runs(query);
    auto flows = co_await store_->flows();
    if (!found || !flows) continue;
    std::vector<RunStatus> braked;
    for (const RunStatus& status : *found) {
      const std::string flow = (*flows)[status.run.flow.value - 1].second;
      const auto hold = engine::hold_of_summary(status.summary);
      if (flow == kApprove && status.state == RunState::kWaiting) co_await approve(status, flow);
      if (status.state != RunState::kHeld) continue;
      if (hold == engine::Hold::kUnknownOutcome) co_await look_into(status, flow);
      if (hold == engine::Hold::kBrake) braked.push_back(status);
    }
    if (!braked.empty()) co_await let_go(std::move(braked));
  }
}

// A person who can look into the vendor's system and says what is true there.
asio::awaitable<void> Life::look_into(RunStatus held, std::string flow) {
  std::string id = co_await id_of(held.run.event);
  const Sent& sent = events_.at(std::stoul(id.substr(1)));
  if (flow == kNested) {
    auto records = co_await store_->read(held.run);
    if (records) id = part_of(id, held_part(*records));
  }
  const bool happened = vendor_.count(effect_identity(flow, id, sent.group)) > 0;
  const auto answer = happened ? engine::HeldAnswer::kDelivered : engine::HeldAnswer::kRepeat;
  engine::Decision by{"operator"};
  auto settled = co_await engine_->settle_held(held.run, answer, std::move(by));
  if (!settled) co_return;  // it moved on meanwhile
  say("settled " + flow + "/" + id + (happened ? " delivered" : " repeat"));
  ++report_.settled_by_hand;
  if (!happened) ++repeats_[flow + "/" + id];
}

// A person who agrees, declines, or does not get to it.
asio::awaitable<void> Life::approve(RunStatus waiting, std::string flow) {
  if (!prng_.chance(1, 8)) co_return;
  const std::string id = co_await id_of(waiting.run.event);
  const std::string name = flow + "/" + id;
  const auto answer = prng_.chance(3, 4) ? engine::HeldAnswer::kApproved : engine::HeldAnswer::kDeclined;
  engine::Decision by{"finance"};
  auto settled = co_await engine_->settle_held(waiting.run, answer, std::move(by));
  if (!settled) co_return;
  answers_[name] = answer;
  ++report_.approvals;
  say(std::string(engine::held_answer_name(answer)) + " " + name);
}

// What the brake holds goes on, one of it or all.
asio::awaitable<void> Life::let_go(std::vector<RunStatus> held) {
  if (prng_.chance(1, 2)) co_return;
  if (prng_.chance(1, 3)) {
    engine::Decision by{"operator"};
    if (releases_.empty()) ++passes_;  // also where its answer is lost
    (void)co_await engine_->settle_held(held.front().run, engine::HeldAnswer::kRepeat, std::move(by));
    co_return;
  }
  releases_.push_back(clock_.now());
  if (engine_->release_brake(kBraked)) ++report_.releases;
}

// A person who has everything that is dead done again, from where it failed or from the start, or gives one up.
asio::awaitable<void> Life::replay() {
  while (report_.replays < options_.replays_max) {
    co_await clock_.sleep(Duration(5'000'000 + static_cast<std::int64_t>(prng_.below(40'000'000))));
    RunQuery query;
    query.states = {RunState::kDead};
    query.count = 1;
    auto dead = co_await store_->runs(query);
    if (!dead || dead->empty() || report_.replays >= options_.replays_max) continue;
    if (prng_.chance(1, 8)) {
      std::string by = "operator";
      (void)co_await engine_->discard(dead->front().run, std::move(by));
      continue;
    }
    engine::Job job;
    job.select.states = {RunState::kDead};
    if (prng_.chance(1, 3)) job.how.from = engine::Replay::From::kStart;
    job.how.by = "operator";
    auto started = co_await engine_->start_job(std::move(job));
    if (!started) continue;
    ++report_.replays;
    say("-- job " + std::to_string(started->id) + " replays " + std::to_string(started->selected));
  }
}

asio::awaitable<void> Life::reload() {
  co_await clock_.sleep(Duration(static_cast<std::int64_t>(prng_.below(30'000'000))));
  if (report_.reloads >= options_.reloads_max) co_return;
  ++report_.reloads;
  ++generation_;
  say("-- reload");
  auto reloaded = co_await engine_->reload(config());
  if (!reloaded && reloaded.error().code != Code::kUnavailable && reloaded.error().code != Code::kFull)
    violation("a reload fails: " + reloaded.error().message);
}

// The disk is full for a while; or a sync fails, and only a new process helps.
asio::awaitable<void> Life::trouble() {
  co_await clock_.sleep(Duration(static_cast<std::int64_t>(prng_.below(30'000'000))));
  if (crash_at_ != 0 && prng_.chance(1, 3)) {
    say("-- a sync fails");
    store_->fail_next_sync();
    must_crash_ = true;
    unkept_ = clock_.instant();
    crash_at_ = report_.steps + 500;
    co_return;
  }
  say("-- the disk is full");
  ++troubles_;
  unkept_ = clock_.instant();
  store_->refuse(Code::kFull);
  co_await clock_.sleep(Duration(static_cast<std::int64_t>(prng_.below(20'000'000))));
  store_->refuse(std::nullopt);
  // Until what was refused is written after all.
  co_await clock_.sleep(Duration(6'000'000));
  unkept_ = Instant::max();
}

}  // namespace tieline::sim
