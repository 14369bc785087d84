#include "core/schedule.h"

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <vector>

#include "base/check.h"
#include "base/text.h"

namespace tieline {
namespace {

constexpr int kYearsMax = 45;                 // 29 February on a given weekday: 28 years apart, 40 over the year 2100
constexpr std::int64_t kShiftMax = 3 * 3600;  // clocks are put back by less
constexpr std::uint32_t kEveryHour = (1u << 24) - 1;

constexpr std::array<std::string_view, 12> kMonths{"jan", "feb", "mar", "apr", "may", "jun",
                                                   "jul", "aug", "sep", "oct", "nov", "dec"};
constexpr std::array<std::string_view, 7> kWeekdays{"sun", "mon", "tue", "wed", "thu", "fri", "sat"};

struct Field {
  std::string_view name;
  int min, max;
  std::span<const std::string_view> names;  // of min, min + 1, …
};
const std::array<Field, 5>& fields() {
  static const std::array<Field, 5> all{Field{"minute", 0, 59, {}}, Field{"hour", 0, 23, {}},
                                        Field{"day of the month", 1, 31, {}}, Field{"month", 1, 12, kMonths},
                                        Field{"weekday", 0, 7, kWeekdays}};
  return all;
}

tl::unexpected<Error> wrong(const Field& field, std::string_view text, std::string_view why) {
  return failure(Code::kInvalid,
                 "the " + std::string(field.name) + " \"" + truncated(text, 60) + "\" " + std::string(why));
}

Result<int> number(const Field& field, std::string_view whole, std::string_view text) {
  for (std::size_t i = 0; i < field.names.size(); ++i) {
    if (equals_ignore_case(text, field.names[i])) return field.min + static_cast<int>(i);
  }
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool digits =
      !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
  if (!digits || error != std::errc() || end != text.data() + text.size() || value < field.min || value > field.max) {
    return wrong(
        field, whole,
        "must be made of " + std::to_string(field.min) + " to " + std::to_string(field.max) +
            (field.names.empty() ? std::string()
                                 : " or " + std::string(field.names[0]) + ", " + std::string(field.names[1]) + ", …") +
            ", like * or 5 or 1-5 or */2");
  }
  return value;
}

Result<std::uint64_t> part_bits(const Field& field, std::string_view part) {
  const std::size_t slash = part.find('/');
  const std::string_view range = part.substr(0, slash);
  int first = field.min, last = field.max, step = 1;
  if (range != "*") {
    const std::size_t dash = range.find('-');
    TRY(first, number(field, part, range.substr(0, dash)));
    last = first;
    if (dash != std::string_view::npos) {
      TRY(last, number(field, part, range.substr(dash + 1)));
    } else if (slash != std::string_view::npos) {
      return wrong(field, part,
                   "has a step without a range: write " + std::string(range) + "-" + std::to_string(field.max) +
                       std::string(part.substr(slash)));
    }
    if (last < first) return wrong(field, part, "goes backwards: write two ranges with a comma between them");
  } else if (field.max == 7) {
    last = 6;
  }
  if (slash != std::string_view::npos) {
    const std::string_view text = part.substr(slash + 1);
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), step);
    if (text.empty() || error != std::errc() || end != text.data() + text.size() || step < 1 || step > field.max)
      return wrong(field, part, "has no step from 1 to " + std::to_string(field.max) + " behind the /");
  }
  std::uint64_t bits = 0;
  for (int value = first; value <= last; value += step) bits |= 1ull << (field.max == 7 ? value % 7 : value);
  return bits;
}

Result<std::uint64_t> field_bits(const Field& field, std::string_view text) {
  std::uint64_t bits = 0;
  for (const std::string_view part : split(text, ',')) {
    TRY(const std::uint64_t more, part_bits(field, part));
    bits |= more;
  }
  return bits;
}

bool has(std::uint64_t bits, int value) { return (bits >> value & 1) != 0; }

int weekday_of(const json::ClockTime& clock) {
  const std::chrono::year_month_day day(std::chrono::year(static_cast<int>(clock.year)),
                                        std::chrono::month(static_cast<unsigned>(clock.month)),
                                        std::chrono::day(static_cast<unsigned>(clock.day)));
  return static_cast<int>(std::chrono::weekday(std::chrono::sys_days(day)).c_encoding());
}

// One step of the given field; what is below it begins anew.
void next_minute(json::ClockTime& clock) { ++clock.minute; }
void next_hour(json::ClockTime& clock) {
  ++clock.hour;
  clock.minute = 0;
}
void next_day(json::ClockTime& clock) {
  ++clock.day;
  clock.hour = clock.minute = 0;
}
void next_month(json::ClockTime& clock) {
  ++clock.month;
  clock.day = 1;
  clock.hour = clock.minute = 0;
}
void carry(json::ClockTime& clock) {
  if (clock.minute > 59) next_hour(clock);
  if (clock.hour > 23) next_day(clock);
  if (clock.month <= 12 && clock.day > json::days_in(clock.year, clock.month)) next_month(clock);
  if (clock.month > 12) {
    ++clock.year;
    clock.month = 1;
  }
}

std::int64_t seconds_of(Time time) { return std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count(); }

}  // namespace

Result<Schedule> Schedule::parse(std::string_view text, std::string_view zone) {
  std::vector<std::string_view> parts;
  for (const std::string_view part : split(text, ' ')) {
    if (!part.empty()) parts.push_back(part);
  }
  if (parts.size() != fields().size()) {
    return failure(Code::kInvalid, "\"" + truncated(text, 100) + "\" has " + counted(parts.size(), "field", "fields") +
                                       "; a schedule has five: minute hour day-of-month month weekday, like "
                                       "`0 6 * * mon-fri`");
  }
  Schedule out;
  out.text_ = text;
  out.zone_name_ = zone;
  TRY(out.zone_, json::find_zone(zone));
  std::array<std::uint64_t, 5> bits{};
  for (std::size_t i = 0; i < bits.size(); ++i) {
    TRY(bits[i], field_bits(fields()[i], parts[i]));
  }
  out.minutes_ = bits[0];
  out.hours_ = static_cast<std::uint32_t>(bits[1]);
  out.days_ = static_cast<std::uint32_t>(bits[2]);
  out.months_ = static_cast<std::uint32_t>(bits[3]);
  out.weekdays_ = static_cast<std::uint32_t>(bits[4]);
  out.either_day_ = !parts[2].starts_with('*') && !parts[4].starts_with('*');
  json::ClockTime leap_year;
  leap_year.year = 1996;
  if (!out.next_fitting(leap_year))
    return failure(Code::kInvalid, "\"" + truncated(text, 100) + "\" never comes: no month of it has such a day");
  return out;
}

bool Schedule::day_fits(const json::ClockTime& clock, int weekday) const {
  const bool day = has(days_, clock.day), week = has(weekdays_, weekday);
  return either_day_ ? day || week : day && week;
}

// The first time of the calendar at `from` or later that fits, whether clocks show it or not.
std::optional<json::ClockTime> Schedule::next_fitting(json::ClockTime clock) const {
  clock.second = 0;
  const std::int64_t last_year = clock.year + kYearsMax;
  while (clock.year <= last_year) {
    if (!has(months_, clock.month)) {
      next_month(clock);
    } else if (!day_fits(clock, weekday_of(clock))) {
      next_day(clock);
    } else if (!has(hours_, clock.hour)) {
      next_hour(clock);
    } else if (!has(minutes_, clock.minute)) {
      next_minute(clock);
    } else {
      return clock;
    }
    carry(clock);
  }
  return std::nullopt;
}

// The first moment after `after` at which clocks come to a time that fits, for the first time, or skip it. These
// moments grow with the times of the calendar, and a time before what clocks show at `after` has had its moment.
std::optional<std::int64_t> Schedule::first_pass(std::int64_t after) const {
  json::ClockTime clock = json::local_time(*zone_, after).clock;
  while (true) {
    next_minute(clock);
    carry(clock);
    const auto fitting = next_fitting(clock);
    if (!fitting) return std::nullopt;
    clock = *fitting;
    const std::int64_t moment = json::moments_of(*zone_, clock).first;
    if (moment > after) return moment;
  }
}

// The first moment between the two at which clocks show a time that fits for the second time.
std::optional<std::int64_t> Schedule::second_pass(std::int64_t after, std::int64_t before) const {
  std::optional<std::int64_t> found;
  json::ClockTime clock = json::local_time(*zone_, after - kShiftMax).clock;
  for (auto fitting = next_fitting(clock); fitting; fitting = next_fitting(clock)) {
    clock = *fitting;
    const json::Moments moments = json::moments_of(*zone_, clock);
    if (moments.first >= before) break;
    if (moments.are == json::Moments::Are::kTwo && moments.second > after && moments.second < before) {
      found = std::min(found.value_or(moments.second), moments.second);
    }
    next_minute(clock);
    carry(clock);
  }
  return found;
}

Schedule Schedule::every(Duration interval, Duration offset) {
  CHECK(interval.count() > 0);
  Schedule out;
  out.text_ = "every " + format_duration(interval);
  out.zone_name_ = "UTC";
  out.interval_ = interval;
  out.offset_ = offset % interval;
  return out;
}

// The last moment of every() that is not after `until`.
Time Schedule::last_of_interval(Time until) const {
  const std::int64_t since = to_unix_us(until) - offset_.count(), step = interval_.count();
  const std::int64_t count = since >= 0 ? since / step : (since - step + 1) / step;
  return from_unix_us(count * step + offset_.count());
}

Time Schedule::next(Time after) const {
  if (interval_.count() > 0) return last_of_interval(after) + interval_;
  const std::int64_t now = seconds_of(after);
  const auto first = first_pass(now);
  CHECK(first.has_value());  // parse() found one within the years of a leap day
  std::int64_t moment = *first;
  if (hours_ == kEveryHour && moment - now <= 48 * 3600) moment = second_pass(now, moment).value_or(moment);
  return Time(std::chrono::seconds(moment));
}

std::optional<Time> Schedule::latest(Time after, Time until) const {
  if (interval_.count() > 0) {
    const Time last = last_of_interval(until);
    return last > after ? std::optional(last) : std::nullopt;
  }
  // Backwards in growing leaps: a schedule for each minute must not count all minutes of a year.
  for (const Duration back : {Duration(1h), Duration(24h), Duration(24h * 32), Duration(24h * 366), Duration::max()}) {
    const Time from = back < until - after ? until - back : after;
    std::optional<Time> found;
    for (Time at = next(from); at <= until; at = next(at)) found = at;
    if (found || from == after) return found;
  }
  return std::nullopt;
}

}  // namespace tieline
