// `filter`: ends the run as skipped, with a reason, where its program is false. It must never fail a run for being
// false.
#include "steps/flow_builder.h"

namespace tieline::steps {
namespace {

struct FilterBody {
  spec::ProgramText condition;
  std::string reason;
};
const spec::Table<FilterBody>& describe(const FilterBody*) {
  static const auto table =
      spec::Table<FilterBody>("filter", "Goes on only where a program is true; else the run ends as skipped")
          .field("if", &FilterBody::condition, {.doc = "The program", .example = ".test | not", .required = true})
          .field("reason", &FilterBody::reason,
                 {.doc = "Why such an event is skipped", .example = "test order", .fallback = "the program's text"})
          .shorthand("if");
  return table;
}

class FilterStep final : public Step {
 public:
  FilterStep(std::shared_ptr<const json::Program> program, std::string reason)
      : program_(std::move(program)), reason_(std::move(reason)) {}
  asio::awaitable<StepResult> run(RunContext& context) const override {
    const Result<bool> holds = program_->test(context.input(), context.variables());
    if (!holds) co_return StepResult::fail(holds.error());
    if (*holds) co_return StepResult::next();
    co_return StepResult::skip(reason_);
  }

 private:
  std::shared_ptr<const json::Program> program_;
  std::string reason_;
};

struct FilterSpec final : StepSpec {
  FilterBody body;

  std::string kind() const override { return "filter"; }
  std::shared_ptr<Step> compile(FlowBuilder& builder) const override {
    auto program = builder.compile(body.condition);
    if (program == nullptr) return nullptr;
    std::string reason = body.reason.empty() ? "not " + body.condition.source : body.reason;
    return std::make_shared<FilterStep>(std::move(program), std::move(reason));
  }
};
const spec::Table<FilterSpec>& describe(const FilterSpec*) {
  static const auto table =
      spec::Table<FilterSpec>("filter step", "Goes on only where a program is true; else the run ends as skipped")
          .field("filter", &FilterSpec::body,
                 {.doc = "The program, or the program and the reason",
                  .example = "{ if: (.test | not), reason: test order }",
                  .required = true})
          .inherit(describe(static_cast<const StepCommon*>(nullptr)));
  return table;
}

}  // namespace

StepKind filter_step() { return step_kind<FilterSpec>("filter"); }

}  // namespace tieline::steps
