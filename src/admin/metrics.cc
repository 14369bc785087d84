#include "admin/metrics.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <array>
#include <functional>
#include <limits>
#include <map>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "engine/budget.h"

namespace tieline::admin {
namespace {

using Labels = prometheus::Labels;

// From half a millisecond (a fast local answer) to five minutes (the default alert on latency).
const prometheus::Histogram::BucketBoundaries kSeconds{0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25,
                                                       0.5,    1,     2.5,    5,     10,   30,    60,   300};

double seconds(Duration d) { return static_cast<double>(d.count()) / 1e6; }

using Counter = prometheus::Counter;
using Histogram = prometheus::Histogram;

struct HashText {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
};
// Series by the name they are told under: to find one among its family by its labels costs more than to count in it.
template <class Series>
class ByName {
 public:
  Series& operator[](std::string_view name) {
    const auto known = series_.find(name);
    return known != series_.end() ? known->second : series_[std::string(name)];
  }

 private:
  std::unordered_map<std::string, Series, HashText, std::equal_to<>> series_;
};

// Null until first counted: a series that never counted is not shown.
struct DoorSeries {
  Counter* events = nullptr;
  Counter* duplicates = nullptr;
  Histogram* ack_seconds = nullptr;
};
struct ActionSeries {
  std::array<Counter*, static_cast<std::size_t>(Category::kMissing) + 1> attempts{};
};
struct FlowSeries {
  std::array<Counter*, static_cast<std::size_t>(kLastRunState) + 1> runs{};
  Histogram* seconds = nullptr;
};

}  // namespace

struct Metrics::Impl {
  prometheus::Registry registry;
  prometheus::Family<prometheus::Counter>& events =
      counter("tieline_events_received_total", "Events made durable, by connection");
  prometheus::Family<prometheus::Counter>& duplicates =
      counter("tieline_events_duplicate_total", "Events that stood in the log already");
  prometheus::Family<prometheus::Counter>& refused =
      counter("tieline_requests_refused_total", "Webhook requests refused, by reason");
  prometheus::Family<prometheus::Counter>& runs = counter("tieline_runs_total", "Runs that ended, by flow and state");
  prometheus::Family<prometheus::Counter>& attempts =
      counter("tieline_attempts_total", "Attempts of calls, by action and category");
  prometheus::Family<prometheus::Histogram>& ack_seconds =
      histogram("tieline_ack_seconds", "From a webhook's receipt to its answer");
  prometheus::Family<prometheus::Histogram>& attempt_seconds =
      histogram("tieline_attempt_seconds", "How long attempts took");
  prometheus::Family<prometheus::Histogram>& run_seconds =
      histogram("tieline_run_seconds", "From an event's receipt to its run's end");
  prometheus::Family<prometheus::Gauge>& now_runs =
      gauge("tieline_runs", "Runs that have not ended, by flow and state");
  prometheus::Family<prometheus::Gauge>& lag =
      gauge("tieline_flow_lag", "Positions of the log that the flow has not looked at");
  prometheus::Family<prometheus::Gauge>& oldest =
      gauge("tieline_flow_oldest_seconds", "Age of the oldest event that has not ended");
  prometheus::Family<prometheus::Gauge>& budget_used =
      gauge("tieline_budget_used", "Units of the bucket spent in its window");
  prometheus::Family<prometheus::Gauge>& budget_limit =
      gauge("tieline_budget_limit", "Units of the bucket in its window");
  prometheus::Family<prometheus::Gauge>& authorization =
      gauge("tieline_needs_authorization", "1 while the connection needs authorization");

  prometheus::Family<prometheus::Gauge>& budget_ends =
      gauge("tieline_budget_ends_seconds", "Until the bucket is spent at the present rate; +Inf when it is not");
  prometheus::Family<prometheus::Gauge>& down =
      gauge("tieline_connection_down", "1 while the connection's system, or one of its actions, is down");
  prometheus::Family<prometheus::Gauge>& waiting_for_it =
      gauge("tieline_connection_held_in_outage", "Runs that wait for a system that is or was down");
  prometheus::Family<prometheus::Counter>& incidents = counter("tieline_incidents_total", "Outages of a connection");

  ByName<DoorSeries> of_door;             // by connection; the door's thread alone
  ByName<Histogram*> attempt_seconds_of;  // by connection
  ByName<ActionSeries> of_action;
  ByName<FlowSeries> of_flow;
  std::map<std::string, Time> last_incident;

  prometheus::Family<prometheus::Counter>& counter(const char* name, const char* help) {
    return prometheus::BuildCounter().Name(name).Help(help).Register(registry);
  }
  prometheus::Family<prometheus::Gauge>& gauge(const std::string& name, const char* help) {
    return prometheus::BuildGauge().Name(name).Help(help).Register(registry);
  }
  prometheus::Family<prometheus::Histogram>& histogram(const char* name, const char* help) {
    return prometheus::BuildHistogram().Name(name).Help(help).Register(registry);
  }
};

Metrics::Metrics() : impl_(std::make_unique<Impl>()) {}
Metrics::~Metrics() = default;

void Metrics::attempt_ended(const engine::AttemptInfo& attempt) {
  Counter*& counter = impl_->of_action[attempt.action].attempts[static_cast<std::size_t>(attempt.category)];
  if (counter == nullptr) {
    counter = &impl_->attempts.Add(
        {{"action", std::string(attempt.action)}, {"category", std::string(category_name(attempt.category))}});
  }
  counter->Increment();
  Histogram*& took = impl_->attempt_seconds_of[attempt.connection];
  if (took == nullptr) took = &impl_->attempt_seconds.Add({{"connection", std::string(attempt.connection)}}, kSeconds);
  took->Observe(seconds(attempt.took));
}

void Metrics::run_ended(const engine::RunInfo& run) {
  FlowSeries& series = impl_->of_flow[run.flow];
  Counter*& counter = series.runs[static_cast<std::size_t>(run.state)];
  if (counter == nullptr) {
    counter = &impl_->runs.Add({{"flow", std::string(run.flow)}, {"state", std::string(run_state_name(run.state))}});
  }
  counter->Increment();
  if (series.seconds == nullptr) {
    series.seconds = &impl_->run_seconds.Add({{"flow", std::string(run.flow)}}, kSeconds);
  }
  series.seconds->Observe(seconds(run.latency));
}

void Metrics::received(std::string_view connection, std::size_t events, std::size_t duplicates, Duration took) {
  DoorSeries& series = impl_->of_door[connection];
  if (series.events == nullptr) {
    const Labels labels{{"connection", std::string(connection)}};
    series.events = &impl_->events.Add(labels);
    series.ack_seconds = &impl_->ack_seconds.Add(labels, kSeconds);
  }
  series.events->Increment(static_cast<double>(events - duplicates));
  series.ack_seconds->Observe(seconds(took));
  if (duplicates == 0) return;
  if (series.duplicates == nullptr) {
    series.duplicates = &impl_->duplicates.Add({{"connection", std::string(connection)}});
  }
  series.duplicates->Increment(static_cast<double>(duplicates));
}

void Metrics::refused(std::string_view connection, std::string_view reason) {
  impl_->refused.Add({{"connection", std::string(connection)}, {"reason", std::string(reason)}}).Increment();
}

void Metrics::incident_changed(std::string_view connection, const engine::Incident& incident) {
  // One that goes on is told of several times.
  auto& last = impl_->last_incident[std::string(connection)];
  if (std::exchange(last, incident.since) == incident.since) return;
  impl_->incidents.Add({{"connection", std::string(connection)}}).Increment();
}

std::string Metrics::text(const engine::EngineSnapshot& snapshot, const StoreNumbers& store) {
  const Time now = snapshot.at;
  for (const engine::FlowSnapshot& flow : snapshot.flows) {
    const auto set = [&](const char* state, std::size_t count) {
      impl_->now_runs.Add({{"flow", flow.name}, {"state", state}}).Set(static_cast<double>(count));
    };
    set("running", flow.running);
    set("retrying", flow.retrying);
    set("parked", flow.parked);
    set("held", flow.held);
    set("waiting", flow.waiting);
    impl_->lag.Add({{"flow", flow.name}}).Set(static_cast<double>(flow.lag));
    impl_->oldest.Add({{"flow", flow.name}}).Set(seconds(flow.oldest));
  }
  for (const engine::ConnectionSnapshot& connection : snapshot.connections) {
    const bool down = connection.incident && !connection.incident->back;
    impl_->down.Add({{"connection", connection.name}}).Set(down ? 1 : 0);
    impl_->waiting_for_it.Add({{"connection", connection.name}}).Set(static_cast<double>(connection.held_in_outage));
    impl_->authorization.Add({{"connection", connection.name}}).Set(connection.needs_authorization ? 1 : 0);
    for (const engine::BucketSnapshot& bucket : connection.buckets) {
      const Labels labels{{"connection", connection.name}, {"bucket", bucket.name}};
      impl_->budget_used.Add(labels).Set(bucket.used);
      impl_->budget_limit.Add(labels).Set(bucket.count);
      if (bucket.window < engine::kForecastFrom) continue;
      const double left = bucket.ends ? seconds(*bucket.ends - now) : std::numeric_limits<double>::infinity();
      impl_->budget_ends.Add(labels).Set(std::max(0.0, left));
    }
  }
  for (const auto& [name, value] : store)
    impl_->gauge("tieline_store_" + name, "The store's own count").Add({}).Set(value);
  return prometheus::TextSerializer().Serialize(impl_->registry.Collect());
}

}  // namespace tieline::admin
