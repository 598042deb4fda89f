#include "swarm/store/backup.h"

#include <cstdlib>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "crypto/base/testing/status_matchers.h"
#include "crypto/random/testing/seeded_random.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "routing/runtime/sqlite/database.h"
#include "swarm/placement/rendezvous.h"
#include "swarm/store/sqlite_store.h"

namespace messenger::swarm {
namespace {

using ::messenger::testing::IsOk;
using ::messenger::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

class BackupTest : public ::testing::Test {
 protected:
  BackupTest() {
    std::string pattern = absl::StrCat(::testing::TempDir(), "/backupXXXXXX");
    folder_ = mkdtemp(pattern.data());
    path_ = absl::StrCat(folder_, "/messages.db");
    copy_ = absl::StrCat(folder_, "/copy.db");
  }

  void Open() {
    store_.reset();
    auto store = SqliteStore::Open(
        {.path = path_, .capacity_bytes = 0, .vfs = ""}, random_);
    ASSERT_THAT(store, IsOk());
    store_ = *std::move(store);
  }
  static MailboxAddress Box() {
    return *MailboxAddress::FromBytes("\x05" + std::string(32, 'a'));
  }
  void Put(const std::string& payload) {
    const PutRegistration registration = {.mailbox = Box(),
                                          .id = {},
                                          .timestamp_ms = 1,
                                          .proof_nonce = 0,
                                          .proof = ""};
    const PutMessage message = {
        .mailbox = Box(),
        .ns = MailboxNamespace::kInbox,
        .id = ComputeMessageId(Box(), MailboxNamespace::kInbox, payload),
        .payload = payload,
        .expiry_ms = 1000,
        .proof = ""};
    ASSERT_THAT(store_->Apply(
                    {registration, message, SetFill{{{ShardOf(Box()), 7}}}}, 1),
                IsOk());
  }
  std::vector<std::string> Payloads() {
    std::vector<std::string> payloads;
    const auto page =
        store_->List(Box(), MailboxNamespace::kInbox, 0, 0, 100, 1 << 20);
    EXPECT_THAT(page, IsOk());
    for (const StoredMessage& message : page->messages) {
      payloads.push_back(message.payload);
    }
    return payloads;
  }
  bool Exists(const std::string& path) { return std::ifstream(path).good(); }

  crypto::SeededRandom random_{1};
  std::string folder_;
  std::string path_;
  std::string copy_;
  std::unique_ptr<SqliteStore> store_;
};

TEST_F(BackupTest, ARestoredStoreHasAllButItsNameAndItsFills) {
  Open();
  Put("one");
  const uint64_t incarnation = store_->incarnation();
  ASSERT_THAT(BackupStore(path_, copy_), IsOk()) << "while it is in use";
  Put("two");
  store_.reset();
  ASSERT_THAT(RestoreStore(copy_, path_, random_), IsOk());
  Open();
  EXPECT_THAT(Payloads(), ElementsAre("one"));
  EXPECT_NE(store_->incarnation(), incarnation);
  EXPECT_EQ(store_->FilledIn(ShardOf(Box())), 0);
  for (const char* rest : {".partial", ".replaced"}) {
    EXPECT_FALSE(Exists(absl::StrCat(path_, rest)));
  }
  Put("three");
  EXPECT_THAT(Payloads(), ElementsAre("one", "three"));
}

TEST_F(BackupTest, ACopyCanBeRestoredWhereThereIsNothingOrDamage) {
  Open();
  Put("one");
  ASSERT_THAT(BackupStore(path_, copy_), IsOk());
  store_.reset();
  path_ = absl::StrCat(folder_, "/other.db");
  ASSERT_THAT(RestoreStore(copy_, path_, random_), IsOk());
  Open();
  EXPECT_THAT(Payloads(), ElementsAre("one"));
  store_.reset();
  std::ofstream(path_) << std::string(10'000, 'n');
  ASSERT_THAT(RestoreStore(copy_, path_, random_), IsOk());
  Open();
  EXPECT_THAT(Payloads(), ElementsAre("one"));
}

TEST_F(BackupTest, AStoreInUseIsNotReplaced) {
  Open();
  Put("one");
  ASSERT_THAT(BackupStore(path_, copy_), IsOk());
  Put("two");
  EXPECT_THAT(RestoreStore(copy_, path_, random_),
              StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(Payloads(), ElementsAre("one", "two"));
}

TEST_F(BackupTest, ANewerVersionIsNeitherReplacedNorRestored) {
  Open();
  Put("one");
  ASSERT_THAT(BackupStore(path_, copy_), IsOk());
  store_.reset();
  const auto set_version = [](const std::string& path, int64_t version) {
    auto database = sqlite::Database::Open(path, {});
    ASSERT_THAT(database, IsOk());
    ASSERT_THAT((*database)->SetUserVersion(version), IsOk());
  };
  set_version(path_, 99);
  EXPECT_THAT(RestoreStore(copy_, path_, random_),
              StatusIs(absl::StatusCode::kFailedPrecondition));
  set_version(path_, 2);
  set_version(copy_, 99);
  EXPECT_THAT(RestoreStore(copy_, path_, random_),
              StatusIs(absl::StatusCode::kFailedPrecondition));
  Open();
  EXPECT_THAT(Payloads(), ElementsAre("one"));
}

TEST_F(BackupTest, ADamagedCopyIsNotRestored) {
  Open();
  for (int i = 0; i < 50; ++i) Put(absl::StrCat(std::string(4000, 'x'), i));
  ASSERT_THAT(BackupStore(path_, copy_), IsOk());
  store_.reset();
  {
    std::fstream file(copy_, std::ios::in | std::ios::out | std::ios::binary);
    for (int page = 1; page < 40; ++page) {
      file.seekp(4096 * page);
      file << std::string(16, '\xff');
    }
  }
  EXPECT_THAT(RestoreStore(copy_, path_, random_),
              StatusIs(absl::StatusCode::kDataLoss));
  Open();
  EXPECT_EQ(Payloads().size(), 50);
}

TEST_F(BackupTest, AFileIsNotOverwrittenByABackup) {
  Open();
  Put("one");
  std::ofstream(copy_) << "precious";
  EXPECT_THAT(BackupStore(path_, copy_),
              StatusIs(absl::StatusCode::kAlreadyExists));
  EXPECT_THAT(BackupStore(absl::StrCat(folder_, "/missing.db"),
                          absl::StrCat(folder_, "/new.db")),
              StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_FALSE(Exists(absl::StrCat(folder_, "/new.db")));
}

}  // namespace
}  // namespace messenger::swarm
