// People who write to each other's mailboxes and read them, as many messages
// as the network takes, and a history of it all.
//
//   Start --> ... StopWriting --> Drained --> ReadEverything --> Judge
//
// A message that is not confirmed is tried again, with the same bytes and
// expiry, until it is: what an outbox does. Belongs to one event loop.

#ifndef TOOLS_CHAOS_MAIL_LOAD_H_
#define TOOLS_CHAOS_MAIL_LOAD_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "client/remote/mailbox_reader.h"
#include "client/remote/swarm_client.h"
#include "crypto/identity/account_keys.h"
#include "crypto/random/random.h"
#include "crypto/sign/ed25519.h"
#include "routing/runtime/clock.h"
#include "routing/runtime/event_loop.h"
#include "routing/runtime/network_config.h"
#include "tools/chaos/mail_client.h"
#include "tools/chaos/mail_history.h"

namespace messenger::chaos {

struct MailLoadOptions {
  int clients = 12;            // every second one in proxy mode
  int at_once = 12;            // stores under way, for each client
  int pairwise_mailboxes = 6;  // of each client
  // No more than this many new messages.
  uint64_t messages = 200'000;
  // One message of this many goes to an inbox.
  uint64_t inbox_share = 16;
  size_t small_bytes = 512;
  // One of 16 is a full text, one of 256 an attachment's part.
  size_t text_bytes = 4096;
  size_t large_bytes = 16 * 1024;
  absl::Duration retry_after = absl::Seconds(1);
  absl::Duration poll_pause = absl::Seconds(2);
};

struct LoadFigures {
  uint64_t attempts = 0;  // calls of Store()
  uint64_t failures = 0;  // of them without confirmation
  uint64_t complete_reads = 0;
  uint64_t incomplete_reads = 0;
  uint64_t failed_reads = 0;
  // The longest time between two confirmations: of anybody, of one client.
  absl::Duration longest_silence = absl::ZeroDuration();
  absl::Duration longest_silence_of_one = absl::ZeroDuration();
};

class MailLoad final {
 public:
  // All references must outlive the load.
  MailLoad(const MailLoadOptions& options, const routing::NetworkConfig& config,
           const routing::Clock& clock, routing::EventLoop& loop,
           crypto::Random& keys, crypto::Random& chance);
  ~MailLoad();

  MailLoad(const MailLoad&) = delete;
  MailLoad& operator=(const MailLoad&) = delete;

  // Fetches the directory, makes the mailboxes and begins to write and read.
  // UNAVAILABLE, CANCELLED.
  absl::Status Start(absl::Duration limit);

  // No new messages from here on; what is not confirmed is still tried.
  void StopWriting();
  // Everything is confirmed.
  bool Drained() const { return under_way_ == 0 && waiting_ == 0; }
  // Storage nodes that run by the newest directory of any client.
  int RunningStorageNodes();

  // Asks every storage node of the newest directory whether it holds all that
  // it should; `done` is told whether `nodes` of them say so, and no other.
  void AskWhetherAllHold(int nodes, std::function<void(bool)> done);

  // Gives up what is not confirmed, then reads every mailbox anew, until all
  // its members have listed it whole or `tries` readings are done.
  void ReadEverything(int tries, absl::Duration limit);

  const MailHistory& history() const { return *history_; }
  const LoadFigures& figures() const { return figures_; }
  // All that was invoked has been started; more will not come.
  bool AllInvoked() const { return history_->invoked() >= options_.messages; }
  int swarm_size() const { return swarm_size_; }

 private:
  struct Mailbox;
  struct Client;
  struct Outgoing;

  std::shared_ptr<const routing::Consensus> NewestDirectory() const;
  absl::Status Connect(absl::Duration limit);
  // Fetches the directory for all clients.
  absl::Status Refresh(absl::Duration limit);
  bool KnowWholeSwarms() const;
  // The one place where mailboxes come from; `done` runs later, on the loop.
  void MakeMailbox(swarm::MailboxNamespace ns, size_t reader,
                   std::function<void(absl::StatusOr<MailboxNumber>)> done);
  void MakeInbox(size_t reader);
  void Fill(size_t client);
  Outgoing NewMessage(size_t client);
  void Store(size_t client, std::shared_ptr<Outgoing> message);
  void OnStored(size_t client, std::shared_ptr<Outgoing> message, bool acked);
  void Poll(size_t client);
  void ReadToEnd(size_t client, MailboxNumber mailbox, client::Cursors cursors,
                 std::shared_ptr<std::vector<swarm::MessageId>> ids,
                 std::function<void(bool complete)> done);
  void FinalReadOf(MailboxNumber mailbox, int tries,
                   std::function<void()> done);

  const MailLoadOptions options_;
  const routing::NetworkConfig config_;
  const routing::Clock& clock_;
  routing::EventLoop& loop_;
  crypto::Random& keys_;
  crypto::Random& chance_;
  std::unique_ptr<MailHistory> history_;
  LoadFigures figures_;
  Witness::Events events_;
  std::vector<std::unique_ptr<Mailbox>> mailboxes_;
  // The pairwise ones, and of each client the inbox that still has room.
  std::vector<MailboxNumber> pairwise_;
  std::vector<std::unique_ptr<Client>> clients_;
  int swarm_size_ = 0;
  bool writing_ = false;
  bool trying_ = true;
  size_t under_way_ = 0;
  size_t waiting_ = 0;  // for their next attempt
  absl::Time last_ack_ = absl::InfinitePast();
};

}  // namespace messenger::chaos

#endif  // TOOLS_CHAOS_MAIL_LOAD_H_
