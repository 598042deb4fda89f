#include "client/store/keyslot.h"

#include <cstdlib>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "crypto/base/testing/status_matchers.h"
#include "crypto/random/testing/seeded_random.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "routing/runtime/files.h"

namespace messenger::client {
namespace {

using ::messenger::testing::IsOk;
using ::messenger::testing::IsOkAndHolds;
using ::messenger::testing::StatusIs;

constexpr PinCost kCheap = kPinCostFloor;

class KeyslotTest : public ::testing::Test {
 protected:
  KeyslotTest() {
    std::string pattern = absl::StrCat(::testing::TempDir(), "/slotXXXXXX");
    folder_ = mkdtemp(pattern.data());
  }

  std::string Create(std::optional<absl::string_view> pin) {
    return std::string(
        CreateKeyslot(folder_, pin, kCheap, random_).value().Expose());
  }
  std::string Open(std::optional<absl::string_view> pin) {
    absl::StatusOr<DatabaseKey> key = OpenKeyslot(folder_, pin);
    return key.ok() ? std::string(key->Expose()) : key.status().ToString();
  }
  std::string Path(int copy) {
    return absl::StrCat(folder_, "/keyslot.", copy);
  }
  void Flip(int copy, size_t position) {
    std::string file = routing::ReadFile(Path(copy)).value();
    file[position] ^= 1;
    ASSERT_THAT(routing::WriteFileAtomically(Path(copy), file), IsOk());
  }

  crypto::SeededRandom random_{7};
  std::string folder_;
};

TEST_F(KeyslotTest, TheRightPinGivesTheKeyBack) {
  const std::string key = Create("123456");
  EXPECT_THAT(KeyslotNeedsPin(folder_), IsOkAndHolds(true));
  EXPECT_EQ(Open("123456"), key);
}

TEST_F(KeyslotTest, AWrongPinIsOneCleanFailure) {
  Create("123456");
  EXPECT_THAT(OpenKeyslot(folder_, "123457").status(),
              StatusIs(absl::StatusCode::kUnauthenticated));
  EXPECT_THAT(OpenKeyslot(folder_, std::nullopt).status(),
              StatusIs(absl::StatusCode::kFailedPrecondition));
}

TEST_F(KeyslotTest, WithoutAPinTheFolderOpens) {
  const std::string key = Create(std::nullopt);
  EXPECT_THAT(KeyslotNeedsPin(folder_), IsOkAndHolds(false));
  EXPECT_EQ(Open(std::nullopt), key);
}

TEST_F(KeyslotTest, ANewPinKeepsTheKeyAndEndsTheOldPin) {
  const std::string key = Create("first pin");
  ASSERT_THAT(
      ChangeKeyslotPin(folder_, "first pin", "second pin", kCheap, random_),
      IsOk());
  EXPECT_EQ(Open("second pin"), key);
  EXPECT_THAT(OpenKeyslot(folder_, "first pin").status(),
              StatusIs(absl::StatusCode::kUnauthenticated));
}

TEST_F(KeyslotTest, ACrashBetweenTheCopiesLeavesTheNewPin) {
  const std::string key = Create("first pin");
  const std::string old_copy = routing::ReadFile(Path(1)).value();
  ASSERT_THAT(
      ChangeKeyslotPin(folder_, "first pin", "second pin", kCheap, random_),
      IsOk());
  ASSERT_THAT(routing::WriteFileAtomically(Path(1), old_copy), IsOk());
  EXPECT_EQ(Open("second pin"), key);
}

TEST_F(KeyslotTest, OneDamagedCopyIsNoLoss) {
  const std::string key = Create("123456");
  for (size_t position = 0; position < 4096; position += 97) {
    Flip(0, position);
    EXPECT_EQ(Open("123456"), key);
    Flip(0, position);
  }
}

TEST_F(KeyslotTest, TwoDamagedCopiesAreDataLossNotAWrongPin) {
  Create("123456");
  Flip(0, 100);
  Flip(1, 3000);
  EXPECT_THAT(OpenKeyslot(folder_, "123456").status(),
              StatusIs(absl::StatusCode::kDataLoss));
}

TEST_F(KeyslotTest, NeverOverwritesAKey) {
  const std::string key = Create("123456");
  EXPECT_THAT(CreateKeyslot(folder_, "654321", kCheap, random_).status(),
              StatusIs(absl::StatusCode::kAlreadyExists));
  EXPECT_EQ(Open("123456"), key);
}

TEST_F(KeyslotTest, RefusesAPinOutOfBounds) {
  for (const std::string& pin : {std::string(), std::string("123"),
                                 std::string(kMaxPinBytes + 1, 'p')}) {
    EXPECT_THAT(CreateKeyslot(folder_, pin, kCheap, random_).status(),
                StatusIs(absl::StatusCode::kInvalidArgument));
  }
  EXPECT_THAT(KeyslotNeedsPin(folder_).status(),
              StatusIs(absl::StatusCode::kNotFound));
}

}  // namespace
}  // namespace messenger::client
