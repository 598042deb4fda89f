#include "crypto/sign/ed25519.h"

#include <string>
#include <type_traits>

#include "absl/status/status.h"
#include "crypto/base/secret_bytes.h"
#include "crypto/base/testing/status_matchers.h"
#include "crypto/random/testing/seeded_random.h"
#include "crypto/sign/raw_ed25519.h"
#include "crypto/testdata/vector_file.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace messenger::crypto {
namespace {

using ::messenger::testing::IsOk;
using ::messenger::testing::StatusIs;

// Misuse that must not compile.
static_assert(!std::is_copy_constructible_v<Ed25519PrivateKey>);
static_assert(!std::is_default_constructible_v<Ed25519PrivateKey>);
static_assert(!std::is_convertible_v<Ed25519PublicKey, Ed25519Signature>);
static_assert(!std::is_convertible_v<int, SigningDomain>);

Ed25519PrivateKey KeyFromSeed(const std::string& seed) {
  return Ed25519PrivateKey::FromSeed(Ed25519Seed::FromBytes(seed).value());
}

TEST(RawEd25519Test, MatchesRfc8032) {
  for (const TestVector& vector :
       LoadVectors("crypto/testdata/ed25519.txt", "rfc8032")) {
    SCOPED_TRACE(vector.name());
    const Ed25519PrivateKey key = KeyFromSeed(vector.Bytes("seed"));
    EXPECT_EQ(key.public_key().bytes(), vector.Bytes("public"));
    const auto expanded = SecretBytes<64>::FromBytes(vector.Bytes("seed") +
                                                     vector.Bytes("public"))
                              .value();
    const Ed25519Signature signature =
        internal::RawSign(expanded, vector.Bytes("message"));
    EXPECT_EQ(signature.bytes(), vector.Bytes("signature"));
    EXPECT_TRUE(internal::RawVerify(key.public_key(), vector.Bytes("message"),
                                    signature));
    EXPECT_FALSE(internal::RawVerify(key.public_key(),
                                     vector.Bytes("message") + "x", signature));
  }
}

TEST(Ed25519Test, DomainsMatchTheSecondImplementation) {
  for (const TestVector& vector :
       LoadVectors("crypto/testdata/constructions.txt", "sign ")) {
    SCOPED_TRACE(vector.name());
    const Ed25519PrivateKey key = KeyFromSeed(vector.Bytes("seed"));
    EXPECT_EQ(key.public_key().bytes(), vector.Bytes("public"));
    const auto domain = static_cast<SigningDomain>(vector.Bytes("domain")[0]);
    const Ed25519Signature signature =
        key.Sign(domain, vector.Bytes("message"));
    EXPECT_EQ(signature.bytes(), vector.Bytes("signature"));
    EXPECT_THAT(
        Verify(key.public_key(), domain, vector.Bytes("message"), signature),
        IsOk());
  }
}

class Ed25519ForgeryTest : public ::testing::Test {
 protected:
  static constexpr SigningDomain kDomain = SigningDomain::kRetrieve;

  void ExpectRefused(const Ed25519PublicKey& key, SigningDomain domain,
                     const std::string& message,
                     const Ed25519Signature& signature) {
    EXPECT_THAT(Verify(key, domain, message, signature),
                StatusIs(absl::StatusCode::kUnauthenticated));
  }

  SeededRandom random_{1};
  const Ed25519PrivateKey key_ = Ed25519PrivateKey::Generate(random_);
  const Ed25519Signature signature_ = key_.Sign(kDomain, "hi");
};

TEST_F(Ed25519ForgeryTest, OwnSignatureVerifies) {
  EXPECT_THAT(Verify(key_.public_key(), kDomain, "hi", signature_), IsOk());
}

TEST_F(Ed25519ForgeryTest, SigningIsDeterministic) {
  EXPECT_EQ(key_.Sign(kDomain, "hi"), signature_);
  EXPECT_EQ(Ed25519PrivateKey::FromSeed(key_.seed()).Sign(kDomain, "hi"),
            signature_);
}

TEST_F(Ed25519ForgeryTest, SignatureDoesNotVerifyUnderAnotherDomain) {
  for (int domain = 0; domain < 256; ++domain) {
    if (domain == static_cast<int>(kDomain)) continue;
    ExpectRefused(key_.public_key(), static_cast<SigningDomain>(domain), "hi",
                  signature_);
  }
}

TEST_F(Ed25519ForgeryTest, OtherMessageIsRefused) {
  for (const char* message : {"", "h", "hj", "hi "}) {
    ExpectRefused(key_.public_key(), kDomain, message, signature_);
  }
}

TEST_F(Ed25519ForgeryTest, EveryFlippedSignatureBitIsRefused) {
  for (size_t bit = 0; bit < 8 * Ed25519Signature::kSize; ++bit) {
    Ed25519Signature forged = signature_;
    forged.data()[bit / 8] =
        static_cast<char>(forged.data()[bit / 8] ^ 1 << bit % 8);
    ExpectRefused(key_.public_key(), kDomain, "hi", forged);
  }
}

TEST_F(Ed25519ForgeryTest, EveryFlippedKeyBitIsRefused) {
  for (size_t bit = 0; bit < 8 * Ed25519PublicKey::kSize; ++bit) {
    Ed25519PublicKey other = key_.public_key();
    other.data()[bit / 8] =
        static_cast<char>(other.data()[bit / 8] ^ 1 << bit % 8);
    ExpectRefused(other, kDomain, "hi", signature_);
  }
}

// S and S + L satisfy the same equation; only the smaller may verify, or
// anybody could make a second valid signature from the first.
TEST_F(Ed25519ForgeryTest, SignatureWithANonCanonicalScalarIsRefused) {
  static constexpr unsigned char kOrder[32] = {
      0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7,
      0xa2, 0xde, 0xf9, 0xde, 0x14, 0,    0,    0,    0,    0,    0,
      0,    0,    0,    0,    0,    0,    0,    0,    0,    0x10};
  Ed25519Signature forged = signature_;
  int carry = 0;
  for (size_t i = 0; i < 32; ++i) {
    carry += static_cast<unsigned char>(forged.data()[32 + i]) + kOrder[i];
    forged.data()[32 + i] = static_cast<char>(carry);
    carry >>= 8;
  }
  ASSERT_NE(forged, signature_);
  ExpectRefused(key_.public_key(), kDomain, "hi", forged);
}

// With a key of small order, a signature of zeros would verify for many
// messages. Here: the neutral element, as key and as R, with S = 0.
TEST_F(Ed25519ForgeryTest, KeysOfSmallOrderAreRefused) {
  Ed25519PublicKey neutral;
  neutral.data()[0] = 1;
  Ed25519Signature forged;
  forged.data()[0] = 1;
  ExpectRefused(neutral, kDomain, "hi", forged);
}

TEST_F(Ed25519ForgeryTest, KeysThatAreNoPointsAreRefused) {
  ExpectRefused(Ed25519PublicKey(), kDomain, "hi", signature_);
  // y = p + 1, the non-canonical name of the neutral element.
  const Ed25519PublicKey non_canonical =
      Ed25519PublicKey::FromHex("ee" + std::string(60, 'f') + "7f").value();
  Ed25519Signature forged;
  forged.data()[0] = 1;
  ExpectRefused(non_canonical, kDomain, "hi", forged);
}

}  // namespace
}  // namespace messenger::crypto
