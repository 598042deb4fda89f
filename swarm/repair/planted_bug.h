// Bugs to be found. A simulator that finds none of them proves nothing; each is
// one condition in the code that it breaks. Only tests choose anything but
// kNone: no flag of any process does.

#ifndef SWARM_REPAIR_PLANTED_BUG_H_
#define SWARM_REPAIR_PLANTED_BUG_H_

namespace messenger::swarm {

enum class PlantedBug {
  kNone,
  // HintSender drops hints that the peer has not confirmed.
  kHintDropped,
  // What peers bring is held to freshness, like what clients bring.
  kRepairChecksFreshness,
  // ShardFiller says that it holds shards before it has fetched them.
  kReadyBeforePull,
  // ForeignShards never erases.
  kForeignRowsKept,
  // ForeignShards erases as soon as a shard is not this node's.
  kForeignErasedAtOnce,
  // Reconciler leaves deletions and purges out.
  kNoTombstoneExchange,
  // ReplicaService takes writes from coordinators that do not know of a change
  // of members.
  kOutdatedCoordinators,
  // ClusterClock lets things expire ten minutes early.
  kEarlyGc,
  // A node that has not fetched everything answers reads all the same.
  kFillingAnswersReads,
  // Retrievals may be repeated.
  kNoncesIgnored,
  // Clients are served whoever holds their mailbox.
  kMembershipUnchecked,
};

}  // namespace messenger::swarm

#endif  // SWARM_REPAIR_PLANTED_BUG_H_
