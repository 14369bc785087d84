// What a step kind is made of: the options a person writes (one spec table), the names it binds, and the compiled step.
// A new kind is one file that defines these three and one line in list.cc; nothing else may know it.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/flow.h"
#include "spec/table.h"

namespace tieline {
class FlowBuilder;
}

namespace tieline::steps {

// What every step takes.
struct StepCommon {
  spec::ProgramText condition;
  std::string name;
  Place place;
  bool whole = true;  // false when some of its options could not be read: it is compiled only to find more mistakes
};
const spec::Table<StepCommon>& describe(const StepCommon*);

// A name that a step binds for the steps behind it, and where it is written.
struct BoundName {
  std::string name;
  Place place;
  bool given = false;  // by the language: `$item` and `$index` of a `foreach`, there inside it only
};

// A step as it was written: parsed, not compiled.
class StepSpec : public StepCommon {
 public:
  virtual ~StepSpec() = default;
  virtual std::string kind() const = 0;
  // In the order in which they are bound, those of the steps inside it too.
  virtual std::vector<BoundName> names() const { return {}; }
  // Of these, the ones that have a value for the steps behind it.
  virtual std::vector<BoundName> names_after() const { return names(); }
  // Compiles with the names bound so far, and binds its own. Null after reporting all that is wrong.
  virtual std::shared_ptr<Step> compile(FlowBuilder& builder) const = 0;

 protected:
  StepSpec() = default;
  StepSpec(const StepSpec&) = default;
  StepSpec(StepSpec&&) = default;
  StepSpec& operator=(const StepSpec&) = default;
  StepSpec& operator=(StepSpec&&) = default;
};

// One element of `steps:`.
class StepDraft {
 public:
  StepDraft() = default;
  template <class T>
  requires std::derived_from<T, StepSpec> StepDraft(T spec)
      : spec_(std::make_shared<const T>(std::move(spec))) {}  // NOLINT: a kind of the union converts
  const StepSpec& spec() const { return *spec_; }             // of a draft that a table read

 private:
  std::shared_ptr<const StepSpec> spec_;
};
const spec::Union<StepDraft>& describe(const StepDraft*);
std::vector<BoundName> names_of(const std::vector<StepDraft>& drafts);
std::vector<BoundName> names_after(const std::vector<StepDraft>& drafts);

// One line of the list.
struct StepKind {
  std::string_view name;
  void (*add)(spec::Union<StepDraft>&, std::string_view name);
  // Reads what can be read; reports what cannot.
  StepDraft (*read)(const spec::Node& node, spec::Problems& problems);
};
template <class T>
StepKind step_kind(std::string_view name) {
  return {name, [](spec::Union<StepDraft>& steps, std::string_view key) { steps.kind<T>(key); },
          [](const spec::Node& node, spec::Problems& problems) {
            spec::Context context{problems};
            T value{};
            value.whole = describe(static_cast<const T*>(nullptr)).read(context, node, value);
            return StepDraft(std::move(value));
          }};
}
// Nothing after reporting that the node is no step at all. A step with mistakes inside is given back, so that what the
// rest of it says is checked too.
std::optional<StepDraft> read_step(const spec::Node& node, spec::Problems& problems);

// Each defined in the file of its name.
StepKind filter_step();
StepKind let_step();
StepKind map_step();
StepKind assert_step();
StepKind call_step();
StepKind stop_step();
StepKind branch_step();
StepKind foreach_step();
StepKind parallel_step();

}  // namespace tieline::steps

// Steps are read by read_step, so that one mistake does not hide the others of the same step.
template <>
struct tieline::spec::Type<tieline::steps::StepDraft> {
  static Shape shape() { return By<Union<steps::StepDraft>, steps::StepDraft>::shape(); }
  static bool read(Context& context, const Node& node, steps::StepDraft& out) {
    std::optional<steps::StepDraft> draft = steps::read_step(node, context.problems);
    if (draft) out = std::move(*draft);
    return draft.has_value();
  }
  static std::string print(const steps::StepDraft&) { return {}; }
};
