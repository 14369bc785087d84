#include "sandbox/vendor_rules.h"

#include <algorithm>

#include "base/text.h"
#include "connect/catalog.h"
#include "connect/manifest.h"

namespace tieline::sandbox {
namespace {

using Variables = std::map<std::string, std::string>;

Variables with_defaults(const connect::Manifest& manifest, const Variables& given) {
  Variables all = given;
  for (const auto& [name, variable] : manifest.variables) {
    if (variable.fallback) all.emplace(name, *variable.fallback);
  }
  return all;
}

// The value for this connection, or nothing when the variable has one that is not listed.
template <class X>
std::optional<X> chosen(const std::optional<connect::Chosen<X>>& choice, const Variables& variables) {
  if (!choice) return std::nullopt;
  if (choice->fixed) return choice->fixed;
  const auto value = variables.find(choice->by);
  for (const auto& [name, one] : choice->values) {
    if (value != variables.end() && name == value->second) return one;
  }
  return std::nullopt;
}

std::optional<Limit> limit_of(const connect::LimitSpec& spec, const Variables& variables) {
  Limit limit{.name = spec.name, .points = spec.unit == connect::Unit::kPoints};
  if (const auto rate = chosen(spec.rate, variables)) {
    limit.kind = spec.window == connect::Window::kFixed ? Limit::Kind::kFixed : Limit::Kind::kRolling;
    limit.count = static_cast<double>(rate->count);
    limit.window = rate->per;
  } else if (const auto restore = chosen(spec.restore, variables)) {
    const double per_second = static_cast<double>(restore->count) * 1e6 / static_cast<double>(restore->per.count());
    const auto burst = chosen(spec.burst, variables);
    limit.kind = Limit::Kind::kRestore;
    limit.count = burst ? *burst : per_second;
    limit.window = Duration(static_cast<std::int64_t>(limit.count / per_second * 1e6));
  } else if (const auto concurrent = chosen(spec.concurrent, variables)) {
    limit.kind = Limit::Kind::kConcurrent;
    limit.count = *concurrent;
  } else {
    return std::nullopt;
  }
  limit.applies = spec.applies == connect::Applies::kNamed   ? Limit::Applies::kNamed
                  : spec.applies == connect::Applies::kEvery ? Limit::Applies::kEvery
                                                             : Limit::Applies::kRest;
  for (const connect::Text& per : spec.per) {
    if (per.value == "method") limit.per_method = true;
    if (per.value.starts_with("arg.")) limit.per_args.push_back(per.value.substr(4));
  }
  return limit;
}

// "Bearer {token}": what stands before and after the connection's secret.
CredentialHeader header_of(std::string name, std::string_view text, const connect::Manifest& manifest) {
  const auto is_variable = [&](std::string_view placeholder) {
    for (const auto& [variable, spec] : manifest.variables) {
      if (variable == placeholder) return true;
    }
    return false;
  };
  CredentialHeader header{.name = std::move(name)};
  const std::size_t open = text.find('{'), close = text.find('}');
  if (open == std::string_view::npos || close == std::string_view::npos || close < open ||
      is_variable(text.substr(open + 1, close - open - 1))) {
    header.before = text;
    return header;
  }
  header.before = text.substr(0, open);
  header.after = text.substr(close + 1);
  return header;
}

void add_credentials(VendorRules& rules, const connect::AuthSpec& auth, const connect::Manifest& manifest) {
  constexpr const char* kAuthorization = "Authorization";
  if (auth.bearer) rules.credentials.push_back(header_of(kAuthorization, "Bearer " + auth.bearer->value, manifest));
  if (auth.oauth2) rules.credentials.push_back({.name = kAuthorization, .before = "Bearer ", .after = {}});
  if (auth.basic) {
    // Two secrets are given as one, "user:password"; a fixed password stands behind the user.
    const bool both = auth.basic->user.value.find('{') != std::string::npos &&
                      auth.basic->password.value.find('{') != std::string::npos;
    CredentialHeader header{.name = kAuthorization, .basic = true};
    if (!both) header = header_of(kAuthorization, auth.basic->user.value + ":" + auth.basic->password.value, manifest);
    header.basic = true;
    rules.credentials.push_back(std::move(header));
  }
  for (const auto& [name, text] : auth.header) {
    if (name.find('{') == std::string::npos) rules.credentials.push_back(header_of(name, text.value, manifest));
  }
}

std::string_view path_of_url(std::string_view url) {
  const std::size_t scheme = url.find("://");
  const std::size_t slash = url.find('/', scheme == std::string_view::npos ? 0 : scheme + 3);
  return slash == std::string_view::npos ? std::string_view() : url.substr(slash);
}

}  // namespace

std::vector<std::string> segments_of(std::string_view path) {
  std::vector<std::string> out;
  if (path.starts_with('/')) path.remove_prefix(1);
  if (path.empty()) return out;
  for (const std::string_view segment : split(path, '/')) out.emplace_back(segment);
  return out;
}

bool is_placeholder(std::string_view segment) { return segment.starts_with('{') && segment.find('}') != segment.npos; }

VendorRules rules_of(const connect::Manifest& manifest, const std::map<std::string, std::string>& variables) {
  const Variables values = with_defaults(manifest, variables);
  VendorRules rules;
  for (const auto& [name, auth] : manifest.auth) add_credentials(rules, auth, manifest);
  for (const connect::LimitSpec& spec : manifest.limits) {
    if (auto limit = limit_of(spec, values)) rules.limits.push_back(std::move(*limit));
  }
  if (manifest.base_url) rules.base_path = segments_of(path_of_url(manifest.base_url->value));
  for (const auto& [resource_name, resource] : manifest.resources) {
    for (const auto& [action_name, action] : resource.actions) {
      KnownAction known{.name = resource_name + "." + action_name, .method = std::string(action.method())};
      known.path = segments_of(action.path().value);
      for (const connect::Text& bucket : action.bucket) known.buckets.push_back(bucket.value);
      rules.actions.push_back(std::move(known));
    }
  }
  return rules;
}

namespace {

// As a connection would be refused that sets them so.
Result<void> check_variables(const connect::Manifest& manifest, const Variables& given) {
  std::vector<std::string> known;
  for (const auto& [name, variable] : manifest.variables) known.push_back(name);
  for (const auto& [name, value] : given) {
    const auto variable = std::find_if(manifest.variables.begin(), manifest.variables.end(),
                                       [&](const auto& v) { return v.first == name; });
    if (variable == manifest.variables.end())
      return failure(Code::kInvalid, "there is no variable \"" + name + "\"" + did_you_mean(name, known));
    const std::vector<std::string>& choices = variable->second.choices;
    if (!choices.empty() && std::find(choices.begin(), choices.end(), value) == choices.end())
      return failure(Code::kInvalid, name + " is one of " + join(choices, ", ") + ", not \"" + value + "\"" +
                                         did_you_mean(value, choices));
  }
  return {};
}

}  // namespace

Result<VendorRules> parse_rules(std::string manifest, std::string file,
                                const std::map<std::string, std::string>& variables) {
  spec::Problems problems;
  const auto parsed = connect::parse_manifest(std::move(manifest), std::move(file), problems);
  if (!parsed || !problems.ok()) return failure(problems.first_error());
  TRY_VOID(check_variables(*parsed, variables));
  return rules_of(*parsed, variables);
}

Result<VendorRules> embedded_rules(std::string_view vendor, const std::map<std::string, std::string>& variables) {
  const std::string path = "connectors/" + std::string(vendor) + ".yaml";
  for (const EmbeddedFile& file : connect::embedded_files()) {
    if (file.path == path) return parse_rules(std::string(file.text), path, variables);
  }
  return failure(Code::kNotFound, "there is no manifest of \"" + std::string(vendor) + "\"");
}

}  // namespace tieline::sandbox
