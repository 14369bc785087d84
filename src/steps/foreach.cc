// `foreach`: steps for each item of a list, or of what a call gives page by page. It must never let an item see what
// another one did.
#include "steps/call_target.h"

namespace tieline::steps {
namespace {

// Where the items come from: a program, or a call.
struct Items : CallTarget {
  spec::ProgramText program;

  bool is_call() const { return !path.value.empty(); }
};

void check_items(const Items& items, const spec::Node& node, spec::Problems& problems) {
  const spec::Node* list = node.find("items");
  if (items.is_call() && list != nullptr)
    problems.error(node.place(), "`foreach` takes its items from a program or from a `call`, not from both");
  if (items.is_call() || !node.is_map()) return;
  if (list == nullptr) {
    problems.error(node.place(), "`foreach` is a program, or `{ call: CONNECTION.RESOURCE.ACTION }`");
  } else if (node.entries().size() > 1) {
    problems.error(node.place(), "`with`, `on`, `retry` and `timeout` of `foreach` belong to a `call`");
  }
}

const spec::Table<Items>& describe(const Items*) {
  static const auto table =
      spec::Table<Items>("foreach items",
                         "A program that gives a list, or a call whose pages are worked on as they come")
          .field("items", &Items::program,
                 {.doc = "A program that gives the list; null is no items", .example = ".line_items"})
          .field("call", &Items::path,
                 {.doc = "A safe action that gives a list, as CONNECTION.RESOURCE.ACTION: a page's items are worked on "
                         "before the next page is fetched",
                  .example = "stripe.balance_transactions.list"})
          .field("with", &Items::with,
                 {.doc = "The action's arguments", .example = "{ payout: =.id }", .text_is_program = true})
          .field("on", &Items::on,
                 {.doc = "What expected answers to the first page mean", .example = "{ missing: continue }"})
          .field("retry", &Items::retry, {.doc = "How a page is tried again", .fallback = "the flow's `retry`"})
          .field("timeout", &Items::timeout,
                 {.doc = "How long one try of a page may take",
                  .example = "10s",
                  .fallback = "the action's own",
                  .min = "100ms",
                  .max = "10m"})
          .shorthand("items")
          .check(check_items);
  return table;
}

struct ForeachOptions {
  std::shared_ptr<const json::Program> program;  // or:
  Target pages;

  StepList list;
  std::size_t item_slot = 0, index_slot = 0;
  std::optional<std::size_t> as_slot, collect_slot;
  std::uint32_t concurrency = 1;
};

class ForeachStep final : public Step {
 public:
  explicit ForeachStep(ForeachOptions options) : options_(std::move(options)) {}

  asio::awaitable<StepResult> run(RunContext& context) const override {
    Result<EachRequest> request = make_request(context);
    if (!request) co_return StepResult::fail(std::move(request.error()));
    RunContext::EachResult result = co_await context.each(std::move(*request));
    if (result.step.kind == StepResult::Kind::kNext && options_.collect_slot)
      context.bind(*options_.collect_slot, std::move(result.collected));
    co_return std::move(result.step);
  }

 private:
  Result<EachRequest> make_request(RunContext& context) const {
    EachRequest request;
    if (options_.program != nullptr) {
      auto list = options_.program->run_one(context.input(), context.variables());
      if (!list) return failure(std::move(list.error()).in("foreach"));
      request.list = std::move(*list);
    } else {
      TRY(CallRequest pages, options_.pages.make_request(context, place()));
      request.pages = std::move(pages);
    }
    request.steps = &options_.list;
    request.item_slot = options_.item_slot;
    request.index_slot = options_.index_slot;
    request.as_slot = options_.as_slot;
    request.concurrency = options_.concurrency;
    request.collect = options_.collect_slot.has_value();
    return request;
  }

  ForeachOptions options_;
};

struct ForeachSpec final : StepSpec {
  Items items;
  std::optional<spec::At<std::string>> as, collect;
  std::vector<StepDraft> steps;
  std::uint32_t concurrency = 1;

  std::string kind() const override { return "foreach"; }
  std::vector<BoundName> names() const override {
    std::vector<BoundName> names{{"item", place, true}, {"index", place, true}};
    if (as) names.push_back({as->value, as->place});
    for (BoundName& bound : names_of(steps)) names.push_back(std::move(bound));
    for (BoundName& bound : names_after()) names.push_back(std::move(bound));
    return names;
  }
  std::vector<BoundName> names_after() const override {
    if (!collect) return {};
    return {BoundName{collect->value, collect->place}};
  }
  std::shared_ptr<Step> compile(FlowBuilder& builder) const override {
    ForeachOptions out;
    bool ok = compile_items(builder, out);
    // Inside another `foreach` they stand for its item, and do so again behind this one.
    const std::optional<std::size_t> item = builder.slot_of("item"), index = builder.slot_of("index");
    const bool nested = item && builder.is_bound(*item);
    builder.bind({"item", place, true});
    builder.bind({"index", place, true});
    if (as) out.as_slot = builder.bind({as->value, as->place});
    std::optional<StepList> list = builder.build_list(steps);
    if (!nested && item) builder.unbind(*item);
    if (!nested && index) builder.unbind(*index);
    if (collect) out.collect_slot = builder.bind({collect->value, collect->place});
    ok = ok && item && index && list && as.has_value() == out.as_slot.has_value() &&
         collect.has_value() == out.collect_slot.has_value();
    if (!ok) return nullptr;
    out.list = std::move(*list);
    out.item_slot = *item;
    out.index_slot = *index;
    out.concurrency = concurrency;
    return std::make_shared<ForeachStep>(std::move(out));
  }

 private:
  bool compile_items(FlowBuilder& builder, ForeachOptions& out) const;
};

bool ForeachSpec::compile_items(FlowBuilder& builder, ForeachOptions& out) const {
  if (!items.is_call()) {
    out.program = builder.compile(items.program);
    return out.program != nullptr;
  }
  std::optional<Target> pages = items.compile_target(builder, whole);
  if (!pages || pages->action == nullptr) return false;
  if (pages->action->safety() != Safety::kSafe) {
    builder.problems().error(
        items.path.place,
        "`" + items.path.value + "` does more than read: `foreach` takes its items from a safe action");
    return false;
  }
  for (const std::optional<OnEmpty>& rule : {items.on.empty, items.on.missing}) {
    if (!rule || !rule->wait) continue;
    builder.problems().error(rule->place, "`wait` is for a `call` step: let one wait, and `foreach` over what it gave");
    return false;
  }
  out.pages = std::move(*pages);
  return true;
}

const spec::Table<ForeachSpec>& describe(const ForeachSpec*) {
  static const auto table =
      spec::Table<ForeachSpec>("foreach step",
                               "Does its steps for each item, one at a time or several; an item that fails stops no "
                               "other, and only what failed is tried again")
          .field("foreach", &ForeachSpec::items,
                 {.doc = "The items. Inside, `$item` is one of them and `$index` its place, from 0; `.` stays",
                  .example = ".line_items",
                  .required = true})
          .field("as", &ForeachSpec::as, {.doc = "One more name of the item, for a foreach inside", .example = "line"})
          .field(
              "steps", &ForeachSpec::steps,
              {.doc =
                   "What is done for each item. `.` and what it binds are the item's own; a skip ends the item only"})
          .field(
              "collect", &ForeachSpec::collect,
              {.doc = "Binds the list of what the items gave, in their order: the result of the item's last `map`, or "
                      "the item; without those that were skipped",
               .example = "lines"})
          .field("concurrency", &ForeachSpec::concurrency,
                 {.doc = "So many items are worked on at a time", .example = "8", .min = "1", .max = "64"})
          .inherit(describe(static_cast<const StepCommon*>(nullptr)))
          .check([](const ForeachSpec& each, const spec::Node& node, spec::Problems& problems) {
            if (each.steps.empty() && !each.collect)
              problems.error(node.place(), "`foreach` without `steps` and without `collect` does nothing");
          });
  return table;
}

}  // namespace

StepKind foreach_step() { return step_kind<ForeachSpec>("foreach"); }

}  // namespace tieline::steps
