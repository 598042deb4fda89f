#include "routing/runtime/sqlite/database.h"

#include <sys/stat.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "crypto/base/secret_bytes.h"
#include "crypto/base/status_macros.h"
#include "crypto/base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace messenger::sqlite {
namespace {

using ::messenger::testing::IsOk;
using ::messenger::testing::StatusIs;

constexpr char kMarker[] = "a marker that must not lie in the clear";

crypto::SecretBytes<32> Key(char fill) {
  return crypto::SecretBytes<32>::FromBytes(std::string(32, fill)).value();
}

std::string FileContent(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(in), {});
}

class DatabaseTest : public ::testing::Test {
 protected:
  DatabaseTest() {
    std::string pattern = absl::StrCat(::testing::TempDir(), "/dbXXXXXX");
    path_ = absl::StrCat(mkdtemp(pattern.data()), "/test.db");
  }

  std::unique_ptr<Database> Open(const Database::Options& options = {}) {
    absl::StatusOr<std::unique_ptr<Database>> database =
        Database::Open(path_, options);
    EXPECT_THAT(database.status(), IsOk());
    return *std::move(database);
  }

  static absl::Status Insert(Database& database, absl::string_view value) {
    ASSIGN_OR_RETURN(Statement * insert,
                     database.Prepared("INSERT INTO t(v) VALUES(?)"));
    return insert->BindBlob(1, value).Run();
  }

  static int64_t Count(Database& database) {
    Statement* count = database.Prepared("SELECT count(*) FROM t").value();
    EXPECT_TRUE(count->Step().value());
    const int64_t rows = count->Int(0);
    count->Reset();
    return rows;
  }

  std::string path_;
};

TEST_F(DatabaseTest, KeepsRowsAcrossOpenings) {
  {
    auto database = Open();
    ASSERT_THAT(database->Exec("CREATE TABLE t(v BLOB UNIQUE)"), IsOk());
    ASSERT_THAT(Insert(*database, std::string("a\0b", 3)), IsOk());
  }
  auto database = Open();
  Statement* select = database->Prepared("SELECT v FROM t").value();
  ASSERT_TRUE(select->Step().value());
  EXPECT_EQ(select->Blob(0), std::string("a\0b", 3));
}

TEST_F(DatabaseTest, AnEmptyBlobIsNotNull) {
  auto database = Open();
  ASSERT_THAT(database->Exec("CREATE TABLE t(v BLOB NOT NULL)"), IsOk());
  EXPECT_THAT(Insert(*database, absl::string_view()), IsOk());
}

TEST_F(DatabaseTest, AFailedTransactionLeavesNothing) {
  auto database = Open();
  ASSERT_THAT(database->Exec("CREATE TABLE t(v BLOB UNIQUE)"), IsOk());
  EXPECT_THAT(database->Transaction([&]() -> absl::Status {
    RETURN_IF_ERROR(Insert(*database, "one"));
    return absl::CancelledError("changed my mind");
  }),
              StatusIs(absl::StatusCode::kCancelled));
  EXPECT_EQ(Count(*database), 0);
  EXPECT_THAT(database->Transaction([&] { return Insert(*database, "two"); }),
              IsOk());
  EXPECT_EQ(Count(*database), 1);
}

TEST_F(DatabaseTest, AConstraintIsAlreadyExists) {
  auto database = Open();
  ASSERT_THAT(database->Exec("CREATE TABLE t(v BLOB UNIQUE)"), IsOk());
  ASSERT_THAT(Insert(*database, "one"), IsOk());
  EXPECT_THAT(Insert(*database, "one"),
              StatusIs(absl::StatusCode::kAlreadyExists));
}

TEST_F(DatabaseTest, AKeyedDatabaseHoldsNoPlaintextAndOpensOnlyWithItsKey) {
  const crypto::SecretBytes<32> key = Key('k');
  Database::Options options;
  options.key = &key;
  {
    auto database = Open(options);
    ASSERT_THAT(database->Exec("CREATE TABLE t(v BLOB)"), IsOk());
    ASSERT_THAT(Insert(*database, kMarker), IsOk());
    EXPECT_FALSE(
        absl::StrContains(FileContent(absl::StrCat(path_, "-wal")), kMarker));
  }
  EXPECT_FALSE(absl::StrContains(FileContent(path_), kMarker));
  EXPECT_FALSE(absl::StrContains(FileContent(path_), "SQLite format"));

  const crypto::SecretBytes<32> wrong = Key('w');
  Database::Options wrong_options;
  wrong_options.key = &wrong;
  EXPECT_THAT(Database::Open(path_, wrong_options).status(),
              StatusIs(absl::StatusCode::kUnauthenticated));
  EXPECT_EQ(Count(*Open(options)), 1);
}

TEST_F(DatabaseTest, AFileThatIsNoDatabaseIsDataLoss) {
  std::ofstream(path_) << std::string(8192, 'x');
  EXPECT_THAT(Database::Open(path_, {}).status(),
              StatusIs(absl::StatusCode::kDataLoss));
}

TEST_F(DatabaseTest, QuickCheckFindsADamagedPage) {
  {
    auto database = Open();
    ASSERT_THAT(database->Exec("CREATE TABLE t(v BLOB)"), IsOk());
    for (int i = 0; i < 100; ++i) {
      ASSERT_THAT(Insert(*database, std::string(1000, 'x')), IsOk());
    }
    EXPECT_THAT(database->QuickCheck(), IsOk());
    ASSERT_THAT(database->Exec("PRAGMA wal_checkpoint(TRUNCATE)"), IsOk());
  }
  {
    std::fstream file(path_, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(2 * 4096);
    file << std::string(4096, '\xff');
  }
  EXPECT_THAT(Open()->QuickCheck(), StatusIs(absl::StatusCode::kDataLoss));
}

TEST_F(DatabaseTest, AMissingFolderIsUnavailable) {
  EXPECT_THAT(Database::Open("/nonexistent/folder/test.db", {}).status(),
              StatusIs(absl::StatusCode::kUnavailable));
}

TEST_F(DatabaseTest, RemembersItsSchemaVersion) {
  ASSERT_THAT(Open()->SetUserVersion(7), IsOk());
  EXPECT_EQ(Open()->UserVersion().value(), 7);
}

}  // namespace
}  // namespace messenger::sqlite
