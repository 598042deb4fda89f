#include "swarm/store/item_index.h"

#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "crypto/random/testing/seeded_random.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace messenger::swarm {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::IsSupersetOf;

MailboxAddress Mailbox(int number) {
  std::string bytes = "\x06" + std::string(32, 'm');
  bytes[1] = static_cast<char>(number);
  bytes[2] = static_cast<char>(number >> 8);
  return *MailboxAddress::FromBytes(bytes);
}
// Mailboxes have rows and shards of their numbers.
Shard ShardOf(int number) { return static_cast<Shard>(number % 7); }

class ItemIndexTest : public ::testing::Test {
 protected:
  // A mailbox of one message, which has this many bytes.
  void AddOfSize(int number, size_t bytes) {
    ItemIndex::Change change(index_);
    change.Add(Mailbox(number), number, ShardOf(number));
    change.AddMessage(Mailbox(number), random_.Fixed<MessageId>(), 1000, ++seq_,
                      bytes);
    index_.Commit(change);
  }

  crypto::SeededRandom random_{1};
  uint64_t seq_ = 0;
  ItemIndex index_;
};

TEST_F(ItemIndexTest, NobodySeesWhatIsNotCommitted) {
  AddOfSize(1, 100);
  const auto windows = index_.Windows(ShardOf(1), 0);
  {
    ItemIndex::Change change(index_);
    change.Add(Mailbox(2), 2, ShardOf(2)).registered_ms = 5;
    change.AddMessage(Mailbox(1), random_.Fixed<MessageId>(), 1000, ++seq_, 7);
    change.AddHints(random_.Fixed<routing::NodeId>(), 3);
    change.SetFill(9, 1);
    change.DropHint();
    // The change itself does.
    EXPECT_EQ(change.Messages(Mailbox(1)).size(), 2u);
    EXPECT_EQ(change.Find(Mailbox(1))->bytes, 107u);
    EXPECT_EQ(change.added_bytes(), 7u);
  }
  EXPECT_EQ(index_.Usage(Mailbox(1)).bytes, 100u);
  EXPECT_EQ(index_.Messages(Mailbox(1), 0, 10).size(), 1u);
  EXPECT_FALSE(index_.Find(Mailbox(2)).has_value());
  EXPECT_EQ(index_.Windows(ShardOf(1), 0)[0].digest, windows[0].digest);
  EXPECT_EQ(index_.Totals().hints, 0u);
  EXPECT_EQ(index_.Totals().hints_dropped, 0u);
  EXPECT_EQ(index_.FilledIn(9), 0u);
}

TEST_F(ItemIndexTest, AMailboxThatBecomesEmptyIsForgotten) {
  const auto id = random_.Fixed<MessageId>();
  ItemIndex::Change add(index_);
  add.Add(Mailbox(1), 1, ShardOf(1));
  add.AddMessage(Mailbox(1), id, 1000, 5, 10);
  index_.Commit(add);
  EXPECT_EQ(index_.AddressOf(1), Mailbox(1));
  EXPECT_THAT(index_.Shards(), ElementsAre(ShardOf(1)));
  ItemIndex::Change remove(index_);
  remove.RemoveMessage(Mailbox(1), id, 1000, 5, 10);
  index_.Commit(remove);
  EXPECT_FALSE(index_.Find(Mailbox(1)).has_value());
  EXPECT_FALSE(index_.AddressOf(1).has_value());
  EXPECT_THAT(index_.Shards(), IsEmpty());
  EXPECT_EQ(index_.Totals().payload_bytes, 0u);
}

TEST_F(ItemIndexTest, WhatComesAndGoesInOneTransactionLeavesNothing) {
  const auto id = random_.Fixed<MessageId>();
  ItemIndex::Change change(index_);
  change.Add(Mailbox(1), 1, ShardOf(1));
  change.AddMessage(Mailbox(1), id, 1000, 5, 10);
  change.RemoveMessage(Mailbox(1), id, 1000, 5, 10);
  EXPECT_THAT(change.Messages(Mailbox(1)), IsEmpty());
  index_.Commit(change);
  EXPECT_FALSE(index_.Find(Mailbox(1)).has_value());
  EXPECT_THAT(index_.Shards(), IsEmpty());
  EXPECT_THAT(index_.Windows(ShardOf(1), 0), IsEmpty());
}

TEST_F(ItemIndexTest, ARegistrationIsGoodForThirtyDays) {
  ItemIndex::Change change(index_);
  change.Add(Mailbox(1), 1, ShardOf(1)).registered_ms = 1000;
  index_.Commit(change);
  EXPECT_EQ(index_.Usage(Mailbox(1)).registered_until_ms,
            1000u + uint64_t{30} * 24 * 3'600'000);
  EXPECT_EQ(index_.Usage(Mailbox(2)).registered_until_ms, 0u);
}

TEST_F(ItemIndexTest, MessagesComeByRisingNumberAfterOneUpToALimit) {
  ItemIndex::Change change(index_);
  change.Add(Mailbox(1), 1, ShardOf(1));
  for (const uint64_t seq : {9, 3, 12, 5}) {
    change.AddMessage(Mailbox(1), random_.Fixed<MessageId>(), 1000, seq, 1);
  }
  index_.Commit(change);
  index_.SortMessages();
  EXPECT_THAT(index_.Messages(Mailbox(1), 0, 10), ElementsAre(3, 5, 9, 12));
  EXPECT_THAT(index_.Messages(Mailbox(1), 3, 2), ElementsAre(5, 9));
  EXPECT_THAT(index_.Messages(Mailbox(1), 12, 2), IsEmpty());
  EXPECT_THAT(index_.Messages(Mailbox(2), 0, 10), IsEmpty());
}

TEST_F(ItemIndexTest, WindowsThatHaveEndedAreLeftOut) {
  ItemIndex::Change change(index_);
  for (const Window window : {3, 5, 8}) {
    change.AddItem(ItemKind::kRecord, 2, random_.Fixed<ObjectId>(),
                   uint64_t{window} * kWindowMs);
  }
  index_.Commit(change);
  const auto from = [this](uint64_t from_ms) {
    std::vector<Window> windows;
    for (const auto& summary : index_.Windows(2, from_ms)) {
      windows.push_back(summary.window);
    }
    return windows;
  };
  EXPECT_THAT(from(0), ElementsAre(3, 5, 8));
  EXPECT_THAT(from(WindowEndMs(3) - 1), ElementsAre(3, 5, 8));
  EXPECT_THAT(from(WindowEndMs(3)), ElementsAre(5, 8));
  EXPECT_THAT(index_.Windows(kShards, 0), IsEmpty());
}

TEST_F(ItemIndexTest, HintsAreCountedByPeer) {
  const auto a = random_.Fixed<routing::NodeId>();
  const auto b = random_.Fixed<routing::NodeId>();
  ItemIndex::Change add(index_);
  add.AddHints(a, 3);
  add.AddHints(b, 1);
  add.DropHint();
  index_.Commit(add);
  ItemIndex::Change remove(index_);
  remove.AddHints(a, -2);
  remove.AddHints(b, -1);
  EXPECT_EQ(remove.HintsFor(a), 1u);
  EXPECT_EQ(index_.HintsFor(a), 3u);
  index_.Commit(remove);
  EXPECT_EQ(index_.HintsFor(a), 1u);
  EXPECT_THAT(index_.PeersWithHints(), ElementsAre(a));
  EXPECT_EQ(index_.Totals().hints, 1u);
  EXPECT_EQ(index_.Totals().hints_dropped, 1u);
}

// --- the median ---

TEST_F(ItemIndexTest, TheMedianIsAtMostAQuarterAboveTheLeast) {
  std::vector<uint64_t> sizes;
  for (int i = 1; i <= 600; ++i) {
    // All orders of magnitude.
    const uint64_t bytes =
        1 + random_.Uniform(uint64_t{1} << random_.Uniform(27));
    AddOfSize(i, bytes);
    sizes.push_back(bytes);
    std::sort(sizes.begin(), sizes.end());
    const uint64_t least = sizes[(sizes.size() - 1) / 2];
    ASSERT_GE(index_.MedianMailboxBytes(), least) << i;
    ASSERT_LE(index_.MedianMailboxBytes(), least + least / 4) << i;
  }
}

TEST_F(ItemIndexTest, MailboxesWithoutMessagesDoNotCountForTheMedian) {
  EXPECT_EQ(index_.MedianMailboxBytes(), 0u);
  ItemIndex::Change change(index_);
  for (int i = 10; i < 20; ++i) {
    change.Add(Mailbox(i), i, ShardOf(i)).registered_ms = 1;
  }
  index_.Commit(change);
  EXPECT_EQ(index_.MedianMailboxBytes(), 0u);
  AddOfSize(1, 3);
  EXPECT_EQ(index_.MedianMailboxBytes(), 3u);
}

// --- the fair size ---

TEST_F(ItemIndexTest, TheFairSizeIsAtMostAFifthBelowWhatWouldDo) {
  std::vector<uint64_t> sizes;
  uint64_t sum = 0;
  for (int i = 1; i <= 600; ++i) {
    // All orders of magnitude.
    sizes.push_back(1 + random_.Uniform(uint64_t{1} << random_.Uniform(27)));
    AddOfSize(i, sizes.back());
    sum += sizes.back();
    const auto percent_kept = [&](double size) {
      double kept = 0;
      for (const uint64_t bytes : sizes) {
        kept += std::min(static_cast<double>(bytes), size);
      }
      return 100 * kept / static_cast<double>(sum);
    };
    const uint64_t percent = 1 + random_.Uniform(99);
    const auto fair =
        static_cast<double>(index_.FairMailboxBytes(percent, 100));
    ASSERT_LE(percent_kept(fair), static_cast<double>(percent) + 1e-9) << i;
    ASSERT_GE(percent_kept((fair + 1) * 1.25), static_cast<double>(percent))
        << i;
  }
}

TEST_F(ItemIndexTest, AnySizeIsFairWhereAllIsKept) {
  EXPECT_EQ(index_.FairMailboxBytes(1, 2), UINT64_MAX);
  for (const int i : {1, 2, 3}) AddOfSize(i, size_t{1} << (8 * i));
  EXPECT_EQ(index_.FairMailboxBytes(3, 2), UINT64_MAX);
}

// --- against a model ---

// Whatever transactions do, the index is what a scan of the rows would make.
TEST_F(ItemIndexTest, IsAlwaysWhatAScanWouldMake) {
  struct Message {
    int mailbox;
    MessageId id;
    uint64_t expiry_ms;
    size_t bytes;
  };
  std::map<uint64_t, Message> messages;
  const auto time = [this] { return random_.Uniform(6 * kWindowMs); };
  for (int round = 0; round < 400; ++round) {
    ItemIndex::Change change(index_);
    auto after = messages;
    for (uint64_t i = random_.Uniform(5); i > 0; --i) {
      const int mailbox = static_cast<int>(1 + random_.Uniform(20));
      if (after.empty() || random_.Uniform(5) < 3) {
        if (change.Find(Mailbox(mailbox)) == nullptr) {
          change.Add(Mailbox(mailbox), mailbox, ShardOf(mailbox));
        }
        const Message message{mailbox, random_.Fixed<MessageId>(), time(),
                              1 + random_.Uniform(1000)};
        change.AddMessage(Mailbox(mailbox), message.id, message.expiry_ms,
                          ++seq_, message.bytes);
        after.insert({seq_, message});
        continue;
      }
      const auto chosen = std::next(
          after.begin(), static_cast<ptrdiff_t>(random_.Uniform(after.size())));
      Message& message = chosen->second;
      if (random_.Uniform(3) == 0) {
        const uint64_t to_ms = time();
        change.MoveMessage(ShardOf(message.mailbox), message.id,
                           message.expiry_ms, to_ms);
        message.expiry_ms = to_ms;
      } else {
        change.RemoveMessage(Mailbox(message.mailbox), message.id,
                             message.expiry_ms, chosen->first, message.bytes);
        after.erase(chosen);
      }
    }
    // One in four fails.
    if (random_.Uniform(4) != 0) {
      index_.Commit(change);
      messages = std::move(after);
    }

    std::map<std::pair<Shard, Window>, std::pair<uint64_t, SetDigest>> cells;
    std::map<int, std::pair<std::vector<uint64_t>, uint64_t>> mailboxes;
    std::map<Shard, uint64_t> first;
    uint64_t bytes = 0;
    for (const auto& [seq, message] : messages) {
      const Shard shard = ShardOf(message.mailbox);
      auto& cell = cells[{shard, WindowOf(message.expiry_ms)}];
      ++cell.first;
      cell.second.Add({ItemKind::kMessage, message.id, message.expiry_ms});
      mailboxes[message.mailbox].first.push_back(seq);
      mailboxes[message.mailbox].second += message.bytes;
      bytes += message.bytes;
      const auto known = first.try_emplace(shard, message.expiry_ms).first;
      known->second = std::min(known->second, message.expiry_ms);
    }
    for (int shard = 0; shard < 7; ++shard) {
      for (const auto& summary : index_.Windows(static_cast<Shard>(shard), 0)) {
        const auto cell =
            cells.extract({static_cast<Shard>(shard), summary.window});
        ASSERT_FALSE(cell.empty());
        ASSERT_EQ(summary.count, cell.mapped().first);
        ASSERT_EQ(summary.digest, cell.mapped().second);
      }
    }
    ASSERT_THAT(cells, IsEmpty());
    for (int mailbox = 1; mailbox <= 20; ++mailbox) {
      ASSERT_EQ(index_.Messages(Mailbox(mailbox), 0, SIZE_MAX),
                mailboxes[mailbox].first);
      ASSERT_EQ(index_.Usage(Mailbox(mailbox)).bytes,
                mailboxes[mailbox].second);
      ASSERT_EQ(index_.Find(Mailbox(mailbox)).has_value(),
                !mailboxes[mailbox].first.empty());
    }
    ASSERT_EQ(index_.Totals().messages, messages.size());
    ASSERT_EQ(index_.Totals().payload_bytes, bytes);
    // No message that is due is missed.
    const uint64_t now_ms = time();
    std::vector<Shard> due;
    for (const auto& [shard, first_ms] : first) {
      if (first_ms <= now_ms) due.push_back(shard);
    }
    ASSERT_THAT(index_.ShardsWithDueMessages(now_ms), IsSupersetOf(due));
  }
  EXPECT_GT(messages.size(), 50u);
}

TEST_F(ItemIndexTest, AShardIsNotDueOnceItsFirstMessagesAreKnown) {
  const auto id = random_.Fixed<MessageId>();
  ItemIndex::Change add(index_);
  add.Add(Mailbox(1), 1, 3);
  add.AddMessage(Mailbox(1), id, 100, 1, 1);
  add.AddMessage(Mailbox(1), random_.Fixed<MessageId>(), 900, 2, 1);
  index_.Commit(add);
  EXPECT_THAT(index_.ShardsWithDueMessages(99), IsEmpty());
  EXPECT_THAT(index_.ShardsWithDueMessages(100), ElementsAre(3));
  ItemIndex::Change remove(index_);
  remove.RemoveMessage(Mailbox(1), id, 100, 1, 1);
  remove.SetFirstMessages(3, 500, {{WindowOf(900), 900}});
  index_.Commit(remove);
  EXPECT_THAT(index_.ShardsWithDueMessages(899), IsEmpty());
  EXPECT_THAT(index_.ShardsWithDueMessages(900), ElementsAre(3));
}

}  // namespace
}  // namespace messenger::swarm
