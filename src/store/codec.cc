#include "store/codec.h"

#include <zstd.h>

#include <algorithm>
#include <array>
#include <memory>

#include "store/shard_store.h"

namespace tieline::store {
namespace {

// What of a record's optional parts is there.
enum RecordFlag : std::uint8_t { kHasState = 1, kHasDue = 2, kHasLane = 4, kHasSummary = 8, kHasPuts = 16 };

// Far above what is ever appended: a frame that says more is broken. Zstd's own "unknown" and "error" are above it too.
constexpr unsigned long long kBodyBytesMax = 1u << 30;

std::uint64_t zigzag(std::int64_t value) {
  return (static_cast<std::uint64_t>(value) << 1) ^ static_cast<std::uint64_t>(value >> 63);
}
std::int64_t unzigzag(std::uint64_t value) {
  return static_cast<std::int64_t>(value >> 1) ^ -static_cast<std::int64_t>(value & 1);
}

}  // namespace

void put_varint(Bytes& out, std::uint64_t value) {
  std::array<char, 10> buffer;
  std::size_t length = 0;
  while (value >= 0x80) {
    buffer[length++] = static_cast<char>(value | 0x80);
    value >>= 7;
  }
  buffer[length++] = static_cast<char>(value);
  out.append(buffer.data(), length);
}

void put_text(Bytes& out, std::string_view text) {
  put_varint(out, text.size());
  out.append(text);
}

std::string_view Reader::take(std::size_t count) {
  if (!ok_ || count > rest_.size()) {
    ok_ = false;
    rest_ = {};
    return {};
  }
  const std::string_view taken = rest_.substr(0, count);
  rest_.remove_prefix(count);
  return taken;
}

std::uint8_t Reader::byte() {
  const std::string_view taken = take(1);
  return taken.empty() ? 0 : static_cast<std::uint8_t>(taken[0]);
}

std::uint64_t Reader::varint() {
  std::uint64_t value = 0;
  for (unsigned shift = 0; shift < 64; shift += 7) {
    const std::uint8_t next = byte();
    if (!ok_) return 0;
    value |= static_cast<std::uint64_t>(next & 0x7F) << shift;
    if (next < 0x80) return value;
  }
  ok_ = false;
  rest_ = {};
  return 0;
}

std::uint64_t Reader::fixed64() {
  const std::string_view taken = take(8);
  return taken.empty() ? 0 : get_u64(taken.data());
}

std::string_view Reader::text() { return take(varint()); }

std::int64_t compress_body(std::string_view body, Bytes& out) {
  out.resize(ZSTD_compressBound(body.size()));
  // One context a thread: creating one costs more than compressing a small body.
  thread_local std::unique_ptr<ZSTD_CCtx, decltype(&ZSTD_freeCCtx)> context(ZSTD_createCCtx(), &ZSTD_freeCCtx);
  const std::size_t size = ZSTD_compressCCtx(context.get(), out.data(), out.size(), body.data(), body.size(), 1);
  if (ZSTD_isError(size) || size >= body.size()) {
    out.assign(body);
    return kCodecPlain;
  }
  out.resize(size);
  return kCodecZstd;
}

Result<std::string_view> restore_body(std::int64_t codec, std::int64_t key_id, std::string_view body, Bytes& buffer) {
  if (key_id != kNoKey)
    return failure(Code::kCorrupt, "is encrypted with key " + std::to_string(key_id) + ", not known");
  if (codec == kCodecPlain) return body;
  if (codec != kCodecZstd) return failure(Code::kCorrupt, "has codec " + std::to_string(codec) + ", not known");
  const unsigned long long size = ZSTD_getFrameContentSize(body.data(), body.size());
  if (size > kBodyBytesMax) return failure(Code::kCorrupt, "has a broken frame");
  buffer.resize(static_cast<std::size_t>(size));
  const std::size_t got = ZSTD_decompress(buffer.data(), buffer.size(), body.data(), body.size());
  if (got != size) return failure(Code::kCorrupt, "does not decompress");
  return std::string_view(buffer);
}

void encode_meta(Bytes& out, const NewEvent& event) {
  put_text(out, event.source);
  put_text(out, event.id);
  put_text(out, event.type);
  put_text(out, event.subject);
  out += static_cast<char>(event.op);
  // Usually near the time of receipt, so the difference is short.
  put_varint(out, zigzag(to_unix_us(event.time) - to_unix_us(event.received)));
  if (event.hops != 0) put_varint(out, event.hops);
}

Bytes encode_meta(const NewEvent& event) {
  Bytes out;
  encode_meta(out, event);
  return out;
}

Result<void> decode_meta(std::string_view meta, NewEvent& event) {
  Reader reader(meta);
  event.source = reader.text();
  event.id = reader.text();
  event.type = reader.text();
  event.subject = reader.text();
  const std::uint8_t op = reader.byte();
  event.time = from_unix_us(to_unix_us(event.received) + unzigzag(reader.varint()));
  event.hops = reader.at_end() ? 0 : static_cast<std::uint32_t>(reader.varint());
  if (!reader.ok() || op > static_cast<std::uint8_t>(Op::kSnapshot)) {
    return failure(Code::kCorrupt, "an event's metadata is cut short");
  }
  event.op = static_cast<Op>(op);
  return {};
}

Result<EventKey> key_of_meta(std::string_view meta) {
  Reader reader(meta);
  EventKey key;
  key.source = reader.text();
  key.id = reader.text();
  if (!reader.ok()) return failure(Code::kCorrupt, "an event's metadata is cut short");
  return key;
}

std::uint64_t event_hash(std::string_view source, std::string_view id) { return hash64(id, hash64(source)); }

std::size_t event_bytes(const NewEvent& event) {
  return event.source.size() + event.id.size() + event.type.size() + event.subject.size() + event.data->size() + 48;
}

void encode_record(Bytes& out, const Record& record) {
  const bool state = record.kind == RecordKind::kState;
  std::uint8_t flags = 0;
  if (state) flags |= kHasState;
  if (state && record.due != Time::max()) flags |= kHasDue;
  if (state && record.lane != 0) flags |= kHasLane;
  if (state && !record.summary.empty()) flags |= kHasSummary;
  if (!record.puts.empty()) flags |= kHasPuts;
  out += static_cast<char>(flags);
  put_varint(out, record.number);
  if (flags & kHasState) out += static_cast<char>(record.state);
  if (flags & kHasDue) put_varint(out, zigzag(to_unix_us(record.due)));
  if (flags & kHasLane) put_u64(out, record.lane);
  if (flags & kHasSummary) put_text(out, record.summary);
  if (flags & kHasPuts) {
    put_varint(out, record.puts.size());
    for (const KeyPut& put : record.puts) {
      put_text(out, put.bucket);
      put_text(out, put.key);
      put_text(out, put.value);
      put_varint(out, put.until == Time::max() ? 0 : zigzag(to_unix_us(put.until)) + 1);
    }
  }
  put_text(out, record.body);
}

Result<void> decode_record(std::string_view bytes, Record& record) {
  Reader reader(bytes);
  const std::uint8_t flags = reader.byte();
  record.number = static_cast<std::uint32_t>(reader.varint());
  if (flags & kHasState) {
    const std::uint8_t state = reader.byte();
    if (state > static_cast<std::uint8_t>(kLastRunState)) return failure(Code::kCorrupt, "unknown run state");
    record.state = static_cast<RunState>(state);
  }
  if (flags & kHasDue) record.due = from_unix_us(unzigzag(reader.varint()));
  if (flags & kHasLane) record.lane = reader.fixed64();
  if (flags & kHasSummary) record.summary = reader.text();
  if (flags & kHasPuts) {
    const std::uint64_t count = reader.varint();
    for (std::uint64_t i = 0; i < count && reader.ok(); ++i) {
      KeyPut put;
      put.bucket = reader.text();
      put.key = reader.text();
      put.value = reader.text();
      const std::uint64_t until = reader.varint();
      if (until != 0) put.until = from_unix_us(unzigzag(until - 1));
      record.puts.push_back(std::move(put));
    }
  }
  record.body = reader.text();
  if (!reader.ok() || !reader.at_end()) return failure(Code::kCorrupt, "a record's content does not decode");
  return {};
}

std::uint64_t record_hash(const Record& record, std::string_view encoded) {
  const std::uint64_t columns =
      static_cast<std::uint64_t>(record.kind) << 32 | static_cast<std::uint64_t>(record.step) << 16 | record.attempt;
  return hash64(encoded, columns);
}

std::size_t record_bytes(const Record& record) {
  std::size_t bytes = 64 + record.body.size() + record.summary.size();
  for (const KeyPut& put : record.puts) bytes += put.bucket.size() + put.key.size() + put.value.size() + 16;
  return bytes;
}

Result<void> check_events(std::span<const NewEvent> events) {
  for (const NewEvent& event : events) {
    if (event.data == nullptr) return failure(Code::kInvalid, "an event without data");
    const std::size_t longest =
        std::max({event.source.size(), event.id.size(), event.type.size(), event.subject.size()});
    if (longest > kKeyBytesMax) {
      return failure(Code::kTooLarge, "an event's source, id, type or subject has " + std::to_string(longest) +
                                          " bytes, the limit is " + std::to_string(kKeyBytesMax));
    }
    if (event_bytes(event) > kEventBytesMax) {
      return failure(Code::kTooLarge, "an event has " + std::to_string(event_bytes(event)) + " bytes, the limit is " +
                                          std::to_string(kEventBytesMax));
    }
  }
  return {};
}

Result<void> check_record(const Record& record) {
  if (record.number == 0) return failure(Code::kInvalid, "a record's number counts from 1");
  if (record_bytes(record) > kRecordBytesMax) {
    return failure(Code::kTooLarge, "a record has " + std::to_string(record_bytes(record)) + " bytes, the limit is " +
                                        std::to_string(kRecordBytesMax));
  }
  for (const KeyPut& put : record.puts) TRY_VOID(check_entry(put.bucket, put.key, put.value));
  if (record.events.empty()) return {};
  if (record.kind != RecordKind::kState || !is_terminal(record.state))
    return failure(Code::kInvalid, "only the record that ends a run carries events");
  return check_events(record.events);
}

Result<void> check_entry(std::string_view bucket, std::string_view key, std::string_view value) {
  const std::size_t longest = std::max(bucket.size(), key.size());
  if (longest > kKeyBytesMax) {
    return failure(Code::kTooLarge, "a bucket or key has " + std::to_string(longest) + " bytes, the limit is " +
                                        std::to_string(kKeyBytesMax));
  }
  if (value.size() > kRecordBytesMax) {
    return failure(Code::kTooLarge, "an entry has " + std::to_string(value.size()) + " bytes, the limit is " +
                                        std::to_string(kRecordBytesMax));
  }
  return {};
}

}  // namespace tieline::store
