#include "admin/metrics.h"

#include <gmock/gmock.h>

namespace tieline::admin {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(Metrics, CountWhatDoorAndEngineSay) {
  Metrics metrics;
  metrics.received("shopify", 3, 1, 2ms);
  metrics.received("shopify", 1, 0, 2ms);
  metrics.refused("shopify", "bad_signature");
  metrics.attempt_ended({.connection = "hubspot", .action = "hubspot.deals.upsert", .category = Category::kTransient});
  metrics.run_ended({.flow = "orders-to-deals", .state = RunState::kDelivered, .latency = 250ms});
  const std::string text = metrics.text({}, {});
  for (const char* line : {
           "tieline_events_received_total{connection=\"shopify\"} 3\n",
           "tieline_events_duplicate_total{connection=\"shopify\"} 1\n",
           "tieline_requests_refused_total{connection=\"shopify\",reason=\"bad_signature\"} 1\n",
           "tieline_attempts_total{action=\"hubspot.deals.upsert\",category=\"transient\"} 1\n",
           "tieline_runs_total{flow=\"orders-to-deals\",state=\"delivered\"} 1\n",
           "tieline_run_seconds_sum{flow=\"orders-to-deals\"} 0.25\n",
           "tieline_run_seconds_bucket{flow=\"orders-to-deals\",le=\"0.1\"} 0\n",
           "tieline_run_seconds_bucket{flow=\"orders-to-deals\",le=\"0.25\"} 1\n",
           "tieline_ack_seconds_count{connection=\"shopify\"} 2\n",
           "# TYPE tieline_attempts_total counter\n",
       })
    EXPECT_THAT(text, HasSubstr(line));
}

TEST(Metrics, TheSnapshotBecomesGauges) {
  Metrics metrics;
  engine::EngineSnapshot snapshot;
  snapshot.flows.push_back({.name = "orders", .lag = 5, .retrying = 2, .held = 1, .oldest = 1500ms});
  engine::ConnectionSnapshot hubspot;
  hubspot.name = "hubspot";
  hubspot.needs_authorization = true;
  hubspot.buckets.push_back({.name = "burst", .count = 100, .used = 12});
  snapshot.connections.push_back(hubspot);
  (void)metrics.text(snapshot, {{"bytes", 1}});
  const std::string text = metrics.text(snapshot, {{"bytes", 2048}});
  for (const char* line : {
           "tieline_runs{flow=\"orders\",state=\"retrying\"} 2\n",
           "tieline_runs{flow=\"orders\",state=\"held\"} 1\n",
           "tieline_flow_lag{flow=\"orders\"} 5\n",
           "tieline_flow_oldest_seconds{flow=\"orders\"} 1.5\n",
           "tieline_budget_used{bucket=\"burst\",connection=\"hubspot\"} 12\n",
           "tieline_budget_limit{bucket=\"burst\",connection=\"hubspot\"} 100\n",
           "tieline_needs_authorization{connection=\"hubspot\"} 1\n",
           "tieline_store_bytes 2048\n",
       })
    EXPECT_THAT(text, HasSubstr(line));
  EXPECT_THAT(text, Not(HasSubstr("tieline_store_bytes 1\n"))) << "a number of the store is one gauge";
}

TEST(Metrics, OutagesAndBudgetsThatEnd) {
  Metrics metrics;
  engine::Incident incident{.since = Time(1'793'000'000s), .cause = "answered 503", .whole = true};
  metrics.incident_changed("hubspot", incident);
  incident.runs = 7;
  metrics.incident_changed("hubspot", incident);
  engine::EngineSnapshot snapshot;
  snapshot.at = Time(1'793'000'000s);
  engine::ConnectionSnapshot hubspot;
  hubspot.name = "hubspot";
  hubspot.incident = incident;
  hubspot.held_in_outage = 7;
  hubspot.buckets.push_back({.name = "day", .count = 100, .window = 24h, .ends = snapshot.at + 90s});
  hubspot.buckets.push_back({.name = "hour", .count = 100});
  snapshot.connections.push_back(hubspot);
  std::string text = metrics.text(snapshot, {});
  for (const char* line : {"tieline_connection_down{connection=\"hubspot\"} 1\n",
                           "tieline_connection_held_in_outage{connection=\"hubspot\"} 7\n",
                           "tieline_incidents_total{connection=\"hubspot\"} 1\n",
                           "tieline_budget_ends_seconds{bucket=\"day\",connection=\"hubspot\"} 90\n"})
    EXPECT_THAT(text, HasSubstr(line));
  snapshot.connections[0].incident->back = snapshot.at;
  EXPECT_THAT(metrics.text(snapshot, {}), HasSubstr("tieline_connection_down{connection=\"hubspot\"} 0\n"));
  incident.since += 1h;
  metrics.incident_changed("hubspot", incident);
  EXPECT_THAT(metrics.text(snapshot, {}), HasSubstr("tieline_incidents_total{connection=\"hubspot\"} 2\n"));
}

}  // namespace
}  // namespace tieline::admin
