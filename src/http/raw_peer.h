// For tests: one end of a TCP connection on loopback, read and written byte by byte while an io_context is driven by
// hand. It must never wait without a bound.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <cerrno>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>

namespace tieline::http {

// Runs `io` until `done` says so; false when it never did (after some ten seconds of waiting for the loop).
inline bool pump(boost::asio::io_context& io, const std::function<bool()>& done) {
  for (int i = 0; i < 400'000; ++i) {
    if (done()) return true;
    io.restart();
    if (io.poll_one() > 0) continue;
    if (io.run_one_for(std::chrono::milliseconds(2)) == 0 && i > 5'000) return done();
  }
  return false;
}

class RawPeer {
 public:
  RawPeer() = default;
  explicit RawPeer(int descriptor) : descriptor_(descriptor) {}
  RawPeer(RawPeer&& other) noexcept
      : descriptor_(std::exchange(other.descriptor_, -1)), text_(std::move(other.text_)), ended_(other.ended_) {}
  RawPeer& operator=(RawPeer&& other) noexcept {
    std::swap(descriptor_, other.descriptor_);
    std::swap(text_, other.text_);
    std::swap(ended_, other.ended_);
    return *this;
  }
  ~RawPeer() { close(); }

  static RawPeer connect(std::uint16_t port) {
    const int descriptor = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(descriptor, reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0) {
      ::close(descriptor);
      return RawPeer();
    }
    return RawPeer(descriptor);
  }

  bool connected() const { return descriptor_ >= 0; }
  // Bytes that the kernel did not take at once are lost: for small texts.
  void send(std::string_view text) {
    while (!text.empty()) {
      const auto sent = ::send(descriptor_, text.data(), text.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
      if (sent <= 0) return;
      text.remove_prefix(static_cast<std::size_t>(sent));
    }
  }
  // How many of `text`'s bytes the kernel took.
  std::size_t send_some(std::string_view text) {
    const auto sent = ::send(descriptor_, text.data(), text.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    return sent > 0 ? static_cast<std::size_t>(sent) : 0;
  }
  // What has come so far.
  const std::string& text() {
    char bytes[16 << 10];
    while (descriptor_ >= 0 && !ended_) {
      const auto got = ::recv(descriptor_, bytes, sizeof bytes, MSG_DONTWAIT);
      if (got > 0) {
        text_.append(bytes, static_cast<std::size_t>(got));
        continue;
      }
      if (got == 0 || (errno != EAGAIN && errno != EWOULDBLOCK)) ended_ = true;
      break;
    }
    return text_;
  }
  bool ended() {
    (void)text();
    return ended_;
  }
  void forget() { text_.clear(); }
  void shutdown_send() { ::shutdown(descriptor_, SHUT_WR); }
  void close() {
    if (descriptor_ >= 0) ::close(std::exchange(descriptor_, -1));
  }
  // Closes with a RST instead of a FIN.
  void reset() {
    const linger at_once{1, 0};
    ::setsockopt(descriptor_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    close();
  }

 private:
  int descriptor_ = -1;
  std::string text_;
  bool ended_ = false;
};

// A listening socket on loopback that answers only as the test says.
class RawListener {
 public:
  RawListener() : descriptor_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) {
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof at;
    if (::bind(descriptor_, reinterpret_cast<const sockaddr*>(&at), size) != 0 || ::listen(descriptor_, 128) != 0)
      return;
    ::getsockname(descriptor_, reinterpret_cast<sockaddr*>(&at), &size);
    port_ = ntohs(at.sin_port);
  }
  ~RawListener() { close(); }
  RawListener(const RawListener&) = delete;
  RawListener& operator=(const RawListener&) = delete;

  std::uint16_t port() const { return port_; }
  // Unconnected when nobody waits.
  RawPeer accept() {
    const int descriptor = ::accept4(descriptor_, nullptr, nullptr, SOCK_CLOEXEC);
    return descriptor < 0 ? RawPeer() : RawPeer(descriptor);
  }
  void close() {
    if (descriptor_ >= 0) ::close(std::exchange(descriptor_, -1));
  }

 private:
  int descriptor_;
  std::uint16_t port_ = 0;
};

// Listens on 127.0.0.`last`, but lets nobody in: its queue is full.
class SilentListener {
 public:
  explicit SilentListener(std::uint8_t last, std::uint16_t port = 0)
      : descriptor_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK - 1 + last);
    at.sin_port = htons(port);
    socklen_t size = sizeof at;
    auto* address = reinterpret_cast<sockaddr*>(&at);
    if (::bind(descriptor_, address, size) != 0 || ::listen(descriptor_, 0) != 0) return;
    ::getsockname(descriptor_, address, &size);
    port_ = ntohs(at.sin_port);
    for (int& one : waiting_) {
      one = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
      (void)::connect(one, address, size);
    }
  }
  ~SilentListener() {
    for (const int one : waiting_) ::close(one);
    ::close(descriptor_);
  }
  SilentListener(const SilentListener&) = delete;
  SilentListener& operator=(const SilentListener&) = delete;

  std::uint16_t port() const { return port_; }

 private:
  int descriptor_;
  std::uint16_t port_ = 0;
  int waiting_[4] = {-1, -1, -1, -1};
};

}  // namespace tieline::http
