// Histories made by hand, good ones and one for each thing that can be wrong.

#include "tools/chaos/mail_history.h"

#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "routing/onion/node_id.h"
#include "swarm/auth/mailbox.h"

namespace messenger::chaos {
namespace {

using ::messenger::routing::NodeId;
using ::messenger::swarm::MessageId;

MessageId Id(char name) {
  return MessageId::FromBytes(std::string(32, name)).value();
}
NodeId Node(char name) {
  return NodeId::FromBytes(std::string(32, name)).value();
}

class MailHistoryTest : public ::testing::Test {
 protected:
  MailHistoryTest() : mailbox_(history_.AddMailbox()) {}

  // Sent with the receipts of members 1 and 2.
  MessageNumber Sent(char name) {
    const MessageNumber number = history_.Invoke(mailbox_, Id(name));
    history_.SawReceipt(Id(name), Node('1'));
    history_.SawReceipt(Id(name), Node('2'));
    history_.Acked(number);
    return number;
  }
  // Both members list it, and so does the mailbox.
  void EndWith(const std::vector<MessageId>& ids) {
    history_.FinalListing(mailbox_, Node('1'), ids);
    history_.FinalListing(mailbox_, Node('2'), ids);
    history_.FinalRead(mailbox_, ids, /*complete=*/true);
  }

  MailHistory history_{/*write_quorum=*/2};
  const MailboxNumber mailbox_;
};

TEST_F(MailHistoryTest, AGoodHistoryHasNoViolations) {
  Sent('a');
  const auto began = history_.BeginRead();
  Sent('b');  // while it is read: may be in it or not
  history_.EndRead(mailbox_, began, {Id('a')}, /*complete=*/true);
  EndWith({Id('a'), Id('b')});
  const Verdict verdict = history_.Judge();
  EXPECT_EQ(verdict.violations(), 0u);
  EXPECT_EQ(verdict.acked, 2u);
  EXPECT_EQ(verdict.receipts, 4u);
  EXPECT_EQ(verdict.listings, 2u);
  EXPECT_EQ(verdict.under_replicated, 0u);
}

TEST_F(MailHistoryTest, AnUnconfirmedMessageMayBeThereOrNot) {
  history_.Invoke(mailbox_, Id('a'));
  history_.Invoke(mailbox_, Id('b'));
  EndWith({Id('b')});
  EXPECT_EQ(history_.Judge().violations(), 0u);
  EXPECT_EQ(history_.Judge().unknown, 2u);
}

TEST_F(MailHistoryTest, AnAckedMessageThatIsGoneIsLost) {
  Sent('a');
  history_.FinalRead(mailbox_, {}, /*complete=*/true);
  EXPECT_EQ(history_.Judge().lost, 1u);
}

TEST_F(MailHistoryTest, EveryCompleteFinalReadMustHaveIt) {
  Sent('a');
  history_.FinalRead(mailbox_, {}, /*complete=*/true);
  history_.FinalRead(mailbox_, {Id('a')}, /*complete=*/true);
  EXPECT_EQ(history_.Judge().lost, 1u);
}

TEST_F(MailHistoryTest, AMailboxWithoutAQuorumIsNoEvidence) {
  Sent('a');
  history_.FinalRead(mailbox_, {}, /*complete=*/false);
  EXPECT_EQ(history_.Judge().lost, 0u);
  EXPECT_EQ(history_.Judge().unread_mailboxes, 1u);
}

TEST_F(MailHistoryTest, ListedTwiceInOneReadIsDoubled) {
  Sent('a');
  history_.EndRead(mailbox_, history_.BeginRead(), {Id('a'), Id('a')}, true);
  // Again in another read is how reading works.
  EndWith({Id('a')});
  EXPECT_EQ(history_.Judge().doubled, 1u);
  EXPECT_EQ(history_.Judge().violations(), 1u);
}

TEST_F(MailHistoryTest, WhatNobodySentIsAPhantom) {
  EndWith({Id('x')});
  EXPECT_EQ(history_.Judge().phantom, 1u);
}

TEST_F(MailHistoryTest, InAnothersMailboxIsAPhantomToo) {
  Sent('a');
  EndWith({Id('a')});
  const MailboxNumber other = history_.AddMailbox();
  history_.FinalRead(other, {Id('a')}, /*complete=*/true);
  EXPECT_EQ(history_.Judge().phantom, 1u);
}

TEST_F(MailHistoryTest, SentWithoutEnoughReceiptsIsFalse) {
  const MessageNumber number = history_.Invoke(mailbox_, Id('a'));
  history_.SawReceipt(Id('a'), Node('1'));
  history_.SawReceipt(Id('a'), Node('1'));  // the same member again
  history_.Acked(number);
  EndWith({Id('a')});
  EXPECT_EQ(history_.Judge().false_sent, 1u);
}

TEST_F(MailHistoryTest, ACompleteReadMustHaveWhatWasSentBefore) {
  Sent('a');
  history_.EndRead(mailbox_, history_.BeginRead(), {}, /*complete=*/false);
  EXPECT_EQ(history_.Judge().missed, 0u);
  history_.EndRead(mailbox_, history_.BeginRead(), {}, /*complete=*/true);
  EndWith({Id('a')});
  EXPECT_EQ(history_.Judge().missed, 1u);
}

TEST_F(MailHistoryTest, WhatWasReadBeforeItWasAckedIsNotAwaited) {
  const MessageNumber number = history_.Invoke(mailbox_, Id('a'));
  history_.SawReceipt(Id('a'), Node('1'));
  history_.SawReceipt(Id('a'), Node('2'));
  history_.EndRead(mailbox_, history_.BeginRead(), {Id('a')}, true);
  history_.Acked(number);
  history_.EndRead(mailbox_, history_.BeginRead(), {}, /*complete=*/true);
  EndWith({Id('a')});
  EXPECT_EQ(history_.Judge().violations(), 0u);
}

TEST_F(MailHistoryTest, AMemberMustHaveWhatItSignedFor) {
  Sent('a');
  history_.FinalListing(mailbox_, Node('1'), {Id('a')});
  history_.FinalListing(mailbox_, Node('2'), {});
  history_.FinalRead(mailbox_, {Id('a')}, /*complete=*/true);
  EXPECT_EQ(history_.Judge().broken_receipts, 1u);
  EXPECT_EQ(history_.Judge().lost, 0u);
  EXPECT_EQ(history_.Judge().under_replicated, 1u);
}

}  // namespace
}  // namespace messenger::chaos
