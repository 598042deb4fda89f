// A client of the production stack, and a witness beside it: what passes
// between the client and the members is looked at a second time, by code that
// shares nothing with the client's own judgement but the specification.
//
// Belongs to one executor.

#ifndef TOOLS_CHAOS_MAIL_CLIENT_H_
#define TOOLS_CHAOS_MAIL_CLIENT_H_

#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "client/remote/onion_client_requester.h"
#include "client/remote/onion_requester.h"
#include "client/remote/swarm_client.h"
#include "crypto/random/random.h"
#include "routing/circuit/onion_client.h"
#include "routing/directory/directory_client.h"
#include "routing/onion/node_id.h"
#include "routing/path/path_selector.h"
#include "routing/runtime/clock.h"
#include "routing/runtime/executor.h"
#include "routing/runtime/grpc_transport.h"
#include "routing/runtime/network_config.h"
#include "swarm/auth/mailbox.h"

namespace messenger::chaos {

// Passes requests on and reads along.
class Witness final : public client::OnionRequester {
 public:
  struct Events {
    // A valid receipt of this member for this message.
    std::function<void(const swarm::MessageId&, const routing::NodeId&)>
        on_receipt;
    // What a member lists from its beginning to its end. Null: not looked at.
    std::function<void(const std::string& mailbox, const routing::NodeId&,
                       const std::vector<swarm::MessageId>&)>
        on_listing;
  };

  // All references must outlive the witness.
  Witness(client::OnionRequester& requester,
          const routing::ConsensusHolder& directory, const Events& events)
      : requester_(requester), directory_(directory), events_(events) {}

  void Send(Request request, Done done) override;

 private:
  void SendStore(Request request, Done done);
  void SendRetrieve(Request request, Done done);

  client::OnionRequester& requester_;
  const routing::ConsensusHolder& directory_;
  const Events& events_;
  // Mailbox and member; what has been listed since the beginning.
  std::map<std::pair<std::string, routing::NodeId>,
           std::vector<swarm::MessageId>>
      listings_;
};

class MailClient final {
 public:
  // All references must outlive the client.
  MailClient(const routing::NetworkConfig& config, routing::RoutingMode mode,
             const routing::Clock& clock, routing::Executor& executor,
             crypto::Random& random, const Witness::Events& events,
             client::SwarmClientOptions options = {});

  routing::DirectoryClient& directory() { return directory_; }
  client::SwarmClient& swarm() { return swarm_; }
  // Under the client's own rules: for those who keep none.
  client::OnionRequester& requester() { return requester_; }

 private:
  routing::GrpcTransport transport_;
  routing::DirectoryClient directory_;
  routing::PathSelector paths_;
  routing::OnionClient onion_;
  client::OnionClientRequester requester_;
  Witness witness_;
  client::SwarmClient swarm_;
};

}  // namespace messenger::chaos

#endif  // TOOLS_CHAOS_MAIL_CLIENT_H_
