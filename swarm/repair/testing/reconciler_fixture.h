// Two members that compare their sets, on two stores in memory.

#ifndef SWARM_REPAIR_TESTING_RECONCILER_FIXTURE_H_
#define SWARM_REPAIR_TESTING_RECONCILER_FIXTURE_H_

#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "crypto/random/testing/seeded_random.h"
#include "gtest/gtest.h"
#include "routing/runtime/testing/simulated_clock.h"
#include "swarm/repair/reconcile_responder.h"
#include "swarm/repair/reconciler.h"
#include "swarm/repair/testing/fake_shard_map.h"
#include "swarm/repair/testing/unsigned_items.h"
#include "swarm/replication/peer_methods.h"
#include "swarm/store/in_memory_store.h"

namespace messenger::swarm {

// Calls go to a function, and cost a millisecond.
class ScriptedPeer final : public PeerCaller {
 public:
  using Answer = std::function<absl::StatusOr<std::string>(
      absl::string_view method, const std::string& request)>;

  ScriptedPeer(routing::Executor& executor, Answer answer)
      : executor_(executor), answer_(std::move(answer)) {}

  void Call(const routing::NodeId&, absl::string_view method,
            std::string request, absl::Duration,
            routing::Transport::CallDone done) override {
    executor_.RunAfter(
        absl::Milliseconds(1),
        [this, method = std::string(method), request = std::move(request),
         done = std::move(done)]() mutable { done(answer_(method, request)); });
  }

 private:
  routing::Executor& executor_;
  const Answer answer_;
};

// Two members that share the shards 0 to 63, on which all items lie.
class ReconcilerFixture : public ::testing::Test {
 protected:
  static constexpr int kSharedShards = 64;

  ReconcilerFixture() : executor_(clock_) {
    here_ = random_.Fixed<routing::NodeId>();
    there_ = random_.Fixed<routing::NodeId>();
    map_ = std::make_shared<FakeShardMap>();
    map_->me = there_;
    for (int i = 0; i < kSharedShards; ++i) {
      shards_.push_back(static_cast<Shard>(i));
      map_->serving[static_cast<Shard>(i)] = {here_, there_};
    }
    map_->target = map_->serving;
    Reset();
  }

  void Reset() {
    responder_.reset();
    ours_ = std::make_unique<InMemoryStore>(random_);
    theirs_ = std::make_unique<InMemoryStore>(random_);
    responder_ =
        std::make_unique<ReconcileResponder>(ReconcileResponder::Options{
            .store = *theirs_,
            .executor = executor_,
            .clock = clock_,
            .maps = [this] { return map_; },
            .holds =
                [this](Shard shard) { return !unfilled_.contains(shard); }});
  }

  absl::StatusOr<std::string> Honest(absl::string_view method,
                                     const std::string& request) {
    EXPECT_LE(request.size(), method == kReplicateMethod ? kMaxReplicateBytes
                                                         : kMaxReconcileBytes);
    if (method == kReconcileMethod) {
      auto answer = responder_->Reconcile(here_, request);
      if (answer.ok()) {
        EXPECT_LE(answer->size(), kMaxReconcileBytes);
      }
      return answer;
    }
    if (method == kFetchMethod) return responder_->Fetch(here_, request);
    return ReplicateUnsigned(*theirs_, request, clock_.Now());
  }

  Reconciler::Outcome Run(ScriptedPeer::Answer answer = nullptr) {
    if (!answer) {
      answer = [this](absl::string_view method, const std::string& request) {
        return Honest(method, request);
      };
    }
    ScriptedPeer peer(executor_, std::move(answer));
    Reconciler run({.store = *ours_,
                    .caller = peer,
                    .clock = clock_,
                    .validate = &ValidateUnsigned,
                    .commit =
                        [this](StoreOp op, auto done) {
                          ++committed_;
                          executor_.Run([this, op = std::move(op),
                                         done = std::move(done)]() mutable {
                            done(ApplyTo(*ours_, std::move(op), clock_.Now()));
                          });
                        },
                    .bug = bug_},
                   there_, map_->epoch(), shards_, clock_.Now());
    std::optional<Reconciler::Outcome> outcome;
    run.Start([&](Reconciler::Outcome o) { outcome = std::move(o); });
    EXPECT_TRUE(
        executor_.RunUntil([&] { return outcome.has_value(); }, absl::Hours(1)))
        << "a run never ended";
    return outcome.value_or(Reconciler::Outcome());
  }

  absl::Time Edge() const { return clock_.Now() + Reconciler::kExpiryMargin; }
  bool Equal() const {
    // The run took a moment; leave out what has come under the edge meanwhile.
    const absl::Time from = Edge() + absl::Minutes(1);
    return EntriesOf(*ours_, from) == EntriesOf(*theirs_, from);
  }

  MailboxAddress Registered() {
    const MailboxAddress mailbox = items_.MailboxIn(shards_);
    const PutRegistration put =
        items_.Registration(mailbox, clock_.Now() - absl::Hours(1));
    ApplyTo(*ours_, put, clock_.Now());
    ApplyTo(*theirs_, put, clock_.Now());
    return mailbox;
  }

  crypto::SeededRandom random_{7};
  routing::SimulatedClock clock_;
  routing::SimulatedExecutor executor_;
  UnsignedItems items_{random_};
  routing::NodeId here_;
  routing::NodeId there_;
  std::vector<Shard> shards_;
  std::shared_ptr<FakeShardMap> map_;
  std::set<Shard> unfilled_;
  std::unique_ptr<InMemoryStore> ours_;
  std::unique_ptr<InMemoryStore> theirs_;
  std::unique_ptr<ReconcileResponder> responder_;
  PlantedBug bug_ = PlantedBug::kNone;
  uint64_t committed_ = 0;
};

}  // namespace messenger::swarm

#endif  // SWARM_REPAIR_TESTING_RECONCILER_FIXTURE_H_
