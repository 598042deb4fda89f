#include "routing/runtime/sqlite/log_check.h"

#include <cstdint>
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
using ::messenger::testing::IsOkAndHolds;
using ::messenger::testing::StatusIs;

constexpr char kPath[] = "/a.db";
constexpr char kLog[] = "/a.db-wal";
constexpr size_t kHeaderBytes = 32;
constexpr size_t kFrameBytes = 24 + 4096;

class LogCheckTest : public ::testing::Test {
 protected:
  ~LogCheckTest() override { database_.reset(); }

  void Open() {
    database_.reset();
    Database::Options options;
    options.vfs = disk_.name();
    auto database = Database::Open(kPath, options);
    ASSERT_THAT(database, IsOk());
    database_ = *std::move(database);
  }

  // A transaction each.
  absl::Status Insert(int rows) {
    for (int i = 0; i < rows; ++i) {
      RETURN_IF_ERROR(database_->Exec("INSERT INTO t VALUES (zeroblob(100))"));
    }
    return absl::OkStatus();
  }

  void MakeRows(int rows) {
    Open();
    ASSERT_THAT(database_->Exec("CREATE TABLE t (x)"), IsOk());
    ASSERT_THAT(Insert(rows), IsOk());
  }

  // As after a crash of the process.
  SimulatedDisk::Image Image() {
    SimulatedDisk::Image image = disk_.Snapshot();
    for (auto it = image.begin(); it != image.end();) {
      it = it->first == kPath || it->first == kLog ? std::next(it)
                                                   : image.erase(it);
    }
    return image;
  }

  LogState StateOf(const SimulatedDisk::Image& image) {
    database_.reset();
    disk_.Restore(image);
    const auto state = CheckLog(kPath, disk_.name());
    EXPECT_THAT(state, IsOk());
    return state.value_or(LogState::kDamaged);
  }

  int64_t Rows() {
    Open();
    auto count = database_->Prepared("SELECT count(*) FROM t");
    if (!count.ok() || !(*count)->Step().ok()) return -1;
    return (*count)->Int(0);
  }

  crypto::SeededRandom random_{1};
  SimulatedDisk disk_{random_};
  std::unique_ptr<Database> database_;
};

TEST_F(LogCheckTest, NoLogIsWhole) {
  EXPECT_THAT(CheckLog(kPath, disk_.name()), IsOkAndHolds(LogState::kWhole));
  MakeRows(1);
  database_.reset();
  EXPECT_THAT(CheckLog(kPath, disk_.name()), IsOkAndHolds(LogState::kWhole));
}

TEST_F(LogCheckTest, ALogThatEndsWithACommitIsWhole) {
  MakeRows(5);
  const SimulatedDisk::Image image = Image();
  ASSERT_GT(image.at(kLog).size(), kHeaderBytes + 5 * kFrameBytes);
  EXPECT_EQ(StateOf(image), LogState::kWhole);
  EXPECT_EQ(Rows(), 5);
}

TEST_F(LogCheckTest, AnEmptyLogIsWhole) {
  MakeRows(1);
  SimulatedDisk::Image image = Image();
  image.at(kLog).clear();
  EXPECT_EQ(StateOf(image), LogState::kWhole);
}

// Whatever bit flips: SQLite still finds every row, or it is damage, or, where
// it is one of the last transaction, at least a torn one; but for a salt of the
// very last frame, which then looks like one of an older log.
TEST_F(LogCheckTest, WhereABitHasFlippedNothingIsLostInSilence) {
  MakeRows(6);
  const SimulatedDisk::Image image = Image();
  const size_t bytes = image.at(kLog).size();
  const size_t last = bytes - kFrameBytes;
  int lost = 0;
  for (size_t at = 0; at < bytes; at += at < kHeaderBytes ? 1 : 61) {
    if (at >= last + 8 && at < last + 16) continue;
    SimulatedDisk::Image damaged = image;
    damaged.at(kLog)[at] ^= static_cast<char>(1 << (at % 8));
    const LogState state = StateOf(damaged);
    const int64_t rows = Rows();
    EXPECT_TRUE(rows == 6 || state == LogState::kDamaged ||
                (rows == 5 && at >= last && state == LogState::kTorn))
        << "byte " << at << ": " << rows << " rows";
    lost += rows != 6;
  }
  // It is about something.
  EXPECT_GT(lost, 100);
}

TEST_F(LogCheckTest, EveryFrameOfATransactionCutShortIsSeen) {
  MakeRows(3);
  const size_t before = Image().at(kLog).size();
  ASSERT_THAT(
      database_->Exec("INSERT INTO t SELECT randomblob(3000) FROM t, t AS u"),
      IsOk());
  const SimulatedDisk::Image image = Image();
  const size_t after = image.at(kLog).size();
  ASSERT_GT(after, before + 3 * kFrameBytes);
  for (size_t size = before + kFrameBytes; size < after; size += kFrameBytes) {
    SimulatedDisk::Image shorter = image;
    shorter.at(kLog).resize(size);
    EXPECT_EQ(StateOf(shorter), LogState::kTorn) << size;
    // And in the middle of a frame.
    shorter.at(kLog).resize(size + kFrameBytes / 2);
    EXPECT_EQ(StateOf(shorter), LogState::kTorn) << size;
  }
}

TEST_F(LogCheckTest, FramesOfAnOlderLogDoNotCount) {
  MakeRows(20);
  const size_t long_log = Image().at(kLog).size();
  ASSERT_THAT(database_->Exec("PRAGMA wal_checkpoint(RESTART)"), IsOk());
  ASSERT_THAT(Insert(1), IsOk());
  const SimulatedDisk::Image image = Image();
  ASSERT_EQ(image.at(kLog).size(), long_log);
  EXPECT_EQ(StateOf(image), LogState::kWhole);
  EXPECT_EQ(Rows(), 21);
}

TEST_F(LogCheckTest, ALogThatCannotBeReadIsAnError) {
  MakeRows(3);
  const SimulatedDisk::Image image = Image();
  database_.reset();
  disk_.Restore(image);
  disk_.SetErrorRates({.read = 1});
  EXPECT_THAT(CheckLog(kPath, disk_.name()),
              StatusIs(absl::StatusCode::kUnavailable));
}

}  // namespace
}  // namespace messenger::sqlite
