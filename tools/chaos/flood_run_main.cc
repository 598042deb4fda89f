// flood_run: contacts exchange messages in calm, and then while attackers
// flood the network; what it costs them (tools/chaos/README.md).
//
// Exit status: 0 every bar is met, 1 one is not.

#include <signal.h>
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
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "crypto/base/status_macros.h"
#include "crypto/random/system_random.h"
#include "routing/runtime/event_loop.h"
#include "routing/runtime/files.h"
#include "routing/runtime/network_config.h"
#include "routing/runtime/process.h"
#include "routing/runtime/system_clock.h"
#include "tools/chaos/flood_contacts.h"
#include "tools/chaos/flood_exchange.h"
#include "tools/chaos/process_usage.h"
#include "tools/localnet/localnet.h"
#include "tools/localnet/process_table.h"

ABSL_FLAG(double, minutes, 1, "how long the flood lasts");
ABSL_FLAG(absl::Duration, calm, absl::Seconds(60), "before it");
ABSL_FLAG(int, nodes, 8, "service nodes");
ABSL_FLAG(int, capacity_mib, 192, "what messages may take of each node's disk");
ABSL_FLAG(int, attackers, 50, "all kinds in turn");
ABSL_FLAG(double, attack_rate, 2, "requests of each attacker in a second");
ABSL_FLAG(int, attack_at_once, 8, "unanswered requests of each attacker");
ABSL_FLAG(int, contacts, 8, "who exchange messages");
ABSL_FLAG(absl::Duration, contact_interval, absl::Milliseconds(500),
          "between two messages of one contact");
ABSL_FLAG(bool, only_measure, false, "bars that are not met are no failure");
ABSL_FLAG(std::string, bin_dir, "", "where the binaries are; beside this one");

namespace messenger::chaos {
namespace {

using routing::SteadyClock;
using routing::SystemClock;

constexpr double kLeastSuccess = 0.999;
constexpr double kMostSlowdown = 2;
constexpr uint64_t kMostRssMib = 512;
// What a storage node's folder has besides the capacity: the write-ahead log,
// which is taken over every 32 MiB and may be in use while it is, and keys.
constexpr uint64_t kLogMib = 64;
constexpr absl::Duration kSampleInterval = absl::Seconds(1);
constexpr absl::Duration kAttackersPatience = absl::Seconds(60);
// More than one turn of reading.
constexpr absl::Duration kReadingPatience = absl::Seconds(60);
constexpr char kAttackers[] = "attackers";

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
  return absl::StrFormat("%.1f ms", seconds * 1e3);
}

class Table {
 public:
  void Figure(absl::string_view name, const std::string& value) {
    std::printf("  %-44s %20s\n", std::string(name).c_str(), value.c_str());
  }
  void Bar(absl::string_view name, const std::string& value,
           const std::string& bar, bool met) {
    std::printf("  %-44s %20s  bar %s: %s\n", std::string(name).c_str(),
                value.c_str(), bar.c_str(), met ? "met" : "NOT MET");
    all_met_ = all_met_ && met;
  }
  bool all_met() const { return all_met_; }

 private:
  bool all_met_ = true;
};

// What the processes of the network, and those beside it, took.
class Usage final {
 public:
  // `network` and `beside` must outlive it.
  Usage(const localnet::Localnet& network, const localnet::ProcessTable& beside)
      : network_(network), beside_(beside) {}

  // Sees to the most memory and the most disk.
  void Sample(const std::map<std::string, std::string>& folders) {
    for (const localnet::Process& process : network_.processes()) {
      uint64_t& most = most_rss_mib_[process.name];
      most = std::max(most, ResidentBytes(process.pid) >> 20);
    }
    for (const auto& [name, folder] : folders) {
      uint64_t& most = most_disk_mib_[name];
      most = std::max(most, FolderMib(folder));
    }
  }
  // Processors used since the last call, by the part that used them.
  std::map<std::string, double> Cores() {
    std::map<std::string, absl::Duration> now;
    for (const localnet::Process& process : network_.processes()) {
      now[PartOf(process.name)] += ProcessorTime(process.pid);
    }
    for (const localnet::Process& process : beside_.processes()) {
      now[process.name] += ProcessorTime(process.pid);
    }
    now["contacts"] = ProcessorTime(getpid());
    now["whole machine"] = MachineProcessorTime();
    const absl::Time at = SteadyClock().Now();
    std::map<std::string, double> cores;
    for (const auto& [part, time] : now) {
      cores[part] = absl::FDivDuration(time - last_[part], at - last_at_);
    }
    last_ = now;
    last_at_ = at;
    return cores;
  }

  const std::map<std::string, uint64_t>& most_rss_mib() const {
    return most_rss_mib_;
  }
  const std::map<std::string, uint64_t>& most_disk_mib() const {
    return most_disk_mib_;
  }

 private:
  // "routers" of "node-3-router".
  static std::string PartOf(const std::string& name) {
    if (absl::EndsWith(name, "-router")) return "routers";
    return absl::EndsWith(name, "-storage") ? "storage nodes" : "authorities";
  }

  const localnet::Localnet& network_;
  const localnet::ProcessTable& beside_;
  std::map<std::string, uint64_t> most_rss_mib_;
  std::map<std::string, uint64_t> most_disk_mib_;
  std::map<std::string, absl::Duration> last_;
  absl::Time last_at_ = SteadyClock().Now();
};

// The process of the attackers.
class Attack final {
 public:
  // All references must outlive it. `folder` exists.
  Attack(std::string folder, routing::EventLoop& loop)
      : folder_(std::move(folder)), loop_(loop), table_(Path("processes")) {}
  ~Attack() { table_.StopAll(absl::Seconds(5)); }

  const localnet::ProcessTable& table() const { return table_; }

  // Returns when they have begun.
  absl::Status Start(const std::string& binaries,
                     const std::string& network_file,
                     const std::vector<FloodTarget>& targets) {
    RETURN_IF_ERROR(
        routing::WriteFileAtomically(Path("targets"), TargetsToText(targets)));
    RETURN_IF_ERROR(table_.Start(
        kAttackers,
        {absl::StrCat(binaries, "/tools/chaos/flood_attack"),
         absl::StrCat("--network-file=", network_file),
         absl::StrCat("--targets-file=", Path("targets")),
         absl::StrCat("--started-file=", Path("started")),
         absl::StrCat("--report-file=", Path("report")),
         absl::StrCat("--attackers=", absl::GetFlag(FLAGS_attackers)),
         absl::StrCat("--rate=", absl::GetFlag(FLAGS_attack_rate)),
         absl::StrCat("--at-once=", absl::GetFlag(FLAGS_attack_at_once))},
        Path("log")));
    return Await([this] { return Exists("started"); });
  }

  absl::StatusOr<AttackReport> End() {
    const localnet::Process& process = table_.processes().front();
    RETURN_IF_ERROR(localnet::ProcessTable::Signal(process, SIGTERM));
    RETURN_IF_ERROR(Await([this] { return Exists("report"); }));
    ASSIGN_OR_RETURN(const std::string text,
                     routing::ReadFile(Path("report"), 1 << 20));
    return ReportFromText(text);
  }

 private:
  std::string Path(absl::string_view name) const {
    return absl::StrCat(folder_, "/", name);
  }
  bool Exists(absl::string_view name) const {
    std::error_code error;
    return std::filesystem::exists(Path(name), error);
  }
  absl::Status Await(const std::function<bool()>& there) {
    const bool came = loop_.RunUntil(
        [&] {
          if (there()) return true;
          loop_.RunAfter(absl::Milliseconds(50), [] {});
          return false;
        },
        kAttackersPatience);
    if (came) return absl::OkStatus();
    const auto log = routing::ReadFile(Path("log"), 1 << 20);
    return absl::UnavailableError(
        absl::StrCat("no attackers: ", log.ok() ? *log : ""));
  }

  const std::string folder_;
  routing::EventLoop& loop_;
  localnet::ProcessTable table_;
};

void PrintContacts(const ContactFigures& calm, const ContactFigures& flood,
                   uint64_t missing, uint64_t cleared, Table& table) {
  const double p99_calm = Percentile(calm.latencies, 0.99);
  const double p99_flood = Percentile(flood.latencies, 0.99);
  const double ratio = p99_calm > 0 ? p99_flood / p99_calm : 0;
  std::printf("flood_run: contacts\n");
  table.Figure("calm: sent / confirmed",
               absl::StrCat(calm.sent, " / ", calm.confirmed));
  table.Figure("calm: p50", Milliseconds(Percentile(calm.latencies, 0.5)));
  table.Figure("calm: p99", Milliseconds(p99_calm));
  table.Figure("flood: sent / confirmed",
               absl::StrCat(flood.sent, " / ", flood.confirmed));
  table.Figure("flood: p50", Milliseconds(Percentile(flood.latencies, 0.5)));
  table.Figure("flood: p99", Milliseconds(p99_flood));
  table.Bar("flood p99 / calm p99", absl::StrFormat("%.2f", ratio), "<= 2",
            !flood.latencies.empty() && ratio <= kMostSlowdown);
  table.Bar("flood: success", absl::StrFormat("%.2f %%", 100 * flood.success()),
            ">= 99.9 %", flood.success() >= kLeastSuccess);
  table.Bar("confirmed, and not read by their readers", absl::StrCat(missing),
            "0", missing == 0);
  table.Figure("messages of strangers cleared away", absl::StrCat(cleared));
}

void PrintAttack(const AttackReport& report, double seconds, Table& table) {
  uint64_t all = 0;
  for (const auto& [kind, figures] : report) all += figures.tried;
  std::printf("flood_run: attackers\n");
  table.Figure("offered",
               absl::StrFormat("%d x %g/s", absl::GetFlag(FLAGS_attackers),
                               absl::GetFlag(FLAGS_attack_rate)));
  table.Figure("tried, all", absl::StrFormat("%.0f/s", all / seconds));
  for (const auto& [kind, figures] : report) {
    table.Figure(kind, absl::StrCat(figures.tried, " tried"));
    if (figures.withheld > 0) {
      table.Figure("  held back: too many unanswered",
                   absl::StrCat(figures.withheld));
    }
    for (const auto& [answer, count] : figures.answers) {
      table.Figure(absl::StrCat("  ", answer),
                   answer == AttackFigures::kAccepted
                       ? absl::StrFormat("%d, %.1f MiB", count,
                                         figures.accepted_bytes / 1048576.0)
                       : absl::StrCat(count));
    }
  }
}

void PrintUsage(const Usage& usage, const std::map<std::string, double>& calm,
                const std::map<std::string, double>& flood, Table& table) {
  std::printf("flood_run: processors in use, calm / flood\n");
  for (const auto& [part, cores] : flood) {
    const auto before = calm.find(part);
    table.Figure(part, absl::StrFormat(
                           "%.2f / %.2f",
                           before == calm.end() ? 0 : before->second, cores));
  }
  std::printf("flood_run: memory and disk at most\n");
  for (const auto& [name, mib] : usage.most_rss_mib()) {
    table.Bar(absl::StrCat("RSS ", name), absl::StrCat(mib, " MiB"),
              absl::StrCat("<= ", kMostRssMib, " MiB"),
              mib > 0 && mib <= kMostRssMib);
  }
  const auto capacity =
      static_cast<uint64_t>(absl::GetFlag(FLAGS_capacity_mib));
  for (const auto& [name, mib] : usage.most_disk_mib()) {
    table.Bar(absl::StrCat("disk ", name), absl::StrCat(mib, " MiB"),
              absl::StrCat("<= ", capacity, " + ", kLogMib, " MiB"),
              mib <= capacity + kLogMib);
  }
}

// False when a bar is not met.
absl::StatusOr<bool> Run(const std::string& folder) {
  routing::EventLoop loop(SteadyClock());
  routing::StopOnSignal stop_on_signal(loop);
  routing::RaiseFileLimit();
  if (absl::GetFlag(FLAGS_attack_rate) <= 0) {
    return absl::InvalidArgumentError("--attack-rate must be above 0");
  }
  localnet::LocalnetOptions options;
  options.folder = folder + "/network";
  options.binaries = absl::GetFlag(FLAGS_bin_dir).empty()
                         ? DefaultBinaries()
                         : absl::GetFlag(FLAGS_bin_dir);
  options.nodes = absl::GetFlag(FLAGS_nodes);
  options.capacity_mib = absl::GetFlag(FLAGS_capacity_mib);
  localnet::Localnet network(options, SystemClock(), crypto::SystemRandom(),
                             loop);
  RETURN_IF_ERROR(network.Up());
  const absl::Cleanup down = [&] { network.Down().IgnoreError(); };

  const std::string network_file = options.folder + "/network.txtpb";
  ASSIGN_OR_RETURN(const std::string text, routing::ReadFile(network_file));
  ASSIGN_OR_RETURN(const routing::NetworkConfig config,
                   routing::NetworkConfig::Parse(text));
  FloodContacts contacts({.contacts = absl::GetFlag(FLAGS_contacts),
                          .interval = absl::GetFlag(FLAGS_contact_interval)},
                         config, SystemClock(), loop, crypto::SystemRandom());
  RETURN_IF_ERROR(contacts.Start(absl::Seconds(60)));

  Attack attack(folder, loop);
  Usage usage(network, attack.table());
  std::map<std::string, std::string> storage_folders;
  for (int i = 1; i <= options.nodes; ++i) {
    storage_folders[absl::StrCat("node-", i, "-storage")] =
        absl::StrCat(options.folder, "/node-", i, "/storage");
  }
  std::function<void()> sample = [&] {
    usage.Sample(storage_folders);
    loop.RunAfter(kSampleInterval, sample);
  };
  sample();

  // Opens the links between the relays.
  contacts.Write(absl::Seconds(5));
  usage.Cores();
  std::printf("flood_run: calm\n");
  std::fflush(stdout);
  const ContactFigures calm = contacts.Write(absl::GetFlag(FLAGS_calm));
  const std::map<std::string, double> calm_cores = usage.Cores();

  RETURN_IF_ERROR(
      attack.Start(options.binaries, network_file, contacts.Targets()));
  usage.Cores();
  std::printf("flood_run: flood\n");
  std::fflush(stdout);
  const absl::Time began = SteadyClock().Now();
  const ContactFigures flood =
      contacts.Write(absl::Minutes(1) * absl::GetFlag(FLAGS_minutes));
  const std::map<std::string, double> flood_cores = usage.Cores();
  const double seconds = absl::ToDoubleSeconds(SteadyClock().Now() - began);
  ASSIGN_OR_RETURN(const AttackReport report, attack.End());
  const uint64_t missing = contacts.Missing(kReadingPatience);

  Table table;
  PrintAttack(report, seconds, table);
  PrintUsage(usage, calm_cores, flood_cores, table);
  PrintContacts(calm, flood, missing, contacts.cleared(), table);
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
