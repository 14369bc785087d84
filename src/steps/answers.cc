#include "steps/answers.h"

#include "base/text.h"

namespace tieline::steps {
namespace {

AnswerRule rule_of(std::string answer, const OnEmpty& on) {
  AnswerRule rule{std::move(answer), on.then};
  if (!on.wait) return rule;
  rule.then = OnAnswer::kFail;
  rule.again = *on.wait;
  rule.keep_for = on.keep_for;
  return rule;
}

}  // namespace

std::vector<AnswerRule> Answers::rules() const {
  std::vector<AnswerRule> rules;
  if (empty) rules.push_back(rule_of("empty", *empty));
  if (missing) rules.push_back(rule_of("missing", *missing));
  if (conflict) rules.push_back({"conflict", *conflict});
  for (const auto& [code, then] : codes) rules.push_back({code, then});
  return rules;
}

const spec::Table<Answers>& describe(const Answers*) {
  static const auto table =
      spec::Table<Answers>(
          "on",
          "What expected answers mean: `skip` ends the run as skipped, `continue` binds null and goes "
          "on, `fail` makes it a dead letter, and `{ wait: 10m, for: 24h }`, for what is not there yet, asks "
          "again until then")
          .field("empty", &Answers::empty,
                 {.doc = "The action gives one thing or a list, and there is none",
                  .example = "skip",
                  .fallback = "continue"})
          .field("missing", &Answers::missing,
                 {.doc = "The thing that the call names does not exist", .example = "continue", .fallback = "fail"})
          .field("conflict", &Answers::conflict,
                 {.doc = "It exists already, or has changed since",
                  .example = "continue",
                  .fallback = "tried again three times, then fail"})
          .rest("CODE", &Answers::codes, {.doc = "The vendor's own error code", .example = "skip"})
          .check([](const Answers&, const spec::Node& node, spec::Problems& problems) {
            static const std::vector<std::string> words{"empty", "missing", "conflict"};
            for (const spec::Entry& entry : node.entries()) {
              const std::string meant = nearest(entry.key, words);
              if (meant.empty() || meant == entry.key) continue;
              problems.warning(
                  entry.key_place,
                  "`" + entry.key + "` is taken for a code of the vendor's; did you mean `" + meant + "`?");
            }
          });
  return table;
}

}  // namespace tieline::steps
