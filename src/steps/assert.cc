// `assert`: a run whose data is not as it must be ends as a validation error, with a message that a person wrote.
#include "steps/flow_builder.h"

namespace tieline::steps {
namespace {

class AssertStep final : public Step {
 public:
  AssertStep(std::shared_ptr<const json::Program> program, Template message)
      : program_(std::move(program)), message_(std::move(message)) {}
  asio::awaitable<StepResult> run(RunContext& context) const override {
    const Result<bool> holds = program_->test(context.input(), context.variables());
    if (!holds) co_return StepResult::fail(holds.error());
    if (*holds) co_return StepResult::next();
    const Result<json::Document> message = message_.evaluate(context.input(), context.variables(), "message");
    if (!message) co_return StepResult::fail(message.error());
    const json::Value text = message->root();
    co_return StepResult::fail(
        Error{Code::kInvalid, text.is_string() ? std::string(text.as_string()) : json::print(text), place()});
  }

 private:
  std::shared_ptr<const json::Program> program_;
  Template message_;
};

struct AssertSpec final : StepSpec {
  spec::ProgramText condition;
  spec::Data message;

  std::string kind() const override { return "assert"; }
  std::shared_ptr<Step> compile(FlowBuilder& builder) const override {
    auto program = builder.compile(condition);
    std::optional<Template> text = message.kind == spec::Data::Kind::kNull
                                       ? Template::literal(json::make_string("assertion failed: " + condition.source))
                                       : builder.compile(message);
    if (program == nullptr || !text) return nullptr;
    return std::make_shared<AssertStep>(std::move(program), std::move(*text));
  }
};
const spec::Table<AssertSpec>& describe(const AssertSpec*) {
  static const auto table =
      spec::Table<AssertSpec>("assert step",
                              "Ends the run as a validation error (a dead letter) where a program is false")
          .field("assert", &AssertSpec::condition,
                 {.doc = "The program that must be true",
                  .example = ".total == ($lines | map(.net) | add)",
                  .required = true})
          .field("message", &AssertSpec::message,
                 {.doc = "What the error says, a literal or a program",
                  .example = "the lines do not add up to the total",
                  .fallback = "the program's text"})
          .inherit(describe(static_cast<const StepCommon*>(nullptr)));
  return table;
}

}  // namespace

StepKind assert_step() { return step_kind<AssertSpec>("assert"); }

}  // namespace tieline::steps
