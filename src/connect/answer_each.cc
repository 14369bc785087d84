#include <charconv>
#include <map>

#include "base/text.h"
#include "connect/answer.h"
#include "connect/encode.h"

namespace tieline::connect {
namespace {

constexpr std::size_t kMessageMax = 300;

// The text of a value, or its JSON.
std::string spelled(json::Value value) {
  if (const auto text = scalar_text(value)) return *text;
  return json::print(value);
}

// 409 or "409"; 0 for what is no number.
int status_of(json::Value value) {
  const std::string text = scalar_text(value).value_or("");
  int status = 0;
  std::from_chars(text.data(), text.data() + text.size(), status);
  return status;
}

json::Document copy_of(json::Value value) {
  json::Builder out;
  out.copy(value);
  return out.finish();
}

// An item's refusal is no word on the whole connection: it is neither held for new credentials nor is the budget shut
// for it, but it is tried again where that may help.
Category category_of(int status, Safety safety) {
  Exchange one;
  one.phase = Phase::kAnswered;
  one.response.status = status;
  switch (const Category category = classify(one, safety)) {
    case Category::kDelivered: return Category::kValidation;  // and yet not ok
    case Category::kAuth: return Category::kPermanent;
    case Category::kRateLimited: return Category::kTransient;
    default: return category;
  }
}

class Judge {
 public:
  Judge(const Answer& answer, const EachPlan& each, const Binding& binding, Safety safety)
      : answer_(answer), each_(each), binding_(binding), safety_(safety) {}

  Verdict of(const json::Document& one) const {
    Verdict verdict;
    std::optional<int> status;
    if (each_.status) {
      const json::Document said = each_.status->value(one, answer_.scope());
      status = status_of(said.root());
    }
    const bool success = status && *status >= 200 && *status < 300;
    if (each_.ok ? each_.ok->holds(one, answer_.scope()) : success) {
      verdict.result = each_.result ? each_.result->value(one, answer_.scope()) : one;
      return verdict;
    }
    verdict.category = status ? category_of(*status, safety_) : Category::kValidation;
    json::Document said = each_.error ? each_.error->value(one, answer_.scope()) : one;
    if (said.root().is_null()) said = one;
    verdict.message = truncated(binding_.redacted(spelled(said.root())), kMessageMax);
    return verdict;
  }

  // Whether it happened cannot be told. What may be repeated is.
  Verdict silent(const char* why) const {
    Verdict verdict;
    verdict.category = safety_ == Safety::kUnsafe ? Category::kUnknown : Category::kTransient;
    verdict.message = why;
    return verdict;
  }

 private:
  const Answer& answer_;
  const EachPlan& each_;
  const Binding& binding_;
  const Safety safety_;
};

}  // namespace

std::vector<Verdict> judge_each(const Answer& answer, const EachPlan& each, const Binding& binding, Safety safety,
                                json::Value items) {
  const Judge judge(answer, each, binding, safety);
  const json::Document answers = each.items ? each.items->value(answer.body(), answer.scope()) : answer.body();
  const json::Value list = answers.root();
  if (!list.is_array())
    return {items.size(), judge.silent("the answer does not say what became of each item: `items` gives no list")};
  std::vector<Verdict> out;
  out.reserve(items.size());
  if (each.item_name == nullptr) {
    if (list.size() != items.size())
      return {items.size(), judge.silent("the answer has not as many items as the request")};
    for (const json::Value one : list.elements()) out.push_back(judge.of(answers.part(one)));
    return out;
  }
  // Of several items with one name each has an answer of its own, in their order; or all have the same one.
  struct Named {
    std::vector<json::Value> answers;
    std::size_t next = 0;
  };
  std::map<std::string, Named, std::less<>> named;
  for (const json::Value one : list.elements()) {
    const json::Document name = each.answer_name->value(answers.part(one), answer.scope());
    if (!name.root().is_null()) named[spelled(name.root())].answers.push_back(one);
  }
  Scope scope;
  scope.variables = &binding.variables;
  for (const json::Value item : items.elements()) {
    const json::Document name = each.item_name->value(copy_of(item), scope);
    const auto found = name.root().is_null() ? named.end() : named.find(spelled(name.root()));
    if (found == named.end() ||
        (found->second.answers.size() > 1 && found->second.next == found->second.answers.size())) {
      out.push_back(judge.silent("the answer says nothing of this item"));
      continue;
    }
    Named& same = found->second;
    out.push_back(judge.of(answers.part(same.answers[same.answers.size() == 1 ? 0 : same.next++])));
  }
  return out;
}

}  // namespace tieline::connect
