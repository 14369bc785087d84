#include "workspace/compile.h"

#include <algorithm>

#include "base/bytes.h"
#include "base/check.h"
#include "base/text.h"
#include "steps/flow_builder.h"
#include "workspace/flow_file.h"
#include "workspace/reader.h"

namespace tieline::workspace {
namespace {

constexpr std::int64_t kSourceFormat = 1;

std::string write_source(const FlowInput& input, const steps::SchemaTexts& schemas) {
  json::Builder out;
  out.begin_object();
  out.key("format").integer(kSourceFormat);
  out.key("file").string(input.file);
  out.key("variables").copy(input.variables.root());
  out.key("yaml").string(input.yaml);
  // UTC goes without saying, so that flows which were stored before there was a zone keep their hash.
  if (input.zone != "UTC") out.key("zone").string(input.zone);
  if (!schemas.empty()) {
    out.key("schemas").begin_object();
    for (const auto& [path, text] : schemas) out.key(path).string(text);
    out.end_object();
  }
  out.end_object();
  return json::print(out.finish().root());
}

Result<FlowInput> read_source(const std::string& name, const std::string& source) {
  TRY(const json::Document document, json::parse(source));
  const json::Value root = document.root();
  if (root["format"].as_int64() != kSourceFormat || !root["yaml"].is_string()) {
    return failure(Code::kInvalid,
                   "the stored source of the flow \"" + name + "\" has a form that this version does not read");
  }
  const std::string_view zone = root["zone"].as_string();
  auto schemas = std::make_shared<steps::SchemaTexts>();
  for (const auto [path, text] : root["schemas"].members())
    schemas->emplace(std::string(path), std::string(text.as_string()));
  return FlowInput{.name = name,
                   .file = std::string(root["file"].as_string()),
                   .yaml = std::string(root["yaml"].as_string()),
                   .variables = document.part(root["variables"]),
                   .zone = zone.empty() ? "UTC" : std::string(zone),
                   .schemas = std::move(schemas)};
}

// Names that steps which could not be read at all would have bound, so that the steps behind them are not blamed for
// using them.
void add_names_of_broken_steps(const spec::Node* list, std::vector<steps::BoundName>& names) {
  if (list == nullptr) return;
  for (const spec::Node& step : list->items()) {
    for (const char* binds : {"as", "collect"}) {
      const spec::Node* name = step.find(binds);
      if (name != nullptr && name->is_scalar()) names.push_back({name->text(), name->place()});
    }
    if (const spec::Node* let = step.find("let")) {
      for (const spec::Entry& entry : let->entries()) names.push_back({entry.key, entry.key_place});
    }
    add_names_of_broken_steps(step.find("steps"), names);
    if (const spec::Node* branch = step.find("branch")) {
      for (const spec::Node& arm : branch->items()) {
        add_names_of_broken_steps(arm.find("steps"), names);
        add_names_of_broken_steps(arm.find("else"), names);
      }
    }
    if (const spec::Node* parallel = step.find("parallel")) {
      for (const spec::Entry& arm : parallel->entries()) add_names_of_broken_steps(&arm.value, names);
    }
  }
}

std::optional<Brake> compile_brake(const BrakeFile& file, FlowBuilder& builder) {
  Brake brake;
  brake.max = static_cast<std::uint32_t>(file.max.count);
  brake.window = file.max.per;
  brake.of = file.of.value;
  if (brake.of == "runs") return brake;
  if (brake.of == "creates") brake.op = Op::kCreated;
  if (brake.of == "updates") brake.op = Op::kUpdated;
  if (brake.of == "deletes") brake.op = Op::kDeleted;
  if (brake.op) return brake;
  if (brake.of.find('.') == std::string::npos) {
    static const std::vector<std::string> words{"runs", "creates", "updates", "deletes"};
    builder.problems().error(
        file.of.place, "expected runs, creates, updates, deletes or an action like hubspot.deals.upsert, found \"" +
                           brake.of + "\"" + did_you_mean(brake.of, words));
    return std::nullopt;
  }
  const auto action = builder.resolve(file.of);
  if (!action) return std::nullopt;
  if (action->action != nullptr) brake.action = action->action->name();
  return brake;
}

// Nothing after reporting.
std::optional<Schedule> compile_schedule(const spec::At<std::string>& text,
                                         const std::optional<spec::At<std::string>>& own_zone, const std::string& zone,
                                         spec::Problems& problems) {
  if (own_zone) {
    if (auto found = json::find_zone(own_zone->value); !found) {
      problems.error(own_zone->place, found.error().message);
      return std::nullopt;
    }
  }
  auto schedule = Schedule::parse(text.value, own_zone ? own_zone->value : zone);
  if (schedule) return std::move(*schedule);
  problems.error(text.place, schedule.error().message);
  return std::nullopt;
}

// Nothing after reporting.
std::optional<SyncUse> compile_sync(const SyncTriggerFile& file, const std::string& zone, const Flow& flow,
                                    spec::Problems& problems) {
  const std::string& name = file.resource.value;
  const std::vector<std::string_view> parts = split(name, '.');
  if (parts.size() != 2 || parts[0].empty() || parts[1].empty()) {
    problems.error(file.resource.place, "\"" + name + "\" names no resource: write CONNECTION.RESOURCE");
    return std::nullopt;
  }
  const bool twice = std::ranges::any_of(flow.syncs, [&](const SyncTrigger& other) { return other.resource == name; });
  if (twice) {
    problems.error(file.resource.place, "the flow reads \"" + name + "\" by another trigger already");
    return std::nullopt;
  }
  SyncUse use{file.resource, file.every, std::nullopt};
  use.never_full = file.full && file.full->value == "never";
  if (file.full && !use.never_full) {
    use.full = compile_schedule(*file.full, file.zone, zone, problems);
    if (!use.full) return std::nullopt;
  }
  return use;
}

Batch compile_batch(const BatchFile& file, FlowBuilder& builder) {
  const std::size_t most = builder.items_most();
  if (most == 0) {
    builder.problems().error(file.place,
                             "`batch` gathers calls of actions that take several items (`each` in their manifest), "
                             "and this flow calls none");
  } else if (file.count && *file.count > most) {
    builder.problems().warning(file.place, "`count: " + std::to_string(*file.count) +
                                               "` is more than its actions take in one request (`each.max`): it leaves "
                                               "with " +
                                               std::to_string(most));
  }
  return {file.count.value_or(BatchFile::kCount), static_cast<std::size_t>(file.bytes.bytes), file.time};
}

// Reports what cannot be compiled. What the tables refused has no place, and is passed over.
void add_trigger(const TriggerFile& trigger, const std::string& zone, FlowBuilder& builder, Flow& flow,
                 std::vector<SyncUse>& syncs) {
  if (const auto* webhook = std::get_if<WebhookTriggerFile>(&trigger.kind)) {
    flow.triggers.push_back({webhook->connection.value, webhook->types});
  } else if (const auto* topic = std::get_if<TopicTriggerFile>(&trigger.kind)) {
    TopicTrigger out;
    if (auto pattern = TopicPattern::parse(topic->topic.value)) out.topic = std::move(*pattern);
    out.types = topic->types;
    if (!topic->filter.empty()) out.filter = builder.compile(topic->filter);
    flow.topics.push_back(std::move(out));
  } else if (const auto* times = std::get_if<ScheduleTriggerFile>(&trigger.kind)) {
    if (!times->schedule.place.known()) return;
    auto schedule = compile_schedule(times->schedule, times->zone, zone, builder.problems());
    if (schedule) flow.schedules.push_back({std::move(*schedule), times->missed == Missed::kRun});
  } else if (const auto* sync = std::get_if<SyncTriggerFile>(&trigger.kind)) {
    if (!sync->resource.place.known()) return;
    auto use = compile_sync(*sync, zone, flow, builder.problems());
    if (!use) return;
    flow.syncs.push_back({sync->resource.value});
    syncs.push_back(std::move(*use));
  } else {
    flow.manual = true;
  }
}

std::shared_ptr<Flow> compile_parts(const FlowFile& file, const std::string& zone, FlowBuilder& builder,
                                    std::vector<SyncUse>& syncs) {
  auto flow = std::make_shared<Flow>();
  const auto program = [&](const spec::ProgramText& text) { return text.empty() ? nullptr : builder.compile(text); };
  flow->key = program(file.key);
  flow->version = program(file.version);
  for (const auto& [name, text] : file.index) flow->index.push_back({name, builder.compile(text)});
  // Before the steps bind their names, which no trigger sees.
  for (const TriggerFile& trigger : file.on) add_trigger(trigger, zone, builder, *flow, syncs);
  if (file.on_dead) {
    flow->on_dead = file.on_dead->topic.value;
    builder.publishes(flow->on_dead);
  }
  for (const steps::StepDraft& draft : file.steps) flow->steps.push_back(builder.build(draft.spec()));
  flow->publishes.assign(builder.topics().begin(), builder.topics().end());
  flow->retry = file.retry;
  flow->mode = file.mode;
  flow->history = file.history;
  flow->concurrency = file.concurrency;
  flow->coalesce = file.coalesce;
  flow->from = file.from;
  if (file.was) flow->was = file.was->value;
  if (file.brake) flow->brake = compile_brake(*file.brake, builder);
  if (file.batch) flow->batch = compile_batch(*file.batch, builder);
  flow->priority = file.priority;
  flow->variables = builder.variables();
  flow->visible = builder.visible();
  return flow;
}

}  // namespace

// 128 bits of a stable, fast hash: two different flows of one workspace must not meet; nobody gains by making them.
std::string flow_hash(std::string_view name, std::string_view source) {
  Bytes bytes;
  put_u64(bytes, hash64(source, hash64(name, 1)));
  put_u64(bytes, hash64(source, hash64(name, 2)));
  return to_hex(bytes);
}

CompiledFlow compile_flow(const FlowInput& input, const steps::Actions& actions, spec::Problems& problems) {
  CompiledFlow out;
  const std::size_t errors_before = problems.error_count();
  const std::optional<spec::Node> node = spec::parse_yaml(input.yaml, input.file, problems);
  if (!node) return out;
  FlowFile file;
  spec::Context context{problems};
  describe(static_cast<const FlowFile*>(nullptr)).read(context, *node, file);
  for (const TriggerFile& trigger : file.on) {
    if (const auto* webhook = std::get_if<WebhookTriggerFile>(&trigger.kind)) {
      out.triggers.push_back({webhook->connection.value, webhook->connection.place});
    } else if (const auto* topic = std::get_if<TopicTriggerFile>(&trigger.kind)) {
      if (auto pattern = TopicPattern::parse(topic->topic.value)) out.topics.push_back({*pattern, topic->topic.place});
    }
  }
  std::vector<steps::BoundName> names = steps::names_of(file.steps);
  const std::size_t read = names.size();
  const bool whole = problems.error_count() == errors_before;
  if (!whole) add_names_of_broken_steps(node->find("steps"), names);
  spec::Problems found;
  FlowBuilder builder(names, actions, found, {.zone = input.zone});
  const std::size_t folder = input.file.rfind("flows/");
  steps::Schemas schemas(input.schemas, folder == std::string::npos ? "" : input.file.substr(0, folder));
  builder.use_schemas(schemas);
  std::vector<std::string> variables;
  for (const json::KeyValue variable : input.variables.root().members()) variables.emplace_back(variable.key);
  builder.know_workspace_variables(std::move(variables));
  const std::vector<steps::BoundName> recovered(names.begin() + static_cast<std::ptrdiff_t>(read), names.end());
  const auto known = [&](const steps::BoundName& name) {
    return std::any_of(names.begin(), names.begin() + static_cast<std::ptrdiff_t>(read),
                       [&](const steps::BoundName& other) { return other.name == name.name; });
  };
  for (const steps::BoundName& name : recovered) {
    if (!known(name)) builder.bind(name);
  }
  std::shared_ptr<Flow> flow = compile_parts(file, input.zone, builder, out.syncs);
  problems.add(found);
  out.calls = builder.connections();
  out.was = file.was;
  if (file.on_dead) out.on_dead = file.on_dead->topic;
  if (problems.error_count() != errors_before) return out;
  flow->name = input.name;
  flow->pauses_when_gone = input.name.starts_with(kSubscriptionPrefix);
  flow->source = write_source(input, schemas.used());
  flow->hash = flow_hash(input.name, flow->source);
  flow->workspace_variables = input.variables;
  out.flow = std::move(flow);
  return out;
}

void FlowArchive::use(std::shared_ptr<const steps::Actions> actions, std::vector<FlowPtr> current) {
  const std::lock_guard lock(mutex_);
  actions_ = std::move(actions);
  current_ = std::move(current);
}

Result<FlowPtr> FlowArchive::compile(const std::string& name, const std::string& hash, const std::string& source) {
  std::shared_ptr<const steps::Actions> actions;
  {
    const std::lock_guard lock(mutex_);
    const auto found = std::find_if(current_.begin(), current_.end(),
                                    [&](const FlowPtr& flow) { return flow->name == name && flow->hash == hash; });
    if (found != current_.end()) return *found;
    actions = actions_;
  }
  if (actions == nullptr) return failure(Code::kUnavailable, "no workspace is loaded yet");
  if (flow_hash(name, source) != hash) {
    return failure(Code::kInvalid,
                   "the stored source of the flow \"" + name + "\" is not the one that the run began with");
  }
  if (name.starts_with(kReaderPrefix)) return restore_reader(name, source, *actions);
  TRY(const FlowInput input, read_source(name, source));
  spec::Problems problems;
  CompiledFlow compiled = compile_flow(input, *actions, problems);
  if (compiled.flow == nullptr) {
    CHECK(!problems.ok());
    return failure(problems.first_error().in("the flow as it was when the run began no longer compiles"));
  }
  return compiled.flow;
}

}  // namespace tieline::workspace
