#include "client/cli/arguments.h"

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "crypto/base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace messenger::client {
namespace {

using ::messenger::testing::IsOk;
using ::messenger::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(ArgumentsTest, OptionsMayStandAnywhere) {
  const auto arguments = Arguments::Parse(
      {"--data-dir", "d", "send", "05ab", "--json", "hello", "--limit=3"});
  ASSERT_THAT(arguments.status(), IsOk());
  EXPECT_THAT(arguments->words(), ElementsAre("send", "05ab", "hello"));
  EXPECT_EQ(arguments->option("data-dir"), "d");
  EXPECT_EQ(arguments->option("limit"), "3");
  EXPECT_TRUE(arguments->has("json"));
  EXPECT_FALSE(arguments->has("pin"));
  EXPECT_EQ(arguments->word(7), "");
}

TEST(ArgumentsTest, AfterTwoDashesEverythingIsText) {
  const auto arguments = Arguments::Parse({"send", "--", "--json", "--"});
  ASSERT_THAT(arguments.status(), IsOk());
  EXPECT_THAT(arguments->words(), ElementsAre("send", "--json", "--"));
}

TEST(ArgumentsTest, ASingleDashIsAWord) {
  EXPECT_THAT(Arguments::Parse({"send", "-"})->words(),
              ElementsAre("send", "-"));
}

TEST(ArgumentsTest, MistakesAreNamed) {
  const std::vector<std::pair<std::vector<std::string>, std::string>> cases = {
      {{"--jason"}, "--jason"},
      {{"--data-dir"}, "needs a value"},
      {{"--json=yes"}, "takes no value"},
      {{"--json", "--json"}, "twice"},
  };
  for (const auto& [words, hint] : cases) {
    EXPECT_THAT(Arguments::Parse(words).status(),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(hint)));
  }
}

}  // namespace
}  // namespace messenger::client
