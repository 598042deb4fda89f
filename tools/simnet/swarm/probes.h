// Rare states that a run is there to reach. A state that is never reached is
// not tested, however many seeds pass: the nightly run fails for each of these
// that no seed has hit.
//
// Not thread-safe.

#ifndef TOOLS_SIMNET_SWARM_PROBES_H_
#define TOOLS_SIMNET_SWARM_PROBES_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace messenger::simnet {

// name, what it stands for
#define SIMNET_SWARM_PROBES(X)                                             \
  X(kAckWithExactlyW, "sent with no receipt to spare")                     \
  X(kAckAfterRetry, "sent by a later attempt of the outbox")               \
  X(kAckBySeveralCoordinators, "receipts of several attempts added up")    \
  X(kAckOfDeleted, "a late copy met its deletion and was acknowledged")    \
  X(kJointQuorumAck, "acknowledged by quorums of two sets of members")     \
  X(kOutboxExpired, "a message expired before it could be sent")           \
  X(kClientCrashedWhileSending, "a client died with writes under way")     \
  X(kWriteRefusedNotRegistered, "a mailbox that nobody registered")        \
  X(kWriteRefusedFull, "a mailbox, or its node, was full")                 \
  X(kStrangerWorked, "a stranger paid with work")                          \
  X(kCompleteReading, "a reading reached R members")                       \
  X(kIncompleteReading, "a reading reached too few")                       \
  X(kFreshReading, "a reading without cursors")                            \
  X(kPagedReading, "a reading took more than one page")                    \
  X(kListedTwice, "a member listed late what another had listed")          \
  X(kIncarnationChanged, "a cursor met a store that began anew")           \
  X(kReadRefusedFilling, "a node that is filling refused a reading")       \
  X(kClientReadRepair, "a reader brought a message to a member")           \
  X(kRecordSuperseded, "a newer record stood")                             \
  X(kHintWritten, "a hint was noted")                                      \
  X(kHintReplayed, "a hint was brought to its peer")                       \
  X(kReconciledEqual, "two members compared and were equal")               \
  X(kReconcileFetched, "reconciliation fetched an item")                   \
  X(kReconcilePushed, "reconciliation pushed an item")                     \
  X(kRepairAfterWipe, "an empty store was filled by its peers")            \
  X(kShardFilled, "a shard became complete")                               \
  X(kScrubEqual, "a scrub found equal contents")                           \
  X(kScrubMismatch, "a scrub found damaged contents")                      \
  X(kDamagedRefetched, "a damaged row was dropped")                        \
  X(kTombstoneMetLateCopy, "a deletion and a message crossed")             \
  X(kPurge, "a compartment was purged")                                    \
  X(kShortened, "a message's life was made shorter")                       \
  X(kExpired, "rows were forgotten because they had expired")              \
  X(kForeignErased, "a former owner erased a shard")                       \
  X(kTransitionBegun, "a change of members began")                         \
  X(kTransitionCompleted, "a change of members was completed")             \
  X(kTransitionDuringPartition, "members changed during a partition")      \
  X(kNodeJoined, "a new node became active")                               \
  X(kNodeEvicted, "a node that was down was replaced")                     \
  X(kNodeReturned, "an evicted node came back")                            \
  X(kWrongSwarm, "a request met a node of another swarm")                  \
  X(kStaleDirectory, "a node or client worked with an old directory")      \
  X(kCrash, "a node crashed")                                              \
  X(kCrashWithUnsyncedWrites, "a crash met writes that were not synced")   \
  X(kTornWrite, "a crash tore a write")                                    \
  X(kPowerCut, "all nodes crashed at once")                                \
  X(kPause, "a node stood still")                                          \
  X(kWipe, "a node lost its disk")                                         \
  X(kLostForGood, "a node never came back")                                \
  X(kDiskError, "a disk failed a read, write or sync")                     \
  X(kDiskFull, "a disk was full")                                          \
  X(kBitFlip, "a bit on a disk flipped")                                   \
  X(kDamageNoticed, "a node ended because its disk was damaged")           \
  X(kPartition, "the network was split")                                   \
  X(kOneWayPartition, "one direction was blocked")                         \
  X(kClog, "a path held everything back")                                  \
  X(kClockJump, "a clock jumped")                                          \
  X(kQuorumSwapped, "those that missed messages were alone with one more") \
  X(kClockQuarantine, "a node refused because of its clock")               \
  X(kReplayRefused, "a recorded request was refused")                      \
  X(kLiarForgedReceipt, "a member made receipts in others' names")         \
  X(kLiarDropped, "a member signed and kept nothing")                      \
  X(kLiarHid, "a member hid what it has")                                  \
  X(kLiarCorrupted, "a member altered what it sent")                       \
  X(kLiarFlooded, "a member flooded the others")

enum class Probe : int {
#define X(name, text) name,
  SIMNET_SWARM_PROBES(X)
#undef X
      kCount
};

inline constexpr size_t kProbes = static_cast<size_t>(Probe::kCount);

absl::string_view ProbeName(Probe probe);  // without the k
absl::string_view ProbeText(Probe probe);

class Probes final {
 public:
  void Hit(Probe probe, uint64_t times = 1) {
    hits_[static_cast<size_t>(probe)] += times;
  }
  uint64_t hits(Probe probe) const { return hits_[static_cast<size_t>(probe)]; }
  void Add(const Probes& other);
  std::vector<Probe> Missed() const;

 private:
  std::array<uint64_t, kProbes> hits_ = {};
};

}  // namespace messenger::simnet

#endif  // TOOLS_SIMNET_SWARM_PROBES_H_
