// A disk that fails in the middle of what people do loses nothing, doubles
// nothing and makes nothing up. A part of the operations; all of them:
// testing/crash_points_main.cc.

#include <algorithm>
#include <string>
#include <tuple>

#include "absl/strings/str_cat.h"
#include "client/messenger/testing/disk_faults.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace messenger::client {
namespace {

using ::testing::IsEmpty;

class MessengerCrashTest
    : public ::testing::TestWithParam<std::tuple<CrashStoryKind, DiskFault>> {
 protected:
  const CrashStoryKind story_ = std::get<0>(GetParam());
  const DiskFault fault_ = std::get<1>(GetParam());
};

TEST_P(MessengerCrashTest, EveryTextIsShownOnceWhateverTheDiskDoes) {
  const CrashPoints points = StrikeStepByStep(story_, fault_, /*every=*/8);
  EXPECT_THAT(points.examples, IsEmpty());
  EXPECT_THAT(points.failures, IsEmpty());
  EXPECT_GT(points.points, points.operations / 10) << "too few were reached";
  EXPECT_GT(points.noticed, 0u);
  RecordProperty("points", static_cast<int>(points.points));
}

TEST_P(MessengerCrashTest, EveryTextIsShownOnceAfterASingleFault) {
  const CrashPoints points = StrikeAlone(story_, fault_, /*every=*/300);
  EXPECT_THAT(points.examples, IsEmpty());
  EXPECT_THAT(points.failures, IsEmpty());
  EXPECT_GT(points.noticed, 0u);
}

INSTANTIATE_TEST_SUITE_P(
    , MessengerCrashTest,
    ::testing::Combine(::testing::ValuesIn(kAllCrashStories),
                       ::testing::ValuesIn(kAllDiskFaults)),
    [](const auto& info) {
      std::string name = absl::StrCat(NameOf(std::get<0>(info.param)), "_",
                                      NameOf(std::get<1>(info.param)));
      name.erase(std::remove(name.begin(), name.end(), '-'), name.end());
      return name;
    });

}  // namespace
}  // namespace messenger::client
