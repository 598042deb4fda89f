#include "swarm/store/group_committer.h"

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "crypto/base/testing/status_matchers.h"
#include "crypto/random/testing/seeded_random.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "routing/runtime/testing/simulated_clock.h"
#include "swarm/placement/rendezvous.h"
#include "swarm/store/in_memory_store.h"

namespace messenger::swarm {
namespace {

using ::messenger::testing::IsOk;
using ::messenger::testing::IsOkAndHolds;
using ::messenger::testing::StatusIs;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// Counts the operations of each transaction; fails on demand.
class RecordingStore final : public MessageStore {
 public:
  explicit RecordingStore(crypto::Random& random) : store_(random) {}

  absl::StatusOr<std::vector<OpResult>> Apply(absl::Span<const StoreOp> ops,
                                              uint64_t now_ms) override {
    batches.push_back(ops.size());
    last_now_ms = now_ms;
    if (!failure.ok()) return failure;
    // As a disk that has room for one more message.
    if (nearly_full && ops.size() > 1) {
      return absl::ResourceExhaustedError("full");
    }
    return store_.Apply(ops, now_ms);
  }
  absl::StatusOr<size_t> Expire(uint64_t now_ms, size_t rows) override {
    return store_.Expire(now_ms, rows);
  }
  absl::StatusOr<size_t> EraseShard(Shard shard, size_t rows) override {
    return store_.EraseShard(shard, rows);
  }
  absl::StatusOr<MessagePage> List(const MailboxAddress& mailbox,
                                   MailboxNamespace ns, uint64_t after,
                                   uint64_t now, size_t rows,
                                   size_t bytes) const override {
    return store_.List(mailbox, ns, after, now, rows, bytes);
  }
  absl::StatusOr<std::vector<Record>> Records(
      const MailboxAddress& mailbox, MailboxNamespace ns) const override {
    return store_.Records(mailbox, ns);
  }
  MailboxUsage Usage(const MailboxAddress& mailbox) const override {
    return store_.Usage(mailbox);
  }
  NodeSpace Space() const override { return store_.Space(); }
  std::vector<Shard> Shards() const override { return store_.Shards(); }
  std::vector<WindowSummary> Windows(Shard shard,
                                     uint64_t from_ms) const override {
    return store_.Windows(shard, from_ms);
  }
  absl::StatusOr<std::vector<ItemEntry>> Entries(Shard shard,
                                                 Window window) const override {
    return store_.Entries(shard, window);
  }
  absl::StatusOr<std::vector<StoreOp>> Load(
      absl::Span<const ItemKey> items) const override {
    return store_.Load(items);
  }
  absl::StatusOr<std::vector<ItemKey>> Hints(const routing::NodeId& peer,
                                             size_t limit) const override {
    return store_.Hints(peer, limit);
  }
  absl::StatusOr<std::vector<routing::NodeId>> PeersWithHints() const override {
    return store_.PeersWithHints();
  }
  uint64_t FilledIn(Shard shard) const override {
    return store_.FilledIn(shard);
  }
  absl::StatusOr<StoreTotals> Totals() const override {
    return store_.Totals();
  }
  uint64_t incarnation() const override { return store_.incarnation(); }

  uint64_t last_now_ms = 0;
  std::vector<size_t> batches;
  absl::Status failure;
  bool nearly_full = false;

 private:
  InMemoryStore store_;
};

class GroupCommitterTest : public ::testing::Test {
 protected:
  static constexpr int kBoxes = 20;

  GroupCommitterTest() {
    for (int box = 0; box < kBoxes; ++box) {
      EXPECT_THAT(store_.Apply({PutRegistration{.mailbox = Box(box),
                                                .id = {},
                                                .timestamp_ms = Now(),
                                                .proof_nonce = 0,
                                                .proof = ""}},
                               Now()),
                  IsOk());
    }
    store_.batches.clear();
  }
  uint64_t Now() const {
    return static_cast<uint64_t>(absl::ToUnixMillis(clock_.Now()));
  }
  static MailboxAddress Box(int number) {
    return *MailboxAddress::FromBytes(
        "\x06" + std::string(32, static_cast<char>('a' + number)));
  }
  static PutMessage Message(const std::string& payload, int number) {
    const MailboxAddress box = Box(number);
    return {.mailbox = box,
            .ns = MailboxNamespace::kPairwise,
            .id = ComputeMessageId(box, MailboxNamespace::kPairwise, payload),
            .payload = payload,
            .expiry_ms = 1000,
            .proof = ""};
  }
  void Submit(int count, size_t size = 1) {
    for (int i = 0; i < count; ++i) {
      ++submitted_;
      committer_->Submit(
          Message(absl::StrCat(submitted_, std::string(size, 'x')),
                  submitted_ % kBoxes),
          [this](absl::StatusOr<OpResult> result) {
            results_.push_back(std::move(result));
          });
    }
  }

  crypto::SeededRandom random_{1};
  routing::SimulatedClock clock_;
  routing::SimulatedExecutor core_{clock_};
  // A disk that works only when the test lets it.
  routing::SimulatedExecutor disk_{clock_};
  RecordingStore store_{random_};
  std::unique_ptr<GroupCommitter> committer_ =
      std::make_unique<GroupCommitter>(store_, clock_, core_, disk_);
  int submitted_ = 0;
  std::vector<absl::StatusOr<OpResult>> results_;
};

TEST_F(GroupCommitterTest, NothingIsAcknowledgedBeforeItsTransactionIsDone) {
  Submit(1);
  core_.RunUntilIdle();
  EXPECT_THAT(results_, IsEmpty());
  disk_.RunUntilIdle();
  EXPECT_THAT(store_.batches, ElementsAre(1));
  EXPECT_THAT(results_, IsEmpty()) << "not on the disk's thread";
  core_.RunUntilIdle();
  EXPECT_THAT(results_, ElementsAre(IsOkAndHolds(OpResult::kDone)));
}

TEST_F(GroupCommitterTest, WhatArrivesTogetherCommitsTogether) {
  Submit(10);
  core_.RunUntilIdle();
  disk_.RunUntilIdle();
  EXPECT_THAT(store_.batches, ElementsAre(10));
}

TEST_F(GroupCommitterTest, WritesGatherWhileTheDiskIsBusy) {
  Submit(1);
  core_.RunUntilIdle();
  for (int i = 0; i < 100; ++i) {
    Submit(1);
    core_.RunUntilIdle();
  }
  while (results_.size() < 101) {
    disk_.RunUntilIdle();
    core_.RunUntilIdle();
  }
  EXPECT_THAT(store_.batches, ElementsAre(1, GroupCommitter::kMaxBatch,
                                          100 - GroupCommitter::kMaxBatch));
  EXPECT_THAT(results_, Each(IsOk()));
}

TEST_F(GroupCommitterTest, AFailedTransactionAcknowledgesNothing) {
  store_.failure = absl::UnavailableError("disk");
  Submit(3);
  core_.RunUntilIdle();
  disk_.RunUntilIdle();
  core_.RunUntilIdle();
  EXPECT_THAT(results_, SizeIs(3));
  EXPECT_THAT(results_, Each(StatusIs(absl::StatusCode::kUnavailable)));
  store_.failure = absl::OkStatus();
  results_.clear();
  Submit(1);
  core_.RunUntilIdle();
  disk_.RunUntilIdle();
  core_.RunUntilIdle();
  EXPECT_THAT(results_, ElementsAre(IsOk()));
}

TEST_F(GroupCommitterTest, OnAFullDiskEachWriteStandsAlone) {
  store_.nearly_full = true;
  Submit(3);
  core_.RunUntilIdle();
  disk_.RunUntilIdle();
  core_.RunUntilIdle();
  EXPECT_THAT(store_.batches, ElementsAre(3, 1, 1, 1));
  EXPECT_THAT(results_, Each(IsOk()));
}

TEST_F(GroupCommitterTest, TheQueueIsBounded) {
  Submit(FairQueue::kMaxWaiting + 5);
  core_.RunUntilIdle();
  EXPECT_THAT(results_, SizeIs(5));
  EXPECT_THAT(results_, Each(StatusIs(absl::StatusCode::kResourceExhausted)));
}

TEST_F(GroupCommitterTest, TheQueueIsBoundedInBytes) {
  constexpr size_t kLarge = 1024 * 1024;
  Submit(FairQueue::kMaxWaitingBytes / kLarge, kLarge);
  core_.RunUntilIdle();
  EXPECT_THAT(results_, SizeIs(1)) << "the last, with what goes around it";
}

TEST_F(GroupCommitterTest, TheStoreHearsTheTimeOfTheTransaction) {
  clock_.Advance(absl::Hours(1));
  Submit(1);
  core_.RunUntilIdle();
  disk_.RunUntilIdle();
  EXPECT_EQ(store_.last_now_ms, Now());
}

TEST_F(GroupCommitterTest, ErasesOnTheDisk) {
  std::optional<absl::StatusOr<size_t>> removed;
  committer_->EraseShard(
      ShardOf(Box(0)), 10,
      [&](absl::StatusOr<size_t> count) { removed = std::move(count); });
  disk_.RunUntilIdle();
  EXPECT_FALSE(removed.has_value());
  core_.RunUntilIdle();
  ASSERT_TRUE(removed.has_value());
  EXPECT_THAT(*removed, IsOkAndHolds(1));
}

TEST_F(GroupCommitterTest, MayBeDestroyedAtAnyTime) {
  Submit(3);
  core_.RunUntilIdle();
  committer_.reset();
  disk_.RunUntilIdle();
  core_.RunUntilIdle();
  EXPECT_THAT(results_, IsEmpty());
  committer_ = std::make_unique<GroupCommitter>(store_, clock_, core_, disk_);
  Submit(1);
  committer_.reset();
  core_.RunUntilIdle();
  EXPECT_THAT(results_, IsEmpty());
}

TEST_F(GroupCommitterTest, ExpiresOnTheDisk) {
  Submit(3);
  core_.RunUntilIdle();
  std::optional<absl::StatusOr<size_t>> removed;
  committer_->Expire(1000, 10, [&](absl::StatusOr<size_t> count) {
    removed = std::move(count);
  });
  EXPECT_FALSE(removed.has_value());
  disk_.RunUntilIdle();
  core_.RunUntilIdle();
  ASSERT_TRUE(removed.has_value());
  EXPECT_THAT(*removed, IsOkAndHolds(3));
}

}  // namespace
}  // namespace messenger::swarm
