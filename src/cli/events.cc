// `tieline events`: a line for each run, newest first.
#include <algorithm>
#include <charconv>
#include <cstdio>

#include "base/text.h"
#include "cli/client.h"

namespace tieline::cli {
namespace {

// As wide as `width` characters: "µs" is two of them in three bytes.
std::string column(std::string text, std::size_t width) {
  const auto characters = static_cast<std::size_t>(
      std::ranges::count_if(text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
  if (characters < width) text.append(width - characters, ' ');
  return text + "  ";
}

std::string seconds_of(std::string_view time) { return std::string(time.substr(0, 19)) + "Z"; }

void print_runs(json::Value runs) {
  std::size_t width = 12;
  for (const json::Value run : runs.elements()) width = std::max(width, run["run"].size());
  std::puts((column("RUN", width) + column("RECEIVED", 20) + column("STATE", 9) + column("TOOK", 7) +
             column("TYPE", 16) + "ABOUT")
                .c_str());
  for (const json::Value run : runs.elements()) {
    const auto text = [&](std::string_view key) { return std::string(run[key].as_string()); };
    const auto took = run["took_us"].as_int64();
    std::string about = text("subject").empty() ? text("event_id") : text("subject");
    if (!text("summary").empty()) about += "  (" + truncated(text("summary"), 120) + ")";
    if (text("state") == "retrying") about += "  (next try " + seconds_of(text("due")) + ")";
    std::puts((column(text("run"), width) + column(seconds_of(text("received")), 20) + column(text("state"), 9) +
               column(took ? humane_duration(Duration(*took)) : "", 7) + column(text("type"), 16) + about)
                  .c_str());
  }
}

void print_refusals(json::Value refused) {
  std::size_t width = 10;
  for (const json::Value one : refused.elements()) width = std::max(width, one["connection"].size());
  std::puts(
      (column("CONNECTION", width) + column("COUNT", 7) + column("LAST", 20) + column("REASON", 20) + "LAST MESSAGE")
          .c_str());
  for (const json::Value one : refused.elements()) {
    const std::string connection(one["connection"].as_string());
    std::puts((column(connection.empty() ? "-" : connection, width) +
               column(std::string(one["count"].number_text()), 7) + column(seconds_of(one["last"].as_string()), 20) +
               column(std::string(one["reason"].as_string()), 20) + std::string(one["message"].as_string()))
                  .c_str());
  }
}

// What the door did not take in since the server started.
int list_refused(const Arguments& arguments) {
  auto client = Client::open(arguments);
  if (!client) return report(client.error(), kConfig);
  const auto status = client->status();
  if (!status) return report(status.error());
  const json::Value refused = status->root()["refused"];
  if (arguments.flag("json")) {
    std::puts(json::print(refused).c_str());
  } else if (refused.size() == 0) {
    std::puts("no request was refused since the server started");
  } else {
    print_refusals(refused);
  }
  return kOk;
}

// "--since 2h" counts back from now; a time stands for itself, a date for its beginning (UTC).
Result<Time> parse_since(const std::string& text) {
  if (const auto ago = parse_duration(text))
    return std::chrono::floor<Duration>(std::chrono::system_clock::now()) - *ago;
  for (const char* rest : {"", "T00:00:00Z"}) {
    if (auto time = parse_time(text + rest)) return *time;
  }
  return failure(
      Code::kInvalid,
      "--since takes a duration like 2h, a date like 2026-11-23 or a time like 2026-11-23T21:44:00Z, not \"" + text +
          "\"");
}

int list(const Arguments& arguments, admin::RunFilter filter, const char* nothing) {
  auto client = Client::open(arguments);
  if (!client) return report(client.error(), kConfig);
  auto listed = client->runs(filter);
  if (!listed) return report(listed.error(), listed.error().code == Code::kInvalid ? kUsage : kFailed);
  const json::Value runs = listed->root()["runs"];
  if (arguments.flag("json")) {
    std::puts(json::print(listed->root()).c_str());
  } else if (runs.size() == 0) {
    std::puts(nothing);
  } else {
    print_runs(runs);
    // Not part of the list, so that a pipe does not see it.
    if (runs.size() == filter.count && !filter.after)
      std::fputs("there may be more: --count N, or --after 0 from the oldest on\n", stderr);
    if (runs.size() == filter.count && filter.after)
      std::fprintf(stderr, "there may be more: --after %s\n",
                   std::string(runs.at(runs.size() - 1)["event"].number_text()).c_str());
  }
  return kOk;
}

std::optional<std::uint64_t> whole_number(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value);
  return failed == std::errc() && end == text.data() + text.size() ? std::optional(value) : std::nullopt;
}

Result<admin::RunFilter> filter_of(const Arguments& arguments) {
  admin::RunFilter filter{
      .flow = arguments.text("flow"), .state = arguments.text("status"), .key = arguments.text("key")};
  if (const std::string since = arguments.text("since"); !since.empty()) {
    TRY(filter.since, parse_since(since));
  }
  const auto count = whole_number(arguments.text("count"));
  if (!count || *count == 0 || *count > admin::kRunsMax)
    return failure(Code::kInvalid, "--count takes a number from 1 to " + std::to_string(admin::kRunsMax));
  filter.count = *count;
  if (const std::string after = arguments.text("after"); !after.empty()) {
    const auto event = whole_number(after);
    if (!event) return failure(Code::kInvalid, "--after takes an event's number, not \"" + after + "\"");
    filter.after = Position(*event);
  }
  return filter;
}

int run_events(const Arguments& arguments) {
  auto filter = filter_of(arguments);
  if (!filter) return report(filter.error(), kUsage);
  if (arguments.flag("refused")) return list_refused(arguments);
  const bool unmatched = filter->state == "unmatched";
  return list(arguments, *filter, unmatched ? "a flow takes every event there is" : "no run matches");
}

int run_dead(const Arguments& arguments) {
  auto filter = filter_of(arguments);
  if (!filter) return report(filter.error(), kUsage);
  filter->state = "dead";
  return list(arguments, *filter, "there are no dead letters");
}

int run_show(const Arguments& arguments) {
  auto client = Client::open(arguments);
  if (!client) return report(client.error(), kConfig);
  auto description = client->describe(arguments.text("ID"));
  if (!description) return report(description.error());
  if (arguments.flag("json")) {
    std::puts(json::print(description->root()).c_str());
  } else {
    std::fputs(admin::in_words(description->root()).c_str(), stdout);
    if (arguments.flag("data"))
      std::puts(("\nData\n" + json::print(description->root()["data"], json::PrintStyle{})).c_str());
  }
  return kOk;
}

int settle(const Arguments& arguments, const std::string& run, std::string_view answer) {
  auto client = Client::open(arguments);
  if (!client) return report(client.error(), kConfig);
  json::Builder body;
  body.begin_object().key("answer").string(answer).key("by").string("the command line").end_object();
  auto settled = client->post("/api/held/" + percent_encode(run), body.finish());
  if (!settled) return report(settled.error());
  std::puts((run + (answer == "repeat" ? ": is sent again" : ": counts as delivered")).c_str());
  return kOk;
}

int run_held(const Arguments& arguments) {
  const std::string action = arguments.text("ACTION"), run = arguments.text("RUN");
  if (action == "list") {
    if (!run.empty())
      return report({Code::kInvalid, "held list takes no \"" + run + "\"; --flow, --key and --since choose runs", {}},
                    kUsage);
    auto filter = filter_of(arguments);
    if (!filter) return report(filter.error(), kUsage);
    filter->state = "held";
    return list(arguments, *filter, "nothing is held");
  }
  if (action != "delivered" && action != "repeat") {
    const std::vector<std::string> known{"list", "delivered", "repeat"};
    return report({Code::kInvalid,
                   "held takes list, delivered or repeat, not \"" + action + "\"" + did_you_mean(action, known),
                   {}},
                  kUsage);
  }
  if (run.empty()) return report({Code::kInvalid, "which run? `tieline held list` shows them", {}}, kUsage);
  if (const std::size_t slash = run.rfind('/'); slash == std::string::npos || !whole_number(run.substr(slash + 1)))
    return report(
        {Code::kInvalid, "\"" + run + "\" is not a run like orders-to-deals/42; `tieline held list` shows them", {}},
        kUsage);
  return settle(arguments, run, action);
}

std::vector<Option> list_options(bool with_status) {
  std::vector<Option> options{
      {"--flow", "NAME", "only runs of this flow"},
      {"--key", "NAME=VALUE", "only runs found under this key of the flow's index"},
      {"--since", "WHEN", "only runs that changed since: 2h, 2026-11-23, or 2026-11-23T21:44:00Z"},
      {"--count", "N", "at most so many, up to 1000", "50"},
      {"--after", "EVENT", "only runs of events after this number, and the oldest first: pages through all of them"},
      {"--json", "", "print JSON"}};
  if (with_status)
    options.insert(options.begin() + 1,
                   {"--status", "STATE",
                    "only runs in this state: delivered skipped stale dead held retrying parked running; pending: all "
                    "that is still worked on; unmatched: events that no flow takes"});
  if (with_status)
    options.push_back({"--refused", "", "what the door refused since the server started, and why, instead of runs"});
  for (const Option& option : client_options()) options.push_back(option);
  return options;
}

}  // namespace

Command events_command() {
  return {.name = "events",
          .summary = "lists what came in and what became of it",
          .description =
              "A line for each run, newest first: one flow working on one event. Asks the running server, or reads the "
              "store when none runs. docs/operating.md says what each state means.",
          .positionals = {},
          .options = list_options(true),
          .examples = {"tieline events --status dead --since 24h", "tieline events --key order=1042",
                       "tieline events --refused"},
          .run = run_events};
}

Command dead_command() {
  return {
      .name = "dead",
      .summary = "lists dead letters: runs that gave up, with the cause",
      .description =
          "Runs that ended without delivering. Each keeps its event; `tieline show RUN` tells what was tried. Once the "
          "cause is mended, send the event again: docs/operating.md says how.",
      .positionals = {},
      .options = list_options(false),
      .examples = {"tieline dead --flow orders-to-deals"},
      .run = run_dead};
}

Command show_command() {
  std::vector<Option> options{{"--data", "", "print the event's data, too"}, {"--json", "", "print JSON"}};
  for (const Option& option : client_options()) options.push_back(option);
  return {.name = "show",
          .summary = "tells everything that happened to one event",
          .description =
              "Every flow that worked on the event: steps, intents, attempts, requests and answers (without secrets, "
              "cut at 4 KiB), in the order they happened.",
          .positionals = {{"ID", "a run (orders-to-deals/42), an event's number (42), or the vendor's event id"}},
          .options = std::move(options),
          .examples = {"tieline show orders-to-deals/42", "tieline show evt_1NG8Du2eZvKYlo2CUI79vXWy"},
          .run = run_show};
}

Command held_command() {
  return {
      .name = "held",
      .summary = "lists held runs, and decides them",
      .description =
          "A run is held when a person must decide: most often because a call's answer was lost, and nobody can tell "
          "whether it happened. Look at the vendor, then say which. A run that is held because a connection needs "
          "authorization goes on by itself: mend the secret, then `tieline reload`.\n\ntieline held list\n"
          "tieline held delivered RUN   it happened; go on with the next step\n"
          "tieline held repeat RUN      it did not; send it again. Where the journal is damaged: begin again,\n"
          "                             whatever was done before",
      .positionals = {{"ACTION", "list, delivered or repeat", false, "list"}, {"RUN", "which run", false}},
      .options = list_options(false),
      .examples = {"tieline held list", "tieline held delivered leads-to-slack/17"},
      .run = run_held};
}

}  // namespace tieline::cli
