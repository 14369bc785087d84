#include "cli/causes.h"

#include <algorithm>
#include <cstdio>

#include "base/text.h"
#include "cli/bulk.h"
#include "cli/run_list.h"

namespace tieline::cli {
namespace {

Result<admin::CauseFilter> cause_filter_of(const Arguments& arguments, RunState state) {
  admin::CauseFilter filter{.state = state,
                            .flow = arguments.text("flow"),
                            .group = arguments.text("group"),
                            .category = arguments.text("category"),
                            .text = arguments.text("text"),
                            .connection = arguments.text("connection")};
  for (const auto& [name, time] : {std::pair{"since", &filter.since}, {"until", &filter.until}}) {
    const std::string text = arguments.text(name);
    if (text.empty()) continue;
    TRY(*time, parse_when("--" + std::string(name), text));
  }
  return filter;
}

void print_groups(json::Value causes) {
  std::size_t width = 4;
  for (const json::Value group : causes["groups"].elements()) width = std::max(width, group["flow"].size());
  std::puts((column("GROUP", 8) + column("COUNT", 7) + column("FLOW", width) + column("LAST", 20) + "CAUSE").c_str());
  for (const json::Value group : causes["groups"].elements()) {
    const auto text = [&](std::string_view key) { return std::string(group[key].as_string()); };
    const auto count = static_cast<std::uint64_t>(group["count"].as_int64().value_or(0));
    std::puts((column(text("group"), 8) + column(with_commas(count), 7) + column(text("flow"), width) +
               column(seconds_of(text("last")), 20) + text("category") + ": " + truncated(text("message"), 160))
                  .c_str());
    std::string below = "since " + seconds_of(text("first")) + ", such as " + text("example");
    if (group.has("step")) below += ", at step " + std::string(group["step"].number_text());
    std::puts((std::string(10, ' ') + below).c_str());
  }
  const auto total = static_cast<std::uint64_t>(causes["total"].as_int64().value_or(0));
  std::puts((with_commas(total) + (total == 1 ? " run" : " runs") + " in all").c_str());
  if (causes.has("ungrouped"))
    std::puts((std::string(causes["ungrouped"].number_text()) + " of them have more causes than are shown").c_str());
}

}  // namespace

int list_causes(const Arguments& arguments, RunState state, const char* nothing) {
  if (!arguments.text("RUN").empty())
    return report({Code::kInvalid, "list takes no \"" + arguments.text("RUN") + "\"; its options choose runs", {}},
                  kUsage);
  if (arguments.flag("runs") || !arguments.text("key").empty()) {
    auto filter = filter_of(arguments);
    if (!filter) return report(filter.error(), kUsage);
    filter->state = run_state_name(state);
    return list(arguments, *filter, nothing);
  }
  auto client = Client::open(arguments);
  if (!client) return report(client.error(), kConfig);
  const auto filter = cause_filter_of(arguments, state);
  if (!filter) return report(filter.error(), kUsage);
  const auto causes = client->causes(*filter);
  if (!causes) return report(causes.error());
  if (arguments.flag("json")) {
    std::puts(json::print(causes->root()).c_str());
  } else if (causes->root()["total"].as_int64() == 0) {
    std::puts(nothing);
  } else {
    print_groups(causes->root());
  }
  return kOk;
}

std::vector<Option> run_list_options() {
  return {{"--runs", "", "list: a line for each run instead of each cause; --key, --count and --after page"},
          {"--key", "NAME=VALUE", "with --runs: only runs found under this key of the flow's index"},
          {"--count", "N", "with --runs: at most so many, up to 1000", "50"},
          {"--after", "EVENT", "with --runs: only runs of events after this number, and the oldest first"}};
}

}  // namespace tieline::cli
