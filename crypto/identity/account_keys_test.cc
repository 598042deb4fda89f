#include "crypto/identity/account_keys.h"

#include <string>
#include <type_traits>

#include "absl/status/status.h"
#include "crypto/base/secret_bytes.h"
#include "crypto/base/testing/status_matchers.h"
#include "crypto/random/testing/seeded_random.h"
#include "crypto/testdata/vector_file.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace messenger::crypto {
namespace {

using ::messenger::testing::IsOk;
using ::messenger::testing::IsOkAndHolds;
using ::messenger::testing::StatusIs;

static_assert(!std::is_copy_constructible_v<AccountKeys>);
static_assert(!std::is_copy_assignable_v<AccountKeys>);

TEST(AccountKeysTest, MatchTheVectors) {
  const TestVector vector =
      LoadVector("crypto/testdata/account.txt", "phrase 1");
  const AccountSeed seed = DecodeRecoveryPhrase(vector.Bytes("phrase")).value();
  const AccountKeys keys = AccountKeys::FromSeed(seed);
  EXPECT_EQ(keys.seed().Expose(), vector.Bytes("seed"));
  EXPECT_EQ(keys.signing_key().public_key().bytes(),
            vector.Bytes("ed25519_public"));
  EXPECT_EQ(keys.id().bytes(), vector.Bytes("account_id"));
  EXPECT_EQ(keys.agreement_key().public_key(), keys.id().x25519_public_key());
}

TEST(AccountKeysTest, IdentityKemMatchesTheSecondImplementation) {
  const TestVector vector =
      LoadVector("crypto/testdata/constructions.txt", "identity kem");
  const AccountKeys keys = AccountKeys::FromSeed(
      AccountSeed::FromBytes(vector.Bytes("account_seed")).value());
  EXPECT_EQ(keys.identity_kem().seed().Expose(), vector.Bytes("xwing_seed"));
}

TEST(AccountKeysTest, VaultKeysMatchTheSecondImplementation) {
  const TestVector vector =
      LoadVector("crypto/testdata/constructions.txt", "vault keys");
  const AccountKeys keys = AccountKeys::FromSeed(
      AccountSeed::FromBytes(vector.Bytes("account_seed")).value());
  EXPECT_EQ(keys.vault_kem().seed().Expose(), vector.Bytes("xwing_seed"));
  const Ed25519PrivateKey key = keys.vault_key(vector.Bytes("device_id"));
  EXPECT_EQ(key.seed().Expose(), vector.Bytes("ed25519_seed"));
}

TEST(AccountKeysTest, SigningKeyAndIdBelongTogether) {
  SeededRandom random(1);
  for (int i = 0; i < 50; ++i) {
    const AccountKeys keys = AccountKeys::Generate(random);
    EXPECT_THAT(AccountIdFromEd25519(keys.signing_key().public_key()),
                IsOkAndHolds(keys.id()));
    EXPECT_EQ(keys.agreement_key().public_key(), keys.id().x25519_public_key());
  }
}

TEST(AccountKeysTest, PhraseRestoresEverything) {
  SeededRandom random(2);
  const AccountKeys keys = AccountKeys::Generate(random);
  const AccountKeys restored = AccountKeys::FromSeed(
      DecodeRecoveryPhrase(EncodeRecoveryPhrase(keys.seed())).value());
  EXPECT_EQ(restored.id(), keys.id());
  EXPECT_EQ(restored.signing_key().public_key(),
            keys.signing_key().public_key());
  EXPECT_EQ(restored.identity_kem().public_key(),
            keys.identity_kem().public_key());
}

TEST(AccountKeysTest, TwoAccountsAgreeOnASecret) {
  SeededRandom random(3);
  const AccountKeys alice = AccountKeys::Generate(random);
  const AccountKeys bob = AccountKeys::Generate(random);
  ASSERT_NE(alice.id(), bob.id());
  EXPECT_EQ(alice.agreement_key()
                .Agree(bob.id().x25519_public_key())
                .value()
                .Expose(),
            bob.agreement_key()
                .Agree(alice.id().x25519_public_key())
                .value()
                .Expose());
}

TEST(AccountIdFromEd25519Test, BadPointsAreRefused) {
  // Zero (order 4), the neutral element, its other encodings, and a point that
  // is not on the curve.
  for (const std::string& hex :
       {std::string(64, '0'), "01" + std::string(62, '0'),
        "ec" + std::string(60, 'f') + "7f", "ee" + std::string(60, 'f') + "7f",
        std::string(64, 'f'), "02" + std::string(62, '0')}) {
    EXPECT_THAT(AccountIdFromEd25519(Ed25519PublicKey::FromHex(hex).value()),
                StatusIs(absl::StatusCode::kInvalidArgument))
        << hex;
  }
}

// A good point plus one of order two maps to a point outside of the prime-order
// group: the sum of (x, y) and (0, -1) is (-x, -y).
TEST(AccountIdFromEd25519Test, PointsOutsideThePrimeOrderGroupAreRefused) {
  SeededRandom random(4);
  const Ed25519PublicKey good =
      AccountKeys::Generate(random).signing_key().public_key();
  ASSERT_THAT(AccountIdFromEd25519(good), IsOk());
  // -y = p - y, byte by byte; the sign bit of -x is the other one.
  Ed25519PublicKey bad;
  int borrow = 0;
  for (size_t i = 0; i < 32; ++i) {
    const int modulus = i == 0 ? 0xed : i == 31 ? 0x7f : 0xff;
    int digit = static_cast<unsigned char>(good.data()[i]);
    if (i == 31) digit &= 0x7f;
    const int difference = modulus - digit - borrow;
    borrow = difference < 0;
    bad.data()[i] = static_cast<char>(difference);
  }
  if ((good.data()[31] & 0x80) == 0) {
    bad.data()[31] = static_cast<char>(bad.data()[31] | 0x80);
  }
  EXPECT_THAT(AccountIdFromEd25519(bad),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

}  // namespace
}  // namespace messenger::crypto
