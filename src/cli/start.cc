// `tieline start`: starts a flow by hand, and says what became of it.
#include <boost/asio/io_context.hpp>
#include <cstdio>

#include "async/clock.h"
#include "async/task_group.h"
#include "base/text.h"
#include "cli/client.h"

namespace tieline::cli {
namespace {

constexpr Duration kLookEach = std::chrono::milliseconds(100);

Result<json::Document> data_of(const std::string& text) {
  if (text.empty()) return json::Builder().null().finish();
  if (text.front() != '@') {
    auto parsed = json::parse(text);
    if (!parsed) return failure(std::move(parsed.error()).in("--data"));
    return parsed;
  }
  TRY(std::string read, read_text(text.substr(1)));
  return parse_file(text.substr(1), std::move(read));
}

void sleep_a_while(Clock& clock) {
  asio::io_context loop(1);
  TaskGroup tasks(loop.get_executor());
  constexpr auto kSleep = [](Clock* with) -> asio::awaitable<void> {
    co_await with->sleep_until(with->instant() + kLookEach);
  };
  tasks.spawn(kSleep(&clock));
  loop.run();
}

// Until the run is over or stands still; prints what it came to.
int wait_for(const Client& client, const std::string& run, Duration within) {
  const std::unique_ptr<Clock> clock = make_system_clock();
  const Deadline deadline = clock->deadline_in(within);
  while (true) {
    const auto described = client.describe(run);
    if (!described) return report(described.error());
    for (const json::Value one : described->root()["runs"].elements()) {
      const std::string state(one["state"].as_string()), summary(one["summary"].as_string());
      if (one["run"].as_string() != run || state == "pending" || state == "running" || state == "parked") continue;
      std::puts((run + ": " + state + (summary.empty() ? "" : " (" + summary + ")")).c_str());
      return state == "delivered" || state == "skipped" || state == "stale" ? kOk : kFailed;
    }
    if (clock->instant() >= deadline.at)
      return report({Code::kTimeout, run + " is not over; `tieline show " + run + "` tells how it goes on", {}});
    sleep_a_while(*clock);
  }
}

int run_start(const Arguments& arguments) {
  const auto within = parse_duration(arguments.text("within"));
  if (!within) return report(Error(within.error()).in("--within"), kUsage);
  const auto data = data_of(arguments.text("data"));
  if (!data) return report(data.error(), kUsage);
  auto client = Client::open(arguments);
  if (!client) return report(client.error(), kConfig);
  json::Builder body;
  body.begin_object().key("data").copy(data->root()).key("id").string(arguments.text("id")).end_object();
  const auto started = client->post("/api/flows/" + percent_encode(arguments.text("FLOW")) + "/start", body.finish());
  if (!started) return report(started.error());
  const std::string run(started->root()["run"].as_string());
  if (arguments.flag("wait")) return wait_for(*client, run, *within);
  std::puts(run.c_str());
  return kOk;
}

}  // namespace

Command start_command() {
  std::vector<Option> options{
      {"--data", "JSON", "what the flow works on, or @FILE (@-: the standard input); null without it"},
      {"--id", "ID", "the event's id: starting it again with the same one changes nothing; a new one without it"},
      {"--wait", "", "wait until the run is over, and say what became of it"},
      {"--within", "TIME", "how long to wait", "60s"}};
  for (const Option& option : client_options()) options.push_back(option);
  return {
      .name = "start",
      .summary = "starts a flow by hand",
      .description =
          "Starts a flow of the running server that has the trigger `on: { manual: true }`, and prints its run. With "
          "--wait it ends with 0 when the run was delivered, skipped or stale, and with 1 when it is a dead letter, "
          "held, waits to try again, or is not over in time.",
      .positionals = {{"FLOW", "the flow"}},
      .options = std::move(options),
      .examples = {"tieline start nightly-report --wait", "tieline start import-customer --data '{\"id\": 881}'",
                   "tieline start import --data @order.json"},
      .run = run_start};
}

}  // namespace tieline::cli
