#include "client/session/padding.h"

#include <string>

#include "absl/status/status.h"
#include "crypto/base/testing/status_matchers.h"
#include "gtest/gtest.h"

namespace messenger::client {
namespace {

using ::messenger::testing::IsOkAndHolds;
using ::messenger::testing::StatusIs;

TEST(PaddingTest, ContentOfEveryLengthComesBack) {
  for (size_t length = 0; length <= 98; ++length) {
    const std::string content(length, '\0');
    const std::string padded = Pad(content, 100);
    ASSERT_EQ(padded.size(), 100u);
    EXPECT_THAT(Unpad(padded), IsOkAndHolds(content));
  }
}

TEST(PaddingTest, LengthBeyondTheEndIsRefused) {
  EXPECT_THAT(Unpad(std::string("\x00\x03xy", 4)),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(Unpad(std::string("\x00", 1)),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(Unpad(""), StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST(PaddingTest, AnyByteOtherThanZeroBehindTheContentIsRefused) {
  const std::string padded = Pad("text", 50);
  for (size_t i = 6; i < padded.size(); ++i) {
    std::string edited = padded;
    edited[i] = 1;
    EXPECT_THAT(Unpad(edited), StatusIs(absl::StatusCode::kInvalidArgument))
        << i;
  }
}

TEST(PaddingTest, BucketsAreTheFiveSizesOfTheSpecification) {
  size_t count = 0;
  for (size_t size = 0; size < 70'000; ++size) count += IsBucketSize(size);
  EXPECT_EQ(count, 5u);
  EXPECT_TRUE(IsBucketSize(4096));
  EXPECT_TRUE(IsBucketSize(65'536));
}

TEST(PaddingDeathTest, ContentThatDoesNotFitIsACallersMistake) {
  EXPECT_DEATH(Pad("abc", 4), "");
}

}  // namespace
}  // namespace messenger::client
