// `tieline store`: what the store holds, and whether all of it can be read.
#include <cstdio>

#include "base/text.h"
#include "cli/client.h"

namespace tieline::cli {
namespace {

int run_store(const Arguments& arguments) {
  const std::string action = arguments.text("ACTION");
  if (action != "stats" && action != "verify") {
    const std::vector<std::string> known{"stats", "verify"};
    return report(
        {Code::kInvalid, "store takes stats or verify, not \"" + action + "\"" + did_you_mean(action, known), {}},
        kUsage);
  }
  auto client = Client::open(arguments);
  if (!client) return report(client.error(), kConfig);
  auto answer = action == "stats" ? client->store_numbers() : client->store_verify();
  if (!answer) return report(answer.error());
  if (arguments.flag("json")) {
    std::puts(json::print(answer->root()).c_str());
  } else {
    for (const auto [name, value] : answer->root().members()) {
      const std::string shown = value.is_string() ? std::string(value.as_string()) : json::print(value);
      std::printf("%-24s %s\n", std::string(name).c_str(), shown.c_str());
    }
  }
  return answer->root()["corrupt"].as_int64().value_or(0) == 0 ? kOk : kFailed;
}

}  // namespace

Command store_command() {
  std::vector<Option> options{{"--json", "", "print JSON"}};
  for (const Option& option : client_options()) options.push_back(option);
  return {.name = "store",
          .summary = "counts what the store holds, or reads all of it to verify",
          .description =
              "stats counts; verify reads every record and checks it against its checksum, reports what is corrupt "
              "with its place, and exits 1 if anything is.",
          .positionals = {{"ACTION", "stats or verify", false, "stats"}},
          .options = std::move(options),
          .examples = {"tieline store verify"},
          .run = run_store};
}

}  // namespace tieline::cli
