#include "json/scan.h"

#include <cstdio>

namespace tieline::json {
namespace {

// Four hexadecimal digits, or -1.
int hex4(const char* at, const char* end) {
  if (end - at < 4) return -1;
  int value = 0;
  for (int k = 0; k < 4; ++k) {
    const char c = at[k];
    int digit = -1;
    if (c >= '0' && c <= '9') digit = c - '0';
    if (c >= 'a' && c <= 'f') digit = c - 'a' + 10;
    if (c >= 'A' && c <= 'F') digit = c - 'A' + 10;
    if (digit < 0) return -1;
    value = value * 16 + digit;
  }
  return value;
}

bool high(int unit) { return unit >= 0xD800 && unit <= 0xDBFF; }
bool low(int unit) { return unit >= 0xDC00 && unit <= 0xDFFF; }

bool is_short_escape(char c) {
  switch (c) {
    case '"':
    case '\\':
    case '/':
    case 'b':
    case 'f':
    case 'n':
    case 'r':
    case 't': return true;
    default: return false;
  }
}

// The length of the escape at `at` (a backslash), or 0 with `fault` set.
std::size_t scan_escape(const char* at, const char* end, Fault& fault) {
  if (end - at < 2) {
    fault = {at, "a string is not closed", true};
    return 0;
  }
  const char c = at[1];
  if (c != 'u') {
    if (is_short_escape(c)) return 2;
    fault = {at,
             "invalid escape in a string: after a backslash expected one of \" \\ / b f n r t u, " + found(at + 1, end),
             cut_at(at + 1, end)};
    return 0;
  }
  const int unit = hex4(at + 2, end);
  if (unit < 0) {
    fault = {at, "invalid escape in a string: \\u needs four hexadecimal digits", end - at < 6};
    return 0;
  }
  if (!high(unit) && !low(unit)) return 6;
  if (high(unit) && end - at >= 12 && at[6] == '\\' && at[7] == 'u' && low(hex4(at + 8, end))) return 12;
  fault = {at, "invalid escape in a string: " + std::string(at, 6) + " is half of a surrogate pair",
           high(unit) && end - at < 12};
  return 0;
}

char* put_utf8(char* to, unsigned code) {
  const auto put = [&](unsigned byte) { *to++ = static_cast<char>(byte); };
  if (code < 0x80) {
    put(code);
  } else if (code < 0x800) {
    put(0xC0 | code >> 6);
    put(0x80 | (code & 0x3F));
  } else if (code < 0x10000) {
    put(0xE0 | code >> 12);
    put(0x80 | (code >> 6 & 0x3F));
    put(0x80 | (code & 0x3F));
  } else {
    put(0xF0 | code >> 18);
    put(0x80 | (code >> 12 & 0x3F));
    put(0x80 | (code >> 6 & 0x3F));
    put(0x80 | (code & 0x3F));
  }
  return to;
}

char escaped_character(char c) {
  switch (c) {
    case 'b': return '\b';
    case 'f': return '\f';
    case 'n': return '\n';
    case 'r': return '\r';
    case 't': return '\t';
    default: return c;
  }
}

}  // namespace

const char* scan_string(const char* at, const char* end, bool& escaped, Fault& fault) {
  const char* const start = at;
  escaped = false;
  for (;;) {
    at = skip_clean(at, end);
    if (at == end) {
      fault = {start - 1, "a string is not closed: expected a quote before the end of the text", true};
      return nullptr;
    }
    if (*at == '"') return at;
    if (*at == '\\') {
      escaped = true;
      const std::size_t length = scan_escape(at, end, fault);
      if (length == 0) return nullptr;
      at += length;
    } else if (static_cast<unsigned char>(*at) < 0x20) {
      fault = {at, "a control character in a string must be escaped, " + found(at, end)};
      return nullptr;
    } else {
      do {  // they come in rows
        const std::size_t length = utf8_character(at, end);
        if (length == 0) {
          fault = {at, "invalid UTF-8 in a string, " + found(at, end), cut_at(at, end)};
          return nullptr;
        }
        at += length;
      } while (at != end && static_cast<signed char>(*at) < 0);
    }
  }
}

char* decode_string(const char* at, const char* end, char* to) {
  while (at != end) {
    if (end - at >= 16) {  // what is decoded is never longer than what was written, so there is room for 16 bytes
      const __m128i v = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
      _mm_storeu_si128(reinterpret_cast<__m128i*>(to), v);
      const auto mask = static_cast<unsigned>(_mm_movemask_epi8(_mm_cmpeq_epi8(v, _mm_set1_epi8('\\'))));
      const int copied = mask == 0 ? 16 : std::countr_zero(mask);
      at += copied;
      to += copied;
      if (mask == 0) continue;
    } else if (*at != '\\') {
      *to++ = *at++;
      continue;
    }
    if (at[1] != 'u') {
      *to++ = escaped_character(at[1]);
      at += 2;
      continue;
    }
    auto code = static_cast<unsigned>(hex4(at + 2, end));
    at += 6;
    if (high(static_cast<int>(code))) {
      code = 0x10000 + ((code - 0xD800) << 10) + (static_cast<unsigned>(hex4(at + 2, end)) - 0xDC00);
      at += 6;
    }
    to = put_utf8(to, code);
  }
  return to;
}

std::string found(const char* at, const char* end) {
  if (at >= end) return "found the end of the text";
  const auto byte = static_cast<unsigned char>(*at);
  if (byte > 0x20 && byte < 0x7F)
    return std::string("found ") + (byte == '"' ? "'\"'" : '"' + std::string(1, *at) + '"');
  const std::size_t length = byte >= 0x80 ? utf8_character(at, end) : 0;
  if (length != 0) return "found \"" + std::string(at, length) + '"';
  char text[24];
  std::snprintf(text, sizeof text, "found byte 0x%02X", byte);
  return text;
}

}  // namespace tieline::json
