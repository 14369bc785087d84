// Any bytes as a server's answer: read whole or in pieces, it is the same answer, within the limits.
#include <algorithm>
#include <string>

#include "http/answer_reader.h"
#include "target.h"

namespace tieline::fuzz {
namespace {

using http::AnswerReader;

constexpr http::AnswerLimits kLimits{.header_bytes_max = 512, .body_bytes_max = 256};

struct Seen {
  AnswerReader::State state = AnswerReader::State::kHeader;
  AnswerReader::Refusal refusal = AnswerReader::Refusal::kNone;
  std::size_t used = 0;
  bool keeps = false;
  std::string whole;
  friend bool operator==(const Seen&, const Seen&) = default;
};

void check(Response& response) {
  std::size_t bytes = 0;
  CHECK(response.status == 0 || (response.status >= 100 && response.status <= 999));
  for (const auto& [name, value] : response.headers) {
    bytes += name.size() + value.size();
    CHECK(!name.empty() && (name + value).find_first_of(std::string_view("\r\n\0", 3)) == std::string::npos);
  }
  CHECK(bytes <= kLimits.header_bytes_max && response.body.size() <= kLimits.body_bytes_max);
}

// Hands over `step` more bytes at a time; then the stream ends.
Seen read(std::string_view bytes, std::size_t step, bool to_head) {
  AnswerReader reader(kLimits, to_head);
  Seen seen;
  while (seen.used < bytes.size()) {
    const std::string_view piece = bytes.substr(seen.used, step);
    const std::size_t used = reader.feed(piece);
    CHECK(used <= piece.size());
    seen.used += used;
    const bool over =
        reader.state() == AnswerReader::State::kComplete || reader.state() == AnswerReader::State::kRefused;
    CHECK(over || used == piece.size());
    check(reader.response());
    if (over) break;
  }
  reader.end();
  seen.state = reader.state();
  seen.refusal = reader.refusal();
  CHECK((seen.state == AnswerReader::State::kComplete) == (seen.refusal == AnswerReader::Refusal::kNone));
  if (seen.state != AnswerReader::State::kComplete) {
    seen.used = 0;  // a refusal may come with the piece or with the byte
    return seen;
  }
  seen.keeps = reader.keeps_connection();
  seen.whole = std::to_string(reader.response().status);
  for (const auto& [name, value] : reader.response().headers) seen.whole += '\n' + name + ": " + value;
  seen.whole += '\n' + reader.response().body;
  if (to_head) CHECK(reader.response().body.empty());
  return seen;
}

}  // namespace

void run(std::string_view bytes) {
  for (const bool to_head : {false, true}) {
    const Seen whole = read(bytes, std::max<std::size_t>(bytes.size(), 1), to_head);
    for (const std::size_t step : {std::size_t{1}, std::size_t{7}}) CHECK(read(bytes, step, to_head) == whole);
  }
}

}  // namespace tieline::fuzz
