// Runs the swarm simulator (README.md).
//
//   swarm_sim --seeds=1..200
//   swarm_sim --seeds=17 --store=sqlite -v
//   swarm_sim --seeds=1..200 --baseline
//   swarm_sim --seeds=17 --history=histories
//   swarm_sim --bugs

#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <optional>
#include <string>
#include <system_error>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "tools/simnet/swarm/bugs.h"
#include "tools/simnet/swarm/plan.h"
#include "tools/simnet/swarm/report.h"
#include "tools/simnet/swarm/simulation.h"

ABSL_FLAG(std::string, seeds, "1..20", "one seed, or first..last");
ABSL_FLAG(double, hours, 1.0 / 3, "simulated hours of faults in each run");
ABSL_FLAG(absl::Duration, for, absl::InfiniteDuration(),
          "begin no seed after so much time; what was not run is no failure");
ABSL_FLAG(std::string, commit, "", "what is simulated, for the summary");
ABSL_FLAG(std::string, store, "sqlite", "memory (quick) or sqlite");
ABSL_FLAG(bool, calm, false, "no faults at all");
ABSL_FLAG(bool, baseline, false,
          "the rules of a store without quorums, hints and repair");
ABSL_FLAG(std::string, bug, "", "a planted bug");
ABSL_FLAG(bool, bugs, false,
          "find every planted bug, or those whose names contain --bug, and say "
          "how soon");
ABSL_FLAG(int, searches, 3, "with --bugs: for each bug, 10,000 seeds apart");
ABSL_FLAG(int, most_seeds, 500, "with --bugs: seeds after which to give up");
ABSL_FLAG(std::string, history, "",
          "a directory for what the ledger heard, a file for each seed");
ABSL_FLAG(bool, need_probes, false, "fail if a probe was never hit");
ABSL_FLAG(bool, v, false, "a line for each run");

namespace messenger::simnet {
namespace {

std::string Replay(const RunResult& run) {
  return absl::StrCat(
      "swarm_sim --seeds=", run.seed, " --store=", absl::GetFlag(FLAGS_store),
      " --hours=", absl::GetFlag(FLAGS_hours),
      absl::GetFlag(FLAGS_baseline) ? " --baseline" : "",
      absl::GetFlag(FLAGS_bug).empty() ? ""
                                       : " --bug=" + absl::GetFlag(FLAGS_bug),
      absl::GetFlag(FLAGS_commit).empty()
          ? ""
          : "  # commit " + absl::GetFlag(FLAGS_commit));
}

// Empty unless histories are wanted.
std::string HistoryPath(uint64_t seed) {
  const std::string directory = absl::GetFlag(FLAGS_history);
  return directory.empty() ? "" : absl::StrCat(directory, "/", seed, ".jsonl");
}

// Nothing if its history is wanted and cannot be written.
std::optional<RunResult> Run(uint64_t seed, const SimulationOptions& options) {
  const std::string path = HistoryPath(seed);
  if (path.empty()) return Simulate(seed, options);
  std::ofstream history(path);
  std::optional<RunResult> run;
  if (history) run = Simulate(seed, options, &history);
  history.close();
  if (history) return run;
  std::cerr << "cannot write " << path << std::endl;
  return std::nullopt;
}

int Main() {
  SimulationOptions options;
  options.sqlite = absl::GetFlag(FLAGS_store) == "sqlite";
  options.span = absl::Hours(absl::GetFlag(FLAGS_hours));
  options.calm = absl::GetFlag(FLAGS_calm);
  options.baseline = absl::GetFlag(FLAGS_baseline);
  if (!absl::GetFlag(FLAGS_bug).empty() && !absl::GetFlag(FLAGS_bugs)) {
    const PlantedBugName* bug = FindBug(absl::GetFlag(FLAGS_bug));
    if (bug == nullptr) {
      std::cerr << "there is no such bug" << std::endl;
      return 2;
    }
    bug->Plant(options);
  }
  const std::vector<std::string> range =
      absl::StrSplit(absl::GetFlag(FLAGS_seeds), "..");
  uint64_t first = 0, last = 0;
  if (!absl::SimpleAtoi(range.front(), &first) ||
      !absl::SimpleAtoi(range.back(), &last)) {
    std::cerr << "--seeds=A or A..B" << std::endl;
    return 2;
  }
  if (absl::GetFlag(FLAGS_bugs)) {
    return FindBugs(absl::GetFlag(FLAGS_bug), options, first,
                    absl::GetFlag(FLAGS_most_seeds),
                    absl::GetFlag(FLAGS_searches), std::cout)
               ? 0
               : 1;
  }
  if (!absl::GetFlag(FLAGS_history).empty()) {
    std::error_code error;  // is noticed when there is something to write
    std::filesystem::create_directories(absl::GetFlag(FLAGS_history), error);
  }
  Report report;
  const absl::Time start = absl::Now();
  for (uint64_t seed = first;
       seed <= last && absl::Now() - start < absl::GetFlag(FLAGS_for); ++seed) {
    std::optional<RunResult> result = Run(seed, options);
    if (!result.has_value()) return 2;
    RunResult& run = *result;
    if (seed % 50 == 0 &&
        Simulate(seed, options).trace_hash != run.trace_hash) {
      run.violations.push_back({"trace", "the same seed ran differently"});
    }
    report.Add(run);
    if (!run.violations.empty() || absl::GetFlag(FLAGS_v)) {
      std::cout << (run.violations.empty() ? "ok   " : "FAIL ") << "seed "
                << run.seed << " acked " << run.ledger.sent << " of "
                << run.ledger.begun << " recovery "
                << absl::FormatDuration(run.recovery) << " simulated "
                << absl::FormatDuration(run.simulated) << " " << run.plan
                << "\n";
      for (const Violation& violation : run.violations) {
        std::cout << "  " << violation.check << ": " << violation.detail
                  << "\n";
      }
      if (!run.violations.empty()) {
        std::cout << "  replay: " << Replay(run) << "\n";
        const std::string history = HistoryPath(seed);
        if (!history.empty()) std::cout << "  history: " << history << "\n";
      }
      std::cout.flush();
    }
  }
  std::cout << absl::FormatTime("%Y-%m-%d", start, absl::UTCTimeZone())
            << ", commit " << absl::GetFlag(FLAGS_commit) << ", seeds from "
            << first << ", "
            << absl::FormatDuration(
                   absl::Trunc(absl::Now() - start, absl::Seconds(1)))
            << "\n"
            << report.ToString();
  if (absl::GetFlag(FLAGS_baseline)) return 0;
  if (report.failed_runs() > 0) return 1;
  return absl::GetFlag(FLAGS_need_probes) && !report.probes().Missed().empty();
}

}  // namespace
}  // namespace messenger::simnet

int main(int argc, char** argv) {
  absl::SetProgramUsageMessage("Simulates swarms under faults.");
  absl::ParseCommandLine(argc, argv);
  return messenger::simnet::Main();
}
