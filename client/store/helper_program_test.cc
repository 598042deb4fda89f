#include "client/store/helper_program.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "crypto/base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace messenger::client {
namespace {

using ::messenger::testing::IsOk;
using ::messenger::testing::StatusIs;

// Far more than any of these needs; those that never end are given less.
constexpr absl::Duration kEnough = absl::Minutes(1);

HelperCall Shell(const std::string& script) {
  HelperCall call;
  call.program = "/bin/sh";
  call.arguments = {"-c", script};
  call.limit = kEnough;
  return call;
}

TEST(HelperProgramTest, TakesWhatItIsToldAndGivesWhatItSays) {
  HelperCall call = Shell("cat; echo word >&2; exit 3");
  const std::string input(kMaxHelperInputBytes, 'i');
  call.input = input;
  const absl::StatusOr<HelperAnswer> answer = RunHelper(call);
  ASSERT_THAT(answer.status(), IsOk());
  EXPECT_EQ(answer->exit_code, 3);
  EXPECT_EQ(answer->output, input);
  EXPECT_EQ(answer->errors, "word\n");
}

TEST(HelperProgramTest, AProgramThatReadsNothingIsNoProblem) {
  HelperCall call = Shell("exit 0");
  call.input = "not read";
  EXPECT_THAT(RunHelper(call).status(), IsOk());
}

TEST(HelperProgramTest, HasOnlyTheVariablesThatItIsGiven) {
  setenv("HELPER_TEST_OTHER", "no", 1);
  HelperCall call = Shell("echo $HELPER_TEST_NAMED-$HELPER_TEST_OTHER");
  call.environment = {"HELPER_TEST_NAMED=yes"};
  EXPECT_EQ(RunHelper(call)->output, "yes-\n");
}

TEST(HelperProgramTest, InheritsNoDescriptor) {
  // As a descriptor that somebody forgot to mark.
  const int forgotten = dup(0);
  ASSERT_GE(forgotten, 3);
  const absl::StatusOr<HelperAnswer> answer =
      RunHelper(Shell("for i in /proc/self/fd/*; do echo ${i##*/}; done"));
  close(forgotten);
  ASSERT_THAT(answer.status(), IsOk());
  // The shell's own one for the folder comes after 0, 1 and 2.
  EXPECT_THAT(answer->output, ::testing::StartsWith("0\n1\n2\n"));
  EXPECT_LE(answer->output.size(), 8u) << answer->output;
}

TEST(HelperProgramTest, IsKilledWhenItTakesTooLong) {
  for (const char* script :
       {"exec sleep 1000", "exec >&- 2>&-; exec sleep 1000"}) {
    HelperCall call = Shell(script);
    call.limit = absl::Milliseconds(50);
    EXPECT_THAT(RunHelper(call).status(),
                StatusIs(absl::StatusCode::kDeadlineExceeded));
  }
}

TEST(HelperProgramTest, IsKilledWhenItSaysTooMuch) {
  for (const char* script :
       {"while :; do echo yes; done", "while :; do echo yes >&2; done"}) {
    EXPECT_THAT(RunHelper(Shell(script)).status(),
                StatusIs(absl::StatusCode::kResourceExhausted));
  }
}

TEST(HelperProgramTest, AMissingProgramAndOneThatCrashesAreUnavailable) {
  HelperCall call = Shell("kill -9 $$");
  EXPECT_THAT(RunHelper(call).status(),
              StatusIs(absl::StatusCode::kUnavailable));
  call.program = absl::StrCat(::testing::TempDir(), "/there-is-no-such");
  EXPECT_THAT(RunHelper(call).status(),
              StatusIs(absl::StatusCode::kUnavailable));
}

TEST(HelperProgramTest, IsNeverSearchedFor) {
  HelperCall call = Shell("exit 0");
  call.program = "sh";
  EXPECT_THAT(RunHelper(call).status(), StatusIs(absl::StatusCode::kInternal));
}

}  // namespace
}  // namespace messenger::client
