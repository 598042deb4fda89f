#include "routing/runtime/testing/simulated_clock.h"

#include <vector>

#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace messenger::routing {
namespace {

using ::testing::ElementsAre;

class SimulatedExecutorTest : public ::testing::Test {
 protected:
  SimulatedClock clock_;
  SimulatedExecutor executor_{clock_};
  const absl::Time start_ = clock_.Now();
  std::vector<int> ran_;

  Task Note(int n) {
    return [this, n] { ran_.push_back(n); };
  }
};

TEST_F(SimulatedExecutorTest, NothingRunsBeforeItIsAskedTo) {
  executor_.Run(Note(1));
  EXPECT_THAT(ran_, ElementsAre());
  executor_.RunUntilIdle();
  EXPECT_THAT(ran_, ElementsAre(1));
  EXPECT_EQ(clock_.Now(), start_);
}

TEST_F(SimulatedExecutorTest, TimersRunInTheOrderOfTheirTimes) {
  executor_.RunAfter(absl::Hours(2), Note(3));
  executor_.RunAfter(absl::Hours(1), Note(1));
  executor_.RunAfter(absl::Hours(1), Note(2));
  executor_.RunFor(absl::Hours(2));
  EXPECT_THAT(ran_, ElementsAre(1, 2, 3));
  EXPECT_EQ(clock_.Now(), start_ + absl::Hours(2));
}

TEST_F(SimulatedExecutorTest, TimerSeesTheTimeItWasSetFor) {
  absl::Time seen;
  executor_.RunAfter(absl::Minutes(7), [&] { seen = clock_.Now(); });
  executor_.RunFor(absl::Hours(1));
  EXPECT_EQ(seen, start_ + absl::Minutes(7));
  EXPECT_EQ(clock_.Now(), start_ + absl::Hours(1));
}

TEST_F(SimulatedExecutorTest, TimerOutsideTheSpanWaits) {
  executor_.RunAfter(absl::Minutes(2), Note(1));
  executor_.RunFor(absl::Minutes(1));
  EXPECT_THAT(ran_, ElementsAre());
  EXPECT_EQ(executor_.pending_timers(), 1u);
  executor_.RunFor(absl::Minutes(1));
  EXPECT_THAT(ran_, ElementsAre(1));
  EXPECT_EQ(executor_.pending_timers(), 0u);
}

TEST_F(SimulatedExecutorTest, CancelledTimerDoesNotRun) {
  const TimerId timer = executor_.RunAfter(absl::Minutes(1), Note(1));
  executor_.Cancel(timer);
  executor_.Cancel(timer);
  executor_.Cancel(0);
  executor_.RunFor(absl::Hours(1));
  EXPECT_THAT(ran_, ElementsAre());
}

TEST_F(SimulatedExecutorTest, RunUntilStopsAsSoonAsItsConditionHolds) {
  for (int i = 1; i <= 3; ++i) executor_.RunAfter(absl::Minutes(i), Note(i));
  EXPECT_TRUE(
      executor_.RunUntil([&] { return ran_.size() == 2; }, absl::Hours(1)));
  EXPECT_EQ(clock_.Now(), start_ + absl::Minutes(2));
}

TEST_F(SimulatedExecutorTest, RunUntilGivesUpAtItsLimit) {
  EXPECT_FALSE(executor_.RunUntil([] { return false; }, absl::Hours(1)));
  EXPECT_EQ(clock_.Now(), start_ + absl::Hours(1));
}

TEST_F(SimulatedExecutorTest, PeriodicTimerRunsOncePerPeriod) {
  struct Periodic {
    SimulatedExecutor& executor;
    int count = 0;
    void Start() {
      executor.RunAfter(absl::Seconds(10), [this] {
        ++count;
        Start();
      });
    }
  } periodic{executor_};
  periodic.Start();
  executor_.RunFor(absl::Minutes(1));
  EXPECT_EQ(periodic.count, 6);
}

}  // namespace
}  // namespace messenger::routing
