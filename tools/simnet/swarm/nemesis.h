// What goes wrong in a run, and the care that it does not go beyond what the
// promise allows: of a message's holders fewer than W are destroyed before the
// others have had the chance to repair that (design/0003, G1 of the swarm's
// promises). Dishonest members count as destroyed from the start.
//
// Not thread-safe.

#ifndef TOOLS_SIMNET_SWARM_NEMESIS_H_
#define TOOLS_SIMNET_SWARM_NEMESIS_H_

#include <array>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "crypto/random/testing/seeded_random.h"
#include "swarm/auth/item.h"
#include "tools/simnet/swarm/ledger.h"
#include "tools/simnet/swarm/plan.h"
#include "tools/simnet/swarm/traffic.h"
#include "tools/simnet/swarm/world.h"

namespace messenger::simnet {

class Nemesis final {
 public:
  // All must outlive this.
  Nemesis(World& world, Traffic& traffic, Ledger& ledger);

  // Faults from now on.
  void Start();
  // Ends all of them: the network works, clocks are right, disks are sound, and
  // all nodes run but those that are lost for good.
  void HealAll();

  const std::array<uint64_t, kFaults>& injected() const { return injected_; }
  // Nodes whose disk was destroyed and not yet made good by the others.
  size_t unrepaired() const { return destroyed_.size(); }

 private:
  using Items = std::set<std::pair<swarm::Shard, swarm::ItemEntry>>;

  // When all nodes hold what they should: what a new network needs to begin is
  // no subject of the promise.
  void StartWhenReady(absl::Time latest);
  void Strike();
  // False: it could not be done just now.
  bool Inject(Fault fault);
  void Flood();
  // Some members miss what is sent, for the others hold it; then, all at once,
  // only they answer, and one of the others, which may have lost its disk.
  bool Swap();
  void EndSwap(int mailbox, const std::set<int>& away, uint64_t number);
  std::set<std::string> AddressesOf(const std::set<int>& nodes) const;
  void HealLater(uint64_t number, absl::Duration mean);
  void Later(absl::Duration mean, std::function<void()> task);

  bool MayDestroy(int i) const;
  bool HoldsItsShards(int i) const;
  // Everything that others than `i` hold and `i` is to hold.
  Items HeldByOthers(int i) const;
  void Destroyed(int i);
  void LookForRepairs();

  int AnyNode();
  int AnyRunningNode();
  void RestartLater(int i, absl::Duration mean);

  World& world_;
  Traffic& traffic_;
  Ledger& ledger_;
  crypto::SeededRandom random_;
  bool active_ = false;
  uint64_t partition_ = 0;  // the latest, so that older ends do not heal it
  std::array<uint64_t, kFaults> injected_ = {};
  int lost_ = 0;
  int joined_ = 0;
  std::set<int> restarting_;
  // By node, what it had to get back when it was destroyed.
  std::map<int, Items> destroyed_;
  // A flipped bit does nothing before the next start.
  std::map<int, absl::Time> flipped_;
};

}  // namespace messenger::simnet

#endif  // TOOLS_SIMNET_SWARM_NEMESIS_H_
