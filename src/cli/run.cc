// `tieline run`: the server, until it is told to stop. SIGTERM drains and ends; SIGHUP loads the workspace again.
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <utility>

#include "async/sync.h"
#include "async/task_group.h"
#include "base/time.h"
#include "cli/command.h"
#include "cli/service.h"

namespace tieline::cli {
namespace {

// One call of fputs a text: lines of other threads do not come in between.
void log_to_stderr(const Clock& clock, LogLevel level, std::string_view text) {
  std::fputs(log_lines(clock.now(), level, text).c_str(), stderr);
}

// The process around a Service: its loop, its signals, its exit code.
class Server {
 public:
  Server(ServiceOptions options, std::string announce_file)
      : clock_(make_system_clock()),
        service_(loop_.get_executor(), *clock_, with_log(std::move(options), *clock_)),
        tasks_(loop_.get_executor()),
        signals_(loop_, SIGTERM, SIGINT, SIGHUP),
        announce_file_(std::move(announce_file)) {}

  int run() {
    tasks_.spawn(serve());
    loop_.run();
    return exit_code_;
  }

 private:
  static ServiceOptions with_log(ServiceOptions options, const Clock& clock) {
    options.log = [&clock](LogLevel level, std::string_view text) { log_to_stderr(clock, level, text); };
    return options;
  }
  void log(LogLevel level, std::string_view text) const { log_to_stderr(*clock_, level, text); }

  asio::awaitable<void> serve() {
    auto started = co_await service_.start();
    if (started) started = announce();
    if (!started) {
      // The workspace's problems are whole lines already.
      const bool lines = started.error().message.ends_with('\n');
      std::fputs((lines ? started.error().message : started.error().text() + "\n").c_str(), stderr);
      const Code code = started.error().code;  // kNotFound: no such workspace
      exit_code_ = code == Code::kInvalid || code == Code::kNotFound ? kConfig : kFailed;
      co_await service_.stop();
      co_return;
    }
    log(LogLevel::kInfo, "takes webhooks at " + service_.hooks_address() +
                             "/hooks/CONNECTION, answers the admin port at " + service_.admin_address());
    wait_for_signal();
    co_await stop_wanted_.wait();
    log(LogLevel::kInfo, "stopping: waits up to " + format_duration(service_.drain()) +
                             " (`drain`) for calls under way; told again, it stops now");
    co_await service_.stop();
    signals_.cancel();
    log(LogLevel::kInfo, "stopped; everything acknowledged is on disk");
  }

  void wait_for_signal() {
    signals_.async_wait([this](const boost::system::error_code& error, int signal) {
      if (error) return;
      if (signal == SIGHUP) {
        log(LogLevel::kInfo, "SIGHUP: loads the workspace again");
        tasks_.spawn(reload());
      } else if (std::exchange(stopping_, true)) {
        log(LogLevel::kWarning,
            "told to stop again: calls under way are cut off; what is on disk goes on at the next start");
        std::_Exit(kFailed);
      } else {
        stop_wanted_.notify_all();
      }
      wait_for_signal();
    });
  }

  asio::awaitable<void> reload() {
    (void)co_await service_.reload();  // it says in the log what came of it
  }

  Result<void> announce() const {
    if (announce_file_.empty()) return {};
    return write_announcement(announce_file_, "{\"hooks\":\"" + service_.hooks_address() + "\",\"admin\":\"" +
                                                  service_.admin_address() + "\",\"pid\":" + std::to_string(getpid()) +
                                                  "}\n");
  }

  asio::io_context loop_{1};
  std::unique_ptr<Clock> clock_;
  Service service_;
  TaskGroup tasks_;
  asio::signal_set signals_;
  Signal stop_wanted_;
  std::string announce_file_;
  bool stopping_ = false;
  int exit_code_ = kOk;
};

int serve(const Arguments& arguments, bool drop_events) {
  const std::string directory = arguments.text("DIR");
  ServiceOptions options{.directory = directory,
                         .files = [directory] { return workspace::read_files(directory); },
                         .secrets = workspace::system_secrets(directory),
                         .log = {},
                         .drop_events = drop_events,
                         .accept_loss = arguments.flag("accept-loss")};
  return Server(std::move(options), arguments.text("announce")).run();
}

int run_run(const Arguments& arguments) { return serve(arguments, false); }
int run_bench_door(const Arguments& arguments) { return serve(arguments, true); }

const Option kAnnounce{"--announce", "FILE", "when ready, write {\"hooks\", \"admin\", \"pid\"} there"};
const Option kAcceptLoss{"--accept-loss", "",
                         "start although the store is damaged where it ends, without what is lost there"};
const Positional kDirectory{"DIR", "the workspace", false, "."};

}  // namespace

Command run_command() {
  return {
      .name = "run",
      .summary = "runs a workspace: the server",
      .description =
          "Takes webhooks, runs flows, delivers. SIGTERM and SIGINT refuse new webhooks, let calls under way end, and "
          "exit 0; what is left resumes at the next start. SIGHUP loads the workspace again; an error changes nothing.",
      .positionals = {kDirectory},
      .options = {kAnnounce, kAcceptLoss},
      .examples = {"tieline run /etc/tieline"},
      .run = run_run};
}

Command bench_door_command() {
  return {.name = "bench-door",
          .summary = "runs a workspace's door without a store, for comparison",
          .description = "Verifies and dedupes webhooks like `run`, and drops the events. For `make bench` only.",
          .positionals = {kDirectory},
          .options = {kAnnounce},
          .examples = {},
          .run = run_bench_door,
          .hidden = true};
}

}  // namespace tieline::cli
