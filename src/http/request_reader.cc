// Beast's basic_parser reads the header; the body is framed here, because Beast accepts what a proxy in front might
// frame otherwise. It must never let a byte of one request be read as part of another.
#include "http/request_reader.h"

#include <algorithm>
#include <boost/beast/http/basic_parser.hpp>
#include <cstring>
#include <limits>
#include <optional>
#include <utility>

#include "base/check.h"
#include "base/text.h"

namespace tieline::http {
namespace {

namespace beast = boost::beast;
using beast::error_code;

constexpr std::size_t kChunkLineBytesMax = 1024;  // size and extensions of one chunk

enum class Framing : std::uint8_t { kNone, kLength, kChunked };

bool is_token_char(char c) {
  if ((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z')) return true;
  return c != '\0' && std::strchr("!#$%&'*+-.^_`|~", c) != nullptr;
}

std::string_view view(beast::string_view text) { return {text.data(), text.size()}; }

// What the header says; collects straight into the request, without Beast's own field container.
class HeaderParser final : public beast::http::basic_parser<true> {
 public:
  HeaderParser(InboundRequest& out, const RequestLimits& limits) : out_(out), limits_(limits) {
    header_limit(static_cast<std::uint32_t>(limits.header_bytes_max + 1));
    skip(true);
  }

  Framing framing = Framing::kNone;
  std::uint64_t length = 0;
  bool expects_continue = false;
  int version = 11;
  int refused_status = 400;
  std::string refused;

  // The rules that need the whole header.
  void check_whole() {
    if (!refused.empty()) return;
    if (hosts_ > 1 || (version == 11 && hosts_ == 0)) return refuse(400, "exactly one Host header is required");
    if (lengths_ > 0 && encodings_ > 0) return refuse(400, "Content-Length and Transfer-Encoding exclude each other");
    if (encodings_ > 0 && version < 11) return refuse(400, "Transfer-Encoding needs HTTP/1.1");
    if (length > limits_.body_bytes_max) return refuse(413, "the body is larger than this server takes");
    if (encodings_ > 0) framing = Framing::kChunked;
    if (lengths_ > 0 && length > 0) framing = Framing::kLength;
    if (version < 11) expects_continue = false;
  }

 private:
  void refuse(int status, std::string why) {
    refused_status = status;
    refused = std::move(why);
  }
  void refuse(int status, std::string why, error_code& ec) {
    refuse(status, std::move(why));
    ec = beast::http::error::bad_value;
  }

  void on_request_impl(beast::http::verb, beast::string_view method, beast::string_view target, int request_version,
                       error_code& ec) override {
    version = request_version;
    out_.method.assign(method.data(), method.size());
    std::string_view where = view(target);
    if (where.starts_with('/') || (where == "*" && out_.method == "OPTIONS")) {
      out_.target.assign(where);
      return;
    }
    // The absolute form (RFC 9112 §3.2.2): only path and query concern us.
    const std::size_t scheme = where.find("://");
    if (scheme == std::string_view::npos || !(equals_ignore_case(where.substr(0, scheme), "http") ||
                                              equals_ignore_case(where.substr(0, scheme), "https"))) {
      return refuse(400, "the request target is not a path", ec);
    }
    const std::size_t path = where.find_first_of("/?", scheme + 3);
    out_.target = path == std::string_view::npos ? "/" : std::string(where.substr(path));
    if (out_.target[0] == '?') out_.target.insert(0, 1, '/');
  }

  void on_field_impl(beast::http::field field, beast::string_view name, beast::string_view value_text,
                     error_code& ec) override {
    const std::string_view value = view(value_text);
    if (out_.headers.size() >= limits_.headers_max) return refuse(431, "too many headers", ec);
    if (field == beast::http::field::content_length) {
      if (++lengths_ > 1) return refuse(400, "more than one Content-Length", ec);
      if (!read_length(value)) return refuse(400, "Content-Length is not a number", ec);
    } else if (field == beast::http::field::transfer_encoding) {
      if (++encodings_ > 1) return refuse(400, "more than one Transfer-Encoding", ec);
      if (!equals_ignore_case(value, "chunked")) return refuse(400, "the only Transfer-Encoding taken is chunked", ec);
    } else if (field == beast::http::field::host) {
      ++hosts_;
    } else if (field == beast::http::field::expect) {
      if (!equals_ignore_case(value, "100-continue")) return refuse(417, "the only Expect taken is 100-continue", ec);
      expects_continue = true;
    }
    out_.headers.emplace_back(std::string_view(name.data(), name.size()), value);
  }

  bool read_length(std::string_view value) {
    if (value.empty() || value.size() > 18) return false;
    length = 0;
    for (char c : value) {
      if (c < '0' || c > '9') return false;
      length = length * 10 + static_cast<std::uint64_t>(c - '0');
    }
    return true;
  }

  void on_response_impl(int, beast::string_view, int, error_code&) override {}
  void on_header_impl(error_code&) override {}
  void on_body_init_impl(boost::optional<std::uint64_t> const&, error_code&) override {}
  std::size_t on_body_impl(beast::string_view body, error_code&) override { return body.size(); }
  void on_chunk_header_impl(std::uint64_t, beast::string_view, error_code&) override {}
  std::size_t on_chunk_body_impl(std::uint64_t, beast::string_view body, error_code&) override { return body.size(); }
  void on_finish_impl(error_code&) override {}

  InboundRequest& out_;
  const RequestLimits& limits_;
  std::size_t lengths_ = 0, encodings_ = 0, hosts_ = 0;
};

}  // namespace

struct RequestReader::Impl {
  explicit Impl(const RequestLimits& l) : limits(l) {}

  enum class Chunk : std::uint8_t { kSize, kData, kDataEnd, kTrailer };

  RequestLimits limits;
  State state = State::kHeader;
  int status = 0;
  std::string message;
  bool expects_continue = false, keep_alive = false, is_head = false, is_http10 = false;
  InboundRequest request;

  std::size_t line_begin = 0, scanned = 0;  // in the header bytes that were seen but not used
  std::shared_ptr<std::string> body;
  Framing framing = Framing::kNone;
  std::uint64_t left = 0;  // of the body, or of the chunk
  Chunk chunk = Chunk::kSize;
  std::string line;  // of the chunk framing, as far as it came
  std::size_t trailer_bytes = 0;

  void refuse(int with_status, std::string why) {
    state = State::kRefused;
    status = with_status;
    message = std::move(why);
  }

  // Where the header ends (behind its empty line); nothing while it has no end or was refused. Refuses lines that end
  // with a bare LF and lines that continue the one before (obs-fold): Beast would wait or join them.
  std::optional<std::size_t> find_header_end(std::string_view bytes) {
    while (true) {
      const auto* found = static_cast<const char*>(std::memchr(bytes.data() + scanned, '\n', bytes.size() - scanned));
      if (found == nullptr) {
        scanned = bytes.size();
        return std::nullopt;
      }
      const auto at = static_cast<std::size_t>(found - bytes.data());
      if (at == line_begin || bytes[at - 1] != '\r') {
        refuse(400, "a line of the header does not end with CR LF");
        return std::nullopt;
      }
      if (line_begin > 0 && (bytes[line_begin] == ' ' || bytes[line_begin] == '\t')) {
        refuse(400, "a header continues on the next line");
        return std::nullopt;
      }
      const bool empty = at - line_begin == 1;
      line_begin = scanned = at + 1;
      if (empty) return at + 1;
    }
  }

  void end_body() {
    state = State::kComplete;
    request.body = std::move(body);
  }

  std::size_t feed_header(std::string_view bytes) {
    std::size_t blank = 0;
    if (scanned == 0) {
      // Empty lines before a request are to be passed over (RFC 9112 §2.2).
      while (bytes.substr(blank).starts_with("\r\n")) blank += 2;
      bytes.remove_prefix(blank);
      if (bytes.empty() || bytes == "\r") return blank;
      if (!is_token_char(bytes[0])) {
        refuse(400, "this is not an HTTP request");
        return blank;
      }
    }
    const auto end = find_header_end(bytes);
    if (state == State::kRefused) return blank;
    if (end.value_or(bytes.size()) > limits.header_bytes_max) {
      refuse(431, "the header is larger than this server takes");
      return blank;
    }
    if (!end) return blank;
    line_begin = scanned = 0;
    read_header(bytes.substr(0, *end));
    return blank + *end;
  }

  void read_header(std::string_view header) {
    HeaderParser parser(request, limits);
    error_code ec;
    parser.put(boost::asio::const_buffer(header.data(), header.size()), ec);
    if (!ec && !parser.is_done()) ec = beast::http::error::need_more;
    if (!ec) parser.check_whole();
    if (!parser.refused.empty()) return refuse(parser.refused_status, std::move(parser.refused));
    if (ec) return refuse(400, "malformed header: " + ec.message());
    expects_continue = parser.expects_continue;
    keep_alive = parser.keep_alive();
    is_head = request.method == "HEAD";
    is_http10 = parser.version < 11;
    framing = parser.framing;
    body = std::make_shared<std::string>();
    if (framing == Framing::kNone) return end_body();
    state = State::kBody;
    left = parser.length;
    chunk = Chunk::kSize;
    line.clear();
    trailer_bytes = 0;
    // Reserved in full only as far as one read brings: a promise of a megabyte must not cost one.
    if (framing == Framing::kLength) body->reserve(static_cast<std::size_t>(std::min<std::uint64_t>(left, 64u << 10)));
  }

  std::size_t feed_data(std::string_view bytes) {
    const auto taken = static_cast<std::size_t>(std::min<std::uint64_t>(left, bytes.size()));
    body->append(bytes.substr(0, taken));
    left -= taken;
    return taken;
  }

  // Collects `line` up to its CR LF; true when it is whole (and then without it).
  bool collect_line(std::string_view bytes, std::size_t& used, std::size_t bytes_max) {
    const std::size_t end = bytes.find('\n', used);
    const std::size_t stop = end == std::string_view::npos ? bytes.size() : end + 1;
    line.append(bytes.substr(used, stop - used));
    used = stop;
    if (line.size() > bytes_max + 2) {
      refuse(chunk == Chunk::kTrailer ? 431 : 400, "a line of the chunked body is too long");
      return false;
    }
    if (end == std::string_view::npos) return false;
    if (line.size() < 2 || line[line.size() - 2] != '\r' || line.find('\r') != line.size() - 2) {
      refuse(400, "a line of the chunked body does not end with CR LF");
      return false;
    }
    line.resize(line.size() - 2);
    return true;
  }

  // chunk-size [ chunk-ext ], RFC 9112 §7.1; white space is taken only before an extension.
  void read_chunk_size() {
    std::size_t at = 0;
    std::uint64_t size = 0;
    for (; at < line.size(); ++at) {
      const char c = line[at];
      int digit = -1;
      if (c >= '0' && c <= '9') digit = c - '0';
      if (c >= 'a' && c <= 'f') digit = c - 'a' + 10;
      if (c >= 'A' && c <= 'F') digit = c - 'A' + 10;
      if (digit < 0) break;
      if (size > (std::numeric_limits<std::uint64_t>::max() >> 4)) return refuse(400, "a chunk's size is too large");
      size = (size << 4) | static_cast<std::uint64_t>(digit);
    }
    const std::size_t extension = line.find_first_not_of(" \t", at);
    const bool clean = std::none_of(line.begin(), line.end(), [](char c) {
      return (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f;
    });
    if (at == 0 || !clean || (at < line.size() && (extension == std::string::npos || line[extension] != ';'))) {
      return refuse(400, "malformed chunk size");
    }
    if (size > limits.body_bytes_max - body->size()) return refuse(413, "the body is larger than this server takes");
    left = size;
    chunk = size == 0 ? Chunk::kTrailer : Chunk::kData;
    line.clear();
  }

  // Trailers are checked for their shape and dropped: a header must not arrive behind the body.
  void read_trailer() {
    if (line.empty()) return end_body();
    trailer_bytes += line.size() + 2;
    const std::size_t colon = line.find(':');
    if (colon == std::string::npos || colon == 0 || !std::all_of(line.begin(), line.begin() + colon, is_token_char)) {
      return refuse(400, "malformed trailer");
    }
    if (trailer_bytes > limits.header_bytes_max) return refuse(431, "the trailers are larger than this server takes");
    line.clear();
  }

  std::size_t feed_chunked(std::string_view bytes) {
    std::size_t used = 0;
    while (used < bytes.size() && state == State::kBody) {
      switch (chunk) {
        case Chunk::kSize:
          if (collect_line(bytes, used, kChunkLineBytesMax)) read_chunk_size();
          break;
        case Chunk::kData:
          used += feed_data(bytes.substr(used));
          if (left == 0) chunk = Chunk::kDataEnd;
          break;
        case Chunk::kDataEnd:
          if (collect_line(bytes, used, 0)) {
            if (!line.empty()) refuse(400, "a chunk is longer than its size");
            chunk = Chunk::kSize;
          }
          break;
        case Chunk::kTrailer:
          if (collect_line(bytes, used, limits.header_bytes_max)) read_trailer();
          break;
      }
    }
    return used;
  }
};

RequestReader::RequestReader(const RequestLimits& limits) : impl_(std::make_unique<Impl>(limits)) {}
RequestReader::~RequestReader() = default;

std::size_t RequestReader::feed(std::string_view bytes) {
  std::size_t used = 0;
  if (impl_->state == State::kHeader) used = impl_->feed_header(bytes);
  if (impl_->state != State::kBody || used == bytes.size()) return used;
  if (impl_->framing == Framing::kChunked) return used + impl_->feed_chunked(bytes.substr(used));
  used += impl_->feed_data(bytes.substr(used));
  if (impl_->left == 0) impl_->end_body();
  return used;
}

RequestReader::State RequestReader::state() const { return impl_->state; }
int RequestReader::status() const { return impl_->status; }
const std::string& RequestReader::message() const { return impl_->message; }
std::string RequestReader::target(std::string_view unread) const {
  if (!impl_->request.target.empty()) return impl_->request.target;
  const std::string_view line = unread.substr(0, unread.find("\r\n"));
  const std::size_t begin = line.find(" /"), end = line.rfind(" HTTP/1.");
  // Without the version behind it the target may go on.
  if (begin == std::string_view::npos || end == std::string_view::npos || end <= begin) return {};
  return std::string(line.substr(begin + 1, end - begin - 1));
}
bool RequestReader::wants_continue() const { return impl_->expects_continue; }
std::size_t RequestReader::body_bytes() const {
  if (impl_->body != nullptr) return impl_->body->size();
  return impl_->request.body != nullptr ? impl_->request.body->size() : 0;
}

bool RequestReader::keep_alive() const { return impl_->keep_alive; }
bool RequestReader::is_head() const { return impl_->is_head; }
bool RequestReader::is_http10() const { return impl_->is_http10; }

InboundRequest RequestReader::take() {
  CHECK(impl_->state == State::kComplete);
  impl_->state = State::kHeader;
  return std::exchange(impl_->request, {});
}

}  // namespace tieline::http
