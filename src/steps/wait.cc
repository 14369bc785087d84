// `wait`: goes on later, after a while or at a moment, while the runs behind it go on. It must never wait twice: the
// moment of its first time counts.
#include "base/text.h"
#include "json/zone.h"
#include "steps/flow_builder.h"

namespace tieline::steps {
namespace {

enum class Newer : std::uint8_t { kCancels, kKeep };

struct WaitBody {
  std::optional<Duration> for_;
  spec::Data until, zone;
  Newer newer = Newer::kCancels;
};
const spec::Names<Newer>& describe(const Newer*) {
  static const spec::Names<Newer> names{
      {Newer::kCancels, "cancels", "a newer run of its key that is delivered, or waits here too, cancels it"},
      {Newer::kKeep, "keep", "it goes on whatever its key did meanwhile"}};
  return names;
}
const spec::Table<WaitBody>& describe(const WaitBody*) {
  static const auto table =
      spec::Table<WaitBody>("wait", "How long, or until when")
          .field("for", &WaitBody::for_, {.doc = "So long", .example = "10m", .min = "1s", .max = "366d"})
          .field("until", &WaitBody::until,
                 {.doc = "A moment, as RFC 3339 has it; one without an offset is what clocks show in `zone`. A moment "
                         "that has passed is not waited for",
                  .example = "=$e.hireDate + \"T09:00\""})
          .field("zone", &WaitBody::zone,
                 {.doc = "The zone of a moment without an offset",
                  .example = "Europe/Berlin",
                  .fallback = "the workspace's `zone`"})
          .field("newer", &WaitBody::newer, {.doc = "What a newer run of the same key does to it"})
          .shorthand("for")
          .check([](const WaitBody& wait, const spec::Node& node, spec::Problems& problems) {
            const bool until = wait.until.kind != spec::Data::Kind::kNull;
            if (wait.for_.has_value() == until)
              problems.error(node.place(), "`wait` takes `for` or `until`, and " +
                                               std::string(until ? "not both" : "one of the two"));
          });
  return table;
}

Result<Time> moment(std::string_view text, std::string_view zone_name) {
  const auto written = json::read_iso(text);
  if (!written)
    return failure(Code::kInvalid, "`until` is no moment like 2026-11-29T09:00: \"" + truncated(text, 100) +
                                       "\": " + written.error().message);
  TRY(const json::Zone* zone, json::find_zone(written->offset ? "UTC" : zone_name));
  const std::int64_t seconds = json::moment_of(*zone, written->clock) - written->offset.value_or(0);
  const std::string micros = (written->fraction + "000000").substr(0, 6);
  return from_unix_us(seconds * 1'000'000 + std::stoi(micros));
}

struct WaitOptions {
  std::optional<Duration> for_;
  std::optional<Template> until, zone;
  std::string default_zone;
  bool keep = false;
};

class WaitStep final : public Step {
 public:
  explicit WaitStep(WaitOptions options) : options_(std::move(options)) {}

  asio::awaitable<StepResult> run(RunContext& context) const override {
    Pause pause;
    pause.keep = options_.keep;
    if (options_.for_) {
      pause.until = context.now() + *options_.for_;
    } else {
      const Result<Time> until = evaluate(context);
      if (!until) co_return StepResult::fail(until.error());
      pause.until = *until;
    }
    co_return co_await context.pause(std::move(pause));
  }

 private:
  Result<Time> evaluate(const RunContext& context) const {
    TRY(const json::Document until, options_.until->evaluate(context.input(), context.variables(), "until"));
    if (!until.root().is_string())
      return failure(Code::kInvalid,
                     "`until` gave " + std::string(json::kind_name(until.root().kind())) + ", a moment is a text",
                     place());
    std::string zone = options_.default_zone;
    if (options_.zone) {
      TRY(const json::Document named, options_.zone->evaluate(context.input(), context.variables(), "zone"));
      if (!named.root().is_null()) zone = std::string(named.root().as_string());
    }
    auto at = moment(until.root().as_string(), zone);
    if (!at) return failure(Code::kInvalid, at.error().message, place());
    return *at;
  }

  WaitOptions options_;
};

struct WaitSpec final : StepSpec {
  WaitBody body;

  std::string kind() const override { return "wait"; }
  // What is no program is wrong now, or never. True after reporting.
  bool refused(FlowBuilder& builder) const {
    using Kind = spec::Data::Kind;
    const auto wrong = [&](const spec::Data& data, std::string message) {
      builder.problems().error(data.node.place(), std::move(message));
      return true;
    };
    if (body.zone.kind == Kind::kText) {
      if (const auto found = json::find_zone(body.zone.text); !found) return wrong(body.zone, found.error().message);
    } else if (body.zone.kind != Kind::kNull && body.zone.kind != Kind::kProgram) {
      return wrong(body.zone, "`zone` is the name of a time zone, or a program that gives one");
    }
    if (body.until.kind == Kind::kText) {
      if (const auto at = moment(body.until.text, "UTC"); !at) return wrong(body.until, at.error().message);
    } else if (body.until.kind != Kind::kNull && body.until.kind != Kind::kProgram) {
      return wrong(body.until, "`until` is a moment like 2026-11-29T09:00, or a program that gives one");
    }
    return false;
  }
  std::shared_ptr<Step> compile(FlowBuilder& builder) const override {
    WaitOptions options;
    options.for_ = body.for_;
    options.keep = body.newer == Newer::kKeep;
    options.default_zone = builder.zone();
    const auto given = [](const spec::Data& data) { return data.kind != spec::Data::Kind::kNull; };
    if (given(body.until)) options.until = builder.compile(body.until);
    if (given(body.zone)) options.zone = builder.compile(body.zone);
    if (refused(builder)) return nullptr;
    if ((given(body.until) && !options.until) || (given(body.zone) && !options.zone)) return nullptr;
    return std::make_shared<WaitStep>(std::move(options));
  }
};
const spec::Table<WaitSpec>& describe(const WaitSpec*) {
  static const auto table =
      spec::Table<WaitSpec>("wait step",
                            "Waits durably, for a time or until a moment; the runs behind it in its lane go on")
          .field(
              "wait", &WaitSpec::body,
              {.doc = "How long, or until when", .example = "{ until: =.due, zone: Europe/Berlin }", .required = true})
          .inherit(describe(static_cast<const StepCommon*>(nullptr)));
  return table;
}

}  // namespace

StepKind wait_step() { return step_kind<WaitSpec>("wait"); }

}  // namespace tieline::steps
