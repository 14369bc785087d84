// `tieline held`: runs that wait for a person or a condition, and what is decided about them.
#include <algorithm>

#include "base/text.h"
#include "cli/bulk.h"
#include "cli/causes.h"
#include "cli/run_list.h"

namespace tieline::cli {
namespace {

int run_held(const Arguments& arguments) {
  const std::string action = arguments.text("ACTION"), run = arguments.text("RUN");
  if (action == "list") return list_causes(arguments, RunState::kHeld, "nothing is held");
  if (action != "delivered" && action != "repeat") {
    const std::vector<std::string> known{"list", "delivered", "repeat"};
    return report({Code::kInvalid,
                   "held takes list, delivered or repeat, not \"" + action + "\"" + did_you_mean(action, known),
                   {}},
                  kUsage);
  }
  const std::size_t slash = run.rfind('/');
  if (!run.empty() && (slash == std::string::npos || !whole_number(run.substr(slash + 1))))
    return report({Code::kInvalid,
                   "\"" + run + "\" is not a run like orders-to-deals/42; `tieline held list --runs` shows them",
                   {}},
                  kUsage);
  const bool repeat = action == "repeat";
  return run_bulk(arguments, {.kind = action,
                              .run = run,
                              .states = {},
                              .doing = repeat ? "sends again" : "takes as delivered",
                              .manner = arguments.flag("redo") ? ", `once` or not" : "",
                              .done = repeat ? "is sent again" : "counts as delivered"});
}

}  // namespace

Command held_command() {
  std::vector<Option> options = selection_options(true);
  options.push_back({"--redo", "", "repeat: make a call with `once` again, although another run made it"});
  for (const auto& more : {run_list_options(), asking_options(), client_options()})
    options.insert(options.end(), more.begin(), more.end());
  return {
      .name = "held",
      .summary = "lists held runs by their causes, and decides them",
      .description =
          "A run is held when a person must decide: most often because a call's answer was lost, and nobody can tell "
          "whether it happened. Look at the vendor, then say which. A run that is held because a connection needs "
          "authorization goes on by itself: mend the secret, then `tieline reload`.\n\ntieline held list\n"
          "tieline held delivered RUN   it happened; go on with the next step\n"
          "tieline held repeat RUN      it did not; send it again. Where the journal is damaged: begin again,\n"
          "                             whatever was done before\n\n"
          "In the place of RUN --group, --connection, --flow and such select many: they are counted first, then asked "
          "for.",
      .positionals = {{"ACTION", "list, delivered or repeat", false, "list"}, {"RUN", "which run", false}},
      .options = std::move(options),
      .examples = {"tieline held list", "tieline held delivered leads-to-slack/17",
                   "tieline held repeat --connection slack"},
      .run = run_held};
}

}  // namespace tieline::cli
