// libcurl's socket_action driven by an epoll set, one timer, and one posted kick for what is due at once.
#include "http/curl_multi.h"

#include <curl/curl.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cerrno>
#include <cstdint>
#include <utility>
#include <vector>

#include "base/check.h"

namespace tieline::http {
namespace {

using SteadyTime = std::chrono::steady_clock::time_point;

constexpr std::size_t kIdleEasyMax = 256;
constexpr int kEventsAtOnce = 64;

class SocketMulti final : public CurlMulti, public std::enable_shared_from_this<SocketMulti> {
 public:
  SocketMulti(asio::any_io_executor executor, std::size_t kept_connections_max);
  ~SocketMulti() override;
  EasyHandle* take_easy() override;
  void give_back(EasyHandle* easy) override;
  void start(EasyHandle* easy, TransferEnd* end) override;
  void abandon(EasyHandle* easy) override;
  std::size_t running() const override { return running_; }
  int adopt(int descriptor) override;
  int close_socket(int descriptor) override;

 private:
  // Interest is registered level-triggered in an epoll set of our own, and taken back only when an event comes that
  // nobody wants: a connection that serves one request after another then costs no system call for it.
  struct Socket {
    std::uint32_t registered = 0;
    std::uint32_t wanted = 0;
    bool in_set = false;
    bool ours = false;
  };

  static int on_socket(CURL* easy, curl_socket_t descriptor, int what, void* self, void*);
  static int on_timer(CURLM* multi, long timeout_ms, void* self);
  void want(int descriptor, int what);
  void apply(int descriptor, Socket& socket);
  void wait_for_events();
  void handle_events();
  void kick();
  void arm_timer();
  void step(curl_socket_t descriptor, int events);
  void drain();

  asio::any_io_executor executor_;
  CURLM* multi_;
  asio::posix::stream_descriptor set_;  // the epoll descriptor
  asio::steady_timer timer_;
  SteadyTime due_ = SteadyTime::max();
  SteadyTime armed_ = SteadyTime::max();
  bool waiting_ = false;
  bool kicked_ = false;
  std::size_t running_ = 0;
  std::vector<Socket> sockets_;  // by descriptor
  std::vector<CURL*> idle_;
};

SocketMulti::SocketMulti(asio::any_io_executor executor, std::size_t kept_connections_max)
    : executor_(std::move(executor)), multi_(nullptr), set_(executor_), timer_(executor_) {
  static const CURLcode initialised = curl_global_init(CURL_GLOBAL_DEFAULT);
  CHECK(initialised == CURLE_OK);
  multi_ = curl_multi_init();
  CHECK(multi_ != nullptr);
  const int set = ::epoll_create1(EPOLL_CLOEXEC);
  CHECK(set >= 0);
  set_.assign(set);
  curl_multi_setopt(multi_, CURLMOPT_SOCKETFUNCTION, &SocketMulti::on_socket);
  curl_multi_setopt(multi_, CURLMOPT_SOCKETDATA, this);
  curl_multi_setopt(multi_, CURLMOPT_TIMERFUNCTION, &SocketMulti::on_timer);
  curl_multi_setopt(multi_, CURLMOPT_TIMERDATA, this);
  curl_multi_setopt(multi_, CURLMOPT_PIPELINING, CURLPIPE_NOTHING);
  curl_multi_setopt(multi_, CURLMOPT_MAXCONNECTS, static_cast<long>(kept_connections_max));
}

SocketMulti::~SocketMulti() {
  CHECK(running_ == 0);
  for (CURL* easy : idle_) curl_easy_cleanup(easy);
  curl_multi_cleanup(multi_);
}

CURL* SocketMulti::take_easy() {
  if (idle_.empty()) {
    CURL* easy = curl_easy_init();
    CHECK(easy != nullptr);
    return easy;
  }
  CURL* easy = idle_.back();
  idle_.pop_back();
  return easy;
}

void SocketMulti::give_back(CURL* easy) {
  if (idle_.size() >= kIdleEasyMax) return curl_easy_cleanup(easy);
  curl_easy_reset(easy);
  idle_.push_back(easy);
}

void SocketMulti::start(CURL* easy, TransferEnd* end) {
  curl_easy_setopt(easy, CURLOPT_PRIVATE, static_cast<void*>(end));
  CHECK(curl_multi_add_handle(multi_, easy) == CURLM_OK);
  ++running_;
  wait_for_events();
}

void SocketMulti::abandon(CURL* easy) {
  char* end = nullptr;
  curl_easy_getinfo(easy, CURLINFO_PRIVATE, &end);
  if (end == nullptr) return;
  curl_easy_setopt(easy, CURLOPT_PRIVATE, nullptr);
  curl_multi_remove_handle(multi_, easy);
  --running_;
}

int SocketMulti::adopt(int descriptor) {
  if (descriptor < 0) return descriptor;
  const auto index = static_cast<std::size_t>(descriptor);
  if (sockets_.size() <= index) sockets_.resize(index + 1);
  sockets_[index] = Socket{};
  sockets_[index].ours = true;
  return descriptor;
}

int SocketMulti::close_socket(int descriptor) {
  sockets_[static_cast<std::size_t>(descriptor)] = Socket{};  // closing takes it out of the epoll set
  return ::close(descriptor);
}

int SocketMulti::on_socket(CURL*, curl_socket_t descriptor, int what, void* self, void*) {
  static_cast<SocketMulti*>(self)->want(descriptor, what);
  return 0;
}

void SocketMulti::want(int descriptor, int what) {
  const auto index = static_cast<std::size_t>(descriptor);
  if (sockets_.size() <= index) sockets_.resize(index + 1);
  Socket& socket = sockets_[index];
  socket.wanted = 0;
  if (what == CURL_POLL_IN || what == CURL_POLL_INOUT) socket.wanted |= EPOLLIN;
  if (what == CURL_POLL_OUT || what == CURL_POLL_INOUT) socket.wanted |= EPOLLOUT;
  if (what != CURL_POLL_REMOVE) return apply(descriptor, socket);
  // A descriptor that libcurl closes without asking us (its resolver's) must not stay behind in the table.
  if (socket.ours) return;
  if (socket.in_set) ::epoll_ctl(set_.native_handle(), EPOLL_CTL_DEL, descriptor, nullptr);
  socket = Socket{};
}

void SocketMulti::apply(int descriptor, Socket& socket) {
  if (socket.in_set && socket.registered == socket.wanted) return;
  epoll_event event{};
  event.events = socket.wanted;
  event.data.fd = descriptor;
  const int operation = socket.in_set ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
  if (::epoll_ctl(set_.native_handle(), operation, descriptor, &event) != 0) {
    CHECK(errno == ENOENT || errno == EEXIST);
    const int other = errno == ENOENT ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
    CHECK(::epoll_ctl(set_.native_handle(), other, descriptor, &event) == 0);
  }
  socket.in_set = true;
  socket.registered = socket.wanted;
}

void SocketMulti::wait_for_events() {
  if (waiting_ || running_ == 0) return;
  waiting_ = true;
  set_.async_wait(asio::posix::stream_descriptor::wait_read,
                  [weak = weak_from_this()](const boost::system::error_code& ec) {
                    auto self = weak.lock();
                    if (!self) return;
                    self->waiting_ = false;
                    if (ec) return;
                    self->handle_events();
                    self->wait_for_events();
                  });
}

void SocketMulti::handle_events() {
  std::array<epoll_event, kEventsAtOnce> events;
  const int count = ::epoll_wait(set_.native_handle(), events.data(), kEventsAtOnce, 0);
  for (int i = 0; i < count; ++i) {
    const int descriptor = events[static_cast<std::size_t>(i)].data.fd;
    const std::uint32_t happened = events[static_cast<std::size_t>(i)].events;
    Socket& socket = sockets_[static_cast<std::size_t>(descriptor)];
    if (!socket.in_set) continue;  // closed, or taken out, by an earlier event of this batch
    if (socket.wanted == 0) {
      ::epoll_ctl(set_.native_handle(), EPOLL_CTL_DEL, descriptor, nullptr);
      socket.in_set = false;
      continue;
    }
    int mask = 0;
    if ((happened & (EPOLLIN | EPOLLHUP)) != 0) mask |= CURL_CSELECT_IN;
    if ((happened & EPOLLOUT) != 0) mask |= CURL_CSELECT_OUT;
    if ((happened & EPOLLERR) != 0) mask |= CURL_CSELECT_ERR;
    step(descriptor, mask);
  }
}

int SocketMulti::on_timer(CURLM*, long timeout_ms, void* data) {
  auto* self = static_cast<SocketMulti*>(data);
  if (timeout_ms < 0) {
    self->due_ = SteadyTime::max();
  } else if (timeout_ms == 0) {
    self->due_ = SteadyTime::min();
    self->kick();
  } else {
    self->due_ = std::chrono::steady_clock::now() + std::chrono::milliseconds(timeout_ms);
    self->arm_timer();
  }
  return 0;
}

// libcurl must not be called from inside its own callback, so what is due at once is posted.
void SocketMulti::kick() {
  if (std::exchange(kicked_, true)) return;
  asio::post(executor_, [weak = weak_from_this()] {
    auto self = weak.lock();
    if (!self) return;
    self->kicked_ = false;
    if (self->due_ != SteadyTime::min()) return;
    self->due_ = SteadyTime::max();
    self->step(CURL_SOCKET_TIMEOUT, 0);
  });
}

// A timer that is armed for an earlier moment stays: it looks again when it fires. Most timeouts never come.
void SocketMulti::arm_timer() {
  if (armed_ <= due_) return;
  armed_ = due_;
  timer_.expires_at(due_);
  timer_.async_wait([weak = weak_from_this()](const boost::system::error_code& ec) {
    auto self = weak.lock();
    if (!self || ec) return;
    self->armed_ = SteadyTime::max();
    if (self->due_ == SteadyTime::max() || self->due_ == SteadyTime::min()) return;
    if (std::chrono::steady_clock::now() < self->due_) return self->arm_timer();
    self->due_ = SteadyTime::max();
    self->step(CURL_SOCKET_TIMEOUT, 0);
  });
}

void SocketMulti::step(curl_socket_t descriptor, int events) {
  int still_running = 0;
  curl_multi_socket_action(multi_, descriptor, events, &still_running);
  drain();
  if (descriptor != CURL_SOCKET_TIMEOUT || due_ != SteadyTime::max() || running_ == 0) return;
  // libcurl tells a timeout only when it changes: one that it thinks has not quite come would be lost here.
  long timeout_ms = -1;
  curl_multi_timeout(multi_, &timeout_ms);
  if (timeout_ms >= 0) on_timer(multi_, std::max(timeout_ms, 1L), this);
}

void SocketMulti::drain() {
  int left = 0;
  while (CURLMsg* message = curl_multi_info_read(multi_, &left)) {
    if (message->msg != CURLMSG_DONE) continue;
    CURL* easy = message->easy_handle;
    const CURLcode code = message->data.result;  // gone with the next call
    char* end = nullptr;
    curl_easy_getinfo(easy, CURLINFO_PRIVATE, &end);
    abandon(easy);
    if (end != nullptr) reinterpret_cast<TransferEnd*>(end)->ended(code);
  }
}

}  // namespace

std::shared_ptr<CurlMulti> make_curl_multi(asio::any_io_executor executor, std::size_t kept_connections_max) {
  return std::make_shared<SocketMulti>(std::move(executor), kept_connections_max);
}

}  // namespace tieline::http
