#include "engine/sync_state.h"

#include <charconv>

#include "base/text.h"
#include "json/value.h"

namespace tieline::engine {
namespace {

void write_time(json::Builder& out, std::string_view name, const std::optional<Time>& time) {
  if (time) out.key(name).integer(to_unix_us(*time));
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
  out.id = static_cast<std::uint64_t>(*id);
  out.all = value["all"].truthy();
  out.anew = value["anew"].truthy();
  out.partly = value["partly"].truthy();
  out.begun = *begun;
  out.from = read_time(value["from"]);
  out.latest = read_time(value["latest"]);
  out.next = std::string(value["next"].as_string());
  out.page = std::string(value["page"].as_string());
  out.mark = read_count(value["mark"]);
  out.turned = static_cast<std::uint32_t>(read_count(value["turned"]));
  if (value["looked"].is_string()) out.looked = std::string(value["looked"].as_string());
  out.pages = read_count(value["pages"]);
  return out;
}

}  // namespace

std::string sync_key(FlowId flow) { return std::to_string(flow.value); }

std::string synced_prefix(FlowId flow) { return std::to_string(flow.value) + '\n'; }

Bytes encode(const SyncState& state) {
  json::Builder out;
  out.begin_object();
  write_time(out, "since", state.since);
  if (state.behind) out.key("behind").integer(state.behind->count());
  write_time(out, "began", state.began);
  write_time(out, "began_all", state.began_all);
  if (state.finished) out.key("finished").boolean(true);
  if (state.last_id != 0) out.key("last_id").integer(static_cast<std::int64_t>(state.last_id));
  if (state.reading) {
    const Reading& reading = *state.reading;
    out.key("reading").begin_object();
    out.key("id").integer(static_cast<std::int64_t>(reading.id));
    out.key("all").boolean(reading.all);
    if (reading.anew) out.key("anew").boolean(true);
    if (reading.partly) out.key("partly").boolean(true);
    write_time(out, "begun", reading.begun);
    write_time(out, "from", reading.from);
    write_time(out, "latest", reading.latest);
    out.key("next").string(reading.next);
    if (!reading.page.empty()) out.key("page").string(reading.page);
    if (reading.turned > 0) {
      out.key("mark").integer(static_cast<std::int64_t>(reading.mark));
      out.key("turned").integer(reading.turned);
    }
    if (reading.looked) out.key("looked").string(*reading.looked);
    out.key("pages").integer(static_cast<std::int64_t>(reading.pages));
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
  if (const auto behind = root["behind"].as_int64()) out.behind = Duration(*behind);
  out.began = read_time(root["began"]);
  out.began_all = read_time(root["began_all"]);
  out.finished = root["finished"].truthy();
  out.last_id = read_count(root["last_id"]);
  if (root.has("reading")) {
    TRY(out.reading, read_reading(root["reading"]));
  }
  return out;
}

// "4711 dn 1764403200000000 17": seen, flags or "-", when it was updated in microseconds or "-", version.
Bytes encode(const KnownRecord& record) {
  std::string flags = std::string(record.deleted ? "d" : "") + (record.number ? "n" : "");
  if (flags.empty()) flags = "-";
  const std::string updated = record.updated ? std::to_string(to_unix_us(*record.updated)) : "-";
  return std::to_string(record.seen) + ' ' + flags + ' ' + updated + ' ' + record.version;
}

Result<KnownRecord> decode_known_record(std::string_view bytes) {
  const auto damaged = [] { return failure(Code::kCorrupt, "what is kept of a record does not decode"); };
  const std::vector<std::string_view> parts = split(bytes, ' ');
  if (parts.size() < 4) return damaged();
  KnownRecord out;
  const auto seen = whole_number(parts[0]);
  if (!seen) return damaged();
  out.seen = *seen;
  out.deleted = parts[1].find('d') != std::string_view::npos;
  out.number = parts[1].find('n') != std::string_view::npos;
  if (parts[2] != "-") {
    std::int64_t us = 0;
    const auto [end, error] = std::from_chars(parts[2].data(), parts[2].data() + parts[2].size(), us);
    if (error != std::errc() || end != parts[2].data() + parts[2].size()) return damaged();
    out.updated = from_unix_us(us);
  }
  out.version = std::string(bytes.substr(static_cast<std::size_t>(parts[3].data() - bytes.data())));
  return out;
}

}  // namespace tieline::engine
