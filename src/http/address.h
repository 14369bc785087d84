// Which addresses belong to the public internet. It must never call an address public that a request from outside could
// use to reach this machine or its network.
#pragma once

#include <string_view>

struct sockaddr;

namespace tieline::http {

// False for everything that the IANA special-purpose registries (RFC 6890 and its updates) do not call globally
// reachable: loopback, private, link-local, shared, documentation, benchmarking, multicast, broadcast, unspecified.
// IPv4-mapped and NAT64 (64:ff9b::/96) addresses are judged by the IPv4 address inside; 6to4 and Teredo are refused.
// False, too, for any other family.
bool is_public_address(const sockaddr* address);
// The same of an IPv4 or IPv6 address as text, and false of any other text.
bool is_public_address(std::string_view text);

}  // namespace tieline::http
