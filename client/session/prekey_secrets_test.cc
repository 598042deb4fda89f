#include "client/session/prekey_secrets.h"

#include <string>
#include <type_traits>
#include <vector>

#include "absl/status/status.h"
#include "client/session/testing/test_party.h"
#include "crypto/base/testing/status_matchers.h"
#include "crypto/random/testing/seeded_random.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace messenger::client {
namespace {

using ::messenger::testing::IsOk;
using ::messenger::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

static_assert(!std::is_copy_constructible_v<PrekeySecrets>);

constexpr absl::Duration kDay = absl::Hours(24);

class PrekeySecretsTest : public ::testing::Test {
 protected:
  crypto::Digest256 Rotate(absl::Time now) {
    return bob_.prekeys.Rotate(bob_.identity, bob_.device, now, random_)
        ->hash();
  }

  crypto::SeededRandom random_{1};
  TestParty bob_{random_};  // has made its first epoch at kTestNow
};

TEST_F(PrekeySecretsTest, ARotationIsDueAtOnceThenAfterADayGiveOrTakeTwoHours) {
  EXPECT_TRUE(PrekeySecrets().ShouldRotate(bob_.identity, kTestNow));
  absl::Time earliest = absl::InfiniteFuture();
  absl::Time latest = absl::InfinitePast();
  for (int i = 0; i < 200; ++i) {
    PrekeySecrets secrets;
    ASSERT_THAT(secrets.Rotate(bob_.identity, bob_.device, kTestNow, random_),
                IsOk());
    const absl::Time due = secrets.next_rotation();
    EXPECT_FALSE(
        secrets.ShouldRotate(bob_.identity, due - absl::Milliseconds(1)));
    EXPECT_TRUE(secrets.ShouldRotate(bob_.identity, due));
    earliest = std::min(earliest, due);
    latest = std::max(latest, due);
  }
  EXPECT_GE(earliest, kTestNow + absl::Hours(22));
  EXPECT_LT(earliest, kTestNow + absl::Hours(22) + absl::Minutes(15));
  EXPECT_LE(latest, kTestNow + absl::Hours(26));
  EXPECT_GT(latest, kTestNow + absl::Hours(26) - absl::Minutes(15));
}

TEST_F(PrekeySecretsTest, AChangedDeviceListMakesARotationDue) {
  const auto changed = bob_.identity.Next(
      bob_.account, {MakeDeviceEntry(bob_.device, kTestNow)});
  ASSERT_THAT(changed, IsOk());
  EXPECT_FALSE(bob_.prekeys.ShouldRotate(bob_.identity, kTestNow));
  EXPECT_TRUE(bob_.prekeys.ShouldRotate(*changed, kTestNow));
}

TEST_F(PrekeySecretsTest, AClockThatWasFarAheadMakesARotationDue) {
  EXPECT_TRUE(
      bob_.prekeys.ShouldRotate(bob_.identity, kTestNow - absl::Hours(2)));
}

TEST_F(PrekeySecretsTest, EachEpochHasNewKeysAndTheNextNumber) {
  const auto second =
      bob_.prekeys.Rotate(bob_.identity, bob_.device, kTestNow + kDay, random_);
  ASSERT_THAT(second, IsOk());
  EXPECT_EQ(second->seq(), 2u);
  EXPECT_NE(second->signed_prekey(), bob_.prekey.signed_prekey());
  EXPECT_NE(second->kem_prekey(), bob_.prekey.kem_prekey());
  EXPECT_EQ(bob_.prekeys.current_record(), second->bytes());
  ASSERT_EQ(bob_.prekeys.epochs().size(), 2u);
  EXPECT_EQ(bob_.prekeys.epochs()[0].superseded, kTestNow + kDay);
  EXPECT_FALSE(bob_.prekeys.epochs()[1].superseded.has_value());
  EXPECT_EQ(bob_.prekeys.epochs()[1].signed_prekey.public_key(),
            second->signed_prekey());
}

TEST_F(PrekeySecretsTest, ADrainedEpochDiesFortyEightHoursAfterItsSuccessor) {
  const crypto::Digest256 first = bob_.prekey.hash();
  const absl::Time end = kTestNow + kDay;
  Rotate(end);
  const absl::Time drained = end + absl::Hours(48);
  const absl::Duration ms = absl::Milliseconds(1);
  EXPECT_THAT(bob_.prekeys.DeleteFinished(drained, drained), IsEmpty());
  EXPECT_THAT(bob_.prekeys.DeleteFinished(drained + kDay, drained), IsEmpty());
  EXPECT_THAT(bob_.prekeys.DeleteFinished(drained + ms, drained + ms),
              ElementsAre(first));
  EXPECT_EQ(bob_.prekeys.epochs().size(), 1u);
}

TEST_F(PrekeySecretsTest, AnUndrainedEpochDiesAfterSixteenDays) {
  const crypto::Digest256 first = bob_.prekey.hash();
  const absl::Time end = kTestNow + kDay;
  Rotate(end);
  EXPECT_THAT(
      bob_.prekeys.DeleteFinished(end + 16 * kDay, absl::InfinitePast()),
      IsEmpty());
  EXPECT_THAT(
      bob_.prekeys.DeleteFinished(end + 16 * kDay + absl::Milliseconds(1),
                                  absl::InfinitePast()),
      ElementsAre(first));
}

TEST_F(PrekeySecretsTest, TheNewestEpochSurvivesALongAbsence) {
  const absl::Time much_later = kTestNow + 365 * kDay;
  EXPECT_THAT(bob_.prekeys.DeleteFinished(much_later, much_later), IsEmpty());
  EXPECT_EQ(bob_.prekeys.epochs().size(), 1u);
}

TEST_F(PrekeySecretsTest, AnOnlineDeviceKeepsFourEpochsAtMost) {
  absl::Time now = kTestNow;
  for (int hour = 0; hour < 24 * 30; ++hour) {
    now += absl::Hours(1);
    if (bob_.prekeys.ShouldRotate(bob_.identity, now)) Rotate(now);
    bob_.prekeys.DeleteFinished(now, now);
    ASSERT_LE(bob_.prekeys.epochs().size(), 4u);
    // 26 hours of use, 48 of grace, one to notice: the window of exposure.
    ASSERT_GT(bob_.prekeys.epochs().front().start, now - absl::Hours(76));
  }
}

TEST_F(PrekeySecretsTest, TheNumberOfEpochsIsBounded) {
  for (int i = 1; i < 100; ++i) Rotate(kTestNow + absl::Minutes(i));
  EXPECT_EQ(bob_.prekeys.epochs().size(), kMaxPrekeyEpochs);
  EXPECT_EQ(bob_.prekeys.epochs().back().seq, 100u);
}

TEST_F(PrekeySecretsTest, AFailedRotationChangesNothing) {
  const std::string before = bob_.prekeys.Serialize();
  EXPECT_THAT(bob_.prekeys.Rotate(bob_.identity, DeviceKeys::Generate(random_),
                                  kTestNow + kDay, random_),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_EQ(bob_.prekeys.Serialize(), before);
}

TEST_F(PrekeySecretsTest, StoredSecretsComeBackAsTheyWere) {
  Rotate(kTestNow + kDay);
  Rotate(kTestNow + 2 * kDay);
  const std::string bytes = bob_.prekeys.Serialize();
  const auto parsed = PrekeySecrets::Parse(bytes);
  ASSERT_THAT(parsed, IsOk());
  EXPECT_EQ(parsed->Serialize(), bytes);
  EXPECT_EQ(parsed->next_rotation(), bob_.prekeys.next_rotation());
  const std::string empty = PrekeySecrets().Serialize();
  const auto parsed_empty = PrekeySecrets::Parse(empty);
  ASSERT_THAT(parsed_empty, IsOk());
  EXPECT_TRUE(parsed_empty->ShouldRotate(bob_.identity, kTestNow));
}

TEST_F(PrekeySecretsTest, DamagedStorageIsReportedAsDataLoss) {
  Rotate(kTestNow + kDay);
  const std::string bytes = bob_.prekeys.Serialize();
  for (size_t n = 0; n < bytes.size(); ++n) {
    ASSERT_THAT(PrekeySecrets::Parse(bytes.substr(0, n)),
                StatusIs(absl::StatusCode::kDataLoss))
        << n;
  }
  EXPECT_THAT(PrekeySecrets::Parse(bytes + "x"),
              StatusIs(absl::StatusCode::kDataLoss));
}

}  // namespace
}  // namespace messenger::client
