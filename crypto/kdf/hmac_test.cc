#include "crypto/kdf/hmac.h"

#include <string>

#include "crypto/testdata/vector_file.h"
#include "gtest/gtest.h"

namespace messenger::crypto {
namespace {

TEST(HmacTest, MatchesRfc4231) {
  for (const TestVector& vector :
       LoadVectors("crypto/testdata/hmac.txt", "rfc4231")) {
    SCOPED_TRACE(vector.name());
    const std::string& key = vector.Bytes("key");
    const std::string& message = vector.Bytes("message");
    EXPECT_EQ(HmacSha256(key, {message}).Expose(), vector.Bytes("sha256"));
    EXPECT_EQ(HmacSha512Truncated32(key, message).Expose(),
              vector.Bytes("sha512").substr(0, 32));
  }
}

TEST(HmacTest, StepsASignalChain) {
  const TestVector vector = LoadVector("crypto/testdata/hmac.txt", "chain");
  EXPECT_EQ(HmacSha256(vector.Bytes("key"), {vector.Bytes("message")}).Expose(),
            vector.Bytes("next"));
}

TEST(HmacTest, PartsAreConcatenated) {
  EXPECT_EQ(HmacSha256("key", {"ab", "", "c"}).Expose(),
            HmacSha256("key", {"abc"}).Expose());
  EXPECT_EQ(HmacSha256("key", {}).Expose(), HmacSha256("key", {""}).Expose());
}

TEST(HmacTest, KeyAndMessageMatter) {
  EXPECT_NE(HmacSha256("key", {"a"}).Expose(),
            HmacSha256("key", {"b"}).Expose());
  EXPECT_NE(HmacSha512Truncated32("key", "a").Expose(),
            HmacSha512Truncated32("kez", "a").Expose());
}

}  // namespace
}  // namespace messenger::crypto
