// One simulated device that runs the real client: database, messenger, swarm
// client, onion client, guards, directory (client/cli/connection.cc puts them
// together the same way).
//
// While it is on it does what a running app does: keeps its records published,
// reads its mailboxes, sends what waits. Switched off it is a killed process:
// only its database is left. Belongs to the executor of its world.

#ifndef TOOLS_SIMNET_DEVICE_H_
#define TOOLS_SIMNET_DEVICE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "client/store/client_store.h"
#include "crypto/identity/account_id.h"
#include "routing/directory/consensus.h"
#include "routing/path/path_selector.h"
#include "routing/runtime/executor.h"
#include "routing/runtime/testing/simulated_network.h"
#include "tools/simnet/node.h"
#include "tools/simnet/watched_mail.h"

namespace messenger::simnet {

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

  // A new account, not yet switched on. All must outlive the device.
  Device(World& world, Listener& listener, std::string name,
         routing::RoutingMode mode, std::vector<routing::Endpoint> seeds);
  ~Device() override;

  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;

  const crypto::AccountId& account() const { return account_; }
  const std::string& name() const { return name_; }
  const std::string& address() const { return host_.endpoint().address; }
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

  // All texts that ever came in, in the order they were stored; as of the last
  // time the device was on.
  const std::vector<ReceivedText>& inbox() const { return inbox_; }
  const std::vector<WrittenText>& written() const { return written_; }
  // Every text written is stored in its recipient's swarm, as far as known.
  bool AllSent() const;
  // The account can be written to.
  bool published() const { return published_; }
  // Messages that the swarms have acknowledged to this device.
  int acknowledged() const { return acknowledged_; }
  // What came in and could not be opened.
  int unreadable() const { return unreadable_; }

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

  // Runs `task` later, in the process that is running now or not at all.
  void Later(absl::Duration delay, std::function<void()> task);
  void Cycle();
  void Receive();
  void AcceptRequests();
  void Flush();
  void Save();
  void OnDirectory(const std::shared_ptr<const routing::Consensus>& newest);
  void ReadInbox();
  void LookAfterWritten();

  World& world_;
  Listener& listener_;
  const std::string name_;
  const std::string folder_;
  const client::DatabaseKey key_;
  const routing::RoutingMode mode_;
  const std::vector<routing::Endpoint> seeds_;
  routing::SimulatedNetwork::Host& host_;
  crypto::AccountId account_;

  uint64_t life_ = 0;
  std::unique_ptr<Process> process_;  // null: off
  std::shared_ptr<const routing::Consensus> directory_;
  std::shared_ptr<const routing::Consensus> directory_before_;
  absl::Time directory_changed_ = absl::InfinitePast();
  bool published_ = false;
  int acknowledged_ = 0;
  int unreadable_ = 0;
  int64_t last_row_ = 0;
  std::vector<ReceivedText> inbox_;
  std::vector<WrittenText> written_;
};

}  // namespace messenger::simnet

#endif  // TOOLS_SIMNET_DEVICE_H_
