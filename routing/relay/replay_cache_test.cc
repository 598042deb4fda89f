#include "routing/relay/replay_cache.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "crypto/base/testing/status_matchers.h"
#include "crypto/random/testing/seeded_random.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace messenger::routing {
namespace {

using ::messenger::testing::IsOk;
using ::messenger::testing::StatusIs;

constexpr auto kReplay = absl::StatusCode::kAlreadyExists;
constexpr auto kOutside = absl::StatusCode::kOutOfRange;

class ReplayCacheTest : public ::testing::Test {
 protected:
  ReplayCacheTest() {
    std::string pattern = absl::StrCat(::testing::TempDir(), "/replayXXXXXX");
    directory_ = ::mkdtemp(pattern.data());
    boot_ = random_.Fixed<BootId>();
    Start();
  }

  void Start() {
    cache_.reset();
    auto cache = ReplayCache::Open(directory_, boot_, now_, limits_);
    ASSERT_THAT(cache, IsOk());
    cache_ = *std::move(cache);
  }
  void RebootMachine() {
    boot_ = random_.Fixed<BootId>();
    Start();
  }

  ReplayTag NewTag() { return random_.Fixed<ReplayTag>(); }
  uint32_t Minute(int offset = 0) const {
    return static_cast<uint32_t>(absl::ToUnixSeconds(now_) / 60 + offset);
  }
  absl::Status Insert(const ReplayTag& tag, int offset = 0) {
    return cache_->Insert(tag, Minute(offset), now_);
  }
  std::string LogPath(int offset = 0) const {
    return absl::StrCat(directory_, "/", Minute(offset), ".tags");
  }
  int Logs() const {
    int n = 0;
    DIR* dir = ::opendir(directory_.c_str());
    while (const dirent* entry = ::readdir(dir)) n += entry->d_name[0] != '.';
    ::closedir(dir);
    return n;
  }

  crypto::SeededRandom random_{7};
  ReplayCacheLimits limits_;
  absl::Time now_ = absl::FromUnixSeconds(1'900'000'030);
  std::string directory_;
  BootId boot_;
  std::unique_ptr<ReplayCache> cache_;
};

TEST_F(ReplayCacheTest, ATagIsAcceptedOnce) {
  const ReplayTag tag = NewTag();
  EXPECT_THAT(Insert(tag), IsOk());
  EXPECT_THAT(Insert(tag), StatusIs(kReplay));
  EXPECT_THAT(Insert(NewTag()), IsOk());
  EXPECT_EQ(cache_->size(), 2u);
}

TEST_F(ReplayCacheTest, AnExpiryIsAcceptedFromFiveMinutesAgoToFiveAhead) {
  EXPECT_THAT(Insert(NewTag(), -6), StatusIs(kOutside));
  EXPECT_THAT(Insert(NewTag(), -5), IsOk());
  EXPECT_THAT(Insert(NewTag(), 5), IsOk());
  EXPECT_THAT(Insert(NewTag(), 6), StatusIs(kOutside));
}

TEST_F(ReplayCacheTest, AMinuteThatHasClosedIsFreedAndNeverOpensAgain) {
  const ReplayTag tag = NewTag();
  ASSERT_THAT(Insert(tag), IsOk());
  const uint32_t minute = Minute();
  const absl::Time before = now_;
  now_ += absl::Minutes(6);
  ASSERT_THAT(Insert(NewTag()), IsOk());
  EXPECT_EQ(cache_->size(), 1u);
  EXPECT_EQ(Logs(), 1);
  now_ = before;  // the clock is set back
  EXPECT_THAT(cache_->Insert(tag, minute, now_), StatusIs(kOutside));
}

TEST_F(ReplayCacheTest, ARestartedProcessRemembersEveryTag) {
  std::vector<ReplayTag> tags;
  for (int i = 0; i < 500; ++i) {
    tags.push_back(NewTag());
    ASSERT_THAT(Insert(tags.back(), i % 3), IsOk());
  }
  Start();
  EXPECT_EQ(cache_->size(), 500u);
  for (int i = 0; i < 500; ++i) {
    EXPECT_THAT(Insert(tags[i], i % 3), StatusIs(kReplay));
  }
  EXPECT_THAT(Insert(NewTag()), IsOk());
}

TEST_F(ReplayCacheTest, ATornLastRecordIsOverwrittenAndNothingElseIsLost) {
  const ReplayTag first = NewTag(), second = NewTag();
  ASSERT_THAT(Insert(first), IsOk());
  const int fd = ::open(LogPath().c_str(), O_WRONLY | O_APPEND);
  ASSERT_EQ(::write(fd, "torn", 4), 4);
  ::close(fd);
  Start();
  EXPECT_THAT(Insert(first), StatusIs(kReplay));
  EXPECT_THAT(Insert(second), IsOk());
  Start();
  EXPECT_EQ(cache_->size(), 2u);
  EXPECT_THAT(Insert(second), StatusIs(kReplay));
}

TEST_F(ReplayCacheTest, MinutesInUseBeforeTheMachineStartedAreRefusedWhole) {
  ASSERT_THAT(Insert(NewTag(), 1), IsOk());
  RebootMachine();
  // Never seen, but the log of that minute may have lost its end.
  EXPECT_THAT(Insert(NewTag(), -1), StatusIs(kOutside));
  EXPECT_THAT(Insert(NewTag(), 1), StatusIs(kOutside));
  EXPECT_THAT(Insert(NewTag(), 2), IsOk());
}

TEST_F(ReplayCacheTest, ASecondRestartAfterARebootStillRefusesTheOldMinutes) {
  ASSERT_THAT(Insert(NewTag(), 1), IsOk());
  RebootMachine();
  ASSERT_THAT(Insert(NewTag(), 2), IsOk());
  Start();
  EXPECT_THAT(Insert(NewTag(), 1), StatusIs(kOutside));
  EXPECT_THAT(Insert(NewTag(), 2), IsOk());
}

TEST_F(ReplayCacheTest, ADamagedLogClosesItsMinute) {
  ASSERT_THAT(Insert(NewTag(), 0), IsOk());
  ASSERT_EQ(::truncate(LogPath().c_str(), 5), 0);
  Start();
  EXPECT_THAT(Insert(NewTag(), 0), StatusIs(kOutside));
  EXPECT_THAT(Insert(NewTag(), 1), IsOk());
}

TEST_F(ReplayCacheTest, AFullCacheRefusesInsteadOfForgetting) {
  limits_.max_tags = 3;
  Start();
  const ReplayTag tag = NewTag();
  ASSERT_THAT(Insert(tag), IsOk());
  ASSERT_THAT(Insert(NewTag()), IsOk());
  ASSERT_THAT(Insert(NewTag()), IsOk());
  EXPECT_THAT(Insert(NewTag()), StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_THAT(Insert(tag), StatusIs(kReplay));
  now_ += absl::Minutes(7);
  EXPECT_THAT(Insert(NewTag()), IsOk());
}

TEST_F(ReplayCacheTest, NothingIsAcceptedWhileTheLogCannotBeWritten) {
  // A directory in the log's place refuses writing whoever runs the test.
  ASSERT_EQ(::mkdir(LogPath(2).c_str(), 0700), 0);
  const ReplayTag tag = NewTag();
  EXPECT_THAT(Insert(tag, 2), StatusIs(absl::StatusCode::kUnavailable));
  ASSERT_EQ(::rmdir(LogPath(2).c_str()), 0);
  EXPECT_THAT(Insert(tag, 2), IsOk());
}

TEST_F(ReplayCacheTest, InMemoryForgetsOnlyWithTheProcess) {
  auto cache = ReplayCache::InMemory();
  const ReplayTag tag = NewTag();
  EXPECT_THAT(cache->Insert(tag, Minute(), now_), IsOk());
  EXPECT_THAT(cache->Insert(tag, Minute(), now_), StatusIs(kReplay));
  EXPECT_EQ(Logs(), 0);
}

TEST(ReplayCacheOpenTest, ADirectoryThatCannotBeMadeIsAnError) {
  EXPECT_THAT(ReplayCache::Open("/dev/null/replay", BootId(),
                                absl::UnixEpoch() + absl::Hours(1)),
              StatusIs(absl::StatusCode::kUnavailable));
}

}  // namespace
}  // namespace messenger::routing
