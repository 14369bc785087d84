#include "base/bytes.h"

#include <array>
#include <bit>
#include <cstring>

#ifdef __SSE4_2__
#include <nmmintrin.h>
#endif

#include "base/wide.h"

namespace tieline {
namespace {

constexpr std::string_view kHexDigits = "0123456789abcdef";
constexpr std::string_view kBase64Digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

constexpr std::array<std::int8_t, 256> make_base64_values() {
  std::array<std::int8_t, 256> values{};
  values.fill(-1);
  for (std::size_t i = 0; i < kBase64Digits.size(); ++i)
    values[static_cast<unsigned char>(kBase64Digits[i])] = static_cast<std::int8_t>(i);
  values['-'] = 62;
  values['_'] = 63;
  return values;
}
constexpr auto kBase64Values = make_base64_values();

constexpr std::array<std::uint32_t, 256> make_crc_table() {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t i = 0; i < 256; ++i) {
    std::uint32_t crc = i;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) ? 0x82F63B78u : 0);
    table[i] = crc;
  }
  return table;
}
[[maybe_unused]] constexpr auto kCrcTable = make_crc_table();

std::uint64_t load64(const char* at) {
  std::uint64_t value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

// Multiplies to 128 bits and folds the halves: one strong mixing step.
std::uint64_t mix(std::uint64_t a, std::uint64_t b) {
  const Wide product = static_cast<Wide>(a) * b;
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

}  // namespace

static_assert(std::endian::native == std::endian::little, "records and hashes are little-endian");

std::string to_hex(std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size() * 2);
  for (const unsigned char c : bytes) {
    out += kHexDigits[c >> 4];
    out += kHexDigits[c & 15];
  }
  return out;
}

Result<Bytes> from_hex(std::string_view text) {
  if (text.size() % 2 != 0) return failure(Code::kInvalid, "hex needs an even number of digits");
  Bytes out;
  out.reserve(text.size() / 2);
  for (std::size_t i = 0; i < text.size(); i += 2) {
    const int high = hex_value(text[i]), low = hex_value(text[i + 1]);
    if (high < 0 || low < 0) return failure(Code::kInvalid, "not a hex digit at offset " + std::to_string(i));
    out += static_cast<char>(high * 16 + low);
  }
  return out;
}

std::string to_base64(std::string_view bytes) {
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const std::size_t left = bytes.size() - i;
    const auto byte = [&](std::size_t k) { return k < left ? static_cast<unsigned char>(bytes[i + k]) : 0u; };
    const std::uint32_t triple = byte(0) << 16 | byte(1) << 8 | byte(2);
    out += kBase64Digits[triple >> 18];
    out += kBase64Digits[triple >> 12 & 63];
    out += left > 1 ? kBase64Digits[triple >> 6 & 63] : '=';
    out += left > 2 ? kBase64Digits[triple & 63] : '=';
  }
  return out;
}

Result<Bytes> from_base64(std::string_view text) {
  while (!text.empty() && text.back() == '=') text.remove_suffix(1);
  if (text.size() % 4 == 1) return failure(Code::kInvalid, "base64 text is cut short");
  Bytes out;
  out.reserve(text.size() / 4 * 3 + 2);
  std::uint32_t bits = 0;
  int held = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const int value = kBase64Values[static_cast<unsigned char>(text[i])];
    if (value < 0) return failure(Code::kInvalid, "not a base64 character at offset " + std::to_string(i));
    bits = bits << 6 | static_cast<std::uint32_t>(value);
    held += 6;
    if (held >= 8) {
      held -= 8;
      out += static_cast<char>(bits >> held & 0xFF);
    }
  }
  return out;
}

std::uint32_t crc32c(std::string_view bytes, std::uint32_t seed) {
  std::uint32_t crc = ~seed;
  const char* at = bytes.data();
  std::size_t left = bytes.size();
#ifdef __SSE4_2__
  std::uint64_t wide = crc;
  for (; left >= 8; left -= 8, at += 8) wide = _mm_crc32_u64(wide, load64(at));
  crc = static_cast<std::uint32_t>(wide);
  for (; left > 0; --left, ++at) crc = _mm_crc32_u8(crc, static_cast<unsigned char>(*at));
#else
  for (; left > 0; --left, ++at) crc = kCrcTable[(crc ^ static_cast<unsigned char>(*at)) & 0xFF] ^ (crc >> 8);
#endif
  return ~crc;
}

std::uint64_t hash64(std::string_view bytes, std::uint64_t seed) {
  constexpr std::uint64_t kA = 0xA0761D6478BD642Fu, kB = 0xE7037ED1A0B428DBu;
  std::uint64_t state = mix(seed ^ kA, bytes.size() ^ kB);
  const char* at = bytes.data();
  std::size_t left = bytes.size();
  for (; left >= 16; left -= 16, at += 16) state = mix(load64(at) ^ kA, load64(at + 8) ^ state);
  std::array<char, 16> tail{};
  if (left > 0) std::memcpy(tail.data(), at, left);
  return mix(mix(load64(tail.data()) ^ kB, load64(tail.data() + 8) ^ state), kA);
}

void put_u32(Bytes& out, std::uint32_t value) { out.append(reinterpret_cast<const char*>(&value), sizeof value); }
void put_u64(Bytes& out, std::uint64_t value) { out.append(reinterpret_cast<const char*>(&value), sizeof value); }
std::uint32_t get_u32(const char* at) {
  std::uint32_t value;
  std::memcpy(&value, at, sizeof value);
  return value;
}
std::uint64_t get_u64(const char* at) { return load64(at); }

}  // namespace tieline
