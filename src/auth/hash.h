// The hashes that signatures are made of, comparison in constant time, and random bytes for ids and keys.
// A key or an expected signature must never be logged, compared with == or put into an error.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/bytes.h"

namespace tieline::auth {

enum class Hash : std::uint8_t { kSha1, kSha256, kSha512 };
std::string_view hash_name(Hash hash);  // "sha1", "sha256", "sha512"
std::optional<Hash> hash_from_name(std::string_view name);
std::size_t hash_bytes(Hash hash);  // 20, 32, 64

// FIPS 180-4, over the parts in order; raw bytes.
Bytes digest(Hash hash, std::span<const std::string_view> parts);
Bytes sha256(std::string_view bytes);

// True if both are equal; the time depends on their lengths only.
bool equal_constant_time(std::string_view a, std::string_view b);

// From the system's generator; fit for keys.
Bytes random_bytes(std::size_t count);
// 32 hexadecimal characters: an id that no one else has.
std::string random_id();

// An HMAC key (RFC 2104), prepared once and used many times. Immutable; may be used by several threads at once.
class HmacKey {
 public:
  HmacKey(Hash hash, std::string_view key);
  ~HmacKey();
  HmacKey(HmacKey&&) noexcept;
  HmacKey& operator=(HmacKey&&) noexcept;

  // The raw signature of the parts in order, as if they were one text.
  Bytes sign(std::span<const std::string_view> parts) const;
  Bytes sign(std::string_view text) const { return sign(std::span(&text, 1)); }
  // True if `signature` (raw bytes, whole) is the one of the parts; in constant time.
  bool verify(std::span<const std::string_view> parts, std::string_view signature) const;
  bool verify(std::string_view text, std::string_view signature) const {
    return verify(std::span(&text, 1), signature);
  }

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// How a signature is written in a header.
enum class Encoding : std::uint8_t { kHex, kBase64 };
std::optional<Encoding> encoding_from_name(std::string_view name);  // "hex", "base64"
std::string encode(Encoding encoding, std::string_view bytes);      // hex in lower case
// Nothing when it is not so encoded. Hex in either case, base64 of either alphabet.
std::optional<Bytes> decode(Encoding encoding, std::string_view text);

}  // namespace tieline::auth
