// Server and client over TLS, with certificates made here.
#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <memory>

#include "async/manual_clock.h"
#include "async/task_group.h"
#include "http/http_transport.h"
#include "http/raw_peer.h"
#include "http/server.h"
#include "http/tls_channel.h"

namespace tieline::http {
namespace {

struct CertificateFiles {
  std::string certificate, key;
};

// A self-signed certificate for `alternative_name` ("IP:127.0.0.1") and its key, as PEM files; good for two hours from
// `begins` on, which is seconds from now.
CertificateFiles make_certificate(const std::filesystem::path& directory, const std::string& name,
                                  const char* alternative_name, long begins = -3600) {
  std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key(EVP_EC_gen("P-256"), &EVP_PKEY_free);
  std::unique_ptr<X509, decltype(&X509_free)> certificate(X509_new(), &X509_free);
  X509_set_version(certificate.get(), 2);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), 1);
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), begins);
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), begins + 7200);
  X509_set_pubkey(certificate.get(), key.get());
  X509_NAME* subject = X509_get_subject_name(certificate.get());
  X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>("tieline test"), -1,
                             -1, 0);
  X509_set_issuer_name(certificate.get(), subject);
  for (const auto& [kind, value] :
       {std::pair(NID_subject_alt_name, alternative_name), std::pair(NID_basic_constraints, "critical,CA:TRUE")}) {
    X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, nullptr, kind, value);
    X509_add_ext(certificate.get(), extension, -1);
    X509_EXTENSION_free(extension);
  }
  EXPECT_GT(X509_sign(certificate.get(), key.get(), EVP_sha256()), 0);
  CertificateFiles files{directory / (name + ".crt"), directory / (name + ".key")};
  std::FILE* out = std::fopen(files.certificate.c_str(), "w");
  PEM_write_X509(out, certificate.get());
  std::fclose(out);
  out = std::fopen(files.key.c_str(), "w");
  PEM_write_PrivateKey(out, key.get(), nullptr, nullptr, 0, nullptr, nullptr);
  std::fclose(out);
  return files;
}

asio::awaitable<Reply> echo_body(InboundRequest request) {
  Reply reply;
  reply.body = *request.body;
  co_return reply;
}

struct TlsTest : testing::Test {
  void SetUp() override {
    std::string pattern = testing::TempDir() + "tieline-tls-XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    directory = pattern;
    good = make_certificate(directory, "good", "IP:127.0.0.1");
    other = make_certificate(directory, "other", "IP:127.0.0.2");
  }
  void TearDown() override {
    if (server) group.spawn(server->stop(clock.deadline_in(0s)));
    EXPECT_TRUE(pump(io, [&] { return group.running() == 0; }));
    std::filesystem::remove_all(directory);
  }
  void listen(const CertificateFiles& files, ServerOptions options = {}) {
    options.certificate_file = files.certificate;
    options.key_file = files.key;
    auto listening = HttpServer::listen(io.get_executor(), options, &echo_body, clock);
    ASSERT_TRUE(listening) << listening.error().text();
    server = std::move(*listening);
  }
  static asio::awaitable<void> run(Transport& transport, Request request, Exchange& out, bool& done) {
    out = co_await transport.send(std::move(request), Deadline::never());
    done = true;
  }
  Exchange post(HttpTransport& transport, std::string body, const std::string& host = "127.0.0.1") {
    Request request;
    request.method = "POST";
    request.url = "https://" + host + ":" + std::to_string(server->port()) + "/";
    request.private_addresses = true;
    request.response_bytes_max = 16u << 20;
    request.body = std::move(body);
    Exchange out;
    bool done = false;
    group.spawn(run(transport, std::move(request), out, done));
    EXPECT_TRUE(pump(io, [&] { return done; }));
    return out;
  }

  std::filesystem::path directory;
  CertificateFiles good, other;
  asio::io_context io;
  ManualClock clock{Time{}};
  TaskGroup group{io.get_executor()};
  std::unique_ptr<HttpServer> server;
};

TEST_F(TlsTest, ATrustedServerIsAskedOverAndOverOnOneConnection) {
  listen(good);
  HttpTransport transport(io.get_executor(), clock, {.ca_file = good.certificate});
  for (const std::string& body : {std::string("a"), std::string(900'000, 'b'), std::string()}) {
    const Exchange exchange = post(transport, body);
    EXPECT_EQ(exchange.phase, Phase::kAnswered) << exchange.error.text();
    EXPECT_EQ(exchange.response.body, body);
  }
  EXPECT_EQ(server->stats().connections_accepted, 1u);
}

TEST_F(TlsTest, ALongBodyLeavesPieceByPiece) {
  ServerOptions options;
  options.limits.body_bytes_max = 16u << 20;
  listen(good, options);
  HttpTransport transport(io.get_executor(), clock, {.ca_file = good.certificate});
  std::string body;
  for (int i = 0; body.size() < (12u << 20); ++i) body += std::to_string(i) + ' ';
  const Exchange exchange = post(transport, body);
  EXPECT_EQ(exchange.phase, Phase::kAnswered) << exchange.error.text();
  EXPECT_TRUE(exchange.response.body == body);
}

TEST_F(TlsTest, ACertificateThatNobodyVouchesForIsRefused) {
  listen(good);
  HttpTransport transport(io.get_executor(), clock, {.ca_file = other.certificate});
  const Exchange exchange = post(transport, "a");
  EXPECT_EQ(exchange.phase, Phase::kNotSent);
  EXPECT_EQ(exchange.error.code, Code::kDenied);
  EXPECT_NE(exchange.error.message.find("no trusted authority vouches for it"), std::string::npos)
      << exchange.error.message;
  EXPECT_EQ(server->stats().requests, 0u);
}

TEST_F(TlsTest, ACertificateOfAnotherHostIsRefused) {
  listen(other);
  HttpTransport transport(io.get_executor(), clock, {.ca_file = other.certificate});
  const Exchange exchange = post(transport, "a");
  EXPECT_EQ(exchange.phase, Phase::kNotSent);
  EXPECT_EQ(exchange.error.code, Code::kDenied);
  EXPECT_NE(exchange.error.message.find("it is not for this host"), std::string::npos) << exchange.error.message;
}

TEST_F(TlsTest, ACertificateOfAnotherTimeIsRefused) {
  const std::pair<long, const char*> cases[] = {{-8000, "it has expired"}, {3600, "it is not valid yet"}};
  for (const auto& [begins, why] : cases) {
    const CertificateFiles files = make_certificate(directory, "of-another-time", "IP:127.0.0.1", begins);
    listen(files);
    HttpTransport transport(io.get_executor(), clock, {.ca_file = files.certificate});
    const Exchange exchange = post(transport, "a");
    EXPECT_EQ(exchange.phase, Phase::kNotSent);
    EXPECT_EQ(exchange.error.code, Code::kDenied);
    EXPECT_NE(exchange.error.message.find(why), std::string::npos) << exchange.error.message;
    group.spawn(server->stop(clock.deadline_in(0s)));
    EXPECT_TRUE(pump(io, [&] { return group.running() == 0; }));
    server.reset();
  }
}

TEST_F(TlsTest, ANameIsCheckedAsOne) {
  const CertificateFiles named = make_certificate(directory, "named", "DNS:*.shop.localhost,DNS:localhost");
  listen(named);
  HttpTransport transport(io.get_executor(), clock, {.ca_file = named.certificate});
  for (const char* host : {"localhost", "LOCALHOST", "localhost.", "a.shop.localhost"}) {
    const Exchange exchange = post(transport, "a", host);
    EXPECT_EQ(exchange.phase, Phase::kAnswered) << host << ": " << exchange.error.text();
  }
  for (const char* host : {"127.0.0.1", "shop.localhost", "a.b.shop.localhost"}) {
    const Exchange exchange = post(transport, "a", host);
    EXPECT_EQ(exchange.phase, Phase::kNotSent) << host;
    EXPECT_NE(exchange.error.message.find("it is not for this host"), std::string::npos) << exchange.error.message;
  }
}

TEST_F(TlsTest, TheSystemsAuthoritiesDoNotVouchForJustAnybody) {
  listen(good);
  HttpTransport transport(io.get_executor(), clock);
  const Exchange exchange = post(transport, "a");
  EXPECT_EQ(exchange.phase, Phase::kNotSent);
  EXPECT_EQ(exchange.error.code, Code::kDenied);
}

TEST_F(TlsTest, AnAuthoritiesFileThatCannotBeUsedIsSaid) {
  listen(good);
  HttpTransport transport(io.get_executor(), clock, {.ca_file = directory / "none.crt"});
  const Exchange exchange = post(transport, "a");
  EXPECT_EQ(exchange.phase, Phase::kNotSent);
  EXPECT_EQ(exchange.error.code, Code::kInvalid);
  EXPECT_EQ(exchange.error.message, "cannot use the authorities' file " + (directory / "none.crt").string());
}

TEST_F(TlsTest, APeerThatSpeaksNoTlsGotNothing) {
  RawListener listener;
  HttpTransport transport(io.get_executor(), clock, {.ca_file = good.certificate});
  for (const char* said : {"HTTP/1.1 400 Bad Request\r\n\r\n", ""}) {
    Request request{.method = "POST", .url = "https://127.0.0.1:" + std::to_string(listener.port()) + "/"};
    request.private_addresses = true;
    Exchange exchange;
    bool done = false;
    group.spawn(run(transport, request, exchange, done));
    RawPeer peer;
    ASSERT_TRUE(pump(io, [&] {
      if (!peer.connected()) peer = listener.accept();
      return peer.connected() && !peer.text().empty();
    }));
    peer.send(said);
    peer.close();
    ASSERT_TRUE(pump(io, [&] { return done; }));
    EXPECT_EQ(exchange.phase, Phase::kNotSent);
    EXPECT_EQ(exchange.error.code, Code::kUnavailable);
    EXPECT_EQ(exchange.error.message,
              "the TLS handshake with 127.0.0.1:" + std::to_string(listener.port()) + " failed");
  }
}

// A server end on the other side of a socket pair, driven in turns with the channel.
struct TlsChannelTest : TlsTest {
  std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> context{SSL_CTX_new(TLS_server_method()), &SSL_CTX_free};
  std::unique_ptr<TlsClient> client;
  TlsSession session;

  struct Ends {
    Ends() : server(nullptr, &SSL_free) {
      int both[2] = {-1, -1};
      EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, both), 0);
      mine = both[0];
      other = both[1];
    }
    ~Ends() {
      channel.reset();
      ::close(mine);
      if (other >= 0) ::close(other);
    }
    int mine, other;
    std::unique_ptr<TlsChannel> channel;
    std::unique_ptr<SSL, decltype(&SSL_free)> server;
  };

  void SetUp() override {
    TlsTest::SetUp();
    ASSERT_EQ(SSL_CTX_use_certificate_file(context.get(), good.certificate.c_str(), SSL_FILETYPE_PEM), 1);
    ASSERT_EQ(SSL_CTX_use_PrivateKey_file(context.get(), good.key.c_str(), SSL_FILETYPE_PEM), 1);
    client = std::move(*TlsClient::make(good.certificate));
  }
  // Both ends are ready for use, and the client has read all that the handshake brings.
  void shake_hands(Ends& ends) {
    ends.channel = client->open(ends.mine, "127.0.0.1", session);
    ends.server.reset(SSL_new(context.get()));
    SSL_set_fd(ends.server.get(), ends.other);
    Io io_of_client;
    int accepted = 0;
    for (int i = 0; i < 10 && (accepted != 1 || io_of_client.kind != Io::Kind::kBytes); ++i) {
      if (io_of_client.kind == Io::Kind::kAgain) io_of_client = ends.channel->shake_hands();
      if (accepted != 1) accepted = SSL_accept(ends.server.get());
    }
    ASSERT_EQ(accepted, 1);
    ASSERT_EQ(io_of_client.kind, Io::Kind::kBytes);
    char byte = 0;
    EXPECT_EQ(ends.channel->receive(&byte, 1).kind, Io::Kind::kAgain);
  }
};

TEST_F(TlsChannelTest, ASessionIsTakenUpAgain) {
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    SSL_CTX_set_max_proto_version(context.get(), version);
    for (const bool again : {false, true, true}) {
      Ends ends;
      shake_hands(ends);
      EXPECT_EQ(SSL_version(ends.server.get()), version);
      EXPECT_EQ(SSL_session_reused(ends.server.get()) == 1, again) << version;
    }
  }
}

TEST_F(TlsChannelTest, ASessionWithWhichAHandshakeFailedIsNotOfferedAgain) {
  Ends first;
  shake_hands(first);
  Ends broken;
  broken.channel = client->open(broken.mine, "127.0.0.1", session);
  EXPECT_EQ(broken.channel->shake_hands().kind, Io::Kind::kAgain);
  ::close(std::exchange(broken.other, -1));
  EXPECT_EQ(broken.channel->shake_hands().kind, Io::Kind::kBroken);
  Ends after;
  shake_hands(after);
  EXPECT_EQ(SSL_session_reused(after.server.get()), 0);
}

TEST_F(TlsChannelTest, SaysWhichNameItWantsUnlessThatIsAnAddress) {
  for (const auto& [host, said] : {std::pair("a.example", "a.example"), std::pair("127.0.0.1", "")}) {
    Ends ends;
    ends.channel = client->open(ends.mine, host, session);
    ends.server.reset(SSL_new(context.get()));
    SSL_set_fd(ends.server.get(), ends.other);
    ends.channel->shake_hands();
    SSL_accept(ends.server.get());
    const char* name = SSL_get_servername(ends.server.get(), TLSEXT_NAMETYPE_host_name);
    EXPECT_STREQ(name == nullptr ? "" : name, said);
  }
}

TEST_F(TlsChannelTest, OldVersionsAreRefused) {
  SSL_CTX_set_min_proto_version(context.get(), TLS1_VERSION);
  SSL_CTX_set_max_proto_version(context.get(), TLS1_1_VERSION);
  SSL_CTX_set_security_level(context.get(), 0);
  Ends ends;
  ends.channel = client->open(ends.mine, "127.0.0.1", session);
  ends.server.reset(SSL_new(context.get()));
  SSL_set_fd(ends.server.get(), ends.other);
  Io got;
  for (int i = 0; i < 10 && got.kind == Io::Kind::kAgain; ++i) {
    got = ends.channel->shake_hands();
    SSL_accept(ends.server.get());
  }
  EXPECT_EQ(got.kind, Io::Kind::kBroken);
}

TEST_F(TlsChannelTest, TellsAnEndFromABreak) {
  char bytes[100];
  Ends proper;
  shake_hands(proper);
  ASSERT_EQ(SSL_write(proper.server.get(), "hello", 5), 5);
  EXPECT_FALSE(proper.channel->is_quiet());
  EXPECT_EQ(proper.channel->receive(bytes, sizeof bytes).bytes, 5u);
  EXPECT_TRUE(proper.channel->is_quiet());
  SSL_shutdown(proper.server.get());
  EXPECT_FALSE(proper.channel->is_quiet());
  EXPECT_EQ(proper.channel->receive(bytes, sizeof bytes).kind, Io::Kind::kEnd);
  Ends broken;
  shake_hands(broken);
  ::close(std::exchange(broken.other, -1));
  EXPECT_FALSE(broken.channel->is_quiet());
  EXPECT_EQ(broken.channel->receive(bytes, sizeof bytes).kind, Io::Kind::kBroken);
}

TEST_F(TlsChannelTest, WritingToAPeerThatHasGoneRaisesNoSignal) {
  Ends ends;
  shake_hands(ends);
  ::close(std::exchange(ends.other, -1));
  EXPECT_EQ(ends.channel->send("hello", "").kind, Io::Kind::kBroken);
}

TEST_F(TlsTest, AServerRefusesAKeyThatIsNotItsCertificates) {
  ServerOptions options;
  options.certificate_file = good.certificate;
  options.key_file = other.key;
  auto listening = HttpServer::listen(io.get_executor(), options, &echo_body, clock);
  ASSERT_FALSE(listening);
  EXPECT_EQ(listening.error().code, Code::kInvalid);
}

TEST_F(TlsTest, APeerThatDoesNotShakeHandsIsCutOff) {
  listen(good);
  RawPeer silent = RawPeer::connect(server->port());
  RawPeer plain = RawPeer::connect(server->port());
  plain.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_TRUE(pump(io, [&] { return plain.ended(); }));
  EXPECT_EQ(server->stats().connections_open, 1u);
  clock.advance(11s);
  EXPECT_TRUE(pump(io, [&] { return silent.ended(); }));
}

}  // namespace
}  // namespace tieline::http
