// Stores against the model of expiry: items of all kinds whose ends are given,
// put off and brought forward, and erased in batches that are mostly too small
// for all that is due. Listings and erasures are made just before an end and
// just at it. What may live at all is asked of the validator.

#include "swarm/testing/models/expiry_model.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "crypto/random/testing/seeded_random.h"
#include "gtest/gtest.h"
#include "routing/onion/node_id.h"
#include "swarm/auth/item.h"
#include "swarm/placement/rendezvous.h"
#include "swarm/proto/storage.pb.h"
#include "swarm/testing/models/engine.h"
#include "swarm/validation/request_validator.h"

namespace messenger::swarm {
namespace {

using Answer = ExpiryModel::Answer;
using From = ExpiryModel::From;
using Item = ExpiryModel::Item;
using Kind = ExpiryModel::Kind;

constexpr uint64_t kMinute = 60'000;
constexpr uint64_t kHour = 60 * kMinute;
constexpr uint64_t kDay = 24 * kHour;
// The longest life of a message, as a clock may see it that is behind.
constexpr uint64_t kLongest = 14 * kDay + 2 * kMinute;
constexpr int kBoxes = 4;
constexpr uint64_t kMessages = 40;

OpResult ResultOf(Answer answer) {
  switch (answer) {
    case Answer::kDone:
      return OpResult::kDone;
    case Answer::kDeleted:
      return OpResult::kDeleted;
    case Answer::kSuperseded:
      return OpResult::kSuperseded;
    case Answer::kNotRegistered:
      break;
  }
  return OpResult::kNotRegistered;
}

Kind KindOf(ItemKind kind) {
  switch (kind) {
    case ItemKind::kRegistration:
      return Kind::kRegistration;
    case ItemKind::kPurge:
      return Kind::kPurge;
    case ItemKind::kDeletion:
      return Kind::kDeletion;
    case ItemKind::kRecord:
      return Kind::kRecord;
    case ItemKind::kMessage:
      break;
  }
  return Kind::kMessage;
}

class ExpiryModelTest : public ::testing::TestWithParam<EngineKind> {
 protected:
  static MailboxAddress Box(int box) {
    return BoxNumber(box, IsInbox(box) ? MailboxAddress::Kind::kAccount
                                       : MailboxAddress::Kind::kPairwise);
  }
  static bool IsInbox(int box) { return box % 2 == 0; }

  void Draw() {
    const int box = static_cast<int>(dice_.Uniform(kBoxes));
    const From from = dice_.Uniform(2) == 0 ? From::kClient : From::kPeer;
    const Origin origin =
        from == From::kClient ? Origin::kClient : Origin::kPeer;
    // Others come into play as time goes on; else all would be deleted.
    const uint64_t message = now_ / (8 * kHour) + dice_.Uniform(kMessages);
    const uint64_t dice = dice_.Uniform(3000);
    ++number_;
    if (dice == 0) {
      // Seldom enough for some to lapse and to be forgotten.
      const uint64_t time = now_ - dice_.Uniform(50 * kDay);
      Expect(RegistrationOf(Box(box), number_, time),
             model_.Registration(box, number_, time));
    } else if (dice < 10) {
      const uint64_t until = SomeTime(model_.Ends(), now_ + kDay);
      Expect(PurgeOf(Box(box), number_, until, origin),
             model_.Purge(box, number_, until, now_, from));
    } else if (dice < 60) {
      Delete(box, message, from, origin);
    } else if (dice < 110 && IsInbox(box)) {
      const int key = static_cast<int>(dice_.Uniform(10));
      const uint64_t seq = dice_.Uniform(5);
      Expect(RecordOf(Box(box), MailboxNamespace::kPrekeyRecords, number_, key,
                      seq, origin),
             model_.Record(box, key, number_, seq, now_, from));
    } else if (dice < 200) {
      const uint64_t item = dice_.Uniform(50);
      const uint64_t until = now_ + dice_.Uniform(kDay);
      model_.Hint(item, until);
      Expect(PutHints{kPeer, {HintOf(item)}, until}, Answer::kDone);
    } else {
      PutMessage(box, message, from, origin);
    }
  }
  void Delete(int box, uint64_t message, From from, Origin origin) {
    std::vector<uint64_t> messages = {message};
    if (dice_.Uniform(2) == 0) messages.push_back(message + 1);
    // Some come late, and so leave soon. No effect is later than the end of
    // what there was at the order's time; some have been already.
    const bool at_once = dice_.Uniform(3) == 0;
    const uint64_t time = now_ - dice_.Uniform(at_once ? 30 * kDay : 15 * kDay);
    const uint64_t effective = at_once ? 0 : time + 1 + dice_.Uniform(kLongest);
    Expect(
        DeletionOf(Box(box), number_, time, effective, messages, origin),
        model_.Deletion(box, number_, time, effective, messages, now_, from));
  }
  void PutMessage(int box, uint64_t message, From from, Origin origin) {
    const uint64_t expiry = SomeExpiry(message);
    const bool may_live = ExpiryModel::MayLive(expiry, now_, from);
    if (IsInbox(box)) {
      v1::StoreRequest request;
      request.set_mailbox(std::string(Box(box).bytes()));
      request.set_payload("p");
      request.set_expiry_ms(expiry);
      ASSERT_EQ(
          ValidateStore(
              request, absl::FromUnixMillis(static_cast<int64_t>(now_)), origin)
              .ok(),
          may_live)
          << expiry << " at " << now_;
    }
    if (!may_live) {
      ++refused_;
      return;
    }
    Expect(MessageOf(Box(box), message, 8, expiry, origin),
           model_.Message(box, message, expiry, now_, from));
  }
  // Some messages live long, others not: the latest expiry counts.
  uint64_t SomeExpiry(uint64_t message) {
    const uint64_t edges[] = {now_ + 10'000, now_ + kLongest,   now_ + 1,
                              now_,          uint64_t{1} << 52, 1};
    if (dice_.Uniform(10) == 0) return edges[dice_.Uniform(6)] - 1;
    if (dice_.Uniform(10) == 0) return edges[dice_.Uniform(6)];
    if (dice_.Uniform(20) == 0) return edges[dice_.Uniform(6)] + 1;
    constexpr uint64_t kLives[] = {kMinute, kHour, kDay, kLongest};
    return now_ + 1 + dice_.Uniform(kLives[message % 4]);
  }
  void Expect(StoreOp op, Answer answer) {
    ++answers_[answer];
    ops_.push_back(std::move(op));
    expected_.push_back(ResultOf(answer));
  }

  // At most that; often just at an end, or just not.
  uint64_t SomeTime(const std::map<Item, uint64_t>& ends, uint64_t latest) {
    if (ends.empty() || dice_.Uniform(3) == 0) return latest;
    auto end = ends.begin();
    std::advance(end, dice_.Uniform(ends.size()));
    return std::min(end->second - dice_.Uniform(2), latest);
  }

  void CompareList(const MessageStore& store) {
    const int box = static_cast<int>(dice_.Uniform(kBoxes));
    const uint64_t time = SomeTime(model_.Ends(), now_ + 20 * kDay);
    const auto page =
        store.List(Box(box), MessagesOf(Box(box)), 0, time, 10'000, 10'000'000);
    ASSERT_TRUE(page.ok());
    std::map<uint64_t, uint64_t> listed;
    for (const StoredMessage& message : page->messages) {
      listed[NumberOf(message.id)] = message.expiry_ms;
      ASSERT_EQ(message.author_expiry_ms,
                model_.AuthorExpiry(box, NumberOf(message.id)));
    }
    ASSERT_EQ(listed, model_.Listed(box, time)) << "at time " << time;
  }

  // All that the store holds. A hint's end does not show.
  std::map<Item, uint64_t> HeldBy(const MessageStore& store,
                                  const std::map<Item, uint64_t>& expected) {
    std::map<Item, uint64_t> held;
    for (int box = 0; box < kBoxes; ++box) {
      const Shard shard = ShardOf(Box(box));
      for (const WindowSummary& window : store.Windows(shard, 0)) {
        const auto entries = store.Entries(shard, window.window);
        EXPECT_TRUE(entries.ok());
        for (const ItemEntry& entry : *entries) {
          held[{KindOf(entry.kind), box, NumberOf(entry.id)}] = entry.expiry_ms;
        }
      }
    }
    const auto hints = store.Hints(kPeer, 10'000);
    EXPECT_TRUE(hints.ok());
    for (const ItemKey& hint : *hints) {
      const Item item = {Kind::kHint, 0, NumberOf(hint.id)};
      const auto known = expected.find(item);
      held[item] = known == expected.end() ? 0 : known->second;
    }
    return held;
  }

  // Erases a batch: nothing early, and as much of each kind as was asked for.
  void ExpireBatch(MessageStore& store) {
    const std::map<Item, uint64_t> before = model_.Ends();
    const uint64_t time = SomeTime(before, now_);
    constexpr size_t kLimits[] = {1, 2, 5, 30, 10'000, 10'000};
    const size_t limit = kLimits[dice_.Uniform(6)];
    const auto forgotten = store.Expire(time, limit);
    ASSERT_TRUE(forgotten.ok());
    const std::map<Item, uint64_t> after = HeldBy(store, before);
    std::map<Kind, size_t> due;
    std::map<Kind, size_t> gone;
    size_t erased = 0;
    for (const auto& [item, end] : before) {
      // Records go with their registration, which the model knows.
      const bool of_its_own = item.kind != Kind::kRecord;
      due[item.kind] += of_its_own && end <= time;
      if (after.contains(item)) continue;
      ASSERT_TRUE(end <= time || !of_its_own) << "erased early";
      gone[item.kind] += of_its_own;
      ++erased;
      model_.Erase(item);
    }
    ASSERT_EQ(model_.Ends(), after);
    for (const auto& [kind, count] : due) {
      ASSERT_EQ(gone[kind], std::min(count, limit))
          << "of kind " << static_cast<int>(kind);
      erased_[kind] += gone[kind];
      left_over_ += count > limit;
    }
    ASSERT_EQ(*forgotten, erased);
  }

  static ItemKey HintOf(uint64_t number) {
    return {ItemKind::kMessage, 0, IdNumber(number)};
  }

  const routing::NodeId kPeer =
      *routing::NodeId::FromBytes(std::string(routing::NodeId::kSize, 'n'));
  const uint64_t seed_ = ModelSeed();
  crypto::SeededRandom dice_{seed_};
  uint64_t now_ = 1'900'000'000'000;
  uint64_t number_ = 0;
  ExpiryModel model_{kBoxes};
  std::vector<StoreOp> ops_;
  std::vector<OpResult> expected_;
  std::map<Answer, uint64_t> answers_;
  std::map<Kind, uint64_t> erased_;
  uint64_t refused_ = 0;
  uint64_t left_over_ = 0;
};

TEST_P(ExpiryModelTest, WhatEndsIsNotListedAndThenErased) {
  Engine engine(GetParam(), seed_);
  const uint64_t length = ModelOperations();
  for (int box = 0; box < kBoxes; ++box) {
    ++number_;
    Expect(RegistrationOf(Box(box), number_, now_),
           model_.Registration(box, number_, now_));
  }
  for (uint64_t operations = 0; operations < length;) {
    // Now and then nobody is about for days.
    now_ += dice_.Uniform(1000) == 0 ? dice_.Uniform(5 * kDay)
                                     : dice_.Uniform(2 * kHour);
    for (uint64_t n = 1 + dice_.Uniform(32); n > 0; --n, ++operations) Draw();
    ASSERT_EQ(engine.Apply(ops_, now_), expected_) << "at " << operations;
    ops_.clear();
    expected_.clear();
    if (dice_.Uniform(3) == 0) CompareList(engine.store());
    if (dice_.Uniform(8) == 0) ExpireBatch(engine.store());
    if (dice_.Uniform(500) == 0) engine.PowerCut();
    if (HasFatalFailure()) {
      FAIL() << "seed " << seed_ << " at " << operations;
    }
  }
  EXPECT_GT(answers_[Answer::kDone], length / 10);
  EXPECT_GT(answers_[Answer::kDeleted], length / 100);
  EXPECT_GT(answers_[Answer::kNotRegistered], length / 100);
  EXPECT_GT(answers_[Answer::kSuperseded], 0);
  EXPECT_GT(refused_, length / 100);
  EXPECT_GT(left_over_, length / 2000);
  for (const Kind kind : {Kind::kRegistration, Kind::kPurge, Kind::kDeletion,
                          Kind::kMessage, Kind::kHint}) {
    EXPECT_GT(erased_[kind], 0) << static_cast<int>(kind);
  }
}

INSTANTIATE_TEST_SUITE_P(Stores, ExpiryModelTest,
                         ::testing::Values(EngineKind::kMemory,
                                           EngineKind::kSqlite),
                         [](const auto& test) {
                           return EngineName(test.param);
                         });

}  // namespace
}  // namespace messenger::swarm
