#include "workspace/flow_file.h"

#include "base/text.h"
#include "core/topic.h"

namespace tieline {

const spec::Names<FlowMode>& describe(const FlowMode*) {
  static const spec::Names<FlowMode> names{
      {FlowMode::kLive, "live", "it works"},
      {FlowMode::kShadow, "shadow", "its calls are rendered and kept, nothing is sent, each binds null"},
      {FlowMode::kPaused, "paused", "it takes no events; they wait in the log"}};
  return names;
}

const spec::Names<HistoryKept>& describe(const HistoryKept*) {
  static const spec::Names<HistoryKept> names{
      {HistoryKept::kFull, "full", "requests and answers, cut to 4 KiB and without secrets"},
      {HistoryKept::kBrief, "brief", "what each call came to, without its request and answer"}};
  return names;
}

namespace {

std::optional<StartFrom> read_start(const spec::Node& node, spec::Problems& problems) {
  StartFrom from;
  if (node.is_scalar() && node.text() == "now") return from;
  from.kind = StartFrom::Kind::kEarliest;
  if (node.is_scalar() && node.text() == "earliest") return from;
  from.kind = StartFrom::Kind::kTime;
  if (node.is_scalar()) {
    const auto time = parse_time(node.text());
    if (time) {
      from.time = *time;
      return from;
    }
  }
  static const std::vector<std::string> words{"now", "earliest"};
  problems.error(node.place(), "expected now, earliest or a time like 2026-11-29T08:00:00Z, found " +
                                   (node.is_scalar() ? "\"" + node.text() + "\"" + did_you_mean(node.text(), words)
                                                     : std::string(node.kind_name())));
  return std::nullopt;
}

}  // namespace

const spec::Custom<StartFrom>& describe(const StartFrom*) {
  static const spec::Custom<StartFrom> custom{
      .what = "now, earliest or a time",
      .word = "now, earliest, time",
      .schema = R"({"type": "string"})",
      .read = read_start,
      .print =
          [](const StartFrom& from) {
            switch (from.kind) {
              case StartFrom::Kind::kNow: return std::string("now");
              case StartFrom::Kind::kEarliest: return std::string("earliest");
              case StartFrom::Kind::kTime: return format_time(from.time);
            }
            return std::string();
          },
  };
  return custom;
}

}  // namespace tieline

namespace tieline::workspace {

const spec::Table<BrakeFile>& describe(const BrakeFile*) {
  static const auto table =
      spec::Table<BrakeFile>("brake", "Holds the flow when it does too much at once, until a person lets it go on")
          .field("max", &BrakeFile::max, {.doc = "At most so many per so long", .example = "50/5m", .required = true})
          .field("of", &BrakeFile::of,
                 {.doc = "Of what: `runs`; `creates`, `updates` or `deletes`, by the events' op; or an action, as "
                         "CONNECTION.RESOURCE.ACTION",
                  .example = "deletes"});
  return table;
}

const spec::Table<OnDeadFile>& describe(const OnDeadFile*) {
  static const auto table =
      spec::Table<OnDeadFile>("on_dead", "What follows when a run becomes a dead letter")
          .field("publish", &OnDeadFile::topic,
                 {.doc = "The topic of an event that tells of it, committed together with the run's end",
                  .example = "dead.orders",
                  .required = true})
          .check([](const OnDeadFile& file, const spec::Node&, spec::Problems& problems) {
            if (!file.topic.place.known()) return;
            if (const auto ok = check_topic(file.topic.value); !ok)
              problems.error(file.topic.place, ok.error().message);
          });
  return table;
}

const spec::Table<BatchFile>& describe(const BatchFile*) {
  static const auto table =
      spec::Table<BatchFile>("batch",
                             "Calls of several runs leave in one request, where the action takes several items: each "
                             "run has its own outcome, and one that is refused goes alone")
          .field("count", &BatchFile::count,
                 {.doc = "At most so many items in a request, and never more than the action takes",
                  .example = "1000",
                  .fallback = "100",
                  .min = "2",
                  .max = "10000"})
          .field("bytes", &BatchFile::bytes,
                 {.doc = "… with so much data", .example = "500KB", .min = "1KB", .max = "64MB"})
          .field("time", &BatchFile::time,
                 {.doc = "How long the first of them waits for the others", .example = "5s", .min = "1ms", .max = "1h"})
          .place(&BatchFile::place);
  return table;
}

const spec::Table<WebhookTriggerFile>& describe(const WebhookTriggerFile*) {
  static const auto table =
      spec::Table<WebhookTriggerFile>("webhook trigger",
                                      "A vendor's webhook, verified, starts a run for each event in it")
          .field("webhook", &WebhookTriggerFile::connection,
                 {.doc = "The connection that receives it", .example = "shopify", .required = true})
          .field("event", &WebhookTriggerFile::types,
                 {.doc = "The event types, one or a list",
                  .example = "orders/create",
                  .fallback = "all",
                  .one_or_list = true})
          .check([](const WebhookTriggerFile& trigger, const spec::Node& node, spec::Problems& problems) {
            const spec::Node* event = node.find("event");
            if (event != nullptr && trigger.types.empty()) {
              problems.error(event->place(),
                             "`event` is an empty list, so nothing would start the flow: name a type, or "
                             "leave `event` out for all");
            }
          });
  return table;
}

const spec::Table<TopicTriggerFile>& describe(const TopicTriggerFile*) {
  static const auto table =
      spec::Table<TopicTriggerFile>("topic trigger", "An event that a flow published starts a run")
          .field("topic", &TopicTriggerFile::topic,
                 {.doc = "The topic, or a pattern: `*` stands for one word, `>` at the end for one or more",
                  .example = "customer.*",
                  .required = true})
          .field("event", &TopicTriggerFile::types,
                 {.doc = "The event types, one or a list",
                  .example = "customer.created",
                  .fallback = "all",
                  .one_or_list = true})
          .field("filter", &TopicTriggerFile::filter,
                 {.doc = "Events for which this is false or null start no run", .example = ".country == \"DE\""})
          .check([](const TopicTriggerFile& trigger, const spec::Node& node, spec::Problems& problems) {
            if (!trigger.topic.place.known()) return;
            if (const auto pattern = TopicPattern::parse(trigger.topic.value); !pattern)
              problems.error(trigger.topic.place, pattern.error().message);
            const spec::Node* event = node.find("event");
            if (event != nullptr && trigger.types.empty())
              problems.error(event->place(),
                             "`event` is an empty list, so nothing would start the flow: name a type, "
                             "or leave `event` out for all");
          });
  return table;
}

const spec::Names<Missed>& describe(const Missed*) {
  static const spec::Names<Missed> names{{Missed::kRun, "run", "one run for all that were missed"},
                                         {Missed::kSkip, "skip", "nothing"}};
  return names;
}

const spec::Table<ScheduleTriggerFile>& describe(const ScheduleTriggerFile*) {
  static const auto table =
      spec::Table<ScheduleTriggerFile>("schedule trigger",
                                       "Times start runs. A time that clocks skip comes once, when they have been put "
                                       "forward; one that they show twice comes once")
          .field("schedule", &ScheduleTriggerFile::schedule,
                 {.doc = "The five fields of cron: minute hour day-of-month month weekday",
                  .example = "0 6 * * mon-fri",
                  .required = true})
          .field("zone", &ScheduleTriggerFile::zone,
                 {.doc = "Whose clocks", .example = "Europe/Berlin", .fallback = "the workspace's `zone`"})
          .field("missed", &ScheduleTriggerFile::missed, {.doc = "What happens for times that came while nothing ran"});
  return table;
}

const spec::Table<SyncTriggerFile>& describe(const SyncTriggerFile*) {
  static const auto table =
      spec::Table<SyncTriggerFile>("sync trigger",
                                   "Records of a vendor start runs: all of them first, then each that is new, was "
                                   "changed or is gone")
          .field("sync", &SyncTriggerFile::resource,
                 {.doc = "What is read, as CONNECTION.RESOURCE", .example = "hubspot.contacts", .required = true})
          .field("every", &SyncTriggerFile::every,
                 {.doc = "How often it is asked what changed", .example = "15m", .min = "1s", .max = "7d"})
          .field("full", &SyncTriggerFile::full,
                 {.doc = "When all of it is read, too, as the five fields of cron: it finds what was missed, and what "
                         "is gone where nothing else tells; or `never`",
                  .example = "\"0 3 * * 0\""})
          .field(
              "zone", &SyncTriggerFile::zone,
              {.doc = "Whose clocks `full` goes by", .example = "Europe/Berlin", .fallback = "the workspace's `zone`"})
          .check([](const SyncTriggerFile& trigger, const spec::Node& node, spec::Problems& problems) {
            if (trigger.zone && !trigger.full)
              problems.error(node.find("zone")->place(), "`zone` is that of `full`, which is not there");
          });
  return table;
}

const spec::Table<ManualTriggerFile>& describe(const ManualTriggerFile*) {
  static const auto table =
      spec::Table<ManualTriggerFile>("manual trigger", "A person starts it: `tieline start FLOW`")
          .field("manual", &ManualTriggerFile::manual, {.doc = "true", .example = "true", .required = true})
          .check([](const ManualTriggerFile& trigger, const spec::Node& node, spec::Problems& problems) {
            if (!trigger.manual) problems.error(node.place(), "`manual: false` starts nothing: leave it out");
          });
  return table;
}

const spec::Union<TriggerFile>& describe(const TriggerFile*) {
  static const auto triggers = [] {
    spec::Union<TriggerFile> kinds("trigger", "What starts a flow");
    kinds.kind<WebhookTriggerFile>("webhook");
    kinds.kind<TopicTriggerFile>("topic");
    kinds.kind<ScheduleTriggerFile>("schedule");
    kinds.kind<SyncTriggerFile>("sync");
    kinds.kind<ManualTriggerFile>("manual");
    kinds.reserved("poll", "An API that is asked again and again");
    kinds.reserved("route", "A call to the gateway");
    return kinds;
  }();
  return triggers;
}

const spec::Table<FlowFile>& describe(const FlowFile*) {
  static const auto table =
      spec::Table<FlowFile>("flow", "A trigger and steps; the file's name is the flow's name")
          .field("on", &FlowFile::on,
                 {.doc = "What starts a run, one trigger or a list",
                  .example = "{ webhook: shopify, event: orders/create }",
                  .required = true,
                  .one_or_list = true})
          .field("key", &FlowFile::key,
                 {.doc = "Runs with one key happen in the order of their events; null or missing is a lane of its own",
                  .example = ".customer.id"})
          .field("version", &FlowFile::version,
                 {.doc = "A run that is not newer than its key's last completed one ends as stale",
                  .example = ".updated_at"})
          .field("index", &FlowFile::index,
                 {.doc = "What people will search by", .example = "{ order: .order_number, email: .email }"})
          .field("retry", &FlowFile::retry, {.doc = "How calls that failed for a passing reason are tried again"})
          .field(
              "priority", &FlowFile::priority,
              {.doc = "Whose calls go first where several flows wait for one connection's budget", .example = "high"})
          .field("steps", &FlowFile::steps, {.doc = "What is done, in this order", .required = true})
          .field("mode", &FlowFile::mode, {.doc = "Whether it works"})
          .field(
              "from", &FlowFile::from,
              {.doc = "Where a flow that is new begins: with the next event, with the oldest one in the log, or with "
                      "the first one received at or after a time. A flow that has run goes on where it was",
               .example = "earliest"})
          .field("was", &FlowFile::was,
                 {.doc = "The flow's former name, whose cursor, runs and dead letters it keeps",
                  .example = "orders-to-hubspot"})
          .field("concurrency", &FlowFile::concurrency,
                 {.doc = "How many runs work at once; 0 is no limit but the flow's window",
                  .example = "5",
                  .min = "0",
                  .max = "512"})
          .field(
              "coalesce", &FlowFile::coalesce,
              {.doc = "Of the runs of one key that wait, only the newest works; the others end as skipped. For flows "
                      "whose every event tells the whole state"})
          .field("brake", &FlowFile::brake,
                 {.doc = "Holds the flow when it does too much at once", .example = "{ max: 50/5m, of: deletes }"})
          .field("history", &FlowFile::history, {.doc = "What is kept of each call for people to read"})
          .field("on_dead", &FlowFile::on_dead,
                 {.doc = "Tells other flows of its dead letters", .example = "{ publish: dead.orders }"})
          .field("batch", &FlowFile::batch,
                 {.doc = "Gathers calls of several runs into one request", .example = "{ count: 1000, time: 5s }"})
          .check([](const FlowFile& flow, const spec::Node& node, spec::Problems& problems) {
            if (flow.on.empty())
              problems.error(node.find("on")->place(), "`on` is an empty list: name at least one trigger");
            if (flow.steps.empty()) {
              problems.error(node.find("steps")->place(), "a flow without steps does nothing: write at least one step");
            }
            const std::uint32_t count = flow.batch ? flow.batch->count.value_or(BatchFile::kCount) : 0;
            if (flow.concurrency != 0 && flow.concurrency < count) {
              problems.error(flow.batch->place, "`concurrency: " + std::to_string(flow.concurrency) +
                                                    "` lets so many runs work at once, and `batch` waits for " +
                                                    std::to_string(count) +
                                                    ": it would never be full; set its `count`");
            }
            if (flow.coalesce && flow.key.empty()) {
              problems.error(node.find("coalesce")->place(),
                             "`coalesce` is about runs of one key, and the flow has no `key`: add one");
            }
          });
  return table;
}

}  // namespace tieline::workspace
