#include "routing/runtime/file_recorder.h"

#include <string>

#include "crypto/base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "routing/runtime/files.h"

namespace messenger::routing {

bool operator==(const RecordedBytes& a, const RecordedBytes& b) {
  return a.what == b.what && a.bytes == b.bytes;
}

namespace {

using ::messenger::testing::IsOk;
using ::messenger::testing::StatusIs;
using ::testing::ElementsAre;

class FileRecorderTest : public ::testing::Test {
 protected:
  FileRecorderTest() {
    path_ = ::testing::TempDir() + "/recordXXXXXX";
    EXPECT_NE(::mkdtemp(path_.data()), nullptr);
    path_ += "/record";
  }
  std::unique_ptr<FileRecorder> Open() {
    absl::StatusOr<std::unique_ptr<FileRecorder>> recorder =
        FileRecorder::Open(path_);
    EXPECT_THAT(recorder, IsOk());
    return *std::move(recorder);
  }
  std::string Contents() {
    const absl::StatusOr<std::string> contents = ReadFile(path_);
    EXPECT_THAT(contents, IsOk());
    return contents.value_or("");
  }

  std::string path_;
};

TEST_F(FileRecorderTest, RecordsAreOnFileAtOnce) {
  const auto recorder = Open();
  recorder->Record("rpc-in", std::string("a\0b", 3));
  recorder->Record("frame-in", std::string(8192, 'f'));
  recorder->Record("", "");
  EXPECT_THAT(ParseRecords(Contents()),
              ElementsAre(RecordedBytes{"rpc-in", std::string("a\0b", 3)},
                          RecordedBytes{"frame-in", std::string(8192, 'f')},
                          RecordedBytes{"", ""}));
}

TEST_F(FileRecorderTest, LaterProcessAppends) {
  Open()->Record("one", "1");
  Open()->Record("two", "2");
  EXPECT_THAT(ParseRecords(Contents()), ElementsAre(RecordedBytes{"one", "1"},
                                                    RecordedBytes{"two", "2"}));
}

TEST_F(FileRecorderTest, BytesOfARecordAreAsTheHeaderSays) {
  Open()->Record("ab", "xyz");
  EXPECT_EQ(Contents(), std::string("\0\2ab\0\0\0\3xyz", 11));
}

TEST_F(FileRecorderTest, EveryTruncationKeepsTheCompleteRecords) {
  const auto recorder = Open();
  recorder->Record("one", "1");
  const size_t first = Contents().size();
  recorder->Record("two", "22");
  const std::string contents = Contents();
  for (size_t size = 0; size < contents.size(); ++size) {
    EXPECT_EQ(ParseRecords(contents.substr(0, size)).size(),
              size < first ? 0u : 1u)
        << size;
  }
}

TEST_F(FileRecorderTest, MissingDirectoryIsUnavailable) {
  EXPECT_THAT(FileRecorder::Open(path_ + "/none/record"),
              StatusIs(absl::StatusCode::kUnavailable));
}

}  // namespace
}  // namespace messenger::routing
