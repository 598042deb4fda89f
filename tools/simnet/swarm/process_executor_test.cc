#include "tools/simnet/swarm/process_executor.h"

#include <string>

#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "routing/runtime/testing/simulated_clock.h"
#include "tools/simnet/swarm/skewed_clock.h"

namespace messenger::simnet {
namespace {

class ProcessExecutorTest : public ::testing::Test {
 protected:
  auto Note(char what) {
    return [this, what] { log_ += what; };
  }

  routing::SimulatedClock clock_;
  routing::SimulatedExecutor base_{clock_};
  ProcessExecutor process_{base_};
  std::string log_;
};

TEST_F(ProcessExecutorTest, RunsTasksInOrderAndTimersWhenDue) {
  process_.RunAfter(absl::Seconds(1), Note('c'));
  process_.Run(Note('a'));
  process_.Run(Note('b'));
  base_.RunUntilIdle();
  EXPECT_EQ(log_, "ab");
  base_.RunFor(absl::Seconds(1));
  EXPECT_EQ(log_, "abc");
}

TEST_F(ProcessExecutorTest, CancelledTimerDoesNotRun) {
  process_.Cancel(process_.RunAfter(absl::Seconds(1), Note('a')));
  base_.RunFor(absl::Seconds(2));
  EXPECT_EQ(log_, "");
}

TEST_F(ProcessExecutorTest, PauseHoldsWhatBecomesDue) {
  process_.Run(Note('a'));
  process_.RunAfter(absl::Seconds(1), Note('b'));
  process_.RunAfter(absl::Seconds(9), Note('c'));
  process_.Pause();
  base_.RunFor(absl::Seconds(5));
  EXPECT_EQ(log_, "");
  process_.Resume();
  base_.RunUntilIdle();
  EXPECT_EQ(log_, "ab");
  base_.RunFor(absl::Seconds(5));
  EXPECT_EQ(log_, "abc");
}

TEST_F(ProcessExecutorTest, TimerCancelledWhileHeldDoesNotRun) {
  const routing::TimerId timer = process_.RunAfter(absl::Seconds(1), Note('a'));
  process_.Pause();
  base_.RunFor(absl::Seconds(2));
  process_.Cancel(timer);
  process_.Resume();
  base_.RunUntilIdle();
  EXPECT_EQ(log_, "");
}

TEST_F(ProcessExecutorTest, KilledProcessRunsNothing) {
  process_.Run(Note('a'));
  process_.RunAfter(absl::Seconds(1), Note('b'));
  process_.Kill();
  process_.Run(Note('c'));
  process_.RunAfter(absl::Seconds(1), Note('d'));
  base_.RunFor(absl::Seconds(2));
  EXPECT_EQ(log_, "");
}

TEST_F(ProcessExecutorTest, LatencyKeepsTheOrder) {
  int calls = 0;
  process_.set_latency([&] { return absl::Milliseconds(10 - 3 * calls++); });
  process_.Run(Note('a'));
  process_.Run(Note('b'));
  process_.Run(Note('c'));
  base_.RunUntilIdle();
  EXPECT_EQ(log_, "");
  base_.RunFor(absl::Milliseconds(20));
  EXPECT_EQ(log_, "abc");
}

TEST_F(ProcessExecutorTest, SkewedClockIsOffDriftsAndJumps) {
  SkewedClock skewed(clock_, absl::Seconds(3), /*drift_ppm=*/200);
  EXPECT_EQ(skewed.Now() - clock_.Now(), absl::Seconds(3));
  clock_.Advance(absl::Seconds(10'000));
  EXPECT_NEAR(absl::ToDoubleSeconds(skewed.error()), 5, 1e-6);
  skewed.Jump(absl::Minutes(-1));
  EXPECT_NEAR(absl::ToDoubleSeconds(skewed.error()), -55, 1e-6);
  skewed.Correct();
  EXPECT_EQ(skewed.Now(), clock_.Now());
}

}  // namespace
}  // namespace messenger::simnet
