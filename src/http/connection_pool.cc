// Two lists, between which connections are moved, and a table of origins.
#include "http/connection_pool.h"

#include <sys/epoll.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "base/check.h"
#include "base/text.h"

namespace tieline::http {
namespace {

constexpr std::size_t kOriginsMax = 1024;

}  // namespace

void Connection::ready(std::uint32_t events) {
  if (user != nullptr) return user->ready(events);
  pool.close(*this);  // what is unused can only have been closed, or be out of step
}

ConnectionPool::~ConnectionPool() {
  CHECK(used_.empty());
  while (!kept_.empty()) close(kept_.front());
}

std::shared_ptr<Origin> ConnectionPool::origin(const Url& url, bool private_addresses) {
  key_.assign(url.https ? "s" : "p").append(private_addresses ? "+" : "-");
  for (const char c : url.host) key_.push_back(c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c);
  const std::size_t host_end = key_.size();
  char digits[8];
  key_.append(1, ' ').append(digits, std::to_chars(std::begin(digits), std::end(digits), url.port).ptr);
  if (const auto found = origins_.find(key_); found != origins_.end()) return found->second;
  if (origins_.size() >= kOriginsMax) forget_unused_origins();
  auto made = std::make_shared<Origin>();
  made->https = url.https;
  made->private_addresses = private_addresses;
  made->host = key_.substr(2, host_end - 2);
  made->port = url.port;
  origins_.emplace(key_, made);
  return made;
}

void ConnectionPool::forget_unused_origins() {
  std::erase_if(origins_, [](const auto& entry) { return entry.second.use_count() == 1; });
}

Connection* ConnectionPool::take(Origin& origin, Poller::Watcher& user, Instant now) {
  while (!origin.kept.empty()) {
    Connection& connection = *origin.kept.back();
    if (now - connection.kept_since > kept_age_max_ || !connection.channel->is_quiet()) {
      close(connection);
      continue;
    }
    origin.kept.pop_back();
    used_.splice(used_.end(), kept_, connection.place);
    connection.user = &user;
    return &connection;
  }
  return nullptr;
}

Connection& ConnectionPool::add(std::shared_ptr<Origin> origin, int descriptor, Poller::Watcher& user) {
  Connection& connection = used_.emplace_back(*this, std::move(origin), descriptor);
  connection.place = std::prev(used_.end());
  connection.user = &user;
  poller_.watch(descriptor, connection, EPOLLIN);
  return connection;
}

void ConnectionPool::keep(Connection& connection, Instant now) {
  connection.user = nullptr;
  connection.kept_since = now;
  kept_.splice(kept_.end(), used_, connection.place);
  connection.origin->kept.push_back(&connection);
  while (!kept_.empty() && (kept_.size() > kept_max_ || now - kept_.front().kept_since > kept_age_max_)) {
    close(kept_.front());
  }
}

void ConnectionPool::close(Connection& connection) {
  const int descriptor = connection.descriptor;
  if (connection.user == nullptr) {
    auto& kept = connection.origin->kept;
    kept.erase(std::find(kept.begin(), kept.end(), &connection));
    connection.channel.reset();  // may have a last word to say
    kept_.erase(connection.place);
  } else {
    connection.channel.reset();
    used_.erase(connection.place);
  }
  poller_.close(descriptor);
}

}  // namespace tieline::http
