// People with several devices.

#include <algorithm>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "client/messenger/messenger.h"
#include "client/messenger/testing/in_memory_mail_service.h"
#include "client/messenger/testing/linking.h"
#include "client/messenger/testing/person.h"
#include "client/session/device_keys.h"
#include "client/session/identity_record.h"
#include "client/store/client_store.h"
#include "crypto/base/testing/status_matchers.h"
#include "crypto/identity/safety_number.h"
#include "crypto/random/testing/seeded_random.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "routing/runtime/testing/simulated_clock.h"

namespace messenger::client {
namespace {

using ::messenger::testing::IsOk;
using ::messenger::testing::StatusIs;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

class DevicesTest : public ::testing::Test {
 protected:
  DevicesTest() {
    EXPECT_THAT(ada_.messenger().AddContact(ben_.id(), "Ben"), IsOk());
    EXPECT_THAT(ben_.messenger().AddContact(ada_.id(), "Ada"), IsOk());
    EXPECT_THAT(ada_.Publish(), IsOk());
    EXPECT_THAT(ben_.Publish(), IsOk());
  }

  std::unique_ptr<Person> NewDevice() {
    return std::make_unique<Person>(Person::NewDevice(), network_, executor_,
                                    random_);
  }
  std::vector<std::string> Texts(Person& person, const Person& with) {
    return person.TextsWith(with);
  }

  routing::SimulatedClock clock_;
  routing::SimulatedExecutor executor_{clock_};
  crypto::SeededRandom random_{4711};
  InMemoryMail network_;
  Person ada_{"Ada", network_, executor_, random_};
  Person ben_{"Ben", network_, executor_, random_};
};

// ----------------------------------------------------------------- linking --

TEST_F(DevicesTest, ALinkedDeviceHasTheAccountItsNameAndContactsButNotItsKeys) {
  const auto tablet = NewDevice();
  Link(ada_, *tablet);
  EXPECT_EQ(tablet->messenger().account_keys(), nullptr);
  EXPECT_EQ(tablet->messenger().name(), "Ada");
  const auto ben = tablet->store().FindContact(ben_.id());
  ASSERT_TRUE(ben->has_value());
  EXPECT_EQ((*ben)->name, "Ben");
  EXPECT_EQ((*ben)->standing, Standing::kContact);
  const auto devices = ada_.messenger().Devices();
  ASSERT_EQ(devices.size(), 2u);
  EXPECT_TRUE(devices[0].is_first && devices[0].is_this);
  const auto same = tablet->messenger().Devices();
  ASSERT_EQ(same.size(), 2u);
  EXPECT_TRUE(same[0].is_first && !same[0].is_this);
  EXPECT_TRUE(same[1].is_this && !same[1].is_first);
  EXPECT_EQ(same[1].id, devices[1].id);
  // It has no seed to give away, and cannot change the list.
  EXPECT_FALSE(tablet->store().Setting("account/seed")->has_value());
  EXPECT_THAT(tablet->messenger().OfferLink(NewDevice()->id()),
              StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(tablet->messenger().UnlinkDevice(same[0].id),
              StatusIs(absl::StatusCode::kFailedPrecondition));
}

// Otherwise it would depend on chance which of two records of one number stays.
TEST_F(DevicesTest, TheKeysOfALinkedDeviceFollowThoseThatItsMailboxHas) {
  const auto tablet = NewDevice();
  ASSERT_THAT(tablet->Publish(), IsOk());
  const InMemoryMail::Box box = {std::string(tablet->id().bytes()),
                                 swarm::MailboxNamespace::kPrekeyRecords};
  const uint64_t before = network_.records.at(box).begin()->second.sequence;
  Link(ada_, *tablet);
  EXPECT_GT(network_.records.at(box).begin()->second.sequence, before);
}

TEST_F(DevicesTest, BothSidesShowTheSameDigits) {
  const auto tablet = NewDevice();
  Offer(ada_, *tablet);
  EXPECT_THAT(DigitsOf(ada_), SizeIs(6));
  EXPECT_EQ(DigitsOf(ada_), DigitsOf(*tablet));
  const auto phone = NewDevice();
  Offer(ada_, *phone);
  EXPECT_NE(DigitsOf(ada_), DigitsOf(*tablet)) << "each link has its own";
}

// Somebody who does not know whether it has worked, after a crash say.
TEST_F(DevicesTest, ASecondOfferToTheSameCodeIsTheFirst) {
  const auto tablet = NewDevice();
  ASSERT_THAT(tablet->Publish(), IsOk());
  ASSERT_THAT(ada_.messenger().OfferLink(tablet->id()), IsOk());
  ASSERT_THAT(ada_.Flush(), IsOk());
  ada_.Restart();
  ASSERT_THAT(ada_.messenger().OfferLink(tablet->id()), IsOk());
  Settle({&ada_, tablet.get()});
  EXPECT_THAT(DigitsOf(*tablet), SizeIs(6));
  EXPECT_EQ(DigitsOf(ada_), DigitsOf(*tablet));
}

TEST_F(DevicesTest, OtherDigitsLinkNothingAndThereIsNoSecondGuess) {
  const auto tablet = NewDevice();
  Offer(ada_, *tablet);
  const std::string right = DigitsOf(*tablet);
  std::string wrong = right;
  wrong[5] = wrong[5] == '0' ? '1' : '0';
  EXPECT_THAT(ada_.messenger().ConfirmLink(wrong),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(ada_.messenger().ConfirmLink(right),
              StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_EQ(ada_.messenger().Devices().size(), 1u);
  Settle({&ada_, tablet.get()});
  EXPECT_FALSE(tablet->messenger().became_linked());
}

TEST_F(DevicesTest, ALinkThatTakesTooLongIsGivenUp) {
  const auto tablet = NewDevice();
  Offer(ada_, *tablet);
  clock_.Advance(kLinkWindow);
  EXPECT_THAT(ada_.messenger().ConfirmLink(DigitsOf(*tablet)),
              StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_EQ(ada_.messenger().Devices().size(), 1u);
}

// Somebody gives Ada the code of their own device, and links Ada's new device
// to their own account.
TEST_F(DevicesTest, SomebodyInBetweenShowsInTheDigits) {
  Person eve("Eve", network_, executor_, random_);
  ASSERT_THAT(eve.Publish(), IsOk());
  const auto adas = NewDevice();
  const auto eves = NewDevice();
  Offer(ada_, *eves);
  Offer(eve, *adas);
  // What Ada reads on her new device is not what her first one expects.
  EXPECT_NE(DigitsOf(*adas), DigitsOf(ada_));
  EXPECT_THAT(ada_.messenger().ConfirmLink(DigitsOf(*adas)),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST_F(DevicesTest, TheSecondWhoOffersGetsNoAnswer) {
  Person eve("Eve", network_, executor_, random_);
  ASSERT_THAT(eve.Publish(), IsOk());
  const auto tablet = NewDevice();
  Offer(ada_, *tablet);
  const std::string digits = DigitsOf(*tablet);
  ASSERT_THAT(eve.messenger().OfferLink(tablet->id()), IsOk());
  Settle({&eve, tablet.get()});
  EXPECT_EQ(DigitsOf(eve), "");
  EXPECT_EQ(DigitsOf(*tablet), digits);
}

TEST_F(DevicesTest, AContactIsNoCodeAndFiveDevicesAreEnough) {
  EXPECT_THAT(ada_.messenger().OfferLink(ben_.id()),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(ada_.messenger().OfferLink(ada_.id()),
              StatusIs(absl::StatusCode::kInvalidArgument));
  std::vector<std::unique_ptr<Person>> devices;
  for (size_t i = 1; i < kMaxDevices; ++i) {
    devices.push_back(NewDevice());
    Link(ada_, *devices.back());
    // The others hear of the new record, and make keys for it.
    for (const auto& device : devices) Settle({device.get()});
  }
  EXPECT_THAT(ada_.messenger().OfferLink(NewDevice()->id()),
              StatusIs(absl::StatusCode::kFailedPrecondition));
  ada_.Say(ben_, "from the first of five");
  ben_.Receive();
  ben_.Say(ada_, "to all five");
  for (const auto& device : devices) {
    device->Receive();
    EXPECT_THAT(Texts(*device, ben_),
                UnorderedElementsAre("from the first of five", "to all five"));
  }
}

// What was on its way to the device is not brought back.
TEST_F(DevicesTest, ADeviceUnlinkedWhileItsKeysAreFetchedGetsNothing) {
  const auto tablet = NewDevice();
  Offer(ada_, *tablet);
  const std::string inbox(tablet->id().bytes());
  ASSERT_THAT(ada_.messenger().ConfirmLink(DigitsOf(*tablet)), IsOk());
  ASSERT_THAT(ada_.Publish(), IsOk());
  ASSERT_THAT(ada_.Flush(), IsOk());
  ASSERT_THAT(tablet->ReceiveReported().status(), IsOk());
  tablet->Restart();
  ASSERT_THAT(tablet->Publish(), IsOk());
  // Too long for an inbox: it is cut once there is a session.
  ASSERT_THAT(
      ada_.messenger().Queue(ben_.id(), std::string(3'000, 'x')).status(),
      IsOk());
  const size_t before =
      network_.messages[{inbox, swarm::MailboxNamespace::kInbox}].size();
  bool unlinked = false;
  ada_.mail().faults().records = [&](const InMemoryMail::Box& box,
                                     std::vector<MailRecord>&) {
    if (unlinked || box.first != inbox) return;
    unlinked = true;
    EXPECT_THAT(ada_.messenger().UnlinkDevice(ada_.messenger().Devices()[1].id),
                IsOk());
  };
  ASSERT_THAT(ada_.Flush(), IsOk());
  ASSERT_TRUE(unlinked);
  EXPECT_THAT(*ada_.store().Outbox(), IsEmpty());
  EXPECT_EQ(
      (network_.messages[{inbox, swarm::MailboxNamespace::kInbox}].size()),
      before);
}

// ------------------------------------------------------------ conversations --

class TwoDevicesTest : public DevicesTest {
 protected:
  TwoDevicesTest() {
    Link(ada_, *tablet_);
    ada_.Say(ben_, "hello");
    Settle({&ben_, &ada_, tablet_.get()});
  }

  const std::unique_ptr<Person> tablet_ = NewDevice();
};

TEST_F(TwoDevicesTest, EachDeviceShowsWhatComesAndWhatTheOtherSends) {
  EXPECT_EQ(ben_.Say(ada_, "to both"), MessageState::kSent);
  EXPECT_THAT(ada_.Receive(), ElementsAre("to both"));
  EXPECT_THAT(tablet_->Receive(), IsEmpty()) << "it was shown by the other";
  EXPECT_THAT(Texts(*tablet_, ben_), Contains("to both"));
  EXPECT_EQ(tablet_->Say(ben_, "from the tablet"), MessageState::kSent);
  EXPECT_THAT(ben_.Receive(), ElementsAre("from the tablet"));
  EXPECT_THAT(ada_.Receive(), IsEmpty());
  const auto copy = ada_.store().Messages(ben_.id(), 1);
  ASSERT_EQ(copy->size(), 1u);
  EXPECT_EQ((*copy)[0].text, "from the tablet");
  EXPECT_TRUE((*copy)[0].outgoing);
  EXPECT_EQ((*copy)[0].state, MessageState::kElsewhere);
}

TEST_F(TwoDevicesTest, NothingOfAVanishedTextIsLeftOnAnyDevice) {
  ASSERT_THAT(ada_.messenger().SetTimer(ben_.id(), absl::Minutes(1)), IsOk());
  ASSERT_THAT(ada_.Flush(), IsOk());
  ben_.Receive();
  EXPECT_EQ(ada_.Say(ben_, "zyxwvut"), MessageState::kSent);
  EXPECT_THAT(ben_.Receive(), ElementsAre("zyxwvut"));
  tablet_->Receive();
  EXPECT_THAT(Texts(*tablet_, ben_), Contains("zyxwvut"));
  clock_.Advance(absl::Minutes(1));
  for (Person* person : {&ada_, &ben_, tablet_.get()}) {
    ASSERT_THAT(person->messenger().RemoveVanished(), IsOk());
    EXPECT_THAT(person->Dump(), Not(HasSubstr("zyxw")));
  }
}

TEST_F(TwoDevicesTest, WhicheverDeviceReadsFirstShowsIt) {
  ben_.Say(ada_, "one");
  EXPECT_THAT(tablet_->Receive(), ElementsAre("one"));
  EXPECT_THAT(ada_.Receive(), IsEmpty());
  ben_.Say(ada_, "two");
  // Neither has heard of the other yet.
  const auto first = ada_.ReceiveReported();
  const auto second = tablet_->ReceiveReported();
  EXPECT_EQ(first->messages.size(), 1u);
  EXPECT_EQ(second->messages.size(), 1u);
}

TEST_F(TwoDevicesTest, LongTextsEditsReactionsAndUnsendsAreOnAll) {
  const std::string text(150'000, 'x');
  tablet_->Say(ben_, text);
  Settle({&ben_, &ada_, tablet_.get()});
  EXPECT_THAT(Texts(ada_, ben_), Contains(text));
  const auto row = [&](Person& person, absl::string_view words) {
    const auto messages = person.store().Messages(std::nullopt, 100);
    for (const Message& message : *messages) {
      if (message.text == words) return message.row;
    }
    ADD_FAILURE() << "no " << words.substr(0, 20);
    return int64_t{0};
  };
  ASSERT_THAT(tablet_->messenger().Edit(row(*tablet_, text), "short"), IsOk());
  Settle({tablet_.get(), &ben_, &ada_});
  // Its copy on the first device can be spoken of from there, too.
  ASSERT_THAT(ada_.messenger().React(row(ada_, "short"), "👍"), IsOk());
  Settle({&ada_, &ben_, tablet_.get()});
  for (Person* person : {&ada_, &ben_, tablet_.get()}) {
    const auto message = person->store().FindMessage(row(*person, "short"));
    const auto reactions = person->store().Reactions(**message);
    ASSERT_EQ(reactions->size(), 1u);
    EXPECT_EQ((*reactions)[0].own, person != &ben_);
  }
  ASSERT_THAT(ada_.messenger().Unsend(row(ada_, "short")), IsOk());
  ASSERT_THAT(ada_.messenger().SetTimer(ben_.id(), absl::Hours(1)), IsOk());
  Settle({&ada_, &ben_, tablet_.get()});
  for (Person* person : {&ada_, &ben_, tablet_.get()}) {
    EXPECT_THAT(*person->store().Search("short", 10), IsEmpty())
        << (person == &ada_   ? "Ada"
            : person == &ben_ ? "Ben"
                              : "tablet");
    const auto contact =
        person->store().FindContact(person == &ben_ ? ada_.id() : ben_.id());
    EXPECT_EQ((*contact)->timer, absl::Hours(1));
  }
}

TEST_F(TwoDevicesTest, ADeviceThatIsNotReachedDoesNotDelayTheOther) {
  ben_.Receive();
  // The tablet's mailboxes are gone; the first device's are there.
  const auto before = network_.registered;
  clock_.Advance(absl::Hours(24 * 31));
  ASSERT_THAT(ada_.Publish(), IsOk());
  ASSERT_THAT(ben_.Publish(), IsOk());
  ada_.Receive();
  EXPECT_EQ(ben_.Say(ada_, "anybody there?"), MessageState::kSent);
  EXPECT_EQ(ben_.Flush()->waiting, 0) << "what is left is for the tablet alone";
  EXPECT_THAT(ada_.Receive(), ElementsAre("anybody there?"));
  // Once it is back it gets it.
  ASSERT_THAT(tablet_->Publish(), IsOk());
  Settle({&ben_, tablet_.get(), &ben_, tablet_.get()});
  EXPECT_THAT(Texts(*tablet_, ben_), Contains("anybody there?"));
}

TEST_F(TwoDevicesTest, DecisionsAboutPeopleAreOnBoth) {
  Person carl("Carl", network_, executor_, random_);
  ASSERT_THAT(carl.Publish(), IsOk());
  ASSERT_THAT(carl.messenger().AddContact(ada_.id(), ""), IsOk());
  carl.Say(ada_, "hi, it is Carl");
  ada_.Receive();
  tablet_->Receive();
  ASSERT_EQ(tablet_->messenger().Requests()->size(), 1u);
  ASSERT_THAT(tablet_->messenger().AcceptRequest(carl.id()), IsOk());
  ASSERT_THAT(tablet_->messenger().AddContact(carl.id(), "Carl K."), IsOk());
  Settle({tablet_.get(), &ada_, &carl});
  EXPECT_THAT(*ada_.messenger().Requests(), IsEmpty());
  EXPECT_EQ((*ada_.store().FindContact(carl.id()))->name, "Carl K.");
  ASSERT_THAT(ada_.messenger().Block(carl.id()), IsOk());
  ASSERT_THAT(ada_.messenger().Arrange(ben_.id(),
                                       [](Contact& ben) { ben.pinned = true; }),
              IsOk());
  ASSERT_THAT(ada_.messenger().WantReceipts(true), IsOk());
  ASSERT_THAT(ada_.messenger().SetName("Ada L."), IsOk());
  Settle({&ada_, tablet_.get()});
  EXPECT_EQ((*tablet_->store().FindContact(carl.id()))->standing,
            Standing::kBlocked);
  EXPECT_TRUE((*tablet_->store().FindContact(ben_.id()))->pinned);
  EXPECT_TRUE(*tablet_->messenger().ReceiptsWanted());
  EXPECT_EQ(tablet_->messenger().name(), "Ada L.");
}

TEST_F(TwoDevicesTest, AnUnlinkedDeviceGetsNothingAndIsNotListenedTo) {
  const DeviceId tablet = tablet_->messenger().Devices()[1].id;
  ASSERT_THAT(ada_.messenger().UnlinkDevice(tablet), IsOk());
  EXPECT_THAT(ada_.messenger().UnlinkDevice(tablet),
              StatusIs(absl::StatusCode::kNotFound));
  ASSERT_THAT(ada_.Publish(), IsOk());
  ASSERT_THAT(ada_.Flush(), IsOk());
  // Before it hears of it itself, it tries.
  ASSERT_THAT(tablet_->messenger().Queue(ben_.id(), "still me"), IsOk());
  tablet_->Flush().IgnoreError();
  Settle({&ben_, &ada_});
  ben_.Say(ada_, "between us");
  EXPECT_THAT(ada_.Receive(), ElementsAre("between us"));
  clock_.Advance(absl::Hours(1));
  const absl::Status told = tablet_->Publish();
  EXPECT_THAT(told, StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(std::string(told.message()), HasSubstr("unlinked"));
  tablet_->ReceiveReported().IgnoreError();
  EXPECT_THAT(Texts(*tablet_, ben_), Not(Contains("between us")));
  EXPECT_THAT(Texts(ada_, ben_), Not(Contains("still me")));
}

TEST_F(TwoDevicesTest, ContactsAreToldOfTheNewDeviceAndVerifiedOnesAreAsked) {
  EXPECT_TRUE((*ben_.store().FindContact(ada_.id()))->devices_changed ||
              !(*ben_.store().FindContact(ada_.id()))->verified.has_value());
  const auto phone = NewDevice();
  const std::string number = crypto::SafetyNumber(ben_.id(), ada_.id());
  ASSERT_THAT(ben_.messenger().Verify(ada_.id(), number), IsOk());
  Link(ada_, *phone);
  Settle({&ben_});
  ben_.Say(ada_, "first this");  // makes Ben look
  const auto told = ben_.ReceiveReported();
  EXPECT_THAT(told->changed_devices, ElementsAre(ada_.id()));
  EXPECT_NE(ben_.Say(ada_, "who is that?"), MessageState::kSent);
  ASSERT_THAT(ben_.messenger().Verify(ada_.id(), number), IsOk());
  ASSERT_THAT(ben_.Flush(), IsOk());
  Settle({&ada_, phone.get()});
  EXPECT_THAT(Texts(*phone, ben_), Contains("who is that?"));
}

TEST_F(TwoDevicesTest, ADeviceThatHasNotHeardOfTheNewestRecordIsHeard) {
  const auto phone = NewDevice();
  Link(ada_, *phone);
  Settle({&ben_, &ada_});
  // The tablet knows the record of two devices only.
  Person carl("Carl", network_, executor_, random_);
  ASSERT_THAT(carl.Publish(), IsOk());
  ASSERT_THAT(carl.messenger().AddContact(ada_.id(), "Ada"), IsOk());
  carl.Say(ada_, "hi");
  ASSERT_THAT(tablet_->messenger().AddContact(carl.id(), "Carl"), IsOk());
  EXPECT_EQ(tablet_->Say(carl, "an old record"), MessageState::kSent);
  EXPECT_THAT(carl.Receive(), Contains("an old record"));
}

// ------------------------------------------------------------ shared values --

TEST_F(DevicesTest, ValuesEndTheSameInWhateverOrderTheyAreMerged) {
  crypto::SeededRandom random(99);
  for (int round = 0; round < 50; ++round) {
    std::vector<OwnStateRow> rows;
    for (int i = 0; i < 30; ++i) {
      rows.push_back(
          {absl::StrCat("name ", random.Uniform(4)),
           absl::StrCat("value ", random.Uniform(1000)),
           absl::FromUnixMillis(static_cast<int64_t>(random.Uniform(5))),
           std::string(16, static_cast<char>(random.Uniform(3)))});
    }
    // A device sets a value at a time once.
    std::map<std::string, std::string> first;
    for (OwnStateRow& row : rows) {
      const std::string key = absl::StrCat(
          row.name, "/", absl::ToUnixMillis(row.changed), "/", row.device);
      row.value = first.try_emplace(key, row.value).first->second;
    }
    const auto merge = [&](ClientStore& store) {
      random.Shuffle(rows.begin(), rows.end());
      for (const OwnStateRow& row : rows) {
        ASSERT_THAT(store.MergeOwnState(row), IsOk());
        if (random.Uniform(3) == 0) {
          EXPECT_FALSE(*store.MergeOwnState(row))
              << "once more changes nothing";
        }
      }
    };
    const auto dump = [](ClientStore& store) {
      std::string all;
      const auto state = store.AllOwnState();
      for (const OwnStateRow& row : *state) {
        if (!absl::StartsWith(row.name, "name ")) continue;
        absl::StrAppend(&all, row.name, "=", row.value, "@",
                        absl::ToUnixMillis(row.changed), ";");
      }
      return all;
    };
    merge(ada_.store());
    merge(ben_.store());
    ASSERT_EQ(dump(ada_.store()), dump(ben_.store())) << "round " << round;
  }
}

// ------------------------------------------------------------------- chaos --

struct ChaosCase {
  int adas;
  int bens;
  int seed;
};

class ChaosTest : public DevicesTest,
                  public ::testing::WithParamInterface<ChaosCase> {};

// Devices write, read, fall silent and start again in random order, over a
// network that loses, repeats and shuffles. In the end each device has each
// text once.
TEST_P(ChaosTest, EachDeviceHasEachTextOnce) {
  std::vector<std::unique_ptr<Person>> more;
  std::vector<Person*> adas = {&ada_};
  std::vector<Person*> bens = {&ben_};
  const auto grow = [&](std::vector<Person*>& devices, int to) {
    while (static_cast<int>(devices.size()) < to) {
      more.push_back(NewDevice());
      Link(*devices[0], *more.back());
      devices.push_back(more.back().get());
    }
  };
  grow(adas, GetParam().adas);
  grow(bens, GetParam().bens);
  std::vector<Person*> everyone = adas;
  everyone.insert(everyone.end(), bens.begin(), bens.end());
  ada_.Say(ben_, "hello");
  Settle(everyone);

  crypto::SeededRandom random(static_cast<uint64_t>(GetParam().seed));
  std::vector<std::string> said = {"hello"};
  int unreadable = 0;
  const auto receive = [&](Person& person) {
    const auto report = person.ReceiveReported();
    if (report.ok()) unreadable += report->unreadable;
    person.Flush().IgnoreError();
  };
  for (int step = 0; step < 120; ++step) {
    Person& person = *everyone[random.Uniform(everyone.size())];
    const bool is_ada =
        std::find(adas.begin(), adas.end(), &person) != adas.end();
    auto& faults = person.mail().faults();
    switch (random.Uniform(8)) {
      case 0:
      case 1:
      case 2: {
        const std::string text = absl::StrCat("text ", step);
        ASSERT_THAT(
            person.messenger().Queue(is_ada ? ben_.id() : ada_.id(), text),
            IsOk());
        said.push_back(text);
        person.Flush().IgnoreError();
        break;
      }
      case 3:
      case 4:
        receive(person);
        break;
      case 5:
        faults.offline = !faults.offline;
        faults.store_unconfirmed = 0.4 * random.UnitDouble();
        break;
      case 6:
        faults.shuffle = !faults.shuffle;
        faults.hand_out_everything_again = random.Uniform(4) == 0;
        break;
      case 7:
        person.Restart();
        clock_.Advance(absl::Minutes(1 + random.Uniform(600)));
        person.Publish().IgnoreError();
        break;
    }
  }
  for (Person* person : everyone) person->mail().faults() = {};
  for (int round = 0; round < 8; ++round) {
    for (Person* person : everyone) {
      person->Publish().IgnoreError();
      receive(*person);
    }
  }
  EXPECT_EQ(unreadable, 0);
  std::sort(said.begin(), said.end());
  for (Person* person : everyone) {
    const bool is_ada =
        std::find(adas.begin(), adas.end(), person) != adas.end();
    std::vector<std::string> texts = Texts(*person, is_ada ? ben_ : ada_);
    std::sort(texts.begin(), texts.end());
    EXPECT_EQ(texts, said);
    const auto outbox = person->store().Outbox();
    EXPECT_THAT(*outbox, IsEmpty());
  }
}

std::vector<ChaosCase> ChaosCases() {
  std::vector<ChaosCase> cases;
  for (int seed = 0; seed < 4; ++seed) {
    for (const auto& [adas, bens] :
         {std::pair(2, 1), std::pair(2, 2), std::pair(3, 2)}) {
      cases.push_back({adas, bens, 100 * seed + 10 * adas + bens});
    }
  }
  return cases;
}

INSTANTIATE_TEST_SUITE_P(Seeds, ChaosTest, ::testing::ValuesIn(ChaosCases()),
                         [](const auto& info) {
                           return absl::StrCat(info.param.adas, "And",
                                               info.param.bens, "Seed",
                                               info.param.seed);
                         });

}  // namespace
}  // namespace messenger::client
