// `let`: binds names to values, in the order in which they are written, and leaves `.` as it is.
#include "steps/flow_builder.h"

namespace tieline::steps {
namespace {

class LetStep final : public Step {
 public:
  struct Binding {
    std::size_t slot;
    std::string name;
    Template value;
  };
  explicit LetStep(std::vector<Binding> bindings) : bindings_(std::move(bindings)) {}
  asio::awaitable<StepResult> run(RunContext& context) const override {
    for (const Binding& binding : bindings_) {
      Result<json::Document> value = binding.value.evaluate(context.input(), context.variables(), binding.name);
      if (!value) co_return StepResult::fail(std::move(value.error()));
      context.bind(binding.slot, std::move(*value));
    }
    co_return StepResult::next();
  }

 private:
  std::vector<Binding> bindings_;
};

struct LetSpec final : StepSpec {
  spec::Map<spec::Data> bindings;
  spec::Node node;

  std::string kind() const override { return "let"; }
  std::vector<BoundName> names() const override {
    std::vector<BoundName> names;
    const spec::Node* map = node.find("let");
    if (map == nullptr) return names;
    for (const spec::Entry& entry : map->entries()) names.push_back({entry.key, entry.key_place});
    return names;
  }
  std::shared_ptr<Step> compile(FlowBuilder& builder) const override {
    std::vector<LetStep::Binding> steps;
    const std::vector<BoundName> bound = names();
    for (const BoundName& binding : bound) {
      std::optional<Template> value;
      for (const auto& [key, data] : bindings) {
        if (key == binding.name) value = builder.compile(data);
      }
      const std::optional<std::size_t> slot = builder.bind(binding);
      if (value && slot) steps.push_back({*slot, binding.name, std::move(*value)});
    }
    if (steps.size() != bound.size()) return nullptr;
    return std::make_shared<LetStep>(std::move(steps));
  }
};
const spec::Table<LetSpec>& describe(const LetSpec*) {
  static const auto table =
      spec::Table<LetSpec>("let step", "Binds names to values, one after the other, without replacing `.`")
          .field("let", &LetSpec::bindings,
                 {.doc = "Values by name; later ones may use earlier ones",
                  .example = "{ email: =(.email | ascii_downcase) }",
                  .required = true})
          .inherit(describe(static_cast<const StepCommon*>(nullptr)))
          .node(&LetSpec::node)
          .check([](const LetSpec& let, const spec::Node& node, spec::Problems& problems) {
            if (let.bindings.empty()) problems.error(node.place(), "`let` binds nothing: write `let: { NAME: VALUE }`");
          });
  return table;
}

}  // namespace

StepKind let_step() { return step_kind<LetSpec>("let"); }

}  // namespace tieline::steps
