#include "connect/catalog.h"

#include <algorithm>
#include <map>
#include <mutex>

#include "base/check.h"
#include "base/text.h"
#include "connect/binding.h"
#include "connect/encode.h"
#include "spec/pattern.h"

namespace tieline::connect {
namespace {

const std::string* value_of(const std::vector<std::pair<std::string, std::string>>& values, std::string_view name) {
  const auto at = std::find_if(values.begin(), values.end(), [&](const auto& value) { return value.first == name; });
  return at == values.end() ? nullptr : &at->second;
}

Result<void> check_variable(const std::string& name, const VariableSpec& spec, const std::string& value) {
  if (!spec.choices.empty() && std::find(spec.choices.begin(), spec.choices.end(), value) == spec.choices.end())
    return failure(Code::kInvalid, "variable `" + name + "` must be one of " + join(spec.choices, ", ") + ", is \"" +
                                       value + "\"" + did_you_mean(value, spec.choices));
  if (spec.pattern.empty()) return {};
  TRY(const spec::Pattern pattern, spec::Pattern::compile(spec.pattern));
  if (!pattern.matches(value))
    return failure(Code::kInvalid, "variable `" + name + "` must match " + spec.pattern + ", is \"" + value + "\"");
  return {};
}

Result<json::Document> bind_variables(const ConnectorPlan& plan, const ConnectionSettings& settings) {
  std::vector<std::string> known;
  for (const auto& [name, spec] : plan.manifest.variables) known.push_back(name);
  if (plan.manifest.version) known.emplace_back("version");
  for (const auto& [name, value] : settings.variables) {
    if (!plan.is_variable(name))
      return failure(Code::kInvalid,
                     plan.manifest.connector.value + " has no variable `" + name + "`" + did_you_mean(name, known));
  }
  json::Builder out;
  out.begin_object();
  for (const auto& [name, spec] : plan.manifest.variables) {
    const std::string* given = value_of(settings.variables, name);
    if (given == nullptr && spec.fallback) given = &*spec.fallback;
    if (given == nullptr) {
      if (spec.optional) continue;
      return failure(Code::kInvalid, "variable `" + name + "` is missing" +
                                         (spec.example.empty() ? "" : ", for example " + spec.example));
    }
    TRY_VOID(check_variable(name, spec, *given));
    out.key(name).string(*given);
  }
  if (plan.manifest.version) {
    const std::string* given = value_of(settings.variables, "version");
    out.key("version").string(given != nullptr ? *given : *plan.manifest.version);
  }
  out.end_object();
  return out.finish();
}

// A template that must have all its values.
Result<std::string> expanded(const TextTemplate& text, Spot spot, const TextTemplate::Lookup& lookup,
                             std::string_view what) {
  auto out = text.expand(spot, lookup);
  if (!out) return failure(std::move(out.error()).in(what));
  if (*out) return std::move(**out);
  for (const TextTemplate::Part& part : text.parts()) {
    if (part.placeholder && !lookup(part.text))
      return failure(Code::kInvalid, std::string(what) + " needs `" + part.text + "`, which is not set");
  }
  return failure(Code::kInvalid, std::string(what) + " has no value");
}

Result<void> bind_address(Binding& binding, const ConnectionSettings& settings) {
  if (binding.plan->actions.empty()) return {};
  if (settings.base_url) {
    binding.base_url = *settings.base_url;
  } else {
    const auto lookup = binding.variable_lookup();
    auto url = binding.plan->base_url.expand(Spot::kBase, lookup);
    if (!url) return failure(std::move(url.error()).in("base_url"));
    // Without an address the connection can receive and not call.
    if (!*url) return {};
    binding.base_url = std::move(**url);
  }
  while (binding.base_url.ends_with('/')) binding.base_url.pop_back();
  const auto origin = url_origin(binding.base_url);
  if (!origin || binding.base_url.find_first_of("?#") != std::string::npos)
    return failure(Code::kInvalid,
                   "base_url must be an address like https://api.example.com/v1, without query and fragment");
  binding.origin = *origin;
  return {};
}

// Not the name of a header, nor of a user with a password: replacing those everywhere would make a kept request
// unreadable. A user without a password is the key itself.
bool is_secret(const AuthPlan& auth, const std::string& field) {
  const bool password = auth.basic && !auth.basic->second.literal();
  if (auth.basic && (auth.basic->second.has(field) || (!password && auth.basic->first.has(field)))) return true;
  return std::any_of(auth.headers.begin(), auth.headers.end(),
                     [&](const NamedText& header) { return header.text.has(field); });
}

Result<void> bind_credentials(Binding& binding, const ConnectionSettings& settings) {
  const auto& methods = binding.plan->auth;
  std::vector<std::string> names;
  for (const AuthPlan& method : methods) names.push_back(method.name);
  if (settings.auth_method.empty()) return {};
  const auto auth = std::find_if(methods.begin(), methods.end(),
                                 [&](const AuthPlan& one) { return one.name == settings.auth_method; });
  if (auth == methods.end())
    return failure(Code::kInvalid, binding.plan->manifest.connector.value + " has no auth method `" +
                                       settings.auth_method + "`" + did_you_mean(settings.auth_method, names));
  if (!auth->available)
    return failure(Code::kUnsupported, "auth method `" + auth->name + "` is not available in this version");
  for (const auto& [field, value] : settings.auth_values) {
    if (std::find(auth->fields.begin(), auth->fields.end(), field) == auth->fields.end())
      return failure(Code::kInvalid, "auth method `" + auth->name + "` has no field `" + field + "`" +
                                         did_you_mean(field, auth->fields));
    if (!value.empty() && is_secret(*auth, field)) binding.secrets.push_back(value);
  }
  for (const std::string& field : auth->fields) {
    if (value_of(settings.auth_values, field) == nullptr)
      return failure(Code::kInvalid, "auth method `" + auth->name + "` needs `" + field + "`");
  }
  const TextTemplate::Lookup lookup = [&](std::string_view name) -> std::optional<std::string> {
    if (const std::string* value = value_of(settings.auth_values, name)) return *value;
    return binding.variable(name);
  };
  const std::string what = "auth." + auth->name;
  for (const NamedText& header : auth->headers) {
    TRY(std::string name, expanded(header.name, Spot::kHeader, lookup, what));
    TRY(std::string value, expanded(header.text, Spot::kHeader, lookup, what));
    if (name.empty() || name.find_first_of(" \t:") != std::string::npos)
      return failure(Code::kInvalid, what + ": a header needs a name without spaces and colons");
    binding.credentials.emplace_back(std::move(name), std::move(value));
  }
  if (auth->basic) {
    TRY(const std::string user, expanded(auth->basic->first, Spot::kHeader, lookup, what));
    TRY(const std::string password, expanded(auth->basic->second, Spot::kHeader, lookup, what));
    if (user.find(':') != std::string::npos) return failure(Code::kInvalid, what + ": the user must not hold a colon");
    binding.credentials.emplace_back("Authorization", "Basic " + to_base64(user + ":" + password));
    binding.secrets.push_back(to_base64(user + ":" + password));
  }
  return {};
}

Result<void> check_budget(const ConnectorPlan& plan, const std::vector<BudgetOverride>& overrides) {
  std::vector<std::string> names;
  for (const LimitPlan& limit : plan.limits) names.push_back(limit.spec.name);
  for (const BudgetOverride& override : overrides) {
    if (!override.bucket.empty() && std::find(names.begin(), names.end(), override.bucket) == names.end())
      return failure(Code::kInvalid, plan.manifest.connector.value + " has no bucket `" + override.bucket + "`" +
                                         did_you_mean(override.bucket, names));
    if (!override.rate && !override.concurrent) return failure(Code::kInvalid, "a budget needs rate or concurrent");
  }
  return {};
}

std::string file_stem(std::string_view file) {
  const std::size_t slash = file.rfind('/');
  if (slash != file.npos) file.remove_prefix(slash + 1);
  return std::string(file.substr(0, file.rfind('.')));
}

}  // namespace

struct Connection::State {
  std::shared_ptr<const Binding> binding;
  std::shared_ptr<const VendorWebhook> webhook;
};

Connection::Connection(std::unique_ptr<State> state) : state_(std::move(state)) {}
Connection::~Connection() = default;
const ConnectionInfo& Connection::info() const { return state_->binding->info; }
std::shared_ptr<const VendorWebhook> Connection::webhook() const { return state_->webhook; }

ActionPtr Connection::action(std::string_view resource, std::string_view action) const {
  const ActionPlan* plan = state_->binding->plan->find(resource, action);
  return plan == nullptr ? nullptr : make_action(state_->binding, plan);
}

SyncSourcePtr Connection::sync(std::string_view resource) const {
  for (const ResourcePlan& plan : state_->binding->plan->resources) {
    if (plan.name == resource) return plan.sync ? make_sync(state_->binding, &plan) : nullptr;
  }
  return nullptr;
}

std::shared_ptr<const Connector> Connector::load(std::string text, const std::string& file, spec::Problems& problems,
                                                 bool embedded) {
  std::optional<Manifest> manifest = parse_manifest(std::move(text), file, problems);
  if (!manifest) return nullptr;
  if (file_stem(file) != manifest->connector.value) {
    problems.error(manifest->connector.place,
                   "the connector is named `" + manifest->connector.value + "`, the file `" + file_stem(file) + "`");
    return nullptr;
  }
  const ConnectorPlanPtr plan =
      compile_plan(std::move(*manifest), embedded ? CompileAt::kFirstUse : CompileAt::kOnce, problems);
  return plan == nullptr ? nullptr : std::make_shared<const Connector>(plan);
}

Connector::Connector(std::shared_ptr<const ConnectorPlan> plan) : plan_(std::move(plan)) {}
Connector::~Connector() = default;
const std::string& Connector::name() const { return plan_->manifest.connector.value; }
const std::string& Connector::title() const { return plan_->manifest.title; }
const std::string& Connector::category() const { return plan_->manifest.category; }

std::vector<VariableInfo> Connector::variables() const {
  std::vector<VariableInfo> out;
  for (const auto& [name, spec] : plan_->manifest.variables)
    out.push_back(
        {name, spec.title, spec.example, spec.pattern, spec.fallback, spec.choices, !spec.fallback && !spec.optional});
  if (plan_->manifest.version)
    out.push_back(
        {"version", "The vendor's API version", *plan_->manifest.version, "", plan_->manifest.version, {}, false});
  return out;
}

std::vector<AuthMethodInfo> Connector::auth_methods() const {
  std::vector<AuthMethodInfo> out;
  for (const AuthPlan& method : plan_->auth) out.push_back({method.name, method.fields, method.available});
  return out;
}

std::vector<std::string> Connector::webhook_secrets() const {
  return plan_->webhooks ? plan_->webhooks->keys : std::vector<std::string>();
}

std::vector<std::string> Connector::buckets() const {
  std::vector<std::string> out;
  for (const LimitPlan& limit : plan_->limits) out.push_back(limit.spec.name);
  return out;
}

std::vector<std::string> Connector::resources() const {
  std::vector<std::string> out;
  for (const auto& [name, spec] : plan_->manifest.resources) out.push_back(name);
  return out;
}

std::vector<std::string> Connector::actions(std::string_view resource) const {
  std::vector<std::string> out;
  for (const auto& action : plan_->actions) {
    if (action->resource == resource) out.push_back(action->action);
  }
  return out;
}

std::vector<std::string> Connector::syncs() const {
  std::vector<std::string> out;
  for (const ResourcePlan& plan : plan_->resources) {
    if (plan.sync) out.push_back(plan.name);
  }
  return out;
}

std::optional<ActionDescription> Connector::find(std::string_view resource, std::string_view action) const {
  const ActionPlan* plan = plan_->find(resource, action);
  if (plan == nullptr) return std::nullopt;
  ActionDescription out{{}, plan->args.others.has_value(), plan->safety, plan->method};
  for (const ArgPlan& arg : plan->args.named) {
    ArgumentInfo info{arg.name,
                      std::string(arg_type_name(arg.type)),
                      arg.required && !arg.fallback,
                      arg.type == ArgType::kRefused,
                      {},
                      false,
                      {}};
    if (info.refused) info.type = "any";
    info.names_argument = arg.names_arg;
    if (arg.names_arg && arg.fallback) info.fallback = std::string(arg.fallback->root().as_string());
    for (const json::Document& choice : arg.choices) info.choices.push_back(scalar_text(choice.root()).value_or(""));
    out.arguments.push_back(std::move(info));
  }
  return out;
}

Result<std::shared_ptr<const Connection>> Connector::bind(const ConnectionSettings& settings) const {
  const auto binding = std::make_shared<Binding>();
  binding->plan = plan_;
  binding->name = settings.name;
  binding->private_addresses = settings.private_addresses;
  TRY(binding->variables, bind_variables(*plan_, settings));
  TRY_VOID(bind_address(*binding, settings));
  TRY_VOID(bind_credentials(*binding, settings));
  const auto lookup = binding->variable_lookup();
  for (const auto& [name, text] : plan_->headers) {
    auto value = text.expand(Spot::kHeader, lookup);
    if (!value) return failure(std::move(value.error()).in("headers." + name));
    if (*value) binding->headers.emplace_back(name, std::move(**value));
  }
  TRY_VOID(check_budget(*plan_, settings.budget));
  binding->info.name = settings.name;
  binding->info.connector = name();
  binding->info.health_action = plan_->health.empty() ? "" : settings.name + "." + plan_->health;
  bind_limits(*binding, settings);
  auto state = std::make_unique<Connection::State>();
  TRY(state->webhook, make_webhook(binding, settings));
  state->binding = binding;
  return std::make_shared<const Connection>(std::move(state));
}

struct Catalog::State {
  struct Entry {
    std::string_view text;  // of an embedded manifest that was not asked for yet
    std::string file;
    std::shared_ptr<const Connector> connector;
  };
  mutable std::mutex mutex;
  mutable std::map<std::string, Entry, std::less<>> entries;
};

Catalog::Catalog() : state_(std::make_unique<State>()) {
  for (const EmbeddedFile& file : embedded_files())
    state_->entries[file_stem(file.path)] = {file.text, std::string(file.path), nullptr};
}
Catalog::~Catalog() = default;

std::vector<std::string> Catalog::connectors() const {
  const std::lock_guard lock(state_->mutex);
  std::vector<std::string> out;
  for (const auto& entry : state_->entries) out.push_back(entry.first);
  return out;
}

const Connector* Catalog::find(std::string_view name) const {
  const std::lock_guard lock(state_->mutex);
  const auto at = state_->entries.find(name);
  if (at == state_->entries.end()) return nullptr;
  State::Entry& entry = at->second;
  if (entry.connector == nullptr) {
    spec::Problems problems;
    entry.connector = Connector::load(std::string(entry.text), entry.file, problems, true);
    CHECK(entry.connector != nullptr);  // the tests load every embedded manifest
  }
  return entry.connector.get();
}

}  // namespace tieline::connect
