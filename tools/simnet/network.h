// A whole messenger network in one thread of virtual time.
//
// Every authority, relay, storage node and client is the production object;
// only the seams are simulated: the clock, the randomness and the transport.
// A run is a pure function of its `Options`, so a failing seed replays exactly.
//
//   Network network({.seed = 7});
//   Device& alice = network.AddDevice("alice");
//   Device& bob = network.AddDevice("bob");
//   network.Settle();
//   alice.Send(bob.account(), "are you there?");
//   network.RunUntil([&] { return network.Delivered(); }, absl::Minutes(2));
//   network.CheckInvariants();
//
// Not thread-safe.

#ifndef TOOLS_SIMNET_NETWORK_H_
#define TOOLS_SIMNET_NETWORK_H_

#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "client/messenger/messenger.h"
#include "crypto/hash/hash.h"
#include "crypto/identity/account_id.h"
#include "routing/path/path_selector.h"
#include "tools/simnet/device.h"
#include "tools/simnet/lying_store.h"

namespace messenger::simnet {

class Network final {
 public:
  struct Options {
    uint64_t seed = 1;
    int nodes = 9;  // each a relay and a storage node
    int authorities = 3;
    int swarm_size = 3;
    routing::RoutingMode mode = routing::RoutingMode::kOnion;
    // Of calls: between storage nodes, to directories, from a relay to its
    // storage. Links lose nothing until they break.
    double packet_loss = 0.01;
    // One way, exponential above the minimum.
    absl::Duration min_delay = absl::Milliseconds(5);
    absl::Duration mean_delay = absl::Milliseconds(40);
    absl::Duration voting_interval = absl::Minutes(1);
    // Long enough for nodes that are down to keep their places: scenarios in
    // which swarms change members say so.
    absl::Duration evict_after = absl::Hours(24);
    // Messages in SQLite files, or in its twin in memory.
    bool sqlite_stores = false;
  };

  enum class Part { kRelay, kStorage, kMachine };

  // Authorities and nodes start, agree on a directory, and know it.
  explicit Network(const Options& options);
  ~Network();

  Network(const Network&) = delete;
  Network& operator=(const Network&) = delete;

  // A device with a new account, switched on. Lives as long as the network.
  Device& AddDevice(const std::string& name);
  Device& AddDevice(const std::string& name, const Device::Options& options);
  // Another device of the account of `first`, both on, the person in front of
  // both (client/SPEC.md, section 14.3): `fresh` awaits a link. False: it was
  // not made in `limit`.
  bool Link(Device& first, Device& fresh,
            absl::Duration limit = absl::Minutes(10));
  // The account of `first` does not list `device` any more, from here on.
  absl::Status Unlink(Device& first, Device& device);
  // Does something with the client of a device as soon as that is on, and again
  // if its power fails meanwhile. DEADLINE_EXCEEDED: it was off for too long.
  absl::Status Do(Device& device,
                  absl::FunctionRef<absl::Status(client::Messenger&)> what,
                  absl::Duration limit = absl::Minutes(5));

  // Until every device that is on has published its account. False if that
  // takes more than five minutes.
  bool Settle();

  // Runs events in order until `done`, or until `limit` of virtual time has
  // passed. Returns whether `done` became true.
  bool RunUntil(absl::FunctionRef<bool()> done, absl::Duration limit);
  void RunFor(absl::Duration time);
  absl::Time Now() const;

  int nodes() const;
  // The nodes that store an account's mailbox, best first; while members change
  // those that will as well.
  std::vector<int> SwarmOf(const crypto::AccountId& account) const;
  // The nodes on a device's circuits, as they were really taken: as many
  // circuits as it has begun, each as far as it has come.
  std::vector<std::vector<int>> Paths(const Device& device) const;

  // Faults. What a part has on its disk survives.
  void Crash(int node, Part part = Part::kMachine);
  void Restart(int node, Part part = Part::kMachine);
  bool up(int node) const;
  // These nodes reach only one another, until Heal(). Clients are outside.
  void Partition(const std::set<int>& nodes);
  void Heal();
  void SetLoss(double probability);
  // Of calls, as loss: they arrive twice.
  void SetDuplication(double probability);
  // All its circuits are gone, and it does not know yet.
  void BreakLinksOf(const Device& device);
  void SetLie(int node, Lie lie);
  // Whatever its storage process had is gone. It starts again, on an empty
  // disk.
  void Wipe(int node);

  // Changes of members. The authorities see to them, with one vote after the
  // other. Another machine, switched on; its number:
  int AddNode();
  // It asks to be let go, and serves until it is.
  void Leave(int node);
  // It serves or will, by the newest directory; it may be down.
  bool IsMember(int node) const;
  // Some members serve that will not, or the other way round.
  bool Changing() const;
  // Everything acknowledged that a member is to have is on this node's disk,
  // and it knows it.
  bool HoldsAll(int node) const;

  // Every text written by any device is where it is to be: on all devices of
  // the recipient, and on the own others, that the writer knew of and that are
  // still linked. What a device has written that was unlinked since is not
  // waited for.
  bool Delivered() const { return Missing().empty(); }
  // The first one that is not, and where; empty if there is none.
  std::string Missing() const;

  // Messages that any device was told are stored in the inbox of an account, or
  // of a linked device, whose inbox is that of the account it was before.
  int StoredIn(const crypto::AccountId& account) const;

  // What holds in every reachable state, whatever the scenario. INTERNAL,
  // naming the first that does not:
  //   - no text is delivered twice, and none that nobody wrote
  //   - a text counts as sent only when W members have it on their disks; while
  //     members change, W of those that serve and W of those that will
  //   - what was acknowledged is still there, so that no R members that answer
  //     can all miss it, and a recipient who has since read all mailboxes has
  //     it
  //   - nothing came that could not be opened
  //   - no node saw both ends; see Observer
  absl::Status CheckInvariants() const;

  // A hash of everything that was ever sent, with the times.
  crypto::Digest256 trace() const;
  uint64_t requests_delivered() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace messenger::simnet

#endif  // TOOLS_SIMNET_NETWORK_H_
