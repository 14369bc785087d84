#include "engine/job.h"

#include <array>
#include <cstdio>

#include "json/value.h"

namespace tieline::engine {
namespace {

constexpr std::array<std::string_view, 4> kKinds{"replay", "discard", "delivered", "repeat"};
constexpr std::array<std::string_view, 3> kStates{"running", "done", "stopped"};

template <std::size_t N>
std::optional<std::size_t> index_of(const std::array<std::string_view, N>& names, std::string_view name) {
  for (std::size_t i = 0; i < N; ++i) {
    if (names[i] == name) return i;
  }
  return std::nullopt;
}

void put_number(json::Builder& out, std::string_view key, std::uint64_t value) {
  out.key(key).integer(static_cast<std::int64_t>(value));
}

std::uint64_t number_of(json::Value object, std::string_view key) {
  return static_cast<std::uint64_t>(object[key].as_int64().value_or(0));
}

void put_selection(json::Builder& out, const Selection& select) {
  out.begin_object();
  if (select.flow) put_number(out, "flow", select.flow->value);
  out.key("states").begin_array();
  for (const RunState state : select.states) out.integer(static_cast<std::int64_t>(state));
  out.end_array();
  if (select.untaken) out.key("untaken").boolean(true);
  for (const auto& [key, text] : {std::pair{"group", &select.group},
                                  {"category", &select.category},
                                  {"text", &select.text},
                                  {"connection", &select.connection}}) {
    if (!text->empty()) out.key(key).string(*text);
  }
  if (select.since != Time::min()) out.key("since").integer(to_unix_us(select.since));
  if (select.until != Time::max()) out.key("until").integer(to_unix_us(select.until));
  out.end_object();
}

Result<Selection> selection_of(json::Value from) {
  Selection select;
  // Of one run, which no version has written: it must not be read as one of all.
  if (from.has("run_event")) return failure(Code::kCorrupt, "the entry of a job is of one run");
  if (from.has("flow")) select.flow = FlowId(static_cast<std::uint32_t>(number_of(from, "flow")));
  for (const json::Value state : from["states"].elements()) {
    const std::int64_t number = state.as_int64().value_or(-1);
    if (number < 0 || number > static_cast<std::int64_t>(kLastRunState))
      return failure(Code::kCorrupt, "the entry of a job names a state that there is not");
    select.states.push_back(static_cast<RunState>(number));
  }
  select.untaken = from["untaken"].as_bool();
  select.group = from["group"].as_string();
  select.category = from["category"].as_string();
  select.text = from["text"].as_string();
  select.connection = from["connection"].as_string();
  if (const auto since = from["since"].as_int64()) select.since = from_unix_us(*since);
  if (const auto until = from["until"].as_int64()) select.until = from_unix_us(*until);
  return select;
}

}  // namespace

std::string_view job_kind_name(Job::Kind kind) { return kKinds[static_cast<std::size_t>(kind)]; }
std::optional<Job::Kind> job_kind_from_name(std::string_view name) {
  const auto index = index_of(kKinds, name);
  return index ? std::optional(static_cast<Job::Kind>(*index)) : std::nullopt;
}
std::string_view job_state_name(Job::State state) { return kStates[static_cast<std::size_t>(state)]; }

std::string job_key(std::uint64_t id) {
  char digits[24];
  std::snprintf(digits, sizeof digits, "%020llu", static_cast<unsigned long long>(id));
  return digits;
}

Bytes encode(const Job& job) {
  json::Builder out;
  out.begin_object();
  put_number(out, "id", job.id);
  out.key("kind").string(job_kind_name(job.kind)).key("state").string(job_state_name(job.state));
  out.key("select");
  put_selection(out, job.select);
  out.key("from").string(job.how.from == Replay::From::kStart ? "start" : "failed");
  out.key("as").string(job.how.as_now ? "now" : "then");
  if (job.how.redo) out.key("redo").boolean(true);
  out.key("by").string(job.how.by).key("created").integer(to_unix_us(job.created));
  put_number(out, "selected", job.selected);
  put_number(out, "done", job.done);
  put_number(out, "refused", job.refused);
  if (job.gone != 0) put_number(out, "gone", job.gone);
  put_number(out, "flow", job.flow.value);
  put_number(out, "after", job.after.value);
  if (!job.last_error.empty()) out.key("last_error").string(job.last_error);
  out.end_object();
  return json::print(out.finish().root());
}

Result<Job> decode_job(std::string_view bytes) {
  const auto document = json::parse(std::string(bytes));
  const json::Value from = document ? document->root() : json::Value();
  const auto kind = index_of(kKinds, from["kind"].as_string()), state = index_of(kStates, from["state"].as_string());
  if (!kind || !state) return failure(Code::kCorrupt, "the entry of a job does not decode");
  Job job;
  job.id = number_of(from, "id");
  job.kind = static_cast<Job::Kind>(*kind);
  job.state = static_cast<Job::State>(*state);
  TRY(job.select, selection_of(from["select"]));
  job.how.from = from["from"].as_string() == "start" ? Replay::From::kStart : Replay::From::kFailed;
  job.how.as_now = from["as"].as_string() == "now";
  job.how.redo = from["redo"].as_bool();
  job.how.by = from["by"].as_string();
  job.how.job = job.id;
  job.created = from_unix_us(from["created"].as_int64().value_or(0));
  job.selected = number_of(from, "selected");
  job.done = number_of(from, "done");
  job.refused = number_of(from, "refused");
  job.gone = number_of(from, "gone");
  job.flow = FlowId(static_cast<std::uint32_t>(number_of(from, "flow")));
  job.after = Position(number_of(from, "after"));
  job.last_error = from["last_error"].as_string();
  return job;
}

}  // namespace tieline::engine
