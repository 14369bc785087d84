// Standard Webhooks (https://github.com/standard-webhooks/standard-webhooks, spec/standard-webhooks.md): its secrets,
// and the call that sends an event to a subscriber. A secret must never leave this file but as a signature.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/connector.h"

namespace tieline::connect {

// The key of "whsec_" and base64, with or without the prefix. kInvalid, without the secret, when it is not base64 of at
// least 16 bytes.
Result<Bytes> standard_webhooks_key(std::string_view secret);

struct SubscriberSpec {
  std::string name;  // of the connection: "subscriptions/erp"
  std::string url;
  std::vector<std::string> secrets;  // each signs: a subscriber knows one of them while it rotates
  Duration timeout{15'000'000};
  bool private_addresses = false;
  std::string content_type = "application/json";
};

// The action NAME.events.send with the arguments `id` (the webhook-id) and `body` (any value): POSTs the body as JSON.
// A repeat has the id of the first, so that it is harmless. 2xx is success and binds null; 410 is permanent, with the
// code "gone"; all else is tried again. kInvalid for a secret.
Result<ActionPtr> make_subscriber(SubscriberSpec spec);

}  // namespace tieline::connect
