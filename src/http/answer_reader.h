// One HTTP/1.1 answer out of a byte stream. It must never take a part of an answer for the whole, nor let a connection
// be used again when it is in doubt where the answer ended.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "core/transport.h"

namespace tieline::http {

struct AnswerLimits {
  std::size_t header_bytes_max = 256u << 10;  // status lines, headers, chunk extensions, trailers; of 1xx answers too
  std::size_t body_bytes_max = 4u << 20;
};

class AnswerReader {
 public:
  enum class State : std::uint8_t {
    kHeader,    // before or inside the header
    kBody,      // the header is whole, the body is not
    kComplete,  // see response()
    kRefused,   // see refusal()
  };
  enum class Refusal : std::uint8_t {
    kNone,
    kNotHttp,      // no HTTP/1.x answer, or one whose framing cannot be trusted
    kBadChunks,    // malformed chunks
    kHeaderBytes,  // more than header_bytes_max
    kBodyBytes,    // more than body_bytes_max, or announced to be
    kCutShort,     // the stream ended before the answer did
  };

  // `to_head`: the answer to a HEAD has no body.
  AnswerReader(const AnswerLimits& limits, bool to_head) : limits_(limits), to_head_(to_head) {}

  // Reads on and returns how many bytes it used: all, unless the answer ended before or was refused.
  std::size_t feed(std::string_view bytes);
  // The stream ended.
  void end();

  State state() const { return state_; }
  Refusal refusal() const { return refusal_; }
  bool begun() const { return begun_; }  // has a byte come
  // With kComplete: whether, as far as the answer says, the connection may carry another.
  bool keeps_connection() const { return keeps_; }
  // The answer, as far as it came: the status from its first line on. Of a 1xx before it nothing stays but the status.
  Response& response() { return response_; }

 private:
  enum class Part : std::uint8_t { kStatus, kField, kLength, kUntilEnd, kChunkSize, kChunk, kChunkEnd, kTrailer };

  void refuse(Refusal why);
  void complete() { state_ = State::kComplete; }
  std::size_t take_line(std::string_view bytes);
  void read_line(std::string_view line);
  void read_status(std::string_view line);
  void read_field(std::string_view line);
  void read_framing(std::string_view name, std::string_view value);
  void end_header();
  void read_chunk_size(std::string_view line);
  std::size_t take_data(std::string_view bytes);

  AnswerLimits limits_;
  Response response_;
  std::string line_;  // as far as it came, when its end has not
  std::size_t header_bytes_ = 0;
  std::uint64_t left_ = 0;  // of the body or the chunk
  std::uint64_t length_ = 0;
  State state_ = State::kHeader;
  Refusal refusal_ = Refusal::kNone;
  Part part_ = Part::kStatus;
  bool to_head_, begun_ = false, keeps_ = true, has_length_ = false, chunked_ = false;
};

}  // namespace tieline::http
