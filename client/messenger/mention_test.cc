#include "client/messenger/mention.h"

#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "crypto/identity/account_id.h"
#include "crypto/identity/account_keys.h"
#include "crypto/random/testing/seeded_random.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace messenger::client {
namespace {

using ::messenger::crypto::AccountId;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class MentionTest : public ::testing::Test {
 protected:
  std::string Written(absl::string_view text) {
    return WriteMentions(text, {{"Ben", ben_}, {"Ben Lee", lee_}, {"", ada_}});
  }
  std::string Shown(absl::string_view text) {
    return ShowMentions(text,
                        [&](const AccountId& id) -> std::optional<std::string> {
                          if (id == ben_) return "Benny";
                          if (id == ada_) return "you";
                          return std::nullopt;
                        });
  }

  crypto::SeededRandom random_{1};
  const AccountId ada_ = crypto::AccountKeys::Generate(random_).id();
  const AccountId ben_ = crypto::AccountKeys::Generate(random_).id();
  const AccountId lee_ = crypto::AccountKeys::Generate(random_).id();
  const std::string ben_at_ = absl::StrCat("@", ben_.ToHex());
};

TEST_F(MentionTest, ATypedNameBecomesAMentionAndIsShownByTheReadersName) {
  EXPECT_EQ(Written("ask @Ben, please"),
            absl::StrCat("ask ", ben_at_, ", please"));
  EXPECT_EQ(Shown(Written("ask @Ben, please")), "ask @Benny, please");
  EXPECT_EQ(Shown(Written("@Ben")), "@Benny");
  EXPECT_EQ(Shown(Written("@Ben @Ben")), "@Benny @Benny");
  EXPECT_EQ(Shown(Written("(@Ben)")), "(@Benny)");
}

TEST_F(MentionTest, TheLongestNameCounts) {
  EXPECT_EQ(Written("@Ben Lee!"), absl::StrCat("@", lee_.ToHex(), "!"));
  EXPECT_EQ(Written("@Ben Leeds"), absl::StrCat(ben_at_, " Leeds"));
}

TEST_F(MentionTest, AddressesAndLongerWordsAreNoMentions) {
  for (const char* text : {"x@Ben", "x.@Ben", "@Benny", "@Ben\xc3\xa9",
                           "@Ben_2", "@ben", "@", "@ ", "", "@@Bon"}) {
    EXPECT_EQ(Written(text), text);
  }
  EXPECT_EQ(Written("\xe3\x81\xad@Ben"), absl::StrCat("\xe3\x81\xad", ben_at_));
}

TEST_F(MentionTest, WhoHasNoNameHereIsShownByTheId) {
  const std::string text = absl::StrCat("ask @", lee_.ToHex());
  EXPECT_EQ(Shown(text), text);
}

TEST_F(MentionTest, FindsOnlyWholeIds) {
  EXPECT_THAT(FindMentions(ben_at_), SizeIs(1));
  EXPECT_THAT(FindMentions(absl::StrCat(ben_at_, " ", ben_at_)), SizeIs(2));
  EXPECT_THAT(FindMentions(ben_at_ + "0"), IsEmpty());
  EXPECT_THAT(FindMentions(ben_at_.substr(0, 66)), IsEmpty());
  EXPECT_THAT(FindMentions("x" + ben_at_), IsEmpty());
  // Of the right length, and no account id.
  EXPECT_THAT(FindMentions(absl::StrCat("@", std::string(66, 'f'))), IsEmpty());
  EXPECT_TRUE(IsMentioned(absl::StrCat("so ", ben_at_), ben_));
  EXPECT_FALSE(IsMentioned(absl::StrCat("so ", ben_at_), ada_));
}

}  // namespace
}  // namespace messenger::client
