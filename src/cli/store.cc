// `tieline store`: what the store holds, whether all of it can be read, and what to do with it: mend, compact, copy.
#include <algorithm>
#include <array>
#include <cstdio>

#include "base/text.h"
#include "cli/client.h"

namespace tieline::cli {
namespace {

void show(json::Value root) {
  for (const auto [name, value] : root.members()) {
    if (value.is_array()) {
      for (const json::Value line : value.elements()) std::printf("  %s\n", std::string(line.as_string()).c_str());
      continue;
    }
    const std::string shown = value.is_string() ? std::string(value.as_string()) : json::print(value);
    std::printf("%-24s %s\n", std::string(name).c_str(), shown.c_str());
  }
}

struct Action {
  const char* name;
  Result<json::Document> (*act)(const Client& client, const std::string& directory);
};
constexpr std::array<Action, 5> kActions{{
    {"stats", [](const Client& client, const std::string&) { return client.store_numbers(); }},
    {"verify", [](const Client& client, const std::string& of) { return client.store_verify(of); }},
    {"repair", [](const Client& client, const std::string&) { return client.store_repair(); }},
    {"compact", [](const Client& client, const std::string&) { return client.store_compact(); }},
    {"backup", [](const Client& client, const std::string& to) { return client.store_backup(to); }},
}};

int run_store(const Arguments& arguments) {
  const std::string action = arguments.text("ACTION"), directory = arguments.text("DIR");
  const auto* wanted =
      std::find_if(kActions.begin(), kActions.end(), [&](const Action& one) { return action == one.name; });
  if (wanted == kActions.end()) {
    std::vector<std::string> known;
    for (const Action& one : kActions) known.emplace_back(one.name);
    return report(
        {Code::kInvalid,
         "store takes stats, verify, repair, compact or backup, not \"" + action + "\"" + did_you_mean(action, known),
         {}},
        kUsage);
  }
  if (action != "verify" && (action == "backup") == directory.empty()) {
    return report({Code::kInvalid,
                   action == "backup" ? "backup needs the directory to copy to: tieline store backup DIR"
                                      : action + " takes no directory",
                   {}},
                  kUsage);
  }
  auto client = Client::open(arguments);
  if (!client) return report(client.error(), kConfig);
  auto answer = wanted->act(*client, directory);
  if (!answer) return report(answer.error());
  if (arguments.flag("json")) {
    std::puts(json::print(answer->root()).c_str());
  } else {
    show(answer->root());
  }
  return answer->root()["corrupt"].as_int64().value_or(0) == 0 ? kOk : kFailed;
}

}  // namespace

Command store_command() {
  std::vector<Option> options{{"--json", "", "print JSON"}};
  for (const Option& option : client_options()) options.push_back(option);
  return {
      .name = "store",
      .summary = "counts, verifies, mends, compacts or copies the store",
      .description =
          "stats counts. verify reads every record, checks it against its checksum, every file against its own "
          "structure, and state.db against the records; it reports what is corrupt with its place, and exits 1 if "
          "anything is; with DIR it reads a backup instead. compact lets go of what is over its time and writes "
          "state.db anew. backup DIR makes a copy "
          "that a server can be started on. These work while the server runs, too, without stopping it. repair needs "
          "the server stopped: it sets aside what is corrupt in a file NAME.corrupt-records, a JSON object a line, "
          "rebuilds state.db if that is wrong, and verifies the result.",
      .positionals = {{"ACTION", "stats, verify, repair, compact or backup", false, "stats"},
                      {"DIR", "for backup: a directory that is empty or does not exist; for verify: a backup", false,
                       ""}},
      .options = std::move(options),
      .examples = {"tieline store verify", "tieline store backup /backup/monday"},
      .run = run_store};
}

}  // namespace tieline::cli
