#include "client/session/prekey_choice.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "client/session/device_keys.h"
#include "client/session/identity_record.h"
#include "client/session/prekey_record.h"
#include "client/session/testing/test_party.h"
#include "crypto/base/testing/status_matchers.h"
#include "crypto/random/testing/seeded_random.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace messenger::client {
namespace {

using ::messenger::testing::StatusIs;
using ::testing::HasSubstr;

class PrekeyChoiceTest : public ::testing::Test {
 protected:
  // Of Bob's device, valid for 30 days from `start`.
  PrekeyRecord Made(uint64_t seq, absl::Time start,
                    const IdentityRecord& identity) {
    return PrekeyRecord::Create(identity, bob_.device, seq, start,
                                bob_.prekey.signed_prekey(),
                                bob_.prekey.kem_prekey())
        .value();
  }
  PrekeyRecord Made(uint64_t seq, absl::Time start = kTestNow) {
    return Made(seq, start, bob_.identity);
  }
  absl::StatusOr<PrekeyRecord> Choose(const std::vector<std::string>& records,
                                      absl::Time now = kTestNow) {
    return ChoosePrekey(records, bob_.identity, bob_.device.id(), mark_, now);
  }
  // 0: none.
  uint64_t Chosen(const std::vector<std::string>& records,
                  absl::Time now = kTestNow) {
    const absl::StatusOr<PrekeyRecord> chosen = Choose(records, now);
    return chosen.ok() ? chosen->seq() : 0;
  }

  crypto::SeededRandom random_{1};
  TestParty bob_{random_};
  std::optional<PrekeyMark> mark_;
};

TEST_F(PrekeyChoiceTest, TheHighestNumberIsTakenInWhateverOrder) {
  // The second epoch starts before the first: a clock has been set.
  const std::string one = Made(1).bytes();
  const std::string two = Made(2, kTestNow - absl::Hours(2)).bytes();
  const std::string three = Made(3).bytes();
  EXPECT_EQ(Chosen({one, two}), 2u);
  EXPECT_EQ(Chosen({two, one}), 2u);
  EXPECT_EQ(Chosen({one, three, two}), 3u);
  EXPECT_EQ(Chosen({}), 0u);
}

// What a member of a swarm, or an old device list, can put before the good one.
TEST_F(PrekeyChoiceTest, WhatIsNotValidHidesNothing) {
  const PrekeyRecord good = Made(5);
  const TestParty other(random_);
  const IdentityRecord next =
      bob_.identity
          .Next(bob_.account,
                {MakeDeviceEntry(bob_.device, kTestNow),
                 MakeDeviceEntry(DeviceKeys::Generate(random_), kTestNow)})
          .value();
  std::string forged = Made(9).bytes();
  forged.back() = static_cast<char>(forged.back() ^ 1);
  const std::vector<std::string> bad = {
      "",
      "garbage",
      std::string(kPrekeyRecordBytes, '\0'),
      forged,
      other.prekey.bytes(),                              // another account's
      Made(9, kTestNow, next).bytes(),                   // another list's
      Made(9, kTestNow - kPrekeyLifetime).bytes(),       // over
      Made(9, kTestNow + kPrekeyClockSkew * 2).bytes(),  // not begun
  };
  std::vector<std::string> all;
  for (const std::string& record : bad) {
    EXPECT_EQ(Chosen({record}), 0u);
    EXPECT_EQ(Chosen({record, good.bytes()}), 5u);
    EXPECT_EQ(Chosen({good.bytes(), record}), 5u);
    all.push_back(record);
  }
  EXPECT_EQ(Chosen(all), 0u);
  all.push_back(good.bytes());
  EXPECT_EQ(Chosen(all), 5u);
}

TEST_F(PrekeyChoiceTest, OneThatBeginsNoMoreThanAnHourFromNowIsTaken) {
  const std::string ahead = Made(2, kTestNow + kPrekeyClockSkew).bytes();
  const std::string now = Made(1, kTestNow - absl::Hours(1)).bytes();
  EXPECT_EQ(Chosen({now, ahead}), 2u);
  EXPECT_EQ(Chosen({now, ahead}, kTestNow - absl::Seconds(1)), 1u);
}

TEST_F(PrekeyChoiceTest, WhatIsOlderThanTheLastIsNeverTakenAgain) {
  mark_ = Made(3).mark();
  EXPECT_THAT(Choose({Made(2).bytes(), Made(1).bytes()}),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("older")));
  EXPECT_EQ(Chosen({Made(2).bytes(), Made(3).bytes()}), 3u);
  EXPECT_EQ(Chosen({Made(4).bytes(), Made(2).bytes()}), 4u);
  EXPECT_THAT(Choose({}),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("online next")));
}

TEST_F(PrekeyChoiceTest, AnotherOneOfTheSameNumberIsNotTaken) {
  mark_ = Made(3).mark();
  const std::string twin = Made(3, kTestNow - absl::Hours(1)).bytes();
  EXPECT_EQ(Chosen({twin}), 0u);
  EXPECT_EQ(Chosen({twin, Made(3).bytes()}), 3u);
  mark_ = std::nullopt;
  EXPECT_EQ(Choose({twin, Made(3).bytes()})->bytes(), twin) << "the first";
}

TEST_F(PrekeyChoiceTest, AMarkIsReadAsItWasWritten) {
  const PrekeyMark mark = Made(7).mark();
  const std::string bytes = SerializePrekeyMark(mark);
  ASSERT_EQ(bytes.size(), 40u);
  EXPECT_TRUE(*ParsePrekeyMark(bytes) == mark);
  for (size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_THAT(ParsePrekeyMark(bytes.substr(0, size)),
                StatusIs(absl::StatusCode::kInvalidArgument));
  }
  EXPECT_THAT(ParsePrekeyMark(bytes + "x"),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

}  // namespace
}  // namespace messenger::client
