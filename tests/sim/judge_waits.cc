// Judges what a run waits for outside of its work: a moment, a person, a newer run of its key, its flow's brake.
#include <algorithm>

#include "sim/life.h"

namespace tieline::sim {
namespace {

std::string flow_of(const std::string& name) { return name.substr(0, name.find('/')); }
std::string event_of(const std::string& name) {
  const std::size_t from = name.find('/') + 1;
  return name.substr(from, name.find('#') - from);
}

// The number in the summary "… event N of its key …"; 0: none.
std::uint64_t event_in(const std::string& summary) {
  const std::size_t at = summary.find("event ");
  return at == std::string::npos ? 0 : std::strtoull(summary.c_str() + at + 6, nullptr, 10);
}

}  // namespace

void Life::tell(const std::string& name, const RunStatus& status, const Record& record,
                const engine::RecordBody& body) {
  const std::string flow = flow_of(name);
  if (flow != kDebounce && flow != kApprove && flow != kNewest) return;
  Story& story = stories_[name];
  story.event = status.run.event;
  story.changed = status.changed;
  story.summary = status.summary;
  if (body.answer == engine::HeldAnswer::kApproved) story.approved.push_back(record.at);
  if (record.kind != RecordKind::kState) return;
  if (record.state == RunState::kCancelled) story.cancelled = record.at;
  if (record.state != RunState::kWaiting) return;
  const Time until = body.until.value_or(Time::min());
  if (story.waits.empty() || story.waits.back().until != until) story.waits.push_back(Story::Wait{record.at, until});
}

void Life::judge_waits() {
  for (const auto& [name, end] : ends_) {
    const std::string flow = flow_of(name);
    if (end == RunState::kSkipped && flow != kNewest && flow != kApprove) violation("skipped for nothing: " + name);
    if (end == RunState::kCancelled && flow != kDebounce) violation("cancelled for nothing: " + name);
  }
  for (const auto& [name, story] : stories_) {
    if (flow_of(name) == kNewest) {
      judge_newest(name, story);
    } else {
      judge_wait(name, story);
    }
    if (flow_of(name) == kDebounce) judge_cancelled(name, story);
  }
  for (const Vendor::Effect& effect : vendor_.effects()) {
    if (effect.flow == kDebounce || effect.flow == kApprove) judge_waited(effect);
  }
  judge_brake();
}

void Life::judge_wait(const std::string& name, const Story& story) {
  const RunState end = ends_[name];
  // A dead letter of an approval that nobody gave asks anew, wherever it begins again.
  const std::uint32_t again = flow_of(name) == kApprove ? repeats_[name] : from_start_[name];
  if (story.waits.size() > 1 + again) violation("it waits " + std::to_string(story.waits.size()) + " times: " + name);
  const Duration whole = flow_of(name) == kApprove ? kApprovalWait : kDebounceWait;
  for (const Story::Wait& wait : story.waits) {
    // It is journaled a moment after it began.
    if (wait.until - wait.since < whole - Duration(1'000'000)) violation("a wait is cut short: " + name);
  }
  if (end == RunState::kDelivered && story.waits.empty()) violation("delivered without a wait: " + name);
  if (flow_of(name) != kApprove) return;
  const bool expired = story.summary.find("nobody approved it") != std::string::npos;
  if (expired && (story.waits.empty() || story.changed < story.waits.back().until))
    violation("an approval is given up early: " + name);
  // An answer that was acknowledged stands.
  const auto answer = answers_.find(name);
  const bool declined = answer != answers_.end() && answer->second == engine::HeldAnswer::kDeclined;
  if (declined && end != RunState::kSkipped) violation("declined and goes on: " + name);
  if (answer == answers_.end() || again > 0) return;
  if (end == RunState::kSkipped && !declined) violation("approved and skipped: " + name);
  if (expired) violation("answered and given up: " + name);
}

// Exactly the runs that still wait when a newer one of their key comes to its wait.
void Life::judge_cancelled(const std::string& name, const Story& story) {
  const std::string& key = events_.at(std::stoul(event_of(name).substr(1))).key;
  const bool cancelled = ends_[name] == RunState::kCancelled;
  bool has_reason = false;
  for (const auto& [other, newer] : stories_) {
    if (flow_of(other) != kDebounce || newer.event <= story.event) continue;
    if (events_.at(std::stoul(event_of(other).substr(1))).key != key) continue;
    const bool waited = std::any_of(newer.waits.begin(), newer.waits.end(), [&](const Story::Wait& wait) {
      return story.cancelled && wait.since <= *story.cancelled;
    });
    has_reason = has_reason || (waited && event_in(story.summary) == newer.event.value);
    if (newer.waits.empty() || story.waits.empty() || replays_.contains(name) || replays_.contains(other)) continue;
    const Time came = newer.waits.front().since;
    const bool due = story.waits.front().since <= came && came < story.waits.front().until;
    if (due && !cancelled) violation("a newer run leaves a wait alone: " + name + " and " + other);
  }
  if (cancelled && !has_reason) violation("cancelled for nothing: " + name + ": " + story.summary);
}

// An effect of a run before or after its wait.
void Life::judge_waited(const Vendor::Effect& effect) {
  const std::string name = effect.flow + "/" + event_of(effect.flow + "/" + effect.event);
  const auto found = stories_.find(name);
  if (found == stories_.end()) return;  // judged as absent
  const Story& story = found->second;
  if (effect.event.find('#') != std::string::npos) {
    if (!story.waits.empty() && from_start_[name] == 0 && effect.at > story.waits.front().since)
      violation("what was done before a wait is done again: " + name);
    return;
  }
  const auto wait = std::find_if(story.waits.rbegin(), story.waits.rend(),
                                 [&](const Story::Wait& one) { return one.since <= effect.at; });
  if (wait == story.waits.rend()) return violation("an effect without its wait: " + name);
  if (effect.flow == kDebounce && effect.at < wait->until) violation("a wait ends early: " + name);
  const bool approved = std::any_of(story.approved.begin(), story.approved.end(),
                                    [&](Time at) { return at >= wait->since && at <= effect.at; });
  if (effect.flow == kApprove && !approved) violation("an effect that nobody approved: " + name);
  if (story.cancelled && effect.at > *story.cancelled) violation("a cancelled run goes on: " + name);
}

void Life::judge_newest(const std::string& name, const Story& story) {
  if (ends_[name] != RunState::kSkipped) return;
  const Sent& sent = events_.at(std::stoul(event_of(name).substr(1)));
  bool has_reason = false;
  for (const auto& [other, newer] : stories_) {
    if (flow_of(other) != kNewest || newer.event <= story.event) continue;
    has_reason = has_reason || (event_in(story.summary) == newer.event.value &&
                                events_.at(std::stoul(event_of(other).substr(1))).key == sent.key);
  }
  if (!has_reason) violation("skipped for nothing: " + name + ": " + story.summary);
  if (!replays_.contains(name) && vendor_.count(effect_identity(kNewest, sent.id, "")) > 0)
    violation("skipped after its effect: " + name);
}

// A process that begins counts anew from nothing; a brake that holds then holds on.
void Life::judge_brake() {
  std::set<std::string> passed;
  for (const Vendor::Effect& effect : vendor_.effects()) {
    if (effect.flow == kBraked && (releases_.empty() || effect.at < releases_.front())) passed.insert(effect.event);
  }
  if (passed.size() > kBrakeMax * (report_.crashes + 1) + passes_)
    violation("more than the brake lets pass: " + std::to_string(passed.size()));
}

}  // namespace tieline::sim
