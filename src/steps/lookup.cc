// `lookup`: what an id of one system is in another, as the table of links says.
#include "base/text.h"
#include "core/links.h"
#include "steps/flow_builder.h"
#include "steps/policy.h"

namespace tieline::steps {

namespace {

struct LookupAnswers {
  OnEmpty empty;
};
const spec::Table<LookupAnswers>& describe(const LookupAnswers*) {
  static const auto table =
      spec::Table<LookupAnswers>("on of a lookup", "What it means that there is no link")
          .field("empty", &LookupAnswers::empty,
                 {.doc = "Nothing is linked to the id: `continue` binds null, `skip` ends the run as skipped, `fail` "
                         "makes it a dead letter, and `{ wait: 10m, for: 24h }` looks again",
                  .example = "{ wait: 10m }"});
  return table;
}

struct LookupOptions {
  std::string from, to;
  Template id;
  std::size_t slot = 0;
  OnEmpty empty;
};

json::Document bound(const LinkGroup& group, const LinkId& found) {
  json::Builder out;
  out.begin_object().key("id").copy(found.id.root()).key("system").string(found.system).key("links").begin_object();
  for (const LinkId& id : group.ids) out.key(id.system).copy(id.id.root());
  return out.end_object().end_object().finish();
}

class LookupStep final : public Step {
 public:
  explicit LookupStep(LookupOptions options) : options_(std::move(options)) {}

  asio::awaitable<StepResult> run(RunContext& context) const override {
    Result<json::Document> id = options_.id.evaluate(context.input(), context.variables(), "lookup." + options_.from);
    if (!id) co_return StepResult::fail(std::move(id.error()));
    const json::Value value = id->root();
    if (value.is_null() || (value.is_string() && value.size() == 0)) {
      TableDecision none = nothing("there is no id of " + options_.from + " to look up", false);
      if (none.step.kind == StepResult::Kind::kNext) context.bind(options_.slot, {});
      co_return std::move(none.step);
    }
    Result<LinkId> from = make_link_id(options_.from, *id);
    if (!from) co_return StepResult::fail(std::move(from.error()));
    TableWork work;
    work.what = "lookup " + from->system + " " + truncated(from->text(), 100);
    work.bucket = std::string(kLinkBucket);
    work.keys = {from->key()};
    work.decide = [this, from = *from](const std::vector<std::optional<Bytes>>& entries, Time, const std::string&) {
      return decide(from, entries);
    };
    RunContext::CallResult result = co_await context.table(std::move(work));
    if (result.step.kind == StepResult::Kind::kNext) context.bind(options_.slot, std::move(result.value));
    co_return std::move(result.step);
  }

 private:
  TableDecision decide(const LinkId& from, const std::vector<std::optional<Bytes>>& entries) const {
    auto group = read_link(entries[0]);
    TableDecision out;
    if (!group) {
      out.step = StepResult::fail(std::move(group.error()));
      return out;
    }
    const LinkId* const found = *group ? (*group)->find(options_.to) : nullptr;
    if (found == nullptr) {
      return nothing("no " + options_.to + " is linked to " + from.system + " " + truncated(from.text(), 100), true);
    }
    out.value = bound(**group, *found);
    out.words = options_.to + " " + truncated(found->text(), 100);
    return out;
  }

  TableDecision nothing(const std::string& what, bool may_come) const {
    TableDecision out;
    out.words = what;
    if (options_.empty.wait && may_come) {
      out.wait = TableWait{*options_.empty.wait, options_.empty.keep_for, what};
    } else if (options_.empty.wait || options_.empty.then == OnAnswer::kFail) {
      out.step = StepResult::fail({Code::kNotFound, what, place()});
    } else if (options_.empty.then == OnAnswer::kSkip) {
      out.step = StepResult::skip(what);
    }
    return out;
  }

  LookupOptions options_;
};

struct LookupSpec final : StepSpec {
  spec::Map<spec::Data> of;
  spec::At<std::string> to, as;
  LookupAnswers on;
  spec::Node node;

  std::string kind() const override { return "lookup"; }
  std::vector<BoundName> names() const override {
    if (as.value.empty()) return {};
    return {BoundName{as.value, as.place}};
  }
  std::shared_ptr<Step> compile(FlowBuilder& builder) const override {
    std::optional<Template> id;
    const spec::Node* const map = node.find("lookup");
    if (of.size() != 1 || map == nullptr || map->entries().empty()) {
      if (map != nullptr && map->is_map())
        builder.problems().error(map->place(), "`lookup` takes one id: write `lookup: { SYSTEM: =ID }`");
    } else {
      check_link_system(builder.problems(), of[0].first, map->entries()[0].key_place);
      id = builder.compile(of[0].second);
    }
    if (!to.value.empty()) check_link_system(builder.problems(), to.value, to.place);
    std::optional<std::size_t> slot;
    if (!as.value.empty()) slot = builder.bind({as.value, as.place});
    if (!id || !slot) return nullptr;
    return std::make_shared<LookupStep>(
        LookupOptions{.from = of[0].first, .to = to.value, .id = std::move(*id), .slot = *slot, .empty = on.empty});
  }
};
const spec::Table<LookupSpec>& describe(const LookupSpec*) {
  static const auto table =
      spec::Table<LookupSpec>("lookup step",
                              "Reads the durable table of who is who across systems. What it finds stands for the "
                              "whole run, also when the run is tried again")
          .field("lookup", &LookupSpec::of,
                 {.doc = "The system, as CONNECTION.RESOURCE, and the id there",
                  .example = "{ hubspot.company: '=$deal.companies[0].id' }",
                  .required = true})
          .field("to", &LookupSpec::to,
                 {.doc = "The system whose id is asked for", .example = "netsuite.customer", .required = true})
          .field("as", &LookupSpec::as,
                 {.doc = "The name that the answer is bound to: `{id, system, links}`, with `links` the ids of all "
                         "systems; null where nothing is linked",
                  .example = "customer",
                  .required = true})
          .field("on", &LookupSpec::on, {.doc = "What it means that there is no link", .example = "{ empty: skip }"})
          .node(&LookupSpec::node)
          .inherit(describe(static_cast<const StepCommon*>(nullptr)));
  return table;
}

}  // namespace

StepKind lookup_step() { return step_kind<LookupSpec>("lookup"); }

}  // namespace tieline::steps
