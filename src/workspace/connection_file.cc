#include "workspace/connection_file.h"

#include <algorithm>

#include "base/text.h"
#include "spec/pattern.h"

namespace tieline {

bool spec::Type<workspace::AuthValue>::read(Context& context, const Node& node, workspace::AuthValue& out) {
  out.place = node.place();
  if (node.is_scalar()) {
    Result<SecretRef> reference = parse_secret_ref(node.text());
    if (reference) {
      out.reference = std::move(*reference);
      out.reference.place = node.place();
    } else {
      out.literal = node.text();
    }
    return true;
  }
  return Type<SecretRef>::read(context, node, out.reference);
}

namespace workspace {
namespace {

template <class Infos>
std::vector<std::string> names_of(const Infos& infos) {
  std::vector<std::string> names;
  for (const auto& info : infos) names.push_back(info.name);
  return names;
}

// `"x" is no WHAT of the connector "shopify"; did you mean "y"?` or the list of what there is.
std::string unknown(std::string_view name, std::string_view what, const std::string& connector,
                    const std::vector<std::string>& names) {
  std::string message =
      "the connector \"" + connector + "\" has no " + std::string(what) + " \"" + std::string(name) + "\"";
  const std::string hint = did_you_mean(name, names);
  if (!hint.empty()) return message + hint;
  return names.empty() ? message : message + "; it has " + join(names, ", ");
}

bool matches(const std::string& pattern, const std::string& value) {
  if (pattern.empty()) return true;
  const Result<spec::Pattern> compiled = spec::Pattern::compile(pattern);
  return compiled && compiled->matches(value);
}

// Where the key stands that leads to a value: `path` from the file's root.
Place key_place(const spec::Node& root, std::initializer_list<std::string_view> path) {
  const spec::Node* node = &root;
  Place place = root.place();
  for (const std::string_view key : path) {
    const auto entries = node->entries();
    const auto entry = std::find_if(entries.begin(), entries.end(), [&](const spec::Entry& e) { return e.key == key; });
    if (entry == entries.end()) break;
    place = entry->key_place;
    node = &entry->value;
  }
  return place;
}

// The checks of one connection, part by part.
class Check {
 public:
  Check(const ConnectionFile& file, const ConnectorInfo& connector, const SecretSources& secrets,
        spec::Problems& problems)
      : file_(file), connector_(connector), secrets_(secrets), problems_(problems) {}

  std::optional<ConnectionSettings> run() {
    const std::size_t before = problems_.error_count();
    out_.name = file_.name;
    out_.private_addresses = file_.private_addresses;
    out_.base_url = file_.base_url;
    out_.vendor_limits = file_.limits == HeldLimits::kConnector;
    if (!out_.vendor_limits && !file_.base_url)
      problems_.error(
          file_.node.place(),
          "`limits: none` needs a `base_url`: the vendor itself has limits, whoever ignores them is shut out");
    out_.unsigned_webhooks = file_.verify == VerifyWebhooks::kNone;
    variables();
    auth();
    webhook_secrets();
    budget();
    if (problems_.error_count() != before) return std::nullopt;
    return std::move(out_);
  }

 private:
  void variables() {
    const std::vector<VariableInfo> infos = connector_.variables();
    const std::vector<std::string> names = names_of(infos);
    for (const auto& [name, value] : file_.variables) {
      const auto info =
          std::find_if(infos.begin(), infos.end(), [&one = name](const VariableInfo& i) { return i.name == one; });
      if (info == infos.end()) {
        problems_.error(key_place(file_.node, {"variables", name}),
                        unknown(name, "variable", connector_.name(), names));
      } else if (!info->choices.empty() &&
                 std::find(info->choices.begin(), info->choices.end(), value.value) == info->choices.end()) {
        problems_.error(value.place, "\"" + name + "\" is one of " + join(info->choices, ", ") + ", found \"" +
                                         value.value + "\"" + did_you_mean(value.value, info->choices));
      } else if (!matches(info->pattern, value.value)) {
        problems_.error(value.place, "\"" + value.value + "\" cannot be the variable \"" + name + "\": it must match " +
                                         info->pattern + (info->example.empty() ? "" : ", like " + info->example));
      } else {
        out_.variables.emplace_back(name, value.value);
      }
    }
    for (const VariableInfo& info : infos) {
      const bool set = std::any_of(file_.variables.begin(), file_.variables.end(),
                                   [&](const auto& variable) { return variable.first == info.name; });
      if (!info.required || set) continue;
      problems_.error(file_.connector.place, "the connector \"" + connector_.name() + "\" needs the variable \"" +
                                                 info.name + "\": write `variables: { " + info.name + ": " +
                                                 (info.example.empty() ? "…" : info.example) + " }`");
    }
  }

  void auth() {
    if (file_.auth.empty()) return;
    const std::vector<AuthMethodInfo> methods = connector_.auth_methods();
    if (file_.auth.size() > 1) {
      problems_.error(
          key_place(file_.node, {"auth", file_.auth[1].first}),
          "a connection has one auth method: keep `" + file_.auth[0].first + "` or `" + file_.auth[1].first + "`");
      return;
    }
    const auto& [name, values] = file_.auth[0];
    const auto method =
        std::find_if(methods.begin(), methods.end(), [&one = name](const AuthMethodInfo& m) { return m.name == one; });
    if (method == methods.end()) {
      problems_.error(key_place(file_.node, {"auth", name}),
                      unknown(name, "auth method", connector_.name(), names_of(methods)));
      return;
    }
    if (!method->available) {
      problems_.error(key_place(file_.node, {"auth", name}),
                      "the auth method `" + name + "` is not available in this version", Code::kUnsupported);
      return;
    }
    out_.auth_method = name;
    auth_values(*method, values);
  }

  void auth_values(const AuthMethodInfo& method, const spec::Map<AuthValue>& values) {
    const std::vector<std::string> names = names_of(method.values);
    for (const auto& [key, value] : values) {
      const auto info = std::find_if(method.values.begin(), method.values.end(),
                                     [&one = key](const AuthValueInfo& i) { return i.name == one; });
      if (info == method.values.end()) {
        const std::string hint = did_you_mean(key, names);
        problems_.error(key_place(file_.node, {"auth", method.name, key}),
                        "the auth method `" + method.name + "` takes no \"" + key + "\"" +
                            (hint.empty() ? "; it takes " + join(names, ", ") : hint));
        continue;
      }
      if (!value.reference.empty()) {
        if (auto secret = resolve(value.reference)) out_.auth_values.emplace_back(key, std::move(*secret));
      } else if (info->secret) {
        problems_.error(
            value.place,
            "\"" + key + "\" is a secret, and secrets are not written in YAML: write env:NAME or file:PATH");
      } else {
        out_.auth_values.emplace_back(key, SecretString(value.literal));
      }
    }
    for (const AuthValueInfo& info : method.values) {
      const bool set =
          std::any_of(values.begin(), values.end(), [&](const auto& value) { return value.first == info.name; });
      if (!info.required || set) continue;
      problems_.error(key_place(file_.node, {"auth", method.name}), "the auth method `" + method.name + "` needs \"" +
                                                                        info.name + "\": write `" + info.name + ": " +
                                                                        (info.secret ? "env:NAME" : "…") + "`");
    }
  }

  void webhook_secrets() {
    const std::vector<std::string> names = connector_.webhook_secrets();
    for (const auto& [name, reference] : file_.secrets) {
      if (std::find(names.begin(), names.end(), name) == names.end()) {
        problems_.error(key_place(file_.node, {"secrets", name}),
                        names.empty()
                            ? "the connector \"" + connector_.name() + "\" receives no webhooks: remove `secrets`"
                            : unknown(name, "webhook secret", connector_.name(), names));
      } else if (auto secret = resolve(reference)) {
        out_.webhook_secrets.emplace_back(name, std::move(*secret));
      }
    }
  }

  void budget() {
    if (file_.budget.rate || file_.budget.concurrent) {
      out_.budget.push_back({.bucket = {}, .rate = file_.budget.rate, .concurrent = file_.budget.concurrent});
    }
    const std::vector<std::string> names = connector_.buckets();
    for (const auto& [name, bucket] : file_.budget.buckets) {
      if (std::find(names.begin(), names.end(), name) == names.end()) {
        problems_.error(key_place(file_.node, {"budget", name}),
                        unknown(name, "budget bucket", connector_.name(), names));
      } else {
        out_.budget.push_back({.bucket = name, .rate = bucket.rate, .concurrent = bucket.concurrent});
      }
    }
  }

  std::optional<SecretString> resolve(const spec::SecretRef& reference) {
    Result<SecretString> secret = resolve_secret(reference, secrets_);
    if (!secret) {
      problems_.error(std::move(secret.error()));
      return std::nullopt;
    }
    return std::move(*secret);
  }

  const ConnectionFile& file_;
  const ConnectorInfo& connector_;
  const SecretSources& secrets_;
  spec::Problems& problems_;
  ConnectionSettings out_;
};

}  // namespace

const spec::Table<BucketOverride>& describe(const BucketOverride*) {
  static const auto table =
      spec::Table<BucketOverride>("bucket", "What the connection may spend of one bucket")
          .field("rate", &BucketOverride::rate, {.doc = "At most so many per so long", .example = "90/10s"})
          .field("concurrent", &BucketOverride::concurrent,
                 {.doc = "At most so many at once", .example = "4", .min = "1", .max = "10000"});
  return table;
}

const spec::Table<BudgetFile>& describe(const BudgetFile*) {
  static const auto table =
      spec::Table<BudgetFile>("budget",
                              "What the connection may spend at the vendor, tighter than the "
                              "connector's own limits: of all calls together, or of a named bucket")
          .inherit(describe(static_cast<const BucketOverride*>(nullptr)))
          .rest("BUCKET", &BudgetFile::buckets, {.doc = "One of the connector's buckets"});
  return table;
}

const spec::Names<VerifyWebhooks>& describe(const VerifyWebhooks*) {
  static const spec::Names<VerifyWebhooks> names{
      {VerifyWebhooks::kSignature, "signature", "as the connector says"},
      {VerifyWebhooks::kNone, "none", "anyone who knows the address may send"}};
  return names;
}

const spec::Names<HeldLimits>& describe(const HeldLimits*) {
  static const spec::Names<HeldLimits> names{
      {HeldLimits::kConnector, "connector", "the vendor's, as the connector says"},
      {HeldLimits::kNone, "none", "only the connection's own budget"}};
  return names;
}

const spec::Table<ConnectionFile>& describe(const ConnectionFile*) {
  static const auto table =
      spec::Table<ConnectionFile>("connection", "One account of a connector; the file's name is the connection's name")
          .field("connector", &ConnectionFile::connector,
                 {.doc = "Which connector", .example = "shopify", .required = true})
          .field("variables", &ConnectionFile::variables,
                 {.doc = "The connector's variables", .example = "{ shop: acme }"})
          .field("auth", &ConnectionFile::auth,
                 {.doc = "One of the connector's auth methods with its values: references to secrets",
                  .example = "{ access_token: { token: env:SHOPIFY_TOKEN } }"})
          .field("secrets", &ConnectionFile::secrets,
                 {.doc = "The secrets that the vendor's webhooks are verified with, by the connector's names for them",
                  .example = "{ client_secret: env:SHOPIFY_CLIENT_SECRET }"})
          .field("verify", &ConnectionFile::verify,
                 {.doc = "How webhooks are verified; `none` takes unsigned ones on purpose"})
          .field("budget", &ConnectionFile::budget,
                 {.doc = "What the connection may spend at the vendor", .example = "{ rate: 90/10s }"})
          .field(
              "limits", &ConnectionFile::limits,
              {.doc =
                   "Whether the connector's limits hold; `none` is for a double or a system of your own at `base_url`"})
          .field("base_url", &ConnectionFile::base_url,
                 {.doc = "The address to call instead of the connector's own: a double or a proxy",
                  .example = "\"http://127.0.0.1:9001\"",
                  .pattern = "^https?://[^/?#]+"})
          .field("private_addresses", &ConnectionFile::private_addresses,
                 {.doc = "Whether calls may go to loopback, private and link-local addresses"})
          .reserved("environment", "One of the vendor's environments, like its sandbox")
          .reserved("hooks", "Has Tieline register its address with the vendor")
          .reserved("proxy", "The proxy that calls go through")
          .reserved("scopes", "The scopes that the connection asks for")
          .reserved("self", "How our own changes are recognised when they come back")
          .reserved("tls", "Client certificates and certificate authorities")
          .node(&ConnectionFile::node);
  return table;
}

std::optional<ConnectionSettings> check_connection(const ConnectionFile& file, const ConnectorInfo& connector,
                                                   const SecretSources& secrets, spec::Problems& problems) {
  return Check(file, connector, secrets, problems).run();
}

}  // namespace workspace
}  // namespace tieline
