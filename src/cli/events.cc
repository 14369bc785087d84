// `tieline events`: a line for each run, newest first.
#include <algorithm>
#include <cstdio>

#include "base/text.h"
#include "cli/run_list.h"

namespace tieline::cli {
namespace {

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

int run_events(const Arguments& arguments) {
  auto filter = filter_of(arguments);
  if (!filter) return report(filter.error(), kUsage);
  if (arguments.flag("refused")) return list_refused(arguments);
  const bool unmatched = filter->state == "unmatched";
  return list(arguments, *filter, unmatched ? "a flow takes every event there is" : "no run matches");
}

int run_show(const Arguments& arguments) { return show(arguments, arguments.text("ID")); }

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

}  // namespace tieline::cli
