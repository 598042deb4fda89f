#include "swarm/validation/admission.h"

#include <string>

#include "crypto/base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "swarm/auth/limits.h"
#include "swarm/proto/refusal.h"

namespace messenger::swarm {
namespace {

using ::messenger::testing::IsOk;
using v1::Refusal;

constexpr uint64_t kNow = 1'900'000'000'000;

class AdmissionTest : public ::testing::Test {
 protected:
  AdmissionTest() { usage_.registered_until_ms = kNow + 1; }

  static ValidWrite Message(MailboxNamespace ns, size_t bytes = 100) {
    const auto mailbox = *MailboxAddress::FromBytes(
        (ns == MailboxNamespace::kInbox ? "\x05" : "\x06") +
        std::string(32, 'm'));
    return {.op = PutMessage{.mailbox = mailbox,
                             .ns = ns,
                             .id = {},
                             .payload = std::string(bytes, 'x'),
                             .proof = ""},
            .subject = {.id = {}, .mailbox = mailbox}};
  }
  Refusal::Reason Inbox(int work_bits = 0, size_t bytes = 100) {
    ValidWrite write = Message(MailboxNamespace::kInbox, bytes);
    write.work_bits = work_bits;
    return ReasonOf(Admit(write, usage_, space_, kNow));
  }
  Refusal::Reason Pairwise() {
    return ReasonOf(
        Admit(Message(MailboxNamespace::kPairwise), usage_, space_, kNow));
  }

  MailboxUsage usage_;
  NodeSpace space_;
};

constexpr Refusal::Reason kAdmitted = Refusal::REASON_UNSPECIFIED;

TEST_F(AdmissionTest, OnlyARegisteredMailboxTakesMessages) {
  EXPECT_EQ(Inbox(), kAdmitted);
  EXPECT_EQ(Pairwise(), kAdmitted);
  for (const uint64_t end : {uint64_t{0}, kNow - 1, kNow}) {
    usage_.registered_until_ms = end;
    EXPECT_EQ(Inbox(), Refusal::NOT_REGISTERED) << end;
    EXPECT_EQ(Pairwise(), Refusal::NOT_REGISTERED) << end;
  }
}

TEST_F(AdmissionTest, ACrowdedInboxAsksForWorkThatRisesToItsEnd) {
  int last = 0;
  for (uint64_t messages = 0; messages < kStrangerMessages; ++messages) {
    usage_.messages = messages;
    const int bits = WorkBitsFor(usage_);
    if (2 * messages < kStrangerMessages) {
      EXPECT_EQ(bits, 0);
      EXPECT_EQ(Inbox(), kAdmitted);
      continue;
    }
    EXPECT_GE(bits, std::max(last, kFirstWorkBits));
    EXPECT_LE(bits, kLastWorkBits);
    EXPECT_EQ(Inbox(bits), kAdmitted);
    EXPECT_EQ(Inbox(bits - 1), Refusal::WORK_NEEDED);
    last = bits;
  }
  EXPECT_GE(last, kLastWorkBits - 1);
  usage_.messages = kStrangerMessages;
  EXPECT_EQ(Inbox(64), Refusal::MAILBOX_FULL);
}

TEST_F(AdmissionTest, WorkRisesAtWholeShares) {
  usage_.bytes = kStrangerBytes * 9 / 16;
  EXPECT_EQ(WorkBitsFor(usage_), kFirstWorkBits + 1);
  --usage_.bytes;
  EXPECT_EQ(WorkBitsFor(usage_), kFirstWorkBits);
}

TEST_F(AdmissionTest, TheRefusalSaysHowMuchWork) {
  usage_.bytes = kStrangerBytes * 3 / 4;
  const auto refusal =
      RefusalOf(Admit(Message(MailboxNamespace::kInbox), usage_, space_, kNow));
  ASSERT_TRUE(refusal.has_value());
  EXPECT_EQ(refusal->reason(), Refusal::WORK_NEEDED);
  EXPECT_EQ(refusal->work_bits(), static_cast<uint32_t>(WorkBitsFor(usage_)));
}

TEST_F(AdmissionTest, EachClassHasItsOwnBounds) {
  usage_.bytes = kStrangerBytes - 100;
  EXPECT_EQ(Inbox(64, 100), kAdmitted);
  EXPECT_EQ(Inbox(64, 101), Refusal::MAILBOX_FULL);
  EXPECT_EQ(Pairwise(), kAdmitted);
  usage_.bytes = 0;
  usage_.messages = kContactMessages - 1;
  EXPECT_EQ(Pairwise(), kAdmitted);
  usage_.messages = kContactMessages;
  EXPECT_EQ(Pairwise(), Refusal::MAILBOX_FULL);
  usage_.messages = 0;
  usage_.bytes = kContactBytes - 99;
  EXPECT_EQ(Pairwise(), Refusal::MAILBOX_FULL);
}

TEST_F(AdmissionTest, AFullNodeClosesForStrangersFirst) {
  space_ = {
      .used_bytes = 0, .capacity_bytes = 1000, .median_mailbox_bytes = 50};
  const auto at = [&](uint64_t used, uint64_t mailbox_bytes) {
    space_.used_bytes = used;
    usage_.bytes = mailbox_bytes;
  };
  at(799, 51);
  EXPECT_EQ(Inbox(), kAdmitted);
  at(800, 50);
  EXPECT_EQ(Inbox(), kAdmitted);
  at(800, 51);
  EXPECT_EQ(Inbox(), Refusal::NODE_FULL);
  EXPECT_EQ(Pairwise(), kAdmitted);
  at(900, 0);
  EXPECT_EQ(Inbox(), Refusal::NODE_FULL);
  EXPECT_EQ(Pairwise(), kAdmitted);
  at(950, 0);
  EXPECT_EQ(Pairwise(), Refusal::NODE_FULL);
}

TEST_F(AdmissionTest, ACrowdedNodeRefusesContactsWhoFillIt) {
  space_ = {.used_bytes = 799,
            .capacity_bytes = 1000,
            .median_mailbox_bytes = 50,
            .fair_mailbox_bytes = 200};
  usage_.bytes = 201;
  EXPECT_EQ(Pairwise(), kAdmitted);
  space_.used_bytes = 800;
  EXPECT_EQ(Pairwise(), Refusal::NODE_FULL);
  usage_.bytes = 200;
  EXPECT_EQ(Pairwise(), kAdmitted);
  space_.used_bytes = 949;
  EXPECT_EQ(Pairwise(), kAdmitted);
}

TEST_F(AdmissionTest, OwnersAlwaysGetThrough) {
  space_ = {.used_bytes = 1000, .capacity_bytes = 1000};
  usage_.registered_until_ms = 0;
  const auto mailbox =
      *MailboxAddress::FromBytes("\x05" + std::string(32, 'm'));
  const DeleteTerms deletion{.mailbox = mailbox,
                             .ns = MailboxNamespace::kInbox,
                             .nonce = {},
                             .ids = {}};
  const PurgeTerms purge{
      .mailbox = mailbox, .ns = MailboxNamespace::kInbox, .nonce = {}};
  for (const StoreOp& op :
       {StoreOp(DeleteMessages{.terms = deletion, .order_id = {}, .proof = ""}),
        StoreOp(PurgeMessages{.terms = purge, .order_id = {}, .proof = ""}),
        StoreOp(PutRegistration{.mailbox = mailbox, .id = {}, .proof = ""})}) {
    EXPECT_THAT(Admit({.op = op, .subject = {.id = {}, .mailbox = mailbox}},
                      usage_, space_, kNow),
                IsOk());
  }
}

}  // namespace
}  // namespace messenger::swarm
