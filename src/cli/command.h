// A command of the program, described once: its parser, its help page and its "did you mean" come from the same table.
// One file a command; main.cc lists them.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/result.h"
#include "json/value.h"

namespace tieline::cli {

// What the process ends with.
enum ExitCode : int { kOk = 0, kFailed = 1, kUsage = 2, kConfig = 3 };

struct Option {
  std::string_view name;   // "--json", or "-n,--null-input"
  std::string_view value;  // what the value is called ("FILE"); empty: a flag
  std::string_view doc;
  std::string_view fallback = {};  // shown, and used when the option is not given
  int values = 1;                  // how many values each use takes
  bool rest = false;               // its values are all positionals behind it
};

struct Positional {
  std::string_view name;  // "DIR"
  std::string_view doc;
  bool required = true;
  std::string_view fallback = {};
};

// What was given, by the long name without dashes or the positional's name.
class Arguments {
 public:
  bool flag(std::string_view name) const { return values_.contains(name); }
  // The last value given, else the fallback, else empty.
  std::string text(std::string_view name) const;
  // Every value given, in order (an option of two values gives two for each use).
  std::vector<std::string> all(std::string_view name) const;
  void add(std::string name, std::string value) { values_[std::move(name)].push_back(std::move(value)); }
  void set_fallback(std::string name, std::string value) { fallbacks_[std::move(name)] = std::move(value); }

 private:
  std::map<std::string, std::vector<std::string>, std::less<>> values_;
  std::map<std::string, std::string, std::less<>> fallbacks_;
};

struct Command {
  std::string_view name;
  std::string_view summary;      // one line
  std::string_view description;  // paragraphs for the help page
  std::vector<Positional> positionals;
  std::vector<Option> options;
  std::vector<std::string_view> examples;
  int (*run)(const Arguments& arguments);
  bool hidden = false;
  std::string_view exit_status = "0 ok, 1 failed, 2 wrong usage, 3 wrong configuration";
};

// The help page of one command, and of the program.
std::string help_page(const Command& command);
std::string overview(std::span<const Command> commands);

// The line of `text` at the place, and under it a caret at its column; empty where the place names none.
std::string source_line(const Place& place, std::string_view text);
// Prints the error on stderr, with the line it is about where `text`, which its place counts in, is given; returns
// `exit_code`.
int report(const Error& error, int exit_code = kFailed, std::string_view text = {});

// Who decides, for the timeline: `named` where it is not empty, else whose command line it is.
std::string decided_by(const std::string& named = {});
// All of a file; "-": of the standard input. kNotFound when it cannot be read.
Result<std::string> read_text(const std::string& file);
// The JSON that was read from there, with errors at their place in it.
Result<json::Document> parse_file(const std::string& file, std::string text);

// Writes aside and renames: whoever waits for the file never reads half of it. kUnavailable when it cannot.
Result<void> write_announcement(const std::string& file, const std::string& text);

Command bench_door_command();
Command check_command();
Command dead_command();
Command demo_command();
Command double_command();
Command events_command();
Command approve_command();
Command find_command();
Command flow_command();
Command held_command();
Command incidents_command();
Command link_command();
Command map_command();
Command reload_command();
Command replay_command();
Command run_command();
Command schema_command();
Command send_command();
Command show_command();
Command start_command();
Command store_command();

}  // namespace tieline::cli
