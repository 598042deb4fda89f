#include "client/messenger/swarm_mail_service.h"

#include <utility>

#include "client/remote/mailbox_reader.h"
#include "crypto/identity/account_id.h"
#include "routing/directory/consensus.h"
#include "swarm/auth/mailbox.h"
#include "swarm/auth/record.h"

namespace messenger::client {
namespace {

using ::messenger::crypto::AccountId;
using ::messenger::routing::NodeId;
using ::messenger::swarm::MailboxNamespace;

absl::StatusOr<MailboxReader> ReaderOf(const ReadTarget& target) {
  const absl::StatusOr<AccountId> account =
      AccountId::FromBytes(target.mailbox);
  const bool inbox = target.mailbox_namespace == MailboxNamespace::kInbox;
  if (target.reader == nullptr || (inbox && !account.ok())) {
    return absl::InvalidArgumentError("not a mailbox");
  }
  return inbox ? MailboxReader::Inbox(*account, *target.reader)
               : MailboxReader::Pairwise(*target.reader, target.write_key);
}

Cursors CursorsOf(const std::vector<CursorRow>& rows) {
  Cursors cursors;
  for (const CursorRow& row : rows) {
    const absl::StatusOr<NodeId> node = NodeId::FromBytes(row.node);
    if (node.ok()) {
      cursors[*node] = {row.incarnation, row.sequence, row.challenge};
    }
  }
  return cursors;
}

}  // namespace

std::string SwarmMailService::NameOf(const NodeId& node) const {
  const auto consensus = directory_.current();
  const routing::NodeRecord* record =
      consensus == nullptr ? nullptr : consensus->Find(node);
  return record == nullptr ? "a node that has left" : record->nickname;
}

NamedRoute SwarmMailService::NamesOf(const RequestRoute& route) const {
  NamedRoute names;
  for (const NodeId& node : route.hops) names.push_back(NameOf(node));
  return names;
}

Delivery SwarmMailService::DeliveryOf(const StoreOutcome& outcome) const {
  Delivery delivery;
  for (const NodeId& node : outcome.holders) {
    delivery.holders.push_back(NameOf(node));
  }
  for (const RequestRoute& route : outcome.routes) {
    if (!route.hops.empty()) delivery.routes.push_back(NamesOf(route));
  }
  return delivery;
}

void SwarmMailService::Store(const WriteTarget& target, std::string payload,
                             absl::Time expiry, MailDone<Delivery> done) {
  absl::StatusOr<StoreTarget> store_target =
      absl::InvalidArgumentError("not a mailbox");
  if (target.mailbox_namespace == MailboxNamespace::kPairwise) {
    if (target.write_key != nullptr) {
      store_target = StoreTarget::Pairwise(target.read_key, *target.write_key);
    }
  } else {
    const absl::StatusOr<AccountId> account =
        AccountId::FromBytes(target.mailbox);
    if (account.ok()) store_target = StoreTarget::Inbox(*account);
  }
  if (!store_target.ok()) {
    done(store_target.status());
    return;
  }
  swarm_.Store(*store_target, payload, expiry,
               [this, done = std::move(done)](
                   absl::StatusOr<StoreOutcome> outcome) mutable {
                 if (!outcome.ok()) {
                   done(outcome.status());
                 } else {
                   done(DeliveryOf(*outcome));
                 }
               });
}

Retrieved SwarmMailService::RetrievedOf(RetrieveOutcome outcome) const {
  Retrieved retrieved;
  for (RetrievedMessage& message : outcome.messages) {
    retrieved.messages.push_back({std::string(message.id.bytes()),
                                  std::move(message.payload), message.expiry});
  }
  for (const auto& [node, cursor] : outcome.cursors) {
    retrieved.cursors.push_back({std::string(node.bytes()), cursor.incarnation,
                                 cursor.seq, cursor.challenge});
  }
  retrieved.complete = outcome.complete;
  retrieved.more = outcome.more;
  retrieved.members_answered = outcome.members_answered;
  for (const RequestRoute& route : outcome.routes) {
    if (!route.hops.empty()) retrieved.routes.push_back(NamesOf(route));
  }
  return retrieved;
}

void SwarmMailService::Register(const ReadTarget& target,
                                MailDone<Delivery> done) {
  const absl::StatusOr<MailboxReader> reader = ReaderOf(target);
  if (!reader.ok()) {
    done(reader.status());
    return;
  }
  swarm_.Register(*reader, [this, done = std::move(done)](
                               absl::StatusOr<StoreOutcome> outcome) mutable {
    if (!outcome.ok()) {
      done(outcome.status());
    } else {
      done(DeliveryOf(*outcome));
    }
  });
}

void SwarmMailService::Retrieve(const ReadTarget& target,
                                std::vector<CursorRow> cursors,
                                MailDone<Retrieved> done) {
  absl::StatusOr<MailboxReader> reader = ReaderOf(target);
  if (!reader.ok()) {
    done(reader.status());
    return;
  }
  swarm_.Retrieve(*std::move(reader), CursorsOf(cursors),
                  [this, done = std::move(done)](
                      absl::StatusOr<RetrieveOutcome> outcome) mutable {
                    if (!outcome.ok()) {
                      done(outcome.status());
                    } else {
                      done(RetrievedOf(*std::move(outcome)));
                    }
                  });
}

void SwarmMailService::Wait(const ReadTarget& target,
                            std::vector<CursorRow> cursors,
                            absl::Duration timeout, MailDone<Retrieved> done) {
  absl::StatusOr<MailboxReader> reader = ReaderOf(target);
  if (!reader.ok()) {
    done(reader.status());
    return;
  }
  swarm_.Wait(*std::move(reader), CursorsOf(cursors), timeout,
              [this, done = std::move(done)](
                  absl::StatusOr<RetrieveOutcome> outcome) mutable {
                if (!outcome.ok()) {
                  done(outcome.status());
                } else {
                  done(RetrievedOf(*std::move(outcome)));
                }
              });
}

void SwarmMailService::PutRecord(
    const std::string& mailbox, MailboxNamespace mailbox_namespace,
    std::shared_ptr<const crypto::Ed25519PrivateKey> owner, MailRecord record,
    MailDone<Delivery> done) {
  const absl::StatusOr<AccountId> account = AccountId::FromBytes(mailbox);
  const absl::StatusOr<swarm::RecordKey> key =
      swarm::RecordKey::FromBytes(record.key);
  if (!account.ok() || !key.ok()) {
    done(absl::InvalidArgumentError("not a record of an account"));
    return;
  }
  swarm_.PutRecord(*account, *owner, mailbox_namespace, *key, record.sequence,
                   std::move(record.body),
                   [this, done = std::move(done)](
                       absl::StatusOr<StoreOutcome> outcome) mutable {
                     if (!outcome.ok()) {
                       done(outcome.status());
                     } else {
                       done(DeliveryOf(*outcome));
                     }
                   });
}

void SwarmMailService::GetRecords(const std::string& mailbox,
                                  MailboxNamespace mailbox_namespace,
                                  MailDone<std::vector<MailRecord>> done) {
  const absl::StatusOr<AccountId> account = AccountId::FromBytes(mailbox);
  if (!account.ok()) {
    done(absl::InvalidArgumentError("not an account"));
    return;
  }
  swarm_.GetRecords(
      *account, mailbox_namespace,
      [done = std::move(done)](
          absl::StatusOr<std::vector<swarm::Record>> records) mutable {
        if (!records.ok()) {
          done(records.status());
          return;
        }
        std::vector<MailRecord> result;
        for (swarm::Record& record : *records) {
          result.push_back({std::string(record.key.bytes()), record.seq,
                            std::move(record.body)});
        }
        done(std::move(result));
      });
}

}  // namespace messenger::client
