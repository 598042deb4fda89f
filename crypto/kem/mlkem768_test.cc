#include "crypto/kem/mlkem768.h"

#include <string>
#include <type_traits>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "crypto/base/secret_bytes.h"
#include "crypto/base/testing/status_matchers.h"
#include "crypto/hash/hash.h"
#include "crypto/random/random.h"
#include "crypto/random/testing/scripted_random.h"
#include "crypto/random/testing/seeded_random.h"
#include "crypto/testdata/vector_file.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "sodium.h"

namespace messenger::crypto {
namespace {

using ::messenger::testing::StatusIs;

// Misuse that must not compile.
static_assert(!std::is_copy_constructible_v<MlKem768PrivateKey>);
static_assert(!std::is_copy_constructible_v<MlKem768Encapsulation>);
static_assert(!std::is_convertible_v<MlKem768PublicKey, MlKem768Ciphertext>);

constexpr char kFile[] = "crypto/testdata/mlkem768.txt";

MlKem768PrivateKey KeyFromSeed(const std::string& seed) {
  return MlKem768PrivateKey::FromSeed(SecretBytes<64>::FromBytes(seed).value());
}

TEST(MlKem768Test, MatchesKnownAnswers) {
  for (const TestVector& vector : LoadVectors(kFile, "kat ")) {
    SCOPED_TRACE(vector.name());
    const MlKem768PrivateKey key =
        KeyFromSeed(vector.Bytes("d") + vector.Bytes("z"));
    EXPECT_EQ(Sha3_256(key.public_key().bytes()).bytes(),
              vector.Bytes("public_sha3"));

    ScriptedRandom coins(vector.Bytes("m"));
    MlKem768Encapsulation sent =
        MlKem768Encapsulate(key.public_key(), coins).value();
    EXPECT_EQ(Sha3_256(sent.ciphertext.bytes()).bytes(),
              vector.Bytes("ciphertext_sha3"));
    EXPECT_EQ(sent.secret.Expose(), vector.Bytes("secret"));
    EXPECT_EQ(key.Decapsulate(sent.ciphertext).Expose(),
              vector.Bytes("secret"));

    sent.ciphertext.data()[0] ^= 1;
    EXPECT_EQ(key.Decapsulate(sent.ciphertext).Expose(),
              vector.Bytes("rejected_secret"));
  }
}

// SHAKE128 of nothing, as the accumulated test draws from it.
class ShakeRandom final : public Random {
 public:
  ShakeRandom() { crypto_xof_shake128_init(&state_); }
  void Fill(absl::Span<char> out) override {
    crypto_xof_shake128_squeeze(
        &state_, reinterpret_cast<unsigned char*>(out.data()), out.size());
  }

 private:
  crypto_xof_shake128_state state_;
};

TEST(MlKem768Test, MatchesTheAccumulatedVector) {
  ShakeRandom random;
  crypto_xof_shake128_state sum;
  crypto_xof_shake128_init(&sum);
  const auto add = [&sum](absl::string_view bytes) {
    crypto_xof_shake128_update(
        &sum, reinterpret_cast<const unsigned char*>(bytes.data()),
        bytes.size());
  };
  for (int round = 0; round < 100; ++round) {
    const MlKem768PrivateKey key = MlKem768PrivateKey::Generate(random);
    const MlKem768Encapsulation sent =
        MlKem768Encapsulate(key.public_key(), random).value();
    ASSERT_EQ(key.Decapsulate(sent.ciphertext).Expose(), sent.secret.Expose());
    add(key.public_key().bytes());
    add(sent.ciphertext.bytes());
    add(sent.secret.Expose());
    add(key.Decapsulate(random.Fixed<MlKem768Ciphertext>()).Expose());
  }
  Digest256 digest;
  crypto_xof_shake128_squeeze(
      &sum, reinterpret_cast<unsigned char*>(digest.data()), Digest256::kSize);
  EXPECT_EQ(digest.bytes(),
            LoadVector(kFile, "accumulated 100").Bytes("digest"));
}

TEST(MlKem768Test, SeedGivesTheKeyBack) {
  SeededRandom random(1);
  const MlKem768PrivateKey key = MlKem768PrivateKey::Generate(random);
  EXPECT_EQ(MlKem768PrivateKey::FromSeed(key.seed()).public_key(),
            key.public_key());
}

TEST(MlKem768Test, FlippedCiphertextGivesAnotherSecretWithoutAnError) {
  SeededRandom random(2);
  const MlKem768PrivateKey key = MlKem768PrivateKey::Generate(random);
  const MlKem768Encapsulation sent =
      MlKem768Encapsulate(key.public_key(), random).value();
  for (size_t byte = 0; byte < MlKem768Ciphertext::kSize; byte += 17) {
    MlKem768Ciphertext tampered = sent.ciphertext;
    tampered.data()[byte] ^= 0x10;
    const SharedSecret rejected = key.Decapsulate(tampered);
    EXPECT_NE(rejected.Expose(), sent.secret.Expose()) << byte;
    // The same again: whoever repeats the attempt learns nothing new.
    EXPECT_EQ(rejected.Expose(), key.Decapsulate(tampered).Expose()) << byte;
  }
}

TEST(MlKem768Test, OtherKeyDecapsulatesToAnotherSecret) {
  SeededRandom random(3);
  const MlKem768PrivateKey key = MlKem768PrivateKey::Generate(random);
  const MlKem768PrivateKey other = MlKem768PrivateKey::Generate(random);
  const MlKem768Encapsulation sent =
      MlKem768Encapsulate(key.public_key(), random).value();
  EXPECT_NE(other.Decapsulate(sent.ciphertext).Expose(), sent.secret.Expose());
}

// Each pair of coefficients takes three bytes; the modulus is 3329 = 0xd01.
TEST(MlKem768Test, KeysWithACoefficientFromTheModulusOnAreRefused) {
  SeededRandom random(4);
  const MlKem768PublicKey valid =
      MlKem768PrivateKey::Generate(random).public_key();
  for (const size_t offset : {0, 3, 600, 1149}) {
    MlKem768PublicKey key = valid;
    key.data()[offset] = '\x01';
    key.data()[offset + 1] =
        static_cast<char>((key.data()[offset + 1] & 0xf0) | 0x0d);
    EXPECT_THAT(MlKem768Encapsulate(key, random),
                StatusIs(absl::StatusCode::kInvalidArgument))
        << offset;
    // One less is a coefficient like any other.
    key.data()[offset] = '\x00';
    EXPECT_TRUE(MlKem768Encapsulate(key, random).ok()) << offset;
  }
}

}  // namespace
}  // namespace messenger::crypto
