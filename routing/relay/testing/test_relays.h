// Real relays in a simulated network, for tests: every node of a TestNetwork
// runs a RelayCore and answers requests with a scripted endpoint; one client
// asks through them.
//
//   TestRelays net(/*nodes=*/8, seed);
//   EXPECT_THAT(net.Ask(net.id(7), "ping"), IsOkAndHolds("re:ping"));
//   EXPECT_EQ(net.open_circuits(), 0);
//
// Not thread-safe.

#ifndef ROUTING_RELAY_TESTING_TEST_RELAYS_H_
#define ROUTING_RELAY_TESTING_TEST_RELAYS_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "crypto/random/testing/seeded_random.h"
#include "routing/circuit/onion_client.h"
#include "routing/directory/consensus_holder.h"
#include "routing/directory/testing/test_network.h"
#include "routing/endpoint/endpoint_handler.h"
#include "routing/onion/node_id.h"
#include "routing/path/path_selector.h"
#include "routing/relay/relay_core.h"
#include "routing/relay/relay_limits.h"
#include "routing/relay/replay_cache.h"
#include "routing/runtime/testing/simulated_clock.h"
#include "routing/runtime/testing/simulated_network.h"

namespace messenger::routing {

// Answers service 1 with "re:" and the request, unless told otherwise.
class ScriptedEndpoint final : public EndpointHandler {
 public:
  using Script = std::function<void(std::string request, Reply reply)>;

  void Handle(uint8_t service, std::string request, Reply reply) override;

  void set_script(Script script) { script_ = std::move(script); }
  // Keeps replies back instead of answering; Release() answers them all with
  // "re:" and the request, those to later requests first.
  void HoldReplies();
  void Release();
  void ForgetHeld() { held_.clear(); }
  size_t held() const { return held_.size(); }

  int requests() const { return requests_; }

 private:
  Script script_;
  std::vector<std::pair<std::string, Reply>> held_;
  int requests_ = 0;
};

class TestRelays final {
 public:
  TestRelays(int nodes, uint64_t seed, RelayLimits limits = {});
  ~TestRelays();

  int size() const { return static_cast<int>(nodes_.size()); }
  NodeId id(int i) { return network.node(i).id(); }
  RelayCore& relay(int i) { return *nodes_[i].core; }
  RelayCore& relay(const NodeId& id) { return relay(network.IndexOf(id)); }
  ScriptedEndpoint& endpoint(int i) { return nodes_[i].endpoint; }
  ReplayCache& replay_cache(int i) { return *nodes_[i].replay_cache; }
  SimulatedNetwork::Host& host(int i) { return *nodes_[i].host; }

  void Crash(int i);
  // The node's process starts anew. With a directory its replay cache is
  // loaded from there, for a machine with this boot id.
  void Restart(int i, const std::string& replay_directory = "",
               const BootId& boot_id = BootId());

  // Everybody's directory becomes the network's newest.
  void PublishConsensus();

  // Sends and waits for the outcome. The route is kept in `last_route`.
  absl::StatusOr<std::string> Ask(OnionClient::Request request);
  absl::StatusOr<std::string> Ask(const NodeId& destination,
                                  std::string request, int reply_cells = 1);

  // Circuits of all relays that are up.
  size_t open_circuits() const;
  // The sum of one counter over all relays that are up.
  uint64_t Sum(uint64_t RelayCounters::*counter) const;

  // Runs what is going on to its end, short of idle timeouts.
  void Settle() { executor.RunFor(absl::Seconds(3)); }

  crypto::SeededRandom random;
  SimulatedClock clock;
  SimulatedExecutor executor;
  SimulatedNetwork links;
  TestNetwork network;
  ConsensusHolder directory;
  SimulatedNetwork::Host& client_host;
  PathSelector paths;
  OnionClient client;
  RequestRoute last_route;

 private:
  struct Node {
    SimulatedNetwork::Host* host = nullptr;
    ScriptedEndpoint endpoint;
    std::unique_ptr<ReplayCache> replay_cache;
    std::unique_ptr<RelayCore> core;  // null: crashed
  };

  void Start(int i);

  const RelayLimits limits_;
  std::vector<Node> nodes_;
};

}  // namespace messenger::routing

#endif  // ROUTING_RELAY_TESTING_TEST_RELAYS_H_
