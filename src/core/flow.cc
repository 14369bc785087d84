#include "core/flow.h"

#include <algorithm>

namespace tieline {
namespace {

bool has_type(const std::vector<std::string>& types, const Event& event) {
  return types.empty() || std::find(types.begin(), types.end(), event.type) != types.end();
}

bool is_of(const Event& event, std::string_view source, std::string_view flow) {
  return event.source.size() == source.size() + flow.size() && event.source.starts_with(source) &&
         event.source.ends_with(flow);
}

// "sync/FLOW/CONNECTION.RESOURCE".
bool is_record_of(const Event& event, std::string_view flow, std::string_view resource) {
  const std::string_view source = event.source;
  const std::size_t slash = kSyncSource.size() + flow.size();
  return source.size() == slash + 1 + resource.size() && source.substr(kSyncSource.size(), flow.size()) == flow &&
         source[slash] == '/' && source.ends_with(resource);
}

bool matches_trigger(const TopicTrigger& trigger, std::string_view topic, const Event& event) {
  return trigger.topic.matches(topic) && has_type(trigger.types, event);
}

}  // namespace

bool Flow::matches(const Event& event) const {
  for (const WebhookTrigger& trigger : triggers) {
    if (trigger.connection == event.source && has_type(trigger.types, event)) return true;
  }
  if (!topics.empty()) {
    if (const auto topic = topic_of(event.source)) {
      return std::any_of(topics.begin(), topics.end(),
                         [&](const TopicTrigger& trigger) { return matches_trigger(trigger, *topic, event); });
    }
  }
  // What came under its former name and was not read before it was renamed is its own, too.
  const auto own = [&](std::string_view kind) {
    return is_of(event, kind, name) || (!was.empty() && is_of(event, kind, was));
  };
  if (!schedules.empty() && own(kScheduleSource)) return true;
  if (reads && own(kReadingSource)) return true;
  if (!syncs.empty() && event.source.starts_with(kSyncSource)) {
    const bool taken = std::ranges::any_of(syncs, [&](const SyncTrigger& sync) {
      return is_record_of(event, name, sync.resource) || (!was.empty() && is_record_of(event, was, sync.resource));
    });
    if (taken) return true;
  }
  return manual && own(kManualSource);
}

bool Flow::has_filters() const {
  return std::any_of(topics.begin(), topics.end(),
                     [](const TopicTrigger& trigger) { return trigger.filter != nullptr; });
}

Result<bool> Flow::wants(const Event& event, const json::Document& data, std::span<const json::Document> values) const {
  const auto topic = topic_of(event.source);
  if (!topic) return true;
  for (const TopicTrigger& trigger : topics) {
    if (!matches_trigger(trigger, *topic, event)) continue;
    if (trigger.filter == nullptr) return true;
    TRY(const bool wanted, trigger.filter->test(data, values));
    if (wanted) return true;
  }
  return false;
}

}  // namespace tieline
