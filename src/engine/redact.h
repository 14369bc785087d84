// What of an exchange may be kept: texts without their secrets, headers that are known to be harmless. It must never
// let a credential through, in whichever encoding it travelled.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/transport.h"
#include "json/value.h"

namespace tieline::engine {

class Redactor {
 public:
  // Each secret as it is, percent-encoded, escaped as in JSON and in base64. Those under four bytes are not looked for:
  // they would hide half of every text.
  explicit Redactor(const std::vector<std::string>& secrets);

  bool finds(std::string_view text) const;
  // With "[redacted]" in place of each secret.
  std::string text(std::string text) const;
  // Strings, keys and numbers of it; the same document where nothing is found.
  json::Document document(const json::Document& document) const;
  // First redacted, then cut, so that no half of a secret stands at the cut.
  std::string body(std::string_view bytes, std::size_t bytes_max) const;

 private:
  std::vector<std::string> needles_;  // longest first
};

// Those worth reading afterwards and never secret: content types, request ids, limits, Retry-After, Location …
Headers harmless_headers(const Headers& headers);

}  // namespace tieline::engine
