#include "connect/vendor_time.h"

namespace tieline::connect {
namespace {

constexpr double kMillisecondsFrom = 1e11;  // a greater number of seconds would be in the year 5138
constexpr double kMillisecondsMax = 1e15;

}  // namespace

std::optional<Time> vendor_time(json::Value value) {
  if (value.is_string()) {
    const auto time = parse_time(value.as_string());
    return time ? std::optional(*time) : std::nullopt;
  }
  if (!value.is_number()) return std::nullopt;
  const double count = value.as_double();
  if (!(count >= 0) || count > kMillisecondsMax) return std::nullopt;
  const bool milliseconds = count >= kMillisecondsFrom;
  return from_unix_us(static_cast<std::int64_t>(count * (milliseconds ? 1e3 : 1e6)));
}

}  // namespace tieline::connect
