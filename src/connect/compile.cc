#include <algorithm>
#include <array>

#include "base/text.h"
#include "connect/compiler.h"

namespace tieline::connect {
namespace {

constexpr std::array<std::string_view, 4> kOwnHeaders{"host", "content-length", "transfer-encoding", "connection"};

bool is_reserved_header(std::string_view name) {
  return std::find(kOwnHeaders.begin(), kOwnHeaders.end(), to_lower(name)) != kOwnHeaders.end();
}

void compile_variables(Compiler& compiler) {
  for (const auto& [name, spec] : compiler.plan.manifest.variables) {
    if (name == "version" && compiler.plan.manifest.version)
      compiler.problems.error(spec.place, "`version` is a variable already");
    if (spec.pattern.empty()) continue;
    auto pattern = spec::Pattern::compile(spec.pattern);
    if (!pattern) compiler.problems.error(spec.place, "pattern of `" + name + "`: " + pattern.error().message);
  }
}

// The fields that the connection gives: every placeholder that is not a variable.
void add_fields(const ConnectorPlan& plan, const TextTemplate& text, std::vector<std::string>& fields) {
  for (const TextTemplate::Part& part : text.parts()) {
    if (!part.placeholder || plan.is_variable(part.text)) continue;
    if (std::find(fields.begin(), fields.end(), part.text) == fields.end()) fields.push_back(part.text);
  }
}

void compile_auth(Compiler& compiler) {
  const std::array<std::string, 1> any{"*"};
  for (const auto& [name, spec] : compiler.plan.manifest.auth) {
    AuthPlan auth;
    auth.name = name;
    if (spec.bearer) {
      Text bearer = *spec.bearer;
      bearer.value = "Bearer " + bearer.value;
      auth.headers.push_back({*TextTemplate::parse("Authorization"), compiler.text(bearer, any)});
    }
    for (const auto& [header, text] : spec.header)
      auth.headers.push_back({compiler.text({header, text.place}, any), compiler.text(text, any)});
    if (spec.basic) auth.basic.emplace(compiler.text(spec.basic->user, any), compiler.text(spec.basic->password, any));
    for (const NamedText& header : auth.headers) {
      add_fields(compiler.plan, header.name, auth.fields);
      add_fields(compiler.plan, header.text, auth.fields);
    }
    if (auth.basic) {
      add_fields(compiler.plan, auth.basic->first, auth.fields);
      add_fields(compiler.plan, auth.basic->second, auth.fields);
    }
    if (spec.oauth2) {
      auth.available = false;
      auth.fields = {"client_id", "client_secret"};
      compiler.text(spec.oauth2->authorize);
      compiler.text(spec.oauth2->token);
    }
    compiler.plan.auth.push_back(std::move(auth));
  }
}

void compile_errors(Compiler& compiler) {
  const ErrorsSpec& errors = compiler.plan.manifest.errors;
  compiler.plan.message = compiler.program(errors.message, Sees::kAnswer);
  compiler.plan.code = compiler.program(errors.code, Sees::kAnswer);
  for (const RuleSpec& spec : errors.rules) {
    RulePlan rule{spec.status, spec.code, {}, {}, {}, spec.as, spec.bucket ? spec.bucket->value : ""};
    rule.when = compiler.program(spec.when, Sees::kAnswer);
    rule.wait = compiler.program(spec.wait, Sees::kAnswer);
    rule.message = compiler.program(spec.message, Sees::kAnswer);
    const auto& limits = compiler.plan.manifest.limits;
    if (spec.bucket && std::none_of(limits.begin(), limits.end(),
                                    [&](const LimitSpec& limit) { return limit.name == spec.bucket->value; }))
      compiler.problems.error(spec.bucket->place, "there is no bucket `" + spec.bucket->value + "` in limits");
    if (spec.wait && spec.as != Judgement::kRateLimited && spec.as != Judgement::kTransient)
      compiler.problems.error(spec.place, "`wait` belongs to rate_limited and transient");
    compiler.plan.rules.push_back(std::move(rule));
  }
}

void compile_health(Compiler& compiler) {
  const auto& spec = compiler.plan.manifest.health;
  if (!spec) return;
  const ActionPlan* action = compiler.action_named(spec->call);
  if (action == nullptr) return;
  compiler.plan.health = action->full_name();
  const bool needs = std::any_of(action->args.named.begin(), action->args.named.end(),
                                 [](const ArgPlan& arg) { return arg.required && !arg.fallback; });
  if (action->safety != Safety::kSafe || needs)
    compiler.problems.error(spec->call.place, "`" + spec->call.value + "` must be safe and need no args");
}

}  // namespace

ManifestProgramPtr Compiler::program(const std::optional<spec::ProgramText>& text, Sees sees) {
  if (!text) return nullptr;
  auto compiled = ManifestProgram::compile(*text, sees, at);
  if (compiled) return std::move(*compiled);
  problems.error(std::move(compiled.error()));
  return nullptr;
}

TextTemplate Compiler::text(const Text& text, std::span<const std::string> also) {
  auto parsed = TextTemplate::parse(text.value);
  if (!parsed) {
    parsed.error().place = place_within(text.place, parsed.error().place);
    problems.error(std::move(parsed.error()));
    return {};
  }
  check_names(*parsed, text.place, also);
  return std::move(*parsed);
}

void Compiler::check_names(const TextTemplate& text, const Place& place, std::span<const std::string> also) {
  for (const TextTemplate::Part& part : text.parts()) {
    if (!part.placeholder || plan.is_variable(part.text)) continue;
    if (std::find(also.begin(), also.end(), part.text) != also.end()) continue;
    if (std::find(also.begin(), also.end(), "*") != also.end()) continue;
    if (part.text.starts_with("header.") && std::find(also.begin(), also.end(), "header.X") != also.end()) continue;
    std::vector<std::string> known(also.begin(), also.end());
    for (const auto& variable : plan.manifest.variables) known.push_back(variable.first);
    problems.error(place_within(place, Place{"", 1, static_cast<std::uint32_t>(part.column)}),
                   "`{" + part.text + "}` is neither a variable nor known here" + did_you_mean(part.text, known));
  }
}

const ActionPlan* Compiler::action_named(const Text& name) {
  std::vector<std::string> known;
  for (const auto& action : plan.actions) {
    if (action->full_name() == name.value) return action.get();
    known.push_back(action->full_name());
  }
  problems.error(name.place, "there is no action `" + name.value + "`" + did_you_mean(name.value, known));
  return nullptr;
}

const ActionPlan* ConnectorPlan::find(std::string_view resource, std::string_view action) const {
  for (const auto& plan : actions) {
    if (plan->resource == resource && plan->action == action) return plan.get();
  }
  return nullptr;
}

bool ConnectorPlan::is_variable(std::string_view name) const {
  if (name == "version") return manifest.version.has_value();
  return std::any_of(manifest.variables.begin(), manifest.variables.end(),
                     [&](const auto& variable) { return variable.first == name; });
}

ConnectorPlanPtr compile_plan(Manifest manifest, CompileAt at, spec::Problems& problems) {
  const std::size_t before = problems.error_count();
  const auto plan = std::make_shared<ConnectorPlan>();
  plan->manifest = std::move(manifest);
  Compiler compiler{*plan, problems, at};
  compile_variables(compiler);
  if (plan->manifest.base_url) {
    plan->base_url = compiler.text(*plan->manifest.base_url);
    if (plan->manifest.base_url->value.ends_with('/'))
      problems.error(plan->manifest.base_url->place, "base_url must not end with /");
  } else if (!plan->manifest.resources.empty()) {
    problems.error(plan->manifest.connector.place, "missing key `base_url`: there are actions");
  }
  for (const auto& [name, text] : plan->manifest.headers) {
    if (is_reserved_header(name)) problems.error(text.place, "the header `" + name + "` is the program's own");
    plan->headers.emplace_back(name, compiler.text(text));
  }
  compile_auth(compiler);
  compile_limits(compiler);
  compile_errors(compiler);
  compile_actions(compiler);
  compile_resources(compiler);
  compile_webhooks(compiler);
  compile_health(compiler);
  return problems.error_count() == before ? plan : nullptr;
}

}  // namespace tieline::connect
