#include "auth/hash.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/rand.h>

#include <array>
#include <utility>

#include "base/check.h"

namespace tieline::auth {
namespace {

constexpr std::array<std::pair<Hash, std::string_view>, 3> kHashes{
    {{Hash::kSha1, "sha1"}, {Hash::kSha256, "sha256"}, {Hash::kSha512, "sha512"}}};

const EVP_MD* method_of(Hash hash) {
  switch (hash) {
    case Hash::kSha1: return EVP_sha1();
    case Hash::kSha256: return EVP_sha256();
    case Hash::kSha512: return EVP_sha512();
  }
  return EVP_sha256();
}

const unsigned char* raw(std::string_view bytes) { return reinterpret_cast<const unsigned char*>(bytes.data()); }
unsigned char* raw(Bytes& bytes) { return reinterpret_cast<unsigned char*>(bytes.data()); }

struct FreeMac {
  void operator()(EVP_MAC* mac) const { EVP_MAC_free(mac); }
  void operator()(EVP_MAC_CTX* context) const { EVP_MAC_CTX_free(context); }
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};

}  // namespace

std::string_view hash_name(Hash hash) { return kHashes[static_cast<std::size_t>(hash)].second; }

std::optional<Hash> hash_from_name(std::string_view name) {
  for (const auto& [hash, known] : kHashes) {
    if (known == name) return hash;
  }
  return std::nullopt;
}

std::size_t hash_bytes(Hash hash) {
  switch (hash) {
    case Hash::kSha1: return 20;
    case Hash::kSha256: return 32;
    case Hash::kSha512: return 64;
  }
  return 0;
}

Bytes digest(Hash hash, std::span<const std::string_view> parts) {
  const std::unique_ptr<EVP_MD_CTX, FreeMac> context(EVP_MD_CTX_new());
  CHECK(context && EVP_DigestInit_ex(context.get(), method_of(hash), nullptr) == 1);
  for (const std::string_view part : parts) CHECK(EVP_DigestUpdate(context.get(), part.data(), part.size()) == 1);
  Bytes out(hash_bytes(hash), '\0');
  CHECK(EVP_DigestFinal_ex(context.get(), raw(out), nullptr) == 1);
  return out;
}

Bytes sha256(std::string_view bytes) { return digest(Hash::kSha256, std::span(&bytes, 1)); }

bool equal_constant_time(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

Bytes random_bytes(std::size_t count) {
  Bytes out(count, '\0');
  // Without a working generator no id or key may be given out at all.
  CHECK(RAND_bytes(raw(out), static_cast<int>(count)) == 1);
  return out;
}

std::string random_id() { return to_hex(random_bytes(16)); }

struct HmacKey::State {
  Hash hash;
  std::unique_ptr<EVP_MAC_CTX, FreeMac> keyed;  // copied for each signature: the key's two blocks are hashed once
};

HmacKey::HmacKey(Hash hash, std::string_view key) : state_(std::make_unique<State>()) {
  const std::unique_ptr<EVP_MAC, FreeMac> mac(EVP_MAC_fetch(nullptr, OSSL_MAC_NAME_HMAC, nullptr));
  CHECK(mac);
  state_->hash = hash;
  state_->keyed.reset(EVP_MAC_CTX_new(mac.get()));
  std::string name(hash_name(hash));
  const std::array<OSSL_PARAM, 2> parameters{OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, name.data(), 0),
                                             OSSL_PARAM_construct_end()};
  // A null key with no length would mean "the key of before" to OpenSSL.
  const std::string_view text = key.data() == nullptr ? std::string_view("") : key;
  CHECK(state_->keyed && EVP_MAC_init(state_->keyed.get(), raw(text), text.size(), parameters.data()) == 1);
}

HmacKey::~HmacKey() = default;
HmacKey::HmacKey(HmacKey&&) noexcept = default;
HmacKey& HmacKey::operator=(HmacKey&&) noexcept = default;

Bytes HmacKey::sign(std::span<const std::string_view> parts) const {
  const std::unique_ptr<EVP_MAC_CTX, FreeMac> context(EVP_MAC_CTX_dup(state_->keyed.get()));
  CHECK(context);
  for (const std::string_view part : parts) CHECK(EVP_MAC_update(context.get(), raw(part), part.size()) == 1);
  Bytes out(hash_bytes(state_->hash), '\0');
  std::size_t written = 0;
  CHECK(EVP_MAC_final(context.get(), raw(out), &written, out.size()) == 1 && written == out.size());
  return out;
}

bool HmacKey::verify(std::span<const std::string_view> parts, std::string_view signature) const {
  return equal_constant_time(sign(parts), signature);
}

std::optional<Encoding> encoding_from_name(std::string_view name) {
  if (name == "hex") return Encoding::kHex;
  if (name == "base64") return Encoding::kBase64;
  return std::nullopt;
}

std::string encode(Encoding encoding, std::string_view bytes) {
  return encoding == Encoding::kHex ? to_hex(bytes) : to_base64(bytes);
}

std::optional<Bytes> decode(Encoding encoding, std::string_view text) {
  auto bytes = encoding == Encoding::kHex ? from_hex(text) : from_base64(text);
  if (!bytes) return std::nullopt;
  return std::move(*bytes);
}

}  // namespace tieline::auth
