// What does not come is missed, asked for and sent again; sessions that no
// longer work are replaced.

#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "client/messenger/messenger.h"
#include "client/messenger/testing/in_memory_mail_service.h"
#include "client/messenger/testing/person.h"
#include "client/store/client_store.h"
#include "crypto/base/testing/status_matchers.h"
#include "crypto/random/testing/seeded_random.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "routing/runtime/testing/simulated_clock.h"

namespace messenger::client {
namespace {

using ::messenger::testing::IsOk;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

class GapsTest : public ::testing::Test {
 protected:
  GapsTest() {
    EXPECT_THAT(ada_.messenger().AddContact(ben_.id(), "Ben"), IsOk());
    EXPECT_THAT(ben_.messenger().AddContact(ada_.id(), "Ada"), IsOk());
    EXPECT_THAT(ada_.Publish(), IsOk());
    EXPECT_THAT(ben_.Publish(), IsOk());
    ada_.Say(ben_, "hello");
    ben_.Receive();
    ada_.Receive();
  }

  // The swarm withholds what Ada says.
  void SayInVain(absl::string_view text) {
    const auto before = network_.messages;
    EXPECT_EQ(ada_.Say(ben_, text), MessageState::kSent);
    network_.messages = before;
  }
  int MissingOf(Person& person) {
    const auto report = person.ReceiveReported();
    EXPECT_THAT(report.status(), IsOk());
    int count = 0;
    for (const MissingContents& one : report->missing) count += one.count;
    return count;
  }
  std::vector<MessageKind> Kinds(Person& person) {
    const auto messages = person.store().Messages(std::nullopt, 100);
    std::vector<MessageKind> kinds;
    for (const Message& message : *messages) kinds.push_back(message.kind);
    return kinds;
  }

  routing::SimulatedClock clock_;
  routing::SimulatedExecutor executor_{clock_};
  crypto::SeededRandom random_{31};
  InMemoryMail network_;
  Person ada_{"Ada", network_, executor_, random_};
  Person ben_{"Ben", network_, executor_, random_};
};

TEST_F(GapsTest, AWithheldTextIsMissedAskedForAndShownOnce) {
  SayInVain("two");
  ada_.Say(ben_, "three");
  EXPECT_THAT(ben_.Receive(), ElementsAre("three"));
  clock_.Advance(kGapPatience);
  EXPECT_EQ(MissingOf(ben_), 1);
  ASSERT_THAT(ben_.Flush(), IsOk());
  ada_.Receive();
  EXPECT_THAT(ben_.Receive(), ElementsAre("two"));
  EXPECT_EQ(MissingOf(ben_), 0);
  EXPECT_THAT(ben_.Receive(), IsEmpty());
}

TEST_F(GapsTest, WhatComesOutOfOrderIsNotMissed) {
  for (const char* text : {"one", "two", "three"}) ada_.Say(ben_, text);
  ben_.mail().faults().shuffle = true;
  ben_.Receive();
  clock_.Advance(kGapPatience);
  EXPECT_EQ(MissingOf(ben_), 0);
}

TEST_F(GapsTest, NothingIsMissedWhileAMailboxIsNotReadToItsEnd) {
  SayInVain("two");
  ada_.Say(ben_, "three");
  ben_.Receive();
  clock_.Advance(kGapPatience);
  ben_.mail().faults().incomplete_reads = true;
  const int stores = ben_.mail().stores();
  ben_.Receive();
  EXPECT_EQ(ben_.mail().stores(), stores) << "it may still come";
}

TEST_F(GapsTest, WhatWasTakenBackIsNotSentAgain) {
  SayInVain("regretted");
  ada_.Say(ben_, "three");
  ben_.Receive();
  const auto messages = ada_.store().Messages(ben_.id(), 2);
  ASSERT_THAT(ada_.messenger().Unsend((*messages)[0].row), IsOk());
  clock_.Advance(kGapPatience);
  for (int round = 0; round < 3; ++round) {
    ben_.Receive();
    ada_.Receive();
  }
  EXPECT_EQ(MissingOf(ben_), 0);
  EXPECT_THAT(ben_.TextsWith(ada_), ElementsAre("hello", "three"));
  EXPECT_THAT(Kinds(ben_), ::testing::Not(Contains(MessageKind::kMissing)));
}

TEST_F(GapsTest, WhatIsNotKeptAnyMoreLeavesANoteInTheHistory) {
  SayInVain("long gone");
  ada_.Say(ben_, "three");
  ben_.Receive();
  clock_.Advance(kMessageLifetime + absl::Hours(1));
  for (int round = 0; round < 3; ++round) {
    for (Person* person : {&ada_, &ben_}) {
      ASSERT_THAT(person->Publish(), IsOk());
      person->Receive();
    }
  }
  EXPECT_EQ(MissingOf(ben_), 0);
  EXPECT_THAT(Kinds(ben_), Contains(MessageKind::kMissing));
}

TEST_F(GapsTest, AskingIsRepeatedALittleAndThenGivenUp) {
  SayInVain("two");
  ada_.Say(ben_, "three");
  ben_.Receive();
  int asked = 0;
  for (int hour = 0; hour < 100; ++hour) {
    clock_.Advance(absl::Hours(1));
    const int stores = ben_.mail().stores();
    ben_.Receive();
    asked += ben_.mail().stores() - stores;
  }
  EXPECT_EQ(asked, 5);
}

TEST_F(GapsTest, AContactThatAsksAgainAndAgainGetsThreeCopies) {
  ada_.Say(ben_, "once");
  ben_.Receive();
  const auto sessions = ada_.store().Sessions(ben_.id());
  const auto session = Session::Parse(sessions->front().state);
  const std::string device(session->peer_device().bytes());
  const auto next = ada_.store().NextSequence(ben_.id(), device);
  Content ask;
  ask.message_id = std::string(kMessageIdBytes, 'q');
  ask.sent = clock_.Now();
  ask.body = Resend{{*next - 1}};
  const auto bens = ben_.store().Sessions(ada_.id());
  const auto own = Session::Parse(bens->front().state);
  int again = 0;
  for (int i = 0; i < 6; ++i) {
    OutboxItem item(ada_.id());
    item.content = EncodeContent(ask);
    item.device = std::string(own->peer_device().bytes());
    item.expiry = clock_.Now() + absl::Hours(1);
    item.next_try = clock_.Now();
    ASSERT_THAT(ben_.store().AddOutboxItem(item), IsOk());
    ASSERT_THAT(ben_.Flush(), IsOk());
    const int stores = ada_.mail().stores();
    ada_.Receive();
    again += ada_.mail().stores() - stores;
  }
  EXPECT_EQ(again, 3);
  EXPECT_THAT(ben_.Receive(), IsEmpty()) << "it was shown already";
}

TEST_F(GapsTest, AStrangerLearnsNothingOfWhatIsMissing) {
  Person eve("Eve", network_, executor_, random_);
  ASSERT_THAT(eve.Publish(), IsOk());
  ASSERT_THAT(eve.messenger().AddContact(ben_.id(), ""), IsOk());
  eve.Say(ben_, "one");
  const auto before = network_.messages;
  eve.Say(ben_, "two");
  network_.messages = before;
  eve.Say(ben_, "three");
  ben_.Receive();
  clock_.Advance(absl::Hours(1));
  const int stores = ben_.mail().stores();
  EXPECT_EQ(MissingOf(ben_), 0);
  ASSERT_THAT(ben_.Flush(), IsOk());
  EXPECT_EQ(ben_.mail().stores(), stores);
}

// ------------------------------------------------------------------ refresh --

TEST_F(GapsTest, AnOldCopyOfTheDatabaseIsTalkedWithAgain) {
  for (int i = 0; i < 3; ++i) {
    ben_.Say(ada_, absl::StrCat("b", i));
    ada_.Receive();
    ada_.Say(ben_, absl::StrCat("a", i));
    ben_.Receive();
  }
  ben_.SaveCopy();
  for (int i = 3; i < 6; ++i) {
    ben_.Say(ada_, absl::StrCat("b", i));
    ada_.Receive();
    ada_.Say(ben_, absl::StrCat("a", i));
    ben_.Receive();
  }
  ben_.PutCopyBack();
  clock_.Advance(absl::Hours(2));
  ben_.Say(ada_, "sealed with keys that were used before");
  for (int round = 0; round < 4; ++round) {
    for (Person* person : {&ada_, &ben_}) {
      ASSERT_THAT(person->Publish(), IsOk());
      person->Receive();
    }
    clock_.Advance(absl::Minutes(2));
  }
  EXPECT_EQ(ben_.Say(ada_, "from now on"), MessageState::kSent);
  EXPECT_THAT(ada_.Receive(), Contains("from now on"));
  EXPECT_EQ(ada_.Say(ben_, "all is well"), MessageState::kSent);
  EXPECT_THAT(ben_.Receive(), Contains("all is well"));
}

TEST_F(GapsTest, MoreThanTheSessionCanSkipIsTalkedAcross) {
  for (int i = 0; i < 1'005; ++i) SayInVain(absl::StrCat("lost ", i));
  ada_.Say(ben_, "too far ahead");
  for (int round = 0; round < 20; ++round) {
    ben_.Receive();
    ada_.Receive();
    clock_.Advance(absl::Minutes(61));
    ASSERT_THAT(ben_.Publish(), IsOk());
    ASSERT_THAT(ada_.Publish(), IsOk());
  }
  ada_.Say(ben_, "here again");
  ben_.Receive();
  EXPECT_THAT(ben_.TextsWith(ada_), Contains("here again"));
  // The newest 1,000 were asked for, 100 at a time.
  EXPECT_THAT(ben_.TextsWith(ada_), Contains("too far ahead"));
  EXPECT_THAT(ben_.TextsWith(ada_), Contains("lost 1000"));
}

TEST_F(GapsTest, SessionsAreNotReplacedMoreOftenThanOnceAnHour) {
  const auto sessions = [&] {
    return ben_.store().Sessions(ada_.id())->size();
  };
  ben_.Say(ada_, "hi");
  ada_.Receive();
  ada_.Say(ben_, "hi");
  ben_.Receive();
  const size_t before = sessions();
  // Ada's mailbox for Ben gets what no session opens.
  for (int i = 0; i < 20; ++i) {
    for (auto& [box, messages] : network_.messages) {
      for (auto& message : messages) message.payload[100] ^= 1;
    }
    ada_.Say(ben_, absl::StrCat("damaged ", i));
    for (auto& [box, messages] : network_.messages) {
      if (!messages.empty()) messages.back().payload[100] ^= 1;
    }
    ben_.Receive();
    clock_.Advance(absl::Minutes(1));
  }
  EXPECT_LE(sessions(), before + 1);
}

}  // namespace
}  // namespace messenger::client
