// Whole votes between authorities, in virtual time.

#include "routing/directory/authority/authority_core.h"

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "crypto/base/testing/status_matchers.h"
#include "crypto/random/testing/seeded_random.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "routing/directory/authority/testing/in_memory_authority_store.h"
#include "routing/directory/authority/vote.h"
#include "routing/directory/descriptor_publisher.h"
#include "routing/directory/directory_client.h"
#include "routing/directory/node_keys.h"
#include "routing/directory/storage_reporter.h"
#include "routing/proto/directory.pb.h"
#include "routing/runtime/testing/simulated_clock.h"
#include "routing/runtime/testing/simulated_network.h"

namespace messenger::routing {
namespace {

using ::messenger::testing::IsOk;
using ::messenger::testing::StatusIs;
using ::testing::SizeIs;

constexpr absl::Duration kInterval = absl::Seconds(4);
constexpr absl::Duration kProbeInterval = absl::Seconds(1);
constexpr char kPing[] = "/messenger.routing.v1.Relay/Ping";

class AuthorityCoreTest : public ::testing::Test {
 protected:
  // A process: destroyed and made again by crashes and restarts.
  struct Authority {
    std::string name;
    crypto::Ed25519PrivateKey key;
    InMemoryAuthorityStore store;
    SimulatedNetwork::Host* host = nullptr;
    std::unique_ptr<AuthorityCore> core;
  };

  struct Node {
    crypto::Ed25519PrivateKey identity;
    SimulatedNetwork::Host* link = nullptr;
    SimulatedNetwork::Host* storage = nullptr;
    bool stores = true;
    std::unique_ptr<NodeKeys> keys;
    std::unique_ptr<DescriptorPublisher> publisher;
    crypto::Ed25519PrivateKey storage_key;
    std::unique_ptr<StorageReporter> reporter;

    NodeId id() const { return keys->node_id(); }
  };

  AuthorityCoreTest() { params_.swarm_size = 3; }
  ~AuthorityCoreTest() override {
    // Cores use the hosts' transports.
    for (auto& node : nodes_) {
      node->publisher = nullptr;
      node->reporter = nullptr;
    }
    for (auto& authority : authorities_) authority->core = nullptr;
  }

  void MakeAuthorities(int count) {
    config_.network_id = random_.Fixed<NetworkId>();
    for (int i = 0; i < count; ++i) {
      authorities_.push_back(std::make_unique<Authority>(
          Authority{absl::StrCat("sim:authority", i),
                    crypto::Ed25519PrivateKey::Generate(random_),
                    {},
                    nullptr,
                    nullptr}));
      Authority& authority = *authorities_.back();
      authority.host =
          &network_.AddHost(authority.name, random_.Fixed<TlsKey>());
      config_.authorities.push_back({absl::StrCat("authority", i),
                                     authority.key.public_key(),
                                     authority.host->endpoint()});
    }
  }

  void StartAuthority(int i) {
    Authority& authority = *authorities_[i];
    AuthorityCore::Options options;
    options.network = config_;
    options.params = params_;
    options.voting_interval = kInterval;
    options.probe_interval = kProbeInterval;
    options.probe_timeout = absl::Milliseconds(800);
    options.acceptable_address = [](absl::string_view) { return true; };
    auto core = AuthorityCore::Create(std::move(options), authority.key,
                                      authority.host->transport(), executor_,
                                      clock_, authority.store);
    ASSERT_THAT(core, IsOk());
    authority.core = *std::move(core);
    authority.core->Register(authority.host->server());
    authority.core->Start();
  }

  void StartAuthorities(int count = 3) {
    MakeAuthorities(count);
    for (int i = 0; i < count; ++i) StartAuthority(i);
  }

  void CrashAuthority(int i) {
    network_.Crash(*authorities_[i]->host);
    authorities_[i]->core = nullptr;
  }
  void RestartAuthority(int i) {
    network_.Restart(*authorities_[i]->host);
    StartAuthority(i);
  }

  AuthorityCore& core(int i) { return *authorities_[i]->core; }

  static void AnswerPings(SimulatedNetwork::Host& host) {
    host.server().HandleMethod(
        kPing, {64},
        [](const Peer&, std::string, Reply reply) { reply(std::string()); });
  }

  std::vector<Endpoint> AuthorityEndpoints() const {
    std::vector<Endpoint> endpoints;
    for (const auto& authority : config_.authorities) {
      endpoints.push_back(authority.endpoint);
    }
    return endpoints;
  }

  // A relay, and by default a storage node as well.
  Node& AddNode(bool stores = true) {
    const int i = static_cast<int>(nodes_.size());
    auto identity = crypto::Ed25519PrivateKey::Generate(random_);
    const NodeId id = NodeId::FromBytes(identity.public_key().bytes()).value();
    nodes_.push_back(std::make_unique<Node>(
        Node{std::move(identity), nullptr, nullptr, stores,
             NodeKeys::Open("", id, params_, random_, clock_.Now()).value(),
             nullptr, crypto::Ed25519PrivateKey::Generate(random_), nullptr}));
    Node& node = *nodes_.back();
    node.link =
        &network_.AddHost(absl::StrCat("sim:", i), random_.Fixed<TlsKey>());
    // The storage process answers nothing but UNIMPLEMENTED.
    node.storage =
        &network_.AddHost(absl::StrCat("sim:s", i), random_.Fixed<TlsKey>());
    AnswerPings(*node.link);
    Publish(node);
    return node;
  }

  void Publish(Node& node) {
    Descriptor base;
    base.network_id = config_.network_id;
    base.relay = true;
    base.storage_role = node.stores;
    base.storage_key = node.storage_key.public_key();
    base.nickname = "node";
    base.link = node.link->endpoint();
    if (node.stores) base.storage = node.storage->endpoint();
    node.publisher = std::make_unique<DescriptorPublisher>(
        node.link->transport(), executor_, clock_, node.identity, *node.keys,
        AuthorityEndpoints(), base);
    ASSERT_THAT(node.publisher->Start(), IsOk());
  }

  void Report(Node& node, uint64_t ready_epoch, bool leaving = false) {
    if (node.reporter == nullptr) {
      node.reporter = std::make_unique<StorageReporter>(
          node.storage->transport(), executor_, clock_, node.storage_key,
          config_.network_id, node.id(), AuthorityEndpoints());
    }
    node.reporter->Report(ready_epoch, leaving);
  }
  StorageState StateOf(const Node& node) {
    const NodeRecord* record = Current()->Find(node.id());
    return record == nullptr ? StorageState::kNone : record->storage_state;
  }

  // What most authorities publish.
  std::shared_ptr<const Consensus> Current(int authority = 0) {
    return core(authority).holder().current();
  }
  bool AllListRunning(size_t count) {
    for (auto& authority : authorities_) {
      if (authority->core == nullptr) continue;
      const auto current = authority->core->holder().current();
      if (current == nullptr || current->nodes().size() != count) return false;
      for (const NodeRecord& node : current->nodes()) {
        if (!node.running) return false;
      }
    }
    return true;
  }
  void RunIntervals(int count) { executor_.RunFor(kInterval * count); }

  // Every consensus that any authority ever held, by epoch: there must be one
  // only.
  void CheckNoFork() {
    for (auto& authority : authorities_) {
      if (authority->core == nullptr) continue;
      authority->core->holder().AddObserver(
          [this](const std::shared_ptr<const Consensus>& consensus) {
            const auto [it, first] =
                seen_.emplace(consensus->epoch(), consensus->hash());
            EXPECT_EQ(it->second, consensus->hash())
                << "two consensuses of epoch " << consensus->epoch();
          });
    }
  }

  crypto::SeededRandom random_{1};
  SimulatedClock clock_;
  SimulatedExecutor executor_{clock_};
  SimulatedNetwork network_{random_, executor_};
  NetworkConfig config_;
  NetworkParams params_;
  std::vector<std::unique_ptr<Authority>> authorities_;
  std::vector<std::unique_ptr<Node>> nodes_;
  std::map<uint64_t, crypto::Digest256> seen_;
};

TEST_F(AuthorityCoreTest, ANewNetworkHasAllNodesWithinOneInterval) {
  StartAuthorities();
  CheckNoFork();
  executor_.RunFor(absl::Milliseconds(1500));
  for (int i = 0; i < 8; ++i) AddNode();
  EXPECT_TRUE(executor_.RunUntil([this] { return AllListRunning(8); },
                                 kInterval + absl::Seconds(1)));
  for (const NodeRecord& node : Current()->nodes())
    EXPECT_EQ(node.storage_state, StorageState::kActive);
  for (auto& node : nodes_) EXPECT_EQ(node->publisher->accepted(), 3);
}

TEST_F(AuthorityCoreTest, AnUnchangedNetworkKeepsPublishing) {
  StartAuthorities();
  CheckNoFork();
  for (int i = 0; i < 3; ++i) AddNode();
  RunIntervals(3);
  auto last = Current();
  ASSERT_NE(last, nullptr);
  for (int i = 0; i < 10; ++i) {
    RunIntervals(1);
    const auto next = Current();
    EXPECT_EQ(next->epoch(), last->epoch() + 1);
    EXPECT_EQ(next->previous_hash(), last->hash());
    for (int other : {1, 2}) EXPECT_EQ(Current(other)->hash(), next->hash());
    last = next;
  }
  for (int i : {0, 1, 2}) {
    EXPECT_EQ(core(i).counters().equivocations, 0);
    EXPECT_EQ(core(i).counters().different_results, 0);
    EXPECT_EQ(core(i).counters().too_few_votes, 0);
  }
}

TEST_F(AuthorityCoreTest, ASingleAuthorityPublishesAlone) {
  StartAuthorities(1);
  AddNode();
  RunIntervals(2);
  ASSERT_NE(Current(), nullptr);
  EXPECT_THAT(Current()->nodes(), SizeIs(1));
}

TEST_F(AuthorityCoreTest, ANodeThatGoesDownStopsRunningAndStaysActive) {
  StartAuthorities();
  for (int i = 0; i < 3; ++i) AddNode();
  RunIntervals(2);
  ASSERT_TRUE(AllListRunning(3));
  const NodeId id = nodes_[1]->id();
  network_.Crash(*nodes_[1]->link);
  nodes_[1]->publisher = nullptr;
  // Two probes and their timeouts, then the next vote.
  EXPECT_TRUE(
      executor_.RunUntil([&] { return !Current()->Find(id)->running; },
                         3 * kProbeInterval + kInterval + absl::Seconds(1)));
  EXPECT_TRUE(Current()->Find(id)->serving());
  EXPECT_TRUE(Current()->Find(nodes_[0]->id())->running);

  network_.Restart(*nodes_[1]->link);
  AnswerPings(*nodes_[1]->link);
  EXPECT_TRUE(
      executor_.RunUntil([&] { return AllListRunning(3); },
                         kProbeInterval + kInterval + absl::Seconds(1)));
}

TEST_F(AuthorityCoreTest, ANodeWhoseStorageIsDownDoesNotRun) {
  StartAuthorities();
  Node& node = AddNode();
  RunIntervals(2);
  ASSERT_TRUE(AllListRunning(1));
  network_.Crash(*node.storage);
  RunIntervals(3);
  EXPECT_FALSE(Current()->Find(node.id())->running);
}

TEST_F(AuthorityCoreTest, ANodeOfAnotherKeyAtTheAddressDoesNotCount) {
  StartAuthorities();
  Node& node = AddNode();
  Descriptor base;
  base.network_id = config_.network_id;
  base.relay = true;
  base.nickname = "squatter";
  base.link = {node.link->endpoint().address, random_.Fixed<TlsKey>()};
  const auto identity = crypto::Ed25519PrivateKey::Generate(random_);
  auto keys = NodeKeys::Open(
                  "", NodeId::FromBytes(identity.public_key().bytes()).value(),
                  params_, random_, clock_.Now())
                  .value();
  DescriptorPublisher publisher(node.link->transport(), executor_, clock_,
                                identity, *keys, AuthorityEndpoints(), base);
  ASSERT_THAT(publisher.Start(), IsOk());
  RunIntervals(3);
  EXPECT_EQ(publisher.accepted(), 3);
  EXPECT_THAT(Current()->nodes(), SizeIs(1));
}

TEST_F(AuthorityCoreTest, ARelayIsGoneADayAfterItWentDown) {
  StartAuthorities();
  AddNode();
  AddNode(/*stores=*/false);
  RunIntervals(2);
  const NodeId id = nodes_[1]->id();
  network_.Crash(*nodes_[1]->link);
  nodes_[1]->publisher = nullptr;
  executor_.RunFor(absl::Minutes(1));
  ASSERT_FALSE(Current()->Find(id)->running);
  // A day in which nothing else happens: only its end matters here.
  for (auto& authority : authorities_) {
    CrashAuthority(&authority - authorities_.data());
  }
  clock_.Advance(absl::Hours(24) - absl::Minutes(3));
  for (int i : {0, 1, 2}) RestartAuthority(i);
  RunIntervals(3);
  EXPECT_NE(Current()->Find(id), nullptr);
  executor_.RunFor(absl::Minutes(3));
  EXPECT_EQ(Current()->Find(id), nullptr);
  EXPECT_NE(Current()->Find(nodes_[0]->id()), nullptr);
}

TEST_F(AuthorityCoreTest, TwoOfThreeGoOnAndTheThirdCatchesUp) {
  StartAuthorities();
  CheckNoFork();
  AddNode();
  RunIntervals(2);
  CrashAuthority(2);
  const uint64_t before = Current()->epoch();
  RunIntervals(4);
  EXPECT_GE(Current()->epoch(), before + 3);
  AddNode();
  RunIntervals(2);
  RestartAuthority(2);
  EXPECT_LT(Current(2)->epoch(), Current(0)->epoch());
  RunIntervals(2);
  EXPECT_EQ(Current(2)->hash(), Current(0)->hash());
  // It knows the node that came while it was away, and votes with the others.
  EXPECT_THAT(core(2).nodes().nodes(), SizeIs(2));
  CrashAuthority(0);
  RunIntervals(3);
  EXPECT_EQ(Current(2)->hash(), Current(1)->hash());
  EXPECT_TRUE(AllListRunning(2));
}

TEST_F(AuthorityCoreTest, OneOfThreePublishesNothing) {
  StartAuthorities();
  AddNode();
  RunIntervals(2);
  CrashAuthority(1);
  CrashAuthority(2);
  executor_.RunFor(absl::Seconds(1));
  const uint64_t before = Current()->epoch();
  RunIntervals(5);
  EXPECT_EQ(Current()->epoch(), before);
  EXPECT_GE(core(0).counters().too_few_votes, 4);
}

TEST_F(AuthorityCoreTest, AnAuthorityThatIsCutOffJoinsAgainWithoutAFork) {
  StartAuthorities();
  CheckNoFork();
  for (int i = 0; i < 2; ++i) AddNode();
  RunIntervals(2);
  for (int cut : {0, 1, 2}) {
    network_.Partition({authorities_[cut]->name});
    RunIntervals(3);
    network_.Heal();
    RunIntervals(3);
    EXPECT_EQ(Current(0)->hash(), Current(1)->hash());
    EXPECT_EQ(Current(0)->hash(), Current(2)->hash());
  }
}

TEST_F(AuthorityCoreTest, LostMessagesCostRoundsButNeverFork) {
  StartAuthorities();
  CheckNoFork();
  for (int i = 0; i < 3; ++i) AddNode();
  RunIntervals(2);
  network_.SetLoss(0.3);
  const uint64_t before = Current()->epoch();
  RunIntervals(40);
  EXPECT_GT(Current()->epoch(), before + 5);
  network_.SetLoss(0);
  RunIntervals(3);
  EXPECT_EQ(Current(0)->hash(), Current(1)->hash());
  EXPECT_EQ(Current(0)->hash(), Current(2)->hash());
}

TEST_F(AuthorityCoreTest, ClocksThatDifferALittleDoNotMatter) {
  // The third authority's timers run on a clock that is 400 ms late.
  class LateClock final : public Clock {
   public:
    explicit LateClock(const Clock& clock) : clock_(clock) {}
    absl::Time Now() const override {
      return clock_.Now() - absl::Milliseconds(400);
    }

   private:
    const Clock& clock_;
  } late(clock_);
  MakeAuthorities(3);
  StartAuthority(0);
  StartAuthority(1);
  Authority& third = *authorities_[2];
  AuthorityCore::Options options;
  options.network = config_;
  options.params = params_;
  options.voting_interval = kInterval;
  options.probe_interval = kProbeInterval;
  options.acceptable_address = [](absl::string_view) { return true; };
  third.core = AuthorityCore::Create(std::move(options), third.key,
                                     third.host->transport(), executor_, late,
                                     third.store)
                   .value();
  third.core->Register(third.host->server());
  third.core->Start();
  CheckNoFork();
  AddNode();
  RunIntervals(6);
  EXPECT_GE(core(2).counters().published, 4);
  EXPECT_EQ(Current(0)->hash(), Current(2)->hash());
  // Destroyed before its clock.
  third.core = nullptr;
}

TEST_F(AuthorityCoreTest, AStorageNodeStaysListedHoweverLongItIsDown) {
  StartAuthorities();
  for (int i = 0; i < 2; ++i) AddNode();
  RunIntervals(2);
  network_.Crash(*nodes_[1]->storage);
  nodes_[1]->publisher = nullptr;
  RunIntervals(3);
  for (int i : {0, 1, 2}) CrashAuthority(i);
  clock_.Advance(absl::Hours(25));
  for (int i : {0, 1, 2}) RestartAuthority(i);
  RunIntervals(3);
  EXPECT_FALSE(Current()->Find(nodes_[1]->id())->running);
  EXPECT_EQ(StateOf(*nodes_[1]), StorageState::kActive);
}

TEST_F(AuthorityCoreTest, MembersChangeWhenAllOfTheTargetReportsReady) {
  params_.min_overlap = absl::ZeroDuration();
  StartAuthorities();
  CheckNoFork();
  for (int i = 0; i < 3; ++i) AddNode();
  RunIntervals(2);
  ASSERT_TRUE(AllListRunning(3));
  Node& joiner = AddNode();
  RunIntervals(2);
  ASSERT_EQ(StateOf(joiner), StorageState::kJoining);
  const uint64_t begun = Current()->transition_epoch();
  for (int i = 0; i < 3; ++i) Report(*nodes_[i], begun);
  Report(joiner, begun - 1);
  RunIntervals(2);
  for (auto& node : nodes_) EXPECT_EQ(node->reporter->accepted(), 3);
  EXPECT_EQ(StateOf(joiner), StorageState::kJoining);
  // Reports are still there after a restart.
  for (int i : {0, 1, 2}) CrashAuthority(i);
  for (int i : {0, 1, 2}) RestartAuthority(i);
  Report(joiner, begun);
  RunIntervals(2);
  EXPECT_EQ(StateOf(joiner), StorageState::kActive);
  EXPECT_EQ(Current()->transition_epoch(), 0);

  Report(*nodes_[0], begun, /*leaving=*/true);
  RunIntervals(2);
  EXPECT_EQ(StateOf(*nodes_[0]), StorageState::kLeaving);
  for (int i = 1; i < 4; ++i) {
    Report(*nodes_[i], Current()->transition_epoch());
  }
  RunIntervals(2);
  EXPECT_EQ(StateOf(*nodes_[0]), StorageState::kWaiting);
}

TEST_F(AuthorityCoreTest, AStorageNodeMustLeaveBeforeItIsAMereRelay) {
  StartAuthorities();
  Node& node = AddNode();
  RunIntervals(2);
  node.stores = false;
  clock_.Advance(absl::Milliseconds(1));
  Publish(node);
  RunIntervals(1);
  EXPECT_EQ(node.publisher->accepted(), 0);
  EXPECT_THAT(node.publisher->refusal(),
              StatusIs(absl::StatusCode::kFailedPrecondition));
}

TEST_F(AuthorityCoreTest, NobodyIsReadyByAnEpochToCome) {
  StartAuthorities();
  Node& node = AddNode();
  RunIntervals(2);
  Report(node, Current()->epoch() + 3);
  RunIntervals(1);
  EXPECT_EQ(node.reporter->accepted(), 0);
  EXPECT_THAT(node.reporter->refusal(),
              StatusIs(absl::StatusCode::kFailedPrecondition));
}

// An authority that tells two stories.
class EquivocationTest : public AuthorityCoreTest {
 protected:
  // Votes of the third authority, which is played by the test.
  std::string VoteOfThird(uint64_t epoch, int swarm_size) {
    Vote vote;
    vote.network_id = config_.network_id;
    vote.epoch = epoch;
    vote.valid_after =
        absl::UnixEpoch() + kInterval * static_cast<int64_t>(epoch);
    const auto previous = Current();
    if (previous != nullptr) {
      vote.previous_epoch = previous->epoch();
      vote.previous_hash = previous->hash();
    }
    vote.params = params_;
    vote.params.swarm_size = swarm_size;
    return SignVote(vote, authorities_[2]->key);
  }

  void Tell(int authority, uint64_t epoch, const std::string& vote) {
    v1::VoteRequest request;
    request.set_epoch(epoch);
    request.add_votes(vote);
    authorities_[2]->host->transport().Call(
        config_.authorities[authority].endpoint, kVoteMethod,
        request.SerializeAsString(), absl::Seconds(1),
        [this](absl::StatusOr<std::string> reply) {
          told_ok_ += reply.ok() ? 1 : 0;
        });
  }

  uint64_t NextEpoch() {
    const int64_t current = (clock_.Now() - absl::UnixEpoch()) / kInterval;
    return static_cast<uint64_t>(current) + 1;
  }

  void RunToStartOf(uint64_t epoch) {
    executor_.RunFor(absl::UnixEpoch() +
                     kInterval * static_cast<int64_t>(epoch) - clock_.Now());
  }

  int told_ok_ = 0;
};

TEST_F(EquivocationTest, IsFoundOutAndItsVotesAreVoid) {
  MakeAuthorities(3);
  StartAuthority(0);
  StartAuthority(1);
  CheckNoFork();
  AddNode();
  RunIntervals(2);
  const uint64_t epoch = NextEpoch();
  RunToStartOf(epoch);
  Tell(0, epoch, VoteOfThird(epoch, 4));
  Tell(1, epoch, VoteOfThird(epoch, 5));
  RunIntervals(1);
  EXPECT_EQ(told_ok_, 2);
  EXPECT_EQ(core(0).counters().equivocations, 1);
  EXPECT_EQ(core(1).counters().equivocations, 1);
  EXPECT_EQ(Current(0)->epoch(), epoch);
  EXPECT_EQ(Current(0)->hash(), Current(1)->hash());
  EXPECT_EQ(Current(0)->params().swarm_size, 3);
}

TEST_F(EquivocationTest, CannotMakeTheHonestSignTwoDocuments) {
  MakeAuthorities(3);
  StartAuthority(0);
  StartAuthority(1);
  CheckNoFork();
  AddNode();
  RunIntervals(2);
  // Told at many moments of a round, also after votes were compared.
  for (int step = 0; step < 30; ++step) {
    const uint64_t epoch = NextEpoch();
    RunToStartOf(epoch);
    executor_.RunFor(absl::Milliseconds(10 * step));
    Tell(0, epoch, VoteOfThird(epoch, 4));
    executor_.RunFor(absl::Milliseconds(15 * (step % 5)));
    Tell(1, epoch, VoteOfThird(epoch, 5));
    executor_.RunFor(kInterval / 4);
  }
  RunIntervals(2);
  EXPECT_EQ(Current(0)->hash(), Current(1)->hash());
  EXPECT_EQ(core(0).counters().refused_to_sign, 0);
}

TEST_F(EquivocationTest, VotesOfStrangersAndOfOtherRoundsAreRefused) {
  MakeAuthorities(3);
  StartAuthority(0);
  StartAuthority(1);
  RunIntervals(1);
  const uint64_t epoch = NextEpoch();
  RunToStartOf(epoch);
  // Brought by an authority, but not signed by one.
  Vote vote = ParseVote(VoteOfThird(epoch, 4)).value();
  Tell(0, epoch, SignVote(vote, crypto::Ed25519PrivateKey::Generate(random_)));
  // Of an epoch that is not being voted on.
  Tell(0, epoch + 5, VoteOfThird(epoch + 5, 4));
  Tell(0, epoch, VoteOfThird(epoch + 1, 4));
  // Signed by an authority, but not brought by one.
  v1::VoteRequest request;
  request.set_epoch(epoch);
  request.add_votes(VoteOfThird(epoch, 4));
  auto& stranger = network_.AddHost("sim:stranger", random_.Fixed<TlsKey>());
  absl::Status answer;
  stranger.transport().Call(
      config_.authorities[0].endpoint, kVoteMethod, request.SerializeAsString(),
      absl::Seconds(1),
      [&](absl::StatusOr<std::string> reply) { answer = reply.status(); });
  RunIntervals(1);
  EXPECT_EQ(told_ok_, 0);
  EXPECT_THAT(answer, StatusIs(absl::StatusCode::kPermissionDenied));
}

TEST_F(AuthorityCoreTest, ASplitVotePublishesNothingAndTheNextHeals) {
  // Each authority is configured with other parameters: no majority.
  MakeAuthorities(3);
  for (int i : {0, 1, 2}) {
    params_.swarm_size = 3 + i;
    StartAuthority(i);
  }
  RunIntervals(3);
  EXPECT_EQ(Current(), nullptr);
  EXPECT_GE(core(0).counters().too_few_votes, 2);
  CrashAuthority(2);
  params_.swarm_size = 4;
  RestartAuthority(2);
  RunIntervals(2);
  ASSERT_NE(Current(), nullptr);
  EXPECT_EQ(Current()->params().swarm_size, 4);
  for (int i : {0, 1}) EXPECT_EQ(Current(i)->hash(), Current(2)->hash());
}

TEST_F(AuthorityCoreTest, ARestartBetweenSigningAndPublishingSignsNoSecond) {
  StartAuthorities();
  AddNode();
  RunIntervals(2);
  const std::string previous = Current()->wire();
  const uint64_t epoch = Current()->epoch() + 1;
  // What each authority signs for that epoch, and who is the first to say so:
  // having heard no other, it cannot have published.
  std::map<std::string, std::set<std::string>> headers;
  std::string first;
  network_.set_wiretap([&](const SimulatedNetwork::Observation& seen) {
    if (seen.method != kSignaturesMethod ||
        seen.kind != SimulatedNetwork::Observation::Kind::kRequest) {
      return;
    }
    v1::SignaturesRequest request;
    ASSERT_TRUE(request.ParseFromString(std::string(seen.bytes)));
    if (first.empty()) first = std::string(seen.from);
    headers[std::string(seen.from)].insert(request.header());
  });
  ASSERT_TRUE(
      executor_.RunUntil([&] { return !first.empty(); }, 2 * kInterval));
  for (int i : {0, 1, 2}) CrashAuthority(i);

  // The same epoch once more, by clocks that were set back. The others lost
  // their disks and are configured anew, so that another result comes out.
  const absl::Time start =
      absl::UnixEpoch() + kInterval * static_cast<int64_t>(epoch);
  clock_.Advance(start - absl::Milliseconds(500) - clock_.Now());
  int signer = -1;
  for (int i : {0, 1, 2}) {
    if (authorities_[i]->name == first) {
      signer = i;
      continue;
    }
    headers.erase(authorities_[i]->name);
    authorities_[i]->store = InMemoryAuthorityStore();
    ASSERT_THAT(authorities_[i]->store.SaveConsensus(previous), IsOk());
  }
  ASSERT_GE(signer, 0);
  params_.swarm_size = 5;
  for (int i : {0, 1, 2}) RestartAuthority(i);
  executor_.RunFor(absl::Milliseconds(500) + kInterval * 0.95);
  network_.set_wiretap(nullptr);

  EXPECT_EQ(core(signer).counters().refused_to_sign, 1);
  EXPECT_THAT(headers[first], SizeIs(1));
  // The others are enough without it.
  ASSERT_NE(Current(signer), nullptr);
  EXPECT_EQ(Current(signer)->epoch(), epoch);
  EXPECT_EQ(Current(signer)->params().swarm_size, 5);
}

TEST_F(AuthorityCoreTest, TellsPeopleToAskRelays) {
  StartAuthorities();
  RunIntervals(2);
  auto& person = network_.AddHost("sim:person", std::nullopt);
  absl::Status answer;
  person.transport().Call(
      config_.authorities[0].endpoint, kGetConsensusMethod, "",
      absl::Seconds(1),
      [&](absl::StatusOr<std::string> reply) { answer = reply.status(); });
  executor_.RunFor(absl::Seconds(1));
  EXPECT_THAT(answer, StatusIs(absl::StatusCode::kPermissionDenied));
}

TEST_F(AuthorityCoreTest, AKeyThatIsNoAuthoritysIsRefused) {
  MakeAuthorities(1);
  AuthorityCore::Options options;
  options.network = config_;
  options.acceptable_address = [](absl::string_view) { return true; };
  EXPECT_THAT(
      AuthorityCore::Create(std::move(options),
                            crypto::Ed25519PrivateKey::Generate(random_),
                            authorities_[0]->host->transport(), executor_,
                            clock_, authorities_[0]->store),
      StatusIs(absl::StatusCode::kInvalidArgument));
}

}  // namespace
}  // namespace messenger::routing
