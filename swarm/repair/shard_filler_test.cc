#include "swarm/repair/shard_filler.h"

#include <deque>
#include <memory>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "crypto/random/testing/seeded_random.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "swarm/repair/testing/fake_shard_map.h"
#include "swarm/repair/testing/unsigned_items.h"
#include "swarm/store/in_memory_store.h"

namespace messenger::swarm {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr Shard kShard = 5;
constexpr Shard kOther = 6;
// More comparisons than any rule counts.
constexpr int kMany = 100;

// Node 0 is the one that fills.
class ShardFillerTest : public ::testing::Test {
 protected:
  enum Is { kHolding, kFilling };

  ShardFillerTest() {
    for (int i = 0; i < 8; ++i) {
      nodes_.push_back(random_.Fixed<routing::NodeId>());
    }
    Restart();
  }

  // A new process on the same disk; what it had not committed is lost.
  void Restart() {
    commits_.clear();
    filler_ =
        std::make_unique<ShardFiller>(store_, [this](StoreOp op, auto done) {
          commits_.emplace_back(
              [this, op = std::move(op), done = std::move(done)]() mutable {
                if (disk_fails_) return done(absl::UnavailableError("disk"));
                done(ApplyTo(store_, std::move(op), absl::UnixEpoch()));
              });
        });
  }
  void Settle() {
    while (!commits_.empty()) {
      auto commit = std::move(commits_.front());
      commits_.pop_front();
      commit();
    }
  }

  // The next directory: these nodes have kShard, and shards without members
  // have none.
  void SetMembers(const std::vector<int>& serving,
                  const std::vector<int>& target, uint64_t transition) {
    SetOwners({{kShard, Nodes(serving)}}, {{kShard, Nodes(target)}},
              static_cast<int>(serving.size()), transition);
  }
  // Nodes 0 to `count` - 1 have kShard, and no transition is under way.
  void SetMembers(int count) {
    std::vector<int> members;
    for (int i = 0; i < count; ++i) members.push_back(i);
    SetMembers(members, members, /*transition=*/0);
  }
  void SetOwners(FakeShardMap::Owners serving, FakeShardMap::Owners target,
                 int swarm_size, uint64_t transition) {
    auto map = std::make_shared<FakeShardMap>();
    map->epoch_number = ++epoch_;
    map->me = nodes_[0];
    map->read = swarm_size - (swarm_size / 2 + 1) + 1;
    map->transition = transition;
    map->serving = std::move(serving);
    map->target = std::move(target);
    for (const routing::NodeId& node : nodes_) map->endpoints[node] = {};
    filler_->SetMap(std::move(map));
    Settle();
  }
  std::vector<routing::NodeId> Nodes(const std::vector<int>& numbers) const {
    std::vector<routing::NodeId> nodes;
    for (const int number : numbers) nodes.push_back(nodes_[number]);
    return nodes;
  }

  void BeginCompare(int node, Is is, Shard shard = kShard) {
    std::vector<Shard> filling;
    if (is == kFilling) filling.push_back(shard);
    filler_->Reconciled(nodes_[node], {shard}, filling);
  }
  void Compare(int node, Is is, Shard shard = kShard) {
    BeginCompare(node, is, shard);
    Settle();
  }
  // `rounds` comparisons, with each of `nodes` in turn.
  void CompareInTurn(int rounds, const std::vector<int>& nodes, Is is) {
    for (int i = 0; i < rounds; ++i) Compare(nodes[i % nodes.size()], is);
  }
  bool Held() const { return filler_->Holds(kShard); }

  crypto::SeededRandom random_{3};
  std::vector<routing::NodeId> nodes_;
  InMemoryStore store_{random_};
  std::deque<absl::AnyInvocable<void()>> commits_;
  bool disk_fails_ = false;
  uint64_t epoch_ = 0;
  std::unique_ptr<ShardFiller> filler_;
};

TEST_F(ShardFillerTest, AtFirstNothingIsHeld) {
  SetMembers(5);
  EXPECT_FALSE(Held());
  EXPECT_THAT(filler_->Unfilled(), ElementsAre(kShard));
  EXPECT_EQ(filler_->ReadyEpoch(), 0u);
}

TEST_F(ShardFillerTest, IsHeldAfterAReadQuorumOfHolders) {
  SetMembers(5);
  Compare(1, kHolding);
  Compare(2, kHolding);
  EXPECT_FALSE(Held());
  Compare(3, kHolding);
  EXPECT_TRUE(Held());
  EXPECT_THAT(filler_->Unfilled(), IsEmpty());
  EXPECT_EQ(filler_->counters().filled, 1u);
}

TEST_F(ShardFillerTest, OneHolderCountsOnce) {
  SetMembers(5);
  CompareInTurn(kMany, {1}, kHolding);
  EXPECT_FALSE(Held());
}

TEST_F(ShardFillerTest, OneThatIsFillingIsNoHolder) {
  SetMembers(5);
  for (const int node : {1, 2, 3}) Compare(node, kFilling);
  EXPECT_FALSE(Held());
}

TEST_F(ShardFillerTest, AllOthersAreEnoughWhateverTheyHold) {
  SetMembers(5);
  for (const int node : {1, 2, 3}) Compare(node, kFilling);
  EXPECT_FALSE(Held());
  Compare(4, kFilling);
  EXPECT_TRUE(Held());
}

TEST_F(ShardFillerTest, WhoIsAloneHoldsAtOnce) {
  SetMembers(1);
  EXPECT_TRUE(Held());
}

TEST_F(ShardFillerTest, HoldersThatAreNoMembersAnyMoreDoNotCount) {
  SetMembers(5);
  Compare(1, kHolding);
  Compare(2, kHolding);
  SetMembers({0, 2, 3, 4, 5}, {0, 2, 3, 4, 5}, /*transition=*/0);
  Compare(3, kHolding);
  EXPECT_FALSE(Held());
  Compare(4, kHolding);
  EXPECT_TRUE(Held());
}

TEST_F(ShardFillerTest, AComparisonIsOfItsShardsOnly) {
  const auto all = Nodes({0, 1, 2});
  const FakeShardMap::Owners owners = {{kShard, all}, {kOther, all}};
  SetOwners(owners, owners, /*swarm_size=*/3, /*transition=*/0);
  for (const int node : {1, 2}) Compare(node, kHolding, kOther);
  EXPECT_TRUE(filler_->Holds(kOther));
  EXPECT_FALSE(Held());
  EXPECT_THAT(filler_->Unfilled(), ElementsAre(kShard));
}

// --- where nobody holds it ---

TEST_F(ShardFillerTest, WhereNobodyHoldsItSomeRoundsOfAWriteQuorumAreEnough) {
  SetMembers(5);
  CompareInTurn(ShardFiller::kRoundsWithoutHolder - 1, {1, 2}, kFilling);
  EXPECT_FALSE(Held());
  CompareInTurn(1, {1}, kFilling);
  EXPECT_TRUE(Held());
  EXPECT_EQ(ShardFiller::kRoundsWithoutHolder, 8);  // section 5.7
}

TEST_F(ShardFillerTest, WhereNobodyHoldsItOfManyEachIsComparedWithFourTimes) {
  SetMembers(7);
  CompareInTurn(19, {1, 2, 3, 4, 5}, kFilling);
  EXPECT_FALSE(Held());
  Compare(5, kFilling);
  EXPECT_TRUE(Held());
}

TEST_F(ShardFillerTest, WhereNobodyHoldsItLessThanAWriteQuorumIsNever) {
  SetMembers(5);
  CompareInTurn(kMany, {1}, kFilling);
  EXPECT_FALSE(Held());
  // With itself the second makes three of five.
  Compare(2, kFilling);
  EXPECT_TRUE(Held());
}

TEST_F(ShardFillerTest, AHolderEndsTheRoundsWithoutOne) {
  SetMembers(5);
  CompareInTurn(ShardFiller::kRoundsWithoutHolder - 1, {1, 2}, kFilling);
  Compare(3, kHolding);
  CompareInTurn(ShardFiller::kRoundsWithoutHolder + 1, {1, 2}, kFilling);
  EXPECT_FALSE(Held());
}

// --- where another was filled meanwhile ---

TEST_F(ShardFillerTest, OneThatWasSeenFillingAndHoldsItNowIsEnough) {
  SetMembers(7);
  Compare(1, kFilling);
  Compare(2, kHolding);
  EXPECT_FALSE(Held());
  Compare(1, kHolding);
  EXPECT_TRUE(Held());
}

TEST_F(ShardFillerTest, OneThatHoldsItFromTheBeginningIsNot) {
  SetMembers(7);
  CompareInTurn(kMany, {1}, kHolding);
  // That it lost its disk meanwhile changes nothing.
  Compare(1, kFilling);
  CompareInTurn(kMany, {2}, kFilling);
  EXPECT_FALSE(Held());
}

// What was seen while the shard was this node's before is of no use.
TEST_F(ShardFillerTest, WhoWasSeenFillingInEarlierTimesIsNot) {
  SetMembers(5);
  Compare(1, kFilling);
  SetMembers({1, 2, 3, 4, 5}, {1, 2, 3, 4, 5}, /*transition=*/0);
  SetMembers(5);
  Compare(1, kHolding);
  EXPECT_FALSE(Held());
}

// --- where too many are gone ---

TEST_F(ShardFillerTest, AfterAnHourOfComparisonsWhatIsLeftIsServed) {
  SetMembers(7);
  CompareInTurn(2 * ShardFiller::kRoundsUntilResigned - 1, {1, 2}, kHolding);
  EXPECT_FALSE(Held());
  Compare(2, kHolding);
  EXPECT_TRUE(Held());
  // 4 s apart, with each of those that answer.
  EXPECT_EQ(ShardFiller::kRoundsUntilResigned, 900);
}

// --- the disk ---

TEST_F(ShardFillerTest, IsOnTheDiskBeforeItIsSaid) {
  SetMembers(3);
  Compare(1, kHolding);
  BeginCompare(2, kHolding);
  EXPECT_EQ(store_.FilledIn(kShard), 0u);
  EXPECT_FALSE(Held());
  Settle();
  EXPECT_EQ(store_.FilledIn(kShard), epoch_);
  EXPECT_TRUE(Held());
}

TEST_F(ShardFillerTest, WhatTheDiskDoesNotTakeIsTriedAgain) {
  SetMembers(3);
  Compare(1, kHolding);
  disk_fails_ = true;
  Compare(2, kHolding);
  EXPECT_FALSE(Held());
  EXPECT_EQ(filler_->counters().failed_commits, 1u);
  disk_fails_ = false;
  Compare(2, kHolding);
  EXPECT_TRUE(Held());
}

TEST_F(ShardFillerTest, ARestartKeepsWhatIsHeldAndForgetsComparisons) {
  SetMembers(3);
  Compare(1, kHolding);
  Restart();
  SetMembers(3);
  Compare(2, kHolding);
  EXPECT_FALSE(Held());
  Compare(1, kHolding);
  Restart();
  EXPECT_TRUE(Held());
  SetMembers(3);
  EXPECT_TRUE(Held());
}

TEST_F(ShardFillerTest, MayBeDestroyedWithACommitUnderWay) {
  SetMembers(2);
  BeginCompare(1, kHolding);
  filler_.reset();
  Settle();
  EXPECT_EQ(store_.FilledIn(kShard), epoch_);
}

// --- changes of members ---

TEST_F(ShardFillerTest, WhatHasLeftIsNotHeld) {
  SetMembers(2);
  Compare(1, kHolding);
  ASSERT_TRUE(Held());
  SetMembers({1, 2}, {1, 2}, /*transition=*/0);
  EXPECT_FALSE(Held());
  EXPECT_EQ(store_.FilledIn(kShard), 0u);
  EXPECT_THAT(filler_->Unfilled(), IsEmpty());
  EXPECT_EQ(filler_->counters().forgotten, 1u);
}

TEST_F(ShardFillerTest, WhatReturnsIsFilledAnew) {
  SetMembers(5);
  Compare(1, kHolding);
  Compare(2, kHolding);
  SetMembers({1, 2, 3, 4, 5}, {1, 2, 3, 4, 5}, /*transition=*/0);
  SetMembers(5);
  Compare(3, kHolding);
  EXPECT_FALSE(Held());
  Compare(2, kHolding);
  Compare(1, kHolding);
  EXPECT_TRUE(Held());
}

TEST_F(ShardFillerTest, WhatLeavesDuringItsCommitIsNotHeldAfterARestart) {
  SetMembers(2);
  BeginCompare(1, kHolding);
  SetMembers({1, 2}, {1, 2}, /*transition=*/0);
  EXPECT_EQ(store_.FilledIn(kShard), 0u);
  Restart();
  SetMembers(2);
  EXPECT_FALSE(Held());
}

TEST_F(ShardFillerTest, ATargetHoldsOnlyWhatItFilledSinceTheTransition) {
  ApplyTo(store_, SetFill{{{kShard, 4}}}, absl::UnixEpoch());
  Restart();
  epoch_ = 4;
  SetMembers({1, 2, 3}, {0, 2, 3}, /*transition=*/5);
  EXPECT_FALSE(Held());
  EXPECT_EQ(store_.FilledIn(kShard), 0u);
  EXPECT_EQ(filler_->ReadyEpoch(), 0u);
  for (const int node : {1, 2}) Compare(node, kHolding);
  EXPECT_TRUE(Held());
}

TEST_F(ShardFillerTest, ATargetKeepsWhatItFilledDuringTheTransition) {
  SetMembers({1, 2, 3}, {0, 2, 3}, /*transition=*/1);
  for (const int node : {1, 2}) Compare(node, kHolding);
  ASSERT_TRUE(Held());
  SetMembers({1, 2, 3}, {0, 2, 3}, /*transition=*/1);
  EXPECT_TRUE(Held());
  Restart();
  SetMembers({1, 2, 3}, {0, 2, 3}, /*transition=*/1);
  EXPECT_TRUE(Held());
  // The transition has completed.
  SetMembers({0, 2, 3}, {0, 2, 3}, /*transition=*/0);
  EXPECT_TRUE(Held());
}

TEST_F(ShardFillerTest, AServingMemberKeepsItsShardThroughATransition) {
  SetMembers(2);
  Compare(1, kHolding);
  ASSERT_TRUE(Held());
  SetMembers({0, 1}, {0, 2}, /*transition=*/2);
  EXPECT_TRUE(Held());
  // As one that is to leave it, too.
  SetMembers({0, 1}, {1, 2}, /*transition=*/3);
  EXPECT_TRUE(Held());
}

TEST_F(ShardFillerTest, IsReadyWhenItHoldsAllThatItIsATargetOf) {
  // kOther is on its way from node 0, kShard to it.
  const FakeShardMap::Owners serving = {{kShard, Nodes({1, 2})},
                                        {kOther, Nodes({0, 1})}};
  const FakeShardMap::Owners target = {{kShard, Nodes({0, 2})},
                                       {kOther, Nodes({1, 2})}};
  SetOwners(serving, target, /*swarm_size=*/2, /*transition=*/1);
  EXPECT_EQ(filler_->ReadyEpoch(), 0u);
  Compare(1, kHolding);
  EXPECT_FALSE(filler_->Holds(kOther));
  EXPECT_EQ(filler_->ReadyEpoch(), 1u);
  SetOwners(serving, target, /*swarm_size=*/2, /*transition=*/1);
  EXPECT_EQ(filler_->ReadyEpoch(), 2u);
}

// --- whom to ask ---

TEST_F(ShardFillerTest, AsksOfThoseWhoHaveNotGivenAllTheyHold) {
  SetMembers(5);
  Compare(1, kHolding);
  Compare(2, kFilling);
  EXPECT_THAT(filler_->Able(),
              ::testing::UnorderedElementsAre(nodes_[2], nodes_[3], nodes_[4]));
  Compare(2, kHolding);
  Compare(3, kHolding);
  EXPECT_THAT(filler_->Able(), IsEmpty());
}

}  // namespace
}  // namespace messenger::swarm
