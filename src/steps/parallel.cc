// `parallel`: lists of steps that work at the same time. It must never let one of them see what another one binds.
#include "steps/flow_builder.h"

namespace tieline::steps {
namespace {

class ParallelStep final : public Step {
 public:
  explicit ParallelStep(std::vector<StepList> lists) : lists_(std::move(lists)) {}
  asio::awaitable<StepResult> run(RunContext& context) const override { return context.work_all(lists_); }

 private:
  std::vector<StepList> lists_;
};

struct ParallelSpec final : StepSpec {
  spec::Map<std::vector<StepDraft>> arms;

  std::string kind() const override { return "parallel"; }
  std::vector<BoundName> names() const override {
    std::vector<BoundName> names;
    for (const auto& [arm, drafts] : arms) {
      for (BoundName& bound : names_of(drafts)) names.push_back(std::move(bound));
    }
    return names;
  }
  std::vector<BoundName> names_after() const override {
    std::vector<BoundName> names;
    for (const auto& [arm, drafts] : arms) {
      for (BoundName& bound : steps::names_after(drafts)) names.push_back(std::move(bound));
    }
    return names;
  }
  std::shared_ptr<Step> compile(FlowBuilder& builder) const override {
    std::vector<FlowBuilder::Arm> all;
    for (const auto& [arm, drafts] : arms) all.push_back({arm, &drafts});
    std::optional<std::vector<StepList>> lists = builder.build_beside(all);
    if (!lists) return nullptr;
    return std::make_shared<ParallelStep>(std::move(*lists));
  }
};

void check_parallel(const ParallelSpec& parallel, const spec::Node& node, spec::Problems& problems) {
  const spec::Node& arms = *node.find("parallel");
  if (parallel.arms.empty())
    problems.error(arms.place(), "`parallel` has no arm: write `parallel: { NAME: [ … ], NAME: [ … ] }`");
  if (parallel.arms.size() > kArmsMax)
    problems.error(arms.place(), "`parallel` has at most " + std::to_string(kArmsMax) + " arms");
  for (const spec::Entry& entry : arms.entries()) {
    if (entry.value.items().empty())
      problems.error(entry.key_place,
                     "the arm \"" + entry.key + "\" has no steps: write at least one, or leave it out");
  }
}

const spec::Table<ParallelSpec>& describe(const ParallelSpec*) {
  static const auto table =
      spec::Table<ParallelSpec>("parallel step", "Does several things at once, and goes on when all of them are done")
          .field("parallel", &ParallelSpec::arms,
                 {.doc = "Steps by the arm's name. Each arm has a `.` of its own; what it binds is bound behind the "
                         "`parallel`, and no two arms bind one name",
                  .example = "{ crm: [ … ], chat: [ … ] }",
                  .required = true})
          .inherit(describe(static_cast<const StepCommon*>(nullptr)))
          .check(check_parallel);
  return table;
}

}  // namespace

StepKind parallel_step() { return step_kind<ParallelSpec>("parallel"); }

}  // namespace tieline::steps
