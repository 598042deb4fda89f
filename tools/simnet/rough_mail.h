// The mail service of a simulated device, on a bad day: answers are lost after
// the work was done, and what is handed out comes in another order and again.
// Below it is the production code; all of this a network and members of a swarm
// can do unpunished.
//
// Once the device's disk has no power, its process is gone: nothing it still
// says leaves, and nothing reaches it.

#ifndef TOOLS_SIMNET_ROUGH_MAIL_H_
#define TOOLS_SIMNET_ROUGH_MAIL_H_

#include <cstddef>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "client/messenger/mail_service.h"
#include "crypto/random/random.h"

namespace messenger::simnet {

struct Roughness {
  double lost_answers = 0;  // of each call
  double repeated = 0;      // of each reading: much of what came before
  bool shuffled = false;    // what a reading hands out
};

class RoughMail final : public client::MailService {
 public:
  // All must outlive the service, `roughness` as it changes. `powered`: the
  // process is there.
  RoughMail(client::MailService& inner, const Roughness& roughness,
            crypto::Random& random, std::function<bool()> powered)
      : inner_(inner),
        roughness_(roughness),
        random_(random),
        powered_(std::move(powered)) {}

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

  // Of each mailbox so many are remembered, to come again.
  static constexpr size_t kRepeated = 40;

 private:
  bool Happens(double probability);
  template <typename T>
  client::MailDone<T> Rough(client::MailDone<T> done);
  client::MailDone<client::Retrieved> Again(
      const client::ReadTarget& target,
      client::MailDone<client::Retrieved> done);

  client::MailService& inner_;
  const Roughness& roughness_;
  crypto::Random& random_;
  const std::function<bool()> powered_;
  std::map<std::string, std::deque<client::MailMessage>> handed_out_;
};

}  // namespace messenger::simnet

#endif  // TOOLS_SIMNET_ROUGH_MAIL_H_
