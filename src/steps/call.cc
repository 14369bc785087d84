// `call`: performs an action of a connection. It says what is to be called; how it is sent, repeated, limited and
// journaled is the engine's, and nothing here may know that a system speaks HTTP.
#include "steps/call_target.h"
#include "steps/policy.h"

namespace tieline::steps {
namespace {

constexpr std::size_t kOnceBytesMax = 1'024;

struct CallOptions {
  Target target;
  std::shared_ptr<const json::Program> once;
  std::optional<std::size_t> slot;
  OnUnknown on_unknown = OnUnknown::kHold;
  OnReplay on_replay = OnReplay::kAgain;
};

class CallStep final : public Step {
 public:
  explicit CallStep(CallOptions options) : options_(std::move(options)) {}

  asio::awaitable<StepResult> run(RunContext& context) const override {
    Result<CallRequest> request = make_request(context);
    if (!request) co_return StepResult::fail(std::move(request.error()));
    RunContext::CallResult result = co_await context.call(std::move(*request));
    if (result.step.kind == StepResult::Kind::kNext && options_.slot) {
      context.bind(*options_.slot, std::move(result.value));
    }
    co_return std::move(result.step);
  }

 private:
  // Of an action that takes items: what the flow works on is the one that is not named.
  json::Document with_item(json::Value args, json::Value item) const {
    const std::string& name = options_.target.action->items_arg();
    json::Builder out;
    out.begin_object();
    for (const json::KeyValue member : args.members()) {
      if (member.key != name) out.key(member.key).copy(member.value);
    }
    out.key(name).begin_array().copy(item).end_array().end_object();
    return out.finish();
  }
  Result<CallRequest> make_request(RunContext& context) const {
    TRY(CallRequest request, options_.target.make_request(context, place()));
    const std::string& items = options_.target.action->items_arg();
    request.one_item = !items.empty() && !request.args.root().has(items);
    if (!items.empty() && !request.one_item && request.args.root()[items].is_null())
      return failure(Code::kInvalid, "`" + items + "` is null: leave it out of `with` to send what the flow works on",
                     place());
    if (request.one_item) request.args = with_item(request.args.root(), context.input().root());
    if (options_.once != nullptr) {
      auto key = options_.once->run_one(context.input(), context.variables());
      if (!key) return failure(std::move(key.error()).in("once"));
      const json::Value value = key->root();
      if (value.is_null() || (value.is_string() && value.size() == 0)) {
        return failure(Code::kInvalid, "`once` gave no key, so the call could not be told from any other", place());
      }
      request.once = value.is_string() ? std::string(value.as_string()) : json::print(value);
      if (request.once->size() > kOnceBytesMax) {
        return failure(Code::kInvalid,
                       "`once` gave a key of " + std::to_string(request.once->size()) + " bytes, at most " +
                           std::to_string(kOnceBytesMax) + " are allowed",
                       place());
      }
    }
    request.on_unknown = options_.on_unknown;
    request.on_replay = options_.on_replay;
    return request;
  }

  CallOptions options_;
};

struct CallSpec final : StepSpec, CallTarget {
  std::optional<spec::At<std::string>> as;
  spec::ProgramText once;
  OnUnknown on_unknown = OnUnknown::kHold;
  OnReplay replay = OnReplay::kAgain;

  std::string kind() const override { return "call"; }
  std::vector<BoundName> names() const override {
    if (!as) return {};
    return {BoundName{as->value, as->place}};
  }
  // What was done, and gave nothing, must not be done again for that.
  void check_wait(spec::Problems& problems, const Action& action) const {
    if (!on.empty || !on.empty->wait) return;
    if (action.safety() != Safety::kSafe) {
      problems.error(on.empty->place, "`" + path.value + "` does more than read: `empty: { wait }` would do it again");
    } else if (!once.empty()) {
      problems.error(on.empty->place, "`once` keeps the first answer: `empty: { wait }` would never see another one");
    }
  }
  std::shared_ptr<Step> compile(FlowBuilder& builder) const override {
    std::optional<Target> target = compile_target(builder, whole);
    const Action* known = target ? target->action.get() : nullptr;
    if (known == nullptr || !known->items_arg().empty()) builder.takes_items(known ? known->items_max() : SIZE_MAX);
    if (target && target->action != nullptr) check_wait(builder.problems(), *target->action);
    std::shared_ptr<const json::Program> key;
    if (!once.empty()) key = builder.compile(once);
    std::optional<std::size_t> slot;
    if (as) slot = builder.bind({as->value, as->place});
    if (!target || (!once.empty() && key == nullptr) || (as && !slot)) return nullptr;
    return std::make_shared<CallStep>(CallOptions{.target = std::move(*target),
                                                  .once = std::move(key),
                                                  .slot = slot,
                                                  .on_unknown = on_unknown,
                                                  .on_replay = replay});
  }
};
const spec::Table<CallSpec>& describe(const CallSpec*) {
  static const auto table =
      spec::Table<CallSpec>("call step", "Performs an action of a connection")
          .field("call", &CallSpec::path,
                 {.doc = "Which action, as CONNECTION.RESOURCE.ACTION",
                  .example = "hubspot.contacts.search",
                  .required = true})
          .field("with", &CallSpec::with,
                 {.doc = "The action's arguments: a map whose leaves are literals or programs, or one program",
                  .example = "{ email: =.email }",
                  .text_is_program = true})
          .field("as", &CallSpec::as, {.doc = "The name that the answer is bound to", .example = "contact"})
          .field(
              "once", &CallSpec::once,
              {.doc =
                   "A key: the effect happens once for it, across all runs; a second run binds the first one's answer",
               .example = "=\"payout-\\(.data.object.id)\""})
          .field("on", &CallSpec::on,
                 {.doc = "What expected answers mean", .example = "{ empty: skip, missing: continue }"})
          .field("retry", &CallSpec::retry, {.doc = "How this call is tried again", .fallback = "the flow's `retry`"})
          .field("timeout", &CallSpec::timeout,
                 {.doc = "How long one try may take",
                  .example = "10s",
                  .fallback = "the action's own",
                  .min = "100ms",
                  .max = "10m"})
          .field("on_unknown", &CallSpec::on_unknown,
                 {.doc = "What happens when an unsafe call's answer is lost and nothing can tell whether it happened"})
          .field("replay", &CallSpec::replay,
                 {.doc = "Whether a replay from the start makes the call again where it was made before; `skip` binds "
                         "what it bound then"})
          .inherit(describe(static_cast<const StepCommon*>(nullptr)));
  return table;
}

}  // namespace

StepKind call_step() { return step_kind<CallSpec>("call"); }

}  // namespace tieline::steps
