// The OnionRequester of a real client: circuits through the network.
// Belongs to the executor of the OnionClient.

#ifndef CLIENT_REMOTE_ONION_CLIENT_REQUESTER_H_
#define CLIENT_REMOTE_ONION_CLIENT_REQUESTER_H_

#include "client/remote/onion_requester.h"
#include "routing/circuit/onion_client.h"

namespace messenger::client {

class OnionClientRequester final : public OnionRequester {
 public:
  // `onion` must outlive the requester.
  explicit OnionClientRequester(routing::OnionClient& onion) : onion_(onion) {}

  void Send(Request request, Done done) override;

 private:
  routing::OnionClient& onion_;
};

}  // namespace messenger::client

#endif  // CLIENT_REMOTE_ONION_CLIENT_REQUESTER_H_
