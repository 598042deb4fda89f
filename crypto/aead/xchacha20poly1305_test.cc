#include "crypto/aead/xchacha20poly1305.h"

#include <string>

#include "absl/status/status.h"
#include "crypto/base/secret_bytes.h"
#include "crypto/base/testing/status_matchers.h"
#include "crypto/random/testing/seeded_random.h"
#include "crypto/testdata/vector_file.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace messenger::crypto {
namespace {

using ::messenger::testing::IsOkAndHolds;
using ::messenger::testing::StatusIs;

void ExpectMatches(const TestVector& vector) {
  SCOPED_TRACE(vector.name());
  const auto key = SecretBytes<32>::FromBytes(vector.Bytes("key")).value();
  const XNonce nonce = XNonce::FromBytes(vector.Bytes("nonce")).value();
  EXPECT_EQ(
      XChaChaSeal(key, nonce, vector.Bytes("ad"), vector.Bytes("plaintext")),
      vector.Bytes("ciphertext"));
  EXPECT_THAT(
      XChaChaOpen(key, nonce, vector.Bytes("ad"), vector.Bytes("ciphertext")),
      IsOkAndHolds(vector.Bytes("plaintext")));
}

TEST(XChaChaTest, MatchesTheDraft) {
  ExpectMatches(LoadVector("crypto/testdata/aead.txt", "draft A.3.1"));
}

TEST(XChaChaTest, MatchesTheSecondImplementation) {
  for (const TestVector& vector :
       LoadVectors("crypto/testdata/constructions.txt", "xchacha ")) {
    ExpectMatches(vector);
  }
}

class XChaChaForgeryTest : public ::testing::Test {
 protected:
  void ExpectRefused(const std::string& ciphertext) {
    EXPECT_THAT(XChaChaOpen(key_, nonce_, "ad", ciphertext),
                StatusIs(absl::StatusCode::kUnauthenticated));
  }

  SeededRandom random_{1};
  const SecretBytes<32> key_ = random_.Secret<32>();
  const XNonce nonce_ = random_.Fixed<XNonce>();
  const std::string sealed_ = XChaChaSeal(key_, nonce_, "ad", "attack at dawn");
};

TEST_F(XChaChaForgeryTest, UntouchedCiphertextOpens) {
  EXPECT_THAT(XChaChaOpen(key_, nonce_, "ad", sealed_),
              IsOkAndHolds("attack at dawn"));
}

TEST_F(XChaChaForgeryTest, EveryFlippedBitIsRefused) {
  for (size_t bit = 0; bit < 8 * sealed_.size(); ++bit) {
    std::string forged = sealed_;
    forged[bit / 8] = static_cast<char>(forged[bit / 8] ^ 1 << bit % 8);
    ExpectRefused(forged);
  }
}

TEST_F(XChaChaForgeryTest, EveryTruncationIsRefused) {
  for (size_t size = 0; size < sealed_.size(); ++size) {
    ExpectRefused(sealed_.substr(0, size));
  }
  ExpectRefused(sealed_ + '\0');
}

TEST_F(XChaChaForgeryTest, OtherKeyNonceOrAdIsRefused) {
  const absl::StatusCode refused = absl::StatusCode::kUnauthenticated;
  EXPECT_THAT(XChaChaOpen(random_.Secret<32>(), nonce_, "ad", sealed_),
              StatusIs(refused));
  EXPECT_THAT(XChaChaOpen(key_, random_.Fixed<XNonce>(), "ad", sealed_),
              StatusIs(refused));
  EXPECT_THAT(XChaChaOpen(key_, nonce_, "aD", sealed_), StatusIs(refused));
  EXPECT_THAT(XChaChaOpen(key_, nonce_, "", sealed_), StatusIs(refused));
}

}  // namespace
}  // namespace messenger::crypto
