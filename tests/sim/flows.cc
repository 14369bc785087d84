#include "sim/flows.h"

#include "base/check.h"
#include "sim/vendor.h"

namespace tieline::sim {
namespace {

// A member of the data by its name.
class Member final : public json::Program {
 public:
  explicit Member(std::string name) : Program(std::move(name)) {}
  Result<std::vector<json::Document>> run(const json::Document& input, std::span<const json::Document>,
                                          const json::RunLimits&) const override {
    return std::vector<json::Document>{input.part(input.root()[source()])};
  }
};

class VendorAction final : public Action {
 public:
  VendorAction(const std::string& name, Safety safety, bool find, bool key) {
    name_ = "vendor." + name;
    connection_ = "vendor";
    safety_ = safety;
    has_find_ = find;
    has_idempotency_key_ = key;
    settle_ = kIndexLag;
    buckets_ = {"all", "long"};
    path_ = name;
  }

  // It takes several in one request, in "rows".
  static std::shared_ptr<VendorAction> of_rows(const std::string& name, std::size_t most) {
    auto action = std::make_shared<VendorAction>(name, Safety::kUnsafe, true, false);
    action->items_arg_ = "rows";
    action->items_max_ = most;
    return action;
  }

  Result<Request> render(const json::Document& args, const CallIdentity& identity) const override {
    Request request = request_to(path_, args);
    if (has_idempotency_key_) request.headers.emplace_back("Idempotency-Key", identity.key);
    return request;
  }
  Verdict judge(const Exchange& exchange, Time now) const override {
    Verdict verdict;
    verdict.category = classify(exchange, safety_);
    verdict.wait = retry_after(exchange.response.headers, now, std::chrono::hours(1));
    if (verdict.category == Category::kDelivered) verdict.result = *json::parse(exchange.response.body);
    return verdict;
  }
  Result<std::optional<Request>> next_page(const Request&, const Exchange&) const override {
    return std::optional<Request>();
  }
  std::vector<Verdict> judge_items(const Exchange& exchange, json::Value items) const override {
    const auto answers = json::parse(exchange.response.body);
    std::vector<Verdict> out;
    for (const json::Value one : answers->root().elements()) {
      Exchange row;
      row.phase = Phase::kAnswered;
      row.response.status = static_cast<int>(one["status"].as_int64().value_or(0));
      out.emplace_back().category = classify(row, safety_);
      out.back().result = answers->part(one);
    }
    CHECK(out.size() == items.size());
    return out;
  }
  Result<Request> render_find(const json::Document& args, const CallIdentity&) const override {
    return request_to("find", items_arg_.empty() ? args : args.part(args.root()["rows"].at(0)));
  }
  Verdict judge_find(const Exchange& exchange, Time now) const override {
    Verdict verdict = judge(exchange, now);
    if (verdict.category == Category::kUnknown) verdict.category = Category::kTransient;
    return verdict;
  }

 private:
  static Request request_to(const std::string& path, const json::Document& args) {
    Request request;
    request.method = "POST";
    request.url = "https://vendor.example/" + path;
    request.body = json::print(args.root());
    request.headers = {{"Authorization", "Bearer not-to-be-seen"}};
    request.secrets = {"not-to-be-seen"};
    return request;
  }
  std::string path_;
};

constexpr std::size_t kSlotItem = kFixedSlots + 1, kSlotIndex = kFixedSlots + 2;

struct CallOptions {
  bool once = false;
  OnUnknown on_unknown = OnUnknown::kHold;
  const char* part = nullptr;  // "": as its item says
};

class CallStep final : public Step {
 public:
  CallStep(ActionPtr action, CallOptions options) : action_(std::move(action)), options_(options) { kind_ = "call"; }

  asio::awaitable<StepResult> run(RunContext& context) const override {
    const json::Value data = context.input().root();
    const std::string flow(context.variables()[kSlotFlow].root()["name"].as_string());
    std::string event(context.variables()[kSlotEvent].root()["id"].as_string());
    if (options_.part != nullptr) {
      const std::string part = options_.part;
      event = part_of(event, part.empty() ? json::print(context.variables()[kSlotItem].root()) : part);
    }
    const std::string group(data["group"].as_string());
    json::Builder args;
    args.begin_object();
    args.key("flow").string(flow).key("event").string(event).key("key").copy(data["key"]);
    args.key("version").copy(data["version"]);
    args.key("identity").string(effect_identity(flow, event, group));
    args.end_object();
    CallRequest request;
    request.action = action_;
    request.args = args.finish();
    if (!action_->items_arg().empty()) {
      json::Builder rows;
      rows.begin_object().key("rows").begin_array().copy(request.args.root()).end_array().end_object();
      request.args = rows.finish();
      request.one_item = true;
    }
    request.on_unknown = options_.on_unknown;
    if (options_.once) request.once = group;
    RunContext::CallResult result = co_await context.call(std::move(request));
    if (result.step.kind == StepResult::Kind::kNext) context.bind(kFixedSlots, result.value);
    co_return result.step;
  }

 private:
  ActionPtr action_;
  CallOptions options_;
};

class PublishStep final : public Step {
 public:
  PublishStep() { kind_ = "publish"; }
  asio::awaitable<StepResult> run(RunContext& context) const override {
    Publication publication;
    publication.topic = "seen";
    publication.data = context.input();
    auto kept = context.publish(std::move(publication));
    co_return kept ? StepResult::next() : StepResult::fail(std::move(kept.error()));
  }
};

class WaitStep final : public Step {
 public:
  WaitStep(Duration wait, bool approval) : wait_(wait), approval_(approval) { kind_ = approval ? "approve" : "wait"; }
  asio::awaitable<StepResult> run(RunContext& context) const override {
    Pause pause;
    pause.until = context.now() + wait_;
    pause.approval = approval_;
    if (approval_) pause.then = Pause::Then::kFail;
    co_return co_await context.pause(std::move(pause));
  }

 private:
  Duration wait_;
  bool approval_;
};

enum class Topic : std::uint8_t { kNone, kPublishes, kSubscribes };
StepList list_of(std::uint32_t first, ActionPtr action, const char* part) {
  StepList list;
  list.first = first;
  list.steps.push_back(std::make_shared<CallStep>(std::move(action), CallOptions{false, OnUnknown::kHold, part}));
  return list;
}

class ItemsStep final : public Step {
 public:
  ItemsStep() : list_(list_of(1, std::make_shared<VendorAction>("do_item", Safety::kUnsafe, true, false), "")) {
    kind_ = "foreach";
    size_ = 2;
  }
  asio::awaitable<StepResult> run(RunContext& context) const override {
    json::Builder items;
    items.begin_array();
    for (std::uint32_t i = 0; i < kItems; ++i) items.integer(i);
    items.end_array();
    EachRequest request;
    request.list = items.finish();
    request.steps = &list_;
    request.item_slot = kSlotItem;
    request.index_slot = kSlotIndex;
    request.concurrency = 2;
    RunContext::EachResult result = co_await context.each(std::move(request));
    co_return std::move(result.step);
  }

 private:
  StepList list_;
};

class ArmsStep final : public Step {
 public:
  ArmsStep() {
    kind_ = "parallel";
    size_ = 3;
    lists_.push_back(list_of(1, std::make_shared<VendorAction>("do_arm", Safety::kUnsafe, false, false), "held"));
    lists_.push_back(
        list_of(2, std::make_shared<VendorAction>("again_arm", Safety::kRepeatable, false, false), "repeated"));
  }
  asio::awaitable<StepResult> run(RunContext& context) const override { return context.work_all(lists_); }

 private:
  std::vector<StepList> lists_;
};

struct Kind {
  const char* name;
  bool keyed, versioned, search;
  Safety safety;
  bool find, idempotency_key;
  CallOptions call;
  Topic topic = Topic::kNone;
};

constexpr Kind kKinds[] = {
    {kUpsert, true, false, false, Safety::kRepeatable, false, false, {}},
    {kVersioned, true, true, false, Safety::kRepeatable, false, false, {}},
    {kFound, false, false, true, Safety::kUnsafe, true, false, {}},
    {kKeyed, false, false, false, Safety::kUnsafe, false, true, {}},
    {kHeld, true, false, false, Safety::kUnsafe, false, false, {}},
    {kOnce, false, false, false, Safety::kUnsafe, true, false, {true, OnUnknown::kHold}},
    {kRepeat, false, false, false, Safety::kUnsafe, false, false, {false, OnUnknown::kRepeat}},
    {kPublish, true, false, false, Safety::kRepeatable, false, false, {}, Topic::kPublishes},
    {kSubscribe, true, false, false, Safety::kRepeatable, false, false, {}, Topic::kSubscribes},
    {kDebounce, true, false, false, Safety::kUnsafe, true, false, {}},
    {kApprove, true, false, false, Safety::kUnsafe, true, false, {}},
    {kNewest, true, false, false, Safety::kUnsafe, true, false, {}},
    {kBraked, false, false, false, Safety::kRepeatable, false, false, {}},
    {kBatched, false, false, false, Safety::kUnsafe, true, false, {}},
};

void add_wait(Flow& flow, Duration wait, bool approval) {
  auto before = std::make_shared<VendorAction>(kBefore, Safety::kRepeatable, false, false);
  const CallOptions options{false, OnUnknown::kHold, kBefore};
  flow.steps.insert(flow.steps.begin(), {std::make_shared<CallStep>(std::move(before), options),
                                         std::make_shared<WaitStep>(wait, approval)});
}

FlowPtr make_flow(const Kind& kind, std::uint32_t generation) {
  auto flow = std::make_shared<Flow>();
  flow->name = kind.name;
  flow->source = std::to_string(generation);
  flow->hash = flow->name + "#" + flow->source;
  if (kind.topic == Topic::kSubscribes) {
    flow->topics.emplace_back();
    flow->topics.back().topic = *TopicPattern::parse(">");
  } else {
    flow->triggers = {{"shop", {}}};
  }
  flow->variables = {"event", "vars", "flow", "run", "result"};
  if (kind.keyed) flow->key = std::make_shared<Member>("key");
  if (kind.versioned) flow->version = std::make_shared<Member>("version");
  flow->index = {{"order", std::make_shared<Member>("key")}};
  flow->retry.first = Duration(500'000);
  flow->retry.max = Duration(20'000'000);
  flow->retry.tries = kTries;
  if (kind.search)
    flow->steps.push_back(
        std::make_shared<CallStep>(std::make_shared<VendorAction>("get", Safety::kSafe, false, false), CallOptions{}));
  flow->steps.push_back(std::make_shared<CallStep>(
      std::make_shared<VendorAction>(std::string("do_") + kind.name, kind.safety, kind.find, kind.idempotency_key),
      kind.call));
  if (kind.topic == Topic::kPublishes) {
    // Before and after the call: what is published counts once, however often the run begins again.
    flow->steps.insert(flow->steps.begin(), std::make_shared<PublishStep>());
    flow->steps.push_back(std::make_shared<PublishStep>());
  }
  if (flow->name == kBatched) {
    flow->batch = Batch{4, 1'000, Duration(2'000'000)};
    flow->steps = {std::make_shared<CallStep>(VendorAction::of_rows(std::string("do_") + kBatched, 4), kind.call)};
  }
  if (flow->name == kDebounce) add_wait(*flow, kDebounceWait, false);
  if (flow->name == kApprove) add_wait(*flow, kApprovalWait, true);
  flow->coalesce = flow->name == kNewest;
  // Longer than any life: what was let pass counts until a person releases the brake, or the process ends.
  if (flow->name == kBraked) flow->brake = Brake{kBrakeMax, std::chrono::hours(24 * 365), "runs", std::nullopt, {}};
  return flow;
}

FlowPtr make_nested(std::uint32_t generation) {
  constexpr Kind kKind{kNested, true, false, false, Safety::kSafe, false, false, {}};
  auto flow = std::make_shared<Flow>(*make_flow(kKind, generation));
  flow->variables = {"event", "vars", "flow", "run", "result", "item", "index"};
  flow->steps = {std::make_shared<ItemsStep>(), std::make_shared<ArmsStep>()};
  return flow;
}

}  // namespace

std::vector<FlowPtr> make_flows(std::uint32_t generation) {
  std::vector<FlowPtr> flows;
  for (const Kind& kind : kKinds) flows.push_back(make_flow(kind, generation));
  flows.push_back(make_nested(generation));
  return flows;
}

std::vector<std::string> nested_parts() {
  std::vector<std::string> parts{"held", "repeated"};
  for (std::uint32_t i = 0; i < kItems; ++i) parts.push_back(std::to_string(i));
  return parts;
}

std::string part_of(const std::string& event, const std::string& part) { return event + "#" + part; }

std::string part_of_call(const std::string& action, const std::vector<std::uint32_t>& items) {
  if (action == kBefore) return kBefore;
  if (action == "do_arm") return "held";
  if (action == "again_arm") return "repeated";
  return items.empty() ? "" : std::to_string(items.front());
}

Result<FlowPtr> Source::compile(const std::string& name, const std::string& hash, const std::string& source) {
  for (const Kind& kind : kKinds) {
    if (name != kind.name) continue;
    FlowPtr flow = make_flow(kind, static_cast<std::uint32_t>(std::stoul(source)));
    if (flow->hash != hash) return failure(Code::kInvalid, "its source gives another hash");
    return flow;
  }
  if (name == kNested) {
    FlowPtr flow = make_nested(static_cast<std::uint32_t>(std::stoul(source)));
    if (flow->hash == hash) return flow;
  }
  return failure(Code::kInvalid, "no such flow");
}

std::string effect_identity(const std::string& flow, const std::string& event, const std::string& group) {
  return flow == kOnce ? flow + "/" + group : flow + "/" + event;
}

}  // namespace tieline::sim
