// `branch`: the first arm whose program holds, or `else`. What it binds is bound behind it as well.
#include "steps/flow_builder.h"

namespace tieline::steps {
namespace {

struct BranchArm {
  spec::ProgramText condition;
  std::vector<StepDraft> steps, otherwise;
  spec::Node node;

  bool is_else() const { return node.find("else") != nullptr; }
  const std::vector<StepDraft>& drafts() const { return is_else() ? otherwise : steps; }
};

void check_arm(const BranchArm& arm, const spec::Node& node, spec::Problems& problems) {
  const spec::Node* when = node.find("if");
  const spec::Node* steps = node.find("steps");
  const spec::Node* otherwise = node.find("else");
  if (otherwise != nullptr && (when != nullptr || steps != nullptr)) {
    problems.error(node.place(), "an arm has `if` and `steps`, or `else` with the steps of all other cases; not both");
  } else if (otherwise == nullptr && when == nullptr) {
    problems.error(node.place(), "an arm needs an `if`: write `{ if: PROGRAM, steps: [ … ] }`, or `else: [ … ]`");
  } else if (otherwise == nullptr && steps == nullptr) {
    problems.error(node.place(), "an arm needs `steps`: write `{ if: PROGRAM, steps: [ … ] }`");
  } else if (arm.drafts().empty()) {
    const spec::Node& empty = otherwise != nullptr ? *otherwise : *steps;
    problems.error(empty.place(), "an arm without steps does nothing: write at least one, or leave the arm out");
  }
}

const spec::Table<BranchArm>& describe(const BranchArm*) {
  static const auto table =
      spec::Table<BranchArm>("branch arm", "One case of a branch: `if` and `steps`, or `else`")
          .field("if", &BranchArm::condition,
                 {.doc = "The arm is taken where this holds, and no arm before it did",
                  .example = "$e.status == \"Active\""})
          .field("steps", &BranchArm::steps, {.doc = "What is done then"})
          .field("else", &BranchArm::otherwise, {.doc = "The steps of all other cases; the last arm"})
          .node(&BranchArm::node)
          .check(check_arm);
  return table;
}

class BranchStep final : public Step {
 public:
  struct Arm {
    std::shared_ptr<const json::Program> condition;  // null: else
    StepList list;
  };
  explicit BranchStep(std::vector<Arm> arms) : arms_(std::move(arms)) {}
  asio::awaitable<StepResult> run(RunContext& context) const override {
    for (const Arm& arm : arms_) {
      if (arm.condition != nullptr) {
        Result<bool> holds = arm.condition->test(context.input(), context.variables());
        if (!holds) co_return StepResult::fail(std::move(holds.error()).in("if"));
        if (!*holds) continue;
      }
      co_return co_await context.work(arm.list);
    }
    co_return StepResult::next();
  }

 private:
  std::vector<Arm> arms_;
};

struct BranchSpec final : StepSpec {
  std::vector<BranchArm> arms;

  std::string kind() const override { return "branch"; }
  std::vector<BoundName> names() const override {
    std::vector<BoundName> names;
    for (const BranchArm& arm : arms) {
      for (BoundName& bound : names_of(arm.drafts())) names.push_back(std::move(bound));
    }
    return names;
  }
  std::vector<BoundName> names_after() const override {
    std::vector<BoundName> names;
    for (const BranchArm& arm : arms) {
      for (BoundName& bound : steps::names_after(arm.drafts())) names.push_back(std::move(bound));
    }
    return names;
  }
  std::shared_ptr<Step> compile(FlowBuilder& builder) const override {
    std::vector<BranchStep::Arm> compiled;
    for (const BranchArm& arm : arms) {
      std::shared_ptr<const json::Program> when;
      if (!arm.is_else()) when = builder.compile(arm.condition);
      std::optional<StepList> list = builder.build_list(arm.drafts());
      if (list && (arm.is_else() || when != nullptr)) compiled.push_back({std::move(when), std::move(*list)});
    }
    if (compiled.size() != arms.size()) return nullptr;
    return std::make_shared<BranchStep>(std::move(compiled));
  }
};

void check_branch(const BranchSpec& branch, const spec::Node& node, spec::Problems& problems) {
  if (branch.arms.empty())
    problems.error(node.find("branch")->place(),
                   "`branch` has no arm: write `branch: [ { if: PROGRAM, steps: [ … ] } ]`");
  bool had_else = false;
  for (std::size_t i = 0; i < branch.arms.size(); ++i) {
    const BranchArm& arm = branch.arms[i];
    if (!arm.is_else()) continue;
    const spec::Entry& entry = arm.node.entries().front();
    if (had_else) {
      problems.error(entry.key_place, "a second `else`: a branch has one, as its last arm");
    } else if (i + 1 < branch.arms.size()) {
      problems.error(entry.key_place,
                     "`else` is not the last arm, so those behind it are never taken: move it to the end");
    }
    had_else = true;
  }
}

const spec::Table<BranchSpec>& describe(const BranchSpec*) {
  static const auto table =
      spec::Table<BranchSpec>("branch step", "Takes the first arm that holds; none of them where none does")
          .field("branch", &BranchSpec::arms,
                 {.doc = "The arms, in the order in which they are tried. What an arm binds is bound behind the branch "
                         "too, and null where another arm was taken",
                  .example = "[ { if: .total > 100, steps: [ … ] }, { else: [ … ] } ]",
                  .required = true})
          .inherit(describe(static_cast<const StepCommon*>(nullptr)))
          .check(check_branch);
  return table;
}

}  // namespace

StepKind branch_step() { return step_kind<BranchSpec>("branch"); }

}  // namespace tieline::steps
