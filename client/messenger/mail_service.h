// What the messenger needs of the network: store, retrieve and records of
// mailboxes. The real one asks swarms over onion paths (`SwarmMailService`);
// tests put an in-memory one in its place.
//
// Belongs to one executor: called from its tasks, answers as its tasks, never
// inside the call.

#ifndef CLIENT_MESSENGER_MAIL_SERVICE_H_
#define CLIENT_MESSENGER_MAIL_SERVICE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "client/store/client_store.h"
#include "crypto/sign/ed25519.h"
#include "swarm/auth/mailbox.h"

namespace messenger::client {

template <typename T>
using MailDone = absl::AnyInvocable<void(absl::StatusOr<T>)>;

// The nodes of one circuit by nickname, client's side first, destination last.
using NamedRoute = std::vector<std::string>;

struct WriteTarget {
  std::string mailbox;  // 33 bytes
  swarm::MailboxNamespace mailbox_namespace = swarm::MailboxNamespace::kInbox;
  // Pairwise mailboxes only.
  crypto::Ed25519PublicKey read_key;
  std::shared_ptr<const crypto::Ed25519PrivateKey> write_key;
};

struct ReadTarget {
  std::string mailbox;
  swarm::MailboxNamespace mailbox_namespace = swarm::MailboxNamespace::kInbox;
  std::shared_ptr<const crypto::Ed25519PrivateKey> reader;
  // Pairwise mailboxes only.
  crypto::Ed25519PublicKey write_key;
};

struct Delivery {
  std::vector<std::string> holders;  // nicknames of nodes that signed for it
  std::vector<NamedRoute> routes;    // one per attempt
};

struct MailMessage {
  std::string id;  // 32 bytes, recomputed from the payload
  std::string payload;
  absl::Time expiry;
};

struct Retrieved {
  std::vector<MailMessage> messages;  // each id once
  std::vector<CursorRow> cursors;
  // A read quorum was read to the end: nothing that was acknowledged before
  // is missing.
  bool complete = false;
  // There is more than one call brings; ask again with these cursors.
  bool more = false;
  int members_answered = 0;
  std::vector<NamedRoute> routes;
};

struct MailRecord {
  std::string key;  // 16 bytes
  uint64_t sequence = 0;
  std::string body;
};

class MailService {
 public:
  virtual ~MailService() = default;

  // OK only with W verified receipts of distinct members. UNAVAILABLE: not
  // now; the same payload may be tried again. Whatever the code, a status may
  // carry a WriteRefusal that says why members refused.
  virtual void Store(const WriteTarget& target, std::string payload,
                     absl::Time expiry, MailDone<Delivery> done) = 0;

  // Makes the mailbox exist for its swarm, for swarm::kRegistrationLife. As
  // Store().
  virtual void Register(const ReadTarget& target, MailDone<Delivery> done) = 0;

  // UNAVAILABLE when no member could be read; with a WriteRefusal of
  // kNotRegistered when members say that nobody has registered the mailbox.
  virtual void Retrieve(const ReadTarget& target,
                        std::vector<CursorRow> cursors,
                        MailDone<Retrieved> done) = 0;

  // Waits up to `timeout`, at most 55 s, at one member for a message beyond its
  // cursor. Never complete; only that member's cursor has moved.
  virtual void Wait(const ReadTarget& target, std::vector<CursorRow> cursors,
                    absl::Duration timeout, MailDone<Retrieved> done) = 0;

  // Replaces a record of the account that `owner` signs for. ABORTED: a newer
  // one is stored.
  virtual void PutRecord(const std::string& mailbox,
                         swarm::MailboxNamespace mailbox_namespace,
                         std::shared_ptr<const crypto::Ed25519PrivateKey> owner,
                         MailRecord record, MailDone<Delivery> done) = 0;

  // What at least a read quorum knows of each key, the newest record first;
  // older ones follow where members showed them. UNAVAILABLE when fewer
  // answered.
  virtual void GetRecords(const std::string& mailbox,
                          swarm::MailboxNamespace mailbox_namespace,
                          MailDone<std::vector<MailRecord>> done) = 0;
};

}  // namespace messenger::client

#endif  // CLIENT_MESSENGER_MAIL_SERVICE_H_
