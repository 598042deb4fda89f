// Runs of the simulator, and what is found in the histories that they write.

#include <sstream>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "client/remote/swarm_client_options.h"
#include "crypto/base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tools/simnet/swarm/history.h"
#include "tools/simnet/swarm/ledger.h"
#include "tools/simnet/swarm/plan.h"
#include "tools/simnet/swarm/simulation.h"

namespace messenger::simnet {
namespace {

using ::messenger::testing::IsOk;
using ::testing::ElementsAreArray;
using ::testing::IsEmpty;
using ::testing::Not;

// "check: detail", without what traffic adds to a detail.
std::string Text(const Violation& violation) {
  return absl::StrCat(violation.check, ": ",
                      violation.detail.substr(0, violation.detail.find('\n')));
}

// What the ledger found; others look at disks and members.
std::vector<std::string> FoundByLedger(const RunResult& run) {
  std::vector<std::string> found;
  for (const Violation& violation : run.violations) {
    if (IsCheckName(violation.check)) found.push_back(Text(violation));
  }
  return found;
}

std::vector<std::string> FoundInHistory(const HistoryVerdict& verdict) {
  std::vector<std::string> found;
  for (const HistoryVerdict::Finding& finding : verdict.findings) {
    found.push_back(Text(finding.violation));
  }
  return found;
}

// Both stop at so many, but the run counts those of others, too.
void ExpectTheSameIsFound(const RunResult& run, const HistoryVerdict& verdict) {
  const std::vector<std::string> by_ledger = FoundByLedger(run);
  std::vector<std::string> in_history = FoundInHistory(verdict);
  if (run.violations.size() == Ledger::kMaxViolations &&
      in_history.size() > by_ledger.size()) {
    in_history.resize(by_ledger.size());
  }
  EXPECT_THAT(in_history, ElementsAreArray(by_ledger));
  EXPECT_TRUE(verdict.figures == run.ledger);
}

struct Recorded {
  RunResult run;
  HistoryVerdict verdict;
};

Recorded Record(uint64_t seed, const SimulationOptions& options) {
  std::stringstream history;
  Recorded recorded;
  recorded.run = Simulate(seed, options, &history);
  const absl::StatusOr<HistoryVerdict> verdict = CheckHistory(history);
  EXPECT_THAT(verdict, IsOk());
  if (verdict.ok()) recorded.verdict = *verdict;
  return recorded;
}

SimulationOptions ShortRun() {
  SimulationOptions options;
  options.span = absl::Minutes(3);
  return options;
}

TEST(RecordedHistoryTest, NothingIsFoundAfterARunThatKeptItsPromises) {
  const Recorded recorded = Record(203, ShortRun());
  ExpectTheSameIsFound(recorded.run, recorded.verdict);
  EXPECT_THAT(recorded.verdict.findings, IsEmpty());
  EXPECT_GT(recorded.verdict.figures.messages_read, 0u);
}

TEST(RecordedHistoryTest, DuplicatesOfAPlantedBugAreFoundAgain) {
  SimulationOptions options = ShortRun();
  options.client_bug = client::PlantedClientBug::kDuplicatesKept;
  const Recorded recorded = Record(203, options);
  ExpectTheSameIsFound(recorded.run, recorded.verdict);
  EXPECT_THAT(recorded.verdict.findings, Not(IsEmpty()));
}

// By the rules of old, messages get lost, if not in every run.
TEST(RecordedHistoryTest, LossesAreFoundAgain) {
  SimulationOptions options = ShortRun();
  options.baseline = true;
  for (const uint64_t seed : {207, 210}) {
    const Recorded recorded = Record(seed, options);
    ExpectTheSameIsFound(recorded.run, recorded.verdict);
  }
}

TEST(RecordedHistoryTest, RunIsTheSameWithAndWithoutAHistory) {
  const Recorded recorded = Record(204, ShortRun());
  EXPECT_EQ(recorded.run.trace_hash, Simulate(204, ShortRun()).trace_hash);
}

}  // namespace
}  // namespace messenger::simnet
