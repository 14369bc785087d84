// Threads are started when there is something to look up, end when there is not, and share nothing with the shard but a
// queue that outlives both.
#include "http/resolver.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <deque>
#include <map>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>

#include "base/check.h"
#include "base/text.h"

namespace tieline::http {
namespace {

constexpr Duration kKnownFor = 60s;
constexpr std::size_t kKnownMax = 1024;
constexpr std::size_t kThreadsMax = 16;

// What the threads share. Its descriptor is closed with the last of them.
struct Desk {
  explicit Desk(LookUp with) : look_up(std::move(with)), event(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    CHECK(event >= 0);
  }
  ~Desk() { ::close(event); }

  const LookUp look_up;
  const int event;
  std::mutex mutex;
  std::deque<std::string> wanted;
  std::vector<std::pair<std::string, Addresses>> found;
  std::size_t threads = 0;
};

void work(const std::shared_ptr<Desk>& desk) {
  std::unique_lock lock(desk->mutex);
  while (!desk->wanted.empty()) {
    std::string host = std::move(desk->wanted.front());
    desk->wanted.pop_front();
    lock.unlock();
    Addresses addresses = desk->look_up(host);
    lock.lock();
    desk->found.emplace_back(std::move(host), std::move(addresses));
    const std::uint64_t one = 1;
    [[maybe_unused]] const auto written = ::write(desk->event, &one, sizeof one);
  }
  --desk->threads;
}

// getaddrinfo, at once when `flags` say that the text is an address.
Addresses ask_system(const std::string& host, int flags) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = flags;
  addrinfo* list = nullptr;
  if (::getaddrinfo(host.c_str(), nullptr, &hints, &list) != 0) return {};
  Addresses out;
  for (const addrinfo* one = list; one != nullptr; one = one->ai_next) {
    if (one->ai_addrlen > sizeof(sockaddr_storage)) continue;
    Address& address = out.emplace_back();
    std::memcpy(&address.storage, one->ai_addr, one->ai_addrlen);
    address.size = one->ai_addrlen;
  }
  ::freeaddrinfo(list);
  return out;
}

bool is_localhost(std::string_view host) {
  if (host.ends_with('.')) host.remove_suffix(1);
  return equals_ignore_case(host, "localhost") ||
         (host.size() > 10 && equals_ignore_case(host.substr(host.size() - 10), ".localhost"));
}

}  // namespace

Addresses look_up_with_system(const std::string& host) { return ask_system(host, 0); }

struct Resolver::Impl final : Poller::Watcher {
  struct Known {
    Addresses addresses;
    Instant until;
  };

  Impl(Poller& p, Clock& c, LookUp look_up)
      : poller(p), clock(c), desk(std::make_shared<Desk>(std::move(look_up))), event(::dup(desk->event)) {
    CHECK(event >= 0);
    poller.watch(event, *this, EPOLLIN);
  }
  ~Impl() { poller.close(event); }

  void ready(std::uint32_t) override {
    std::uint64_t count = 0;
    [[maybe_unused]] const auto read = ::read(event, &count, sizeof count);
    std::vector<std::pair<std::string, Addresses>> found;
    {
      const std::lock_guard lock(desk->mutex);
      found.swap(desk->found);
    }
    for (auto& [host, addresses] : found) {
      const auto asked = asking.find(host);
      if (asked == asking.end()) continue;
      if (!addresses.empty()) remember(host, addresses);
      // An answer may make its asker give up, or ask again.
      while (!asked->second.empty()) {
        Asker* asker = asked->second.front();
        asked->second.erase(asked->second.begin());
        asker->resolved(addresses);
      }
      asking.erase(asked);
    }
  }

  void remember(const std::string& host, const Addresses& addresses) {
    if (known.size() >= kKnownMax) known.clear();
    known.insert_or_assign(host, Known{addresses, clock.instant() + kKnownFor});
  }

  void hire() {
    if (desk->threads >= kThreadsMax) return;
    try {
      // A thread belongs to nobody: it must not be waited for.
      std::thread([desk = desk] { work(desk); }).detach();
      ++desk->threads;
    } catch (const std::system_error&) {
      if (desk->threads > 0) return;
      for (auto& host : desk->wanted) desk->found.emplace_back(std::move(host), Addresses());
      desk->wanted.clear();
      const std::uint64_t one = 1;
      [[maybe_unused]] const auto written = ::write(desk->event, &one, sizeof one);
    }
  }

  Poller& poller;
  Clock& clock;
  std::shared_ptr<Desk> desk;
  int event;
  std::map<std::string, Known, std::less<>> known;
  std::map<std::string, std::vector<Asker*>, std::less<>> asking;
  Addresses literal;
};

Resolver::Resolver(Poller& poller, Clock& clock, LookUp look_up)
    : impl_(std::make_unique<Impl>(poller, clock, std::move(look_up))) {}
Resolver::~Resolver() = default;

const Addresses* Resolver::known(std::string_view host) {
  if (is_localhost(host)) {
    impl_->literal = ask_system("127.0.0.1", AI_NUMERICHOST);
    const Addresses six = ask_system("::1", AI_NUMERICHOST);
    impl_->literal.insert(impl_->literal.end(), six.begin(), six.end());
    return &impl_->literal;
  }
  impl_->literal = ask_system(std::string(host), AI_NUMERICHOST);
  if (!impl_->literal.empty()) return &impl_->literal;
  const auto found = impl_->known.find(host);
  if (found == impl_->known.end()) return nullptr;
  if (found->second.until > impl_->clock.instant()) return &found->second.addresses;
  impl_->known.erase(found);
  return nullptr;
}

void Resolver::ask(std::string_view host, Asker& asker) {
  const auto [place, is_new] = impl_->asking.try_emplace(std::string(host));
  place->second.push_back(&asker);
  if (!is_new) return;
  const std::lock_guard lock(impl_->desk->mutex);
  impl_->desk->wanted.emplace_back(host);
  impl_->hire();
}

void Resolver::give_up(Asker& asker) {
  for (auto& [host, askers] : impl_->asking) std::erase(askers, &asker);
}

void Resolver::forget(std::string_view host) {
  const auto found = impl_->known.find(host);
  if (found != impl_->known.end()) impl_->known.erase(found);
}

}  // namespace tieline::http
