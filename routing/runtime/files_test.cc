#include "routing/runtime/files.h"

#include <dirent.h>
#include <sys/stat.h>

#include <string>

#include "crypto/base/testing/status_matchers.h"
#include "gtest/gtest.h"

namespace messenger::routing {
namespace {

using ::messenger::testing::IsOk;
using ::messenger::testing::IsOkAndHolds;
using ::messenger::testing::StatusIs;

class FilesTest : public ::testing::Test {
 protected:
  FilesTest() {
    const std::string pattern = ::testing::TempDir() + "/filesXXXXXX";
    directory_ = pattern;
    EXPECT_NE(::mkdtemp(directory_.data()), nullptr);
  }
  std::string Path() const { return directory_ + "/file"; }
  int FilesInDirectory() const {
    int count = 0;
    DIR* const listing = ::opendir(directory_.c_str());
    while (const dirent* entry = ::readdir(listing)) {
      count += entry->d_name[0] != '.';
    }
    ::closedir(listing);
    return count;
  }

  std::string directory_;
};

TEST_F(FilesTest, WhatIsWrittenIsRead) {
  for (const std::string& contents :
       {std::string(), std::string("a\0b", 3), std::string(100'000, 'x')}) {
    ASSERT_THAT(WriteFileAtomically(Path(), contents), IsOk());
    EXPECT_THAT(ReadFile(Path()), IsOkAndHolds(contents));
  }
  EXPECT_EQ(FilesInDirectory(), 1);
}

TEST_F(FilesTest, FileIsForItsOwnerOnly) {
  ASSERT_THAT(WriteFileAtomically(Path(), "secret"), IsOk());
  struct stat status;
  ASSERT_EQ(::stat(Path().c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
}

TEST_F(FilesTest, MissingFileIsNotFound) {
  EXPECT_THAT(ReadFile(Path()), StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(FilesTest, DirectoryCannotBeReadAsAFile) {
  EXPECT_THAT(ReadFile(directory_), StatusIs(absl::StatusCode::kUnavailable));
}

TEST_F(FilesTest, FileAboveTheLimitIsRefused) {
  ASSERT_THAT(WriteFileAtomically(Path(), "12345"), IsOk());
  EXPECT_THAT(ReadFile(Path(), /*max_bytes=*/5), IsOkAndHolds("12345"));
  EXPECT_THAT(ReadFile(Path(), /*max_bytes=*/4),
              StatusIs(absl::StatusCode::kResourceExhausted));
}

TEST_F(FilesTest, FailedWriteLeavesNothingBehind) {
  EXPECT_THAT(WriteFileAtomically(directory_ + "/none/file", "x"),
              StatusIs(absl::StatusCode::kUnavailable));
  // A directory in the way of the rename.
  ASSERT_EQ(::mkdir(Path().c_str(), 0700), 0);
  EXPECT_THAT(WriteFileAtomically(Path(), "x"),
              StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_EQ(FilesInDirectory(), 1);
}

}  // namespace
}  // namespace messenger::routing
