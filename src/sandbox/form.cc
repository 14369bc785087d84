#include "sandbox/form.h"

#include "base/text.h"

namespace tieline::sandbox {
namespace {

constexpr std::size_t kDepthMax = 16;

struct Field {
  std::vector<std::pair<std::string, Field>> members;  // in order; an empty name is an element of a list
  std::string value;

  Field& at(const std::string& name) {
    if (!name.empty()) {
      for (auto& [key, field] : members) {
        if (key == name) return field;
      }
    }
    return members.emplace_back(name, Field()).second;
  }
};

// "a[b][]" is {"a", "b", ""}.
std::vector<std::string> parts_of(const std::string& name) {
  std::vector<std::string> parts;
  const std::size_t open = std::min(name.find('['), name.size());
  parts.push_back(name.substr(0, open));
  for (std::size_t at = open; at < name.size() && name[at] == '[' && parts.size() < kDepthMax;) {
    const std::size_t close = name.find(']', at);
    if (close == std::string::npos) break;
    parts.push_back(name.substr(at + 1, close - at - 1));
    at = close + 1;
  }
  return parts;
}

void put(json::Builder& out, const Field& field) {
  if (field.members.empty()) {
    out.string(field.value);
    return;
  }
  const bool list = field.members.front().first.empty();
  list ? out.begin_array() : out.begin_object();
  for (const auto& [name, member] : field.members) {
    if (!list) out.key(name);
    put(out, member);
  }
  list ? out.end_array() : out.end_object();
}

}  // namespace

std::vector<std::pair<std::string, std::string>> parse_form(std::string_view text) {
  std::vector<std::pair<std::string, std::string>> out;
  for (const std::string_view part : split(text, '&')) {
    if (part.empty()) continue;
    const std::size_t equals = std::min(part.find('='), part.size());
    auto name = percent_decode(part.substr(0, equals), true);
    auto value = percent_decode(part.substr(std::min(equals + 1, part.size())), true);
    if (name && value) out.emplace_back(std::move(*name), std::move(*value));
  }
  return out;
}

json::Document form_document(std::string_view text) {
  Field root;
  for (auto& [name, value] : parse_form(text)) {
    Field* field = &root;
    for (const std::string& part : parts_of(name)) field = &field->at(part);
    field->value = std::move(value);
  }
  json::Builder out;
  out.begin_object();
  for (const auto& [name, field] : root.members) {
    out.key(name);
    put(out, field);
  }
  return out.end_object().finish();
}

}  // namespace tieline::sandbox
