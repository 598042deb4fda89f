// What comes back with the words when all devices are lost (client/SPEC.md,
// section 19).

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "client/messenger/contact_link.h"
#include "client/messenger/messenger.h"
#include "client/messenger/testing/in_memory_mail_service.h"
#include "client/messenger/testing/linking.h"
#include "client/messenger/testing/person.h"
#include "client/messenger/vault_state.h"
#include "client/store/client_store.h"
#include "crypto/base/testing/status_matchers.h"
#include "crypto/identity/account_id.h"
#include "crypto/identity/account_keys.h"
#include "crypto/identity/safety_number.h"
#include "crypto/random/testing/seeded_random.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "routing/runtime/testing/simulated_clock.h"
#include "swarm/auth/mailbox.h"

namespace messenger::client {
namespace {

using ::messenger::crypto::AccountId;
using ::messenger::testing::IsOk;
using ::messenger::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr auto kRecords = swarm::MailboxNamespace::kPrekeyRecords;

class VaultTest : public ::testing::Test {
 protected:
  VaultTest() {
    for (Person* person : {&ada_, &ben_, &carl_}) {
      EXPECT_THAT(person->Publish(), IsOk());
    }
  }

  // A person of whom only the words are left.
  std::unique_ptr<Person> Restored(Person& lost, std::string name = "") {
    return std::make_unique<Person>(
        std::move(name), network_, executor_, random_,
        lost.messenger().account_keys()->seed().Clone());
  }
  absl::Status Save(Person& person) {
    std::optional<absl::Status> status;
    person.messenger().SaveVault(
        [&](absl::StatusOr<Delivery> saved) { status = saved.status(); });
    executor_.RunUntilIdle();
    return *status;
  }
  void Know(Person& person, const Person& other, const std::string& name) {
    EXPECT_THAT(person.messenger().AddContact(other.id(), name), IsOk());
  }
  static bool Knows(Person& person, const Person& other) {
    return person.store().FindContact(other.id())->has_value();
  }
  static Contact Of(Person& person, const Person& other) {
    const auto contact = *person.store().FindContact(other.id());
    EXPECT_TRUE(contact.has_value());
    return contact.value_or(Contact(other.id()));
  }
  // Where a device of the account keeps its vault.
  static std::string VaultOf(Person& first, const DeviceId& device) {
    const auto key =
        first.messenger().account_keys()->vault_key(device.bytes());
    return std::string(crypto::AccountIdFromEd25519(key.public_key())->bytes());
  }
  static std::string VaultOf(Person& first) {
    return VaultOf(first, first.messenger().Devices()[0].id);
  }
  std::map<std::string, MailRecord>& RecordsAt(const std::string& mailbox) {
    return network_.records[{mailbox, kRecords}];
  }
  void Verify(Person& person, const Person& other) {
    EXPECT_THAT(person.messenger().Verify(
                    other.id(), crypto::SafetyNumber(person.id(), other.id())),
                IsOk());
  }
  void Talk(Person& a, Person& b) {
    a.Say(b, "hello");
    b.Receive();
    a.Receive();
  }

  routing::SimulatedClock clock_;
  routing::SimulatedExecutor executor_{clock_};
  crypto::SeededRandom random_{4711};
  InMemoryMail network_;
  Person ada_{"Ada", network_, executor_, random_};
  Person ben_{"Ben", network_, executor_, random_};
  Person carl_{"Carl", network_, executor_, random_};
};

// ------------------------------------------------------------ what returns --

TEST_F(VaultTest, ContactsDecisionsAndSettingsComeBackWithTheWords) {
  Know(ada_, ben_, "Benny");
  Talk(ada_, ben_);
  Verify(ada_, ben_);
  const absl::Time verified = *Of(ada_, ben_).verified;
  ASSERT_THAT(ada_.messenger().Arrange(ben_.id(),
                                       [](Contact& contact) {
                                         contact.muted = contact.pinned = true;
                                         contact.archived = true;
                                       }),
              IsOk());
  ASSERT_THAT(ada_.messenger().SetTimer(ben_.id(), absl::Hours(8)), IsOk());
  ASSERT_THAT(ada_.messenger().Block(carl_.id()), IsOk());
  ASSERT_THAT(ada_.messenger().WantReceipts(true), IsOk());
  ASSERT_THAT(Save(ada_), IsOk());
  clock_.Advance(absl::Hours(24 * 3));

  const auto again = Restored(ada_);
  ASSERT_THAT(again->Publish(), IsOk());
  const Contact ben = Of(*again, ben_);
  EXPECT_EQ(ben.name, "Benny");
  EXPECT_EQ(ben.standing, Standing::kContact);
  EXPECT_EQ(ben.verified, verified);
  EXPECT_FALSE(ben.devices_changed);
  EXPECT_TRUE(ben.muted && ben.archived && ben.pinned);
  EXPECT_EQ(ben.timer, absl::Hours(8));
  EXPECT_EQ(ben.timer_revision, Of(ada_, ben_).timer_revision);
  EXPECT_EQ(Of(*again, carl_).standing, Standing::kBlocked);
  EXPECT_EQ(again->messenger().name(), "Ada");
  EXPECT_TRUE(*again->messenger().ReceiptsWanted());
  EXPECT_THAT(again->TextsWith(ben_), IsEmpty());
  const auto restored = again->messenger().TakeRestored();
  ASSERT_TRUE(restored.has_value());
  EXPECT_EQ(restored->found, 1);
  EXPECT_EQ(restored->unread, 0);
  EXPECT_EQ(restored->contacts, 1);
  EXPECT_EQ(restored->blocked, 1);
  EXPECT_FALSE(again->messenger().TakeRestored().has_value());
  // It has a vault of its own by now, which says the same.
  const auto third = Restored(*again);
  ASSERT_THAT(third->Publish(), IsOk());
  EXPECT_EQ(Of(*third, ben_).name, "Benny");
  EXPECT_EQ(Of(*third, ben_).verified, verified);
}

TEST_F(VaultTest, BothSidesTalkAgain) {
  Know(ada_, ben_, "Ben");
  Know(ben_, ada_, "Ada");
  Know(ada_, carl_, "Carl");
  Know(carl_, ada_, "Ada");
  Talk(ada_, ben_);
  Talk(ada_, carl_);
  ASSERT_THAT(Save(ada_), IsOk());
  const auto again = Restored(ada_);
  ASSERT_THAT(again->Publish(), IsOk());
  // The restored one begins.
  EXPECT_EQ(again->Say(ben_, "it is me"), MessageState::kSent);
  EXPECT_THAT(ben_.Receive(), ElementsAre("it is me"));
  EXPECT_EQ(ben_.Say(*again, "welcome back"), MessageState::kSent);
  EXPECT_THAT(again->Receive(), ElementsAre("welcome back"));
  // The other one begins, having looked at the list of devices.
  clock_.Advance(absl::Hours(25));
  EXPECT_EQ(carl_.Say(*again, "where are you?"), MessageState::kSent);
  EXPECT_THAT(again->Receive(), ElementsAre("where are you?"));
  EXPECT_EQ(again->Say(carl_, "here"), MessageState::kSent);
  EXPECT_THAT(carl_.Receive(), ElementsAre("here"));
}

TEST_F(VaultTest, BlocksHoldAtOnce) {
  Know(ada_, ben_, "Ben");
  ASSERT_THAT(ada_.messenger().Block(carl_.id()), IsOk());
  ASSERT_THAT(Save(ada_), IsOk());
  const auto again = Restored(ada_);
  ASSERT_THAT(again->Publish(), IsOk());
  EXPECT_EQ(carl_.Say(*again, "let me in"), MessageState::kSent);
  EXPECT_EQ(ben_.Say(*again, "hello"), MessageState::kSent);
  EXPECT_THAT(again->Receive(), ElementsAre("hello"));
  EXPECT_THAT(*again->messenger().Requests(), IsEmpty());
}

TEST_F(VaultTest, AnInvitationThatIsBeingUsedComesBack) {
  const auto invite = ben_.messenger().MakeInvite(1, kDefaultInvite);
  ASSERT_THAT(invite.status(), IsOk());
  Know(ada_, ben_, "Ben");
  ASSERT_THAT(ada_.messenger().KeepInvite(invite->link), IsOk());
  ASSERT_THAT(Save(ada_), IsOk());
  const auto again = Restored(ada_);
  ASSERT_THAT(again->Publish(), IsOk());
  EXPECT_EQ(again->Say(ben_, "I have your link"), MessageState::kSent);
  EXPECT_THAT(ben_.Receive(), ElementsAre("I have your link"));
}

TEST_F(VaultTest, KeysOfTheNewestBackupsComeBack) {
  std::vector<std::string> keys;
  for (int i = 0; i < 7; ++i) {
    const auto key = random_.Secret<32>();
    keys.insert(keys.begin(), std::string(key.Expose()));
    clock_.Advance(absl::Hours(1));
    ASSERT_THAT(ada_.messenger().KeepBackupKey(key), IsOk());
  }
  ASSERT_THAT(Save(ada_), IsOk());
  const auto again = Restored(ada_);
  ASSERT_THAT(again->Publish(), IsOk());
  const auto kept = again->messenger().BackupKeys();
  ASSERT_THAT(kept.status(), IsOk());
  ASSERT_THAT(*kept, SizeIs(5));
  for (size_t i = 0; i < kept->size(); ++i) {
    EXPECT_EQ((*kept)[i].Expose(), keys[i]);
  }
}

TEST_F(VaultTest, WhatWasDecidedSinceRestoringStands) {
  Know(ada_, ben_, "Benny");
  ASSERT_THAT(ada_.messenger().Block(carl_.id()), IsOk());
  ASSERT_THAT(Save(ada_), IsOk());
  clock_.Advance(absl::Hours(1));
  const auto again = Restored(ada_, "Ada II");
  again->mail().faults().unreachable = {VaultOf(ada_)};
  ASSERT_THAT(again->Publish(), IsOk());
  Know(*again, ben_, "Benjamin");
  again->mail().faults().unreachable.clear();
  clock_.Advance(kVaultReadInterval);
  EXPECT_TRUE(again->messenger().renewal_due());
  ASSERT_THAT(again->Publish(), IsOk());
  EXPECT_EQ(Of(*again, ben_).name, "Benjamin");
  EXPECT_EQ(again->messenger().name(), "Ada II");
  EXPECT_EQ(Of(*again, carl_).standing, Standing::kBlocked);
}

// ---------------------------------------------------------- verified ones --

TEST_F(VaultTest, NothingGoesToAVerifiedContactWhoseDevicesChangedMeanwhile) {
  Know(ada_, ben_, "Ben");
  Know(ben_, ada_, "Ada");
  Talk(ada_, ben_);
  Verify(ada_, ben_);
  ASSERT_THAT(Save(ada_), IsOk());
  ASSERT_THAT(Save(ben_), IsOk());
  // Or somebody who has found Ben's words.
  const auto moved = Restored(ben_);
  ASSERT_THAT(moved->Publish(), IsOk());
  // The mark goes on where nobody wrote in between.
  const auto first = Restored(ada_);
  ASSERT_THAT(first->Publish(), IsOk());
  const auto again = Restored(*first);
  ASSERT_THAT(again->Publish(), IsOk());
  EXPECT_NE(again->Say(*moved, "a secret"), MessageState::kSent);
  EXPECT_TRUE(Of(*again, ben_).devices_changed);
  EXPECT_THAT(moved->Receive(), IsEmpty());
  Verify(*again, *moved);
  ASSERT_THAT(again->Flush().status(), IsOk());
  EXPECT_THAT(moved->Receive(), ElementsAre("a secret"));
}

TEST_F(VaultTest, AVerifiedContactWithTheSameDevicesIsWrittenTo) {
  Know(ada_, ben_, "Ben");
  Talk(ada_, ben_);
  Verify(ada_, ben_);
  ASSERT_THAT(Save(ada_), IsOk());
  const auto again = Restored(ada_);
  ASSERT_THAT(again->Publish(), IsOk());
  EXPECT_EQ(again->Say(ben_, "hello"), MessageState::kSent);
  EXPECT_FALSE(Of(*again, ben_).devices_changed);
}

TEST_F(VaultTest, ALateVaultComparesWithTheDevicesThatAreKnownByThen) {
  Know(ada_, ben_, "Ben");
  Talk(ada_, ben_);
  Verify(ada_, ben_);
  ASSERT_THAT(Save(ada_), IsOk());
  const auto moved = Restored(ben_);
  ASSERT_THAT(moved->Publish(), IsOk());
  const auto again = Restored(ada_);
  again->mail().faults().unreachable = {VaultOf(ada_)};
  ASSERT_THAT(again->Publish(), IsOk());
  EXPECT_EQ(again->Say(*moved, "who is this?"), MessageState::kSent);
  again->mail().faults().unreachable.clear();
  clock_.Advance(kVaultReadInterval);
  ASSERT_THAT(again->Publish(), IsOk());
  EXPECT_TRUE(Of(*again, ben_).verified.has_value());
  EXPECT_TRUE(Of(*again, ben_).devices_changed);
}

// ---------------------------------------------------------- several devices --

TEST_F(VaultTest, WhatALinkedDeviceDecidedAloneComesBackToo) {
  Know(ada_, ben_, "Ben");
  Person tablet(Person::NewDevice(), network_, executor_, random_);
  Link(ada_, tablet);
  ASSERT_THAT(Save(ada_), IsOk());
  // The first device is lost; only the tablet goes on.
  clock_.Advance(absl::Hours(24));
  Know(tablet, carl_, "Carl");
  ASSERT_THAT(tablet.messenger().Block(ben_.id()), IsOk());
  ASSERT_THAT(Save(tablet), IsOk());
  const auto again = Restored(ada_);
  ASSERT_THAT(again->Publish(), IsOk());
  EXPECT_EQ(again->messenger().TakeRestored()->found, 2);
  EXPECT_EQ(Of(*again, carl_).name, "Carl");
  EXPECT_EQ(Of(*again, ben_).standing, Standing::kBlocked);
  EXPECT_EQ(Of(*again, ben_).name, "Ben");
}

TEST_F(VaultTest, TheVaultOfAnUnlinkedDeviceIsNotRead) {
  Know(ada_, ben_, "Ben");
  Person tablet(Person::NewDevice(), network_, executor_, random_);
  Link(ada_, tablet);
  const DeviceId stolen = ada_.messenger().Devices()[1].id;
  ASSERT_THAT(ada_.messenger().UnlinkDevice(stolen), IsOk());
  ASSERT_THAT(ada_.Publish(), IsOk());
  ASSERT_THAT(Save(ada_), IsOk());
  // It has not heard of that, or does not care.
  clock_.Advance(absl::Minutes(1));
  ASSERT_THAT(tablet.messenger().Block(ben_.id()), IsOk());
  ASSERT_THAT(Save(tablet), IsOk());
  ASSERT_THAT(RecordsAt(VaultOf(ada_, stolen)), SizeIs(1));
  const auto again = Restored(ada_);
  ASSERT_THAT(again->Publish(), IsOk());
  EXPECT_EQ(again->messenger().TakeRestored()->found, 1);
  EXPECT_EQ(Of(*again, ben_).standing, Standing::kContact);
}

TEST_F(VaultTest, ADeviceLinkedByAnOlderProgramKeepsNone) {
  Person tablet(Person::NewDevice(), network_, executor_, random_);
  Link(ada_, tablet);
  EXPECT_THAT(tablet.messenger().Vault().status(), IsOk());
  ASSERT_THAT(tablet.store().SetSetting("vault/key", ""), IsOk());
  EXPECT_THAT(tablet.messenger().Vault().status(),
              StatusIs(absl::StatusCode::kFailedPrecondition));
  Know(tablet, ben_, "Ben");
  clock_.Advance(absl::Hours(1));
  const int before = tablet.mail().records_put();
  ASSERT_THAT(tablet.Publish(), IsOk());
  EXPECT_EQ(tablet.mail().records_put(), before);
}

// ----------------------------------------------------------------- writing --

TEST_F(VaultTest, ChangesAreWrittenTogetherAfterSomeMinutes) {
  // By hand the first time, so that there is one.
  ASSERT_THAT(Save(ada_), IsOk());
  std::set<absl::Duration> delays;
  for (int round = 0; round < 8; ++round) {
    const int before = ada_.mail().records_put();
    Know(ada_, ben_, absl::StrCat("Ben ", round));
    EXPECT_FALSE(ada_.messenger().renewal_due());
    EXPECT_TRUE(ada_.messenger().Vault()->pending);
    absl::Duration waited;
    while (!ada_.messenger().renewal_due()) {
      ASSERT_THAT(ada_.Publish(), IsOk());
      EXPECT_EQ(ada_.mail().records_put(), before);
      clock_.Advance(absl::Seconds(10));
      waited += absl::Seconds(10);
      ASSERT_LE(waited, kLongestVaultDelay);
      Know(ada_, carl_, absl::StrCat("Carl ", round));
    }
    EXPECT_GE(waited, kShortestVaultDelay);
    delays.insert(waited);
    ASSERT_THAT(ada_.Publish(), IsOk());
    EXPECT_EQ(ada_.mail().records_put(), before + 1);
    EXPECT_FALSE(ada_.messenger().Vault()->pending);
    EXPECT_FALSE(ada_.messenger().renewal_due());
  }
  EXPECT_GT(delays.size(), 4u) << "the delay is always the same";
}

TEST_F(VaultTest, WithoutAChangeItIsWrittenOnceAWeekAndKeptRegistered) {
  Know(ada_, ben_, "Ben");
  ASSERT_THAT(Save(ada_), IsOk());
  const std::string vault = VaultOf(ada_);
  std::set<std::string> bodies = {RecordsAt(vault).begin()->second.body};
  for (int day = 1; day <= 28; ++day) {
    clock_.Advance(absl::Hours(24));
    network_.registered.insert(vault);
    ASSERT_THAT(ada_.Publish(), IsOk());
    for (const auto& [key, record] : RecordsAt(vault))
      bodies.insert(record.body);
  }
  EXPECT_THAT(bodies, SizeIs(5));
}

TEST_F(VaultTest, WhoSaysNothingHasNoVault) {
  Person nobody("", network_, executor_, random_);
  ASSERT_THAT(nobody.Publish(), IsOk());
  clock_.Advance(absl::Hours(24 * 8));
  ASSERT_THAT(nobody.Publish(), IsOk());
  EXPECT_THAT(RecordsAt(VaultOf(nobody)), IsEmpty());
}

TEST_F(VaultTest, AWritingThatBreaksOffLeavesTheOneBefore) {
  for (int i = 0; i < 400; ++i) {
    const auto somebody =
        AccountId::FromBytes(absl::StrCat("\x05", random_.String(32)));
    ASSERT_THAT(ada_.messenger().AddContact(*somebody, "somebody"), IsOk());
  }
  Know(ada_, ben_, "before");
  ASSERT_THAT(Save(ada_), IsOk());
  ASSERT_THAT(RecordsAt(VaultOf(ada_)), SizeIs(4));
  clock_.Advance(absl::Hours(1));
  Know(ada_, ben_, "after");
  for (int pieces = 0; pieces < 4; ++pieces) {
    ada_.mail().faults().records_left = pieces;
    EXPECT_FALSE(Save(ada_).ok());
    // A try that comes at once would tell when the network failed.
    EXPECT_FALSE(ada_.messenger().renewal_due());
    const auto again = Restored(ada_);
    InMemoryMail copy = network_;
    ASSERT_THAT(again->Publish(), IsOk());
    EXPECT_EQ(Of(*again, ben_).name, "before") << pieces;
    network_ = copy;
  }
  ada_.mail().faults().records_left = -1;
  ASSERT_THAT(Save(ada_), IsOk());
  const auto again = Restored(ada_);
  ASSERT_THAT(again->Publish(), IsOk());
  EXPECT_EQ(Of(*again, ben_).name, "after");
  EXPECT_EQ(again->messenger().TakeRestored()->contacts, 401);
}

TEST_F(VaultTest, WhatHasNoRoomIsCounted) {
  for (int i = 0; i < 1000; ++i) {
    const auto somebody =
        AccountId::FromBytes(absl::StrCat("\x05", random_.String(32)));
    ASSERT_THAT(ada_.messenger().AddContact(*somebody, "somebody"), IsOk());
  }
  const auto state = ada_.messenger().Vault();
  ASSERT_THAT(state.status(), IsOk());
  EXPECT_GT(state->left_out, 0);
  EXPECT_GE(state->contacts, 800);
  EXPECT_EQ(state->contacts + state->left_out, 1000);
  EXPECT_THAT(Save(ada_), IsOk());
  EXPECT_FALSE(ada_.messenger().Vault()->pending);
}

TEST_F(VaultTest, AnOldCopyOfTheDatabaseGoesOnFromWhatIsStored) {
  Know(ada_, ben_, "Ben");
  ada_.SaveCopy();
  // With a clock that stands, numbers run ahead of it.
  for (int i = 0; i < 3; ++i) ASSERT_THAT(Save(ada_), IsOk());
  ada_.PutCopyBack();
  Know(ada_, ben_, "Benny");
  EXPECT_THAT(Save(ada_), StatusIs(absl::StatusCode::kAborted));
  ASSERT_THAT(Save(ada_), IsOk());
  const auto again = Restored(ada_);
  ASSERT_THAT(again->Publish(), IsOk());
  EXPECT_EQ(Of(*again, ben_).name, "Benny");
}

TEST_F(VaultTest, AMailboxThatWasForgottenIsRegisteredAgain) {
  Know(ada_, ben_, "Ben");
  ASSERT_THAT(Save(ada_), IsOk());
  network_.registered.erase(VaultOf(ada_));
  EXPECT_FALSE(Save(ada_).ok());
  EXPECT_THAT(Save(ada_), IsOk());
}

// ------------------------------------------------------------ other swarms --

TEST_F(VaultTest, NodesSeeNoNamesAndNoIdsAndNotWhoseItIs) {
  Know(ada_, ben_, "zebra-crossing");
  ASSERT_THAT(ada_.messenger().SetName("walrus-tusk"), IsOk());
  ASSERT_THAT(Save(ada_), IsOk());
  const std::string vault = VaultOf(ada_);
  EXPECT_NE(vault, ada_.id().bytes());
  ASSERT_THAT(RecordsAt(vault), SizeIs(1));
  for (const auto& [key, record] : RecordsAt(vault)) {
    EXPECT_THAT(record.body, SizeIs(8'192));
    EXPECT_EQ(key, std::string(16, '\0'));
    for (const std::string& secret :
         {std::string("zebra"), std::string("walrus"), std::string("Ada"),
          std::string(ben_.id().bytes().substr(1)),
          std::string(ada_.id().bytes().substr(1)),
          std::string(ada_.messenger().Devices()[0].id.bytes()),
          vault.substr(1)}) {
      EXPECT_FALSE(absl::StrContains(record.body, secret));
    }
  }
  // The account's own mailbox says nothing of it.
  for (const auto& [box, records] : network_.records) {
    if (box.first == vault) continue;
    for (const auto& [key, record] : records) {
      EXPECT_FALSE(absl::StrContains(record.body, vault.substr(1)));
    }
  }
}

TEST_F(VaultTest, AForgedVaultChangesNothing) {
  Know(ada_, ben_, "Ben");
  ASSERT_THAT(Save(ada_), IsOk());
  const auto good = RecordsAt(VaultOf(ada_));
  const auto eves = [&] {
    Person eve("Eve", network_, executor_, random_);
    EXPECT_THAT(eve.Publish(), IsOk());
    Know(eve, carl_, "Carl");
    EXPECT_THAT(Save(eve), IsOk());
    return RecordsAt(VaultOf(eve));
  }();
  const MailRecord& record = good.begin()->second;
  std::vector<MailRecord> forged;
  forged.push_back({record.key, record.sequence, std::string(8'192, 'x')});
  forged.push_back({record.key, record.sequence + 1, record.body});
  forged.push_back({record.key, record.sequence, record.body.substr(0, 8'191)});
  forged.push_back(eves.begin()->second);
  for (const MailRecord& one : forged) {
    InMemoryMail copy = network_;
    RecordsAt(VaultOf(ada_)) = {{one.key, one}};
    const auto again = Restored(ada_);
    ASSERT_THAT(again->Publish(), IsOk());
    EXPECT_FALSE(Knows(*again, ben_));
    EXPECT_FALSE(Knows(*again, carl_));
    const auto restored = again->messenger().TakeRestored();
    EXPECT_EQ(restored->found, 0);
    EXPECT_EQ(restored->unread, 1);
    // Members who have the true one answer later.
    RecordsAt(VaultOf(ada_)) = good;
    EXPECT_FALSE(again->messenger().renewal_due());
    clock_.Advance(kVaultReadInterval);
    EXPECT_TRUE(again->messenger().renewal_due());
    ASSERT_THAT(again->Publish(), IsOk());
    EXPECT_EQ(Of(*again, ben_).name, "Ben");
    network_ = copy;
  }
}

// What section 19.8 says of R members that act together.
TEST_F(VaultTest, ARolledBackVaultGivesTheContactsOfThen) {
  Know(ada_, ben_, "then");
  ASSERT_THAT(Save(ada_), IsOk());
  const auto old = RecordsAt(VaultOf(ada_));
  clock_.Advance(absl::Hours(1));
  Know(ada_, ben_, "now");
  ASSERT_THAT(Save(ada_), IsOk());
  {
    InMemoryMail copy = network_;
    RecordsAt(VaultOf(ada_)) = old;
    const auto again = Restored(ada_);
    ASSERT_THAT(again->Publish(), IsOk());
    EXPECT_EQ(Of(*again, ben_).name, "then");
    network_ = copy;
  }
  // One honest member among those read is enough.
  const auto again = Restored(ada_);
  ASSERT_THAT(again->Publish(), IsOk());
  EXPECT_EQ(Of(*again, ben_).name, "now");
}

TEST_F(VaultTest, WhoRestoresTwiceFindsWhatTheFirstAttemptCouldNotRead) {
  Know(ada_, ben_, "Ben");
  Person tablet(Person::NewDevice(), network_, executor_, random_);
  Link(ada_, tablet);
  ASSERT_THAT(Save(ada_), IsOk());
  Know(tablet, carl_, "Carl");
  ASSERT_THAT(Save(tablet), IsOk());
  const auto first = Restored(ada_);
  first->mail().faults().unreachable = {
      VaultOf(ada_, ada_.messenger().Devices()[1].id)};
  ASSERT_THAT(first->Publish(), IsOk());
  EXPECT_EQ(first->messenger().TakeRestored()->unread, 1);
  EXPECT_FALSE(Knows(*first, carl_));
  const auto second = Restored(ada_);
  ASSERT_THAT(second->Publish(), IsOk());
  EXPECT_EQ(second->messenger().TakeRestored()->found, 2);
  EXPECT_EQ(Of(*second, ben_).name, "Ben");
  EXPECT_EQ(Of(*second, carl_).name, "Carl");
}

TEST_F(VaultTest, AVaultThatNeverComesIsGivenUpAfterItsLife) {
  Know(ada_, ben_, "Ben");
  ASSERT_THAT(Save(ada_), IsOk());
  const auto again = Restored(ada_, "Ada");
  again->mail().faults().unreachable = {VaultOf(ada_)};
  ASSERT_THAT(again->Publish(), IsOk());
  EXPECT_EQ(again->messenger().Vault()->unread, 1);
  clock_.Advance(kVaultLife);
  ASSERT_THAT(again->Publish(), IsOk());
  EXPECT_EQ(again->messenger().Vault()->unread, 0);
}

TEST_F(VaultTest, WithoutAnyVaultTheAccountComesBackAlone) {
  const auto again = Restored(ben_);
  ASSERT_THAT(again->Publish(), IsOk());
  EXPECT_TRUE(again->messenger().published());
  const auto restored = again->messenger().TakeRestored();
  ASSERT_TRUE(restored.has_value());
  EXPECT_EQ(restored->found, 0);
  EXPECT_EQ(restored->unread, 0);
  EXPECT_FALSE(again->messenger().renewal_due());
}

}  // namespace
}  // namespace messenger::client
