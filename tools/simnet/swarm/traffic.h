// The people of one run: production clients that register mailboxes, write,
// read on several devices, delete, purge, shorten and keep records, with an
// outbox each, as the messenger has. They tell the ledger what they do.
//
// A client is a process: it crashes and starts again with what it had saved,
// which is its outbox and, with each reading, the cursors. Not thread-safe.

#ifndef TOOLS_SIMNET_SWARM_TRAFFIC_H_
#define TOOLS_SIMNET_SWARM_TRAFFIC_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "client/remote/mailbox_reader.h"
#include "client/remote/onion_requester.h"
#include "client/remote/swarm_client.h"
#include "crypto/identity/account_keys.h"
#include "crypto/random/testing/seeded_random.h"
#include "crypto/sign/ed25519.h"
#include "routing/directory/consensus_holder.h"
#include "swarm/auth/receipt.h"
#include "swarm/proto/storage.pb.h"
#include "tools/simnet/swarm/ledger.h"
#include "tools/simnet/swarm/process_executor.h"
#include "tools/simnet/swarm/skewed_clock.h"
#include "tools/simnet/swarm/world.h"

namespace messenger::simnet {

class Traffic final {
 public:
  // Both must outlive this.
  Traffic(World& world, Ledger& ledger);
  ~Traffic();

  Traffic(const Traffic&) = delete;
  Traffic& operator=(const Traffic&) = delete;

  int clients() const { return static_cast<int>(clients_.size()); }
  const std::string& address(int client) const;
  void CrashClient(int client);
  void JumpClock(int client, absl::Duration step);
  // It gets none of the news for so long.
  void StopDirectories(int client, absl::Duration span);
  // -1: there is none.
  int AnyRegisteredMailbox();
  void SendTo(int mailbox);
  // Every device of the mailbox looks now.
  void PollAll(int mailbox);
  // Somebody repeats what a client asked a member, there or elsewhere.
  void Replay();
  // Of a member that lies in what it answers clients.
  void Lie(World::Node& node, std::string& reply);

  // Nothing new is sent from now on; outboxes go on, and soon.
  void EndOfWork();
  // Messages that wait in outboxes and have not expired, but for those that
  // were refused because a mailbox or node is full.
  size_t waiting() const;
  // The last time anything was confirmed.
  absl::Time last_confirmed() const { return last_confirmed_; }

  // Every device forgets all and reads its mailbox once more.
  void ReadAllAfresh();
  bool all_read() const { return final_reads_left_ == 0; }
  std::string Unread() const;

  // What the mailboxes are, for those who look into stores.
  std::vector<swarm::MailboxAddress> mailboxes() const;

  struct Figures {
    uint64_t attempts = 0;
    uint64_t expired_unsent = 0;
    uint64_t false_sent_checked = 0;
    uint64_t replays = 0;
    std::vector<absl::Duration> time_to_sent;
  };
  const Figures& figures() const { return figures_; }

 private:
  class Requester;
  struct Client;
  struct Mailbox;
  struct Device;
  struct Outgoing;
  struct Recorded {
    routing::NodeId node;
    std::string request;
    absl::Time at;
    bool answered = false;
  };

  void StartClient(Client& client);
  void FetchDirectory(Client& client);
  // Calls `task` again and again, after times of `mean` each.
  void Repeat(absl::Duration mean, std::function<void()> task);

  void SendSomething(Client& client);
  void Send(Client& writer, Mailbox& mailbox);
  void TryOutbox(Client& client);
  void Attempt(Client& client, const std::shared_ptr<Outgoing>& message);
  void CheckSent(Client& client, const Outgoing& message,
                 const client::StoreOutcome& outcome);
  void Register(Mailbox& mailbox);
  void Poll(Device& device, bool final_reading);
  void DeleteSomething(Device& device);
  bool IsConfirmed(const swarm::ReceiptSubject& subject,
                   const swarm::v1::ClientResponse& response) const;
  void WriteRaw(Client& client, const swarm::ReceiptSubject& subject,
                std::string request, std::function<void(bool)> done,
                int attempts);
  void Purge(Device& device);
  void Shorten(Device& device);
  void PutRecord(Client& client);
  void GetRecord(Client& client);

  World& world_;
  Ledger& ledger_;
  crypto::SeededRandom random_;
  std::vector<std::unique_ptr<Client>> clients_;
  std::vector<std::unique_ptr<Mailbox>> mailboxes_;
  std::vector<std::unique_ptr<Device>> devices_;
  std::deque<std::shared_ptr<Recorded>> recorded_;  // the newest
  routing::SimulatedNetwork::Host* stranger_ = nullptr;
  bool working_ = true;
  size_t final_reads_left_ = 0;
  absl::Time last_confirmed_;
  uint64_t lives_ = 0;
  Figures figures_;
};

}  // namespace messenger::simnet

#endif  // TOOLS_SIMNET_SWARM_TRAFFIC_H_
