// OpenSSL over a BIO of our own on the socket: its own would raise SIGPIPE.
#include "http/tls_channel.h"

#include <arpa/inet.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstdint>
#include <utility>

#include "base/check.h"

namespace tieline::http {
namespace {

constexpr unsigned char kProtocols[] = "\x08http/1.1";  // ALPN

int descriptor_of(BIO* bio) { return static_cast<int>(reinterpret_cast<std::intptr_t>(BIO_get_data(bio))); }

bool is_for_later() { return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR; }

int write_socket(BIO* bio, const char* bytes, int size) {
  BIO_clear_retry_flags(bio);
  const auto sent = ::send(descriptor_of(bio), bytes, static_cast<std::size_t>(size), MSG_NOSIGNAL);
  if (sent < 0 && is_for_later()) BIO_set_retry_write(bio);
  return static_cast<int>(sent);
}

int read_socket(BIO* bio, char* bytes, int size) {
  BIO_clear_retry_flags(bio);
  const auto got = ::recv(descriptor_of(bio), bytes, static_cast<std::size_t>(size), 0);
  if (got < 0 && is_for_later()) BIO_set_retry_read(bio);
  if (got == 0) BIO_set_flags(bio, BIO_FLAGS_IN_EOF);
  return static_cast<int>(got);
}

long control_socket(BIO* bio, int command, long, void*) {
  if (command == BIO_CTRL_EOF) return BIO_test_flags(bio, BIO_FLAGS_IN_EOF) != 0 ? 1 : 0;
  return command == BIO_CTRL_FLUSH ? 1 : 0;
}

BIO_METHOD* make_socket_method() {
  BIO_METHOD* method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "socket");
  CHECK(method != nullptr);
  BIO_meth_set_write(method, &write_socket);
  BIO_meth_set_read(method, &read_socket);
  BIO_meth_set_ctrl(method, &control_socket);
  return method;
}

std::string text_of_verdict(long verdict) {
  switch (verdict) {
    case X509_V_OK: return "";
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH: return "it is not for this host";
    case X509_V_ERR_CERT_HAS_EXPIRED: return "it has expired";
    case X509_V_ERR_CERT_NOT_YET_VALID: return "it is not valid yet";
    default: return "no trusted authority vouches for it";
  }
}

bool is_address(const std::string& host) {
  unsigned char bytes[sizeof(in6_addr)];
  return ::inet_pton(AF_INET, host.c_str(), bytes) == 1 || ::inet_pton(AF_INET6, host.c_str(), bytes) == 1;
}

}  // namespace

struct TlsSession::Impl {
  SSL_SESSION* latest = nullptr;
};
TlsSession::TlsSession() : impl_(std::make_unique<Impl>()) {}
TlsSession::~TlsSession() { SSL_SESSION_free(impl_->latest); }

struct TlsClient::Impl {
  Impl() : context(SSL_CTX_new(TLS_client_method())), method(make_socket_method()) { CHECK(context != nullptr); }
  ~Impl() {
    CHECK(open == 0);
    SSL_CTX_free(context);
    BIO_meth_free(method);
  }

  static int keep_session(SSL* ssl, SSL_SESSION* session) {
    auto* kept = static_cast<TlsSession::Impl*>(SSL_get_app_data(ssl));
    SSL_SESSION_free(std::exchange(kept->latest, session));
    return 1;  // it is ours now
  }

  SSL_CTX* context;
  BIO_METHOD* method;
  std::size_t open = 0;  // channels, which use the method to their end
};

namespace {

class OpenSslChannel final : public TlsChannel {
 public:
  OpenSslChannel(SSL* ssl, int descriptor, std::size_t& open) : ssl_(ssl), descriptor_(descriptor), open_(open) {
    ++open_;
  }
  ~OpenSslChannel() override {
    // Without a proper end OpenSSL would let the session not be taken up again.
    if (usable_) SSL_shutdown(ssl_);
    ERR_clear_error();
    SSL_free(ssl_);
    --open_;
  }

  void prepare(std::string host, TlsSession& session) {
    if (host.ends_with('.')) host.pop_back();
    CHECK(!host.empty());  // OpenSSL would take any certificate
    X509_VERIFY_PARAM* verify = SSL_get0_param(ssl_);
    X509_VERIFY_PARAM_set_hostflags(verify, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    if (is_address(host)) {
      CHECK(X509_VERIFY_PARAM_set1_ip_asc(verify, host.c_str()) == 1);
    } else {
      CHECK(X509_VERIFY_PARAM_set1_host(verify, host.data(), host.size()) == 1);
      SSL_set_tlsext_host_name(ssl_, host.c_str());
    }
    auto& kept = inside(session);
    SSL_set_app_data(ssl_, &kept);
    if (kept.latest != nullptr) SSL_set_session(ssl_, kept.latest);
    SSL_set_connect_state(ssl_);
  }

  Io shake_hands() override {
    ERR_clear_error();
    const int result = SSL_do_handshake(ssl_);
    usable_ = result == 1;
    if (usable_) return {Io::Kind::kBytes};
    const Io io = failed(result);
    if (io.kind != Io::Kind::kAgain) forget_session();  // it may have failed because of it
    return io;
  }

  Io send(std::string_view first, std::string_view second) override {
    const std::string_view bytes = first.empty() ? second : first;
    std::size_t sent = 0;
    ERR_clear_error();
    const int result = SSL_write_ex(ssl_, bytes.data(), bytes.size(), &sent);
    return result == 1 ? Io{Io::Kind::kBytes, sent} : failed(result);
  }

  Io receive(char* bytes, std::size_t size) override {
    std::size_t got = 0;
    ERR_clear_error();
    const int result = SSL_read_ex(ssl_, bytes, size, &got);
    return result == 1 ? Io{Io::Kind::kBytes, got} : failed(result);
  }

  bool is_quiet() override { return SSL_has_pending(ssl_) == 0 && is_quiet_socket(descriptor_); }

  std::string refusal() const override { return text_of_verdict(SSL_get_verify_result(ssl_)); }

 private:
  void forget_session() {
    auto* kept = static_cast<Session*>(SSL_get_app_data(ssl_));
    SSL_SESSION_free(std::exchange(kept->latest, nullptr));
  }

  Io failed(int result) {
    switch (SSL_get_error(ssl_, result)) {
      case SSL_ERROR_WANT_READ: return {Io::Kind::kAgain};
      case SSL_ERROR_WANT_WRITE: return {Io::Kind::kAgain, 0, true};
      case SSL_ERROR_ZERO_RETURN: return {Io::Kind::kEnd};
      default: usable_ = false; return {Io::Kind::kBroken};
    }
  }

  SSL* ssl_;
  int descriptor_;
  std::size_t& open_;
  bool usable_ = false;
};

}  // namespace

TlsClient::TlsClient(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
TlsClient::~TlsClient() = default;

Result<std::unique_ptr<TlsClient>> TlsClient::make(const std::string& ca_file) {
  auto impl = std::make_unique<Impl>();
  SSL_CTX* context = impl->context;
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
  // Moving buffers: what could not be written is offered again from the same text, but perhaps another place.
  SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_read_ahead(context, 1);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_sess_set_new_cb(context, &Impl::keep_session);
  CHECK(SSL_CTX_set_alpn_protos(context, kProtocols, sizeof kProtocols - 1) == 0);
  const bool trusts = ca_file.empty() ? SSL_CTX_set_default_verify_paths(context) == 1
                                      : SSL_CTX_load_verify_file(context, ca_file.c_str()) == 1;
  ERR_clear_error();
  if (!trusts) return failure(Code::kInvalid, "cannot use the authorities' file " + ca_file);
  return std::unique_ptr<TlsClient>(new TlsClient(std::move(impl)));
}

std::unique_ptr<TlsChannel> TlsClient::open(int descriptor, std::string_view host, TlsSession& session) {
  SSL* ssl = SSL_new(impl_->context);
  CHECK(ssl != nullptr);
  BIO* bio = BIO_new(impl_->method);
  CHECK(bio != nullptr);
  BIO_set_data(bio, reinterpret_cast<void*>(static_cast<std::intptr_t>(descriptor)));
  BIO_set_init(bio, 1);
  SSL_set_bio(ssl, bio, bio);
  auto channel = std::make_unique<OpenSslChannel>(ssl, descriptor, impl_->open);
  channel->prepare(std::string(host), session);
  return channel;
}

}  // namespace tieline::http
