#include "connect/encode.h"

#include "base/text.h"

namespace tieline::connect {
namespace {

void add_entry(std::string& out, std::string_view name, std::string_view value) {
  if (!out.empty()) out += '&';
  out += name;
  out += '=';
  out += value;
}

void query_entries(std::string& out, const std::string& name, json::Value value) {
  if (value.is_array()) {
    for (const json::Value item : value.elements()) query_entries(out, name, item);
  } else if (value.is_object()) {
    for (const json::KeyValue member : value.members())
      query_entries(out, name + "[" + std::string(member.key) + "]", member.value);
  } else if (const auto text = scalar_text(value)) {
    add_entry(out, percent_encode(name), percent_encode(*text));
  }
}

std::string form_encode(std::string_view text) {
  std::string out;
  for (const char c : percent_encode(text)) {
    out += c;
    if (out.ends_with("%20")) out.replace(out.size() - 3, 3, "+");
  }
  return out;
}

// `name` is encoded already; its brackets stand as they are.
void form_entries(std::string& out, const std::string& name, json::Value value) {
  if (value.is_array()) {
    for (std::size_t i = 0; i < value.size(); ++i) form_entries(out, name + "[" + std::to_string(i) + "]", value.at(i));
  } else if (value.is_object()) {
    for (const json::KeyValue member : value.members())
      form_entries(out, name + "[" + form_encode(member.key) + "]", member.value);
  } else if (const auto text = scalar_text(value)) {
    add_entry(out, name, form_encode(*text));
  }
}

Result<void> must_be_object(json::Value value) {
  if (value.is_object() || value.is_null()) return {};
  return failure(Code::kInvalid, "must be an object, is " + std::string(json::kind_name(value.kind())));
}

// Where the fragment begins is where the URL ends for us.
std::string_view without_fragment(std::string_view url) { return url.substr(0, url.find('#')); }

}  // namespace

std::optional<std::string> scalar_text(json::Value value) {
  switch (value.kind()) {
    case json::Kind::kString: return std::string(value.as_string());
    case json::Kind::kNumber: return std::string(value.number_text());
    case json::Kind::kBool: return value.as_bool() ? "true" : "false";
    default: return std::nullopt;
  }
}

Result<std::string> encode_query(json::Value object) {
  TRY_VOID(must_be_object(object));
  std::string out;
  for (const json::KeyValue member : object.members()) query_entries(out, std::string(member.key), member.value);
  return out;
}

Result<std::string> encode_form(json::Value object) {
  TRY_VOID(must_be_object(object));
  std::string out;
  for (const json::KeyValue member : object.members()) form_entries(out, form_encode(member.key), member.value);
  return out;
}

std::optional<std::string> url_origin(std::string_view url) {
  const bool tls = url.size() > 8 && equals_ignore_case(url.substr(0, 8), "https://");
  const bool plain = url.size() > 7 && equals_ignore_case(url.substr(0, 7), "http://");
  if (!tls && !plain) return std::nullopt;
  for (const char c : url) {
    if (static_cast<unsigned char>(c) <= ' ' || c == '\\' || c == 0x7f) return std::nullopt;
  }
  const std::string_view rest = url.substr(tls ? 8 : 7);
  const std::string_view authority = rest.substr(0, rest.find_first_of("/?#"));
  if (authority.empty() || authority.find('@') != authority.npos) return std::nullopt;
  const std::size_t bracket = authority.rfind(']');
  const std::size_t colon = authority.find(':', bracket == authority.npos ? 0 : bracket);
  const std::string_view port = colon == authority.npos ? std::string_view() : authority.substr(colon + 1);
  return std::string(tls ? "https://" : "http://") + to_lower(authority.substr(0, colon)) + ":" +
         (port.empty() ? std::string(tls ? "443" : "80") : std::string(port));
}

std::optional<std::string> url_query_value(std::string_view url, std::string_view name) {
  const std::string_view whole = without_fragment(url);
  const std::size_t question = whole.find('?');
  if (question == whole.npos) return std::nullopt;
  for (const std::string_view entry : split(whole.substr(question + 1), '&')) {
    const std::size_t equals = entry.find('=');
    const auto key = percent_decode(entry.substr(0, equals), true);
    if (!key || *key != name) continue;
    auto value = percent_decode(equals == entry.npos ? std::string_view() : entry.substr(equals + 1), true);
    return value ? std::move(*value) : std::string();
  }
  return std::nullopt;
}

std::string url_with_query(std::string_view url, std::string_view name, std::string_view value) {
  const std::string_view whole = without_fragment(url);
  const std::size_t question = whole.find('?');
  std::string out(whole.substr(0, question));
  char separator = '?';
  if (question != whole.npos) {
    for (const std::string_view entry : split(whole.substr(question + 1), '&')) {
      const auto key = percent_decode(entry.substr(0, entry.find('=')), true);
      if (entry.empty() || (key && *key == name)) continue;
      out += separator;
      out += entry;
      separator = '&';
    }
  }
  out += separator;
  out += percent_encode(name) + "=" + percent_encode(value);
  return out;
}

std::optional<std::string> link_target(std::string_view header, std::string_view rel) {
  std::size_t at = 0;
  while ((at = header.find('<', at)) != header.npos) {
    const std::size_t end = header.find('>', at);
    if (end == header.npos) return std::nullopt;
    const std::string_view target = header.substr(at + 1, end - at - 1);
    // The link's parameters end at a comma outside quotes.
    std::size_t stop = end + 1;
    bool quoted = false;
    while (stop < header.size() && (quoted || header[stop] != ',')) {
      if (header[stop] == '"') quoted = !quoted;
      ++stop;
    }
    for (const std::string_view parameter : split(header.substr(end + 1, stop - end - 1), ';')) {
      const std::size_t equals = parameter.find('=');
      if (equals == parameter.npos || !equals_ignore_case(trim(parameter.substr(0, equals)), "rel")) continue;
      std::string_view value = trim(parameter.substr(equals + 1));
      if (value.size() >= 2 && value.front() == '"' && value.back() == '"') value = value.substr(1, value.size() - 2);
      for (const std::string_view one : split(value, ' ')) {
        if (equals_ignore_case(one, rel)) return std::string(target);
      }
    }
    at = stop;
  }
  return std::nullopt;
}

}  // namespace tieline::connect
