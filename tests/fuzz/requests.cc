// Any bytes as a client's requests: read whole or in pieces, they are the same requests, within the limits.
#include <string>
#include <vector>

#include "http/request_reader.h"
#include "target.h"

namespace tieline::fuzz {
namespace {

using http::RequestReader;

constexpr http::RequestLimits kLimits{.header_bytes_max = 512, .headers_max = 8, .body_bytes_max = 256};

struct Conversation {
  std::vector<std::string> requests;
  RequestReader::State state = RequestReader::State::kHeader;
  int status = 0;
  friend bool operator==(const Conversation&, const Conversation&) = default;
};

std::string described(const RequestReader& reader, const InboundRequest& request) {
  std::size_t bytes = 0;
  std::string out = request.method + ' ' + request.target + '\n';
  for (const auto& [name, value] : request.headers) {
    bytes += name.size() + value.size();
    CHECK((name + value).find_first_of(std::string_view("\r\n\0", 3)) == std::string::npos);
    out += name + ": " + value + '\n';
  }
  CHECK(request.headers.size() <= kLimits.headers_max && bytes <= kLimits.header_bytes_max);
  CHECK(request.body != nullptr && request.body->size() <= kLimits.body_bytes_max);
  out += std::to_string(reader.keep_alive()) + std::to_string(reader.is_head()) + std::to_string(reader.is_http10());
  return out + '\n' + *request.body;
}

// Hands over `step` more bytes at a time.
Conversation read(std::string_view bytes, std::size_t step) {
  RequestReader reader(kLimits);
  Conversation seen;
  std::size_t begin = 0, end = 0;
  while (end < bytes.size() && reader.state() != RequestReader::State::kRefused) {
    end = std::min(end + step, bytes.size());
    for (;;) {
      const std::size_t used = reader.feed(bytes.substr(begin, end - begin));
      CHECK(used <= end - begin);
      begin += used;
      if (reader.state() != RequestReader::State::kComplete) break;
      const InboundRequest request = reader.take();
      seen.requests.push_back(described(reader, request));
      if (begin == end) break;
    }
  }
  seen.state = reader.state();
  if (seen.state == RequestReader::State::kRefused) {
    seen.status = reader.status();
    CHECK(seen.status >= 400 && seen.status < 500 && !reader.message().empty());
  }
  return seen;
}

}  // namespace

void run(std::string_view bytes) {
  const Conversation whole = read(bytes, bytes.size());
  for (const std::size_t step : {std::size_t{1}, std::size_t{7}}) CHECK(read(bytes, step) == whole);
}

}  // namespace tieline::fuzz
