#include "client/messenger/testing/in_memory_mail_service.h"

#include <algorithm>

#include "swarm/auth/mailbox.h"

namespace messenger::client {
namespace {

absl::Status Offline() {
  return absl::UnavailableError("the network cannot be reached");
}

}  // namespace

template <typename T>
void InMemoryMailService::Answer(MailDone<T> done, absl::StatusOr<T> result) {
  executor_.Run([done = std::move(done), result = std::move(result)]() mutable {
    done(std::move(result));
  });
}

void InMemoryMailService::Store(const WriteTarget& target, std::string payload,
                                absl::Time expiry, MailDone<Delivery> done) {
  ++stores_;
  if (faults_.offline || random_.UnitDouble() < faults_.store_refused) {
    Answer<Delivery>(std::move(done), Offline());
    return;
  }
  auto& box = mail_.messages[{target.mailbox, target.mailbox_namespace}];
  const std::string id(
      swarm::ComputeMessageId(*swarm::MailboxAddress::FromBytes(target.mailbox),
                              target.mailbox_namespace, payload)
          .bytes());
  const bool known =
      std::any_of(box.begin(), box.end(),
                  [&](const MailMessage& message) { return message.id == id; });
  if (!known) box.push_back({id, std::move(payload), expiry});
  if (random_.UnitDouble() < faults_.store_unconfirmed) {
    Answer<Delivery>(std::move(done), Offline());
    return;
  }
  Answer<Delivery>(std::move(done), Delivery{{"one", "two"}, {{"guard"}}});
}

void InMemoryMailService::Retrieve(const ReadTarget& target,
                                   std::vector<CursorRow> cursors,
                                   MailDone<Retrieved> done) {
  if (faults_.offline) {
    Answer<Retrieved>(std::move(done), Offline());
    return;
  }
  const auto& box = mail_.messages[{target.mailbox, target.mailbox_namespace}];
  size_t from = cursors.empty() ? 0 : cursors[0].sequence;
  if (faults_.hand_out_everything_again) from = 0;
  Retrieved retrieved;
  retrieved.messages.assign(box.begin() + static_cast<long>(from), box.end());
  if (faults_.shuffle) {
    random_.Shuffle(retrieved.messages.begin(), retrieved.messages.end());
  }
  retrieved.cursors = {{std::string(32, 'n'), 1, box.size()}};
  retrieved.complete = !faults_.incomplete_reads;
  retrieved.members_answered = 2;
  Answer<Retrieved>(std::move(done), std::move(retrieved));
}

void InMemoryMailService::PutRecord(
    const std::string& mailbox, swarm::MailboxNamespace mailbox_namespace,
    std::shared_ptr<const crypto::Ed25519PrivateKey>, MailRecord record,
    MailDone<Delivery> done) {
  if (faults_.offline) {
    Answer<Delivery>(std::move(done), Offline());
    return;
  }
  auto& records = mail_.records[{mailbox, mailbox_namespace}];
  const auto known = records.find(record.key);
  if (known != records.end() && known->second.sequence > record.sequence) {
    Answer<Delivery>(std::move(done), absl::AbortedError("newer is stored"));
    return;
  }
  records[record.key] = std::move(record);
  Answer<Delivery>(std::move(done), Delivery{{"one", "two"}, {{"guard"}}});
}

void InMemoryMailService::GetRecords(const std::string& mailbox,
                                     swarm::MailboxNamespace mailbox_namespace,
                                     MailDone<std::vector<MailRecord>> done) {
  if (faults_.offline) {
    Answer<std::vector<MailRecord>>(std::move(done), Offline());
    return;
  }
  std::vector<MailRecord> records;
  if (!faults_.withhold_records) {
    for (const auto& [key, record] :
         mail_.records[{mailbox, mailbox_namespace}]) {
      records.push_back(record);
    }
  }
  Answer<std::vector<MailRecord>>(std::move(done), std::move(records));
}

}  // namespace messenger::client
