// `{ wait: 10m }` where a step may find nothing: what is not there yet is looked for again.
#include "base/text.h"
#include "steps/policy.h"

namespace tieline::steps {
namespace {

constexpr std::int64_t kLooksMax = 10'000;  // of one step that waits: each is a record of its run

struct WaitOption {
  Duration wait{0};
  Duration keep_for{24 * 3'600'000'000LL};
};
const spec::Table<WaitOption>& describe(const WaitOption*) {
  static const auto table =
      spec::Table<WaitOption>("wait of on", "Looks again, durably, until it is there; at most 10,000 times")
          .field("wait", &WaitOption::wait,
                 {.doc = "How long until the next look", .example = "10m", .min = "1s", .max = "24h", .required = true})
          .field("for", &WaitOption::keep_for,
                 {.doc = "After so long the run is a dead letter", .example = "24h", .min = "1s", .max = "30d"})
          .check([](const WaitOption& option, const spec::Node& node, spec::Problems& problems) {
            if (option.keep_for / option.wait > kLooksMax)
              problems.error(node.place(), "every " + format_duration(option.wait) + " for " +
                                               format_duration(option.keep_for) + " is more than " +
                                               std::to_string(kLooksMax) +
                                               " looks: make `wait` longer or `for` shorter");
          });
  return table;
}

std::optional<OnEmpty> read_on_empty(const spec::Node& node, spec::Problems& problems) {
  OnEmpty out;
  if (node.is_map()) {
    const auto option = describe(static_cast<const WaitOption*>(nullptr)).parse(node, problems);
    if (!option) return std::nullopt;
    out.wait = option->wait;
    out.keep_for = option->keep_for;
    out.place = node.place();
    return out;
  }
  const auto then = read_answer(node, "skip, continue, fail or { wait: 10m }", problems);
  if (!then) return std::nullopt;
  out.then = *then;
  return out;
}

}  // namespace

const spec::Custom<OnEmpty>& describe(const OnEmpty*) {
  static const spec::Custom<OnEmpty> custom{
      .what = "skip, continue, fail or { wait: 10m }",
      .word = "skip, continue, fail",
      .schema = R"({"anyOf": [{"enum": ["skip", "continue", "fail"]}, {"type": "object", "required": ["wait"],)"
                R"( "properties": {"wait": {"type": "string"}, "for": {"type": "string"}},)"
                R"( "additionalProperties": false}]})",
      .read = read_on_empty,
      .print = [](const OnEmpty& empty) { return answer_word(empty.then); },
      .table = []() -> const spec::TableInfo& { return describe(static_cast<const WaitOption*>(nullptr)); },
  };
  return custom;
}

}  // namespace tieline::steps
