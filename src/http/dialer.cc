// Addresses alternate between the families, so that one that leads nowhere costs a quarter of a second at most.
#include "http/dialer.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "http/address.h"

namespace tieline::http {
namespace {

constexpr auto kPatience = std::chrono::milliseconds(250);  // RFC 8305 §5

void set_port(Address& address, std::uint16_t port) {
  if (address.storage.ss_family == AF_INET6) {
    reinterpret_cast<sockaddr_in6*>(&address.storage)->sin6_port = htons(port);
  } else {
    reinterpret_cast<sockaddr_in*>(&address.storage)->sin_port = htons(port);
  }
}

std::string text_of(const Address& address) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  const void* raw = address.storage.ss_family == AF_INET6
                        ? static_cast<const void*>(&reinterpret_cast<const sockaddr_in6*>(&address.storage)->sin6_addr)
                        : &reinterpret_cast<const sockaddr_in*>(&address.storage)->sin_addr;
  const char* out = ::inet_ntop(address.storage.ss_family, raw, text.data(), text.size());
  return out == nullptr ? "" : out;
}

// The first of each family, then the second of each, the family of the first leading.
Addresses alternated(Addresses addresses) {
  if (addresses.empty()) return addresses;
  const auto first = addresses.front().storage.ss_family;
  const auto others = std::stable_partition(addresses.begin(), addresses.end(), [first](const Address& address) {
    return address.storage.ss_family == first;
  });
  Addresses out;
  for (auto a = addresses.begin(), b = others; a != others || b != addresses.end();) {
    if (a != others) out.push_back(*a++);
    if (b != addresses.end()) out.push_back(*b++);
  }
  return out;
}

}  // namespace

struct Dialer::Attempt final : Poller::Watcher {
  Attempt(Dialer& d, int socket, std::string to) : dialer(d), descriptor(socket), peer(std::move(to)) {}
  void ready(std::uint32_t) override { dialer.tried(*this); }

  Dialer& dialer;
  int descriptor;
  std::string peer;
};

Dialer::Dialer(Poller& poller, Caller& caller, Addresses addresses, std::uint16_t port, bool private_addresses)
    : poller_(poller),
      caller_(caller),
      addresses_(alternated(std::move(addresses))),
      port_(port),
      private_addresses_(private_addresses) {}

Dialer::~Dialer() {
  poller_.clear(*this);
  for (const Attempt& attempt : attempts_) poller_.close(attempt.descriptor);
}

void Dialer::start() { next(); }

// Begins with the next address that can be begun with.
void Dialer::next() {
  while (next_ < addresses_.size()) {
    if (!open(addresses_[next_++])) continue;
    if (next_ < addresses_.size()) poller_.set(*this, poller_.now() + kPatience);
    return;
  }
  if (!attempts_.empty()) return;
  poller_.clear(*this);  // set while the last attempt still had its time
  caller_.not_connected(number_, denied_);
}

bool Dialer::open(Address& address) {
  // Checked where it is dialled, so that a name cannot answer one thing to a check and another here.
  if (!private_addresses_ && !is_public_address(address.get())) {
    denied_ = true;
    return false;
  }
  const int descriptor = ::socket(address.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (descriptor < 0) {
    number_ = errno;
    return false;
  }
  const int on = 1;
  ::setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  ::setsockopt(descriptor, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
  set_port(address, port_);
  if (::connect(descriptor, address.get(), address.size) != 0 && errno != EINPROGRESS) {
    number_ = errno;
    poller_.close(descriptor);
    return false;
  }
  Attempt& attempt = attempts_.emplace_back(*this, descriptor, text_of(address));
  poller_.watch(descriptor, attempt, EPOLLOUT);
  return true;
}

void Dialer::tried(Attempt& attempt) {
  int number = 0;
  socklen_t size = sizeof number;
  ::getsockopt(attempt.descriptor, SOL_SOCKET, SO_ERROR, &number, &size);
  if (number != 0) return fail(attempt, number);
  const int descriptor = attempt.descriptor;
  std::string peer = std::move(attempt.peer);
  attempts_.remove_if([&attempt](const Attempt& one) { return &one == &attempt; });
  poller_.clear(*this);
  caller_.connected(descriptor, std::move(peer));
}

void Dialer::fail(Attempt& attempt, int number) {
  number_ = number;
  poller_.close(attempt.descriptor);
  attempts_.remove_if([&attempt](const Attempt& one) { return &one == &attempt; });
  next();
}

void Dialer::rings() { next(); }

}  // namespace tieline::http
