#include "engine/gathering.h"

#include "base/check.h"

namespace tieline::engine {

void Gathering::ready(std::size_t place, bool stays) {
  Part& part = parts[place];
  part.stays = stays;
  if (!stays) items -= part.items;
  CHECK(unready > 0);
  if (--unready == 0) changed.notify_all();
}

void Gathering::to(Stage next) {
  stage = next;
  if (next == Stage::kReadying) unready = parts.size();
  changed.notify_all();
}

json::Document Gathering::merged(const std::string& items_arg) const {
  json::Builder out;
  out.begin_object();
  for (const json::KeyValue member : parts.front().args.root().members()) {
    if (member.key != items_arg) out.key(member.key).copy(member.value);
  }
  out.key(items_arg).begin_array();
  for (const Part& part : parts) {
    if (!part.stays) continue;
    for (const json::Value item : part.args.root()[items_arg].elements()) out.copy(item);
  }
  out.end_array().end_object();
  return out.finish();
}

void Gathering::hand_out(std::vector<Verdict> verdicts) {
  auto next = verdicts.begin();
  for (Part& part : parts) {
    if (!part.stays) continue;
    for (std::size_t i = 0; i < part.items && next != verdicts.end(); ++i) part.verdicts.push_back(std::move(*next++));
  }
}

Gatherings::Seat Gatherings::join(const std::string& key, Gathering::Part part, Bounds bounds) {
  auto found = open_.find(key);
  if (found != open_.end()) {
    Gathering& open = *found->second;
    if (open.items + part.items > bounds.items || open.bytes + part.bytes > bounds.bytes) {
      close(key, open);
      found = open_.end();
    }
  }
  if (found == open_.end()) found = open_.emplace(key, std::make_shared<Gathering>()).first;
  Seat seat{found->second, found->second->parts.size()};
  Gathering& gathering = *seat.gathering;
  gathering.items += part.items;
  gathering.bytes += part.bytes;
  gathering.parts.push_back(std::move(part));
  if (gathering.items >= bounds.items || gathering.bytes >= bounds.bytes) close(key, gathering);
  return seat;
}

void Gatherings::close(const std::string& key, Gathering& gathering) {
  const auto found = open_.find(key);
  CHECK(found != open_.end() && found->second.get() == &gathering);
  const std::shared_ptr<Gathering> alive = std::move(found->second);
  open_.erase(found);
  gathering.to(Gathering::Stage::kClosed);
}

std::size_t Gatherings::waiting(const std::string& flow) const {
  const std::string head = flow + '\n';
  std::size_t calls = 0;
  for (auto at = open_.lower_bound(head); at != open_.end() && at->first.starts_with(head); ++at)
    calls += at->second->parts.size();
  return calls;
}

void Gatherings::end() {
  for (const auto& [key, gathering] : open_) gathering->to(Gathering::Stage::kAbandoned);
  open_.clear();
}

}  // namespace tieline::engine
