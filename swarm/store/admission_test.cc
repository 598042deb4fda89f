// The numbers are those of swarm/SPEC.md, section 4.4.

#include "swarm/store/admission.h"

#include <string>

#include "gtest/gtest.h"

namespace messenger::swarm {
namespace {

constexpr uint64_t kMebibyte = 1024 * 1024;
constexpr uint64_t kDayMs = uint64_t{24} * 3'600'000;

MailboxAddress Account() {
  return *MailboxAddress::FromBytes("\x05" + std::string(32, 'a'));
}
MailboxAddress Pair() {
  return *MailboxAddress::FromBytes("\x06" + std::string(32, 'a'));
}

class StoreAdmissionTest : public ::testing::Test {
 protected:
  OpResult Stranger(Origin origin = Origin::kClient, size_t bytes = 100) const {
    return Admit(Account(), MailboxNamespace::kInbox, origin, bytes);
  }
  OpResult Contact(Origin origin = Origin::kClient, size_t bytes = 100) const {
    return Admit(Pair(), MailboxNamespace::kPairwise, origin, bytes);
  }
  OpResult Order(Origin origin, size_t ids) const {
    DeleteMessages order{.terms = {.mailbox = Account(),
                                   .ns = MailboxNamespace::kInbox,
                                   .timestamp_ms = 1,
                                   .nonce = {},
                                   .effective_ms = 0,
                                   .ids = {}},
                         .order_id = {},
                         .proof = "",
                         .origin = origin};
    order.terms.ids.resize(ids);
    return AdmitDeletion(order, mailbox_);
  }
  // Of a node of a gibibyte.
  void FillNode(double percent) {
    space_.capacity_bytes = 1024 * kMebibyte;
    space_.used_bytes = static_cast<uint64_t>(percent / 100 * 1024 * kMebibyte);
  }

  MailboxState mailbox_;
  NodeSpace space_;

 private:
  OpResult Admit(const MailboxAddress& mailbox, MailboxNamespace ns,
                 Origin origin, size_t bytes) const {
    return AdmitMessage({.mailbox = mailbox,
                         .ns = ns,
                         .id = {},
                         .payload = std::string(bytes, 'x'),
                         .expiry_ms = 1,
                         .proof = "",
                         .origin = origin},
                        mailbox_, space_);
  }
};

// --- bounds of a mailbox ---

TEST_F(StoreAdmissionTest, AnInboxTakesTwoHundredMessages) {
  mailbox_.messages = 199;
  EXPECT_EQ(Stranger(), OpResult::kDone);
  mailbox_.messages = 200;
  EXPECT_EQ(Stranger(), OpResult::kMailboxFull);
}

TEST_F(StoreAdmissionTest, AnInboxTakesTwoMebibytes) {
  mailbox_.bytes = 2 * kMebibyte - 100;
  EXPECT_EQ(Stranger(Origin::kClient, 100), OpResult::kDone);
  EXPECT_EQ(Stranger(Origin::kClient, 101), OpResult::kMailboxFull);
}

TEST_F(StoreAdmissionTest, APairwiseMailboxTakesTenThousandMessages) {
  mailbox_.messages = 9'999;
  EXPECT_EQ(Contact(), OpResult::kDone);
  mailbox_.messages = 10'000;
  EXPECT_EQ(Contact(), OpResult::kMailboxFull);
}

TEST_F(StoreAdmissionTest, APairwiseMailboxTakesSixtyFourMebibytes) {
  mailbox_.bytes = 64 * kMebibyte - 100;
  EXPECT_EQ(Contact(Origin::kClient, 100), OpResult::kDone);
  EXPECT_EQ(Contact(Origin::kClient, 101), OpResult::kMailboxFull);
}

TEST_F(StoreAdmissionTest, AMailboxKeepsThreeHundredThousandIdsOfDeletions) {
  mailbox_.owner_ids = 310'000 - 5;
  EXPECT_EQ(Order(Origin::kClient, 5), OpResult::kDone);
  EXPECT_EQ(Order(Origin::kClient, 6), OpResult::kOwnerLimit);
}

TEST_F(StoreAdmissionTest, PeersMayBringAQuarterMoreAndNoMore) {
  mailbox_.messages = 249;
  EXPECT_EQ(Stranger(Origin::kPeer), OpResult::kDone);
  mailbox_.messages = 250;
  EXPECT_EQ(Stranger(Origin::kPeer), OpResult::kMailboxFull);
  mailbox_.messages = 12'499;
  EXPECT_EQ(Contact(Origin::kPeer), OpResult::kDone);
  mailbox_.messages = 12'500;
  EXPECT_EQ(Contact(Origin::kPeer), OpResult::kMailboxFull);

  mailbox_.messages = 0;
  mailbox_.bytes = 2 * kMebibyte + kMebibyte / 2 - 100;
  EXPECT_EQ(Stranger(Origin::kPeer, 100), OpResult::kDone);
  EXPECT_EQ(Stranger(Origin::kPeer, 101), OpResult::kMailboxFull);
  mailbox_.bytes = 80 * kMebibyte - 100;
  EXPECT_EQ(Contact(Origin::kPeer, 100), OpResult::kDone);
  EXPECT_EQ(Contact(Origin::kPeer, 101), OpResult::kMailboxFull);

  mailbox_.owner_ids = 387'500 - 5;
  EXPECT_EQ(Order(Origin::kPeer, 5), OpResult::kDone);
  EXPECT_EQ(Order(Origin::kPeer, 6), OpResult::kOwnerLimit);
}

// --- shares of the node ---

TEST_F(StoreAdmissionTest, FromEightyPercentStrangersFillNoLargeMailboxes) {
  space_.median_mailbox_bytes = 5000;
  mailbox_.bytes = 5001;
  FillNode(79.9);
  EXPECT_EQ(Stranger(), OpResult::kDone);
  FillNode(80.1);
  EXPECT_EQ(Stranger(), OpResult::kNodeFull);
  EXPECT_EQ(Contact(), OpResult::kDone);
  mailbox_.bytes = 5000;
  EXPECT_EQ(Stranger(), OpResult::kDone);
}

TEST_F(StoreAdmissionTest, FromNinetyPercentStrangersStoreNothing) {
  space_.median_mailbox_bytes = 5000;
  FillNode(89.9);
  EXPECT_EQ(Stranger(), OpResult::kDone);
  FillNode(90.1);
  EXPECT_EQ(Stranger(), OpResult::kNodeFull);
  EXPECT_EQ(Contact(), OpResult::kDone);
}

TEST_F(StoreAdmissionTest, FromEightyPercentContactsFillNoUnfairMailboxes) {
  space_.fair_mailbox_bytes = 5000;
  mailbox_.bytes = 5001;
  FillNode(79.9);
  EXPECT_EQ(Contact(), OpResult::kDone);
  FillNode(80.1);
  EXPECT_EQ(Contact(), OpResult::kNodeFull);
  mailbox_.bytes = 5000;
  EXPECT_EQ(Contact(), OpResult::kDone);
}

TEST_F(StoreAdmissionTest, FromNinetyPercentPeersFillNoUnfairMailboxes) {
  space_.fair_mailbox_bytes = 5000;
  mailbox_.bytes = 5001;
  FillNode(89.9);
  EXPECT_EQ(Stranger(Origin::kPeer), OpResult::kDone);
  EXPECT_EQ(Contact(Origin::kPeer), OpResult::kDone);
  FillNode(90.1);
  EXPECT_EQ(Stranger(Origin::kPeer), OpResult::kNodeFull);
  EXPECT_EQ(Contact(Origin::kPeer), OpResult::kNodeFull);
  mailbox_.bytes = 5000;
  EXPECT_EQ(Contact(Origin::kPeer), OpResult::kDone);
}

// The member that was asked has decided about strangers.
TEST_F(StoreAdmissionTest, BelowNinetyFivePercentPeersBringWhatTheyHave) {
  mailbox_.bytes = 5000;
  FillNode(94.9);
  EXPECT_EQ(Stranger(Origin::kPeer), OpResult::kDone);
  EXPECT_EQ(Contact(Origin::kPeer), OpResult::kDone);
}

TEST_F(StoreAdmissionTest, FromNinetyFivePercentNobodyBringsMessages) {
  FillNode(95.1);
  for (const Origin origin : {Origin::kClient, Origin::kPeer}) {
    EXPECT_EQ(Stranger(origin), OpResult::kNodeFull);
    EXPECT_EQ(Contact(origin), OpResult::kNodeFull);
    // A full node must still be able to forget.
    EXPECT_EQ(Order(origin, 1000), OpResult::kDone);
  }
}

TEST_F(StoreAdmissionTest, WithoutACapacityTheNodeIsNeverFull) {
  space_.used_bytes = 1'000'000 * kMebibyte;
  mailbox_.bytes = 1;
  EXPECT_EQ(Stranger(), OpResult::kDone);
}

// --- registrations, and where messages are ---

TEST_F(StoreAdmissionTest, AClientsWriteNeedsARegistrationOfThirtyDays) {
  EXPECT_FALSE(IsRegistered(mailbox_, Origin::kClient, 1000));
  mailbox_.registered_ms = 1000;
  EXPECT_TRUE(IsRegistered(mailbox_, Origin::kClient, 999 + 30 * kDayMs));
  EXPECT_FALSE(IsRegistered(mailbox_, Origin::kClient, 1000 + 30 * kDayMs));
}

TEST_F(StoreAdmissionTest, APeersWriteNeedsOneThatIsRemembered) {
  EXPECT_FALSE(IsRegistered(mailbox_, Origin::kPeer, 1000));
  mailbox_.registered_ms = 1000;
  EXPECT_TRUE(IsRegistered(mailbox_, Origin::kPeer, 1000 + 59 * kDayMs));
}

TEST_F(StoreAdmissionTest, EachKindOfMailboxHasMessagesInOneNamespace) {
  for (const auto ns :
       {MailboxNamespace::kInbox, MailboxNamespace::kIdentityRecord,
        MailboxNamespace::kPrekeyRecords, MailboxNamespace::kPairwise}) {
    EXPECT_EQ(HasMessages(Account(), ns), ns == MailboxNamespace::kInbox);
    EXPECT_EQ(HasMessages(Pair(), ns), ns == MailboxNamespace::kPairwise);
  }
}

}  // namespace
}  // namespace messenger::swarm
