// The store's own key, from which a run's secrets are made: a file that only its owner may read, beside the store. It
// must never be shown, logged or put into a backup's listing.
#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "core/secret_source.h"

namespace tieline::cli {

inline constexpr std::string_view kSecretKeyFile = "secrets.key";

// Reads the key of the store in `directory`, or makes one, durably, where nothing was ever written to the store; or
// `accept_loss`: what was made with the one that is lost cannot be made again then. kNotFound when it is missing,
// kInvalid for a file that is no key, kDenied for one that others may read, kInternal when it cannot be read or
// written.
Result<std::unique_ptr<const SecretSource>> open_secret_key(const std::string& directory, bool accept_loss);

}  // namespace tieline::cli
