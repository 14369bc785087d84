#include "steps/policy.h"

#include "base/text.h"

namespace tieline {

const spec::Table<RetryPolicy>& describe(const RetryPolicy*) {
  static const auto table =
      spec::Table<RetryPolicy>("retry", "How long and how often a call that failed for a passing reason is tried again")
          .field("first", &RetryPolicy::first, {.doc = "The first wait", .example = "5s", .min = "10ms", .max = "1h"})
          .field("max", &RetryPolicy::max, {.doc = "The longest wait between two tries", .min = "10ms", .max = "24h"})
          .field(
              "multiplier", &RetryPolicy::multiplier,
              {.doc = "By how much each wait is longer than the one before; every wait is spread at random below that",
               .min = "1",
               .max = "10"})
          .field("for", &RetryPolicy::keep_for,
                 {.doc = "After so long of trying the run is a dead letter; limits, holds and outages do not count",
                  .min = "1s",
                  .max = "30d"})
          .field("tries", &RetryPolicy::tries,
                 {.doc = "At most so many tries; 0 is no limit", .example = "10", .min = "0", .max = "1000"})
          .check([](const RetryPolicy& retry, const spec::Node& node, spec::Problems& problems) {
            if (retry.first <= retry.max) return;
            problems.error(node.place(), "`first` (" + format_duration(retry.first) + ") is longer than `max` (" +
                                             format_duration(retry.max) + "): make `max` at least as long");
          });
  return table;
}

const spec::Names<Priority>& describe(const Priority*) {
  static const spec::Names<Priority> names{{Priority::kHigh, "high", "16 calls while a low one waits for 1"},
                                           {Priority::kNormal, "normal", "4"},
                                           {Priority::kLow, "low", "never none at all"}};
  return names;
}

const spec::Names<OnUnknown>& describe(const OnUnknown*) {
  static const spec::Names<OnUnknown> names{
      {OnUnknown::kHold, "hold", "a person decides"},
      {OnUnknown::kRepeat, "repeat", "send it again: the effect may happen twice"},
      {OnUnknown::kDrop, "drop", "take it as done: the effect may be missing"}};
  return names;
}

const spec::Names<OnReplay>& describe(const OnReplay*) {
  static const spec::Names<OnReplay> names{{OnReplay::kAgain, "again", "make it again"},
                                           {OnReplay::kSkip, "skip", "bind what it bound, without making it"}};
  return names;
}

namespace steps {

std::string answer_word(OnAnswer answer) {
  return answer == OnAnswer::kSkip ? "skip" : answer == OnAnswer::kFail ? "fail" : "continue";
}

std::optional<OnAnswer> read_answer(const spec::Node& node, std::string_view what, spec::Problems& problems) {
  static const std::vector<std::string> words{"skip", "continue", "fail"};
  for (const OnAnswer answer : {OnAnswer::kSkip, OnAnswer::kContinue, OnAnswer::kFail}) {
    if (node.is_scalar() && node.text() == answer_word(answer)) return answer;
  }
  problems.error(node.place(), "expected " + std::string(what) + ", found " +
                                   (node.is_scalar() ? "\"" + node.text() + "\"" + did_you_mean(node.text(), words)
                                                     : std::string(node.kind_name())));
  return std::nullopt;
}

}  // namespace steps

namespace {

std::optional<OnAnswer> read_on_answer(const spec::Node& node, spec::Problems& problems) {
  if (node.is_map() && node.find("wait") != nullptr) {
    problems.error(node.place(), "`wait` is for what is not there yet: `empty`, `missing`");
    return std::nullopt;
  }
  return steps::read_answer(node, "skip, continue or fail", problems);
}

}  // namespace

const spec::Custom<OnAnswer>& describe(const OnAnswer*) {
  static const spec::Custom<OnAnswer> custom{
      .what = "skip, continue or fail",
      .word = "skip, continue, fail",
      .schema = R"({"enum": ["skip", "continue", "fail"]})",
      .read = read_on_answer,
      .print = steps::answer_word,
  };
  return custom;
}

}  // namespace tieline
