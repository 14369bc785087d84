#include "base/time.h"

#include <array>
#include <charconv>
#include <cstdio>

namespace tieline {
namespace {

using std::chrono::days;

struct Unit {
  std::string_view name;
  std::int64_t us;
};
// Largest first, so that formatting finds the largest exact one; "m" after "ms" does not matter: names match whole.
constexpr std::array<Unit, 6> kUnits{
    {{"d", 86'400'000'000}, {"h", 3'600'000'000}, {"m", 60'000'000}, {"s", 1'000'000}, {"ms", 1'000}, {"us", 1}}};

// Reads exactly `count` digits at `at`, advancing it.
bool digits(std::string_view text, std::size_t& at, std::size_t count, int& out) {
  if (text.size() < at + count) return false;
  out = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const char c = text[at + i];
    if (c < '0' || c > '9') return false;
    out = out * 10 + (c - '0');
  }
  at += count;
  return true;
}

bool literal(std::string_view text, std::size_t& at, char c) {
  if (at >= text.size() || text[at] != c) return false;
  ++at;
  return true;
}

// The fraction of a second after '.', in microseconds; digits beyond the sixth are dropped.
bool fraction(std::string_view text, std::size_t& at, std::int64_t& us) {
  us = 0;
  if (at >= text.size() || text[at] != '.') return true;
  ++at;
  std::int64_t scale = 100'000;
  const std::size_t begin = at;
  while (at < text.size() && text[at] >= '0' && text[at] <= '9') {
    us += (text[at] - '0') * scale;
    scale /= 10;
    ++at;
  }
  return at > begin;
}

bool offset(std::string_view text, std::size_t& at, std::int64_t& offset_us) {
  offset_us = 0;
  if (at >= text.size()) return false;
  const char sign = text[at++];
  if (sign == 'Z' || sign == 'z') return true;
  if (sign != '+' && sign != '-') return false;
  int hours = 0, minutes = 0;
  if (!digits(text, at, 2, hours)) return false;
  if (at < text.size() && text[at] == ':') ++at;
  if (!digits(text, at, 2, minutes) || hours > 23 || minutes > 59) return false;
  offset_us = (hours * 60LL + minutes) * 60'000'000 * (sign == '-' ? -1 : 1);
  return true;
}

}  // namespace

std::string format_time(Time t) {
  const auto day = std::chrono::floor<days>(t);
  const std::chrono::year_month_day date(day);
  const std::int64_t us = (t - day).count();
  const std::int64_t seconds = us / 1'000'000;
  std::array<char, 48> out;
  int n = std::snprintf(out.data(), out.size(), "%04d-%02u-%02uT%02d:%02d:%02d", static_cast<int>(date.year()),
                        static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                        static_cast<int>(seconds / 3600), static_cast<int>(seconds / 60 % 60),
                        static_cast<int>(seconds % 60));
  if (us % 1'000'000 != 0)
    n += std::snprintf(out.data() + n, out.size() - static_cast<std::size_t>(n), ".%06d",
                       static_cast<int>(us % 1'000'000));
  return std::string(out.data(), static_cast<std::size_t>(n)) + "Z";
}

Result<Time> parse_time(std::string_view text) {
  std::size_t at = 0;
  int year, month, day, hour, minute, second;
  std::int64_t us = 0, offset_us = 0;
  const bool date = digits(text, at, 4, year) && literal(text, at, '-') && digits(text, at, 2, month) &&
                    literal(text, at, '-') && digits(text, at, 2, day);
  const bool separator = date && at < text.size() && (text[at] == 'T' || text[at] == 't' || text[at] == ' ');
  if (separator) ++at;
  const bool clock = separator && digits(text, at, 2, hour) && literal(text, at, ':') && digits(text, at, 2, minute) &&
                     literal(text, at, ':') && digits(text, at, 2, second) && fraction(text, at, us) &&
                     offset(text, at, offset_us) && at == text.size();
  const std::chrono::year_month_day ymd{std::chrono::year(date ? year : 0),
                                        std::chrono::month(date ? static_cast<unsigned>(month) : 0),
                                        std::chrono::day(date ? static_cast<unsigned>(day) : 0)};
  // 60 is a leap second: it becomes the next second's start.
  if (!clock || !ymd.ok() || hour > 23 || minute > 59 || second > 60)
    return failure(Code::kInvalid, "\"" + std::string(text) + "\" is not a time like 2026-11-23T21:44:00Z");
  const std::int64_t of_day = ((hour * 60LL + minute) * 60 + second) * 1'000'000 + us;
  return Time(std::chrono::sys_days(ymd)) + Duration(of_day - offset_us);
}

Result<Duration> parse_duration(std::string_view text) {
  std::int64_t count = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
  const std::string_view unit = text.substr(static_cast<std::size_t>(end - text.data()));
  if (error == std::errc() && count >= 0) {
    if (count == 0 && unit.empty()) return Duration(0);
    for (const Unit& known : kUnits) {
      if (unit == known.name && count <= INT64_MAX / known.us) return Duration(count * known.us);
    }
  }
  return failure(Code::kInvalid, "\"" + std::string(text) + "\" is not a duration like 250ms, 5s, 10m, 24h or 30d");
}

std::string format_duration(Duration d) {
  if (d.count() == 0) return "0s";
  for (const Unit& unit : kUnits) {
    if (d.count() % unit.us == 0) return std::to_string(d.count() / unit.us) + std::string(unit.name);
  }
  return std::to_string(d.count()) + "us";
}

std::string humane_duration(Duration d) {
  const double us = static_cast<double>(d.count());
  const auto say = [](double value, const char* unit) {
    std::array<char, 32> out;
    const int n = std::snprintf(out.data(), out.size(), value < 10 ? "%.1f %s" : "%.0f %s", value, unit);
    return std::string(out.data(), static_cast<std::size_t>(n));
  };
  if (us < 1'000) return std::to_string(d.count()) + " µs";
  if (us < 1e6) return say(us / 1e3, "ms");
  if (us < 120e6) return say(us / 1e6, "s");
  if (us < 7200e6) return say(us / 60e6, "min");
  if (us < 2 * 86400e6) return say(us / 3600e6, "h");
  return say(us / 86400e6, "d");
}

}  // namespace tieline
