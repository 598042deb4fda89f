// What every MessageStore does, on both implementations.

#include <unistd.h>

#include <algorithm>
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
#include "swarm/placement/rendezvous.h"
#include "swarm/store/in_memory_store.h"
#include "swarm/store/message_store.h"
#include "swarm/store/sqlite_store.h"

namespace messenger::swarm {
namespace {

using ::messenger::testing::IsOk;
using ::messenger::testing::IsOkAndHolds;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

constexpr MailboxNamespace kNs = MailboxNamespace::kInbox;
constexpr uint64_t kNow = 1'900'000'000'000;
constexpr uint64_t kHour = 3'600'000;
constexpr uint64_t kDay = 24 * kHour;

struct Implementation {
  std::string name;
  // With a capacity in bytes; 0: none.
  std::function<std::unique_ptr<MessageStore>(crypto::Random&, uint64_t)> make;
};

std::unique_ptr<MessageStore> MakeSqlite(crypto::Random& random,
                                         uint64_t capacity_bytes) {
  static int number = 0;
  auto store = SqliteStore::Open(
      {.path = absl::StrCat(::testing::TempDir(), "/contract-", getpid(), "-",
                            ++number, ".db"),
       .capacity_bytes = capacity_bytes,
       .vfs = ""},
      random);
  EXPECT_THAT(store, IsOk());
  return store.ok() ? *std::move(store) : nullptr;
}

class MessageStoreTest : public ::testing::TestWithParam<Implementation> {
 protected:
  void SetUp() override { Make(/*capacity_bytes=*/0); }
  void Make(uint64_t capacity_bytes) {
    store_ = GetParam().make(random_, capacity_bytes);
    ASSERT_NE(store_, nullptr);
    for (const char box : {'a', 'b'}) {
      ASSERT_THAT(Do(Registration(box)), IsOkAndHolds(OpResult::kDone));
    }
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
  DeleteMessages Deletion(const std::vector<std::string>& payloads,
                          char box = 'a', uint64_t effective_ms = 0,
                          uint64_t time_ms = kNow) {
    DeleteMessages op{.terms = {.mailbox = Box(box),
                                .ns = kNs,
                                .timestamp_ms = time_ms,
                                .nonce = random_.Fixed<RequestNonce>(),
                                .effective_ms = effective_ms,
                                .ids = {}},
                      .order_id = {},
                      .proof = "deletion proof",
                      .origin = Origin::kClient};
    for (const std::string& payload : payloads) {
      op.terms.ids.push_back(IdOf(payload));
    }
    op.order_id = DeletionId(op.terms);
    return op;
  }
  PurgeMessages Purge(uint64_t until_ms, char box = 'a') {
    PurgeMessages op{.terms = {.mailbox = Box(box),
                               .ns = kNs,
                               .expiry_until_ms = until_ms,
                               .timestamp_ms = kNow,
                               .nonce = random_.Fixed<RequestNonce>()},
                     .order_id = {},
                     .proof = "purge proof",
                     .origin = Origin::kClient};
    op.order_id = PurgeId(op.terms);
    return op;
  }
  PutRegistration Registration(char box, uint64_t time_ms = kNow) {
    return {.mailbox = Box(box),
            .id = random_.Fixed<ObjectId>(),
            .timestamp_ms = time_ms,
            .proof_nonce = ~uint64_t{0},
            .proof = "registration proof"};
  }
  static MailboxAddress Pair(int number) {
    std::string rest = absl::StrCat(number);
    rest.resize(32, '.');
    return *MailboxAddress::FromBytes("\x06" + rest);
  }
  void RegisterPair(int number) {
    PutRegistration registration = Registration('a');
    registration.mailbox = Pair(number);
    ASSERT_THAT(Do(registration), IsOk());
  }
  static PutMessage PairMessage(int number, const std::string& payload) {
    PutMessage message = Message(payload);
    message.mailbox = Pair(number);
    message.ns = MailboxNamespace::kPairwise;
    message.id = ComputeMessageId(message.mailbox, message.ns, payload);
    return message;
  }
  static ItemKey KeyOf(const PutMessage& op) {
    return {ItemKind::kMessage, ShardOf(op.mailbox), op.id};
  }
  // Of all shards.
  static std::vector<std::string> Digests(const MessageStore& store) {
    std::vector<std::string> digests;
    for (int shard = 0; shard < kShards; ++shard) {
      for (const WindowSummary& window :
           store.Windows(static_cast<Shard>(shard), 0)) {
        digests.push_back(absl::StrCat(shard, "/", window.window, "/",
                                       window.count, "/",
                                       window.digest.ToBytes()));
      }
    }
    return digests;
  }
  // What is in memory is what is on the disk.
  static void CheckSummaries(const MessageStore& store) {
    for (const Shard shard : store.Shards()) {
      for (const WindowSummary& window : store.Windows(shard, 0)) {
        const auto entries = store.Entries(shard, window.window);
        ASSERT_THAT(entries, IsOk());
        SetDigest digest;
        for (const ItemEntry& entry : *entries) digest.Add(entry);
        EXPECT_EQ(entries->size(), window.count);
        EXPECT_EQ(digest, window.digest);
      }
    }
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
    absl::StatusOr<std::vector<OpResult>> results =
        store_->Apply({std::move(op)}, kNow);
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

  static MailboxAddress RandomBox(crypto::Random& random) {
    return Box(static_cast<char>('a' + random.Uniform(2)));
  }
  // Below all quotas, for who is refused depends on who comes first.
  StoreOp RandomOp(crypto::Random& random) {
    const char box = static_cast<char>('a' + random.Uniform(2));
    const std::string payload = absl::StrCat(random.Uniform(40));
    const uint64_t some_time = kNow + random.Uniform(50);
    switch (random.Uniform(10)) {
      case 0: {
        DeleteMessages op =
            Deletion({}, box, random.Uniform(4) == 0 ? 0 : some_time,
                     kNow - random.Uniform(5));
        op.terms.ids = {IdOf(payload, box),
                        IdOf(absl::StrCat(random.Uniform(40)), box)};
        op.order_id = DeletionId(op.terms);
        return op;
      }
      case 1:
        return RecordOp(random.Uniform(5), payload,
                        static_cast<char>('a' + random.Uniform(4)), box);
      case 2:
        return Purge(random.Uniform(4) == 0 ? some_time - 20 : kNow, box);
      case 3:
        return Registration(box, some_time);
      default: {
        PutMessage op = Message(payload, box, some_time);
        op.origin = random.Uniform(2) == 0 ? Origin::kClient : Origin::kPeer;
        op.proof = absl::StrCat(some_time);
        return op;
      }
    }
  }
  // Nothing but two mailboxes.
  void Clear(MessageStore& store) {
    for (const char box : {'a', 'b'}) {
      while (*store.EraseShard(ShardOf(Box(box)), 10'000) > 0) {
      }
      // Good enough for what clients bring.
      PutRegistration first = Registration(box, kNow - 1);
      first.id = ObjectId();
      ASSERT_THAT(store.Apply({first}, kNow),
                  IsOkAndHolds(ElementsAre(OpResult::kDone)));
    }
  }

  crypto::SeededRandom random_{1};
  std::unique_ptr<MessageStore> store_;
};

TEST_P(MessageStoreTest, MessagesComeBackInTheOrderStored) {
  EXPECT_THAT(Payloads(), IsEmpty());
  EXPECT_THAT(store_->Apply({Message("one"), Message("two"),
                             Message("elsewhere", 'b'), Message("three")},
                            kNow),
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
  EXPECT_THAT(store_->Apply({Message("one"), Message("two")}, kNow), IsOk());
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
                             Message("long", 'a', kNow + kHour)},
                            kNow),
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

TEST_P(MessageStoreTest, AMessageThatComesAgainAfterItsEndIsNotMissed) {
  ASSERT_THAT(
      store_->Apply({Message("one", 'a', kNow + 5), Message("two")}, kNow),
      IsOk());
  // A reader comes while it has ended and is not forgotten yet.
  const MessagePage page = Page(0, 100, 1 << 20, 'a', kNow + 5);
  ASSERT_THAT(page.messages, SizeIs(1));
  EXPECT_THAT(store_->Apply({Message("one", 'a', kNow + kHour)}, kNow + 5),
              IsOkAndHolds(ElementsAre(OpResult::kDone)));
  const MessagePage next =
      Page(page.messages.back().seq, 100, 1 << 20, 'a', kNow + 6);
  ASSERT_THAT(next.messages, SizeIs(1));
  EXPECT_EQ(next.messages[0].payload, "one");
  EXPECT_EQ(store_->Usage(Box('a')).messages, 2);
  CheckSummaries(*store_);
}

TEST_P(MessageStoreTest, ADeletedMessageIsGoneAndDoesNotComeBack) {
  EXPECT_THAT(store_->Apply({Message("one"), Message("two")}, kNow), IsOk());
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
      store_->Apply({Message("one"), Deletion({"one"}), Message("one")}, kNow),
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

TEST_P(MessageStoreTest, ADeletionIsKeptFor31Days) {
  EXPECT_THAT(Do(Message("known")), IsOk());
  EXPECT_THAT(Do(Deletion({"known", "unknown"})), IsOk());
  EXPECT_EQ(store_->Totals()->tombstones, 2);
  EXPECT_EQ(store_->Totals()->deletions, 1);
  EXPECT_EQ(store_->Usage(Box('a')).owner_ids, 2);
  EXPECT_THAT(store_->Expire(kNow + 31 * kDay - 1, 10), IsOkAndHolds(0));
  EXPECT_THAT(Do(Message("unknown", 'a', kNow + 40 * kDay)),
              IsOkAndHolds(OpResult::kDeleted));
  EXPECT_THAT(store_->Expire(kNow + 31 * kDay, 10), IsOkAndHolds(1));
  EXPECT_EQ(store_->Totals()->tombstones, 0);
  EXPECT_EQ(store_->Usage(Box('a')).owner_ids, 0);
  EXPECT_THAT(Do(Message("unknown", 'a', kNow + 40 * kDay)),
              IsOkAndHolds(OpResult::kDone));
}

TEST_P(MessageStoreTest, ALaterDeletionShortensALife) {
  EXPECT_THAT(Do(Message("one", 'a', kNow + 100)), IsOk());
  EXPECT_THAT(Do(Deletion({"one", "two"}, 'a', kNow + 50)), IsOk());
  EXPECT_EQ(Page().messages[0].expiry_ms, kNow + 50);
  EXPECT_EQ(Page().messages[0].author_expiry_ms, kNow + 100);
  EXPECT_THAT(Do(Message("two", 'a', kNow + 100)),
              IsOkAndHolds(OpResult::kDone));
  EXPECT_EQ(Page().messages[1].expiry_ms, kNow + 50);
  // No later word lengthens it again; an earlier one shortens it further.
  EXPECT_THAT(Do(Message("one", 'a', kNow + 200)), IsOk());
  EXPECT_THAT(Do(Deletion({"one"}, 'a', kNow + 70)), IsOk());
  EXPECT_EQ(Page().messages[0].expiry_ms, kNow + 50);
  EXPECT_EQ(Page().messages[0].author_expiry_ms, kNow + 200);
  EXPECT_THAT(Do(Deletion({"one"}, 'a', kNow + 20)), IsOk());
  EXPECT_EQ(Page().messages[0].expiry_ms, kNow + 20);
  EXPECT_THAT(store_->Expire(kNow + 20, 10), IsOkAndHolds(1));
  CheckSummaries(*store_);
}

TEST_P(MessageStoreTest, APurgeTakesWhatEndsByThen) {
  EXPECT_THAT(store_->Apply({Message("early", 'a', kNow + 10),
                             Message("late", 'a', kNow + 30),
                             Message("early", 'b', kNow + 10)},
                            kNow),
              IsOk());
  EXPECT_THAT(Do(Purge(kNow + 20)), IsOkAndHolds(OpResult::kDone));
  EXPECT_THAT(Payloads(), ElementsAre("late"));
  EXPECT_THAT(Payloads('b'), ElementsAre("early"));
  EXPECT_THAT(Do(Message("other", 'a', kNow + 20)),
              IsOkAndHolds(OpResult::kDeleted));
  EXPECT_THAT(Do(Message("other", 'a', kNow + 21)),
              IsOkAndHolds(OpResult::kDone));
  // The one that reaches further stands.
  EXPECT_THAT(Do(Purge(kNow + 19)), IsOkAndHolds(OpResult::kSuperseded));
  const PurgeMessages further = Purge(kNow + 21);
  EXPECT_THAT(Do(further), IsOkAndHolds(OpResult::kDone));
  EXPECT_THAT(Do(further), IsOkAndHolds(OpResult::kDone));
  EXPECT_THAT(Payloads(), ElementsAre("late"));
  CheckSummaries(*store_);
  EXPECT_THAT(store_->Expire(kNow + 21 + kDay - 1, 10), IsOkAndHolds(2));
  EXPECT_THAT(store_->Expire(kNow + 21 + kDay, 10), IsOkAndHolds(1));
  EXPECT_THAT(Do(Message("other", 'a', kNow + 20)),
              IsOkAndHolds(OpResult::kDone));
}

TEST_P(MessageStoreTest, AShortenedMessageFallsToAPurgeInEitherOrder) {
  EXPECT_THAT(store_->Apply({Message("one", 'a', kNow + 30), Purge(kNow + 20),
                             Deletion({"one"}, 'a', kNow + 15)},
                            kNow),
              IsOk());
  EXPECT_THAT(Payloads(), IsEmpty());
  EXPECT_THAT(
      store_->Apply({Message("two", 'a', kNow + 30),
                     Deletion({"two"}, 'a', kNow + 25), Purge(kNow + 26)},
                    kNow),
      IsOk());
  EXPECT_THAT(Payloads(), IsEmpty());
  EXPECT_EQ(store_->Usage(Box('a')).messages, 0);
}

TEST_P(MessageStoreTest, OnlyARegisteredMailboxTakesAnything) {
  PurgeMessages purge = Purge(kNow, 'c');
  for (const StoreOp& op :
       {StoreOp(Message("one", 'c')), StoreOp(Deletion({"one"}, 'c')),
        StoreOp(purge), StoreOp(RecordOp(1, "body", 'k', 'c'))}) {
    EXPECT_THAT(Do(op), IsOkAndHolds(OpResult::kNotRegistered));
  }
  PutMessage brought = Message("one", 'c');
  brought.origin = Origin::kPeer;
  EXPECT_THAT(Do(brought), IsOkAndHolds(OpResult::kNotRegistered));
  EXPECT_EQ(store_->Usage(Box('c')).registered_until_ms, 0);
  EXPECT_THAT(Do(Registration('c')), IsOkAndHolds(OpResult::kDone));
  EXPECT_EQ(store_->Usage(Box('c')).registered_until_ms, kNow + 30 * kDay);
  EXPECT_THAT(Do(Message("one", 'c')), IsOkAndHolds(OpResult::kDone));
}

TEST_P(MessageStoreTest, ALapsedRegistrationLetsInOnlyWhatPeersBring) {
  const uint64_t lapsed = kNow + 30 * kDay;
  const std::vector<StoreOp> message = {Message("one", 'a', lapsed + kDay)};
  EXPECT_THAT(store_->Apply(message, lapsed),
              IsOkAndHolds(ElementsAre(OpResult::kNotRegistered)));
  EXPECT_THAT(store_->Apply(message, lapsed - 1),
              IsOkAndHolds(ElementsAre(OpResult::kDone)));
  PutMessage brought = Message("two", 'a', lapsed + kDay);
  brought.origin = Origin::kPeer;
  EXPECT_THAT(store_->Apply({brought}, lapsed),
              IsOkAndHolds(ElementsAre(OpResult::kDone)));
}

TEST_P(MessageStoreTest, TheLaterRegistrationStands) {
  PutRegistration low = Registration('a', kNow + 1);
  PutRegistration high = Registration('a', kNow + 1);
  if (high.id < low.id) std::swap(low, high);
  EXPECT_THAT(
      store_->Apply({low, high, low, high, Registration('a', kNow)}, kNow),
      IsOkAndHolds(ElementsAre(OpResult::kDone, OpResult::kDone,
                               OpResult::kSuperseded, OpResult::kDone,
                               OpResult::kSuperseded)));
  EXPECT_EQ(store_->Totals()->registrations, 2);
  CheckSummaries(*store_);
}

TEST_P(MessageStoreTest, TheRecordsOfAnAccountGoWithItsRegistration) {
  EXPECT_THAT(store_->Apply({RecordOp(1, "one"), RecordOp(1, "two", 'l'),
                             Registration('b', kNow + kDay)},
                            kNow),
              IsOk());
  EXPECT_THAT(store_->Expire(kNow + 60 * kDay - 1, 10), IsOkAndHolds(0));
  EXPECT_THAT(store_->Expire(kNow + 60 * kDay, 10), IsOkAndHolds(3));
  EXPECT_THAT(Bodies(), IsEmpty());
  EXPECT_EQ(store_->Totals()->registrations, 1);
  EXPECT_EQ(store_->Totals()->records, 0);
  EXPECT_THAT(Do(Registration('a')), IsOkAndHolds(OpResult::kDone));
  EXPECT_THAT(Do(Message("again")), IsOkAndHolds(OpResult::kDone));
}

TEST_P(MessageStoreTest, StrangersFillNoMoreThanTheirPart) {
  for (uint64_t i = 0; i < kStrangerMessages; ++i) {
    ASSERT_THAT(Do(Message(absl::StrCat(i))), IsOkAndHolds(OpResult::kDone));
  }
  EXPECT_THAT(Do(Message("more")), IsOkAndHolds(OpResult::kMailboxFull));
  EXPECT_THAT(Do(Message("more", 'b')), IsOkAndHolds(OpResult::kDone));
  EXPECT_THAT(Do(Message("7")), IsOkAndHolds(OpResult::kDone)) << "is there";
  // Peers bring a quarter more.
  for (uint64_t i = 0; i < kStrangerMessages / 4; ++i) {
    PutMessage brought = Message(absl::StrCat("brought", i));
    brought.origin = Origin::kPeer;
    ASSERT_THAT(Do(brought), IsOkAndHolds(OpResult::kDone));
  }
  PutMessage brought = Message("more");
  brought.origin = Origin::kPeer;
  EXPECT_THAT(Do(brought), IsOkAndHolds(OpResult::kMailboxFull));
  EXPECT_EQ(store_->Usage(Box('a')).messages, WithPeerSlack(kStrangerMessages));
}

TEST_P(MessageStoreTest, StrangersBytesAreBoundedToo) {
  const size_t size = kStrangerBytes / 4;
  for (char c = '0'; c < '4'; ++c) {
    ASSERT_THAT(Do(Message(std::string(size, c))),
                IsOkAndHolds(OpResult::kDone));
  }
  EXPECT_EQ(store_->Usage(Box('a')).bytes, kStrangerBytes);
  EXPECT_EQ(store_->Totals()->payload_bytes, kStrangerBytes);
  EXPECT_THAT(Do(Message("x")), IsOkAndHolds(OpResult::kMailboxFull));
  EXPECT_THAT(Do(Deletion({std::string(size, '2')})), IsOk());
  EXPECT_THAT(Do(Message("x")), IsOkAndHolds(OpResult::kDone));
}

// One who has registered mailboxes for it fills the node: he is stopped where
// it is crowded, others go on.
TEST_P(MessageStoreTest, ACrowdedNodeTakesNothingMoreForThoseWhoFillIt) {
  Make(/*capacity_bytes=*/4 * 1024 * 1024);
  constexpr int kHog = 1;
  constexpr int kHonest = 2;
  constexpr int kFresh = 3;
  for (const int pair : {kHog, kHonest, kFresh}) RegisterPair(pair);
  int number = 0;
  const auto put = [&](int pair, Origin origin) {
    PutMessage message =
        PairMessage(pair, std::string(10'000, 'x') + absl::StrCat(++number));
    message.origin = origin;
    return *Do(message);
  };
  const auto fill = [&](Origin origin) {
    while (put(kHog, origin) == OpResult::kDone) ASSERT_LT(number, 1000);
  };
  const auto percent = [&] {
    const NodeSpace space = store_->Space();
    return space.used_bytes * 100 / space.capacity_bytes;
  };
  for (int i = 0; i < 10; ++i)
    ASSERT_EQ(put(kHonest, Origin::kClient), OpResult::kDone);
  fill(Origin::kClient);
  EXPECT_GE(percent(), 80);
  EXPECT_LE(percent(), 82);
  EXPECT_EQ(put(kHonest, Origin::kClient), OpResult::kDone);
  // Other members may have had room for him.
  EXPECT_EQ(put(kHog, Origin::kPeer), OpResult::kDone);
  fill(Origin::kPeer);
  EXPECT_GE(percent(), 90);
  EXPECT_LE(percent(), 92);
  EXPECT_EQ(put(kHonest, Origin::kClient), OpResult::kDone);
  EXPECT_EQ(put(kFresh, Origin::kPeer), OpResult::kDone);
}

TEST_P(MessageStoreTest, AFullNodeKeepsRoomForOwners) {
  Make(/*capacity_bytes=*/4 * 1024 * 1024);
  // Contacts fill the node; strangers find no room before they do not.
  OpResult strangers = OpResult::kDone;
  OpResult contact = OpResult::kDone;
  uint64_t bytes_without_strangers = 0;
  for (int i = 0; contact == OpResult::kDone; ++i) {
    ASSERT_LT(i, 1000);
    RegisterPair(i);
    const auto result = Do(PairMessage(i, std::string(10'000, 'x')));
    ASSERT_THAT(result, IsOk());
    contact = *result;
    if (strangers != OpResult::kDone) continue;
    strangers = *Do(Message(absl::StrCat("s", i), i % 2 == 0 ? 'a' : 'b'));
    if (strangers != OpResult::kDone) {
      bytes_without_strangers = store_->Totals()->payload_bytes;
    }
  }
  EXPECT_EQ(strangers, OpResult::kNodeFull);
  EXPECT_EQ(contact, OpResult::kNodeFull);
  EXPECT_GT(bytes_without_strangers, 2'500'000);
  EXPECT_LT(bytes_without_strangers, store_->Totals()->payload_bytes);
  const NodeSpace space = store_->Space();
  EXPECT_GE(space.used_bytes, space.capacity_bytes / 100 * 95);
  EXPECT_THAT(Do(RecordOp(1, "body")), IsOkAndHolds(OpResult::kDone));
  EXPECT_THAT(Do(Registration('d')), IsOkAndHolds(OpResult::kDone));
  EXPECT_THAT(Do(Deletion({"s0"})), IsOkAndHolds(OpResult::kDone));
}

TEST_P(MessageStoreTest, ItemsComeBackAsTheyCame) {
  const PutRegistration registration = Registration('c');
  const PutMessage message = Message("one", 'c', kNow + 100);
  const DeleteMessages deletion = Deletion({"two", "three"}, 'c', kNow + 50);
  const PurgeMessages purge = Purge(kNow + 10, 'c');
  PutRecord record = RecordOp(3, "body", 'k', 'c');
  record.record.owner_key = random_.Fixed<crypto::Ed25519PublicKey>();
  record.record.signature = random_.Fixed<crypto::Ed25519Signature>();
  ASSERT_THAT(
      store_->Apply({registration, message, deletion, purge, record}, kNow),
      IsOk());
  const Shard shard = ShardOf(Box('c'));
  const auto ops =
      store_->Load({KeyOf(message),
                    {ItemKind::kMessage, shard, IdOf("absent")},
                    {ItemKind::kRegistration, shard, registration.id},
                    {ItemKind::kDeletion, shard, deletion.order_id},
                    {ItemKind::kPurge, shard, purge.order_id},
                    {ItemKind::kRecord, shard, record.id}});
  ASSERT_THAT(ops, IsOk());
  ASSERT_THAT(*ops, SizeIs(5));
  const auto& loaded = std::get<PutMessage>((*ops)[0]);
  EXPECT_EQ(loaded.mailbox, message.mailbox);
  EXPECT_EQ(loaded.ns, message.ns);
  EXPECT_EQ(loaded.payload, "one");
  EXPECT_EQ(loaded.expiry_ms, kNow + 100);
  EXPECT_EQ(loaded.proof, message.proof);
  EXPECT_EQ(loaded.origin, Origin::kPeer);
  const auto& registered = std::get<PutRegistration>((*ops)[1]);
  EXPECT_EQ(registered.id, registration.id);
  EXPECT_EQ(registered.timestamp_ms, registration.timestamp_ms);
  EXPECT_EQ(registered.proof_nonce, registration.proof_nonce);
  EXPECT_EQ(registered.proof, registration.proof);
  const auto& deleted = std::get<DeleteMessages>((*ops)[2]);
  EXPECT_EQ(DeletionId(deleted.terms), deletion.order_id);
  EXPECT_EQ(deleted.proof, deletion.proof);
  const auto& purged = std::get<PurgeMessages>((*ops)[3]);
  EXPECT_EQ(PurgeId(purged.terms), purge.order_id);
  EXPECT_EQ(purged.proof, purge.proof);
  EXPECT_EQ(std::get<PutRecord>((*ops)[4]).record, record.record);
  CheckSummaries(*store_);
}

TEST_P(MessageStoreTest, AMessageIsBroughtWithTheExpiryThatItsProofSpeaksFor) {
  const PutMessage message = Message("one", 'a', kNow + 100);
  ASSERT_THAT(store_->Apply({message, Deletion({"one"}, 'a', kNow + 50)}, kNow),
              IsOk());
  const auto ops = store_->Load({KeyOf(message)});
  ASSERT_THAT(ops, IsOk());
  EXPECT_EQ(std::get<PutMessage>(ops->front()).expiry_ms, kNow + 100);
}

TEST_P(MessageStoreTest, WindowsShowWhatIsThere) {
  const Shard shard = ShardOf(Box('a'));
  ASSERT_THAT(store_->Apply({Message("one"), Message("two")}, kNow), IsOk());
  EXPECT_THAT(store_->Shards(), UnorderedElementsAre(shard, ShardOf(Box('b'))));
  const std::vector<WindowSummary> windows = store_->Windows(shard, 0);
  ASSERT_THAT(windows, SizeIs(2));
  EXPECT_EQ(windows[0].window, WindowOf(kNow + kHour));
  EXPECT_EQ(windows[0].count, 2);
  EXPECT_EQ(windows[1].window, WindowOf(kNow + 60 * kDay));
  EXPECT_THAT(store_->Windows(shard, WindowEndMs(windows[0].window)),
              SizeIs(1));
  EXPECT_THAT(store_->Entries(shard, windows[0].window + 1),
              IsOkAndHolds(IsEmpty()));
  CheckSummaries(*store_);
}

TEST_P(MessageStoreTest, ADamagedItemMakesWayForAPeersCopy) {
  const PutMessage message = Message("one");
  const DeleteMessages deletion = Deletion({"two"});
  ASSERT_THAT(store_->Apply({message, deletion}, kNow), IsOk());
  EXPECT_THAT(Do(DropDamaged{KeyOf(message)}), IsOkAndHolds(OpResult::kDone));
  EXPECT_THAT(Payloads(), IsEmpty());
  EXPECT_THAT(Do(message), IsOkAndHolds(OpResult::kDone));
  EXPECT_THAT(Payloads(), ElementsAre("one"));
  EXPECT_THAT(Do(DropDamaged{
                  {ItemKind::kDeletion, ShardOf(Box('a')), deletion.order_id}}),
              IsOk());
  EXPECT_THAT(Do(Message("two")), IsOkAndHolds(OpResult::kDone));
  EXPECT_EQ(store_->Totals()->tombstones, 0);
  CheckSummaries(*store_);
}

TEST_P(MessageStoreTest, HintsAreKeptInTheirOrderUntilTheyAreDropped) {
  const auto first = random_.Fixed<routing::NodeId>();
  const auto second = random_.Fixed<routing::NodeId>();
  const ItemKey a{ItemKind::kMessage, 1, IdOf("a")};
  const ItemKey b{ItemKind::kDeletion, 2, IdOf("b")};
  const ItemKey c{ItemKind::kMessage, 3, IdOf("c")};
  ASSERT_THAT(store_->Apply({PutHints{first, {b, a}, kNow + 10},
                             PutHints{second, {c}, kNow + 5},
                             PutHints{first, {b, c}, kNow + 20}},
                            kNow),
              IsOk());
  EXPECT_THAT(store_->Hints(first, 10), IsOkAndHolds(ElementsAre(b, a, c)));
  EXPECT_THAT(store_->Hints(first, 1), IsOkAndHolds(ElementsAre(b)));
  EXPECT_THAT(store_->PeersWithHints(),
              IsOkAndHolds(UnorderedElementsAre(first, second)));
  EXPECT_EQ(store_->Totals()->hints, 4);
  EXPECT_THAT(store_->Expire(kNow + 10, 10), IsOkAndHolds(2));
  EXPECT_THAT(store_->Hints(first, 10), IsOkAndHolds(ElementsAre(b, c)));
  EXPECT_THAT(store_->PeersWithHints(), IsOkAndHolds(ElementsAre(first)));
  EXPECT_THAT(Do(DropHints{first, {b, c, a}}), IsOk());
  EXPECT_THAT(store_->PeersWithHints(), IsOkAndHolds(IsEmpty()));
  EXPECT_EQ(store_->Totals()->hints, 0);
}

TEST_P(MessageStoreTest, HintsForOnePeerAreBounded) {
  PutHints hints{random_.Fixed<routing::NodeId>(), {}, kNow + 10};
  for (size_t i = 0; i < MessageStore::kMaxHintsPerPeer + 3; ++i) {
    hints.items.push_back({ItemKind::kMessage, 1, random_.Fixed<ObjectId>()});
  }
  ASSERT_THAT(Do(hints), IsOkAndHolds(OpResult::kDone));
  EXPECT_EQ(store_->Totals()->hints, MessageStore::kMaxHintsPerPeer);
  EXPECT_EQ(store_->Totals()->hints_dropped, 3);
}

TEST_P(MessageStoreTest, RemembersWhichShardsItHoldsAllOf) {
  EXPECT_EQ(store_->FilledIn(7), 0);
  EXPECT_THAT(Do(SetFill{{{7, 3}, {8, 4}}}), IsOk());
  EXPECT_EQ(store_->FilledIn(7), 3);
  EXPECT_EQ(store_->FilledIn(8), 4);
  EXPECT_THAT(Do(SetFill{{{7, 0}}}), IsOk());
  EXPECT_EQ(store_->FilledIn(7), 0);
}

TEST_P(MessageStoreTest, AForeignShardIsErasedWithAllThatIsInIt) {
  const Shard shard = ShardOf(Box('a'));
  ASSERT_NE(shard, ShardOf(Box('b')));
  const auto peer = random_.Fixed<routing::NodeId>();
  ASSERT_THAT(
      store_->Apply(
          {Message("one"), Message("two"), Deletion({"three"}), Purge(kNow),
           RecordOp(1, "body"), Message("one", 'b'),
           SetFill{{{shard, 5}, {ShardOf(Box('b')), 6}}},
           PutHints{
               peer, {{ItemKind::kMessage, shard, IdOf("one")}}, kNow + kDay}},
          kNow),
      IsOk());
  EXPECT_THAT(store_->EraseShard(shard, 3), IsOkAndHolds(3));
  EXPECT_EQ(store_->FilledIn(shard), 0);
  EXPECT_THAT(store_->EraseShard(shard, 100), IsOkAndHolds(4));
  EXPECT_THAT(store_->EraseShard(shard, 100), IsOkAndHolds(0));
  EXPECT_THAT(store_->Shards(), ElementsAre(ShardOf(Box('b'))));
  EXPECT_THAT(Payloads('b'), ElementsAre("one"));
  EXPECT_EQ(store_->FilledIn(ShardOf(Box('b'))), 6);
  const StoreTotals totals = *store_->Totals();
  EXPECT_EQ(totals.messages, 1);
  EXPECT_EQ(
      totals.tombstones + totals.records + totals.deletions + totals.hints, 0);
  EXPECT_EQ(totals.registrations, 1);
  // And can come back.
  EXPECT_THAT(Do(Registration('a')), IsOk());
  EXPECT_THAT(Do(Message("one")), IsOkAndHolds(OpResult::kDone));
}

TEST_P(MessageStoreTest, TheNewestRecordWinsInEveryOrder) {
  const PutRecord first = RecordOp(1, "first");
  const PutRecord second = RecordOp(2, "second");
  EXPECT_THAT(store_->Apply({first, second, first}, kNow),
              IsOkAndHolds(ElementsAre(OpResult::kDone, OpResult::kDone,
                                       OpResult::kSuperseded)));
  EXPECT_THAT(Bodies(), ElementsAre("second"));
  EXPECT_THAT(Do(second), IsOkAndHolds(OpResult::kDone));
}

TEST_P(MessageStoreTest, OfTwoRecordsWithOneNumberTheSameWinsInEveryOrder) {
  PutRecord low = RecordOp(5, "x");
  PutRecord high = RecordOp(5, "y");
  if (high.id < low.id) std::swap(low, high);
  EXPECT_THAT(store_->Apply({low, high}, kNow),
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
              IsOkAndHolds(OpResult::kOwnerLimit));
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
  const std::unique_ptr<MessageStore> other = GetParam().make(random_, 0);
  EXPECT_NE(store_->incarnation(), other->incarnation());
  EXPECT_LT(store_->incarnation(), uint64_t{1} << 63);
}

// Both implementations agree on thousands of random operations.
TEST_P(MessageStoreTest, BehavesAsTheTwinOnRandomOperations) {
  crypto::SeededRandom random(7);
  InMemoryStore twin(random_);
  Clear(*store_);
  Clear(twin);
  for (int i = 0; i < 1000; ++i) {
    std::vector<StoreOp> ops;
    for (uint64_t n = random.Uniform(6) + 1; n > 0; --n) {
      ops.push_back(RandomOp(random));
    }
    ASSERT_EQ(*store_->Apply(ops, kNow), *twin.Apply(ops, kNow)) << i;
    const uint64_t now = kNow + random.Uniform(60);
    if (random.Uniform(10) == 0) {
      ASSERT_EQ(*store_->Expire(now, 1000), *twin.Expire(now, 1000)) << i;
    }
    if (random.Uniform(100) == 0) {
      const Shard shard = ShardOf(RandomBox(random));
      ASSERT_EQ(*store_->EraseShard(shard, 1000),
                *twin.EraseShard(shard, 1000));
    }
    const MailboxAddress box = RandomBox(random);
    const uint64_t after = random.Uniform(3);
    const MessagePage expected = *twin.List(box, kNs, after, now, 7, 500);
    const MessagePage actual = *store_->List(box, kNs, after, now, 7, 500);
    ASSERT_EQ(actual.messages.size(), expected.messages.size()) << i;
    EXPECT_EQ(actual.more, expected.more);
    for (size_t m = 0; m < actual.messages.size(); ++m) {
      EXPECT_EQ(actual.messages[m].payload, expected.messages[m].payload);
      EXPECT_EQ(actual.messages[m].expiry_ms, expected.messages[m].expiry_ms);
      EXPECT_EQ(actual.messages[m].author_expiry_ms,
                expected.messages[m].author_expiry_ms);
      EXPECT_EQ(actual.messages[m].proof, expected.messages[m].proof);
    }
    EXPECT_EQ(store_->Usage(box).bytes, twin.Usage(box).bytes);
    EXPECT_EQ(store_->Usage(box).owner_ids, twin.Usage(box).owner_ids);
    EXPECT_EQ(store_->Totals()->tombstones, twin.Totals()->tombstones);
    EXPECT_EQ(store_->Totals()->records, twin.Totals()->records);
    if (i % 50 == 0) {
      ASSERT_EQ(Digests(*store_), Digests(twin)) << i;
      CheckSummaries(*store_);
    }
  }
}

// Invariant I3: members that have got the same operations hold the same,
// whatever the order.
TEST_P(MessageStoreTest, TheSameOperationsInAnyOrderMakeTheSameSet) {
  constexpr int kRounds = 40;
  constexpr int kOperations = 700;
  constexpr int kOrders = 4;  // 112,000 operations
  for (int round = 0; round < kRounds; ++round) {
    crypto::SeededRandom random(100 + round);
    std::vector<StoreOp> ops;
    for (int i = 0; i < kOperations; ++i) ops.push_back(RandomOp(random));
    std::vector<std::string> expected;
    for (int order = 0; order < kOrders; ++order) {
      Clear(*store_);
      for (size_t at = 0; at < ops.size(); at += 64) {
        ASSERT_THAT(
            store_->Apply(absl::MakeConstSpan(ops).subspan(at, 64), kNow),
            IsOk());
      }
      const std::vector<std::string> digests = Digests(*store_);
      if (order == 0) expected = digests;
      ASSERT_EQ(digests, expected) << "seed " << 100 + round;
      CheckSummaries(*store_);
      for (size_t i = ops.size() - 1; i > 0; --i) {
        std::swap(ops[i], ops[random.Uniform(i + 1)]);
      }
      // Once more is no more.
      ops.push_back(ops[random.Uniform(ops.size())]);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    , MessageStoreTest,
    ::testing::Values(Implementation{"InMemory",
                                     [](crypto::Random& random,
                                        uint64_t capacity_bytes) {
                                       return std::make_unique<InMemoryStore>(
                                           random, capacity_bytes);
                                     }},
                      Implementation{"Sqlite", MakeSqlite}),
    [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace messenger::swarm
