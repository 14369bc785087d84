// `tieline check`: loads a workspace, compiles every program, resolves every reference, and reports everything wrong.
#include <cstdio>

#include "async/clock.h"
#include "base/text.h"
#include "cli/command.h"
#include "connect/catalog.h"
#include "workspace/connect_catalog.h"
#include "workspace/load.h"

namespace tieline::cli {
namespace {

// Every problem, those of flows with the line that they are about. A line of another file may hold a secret that
// somebody wrote down there, which is then the very problem.
std::string with_lines(const spec::Problems& problems, const workspace::Files& files) {
  std::string out;
  for (const spec::Problem& problem : problems.sorted()) {
    out += problem.text() + "\n";
    const Place& place = problem.error.place;
    if (!place.file.starts_with(files.prefix + "flows/")) continue;
    const auto text = files.texts.find(place.file.substr(files.prefix.size()));
    if (text != files.texts.end()) out += source_line(place, text->second);
  }
  return out;
}

// When schedules come next, so that a wrong field or zone is seen before it matters.
void print_next_times(const workspace::Workspace& workspace) {
  const Time now = make_system_clock()->now();
  for (const FlowPtr& flow : workspace.flows) {
    for (const ScheduleTrigger& trigger : flow->schedules) {
      if (trigger.type == kReadChanges) continue;
      std::string times;
      Time at = now;
      for (int i = 0; i < 3; ++i) {
        at = trigger.schedule.next(at);
        times += (i > 0 ? ", " : "") + format_time(at);
      }
      std::printf("%s: `%s` in %s comes next at %s\n", flow->name.c_str(), trigger.schedule.text().c_str(),
                  trigger.schedule.zone().c_str(), times.c_str());
    }
  }
}

int run_check(const Arguments& arguments) {
  const std::string directory = arguments.text("DIR");
  auto files = workspace::read_files(directory);
  if (!files) {
    if (arguments.flag("json")) {
      spec::Problems problems;
      problems.error(files.error());
      std::puts(workspace::problems_json(problems).c_str());
      return kConfig;
    }
    return report(files.error(), kConfig);
  }
  if (directory != ".") files->prefix = directory + (directory.ends_with('/') ? "" : "/");
  const connect::Catalog connectors;
  const workspace::ConnectCatalog catalog(connectors);
  const workspace::Loaded loaded = workspace::load(*files, catalog, workspace::system_secrets(directory));
  if (arguments.flag("json")) {
    std::puts(workspace::problems_json(loaded.problems).c_str());
    return loaded.workspace ? kOk : kConfig;
  }
  std::fputs(with_lines(loaded.problems, *files).c_str(), stderr);
  if (!loaded.workspace) {
    std::fprintf(stderr, "%s\n", counted(loaded.problems.error_count(), "error", "errors").c_str());
    return kConfig;
  }
  std::printf("ok: %s, %s\n", counted(loaded.workspace->written_flows(), "flow", "flows").c_str(),
              counted(loaded.workspace->connections.size(), "connection", "connections").c_str());
  print_next_times(*loaded.workspace);
  return kOk;
}

}  // namespace

Command check_command() {
  return {.name = "check",
          .summary = "finds everything that is wrong with a workspace",
          .description =
              "Loads all files, compiles every program, resolves every reference to a connection, action, variable and "
              "secret, and reports all errors at once as file:line:col: error: what, and what to do, those of flows "
              "with their line. Nothing is sent anywhere.",
          .positionals = {{"DIR", "the workspace", false, "."}},
          .options = {{"--json", "", "print the problems as a JSON array of {file, line, column, severity, message}"}},
          .examples = {"tieline check examples/orders-to-deals"},
          .run = run_check};
}

}  // namespace tieline::cli
