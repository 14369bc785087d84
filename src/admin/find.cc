#include "admin/find.h"

#include <algorithm>

#include "admin/lookup.h"
#include "admin/story.h"
#include "async/sync.h"
#include "base/text.h"
#include "engine/index_key.h"

namespace tieline::admin {
namespace {

constexpr std::size_t kNamesMax = 1'000;  // of indexes

struct Line {
  Time at;
  Position event;
  std::string run, text;
};

// Every name that an index has or had.
Async<std::set<std::string>> index_names(Ports ports) {
  std::set<std::string> names;
  for (const FlowPtr& flow : ports.flows) {
    for (const IndexKey& index : flow->index) names.insert(index.name);
  }
  std::string bucket(engine::kIndexNameBucket);
  auto known = co_await ports.state.scan(std::move(bucket), std::string(), std::string(), kNamesMax);
  if (!known) co_return failure(std::move(known.error()));
  for (const Entry& entry : *known) names.insert(entry.key);
  co_return names;
}

Async<KeyPositions> positions_of(Ports ports, FlowNames names, std::set<std::string> indexes, std::string what,
                                 std::vector<std::string> sources) {
  KeyPositions found;
  const std::size_t equals = what.find('=');
  if (equals != std::string::npos && indexes.contains(what.substr(0, equals)))
    co_return co_await positions_of_key(ports.state, std::move(what), kFindEventsMax);
  for (const std::string& name : indexes) {
    auto some = co_await positions_of_key(ports.state, name + "=" + what, kFindEventsMax);
    if (!some) co_return failure(std::move(some.error()));
    found.newest.merge(some->newest);
    found.older += some->older;
  }
  // A number is rather an order's than an event's.
  if (!found.newest.empty() && whole_number(what)) co_return found;
  auto event = co_await find_event(ports.log, std::move(names), std::move(what), std::move(sources));
  if (event) found.newest.insert(event->position);
  if (!event && event.error().code != Code::kNotFound) co_return failure(std::move(event.error()));
  co_return found;
}

Error nothing_known(const std::string& what, const std::set<std::string>& indexes) {
  std::string message = "nothing is known of \"" + what +
                        "\": it is found by what a flow's `index:` names (once the flow has read the event, which a "
                        "paused one has not), by a run or by an event's id";
  const std::string name = what.substr(0, what.find('='));
  if (name != what && !indexes.contains(name)) {
    message += "; no flow has or had an index \"" + name + "\"";
    const char* before = ": there are ";
    for (const std::string& known : indexes) message += std::exchange(before, ", ") + known;
  }
  return {Code::kNotFound, std::move(message), {}};
}

void add_event(std::vector<Line>& lines, Position position, const EventPtr& event) {
  Line line;
  line.event = position;
  if (event == nullptr) {
    line.text = "event " + std::to_string(position.value) + " came; it is no longer kept, or corrupt";
    lines.push_back(std::move(line));
    return;
  }
  line.at = event->received;
  line.text = event->source + " sent " + event->type + " (event " + std::to_string(position.value) + ", id " +
              event->id + (event->subject.empty() ? "" : ", about " + event->subject) + ")";
  lines.push_back(std::move(line));
}

struct Lines {
  std::vector<Line> kept;
  std::size_t older = 0;  // of runs with more than kFindLinesMax
};

Async<void> add_run(Lines* lines, Journal& journal, RunStatus status, std::string flow) {
  auto records = co_await journal.read(status.run);
  if (!records) co_return failure(std::move(records.error()));
  const std::size_t first = records->size() > kFindLinesMax ? records->size() - kFindLinesMax : 0;
  lines->older += first;
  for (std::size_t i = first; i < records->size(); ++i) {
    const Record& record = (*records)[i];
    StoryLine told = story_line(record);
    // What was meant is told by what came of it; what was taken up by what was done.
    if (told.kind == "intent" && i + 1 < records->size()) continue;
    if (told.text == "taken up") continue;
    Line line;
    line.at = record.at;
    line.event = status.run.event;
    line.run = flow + "/" + std::to_string(status.run.event.value);
    line.text = std::move(told.text);
    lines->kept.push_back(std::move(line));
  }
  co_return Result<void>();
}

Async<void> add_all_of(Lines* lines, Ports ports, FlowNames names, Position position) {
  std::vector<Position> wanted{position}, same{position};
  auto events = co_await ports.log.get(std::move(wanted));
  if (!events) co_return failure(std::move(events.error()));
  add_event(lines->kept, position, events->empty() ? nullptr : events->front());
  auto runs = co_await statuses_of(ports, std::move(same), names);
  if (!runs) co_return failure(std::move(runs.error()));
  for (const RunStatus& status : *runs) {
    auto added = co_await add_run(lines, ports.journal, status, names[status.run.flow]);
    if (!added) co_return added;
  }
  co_return Result<void>();
}

// The last `count` lines: what happened lately is what somebody asks for.
json::Document document_of(const Lines& told, std::size_t count, std::size_t events, std::size_t more_events) {
  const std::vector<Line>& lines = told.kept;
  const std::size_t first = lines.size() - std::min(count, lines.size()), older = told.older + first;
  json::Builder out;
  out.begin_object().key("events").integer(static_cast<std::int64_t>(events)).key("lines").begin_array();
  for (std::size_t i = first; i < lines.size(); ++i) {
    const Line& line = lines[i];
    out.begin_object().key("at").string(line.at == Time() ? "" : format_time(line.at));
    out.key("event").integer(static_cast<std::int64_t>(line.event.value));
    if (!line.run.empty()) out.key("run").string(line.run);
    out.key("text").string(line.text).end_object();
  }
  out.end_array();
  if (older > 0) out.key("more").integer(static_cast<std::int64_t>(older));
  if (more_events > 0) out.key("more_events").integer(static_cast<std::int64_t>(more_events));
  return out.end_object().finish();
}

}  // namespace

Async<json::Document> find(Ports ports, std::string what, std::vector<std::string> sources, std::size_t count) {
  auto names = co_await flow_names(ports.journal);
  if (!names) co_return failure(std::move(names.error()));
  sources = sources_of(ports, std::move(sources));
  auto indexes = co_await index_names(ports);
  if (!indexes) co_return failure(std::move(indexes.error()));
  auto found = co_await positions_of(ports, *names, *indexes, what, std::move(sources));
  if (!found) co_return failure(std::move(found.error()));
  if (found->newest.empty()) co_return failure(nothing_known(what, *indexes));
  std::vector<Position> newest(found->newest.rbegin(), found->newest.rend());
  const std::size_t events = newest.size() + found->older;
  if (newest.size() > kFindEventsMax) newest.resize(kFindEventsMax);
  Lines lines;
  std::size_t told = 0;
  for (const Position position : newest) {
    if (lines.kept.size() >= kFindLinesMax) break;
    auto added = co_await add_all_of(&lines, ports, *names, position);
    if (!added) co_return failure(std::move(added.error()));
    ++told;
    co_await next_turn();
  }
  std::ranges::stable_sort(
      lines.kept, [](const Line& a, const Line& b) { return std::pair(a.at, a.event) < std::pair(b.at, b.event); });
  co_return document_of(lines, count, events, events - told);
}

std::string find_in_words(json::Value found) {
  std::string out, day;
  if (const auto more = found["more_events"].as_int64())
    out += "(" + counted(*more, "older event is", "older events are") + " left out)\n";
  if (const auto more = found["more"].as_int64())
    out += "(" + counted(*more, "older line is", "older lines are") + " left out)\n";
  for (const json::Value line : found["lines"].elements()) {
    const std::string at(line["at"].as_string());
    if (at.size() >= 19 && at.substr(0, 10) != day) {
      day = at.substr(0, 10);
      out += day + "\n";
    }
    const std::string run(line["run"].as_string());
    out += "  " + (at.size() >= 19 ? at.substr(11, 8) : std::string(8, ' ')) + "  " + (run.empty() ? "" : run + ": ") +
           std::string(line["text"].as_string()) + "\n";
  }
  return out;
}

}  // namespace tieline::admin
