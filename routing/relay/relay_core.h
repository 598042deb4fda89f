// What a relay does with frames (routing/relay/SPEC.md, sections 1 to 5).
//
//   client side                relay                      onward side
//   SETUP  ------> peel, replay cache, command ------> SETUP of the next hop
//                                              or ---> EndpointHandler
//   CELL   ------> remove layer ----------------------> CELL
//   CELL   <------ add layer <------------------------- CELL
//   DESTROY <----> forget the circuit <---------------> DESTROY
//
// A state machine: frames in, frames out, nothing blocks. Whatever is wrong
// with a SETUP before its command can be trusted is dropped in silence and
// counted. Once it can be, the client is told with one error cell. When a
// circuit has carried as many replies as its command granted, it is forgotten.
//
// Lives on one executor.

#ifndef ROUTING_RELAY_RELAY_CORE_H_
#define ROUTING_RELAY_RELAY_CORE_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "crypto/random/random.h"
#include "routing/directory/consensus_holder.h"
#include "routing/directory/node_keys.h"
#include "routing/endpoint/endpoint_handler.h"
#include "routing/onion/node_id.h"
#include "routing/onion/setup.h"
#include "routing/relay/circuit_table.h"
#include "routing/relay/relay_counters.h"
#include "routing/relay/relay_limits.h"
#include "routing/relay/replay_cache.h"
#include "routing/runtime/clock.h"
#include "routing/runtime/executor.h"
#include "routing/runtime/recorder.h"
#include "routing/runtime/server.h"
#include "routing/runtime/transport.h"

namespace messenger::routing {

class RelayCore final : public LinkAcceptor {
 public:
  // All references and pointers must outlive the core.
  struct Options {
    NodeId node_id;
    Transport& transport;  // opens the links to next hops
    Executor& executor;
    const Clock& clock;
    crypto::Random& random;
    const NodeKeys& keys;
    const ConsensusHolder& directory;  // finds next hops; tells relays apart
    ReplayCache& replay_cache;
    EndpointHandler* endpoint = nullptr;  // null: nothing ends here
    RelayLimits limits = {};
    Recorder* recorder =
        nullptr;  // "forward": next node id; "deliver": request
  };

  explicit RelayCore(const Options& options);
  ~RelayCore() override;

  RelayCore(const RelayCore&) = delete;
  RelayCore& operator=(const RelayCore&) = delete;

  // Takes every peer up to the limit; peers whose TLS key is not a relay's in
  // the directory get the limits of clients.
  FrameLinkEvents* OnLink(const Peer& peer,
                          std::unique_ptr<FrameLink> link) override;

  const RelayCounters& counters() const { return counters_; }
  size_t open_circuits() const { return circuits_.size(); }
  size_t open_links() const { return links_.size(); }

 private:
  class Link;
  // The links we opened to one next hop.
  struct Neighbour {
    std::vector<LinkNumber> links;  // 0: not open
    size_t turn = 0;
    absl::Time failed_at = absl::InfinitePast();
    // It let a ping go unanswered: no circuits until it answers one.
    bool silent = false;
    bool probing = false;
  };

  // Events of links.
  void OnFrame(Link& link, std::string frame);
  void OnLinkClosed(Link& link);

  // SETUP.
  void OnSetup(Link& link, uint64_t id, const std::string& frame);
  void StartForward(std::unique_ptr<Circuit> circuit, const HopCommand& command,
                    const std::string& next_body, size_t max_for_link);
  void StartDelivery(std::unique_ptr<Circuit> circuit,
                     const HopCommand& command, const std::string& data,
                     size_t max_for_link);
  bool TakeSetupToken(Link& link);
  size_t MaxCircuitsOf(Link& link);
  bool IsRelay(const Peer& peer) const;

  // CELL and DESTROY.
  void OnCellFromClient(Circuit& circuit, std::string frame);
  void OnCellFromNext(Circuit& circuit, std::string frame);
  void OnDestroy(Circuit& circuit, const CircuitEnd& from);

  // The destination's part.
  void DispatchIfReady(Circuit& circuit);
  void Reply(uint64_t serial, const absl::StatusOr<std::string>& reply);

  // Sending.
  void SendToClient(const Circuit& circuit, std::string frame);
  void SendOnward(Circuit& circuit, std::string frame);
  void ReleaseHeld(uint64_t serial);
  void SendDestroy(const CircuitEnd& end);
  // One error cell; the circuit is of no further use.
  void SendError(Circuit& circuit, absl::StatusCode code);

  // Links and the table.
  Link* FindLink(LinkNumber number) const;
  Link* LinkTo(const NodeId& node);
  void Probe(const NodeId& node, const Endpoint& endpoint);
  void OnProbed(const NodeId& node, bool there);
  void Forget(Circuit& circuit);
  void ScheduleSweep();
  void Sweep();

  const NodeId node_id_;
  Transport& transport_;
  Executor& executor_;
  const Clock& clock_;
  crypto::Random& random_;
  const NodeKeys& keys_;
  const ConsensusHolder& directory_;
  ReplayCache& replay_cache_;
  EndpointHandler* const endpoint_;
  const RelayLimits limits_;
  Recorder* const recorder_;

  RelayCounters counters_;
  CircuitTable circuits_;
  LinkNumber last_link_ = 0;
  size_t inbound_links_ = 0;
  size_t gathered_bytes_ = 0;
  size_t held_frames_ = 0;
  TimerId sweep_timer_ = 0;
  absl::flat_hash_map<NodeId, Neighbour> neighbours_;
  // In order, so that a simulation sweeps them in the same one each time.
  std::map<LinkNumber, std::unique_ptr<Link>> links_;
  // Expires with the core; callbacks that may come later look at it first.
  std::shared_ptr<const bool> alive_ = std::make_shared<const bool>(true);
};

}  // namespace messenger::routing

#endif  // ROUTING_RELAY_RELAY_CORE_H_
