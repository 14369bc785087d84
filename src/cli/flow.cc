// `tieline flow`: the flows of the running server; pausing one, and letting its brake go.
#include <algorithm>
#include <cstdio>

#include "base/text.h"
#include "cli/run_list.h"

namespace tieline::cli {
namespace {

std::string count_of(json::Value flow, std::string_view name) { return std::string(flow[name].number_text()); }

// "paused by ada since the vendor asked", "reads no more: too many runs wait", "next 2026-11-30T06:00:00Z".
std::string remarks(json::Value flow) {
  std::vector<std::string> all;
  if (flow["removed"].as_bool()) all.emplace_back("removed from the workspace, works off its runs");
  if (flow.has("paused")) all.push_back("paused by " + std::string(flow["paused"].as_string()));
  if (flow["braked"].as_bool()) all.emplace_back("its brake holds: `tieline flow release NAME` lets it go");
  if (flow["full"].as_bool()) all.emplace_back("reads no more events until fewer runs wait");
  if (const auto calls = flow["gathering"].as_int64().value_or(0); calls > 0)
    all.push_back(counted(static_cast<std::uint64_t>(calls), "call gathers", "calls gather") + " for one request");
  if (flow.has("next_time")) all.push_back("next " + std::string(flow["next_time"].as_string()));
  return join(all, "; ");
}

int list_flows(const Client& client, bool as_json) {
  const auto status = client.status();
  if (!status) return report(status.error());
  const json::Value flows = status->root()["flows"];
  if (as_json) {
    std::puts(json::print(flows).c_str());
    return kOk;
  }
  if (flows.size() == 0) {
    std::puts("the workspace has no flow");
    return kOk;
  }
  std::size_t width = 12;
  for (const json::Value flow : flows.elements()) width = std::max(width, flow["name"].size());
  std::puts((column("FLOW", width) + column("NOT READ", 8) + column("RUNNING", 7) + column("RETRYING", 8) +
             column("PARKED", 6) + column("HELD", 4) + column("WAITING", 7) + "NOTES")
                .c_str());
  for (const json::Value flow : flows.elements()) {
    const std::string line = column(std::string(flow["name"].as_string()), width) + column(count_of(flow, "lag"), 8) +
                             column(count_of(flow, "running"), 7) + column(count_of(flow, "retrying"), 8) +
                             column(count_of(flow, "parked"), 6) + column(count_of(flow, "held"), 4) +
                             column(count_of(flow, "waiting"), 7) + remarks(flow);
    std::puts(line.substr(0, line.find_last_not_of(' ') + 1).c_str());
  }
  return kOk;
}

int run_flow(const Arguments& arguments) {
  const std::string action = arguments.text("ACTION"), name = arguments.text("NAME");
  const std::vector<std::string> known{"list", "pause", "resume", "release"};
  if (std::find(known.begin(), known.end(), action) == known.end())
    return report({Code::kInvalid,
                   "flow takes list, pause, resume or release, not \"" + action + "\"" + did_you_mean(action, known),
                   {}},
                  kUsage);
  if (action != "list" && name.empty())
    return report({Code::kInvalid, "which flow? `tieline flow list` shows them", {}}, kUsage);
  auto client = Client::open(arguments);
  if (!client) return report(client.error(), kConfig);
  if (action == "list") return list_flows(*client, arguments.flag("json"));
  json::Builder body;
  body.begin_object().key("by").string(decided_by()).key("why").string(arguments.text("why")).end_object();
  const auto done = client->post("/api/flows/" + percent_encode(name) + "/" + action, body.finish());
  if (!done) return report(done.error());
  const char* const done_words = action == "pause"    ? ": reads no more events until it is resumed"
                                 : action == "resume" ? ": reads on"
                                                      : ": what its brake held goes on, and it counts anew";
  std::puts((name + done_words).c_str());
  return kOk;
}

}  // namespace

Command flow_command() {
  std::vector<Option> options{{"--why", "TEXT", "with pause: shown wherever the flow is"},
                              {"--json", "", "with list: print JSON"}};
  for (const Option& option : client_options()) options.push_back(option);
  return {
      .name = "flow",
      .summary = "lists the flows of the running server, pauses and resumes one, lets its brake go",
      .description =
          "A paused flow reads no more events and loses none: it goes on where it stopped. Its runs that have begun go "
          "on. It stays paused over restarts and reloads. Until it is resumed, history from there on is kept. A flow "
          "whose "
          "`brake:` holds keeps its runs until it is released.\n\n"
          "tieline flow list\n"
          "tieline flow pause NAME\n"
          "tieline flow resume NAME\n"
          "tieline flow release NAME",
      .positionals = {{"ACTION", "list, pause, resume or release", false, "list"}, {"NAME", "which flow", false}},
      .options = std::move(options),
      .examples = {"tieline flow list", "tieline flow pause orders-to-deals --why 'the CRM is being moved'"},
      .run = run_flow};
}

}  // namespace tieline::cli
