// Server and client over TLS, with certificates made here.
#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <cstdio>
#include <filesystem>
#include <memory>

#include "async/manual_clock.h"
#include "async/task_group.h"
#include "http/http_transport.h"
#include "http/raw_peer.h"
#include "http/server.h"

namespace tieline::http {
namespace {

struct CertificateFiles {
  std::string certificate, key;
};

// A self-signed certificate for `alternative_name` ("IP:127.0.0.1") and its key, as PEM files.
CertificateFiles make_certificate(const std::filesystem::path& directory, const std::string& name,
                                  const char* alternative_name) {
  std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key(EVP_EC_gen("P-256"), &EVP_PKEY_free);
  std::unique_ptr<X509, decltype(&X509_free)> certificate(X509_new(), &X509_free);
  X509_set_version(certificate.get(), 2);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), 1);
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), -3600);
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), 3600);
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
  void listen(const CertificateFiles& files) {
    ServerOptions options;
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
  Exchange post(HttpTransport& transport, std::string body) {
    Request request;
    request.method = "POST";
    request.url = "https://127.0.0.1:" + std::to_string(server->port()) + "/";
    request.private_addresses = true;
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
