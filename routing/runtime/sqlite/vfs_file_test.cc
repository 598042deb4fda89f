#include "routing/runtime/sqlite/vfs_file.h"

#include <sys/stat.h>

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "crypto/base/status_macros.h"
#include "crypto/base/testing/status_matchers.h"
#include "crypto/random/testing/seeded_random.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "routing/runtime/sqlite/database.h"
#include "routing/runtime/sqlite/testing/simulated_disk.h"

namespace messenger::sqlite {
namespace {

using ::messenger::testing::IsOk;
using ::messenger::testing::StatusIs;

TEST(VfsFileTest, KeepsWhatWasWrittenOnTheRealDisk) {
  const std::string database = absl::StrCat(::testing::TempDir(), "/real.db");
  const std::string path = absl::StrCat(database, "-keys");
  EXPECT_THAT(VfsFile::Open(path, ""), StatusIs(absl::StatusCode::kUnavailable))
      << "without its database";
  ASSERT_THAT(Database::Open(database, {}), IsOk());
  {
    const auto file = VfsFile::Open(path, "");
    ASSERT_THAT(file, IsOk());
    ASSERT_THAT((*file)->Write(64, "key"), IsOk());
    ASSERT_THAT((*file)->Sync(), IsOk());
  }
  const auto file = VfsFile::Open(path, "");
  ASSERT_THAT(file, IsOk());
  EXPECT_EQ(*(*file)->Size(), 67u);
  EXPECT_EQ(*(*file)->Read(63, 5), std::string("\0key\0", 5));
}

TEST(VfsFileTest, HasTheModeOfItsDatabase) {
  const std::string path = absl::StrCat(::testing::TempDir(), "/mode.db");
  const auto database = Database::Open(path, {});
  ASSERT_THAT(database, IsOk());
  ASSERT_EQ(chmod(path.c_str(), 0600), 0);
  const std::string beside = absl::StrCat(path, "-keys");
  const auto file = VfsFile::Open(beside, "");
  ASSERT_THAT(file, IsOk());
  struct stat info;
  ASSERT_EQ(stat(beside.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
}

TEST(VfsFileTest, SaysThatAFolderIsMissing) {
  EXPECT_THAT(
      VfsFile::Open(absl::StrCat(::testing::TempDir(), "/none/x.db-keys"), "")
          .status(),
      StatusIs(absl::StatusCode::kUnavailable));
}

TEST(VfsFileTest, KeepsWhatWasSyncedWhenThePowerFails) {
  crypto::SeededRandom random(1);
  SimulatedDisk disk(random);
  auto file = VfsFile::Open("/x.db-keys", disk.name());
  ASSERT_THAT(file, IsOk());
  ASSERT_THAT((*file)->Write(0, "old"), IsOk());
  ASSERT_THAT((*file)->Sync(), IsOk());
  ASSERT_THAT((*file)->Write(0, "new"), IsOk());
  disk.Crash(SimulatedDisk::CrashMode::kDropUnsynced);
  EXPECT_THAT((*file)->Read(0, 3), StatusIs(absl::StatusCode::kUnavailable));
  file = VfsFile::Open("/x.db-keys", disk.name());
  ASSERT_THAT(file, IsOk());
  EXPECT_EQ(*(*file)->Read(0, 3), "old");
}

TEST(VfsFileTest, SaysThatTheDiskFails) {
  crypto::SeededRandom random(1);
  SimulatedDisk disk(random);
  const auto file = VfsFile::Open("/x.db-keys", disk.name());
  ASSERT_THAT(file, IsOk());
  disk.SetErrorRate(1);
  EXPECT_THAT((*file)->Write(0, "x"), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT((*file)->Sync(), StatusIs(absl::StatusCode::kUnavailable));
}

}  // namespace
}  // namespace messenger::sqlite
