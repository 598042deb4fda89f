// What one run is like, drawn from its seed: how many nodes, how bad the
// network, which faults, which liars.
//
// A regular value; drawing is a pure function.

#ifndef TOOLS_SIMNET_SWARM_PLAN_H_
#define TOOLS_SIMNET_SWARM_PLAN_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "client/remote/swarm_client_options.h"
#include "swarm/repair/planted_bug.h"

namespace messenger::simnet {

// name, weight, what happens
#define SIMNET_SWARM_FAULTS(X)                                            \
  X(kCrash, 8, "a process dies, its un-synced writes kept, lost or torn") \
  X(kPowerCut, 1, "all of them die at once")                              \
  X(kPause, 4, "a process stands still for up to two minutes")            \
  X(kWipe, 2, "a node starts anew on an empty disk")                      \
  X(kLoseForGood, 1, "a node never comes back")                           \
  X(kDiskErrors, 2, "a disk fails some calls for a while")                \
  X(kDiskFull, 2, "a disk has no room for a while")                       \
  X(kBitFlip, 2, "a bit on a disk flips")                                 \
  X(kPartition, 4, "the network splits at random")                        \
  X(kIsolate, 3, "one node is cut off")                                   \
  X(kOneWay, 3, "one direction is blocked")                               \
  X(kClog, 4, "paths hold everything back for some seconds")              \
  X(kClockJump, 2, "a clock is set forward or back")                      \
  X(kClockStrobe, 1, "a clock jumps back and forth")                      \
  X(kJoin, 2, "a node joins")                                             \
  X(kLeave, 2, "a node wants to leave")                                   \
  X(kFlap, 1, "a node goes down and up, again and again")                 \
  X(kClientCrash, 4, "a client dies and starts again")                    \
  X(kClientClock, 1, "a client's clock is set wrong")                     \
  X(kReplay, 3, "somebody repeats a recorded request")                    \
  X(kSwap, 4, "those that missed messages alone answer, with one more")   \
  X(kStaleClient, 2, "a client gets no directory for some minutes")

enum class Fault : int {
#define X(name, weight, text) name,
  SIMNET_SWARM_FAULTS(X)
#undef X
      kCount
};
inline constexpr size_t kFaults = static_cast<size_t>(Fault::kCount);
absl::string_view FaultName(Fault fault);
int FaultWeight(Fault fault);

// What a dishonest member does.
enum class Liar {
  kHonest,
  kDrops,     // signs for everything and keeps nothing
  kHides,     // shows only some of what it has
  kStale,     // shows only what is older than ten minutes
  kCorrupts,  // alters what it sends
  kForges,    // adds receipts in the names of others
  kEpochs,    // claims epochs far ahead
  kTime,      // has a clock a day off
  kFloods,    // sends junk to the others
};
inline constexpr int kLiars = 9;

// How long former owners keep shards here: a run is shorter than a day.
inline constexpr absl::Duration kForeignKept = absl::Minutes(2);
// How often members compare contents.
inline constexpr absl::Duration kScrubPeriod = absl::Minutes(10);

// Bugs of disks, planted where a store meets its disk.
enum class StoreBug {
  kNone,
  kAckBeforeDisk,       // a message is confirmed before it is on the disk
  kDeletionsForgotten,  // a deletion is confirmed and not kept
  kIncarnationKept,     // an empty store goes on under the old numbers
};

struct SimulationOptions {
  bool sqlite = false;
  // Of the safety phase.
  absl::Duration span = absl::Minutes(20);
  // Nobody lies and nothing fails: for finding out what is wrong with the
  // simulator itself.
  bool calm = false;
  // The rules of a store without quorums, hints and repair, for comparison.
  bool baseline = false;
  swarm::PlantedBug bug = swarm::PlantedBug::kNone;
  client::PlantedClientBug client_bug = client::PlantedClientBug::kNone;
  StoreBug store_bug = StoreBug::kNone;
};

struct Plan {
  static Plan Draw(uint64_t seed, const SimulationOptions& options);

  uint64_t seed = 0;
  SimulationOptions options;

  int swarm_size = 7;
  int nodes = 7;  // of the first directory
  int write_quorum() const { return swarm_size / 2 + 1; }

  absl::Duration min_delay;
  absl::Duration mean_delay;
  double loss = 0;
  double duplication = 0;
  absl::Duration disk_latency;  // mean
  absl::Duration clock_skew;    // largest, of nodes and clients
  double drift_ppm = 0;         // largest
  absl::Duration largest_jump;

  absl::Duration mean_time_between_faults;
  std::array<bool, kFaults> faults = {};
  bool has(Fault fault) const { return faults[static_cast<size_t>(fault)]; }

  std::vector<Liar> liars;  // of the first nodes; the others are honest

  absl::Duration voting_interval;
  absl::Duration directory_delay;  // largest
  absl::Duration evict_after;
  absl::Duration min_overlap;

  int clients = 20;
  // Most of the messages go to one inbox, more than it may hold.
  bool crowded = false;
  absl::Duration mean_time_between_sends;
  absl::Duration mean_time_between_polls;

  std::string ToString() const;
};

}  // namespace messenger::simnet

#endif  // TOOLS_SIMNET_SWARM_PLAN_H_
