#include "json/zone.h"

#include <cctz/civil_time.h>
#include <cctz/time_zone.h>

#include <algorithm>
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

}  // namespace tieline::json
