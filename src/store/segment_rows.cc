// A segment's rows as they stand on disk, and what they tell (docs/store-format.md). It must never let a row pass whose
// crc fails.
#include <array>
#include <cstring>

#include "store/segment.h"

namespace tieline::store {
namespace {

// Codec and key as the crc sees them: a body may not be taken for another form of itself.
void put_form(char* to, std::int64_t codec, std::int64_t key_id) {
  const std::uint64_t form = static_cast<std::uint64_t>(codec) << 32 ^ static_cast<std::uint64_t>(key_id);
  std::memcpy(to, &form, 8);
}

}  // namespace

std::uint32_t RawEvent::computed_crc() const {
  std::array<char, 24> head;
  std::memcpy(head.data(), &seq, 8);
  std::memcpy(head.data() + 8, &ts, 8);
  put_form(head.data() + 16, codec, key_id);
  return crc32c(body, crc32c(meta, crc32c({head.data(), head.size()})));
}

std::uint32_t RawRecord::computed_crc() const {
  std::array<char, 40> head{};
  std::memcpy(head.data(), &lsn, 8);
  std::memcpy(head.data() + 8, &seq, 8);
  std::memcpy(head.data() + 16, &ts, 8);
  const std::uint64_t rest = static_cast<std::uint64_t>(kind & 0xFF) << 56 ^ static_cast<std::uint64_t>(step) << 40 ^
                             static_cast<std::uint64_t>(attempt) << 24 ^ flow;
  std::memcpy(head.data() + 24, &rest, 8);
  put_form(head.data() + 32, codec, key_id);
  return crc32c(body, crc32c({head.data(), head.size()}));
}

Result<std::string_view> RawRecord::content(Bytes& buffer) const {
  const auto corrupt = [this](const std::string& why) {
    return failure(Code::kCorrupt, "record " + std::to_string(lsn) + " " + why);
  };
  if (crc != computed_crc()) return corrupt("fails its crc");
  auto restored = restore_body(codec, key_id, body, buffer);
  if (!restored) return corrupt(restored.error().message);
  return restored;
}

Result<Record> RawRecord::decode() const {
  Bytes buffer;
  TRY(const std::string_view plain, content(buffer));
  Record record;
  record.run = {FlowId(flow), Position(seq)};
  record.kind = static_cast<RecordKind>(kind);
  record.step = step;
  record.attempt = attempt;
  record.at = from_unix_us(ts);
  TRY_VOID(decode_record(plain, record));
  return record;
}

Result<std::variant<Record, EntryWrite>> RawRecord::read(Bytes& buffer) const {
  if (kind < kRecPut) return decode();
  TRY(const std::string_view plain, content(buffer));
  return decode_entry(plain);
}

void encode_entry(Bytes& out, const EntryWrite& entry) {
  put_text(out, entry.bucket);
  put_text(out, entry.key);
  put_text(out, entry.value);
  put_u64(out, static_cast<std::uint64_t>(to_unix_us(entry.until)));
}

Result<EntryWrite> decode_entry(std::string_view body) {
  Reader reader(body);
  EntryWrite entry;
  entry.bucket = reader.text();
  entry.key = reader.text();
  entry.value = reader.text();
  entry.until = from_unix_us(static_cast<std::int64_t>(reader.fixed64()));
  if (!reader.ok()) return failure(Code::kCorrupt, "an entry's content does not decode");
  return entry;
}

Result<EventPtr> decode_event_row(const Statement& row) {
  const RawEvent raw{row.natural(0), row.integer(1), row.integer(2), row.integer(3), row.bytes(5), row.bytes(6)};
  const auto corrupt = [&raw](const std::string& why) {
    return failure(Code::kCorrupt, "event " + std::to_string(raw.seq) + " " + why);
  };
  if (raw.computed_crc() != static_cast<std::uint32_t>(row.integer(4))) return corrupt("fails its crc");
  auto event = std::make_shared<Event>();
  event->position = Position(raw.seq);
  event->received = from_unix_us(raw.ts);
  TRY_VOID(decode_meta(raw.meta, *event));
  if (raw.codec == kCodecExpired) {
    event->data = std::make_shared<const std::string>("null");
    event->data_expired = true;
    return EventPtr(std::move(event));
  }
  auto data = std::make_shared<std::string>();
  const auto restored = restore_body(raw.codec, raw.key_id, raw.body, *data);
  if (!restored) return corrupt(restored.error().message);
  if (restored->data() != data->data()) data->assign(*restored);
  event->data = std::move(data);
  return EventPtr(std::move(event));
}

RawRecord raw_record_row(const Statement& row) {
  RawRecord raw;
  raw.lsn = row.natural(0);
  raw.kind = static_cast<int>(row.integer(1));
  raw.flow = static_cast<std::uint32_t>(row.integer(2));
  raw.seq = row.natural(3);
  raw.step = static_cast<std::uint16_t>(row.integer(4));
  raw.attempt = static_cast<std::uint16_t>(row.integer(5));
  raw.ts = row.integer(6);
  raw.codec = row.integer(7);
  raw.key_id = row.integer(8);
  raw.crc = static_cast<std::uint32_t>(row.integer(9));
  raw.body = row.bytes(10);
  return raw;
}

}  // namespace tieline::store
