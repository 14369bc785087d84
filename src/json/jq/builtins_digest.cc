// Digests of texts: sha256, hmac_sha256 and the name-based UUID of RFC 9562. OpenSSL computes them.
// Nothing random may come from here: the same program gives the same document.
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>

#include <algorithm>
#include <array>
#include <string>

#include "base/bytes.h"
#include "base/check.h"
#include "base/text.h"
#include "json/jq/machine.h"
#include "json/jq/natives.h"
#include "json/jq/values.h"

namespace tieline::json::jq {
namespace {

const unsigned char* raw(std::string_view text) { return reinterpret_cast<const unsigned char*>(text.data()); }
std::string_view seen(const unsigned char* bytes, std::size_t size) {
  return {reinterpret_cast<const char*>(bytes), size};
}

bool is_text(Machine& m, Node in, std::string_view name) {
  return is_string(in) || m.fail_type(in, "is not a text, which " + std::string(name) +
                                              " wants; use tostring, or tojson for a whole document");
}

bool sha256(Machine& m, Node in, const Node*, Node& out) {
  if (!is_text(m, in, "sha256")) return false;
  std::array<unsigned char, SHA256_DIGEST_LENGTH> digest;
  CHECK(SHA256(raw(in.view()), in.length, digest.data()) != nullptr);
  out = m.text(to_hex(seen(digest.data(), digest.size())));
  return m.spend(in.length / 8);
}

bool hmac_sha256(Machine& m, Node in, const Node* a, Node& out) {
  if (!is_text(m, in, "hmac_sha256")) return false;
  if (!is_string(a[0])) return m.fail("hmac_sha256 wants a text as its key, not " + std::string(kind_name(a[0].kind)));
  const std::string_view key = a[0].view();
  std::array<unsigned char, SHA256_DIGEST_LENGTH> digest;
  unsigned int size = 0;
  CHECK(HMAC(EVP_sha256(), key.empty() ? "" : key.data(), static_cast<int>(key.size()), raw(in.view()), in.length,
             digest.data(), &size) != nullptr &&
        size == digest.size());
  out = m.text(to_hex(seen(digest.data(), digest.size())));
  return m.spend((std::size_t{in.length} + a[0].length) / 8);
}

// RFC 9562 §6.6.
struct Namespace {
  std::string_view name;
  std::string_view uuid;
};
constexpr std::array kNamespaces = {
    Namespace{"dns", "6ba7b810-9dad-11d1-80b4-00c04fd430c8"},
    Namespace{"url", "6ba7b811-9dad-11d1-80b4-00c04fd430c8"},
    Namespace{"oid", "6ba7b812-9dad-11d1-80b4-00c04fd430c8"},
    Namespace{"x500", "6ba7b814-9dad-11d1-80b4-00c04fd430c8"},
};

constexpr bool is_dash(std::size_t at) { return at == 8 || at == 13 || at == 18 || at == 23; }

// The 16 bytes of a UUID's text; nothing where it is none.
Bytes uuid_bytes(std::string_view text) {
  std::string digits;
  if (text.size() != 36) return {};
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (is_dash(i) != (text[i] == '-')) return {};
    if (!is_dash(i)) digits += text[i];
  }
  return from_hex(digits).value_or(Bytes());
}

bool uuid5(Machine& m, Node in, const Node* a, Node& out) {
  if (!is_text(m, in, "uuid5")) return false;
  std::string_view name = is_string(a[0]) ? a[0].view() : std::string_view();
  for (const Namespace& known : kNamespaces) {
    if (known.name == name) name = known.uuid;
  }
  Bytes bytes = uuid_bytes(name);
  if (bytes.empty()) {
    return m.fail_type(a[0], "is not a namespace of uuid5, which is \"dns\", \"url\", \"oid\", \"x500\" or a UUID");
  }
  if (!m.room(in.length)) return false;
  bytes += in.view();
  std::array<unsigned char, SHA_DIGEST_LENGTH> digest;
  CHECK(SHA1(raw(bytes), bytes.size(), digest.data()) != nullptr);
  digest[6] = static_cast<unsigned char>((digest[6] & 0x0F) | 0x50);  // version 5
  digest[8] = static_cast<unsigned char>((digest[8] & 0x3F) | 0x80);  // variant 10
  std::string text = to_hex(seen(digest.data(), 16));
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (is_dash(i)) text.insert(i, 1, '-');
  }
  out = m.text(text);
  return m.spend(in.length / 8);
}

constexpr std::array kDigests = {
    Native{"sha256", 0, sha256},
    Native{"hmac_sha256", 1, hmac_sha256},
    Native{"uuid5", 1, uuid5},
};

}  // namespace

std::span<const Native> digest_natives() { return kDigests; }

}  // namespace tieline::json::jq
