#include "workspace/topics.h"

#include <algorithm>
#include <deque>
#include <set>

#include "base/text.h"

namespace tieline::workspace {
namespace {

// The trigger of `to` that something of `from` starts, or null.
const TopicUse* starts(const TopicFlow& from, const TopicFlow& to) {
  for (const TopicUse& use : to.topics) {
    const bool wanted = std::any_of(from.publishes.begin(), from.publishes.end(),
                                    [&](const std::string& topic) { return use.topic.matches(topic); });
    if (wanted) return &use;
  }
  return nullptr;
}

// The shortest way from flow `first` back to itself, without those before it, which were looked at; empty: there is
// none.
std::vector<std::size_t> circle(std::span<const TopicFlow> flows, std::size_t first) {
  std::vector<std::size_t> from(flows.size(), flows.size());
  std::deque<std::size_t> open{first};
  while (!open.empty()) {
    const std::size_t at = open.front();
    open.pop_front();
    for (std::size_t next = first; next < flows.size(); ++next) {
      if (starts(flows[at], flows[next]) == nullptr) continue;
      if (next == first) {
        std::vector<std::size_t> way{at};
        while (way.back() != first) way.push_back(from[way.back()]);
        std::reverse(way.begin(), way.end());
        return way;
      }
      if (from[next] != flows.size()) continue;
      from[next] = at;
      open.push_back(next);
    }
  }
  return {};
}

void check_circles(std::span<const TopicFlow> flows, spec::Problems& problems) {
  std::set<std::size_t> told;
  for (std::size_t first = 0; first < flows.size(); ++first) {
    if (told.contains(first)) continue;
    const std::vector<std::size_t> way = circle(flows, first);
    if (way.empty()) continue;
    std::string names;
    for (const std::size_t flow : way) {
      told.insert(flow);
      names += flows[flow].name + " → ";
    }
    const TopicUse* use = starts(flows[way.back()], flows[first]);
    problems.warning(use->place, "what is published comes back: " + names + flows[first].name +
                                     "; an event that nothing stops becomes a dead letter when it has come through 16 "
                                     "flows: make sure that a `filter` ends it");
  }
}

// Other topics may be there for flows to come. Who has dead letters told counts on being told.
void check_dead(std::span<const TopicFlow> flows, spec::Problems& problems) {
  std::vector<std::string> read;
  for (const TopicFlow& flow : flows) {
    for (const TopicUse& use : flow.topics) read.push_back(use.topic.text());
  }
  for (const TopicFlow& flow : flows) {
    if (!flow.on_dead) continue;
    const std::string& topic = flow.on_dead->value;
    const bool any = std::any_of(flows.begin(), flows.end(), [&](const TopicFlow& other) {
      return std::any_of(other.topics.begin(), other.topics.end(),
                         [&](const TopicUse& use) { return use.topic.matches(topic); });
    });
    if (!any)
      problems.warning(flow.on_dead->place, "no flow and no subscription reads the topic \"" + topic +
                                                "\", so nobody is told" + did_you_mean(topic, read));
  }
}

}  // namespace

void check_topics(std::span<const TopicFlow> flows, spec::Problems& problems) {
  std::vector<std::string> published;
  for (const TopicFlow& flow : flows) published.insert(published.end(), flow.publishes.begin(), flow.publishes.end());
  std::sort(published.begin(), published.end());
  published.erase(std::unique(published.begin(), published.end()), published.end());
  for (const TopicFlow& flow : flows) {
    for (const TopicUse& use : flow.topics) {
      const bool any = std::any_of(published.begin(), published.end(),
                                   [&](const std::string& topic) { return use.topic.matches(topic); });
      if (any) continue;
      problems.warning(use.place,
                       "no flow publishes on \"" + use.topic.text() + "\"" + did_you_mean(use.topic.text(), published));
    }
  }
  check_dead(flows, problems);
  check_circles(flows, problems);
}

}  // namespace tieline::workspace
