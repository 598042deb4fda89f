// Invitations, and codes that are scanned.

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "client/messenger/contact_link.h"
#include "client/messenger/content.h"
#include "client/messenger/invite.h"
#include "client/messenger/messenger.h"
#include "client/messenger/testing/in_memory_mail_service.h"
#include "client/messenger/testing/person.h"
#include "client/session/safety_code.h"
#include "client/store/client_store.h"
#include "crypto/base/testing/status_matchers.h"
#include "crypto/random/testing/seeded_random.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "routing/runtime/testing/simulated_clock.h"

namespace messenger::client {
namespace {

using ::messenger::testing::IsOk;
using ::messenger::testing::IsOkAndHolds;
using ::messenger::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class InvitesTest : public ::testing::Test {
 protected:
  InvitesTest() {
    for (Person* person : {&ada_, &ben_, &cleo_}) {
      EXPECT_THAT(person->Publish(), IsOk());
    }
  }

  ContactLink Invite(int most_uses = 1) {
    const auto made = ada_.messenger().MakeInvite(most_uses, kDefaultInvite);
    EXPECT_THAT(made.status(), IsOk());
    return made->link;
  }
  void Use(Person& person, const ContactLink& link) {
    EXPECT_THAT(person.messenger().AddContact(link.account, "Ada"), IsOk());
    EXPECT_THAT(person.messenger().KeepInvite(link), IsOk());
  }
  // What Ada is shown when the person writes to her.
  std::vector<std::string> AdaSees(Person& person, absl::string_view text) {
    EXPECT_EQ(person.Say(ada_, text), MessageState::kSent);
    return ada_.Receive();
  }
  std::vector<std::string> AdaSeesAfterUse(Person& person,
                                           const ContactLink& link) {
    Use(person, link);
    return AdaSees(person, "hello");
  }
  int RequestsOf(Person& person) {
    return static_cast<int>(person.messenger().Requests()->size());
  }
  int Uses() { return ada_.messenger().Invites()->at(0).uses; }
  // What waits in the outbox for somebody.
  std::vector<std::string> Outgoing(Person& person,
                                    const crypto::AccountId& to) {
    std::vector<std::string> contents;
    const auto outbox = person.store().Outbox();
    for (const OutboxItem& item : *outbox) {
      if (item.peer == to) contents.push_back(item.content);
    }
    return contents;
  }
  void Link(Person& first, Person& fresh) {
    ASSERT_THAT(fresh.Publish(), IsOk());
    ASSERT_THAT(first.messenger().OfferLink(fresh.id()), IsOk());
    ASSERT_THAT(first.Flush(), IsOk());
    fresh.Receive();
    first.Receive();
    fresh.Receive();
    ASSERT_THAT(first.messenger().ConfirmLink(*fresh.messenger().LinkDigits()),
                IsOk());
    ASSERT_THAT(first.Publish(), IsOk());
    ASSERT_THAT(first.Flush(), IsOk());
    ASSERT_THAT(fresh.ReceiveReported().status(), IsOk());
    ASSERT_TRUE(fresh.messenger().became_linked());
    fresh.Restart();
    // Until neither has anything to say any more.
    for (int round = 0; round < 4; ++round) {
      ASSERT_THAT(fresh.Publish(), IsOk());
      first.Receive();
      fresh.Receive();
    }
  }
  std::unique_ptr<Person> NewDevice() {
    return std::make_unique<Person>(Person::NewDevice(), network_, executor_,
                                    random_);
  }

  routing::SimulatedClock clock_;
  routing::SimulatedExecutor executor_{clock_};
  crypto::SeededRandom random_{4711};
  InMemoryMail network_;
  Person ada_{"Ada", network_, executor_, random_};
  Person ben_{"Ben", network_, executor_, random_};
  Person cleo_{"Cleo", network_, executor_, random_};
};

// ------------------------------------------------------------------- using --

TEST_F(InvitesTest, WhoWritesWithALinkIsAContactAtOnceAndIsAnswered) {
  Use(ben_, Invite());
  EXPECT_EQ(ben_.Say(ada_, "hello"), MessageState::kSent);
  const auto report = ada_.ReceiveReported();
  ASSERT_THAT(report, IsOk());
  EXPECT_THAT(report->joined, ElementsAre(ben_.id()));
  ASSERT_THAT(report->messages, SizeIs(1));
  EXPECT_EQ(report->messages[0].text, "hello");
  EXPECT_EQ(report->requests, 0);
  EXPECT_EQ(Uses(), 1);
  const auto contact = ada_.store().FindContact(ben_.id());
  EXPECT_EQ((*contact)->standing, Standing::kContact);
  EXPECT_EQ((*contact)->name, "") << "a name is not taken from anybody";
  ASSERT_THAT(ada_.Flush(), IsOk());
  // Ben has been answered: both have left the inboxes.
  EXPECT_THAT(ben_.Receive(), IsEmpty());
  EXPECT_THAT(ben_.store().HasPeerMailbox(ada_.id()), IsOkAndHolds(true));
  EXPECT_THAT(ada_.ReceiveReported()->joined, IsEmpty()) << "news once only";
}

TEST_F(InvitesTest, OnePersonCountsOnce) {
  EXPECT_THAT(AdaSeesAfterUse(ben_, Invite(2)), ElementsAre("hello"));
  // Ben has not read the answer yet.
  EXPECT_THAT(AdaSees(ben_, "again"), ElementsAre("again"));
  EXPECT_EQ(Uses(), 1);
}

TEST_F(InvitesTest, AWrongTokenIsAnOrdinaryRequest) {
  ContactLink link = Invite();
  link.token->data()[15] ^= 1;
  EXPECT_THAT(AdaSeesAfterUse(ben_, link), IsEmpty());
  EXPECT_EQ(RequestsOf(ada_), 1);
  EXPECT_EQ(Uses(), 0);
  EXPECT_THAT(ben_.Receive(), IsEmpty());
  EXPECT_THAT(ben_.store().HasPeerMailbox(ada_.id()), IsOkAndHolds(false))
      << "nothing is answered";
}

TEST_F(InvitesTest, AUsedUpLinkIsAnOrdinaryRequest) {
  const ContactLink link = Invite();
  EXPECT_THAT(AdaSeesAfterUse(ben_, link), ElementsAre("hello"));
  EXPECT_THAT(AdaSeesAfterUse(cleo_, link), IsEmpty());
  EXPECT_EQ(RequestsOf(ada_), 1);
  EXPECT_EQ(Uses(), 1);
  EXPECT_FALSE(ada_.messenger().Invites()->at(0).good);
}

TEST_F(InvitesTest, ALinkForAnyNumberIsNeverUsedUp) {
  const ContactLink link = Invite(0);
  EXPECT_THAT(AdaSeesAfterUse(ben_, link), ElementsAre("hello"));
  EXPECT_THAT(AdaSeesAfterUse(cleo_, link), ElementsAre("hello"));
  EXPECT_EQ(Uses(), 2);
}

TEST_F(InvitesTest, ALinkIsGoodUntilItsTimeIsOver) {
  const ContactLink link = Invite(0);
  clock_.Advance(kDefaultInvite - absl::Minutes(1));
  EXPECT_THAT(ben_.Publish(), IsOk());
  EXPECT_THAT(ada_.Publish(), IsOk());
  EXPECT_THAT(AdaSeesAfterUse(ben_, link), ElementsAre("hello"));
  // What counts is when it is read.
  Use(cleo_, link);
  EXPECT_EQ(cleo_.Say(ada_, "hello"), MessageState::kSent);
  clock_.Advance(absl::Minutes(1));
  EXPECT_THAT(ada_.Receive(), IsEmpty());
  EXPECT_EQ(RequestsOf(ada_), 1);
  EXPECT_FALSE(ada_.messenger().Invites()->at(0).good);
}

TEST_F(InvitesTest, ARevokedLinkIsAnOrdinaryRequest) {
  const ContactLink link = Invite();
  ASSERT_THAT(ada_.messenger().RevokeInvite(*link.token), IsOk());
  EXPECT_THAT(ada_.messenger().RevokeInvite(*link.token),
              StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(AdaSeesAfterUse(ben_, link), IsEmpty());
  EXPECT_EQ(RequestsOf(ada_), 1);
}

TEST_F(InvitesTest, LinksAndTokensSurviveTheEndOfTheProgram) {
  const ContactLink link = Invite();
  Use(ben_, link);
  ada_.Restart();
  ben_.Restart();
  EXPECT_EQ(ada_.messenger().Invites()->at(0).link.ToText(), link.ToText());
  EXPECT_THAT(AdaSees(ben_, "hello"), ElementsAre("hello"));
}

TEST_F(InvitesTest, ARequestThatGetsALinkIsShownAsAWhole) {
  EXPECT_THAT(AdaSees(ben_, "may I?"), IsEmpty());
  EXPECT_THAT(AdaSeesAfterUse(ben_, Invite()), ElementsAre("may I?", "hello"));
  EXPECT_EQ(RequestsOf(ada_), 0);
}

TEST_F(InvitesTest, ALinkDoesNotUndoADecision) {
  const ContactLink link = Invite(0);
  EXPECT_THAT(AdaSees(ben_, "may I?"), IsEmpty());
  ASSERT_THAT(ada_.messenger().DeclineRequest(ben_.id()), IsOk());
  EXPECT_THAT(AdaSeesAfterUse(ben_, link), IsEmpty());
  ASSERT_THAT(ada_.messenger().Block(cleo_.id()), IsOk());
  EXPECT_THAT(AdaSeesAfterUse(cleo_, link), IsEmpty());
  EXPECT_EQ(Uses(), 0);
}

TEST_F(InvitesTest, AContactUsesNothingUp) {
  const ContactLink link = Invite();
  ASSERT_THAT(ada_.messenger().AddContact(ben_.id(), "Ben"), IsOk());
  EXPECT_THAT(AdaSeesAfterUse(ben_, link), ElementsAre("hello"));
  EXPECT_EQ(Uses(), 0);
}

// ---------------------------------------------------------------- the token --

TEST_F(InvitesTest, TheTokenGoesToItsOwnerOnlyAndUntilTheFirstAnswer) {
  const ContactLink link = Invite();
  Use(ben_, link);
  ASSERT_THAT(ben_.messenger().Queue(ada_.id(), "one"), IsOk());
  ASSERT_THAT(ben_.messenger().Queue(cleo_.id(), "other"), IsOk());
  ASSERT_THAT(Outgoing(ben_, ada_.id()), SizeIs(1));
  EXPECT_EQ(DecodeContent(Outgoing(ben_, ada_.id())[0])->invite_token,
            link.token->bytes());
  ASSERT_THAT(Outgoing(ben_, cleo_.id()), SizeIs(1));
  EXPECT_EQ(DecodeContent(Outgoing(ben_, cleo_.id())[0])->invite_token, "");
  ASSERT_THAT(ben_.Flush(), IsOk());
  ada_.Receive();
  ben_.Receive();
  ASSERT_THAT(ben_.messenger().Queue(ada_.id(), "two"), IsOk());
  EXPECT_EQ(DecodeContent(Outgoing(ben_, ada_.id())[0])->invite_token, "");
  // Nor does the link give it back.
  Use(ben_, link);
  EXPECT_THAT(ben_.store().ReceivedInvite(ada_.id()), IsOkAndHolds(""));
}

TEST_F(InvitesTest, TheTokenDoesNotGoToTheOwnDevices) {
  const auto tablet = NewDevice();
  Link(ben_, *tablet);
  const ContactLink link = Invite();
  Use(ben_, link);
  ASSERT_THAT(ben_.messenger().Queue(ada_.id(), "hello"), IsOk());
  const std::vector<std::string> copies = Outgoing(ben_, ben_.id());
  ASSERT_FALSE(copies.empty());
  for (const std::string& copy : copies) {
    EXPECT_FALSE(absl::StrContains(copy, link.token->bytes()));
  }
}

TEST_F(InvitesTest, ALongFirstTextFitsWithItsToken) {
  ASSERT_THAT(ben_.messenger().SetName(std::string(kMaxProfileNameBytes, 'b')),
              IsOk());
  const std::string text(10'000, 'x');
  Use(ben_, Invite());
  EXPECT_THAT(AdaSees(ben_, text), ElementsAre(text));
  EXPECT_EQ(Uses(), 1);
}

TEST_F(InvitesTest, TheOwnLinkIsOfNoUse) {
  EXPECT_THAT(ada_.messenger().KeepInvite(Invite()), IsOk());
  EXPECT_THAT(ada_.store().ReceivedInvite(ada_.id()), IsOkAndHolds(""));
}

// ----------------------------------------------------------------- devices --

TEST_F(InvitesTest, OtherDevicesOfTheOwnerFollowTheOneThatMadeTheLink) {
  const auto tablet = NewDevice();
  Link(ada_, *tablet);
  Use(ben_, Invite());
  EXPECT_EQ(ben_.Say(ada_, "hello"), MessageState::kSent);
  EXPECT_THAT(tablet->Receive(), IsEmpty());
  EXPECT_EQ(RequestsOf(*tablet), 1) << "it does not know the token";
  EXPECT_THAT(ada_.Receive(), ElementsAre("hello"));
  tablet->Receive();
  EXPECT_EQ(RequestsOf(*tablet), 0);
  EXPECT_EQ((*tablet->store().FindContact(ben_.id()))->standing,
            Standing::kContact);
  EXPECT_THAT(tablet->TextsWith(ben_), ElementsAre("hello"));
  EXPECT_EQ(Uses(), 1);
}

// ------------------------------------------------------------------- making --

TEST_F(InvitesTest, WhatALinkIsGoodForHasBounds) {
  Messenger& messenger = ada_.messenger();
  for (const int uses : {-1, kMaxInviteUses + 1}) {
    EXPECT_THAT(messenger.MakeInvite(uses, kDefaultInvite),
                StatusIs(absl::StatusCode::kInvalidArgument));
  }
  for (const absl::Duration lifetime :
       {absl::ZeroDuration(), kLongestInvite + absl::Seconds(1)}) {
    EXPECT_THAT(messenger.MakeInvite(1, lifetime),
                StatusIs(absl::StatusCode::kInvalidArgument));
  }
  EXPECT_THAT(*messenger.Invites(), IsEmpty());
}

TEST_F(InvitesTest, ThoseThatAreOverMakeRoom) {
  Messenger& messenger = ada_.messenger();
  ASSERT_THAT(messenger.MakeInvite(1, kShortestInvite), IsOk());
  for (int i = 1; i < kMaxInvites; ++i) {
    ASSERT_THAT(messenger.MakeInvite(1, kDefaultInvite), IsOk());
  }
  EXPECT_THAT(messenger.MakeInvite(1, kDefaultInvite),
              StatusIs(absl::StatusCode::kFailedPrecondition));
  clock_.Advance(kShortestInvite);
  EXPECT_THAT(*messenger.Invites(), SizeIs(kMaxInvites));
  EXPECT_THAT(messenger.MakeInvite(1, kDefaultInvite), IsOk());
  EXPECT_THAT(*messenger.Invites(), SizeIs(kMaxInvites));
}

// -------------------------------------------------------------------- codes --

class ScannedCodeTest : public InvitesTest {
 protected:
  ScannedCodeTest() {
    EXPECT_THAT(AdaSeesAfterUse(ben_, Invite()), ElementsAre("hello"));
    ben_.Receive();
  }
  std::string Shown(Person& by, Person& to) {
    const auto code = by.messenger().ScannableSafetyCode(to.id());
    EXPECT_THAT(code.status(), IsOk());
    return code.value_or("");
  }
  bool Verified(Person& by, Person& who) {
    return (*by.store().FindContact(who.id()))->verified.has_value();
  }
};

TEST_F(ScannedCodeTest, TheSameCodeVerifies) {
  EXPECT_THAT(ada_.messenger().VerifyScanned(ben_.id(), Shown(ben_, ada_)),
              IsOkAndHolds(SafetyCodeMatch::kSame));
  EXPECT_TRUE(Verified(ada_, ben_));
  EXPECT_FALSE(Verified(ben_, ada_)) << "each side scans for itself";
}

TEST_F(ScannedCodeTest, TheCodeOfAnotherConversationVerifiesNobody) {
  EXPECT_THAT(AdaSeesAfterUse(cleo_, Invite()), ElementsAre("hello"));
  EXPECT_THAT(ada_.messenger().VerifyScanned(ben_.id(), Shown(cleo_, ada_)),
              IsOkAndHolds(SafetyCodeMatch::kOtherAccounts));
  EXPECT_FALSE(Verified(ada_, ben_));
  EXPECT_THAT(ada_.messenger().VerifyScanned(ben_.id(), "what is this?"),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST_F(ScannedCodeTest, ADeviceNotHeardOfYetStopsItUntilBothKnow) {
  const auto tablet = NewDevice();
  Link(ben_, *tablet);
  EXPECT_THAT(ada_.messenger().VerifyScanned(ben_.id(), Shown(ben_, ada_)),
              IsOkAndHolds(SafetyCodeMatch::kOtherDevices));
  EXPECT_FALSE(Verified(ada_, ben_));
  // She hears of it, and reads the record before she next sends.
  ada_.Receive();
  EXPECT_EQ(ada_.Say(ben_, "you have a tablet?"), MessageState::kSent);
  EXPECT_THAT(ada_.messenger().VerifyScanned(ben_.id(), Shown(ben_, ada_)),
              IsOkAndHolds(SafetyCodeMatch::kSame));
  EXPECT_TRUE(Verified(ada_, ben_));
  // The tablet shows the same as the first device, once it has heard of her.
  tablet->Receive();
  EXPECT_EQ(Shown(*tablet, ada_), Shown(ben_, ada_));
}

TEST_F(ScannedCodeTest, WithoutTheOthersDevicesThereIsNoCode) {
  ASSERT_THAT(ada_.messenger().AddContact(cleo_.id(), "Cleo"), IsOk());
  EXPECT_THAT(ada_.messenger().ScannableSafetyCode(cleo_.id()),
              StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(ada_.messenger().ScannableSafetyCode(ada_.id()),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

}  // namespace
}  // namespace messenger::client
