// Stripe: customers and refunds made with idempotency keys, and a few reads. Bodies and errors follow Stripe's public
// OpenAPI document; the first answer to an idempotency key is kept and given again, and nothing is done a second time.
#include <algorithm>
#include <array>
#include <charconv>
#include <map>
#include <optional>
#include <span>

#include "base/text.h"
#include "sandbox/double.h"

namespace tieline::sandbox {
namespace {

constexpr std::size_t kKeyMax = 255;
constexpr Duration kKeepKeys = 24h;
constexpr std::int64_t kFullRefund = 1000;  // what a charge is worth here

constexpr std::array<std::string_view, 22> kCustomerParams{
    "address",    "balance",           "cash_balance",          "coupon",    "description", "email",
    "expand",     "invoice_prefix",    "invoice_settings",      "metadata",  "name",        "payment_method",
    "phone",      "preferred_locales", "promotion_code",        "shipping",  "source",      "tax",
    "tax_exempt", "tax_id_data",       "next_invoice_sequence", "test_clock"};
constexpr std::array<std::string_view, 12> kRefundParams{"amount",
                                                         "charge",
                                                         "currency",
                                                         "customer",
                                                         "expand",
                                                         "instructions_email",
                                                         "origin",
                                                         "payment_intent",
                                                         "metadata",
                                                         "reason",
                                                         "refund_application_fee",
                                                         "reverse_transfer"};
constexpr std::array<std::string_view, 3> kRefundReasons{"duplicate", "fraudulent", "requested_by_customer"};

struct Thing {
  std::string id;
  json::Document body;
};

struct KeptAnswer {
  std::string request;  // method, target and body: a key stands for one request only
  Reply reply;
  Instant at;
};

struct Wrong {
  int status = 400;
  std::string_view type = "invalid_request_error", code = {};
  std::string message;
  std::string_view param = {};
};

Reply error(const Wrong& wrong) {
  json::Builder out;
  out.begin_object().key("error").begin_object().key("type").string(wrong.type);
  if (!wrong.code.empty()) out.key("code").string(wrong.code);
  if (!wrong.param.empty()) out.key("param").string(wrong.param);
  return json_reply(wrong.status, out.key("message").string(wrong.message).end_object().end_object().finish());
}

std::optional<std::int64_t> integer(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failed != std::errc() || end != text.data() + text.size() || text.empty()) return std::nullopt;
  return value;
}

// The first parameter that the endpoint does not know.
std::optional<Reply> refuse_unknown(json::Value body, std::span<const std::string_view> known) {
  for (const auto [name, value] : body.members()) {
    if (std::ranges::find(known, name) == known.end())
      return error(
          {.code = "parameter_unknown", .message = "Received unknown parameter: " + std::string(name), .param = name});
  }
  return std::nullopt;
}

Reply missing(std::string_view what, std::string_view id) {
  return error({.status = 404,
                .code = "resource_missing",
                .message = "No such " + std::string(what) + ": '" + std::string(id) + "'",
                .param = "id"});
}

class StripeDouble final : public Double {
 public:
  StripeDouble(DoubleOptions options, Clock& clock) : Double("stripe", std::move(options), clock) {
    route("GET", "/v1/balance", [](const Call&) {
      json::Builder out;
      out.begin_object().key("object").string("balance").key("available").begin_array().end_array();
      out.key("pending").begin_array().end_array().key("livemode").boolean(false);
      return json_reply(200, out.end_object().finish());
    });
    route("POST", "/v1/customers", [this](const Call& call) { return once(call, &StripeDouble::make_customer); });
    route("POST", "/v1/refunds", [this](const Call& call) { return once(call, &StripeDouble::make_refund); });
    route("GET", "/v1/customers", [this](const Call& call) { return list(call, customers_, "/v1/customers"); });
    route("GET", "/v1/customers/{id}", [this](const Call& call) { return get(call.path[0]); });
    route("GET", "/v1/invoices/{id}", [](const Call& call) { return missing("invoice", call.path[0]); });
    route("GET", "/v1/payment_intents/{id}", [](const Call& call) { return missing("payment_intent", call.path[0]); });
    route("GET", "/v1/balance_transactions",
          [this](const Call& call) { return list(call, transactions_, "/v1/balance_transactions"); });
  }

 protected:
  Reply trouble(Trouble what, const Over&) const override {
    switch (what) {
      case Trouble::kUnauthorized: return error({.status = 401, .message = "Invalid API Key provided: ****"});
      case Trouble::kRateLimited:
        return error({.status = 429,
                      .code = "rate_limit",
                      .message = "Too many requests hit the API too quickly. We recommend an exponential backoff of "
                                 "your requests."});
      case Trouble::kNoSuchPath: return error({.status = 404, .message = "Unrecognized request URL."});
      case Trouble::kBadBody: return error({.message = "Invalid request body."});
      case Trouble::kUnavailable:
        return error({.status = 503, .type = "api_error", .message = "Stripe is temporarily unavailable."});
    }
    return {};
  }

  void put_state(json::Builder& out) const override {
    const auto put_all = [&](const char* name, const std::vector<Thing>& things) {
      out.key(name).begin_array();
      for (const Thing& thing : things) out.copy(thing.body.root());
      out.end_array();
    };
    put_all("customers", customers_);
    put_all("refunds", refunds_);
    put_all("balance_transactions", transactions_);
    out.key("idempotent_replays").integer(replays_);
  }

 private:
  using Make = Reply (StripeDouble::*)(json::Value params);

  // Makes a thing, or gives the first answer again when the key was seen. A request that was refused before it did
  // anything leaves its key unused.
  Reply once(const Call& call, Make make) {
    const std::string key(find_header(call.request->headers, "Idempotency-Key"));
    if (key.size() > kKeyMax)
      return error({.type = "idempotency_error", .message = "Idempotency keys have at most 255 characters."});
    if (!call.body.root().is_null() &&
        !find_header(call.request->headers, "Content-Type").starts_with("application/x-www-form-urlencoded"))
      return error({.message = "Invalid request (check that your POST content type is "
                               "application/x-www-form-urlencoded)."});
    const Instant now = clock().instant();
    std::erase_if(answers_, [&](const auto& kept) { return now - kept.second.at >= kKeepKeys; });
    const std::string request = call.request->target + "\n" + (call.request->body ? *call.request->body : "");
    if (const auto seen = answers_.find(key); !key.empty() && seen != answers_.end()) {
      if (seen->second.request != request)
        return error({.type = "idempotency_error",
                      .message = "Keys for idempotent requests can only be used with the same parameters they were "
                                 "first used with."});
      ++replays_;
      Reply reply = seen->second.reply;
      reply.headers.emplace_back("Idempotent-Replayed", "true");
      return reply;
    }
    Reply reply = (this->*make)(call.body.root());
    if (!key.empty() && reply.status == 200) answers_.emplace(key, KeptAnswer{request, reply, now});
    return reply;
  }

  std::int64_t unix_now() const { return to_unix_us(clock().now()) / 1'000'000; }

  static void put_params(json::Builder& out, json::Value params, std::span<const char* const> names) {
    for (const char* name : names) {
      out.key(name);
      params.has(name) ? out.copy(params[name]) : out.null();
    }
    out.key("metadata");
    params["metadata"].is_object() ? out.copy(params["metadata"]) : out.begin_object().end_object();
  }

  Reply make_customer(json::Value params) {
    if (const auto no = refuse_unknown(params, kCustomerParams)) return *no;
    constexpr std::array kCopied{"email", "name", "phone", "description", "address", "shipping"};
    const std::string id = "cus_" + next_id();
    json::Builder out;
    out.begin_object().key("id").string(id).key("object").string("customer").key("created").integer(unix_now());
    out.key("livemode").boolean(false).key("balance").integer(0);
    put_params(out, params, kCopied);
    customers_.push_back({id, out.end_object().finish()});
    return json_reply(200, customers_.back().body);
  }

  // Any charge (ch_…) and payment intent (pi_…) may be refunded up to its worth, except those named …missing….
  Reply make_refund(json::Value params) {
    if (const auto no = refuse_unknown(params, kRefundParams)) return *no;
    const bool by_charge = !params["charge"].is_null();
    const std::string what = by_charge ? "charge" : "payment_intent", source(params[what].as_string());
    if (source.empty())
      return error({.code = "parameter_missing",
                    .message = "One of the following params should be provided for this request: `payment_intent` or "
                               "`charge`."});
    if (!source.starts_with(by_charge ? "ch_" : "pi_") || source.find("missing") != std::string::npos)
      return missing(what, source);
    const std::string_view reason = params["reason"].as_string();
    if (!reason.empty() && std::ranges::find(kRefundReasons, reason) == kRefundReasons.end())
      return error({.message = "Invalid reason: must be one of duplicate, fraudulent, or requested_by_customer",
                    .param = "reason"});
    std::int64_t& left = worth_.try_emplace(source, kFullRefund).first->second;
    const bool partly = params.has("amount");
    const auto amount = partly ? integer(params["amount"].as_string()) : std::optional(left);
    if (!amount || (partly && *amount < 1))
      return error({.code = "parameter_invalid_integer",
                    .message = "Invalid integer: " + std::string(params["amount"].as_string()),
                    .param = "amount"});
    if (left == 0)
      return error({.code = "charge_already_refunded", .message = "Charge " + source + " has already been refunded."});
    if (*amount > left)
      return error({.message = "Refund amount (" + std::to_string(*amount) +
                               ") is greater than unrefunded amount on charge (" + std::to_string(left) + ")",
                    .param = "amount"});
    left -= *amount;
    return add_refund(params, *amount);
  }

  Reply add_refund(json::Value params, std::int64_t amount) {
    constexpr std::array kCopied{"charge", "payment_intent", "reason"};
    const std::string id = "re_" + next_id(), transaction = "txn_" + next_id();
    json::Builder out;
    out.begin_object().key("id").string(id).key("object").string("refund").key("amount").integer(amount);
    out.key("currency").string("eur").key("created").integer(unix_now()).key("status").string("succeeded");
    out.key("balance_transaction").string(transaction);
    put_params(out, params, kCopied);
    refunds_.push_back({id, out.end_object().finish()});

    json::Builder moved;
    moved.begin_object().key("id").string(transaction).key("object").string("balance_transaction");
    moved.key("amount").integer(-amount).key("net").integer(-amount).key("fee").integer(0);
    moved.key("fee_details").begin_array().end_array().key("currency").string("eur").key("type").string("refund");
    moved.key("reporting_category").string("refund").key("status").string("available").key("source").string(id);
    moved.key("created").integer(unix_now()).key("available_on").integer(unix_now()).key("description").null();
    transactions_.push_back({transaction, moved.end_object().finish()});
    return json_reply(200, refunds_.back().body);
  }

  Reply get(const std::string& id) {
    for (const Thing& customer : customers_) {
      if (customer.id == id) return json_reply(200, customer.body);
    }
    return missing("customer", id);
  }

  static bool wanted(const Call& call, json::Value thing) {
    for (const char* name : {"email", "type", "source", "currency"}) {
      const std::string_view value = call.query_value(name);
      if (!value.empty() && thing[name].as_string() != value) return false;
    }
    for (const auto& [name, value] : call.query) {
      const auto bound = integer(value);
      if (!bound || !name.starts_with("created")) continue;
      const std::int64_t created = thing["created"].as_int64().value_or(0);
      if ((name == "created" && created != *bound) || (name == "created[gte]" && created < *bound) ||
          (name == "created[gt]" && created <= *bound) || (name == "created[lte]" && created > *bound) ||
          (name == "created[lt]" && created >= *bound))
        return false;
    }
    return call.query_value("payout").empty();  // there are no payouts here
  }

  // Newest first; a page begins behind `starting_after`.
  static Reply list(const Call& call, const std::vector<Thing>& things, std::string_view url) {
    const std::string_view asked = call.query_value("limit"), after = call.query_value("starting_after");
    const auto limit = asked.empty() ? std::optional<std::int64_t>(10) : integer(asked);
    if (!limit || *limit < 1 || *limit > 100)
      return error(
          {.code = "parameter_invalid_integer", .message = "This value must be between 1 and 100", .param = "limit"});
    bool begun = after.empty(), more = false;
    std::int64_t count = 0;
    json::Builder out;
    out.begin_object().key("object").string("list").key("url").string(url).key("data").begin_array();
    for (auto thing = things.rbegin(); thing != things.rend(); ++thing) {
      if (begun && wanted(call, thing->body.root())) {
        more = count == *limit;
        if (more) break;
        ++count;
        out.copy(thing->body.root());
      }
      begun = begun || thing->id == after;
    }
    if (!begun) return missing("object", after);
    return json_reply(200, out.end_array().key("has_more").boolean(more).end_object().finish());
  }

  std::vector<Thing> customers_, refunds_, transactions_;
  std::map<std::string, std::int64_t> worth_;  // what is left of a charge, in the currency's smallest unit
  std::map<std::string, KeptAnswer> answers_;
  std::int64_t replays_ = 0;
};

}  // namespace

std::unique_ptr<Double> make_stripe_double(DoubleOptions options, Clock& clock) {
  return std::make_unique<StripeDouble>(std::move(options), clock);
}

}  // namespace tieline::sandbox
