// One HTTP/1.x request after another out of a byte stream: the grammar of the header is Beast's, framing and limits are
// ours. It must never guess: what two parsers could read differently (request smuggling) is refused.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "core/webhook.h"

namespace tieline::http {

struct RequestLimits {
  std::size_t header_bytes_max = 32u << 10;  // request line and headers; also trailers
  std::size_t headers_max = 256;
  std::size_t body_bytes_max = 1u << 20;
};

class RequestReader {
 public:
  enum class State : std::uint8_t {
    kHeader,    // before or inside a header
    kBody,      // the header is whole, the body is not
    kComplete,  // take() it
    kRefused,   // see status() and message(); nothing further can be read from this stream
  };

  explicit RequestReader(const RequestLimits& limits);
  ~RequestReader();
  RequestReader(const RequestReader&) = delete;
  RequestReader& operator=(const RequestReader&) = delete;

  // Reads on and returns how many bytes it used. A header is used only when it is whole: until then the caller passes
  // the unused bytes again, with more behind them. Stops behind a complete request.
  std::size_t feed(std::string_view bytes);

  State state() const;
  // Of a refusal: 400, 413, 417 or 431, and a sentence for whoever sent it.
  int status() const;
  const std::string& message() const;

  // Path and query of a request that is not complete, as far as they are known; `unread`: the bytes that feed() did not
  // use. Empty when the request line had not come or does not name a path.
  std::string target(std::string_view unread) const;

  // Of the request that is being read, how much of its body has come.
  std::size_t body_bytes() const;

  // From kBody on: what the request says.
  bool wants_continue() const;  // `Expect: 100-continue`, HTTP/1.1 (RFC 9110 §10.1.1)
  bool keep_alive() const;
  bool is_head() const;
  bool is_http10() const;

  // With kComplete: the request without `url` and `received`; the reader is then ready for the next one. What the three
  // questions above answer stays until the next header is whole.
  InboundRequest take();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tieline::http
