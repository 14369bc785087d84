// When a schedule comes: the five fields of cron, in a time zone, or every so often. It must never read a clock, nor
// let a moment come twice because clocks were put back.
//
//   minute hour day-of-month month weekday      0 6 * * mon-fri
//
// A field is `*`, or a list of numbers and ranges, each range with an optional step: 0,30 · 9-17 · */15 · 10-50/20.
// Months and weekdays have names (jan, mon); Sunday is 0 and 7. Where day-of-month and weekday are both restricted
// (neither begins with `*`), a day that fits one of them fits: crontab(5).
//
// A time that clocks skip comes once, when they have been put forward; one that they show twice comes once, the first
// time. A schedule for every hour of the day follows the hours that pass: it comes in both.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/time.h"
#include "json/zone.h"

namespace tieline {

class Schedule {
 public:
  // kInvalid: what is wrong with the text, an unknown zone, a date that never comes (30 February).
  static Result<Schedule> parse(std::string_view text, std::string_view zone);
  // Every `interval`, which is positive, counted from 1970 and `offset` on, whatever clocks show. Its text is "every
  // 15m".
  static Schedule every(Duration interval, Duration offset);

  const std::string& text() const { return text_; }
  const std::string& zone() const { return zone_name_; }

  // Of every(); 0: it is one of cron.
  Duration interval() const { return interval_; }

  // The first moment after `after`: a whole minute, where it is one of cron.
  Time next(Time after) const;
  // The last moment that is after `after` and not after `until`; nothing when none is.
  std::optional<Time> latest(Time after, Time until) const;

 private:
  Schedule() = default;
  Time last_of_interval(Time until) const;
  bool day_fits(const json::ClockTime& clock, int weekday) const;
  std::optional<json::ClockTime> next_fitting(json::ClockTime from) const;
  std::optional<std::int64_t> first_pass(std::int64_t after) const;
  std::optional<std::int64_t> second_pass(std::int64_t after, std::int64_t before) const;

  std::string text_, zone_name_;
  const json::Zone* zone_ = nullptr;
  std::uint64_t minutes_ = 0;  // bit n: it comes at n
  std::uint32_t hours_ = 0, days_ = 0, months_ = 0, weekdays_ = 0;
  bool either_day_ = false;           // one of days_ and weekdays_ is enough
  Duration interval_{0}, offset_{0};  // of every()
};

}  // namespace tieline
