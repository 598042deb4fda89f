#include "crypto/stream/aes_ctr.h"

#include <string>

#include "absl/types/span.h"
#include "crypto/base/secret_bytes.h"
#include "crypto/testdata/vector_file.h"
#include "gtest/gtest.h"

namespace messenger::crypto {
namespace {

std::string Xor(const std::string& key, const std::string& iv,
                std::string text) {
  Aes256CtrXor(SecretBytes<32>::FromBytes(key).value(),
               AesCtrIv::FromBytes(iv).value(),
               absl::MakeSpan(text.data(), text.size()));
  return text;
}

const std::string kKey(32, 'k');

TEST(Aes256CtrTest, MatchesSp80038a) {
  const TestVector vector = LoadVector("crypto/testdata/aes_ctr.txt", "F.5.5");
  EXPECT_EQ(
      Xor(vector.Bytes("key"), vector.Bytes("iv"), vector.Bytes("plaintext")),
      vector.Bytes("ciphertext"));
}

TEST(Aes256CtrTest, DoingItTwiceGivesTheBytesBack) {
  const std::string iv(16, 'i');
  for (const size_t size : {0, 1, 15, 16, 17, 1000}) {
    const std::string text(size, 'x');
    EXPECT_EQ(Xor(kKey, iv, Xor(kKey, iv, text)), text) << size;
  }
}

TEST(Aes256CtrTest, KeyStreamOfALongerTextBeginsAlike) {
  const std::string iv(16, 'i');
  EXPECT_EQ(Xor(kKey, iv, std::string(100, '\0')).substr(0, 33),
            Xor(kKey, iv, std::string(33, '\0')));
}

// The carry runs through all 16 bytes of the counter.
TEST(Aes256CtrTest, CounterWrapsAround) {
  const std::string last(16, '\xff');
  const std::string first(16, '\0');
  EXPECT_EQ(Xor(kKey, last, std::string(32, '\0')).substr(16),
            Xor(kKey, first, std::string(16, '\0')));
}

TEST(Aes256CtrTest, KeyAndIvMatter) {
  const std::string text(32, 'x');
  const std::string iv(16, 'i');
  EXPECT_NE(Xor(kKey, iv, text), Xor(std::string(32, 'K'), iv, text));
  EXPECT_NE(Xor(kKey, iv, text), Xor(kKey, std::string(16, 'I'), text));
}

}  // namespace
}  // namespace messenger::crypto
