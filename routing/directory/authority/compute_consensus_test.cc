#include "routing/directory/authority/compute_consensus.h"

#include <algorithm>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "crypto/base/testing/status_matchers.h"
#include "crypto/random/testing/seeded_random.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "routing/directory/authority/vote.h"
#include "routing/directory/consensus_encoding.h"
#include "routing/directory/testing/test_network.h"
#include "routing/proto/directory.pb.h"

namespace messenger::routing {
namespace {

using ::messenger::testing::IsOk;
using ::messenger::testing::StatusIs;

class ComputeConsensusTest : public ::testing::Test {
 protected:
  static constexpr int kNodes = 4;

  ComputeConsensusTest()
      : net_(kNodes, TestNetwork::SmallParams(), random_, now_) {
    for (int i = 0; i < 3; ++i) {
      Vote vote;
      vote.network_id = net_.trust().network_id;
      vote.authority = net_.authority(i).public_key();
      vote.epoch = 100;
      vote.valid_after = now_;
      vote.params = TestNetwork::SmallParams();
      vote.entries = AllNodes();
      votes_.push_back(vote);
    }
  }

  std::vector<Vote::Entry> AllNodes() {
    std::vector<std::pair<NodeId, Vote::Entry>> sorted;
    for (int i = 0; i < kNodes; ++i) {
      sorted.push_back({net_.node(i).id(),
                        {.running = true, .descriptor = DescriptorOf(i)}});
    }
    std::sort(sorted.begin(), sorted.end(),
              [](const auto& a, const auto& b) { return a.first < b.first; });
    std::vector<Vote::Entry> entries;
    for (auto& [id, entry] : sorted) entries.push_back(entry);
    return entries;
  }

  std::string DescriptorOf(int i,
                           const std::function<void(Descriptor&)>& edit = {}) {
    Descriptor descriptor = net_.draft().nodes[i].descriptor;
    if (edit) edit(descriptor);
    return SignDescriptor(descriptor, net_.node(i).identity).value();
  }

  Vote::Entry& EntryOf(int vote, int node) {
    for (Vote::Entry& entry : votes_[vote].entries) {
      if (NodeIdOfDescriptor(entry.descriptor).value() ==
          net_.node(node).id()) {
        return entry;
      }
    }
    ADD_FAILURE() << "no such entry";
    return votes_[vote].entries[0];
  }

  void Omit(int vote, int node) {
    auto& entries = votes_[vote].entries;
    entries.erase(entries.begin() + (&EntryOf(vote, node) - entries.data()));
  }

  absl::StatusOr<ComputedConsensus> Compute(
      const Consensus* previous = nullptr) {
    std::vector<const Vote*> pointers;
    for (const Vote& vote : votes_) pointers.push_back(&vote);
    return ComputeConsensus(pointers, previous);
  }

  // The result as readers see it.
  std::shared_ptr<const Consensus> Result(const Consensus* previous = nullptr) {
    const auto computed = Compute(previous);
    EXPECT_THAT(computed, IsOk());
    v1::SignedConsensus document;
    document.set_header(computed->header);
    for (const std::string& entry : computed->entries) {
      document.add_entries(entry);
    }
    for (int i : {0, 1}) {
      v1::Signature* signature = document.add_signatures();
      signature->set_authority_key(
          std::string(net_.authority(i).public_key().bytes()));
      signature->set_signature(std::string(
          net_.authority(i)
              .Sign(crypto::SigningDomain::kConsensus, computed->header)
              .bytes()));
    }
    auto consensus =
        Consensus::Verify(document.SerializeAsString(), net_.trust(), now_);
    EXPECT_THAT(consensus, IsOk());
    return *consensus;
  }

  // Makes the votes build on `previous`.
  void BuildOn(const Consensus& previous) {
    for (Vote& vote : votes_) {
      vote.epoch = previous.epoch() + 1;
      vote.previous_epoch = previous.epoch();
      vote.previous_hash = previous.hash();
    }
  }

  crypto::SeededRandom random_{1};
  absl::Time now_ = absl::FromUnixSeconds(1893456000);
  TestNetwork net_;
  std::vector<Vote> votes_;
};

TEST_F(ComputeConsensusTest, ListsWhatAllListAsAReaderWouldExpect) {
  const auto consensus = Result();
  EXPECT_EQ(consensus->epoch(), 100);
  EXPECT_EQ(consensus->nodes().size(), kNodes);
  for (const NodeRecord& node : consensus->nodes()) {
    EXPECT_TRUE(node.running);
    EXPECT_EQ(node.storage_state, StorageState::kActive);
    EXPECT_EQ(node.since, now_);
  }
}

TEST_F(ComputeConsensusTest, DoesNotDependOnTheOrderOfVotes) {
  Omit(0, 1);
  EntryOf(1, 2).running = false;
  EntryOf(2, 3).descriptor =
      DescriptorOf(3, [](Descriptor& d) { d.published += absl::Seconds(1); });
  const std::string header = Compute()->header;
  std::sort(votes_.begin(), votes_.end(), [](const Vote& a, const Vote& b) {
    return a.authority < b.authority;
  });
  do {
    EXPECT_EQ(Compute()->header, header);
  } while (std::next_permutation(
      votes_.begin(), votes_.end(),
      [](const Vote& a, const Vote& b) { return a.authority < b.authority; }));
}

TEST_F(ComputeConsensusTest, OneAuthorityAloneNeitherAddsNorRemovesANode) {
  Omit(0, 1);
  Omit(1, 2);
  Omit(2, 2);
  const auto consensus = Result();
  EXPECT_NE(consensus->Find(net_.node(1).id()), nullptr);
  EXPECT_EQ(consensus->Find(net_.node(2).id()), nullptr);
}

TEST_F(ComputeConsensusTest, ANodeRunsIfMostReachIt) {
  EntryOf(0, 1).running = false;
  EntryOf(0, 2).running = false;
  EntryOf(1, 2).running = false;
  const auto consensus = Result();
  EXPECT_TRUE(consensus->Find(net_.node(1).id())->running);
  EXPECT_FALSE(consensus->Find(net_.node(2).id())->running);
}

TEST_F(ComputeConsensusTest, HalfOfTheVotesIsNoMajority) {
  votes_.pop_back();
  EntryOf(0, 1).running = false;
  Omit(0, 2);
  const auto consensus = Result();
  EXPECT_FALSE(consensus->Find(net_.node(1).id())->running);
  EXPECT_EQ(consensus->Find(net_.node(2).id()), nullptr);
}

TEST_F(ComputeConsensusTest, TheNewestDescriptorWins) {
  EntryOf(1, 0).descriptor = DescriptorOf(0, [](Descriptor& d) {
    d.published += absl::Seconds(1);
    d.nickname = "newer";
  });
  EXPECT_EQ(Result()->Find(net_.node(0).id())->nickname, "newer");
}

TEST_F(ComputeConsensusTest, ADescriptorThatTheNodeDidNotSignIsPassedOver) {
  EntryOf(1, 0).descriptor.back() ^= 1;
  const auto consensus = Result();
  EXPECT_EQ(consensus->Find(net_.node(0).id())->nickname, "node-0");
  for (int vote : {0, 1, 2}) EntryOf(vote, 1).descriptor.back() ^= 1;
  EXPECT_EQ(Result()->Find(net_.node(1).id()), nullptr);
}

TEST_F(ComputeConsensusTest,
       AnActiveNodeStaysActiveWhileItIsDownForAShortTime) {
  const auto first = Result();
  BuildOn(*first);
  for (int vote : {0, 1, 2}) EntryOf(vote, 1).running = false;
  const auto second = Result(first.get());
  const NodeRecord* node = second->Find(net_.node(1).id());
  EXPECT_FALSE(node->running);
  EXPECT_EQ(node->storage_state, StorageState::kActive);
  EXPECT_EQ(node->down_since, now_);
  EXPECT_EQ(second->previous_hash(), first->hash());
}

TEST_F(ComputeConsensusTest, ANewNodeThatIsDownWaits) {
  for (int vote : {0, 1, 2}) EntryOf(vote, 1).running = false;
  EXPECT_EQ(Result()->Find(net_.node(1).id())->storage_state,
            StorageState::kWaiting);
}

TEST_F(ComputeConsensusTest, ANodeWithoutStorageHasNoState) {
  for (int vote : {0, 1, 2}) {
    EntryOf(vote, 1).descriptor = DescriptorOf(1, [](Descriptor& d) {
      d.storage_role = false;
      d.storage.address.clear();
    });
  }
  EXPECT_EQ(Result()->Find(net_.node(1).id())->storage_state,
            StorageState::kNone);
}

TEST_F(ComputeConsensusTest, ANodeThatStoresKeepsItsRoleAndItsPlace) {
  const auto first = Result();
  BuildOn(*first);
  for (int vote : {0, 1, 2}) {
    Omit(vote, 1);
    EntryOf(vote, 2).descriptor = DescriptorOf(2, [](Descriptor& d) {
      d.published += absl::Seconds(1);
      d.storage_role = false;
      d.storage.address.clear();
    });
  }
  const auto second = Result(first.get());
  const NodeRecord* gone = second->Find(net_.node(1).id());
  ASSERT_NE(gone, nullptr);
  EXPECT_FALSE(gone->running);
  EXPECT_EQ(gone->storage_state, StorageState::kActive);
  const NodeRecord* mere_relay = second->Find(net_.node(2).id());
  EXPECT_TRUE(mere_relay->storage_role);
  EXPECT_EQ(mere_relay->storage_state, StorageState::kActive);
}

TEST_F(ComputeConsensusTest, ANodeJoinsWhenMostVotesHaveTheTargetReady) {
  for (int vote : {0, 1, 2}) EntryOf(vote, 1).running = false;
  std::shared_ptr<const Consensus> consensus = Result();
  const auto next = [&] {
    BuildOn(*consensus);
    for (Vote& vote : votes_) vote.valid_after += absl::Minutes(1);
    now_ += absl::Minutes(1);
    consensus = Result(consensus.get());
    return consensus->Find(net_.node(1).id())->storage_state;
  };
  for (int vote : {0, 1, 2}) EntryOf(vote, 1).running = true;
  EXPECT_EQ(next(), StorageState::kJoining);
  const uint64_t begun = consensus->epoch();
  EXPECT_EQ(consensus->transition_epoch(), begun);
  EXPECT_EQ(consensus->transition_since(), now_);
  EXPECT_EQ(next(), StorageState::kJoining);
  EXPECT_EQ(consensus->transition_epoch(), begun);
  for (int node = 0; node < kNodes; ++node) {
    EntryOf(0, node).ready_epoch = begun;
    EntryOf(1, node).ready_epoch = begun - 1;
  }
  EXPECT_EQ(next(), StorageState::kJoining);
  for (int node = 0; node < kNodes; ++node) {
    EntryOf(2, node).ready_epoch = begun + 1;
  }
  EXPECT_EQ(next(), StorageState::kActive);
  EXPECT_EQ(consensus->transition_epoch(), 0);
  EXPECT_EQ(consensus->transition_since(), std::nullopt);
}

TEST_F(ComputeConsensusTest, ANodeLeavesIfMostVotesSaySo) {
  const auto first = Result();
  BuildOn(*first);
  EntryOf(0, 1).leaving = true;
  EXPECT_EQ(Result(first.get())->transition_epoch(), 0);
  EntryOf(2, 1).leaving = true;
  const auto second = Result(first.get());
  EXPECT_EQ(second->Find(net_.node(1).id())->storage_state,
            StorageState::kLeaving);
  EXPECT_EQ(second->transition_epoch(), second->epoch());
}

TEST_F(ComputeConsensusTest, RemembersSinceWhenANodeIsDown) {
  for (int vote : {0, 1, 2}) EntryOf(vote, 1).running = false;
  const auto first = Result();
  BuildOn(*first);
  for (Vote& vote : votes_) vote.valid_after += absl::Seconds(5);
  EXPECT_EQ(Result(first.get())->Find(net_.node(1).id())->down_since, now_);
  for (int vote : {0, 1, 2}) EntryOf(vote, 1).running = true;
  EXPECT_EQ(Result(first.get())->Find(net_.node(1).id())->down_since,
            std::nullopt);
}

TEST_F(ComputeConsensusTest, RemembersSinceWhenANodeIsThere) {
  const auto first = Result();
  BuildOn(*first);
  for (Vote& vote : votes_) vote.valid_after += absl::Seconds(5);
  EXPECT_EQ(Result(first.get())->nodes()[0].since, now_);
}

TEST_F(ComputeConsensusTest, TheParametersOfMostAuthoritiesHold) {
  votes_[0].params.swarm_size = 5;
  EXPECT_EQ(Result()->params().swarm_size, 3);
  votes_[1].params.swarm_size = 7;
  EXPECT_THAT(Compute(), StatusIs(absl::StatusCode::kFailedPrecondition));
}

TEST_F(ComputeConsensusTest, VotesThatDoNotFitTogetherAreRefused) {
  ASSERT_THAT(Compute(), IsOk());
  const std::vector<Vote> good = votes_;
  const std::vector<std::function<void(Vote&)>> edits = {
      [](Vote& vote) { ++vote.epoch; },
      [](Vote& vote) { vote.valid_after += absl::Seconds(1); },
      [this](Vote& vote) { vote.network_id = random_.Fixed<NetworkId>(); },
      [&good](Vote& vote) { vote.authority = good[0].authority; },
      [this](Vote& vote) {
        vote.previous_hash = random_.Fixed<crypto::Digest256>();
      },
  };
  for (size_t i = 0; i < edits.size(); ++i) {
    votes_ = good;
    edits[i](votes_[1]);
    EXPECT_THAT(Compute(), StatusIs(absl::StatusCode::kFailedPrecondition))
        << i;
  }
  votes_.clear();
  EXPECT_THAT(Compute(), StatusIs(absl::StatusCode::kFailedPrecondition));
}

TEST_F(ComputeConsensusTest, AnEpochNeverFollowsItselfOrALaterOne) {
  const auto first = Result();
  BuildOn(*first);
  for (Vote& vote : votes_) vote.epoch = first->epoch();
  EXPECT_THAT(Compute(first.get()),
              StatusIs(absl::StatusCode::kFailedPrecondition));
}

// The vote's own encoding.

TEST_F(ComputeConsensusTest, AVoteReadsBackAsItWasSigned) {
  votes_[1].entries[2].ready_epoch = 77;
  votes_[1].entries[2].leaving = true;
  const std::string bytes = SignVote(votes_[1], net_.authority(1));
  const auto vote = ParseVote(bytes);
  ASSERT_THAT(vote, IsOk());
  EXPECT_EQ(vote->authority, net_.authority(1).public_key());
  EXPECT_EQ(vote->epoch, votes_[1].epoch);
  EXPECT_EQ(vote->valid_after, votes_[1].valid_after);
  EXPECT_EQ(vote->params, votes_[1].params);
  EXPECT_EQ(vote->entries[2].ready_epoch, 77);
  EXPECT_TRUE(vote->entries[2].leaving);
  ASSERT_EQ(vote->entries.size(), votes_[1].entries.size());
  for (size_t i = 0; i < vote->entries.size(); ++i) {
    EXPECT_EQ(vote->entries[i].running, votes_[1].entries[i].running);
    EXPECT_EQ(vote->entries[i].descriptor, votes_[1].entries[i].descriptor);
  }
}

TEST_F(ComputeConsensusTest, ADamagedVoteIsRefused) {
  const std::string good = SignVote(votes_[1], net_.authority(1));
  for (size_t i = 0; i < good.size(); i += 11) {
    std::string bad = good;
    bad[i] ^= static_cast<char>(1 << (i % 8));
    EXPECT_FALSE(ParseVote(bad).ok()) << i;
    EXPECT_FALSE(ParseVote(good.substr(0, i)).ok()) << i;
  }
}

TEST_F(ComputeConsensusTest, AVoteWithNodesOutOfOrderIsRefused) {
  std::swap(votes_[1].entries[0], votes_[1].entries[1]);
  EXPECT_THAT(ParseVote(SignVote(votes_[1], net_.authority(1))),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

}  // namespace
}  // namespace messenger::routing
