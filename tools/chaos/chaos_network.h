// A localnet with a chaos proxy in front of every process, and names for what
// the faults are about.
//
// Up() and the commands are for one thread at a time; the proxy may be used
// from any.

#ifndef TOOLS_CHAOS_CHAOS_NETWORK_H_
#define TOOLS_CHAOS_CHAOS_NETWORK_H_

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "crypto/random/random.h"
#include "routing/runtime/clock.h"
#include "routing/runtime/event_loop.h"
#include "routing/runtime/network_config.h"
#include "tools/chaos/chaos_proxy.h"
#include "tools/localnet/localnet.h"

namespace messenger::chaos {

// The process that runs the clients.
inline constexpr PeerId kClients = 1'000;

struct ChaosNetworkOptions {
  localnet::LocalnetOptions localnet;
  uint64_t seed = 0;
  // Whether node 1 keeps its messages on a small file system of its own, which
  // only root can give it.
  bool small_disk = false;
  size_t small_disk_bytes = 512u << 20;
};

class ChaosNetwork final {
 public:
  // All references must outlive it. `loop` is what the commands wait on.
  static absl::StatusOr<std::unique_ptr<ChaosNetwork>> Create(
      const ChaosNetworkOptions& options, const routing::Clock& clock,
      const routing::Clock& steady_clock, crypto::Random& random,
      routing::EventLoop& loop);
  // Ends all processes.
  ~ChaosNetwork();

  ChaosNetwork(const ChaosNetwork&) = delete;
  ChaosNetwork& operator=(const ChaosNetwork&) = delete;

  absl::Status Up();

  ChaosProxy& proxy() { return *proxy_; }
  localnet::Localnet& localnet() { return localnet_; }
  absl::StatusOr<routing::NetworkConfig> Config() const;

  int nodes() const { return options_.localnet.nodes; }
  int authorities() const { return options_.localnet.authorities; }
  // "node-3-router", "node-3-storage", "authority-1"; nodes count from 1.
  static std::string Router(int node);
  static std::string Storage(int node);
  static std::string Authority(int number);
  std::string FolderOf(absl::string_view process) const;

  PeerId PeerOf(absl::string_view process) const;
  // Everybody, the clients too.
  std::vector<PeerId> Peers() const;
  const localnet::Process* Find(absl::string_view process) const;

  // Whether openers of connections can be told apart: without that there are
  // no faults of pairs.
  bool TellsOpeners() const;
  // Why node 1 has no disk of its own; OK when it has.
  const absl::Status& small_disk() const { return small_disk_; }
  // The folder of the small disk.
  std::string SmallDisk() const { return FolderOf(Storage(1)); }

 private:
  ChaosNetwork(const ChaosNetworkOptions& options, const routing::Clock& clock,
               crypto::Random& random, routing::EventLoop& loop);

  absl::StatusOr<std::string> Interpose(const std::string& name,
                                        const std::string& address);
  std::optional<PeerId> Identify(uint16_t from_port, uint16_t to_port) const;
  absl::Status MountSmallDisk();

  const ChaosNetworkOptions options_;
  mutable absl::Mutex mutex_;
  std::map<std::string, PeerId, std::less<>> peers_ ABSL_GUARDED_BY(mutex_);
  absl::Status small_disk_;
  std::unique_ptr<ChaosProxy> proxy_;
  localnet::Localnet localnet_;
};

}  // namespace messenger::chaos

#endif  // TOOLS_CHAOS_CHAOS_NETWORK_H_
