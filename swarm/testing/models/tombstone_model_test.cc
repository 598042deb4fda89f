// Stores against the model of deletions: few messages, met by many orders.

#include "swarm/testing/models/tombstone_model.h"

#include <cstdint>
#include <map>
#include <vector>

#include "crypto/random/testing/seeded_random.h"
#include "gtest/gtest.h"
#include "swarm/testing/models/engine.h"

namespace messenger::swarm {
namespace {

using Answer = TombstoneModel::Answer;

constexpr uint64_t kMinute = 60'000;
constexpr uint64_t kHour = 60 * kMinute;
constexpr uint64_t kDay = 24 * kHour;
constexpr int kBoxes = 4;
constexpr uint64_t kMessages = 40;

OpResult ResultOf(Answer answer) {
  switch (answer) {
    case Answer::kDone:
      return OpResult::kDone;
    case Answer::kDeleted:
      return OpResult::kDeleted;
    case Answer::kSuperseded:
      break;
  }
  return OpResult::kSuperseded;
}

class TombstoneModelTest : public ::testing::TestWithParam<EngineKind> {
 protected:
  static MailboxAddress Box(int box) {
    return BoxNumber(box, box % 2 == 0 ? MailboxAddress::Kind::kAccount
                                       : MailboxAddress::Kind::kPairwise);
  }

  void Draw() {
    const int box = static_cast<int>(dice_.Uniform(kBoxes));
    TombstoneModel& model = models_[box];
    // Others come into play as time goes on; else all would be deleted.
    const uint64_t message = now_ / (kHour / 2) + dice_.Uniform(kMessages);
    const Origin origin =
        dice_.Uniform(2) == 0 ? Origin::kClient : Origin::kPeer;
    const uint64_t some_time = now_ + 1 + dice_.Uniform(5 * kDay);
    switch (dice_.Uniform(24)) {
      case 0: {
        std::vector<uint64_t> messages = {message};
        if (dice_.Uniform(3) == 0) messages.push_back(message + 1);
        const uint64_t effective = dice_.Uniform(3) == 0 ? 0 : some_time;
        // Some come late, and so leave soon.
        const uint64_t time = now_ - dice_.Uniform(25 * kDay);
        ++number_;
        Expect(DeletionOf(Box(box), number_, time, effective, messages, origin),
               model.Deletion(number_, time, effective, messages));
        break;
      }
      case 1: {
        if (dice_.Uniform(6) != 0) break;
        const uint64_t until = now_ - kDay / 2 + dice_.Uniform(2 * kDay);
        const uint64_t order = 1'000'000'000 + dice_.Uniform(1'000'000'000);
        Expect(PurgeOf(Box(box), order, until, origin),
               model.Purge(order, until));
        break;
      }
      default:
        Expect(MessageOf(Box(box), message, 8, some_time, origin),
               model.Message(message, some_time));
    }
  }
  void Expect(StoreOp op, Answer answer) {
    ++answers_[answer];
    ops_.push_back(std::move(op));
    expected_.push_back(ResultOf(answer));
  }

  void Compare(MessageStore& store) {
    size_t messages = 0;
    size_t deletions = 0;
    size_t tombstones = 0;
    for (int box = 0; box < kBoxes; ++box) {
      // What has ended stays until it is forgotten, so ask for all.
      const auto page = store.List(Box(box), MessagesOf(Box(box)), 0,
                                   /*now_ms=*/0, 1000, 1'000'000);
      ASSERT_TRUE(page.ok());
      std::map<uint64_t, TombstoneModel::Held> held;
      for (const StoredMessage& message : page->messages) {
        held[NumberOf(message.id)] = {message.author_expiry_ms,
                                      message.expiry_ms};
      }
      ASSERT_EQ(held, models_[box].Messages());
      messages += held.size();
      deletions += models_[box].deletions();
      tombstones += models_[box].tombstones();
    }
    const auto totals = store.Totals();
    ASSERT_TRUE(totals.ok());
    ASSERT_EQ(totals->messages, messages);
    ASSERT_EQ(totals->deletions, deletions);
    ASSERT_EQ(totals->tombstones, tombstones);
  }

  const uint64_t seed_ = ModelSeed();
  crypto::SeededRandom dice_{seed_};
  uint64_t now_ = 1'900'000'000'000;
  uint64_t number_ = 0;
  TombstoneModel models_[kBoxes];
  std::vector<StoreOp> ops_;
  std::vector<OpResult> expected_;
  std::map<Answer, uint64_t> answers_;
};

TEST_P(TombstoneModelTest, WhatIsDeletedStaysDeleted) {
  Engine engine(GetParam(), seed_);
  for (uint64_t operations = 0; operations < ModelOperations();) {
    ops_.clear();
    expected_.clear();
    // The registrations are renewed, so that none lapses.
    if (operations % 4096 == 0) {
      now_ += dice_.Uniform(kDay / 3);
      for (int box = 0; box < kBoxes; ++box) {
        Expect(RegistrationOf(Box(box), ++number_, now_), Answer::kDone);
      }
    }
    for (int i = 0; i < 64; ++i) {
      now_ += dice_.Uniform(kMinute / 2);
      Draw();
    }
    ASSERT_EQ(engine.Apply(ops_, now_), expected_) << "at " << operations;
    operations += 64;
    if (dice_.Uniform(4) == 0) {
      ASSERT_TRUE(engine.store().Expire(now_, 1'000'000).ok());
      for (TombstoneModel& model : models_) model.Expire(now_);
    }
    if (dice_.Uniform(500) == 0) engine.PowerCut();
    if (dice_.Uniform(8) == 0) Compare(engine.store());
    if (HasFatalFailure()) {
      FAIL() << "seed " << seed_ << " at " << operations;
    }
  }
  EXPECT_GT(answers_[Answer::kDone], ModelOperations() / 10);
  EXPECT_GT(answers_[Answer::kDeleted], ModelOperations() / 100);
  EXPECT_GT(answers_[Answer::kSuperseded], 0);
}

INSTANTIATE_TEST_SUITE_P(Stores, TombstoneModelTest,
                         ::testing::Values(EngineKind::kMemory,
                                           EngineKind::kSqlite),
                         [](const auto& test) {
                           return EngineName(test.param);
                         });

}  // namespace
}  // namespace messenger::swarm
