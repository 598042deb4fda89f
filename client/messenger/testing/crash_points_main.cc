// Strikes each story at each operation on a device's disk, with each kind of
// fault, and prints what was lost, doubled or made up (disk_faults.h says how).
//
//   crash_points [--alone] [--every=N] [--story=NAME] [FAULT...]
//
// Ends with 1 if anything was.

#include <cstdint>
#include <cstdio>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "client/messenger/testing/disk_faults.h"

namespace messenger::client {
namespace {

int Usage() {
  std::fprintf(stderr,
               "usage: crash_points [--alone] [--every=N] [--story=NAME] "
               "[FAULT...]\n");
  return 2;
}

uint64_t FailuresOf(const CrashPoints& points, const std::string& kind) {
  const auto found = points.failures.find(kind);
  return found == points.failures.end() ? 0 : found->second;
}

int Main(int argc, char** argv) {
  uint64_t every = 1;
  bool alone = false;
  std::vector<DiskFault> faults;
  std::vector<CrashStoryKind> stories;
  for (int i = 1; i < argc; ++i) {
    absl::string_view argument = argv[i];
    if (argument == "--alone") {
      alone = true;
      continue;
    }
    if (absl::ConsumePrefix(&argument, "--every=")) {
      if (!absl::SimpleAtoi(argument, &every) || every == 0) return Usage();
      continue;
    }
    if (absl::ConsumePrefix(&argument, "--story=")) {
      for (const CrashStoryKind story : kAllCrashStories) {
        if (argument == NameOf(story)) stories.push_back(story);
      }
      if (stories.empty()) return Usage();
      continue;
    }
    const size_t known = faults.size();
    for (const DiskFault fault : kAllDiskFaults) {
      if (argument == NameOf(fault)) faults.push_back(fault);
    }
    if (faults.size() == known) return Usage();
  }
  if (faults.empty())
    faults.assign(std::begin(kAllDiskFaults), std::end(kAllDiskFaults));
  if (stories.empty()) {
    stories.assign(std::begin(kAllCrashStories), std::end(kAllCrashStories));
  }

  std::printf("%-14s%-11s%6s%11s%8s%9s%8s%6s%9s%9s%11s%6s%8s\n", "story",
              "fault", "steps", "operations", "struck", "noticed", "stories",
              "lost", "doubled", "phantom", "unreadable", "other", "seconds");
  bool failed = false;
  std::vector<std::string> examples;
  for (const CrashStoryKind story : stories) {
    for (const DiskFault fault : faults) {
      const absl::Time start = absl::Now();
      const CrashPoints points = alone ? StrikeAlone(story, fault, every)
                                       : StrikeStepByStep(story, fault, every);
      uint64_t other = 0;
      for (const auto& [kind, count] : points.failures) other += count;
      const uint64_t lost = FailuresOf(points, "lost");
      const uint64_t doubled = FailuresOf(points, "doubled");
      const uint64_t phantom = FailuresOf(points, "phantom");
      const uint64_t unreadable = FailuresOf(points, "unreadable");
      other -= lost + doubled + phantom + unreadable;
      std::printf("%-14s%-11s%6d%11lu%8lu%9lu%8lu%6lu%9lu%9lu%11lu%6lu%8.0f\n",
                  std::string(NameOf(story)).c_str(),
                  std::string(NameOf(fault)).c_str(), points.steps,
                  points.operations, points.points, points.noticed,
                  points.stories, lost, doubled, phantom, unreadable, other,
                  absl::ToDoubleSeconds(absl::Now() - start));
      std::fflush(stdout);
      failed |= !points.failures.empty();
      examples.insert(examples.end(), points.examples.begin(),
                      points.examples.end());
    }
  }
  for (const std::string& example : examples) {
    std::printf("%s\n", example.c_str());
  }
  return failed ? 1 : 0;
}

}  // namespace
}  // namespace messenger::client

int main(int argc, char** argv) { return messenger::client::Main(argc, argv); }
