#include "json/schema/formats.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <optional>
#include <utility>

#include "base/text.h"
#include "json/schema/ecma_pattern.h"
#include "json/zone.h"

namespace tieline::json::schema {
namespace {

bool digit(char c) { return c >= '0' && c <= '9'; }
bool letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool hex_digit(char c) { return digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }
bool ascii(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

std::optional<int> number(std::string_view text, std::size_t from, std::size_t count) {
  if (from + count > text.size()) return std::nullopt;
  int value = 0;
  for (const char c : text.substr(from, count)) {
    if (!digit(c)) return std::nullopt;
    value = value * 10 + (c - '0');
  }
  return value;
}

// RFC 3339 §5.6.
bool date(std::string_view text) {
  const auto year = number(text, 0, 4), month = number(text, 5, 2), day = number(text, 8, 2);
  if (text.size() != 10 || text[4] != '-' || text[7] != '-' || !year || !month || !day) return false;
  return *month >= 1 && *month <= 12 && *day >= 1 && *day <= days_in(*year, *month);
}

bool time(std::string_view text) {
  const auto hour = number(text, 0, 2), minute = number(text, 3, 2), second = number(text, 6, 2);
  if (text.size() < 9 || text[2] != ':' || text[5] != ':' || !hour || !minute || !second) return false;
  if (*hour > 23 || *minute > 59 || *second > 60) return false;
  std::size_t at = 8;
  if (text[at] == '.') {
    const std::size_t from = ++at;
    while (at < text.size() && digit(text[at])) ++at;
    if (at == from) return false;
  }
  const std::string_view zone = text.substr(at);
  int offset = 0;
  if (zone != "Z" && zone != "z") {
    const auto hours = number(zone, 1, 2), minutes = number(zone, 4, 2);
    if (zone.size() != 6 || (zone[0] != '+' && zone[0] != '-') || zone[3] != ':' || !hours || !minutes) return false;
    if (*hours > 23 || *minutes > 59) return false;
    offset = (zone[0] == '-' ? -1 : 1) * (*hours * 60 + *minutes);
  }
  // A leap second is the last one of a day in UTC.
  const int utc = ((*hour * 60 + *minute - offset) % 1440 + 1440) % 1440;
  return *second < 60 || utc == 1439;
}

bool date_time(std::string_view text) {
  return text.size() > 11 && (text[10] == 'T' || text[10] == 't') && date(text.substr(0, 10)) && time(text.substr(11));
}

// RFC 3339, appendix A.
bool duration(std::string_view text) {
  if (text.size() < 3 || text.front() != 'P') return false;
  std::string_view rest = text.substr(1);
  // Units in their order, each followed directly by the next smaller one or by the end.
  const auto part = [](std::string_view piece, std::string_view units) {
    std::size_t last = std::string_view::npos;
    while (!piece.empty()) {
      std::size_t digits = 0;
      while (digits < piece.size() && digit(piece[digits])) ++digits;
      if (digits == 0 || digits == piece.size()) return false;
      const std::size_t unit = units.find(piece[digits]);
      if (unit == std::string_view::npos || (last != std::string_view::npos && unit != last + 1)) return false;
      last = unit;
      piece.remove_prefix(digits + 1);
    }
    return last != std::string_view::npos;
  };
  if (rest.back() == 'W') return part(rest, "W");
  const std::size_t t = rest.find('T');
  if (t == std::string_view::npos) return part(rest, "YMD");
  return (t == 0 || part(rest.substr(0, t), "YMD")) && part(rest.substr(t + 1), "HMS");
}

bool ipv4(std::string_view text) {
  const auto parts = split(text, '.');
  return parts.size() == 4 && std::ranges::all_of(parts, [](std::string_view part) {
           const auto value = part.size() <= 3 ? number(part, 0, part.size()) : std::nullopt;
           return !part.empty() && value && *value <= 255 && (part.size() == 1 || part[0] != '0');
         });
}

// RFC 4291 §2.2.
bool ipv6(std::string_view text) {
  const std::size_t gap = text.find("::");
  if (gap != std::string_view::npos && text.find("::", gap + 1) != std::string_view::npos) return false;
  const auto groups = [](std::string_view side, bool last) -> std::optional<std::size_t> {
    if (side.empty()) return 0;
    std::size_t count = 0;
    const auto parts = split(side, ':');
    for (std::size_t i = 0; i < parts.size(); ++i) {
      if (last && i + 1 == parts.size() && parts[i].find('.') != std::string_view::npos) {
        if (!ipv4(parts[i])) return std::nullopt;
        count += 2;
        continue;
      }
      if (parts[i].empty() || parts[i].size() > 4 || !std::ranges::all_of(parts[i], hex_digit)) return std::nullopt;
      ++count;
    }
    return count;
  };
  if (gap == std::string_view::npos) return groups(text, true) == std::optional<std::size_t>(8);
  const auto before = groups(text.substr(0, gap), false), behind = groups(text.substr(gap + 2), true);
  return before && behind && *before + *behind <= 7;
}

// RFC 1123 §2.1; "xn--" labels are taken by their letters.
bool hostname(std::string_view text) {
  if (text.empty() || text.size() > 253) return false;
  return std::ranges::all_of(split(text, '.'), [](std::string_view label) {
    if (label.empty() || label.size() > 63 || label.front() == '-' || label.back() == '-') return false;
    if (label.size() > 3 && label.substr(2, 2) == "--" && to_lower(label.substr(0, 2)) != "xn") return false;
    return std::ranges::all_of(label, [](char c) { return letter(c) || digit(c) || c == '-'; });
  });
}

bool idn_hostname(std::string_view text) { return !text.empty() && text.size() <= 253; }

bool local_part(std::string_view text, bool international) {
  if (text.size() >= 2 && text.front() == '"' && text.back() == '"') {
    const std::string_view inside = text.substr(1, text.size() - 2);
    for (std::size_t i = 0; i < inside.size(); ++i) {
      if (inside[i] == '\\' && i + 1 < inside.size()) {
        ++i;
      } else if (inside[i] == '"' || inside[i] == '\\') {
        return false;
      }
    }
    return international || ascii(inside);
  }
  return !text.empty() && std::ranges::all_of(split(text, '.'), [&](std::string_view atom) {
    return !atom.empty() && std::ranges::all_of(atom, [&](char c) {
      if (static_cast<unsigned char>(c) >= 0x80) return international;
      return letter(c) || digit(c) || std::string_view("!#$%&'*+-/=?^_`{|}~").find(c) != std::string_view::npos;
    });
  });
}

// RFC 5321 §4.1.2, and RFC 6531 for the other.
bool mailbox(std::string_view text, bool international) {
  const std::size_t at = text.rfind('@');
  if (at == std::string_view::npos || at > 64 || !local_part(text.substr(0, at), international)) return false;
  const std::string_view domain = text.substr(at + 1);
  if (domain.size() > 2 && domain.front() == '[' && domain.back() == ']') {
    const std::string_view inside = domain.substr(1, domain.size() - 2);
    return inside.starts_with("IPv6:") ? ipv6(inside.substr(5)) : ipv4(inside);
  }
  return international && !ascii(domain) ? idn_hostname(domain) : hostname(domain);
}
bool email(std::string_view text) { return mailbox(text, false); }
bool idn_email(std::string_view text) { return mailbox(text, true); }

// Characters of a part of a URI (RFC 3986 §2), escapes included; beyond ASCII where it is an IRI (RFC 3987).
bool uri_text(std::string_view text, std::string_view more, bool international) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (static_cast<unsigned char>(c) >= 0x80) {
      if (!international) return false;
    } else if (c == '%') {
      if (i + 2 >= text.size() || !hex_digit(text[i + 1]) || !hex_digit(text[i + 2])) return false;
      i += 2;
    } else if (!letter(c) && !digit(c) && std::string_view("-._~!$&'()*+,;=").find(c) == std::string_view::npos &&
               more.find(c) == std::string_view::npos) {
      return false;
    }
  }
  return true;
}

bool authority(std::string_view text, bool international) {
  if (const std::size_t at = text.find('@'); at != std::string_view::npos) {
    if (!uri_text(text.substr(0, at), ":", international)) return false;
    text.remove_prefix(at + 1);
  }
  std::string_view port;
  if (text.starts_with('[')) {
    const std::size_t end = text.find(']');
    if (end == std::string_view::npos) return false;
    const std::string_view address = text.substr(1, end - 1);
    const bool future = !address.empty() && (address[0] == 'v' || address[0] == 'V');
    if (!(future ? uri_text(address, ":", false) : ipv6(address))) return false;
    port = text.substr(end + 1);
    if (!port.empty() && port[0] != ':') return false;
  } else {
    const std::size_t colon = std::min(text.find(':'), text.size());
    if (!uri_text(text.substr(0, colon), "", international)) return false;
    port = text.substr(colon);
  }
  return port.empty() || std::ranges::all_of(port.substr(1), digit);
}

bool uri_parts(std::string_view text, bool absolute, bool international) {
  const std::size_t hash = std::min(text.find('#'), text.size());
  if (hash < text.size() && !uri_text(text.substr(hash + 1), ":@/?", international)) return false;
  std::string_view rest = text.substr(0, hash);
  const std::size_t question = std::min(rest.find('?'), rest.size());
  if (question < rest.size() && !uri_text(rest.substr(question + 1), ":@/?", international)) return false;
  rest = rest.substr(0, question);
  const std::size_t colon = rest.find(':');
  const bool scheme = colon != std::string_view::npos && colon > 0 && letter(rest[0]) &&
                      std::ranges::all_of(rest.substr(0, colon), [](char c) {
                        return letter(c) || digit(c) || c == '+' || c == '-' || c == '.';
                      });
  if (scheme) rest.remove_prefix(colon + 1);
  if (!scheme && absolute) return false;
  if (rest.starts_with("//")) {
    const std::size_t slash = std::min(rest.find('/', 2), rest.size());
    if (!authority(rest.substr(2, slash - 2), international)) return false;
    rest = rest.substr(slash);
  } else if (!scheme && rest.substr(0, std::min(rest.find('/'), rest.size())).find(':') != std::string_view::npos) {
    return false;  // the first segment would be taken for a scheme
  }
  return uri_text(rest, ":@/", international);
}
bool uri(std::string_view text) { return uri_parts(text, true, false); }
bool uri_reference(std::string_view text) { return uri_parts(text, false, false); }
bool iri(std::string_view text) { return uri_parts(text, true, true); }
bool iri_reference(std::string_view text) { return uri_parts(text, false, true); }

// RFC 6570 §2.
bool uri_template(std::string_view text) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '}' || std::string_view(" \"'<>\\^`|").find(text[i]) != std::string_view::npos) return false;
    if (text[i] != '{') continue;
    const std::size_t end = text.find('}', i);
    if (end == std::string_view::npos) return false;
    std::string_view inside = text.substr(i + 1, end - i - 1);
    if (!inside.empty() && std::string_view("+#./;?&=,!@|").find(inside[0]) != std::string_view::npos)
      inside.remove_prefix(1);
    for (std::string_view name : split(inside, ',')) {
      if (name.ends_with('*')) name.remove_suffix(1);
      if (const std::size_t colon = name.find(':'); colon != std::string_view::npos) {
        const std::string_view length = name.substr(colon + 1);
        if (length.empty() || length.size() > 4 || !std::ranges::all_of(length, digit)) return false;
        name = name.substr(0, colon);
      }
      const auto fits = [](char c) { return letter(c) || digit(c) || c == '_' || c == '.' || c == '%'; };
      if (name.empty() || !std::ranges::all_of(name, fits)) return false;
    }
    i = end;
  }
  return true;
}

bool uuid(std::string_view text) {
  if (text.size() != 36) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    if (dash ? text[i] != '-' : !hex_digit(text[i])) return false;
  }
  return true;
}

bool json_pointer(std::string_view text) {
  if (!text.empty() && text.front() != '/') return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '~' && (i + 1 == text.size() || (text[i + 1] != '0' && text[i + 1] != '1'))) return false;
  }
  return true;
}

bool relative_json_pointer(std::string_view text) {
  std::size_t digits = 0;
  while (digits < text.size() && digit(text[digits])) ++digits;
  if (digits == 0 || (digits > 1 && text[0] == '0')) return false;
  const std::string_view rest = text.substr(digits);
  return rest == "#" || json_pointer(rest);
}

bool regex(std::string_view text) { return EcmaPattern::compile(text).has_value(); }

}  // namespace

FormatCheck find_format(std::string_view name) {
  static constexpr std::array<std::pair<std::string_view, FormatCheck>, 19> kFormats{{
      {"date", date},
      {"date-time", date_time},
      {"duration", duration},
      {"email", email},
      {"hostname", hostname},
      {"idn-email", idn_email},
      {"idn-hostname", idn_hostname},
      {"ipv4", ipv4},
      {"ipv6", ipv6},
      {"iri", iri},
      {"iri-reference", iri_reference},
      {"json-pointer", json_pointer},
      {"regex", regex},
      {"relative-json-pointer", relative_json_pointer},
      {"time", time},
      {"uri", uri},
      {"uri-reference", uri_reference},
      {"uri-template", uri_template},
      {"uuid", uuid},
  }};
  const auto found = std::ranges::find(kFormats, name, [](const auto& format) { return format.first; });
  return found == kFormats.end() ? nullptr : found->second;
}

}  // namespace tieline::json::schema
