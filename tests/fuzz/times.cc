// Any text as a time, a duration and a Retry-After: what is read comes back from its own text, and a wait is in bounds.
#include "base/time.h"
#include "core/category.h"
#include "target.h"

namespace tieline::fuzz {

void run(std::string_view bytes) {
  if (const auto time = parse_time(bytes)) {
    const auto again = parse_time(format_time(*time));
    // An offset may lead out of the four digits that a year has.
    CHECK(again ? *again == *time
                : *time < Time(std::chrono::sys_days(std::chrono::year(0) / 1 / 2)) ||
                      *time > Time(std::chrono::sys_days(std::chrono::year(9999) / 12 / 30)));
  }
  if (const auto duration = parse_duration(bytes)) {
    CHECK(duration->count() >= 0 && parse_duration(format_duration(*duration)).value() == *duration);
    CHECK(!humane_duration(*duration).empty());
  }
  const Time now = from_unix_us(1'795'470'240'000'000);  // 2026-11-23T21:44:00Z
  for (const Duration most : {Duration(0), Duration(1h), Duration::max()}) {
    const auto wait = retry_after({{"Retry-After", std::string(bytes)}}, now, most);
    CHECK(!wait || (*wait >= Duration(0) && *wait <= most));
  }
}

}  // namespace tieline::fuzz
