// `publish`: puts a new event on a topic when the run ends. It must never publish anything itself: what becomes of it
// is committed with the run's end, by the engine.
#include <algorithm>

#include "base/text.h"
#include "core/topic.h"
#include "steps/flow_builder.h"

namespace tieline::steps {
namespace {

bool is_op(std::string_view name) { return std::find(op_names().begin(), op_names().end(), name) != op_names().end(); }

class PublishStep final : public Step {
 public:
  struct Options {
    std::string topic;
    std::optional<Template> data, type, op;
    std::shared_ptr<const json::Program> key;
  };
  explicit PublishStep(Options options) : options_(std::move(options)) {}

  asio::awaitable<StepResult> run(RunContext& context) const override {
    Result<Publication> publication = make(context);
    if (!publication) co_return StepResult::fail(std::move(publication.error()));
    Result<void> kept = context.publish(std::move(*publication));
    if (!kept) co_return StepResult::fail(std::move(kept.error()).in("publish " + options_.topic));
    co_return StepResult::next();
  }

 private:
  // A text; nothing for null.
  Result<std::string> text(const std::optional<Template>& from, const RunContext& context, const char* name) const {
    if (!from) return std::string();
    TRY(const json::Document value, from->evaluate(context.input(), context.variables(), name));
    if (value.root().is_null()) return std::string();
    if (value.root().is_string()) return std::string(value.root().as_string());
    return failure(
        Code::kInvalid,
        "`" + std::string(name) + "` gave " + std::string(json::kind_name(value.root().kind())) + ", it must be a text",
        place());
  }
  Result<Publication> make(const RunContext& context) const {
    Publication out;
    out.topic = options_.topic;
    if (options_.data) {
      TRY(out.data, options_.data->evaluate(context.input(), context.variables(), "data"));
    } else {
      out.data = context.input();
    }
    TRY(out.type, text(options_.type, context, "type"));
    TRY(const std::string op, text(options_.op, context, "op"));
    if (!op.empty() && !is_op(op))
      return failure(Code::kInvalid, "`op` gave \"" + op + "\", not one of " + join(op_names(), ", "), place());
    out.op = op_from_name(op);
    if (options_.key == nullptr) return out;
    auto key = options_.key->run_one(context.input(), context.variables());
    if (!key) return failure(std::move(key.error()).in("key"));
    const json::Value value = key->root();
    if (!value.is_null()) out.subject = value.is_string() ? std::string(value.as_string()) : json::print(value);
    return out;
  }

  Options options_;
};

struct PublishSpec final : StepSpec {
  spec::At<std::string> topic;
  spec::Data data, type, op;
  spec::ProgramText key;

  std::string kind() const override { return "publish"; }
  std::shared_ptr<Step> compile(FlowBuilder& builder) const override {
    PublishStep::Options options;
    options.topic = topic.value;
    bool ok = true;
    const auto part = [&](const spec::Data& from, std::optional<Template>& to) {
      if (from.kind == spec::Data::Kind::kNull) return;
      to = builder.compile(from);
      ok = ok && to.has_value();
    };
    part(data, options.data);
    part(type, options.type);
    part(op, options.op);
    if (!key.empty()) {
      options.key = builder.compile(key);
      ok = ok && options.key != nullptr;
    }
    if (!ok || !check_topic(topic.value)) return nullptr;
    builder.publishes(topic.value);
    return std::make_shared<PublishStep>(std::move(options));
  }
};

// A text or a program; what is written out is checked.
void check_text(const spec::Data& data, const char* name, spec::Problems& problems) {
  using Kind = spec::Data::Kind;
  if (data.kind == Kind::kNull || data.kind == Kind::kProgram || data.kind == Kind::kText) return;
  problems.error(data.node.place(), "`" + std::string(name) + "` is a text, or a program that gives one");
}

const spec::Table<PublishSpec>& describe(const PublishSpec*) {
  static const auto table =
      spec::Table<PublishSpec>("publish step",
                               "Puts a new event on a topic, together with the end of the run: a run that is skipped "
                               "or delivered has published, one that is a dead letter has not")
          .field("publish", &PublishSpec::topic,
                 {.doc = "The topic, words with dots between them", .example = "customer.created", .required = true})
          .field("data", &PublishSpec::data,
                 {.doc = "The event's data: a map whose leaves are literals or programs, or one program",
                  .example = "{ id: =.id, email: =.email }",
                  .fallback = "`.`",
                  .text_is_program = true})
          .field("key", &PublishSpec::key,
                 {.doc = "What the event is about: its `subject`, by which subscribers keep their order",
                  .example = ".id"})
          .field("type", &PublishSpec::type,
                 {.doc = "The event's type, a text or a program",
                  .example = "customer.created.v2",
                  .fallback = "the topic"})
          .field(
              "op", &PublishSpec::op,
              {.doc = "What happened to the thing: created, updated, deleted, snapshot or other; a text or a program",
               .example = "created",
               .fallback = "other"})
          .inherit(describe(static_cast<const StepCommon*>(nullptr)))
          .check([](const PublishSpec& step, const spec::Node&, spec::Problems& problems) {
            if (const auto ok = check_topic(step.topic.value); !ok && step.topic.place.known())
              problems.error(step.topic.place, ok.error().message);
            check_text(step.type, "type", problems);
            check_text(step.op, "op", problems);
            if (step.op.kind == spec::Data::Kind::kText && !is_op(step.op.text))
              problems.error(step.op.node.place(), "\"" + step.op.text + "\" is no `op`: write one of " +
                                                       join(op_names(), ", ") + did_you_mean(step.op.text, op_names()));
          });
  return table;
}

}  // namespace

StepKind publish_step() { return step_kind<PublishSpec>("publish"); }

}  // namespace tieline::steps
