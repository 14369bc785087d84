#include "cli/bulk.h"

#include <unistd.h>

#include <array>
#include <cstdio>
#include <iostream>

#include "base/text.h"
#include "cli/run_list.h"

namespace tieline::cli {
namespace {

constexpr Duration kBulkWithin = std::chrono::minutes(5);  // counting reads all that is selected
constexpr std::array kTexts{"flow", "group", "category", "text", "connection"};

// What the options select; an object without members where they select nothing.
Result<json::Document> selection_of(const Arguments& arguments, const Bulk& bulk) {
  json::Builder out;
  out.begin_object();
  if (!bulk.run.empty()) out.key("run").string(bulk.run);
  for (const char* name : kTexts) {
    const std::string text = arguments.text(name);
    if (!text.empty() && !bulk.run.empty())
      return failure(Code::kInvalid, "a run stands for itself: --" + std::string(name) + " selects others");
    if (!text.empty()) out.key(name).string(text);
  }
  for (const char* name : {"since", "until"}) {
    const std::string text = arguments.text(name);
    if (text.empty()) continue;
    TRY(const Time time, parse_when("--" + std::string(name), text));
    out.key(name).string(format_time(time));
  }
  if (arguments.flag("all")) out.key("all").boolean(true);
  if (!bulk.states.empty()) {
    out.key("states").begin_array();
    for (const std::string& state : bulk.states) out.string(state);
    out.end_array();
  }
  return out.end_object().finish();
}

// `as_of`: the time of the server's count; empty where nothing was counted.
json::Document job_of(const Arguments& arguments, const Bulk& bulk, json::Value select, bool dry_run,
                      std::string_view as_of) {
  json::Builder out;
  out.begin_object().key("kind").string(bulk.kind).key("select").copy(select).key("by").string(decided_by());
  for (const char* name : {"from", "as"}) {
    if (const std::string text = arguments.text(name); !text.empty()) out.key(name).string(text);
  }
  for (const char* name : {"redo", "damaged"}) {
    if (arguments.flag(name)) out.key(name).boolean(true);
  }
  if (dry_run) out.key("dry_run").boolean(true);
  if (!as_of.empty()) out.key("as_of").string(as_of);
  return out.end_object().finish();
}

std::string runs_in_words(json::Value counted) {
  const auto runs = static_cast<std::uint64_t>(counted["runs"].as_int64().value_or(0));
  const std::size_t flows = counted["flows"].size();
  std::string out = with_commas(runs) + (runs == 1 ? " run" : " runs");
  if (flows == 1) return out + " of " + std::string(counted["flows"].at(0)["name"].as_string());
  return out + " of " + std::to_string(flows) + " flows";
}

// Nothing: go on; else the exit code.
std::optional<int> ask(const Arguments& arguments, const Bulk& bulk, json::Value counted) {
  const std::string sentence = "This " + bulk.doing + " " + runs_in_words(counted) + bulk.manner + ".";
  if (arguments.flag("dry-run")) {
    std::puts(arguments.flag("json") ? json::print(counted).c_str() : (sentence + " Nothing was done.").c_str());
    return kOk;
  }
  if (arguments.flag("yes")) return std::nullopt;
  if (isatty(STDIN_FILENO) == 0)
    return report({Code::kInvalid, sentence + " Nobody can be asked here: say --yes to go on", {}}, kUsage);
  std::fputs((sentence + " Go on? [y/N] ").c_str(), stderr);  // stdout is for what comes of it
  std::string answer;
  std::getline(std::cin, answer);
  if (answer == "y" || answer == "Y" || answer == "yes") return std::nullopt;
  std::puts("nothing was done");
  return kFailed;
}

}  // namespace

std::vector<Option> selection_options(bool with_connection) {
  std::vector<Option> options{
      {"--flow", "NAME", "only runs of this flow"},
      {"--group", "ID", "only runs of this cause, as the list names it"},
      {"--category", "NAME", "only runs of this category of cause: validation, permanent, transient …"},
      {"--text", "TEXT", "only runs whose cause contains this"},
      {"--since", "WHEN", "only what is so since: 2h, 2026-11-23, or 2026-11-23T21:44:00Z"},
      {"--until", "WHEN", "only what became so until then"},
      {"--all", "", "all of them, where nothing else selects"}};
  if (with_connection) options.insert(options.begin() + 1, {"--connection", "NAME", "only calls of this connection"});
  return options;
}

std::vector<Option> asking_options() {
  return {{"-y,--yes", "", "do not ask"}, {"--dry-run", "", "count, and do nothing"}, {"--json", "", "print JSON"}};
}

std::vector<Option> replay_options(std::string_view from) {
  return {
      {"--from", "failed|start",
       "`failed`: from the step that failed, with what was done before remembered; `start`: from the first step", from},
      {"--as", "then|now",
       "`then`: with the flow as it was when the run began; `now`: with the present one, from the start"},
      {"--redo", "", "make calls with `once` again, although they were made; who says so is recorded"},
      {"--damaged", "", "of one run: begin at the start although its journal is damaged"}};
}

std::string manner_of(const Arguments& arguments) {
  const bool now = arguments.text("as") == "now";
  std::string out = arguments.text("from") == "start" || now ? " from the start" : " from the failed step";
  if (now) out += ", with the flow as it is now";
  if (arguments.flag("redo")) out += ", `once` or not";
  return out;
}

int run_bulk(const Arguments& arguments, const Bulk& bulk) {
  auto client = Client::open(arguments);
  if (!client) return report(client.error(), kConfig);
  auto select = selection_of(arguments, bulk);
  if (!select) return report(select.error(), kUsage);
  const json::Value selected = select->root();
  if (selected.size() == (selected.has("states") ? 1u : 0u))
    return report({Code::kInvalid,
                   "which runs? Name one, or say --flow, --group, --category, --text, --since, --until "
                   "or --all",
                   {}},
                  kUsage);
  const auto failed = [](const Error& error) { return report(error, error.code == Code::kInvalid ? kUsage : kFailed); };
  const auto none = [&](json::Value counted) {
    std::puts(arguments.flag("json") ? json::print(counted).c_str() : "no run is selected");
    return kOk;
  };
  std::string as_of;
  if (bulk.run.empty() || arguments.flag("dry-run")) {
    const auto counted = client->post("/api/jobs", job_of(arguments, bulk, selected, true, as_of), kBulkWithin);
    if (!counted) return failed(counted.error());
    if (counted->root()["runs"].as_int64() == 0) return none(counted->root());
    if (const auto ended = ask(arguments, bulk, counted->root())) return *ended;
    as_of = counted->root()["as_of"].as_string();
  }
  const auto begun = client->post("/api/jobs", job_of(arguments, bulk, selected, false, as_of), kBulkWithin);
  if (!begun) return failed(begun.error());
  if (begun->root()["runs"].as_int64() == 0) return none(begun->root());
  if (arguments.flag("json")) {
    std::puts(json::print(begun->root()).c_str());
  } else if (!bulk.run.empty()) {
    std::puts((bulk.run + ": " + bulk.done).c_str());
  } else {
    const std::string job(begun->root()["job"]["job"].number_text());
    std::puts(("job " + job + " " + bulk.doing + " " + runs_in_words(begun->root()) +
               "; `tieline replay --jobs` says how far it is")
                  .c_str());
  }
  return kOk;
}

}  // namespace tieline::cli
