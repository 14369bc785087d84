// TLS 1.2 and newer as a client: whom to trust, sessions to resume, and the channel. It must never let a byte through
// to a peer whose certificate is not good for the host that was asked for.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "http/channel.h"

namespace tieline::http {

// The session of a host that can be taken up again; belongs to one host and port.
class TlsSession {
 public:
  TlsSession();
  ~TlsSession();
  TlsSession(const TlsSession&) = delete;
  TlsSession& operator=(const TlsSession&) = delete;

 private:
  friend class TlsClient;
  friend class TlsChannel;
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

class TlsChannel : public Channel {
 public:
  // Of a handshake that failed: why the certificate was refused ("it has expired"); empty: for another reason.
  virtual std::string refusal() const = 0;

 protected:
  using Session = TlsSession::Impl;
  static Session& inside(TlsSession& session) { return *session.impl_; }
};

class TlsClient {
 public:
  // Trusts the authorities of `ca_file` (PEM), or the system's when empty. kInvalid: the file cannot be used.
  static Result<std::unique_ptr<TlsClient>> make(const std::string& ca_file);
  ~TlsClient();  // CHECK: none of its channels is open

  // `host`: the name or address that the certificate must be for. The session must outlive the channel.
  std::unique_ptr<TlsChannel> open(int descriptor, std::string_view host, TlsSession& session);

 private:
  struct Impl;
  explicit TlsClient(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace tieline::http
