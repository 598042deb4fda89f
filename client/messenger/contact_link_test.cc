#include "client/messenger/contact_link.h"

#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "crypto/base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace messenger::client {
namespace {

using ::messenger::testing::IsOk;
using ::messenger::testing::StatusIs;
using ::testing::HasSubstr;

const std::string& Id() {
  static const std::string id(
      "05d2ad010eeb72d72e561d9de7bd7b6989af77dcabffa03a5111a6c859ae5c3a72");
  return id;
}
constexpr char kToken[] = "00112233445566778899aabbccddeeff";

TEST(ContactLinkTest, ComesBackAsItWas) {
  ContactLink link(crypto::AccountId::FromHex(Id()).value());
  EXPECT_EQ(link.ToText(), absl::StrCat("session:", Id()));
  EXPECT_FALSE(ParseContactLink(link.ToText())->token.has_value());
  link.token = InviteToken::FromHex(kToken).value();
  EXPECT_EQ(link.ToText(), absl::StrCat("session:", Id(), "?t=", kToken));
  const auto read = ParseContactLink(link.ToText());
  ASSERT_THAT(read, IsOk());
  EXPECT_EQ(read->account, link.account);
  EXPECT_EQ(read->token, link.token);
}

TEST(ContactLinkTest, WhatANewerClientAddsIsLeftAlone) {
  const auto read = ParseContactLink(
      absl::StrCat("session:", Id(), "?name=Mum&t=", kToken, "&x"));
  ASSERT_THAT(read, IsOk());
  EXPECT_EQ(read->token->ToHex(), kToken);
  EXPECT_EQ(read->ToText(), absl::StrCat("session:", Id(), "?t=", kToken));
}

TEST(ContactLinkTest, TheSchemeMayBeInCapitalsAsScannersWriteIt) {
  EXPECT_THAT(ParseContactLink(absl::StrCat("SESSION:", Id())), IsOk());
}

struct BadLink {
  std::string text;
  const char* why;
};

class BadContactLinkTest : public ::testing::TestWithParam<BadLink> {};

TEST_P(BadContactLinkTest, IsRefusedWithTheReason) {
  const auto read = ParseContactLink(GetParam().text);
  EXPECT_THAT(read, StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(std::string(read.status().message()), HasSubstr(GetParam().why));
}

INSTANTIATE_TEST_SUITE_P(
    Links, BadContactLinkTest,
    ::testing::Values(
        BadLink{"", "begin with session:"},
        BadLink{Id(), "begin with session:"},
        BadLink{absl::StrCat("https:", Id()), "begin with session:"},
        BadLink{"session:", "66 hex digits"},
        BadLink{absl::StrCat("session:", Id(), "0"), "66 hex digits"},
        BadLink{absl::StrCat("session://", Id()), "66 hex digits"},
        BadLink{absl::StrCat("session:06", Id().substr(2)), "starts with 05"},
        BadLink{absl::StrCat("session:", Id(), "?t="), "damaged"},
        BadLink{absl::StrCat("session:", Id(), "?t=0011"), "damaged"},
        BadLink{absl::StrCat("session:", Id(), "?t=", kToken, "00"), "damaged"},
        BadLink{absl::StrCat("session:", Id(), "?t=", std::string(32, 'F')),
                "damaged"},
        BadLink{absl::StrCat("session:", Id(), "?t=", std::string(32, 'g')),
                "damaged"},
        BadLink{absl::StrCat("session:", Id(), "?t=", kToken, "&t=", kToken),
                "damaged"},
        BadLink{absl::StrCat("session:", Id(), "?t=", kToken, "\n"), "strange"},
        BadLink{absl::StrCat("session:", Id(), "?n=\xc3\xa4"), "strange"},
        BadLink{absl::StrCat("session:", Id(), "?n=", std::string(500, 'x')),
                "too long"}));

}  // namespace
}  // namespace messenger::client
