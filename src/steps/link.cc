// `link`: writes down that ids of several systems mean the same thing.
#include "base/text.h"
#include "core/links.h"
#include "steps/flow_builder.h"
#include "steps/policy.h"

namespace tieline::steps {

void check_link_system(spec::Problems& problems, const std::string& name, const Place& place) {
  if (!is_link_system(name))
    problems.error(place, "\"" + name + "\" is no name of a system: write CONNECTION.RESOURCE, as in hubspot.company");
}

namespace {

struct LinkOptions {
  std::vector<std::pair<std::string, Template>> ids;
  bool replace = false;
  OnAnswer conflict = OnAnswer::kFail;
};

class LinkStep final : public Step {
 public:
  explicit LinkStep(LinkOptions options) : options_(std::move(options)) {}

  asio::awaitable<StepResult> run(RunContext& context) const override {
    std::vector<LinkId> ids;
    TableWork work;
    work.what = "link";
    work.bucket = std::string(kLinkBucket);
    for (const auto& [system, id] : options_.ids) {
      Result<json::Document> value = id.evaluate(context.input(), context.variables(), "link." + system);
      if (!value) co_return StepResult::fail(std::move(value.error()));
      Result<LinkId> made = make_link_id(system, *value);
      if (!made) co_return StepResult::fail(std::move(made.error()));
      work.what += (ids.empty() ? " " : " = ") + system + " " + truncated(made->text(), 100);
      work.keys.push_back(made->key());
      ids.push_back(std::move(*made));
    }
    work.decide = [this, ids = std::move(ids)](const std::vector<std::optional<Bytes>>& entries, Time now,
                                               const std::string& by) { return decide(ids, entries, now, by); };
    RunContext::CallResult result = co_await context.table(std::move(work));
    co_return std::move(result.step);
  }

 private:
  TableDecision decide(const std::vector<LinkId>& ids, const std::vector<std::optional<Bytes>>& entries, Time now,
                       const std::string& by) const {
    TableDecision out;
    auto change = join_links(ids, entries, {.replace = options_.replace, .at = now, .by = by});
    if (!change) {
      const bool conflict = change.error().code == Code::kConflict;
      out.words = change.error().message;
      if (!conflict || options_.conflict == OnAnswer::kFail) out.step = StepResult::fail(std::move(change.error()));
      if (conflict && options_.conflict == OnAnswer::kSkip) out.step = StepResult::skip(out.words);
      return out;
    }
    out.words = change->puts.empty() ? "known already" : "written";
    out.puts = std::move(change->puts);
    return out;
  }

  LinkOptions options_;
};

struct LinkAnswers {
  OnAnswer conflict = OnAnswer::kFail;
};
const spec::Table<LinkAnswers>& describe(const LinkAnswers*) {
  static const auto table =
      spec::Table<LinkAnswers>("on of a link", "What it means that an id is linked to another one")
          .field(
              "conflict", &LinkAnswers::conflict,
              {.doc = "One of the ids is linked to another id of the same system: `fail` makes the run a dead letter, "
                      "`continue` leaves the table as it is, `skip` ends the run as skipped",
               .example = "continue"});
  return table;
}

struct LinkSpec final : StepSpec {
  spec::Map<spec::Data> ids;
  bool replace = false;
  LinkAnswers on;
  spec::Node node;

  std::string kind() const override { return "link"; }
  std::shared_ptr<Step> compile(FlowBuilder& builder) const override {
    LinkOptions options{.ids = {}, .replace = replace, .conflict = on.conflict};
    const spec::Node* const map = node.find("link");
    if (map != nullptr && map->is_map() && (ids.size() < 2 || ids.size() > kLinkSystemsMax)) {
      builder.problems().error(
          map->place(), ids.size() < 2 ? "`link` joins ids of two or more systems"
                                       : "`link` joins ids of at most " + std::to_string(kLinkSystemsMax) + " systems");
    }
    for (std::size_t i = 0; i < ids.size(); ++i) {
      check_link_system(builder.problems(), ids[i].first, map->entries()[i].key_place);
      if (auto id = builder.compile(ids[i].second)) options.ids.emplace_back(ids[i].first, std::move(*id));
    }
    if (options.ids.size() != ids.size() || ids.size() < 2) return nullptr;
    return std::make_shared<LinkStep>(std::move(options));
  }
};
const spec::Table<LinkSpec>& describe(const LinkSpec*) {
  static const auto table =
      spec::Table<LinkSpec>("link step",
                            "Writes the durable table of who is who across systems. Written once a run; what is linked "
                            "already stays as it is")
          .field("link", &LinkSpec::ids,
                 {.doc = "An id for each of two or more systems, named CONNECTION.RESOURCE; one id of a system stands "
                         "for one of each other",
                  .example = "{ hubspot.company: '=$deal.companies[0].id', netsuite.customer: =$customer.id }",
                  .required = true})
          .field("replace", &LinkSpec::replace,
                 {.doc = "Whether the new link takes the place of one that it contradicts"})
          .field("on", &LinkSpec::on,
                 {.doc = "What it means that an id is linked to another one", .example = "{ conflict: continue }"})
          .node(&LinkSpec::node)
          .inherit(describe(static_cast<const StepCommon*>(nullptr)));
  return table;
}

}  // namespace

StepKind link_step() { return step_kind<LinkSpec>("link"); }

}  // namespace tieline::steps
