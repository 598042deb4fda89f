#include "routing/runtime/process.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "absl/time/time.h"
#include "crypto/base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "routing/runtime/event_loop.h"
#include "routing/runtime/system_clock.h"

namespace messenger::routing {
namespace {

using ::messenger::testing::IsOk;
using ::testing::MatchesRegex;

class SignalTest : public ::testing::TestWithParam<int> {};

TEST_P(SignalTest, SignalStopsTheLoop) {
  EventLoop loop(SteadyClock());
  const StopOnSignal stop(loop);
  loop.Run([] { ::kill(::getpid(), GetParam()); });
  loop.RunUntilStopped();  // or never returns, and the test times out
  EXPECT_FALSE(loop.RunUntil([] { return false; }, absl::Seconds(60)));
}

INSTANTIATE_TEST_SUITE_P(Signals, SignalTest,
                         ::testing::Values(SIGTERM, SIGINT));

TEST(StopOnSignalTest, EndsWithoutASignal) {
  EventLoop loop(SteadyClock());
  const StopOnSignal stop(loop);
}

TEST(StopOnSignalTest, ClosedPipeIsNoReasonToEnd) {
  EventLoop loop(SteadyClock());
  const StopOnSignal stop(loop);
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  ::close(ends[0]);
  EXPECT_EQ(::write(ends[1], "x", 1), -1);
  ::close(ends[1]);
}

TEST(LogTest, LineHasTimeLevelAndWordsWithoutControlCharacters) {
  ::testing::internal::CaptureStderr();
  Log(LogLevel::kWarning, "two\nlines\x1b[0m");
  EXPECT_THAT(::testing::internal::GetCapturedStderr(),
              MatchesRegex("[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]"
                           "{2}Z WARNING two\\?lines\\?\\[0m\n"));
}

TEST(ForbidMemoryDumpsTest, NoCoreAndNoReaders) {
  ASSERT_THAT(ForbidMemoryDumps(), IsOk());
  rlimit limit = {};
  ASSERT_EQ(::getrlimit(RLIMIT_CORE, &limit), 0);
  EXPECT_EQ(limit.rlim_cur, 0u);
  EXPECT_EQ(limit.rlim_max, 0u);
  EXPECT_EQ(::prctl(PR_GET_DUMPABLE, 0, 0, 0, 0), 0);
  // For what runs after it in this process, such as a leak checker.
  ::prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
}

TEST(RaiseFileLimitTest, LimitIsTheHardLimit) {
  const size_t limit = RaiseFileLimit();
  rlimit now = {};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &now), 0);
  EXPECT_EQ(limit, now.rlim_cur);
  EXPECT_EQ(now.rlim_cur, now.rlim_max);
}

TEST(JoinWhenReadyTest, TriesUntilWhatIsMissingIsThereAndThenNoMore) {
  EventLoop loop(SystemClock());
  int tries = 0;
  JoinWhenReady join(
      loop, [&]() -> absl::StatusOr<bool> { return ++tries == 3; }, "joined");
  join.Try();
  EXPECT_TRUE(loop.RunUntil([&] { return tries == 3; }, absl::Seconds(20)));
  EXPECT_FALSE(loop.RunUntil([&] { return tries > 3; }, absl::Seconds(1)));
  EXPECT_TRUE(join.result().ok());
}

TEST(JoinWhenReadyTest, AnErrorEndsTheProcessAndIsKept) {
  EventLoop loop(SystemClock());
  JoinWhenReady join(
      loop,
      []() -> absl::StatusOr<bool> {
        return absl::InvalidArgumentError("not a network");
      },
      "joined");
  join.Try();
  loop.RunUntilStopped();
  EXPECT_EQ(join.result().message(), "not a network");
}

TEST(AcceptDashesInFlagsTest, TurnsDashesInNamesOnly) {
  std::vector<std::string> words = {
      "program", "--data-dir=a-b", "--all-of", "some-word", "--", "--kept-so"};
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  AcceptDashesInFlags(static_cast<int>(argv.size()), argv.data());
  EXPECT_THAT(words,
              ::testing::ElementsAre("program", "--data_dir=a-b", "--all_of",
                                     "some-word", "--", "--kept-so"));
}

}  // namespace
}  // namespace messenger::routing
