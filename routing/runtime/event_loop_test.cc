#include "routing/runtime/event_loop.h"

#include <memory>
#include <thread>
#include <vector>

#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "routing/runtime/system_clock.h"
#include "routing/runtime/testing/simulated_clock.h"

namespace messenger::routing {
namespace {

using ::testing::ElementsAre;

// Long enough that only a bug gets there.
constexpr absl::Duration kLong = absl::Seconds(60);

bool Never() { return false; }

class EventLoopTest : public ::testing::Test {
 protected:
  EventLoop loop_{SteadyClock()};
  std::vector<int> ran_;

  Task Note(int n) {
    return [this, n] { ran_.push_back(n); };
  }
  bool RunUntilCount(size_t n) {
    return loop_.RunUntil([&] { return ran_.size() >= n; }, kLong);
  }
};

TEST_F(EventLoopTest, TasksRunInTheOrderTheyWereQueued) {
  for (int i = 0; i < 3; ++i) loop_.Run(Note(i));
  ASSERT_TRUE(RunUntilCount(3));
  EXPECT_THAT(ran_, ElementsAre(0, 1, 2));
}

TEST_F(EventLoopTest, TaskNeverRunsInsideTheCallThatQueuesIt) {
  loop_.Run([&] {
    loop_.Run(Note(2));
    ran_.push_back(1);
  });
  EXPECT_TRUE(ran_.empty());
  ASSERT_TRUE(RunUntilCount(2));
  EXPECT_THAT(ran_, ElementsAre(1, 2));
}

TEST_F(EventLoopTest, TimersRunInTheOrderOfTheirTimes) {
  loop_.RunAfter(absl::Milliseconds(20), Note(3));
  loop_.RunAfter(absl::Milliseconds(10), Note(2));
  loop_.RunAfter(absl::ZeroDuration(), Note(1));
  ASSERT_TRUE(RunUntilCount(3));
  EXPECT_THAT(ran_, ElementsAre(1, 2, 3));
}

TEST_F(EventLoopTest, CancelledTimerDoesNotRun) {
  const TimerId timer = loop_.RunAfter(absl::Milliseconds(1), Note(1));
  loop_.RunAfter(absl::Milliseconds(2), Note(2));
  loop_.Cancel(timer);
  ASSERT_TRUE(RunUntilCount(1));
  EXPECT_THAT(ran_, ElementsAre(2));
}

TEST_F(EventLoopTest, CancellingNothingIsHarmless) {
  const TimerId timer = loop_.RunAfter(absl::ZeroDuration(), Note(1));
  EXPECT_NE(timer, 0u);
  ASSERT_TRUE(RunUntilCount(1));
  loop_.Cancel(timer);
  loop_.Cancel(0);
  loop_.Cancel(12345);
  EXPECT_THAT(ran_, ElementsAre(1));
}

TEST_F(EventLoopTest, OneTimerMayCancelAnotherThatIsDueWithIt) {
  TimerId second = 0;
  loop_.RunAfter(absl::ZeroDuration(), [&] { loop_.Cancel(second); });
  second = loop_.RunAfter(absl::ZeroDuration(), Note(2));
  loop_.RunAfter(absl::Milliseconds(1), Note(3));
  ASSERT_TRUE(RunUntilCount(1));
  EXPECT_THAT(ran_, ElementsAre(3));
}

TEST_F(EventLoopTest, RunUntilGivesUpAtItsLimit) {
  EXPECT_FALSE(loop_.RunUntil(Never, absl::Milliseconds(2)));
}

TEST_F(EventLoopTest, StopEndsTheLoopForGood) {
  loop_.Run(Note(1));
  loop_.Run([&] { loop_.Stop(); });
  loop_.Run(Note(2));
  loop_.RunUntilStopped();
  loop_.RunUntilStopped();
  EXPECT_FALSE(loop_.RunUntil(Never, kLong));
  EXPECT_THAT(ran_, ElementsAre(1));
}

TEST_F(EventLoopTest, StopFromAnotherThreadWakesTheLoop) {
  std::thread other([&] { loop_.Stop(); });
  loop_.RunUntilStopped();
  other.join();
}

TEST_F(EventLoopTest, TasksOfManyThreadsAllRunOneAtATime) {
  constexpr size_t kThreads = 4;
  constexpr size_t kEach = 2000;
  std::vector<std::thread> threads;
  size_t count = 0;  // no lock: the loop is the lock
  std::vector<size_t> last(kThreads, 0);
  bool in_order = true;
  for (size_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (size_t i = 1; i <= kEach; ++i) {
        loop_.Run([&, t, i] {
          ++count;
          in_order = in_order && last[t] == i - 1;
          last[t] = i;
        });
      }
    });
  }
  EXPECT_TRUE(loop_.RunUntil([&] { return count == kThreads * kEach; }, kLong));
  for (std::thread& thread : threads) thread.join();
  EXPECT_TRUE(in_order);
}

TEST_F(EventLoopTest, UnrunTasksAreDestroyedWithTheLoop) {
  auto token = std::make_shared<int>(0);
  {
    EventLoop loop(SteadyClock());
    loop.Run([token] {});
    loop.RunAfter(kLong, [token] {});
    EXPECT_EQ(token.use_count(), 3);
  }
  EXPECT_EQ(token.use_count(), 1);
}

TEST(EventLoopClockTest, TimersFollowTheClockTheyWereGiven) {
  SimulatedClock clock;
  EventLoop loop(clock);
  bool ran = false;
  loop.RunAfter(absl::Hours(1), [&] { ran = true; });
  loop.Run([&] { clock.Advance(absl::Hours(1)); });
  EXPECT_TRUE(loop.RunUntil([&] { return ran; }, absl::Hours(2)));
}

}  // namespace
}  // namespace messenger::routing
