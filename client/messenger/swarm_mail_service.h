// The mail service of a real client: swarms, reached over onion paths.
//
// Translates between the messenger's terms and those of `SwarmClient`, and
// names nodes by their nicknames for people.

#ifndef CLIENT_MESSENGER_SWARM_MAIL_SERVICE_H_
#define CLIENT_MESSENGER_SWARM_MAIL_SERVICE_H_

#include <memory>
#include <string>
#include <vector>

#include "client/messenger/mail_service.h"
#include "client/remote/onion_requester.h"
#include "client/remote/swarm_client.h"
#include "routing/directory/consensus_holder.h"
#include "routing/onion/node_id.h"

namespace messenger::client {

class SwarmMailService final : public MailService {
 public:
  // Both must outlive the service.
  SwarmMailService(SwarmClient& swarm,
                   const routing::ConsensusHolder& directory)
      : swarm_(swarm), directory_(directory) {}

  void Store(const WriteTarget& target, std::string payload, absl::Time expiry,
             MailDone<Delivery> done) override;
  void Register(const ReadTarget& target, MailDone<Delivery> done) override;
  void Wait(const ReadTarget& target, std::vector<CursorRow> cursors,
            absl::Duration timeout, MailDone<Retrieved> done) override;
  void Retrieve(const ReadTarget& target, std::vector<CursorRow> cursors,
                MailDone<Retrieved> done) override;
  void PutRecord(const std::string& mailbox,
                 swarm::MailboxNamespace mailbox_namespace,
                 std::shared_ptr<const crypto::Ed25519PrivateKey> owner,
                 MailRecord record, MailDone<Delivery> done) override;
  void GetRecords(const std::string& mailbox,
                  swarm::MailboxNamespace mailbox_namespace,
                  MailDone<std::vector<MailRecord>> done) override;

 private:
  std::string NameOf(const routing::NodeId& node) const;
  NamedRoute NamesOf(const RequestRoute& route) const;
  Delivery DeliveryOf(const StoreOutcome& outcome) const;
  Retrieved RetrievedOf(RetrieveOutcome outcome) const;

  SwarmClient& swarm_;
  const routing::ConsensusHolder& directory_;
};

}  // namespace messenger::client

#endif  // CLIENT_MESSENGER_SWARM_MAIL_SERVICE_H_
