#include "client/backup/sealed_file.h"

#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "crypto/base/status_macros.h"
#include "crypto/base/testing/status_matchers.h"
#include "crypto/random/testing/seeded_random.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "routing/runtime/files.h"

namespace messenger::client {
namespace {

using ::messenger::testing::IsOk;
using ::messenger::testing::IsOkAndHolds;
using ::messenger::testing::StatusIs;
using ::testing::HasSubstr;

constexpr size_t kHeadBytes = 100;
constexpr size_t kSealedBytes = kChunkBytes + 17;

class SealedFileTest : public ::testing::Test {
 protected:
  SealedFileTest() {
    std::string pattern = absl::StrCat(::testing::TempDir(), "/sealedXXXXXX");
    folder_ = mkdtemp(pattern.data());
    path_ = absl::StrCat(folder_, "/file");
  }

  absl::Status Write(absl::string_view text) {
    ASSIGN_OR_RETURN(const auto writer,
                     SealedFileWriter::Create(path_, key_, random_));
    RETURN_IF_ERROR(writer->Append(text));
    return writer->Finish();
  }

  // A text of `size`, which must be read to its end.
  absl::StatusOr<std::string> Read(size_t size) {
    ASSIGN_OR_RETURN(const auto reader, SealedFileReader::Open(path_, key_));
    ASSIGN_OR_RETURN(std::string text, reader->Read(size));
    RETURN_IF_ERROR(reader->Finish());
    return text;
  }

  std::string Contents() { return *routing::ReadFile(path_, 1 << 30); }
  absl::Status ReadAs(absl::string_view contents) {
    EXPECT_THAT(routing::WriteFileAtomically(path_, contents), IsOk());
    return Read(kText.size()).status();
  }

  int FilesInFolder() {
    int count = 0;
    for (const auto& entry : std::filesystem::directory_iterator(folder_)) {
      count += entry.exists() ? 1 : 0;
    }
    return count;
  }

  const std::string kText = "what is to be kept";
  crypto::SeededRandom random_{21};
  BackupKey key_ = random_.Secret<32>();
  std::string folder_;
  std::string path_;
};

TEST_F(SealedFileTest, IsReadAsItWasWritten) {
  for (const size_t size :
       {size_t{0}, size_t{1}, kChunkBytes - 1, kChunkBytes, kChunkBytes + 1,
        4 * kChunkBytes, 4 * kChunkBytes + 1, 9 * kChunkBytes - 1}) {
    std::filesystem::remove(path_);
    const std::string text = random_.String(size);
    ASSERT_THAT(Write(text), IsOk());
    EXPECT_THAT(Read(size), IsOkAndHolds(text)) << size;
  }
}

TEST_F(SealedFileTest, TheSizeTellsTheAmountToAQuarter) {
  EXPECT_EQ(PaddedChunks(1), 4u);
  uint64_t before = 0;
  for (uint64_t chunks = 1; chunks < 100'000; ++chunks) {
    const uint64_t padded = PaddedChunks(chunks);
    ASSERT_GE(padded, chunks);
    ASSERT_GE(padded, before);
    ASSERT_EQ(PaddedChunks(padded), padded);
    if (chunks > 4) {
      ASSERT_LT(4 * padded, 5 * chunks + 4);
    }
    before = padded;
  }
  ASSERT_THAT(Write("a"), IsOk());
  EXPECT_EQ(Contents().size(), kHeadBytes + 4 * kSealedBytes);
}

TEST_F(SealedFileTest, NothingOfItIsInTheClearAndNoTwoAreAlike) {
  ASSERT_THAT(Write(kText), IsOk());
  const std::string first = Contents();
  EXPECT_FALSE(absl::StrContains(first, kText));
  EXPECT_FALSE(absl::StrContains(first, std::string(32, '\0')));
  std::filesystem::remove(path_);
  ASSERT_THAT(Write(kText), IsOk());
  EXPECT_NE(Contents().substr(12), first.substr(12));
}

TEST_F(SealedFileTest, IsForItsOwnerOnly) {
  ASSERT_THAT(Write(kText), IsOk());
  struct stat found;
  ASSERT_EQ(stat(path_.c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 0777, 0600u);
}

TEST_F(SealedFileTest, NeverReplacesAFile) {
  ASSERT_THAT(routing::WriteFileAtomically(path_, "precious"), IsOk());
  EXPECT_THAT(Write(kText), StatusIs(absl::StatusCode::kAlreadyExists));
  EXPECT_EQ(Contents(), "precious");
}

TEST_F(SealedFileTest, NeverReplacesAFileThatCameMeanwhile) {
  auto writer = SealedFileWriter::Create(path_, key_, random_);
  ASSERT_THAT(writer, IsOk());
  ASSERT_THAT(routing::WriteFileAtomically(path_, "precious"), IsOk());
  EXPECT_THAT((*writer)->Finish(), StatusIs(absl::StatusCode::kAlreadyExists));
  writer->reset();
  EXPECT_EQ(Contents(), "precious");
  EXPECT_EQ(FilesInFolder(), 1);
}

TEST_F(SealedFileTest, WhatIsNotFinishedLeavesNothing) {
  {
    const auto writer = SealedFileWriter::Create(path_, key_, random_);
    ASSERT_THAT(writer, IsOk());
    ASSERT_THAT((*writer)->Append(std::string(3 * kChunkBytes, 'a')), IsOk());
  }
  EXPECT_EQ(FilesInFolder(), 0);
}

TEST_F(SealedFileTest, EveryTruncationIsNoticed) {
  ASSERT_THAT(Write(kText), IsOk());
  const std::string whole = Contents();
  for (size_t size = 0; size < whole.size();
       size += size < 200 || (size + 3) % kSealedBytes < 120 ? 1 : 1009) {
    EXPECT_THAT(ReadAs(whole.substr(0, size)),
                StatusIs(size < 8 ? absl::StatusCode::kInvalidArgument
                                  : absl::StatusCode::kDataLoss))
        << size;
  }
}

// Eight chunks cut to four look right from outside.
TEST_F(SealedFileTest, TruncationToAnotherAllowedSizeIsNoticed) {
  ASSERT_THAT(Write(absl::StrCat(kText, std::string(7 * kChunkBytes, '\0'))),
              IsOk());
  EXPECT_THAT(ReadAs(Contents().substr(0, kHeadBytes + 4 * kSealedBytes)),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("not whole")));
}

TEST_F(SealedFileTest, EveryFlippedByteIsNoticed) {
  ASSERT_THAT(Write(kText), IsOk());
  const std::string whole = Contents();
  for (size_t i = 0; i < whole.size();
       i += i < 150 || (i + 20) % kSealedBytes < 130 ? 1 : 4001) {
    std::string flipped = whole;
    flipped[i] = static_cast<char>(flipped[i] ^ 1 << i % 8);
    const absl::StatusCode expected =
        i < 8            ? absl::StatusCode::kInvalidArgument
        : i < 12         ? absl::StatusCode::kFailedPrecondition
        : i < kHeadBytes ? absl::StatusCode::kUnauthenticated
                         : absl::StatusCode::kDataLoss;
    EXPECT_THAT(ReadAs(flipped), StatusIs(expected)) << i;
  }
}

TEST_F(SealedFileTest, ChunksInAnotherOrderOrOfAnotherFileAreNoticed) {
  ASSERT_THAT(Write(kText), IsOk());
  const std::string whole = Contents();
  const auto chunk = [](const std::string& file, size_t i) {
    return file.substr(kHeadBytes + i * kSealedBytes, kSealedBytes);
  };
  const std::string head = whole.substr(0, kHeadBytes);
  EXPECT_THAT(ReadAs(absl::StrCat(head, chunk(whole, 0), chunk(whole, 2),
                                  chunk(whole, 1), chunk(whole, 3))),
              StatusIs(absl::StatusCode::kDataLoss));
  std::filesystem::remove(path_);
  ASSERT_THAT(Write(kText), IsOk());
  const std::string other = Contents();
  EXPECT_THAT(ReadAs(absl::StrCat(head, chunk(other, 0), chunk(whole, 1),
                                  chunk(whole, 2), chunk(whole, 3))),
              StatusIs(absl::StatusCode::kDataLoss));
}

TEST_F(SealedFileTest, AnotherKeyIsTold) {
  ASSERT_THAT(Write(kText), IsOk());
  key_ = random_.Secret<32>();
  EXPECT_THAT(Read(kText.size()),
              StatusIs(absl::StatusCode::kUnauthenticated, HasSubstr("key")));
}

TEST_F(SealedFileTest, ForeignAndNewerFilesAreTold) {
  EXPECT_THAT(ReadAs("an old shopping list that is longer than the magic"),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(ReadAs(absl::StrCat("NMBACKUP", std::string(3, '\0'), "\2",
                                  "what only a newer program understands")),
              StatusIs(absl::StatusCode::kFailedPrecondition));
  std::filesystem::remove(path_);
  EXPECT_THAT(Read(1), StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(SealedFileTest, WhatFollowsTheTextMustBePadding) {
  ASSERT_THAT(
      Write(absl::StrCat(kText, std::string(2 * kChunkBytes, '\0'), "x")),
      IsOk());
  EXPECT_THAT(Read(kText.size()), StatusIs(absl::StatusCode::kDataLoss));
}

}  // namespace
}  // namespace messenger::client
