#include "client/store/client_store.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "client/store/keyslot.h"
#include "client/store/testing/database_dump.h"
#include "crypto/base/status_macros.h"
#include "crypto/base/testing/status_matchers.h"
#include "crypto/identity/account_id.h"
#include "crypto/identity/account_keys.h"
#include "crypto/random/testing/seeded_random.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "routing/runtime/sqlite/database.h"

namespace messenger::client {
namespace {

using ::messenger::crypto::AccountId;
using ::messenger::testing::IsOk;
using ::messenger::testing::IsOkAndHolds;
using ::messenger::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::Optional;
using ::testing::SizeIs;

constexpr absl::Time kNow = absl::FromUnixSeconds(1'800'000'000);

class ClientStoreTest : public ::testing::Test {
 protected:
  ClientStoreTest() {
    std::string pattern = absl::StrCat(::testing::TempDir(), "/storeXXXXXX");
    folder_ = mkdtemp(pattern.data());
    Reopen();
  }

  void Reopen() {
    store_.reset();
    absl::StatusOr<std::unique_ptr<ClientStore>> opened =
        ClientStore::Open(folder_, key_, random_);
    ASSERT_THAT(opened.status(), IsOk());
    store_ = *std::move(opened);
  }

  AccountId Account() { return crypto::AccountKeys::Generate(random_).id(); }

  Message Incoming(const AccountId& from, absl::string_view id,
                   absl::string_view text) {
    Message message(from);
    message.message_id = std::string(id);
    message.text = std::string(text);
    message.sent = message.stored = absl::FromUnixSeconds(1'800'000'000);
    message.state = MessageState::kReceived;
    return message;
  }

  std::string AllFiles() {
    std::string all;
    for (const char* name : {"/messages.db", "/messages.db-wal"}) {
      std::ifstream in(folder_ + name, std::ios::binary);
      all.append(std::istreambuf_iterator<char>(in), {});
    }
    return all;
  }

  crypto::SeededRandom random_{11};
  DatabaseKey key_ = random_.Secret<32>();
  std::string folder_;
  std::unique_ptr<ClientStore> store_;
};

TEST_F(ClientStoreTest, SettingsSurviveAReopening) {
  ASSERT_THAT(store_->SetSetting("name", "Ada"), IsOk());
  ASSERT_THAT(store_->SetSetting("name", "Ada L."), IsOk());
  Reopen();
  EXPECT_THAT(*store_->Setting("name"), Optional(std::string("Ada L.")));
  EXPECT_EQ(*store_->Setting("other"), std::nullopt);
}

TEST_F(ClientStoreTest, AnotherKeyDoesNotOpenIt) {
  store_.reset();
  EXPECT_THAT(
      ClientStore::Open(folder_, random_.Secret<32>(), random_).status(),
      StatusIs(absl::StatusCode::kUnauthenticated));
}

TEST_F(ClientStoreTest, NothingLiesInTheClear) {
  const AccountId ben = Account();
  Contact contact(ben);
  contact.name = "Benjamin the marker";
  ASSERT_THAT(store_->PutContact(contact), IsOk());
  ASSERT_THAT(
      store_->AddMessage(Incoming(ben, "id", "a marked message")).status(),
      IsOk());
  const std::string files = AllFiles();
  EXPECT_GT(files.size(), 4096u);
  EXPECT_FALSE(absl::StrContains(files, "Benjamin the marker"));
  EXPECT_FALSE(absl::StrContains(files, "a marked message"));
  EXPECT_FALSE(absl::StrContains(files, ben.bytes()));
  EXPECT_FALSE(absl::StrContains(files, "CREATE TABLE"));
}

TEST_F(ClientStoreTest, AMessageIsShownOnceHoweverOftenItArrives) {
  const AccountId ben = Account();
  const AccountId eve = Account();
  ASSERT_THAT(store_->AddMessage(Incoming(ben, "id1", "hi")).status(), IsOk());
  EXPECT_THAT(store_->AddMessage(Incoming(ben, "id1", "hi")).status(),
              StatusIs(absl::StatusCode::kAlreadyExists));
  // Another conversation cannot use up the id.
  EXPECT_THAT(store_->AddMessage(Incoming(eve, "id1", "hm")).status(), IsOk());
  EXPECT_THAT(*store_->Messages(ben, 10),
              ElementsAre(Field(&Message::text, "hi")));
}

TEST_F(ClientStoreTest, HistoryIsTheNewestInOrder) {
  const AccountId ben = Account();
  for (int i = 0; i < 5; ++i) {
    ASSERT_THAT(store_
                    ->AddMessage(Incoming(ben, absl::StrCat("id", i),
                                          absl::StrCat("text ", i)))
                    .status(),
                IsOk());
  }
  EXPECT_THAT(*store_->Messages(ben, 2),
              ElementsAre(Field(&Message::text, "text 3"),
                          Field(&Message::text, "text 4")));
  EXPECT_EQ(store_->Messages(std::nullopt, 100)->size(), 5u);
  EXPECT_THAT(*store_->IncomingAfter(4),
              ElementsAre(Field(&Message::text, "text 4")));
}

TEST_F(ClientStoreTest, AFailedEventLeavesNoTrace) {
  const AccountId ben = Account();
  EXPECT_THAT(store_->Transaction([&]() -> absl::Status {
    RETURN_IF_ERROR(store_->PutSession({"sid", ben, "advanced"}));
    RETURN_IF_ERROR(store_->AddMessage(Incoming(ben, "id", "hi")).status());
    RETURN_IF_ERROR(store_->MarkSeen("box", "id", kNow).status());
    return absl::DataLossError("cut off here");
  }),
              StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(*store_->Sessions(ben), IsEmpty());
  EXPECT_THAT(*store_->Messages(ben, 10), IsEmpty());
  EXPECT_THAT(store_->MarkSeen("box", "id", kNow), IsOkAndHolds(true));
}

TEST_F(ClientStoreTest, SeenMarksEndWithTheirMessage) {
  const absl::Time now = absl::FromUnixSeconds(1'800'000'000);
  EXPECT_THAT(store_->MarkSeen("box", "id", now), IsOkAndHolds(true));
  EXPECT_THAT(store_->MarkSeen("box", "id", now), IsOkAndHolds(false));
  EXPECT_THAT(store_->MarkSeen("other box", "id", now), IsOkAndHolds(true));
  ASSERT_THAT(store_->ForgetSeenBefore(now + absl::Seconds(1)), IsOk());
  EXPECT_THAT(store_->MarkSeen("box", "id", now), IsOkAndHolds(true));
}

TEST_F(ClientStoreTest, WhatStrangersWroteIsNoPartOfWhatIsNewOrOfTheHistory) {
  Contact stranger(Account());
  stranger.standing = Standing::kRequest;
  stranger.standing_since = absl::FromUnixSeconds(1'800'000'000);
  ASSERT_THAT(store_->PutContact(stranger), IsOk());
  const std::optional<Contact> found = *store_->FindContact(stranger.account);
  EXPECT_EQ(found->standing, Standing::kRequest);
  EXPECT_EQ(found->standing_since, stranger.standing_since);
  Message message(stranger.account);
  message.message_id = "one";
  ASSERT_THAT(store_->AddMessage(message), IsOk());
  EXPECT_THAT(*store_->IncomingAfter(0), IsEmpty());
  EXPECT_THAT(*store_->Messages(std::nullopt, 10), IsEmpty());
  EXPECT_EQ(store_->Messages(stranger.account, 10)->size(), 1u);
  stranger.standing = Standing::kBlocked;
  ASSERT_THAT(store_->PutContact(stranger), IsOk());
  EXPECT_THAT(*store_->IncomingAfter(0), IsEmpty());
  EXPECT_EQ(store_->Messages(std::nullopt, 10)->size(), 1u)
      << "the history with a blocked contact stays";
}

TEST_F(ClientStoreTest, IncomingMessagesMoveToTheEndInTheirOrder) {
  const AccountId ada = Account(), ben = Account();
  for (const char* id : {"a1", "b1", "a2", "b2"}) {
    Message message(id[0] == 'a' ? ada : ben);
    message.message_id = id;
    ASSERT_THAT(store_->AddMessage(message), IsOk());
  }
  Message own(ada);
  own.outgoing = true;
  own.message_id = "own";
  ASSERT_THAT(store_->AddMessage(own), IsOk());
  const int64_t last = store_->Messages(std::nullopt, 1)->front().row;
  ASSERT_THAT(store_->MoveIncomingToEnd(ada), IsOk());
  const auto moved = store_->IncomingAfter(last);
  ASSERT_EQ(moved->size(), 2u);
  EXPECT_EQ((*moved)[0].message_id, "a1");
  EXPECT_EQ((*moved)[1].message_id, "a2");
  EXPECT_EQ(store_->Messages(std::nullopt, 10)->size(), 5u);
}

TEST_F(ClientStoreTest, AConversationIsDeletedWithAllThatBelongsToIt) {
  const AccountId ada = Account(), ben = Account();
  for (const AccountId& peer : {ada, ben}) {
    Message message(peer);
    message.message_id = "id";
    ASSERT_THAT(store_->AddMessage(message), IsOk());
    ASSERT_THAT(store_->AddOutboxItem(OutboxItem(peer)), IsOk());
    ASSERT_THAT(store_->AddPart(peer, "text", 0, 2, "a", kNow), IsOk());
  }
  ASSERT_THAT(store_->DeleteConversation(ada), IsOk());
  EXPECT_THAT(*store_->Messages(ada, 10), IsEmpty());
  EXPECT_EQ(store_->Messages(ben, 10)->size(), 1u);
  EXPECT_EQ(store_->Outbox()->size(), 1u);
  EXPECT_EQ(*store_->AddPart(ada, "text", 1, 2, "b", kNow), std::nullopt)
      << "the first half is gone";
  EXPECT_EQ(*store_->AddPart(ben, "text", 1, 2, "b", kNow), "ab");
}

class OldDatabaseTest : public ::testing::Test {
 protected:
  OldDatabaseTest() {
    std::string pattern = absl::StrCat(::testing::TempDir(), "/oldXXXXXX");
    folder_ = mkdtemp(pattern.data());
  }
  absl::StatusOr<std::unique_ptr<sqlite::Database>> OpenDatabase() {
    sqlite::Database::Options options;
    options.key = &key_;
    return sqlite::Database::Open(absl::StrCat(folder_, "/messages.db"),
                                  options);
  }

  crypto::SeededRandom random_{3};
  const DatabaseKey key_ = random_.Secret<32>();
  std::string folder_;
};

class MigrationTest : public OldDatabaseTest,
                      public ::testing::WithParamInterface<int> {};

TEST_P(MigrationTest, KeepsWhatIsThere) {
  const AccountId ada = crypto::AccountKeys::Generate(random_).id();
  const std::string hex = absl::BytesToHexString(ada.bytes());
  {
    const auto database = OpenDatabase();
    ASSERT_THAT(database, IsOk());
    ASSERT_THAT(ClientStore::Migrate(**database, GetParam()), IsOk());
    // In the columns of the first version.
    ASSERT_THAT(
        (*database)->Exec(
            absl::StrCat("INSERT INTO contacts(account, name, added_ms, "
                         "outgoing_mailbox, incoming_mailbox, identity_record) "
                         "VALUES(x'",
                         hex,
                         "', 'Ada', 5, x'01', x'02', x'03');"
                         "INSERT INTO messages(conversation, outgoing, "
                         "message_id, text, sent_ms, stored_ms, state, detail) "
                         "VALUES(x'",
                         hex,
                         "', 0, x'04', 'old news', 6, 7, 4, "
                         "'');"
                         "INSERT INTO cursors(mailbox, namespace, node, "
                         "incarnation, sequence) "
                         "VALUES(x'05', 10, x'06', 8, 9);")
                .c_str()),
        IsOk());
  }
  const auto store = ClientStore::Open(folder_, key_, random_);
  ASSERT_THAT(store, IsOk());
  const std::optional<Contact> contact = *(*store)->FindContact(ada);
  ASSERT_TRUE(contact.has_value());
  EXPECT_EQ(contact->name, "Ada");
  EXPECT_EQ(contact->standing, Standing::kContact);
  EXPECT_FALSE(contact->verified.has_value());
  EXPECT_FALSE(contact->devices_changed);
  EXPECT_EQ((*store)->IncomingAfter(0)->size(), 1u);
  EXPECT_EQ((*store)->Search("news", 10)->size(), 1u);
  const auto cursors = (*store)->Cursors("\x05", 10);
  ASSERT_EQ(cursors->size(), 1u);
  EXPECT_EQ((*cursors)[0].sequence, 9u);
  EXPECT_EQ((*cursors)[0].challenge, 0u);
}

INSTANTIATE_TEST_SUITE_P(
    Versions, MigrationTest,
    ::testing::Range(1, static_cast<int>(ClientStore::kSchemaVersion) + 1));

TEST_F(OldDatabaseTest, ANewerOneIsLeftAlone) {
  {
    const auto database = OpenDatabase();
    ASSERT_THAT(database, IsOk());
    ASSERT_THAT((*database)->SetUserVersion(ClientStore::kSchemaVersion + 1),
                IsOk());
  }
  EXPECT_THAT(ClientStore::Open(folder_, key_, random_),
              StatusIs(absl::StatusCode::kFailedPrecondition));
}

TEST_F(OldDatabaseTest, WordsThatVanishAreSealedWhenAnOlderOneIsOpened) {
  const std::string hex = absl::BytesToHexString(
      crypto::AccountKeys::Generate(random_).id().bytes());
  {
    const auto database = OpenDatabase();
    ASSERT_THAT(database, IsOk());
    ASSERT_THAT(ClientStore::Migrate(**database, 11), IsOk());
    ASSERT_THAT(
        (*database)->Exec(
            absl::StrCat(
                "INSERT INTO messages(conversation, outgoing, message_id, "
                "text, sent_ms, stored_ms, state, detail, timer_ms) "
                "VALUES(x'",
                hex,
                "', 1, x'04', 'zyxwvut', 6, 7, 1, '', 5000);"
                "INSERT INTO outbox(message_row, peer, content, mailbox, "
                "namespace, expiry_ms, attempts, next_try_ms) "
                "VALUES(1, x'",
                hex,
                "', 'zyxwvut', x'', 0, 9, 0, 0);"
                "INSERT INTO sent_contents(peer, device, sequence, "
                "message_row, content, resends, expiry_ms) "
                "VALUES(x'",
                hex, "', x'01', 3, 1, 'zyxwvut', 0, 9)")
                .c_str()),
        IsOk());
  }
  {
    const auto store = ClientStore::Open(folder_, key_, random_);
    ASSERT_THAT(store, IsOk());
    const std::optional<Message> message = *(*store)->FindMessage(1);
    ASSERT_TRUE(message.has_value());
    EXPECT_EQ(message->text, "zyxwvut");
    EXPECT_EQ((*store)->Search("zyxw", 10)->size(), 1u);
    ASSERT_EQ((*store)->Outbox()->size(), 1u);
    EXPECT_EQ((*store)->Outbox()->at(0).content, "zyxwvut");
    EXPECT_EQ((*(*store)->FindSent(message->conversation, "\x01", 3))->content,
              "zyxwvut");
  }
  EXPECT_THAT(DumpDatabase(folder_, key_),
              IsOkAndHolds(Not(HasSubstr("zyxw"))));
}

// Words that vanish: those of a text, of what waits to be sent, and of what is
// kept to be sent again.
class VanishingTest : public ClientStoreTest {
 protected:
  int64_t Outgoing(absl::string_view id, absl::string_view text) {
    Message message(ada_);
    message.outgoing = true;
    message.message_id = std::string(id);
    message.text = std::string(text);
    message.sent = message.stored = kNow;
    message.timer = absl::Seconds(5);
    const auto row = store_->AddMessage(message);
    EXPECT_THAT(row, IsOk());
    return row.value_or(0);
  }
  OutboxItem Item(int64_t words_of, absl::string_view content) {
    OutboxItem item(ada_);
    item.words_of = words_of;
    item.device = "device";
    item.content = std::string(content);
    item.expiry = item.next_try = kNow;
    return item;
  }
  // What somebody with the key of the database reads in it.
  std::string Dump() {
    store_.reset();
    const auto dump = DumpDatabase(folder_, key_);
    EXPECT_THAT(dump, IsOk());
    Reopen();
    return dump.value_or("");
  }
  // The database of before, with the keys of now.
  void PutOldDatabaseBack(absl::FunctionRef<void()> meanwhile) {
    store_.reset();
    const std::string path = absl::StrCat(folder_, "/messages.db");
    std::filesystem::copy(path, path + "-old");
    Reopen();
    meanwhile();
    store_.reset();
    std::filesystem::rename(path + "-old", path);
    Reopen();
  }
  const AccountId ada_ = Account();
};

TEST_F(VanishingTest, TheirTextIsReadFoundAndEditedLikeAnyOther) {
  const int64_t row = Outgoing("1", "Züge nach Zyxwvut");
  EXPECT_EQ((*store_->FindMessage(row))->text, "Züge nach Zyxwvut");
  EXPECT_EQ((*store_->Messages(ada_, 9))[0].text, "Züge nach Zyxwvut");
  EXPECT_THAT(*store_->Search("zuge zyx", 10),
              ElementsAre(Field(&Message::row, row)));
  EXPECT_THAT(*store_->EditMessage(row, "Busse", kNow), true);
  EXPECT_EQ((*store_->FindMessage(row))->text, "Busse");
  EXPECT_THAT(*store_->Search("zuge", 10), IsEmpty());
  EXPECT_THAT(*store_->Search("busse", 10), SizeIs(1));
  Reopen();
  EXPECT_EQ((*store_->FindMessage(row))->text, "Busse");
}

TEST_F(VanishingTest, AnEditThatWasThereFirstIsSealed) {
  ASSERT_THAT(store_->KeepEarlyEdit(ada_, {true, "1"}, "zyxwvut",
                                    kNow + absl::Seconds(1), kNow),
              IsOk());
  const int64_t row = Outgoing("1", "old");
  EXPECT_EQ((*store_->FindMessage(row))->text, "zyxwvut");
  EXPECT_THAT(Dump(), Not(HasSubstr("zyxw")));
}

TEST_F(VanishingTest, FoundTextsOfBothKindsAreInOrderAndTheNewest) {
  for (int i = 0; i < 6; ++i) {
    if (i % 2 == 0) {
      Outgoing(absl::StrCat(i), absl::StrCat("word ", i));
    } else {
      ASSERT_THAT(store_->AddMessage(Incoming(ada_, absl::StrCat(i), "word")),
                  IsOk());
    }
  }
  EXPECT_THAT(*store_->Search("word", 4),
              ElementsAre(Field(&Message::row, 3), Field(&Message::row, 4),
                          Field(&Message::row, 5), Field(&Message::row, 6)));
}

TEST_F(VanishingTest, TheKeyOfTheDatabaseDoesNotOpenThem) {
  const int64_t row = Outgoing("1", "zyxwvut");
  ASSERT_THAT(store_->AddOutboxItem(Item(row, "outbox zyxwvut")), IsOk());
  OutboxItem sent = Item(row, "sent zyxwvut");
  sent.sequence = 7;
  ASSERT_THAT(store_->PutSent(sent, kNow), IsOk());
  EXPECT_THAT(Dump(), Not(HasSubstr("zyxw")));
  EXPECT_EQ((*store_->FindMessage(row))->text, "zyxwvut");
  EXPECT_EQ(store_->Outbox()->at(0).content, "outbox zyxwvut");
  EXPECT_EQ((*store_->FindSent(ada_, "device", 7))->content, "sent zyxwvut");
  EXPECT_EQ((*store_->FindSent(ada_, "device", 7))->words_of, row);
}

TEST_F(VanishingTest, OnceGoneTheyAreNotInAnOldCopyOfTheDatabaseEither) {
  const int64_t row = Outgoing("1", "zyxwvut");
  OutboxItem waits = Item(row, "zyxwvut");
  waits.row = *store_->AddOutboxItem(waits);
  OutboxItem sent = waits;
  sent.sequence = 7;
  ASSERT_THAT(store_->PutSent(sent, kNow), IsOk());
  const int64_t stays = Outgoing("2", "stays");
  PutOldDatabaseBack([&] {
    ASSERT_THAT(store_->Transaction([&]() -> absl::Status {
      RETURN_IF_ERROR(store_->DeleteOutboxItem(waits.row));
      return store_->RemoveMessage(**store_->FindMessage(row),
                                   Removal::kVanished);
    }),
                IsOk());
    // Other words take their place.
    ASSERT_THAT(store_->Transaction([&]() -> absl::Status {
      for (int i = 0; i < 3; ++i) Outgoing(absl::StrCat("new ", i), "new");
      return absl::OkStatus();
    }),
                IsOk());
  });
  const std::optional<Message> message = *store_->FindMessage(row);
  ASSERT_TRUE(message.has_value());
  EXPECT_EQ(message->text, "");
  EXPECT_EQ(message->removal, Removal::kVanished);
  EXPECT_THAT(*store_->Search("zyxwvut", 9), IsEmpty());
  EXPECT_THAT(*store_->Outbox(), IsEmpty());
  EXPECT_EQ((*store_->FindSent(ada_, "device", 7))->content, "");
  EXPECT_EQ((*store_->FindMessage(stays))->text, "stays");
}

TEST_F(VanishingTest, AnEditLeavesNothingOfTheWordsBefore) {
  const int64_t row = Outgoing("1", "zyxwvut");
  PutOldDatabaseBack([&] {
    ASSERT_THAT(store_->Transaction([&] {
      return store_->EditMessage(row, "other", kNow).status();
    }),
                IsOk());
  });
  EXPECT_EQ((*store_->FindMessage(row))->text, "");
}

TEST_F(VanishingTest, WhatWaitsKeepsItsContentThroughEveryTry) {
  const int64_t row = Outgoing("1", "text");
  OutboxItem item = Item(row, "content");
  item.row = *store_->AddOutboxItem(item);
  for (int i = 1; i < 4; ++i) {
    item.attempts = i;
    ASSERT_THAT(store_->UpdateOutboxItem(item), IsOk());
    EXPECT_EQ(store_->Outbox()->at(0).content, "content");
    EXPECT_EQ(store_->Outbox()->at(0).attempts, i);
  }
  item.content = "numbered content";
  ASSERT_THAT(store_->UpdateOutboxItem(item), IsOk());
  EXPECT_EQ(store_->Outbox()->at(0).content, "numbered content");
  EXPECT_THAT(Dump(), Not(HasSubstr("content\n")));
}

TEST_F(VanishingTest, WhatIsConfirmedAfterItHasVanishedIsNotKept) {
  const int64_t row = Outgoing("1", "zyxwvut");
  ASSERT_THAT(
      store_->RemoveMessage(**store_->FindMessage(row), Removal::kVanished),
      IsOk());
  OutboxItem item = Item(row, "zyxwvut");
  item.sequence = 7;
  ASSERT_THAT(store_->PutSent(item, kNow), IsOk());
  EXPECT_EQ((*store_->FindSent(ada_, "device", 7))->content, "");
}

TEST_F(VanishingTest, ATransactionThatFailsChangesNothing) {
  const int64_t row = Outgoing("1", "stays");
  EXPECT_THAT(store_->Transaction([&]() -> absl::Status {
    Outgoing("2", "never");
    RETURN_IF_ERROR(
        store_->RemoveMessage(**store_->FindMessage(row), Removal::kVanished));
    return absl::CancelledError("no");
  }),
              StatusIs(absl::StatusCode::kCancelled));
  EXPECT_EQ((*store_->FindMessage(row))->text, "stays");
  Reopen();
  EXPECT_EQ((*store_->FindMessage(row))->text, "stays");
  EXPECT_THAT(*store_->Messages(ada_, 9), SizeIs(1));
}

class RemovalTest : public ClientStoreTest {
 protected:
  Message Incoming(absl::string_view id, absl::string_view text) {
    Message message(ada_);
    message.message_id = std::string(id);
    message.text = std::string(text);
    message.state = MessageState::kReceived;
    const auto row = store_->AddMessage(message);
    EXPECT_THAT(row, IsOk());
    message.row = row.value_or(0);
    return message;
  }
  const AccountId ada_ = Account();
  const absl::Time now_ = absl::FromUnixSeconds(1'000'000);
};

TEST_F(RemovalTest, WhatIsKeptForMessagesThatNeverComeIsBounded) {
  for (int i = 0; i < 2 * kMaxEarly; ++i) {
    const std::string id = absl::StrCat("id ", i);
    ASSERT_THAT(store_->KeepEarlyEdit(ada_, {false, id}, "new", now_, now_),
                IsOk());
    ASSERT_THAT(store_->PutReaction(ada_, {false, id}, {false, "x", now_}),
                IsOk());
  }
  EXPECT_EQ(Incoming("id 0", "old").row, 1);
  EXPECT_EQ((*store_->FindMessage(1))->text, "new");
  const Message late = Incoming(absl::StrCat("id ", 2 * kMaxEarly - 1), "old");
  EXPECT_EQ((*store_->FindMessage(late.row))->text, "old");
  EXPECT_TRUE(store_->Reactions(late)->empty());
  // To a message that is there, more are taken.
  EXPECT_TRUE(
      *store_->PutReaction(ada_, {false, late.message_id}, {false, "y", now_}));
}

TEST_F(RemovalTest, AWaitingEditGivesWayToANewerOneOnly) {
  ASSERT_THAT(store_->KeepEarlyEdit(ada_, {false, "id"}, "second",
                                    now_ + absl::Seconds(1), now_),
              IsOk());
  ASSERT_THAT(store_->KeepEarlyEdit(ada_, {false, "id"}, "first", now_, now_),
              IsOk());
  const Message message = Incoming("id", "zeroth");
  EXPECT_EQ((*store_->FindMessage(message.row))->text, "second");
  EXPECT_EQ(*store_->EditMessage(message.row, "first", now_), false);
}

TEST_F(RemovalTest, TracesOfRemovedMessagesAreForgottenThoseOfUnsentOnesShown) {
  const Message unsent = Incoming("a", "one");
  const Message deleted = Incoming("b", "two");
  ASSERT_THAT(store_->RemoveMessage(unsent, Removal::kUnsent), IsOk());
  ASSERT_THAT(store_->RemoveMessage(deleted, Removal::kDeleted), IsOk());
  EXPECT_THAT(store_->AddMessage(deleted),
              StatusIs(absl::StatusCode::kAlreadyExists));
  ASSERT_THAT(store_->ForgetRemovedBefore(now_), IsOk());
  EXPECT_TRUE((*store_->FindMessage(unsent.row)).has_value());
  EXPECT_FALSE((*store_->FindMessage(deleted.row)).has_value());
}

TEST_F(RemovalTest, ReceiptsOwedToOnePeerAreBounded) {
  for (int i = 0; i < kMaxOwedReceipts + 10; ++i) {
    ASSERT_THAT(store_->OweReceipt(ada_, {absl::StrCat(i), false}, now_),
                IsOk());
  }
  ASSERT_THAT(store_->OweReceipt(ada_, {"5", true}, now_), IsOk());
  const auto owed = store_->TakeReceipts(ada_, 10'000);
  EXPECT_EQ(owed->size(), static_cast<size_t>(kMaxOwedReceipts));
  int read = 0;
  for (const OwedReceipt& one : *owed) read += one.read ? 1 : 0;
  EXPECT_EQ(read, 1);
  EXPECT_TRUE(store_->ReceiptsDue(now_)->empty());
}

class SearchTest : public ClientStoreTest {
 protected:
  void Add(const AccountId& with, absl::string_view text) {
    Message message(with);
    message.message_id = absl::StrCat(++added_);
    message.text = std::string(text);
    ASSERT_THAT(store_->AddMessage(message), IsOk());
  }
  std::vector<std::string> Found(absl::string_view words, int limit = 100) {
    const auto messages = store_->Search(words, limit);
    EXPECT_THAT(messages, IsOk());
    std::vector<std::string> texts;
    if (!messages.ok()) return texts;
    for (const Message& message : *messages) texts.push_back(message.text);
    return texts;
  }

  const AccountId ben_ = Account();
  int added_ = 0;
};

TEST_F(SearchTest, FindsAllWordsOrTheirBeginningsInWhateverCase) {
  Add(ben_, "The train to Zürich leaves at nine");
  Add(ben_, "the other train is late");
  EXPECT_EQ(Found("train").size(), 2u);
  EXPECT_THAT(Found("zurich TRAIN"),
              ElementsAre("The train to Zürich leaves at nine"));
  EXPECT_THAT(Found("lea"), ElementsAre("The train to Zürich leaves at nine"));
  EXPECT_THAT(Found("eaves"), IsEmpty());
  EXPECT_THAT(Found("train aeroplane"), IsEmpty());
}

TEST_F(SearchTest, GivesTheNewestInOrder) {
  for (const char* text : {"a one", "a two", "a three"}) Add(ben_, text);
  EXPECT_THAT(Found("a", 2), ElementsAre("a two", "a three"));
}

TEST_F(SearchTest, SignsMeanNothing) {
  Add(ben_, "say \"NEAR\" or row:1");
  for (const char* words :
       {"\"", "\"\"", "NEAR(", "text:say", "say OR nothing", "-say", "say*\"",
        "^say", "{text}: say", "---", "say AND", "(", "\\"}) {
    EXPECT_THAT(store_->Search(words, 10), IsOk()) << words;
  }
  EXPECT_EQ(Found("\"near\" row:1").size(), 1u);
  EXPECT_THAT(Found("say OR nothing"), IsEmpty());
  EXPECT_THAT(Found(""), IsEmpty());
  EXPECT_THAT(Found("  "), IsEmpty());
}

TEST_F(SearchTest, WhatIsGoneOrOfARequestIsNotFound) {
  Add(ben_, "secret word");
  Contact stranger(Account());
  stranger.standing = Standing::kRequest;
  ASSERT_THAT(store_->PutContact(stranger), IsOk());
  Add(stranger.account, "secret offer");
  EXPECT_THAT(Found("secret"), ElementsAre("secret word"));
  stranger.standing = Standing::kContact;
  ASSERT_THAT(store_->PutContact(stranger), IsOk());
  ASSERT_THAT(store_->MoveIncomingToEnd(stranger.account), IsOk());
  EXPECT_THAT(Found("secret"), ElementsAre("secret word", "secret offer"));
  ASSERT_THAT(store_->DeleteConversation(ben_), IsOk());
  EXPECT_THAT(Found("secret"), ElementsAre("secret offer"));
}

TEST_F(ClientStoreTest, CursorsAreKeptPerNode) {
  ASSERT_THAT(store_->PutCursor("box", 10, {"node a", ~uint64_t{0}, 5}),
              IsOk());
  ASSERT_THAT(store_->PutCursor("box", 10, {"node b", 2, 6}), IsOk());
  ASSERT_THAT(store_->PutCursor("box", 10, {"node b", 2, 9, ~uint64_t{0} - 1}),
              IsOk());
  const auto cursors = store_->Cursors("box", 10);
  ASSERT_EQ(cursors->size(), 2u);
  EXPECT_EQ((*cursors)[0].incarnation, ~uint64_t{0});
  EXPECT_EQ((*cursors)[0].challenge, 0u);
  EXPECT_EQ((*cursors)[1].sequence, 9u);
  EXPECT_EQ((*cursors)[1].challenge, ~uint64_t{0} - 1);
  EXPECT_THAT(*store_->Cursors("box", 0), IsEmpty());
}

TEST_F(ClientStoreTest, ALongTextIsWholeWhenItsLastPartArrives) {
  const AccountId ben = Account();
  EXPECT_EQ(*store_->AddPart(ben, "text", 2, 3, "c", kNow), std::nullopt);
  EXPECT_EQ(*store_->AddPart(ben, "text", 0, 3, "a", kNow), std::nullopt);
  EXPECT_EQ(*store_->AddPart(ben, "text", 0, 3, "a", kNow), std::nullopt);
  EXPECT_THAT(*store_->AddPart(ben, "text", 1, 3, "b", kNow),
              Optional(std::string("abc")));
  EXPECT_THAT(store_->AddPart(ben, "other", 3, 3, "d", kNow).status(),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST_F(ClientStoreTest, ATextCutAnewIntoMorePartsReplacesTheOldOnes) {
  const AccountId ben = Account();
  EXPECT_EQ(*store_->AddPart(ben, "text", 0, 2, "ab", kNow), std::nullopt);
  EXPECT_EQ(*store_->AddPart(ben, "text", 0, 3, "a", kNow), std::nullopt);
  // Late, and left out: it must not undo the finer cut.
  EXPECT_EQ(*store_->AddPart(ben, "text", 1, 2, "c", kNow), std::nullopt);
  EXPECT_EQ(*store_->AddPart(ben, "text", 1, 3, "b", kNow), std::nullopt);
  EXPECT_THAT(*store_->AddPart(ben, "text", 2, 3, "c", kNow),
              Optional(std::string("abc")));
}

TEST_F(ClientStoreTest, RemembersWhenAMailboxWasRegistered) {
  EXPECT_EQ(*store_->RegisteredAt("box"), std::nullopt);
  ASSERT_THAT(store_->SetRegistered("box", kNow), IsOk());
  ASSERT_THAT(store_->SetRegistered("box", kNow + absl::Hours(1)), IsOk());
  EXPECT_THAT(*store_->RegisteredAt("box"), Optional(kNow + absl::Hours(1)));
  EXPECT_EQ(*store_->RegisteredAt("other"), std::nullopt);
  ASSERT_THAT(store_->ForgetRegistration("box"), IsOk());
  EXPECT_EQ(*store_->RegisteredAt("box"), std::nullopt);
}

TEST_F(ClientStoreTest, TextsThatNeverEndGiveWayToNewerOnes) {
  const AccountId eve = Account();
  const AccountId ben = Account();
  EXPECT_EQ(*store_->AddPart(ben, "honest", 0, 2, "a", kNow), std::nullopt);
  for (int i = 0; i <= kMaxUnfinishedTexts; ++i) {
    EXPECT_EQ(*store_->AddPart(eve, absl::StrCat("text ", i), 0, 2, "a",
                               kNow + absl::Seconds(i)),
              std::nullopt);
  }
  const absl::Time later = kNow + absl::Hours(1);
  // The first gave way, the second did not, and nobody else's did.
  EXPECT_EQ(*store_->AddPart(eve, "text 0", 1, 2, "b", later), std::nullopt);
  EXPECT_THAT(*store_->AddPart(eve, "text 2", 1, 2, "b", later),
              Optional(std::string("ab")));
  EXPECT_THAT(*store_->AddPart(ben, "honest", 1, 2, "b", later),
              Optional(std::string("ab")));
}

TEST_F(ClientStoreTest, PartsAreForgottenWithTheRestOfTheirText) {
  const AccountId ben = Account();
  EXPECT_EQ(*store_->AddPart(ben, "text", 0, 2, "a", kNow), std::nullopt);
  ASSERT_THAT(store_->ForgetPartsBefore(kNow + absl::Seconds(1)), IsOk());
  EXPECT_EQ(*store_->AddPart(ben, "text", 1, 2, "b", kNow), std::nullopt);
}

TEST_F(ClientStoreTest, TheQuarantineKeepsTheNewest) {
  ASSERT_THAT(store_->Transaction([&]() -> absl::Status {
    for (int i = 0; i < kMaxQuarantined + 5; ++i) {
      RETURN_IF_ERROR(store_->AddQuarantined(absl::StrCat("id ", i), "reason",
                                             kNow + absl::Seconds(i)));
    }
    return store_->TrimQuarantine();
  }),
              IsOk());
  EXPECT_THAT(store_->QuarantinedCount(), IsOkAndHolds(kMaxQuarantined));
}

TEST_F(ClientStoreTest, TheOutboxKeepsWhatEveryRetrySends) {
  OutboxItem item(Account());
  item.message_row = 3;
  item.content = "to be said";
  item.expiry = item.next_try = absl::FromUnixSeconds(1'800'000'000);
  item.row = store_->AddOutboxItem(item).value();
  item.blob = "sealed";
  item.mailbox = "box";
  item.mailbox_namespace = 10;
  item.attempts = 1;
  ASSERT_THAT(store_->UpdateOutboxItem(item), IsOk());
  Reopen();
  const auto outbox = store_->Outbox();
  ASSERT_EQ(outbox->size(), 1u);
  EXPECT_THAT((*outbox)[0].blob, Optional(std::string("sealed")));
  EXPECT_EQ((*outbox)[0].mailbox_namespace, 10);
  EXPECT_EQ((*outbox)[0].peer, item.peer);
  EXPECT_THAT(store_->OutboxItemsOf(3), IsOkAndHolds(1));
  ASSERT_THAT(store_->DeleteOutboxItem(item.row), IsOk());
  EXPECT_THAT(store_->OutboxItemsOf(3), IsOkAndHolds(0));
}

TEST_F(ClientStoreTest, AnAcceptedFirstMessageIsRememberedUntilItsPrekeyDies) {
  ASSERT_THAT(store_->AddAcceptedInit("hash", "record 1"), IsOk());
  EXPECT_THAT(store_->AddAcceptedInit("hash", "record 1"),
              StatusIs(absl::StatusCode::kAlreadyExists));
  EXPECT_THAT(store_->IsAcceptedInit("hash"), IsOkAndHolds(true));
  ASSERT_THAT(store_->ForgetAcceptedInits("record 2"), IsOk());
  EXPECT_THAT(store_->IsAcceptedInit("hash"), IsOkAndHolds(true));
  ASSERT_THAT(store_->ForgetAcceptedInits("record 1"), IsOk());
  EXPECT_THAT(store_->IsAcceptedInit("hash"), IsOkAndHolds(false));
}

}  // namespace
}  // namespace messenger::client
