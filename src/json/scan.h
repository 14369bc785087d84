// The lexical rules of JSON that parsing and validating share: strings, numbers, UTF-8; private to src/json.
// A scanner must never read outside [begin, end).
#pragma once

#include <emmintrin.h>

#include <bit>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace tieline::json {

// Where a scan stopped and why; `at` is null when all is well.
struct Fault {
  const char* at = nullptr;
  std::string message;
  bool cut = false;  // more text might have mended it
};

// The length of the UTF-8 character at `at` (RFC 3629), whose first byte is not ASCII; 0 if it is not valid.
inline std::size_t utf8_character(const char* at, const char* end) {
  const auto left = static_cast<std::size_t>(end - at);
  const auto byte = [at](std::size_t k) { return static_cast<unsigned char>(at[k]); };
  const auto follows = [&](std::size_t k) { return (byte(k) & 0xC0) == 0x80; };
  const unsigned lead = byte(0);
  if (lead < 0xC2 || lead > 0xF4) return 0;
  if (lead < 0xE0) return left >= 2 && follows(1) ? 2 : 0;
  if (lead < 0xF0) {
    if (left < 3 || !follows(1) || !follows(2)) return 0;
    return (lead == 0xE0 && byte(1) < 0xA0) || (lead == 0xED && byte(1) > 0x9F) ? 0 : 3;
  }
  if (left < 4 || !follows(1) || !follows(2) || !follows(3)) return 0;
  return (lead == 0xF0 && byte(1) < 0x90) || (lead == 0xF4 && byte(1) > 0x8F) ? 0 : 4;
}

// A bit for each byte that is a quote, a backslash, a control character or not ASCII.
inline unsigned unclean(__m128i bytes) {
  // Signed: bytes from 0x80 are negative, so one comparison finds them and the control characters.
  const __m128i special =
      _mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(bytes, _mm_set1_epi8('"')), _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\'))),
                   _mm_cmplt_epi8(bytes, _mm_set1_epi8(0x20)));
  return static_cast<unsigned>(_mm_movemask_epi8(special));
}

// The first byte at or after `at` that is a quote, a backslash, a control character or not ASCII; or `end`.
inline const char* skip_clean(const char* at, const char* end) {
  while (end - at >= 16) {
    const unsigned mask = unclean(_mm_loadu_si128(reinterpret_cast<const __m128i*>(at)));
    if (mask != 0) return at + std::countr_zero(mask);
    at += 16;
  }
  if (end - at >= 8) {
    const unsigned mask = unclean(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(at))) & 0xFF;
    if (mask != 0) return at + std::countr_zero(mask);
    at += 8;
  }
  while (at != end && *at != '"' && *at != '\\' && static_cast<signed char>(*at) >= 0x20) ++at;
  return at;
}

// The first byte at or after `at` that JSON wants escaped in a string: a quote, a backslash or a control character; or
// `end`.
inline const char* skip_unescaped(const char* at, const char* end) {
  while (end - at >= 16) {
    const __m128i v = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
    const __m128i special =
        _mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(v, _mm_set1_epi8('"')), _mm_cmpeq_epi8(v, _mm_set1_epi8('\\'))),
                     _mm_cmpeq_epi8(_mm_min_epu8(v, _mm_set1_epi8(0x1F)), v));
    const auto mask = static_cast<unsigned>(_mm_movemask_epi8(special));
    if (mask != 0) return at + std::countr_zero(mask);
    at += 16;
  }
  while (at != end && *at != '"' && *at != '\\' && static_cast<unsigned char>(*at) >= 0x20) ++at;
  return at;
}

// `at` stands behind the opening quote. Returns the closing quote, or null with `fault` set; `escaped` says whether a
// backslash was met.
const char* scan_string(const char* at, const char* end, bool& escaped, Fault& fault);

// Writes the text of a string that scan_string passed; `to` has room for the bytes it was written with. Returns the
// end.
char* decode_string(const char* at, const char* end, char* to);

// `at` stands on a minus or a digit. Returns the end of the number, or null with `expected` set; `integer` says whether
// it has neither fraction nor exponent.
inline const char* scan_number(const char* at, const char* end, bool& integer, const char*& expected) {
  const auto digits = [&] {
    const char* const before = at;
    while (at != end && static_cast<unsigned>(*at - '0') <= 9) ++at;
    return at != before;
  };
  integer = true;
  if (*at == '-') ++at;
  if (at != end && *at == '0') {
    ++at;
    if (at != end && static_cast<unsigned>(*at - '0') <= 9) {
      expected = "no digit after a leading zero";
      return nullptr;
    }
  } else if (!digits()) {
    expected = "a digit after \"-\"";
    return nullptr;
  }
  if (at != end && *at == '.') {
    integer = false;
    ++at;
    if (!digits()) {
      expected = "a digit after the decimal point";
      return nullptr;
    }
  }
  if (at != end && (*at == 'e' || *at == 'E')) {
    integer = false;
    ++at;
    if (at != end && (*at == '+' || *at == '-')) ++at;
    if (!digits()) {
      expected = "a digit in the exponent";
      return nullptr;
    }
  }
  return at;
}

// What stands at `at`, for a message: `found "x"`.
std::string found(const char* at, const char* end);
// Whether what stands there is not all here: nothing, or the beginning of a character.
inline bool cut_at(const char* at, const char* end) {
  return at == end || (static_cast<signed char>(*at) < 0 && end - at < 4 && utf8_character(at, end) == 0);
}

}  // namespace tieline::json
