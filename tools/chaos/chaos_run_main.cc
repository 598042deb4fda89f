// chaos_run: people write and read through a network of real processes while
// everything happens to it; in the end, what was promised is compared with
// what is there (tools/chaos/README.md).
//
// Exit status: 0 nothing was violated, 1 something was or could not be checked.

#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <climits>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <thread>

#include "absl/cleanup/cleanup.h"
#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "crypto/base/status_macros.h"
#include "crypto/random/system_random.h"
#include "crypto/random/testing/seeded_random.h"
#include "routing/runtime/event_loop.h"
#include "routing/runtime/process.h"
#include "routing/runtime/system_clock.h"
#include "tools/chaos/chaos_network.h"
#include "tools/chaos/mail_load.h"
#include "tools/chaos/nemesis.h"
#include "tools/chaos/store_audit.h"

ABSL_FLAG(uint64_t, messages, 0,
          "this many messages, or else the run has failed; 0: as many as go");
ABSL_FLAG(absl::Duration, duration, absl::Seconds(40),
          "stop writing after this time at the latest");
ABSL_FLAG(int, nodes, 9, "service nodes");
ABSL_FLAG(int, swarm_size, 3, "members of a swarm");
ABSL_FLAG(int, clients, 12, "clients, every second one in proxy mode");
ABSL_FLAG(int, at_once, 16, "stores under way, of each client");
ABSL_FLAG(uint64_t, seed, 0, "of the faults; 0: a random one, printed");
ABSL_FLAG(bool, faults, true, "false: only the load, for comparison");
ABSL_FLAG(absl::Duration, shortest_fault, absl::Seconds(1), "of one fault");
ABSL_FLAG(absl::Duration, longest_fault, absl::Seconds(15), "of one fault");
ABSL_FLAG(absl::Duration, pause, absl::Seconds(2), "between two faults");
ABSL_FLAG(absl::Duration, patience, absl::Minutes(10),
          "for the last reading of all mailboxes");
ABSL_FLAG(bool, wipe, false, "also empty disks, one at a time");
ABSL_FLAG(std::string, only, "", "only faults whose names contain this");
ABSL_FLAG(std::string, commit, "", "what is tested, for the record");
ABSL_FLAG(bool, require_all_faults, false,
          "fail when a kind of fault had to be skipped");
ABSL_FLAG(std::string, bin_dir, "", "where the binaries are; beside this one");

namespace messenger::chaos {
namespace {

using routing::SystemClock;

constexpr absl::Duration kConnectLimit = absl::Seconds(30);
constexpr absl::Duration kDrainLimit = absl::Seconds(90);
constexpr absl::Duration kConvergenceLimit = absl::Seconds(90);
constexpr absl::Duration kFillLimit = absl::Minutes(3);
constexpr absl::Duration kProgressInterval = absl::Seconds(10);
constexpr absl::Duration kHoldInterval = absl::Seconds(1);
constexpr int kFinalTries = 6;

std::string DefaultBinaries() {
  char path[PATH_MAX];
  const ssize_t size = readlink("/proc/self/exe", path, sizeof(path));
  if (size <= 0) return ".";
  std::string folder(path, static_cast<size_t>(size));
  for (int i = 0; i < 3; ++i) folder = folder.substr(0, folder.rfind('/'));
  return folder;
}

void Row(const char* name, const std::string& value, const char* remark = "") {
  std::printf("  %-44s %14s  %s\n", name, value.c_str(), remark);
}
void Row(const char* name, uint64_t value, const char* remark = "") {
  Row(name, absl::StrCat(value), remark);
}
void MustBeZero(const char* name, uint64_t value) {
  Row(name, value, value == 0 ? "(must be 0)" : "(must be 0)  VIOLATED");
}
std::string Time(absl::Duration duration) {
  return absl::FormatDuration(absl::Trunc(duration, absl::Milliseconds(1)));
}

struct Times {
  absl::Duration writing;
  absl::Duration draining;
  absl::Duration converging;
  absl::Duration filling;
  absl::Duration reading;
};

void PrintTable(const Verdict& verdict, const LoadFigures& figures,
                const Times& times, const Nemesis& nemesis,
                const ProxyCounters& proxy, const StoreAudit& at_end) {
  std::printf("chaos_run: messages\n");
  Row("invoked", verdict.invoked);
  Row("acked", verdict.acked);
  MustBeZero("never confirmed, though all was healed", verdict.unknown);
  MustBeZero("lost", verdict.lost);
  MustBeZero("duplicated to the user", verdict.doubled);
  MustBeZero("phantom", verdict.phantom);
  MustBeZero("false \"sent\"", verdict.false_sent);
  MustBeZero("missed by a complete read", verdict.missed);
  MustBeZero("receipts whose member has no such message",
             verdict.broken_receipts);
  MustBeZero("mailboxes without a read quorum at the end",
             verdict.unread_mailboxes);
  Row("acked, at the end on fewer than W members", verdict.under_replicated);
  Row("receipts verified a second time", verdict.receipts);
  Row("members' lists compared with receipts", verdict.listings);
  Row("stores not confirmed at once, then repeated", figures.failures);
  Row("reads: complete", figures.complete_reads);
  Row("reads: incomplete / failed",
      absl::StrCat(figures.incomplete_reads, " / ", figures.failed_reads));
  std::printf("chaos_run: time\n");
  Row("writing", Time(times.writing));
  Row("acked per second of it",
      static_cast<uint64_t>(static_cast<double>(verdict.acked) /
                            absl::ToDoubleSeconds(times.writing)));
  Row("longest without any confirmation", Time(figures.longest_silence));
  Row("longest of one client", Time(figures.longest_silence_of_one));
  Row("healed -> all confirmed", Time(times.draining));
  Row("healed -> all nodes listed as running", Time(times.converging));
  Row("healed -> all nodes hold all that they should", Time(times.filling));
  Row("reading everything", Time(times.reading));
  std::printf("chaos_run: stores\n");
  const StoreAudit& killed = nemesis.killed_stores();
  Row("read whole, of processes just killed", killed.stores());
  Row("read whole, at the end", at_end.stores());
  Row("not read, of processes just killed", killed.unread());
  MustBeZero("not read, at the end", at_end.unread());
  MustBeZero("damaged", killed.damaged_stores() + at_end.damaged_stores());
  MustBeZero("damaged messages",
             killed.damaged_messages() + at_end.damaged_messages());
  std::printf("chaos_run: faults injected\n");
  for (const auto& [name, count] : nemesis.injected()) {
    Row(name.c_str(), static_cast<uint64_t>(count));
  }
  Row("all", static_cast<uint64_t>(nemesis.total()));
  Row("put off, because a node was being filled",
      static_cast<uint64_t>(nemesis.put_off()));
  std::printf("chaos_run: faults skipped%s\n",
              nemesis.skipped().empty() ? ": none" : "");
  for (const auto& [name, skipped] : nemesis.skipped()) {
    Row(name.c_str(), static_cast<uint64_t>(skipped.times),
        skipped.reason.c_str());
  }
  std::printf("chaos_run: processes that ended by themselves%s\n",
              nemesis.ended_by_themselves().empty() ? ": none" : "");
  for (const auto& [name, count] : nemesis.ended_by_themselves()) {
    Row(name.c_str(), static_cast<uint64_t>(count));
  }
  std::printf("chaos_run: proxy\n");
  Row("connections", proxy.connections);
  Row("  of unknown openers", proxy.unidentified);
  Row("  to targets that were down", proxy.unreachable);
  Row("  refused / reset", absl::StrCat(proxy.refused, " / ", proxy.reset));
  Row("pieces delayed / lost / throttled",
      absl::StrCat(proxy.delayed, " / ", proxy.lost, " / ", proxy.throttled));
  Row("directions cut", proxy.blackholed);
  Row("MiB carried", proxy.bytes >> 20);
}

// What is kept of a run.
void PrintRecord(uint64_t seed, const Verdict& verdict, const Times& times,
                 const Nemesis& nemesis, const StoreAudit& at_end) {
  std::string faults;
  for (const auto& [name, count] : nemesis.injected()) {
    absl::StrAppend(&faults, faults.empty() ? "" : ", ", name, " ", count);
  }
  std::string skipped;
  for (const auto& [name, skip] : nemesis.skipped()) {
    absl::StrAppend(&skipped, skipped.empty() ? "" : ", ", name, " ",
                    skip.times);
  }
  const std::string commit = absl::GetFlag(FLAGS_commit);
  std::printf("chaos_run: record\n");
  const auto line = [](const char* name, const std::string& value) {
    std::printf("  | %-18s | %s |\n", name, value.c_str());
  };
  line("date", absl::FormatTime("%Y-%m-%d %H:%M UTC", SystemClock().Now(),
                                absl::UTCTimeZone()));
  line("commit", commit.empty() ? "not said" : commit);
  line("seed", absl::StrCat(seed));
  line("time of writing", Time(times.writing));
  line("acked", absl::StrCat(verdict.acked));
  line("lost", absl::StrCat(verdict.lost));
  line("duplicated", absl::StrCat(verdict.doubled));
  line("phantom", absl::StrCat(verdict.phantom));
  line("other violations", absl::StrCat(verdict.violations() - verdict.lost -
                                        verdict.doubled - verdict.phantom));
  line("damaged stores", absl::StrCat(nemesis.killed_stores().damaged_stores() +
                                      at_end.damaged_stores()));
  line("faults", absl::StrCat(nemesis.total(), ": ", faults));
  line("faults skipped", skipped.empty() ? "none" : skipped);
}

// False when something was violated.
absl::StatusOr<bool> Run(const std::string& folder) {
  uint64_t seed = absl::GetFlag(FLAGS_seed);
  if (seed == 0) seed = crypto::SystemRandom().U64();
  std::printf("chaos_run: --seed=%llu\n",
              static_cast<unsigned long long>(seed));
  routing::EventLoop network_loop(SystemClock());
  routing::EventLoop loop(SystemClock());
  auto stop_on_signal = std::make_unique<routing::StopOnSignal>(network_loop);
  routing::RaiseFileLimit();

  ChaosNetworkOptions options;
  options.localnet.folder = absl::StrCat(folder, "/network");
  options.localnet.binaries = absl::GetFlag(FLAGS_bin_dir).empty()
                                  ? DefaultBinaries()
                                  : absl::GetFlag(FLAGS_bin_dir);
  options.localnet.nodes = absl::GetFlag(FLAGS_nodes);
  options.localnet.swarm_size = absl::GetFlag(FLAGS_swarm_size);
  options.seed = seed;
  options.small_disk = true;
  ASSIGN_OR_RETURN(
      const std::unique_ptr<ChaosNetwork> network,
      ChaosNetwork::Create(options, SystemClock(), routing::SteadyClock(),
                           crypto::SystemRandom(), network_loop));
  RETURN_IF_ERROR(network->Up());
  stop_on_signal = nullptr;
  stop_on_signal = std::make_unique<routing::StopOnSignal>(loop);

  crypto::SeededRandom chance(seed + 1);
  MailLoadOptions load_options;
  load_options.clients = absl::GetFlag(FLAGS_clients);
  load_options.at_once = absl::GetFlag(FLAGS_at_once);
  const uint64_t wanted = absl::GetFlag(FLAGS_messages);
  load_options.messages =
      wanted == 0 ? std::numeric_limits<uint64_t>::max() : wanted;
  ASSIGN_OR_RETURN(const routing::NetworkConfig config, network->Config());
  MailLoad load(load_options, config, SystemClock(), loop,
                crypto::SystemRandom(), chance);
  RETURN_IF_ERROR(load.Start(kConnectLimit));
  std::printf("chaos_run: writing and reading\n");
  std::fflush(stdout);

  const absl::Time started = SystemClock().Now();
  // Nanoseconds; read on the thread of the faults.
  std::atomic<int64_t> all_held_at = std::numeric_limits<int64_t>::min();
  std::function<void()> look = [&] {
    const absl::Time asked = SystemClock().Now();
    load.AskWhetherAllHold(network->nodes(), [&, asked](bool all) {
      if (all) all_held_at = absl::ToUnixNanos(asked);
      loop.RunAfter(kHoldInterval, look);
    });
  };
  look();

  Nemesis nemesis(
      {.seed = seed,
       .shortest_fault = absl::GetFlag(FLAGS_shortest_fault),
       .longest_fault = absl::GetFlag(FLAGS_longest_fault),
       .pause = absl::GetFlag(FLAGS_pause),
       .wipe = absl::GetFlag(FLAGS_wipe),
       .only = absl::GetFlag(FLAGS_only),
       .all_held_at =
           [&all_held_at] { return absl::FromUnixNanos(all_held_at.load()); }},
      *network, SystemClock(), network_loop);
  uint64_t told = 0;
  std::function<void()> tell = [&] {
    const uint64_t acked = load.history().acked();
    std::printf("chaos_run: %4.0f s  %llu%s acked, %.0f/s; %d faults, now %s\n",
                absl::ToDoubleSeconds(SystemClock().Now() - started),
                static_cast<unsigned long long>(acked),
                wanted == 0 ? "" : absl::StrCat(" of ", wanted).c_str(),
                static_cast<double>(acked - told) /
                    absl::ToDoubleSeconds(kProgressInterval),
                nemesis.total(), nemesis.current().c_str());
    std::fflush(stdout);
    told = acked;
    loop.RunAfter(kProgressInterval, tell);
  };
  loop.RunAfter(kProgressInterval, tell);
  std::atomic<bool> go_on = absl::GetFlag(FLAGS_faults);
  std::atomic<bool> healed = false;
  std::thread nemesis_thread([&] {
    nemesis.Run([&] { return go_on.load(); });
    healed = true;
    loop.Run([] {});
  });
  absl::Cleanup end_nemesis = [&] {
    go_on = false;
    if (nemesis_thread.joinable()) nemesis_thread.join();
  };
  loop.RunUntil([&] { return load.AllInvoked(); },
                absl::GetFlag(FLAGS_duration));
  go_on = false;
  if (!loop.RunUntil([&] { return healed.load(); }, absl::Minutes(3))) {
    return absl::CancelledError("interrupted");
  }
  load.StopWriting();
  Times times;
  absl::Time since = SystemClock().Now();
  auto lap = [&] {
    const absl::Time now = SystemClock().Now();
    return now - std::exchange(since, now);
  };
  times.writing = since - started;
  RETURN_IF_ERROR(nemesis.first_failure());

  std::printf("chaos_run: healed; waiting for confirmations\n");
  loop.RunUntil([&] { return load.Drained(); }, kDrainLimit);
  times.draining = lap();
  loop.RunUntil([&] { return load.RunningStorageNodes() >= network->nodes(); },
                kConvergenceLimit);
  times.converging = times.draining + lap();
  const int64_t healed_at = absl::ToUnixNanos(since);
  if (!loop.RunUntil([&] { return all_held_at.load() > healed_at; },
                     kFillLimit)) {
    std::printf("chaos_run: some node does not hold all that it should\n");
  }
  times.filling = times.converging + lap();
  std::printf("chaos_run: reading every mailbox\n");
  std::fflush(stdout);
  load.ReadEverything(kFinalTries, absl::GetFlag(FLAGS_patience));
  times.reading = lap();

  const Verdict verdict = load.history().Judge();
  RETURN_IF_ERROR(network->localnet().Down());
  StoreAudit at_end;
  for (int i = 1; i <= network->nodes(); ++i) {
    at_end.Look(network->FolderOf(ChaosNetwork::Storage(i)));
  }
  PrintTable(verdict, load.figures(), times, nemesis,
             network->proxy().counters(), at_end);
  PrintRecord(seed, verdict, times, nemesis, at_end);
  StoreAudit all = nemesis.killed_stores();
  all.Add(at_end);
  bool good = verdict.violations() == 0 && verdict.unknown == 0 &&
              all.damaged_stores() + all.damaged_messages() == 0 &&
              at_end.unread() == 0;
  if (verdict.invoked < wanted) {
    std::printf("chaos_run: --duration ended before all were written\n");
    good = false;
  }
  if (absl::GetFlag(FLAGS_require_all_faults) && !nemesis.skipped().empty()) {
    std::printf("chaos_run: faults were skipped, and none may be\n");
    good = false;
  }
  return good;
}

int Main() {
  // Inherited: a storage process meets a size limit as an error of write(2),
  // not as its end.
  signal(SIGXFSZ, SIG_IGN);
  const char* parent = std::getenv("TEST_TMPDIR");
  std::string folder =
      absl::StrCat(parent == nullptr ? "/tmp" : parent, "/chaos-XXXXXX");
  if (mkdtemp(folder.data()) == nullptr) {
    std::fprintf(stderr, "chaos_run: no folder\n");
    return 1;
  }
  const absl::StatusOr<bool> good = Run(folder);
  if (!good.ok()) {
    std::fprintf(stderr, "chaos_run: %s\n", good.status().ToString().c_str());
  }
  const bool passed = good.ok() && *good;
  if (passed) {
    std::error_code ignored;
    std::filesystem::remove_all(folder, ignored);
  } else {
    std::fprintf(stderr, "chaos_run: data and logs stay in %s\n",
                 folder.c_str());
  }
  std::printf("chaos_run: %s\n", passed ? "PASSED" : "FAILED");
  return passed ? 0 : 1;
}

}  // namespace
}  // namespace messenger::chaos

int main(int argc, char** argv) {
  absl::SetProgramUsageMessage("Mail under faults, on real processes.");
  messenger::routing::AcceptDashesInFlags(argc, argv);
  absl::ParseCommandLine(argc, argv);
  return messenger::chaos::Main();
}
