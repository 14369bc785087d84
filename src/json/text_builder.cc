#include "json/text_builder.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "json/scan.h"

namespace tieline::json {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";  // U+FFFD

void append_escape(std::string& out, unsigned char byte) {
  switch (byte) {
    case '"': out += "\\\""; return;
    case '\\': out += "\\\\"; return;
    case '\n': out += "\\n"; return;
    case '\r': out += "\\r"; return;
    case '\t': out += "\\t"; return;
    default:
      out += "\\u00";
      out += "0123456789abcdef"[byte >> 4];
      out += "0123456789abcdef"[byte & 15];
  }
}

// Makes it that many quotes longer: most of what is written stands between two.
char* grown(std::string& out, std::size_t bytes) {
  const std::size_t before = out.size();
  out.append(bytes, '"');
  return out.data() + before;
}

void append_quoted(std::string& out, std::string_view text) {
  const char* at = text.data();
  const char* const end = at + text.size();
  if (skip_clean(at, end) == end) {
    std::copy(at, end, grown(out, text.size() + 2) + 1);
    return;
  }
  out += '"';
  while (at != end) {
    const char* const stop = skip_clean(at, end);
    out.append(at, static_cast<std::size_t>(stop - at));
    at = stop;
    if (at == end) break;
    const auto byte = static_cast<unsigned char>(*at);
    if (byte < 0x80) {
      append_escape(out, byte);
      ++at;
      continue;
    }
    const std::size_t length = utf8_character(at, end);
    if (length == 0) {
      out += kReplacement;
      ++at;
    } else {
      out.append(at, length);
      at += length;
    }
  }
  out += '"';
}

}  // namespace

TextBuilder& TextBuilder::open(char bracket) {
  separate();
  text_ += bracket;
  comma_ = false;
  return *this;
}

TextBuilder& TextBuilder::close(char bracket) {
  text_ += bracket;
  comma_ = true;
  return *this;
}

TextBuilder& TextBuilder::key(std::string_view name) {
  separate();
  std::copy(name.begin(), name.end(), grown(text_, name.size() + 3) + 1);
  text_.back() = ':';
  comma_ = false;
  return *this;
}

TextBuilder& TextBuilder::string(std::string_view text) {
  separate();
  append_quoted(text_, text);
  return *this;
}

TextBuilder& TextBuilder::integer(std::int64_t value) {
  separate();
  char digits[24];
  const auto [end, error] = std::to_chars(digits, digits + sizeof digits, value);
  text_.append(digits, static_cast<std::size_t>(end - digits));
  return *this;
}

TextBuilder& TextBuilder::boolean(bool value) {
  separate();
  text_ += value ? "true" : "false";
  return *this;
}

TextBuilder& TextBuilder::copy(Value value) {
  separate();
  print_to(text_, value);
  return *this;
}

std::string TextBuilder::finish() {
  comma_ = false;
  return std::exchange(text_, {});
}

}  // namespace tieline::json
