#include "auth/hash.h"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>
#include <vector>

#include "json/value.h"

namespace tieline::auth {
namespace {

struct HmacCase {
  const char* name;
  std::string key, data;
  const char* sha256;
  const char* sha512;
};

// RFC 4231 §4.
std::vector<HmacCase> rfc4231() {
  std::string counting;
  for (char c = 1; c <= 0x19; ++c) counting += c;
  return {
      {"1", std::string(20, '\x0b'), "Hi There", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
       "87aa7cdea5ef619d4ff0b4241a1d6cb02379f4e2ce4ec2787ad0b30545e17cdedaa833b7d6b8a702038b274eaea3f4e4be9d914eeb61f17"
       "02e"
       "696c203a126854"},
      {"2", "Jefe", "what do ya want for nothing?", "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
       "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4"
       "b63"
       "6e070a38bce737"},
      {"3", std::string(20, '\xaa'), std::string(50, '\xdd'),
       "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe",
       "fa73b0089d56a284efb0f0756c890be9b1b5dbdd8ee81a3655f83e33b2279d39bf3e848279a722c806b485a47e67c807b946a337bee8942"
       "674"
       "278859e13292fb"},
      {"4", counting, std::string(50, '\xcd'), "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b",
       "b0ba465637458c6990e5a8c5f61d4af7e576d97ff94b872de76f8050361ee3dba91ca5c11aa25eb4d679275cc5788063a5f19741120c4f2"
       "de2"
       "adebeb10a298dd"},
      {"6", std::string(131, '\xaa'), "Test Using Larger Than Block-Size Key - Hash Key First",
       "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
       "80b24263c7c1a3ebb71493c1dd7be8b49b46d1f41b4aeec1121b013783f8f3526b56d037e05f2598bd0fd2215d6a1e5295e64f73f63f0ae"
       "c8b"
       "915a985d786598"},
  };
}

TEST(Hmac, SignsAsRfc4231Says) {
  for (const HmacCase& one : rfc4231()) {
    EXPECT_EQ(to_hex(HmacKey(Hash::kSha256, one.key).sign(one.data)), one.sha256) << one.name;
    EXPECT_EQ(to_hex(HmacKey(Hash::kSha512, one.key).sign(one.data)), one.sha512) << one.name;
  }
  // RFC 2202 §3, case 2.
  EXPECT_EQ(to_hex(HmacKey(Hash::kSha1, "Jefe").sign("what do ya want for nothing?")),
            "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79");
}

TEST(Hmac, PartsSignLikeOneText) {
  const HmacKey key(Hash::kSha256, "secret");
  const std::vector<std::string_view> parts{"v0:", "", "1531420618", ":", "body"};
  EXPECT_EQ(key.sign(parts), key.sign("v0:1531420618:body"));
  EXPECT_TRUE(key.verify(parts, key.sign("v0:1531420618:body")));
}

TEST(Hmac, AnEmptyKeyIsAKey) {
  EXPECT_EQ(to_hex(HmacKey(Hash::kSha256, std::string_view()).sign("")),
            "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

TEST(Hmac, RefusesShortLongAndChangedSignatures) {
  const HmacKey key(Hash::kSha256, "secret");
  const Bytes good = key.sign("text");
  EXPECT_TRUE(key.verify("text", good));
  EXPECT_FALSE(key.verify("text ", good));
  EXPECT_FALSE(key.verify("text", good.substr(0, 31)));
  EXPECT_FALSE(key.verify("text", good + '\0'));
  EXPECT_FALSE(key.verify("text", ""));
  for (std::size_t i = 0; i < good.size(); ++i) {
    Bytes changed = good;
    changed[i] = static_cast<char>(changed[i] ^ 1);
    EXPECT_FALSE(key.verify("text", changed)) << i;
  }
}

TEST(Hmac, AgreesWithWycheproof) {
  std::ifstream file("../shared/corpora/crypto/hmac_sha256_test.json");
  if (!file) GTEST_SKIP() << "../shared/corpora is not here";
  std::stringstream text;
  text << file.rdbuf();
  const auto document = json::parse(text.str());
  ASSERT_TRUE(document.has_value());
  int tried = 0;
  for (const json::Value group : document->root()["testGroups"].elements()) {
    const auto tag_bytes = static_cast<std::size_t>(*group["tagSize"].as_int64() / 8);
    for (const json::Value test : group["tests"].elements()) {
      const auto key = from_hex(test["key"].as_string()), message = from_hex(test["msg"].as_string()),
                 tag = from_hex(test["tag"].as_string());
      ASSERT_TRUE(key && message && tag);
      const Bytes made = HmacKey(Hash::kSha256, *key).sign(*message).substr(0, tag_bytes);
      EXPECT_EQ(equal_constant_time(made, *tag), test["result"].as_string() == "valid") << test["tcId"].number_text();
      ++tried;
    }
  }
  EXPECT_GT(tried, 100);
}

TEST(Hash, DigestsAsFips180Says) {
  EXPECT_EQ(to_hex(sha256("abc")), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  const std::vector<std::string_view> parts{"a", "bc"};
  EXPECT_EQ(to_hex(digest(Hash::kSha1, parts)), "a9993e364706816aba3e25717850c26c9cd0d89d");
  EXPECT_EQ(digest(Hash::kSha512, parts).size(), 64u);
}

TEST(Hash, NamesReadBack) {
  for (const Hash hash : {Hash::kSha1, Hash::kSha256, Hash::kSha512}) {
    EXPECT_EQ(hash_from_name(hash_name(hash)), hash);
    EXPECT_EQ(HmacKey(hash, "k").sign("").size(), hash_bytes(hash));
  }
  EXPECT_EQ(hash_from_name("md5"), std::nullopt);
}

TEST(Hash, EncodingsReadEitherCase) {
  EXPECT_EQ(decode(Encoding::kHex, "00fF"), Bytes("\x00\xff", 2));
  EXPECT_EQ(decode(Encoding::kHex, "0"), std::nullopt);
  EXPECT_EQ(decode(Encoding::kBase64, encode(Encoding::kBase64, "\xfb\xff")), Bytes("\xfb\xff"));
  EXPECT_EQ(decode(Encoding::kBase64, "*"), std::nullopt);
}

TEST(Hash, IdsDiffer) {
  EXPECT_EQ(random_id().size(), 32u);
  EXPECT_NE(random_id(), random_id());
  EXPECT_EQ(random_bytes(7).size(), 7u);
}

}  // namespace
}  // namespace tieline::auth
