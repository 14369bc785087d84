#include "connect/standard_webhooks.h"

#include "auth/hash.h"

namespace tieline::connect {
namespace {

constexpr std::string_view kPrefix = "whsec_";
constexpr std::size_t kKeyBytesMin = 16;
constexpr Duration kRetryAfterMax{3'600'000'000};

class SubscriberAction final : public Action {
 public:
  SubscriberAction(SubscriberSpec spec, std::vector<auth::HmacKey> keys)
      : spec_(std::move(spec)), keys_(std::move(keys)) {
    name_ = spec_.name + ".events.send";
    connection_ = spec_.name;
    safety_ = Safety::kRepeatable;
    timeout_ = spec_.timeout;
    buckets_ = {"sent"};
  }

  Result<Request> render(const json::Document& args, const CallIdentity& identity) const override {
    const std::string id(args.root()["id"].as_string());
    if (id.empty()) return failure(Code::kInvalid, "`id` is missing: the event has none");
    Request request;
    request.method = "POST";
    request.url = spec_.url;
    request.body = json::print(args.root()["body"]);
    request.repeatable = true;
    request.private_addresses = spec_.private_addresses;
    request.secrets = spec_.secrets;
    const std::string stamp = std::to_string(to_unix_us(identity.now) / 1'000'000);
    const std::string head = id + '.' + stamp + '.';
    std::string signatures;
    for (const auth::HmacKey& key : keys_) {
      const std::string_view parts[] = {head, request.body};
      signatures += (signatures.empty() ? "v1," : " v1,") + auth::encode(auth::Encoding::kBase64, key.sign(parts));
    }
    request.headers = {{"Content-Type", spec_.content_type},
                       {"webhook-id", id},
                       {"webhook-timestamp", stamp},
                       {"webhook-signature", std::move(signatures)}};
    return request;
  }

  Verdict judge(const Exchange& exchange, Time now) const override {
    Verdict verdict;
    verdict.category = classify(exchange, safety_);
    verdict.wait = retry_after(exchange.response.headers, now, kRetryAfterMax);
    if (exchange.phase != Phase::kAnswered) {
      verdict.message = exchange.error.message;
      // A certificate that is refused, or an address, is mended by the subscriber, as a 404 is.
      if (exchange.error.code == Code::kDenied) verdict.category = Category::kTransient;
      return verdict;
    }
    const int status = exchange.response.status;
    if (status >= 200 && status < 300) {
      verdict.category = Category::kDelivered;
      verdict.result = json::Builder().null().finish();
      return verdict;
    }
    verdict.message = "answered " + std::to_string(status);
    if (status == 410) {
      verdict.category = Category::kPermanent;
      verdict.code = "gone";
      verdict.message += ": it wants no more events";
    } else if (verdict.category != Category::kRateLimited) {
      verdict.category = Category::kTransient;  // whatever is wrong there may be mended within the day of trying
    }
    return verdict;
  }

  Result<std::optional<Request>> next_page(const Request&, const Exchange&) const override { return std::nullopt; }
  Result<Request> render_find(const json::Document&, const CallIdentity&) const override {
    return failure(Code::kInternal, "a subscriber is not looked at");
  }
  Verdict judge_find(const Exchange&, Time) const override { return {}; }

 private:
  const SubscriberSpec spec_;
  const std::vector<auth::HmacKey> keys_;
};

}  // namespace

Result<Bytes> standard_webhooks_key(std::string_view secret) {
  const bool prefixed = secret.starts_with(kPrefix);
  auto key = auth::decode(auth::Encoding::kBase64, prefixed ? secret.substr(kPrefix.size()) : secret);
  if (!key || key->size() < kKeyBytesMin)
    return failure(Code::kInvalid,
                   "the secret is not `whsec_` and the base64 of at least 16 random bytes: make one "
                   "with `echo whsec_$(openssl rand -base64 32)`");
  return std::move(*key);
}

Result<ActionPtr> make_subscriber(SubscriberSpec spec) {
  std::vector<auth::HmacKey> keys;
  for (const std::string& secret : spec.secrets) {
    TRY(const Bytes key, standard_webhooks_key(secret));
    keys.emplace_back(auth::Hash::kSha256, key);
  }
  return std::make_shared<const SubscriberAction>(std::move(spec), std::move(keys));
}

}  // namespace tieline::connect
