// Histories by hand, good and bad: the simulator's word is worth what this is.
// They are files, testdata/histories; here is what files do not say.

#include "tools/simnet/swarm/ledger.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "crypto/base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "swarm/auth/mailbox.h"
#include "tools/simnet/swarm/history.h"

namespace messenger::simnet {
namespace {

using ::messenger::testing::IsOk;
using ::testing::ElementsAre;
using ::testing::ElementsAreArray;
using ::testing::SizeIs;

constexpr char kHistories[] = "tools/simnet/swarm/testdata/histories";
constexpr int kMailbox = 0;

std::vector<std::string> HistoryNames() {
  std::vector<std::string> names;
  for (const auto& file : std::filesystem::directory_iterator(kHistories)) {
    names.push_back(file.path().stem());
  }
  std::sort(names.begin(), names.end());
  return names;
}

HistoryVerdict VerdictOf(const std::string& name) {
  std::ifstream file(absl::StrCat(kHistories, "/", name, ".jsonl"));
  const absl::StatusOr<HistoryVerdict> verdict = CheckHistory(file);
  EXPECT_THAT(verdict, IsOk()) << name;
  return verdict.ok() ? *verdict : HistoryVerdict();
}

std::vector<std::string> ChecksOf(const HistoryVerdict& verdict) {
  std::vector<std::string> checks;
  for (const HistoryVerdict::Finding& finding : verdict.findings) {
    checks.push_back(finding.violation.check);
  }
  return checks;
}

class HistoryByHandTest : public ::testing::TestWithParam<std::string> {};

TEST_P(HistoryByHandTest, IsFoundToBeWhatItsFirstLineSays) {
  const HistoryVerdict verdict = VerdictOf(GetParam());
  ASSERT_TRUE(verdict.expected.has_value());
  EXPECT_THAT(ChecksOf(verdict), ElementsAreArray(*verdict.expected));
}

// lost_when_..., and lost_not_... for what is nearly so.
TEST_P(HistoryByHandTest, IsNamedAfterWhatItShows) {
  const HistoryVerdict verdict = VerdictOf(GetParam());
  ASSERT_TRUE(verdict.expected.has_value());
  const std::string check = GetParam().substr(0, GetParam().find('_'));
  if (absl::StartsWith(GetParam(), check + "_not_")) {
    EXPECT_THAT(*verdict.expected, SizeIs(0));
  } else {
    ASSERT_FALSE(verdict.expected->empty());
    EXPECT_EQ(verdict.expected->front(), check);
  }
}

INSTANTIATE_TEST_SUITE_P(Files, HistoryByHandTest,
                         ::testing::ValuesIn(HistoryNames()),
                         [](const auto& info) { return info.param; });

TEST(HistoriesByHandTest, EveryCheckFailsInOneAndNearlyInAnother) {
  std::set<std::string> shown, nearly;
  for (const std::string& name : HistoryNames()) {
    const std::vector<std::string> checks = ChecksOf(VerdictOf(name));
    shown.insert(checks.begin(), checks.end());
    if (checks.empty()) nearly.insert(name.substr(0, name.find('_')));
  }
  std::set<std::string> all;
  for (size_t i = 0; i < kChecks; ++i) {
    all.emplace(CheckName(static_cast<Check>(i)));
  }
  EXPECT_EQ(shown, all);
  EXPECT_EQ(nearly, all);
}

class LedgerTest : public ::testing::Test {
 protected:
  static absl::Time At(int seconds) {
    return absl::FromUnixSeconds(1'000'000 + seconds);
  }
  static swarm::MessageId Id(char name) {
    swarm::MessageId id;
    id.data()[0] = name;
    return id;
  }
  // Begun at `from`, confirmed a second later, lives for an hour.
  void Send(char name, int from, int life = 3600) {
    ledger_.Sending(kMailbox, Id(name), At(from + life), At(from));
    ledger_.Sent(Id(name), At(from + 1));
  }
  // All of it; takes a second, too.
  void Read(const std::string& names, int from) {
    Ledger::Reading reading;
    reading.begun = At(from);
    reading.complete = true;
    for (const char name : names) reading.ids.push_back(Id(name));
    ledger_.Read(device_, reading, At(from + 1));
  }

  Ledger ledger_{Ledger::Rules{}};
  int device_ = ledger_.AddDevice(kMailbox);
};

TEST_F(LedgerTest, CountsWhatADeviceReadsForTheFirstTimeAndAgain) {
  Send('a', 0);
  Read("a", 10);
  Read("a", 20);
  EXPECT_EQ(ledger_.figures().sent, 1u);
  EXPECT_EQ(ledger_.figures().messages_read, 1u);
  EXPECT_EQ(ledger_.figures().repeats, 1u);
}

TEST_F(LedgerTest, CountsARetryAsTheSameMessage) {
  Send('a', 0);
  Send('a', 100);
  EXPECT_EQ(ledger_.figures().begun, 1u);
  EXPECT_EQ(ledger_.figures().sent, 1u);
  EXPECT_EQ(ledger_.Find(Id('a'))->expiry, At(3600));
}

TEST_F(LedgerTest, CountsWhatIsReadAfterItsDeletion) {
  Send('a', 0);
  ledger_.Deleting({Id('a')}, absl::InfinitePast(), At(5));
  ledger_.Deleted({Id('a')}, absl::InfinitePast(), At(6));
  Read("a", 10);
  EXPECT_EQ(ledger_.figures().deleted, 1u);
  EXPECT_EQ(ledger_.figures().read_after_deletion, 1u);
}

TEST_F(LedgerTest, SaysWhatMustExist) {
  Send('a', 0);
  Send('b', 0, /*life=*/100);
  Send('c', 0);
  ledger_.Deleting({Id('c')}, absl::InfinitePast(), At(5));
  ledger_.Sending(kMailbox, Id('d'), At(3600), At(0));
  EXPECT_THAT(ledger_.MessagesThatMustExist(At(90)), ElementsAre(Id('a')));
}

TEST_F(LedgerTest, SaysWhichVersionOfARecordIsConfirmed) {
  EXPECT_EQ(ledger_.ConfirmedRecord("r"), 0u);
  ledger_.PuttingRecord("r", 1);
  ledger_.PuttingRecord("r", 2);
  EXPECT_EQ(ledger_.ConfirmedRecord("r"), 0u);
  ledger_.PutRecordDone("r", 2);
  ledger_.PutRecordDone("r", 1);
  EXPECT_EQ(ledger_.ConfirmedRecord("r"), 2u);
}

}  // namespace
}  // namespace messenger::simnet
