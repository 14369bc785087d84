// `tieline dead`: dead letters by their causes, and what is done about them.
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>

#include "base/text.h"
#include "cli/bulk.h"
#include "cli/causes.h"
#include "cli/run_list.h"

namespace tieline::cli {
namespace {

// What the run works on by now: what was edited before, else the event's data.
Result<json::Document> data_of(const Client& client, const std::string& run) {
  TRY(const json::Document description, client.describe(run));
  for (const json::Value one : description.root()["runs"].elements()) {
    if (one["run"].as_string() == run && one.has("edited_data")) return description.part(one["edited_data"]);
  }
  return description.part(description.root()["data"]);
}

// Runs $EDITOR on the file and waits for it.
Result<void> edit_file(const std::string& file) {
  const char* named = std::getenv("EDITOR");
  const std::string editor = named == nullptr || *named == '\0' ? "vi" : named;
  const std::string script = editor + " \"$1\"";
  const pid_t child = ::fork();
  if (child == 0) {
    ::execl("/bin/sh", "sh", "-c", script.c_str(), "sh", file.c_str(), static_cast<char*>(nullptr));
    ::_exit(127);
  }
  int status = 0;
  if (child < 0 || ::waitpid(child, &status, 0) < 0 || !WIFEXITED(status) || WEXITSTATUS(status) != 0)
    return failure(Code::kUnavailable,
                   "the editor (" + editor + ") failed: nothing is changed; --data FILE needs none");
  return {};
}

// The text that a person made of the data. Its file stays where it is no JSON, so that nothing typed is lost.
Result<json::Document> edited_by_hand(const json::Document& before) {
  std::string file = "/tmp/tieline-edit-XXXXXX.json";
  const int made = ::mkstemps(file.data(), 5);
  if (made < 0) return failure(Code::kUnavailable, "cannot make a file to edit");
  ::close(made);
  std::ofstream out(file);
  out << json::print(before.root(), json::PrintStyle{}) << "\n";
  out.close();
  const auto edited =
      out ? edit_file(file) : failure(Code::kUnavailable, "cannot write " + file + ": nothing is changed");
  auto text = edited ? read_text(file) : failure(edited.error());
  if (!text) {
    ::unlink(file.c_str());  // what stands there is nobody's work, and may be a customer's data
    return failure(std::move(text.error()));
  }
  auto data = json::parse(std::move(*text));
  if (!data) return failure(std::move(data.error()).in(file + " is kept, for --data"));
  ::unlink(file.c_str());
  return std::move(*data);
}

Result<json::Document> new_data(const Arguments& arguments, const json::Document& before) {
  std::string file = arguments.text("data");
  if (file.empty()) {
    if (isatty(STDIN_FILENO) == 0)
      return failure(Code::kInvalid, "an editor needs a terminal: say --data FILE, or --data - for the standard input");
    return edited_by_hand(before);
  }
  if (file.starts_with('@')) file.erase(0, 1);
  TRY(std::string text, read_text(file));
  return parse_file(file, std::move(text));
}

int edit(const Arguments& arguments, const std::string& run) {
  auto client = Client::open(arguments);
  if (!client) return report(client.error(), kConfig);
  const auto before = data_of(*client, run);
  if (!before) return report(before.error());
  const auto data = new_data(arguments, *before);
  if (!data) return report(data.error(), data.error().code == Code::kInvalid ? kUsage : kFailed);
  if (json::equal(before->root(), data->root())) {
    std::puts("nothing is changed");
    return kOk;
  }
  json::Builder body;
  body.begin_object().key("data").copy(data->root()).key("by").string(decided_by()).end_object();
  const auto edited = client->post("/api/dead/" + percent_encode(run) + "/edit", body.finish());
  if (!edited) return report(edited.error());
  std::puts((run + ": edited; `tieline dead replay " + run + "` works on it. The event stays as it came").c_str());
  return kOk;
}

int run_dead(const Arguments& arguments) {
  const std::string action = arguments.text("ACTION"), run = arguments.text("RUN");
  const std::vector<std::string> known{"list", "show", "edit", "replay", "discard"};
  if (std::ranges::find(known, action) == known.end())
    return report({Code::kInvalid,
                   "dead takes " + join(known, ", ") + ", not \"" + action + "\"" + did_you_mean(action, known),
                   {}},
                  kUsage);
  if (action == "list") return list_causes(arguments, RunState::kDead, "there are no dead letters");
  if (action == "replay") {
    return run_bulk(arguments, {.kind = "replay",
                                .run = run,
                                .states = {},
                                .doing = "replays",
                                .manner = manner_of(arguments),
                                .done = "is replayed" + manner_of(arguments)});
  }
  if (action == "discard")
    return run_bulk(arguments, {.kind = "discard",
                                .run = run,
                                .states = {},
                                .doing = "discards for good",
                                .manner = {},
                                .done = "is discarded"});
  if (run.empty()) return report({Code::kInvalid, "which run? `tieline dead list --runs` shows them", {}}, kUsage);
  return action == "show" ? show(arguments, run) : edit(arguments, run);
}

}  // namespace

Command dead_command() {
  std::vector<Option> options = selection_options(false);
  options.push_back({"--data", "FILE", "edit: the new data, instead of asking $EDITOR; - is the standard input"});
  for (const auto& more : {run_list_options(), replay_options("failed"), asking_options(), client_options()})
    options.insert(options.end(), more.begin(), more.end());
  return {
      .name = "dead",
      .summary = "lists dead letters by their causes; shows, edits, replays and discards them",
      .description =
          "Runs that gave up. Each keeps its event until it is replayed or discarded. What concerns more than one run "
          "is counted first, then asked for, and done by the server: a restart goes on with it.\n\n"
          "tieline dead list            one line a cause: how many, since when, an example\n"
          "tieline dead show RUN        everything that was tried\n"
          "tieline dead edit RUN        other data for its next replay; the event stays as it came\n"
          "tieline dead replay …        from the failed step on, or --from start, or --as now\n"
          "tieline dead discard …       gives them up for good",
      .positionals = {{"ACTION", "list, show, edit, replay or discard", false, "list"}, {"RUN", "which run", false}},
      .options = std::move(options),
      .examples = {"tieline dead list --since 24h", "tieline dead replay --group 3f2a90c1",
                   "tieline dead replay orders-to-deals/42 --as now", "tieline dead discard --text 'test order' --yes"},
      .run = run_dead};
}

}  // namespace tieline::cli
