#include "client/session/safety_code.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "client/session/device_keys.h"
#include "client/session/identity_record.h"
#include "crypto/base/testing/status_matchers.h"
#include "crypto/identity/account_keys.h"
#include "crypto/random/testing/seeded_random.h"
#include "crypto/testdata/vector_file.h"
#include "gtest/gtest.h"

namespace messenger::client {
namespace {

using ::messenger::testing::IsOkAndHolds;
using ::messenger::testing::StatusIs;

constexpr absl::Time kNow = absl::FromUnixSeconds(1'800'000'000);

class SafetyCodeTest : public ::testing::Test {
 protected:
  IdentityRecord Record(const crypto::AccountKeys& account) {
    return IdentityRecord::First(account, {Device()}).value();
  }
  DeviceEntry Device() {
    return MakeDeviceEntry(DeviceKeys::Generate(random_), kNow);
  }

  crypto::SeededRandom random_{1};
  crypto::AccountKeys ada_keys_ = crypto::AccountKeys::Generate(random_);
  crypto::AccountKeys ben_keys_ = crypto::AccountKeys::Generate(random_);
  IdentityRecord ada_ = Record(ada_keys_);
  IdentityRecord ben_ = Record(ben_keys_);
};

TEST_F(SafetyCodeTest, MatchesItsVectors) {
  const crypto::TestVector vector = crypto::LoadVector(
      "client/session/testdata/safety_code.txt", "safety code");
  const IdentityRecord a =
      IdentityRecord::Verify(vector.Bytes("record_a")).value();
  const IdentityRecord b =
      IdentityRecord::Verify(vector.Bytes("record_b")).value();
  EXPECT_EQ(SafetyCode(a, b), vector.Bytes("text_a"));
  EXPECT_EQ(SafetyCode(b, a), vector.Bytes("text_b"));
  EXPECT_EQ(vector.Bytes("code_a").size(), kSafetyCodeBytes);
  std::string bytes;
  ASSERT_TRUE(absl::WebSafeBase64Unescape(SafetyCode(a, b), &bytes));
  EXPECT_EQ(bytes, vector.Bytes("code_a"));
}

TEST_F(SafetyCodeTest, WhatTheOtherSideShowsIsTheSameInAnyWriting) {
  const std::string shown = SafetyCode(ben_, ada_);
  std::string bytes;
  ASSERT_TRUE(absl::WebSafeBase64Unescape(shown, &bytes));
  for (const std::string& text :
       {shown, absl::StrCat(" ", shown, "\n"), absl::Base64Escape(bytes),
        absl::BytesToHexString(bytes),
        absl::AsciiStrToUpper(absl::BytesToHexString(bytes))}) {
    EXPECT_THAT(CompareSafetyCode(ada_, ben_, text),
                IsOkAndHolds(SafetyCodeMatch::kSame))
        << text;
  }
}

TEST_F(SafetyCodeTest, WhatThisSideShowsIsNotWhatTheOtherShows) {
  EXPECT_THAT(CompareSafetyCode(ada_, ben_, SafetyCode(ada_, ben_)),
              IsOkAndHolds(SafetyCodeMatch::kOtherAccounts));
}

TEST_F(SafetyCodeTest, AnotherAccountOnEitherSideIsFound) {
  const IdentityRecord eve = Record(crypto::AccountKeys::Generate(random_));
  // Ben has Eve's id for Ada's, or Ada has Ben's id of Eve.
  EXPECT_THAT(CompareSafetyCode(ada_, ben_, SafetyCode(ben_, eve)),
              IsOkAndHolds(SafetyCodeMatch::kOtherAccounts));
  EXPECT_THAT(CompareSafetyCode(ada_, eve, SafetyCode(ben_, ada_)),
              IsOkAndHolds(SafetyCodeMatch::kOtherAccounts));
}

TEST_F(SafetyCodeTest, ADeviceThatOneSideDoesNotKnowOfIsFound) {
  std::vector<DeviceEntry> devices = ben_.devices();
  devices.push_back(Device());
  const IdentityRecord more = ben_.Next(ben_keys_, devices).value();
  EXPECT_THAT(CompareSafetyCode(ada_, more, SafetyCode(ben_, ada_)),
              IsOkAndHolds(SafetyCodeMatch::kOtherDevices));
  EXPECT_THAT(CompareSafetyCode(ada_, ben_, SafetyCode(more, ada_)),
              IsOkAndHolds(SafetyCodeMatch::kOtherDevices));
  // Seen from Ben: it is his own list that Ada has another one of.
  EXPECT_THAT(CompareSafetyCode(more, ada_, SafetyCode(ada_, ben_)),
              IsOkAndHolds(SafetyCodeMatch::kOtherDevices));
}

TEST_F(SafetyCodeTest, EveryByteCounts) {
  std::string bytes;
  ASSERT_TRUE(absl::WebSafeBase64Unescape(SafetyCode(ben_, ada_), &bytes));
  // The first two are refused, see below.
  for (size_t i = 2; i < bytes.size(); ++i) {
    std::string changed = bytes;
    changed[i] ^= 1;
    const auto match =
        CompareSafetyCode(ada_, ben_, absl::BytesToHexString(changed));
    ASSERT_TRUE(match.ok()) << i;
    EXPECT_NE(*match, SafetyCodeMatch::kSame) << i;
  }
}

TEST_F(SafetyCodeTest, WhatIsNoCodeIsRefused) {
  std::string bytes;
  ASSERT_TRUE(absl::WebSafeBase64Unescape(SafetyCode(ben_, ada_), &bytes));
  std::string newer = bytes;
  newer[1] = 0x11;
  for (const std::string& text :
       {std::string(), std::string("hello"), std::string(60, '1'),
        std::string(2 * kSafetyCodeBytes, 'x'),
        absl::BytesToHexString(bytes).substr(2), absl::BytesToHexString(newer),
        absl::BytesToHexString(bytes) + "00",
        absl::Base64Escape(bytes.substr(0, 109)),
        absl::Base64Escape(bytes + "x")}) {
    EXPECT_THAT(CompareSafetyCode(ada_, ben_, text),
                StatusIs(absl::StatusCode::kInvalidArgument))
        << text;
  }
}

}  // namespace
}  // namespace messenger::client
