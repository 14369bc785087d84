// RFC 3986 as far as http and https use it; hosts are letters, digits, '.', '-', '_', or an address in brackets.
#include "http/url.h"

#include <arpa/inet.h>

#include <algorithm>
#include <string>

#include "base/text.h"

namespace tieline::http {
namespace {

bool is_alnum(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_host_char(char c) { return is_alnum(c) || c == '.' || c == '-' || c == '_'; }
bool is_address_6(std::string_view text) {
  in6_addr address;
  return ::inet_pton(AF_INET6, std::string(text).c_str(), &address) == 1;
}

tl::unexpected<Error> malformed() { return failure(Code::kInvalid, "the url is malformed"); }

Result<void> read_port(std::string_view digits, Url& url) {
  if (digits.empty()) return {};
  unsigned port = 0;
  for (const char c : digits) {
    if (c < '0' || c > '9') return malformed();
    port = port * 10 + static_cast<unsigned>(c - '0');
    if (port > 65535) return malformed();
  }
  if (port == 0) return malformed();
  url.port = static_cast<std::uint16_t>(port);
  return {};
}

Result<void> read_authority(Url& url) {
  std::string_view rest = url.authority;
  if (rest.find('@') != std::string_view::npos) return failure(Code::kInvalid, "the url must not carry a user name");
  const bool in_brackets = rest.starts_with('[');
  if (in_brackets) {
    const std::size_t end = rest.find(']');
    if (end == std::string_view::npos) return malformed();
    url.host = rest.substr(1, end - 1);
    rest.remove_prefix(end + 1);
    if (!is_address_6(url.host)) return malformed();
  } else {
    url.host = rest.substr(0, rest.find(':'));
    rest.remove_prefix(url.host.size());
    for (const char c : url.host) {
      if (is_host_char(c)) continue;
      if (static_cast<unsigned char>(c) < 0x80) return malformed();
      return failure(Code::kInvalid, "the url's host is not ASCII: write an international name in its \"xn--\" form");
    }
  }
  const bool names_nobody = url.host.find_first_not_of('.') == std::string_view::npos;
  if (names_nobody || (!rest.empty() && rest[0] != ':')) return malformed();
  return read_port(rest.empty() ? rest : rest.substr(1), url);
}

}  // namespace

Result<Url> parse_url(std::string_view text) {
  const bool clean =
      std::none_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) <= 0x20 || c == 0x7f; });
  const std::size_t scheme = text.find("://");
  if (!clean || scheme == 0 || scheme == std::string_view::npos) return malformed();
  Url url;
  url.https = equals_ignore_case(text.substr(0, scheme), "https");
  if (!url.https && !equals_ignore_case(text.substr(0, scheme), "http")) {
    return failure(Code::kInvalid, "the url is neither http nor https");
  }
  url.port = url.https ? 443 : 80;
  text.remove_prefix(scheme + 3);
  const auto end = std::find_if(text.begin(), text.end(), [](char c) { return c == '/' || c == '?' || c == '#'; });
  url.authority = text.substr(0, static_cast<std::size_t>(end - text.begin()));
  text.remove_prefix(url.authority.size());
  url.target = text.substr(0, text.find('#'));
  TRY_VOID(read_authority(url));
  return url;
}

std::string host_and_port(std::string_view url) {
  const std::size_t scheme = url.find("://");
  if (scheme == std::string_view::npos) return "the url";
  const bool https = equals_ignore_case(url.substr(0, scheme), "https");
  url.remove_prefix(scheme + 3);
  url = url.substr(0, url.find_first_of("/?#\\"));
  if (const std::size_t at = url.rfind('@'); at != std::string_view::npos) url.remove_prefix(at + 1);
  const std::size_t colon = url.rfind(':');
  const bool has_port = colon != std::string_view::npos && url.find(']', colon) == std::string_view::npos;
  return std::string(url) + (has_port ? "" : https ? ":443" : ":80");
}

}  // namespace tieline::http
