#include "swarm/repair/hint_sender.h"

#include <algorithm>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "swarm/placement/rendezvous.h"
#include "swarm/proto/peer.pb.h"
#include "swarm/repair/peer_health.h"
#include "swarm/repair/testing/reconciler_fixture.h"
#include "swarm/replication/peer_methods.h"

namespace messenger::swarm {
namespace {

using ::testing::ElementsAre;
using ::testing::Gt;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// Of messages that end when they may.
constexpr absl::Duration kLife = absl::Hours(24 * 14);

// Our member has hints for theirs.
class HintSenderTest : public ReconcilerFixture {
 protected:
  struct Call {
    absl::Time at;
    v1::ReplicateRequest request;
  };

  HintSenderTest() {
    our_map_->me = here_;
    peer_ = std::make_unique<ScriptedPeer>(
        executor_,
        [this](absl::string_view method,
               const std::string& request) -> absl::StatusOr<std::string> {
          EXPECT_EQ(method, kReplicateMethod);
          EXPECT_LE(request.size(), kMaxReplicateBytes);
          calls_.push_back({clock_.Now(), {}});
          EXPECT_TRUE(calls_.back().request.ParseFromString(request));
          if (!peer_status_.ok()) return peer_status_;
          return answer_ ? answer_(calls_.back().request)
                         : Honest(method, request);
        });
    sender_ = std::make_unique<HintSender>(HintSender::Options{
        .store = *ours_,
        .caller = *peer_,
        .executor = executor_,
        .random = random_,
        .health = health_,
        .maps = [this] { return our_map_; },
        .commit =
            [this](StoreOp op, auto done) {
              executor_.Run(
                  [this, op = std::move(op), done = std::move(done)]() mutable {
                    if (disk_fails_) {
                      return done(absl::UnavailableError("disk"));
                    }
                    done(ApplyTo(*ours_, std::move(op), clock_.Now()));
                  });
            }});
  }

  // A message that only our member has, with a hint for theirs.
  ItemKey Hinted(size_t bytes = 16) {
    const MailboxAddress mailbox = Registered();
    const PutMessage put = items_.Message(mailbox, clock_.Now() + kLife, bytes);
    ApplyTo(*ours_, put, clock_.Now());
    const ItemKey key{ItemKind::kMessage, ShardOf(mailbox), put.id};
    Hint({key});
    return key;
  }
  void Hint(std::vector<ItemKey> items) {
    ApplyTo(
        *ours_,
        PutHints{
            .peer = there_, .items = std::move(items), .until_ms = kNeverMs},
        clock_.Now());
  }
  std::vector<ItemKey> Hints() const {
    return *ours_->Hints(there_, MessageStore::kMaxHintsPerPeer);
  }
  uint64_t TheirMessages() const { return theirs_->Totals()->messages; }

  // Each item of a call gets the code, or kOk.
  void AnswerWith(std::vector<absl::StatusCode> codes) {
    answer_ = [codes = std::move(codes)](const v1::ReplicateRequest& request) {
      v1::ReplicateResponse response;
      for (int i = 0; i < request.items_size(); ++i) {
        const auto code = i < static_cast<int>(codes.size())
                              ? codes[i]
                              : absl::StatusCode::kOk;
        response.add_results()->set_code(static_cast<uint32_t>(code));
      }
      return response.SerializeAsString();
    };
  }
  // A moment in which nothing that waits for a retry is due.
  void Moment() { executor_.RunFor(absl::Milliseconds(400)); }
  void StartAndWake() {
    sender_->Start();
    sender_->Wake(there_);
    Moment();
  }
  const HintSender::Counters& counters() const { return sender_->counters(); }

  std::shared_ptr<FakeShardMap> our_map_ =
      std::make_shared<FakeShardMap>(*map_);
  PeerHealth health_{clock_};
  std::unique_ptr<ScriptedPeer> peer_;
  absl::Status peer_status_;
  std::function<std::string(const v1::ReplicateRequest&)> answer_;
  bool disk_fails_ = false;
  std::vector<Call> calls_;
  std::unique_ptr<HintSender> sender_;
};

TEST_F(HintSenderTest, BringsAtOnceWhatItIsToldOf) {
  sender_->Start();
  Moment();
  Hinted();
  sender_->Wake(there_);
  Moment();
  EXPECT_EQ(TheirMessages(), 1u);
  EXPECT_THAT(Hints(), IsEmpty());
  ASSERT_THAT(calls_, SizeIs(1));
  EXPECT_TRUE(calls_[0].request.repair());
  EXPECT_EQ(counters().delivered, 1u);
  EXPECT_EQ(counters().dropped, 0u);
}

TEST_F(HintSenderTest, FindsHintsThatNobodyToldOf) {
  Hinted();
  sender_->Start();
  Moment();
  EXPECT_EQ(TheirMessages(), 1u);
  Hinted();
  executor_.RunFor(HintSender::kLook);
  EXPECT_EQ(TheirMessages(), 2u);
}

TEST_F(HintSenderTest, BringsSixtyFourAtATimeOneCallAfterTheOther) {
  for (int i = 0; i < 150; ++i) Hinted();
  StartAndWake();
  EXPECT_EQ(TheirMessages(), 150u);
  EXPECT_THAT(Hints(), IsEmpty());
  std::vector<int> sizes;
  for (const Call& call : calls_) sizes.push_back(call.request.items_size());
  EXPECT_THAT(sizes, ElementsAre(64, 64, 22));
}

TEST_F(HintSenderTest, ACallIsAMegabyteAtMost) {
  for (int i = 0; i < 20; ++i) Hinted(/*bytes=*/64'000);
  StartAndWake();
  EXPECT_EQ(TheirMessages(), 20u);
  EXPECT_THAT(calls_, SizeIs(2));
}

TEST_F(HintSenderTest, WakingOneThatIsUnderWayMakesNoSecondCall) {
  Hinted();
  sender_->Start();
  for (int i = 0; i < 5; ++i) {
    sender_->Wake(there_);
    executor_.RunUntilIdle();
  }
  Moment();
  EXPECT_THAT(calls_, SizeIs(1));
}

// --- one that is away ---

TEST_F(HintSenderTest, RetriesAfterOneSecondDoublingToSixty) {
  Hinted();
  peer_status_ = absl::UnavailableError("away");
  sender_->Start();
  executor_.RunFor(absl::Minutes(10));
  ASSERT_THAT(calls_, SizeIs(Gt(10u)));
  absl::Duration most = absl::Seconds(1);
  bool less = false;
  for (size_t i = 1; i < calls_.size(); ++i) {
    const absl::Duration pause =
        calls_[i].at - calls_[i - 1].at - absl::Milliseconds(1);
    EXPECT_GE(pause, most / 2) << i;
    EXPECT_LE(pause, most) << i;
    less = less || pause < 0.9 * most;
    most = std::min(2 * most, absl::Seconds(60));
  }
  EXPECT_TRUE(less) << "all come at once";
  EXPECT_EQ(counters().failures, calls_.size());
  EXPECT_THAT(Hints(), SizeIs(1));
}

TEST_F(HintSenderTest, AfterASuccessItIsOneSecondAgain) {
  for (size_t i = 0; i < HintSender::kBatch + 1; ++i) Hinted();
  peer_status_ = absl::UnavailableError("away");
  sender_->Start();
  executor_.RunFor(absl::Minutes(5));
  // Back for one call.
  calls_.clear();
  peer_status_ = absl::OkStatus();
  ASSERT_TRUE(executor_.RunUntil([this] { return !calls_.empty(); },
                                 HintSender::kLastRetry));
  peer_status_ = absl::UnavailableError("away");
  executor_.RunFor(absl::Milliseconds(1100));
  EXPECT_THAT(Hints(), SizeIs(1));
  EXPECT_THAT(calls_, SizeIs(3));
}

TEST_F(HintSenderTest, TellsHealthWhoFailed) {
  Hinted();
  peer_status_ = absl::DeadlineExceededError("silent");
  StartAndWake();
  EXPECT_TRUE(health_.FailedLately(there_));
  peer_status_ = absl::OkStatus();
  executor_.RunFor(absl::Seconds(2));
  EXPECT_FALSE(health_.FailedLately(there_));
}

TEST_F(HintSenderTest, NonsenseConfirmsNothing) {
  Hinted();
  Hinted();
  answer_ = [](const v1::ReplicateRequest&) {
    v1::ReplicateResponse response;
    response.add_results();
    return response.SerializeAsString();
  };
  StartAndWake();
  EXPECT_THAT(Hints(), SizeIs(2));
  EXPECT_EQ(counters().delivered, 0u);
}

// --- what becomes of a hint ---

TEST_F(HintSenderTest, OneThatIsSupersededThereIsDone) {
  Hinted();
  AnswerWith({absl::StatusCode::kAborted});
  StartAndWake();
  EXPECT_THAT(Hints(), IsEmpty());
  EXPECT_EQ(counters().delivered, 1u);
}

TEST_F(HintSenderTest, ARefusalForGoodDropsTheHint) {
  for (const absl::StatusCode code :
       {absl::StatusCode::kInvalidArgument, absl::StatusCode::kUnauthenticated,
        absl::StatusCode::kPermissionDenied}) {
    Hinted();
    AnswerWith({code});
    StartAndWake();
    EXPECT_THAT(Hints(), IsEmpty()) << code;
  }
  EXPECT_EQ(counters().dropped, 3u);
  EXPECT_EQ(counters().delivered, 0u);
}

TEST_F(HintSenderTest, AnyOtherRefusalKeepsTheHintForLater) {
  const ItemKey item = Hinted();
  sender_->Start();
  for (const absl::StatusCode code :
       {absl::StatusCode::kResourceExhausted, absl::StatusCode::kUnavailable,
        absl::StatusCode::kFailedPrecondition, absl::StatusCode::kDataLoss,
        absl::StatusCode::kInternal}) {
    AnswerWith({code});
    calls_.clear();
    executor_.RunFor(HintSender::kLastRetry);
    EXPECT_THAT(Hints(), ElementsAre(item)) << code;
    EXPECT_THAT(calls_, SizeIs(Gt(0u)));
  }
  AnswerWith({});
  executor_.RunFor(HintSender::kLastRetry);
  EXPECT_THAT(Hints(), IsEmpty());
}

TEST_F(HintSenderTest, OfABatchOnlyWhatIsSettledIsDropped) {
  Hinted();
  const ItemKey refused = Hinted();
  Hinted();
  AnswerWith({absl::StatusCode::kOk, absl::StatusCode::kResourceExhausted,
              absl::StatusCode::kPermissionDenied});
  StartAndWake();
  EXPECT_THAT(Hints(), ElementsAre(refused));
  // Not at once.
  EXPECT_THAT(calls_, SizeIs(1));
}

TEST_F(HintSenderTest, AnItemThatIsGoneHereNeedsNoCall) {
  Hint({{ItemKind::kMessage, shards_[3], random_.Fixed<ObjectId>()}});
  StartAndWake();
  EXPECT_THAT(Hints(), IsEmpty());
  EXPECT_THAT(calls_, IsEmpty());
  EXPECT_EQ(counters().dropped, 1u);
  EXPECT_FALSE(health_.FailedLately(there_));
}

TEST_F(HintSenderTest, WhoSharesTheShardNoMoreGetsNothing) {
  const ItemKey left = Hinted();
  our_map_->serving[left.shard] = {here_};
  our_map_->target[left.shard] = {here_};
  StartAndWake();
  EXPECT_THAT(Hints(), IsEmpty());
  EXPECT_THAT(calls_, IsEmpty());
  EXPECT_EQ(counters().dropped, 1u);
}

TEST_F(HintSenderTest, OfSeveralOnlyThoseOfSharedShardsAreBrought) {
  const ItemKey left = Hinted();
  our_map_->serving[left.shard] = {here_};
  our_map_->target[left.shard] = {here_};
  uint64_t shared = 0;
  while (shared < 3) {
    if (Hinted().shard != left.shard) ++shared;
  }
  const uint64_t all = Hints().size();
  StartAndWake();
  EXPECT_THAT(Hints(), IsEmpty());
  EXPECT_EQ(TheirMessages(), shared);
  EXPECT_EQ(counters().delivered, shared);
  EXPECT_EQ(counters().dropped, all - shared);
}

TEST_F(HintSenderTest, WithoutADirectoryHintsAreKept) {
  Hinted();
  const auto map = std::exchange(our_map_, nullptr);
  StartAndWake();
  EXPECT_THAT(calls_, IsEmpty());
  EXPECT_THAT(Hints(), SizeIs(1));
  our_map_ = map;
  executor_.RunFor(absl::Seconds(2));
  EXPECT_THAT(Hints(), IsEmpty());
}

TEST_F(HintSenderTest, AHintThatTheDiskDoesNotDropIsTriedAgain) {
  Hinted();
  disk_fails_ = true;
  StartAndWake();
  EXPECT_THAT(Hints(), SizeIs(1));
  disk_fails_ = false;
  executor_.RunFor(absl::Seconds(2));
  EXPECT_THAT(Hints(), IsEmpty());
}

TEST_F(HintSenderTest, NothingFollowsAStop) {
  Hinted();
  sender_->Start();
  // Before the call, during it, and while its result is committed.
  for (const size_t progress : {0, 1, 2}) {
    if (progress > 0) executor_.RunUntilIdle();
    if (progress > 1) {
      ASSERT_TRUE(executor_.RunUntil([this] { return !calls_.empty(); },
                                     absl::Seconds(1)));
    }
    sender_->Stop();
    Moment();
    calls_.clear();
    const size_t hints = Hints().size();
    executor_.RunFor(absl::Minutes(5));
    EXPECT_THAT(calls_, IsEmpty());
    EXPECT_THAT(Hints(), SizeIs(hints));
    EXPECT_EQ(executor_.pending_timers(), 0u);
    Hinted();
    sender_->Start();
  }
  sender_->Stop();
  sender_->Wake(there_);
  EXPECT_EQ(executor_.pending_timers(), 0u);
}

}  // namespace
}  // namespace messenger::swarm
