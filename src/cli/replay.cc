// `tieline replay`: events that were worked on before, or never taken, once more; and how far such jobs are.
#include <algorithm>
#include <cstdio>

#include "base/text.h"
#include "cli/bulk.h"
#include "cli/run_list.h"

namespace tieline::cli {
namespace {

int list_jobs(const Arguments& arguments) {
  auto client = Client::open(arguments);
  if (!client) return report(client.error(), kConfig);
  const auto listed = client->jobs();
  if (!listed) return report(listed.error());
  const json::Value jobs = listed->root()["jobs"];
  if (arguments.flag("json")) {
    std::puts(json::print(listed->root()).c_str());
    return kOk;
  }
  if (jobs.size() == 0) {
    std::puts("there was no job yet");
    return kOk;
  }
  std::puts((column("JOB", 5) + column("KIND", 9) + column("STATE", 8) + column("DONE", 17) + column("REFUSED", 8) +
             column("GONE", 8) + column("BEGUN", 20) + "BY")
                .c_str());
  for (const json::Value job : jobs.elements()) {
    const auto number = [&](std::string_view key) {
      return static_cast<std::uint64_t>(job[key].as_int64().value_or(0));
    };
    const auto text = [&](std::string_view key) { return std::string(job[key].as_string()); };
    std::puts((column(std::to_string(number("job")), 5) + column(text("kind"), 9) + column(text("state"), 8) +
               column(with_commas(number("done")) + " of " + with_commas(number("selected")), 17) +
               column(with_commas(number("refused")), 8) + column(with_commas(number("gone")), 8) +
               column(seconds_of(text("created")), 20) + text("by"))
                  .c_str());
    if (job.has("last_error")) std::puts(("       refused: " + text("last_error")).c_str());
  }
  return kOk;
}

int stop_job(const Arguments& arguments, const std::string& job) {
  auto client = Client::open(arguments);
  if (!client) return report(client.error(), kConfig);
  if (!whole_number(job))
    return report({Code::kInvalid, "--stop takes a job's number, not \"" + job + "\"", {}}, kUsage);
  json::Builder body;
  const auto stopped = client->post("/api/jobs/" + job + "/stop", body.begin_object().end_object().finish());
  if (!stopped) return report(stopped.error());
  std::puts(("job " + job + " stops; what it did stays done").c_str());
  return kOk;
}

int run_replay(const Arguments& arguments) {
  if (arguments.flag("jobs")) return list_jobs(arguments);
  if (const std::string job = arguments.text("stop"); !job.empty()) return stop_job(arguments, job);
  const std::string run = arguments.text("RUN");
  if (run.empty() && arguments.text("flow").empty())
    return report({Code::kInvalid, "which ones? Name a run, or say --flow NAME", {}}, kUsage);
  std::vector<std::string> states;
  if (run.empty()) states = arguments.all("status");
  if (run.empty() && states.empty()) states = {"delivered"};
  return run_bulk(arguments, {.kind = "replay",
                              .run = run,
                              .states = states,
                              .doing = "replays",
                              .manner = manner_of(arguments),
                              .done = "is replayed" + manner_of(arguments)});
}

}  // namespace

Command replay_command() {
  std::vector<Option> options{
      {"--flow", "NAME", "runs of this flow"},
      {"--status", "STATE",
       "delivered (unless said otherwise), skipped, stale, discarded or dead, several times for several; untaken: "
       "events that the flow takes now and that came before it"},
      {"--since", "WHEN", "only events received since: 2h, 2026-11-23, or 2026-11-23T21:44:00Z"},
      {"--until", "WHEN", "only events received before then"},
      {"--jobs", "", "how far the jobs are, and those that ended lately"},
      {"--stop", "JOB", "stops a job before its next run"}};
  for (const auto& more : {replay_options("start"), asking_options(), client_options()})
    options.insert(options.end(), more.begin(), more.end());
  return {
      .name = "replay",
      .summary = "works on events again that were delivered, or that came before their flow",
      .description =
          "Has runs begin again from the start, in the order of their events: counted first, then asked for, then "
          "done by the server at the pace of its flows. Calls are made again; what keeps an effect from happening "
          "twice is the vendor's idempotency key, `once`, `replay: skip` of a call, and `version`, by which an older "
          "event is stale. `tieline dead replay` goes on at the failed step instead.",
      .positionals = {{"RUN", "one run (orders-to-deals/42)", false}},
      .options = std::move(options),
      .examples = {"tieline replay --flow orders-to-deals --since 2026-11-23 --until 2026-11-24 --dry-run",
                   "tieline replay --flow leads-to-slack --status untaken --since 7d", "tieline replay --jobs"},
      .run = run_replay};
}

}  // namespace tieline::cli
