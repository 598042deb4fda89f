#include "client/messenger/refusal_words.h"

#include <set>
#include <string>

#include "client/remote/write_refusal.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace messenger::client {
namespace {

using ::testing::HasSubstr;

TEST(RefusalWordsTest, EveryReasonHasWordsOfItsOwnAndSaysWhatBecomesOfTheText) {
  std::set<std::string> all;
  for (int i = 1; i <= static_cast<int>(RefusalReason::kOwnerLimit); ++i) {
    const WriteRefusal refusal{.reason = static_cast<RefusalReason>(i),
                               .work_bits = 26};
    const absl::Status status =
        InWords(WithRefusal(absl::ResourceExhaustedError("x"), refusal), "Ben");
    const std::string words(status.message());
    EXPECT_THAT(words, HasSubstr("stays in the outbox")) << i;
    EXPECT_TRUE(all.insert(words).second) << i;
    EXPECT_EQ(RefusalOf(status), refusal);
    EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  }
}

TEST(RefusalWordsTest, NamesTheRecipientAsTheUserDoes) {
  const absl::Status full =
      WithRefusal(absl::ResourceExhaustedError("x"),
                  {.reason = RefusalReason::kMailboxFull});
  EXPECT_THAT(std::string(InWords(full, "Ben").message()),
              HasSubstr("the mailbox of Ben is full"));
  EXPECT_THAT(std::string(InWords(full, "").message()),
              HasSubstr("the mailbox of the recipient is full"));
}

TEST(RefusalWordsTest, OtherFailuresKeepTheirWords) {
  const absl::Status status = absl::UnavailableError("no path");
  EXPECT_EQ(InWords(status, "Ben"), status);
}

}  // namespace
}  // namespace messenger::client
