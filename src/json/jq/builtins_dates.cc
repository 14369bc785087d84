// Functions on dates, in UTC only: the machine's zone is no business of a program's.
#include <array>
#include <cmath>
#include <ctime>

#include "json/jq/machine.h"
#include "json/jq/natives.h"
#include "json/jq/values.h"

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

bool gmtime(Machine& m, Node in, const Node*, Node& out) {
  if (!is_number(in)) return m.fail("gmtime() requires a number");
  const double seconds = double_of(in);
  if (!(std::abs(seconds) < kSecondsMax)) return m.fail("gmtime() cannot say so far a time");
  const double whole = std::floor(seconds);
  const auto time = static_cast<std::time_t>(whole);
  std::tm tm{};
  if (gmtime_r(&time, &tm) == nullptr) return m.fail("gmtime() cannot say so far a time");
  // As written: 1425599507.25 has 47.25 seconds, without the noise of a large number's fraction.
  const double fraction = std::round((seconds - whole) * 1e6) / 1e6;
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

bool strftime(Machine& m, Node in, const Node* a, Node& out) {
  Node when = in;
  if (is_number(in) && !gmtime(m, in, nullptr, when)) return false;
  if (!is_array(when)) return m.fail("strftime/1 requires parsed datetime inputs");
  if (!is_string(a[0])) return m.fail("strftime/1 requires a string format");
  std::tm tm{};
  if (!to_tm(when, tm)) return m.fail("strftime/1 requires parsed datetime inputs");
  if (when.length < 8) {  // the days follow from the date
    std::tm full = tm;
    ::timegm(&full);
    tm.tm_wday = full.tm_wday;
    tm.tm_yday = full.tm_yday;
  }
  tm.tm_zone = "UTC";
  if (tm.tm_wday < 0 || tm.tm_wday > 6 || tm.tm_mon < 0 || tm.tm_mon > 11) {
    return m.fail("strftime/1 requires parsed datetime inputs");
  }
  const std::string format(a[0].view());
  std::string text(format.size() * 4 + 256, '\0');
  const std::size_t size = std::strftime(text.data(), text.size(), format.c_str(), &tm);
  if (size == 0 && !format.empty()) return m.fail("strftime/1: unknown system failure");
  out = m.text(std::string_view(text.data(), size));
  return true;
}

bool parsed_time(Machine& m, Node in, const std::string& format, std::tm& tm) {
  const std::string text(in.view());
  tm.tm_wday = 8;
  tm.tm_yday = 367;
  const char* const end = ::strptime(text.c_str(), format.c_str(), &tm);
  if (end == nullptr || *end != '\0') {
    return m.fail("date \"" + text + "\" does not match format \"" + format + '"');
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
    Native{"mktime", 0, mktime},
    Native{"strftime", 1, strftime},
    Native{"strptime", 1, strptime},
    Native{"fromdateiso8601", 0, fromdateiso8601},
};

}  // namespace

std::span<const Native> date_natives() { return kDates; }

}  // namespace tieline::json::jq
