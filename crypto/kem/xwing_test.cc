#include "crypto/kem/xwing.h"

#include <cstring>
#include <string>
#include <type_traits>
#include <vector>

#include "absl/status/status.h"
#include "crypto/base/secret_bytes.h"
#include "crypto/base/testing/status_matchers.h"
#include "crypto/hash/hash.h"
#include "crypto/random/testing/scripted_random.h"
#include "crypto/random/testing/seeded_random.h"
#include "crypto/testdata/vector_file.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace messenger::crypto {
namespace {

using ::messenger::testing::StatusIs;

// Misuse that must not compile.
static_assert(!std::is_copy_constructible_v<XWingPrivateKey>);
static_assert(!std::is_copy_constructible_v<XWingEncapsulation>);

constexpr size_t kMlKemPublicKeyBytes = 1184;
constexpr size_t kMlKemCiphertextBytes = 1088;

TEST(XWingTest, MatchesTheDraft) {
  const std::vector<TestVector> vectors =
      LoadVectors("crypto/testdata/xwing.txt");
  ASSERT_EQ(vectors.size(), 3u);
  for (const TestVector& vector : vectors) {
    SCOPED_TRACE(vector.name());
    const XWingPrivateKey key = XWingPrivateKey::FromSeed(
        SecretBytes<32>::FromBytes(vector.Bytes("seed")).value());
    ScriptedRandom coins(vector.Bytes("eseed"));
    const XWingEncapsulation sent =
        XWingEncapsulate(key.public_key(), coins).value();
    EXPECT_TRUE(coins.used_up());
    if (vector.Has("public")) {
      EXPECT_EQ(key.public_key().bytes(), vector.Bytes("public"));
      EXPECT_EQ(sent.ciphertext.bytes(), vector.Bytes("ciphertext"));
    } else {
      EXPECT_EQ(Sha3_256(key.public_key().bytes()).bytes(),
                vector.Bytes("public_sha3"));
      EXPECT_EQ(Sha3_256(sent.ciphertext.bytes()).bytes(),
                vector.Bytes("ciphertext_sha3"));
    }
    EXPECT_EQ(sent.secret.Expose(), vector.Bytes("secret"));
    EXPECT_EQ(key.Decapsulate(sent.ciphertext).value().Expose(),
              vector.Bytes("secret"));
  }
}

class XWingAttackTest : public ::testing::Test {
 protected:
  SeededRandom random_{1};
  const XWingPrivateKey key_ = XWingPrivateKey::Generate(random_);
  const XWingEncapsulation sent_ =
      XWingEncapsulate(key_.public_key(), random_).value();
};

TEST_F(XWingAttackTest, UntouchedCiphertextGivesTheSecret) {
  EXPECT_EQ(key_.Decapsulate(sent_.ciphertext).value().Expose(),
            sent_.secret.Expose());
}

TEST_F(XWingAttackTest, SeedGivesTheKeyBack) {
  EXPECT_EQ(XWingPrivateKey::FromSeed(key_.seed()).public_key(),
            key_.public_key());
}

TEST_F(XWingAttackTest, FlippedCiphertextGivesAnotherSecret) {
  // Both parts of the ciphertext; not the top bit of the X25519 point, which
  // stands for the same point.
  for (size_t byte = 0; byte < XWingCiphertext::kSize; byte += 37) {
    XWingCiphertext tampered = sent_.ciphertext;
    tampered.data()[byte] ^= 1;
    EXPECT_NE(key_.Decapsulate(tampered).value().Expose(),
              sent_.secret.Expose())
        << byte;
  }
}

// The secret hashes the encoding, so even another name of the same point
// gives another secret.
TEST_F(XWingAttackTest, OtherEncodingOfTheSamePointGivesAnotherSecret) {
  XWingCiphertext tampered = sent_.ciphertext;
  tampered.data()[XWingCiphertext::kSize - 1] ^= '\x80';
  EXPECT_NE(key_.Decapsulate(tampered).value().Expose(), sent_.secret.Expose());
}

TEST_F(XWingAttackTest, OtherKeyGivesAnotherSecret) {
  const XWingPrivateKey other = XWingPrivateKey::Generate(random_);
  EXPECT_NE(other.Decapsulate(sent_.ciphertext).value().Expose(),
            sent_.secret.Expose());
}

TEST_F(XWingAttackTest, CiphertextWithAPointOfSmallOrderIsRefused) {
  XWingCiphertext tampered = sent_.ciphertext;
  std::memset(tampered.data() + kMlKemCiphertextBytes, 0, 32);
  EXPECT_THAT(key_.Decapsulate(tampered),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST_F(XWingAttackTest, KeyWithAPointOfSmallOrderIsRefused) {
  XWingPublicKey bad = key_.public_key();
  std::memset(bad.data() + kMlKemPublicKeyBytes, 0, 32);
  EXPECT_THAT(XWingEncapsulate(bad, random_),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST_F(XWingAttackTest, KeyThatFailsTheModulusCheckIsRefused) {
  XWingPublicKey bad = key_.public_key();
  bad.data()[0] = '\xff';
  bad.data()[1] = static_cast<char>(bad.data()[1] | 0x0f);
  EXPECT_THAT(XWingEncapsulate(bad, random_),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

}  // namespace
}  // namespace messenger::crypto
