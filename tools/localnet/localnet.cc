#include "tools/localnet/localnet.h"

#include <signal.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "crypto/base/status_macros.h"
#include "routing/endpoint/public_file.h"
#include "routing/runtime/files.h"
#include "routing/runtime/network_config.h"
#include "tools/localnet/readiness.h"

namespace messenger::localnet {
namespace {

using ::messenger::routing::NetworkConfig;
using ::messenger::routing::NetworkId;
using ::messenger::routing::RouterPublicFile;

constexpr int kMaxAuthorities = 9;
constexpr int kMaxNodes = 64;
constexpr absl::Duration kFilePatience = absl::Seconds(20);
constexpr absl::Duration kFilePollInterval = absl::Milliseconds(20);
constexpr absl::Duration kStopPatience = absl::Seconds(5);
constexpr size_t kMaxLogBytes = 64 * 1024 * 1024;

constexpr char kListenFlag[] = "--listen=";
constexpr char kAdvertiseFlag[] = "--advertise-address=";

constexpr char kAuthorityBinary[] =
    "routing/directory/authority/session-directory";
constexpr char kRouterBinary[] = "routing/relay/session-router";
constexpr char kStorageBinary[] = "swarm/node/session-swarm";

absl::Status MakeFolder(const std::string& path) {
  if (mkdir(path.c_str(), 0700) == 0 || errno == EEXIST) {
    return absl::OkStatus();
  }
  return absl::UnavailableError(
      absl::StrCat("cannot make the folder ", path, ": ", strerror(errno)));
}

absl::Status MakeFolders(const std::string& path) {
  for (size_t slash = path.find('/', 1); slash != std::string::npos;
       slash = path.find('/', slash + 1)) {
    RETURN_IF_ERROR(MakeFolder(path.substr(0, slash)));
  }
  return MakeFolder(path);
}

std::string LastLines(absl::string_view text, int lines) {
  std::vector<absl::string_view> all =
      absl::StrSplit(absl::StripSuffix(text, "\n"), '\n');
  const size_t keep = std::min(all.size(), static_cast<size_t>(lines));
  return absl::StrJoin(all.end() - static_cast<long>(keep), all.end(), "\n");
}

// The last thing a process said, for an error about it.
std::string LastWords(const Process& process) {
  const absl::StatusOr<std::string> log =
      routing::ReadFile(process.log_path, kMaxLogBytes);
  return log.ok() && !log->empty() ? LastLines(*log, 1) : "its log is empty";
}

std::string PublicFileOf(const Process& process) {
  return absl::StrCat(
      process.log_path.substr(0, process.log_path.rfind('/') + 1),
      routing::kPublicFileName);
}

// The address in the public file of any process.
absl::StatusOr<std::string> AddressIn(const std::string& public_file) {
  ASSIGN_OR_RETURN(const std::string text, routing::ReadFile(public_file));
  const size_t label = text.find("address: \"");
  if (label == std::string::npos) {
    return absl::DataLossError(
        absl::StrCat("there is no address in ", public_file));
  }
  const size_t start = label + strlen("address: \"");
  return text.substr(start, text.find('"', start) - start);
}

void SetListenAddress(std::vector<std::string>& arguments,
                      const std::string& address) {
  for (std::string& argument : arguments) {
    if (absl::StartsWith(argument, kListenFlag)) {
      argument = absl::StrCat(kListenFlag, address);
    }
  }
}

absl::string_view StateWord(char state) {
  switch (state) {
    case 0:
      return "gone";
    case 'T':
      return "paused";
    default:
      return "running";
  }
}

}  // namespace

Localnet::Localnet(LocalnetOptions options, const routing::Clock& clock,
                   crypto::Random& random, routing::EventLoop& loop)
    : options_(std::move(options)),
      clock_(clock),
      random_(random),
      loop_(loop),
      table_(absl::StrCat(options_.folder, "/processes")) {}

std::string Localnet::Path(absl::string_view name) const {
  return absl::StrCat(options_.folder, "/", name);
}

absl::Status Localnet::CheckOptions() const {
  if (options_.authorities < 1 || options_.authorities > kMaxAuthorities) {
    return absl::InvalidArgumentError(
        absl::StrCat("there may be 1 to ", kMaxAuthorities, " authorities"));
  }
  if (options_.swarm_size < 1 || options_.nodes > kMaxNodes ||
      options_.nodes < options_.swarm_size + 3) {
    return absl::InvalidArgumentError(
        absl::StrCat("a path needs three relays outside a swarm of ",
                     options_.swarm_size, ": there must be ",
                     options_.swarm_size + 3, " to ", kMaxNodes, " nodes"));
  }
  if (options_.capacity_mib < 0) {
    return absl::InvalidArgumentError("a disk cannot have less than nothing");
  }
  return absl::OkStatus();
}

absl::Status Localnet::LoadTable() {
  struct stat info;
  if (stat(options_.folder.c_str(), &info) != 0) {
    return absl::NotFoundError(
        absl::StrCat("there is no network in ", options_.folder));
  }
  return table_.Load();
}

absl::Status Localnet::Up() {
  RETURN_IF_ERROR(CheckOptions());
  RETURN_IF_ERROR(MakeFolders(options_.folder));
  RETURN_IF_ERROR(table_.Load());
  for (const Process& process : table_.processes()) {
    if (ProcessTable::IsAlive(process)) {
      return absl::FailedPreconditionError(absl::StrCat(
          "a network is running in ", options_.folder,
          "; take it down first: localnet down --dir ", options_.folder));
    }
  }
  if (!table_.processes().empty()) {
    return absl::FailedPreconditionError(
        absl::StrCat(options_.folder,
                     " holds an earlier network; remove the folder or choose "
                     "another"));
  }
  absl::Cleanup undo = [this] {
    std::fprintf(stderr, "localnet: ending what was started\n");
    table_.StopAll(kStopPatience);
  };
  RETURN_IF_ERROR(StartAll());
  std::move(undo).Cancel();
  return absl::OkStatus();
}

absl::Status Localnet::StartAll() {
  const absl::Time started = clock_.Now();
  network_id_ = random_.Fixed<NetworkId>().ToHex();
  RETURN_IF_ERROR(StartAuthorities());
  RETURN_IF_ERROR(StartNodes());
  if (options_.interpose) RETURN_IF_ERROR(Interpose());
  // Nobody joins before this file is there.
  RETURN_IF_ERROR(WriteNetworkFiles(/*with_seeds=*/false));
  RETURN_IF_ERROR(WriteNetworkFiles(/*with_seeds=*/true));
  ASSIGN_OR_RETURN(const std::string text,
                   routing::ReadFile(Path("network.txtpb")));
  ASSIGN_OR_RETURN(const NetworkConfig config, NetworkConfig::Parse(text));
  RETURN_IF_ERROR(WaitUntilReady(
      config, options_.nodes, options_.patience, clock_, random_, loop_,
      [&](const Readiness& now) {
        std::printf(
            "localnet: %4.1f s  %s; %d relays and %d storage nodes running, %d "
            "in swarms, %d answer through three relays\n",
            absl::ToDoubleSeconds(clock_.Now() - started),
            now.directory ? "consensus signed" : "waiting for the consensus",
            now.running_relays, now.running_storage_nodes,
            now.active_storage_nodes, now.answering_storage_nodes);
        std::fflush(stdout);
      }));
  std::printf("localnet: ready after %.1f s\n",
              absl::ToDoubleSeconds(clock_.Now() - started));
  return absl::OkStatus();
}

absl::Status Localnet::StartProcess(const std::string& name,
                                    const std::string& binary,
                                    const std::string& folder,
                                    std::vector<std::string> arguments) {
  RETURN_IF_ERROR(MakeFolders(folder));
  std::vector<std::string> all = {absl::StrCat(options_.binaries, "/", binary),
                                  absl::StrCat("--data-dir=", folder)};
  all.insert(all.end(), std::make_move_iterator(arguments.begin()),
             std::make_move_iterator(arguments.end()));
  if (options_.record) {
    all.push_back(absl::StrCat("--test-recorder-file=", folder, "/recording"));
  }
  return table_.Start(name, all, absl::StrCat(folder, "/log"));
}

absl::Status Localnet::WaitForFile(const std::string& path,
                                   const std::string& name) {
  ASSIGN_OR_RETURN(const Process* process, table_.Find(name));
  struct stat info;
  bool gone = false;
  const absl::Time deadline = clock_.Now() + kFilePatience;
  const bool there = loop_.RunUntil(
      [&] {
        if (stat(path.c_str(), &info) == 0) return true;
        gone = !ProcessTable::IsAlive(*process);
        if (!gone) loop_.RunAfter(kFilePollInterval, [] {});
        return gone;
      },
      kFilePatience);
  if (gone) {
    return absl::UnavailableError(
        absl::StrCat(name, " ended at once: ", LastWords(*process)));
  }
  if (there) return absl::OkStatus();
  if (clock_.Now() < deadline) return absl::CancelledError("interrupted");
  return absl::DeadlineExceededError(absl::StrCat(
      name, " did not come up in ", absl::FormatDuration(kFilePatience)));
}

absl::Status Localnet::StartAuthorities() {
  for (int i = 1; i <= options_.authorities; ++i) {
    const std::string name = absl::StrCat("authority-", i);
    RETURN_IF_ERROR(StartProcess(
        name, kAuthorityBinary, Path(name),
        {"--listen=127.0.0.1:0", absl::StrCat("--nickname=", name),
         absl::StrCat("--network-file=", Path("authorities.txtpb")),
         absl::StrCat("--swarm-size=", options_.swarm_size),
         absl::StrCat("--voting-interval=",
                      absl::FormatDuration(options_.voting_interval)),
         // Long enough for everybody to fetch the directory.
         absl::StrCat("--min-overlap=",
                      absl::FormatDuration(absl::Ceil(
                          2 * options_.voting_interval, absl::Seconds(1))))}));
  }
  for (int i = 1; i <= options_.authorities; ++i) {
    const std::string name = absl::StrCat("authority-", i);
    RETURN_IF_ERROR(WaitForFile(
        absl::StrCat(Path(name), "/", routing::kPublicFileName), name));
  }
  std::printf("localnet: %d directory authorities started\n",
              options_.authorities);
  std::fflush(stdout);
  return absl::OkStatus();
}

absl::Status Localnet::StartNodes() {
  for (int i = 1; i <= options_.nodes; ++i) {
    const std::string node = absl::StrCat("node-", i);
    const std::string router = absl::StrCat(Path(node), "/router");
    const std::string storage = absl::StrCat(Path(node), "/storage");
    const std::string network =
        absl::StrCat("--network-file=", Path("authorities.txtpb"));
    RETURN_IF_ERROR(StartProcess(
        absl::StrCat(node, "-router"), kRouterBinary, router,
        {"--listen=127.0.0.1:0", absl::StrCat("--nickname=", node), network,
         absl::StrCat("--storage-public-file=", storage, "/",
                      routing::kPublicFileName)}));
    RETURN_IF_ERROR(
        StartProcess(absl::StrCat(node, "-storage"), kStorageBinary, storage,
                     {"--listen=127.0.0.1:0", network,
                      absl::StrCat("--router-public-file=", router, "/",
                                   routing::kPublicFileName),
                      absl::StrCat("--capacity-mib=", options_.capacity_mib)}));
  }
  for (int i = 1; i <= options_.nodes; ++i) {
    const std::string node = absl::StrCat("node-", i);
    for (const char* part : {"router", "storage"}) {
      RETURN_IF_ERROR(WaitForFile(
          absl::StrCat(Path(node), "/", part, "/", routing::kPublicFileName),
          absl::StrCat(node, "-", part)));
    }
  }
  std::printf("localnet: %d service nodes started (router and storage each)\n",
              options_.nodes);
  std::fflush(stdout);
  return absl::OkStatus();
}

absl::Status Localnet::Interpose() {
  const std::vector<Process> processes = table_.processes();
  for (const Process& process : processes) {
    const std::string path = PublicFileOf(process);
    ASSIGN_OR_RETURN(const std::string real, AddressIn(path));
    ASSIGN_OR_RETURN(const std::string address,
                     options_.interpose(process.name, real));
    RETURN_IF_ERROR(Send(process.name, SIGKILL));
    std::remove(path.c_str());
    std::vector<std::string> arguments = process.arguments;
    SetListenAddress(arguments, real);
    arguments.push_back(absl::StrCat(kAdvertiseFlag, address));
    RETURN_IF_ERROR(table_.Start(process.name, arguments, process.log_path));
  }
  for (const Process& process : processes) {
    RETURN_IF_ERROR(WaitForFile(PublicFileOf(process), process.name));
  }
  return absl::OkStatus();
}

absl::Status Localnet::WriteNetworkFiles(bool with_seeds) {
  std::string text =
      absl::StrCat("network_id: \"", network_id_,
                   "\"\nallow_private_addresses: true\nparams: PARAMS_SMALL\n");
  for (int i = 1; i <= options_.authorities; ++i) {
    // The public file of an authority holds the fields of
    // NetworkConfig.Authority.
    ASSIGN_OR_RETURN(
        const std::string authority,
        routing::ReadFile(absl::StrCat(Path(absl::StrCat("authority-", i)), "/",
                                       routing::kPublicFileName)));
    absl::StrAppend(&text, "authorities {\n", authority, "}\n");
  }
  if (!with_seeds) {
    RETURN_IF_ERROR(NetworkConfig::Parse(text).status());
    return routing::WriteFileAtomically(Path("authorities.txtpb"), text);
  }
  for (int i = 1; i <= options_.nodes; ++i) {
    ASSIGN_OR_RETURN(
        const std::string file,
        routing::ReadFile(absl::StrCat(Path(absl::StrCat("node-", i)),
                                       "/router/", routing::kPublicFileName)));
    ASSIGN_OR_RETURN(const RouterPublicFile router,
                     RouterPublicFile::Parse(file));
    absl::StrAppend(&text, "seeds { address: \"", router.link.address,
                    "\" tls_key: \"", router.link.tls_key.ToHex(), "\" }\n");
  }
  RETURN_IF_ERROR(NetworkConfig::Parse(text).status());
  return routing::WriteFileAtomically(Path("network.txtpb"), text);
}

absl::Status Localnet::Down() {
  RETURN_IF_ERROR(LoadTable());
  const auto alive =
      std::count_if(table_.processes().begin(), table_.processes().end(),
                    ProcessTable::IsAlive);
  const int killed = table_.StopAll(kStopPatience);
  std::printf("localnet: %d processes ended", static_cast<int>(alive));
  if (killed > 0) std::printf(", %d of them by force", killed);
  std::printf("; data and logs stay in %s\n", options_.folder.c_str());
  return absl::OkStatus();
}

absl::Status Localnet::PrintStatus() {
  RETURN_IF_ERROR(LoadTable());
  int running = 0;
  for (const Process& process : table_.processes()) {
    const char state = ProcessTable::State(process);
    if (state != 0) ++running;
    std::printf("%-16s %-8s pid %-8d %s\n", process.name.c_str(),
                std::string(StateWord(state)).c_str(), process.pid,
                process.log_path.c_str());
  }
  std::printf("%d of %d processes running\n", running,
              static_cast<int>(table_.processes().size()));
  return absl::OkStatus();
}

absl::Status Localnet::PrintLogs(absl::string_view name, int lines) {
  RETURN_IF_ERROR(LoadTable());
  if (!name.empty()) RETURN_IF_ERROR(table_.Find(name).status());
  for (const Process& process : table_.processes()) {
    if (!name.empty() && process.name != name) continue;
    const absl::StatusOr<std::string> log =
        routing::ReadFile(process.log_path, kMaxLogBytes);
    if (!log.ok() || log->empty()) continue;
    for (absl::string_view line :
         absl::StrSplit(LastLines(*log, lines), '\n')) {
      std::printf("%s: %s\n", process.name.c_str(), std::string(line).c_str());
    }
  }
  return absl::OkStatus();
}

absl::Status Localnet::Send(absl::string_view name, int signal) {
  RETURN_IF_ERROR(LoadTable());
  ASSIGN_OR_RETURN(const Process* process, table_.Find(name));
  RETURN_IF_ERROR(ProcessTable::Signal(*process, signal));
  if (signal != SIGKILL && signal != SIGTERM) return absl::OkStatus();
  // Not before it is gone: what comes next relies on it.
  const bool gone = loop_.RunUntil(
      [&] {
        if (!ProcessTable::IsAlive(*process)) return true;
        loop_.RunAfter(kFilePollInterval, [] {});
        return false;
      },
      kStopPatience);
  if (gone) return absl::OkStatus();
  return absl::DeadlineExceededError(
      absl::StrCat(process->name, " did not end within ",
                   absl::FormatDuration(kStopPatience)));
}

absl::Status Localnet::Pause(absl::string_view name) {
  return Send(name, SIGSTOP);
}

absl::Status Localnet::Resume(absl::string_view name) {
  return Send(name, SIGCONT);
}

absl::Status Localnet::Restart(absl::string_view name) {
  RETURN_IF_ERROR(LoadTable());
  ASSIGN_OR_RETURN(const Process* found, table_.Find(name));
  if (ProcessTable::IsAlive(*found)) RETURN_IF_ERROR(Send(name, SIGTERM));
  ASSIGN_OR_RETURN(found, table_.Find(name));
  const Process process = *found;
  std::vector<std::string> arguments = process.arguments;
  const bool behind_another_address = std::any_of(
      arguments.begin(), arguments.end(), [](const std::string& argument) {
        return absl::StartsWith(argument, kAdvertiseFlag);
      });
  if (!behind_another_address) {
    // On the address it had: others know it by that.
    ASSIGN_OR_RETURN(const std::string address,
                     AddressIn(PublicFileOf(process)));
    SetListenAddress(arguments, address);
  }
  return table_.Start(process.name, arguments, process.log_path);
}

}  // namespace messenger::localnet
