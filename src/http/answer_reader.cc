// Lines as they come, a body as RFC 9112 §6.3 frames it. Lenient in what costs nothing (a bare LF, no reason, a line
// that is no header), strict in what says where the answer ends.
#include "http/answer_reader.h"

#include <algorithm>
#include <cstring>

#include "base/text.h"

namespace tieline::http {
namespace {

constexpr std::size_t kReserveMax = 64u << 10;
constexpr std::size_t kUsualHeaders = 12;
constexpr std::size_t kChunkLineBytesMax = 4096;  // size and extensions of one chunk
constexpr std::size_t kChunkSizeDigits = 16;      // a line no longer than that costs nothing
constexpr std::string_view kVersion = "HTTP/1.";

bool is_blank(char c) { return c == ' ' || c == '\t'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

std::string_view without_blanks(std::string_view text) {
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

bool read_length(std::string_view text, std::uint64_t& out) {
  if (text.empty() || text.size() > 18) return false;
  out = 0;
  for (const char c : text) {
    if (!is_digit(c)) return false;
    out = out * 10 + static_cast<std::uint64_t>(c - '0');
  }
  return true;
}

int hex_digit(char c) {
  if (is_digit(c)) return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

void AnswerReader::refuse(Refusal why) {
  state_ = State::kRefused;
  refusal_ = why;
}

std::size_t AnswerReader::feed(std::string_view bytes) {
  begun_ = begun_ || !bytes.empty();
  std::size_t used = 0;
  while (used < bytes.size() && (state_ == State::kHeader || state_ == State::kBody)) {
    const bool in_data = part_ == Part::kLength || part_ == Part::kUntilEnd || part_ == Part::kChunk;
    used += in_data ? take_data(bytes.substr(used)) : take_line(bytes.substr(used));
  }
  return used;
}

void AnswerReader::end() {
  if (state_ == State::kComplete || state_ == State::kRefused) return;
  keeps_ = false;
  if (part_ == Part::kUntilEnd) return complete();
  refuse(Refusal::kCutShort);
}

std::size_t AnswerReader::take_line(std::string_view bytes) {
  const auto* found = static_cast<const char*>(std::memchr(bytes.data(), '\n', bytes.size()));
  const std::size_t used = found == nullptr ? bytes.size() : static_cast<std::size_t>(found - bytes.data()) + 1;
  const bool of_chunk = part_ == Part::kChunkSize || part_ == Part::kChunkEnd;
  if (of_chunk && line_.size() + used > kChunkLineBytesMax) {
    refuse(Refusal::kBadChunks);
    return used;
  }
  if (!of_chunk) header_bytes_ += used;
  if (header_bytes_ > limits_.header_bytes_max) {
    refuse(Refusal::kHeaderBytes);
    return used;
  }
  std::string_view line = bytes.substr(0, used);
  if (found == nullptr || !line_.empty()) line = line_.append(line);
  // What is no answer is not waited for to end its line.
  if (part_ == Part::kStatus && !line.starts_with(kVersion.substr(0, std::min(line.size(), kVersion.size())))) {
    refuse(Refusal::kNotHttp);
    return used;
  }
  if (found == nullptr) return used;
  line.remove_suffix(1);
  if (line.ends_with('\r')) line.remove_suffix(1);
  read_line(line);
  line_.clear();
  return used;
}

void AnswerReader::read_line(std::string_view line) {
  switch (part_) {
    case Part::kStatus: return read_status(line);
    case Part::kField: return line.empty() ? end_header() : read_field(line);
    case Part::kChunkSize: return read_chunk_size(line);
    case Part::kChunkEnd:
      if (!line.empty()) return refuse(Refusal::kBadChunks);
      part_ = Part::kChunkSize;
      return;
    default:  // a trailer is dropped: a header must not arrive behind the body
      if (line.empty()) complete();
  }
}

// "HTTP/1.1 200 OK"; the reason, and the space before it, may be missing.
void AnswerReader::read_status(std::string_view line) {
  line.remove_prefix(std::min(line.size(), kVersion.size()));
  const bool well_formed = line.size() >= 5 && is_digit(line[0]) && line[1] == ' ' && line[2] >= '1' &&
                           is_digit(line[2]) && is_digit(line[3]) && is_digit(line[4]) &&
                           (line.size() == 5 || line[5] == ' ');
  if (!well_formed) return refuse(Refusal::kNotHttp);
  if (line[0] == '0') keeps_ = false;
  response_.status = (line[2] - '0') * 100 + (line[3] - '0') * 10 + (line[4] - '0');
  if (response_.status == 101) return refuse(Refusal::kNotHttp);  // nobody asked for another protocol
  response_.headers.reserve(kUsualHeaders);
  part_ = Part::kField;
}

void AnswerReader::read_field(std::string_view line) {
  if (std::memchr(line.data(), '\0', line.size()) != nullptr ||
      std::memchr(line.data(), '\r', line.size()) != nullptr) {
    return refuse(Refusal::kNotHttp);
  }
  if (is_blank(line[0])) {  // goes on with the one before (RFC 9112 §5.2)
    keeps_ = false;
    if (response_.headers.empty()) return refuse(Refusal::kNotHttp);
    response_.headers.back().second.append(1, ' ').append(without_blanks(line));
    return;
  }
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos || colon == 0) {
    keeps_ = false;
    return;
  }
  const std::string_view name = without_blanks(line.substr(0, colon)), value = without_blanks(line.substr(colon + 1));
  response_.headers.emplace_back(name, value);
  read_framing(name, value);
}

void AnswerReader::read_framing(std::string_view name, std::string_view value) {
  if (name.size() == 14 && equals_ignore_case(name, "Content-Length")) {
    std::uint64_t length = 0;
    if (!read_length(value, length) || (has_length_ && length != length_)) return refuse(Refusal::kNotHttp);
    length_ = length;
    has_length_ = true;
  } else if (name.size() == 17 && equals_ignore_case(name, "Transfer-Encoding")) {
    if (chunked_) keeps_ = false;
    if (equals_ignore_case(value, "chunked")) {
      chunked_ = true;
    } else if (!equals_ignore_case(value, "identity")) {
      refuse(Refusal::kNotHttp);
    }
  } else if (name.size() == 10 && equals_ignore_case(name, "Connection")) {
    for (const std::string_view token : split(value, ',')) {
      if (equals_ignore_case(without_blanks(token), "close")) keeps_ = false;
    }
  }
}

void AnswerReader::end_header() {
  const int status = response_.status;
  if (status < 200) {
    response_.headers.clear();
    has_length_ = chunked_ = false;
    length_ = 0;
    part_ = Part::kStatus;
    return;
  }
  state_ = State::kBody;
  if (chunked_ && has_length_) keeps_ = false;
  if (to_head_) return complete();
  if (status == 204 || status == 304) {
    // What says that it has a body may send one. A 304 may say the length of what it spares (RFC 9110 §8.6).
    if (chunked_ || (status == 204 && length_ > 0)) keeps_ = false;
    return complete();
  }
  if (chunked_) {
    part_ = Part::kChunkSize;
  } else if (!has_length_) {
    keeps_ = false;
    part_ = Part::kUntilEnd;
  } else if (length_ > limits_.body_bytes_max) {
    refuse(Refusal::kBodyBytes);
  } else if (length_ == 0) {
    complete();
  } else {
    part_ = Part::kLength;
    left_ = length_;
    // A promise of megabytes must not cost them.
    response_.body.reserve(static_cast<std::size_t>(std::min<std::uint64_t>(length_, kReserveMax)));
  }
}

// chunk-size [ chunk-ext ], RFC 9112 §7.1.
void AnswerReader::read_chunk_size(std::string_view line) {
  header_bytes_ += line.size() - std::min(line.size(), kChunkSizeDigits);
  if (header_bytes_ > limits_.header_bytes_max) return refuse(Refusal::kHeaderBytes);
  std::size_t at = 0;
  std::uint64_t size = 0;
  for (; at < line.size(); ++at) {
    const int digit = hex_digit(line[at]);
    if (digit < 0) break;
    if (size >> 60 != 0) return refuse(Refusal::kBadChunks);
    size = size << 4 | static_cast<std::uint64_t>(digit);
  }
  const std::string_view behind = without_blanks(line.substr(at));
  if (at == 0 || (!behind.empty() && behind[0] != ';')) return refuse(Refusal::kBadChunks);
  if (size > limits_.body_bytes_max - response_.body.size()) return refuse(Refusal::kBodyBytes);
  left_ = size;
  part_ = size == 0 ? Part::kTrailer : Part::kChunk;
}

std::size_t AnswerReader::take_data(std::string_view bytes) {
  if (part_ == Part::kUntilEnd) {
    if (bytes.size() > limits_.body_bytes_max - response_.body.size()) refuse(Refusal::kBodyBytes);
    if (state_ == State::kBody) response_.body.append(bytes);
    return bytes.size();
  }
  const auto taken = static_cast<std::size_t>(std::min<std::uint64_t>(left_, bytes.size()));
  response_.body.append(bytes.substr(0, taken));
  left_ -= taken;
  if (left_ > 0) return taken;
  if (part_ == Part::kLength) {
    complete();
  } else {
    part_ = Part::kChunkEnd;
  }
  return taken;
}

}  // namespace tieline::http
