// One request under way, as a sequence of events: found, connected, hands shaken, written, read, or out of time. It
// must never say that nothing left when a byte did.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "async/waiter.h"
#include "http/answer_reader.h"
#include "http/connection_pool.h"
#include "http/dialer.h"
#include "http/http_transport.h"
#include "http/poller.h"
#include "http/resolver.h"
#include "http/tls_channel.h"
#include "http/url.h"

namespace tieline::http {

// What the requests of a transport share.
struct TransferParts {
  TransferParts(asio::any_io_executor executor, Clock& c, ClientOptions o);

  Clock& clock;
  const ClientOptions options;
  Poller poller;
  Resolver resolver;
  std::unique_ptr<TlsClient> tls;  // from the first https on; outlives the connections
  ConnectionPool pool;
  std::string spare;  // a buffer for the next request's head
  std::vector<char> received;
};

// Lives in the frame of send(); destroyed before its end, it gives up.
class Transfer final : private Poller::Watcher, private Poller::Alarm, private Resolver::Asker, private Dialer::Caller {
 public:
  Transfer(Request request, TransferParts& parts);
  ~Transfer() override;
  Transfer(const Transfer&) = delete;
  Transfer& operator=(const Transfer&) = delete;

  void start(Instant now, Deadline deadline);
  bool ended() const { return ended_; }
  asio::awaitable<void> wait() { return waiter_.wait(); }
  Exchange finish();  // once ended

 private:
  enum class Stage : std::uint8_t { kConnect, kHandshake, kExchange };

  struct Turn final : Poller::Alarm {
    explicit Turn(Transfer& t) : transfer(t) {}
    void rings() override { transfer.read(); }
    Transfer& transfer;
  };

  void dial(SteadyTime now);
  void resolved(const Addresses& addresses) override;
  void connect(const Addresses& addresses);
  void connected(int descriptor, std::string peer) override;
  void not_connected(int number, bool denied) override;
  void shake_hands();

  void begin_exchange();
  void write();
  void write_failed();
  void read();
  void refused();
  void answered(bool in_step);
  void peer_ended(bool properly);
  void send_again();

  void ready(std::uint32_t events) override;
  void rings() override;
  void want(bool writable);

  bool repeatable() const;
  void fail(Code code, std::string message);
  void fail_to_connect(Code code, std::string message);
  void end();
  void leave_connection();
  std::string where() const { return host_and_port(request_.url); }

  Request request_;
  TransferParts& parts_;
  Url url_;
  std::shared_ptr<Origin> origin_;
  std::optional<Dialer> dialer_;
  Connection* connection_ = nullptr;
  AnswerReader reader_;
  Waiter waiter_;
  Turn next_turn_{*this};    // to read on
  std::string out_;          // the head, and a short body
  std::string_view rest_;    // the body, unless it stands in out_
  std::size_t written_ = 0;  // of both
  Duration at_most_{0};
  SteadyTime end_at_{};
  std::string peer_;
  Error error_;
  Stage stage_ = Stage::kConnect;
  bool was_kept_ = false;  // the connection has carried an exchange before
  bool sent_ = false;      // a byte has left, on whichever connection
  bool all_sent_ = false;  // on this connection
  bool writing_ = false, watches_writable_ = false, asks_name_ = false;
  bool runs_ = false, ended_ = false, answered_ = false;
};

}  // namespace tieline::http
