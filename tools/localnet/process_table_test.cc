#include "tools/localnet/process_table.h"

#include <signal.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "crypto/base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "routing/runtime/files.h"

namespace messenger::localnet {
namespace {

using ::messenger::testing::IsOk;
using ::messenger::testing::StatusIs;
using ::testing::HasSubstr;

// `cat` of a pipe nobody writes to would end at once; `tail -f` stays.
const std::vector<std::string>& Stays() {
  static const auto* command =
      new std::vector<std::string>{"/usr/bin/tail", "-f", "/dev/null"};
  return *command;
}

class ProcessTableTest : public ::testing::Test {
 protected:
  static std::string NewFolder() {
    std::string pattern = absl::StrCat(::testing::TempDir(), "/tableXXXXXX");
    return mkdtemp(pattern.data());
  }
  ~ProcessTableTest() override { table_.StopAll(absl::Seconds(5)); }

  std::string Log() { return folder_ + "/log"; }

  const std::string folder_ = NewFolder();
  ProcessTable table_{folder_ + "/table"};
};

TEST_F(ProcessTableTest, ALaterCommandFindsTheProcessesAgain) {
  ASSERT_THAT(table_.Start("a", Stays(), Log()), IsOk());
  ProcessTable later(folder_ + "/table");
  ASSERT_THAT(later.Load(), IsOk());
  ASSERT_EQ(later.processes().size(), 1u);
  EXPECT_TRUE(ProcessTable::IsAlive(later.processes()[0]));
  EXPECT_EQ(later.processes()[0].arguments, Stays());
}

TEST_F(ProcessTableTest, AProcessStartsAgainUnderItsName) {
  ASSERT_THAT(table_.Start("a", Stays(), Log()), IsOk());
  EXPECT_THAT(table_.Start("a", Stays(), Log()),
              StatusIs(absl::StatusCode::kFailedPrecondition));
  const pid_t first = table_.processes()[0].pid;
  ASSERT_THAT(ProcessTable::Signal(table_.processes()[0], SIGKILL), IsOk());
  while (ProcessTable::IsAlive(table_.processes()[0])) {
  }
  EXPECT_THAT(ProcessTable::Signal(table_.processes()[0], SIGKILL),
              StatusIs(absl::StatusCode::kFailedPrecondition));
  ASSERT_THAT(table_.Start("a", Stays(), Log()), IsOk());
  ASSERT_EQ(table_.processes().size(), 1u);
  EXPECT_NE(table_.processes()[0].pid, first);
}

TEST_F(ProcessTableTest, ARecycledPidIsNobodyOfOurs) {
  ASSERT_THAT(table_.Start("a", Stays(), Log()), IsOk());
  Process stranger = table_.processes()[0];
  stranger.start_time += 1;
  EXPECT_FALSE(ProcessTable::IsAlive(stranger));
  EXPECT_THAT(ProcessTable::Signal(stranger, SIGKILL),
              StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_TRUE(ProcessTable::IsAlive(table_.processes()[0]));
}

TEST_F(ProcessTableTest, StopsEvenWhatIgnoresSigterm) {
  ASSERT_THAT(table_.Start("polite", Stays(), Log()), IsOk());
  ASSERT_THAT(table_.Start("stubborn",
                           {"/bin/sh", "-c",
                            "trap '' TERM; echo deaf; tail -f /dev/null"},
                           Log()),
              IsOk());
  while (routing::ReadFile(Log()).value_or("").empty()) {
  }
  EXPECT_EQ(table_.StopAll(absl::Milliseconds(300)), 1);
  for (const Process& process : table_.processes()) {
    EXPECT_FALSE(ProcessTable::IsAlive(process)) << process.name;
  }
}

TEST_F(ProcessTableTest, AnUnknownNameIsAnsweredWithTheKnownOnes) {
  ASSERT_THAT(table_.Start("router-1", Stays(), Log()), IsOk());
  EXPECT_THAT(table_.Find("router-9").status(),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("router-1")));
}

TEST_F(ProcessTableTest, AMissingProgramIsNamed) {
  EXPECT_THAT(table_.Start("a", {"/nonexistent/program"}, Log()),
              StatusIs(absl::StatusCode::kUnavailable,
                       HasSubstr("/nonexistent/program")));
}

TEST_F(ProcessTableTest, ADamagedFileIsDataLoss) {
  ASSERT_THAT(routing::WriteFileAtomically(folder_ + "/table", "gibberish\n"),
              IsOk());
  EXPECT_THAT(table_.Load(), StatusIs(absl::StatusCode::kDataLoss));
}

}  // namespace
}  // namespace messenger::localnet
