// What every MessageStore does, on both implementations.

#include <unistd.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "crypto/base/testing/status_matchers.h"
#include "crypto/random/testing/seeded_random.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "swarm/auth/limits.h"
#include "swarm/auth/record.h"
#include "swarm/store/in_memory_store.h"
#include "swarm/store/message_store.h"
#include "swarm/store/sqlite_store.h"

namespace messenger::swarm {
namespace {

using ::messenger::testing::IsOk;
using ::messenger::testing::IsOkAndHolds;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr MailboxNamespace kNs = MailboxNamespace::kInbox;
constexpr uint64_t kNow = 1'900'000'000'000;
constexpr uint64_t kHour = 3'600'000;
constexpr uint64_t kDay = 24 * kHour;

struct Implementation {
  std::string name;
  std::function<std::unique_ptr<MessageStore>(crypto::Random&)> make;
};

std::unique_ptr<MessageStore> MakeSqlite(crypto::Random& random) {
  static int number = 0;
  auto store = SqliteStore::Open(
      {.path = absl::StrCat(::testing::TempDir(), "/contract-", getpid(), "-",
                            ++number, ".db"),
       .capacity_bytes = 0,
       .vfs = ""},
      random);
  EXPECT_THAT(store, IsOk());
  return store.ok() ? *std::move(store) : nullptr;
}

class MessageStoreTest : public ::testing::TestWithParam<Implementation> {
 protected:
  void SetUp() override {
    store_ = GetParam().make(random_);
    ASSERT_NE(store_, nullptr);
  }

  static MailboxAddress Box(char name) {
    return *MailboxAddress::FromBytes("\x05" + std::string(32, name));
  }
  static MessageId IdOf(const std::string& payload, char box = 'a') {
    return ComputeMessageId(Box(box), kNs, payload);
  }
  static PutMessage Message(const std::string& payload, char box = 'a',
                            uint64_t expiry_ms = kNow + kHour) {
    return {.mailbox = Box(box),
            .ns = kNs,
            .id = IdOf(payload, box),
            .payload = payload,
            .expiry_ms = expiry_ms,
            .proof = "proof"};
  }
  static DeleteMessages Deletion(const std::vector<std::string>& payloads,
                                 char box = 'a') {
    DeleteMessages op{.mailbox = Box(box),
                      .ns = kNs,
                      .ids = {},
                      .unknown_until_ms = kNow + 31 * kDay};
    for (const std::string& payload : payloads) {
      op.ids.push_back(IdOf(payload));
    }
    return op;
  }
  static PutRecord RecordOp(uint64_t seq, const std::string& body,
                            char key = 'k', char box = 'a') {
    PutRecord op{.mailbox = Box(box),
                 .ns = MailboxNamespace::kPrekeyRecords,
                 .id = {},
                 .record = {.key = *RecordKey::FromBytes(std::string(16, key)),
                            .seq = seq,
                            .body = body,
                            .owner_key = {},
                            .signature = {}}};
    op.id = RecordId(op.mailbox, op.ns, op.record);
    return op;
  }

  absl::StatusOr<OpResult> Do(StoreOp op) {
    absl::StatusOr<std::vector<OpResult>> results = store_->Apply({op});
    if (!results.ok()) return results.status();
    return results->front();
  }
  MessagePage Page(uint64_t after = 0, size_t rows = 100,
                   size_t bytes = 1 << 20, char box = 'a',
                   uint64_t now = kNow) {
    absl::StatusOr<MessagePage> page =
        store_->List(Box(box), kNs, after, now, rows, bytes);
    EXPECT_THAT(page, IsOk());
    return page.ok() ? *std::move(page) : MessagePage();
  }
  std::vector<std::string> Payloads(char box = 'a', uint64_t now = kNow) {
    std::vector<std::string> payloads;
    for (const StoredMessage& message :
         Page(0, 1000, 1 << 20, box, now).messages) {
      payloads.push_back(message.payload);
    }
    return payloads;
  }
  std::vector<std::string> Bodies(char box = 'a') {
    std::vector<std::string> bodies;
    const auto records =
        store_->Records(Box(box), MailboxNamespace::kPrekeyRecords);
    EXPECT_THAT(records, IsOk());
    for (const Record& record : *records) bodies.push_back(record.body);
    return bodies;
  }

  crypto::SeededRandom random_{1};
  std::unique_ptr<MessageStore> store_;
};

TEST_P(MessageStoreTest, MessagesComeBackInTheOrderStored) {
  EXPECT_THAT(Payloads(), IsEmpty());
  EXPECT_THAT(store_->Apply({Message("one"), Message("two"),
                             Message("elsewhere", 'b'), Message("three")}),
              IsOkAndHolds(ElementsAre(OpResult::kDone, OpResult::kDone,
                                       OpResult::kDone, OpResult::kDone)));
  EXPECT_THAT(Payloads(), ElementsAre("one", "two", "three"));
  EXPECT_THAT(Payloads('b'), ElementsAre("elsewhere"));
  const MessagePage page = Page();
  EXPECT_EQ(page.messages[0].id, IdOf("one"));
  EXPECT_EQ(page.messages[0].expiry_ms, kNow + kHour);
  EXPECT_LT(page.messages[0].seq, page.messages[1].seq);
  EXPECT_FALSE(page.more);
}

TEST_P(MessageStoreTest, ANamespaceSeesOnlyItsOwn) {
  EXPECT_THAT(Do(Message("one")), IsOk());
  const auto page =
      store_->List(Box('a'), MailboxNamespace::kPairwise, 0, kNow, 10, 1000);
  ASSERT_THAT(page, IsOk());
  EXPECT_THAT(page->messages, IsEmpty());
}

TEST_P(MessageStoreTest, RepeatingAMessageKeepsItsPlace) {
  EXPECT_THAT(store_->Apply({Message("one"), Message("two")}), IsOk());
  const std::vector<StoredMessage> before = Page().messages;
  EXPECT_THAT(Do(Message("one")), IsOkAndHolds(OpResult::kDone));
  EXPECT_THAT(Payloads(), ElementsAre("one", "two"));
  EXPECT_EQ(Page().messages[0].seq, before[0].seq);
}

TEST_P(MessageStoreTest, TheLaterExpiryStands) {
  EXPECT_THAT(Do(Message("one", 'a', kNow + 2)), IsOk());
  EXPECT_THAT(Do(Message("one", 'a', kNow + 9)), IsOk());
  EXPECT_EQ(Page().messages[0].expiry_ms, kNow + 9);
  EXPECT_THAT(Do(Message("one", 'a', kNow + 5)), IsOk());
  EXPECT_EQ(Page().messages[0].expiry_ms, kNow + 9);
}

TEST_P(MessageStoreTest, PagesEndAtRowsOrBytesAndGoOnFromTheCursor) {
  for (int i = 0; i < 5; ++i) {
    EXPECT_THAT(Do(Message(std::string(100, static_cast<char>('0' + i)))),
                IsOk());
  }
  MessagePage page = Page(0, 2);
  ASSERT_EQ(page.messages.size(), 2);
  EXPECT_TRUE(page.more);
  page = Page(page.messages.back().seq, 3);
  EXPECT_EQ(page.messages.size(), 3);
  EXPECT_FALSE(page.more) << "exactly the rest";
  page = Page(0, 100, 2 * (100 + kRowOverheadBytes));
  EXPECT_EQ(page.messages.size(), 2);
  EXPECT_TRUE(page.more);
  page = Page(0, 100, 2 * (100 + kRowOverheadBytes) - 1);
  EXPECT_EQ(page.messages.size(), 1);
  page = Page(0, 100, 99);
  EXPECT_THAT(page.messages, IsEmpty());
  EXPECT_TRUE(page.more) << "too large for the page, not gone";
}

TEST_P(MessageStoreTest, WhatExpiredIsNotListedAndThenForgotten) {
  EXPECT_THAT(store_->Apply({Message("short", 'a', kNow + 1000),
                             Message("long", 'a', kNow + kHour)}),
              IsOk());
  EXPECT_THAT(Payloads('a', kNow + 999), ElementsAre("short", "long"));
  EXPECT_THAT(Payloads('a', kNow + 1000), ElementsAre("long"));
  EXPECT_THAT(store_->Expire(kNow + 999, 100), IsOkAndHolds(0));
  EXPECT_EQ(store_->Totals()->messages, 2);
  EXPECT_THAT(store_->Expire(kNow + 1000, 100), IsOkAndHolds(1));
  EXPECT_EQ(store_->Totals()->messages, 1);
  EXPECT_THAT(Payloads(), ElementsAre("long"));
}

TEST_P(MessageStoreTest, ExpiryWorksInBatches) {
  for (int i = 0; i < 7; ++i) {
    EXPECT_THAT(Do(Message(absl::StrCat(i), 'a', kNow)), IsOk());
  }
  EXPECT_THAT(store_->Expire(kNow, 5), IsOkAndHolds(5));
  EXPECT_THAT(store_->Expire(kNow, 5), IsOkAndHolds(2));
  EXPECT_THAT(store_->Expire(kNow, 5), IsOkAndHolds(0));
}

TEST_P(MessageStoreTest, SequenceNumbersAreNeverUsedTwice) {
  EXPECT_THAT(Do(Message("one", 'a', kNow)), IsOk());
  const uint64_t first = Page(0, 1, 1000, 'a', kNow - 1).messages[0].seq;
  EXPECT_THAT(store_->Expire(kNow, 10), IsOkAndHolds(1));
  EXPECT_THAT(Do(Message("two")), IsOk());
  EXPECT_GT(Page().messages[0].seq, first);
}

TEST_P(MessageStoreTest, ADeletedMessageIsGoneAndDoesNotComeBack) {
  EXPECT_THAT(store_->Apply({Message("one"), Message("two")}), IsOk());
  EXPECT_THAT(Do(Deletion({"one"})), IsOkAndHolds(OpResult::kDone));
  EXPECT_THAT(Payloads(), ElementsAre("two"));
  EXPECT_THAT(Do(Message("one")), IsOkAndHolds(OpResult::kDeleted));
  EXPECT_THAT(Payloads(), ElementsAre("two"));
  EXPECT_THAT(Do(Deletion({"one"})), IsOkAndHolds(OpResult::kDone));
}

TEST_P(MessageStoreTest, ADeletionWorksBeforeItsMessageArrives) {
  EXPECT_THAT(Do(Deletion({"one"})), IsOk());
  EXPECT_THAT(Do(Message("one")), IsOkAndHolds(OpResult::kDeleted));
  EXPECT_THAT(Payloads(), IsEmpty());
}

TEST_P(MessageStoreTest, ADeletionWorksInsideOneBatch) {
  EXPECT_THAT(
      store_->Apply({Message("one"), Deletion({"one"}), Message("one")}),
      IsOkAndHolds(
          ElementsAre(OpResult::kDone, OpResult::kDone, OpResult::kDeleted)));
  EXPECT_THAT(Payloads(), IsEmpty());
}

TEST_P(MessageStoreTest, ADeletionInOneMailboxDoesNotTouchAnother) {
  EXPECT_THAT(Do(Message("one")), IsOk());
  // The owner of mailbox b names a message of mailbox a.
  DeleteMessages foreign = Deletion({"one"}, 'b');
  EXPECT_THAT(Do(foreign), IsOk());
  EXPECT_THAT(Payloads(), ElementsAre("one"));
  EXPECT_THAT(Do(Message("one")), IsOkAndHolds(OpResult::kDone));
}

TEST_P(MessageStoreTest, TombstonesOutliveTheMessage) {
  EXPECT_THAT(Do(Message("known", 'a', kNow + kHour)), IsOk());
  EXPECT_THAT(Do(Deletion({"known", "unknown"})), IsOk());
  EXPECT_EQ(store_->Totals()->tombstones, 2);
  EXPECT_THAT(store_->Expire(kNow + kHour + kDay - 1, 10), IsOkAndHolds(0));
  EXPECT_THAT(store_->Expire(kNow + kHour + kDay, 10), IsOkAndHolds(1));
  EXPECT_THAT(Do(Message("unknown", 'a', kNow + 40 * kDay)),
              IsOkAndHolds(OpResult::kDeleted));
  EXPECT_THAT(store_->Expire(kNow + 31 * kDay, 10), IsOkAndHolds(1));
  EXPECT_EQ(store_->Totals()->tombstones, 0);
}

TEST_P(MessageStoreTest, TheNewestRecordWinsInEveryOrder) {
  const PutRecord first = RecordOp(1, "first");
  const PutRecord second = RecordOp(2, "second");
  EXPECT_THAT(store_->Apply({first, second, first}),
              IsOkAndHolds(ElementsAre(OpResult::kDone, OpResult::kDone,
                                       OpResult::kSuperseded)));
  EXPECT_THAT(Bodies(), ElementsAre("second"));
  EXPECT_THAT(Do(second), IsOkAndHolds(OpResult::kDone));
}

TEST_P(MessageStoreTest, OfTwoRecordsWithOneNumberTheSameWinsInEveryOrder) {
  PutRecord low = RecordOp(5, "x");
  PutRecord high = RecordOp(5, "y");
  if (high.id < low.id) std::swap(low, high);
  EXPECT_THAT(store_->Apply({low, high}),
              IsOkAndHolds(ElementsAre(OpResult::kDone, OpResult::kDone)));
  EXPECT_THAT(Bodies(), ElementsAre(high.record.body));
  EXPECT_THAT(Do(low), IsOkAndHolds(OpResult::kSuperseded));
}

TEST_P(MessageStoreTest, RecordsAreKeptByKeyUpToTheirNumber) {
  for (size_t i = 0; i < kMaxRecordsPerNamespace; ++i) {
    EXPECT_THAT(Do(RecordOp(1, absl::StrCat(i), static_cast<char>('a' + i))),
                IsOkAndHolds(OpResult::kDone));
  }
  EXPECT_THAT(Do(RecordOp(1, "one more", 'z')),
              IsOkAndHolds(OpResult::kTooManyRecords));
  EXPECT_THAT(Do(RecordOp(2, "update", 'a')), IsOkAndHolds(OpResult::kDone));
  EXPECT_THAT(Do(RecordOp(1, "another box", 'z', 'b')),
              IsOkAndHolds(OpResult::kDone));
  EXPECT_EQ(Bodies().size(), kMaxRecordsPerNamespace);
  EXPECT_EQ(Bodies().front(), "update");
  EXPECT_THAT(Bodies('b'), ElementsAre("another box"));
  EXPECT_EQ(store_->Totals()->records, kMaxRecordsPerNamespace + 1);
}

TEST_P(MessageStoreTest, ARecordKeepsAllItsFields) {
  PutRecord op = RecordOp((uint64_t{1} << 63) - 1, std::string("a\0b", 3));
  op.record.owner_key = random_.Fixed<crypto::Ed25519PublicKey>();
  op.record.signature = random_.Fixed<crypto::Ed25519Signature>();
  EXPECT_THAT(Do(op), IsOk());
  EXPECT_THAT(store_->Records(op.mailbox, op.ns),
              IsOkAndHolds(ElementsAre(op.record)));
}

TEST_P(MessageStoreTest, EveryStoreHasAnIncarnationOfItsOwn) {
  const std::unique_ptr<MessageStore> other = GetParam().make(random_);
  EXPECT_NE(store_->incarnation(), other->incarnation());
  EXPECT_LT(store_->incarnation(), uint64_t{1} << 63);
}

// Both implementations agree on thousands of random operations.
TEST_P(MessageStoreTest, BehavesAsTheModelOnRandomOperations) {
  crypto::SeededRandom random(7);
  InMemoryStore model(random_);
  for (int i = 0; i < 400; ++i) {
    std::vector<StoreOp> ops;
    for (uint64_t n = random.Uniform(4) + 1; n > 0; --n) {
      const std::string payload = absl::StrCat(random.Uniform(20));
      const uint64_t expiry = kNow + random.Uniform(50);
      switch (random.Uniform(4)) {
        case 0:
          ops.push_back(Deletion({payload}));
          break;
        case 1:
          ops.push_back(RecordOp(random.Uniform(5), payload,
                                 static_cast<char>('a' + random.Uniform(4))));
          break;
        default:
          ops.push_back(Message(payload, 'a', expiry));
      }
    }
    EXPECT_EQ(*store_->Apply(ops), *model.Apply(ops));
    const uint64_t now = kNow + random.Uniform(60);
    if (random.Uniform(10) == 0) {
      EXPECT_EQ(*store_->Expire(now, 100), *model.Expire(now, 100));
    }
    const MessagePage expected =
        *model.List(Box('a'), kNs, random.Uniform(3), now, 7, 500);
    const MessagePage actual =
        *store_->List(Box('a'), kNs, 0, now, 1000, 1 << 20);
    const MessagePage all = *model.List(Box('a'), kNs, 0, now, 1000, 1 << 20);
    ASSERT_EQ(actual.messages.size(), all.messages.size()) << "step " << i;
    for (size_t m = 0; m < all.messages.size(); ++m) {
      EXPECT_EQ(actual.messages[m].payload, all.messages[m].payload);
      EXPECT_EQ(actual.messages[m].expiry_ms, all.messages[m].expiry_ms);
    }
    EXPECT_EQ(Bodies().size(), model.Totals()->records);
    EXPECT_LE(expected.messages.size(), 7);
  }
}

INSTANTIATE_TEST_SUITE_P(
    , MessageStoreTest,
    ::testing::Values(Implementation{"InMemory",
                                     [](crypto::Random& random) {
                                       return std::make_unique<InMemoryStore>(
                                           random);
                                     }},
                      Implementation{"Sqlite", MakeSqlite}),
    [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace messenger::swarm
