#include "client/cli/message_text.h"

#include <optional>

#include "absl/time/time.h"
#include "gtest/gtest.h"

namespace messenger::client {
namespace {

TEST(MessageTextTest, TimersAreANumberAndAUnit) {
  EXPECT_EQ(ParseTimer("30s"), absl::Seconds(30));
  EXPECT_EQ(ParseTimer("5m"), absl::Minutes(5));
  EXPECT_EQ(ParseTimer("8h"), absl::Hours(8));
  EXPECT_EQ(ParseTimer("1d"), absl::Hours(24));
  EXPECT_EQ(ParseTimer("4w"), absl::Hours(24 * 28));
  EXPECT_EQ(ParseTimer("off"), absl::ZeroDuration());
  for (const char* word : {"", "s", "5", "-5s", "0s", "5.5h", "5 s", "5y",
                           "99999999999999999999w", "1000001w"}) {
    EXPECT_EQ(ParseTimer(word), std::nullopt) << word;
  }
}

TEST(MessageTextTest, TimesAreSaidInTheLargestWholeUnit) {
  EXPECT_EQ(TimeText(absl::Seconds(1)), "1 second");
  EXPECT_EQ(TimeText(absl::Seconds(90)), "90 seconds");
  EXPECT_EQ(TimeText(absl::Minutes(60)), "1 hour");
  EXPECT_EQ(TimeText(absl::Hours(48)), "2 days");
  EXPECT_EQ(TimeText(absl::Hours(24 * 14)), "2 weeks");
  EXPECT_EQ(TimeText(absl::Milliseconds(1)), "1 second");
  EXPECT_EQ(TimeText(absl::Seconds(-3)), "0 seconds");
  EXPECT_EQ(TimerText(absl::ZeroDuration()), "New messages stay.");
}

TEST(MessageTextTest, AQuoteIsTheBeginningOfTheFirstLine) {
  EXPECT_EQ(FirstLine("short", 10), "short");
  EXPECT_EQ(FirstLine("one\ntwo", 10), "one...");
  EXPECT_EQ(FirstLine("äöüäöü", 3), "äöü...");
  EXPECT_EQ(FirstLine("", 3), "");
}

}  // namespace
}  // namespace messenger::client
