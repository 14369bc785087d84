// Time zones by their names in the IANA database of the machine (Debian: tzdata): what clocks show there, and when.
// It must never ask which zone the machine itself is in.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace tieline::json {

class Zone;  // lives as long as the process

// "UTC", or a name of the database such as "Europe/Berlin", in its spelling. kInvalid, with a "did you mean", where
// there is no such zone, and where the machine has no database. Any thread; a zone is read once.
Result<const Zone*> find_zone(std::string_view name);

// In the proleptic Gregorian calendar.
struct ClockTime {
  std::int64_t year = 1970;
  int month = 1;  // from 1
  int day = 1;
  int hour = 0;
  int minute = 0;
  int second = 0;
};

struct LocalTime {
  ClockTime clock;
  int weekday = 0;      // from Sunday, 0
  int day_of_year = 0;  // from 0
  int offset = 0;       // seconds east of UTC
  bool daylight_saving = false;
  const char* abbreviation = "UTC";  // "CEST"; lives as long as the zone
};
// What clocks show, `seconds` after 1970-01-01T00:00:00Z.
LocalTime local_time(const Zone& zone, std::int64_t seconds);

// When clocks show that, in seconds as above. Of two moments, where clocks are put back, the first one. What clocks
// skip is read with the offset from before: 02:30 in the hour that is skipped is what then shows as 03:30. A part out
// of its range carries over (second 60 is the next minute's 0).
std::int64_t moment_of(const Zone& zone, const ClockTime& clock);

// All moments at which clocks show that.
struct Moments {
  enum class Are : std::uint8_t { kOne, kSkipped, kTwo } are = Are::kOne;
  std::int64_t first = 0;   // kSkipped: the moment at which clocks are put forward over it
  std::int64_t second = 0;  // kTwo only
};
Moments moments_of(const Zone& zone, const ClockTime& clock);

// What a text says, before any zone comes in.
struct IsoTime {
  ClockTime clock;
  std::string fraction;       // the digits behind the point, at most nine
  std::optional<int> offset;  // seconds east of UTC
};
// ISO 8601: `2026-11-23T21:44:00.5+01:00`; a date alone, no seconds, a space for the T, and the basic form
// `20261123T214400Z` are as good. kInvalid says what is wrong first, without the text.
Result<IsoTime> read_iso(std::string_view text);

// Of a month from 1 to 12.
int days_in(std::int64_t year, int month);

}  // namespace tieline::json
