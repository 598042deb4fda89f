#include "tools/simnet/watched_mail.h"

namespace messenger::simnet {

using ::messenger::client::Delivery;
using ::messenger::client::MailDone;
using ::messenger::client::MailRecord;
using ::messenger::client::Retrieved;

void WatchedMail::Store(const client::WriteTarget& target, std::string payload,
                        absl::Time expiry, MailDone<Delivery> done) {
  witness_.OnMailbox(target.mailbox);
  inner_.Store(target, payload, expiry,
               [this, target, payload, expiry, done = std::move(done)](
                   absl::StatusOr<Delivery> delivery) mutable {
                 if (delivery.ok()) {
                   witness_.OnStored(target, payload, expiry, *delivery);
                 }
                 done(std::move(delivery));
               });
}

void WatchedMail::Retrieve(const client::ReadTarget& target,
                           std::vector<client::CursorRow> cursors,
                           MailDone<Retrieved> done) {
  witness_.OnMailbox(target.mailbox);
  inner_.Retrieve(target, std::move(cursors),
                  [this, target, done = std::move(done)](
                      absl::StatusOr<Retrieved> retrieved) mutable {
                    if (retrieved.ok()) {
                      witness_.OnRetrieved(target, *retrieved);
                    }
                    done(std::move(retrieved));
                  });
}

void WatchedMail::Register(const client::ReadTarget& target,
                           MailDone<Delivery> done) {
  witness_.OnMailbox(target.mailbox);
  inner_.Register(target, std::move(done));
}

void WatchedMail::Wait(const client::ReadTarget& target,
                       std::vector<client::CursorRow> cursors,
                       absl::Duration timeout, MailDone<Retrieved> done) {
  witness_.OnMailbox(target.mailbox);
  inner_.Wait(target, std::move(cursors), timeout,
              [this, target, done = std::move(done)](
                  absl::StatusOr<Retrieved> retrieved) mutable {
                if (retrieved.ok()) witness_.OnRetrieved(target, *retrieved);
                done(std::move(retrieved));
              });
}

void WatchedMail::PutRecord(
    const std::string& mailbox, swarm::MailboxNamespace mailbox_namespace,
    std::shared_ptr<const crypto::Ed25519PrivateKey> owner, MailRecord record,
    MailDone<Delivery> done) {
  witness_.OnMailbox(mailbox);
  inner_.PutRecord(mailbox, mailbox_namespace, std::move(owner),
                   std::move(record), std::move(done));
}

void WatchedMail::GetRecords(const std::string& mailbox,
                             swarm::MailboxNamespace mailbox_namespace,
                             MailDone<std::vector<MailRecord>> done) {
  witness_.OnMailbox(mailbox);
  inner_.GetRecords(mailbox, mailbox_namespace, std::move(done));
}

}  // namespace messenger::simnet
