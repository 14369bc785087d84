// `tieline reload`: asks the running server to take the workspace's present files.
#include <cstdio>

#include "base/text.h"
#include "cli/client.h"

namespace tieline::cli {
namespace {

int run_reload(const Arguments& arguments) {
  auto client = Client::open(arguments);
  if (!client) return report(client.error(), kConfig);
  auto answer = client->post("/api/reload", json::Document());
  if (!answer) {
    if (answer.error().code != Code::kInvalid) return report(answer.error());
    std::fprintf(stderr, "%s\nnothing was changed: the running configuration goes on\n",
                 std::string(trim(answer.error().message)).c_str());
    return kConfig;
  }
  std::puts(std::string(answer->root()["message"].as_string()).c_str());
  return kOk;
}

}  // namespace

Command reload_command() {
  return {.name = "reload",
          .summary = "makes the running server load its workspace again",
          .description =
              "Loads and checks all files, then swaps flows and connections at one moment. Runs under way keep the "
              "flow they began with. A workspace with an error changes nothing. The same as SIGHUP, but it says what "
              "came of it.",
          .positionals = {},
          .options = client_options(),
          .examples = {"tieline reload --workspace /etc/tieline"},
          .run = run_reload};
}

}  // namespace tieline::cli
