// The time on which the members agree (swarm/SPEC.md, section 5.8): this node's
// clock, corrected by the median of how far the peers' clocks are from it and
// of its own, which is not far at all. No single peer moves it.
//
// Belongs to the core executor.

#ifndef SWARM_REPAIR_CLUSTER_CLOCK_H_
#define SWARM_REPAIR_CLUSTER_CLOCK_H_

#include <cstddef>

#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"
#include "routing/onion/node_id.h"
#include "routing/runtime/clock.h"
#include "swarm/repair/planted_bug.h"

namespace messenger::swarm {

class ClusterClock final {
 public:
  // Peers that must have been heard before the clock is corrected.
  static constexpr size_t kMinPeers = 2;
  static constexpr absl::Duration kMaxAge = absl::Hours(1);
  static constexpr absl::Duration kAlarm = absl::Seconds(5);
  static constexpr absl::Duration kUnfit = absl::Seconds(60);
  // Peers remembered; the oldest gives way.
  static constexpr size_t kMaxPeers = 4096;

  // `local` must outlive this.
  explicit ClusterClock(const routing::Clock& local,
                        PlantedBug bug = PlantedBug::kNone)
      : local_(local), bug_(bug) {}

  // The peer's clock less this node's.
  void Heard(const routing::NodeId& peer, absl::Duration offset);

  // What is to be added to the local clock.
  absl::Duration Offset() const;
  absl::Time Now() const { return local_.Now() + Offset(); }
  // Nothing is forgotten that one of the two clocks says is still alive.
  absl::Time GcNow() const;

  bool alarm() const { return absl::AbsDuration(Offset()) > kAlarm; }
  // So far off that this node must neither take nor forget anything.
  bool unfit() const { return absl::AbsDuration(Offset()) > kUnfit; }
  // Peers heard within kMaxAge.
  size_t peers() const;

 private:
  struct Sample {
    absl::Duration offset;
    absl::Time taken;  // by the local clock
  };

  bool IsFresh(const Sample& sample) const;

  const routing::Clock& local_;
  const PlantedBug bug_;
  absl::flat_hash_map<routing::NodeId, Sample> samples_;
};

}  // namespace messenger::swarm

#endif  // SWARM_REPAIR_CLUSTER_CLOCK_H_
