#include "admin/queries.h"

#include <algorithm>
#include <array>
#include <map>
#include <set>

#include "admin/lookup.h"
#include "admin/pending.h"
#include "admin/story.h"
#include "async/sync.h"
#include "base/text.h"
#include "engine/index_key.h"
#include "engine/pause.h"
#include "engine/record.h"

namespace tieline::admin {
namespace {

constexpr std::array kAllStates{RunState::kRunning,   RunState::kRetrying, RunState::kParked,   RunState::kHeld,
                                RunState::kDelivered, RunState::kSkipped,  RunState::kStale,    RunState::kDead,
                                RunState::kDiscarded, RunState::kWaiting,  RunState::kCancelled};

constexpr std::string_view kPending = "pending", kUnmatched = "unmatched", kApproval = "approval";

Result<std::vector<RunState>> states_named(std::string_view wanted) {
  if (wanted.empty()) return std::vector<RunState>{};
  if (wanted == kPending)
    return std::vector{RunState::kRunning, RunState::kRetrying, RunState::kParked, RunState::kWaiting};
  if (wanted == kApproval) return std::vector{RunState::kWaiting};
  std::vector<std::string> known{std::string(kPending), std::string(kUnmatched), std::string(kApproval)};
  for (const RunState state : kAllStates) {
    if (run_state_name(state) == wanted) return std::vector{state};
    known.emplace_back(run_state_name(state));
  }
  return failure(Code::kInvalid, "no state \"" + std::string(wanted) + "\"" + did_you_mean(wanted, known) +
                                     "; the states are " + join(known, ", "));
}

void put_event(json::Builder& out, const Event& event) {
  out.key("event").integer(static_cast<std::int64_t>(event.position.value)).key("event_id").string(event.id);
  out.key("source").string(event.source).key("type").string(event.type).key("subject").string(event.subject);
  out.key("op").string(op_name(event.op)).key("time").string(format_time(event.time));
  out.key("received").string(format_time(event.received));
}

void put_run(json::Builder& out, const RunStatus& status, const std::string& flow, const Event* event) {
  const std::string position = std::to_string(status.run.event.value);
  out.key("run").string(flow + "/" + position).key("flow").string(flow);
  out.key("state").string(run_state_name(status.state)).key("changed").string(format_time(status.changed));
  const bool has_due = status.state == RunState::kRetrying || status.state == RunState::kWaiting;
  if (has_due && status.due != Time::max()) out.key("due").string(format_time(status.due));
  if (!status.summary.empty()) out.key("summary").string(status.summary);
  const bool stands = is_terminal(status.state) || status.state == RunState::kHeld;
  if (event != nullptr && stands) out.key("took_us").integer((status.changed - event->received).count());
}

void put_event_of(json::Builder& out, const EventOf& one, const std::string& flow) {
  const std::string position = std::to_string(one.event->position.value);
  out.key("run").string(flow.empty() ? position : flow + "/" + position).key("flow").string(flow);
  out.key("state").string(flow.empty() ? kUnmatched : kPending);
  out.key("changed").string(format_time(one.event->received));
}

// Why a running run stands still, as far as its journal tells: a vendor's limit.
Async<std::string> waits_for(Journal& journal, RunId run) {
  auto records = co_await journal.read(run);
  if (!records) co_return failure(std::move(records.error()));
  if (records->empty() || records->back().kind != RecordKind::kOutcome) co_return std::string();
  const Record& last = records->back();
  const auto body = engine::decode(last.body);
  if (!body || body->category != Category::kRateLimited) co_return std::string();
  std::string out = body->action + ": the vendor's limit";
  if (body->wait) out += ", waits until " + format_time(std::chrono::ceil<std::chrono::seconds>(last.at + *body->wait));
  co_return out;
}

// A page of the journal. Oldest first it ends with all runs of its last event, for the next one begins behind that.
Async<std::vector<RunStatus>> page_of(Journal& journal, RunQuery query, std::size_t flows) {
  auto page = co_await journal.runs(query);
  if (!page || query.newest_first || query.flow || page->size() < query.count || page->empty()) co_return page;
  const RunId last = page->back().run;
  query.after = Position(last.event.value - 1);
  query.count = flows;
  CO_TRY(std::vector<RunStatus> of_last, co_await journal.runs(std::move(query)));
  for (RunStatus& status : of_last) {
    if (status.run.event == last.event && last.flow < status.run.flow) page->push_back(std::move(status));
  }
  co_return page;
}

// Those that wait for a person, among all that wait.
Async<std::vector<RunStatus>> approvals(Journal& journal, RunQuery query, std::size_t flows) {
  const std::size_t count = query.count;
  std::vector<RunStatus> found;
  query.count = kRunsMax;
  while (true) {
    CO_TRY(std::vector<RunStatus> page, co_await page_of(journal, query, flows));
    for (RunStatus& status : page) {
      query.after = status.run.event;
      // A page ends with all runs of its last event.
      const bool full = found.size() >= count && found.back().run.event != status.run.event;
      if (full) co_return found;
      if (engine::asks_for_approval(status.summary)) found.push_back(std::move(status));
    }
    if (page.size() < query.count) co_return found;
    co_await next_turn();
  }
}

// Those of `positions`, in this order, that fit the query; of the last one all.
Async<std::vector<RunStatus>> runs_of(Ports ports, std::vector<Position> positions, FlowNames names, RunQuery query,
                                      bool approval) {
  std::vector<RunStatus> fitting;
  for (const Position position : positions) {
    if (fitting.size() >= query.count) co_return fitting;
    std::vector<Position> one{position};
    auto statuses = co_await statuses_of(ports, std::move(one), names);
    if (!statuses) co_return failure(std::move(statuses.error()));
    for (RunStatus& status : *statuses) {
      const bool state_fits =
          query.states.empty() || std::ranges::find(query.states, status.state) != query.states.end();
      if (!state_fits || (query.flow && status.run.flow != *query.flow) || status.changed < query.since) continue;
      if (approval && !engine::asks_for_approval(status.summary)) continue;
      fitting.push_back(std::move(status));
    }
  }
  co_return fitting;
}

Result<RunQuery> query_of(const RunFilter& filter, const FlowNames& names) {
  RunQuery query{.after = filter.after.value_or(Position(0)),
                 .count = std::min(filter.count, kRunsMax),
                 .newest_first = !filter.after && filter.state != kApproval};
  if (filter.state != kUnmatched) {
    TRY(query.states, states_named(filter.state));
  }
  if (filter.since) query.since = *filter.since;
  if (!filter.flow.empty()) {
    TRY(const FlowId flow, flow_named(names, filter.flow));
    query.flow = flow;
  }
  if (!filter.key.empty() && filter.key.find('=') == std::string::npos)
    return failure(Code::kInvalid, "a key is NAME=VALUE, such as order=1042: the names stand in the flow's `index:`");
  if (filter.state == kUnmatched && (query.flow || !filter.key.empty()))
    return failure(Code::kInvalid, "an unmatched event has no flow and no key: ask for it by time only");
  return query;
}

// A name that no flow's `index:` has finds nothing: better said than answered with an empty list.
Result<void> check_key_name(const std::vector<FlowPtr>& flows, std::string_view key) {
  const std::string name(key.substr(0, key.find('=')));
  std::vector<std::string> known;
  for (const FlowPtr& flow : flows) {
    for (const IndexKey& index : flow->index) known.push_back(index.name);
  }
  if (flows.empty() || std::ranges::find(known, name) != known.end()) return {};
  if (known.empty()) return failure(Code::kNotFound, "no flow has an `index:`, so none is found by a key");
  const std::string hint = did_you_mean(name, known);
  std::ranges::sort(known);
  known.erase(std::ranges::unique(known).begin(), known.end());
  return failure(Code::kNotFound,
                 "no flow's `index:` has \"" + name + "\"" + (hint.empty() ? "; there is " + join(known, ", ") : hint));
}

Async<std::vector<RunStatus>> matching_runs(Ports ports, RunQuery query, std::string key, bool approval,
                                            FlowNames names) {
  const std::size_t flows = names.size();
  if (key.empty() && approval) co_return co_await approvals(ports.journal, std::move(query), flows);
  if (key.empty()) co_return co_await page_of(ports.journal, std::move(query), flows);
  auto positions = co_await positions_of_key(ports.state, key);
  if (!positions) co_return failure(std::move(positions.error()));
  const std::set<Position>& all = positions->newest;
  if (all.empty()) {
    CO_TRY_VOID(check_key_name(ports.flows, key));
  }
  std::vector<Position> ordered(all.upper_bound(query.after), all.end());
  if (query.newest_first) std::ranges::reverse(ordered);
  co_return co_await runs_of(ports, std::move(ordered), std::move(names), std::move(query), approval);
}

// A line of a list: a run that the journal knows, or an event that waits for its run.
struct Row {
  RunStatus status;
  std::string why;  // it stands still
  std::optional<EventOf> waits;
  RunId run() const { return waits ? waits->run : status.run; }
};

Async<std::vector<Row>> rows_of(Ports ports, RunFilter filter, FlowNames names) {
  CO_TRY(const RunQuery query, query_of(filter, names));
  std::vector<Row> rows;
  std::vector<EventOf> waiting;
  const auto with = [&](EventOf one) {
    Row row;
    row.waits = std::move(one);
    rows.push_back(std::move(row));
  };
  if (filter.state == kUnmatched) {
    auto unmatched = co_await unmatched_events(ports, std::move(names), query);
    if (!unmatched) co_return failure(std::move(unmatched.error()));
    for (EventOf& one : *unmatched) with(std::move(one));
    co_return rows;
  }
  // Asked for first: a run that gets its first record meanwhile is then in both lists, and never in none.
  if (filter.state.empty() || filter.state == kPending) {
    auto pending = co_await pending_runs(ports, names, query, filter.key);
    if (!pending) co_return failure(std::move(pending.error()));
    waiting = std::move(*pending);
  }
  auto runs = co_await matching_runs(ports, query, filter.key, filter.state == kApproval, std::move(names));
  if (!runs) co_return failure(std::move(runs.error()));
  std::set<RunId> known;
  for (RunStatus& status : *runs) {
    known.insert(status.run);
    Row row;
    if (status.state == RunState::kRunning) {
      auto why = co_await waits_for(ports.journal, status.run);
      if (!why) co_return failure(std::move(why.error()));
      row.why = std::move(*why);
    }
    row.status = std::move(status);
    rows.push_back(std::move(row));
  }
  for (EventOf& one : waiting) {
    if (!known.contains(one.run)) with(std::move(one));
  }
  std::ranges::stable_sort(rows, [&](const Row& a, const Row& b) {
    return query.newest_first ? a.run().event > b.run().event : a.run().event < b.run().event;
  });
  std::size_t keep = query.count;
  while (!query.newest_first && keep > 0 && keep < rows.size() && rows[keep].run().event == rows[keep - 1].run().event)
    ++keep;
  if (rows.size() > keep) rows.resize(keep);
  co_return rows;
}

}  // namespace

Async<json::Document> list_runs(Ports ports, RunFilter filter) {
  auto names = co_await flow_names(ports.journal);
  if (!names) co_return failure(std::move(names.error()));
  if (filter.state == kUnmatched && ports.flows.empty())
    co_return failure(Code::kUnavailable, "which events a flow takes is not known here; `tieline check` says why");
  auto rows = co_await rows_of(ports, std::move(filter), *names);
  if (!rows) co_return failure(std::move(rows.error()));
  std::vector<Position> positions;
  for (const Row& row : *rows) {
    if (!row.waits) positions.push_back(row.status.run.event);
  }
  auto events = co_await ports.log.get(std::move(positions));
  if (!events) co_return failure(std::move(events.error()));
  std::map<Position, EventPtr> by_position;
  for (EventPtr& event : *events) by_position.emplace(event->position, std::move(event));

  json::Builder out;
  out.begin_object().key("runs").begin_array();
  for (Row& row : *rows) {
    out.begin_object();
    if (row.waits) {
      put_event_of(out, *row.waits, row.waits->run.flow == FlowId(0) ? "" : (*names)[row.waits->run.flow]);
      put_event(out, *row.waits->event);
    } else {
      const auto event = by_position.find(row.status.run.event);
      const Event* known = event == by_position.end() ? nullptr : event->second.get();
      if (row.status.summary.empty()) row.status.summary = std::move(row.why);
      put_run(out, row.status, (*names)[row.status.run.flow], known);
      if (known != nullptr) put_event(out, *known);
    }
    out.end_object();
  }
  co_return out.end_array().end_object().finish();
}

namespace {

// A run's records in words, and where one is missing.
Async<void> put_story(json::Builder* out, Journal& journal, RunStatus status) {
  auto records = co_await journal.read(status.run);
  if (!records) co_return failure(std::move(records.error()));
  out->key("story").begin_array();
  std::uint32_t told = 0;
  const auto missing = [&](std::uint32_t next) {
    if (told + 1 < next) put_missing_records(*out, told + 1, next - 1);
    told = next;
  };
  for (const Record& record : *records) {
    missing(record.number);
    put_story_entry(*out, record);
  }
  missing(status.records + 1);
  out->end_array();
  // What a person put in the place of the event's data.
  for (auto record = records->rbegin(); record != records->rend(); ++record) {
    const auto body = record->kind == RecordKind::kNote ? engine::decode(record->body) : Result<engine::RecordBody>();
    if (!body || !body->data) continue;
    out->key("edited_data").copy(body->data->root());
    break;
  }
  co_return Result<void>();
}

}  // namespace

Async<json::Document> describe(Ports ports, std::string id, std::vector<std::string> sources) {
  auto names = co_await flow_names(ports.journal);
  if (!names) co_return failure(std::move(names.error()));
  sources = sources_of(ports, std::move(sources));
  auto found = co_await find_event(ports.log, *names, std::move(id), std::move(sources));
  if (!found) co_return failure(std::move(found.error()));
  const EventPtr event = found->event;
  std::vector<EventOf> pending;
  if (event) {
    CO_TRY(pending, co_await pending_runs_of(ports, *names, event));
  }
  std::vector<Position> positions{found->position};
  auto runs = co_await statuses_of(ports, std::move(positions), *names);
  if (!runs) co_return failure(std::move(runs.error()));
  if (!event && !found->corrupt && runs->empty())
    co_return failure(Code::kNotFound,
                      "event " + std::to_string(found->position.value) + " is no longer kept (`store.keep`)");

  json::Builder out;
  out.begin_object();
  if (event) {
    put_event(out, *event);
    const auto data = json::parse(event->data);
    out.key("data");
    data ? out.copy(data->root()) : out.null();
    if (!ports.flows.empty())
      out.key("matched").boolean(
          std::ranges::any_of(ports.flows, [&](const FlowPtr& flow) { return flow->matches(*event); }));
  } else {
    out.key("event").integer(static_cast<std::int64_t>(found->position.value));
    out.key(found->corrupt ? "corrupt" : "gone").boolean(true);
  }
  out.key("runs").begin_array();
  for (const RunStatus& status : *runs) {
    out.begin_object();
    put_run(out, status, (*names)[status.run.flow], event.get());
    auto told = co_await put_story(&out, ports.journal, status);
    if (!told) co_return failure(std::move(told.error()));
    out.end_object();
  }
  for (const EventOf& one : pending) {
    const bool known = std::ranges::find(*runs, one.run, &RunStatus::run) != runs->end();
    if (known) continue;
    out.begin_object();
    put_event_of(out, one, (*names)[one.run.flow]);
    out.key("story").begin_array().end_array().end_object();
  }
  co_return out.end_array().end_object().finish();
}

Async<RunId> find_run(Ports ports, std::string id) {
  const std::size_t slash = id.rfind('/');
  const auto position =
      slash == std::string::npos ? std::nullopt : whole_number(std::string_view(id).substr(slash + 1));
  if (!position)
    co_return failure(Code::kInvalid,
                      "\"" + id + "\" is not a run like orders-to-deals/42; `tieline events` shows them");
  auto names = co_await flow_names(ports.journal);
  if (!names) co_return failure(std::move(names.error()));
  CO_TRY(const FlowId flow, flow_named(*names, std::string_view(id).substr(0, slash)));
  co_return RunId{flow, Position(*position)};
}

namespace {

// What a person does about a held run.
std::string advice_for(std::optional<engine::Hold> hold, const std::string& run) {
  if (hold == engine::Hold::kUnknownOutcome)
    return "  to do     look at the vendor, then `tieline held delivered " + run + "` or `tieline held repeat " + run +
           "`\n";
  if (hold == engine::Hold::kAuthorization)
    return "  to do     mend the connection's secret, then `tieline reload`: the run goes on by itself\n";
  if (hold == engine::Hold::kJournal)
    return "  to do     look at the vendor for what was done, then `tieline held repeat " + run +
           "`: it begins again, whatever was done before\n";
  if (hold == engine::Hold::kBrake)
    return "  to do     `tieline held repeat " + run + "` lets this run pass, `tieline flow release " +
           run.substr(0, run.rfind('/')) + "` all that the brake holds\n";
  if (hold == engine::Hold::kOutage)
    return "  to do     nothing: it goes on when the system is there again (`tieline incidents`)\n";
  if (hold == engine::Hold::kFlow)
    return "  to do     mend what the flow needs, then `tieline reload`: the run goes on by itself\n";
  return {};
}

}  // namespace

namespace {

std::string event_in_words(json::Value description) {
  const auto text = [&](std::string_view key) { return std::string(description[key].as_string()); };
  const std::string name = "Event " + std::string(description["event"].number_text());
  if (description["corrupt"].as_bool())
    return name +
           ": it came, and its record in the store is corrupt: nothing of it can be read any more\n"
           "  to do     `tieline store verify` says where; the vendor can send it again\n";
  if (description["gone"].as_bool()) return name + ": it is no longer kept (`store.keep`)\n";
  std::string out = name + ": " + text("type") + " from " + text("source") + " (id " + text("event_id") + ")\n";
  if (!text("subject").empty()) out += "  about     " + text("subject") + "\n";
  return out + "  happened  " + text("time") + "\n  received  " + text("received") + "\n";
}

}  // namespace

std::string in_words(json::Value description) {
  const auto text = [&](json::Value from, std::string_view key) { return std::string(from[key].as_string()); };
  const bool readable = description.has("type");
  std::string out = event_in_words(description);
  if (description["runs"].size() == 0 && readable) {
    const json::Value matched = description["matched"];
    out += matched.is_null() ? "No flow has taken it up.\n"
           : matched.as_bool()
               ? "A flow takes such events, and has not worked on this one: it came before the flow.\n"
               : "No flow takes it: no flow's `on:` names " +
                     std::string(topic_of(text(description, "source")) ? "this topic" : "this connection") +
                     " with this type.\n";
  }
  for (const json::Value run : description["runs"].elements()) {
    out += "\nRun " + text(run, "run") + ": " + text(run, "state");
    if (const auto took = run["took_us"].as_int64())
      out += ", " + humane_duration(Duration(*took)) + " after it was received";
    out += "\n";
    if (run["state"].as_string() == kPending)
      out += "  nothing of it is written yet: its first call is under way, or it waits for its turn\n";
    if (!run["summary"].as_string().empty()) out += "  because   " + text(run, "summary") + "\n";
    if (run["state"].as_string() == run_state_name(RunState::kHeld))
      out += advice_for(engine::hold_of_summary(run["summary"].as_string()), text(run, "run"));
    if (engine::asks_for_approval(run["summary"].as_string()))
      out += "  to do     `tieline approve yes " + text(run, "run") + "` or `tieline approve no " + text(run, "run") +
             "`\n";
    if (run["state"].as_string() == run_state_name(RunState::kDead))
      out += "  to do     mend the cause, then `tieline dead replay " + text(run, "run") +
             "`; or `tieline dead edit`, " + "or `tieline dead discard`\n";
    if (run.has("edited_data")) out += "  data      edited: --data shows it beside the event's\n";
    for (const json::Value entry : run["story"].elements()) {
      out += "  " + text(entry, "at") + "  " + text(entry, "text") + "\n";
      if (entry["request"].is_object()) {
        out += "      > " + text(entry["request"], "method") + " " + text(entry["request"], "url") + "\n";
        if (entry["request"]["body"].size() > 0)
          out += "      > " + truncated(entry["request"]["body"].as_string(), 400) + "\n";
      }
      if (entry["response"]["body"].size() > 0)
        out += "      < " + truncated(entry["response"]["body"].as_string(), 400) + "\n";
    }
  }
  return out;
}

}  // namespace tieline::admin
