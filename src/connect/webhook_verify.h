// The proofs of one connection's webhooks: each scheme of the manifest with the secrets that are set. It must never say
// what a signature should have been, and compares in constant time only.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "auth/hash.h"
#include "connect/binding.h"

namespace tieline::connect {

// Why a request is not verified; the names are stable.
struct Unverified {
  std::string reason;   // "missing_signature", "bad_signature", "missing_timestamp", "stale_timestamp"
  std::string message;  // for the operator
};

class BoundScheme {
 public:
  // Nothing when none of the scheme's secrets is set: it is off. kInvalid when a variable makes no sense.
  static Result<std::optional<BoundScheme>> bind(const SchemePlan& plan, const Binding& binding,
                                                 const std::vector<std::string>& secrets);

  const std::string& name() const { return name_; }
  // Nothing when the request is proven.
  std::optional<Unverified> check(const InboundRequest& request) const;
  // Adds the headers that check() accepts, by the first secret.
  void sign(InboundRequest& request) const;

 private:
  struct Stamp {
    std::string header, pair;
    TimestampUnit unit = TimestampUnit::kSeconds;
    Duration tolerance{0};
  };
  struct Signed {
    std::vector<std::string> texts;  // keeps what the parts look at
    std::vector<std::string_view> parts;
  };
  std::optional<Unverified> check_signature(const InboundRequest& request, std::string_view header) const;
  std::optional<Unverified> check_time(std::string_view stamp, Time received) const;
  Signed signed_parts(const InboundRequest& request, std::string_view stamp) const;

  std::string name_, header_, prefix_, pair_, split_;
  bool token_ = false;
  auth::Encoding encoding_ = auth::Encoding::kHex;
  TextTemplate over_;
  std::optional<Stamp> stamp_;
  json::Document variables_;
  std::vector<auth::HmacKey> keys_;
  std::vector<std::string> tokens_;  // with token
};

}  // namespace tieline::connect
