// `tieline double`: doubles of vendors on loopback, for testing a workspace without an account. They must never be
// reachable from another machine.
#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <charconv>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "async/sync.h"
#include "async/task_group.h"
#include "base/text.h"
#include "cli/command.h"
#include "sandbox/double_server.h"

namespace tieline::cli {
namespace {

struct Wanted {
  std::string vendor;
  sandbox::DoubleOptions options;
};

struct DoublesOptions {
  std::vector<Wanted> doubles;
  std::uint16_t port = 0;  // of the first, counting up; 0: any free ones
  std::string announce_file;
};

// The process around the doubles: its loop, its signals, its exit code.
class Doubles {
 public:
  explicit Doubles(DoublesOptions options)
      : clock_(make_system_clock()),
        options_(std::move(options)),
        tasks_(loop_.get_executor()),
        signals_(loop_, SIGTERM, SIGINT) {}

  int run() {
    tasks_.spawn(serve());
    loop_.run();
    return exit_code_;
  }

 private:
  asio::awaitable<void> serve() {
    auto ready = listen();
    if (ready) ready = announce();
    if (!ready) {
      exit_code_ = report(ready.error());
    } else {
      signals_.async_wait([this](const boost::system::error_code& error, int) {
        if (!error) stop_wanted_.notify_all();
      });
      co_await stop_wanted_.wait();
    }
    const Deadline now = clock_->deadline_in(Duration(0));
    for (auto& server : servers_) co_await server->stop(now);
    servers_.clear();
    signals_.cancel();
  }

  Result<void> listen() {
    std::uint16_t port = options_.port;
    for (Wanted& wanted : options_.doubles) {
      auto vendor = sandbox::make_double(wanted.vendor, std::move(wanted.options), *clock_);
      auto server = sandbox::DoubleServer::start(loop_.get_executor(), std::move(vendor), *clock_, port);
      if (!server) return failure(std::move(server.error()).in(wanted.vendor));
      servers_.push_back(std::move(*server));
      if (port != 0) ++port;
    }
    return {};
  }

  Result<void> announce() {
    json::Builder out;
    out.begin_object();
    for (const auto& server : servers_) {
      std::printf("%s double: %s\n", server->vendor().vendor().c_str(), server->url().c_str());
      out.key(server->vendor().vendor()).string(server->url());
    }
    std::fflush(stdout);
    const json::Document addresses = out.end_object().finish();
    if (options_.announce_file.empty()) return {};
    return write_announcement(options_.announce_file, json::print(addresses.root()) + "\n");
  }

  asio::io_context loop_{1};
  std::unique_ptr<Clock> clock_;
  DoublesOptions options_;
  TaskGroup tasks_;
  asio::signal_set signals_;
  Signal stop_wanted_;
  std::vector<std::unique_ptr<sandbox::DoubleServer>> servers_;
  int exit_code_ = kOk;
};

// "hubspot=token": whose it is, and what.
Result<std::pair<std::string, std::string>> assignment(const std::string& text, std::string_view option) {
  const std::size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0 || equals + 1 == text.size())
    return failure(Code::kInvalid, "--" + std::string(option) + " takes VENDOR=VALUE");
  return std::pair(text.substr(0, equals), text.substr(equals + 1));
}

Wanted* find(std::vector<Wanted>& doubles, std::string_view vendor) {
  for (Wanted& wanted : doubles) {
    if (wanted.vendor == vendor) return &wanted;
  }
  return nullptr;
}

Result<void> take_credentials(const Arguments& arguments, std::vector<Wanted>& doubles) {
  for (const std::string_view option : {"credential", "token-env"}) {
    for (const std::string& text : arguments.all(option)) {
      TRY(auto given, assignment(text, option));
      Wanted* wanted = find(doubles, given.first);
      if (wanted == nullptr)
        return failure(Code::kInvalid,
                       "--" + std::string(option) + ": no double of \"" + given.first + "\" is started");
      if (option == "token-env") {
        const char* value = std::getenv(given.second.c_str());
        if (value == nullptr || *value == '\0')
          return failure(Code::kNotFound, "--token-env: the environment has no " + given.second);
        given.second = value;
      }
      wanted->options.credential = std::move(given.second);
    }
  }
  return {};
}

Result<std::uint64_t> number(const Arguments& arguments, std::string_view option, std::uint64_t most) {
  const std::string text = arguments.text(option);
  std::uint64_t value = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failed != std::errc() || end != text.data() + text.size() || value > most)
    return failure(Code::kInvalid, "--" + std::string(option) + " takes a number from 0 to " + std::to_string(most));
  return value;
}

Result<sandbox::Faults> read_faults(const std::string& text) {
  if (text.empty()) return sandbox::Faults{};
  auto document = json::parse(text);
  if (!document) return failure(std::move(document.error()).in("--faults"));
  auto faults = sandbox::parse_faults(document->root());
  if (!faults) return failure(std::move(faults.error()).in("--faults"));
  return *faults;
}

Result<DoublesOptions> read_options(const Arguments& arguments) {
  DoublesOptions options;
  options.announce_file = arguments.text("announce");
  std::map<std::string, std::string> variables;
  for (const std::string& text : arguments.all("variable")) {
    TRY(auto given, assignment(text, "variable"));
    variables.insert(std::move(given));
  }
  TRY(const sandbox::Faults faults, read_faults(arguments.text("faults")));
  TRY(const std::uint64_t seed, number(arguments, "seed", UINT64_MAX));
  const std::vector<std::string> known = sandbox::doubled_vendors();
  for (const std::string& vendor : arguments.all("VENDOR...")) {
    if (find(options.doubles, vendor) != nullptr) return failure(Code::kInvalid, "\"" + vendor + "\" is named twice");
    auto rules = sandbox::embedded_rules(vendor, variables);
    if (!rules && rules.error().code == Code::kInvalid) return failure(std::move(rules.error()).in("--variable"));
    if (!rules || std::find(known.begin(), known.end(), vendor) == known.end())
      return failure(Code::kInvalid, "there is no double of \"" + vendor + "\"" + did_you_mean(vendor, known) +
                                         " (there are: " + join(known, ", ") + ")");
    Wanted wanted{.vendor = vendor};
    wanted.options.rules = std::move(*rules);
    wanted.options.faults = faults;
    wanted.options.seed = seed;
    options.doubles.push_back(std::move(wanted));
  }
  TRY(const std::uint64_t port, number(arguments, "port", 65'535));
  if (port + options.doubles.size() > 65'536) return failure(Code::kInvalid, "--port leaves too few ports above it");
  options.port = static_cast<std::uint16_t>(port);
  TRY_VOID(take_credentials(arguments, options.doubles));
  return options;
}

int run_double(const Arguments& arguments) {
  auto options = read_options(arguments);
  if (!options) return report(options.error(), kUsage);
  return Doubles(std::move(*options)).run();
}

}  // namespace

Command double_command() {
  return {
      .name = "double",
      .summary = "stands in for vendors on this machine, for testing a workspace",
      .description =
          "Starts a double of each vendor on 127.0.0.1 and prints its address, for `base_url:` of a connection. A "
          "double "
          "answers as the vendor does, keeps what it is given, enforces the vendor's limits, and fails when told to. "
          "GET /_double/state shows what it holds, POST /_double/faults changes its faults. Ends on SIGTERM and "
          "SIGINT.",
      .positionals = {{"VENDOR...", "hubspot, shopify, slack, stripe"}},
      .options = {{"--announce", "FILE", "when ready, write {\"VENDOR\": \"http://…\"} there"},
                  {"--port", "N", "listen on N, N+1, …; 0: any free ports", "0"},
                  {"--credential", "VENDOR=VALUE", "accept this token or key only; else any is accepted"},
                  {"--token-env", "VENDOR=NAME", "the same, from the environment"},
                  {"--variable", "NAME=VALUE", "as in a connection: sets the limits, such as tier=enterprise"},
                  {"--faults", "JSON", "chances in 1,000, such as '{\"unavailable\": 50, \"reset_after\": 10}'"},
                  {"--seed", "N", "of the faults: the same seed gives the same ones", "1"}},
      .examples = {"tieline double hubspot slack",
                   "tieline double hubspot --port 9001 --faults '{\"reset_after\": 100}'"},
      .run = run_double,
  };
}

}  // namespace tieline::cli
