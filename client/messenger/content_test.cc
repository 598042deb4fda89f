#include "client/messenger/content.h"

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "crypto/base/testing/status_matchers.h"
#include "crypto/random/testing/seeded_random.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace messenger::client {
namespace {

using ::messenger::testing::IsOk;
using ::messenger::testing::StatusIs;

Content Valid() {
  Content content;
  content.message_id = std::string(kMessageIdBytes, 'i');
  content.sent = absl::FromUnixMillis(1'800'000'000'123);
  content.mailbox_offer = std::string(64, 'm');
  content.profile_name = "Ada";
  content.text = TextPart{"hello", 0, 1};
  return content;
}

TEST(ContentTest, ComesBackAsItWas) {
  const absl::StatusOr<Content> decoded = DecodeContent(EncodeContent(Valid()));
  ASSERT_THAT(decoded.status(), IsOk());
  EXPECT_EQ(decoded->message_id, Valid().message_id);
  EXPECT_EQ(decoded->sent, Valid().sent);
  EXPECT_EQ(decoded->mailbox_offer, Valid().mailbox_offer);
  EXPECT_EQ(decoded->profile_name, "Ada");
  EXPECT_EQ(decoded->text->text, "hello");
}

TEST(ContentTest, AnAcknowledgementHasNoText) {
  Content content = Valid();
  content.text.reset();
  EXPECT_FALSE(DecodeContent(EncodeContent(content))->text.has_value());
}

struct MalformedCase {
  const char* name;
  void (*edit)(Content&);
};

class MalformedContentTest : public ::testing::TestWithParam<MalformedCase> {};

TEST_P(MalformedContentTest, IsRefused) {
  Content content = Valid();
  GetParam().edit(content);
  EXPECT_THAT(DecodeContent(EncodeContent(content)).status(),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

INSTANTIATE_TEST_SUITE_P(
    All, MalformedContentTest,
    ::testing::Values(
        MalformedCase{"ShortId", [](Content& c) { c.message_id.pop_back(); }},
        MalformedCase{"NoId", [](Content& c) { c.message_id.clear(); }},
        MalformedCase{"FarFuture",
                      [](Content& c) {
                        c.sent = absl::FromUnixSeconds(300'000'000'000);
                      }},
        MalformedCase{"ShortOffer",
                      [](Content& c) { c.mailbox_offer.pop_back(); }},
        MalformedCase{
            "LongName",
            [](Content& c) { c.profile_name = std::string(65, 'n'); }},
        MalformedCase{"NameWithEscape",
                      [](Content& c) { c.profile_name = "\x1b[31m"; }},
        MalformedCase{"EmptyText", [](Content& c) { c.text->text.clear(); }},
        MalformedCase{"HugePart",
                      [](Content& c) {
                        c.text->text = std::string(kMaxPartBytes + 1, 't');
                      }},
        MalformedCase{"NoParts", [](Content& c) { c.text->parts = 0; }},
        MalformedCase{"TooManyParts",
                      [](Content& c) { c.text->parts = kMaxParts + 1; }},
        MalformedCase{"PartOutside", [](Content& c) { c.text->part = 1; }}),
    [](const auto& info) { return info.param.name; });

TEST(ContentTest, EveryTruncationAndRandomBytesAreHandled) {
  const std::string bytes = EncodeContent(Valid());
  for (size_t size = 0; size < bytes.size(); ++size) {
    DecodeContent(absl::string_view(bytes).substr(0, size)).IgnoreError();
  }
  crypto::SeededRandom random(1);
  for (int i = 0; i < 20'000; ++i) {
    std::string mutated = bytes;
    mutated[random.Uniform(mutated.size())] ^=
        static_cast<char>(1 + random.Uniform(255));
    const absl::StatusOr<Content> decoded = DecodeContent(mutated);
    if (!decoded.ok()) continue;
    EXPECT_EQ(decoded->message_id.size(), kMessageIdBytes);
    if (decoded->text) {
      EXPECT_TRUE(IsValidUtf8(decoded->text->text));
    }
  }
}

TEST(ContentTest, PartsAreCutBetweenCharacters) {
  std::string text;
  while (text.size() < 3 * kMaxPartBytes + 9) text += "aä€😀";
  const std::vector<TextPart> parts = SplitText(text);
  ASSERT_GT(parts.size(), 3u);
  std::string joined;
  for (const TextPart& part : parts) {
    EXPECT_TRUE(IsValidUtf8(part.text));
    EXPECT_LE(part.text.size(), kMaxPartBytes);
    EXPECT_EQ(part.parts, static_cast<int>(parts.size()));
    joined += part.text;
  }
  EXPECT_TRUE(joined == text);
}

TEST(ContentTest, TheLongestTextHasNoMoreThanTheAllowedParts) {
  EXPECT_THAT(CheckText(std::string(kMaxTextBytes, 'a')), IsOk());
  EXPECT_LE(SplitText(std::string(kMaxTextBytes, 'a')).size(),
            static_cast<size_t>(kMaxParts));
}

TEST(ContentTest, KnowsWellFormedUtf8) {
  for (const char* good : {"", "ascii", "ä", "€", "😀", "\xf4\x8f\xbf\xbf"}) {
    EXPECT_TRUE(IsValidUtf8(good)) << good;
  }
  for (const char* bad :
       {"\x80", "\xc0\xaf", "\xc3", "\xe0\x80\x80", "\xed\xa0\x80",
        "\xf0\x80\x80\x80", "\xf4\x90\x80\x80", "\xf8\x88\x80\x80\x80"}) {
    EXPECT_FALSE(IsValidUtf8(bad)) << bad;
  }
}

}  // namespace
}  // namespace messenger::client
