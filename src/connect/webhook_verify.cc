#include "connect/webhook_verify.h"

#include <algorithm>
#include <charconv>
#include <limits>

#include "base/text.h"
#include "connect/standard_webhooks.h"

namespace tieline::connect {
namespace {

// The values of `name` in "a=b,c=d".
std::vector<std::string_view> pair_values(std::string_view header, std::string_view name) {
  std::vector<std::string_view> out;
  for (const std::string_view piece : split(header, ',')) {
    const std::string_view pair = trim(piece);
    const std::size_t equals = pair.find('=');
    if (equals != pair.npos && trim(pair.substr(0, equals)) == name) out.push_back(trim(pair.substr(equals + 1)));
  }
  return out;
}

// What each piece costs is an HMAC's decoding; nobody has more secrets than that at once.
constexpr std::size_t kSignaturesMax = 16;

// The first `count_max` of them.
std::vector<std::string_view> pieces(std::string_view text, std::string_view between, std::size_t count_max) {
  std::vector<std::string_view> out;
  while (out.size() < count_max) {
    const std::size_t end = std::min(text.find(between), text.size());
    if (const std::string_view piece = trim(text.substr(0, end)); !piece.empty()) out.push_back(piece);
    if (end == text.size()) return out;
    text.remove_prefix(end + between.size());
  }
  return out;
}

Result<std::string> fixed(const TextTemplate& text, const Binding& binding, const SchemeSpec& spec) {
  auto out = text.expand(Spot::kRaw, binding.variable_lookup());
  if (!out) return failure(std::move(out.error()));
  if (!*out) return failure(Code::kInvalid, "webhook scheme `" + spec.name + "` needs a variable that is not set");
  return std::move(**out);
}

std::int64_t units_per(TimestampUnit unit) { return unit == TimestampUnit::kSeconds ? 1'000'000 : 1'000; }

}  // namespace

Result<std::optional<BoundScheme>> BoundScheme::bind(const SchemePlan& plan, const Binding& binding,
                                                     const std::vector<std::string>& secrets) {
  if (secrets.empty()) return std::optional<BoundScheme>();
  BoundScheme out;
  out.name_ = plan.spec.name.empty() ? std::string(plan.spec.hmac ? "hmac" : "token") : plan.spec.name;
  out.variables_ = binding.variables;
  TRY(out.prefix_, fixed(plan.prefix, binding, plan.spec));
  if (plan.spec.token) {
    out.token_ = true;
    TRY(const std::string where, fixed(plan.token, binding, plan.spec));
    out.header_ = where.substr(std::string_view("header.").size());
    out.tokens_ = secrets;
    return std::optional(std::move(out));
  }
  TRY(out.header_, fixed(plan.header, binding, plan.spec));
  TRY(const std::string hash_text, fixed(plan.hmac, binding, plan.spec));
  TRY(const std::string encoding_text, fixed(plan.encoding, binding, plan.spec));
  const auto hash = auth::hash_from_name(hash_text);
  const auto encoding = auth::encoding_from_name(encoding_text);
  if (!hash || !encoding)
    return failure(Code::kInvalid, "webhook scheme `" + out.name_ + "`: \"" + (hash ? encoding_text : hash_text) +
                                       "\" is not one of " + (hash ? "hex, base64" : "sha1, sha256, sha512"));
  out.encoding_ = *encoding;
  out.pair_ = plan.spec.pair.value_or("");
  out.split_ = plan.spec.split.value_or("");
  out.over_ = plan.over;
  if (const auto& spec = plan.spec.timestamp) {
    TRY(std::string header, fixed(plan.timestamp_header, binding, plan.spec));
    out.stamp_ = Stamp{std::move(header), spec->pair.value_or(""), spec->unit, spec->tolerance};
  }
  for (const std::string& secret : secrets) {
    if (plan.spec.key_as == KeyForm::kText) {
      out.keys_.emplace_back(*hash, secret);
    } else {
      TRY(const Bytes key, standard_webhooks_key(secret));
      out.keys_.emplace_back(*hash, key);
    }
  }
  return std::optional(std::move(out));
}

BoundScheme::Signed BoundScheme::signed_parts(const InboundRequest& request, std::string_view stamp) const {
  Signed out;
  // Room for all, so that a part never points into a text that moved.
  out.texts.reserve(over_.parts().size());
  for (const TextTemplate::Part& part : over_.parts()) {
    if (!part.placeholder) {
      out.parts.push_back(part.text);
    } else if (part.text == "body") {
      out.parts.push_back(*request.body);
    } else if (part.text == "method") {
      out.parts.push_back(request.method);
    } else if (part.text == "url") {
      out.parts.push_back(request.url);
    } else if (part.text == "timestamp") {
      out.parts.push_back(stamp);
    } else if (part.text.starts_with("header.")) {
      out.parts.push_back(find_header(request.headers, std::string_view(part.text).substr(7)));
    } else {
      out.texts.emplace_back(variables_.root()[part.text].as_string());
      out.parts.push_back(out.texts.back());
    }
  }
  return out;
}

std::optional<Unverified> BoundScheme::check(const InboundRequest& request) const {
  const std::string_view header = find_header(request.headers, header_);
  if (header.empty()) return Unverified{"missing_signature", "the header " + header_ + " is not there"};
  if (!token_) return check_signature(request, header);
  bool match = header.starts_with(prefix_);
  bool any = false;
  // Every secret is compared, whichever of them matches.
  for (const std::string& token : tokens_)
    any = auth::equal_constant_time(token, match ? header.substr(prefix_.size()) : std::string_view()) || any;
  if (match && any) return std::nullopt;
  return Unverified{"bad_signature", "the token in " + header_ + " is not one of ours: is the secret the vendor's?"};
}

std::optional<Unverified> BoundScheme::check_signature(const InboundRequest& request, std::string_view header) const {
  std::string_view stamp;
  if (stamp_) {
    if (stamp_->pair.empty()) {
      stamp = trim(find_header(request.headers, stamp_->header));
    } else if (const auto values = pair_values(header, stamp_->pair); !values.empty()) {
      stamp = values.front();
    }
    if (stamp.empty()) return Unverified{"missing_timestamp", "the request says no time of its signature"};
  }
  std::vector<std::string_view> signatures;
  if (!split_.empty()) {
    signatures = pieces(header, split_, kSignaturesMax);
  } else if (pair_.empty()) {
    signatures.push_back(trim(header));
  } else {
    signatures = pair_values(header, pair_);
  }
  if (signatures.empty()) return Unverified{"missing_signature", "the header " + header_ + " holds no " + pair_};
  const Signed over = signed_parts(request, stamp);
  bool proven = false;
  for (const auth::HmacKey& key : keys_) {
    const Bytes made = key.sign(over.parts);
    for (std::string_view signature : signatures) {
      if (!signature.starts_with(prefix_)) continue;
      const auto given = auth::decode(encoding_, signature.substr(prefix_.size()));
      proven = (given && auth::equal_constant_time(made, *given)) || proven;
    }
  }
  if (!proven)
    return Unverified{"bad_signature", "the signature in " + header_ +
                                           " does not fit: is the secret the vendor's, and does " +
                                           "public_url match the address that the vendor calls?"};
  return stamp_ ? check_time(stamp, request.received) : std::nullopt;
}

std::optional<Unverified> BoundScheme::check_time(std::string_view stamp, Time received) const {
  std::int64_t count = 0;
  const auto [end, error] = std::from_chars(stamp.data(), stamp.data() + stamp.size(), count);
  const std::int64_t unit = units_per(stamp_->unit);
  if (error != std::errc() || end != stamp.data() + stamp.size() || count < 0 ||
      count > std::numeric_limits<std::int64_t>::max() / unit)
    return Unverified{"stale_timestamp", "the signature's time is not a number"};
  const Duration off = received - from_unix_us(count * unit);
  if (off <= stamp_->tolerance && off >= -stamp_->tolerance) return std::nullopt;
  return Unverified{"stale_timestamp", "it was signed " + humane_duration(off < Duration(0) ? -off : off) +
                                           (off < Duration(0) ? " from now" : " ago") + ": is the clock right?"};
}

void BoundScheme::sign(InboundRequest& request) const {
  if (token_) {
    request.headers.emplace_back(header_, prefix_ + tokens_.front());
    return;
  }
  std::string stamp;
  if (stamp_) {
    stamp = std::to_string(to_unix_us(request.received) / units_per(stamp_->unit));
    if (stamp_->pair.empty()) request.headers.emplace_back(stamp_->header, stamp);
  }
  const Signed over = signed_parts(request, stamp);
  const std::string signature = prefix_ + auth::encode(encoding_, keys_.front().sign(over.parts));
  if (pair_.empty()) {
    request.headers.emplace_back(header_, signature);
  } else {
    const std::string time = stamp_ && !stamp_->pair.empty() ? stamp_->pair + "=" + stamp + "," : "";
    request.headers.emplace_back(header_, time + pair_ + "=" + signature);
  }
}

}  // namespace tieline::connect
