#include "swarm/store/store_check.h"

#include <unistd.h>

#include <cstdio>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "crypto/base/testing/status_matchers.h"
#include "crypto/random/testing/seeded_random.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "routing/runtime/sqlite/database.h"
#include "swarm/placement/rendezvous.h"
#include "swarm/store/sql.h"
#include "swarm/store/sqlite_store.h"
#include "swarm/store/testing/damaged_file.h"

namespace messenger::swarm {
namespace {

using ::messenger::testing::IsOk;
using ::messenger::testing::IsOkAndHolds;
using ::messenger::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr MailboxNamespace kNs = MailboxNamespace::kPairwise;
constexpr size_t kPageBytes = 4096;

class StoreCheckTest : public ::testing::Test {
 protected:
  struct Result {
    absl::Status status;
    std::vector<ItemKey> damaged;
    int steps = 0;
  };

  void SetUp() override {
    path_ = absl::StrCat(
        ::testing::TempDir(), "/store-check-", getpid(), "-",
        ::testing::UnitTest::GetInstance()->current_test_info()->name(), ".db");
    RemoveLog();
    std::remove(path_.c_str());
    Open();
    ASSERT_THAT(store_->Apply({PutRegistration{.mailbox = Box(),
                                               .id = {},
                                               .timestamp_ms = 1,
                                               .proof_nonce = 0,
                                               .proof = ""}},
                              0),
                IsOk());
  }

  void Open() {
    store_.reset();
    auto store = SqliteStore::Open(
        {.path = path_, .capacity_bytes = 0, .vfs = ""}, random_);
    ASSERT_THAT(store, IsOk());
    store_ = *std::move(store);
  }
  void RemoveLog() {
    for (const char* suffix : {"-wal", "-shm"}) {
      std::remove(absl::StrCat(path_, suffix).c_str());
    }
  }

  static MailboxAddress Box() {
    return *MailboxAddress::FromBytes("\x06" + std::string(32, 'a'));
  }
  ItemKey Store(const std::string& payload) {
    const MessageId id = ComputeMessageId(Box(), kNs, payload);
    EXPECT_THAT(store_->Apply({PutMessage{.mailbox = Box(),
                                          .ns = kNs,
                                          .id = id,
                                          .payload = payload,
                                          .expiry_ms = 1000,
                                          .proof = ""}},
                              0),
                IsOk());
    return {ItemKind::kMessage, ShardOf(Box()), id};
  }
  // The store is closed, and the file's bytes are as this statement leaves
  // them.
  void Change(const char* sql) {
    store_.reset();
    auto database = sqlite::Database::Open(path_, {});
    ASSERT_THAT(database, IsOk());
    ASSERT_THAT((*database)->Exec(sql), IsOk());
  }

  // Where in the file the tree of each table begins.
  std::map<std::string, size_t> RootPages() const {
    std::map<std::string, size_t> pages;
    auto database = sqlite::Database::Open(path_, {});
    EXPECT_THAT(database, IsOk());
    auto rows = Select(**database,
                       "SELECT name, rootpage FROM sqlite_master WHERE "
                       "type='table' AND name NOT LIKE 'sqlite%'");
    EXPECT_THAT(rows, IsOk());
    while (*rows->Next()) {
      pages[rows->Blob(0)] = (rows->Unsigned(1) - 1) * kPageBytes;
    }
    return pages;
  }

  // To the end, or to an error.
  Result Check(size_t rows = 10) {
    Result result;
    auto check = StoreCheck::Open(path_, "");
    if (!check.ok()) return {check.status(), {}, 0};
    for (bool more = true; more;) {
      const auto step = (*check)->Step(rows);
      ++result.steps;
      for (const ItemKey& key : (*check)->TakeDamaged()) {
        result.damaged.push_back(key);
      }
      result.status = step.status();
      more = step.ok() && *step;
    }
    return result;
  }

  crypto::SeededRandom random_{1};
  std::string path_;
  std::unique_ptr<SqliteStore> store_;
};

TEST_F(StoreCheckTest, ASoundStoreIsSoundHoweverItIsCut) {
  for (int i = 0; i < 20; ++i) Store(absl::StrCat("message ", i));
  for (const size_t rows : {1, 3, 10, 20, 1000}) {
    const Result result = Check(rows);
    EXPECT_THAT(result.status, IsOk()) << rows;
    EXPECT_THAT(result.damaged, IsEmpty());
    // The last slice is one that is not full.
    EXPECT_EQ(result.steps, static_cast<int>(20 / rows + 1));
  }
}

TEST_F(StoreCheckTest, AnEmptyStoreIsSound) {
  store_.reset();
  EXPECT_THAT(Check().status, IsOk());
}

TEST_F(StoreCheckTest, WhereThereIsNoStoreThereIsNothingToCheck) {
  const std::string nowhere = absl::StrCat(path_, ".nowhere");
  EXPECT_FALSE(StoreCheck::Open(nowhere, "").ok());
  EXPECT_THAT(ReadStoreFile(nowhere), IsEmpty());
}

TEST_F(StoreCheckTest, RunsBesideAStoreThatIsWritten) {
  for (int i = 0; i < 20; ++i) Store(absl::StrCat("message ", i));
  auto check = StoreCheck::Open(path_, "");
  ASSERT_THAT(check, IsOk());
  bool more = true;
  for (int i = 0; more; ++i) {
    ASSERT_LE(i, 30);
    if (i < 10) {
      Store(absl::StrCat("another ", i));
      ASSERT_THAT(
          store_->Apply({DropDamaged{Store(absl::StrCat("gone ", i))}}, 0),
          IsOk());
    }
    const auto step = (*check)->Step(2);
    ASSERT_THAT(step, IsOk());
    more = *step;
  }
  EXPECT_THAT((*check)->TakeDamaged(), IsEmpty());
}

// --- damaged contents ---

TEST_F(StoreCheckTest, DamagedContentsAreNamedOnceAndTheRestIsChecked) {
  Store("one");
  const ItemKey first = Store(std::string(100, 'd'));
  Store("two");
  const ItemKey second = Store(std::string(100, 'e'));
  store_.reset();
  FlipLast(path_, std::string(100, 'd'));
  FlipLast(path_, std::string(100, 'e'));
  auto check = StoreCheck::Open(path_, "");
  ASSERT_THAT(check, IsOk());
  EXPECT_THAT((*check)->Step(2), IsOkAndHolds(true));
  EXPECT_THAT((*check)->TakeDamaged(), ElementsAre(first));
  EXPECT_THAT((*check)->TakeDamaged(), IsEmpty());
  EXPECT_THAT((*check)->Step(10), IsOkAndHolds(false));
  EXPECT_THAT((*check)->TakeDamaged(), ElementsAre(second));
}

TEST_F(StoreCheckTest, ContentsOfAnotherLengthThanCountedAreDamaged) {
  const ItemKey key = Store("payload");
  Change("UPDATE messages SET size=size+1");
  const Result result = Check();
  EXPECT_THAT(result.status, IsOk());
  EXPECT_THAT(result.damaged, ElementsAre(key));
}

TEST_F(StoreCheckTest, WhatIsNamedCanBeDroppedAndThenAllIsSound) {
  const ItemKey key = Store(std::string(100, 'd'));
  Store("one");
  store_.reset();
  FlipLast(path_, std::string(100, 'd'));
  Open();
  ASSERT_THAT(Check().damaged, ElementsAre(key));
  ASSERT_THAT(store_->Apply({DropDamaged{key}}, 0), IsOk());
  EXPECT_THAT(Check().damaged, IsEmpty());
  EXPECT_EQ(store_->Usage(Box()).messages, 1u);
}

// --- damaged files ---

TEST_F(StoreCheckTest, ARowThatIsNotWhatItsIndexSaysIsDataLoss) {
  const std::string id(Store("one").id.bytes());
  Store("two");
  store_.reset();
  const std::string sound = ReadStoreFile(path_);
  // In the table, and in its index.
  const std::vector<size_t> places = PlacesOf(sound, id);
  ASSERT_THAT(places, SizeIs(2));
  for (const size_t place : places) {
    std::string file = sound;
    file[place + 5] ^= 1;
    WriteStoreFile(path_, file);
    EXPECT_THAT(Check().status, StatusIs(absl::StatusCode::kDataLoss));
  }
}

TEST_F(StoreCheckTest, ARowThatOnlyTheIndexHasIsDataLoss) {
  Store("one");
  Store("two");
  store_.reset();
  // The leaf that has both says that it has one.
  std::string file = ReadStoreFile(path_);
  const size_t page = RootPages().at("messages");
  ASSERT_EQ(file[page], '\x0d');
  ASSERT_EQ(file[page + 4], 2);
  file[page + 4] = 1;
  WriteStoreFile(path_, file);
  EXPECT_THAT(Check().status, StatusIs(absl::StatusCode::kDataLoss));
}

TEST_F(StoreCheckTest, ARowOfNoMailboxOrOfAnotherShardIsDataLoss) {
  Store("one");
  store_.reset();
  const std::string sound = ReadStoreFile(path_);
  for (const char* change :
       {"UPDATE messages SET mailbox=999", "UPDATE messages SET shard=shard-1",
        "UPDATE mailboxes SET address=substr(address, 1, 32)",
        "UPDATE messages SET id=substr(id, 1, 31)"}) {
    WriteStoreFile(path_, sound);
    Change(change);
    EXPECT_THAT(Check().status, StatusIs(absl::StatusCode::kDataLoss))
        << change;
  }
}

TEST_F(StoreCheckTest, ADamagedPageOfAnyTableIsDataLoss) {
  Store("one");
  store_.reset();
  const auto tables = RootPages();
  EXPECT_THAT(tables, SizeIs(10));
  const std::string sound = ReadStoreFile(path_);
  for (const auto& [table, page] : tables) {
    std::string file = sound;
    for (size_t i = 0; i < 8; ++i) file[page + i] = '\xff';
    WriteStoreFile(path_, file);
    EXPECT_THAT(Check().status, StatusIs(absl::StatusCode::kDataLoss)) << table;
  }
}

// Wherever a bit flips: it is found, or the messages are what they were.
TEST_F(StoreCheckTest, NoFlippedBitLosesOrChangesAMessageUnnoticed) {
  for (int i = 0; i < 30; ++i) Store(random_.String(500));
  const auto messages = [this] {
    std::vector<std::pair<MessageId, std::string>> all;
    const auto page = store_->List(Box(), kNs, 0, 0, 1000, 1 << 20);
    EXPECT_THAT(page, IsOk());
    for (const StoredMessage& message : page->messages) {
      all.emplace_back(message.id, message.payload);
    }
    return all;
  };
  const auto expected = messages();
  ASSERT_THAT(expected, SizeIs(30));
  store_.reset();
  const std::string sound = ReadStoreFile(path_);
  int found = 0;
  for (uint64_t seed = 0; seed < 150; ++seed) {
    crypto::SeededRandom chance(seed);
    std::string file = sound;
    file[chance.Uniform(file.size())] ^=
        static_cast<char>(1 << chance.Uniform(8));
    RemoveLog();
    WriteStoreFile(path_, file);
    const Result result = Check();
    if (!result.status.ok() || !result.damaged.empty()) {
      ++found;
      continue;
    }
    auto store = SqliteStore::Open(
        {.path = path_, .capacity_bytes = 0, .vfs = ""}, random_);
    if (!store.ok()) continue;
    store_ = *std::move(store);
    EXPECT_EQ(messages(), expected) << seed;
    store_.reset();
  }
  EXPECT_GT(found, 10);
}

}  // namespace
}  // namespace messenger::swarm
