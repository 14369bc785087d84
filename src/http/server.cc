// Sockets, TLS, deadlines and the loop of each connection. One coroutine a connection; the only timer is the sweep.
#include "http/server.h"

#include <sys/socket.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <cstring>
#include <list>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

#include "async/sync.h"
#include "async/task_group.h"
#include "base/check.h"
#include "http/reply_writer.h"

namespace tieline::http {
namespace {

using asio::ip::tcp;
using boost::system::error_code;
using Tls = asio::ssl::stream<tcp::socket>;

constexpr Duration kSweepEvery = 1s;
constexpr Duration kLingerFor = 2s;  // how long what a refused peer still sends is read away
constexpr std::size_t kLingerBytesMax = 4u << 20;
constexpr std::size_t kBufferBytes = 16u << 10;  // to begin with; grows to the header limit
constexpr auto kTuple = asio::as_tuple(asio::use_awaitable);

// What a connection waits for.
enum class Phase : std::uint8_t { kHandshake, kIdle, kHeader, kBody, kHandler, kWrite, kLinger };

// What the sweep and stop() need of a connection.
struct Watched {
  Phase phase = Phase::kIdle;
  Instant deadline = Instant::max();
  bool timed_out = false;
  tcp::socket* socket = nullptr;

  // Ends what it waits for on the socket; the connection's coroutine then looks at timed_out.
  void interrupt() {
    error_code ignored;
    socket->cancel(ignored);
  }
};

}  // namespace

struct HttpServer::Impl {
  Impl(asio::any_io_executor on, ServerOptions o, Handler h, Clock& c)
      : executor(std::move(on)),
        options(std::move(o)),
        handler(std::move(h)),
        clock(c),
        acceptor(executor),
        places(options.connections_max),
        services(executor),
        connections(executor) {}

  asio::any_io_executor executor;
  const ServerOptions options;
  const Handler handler;
  Clock& clock;
  tcp::acceptor acceptor;
  std::uint16_t port = 0;
  std::optional<asio::ssl::context> tls;
  bool stopping = false;
  ServerStats stats;
  std::size_t body_bytes = 0;  // of all connections
  std::list<Watched> watched;
  Gate places;
  Signal one_closed;
  TaskGroup services;     // accept, sweep
  TaskGroup connections;  // one task each
  std::string date;
  std::chrono::sys_seconds date_of{};

  Result<void> open();
  Result<void> load_certificate();
  void start() {
    services.spawn(accept_all());
    services.spawn(sweep());
  }
  std::string_view date_now(Time now) {
    const auto second = std::chrono::floor<std::chrono::seconds>(now);
    if (date.empty() || second != date_of) {
      date = http_date(now);
      date_of = second;
    }
    return date;
  }

  asio::awaitable<void> accept_all();
  asio::awaitable<void> sweep();
  asio::awaitable<void> serve(tcp::socket socket);
  asio::awaitable<void> stop(Deadline deadline);
};

namespace {

// One connection: reads requests, has them answered, writes the replies, in their order. `Stream` is a socket or a TLS
// stream over one.
template <class Stream>
class Connection {
 public:
  Connection(HttpServer::Impl& server, Stream& stream, Watched& me)
      : server_(server), stream_(stream), me_(me), reader_(server.options.limits), buffer_(kBufferBytes) {}
  ~Connection() { hold(0); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  asio::awaitable<void> run() {
    wait_for(Phase::kIdle, server_.options.header_timeout);
    while (true) {
      if (begin_ < end_) {
        begin_ += reader_.feed(std::string_view(buffer_.data() + begin_, end_ - begin_));
        if (begin_ == end_) begin_ = end_ = 0;
        if (!hold(reader_.body_bytes())) {
          co_await refuse(503, "too much is being received at once, try again soon");
          co_return;
        }
      }
      bool goes_on = false;
      switch (reader_.state()) {
        case RequestReader::State::kComplete: goes_on = co_await answer(); break;
        case RequestReader::State::kRefused: co_await refuse(reader_.status(), reader_.message()); break;
        default: goes_on = co_await read_more(); break;
      }
      if (!goes_on) co_return;
    }
  }

 private:
  // This connection's share of all bodies' bytes. False when they are too many: then it has none.
  bool hold(std::size_t bytes) {
    server_.body_bytes += bytes - held_;
    held_ = bytes;
    if (bytes == 0 || server_.body_bytes <= server_.options.bodies_bytes_max) return true;
    server_.body_bytes -= std::exchange(held_, 0);
    return false;
  }

  void wait_for(Phase phase, Duration at_most) {
    me_.phase = phase;
    me_.timed_out = false;
    me_.deadline = server_.clock.instant() + at_most;
  }

  // False when the connection is over.
  asio::awaitable<bool> read_more() {
    if (reader_.state() == RequestReader::State::kBody) {
      if (me_.phase != Phase::kBody) {
        wait_for(Phase::kBody, server_.options.body_timeout);
        if (reader_.wants_continue() && begin_ == end_) {
          out_ = "HTTP/1.1 100 Continue\r\n\r\n";
          const bool told = co_await write_rest(0);
          if (!told) co_return false;
          wait_for(Phase::kBody, server_.options.body_timeout);
        }
      }
    } else if (begin_ < end_) {
      if (me_.phase != Phase::kHeader) wait_for(Phase::kHeader, server_.options.header_timeout);
    } else if (server_.stopping) {
      co_return false;
    }
    make_room();
    const auto free = asio::buffer(buffer_.data() + end_, buffer_.size() - end_);
    const auto read = co_await stream_.async_read_some(free, kTuple);
    end_ += std::get<1>(read);
    if (!std::get<0>(read)) co_return true;
    if (me_.timed_out && (me_.phase == Phase::kHeader || me_.phase == Phase::kBody)) {
      co_await refuse(408, "the request did not come in time");
    }
    co_return false;
  }

  void make_room() {
    if (end_ < buffer_.size()) return;
    if (begin_ > 0) {
      std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
      end_ -= begin_;
      begin_ = 0;
      return;
    }
    // Only a header is kept unread, and the reader refuses it before it grows beyond this.
    buffer_.resize(server_.options.limits.header_bytes_max + kBufferBytes);
  }

  asio::awaitable<bool> answer() {
    InboundRequest request = reader_.take();
    request.received = server_.clock.now();
    me_.phase = Phase::kHandler;
    me_.deadline = Instant::max();
    ++server_.stats.requests;
    auto handling = server_.handler(std::move(request));
    const Reply reply = co_await std::move(handling);
    hold(0);
    if (reply.status == 0) co_return false;
    const bool keep_alive = reader_.keep_alive() && !server_.stopping;
    compose(reply, keep_alive);
    bool written = write_now();
    if (!written) written = co_await write_rest(written_);
    if (!written) co_return false;
    if (!keep_alive) {
      co_await linger();
      co_return false;
    }
    wait_for(Phase::kIdle, server_.options.idle_timeout);
    co_return true;
  }

  void compose(const Reply& reply, bool keep_alive) {
    ReplyFraming framing;
    framing.head = reader_.is_head();
    framing.keep_alive = keep_alive;
    framing.http10 = reader_.is_http10();
    framing.date = server_.date_now(server_.clock.now());
    out_.clear();
    append_reply(out_, reply, framing);
  }

  asio::awaitable<void> refuse(int status, std::string why) {
    ++server_.stats.refused;
    if (server_.options.on_refused) {
      const std::string_view unread(buffer_.data() + begin_, end_ - begin_);
      server_.options.on_refused({status, reader_.target(unread), why});
    }
    Reply reply;
    reply.status = status;
    reply.headers.emplace_back("Content-Type", "text/plain; charset=utf-8");
    if (status == 503) reply.headers.emplace_back("Retry-After", "5");
    reply.body = std::move(why) + "\n";
    ReplyFraming framing;
    framing.keep_alive = false;
    framing.date = server_.date_now(server_.clock.now());
    out_.clear();
    append_reply(out_, reply, framing);
    const bool written = co_await write_rest(0);
    if (written) co_await linger();
  }

  // Tries at once, without the reactor: true when all of it went out.
  bool write_now() {
    written_ = 0;
    if constexpr (std::is_same_v<Stream, tcp::socket>) {
      error_code ec;
      written_ = stream_.write_some(asio::buffer(out_), ec);
      return written_ == out_.size();
    }
    return false;
  }

  asio::awaitable<bool> write_rest(std::size_t from) {
    wait_for(Phase::kWrite, server_.options.write_timeout);
    const auto rest = asio::buffer(out_.data() + from, out_.size() - from);
    const auto wrote = co_await asio::async_write(stream_, rest, kTuple);
    if (out_.capacity() > kLargeReply) std::string().swap(out_);
    co_return !std::get<0>(wrote);
  }

  // Closing a socket with unread bytes resets it, and the peer may lose the reply: so what it still sends is read away.
  asio::awaitable<void> linger() {
    auto& socket = *me_.socket;
    error_code ignored;
    socket.shutdown(tcp::socket::shutdown_send, ignored);
    wait_for(Phase::kLinger, kLingerFor);
    const auto whole = asio::buffer(buffer_);
    for (std::size_t total = 0; total < kLingerBytesMax;) {
      const auto read = co_await socket.async_read_some(whole, kTuple);
      if (std::get<0>(read)) break;
      total += std::get<1>(read);
    }
  }

  static constexpr std::size_t kLargeReply = 256u << 10;

  HttpServer::Impl& server_;
  Stream& stream_;
  Watched& me_;
  RequestReader reader_;
  std::vector<char> buffer_;  // [begin_, end_) is read and not used
  std::size_t begin_ = 0, end_ = 0;
  std::size_t held_ = 0;
  std::string out_;
  std::size_t written_ = 0;
};

}  // namespace

asio::awaitable<void> HttpServer::Impl::serve(tcp::socket socket) {
  struct Place {
    Impl& server;
    std::list<Watched>::iterator at;
    ~Place() {
      server.watched.erase(at);
      --server.stats.connections_open;
      server.places.leave();
      server.one_closed.notify_all();
    }
  };
  Place place{*this, watched.emplace(watched.end())};
  error_code ignored;
  socket.set_option(tcp::no_delay(true), ignored);
  socket.non_blocking(true, ignored);
  Watched& me = *place.at;
  if (!tls) {
    me.socket = &socket;
    Connection<tcp::socket> connection(*this, socket, me);
    co_await connection.run();
    co_return;
  }
  Tls stream(std::move(socket), *tls);
  me.socket = &stream.next_layer();
  me.phase = Phase::kHandshake;
  me.deadline = clock.instant() + options.header_timeout;
  const auto shaken = co_await stream.async_handshake(asio::ssl::stream_base::server, kTuple);
  if (std::get<0>(shaken)) co_return;
  Connection<Tls> connection(*this, stream, me);
  co_await connection.run();
}

asio::awaitable<void> HttpServer::Impl::accept_all() {
  while (!stopping) {
    co_await places.enter();
    auto accepted = co_await acceptor.async_accept(kTuple);
    const error_code ec = std::get<0>(accepted);
    if (!ec) {
      ++stats.connections_accepted;
      ++stats.connections_open;
      auto task = serve(std::move(std::get<1>(accepted)));
      connections.spawn(std::move(task));
      continue;
    }
    places.leave();
    if (ec == asio::error::operation_aborted) co_return;
    // Out of descriptors or memory: the peer waits in the kernel until some are free.
    if (ec != asio::error::connection_aborted) co_await clock.sleep(kSweepEvery);
  }
}

asio::awaitable<void> HttpServer::Impl::sweep() {
  while (true) {
    co_await clock.sleep(kSweepEvery);
    const Instant now = clock.instant();
    const bool crowded = stats.connections_open >= options.connections_max;
    for (auto& one : watched) {
      if (one.socket == nullptr || !(one.deadline <= now || (crowded && one.phase == Phase::kIdle))) continue;
      one.timed_out = true;
      one.interrupt();
    }
  }
}

asio::awaitable<void> HttpServer::Impl::stop(Deadline deadline) {
  stopping = true;
  error_code ignored;
  acceptor.close(ignored);
  // What is not asked yet is not waited for; a request that comes has as long as ever, so the sweep goes on.
  for (auto& one : watched) {
    if (one.socket == nullptr) continue;
    const bool asked = one.phase == Phase::kBody || one.phase == Phase::kHandler || one.phase == Phase::kWrite;
    if (!asked) one.interrupt();
  }
  while (stats.connections_open > 0) {
    const bool in_time = co_await one_closed.wait(clock, deadline);
    if (!in_time) break;
  }
  co_await services.stop();
  co_await connections.stop();
}

Result<void> HttpServer::Impl::load_certificate() {
  if (options.certificate_file.empty() && options.key_file.empty()) return {};
  error_code ec;
  tls.emplace(asio::ssl::context::tls_server);
  SSL_CTX_set_min_proto_version(tls->native_handle(), TLS1_2_VERSION);
  tls->use_certificate_chain_file(options.certificate_file, ec);
  if (ec) return failure(Code::kInvalid, "cannot use certificate " + options.certificate_file + ": " + ec.message());
  tls->use_private_key_file(options.key_file, asio::ssl::context::pem, ec);
  if (ec) return failure(Code::kInvalid, "cannot use key " + options.key_file + ": " + ec.message());
  if (SSL_CTX_check_private_key(tls->native_handle()) != 1) {
    return failure(Code::kInvalid, "key " + options.key_file + " is not that of " + options.certificate_file);
  }
  return {};
}

Result<void> HttpServer::Impl::open() {
  const std::string name = options.address + ":" + std::to_string(options.port);
  error_code ec;
  const auto address = asio::ip::make_address(options.address == "localhost" ? "127.0.0.1" : options.address, ec);
  if (ec) return failure(Code::kInvalid, "cannot listen on " + name + ": " + options.address + " is not an IP address");
  TRY_VOID(load_certificate());
  const tcp::endpoint endpoint(address, options.port);
  acceptor.open(endpoint.protocol(), ec);
  if (!ec) acceptor.set_option(tcp::acceptor::reuse_address(true), ec);
  const int on = 1;
  if (!ec && options.reuse_port &&
      ::setsockopt(acceptor.native_handle(), SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) != 0) {
    ec.assign(errno, boost::system::system_category());
  }
  if (!ec) acceptor.bind(endpoint, ec);
  if (!ec) acceptor.listen(asio::socket_base::max_listen_connections, ec);
  if (ec) return failure(Code::kUnavailable, "cannot listen on " + name + ": " + ec.message());
  const auto bound = acceptor.local_endpoint(ec);
  if (ec) return failure(Code::kUnavailable, "cannot listen on " + name + ": " + ec.message());
  port = bound.port();
  return {};
}

HttpServer::HttpServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
HttpServer::~HttpServer() = default;

Result<std::unique_ptr<HttpServer>> HttpServer::listen(asio::any_io_executor executor, ServerOptions options,
                                                       Handler handler, Clock& clock) {
  auto impl = std::make_unique<Impl>(std::move(executor), std::move(options), std::move(handler), clock);
  TRY_VOID(impl->open());
  impl->start();
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(impl)));
}

std::uint16_t HttpServer::port() const { return impl_->port; }
ServerStats HttpServer::stats() const { return impl_->stats; }

asio::awaitable<void> HttpServer::stop(Deadline deadline) { return impl_->stop(deadline); }

}  // namespace tieline::http
