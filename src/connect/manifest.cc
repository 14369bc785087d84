#include "connect/manifest.h"

#include "connect/manifest_tables.h"
#include "json/zone.h"

namespace tieline::connect {
const spec::Table<VariableSpec>& describe(const VariableSpec*) {
  static const auto table =
      spec::Table<VariableSpec>("variable", "What a connection may set")
          .field("title", &VariableSpec::title, {.doc = "What it is, for people"})
          .field("example", &VariableSpec::example, {.doc = "A value as it looks"})
          .field("default", &VariableSpec::fallback, {.doc = "The value where the connection sets none"})
          .field("enum", &VariableSpec::choices, {.doc = "The values it may have"})
          .field("pattern", &VariableSpec::pattern, {.doc = "What the value must match; anchor with ^ and $"})
          .field("optional", &VariableSpec::optional, {.doc = "It may stay without a value"})
          .place(&VariableSpec::place);
  return table;
}

const spec::Table<BasicSpec>& describe(const BasicSpec*) {
  static const auto table = spec::Table<BasicSpec>("basic", "User and password (RFC 7617)")
                                .field("user", &BasicSpec::user, {.doc = "The user", .required = true})
                                .field("password", &BasicSpec::password, {.doc = "The password", .required = true});
  return table;
}

const spec::Names<Grant>& describe(const Grant*) {
  static const spec::Names<Grant> names{{Grant::kAuthorizationCode, "authorization_code"},
                                        {Grant::kAuthorizationCode, "client_credentials", "", true},
                                        {Grant::kAuthorizationCode, "jwt_bearer", "", true},
                                        {Grant::kAuthorizationCode, "token_exchange", "", true}};
  return names;
}

const spec::Names<ClientAuth>& describe(const ClientAuth*) {
  static const spec::Names<ClientAuth> names{{ClientAuth::kBasic, "basic", "as a header"},
                                             {ClientAuth::kBody, "body", "as form fields"}};
  return names;
}

const spec::Names<Refresh>& describe(const Refresh*) {
  static const spec::Names<Refresh> names{{Refresh::kNone, "none"},
                                          {Refresh::kReusable, "reusable", "the old token stays"},
                                          {Refresh::kRotating, "rotating", "each answer carries a new one"},
                                          {Refresh::kMaybeRotating, "maybe_rotating", "a new one replaces the old"}};
  return names;
}

const spec::Table<OAuth2Spec>& describe(const OAuth2Spec*) {
  static const auto table = [] {
    auto made = spec::Table<OAuth2Spec>("oauth2", "Tokens by OAuth 2")
                    .field("grant", &OAuth2Spec::grant, {.doc = "How the first token is got", .required = true})
                    .field("authorize", &OAuth2Spec::authorize, {.doc = "Where the person agrees", .required = true})
                    .field("token", &OAuth2Spec::token, {.doc = "Where tokens are given out", .required = true})
                    .field("client_auth", &OAuth2Spec::client_auth, {.doc = "How the client proves itself"})
                    .field("scopes", &OAuth2Spec::scopes, {.doc = "Always asked for"})
                    .field("refresh", &OAuth2Spec::refresh, {.doc = "What happens to a refresh token when it is used"})
                    .field("expires", &OAuth2Spec::expires,
                           {.doc = "How long a token lives where the answer does not say", .example = "30m"})
                    .check([](const OAuth2Spec& spec, const spec::Node& node, spec::Problems& problems) {
                      if (spec.expires != "unknown" && !parse_duration(spec.expires))
                        problems.error(node.place(), "`expires` must be a duration like 30m, or unknown");
                      for (const Text* address : {&spec.authorize, &spec.token}) {
                        if (!address->value.starts_with("https://"))
                          problems.error(address->place, "must begin with https://");
                      }
                    });
    for (const std::string_view name : {"send_as", "pkce", "revoke", "introspect", "params", "token_headers",
                                        "token_format", "client_key", "refresh_grace", "refresh_idle", "expired_when",
                                        "expires_at", "after", "keep", "redirect_check", "redirect_keep"})
      std::move(made).reserved(name, "OAuth 2, later");
    return made;
  }();
  return table;
}

const spec::Table<AuthSpec>& describe(const AuthSpec*) {
  static const auto table = [] {
    auto made =
        spec::Table<AuthSpec>("auth", "One way to authenticate calls")
            .field("bearer", &AuthSpec::bearer, {.doc = "Sends Authorization: Bearer", .example = "\"{token}\""})
            .field("basic", &AuthSpec::basic, {.doc = "Sends Authorization: Basic"})
            .field("header", &AuthSpec::header, {.doc = "Headers that carry the credentials"})
            .field("oauth2", &AuthSpec::oauth2, {.doc = "Tokens by OAuth 2; checked, and not usable yet"})
            .place(&AuthSpec::place)
            .check([](const AuthSpec& spec, const spec::Node& node, spec::Problems& problems) {
              const int kinds = int{spec.bearer.has_value()} + int{spec.basic.has_value()} + int{!spec.header.empty()} +
                                int{spec.oauth2.has_value()};
              if (kinds != 1) problems.error(node.place(), "exactly one of bearer, basic, header, oauth2 is needed");
            });
    for (const std::string_view name : {"query", "body", "oauth1", "hmac", "mtls", "session", "base_url"})
      std::move(made).reserved(name, "another kind of authentication, later");
    return made;
  }();
  return table;
}

namespace {

template <class X>
spec::Custom<Chosen<X>> chosen(std::string what, std::string schema) {
  const auto read = [](const spec::Node& node, spec::Problems& problems) -> std::optional<Chosen<X>> {
    Chosen<X> out;
    out.place = node.place();
    if (!node.is_map()) {
      auto value = spec::parse<X>(node, problems);
      if (!value) return std::nullopt;
      out.fixed = *value;
      return out;
    }
    bool ok = true;
    for (const spec::Entry& entry : node.entries()) {
      if (entry.key == "by") {
        out.by = entry.value.text();
        continue;
      }
      auto value = spec::parse<X>(entry.value, problems);
      ok = ok && value;
      if (value) out.values.emplace_back(entry.key, *value);
    }
    if (out.by.empty()) problems.error(node.place(), "`by` must name the variable that chooses");
    return ok && !out.by.empty() ? std::optional(std::move(out)) : std::nullopt;
  };
  return {what + ", or {by: VARIABLE, VALUE: …}", "by variable", std::move(schema), read, {}};
}

}  // namespace

const spec::Custom<ChosenRate>& describe(const ChosenRate*) {
  static const auto custom = chosen<spec::Rate>("a rate like 90/10s", R"({"type":["string","object"]})");
  return custom;
}

const spec::Custom<ChosenCount>& describe(const ChosenCount*) {
  static const auto custom = chosen<std::uint32_t>("a whole number", R"({"type":["integer","object"]})");
  return custom;
}

const spec::Names<Unit>& describe(const Unit*) {
  static const spec::Names<Unit> names{
      {Unit::kRequests, "requests"}, {Unit::kPoints, "points"}, {Unit::kPoints, "tokens", "", true}};
  return names;
}

const spec::Names<Window>& describe(const Window*) {
  static const spec::Names<Window> names{{Window::kRolling, "rolling", "never more in any such time"},
                                         {Window::kFixed, "fixed", "counted from midnight UTC, or the `zone`'s, on"}};
  return names;
}

const spec::Names<SharedWith>& describe(const SharedWith*) {
  static const spec::Names<SharedWith> names{
      {SharedWith::kNobody, "nobody", "only this connection spends it"},
      {SharedWith::kOutside, "outside",
       "others do, too: answers can only show more spent, and a tenth is left to them"}};
  return names;
}

const spec::Names<Applies>& describe(const Applies*) {
  static const spec::Names<Applies> names{{Applies::kRest, "rest", "actions that name no bucket"},
                                          {Applies::kNamed, "named", "only actions that name it"},
                                          {Applies::kEvery, "every", "all actions"}};
  return names;
}

namespace {

// A day of a zone is from midnight to midnight there: of any other window that says nothing.
void check_zone(const LimitSpec& spec, spec::Problems& problems) {
  if (!spec.zone) return;
  if (const auto zone = json::find_zone(spec.zone->value); !zone)
    problems.error(spec.zone->place, zone.error().message);
  const auto daily = [](const spec::Rate& rate) { return rate.per == std::chrono::hours(24); };
  bool days = spec.rate && spec.window == Window::kFixed && (!spec.rate->fixed || daily(*spec.rate->fixed));
  if (days) {
    for (const auto& [name, rate] : spec.rate->values) days = days && daily(rate);
  }
  if (!days)
    problems.error(spec.zone->place, "`zone` is for days: write `window: fixed` and a rate per day, like 10000/d");
}

void check_limit(const LimitSpec& spec, const spec::Node& node, spec::Problems& problems) {
  check_zone(spec, problems);
  const int kinds = int{spec.rate.has_value()} + int{spec.restore.has_value()} + int{spec.concurrent.has_value()};
  if (kinds != 1) problems.error(node.place(), "exactly one of rate, restore, concurrent is needed");
  if (spec.burst && !spec.restore) problems.error(node.place(), "`burst` belongs to `restore`");
  for (const Text& per : spec.per) {
    if (per.value == "account" || per.value == "method" || (per.value.starts_with("arg.") && per.value.size() > 4))
      continue;
    if (per.value == "app" || per.value == "user" || per.value == "shop") {
      problems.error(per.place, "`" + per.value + "` is not available in this version", Code::kUnsupported);
    } else {
      problems.error(per.place, "expected account, method or arg.NAME, found \"" + per.value + "\"");
    }
  }
}

}  // namespace

const spec::Table<LimitSpec>& describe(const LimitSpec*) {
  static const auto table =
      spec::Table<LimitSpec>("limit", "One bucket of what the vendor allows")
          .field("name", &LimitSpec::name,
                 {.doc = "Unique in the manifest", .pattern = "^[a-z][a-z0-9_]*$", .required = true})
          .field("unit", &LimitSpec::unit, {.doc = "What is counted"})
          .field("rate", &LimitSpec::rate, {.doc = "At most so many in so long", .example = "190/10s"})
          .field("window", &LimitSpec::window, {.doc = "How a rate is counted"})
          .field("restore", &LimitSpec::restore, {.doc = "So many come back, continuously", .example = "2/s"})
          .field("burst", &LimitSpec::burst, {.doc = "The bucket's size", .fallback = "what one second restores"})
          .field("concurrent", &LimitSpec::concurrent, {.doc = "At most so many at once"})
          .field("per", &LimitSpec::per,
                 {.doc = "What has a counter of its own", .fallback = "account", .one_or_list = true})
          .field("applies", &LimitSpec::applies, {.doc = "Which actions spend it"})
          .field("estimate", &LimitSpec::estimate, {.doc = "What a call takes before it leaves", .min = "0"})
          .field("actual", &LimitSpec::actual, {.doc = "What the answer says that the call took"})
          .field("observe", &LimitSpec::observe, {.doc = "What the answer says of the bucket"})
          .field("shared_with", &LimitSpec::shared_with, {.doc = "Who else spends it"})
          .field("zone", &LimitSpec::zone,
                 {.doc = "The zone whose midnight begins a day's window", .example = "America/Los_Angeles"})
          .reserved("reset", "Told by `observe`", "`reset` is told by the answer: write `observe: { reset: PROGRAM }`")
          .reserved("tighten", "Whether an observed limit replaces this one")
          .reserved("cost", "What one action takes")
          .place(&LimitSpec::place)
          .check(check_limit);
  return table;
}

const spec::Custom<StatusMatch>& describe(const StatusMatch*) {
  static const spec::Custom<StatusMatch> custom{
      "a status like 429, or a class like 4xx",
      "status",
      R"({"type":["integer","string"]})",
      [](const spec::Node& node, spec::Problems& problems) -> std::optional<StatusMatch> {
        const std::string& text = node.text();
        if (text.size() == 3 && text[0] >= '1' && text[0] <= '5') {
          const int hundreds = (text[0] - '0') * 100;
          if (text.ends_with("xx")) return StatusMatch{hundreds, hundreds + 99};
          if (text.find_first_not_of("0123456789") == std::string::npos) {
            const int status = std::stoi(text);
            return StatusMatch{status, status};
          }
        }
        problems.error(node.place(), "expected a status like 429, or a class like 4xx");
        return std::nullopt;
      },
      {}};
  return custom;
}

const spec::Names<Judgement>& describe(const Judgement*) {
  static const spec::Names<Judgement> names{{Judgement::kTransient, "transient"},
                                            {Judgement::kRateLimited, "rate_limited"},
                                            {Judgement::kAuth, "auth"},
                                            {Judgement::kConflict, "conflict"},
                                            {Judgement::kValidation, "validation"},
                                            {Judgement::kPermanent, "permanent"},
                                            {Judgement::kMissing, "missing"},
                                            {Judgement::kUnknown, "unknown", "transient unless the action is unsafe"},
                                            {Judgement::kAuth, "renew", "", true},
                                            {Judgement::kUnknown, "delivered", "", true}};
  return names;
}

const spec::Table<RuleSpec>& describe(const RuleSpec*) {
  static const auto table =
      spec::Table<RuleSpec>("rule", "What some answers mean")
          .field("status", &RuleSpec::status,
                 {.doc = "The status is one of these", .example = "[429, 5xx]", .one_or_list = true})
          .field("code", &RuleSpec::code, {.doc = "The vendor's code is one of these", .one_or_list = true})
          .field("when", &RuleSpec::when, {.doc = "Holds for {status, headers, body}"})
          .field("as", &RuleSpec::as, {.doc = "What it means", .required = true})
          .field("wait", &RuleSpec::wait, {.doc = "Seconds to wait, where the answer has no Retry-After"})
          .field("bucket", &RuleSpec::bucket, {.doc = "The bucket to slow down instead of the action's"})
          .field("message", &RuleSpec::message, {.doc = "The message, instead of errors.message"})
          .reserved("result", "The result of an error that means success")
          .place(&RuleSpec::place)
          .check([](const RuleSpec& rule, const spec::Node& node, spec::Problems& problems) {
            if (rule.status.empty() && rule.code.empty() && !rule.when)
              problems.error(node.place(), "a rule needs status, code or when");
          });
  return table;
}

const spec::Table<ErrorsSpec>& describe(const ErrorsSpec*) {
  static const auto table = spec::Table<ErrorsSpec>("errors", "How refusals are read")
                                .field("message", &ErrorsSpec::message, {.doc = "The text for people"})
                                .field("code", &ErrorsSpec::code, {.doc = "The vendor's code"})
                                .field("rules", &ErrorsSpec::rules, {.doc = "The first that holds decides"})
                                .reserved("request_id", "The vendor's id for support")
                                .reserved("details", "Errors of single fields");
  return table;
}

const spec::Table<PaginateSpec>& describe(const PaginateSpec*) {
  static const auto table = [] {
    auto made =
        spec::Table<PaginateSpec>("paginate", "How the next page is asked for")
            .field("cursor", &PaginateSpec::cursor,
                   {.doc = "Where the cursor goes: query.NAME, or body.NAME.NAME", .example = "query.after"})
            .field("from", &PaginateSpec::from, {.doc = "The next cursor"})
            .field("link", &PaginateSpec::link, {.doc = "The rel to follow in the Link header", .example = "next"})
            .field("items", &PaginateSpec::items, {.doc = "The items, where the action has no result"})
            .field("more", &PaginateSpec::more, {.doc = "Whether there is another page"})
            .field("limit", &PaginateSpec::limit, {.doc = "Where the page's size goes", .example = "query.limit"})
            .field("size", &PaginateSpec::size, {.doc = "The page's size", .min = "1"})
            .place(&PaginateSpec::place);
    for (const std::string_view name :
         {"offset", "page", "next", "graphql", "keyset", "first", "pages", "relative_to", "cap", "beyond"})
      std::move(made).reserved(name, "another style of pages, later");
    return made;
  }();
  return table;
}

const spec::Custom<ActionPaginate>& describe(const ActionPaginate*) {
  static const spec::Custom<ActionPaginate> custom{
      "a map over the connector's, or false",
      "map",
      R"({"type":["object","boolean"]})",
      [](const spec::Node& node, spec::Problems& problems) -> std::optional<ActionPaginate> {
        if (node.plain() && node.text() == "false") return ActionPaginate{true, {}};
        auto own = spec::parse<PaginateSpec>(node, problems);
        if (!own) return std::nullopt;
        return ActionPaginate{false, std::move(*own)};
      },
      {}};
  return custom;
}

const spec::Table<HealthSpec>& describe(const HealthSpec*) {
  static const auto table =
      spec::Table<HealthSpec>("health", "A cheap call that proves the connection works")
          .field("call", &HealthSpec::call, {.doc = "RESOURCE.ACTION; safe and without args", .required = true})
          .field("proves", &HealthSpec::proves, {.doc = "What its answer proves", .required = true});
  return table;
}

const spec::Table<Manifest>& describe(const Manifest*) {
  static const auto table =
      spec::Table<Manifest>("manifest", "A vendor's API as data")
          .field("connector", &Manifest::connector,
                 {.doc = "The connector's name; the file's name too", .required = true})
          .field("title", &Manifest::title, {.doc = "The vendor's name, for people", .required = true})
          .field("category", &Manifest::category,
                 {.doc = "What kind of system it is",
                  .choices = {"crm", "erp", "accounting", "payment", "shipping", "marketing", "hr", "commerce",
                              "helpdesk", "chat", "provisioning", "projects", "messaging", "code", "generic"},
                  .required = true})
          .field("docs", &Manifest::docs, {.doc = "The vendor's pages for people"})
          .field("version", &Manifest::version, {.doc = "The vendor's API version; the variable {version}"})
          .field("variables", &Manifest::variables, {.doc = "What a connection may set"})
          .field("base_url", &Manifest::base_url, {.doc = "Scheme, host and path before every action's path"})
          .field("headers", &Manifest::headers, {.doc = "Sent with every call"})
          .field("auth", &Manifest::auth, {.doc = "The ways to authenticate, by name"})
          .field("limits", &Manifest::limits, {.doc = "What the vendor allows"})
          .field("errors", &Manifest::errors, {.doc = "How refusals are read"})
          .field("paginate", &Manifest::paginate, {.doc = "Pages of every action that returns a list"})
          .field("resources", &Manifest::resources, {.doc = "What can be called"})
          .field("webhooks", &Manifest::webhooks, {.doc = "What the vendor sends"})
          .field("health", &Manifest::health, {.doc = "A cheap call that proves the connection works"})
          .reserved("environments", "The vendor's sandboxes")
          .reserved("keep", "Durable values of the connection")
          .reserved("sync", "Incremental reading")
          .reserved("stream", "Events that are pulled")
          .reserved("idempotency", "Idempotency of all actions")
          .reserved("revoke", "Giving up the credentials");
  return table;
}

std::optional<Manifest> parse_manifest(std::string text, std::string file, spec::Problems& problems) {
  const std::optional<spec::Node> node = spec::parse_yaml(std::move(text), std::move(file), problems);
  if (!node) return std::nullopt;
  return spec::parse<Manifest>(*node, problems);
}

}  // namespace tieline::connect
