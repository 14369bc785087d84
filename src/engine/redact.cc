#include "engine/redact.h"

#include <algorithm>
#include <array>

#include "base/bytes.h"
#include "base/text.h"

namespace tieline::engine {
namespace {

constexpr std::string_view kHidden = "[redacted]";
constexpr std::size_t kSecretBytesMin = 4;

// What `text` looks like inside a JSON string.
std::string json_escaped(std::string_view text) {
  const std::string quoted = json::print(json::make_string(text).root());
  return quoted.substr(1, quoted.size() - 2);
}

void copy_redacted(json::Builder& out, json::Value value, const Redactor& redactor) {
  switch (value.kind()) {
    case json::Kind::kObject:
      out.begin_object();
      for (const json::KeyValue member : value.members()) {
        out.key(redactor.text(std::string(member.key)));
        copy_redacted(out, member.value, redactor);
      }
      out.end_object();
      return;
    case json::Kind::kArray:
      out.begin_array();
      for (const json::Value item : value.elements()) copy_redacted(out, item, redactor);
      out.end_array();
      return;
    case json::Kind::kString: out.string(redactor.text(std::string(value.as_string()))); return;
    case json::Kind::kNumber:
      if (redactor.finds(value.number_text())) {
        out.string(kHidden);
      } else {
        out.copy(value);
      }
      return;
    case json::Kind::kNull:
    case json::Kind::kBool: out.copy(value); return;
  }
}

}  // namespace

Redactor::Redactor(const std::vector<std::string>& secrets) {
  for (const std::string& secret : secrets) {
    if (secret.size() < kSecretBytesMin) continue;
    needles_.push_back(secret);
    for (std::string form : {percent_encode(secret), json_escaped(secret), to_base64(secret)}) {
      if (form != secret) needles_.push_back(std::move(form));
    }
  }
  std::stable_sort(needles_.begin(), needles_.end(),
                   [](const std::string& a, const std::string& b) { return a.size() > b.size(); });
}

bool Redactor::finds(std::string_view text) const {
  return std::any_of(needles_.begin(), needles_.end(),
                     [&](const std::string& needle) { return text.find(needle) != std::string_view::npos; });
}

std::string Redactor::text(std::string text) const {
  std::string out = std::move(text);
  for (const std::string& needle : needles_) {
    for (std::size_t at = out.find(needle); at != std::string::npos; at = out.find(needle, at + kHidden.size()))
      out.replace(at, needle.size(), kHidden);
  }
  return out;
}

json::Document Redactor::document(const json::Document& document) const {
  if (needles_.empty() || !finds(json::print(document.root()))) return document;
  json::Builder out;
  copy_redacted(out, document.root(), *this);
  return out.finish();
}

std::string Redactor::body(std::string_view bytes, std::size_t bytes_max) const {
  return needles_.empty() ? truncated(bytes, bytes_max) : truncated(text(std::string(bytes)), bytes_max);
}

Headers harmless_headers(const Headers& headers) {
  constexpr std::array<std::string_view, 20> kHarmless{
      "accept", "content-type", "content-length", "content-encoding", "date",
      "etag",   "if-match",     "if-none-match",  "idempotency-key",  "last-modified",
      "link",   "location",     "prefer",         "request-id",       "retry-after",
      "server", "x-request-id", "x-trace-id",     "user-agent",       "x-hubspot-correlation-id"};
  const auto harmless = [&](std::string_view lower) {
    return std::find(kHarmless.begin(), kHarmless.end(), lower) != kHarmless.end();
  };
  const auto limit = [](const std::string& lower) {
    return lower.find("ratelimit") != std::string::npos || lower.find("rate-limit") != std::string::npos ||
           lower.find("call-limit") != std::string::npos;
  };
  Headers out;
  out.reserve(headers.size());
  for (const auto& [name, value] : headers) {
    std::string lower = to_lower(name);
    if (harmless(lower) || limit(lower)) out.emplace_back(std::move(lower), value);
  }
  return out;
}

}  // namespace tieline::engine
