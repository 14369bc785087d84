#include "engine/breaker.h"

#include <algorithm>

#include "base/check.h"
#include "base/text.h"
#include "json/value.h"

namespace tieline::engine {
namespace {

constexpr std::size_t kCauseBytesMax = 200;

bool contains(const std::vector<std::string>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

std::optional<Time> time_at(json::Value value) {
  const auto us = value.as_int64();
  return us ? std::optional(from_unix_us(*us)) : std::nullopt;
}

}  // namespace

Bytes encode(const Incident& incident) {
  json::Builder out;
  const auto time = [&](const char* name, Time at) { out.key(name).integer(at.time_since_epoch().count()); };
  out.begin_object();
  time("since", incident.since);
  out.key("cause").string(incident.cause).key("whole").boolean(incident.whole).key("actions").begin_array();
  for (const std::string& action : incident.actions) out.string(action);
  out.end_array();
  if (incident.back) time("back", *incident.back);
  if (incident.caught_up) time("caught_up", *incident.caught_up);
  out.key("runs").integer(static_cast<std::int64_t>(incident.runs)).end_object();
  return json::print(out.finish().root());
}

std::optional<Incident> decode_incident(std::string_view bytes) {
  const auto document = json::parse(std::string(bytes));
  if (!document) return std::nullopt;
  const json::Value root = document->root();
  const auto since = time_at(root["since"]);
  if (!since) return std::nullopt;
  Incident out;
  out.since = *since;
  out.cause = std::string(root["cause"].as_string());
  out.whole = root["whole"].kind() == json::Kind::kBool && root["whole"].as_bool();
  for (const json::Value action : root["actions"].elements()) out.actions.emplace_back(action.as_string());
  out.back = time_at(root["back"]);
  out.caught_up = time_at(root["caught_up"]);
  out.runs = static_cast<std::uint64_t>(root["runs"].as_int64().value_or(0));
  return out;
}

bool Breaker::covered(std::string_view action) const {
  return incident_->whole || contains(incident_->actions, action);
}

Breaker::Row& Breaker::row(std::string_view action) {
  const auto known =
      std::find_if(failing_.begin(), failing_.end(), [&](const Row& one) { return one.action == action; });
  if (known != failing_.end()) return *known;
  return failing_.emplace_back(Row{std::string(action), 0, {}});
}

void Breaker::open(const Failure& failure, Time now, Instant instant) {
  if (!incident_) {
    incident_.emplace();
    incident_->since = now;
    incident_->cause = truncated(failure.cause, kCauseBytesMax);
    interval_ = Duration(0);
  }
  incident_->back.reset();
  incident_->caught_up.reset();
  if (!failure.left) {
    incident_->whole = whole_touched_ = true;
  } else if (!contains(incident_->actions, failure.action)) {
    incident_->actions.emplace_back(failure.action);
  }
  if (!contains(touched_, failure.action)) touched_.emplace_back(failure.action);
  const bool was_down = std::exchange(down_, true);
  if (!was_down) probe_failed(instant);
}

Breaker::Judgement Breaker::failed(const Failure& failure, Time now, Instant instant) {
  Judgement out;
  Row& one = row(failure.action);
  ++one.failures;
  if (one.runs.size() < limits_.runs && std::find(one.runs.begin(), one.runs.end(), failure.run) == one.runs.end())
    one.runs.push_back(failure.run);
  unreachable_ = failure.left ? 0 : unreachable_ + 1;
  const bool known = incident_ && (whole_touched_ || contains(touched_, failure.action));
  out.counts = !known;
  if (covers(failure.action)) {
    if (failure.probe) probe_failed(instant);
    return out;
  }
  const std::uint32_t enough = known ? limits_.again : limits_.failures;
  const bool down =
      failure.left ? one.failures >= enough && (known || one.runs.size() >= limits_.runs) : unreachable_ >= enough;
  if (!down) return out;
  out.opened = !incident_;
  out.worse = !out.opened;
  open(failure, now, instant);
  return out;
}

bool Breaker::served(std::string_view action, Time now) {
  unreachable_ = 0;
  std::erase_if(failing_, [&](const Row& one) { return one.action == action; });
  if (!down_ || !covered(action)) return false;
  std::erase(incident_->actions, action);
  incident_->whole = false;
  down_ = !incident_->actions.empty();
  if (!down_) {
    incident_->back = now;
  }
  return true;
}

Incident Breaker::caught_up(Time now) {
  CHECK(incident_ && !down_);
  Incident out = std::move(*incident_);
  out.caught_up = now;
  incident_.reset();
  touched_.clear();
  failing_.clear();
  whole_touched_ = false;
  unreachable_ = 0;
  interval_ = Duration(0);
  return out;
}

bool Breaker::take_probe(Instant now, Duration timeout) {
  if (now < probe_at_) return false;
  probe_at_ = now + std::max(interval_, timeout);
  return true;
}

void Breaker::probe_failed(Instant now) {
  interval_ = interval_.count() == 0 ? limits_.probe_first : std::min(interval_ * 2, limits_.probe_max);
  // Spread, so that several connections to one system do not come back in step.
  const auto quarter = static_cast<std::uint64_t>(interval_.count() / 4 + 1);
  probe_at_ = now + interval_ - Duration(static_cast<std::int64_t>(prng_.below(quarter)));
}

void Breaker::restore(Incident incident, Instant now) {
  incident_ = std::move(incident);
  whole_touched_ = incident_->whole;
  touched_ = incident_->actions;
  down_ = incident_->whole || !incident_->actions.empty();
  probe_at_ = now;
}

}  // namespace tieline::engine
