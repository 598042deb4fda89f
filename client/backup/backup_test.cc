#include "client/backup/backup.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "client/backup/backup_record.h"
#include "client/backup/sealed_file.h"
#include "client/messenger/testing/in_memory_mail_service.h"
#include "client/messenger/testing/person.h"
#include "client/store/client_store.h"
#include "crypto/base/bytes.h"
#include "crypto/base/testing/status_matchers.h"
#include "crypto/identity/account_keys.h"
#include "crypto/identity/safety_number.h"
#include "crypto/random/testing/seeded_random.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "routing/runtime/files.h"
#include "routing/runtime/testing/simulated_clock.h"

namespace messenger::client {
namespace {

using ::messenger::crypto::AccountId;
using ::messenger::testing::IsOk;
using ::messenger::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// All that a person sees of a message, and what is to become of it.
std::string Described(Person& person, const Message& message) {
  std::string words = absl::StrCat(
      message.conversation.ToHex().substr(0, 8),
      message.outgoing ? " > " : " < ", absl::CHexEscape(message.message_id),
      " '", message.text, "' ", absl::ToUnixMillis(message.sent), " ",
      absl::ToUnixMillis(message.stored), " ", message.state, " ",
      message.detail, " ", message.kind, " ", message.removal, " ",
      absl::ToInt64Milliseconds(message.timer));
  if (message.reply_to) {
    absl::StrAppend(&words, " to ", message.reply_to->outgoing,
                    absl::CHexEscape(message.reply_to->message_id));
  }
  if (message.edited) {
    absl::StrAppend(&words, " edited ", absl::ToUnixMillis(*message.edited));
  }
  if (message.vanishes) {
    absl::StrAppend(&words, " until ", absl::ToUnixMillis(*message.vanishes));
  }
  const auto reactions = person.store().Reactions(message);
  for (const ReactionRow& reaction : *reactions) {
    absl::StrAppend(&words, " ", reaction.own, reaction.emoji,
                    absl::ToUnixMillis(reaction.sent));
  }
  return words;
}

std::vector<std::string> History(Person& person) {
  std::vector<std::string> all;
  const auto messages = person.store().Messages(std::nullopt, 1'000'000);
  for (const Message& message : *messages) {
    all.push_back(Described(person, message));
  }
  return all;
}

std::vector<std::string> Contacts(Person& person) {
  std::vector<std::string> all;
  const auto contacts = person.store().Contacts();
  for (const Contact& contact : *contacts) {
    if (contact.standing == Standing::kSelf) continue;
    all.push_back(absl::StrCat(
        contact.account.ToHex(), " ", contact.name, "/", contact.profile_name,
        " ", contact.standing, " ", absl::ToUnixMillis(contact.added), " ",
        contact.verified ? absl::ToUnixMillis(*contact.verified) : 0, " ",
        contact.devices_changed, absl::ToInt64Seconds(contact.timer), "/",
        contact.timer_revision, contact.muted ? " muted" : "",
        contact.archived ? " archived" : "", contact.pinned ? " pinned" : "",
        " ", contact.draft, " ", contact.identity_record.size()));
  }
  return all;
}

std::string PathIn(const std::string& folder, int number) {
  return absl::StrCat(folder, "/backup-", number);
}

// Ada, who makes backups, and Ben, who writes to her.
class BackupTest : public ::testing::Test {
 protected:
  BackupTest() {
    std::string pattern = absl::StrCat(::testing::TempDir(), "/backupXXXXXX");
    folder_ = mkdtemp(pattern.data());
    EXPECT_THAT(ada_.messenger().AddContact(ben_.id(), "Ben"), IsOk());
    EXPECT_THAT(ben_.messenger().AddContact(ada_.id(), "Ada"), IsOk());
    EXPECT_THAT(ada_.Publish(), IsOk());
    EXPECT_THAT(ben_.Publish(), IsOk());
    Pass(absl::Minutes(1));
  }

  void Pass(absl::Duration time) { clock_.Advance(time); }

  BackupAccount Of(Person& person) {
    return {person.store(), person.messenger(), executor_.clock(), random_};
  }

  // Of Ada; keeps the key.
  BackupReport Back() {
    key_ = random_.Secret<32>();
    path_ = PathIn(folder_, ++backups_);
    const auto report = CreateBackup(Of(ada_), path_, key_);
    EXPECT_THAT(report, IsOk());
    return report.ok() ? *report : BackupReport();
  }

  std::unique_ptr<Person> Restored(std::string name = "") {
    return std::make_unique<Person>(
        std::move(name), mail_, executor_, random_,
        ada_.messenger().account_keys()->seed().Clone());
  }

  absl::StatusOr<RestoreReport> Restore(Person& person) {
    return RestoreBackup(Of(person), path_, key_);
  }

  // An incoming text that came without a network.
  Message Came(Person& at, absl::string_view text) {
    Message message(ben_.id());
    message.message_id = random_.String(kMessageIdBytes);
    message.text = std::string(text);
    message.sent = message.stored =
        absl::FromUnixMillis(absl::ToUnixMillis(executor_.clock().Now()));
    message.state = MessageState::kReceived;
    const auto row = at.store().AddMessage(message);
    EXPECT_THAT(row, IsOk());
    message.row = *row;
    Pass(absl::Seconds(1));
    return message;
  }

  std::string Snapshot(Person& person) {
    std::string all;
    for (const auto& line : History(person)) absl::StrAppend(&all, line, "\n");
    for (const auto& line : Contacts(person)) absl::StrAppend(&all, line, "\n");
    return absl::StrCat(all, person.messenger().name());
  }

  crypto::SeededRandom random_{77};
  routing::SimulatedClock clock_;
  routing::SimulatedExecutor executor_{clock_};
  InMemoryMail mail_;
  Person ada_{"Ada", mail_, executor_, random_};
  Person ben_{"Ben B.", mail_, executor_, random_};
  std::string folder_;
  std::string path_;
  int backups_ = 0;
  BackupKey key_;
};

TEST_F(BackupTest, ANewDeviceHasTheSameHistoryAndContacts) {
  ada_.Say(ben_, "hello");
  ben_.Receive();
  ben_.Say(ada_, "hello yourself");
  ada_.Receive();
  const auto said = ada_.store().Messages(std::nullopt, 10);
  ASSERT_THAT(ada_.messenger().React((*said)[1].row, "+"), IsOk());
  ASSERT_THAT(ada_.messenger().Edit((*said)[0].row, "hello!"), IsOk());
  ASSERT_THAT(ada_.messenger().Arrange(ben_.id(),
                                       [](Contact& contact) {
                                         contact.pinned = true;
                                         contact.draft = "half a thou";
                                       }),
              IsOk());
  ASSERT_THAT(ada_.Flush(), IsOk());
  ASSERT_THAT(ada_.messenger().WantReceipts(true), IsOk());
  EXPECT_EQ(Back().messages, 2u);
  const auto fresh = Restored();
  const auto report = Restore(*fresh);
  ASSERT_THAT(report, IsOk());
  EXPECT_EQ(report->added, 2u);
  EXPECT_EQ(Snapshot(*fresh), Snapshot(ada_));
  EXPECT_EQ(fresh->messenger().name(), "Ada");
  EXPECT_TRUE(*fresh->messenger().ReceiptsWanted());
}

TEST_F(BackupTest, NothingRestoredIsReportedAsNew) {
  Came(ada_, "old");
  Back();
  const auto fresh = Restored();
  ASSERT_THAT(Restore(*fresh), IsOk());
  EXPECT_THAT(fresh->Publish(), IsOk());
  EXPECT_THAT(fresh->Receive(), IsEmpty());
}

TEST_F(BackupTest, WhatIsRestoredIsFound) {
  Came(ada_, "a needle in the hay");
  Back();
  const auto fresh = Restored();
  Came(*fresh, "later and with a needle, too");
  ASSERT_THAT(Restore(*fresh), IsOk());
  const auto found = fresh->store().Search("needle", 10);
  ASSERT_THAT(found, IsOk());
  ASSERT_THAT(*found, SizeIs(2));
  EXPECT_EQ((*found)[0].text, "a needle in the hay");
}

TEST_F(BackupTest, ASecondRestoreChangesNothing) {
  Came(ada_, "one");
  Came(ada_, "two");
  Back();
  const auto fresh = Restored();
  Came(*fresh, "three");
  ASSERT_THAT(Restore(*fresh), IsOk());
  const std::string before = Snapshot(*fresh);
  const int64_t last = *fresh->store().LastMessageRow();
  Pass(absl::Hours(1));
  const auto again = Restore(*fresh);
  ASSERT_THAT(again, IsOk());
  EXPECT_EQ(again->added, 0u);
  EXPECT_EQ(again->present, 2u);
  EXPECT_EQ(Snapshot(*fresh), before);
  EXPECT_EQ(*fresh->store().LastMessageRow(), last);
}

TEST_F(BackupTest, TheHistoryIsInTheOrderInWhichItCame) {
  Came(ada_, "one");
  const Message both = Came(ada_, "two");
  Came(ada_, "three");
  Back();
  const auto fresh = Restored();
  ASSERT_THAT(fresh->messenger().AddContact(ben_.id(), ""), IsOk());
  ASSERT_THAT(fresh->store().AddMessage(both), IsOk());
  Came(*fresh, "four");
  ASSERT_THAT(Restore(*fresh), IsOk());
  EXPECT_THAT(fresh->TextsWith(ben_),
              ElementsAre("one", "two", "three", "four"));
}

// What waits in the outbox knows its text by its row.
TEST_F(BackupTest, ATextThatWaitsIsStillSentAndKnown) {
  Came(ada_, "one");
  Back();
  const auto fresh = Restored();
  EXPECT_THAT(fresh->Publish(), IsOk());
  ASSERT_THAT(fresh->messenger().AddContact(ben_.id(), ""), IsOk());
  ASSERT_THAT(fresh->messenger().Queue(ben_.id(), "waits"), IsOk());
  ASSERT_THAT(Restore(*fresh), IsOk());
  ASSERT_THAT(fresh->Flush(), IsOk());
  EXPECT_THAT(ben_.Receive(), ElementsAre("waits"));
  const auto messages = fresh->store().Messages(ben_.id(), 10);
  EXPECT_EQ(messages->back().text, "waits");
  EXPECT_EQ(messages->back().state, MessageState::kSent);
}

TEST_F(BackupTest, WhatWasNotReportedYetStillIs) {
  Came(ada_, "one");
  Back();
  const auto fresh = Restored();
  EXPECT_THAT(fresh->Publish(), IsOk());
  ASSERT_THAT(fresh->messenger().AddContact(ben_.id(), ""), IsOk());
  fresh->ConfirmWhatIsShown();
  Came(*fresh, "shown");
  const auto report = fresh->ReceiveReported();
  ASSERT_THAT(fresh->messenger().ConfirmShown(report->messages), IsOk());
  Came(*fresh, "not shown");
  ASSERT_THAT(Restore(*fresh), IsOk());
  EXPECT_THAT(fresh->Receive(), ElementsAre("not shown"));
}

TEST_F(BackupTest, WhatWasRemovedHereStaysRemoved) {
  const Message gone = Came(ada_, "gone");
  Came(ada_, "stays");
  Back();
  ASSERT_THAT(ada_.messenger().Delete(gone.row), IsOk());
  ASSERT_THAT(Restore(ada_), IsOk());
  EXPECT_THAT(ada_.TextsWith(ben_), ElementsAre("stays"));
}

TEST_F(BackupTest, WhatIsHereStaysAsItIs) {
  ada_.Say(ben_, "first words");
  Back();
  const auto said = ada_.store().Messages(std::nullopt, 1);
  ASSERT_THAT(ada_.messenger().Edit((*said)[0].row, "second words"), IsOk());
  ASSERT_THAT(Restore(ada_), IsOk());
  EXPECT_THAT(ada_.TextsWith(ben_), ElementsAre("second words"));
}

TEST_F(BackupTest, WhatShouldHaveVanishedDoesNotComeBack) {
  Message short_lived(ben_.id());
  short_lived.message_id = random_.String(kMessageIdBytes);
  short_lived.text = "for an hour";
  short_lived.stored = executor_.clock().Now();
  short_lived.state = MessageState::kReceived;
  short_lived.timer = absl::Hours(1);
  short_lived.vanishes = executor_.clock().Now() + absl::Hours(1);
  ASSERT_THAT(ada_.store().AddMessage(short_lived), IsOk());
  // Its time has not begun: the file does not stop it.
  Message unread = short_lived;
  unread.message_id = random_.String(kMessageIdBytes);
  unread.text = "for two hours, unread";
  unread.timer = absl::Hours(2);
  unread.vanishes.reset();
  ASSERT_THAT(ada_.store().AddMessage(unread), IsOk());
  Back();
  Pass(absl::Minutes(90));
  const auto fresh = Restored();
  ASSERT_THAT(Restore(*fresh), IsOk());
  EXPECT_THAT(fresh->TextsWith(ben_), ElementsAre("for two hours, unread"));
  Pass(absl::Minutes(31));
  fresh->Restart();
  EXPECT_THAT(fresh->TextsWith(ben_), IsEmpty());
  ASSERT_THAT(Restore(*fresh), IsOk());
  EXPECT_THAT(fresh->TextsWith(ben_), IsEmpty());
  EXPECT_THAT(*fresh->store().Search("hour", 10), IsEmpty());
}

TEST_F(BackupTest, ATextThatHadNotLeftHasFailed) {
  ASSERT_THAT(ada_.messenger().Queue(ben_.id(), "unsent"), IsOk());
  Back();
  const auto fresh = Restored();
  ASSERT_THAT(Restore(*fresh), IsOk());
  const auto messages = fresh->store().Messages(ben_.id(), 1);
  EXPECT_EQ((*messages)[0].state, MessageState::kFailed);
  EXPECT_THAT((*messages)[0].detail, HasSubstr("backup"));
  EXPECT_THAT(*fresh->store().Outbox(), IsEmpty());
}

TEST_F(BackupTest, NewerDecisionsStand) {
  ASSERT_THAT(ada_.messenger().Arrange(
                  ben_.id(), [](Contact& contact) { contact.muted = true; }),
              IsOk());
  Back();
  Pass(absl::Hours(1));
  ASSERT_THAT(ada_.messenger().AddContact(ben_.id(), "Benjamin"), IsOk());
  ASSERT_THAT(ada_.messenger().Arrange(
                  ben_.id(), [](Contact& contact) { contact.muted = false; }),
              IsOk());
  ASSERT_THAT(ada_.messenger().SetTimer(ben_.id(), absl::Hours(8)), IsOk());
  ASSERT_THAT(ada_.messenger().SetName("Ada L."), IsOk());
  ASSERT_THAT(ada_.messenger().Block(ben_.id()), IsOk());
  const std::string before = Snapshot(ada_);
  ASSERT_THAT(Restore(ada_), IsOk());
  EXPECT_EQ(Snapshot(ada_), before);
}

TEST_F(BackupTest, BlockedStaysBlockedOnTheNewDevice) {
  Came(ada_, "before the quarrel");
  ASSERT_THAT(ada_.messenger().Block(ben_.id()), IsOk());
  Back();
  const auto fresh = Restored();
  ASSERT_THAT(Restore(*fresh), IsOk());
  EXPECT_EQ((*fresh->store().FindContact(ben_.id()))->standing,
            Standing::kBlocked);
  EXPECT_THAT(fresh->TextsWith(ben_), ElementsAre("before the quarrel"));
}

TEST_F(BackupTest, ANameGivenHereStaysWhenNobodyKnowsWhichIsNewer) {
  Back();
  const auto fresh = Restored("Ada the second");
  ASSERT_THAT(Restore(*fresh), IsOk());
  EXPECT_EQ(fresh->messenger().name(), "Ada the second");
}

// Somebody wrote before the backup was there to say who it is.
TEST_F(BackupTest, ARequestOfAContactBecomesAConversation) {
  Came(ada_, "long ago");
  Back();
  const auto fresh = Restored();
  EXPECT_THAT(fresh->Publish(), IsOk());
  Pass(absl::Hours(49));
  EXPECT_THAT(ben_.Publish(), IsOk());
  EXPECT_EQ(ben_.Say(*fresh, "are you back?"), MessageState::kSent);
  EXPECT_THAT(fresh->Receive(), IsEmpty());
  ASSERT_THAT(Restore(*fresh), IsOk());
  EXPECT_THAT(fresh->Receive(), ElementsAre("are you back?"));
  EXPECT_THAT(fresh->TextsWith(ben_), ElementsAre("long ago", "are you back?"));
}

// The mark says which devices were compared, so the backup brings them along.
TEST_F(BackupTest, DevicesThatChangedSinceAVerifiedBackupAreNoticed) {
  ada_.Say(ben_, "hello");
  ben_.Receive();
  ASSERT_THAT(ada_.messenger().Verify(
                  ben_.id(), crypto::SafetyNumber(ada_.id(), ben_.id())),
              IsOk());
  Back();
  // Ben's account moves to another device.
  Person thief("Ben", mail_, executor_, random_,
               ben_.messenger().account_keys()->seed().Clone());
  EXPECT_THAT(thief.Publish(), IsOk());
  const auto fresh = Restored();
  EXPECT_THAT(fresh->Publish(), IsOk());
  ASSERT_THAT(Restore(*fresh), IsOk());
  EXPECT_TRUE((*fresh->store().FindContact(ben_.id()))->verified.has_value());
  EXPECT_EQ(fresh->Say(thief, "only for Ben"), MessageState::kQueued);
  EXPECT_TRUE((*fresh->store().FindContact(ben_.id()))->devices_changed);
}

TEST_F(BackupTest, DevicesThatChangedBeforeTheRestoreAreNoticed) {
  ada_.Say(ben_, "hello");
  ben_.Receive();
  ASSERT_THAT(ada_.messenger().Verify(
                  ben_.id(), crypto::SafetyNumber(ada_.id(), ben_.id())),
              IsOk());
  Back();
  Person thief("Ben", mail_, executor_, random_,
               ben_.messenger().account_keys()->seed().Clone());
  EXPECT_THAT(thief.Publish(), IsOk());
  const auto fresh = Restored();
  EXPECT_THAT(fresh->Publish(), IsOk());
  EXPECT_EQ(fresh->Say(thief, "whoever you are"), MessageState::kSent);
  ASSERT_THAT(Restore(*fresh), IsOk());
  EXPECT_TRUE((*fresh->store().FindContact(ben_.id()))->devices_changed);
  EXPECT_EQ(fresh->Say(thief, "only for Ben"), MessageState::kQueued);
}

TEST_F(BackupTest, RequestsAreLeftOut) {
  Person eve{"Eve", mail_, executor_, random_};
  EXPECT_THAT(eve.Publish(), IsOk());
  EXPECT_EQ(eve.Say(ada_, "psst"), MessageState::kSent);
  ada_.Receive();
  const BackupReport report = Back();
  EXPECT_EQ(report.contacts, 1u);
  EXPECT_EQ(report.messages, 0u);
}

TEST_F(BackupTest, OfAnotherAccountChangesNothing) {
  Came(ada_, "private");
  Back();
  const std::string before = Snapshot(ben_);
  EXPECT_THAT(Restore(ben_), StatusIs(absl::StatusCode::kPermissionDenied));
  EXPECT_EQ(Snapshot(ben_), before);
}

TEST_F(BackupTest, ADamagedFileChangesNothing) {
  for (int i = 0; i < 60; ++i) Came(ada_, std::string(6'000, 'a'));
  Back();
  const std::string whole = *routing::ReadFile(path_, 1 << 30);
  const auto fresh = Restored();
  Came(*fresh, "here");
  const std::string before = Snapshot(*fresh);
  const auto expect = [&](const std::string& file, absl::StatusCode code) {
    path_ = PathIn(folder_, ++backups_);
    ASSERT_THAT(routing::WriteFileAtomically(path_, file), IsOk());
    EXPECT_THAT(Restore(*fresh), StatusIs(code));
    EXPECT_EQ(Snapshot(*fresh), before);
  };
  for (size_t at = 0; at < whole.size(); at += whole.size() / 40) {
    expect(whole.substr(0, at), at < 8 ? absl::StatusCode::kInvalidArgument
                                       : absl::StatusCode::kDataLoss);
    std::string flipped = whole;
    flipped[at] = static_cast<char>(flipped[at] ^ 64);
    expect(flipped, at < 8 ? absl::StatusCode::kInvalidArgument
                           : absl::StatusCode::kDataLoss);
  }
  key_ = random_.Secret<32>();
  expect(whole, absl::StatusCode::kUnauthenticated);
}

// By somebody who has the key, or a program with a bug.
TEST_F(BackupTest, RecordsThatAreNotAsTheyShouldBeChangeNothing) {
  Contact contact(ben_.id());
  contact.timer_revision = 9;
  Message message = Came(ada_, "kept");
  message.message_id = random_.String(kMessageIdBytes);
  message.text = "forged";
  const std::string head =
      EncodeRecord(BackupHead{ada_.id(), executor_.clock().Now()});
  const std::string someone = EncodeRecord(KeptContact{contact});
  const std::string text = EncodeRecord(KeptMessage{message, {}});
  const std::string end = EncodeRecord(BackupEnd{1, 1});
  const std::string none = EncodeRecord(BackupEnd{0, 0});
  const std::string before = Snapshot(ada_);
  const auto restore = [&](const std::vector<std::string>& records) {
    key_ = random_.Secret<32>();
    path_ = PathIn(folder_, ++backups_);
    const auto file = SealedFileWriter::Create(path_, key_, random_);
    for (const std::string& record : records) {
      EXPECT_THAT((*file)->Append(crypto::ByteWriter().Var32(record).Take()),
                  IsOk());
    }
    EXPECT_THAT((*file)->Finish(), IsOk());
    return Restore(ada_).status();
  };
  for (const std::vector<std::string>& records :
       std::vector<std::vector<std::string>>{
           {},
           {none},
           {head},
           {head, head, none},
           {someone, text, end},
           {head, someone, text},
           {head, someone, text, none},
           {head, text, someone, end},
           {head, someone, text, end, text},
           {head, someone, text + "x", end},
           {head, someone, text.substr(0, text.size() - 1), end},
           {head, someone, text, "\6", end},
           {head, someone, text, "", end},
           {head, someone, std::string(kMaxRecordBytes + 1, '\4'), end}}) {
    EXPECT_THAT(restore(records), StatusIs(absl::StatusCode::kDataLoss));
    EXPECT_EQ(Snapshot(ada_), before);
  }
  // Nothing else was wrong with them.
  EXPECT_THAT(restore({head, someone, text, end}), IsOk());
  EXPECT_THAT(ada_.TextsWith(ben_), ElementsAre("kept", "forged"));
}

TEST_F(BackupTest, NothingOfItIsInTheClear) {
  Came(ada_, "a marked message");
  ASSERT_THAT(ada_.messenger().AddContact(ben_.id(), "Marked Ben"), IsOk());
  Back();
  const std::string file = *routing::ReadFile(path_, 1 << 30);
  for (const absl::string_view marker :
       {absl::string_view("a marked message"), absl::string_view("Marked"),
        absl::string_view("Ada"), ben_.id().bytes(), ada_.id().bytes(),
        absl::string_view("standing")}) {
    EXPECT_FALSE(absl::StrContains(file, marker)) << marker;
  }
}

// ------------------------------------------------------------ random ones --

class RandomHistoryTest : public BackupTest,
                          public ::testing::WithParamInterface<int> {
 protected:
  RandomHistoryTest() {
    for (int i = 0; i < GetParam(); ++i) random_.U64();
  }

  bool Chance(uint64_t one_in) { return random_.Uniform(one_in) == 0; }
  absl::Time SomeTime() {
    return absl::FromUnixMillis(
        static_cast<int64_t>(1'700'000'000'000 + random_.Uniform(1'000'000)));
  }

  Message Random(const AccountId& with) {
    Message message(with);
    message.outgoing = Chance(2);
    message.message_id = random_.String(kMessageIdBytes);
    message.text = std::string(random_.Uniform(300), 'a');
    if (Chance(50)) message.text.append(200'000, 'b');
    message.sent = SomeTime();
    stored_ +=
        absl::Milliseconds(static_cast<int64_t>(1 + random_.Uniform(99)));
    message.stored = stored_;
    message.state = !message.outgoing ? MessageState::kReceived
                    : Chance(2)       ? MessageState::kSent
                                      : MessageState::kRead;
    if (Chance(9)) message.kind = MessageKind::kTimer;
    if (Chance(4)) {
      message.reply_to = MessageKey{Chance(2), random_.String(kMessageIdBytes)};
    }
    if (Chance(5)) message.edited = SomeTime();
    if (Chance(4)) {
      message.timer = absl::Hours(24 * 7);
      message.vanishes = executor_.clock().Now() + absl::Hours(24 * 9);
    }
    if (Chance(6)) message.detail = "because";
    return message;
  }

  absl::Time stored_ = absl::FromUnixMillis(1'700'000'000'000);
};

INSTANTIATE_TEST_SUITE_P(Seeds, RandomHistoryTest, ::testing::Range(0, 8));

// For any history: a new device ends with the same, and one that has a part of
// it, too, whichever part.
TEST_P(RandomHistoryTest, ComesBackWhole) {
  const auto whole = Restored();
  const auto part = Restored();
  std::vector<AccountId> people = {ben_.id()};
  for (int i = 0; i < 3; ++i) {
    people.push_back(crypto::AccountKeys::Generate(random_).id());
    ASSERT_THAT(
        ada_.messenger().AddContact(people.back(), absl::StrCat("friend ", i)),
        IsOk());
  }
  const uint64_t count = random_.Uniform(300);
  for (uint64_t i = 0; i < count; ++i) {
    Message message = Random(people[random_.Uniform(people.size())]);
    const auto row = ada_.store().AddMessage(message);
    ASSERT_THAT(row, IsOk());
    const bool removed = Chance(12);
    if (Chance(2)) {
      const auto copy = part->store().AddMessage(message);
      ASSERT_THAT(copy, IsOk());
      message.row = *copy;
      if (removed) {
        ASSERT_THAT(part->store().RemoveMessage(message, Removal::kUnsent),
                    IsOk());
      }
    }
    message.row = *row;
    if (removed) {
      ASSERT_THAT(ada_.store().RemoveMessage(message, Removal::kUnsent),
                  IsOk());
    }
  }
  Back();
  for (Person* person : {whole.get(), part.get()}) {
    ASSERT_THAT(Restore(*person), IsOk());
    EXPECT_EQ(History(*person), History(ada_));
    EXPECT_EQ(Contacts(*person), Contacts(ada_));
  }
}

}  // namespace
}  // namespace messenger::client
