#include "tools/simnet/swarm/bugs.h"

#include <algorithm>
#include <map>

#include "absl/strings/match.h"
#include "absl/strings/str_format.h"
#include "tools/simnet/swarm/simulation.h"

namespace messenger::simnet {

using client::PlantedClientBug;
using swarm::PlantedBug;

const std::vector<PlantedBugName>& AllBugs() {
  static const auto& bugs = *new std::vector<PlantedBugName>([] {
    std::vector<PlantedBugName> all;
    const auto member = [&](absl::string_view name, PlantedBug bug) {
      all.emplace_back().name = name;
      all.back().bug = bug;
    };
    const auto client = [&](absl::string_view name, PlantedClientBug bug) {
      all.emplace_back().name = name;
      all.back().client_bug = bug;
    };
    const auto store = [&](absl::string_view name, StoreBug bug) {
      all.emplace_back().name = name;
      all.back().store_bug = bug;
    };
    member("hint_dropped", PlantedBug::kHintDropped);
    member("repair_checks_freshness", PlantedBug::kRepairChecksFreshness);
    member("ready_before_pull", PlantedBug::kReadyBeforePull);
    member("foreign_rows_kept", PlantedBug::kForeignRowsKept);
    member("foreign_erased_at_once", PlantedBug::kForeignErasedAtOnce);
    member("no_tombstone_exchange", PlantedBug::kNoTombstoneExchange);
    member("outdated_coordinators", PlantedBug::kOutdatedCoordinators);
    member("early_gc", PlantedBug::kEarlyGc);
    member("filling_answers_reads", PlantedBug::kFillingAnswersReads);
    member("nonces_ignored", PlantedBug::kNoncesIgnored);
    member("membership_unchecked", PlantedBug::kMembershipUnchecked);
    client("one_receipt_is_enough", PlantedClientBug::kOneReceiptIsEnough);
    client("targets_ignored", PlantedClientBug::kTargetsIgnored);
    client("receipts_unchecked", PlantedClientBug::kReceiptsUnchecked);
    client("one_answer_is_enough", PlantedClientBug::kOneAnswerIsEnough);
    client("duplicates_kept", PlantedClientBug::kDuplicatesKept);
    store("ack_before_disk", StoreBug::kAckBeforeDisk);
    store("deletions_forgotten", StoreBug::kDeletionsForgotten);
    store("incarnation_kept", StoreBug::kIncarnationKept);
    return all;
  }());
  return bugs;
}

const PlantedBugName* FindBug(absl::string_view name) {
  for (const PlantedBugName& bug : AllBugs()) {
    if (bug.name == name) return &bug;
  }
  return nullptr;
}

BugSearch SearchBug(const PlantedBugName& bug, SimulationOptions options,
                    uint64_t first_seed, uint64_t most_seeds) {
  bug.Plant(options);
  BugSearch search;
  for (uint64_t seed = first_seed; search.seeds < most_seeds; ++seed) {
    ++search.seeds;
    const RunResult run = Simulate(seed, options);
    if (run.violations.empty()) continue;
    search.found = true;
    search.check = run.violations.front().check;
    break;
  }
  return search;
}

bool FindBugs(absl::string_view name, const SimulationOptions& options,
              uint64_t first_seed, int most_seeds, int searches,
              std::ostream& out) {
  constexpr uint64_t kApart = 10'000;
  bool all = true;
  out << absl::StrFormat("%-28s %-6s %-8s %s\n", "bug", "found", "seeds",
                         "checks");
  for (const PlantedBugName& bug : AllBugs()) {
    if (!absl::StrContains(bug.name, name)) continue;
    std::vector<uint64_t> seeds;
    std::map<std::string, int> checks;
    int found = 0;
    for (uint64_t i = 0; i < static_cast<uint64_t>(searches); ++i) {
      const BugSearch search = SearchBug(bug, options, first_seed + i * kApart,
                                         static_cast<uint64_t>(most_seeds));
      found += search.found;
      seeds.push_back(search.seeds);
      if (search.found) ++checks[search.check];
    }
    std::sort(seeds.begin(), seeds.end());
    std::string names;
    for (const auto& [check, times] : checks) names += check + " ";
    out << absl::StrFormat("%-28s %d/%d    %-8d %s\n", bug.name, found,
                           searches, seeds[seeds.size() / 2], names);
    out.flush();
    all &= found == searches;
  }
  return all;
}

}  // namespace messenger::simnet
