// The list of causes that `dead` and `held` print.
#pragma once

#include "cli/client.h"

namespace tieline::cli {

// As the selection's options say; with --runs the runs themselves. Returns the exit code.
int list_causes(const Arguments& arguments, RunState state, const char* nothing);

// --runs, and what pages through those.
std::vector<Option> run_list_options();

}  // namespace tieline::cli
