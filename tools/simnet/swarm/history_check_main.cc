// Checks histories of the swarm simulator (README.md): lets a ledger hear each
// once more and prints what it finds.

#include <fstream>
#include <iostream>
#include <string>
#include <vector>

#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "absl/status/statusor.h"
#include "tools/simnet/swarm/history.h"

namespace messenger::simnet {
namespace {

constexpr char kUsage[] =
    R"(Finds what the swarm simulator's ledger finds in histories.

usage: history_check FILE...

A FILE is what swarm_sim --history=DIR wrote, or is like that by hand (history.h,
testdata/histories). Prints "FILE:LINE: check: detail" for what was promised in
it and not kept, at most 20 of each file, and a line that sums up.

Exit status: 0 nothing was found, 1 something was, 2 no file was named, or one
cannot be read or is no history.)";

int Main(const std::vector<std::string>& files) {
  if (files.empty()) {
    std::cerr << "history_check: no FILE; see --help" << std::endl;
    return 2;
  }
  uint64_t lines = 0, findings = 0, unreadable = 0;
  for (const std::string& name : files) {
    std::ifstream file(name);
    const absl::StatusOr<HistoryVerdict> verdict = CheckHistory(file);
    if (!file.is_open() || !verdict.ok()) {
      ++unreadable;
      std::cerr << name << ": "
                << (file.is_open() ? verdict.status().message()
                                   : "cannot be opened")
                << std::endl;
      continue;
    }
    lines += verdict->lines;
    findings += verdict->findings.size();
    for (const HistoryVerdict::Finding& finding : verdict->findings) {
      std::cout << name << ":" << finding.line << ": "
                << finding.violation.check << ": " << finding.violation.detail
                << "\n";
    }
  }
  std::cout << "histories " << files.size() - unreadable << ", lines " << lines
            << ", violations " << findings << std::endl;
  if (unreadable > 0) return 2;
  return findings > 0 ? 1 : 0;
}

}  // namespace
}  // namespace messenger::simnet

int main(int argc, char** argv) {
  absl::SetProgramUsageMessage(messenger::simnet::kUsage);
  const std::vector<char*> rest = absl::ParseCommandLine(argc, argv);
  return messenger::simnet::Main({rest.begin() + 1, rest.end()});
}
