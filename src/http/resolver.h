// Names to addresses on threads of its own, because getaddrinfo blocks. It must never be waited for: neither by who
// gives a look-up up nor at the end of the program.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "async/clock.h"
#include "http/poller.h"

namespace tieline::http {

struct Address {
  sockaddr_storage storage{};
  socklen_t size = 0;

  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};
using Addresses = std::vector<Address>;  // the port is 0

// The addresses of a name, or none. Called on any thread.
using LookUp = std::function<Addresses(const std::string& host)>;
Addresses look_up_with_system(const std::string& host);

// One thread only.
class Resolver {
 public:
  class Asker {
   public:
    virtual void resolved(const Addresses& addresses) = 0;  // none: the name is unknown, or nobody answers for it

   protected:
    ~Asker() = default;
  };

  Resolver(Poller& poller, Clock& clock, LookUp look_up = &look_up_with_system);
  ~Resolver();
  Resolver(const Resolver&) = delete;
  Resolver& operator=(const Resolver&) = delete;

  // What is known without asking: a literal address, "localhost", a name that was looked up within the last minute.
  // Null when it must be asked for. Valid until the next call.
  const Addresses* known(std::string_view host);
  // Looks it up; several askers of one name share a look-up. The answer comes through the poller.
  void ask(std::string_view host, Asker& asker);
  void give_up(Asker& asker);  // does nothing when it does not ask
  // What was found turned out to be of no use.
  void forget(std::string_view host);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tieline::http
