// flood_run: contacts exchange messages in calm, and then while attackers
// flood the network; what it costs them (tools/chaos/README.md).
//
// Exit status: 0 every bar is met, 1 one is not.

#include <unistd.h>

#include <algorithm>
#include <climits>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <system_error>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "absl/time/time.h"
#include "crypto/base/status_macros.h"
#include "crypto/random/system_random.h"
#include "routing/runtime/event_loop.h"
#include "routing/runtime/files.h"
#include "routing/runtime/network_config.h"
#include "routing/runtime/process.h"
#include "routing/runtime/system_clock.h"
#include "tools/chaos/flood_load.h"
#include "tools/localnet/localnet.h"
#include "tools/localnet/process_table.h"

ABSL_FLAG(int, minutes, 1, "how long the flood lasts");
ABSL_FLAG(absl::Duration, calm, absl::Seconds(20), "before it");
ABSL_FLAG(int, nodes, 8, "service nodes");
ABSL_FLAG(int, attackers, 50, "who send all they can");
ABSL_FLAG(int, attacker_at_once, 2, "requests under way, of each attacker");
ABSL_FLAG(int, contacts, 8, "who exchange messages");
ABSL_FLAG(absl::Duration, contact_interval, absl::Milliseconds(500),
          "between two messages of one contact");
ABSL_FLAG(bool, only_measure, false, "bars that are not met are no failure");
ABSL_FLAG(std::string, bin_dir, "", "where the binaries are; beside this one");

namespace messenger::chaos {
namespace {

using routing::SystemClock;

constexpr double kLeastSuccess = 0.999;
constexpr double kMostSlowdown = 2;
constexpr uint64_t kMostRssMib = 512;
// What storage nodes of a localnet would fill of a disk: no limit is set, so
// the flood's own bytes and their index are the measure.
constexpr uint64_t kMostDiskMib = 1024;
constexpr absl::Duration kSampleInterval = absl::Seconds(1);

std::string DefaultBinaries() {
  char path[PATH_MAX];
  const ssize_t size = readlink("/proc/self/exe", path, sizeof(path));
  if (size <= 0) return ".";
  std::string folder(path, static_cast<size_t>(size));
  for (int i = 0; i < 3; ++i) folder = folder.substr(0, folder.rfind('/'));
  return folder;
}

// `values` may be empty: then there is nothing to say.
double Percentile(std::vector<double> values, double share) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  return values[std::min(
      values.size() - 1,
      static_cast<size_t>(share * static_cast<double>(values.size())))];
}

uint64_t RssMib(pid_t pid) {
  const auto status = routing::ReadFile(absl::StrCat("/proc/", pid, "/status"));
  if (!status.ok()) return 0;
  for (absl::string_view line : absl::StrSplit(*status, '\n')) {
    if (!absl::ConsumePrefix(&line, "VmRSS:")) continue;
    const std::vector<absl::string_view> words =
        absl::StrSplit(line, absl::ByAnyChar(" \t"), absl::SkipEmpty());
    uint64_t kib = 0;
    if (!words.empty() && absl::SimpleAtoi(words[0], &kib)) return kib >> 10;
  }
  return 0;
}

uint64_t FolderMib(const std::string& folder) {
  uint64_t bytes = 0;
  std::error_code error;
  for (const auto& entry :
       std::filesystem::recursive_directory_iterator(folder, error)) {
    if (entry.is_regular_file(error)) bytes += entry.file_size(error);
  }
  return bytes >> 20;
}

std::string Milliseconds(double seconds) {
  return absl::StrFormat("%.0f ms", seconds * 1e3);
}

class Table {
 public:
  void Figure(absl::string_view name, const std::string& value) {
    std::printf("  %-44s %16s\n", std::string(name).c_str(), value.c_str());
  }
  void Bar(absl::string_view name, const std::string& value,
           const std::string& bar, bool met) {
    std::printf("  %-44s %16s  bar %s: %s\n", std::string(name).c_str(),
                value.c_str(), bar.c_str(), met ? "met" : "NOT MET");
    all_met_ = all_met_ && met;
  }
  bool all_met() const { return all_met_; }

 private:
  bool all_met_ = true;
};

void PrintContacts(const ContactFigures& calm, const ContactFigures& flood,
                   Table& table) {
  const double p99_calm = Percentile(calm.latencies, 0.99);
  const double p99_flood = Percentile(flood.latencies, 0.99);
  std::printf("flood_run: contacts\n");
  table.Figure("calm: sent / confirmed",
               absl::StrCat(calm.sent, " / ", calm.confirmed));
  table.Figure("calm: p50 / p99",
               absl::StrCat(Milliseconds(Percentile(calm.latencies, 0.5)),
                            " / ", Milliseconds(p99_calm)));
  table.Figure("flood: sent / confirmed",
               absl::StrCat(flood.sent, " / ", flood.confirmed));
  table.Bar("flood: success", absl::StrFormat("%.2f %%", 100 * flood.success()),
            ">= 99.9 %", flood.success() >= kLeastSuccess);
  table.Figure("flood: p50", Milliseconds(Percentile(flood.latencies, 0.5)));
  table.Bar(
      "flood: p99", Milliseconds(p99_flood),
      absl::StrCat("<= 2 x calm = ", Milliseconds(kMostSlowdown * p99_calm)),
      !flood.latencies.empty() && p99_flood <= kMostSlowdown * p99_calm);
}

// False when a bar is not met.
absl::StatusOr<bool> Run(const std::string& folder) {
  routing::EventLoop loop(SystemClock());
  routing::StopOnSignal stop_on_signal(loop);
  routing::RaiseFileLimit();
  localnet::LocalnetOptions options;
  options.folder = folder + "/network";
  options.binaries = absl::GetFlag(FLAGS_bin_dir).empty()
                         ? DefaultBinaries()
                         : absl::GetFlag(FLAGS_bin_dir);
  options.nodes = absl::GetFlag(FLAGS_nodes);
  localnet::Localnet network(options, SystemClock(), crypto::SystemRandom(),
                             loop);
  RETURN_IF_ERROR(network.Up());
  const absl::Cleanup down = [&] { network.Down().IgnoreError(); };

  ASSIGN_OR_RETURN(const std::string text,
                   routing::ReadFile(options.folder + "/network.txtpb"));
  ASSIGN_OR_RETURN(const routing::NetworkConfig config,
                   routing::NetworkConfig::Parse(text));
  FloodLoad load({.contacts = absl::GetFlag(FLAGS_contacts),
                  .contact_interval = absl::GetFlag(FLAGS_contact_interval),
                  .attackers = absl::GetFlag(FLAGS_attackers),
                  .attacker_at_once = absl::GetFlag(FLAGS_attacker_at_once)},
                 config, SystemClock(), loop, crypto::SystemRandom());
  RETURN_IF_ERROR(load.Start(absl::Seconds(60)));

  // Opens the links between the relays.
  load.Contacts(absl::Seconds(5));
  std::printf("flood_run: calm\n");
  std::fflush(stdout);
  const ContactFigures calm = load.Contacts(absl::GetFlag(FLAGS_calm));

  std::map<std::string, uint64_t> most_rss;
  std::function<void()> sample = [&] {
    for (const localnet::Process& process : network.processes()) {
      uint64_t& most = most_rss[process.name];
      most = std::max(most, RssMib(process.pid));
    }
    loop.RunAfter(kSampleInterval, sample);
  };
  sample();
  std::printf("flood_run: flood\n");
  std::fflush(stdout);
  load.BeginAttack();
  const ContactFigures flood =
      load.Contacts(absl::Minutes(absl::GetFlag(FLAGS_minutes)));
  load.EndAttack();

  Table table;
  PrintContacts(calm, flood, table);
  std::printf("flood_run: attackers\n");
  for (const AttackFigures& attack : load.attacks()) {
    table.Figure(attack.name,
                 absl::StrCat(attack.accepted, " of ", attack.tried, ", ",
                              attack.accepted_bytes >> 20, " MiB"));
  }
  std::printf("flood_run: memory at most, and disk\n");
  for (const auto& [name, mib] : most_rss) {
    table.Bar(absl::StrCat("RSS ", name), absl::StrCat(mib, " MiB"),
              "<= 512 MiB", mib > 0 && mib <= kMostRssMib);
  }
  for (int i = 1; i <= options.nodes; ++i) {
    const uint64_t mib =
        FolderMib(absl::StrCat(options.folder, "/node-", i, "/storage"));
    table.Bar(absl::StrCat("disk node-", i, "-storage"),
              absl::StrCat(mib, " MiB"), "<= 1024 MiB", mib <= kMostDiskMib);
  }
  for (const localnet::Process& process : network.processes()) {
    if (!localnet::ProcessTable::IsAlive(process)) {
      table.Bar(process.name, "gone", "alive", false);
    }
  }
  return table.all_met();
}

int Main() {
  const char* parent = std::getenv("TEST_TMPDIR");
  std::string folder =
      absl::StrCat(parent == nullptr ? "/tmp" : parent, "/flood-XXXXXX");
  if (mkdtemp(folder.data()) == nullptr) {
    std::fprintf(stderr, "flood_run: no folder\n");
    return 1;
  }
  const absl::StatusOr<bool> met = Run(folder);
  std::error_code ignored;
  std::filesystem::remove_all(folder, ignored);
  if (!met.ok()) {
    std::fprintf(stderr, "flood_run: %s\n", met.status().ToString().c_str());
    return 1;
  }
  std::printf("flood_run: %s\n",
              *met ? "every bar is met" : "not every bar is met");
  return *met || absl::GetFlag(FLAGS_only_measure) ? 0 : 1;
}

}  // namespace
}  // namespace messenger::chaos

int main(int argc, char** argv) {
  absl::SetProgramUsageMessage("Contacts under a flood, on real processes.");
  messenger::routing::AcceptDashesInFlags(argc, argv);
  absl::ParseCommandLine(argc, argv);
  return messenger::chaos::Main();
}
