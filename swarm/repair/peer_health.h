// Which members failed lately. Hints for those go into the transaction of the
// item itself; one believed well gets them in the next (design/0003).
//
// Belongs to the core executor.

#ifndef SWARM_REPAIR_PEER_HEALTH_H_
#define SWARM_REPAIR_PEER_HEALTH_H_

#include <cstddef>

#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"
#include "routing/onion/node_id.h"
#include "routing/runtime/clock.h"

namespace messenger::swarm {

class PeerHealth final {
 public:
  // So long a failure counts where nothing has been heard since.
  static constexpr absl::Duration kLately = absl::Minutes(2);
  // Members come from the directory, so there are never so many; the oldest
  // failure gives way.
  static constexpr size_t kMaxPeers = 4096;

  // `clock` must outlive this.
  explicit PeerHealth(const routing::Clock& clock) : clock_(clock) {}

  void Succeeded(const routing::NodeId& peer) { failed_at_.erase(peer); }
  void Failed(const routing::NodeId& peer);
  bool FailedLately(const routing::NodeId& peer) const;

 private:
  const routing::Clock& clock_;
  absl::flat_hash_map<routing::NodeId, absl::Time> failed_at_;
};

}  // namespace messenger::swarm

#endif  // SWARM_REPAIR_PEER_HEALTH_H_
