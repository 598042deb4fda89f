// The swarm as a client sees it: stores, reads and deletes messages and
// records, and believes no single member (swarm/SPEC.md, section 7).
//
// Every operation runs by itself and may be repeated freely. Belongs to the
// executor. When the client is destroyed, operations end and their callbacks
// never run.

#ifndef CLIENT_REMOTE_SWARM_CLIENT_H_
#define CLIENT_REMOTE_SWARM_CLIENT_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "client/remote/mailbox_reader.h"
#include "client/remote/onion_requester.h"
#include "client/remote/swarm_client_options.h"
#include "client/remote/swarm_record_reading.h"
#include "client/remote/swarm_retrieval.h"
#include "client/remote/swarm_write.h"
#include "crypto/random/random.h"
#include "crypto/sign/ed25519.h"
#include "routing/directory/consensus_holder.h"
#include "routing/runtime/clock.h"
#include "routing/runtime/executor.h"
#include "swarm/auth/mailbox.h"
#include "swarm/auth/record.h"

namespace messenger::client {

template <typename T>
using Done = absl::AnyInvocable<void(absl::StatusOr<T>)>;

// Where a message goes.
struct StoreTarget {
  // A stranger's inbox: anybody may write.
  static StoreTarget Inbox(const crypto::AccountId& account) {
    return {.mailbox = swarm::MailboxAddress::ForAccount(account),
            .ns = swarm::MailboxNamespace::kInbox};
  }
  // A pairwise mailbox. `write_key` must outlive the call to Store().
  static StoreTarget Pairwise(const crypto::Ed25519PublicKey& read_key,
                              const crypto::Ed25519PrivateKey& write_key) {
    return {.mailbox = swarm::MailboxAddress::ForPair(read_key,
                                                      write_key.public_key()),
            .ns = swarm::MailboxNamespace::kPairwise,
            .read_key = read_key,
            .write_key = &write_key};
  }

  swarm::MailboxAddress mailbox;
  swarm::MailboxNamespace ns;
  std::optional<crypto::Ed25519PublicKey> read_key = std::nullopt;
  const crypto::Ed25519PrivateKey* write_key = nullptr;
};

class SwarmClient final {
 public:
  // All references must outlive the client. `refresh_directory` has the
  // directory fetched; it is called when members use a newer one, and not more
  // often than `options` say. Null: somebody else sees to that.
  SwarmClient(OnionRequester& requester,
              const routing::ConsensusHolder& directory,
              const routing::Clock& clock, routing::Executor& executor,
              crypto::Random& random, SwarmClientOptions options = {},
              std::function<void()> refresh_directory = nullptr);
  ~SwarmClient();

  SwarmClient(const SwarmClient&) = delete;
  SwarmClient& operator=(const SwarmClient&) = delete;

  // `done` runs on the executor, never inside the call. Codes and their
  // meaning: SwarmWrite::Done.
  //
  // Repeat a Store() that failed with the very same payload and expiry, also
  // after a restart: it is the same message then. An expiry beyond what members
  // take, by the network's time, is cut to that.
  void Store(const StoreTarget& target, const std::string& payload,
             absl::Time expiry, Done<StoreOutcome> done);

  // Makes the mailbox exist for swarm::kRegistrationLife from now; takes work
  // (a second or so, in slices). Codes: SwarmWrite::Done.
  void Register(const MailboxReader& reader, Done<StoreOutcome> done);

  // Up to swarm::kMaxDeleteIds; more is INVALID_ARGUMENT.
  void Delete(const MailboxReader& reader,
              const std::vector<swarm::MessageId>& ids,
              Done<StoreOutcome> done);

  // Signs with the account's key. ABORTED: a newer version is stored.
  void PutRecord(const crypto::AccountId& account,
                 const crypto::Ed25519PrivateKey& account_key,
                 swarm::MailboxNamespace ns, const swarm::RecordKey& key,
                 uint64_t seq, std::string body, Done<StoreOutcome> done);

  // `cursors` as the last outcome had them; empty reads all. Codes:
  // SwarmRetrieval::Done.
  void Retrieve(MailboxReader reader, Cursors cursors,
                Done<RetrieveOutcome> done);

  // Waits up to `timeout` (at most swarm::kMaxWaitMs) at one member for a
  // message beyond its cursor; the same member each time, until it fails.
  // Outcome: SwarmWait::Done. UNAVAILABLE: the network has no such member.
  void Wait(MailboxReader reader, Cursors cursors, absl::Duration timeout,
            Done<RetrieveOutcome> done);

  // The versions of each record that members showed, verified, the newest
  // first. Codes: SwarmRecordReading::Done.
  void GetRecords(const crypto::AccountId& account, swarm::MailboxNamespace ns,
                  Done<std::vector<swarm::Record>> done);

  // The network's time, as far as it is known (network_time.h).
  absl::Time Now() const;

  size_t operations() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace messenger::client

#endif  // CLIENT_REMOTE_SWARM_CLIENT_H_
