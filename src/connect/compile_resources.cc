#include <algorithm>

#include "base/text.h"
#include "connect/compiler.h"
#include "spec/literal.h"

namespace tieline::connect {
namespace {

bool is_empty(const spec::Data& value) { return value.kind == spec::Data::Kind::kNull; }

// What can be known of a call's args before it is made: names always, values where no program makes them.
void check_with(Compiler& compiler, const ActionPlan& target, const ReadingSpec& spec) {
  const Place& call = spec.call.place;
  if (spec.with && spec.with->kind == spec::Data::Kind::kProgram) return;
  if (spec.with && spec.with->kind != spec::Data::Kind::kMap) {
    if (!is_empty(*spec.with)) compiler.problems.error(spec.with->node.place(), "`with` must be a map or a program");
    return;
  }
  std::vector<std::string> known;
  for (const ArgPlan& arg : target.args.named) {
    if (arg.type != ArgType::kRefused) known.push_back(arg.name);
    const spec::Data* given = spec.with ? spec.with->find(arg.name) : nullptr;
    if (arg.required && !arg.fallback && (given == nullptr || is_empty(*given)))
      compiler.problems.error(call, "`" + target.full_name() + "` needs the argument `" + arg.name + "`");
  }
  if (!spec.with) return;
  for (const auto& [name, value] : spec.with->entries) {
    const ArgPlan* arg = target.args.find(name);
    if (arg == nullptr && target.args.others) arg = &*target.args.others;
    if (arg == nullptr) {
      compiler.problems.error(value.node.place(), "`" + target.full_name() + "` has no argument `" + name + "`" +
                                                      did_you_mean(name, known));
    } else if (!value.has_programs() && !is_empty(value)) {
      if (const auto fits = check_arg(*arg, name, spec::literal_document(value).root()); !fits)
        compiler.problems.error(value.node.place(), fits.error().message);
    }
  }
}

// Whether one of its programs may use the time since which records are wanted. `.` alone gives all that they see.
bool uses_since(const spec::Data& value) {
  const std::string& program = value.program.source;
  if (value.kind == spec::Data::Kind::kProgram && (program.find("since") != std::string::npos || trim(program) == "."))
    return true;
  return std::ranges::any_of(value.items, uses_since) ||
         std::ranges::any_of(value.entries, [](const auto& entry) { return uses_since(entry.value); });
}

ReadingPlan compile_reading(Compiler& compiler, const std::string& resource, const ReadingSpec& spec) {
  ReadingPlan out;
  Text name = spec.call;
  if (name.value.find('.') == std::string::npos) name.value = resource + "." + name.value;
  out.target = compiler.action_named(name);
  if (spec.with)
    out.with = DataPlan::compile(*spec.with, {Sees::kVariables, Leaves::kLiteral, compiler.at}, compiler.problems);
  if (out.target == nullptr) return out;
  if (out.target->safety != Safety::kSafe)
    compiler.problems.error(name.place, "`" + name.value + "` is not safe: reading must change nothing");
  if (out.target->returns != Returns::kList)
    compiler.problems.error(name.place, "`" + name.value + "` returns no list: records come in lists");
  check_with(compiler, *out.target, spec);
  return out;
}

}  // namespace

void compile_resources(Compiler& compiler) {
  for (const auto& [name, spec] : compiler.plan.manifest.resources) {
    ResourcePlan plan;
    plan.name = name;
    plan.id = compiler.program(spec.id, Sees::kVariables);
    plan.updated = compiler.program(spec.updated, Sees::kVariables);
    plan.version = compiler.program(spec.version, Sees::kVariables);
    plan.deleted = compiler.program(spec.deleted, Sees::kVariables);
    if (spec.sync) {
      SyncPlan sync{compile_reading(compiler, name, *spec.sync->all), {}, spec.sync->overlap, false, {}};
      if (const auto& changes = spec.sync->changes) {
        sync.changes = compile_reading(compiler, name, *changes);
        if (!changes->with || !uses_since(*changes->with))
          compiler.problems.error(
              changes->call.place,
              "`changes` asks for all records, since nothing in its `with` uses .since or .since_ms");
      }
      sync.in_order = spec.sync->order == ChangesOrder::kUpdated;
      sync.deletions = spec.sync->deletions;
      plan.sync = std::move(sync);
    }
    compiler.plan.resources.push_back(std::move(plan));
  }
}

}  // namespace tieline::connect
