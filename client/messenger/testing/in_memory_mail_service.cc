#include "client/messenger/testing/in_memory_mail_service.h"

#include <algorithm>
#include <memory>

#include "client/remote/write_refusal.h"
#include "swarm/auth/limits.h"
#include "swarm/auth/mailbox.h"

namespace messenger::client {
namespace {

absl::Status Offline() {
  return absl::UnavailableError("the network cannot be reached");
}

absl::Status NotRegistered() {
  return WithRefusal(absl::PermissionDeniedError("nobody has registered it"),
                     {.reason = RefusalReason::kNotRegistered});
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
  if (!faults_.store_refusal.ok()) {
    Answer<Delivery>(std::move(done), faults_.store_refusal);
    return;
  }
  if (!mail_.registered.contains(target.mailbox)) {
    Answer<Delivery>(std::move(done), NotRegistered());
    return;
  }
  if (target.mailbox_namespace == swarm::MailboxNamespace::kInbox &&
      payload.size() > swarm::kMaxStrangerPayloadBytes) {
    Answer<Delivery>(std::move(done),
                     absl::InvalidArgumentError("too large for an inbox"));
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
  const auto waiting = std::move(mail_.on_message);
  mail_.on_message.clear();
  for (const auto& told : waiting) told(target.mailbox);
  if (random_.UnitDouble() < faults_.store_unconfirmed) {
    Answer<Delivery>(std::move(done), Offline());
    return;
  }
  Answer<Delivery>(std::move(done), Delivery{{"one", "two"}, {{"guard"}}});
}

void InMemoryMailService::Retrieve(const ReadTarget& target,
                                   std::vector<CursorRow> cursors,
                                   MailDone<Retrieved> done) {
  ++retrievals_;
  if (faults_.offline) {
    Answer<Retrieved>(std::move(done), Offline());
    return;
  }
  Answer<Retrieved>(std::move(done), List(target, cursors));
}

Retrieved InMemoryMailService::List(const ReadTarget& target,
                                    const std::vector<CursorRow>& cursors) {
  const auto& box = mail_.messages[{target.mailbox, target.mailbox_namespace}];
  size_t from = cursors.empty() ? 0 : cursors[0].sequence;
  if (faults_.hand_out_everything_again) from = 0;
  Retrieved retrieved;
  retrieved.messages.assign(box.begin() + static_cast<long>(from), box.end());
  if (faults_.shuffle) {
    random_.Shuffle(retrieved.messages.begin(), retrieved.messages.end());
  }
  retrieved.cursors = {{std::string(32, 'n'), 1, box.size(), 0}};
  retrieved.complete = !faults_.incomplete_reads;
  retrieved.members_answered = 2;
  return retrieved;
}

void InMemoryMailService::Register(const ReadTarget& target,
                                   MailDone<Delivery> done) {
  ++registrations_;
  if (faults_.offline || faults_.register_refused) {
    Answer<Delivery>(std::move(done), Offline());
    return;
  }
  mail_.registered.insert(target.mailbox);
  Answer<Delivery>(std::move(done), Delivery{{"one", "two"}, {{"guard"}}});
}

void InMemoryMailService::Wait(const ReadTarget& target,
                               std::vector<CursorRow> cursors,
                               absl::Duration timeout,
                               MailDone<Retrieved> done) {
  ++waits_;
  if (faults_.offline || faults_.wait_refused) {
    Answer<Retrieved>(std::move(done), Offline());
    return;
  }
  Retrieved listed = List(target, cursors);
  if (!listed.messages.empty()) {
    listed.complete = false;
    Answer<Retrieved>(std::move(done), std::move(listed));
    return;
  }
  // Whichever comes first takes `done`.
  auto waiting = std::make_shared<MailDone<Retrieved>>(std::move(done));
  const auto finish = [this, waiting, target, cursors] {
    if (*waiting == nullptr) return;
    MailDone<Retrieved> taken = std::move(*waiting);
    *waiting = nullptr;
    Retrieved retrieved = List(target, cursors);
    retrieved.complete = false;
    Answer<Retrieved>(std::move(taken), std::move(retrieved));
  };
  executor_.RunAfter(timeout, finish);
  // Told once; whoever is told of another mailbox waits on.
  struct Watch {
    InMemoryMail& mail;
    std::string mailbox;
    std::function<void()> finish;
    void Arm() const {
      mail.on_message.push_back([*this](const std::string& got) {
        if (got == mailbox) {
          finish();
        } else {
          Arm();
        }
      });
    }
  };
  Watch{mail_, target.mailbox, finish}.Arm();
}

void InMemoryMailService::PutRecord(
    const std::string& mailbox, swarm::MailboxNamespace mailbox_namespace,
    std::shared_ptr<const crypto::Ed25519PrivateKey>, MailRecord record,
    MailDone<Delivery> done) {
  if (faults_.offline || faults_.records_left == 0) {
    Answer<Delivery>(std::move(done), Offline());
    return;
  }
  if (!mail_.registered.contains(mailbox)) {
    Answer<Delivery>(std::move(done), NotRegistered());
    return;
  }
  auto& records = mail_.records[{mailbox, mailbox_namespace}];
  const auto known = records.find(record.key);
  if (known != records.end() && known->second.sequence > record.sequence) {
    Answer<Delivery>(std::move(done), absl::AbortedError("newer is stored"));
    return;
  }
  ++records_put_;
  if (faults_.records_left > 0) --faults_.records_left;
  records[record.key] = std::move(record);
  Answer<Delivery>(std::move(done), Delivery{{"one", "two"}, {{"guard"}}});
}

void InMemoryMailService::GetRecords(const std::string& mailbox,
                                     swarm::MailboxNamespace mailbox_namespace,
                                     MailDone<std::vector<MailRecord>> done) {
  if (faults_.offline || faults_.unreachable.contains(mailbox)) {
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
  if (faults_.records != nullptr) {
    faults_.records({mailbox, mailbox_namespace}, records);
  }
  Answer<std::vector<MailRecord>>(std::move(done), std::move(records));
}

}  // namespace messenger::client
