// Keeps a messenger up to date while somebody is there (client/SPEC.md, section
// 9): waits at one member of each mailbox's swarm, so that a text shows within
// a round trip, and reads all mailboxes in full every minute, because one
// member may keep silent.
//
// Belongs to the executor. No callback runs after it is destroyed; calls to the
// messenger that are pending then still end in the messenger.

#ifndef CLIENT_MESSENGER_MAIL_WATCH_H_
#define CLIENT_MESSENGER_MAIL_WATCH_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "client/messenger/mail_service.h"
#include "client/messenger/messenger.h"
#include "routing/runtime/clock.h"
#include "routing/runtime/executor.h"

namespace messenger::client {

class MailWatch final {
 public:
  // A report of a full reading, with `complete` and its reason as Receive()
  // gives them; one of a push has messages and is not complete (`full` tells
  // them apart). An error is one of the database, and ends the watch. The
  // callback must not destroy it.
  struct Report {
    bool full = false;
    uint64_t reading = 0;  // of a full one: its number
    ReceiveReport received;
  };
  using OnReport = std::function<void(absl::StatusOr<Report>)>;

  // Circuits held at one time; mailboxes beyond are read every minute.
  static constexpr size_t kMaxWaits = 64;
  static constexpr absl::Duration kWait = absl::Seconds(55);
  static constexpr absl::Duration kFullReading = absl::Seconds(60);
  // After a reading that was not complete.
  static constexpr absl::Duration kNextTry = absl::Seconds(5);
  // After a wait that failed, doubling.
  static constexpr absl::Duration kFirstPause = absl::Seconds(1);
  static constexpr absl::Duration kLongestPause = absl::Seconds(60);

  // All references must outlive this. `mail` is the messenger's.
  MailWatch(Messenger& messenger, MailService& mail,
            routing::Executor& executor, const routing::Clock& clock,
            OnReport on_report);
  ~MailWatch();

  MailWatch(const MailWatch&) = delete;
  MailWatch& operator=(const MailWatch&) = delete;

  // Reads all mailboxes, then waits. Reports never run inside.
  void Start();

  // Reads all mailboxes as soon as it can; the number of that reading, which
  // has not begun yet.
  uint64_t ReadNow();

 private:
  struct Waiting {
    OwnMailbox mailbox;
    absl::Duration pause = kFirstPause;
    routing::TimerId timer = 0;
  };

  void ReadAll();
  void ReadAllAfter(absl::Duration pause);
  void OnRead(absl::StatusOr<ReceiveReport> report);
  // Starts to wait on mailboxes that are new.
  void WaitOnAll();
  void WaitOn(const std::string& mailbox);
  void OnWaited(const std::string& mailbox, absl::Time asked,
                const absl::StatusOr<Retrieved>& retrieved);
  void Fail(absl::Status status);

  Messenger& messenger_;
  MailService& mail_;
  routing::Executor& executor_;
  const routing::Clock& clock_;
  OnReport on_report_;

  std::map<std::string, Waiting> waiting_;  // by address
  bool reading_ = false;
  bool read_again_ = false;  // once this reading is over
  uint64_t readings_ = 0;    // that have begun
  bool ended_ = false;
  routing::TimerId next_reading_ = 0;
  std::shared_ptr<const bool> alive_ = std::make_shared<const bool>(true);
};

}  // namespace messenger::client

#endif  // CLIENT_MESSENGER_MAIL_WATCH_H_
