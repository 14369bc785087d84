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

bool read_text(Machine& m, Node in, std::string_view name, IsoTime& out) {
  if (!m.spend(in.length / 8)) return false;
  auto read = read_iso(in.view());
  if (!read)
    return m.fail_type(in, "is not an ISO-8601 time, which " + std::string(name) + " wants: " + read.error().message);
  out = std::move(*read);
  return true;
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

Moment moment_in(const IsoTime& written, const Zone* zone) {
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
  IsoTime written;
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
  IsoTime written;
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
