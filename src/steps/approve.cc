// `approve`: goes on when a person says so. It must never take silence for a yes.
#include "base/text.h"
#include "steps/flow_builder.h"

namespace tieline::steps {
namespace {

constexpr Duration kAfterMin = std::chrono::minutes(1), kAfterMax = std::chrono::days(366);

// `after: 2d → fail`
struct Expiry {
  Duration after{0};
  Pause::Then then = Pause::Then::kFail;
};

std::optional<Expiry> read_expiry(const spec::Node& node, spec::Problems& problems) {
  const std::string text = node.is_scalar() ? node.text() : std::string();
  for (const std::string_view arrow : {"→", "->"}) {
    const std::size_t at = text.find(arrow);
    if (at == std::string::npos) continue;
    const auto after = parse_duration(trim(std::string_view(text).substr(0, at)));
    const std::string_view then = trim(std::string_view(text).substr(at + arrow.size()));
    if (after && (*after < kAfterMin || *after > kAfterMax)) {
      problems.error(node.place(), "`after` is from " + format_duration(kAfterMin) + " to " +
                                       format_duration(kAfterMax) + ", found " + format_duration(*after));
      return std::nullopt;
    }
    if (!after || (then != "fail" && then != "skip")) break;
    return Expiry{*after, then == "fail" ? Pause::Then::kFail : Pause::Then::kSkip};
  }
  problems.error(node.place(), "expected a duration and what happens then, like 2d → fail or 2d → skip, found \"" +
                                   (node.is_scalar() ? text : std::string(node.kind_name())) + "\"");
  return std::nullopt;
}

const spec::Custom<Expiry>& describe(const Expiry*) {
  static const spec::Custom<Expiry> custom{
      .what = "a duration and what happens then, like 2d → fail",
      .word = "duration → skip or fail",
      .schema = R"({"type": "string", "pattern": "(→|->)\\s*(skip|fail)$"})",
      .read = read_expiry,
      .print = [](const Expiry&) { return std::string(); },
  };
  return custom;
}

struct ApproveBody {
  spec::ProgramText condition;
  std::string who;
  std::optional<Expiry> after;
};
const spec::Table<ApproveBody>& describe(const ApproveBody*) {
  static const auto table =
      spec::Table<ApproveBody>("approve", "Who is asked, and what silence means")
          .field("if", &ApproveBody::condition,
                 {.doc = "Only where this is true", .example = ".amount > 50000", .fallback = "always"})
          .field("who", &ApproveBody::who,
                 {.doc = "Who is asked: a name that people know", .example = "finance", .required = true})
          .field("after", &ApproveBody::after,
                 {.doc = "When nobody has answered after so long: `skip` or `fail`; 1m to 366d",
                  .example = "2d → fail",
                  .fallback = "it waits"})
          .shorthand("who");
  return table;
}

class ApproveStep final : public Step {
 public:
  ApproveStep(std::shared_ptr<const json::Program> condition, std::string who, std::optional<Expiry> after)
      : condition_(std::move(condition)), who_(std::move(who)), after_(after) {}

  asio::awaitable<StepResult> run(RunContext& context) const override {
    if (condition_ != nullptr) {
      const Result<bool> asked = condition_->test(context.input(), context.variables());
      if (!asked) co_return StepResult::fail(asked.error());
      if (!*asked) co_return StepResult::next();
    }
    Pause pause;
    pause.approval = pause.keep = true;
    pause.who = who_;
    pause.then = Pause::Then::kFail;
    if (after_) {
      pause.until = context.now() + after_->after;
      pause.then = after_->then;
    }
    co_return co_await context.pause(std::move(pause));
  }

 private:
  std::shared_ptr<const json::Program> condition_;
  std::string who_;
  std::optional<Expiry> after_;
};

struct ApproveSpec final : StepSpec {
  ApproveBody body;

  std::string kind() const override { return "approve"; }
  std::shared_ptr<Step> compile(FlowBuilder& builder) const override {
    std::shared_ptr<const json::Program> asked;
    if (!body.condition.empty()) asked = builder.compile(body.condition);
    if (!body.condition.empty() && asked == nullptr) return nullptr;
    return std::make_shared<ApproveStep>(std::move(asked), body.who, body.after);
  }
};
const spec::Table<ApproveSpec>& describe(const ApproveSpec*) {
  static const auto table =
      spec::Table<ApproveSpec>("approve step",
                               "Waits for a person to say yes; a no ends the run as skipped. The runs behind it go on")
          .field("approve", &ApproveSpec::body,
                 {.doc = "Who is asked, when, and what silence means",
                  .example = "{ if: .amount > 50000, who: finance, after: 2d → fail }",
                  .required = true})
          .inherit(describe(static_cast<const StepCommon*>(nullptr)));
  return table;
}

}  // namespace

StepKind approve_step() { return step_kind<ApproveSpec>("approve"); }

}  // namespace tieline::steps
