#include "cli/run_list.h"

#include <algorithm>
#include <cstdio>

#include "base/text.h"

namespace tieline::cli {
namespace {

void print_data(json::Value description) {
  std::puts(("\nData\n" + json::print(description["data"], json::PrintStyle{})).c_str());
  for (const json::Value run : description["runs"].elements()) {
    if (!run.has("edited_data")) continue;
    std::puts(("\nData of " + std::string(run["run"].as_string()) + ", edited\n" +
               json::print(run["edited_data"], json::PrintStyle{}))
                  .c_str());
  }
}

}  // namespace

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
    about = without_controls(about);
    std::puts((column(text("run"), width) + column(seconds_of(text("received")), 20) + column(text("state"), 9) +
               column(took ? humane_duration(Duration(*took)) : "", 7) + column(without_controls(text("type")), 16) +
               about)
                  .c_str());
  }
}

std::string column(std::string text, std::size_t width) {
  const auto characters = static_cast<std::size_t>(
      std::ranges::count_if(text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
  if (characters < width) text.append(width - characters, ' ');
  return text + "  ";
}

std::string seconds_of(std::string_view time) { return std::string(time.substr(0, 19)) + "Z"; }

Result<Time> parse_when(std::string_view option, const std::string& text) {
  if (const auto ago = parse_duration(text))
    return std::chrono::floor<Duration>(std::chrono::system_clock::now()) - *ago;
  for (const char* rest : {"", "T00:00:00Z"}) {
    if (auto time = parse_time(text + rest)) return *time;
  }
  return failure(Code::kInvalid,
                 std::string(option) +
                     " takes a duration like 2h, a date like 2026-11-23 or a time like 2026-11-23T21:44:00Z, not \"" +
                     text + "\"");
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
    if (runs.size() >= filter.count && !filter.after)
      std::fputs("there may be more: --count N, or --after 0 from the oldest on\n", stderr);
    if (runs.size() >= filter.count && filter.after)
      std::fprintf(stderr, "there may be more: --after %s\n",
                   std::string(runs.at(runs.size() - 1)["event"].number_text()).c_str());
  }
  return kOk;
}

Result<admin::RunFilter> filter_of(const Arguments& arguments) {
  admin::RunFilter filter{
      .flow = arguments.text("flow"), .state = arguments.text("status"), .key = arguments.text("key")};
  if (const std::string since = arguments.text("since"); !since.empty()) {
    TRY(filter.since, parse_when("--since", since));
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

int show(const Arguments& arguments, const std::string& id) {
  auto client = Client::open(arguments);
  if (!client) return report(client.error(), kConfig);
  auto description = client->describe(id);
  if (!description) return report(description.error());
  if (arguments.flag("json")) {
    std::puts(json::print(description->root()).c_str());
  } else {
    std::fputs(without_controls(admin::in_words(description->root()), '\n').c_str(), stdout);
    if (arguments.flag("data")) print_data(description->root());
  }
  return kOk;
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
    options.insert(
        options.begin() + 1,
        {"--status", "STATE",
         "only runs in this state: delivered skipped stale cancelled dead discarded held retrying waiting parked "
         "running; pending: all that is still worked on; approval: what waits for a person's yes; unmatched: "
         "events that no flow takes"});
  if (with_status)
    options.push_back({"--refused", "", "what the door refused since the server started, and why, instead of runs"});
  for (const Option& option : client_options()) options.push_back(option);
  return options;
}

}  // namespace tieline::cli
