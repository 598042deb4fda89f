// Compares contents, not only ids, with each peer once a day (swarm/SPEC.md,
// section 5.6): hashes under a fresh salt over ids and payloads, window by
// window. Finds bytes that rotted on a disk, and members that kept ids and
// dropped what they stand for.
//
//   this node                            peer
//     Reconcile(scrub, salt) ---->         id, hash(salt, id, payload) ...
//
// Where the two differ, this node first doubts itself: a payload of its own
// that does not hash to its id is dropped, for reconciliation to fetch anew.
// If its own is sound, that counts against the peer, who gets a copy.
//
// Belongs to the core executor. May be destroyed at any time.

#ifndef SWARM_REPAIR_SCRUBBER_H_
#define SWARM_REPAIR_SCRUBBER_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "crypto/random/random.h"
#include "routing/onion/node_id.h"
#include "routing/runtime/clock.h"
#include "routing/runtime/executor.h"
#include "swarm/repair/cluster_clock.h"
#include "swarm/repair/item_intake.h"
#include "swarm/repair/item_pusher.h"
#include "swarm/repair/peer_caller.h"
#include "swarm/repair/reconcile_codec.h"
#include "swarm/repair/shard_map.h"
#include "swarm/store/message_store.h"

namespace messenger::swarm {

class Scrubber final {
 public:
  static constexpr absl::Duration kPeriod = absl::Hours(24);
  // All shards of a peer are spread over a sixth of the period.
  static constexpr absl::Duration kSpread = absl::Hours(4);
  static constexpr absl::Duration kLook = absl::Minutes(1);
  // Contents read from the disk at a time.
  static constexpr size_t kLoadStep = 16;
  // Copies pushed after one step.
  static constexpr size_t kMaxPushed = 256;
  // A sum of peers' marks; more peers are only counted.
  static constexpr size_t kMaxMarks = 4096;

  struct Options {
    const MessageStore& store;  // all references must outlive the scrubber
    PeerCaller& caller;
    routing::Executor& executor;
    const routing::Clock& clock;
    const ClusterClock& cluster_clock;
    crypto::Random& random;
    ShardMapSource maps;
    CommitFunction commit;
    // Simulations have less time.
    absl::Duration period = kPeriod;
    // Something has been dropped: a comparison will fetch it.
    std::function<void()> on_damage;
  };
  struct Counters {
    uint64_t steps = 0;
    uint64_t leaves = 0;        // compared
    uint64_t damaged_here = 0;  // and dropped
    uint64_t peers_lying = 0;   // leaves of peers that were wrong
    uint64_t pushed = 0;
    uint64_t rounds = 0;  // peers gone through completely
  };

  explicit Scrubber(Options options);
  ~Scrubber();

  Scrubber(const Scrubber&) = delete;
  Scrubber& operator=(const Scrubber&) = delete;

  void Start();
  void Stop();

  // Wrong leaves of one peer since this process started.
  uint64_t MarksOf(const routing::NodeId& peer) const;
  const Counters& counters() const { return counters_; }

 private:
  // One peer being gone through.
  struct Round {
    routing::NodeId peer;
    std::vector<Shard> shards;
    size_t next_shard = 0;
    std::deque<Window> windows;  // of the shard before `next_shard`
    ScrubSalt salt;
    ObjectId after;
    absl::Duration pause;
  };

  void Look();
  void LookLater();
  void Step();
  void TakeAnswer(Shard shard, Window window,
                  absl::StatusOr<std::string> reply);
  // Compares own contents with `leaves`; false: the disk failed.
  bool Compare(Shard shard, Window window, const ScrubAnswer& answer);
  void PushThen();
  void After(absl::Duration delay, void (Scrubber::*next)());
  void EndRound();

  const Options options_;
  absl::flat_hash_map<routing::NodeId, absl::Time> due_;
  absl::flat_hash_map<routing::NodeId, uint64_t> marks_;
  std::unique_ptr<Round> round_;
  std::vector<ItemKey> pushes_;
  std::unique_ptr<ItemPusher> pusher_;
  Counters counters_;
  routing::TimerId timer_ = 0;
  std::shared_ptr<bool> alive_;
};

}  // namespace messenger::swarm

#endif  // SWARM_REPAIR_SCRUBBER_H_
