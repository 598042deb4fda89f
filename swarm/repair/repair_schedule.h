// Which member is compared with when (swarm/SPEC.md, section 5.4). Two rhythms:
// in each round of a minute every peer once, in an order drawn anew; and, while
// this node has shards to fill, peers that can fill them, at once, and again
// after kFirstFillRetry, doubling to kLastFillRetry, where that fails.
//
// A pure state machine: the caller has the timer. Belongs to one executor.

#ifndef SWARM_REPAIR_REPAIR_SCHEDULE_H_
#define SWARM_REPAIR_REPAIR_SCHEDULE_H_

#include <optional>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "crypto/random/random.h"
#include "routing/onion/node_id.h"

namespace messenger::swarm {

class RepairSchedule final {
 public:
  static constexpr absl::Duration kRound = absl::Seconds(60);
  // Between two turns, however many peers there are.
  static constexpr absl::Duration kShortestPause = absl::Milliseconds(100);
  static constexpr absl::Duration kLongestPause = absl::Seconds(30);
  // NextDelay() is never longer.
  static constexpr absl::Duration kLongestDelay = absl::Seconds(45);
  static constexpr absl::Duration kFirstFillRetry = absl::Milliseconds(500);
  static constexpr absl::Duration kLastFillRetry = absl::Seconds(4);

  // `random` must outlive the schedule.
  explicit RepairSchedule(crypto::Random& random) : random_(random) {}

  // Who there is to compare with; the rest is forgotten.
  void SetPeers(std::vector<routing::NodeId> peers);

  // The next of the regular rhythm. Nothing if there are no peers.
  std::optional<routing::NodeId> NextPeer();
  // Until the turn after that: the peer's share of kRound, give or take half.
  absl::Duration NextDelay();

  // Among `able`, one whose turn it is, chosen at random.
  std::optional<routing::NodeId> NextFill(
      absl::Span<const routing::NodeId> able, absl::Time now);
  // When NextFill() may give something; nothing: not before a new peer comes.
  std::optional<absl::Time> NextFillAt(
      absl::Span<const routing::NodeId> able) const;
  // A fill from `peer` has ended. One that moved something on may go on at
  // once; otherwise the peer rests.
  void FillEnded(const routing::NodeId& peer, bool moved_on, absl::Time now);

 private:
  struct Rest {
    absl::Duration length;
    absl::Time until;
  };

  absl::Time RestsUntil(const routing::NodeId& peer) const;

  crypto::Random& random_;
  std::vector<routing::NodeId> peers_;
  std::vector<routing::NodeId> waiting_;  // for their turn of this round
  absl::flat_hash_map<routing::NodeId, Rest> rests_;
};

}  // namespace messenger::swarm

#endif  // SWARM_REPAIR_REPAIR_SCHEDULE_H_
