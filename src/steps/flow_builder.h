// Compiles what a flow's tables read: programs and data with the flow's variables, names to slots, calls to actions.
// It reports every problem where it was written, and must never give out a step that has one.
#pragma once

#include <algorithm>
#include <array>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "json/program.h"
#include "steps/actions.h"
#include "steps/schemas.h"
#include "steps/step_kind.h"

namespace tieline {

// How deep steps may stand inside steps, how many a flow may have, and the arms of one `parallel`.
inline constexpr std::size_t kNestingMax = 8, kStepsMax = 10'000, kArmsMax = 64;

// For one flow, used once from its first step to its last.
class FlowBuilder {
 public:
  // `names` are all that the flow's steps bind, in order of appearance; a name may stand several times and is one
  // variable. Reports names that cannot be variables. `options` are those of all programs. `actions` and `problems`
  // must outlive the builder.
  FlowBuilder(std::span<const steps::BoundName> names, const steps::Actions& actions, spec::Problems& problems,
              json::CompileOptions options = {});

  // The names that `$vars` has. Programs that read others are warned of; not before this is called.
  void know_workspace_variables(std::vector<std::string> names) { workspace_variables_ = std::move(names); }

  // The schemas that `validate` may name; none before this is called. Must outlive the builder.
  void use_schemas(steps::Schemas& schemas) { schemas_ = &schemas; }
  steps::Schemas& schemas() { return *schemas_; }

  // From here on `name` is a secret: a program may not use it, but for `=$name` as a whole leaf of a call's arguments.
  void keep_secret(std::string name) { secrets_.insert(std::move(name)); }
  // A call's arguments: compile(), where leaves may be secrets.
  std::optional<Template> compile_arguments(const spec::Data& with);

  // The flow's variables by slot: event vars flow run, then the names.
  const std::vector<std::string>& variables() const { return variables_; }
  // Of the first ones: whether a program that was compiled may see it.
  const std::array<bool, kFixedSlots>& visible() const { return visible_; }
  spec::Problems& problems() { return problems_; }
  const std::string& zone() const { return options_.zone; }  // the workspace's

  // Null after reporting: a syntax error, an unknown variable, a name that only a later step binds. An empty text is
  // null without a report: it could not be read.
  std::shared_ptr<const json::Program> compile(const spec::ProgramText& text);
  std::optional<Template> compile(const spec::Data& data);

  // From here on programs may use the name; its slot. Nothing for a name that cannot be a variable.
  std::optional<std::size_t> bind(const steps::BoundName& name);

  // The action of "CONNECTION.RESOURCE.ACTION", or nothing after reporting which part is wrong. Nothing, without a
  // report, when the connection itself did not load.
  std::optional<steps::ActionInfo> resolve(const spec::At<std::string>& path);
  // Compares what `with` says with what the action takes, as far as it is written out; `call` is where a missing one
  // is reported.
  void check_arguments(const spec::Data& with, const steps::ActionInfo& info, const spec::At<std::string>& call);

  // The connections that calls named so far and that exist.
  const std::set<std::string, std::less<>>& connections() const { return connections_; }

  // The most items that a call of those so far takes, which may leave together with those of other runs; 0: none takes
  // several. Of an action that is not known there is no limit.
  void takes_items(std::size_t most) { items_most_ = std::max(items_most_, most); }
  std::size_t items_most() const { return items_most_; }

  // The topics that steps said they publish on.
  void publishes(const std::string& topic) { topics_.insert(topic); }
  const std::set<std::string, std::less<>>& topics() const { return topics_; }

  // Compiles a step with its `if:` and the rest that every step has. Null after reporting.
  std::shared_ptr<const Step> build(const steps::StepSpec& spec);
  // The steps inside the one that is being built. Nothing after reporting.
  std::optional<StepList> build_list(const std::vector<steps::StepDraft>& drafts);
  // The same for lists that work at the same time: none may use what another one binds, and no two bind one name.
  struct Arm {
    std::string name;
    const std::vector<steps::StepDraft>* drafts;
  };
  std::optional<std::vector<StepList>> build_beside(const std::vector<Arm>& arms);
  // The name has no value from here on, as `$item` behind its `foreach`.
  std::optional<std::size_t> slot_of(const std::string& name) const;
  void unbind(std::size_t slot) { states_[slot].bound = false; }
  bool is_bound(std::size_t slot) const { return states_[slot].bound; }

 private:
  struct Variable {
    Place place;  // of its first binding; unknown for the four that are always there
    bool bound = false;
    bool given = false;   // BoundName's
    bool beside = false;  // another arm of a `parallel` binds it
  };
  // Two arms that bind one name: reported, and true.
  bool clash(const std::vector<Arm>& arms);
  // True after reporting that the program uses a name which only a later step binds.
  bool uses_unbound(const spec::ProgramText& text);
  // True after reporting that the program looks into a secret.
  bool uses_secret(const spec::ProgramText& text);
  // Where the program, which compiles, uses the variable of that slot, and not one of its own by that name: the error
  // that it would be without it.
  std::optional<Error> use_of(const spec::ProgramText& text, std::size_t slot) const;
  // Warns of `$event.NAME` where no event has such a member, and likewise of `$vars`.
  void warn_of_unknown_members(const spec::ProgramText& text, std::size_t slot, std::span<const std::string> known);

  const steps::Actions& actions_;
  spec::Problems& problems_;
  const json::CompileOptions options_;
  std::vector<std::string> variables_;
  std::array<bool, kFixedSlots> visible_{};
  std::optional<std::vector<std::string>> workspace_variables_;
  std::vector<Variable> states_;  // beside variables_
  std::uint32_t steps_ = 0;       // that are built or being built
  std::uint32_t holder_ = 0;      // the number of the one being built
  std::size_t depth_ = 0;
  std::set<std::string, std::less<>> connections_, topics_;
  steps::Schemas no_schemas_{nullptr, {}};
  steps::Schemas* schemas_ = &no_schemas_;
  std::set<std::string, std::less<>> secrets_;
  bool secrets_allowed_ = false;
  std::size_t items_most_ = 0;
};

}  // namespace tieline
