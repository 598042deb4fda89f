// Answers other members that compare their sets with this node's, and hands
// over what they lack (swarm/SPEC.md, sections 5.4 and 5.5).
//
//   peer               this node
//     Reconcile  --->    one level of detail of the shared shards
//     Fetch      --->    items by name
//
// Keeps nothing between calls. A peer sees the shards that both are members of
// and no others. Each call is a task of its own, so that peers with much to ask
// do not keep a client waiting for longer than one step takes.
//
// Belongs to the core executor. May be destroyed once the server is shut down.

#ifndef SWARM_REPAIR_RECONCILE_RESPONDER_H_
#define SWARM_REPAIR_RECONCILE_RESPONDER_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "routing/onion/node_id.h"
#include "routing/runtime/clock.h"
#include "routing/runtime/executor.h"
#include "routing/runtime/server.h"
#include "swarm/repair/reconcile_codec.h"
#include "swarm/repair/shard_map.h"
#include "swarm/store/message_store.h"

namespace messenger::swarm {

class ReconcileResponder final {
 public:
  // Calls of one peer under way.
  static constexpr int kMaxSessionsPerPeer = 2;
  static constexpr int kMaxFetchesPerPeer = 8;
  // Of all peers.
  static constexpr int kMaxConcurrent = 256;
  // Of contents read from the disk for one scrub step.
  static constexpr size_t kMaxScrubBytes = 4 * 1024 * 1024;

  struct Options {
    const MessageStore& store;  // all references must outlive the responder
    routing::Executor& executor;
    const routing::Clock& clock;
    ShardMapSource maps;
    // Whether this node holds all of a shard.
    std::function<bool(Shard)> holds;
  };

  struct Counters {
    uint64_t steps = 0;
    uint64_t fetches = 0;
    uint64_t items_given = 0;
    uint64_t refused = 0;
    uint64_t strangers = 0;  // calls of who is no storage node
  };

  explicit ReconcileResponder(Options options);
  ~ReconcileResponder();

  ReconcileResponder(const ReconcileResponder&) = delete;
  ReconcileResponder& operator=(const ReconcileResponder&) = delete;

  // Registers kReconcileMethod and kFetchMethod.
  void Serve(routing::Server& server);

  // The rendered answer to one step of `peer`.
  absl::StatusOr<std::string> Reconcile(const routing::NodeId& peer,
                                        const std::string& request);
  absl::StatusOr<std::string> Fetch(const routing::NodeId& peer,
                                    const std::string& request);

  const Counters& counters() const { return counters_; }

 private:
  using Step = absl::StatusOr<std::string> (ReconcileResponder::*)(
      const routing::NodeId&, const std::string&);
  using UnderWay = absl::flat_hash_map<routing::NodeId, int>;

  void Queue(const routing::Peer& peer, std::string request,
             routing::Reply reply, UnderWay& under_way, int limit, Step step);

  const Options options_;
  UnderWay sessions_;
  UnderWay fetches_;
  Counters counters_;
  std::shared_ptr<bool> alive_;
};

}  // namespace messenger::swarm

#endif  // SWARM_REPAIR_RECONCILE_RESPONDER_H_
