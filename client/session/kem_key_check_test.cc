#include "client/session/kem_key_check.h"

#include <cstddef>

#include "absl/status/statusor.h"
#include "crypto/base/testing/status_matchers.h"
#include "crypto/random/testing/seeded_random.h"
#include "gtest/gtest.h"

namespace messenger::client {
namespace {

TEST(KemKeyCheckTest, GeneratedKeysAreUsable) {
  crypto::SeededRandom random(1);
  for (int i = 0; i < 50; ++i) {
    EXPECT_TRUE(
        IsUsable(crypto::MlKem768PrivateKey::Generate(random).public_key()));
    EXPECT_TRUE(
        IsUsable(crypto::XWingPrivateKey::Generate(random).public_key()));
  }
}

TEST(KemKeyCheckTest, EveryCoefficientIsComparedWithTheModulus) {
  // 3329 = 0xd01 and 3328 = 0xd00, as the first and as the second of a pair.
  for (size_t i = 0; i < 768; ++i) {
    crypto::MlKem768PublicKey key;
    char* const pair = key.data() + i / 2 * 3;
    if (i % 2 == 0) {
      pair[0] = 0x01;
      pair[1] = 0x0d;
    } else {
      pair[1] = 0x10;
      pair[2] = static_cast<char>(0xd0);
    }
    EXPECT_FALSE(IsUsable(key)) << i;
    if (i % 2 == 0) {
      pair[0] = 0x00;
    } else {
      pair[1] = 0x00;
    }
    EXPECT_TRUE(IsUsable(key)) << i;
  }
}

TEST(KemKeyCheckTest, AgreesWithWhatEncapsulationRefuses) {
  crypto::SeededRandom random(2);
  int refused = 0;
  for (int i = 0; i < 300; ++i) {
    crypto::MlKem768PublicKey key =
        crypto::MlKem768PrivateKey::Generate(random).public_key();
    key.data()[random.Uniform(1152)] = static_cast<char>(0xff);
    const bool usable = crypto::MlKem768Encapsulate(key, random).ok();
    EXPECT_EQ(IsUsable(key), usable) << i;
    refused += usable ? 0 : 1;
  }
  EXPECT_GT(refused, 20);
  EXPECT_LT(refused, 280);
}

TEST(KemKeyCheckTest, AnXWingKeyWithAPointOfSmallOrderIsNotUsable) {
  crypto::SeededRandom random(3);
  crypto::XWingPublicKey key =
      crypto::XWingPrivateKey::Generate(random).public_key();
  ASSERT_TRUE(IsUsable(key));
  for (size_t i = 0; i < 32; ++i) key.data()[1184 + i] = 0;
  EXPECT_FALSE(IsUsable(key));
  key.data()[1184] = 1;
  EXPECT_FALSE(IsUsable(key));
  EXPECT_FALSE(crypto::XWingEncapsulate(key, random).ok());
}

}  // namespace
}  // namespace messenger::client
