#include "tools/simnet/rough_mail.h"

#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace messenger::simnet {

using ::messenger::client::Delivery;
using ::messenger::client::MailDone;
using ::messenger::client::MailMessage;
using ::messenger::client::MailRecord;
using ::messenger::client::Retrieved;

// Without drawing where there is nothing to draw for: a smooth run is the same
// with this in between and without.
bool RoughMail::Happens(double probability) {
  return probability > 0 && random_.UnitDouble() < probability;
}

template <typename T>
MailDone<T> RoughMail::Rough(MailDone<T> done) {
  return [this, done = std::move(done)](absl::StatusOr<T> result) mutable {
    if (!powered_()) return;
    if (result.ok() && Happens(roughness_.lost_answers)) {
      result = absl::UnavailableError("the answer was lost");
    }
    done(std::move(result));
  };
}

MailDone<Retrieved> RoughMail::Again(const client::ReadTarget& target,
                                     MailDone<Retrieved> done) {
  return Rough<Retrieved>(
      [this, mailbox = target.mailbox,
       done = std::move(done)](absl::StatusOr<Retrieved> retrieved) mutable {
        if (!retrieved.ok()) {
          done(std::move(retrieved));
          return;
        }
        std::deque<MailMessage>& before = handed_out_[mailbox];
        const std::vector<MailMessage> fresh = retrieved->messages;
        if (Happens(roughness_.repeated)) {
          retrieved->messages.insert(retrieved->messages.end(), before.begin(),
                                     before.end());
          retrieved->messages.insert(retrieved->messages.end(), fresh.begin(),
                                     fresh.end());
        }
        before.insert(before.end(), fresh.begin(), fresh.end());
        while (before.size() > kRepeated) before.pop_front();
        if (roughness_.shuffled) {
          std::vector<MailMessage>& messages = retrieved->messages;
          for (size_t i = messages.size(); i > 1; --i) {
            std::swap(messages[i - 1],
                      messages[random_.Uniform(static_cast<uint64_t>(i))]);
          }
        }
        done(std::move(retrieved));
      });
}

void RoughMail::Store(const client::WriteTarget& target, std::string payload,
                      absl::Time expiry, MailDone<Delivery> done) {
  if (!powered_()) return;
  inner_.Store(target, std::move(payload), expiry,
               Rough<Delivery>(std::move(done)));
}

void RoughMail::Register(const client::ReadTarget& target,
                         MailDone<Delivery> done) {
  if (!powered_()) return;
  inner_.Register(target, Rough<Delivery>(std::move(done)));
}

void RoughMail::Wait(const client::ReadTarget& target,
                     std::vector<client::CursorRow> cursors,
                     absl::Duration timeout, MailDone<Retrieved> done) {
  if (!powered_()) return;
  inner_.Wait(target, std::move(cursors), timeout,
              Again(target, std::move(done)));
}

void RoughMail::Retrieve(const client::ReadTarget& target,
                         std::vector<client::CursorRow> cursors,
                         MailDone<Retrieved> done) {
  if (!powered_()) return;
  inner_.Retrieve(target, std::move(cursors), Again(target, std::move(done)));
}

void RoughMail::PutRecord(
    const std::string& mailbox, swarm::MailboxNamespace mailbox_namespace,
    std::shared_ptr<const crypto::Ed25519PrivateKey> owner, MailRecord record,
    MailDone<Delivery> done) {
  if (!powered_()) return;
  inner_.PutRecord(mailbox, mailbox_namespace, std::move(owner),
                   std::move(record), Rough<Delivery>(std::move(done)));
}

void RoughMail::GetRecords(const std::string& mailbox,
                           swarm::MailboxNamespace mailbox_namespace,
                           MailDone<std::vector<MailRecord>> done) {
  if (!powered_()) return;
  inner_.GetRecords(mailbox, mailbox_namespace,
                    Rough<std::vector<MailRecord>>(std::move(done)));
}

}  // namespace messenger::simnet
