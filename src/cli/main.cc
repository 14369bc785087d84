// The program's entry: the list of commands, and the one place where command lines are parsed.
#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdio>
#include <deque>
#include <vector>

#include "base/text.h"
#include "cli/command.h"

namespace tieline::cli {
namespace {

std::vector<Command> all_commands() {
  return {demo_command(),      check_command(),  run_command(),    reload_command(),    send_command(),
          start_command(),     events_command(), show_command(),   find_command(),      held_command(),
          approve_command(),   dead_command(),   replay_command(), incidents_command(), flow_command(),
          link_command(),      map_command(),    store_command(),  schema_command(),    double_command(),
          bench_door_command()};
}

// "-n,--null-input" and "--json" are both stored under the long name without dashes.
std::string long_name(std::string_view name) {
  const std::size_t at = name.rfind("--");
  return std::string(at == std::string_view::npos ? name.substr(name.find_first_not_of('-')) : name.substr(at + 2));
}

int usage_error(const std::string& message, std::string_view command) {
  std::fprintf(stderr, "tieline: error: %s\n", message.c_str());
  std::fprintf(stderr, "see: tieline help%s%s\n", command.empty() ? "" : " ", std::string(command).c_str());
  return kUsage;
}

// What CLI11 says of an option without its value, in the help page's words.
std::string missing_value(const Command& command, const std::string& message) {
  for (const Option& option : command.options) {
    const std::string name = "--" + long_name(option.name);
    if (message.starts_with(name + ":")) return name + " takes " + std::string(option.value);
  }
  return message;
}

std::string unknown_option(const Command& command, std::string message) {
  std::vector<std::string> names;
  for (const Option& option : command.options) names.push_back("--" + long_name(option.name));
  const std::size_t at = message.rfind("--");
  return at == std::string::npos ? message : message + did_you_mean(message.substr(at), names);
}

const Option* find_option(const Command& command, std::string_view word) {
  word = word.substr(0, word.find('='));
  for (const Option& option : command.options) {
    if (word == "--" + long_name(option.name) || (word.size() == 2 && option.name.starts_with(word))) return &option;
  }
  return nullptr;
}

// Takes the values of options like --args out of `words`: every positional behind one belongs to it.
void take_rest(const Command& command, std::vector<std::string>& words, Arguments& arguments) {
  std::vector<std::string> others;
  const Option* taker = nullptr;
  bool options = true;  // until `--`
  for (std::size_t i = 0; i < words.size(); ++i) {
    std::string& word = words[i];
    const bool is_option = options && word.size() > 1 && word.starts_with('-');
    const Option* const option = is_option ? find_option(command, word) : nullptr;
    if (taker != nullptr && word == "--" && options) {
      options = false;
    } else if (option != nullptr && option->rest) {
      taker = option;
    } else if (taker != nullptr && !is_option) {
      arguments.add(long_name(taker->name), std::move(word));
    } else {
      const std::size_t values =
          option == nullptr || option->value.empty() || word.find('=') != std::string::npos ? 0 : option->values;
      others.push_back(std::move(word));
      for (std::size_t k = 0; k < values && i + 1 < words.size(); ++k) others.push_back(std::move(words[++i]));
    }
  }
  words = std::move(others);
}

int run_parsed(const Command& command, std::vector<std::string> words) {
  CLI::App app;
  app.set_help_flag();
  std::deque<std::vector<std::string>> given;  // stable addresses for CLI11
  std::deque<bool> flags;
  Arguments arguments;
  take_rest(command, words, arguments);
  std::vector<std::pair<std::string, std::vector<std::string>*>> valued;
  std::vector<std::pair<std::string, bool*>> flagged;
  for (const Option& option : command.options) {
    const std::string name = long_name(option.name);
    if (option.rest) continue;
    if (!option.fallback.empty()) arguments.set_fallback(name, std::string(option.fallback));
    if (option.value.empty()) {
      flags.push_back(false);
      app.add_flag(std::string(option.name), flags.back());
      flagged.emplace_back(name, &flags.back());
    } else {
      given.emplace_back();
      app.add_option(std::string(option.name), given.back())->type_size(option.values)->allow_extra_args(false);
      valued.emplace_back(name, &given.back());
    }
  }
  for (const Positional& positional : command.positionals) {
    const std::string name(positional.name);
    if (!positional.fallback.empty()) arguments.set_fallback(name, std::string(positional.fallback));
    given.emplace_back();
    const bool many = name.ends_with("...");
    CLI::Option* option = app.add_option(many ? name.substr(0, name.size() - 3) : name, given.back());
    option->required(positional.required)->expected(many ? 1 << 20 : 1);
    if (many) option->expected(positional.required ? 1 : 0, 1 << 20);
    option->allow_extra_args(many);  // or the first one takes the words of those behind it
    valued.emplace_back(name, &given.back());
  }
  try {
    std::reverse(words.begin(), words.end());  // CLI11 takes them last first
    app.parse(words);
  } catch (const CLI::ArgumentMismatch& error) {
    return usage_error(missing_value(command, error.what()), command.name);
  } catch (const CLI::ParseError& error) {
    return usage_error(unknown_option(command, error.what()), command.name);
  }
  for (const auto& [name, values] : valued) {
    for (std::string& value : *values) arguments.add(name, std::move(value));
  }
  for (const auto& [name, set] : flagged) {
    if (*set) arguments.add(name, "true");
  }
  return command.run(arguments);
}

// What was printed and did not arrive (a full disk) is a failure, whatever the command says of itself.
int flushed(int exit_code) {
  if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return exit_code;
  std::fputs("error: the output could not be written\n", stderr);
  return exit_code == kOk ? kFailed : exit_code;
}

int dispatch(std::vector<std::string> words) {
  const std::vector<Command> commands = all_commands();
  const auto find = [&](const std::string& name) -> const Command* {
    for (const Command& command : commands) {
      if (command.name == name) return &command;
    }
    return nullptr;
  };
  const bool help_alone = !words.empty() && words[0] == "help" && (words.size() == 1 || words[1] == "help");
  if (words.empty() || words[0] == "--help" || words[0] == "-h" || help_alone) {
    std::fputs(overview(commands).c_str(), words.empty() ? stderr : stdout);
    return words.empty() ? kUsage : kOk;
  }
  if (words[0] == "--version") {
    std::puts("tieline " TIELINE_VERSION);
    return kOk;
  }
  const bool help_wanted = words[0] == "help";
  if (help_wanted) words.erase(words.begin());
  const Command* command = find(words[0]);
  if (command == nullptr) {
    std::vector<std::string> names;
    for (const Command& known : commands) {
      if (!known.hidden) names.emplace_back(known.name);
    }
    const bool version = words[0] == "version" || words[0] == "-v" || words[0] == "-V";
    if (version) return usage_error("there is no \"" + words[0] + "\"; did you mean --version?", "");
    const std::string kind = words[0].starts_with('-') ? "option" : "command";
    return usage_error("there is no " + kind + " \"" + words[0] + "\"" + did_you_mean(words[0], names), "");
  }
  const bool asked =
      std::any_of(words.begin() + 1, words.end(), [](const auto& w) { return w == "--help" || w == "-h"; });
  if (help_wanted || asked) {
    std::fputs(help_page(*command).c_str(), stdout);
    return kOk;
  }
  words.erase(words.begin());
  return flushed(run_parsed(*command, std::move(words)));
}

}  // namespace
}  // namespace tieline::cli

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);  // a peer that goes away is an error value, not the end of the program
  return tieline::cli::dispatch(std::vector<std::string>(argv + 1, argv + argc));
}
