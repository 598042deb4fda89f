#include "swarm/repair/repair_engine.h"

#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "crypto/random/testing/seeded_random.h"
#include "gtest/gtest.h"
#include "routing/runtime/testing/simulated_clock.h"
#include "routing/runtime/testing/simulated_network.h"
#include "swarm/auth/limits.h"
#include "swarm/placement/rendezvous.h"
#include "swarm/repair/testing/fake_shard_map.h"
#include "swarm/repair/testing/unsigned_items.h"
#include "swarm/replication/peer_methods.h"
#include "swarm/store/group_committer.h"
#include "swarm/store/in_memory_store.h"

namespace messenger::swarm {
namespace {

// A clock that is off by a constant.
class SkewedClock final : public routing::Clock {
 public:
  explicit SkewedClock(const routing::Clock& base) : base_(base) {}
  absl::Time Now() const override { return base_.Now() + skew; }

  absl::Duration skew;

 private:
  const routing::Clock& base_;
};

class RepairEngineTest : public ::testing::Test {
 protected:
  static constexpr int kSomeShards = 8;

  struct Node {
    routing::NodeId id;
    routing::SimulatedNetwork::Host* host = nullptr;
    std::unique_ptr<SkewedClock> clock;
    std::shared_ptr<FakeShardMap> map;
    std::unique_ptr<InMemoryStore> store;
    std::unique_ptr<GroupCommitter> committer;
    std::unique_ptr<RepairEngine> engine;
    PlantedBug bug = PlantedBug::kNone;
  };

  RepairEngineTest() : executor_(clock_), network_(random_, executor_) {
    for (int i = 0; i < kSomeShards; ++i) {
      shards_.push_back(static_cast<Shard>(i));
    }
  }
  ~RepairEngineTest() override {
    for (auto& node : nodes_) {
      if (node->engine != nullptr) Crash(*node);
    }
  }

  // `count` nodes that all hold all shards, and know all of one another.
  void AddNodes(int count) {
    for (int i = 0; i < count; ++i) {
      auto node = std::make_unique<Node>();
      node->id = random_.Fixed<routing::NodeId>();
      const auto key = random_.Fixed<routing::TlsKey>();
      node->host = &network_.AddHost(absl::StrCat("sim:", nodes_.size()), key);
      node->clock = std::make_unique<SkewedClock>(clock_);
      node->store = std::make_unique<InMemoryStore>(random_);
      nodes_.push_back(std::move(node));
    }
    std::vector<int> all;
    for (int i = 0; i < static_cast<int>(nodes_.size()); ++i) all.push_back(i);
    SetOwners(all, all, /*transition=*/0);
    for (auto& node : nodes_) {
      if (node->engine == nullptr) StartProcess(*node);
    }
  }

  // A new directory for all nodes, by which these hold all shards.
  void SetOwners(const std::vector<int>& serving,
                 const std::vector<int>& target, uint64_t transition) {
    ++epoch_;
    std::vector<routing::NodeId> serving_ids;
    std::vector<routing::NodeId> target_ids;
    for (const int i : serving) serving_ids.push_back(nodes_[i]->id);
    for (const int i : target) target_ids.push_back(nodes_[i]->id);
    for (auto& node : nodes_) {
      auto map = std::make_shared<FakeShardMap>();
      map->epoch_number = epoch_;
      map->me = node->id;
      map->read =
          static_cast<int>(serving.size() - (serving.size() / 2 + 1) + 1);
      map->transition = transition;
      for (const Shard shard : shards_) {
        map->serving[shard] = serving_ids;
        map->target[shard] = target_ids;
      }
      for (const auto& other : nodes_) {
        map->endpoints[other->id] = other->host->endpoint();
      }
      node->map = map;
    }
  }

  void StartProcess(Node& node) {
    node.committer = std::make_unique<GroupCommitter>(*node.store, *node.clock,
                                                      executor_, executor_);
    node.host->server().HandleMethod(
        std::string(kReplicateMethod),
        {.max_request_bytes = kMaxReplicateBytes},
        [&node](const routing::Peer&, std::string request,
                routing::Reply reply) {
          reply(ReplicateUnsigned(*node.store, request, node.clock->Now()));
        });
    node.engine = std::make_unique<RepairEngine>(RepairEngine::Options{
        .store = *node.store,
        .transport = node.host->transport(),
        .executor = executor_,
        .clock = *node.clock,
        .random = random_,
        .maps = [&node] { return node.map; },
        .validate = &ValidateUnsigned,
        .commit =
            [&node](StoreOp op, auto done) {
              node.committer->Submit(std::move(op), std::move(done));
            },
        .erase =
            [&node](Shard shard, size_t limit, auto done) {
              node.committer->EraseShard(shard, limit, std::move(done));
            },
        .bug = node.bug});
    node.engine->Serve(node.host->server());
    node.engine->Start();
  }

  void Crash(Node& node) {
    network_.Crash(*node.host);
    node.engine.reset();
    node.committer.reset();
  }
  void Restart(Node& node) {
    network_.Restart(*node.host);
    StartProcess(node);
  }

  // Time passes, and what has ended is forgotten, as nodes do.
  void Pass(absl::Duration span, absl::Duration step = absl::Seconds(20)) {
    for (absl::Duration passed; passed < span; passed += step) {
      executor_.RunFor(step);
      for (auto& node : nodes_) {
        if (node->engine == nullptr || node->engine->cluster_clock().unfit()) {
          continue;
        }
        const absl::Time now = node->engine->cluster_clock().GcNow();
        ASSERT_TRUE(
            node->store
                ->Expire(static_cast<uint64_t>(absl::ToUnixMillis(now)), 10'000)
                .ok());
      }
    }
  }

  // Time passes in which nobody does anything: what is due comes late, once.
  void Jump(absl::Duration span) {
    clock_.Advance(span);
    Pass(absl::Minutes(1));
  }

  MailboxAddress Registered() {
    const MailboxAddress mailbox = items_.MailboxIn(shards_);
    const PutRegistration put = items_.Registration(mailbox, clock_.Now());
    for (auto& node : nodes_) ApplyTo(*node->store, put, clock_.Now());
    return mailbox;
  }

  bool AllEqual() const {
    const absl::Time from = clock_.Now() + absl::Minutes(5);
    for (const auto& node : nodes_) {
      if (EntriesOf(*node->store, from) != EntriesOf(*nodes_[0]->store, from)) {
        return false;
      }
    }
    return true;
  }

  crypto::SeededRandom random_{11};
  routing::SimulatedClock clock_;
  routing::SimulatedExecutor executor_;
  routing::SimulatedNetwork network_;
  UnsignedItems items_{random_};
  std::vector<Shard> shards_;
  std::vector<std::unique_ptr<Node>> nodes_;
  uint64_t epoch_ = 0;
};

TEST_F(RepairEngineTest, ANewSwarmComesToHoldItsShards) {
  AddNodes(5);
  EXPECT_EQ(nodes_[0]->engine->ReadyEpoch(), 0u);
  Pass(absl::Minutes(3));
  for (const auto& node : nodes_) {
    EXPECT_EQ(node->engine->ReadyEpoch(), epoch_);
    EXPECT_TRUE(node->engine->Holds(3));
  }
}

TEST_F(RepairEngineTest, AfterAPartitionAllAreEqualWithinTwoMinutes) {
  AddNodes(7);
  Pass(absl::Minutes(3));
  network_.SetLoss(0.05);
  network_.Partition({"sim:0", "sim:1", "sim:2"});
  std::vector<std::pair<MailboxAddress, PutMessage>> all;
  for (int i = 0; i < 300; ++i) {
    const MailboxAddress mailbox = Registered();
    const PutMessage put = items_.Message(
        mailbox, clock_.Now() + absl::Hours(1 + random_.Uniform(300)));
    // On one side of the partition only, and there not on all.
    const size_t first = random_.Uniform(2) == 0 ? 0 : 3;
    ApplyTo(*nodes_[first]->store, put, clock_.Now());
    ApplyTo(*nodes_[first + 1]->store, put, clock_.Now());
    if (i % 5 == 0) {
      ApplyTo(*nodes_[6 - first]->store,
              items_.Deletion(mailbox, {put.id}, clock_.Now()), clock_.Now());
    }
    all.emplace_back(mailbox, put);
  }
  Pass(absl::Minutes(5));
  EXPECT_FALSE(AllEqual());
  network_.Heal();
  Pass(absl::Seconds(120));
  EXPECT_TRUE(AllEqual());
  for (size_t i = 0; i < all.size(); ++i) {
    for (const auto& node : nodes_) {
      EXPECT_EQ(node->store->Usage(all[i].first).messages,
                i % 5 == 0 ? 0u : 1u);
    }
  }
}

TEST_F(RepairEngineTest, AWipedNodeRefillsAndOnlyThenSaysSo) {
  AddNodes(5);
  Pass(absl::Minutes(3));
  for (int i = 0; i < 200; ++i) {
    const MailboxAddress mailbox = Registered();
    const PutMessage put =
        items_.Message(mailbox, clock_.Now() + absl::Hours(100), 2000);
    for (auto& node : nodes_) ApplyTo(*node->store, put, clock_.Now());
  }
  Crash(*nodes_[2]);
  nodes_[2]->store = std::make_unique<InMemoryStore>(random_);
  Restart(*nodes_[2]);
  EXPECT_FALSE(nodes_[2]->engine->Holds(0));
  // It is never ready before it has what the others have.
  const absl::Time from = clock_.Now() + absl::Minutes(10);
  const auto expected = EntriesOf(*nodes_[0]->store, from);
  ASSERT_TRUE(executor_.RunUntil(
      [&] {
        if (nodes_[2]->engine->ReadyEpoch() == 0) return false;
        EXPECT_EQ(EntriesOf(*nodes_[2]->store, from), expected);
        return true;
      },
      absl::Seconds(60)));
  // Once from each, not six times.
  uint64_t given = 0;
  for (const auto& node : nodes_) {
    if (node->engine != nullptr) {
      given += node->engine->responder().counters().items_given;
    }
  }
  EXPECT_LE(given, 400u * 6 / 5);
}

TEST_F(RepairEngineTest, ThePlantedReadyBeforePullShows) {
  AddNodes(3);
  Pass(absl::Minutes(3));
  Registered();
  Crash(*nodes_[2]);
  nodes_[2]->store = std::make_unique<InMemoryStore>(random_);
  nodes_[2]->bug = PlantedBug::kReadyBeforePull;
  Restart(*nodes_[2]);
  ASSERT_TRUE(executor_.RunUntil(
      [&] { return nodes_[2]->engine->ReadyEpoch() != 0; }, absl::Seconds(1)));
  EXPECT_EQ(nodes_[2]->store->Totals()->registrations, 0u);
}

TEST_F(RepairEngineTest, HintsAreBroughtToOneThatWasAway) {
  AddNodes(3);
  Pass(absl::Minutes(3));
  const MailboxAddress mailbox = Registered();
  Crash(*nodes_[2]);
  const PutMessage put =
      items_.Message(mailbox, clock_.Now() + absl::Hours(100));
  ApplyTo(*nodes_[0]->store, put, clock_.Now());
  ApplyTo(*nodes_[0]->store,
          PutHints{.peer = nodes_[2]->id,
                   .items = {{ItemKind::kMessage, ShardOf(mailbox), put.id}},
                   .until_ms = kNeverMs},
          clock_.Now());
  nodes_[0]->engine->HintsAdded(nodes_[2]->id);
  Pass(absl::Seconds(20));
  EXPECT_TRUE(nodes_[0]->engine->health().FailedLately(nodes_[2]->id));
  EXPECT_EQ(nodes_[0]->store->Totals()->hints, 1u);
  Restart(*nodes_[2]);
  ASSERT_TRUE(
      executor_.RunUntil([&] { return nodes_[0]->store->Totals()->hints == 0; },
                         absl::Seconds(61)));
  EXPECT_EQ(nodes_[2]->store->Usage(mailbox).messages, 1u);
  EXPECT_FALSE(nodes_[0]->engine->health().FailedLately(nodes_[2]->id));
  EXPECT_EQ(nodes_[0]->engine->hints().counters().delivered, 1u);
}

TEST_F(RepairEngineTest, ThePlantedHintDropLosesTheHint) {
  AddNodes(2);
  Pass(absl::Minutes(2));
  const MailboxAddress mailbox = Registered();
  Crash(*nodes_[0]);
  nodes_[0]->bug = PlantedBug::kHintDropped;
  Restart(*nodes_[0]);
  Crash(*nodes_[1]);
  const PutMessage put =
      items_.Message(mailbox, clock_.Now() + absl::Hours(100));
  ApplyTo(*nodes_[0]->store, put, clock_.Now());
  ApplyTo(*nodes_[0]->store,
          PutHints{.peer = nodes_[1]->id,
                   .items = {{ItemKind::kMessage, ShardOf(mailbox), put.id}},
                   .until_ms = kNeverMs},
          clock_.Now());
  nodes_[0]->engine->HintsAdded(nodes_[1]->id);
  Pass(absl::Seconds(20));
  EXPECT_EQ(nodes_[0]->store->Totals()->hints, 0u);
}

TEST_F(RepairEngineTest, OneThatWasAwayThirteenDaysResurrectsNothing) {
  AddNodes(5);
  Pass(absl::Minutes(3));
  std::vector<MailboxAddress> mailboxes;
  std::vector<PutMessage> puts;
  for (int i = 0; i < 50; ++i) {
    mailboxes.push_back(Registered());
    puts.push_back(items_.Message(mailboxes.back(),
                                  clock_.Now() + kMaxTtl - absl::Minutes(1)));
    for (auto& node : nodes_) ApplyTo(*node->store, puts.back(), clock_.Now());
  }
  Crash(*nodes_[4]);
  for (int i = 0; i < 50; ++i) {
    const StoreOp order =
        i % 2 == 0
            ? StoreOp(items_.Deletion(mailboxes[i], {puts[i].id}, clock_.Now()))
            : StoreOp(items_.Purge(mailboxes[i], clock_.Now() + kMaxTtl,
                                   clock_.Now()));
    for (int n = 0; n < 4; ++n) ApplyTo(*nodes_[n]->store, order, clock_.Now());
  }
  Jump(absl::Hours(24 * 13));
  Restart(*nodes_[4]);
  for (int i = 0; i < 12; ++i) {
    Pass(absl::Seconds(10), absl::Seconds(10));
    for (int n = 0; n < 4; ++n) {
      ASSERT_EQ(nodes_[n]->store->Totals()->messages, 0u);
    }
  }
  EXPECT_EQ(nodes_[4]->store->Totals()->messages, 0u);
  EXPECT_TRUE(AllEqual());
}

TEST_F(RepairEngineTest, AShardThatLeftIsErasedADayLater) {
  AddNodes(3);
  Pass(absl::Minutes(3));
  const MailboxAddress mailbox = Registered();
  const PutMessage put =
      items_.Message(mailbox, clock_.Now() + absl::Hours(300));
  for (auto& node : nodes_) ApplyTo(*node->store, put, clock_.Now());
  // Node 3 takes the place of node 0.
  AddNodes(1);
  SetOwners({0, 1, 2}, {1, 2, 3}, /*transition=*/epoch_ + 1);
  Pass(absl::Minutes(3));
  EXPECT_EQ(nodes_[3]->engine->ReadyEpoch(), epoch_);
  EXPECT_EQ(nodes_[3]->store->Usage(mailbox).messages, 1u);
  SetOwners({1, 2, 3}, {1, 2, 3}, /*transition=*/0);
  Pass(absl::Minutes(6));
  Jump(absl::Hours(23));
  EXPECT_EQ(nodes_[0]->store->Usage(mailbox).messages, 1u);
  EXPECT_FALSE(nodes_[0]->engine->Holds(ShardOf(mailbox)));
  Jump(absl::Hours(1));
  Pass(absl::Minutes(6));
  EXPECT_EQ(nodes_[0]->store->Usage(mailbox).messages, 0u);
  EXPECT_TRUE(nodes_[0]->store->Shards().empty());
}

TEST_F(RepairEngineTest, AClockThatIsOffIsNoticed) {
  AddNodes(5);
  nodes_[1]->clock->skew = absl::Seconds(90);
  nodes_[2]->clock->skew = absl::Seconds(10);
  Pass(absl::Minutes(10));
  EXPECT_TRUE(nodes_[1]->engine->cluster_clock().unfit());
  EXPECT_TRUE(nodes_[2]->engine->cluster_clock().alarm());
  EXPECT_FALSE(nodes_[2]->engine->cluster_clock().unfit());
  EXPECT_FALSE(nodes_[0]->engine->cluster_clock().alarm());
}

TEST_F(RepairEngineTest, AStrangerIsShownNothing) {
  AddNodes(2);
  routing::SimulatedNetwork::Host& stranger =
      network_.AddHost("sim:x", random_.Fixed<routing::TlsKey>());
  std::vector<absl::Status> answers;
  for (const absl::string_view method : {kReconcileMethod, kFetchMethod}) {
    stranger.transport().Call(nodes_[0]->host->endpoint(), method, "",
                              absl::Seconds(10),
                              [&](absl::StatusOr<std::string> reply) {
                                answers.push_back(reply.status());
                              });
  }
  executor_.RunFor(absl::Seconds(10));
  ASSERT_EQ(answers.size(), 2u);
  for (const absl::Status& status : answers) {
    EXPECT_TRUE(absl::IsPermissionDenied(status)) << status;
  }
}

TEST_F(RepairEngineTest, StopsAndGoesAtAnyTime) {
  AddNodes(4);
  for (int i = 0; i < 40; ++i) {
    Registered();
    executor_.RunFor(absl::Milliseconds(37 * i));
    Node& node = *nodes_[i % 4];
    if (i % 3 == 0) {
      node.engine->Stop();
      executor_.RunFor(absl::Milliseconds(100));
    }
    Crash(node);
    executor_.RunFor(absl::Milliseconds(11));
    Restart(node);
  }
  Pass(absl::Minutes(4));
  EXPECT_TRUE(AllEqual());
}

}  // namespace
}  // namespace messenger::swarm
