// From addresses to a connected socket: one after another, without waiting long for any (a simple form of RFC 8305). It
// must never dial an address that is not public unless it is told that it may.
#pragma once

#include <cstdint>
#include <list>
#include <string>

#include "http/poller.h"
#include "http/resolver.h"

namespace tieline::http {

// One attempt to connect; ends when destroyed, which its answer may do.
class Dialer final : private Poller::Alarm {
 public:
  class Caller {
   public:
    // The descriptor is the caller's, non-blocking and watched by the poller; `peer`: its address, as text.
    virtual void connected(int descriptor, std::string peer) = 0;
    // `number`: errno of the last address that was tried. `denied`: one was not public.
    virtual void not_connected(int number, bool denied) = 0;

   protected:
    ~Caller() = default;
  };

  Dialer(Poller& poller, Caller& caller, Addresses addresses, std::uint16_t port, bool private_addresses);
  ~Dialer() override;
  Dialer(const Dialer&) = delete;
  Dialer& operator=(const Dialer&) = delete;

  // Exactly one call of the caller follows, perhaps before this returns.
  void start();

 private:
  struct Attempt;

  void next();
  bool open(Address& address);
  void tried(Attempt& attempt);
  void fail(Attempt& attempt, int number);
  void rings() override;

  Poller& poller_;
  Caller& caller_;
  Addresses addresses_;
  const std::uint16_t port_;
  const bool private_addresses_;
  std::size_t next_ = 0;
  std::list<Attempt> attempts_;
  int number_ = 0;
  bool denied_ = false;
};

}  // namespace tieline::http
