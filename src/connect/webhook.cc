// What a vendor sends to one connection: verified on the raw bytes, decoded, split and made into events. Nothing may be
// parsed before it is verified, and nothing kept that cannot be read again.
#include <algorithm>
#include <unordered_map>

#include "base/text.h"
#include "connect/encode.h"
#include "connect/vendor_time.h"
#include "connect/webhook_verify.h"

namespace tieline::connect {
namespace {

// A form's fields, in the order in which their names first come.
struct Form {
  std::vector<std::pair<std::string, std::vector<std::string>>> fields;
  std::unordered_map<std::string, std::size_t> places;

  void add(std::string name, std::string value) {
    const auto [place, first] = places.try_emplace(name, fields.size());
    if (first) fields.emplace_back(std::move(name), std::vector<std::string>());
    fields[place->second].second.push_back(std::move(value));
  }
};

json::Document object_of_form(const Form& form) {
  json::Builder out;
  out.begin_object();
  for (const auto& [name, values] : form.fields) {
    out.key(name);
    if (values.size() == 1) {
      out.string(values.front());
      continue;
    }
    out.begin_array();
    for (const std::string& value : values) out.string(value);
    out.end_array();
  }
  out.end_object();
  return out.finish();
}

Result<json::Document> decode_form(std::string_view body) {
  Form form;
  for (const std::string_view entry : split(body, '&')) {
    if (entry.empty()) continue;
    const std::size_t equals = entry.find('=');
    TRY(std::string name, percent_decode(entry.substr(0, equals), true));
    TRY(std::string value, percent_decode(equals == entry.npos ? std::string_view() : entry.substr(equals + 1), true));
    form.add(std::move(name), std::move(value));
  }
  return object_of_form(form);
}

Reply json_reply(int status, std::string body) {
  return {status, {{"Content-Type", "application/json"}}, std::move(body)};
}

Refusal refusal(int status, std::string reason, std::string message) {
  const std::string body =
      "{\"error\":" + json::print(json::make_string(status == 401 ? "not verified" : message).root()) + "}";
  return {json_reply(status, body), std::move(reason), std::move(message)};
}

// What a request carries, decoded.
struct Content {
  json::Document document;                  // null when nothing reads it
  std::shared_ptr<const std::string> text;  // a valid JSON text: the body itself where it is one
};

class Webhook final : public VendorWebhook {
 public:
  Webhook(std::shared_ptr<const Binding> binding, std::vector<BoundScheme> schemes, const ConnectionSettings& settings)
      : binding_(std::move(binding)),
        plan_(*binding_->plan->webhooks),
        schemes_(std::move(schemes)),
        verify_none_(settings.verify_none),
        new_id_(settings.new_id ? settings.new_id : &auth::random_id) {
    const auto reads = [](const ManifestProgramPtr& program) { return program != nullptr && program->reads_input(); };
    reads_body_ = plan_.split != nullptr || reads(plan_.handshake_when) || reads(plan_.id) || reads(plan_.type) ||
                  reads(plan_.time) || reads(plan_.subject) || reads(plan_.op);
  }

  const std::string& connection() const override { return binding_->name; }
  tl::expected<Reception, Refusal> receive(const InboundRequest& request) const override;
  Result<InboundRequest> sign_as_vendor(const SendAs& payload) const override;
  SaidInHeaders said_in_headers() const override { return {header_of(plan_.type), header_of(plan_.id)}; }
  std::vector<std::string> schemes() const override {
    std::vector<std::string> out;
    for (const BoundScheme& scheme : schemes_) out.push_back(scheme.name());
    return out;
  }

 private:
  std::optional<Refusal> verify(const InboundRequest& request) const;
  Result<Content> decode(const InboundRequest& request) const;
  Reply handshake_reply(const Content& content, const Scope& scope) const;
  std::string header_of(const ManifestProgramPtr& program) const {
    return program == nullptr ? std::string() : program->first_header(binding_->variables);
  }
  NewEvent event(const json::Document& item, const Scope& scope, const InboundRequest& request) const;

  std::shared_ptr<const Binding> binding_;
  const WebhookPlan& plan_;
  std::vector<BoundScheme> schemes_;
  bool verify_none_;
  bool reads_body_;
  std::function<std::string()> new_id_;
};

std::optional<Refusal> Webhook::verify(const InboundRequest& request) const {
  if (schemes_.empty()) {
    if (verify_none_) return std::nullopt;
    return refusal(401, "no_secret",
                   "the connection has no secret to verify webhooks with: set one of " + join(plan_.keys, ", ") +
                       ", or verify: none");
  }
  std::optional<Unverified> why;
  for (const BoundScheme& scheme : schemes_) {
    auto failed = scheme.check(request);
    if (!failed) return std::nullopt;
    // The scheme that came furthest tells most.
    if (!why || why->reason == "missing_signature") why = std::move(failed);
  }
  return refusal(401, why->reason, why->message);
}

Result<Content> Webhook::decode(const InboundRequest& request) const {
  const std::string_view type = find_header(request.headers, "Content-Type");
  const std::string media = to_lower(trim(type.substr(0, type.find(';'))));
  const bool is_json = plan_.decode == Decode::kJson || media.ends_with("/json") || media.ends_with("+json");
  if (is_json) {
    json::ParseLimits limits;
    limits.depth_max = request.depth_max;
    if (!reads_body_) {
      TRY_VOID(json::validate(*request.body, limits));
      return Content{{}, request.body};
    }
    TRY(json::Document document, json::parse(request.body, limits));
    return Content{std::move(document), request.body};
  }
  json::Document document;
  if (media == "application/x-www-form-urlencoded") {
    TRY(document, decode_form(*request.body));
  } else {
    document = json::make_string(*request.body);
  }
  const auto text = std::make_shared<const std::string>(json::print(document.root()));
  return Content{std::move(document), text};
}

Reply Webhook::handshake_reply(const Content& content, const Scope& scope) const {
  Reply reply{plan_.handshake_status, {}, {}};
  if (!plan_.handshake_json) return reply;
  const auto body =
      plan_.handshake_json->evaluate(content.document, scope, binding_->variable_lookup(), "handshake.reply.json");
  return json_reply(plan_.handshake_status, body ? json::print(body->root()) : "null");
}

NewEvent Webhook::event(const json::Document& item, const Scope& scope, const InboundRequest& request) const {
  const auto read = [&](const ManifestProgramPtr& program) {
    return program == nullptr ? json::Document() : program->value(item, scope);
  };
  const auto text = [&](const ManifestProgramPtr& program) {
    return scalar_text(read(program).root()).value_or(std::string());
  };
  NewEvent out;
  out.source = binding_->name;
  out.id = text(plan_.id);
  if (out.id.empty()) out.id = new_id_();
  out.type = text(plan_.type);
  if (out.type.empty()) out.type = "unknown";
  out.subject = text(plan_.subject);
  out.op = op_from_name(text(plan_.op));
  out.time = vendor_time(read(plan_.time).root()).value_or(request.received);
  out.received = request.received;
  return out;
}

tl::expected<Reception, Refusal> Webhook::receive(const InboundRequest& request) const {
  if (auto refused = verify(request)) return tl::unexpected(std::move(*refused));
  auto content = decode(request);
  if (!content) {
    const Error& error = content.error();
    const std::string at = error.place.line == 0
                               ? ""
                               : " at " + std::to_string(error.place.line) + ":" + std::to_string(error.place.column);
    return tl::unexpected(refusal(400, "malformed_body", error.message + at));
  }
  Scope scope;
  scope.variables = &binding_->variables;
  scope.headers = &request.headers;
  Reception out;
  if (plan_.handshake_when && plan_.handshake_when->holds(content->document, scope)) {
    out.reply = handshake_reply(*content, scope);
    return out;
  }
  if (plan_.split) {
    const json::Document items = plan_.split->value(content->document, scope);
    if (!items.root().is_array())
      return tl::unexpected(refusal(400, "malformed_body", "the body holds no list of events"));
    for (const json::Value value : items.root().elements()) {
      NewEvent one = event(items.part(value), scope, request);
      one.data = std::make_shared<const std::string>(json::print(value));
      out.events.push_back(std::move(one));
    }
  } else {
    NewEvent one = event(content->document, scope, request);
    one.data = std::move(content->text);
    out.events.push_back(std::move(one));
  }
  if (!out.events.empty())
    out.reply = json_reply(200, "{\"id\":" + json::print(json::make_string(out.events.front().id).root()) + "}");
  return out;
}

Result<InboundRequest> Webhook::sign_as_vendor(const SendAs& payload) const {
  if (schemes_.empty() && !verify_none_)
    return failure(Code::kInvalid, "connection " + binding_->name + " has no secret to sign with: set one of " +
                                       join(plan_.keys, ", "));
  InboundRequest out;
  out.method = "POST";
  out.url = payload.url;
  const std::size_t scheme = payload.url.find("://");
  const std::size_t path = payload.url.find('/', scheme == std::string::npos ? 0 : scheme + 3);
  out.target = path == std::string::npos ? "/" : payload.url.substr(path);
  out.body = payload.body;
  out.received = payload.now;
  out.headers.emplace_back("Content-Type", "application/json");
  const auto header = [&](const ManifestProgramPtr& program, const std::string& value) {
    const std::string name = value.empty() ? std::string() : header_of(program);
    if (!name.empty()) out.headers.emplace_back(name, value);
  };
  header(plan_.type, payload.type);
  header(plan_.id, payload.id);
  header(plan_.time, format_time(payload.now));
  if (!schemes_.empty()) schemes_.front().sign(out);
  return out;
}

}  // namespace

Result<std::shared_ptr<const VendorWebhook>> make_webhook(std::shared_ptr<const Binding> binding,
                                                          const ConnectionSettings& settings) {
  if (!binding->plan->webhooks) return std::shared_ptr<const VendorWebhook>();
  const WebhookPlan& plan = *binding->plan->webhooks;
  const auto secret_of = [&](const std::string& name) -> const std::string* {
    for (const auto* values : {&settings.webhook_secrets, &settings.auth_values}) {
      for (const auto& [known, value] : *values) {
        if (known == name && !value.empty()) return &value;
      }
    }
    return nullptr;
  };
  for (const auto& [name, value] : settings.webhook_secrets) {
    if (std::find(plan.keys.begin(), plan.keys.end(), name) == plan.keys.end())
      return failure(Code::kInvalid, binding->plan->manifest.connector.value + " has no webhook secret `" + name + "`" +
                                         did_you_mean(name, plan.keys));
  }
  std::vector<BoundScheme> schemes;
  for (const SchemePlan& scheme : plan.schemes) {
    std::vector<std::string> secrets;
    for (const std::string& key : scheme.spec.keys) {
      if (const std::string* secret = secret_of(key)) secrets.push_back(*secret);
    }
    TRY(auto bound, BoundScheme::bind(scheme, *binding, secrets));
    if (bound) schemes.push_back(std::move(*bound));
  }
  return std::shared_ptr<const VendorWebhook>(
      std::make_shared<Webhook>(std::move(binding), std::move(schemes), settings));
}

}  // namespace tieline::connect
