// The one table of errors (DESIGN.md §6): what an attempt came to, and what the transport and status alone say of it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/time.h"
#include "core/transport.h"

namespace tieline {

enum class Category : std::uint8_t {
  kDelivered,
  kTransient,
  kUnknown,  // it may have happened
  kRateLimited,
  kAuth,
  kConflict,
  kValidation,
  kPermanent,
  kMissing,  // the thing asked for is not there: what the step's `on: missing` decides
};
std::string_view category_name(Category category);
std::optional<Category> category_from_name(std::string_view name);

// Safe: reads. Repeatable: the same effect twice (PUT, upsert, DELETE). Unsafe: creates.
enum class Safety : std::uint8_t { kSafe, kRepeatable, kUnsafe };
std::string_view safety_name(Safety safety);
// By HTTP method: GET HEAD OPTIONS safe; PUT DELETE repeatable; else unsafe.
Safety safety_of_method(std::string_view method);

// The default judgement, before a connector's own rules: DESIGN.md §6, with 404 and 410 as missing, a refused
// certificate, address or request as permanent, and unlisted 4xx as validation. Pure.
Category classify(const Exchange& exchange, Safety safety);

// `Retry-After` as seconds or an HTTP date (RFC 9110 §10.2.3), clamped to [0, wait_max]; nothing when absent or broken.
std::optional<Duration> retry_after(const Headers& headers, Time now, Duration wait_max);

}  // namespace tieline
