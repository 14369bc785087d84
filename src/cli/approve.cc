// `tieline approve`: runs that wait for a person's yes, and the answer.
#include <cstdio>

#include "base/text.h"
#include "cli/run_list.h"

namespace tieline::cli {
namespace {

int list_approvals(const Client& client, const Arguments& arguments) {
  admin::RunFilter filter{.flow = arguments.text("flow"), .state = "approval", .key = {}};
  filter.count = admin::kRunsMax;
  filter.after = Position(0);
  json::Builder found;
  found.begin_array();
  std::size_t count = 0;
  while (true) {
    const auto page = client.runs(filter);
    if (!page) return report(page.error(), page.error().code == Code::kInvalid ? kUsage : kFailed);
    const json::Value runs = page->root()["runs"];
    for (const json::Value run : runs.elements()) {
      found.copy(run);
      ++count;
    }
    if (runs.size() < filter.count) break;
    filter.after = Position(static_cast<std::uint64_t>(*runs.at(runs.size() - 1)["event"].as_int64()));
  }
  const json::Document all = found.end_array().finish();
  if (arguments.flag("json")) {
    std::puts(json::print(all.root()).c_str());
  } else if (count == 0) {
    std::puts("nothing waits for approval");
  } else {
    print_runs(all.root());
  }
  return kOk;
}

int run_approve(const Arguments& arguments) {
  const std::string action = arguments.text("ACTION"), run = arguments.text("RUN");
  if (action != "list" && action != "yes" && action != "no") {
    const std::vector<std::string> known{"list", "yes", "no"};
    return report(
        {Code::kInvalid, "approve takes list, yes or no, not \"" + action + "\"" + did_you_mean(action, known), {}},
        kUsage);
  }
  if (action != "list" && run.empty())
    return report({Code::kInvalid, "which run? `tieline approve list` shows them", {}}, kUsage);
  auto client = Client::open(arguments);
  if (!client) return report(client.error(), kConfig);
  if (action == "list") return list_approvals(*client, arguments);
  json::Builder body;
  body.begin_object().key("answer").string(action == "yes" ? "approved" : "declined");
  body.key("by").string(decided_by(arguments.text("by")));
  const auto settled = client->post("/api/held/" + percent_encode(run), body.end_object().finish());
  if (!settled) return report(settled.error());
  std::puts((run + (action == "yes" ? " is approved: it goes on" : " is declined: it ends as skipped")).c_str());
  return kOk;
}

}  // namespace

Command approve_command() {
  std::vector<Option> options{{"--flow", "NAME", "list: only runs of this flow"},
                              {"--by", "NAME", "who says so, for the timeline"},
                              {"--json", "", "list: print JSON"}};
  for (const Option& option : client_options()) options.push_back(option);
  return {.name = "approve",
          .summary = "lists runs that wait for a person's yes, and answers them",
          .description =
              "An `approve` step stops its run until a person answers; the runs behind it go on. What silence means "
              "stands in the flow (`after: 2d → fail`).\n\n"
              "tieline approve list\n"
              "tieline approve yes RUN   it goes on\n"
              "tieline approve no RUN    it ends as skipped",
          .positionals = {{"ACTION", "list, yes or no", false, "list"}, {"RUN", "which run", false}},
          .options = std::move(options),
          .examples = {"tieline approve list", "tieline approve yes deals-to-invoices/1042 --by ada"},
          .run = run_approve};
}

}  // namespace tieline::cli
