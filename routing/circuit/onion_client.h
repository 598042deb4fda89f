// Sends one request through relays to a service of a node and brings back its
// reply (routing/relay/SPEC.md, sections 1 and 9).
//
//   client      guard      relay      relay      destination
//     SETUP ---> SETUP ---> SETUP ---> SETUP --->  request
//     CELL* ---> ...                               (when it is longer)
//     CELL* <--- CELL* <--- CELL* <--- CELL* <---  reply, always padded
//
// Every request gets a circuit and a path of its own, so no node can tell that
// two requests come from the same client. All requests share one link to the
// guard. Nothing is retried: a caller that knows its request to be idempotent
// sends it again and gets another path.
//
// Lives on one executor.

#ifndef ROUTING_CIRCUIT_ONION_CLIENT_H_
#define ROUTING_CIRCUIT_ONION_CLIENT_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "crypto/random/random.h"
#include "routing/directory/consensus.h"
#include "routing/directory/consensus_holder.h"
#include "routing/onion/node_id.h"
#include "routing/path/path_selector.h"
#include "routing/runtime/clock.h"
#include "routing/runtime/executor.h"
#include "routing/runtime/transport.h"

namespace messenger::routing {

// The way of one request: relays in order, then the destination. Empty when
// the request was not sent.
struct RequestRoute {
  std::vector<NodeId> hops;
};

class OnionClient final {
 public:
  // All references must outlive the client.
  OnionClient(Transport& transport, Executor& executor, const Clock& clock,
              crypto::Random& random, ConsensusHolder& directory,
              PathSelector& paths, RoutingMode mode);

  // Pending requests are forgotten, their `done` never runs.
  ~OnionClient();

  OnionClient(const OnionClient&) = delete;
  OnionClient& operator=(const OnionClient&) = delete;

  struct Request {
    NodeId destination;
    std::vector<NodeId> swarm;  // no relay of the path is one of these
    uint8_t service = 0;
    std::string bytes;
    int reply_cells = 1;  // 1, 2, 4, 8 or 16
    absl::Duration timeout = absl::Seconds(10);
  };

  // `done` gets the reply's bytes, or the status the service gave, or:
  //   UNAVAILABLE        no directory, no path, or a hop could not go on;
  //                      another attempt takes another path
  //   DEADLINE_EXCEEDED  outcome unknown
  //   INVALID_ARGUMENT   not a reply size, or the request is too long
  // It runs on the executor, never inside the call.
  using Done = absl::AnyInvocable<void(absl::StatusOr<std::string>,
                                       const RequestRoute&)>;
  void Send(Request request, Done done);

  RoutingMode mode() const { return mode_; }
  // Takes effect with the next request.
  void set_mode(RoutingMode mode) { mode_ = mode; }

  size_t pending_requests() const;

 private:
  struct Pending;
  class GuardLink;

  // Builds the circuit and sends. On an error nothing was sent and `done` has
  // not been used.
  absl::Status Start(const Request& request, Done& done, RequestRoute& route);
  absl::StatusOr<std::vector<HopKeys>> KeysOf(const Consensus& consensus,
                                              const std::vector<NodeId>& hops,
                                              OnionEpochs epochs);
  GuardLink& LinkTo(const NodeRecord& guard);
  void OnCell(GuardLink& link, uint64_t id, absl::string_view body);
  void OnHopError(GuardLink& link, uint64_t id, int hop, absl::StatusCode code);
  void OnTimeout(uint64_t link, uint64_t id);
  // Looks after a link on which requests wait: a guard that says nothing for
  // a while is asked whether it is there.
  void Watch(GuardLink& link);
  void OnWatch(uint64_t link);
  void OnProbed(uint64_t link, bool there);
  void OnLinkClosed(GuardLink& link);
  // Takes the request off its link and tells the caller.
  void Finish(GuardLink& link, uint64_t id, absl::StatusOr<std::string> result);
  void Abandon(GuardLink& link, uint64_t id, absl::Status status);
  void Tell(Done done, absl::StatusOr<std::string> result, RequestRoute route);

  Transport& transport_;
  Executor& executor_;
  const Clock& clock_;
  crypto::Random& random_;
  ConsensusHolder& directory_;
  PathSelector& paths_;
  RoutingMode mode_;

  uint64_t last_link_ = 0;
  absl::flat_hash_map<uint64_t, std::unique_ptr<GuardLink>> links_;
  absl::flat_hash_map<NodeId, uint64_t> link_of_guard_;
  // Expires with the client; tasks that may come later look at it first.
  std::shared_ptr<const bool> alive_ = std::make_shared<const bool>(true);
};

}  // namespace messenger::routing

#endif  // ROUTING_CIRCUIT_ONION_CLIENT_H_
