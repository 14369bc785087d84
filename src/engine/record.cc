#include "engine/record.h"

#include <algorithm>
#include <array>

#include "json/text_builder.h"

namespace tieline::engine {
namespace {

constexpr std::array<std::string_view, 7> kResolved{"answer", "found",  "not found", "dropped",
                                                    "once",   "shadow", "table"};
constexpr std::array<std::string_view, 6> kHolds{
    "unknown outcome", "needs authorization", "flow does not compile", "its journal is damaged", "brake", "outage"};
constexpr std::array<std::string_view, 4> kAnswers{"delivered", "repeat", "approved", "declined"};

void put_text(json::TextBuilder& out, std::string_view key, std::string_view text) {
  if (!text.empty()) out.key(key).string(text);
}

void put_headers(json::TextBuilder& out, const Headers& headers) {
  if (headers.empty()) return;
  out.key("headers").begin_array();
  for (const auto& [name, value] : headers) out.begin_array().string(name).string(value).end_array();
  out.end_array();
}

constexpr std::size_t kBareBytes = 256;     // a record without exchange and result: places, times, names
constexpr std::size_t kExchangeBytes = 64;  // the keys of a request or an answer, method, status and phase
constexpr std::size_t kHeaderBytes = 8;     // ["","",]

// Near what the part will be as JSON, so that the text seldom grows: a body of JSON has a quote to escape for some four
// bytes.
template <class Kept>
std::size_t likely_bytes(const Kept& kept) {
  std::size_t bytes = kExchangeBytes + kept.body.size() + kept.body.size() / 4;
  for (const auto& [name, value] : kept.headers) bytes += name.size() + value.size() + kHeaderBytes;
  return bytes;
}

// The result is most often the answer's body, as it is.
std::size_t likely_bytes(const RecordBody& body) {
  std::size_t bytes = kBareBytes;
  if (body.request) bytes += body.request->url.size() + likely_bytes(*body.request);
  if (body.response) bytes += likely_bytes(*body.response) + (body.result ? body.response->body.size() : 0);
  return bytes;
}

void put_request(json::TextBuilder& out, const KeptRequest& request) {
  out.key("request").begin_object();
  out.key("method").string(request.method).key("url").string(request.url);
  put_headers(out, request.headers);
  put_text(out, "body", request.body);
  out.end_object();
}

void put_response(json::TextBuilder& out, const KeptResponse& response) {
  out.key("response").begin_object();
  out.key("phase").string(response.phase);
  if (response.status != 0) out.key("status").integer(response.status);
  put_headers(out, response.headers);
  put_text(out, "body", response.body);
  out.end_object();
}

void put_replay(json::TextBuilder& out, const RecordBody::Replay& replay) {
  out.key("replay").begin_object();
  out.key("from").string(replay.start ? "start" : "failed").key("as").string(replay.as_now ? "now" : "then");
  if (replay.damaged) out.key("damaged").boolean(true);
  if (replay.job != 0) out.key("job").integer(static_cast<std::int64_t>(replay.job));
  out.end_object();
}

void put_published(json::TextBuilder& out, const std::vector<PublishedEvent>& events) {
  out.key("published").begin_array();
  for (const PublishedEvent& event : events) out.begin_array().string(event.source).string(event.id).end_array();
  out.end_array();
}

std::string text_of(json::Value object, std::string_view key) { return std::string(object[key].as_string()); }

Headers headers_of(json::Value object) {
  Headers out;
  for (const json::Value pair : object["headers"].elements())
    out.emplace_back(std::string(pair.at(0).as_string()), std::string(pair.at(1).as_string()));
  return out;
}

std::optional<Duration> duration_of(json::Value object, std::string_view key) {
  const auto us = object[key].as_int64();
  if (!us) return std::nullopt;
  return Duration(*us);
}

template <std::size_t N>
std::optional<std::size_t> index_of(const std::array<std::string_view, N>& names, std::string_view name) {
  for (std::size_t i = 0; i < N; ++i) {
    if (names[i] == name) return i;
  }
  return std::nullopt;
}

void read_exchange(json::Value root, RecordBody& body) {
  if (const json::Value request = root["request"]; request.is_object())
    body.request =
        KeptRequest{text_of(request, "method"), text_of(request, "url"), headers_of(request), text_of(request, "body")};
  if (const json::Value response = root["response"]; response.is_object())
    body.response = KeptResponse{static_cast<int>(response["status"].as_int64().value_or(0)),
                                 text_of(response, "phase"), headers_of(response), text_of(response, "body")};
}

}  // namespace

std::string_view resolved_name(Resolved resolved) { return kResolved[static_cast<std::size_t>(resolved)]; }

std::string_view held_answer_name(HeldAnswer answer) { return kAnswers[static_cast<std::size_t>(answer)]; }

std::optional<HeldAnswer> held_answer_from_name(std::string_view name) {
  const auto index = index_of(kAnswers, name);
  if (!index) return std::nullopt;
  return static_cast<HeldAnswer>(*index);
}

std::string_view hold_name(Hold hold) { return kHolds[static_cast<std::size_t>(hold)]; }

std::optional<Hold> hold_of_summary(std::string_view summary) {
  const auto index = index_of(kHolds, summary.substr(0, summary.find(": ")));
  if (!index) return std::nullopt;
  return static_cast<Hold>(*index);
}

// As Caller::hold writes it.
std::optional<HeldCall> held_call(std::string_view summary) {
  const auto hold = hold_of_summary(summary);
  if (hold != Hold::kUnknownOutcome && hold != Hold::kAuthorization && hold != Hold::kOutage) return std::nullopt;
  summary.remove_prefix(std::min(summary.size(), hold_name(*hold).size() + 2));
  HeldCall call;
  for (std::string_view* part : {&call.connection, &call.action}) {
    const std::size_t end = summary.find(": ");
    if (end == 0 || end == std::string_view::npos) return std::nullopt;
    *part = summary.substr(0, end);
    summary.remove_prefix(end + 2);
  }
  return call;
}

RecordBody RecordBody::conclusion() const {
  RecordBody out;
  out.call = call;
  out.items = items;
  out.action = action;
  out.once = once;
  out.category = category;
  out.code = code;
  out.message = message;
  out.took = took;
  out.wait = wait;
  out.lookup = lookup;
  out.empty = empty;
  out.outage = outage;
  out.happened = happened;
  out.halved = halved;
  out.resolved = resolved;
  out.pages = pages;
  out.next = next;
  out.result = result;
  return out;
}

Bytes encode(const RecordBody& body) {
  json::TextBuilder out;
  out.reserve(likely_bytes(body));
  out.begin_object();
  if (body.start) {
    out.key("flow").string(body.start->flow);
    out.key("started").integer(to_unix_us(body.start->started));
  }
  if (body.call != 0) out.key("call").integer(body.call);
  if (!body.items.empty()) {
    out.key("items").begin_array();
    for (const std::uint32_t item : body.items) out.integer(item);
    out.end_array();
  }
  put_text(out, "path", body.path);
  put_text(out, "action", body.action);
  put_text(out, "once", body.once);
  if (body.category) out.key("category").string(category_name(*body.category));
  put_text(out, "code", body.code);
  put_text(out, "message", body.message);
  if (body.took.count() != 0) out.key("took").integer(body.took.count());
  if (body.wait) out.key("wait").integer(body.wait->count());
  if (body.until) out.key("until").integer(to_unix_us(*body.until));
  if (body.lookup) out.key("lookup").boolean(true);
  if (body.empty) out.key("empty").boolean(true);
  if (body.outage) out.key("outage").boolean(true);
  if (body.happened) out.key("happened").boolean(true);
  if (body.halved) out.key("halved").boolean(true);
  if (body.resolved != Resolved::kAnswer) out.key("resolved").string(resolved_name(body.resolved));
  if (body.pages != 1) out.key("pages").integer(body.pages);
  if (body.together != 0) out.key("together").integer(body.together);
  put_text(out, "next", body.next);
  if (body.request) put_request(out, *body.request);
  if (body.response) put_response(out, *body.response);
  if (body.result) out.key("result").copy(body.result->root());
  if (body.hold) out.key("hold").string(hold_name(*body.hold));
  if (body.answer) out.key("answer").string(held_answer_name(*body.answer));
  put_text(out, "by", body.by);
  if (body.replay) put_replay(out, *body.replay);
  if (body.redo) out.key("redo").boolean(true);
  if (body.data) out.key("data").copy(body.data->root());
  if (!body.published.empty()) put_published(out, body.published);
  out.end_object();
  return out.finish();
}

Result<RecordBody> decode(std::string_view bytes) {
  RecordBody body;
  if (bytes.empty()) return body;
  auto document = json::parse(std::string(bytes));
  if (!document || !document->root().is_object())
    return failure(Code::kCorrupt, "a journal record's body is not the engine's JSON");
  const json::Value root = document->root();
  if (const auto started = root["started"].as_int64())
    body.start = RecordBody::Start{text_of(root, "flow"), from_unix_us(*started)};
  body.call = static_cast<std::uint32_t>(root["call"].as_int64().value_or(0));
  for (const json::Value item : root["items"].elements())
    body.items.push_back(static_cast<std::uint32_t>(item.as_int64().value_or(0)));
  body.path = text_of(root, "path");
  body.action = text_of(root, "action");
  body.once = text_of(root, "once");
  if (root.has("category")) {
    body.category = category_from_name(root["category"].as_string());
    if (!body.category) return failure(Code::kCorrupt, "a journal record has an unknown category");
  }
  body.code = text_of(root, "code");
  body.message = text_of(root, "message");
  body.took = duration_of(root, "took").value_or(Duration(0));
  body.wait = duration_of(root, "wait");
  if (const auto until = root["until"].as_int64()) body.until = from_unix_us(*until);
  body.lookup = root["lookup"].as_bool();
  body.empty = root["empty"].as_bool();
  body.outage = root["outage"].as_bool();
  body.happened = root["happened"].as_bool();
  body.halved = root["halved"].as_bool();
  if (const auto index = index_of(kResolved, root["resolved"].as_string()))
    body.resolved = static_cast<Resolved>(*index);
  body.pages = static_cast<std::uint32_t>(root["pages"].as_int64().value_or(1));
  body.together = static_cast<std::uint32_t>(root["together"].as_int64().value_or(0));
  body.next = text_of(root, "next");
  read_exchange(root, body);
  if (root.has("result")) body.result = document->part(root["result"]);
  if (const auto index = index_of(kHolds, root["hold"].as_string())) body.hold = static_cast<Hold>(*index);
  if (root.has("answer")) {
    body.answer = held_answer_from_name(root["answer"].as_string());
    if (!body.answer) return failure(Code::kCorrupt, "a journal record has an unknown answer");
  }
  body.by = text_of(root, "by");
  if (const json::Value replay = root["replay"]; replay.is_object())
    body.replay = RecordBody::Replay{replay["from"].as_string() == "start", replay["as"].as_string() == "now",
                                     replay["damaged"].as_bool(),
                                     static_cast<std::uint64_t>(replay["job"].as_int64().value_or(0))};
  body.redo = root["redo"].as_bool();
  if (root.has("data")) body.data = document->part(root["data"]);
  for (const json::Value event : root["published"].elements())
    body.published.push_back({std::string(event.at(0).as_string()), std::string(event.at(1).as_string())});
  return body;
}

}  // namespace tieline::engine
