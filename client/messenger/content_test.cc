#include "client/messenger/content.h"

#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "client/picture/testing/pictures.h"
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
  TextPart text;
  text.text = "hello";
  content.body = text;
  return content;
}

TextPart& Text(Content& content) { return std::get<TextPart>(content.body); }

std::string Id(char c) { return std::string(kMessageIdBytes, c); }

// What is left of the body on the other side.
template <typename As>
As RoundTripAs(ContentBody body) {
  Content content = Valid();
  content.body = std::move(body);
  const absl::StatusOr<Content> decoded = DecodeContent(EncodeContent(content));
  EXPECT_THAT(decoded.status(), IsOk());
  EXPECT_TRUE(std::holds_alternative<As>(decoded->body));
  return std::get<As>(decoded->body);
}
template <typename Body>
Body RoundTrip(const Body& body) {
  return RoundTripAs<Body>(body);
}

TEST(ContentTest, ComesBackAsItWas) {
  const absl::StatusOr<Content> decoded = DecodeContent(EncodeContent(Valid()));
  ASSERT_THAT(decoded.status(), IsOk());
  EXPECT_EQ(decoded->message_id, Valid().message_id);
  EXPECT_EQ(decoded->sent, Valid().sent);
  EXPECT_EQ(decoded->mailbox_offer, Valid().mailbox_offer);
  EXPECT_EQ(decoded->profile_name, "Ada");
  EXPECT_EQ(std::get<TextPart>(decoded->body).text, "hello");
}

TEST(ContentTest, APictureIsOfTheAllowedKindOrNothing) {
  const std::string jpeg = ToJpeg(Image::Plain(16, 16, {1, 2, 3}));
  EXPECT_EQ(RoundTrip(Picture{jpeg, ""}).jpeg, jpeg);
  EXPECT_EQ(RoundTrip(Picture{"", ""}).jpeg, "");
  const std::string account(33, 'a');
  EXPECT_EQ(RoundTrip(Picture{jpeg, account}).of, account);
  // Something that a newer client says; the rest of the content counts.
  RoundTripAs<std::monostate>(
      Picture{WithSegment(jpeg, 0xe1, Exif(1, "here")), ""});
  RoundTripAs<std::monostate>(Picture{jpeg + "behind it", ""});
  RoundTripAs<std::monostate>(Picture{jpeg, "short"});
}

TEST(ContentTest, AnInviteTokenIsWholeOrAbsent) {
  EXPECT_EQ(DecodeContent(EncodeContent(Valid()))->invite_token, "");
  Content content = Valid();
  content.invite_token = std::string(kInviteTokenBytes, 't');
  EXPECT_EQ(DecodeContent(EncodeContent(content))->invite_token,
            content.invite_token);
  for (const size_t size : {kInviteTokenBytes - 1, kInviteTokenBytes + 1}) {
    content.invite_token = std::string(size, 't');
    EXPECT_THAT(DecodeContent(EncodeContent(content)).status(),
                StatusIs(absl::StatusCode::kInvalidArgument));
  }
}

TEST(ContentTest, EachBodyComesBackAsItWas) {
  TextPart text;
  text.text = "yes";
  text.reply_to = Target{Id('q'), true};
  text.replaces = Id('o');
  text.timer = absl::Hours(1);
  const TextPart same_text = RoundTrip(text);
  EXPECT_EQ(same_text.reply_to->message_id, Id('q'));
  EXPECT_TRUE(same_text.reply_to->of_reader);
  EXPECT_EQ(same_text.replaces, Id('o'));
  EXPECT_EQ(same_text.timer, absl::Hours(1));

  const Reaction reaction = RoundTrip(Reaction{{Id('t'), true}, "👍"});
  EXPECT_EQ(reaction.target.message_id, Id('t'));
  EXPECT_TRUE(reaction.target.of_reader);
  EXPECT_EQ(reaction.emoji, "👍");
  EXPECT_EQ(RoundTrip(Reaction{{Id('t'), false}, ""}).emoji, "");
  EXPECT_EQ(RoundTrip(Unsend{Id('u')}).message_id, Id('u'));
  const Receipts receipts = RoundTrip(Receipts{{Id('d')}, {Id('r'), Id('s')}});
  EXPECT_THAT(receipts.delivered, ::testing::ElementsAre(Id('d')));
  EXPECT_THAT(receipts.read, ::testing::ElementsAre(Id('r'), Id('s')));
  EXPECT_EQ(RoundTrip(OwnCopy{std::string(33, 'p'), "inner"}).content, "inner");
  const OwnState state = RoundTrip(
      OwnState{{{"name", "value", absl::FromUnixMillis(7), Id('d')}}});
  EXPECT_EQ(state.entries[0].name, "name");
  EXPECT_EQ(state.entries[0].value, "value");
  EXPECT_EQ(state.entries[0].changed, absl::FromUnixMillis(7));
  EXPECT_EQ(state.entries[0].device, Id('d'));
  const std::string key(32, 'k');
  EXPECT_EQ(RoundTrip(LinkOffer{key}).commitment, key);
  EXPECT_EQ(RoundTrip(LinkReveal{key}).nonce, key);
  const LinkAnswer answer = RoundTrip(
      LinkAnswer{key, Id('d'), std::string(32, 's'), std::string(32, 'a')});
  EXPECT_EQ(answer.device_id, Id('d'));
  EXPECT_EQ(answer.signing_key, std::string(32, 's'));
  EXPECT_EQ(answer.agreement_key, std::string(32, 'a'));
  EXPECT_EQ(RoundTrip(LinkGrant{"record", key, "Ada", "", ""}).vault_kem, "");
  const std::string vault_kem(1'216, 'v');
  const LinkGrant grant = RoundTrip(
      LinkGrant{"record", key, "Ada", std::string(32, 'w'), vault_kem});
  EXPECT_EQ(grant.vault_key_seed, std::string(32, 'w'));
  EXPECT_EQ(grant.vault_kem, vault_kem);
  EXPECT_EQ(grant.identity_record, "record");
  EXPECT_EQ(grant.identity_kem_seed, key);
  EXPECT_EQ(grant.profile_name, "Ada");
  EXPECT_THAT(RoundTrip(Resend{{1, 5}}).sequences,
              ::testing::ElementsAre(1, 5));
  const Gone gone = RoundTrip(Gone{{2}, {3, 4}});
  EXPECT_THAT(gone.removed, ::testing::ElementsAre(2));
  EXPECT_THAT(gone.unknown, ::testing::ElementsAre(3, 4));
  const Timer timer = RoundTrip(Timer{absl::Seconds(5), 7});
  EXPECT_EQ(timer.time, absl::Seconds(5));
  EXPECT_EQ(timer.revision, 7u);
}

TEST(ContentTest, AnAcknowledgementHasNoText) {
  Content content = Valid();
  content.body = std::monostate();
  EXPECT_TRUE(std::holds_alternative<std::monostate>(
      DecodeContent(EncodeContent(content))->body));
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
        MalformedCase{"EmptyText", [](Content& c) { Text(c).text.clear(); }},
        MalformedCase{"HugePart",
                      [](Content& c) {
                        Text(c).text = std::string(kMaxPartBytes + 1, 't');
                      }},
        MalformedCase{"NoParts", [](Content& c) { Text(c).parts = 0; }},
        MalformedCase{"TooManyParts",
                      [](Content& c) { Text(c).parts = kMaxParts + 1; }},
        MalformedCase{"PartOutside", [](Content& c) { Text(c).part = 1; }},
        MalformedCase{"ReplyToShortId",
                      [](Content& c) {
                        Text(c).reply_to = Target{"short", false};
                      }},
        MalformedCase{"ReplacesShortId",
                      [](Content& c) { Text(c).replaces = "short"; }},
        MalformedCase{"TextVanishesAtOnce",
                      [](Content& c) { Text(c).timer = absl::Seconds(4); }},
        MalformedCase{"ReactionToNothing",
                      [](Content& c) {
                        c.body = Reaction{{"", true}, "👍"};
                      }},
        MalformedCase{
            "LongReaction",
            [](Content& c) {
              c.body = Reaction{{Id('t'), true}, std::string(33, 'r')};
            }},
        MalformedCase{"ReactionWithEscape",
                      [](Content& c) {
                        c.body = Reaction{{Id('t'), true}, "\x1b[31m"};
                      }},
        MalformedCase{"ReactionNotUtf8",
                      [](Content& c) {
                        c.body = Reaction{{Id('t'), true}, "\xff"};
                      }},
        MalformedCase{"UnsendsNothing",
                      [](Content& c) { c.body = Unsend{""}; }},
        MalformedCase{"NoReceipts", [](Content& c) { c.body = Receipts(); }},
        MalformedCase{"ManyReceipts",
                      [](Content& c) {
                        c.body = Receipts{{kMaxReceipts, Id('d')}, {Id('r')}};
                      }},
        MalformedCase{"ShortReceipt",
                      [](Content& c) {
                        c.body = Receipts{{}, {"short"}};
                      }},
        MalformedCase{"CopyForNobody",
                      [](Content& c) {
                        c.body = OwnCopy{"", "inner"};
                      }},
        MalformedCase{"NoState", [](Content& c) { c.body = OwnState(); }},
        MalformedCase{"MuchState",
                      [](Content& c) {
                        c.body = OwnState{std::vector<StateEntry>(
                            kMaxStateEntries + 1, {"n", "v", {}, Id('d')})};
                      }},
        MalformedCase{
            "LongStateName",
            [](Content& c) {
              c.body = OwnState{{{std::string(129, 'n'), "v", {}, Id('d')}}};
            }},
        MalformedCase{
            "LongStateValue",
            [](Content& c) {
              c.body = OwnState{{{"n", std::string(1025, 'v'), {}, Id('d')}}};
            }},
        MalformedCase{"StateOfNoDevice",
                      [](Content& c) {
                        c.body = OwnState{{{"n", "v", {}, "short"}}};
                      }},
        MalformedCase{"ShortCommitment",
                      [](Content& c) { c.body = LinkOffer{"short"}; }},
        MalformedCase{"ShortNonce",
                      [](Content& c) { c.body = LinkReveal{"short"}; }},
        MalformedCase{"ShortDeviceKey",
                      [](Content& c) {
                        c.body = LinkAnswer{std::string(32, 'n'), Id('d'),
                                            "short", std::string(32, 'a')};
                      }},
        MalformedCase{"ShortKemSeed",
                      [](Content& c) {
                        c.body = LinkGrant{"r", "short", "", "", ""};
                      }},
        MalformedCase{"HalfAVault",
                      [](Content& c) {
                        c.body = LinkGrant{"r", std::string(32, 'k'), "",
                                           std::string(32, 'w'), ""};
                      }},
        MalformedCase{"AVaultWithoutKey",
                      [](Content& c) {
                        c.body = LinkGrant{"r", std::string(32, 'k'), "", "",
                                           std::string(1'216, 'v')};
                      }},
        MalformedCase{"AsksForNothing", [](Content& c) { c.body = Resend(); }},
        MalformedCase{
            "AsksForMuch",
            [](Content& c) { c.body = Resend{std::vector<uint64_t>(101, 7)}; }},
        MalformedCase{"NothingGone", [](Content& c) { c.body = Gone(); }},
        MalformedCase{"HugeSequence",
                      [](Content& c) { c.sequence = uint64_t{1} << 63; }},
        MalformedCase{
            "LongTimer",
            [](Content&
                   c) { c.body = Timer{kLongestTimer + absl::Seconds(1), 1}; }},
        MalformedCase{"TimerWithoutRevision",
                      [](Content& c) { c.body = Timer{absl::Hours(1), 0}; }}),
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
    if (const auto* text = std::get_if<TextPart>(&decoded->body)) {
      EXPECT_TRUE(IsValidUtf8(text->text));
    }
  }
}

TEST(ContentTest, ANumberIsAddedAndReplaced) {
  const std::string once = WithSequence(EncodeContent(Valid()), 7);
  EXPECT_EQ(DecodeContent(once)->sequence, 7u);
  EXPECT_EQ(std::get<TextPart>(DecodeContent(once)->body).text, "hello");
  EXPECT_EQ(DecodeContent(WithSequence(once, 8))->sequence, 8u);
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
