// Any bytes as what the store and the engine read back: refused, or a record that is written and read as the same one.
#include "core/journal.h"
#include "engine/record.h"
#include "store/codec.h"
#include "target.h"

namespace tieline::fuzz {
namespace {

void as_record(std::string_view bytes) {
  Record record{.kind = RecordKind::kState};
  if (!store::decode_record(bytes, record)) return;
  Bytes written;
  store::encode_record(written, record);
  Record again{.kind = RecordKind::kState};
  // What an encoder never writes (a state that is not there) becomes what it means.
  CHECK(store::decode_record(written, again).has_value());
  Bytes rewritten;
  store::encode_record(rewritten, again);
  CHECK(written == rewritten && store::record_hash(record, written) == store::record_hash(again, rewritten));
  CHECK(again.number == record.number && again.body == record.body && again.state == record.state &&
        again.due == record.due && again.lane == record.lane && again.summary == record.summary &&
        again.puts.size() == record.puts.size());
}

void as_event(std::string_view bytes) {
  NewEvent event;
  const auto key = store::key_of_meta(bytes);
  if (!store::decode_meta(bytes, event)) return;
  CHECK(key.has_value() && key->source == event.source && key->id == event.id);
  NewEvent again;
  CHECK(store::decode_meta(store::encode_meta(event), again).has_value());
  CHECK(again.source == event.source && again.id == event.id && again.type == event.type &&
        again.subject == event.subject && again.op == event.op && again.time == event.time);
}

void as_body(std::string_view bytes) {
  const auto body = engine::decode(bytes);
  if (!body) return;
  const Bytes written = engine::encode(*body);
  const auto again = engine::decode(written);
  CHECK(again.has_value() && engine::encode(*again) == written);
}

}  // namespace

void run(std::string_view bytes) {
  if (bytes.empty()) return;
  const std::string_view rest = bytes.substr(1);
  switch (bytes.front()) {
    case 'r': return as_record(rest);
    case 'e': return as_event(rest);
    default: return as_body(rest);
  }
}

}  // namespace tieline::fuzz
