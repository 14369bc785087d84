// `map`: replaces `.` for the steps behind it. `$event.data` stays the document as it was received.
#include "steps/flow_builder.h"

namespace tieline::steps {
namespace {

class MapStep final : public Step {
 public:
  explicit MapStep(Template value) : value_(std::move(value)) {}
  asio::awaitable<StepResult> run(RunContext& context) const override {
    Result<json::Document> value = value_.evaluate(context.input(), context.variables(), "map");
    if (!value) co_return StepResult::fail(std::move(value.error()));
    context.set_input(std::move(*value));
    co_return StepResult::next();
  }

 private:
  Template value_;
};

struct MapSpec final : StepSpec {
  spec::Data value;

  std::string kind() const override { return "map"; }
  std::shared_ptr<Step> compile(FlowBuilder& builder) const override {
    std::optional<Template> compiled = builder.compile(value);
    return compiled ? std::make_shared<MapStep>(std::move(*compiled)) : nullptr;
  }
};
const spec::Table<MapSpec>& describe(const MapSpec*) {
  static const auto table = spec::Table<MapSpec>("map step", "Replaces `.` for the steps behind it")
                                .field("map", &MapSpec::value,
                                       {.doc = "A program, or a map or list whose leaves are literals or programs",
                                        .example = "{ id: =.id, email: =.email }",
                                        .required = true,
                                        .text_is_program = true})
                                .inherit(describe(static_cast<const StepCommon*>(nullptr)));
  return table;
}

}  // namespace

StepKind map_step() { return step_kind<MapSpec>("map"); }

}  // namespace tieline::steps
