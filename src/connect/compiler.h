// What the compilers of a manifest's parts share; private to them. It must report every fault it sees and go on.
#pragma once

#include <optional>
#include <span>
#include <string>

#include "connect/plan.h"

namespace tieline::connect {

struct Compiler {
  ConnectorPlan& plan;
  spec::Problems& problems;
  CompileAt at = CompileAt::kOnce;

  ManifestProgramPtr program(const std::optional<spec::ProgramText>& text, Sees sees);
  // A text in which only variables and `also` may be named; `also` may hold "*" for any name.
  TextTemplate text(const Text& text, std::span<const std::string> also = {});
  // Reports names in `text` that are neither variables nor in `also`.
  void check_names(const TextTemplate& text, const Place& place, std::span<const std::string> also);
  const ActionPlan* action_named(const Text& name);
};

void compile_limits(Compiler& compiler);
void compile_actions(Compiler& compiler);
void compile_resources(Compiler& compiler);  // once all actions are known
void compile_webhooks(Compiler& compiler);

}  // namespace tieline::connect
