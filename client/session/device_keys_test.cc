#include "client/session/device_keys.h"

#include <string>
#include <type_traits>

#include "absl/status/status.h"
#include "crypto/base/testing/status_matchers.h"
#include "crypto/random/testing/seeded_random.h"
#include "gtest/gtest.h"

namespace messenger::client {
namespace {

using ::messenger::testing::IsOk;
using ::messenger::testing::StatusIs;

static_assert(!std::is_copy_constructible_v<DeviceKeys>);

TEST(DeviceKeysTest, StoredKeysComeBackAsTheyWere) {
  crypto::SeededRandom random(1);
  const DeviceKeys keys = DeviceKeys::Generate(random);
  const absl::StatusOr<DeviceKeys> parsed = DeviceKeys::Parse(keys.Serialize());
  ASSERT_THAT(parsed, IsOk());
  EXPECT_EQ(parsed->id(), keys.id());
  EXPECT_EQ(parsed->signing_key().public_key(),
            keys.signing_key().public_key());
  EXPECT_EQ(parsed->agreement_key().public_key(),
            keys.agreement_key().public_key());
}

TEST(DeviceKeysTest, EveryTruncationAndAnotherVersionAreRefused) {
  crypto::SeededRandom random(1);
  const std::string bytes = DeviceKeys::Generate(random).Serialize();
  for (size_t n = 0; n < bytes.size(); ++n) {
    EXPECT_THAT(DeviceKeys::Parse(bytes.substr(0, n)),
                StatusIs(absl::StatusCode::kInvalidArgument));
  }
  EXPECT_THAT(DeviceKeys::Parse(bytes + "x"),
              StatusIs(absl::StatusCode::kInvalidArgument));
  std::string other = bytes;
  other[0] = 2;
  EXPECT_THAT(DeviceKeys::Parse(other),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST(DeviceKeysTest, TwoDevicesShareNothing) {
  crypto::SeededRandom random(1);
  const DeviceKeys a = DeviceKeys::Generate(random);
  const DeviceKeys b = DeviceKeys::Generate(random);
  EXPECT_NE(a.id(), b.id());
  EXPECT_NE(a.signing_key().public_key(), b.signing_key().public_key());
  EXPECT_NE(a.agreement_key().public_key(), b.agreement_key().public_key());
}

}  // namespace
}  // namespace messenger::client
