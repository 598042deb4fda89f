#include "routing/directory/consensus.h"

#include <algorithm>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "crypto/base/testing/status_matchers.h"
#include "crypto/random/testing/seeded_random.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "routing/directory/consensus_diff.h"
#include "routing/directory/consensus_encoding.h"
#include "routing/directory/consensus_holder.h"
#include "routing/directory/testing/test_network.h"
#include "routing/proto/directory.pb.h"
#include "routing/runtime/testing/simulated_clock.h"

namespace messenger::routing {
namespace {

using ::messenger::testing::IsOk;
using ::messenger::testing::StatusIs;
using ::testing::ElementsAre;

constexpr int kNodes = 6;

class ConsensusTest : public ::testing::Test {
 protected:
  ConsensusTest()
      : net_(kNodes, TestNetwork::SmallParams(), random_, clock_.Now()) {}

  absl::Status Verify(const std::string& wire) {
    return Consensus::Verify(wire, net_.trust(), clock_.Now()).status();
  }

  v1::SignedConsensus Document(const std::vector<int>& signers = {0, 1}) {
    v1::SignedConsensus document;
    EXPECT_TRUE(document.ParseFromString(net_.Sign(net_.draft(), signers)));
    return document;
  }

  // Signs `document`'s header, as changed, by two authorities.
  std::string Resign(v1::SignedConsensus document) {
    document.clear_signatures();
    for (int i : {0, 1}) {
      v1::Signature* signature = document.add_signatures();
      signature->set_authority_key(
          std::string(net_.authority(i).public_key().bytes()));
      signature->set_signature(std::string(
          net_.authority(i)
              .Sign(crypto::SigningDomain::kConsensus, document.header())
              .bytes()));
    }
    return document.SerializeAsString();
  }

  // The document with a header that fits these entries.
  std::string WithEntries(const std::vector<std::string>& entries) {
    v1::SignedConsensus document = Document();
    ConsensusHeader header = ParseHeader(document.header()).value();
    header.node_count = entries.size();
    header.nodes_root = NodesRoot(entries);
    document.set_header(EncodeHeader(header));
    document.clear_entries();
    for (const std::string& entry : entries) document.add_entries(entry);
    return Resign(document);
  }

  std::vector<std::string> Entries() {
    const v1::SignedConsensus document = Document();
    return {document.entries().begin(), document.entries().end()};
  }

  crypto::SeededRandom random_{1};
  SimulatedClock clock_;
  TestNetwork net_;
};

TEST_F(ConsensusTest, ShowsWhatWasSigned) {
  const Consensus& consensus = *net_.consensus();
  EXPECT_EQ(consensus.epoch(), 1);
  EXPECT_EQ(consensus.params(), TestNetwork::SmallParams());
  EXPECT_EQ(consensus.valid_until() - consensus.valid_after(), absl::Hours(24));
  ASSERT_EQ(consensus.nodes().size(), kNodes);
  EXPECT_TRUE(std::is_sorted(
      consensus.nodes().begin(), consensus.nodes().end(),
      [](const NodeRecord& a, const NodeRecord& b) { return a.id < b.id; }));
  for (int i = 0; i < kNodes; ++i) {
    const NodeRecord* node = consensus.Find(net_.node(i).id());
    ASSERT_NE(node, nullptr);
    EXPECT_EQ(node->link.address, "sim:" + std::to_string(i));
    EXPECT_TRUE(node->running && node->serving() && node->target());
    EXPECT_TRUE(node->relay);
    EXPECT_EQ(consensus.FindByTlsKey(node->link.tls_key), node);
    EXPECT_EQ(node->storage_key, net_.node(i).storage_key.public_key());
  }
  EXPECT_EQ(consensus.Find(random_.Fixed<NodeId>()), nullptr);
  EXPECT_EQ(consensus.FindByTlsKey(random_.Fixed<TlsKey>()), nullptr);
}

TEST_F(ConsensusTest, GivesTheKeysThatTheNodeCanUse) {
  const Consensus& consensus = *net_.consensus();
  OnionEpochs epochs = consensus.EpochsAt(clock_.Now());
  const NodeId id = net_.node(2).id();
  const auto keys = consensus.KeysFor(id, epochs);
  ASSERT_TRUE(keys.has_value());
  const HopSecrets* secrets = net_.node(2).keys->Find(epochs, clock_.Now());
  ASSERT_NE(secrets, nullptr);
  EXPECT_EQ(keys->onion_key, secrets->onion_key.public_key());
  EXPECT_EQ(keys->kem_key, secrets->kem_key.public_key());

  EXPECT_FALSE(consensus.KeysFor(random_.Fixed<NodeId>(), epochs).has_value());
  epochs.onion += 2;
  EXPECT_FALSE(consensus.KeysFor(id, epochs).has_value());
}

TEST_F(ConsensusTest, QuorumsOfReadersAndWritersMeet) {
  for (int n = 1; n <= NetworkParams::kMaxSwarmSize; ++n) {
    NetworkParams params;
    params.swarm_size = n;
    EXPECT_GT(params.write_quorum() + params.read_quorum(), n);
    EXPECT_GT(2 * params.write_quorum(), n);
  }
}

TEST_F(ConsensusTest, AMajorityOfSignaturesIsEnoughAndFewerAreNot) {
  EXPECT_THAT(Verify(net_.Sign(net_.draft(), {0, 1, 2})), IsOk());
  EXPECT_THAT(Verify(net_.Sign(net_.draft(), {2, 0})), IsOk());
  EXPECT_THAT(Verify(net_.Sign(net_.draft(), {1})),
              StatusIs(absl::StatusCode::kUnauthenticated));
  EXPECT_THAT(Verify(net_.Sign(net_.draft(), {})),
              StatusIs(absl::StatusCode::kUnauthenticated));
}

TEST_F(ConsensusTest, OneAuthorityCountsOnceHoweverOftenItSigns) {
  EXPECT_THAT(Verify(net_.Sign(net_.draft(), {1, 1, 1})),
              StatusIs(absl::StatusCode::kUnauthenticated));
}

TEST_F(ConsensusTest, StrangersSignaturesDoNotCount) {
  v1::SignedConsensus document = Document({0});
  const auto stranger = crypto::Ed25519PrivateKey::Generate(random_);
  v1::Signature* signature = document.add_signatures();
  signature->set_authority_key(std::string(stranger.public_key().bytes()));
  signature->set_signature(std::string(
      stranger.Sign(crypto::SigningDomain::kConsensus, document.header())
          .bytes()));
  EXPECT_THAT(Verify(document.SerializeAsString()),
              StatusIs(absl::StatusCode::kUnauthenticated));
}

TEST_F(ConsensusTest, ASignatureForAnotherPurposeDoesNotCount) {
  v1::SignedConsensus document = Document({0});
  v1::Signature* signature = document.add_signatures();
  signature->set_authority_key(
      std::string(net_.authority(1).public_key().bytes()));
  signature->set_signature(std::string(
      net_.authority(1)
          .Sign(crypto::SigningDomain::kDirectoryVote, document.header())
          .bytes()));
  EXPECT_THAT(Verify(document.SerializeAsString()),
              StatusIs(absl::StatusCode::kUnauthenticated));
}

TEST_F(ConsensusTest, AnotherNetworksConsensusIsRefused) {
  DirectoryTrust trust = net_.trust();
  trust.network_id = random_.Fixed<NetworkId>();
  EXPECT_THAT(Consensus::Verify(net_.Sign(net_.draft()), trust, clock_.Now()),
              StatusIs(absl::StatusCode::kFailedPrecondition));
}

TEST_F(ConsensusTest, IsValidForADay) {
  const std::string wire = net_.Sign(net_.draft());
  clock_.Advance(absl::Hours(24) - absl::Seconds(1));
  EXPECT_THAT(Verify(wire), IsOk());
  clock_.Advance(absl::Seconds(1));
  EXPECT_THAT(Verify(wire), StatusIs(absl::StatusCode::kFailedPrecondition));
}

TEST_F(ConsensusTest, IsNotValidBeforeItsTime) {
  const std::string wire = net_.Sign(net_.draft());
  clock_.Advance(-kConsensusClockSkew);
  EXPECT_THAT(Verify(wire), IsOk());
  clock_.Advance(-absl::Seconds(1));
  EXPECT_THAT(Verify(wire), StatusIs(absl::StatusCode::kFailedPrecondition));
}

TEST_F(ConsensusTest, AnyFlippedBitIsRefusedOrChangesNothing) {
  // Exactly as many signatures as needed, so that each counts.
  const std::string good = net_.Sign(net_.draft(), {0, 1});
  const crypto::Digest256 hash = net_.consensus()->hash();
  for (size_t bit = 0; bit < 8 * good.size(); bit += 149) {
    std::string bad = good;
    bad[bit / 8] ^= static_cast<char>(1 << (bit % 8));
    // Also told apart when it claims to know the entries already.
    for (const Consensus* known :
         {net_.consensus().get(), static_cast<const Consensus*>(nullptr)}) {
      const auto read =
          Consensus::Verify(bad, net_.trust(), clock_.Now(), known);
      EXPECT_FALSE(read.ok()) << "bit " << bit;
    }
  }
  EXPECT_EQ(net_.consensus()->hash(), hash);
}

TEST_F(ConsensusTest, EveryTruncationIsRefused) {
  const std::string good = net_.Sign(net_.draft(), {0, 1});
  for (size_t size = 0; size < good.size(); size += 41) {
    EXPECT_FALSE(Verify(good.substr(0, size)).ok()) << size;
  }
}

TEST_F(ConsensusTest, NodesOutOfOrderAreRefused) {
  std::vector<std::string> entries = Entries();
  ASSERT_THAT(Verify(WithEntries(entries)), IsOk());
  std::swap(entries[0], entries[1]);
  EXPECT_THAT(Verify(WithEntries(entries)),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST_F(ConsensusTest, ANodeListedTwiceIsRefused) {
  std::vector<std::string> entries = Entries();
  entries.insert(entries.begin(), entries[0]);
  EXPECT_THAT(Verify(WithEntries(entries)),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST_F(ConsensusTest, EntriesThatAreNotTheSignedOnesAreRefused) {
  v1::SignedConsensus document = Document();
  document.mutable_entries()->RemoveLast();
  EXPECT_THAT(Verify(document.SerializeAsString()),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST_F(ConsensusTest, ADescriptorThatItsNodeDidNotSignIsRefused) {
  std::vector<std::string> entries = Entries();
  entries[2].back() ^= 1;
  EXPECT_THAT(Verify(WithEntries(entries)),
              StatusIs(absl::StatusCode::kUnauthenticated));
}

TEST_F(ConsensusTest, TooManyEntriesOrBytesAreRefused) {
  EXPECT_THAT(Verify(WithEntries(
                  std::vector<std::string>(kMaxConsensusNodes + 1, "x"))),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(Verify(std::string(kMaxConsensusBytes + 1, 'x')),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST_F(ConsensusTest, IsPassedOnWithoutWhatWasNotChecked) {
  v1::SignedConsensus document = Document({0, 1});
  const std::string clean = document.SerializeAsString();
  document.add_signatures()->set_signature("advertisement");
  const auto consensus = Consensus::Verify(document.SerializeAsString(),
                                           net_.trust(), clock_.Now());
  ASSERT_THAT(consensus, IsOk());
  EXPECT_EQ((*consensus)->wire().size(), clean.size());
  EXPECT_EQ((*consensus)->wire().find("advertisement"), std::string::npos);
  EXPECT_THAT(Verify((*consensus)->wire()), IsOk());
}

// The holder.

class ConsensusHolderTest : public ConsensusTest {
 protected:
  ConsensusHolder holder_{net_.trust(), clock_};
};

TEST_F(ConsensusHolderTest, TellsObserversOfEachNewConsensus) {
  std::vector<uint64_t> seen;
  holder_.AddObserver([&](const std::shared_ptr<const Consensus>& consensus) {
    EXPECT_EQ(holder_.current(), consensus);
    seen.push_back(consensus->epoch());
  });
  EXPECT_EQ(holder_.current(), nullptr);
  EXPECT_THAT(holder_.Accept(net_.consensus()->wire()), IsOk());
  EXPECT_THAT(holder_.Accept(net_.consensus()->wire()), IsOk());
  net_.Reissue([](TestNetwork::Draft&) {});
  EXPECT_THAT(holder_.Accept(net_.consensus()->wire()), IsOk());
  EXPECT_THAT(seen, ElementsAre(1, 2));
}

TEST_F(ConsensusHolderTest, NeverGoesBack) {
  const std::string old = net_.consensus()->wire();
  net_.Reissue([](TestNetwork::Draft&) {});
  ASSERT_THAT(holder_.Accept(net_.consensus()->wire()), IsOk());
  EXPECT_THAT(holder_.Accept(old),
              StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_EQ(holder_.current()->epoch(), 2);
}

TEST_F(ConsensusHolderTest, RefusesASecondDocumentOfTheSameEpoch) {
  ASSERT_THAT(holder_.Accept(net_.consensus()->wire()), IsOk());
  net_.Reissue([](TestNetwork::Draft& draft) {
    draft.epoch = 1;
    draft.nodes[0].running = false;
  });
  EXPECT_THAT(holder_.Accept(net_.consensus()->wire()),
              StatusIs(absl::StatusCode::kFailedPrecondition));
}

TEST_F(ConsensusHolderTest, RemembersHowFarItWasWithoutADocument) {
  holder_.SetFloor(2);
  EXPECT_THAT(holder_.Accept(net_.consensus()->wire()),
              StatusIs(absl::StatusCode::kFailedPrecondition));
  net_.Reissue([](TestNetwork::Draft&) {});
  EXPECT_THAT(holder_.Accept(net_.consensus()->wire()), IsOk());
}

// Differences.

class ConsensusDiffTest : public ConsensusTest {};

TEST_F(ConsensusDiffTest, GivesExactlyTheNewDocument) {
  for (uint64_t seed = 0; seed < 40; ++seed) {
    SCOPED_TRACE(seed);
    crypto::SeededRandom random(seed);
    TestNetwork net(8, TestNetwork::SmallParams(), random, clock_.Now());
    const auto base = net.consensus();
    if (random.Uniform(2) == 0) net.AddNode();
    net.Reissue([&](TestNetwork::Draft& draft) {
      for (TestNetwork::Draft::Node& node : draft.nodes) {
        switch (random.Uniform(5)) {
          case 0:
            node.running = false;
            break;
          case 1:
            node.descriptor.capacity_mib += 1;
            break;
          case 2:
            node.storage_state = StorageState::kWaiting;
            node.descriptor.nickname = "renamed";
            break;
        }
      }
      while (random.Uniform(2) == 0 && !draft.nodes.empty()) {
        draft.nodes.erase(draft.nodes.begin() +
                          random.Uniform(draft.nodes.size()));
      }
    });
    const std::string diff = MakeConsensusDiff(*base, *net.consensus());
    const auto wire = ApplyConsensusDiff(*base, diff);
    ASSERT_THAT(wire, IsOk());
    EXPECT_EQ(*wire, net.consensus()->wire());
    const auto verified =
        Consensus::Verify(*wire, net.trust(), clock_.Now(), base.get());
    ASSERT_THAT(verified, IsOk());
    EXPECT_EQ((*verified)->hash(), net.consensus()->hash());
  }
}

TEST_F(ConsensusDiffTest, OfAnUnchangedNetworkIsSmall) {
  const auto base = net_.consensus();
  net_.Reissue(
      [](TestNetwork::Draft& draft) { draft.nodes[0].running = false; });
  EXPECT_LT(MakeConsensusDiff(*base, *net_.consensus()).size(), 700);
}

TEST_F(ConsensusDiffTest, DoesNotApplyToAnotherBase) {
  const auto base = net_.consensus();
  const auto next = net_.Reissue([](TestNetwork::Draft&) {});
  EXPECT_THAT(ApplyConsensusDiff(*next, MakeConsensusDiff(*base, *next)),
              StatusIs(absl::StatusCode::kFailedPrecondition));
}

TEST_F(ConsensusDiffTest, DamageNeverYieldsAnAcceptedDocument) {
  const auto base = net_.consensus();
  const auto next = net_.Reissue([](TestNetwork::Draft& draft) {
    draft.nodes[1].running = false;
    draft.nodes[2].descriptor.capacity_mib = 1;
    draft.nodes.pop_back();
  });
  // Two signatures, both needed.
  v1::ConsensusDiff diff;
  ASSERT_TRUE(diff.ParseFromString(MakeConsensusDiff(*base, *next)));
  diff.mutable_signatures()->RemoveLast();
  const std::string good = diff.SerializeAsString();
  ASSERT_THAT(Verify(ApplyConsensusDiff(*base, good).value()), IsOk());
  for (size_t bit = 0; bit < 8 * good.size(); bit += 61) {
    std::string bad = good;
    bad[bit / 8] ^= static_cast<char>(1 << (bit % 8));
    const auto wire = ApplyConsensusDiff(*base, bad);
    EXPECT_FALSE(wire.ok() && Verify(*wire).ok()) << "bit " << bit;
  }
}

}  // namespace
}  // namespace messenger::routing
