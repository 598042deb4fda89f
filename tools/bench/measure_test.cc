#include "tools/bench/measure.h"

#include <vector>

#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace messenger::bench {
namespace {

using ::testing::Each;
using ::testing::Gt;
using ::testing::SizeIs;

TEST(MeasureTest, ThePercentileLeavesItsShareAbove) {
  std::vector<double> values;
  for (int i = 100; i >= 1; --i) values.push_back(i);
  EXPECT_EQ(Percentile(values, 0.99), 99);
  EXPECT_EQ(Percentile(values, 0.5), 50);
  EXPECT_EQ(Percentile(values, 1), 100);
  EXPECT_EQ(Percentile(values, 0), 1);
  EXPECT_EQ(Percentile({7}, 0.99), 7);
}

TEST(MeasureTest, TheMedianIsNotMovedByOneBusyMoment) {
  EXPECT_EQ(Median({3, 1, 1000}), 3);
}

TEST(MeasureTest, RatiosAreTakenWithinTheirRound) {
  // The machine was ten times slower in the second round, for both.
  EXPECT_EQ(MedianRatio({2, 20, 2}, {1, 10, 1}), 2);
}

TEST(MeasureTest, ARaceGivesEveryContenderOneFigurePerRound) {
  volatile int sink = 0;
  const Contender contender = [&sink] {
    for (int i = 0; i < 100; ++i) sink = i;
  };
  const std::vector<Rounds> rounds =
      Race({contender, contender}, 3, absl::Milliseconds(1));
  EXPECT_THAT(rounds, SizeIs(2));
  EXPECT_THAT(rounds, Each(SizeIs(3)));
  EXPECT_THAT(rounds, Each(Each(Gt(0))));
}

}  // namespace
}  // namespace messenger::bench
