// Byte strings, the encodings that signatures and records use, and the hashes that are not cryptography.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace tieline {

using Bytes = std::string;

std::string to_hex(std::string_view bytes);  // lower case
Result<Bytes> from_hex(std::string_view text);
std::string to_base64(std::string_view bytes);  // RFC 4648 §4, padded
// Standard or URL alphabet, padding optional. kInvalid on any other character.
Result<Bytes> from_base64(std::string_view text);

// CRC-32C (Castagnoli, RFC 3720 B.4), of `bytes` after `seed` (the crc of what came before).
std::uint32_t crc32c(std::string_view bytes, std::uint32_t seed = 0);
// A fast 64-bit hash for tables; stable across runs and versions, so that it may be stored. Not for adversaries.
std::uint64_t hash64(std::string_view bytes, std::uint64_t seed = 0);

// Little-endian fixed-width integers, for records on disk.
void put_u32(Bytes& out, std::uint32_t value);
void put_u64(Bytes& out, std::uint64_t value);
std::uint32_t get_u32(const char* at);
std::uint64_t get_u64(const char* at);

}  // namespace tieline
