#include "engine/lane_table.h"

#include <algorithm>

#include "base/check.h"

namespace tieline::engine {

bool LaneTable::push(std::uint64_t lane, Position run) {
  Lane& found = lanes_[lane];
  CHECK(found.runs.empty() || found.runs.back() < run);
  found.runs.push_back(run);
  return found.runs.size() - found.first == 1;
}

void LaneTable::insert(std::uint64_t lane, Position run) {
  Lane& found = lanes_[lane];
  CHECK(found.first == 0);
  const auto at = std::lower_bound(found.runs.begin(), found.runs.end(), run);
  CHECK(at == found.runs.end() || *at != run);
  found.runs.insert(at, run);
}

void LaneTable::rejoin(std::uint64_t lane, Position run) {
  Lane& found = lanes_[lane];
  const auto first = found.runs.begin() + static_cast<std::ptrdiff_t>(found.first);
  found.runs.insert(std::lower_bound(first, found.runs.end(), run), run);
}

bool LaneTable::contains(std::uint64_t lane, Position run) const {
  const auto found = lanes_.find(lane);
  if (found == lanes_.end()) return false;
  const auto first = found->second.runs.begin() + static_cast<std::ptrdiff_t>(found->second.first);
  return std::find(first, found->second.runs.end(), run) != found->second.runs.end();
}

Position LaneTable::last(std::uint64_t lane) const {
  const auto found = lanes_.find(lane);
  return found == lanes_.end() ? Position() : found->second.runs.back();
}

void LaneTable::lead(std::uint64_t lane, Position run) {
  Lane& at = lanes_.at(lane);
  CHECK(at.first == 0);
  const auto found = std::find(at.runs.begin(), at.runs.end(), run);
  CHECK(found != at.runs.end());
  std::rotate(at.runs.begin(), found, found + 1);
}

void LaneTable::place(std::uint64_t lane, Position run) {
  Lane& at = lanes_[lane];
  const auto first = at.runs.begin() + static_cast<std::ptrdiff_t>(at.first);
  if (first == at.runs.end()) {
    at.runs.push_back(run);
    return;
  }
  const auto place = std::lower_bound(first + 1, at.runs.end(), run);
  CHECK(*first != run && (place == at.runs.end() || *place != run));
  at.runs.insert(place, run);
}

Position LaneTable::head(std::uint64_t lane) const {
  const auto found = lanes_.find(lane);
  return found == lanes_.end() ? Position() : found->second.runs[found->second.first];
}

Position LaneTable::pop(std::uint64_t lane) {
  const auto found = lanes_.find(lane);
  CHECK(found != lanes_.end());
  Lane& at = found->second;
  ++at.first;
  if (at.first == at.runs.size()) {
    lanes_.erase(found);
    return Position();
  }
  if (at.first >= 32 && at.first * 2 >= at.runs.size()) {
    at.runs.erase(at.runs.begin(), at.runs.begin() + static_cast<std::ptrdiff_t>(at.first));
    at.first = 0;
  }
  return at.runs[at.first];
}

void LaneTable::erase(std::uint64_t lane, Position run) {
  Lane& at = lanes_.at(lane);
  const auto first = at.runs.begin() + static_cast<std::ptrdiff_t>(at.first);
  const auto found = std::lower_bound(first + 1, at.runs.end(), run);
  CHECK(found != at.runs.end() && *found == run);
  at.runs.erase(found);
}

std::vector<Position> LaneTable::followers(std::uint64_t lane) const {
  const auto found = lanes_.find(lane);
  if (found == lanes_.end()) return {};
  const Lane& at = found->second;
  return {at.runs.begin() + static_cast<std::ptrdiff_t>(at.first + 1), at.runs.end()};
}

std::vector<std::pair<std::uint64_t, Position>> LaneTable::heads() const {
  std::vector<std::pair<std::uint64_t, Position>> out;
  out.reserve(lanes_.size());
  for (const auto& [lane, at] : lanes_) out.emplace_back(lane, at.runs[at.first]);
  std::sort(out.begin(), out.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
  return out;
}

}  // namespace tieline::engine
