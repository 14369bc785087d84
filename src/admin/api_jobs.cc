// What the admin port does about many runs at once: causes, jobs, edits, and what happened to one thing.
#include <algorithm>
#include <array>

#include "admin/api.h"
#include "admin/api_reply.h"
#include "admin/causes.h"
#include "admin/find.h"
#include "admin/lookup.h"
#include "base/text.h"

namespace tieline::admin {
namespace {

constexpr std::size_t kFindLines = 200;

Error invalid(std::string message) { return {Code::kInvalid, std::move(message), {}}; }

Result<void> only_members(json::Value object, const std::vector<std::string>& known) {
  for (const json::KeyValue member : object.members()) {
    const std::string key(member.key);
    if (std::ranges::find(known, key) == known.end())
      return failure(invalid("\"" + key + "\" is not known here" + did_you_mean(key, known)));
  }
  return {};
}

// "from" and such: one of two words, or absent.
Result<bool> second_of(json::Value object, std::string_view key, std::string_view first, std::string_view second) {
  const json::Value value = object[key];
  if (value.is_null() || value.as_string() == first) return false;
  if (value.as_string() == second) return true;
  return failure(invalid(std::string(key) + " is \"" + std::string(first) + "\" or \"" + std::string(second) + "\""));
}

bool stands_on_a_cause(RunState state) { return state == RunState::kDead || state == RunState::kHeld; }

Result<void> read_states(json::Value select, engine::Job& job) {
  const bool decides = job.kind == engine::Job::Kind::kDelivered || job.kind == engine::Job::Kind::kRepeat;
  if (decides) job.select.states = {RunState::kHeld};
  if (job.kind == engine::Job::Kind::kDiscard) job.select.states = {RunState::kDead};
  if (job.kind != engine::Job::Kind::kReplay) return {};
  constexpr std::array kEnded{RunState::kDead, RunState::kDelivered, RunState::kSkipped, RunState::kStale,
                              RunState::kDiscarded};
  std::vector<std::string> known{"untaken"};
  for (const RunState state : kEnded) known.emplace_back(run_state_name(state));
  for (const json::Value word : select["states"].elements()) {
    const auto state =
        std::ranges::find_if(kEnded, [&](RunState one) { return run_state_name(one) == word.as_string(); });
    if (state != kEnded.end()) {
      job.select.states.push_back(*state);
    } else if (word.as_string() == "untaken") {
      job.select.untaken = true;
    } else {
      return failure(invalid("what is \"" + std::string(word.as_string()) + "\" cannot be replayed, only " +
                             join(known, ", ") + did_you_mean(word.as_string(), known)));
    }
  }
  if (job.select.untaken && !job.select.states.empty())
    return failure(invalid("untaken events have no runs: replay them by themselves"));
  const engine::Selection& chosen = job.select;
  const bool by_cause =
      !chosen.group.empty() || !chosen.category.empty() || !chosen.text.empty() || !chosen.connection.empty();
  if (by_cause && (chosen.untaken || !std::ranges::all_of(chosen.states, stands_on_a_cause)))
    return failure(
        invalid("only what is dead or held has a cause: group, category, text and connection select no other"));
  if (job.select.untaken && !job.select.flow) return failure(invalid("untaken events are one flow's: say which"));
  // What did not fail has no failed step.
  if (job.select.untaken || !std::ranges::all_of(job.select.states, stands_on_a_cause))
    job.how.from = engine::Replay::From::kStart;
  if (!job.select.states.empty() || job.select.untaken) return {};
  if (job.select.run) {
    job.select.states.assign(kEnded.begin(), kEnded.end());
  } else {
    job.select.states = {RunState::kDead};
  }
  return {};
}

Result<void> read_times(json::Value select, engine::Selection& out) {
  for (const auto& [key, time] : {std::pair{"since", &out.since}, {"until", &out.until}}) {
    if (!select.has(key)) continue;
    TRY(*time, parse_time(std::string(select[key].as_string())));
  }
  return {};
}

// What selects must say what: a word of another form would select nothing, and so everything.
Result<void> check_select(json::Value select, engine::Job::Kind kind) {
  if (!select.is_object() && !select.is_null()) return failure(invalid("select is an object"));
  TRY_VOID(only_members(select,
                        {"run", "flow", "states", "group", "category", "text", "connection", "since", "until", "all"}));
  for (const json::KeyValue member : select.members()) {
    const std::string key(member.key);
    if (key == "states") {
      bool words = member.value.is_array() && member.value.size() > 0;
      for (const json::Value one : member.value.elements()) words = words && one.is_string();
      if (!words) return failure(invalid("states is a list of one or more words"));
    } else if (key == "all") {
      if (!member.value.as_bool()) return failure(invalid("all is true, or left out"));
    } else if (member.value.as_string().empty()) {
      return failure(invalid(key + " is a text that is not empty"));
    }
    if (key != "run" && select.has("run"))
      return failure(invalid("a run stands for itself: " + key + " selects others"));
  }
  if (select.has("states") && kind != engine::Job::Kind::kReplay)
    return failure(invalid("states are of a replay: what is held is decided, and what is dead is discarded"));
  if (select.size() == (select.has("states") ? 1u : 0u))
    return failure(
        invalid("say which runs: select has run, flow, group, category, text, connection, since, until, "
                "or \"all\": true; of a replay states, too"));
  return {};
}

// When it was counted, where it was. What came or changed since is not what the person agreed to.
Result<void> read_as_of(json::Value body, Time now, engine::Job& job) {
  job.created = now;
  if (body.has("as_of")) {
    TRY(job.created, parse_time(std::string(body["as_of"].as_string())));
    if (job.created > now) return failure(invalid("as_of is the time of a count, not one to come"));
  }
  if (job.select.untaken) job.select.until = std::min(job.select.until, job.created + Duration(1));
  return {};
}

// All but the run and the flow, which need the journal.
Result<engine::Job> read_job(json::Value body) {
  TRY_VOID(only_members(body, {"kind", "select", "from", "as", "redo", "damaged", "by", "as_of", "dry_run"}));
  engine::Job job;
  const auto kind = engine::job_kind_from_name(body["kind"].as_string());
  if (!kind) return failure(invalid("kind is \"replay\", \"discard\", \"delivered\" or \"repeat\""));
  job.kind = *kind;
  const json::Value select = body["select"];
  TRY_VOID(check_select(select, job.kind));
  job.select.group = select["group"].as_string();
  job.select.category = select["category"].as_string();
  TRY_VOID(check_category(job.select.category));
  job.select.text = select["text"].as_string();
  job.select.connection = select["connection"].as_string();
  TRY_VOID(read_times(select, job.select));
  TRY(const bool start, second_of(body, "from", "failed", "start"));
  TRY(job.how.as_now, second_of(body, "as", "then", "now"));
  if (job.how.as_now && body["from"].as_string() == "failed")
    return failure(invalid("as now begins at the start: the present flow may have other steps"));
  job.how.from = start || job.how.as_now ? engine::Replay::From::kStart : engine::Replay::From::kFailed;
  TRY(job.how.redo, flag(body, "redo"));
  TRY(job.how.damaged, flag(body, "damaged"));
  job.how.by = by_of(body);
  return job;
}

void put_number(json::Builder& out, const char* key, std::uint64_t value) {
  out.key(key).integer(static_cast<std::int64_t>(value));
}

void put_job(json::Builder& out, const engine::Job& job) {
  out.begin_object();
  put_number(out, "job", job.id);
  out.key("kind").string(engine::job_kind_name(job.kind)).key("state").string(engine::job_state_name(job.state));
  out.key("by").string(job.how.by).key("created").string(format_time(job.created));
  put_number(out, "selected", job.selected);
  put_number(out, "done", job.done);
  put_number(out, "refused", job.refused);
  put_number(out, "gone", job.gone);
  if (!job.last_error.empty()) out.key("last_error").string(job.last_error);
  out.end_object();
}

json::Document counted(const engine::JobCount& count, Time as_of, const engine::Job* job) {
  json::Builder out;
  out.begin_object();
  put_number(out, "runs", count.runs);
  out.key("as_of").string(format_time(as_of));
  out.key("flows").begin_array();
  for (const auto& [flow, runs] : count.flows) {
    out.begin_object().key("name").string(flow);
    put_number(out, "runs", runs);
    out.end_object();
  }
  out.end_array();
  if (job != nullptr) {
    out.key("job");
    put_job(out, *job);
  }
  return out.end_object().finish();
}

}  // namespace

Result<void> Api::Query::only(const std::vector<std::string>& known) const {
  for (const auto& [name, value] : values) {
    if (std::ranges::find(known, name) == known.end())
      return failure(invalid("nothing is asked for by \"" + name + "\" here" + did_you_mean(name, known)));
  }
  return {};
}

asio::awaitable<Reply> Api::causes(RunState state, Query query) {
  static const std::vector<std::string> known{"flow", "group", "category", "text", "connection", "since", "until"};
  if (const auto fits = query.only(known); !fits) co_return error_reply(fits.error());
  CauseFilter filter{.state = state,
                     .flow = query["flow"],
                     .group = query["group"],
                     .category = query["category"],
                     .text = query["text"],
                     .connection = query["connection"]};
  for (const auto& [name, time] : {std::pair{"since", &filter.since}, {"until", &filter.until}}) {
    const std::string text = query[name];
    if (text.empty()) continue;
    const auto parsed = parse_time(text);
    if (!parsed) co_return error_reply(parsed.error());
    *time = *parsed;
  }
  const auto listed = co_await list_causes(ports(), std::move(filter));
  co_return result_reply(listed);
}

asio::awaitable<Reply> Api::find_all(Query query) {
  static const std::vector<std::string> known{"value", "count"};
  if (const auto fits = query.only(known); !fits) co_return error_reply(fits.error());
  const std::string what = query["value"], count = query["count"];
  const auto lines = count.empty() ? std::optional<std::uint64_t>(kFindLines) : whole_number(count);
  if (what.empty() || !lines || *lines == 0 || *lines > kFindLinesMax) {
    const Error wrong =
        invalid("say value=NAME=VALUE or value=VALUE, and count from 1 to " + std::to_string(kFindLinesMax));
    co_return error_reply(wrong);
  }
  const auto found = co_await find(ports(), what, deps_.connections(), static_cast<std::size_t>(*lines));
  co_return result_reply(found);
}

asio::awaitable<Reply> Api::jobs() {
  const auto listed = co_await deps_.engine.jobs();
  if (!listed) co_return error_reply(listed.error());
  json::Builder out;
  out.begin_object().key("jobs").begin_array();
  for (const engine::Job& job : *listed) put_job(out, job);
  co_return json_text(200, out.end_array().end_object().finish().root());
}

// One run needs no job: what is wrong is told at once.
Async<json::Document> Api::do_at_once(engine::Job job) {
  const RunId run = *job.select.run;
  engine::Decision by{job.how.by, job.how.redo};
  Result<void> done;
  switch (job.kind) {
    case engine::Job::Kind::kReplay: done = co_await deps_.engine.replay(run, job.how); break;
    case engine::Job::Kind::kDiscard: done = co_await deps_.engine.discard(run, job.how.by); break;
    case engine::Job::Kind::kDelivered:
      done = co_await deps_.engine.settle_held(run, engine::HeldAnswer::kDelivered, std::move(by));
      break;
    case engine::Job::Kind::kRepeat:
      done = co_await deps_.engine.settle_held(run, engine::HeldAnswer::kRepeat, std::move(by));
      break;
  }
  if (!done) co_return failure(std::move(done.error()));
  json::Builder out;
  co_return out.begin_object().key("runs").integer(1).key("done").boolean(true).end_object().finish();
}

asio::awaitable<Reply> Api::start_job(json::Document body) {
  auto job = read_job(body.root());
  if (!job) co_return error_reply(job.error());
  const auto dry_run = flag(body.root(), "dry_run");
  if (!dry_run) co_return error_reply(dry_run.error());
  const json::Value select = body.root()["select"];
  if (select.has("run")) {
    const auto run = co_await find_run(deps_.ports, std::string(select["run"].as_string()));
    if (!run) co_return error_reply(run.error());
    job->select.run = *run;
  }
  if (select.has("flow")) {
    const auto names = co_await flow_names(deps_.ports.journal);
    if (!names) co_return error_reply(names.error());
    const auto flow = flow_named(*names, select["flow"].as_string());
    if (!flow) co_return error_reply(flow.error());
    job->select.flow = *flow;
  }
  if (const auto states = read_states(select, *job); !states) co_return error_reply(states.error());
  const Time now = deps_.clock.now();
  if (const auto as_of = read_as_of(body.root(), now, *job); !as_of) co_return error_reply(as_of.error());
  if (!job->select.run && job->how.damaged) {
    const Error wrong = invalid("a damaged journal is passed over for one run at a time, by a person who has looked");
    co_return error_reply(wrong);
  }
  if (!*dry_run && job->select.run) {
    const auto done = co_await do_at_once(std::move(*job));
    co_return result_reply(done);
  }
  const auto count = co_await deps_.engine.count(job->select, job->created);
  if (!count) co_return error_reply(count.error());
  if (*dry_run || count->runs == 0) {
    const json::Document only = counted(*count, job->created, nullptr);
    co_return json_text(200, only.root());
  }
  const auto started = co_await deps_.engine.start_job(std::move(*job));
  if (!started) co_return error_reply(started.error());
  const json::Document all = counted(*count, started->created, &*started);
  co_return json_text(200, all.root());
}

asio::awaitable<Reply> Api::stop_job(std::string id) {
  const auto wanted = whole_number(id);
  const auto stopped = co_await deps_.engine.stop_job(wanted.value_or(0));
  if (!stopped) co_return error_reply(stopped.error());
  json::Builder out;
  co_return json_text(200, out.begin_object().key("stopped").boolean(true).end_object().finish().root());
}

asio::awaitable<Reply> Api::edit(std::string run, json::Document body) {
  if (!body.root().has("data")) {
    const Error wrong = invalid("say {\"data\": …}: what the run works on instead of the event's data");
    co_return error_reply(wrong);
  }
  const auto id = co_await find_run(deps_.ports, std::move(run));
  if (!id) co_return error_reply(id.error());
  std::string by = by_of(body.root());
  json::Document data = body.part(body.root()["data"]);
  const auto edited = co_await deps_.engine.edit(*id, std::move(data), std::move(by));
  if (!edited) co_return error_reply(edited.error());
  json::Builder out;
  co_return json_text(200, out.begin_object().key("edited").boolean(true).end_object().finish().root());
}

}  // namespace tieline::admin
