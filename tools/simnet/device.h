// One simulated device that runs the real client: database, messenger, swarm
// client, onion client, guards, directory (client/cli/connection.cc puts them
// together the same way).
//
// While it is on it does what a running app does: keeps its records published,
// reads its mailboxes, shows what came, sends what waits. Switched off it is a
// killed process: only its database is left. A person may have several
// (client/SPEC.md, section 14). Belongs to the executor of its world.

#ifndef TOOLS_SIMNET_DEVICE_H_
#define TOOLS_SIMNET_DEVICE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "client/messenger/messenger.h"
#include "client/store/client_store.h"
#include "crypto/identity/account_id.h"
#include "crypto/random/testing/seeded_random.h"
#include "routing/directory/consensus.h"
#include "routing/path/path_selector.h"
#include "routing/runtime/executor.h"
#include "routing/runtime/sqlite/testing/simulated_disk.h"
#include "routing/runtime/testing/simulated_network.h"
#include "tools/simnet/node.h"
#include "tools/simnet/rough_mail.h"
#include "tools/simnet/watched_mail.h"

namespace messenger::simnet {

// Where a device keeps its database.
enum class DiskKind {
  kFile,       // in a folder
  kSimulated,  // on a disk whose power can fail at any write
};

// The id of a device, 16 bytes.
using DeviceIds = std::set<std::string>;

struct ReceivedText {
  crypto::AccountId from;
  std::string text;

  friend bool operator==(const ReceivedText&, const ReceivedText&) = default;
};

// A text that this device was told to send.
struct WrittenText {
  crypto::AccountId to;
  std::string text;
  int64_t row = 0;
  int parts = 1;
  // The devices of the recipient and the own others that are to have it: those
  // that this device knew of when it was written.
  DeviceIds recipients = {};
  DeviceIds copies = {};
  // When the device had learned that it is stored; infinite future before.
  absl::Time sent = absl::InfiniteFuture();
};

class Device final : public MailWitness {
 public:
  // Tells the network about what came of the device's requests.
  class Listener {
   public:
    virtual ~Listener() = default;
    virtual void OnStored(const Device& device,
                          const client::WriteTarget& target,
                          const std::string& payload, absl::Time expiry,
                          const client::Delivery& delivery) = 0;
    virtual void OnRetrieved(const Device& device,
                             const client::ReadTarget& target,
                             const client::Retrieved& retrieved) = 0;
    // All mailboxes were read to the end, in a reading begun at `started`.
    virtual void OnCompleteReading(const Device& device,
                                   absl::Time started) = 0;
  };

  struct Options {
    routing::RoutingMode mode = routing::RoutingMode::kOnion;
    DiskKind disk = DiskKind::kFile;
    // It is to become a device of another account: OfferLink() there.
    bool awaits_link = false;
  };

  // A new account; to be switched on next. All must outlive the device.
  Device(World& world, Listener& listener, std::string name,
         const Options& options, std::vector<routing::Endpoint> seeds);
  ~Device() override;

  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;

  // Once it has been linked: that of the first device.
  const crypto::AccountId& account() const { return *account_; }
  // Empty before it is first published.
  const std::string& id() const { return id_; }
  // Whose inbox is this device's: that of the account it was made with.
  const crypto::AccountId& inbox_account() const { return *inbox_account_; }
  const std::string& name() const { return name_; }
  const std::string& address() const { return host_.endpoint().address; }
  routing::SimulatedNetwork::Host& host() const { return host_; }
  // What it works from, or last did; null before it has ever had one.
  const std::shared_ptr<const routing::Consensus>& directory() const {
    return directory_;
  }
  // What that has replaced, if only just: requests on their way may have their
  // paths from it. Else null.
  std::shared_ptr<const routing::Consensus> directory_before() const;

  // The text is in the outbox from here on. FAILED_PRECONDITION while off;
  // else the codes of Messenger::Queue.
  absl::Status Send(const crypto::AccountId& to, absl::string_view text);
  // The same as an answer to a message of its history; also NOT_FOUND.
  absl::Status Reply(const client::Message& message, absl::string_view text);
  // What an app can do with the real client, then and there; null while off.
  // `Tend()` afterwards sends what is waiting now.
  client::Messenger* messenger();
  client::ClientStore* store();
  void Tend();

  // It has become a device of the account it was linked to.
  bool linked() const { return linked_; }
  // The account does not list it any more; and it knows.
  bool unlinked() const { return unlinked_; }
  bool knows_of_unlinking() const { return knows_of_unlinking_; }
  void OnUnlinked() { unlinked_ = true; }

  // All texts that ever came in, in the order they were stored; as of the last
  // time the device was on.
  const std::vector<ReceivedText>& inbox() const { return inbox_; }
  // What this person has written, on whichever device, as the history has it.
  const std::set<std::string>& said() const { return said_; }
  const std::vector<WrittenText>& written() const { return written_; }
  // Every text written is stored in its recipient's swarm, as far as known.
  bool AllSent() const;
  // The account can be written to.
  bool published() const { return published_; }
  // Messages that the swarms have acknowledged to this device.
  int acknowledged() const { return acknowledged_; }
  // What came in and could not be opened.
  int unreadable() const { return unreadable_; }

  // Texts that were shown here; each once, or it is a violation.
  const std::set<std::string>& shown() const { return shown_; }
  // What goes wrong between its client and the swarms. It may change.
  Roughness& roughness() { return roughness_; }

  // The power fails at the write of that number from now on (1: the next), of
  // a disk that is simulated; some seconds later the device is on again.
  // `dropped`: what was not synced is gone. Else it is there in part.
  void FailAtWrite(uint64_t write, bool dropped);
  int power_failures() const { return power_failures_; }

  // The process is killed, wherever it is.
  void GoOffline();
  // It starts on what it finds in its database.
  void GoOnline();
  bool online() const { return process_ != nullptr; }

  // MailWitness:
  void OnMailbox(absl::string_view mailbox) override;
  void OnStored(const client::WriteTarget& target, const std::string& payload,
                absl::Time expiry, const client::Delivery& delivery) override;
  void OnRetrieved(const client::ReadTarget& target,
                   const client::Retrieved& retrieved) override;

  static constexpr absl::Duration kPollInterval = absl::Seconds(10);

 private:
  struct Process;

  // After an answer of the database. False: the power has failed, and the
  // process goes no further. Other failures end the simulation.
  bool Alive(const absl::Status& status);
  // The process has no power any more, though something of it still runs.
  bool Dead() const;
  // False: the power has failed meanwhile.
  absl::StatusOr<std::unique_ptr<client::ClientStore>> OpenStore() const;
  bool Start();
  void OnPowerFailure();
  bool Show(const client::ReceiveReport& report);
  absl::Status Write(const crypto::AccountId& to, absl::string_view text,
                     absl::FunctionRef<absl::StatusOr<int64_t>()> queue);
  // Whom a text written now is for.
  absl::StatusOr<WrittenText> Address(const crypto::AccountId& to,
                                      absl::string_view text);
  // Of the texts told to be sent while the power failed those that are there.
  bool FindInterrupted();
  // Runs `task` later, in the process that is running now or not at all.
  void Later(absl::Duration delay, std::function<void()> task);
  void Cycle();
  void Receive();
  bool AcceptRequests();
  void Flush();
  bool Save();
  void OnDirectory(const std::shared_ptr<const routing::Consensus>& newest);
  bool ReadInbox();
  bool LookAfterWritten();

  World& world_;
  Listener& listener_;
  const std::string name_;
  const std::string folder_;
  const client::DatabaseKey key_;
  const Options options_;
  const std::vector<routing::Endpoint> seeds_;
  routing::SimulatedNetwork::Host& host_;
  // Of its own, so that what a failure leaves does not move the network's.
  crypto::SeededRandom disk_random_;
  std::unique_ptr<sqlite::SimulatedDisk> disk_;  // null: a folder
  // Known once it has been on.
  std::optional<crypto::AccountId> account_;
  std::optional<crypto::AccountId> inbox_account_;
  std::string id_;

  uint64_t life_ = 0;
  std::unique_ptr<Process> process_;  // null: off
  std::shared_ptr<const routing::Consensus> directory_;
  std::shared_ptr<const routing::Consensus> directory_before_;
  absl::Time directory_changed_ = absl::InfinitePast();
  bool published_ = false;
  int acknowledged_ = 0;
  int unreadable_ = 0;
  std::set<std::string> read_;  // ids of what is in the inbox
  bool linked_ = false;
  bool unlinked_ = false;
  bool knows_of_unlinking_ = false;
  int power_failures_ = 0;
  Roughness roughness_;
  std::set<std::string> shown_;
  std::set<std::string> shown_ids_;
  // Shown, and the mark of it may be missing.
  std::set<std::string> unconfirmed_;
  std::vector<WrittenText> interrupted_;
  std::vector<ReceivedText> inbox_;
  std::set<std::string> said_;
  std::vector<WrittenText> written_;
};

}  // namespace messenger::simnet

#endif  // TOOLS_SIMNET_DEVICE_H_
