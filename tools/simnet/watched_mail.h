// The mail service of a simulated device, with a witness who hears what the
// swarms acknowledged and what they handed out.

#ifndef TOOLS_SIMNET_WATCHED_MAIL_H_
#define TOOLS_SIMNET_WATCHED_MAIL_H_

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "client/messenger/mail_service.h"

namespace messenger::simnet {

class MailWitness {
 public:
  virtual ~MailWitness() = default;

  // Somebody is about to ask for this mailbox.
  virtual void OnMailbox(absl::string_view mailbox) = 0;
  // The client was told that its message is stored.
  virtual void OnStored(const client::WriteTarget& target,
                        const std::string& payload, absl::Time expiry,
                        const client::Delivery& delivery) = 0;
  // The client was given messages.
  virtual void OnRetrieved(const client::ReadTarget& target,
                           const client::Retrieved& retrieved) = 0;
};

class WatchedMail final : public client::MailService {
 public:
  // Both must outlive the service.
  WatchedMail(client::MailService& inner, MailWitness& witness)
      : inner_(inner), witness_(witness) {}

  void Store(const client::WriteTarget& target, std::string payload,
             absl::Time expiry,
             client::MailDone<client::Delivery> done) override;
  void Register(const client::ReadTarget& target,
                client::MailDone<client::Delivery> done) override;
  void Wait(const client::ReadTarget& target,
            std::vector<client::CursorRow> cursors, absl::Duration timeout,
            client::MailDone<client::Retrieved> done) override;
  void Retrieve(const client::ReadTarget& target,
                std::vector<client::CursorRow> cursors,
                client::MailDone<client::Retrieved> done) override;
  void PutRecord(const std::string& mailbox,
                 swarm::MailboxNamespace mailbox_namespace,
                 std::shared_ptr<const crypto::Ed25519PrivateKey> owner,
                 client::MailRecord record,
                 client::MailDone<client::Delivery> done) override;
  void GetRecords(
      const std::string& mailbox, swarm::MailboxNamespace mailbox_namespace,
      client::MailDone<std::vector<client::MailRecord>> done) override;

 private:
  client::MailService& inner_;
  MailWitness& witness_;
};

}  // namespace messenger::simnet

#endif  // TOOLS_SIMNET_WATCHED_MAIL_H_
