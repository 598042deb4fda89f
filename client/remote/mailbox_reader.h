// Whose mailbox is read, and how far it has been read.

#ifndef CLIENT_REMOTE_MAILBOX_READER_H_
#define CLIENT_REMOTE_MAILBOX_READER_H_

#include <cstdint>
#include <map>
#include <optional>
#include <utility>

#include "crypto/sign/ed25519.h"
#include "routing/onion/node_id.h"
#include "swarm/auth/mailbox.h"

namespace messenger::client {

// The right to read and delete. Move-only, like the key in it.
class MailboxReader final {
 public:
  // The inbox of an account, by its signing key (copied).
  static MailboxReader Inbox(const crypto::AccountId& account,
                             const crypto::Ed25519PrivateKey& account_key) {
    return MailboxReader(swarm::MailboxAddress::ForAccount(account),
                         swarm::MailboxNamespace::kInbox, account_key,
                         std::nullopt);
  }
  // A pairwise mailbox, by its read key (copied).
  static MailboxReader Pairwise(const crypto::Ed25519PrivateKey& read_key,
                                const crypto::Ed25519PublicKey& write_key) {
    return MailboxReader(
        swarm::MailboxAddress::ForPair(read_key.public_key(), write_key),
        swarm::MailboxNamespace::kPairwise, read_key, write_key);
  }

  // The same right once more.
  MailboxReader Copy() const {
    return MailboxReader(address_, ns_, read_key_, write_key_);
  }

  const swarm::MailboxAddress& address() const { return address_; }
  swarm::MailboxNamespace ns() const { return ns_; }
  const crypto::Ed25519PrivateKey& read_key() const { return read_key_; }
  const std::optional<crypto::Ed25519PublicKey>& write_key() const {
    return write_key_;
  }

 private:
  MailboxReader(const swarm::MailboxAddress& address,
                swarm::MailboxNamespace ns,
                const crypto::Ed25519PrivateKey& read_key,
                std::optional<crypto::Ed25519PublicKey> write_key)
      : address_(address),
        ns_(ns),
        read_key_(crypto::Ed25519PrivateKey::FromSeed(read_key.seed())),
        write_key_(std::move(write_key)) {}

  swarm::MailboxAddress address_;
  swarm::MailboxNamespace ns_;
  crypto::Ed25519PrivateKey read_key_;
  std::optional<crypto::Ed25519PublicKey> write_key_;
};

// How far one member's list has been read. Means nothing to another member.
struct Cursor {
  uint64_t incarnation = 0;
  uint64_t seq = 0;
  uint64_t challenge = 0;  // of the node, for this mailbox; 0: unknown

  friend bool operator==(const Cursor&, const Cursor&) = default;
};
using Cursors = std::map<routing::NodeId, Cursor>;

}  // namespace messenger::client

#endif  // CLIENT_REMOTE_MAILBOX_READER_H_
