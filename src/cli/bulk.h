// Decisions about many runs at once, as a person takes them: counted first, then asked for, then given to the server as
// a job. It must never begin one that nobody agreed to.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "cli/client.h"

namespace tieline::cli {

// --flow, --group, --category, --text, --since, --until, --all; with_connection: --connection, too.
std::vector<Option> selection_options(bool with_connection);
// --yes, --dry-run, --json.
std::vector<Option> asking_options();
// --from, --as, --redo, --damaged.
std::vector<Option> replay_options(std::string_view from);

struct Bulk {
  std::string kind;                 // as the admin port names it
  std::string run;                  // one run; else what the options select
  std::vector<std::string> states;  // of a replay; empty: the server's choice
  std::string doing;                // "replays": "This replays 4,180 runs of 2 flows from the failed step."
  std::string manner;               // " from the failed step"; may be empty
  std::string done;                 // of one run: "is replayed"
};
// Counts, asks (unless --yes or there is one run), begins; prints what became of it and returns the exit code.
int run_bulk(const Arguments& arguments, const Bulk& bulk);
// What the options of a replay come to: " from the failed step", " from the start, with the flow as it is now".
std::string manner_of(const Arguments& arguments);

}  // namespace tieline::cli
