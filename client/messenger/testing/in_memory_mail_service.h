// The mail service without a network: mailboxes and records in memory, shared
// by the clients of a test, with the failures a network has.
//
// One object per client over one `InMemoryMail`. Not thread-safe.

#ifndef CLIENT_MESSENGER_TESTING_IN_MEMORY_MAIL_SERVICE_H_
#define CLIENT_MESSENGER_TESTING_IN_MEMORY_MAIL_SERVICE_H_

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "client/messenger/mail_service.h"
#include "crypto/random/random.h"
#include "routing/runtime/executor.h"

namespace messenger::client {

// What all swarms of the network hold.
struct InMemoryMail {
  using Box = std::pair<std::string, swarm::MailboxNamespace>;
  std::map<Box, std::vector<MailMessage>> messages;
  std::map<Box, std::map<std::string, MailRecord>> records;
  std::set<std::string> registered;
  // Called with each mailbox that gets a message.
  std::vector<std::function<void(const std::string&)>> on_message;
};

class InMemoryMailService final : public MailService {
 public:
  struct Faults {
    bool offline = false;
    // Probabilities, per call.
    double store_refused = 0;
    // Stored, but the answer is lost: the client must try again.
    double store_unconfirmed = 0;
    // Each retrieved message is handed out again, as another member would.
    bool hand_out_everything_again = false;
    bool shuffle = false;
    bool withhold_records = false;
    // May replace what a swarm shows of records.
    std::function<void(const InMemoryMail::Box&, std::vector<MailRecord>&)>
        records;
    // Mailboxes whose records cannot be had.
    std::set<std::string> unreachable;
    // No more records are taken after so many; negative: all are.
    int records_left = -1;
    bool incomplete_reads = false;
    bool register_refused = false;
    // What every store is refused with, if anything.
    absl::Status store_refusal;
    bool wait_refused = false;
  };

  // Both must outlive the service.
  InMemoryMailService(InMemoryMail& mail, routing::Executor& executor,
                      crypto::Random& random)
      : mail_(mail), executor_(executor), random_(random) {}

  Faults& faults() { return faults_; }
  int stores() const { return stores_; }
  int registrations() const { return registrations_; }
  int retrievals() const { return retrievals_; }
  int waits() const { return waits_; }
  int records_put() const { return records_put_; }

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
  Retrieved List(const ReadTarget& target,
                 const std::vector<CursorRow>& cursors);
  template <typename T>
  void Answer(MailDone<T> done, absl::StatusOr<T> result);

  InMemoryMail& mail_;
  routing::Executor& executor_;
  crypto::Random& random_;
  Faults faults_;
  int stores_ = 0;
  int registrations_ = 0;
  int retrievals_ = 0;
  int waits_ = 0;
  int records_put_ = 0;
};

}  // namespace messenger::client

#endif  // CLIENT_MESSENGER_TESTING_IN_MEMORY_MAIL_SERVICE_H_
