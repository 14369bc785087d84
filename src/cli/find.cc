// `tieline find`: everything that happened to one thing of the business.
#include <cstdio>

#include "admin/find.h"
#include "base/text.h"
#include "cli/client.h"
#include "cli/run_list.h"

namespace tieline::cli {
namespace {

int run_find(const Arguments& arguments) {
  const auto count = whole_number(arguments.text("count"));
  if (!count || *count == 0 || *count > admin::kFindLinesMax)
    return report({Code::kInvalid, "--count takes a number from 1 to " + std::to_string(admin::kFindLinesMax), {}},
                  kUsage);
  if (arguments.text("VALUE").empty())
    return report({Code::kInvalid, "say what to find, as in `tieline find 1042`", {}}, kUsage);
  auto client = Client::open(arguments);
  if (!client) return report(client.error(), kConfig);
  const auto found = client->find(arguments.text("VALUE"), static_cast<std::size_t>(*count));
  if (!found) return report(found.error());
  std::fputs(arguments.flag("json") ? (json::print(found->root()) + "\n").c_str()
                                    : admin::find_in_words(found->root()).c_str(),
             stdout);
  return kOk;
}

}  // namespace

Command find_command() {
  std::vector<Option> options{{"--count", "N", "at most so many lines", "200"}, {"--json", "", "print JSON"}};
  for (const Option& option : client_options()) options.push_back(option);
  return {.name = "find",
          .summary = "tells everything that happened to an order, a customer, an event",
          .description =
              "Across all flows and connections, in the order of time: what came, what was called and answered, what "
              "was tried again, held, replayed, and who decided it. Things are found by what a flow's `index:` names, "
              "as long as `store.keep_index` says (30 days); and by run, or a vendor's event id. `tieline show` tells "
              "more of one event.",
          .positionals = {{"VALUE", "a value of any index (1042), NAME=VALUE (order=1042), a run, or an event's id"}},
          .options = std::move(options),
          .examples = {"tieline find 1042", "tieline find email=ann@example.com"},
          .run = run_find};
}

}  // namespace tieline::cli
