// Each step is the last thing that its event does: an ended transfer touches nothing any more.
#include "http/transfer.h"

#include <sys/epoll.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/check.h"
#include "base/text.h"
#include "core/category.h"
#include "http/request_writer.h"

namespace tieline::http {
namespace {

constexpr std::size_t kReceiveBytes = 64u << 10;
constexpr std::size_t kJoinedBodyMax = 16u << 10;  // copied behind the head; a longer one goes out from where it stands
constexpr std::size_t kSpareBytesMax = 64u << 10;
constexpr Duration kLongest = std::chrono::hours(24 * 365);
constexpr int kReadsAtOnce = 16;  // then others have their turn

std::string os_error_text(int number) {
  std::string text = number == 0 ? "no connection" : std::strerror(number);
  if (text.size() > 1 && text[1] >= 'a') text[0] = to_lower(text.substr(0, 1))[0];
  return text;
}

bool asks_to_close(const Headers& headers) {
  const std::string_view value = find_header(headers, "Connection");
  return !value.empty() && to_lower(value).find("close") != std::string::npos;
}

}  // namespace

TransferParts::TransferParts(asio::any_io_executor executor, Clock& c, ClientOptions o)
    : clock(c),
      options(std::move(o)),
      poller(std::move(executor)),
      resolver(poller, clock),
      pool(poller, options.kept_connections_max, options.kept_connection_age_max),
      received(kReceiveBytes) {}

Transfer::Transfer(Request request, TransferParts& parts)
    : request_(std::move(request)),
      parts_(parts),
      reader_({parts.options.response_header_bytes_max, request_.response_bytes_max}, request_.method == "HEAD") {}

Transfer::~Transfer() {
  leave_connection();
  dialer_.reset();
  if (asks_name_) parts_.resolver.give_up(*this);
  parts_.poller.clear(*this);
  if (runs_) parts_.poller.end();
}

void Transfer::start(Instant now, Deadline deadline) {
  at_most_ = std::min({request_.timeout, deadline.at - now, kLongest});
  if (at_most_ <= Duration::zero()) return fail(Code::kTimeout, "no time was left to call " + where());
  auto url = parse_url(request_.url);
  if (!url) return fail(url.error().code, std::move(url.error().message));
  url_ = *url;
  out_.swap(parts_.spare);
  out_.clear();
  auto head = append_request_head(out_, request_, url_, parts_.options.user_agent);
  if (!head) return fail(head.error().code, std::move(head.error().message));
  origin_ = parts_.pool.origin(url_, request_.private_addresses);
  parts_.poller.begin();
  runs_ = true;
  const SteadyTime begin = parts_.poller.now();
  end_at_ = begin + at_most_;
  connection_ = parts_.pool.take(*origin_, *this, now);
  if (connection_ == nullptr) return dial(begin);
  was_kept_ = true;
  begin_exchange();
}

void Transfer::dial(SteadyTime now) {
  stage_ = Stage::kConnect;
  was_kept_ = false;
  parts_.poller.set(*this, std::min(now + parts_.options.connect_timeout, end_at_));
  if (origin_->https && parts_.tls == nullptr) {
    auto made = TlsClient::make(parts_.options.ca_file);
    if (!made) return fail_to_connect(made.error().code, std::move(made.error().message));
    parts_.tls = std::move(*made);
  }
  const Addresses* known = parts_.resolver.known(origin_->host);
  if (known != nullptr) return connect(*known);
  asks_name_ = true;
  parts_.resolver.ask(origin_->host, *this);
}

void Transfer::resolved(const Addresses& addresses) {
  asks_name_ = false;
  if (addresses.empty()) return fail_to_connect(Code::kUnavailable, "could not find the host of " + where());
  connect(addresses);
}

void Transfer::connect(const Addresses& addresses) {
  Dialer::Caller& caller = *this;
  dialer_.emplace(parts_.poller, caller, addresses, origin_->port, request_.private_addresses);
  dialer_->start();
}

void Transfer::connected(int descriptor, std::string peer) {
  connection_ = &parts_.pool.add(origin_, descriptor, *this);
  connection_->peer = std::move(peer);
  dialer_.reset();
  if (!origin_->https) {
    connection_->channel = make_plain_channel(descriptor);
    return begin_exchange();
  }
  connection_->channel = parts_.tls->open(descriptor, origin_->host, origin_->session);
  stage_ = Stage::kHandshake;
  shake_hands();
}

void Transfer::not_connected(int number, bool denied) {
  parts_.resolver.forget(origin_->host);
  if (denied) {
    return fail_to_connect(
        Code::kDenied, "the address of " + where() + " is not public, and this connection may only dial public ones");
  }
  fail_to_connect(Code::kUnavailable, "could not connect to " + where() + ": " + os_error_text(number));
}

void Transfer::shake_hands() {
  const Io io = connection_->channel->shake_hands();
  if (io.kind == Io::Kind::kAgain) return want(io.wants_write);
  if (io.kind == Io::Kind::kBytes) return begin_exchange();
  const std::string refusal = static_cast<const TlsChannel&>(*connection_->channel).refusal();
  if (refusal.empty()) return fail_to_connect(Code::kUnavailable, "the TLS handshake with " + where() + " failed");
  fail_to_connect(Code::kDenied, "the certificate of " + where() + " is refused: " + refusal);
}

void Transfer::begin_exchange() {
  stage_ = Stage::kExchange;
  parts_.poller.set(*this, end_at_);
  if (out_.empty()) CHECK(append_request_head(out_, request_, url_, parts_.options.user_agent));
  if (!sends_body(request_)) {
    rest_ = {};
  } else if (request_.body.size() > kJoinedBodyMax) {
    rest_ = request_.body;
  } else {
    out_.append(request_.body);
  }
  written_ = 0;
  writing_ = true;
  write();
}

void Transfer::write() {
  while (written_ < out_.size() + rest_.size()) {
    const std::string_view head = std::string_view(out_).substr(std::min(written_, out_.size()));
    const std::string_view body = rest_.substr(written_ > out_.size() ? written_ - out_.size() : 0);
    sent_ = sent_ || origin_->https;  // a part of a record may leave before sending it fails
    const Io io = connection_->channel->send(head, body);
    if (io.kind == Io::Kind::kAgain) return want(io.wants_write);
    if (io.kind != Io::Kind::kBytes) return write_failed();
    written_ += io.bytes;
    sent_ = true;
  }
  all_sent_ = true;
  writing_ = false;
  want(false);
  if (out_.capacity() <= kSpareBytesMax) out_.swap(parts_.spare);
  out_.clear();
}

// The peer may have answered before it stopped listening.
void Transfer::write_failed() {
  writing_ = false;
  want(false);
  if (written_ > 0) return;
  if (was_kept_ && (repeatable() || !sent_)) return send_again();
  fail(Code::kUnavailable, where() + " broke the connection");
}

void Transfer::read() {
  std::vector<char>& buffer = parts_.received;
  for (int i = 0; i < kReadsAtOnce; ++i) {
    const Io io = connection_->channel->receive(buffer.data(), buffer.size());
    if (io.kind == Io::Kind::kAgain) return want(io.wants_write || writing_);
    if (io.kind != Io::Kind::kBytes) return peer_ended(io.kind == Io::Kind::kEnd);
    const std::size_t used = reader_.feed(std::string_view(buffer.data(), io.bytes));
    if (reader_.state() == AnswerReader::State::kComplete) return answered(used == io.bytes);
    if (reader_.state() == AnswerReader::State::kRefused) return refused();
    if (!origin_->https && io.bytes < buffer.size()) return;
  }
  // What TLS holds back, no event tells.
  if (origin_->https) parts_.poller.set(next_turn_, parts_.poller.now());
}

void Transfer::peer_ended(bool properly) {
  if (!reader_.begun() && was_kept_) {
    if (repeatable() || !sent_) return send_again();
    return fail(Code::kUnavailable,
                where() + " closed a kept connection without an answer; the request was not repeated");
  }
  if (!properly) return fail(Code::kUnavailable, where() + " broke the connection");
  if (!reader_.begun()) return fail(Code::kUnavailable, where() + " closed the connection without an answer");
  reader_.end();
  if (reader_.state() == AnswerReader::State::kComplete) return answered(false);
  refused();
}

void Transfer::send_again() {
  leave_connection();
  out_.clear();
  all_sent_ = false;
  dial(parts_.poller.now());
}

void Transfer::refused() {
  using Refusal = AnswerReader::Refusal;
  const std::string answer = "the answer of " + where();
  const auto bytes = [](std::size_t count) { return std::to_string(count) + " bytes"; };
  switch (reader_.refusal()) {
    case Refusal::kBodyBytes:
      return fail(Code::kTooLarge, answer + " is larger than " + bytes(request_.response_bytes_max));
    case Refusal::kHeaderBytes:
      return fail(Code::kTooLarge,
                  answer + " is larger than " + bytes(parts_.options.response_header_bytes_max) + " before its body");
    case Refusal::kBadChunks: return fail(Code::kUnavailable, answer + " is broken: its chunks are malformed");
    case Refusal::kCutShort: return fail(Code::kUnavailable, answer + " was cut short");
    default: return fail(Code::kUnavailable, where() + " did not answer in HTTP/1.1");
  }
}

// `in_step`: nothing came behind the answer.
void Transfer::answered(bool in_step) {
  answered_ = true;
  peer_ = connection_->peer;
  if (in_step && all_sent_ && reader_.keeps_connection() && !asks_to_close(request_.headers)) {
    want(false);
    parts_.pool.keep(*std::exchange(connection_, nullptr), parts_.clock.instant());
  }
  end();
}

void Transfer::ready(std::uint32_t events) {
  if (stage_ == Stage::kHandshake) return shake_hands();
  if (writing_ && (origin_->https || (events & EPOLLOUT) != 0)) {
    write();
    if (ended_ || stage_ != Stage::kExchange) return;
  }
  if (origin_->https || (events & ~std::uint32_t{EPOLLOUT}) != 0) read();
}

void Transfer::rings() {
  if (stage_ == Stage::kExchange || sent_) {
    return fail(Code::kTimeout, "no whole answer from " + where() + " within " + humane_duration(at_most_));
  }
  const Duration limit = std::min(at_most_, parts_.options.connect_timeout);
  dialer_.reset();
  fail(Code::kTimeout, "could not connect to " + where() + " within " + humane_duration(limit));
}

void Transfer::want(bool writable) {
  if (writable == watches_writable_) return;
  watches_writable_ = writable;
  parts_.poller.watch(connection_->descriptor, *connection_, writable ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

bool Transfer::repeatable() const {
  return request_.repeatable.value_or(safety_of_method(request_.method) != Safety::kUnsafe);
}

void Transfer::fail(Code code, std::string message) {
  error_ = Error{code, std::move(message), {}};
  end();
}

// When sending again fails, the first sending still may have had its effect.
void Transfer::fail_to_connect(Code code, std::string message) {
  if (!sent_) return fail(code, std::move(message));
  fail(Code::kUnavailable, where() + " closed a kept connection without an answer; again: " + message);
}

void Transfer::end() {
  leave_connection();
  if (std::exchange(asks_name_, false)) parts_.resolver.give_up(*this);
  parts_.poller.clear(*this);
  if (std::exchange(runs_, false)) parts_.poller.end();
  ended_ = true;
  waiter_.wake();
}

void Transfer::leave_connection() {
  parts_.poller.clear(next_turn_);
  if (connection_ == nullptr) return;
  peer_ = connection_->peer;
  watches_writable_ = false;
  parts_.pool.close(*std::exchange(connection_, nullptr));
}

Exchange Transfer::finish() {
  CHECK(ended_);
  Exchange out;
  out.phase = answered_ ? Phase::kAnswered : sent_ ? Phase::kSent : Phase::kNotSent;
  out.response = std::move(reader_.response());
  out.peer = std::move(peer_);
  if (!answered_) out.error = std::move(error_);
  return out;
}

}  // namespace tieline::http
