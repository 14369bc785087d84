#include "admin/health.h"

#include "base/text.h"

namespace tieline::admin {
namespace {

std::string down_since(const engine::ConnectionSnapshot& connection) {
  const engine::Incident& incident = *connection.incident;
  return "down since " + format_time(incident.since) + ": " + incident.cause + "; " +
         counted(connection.held_in_outage, "run waits", "runs wait");
}

// What is worth knowing of a connection that works.
std::string note_of(const engine::ConnectionSnapshot& connection) {
  if (connection.incident && !connection.incident->back && !connection.incident->whole) {
    std::string actions;
    for (const std::string& action : connection.incident->actions) actions += (actions.empty() ? "" : ", ") + action;
    return actions + " " + down_since(connection);
  }
  if (connection.incident)
    return "back after an outage; " + counted(connection.held_in_outage, "run still waits", "runs still wait");
  for (const engine::BucketSnapshot& bucket : connection.buckets) {
    if (bucket.ends) return "its budget `" + bucket.name + "` ends at " + format_time(*bucket.ends) + " at this rate";
  }
  return {};
}

}  // namespace

Health::Health(asio::any_io_executor executor, Clock& clock, HealthCall call, HealthOptions options)
    : clock_(clock), call_(std::move(call)), options_(options), tasks_(std::move(executor)) {}

bool Health::fresh(const std::string& connection) const {
  const auto found = answers_.find(connection);
  return found != answers_.end() && clock_.instant() - found->second.at < options_.keep;
}

asio::awaitable<void> Health::check(std::string connection) {
  const auto verdict = co_await call_(connection, clock_.deadline_in(options_.timeout));
  Answer answer{.checked = clock_.now(), .at = clock_.instant()};
  if (!verdict) {
    answer.status = "unchecked";
    answer.message = "its connector names no health call";
  } else if (verdict->category == Category::kDelivered) {
    answer.status = "healthy";
  } else {
    answer.status = "unhealthy";
    answer.message = std::string(category_name(verdict->category)) + ": " + verdict->message;
  }
  answers_[connection] = std::move(answer);
  checking_.erase(connection);
  checked_.notify_all();
}

asio::awaitable<Reply> Health::reply(engine::EngineSnapshot snapshot) {
  const Time now = clock_.now();
  for (const engine::ConnectionSnapshot& connection : snapshot.connections) {
    const bool traffic = connection.last_success && now - *connection.last_success < options_.keep &&
                         (!connection.last_failure || *connection.last_failure < *connection.last_success);
    const bool down = connection.incident && !connection.incident->back;
    if (down && connection.incident->whole) {
      answers_[connection.name] = {"unhealthy", down_since(connection), now, clock_.instant()};
    } else if (connection.needs_authorization) {
      answers_[connection.name] = {"unhealthy", "needs authorization", now, clock_.instant()};
    } else if (traffic) {
      answers_[connection.name] = {"healthy", "", *connection.last_success, clock_.instant()};
    } else if (!fresh(connection.name) && !checking_.contains(connection.name)) {
      checking_[connection.name] = true;
      tasks_.spawn(check(connection.name));
    }
  }
  // A check ends by its own deadline; one more second is for the scheduler, not for the vendor.
  const Deadline deadline = clock_.deadline_in(options_.timeout + std::chrono::seconds(1));
  const auto all_checked = [&] {
    for (const engine::ConnectionSnapshot& connection : snapshot.connections) {
      if (checking_.contains(connection.name)) return false;
    }
    return true;
  };
  while (!all_checked()) {
    const bool woken = co_await checked_.wait(clock_, deadline);
    if (!woken) break;
  }

  bool healthy = true;
  json::Builder integrations;
  integrations.begin_object();
  for (const engine::ConnectionSnapshot& connection : snapshot.connections) {
    const auto found = answers_.find(connection.name);
    const bool known = found != answers_.end() && !checking_.contains(connection.name);
    const Answer answer = known ? found->second : Answer{"unhealthy", "the check did not end in time", now, {}};
    healthy = healthy && answer.status != "unhealthy";
    integrations.key(connection.name).begin_object().key("status").string(answer.status);
    std::string message = answer.message;
    if (message.empty()) message = note_of(connection);
    if (!message.empty()) integrations.key("message").string(message);
    integrations.key("connector").string(connection.connector).key("checked").string(format_time(answer.checked));
    integrations.end_object();
  }
  const json::Document each = integrations.end_object().finish();
  json::Builder out;
  out.begin_object().key("status").string(healthy ? "healthy" : "unhealthy").key("integrations").copy(each.root());
  out.key("timestamp").string(format_time(now)).end_object();
  Reply reply{.status = healthy ? 200 : 503, .headers = {{"Content-Type", "application/json"}}, .body = {}};
  reply.body = json::print(out.finish().root()) + "\n";
  co_return reply;
}

}  // namespace tieline::admin
