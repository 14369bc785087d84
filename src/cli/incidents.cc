// `tieline incidents`: which systems were down, since when, and when what had waited for them was caught up.
#include <cstdio>

#include "base/text.h"
#include "cli/client.h"

namespace tieline::cli {
namespace {

std::string in_words(json::Value incident) {
  const auto text = [&](const char* name) { return std::string(incident[name].as_string()); };
  std::string what = text("connection");
  if (incident.has("actions")) {
    std::vector<std::string> actions;
    for (const json::Value action : incident["actions"].elements()) actions.emplace_back(action.as_string());
    what = join(actions, ", ");
  }
  const std::string runs = counted(static_cast<std::size_t>(incident["runs"].as_int64().value_or(0)), "run", "runs");
  const std::string cause = " (" + text("cause") + ")";
  if (text("state") == "down") return what + " is down since " + text("since") + cause + ": " + runs + " waited so far";
  std::string line =
      what + " was down from " + text("since") + " until " + text("back") + cause + "; " + runs + " waited";
  return line + (incident.has("caught_up") ? ", caught up at " + text("caught_up") : ", catching up");
}

int run_incidents(const Arguments& arguments) {
  auto client = Client::open(arguments);
  if (!client) return report(client.error(), kConfig);
  auto answer = client->incidents();
  if (!answer) return report(answer.error());
  if (arguments.flag("json")) {
    std::puts(json::print(answer->root()).c_str());
    return kOk;
  }
  for (const json::Value incident : answer->root()["incidents"].elements()) std::puts(in_words(incident).c_str());
  if (answer->root()["incidents"].size() == 0) std::puts("nothing was down");
  return kOk;
}

}  // namespace

Command incidents_command() {
  std::vector<Option> options{{"--json", "", "print JSON"}};
  for (Option& option : client_options()) options.push_back(option);
  return {.name = "incidents",
          .summary = "shows which systems were down, and when their backlog was caught up",
          .description =
              "An incident begins when calls of a connection fail ten times in a row, and is over when the system is "
              "back and nobody waits for it any more. The newest first, the last 100 of each connection.",
          .positionals = {},
          .options = std::move(options),
          .examples = {"tieline incidents", "tieline incidents --json"},
          .run = run_incidents};
}

}  // namespace tieline::cli
