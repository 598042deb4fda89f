// The mailbox that one contact writes to and its owner reads
// (client/SPEC.md, section 9; swarm/SPEC.md, section 1).
//
// Each contact gets a mailbox of its own, made of two random Ed25519 keys, so
// that a storage node can tie neither two contacts of one person together nor
// any of them to an account. Whoever holds the write key may store; whoever
// holds the read key may list and delete.
//
// Values; immutable after construction, hence thread-safe.

#ifndef CLIENT_MESSENGER_PAIRWISE_MAILBOX_H_
#define CLIENT_MESSENGER_PAIRWISE_MAILBOX_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "crypto/random/random.h"
#include "crypto/sign/ed25519.h"

namespace messenger::client {

// The mailbox as its owner has it.
class IncomingMailbox {
 public:
  static IncomingMailbox Generate(crypto::Random& random);
  // 64 bytes of seeds, secret; for the encrypted database. INVALID_ARGUMENT on
  // another length.
  static absl::StatusOr<IncomingMailbox> Parse(absl::string_view bytes);
  std::string Serialize() const;

  // 33 bytes.
  const std::string& address() const { return address_; }
  const std::shared_ptr<const crypto::Ed25519PrivateKey>& read_key() const {
    return read_key_;
  }
  const crypto::Ed25519PrivateKey& write_key() const { return *write_key_; }

 private:
  IncomingMailbox(crypto::Ed25519PrivateKey read_key,
                  crypto::Ed25519PrivateKey write_key);

  std::shared_ptr<const crypto::Ed25519PrivateKey> read_key_;
  std::shared_ptr<const crypto::Ed25519PrivateKey> write_key_;
  std::string address_;
};

// The mailbox as the contact has it that may write to it.
class OutgoingMailbox {
 public:
  // From a contact's offer. INVALID_ARGUMENT on a wrong length.
  static absl::StatusOr<OutgoingMailbox> Create(absl::string_view read_key,
                                                absl::string_view write_seed);
  // 64 bytes, read key and write seed; secret.
  static absl::StatusOr<OutgoingMailbox> Parse(absl::string_view bytes);
  std::string Serialize() const;

  const std::string& address() const { return address_; }
  const crypto::Ed25519PublicKey& read_key() const { return read_key_; }
  const std::shared_ptr<const crypto::Ed25519PrivateKey>& write_key() const {
    return write_key_;
  }

 private:
  OutgoingMailbox(const crypto::Ed25519PublicKey& read_key,
                  crypto::Ed25519PrivateKey write_key);

  crypto::Ed25519PublicKey read_key_;
  std::shared_ptr<const crypto::Ed25519PrivateKey> write_key_;
  std::string address_;
};

}  // namespace messenger::client

#endif  // CLIENT_MESSENGER_PAIRWISE_MAILBOX_H_
