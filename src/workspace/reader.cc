#include "workspace/reader.h"

#include <algorithm>

#include "base/bytes.h"
#include "base/check.h"
#include "base/text.h"

namespace tieline::workspace {
namespace {

constexpr std::int64_t kReaderFormat = 1;

class ReadStep final : public Step {
 public:
  explicit ReadStep(SyncRequest request) : request_(std::move(request)) { kind_ = "read"; }
  asio::awaitable<StepResult> run(RunContext& context) const override { return context.read(request_); }

 private:
  const SyncRequest request_;
};

// All of its runs have one lane: a page after the other.
std::shared_ptr<const json::Program> one_lane() {
  auto program = json::compile("0", {});
  CHECK(program.has_value());
  return std::move(*program);
}

// What its runs need to go on with after a restart. When it reads is among it only as far as retries wait no longer.
std::string write_source(const Flow& reader, const std::string& flow, const std::string& resource) {
  const RetryPolicy& retry = reader.retry;
  json::Builder out;
  out.begin_object().key("format").integer(kReaderFormat);
  out.key("flow").string(flow).key("resource").string(resource);
  out.key("priority").integer(static_cast<std::int64_t>(reader.priority));
  if (!reader.on_dead.empty()) out.key("on_dead").string(reader.on_dead);
  out.key("retry").begin_object().key("first").integer(retry.first.count()).key("max").integer(retry.max.count());
  out.key("multiplier").real(retry.multiplier).key("for").integer(retry.keep_for.count());
  out.key("tries").integer(retry.tries).end_object().end_object();
  return json::print(out.finish().root());
}

std::shared_ptr<Flow> reader_of(const std::string& flow, SyncSourcePtr source) {
  auto out = std::make_shared<Flow>();
  const std::string resource = source->name();
  out->name = std::string(kReaderPrefix) + flow + '/' + resource;
  out->key = one_lane();
  out->reads = out->manual = true;
  out->history = HistoryKept::kBrief;
  out->variables = {"event", "vars", "flow", "run"};
  out->visible = {};
  out->steps = {std::make_shared<ReadStep>(SyncRequest{std::move(source), flow})};
  return out;
}

void seal(Flow& reader, const std::string& flow, const std::string& resource) {
  reader.source = write_source(reader, flow, resource);
  reader.hash = flow_hash(reader.name, reader.source);
}

ScheduleTrigger trigger_of(Schedule schedule, std::string_view type) {
  ScheduleTrigger out{std::move(schedule)};
  out.type = type;
  return out;
}

}  // namespace

SyncSourcePtr find_sync(const SyncUse& use, const steps::Actions& actions, spec::Problems& problems) {
  const std::string& name = use.resource.value;
  const std::size_t dot = name.find('.');
  const std::string connection = name.substr(0, dot), resource = name.substr(dot + 1);
  if (!actions.loaded(connection)) return nullptr;
  const std::vector<std::string> syncs = actions.syncs(connection);
  if (std::ranges::find(syncs, resource) == syncs.end()) {
    const std::vector<std::string> resources = actions.resources(connection);
    const bool there = std::ranges::find(resources, resource) != resources.end();
    Place place = use.resource.place;
    place.column += static_cast<std::uint32_t>(dot + 1);
    const std::string hint = did_you_mean(resource, syncs);
    std::string message = "\"" + connection + "\" has no resource \"" + resource + "\"" + hint;
    if (there) message = "\"" + name + "\" cannot be read like that: its connector does not say how (`sync`)";
    if (!syncs.empty() && (there || hint.empty())) message += "; what can be read of it: " + join(syncs, ", ");
    problems.error(place, std::move(message));
    return nullptr;
  }
  SyncSourcePtr source = actions.sync(connection, resource);
  if (source == nullptr) return nullptr;
  if (source->deletions() == Deletions::kFullDiff && source->changes() != nullptr && !use.full && !use.never_full)
    problems.warning(use.resource.place,
                     "only a reading of all of \"" + name +
                         "\" finds what is gone there: write `full: \"0 3 * * 0\"` or the like, or `full: never` where "
                         "the flow need not know");
  if (use.full && source->changes() == nullptr)
    problems.warning(
        use.resource.place,
        "\"" + name + "\" cannot be asked for changes, so that each reading is one of all: `full` adds nothing");
  return source;
}

FlowPtr make_reader(const SyncUse& use, const Flow& flow, SyncSourcePtr source) {
  const std::string resource = source->name();
  std::shared_ptr<Flow> out = reader_of(flow.name, std::move(source));
  if (!flow.was.empty()) out->was = std::string(kReaderPrefix) + flow.was + '/' + resource;
  out->retry = flow.retry;
  // What is asked again anyway need not wait longer for it.
  out->retry.max = std::min(out->retry.max, std::max(use.every, out->retry.first));
  out->priority = flow.priority;
  out->on_dead = flow.on_dead;
  // Not all of a workspace at one moment.
  const Duration offset(static_cast<std::int64_t>(hash64(out->name) % static_cast<std::uint64_t>(use.every.count())));
  out->schedules.push_back(trigger_of(Schedule::every(use.every, offset), kReadChanges));
  out->schedules.back().at_once = true;
  if (use.full) out->schedules.push_back(trigger_of(*use.full, kReadAll));
  seal(*out, flow.name, resource);
  return out;
}

Result<FlowPtr> restore_reader(const std::string& name, const std::string& source, const steps::Actions& actions) {
  TRY(const json::Document document, json::parse(source));
  const json::Value root = document.root(), retry = root["retry"];
  const std::string flow(root["flow"].as_string()), resource(root["resource"].as_string());
  const std::size_t dot = resource.find('.');
  if (root["format"].as_int64() != kReaderFormat || dot == std::string::npos)
    return failure(Code::kInvalid, "the stored source of " + name + " has a form that this version does not read");
  const SyncSourcePtr found = actions.sync(resource.substr(0, dot), resource.substr(dot + 1));
  if (found == nullptr) return failure(Code::kInvalid, "\"" + resource + "\" cannot be read any more");
  std::shared_ptr<Flow> out = reader_of(flow, found);
  out->name = name;
  out->priority = static_cast<Priority>(root["priority"].as_int64().value_or(1));
  out->on_dead = std::string(root["on_dead"].as_string());
  out->retry.first = Duration(retry["first"].as_int64().value_or(0));
  out->retry.max = Duration(retry["max"].as_int64().value_or(0));
  out->retry.multiplier = retry["multiplier"].as_double();
  out->retry.keep_for = Duration(retry["for"].as_int64().value_or(0));
  out->retry.tries = static_cast<std::uint32_t>(retry["tries"].as_int64().value_or(0));
  seal(*out, flow, resource);
  return FlowPtr(std::move(out));
}

}  // namespace tieline::workspace
