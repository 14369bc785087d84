// An action of a connector, bound to a connection: builds requests, judges answers, turns pages, looks again. It must
// never read a clock or send anything.
#include <algorithm>
#include <array>

#include "auth/hash.h"
#include "base/check.h"
#include "base/text.h"
#include "connect/answer.h"
#include "connect/encode.h"

namespace tieline::connect {
namespace {

constexpr std::array<std::string_view, 4> kOwnHeaders{"Host", "Content-Length", "Transfer-Encoding", "Connection"};

void set_header(Headers& headers, std::string_view name, std::string value) {
  for (auto& [known, old] : headers) {
    if (!equals_ignore_case(known, name)) continue;
    old = std::move(value);
    return;
  }
  headers.emplace_back(name, std::move(value));
}

bool is_token(std::string_view name) {
  return !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
  });
}

// `from` with the member that `path` leads to as `value`: what is no object on the way becomes one.
void put_member(json::Builder& out, json::Value from, std::span<const std::string> path, json::Value value) {
  if (path.empty()) {
    out.copy(value);
    return;
  }
  out.begin_object();
  bool there = false;
  for (const auto [name, member] : from.members()) {
    out.key(name);
    there = there || name == path.front();
    name == path.front() ? put_member(out, member, path.subspan(1), value) : void(out.copy(member));
  }
  if (!there) {
    out.key(path.front());
    put_member(out, json::Value(), path.subspan(1), value);
  }
  out.end_object();
}

class BoundAction final : public Action {
 public:
  BoundAction(std::shared_ptr<const Binding> binding, const ActionPlan* plan, NoList no_list)
      : binding_(std::move(binding)), plan_(*plan), lists_must_be_there_(no_list == NoList::kUnreadable) {
    name_ = binding_->name + "." + plan_.full_name();
    connection_ = binding_->name;
    safety_ = plan_.safety;
    has_idempotency_key_ = !plan_.idempotency_header.empty();
    idempotency_keep_ = plan_.idempotency_keep;
    has_find_ = plan_.find.has_value();
    settle_ = plan_.settle;
    if (plan_.each) {
      items_arg_ = plan_.each->arg;
      items_max_ = plan_.each->max;
    }
    for (const BoundSpend& spend : binding_->spends_of(plan)) buckets_.push_back(spend.bucket);
    if (has_find_) target_ = std::make_shared<const BoundAction>(binding_, plan_.find->target, NoList::kEmpty);
  }

  Result<Request> render(const json::Document& args, const CallIdentity& identity) const override {
    auto request = render_checked(args, identity);
    if (!request) return failure(std::move(request.error()).in(name_));
    return request;
  }
  std::vector<Spend> spends(const json::Document& args) const override;
  std::vector<BudgetReading> observe(const Exchange& exchange, const json::Document& args) const override;
  Verdict judge(const Exchange& exchange, Time now) const override;
  std::vector<Verdict> judge_items(const Exchange& exchange, json::Value items) const override;
  Result<std::optional<Request>> next_page(const Request& request, const Exchange& exchange) const override;
  Result<Request> render_find(const json::Document& args, const CallIdentity& identity) const override;
  Verdict judge_find(const Exchange& exchange, Time now) const override;

 private:
  Result<Request> render_checked(const json::Document& args, const CallIdentity& identity) const;
  Result<void> render_url(Request& request, const json::Document& args, const TextTemplate::Lookup& lookup) const;
  Result<void> render_body(Request& request, const json::Document& args, const TextTemplate::Lookup& lookup) const;
  Result<void> render_headers(Request& request, const json::Document& args, const TextTemplate::Lookup& lookup) const;
  // The value of a data field; null where the action has none.
  Result<json::Document> data(const std::optional<DataPlan>& field, const json::Document& args,
                              const TextTemplate::Lookup& lookup, const char* name) const;
  TextTemplate::Lookup lookup_in(const json::Document& args) const;
  std::string spend_key(const BoundSpend& spend, const json::Document& args) const;
  void read_result(const Answer& answer, Verdict& verdict) const;
  Result<std::optional<Request>> follow_cursor(const Request& request, const Answer& answer) const;
  Result<std::optional<Request>> follow_link(const Request& request, const Answer& answer) const;

  std::shared_ptr<const Binding> binding_;
  const ActionPlan& plan_;
  std::shared_ptr<const BoundAction> target_;
  const bool lists_must_be_there_;
};

TextTemplate::Lookup BoundAction::lookup_in(const json::Document& args) const {
  return [this, root = args.root()](std::string_view name) -> std::optional<std::string> {
    if (root.has(name)) return scalar_text(root[name]);
    return binding_->variable(name);
  };
}

Result<json::Document> BoundAction::data(const std::optional<DataPlan>& field, const json::Document& args,
                                         const TextTemplate::Lookup& lookup, const char* name) const {
  if (!field) return json::Document();
  Scope scope;
  scope.variables = &binding_->variables;
  return field->evaluate(args, scope, lookup, name);
}

Result<Request> BoundAction::render_checked(const json::Document& args, const CallIdentity& identity) const {
  TRY(const json::Document checked, check_args(plan_.args, args));
  const TextTemplate::Lookup lookup = lookup_in(checked);
  Request request;
  request.method = plan_.method;
  request.timeout = timeout_;
  request.repeatable = safety_ != Safety::kUnsafe;
  request.private_addresses = binding_->private_addresses;
  request.secrets = binding_->secrets;
  constexpr std::size_t kOwn = 4;  // User-Agent, Accept, Content-Type and an idempotency key
  request.headers.reserve(kOwn + binding_->headers.size() + binding_->credentials.size());
  TRY_VOID(render_url(request, checked, lookup));
  set_header(request.headers, "User-Agent", "Tieline");
  set_header(request.headers, "Accept", "application/json");
  TRY_VOID(render_body(request, checked, lookup));
  for (const auto& [name, value] : binding_->headers) set_header(request.headers, name, value);
  TRY_VOID(render_headers(request, checked, lookup));
  if (has_idempotency_key_) {
    const std::string action = plan_.full_name();
    const std::array<std::string_view, 5> parts{connection_, "\n", action, "\n", identity.key};
    set_header(request.headers, plan_.idempotency_header,
               to_hex(auth::digest(auth::Hash::kSha256, parts)).substr(0, plan_.idempotency_max));
  }
  for (const auto& [name, value] : binding_->credentials) set_header(request.headers, name, value);
  return request;
}

Result<void> BoundAction::render_url(Request& request, const json::Document& args,
                                     const TextTemplate::Lookup& lookup) const {
  if (binding_->base_url.empty()) return failure(Code::kInvalid, "the connection has no base_url to call");
  TRY(const std::optional<std::string> path, plan_.path.expand(Spot::kPath, lookup));
  if (!path) return failure(Code::kInvalid, "a part of the path has no value");
  request.url = binding_->base_url + (path->starts_with('/') ? "" : "/") + *path;
  TRY(const json::Document query, data(plan_.query, args, lookup, "query"));
  auto text = encode_query(query.root());
  if (!text) return failure(std::move(text.error()).in("query"));
  if (!text->empty()) request.url += "?" + *text;
  if (plan_.page && !plan_.page->limit.empty() && !url_query_value(request.url, plan_.page->limit))
    request.url = url_with_query(request.url, plan_.page->limit, std::to_string(plan_.page->size));
  return {};
}

Result<void> BoundAction::render_body(Request& request, const json::Document& args,
                                      const TextTemplate::Lookup& lookup) const {
  TRY(const json::Document body, data(plan_.body, args, lookup, "body"));
  TRY(const json::Document form, data(plan_.form, args, lookup, "form"));
  if (!body.root().is_null() && !form.root().is_null())
    return failure(Code::kInvalid, "body and form cannot both be sent");
  if (!body.root().is_null()) {
    request.body = json::print(body.root());
    set_header(request.headers, "Content-Type", "application/json");
  } else if (!form.root().is_null()) {
    auto text = encode_form(form.root());
    if (!text) return failure(std::move(text.error()).in("form"));
    request.body = std::move(*text);
    set_header(request.headers, "Content-Type", "application/x-www-form-urlencoded");
  }
  return {};
}

Result<void> BoundAction::render_headers(Request& request, const json::Document& args,
                                         const TextTemplate::Lookup& lookup) const {
  TRY(const json::Document headers, data(plan_.headers, args, lookup, "headers"));
  if (!headers.root().is_object() && !headers.root().is_null())
    return failure(Code::kInvalid, "headers must be an object");
  for (const json::KeyValue member : headers.root().members()) {
    if (member.value.is_null()) continue;
    const std::string name(member.key);
    const auto value = scalar_text(member.value);
    if (!is_token(name) || !value || value->find_first_of(std::string_view("\r\n\0", 3)) != std::string::npos)
      return failure(Code::kInvalid, "the header `" + name + "` needs a plain name and one line of text");
    const auto same = [&](std::string_view other) { return equals_ignore_case(other, name); };
    if (std::any_of(kOwnHeaders.begin(), kOwnHeaders.end(), same) ||
        std::any_of(binding_->credentials.begin(), binding_->credentials.end(),
                    [&](const auto& credential) { return same(credential.first); }))
      return failure(Code::kInvalid, "the header `" + name + "` cannot be set here");
    set_header(request.headers, name, *value);
  }
  return {};
}

std::string BoundAction::spend_key(const BoundSpend& spend, const json::Document& args) const {
  std::string key;
  for (const std::string& arg : spend.key_args) {
    if (!key.empty()) key += '\n';
    key += scalar_text(args.root()[arg]).value_or("");
  }
  return key;
}

std::vector<Spend> BoundAction::spends(const json::Document& args) const {
  std::vector<Spend> out;
  for (const BoundSpend& spend : binding_->spends_of(&plan_)) out.push_back({spend.bucket, spend_key(spend, args), 1});
  return out;
}

std::vector<BudgetReading> BoundAction::observe(const Exchange& exchange, const json::Document& args) const {
  std::vector<BudgetReading> out;
  if (exchange.phase != Phase::kAnswered) return out;
  std::optional<Answer> answer;
  for (const BoundSpend& spend : binding_->spends_of(&plan_)) {
    if (spend.limit == nullptr || (!spend.limit->actual && !spend.limit->observe)) continue;
    if (!answer) answer.emplace(exchange, *binding_);
    BudgetReading reading;
    reading.bucket = spend.bucket;
    reading.key = spend_key(spend, args);
    const auto number = [&](json::Value value) {
      return value.is_number() ? std::optional(value.as_double() / spend.points) : std::nullopt;
    };
    if (spend.limit->actual) {
      const json::Document actual = spend.limit->actual->value(answer->body(), answer->scope());
      reading.actual = number(actual.root());
    }
    if (spend.limit->observe) {
      const json::Document seen = spend.limit->observe->value(answer->body(), answer->scope());
      reading.limit = number(seen.root()["limit"]);
      reading.used = number(seen.root()["used"]);
      reading.left = number(seen.root()["left"]);
      reading.restore = number(seen.root()["restore"]);
      if (const json::Value reset = seen.root()["reset"]; reset.is_number()) reading.reset = reset.as_double();
    }
    if (reading.reset || reading.actual || reading.limit || reading.used || reading.left || reading.restore)
      out.push_back(std::move(reading));
  }
  return out;
}

// What a program makes of the body; a failure that comes of numbers the mapping engine cannot hold is not an empty
// result.
void BoundAction::read_result(const Answer& answer, Verdict& verdict) const {
  const auto unreadable = [&](const std::string& why) {
    verdict.category = Category::kValidation;
    verdict.happened = safety_ != Safety::kSafe;
    verdict.message = "the call was made, and its answer cannot be read: " + binding_->redacted(why);
    verdict.result = {};
  };
  const auto run = [&](const ManifestProgramPtr& program) -> std::optional<json::Document> {
    auto out = program->run(answer.body(), answer.scope());
    if (out) return *out ? std::move(**out) : json::Document();
    if (!lists_must_be_there_ && !answer.body().has_inexact_numbers()) return json::Document();
    unreadable(out.error().message);
    return std::nullopt;
  };
  if (plan_.returns == Returns::kNone) return;
  if (lists_must_be_there_ && answer.exchange().response.status == 204) {
    json::Builder none;
    none.begin_array().end_array();
    verdict.result = none.finish();
    verdict.empty = true;
    return;
  }
  if (lists_must_be_there_ && !answer.body().root().is_object() && !answer.body().root().is_array()) {
    // A page of somebody else, who stands before the vendor.
    verdict.category = Category::kTransient;
    verdict.message = "the answer is no JSON document of the vendor's";
    return;
  }
  const ManifestProgramPtr whole = plan_.result ? plan_.result : plan_.page ? plan_.page->items : nullptr;
  if (!plan_.results.empty()) {
    json::Builder out;
    out.begin_object();
    for (const auto& [key, program] : plan_.results) {
      const auto value = run(program);
      if (!value) return;
      out.key(key).copy(value->root());
    }
    out.end_object();
    verdict.result = out.finish();
  } else if (whole) {
    auto value = run(whole);
    if (!value) return;
    verdict.result = std::move(*value);
  } else {
    verdict.result = answer.body();
  }
  if (plan_.returns == Returns::kOne) {
    verdict.empty = safety_ == Safety::kSafe && verdict.result.root().is_null();
    return;
  }
  if (verdict.result.root().is_null() && lists_must_be_there_) {
    unreadable("it holds no list");
    return;
  }
  if (verdict.result.root().is_null()) {
    json::Builder out;
    out.begin_array().end_array();
    verdict.result = out.finish();
  }
  if (!verdict.result.root().is_array()) {
    unreadable("the answer's items are not a list but " + std::string(json::kind_name(verdict.result.root().kind())));
    return;
  }
  verdict.empty = verdict.result.root().size() == 0;
}

Verdict BoundAction::judge(const Exchange& exchange, Time now) const {
  if (exchange.phase != Phase::kAnswered) return judge_failure(exchange, *binding_, safety_);
  const Answer answer(exchange, *binding_);
  Verdict verdict = judge_answer(answer, *binding_, safety_, now);
  if (verdict.category == Category::kDelivered && !plan_.each) read_result(answer, verdict);
  return verdict;
}

std::vector<Verdict> BoundAction::judge_items(const Exchange& exchange, json::Value items) const {
  CHECK(plan_.each);
  return judge_each(Answer(exchange, *binding_), *plan_.each, *binding_, safety_, items);
}

Result<std::optional<Request>> BoundAction::next_page(const Request& request, const Exchange& exchange) const {
  if (!plan_.page || exchange.phase != Phase::kAnswered) return std::optional<Request>();
  const Answer answer(exchange, *binding_);
  if (plan_.page->more) {
    const json::Document more = plan_.page->more->value(answer.body(), answer.scope());
    if (more.root().kind() != json::Kind::kBool || !more.root().as_bool()) return std::optional<Request>();
  }
  return plan_.page->from == nullptr ? follow_link(request, answer) : follow_cursor(request, answer);
}

Result<std::optional<Request>> BoundAction::follow_cursor(const Request& request, const Answer& answer) const {
  const json::Document value = plan_.page->from->value(answer.body(), answer.scope());
  if (value.root().is_null()) return std::optional<Request>();
  const auto cursor = scalar_text(value.root());
  if (!cursor) return failure(Code::kInvalid, name_ + ": the next page's cursor is not a text");
  if (cursor->empty()) return std::optional<Request>();
  const auto again = [&] { return failure(Code::kInvalid, name_ + ": the vendor names the same next page again"); };
  Request next = request;
  if (plan_.page->body_cursor.empty()) {
    if (url_query_value(request.url, plan_.page->cursor) == *cursor) return again();
    next.url = url_with_query(request.url, plan_.page->cursor, *cursor);
    return std::optional(std::move(next));
  }
  TRY(const json::Document body, json::parse(request.body));
  json::Value present = body.root();
  for (const std::string& name : plan_.page->body_cursor) present = present[name];
  if (scalar_text(present) == *cursor) return again();
  json::Builder out;
  put_member(out, body.root(), plan_.page->body_cursor, value.root());
  next.body = json::print(out.finish().root());
  return std::optional(std::move(next));
}

Result<std::optional<Request>> BoundAction::follow_link(const Request& request, const Answer& answer) const {
  const auto header = joined_header(answer.exchange().response.headers, "Link");
  if (!header) return std::optional<Request>();
  auto target = link_target(*header, plan_.page->link);
  if (!target) return std::optional<Request>();
  // From the host's root; a path relative to this page's would have to be guessed.
  if (target->starts_with('/') && !target->starts_with("//"))
    *target = binding_->base_url.substr(0, binding_->base_url.find('/', binding_->base_url.find("://") + 3)) + *target;
  if (url_origin(*target) != binding_->origin)
    return failure(Code::kDenied, name_ + ": the next page is at another address, which must not get our credentials");
  if (*target == request.url) return failure(Code::kInvalid, name_ + ": the vendor names the same next page again");
  Request next = request;
  next.url = std::move(*target);
  return std::optional(std::move(next));
}

Result<Request> BoundAction::render_find(const json::Document& args, const CallIdentity& identity) const {
  CHECK(plan_.find);
  auto checked = check_args(plan_.args, args);
  if (!checked) return failure(std::move(checked.error()).in(name_));
  Scope scope;
  scope.variables = &binding_->variables;
  if (plan_.find->condition && !plan_.find->condition->holds(*checked, scope))
    return failure(Code::kUnsupported, name_ + ": what this call did cannot be looked for");
  auto with = data(plan_.find->with, *checked, lookup_in(*checked), "find.with");
  if (!with) return failure(std::move(with.error()).in(name_));
  return target_->render(*with, identity);
}

Verdict BoundAction::judge_find(const Exchange& exchange, Time now) const {
  CHECK(plan_.find);
  Verdict verdict = target_->judge(exchange, now);
  if (verdict.category != Category::kDelivered) return verdict;
  json::Document found = verdict.result;
  if (verdict.empty || found.root().is_null()) {
    verdict.category = Category::kMissing;
    verdict.message = "it is not there";
    verdict.result = {};
    return verdict;
  }
  verdict.empty = false;
  if (target_->plan_.returns == Returns::kList) {
    if (found.root().size() > 1) {
      verdict.category = Category::kPermanent;
      verdict.message = "more than one that may be it was found";
      verdict.result = {};
      return verdict;
    }
    found = found.part(found.root().at(0));
  }
  Scope scope;
  scope.variables = &binding_->variables;
  verdict.result = plan_.find->result ? plan_.find->result->value(found, scope) : found;
  return verdict;
}

}  // namespace

std::shared_ptr<const Action> make_action(std::shared_ptr<const Binding> binding, const ActionPlan* plan,
                                          NoList no_list) {
  return std::make_shared<const BoundAction>(std::move(binding), plan, no_list);
}

}  // namespace tieline::connect
