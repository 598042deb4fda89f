#include "swarm/store/fair_queue.h"

#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "crypto/base/testing/status_matchers.h"
#include "crypto/random/testing/seeded_random.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace messenger::swarm {
namespace {

using ::messenger::testing::IsOk;
using ::messenger::testing::StatusIs;
using ::testing::ElementsAre;

constexpr size_t kBatch = 64;

MailboxAddress Inbox(uint64_t number) {
  std::string rest = absl::StrCat(number);
  rest.resize(32, '.');
  return *MailboxAddress::FromBytes("\x05" + rest);
}

PutMessage Message(uint64_t mailbox, const std::string& payload,
                   MailboxNamespace ns = MailboxNamespace::kInbox,
                   Origin origin = Origin::kClient) {
  return {.mailbox = Inbox(mailbox),
          .ns = ns,
          .id = {},
          .payload = payload,
          .expiry_ms = 0,
          .proof = "",
          .origin = origin};
}

PutRegistration Registration(uint64_t mailbox) {
  return {.mailbox = Inbox(mailbox),
          .id = {},
          .timestamp_ms = 0,
          .proof_nonce = 0,
          .proof = ""};
}

absl::Status Push(FairQueue& queue, StoreOp op) {
  FairQueue::Write write{.op = std::move(op), .done = nullptr};
  return queue.Push(write);
}

std::vector<std::string> Payloads(std::vector<FairQueue::Write> writes) {
  std::vector<std::string> payloads;
  for (const FairQueue::Write& write : writes) {
    payloads.push_back(std::get<PutMessage>(write.op).payload);
  }
  return payloads;
}

TEST(FairQueueTest, MailboxesTakeTurnsAndKeepTheirOrder) {
  FairQueue queue;
  for (const char* payload : {"a1", "a2", "a3"}) {
    ASSERT_THAT(Push(queue, Message(1, payload)), IsOk());
  }
  ASSERT_THAT(Push(queue, Message(2, "b1")), IsOk());
  ASSERT_THAT(Push(queue, Message(3, "c1")), IsOk());
  EXPECT_THAT(Payloads(queue.Pop(2)), ElementsAre("a1", "b1"));
  ASSERT_THAT(Push(queue, Message(2, "b2")), IsOk());
  EXPECT_THAT(Payloads(queue.Pop(10)), ElementsAre("c1", "a2", "b2", "a3"));
  EXPECT_EQ(queue.size(), 0);
  EXPECT_EQ(queue.bytes(), 0);
}

TEST(FairQueueTest, EveryClassGetsItsShare) {
  FairQueue queue;
  for (uint64_t i = 0; i < 200; ++i) {
    ASSERT_THAT(Push(queue, Registration(i)), IsOk());
    ASSERT_THAT(Push(queue, Message(i, "", MailboxNamespace::kPairwise)),
                IsOk());
    ASSERT_THAT(
        Push(queue, Message(i, "", MailboxNamespace::kInbox, Origin::kPeer)),
        IsOk());
    ASSERT_THAT(Push(queue, Message(i, "")), IsOk());
  }
  std::map<FairQueue::Class, size_t> served;
  for (const FairQueue::Write& write : queue.Pop(15 * 4)) {
    ++served[FairQueue::ClassOf(write.op, write.brought)];
  }
  EXPECT_EQ(served[FairQueue::Class::kOwner], 32);
  EXPECT_EQ(served[FairQueue::Class::kContact], 16);
  EXPECT_EQ(served[FairQueue::Class::kRepair], 8);
  EXPECT_EQ(served[FairQueue::Class::kStranger], 4);
}

// Otherwise a flood of strangers, brought by others, would make contacts wait
// at every member but the one that was asked.
TEST(FairQueueTest, WhatAPeerBringsForAClientIsOfTheClientsClass) {
  using Class = FairQueue::Class;
  using Brought = FairQueue::Brought;
  const StoreOp stranger =
      Message(1, "", MailboxNamespace::kInbox, Origin::kPeer);
  const StoreOp contact =
      Message(1, "", MailboxNamespace::kPairwise, Origin::kPeer);
  EXPECT_EQ(FairQueue::ClassOf(stranger, Brought::kForClient),
            Class::kStranger);
  EXPECT_EQ(FairQueue::ClassOf(contact, Brought::kForClient), Class::kContact);
  EXPECT_EQ(FairQueue::ClassOf(stranger, Brought::kForRepair), Class::kRepair);
  EXPECT_EQ(FairQueue::ClassOf(contact, Brought::kForRepair), Class::kRepair);

  FairQueue queue;
  for (int i = 0; i < 100; ++i) {
    FairQueue::Write write{
        .op = Message(i, "", MailboxNamespace::kInbox, Origin::kPeer),
        .done = nullptr,
        .brought = Brought::kForClient};
    ASSERT_THAT(queue.Push(write), IsOk());
  }
  FairQueue::Write write{
      .op = Message(200, "contact", MailboxNamespace::kPairwise, Origin::kPeer),
      .done = nullptr,
      .brought = Brought::kForClient};
  ASSERT_THAT(queue.Push(write), IsOk());
  EXPECT_THAT(Payloads(queue.Pop(2)), ::testing::Contains("contact"));
}

TEST(FairQueueTest, StrangersLeaveRoomForContacts) {
  FairQueue queue;
  uint64_t mailbox = 0;
  for (size_t i = 0; i < FairQueue::kMaxWaitingOfStrangers; ++i) {
    ASSERT_THAT(Push(queue, Message(++mailbox, "")), IsOk());
  }
  EXPECT_THAT(Push(queue, Message(++mailbox, "")),
              StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_THAT(Push(queue, Message(++mailbox, "", MailboxNamespace::kPairwise)),
              IsOk());
  EXPECT_THAT(Push(queue, Registration(++mailbox)), IsOk());
  // Also by bytes.
  while (queue.size() > 0) queue.Pop(kBatch);
  const std::string large(FairQueue::kMaxWaitingBytesOfStrangers / 16, 'x');
  for (int i = 0; i < 15; ++i) {
    ASSERT_THAT(Push(queue, Message(++mailbox, large)), IsOk());
  }
  EXPECT_THAT(Push(queue, Message(++mailbox, large)),
              StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_THAT(
      Push(queue, Message(++mailbox, large, MailboxNamespace::kPairwise)),
      IsOk());
}

TEST(FairQueueTest, AMailboxMayHaveOnlySoMuchWaiting) {
  FairQueue queue;
  for (size_t i = 0; i < FairQueue::kMaxWaitingOfMailbox; ++i) {
    ASSERT_THAT(Push(queue, Message(1, "")), IsOk());
  }
  FairQueue::Write write{.op = Message(1, "kept"), .done = nullptr};
  EXPECT_THAT(queue.Push(write),
              StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_EQ(std::get<PutMessage>(write.op).payload, "kept");
  EXPECT_THAT(Push(queue, Registration(1)),
              StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_THAT(Push(queue, Message(2, "")), IsOk());
  queue.Pop(1);
  EXPECT_THAT(queue.Push(write), IsOk());
  // A node's own notes have the bound of the queue alone.
  for (size_t i = queue.size(); i < FairQueue::kMaxWaiting; ++i) {
    ASSERT_THAT(Push(queue, SetFill{}), IsOk());
  }
  EXPECT_THAT(Push(queue, SetFill{}),
              StatusIs(absl::StatusCode::kResourceExhausted));
}

// Whatever one mailbox does, another one's write is in the next batch.
TEST(FairQueueTest, AHotMailboxDelaysOthersByNoMoreThanABatch) {
  for (uint64_t seed = 1; seed <= 50; ++seed) {
    crypto::SeededRandom random(seed);
    FairQueue queue;
    size_t refused = 0;
    for (int i = 0; i < 4000; ++i) {
      const auto ns = random.Uniform(2) == 0 ? MailboxNamespace::kInbox
                                             : MailboxNamespace::kPairwise;
      const auto origin =
          random.Uniform(3) == 0 ? Origin::kPeer : Origin::kClient;
      refused += !Push(queue, Message(0, "hot", ns, origin)).ok();
    }
    EXPECT_EQ(refused, 4000 - FairQueue::kMaxWaitingOfMailbox);
    for (int round = 0; round < 10; ++round) {
      const uint64_t other = 1 + random.Uniform(1000);
      ASSERT_THAT(Push(queue, Message(other, "other")), IsOk());
      bool served = false;
      for (const FairQueue::Write& write : queue.Pop(kBatch)) {
        served |= std::get<PutMessage>(write.op).payload == "other";
      }
      EXPECT_TRUE(served) << "seed " << seed;
      for (size_t i = 0; i < kBatch; ++i) {
        Push(queue, Message(0, "hot")).IgnoreError();
      }
    }
  }
}

}  // namespace
}  // namespace messenger::swarm
