// How events and records become bytes and come back (docs/store-format.md). Decoding must never trust a length it has
// not checked.
#pragma once

#include <span>
#include <string_view>

#include "core/event.h"
#include "core/journal.h"

namespace tieline::store {

// How a body stands in its row, and with which key: what the columns `codec` and `key_id` say.
inline constexpr std::int64_t kCodecPlain = 0, kCodecZstd = 1;
inline constexpr std::int64_t kCodecExpired = 2;  // of an event: its data is not kept any longer
inline constexpr std::int64_t kNoKey = 0;

// LEB128: seven bits a byte, least significant first.
void put_varint(Bytes& out, std::uint64_t value);
// A varint of the length, then the bytes.
void put_text(Bytes& out, std::string_view text);

// Reads what the functions above wrote. After the first fault every read gives 0 or empty, and ok() is false.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : rest_(bytes) {}
  bool ok() const { return ok_; }
  bool at_end() const { return rest_.empty(); }
  std::uint8_t byte();
  std::uint64_t varint();
  std::uint64_t fixed64();
  std::string_view text();

 private:
  std::string_view take(std::size_t count);
  std::string_view rest_;
  bool ok_ = true;
};

// Compresses where that helps; the codec.
std::int64_t compress_body(std::string_view body, Bytes& out);
// `body` as it was before it was stored: itself, or in `buffer`. kCorrupt, also for a codec or a key that is not known;
// the message goes on from "event 7" or "record 7".
Result<std::string_view> restore_body(std::int64_t codec, std::int64_t key_id, std::string_view body, Bytes& buffer);

// Everything of an event but its position, its time of receipt and its data.
Bytes encode_meta(const NewEvent& event);
void encode_meta(Bytes& out, const NewEvent& event);
// kCorrupt.
Result<void> decode_meta(std::string_view meta, NewEvent& event);
// The dedupe key within `meta`.
struct EventKey {
  std::string_view source, id;
  friend bool operator==(const EventKey&, const EventKey&) = default;
};
Result<EventKey> key_of_meta(std::string_view meta);
std::uint64_t event_hash(std::string_view source, std::string_view id);
std::size_t event_bytes(const NewEvent& event);

// What of a record is not a column of its own: number, body, puts, state, due, lane, summary.
void encode_record(Bytes& out, const Record& record);
// Fills those members of `record`. kCorrupt.
Result<void> decode_record(std::string_view bytes, Record& record);
// The same for the same content: everything but `at`, which a repeat may write anew.
std::uint64_t record_hash(const Record& record, std::string_view encoded);
std::size_t record_bytes(const Record& record);

// The checks that every store makes before it takes something. kInvalid, kTooLarge.
Result<void> check_events(std::span<const NewEvent> events);
Result<void> check_record(const Record& record);
Result<void> check_entry(std::string_view bucket, std::string_view key, std::string_view value);

}  // namespace tieline::store
