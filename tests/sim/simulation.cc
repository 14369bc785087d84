#include "sim/simulation.h"

#include <boost/asio/io_context.hpp>
#include <cstdio>
#include <map>
#include <memory>
#include <set>

#include "async/manual_clock.h"
#include "base/check.h"
#include "engine/record.h"
#include "sim/flows.h"
#include "sim/vendor.h"
#include "store/memory_store.h"

namespace tieline::sim {
namespace {

constexpr std::size_t kStepsMax = 300'000;
constexpr Duration kLifeMax = std::chrono::hours(24 * 10);

struct Sent {
  std::string id, key, group;
  std::int64_t version = 0;
  bool acknowledged = false;
};

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

class Life {
 public:
  explicit Life(const Options& options)
      : options_(options),
        prng_(options.seed),
        clock_(*parse_time("2026-11-23T00:00:00Z")),
        vendor_(clock_, options_),
        store_(std::make_unique<store::MemoryStore>(context_.get_executor(), clock_, store_options())) {}

  Report run();

 private:
  store::MemoryStoreOptions store_options() {
    store::MemoryStoreOptions options;
    options.sync_delay = Duration(static_cast<std::int64_t>(prng_.below(8'000)));
    return options;
  }
  void say(const std::string& text) const {
    if (options_.trace) std::fprintf(stderr, "%12.6f %s\n", seconds(), text.c_str());
  }
  double seconds() const { return static_cast<double>(clock_.instant().time_since_epoch().count()) / 1e6; }
  void violation(std::string text) { report_.violations.push_back(std::move(text)); }

  void boot();
  void crash();
  bool turn();  // false: nothing is left that could happen
  void finish(asio::awaitable<void> task);
  engine::EngineConfig config() const;
  asio::awaitable<void> start();
  asio::awaitable<void> stop_cleanly();
  asio::awaitable<void> produce();
  asio::awaitable<void> operate();
  asio::awaitable<void> reload();
  asio::awaitable<void> trouble();
  asio::awaitable<void> look();
  asio::awaitable<void> judge();
  std::string standing() const;
  void judge_effects();
  void judge_order();

  Options options_;
  Prng prng_;
  asio::io_context context_;
  ManualClock clock_;
  Vendor vendor_;
  Source source_;
  std::unique_ptr<store::MemoryStore> store_;
  std::unique_ptr<engine::Engine> engine_;
  std::unique_ptr<TaskGroup> tasks_;
  std::vector<Sent> events_;
  std::map<std::string, RunState> ends_;          // by "flow/event"
  std::map<std::string, std::uint32_t> repeats_;  // that the operator asked for
  std::uint32_t generation_ = 1;
  bool started_ = false, must_crash_ = false, quiet_ = false;
  std::uint32_t troubles_ = 0;
  std::size_t crash_at_ = 0;
  Report report_;
};

engine::EngineConfig Life::config() const {
  engine::EngineConfig config;
  config.flows = make_flows(generation_);
  ConnectionInfo vendor;
  vendor.name = "vendor";
  Bucket bucket;
  bucket.name = "all";
  bucket.count = static_cast<double>(kRateCount);
  bucket.window = kRateWindow;
  bucket.concurrent = 8;
  vendor.buckets = {bucket};
  config.connections = {vendor};
  return config;
}

void Life::boot() {
  engine::EngineDeps deps{context_.get_executor(), clock_, prng_.next(), *store_, *store_, *store_, vendor_, source_};
  deps.faults = options_.faults;
  engine::EngineLimits limits;
  limits.window = 6;
  limits.waiting_max = 12;
  limits.unsettled_span = 8;
  limits.read_batch = 5;
  engine_ = std::make_unique<engine::Engine>(deps, limits);
  tasks_ = std::make_unique<TaskGroup>(context_.get_executor());
  started_ = must_crash_ = false;
  vendor_.new_caller();
  const bool crashes = report_.crashes < options_.crashes_max && prng_.chance(4, 5);
  crash_at_ = crashes ? report_.steps + 50 + prng_.below(4'000) : 0;
  tasks_->spawn(start());
}

asio::awaitable<void> Life::start() {
  auto started = co_await engine_->start(config());
  if (!started) {
    violation("the engine does not start: " + started.error().message);
    co_return;
  }
  started_ = true;
  tasks_->spawn(produce());
  tasks_->spawn(operate());
  if (prng_.chance(1, 2)) tasks_->spawn(reload());
  if (prng_.chance(1, 2)) tasks_->spawn(trouble());
}

bool Life::turn() {
  ++report_.steps;
  context_.restart();
  if (context_.poll_one() > 0) return true;
  const auto next = clock_.next_wake();
  if (!next) return false;
  clock_.advance_to(*next);
  return true;
}

void Life::finish(asio::awaitable<void> task) {
  auto group = std::make_unique<TaskGroup>(context_.get_executor());
  group->spawn(std::move(task));
  while (group->running() > 0) {
    if (!turn()) {
      violation("stuck while stopping");
      std::abort();
    }
  }
}

void Life::crash() {
  ++report_.crashes;
  say("-- crash");
  auto next = store_->crash(context_.get_executor(), store_options());
  auto halt = [](Life* life) -> asio::awaitable<void> {
    co_await life->tasks_->stop();
    co_await life->engine_->halt();
    co_await life->store_->stop();
  };
  finish(halt(this));
  engine_.reset();
  tasks_.reset();
  store_ = std::move(next);
  boot();
}

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

// A person who can look into the vendor's system and says what is true there.
asio::awaitable<void> Life::operate() {
  while (true) {
    co_await clock_.sleep(Duration(20'000'000));
    RunQuery query;
    query.states = {RunState::kHeld};
    auto held = co_await store_->runs(query);
    auto flows = co_await store_->flows();
    if (!held || !flows) continue;
    for (const RunStatus& status : *held) {
      if (engine::hold_of_summary(status.summary) != engine::Hold::kUnknownOutcome) continue;
      const std::string& flow = (*flows)[status.run.flow.value - 1].second;
      std::vector<Position> wanted{status.run.event};
      auto events = co_await store_->get(std::move(wanted));
      std::string id = events->front()->id;
      const Sent& sent = events_.at(std::stoul(id.substr(1)));
      if (flow == kNested) {
        auto records = co_await store_->read(status.run);
        if (records) id = part_of(id, held_part(*records));
      }
      const bool happened = vendor_.count(effect_identity(flow, id, sent.group)) > 0;
      const auto answer = happened ? engine::HeldAnswer::kDelivered : engine::HeldAnswer::kRepeat;
      auto settled = co_await engine_->settle_held(status.run, answer, "operator");
      if (!settled) continue;  // it moved on meanwhile
      say("settled " + flow + "/" + id + (happened ? " delivered" : " repeat"));
      ++report_.settled_by_hand;
      if (!happened) ++repeats_[flow + "/" + id];
    }
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
    crash_at_ = report_.steps + 500;
    co_return;
  }
  say("-- the disk is full");
  ++troubles_;
  store_->refuse(Code::kFull);
  co_await clock_.sleep(Duration(static_cast<std::int64_t>(prng_.below(20'000'000))));
  store_->refuse(std::nullopt);
}

// Quiet: everything was posted, everything is settled for every flow.
asio::awaitable<void> Life::look() {
  quiet_ = false;
  if (!started_ || must_crash_ || !vendor_.is_calm()) co_return;
  for (const engine::FlowSnapshot& flow : engine_->snapshot().flows) {
    if (flow.lag + flow.running + flow.queued + flow.retrying + flow.parked + flow.held > 0) co_return;
  }
  quiet_ = true;
}

std::string Life::standing() const {
  std::string out = vendor_.is_calm() ? "calm" : "not calm";
  for (const engine::FlowSnapshot& flow : engine_->snapshot().flows)
    out += "; " + flow.name + ": lag " + std::to_string(flow.lag) + ", running " + std::to_string(flow.running) +
           ", queued " + std::to_string(flow.queued) + ", retrying " + std::to_string(flow.retrying) + ", parked " +
           std::to_string(flow.parked) + ", held " + std::to_string(flow.held);
  return out;
}

asio::awaitable<void> Life::stop_cleanly() {
  co_await tasks_->stop();
  const Deadline soon = clock_.deadline_in(Duration(10'000'000));
  auto drained = co_await engine_->drain(soon);
  if (!drained) violation("draining fails: " + drained.error().message);
}

asio::awaitable<void> Life::judge() {
  auto flows = co_await store_->flows();
  for (const auto& flow : *flows) {
    auto cursor = co_await store_->cursor(flow.first);
    if (cursor->floor != store_->last()) violation("flow " + flow.second + " has unsettled events at the end");
    for (std::uint64_t at = 1; at <= store_->last().value; ++at) {
      std::vector<Position> wanted{Position(at)};
      auto events = co_await store_->get(std::move(wanted));
      const std::string name = flow.second + "/" + events->front()->id;
      const RunId run{flow.first, Position(at)};
      auto status = co_await store_->status(run);
      if (!status->has_value()) {
        violation("absent: " + name);
        continue;
      }
      ends_[name] = (*status)->state;
      if (!is_terminal((*status)->state)) violation("unfinished: " + name + ": " + (*status)->summary);
      if ((*status)->state == RunState::kDelivered) ++report_.delivered;
      if ((*status)->state == RunState::kStale) ++report_.stale;
      if ((*status)->state == RunState::kDead) ++report_.dead;
      auto records = co_await store_->read(run);
      for (const Record& record : *records) {
        if (record.body.find("not-to-be-seen") != std::string::npos) violation("a secret in the journal of " + name);
      }
    }
  }
  judge_effects();
  judge_order();
}

void Life::judge_effects() {
  for (const Sent& sent : events_) {
    if (!sent.acknowledged) continue;
    ++report_.acknowledged;
    for (const char* flow : {kUpsert, kVersioned, kFound, kKeyed, kHeld, kOnce, kRepeat}) {
      const std::string name = std::string(flow) + "/" + sent.id;
      const std::size_t made = vendor_.count(effect_identity(flow, sent.id, sent.group));
      const auto end = ends_.find(name);
      if (end == ends_.end()) {
        violation("acknowledged and absent: " + name);
        continue;
      }
      if (end->second == RunState::kDelivered && made == 0) violation("delivered without an effect: " + name);
      const bool may_repeat = std::string_view(flow) == kUpsert || std::string_view(flow) == kVersioned ||
                              std::string_view(flow) == kRepeat;
      if (made > 1 && !may_repeat)
        violation("an unsafe effect " + std::to_string(made) + " times without a hold or look-up: " + name);
    }
  }
  for (const Sent& sent : events_) {
    const auto end = ends_.find(std::string(kNested) + "/" + sent.id);
    if (!sent.acknowledged || end == ends_.end()) continue;
    for (const std::string& part : nested_parts()) {
      const std::size_t made = vendor_.count(effect_identity(kNested, part_of(sent.id, part), sent.group));
      if (end->second == RunState::kDelivered && made == 0)
        violation("delivered without a part's effect: " + end->first + "#" + part);
      if (made > 1 && part != "repeated")
        violation("an unsafe effect " + std::to_string(made) + " times without a hold or look-up: " + end->first + "#" +
                  part);
    }
  }
  for (const auto& [name, attempts] : vendor_.attempts()) {
    // A look-up is not an attempt. An unsafe call leaves behind a durable intent, so that none of them is ever
    // forgotten; of another one a crash or a refused record may forget the outcome.
    if (name.ends_with("/find")) continue;
    const bool unsafe = name.ends_with("/do_found") || name.ends_with("/do_keyed") || name.ends_with("/do_held") ||
                        name.ends_with("/do_once") || name.ends_with("/do_repeat") || name.ends_with("/do_item") ||
                        name.ends_with("/do_arm");
    const std::uint32_t forgotten = unsafe ? 0 : static_cast<std::uint32_t>(report_.crashes) + troubles_;
    const auto asked = repeats_.find(name.substr(0, name.rfind('/')));
    const std::uint32_t again = asked == repeats_.end() ? 0 : asked->second * kTries;
    if (attempts > kTries + again + forgotten)
      violation("more attempts than the policy allows: " + name + " " + std::to_string(attempts));
  }
}

void Life::judge_order() {
  std::map<std::string, std::uint64_t> last;  // position order is the order of ids' first acknowledgement
  std::map<std::string, std::int64_t> last_version;
  std::map<std::string, std::uint64_t> position;
  for (std::uint64_t at = 1; at <= store_->last().value; ++at) {
    auto read = [](store::MemoryStore* from, std::uint64_t p, std::string* id) -> asio::awaitable<void> {
      std::vector<Position> wanted{Position(p)};
      auto events = co_await from->get(std::move(wanted));
      *id = events->front()->id;
    };
    std::string id;
    finish(read(store_.get(), at, &id));
    position[id] = at;
  }
  for (const Vendor::Effect& effect : vendor_.effects()) {
    const std::string lane = effect.flow + "/" + effect.key;
    if (effect.flow == kUpsert || effect.flow == kHeld || effect.flow == kVersioned) {
      if (position[effect.event] < last[lane]) violation("out of order: " + lane + " event " + effect.event);
      last[lane] = position[effect.event];
    }
    if (effect.flow == kVersioned) {
      const auto before = last_version.find(lane);
      if (before != last_version.end() && effect.version < before->second)
        violation("older data over newer: " + lane + " event " + effect.event);
      // Only what completed makes older data stale: a dead letter's call may have been heard all the same.
      if (ends_[effect.flow + "/" + effect.event] == RunState::kDelivered) last_version[lane] = effect.version;
    }
  }
}

Report Life::run() {
  for (std::uint32_t i = 0; i < options_.events; ++i) {
    Sent sent;
    sent.id = "e" + std::to_string(i);
    sent.key = "k" + std::to_string(prng_.below(options_.keys));
    sent.group = "g" + std::to_string(prng_.below(options_.events / 2 + 1));
    sent.version = static_cast<std::int64_t>(i) - static_cast<std::int64_t>(prng_.below(6));
    events_.push_back(std::move(sent));
  }
  boot();
  while (!quiet_) {
    if (crash_at_ != 0 && report_.steps >= crash_at_) crash();
    if (report_.steps > kStepsMax || clock_.instant().time_since_epoch() > kLifeMax) {
      violation("it does not come to rest: " + standing());
      break;
    }
    const bool alive = turn();
    if (!alive || report_.steps % 64 == 0) finish(look());
    if (!alive && !quiet_) {
      violation("nothing is left to happen, and not everything is done: " + standing());
      break;
    }
  }
  finish(stop_cleanly());
  if (quiet_) finish(judge());
  for (const std::string& complaint : vendor_.complaints()) violation("the vendor complains: " + complaint);
  finish(store_->stop());
  engine_.reset();
  tasks_.reset();
  report_.lost_answers = vendor_.lost();
  report_.failed_before = vendor_.failed_before();
  return report_;
}

}  // namespace

Report simulate(const Options& options) {
  Life life(options);
  return life.run();
}

}  // namespace tieline::sim
