// Profile pictures of people, over mail that is kept in memory.

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "client/messenger/content.h"
#include "client/messenger/incoming_content.h"
#include "client/messenger/messenger.h"
#include "client/messenger/testing/in_memory_mail_service.h"
#include "client/messenger/testing/linking.h"
#include "client/messenger/testing/person.h"
#include "client/picture/testing/pictures.h"
#include "client/store/client_store.h"
#include "crypto/base/testing/status_matchers.h"
#include "crypto/identity/account_id.h"
#include "crypto/identity/account_keys.h"
#include "crypto/random/testing/seeded_random.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "routing/runtime/testing/simulated_clock.h"

namespace messenger::client {
namespace {

using ::messenger::testing::IsOk;
using ::messenger::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

// The largest of all other messages here: a first one.
constexpr size_t kFirstMessageBytes = 8192;

// Larger than what fits into an inbox; another one for each number.
std::string Jpeg(int number) {
  crypto::SeededRandom random(static_cast<uint64_t>(number));
  Image image = Image::Plain(96, 96, {0, 0, 0});
  for (uint8_t& byte : image.rgb) {
    byte = static_cast<uint8_t>(random.Uniform(256));
  }
  const std::string jpeg = ToJpeg(image, 80);
  EXPECT_GT(jpeg.size(), kFirstMessageBytes);
  return jpeg;
}

class PicturesTest : public ::testing::Test {
 protected:
  PicturesTest() {
    EXPECT_THAT(ada_.Publish(), IsOk());
    EXPECT_THAT(ben_.Publish(), IsOk());
  }

  // Both know where the other reads.
  void Meet(Person& one, Person& other) {
    ASSERT_THAT(one.messenger().AddContact(other.id(), "other"), IsOk());
    ASSERT_THAT(other.messenger().AddContact(one.id(), "one"), IsOk());
    one.Say(other, "hello");
    Exchange({&other, &one, &other});
  }
  void Exchange(const std::vector<Person*>& people, int rounds = 1) {
    for (int round = 0; round < rounds; ++round) {
      for (Person* person : people) {
        person->Publish().IgnoreError();
        person->Receive();
      }
    }
  }
  void Choose(Person& person, const std::string& jpeg) {
    ASSERT_THAT(person.messenger().SetPicture(jpeg), IsOk());
    ASSERT_THAT(person.Flush().status(), IsOk());
  }
  // As `person` knows it; "" without one.
  std::string PictureOf(const Person& whose, Person& person) {
    const auto row = person.store().FindPicture(whose.id());
    EXPECT_THAT(row.status(), IsOk());
    return row.ok() && *row ? (*row)->jpeg : std::string();
  }
  // In all mailboxes: the pictures.
  int LargeMessages() {
    int count = 0;
    for (const auto& [box, messages] : network_.messages) {
      for (const MailMessage& message : messages) {
        if (message.payload.size() > kFirstMessageBytes) ++count;
      }
    }
    return count;
  }

  routing::SimulatedClock clock_;
  routing::SimulatedExecutor executor_{clock_};
  crypto::SeededRandom random_{4712};
  InMemoryMail network_;
  Person ada_{"Ada", network_, executor_, random_};
  Person ben_{"Ben", network_, executor_, random_};
};

TEST_F(PicturesTest, AContactGetsItWhenItChangesAndWhenItIsTakenAway) {
  Meet(ada_, ben_);
  for (const std::string& jpeg : {Jpeg(1), Jpeg(2), std::string(), Jpeg(1)}) {
    Choose(ada_, jpeg);
    EXPECT_EQ(PictureOf(ada_, ada_), jpeg);
    EXPECT_THAT(ben_.Receive(), IsEmpty());
    EXPECT_EQ(PictureOf(ada_, ben_), jpeg);
  }
  EXPECT_EQ(PictureOf(ben_, ada_), "");
}

TEST_F(PicturesTest, ItIsSaidOnce) {
  Meet(ada_, ben_);
  const int before = LargeMessages();
  Choose(ada_, Jpeg(1));
  EXPECT_EQ(LargeMessages(), before + 1);
  ben_.Receive();
  ada_.Restart();
  ada_.Say(ben_, "anything else?");
  Exchange({&ben_, &ada_}, 3);
  Choose(ada_, Jpeg(1));  // the same
  EXPECT_EQ(LargeMessages(), before + 1);
}

TEST_F(PicturesTest, ANewContactGetsItOnceBothHaveAnswered) {
  Choose(ada_, Jpeg(1));
  EXPECT_EQ(LargeMessages(), 0);
  Meet(ada_, ben_);
  Exchange({&ada_, &ben_}, 2);
  EXPECT_EQ(PictureOf(ada_, ben_), Jpeg(1));
  EXPECT_THAT(ben_.TextsWith(ada_), ElementsAre("hello"));
}

TEST_F(PicturesTest, NobodyHearsThatThereIsNoPicture) {
  Choose(ada_, Jpeg(1));
  Choose(ada_, "");
  Meet(ada_, ben_);
  const int stores = ada_.mail().stores();
  ASSERT_THAT(ada_.Flush().status(), IsOk());
  EXPECT_EQ(ada_.mail().stores(), stores);
  EXPECT_FALSE(ben_.store().FindPicture(ada_.id())->has_value());
}

TEST_F(PicturesTest, AStrangerIsNotToldAndNotBelieved) {
  Choose(ada_, Jpeg(1));
  Choose(ben_, Jpeg(2));
  // Ada writes to Ben, who has not decided yet.
  ASSERT_THAT(ada_.messenger().AddContact(ben_.id(), "Ben"), IsOk());
  ada_.Say(ben_, "hello");
  Exchange({&ben_, &ada_}, 3);
  EXPECT_EQ(LargeMessages(), 0);
  // Even if a picture comes from somebody who is no contact.
  Content content;
  content.message_id = std::string(kMessageIdBytes, 'i');
  content.body = Picture{Jpeg(3), ""};
  std::vector<MessageChange> changes;
  for (const Standing standing :
       {Standing::kRequest, Standing::kBlocked, Standing::kDeclined,
        Standing::kForgotten, Standing::kContact}) {
    Contact stranger(ada_.id());
    stranger.standing = standing;
    EXPECT_THAT(ApplyContent(ben_.store(), stranger, /*own=*/false, content,
                             clock_.Now(), std::nullopt, changes),
                IsOk());
    EXPECT_EQ(PictureOf(ada_, ben_),
              standing == Standing::kContact ? Jpeg(3) : "");
  }
  // Nor does a contact say what others look like.
  Contact contact(ada_.id());
  content.body = Picture{Jpeg(4), std::string(ben_.id().bytes())};
  content.sent = clock_.Now();
  EXPECT_THAT(ApplyContent(ben_.store(), contact, /*own=*/false, content,
                           clock_.Now(), std::nullopt, changes),
              IsOk());
  EXPECT_EQ(PictureOf(ada_, ben_), Jpeg(3));
  EXPECT_EQ(PictureOf(ben_, ben_), Jpeg(2));
}

TEST_F(PicturesTest, WhoIsBlockedGetsItOnlyAfterwards) {
  Meet(ada_, ben_);
  ASSERT_THAT(ada_.messenger().Block(ben_.id()), IsOk());
  Choose(ada_, Jpeg(1));
  Exchange({&ben_, &ada_}, 2);
  EXPECT_EQ(PictureOf(ada_, ben_), "");
  ASSERT_THAT(ada_.messenger().Unblock(ben_.id()), IsOk());
  ASSERT_THAT(ada_.Flush().status(), IsOk());
  ben_.Receive();
  EXPECT_EQ(PictureOf(ada_, ben_), Jpeg(1));
}

// What was queued when the contact was blocked was taken back.
TEST_F(PicturesTest, WhatBlockingTookBackIsSaidAfterwards) {
  Meet(ada_, ben_);
  ada_.mail().faults().offline = true;
  Choose(ada_, Jpeg(1));
  ASSERT_THAT(ada_.messenger().Block(ben_.id()), IsOk());
  ada_.mail().faults().offline = false;
  ASSERT_THAT(ada_.messenger().Unblock(ben_.id()), IsOk());
  ASSERT_THAT(ada_.Flush().status(), IsOk());
  ben_.Receive();
  EXPECT_EQ(PictureOf(ada_, ben_), Jpeg(1));
}

TEST_F(PicturesTest, TheNewestCountsInWhateverOrderTheyCome) {
  Meet(ada_, ben_);
  // Also where the clock stands still, or goes back.
  Choose(ada_, Jpeg(1));
  Choose(ada_, Jpeg(2));
  clock_.Advance(-absl::Minutes(5));
  Choose(ada_, "");
  Choose(ada_, Jpeg(3));
  ben_.mail().faults().shuffle = true;
  for (int i = 0; i < 4; ++i) {
    ben_.Receive();
    EXPECT_EQ(PictureOf(ada_, ben_), Jpeg(3));
    ben_.mail().faults().hand_out_everything_again = true;
  }
}

TEST_F(PicturesTest, TwoOfOneTimeEndTheSame) {
  const absl::Time time = clock_.Now();
  for (const bool first : {true, false}) {
    Person& person = first ? ada_ : ben_;
    const crypto::AccountId eve = crypto::AccountKeys::Generate(random_).id();
    EXPECT_TRUE(*person.store().MergePicture({eve, "a", time, false}));
    EXPECT_TRUE(*person.store().MergePicture({eve, "b", time, false}));
    EXPECT_FALSE(*person.store().MergePicture({eve, "a", time, false}));
    EXPECT_FALSE(*person.store().MergePicture({eve, "b", time, false}));
    EXPECT_FALSE(*person.store().MergePicture(
        {eve, "c", time - absl::Milliseconds(1), false}));
    EXPECT_EQ((*person.store().FindPicture(eve))->jpeg, "b");
    EXPECT_TRUE(*person.store().MergePicture(
        {eve, "", time + absl::Milliseconds(1), false}));
  }
}

TEST_F(PicturesTest, WhatWaitsIsReplacedByTheNewest) {
  Meet(ada_, ben_);
  ada_.mail().faults().offline = true;
  Choose(ada_, Jpeg(1));
  Choose(ada_, Jpeg(2));
  ada_.mail().faults().offline = false;
  const int before = LargeMessages();
  ASSERT_THAT(ada_.Flush().status(), IsOk());
  EXPECT_EQ(LargeMessages(), before + 1);
  ben_.Receive();
  EXPECT_EQ(PictureOf(ada_, ben_), Jpeg(2));
  // Nothing is missed: what was numbered and taken back is explained.
  clock_.Advance(absl::Minutes(2));
  Exchange({&ben_, &ada_, &ben_}, 2);
  EXPECT_THAT(ben_.ReceiveReported()->missing, IsEmpty());
}

TEST_F(PicturesTest, TheOutboxAndWhatIsKeptHoldNoPicture) {
  Meet(ada_, ben_);
  ada_.mail().faults().store_refusal = absl::UnavailableError("busy");
  Choose(ada_, Jpeg(1));
  const auto outbox = ada_.store().Outbox();
  ASSERT_EQ(outbox->size(), 1u);
  EXPECT_LT((*outbox)[0].content.size(), 300u);
  ada_.mail().faults() = {};
  ASSERT_THAT(ada_.Flush().status(), IsOk());
  const auto kept = ada_.store().FindSent(ben_.id(), (*outbox)[0].device,
                                          (*outbox)[0].sequence);
  ASSERT_TRUE(kept->has_value());
  EXPECT_LT((*kept)->content.size(), 300u);
  EXPECT_FALSE((*kept)->content.empty());
}

TEST_F(PicturesTest, OneThatWasLostIsSaidAgainAsItIsNow) {
  Meet(ada_, ben_);
  const auto before = network_.messages;
  Choose(ada_, Jpeg(1));
  network_.messages = before;  // the swarm has lost it
  ada_.Say(ben_, "did you see it?");
  ben_.Receive();
  EXPECT_EQ(PictureOf(ada_, ben_), "");
  clock_.Advance(absl::Minutes(2));
  Exchange({&ben_, &ada_, &ben_}, 2);
  EXPECT_EQ(PictureOf(ada_, ben_), Jpeg(1));
}

TEST_F(PicturesTest, OneThatIsNotKnownAnyMoreIsSaidAnew) {
  Meet(ada_, ben_);
  const auto before = network_.messages;
  Choose(ada_, Jpeg(1));
  network_.messages = before;
  clock_.Advance(2 * kMessageLifetime);
  ada_.Receive();  // forgets what it kept
  ada_.Say(ben_, "here I am again");
  ben_.Receive();
  clock_.Advance(absl::Minutes(2));
  Exchange({&ben_, &ada_, &ben_}, 2);
  EXPECT_EQ(PictureOf(ada_, ben_), Jpeg(1));
}

TEST_F(PicturesTest, ATextDoesNotWaitForAPictureThatHasNoWayYet) {
  Meet(ada_, ben_);
  Choose(ada_, Jpeg(1));
  ben_.Receive();
  // Of a session that must be made anew, nobody has answered yet.
  ada_.mail().faults().offline = true;
  Choose(ada_, Jpeg(2));
  ASSERT_THAT(ada_.messenger().Queue(ben_.id(), "hello again").status(),
              IsOk());
  const auto sessions = ada_.store().Sessions(ben_.id());
  for (const SessionRow& row : *sessions) {
    ASSERT_THAT(ada_.store().DeleteSession(row.session_id), IsOk());
  }
  ada_.Tamper("UPDATE outbox SET blob=NULL");
  ada_.mail().faults().offline = false;
  ASSERT_THAT(ada_.Flush().status(), IsOk());
  EXPECT_THAT(ben_.Receive(), ElementsAre("hello again"));
  EXPECT_EQ(PictureOf(ada_, ben_), Jpeg(1));
  // Ben may answer in the session that Ada has lost; then one is made first.
  Exchange({&ada_, &ben_}, 3);
  EXPECT_EQ(PictureOf(ada_, ben_), Jpeg(2));
}

TEST_F(PicturesTest, ItIsCheckedWhoeverGivesIt) {
  EXPECT_THAT(ada_.messenger().SetPicture("no picture"),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(
      ada_.messenger().SetPicture(WithSegment(Jpeg(1), 0xe1, Exif(1, "here"))),
      StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_EQ(PictureOf(ada_, ada_), "");
}

TEST_F(PicturesTest, WhoIsForgottenLeavesNoPicture) {
  Meet(ada_, ben_);
  Choose(ada_, Jpeg(1));
  ben_.Receive();
  EXPECT_THAT(*ben_.store().PictureOwners(), ElementsAre(ada_.id()));
  ASSERT_THAT(ben_.store().DeleteContact(ada_.id()), IsOk());
  EXPECT_THAT(*ben_.store().PictureOwners(), IsEmpty());
}

// ----------------------------------------------------------------- devices --

class PicturesOfDevicesTest : public PicturesTest {
 protected:
  std::unique_ptr<Person> Linked(Person& first) {
    auto fresh = std::make_unique<Person>(Person::NewDevice(), network_,
                                          executor_, random_);
    Link(first, *fresh);
    return fresh;
  }
};

TEST_F(PicturesOfDevicesTest, ANewDeviceGetsTheOwnPictureAndThoseOfContacts) {
  Meet(ada_, ben_);
  Choose(ada_, Jpeg(1));
  Choose(ben_, Jpeg(2));
  ada_.Receive();
  const auto tablet = Linked(ada_);
  // Ben is not there.
  Exchange({&ada_, tablet.get()}, 4);
  EXPECT_EQ(PictureOf(ada_, *tablet), Jpeg(1));
  EXPECT_EQ(PictureOf(ben_, *tablet), Jpeg(2));
  // Nor does it forget when a contact takes it away.
  Choose(ben_, "");
  Exchange({&ada_, tablet.get()}, 3);
  EXPECT_EQ(PictureOf(ben_, *tablet), "");
}

TEST_F(PicturesOfDevicesTest,
       WhatIsChosenOnADeviceReachesTheOthersAndContacts) {
  Meet(ada_, ben_);
  const auto tablet = Linked(ada_);
  Exchange({&ada_, tablet.get()}, 4);
  // No contact has told it of a mailbox.
  Choose(*tablet, Jpeg(1));
  Exchange({&ada_, &ben_, tablet.get()}, 3);
  EXPECT_EQ(PictureOf(ada_, ada_), Jpeg(1));
  EXPECT_EQ(PictureOf(ada_, ben_), Jpeg(1));
  clock_.Advance(absl::Minutes(1));
  Choose(ada_, Jpeg(2));
  Exchange({&ada_, &ben_, tablet.get()}, 3);
  EXPECT_EQ(PictureOf(ada_, *tablet), Jpeg(2));
  EXPECT_EQ(PictureOf(ada_, ben_), Jpeg(2));
  // Then all are silent.
  const int large = LargeMessages();
  Exchange({&ada_, &ben_, tablet.get()}, 3);
  EXPECT_EQ(LargeMessages(), large);
}

TEST_F(PicturesOfDevicesTest, BothDevicesOfAContactGetIt) {
  Meet(ada_, ben_);
  const auto tablet = Linked(ada_);
  Exchange({&ada_, &ben_, tablet.get()}, 3);
  ben_.Say(ada_, "to both of you");
  Exchange({&ada_, tablet.get(), &ben_}, 3);
  Choose(ben_, Jpeg(3));
  tablet->Receive();
  EXPECT_EQ(PictureOf(ben_, *tablet), Jpeg(3));
  ada_.Receive();
  EXPECT_EQ(PictureOf(ben_, ada_), Jpeg(3));
}

}  // namespace
}  // namespace messenger::client
