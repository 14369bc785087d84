#include "connect/answer.h"

#include <algorithm>
#include <cmath>

#include "base/text.h"
#include "connect/encode.h"
#include "core/reset_header.h"

namespace tieline::connect {
namespace {

constexpr std::size_t kBodyShownMax = 200;
constexpr std::size_t kMessageMax = 1'000;
constexpr Duration kWaitMax{7 * 86'400'000'000LL};  // the engine clamps further

bool says_json(const Headers& headers) {
  const std::string_view type = find_header(headers, "Content-Type");
  const std::string media = to_lower(trim(type.substr(0, type.find(';'))));
  return media.ends_with("/json") || media.ends_with("+json");
}

Category category_of(Judgement judgement, Safety safety) {
  switch (judgement) {
    case Judgement::kTransient: return Category::kTransient;
    case Judgement::kRateLimited: return Category::kRateLimited;
    case Judgement::kAuth: return Category::kAuth;
    case Judgement::kConflict: return Category::kConflict;
    case Judgement::kValidation: return Category::kValidation;
    case Judgement::kPermanent: return Category::kPermanent;
    case Judgement::kMissing: return Category::kMissing;
    case Judgement::kUnknown: break;
  }
  return safety == Safety::kUnsafe ? Category::kUnknown : Category::kTransient;
}

std::string text_of(const ManifestProgramPtr& program, const json::Document& input, const Scope& scope) {
  if (program == nullptr) return {};
  const json::Document value = program->value(input, scope);
  if (const auto text = scalar_text(value.root())) return *text;
  return value.root().is_null() ? std::string() : json::print(value.root());
}

// The vendor's code of an answer, read when it is first asked for: a success hardly ever has one.
class VendorCode {
 public:
  VendorCode(const ConnectorPlan& plan, const Answer& answer) : plan_(plan), answer_(answer) {}
  std::string& text() {
    if (!text_) text_ = text_of(plan_.code, answer_.body(), answer_.scope());
    return *text_;
  }

 private:
  const ConnectorPlan& plan_;
  const Answer& answer_;
  std::optional<std::string> text_;
};

bool holds(const RulePlan& rule, const Answer& answer, VendorCode& code) {
  const int status = answer.exchange().response.status;
  if (!rule.status.empty() &&
      std::none_of(rule.status.begin(), rule.status.end(), [&](const StatusMatch& one) { return one.matches(status); }))
    return false;
  if (!rule.code.empty() && std::find(rule.code.begin(), rule.code.end(), code.text()) == rule.code.end()) return false;
  return rule.when == nullptr || rule.when->holds(answer.whole(), answer.scope());
}

std::optional<Duration> wait_of(const RulePlan* rule, const Answer& answer) {
  if (rule == nullptr || rule->wait == nullptr) return std::nullopt;
  const json::Document seconds = rule->wait->value(answer.whole(), answer.scope());
  if (!seconds.root().is_number()) return std::nullopt;
  const double value = seconds.root().as_double();
  if (!std::isfinite(value) || value < 0) return std::nullopt;
  return Duration(static_cast<std::int64_t>(std::min(value * 1e6, static_cast<double>(kWaitMax.count()))));
}

std::string fallback_message(const Response& response) {
  const std::string shown = valid_utf8(response.body) ? truncated(response.body, kBodyShownMax) : "";
  return "HTTP " + std::to_string(response.status) + (shown.empty() ? "" : ": " + shown);
}

}  // namespace

Answer::Answer(const Exchange& exchange, const Binding& binding) : exchange_(exchange) {
  scope_.variables = &binding.variables;
  scope_.headers = &exchange.response.headers;
  scope_.status = exchange.response.status;
  const Bytes& body = exchange.response.body;
  if (body.empty()) return;
  if (says_json(exchange.response.headers)) {
    auto parsed = json::parse(body);
    if (parsed) {
      body_ = std::move(*parsed);
      return;
    }
    broken_ = true;
  }
  body_ = json::make_string(body);
}

const json::Document& Answer::whole() const {
  if (whole_) return *whole_;
  json::Builder headers;
  headers.begin_object();
  for (const auto& [name, value] : exchange_.response.headers) {
    const std::string lower = to_lower(name);
    headers.key(lower).string(*joined_header(exchange_.response.headers, name));
  }
  headers.end_object();
  json::Builder out;
  out.begin_object().key("status").integer(exchange_.response.status).key("headers").copy(headers.finish().root());
  out.key("body").copy(body_.root()).end_object();
  whole_ = out.finish();
  return *whole_;
}

Verdict judge_answer(const Answer& answer, const Binding& binding, Safety safety, Time now) {
  const ConnectorPlan& plan = *binding.plan;
  const Response& response = answer.exchange().response;
  Verdict verdict;
  VendorCode code(plan, answer);
  const auto rule =
      std::find_if(plan.rules.begin(), plan.rules.end(), [&](const RulePlan& one) { return holds(one, answer, code); });
  const RulePlan* decided = rule == plan.rules.end() ? nullptr : &*rule;
  verdict.category = decided ? category_of(decided->as, safety) : classify(answer.exchange(), safety);
  const bool success = response.status >= 200 && response.status < 300;
  if (!decided && success && answer.broken()) {
    verdict.category = safety == Safety::kUnsafe ? Category::kUnknown : Category::kTransient;
    verdict.message = "the answer says it is JSON and cannot be read as JSON";
    verdict.code = truncated(binding.redacted(std::move(code.text())), kBodyShownMax);
    return verdict;
  }
  if (verdict.category == Category::kDelivered) return verdict;
  if (decided) {
    verdict.message = text_of(decided->message, answer.whole(), answer.scope());
    verdict.bucket = decided->bucket;
  }
  if (verdict.message.empty()) verdict.message = text_of(plan.message, answer.body(), answer.scope());
  if (verdict.message.empty()) verdict.message = fallback_message(response);
  verdict.message = truncated(binding.redacted(std::move(verdict.message)), kMessageMax);
  verdict.code = truncated(binding.redacted(std::move(code.text())), kBodyShownMax);
  const bool retried = verdict.category == Category::kTransient || verdict.category == Category::kRateLimited;
  if (retried) {
    verdict.wait = retry_after(response.headers, now, kWaitMax);
    if (!verdict.wait) verdict.wait = wait_of(decided, answer);
    if (!verdict.wait && verdict.category == Category::kRateLimited)
      verdict.wait = reset_after(response.headers, now, kWaitMax);
  }
  return verdict;
}

Verdict judge_failure(const Exchange& exchange, const Binding& binding, Safety safety) {
  Verdict verdict;
  verdict.category = classify(exchange, safety);
  verdict.message = truncated(binding.redacted(exchange.error.message), kMessageMax);
  return verdict;
}

}  // namespace tieline::connect
