// Lists of runs and the story of one, as several commands print them.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/client.h"

namespace tieline::cli {

// As wide as `width` characters ("µs" is two of them in three bytes), and two spaces.
std::string column(std::string text, std::size_t width);
std::string seconds_of(std::string_view time);

// "2h" counts back from now; a time stands for itself, a date for its beginning (UTC). `option` is for the error.
Result<Time> parse_when(std::string_view option, const std::string& text);

std::vector<Option> list_options(bool with_status);
// What those options say. kInvalid.
Result<admin::RunFilter> filter_of(const Arguments& arguments);
// One line each.
void print_runs(json::Value runs);
// Prints the runs, or `nothing`; returns the exit code.
int list(const Arguments& arguments, admin::RunFilter filter, const char* nothing);
// Prints the story of one event or run, as --json and --data say.
int show(const Arguments& arguments, const std::string& id);

}  // namespace tieline::cli
