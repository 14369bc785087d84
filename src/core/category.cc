#include "core/category.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "base/text.h"

namespace tieline {
namespace {

constexpr std::array<std::string_view, 9> kNames{"delivered", "transient",  "unknown",   "rate_limited", "auth",
                                                 "conflict",  "validation", "permanent", "missing"};

// The gateway answered, or nobody did: an unsafe call may have happened.
Category lost(Safety safety) { return safety == Safety::kUnsafe ? Category::kUnknown : Category::kTransient; }

Category classify_status(int status, Safety safety) {
  if (status >= 200 && status < 300) return Category::kDelivered;
  if (status >= 300 && status < 400) return Category::kPermanent;  // redirects are never followed
  switch (status) {
    case 401: return Category::kAuth;
    case 404:
    case 410: return Category::kMissing;
    case 405:
    case 451: return Category::kPermanent;
    case 408:
    case 421:
    case 425: return Category::kTransient;
    case 409:
    case 412:
    case 423: return Category::kConflict;
    case 429: return Category::kRateLimited;
    case 500:
    case 503:
    case 507: return Category::kTransient;
    case 501:
    case 505: return Category::kPermanent;
    default: break;
  }
  // Beyond 500 and 503 a server error comes from something in front of the vendor (502, 504, 520 …).
  return status >= 500 ? lost(safety) : Category::kValidation;
}

bool number(std::string_view text, int& out) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc() && end == text.data() + text.size() && !text.empty() && text[0] != '-';
}

std::optional<unsigned> month_of(std::string_view name) {
  constexpr std::array<std::string_view, 12> kMonths{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  for (unsigned i = 0; i < kMonths.size(); ++i) {
    if (equals_ignore_case(kMonths[i], name)) return i + 1;
  }
  return std::nullopt;
}

struct DateParts {
  std::string_view day, month, year, clock;
};

// "Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994" (RFC 9110 §5.6.7).
std::optional<DateParts> date_parts(std::string_view text) {
  std::vector<std::string_view> words;
  for (const std::string_view word : split(text, ' ')) {
    if (!word.empty()) words.push_back(word);
  }
  if (words.size() == 6) return DateParts{words[1], words[2], words[3], words[4]};
  if (words.size() == 4) {
    const auto date = split(words[1], '-');
    if (date.size() == 3) return DateParts{date[0], date[1], date[2], words[2]};
  }
  if (words.size() == 5) return DateParts{words[2], words[1], words[4], words[3]};
  return std::nullopt;
}

std::optional<Time> http_date(std::string_view text, Time now) {
  const auto parts = date_parts(text);
  if (!parts) return std::nullopt;
  const auto month = month_of(parts->month);
  const auto clock = split(parts->clock, ':');
  int day = 0, year = 0, hour = 0, minute = 0, second = 0;
  if (!month || clock.size() != 3 || !number(parts->day, day) || !number(parts->year, year) ||
      !number(clock[0], hour) || !number(clock[1], minute) || !number(clock[2], second))
    return std::nullopt;
  if (parts->year.size() == 2) {
    // A two-digit year that looks more than 50 years ahead is in the past (RFC 9110 §5.6.7).
    const std::chrono::year_month_day today(std::chrono::floor<std::chrono::days>(now));
    const int this_year = static_cast<int>(today.year());
    year += this_year / 100 * 100;
    if (year > this_year + 50) year -= 100;
  }
  const std::chrono::year_month_day date{std::chrono::year(year), std::chrono::month(*month),
                                         std::chrono::day(static_cast<unsigned>(day))};
  if (!date.ok() || hour > 23 || minute > 59 || second > 60) return std::nullopt;
  return Time(std::chrono::sys_days(date)) + std::chrono::hours(hour) + std::chrono::minutes(minute) +
         std::chrono::seconds(second);
}

}  // namespace

std::string_view category_name(Category category) { return kNames[static_cast<std::size_t>(category)]; }

std::optional<Category> category_from_name(std::string_view name) {
  const auto found = std::find(kNames.begin(), kNames.end(), name);
  if (found == kNames.end()) return std::nullopt;
  return static_cast<Category>(found - kNames.begin());
}

std::string_view safety_name(Safety safety) {
  switch (safety) {
    case Safety::kSafe: return "safe";
    case Safety::kRepeatable: return "repeatable";
    case Safety::kUnsafe: return "unsafe";
  }
  return "unsafe";
}

Safety safety_of_method(std::string_view method) {
  if (method == "GET" || method == "HEAD" || method == "OPTIONS") return Safety::kSafe;
  if (method == "PUT" || method == "DELETE") return Safety::kRepeatable;
  return Safety::kUnsafe;
}

Category classify(const Exchange& exchange, Safety safety) {
  switch (exchange.phase) {
    case Phase::kAnswered: return classify_status(exchange.response.status, safety);
    case Phase::kSent:
      // Asking again for an answer that is over its limit cannot help; an unsafe call has still happened, perhaps.
      if (exchange.error.code == Code::kTooLarge && safety != Safety::kUnsafe) return Category::kPermanent;
      return lost(safety);
    case Phase::kNotSent: break;
  }
  // A certificate or an address that is refused, and a request that cannot be sent, stay so.
  const Code code = exchange.error.code;
  const bool fixed =
      code == Code::kDenied || code == Code::kInvalid || code == Code::kUnsupported || code == Code::kTooLarge;
  return fixed ? Category::kPermanent : Category::kTransient;
}

std::optional<Duration> retry_after(const Headers& headers, Time now, Duration wait_max) {
  const std::string_view text = trim(find_header(headers, "Retry-After"));
  if (text.empty()) return std::nullopt;
  Duration wait{0};
  if (text.find_first_not_of("0123456789") == std::string_view::npos) {
    std::int64_t seconds = 0;
    const auto parsed = std::from_chars(text.data(), text.data() + text.size(), seconds);
    // Too many digits for 64 bits is a very long wait, not a broken header.
    const bool huge = parsed.ec != std::errc() || seconds > wait_max.count() / 1'000'000;
    wait = huge ? wait_max : Duration(seconds * 1'000'000);
  } else {
    const auto when = http_date(text, now);
    if (!when) return std::nullopt;
    wait = *when - now;
  }
  return std::clamp(wait, Duration(0), std::max(wait_max, Duration(0)));
}

}  // namespace tieline
