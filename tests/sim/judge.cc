// What a life is judged by when it has come to rest: the journal and the log beside what the vendor holds.
#include <algorithm>
#include <cstdio>

#include "sim/life.h"

namespace tieline::sim {

void Life::show(const Record& record) const {
  std::fprintf(stderr, "%12.6f record %u: kind %d, step %u, attempt %u",
               static_cast<double>((record.at - began_).count()) / 1e6, record.number, static_cast<int>(record.kind),
               record.step, record.attempt);
  if (record.kind == RecordKind::kState)
    std::fprintf(stderr, ", %s", std::string(run_state_name(record.state)).c_str());
  std::fprintf(stderr, " %s %s\n", record.summary.c_str(), record.body.c_str());
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
      const bool published = topic_of(events->front()->source).has_value(), subscribes = flow.second == kSubscribe;
      if (published && subscribes) ++published_[std::stoull(events->front()->id)];  // the position it begins with
      if (published != subscribes) {
        if (status->has_value()) violation("a run on an event that its flow does not want: " + name);
        continue;
      }
      if (!status->has_value()) {
        violation("absent: " + name);
        continue;
      }
      ends_[name] = (*status)->state;
      if (!is_terminal((*status)->state)) violation("unfinished: " + name + ": " + (*status)->summary);
      if ((*status)->state == RunState::kDelivered) ++report_.delivered;
      if ((*status)->state == RunState::kStale) ++report_.stale;
      if ((*status)->state == RunState::kDead) ++report_.dead;
      if ((*status)->state == RunState::kSkipped) ++report_.skipped;
      if ((*status)->state == RunState::kCancelled) ++report_.cancelled;
      auto records = co_await store_->read(run);
      for (const Record& record : *records) {
        const auto body = engine::decode(record.body);
        if (!body) continue;
        if (name == options_.run) show(record);
        if (body->replay) {
          ++repeats_[name];
          if (body->replay->start) ++from_start_[name];
          replays_[name].emplace_back(record.at, body->replay->job);
        }
        if (record.body.find("not-to-be-seen") != std::string::npos) violation("a secret in the journal of " + name);
        judge_outage(name, record, *body);
        tell(name, **status, record, *body);
      }
    }
  }
  judge_effects();
  judge_order();
  judge_waits();
  co_await judge_topics();
}

// What a run publishes stands in the log exactly if the run was delivered, and is delivered itself.
asio::awaitable<void> Life::judge_topics() {
  for (std::uint64_t at = 1; at <= store_->last().value; ++at) {
    std::vector<Position> wanted{Position(at)};
    auto events = co_await store_->get(std::move(wanted));
    const std::string id = events->front()->id;
    if (topic_of(events->front()->source)) {
      const auto end = ends_.find(std::string(kSubscribe) + "/" + id);
      if (end == ends_.end()) violation("published and absent: " + id);
      const bool delivered = end != ends_.end() && end->second == RunState::kDelivered;
      if (delivered && vendor_.count(effect_identity(kSubscribe, id, "")) == 0)
        violation("delivered without an effect: " + id);
      continue;
    }
    const auto end = ends_.find(std::string(kPublish) + "/" + id);
    const std::size_t due = end != ends_.end() && end->second == RunState::kDelivered ? 2 : 0;
    if (published_[at] != due)
      violation("published " + std::to_string(published_[at]) + " times instead of " + std::to_string(due) + ": " + id);
  }
}

// What fails in an outage costs no try; and once the engine knows of one, nothing else fails in it.
void Life::judge_outage(const std::string& name, const Record& record, const engine::RecordBody& body) {
  if (record.kind != RecordKind::kOutcome) return;
  if (body.outage) {
    const std::string action = body.action.substr(body.action.find('.') + 1), part = part_of_call(action, body.items);
    if (!body.lookup) ++outage_tries_[(part.empty() ? name : part_of(name, part)) + "/" + action];
    ++report_.in_outage;
    return;
  }
  if (body.category != Category::kTransient || !body.response || body.response->phase != "not sent") return;
  // Those under way when it came to know may have been counted already.
  for (const Vendor::Known& known : vendor_.outage_known()) {
    if (record.at > known.from + Duration(1'000'000) && record.at < known.to)
      violation("a try is burnt in an outage: " + name);
  }
}

void Life::judge_effects() {
  for (const Sent& sent : events_) {
    if (!sent.acknowledged) continue;
    ++report_.acknowledged;
    for (const char* flow : {kUpsert, kVersioned, kFound, kKeyed, kHeld, kOnce, kRepeat, kPublish, kDebounce, kApprove,
                             kNewest, kBraked, kBatched}) {
      const std::string name = std::string(flow) + "/" + sent.id;
      const std::size_t made = vendor_.count(effect_identity(flow, sent.id, sent.group));
      const auto end = ends_.find(name);
      if (end == ends_.end()) {
        violation("acknowledged and absent: " + name);
        continue;
      }
      if (end->second == RunState::kDelivered && made == 0) violation("delivered without an effect: " + name);
      const bool may_repeat = std::string_view(flow) == kUpsert || std::string_view(flow) == kVersioned ||
                              std::string_view(flow) == kRepeat || std::string_view(flow) == kPublish ||
                              std::string_view(flow) == kBraked;
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
      // Whoever has it begin at the start has what was done done again.
      if (made > 1 + from_start_[end->first] && part != "repeated")
        violation("an unsafe effect " + std::to_string(made) + " times without a hold or look-up: " + end->first + "#" +
                  part);
    }
  }
  for (auto [name, attempts] : vendor_.attempts()) {
    // A look-up is not an attempt. An unsafe call leaves behind a durable intent, so that none of them is ever
    // forgotten; of another one a crash or a refused record may forget the outcome.
    if (name.ends_with("/find")) continue;
    const std::string action = name.substr(name.rfind('/') + 1);
    const bool unsafe = action.starts_with("do_") && action != "do_upsert" && action != "do_versioned" &&
                        action != "do_publish" && action != "do_subscribe" && action != "do_braked";
    const std::uint32_t forgotten = unsafe ? 0 : static_cast<std::uint32_t>(report_.crashes) + troubles_;
    const std::string run = name.substr(0, name.rfind('/')), whole = run.substr(0, run.find('#'));
    const std::uint32_t asked = repeats_[run] + (whole == run ? 0 : repeats_[whole]);
    const std::uint32_t again = asked * kTries;
    const auto unburnt = outage_tries_.find(name);
    if (unburnt != outage_tries_.end()) attempts -= std::min(attempts, unburnt->second);
    if (attempts > kTries + again + forgotten)
      violation("more attempts than the policy allows: " + name + " " + std::to_string(attempts));
  }
}

void Life::judge_order() {
  std::map<std::string, std::uint64_t> last;  // position order is the order of ids' first acknowledgement
  struct Newest {
    std::int64_t version;
    std::string event;
  };
  std::map<std::string, Newest> last_version;
  const auto made_again = [&](const std::string& event, const Vendor::Effect* after) {
    return std::any_of(after, vendor_.effects().data() + vendor_.effects().size(),
                       [&](const Vendor::Effect& later) { return later.flow == after->flow && later.event == event; });
  };
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
    const std::size_t hash = effect.event.find('#');
    const std::string event = effect.event.substr(0, hash);
    // What began again comes after newer ones that were done meanwhile; one job's runs still come in their order.
    std::uint64_t job = 0;
    bool begins_again_later = false;
    if (const auto replays = replays_.find(effect.flow + "/" + event); replays != replays_.end()) {
      for (const auto& [at, number] : replays->second) {
        if (at <= effect.at) job = number;
        begins_again_later = begins_again_later || at > effect.at;
      }
    }
    const std::string order = job == 0 ? lane : lane + " of job " + std::to_string(job);
    // A wait is outside of its lane: what comes after it comes in any order.
    const bool waits = effect.flow == kDebounce || effect.flow == kApprove;
    if (effect.flow == kUpsert || effect.flow == kHeld || effect.flow == kVersioned || effect.flow == kNewest ||
        (waits && hash != std::string::npos)) {
      if (position[event] < last[order]) violation("out of order: " + order + " event " + effect.event);
      last[order] = position[event];
    }
    if (effect.flow == kVersioned) {
      const auto before = last_version.find(lane);
      // A call that a crash cut off may have been heard; then it is made again, after what began before it.
      if (before != last_version.end() && effect.version < before->second.version &&
          !made_again(before->second.event, &effect))
        violation("older data over newer: " + lane + " event " + effect.event);
      // Only what completed makes older data stale: a dead letter's call may have been heard all the same.
      if (!begins_again_later && ends_[effect.flow + "/" + effect.event] == RunState::kDelivered)
        last_version[lane] = Newest{effect.version, effect.event};
    }
  }
}

}  // namespace tieline::sim
