// `stop`: ends the run as skipped, with a reason. Useful behind an `if:`.
#include "steps/flow_builder.h"

namespace tieline::steps {
namespace {

class StopStep final : public Step {
 public:
  explicit StopStep(Template reason) : reason_(std::move(reason)) {}
  asio::awaitable<StepResult> run(RunContext& context) const override {
    const Result<json::Document> reason = reason_.evaluate(context.input(), context.variables(), "stop");
    if (!reason) co_return StepResult::fail(reason.error());
    const json::Value text = reason->root();
    co_return StepResult::skip(text.is_string() ? std::string(text.as_string()) : json::print(text));
  }

 private:
  Template reason_;
};

struct StopSpec final : StepSpec {
  spec::Data reason;

  std::string kind() const override { return "stop"; }
  std::shared_ptr<Step> compile(FlowBuilder& builder) const override {
    std::optional<Template> compiled = builder.compile(reason);
    return compiled ? std::make_shared<StopStep>(std::move(*compiled)) : nullptr;
  }
};
const spec::Table<StopSpec>& describe(const StopSpec*) {
  static const auto table =
      spec::Table<StopSpec>("stop step", "Ends the run as skipped")
          .field("stop", &StopSpec::reason,
                 {.doc = "Why, a literal or a program", .example = "already fulfilled", .required = true})
          .inherit(describe(static_cast<const StepCommon*>(nullptr)));
  return table;
}

}  // namespace

StepKind stop_step() { return step_kind<StopSpec>("stop"); }

}  // namespace tieline::steps
