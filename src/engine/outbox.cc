#include "engine/outbox.h"

#include "base/bytes.h"
#include "base/text.h"

namespace tieline::engine {
namespace {

constexpr std::size_t kNoticeDataMax = 256 << 10, kNoticeKeyMax = 8 << 10;  // what is larger is left out of a notice

// "1042-3-9f86d081884c7d65": the event whose run publishes, the step, and a hash that tells flows and stores apart, so
// that a subscriber elsewhere never meets one id twice. All but the run's first one are counted: "1042-3.1-…".
std::string event_id(const Run& run, std::uint16_t step, std::size_t before) {
  Bytes hash;
  put_u64(hash, hash64(run.event->id, hash64(run.event->source, hash64(run.flow->name))));
  std::string id = std::to_string(run.id.event.value) + '-' + std::to_string(step);
  if (before > 0) id += '.' + std::to_string(before);
  return id + '-' + to_hex(hash);
}

}  // namespace

Result<void> publish(const Shard& shard, Run& run, Publication publication, std::uint16_t step) {
  const EngineLimits& limits = shard.limits;
  if (run.event->hops >= limits.hops_max)
    return failure(Code::kInvalid, "the event has come through " + std::to_string(run.event->hops) +
                                       " flows, each publishing for the next: it goes in a circle");
  if (run.published.size() >= limits.published_max)
    return failure(Code::kInvalid, "one run publishes at most " + std::to_string(limits.published_max) + " events");
  if (publication.subject.size() > limits.subject_bytes_max)
    return failure(Code::kInvalid, "`key` has " + std::to_string(publication.subject.size()) + " bytes, at most " +
                                       std::to_string(limits.subject_bytes_max) + " are allowed");
  if (publication.type.size() > limits.subject_bytes_max)
    return failure(Code::kInvalid, "`type` has " + std::to_string(publication.type.size()) + " bytes, at most " +
                                       std::to_string(limits.subject_bytes_max) + " are allowed");
  NewEvent event;
  event.data = std::make_shared<const std::string>(json::print(publication.data.root()));
  run.published_bytes +=
      event.data->size() + publication.topic.size() + publication.type.size() + publication.subject.size();
  if (run.published_bytes > limits.published_bytes_max)
    return failure(Code::kInvalid, "one run publishes at most " + std::to_string(limits.published_bytes_max >> 20) +
                                       " MiB, in all of its events");
  event.source = std::string(kTopicSource) + publication.topic;
  event.id = event_id(run, step, run.published.size());
  event.type = publication.type.empty() ? std::move(publication.topic) : std::move(publication.type);
  event.subject = std::move(publication.subject);
  event.op = publication.op;
  event.hops = run.event->hops + 1;
  run.published.push_back(std::move(event));
  return {};
}

void publish_own(Run& run, NewEvent event, std::uint16_t step) {
  event.id = event_id(run, step, run.published.size());
  // A replay that reads again meets other things: they are other events.
  if (const auto replays = run.history.replays(); replays > 0) event.id += '-' + std::to_string(replays);
  run.published.push_back(std::move(event));
}

std::vector<NewEvent> take_published(const Shard& shard, Run& run) {
  if (run.published.empty()) return {};
  const Time now = shard.now();
  for (NewEvent& event : run.published) {
    event.received = now;
    if (event.time == Time()) event.time = now;
  }
  return std::exchange(run.published, {});
}

std::vector<NewEvent> death_notice(const Shard& shard, const Run& run, const Transition& end) {
  if (end.state != RunState::kDead || run.flow == nullptr || run.flow->on_dead.empty()) return {};
  if (run.event == nullptr || run.event->hops >= shard.limits.hops_max || run.flow->mode == FlowMode::kShadow)
    return {};
  const Event& event = *run.event;
  const std::string name = run.flow->name + '/' + std::to_string(run.id.event.value);
  json::Builder out;
  out.begin_object().key("run").string(name).key("flow").string(run.flow->name);
  out.key("cause").string(end.summary);
  out.key("step").integer(end.step + 1);
  if (json::print(run.key.root()).size() <= kNoticeKeyMax) out.key("key").copy(run.key.root());
  out.key("event").begin_object().key("id").string(event.id).key("source").string(
      synced_of(event.source).value_or(event.source));
  out.key("type").string(event.type).key("subject").string(event.subject);
  out.key("time").string(format_time(event.time)).end_object();
  const bool whole = !run.data.root().is_null() && event.data != nullptr && event.data->size() <= kNoticeDataMax;
  if (whole) out.key("data").copy(run.data.root());
  NewEvent notice;
  notice.data = std::make_shared<const std::string>(json::print(out.end_object().finish().root()));
  notice.source = std::string(kTopicSource) + run.flow->on_dead;
  // Each time that it becomes one is another event; a crash in between makes none of a second.
  notice.id = event_id(run, 0, run.history.replays());
  notice.type = run.flow->on_dead;
  notice.subject = name;
  notice.hops = event.hops + 1;
  notice.time = notice.received = shard.now();
  std::vector<NewEvent> all;
  all.push_back(std::move(notice));
  return all;
}

void publish_with(RecordDraft& draft, std::vector<NewEvent> events) {
  draft.events = std::move(events);
  for (const NewEvent& event : draft.events) draft.body.published.push_back({event.source, event.id});
}

void forget_published(Run& run) {
  run.published.clear();
  run.puts.clear();
  run.words.clear();
  run.published_bytes = 0;
}

}  // namespace tieline::engine
