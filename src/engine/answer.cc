#include "engine/answer.h"

#include <algorithm>

#include "base/text.h"

namespace tieline::engine {
namespace {

constexpr std::size_t kReasonBytesMax = 300;

const AnswerRule* find_rule(const std::vector<AnswerRule>* on, std::string_view answer) {
  if (on == nullptr || answer.empty()) return nullptr;
  const auto found =
      std::find_if(on->begin(), on->end(), [&](const AnswerRule& rule) { return rule.answer == answer; });
  return found == on->end() ? nullptr : &*found;
}

// `what`: empty where it stands before the whole already, as a dead run's category does.
std::string one_line(const RecordBody& outcome, std::string_view what) {
  std::string reason = outcome.action;
  if (!what.empty()) reason += ": " + std::string(what);
  if (!outcome.code.empty()) reason += " (" + outcome.code + ")";
  std::string_view message = outcome.message;
  // What is wrong with the call itself begins with its name already.
  if (message.starts_with(outcome.action + ": ")) message.remove_prefix(outcome.action.size() + 2);
  if (!message.empty()) reason += ": " + std::string(message);
  std::replace(reason.begin(), reason.end(), '\n', ' ');
  return truncated(reason, kReasonBytesMax);
}

Answer ruled(const AnswerRule& rule, const RecordBody& outcome, std::string_view what) {
  Answer answer;
  if (rule.again.count() > 0) {
    answer.then = Answer::Then::kAsk;
    answer.reason = one_line(outcome, what);
    answer.again = rule.again;
    answer.keep_for = rule.keep_for;
    return answer;
  }
  switch (rule.then) {
    case OnAnswer::kContinue: answer.null = true; break;
    case OnAnswer::kSkip:
      answer.then = Answer::Then::kSkip;
      answer.reason = one_line(outcome, what);
      break;
    case OnAnswer::kFail:
      answer.then = Answer::Then::kDead;
      answer.category = Category::kValidation;
      answer.reason = one_line(outcome, what == category_name(answer.category) ? "" : what);
      break;
  }
  return answer;
}

Answer dead(const RecordBody& outcome, Category category) {
  Answer answer;
  answer.then = Answer::Then::kDead;
  answer.category = category;
  answer.reason = one_line(outcome, *outcome.category == category ? "" : category_name(*outcome.category));
  return answer;
}

}  // namespace

Answer interpret(const RecordBody& outcome, const std::vector<AnswerRule>* on, std::uint32_t conflicts,
                 std::uint32_t conflict_tries) {
  const Category category = outcome.category.value_or(Category::kDelivered);
  Answer answer;
  if (outcome.halved) {  // said of others, perhaps
    answer.then = Answer::Then::kLimited;
    return answer;
  }
  if (category == Category::kUnknown) {
    answer.then = Answer::Then::kResolve;
    return answer;
  }
  if (category == Category::kAuth) {
    answer.then = Answer::Then::kHold;
    return answer;
  }
  if (category != Category::kDelivered) {
    if (const AnswerRule* rule = find_rule(on, outcome.code)) return ruled(*rule, outcome, category_name(category));
  }
  switch (category) {
    case Category::kDelivered:
      if (const AnswerRule* rule = outcome.empty ? find_rule(on, "empty") : nullptr)
        return ruled(*rule, outcome, "found nothing");
      return answer;
    case Category::kMissing:
      if (const AnswerRule* rule = find_rule(on, "missing")) return ruled(*rule, outcome, "missing");
      return dead(outcome, Category::kPermanent);
    case Category::kConflict:
      if (const AnswerRule* rule = find_rule(on, "conflict")) return ruled(*rule, outcome, "conflict");
      if (conflicts > conflict_tries) return dead(outcome, Category::kValidation);
      answer.then = Answer::Then::kRetry;
      return answer;
    case Category::kRateLimited: answer.then = Answer::Then::kLimited; return answer;
    case Category::kTransient: answer.then = Answer::Then::kRetry; return answer;
    default: return dead(outcome, category);
  }
}

}  // namespace tieline::engine
