#include "core/event.h"

#include <array>

#include "core/topic.h"

namespace tieline {
namespace {
constexpr std::array<std::string_view, 5> kOpNames{"other", "created", "updated", "deleted", "snapshot"};
}  // namespace

std::string_view op_name(Op op) {
  const auto index = static_cast<std::size_t>(op);
  return index < kOpNames.size() ? kOpNames[index] : kOpNames[0];
}

const std::vector<std::string>& op_names() {
  static const std::vector<std::string> all = [] {
    std::vector<std::string> names(kOpNames.begin() + 1, kOpNames.end());
    names.emplace_back(kOpNames[0]);
    return names;
  }();
  return all;
}

Op op_from_name(std::string_view name) {
  for (std::size_t i = 0; i < kOpNames.size(); ++i) {
    if (kOpNames[i] == name) return static_cast<Op>(i);
  }
  return Op::kOther;
}

json::Document event_envelope(const Event& event, const json::Document& data, json::Value key) {
  json::Builder out;
  out.begin_object();
  out.key("id").string(event.id);
  // Of a record: the same one for whoever reads it, whatever its flow is called.
  out.key("source").string(synced_of(event.source).value_or(event.source));
  out.key("type").string(event.type);
  out.key("time").string(format_time(event.time));
  out.key("subject");
  if (event.subject.empty()) {
    out.null();
  } else {
    out.string(event.subject);
  }
  out.key("op").string(op_name(event.op));
  out.key("key").copy(key);
  out.key("data").share(data);
  out.key("batch").null();
  if (const auto topic = topic_of(event.source)) out.key("topic").string(*topic);
  out.end_object();
  return out.finish();
}

}  // namespace tieline
