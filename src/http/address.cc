// The tables of special-purpose addresses.
#include "http/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>

namespace tieline::http {
namespace {

struct Ipv4Range {
  std::uint8_t a, b, c, d;
  int bits;
};

// https://www.iana.org/assignments/iana-ipv4-special-registry
constexpr Ipv4Range kSpecialIpv4[] = {
    {0, 0, 0, 0, 8},     {10, 0, 0, 0, 8},      {100, 64, 0, 0, 10},  {127, 0, 0, 0, 8},    {169, 254, 0, 0, 16},
    {172, 16, 0, 0, 12}, {192, 0, 0, 0, 24},    {192, 0, 2, 0, 24},   {192, 88, 99, 0, 24}, {192, 168, 0, 0, 16},
    {198, 18, 0, 0, 15}, {198, 51, 100, 0, 24}, {203, 0, 113, 0, 24}, {224, 0, 0, 0, 4},    {240, 0, 0, 0, 4}};

bool is_public_ipv4(std::uint32_t address) {
  return std::none_of(std::begin(kSpecialIpv4), std::end(kSpecialIpv4), [address](const Ipv4Range& range) {
    const std::uint32_t base = std::uint32_t{range.a} << 24 | std::uint32_t{range.b} << 16 |
                               std::uint32_t{range.c} << 8 | std::uint32_t{range.d};
    return (address ^ base) >> (32 - range.bits) == 0;
  });
}

using Ipv6 = std::span<const std::uint8_t, 16>;

bool begins_with(Ipv6 address, std::initializer_list<std::uint8_t> prefix) {
  return std::equal(prefix.begin(), prefix.end(), address.begin());
}

bool is_public_ipv6(Ipv6 address) {
  const std::uint32_t last = std::uint32_t{address[12]} << 24 | std::uint32_t{address[13]} << 16 |
                             std::uint32_t{address[14]} << 8 | std::uint32_t{address[15]};
  if (begins_with(address, {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff})) return is_public_ipv4(last);
  if (begins_with(address, {0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0})) return is_public_ipv4(last);
  if ((address[0] & 0xe0) != 0x20) return false;  // global unicast is 2000::/3 (RFC 4291 §2.4)
  if (begins_with(address, {0x20, 0x01}) && address[2] < 0x02) return false;  // 2001::/23: Teredo, ORCHID, …
  if (begins_with(address, {0x20, 0x01, 0x0d, 0xb8})) return false;           // documentation
  if (begins_with(address, {0x20, 0x02})) return false;                       // 6to4
  if (begins_with(address, {0x3f, 0xff}) && address[2] < 0x10) return false;  // 3fff::/20: documentation
  return true;
}

}  // namespace

bool is_public_address(const sockaddr* address) {
  if (address->sa_family == AF_INET) {
    sockaddr_in in;
    std::memcpy(&in, address, sizeof in);
    return is_public_ipv4(ntohl(in.sin_addr.s_addr));
  }
  if (address->sa_family == AF_INET6) {
    sockaddr_in6 in;
    std::memcpy(&in, address, sizeof in);
    return is_public_ipv6(Ipv6(in.sin6_addr.s6_addr));
  }
  return false;
}

bool is_public_address(std::string_view text) {
  const std::string terminated(text);
  in_addr four;
  if (::inet_pton(AF_INET, terminated.c_str(), &four) == 1) return is_public_ipv4(ntohl(four.s_addr));
  in6_addr six;
  if (::inet_pton(AF_INET6, terminated.c_str(), &six) == 1) return is_public_ipv6(Ipv6(six.s6_addr));
  return false;
}

}  // namespace tieline::http
