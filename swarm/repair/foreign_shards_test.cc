#include "swarm/repair/foreign_shards.h"

#include <memory>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "crypto/random/testing/seeded_random.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "routing/runtime/testing/simulated_clock.h"
#include "swarm/repair/testing/fake_shard_map.h"
#include "swarm/repair/testing/unsigned_items.h"
#include "swarm/store/in_memory_store.h"

namespace messenger::swarm {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::SizeIs;

constexpr Shard kLeft = 7;
constexpr Shard kOther = 9;

class ForeignShardsTest : public ::testing::Test {
 protected:
  ForeignShardsTest() : executor_(clock_) {
    me_ = random_.Fixed<routing::NodeId>();
    SetShards({}, {}, /*transition=*/0);
  }

  void Start(PlantedBug bug = PlantedBug::kNone) {
    foreign_ = std::make_unique<ForeignShards>(ForeignShards::Options{
        .store = store_,
        .executor = executor_,
        .clock = clock_,
        .maps = [this] { return map_; },
        .erase =
            [this](Shard shard, size_t limit, auto done) {
              erased_at_.push_back(clock_.Now());
              limits_.push_back(limit);
              executor_.Run(
                  [this, shard, limit, done = std::move(done)]() mutable {
                    if (disk_fails_) {
                      return done(absl::UnavailableError("disk"));
                    }
                    done(store_.EraseShard(shard, limit));
                  });
            },
        .bug = bug});
    foreign_->Start();
  }

  // The next directory: of these shards this node is a member.
  void SetShards(const std::vector<Shard>& serving,
                 const std::vector<Shard>& target, uint64_t transition) {
    auto map = std::make_shared<FakeShardMap>();
    map->me = me_;
    map->transition = transition;
    for (const Shard shard : serving) map->serving[shard] = {me_};
    for (const Shard shard : target) map->target[shard] = {me_};
    map_ = std::move(map);
  }

  // A mailbox with `messages` in this shard.
  void Fill(Shard shard, int messages = 1) {
    const MailboxAddress mailbox = items_.MailboxIn({shard});
    ApplyTo(store_, items_.Registration(mailbox, clock_.Now()), clock_.Now());
    for (int i = 0; i < messages; ++i) {
      PutMessage put =
          items_.Message(mailbox, clock_.Now() + absl::Hours(24 * 14));
      put.origin = Origin::kPeer;
      ApplyTo(store_, std::move(put), clock_.Now());
    }
  }

  // An inbox has room for 250 that peers bring.
  void FillThreeSlices() {
    for (int i = 0; i < 6; ++i) Fill(kLeft, 200);
  }

  crypto::SeededRandom random_{4};
  routing::SimulatedClock clock_;
  routing::SimulatedExecutor executor_;
  UnsignedItems items_{random_};
  InMemoryStore store_{random_};
  routing::NodeId me_;
  std::shared_ptr<const FakeShardMap> map_;
  bool disk_fails_ = false;
  std::vector<absl::Time> erased_at_;
  std::vector<size_t> limits_;
  std::unique_ptr<ForeignShards> foreign_;
};

TEST_F(ForeignShardsTest, IsErasedADayAfterItWasNoticed) {
  Fill(kLeft);
  Start();
  EXPECT_EQ(foreign_->foreign(), 1u);
  executor_.RunFor(absl::Hours(24) - absl::Seconds(1));
  EXPECT_THAT(erased_at_, SizeIs(0));
  executor_.RunFor(ForeignShards::kLook);
  EXPECT_THAT(store_.Shards(), ElementsAre());
  EXPECT_EQ(foreign_->foreign(), 0u);
  EXPECT_EQ(foreign_->counters().rows_erased, 2u);
}

TEST_F(ForeignShardsTest, WhatThisNodeServesOrIsATargetOfStays) {
  Fill(kLeft);
  Fill(kOther);
  SetShards({kLeft}, {kOther}, /*transition=*/0);
  Start();
  executor_.RunFor(absl::Hours(72));
  EXPECT_THAT(store_.Shards(), ElementsAre(kLeft, kOther));
  EXPECT_EQ(foreign_->foreign(), 0u);
}

TEST_F(ForeignShardsTest, NothingIsErasedDuringATransition) {
  Fill(kLeft);
  SetShards({}, {}, /*transition=*/3);
  Start();
  executor_.RunFor(absl::Hours(72));
  EXPECT_THAT(store_.Shards(), ElementsAre(kLeft));
  // The days of the transition count all the same.
  SetShards({}, {}, /*transition=*/0);
  executor_.RunFor(2 * ForeignShards::kLook);
  EXPECT_THAT(store_.Shards(), ElementsAre());
}

TEST_F(ForeignShardsTest, OneThatWasThisNodesMeanwhileHasItsDayAnew) {
  Fill(kLeft);
  Start();
  executor_.RunFor(absl::Hours(23));
  SetShards({kLeft}, {kLeft}, /*transition=*/0);
  executor_.RunFor(2 * ForeignShards::kLook);
  SetShards({}, {}, /*transition=*/0);
  executor_.RunFor(absl::Hours(23));
  EXPECT_THAT(store_.Shards(), ElementsAre(kLeft));
  executor_.RunFor(absl::Hours(2));
  EXPECT_THAT(store_.Shards(), ElementsAre());
}

TEST_F(ForeignShardsTest, ARestartBeginsTheDayAnew) {
  Fill(kLeft);
  Start();
  executor_.RunFor(absl::Hours(23));
  Start();
  executor_.RunFor(absl::Hours(23));
  EXPECT_THAT(store_.Shards(), ElementsAre(kLeft));
}

TEST_F(ForeignShardsTest, WithoutADirectoryNothingIsForeign) {
  Fill(kLeft);
  map_ = nullptr;
  Start();
  executor_.RunFor(absl::Hours(72));
  EXPECT_EQ(foreign_->foreign(), 0u);
  EXPECT_THAT(store_.Shards(), ElementsAre(kLeft));
}

TEST_F(ForeignShardsTest, ErasesInSlicesWithPauses) {
  FillThreeSlices();
  Start();
  executor_.RunFor(absl::Hours(25));
  EXPECT_THAT(store_.Shards(), ElementsAre());
  EXPECT_EQ(foreign_->counters().rows_erased, 6u * 201);
  EXPECT_THAT(limits_, Each(ForeignShards::kSlice));
  ASSERT_THAT(erased_at_, SizeIs(3));
  for (size_t i = 1; i < erased_at_.size(); ++i) {
    EXPECT_GE(erased_at_[i] - erased_at_[i - 1], ForeignShards::kPause);
  }
}

TEST_F(ForeignShardsTest, TheRestOfAShardThatReturnsStays) {
  FillThreeSlices();
  Start();
  ASSERT_TRUE(executor_.RunUntil(
      [this] { return foreign_->counters().rows_erased > 0; },
      absl::Hours(25)));
  SetShards({kLeft}, {kLeft}, /*transition=*/0);
  executor_.RunFor(absl::Hours(48));
  EXPECT_EQ(foreign_->counters().rows_erased, ForeignShards::kSlice);
  EXPECT_THAT(store_.Shards(), ElementsAre(kLeft));
}

TEST_F(ForeignShardsTest, WhatTheDiskDoesNotEraseIsTriedAgain) {
  Fill(kLeft);
  disk_fails_ = true;
  Start();
  executor_.RunFor(absl::Hours(24));
  EXPECT_EQ(foreign_->counters().failures, 1u);
  disk_fails_ = false;
  executor_.RunFor(ForeignShards::kLook);
  EXPECT_THAT(store_.Shards(), ElementsAre());
}

TEST_F(ForeignShardsTest, NothingFollowsAStop) {
  FillThreeSlices();
  Start();
  executor_.RunFor(absl::Hours(24) - absl::Seconds(1));
  ASSERT_TRUE(executor_.RunUntil([this] { return !erased_at_.empty(); },
                                 absl::Hours(1)));
  // With a slice under way.
  foreign_->Stop();
  executor_.RunFor(absl::Hours(48));
  EXPECT_THAT(erased_at_, SizeIs(1));
  foreign_.reset();
  EXPECT_EQ(executor_.pending_timers(), 0u);
}

TEST_F(ForeignShardsTest, ThePlantedBugsShow) {
  Fill(kLeft);
  Start(PlantedBug::kForeignRowsKept);
  executor_.RunFor(absl::Hours(72));
  EXPECT_THAT(store_.Shards(), ElementsAre(kLeft));
  SetShards({}, {}, /*transition=*/3);
  Start(PlantedBug::kForeignErasedAtOnce);
  executor_.RunFor(absl::Seconds(1));
  EXPECT_THAT(store_.Shards(), ElementsAre());
}

}  // namespace
}  // namespace messenger::swarm
