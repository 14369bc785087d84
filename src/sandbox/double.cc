#include "sandbox/double.h"

#include <array>
#include <optional>

#include "base/bytes.h"
#include "base/text.h"
#include "sandbox/form.h"

namespace tieline::sandbox {
namespace {

constexpr std::size_t kUnexpectedMax = 20;

struct FaultName {
  std::string_view name;
  std::uint32_t Faults::*member;
};
constexpr std::array<FaultName, 6> kFaultNames{{{"rate_limited", &Faults::rate_limited},
                                                {"unavailable", &Faults::unavailable},
                                                {"reset_before", &Faults::reset_before},
                                                {"reset_after", &Faults::reset_after},
                                                {"timeout", &Faults::timeout},
                                                {"slow", &Faults::slow}}};

// The values of the pattern's placeholders, or nothing when the path does not match. A placeholder may have text behind
// it: "{id}.json".
std::optional<std::vector<std::string>> match(const std::vector<std::string>& pattern,
                                              const std::vector<std::string>& path) {
  if (pattern.size() != path.size()) return std::nullopt;
  std::vector<std::string> values;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    if (!is_placeholder(pattern[i])) {
      if (pattern[i] != path[i]) return std::nullopt;
      continue;
    }
    const std::string_view suffix = std::string_view(pattern[i]).substr(pattern[i].find('}') + 1);
    if (!std::string_view(path[i]).ends_with(suffix)) return std::nullopt;
    auto value = percent_decode(std::string_view(path[i]).substr(0, path[i].size() - suffix.size()));
    if (!value || value->empty()) return std::nullopt;
    values.push_back(std::move(*value));
  }
  return values;
}

// Takes the base address off `path` when it begins with it, and gives what it was.
std::string take_base(const std::vector<std::string>& base, std::vector<std::string>& path) {
  if (base.empty() || path.size() < base.size()) return {};
  const auto end = path.begin() + static_cast<std::ptrdiff_t>(base.size());
  const std::vector<std::string> front(path.begin(), end);
  if (!match(base, front)) return {};
  path.erase(path.begin(), end);
  return "/" + join(front, "/");
}

bool is_form(const InboundRequest& request) {
  return find_header(request.headers, "Content-Type").starts_with("application/x-www-form-urlencoded");
}

// An argument by name, where the request has it: in the query or on top of the body.
std::string argument(const Call& call, const std::string& name) {
  if (const std::string_view value = call.query_value(name); !value.empty()) return std::string(value);
  const json::Value value = call.body.root()[name];
  return value.is_string() ? std::string(value.as_string()) : json::print(value);
}

Result<void> read_chance(std::string_view name, json::Value value, Faults& faults) {
  std::vector<std::string> names{"slow_by", "timeout_after"};
  for (const FaultName& fault : kFaultNames) {
    names.emplace_back(fault.name);
    if (fault.name != name) continue;
    const auto per_mille = value.as_int64();
    if (!per_mille || *per_mille < 0 || *per_mille > 1000)
      return failure(Code::kInvalid, "\"" + std::string(name) + "\" is a chance in 1,000: 0 to 1000");
    faults.*fault.member = static_cast<std::uint32_t>(*per_mille);
    return {};
  }
  return failure(Code::kInvalid, "unknown fault \"" + std::string(name) + "\"" + did_you_mean(name, names));
}

}  // namespace

Result<Faults> parse_faults(json::Value value) {
  if (!value.is_object()) return failure(Code::kInvalid, "faults are an object like {\"unavailable\": 50}");
  Faults faults;
  for (const auto [key, chance] : value.members()) {
    if (key == "slow_by" || key == "timeout_after") {
      auto by = parse_duration(chance.as_string());
      if (!by) return failure(std::move(by.error()).in(std::string(key)));
      (key == "slow_by" ? faults.slow_by : faults.timeout_after) = *by;
      continue;
    }
    TRY_VOID(read_chance(key, chance, faults));
  }
  return faults;
}

std::string_view Call::query_value(std::string_view name) const {
  for (const auto& [key, value] : query) {
    if (key == name) return value;
  }
  return {};
}

Reply json_reply(int status, const json::Document& body) {
  return {.status = status, .headers = {{"Content-Type", "application/json"}}, .body = json::print(body.root())};
}

Double::Double(std::string vendor, DoubleOptions options, Clock& clock)
    : vendor_(std::move(vendor)),
      options_(std::move(options)),
      clock_(clock),
      prng_(options_.seed),
      limiter_(options_.rules.limits) {}

void Double::route(std::string method, std::string_view pattern, Handler handler) {
  routes_.push_back({std::move(method), segments_of(pattern), std::move(handler)});
}

Double::Fault Double::draw() {
  constexpr std::array kFaults{Fault::kRateLimited, Fault::kUnavailable, Fault::kResetBefore,
                               Fault::kResetAfter,  Fault::kTimeout,     Fault::kSlow};
  for (std::size_t i = 0; i < kFaults.size(); ++i) {
    const std::uint32_t chance = options_.faults.*kFaultNames[i].member;
    if (chance != 0 && prng_.chance(chance, 1000)) return kFaults[i];
  }
  return Fault::kNone;
}

asio::awaitable<Reply> Double::serve(InboundRequest request) {
  if (request.target.starts_with("/_double/")) co_return control(request);
  ++requests_;
  const Fault fault = draw();
  if (fault == Fault::kRateLimited) {
    ++limited_;
    co_return trouble(Trouble::kRateLimited, {});
  }
  if (fault == Fault::kUnavailable) co_return trouble(Trouble::kUnavailable, {});
  if (fault == Fault::kResetBefore) co_return Reply{.status = 0};

  struct Held {
    Limiter& limiter;
    std::vector<Charge> charges;
    ~Held() { limiter.leave(charges); }
  };
  Held held{limiter_, {}};
  Reply reply = handle(request, held.charges);
  if (fault == Fault::kResetAfter) co_return Reply{.status = 0};
  if (fault == Fault::kTimeout) {
    co_await clock_.sleep(options_.faults.timeout_after);
    co_return Reply{.status = 0};
  }
  if (fault == Fault::kSlow) co_await clock_.sleep(options_.faults.slow_by);
  co_return reply;
}

bool Double::authorized(const Headers& headers) const {
  if (options_.rules.credentials.empty()) return true;
  for (const CredentialHeader& header : options_.rules.credentials) {
    std::string_view value = find_header(headers, header.name);
    std::string decoded;
    if (header.basic) {
      if (!value.starts_with("Basic ")) continue;
      auto text = from_base64(value.substr(6));
      if (!text) continue;
      decoded = std::move(*text);
      value = decoded;
    }
    if (!value.starts_with(header.before) || !value.ends_with(header.after)) continue;
    if (value.size() <= header.before.size() + header.after.size()) continue;
    value = value.substr(header.before.size(), value.size() - header.before.size() - header.after.size());
    if (options_.credential.empty() || value == options_.credential) return true;
  }
  return false;
}

std::vector<Charge> Double::charges_of(const Call& call, const std::vector<std::string>& path) const {
  const KnownAction* known = nullptr;
  std::vector<std::string> values;
  for (const KnownAction& action : options_.rules.actions) {
    if (action.method != call.request->method) continue;
    auto matched = match(action.path, path);
    if (!matched) continue;
    known = &action;
    values = std::move(*matched);
    break;
  }
  const auto value_of = [&](const std::string& name) {
    for (std::size_t i = 0, n = 0; known != nullptr && i < known->path.size(); ++i) {
      if (!is_placeholder(known->path[i])) continue;
      if (known->path[i].substr(1, known->path[i].find('}') - 1) == name) return values[n];
      ++n;
    }
    return argument(call, name);
  };
  std::vector<Charge> charges;
  for (std::size_t i = 0; i < options_.rules.limits.size(); ++i) {
    const Limit& limit = options_.rules.limits[i];
    bool named = false;
    for (const std::string& bucket : known == nullptr ? std::vector<std::string>() : known->buckets)
      named = named || bucket == limit.name;
    const bool any_named = known != nullptr && !known->buckets.empty();
    if (!named && limit.applies == Limit::Applies::kNamed) continue;
    if (!named && any_named && limit.applies == Limit::Applies::kRest) continue;
    Charge charge{.limit = i, .amount = limit.points ? points(call) : 1};
    if (limit.per_method) charge.key = call.request->method + " " + (known == nullptr ? join(path, "/") : known->name);
    for (const std::string& name : limit.per_args) charge.key += '\n' + value_of(name);
    charges.push_back(std::move(charge));
  }
  return charges;
}

Reply Double::handle(const InboundRequest& request, std::vector<Charge>& charges) {
  if (!authorized(request.headers)) {
    ++refused_;
    return trouble(Trouble::kUnauthorized, {});
  }
  const std::string_view target = request.target;
  const std::size_t question = std::min(target.find('?'), target.size());
  std::vector<std::string> path = segments_of(target.substr(0, question));
  Call call{.base = take_base(options_.rules.base_path, path), .request = &request};
  call.query = parse_form(target.substr(std::min(question + 1, target.size())));
  bool readable = true;
  if (request.body && !request.body->empty()) {
    auto body = is_form(request) ? Result<json::Document>(form_document(*request.body)) : json::parse(request.body);
    readable = body.has_value();
    if (body) call.body = std::move(*body);
  }

  std::vector<Charge> wanted = charges_of(call, path);
  const Instant now = clock_.instant();
  const Time wall = clock_.now();
  if (const Limiter::Outcome outcome = limiter_.take(wanted, now, wall); outcome.over != nullptr) {
    ++limited_;
    return trouble(Trouble::kRateLimited, {outcome.over, outcome.wait});
  }
  charges = std::move(wanted);
  const auto answer = [&] {
    if (!readable) return trouble(Trouble::kBadBody, {});
    for (const Route& route : routes_) {
      if (route.method != request.method) continue;
      auto values = match(route.segments, path);
      if (!values) continue;
      call.path = std::move(*values);
      return route.handler(call);
    }
    if (unexpected_.size() < kUnexpectedMax) unexpected_.push_back(request.method + " " + request.target);
    return trouble(Trouble::kNoSuchPath, {});
  };
  Reply reply = answer();
  for (const Charge& charge : charges)
    tell(options_.rules.limits[charge.limit], limiter_.used(charge, now, wall), reply);
  return reply;
}

Reply Double::control(const InboundRequest& request) {
  if (request.target == "/_double/state" && request.method == "GET") return json_reply(200, state());
  if (request.target == "/_double/faults" && request.method == "POST") {
    auto body = request.body ? json::parse(request.body) : Result<json::Document>(json::Document());
    auto faults = body ? parse_faults(body->root()) : Result<Faults>(failure(std::move(body.error())));
    if (!faults) return {.status = 400, .headers = {}, .body = faults.error().text() + "\n"};
    options_.faults = *faults;
    return {.status = 204};
  }
  return {.status = 404, .headers = {}, .body = "a double serves GET /_double/state and POST /_double/faults\n"};
}

json::Document Double::state() const {
  json::Builder out;
  out.begin_object().key("vendor").string(vendor_).key("requests").integer(static_cast<std::int64_t>(requests_));
  out.key("unauthorized").integer(static_cast<std::int64_t>(refused_));
  out.key("limited").integer(static_cast<std::int64_t>(limited_));
  out.key("unexpected").begin_array();
  for (const std::string& path : unexpected_) out.string(path);
  out.end_array();
  put_state(out);
  return out.end_object().finish();
}

std::unique_ptr<Double> make_double(std::string_view vendor, DoubleOptions options, Clock& clock) {
  if (vendor == "hubspot") return make_hubspot_double(std::move(options), clock);
  if (vendor == "stripe") return make_stripe_double(std::move(options), clock);
  if (vendor == "slack") return make_slack_double(std::move(options), clock);
  if (vendor == "shopify") return make_shopify_double(std::move(options), clock);
  return nullptr;
}

std::vector<std::string> doubled_vendors() { return {"hubspot", "shopify", "slack", "stripe"}; }

}  // namespace tieline::sandbox
