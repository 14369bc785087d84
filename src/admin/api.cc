#include "admin/api.h"

#include <algorithm>

#include "admin/api_reply.h"
#include "admin/flow_requests.h"
#include "admin/incidents.h"
#include "admin/links.h"
#include "base/text.h"

namespace tieline::admin {
namespace {

constexpr std::string_view kLinks = "/api/links";

// A page in a browser may call a loopback port: by its own name (DNS rebinding), or with a form (cross-site request).
// The first shows in Host, the second in Origin or in a missing header that no form can set.
bool from_a_web_page(const InboundRequest& request) {
  if (!find_header(request.headers, "Origin").empty()) return true;
  std::string_view host = find_header(request.headers, "Host");
  if (const std::size_t colon = host.rfind(':'); colon != std::string_view::npos && !host.ends_with(']'))
    host = host.substr(0, colon);
  const bool address = host.find_first_not_of("0123456789.") == std::string_view::npos || host.starts_with('[');
  if (!address && host != "localhost") return true;
  return request.method == "POST" && find_header(request.headers, "X-Tieline").empty();
}

void put_flow(json::Builder& out, const engine::FlowSnapshot& flow) {
  const auto number = [&](const char* key, std::uint64_t value) {
    out.key(key).integer(static_cast<std::int64_t>(value));
  };
  out.begin_object().key("name").string(flow.name);
  if (flow.removed) out.key("removed").boolean(true);
  if (flow.full) out.key("full").boolean(true);
  if (flow.paused) out.key("paused").string(flow.paused_why);
  if (flow.braked) out.key("braked").boolean(true);
  if (flow.next_time) out.key("next_time").string(format_time(*flow.next_time));
  number("lag", flow.lag);
  number("running", flow.running + flow.queued);
  number("retrying", flow.retrying);
  number("parked", flow.parked);
  number("held", flow.held);
  number("waiting", flow.waiting);
  if (flow.gathering > 0) number("gathering", flow.gathering);
  number("delivered", flow.delivered);
  number("skipped", flow.skipped);
  number("stale", flow.stale);
  number("dead", flow.dead);
  number("cancelled", flow.cancelled);
  out.key("oldest_us").integer(flow.oldest.count()).end_object();
}

void put_connection(json::Builder& out, const engine::ConnectionSnapshot& connection) {
  out.begin_object().key("name").string(connection.name).key("connector").string(connection.connector);
  out.key("needs_authorization").boolean(connection.needs_authorization);
  out.key("succeeded").integer(static_cast<std::int64_t>(connection.succeeded));
  out.key("failed").integer(static_cast<std::int64_t>(connection.failed));
  out.key("limited").integer(static_cast<std::int64_t>(connection.limited));
  if (!connection.last_error.empty()) out.key("last_error").string(connection.last_error);
  if (connection.incident) put_incident(out.key("incident"), connection.name, *connection.incident);
  if (connection.incident) out.key("waiting_for_it").integer(static_cast<std::int64_t>(connection.held_in_outage));
  out.key("buckets").begin_array();
  for (const engine::BucketSnapshot& bucket : connection.buckets) {
    out.begin_object().key("name").string(bucket.name).key("used").real(bucket.used).key("of").real(bucket.count);
    out.key("window_us").integer(bucket.window.count()).key("in_flight").integer(bucket.in_flight);
    out.key("waiting").integer(static_cast<std::int64_t>(bucket.waiting));
    if (bucket.blocked > Duration(0)) out.key("blocked_us").integer(bucket.blocked.count());
    if (bucket.ends) out.key("ends").string(format_time(*bucket.ends));
    out.end_object();
  }
  out.end_array().end_object();
}

}  // namespace

void Api::set_ready(bool ready, std::string reason) {
  ready_ = ready;
  not_ready_ = std::move(reason);
}

asio::awaitable<Reply> Api::handle(InboundRequest request) {
  if (from_a_web_page(request)) {
    const Error denied{
        Code::kDenied,
        "the admin port answers no web page: call it by an address or as localhost (what counts is the Host header), "
        "without an Origin, and send X-Tieline: 1 with a POST",
        {}};
    co_return error_reply(denied);
  }
  const std::size_t question = request.target.find('?');
  std::string path = request.target.substr(0, question);
  Query query;
  if (question != std::string::npos) {
    for (const std::string_view part : split(std::string_view(request.target).substr(question + 1), '&')) {
      const std::size_t equals = std::min(part.find('='), part.size());
      auto name = percent_decode(part.substr(0, equals), true);
      auto value = percent_decode(part.substr(std::min(equals + 1, part.size())), true);
      if (name && value) query.values.emplace_back(std::move(*name), std::move(*value));
    }
  }
  if (request.method == "GET" || request.method == "HEAD") co_return co_await get(path, std::move(query));
  if (request.method != "POST") {
    json::Builder out;
    out.begin_object().key("error").string("the admin port takes GET, HEAD and POST").key("code").string("invalid");
    Reply reply = json_text(405, out.end_object().finish().root());
    reply.headers.emplace_back("Allow", "GET, HEAD, POST");
    co_return reply;
  }
  json::Document body;
  if (request.body && !request.body->empty()) {
    auto parsed = json::parse(request.body);
    if (!parsed) co_return error_reply(parsed.error());
    body = std::move(*parsed);
  }
  co_return co_await post(path, std::move(query), std::move(body));
}

asio::awaitable<Reply> Api::get(const std::string& path, Query query) {
  if (path == "/healthz") co_return Reply{.status = 200, .headers = {{"Content-Type", "text/plain"}}, .body = "ok\n"};
  if (path == "/readyz") co_return ready();
  if (path == "/health/integrations") {
    engine::EngineSnapshot snapshot = deps_.engine.snapshot();
    co_return co_await deps_.health.reply(std::move(snapshot));
  }
  if (path == "/metrics") {
    Reply reply{.status = 200, .headers = {{"Content-Type", "text/plain; version=0.0.4"}}, .body = {}};
    reply.body = deps_.metrics.text(deps_.engine.snapshot(), deps_.store_numbers());
    co_return reply;
  }
  if (path == "/api/status") co_return status();
  if (path == "/api/store") co_return store();
  if (path == "/api/incidents") {
    const auto listed = co_await list_incidents(deps_.ports, deps_.engine.snapshot().connections);
    co_return result_reply(listed);
  }
  if (path == "/api/runs") co_return co_await runs(std::move(query));
  if (path == "/api/dead") co_return co_await causes(RunState::kDead, std::move(query));
  if (path == "/api/held") co_return co_await causes(RunState::kHeld, std::move(query));
  if (path == "/api/jobs") co_return co_await jobs();
  if (path == "/api/find") co_return co_await find_all(std::move(query));
  if (path == kLinks || path.starts_with(std::string(kLinks) + "/")) co_return co_await links(path, std::move(query));
  constexpr std::string_view kEvents = "/api/events/";
  if (path.starts_with(kEvents)) {
    auto id = percent_decode(std::string_view(path).substr(kEvents.size()));
    if (!id) co_return error_reply(id.error());
    const auto description = co_await describe(ports(), std::move(*id), deps_.connections());
    co_return result_reply(description);
  }
  const Error unknown{Code::kNotFound, "nothing is at " + path + "; see docs/admin-api.md", {}};
  co_return error_reply(unknown);
}

asio::awaitable<Reply> Api::post(const std::string& path, Query, json::Document body) {
  if (path == "/api/reload") {
    const auto reloaded = co_await deps_.reload();
    if (!reloaded) co_return error_reply(reloaded.error());
    json::Builder out;
    out.begin_object().key("reloaded").boolean(true).key("message").string(*reloaded).end_object();
    co_return json_text(200, out.finish().root());
  }
  if (path == "/api/store/verify") {
    const auto verified = co_await deps_.store_verify();
    co_return result_reply(verified);
  }
  if (path == kLinks || path == "/api/links/remove") co_return co_await change_links(path != kLinks, std::move(body));
  constexpr std::string_view kFlows = "/api/flows/";
  if (path.starts_with(kFlows)) {
    const auto answer = co_await ask_flow(deps_.engine, path.substr(kFlows.size()), std::move(body));
    co_return result_reply(answer);
  }
  if (path == "/api/store/compact" && deps_.store_compact) {
    const auto compacted = co_await deps_.store_compact();
    co_return result_reply(compacted);
  }
  if (path == "/api/store/backup" && deps_.store_backup) {
    std::string directory(body.root()["directory"].as_string());
    const auto copied = co_await deps_.store_backup(std::move(directory));
    co_return result_reply(copied);
  }
  if (path == "/api/jobs") co_return co_await start_job(std::move(body));
  constexpr std::string_view kJobs = "/api/jobs/", kStop = "/stop";
  if (path.starts_with(kJobs) && path.ends_with(kStop)) {
    const std::string_view id = std::string_view(path).substr(kJobs.size());
    co_return co_await stop_job(std::string(id.substr(0, id.size() - kStop.size())));
  }
  constexpr std::string_view kDead = "/api/dead/", kEdit = "/edit";
  if (path.starts_with(kDead) && path.ends_with(kEdit)) {
    const std::string_view rest = std::string_view(path).substr(kDead.size());
    auto run = percent_decode(rest.substr(0, rest.size() - kEdit.size()));
    if (!run) co_return error_reply(run.error());
    co_return co_await edit(std::move(*run), std::move(body));
  }
  constexpr std::string_view kHeld = "/api/held/";
  if (path.starts_with(kHeld)) {
    auto run = percent_decode(std::string_view(path).substr(kHeld.size()));
    if (!run) co_return error_reply(run.error());
    co_return co_await settle(std::move(*run), std::move(body));
  }
  const Error unknown{Code::kNotFound, "nothing takes a POST at " + path + "; see docs/admin-api.md", {}};
  co_return error_reply(unknown);
}

Ports Api::ports() const {
  Ports with_flows = deps_.ports;
  if (deps_.flows) with_flows.flows = deps_.flows();
  return with_flows;
}

asio::awaitable<Reply> Api::runs(Query query) {
  static const std::vector<std::string> known{"flow", "state", "key", "since", "count", "after"};
  const auto fits = query.only(known);
  if (!fits) co_return error_reply(fits.error());
  RunFilter filter{.flow = query["flow"], .state = query["state"], .key = query["key"], .since = std::nullopt};
  for (const char* name : {"count", "after"}) {
    const std::string text = query[name];
    if (text.empty()) continue;
    const auto value = whole_number(text);
    if (!value) {
      const Error wrong{Code::kInvalid, std::string(name) + " is a whole number", {}};
      co_return error_reply(wrong);
    }
    if (name == std::string_view("count"))
      filter.count = *value;
    else
      filter.after = Position(*value);
  }
  if (const std::string since = query["since"]; !since.empty()) {
    const auto time = parse_time(since);
    if (!time) co_return error_reply(time.error());
    filter.since = *time;
  }
  const auto listed = co_await list_runs(ports(), std::move(filter));
  co_return result_reply(listed);
}

asio::awaitable<Reply> Api::settle(std::string run, json::Document body) {
  const auto answer = engine::held_answer_from_name(body.root()["answer"].as_string());
  if (!answer) {
    const Error wrong{Code::kInvalid,
                      "say {\"answer\": \"delivered\"} when it happened, \"repeat\" to send it again or to let it pass "
                      "its flow's brake, \"approved\" or \"declined\" where it waits for approval",
                      {}};
    co_return error_reply(wrong);
  }
  const auto redo = flag(body.root(), "redo");
  if (!redo) co_return error_reply(redo.error());
  const std::string name = run;
  const auto id = co_await find_run(deps_.ports, std::move(run));
  if (!id) co_return error_reply(id.error());
  engine::Decision decision{by_of(body.root()), *redo};
  auto settled = co_await deps_.engine.settle_held(*id, *answer, std::move(decision));
  const bool approval = *answer == engine::HeldAnswer::kApproved || *answer == engine::HeldAnswer::kDeclined;
  if (!settled && settled.error().code == Code::kNotFound && approval)
    settled = failure(Code::kNotFound, "nothing of flow " + name.substr(0, name.rfind('/')) + " on event " +
                                           std::to_string(id->event.value) + " waits for a person");
  if (!settled) co_return error_reply(settled.error());
  json::Builder out;
  co_return json_text(200, out.begin_object().key("settled").boolean(true).end_object().finish().root());
}

asio::awaitable<Reply> Api::links(std::string path, Query query) {
  if (path == kLinks) {
    static const std::vector<std::string> known{"system", "after", "count"};
    if (const auto fits = query.only(known); !fits) co_return error_reply(fits.error());
    LinkFilter filter{.system = query["system"], .after = query["after"]};
    const std::string count = query["count"];
    const auto wanted = whole_number(count);
    if (wanted) filter.count = *wanted;
    if (!wanted && !count.empty()) {
      const Error wrong{Code::kInvalid, "count is a whole number", {}};
      co_return error_reply(wrong);
    }
    const auto listed = co_await list_links(deps_.ports.state, std::move(filter));
    co_return result_reply(listed);
  }
  const auto parts = split(std::string_view(path).substr(kLinks.size() + 1), '/');
  auto system = percent_decode(parts[0]);
  auto id = percent_decode(parts.size() == 2 ? parts[1] : "");
  if (!system || !id || parts.size() != 2) {
    const Error wrong{Code::kInvalid, "a link is asked for as /api/links/SYSTEM/ID", {}};
    co_return error_reply(wrong);
  }
  const auto found = co_await get_link(deps_.ports.state, std::move(*system), std::move(*id));
  co_return result_reply(found);
}

asio::awaitable<Reply> Api::change_links(bool remove, json::Document body) {
  std::string bucket(kLinkBucket);
  const std::shared_ptr<void> turn = co_await deps_.engine.table_turn(std::move(bucket));
  const Time now = deps_.clock.now();
  if (remove) {
    const auto removed = co_await remove_link(deps_.ports.state, std::move(body), now);
    co_return result_reply(removed);
  }
  const auto written = co_await set_links(deps_.ports.state, std::move(body), now);
  co_return result_reply(written);
}

Reply Api::ready() const {
  std::string store_error = deps_.engine.snapshot().store_error;
  if (store_error.empty() && deps_.store_refuses) store_error = deps_.store_refuses();
  const bool good = ready_ && store_error.empty();
  const std::string reason = good ? "ready" : ready_ ? "the store refuses: " + store_error : not_ready_;
  return {.status = good ? 200 : 503, .headers = {{"Content-Type", "text/plain"}}, .body = reason + "\n"};
}

Reply Api::status() const {
  const engine::EngineSnapshot snapshot = deps_.engine.snapshot();
  const engine::DoorCounts counts = deps_.door.counts();
  json::Builder out;
  out.begin_object().key("received").integer(static_cast<std::int64_t>(counts.received));
  out.key("duplicates").integer(static_cast<std::int64_t>(counts.duplicates));
  out.key("draining").boolean(snapshot.draining);
  if (!snapshot.store_error.empty()) out.key("store_error").string(snapshot.store_error);
  out.key("flows").begin_array();
  for (const engine::FlowSnapshot& flow : snapshot.flows) put_flow(out, flow);
  out.end_array().key("connections").begin_array();
  for (const engine::ConnectionSnapshot& connection : snapshot.connections) put_connection(out, connection);
  out.end_array().key("refused").begin_array();
  for (const engine::RefusalCount& refusal : deps_.door.refusals()) {
    out.begin_object().key("connection").string(refusal.connection).key("reason").string(refusal.reason);
    out.key("count").integer(static_cast<std::int64_t>(refusal.count)).key("last").string(format_time(refusal.last));
    out.key("message").string(refusal.message).end_object();
  }
  return json_text(200, out.end_array().end_object().finish().root());
}

Reply Api::store() const {
  json::Builder out;
  out.begin_object();
  for (const auto& [name, value] : deps_.store_numbers()) out.key(name).real(value);
  return json_text(200, out.end_object().finish().root());
}

}  // namespace tieline::admin
