#include "engine/sync_state.h"

#include <charconv>

#include "json/value.h"

namespace tieline::engine {
namespace {

void write_time(json::Builder& out, std::string_view name, const std::optional<Time>& time) {
  if (time) out.key(name).integer(to_unix_us(*time));
}

void write_counts(json::Builder& out, std::uint64_t pages, std::uint64_t records, std::uint64_t told) {
  out.key("pages").integer(static_cast<std::int64_t>(pages));
  out.key("records").integer(static_cast<std::int64_t>(records));
  out.key("told").integer(static_cast<std::int64_t>(told));
}

std::optional<Time> read_time(json::Value value) {
  const auto us = value.as_int64();
  return us ? std::optional(from_unix_us(*us)) : std::nullopt;
}

std::uint64_t read_count(json::Value value) { return static_cast<std::uint64_t>(value.as_int64().value_or(0)); }

tl::unexpected<Error> corrupt() {
  return failure(Code::kCorrupt, "what is kept of a resource's reading does not decode");
}

Result<Reading> read_reading(json::Value value) {
  Reading out;
  const auto id = value["id"].as_int64();
  const auto begun = read_time(value["begun"]);
  if (!id || !begun) return corrupt();
  out.id = Position(static_cast<std::uint64_t>(*id));
  out.all = value["all"].truthy();
  out.begun = *begun;
  out.from = read_time(value["from"]);
  out.latest = read_time(value["latest"]);
  out.next = std::string(value["next"].as_string());
  out.page = std::string(value["page"].as_string());
  if (value["looked"].is_string()) out.looked = std::string(value["looked"].as_string());
  out.pages = read_count(value["pages"]);
  out.records = read_count(value["records"]);
  out.told = read_count(value["told"]);
  return out;
}

}  // namespace

std::string sync_key(FlowId flow) { return std::to_string(flow.value); }

std::string synced_prefix(FlowId flow) { return std::to_string(flow.value) + '\n'; }

Bytes encode(const SyncState& state) {
  json::Builder out;
  out.begin_object();
  write_time(out, "since", state.since);
  write_time(out, "began", state.began);
  write_time(out, "began_all", state.began_all);
  if (state.reading) {
    const Reading& reading = *state.reading;
    out.key("reading").begin_object();
    out.key("id").integer(static_cast<std::int64_t>(reading.id.value));
    out.key("all").boolean(reading.all);
    write_time(out, "begun", reading.begun);
    write_time(out, "from", reading.from);
    write_time(out, "latest", reading.latest);
    out.key("next").string(reading.next);
    if (!reading.page.empty()) out.key("page").string(reading.page);
    if (reading.looked) out.key("looked").string(*reading.looked);
    write_counts(out, reading.pages, reading.records, reading.told);
    out.end_object();
  }
  if (state.last) {
    out.key("last").begin_object().key("all").boolean(state.last->all);
    write_time(out, "ended", state.last->ended);
    write_counts(out, state.last->pages, state.last->records, state.last->told);
    out.end_object();
  }
  return json::print(out.end_object().finish().root());
}

Result<SyncState> decode_sync_state(std::string_view bytes) {
  const auto document = json::parse(std::string(bytes));
  if (!document || !document->root().is_object()) return corrupt();
  const json::Value root = document->root();
  SyncState out;
  out.since = read_time(root["since"]);
  out.began = read_time(root["began"]);
  out.began_all = read_time(root["began_all"]);
  if (root.has("reading")) {
    TRY(out.reading, read_reading(root["reading"]));
  }
  if (const json::Value last = root["last"]; last.is_object()) {
    const auto ended = read_time(last["ended"]);
    if (!ended) return corrupt();
    out.last = SyncState::Past{last["all"].truthy(), *ended, read_count(last["pages"]), read_count(last["records"]),
                               read_count(last["told"])};
  }
  return out;
}

// "4711 dn 2026-11-23T10:00:00Z": seen, flags or "-", version.
Bytes encode(const KnownRecord& record) {
  std::string flags = std::string(record.deleted ? "d" : "") + (record.number ? "n" : "");
  if (flags.empty()) flags = "-";
  return std::to_string(record.seen.value) + ' ' + flags + ' ' + record.version;
}

Result<KnownRecord> decode_known_record(std::string_view bytes) {
  KnownRecord out;
  const char* const last = bytes.data() + bytes.size();
  const auto [end, error] = std::from_chars(bytes.data(), last, out.seen.value);
  if (error != std::errc() || end == last || *end != ' ')
    return failure(Code::kCorrupt, "what is kept of a record does not decode");
  const std::string_view rest(end + 1, last);
  const std::size_t space = rest.find(' ');
  if (space == std::string_view::npos) return failure(Code::kCorrupt, "what is kept of a record does not decode");
  const std::string_view flags = rest.substr(0, space);
  out.deleted = flags.find('d') != std::string_view::npos;
  out.number = flags.find('n') != std::string_view::npos;
  out.version = std::string(rest.substr(space + 1));
  return out;
}

}  // namespace tieline::engine
