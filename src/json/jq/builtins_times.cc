// Times as ISO 8601 writes them, in any zone: beyond jq, whose own functions know UTC and whole seconds.
// No fraction of a second may pass through a double here.
#include <array>
#include <cstdio>
#include <optional>
#include <string>

#include "json/jq/decimal.h"
#include "json/jq/machine.h"
#include "json/jq/natives.h"
#include "json/jq/values.h"
#include "json/zone.h"

namespace tieline::json::jq {
namespace {

constexpr std::size_t kFractionMax = 9;  // nanoseconds; digits behind them are cut off

struct Moment {
  std::int64_t seconds = 0;  // since 1970, rounded down
  std::string fraction;      // the digits behind the point
};

// What a text says, before any zone comes in.
struct Written {
  ClockTime clock;
  std::string fraction;
  std::optional<int> offset;  // seconds east of UTC
};

bool is_leap_year(std::int64_t year) { return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0; }

int days_of(std::int64_t year, int month) {
  constexpr std::array kDays = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  return month == 2 && is_leap_year(year) ? 29 : kDays[static_cast<std::size_t>(month - 1)];
}

// Reads `2026-11-23T21:44:00.5+01:00`: a date alone, no seconds, a space for the T, and the basic form
// `20261123T214400Z` are as good. Of what is wrong, the first thing is kept.
class IsoReader {
 public:
  explicit IsoReader(std::string_view text) : text_(text) {}

  bool read(Written& out) { return date(out) && (text_.empty() || (time(out) && zone(out) && ended())); }
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

  bool date(Written& out) {
    int year = 0;
    ClockTime& c = out.clock;
    if (!digits(4, year)) return wrong("ISO 8601 begins with the four digits of a year");
    c.year = year;
    const bool dashes = eat('-');
    if (!part("month", 12, c.month)) return false;
    if (dashes && !eat('-')) return wrong("ISO 8601 has a dash behind the month");
    if (!part("day", 31, c.day)) return false;
    if (c.month == 0) return wrong("there is no month 0");
    if (c.day >= 1 && c.day <= days_of(c.year, c.month)) return true;
    return wrong("there is no day " + std::to_string(c.day) + " in that month");
  }

  bool time(Written& out) {
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
    out.fraction = text_.substr(0, std::min(size, kFractionMax));
    text_.remove_prefix(size);
    return true;
  }

  bool zone(Written& out) {
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

bool read_text(Machine& m, Node in, std::string_view name, Written& out) {
  if (!m.spend(in.length / 8)) return false;
  IsoReader reader(in.view());
  return reader.read(out) ||
         m.fail_type(in, "is not an ISO-8601 time, which " + std::string(name) + " wants: " + reader.problem());
}

const Zone* utc() { return *find_zone("UTC"); }

const Zone* zone_named(Machine& m, std::string_view name) {
  const auto zone = find_zone(name);
  if (!zone) m.fail(zone.error().message);
  return zone ? *zone : nullptr;
}

const Zone* zone_of(Machine& m, Node name) {
  if (is_string(name)) return zone_named(m, name.view());
  m.fail_type(name, "is not the name of a time zone, such as \"Europe/Berlin\"");
  return nullptr;
}

Moment moment_in(const Written& written, const Zone* zone) {
  const std::int64_t seconds = moment_of(written.offset ? *utc() : *zone, written.clock);
  return {seconds - written.offset.value_or(0), written.fraction};
}

bool moment_of_number(Machine& m, Node in, std::string_view name, Moment& out) {
  if (!m.spend(in.length / 8)) return false;
  NumberText buffer;
  std::optional<Decimal> d = decimal_of(number_text(in, buffer));
  constexpr std::int64_t kDigitsMax = 13;  // the years 0 to 9999 have at most 12
  if (!d || static_cast<std::int64_t>(d->digits.size()) - d->scale > kDigitsMax) {
    return m.fail_type(in, "is too far a time for " + std::string(name));
  }
  const auto scale = static_cast<std::size_t>(d->scale);
  if (d->digits.size() <= scale) d->digits.insert(0, scale + 1 - d->digits.size(), '0');
  const std::size_t whole = d->digits.size() - scale;
  out.seconds = std::stoll(d->digits.substr(0, whole));
  out.fraction = d->digits.substr(whole, kFractionMax);
  out.fraction.erase(out.fraction.find_last_not_of('0') + 1);
  if (!d->negative) return true;
  out.seconds = -out.seconds;
  if (out.fraction.empty()) return true;
  // -1.25 is 0.75 behind -2.
  const std::size_t size = out.fraction.size();
  std::string rest = std::to_string(std::stoll('1' + std::string(size, '0')) - std::stoll(out.fraction));
  out.fraction = std::string(size - rest.size(), '0') + rest;
  --out.seconds;
  return true;
}

bool read_moment(Machine& m, Node in, std::string_view name, Moment& out) {
  if (is_number(in) && !is_nan(in)) return moment_of_number(m, in, name, out);
  if (!is_string(in)) {
    return m.fail_type(in, "is not a time (unix seconds or an ISO-8601 text), which " + std::string(name) + " wants");
  }
  Written written;
  if (!read_text(m, in, name, written)) return false;
  if (!written.offset) {
    return m.fail_type(
        in, "has no offset, so that " + std::string(name) + " cannot know the moment; use from_iso8601(zone) first");
  }
  out = moment_in(written, nullptr);
  return true;
}

bool write_moment(Machine& m, Node in, const Moment& moment, const Zone* zone, Node& out) {
  const LocalTime local = local_time(*zone, moment.seconds);
  const ClockTime& c = local.clock;
  if (c.year < 0 || c.year > 9999) return m.fail_type(in, "is not in the years 0 to 9999, which ISO 8601 can write");
  std::array<char, 64> buffer;
  const auto put = [&](std::string& text, const char* how, auto... values) {
    text.append(buffer.data(), static_cast<std::size_t>(std::snprintf(buffer.data(), buffer.size(), how, values...)));
  };
  std::string text;
  put(text, "%04d-%02d-%02dT%02d:%02d:%02d", static_cast<int>(c.year), c.month, c.day, c.hour, c.minute, c.second);
  if (!moment.fraction.empty()) text += '.' + moment.fraction;
  if (local.offset == 0 && std::string_view(local.abbreviation) == "UTC") {
    text += 'Z';
  } else {
    const int size = std::abs(local.offset);
    put(text, "%c%02d:%02d", local.offset < 0 ? '-' : '+', size / 3600, size / 60 % 60);
    if (size % 60 != 0) put(text, ":%02d", size % 60);  // before there were standard times
  }
  out = m.text(text);
  return true;
}

bool in_zone(Machine& m, Node in, const Node* a, Node& out) {
  Moment moment;
  const Zone* const zone = zone_of(m, a[0]);
  return zone != nullptr && read_moment(m, in, "in_zone", moment) && write_moment(m, in, moment, zone, out);
}

bool in_own_zone(Machine& m, Node in, const Node*, Node& out) {
  Moment moment;
  const Zone* const zone = zone_named(m, m.zone());
  return zone != nullptr && read_moment(m, in, "in_zone", moment) && write_moment(m, in, moment, zone, out);
}

bool to_iso8601(Machine& m, Node in, const Node*, Node& out) {
  Moment moment;
  return read_moment(m, in, "to_iso8601", moment) && write_moment(m, in, moment, utc(), out);
}

Node seconds_node(Machine& m, Moment moment) {
  std::string& fraction = moment.fraction;
  fraction.erase(fraction.find_last_not_of('0') + 1);
  if (fraction.empty()) return integer(moment.seconds);
  std::string text = std::to_string(moment.seconds);
  if (moment.seconds < 0) {
    const std::size_t size = fraction.size();
    const std::string rest = std::to_string(std::stoll('1' + std::string(size, '0')) - std::stoll(fraction));
    fraction = std::string(size - rest.size(), '0') + rest;
    text = '-' + std::to_string(-(moment.seconds + 1));
  }
  Node number = m.text(text + '.' + fraction);
  number.kind = Kind::kNumber;
  number.flags = is_inexact(number.view()) ? Node::kInexact : 0;
  return number;
}

bool from_iso8601_in(Machine& m, Node in, const Zone* zone, Node& out) {
  if (zone == nullptr) return false;
  if (!is_string(in)) return m.fail_type(in, "is not a text, which from_iso8601 wants");
  Written written;
  if (!read_text(m, in, "from_iso8601", written)) return false;
  out = seconds_node(m, moment_in(written, zone));
  return true;
}
bool from_iso8601(Machine& m, Node in, const Node* a, Node& out) {
  return from_iso8601_in(m, in, zone_of(m, a[0]), out);
}
bool from_iso8601_own(Machine& m, Node in, const Node*, Node& out) {
  return from_iso8601_in(m, in, zone_named(m, m.zone()), out);
}

constexpr std::array kTimes = {
    Native{"in_zone", 0, in_own_zone},           Native{"in_zone", 1, in_zone, false, false, true},
    Native{"from_iso8601", 0, from_iso8601_own}, Native{"from_iso8601", 1, from_iso8601, false, false, true},
    Native{"to_iso8601", 0, to_iso8601},
};

}  // namespace

std::span<const Native> time_natives() { return kTimes; }

std::string zone_problem(const Code& argument) {
  if (argument.op != Op::kConstant || !is_string(argument.value)) return {};
  const auto zone = find_zone(argument.value.view());
  return zone ? std::string() : zone.error().message;
}

}  // namespace tieline::json::jq
