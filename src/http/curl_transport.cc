// One easy handle a request: options, callbacks, and what its end means. Whether a byte left is read off libcurl's own
// counter of request bytes, never guessed from the error.
#include "http/curl_transport.h"

#include <curl/curl.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "async/waiter.h"
#include "base/check.h"
#include "base/text.h"
#include "core/category.h"
#include "http/address.h"
#include "http/curl_multi.h"

namespace tieline::http {
namespace {

constexpr std::size_t kReserveMax = 64u << 10;

bool is_token(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](unsigned char c) {
    return c > 0x20 && c < 0x7f && std::strchr("\"(),/:;<=>?@[\\]{}", c) == nullptr;
  });
}

bool is_one_line(std::string_view text) { return text.find_first_of(std::string_view("\r\n\0", 3)) == text.npos; }

// "api.example.com:443" of an absolute url: what messages may say of it.
std::string host_and_port(std::string_view url) {
  const std::size_t scheme = url.find("://");
  if (scheme == std::string_view::npos) return "the url";
  const bool https = equals_ignore_case(url.substr(0, scheme), "https");
  url.remove_prefix(scheme + 3);
  url = url.substr(0, url.find_first_of("/?#\\"));
  if (const std::size_t at = url.rfind('@'); at != std::string_view::npos) url.remove_prefix(at + 1);
  const std::size_t colon = url.rfind(':');
  const bool has_port = colon != std::string_view::npos && url.find(']', colon) == std::string_view::npos;
  return std::string(url) + (has_port ? "" : https ? ":443" : ":80");
}

std::string os_error_text(long number) {
  std::string text = number == 0 ? "no connection" : std::strerror(static_cast<int>(number));
  if (text.size() > 1 && text[1] >= 'a') text[0] = to_lower(text.substr(0, 1))[0];
  return text;
}

// One request under way. Lives in the frame of send().
class Transfer final : public TransferEnd {
 public:
  Transfer(Request request, const ClientOptions& options, CurlMulti& multi)
      : request_(std::move(request)),
        options_(options),
        multi_(multi),
        repeatable_(request_.repeatable.value_or(safety_of_method(request_.method) != Safety::kUnsafe)),
        where_(host_and_port(request_.url)),
        easy_(multi.take_easy()) {}
  ~Transfer() {
    multi_.abandon(easy_);
    multi_.give_back(easy_);
    curl_slist_free_all(headers_);
  }
  Transfer(const Transfer&) = delete;
  Transfer& operator=(const Transfer&) = delete;

  // What cannot be sent at all.
  Result<void> prepare(Duration at_most) {
    if (!is_token(request_.method)) return failure(Code::kInvalid, "\"" + request_.method + "\" is not an HTTP method");
    TRY_VOID(set_headers());
    at_most_ = at_most;
    set_constant_options();
    set_request();
    return {};
  }

  asio::awaitable<void> run() {
    multi_.start(easy_, this);
    return waiter_.wait();
  }

  Exchange finish() {
    Exchange out;
    out.response = std::move(response_);
    out.peer = std::move(peer_);
    if (code_ == CURLE_OK) {
      out.phase = Phase::kAnswered;
      return out;
    }
    out.phase = sent() > 0 ? Phase::kSent : Phase::kNotSent;
    out.error = out.phase == Phase::kSent ? error_when_sent() : error_when_not_sent();
    return out;
  }

  const std::string& where() const { return where_; }

 private:
  template <class Value>
  void set(CURLoption option, Value value) {
    CHECK(curl_easy_setopt(easy_, option, value) == CURLE_OK);
  }

  Result<void> set_headers() {
    bool has_type = false, has_agent = false;
    for (const auto& [name, value] : request_.headers) {
      if (!is_token(name)) return failure(Code::kInvalid, "\"" + name + "\" is not the name of a header");
      if (!is_one_line(value)) return failure(Code::kInvalid, "the header " + name + " has a line break in it");
      // How the body is framed is libcurl's.
      if (equals_ignore_case(name, "Content-Length") || equals_ignore_case(name, "Transfer-Encoding")) continue;
      has_type = has_type || equals_ignore_case(name, "Content-Type");
      has_agent = has_agent || equals_ignore_case(name, "User-Agent");
      add_header(trim(value).empty() ? name + ";" : name + ": " + value);
    }
    add_header("Expect:");
    if (!has_type) add_header("Content-Type:");
    if (!has_agent && !options_.user_agent.empty()) set(CURLOPT_USERAGENT, options_.user_agent.c_str());
    return {};
  }
  void add_header(const std::string& line) {
    curl_slist* longer = curl_slist_append(headers_, line.c_str());
    CHECK(longer != nullptr);
    headers_ = longer;
  }

  void set_constant_options() {
    set(CURLOPT_PROTOCOLS_STR, "http,https");
    set(CURLOPT_HTTP_VERSION, long{CURL_HTTP_VERSION_1_1});
    set(CURLOPT_FOLLOWLOCATION, 0L);
    set(CURLOPT_PROXY, "");
    set(CURLOPT_NOPROXY, "*");
    set(CURLOPT_NOSIGNAL, 1L);
    set(CURLOPT_ERRORBUFFER, detail_.data());
    set(CURLOPT_PATH_AS_IS, 1L);
    set(CURLOPT_DISALLOW_USERNAME_IN_URL, 1L);
    set(CURLOPT_SSL_VERIFYPEER, 1L);
    set(CURLOPT_SSL_VERIFYHOST, 2L);
    set(CURLOPT_SSLVERSION, long{CURL_SSLVERSION_TLSv1_2});
    if (!options_.ca_file.empty()) set(CURLOPT_CAINFO, options_.ca_file.c_str());
    // Without it, giving up a transfer waits for its name look-up to end.
    set(CURLOPT_QUICK_EXIT, 1L);
    set(CURLOPT_TCP_KEEPALIVE, 1L);
    set(CURLOPT_MAXAGE_CONN, long{std::chrono::ceil<std::chrono::seconds>(options_.kept_connection_age_max).count()});
    set(CURLOPT_OPENSOCKETFUNCTION, &Transfer::on_open_socket);
    set(CURLOPT_OPENSOCKETDATA, this);
    set(CURLOPT_CLOSESOCKETFUNCTION, &Transfer::on_close_socket);
    set(CURLOPT_CLOSESOCKETDATA, &multi_);  // the socket outlives this transfer
    set(CURLOPT_PREREQFUNCTION, &Transfer::on_before_request);
    set(CURLOPT_PREREQDATA, this);
    set(CURLOPT_HEADERFUNCTION, &Transfer::on_header);
    set(CURLOPT_HEADERDATA, this);
    set(CURLOPT_WRITEFUNCTION, &Transfer::on_body);
    set(CURLOPT_WRITEDATA, this);
  }

  void set_request() {
    set(CURLOPT_URL, request_.url.c_str());
    set(CURLOPT_HTTPHEADER, headers_);
    const auto timeout_ms = std::max(std::chrono::ceil<std::chrono::milliseconds>(at_most_).count(), std::int64_t{1});
    const auto connect_ms = std::chrono::ceil<std::chrono::milliseconds>(options_.connect_timeout).count();
    set(CURLOPT_TIMEOUT_MS, long{timeout_ms});
    set(CURLOPT_CONNECTTIMEOUT_MS, long{std::min(timeout_ms, connect_ms)});
    const std::string& method = request_.method;
    if (method == "HEAD") return set(CURLOPT_NOBODY, 1L);
    const bool with_body = !request_.body.empty() || method == "POST" || method == "PUT" || method == "PATCH";
    if (with_body) {
      set(CURLOPT_POST, 1L);
      set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request_.body.size()));
      set(CURLOPT_POSTFIELDS, request_.body.data());  // not copied
    } else {
      set(CURLOPT_HTTPGET, 1L);
    }
    if (method != (with_body ? "POST" : "GET")) set(CURLOPT_CUSTOMREQUEST, method.c_str());
  }

  void ended(int curl_code) override {
    code_ = static_cast<CURLcode>(curl_code);
    waiter_.wake();
  }

  long sent() const {
    long bytes = 0;
    curl_easy_getinfo(easy_, CURLINFO_REQUEST_SIZE, &bytes);
    return bytes;
  }

  // The address is checked where it is dialled, so that a name cannot answer one thing to a check and another here.
  static curl_socket_t on_open_socket(void* self, curlsocktype, curl_sockaddr* address) {
    auto* transfer = static_cast<Transfer*>(self);
    if (!transfer->request_.private_addresses && !is_public_address(&address->addr)) {
      transfer->denied_ = true;
      return CURL_SOCKET_BAD;
    }
    const int descriptor = ::socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
    return transfer->multi_.adopt(descriptor);
  }

  static int on_close_socket(void* multi, curl_socket_t descriptor) {
    return static_cast<CurlMulti*>(multi)->close_socket(descriptor);
  }

  // Called before each sending of the request. libcurl sends it again by itself when a connection that was used before
  // ends without a byte of an answer (Curl_retry_request), even when all of it had left: the peer may have acted on it.
  static int on_before_request(void* self, char* peer, char*, int, int) {
    auto* transfer = static_cast<Transfer*>(self);
    if (peer != nullptr) transfer->peer_ = peer;
    if (transfer->repeatable_ || transfer->sent() == 0) return CURL_PREREQFUNC_OK;
    transfer->not_repeated_ = true;
    return CURL_PREREQFUNC_ABORT;
  }

  static std::size_t on_header(char* text, std::size_t size, std::size_t count, void* self) {
    auto* transfer = static_cast<Transfer*>(self);
    return transfer->take_header(std::string_view(text, size * count)) ? size * count : 0;
  }
  bool take_header(std::string_view line) {
    header_bytes_ += line.size();
    if (header_bytes_ > options_.response_header_bytes_max) {
      too_large_ = true;
      return false;
    }
    line = trim(line);
    if (line.starts_with("HTTP/")) {  // also behind a 1xx
      response_.headers.clear();
      const std::string_view digits = line.substr(std::min(line.find(' '), line.size()));
      response_.status = std::atoi(std::string(digits.substr(0, 4)).c_str());
      in_trailers_ = false;
      return true;
    }
    if (line.empty()) {
      in_trailers_ = response_.status >= 200;
      return true;
    }
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos || in_trailers_) return true;
    response_.headers.emplace_back(trim(line.substr(0, colon)), trim(line.substr(colon + 1)));
    return true;
  }

  static std::size_t on_body(char* text, std::size_t size, std::size_t count, void* self) {
    auto* transfer = static_cast<Transfer*>(self);
    Bytes& body = transfer->response_.body;
    const std::size_t bytes = size * count;
    if (bytes > transfer->request_.response_bytes_max - body.size()) {
      transfer->too_large_ = true;
      return CURL_WRITEFUNC_ERROR;
    }
    if (body.empty()) transfer->reserve_body();
    body.append(text, bytes);
    return bytes;
  }
  void reserve_body() {
    curl_off_t announced = 0;
    curl_easy_getinfo(easy_, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &announced);
    if (announced > 0) response_.body.reserve(std::min(static_cast<std::size_t>(announced), kReserveMax));
  }

  Error error_when_not_sent() const {
    switch (code_) {
      case CURLE_COULDNT_RESOLVE_HOST: return {Code::kUnavailable, "could not find the host of " + where_, {}};
      case CURLE_OPERATION_TIMEDOUT:
        return {Code::kTimeout, "could not connect to " + where_ + " within " + humane_duration(connect_limit()), {}};
      case CURLE_UNSUPPORTED_PROTOCOL: return {Code::kInvalid, "the url is neither http nor https", {}};
      case CURLE_URL_MALFORMAT: return {Code::kInvalid, "the url is malformed", {}};
      case CURLE_LOGIN_DENIED: return {Code::kInvalid, "the url must not carry a user name", {}};
      case CURLE_PEER_FAILED_VERIFICATION:
        return {Code::kDenied, "the certificate of " + where_ + " is refused: " + certificate_error(), {}};
      case CURLE_SSL_CACERT_BADFILE:
        return {Code::kInvalid, "cannot use the authorities' file " + options_.ca_file, {}};
      case CURLE_SSL_CONNECT_ERROR: return {Code::kUnavailable, "the TLS handshake with " + where_ + " failed", {}};
      default: break;
    }
    if (denied_) {
      return {Code::kDenied,
              "the address of " + where_ + " is not public, and this connection may only dial public ones",
              {}};
    }
    long number = 0;
    curl_easy_getinfo(easy_, CURLINFO_OS_ERRNO, &number);
    const std::string why = code_ == CURLE_COULDNT_CONNECT ? os_error_text(number) : curl_easy_strerror(code_);
    return {Code::kUnavailable, "could not connect to " + where_ + ": " + why, {}};
  }

  Error error_when_sent() const {
    if (too_large_) {
      return {Code::kTooLarge,
              "the answer of " + where_ + " is larger than " + std::to_string(request_.response_bytes_max) + " bytes",
              {}};
    }
    if (not_repeated_) {
      return {
          Code::kUnavailable, where_ + " closed a kept connection without an answer; the request was not repeated", {}};
    }
    switch (code_) {
      case CURLE_OPERATION_TIMEDOUT:
        return {Code::kTimeout, "no whole answer from " + where_ + " within " + humane_duration(at_most_), {}};
      case CURLE_GOT_NOTHING: return {Code::kUnavailable, where_ + " closed the connection without an answer", {}};
      case CURLE_PARTIAL_FILE: return {Code::kUnavailable, "the answer of " + where_ + " was cut short", {}};
      case CURLE_RECV_ERROR:
        // libcurl has no code of its own for broken chunks, only a text.
        if (std::strstr(detail_.data(), "chunk") != nullptr) {
          return {Code::kUnavailable, "the answer of " + where_ + " is broken: its chunks are malformed", {}};
        }
        [[fallthrough]];
      case CURLE_SEND_ERROR: return {Code::kUnavailable, where_ + " broke the connection", {}};
      case CURLE_WEIRD_SERVER_REPLY:
      case CURLE_UNSUPPORTED_PROTOCOL:
      case CURLE_HTTP2:
      case CURLE_BAD_CONTENT_ENCODING: return {Code::kUnavailable, where_ + " did not answer in HTTP/1.1", {}};
      default: return {Code::kUnavailable, "no whole answer from " + where_ + ": " + curl_easy_strerror(code_), {}};
    }
  }

  Duration connect_limit() const { return std::min(at_most_, options_.connect_timeout); }

  std::string certificate_error() const {
    constexpr long kHasExpired = 10;  // X509_V_ERR_CERT_HAS_EXPIRED
    long verdict = 0;
    curl_easy_getinfo(easy_, CURLINFO_SSL_VERIFYRESULT, &verdict);
    // libcurl checks the name itself, after the chain was found good, and has only a text for it.
    if (std::strstr(detail_.data(), "subject name") != nullptr) return "it is not for this host";
    return verdict == kHasExpired ? "it has expired" : "no trusted authority vouches for it";
  }

  Request request_;
  const ClientOptions& options_;
  CurlMulti& multi_;
  const bool repeatable_;
  const std::string where_;
  EasyHandle* easy_;
  curl_slist* headers_ = nullptr;
  Duration at_most_{0};
  Waiter waiter_;
  CURLcode code_ = CURLE_OK;
  std::array<char, CURL_ERROR_SIZE> detail_{};
  Response response_;
  std::string peer_;
  std::size_t header_bytes_ = 0;
  bool denied_ = false, too_large_ = false, not_repeated_ = false, in_trailers_ = false;
};

}  // namespace

struct CurlTransport::Impl {
  asio::any_io_executor executor;
  Clock& clock;
  ClientOptions options;
  std::shared_ptr<CurlMulti> multis[2];  // by private_addresses

  CurlMulti& multi(bool private_addresses) {
    auto& one = multis[private_addresses ? 1 : 0];
    if (!one) one = make_curl_multi(executor, options.kept_connections_max);
    return *one;
  }
};

CurlTransport::CurlTransport(asio::any_io_executor executor, Clock& clock, ClientOptions options)
    : impl_(new Impl{std::move(executor), clock, std::move(options), {}}) {}

CurlTransport::~CurlTransport() {
  for (const auto& multi : impl_->multis) CHECK(!multi || multi->running() == 0);
}

asio::awaitable<Exchange> CurlTransport::send(Request request, Deadline deadline) {
  const Instant begin = impl_->clock.instant();
  const Duration left = deadline.at - begin;
  const Duration at_most = std::min(request.timeout, left);
  Transfer transfer(std::move(request), impl_->options, impl_->multi(request.private_addresses));
  Exchange out;
  if (at_most <= Duration::zero()) {
    out.error = Error{Code::kTimeout, "no time was left to call " + transfer.where(), {}};
    co_return out;
  }
  auto prepared = transfer.prepare(at_most);
  if (!prepared) {
    out.error = std::move(prepared.error());
    co_return out;
  }
  co_await transfer.run();
  out = transfer.finish();
  out.took = impl_->clock.instant() - begin;
  co_return out;
}

}  // namespace tieline::http
