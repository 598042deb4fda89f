#include "tools/simnet/swarm/history.h"

#include <ostream>
#include <sstream>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "crypto/base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace messenger::simnet {
namespace {

using ::messenger::testing::IsOk;
using ::messenger::testing::StatusIs;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr absl::StatusCode kInvalid = absl::StatusCode::kInvalidArgument;
constexpr char kRules[] = R"({"rules": {}})";
constexpr char kDevice[] = R"({"device_added": {"device": 0, "mailbox": 0}})";
constexpr char kSending[] =
    R"({"sending": {"at": "1s", "mailbox": 0, "id": "a1", "expiry": "1h"}})";
constexpr char kSent[] = R"({"sent": {"at": "2s", "id": "a1"}})";
constexpr char kRead[] =
    R"({"read": {"at": "4s", "device": 0, "begun": "3s", "complete": true}})";

absl::StatusOr<HistoryVerdict> CheckText(const std::string& text) {
  std::istringstream in(text);
  return CheckHistory(in);
}

absl::StatusOr<HistoryVerdict> CheckLines(
    const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) absl::StrAppend(&text, line, "\n");
  return CheckText(text);
}

// "line: check", in order.
std::vector<std::string> Findings(const HistoryVerdict& verdict) {
  std::vector<std::string> all;
  for (const HistoryVerdict::Finding& finding : verdict.findings) {
    all.push_back(absl::StrCat(finding.line, ": ", finding.violation.check));
  }
  return all;
}

TEST(CheckHistoryTest, NamesTheLineOfTheEventThatBreaksAPromise) {
  const auto verdict =
      CheckLines({kRules, kDevice, kSending, kSent, kRead, kRead});
  ASSERT_THAT(verdict, IsOk());
  EXPECT_THAT(Findings(*verdict), ElementsAre("5: lost", "6: lost"));
  EXPECT_EQ(verdict->lines, 6u);
  EXPECT_EQ(verdict->figures.readings, 2u);
}

TEST(CheckHistoryTest, FindsNothingInAHistoryThatIsRight) {
  const auto verdict = CheckLines({kRules, kDevice, kSending, kRead});
  ASSERT_THAT(verdict, IsOk());
  EXPECT_THAT(verdict->findings, IsEmpty());
  EXPECT_FALSE(verdict->expected.has_value());
}

TEST(CheckHistoryTest, FirstLineSaysWhatIsExpected) {
  const auto verdict = CheckLines({R"({"expect": ["lost", "late"]})", kRules});
  ASSERT_THAT(verdict, IsOk());
  ASSERT_TRUE(verdict->expected.has_value());
  EXPECT_THAT(*verdict->expected, ElementsAre("lost", "late"));
}

TEST(CheckHistoryTest, LastLineNeedsNoEnd) {
  const auto verdict = CheckText(absl::StrCat(kRules, "\n", kDevice));
  ASSERT_THAT(verdict, IsOk());
  EXPECT_EQ(verdict->lines, 2u);
}

TEST(CheckHistoryTest, EmptyHistoryIsRefused) {
  EXPECT_THAT(CheckText(""), StatusIs(kInvalid, HasSubstr("rules")));
}

TEST(CheckHistoryTest, NothingComesBeforeTheRules) {
  EXPECT_THAT(CheckLines({kDevice, kRules}),
              StatusIs(kInvalid, HasSubstr("line 1: device_added: ")));
}

TEST(CheckHistoryTest, RulesWithNegativeErrorsAreRefused) {
  EXPECT_THAT(CheckLines({R"({"rules": {"clock_error": "-1s"}})"}),
              StatusIs(kInvalid, HasSubstr("rules: clock_error: ")));
  EXPECT_THAT(CheckLines({R"({"rules": {"late_error": "-1s"}})"}),
              StatusIs(kInvalid, HasSubstr("rules: late_error: ")));
}

TEST(CheckHistoryTest, ExpectationOfWhatIsNoCheckIsRefused) {
  for (const char* checks : {R"(["lsot"])", "[1]", "[null]", R"("lost")"}) {
    EXPECT_THAT(
        CheckLines({absl::StrCat(R"({"expect": )", checks, "}"), kRules}),
        StatusIs(kInvalid, HasSubstr("line 1: expect: ")))
        << checks;
  }
}

TEST(CheckHistoryTest, HistoryThatStopsInsideALineIsRefused) {
  const std::string text = absl::StrCat(kRules, "\n", kDevice);
  for (size_t size = sizeof(kRules) + 1; size < text.size(); ++size) {
    EXPECT_THAT(CheckText(text.substr(0, size)),
                StatusIs(kInvalid, HasSubstr("line 2: ")))
        << size;
  }
}

TEST(CheckHistoryTest, LongestLineIsReadAndALongerOneRefused) {
  std::string line = kDevice;
  line.append(kMaxHistoryLineBytes - line.size(), ' ');
  EXPECT_THAT(CheckLines({kRules, line, kSending}), IsOk());
  EXPECT_THAT(CheckLines({kRules, line + " ", kSending}),
              StatusIs(kInvalid, HasSubstr("line 2: too long")));
}

struct BadLine {
  std::string name;
  std::string line;
  std::string error;  // a part of it; empty where a library finds the words

  friend void PrintTo(const BadLine& bad, std::ostream* out) {
    *out << bad.line;
  }
};

class BadLineTest : public ::testing::TestWithParam<BadLine> {};

// Line 5, after those that are right.
TEST_P(BadLineTest, IsRefusedWithItsNumberAndTheReason) {
  EXPECT_THAT(
      CheckLines({kRules, kDevice, kSending, kSent, GetParam().line, kRead}),
      StatusIs(kInvalid,
               AllOf(HasSubstr("line 5: "), HasSubstr(GetParam().error))));
}

const BadLine kBadLines[] = {
    {"Empty", "", ""},
    {"NoJson", "sent", ""},
    {"NoObject", R"(["sent"])", ""},
    {"NoEvent", "{}", "is not one event"},
    {"TwoEvents", R"({"sent": {"at": "2s", "id": "a1"}, "rules": {}})",
     "is not one event"},
    {"SameEventTwice",
     R"({"sent": {"at": "2s", "id": "a1"}, "sent": {"at": "2s", "id": "a1"}})",
     ""},
    {"TextAfterTheEvent", R"({"sent": {"at": "2s", "id": "a1"}} x)", ""},
    {"UnknownEvent", R"({"sunk": {"at": "2s", "id": "a1"}})",
     "sunk: is unknown"},
    {"EventInOtherSpelling", R"({"deviceAdded": {"device": 1, "mailbox": 0}})",
     "deviceAdded: is unknown"},
    {"EventIsNull", R"({"sent": null})", "sent: has the wrong type"},
    {"EventIsText", R"({"sent": "a1"})", "sent: has the wrong type"},
    {"UnknownField", R"({"sent": {"at": "2s", "id": "a1", "to": "b"}})",
     "sent: to: is unknown"},
    {"MissingField", R"({"sent": {"at": "2s"}})", "sent: id: is missing"},
    {"FieldTwice", R"({"sent": {"at": "2s", "at": "3s", "id": "a1"}})", ""},
    {"NumberForText", R"({"sent": {"at": 2, "id": "a1"}})",
     "sent: at: has the wrong type"},
    {"TextForNumber", R"({"device_added": {"device": "1", "mailbox": 0}})",
     "device_added: device: has the wrong type"},
    {"TextForTruth",
     R"({"read": {"at": "4s", "device": 0, "begun": "3s", "complete": "no"}})",
     "read: complete: has the wrong type"},
    {"TextForList", R"({"deleting": {"at": "4s", "ids": "a1"}})",
     "deleting: ids: has the wrong type"},
    {"NumberInAListOfTexts", R"({"deleting": {"at": "4s", "ids": [161]}})",
     "deleting: ids: has the wrong type"},
    {"NegativeNumber", R"({"device_added": {"device": 1, "mailbox": -1}})", ""},
    {"NumberWithFraction", R"({"device_added": {"device": 1, "mailbox": 0.5}})",
     ""},
    {"TextThatIsNotUtf8",
     "{\"sent\": {\"at\": \"2s\", \"id\": \"a1\", \"how\": \"\xff\"}}", ""},
    {"ZeroByte", std::string(kSent) + '\0', ""},
    {"TimeWithoutUnit", R"({"sent": {"at": "2", "id": "a1"}})", "sent: at: "},
    {"TimeBeforeTheStart",
     R"({"sending": {"at": "2s", "mailbox": 0, "id": "a2", "expiry": "-1s"}})",
     "sending: expiry: "},
    {"TimeWithoutEnd",
     R"({"sending": {"at": "2s", "mailbox": 0, "id": "a2", "expiry": "inf"}})",
     "sending: expiry: "},
    {"TimeThatGoesBack", R"({"sent": {"at": "1.9s", "id": "a1"}})",
     "sent: at: before the line above"},
    {"ReadingThatEndsBeforeItBegan",
     R"({"read": {"at": "3s", "device": 0, "begun": "4s", "complete": true}})",
     "read: begun: "},
    {"IdThatIsNotHex", R"({"sent": {"at": "2s", "id": "g1"}})", "sent: id: "},
    {"IdOfHalfAByte", R"({"sent": {"at": "2s", "id": "a"}})", "sent: id: "},
    {"EmptyId", R"({"sent": {"at": "2s", "id": ""}})", "sent: id: "},
    {"IdTooLong",
     absl::StrCat(R"({"sent": {"at": "2s", "id": ")", std::string(66, 'a'),
                  R"("}})"),
     "sent: id: "},
    {"BadIdInAList", R"({"deleting": {"at": "4s", "ids": ["a1", "x"]}})",
     "deleting: ids: "},
    {"MailboxTooLarge", R"({"device_added": {"device": 1, "mailbox": 100000}})",
     "device_added: mailbox: "},
    {"DeviceOutOfOrder", R"({"device_added": {"device": 2, "mailbox": 0}})",
     "device_added: device: the next is 1"},
    {"DeviceThatWasNotAdded", R"({"reinstalled": {"device": 1}})",
     "reinstalled: device: was not added"},
    {"RulesTwice", R"({"rules": {}})", "rules: come twice"},
    {"ExpectationBelowTheTop", R"({"expect": []})", "expect: "},
    {"VersionZeroOfARecord", R"({"put_record": {"name": "r", "seq": 0}})",
     "put_record: seq: "},
    {"ConfirmedVersionThatNobodyConfirmed",
     R"({"got_record": {"name": "r", "confirmed_before": 1, "seq": 0}})",
     "got_record: confirmed_before: "},
};

INSTANTIATE_TEST_SUITE_P(Lines, BadLineTest, ::testing::ValuesIn(kBadLines),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace messenger::simnet
