#include "tools/chaos/chaos_network.h"

#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <optional>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "crypto/base/status_macros.h"
#include "routing/runtime/files.h"
#include "tools/chaos/connection_owner.h"
#include "tools/localnet/process_table.h"

namespace messenger::chaos {

using ::messenger::localnet::LocalnetOptions;
using ::messenger::localnet::Process;
using ::messenger::localnet::ProcessTable;

absl::StatusOr<std::unique_ptr<ChaosNetwork>> ChaosNetwork::Create(
    const ChaosNetworkOptions& options, const routing::Clock& clock,
    const routing::Clock& steady_clock, crypto::Random& random,
    routing::EventLoop& loop) {
  auto network =
      absl::WrapUnique(new ChaosNetwork(options, clock, random, loop));
  ASSIGN_OR_RETURN(
      network->proxy_,
      ChaosProxy::Create(
          {.seed = options.seed,
           .clock = steady_clock,
           .identify = [raw = network.get()](uint16_t from, uint16_t to) {
             return raw->Identify(from, to);
           }}));
  return network;
}

ChaosNetwork::ChaosNetwork(const ChaosNetworkOptions& options,
                           const routing::Clock& clock, crypto::Random& random,
                           routing::EventLoop& loop)
    : options_(options),
      localnet_(
          [&] {
            LocalnetOptions localnet = options.localnet;
            localnet.interpose = [this](const std::string& name,
                                        const std::string& address) {
              return Interpose(name, address);
            };
            return localnet;
          }(),
          clock, random, loop) {}

ChaosNetwork::~ChaosNetwork() {
  if (!localnet_.processes().empty()) localnet_.Down().IgnoreError();
  proxy_.reset();
  if (options_.small_disk && small_disk_.ok()) {
    umount2(SmallDisk().c_str(), MNT_DETACH);
  }
}

absl::Status ChaosNetwork::Up() {
  if (options_.small_disk) {
    small_disk_ = MountSmallDisk();
  } else {
    small_disk_ = absl::FailedPreconditionError("not asked for");
  }
  return localnet_.Up();
}

absl::Status ChaosNetwork::MountSmallDisk() {
  const std::string folder = SmallDisk();
  for (size_t slash = folder.find('/', 1);;
       slash = folder.find('/', slash + 1)) {
    const std::string part = folder.substr(0, slash);
    if (mkdir(part.c_str(), 0700) != 0 && errno != EEXIST) {
      return absl::UnavailableError(
          absl::StrCat("no folder: ", strerror(errno)));
    }
    if (slash == std::string::npos) break;
  }
  const std::string size =
      absl::StrCat("mode=0700,size=", options_.small_disk_bytes);
  if (mount("tmpfs", folder.c_str(), "tmpfs", MS_NOSUID | MS_NODEV,
            size.c_str()) != 0) {
    return absl::UnavailableError(
        absl::StrCat("cannot mount a tmpfs: ", strerror(errno)));
  }
  return absl::OkStatus();
}

absl::StatusOr<routing::NetworkConfig> ChaosNetwork::Config() const {
  ASSIGN_OR_RETURN(const std::string text,
                   routing::ReadFile(absl::StrCat(options_.localnet.folder,
                                                  "/network.txtpb")));
  return routing::NetworkConfig::Parse(text);
}

std::string ChaosNetwork::Router(int node) {
  return absl::StrCat("node-", node, "-router");
}
std::string ChaosNetwork::Storage(int node) {
  return absl::StrCat("node-", node, "-storage");
}
std::string ChaosNetwork::Authority(int number) {
  return absl::StrCat("authority-", number);
}

std::string ChaosNetwork::FolderOf(absl::string_view process) const {
  return absl::StrCat(options_.localnet.folder, "/",
                      absl::StrReplaceAll(process, {{"-router", "/router"},
                                                    {"-storage", "/storage"}}));
}

PeerId ChaosNetwork::PeerOf(absl::string_view process) const {
  absl::MutexLock lock(&mutex_);
  const auto found = peers_.find(process);
  return found == peers_.end() ? kUnknownPeer : found->second;
}

std::vector<PeerId> ChaosNetwork::Peers() const {
  absl::MutexLock lock(&mutex_);
  std::vector<PeerId> peers = {kClients};
  for (const auto& [name, peer] : peers_) peers.push_back(peer);
  return peers;
}

const Process* ChaosNetwork::Find(absl::string_view name) const {
  for (const Process& process : localnet_.processes()) {
    if (process.name == name) return &process;
  }
  return nullptr;
}

bool ChaosNetwork::TellsOpeners() const {
  const Process* process = Find(Router(1));
  return process != nullptr && ConnectionOwner::CanLookInto(process->pid);
}

absl::StatusOr<std::string> ChaosNetwork::Interpose(
    const std::string& name, const std::string& address) {
  PeerId peer;
  {
    absl::MutexLock lock(&mutex_);
    peer = static_cast<PeerId>(peers_.size()) + 1;
    peers_[name] = peer;
  }
  return proxy_->Listen(peer, address);
}

std::optional<PeerId> ChaosNetwork::Identify(uint16_t from_port,
                                             uint16_t to_port) const {
  // From its file: other threads start processes anew.
  ProcessTable table(absl::StrCat(options_.localnet.folder, "/processes"));
  if (!table.Load().ok()) return std::nullopt;
  const ConnectionOwner owner([&] {
    std::vector<pid_t> pids = {getpid()};
    for (const Process& process : table.processes()) {
      pids.push_back(process.pid);
    }
    return pids;
  });
  const std::optional<pid_t> pid = owner.Find(from_port, to_port);
  if (!pid) return std::nullopt;
  if (*pid == getpid()) return kClients;
  for (const Process& process : table.processes()) {
    if (process.pid == *pid) return PeerOf(process.name);
  }
  return std::nullopt;
}

}  // namespace messenger::chaos
