#include "json/zone.h"

#include <cctz/civil_time.h>
#include <cctz/time_zone.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <vector>

#include "base/text.h"

namespace tieline::json {

class Zone {
 public:
  explicit Zone(cctz::time_zone z) : zone(z) {}
  const cctz::time_zone zone;
};

namespace {

namespace fs = std::filesystem;

constexpr std::string_view kDatabase = "/usr/share/zoneinfo";
constexpr std::size_t kNameMax = 64;
constexpr std::size_t kIsoFractionMax = 9;  // nanoseconds; digits behind them are cut off

// What may be looked for below the database: no path out of it, and none of the names with a meaning of their own.
bool is_plain_name(std::string_view name) {
  const auto plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '/' || c == '_' ||
           c == '-' || c == '+';
  };
  return !name.empty() && name.size() <= kNameMax && name.front() != '/' && name != "localtime" &&
         name.find("//") == std::string_view::npos && std::all_of(name.begin(), name.end(), plain);
}

tl::unexpected<Error> unknown_zone(std::string_view name) {
  std::error_code failed;
  const std::string shown = "there is no time zone \"" + truncated(name, 100) + '"';
  if (!fs::is_directory(kDatabase, failed)) {
    return failure(Code::kInvalid, shown + ", as this machine has no time zone database; install tzdata");
  }
  // The zones of the same area; an area in another case is found, too.
  std::vector<std::string> names{"UTC"};
  const std::size_t slash = std::min(name.find('/'), name.size());
  std::string area(name.substr(0, slash));
  if (slash < name.size() && is_plain_name(name)) {
    std::vector<std::string> areas;
    for (const fs::directory_entry& entry : fs::directory_iterator(kDatabase, failed)) {
      areas.push_back(entry.path().filename().string());
    }
    std::sort(areas.begin(), areas.end());
    const auto same = [&](const std::string& other) { return equals_ignore_case(other, area); };
    const auto found = std::find_if(areas.begin(), areas.end(), same);
    if (found != areas.end()) area = *found;
    for (const fs::directory_entry& entry : fs::directory_iterator(fs::path(kDatabase) / area, failed)) {
      names.push_back(area + '/' + entry.path().filename().string());
    }
  }
  std::sort(names.begin(), names.end());
  const std::string hint = did_you_mean(name, names);
  return failure(Code::kInvalid, shown + (hint.empty() ? "; write one like Europe/Berlin" : hint));
}

// Reads `2026-11-23T21:44:00.5+01:00`: a date alone, no seconds, a space for the T, and the basic form
// `20261123T214400Z` are as good. Of what is wrong, the first thing is kept.
class IsoReader {
 public:
  explicit IsoReader(std::string_view text) : text_(text) {}

  bool read(IsoTime& out) { return date(out) && (text_.empty() || (time(out) && zone(out) && ended())); }
  const std::string& problem() const { return problem_; }

 private:
  bool wrong(std::string what) {
    problem_ = std::move(what);
    return false;
  }
  bool eat(char c) {
    if (text_.empty() || text_.front() != c) return false;
    text_.remove_prefix(1);
    return true;
  }
  bool digits(std::size_t count, int& value) {
    if (text_.size() < count) return false;
    value = 0;
    for (const char c : text_.substr(0, count)) {
      if (c < '0' || c > '9') return false;
      value = value * 10 + (c - '0');
    }
    text_.remove_prefix(count);
    return true;
  }
  bool part(std::string_view name, int most, int& value) {
    if (!digits(2, value)) return wrong("its " + std::string(name) + " has two digits in ISO 8601");
    return value <= most || wrong("there is no " + std::string(name) + ' ' + std::to_string(value));
  }

  bool date(IsoTime& out) {
    int year = 0;
    ClockTime& c = out.clock;
    if (!digits(4, year)) return wrong("ISO 8601 begins with the four digits of a year");
    c.year = year;
    const bool dashes = eat('-');
    if (!part("month", 12, c.month)) return false;
    if (dashes && !eat('-')) return wrong("ISO 8601 has a dash behind the month");
    if (!part("day", 31, c.day)) return false;
    if (c.month == 0) return wrong("there is no month 0");
    if (c.day >= 1 && c.day <= days_in(c.year, c.month)) return true;
    return wrong("there is no day " + std::to_string(c.day) + " in that month");
  }

  bool time(IsoTime& out) {
    ClockTime& c = out.clock;
    if (!eat('T') && !eat('t') && !eat(' ')) return wrong("ISO 8601 has a T between date and time");
    if (!part("hour", 23, c.hour)) return false;
    const bool colons = eat(':');
    if (!part("minute", 59, c.minute)) return false;
    const bool more = colons ? eat(':') : !text_.empty() && text_.front() >= '0' && text_.front() <= '9';
    if (!more) return true;
    if (!part("second", 60, c.second)) return false;  // 60 is a leap second: the next minute's 0
    if (!eat('.') && !eat(',')) return true;
    const std::size_t size = std::min(text_.find_first_not_of("0123456789"), text_.size());
    if (size == 0) return wrong("there are no digits behind the point of its seconds");
    out.fraction = text_.substr(0, std::min(size, kIsoFractionMax));
    text_.remove_prefix(size);
    return true;
  }

  bool zone(IsoTime& out) {
    if (eat('Z') || eat('z')) {
      out.offset = 0;
      return true;
    }
    const bool west = eat('-');
    if (!west && !eat('+')) return true;
    int hours = 0, minutes = 0, seconds = 0;
    if (!part("offset's hour", 23, hours)) return false;
    const bool colons = eat(':');
    if ((colons || !text_.empty()) && !part("offset's minute", 59, minutes)) return false;
    if (eat(':') && !part("offset's second", 59, seconds)) return false;
    const int offset = hours * 3600 + minutes * 60 + seconds;
    out.offset = west ? -offset : offset;
    return true;
  }

  bool ended() { return text_.empty() || wrong("nothing may stand behind it"); }

  std::string_view text_;
  std::string problem_;
};

}  // namespace

Result<const Zone*> find_zone(std::string_view name) {
  static const Zone utc(cctz::utc_time_zone());
  if (name == "UTC") return &utc;
  static std::shared_mutex mutex;
  static std::map<std::string, const Zone, std::less<>> zones;
  {
    const std::shared_lock lock(mutex);
    if (const auto known = zones.find(name); known != zones.end()) return &known->second;
  }
  if (!is_plain_name(name)) return unknown_zone(name);
  // The library remembers for ever each name that it is asked for, so it is asked for files that exist alone; and by
  // their whole path, since it would look for others where an environment variable says.
  const std::string path = std::string(kDatabase) + '/' + std::string(name);
  std::error_code failed;
  cctz::time_zone loaded;
  if (!fs::is_regular_file(path, failed) || !cctz::load_time_zone(path, &loaded)) return unknown_zone(name);
  const std::lock_guard lock(mutex);
  return &zones.try_emplace(std::string(name), loaded).first->second;
}

LocalTime local_time(const Zone& zone, std::int64_t seconds) {
  const auto found = zone.zone.lookup(cctz::time_point<cctz::seconds>(cctz::seconds(seconds)));
  const cctz::civil_second& cs = found.cs;
  const cctz::civil_day day(cs);
  const auto weekday = static_cast<int>(cctz::get_weekday(day));  // from Monday, 0
  return {.clock = {cs.year(), cs.month(), cs.day(), cs.hour(), cs.minute(), cs.second()},
          .weekday = (weekday + 1) % 7,
          .day_of_year = cctz::get_yearday(day) - 1,
          .offset = found.offset,
          .daylight_saving = found.is_dst,
          .abbreviation = found.abbr};
}

std::int64_t moment_of(const Zone& zone, const ClockTime& clock) {
  const cctz::civil_second civil(clock.year, clock.month, clock.day, clock.hour, clock.minute, clock.second);
  return zone.zone.lookup(civil).pre.time_since_epoch().count();
}

Moments moments_of(const Zone& zone, const ClockTime& clock) {
  const cctz::civil_second civil(clock.year, clock.month, clock.day, clock.hour, clock.minute, clock.second);
  const cctz::time_zone::civil_lookup found = zone.zone.lookup(civil);
  const auto seconds = [](const cctz::time_point<cctz::seconds>& at) { return at.time_since_epoch().count(); };
  switch (found.kind) {
    case cctz::time_zone::civil_lookup::SKIPPED: return {Moments::Are::kSkipped, seconds(found.trans), 0};
    case cctz::time_zone::civil_lookup::REPEATED: return {Moments::Are::kTwo, seconds(found.pre), seconds(found.post)};
    case cctz::time_zone::civil_lookup::UNIQUE: break;
  }
  return {Moments::Are::kOne, seconds(found.pre), 0};
}

Result<IsoTime> read_iso(std::string_view text) {
  IsoTime out;
  IsoReader reader(text);
  if (!reader.read(out)) return failure(Code::kInvalid, reader.problem());
  return out;
}

int days_in(std::int64_t year, int month) {
  constexpr std::array<int, 12> kDays{31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  const bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
  return month == 2 && leap ? 29 : kDays[static_cast<std::size_t>(month - 1)];
}

}  // namespace tieline::json
