// What only a store on a disk can get wrong: restarts, kill -9, damage, and a
// disk that is full or fails.

#include "swarm/store/sqlite_store.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
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

namespace messenger::swarm {
namespace {

using ::messenger::testing::IsOk;
using ::messenger::testing::IsOkAndHolds;
using ::messenger::testing::StatusIs;
using ::testing::AnyOf;
using ::testing::ElementsAre;
using ::testing::SizeIs;

constexpr MailboxNamespace kNs = MailboxNamespace::kInbox;

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
    return absl::OkStatus();
  }

  static MailboxAddress Box() {
    return *MailboxAddress::FromBytes("\x05" + std::string(32, 'a'));
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
  EXPECT_THAT(store_->Apply({Message("one")}), IsOk());
  const uint64_t incarnation = store_->incarnation();
  ASSERT_THAT(Open(), IsOk());
  EXPECT_THAT(Payloads(), ElementsAre("one"));
  EXPECT_EQ(store_->incarnation(), incarnation)
      << "cursors stay good over a restart";
}

TEST_F(SqliteStoreTest, SequenceNumbersGoOnAfterARestart) {
  ASSERT_THAT(Open(), IsOk());
  EXPECT_THAT(store_->Apply({Message("one"), Message("two")}), IsOk());
  EXPECT_THAT(store_->Expire(1000, 10), IsOkAndHolds(2));
  ASSERT_THAT(Open(), IsOk());
  EXPECT_THAT(store_->Apply({Message("three")}), IsOk());
  const auto page = store_->List(Box(), kNs, 0, 0, 10, 1000);
  EXPECT_EQ(page->messages[0].seq, 3);
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
      for (int i = 0;; ++i) {
        std::vector<StoreOp> ops;
        for (int k = 0; k < kBatch; ++k) {
          ops.push_back(Message(absl::StrCat(round, "/", i, "/", k)));
        }
        if (!(*store)->Apply(ops).ok()) _exit(3);
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

    ASSERT_THAT(Open(), IsOk()) << "also checks the whole file";
    const std::vector<std::string> payloads = Payloads();
    const std::set<std::string> kept(payloads.begin(), payloads.end());
    EXPECT_THAT(kept, SizeIs(payloads.size()));
    for (int i = 0; i <= last; ++i) {
      for (int k = 0; k < kBatch; ++k) {
        EXPECT_TRUE(kept.contains(absl::StrCat(round, "/", i, "/", k)));
      }
    }
    EXPECT_EQ(kept.size() % kBatch, 0) << "no batch in halves";
    store_.reset();
  }
}

TEST_F(SqliteStoreTest, RefusesADamagedFile) {
  ASSERT_THAT(Open(), IsOk());
  for (int i = 0; i < 200; ++i) {
    EXPECT_THAT(
        store_->Apply({Message(std::string(2000, 'x') + absl::StrCat(i))}),
        IsOk());
  }
  store_.reset();
  {
    std::fstream file(path_, std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(0, std::ios::end);
    const auto size = static_cast<int64_t>(file.tellg());
    ASSERT_GT(size, 100'000);
    for (int64_t at = 4096; at < size; at += 4096) {
      file.seekp(at);
      file.write("\xff\xff\xff\xff\xff\xff\xff\xff", 8);
    }
  }
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

TEST_F(SqliteStoreTest, RefusesWhatExceedsItsCapacityAndGoesOnWhenThereIsRoom) {
  ASSERT_THAT(Open(/*capacity_bytes=*/512 * 1024), IsOk());
  int stored = 0;
  absl::Status full;
  for (int i = 0; i < 100 && full.ok(); ++i) {
    full = store_->Apply({Message(std::string(20'000, 'x') + absl::StrCat(i))})
               .status();
    stored += full.ok();
  }
  EXPECT_THAT(full, StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_GT(stored, 10);
  EXPECT_THAT(Payloads(), SizeIs(stored)) << "what is there stays readable";
  // A batch that does not fit leaves nothing behind.
  EXPECT_THAT(
      store_->Apply({Message("small"), Message(std::string(60'000, 'y'))}),
      StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_THAT(Payloads(), SizeIs(stored));
  // Deletions work on a full disk, and make room.
  DeleteMessages erase{
      .mailbox = Box(), .ns = kNs, .ids = {}, .unknown_until_ms = 5000};
  for (int i = 0; i < 8; ++i) {
    erase.ids.push_back(Message(std::string(20'000, 'x') + absl::StrCat(i)).id);
  }
  EXPECT_THAT(store_->Apply({erase}), IsOk());
  EXPECT_THAT(store_->Apply({Message(std::string(60'000, 'y'))}), IsOk());
  EXPECT_THAT(store_->Expire(1000, 1000), IsOk());
  EXPECT_THAT(store_->Apply({Message(std::string(60'000, 'z'), 9000)}), IsOk());
}

TEST_F(SqliteStoreTest, AFailingDiskIsAnErrorAndTheStoreRecovers) {
  ASSERT_THAT(Open(), IsOk());
  ASSERT_THAT(store_->Apply({Message("before")}), IsOk());
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
        store_->Apply({Message(std::string(60'000, 'x') + absl::StrCat(i))})
            .status();
    stored += failed.ok();
  }
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &old_limit), 0);
  ASSERT_EQ(sigaction(SIGXFSZ, &old_action, nullptr), 0);
  EXPECT_THAT(failed.code(), AnyOf(absl::StatusCode::kUnavailable,
                                   absl::StatusCode::kResourceExhausted));
  EXPECT_THAT(Payloads(), SizeIs(1 + stored));
  EXPECT_THAT(store_->Apply({Message("after")}), IsOk());
  EXPECT_THAT(Payloads(), SizeIs(2 + stored));
  ASSERT_THAT(Open(), IsOk());
  EXPECT_THAT(Payloads(), SizeIs(2 + stored));
}

TEST_F(SqliteStoreTest, AFileThatCannotBeOpenedIsAnError) {
  path_ = absl::StrCat(path_, ".missing/messages.db");
  EXPECT_THAT(Open(), StatusIs(absl::StatusCode::kUnavailable));
}

}  // namespace
}  // namespace messenger::swarm
