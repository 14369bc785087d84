// `validate`: a run whose data does not fit a JSON Schema ends as a validation error that lists what does not fit.
#include "json/schema.h"
#include "steps/flow_builder.h"

namespace tieline::steps {
namespace {

// A tenth of a second at most of a shard that others wait for; an order of a thousand lines takes some 20,000.
constexpr std::size_t kStepsMax = 1'000'000;

class ValidateStep final : public Step {
 public:
  ValidateStep(std::shared_ptr<const json::Schema> schema, std::optional<Template> of, std::size_t faults_max)
      : schema_(std::move(schema)), of_(std::move(of)) {
    limits_.faults_max = faults_max;
    limits_.steps_max = kStepsMax;
  }
  asio::awaitable<StepResult> run(RunContext& context) const override {
    json::Document document = context.input();
    if (of_) {
      Result<json::Document> value = of_->evaluate(context.input(), context.variables(), "of");
      if (!value) co_return StepResult::fail(std::move(value.error()));
      document = std::move(*value);
    }
    if (schema_->fits(document.root(), limits_)) co_return StepResult::next();
    std::string message = "does not fit its schema: ";
    bool first = true;
    for (const json::SchemaFault& fault : schema_->check(document.root(), limits_)) {
      message += (first ? "" : "; ") + fault.text();
      first = false;
    }
    co_return StepResult::fail({Code::kInvalid, std::move(message), place()});
  }

 private:
  std::shared_ptr<const json::Schema> schema_;
  std::optional<Template> of_;
  json::SchemaLimits limits_;
};

struct Validation {
  spec::Node schema;
  spec::Data of;
  bool formats = false;
  std::size_t errors = 20;
};
const spec::Table<Validation>& describe(const Validation*) {
  static const auto table =
      spec::Table<Validation>("validate", "A JSON Schema (2020-12), and what must fit it")
          .field("schema", &Validation::schema,
                 {.doc = "`file:` and a path below schemas/ of the workspace (.json or .yaml), or the schema as a map. "
                         "What it refers to is found there too, by path or by `$id`; nothing is fetched",
                  .example = "file:schemas/order.json",
                  .required = true})
          .field("of", &Validation::of,
                 {.doc = "What must fit, a program or data",
                  .example = "=.order",
                  .fallback = "`.`",
                  .text_is_program = true})
          .field("formats", &Validation::formats,
                 {.doc = "Whether texts must be of the schema's `format`s too, which else only describe"})
          .field("errors", &Validation::errors,
                 {.doc = "At most so many of the things that do not fit are listed", .min = "1", .max = "100"});
  return table;
}

struct ValidateSpec final : StepSpec {
  Validation validation;

  std::string kind() const override { return "validate"; }
  std::shared_ptr<Step> compile(FlowBuilder& builder) const override {
    std::shared_ptr<const json::Schema> schema;
    if (!validation.schema.is_null())
      schema = builder.schemas().compile(validation.schema, validation.formats, builder.problems());
    std::optional<Template> of;
    const bool has_of = validation.of.kind != spec::Data::Kind::kNull;
    if (has_of) of = builder.compile(validation.of);
    if (schema == nullptr || (has_of && !of)) return nullptr;
    return std::make_shared<ValidateStep>(std::move(schema), std::move(of), validation.errors);
  }
};
const spec::Table<ValidateSpec>& describe(const ValidateSpec*) {
  static const auto table =
      spec::Table<ValidateSpec>("validate step",
                                "Ends the run as a validation error (a dead letter) where a document does not fit a "
                                "JSON Schema; the error names what does not fit, by JSON pointers")
          .field("validate", &ValidateSpec::validation,
                 {.doc = "The schema, and what must fit it",
                  .example = "{ schema: 'file:schemas/order.json' }",
                  .required = true})
          .inherit(describe(static_cast<const StepCommon*>(nullptr)));
  return table;
}

}  // namespace

StepKind validate_step() { return step_kind<ValidateSpec>("validate"); }

}  // namespace tieline::steps
