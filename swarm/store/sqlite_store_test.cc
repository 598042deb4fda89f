// What only a store on a disk can get wrong: restarts, kill -9, damage, and a
// disk that is full or fails.

#include "swarm/store/sqlite_store.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "crypto/base/testing/status_matchers.h"
#include "crypto/random/testing/seeded_random.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "routing/runtime/sqlite/database.h"
#include "swarm/placement/rendezvous.h"
#include "swarm/store/store_check.h"

namespace messenger::swarm {
namespace {

using ::messenger::testing::IsOk;
using ::messenger::testing::IsOkAndHolds;
using ::messenger::testing::StatusIs;
using ::testing::AnyOf;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr MailboxNamespace kNs = MailboxNamespace::kPairwise;
constexpr uint64_t kDay = uint64_t{24} * 3'600'000;

class SqliteStoreTest : public ::testing::Test {
 protected:
  void SetUp() override {
    path_ = absl::StrCat(
        ::testing::TempDir(), "/sqlite-store-", getpid(), "-",
        ::testing::UnitTest::GetInstance()->current_test_info()->name(), ".db");
    for (const char* suffix : {"", "-wal", "-shm"}) {
      std::remove(absl::StrCat(path_, suffix).c_str());
    }
  }

  absl::Status Open(uint64_t capacity_bytes = 0) {
    store_.reset();
    auto store = SqliteStore::Open(
        {.path = path_, .capacity_bytes = capacity_bytes, .vfs = ""}, random_);
    if (!store.ok()) return store.status();
    store_ = *std::move(store);
    return store_->Apply({Registration()}, 0).status();
  }

  static MailboxAddress Box() {
    return *MailboxAddress::FromBytes("\x06" + std::string(32, 'a'));
  }
  static PutRegistration Registration() {
    return {.mailbox = Box(),
            .id = {},
            .timestamp_ms = 1,
            .proof_nonce = 0,
            .proof = ""};
  }
  // Writes over the file in every `step`th page.
  void Damage(int64_t step) {
    std::fstream file(path_, std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(0, std::ios::end);
    const auto size = static_cast<int64_t>(file.tellg());
    ASSERT_GT(size, 100'000);
    for (int64_t at = 4096; at < size; at += 4096 * step) {
      file.seekp(at);
      file.write("\xff\xff\xff\xff\xff\xff\xff\xff", 8);
    }
  }
  static PutMessage Message(const std::string& payload,
                            uint64_t expiry_ms = 1000) {
    return {.mailbox = Box(),
            .ns = kNs,
            .id = ComputeMessageId(Box(), kNs, payload),
            .payload = payload,
            .expiry_ms = expiry_ms,
            .proof = ""};
  }
  // Reads all of the file.
  void CheckWhole() {
    auto check = StoreCheck::Open(path_, "");
    ASSERT_THAT(check, IsOk());
    for (bool more = true; more;) {
      const auto step = (*check)->Step(7);
      ASSERT_THAT(step, IsOk());
      more = *step;
    }
    EXPECT_THAT((*check)->TakeDamaged(), IsEmpty());
  }
  std::vector<std::string> Payloads() {
    std::vector<std::string> payloads;
    const auto page = store_->List(Box(), kNs, 0, 0, 100'000, 1 << 30);
    EXPECT_THAT(page, IsOk());
    if (!page.ok()) return payloads;
    for (const StoredMessage& message : page->messages) {
      payloads.push_back(message.payload);
    }
    return payloads;
  }

  crypto::SeededRandom random_{1};
  std::string path_;
  std::unique_ptr<SqliteStore> store_;
};

TEST_F(SqliteStoreTest, SurvivesARestart) {
  ASSERT_THAT(Open(), IsOk());
  EXPECT_THAT(store_->Apply({Message("one")}, 0), IsOk());
  const uint64_t incarnation = store_->incarnation();
  ASSERT_THAT(Open(), IsOk());
  EXPECT_THAT(Payloads(), ElementsAre("one"));
  EXPECT_EQ(store_->incarnation(), incarnation)
      << "cursors stay good over a restart";
}

TEST_F(SqliteStoreTest, SequenceNumbersGoOnAfterARestart) {
  ASSERT_THAT(Open(), IsOk());
  EXPECT_THAT(store_->Apply({Message("one"), Message("two")}, 0), IsOk());
  EXPECT_THAT(store_->Expire(1000, 10), IsOkAndHolds(2));
  ASSERT_THAT(Open(), IsOk());
  EXPECT_THAT(store_->Apply({Message("three")}, 0), IsOk());
  const auto page = store_->List(Box(), kNs, 0, 0, 10, 1000);
  EXPECT_GT(page->messages[0].seq, 2);
}

// The child writes and reports each batch after Apply() returned; it is killed
// somewhere in between. What was reported must be there.
TEST_F(SqliteStoreTest, KeepsEverythingItAcknowledgedWhenKilled) {
  constexpr int kBatch = 8;
  for (int round = 0; round < 6; ++round) {
    int report[2];
    ASSERT_EQ(pipe(report), 0);
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      close(report[0]);
      auto store = SqliteStore::Open(
          {.path = path_, .capacity_bytes = 0, .vfs = ""}, random_);
      if (!store.ok()) _exit(2);
      if (!(*store)->Apply({Registration()}, 0).ok()) _exit(2);
      for (int i = 0;; ++i) {
        std::vector<StoreOp> ops;
        for (int k = 0; k < kBatch; ++k) {
          ops.push_back(Message(absl::StrCat(round, "/", i, "/", k)));
        }
        if (!(*store)->Apply(ops, 0).ok()) _exit(3);
        if (write(report[1], &i, sizeof(i)) != sizeof(i)) _exit(4);
      }
    }
    close(report[1]);
    // Wherever the child is after a few batches, it dies.
    int last = -1;
    while (last < 3 + 5 * round) {
      ASSERT_EQ(read(report[0], &last, sizeof(last)),
                static_cast<ssize_t>(sizeof(last)));
    }
    ASSERT_EQ(kill(child, SIGKILL), 0);
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status));
    // It may have finished more batches before the signal reached it.
    for (int i; read(report[0], &i, sizeof(i)) == sizeof(i);) last = i;
    close(report[0]);

    ASSERT_THAT(Open(), IsOk());
    CheckWhole();
    const std::vector<std::string> payloads = Payloads();
    const std::set<std::string> kept(payloads.begin(), payloads.end());
    EXPECT_THAT(kept, SizeIs(payloads.size()));
    for (int i = 0; i <= last; ++i) {
      for (int k = 0; k < kBatch; ++k) {
        EXPECT_TRUE(kept.contains(absl::StrCat(round, "/", i, "/", k)));
      }
    }
    EXPECT_EQ(kept.size() % kBatch, 0) << "no batch in halves";
    EXPECT_TRUE(store_->NeedsCheck(1)) << "nobody closed it";
    store_.reset();
  }
}

TEST_F(SqliteStoreTest, RefusesADamagedFile) {
  ASSERT_THAT(Open(), IsOk());
  for (int i = 0; i < 200; ++i) {
    EXPECT_THAT(
        store_->Apply({Message(std::string(2000, 'x') + absl::StrCat(i))}, 0),
        IsOk());
  }
  store_.reset();
  Damage(1);
  EXPECT_THAT(Open(), StatusIs(absl::StatusCode::kDataLoss));
}

TEST_F(SqliteStoreTest, RefusesAFileThatIsNoDatabase) {
  std::ofstream(path_) << std::string(10'000, 'n');
  EXPECT_THAT(Open(), StatusIs(absl::StatusCode::kDataLoss));
}

TEST_F(SqliteStoreTest, RefusesAFileOfANewerVersion) {
  ASSERT_THAT(Open(), IsOk());
  store_.reset();
  {
    auto database = sqlite::Database::Open(path_, {});
    ASSERT_THAT(database, IsOk());
    ASSERT_THAT((*database)->SetUserVersion(99), IsOk());
  }
  EXPECT_THAT(Open(), StatusIs(absl::StatusCode::kFailedPrecondition));
}

TEST_F(SqliteStoreTest, KeepsToItsCapacityAndGoesOnWhenThereIsRoom) {
  ASSERT_THAT(Open(/*capacity_bytes=*/2 * 1024 * 1024), IsOk());
  int stored = 0;
  OpResult result = OpResult::kDone;
  for (int i = 0; i < 200 && result == OpResult::kDone; ++i) {
    const auto results =
        store_->Apply({Message(std::string(20'000, 'x') + absl::StrCat(i))}, 0);
    ASSERT_THAT(results, IsOk());
    result = results->front();
    stored += result == OpResult::kDone;
  }
  EXPECT_EQ(result, OpResult::kNodeFull);
  EXPECT_GT(stored, 70);
  EXPECT_THAT(Payloads(), SizeIs(stored)) << "what is there stays readable";
  // Notes of the node may take the rest; then nothing is half done.
  absl::Status full;
  for (uint64_t i = 0; i < 100 && full.ok(); ++i) {
    PutHints hints{
        .peer = random_.Fixed<routing::NodeId>(), .items = {}, .until_ms = 10};
    for (int k = 0; k < 100; ++k) {
      hints.items.push_back({ItemKind::kMessage, 1, random_.Fixed<ObjectId>()});
    }
    full = store_->Apply({hints}, 0).status();
  }
  EXPECT_THAT(full, StatusIs(absl::StatusCode::kResourceExhausted));
  const uint64_t hints = store_->Totals()->hints;
  EXPECT_EQ(hints % 100, 0) << "no batch in halves, in memory either";
  // Deletions work on a full disk, and make room.
  DeleteMessages erase{.terms = {.mailbox = Box(),
                                 .ns = kNs,
                                 .timestamp_ms = 0,
                                 .nonce = {},
                                 .effective_ms = 0,
                                 .ids = {}},
                       .order_id = {},
                       .proof = "",
                       .origin = Origin::kClient};
  for (int i = 0; i < 40; ++i) {
    erase.terms.ids.push_back(
        Message(std::string(20'000, 'x') + absl::StrCat(i)).id);
  }
  PurgeMessages purge{.terms = {.mailbox = Box(),
                                .ns = kNs,
                                .expiry_until_ms = 5,
                                .timestamp_ms = 0,
                                .nonce = {}},
                      .order_id = {},
                      .proof = "",
                      .origin = Origin::kClient};
  EXPECT_THAT(store_->Apply({purge}, 0), IsOk());
  EXPECT_THAT(store_->Apply({erase}, 0), IsOk());
  EXPECT_THAT(Payloads(), SizeIs(stored - 40));
  EXPECT_THAT(store_->Apply({Message(std::string(60'000, 'y'))}, 0),
              IsOkAndHolds(ElementsAre(OpResult::kDone)));
  EXPECT_THAT(store_->Expire(1000, 10'000), IsOk());
  EXPECT_EQ(store_->Totals()->hints, 0);
  EXPECT_THAT(Payloads(), SizeIs(0));
  ASSERT_THAT(Open(/*capacity_bytes=*/2 * 1024 * 1024), IsOk());
  CheckWhole();
}

TEST_F(SqliteStoreTest, AFailingDiskIsAnErrorAndTheStoreRecovers) {
  ASSERT_THAT(Open(), IsOk());
  ASSERT_THAT(store_->Apply({Message("before")}, 0), IsOk());
  // The operating system refuses to let any file of this process grow.
  struct rlimit old_limit;
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &old_limit), 0);
  struct sigaction ignore = {};
  ignore.sa_handler = SIG_IGN;
  struct sigaction old_action;
  ASSERT_EQ(sigaction(SIGXFSZ, &ignore, &old_action), 0);
  struct rlimit tight = old_limit;
  tight.rlim_cur = 64 * 1024;
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &tight), 0);
  absl::Status failed;
  int stored = 0;
  for (int i = 0; i < 10 && failed.ok(); ++i) {
    failed =
        store_->Apply({Message(std::string(60'000, 'x') + absl::StrCat(i))}, 0)
            .status();
    stored += failed.ok();
  }
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &old_limit), 0);
  ASSERT_EQ(sigaction(SIGXFSZ, &old_action, nullptr), 0);
  EXPECT_THAT(failed.code(), AnyOf(absl::StatusCode::kUnavailable,
                                   absl::StatusCode::kResourceExhausted));
  EXPECT_THAT(Payloads(), SizeIs(1 + stored));
  EXPECT_THAT(store_->Apply({Message("after")}, 0), IsOk());
  EXPECT_THAT(Payloads(), SizeIs(2 + stored));
  ASSERT_THAT(Open(), IsOk());
  EXPECT_THAT(Payloads(), SizeIs(2 + stored));
}

TEST_F(SqliteStoreTest, AFileThatCannotBeOpenedIsAnError) {
  path_ = absl::StrCat(path_, ".missing/messages.db");
  EXPECT_THAT(Open(), StatusIs(absl::StatusCode::kUnavailable));
}

TEST_F(SqliteStoreTest, OneProcessAtATimeHasIt) {
  ASSERT_THAT(Open(), IsOk());
  EXPECT_THAT(SqliteStore::Open({.path = path_, .capacity_bytes = 0, .vfs = ""},
                                random_),
              StatusIs(absl::StatusCode::kUnavailable));
}

TEST_F(SqliteStoreTest, RebuildsWhatItKnowsWithoutTheDisk) {
  ASSERT_THAT(Open(), IsOk());
  const auto peer = random_.Fixed<routing::NodeId>();
  const Shard shard = ShardOf(Box());
  ASSERT_THAT(
      store_->Apply(
          {Message("one"), Message("two", 5'000'000'000), Message("three"),
           PutHints{peer, {{ItemKind::kMessage, shard, ObjectId()}}, 10},
           SetFill{{{shard, 9}}}},
          0),
      IsOk());
  const MailboxUsage usage = store_->Usage(Box());
  const std::vector<WindowSummary> windows = store_->Windows(shard, 0);
  ASSERT_THAT(Open(), IsOk());
  EXPECT_EQ(store_->Usage(Box()).messages, 3);
  EXPECT_EQ(store_->Usage(Box()).bytes, usage.bytes);
  EXPECT_EQ(store_->Usage(Box()).registered_until_ms,
            usage.registered_until_ms);
  EXPECT_EQ(store_->FilledIn(shard), 9);
  EXPECT_EQ(store_->Totals()->hints, 1);
  const std::vector<WindowSummary> again = store_->Windows(shard, 0);
  ASSERT_EQ(again.size(), windows.size());
  for (size_t i = 0; i < windows.size(); ++i) {
    EXPECT_EQ(again[i].digest, windows[i].digest);
    EXPECT_EQ(again[i].count, windows[i].count);
  }
  EXPECT_THAT(Payloads(), ElementsAre("one", "two", "three"));
}

TEST_F(SqliteStoreTest, IsCheckedAfterACrashAndOnceADay) {
  ASSERT_THAT(Open(), IsOk());
  ASSERT_THAT(store_->SetChecked(1000), IsOk());
  EXPECT_FALSE(store_->NeedsCheck(1001));
  ASSERT_THAT(Open(), IsOk());
  EXPECT_FALSE(store_->NeedsCheck(1000 + kDay - 1));
  EXPECT_TRUE(store_->NeedsCheck(1000 + kDay));
}

TEST_F(SqliteStoreTest, TheCheckFindsADamagedPayloadAndSaysWhich) {
  ASSERT_THAT(Open(), IsOk());
  const PutMessage damaged = Message(std::string(1000, 'd'));
  ASSERT_THAT(store_->Apply({Message("one"), damaged, Message("two")}, 0),
              IsOk());
  store_.reset();
  {
    auto database = sqlite::Database::Open(path_, {});
    ASSERT_THAT(database, IsOk());
    ASSERT_THAT((*database)->Exec("UPDATE messages SET payload="
                                  "replace(payload, 'd', 'e') WHERE size=1000"),
                IsOk());
  }
  ASSERT_THAT(Open(), IsOk());
  auto check = StoreCheck::Open(path_, "");
  ASSERT_THAT(check, IsOk());
  for (bool more = true; more;) more = *(*check)->Step(1);
  EXPECT_THAT(
      (*check)->TakeDamaged(),
      ElementsAre(ItemKey{ItemKind::kMessage, ShardOf(Box()), damaged.id}));
}

TEST_F(SqliteStoreTest, ADamagedPageIsFoundAndTheStoreCanBeSetAside) {
  ASSERT_THAT(Open(), IsOk());
  const uint64_t incarnation = store_->incarnation();
  for (int i = 0; i < 200; ++i) {
    ASSERT_THAT(
        store_->Apply({Message(std::string(2000, 'x') + absl::StrCat(i))}, 0),
        IsOk());
  }
  store_.reset();
  Damage(40);
  auto check = StoreCheck::Open(path_, "");
  absl::Status found = check.status();
  for (bool more = found.ok(); more;) {
    const auto step = (*check)->Step(10);
    found = step.status();
    more = step.ok() && *step;
  }
  EXPECT_THAT(found, StatusIs(absl::StatusCode::kDataLoss));
  check = absl::CancelledError("closed");
  for (const char* suffix : {"1", "2", "3"}) {
    ASSERT_THAT(SqliteStore::SetAside(path_, suffix), IsOk());
    ASSERT_THAT(Open(), IsOk());
    EXPECT_NE(store_->incarnation(), incarnation);
    EXPECT_THAT(Payloads(), IsEmpty());
    store_.reset();
  }
  EXPECT_FALSE(std::ifstream(absl::StrCat(path_, ".damaged-1")).good());
  EXPECT_TRUE(std::ifstream(absl::StrCat(path_, ".damaged-2")).good());
  EXPECT_TRUE(std::ifstream(absl::StrCat(path_, ".damaged-3")).good());
}

// A file as version 1 made it.
// SQLite would open it as if the last messages had never been: their numbers
// would be given again, and readers pass what has them now.
TEST_F(SqliteStoreTest, AFlippedBitInTheLogEndsThatShardsAreHeld) {
  ASSERT_THAT(Open(), IsOk());
  const Shard shard = ShardOf(Box());
  ASSERT_THAT(store_->Apply({SetFill{.shards = {{shard, 7}}}}, 0), IsOk());
  for (int i = 0; i < 10; ++i) {
    ASSERT_THAT(store_->Apply({Message(absl::StrCat("m", i))}, 0), IsOk());
  }
  const auto before = store_->List(Box(), kNs, 0, 0, 100, 100'000);
  ASSERT_THAT(before, IsOk());
  ASSERT_THAT(before->messages, SizeIs(10));
  const uint64_t incarnation = store_->incarnation();
  // As after a crash: the log is there, and the bit has flipped.
  const std::string copy = path_ + ".crashed";
  for (const char* suffix : {"", "-wal"}) {
    std::filesystem::copy_file(
        path_ + suffix, copy + suffix,
        std::filesystem::copy_options::overwrite_existing);
  }
  const auto bytes = std::filesystem::file_size(copy + "-wal");
  {
    std::fstream log(copy + "-wal",
                     std::ios::in | std::ios::out | std::ios::binary);
    log.seekg(static_cast<std::streamoff>(bytes / 2));
    const char byte = static_cast<char>(log.get() ^ 4);
    log.seekp(static_cast<std::streamoff>(bytes / 2));
    log.put(byte);
  }
  auto damaged = SqliteStore::Open(
      {.path = copy, .capacity_bytes = 0, .vfs = ""}, random_);
  ASSERT_THAT(damaged, IsOk());
  EXPECT_TRUE((*damaged)->log_was_damaged());
  EXPECT_EQ((*damaged)->FilledIn(shard), 0);
  EXPECT_EQ((*damaged)->incarnation(), incarnation);
  EXPECT_LT((*damaged)->Totals()->messages, 10) << "nothing was lost";
  ASSERT_THAT((*damaged)->Apply({Registration(), Message("new")}, 0), IsOk());
  const auto after = (*damaged)->List(Box(), kNs, before->messages.back().seq,
                                      0, 100, 100'000);
  ASSERT_THAT(after, IsOk());
  EXPECT_THAT(after->messages, SizeIs(1));
  // Once is enough.
  damaged = absl::CancelledError("closed");
  damaged = SqliteStore::Open({.path = copy, .capacity_bytes = 0, .vfs = ""},
                              random_);
  ASSERT_THAT(damaged, IsOk());
  EXPECT_FALSE((*damaged)->log_was_damaged());
}

class MigrationTest : public SqliteStoreTest {
 protected:
  static constexpr uint64_t kMigrated = 1'900'000'000'000;

  void SetUp() override {
    SqliteStoreTest::SetUp();
    auto database = sqlite::Database::Open(path_, {});
    ASSERT_THAT(database, IsOk());
    ASSERT_THAT((*database)->Exec(R"sql(
      CREATE TABLE meta (incarnation INTEGER NOT NULL);
      CREATE TABLE messages (seq INTEGER PRIMARY KEY AUTOINCREMENT,
        mailbox BLOB NOT NULL, ns INTEGER NOT NULL, id BLOB NOT NULL,
        expiry_ms INTEGER NOT NULL, proof BLOB NOT NULL,
        payload BLOB NOT NULL);
      CREATE UNIQUE INDEX messages_by_id ON messages (id);
      CREATE INDEX messages_by_mailbox ON messages (mailbox, ns, seq);
      CREATE INDEX messages_by_expiry ON messages (expiry_ms);
      CREATE TABLE tombstones (mailbox BLOB NOT NULL, ns INTEGER NOT NULL,
        id BLOB NOT NULL, until_ms INTEGER NOT NULL,
        PRIMARY KEY (mailbox, ns, id)) WITHOUT ROWID;
      CREATE INDEX tombstones_by_end ON tombstones (until_ms);
      CREATE TABLE records (mailbox BLOB NOT NULL, ns INTEGER NOT NULL,
        key BLOB NOT NULL, seq INTEGER NOT NULL, id BLOB NOT NULL,
        owner_key BLOB NOT NULL, signature BLOB NOT NULL, body BLOB NOT NULL,
        PRIMARY KEY (mailbox, ns, key)) WITHOUT ROWID;
      INSERT INTO meta VALUES (4711);
    )sql"),
                IsOk());
    ASSERT_THAT((*database)->SetUserVersion(1), IsOk());
    for (int i = 1; i <= 9; ++i) {
      const PutMessage message =
          Message(absl::StrCat("old", i), kMigrated + 1000);
      auto insert = (*database)->Prepared(
          "INSERT INTO messages (mailbox, ns, id, expiry_ms, proof, payload) "
          "VALUES (?,10,?,?,x'70',?)");
      ASSERT_THAT(insert, IsOk());
      ASSERT_THAT((*insert)
                      ->BindBlob(1, Box().bytes())
                      .BindBlob(2, message.id.bytes())
                      .BindInt(3, static_cast<int64_t>(message.expiry_ms))
                      .BindBlob(4, message.payload)
                      .Run(),
                  IsOk());
    }
    ASSERT_THAT((*database)->Exec("DELETE FROM messages WHERE seq=9"), IsOk());
    auto bury =
        (*database)->Prepared("INSERT INTO tombstones VALUES (?,10,?,?)");
    ASSERT_THAT(bury, IsOk());
    ASSERT_THAT((*bury)
                    ->BindBlob(1, Box().bytes())
                    .BindBlob(2, Message("old9").id.bytes())
                    .BindInt(3, static_cast<int64_t>(kMigrated + kDay))
                    .Run(),
                IsOk());
    auto record = (*database)->Prepared(
        "INSERT INTO records VALUES (?,2,zeroblob(16),3,zeroblob(32),"
        "zeroblob(32),zeroblob(64),x'62')");
    ASSERT_THAT(record, IsOk());
    ASSERT_THAT((*record)->BindBlob(1, Account().bytes()).Run(), IsOk());
  }
  static MailboxAddress Account() {
    return *MailboxAddress::FromBytes("\x05" + std::string(32, 'r'));
  }
  void OpenMigrated(uint64_t now_ms) {
    auto store = SqliteStore::Open(
        {.path = path_, .capacity_bytes = 0, .vfs = "", .now_ms = now_ms},
        random_);
    ASSERT_THAT(store, IsOk());
    store_ = *std::move(store);
  }
};

TEST_F(MigrationTest, Version1KeepsAllItHas) {
  OpenMigrated(kMigrated);
  EXPECT_EQ(store_->incarnation(), 4711);
  EXPECT_THAT(Payloads(), SizeIs(8));
  EXPECT_EQ(store_->List(Box(), kNs, 7, 0, 10, 1000)->messages[0].payload,
            "old8");
  EXPECT_EQ(store_->List(Box(), kNs, 7, 0, 10, 1000)->messages[0].proof, "p");
  const auto records =
      store_->Records(Account(), MailboxNamespace::kPrekeyRecords);
  ASSERT_THAT(records, IsOk());
  ASSERT_THAT(*records, SizeIs(1));
  EXPECT_EQ(records->front().body, "b");
  CheckWhole();
  // Registered for 30 days, without an item that others would ask for.
  EXPECT_EQ(store_->Usage(Box()).registered_until_ms, kMigrated + 30 * kDay);
  EXPECT_EQ(store_->Totals()->registrations, 0);
  EXPECT_THAT(store_->Apply({Message("new", kMigrated + 10)}, kMigrated),
              IsOkAndHolds(ElementsAre(OpResult::kDone)));
  EXPECT_GT(store_->List(Box(), kNs, 8, 0, 10, 1000)->messages[0].seq, 9);
  EXPECT_THAT(store_->Apply({Message("new2")}, kMigrated + 30 * kDay),
              IsOkAndHolds(ElementsAre(OpResult::kNotRegistered)));
  EXPECT_THAT(store_->Apply({Registration()}, kMigrated),
              IsOkAndHolds(ElementsAre(OpResult::kDone)))
      << "a real one takes its place, whatever its time";
  EXPECT_EQ(store_->Totals()->registrations, 1);
}

TEST_F(MigrationTest, ATombstoneOfVersion1StaysUntilItsEnd) {
  OpenMigrated(kMigrated);
  const PutMessage old = Message("old9", kMigrated + 2 * kDay);
  EXPECT_EQ(store_->Totals()->tombstones, 1);
  EXPECT_THAT(store_->Apply({old}, kMigrated),
              IsOkAndHolds(ElementsAre(OpResult::kDeleted)));
  EXPECT_THAT(store_->Expire(kMigrated + kDay, 100), IsOkAndHolds(9));
  EXPECT_EQ(store_->Totals()->tombstones, 0);
  EXPECT_THAT(store_->Apply({old}, kMigrated),
              IsOkAndHolds(ElementsAre(OpResult::kDone)));
}

TEST_F(MigrationTest, WithoutATimeTheLatestExpirySaysWhen) {
  OpenMigrated(0);
  EXPECT_EQ(store_->Usage(Box()).registered_until_ms,
            kMigrated + 1000 - 14 * kDay + 30 * kDay);
}

TEST_F(MigrationTest, AMigrationThatFailsLeavesTheOldVersion) {
  {
    auto database = sqlite::Database::Open(path_, {});
    ASSERT_THAT(database, IsOk());
    ASSERT_THAT((*database)->Exec("INSERT INTO tombstones VALUES "
                                  "(x'99', 0, zeroblob(32), 1)"),
                IsOk());
  }
  EXPECT_THAT(SqliteStore::Open({.path = path_, .capacity_bytes = 0, .vfs = ""},
                                random_),
              StatusIs(absl::StatusCode::kDataLoss));
  auto database = sqlite::Database::Open(path_, {});
  ASSERT_THAT(database, IsOk());
  EXPECT_THAT((*database)->UserVersion(), IsOkAndHolds(1));
  ASSERT_THAT((*database)->Exec("DELETE FROM tombstones WHERE mailbox=x'99'"),
              IsOk());
  database = absl::CancelledError("closed");
  OpenMigrated(kMigrated);
  EXPECT_THAT(Payloads(), SizeIs(8));
}

}  // namespace
}  // namespace messenger::swarm
