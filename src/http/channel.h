// What bytes go through once a socket is connected: the socket itself, or TLS on it. It must never wait, nor raise a
// signal when the peer has gone.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

namespace tieline::http {

struct Io {
  enum class Kind : std::uint8_t {
    kBytes,   // so many went through
    kAgain,   // not now: when it is readable, or writable where that is said
    kEnd,     // the peer has ended it properly
    kBroken,  // it is of no more use
  };
  Kind kind = Kind::kAgain;
  std::size_t bytes = 0;
  bool wants_write = false;
};

class Channel {
 public:
  virtual ~Channel() = default;  // leaves the descriptor open
  // kBytes when it is done.
  virtual Io shake_hands() = 0;
  // `second` follows `first`; either may be empty, not both. Repeated with the same bytes after kAgain.
  virtual Io send(std::string_view first, std::string_view second) = 0;
  virtual Io receive(char* bytes, std::size_t size) = 0;
  // Nothing waits to be read, not even the end.
  virtual bool is_quiet() = 0;
};

std::unique_ptr<Channel> make_plain_channel(int descriptor);
// Without reading it: nothing waits on the socket.
bool is_quiet_socket(int descriptor);

}  // namespace tieline::http
