// Storage nodes that a test scripts, behind a FakeOnionRequester: enough of a
// swarm for a client's rules about refusals, changes of members, waits and
// clocks. They check no signatures; //swarm/testing:simulated_swarm has the
// real ones.
//
// A node that takes a write gives it to all members that do not refuse it, and
// signs for them all.

#ifndef CLIENT_REMOTE_TESTING_FAKE_SWARM_H_
#define CLIENT_REMOTE_TESTING_FAKE_SWARM_H_

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "client/remote/testing/fake_onion_requester.h"
#include "crypto/random/testing/seeded_random.h"
#include "routing/directory/consensus_holder.h"
#include "routing/directory/testing/test_network.h"
#include "routing/onion/node_id.h"
#include "routing/runtime/server.h"
#include "routing/runtime/testing/simulated_clock.h"
#include "swarm/auth/mailbox.h"
#include "swarm/proto/storage.pb.h"

namespace messenger::client {

class FakeSwarm final {
 public:
  using Box = std::pair<std::string, uint32_t>;  // mailbox and namespace
  struct Node {
    bool silent = false;
    // What it answers instead of doing anything; asked with each request.
    std::function<std::optional<swarm::v1::ClientResponse>(
        const swarm::v1::ClientRequest&)>
        script;
    // Takes no message that another member brings.
    bool cut_off = false;
    absl::Duration clock_offset;
    // What retrievals must name.
    uint64_t challenge = 0;
    // More than the client's directory has: it says WRONG_SWARM.
    uint64_t epoch = 0;
    std::map<Box, std::vector<swarm::v1::StoredMessage>> boxes;
    std::set<std::string> registered;
    std::vector<swarm::v1::ClientRequest> asked;
  };

  explicit FakeSwarm(int nodes);

  routing::SimulatedClock& clock() { return clock_; }
  routing::SimulatedExecutor& executor() { return executor_; }
  crypto::SeededRandom& random() { return random_; }
  routing::TestNetwork& paper() { return paper_; }
  routing::ConsensusHolder& directory() { return directory_; }
  FakeOnionRequester& requester() { return requester_; }

  Node& node(int i) { return nodes_[i]; }
  const routing::NodeId id(int i) { return paper_.node(i).id(); }
  // Indices of the members of a mailbox, by the client's directory.
  std::vector<int> Members(const swarm::MailboxAddress& mailbox);

  // A new directory for the client.
  void Reissue(const std::function<void(routing::TestNetwork::Draft&)>& edit);

  static swarm::v1::ClientResponse Refuse(absl::StatusCode code,
                                          swarm::v1::Refusal::Reason reason,
                                          uint32_t work_bits = 0);

  // Puts a message into one node's list, and answers who waits there.
  void Put(int i, const swarm::v1::StoreRequest& store);
  bool Holds(int i, const Box& box, const std::string& payload) const;

 private:
  void Deliver(const routing::NodeId& node, std::string request,
               routing::Reply reply);
  swarm::v1::ClientResponse Write(int i, const swarm::v1::ClientRequest& all);
  swarm::v1::RetrieveResponse List(int i,
                                   const swarm::v1::RetrieveRequest& request);

  crypto::SeededRandom random_{7};
  routing::SimulatedClock clock_;
  routing::SimulatedExecutor executor_{clock_};
  routing::TestNetwork paper_;
  routing::ConsensusHolder directory_;
  std::vector<Node> nodes_;
  struct Waiting {
    int node;
    swarm::v1::RetrieveRequest request;
    routing::Reply reply;
  };
  std::vector<std::shared_ptr<Waiting>> waiting_;
  FakeOnionRequester requester_;
};

}  // namespace messenger::client

#endif  // CLIENT_REMOTE_TESTING_FAKE_SWARM_H_
