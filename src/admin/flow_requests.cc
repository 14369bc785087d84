#include "admin/flow_requests.h"

#include "admin/api_reply.h"
#include "base/text.h"

namespace tieline::admin {
namespace {

constexpr std::size_t kWhyBytesMax = 300;

Async<json::Document> pause(engine::Engine& engine, std::string flow, json::Value body) {
  std::string by = by_of(body), why(body["why"].as_string());
  if (!why.empty()) by += ": " + why;
  CO_TRY_VOID(co_await engine.pause(std::move(flow), truncated(by, kWhyBytesMax)));
  json::Builder out;
  co_return out.begin_object().key("paused").boolean(true).end_object().finish();
}

Async<json::Document> resume(engine::Engine& engine, std::string flow) {
  CO_TRY_VOID(co_await engine.resume(std::move(flow)));
  json::Builder out;
  co_return out.begin_object().key("paused").boolean(false).end_object().finish();
}

Result<json::Document> release(engine::Engine& engine, const std::string& flow) {
  TRY_VOID(engine.release_brake(flow));
  json::Builder out;
  return out.begin_object().key("released").boolean(true).end_object().finish();
}

Async<json::Document> start(engine::Engine& engine, std::string flow, json::Document body) {
  std::string id(body.root()["id"].as_string());
  json::Document data = body.root().has("data") ? body.part(body.root()["data"]) : json::Builder().null().finish();
  CO_TRY(const EventPtr event, co_await engine.start_flow(flow, std::move(id), std::move(data)));
  const std::string position = std::to_string(event->position.value);
  json::Builder out;
  out.begin_object().key("run").string(flow + "/" + position);
  out.key("event").integer(static_cast<std::int64_t>(event->position.value)).key("event_id").string(event->id);
  co_return out.end_object().finish();
}

}  // namespace

Async<json::Document> ask_flow(engine::Engine& engine, std::string path, json::Document body) {
  const std::size_t slash = path.rfind('/');
  const std::string action = slash == std::string::npos ? std::string() : path.substr(slash + 1);
  CO_TRY(std::string flow, percent_decode(std::string_view(path).substr(0, slash)));
  if (action == "pause") co_return co_await pause(engine, std::move(flow), body.root());
  if (action == "resume") co_return co_await resume(engine, std::move(flow));
  if (action == "release") co_return release(engine, flow);
  if (action == "start") co_return co_await start(engine, std::move(flow), std::move(body));
  co_return failure(Code::kNotFound, "a flow takes a POST at NAME/pause, NAME/resume, NAME/release and NAME/start");
}

}  // namespace tieline::admin
