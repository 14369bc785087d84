// The channel that is the socket.
#include <sys/socket.h>
#include <sys/uio.h>

#include <cerrno>

#include "http/channel.h"

namespace tieline::http {
namespace {

class PlainChannel final : public Channel {
 public:
  explicit PlainChannel(int descriptor) : descriptor_(descriptor) {}

  Io shake_hands() override { return {Io::Kind::kBytes}; }

  Io send(std::string_view first, std::string_view second) override {
    ssize_t sent = 0;
    if (first.empty() || second.empty()) {
      const std::string_view bytes = first.empty() ? second : first;
      sent = ::send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    } else {
      iovec parts[2] = {{const_cast<char*>(first.data()), first.size()},
                        {const_cast<char*>(second.data()), second.size()}};
      msghdr message{};
      message.msg_iov = parts;
      message.msg_iovlen = 2;
      sent = ::sendmsg(descriptor_, &message, MSG_NOSIGNAL);
    }
    if (sent >= 0) return {Io::Kind::kBytes, static_cast<std::size_t>(sent)};
    return failed(true);
  }

  Io receive(char* bytes, std::size_t size) override {
    const ssize_t got = ::recv(descriptor_, bytes, size, 0);
    if (got > 0) return {Io::Kind::kBytes, static_cast<std::size_t>(got)};
    if (got == 0) return {Io::Kind::kEnd};
    return failed(false);
  }

  bool is_quiet() override { return is_quiet_socket(descriptor_); }

 private:
  static Io failed(bool writing) {
    if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) return {Io::Kind::kAgain, 0, writing};
    return {Io::Kind::kBroken};
  }

  int descriptor_;
};

}  // namespace

std::unique_ptr<Channel> make_plain_channel(int descriptor) { return std::make_unique<PlainChannel>(descriptor); }

bool is_quiet_socket(int descriptor) {
  char byte = 0;
  return ::recv(descriptor, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
}

}  // namespace tieline::http
