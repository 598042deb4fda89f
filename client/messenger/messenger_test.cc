#include "client/messenger/messenger.h"

#include <cstdlib>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "client/messenger/mail_service.h"
#include "client/messenger/mail_watch.h"
#include "client/messenger/testing/in_memory_mail_service.h"
#include "client/messenger/testing/person.h"
#include "client/remote/write_refusal.h"
#include "client/store/client_store.h"
#include "crypto/base/testing/status_matchers.h"
#include "crypto/identity/account_keys.h"
#include "crypto/identity/safety_number.h"
#include "crypto/random/testing/seeded_random.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "routing/runtime/sqlite/database.h"
#include "routing/runtime/testing/simulated_clock.h"
#include "swarm/auth/limits.h"

namespace messenger::client {
namespace {

using ::messenger::crypto::AccountKeys;
using ::messenger::swarm::MailboxNamespace;
using ::messenger::testing::IsOk;
using ::messenger::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

class StrangersTest : public ::testing::Test {
 protected:
  routing::SimulatedClock clock_;
  routing::SimulatedExecutor executor_{clock_};
  crypto::SeededRandom random_{2026};
  InMemoryMail network_;
  Person ada_{"Ada", network_, executor_, random_};
  Person ben_{"Ben", network_, executor_, random_};
};

// Ada and Ben have exchanged their ids.
class MessengerTest : public StrangersTest {
 protected:
  MessengerTest() {
    EXPECT_THAT(ada_.messenger().AddContact(ben_.id(), ""), IsOk());
    EXPECT_THAT(ben_.messenger().AddContact(ada_.id(), ""), IsOk());
  }
};

TEST_F(MessengerTest, ATextReachesSomebodyWhoIsOffline) {
  ASSERT_THAT(ada_.Publish(), IsOk());
  ASSERT_THAT(ben_.Publish(), IsOk());
  EXPECT_EQ(ada_.Say(ben_, "are you there?"), MessageState::kSent);
  EXPECT_THAT(ben_.Receive(), ElementsAre("are you there?"));
  EXPECT_THAT(ben_.Receive(), IsEmpty());
  EXPECT_EQ(ben_.Say(ada_, "now I am"), MessageState::kSent);
  EXPECT_THAT(ada_.Receive(), ElementsAre("now I am"));
}

TEST_F(MessengerTest,
       TheFirstTextBringsTheSendersNameAndAnAnswerLeavesTheInbox) {
  ASSERT_THAT(ada_.Publish(), IsOk());
  ASSERT_THAT(ben_.Publish(), IsOk());
  ada_.Say(ben_, "one");
  ada_.Say(ben_, "two");
  EXPECT_THAT(ben_.Receive(), UnorderedElementsAre("one", "two"));
  EXPECT_EQ(ben_.store().FindContact(ada_.id()).value()->profile_name, "Ada");
  EXPECT_THAT(ada_.Receive(), IsEmpty());  // Ben's acknowledgement.
  ada_.Say(ben_, "three");
  ben_.Say(ada_, "four");
  EXPECT_THAT(ben_.Receive(), ElementsAre("three"));
  EXPECT_THAT(ada_.Receive(), ElementsAre("four"));
  // Only the two first texts went to an account's inbox.
  size_t in_inboxes = 0;
  for (const auto& [box, messages] : network_.messages) {
    if (box.second == MailboxNamespace::kInbox) in_inboxes += messages.size();
  }
  EXPECT_EQ(in_inboxes, 2u);
}

TEST_F(MessengerTest, BothMayWriteFirst) {
  ASSERT_THAT(ada_.Publish(), IsOk());
  ASSERT_THAT(ben_.Publish(), IsOk());
  ada_.Say(ben_, "hello from Ada");
  ben_.Say(ada_, "hello from Ben");
  EXPECT_THAT(ada_.Receive(), ElementsAre("hello from Ben"));
  EXPECT_THAT(ben_.Receive(), ElementsAre("hello from Ada"));
  for (int i = 0; i < 5; ++i) {
    ada_.Say(ben_, absl::StrCat("a", i));
    ben_.Say(ada_, absl::StrCat("b", i));
    EXPECT_THAT(ada_.Receive(), ElementsAre(absl::StrCat("b", i)));
    EXPECT_THAT(ben_.Receive(), ElementsAre(absl::StrCat("a", i)));
  }
}

// Nobody is given a record that could not be published, so the one before it is
// in use for longer.
TEST_F(MessengerTest, AKeyInUseIsKeptUntilItsSuccessorIsPublished) {
  ASSERT_THAT(ada_.Publish(), IsOk());
  ASSERT_THAT(ben_.Publish(), IsOk());
  clock_.Advance(absl::Hours(27));
  ben_.mail().faults().offline = true;
  EXPECT_FALSE(ben_.Publish().ok());
  ben_.mail().faults().offline = false;
  clock_.Advance(absl::Hours(49));
  EXPECT_THAT(ben_.Receive(), IsEmpty());
  // Sealed with what there is, and stored when Ben has published.
  ada_.mail().faults().store_refused = 1;
  EXPECT_EQ(ada_.Say(ben_, "still readable"), MessageState::kQueued);
  ada_.mail().faults().store_refused = 0;
  ASSERT_THAT(ben_.Publish(), IsOk());
  EXPECT_THAT(ben_.Receive(), IsEmpty());
  clock_.Advance(absl::Hours(1));
  ASSERT_THAT(ada_.Flush(), IsOk());
  EXPECT_THAT(ben_.Receive(), ElementsAre("still readable"));
}

TEST_F(MessengerTest, ALongTextArrivesWholeInWhateverOrder) {
  ASSERT_THAT(ada_.Publish(), IsOk());
  ASSERT_THAT(ben_.Publish(), IsOk());
  // To somebody who has answered: an inbox would not take as much.
  ada_.Say(ben_, "hello");
  ben_.Receive();
  ada_.Receive();
  std::string text;
  for (int line = 0; text.size() < 300'000; ++line) {
    absl::StrAppend(&text, "line ", line, " mit Umlauten äöü\n");
  }
  ben_.mail().faults().shuffle = true;
  EXPECT_EQ(ada_.Say(ben_, text), MessageState::kSent);
  const std::vector<std::string> received = ben_.Receive();
  ASSERT_EQ(received.size(), 1u);
  EXPECT_TRUE(received[0] == text);
}

TEST_F(MessengerTest, OfflineTextsStayQueuedAndSayWhy) {
  ASSERT_THAT(ada_.Publish(), IsOk());
  ASSERT_THAT(ben_.Publish(), IsOk());
  ada_.mail().faults().offline = true;
  EXPECT_EQ(ada_.Say(ben_, "later"), MessageState::kQueued);
  ada_.Restart();
  const std::vector<Message> history =
      ada_.store().Messages(ben_.id(), 10).value();
  ASSERT_EQ(history.size(), 1u);
  EXPECT_THAT(history[0].detail, HasSubstr("cannot be reached"));
  ada_.mail().faults().offline = false;
  EXPECT_EQ(ada_.Flush()->waiting, 0);
  EXPECT_EQ(ada_.store().Messages(ben_.id(), 10).value()[0].state,
            MessageState::kSent);
  EXPECT_THAT(ben_.Receive(), ElementsAre("later"));
}

TEST_F(MessengerTest, RetriesBackOffUntilTheyAreDue) {
  ASSERT_THAT(ben_.Publish(), IsOk());
  ada_.mail().faults().offline = true;
  ada_.Say(ben_, "later");
  ada_.mail().faults().offline = false;
  auto flush = [&] {
    std::optional<FlushReport> report;
    ada_.messenger().Flush(/*force=*/false,
                           [&](auto result) { report = *std::move(result); });
    executor_.RunUntilIdle();
    return report->waiting;
  };
  EXPECT_EQ(flush(), 1);
  clock_.Advance(absl::Seconds(6));
  EXPECT_EQ(flush(), 0);
}

TEST_F(MessengerTest, ATextThatIsNotDueHoldsUpThoseBehindIt) {
  ASSERT_THAT(ben_.Publish(), IsOk());
  ada_.mail().faults().offline = true;
  ada_.Say(ben_, "first");
  ada_.mail().faults().offline = false;
  ASSERT_THAT(ada_.messenger().Queue(ben_.id(), "second").status(), IsOk());
  ada_.messenger().Flush(/*force=*/false, [](auto) {});
  executor_.RunUntilIdle();
  EXPECT_EQ(ada_.mail().stores(), 0);
  EXPECT_EQ(ada_.store().Outbox()->size(), 2u);
}

TEST_F(MessengerTest, TextsBehindOneThatFailsSayWhyTheyWait) {
  ada_.Say(ben_, "first");
  EXPECT_EQ(ada_.Say(ben_, "second"), MessageState::kWaitingForKey);
  const std::vector<Message> history =
      ada_.store().Messages(ben_.id(), 10).value();
  ASSERT_EQ(history.size(), 2u);
  EXPECT_THAT(history[1].detail, HasSubstr("no keys"));
}

TEST_F(MessengerTest, TextsThatAreGivenUpDoNotHoldUpANewOne) {
  for (const char* text : {"one", "two", "three"}) ada_.Say(ben_, text);
  clock_.Advance(kMessageLifetime + absl::Seconds(1));
  ASSERT_THAT(ben_.Publish(), IsOk());
  EXPECT_EQ(ada_.Say(ben_, "four"), MessageState::kSent);
  const std::vector<Message> history =
      ada_.store().Messages(ben_.id(), 10).value();
  ASSERT_EQ(history.size(), 4u);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(history[i].state, MessageState::kFailed);
  }
}

TEST_F(MessengerTest, ABlobWhoseSessionCouldNotBeKeptNeverLeaves) {
  ASSERT_THAT(ada_.Publish(), IsOk());
  ASSERT_THAT(ben_.Publish(), IsOk());
  ada_.Tamper(
      "CREATE TRIGGER no_room BEFORE INSERT ON sessions "
      "BEGIN SELECT RAISE(ABORT, 'no room'); END");
  EXPECT_EQ(ada_.Say(ben_, "one"), MessageState::kQueued);
  ASSERT_EQ(ada_.store().Outbox()->size(), 1u);
  EXPECT_FALSE(ada_.store().Outbox()->at(0).blob.has_value());
  ada_.Tamper("DROP TRIGGER no_room");
  EXPECT_EQ(ada_.Say(ben_, "two"), MessageState::kSent);
  EXPECT_THAT(ben_.Receive(), UnorderedElementsAre("one", "two"));
  EXPECT_THAT(ada_.Receive(), IsEmpty());
  EXPECT_EQ(ada_.store().QuarantinedCount().value(), 0);
}

TEST_F(MessengerTest, WhatWasStoredButNotShownIsReportedAgain) {
  ben_.ConfirmWhatIsShown();
  ASSERT_THAT(ben_.Publish(), IsOk());
  ada_.Say(ben_, "read me");
  ASSERT_EQ(ben_.ReceiveReported()->messages.size(), 1u);
  ben_.Restart();  // Killed before it could show anything.
  const absl::StatusOr<ReceiveReport> again = ben_.ReceiveReported();
  ASSERT_EQ(again->messages.size(), 1u);
  ASSERT_THAT(ben_.messenger().ConfirmShown(again->messages), IsOk());
  ben_.Restart();
  EXPECT_THAT(ben_.ReceiveReported()->messages, IsEmpty());
}

TEST_F(MessengerTest, TheNameAStrangerTakesIsNotOneTheUserGave) {
  ASSERT_THAT(ada_.Publish(), IsOk());
  ASSERT_THAT(ben_.Publish(), IsOk());
  ada_.Say(ben_, "hello");
  ben_.Receive();
  EXPECT_EQ(ben_.store().FindContact(ada_.id()).value()->name, "");
  ASSERT_THAT(ben_.messenger().AddContact(ada_.id(), "Ada from school"),
              IsOk());
  ada_.Say(ben_, "hello again");
  ben_.Receive();
  const Contact ada = *ben_.store().FindContact(ada_.id()).value();
  EXPECT_EQ(ada.name, "Ada from school");
  EXPECT_EQ(ada.profile_name, "Ada");
}

TEST_F(MessengerTest, WithoutTheRecipientsKeysATextWaits) {
  // Ben has never been online: there is nothing to encrypt to, and nothing
  // weaker is tried.
  EXPECT_EQ(ada_.Say(ben_, "secret"), MessageState::kWaitingForKey);
  EXPECT_EQ(ada_.mail().stores(), 0);
  ASSERT_THAT(ben_.Publish(), IsOk());
  EXPECT_EQ(ada_.Flush()->waiting, 0);
  EXPECT_THAT(ben_.Receive(), ElementsAre("secret"));
}

TEST_F(MessengerTest, ASwarmThatWithholdsKeysOnlyDelays) {
  ASSERT_THAT(ben_.Publish(), IsOk());
  ada_.mail().faults().withhold_records = true;
  EXPECT_EQ(ada_.Say(ben_, "secret"), MessageState::kWaitingForKey);
  EXPECT_EQ(ada_.mail().stores(), 0);
  ada_.mail().faults().withhold_records = false;
  EXPECT_EQ(ada_.Flush()->waiting, 0);
}

TEST_F(MessengerTest, RecordsOfAnotherAccountAreNotUsed) {
  Person eve("Eve", network_, executor_, random_);
  ASSERT_THAT(eve.Publish(), IsOk());
  // A hostile swarm answers with Eve's genuine records.
  for (const MailboxNamespace ns :
       {MailboxNamespace::kIdentityRecord, MailboxNamespace::kPrekeyRecords}) {
    network_.records[{std::string(ben_.id().bytes()), ns}] =
        network_.records[{std::string(eve.id().bytes()), ns}];
  }
  EXPECT_EQ(ada_.Say(ben_, "secret"), MessageState::kWaitingForKey);
  EXPECT_EQ(ada_.mail().stores(), 0);
}

// What the swarm once showed to this device it cannot take back.
TEST_F(MessengerTest, ASwarmThatRollsPrekeysBackOnlyDelays) {
  ASSERT_THAT(ben_.Publish(), IsOk());
  const InMemoryMail::Box box = {std::string(ben_.id().bytes()),
                                 MailboxNamespace::kPrekeyRecords};
  const MailRecord old = network_.records[box].begin()->second;
  clock_.Advance(absl::Hours(27));
  ASSERT_THAT(ben_.Publish(), IsOk());
  const MailRecord newer = network_.records[box].begin()->second;
  ASSERT_LT(old.sequence, newer.sequence);
  EXPECT_EQ(ada_.Say(ben_, "with the newer one"), MessageState::kSent);
  // Nobody answers, so after 36 hours another session is due; the device may
  // have been started again meanwhile.
  clock_.Advance(absl::Hours(37));
  ada_.Restart();
  std::vector<MailRecord> shown = {old};
  ada_.mail().faults().records = [&](const InMemoryMail::Box& asked,
                                     std::vector<MailRecord>& records) {
    if (asked == box) records = shown;
  };
  EXPECT_EQ(ada_.Say(ben_, "not with the old one"),
            MessageState::kWaitingForKey);
  EXPECT_THAT(ada_.store().Messages(ben_.id(), 1)->front().detail,
              HasSubstr("older keys"));
  EXPECT_EQ(ada_.mail().stores(), 1);
  shown = {old, newer};
  EXPECT_EQ(ada_.Flush()->waiting, 0);
  ada_.mail().faults().records = nullptr;
  EXPECT_THAT(ben_.Receive(), UnorderedElementsAre("with the newer one",
                                                   "not with the old one"));
}

TEST_F(MessengerTest, ALostConfirmationDoublesNothing) {
  ASSERT_THAT(ada_.Publish(), IsOk());
  ASSERT_THAT(ben_.Publish(), IsOk());
  ada_.mail().faults().store_unconfirmed = 1;
  EXPECT_EQ(ada_.Say(ben_, "once"), MessageState::kQueued);
  EXPECT_THAT(ben_.Receive(), ElementsAre("once"));
  ada_.mail().faults().store_unconfirmed = 0;
  EXPECT_EQ(ada_.Flush()->waiting, 0);
  EXPECT_THAT(ben_.Receive(), IsEmpty());
  EXPECT_THAT(ben_.TextsWith(ada_), ElementsAre("once"));
}

TEST_F(MessengerTest, MembersThatRepeatThemselvesDoubleNothing) {
  ASSERT_THAT(ada_.Publish(), IsOk());
  ASSERT_THAT(ben_.Publish(), IsOk());
  ben_.mail().faults().hand_out_everything_again = true;
  ada_.Say(ben_, "once");
  EXPECT_THAT(ben_.Receive(), ElementsAre("once"));
  for (int i = 0; i < 3; ++i) EXPECT_THAT(ben_.Receive(), IsEmpty());
}

TEST_F(MessengerTest, AnIncompleteReadSaysSo) {
  ASSERT_THAT(ben_.Publish(), IsOk());
  ben_.mail().faults().incomplete_reads = true;
  const absl::StatusOr<ReceiveReport> report = ben_.ReceiveReported();
  ASSERT_THAT(report.status(), IsOk());
  EXPECT_FALSE(report->complete);
  EXPECT_THAT(report->incomplete_reason, HasSubstr("too few"));
}

TEST_F(MessengerTest, GarbageInAMailboxDoesNotStopTheNextText) {
  ASSERT_THAT(ada_.Publish(), IsOk());
  ASSERT_THAT(ben_.Publish(), IsOk());
  const InMemoryMail::Box inbox = {std::string(ben_.id().bytes()),
                                   MailboxNamespace::kInbox};
  const absl::Time expiry = clock_.Now() + absl::Hours(1);
  for (const size_t size : {1u, 4096u, 8192u, 65536u}) {
    const std::string id = random_.String(32);
    network_.messages[inbox].push_back({id, random_.String(size), expiry});
  }
  ada_.Say(ben_, "still fine");
  const absl::StatusOr<ReceiveReport> report = ben_.ReceiveReported();
  ASSERT_THAT(report.status(), IsOk());
  EXPECT_EQ(report->unreadable, 4);
  ASSERT_EQ(report->messages.size(), 1u);
  EXPECT_EQ(report->messages[0].text, "still fine");
  EXPECT_EQ(ben_.store().QuarantinedCount().value(), 4);
}

TEST_F(MessengerTest, AReplayedFirstMessageIsNotANewConversation) {
  ASSERT_THAT(ada_.Publish(), IsOk());
  ASSERT_THAT(ben_.Publish(), IsOk());
  ada_.Say(ben_, "once");
  ben_.Receive();
  const InMemoryMail::Box inbox = {std::string(ben_.id().bytes()),
                                   MailboxNamespace::kInbox};
  MailMessage replay = network_.messages[inbox][0];
  replay.id = random_.String(32);  // As if the mailbox were another.
  network_.messages[inbox].push_back(replay);
  EXPECT_THAT(ben_.Receive(), IsEmpty());
  EXPECT_EQ(ben_.store().Sessions(ada_.id())->size(), 1u);
}

TEST_F(MessengerTest, ATextThatNobodyTakesForTwoWeeksFails) {
  EXPECT_EQ(ada_.Say(ben_, "too late"), MessageState::kWaitingForKey);
  clock_.Advance(kMessageLifetime + absl::Seconds(1));
  const absl::StatusOr<FlushReport> report = ada_.Flush();
  ASSERT_EQ(report->messages.size(), 1u);
  EXPECT_THAT(report->messages[0].status,
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_EQ(report->waiting, 0);
  EXPECT_EQ(ada_.store().Messages(ben_.id(), 1).value()[0].state,
            MessageState::kFailed);
}

TEST_F(MessengerTest, ARestoredAccountTakesOverAndIsWrittenToAgain) {
  ASSERT_THAT(ada_.Publish(), IsOk());
  ASSERT_THAT(ben_.Publish(), IsOk());
  ada_.Say(ben_, "to the first device");
  Person again("Ben", network_, executor_, random_,
               ben_.messenger().account_keys()->seed().Clone());
  EXPECT_EQ(again.id(), ben_.id());
  ASSERT_THAT(again.Publish(), IsOk());
  EXPECT_TRUE(again.messenger().published());
  // What was sealed for the lost device stays unreadable, and says so.
  const absl::StatusOr<ReceiveReport> report = again.ReceiveReported();
  EXPECT_EQ(report->unreadable, 1);
  Person eve("Eve", network_, executor_, random_);
  EXPECT_EQ(eve.Say(again, "to the new device"), MessageState::kSent);
  // There was no vault yet, so nobody is known.
  EXPECT_THAT(again.Receive(), IsEmpty());
  ASSERT_THAT(again.messenger().AcceptRequest(eve.id()), IsOk());
  EXPECT_THAT(again.Receive(), ElementsAre("to the new device"));
  // The replaced device notices when it publishes next.
  clock_.Advance(absl::Hours(30));
  ASSERT_THAT(ben_.store().SetSetting("account/published-identity", ""),
              IsOk());
  EXPECT_THAT(ben_.Publish(), StatusIs(absl::StatusCode::kFailedPrecondition,
                                       HasSubstr("another device")));
}

TEST_F(MessengerTest, AContactFollowsARestoredAccountToItsNewDevice) {
  ASSERT_THAT(ada_.Publish(), IsOk());
  // Which of two sessions is preferred is as good as random.
  for (int i = 0; i < 6; ++i) {
    Person ben("Ben", network_, executor_, random_);
    ASSERT_THAT(ben.Publish(), IsOk());
    ada_.Say(ben, "to the first device");
    ben.Receive();
    ada_.Receive();
    ben.Say(ada_, "from the first device");
    Person again("Ben", network_, executor_, random_,
                 ben.messenger().account_keys()->seed().Clone());
    ASSERT_THAT(again.Publish(), IsOk());
    again.Receive();
    // Sealed for the first device, and not yet confirmed.
    ada_.mail().faults().store_refused = 1;
    ada_.Say(again, "on the way");
    ada_.mail().faults().store_refused = 0;
    EXPECT_EQ(again.Say(ada_, "from the second device"), MessageState::kSent);
    // What the first device had said still opens.
    EXPECT_THAT(ada_.Receive(), UnorderedElementsAre("from the first device",
                                                     "from the second device"));
    EXPECT_EQ(ada_.Say(again, "to the second device"), MessageState::kSent);
    EXPECT_THAT(again.Receive(),
                UnorderedElementsAre("on the way", "to the second device"));
  }
}

TEST_F(MessengerTest, AContactWhoMovedIsFoundWithinADayWithoutHavingWritten) {
  ASSERT_THAT(ada_.Publish(), IsOk());
  ASSERT_THAT(ben_.Publish(), IsOk());
  ada_.Say(ben_, "hello");
  ben_.Receive();
  ada_.Receive();
  Person again("Ben", network_, executor_, random_,
               ben_.messenger().account_keys()->seed().Clone());
  ASSERT_THAT(again.Publish(), IsOk());
  ASSERT_THAT(again.messenger().AddContact(ada_.id(), "Ada"), IsOk());
  clock_.Advance(absl::Hours(25));
  EXPECT_EQ(ada_.Say(again, "to where you are now"), MessageState::kSent);
  EXPECT_THAT(again.Receive(), ElementsAre("to where you are now"));
}

TEST_F(MessengerTest, ASwarmThatHidesTheNewsDoesNotStopATextToAContact) {
  ASSERT_THAT(ada_.Publish(), IsOk());
  ASSERT_THAT(ben_.Publish(), IsOk());
  ada_.Say(ben_, "hello");
  ben_.Receive();
  ada_.Receive();
  clock_.Advance(absl::Hours(25));
  ada_.mail().faults().withhold_records = true;
  EXPECT_EQ(ada_.Say(ben_, "still there?"), MessageState::kSent);
  EXPECT_THAT(ben_.Receive(), ElementsAre("still there?"));
}

TEST_F(MessengerTest, PrekeysRotateAndOldFirstMessagesStillOpen) {
  ASSERT_THAT(ben_.Publish(), IsOk());
  ada_.mail().faults().store_refused = 1;
  ada_.Say(ben_, "sealed on day one");
  clock_.Advance(absl::Hours(30));
  EXPECT_FALSE(ben_.messenger().published());
  ASSERT_THAT(ben_.Publish(), IsOk());
  ada_.mail().faults().store_refused = 0;
  ada_.Flush().IgnoreError();
  EXPECT_THAT(ben_.Receive(), ElementsAre("sealed on day one"));
}

TEST_F(MessengerTest, AFirstTextThatWaitedIsSealedAgainForTheKeysOfTheDay) {
  ASSERT_THAT(ada_.Publish(), IsOk());
  ASSERT_THAT(ben_.Publish(), IsOk());
  ada_.mail().faults().store_refused = 1;
  ada_.Say(ben_, "sealed on day one");
  for (int day = 0; day < 5; ++day) {
    clock_.Advance(absl::Hours(27));
    ASSERT_THAT(ben_.Publish(), IsOk());
    ben_.Receive();  // Deletes the keys of day one when their time has come.
  }
  ada_.mail().faults().store_refused = 0;
  EXPECT_EQ(ada_.Flush()->waiting, 0);
  EXPECT_THAT(ben_.Receive(), ElementsAre("sealed on day one"));
  EXPECT_THAT(ada_.Receive(), IsEmpty());
  EXPECT_EQ(ben_.Say(ada_, "answer"), MessageState::kSent);
  EXPECT_THAT(ada_.Receive(), ElementsAre("answer"));
  EXPECT_EQ(ada_.store().QuarantinedCount().value(), 0);
}

TEST_F(MessengerTest, AFirstTextThatIsSealedAgainIsNotDoubled) {
  ASSERT_THAT(ada_.Publish(), IsOk());
  ASSERT_THAT(ben_.Publish(), IsOk());
  ada_.mail().faults().store_unconfirmed = 1;
  EXPECT_EQ(ada_.Say(ben_, "once"), MessageState::kQueued);
  EXPECT_THAT(ben_.Receive(), ElementsAre("once"));
  clock_.Advance(absl::Hours(40));
  ada_.mail().faults().store_unconfirmed = 0;
  EXPECT_EQ(ada_.Flush()->waiting, 0);
  EXPECT_THAT(ben_.Receive(), IsEmpty());
  EXPECT_THAT(ben_.TextsWith(ada_), ElementsAre("once"));
}

// ------------------------------------------------------------ registration --

TEST_F(MessengerTest, MailboxesExistBeforeAnybodyIsToldOfThem) {
  EXPECT_FALSE(ada_.messenger().published());
  ASSERT_THAT(ada_.Publish(), IsOk());
  ASSERT_THAT(ben_.Publish(), IsOk());
  EXPECT_TRUE(ada_.messenger().published());
  EXPECT_EQ(ada_.mail().registrations(), 1);
  // The one that Ben is to answer to.
  EXPECT_EQ(ada_.Say(ben_, "one"), MessageState::kSent);
  EXPECT_EQ(ada_.Say(ben_, "two"), MessageState::kSent);
  EXPECT_EQ(ada_.mail().registrations(), 2);
  EXPECT_THAT(ben_.Receive(), UnorderedElementsAre("one", "two"));
  EXPECT_EQ(ben_.mail().registrations(), 2);
  EXPECT_EQ(ben_.Say(ada_, "three"), MessageState::kSent);
  EXPECT_THAT(ada_.Receive(), ElementsAre("three"));
}

TEST_F(MessengerTest, ATextWhoseAnswersHaveNoMailboxYetWaitsAndSaysWhy) {
  ASSERT_THAT(ada_.Publish(), IsOk());
  ASSERT_THAT(ben_.Publish(), IsOk());
  ada_.mail().faults().register_refused = true;
  EXPECT_EQ(ada_.Say(ben_, "one"), MessageState::kQueued);
  EXPECT_THAT(ada_.store().Messages(ben_.id(), 1).value()[0].detail,
              HasSubstr("could not be registered"));
  ada_.Restart();
  ada_.mail().faults().register_refused = false;
  EXPECT_THAT(ada_.Flush().status(), IsOk());
  EXPECT_THAT(ben_.Receive(), ElementsAre("one"));
}

TEST_F(MessengerTest, RegistrationsAreRenewedBeforeTheyEnd) {
  ASSERT_THAT(ada_.Publish(), IsOk());
  ASSERT_THAT(ben_.Publish(), IsOk());
  ada_.Say(ben_, "one");
  EXPECT_FALSE(ada_.messenger().renewal_due());
  clock_.Advance(swarm::kRegistrationLife - swarm::kRegistrationRenewal +
                 absl::Hours(1));
  EXPECT_TRUE(ada_.messenger().renewal_due());
  network_.registered.clear();
  ASSERT_THAT(ada_.Publish(), IsOk());
  EXPECT_FALSE(ada_.messenger().renewal_due());
  EXPECT_EQ(network_.registered.size(), 3u)
      << "the inbox, the one for Ben, and that of the vault";
}

TEST_F(MessengerTest, ARenewalThatFailsStopsNothingWhileTheOldOneIsGood) {
  ASSERT_THAT(ada_.Publish(), IsOk());
  ASSERT_THAT(ben_.Publish(), IsOk());
  ada_.Say(ben_, "one");
  ben_.Receive();
  clock_.Advance(absl::Hours(24 * 13));
  ada_.mail().faults().register_refused = true;
  EXPECT_THAT(ada_.Publish(), IsOk());
  EXPECT_EQ(ada_.Say(ben_, "two"), MessageState::kSent);
  clock_.Advance(absl::Hours(24 * 18));
  EXPECT_FALSE(ada_.messenger().published());
  EXPECT_THAT(ada_.Publish(), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_EQ(ada_.Say(ben_, "three"), MessageState::kQueued);
}

TEST_F(MessengerTest, AnInboxThatTheSwarmHasForgottenIsRegisteredAgain) {
  ASSERT_THAT(ada_.Publish(), IsOk());
  network_.registered.clear();
  // The prekey is due: members refuse it, and the inbox comes first.
  clock_.Advance(absl::Hours(24 * 3));
  ASSERT_THAT(ada_.Publish(), IsOk());
  EXPECT_EQ(ada_.mail().registrations(), 3) << "and once that of the vault";
  EXPECT_TRUE(ada_.messenger().published());
}

// ---------------------------------------------------------------- refusals --

TEST_F(MessengerTest, ARefusedTextStaysAndSaysInWordsWhatHappened) {
  ASSERT_THAT(ada_.Publish(), IsOk());
  ASSERT_THAT(ben_.Publish(), IsOk());
  ASSERT_THAT(ada_.messenger().AddContact(ben_.id(), "Ben"), IsOk());
  ada_.mail().faults().store_refusal =
      WithRefusal(absl::ResourceExhaustedError("no"),
                  {.reason = RefusalReason::kMailboxFull});
  EXPECT_EQ(ada_.Say(ben_, "one"), MessageState::kQueued);
  const std::string detail =
      ada_.store().Messages(ben_.id(), 1).value()[0].detail;
  EXPECT_THAT(detail, HasSubstr("the mailbox of Ben is full"));
  EXPECT_THAT(detail, HasSubstr("stays in the outbox"));
  ada_.mail().faults().store_refusal = absl::OkStatus();
  EXPECT_THAT(ada_.Flush().status(), IsOk());
  EXPECT_THAT(ben_.Receive(), ElementsAre("one"));
}

TEST_F(MessengerTest, ATextToSomebodyWhoHasLeftWaitsForThem) {
  ASSERT_THAT(ada_.Publish(), IsOk());
  ASSERT_THAT(ben_.Publish(), IsOk());
  network_.registered.erase(std::string(ben_.id().bytes()));
  EXPECT_EQ(ada_.Say(ben_, "one"), MessageState::kQueued);
  EXPECT_THAT(ada_.store().Messages(ben_.id(), 1).value()[0].detail,
              HasSubstr("have not been online for 30 days"));
}

// ------------------------------------------------------------- first texts --

TEST_F(MessengerTest, ALongFirstTextGoesInPartsThatAnInboxTakes) {
  ASSERT_THAT(ada_.Publish(), IsOk());
  ASSERT_THAT(ben_.Publish(), IsOk());
  const std::string text(20'000, 'x');
  ASSERT_THAT(ada_.messenger().Queue(ben_.id(), text).status(), IsOk());
  // The order stays, though the first text was cut after the second came.
  EXPECT_EQ(ada_.Say(ben_, "and this"), MessageState::kSent);
  for (const auto& [box, messages] : network_.messages) {
    for (const MailMessage& message : messages) {
      EXPECT_LE(message.payload.size(), swarm::kMaxStrangerPayloadBytes);
    }
  }
  const std::vector<std::string> received = ben_.Receive();
  EXPECT_THAT(received, UnorderedElementsAre(text, "and this"));
  EXPECT_THAT(ada_.store().Outbox().value(), IsEmpty());
}

TEST_F(MessengerTest, AFirstTextTooLongForAnInboxFollowsAGreeting) {
  ASSERT_THAT(ada_.Publish(), IsOk());
  ASSERT_THAT(ben_.Publish(), IsOk());
  const std::string text(200'000, 'x');
  EXPECT_EQ(ada_.Say(ben_, text), MessageState::kQueued);
  EXPECT_THAT(ada_.store().Messages(ben_.id(), 1).value()[0].detail,
              HasSubstr("goes out when they have answered"));
  ada_.Restart();
  EXPECT_THAT(ada_.Flush().status(), IsOk());
  EXPECT_THAT(ben_.Receive(),
              IsEmpty());  // The greeting; Ben's client answers.
  EXPECT_THAT(ada_.Receive(), IsEmpty());  // The answer; the text goes out.
  EXPECT_THAT(ben_.Receive(), ElementsAre(text));
  EXPECT_THAT(ada_.store().Outbox().value(), IsEmpty());
}

// ------------------------------------------------------------------- watch --

// ---------------------------------------------------------------- requests --

class RequestTest : public StrangersTest {
 protected:
  void SetUp() override {
    ASSERT_THAT(ada_.Publish(), IsOk());
    ASSERT_THAT(ben_.Publish(), IsOk());
  }
  // What Ben has been told of Ada's request; nothing without one.
  std::optional<MessageRequest> Request() {
    const auto requests = ben_.messenger().Requests();
    EXPECT_THAT(requests.status(), IsOk());
    EXPECT_LE(requests->size(), 1u);
    return requests->empty() ? std::nullopt
                             : std::optional<MessageRequest>(requests->front());
  }
  // Everything that anybody has put into the network.
  size_t Stored() {
    size_t stored = 0;
    for (const auto& [box, messages] : network_.messages) {
      stored += messages.size();
    }
    return stored;
  }
};

TEST_F(RequestTest, AStrangersTextsWaitToBeAccepted) {
  ada_.Say(ben_, "one");
  ada_.Say(ben_, "two");
  const absl::StatusOr<ReceiveReport> report = ben_.ReceiveReported();
  ASSERT_THAT(report, IsOk());
  EXPECT_THAT(report->messages, IsEmpty());
  EXPECT_EQ(report->requests, 1);
  EXPECT_EQ(report->new_requests, 1);
  const std::optional<MessageRequest> request = Request();
  ASSERT_TRUE(request.has_value());
  EXPECT_EQ(request->account, ada_.id());
  EXPECT_EQ(request->claimed_name, "Ada");
  EXPECT_THAT(request->texts, UnorderedElementsAre("one", "two"));
  EXPECT_THAT(*ben_.store().Messages(std::nullopt, 100), IsEmpty())
      << "they are no part of the history";

  clock_.Advance(absl::Hours(1));
  EXPECT_EQ(ben_.ReceiveReported()->new_requests, 0) << "it is known by now";
  ASSERT_THAT(ben_.messenger().AcceptRequest(ada_.id()), IsOk());
  EXPECT_FALSE(Request().has_value());
  EXPECT_THAT(ben_.Receive(), UnorderedElementsAre("one", "two"));
  EXPECT_THAT(ben_.Receive(), IsEmpty());
  ada_.Receive();
  ada_.Say(ben_, "three");
  EXPECT_THAT(ben_.Receive(), ElementsAre("three"));
}

TEST_F(RequestTest, ARequestIsNewAlsoWithinTheMillisecondOfItsReading) {
  ada_.Say(ben_, "hello");
  clock_.Advance(absl::Microseconds(700));
  EXPECT_EQ(ben_.ReceiveReported()->new_requests, 1);
}

TEST_F(RequestTest, NothingLeavesBeforeARequestIsAccepted) {
  ada_.Say(ben_, "hello");
  // Ben has a vault, whoever writes to him.
  ben_.messenger().SaveVault([](const absl::StatusOr<Delivery>& saved) {
    EXPECT_THAT(saved.status(), IsOk());
  });
  executor_.RunUntilIdle();
  const size_t before = Stored();
  const size_t registered = network_.registered.size();
  ben_.Receive();
  EXPECT_FALSE(ben_.messenger().Vault()->pending);
  clock_.Advance(absl::Hours(24 * 12));
  ASSERT_THAT(ben_.Publish(), IsOk());
  ben_.Receive();
  EXPECT_EQ(Stored(), before) << "no answer of any kind";
  EXPECT_EQ(network_.registered.size(), registered);
  EXPECT_THAT(*ben_.store().Outbox(), IsEmpty());
  ASSERT_THAT(ben_.messenger().AcceptRequest(ada_.id()), IsOk());
  ben_.Receive();
  EXPECT_EQ(Stored(), before + 1);
}

TEST_F(RequestTest, WhatIsAcceptedIsNotPassedByNewerTextsOfOthers) {
  ada_.Say(ben_, "from a stranger");
  EXPECT_THAT(ben_.Receive(), IsEmpty());
  Person eve("Eve", network_, executor_, random_);
  ASSERT_THAT(ben_.messenger().AddContact(eve.id(), "Eve"), IsOk());
  ASSERT_THAT(eve.Publish(), IsOk());
  eve.Say(ben_, "from a contact");
  EXPECT_THAT(ben_.Receive(), ElementsAre("from a contact"));
  ASSERT_THAT(ben_.messenger().AcceptRequest(ada_.id()), IsOk());
  ben_.Restart();
  EXPECT_THAT(ben_.Receive(), ElementsAre("from a stranger"));
}

TEST_F(RequestTest, AddingOrAnsweringAccepts) {
  ada_.Say(ben_, "hello");
  ben_.Receive();
  EXPECT_EQ(ben_.Say(ada_, "who is there?"), MessageState::kSent);
  EXPECT_FALSE(Request().has_value());
  EXPECT_THAT(ben_.Receive(), ElementsAre("hello"));
  EXPECT_THAT(ada_.Receive(), ElementsAre("who is there?"));

  Person eve("Eve", network_, executor_, random_);
  ASSERT_THAT(eve.Publish(), IsOk());
  eve.Say(ben_, "me too");
  ben_.Receive();
  ASSERT_THAT(ben_.messenger().AddContact(eve.id(), "Eve"), IsOk());
  EXPECT_FALSE(Request().has_value());
  EXPECT_THAT(ben_.Receive(), ElementsAre("me too"));
}

TEST_F(RequestTest, ALongRequestIsShownInPartAndKeptWhole) {
  std::string text;
  for (int i = 0; i < 3000; ++i) absl::StrAppend(&text, "ä");
  ada_.Say(ben_, text);
  ada_.Say(ben_, "second");
  ada_.Say(ben_, "third");
  ben_.Receive();
  const std::optional<MessageRequest> request = Request();
  ASSERT_TRUE(request.has_value());
  size_t bytes = 0;
  for (const std::string& shown : request->texts) bytes += shown.size();
  EXPECT_LE(bytes, 2 * kRequestCharacters);
  EXPECT_LE(request->texts.size(), kRequestTexts);
  EXPECT_TRUE(request->cut);
  EXPECT_EQ(request->texts.size() + static_cast<size_t>(request->more), 3u);
  ASSERT_THAT(ben_.messenger().AcceptRequest(ada_.id()), IsOk());
  EXPECT_THAT(ben_.Receive(), UnorderedElementsAre(text, "second", "third"));
}

TEST_F(RequestTest, ATextTooLongForAnInboxComesOnceItsSenderIsAccepted) {
  const std::string text(100'000, 'x');
  ada_.Say(ben_, text);
  EXPECT_THAT(ben_.Receive(), IsEmpty());
  ASSERT_TRUE(Request().has_value());
  EXPECT_THAT(Request()->texts, IsEmpty());
  ASSERT_THAT(ben_.messenger().AcceptRequest(ada_.id()), IsOk());
  ben_.Receive();
  ada_.Receive();
  EXPECT_THAT(ben_.Receive(), ElementsAre(text));
}

TEST_F(RequestTest, ARequestKeepsOnlySoManyTexts) {
  for (int i = 0; i < kMaxRequestTexts + 3; ++i) {
    ada_.Say(ben_, absl::StrCat(i));
  }
  EXPECT_EQ(ben_.ReceiveReported()->unreadable, 0);
  ASSERT_THAT(ben_.messenger().AcceptRequest(ada_.id()), IsOk());
  EXPECT_EQ(ben_.Receive().size(), static_cast<size_t>(kMaxRequestTexts));
}

TEST_F(RequestTest, WhoIsDeclinedIsNotHeardForThirtyDays) {
  ada_.Say(ben_, "buy this");
  ben_.Receive();
  const size_t before = Stored();
  ASSERT_THAT(ben_.messenger().DeclineRequest(ada_.id()), IsOk());
  EXPECT_FALSE(Request().has_value());
  EXPECT_THAT(ben_.TextsWith(ada_), IsEmpty());
  ada_.Say(ben_, "buy that");
  clock_.Advance(absl::Hours(24 * 12));
  ada_.Say(ben_, "really");
  const absl::StatusOr<ReceiveReport> report = ben_.ReceiveReported();
  ASSERT_THAT(report, IsOk());
  EXPECT_EQ(report->requests, 0);
  EXPECT_EQ(report->unreadable, 0) << "it is dropped without a word";
  EXPECT_EQ(Stored(), before + 2) << "nothing but what Ada wrote";
  clock_.Advance(absl::Hours(24 * 19));
  ASSERT_THAT(ben_.Publish(), IsOk());
  ben_.Receive();
  ada_.Say(ben_, "once more");
  ben_.Receive();
  ASSERT_TRUE(Request().has_value());
  EXPECT_THAT(Request()->texts, ElementsAre("once more"));
}

TEST_F(RequestTest, WhoWasDeclinedCanStillBecomeAContact) {
  ada_.Say(ben_, "hello");
  ben_.Receive();
  ASSERT_THAT(ben_.messenger().DeclineRequest(ada_.id()), IsOk());
  ada_.Say(ben_, "dropped");
  ben_.Receive();
  // Whichever session each of them prefers.
  ben_.Say(ada_, "I was wrong");
  EXPECT_THAT(ada_.Receive(), ElementsAre("I was wrong"));
  for (int i = 0; i < 3; ++i) {
    ada_.Say(ben_, absl::StrCat("a", i));
    EXPECT_THAT(ben_.Receive(), ElementsAre(absl::StrCat("a", i)));
    ben_.Say(ada_, absl::StrCat("b", i));
    EXPECT_THAT(ada_.Receive(), ElementsAre(absl::StrCat("b", i)));
  }
}

TEST_F(RequestTest, ARequestNobodyAnswersEnds) {
  ada_.Say(ben_, "hello");
  ben_.Receive();
  clock_.Advance(kRequestLifetime - absl::Hours(1));
  ASSERT_THAT(ben_.Publish(), IsOk());
  ben_.Receive();
  EXPECT_TRUE(Request().has_value());
  clock_.Advance(absl::Hours(1));
  ben_.Receive();
  EXPECT_FALSE(Request().has_value());
  EXPECT_FALSE(ben_.store().FindContact(ada_.id())->has_value());
  EXPECT_THAT(*ben_.store().Sessions(ada_.id()), IsEmpty());
  EXPECT_THAT(ben_.TextsWith(ada_), IsEmpty());
}

TEST_F(RequestTest, WhereTooManyWaitTheOldestGivesWay) {
  std::vector<crypto::AccountId> strangers;
  for (size_t i = 0; i < kMaxRequests; ++i) {
    strangers.push_back(AccountKeys::Generate(random_).id());
    Contact contact(strangers.back());
    contact.standing = Standing::kRequest;
    contact.added = contact.standing_since =
        clock_.Now() + absl::Milliseconds(i);
    ASSERT_THAT(ben_.store().PutContact(contact), IsOk());
  }
  clock_.Advance(absl::Minutes(1));
  ada_.Say(ben_, "hello");
  EXPECT_EQ(ben_.ReceiveReported()->requests, static_cast<int>(kMaxRequests));
  EXPECT_TRUE(ben_.store().FindContact(ada_.id())->has_value());
  EXPECT_FALSE(ben_.store().FindContact(strangers[0])->has_value());
  EXPECT_TRUE(ben_.store().FindContact(strangers[1])->has_value());
}

TEST_F(RequestTest, DecisionsAreAboutRequestsOnly) {
  ASSERT_THAT(ben_.messenger().AddContact(ada_.id(), "Ada"), IsOk());
  EXPECT_THAT(ben_.messenger().AcceptRequest(ada_.id()),
              StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(ben_.messenger().DeclineRequest(ada_.id()),
              StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(ben_.messenger().Unblock(ada_.id()),
              StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(ben_.messenger().Block(ben_.id()),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

class BlockTest : public RequestTest {
 protected:
  void SetUp() override {
    RequestTest::SetUp();
    ASSERT_THAT(ben_.messenger().AddContact(ada_.id(), "Ada"), IsOk());
    ada_.Say(ben_, "hello");
    ben_.Receive();
    ben_.Say(ada_, "hello yourself");
    ada_.Receive();
  }
};

TEST_F(BlockTest, WhatABlockedContactSendsIsDropped) {
  ASSERT_THAT(ben_.messenger().Block(ada_.id()), IsOk());
  const size_t before = Stored();
  EXPECT_EQ(ada_.Say(ben_, "are you angry?"), MessageState::kSent);
  const absl::StatusOr<ReceiveReport> report = ben_.ReceiveReported();
  ASSERT_THAT(report, IsOk());
  EXPECT_THAT(report->messages, IsEmpty());
  EXPECT_EQ(report->unreadable, 0);
  EXPECT_EQ(Stored(), before + 1);
  EXPECT_THAT(ben_.TextsWith(ada_), ElementsAre("hello", "hello yourself"));
  EXPECT_THAT(ben_.messenger().Queue(ada_.id(), "no"),
              StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(ben_.messenger().AddContact(ada_.id(), "Ada"),
              StatusIs(absl::StatusCode::kFailedPrecondition));
}

TEST_F(BlockTest, TheNetworkSeesTheSameMailboxesReadAsBefore) {
  const auto addresses = [this] {
    std::set<std::string> read;
    const auto boxes = ben_.messenger().Mailboxes();
    for (const OwnMailbox& box : *boxes) {
      read.insert(box.target.mailbox);
    }
    return read;
  };
  const std::set<std::string> before = addresses();
  EXPECT_EQ(before.size(), 2u);
  ASSERT_THAT(ben_.messenger().Block(ada_.id()), IsOk());
  EXPECT_EQ(addresses(), before);
  // Nobody was ever told of a mailbox for this one.
  Person eve("Eve", network_, executor_, random_);
  ASSERT_THAT(ben_.messenger().Block(eve.id()), IsOk());
  EXPECT_EQ(addresses(), before);
}

TEST_F(BlockTest, AfterUnblockingBothGoOnAtOnce) {
  ASSERT_THAT(ben_.messenger().Block(ada_.id()), IsOk());
  ada_.Say(ben_, "dropped");
  ben_.Receive();
  ben_.Restart();
  ASSERT_THAT(ben_.messenger().Unblock(ada_.id()), IsOk());
  ada_.Say(ben_, "peace?");
  EXPECT_THAT(ben_.Receive(), ElementsAre("peace?"));
  ben_.Say(ada_, "peace");
  EXPECT_THAT(ada_.Receive(), ElementsAre("peace"));
}

TEST_F(BlockTest, TextsOnTheirWayToABlockedContactAreGivenUp) {
  ben_.mail().faults().offline = true;
  EXPECT_EQ(ben_.Say(ada_, "wait"), MessageState::kQueued);
  ASSERT_THAT(ben_.messenger().Block(ada_.id()), IsOk());
  ben_.mail().faults().offline = false;
  ASSERT_THAT(ben_.Flush(), IsOk());
  EXPECT_THAT(ada_.Receive(), IsEmpty());
  const Message last = ben_.store().Messages(ada_.id(), 1).value()[0];
  EXPECT_EQ(last.state, MessageState::kFailed);
  EXPECT_THAT(last.detail, HasSubstr("blocked"));
}

TEST_F(RequestTest, AStrangerWhoWasBlockedMayAskAgainOnceUnblocked) {
  ada_.Say(ben_, "hello");
  ben_.Receive();
  ASSERT_THAT(ben_.messenger().Block(ada_.id()), IsOk());
  EXPECT_FALSE(Request().has_value());
  ada_.Say(ben_, "dropped");
  ben_.Receive();
  ASSERT_THAT(ben_.messenger().Unblock(ada_.id()), IsOk());
  EXPECT_FALSE(Request().has_value()) << "what was dropped does not come back";
  ada_.Say(ben_, "again");
  ben_.Receive();
  ASSERT_TRUE(Request().has_value());
  EXPECT_THAT(Request()->texts, ElementsAre("again"));
}

// ------------------------------------------------------------ verification --

class VerifiedTest : public MessengerTest {
 protected:
  void SetUp() override {
    ASSERT_THAT(ada_.Publish(), IsOk());
    ASSERT_THAT(ben_.Publish(), IsOk());
    ada_.Say(ben_, "hello");
    ben_.Receive();
    ada_.Receive();
  }
  std::string Number() { return crypto::SafetyNumber(ben_.id(), ada_.id()); }
  // Ben starts anew with his 13 words; Ada hears of it as she writes.
  std::unique_ptr<Person> BenOnANewDevice() {
    auto again = std::make_unique<Person>(
        "Ben", network_, executor_, random_,
        ben_.messenger().account_keys()->seed().Clone());
    EXPECT_THAT(again->messenger().AddContact(ada_.id(), "Ada"), IsOk());
    EXPECT_THAT(again->Publish(), IsOk());
    clock_.Advance(absl::Hours(25));
    return again;
  }
  Message LastToBen() { return ada_.store().Messages(ben_.id(), 1).value()[0]; }
};

TEST_F(VerifiedTest, TheDigitsThatTheOtherSeesVerify) {
  EXPECT_FALSE((*ada_.store().FindContact(ben_.id()))->verified.has_value());
  std::string spaced = Number();
  for (size_t i = 55; i > 0; i -= 5) spaced.insert(i, i % 20 == 0 ? "\n" : " ");
  EXPECT_THAT(ada_.messenger().Verify(ben_.id(), spaced), IsOk());
  EXPECT_EQ((*ada_.store().FindContact(ben_.id()))->verified, clock_.Now());
  ada_.Restart();
  EXPECT_THAT(ada_.messenger().Unverify(ben_.id()), IsOk());
  EXPECT_FALSE((*ada_.store().FindContact(ben_.id()))->verified.has_value());
  EXPECT_THAT(ada_.messenger().Unverify(ben_.id()),
              StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(VerifiedTest, OtherDigitsDoNot) {
  std::string wrong = Number();
  wrong.back() = wrong.back() == '0' ? '1' : '0';
  EXPECT_THAT(ada_.messenger().Verify(ben_.id(), wrong),
              StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(ada_.messenger().Verify(ben_.id(), Number().substr(5)),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(ada_.messenger().Verify(ben_.id(), ""),
              StatusIs(absl::StatusCode::kInvalidArgument));
  Person eve("Eve", network_, executor_, random_);
  EXPECT_THAT(ada_.messenger().Verify(eve.id(), Number()),
              StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_FALSE((*ada_.store().FindContact(ben_.id()))->verified.has_value());
}

TEST_F(VerifiedTest, ThatAContactHasChangedDevicesIsToldOnce) {
  const std::unique_ptr<Person> again = BenOnANewDevice();
  EXPECT_EQ(ada_.Say(*again, "to where you are now"), MessageState::kSent);
  const absl::StatusOr<ReceiveReport> report = ada_.ReceiveReported();
  EXPECT_THAT(report->changed_devices, ElementsAre(ben_.id()));
  ada_.Restart();
  EXPECT_THAT(ada_.ReceiveReported()->changed_devices, ElementsAre(ben_.id()))
      << "it was not confirmed";
  ASSERT_THAT(ada_.messenger().ConfirmDevices(report->changed_devices), IsOk());
  EXPECT_THAT(ada_.ReceiveReported()->changed_devices, IsEmpty());
}

TEST_F(VerifiedTest, NothingGoesToNewDevicesOfAVerifiedContactUnasked) {
  ASSERT_THAT(ada_.messenger().Verify(ben_.id(), Number()), IsOk());
  const std::unique_ptr<Person> again = BenOnANewDevice();
  EXPECT_EQ(ada_.Say(*again, "for you alone"), MessageState::kQueued);
  EXPECT_THAT(LastToBen().detail, HasSubstr("verified"));
  EXPECT_THAT(again->Receive(), IsEmpty());
  // What comes from there is shown, with a word about it, again and again.
  EXPECT_EQ(again->Say(ada_, "it is me"), MessageState::kSent);
  for (int i = 0; i < 2; ++i) {
    const absl::StatusOr<ReceiveReport> report = ada_.ReceiveReported();
    EXPECT_EQ(report->messages.size(), i == 0 ? 1u : 0u);
    EXPECT_THAT(report->changed_devices, ElementsAre(ben_.id()));
    ASSERT_THAT(ada_.messenger().ConfirmDevices(report->changed_devices),
                IsOk());
  }
  ada_.Restart();
  ASSERT_THAT(ada_.Flush(), IsOk());
  EXPECT_THAT(again->Receive(), IsEmpty());

  ASSERT_THAT(ada_.messenger().Verify(ben_.id(), Number()), IsOk());
  ASSERT_THAT(ada_.Flush(), IsOk());
  EXPECT_THAT(again->Receive(), ElementsAre("for you alone"));
}

TEST_F(VerifiedTest, TakingTheMarkBackLetsTextsGo) {
  ASSERT_THAT(ada_.messenger().Verify(ben_.id(), Number()), IsOk());
  const std::unique_ptr<Person> again = BenOnANewDevice();
  EXPECT_EQ(ada_.Say(*again, "whoever you are"), MessageState::kQueued);
  ASSERT_THAT(ada_.messenger().Unverify(ben_.id()), IsOk());
  ASSERT_THAT(ada_.Flush(), IsOk());
  EXPECT_THAT(again->Receive(), ElementsAre("whoever you are"));
}

class WatchTest : public MessengerTest {
 protected:
  void SetUp() override {
    ASSERT_THAT(ada_.Publish(), IsOk());
    ASSERT_THAT(ben_.Publish(), IsOk());
    // Both know each other and have left the inboxes.
    ada_.Say(ben_, "hello");
    ben_.Receive();
    ada_.Receive();
  }
  // Runs until nothing is due within `span`.
  void Watch(
      absl::Duration span, std::function<void()> meanwhile = [] {}) {
    MailWatch watch(ada_.messenger(), ada_.mail(), executor_, clock_,
                    [&](absl::StatusOr<MailWatch::Report> report) {
                      ASSERT_THAT(report.status(), IsOk());
                      (report->full ? full_ : pushed_) += 1;
                      complete_ = report->received.complete;
                      for (const Message& message : report->received.messages) {
                        texts_.push_back(message.text);
                        when_.push_back(clock_.Now());
                      }
                    });
    watch.Start();
    executor_.RunFor(absl::Seconds(1));
    meanwhile();
    executor_.RunFor(span);
  }
  // Without waiting for anything else that is due.
  void BenWrites(absl::string_view text) {
    ASSERT_THAT(ben_.messenger().Queue(ada_.id(), text).status(), IsOk());
    ben_.messenger().Flush(/*force=*/true, [](const auto& report) {
      EXPECT_THAT(report.status(), IsOk());
    });
  }

  int full_ = 0;
  int pushed_ = 0;
  bool complete_ = false;
  std::vector<std::string> texts_;
  std::vector<absl::Time> when_;
};

TEST_F(WatchTest, ATextIsReportedWhenItComesAndOnce) {
  absl::Time written;
  Watch(absl::Minutes(5), [&] {
    executor_.RunFor(absl::Seconds(20));
    written = clock_.Now();
    BenWrites("now");
  });
  EXPECT_THAT(texts_, ElementsAre("now"));
  EXPECT_LT(when_[0] - written, absl::Seconds(1));
  EXPECT_EQ(pushed_, 1);
  EXPECT_GE(full_, 5);
  EXPECT_LE(full_, 7);
}

TEST_F(WatchTest, MailboxesThatCannotBeWaitedOnAreReadEveryMinute) {
  ada_.mail().faults().wait_refused = true;
  absl::Time written;
  Watch(absl::Minutes(10), [&] {
    written = clock_.Now();
    BenWrites("now");
  });
  EXPECT_THAT(texts_, ElementsAre("now"));
  EXPECT_LE(when_[0] - written, MailWatch::kFullReading);
  // Two mailboxes, backing off to a minute: not one attempt a second.
  EXPECT_LT(ada_.mail().waits(), 40);
}

TEST_F(WatchTest, ANetworkThatComesBackIsNoticedSoon) {
  ada_.mail().faults().offline = true;
  absl::Time back;
  Watch(absl::Minutes(5), [&] {
    executor_.RunFor(absl::Minutes(3));
    EXPECT_FALSE(complete_);
    BenWrites("now");
    executor_.RunFor(absl::Seconds(30));
    ada_.mail().faults().offline = false;
    back = clock_.Now();
  });
  EXPECT_TRUE(complete_);
  EXPECT_THAT(texts_, ElementsAre("now"));
  EXPECT_LE(when_[0] - back, MailWatch::kNextTry);
}

TEST_F(WatchTest, NothingIsReportedAfterItIsDestroyed) {
  Watch(absl::ZeroDuration());
  const int reports = full_ + pushed_;
  BenWrites("later");
  executor_.RunFor(absl::Minutes(5));
  EXPECT_EQ(full_ + pushed_, reports);
  EXPECT_THAT(ada_.Receive(), ElementsAre("later"));
}

TEST_F(MessengerTest, RefusesWhatCannotBeSent) {
  EXPECT_THAT(ada_.messenger().Queue(ben_.id(), "").status(),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(ada_.messenger().Queue(ben_.id(), "\xff\xfe").status(),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(ada_.messenger()
                  .Queue(ben_.id(), std::string(kMaxTextBytes + 1, 'a'))
                  .status(),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(ada_.messenger().Queue(ada_.id(), "me").status(),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(ada_.store().Outbox().value(), IsEmpty());
}

// Every schedule of sending, receiving, restarting and failing ends with each
// text shown exactly once.
class MessengerScheduleTest : public ::testing::TestWithParam<uint64_t> {};

TEST_P(MessengerScheduleTest, EveryTextIsShownExactlyOnce) {
  routing::SimulatedClock clock;
  routing::SimulatedExecutor executor(clock);
  crypto::SeededRandom random(GetParam());
  InMemoryMail network;
  Person ada("Ada", network, executor, random);
  Person ben("Ben", network, executor, random);
  ASSERT_THAT(ada.Publish(), IsOk());
  ASSERT_THAT(ben.Publish(), IsOk());
  std::multiset<std::string> said_by_ada;
  std::multiset<std::string> said_by_ben;
  for (Person* person : {&ada, &ben}) {
    person->mail().faults().store_refused = 0.2;
    person->mail().faults().store_unconfirmed = 0.3;
    person->mail().faults().shuffle = true;
    person->mail().faults().hand_out_everything_again = true;
  }
  for (int step = 0; step < 60; ++step) {
    const bool first = random.Uniform(2) == 0;
    Person& one = first ? ada : ben;
    Person& other = first ? ben : ada;
    switch (random.Uniform(5)) {
      case 0:
      case 1: {
        const std::string text = absl::StrCat("step ", step);
        one.Say(other, text);
        (first ? said_by_ada : said_by_ben).insert(text);
        break;
      }
      case 2:
        one.Receive();
        break;
      case 3:
        one.Restart();
        break;
      case 4:
        clock.Advance(absl::Minutes(static_cast<int64_t>(random.Uniform(90))));
        ASSERT_THAT(one.Publish(), IsOk());
        break;
    }
  }
  for (Person* person : {&ada, &ben}) {
    person->mail().faults() = InMemoryMailService::Faults();
  }
  for (int round = 0; round < 3; ++round) {
    ada.Flush().IgnoreError();
    ben.Flush().IgnoreError();
    ada.Receive();
    ben.Receive();
  }
  auto received = [](Person& reader, Person& writer) {
    std::multiset<std::string> texts;
    const std::vector<Message> history =
        reader.store().Messages(writer.id(), 10'000).value();
    for (const Message& message : history) {
      if (!message.outgoing) texts.insert(message.text);
    }
    return texts;
  };
  EXPECT_EQ(received(ben, ada), said_by_ada);
  EXPECT_EQ(received(ada, ben), said_by_ben);
  EXPECT_EQ(ada.store().QuarantinedCount().value(), 0);
  EXPECT_EQ(ben.store().QuarantinedCount().value(), 0);
}

INSTANTIATE_TEST_SUITE_P(Seeds, MessengerScheduleTest,
                         ::testing::Range<uint64_t>(1, 25));

}  // namespace
}  // namespace messenger::client
