// jq's functions on dates, in UTC or in the program's zone: the machine's zone is no business of a program's.
#include <algorithm>
#include <array>
#include <cmath>
#include <ctime>
#include <string>

#include "json/jq/machine.h"
#include "json/jq/natives.h"
#include "json/jq/values.h"
#include "json/zone.h"

namespace tieline::json::jq {
namespace {

constexpr double kSecondsMax = 67'767'976'233'532'799.0;  // the last second that a struct tm can say

// [year, month from 0, day, hours, minutes, seconds, weekday, day of the year]
Node broken_down(Machine& m, const std::tm& tm, double seconds) {
  const std::array<Node, 8> parts = {integer(tm.tm_year + 1900), integer(tm.tm_mon), integer(tm.tm_mday),
                                     integer(tm.tm_hour),        integer(tm.tm_min), real(seconds),
                                     integer(tm.tm_wday),        integer(tm.tm_yday)};
  return m.array(parts);
}

const Zone* program_zone(Machine& m) {
  const auto zone = find_zone(m.zone());
  if (!zone) m.fail(zone.error().message);
  return zone ? *zone : nullptr;
}

// The time in that zone, or in UTC where there is none; `fraction` are the parts of a second.
bool time_in(Machine& m, Node in, const Zone* zone, std::tm& tm, double& fraction) {
  const std::string name = zone == nullptr ? "gmtime()" : "localtime()";
  if (!is_number(in)) return m.fail(name + " requires a number");
  const double seconds = double_of(in);
  if (!(std::abs(seconds) < kSecondsMax)) return m.fail(name + " cannot say so far a time");
  const double whole = std::floor(seconds);
  const auto time = static_cast<std::time_t>(whole);
  // As written: 1425599507.25 has 47.25 seconds, without the noise of a large number's fraction.
  fraction = std::round((seconds - whole) * 1e6) / 1e6;
  if (zone == nullptr) {
    if (gmtime_r(&time, &tm) == nullptr) return m.fail(name + " cannot say so far a time");
    tm.tm_zone = "UTC";
    return true;
  }
  const LocalTime local = local_time(*zone, time);
  tm.tm_year = static_cast<int>(local.clock.year - 1900);
  tm.tm_mon = local.clock.month - 1;
  tm.tm_mday = local.clock.day;
  tm.tm_hour = local.clock.hour;
  tm.tm_min = local.clock.minute;
  tm.tm_sec = local.clock.second;
  tm.tm_wday = local.weekday;
  tm.tm_yday = local.day_of_year;
  tm.tm_isdst = local.daylight_saving ? 1 : 0;
  tm.tm_gmtoff = local.offset;
  tm.tm_zone = local.abbreviation;
  return true;
}

bool gmtime(Machine& m, Node in, const Node*, Node& out) {
  std::tm tm{};
  double fraction = 0;
  if (!time_in(m, in, nullptr, tm, fraction)) return false;
  out = broken_down(m, tm, tm.tm_sec + fraction);
  return true;
}

bool localtime(Machine& m, Node in, const Node*, Node& out) {
  const Zone* const zone = program_zone(m);
  std::tm tm{};
  double fraction = 0;
  if (zone == nullptr || !time_in(m, in, zone, tm, fraction)) return false;
  out = broken_down(m, tm, tm.tm_sec + fraction);
  return true;
}

bool to_tm(Node in, std::tm& tm) {
  if (!is_array(in) || in.length == 0) return false;
  std::array<int, 8> parts{};
  parts[2] = 1;
  for (std::size_t i = 0; i < in.length && i < parts.size(); ++i) {
    if (!is_number(in.elements[i])) return false;
    const double value = double_of(in.elements[i]);
    if (!(std::abs(value) < 2e9)) return false;
    parts[i] = static_cast<int>(value);
  }
  tm.tm_year = parts[0] - 1900;
  tm.tm_mon = parts[1];
  tm.tm_mday = parts[2];
  tm.tm_hour = parts[3];
  tm.tm_min = parts[4];
  tm.tm_sec = parts[5];
  tm.tm_wday = parts[6];
  tm.tm_yday = parts[7];
  return true;
}

bool mktime(Machine& m, Node in, const Node*, Node& out) {
  if (!is_array(in)) return m.fail("mktime requires array of 6 numbers");
  std::tm tm{};
  if (!to_tm(in, tm)) return m.fail("mktime requires parsed datetime inputs");
  out = integer(::timegm(&tm));
  return true;
}

// The conversion of C's functions that `%` begins at `at`: its letter's position, behind flags, width and modifiers.
std::size_t conversion_at(std::string_view format, std::size_t at) {
  const std::size_t past = format.find_first_not_of("_-+0^#123456789", at + 1);
  if (past >= format.size()) return format.size();
  return format[past] == 'E' || format[past] == 'O' ? past + 1 : past;
}

// C's functions take %s by the machine's zone: what it gives is put in its place.
std::string without_epoch(std::string_view format, std::tm tm) {
  std::string out;
  for (std::size_t i = 0; i < format.size(); ++i) {
    if (format[i] != '%') {
      out += format[i];
      continue;
    }
    const std::size_t letter = std::min(conversion_at(format, i), format.size() - 1);
    const long offset = tm.tm_gmtoff;
    if (format[letter] == 's') {
      std::tm copy = tm;
      out += std::to_string(::timegm(&copy) - offset);
    } else {
      out.append(format, i, letter + 1 - i);
    }
    i = letter;
  }
  return out;
}

// What the parts of a date leave open: the days, and in a zone its offset and name.
void complete(std::tm& tm, bool days, const Zone* zone) {
  std::tm full = tm;
  const std::int64_t in_utc = ::timegm(&full);
  if (days) {
    tm.tm_wday = full.tm_wday;
    tm.tm_yday = full.tm_yday;
  }
  tm.tm_zone = "UTC";
  if (zone == nullptr) return;
  const std::tm& f = full;
  const std::int64_t seconds =
      moment_of(*zone, {f.tm_year + std::int64_t{1900}, f.tm_mon + 1, f.tm_mday, f.tm_hour, f.tm_min, f.tm_sec});
  const LocalTime local = local_time(*zone, seconds);
  tm.tm_isdst = local.daylight_saving ? 1 : 0;
  tm.tm_gmtoff = in_utc - seconds;
  tm.tm_zone = local.abbreviation;
}

bool formatted_time(Machine& m, Node in, Node how, const Zone* zone, Node& out) {
  const std::string name = zone == nullptr ? "strftime/1" : "strflocaltime/1";
  std::tm tm{};
  if (is_number(in)) {
    double fraction = 0;
    if (!time_in(m, in, zone, tm, fraction)) return false;
    if (!is_string(how)) return m.fail(name + " requires a string format");
  } else {
    if (!is_array(in)) return m.fail(name + " requires parsed datetime inputs");
    if (!is_string(how)) return m.fail(name + " requires a string format");
    if (!to_tm(in, tm)) return m.fail(name + " requires parsed datetime inputs");
    complete(tm, in.length < 8, zone);
  }
  if (tm.tm_wday < 0 || tm.tm_wday > 6 || tm.tm_mon < 0 || tm.tm_mon > 11) {
    return m.fail(name + " requires parsed datetime inputs");
  }
  const std::string format = without_epoch(how.view(), tm);
  std::string text(format.size() * 4 + 256, '\0');
  const std::size_t size = std::strftime(text.data(), text.size(), format.c_str(), &tm);
  if (size == 0 && !format.empty()) return m.fail(name + ": unknown system failure");
  out = m.text(std::string_view(text.data(), size));
  return m.spend(size / 8);
}

bool strftime(Machine& m, Node in, const Node* a, Node& out) { return formatted_time(m, in, a[0], nullptr, out); }

bool strflocaltime(Machine& m, Node in, const Node* a, Node& out) {
  const Zone* const zone = program_zone(m);
  return zone != nullptr && formatted_time(m, in, a[0], zone, out);
}

bool has_epoch(std::string_view format) {
  for (std::size_t i = format.find('%'); i < format.size(); i = format.find('%', i + 1)) {
    i = conversion_at(format, i);
    if (i < format.size() && format[i] == 's') return true;
  }
  return false;
}

bool parsed_time(Machine& m, Node in, const std::string& format, std::tm& tm) {
  const std::string text(in.view());
  tm.tm_wday = 8;
  tm.tm_yday = 367;
  const char* const end = ::strptime(text.c_str(), format.c_str(), &tm);
  if (end == nullptr || *end != '\0') {
    return m.fail("date \"" + text + "\" does not match format \"" + format + '"');
  }
  if (has_epoch(format)) {  // it was taken apart in the machine's zone
    std::tm local = tm;
    const std::time_t seconds = ::timegm(&local) - tm.tm_gmtoff;
    if (gmtime_r(&seconds, &tm) == nullptr) return m.fail("date \"" + text + "\" is too far a time");
  }
  std::tm full = tm;
  full.tm_isdst = 0;
  full.tm_gmtoff = 0;
  ::timegm(&full);
  tm.tm_wday = full.tm_wday;
  tm.tm_yday = full.tm_yday;
  return true;
}

bool strptime(Machine& m, Node in, const Node* a, Node& out) {
  if (!is_string(in)) return m.fail_type(in, "cannot be parsed as a date, as it is not a string");
  if (!is_string(a[0])) return m.fail("strptime/1 requires a string format");
  std::tm tm{};
  if (!parsed_time(m, in, std::string(a[0].view()), tm)) return false;
  out = broken_down(m, tm, tm.tm_sec);
  return true;
}

bool fromdateiso8601(Machine& m, Node in, const Node*, Node& out) {
  if (!is_string(in)) return m.fail_type(in, "cannot be parsed as a date, as it is not a string");
  std::tm tm{};
  if (!parsed_time(m, in, "%Y-%m-%dT%H:%M:%SZ", tm)) return false;
  out = integer(::timegm(&tm));
  return true;
}

constexpr std::array kDates = {
    Native{"gmtime", 0, gmtime},
    Native{"localtime", 0, localtime},
    Native{"mktime", 0, mktime},
    Native{"strftime", 1, strftime},
    Native{"strflocaltime", 1, strflocaltime},
    Native{"strptime", 1, strptime},
    Native{"fromdateiso8601", 0, fromdateiso8601},
};

}  // namespace

std::span<const Native> date_natives() { return kDates; }

}  // namespace tieline::json::jq
