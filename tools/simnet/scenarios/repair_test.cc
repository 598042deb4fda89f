// Disks are lost and members of swarms come and go, while texts wait for
// somebody who is away.

#include <cstdint>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "crypto/base/testing/status_matchers.h"
#include "crypto/hash/hash.h"
#include "gtest/gtest.h"
#include "tools/simnet/network.h"
#include "tools/simnet/scenarios/scenario.h"

namespace messenger::simnet {
namespace {

using ::messenger::testing::IsOk;

// Time for a few votes and for filling what came with them.
constexpr absl::Duration kLimit = absl::Minutes(20);

Network::Options OptionsFor(uint64_t seed) {
  Network::Options options;
  options.seed = seed;
  options.voting_interval = absl::Seconds(30);
  options.evict_after = absl::Minutes(2);
  return options;
}

// Texts of Alice's that wait for Bob: in his inbox, and where the two have met
// before also in a mailbox of their own.
class RepairStory {
 public:
  // Begins once all nodes hold what there is: the loss of one disk is what a
  // swarm is to bear.
  explicit RepairStory(const Network::Options& options) : people_(options) {
    for (int node = 0; node < network().nodes(); ++node) ExpectRefilled(node);
  }

  Network& network() { return people_.network(); }
  Device& alice() { return people_.alice(); }
  Device& bob() { return people_.bob(); }
  // A member of Bob's swarm, a different one for each seed.
  int MemberFor(uint64_t seed) {
    const std::vector<int> swarm = network().SwarmOf(bob().account());
    return swarm[seed % swarm.size()];
  }

  void Meet() {
    ASSERT_THAT(alice().Send(bob().account(), "can you hear me?"), IsOk());
    ASSERT_TRUE(people_.RunUntilDelivered());
    ASSERT_THAT(bob().Send(alice().account(), "loud and clear"), IsOk());
    ASSERT_TRUE(people_.RunUntilDelivered());
  }
  void SendToBob(int texts) {
    for (int i = 0; i < texts; ++i) {
      ASSERT_THAT(
          alice().Send(bob().account(), absl::StrCat("text number ", ++texts_)),
          IsOk());
    }
    ASSERT_TRUE(network().RunUntil([&] { return alice().AllSent(); }, kLimit));
  }
  void ExpectInvariants() { people_.ExpectInvariants(); }
  void ExpectKept() { EXPECT_THAT(network().CheckInvariants(), IsOk()); }
  void ExpectRefilled(int node) {
    EXPECT_TRUE(
        network().RunUntil([&] { return network().HoldsAll(node); }, kLimit))
        << "node " << node;
  }
  // Until the authorities have let the one go and taken the other.
  void ExpectReplaced(int left, int joined) {
    EXPECT_TRUE(network().RunUntil(
        [&] {
          ExpectKeptSometimes();
          return !network().IsMember(left) && network().IsMember(joined) &&
                 !network().Changing();
        },
        kLimit));
    ExpectKept();
  }
  void ExpectBobGetsAll() {
    bob().GoOnline();
    EXPECT_TRUE(people_.RunUntilDelivered());
    EXPECT_EQ(bob().inbox().size(), alice().written().size());
  }

 private:
  // The invariants hold all the while; looking after each event takes long.
  void ExpectKeptSometimes() {
    if (network().Now() - looked_ < absl::Seconds(1)) return;
    looked_ = network().Now();
    ExpectKept();
  }

  TwoPeople people_;
  int texts_ = 0;
  absl::Time looked_ = absl::InfinitePast();
};

class RepairTest : public ::testing::TestWithParam<uint64_t> {
 protected:
  void TearDown() override { story_.ExpectInvariants(); }

  Network& network() { return story_.network(); }

  RepairStory story_{OptionsFor(GetParam())};
};

TEST_P(RepairTest, ADiskIsLostWhileTextsWait) {
  story_.bob().GoOffline();
  story_.SendToBob(5);
  const int victim = story_.MemberFor(GetParam());
  network().Wipe(victim);
  EXPECT_FALSE(network().HoldsAll(victim));
  story_.ExpectKept();
  story_.ExpectBobGetsAll();
  story_.ExpectRefilled(victim);
}

TEST_P(RepairTest, ADiskIsLostAndItsNodeTakesTheOthersPlace) {
  // What the empty disk got again is all there is of it once another is lost
  // and a third is silent.
  story_.bob().GoOffline();
  story_.SendToBob(5);
  const std::vector<int> swarm = network().SwarmOf(story_.bob().account());
  network().Wipe(swarm[0]);
  story_.ExpectRefilled(swarm[0]);
  network().Wipe(swarm[1]);
  story_.ExpectRefilled(swarm[1]);
  network().Crash(swarm[2]);
  story_.ExpectBobGetsAll();
}

TEST_P(RepairTest, EveryDiskIsLostOneAfterTheOther) {
  story_.Meet();
  story_.bob().GoOffline();
  story_.SendToBob(5);
  for (int node = 0; node < network().nodes(); ++node) {
    network().Wipe(node);
    story_.ExpectKept();
    story_.ExpectRefilled(node);
  }
  story_.ExpectBobGetsAll();
}

TEST_P(RepairTest, TextsAreSentAndReadWhileADiskIsEmpty) {
  story_.Meet();
  network().Wipe(story_.MemberFor(GetParam()));
  story_.SendToBob(3);
  story_.ExpectBobGetsAll();
}

TEST_P(RepairTest, ANodeLeavesAndAnotherJoinsWhileTextsWait) {
  story_.Meet();
  story_.bob().GoOffline();
  story_.SendToBob(3);
  const int leaver = story_.MemberFor(GetParam());
  const int joiner = network().AddNode();
  network().Leave(leaver);
  // Alice goes on all the while.
  for (int i = 0; i < 6; ++i) {
    network().RunFor(absl::Seconds(15));
    story_.SendToBob(1);
    story_.ExpectKept();
  }
  story_.ExpectReplaced(leaver, joiner);
  network().Crash(leaver);
  story_.ExpectBobGetsAll();
  story_.ExpectRefilled(joiner);
}

TEST_P(RepairTest, EveryMemberOfASwarmIsReplacedWhileTextsWait) {
  story_.bob().GoOffline();
  story_.SendToBob(5);
  const std::vector<int> swarm = network().SwarmOf(story_.bob().account());
  for (const int leaver : swarm) {
    const int joiner = network().AddNode();
    network().Leave(leaver);
    story_.ExpectReplaced(leaver, joiner);
    network().Crash(leaver);
  }
  story_.ExpectBobGetsAll();
}

TEST_P(RepairTest, AMemberThatNeverComesBackIsReplacedWhileTextsWait) {
  story_.bob().GoOffline();
  story_.SendToBob(5);
  const std::vector<int> swarm = network().SwarmOf(story_.bob().account());
  const int gone = story_.MemberFor(GetParam());
  network().Crash(gone);
  EXPECT_TRUE(network().RunUntil(
      [&] { return !network().IsMember(gone) && !network().Changing(); },
      kLimit));
  story_.ExpectKept();
  // Nor is one of the others needed any more.
  network().Crash(swarm[(GetParam() + 1) % swarm.size()]);
  story_.ExpectBobGetsAll();
}

INSTANTIATE_TEST_SUITE_P(Seeds, RepairTest, Seeds(), NameOfSeed);

TEST(RepairDeterminismTest, TheSameSeedGivesTheSameRun) {
  const auto trace_of = [](uint64_t seed) {
    RepairStory story(OptionsFor(seed));
    story.bob().GoOffline();
    story.SendToBob(2);
    story.network().Wipe(story.MemberFor(seed));
    const int leaver = story.MemberFor(seed + 1);
    const int joiner = story.network().AddNode();
    story.network().Leave(leaver);
    story.ExpectReplaced(leaver, joiner);
    story.ExpectBobGetsAll();
    story.ExpectInvariants();
    return story.network().trace();
  };
  for (const uint64_t seed : {1, 2}) {
    const crypto::Digest256 trace = trace_of(seed);
    EXPECT_EQ(trace, trace_of(seed)) << "seed " << seed;
  }
}

}  // namespace
}  // namespace messenger::simnet
