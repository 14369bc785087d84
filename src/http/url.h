// The parts of an absolute http or https url. It must never read a host out of it that another reader would not.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace tieline::http {

// Views into the text that was parsed.
struct Url {
  bool https = false;
  std::string_view authority;  // host and port as they stand: "api.example.com:8080", "[::1]"
  std::string_view host;       // without brackets
  std::uint16_t port = 0;
  std::string_view target;  // path and query as they stand; may be empty, or begin with '?'

  bool has_default_port() const { return port == (https ? 443 : 80); }
};

// kInvalid with a sentence: another scheme, a user name, a host that is not ASCII, white space or controls anywhere.
Result<Url> parse_url(std::string_view text);

// "api.example.com:443" of an absolute url, also of one that cannot be parsed: what messages may say of it.
std::string host_and_port(std::string_view url);

}  // namespace tieline::http
