// Brings items to members that did not confirm them when they were written
// (swarm/SPEC.md, section 5.3): soon, then after 1 s, doubling to 60 s, until
// the peer has them, refuses them for good, or they are gone here.
//
// Per peer one batch is under way, at most 64 items. Belongs to the core
// executor. May be destroyed at any time.

#ifndef SWARM_REPAIR_HINT_SENDER_H_
#define SWARM_REPAIR_HINT_SENDER_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"
#include "crypto/random/random.h"
#include "routing/onion/node_id.h"
#include "routing/runtime/executor.h"
#include "swarm/repair/item_intake.h"
#include "swarm/repair/item_pusher.h"
#include "swarm/repair/peer_caller.h"
#include "swarm/repair/peer_health.h"
#include "swarm/repair/planted_bug.h"
#include "swarm/repair/shard_map.h"
#include "swarm/store/message_store.h"

namespace messenger::swarm {

class HintSender final {
 public:
  static constexpr size_t kBatch = 64;
  static constexpr absl::Duration kFirstRetry = absl::Seconds(1);
  static constexpr absl::Duration kLastRetry = absl::Seconds(60);
  // How often peers are looked for whose hints nobody told of.
  static constexpr absl::Duration kLook = absl::Seconds(30);

  struct Options {
    const MessageStore& store;  // all references must outlive the sender
    PeerCaller& caller;
    routing::Executor& executor;
    crypto::Random& random;
    PeerHealth& health;
    ShardMapSource maps;
    CommitFunction commit;
    PlantedBug bug = PlantedBug::kNone;
  };
  struct Counters {
    uint64_t delivered = 0;
    uint64_t dropped = 0;  // gone here, or refused for good
    uint64_t failures = 0;
  };

  explicit HintSender(Options options);
  ~HintSender();

  HintSender(const HintSender&) = delete;
  HintSender& operator=(const HintSender&) = delete;

  void Start();
  void Stop();

  // Hints for `peer` have been committed.
  void Wake(const routing::NodeId& peer);

  const Counters& counters() const { return counters_; }

 private:
  struct Peer {
    absl::Duration retry = kFirstRetry;
    routing::TimerId timer = 0;
    std::unique_ptr<ItemPusher> pusher;
  };

  void Look();
  void Send(const routing::NodeId& id);
  void Pushed(const routing::NodeId& id, ItemPusher::Outcome outcome,
              const std::vector<ItemKey>& batch);
  void Drop(const routing::NodeId& id, std::vector<ItemKey> items, bool go_on);
  void RetryLater(const routing::NodeId& id);

  const Options options_;
  absl::flat_hash_map<routing::NodeId, std::unique_ptr<Peer>> peers_;
  Counters counters_;
  bool running_ = false;
  routing::TimerId look_timer_ = 0;
  std::shared_ptr<bool> alive_;
};

}  // namespace messenger::swarm

#endif  // SWARM_REPAIR_HINT_SENDER_H_
