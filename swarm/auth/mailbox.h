// Where messages lie and what they are called (swarm/SPEC.md, section 1):
// mailbox addresses, namespaces, and ids that are hashes of what they name.
//
// Regular values and pure functions; thread-safe.

#ifndef SWARM_AUTH_MAILBOX_H_
#define SWARM_AUTH_MAILBOX_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "crypto/base/fixed_bytes.h"
#include "crypto/identity/account_id.h"
#include "crypto/sign/ed25519.h"

namespace messenger::swarm {

// 33 bytes: an account id (0x05...), or 0x06 and a hash of the two keys that
// read and write the mailbox of one pair of people.
class MailboxAddress final {
 public:
  static constexpr size_t kSize = 33;
  enum class Kind : uint8_t { kAccount = 0x05, kPairwise = 0x06 };

  // INVALID_ARGUMENT unless 33 bytes long with a known first byte.
  static absl::StatusOr<MailboxAddress> FromBytes(absl::string_view bytes);
  static MailboxAddress ForAccount(const crypto::AccountId& account);
  static MailboxAddress ForPair(const crypto::Ed25519PublicKey& read_key,
                                const crypto::Ed25519PublicKey& write_key);

  Kind kind() const { return static_cast<Kind>(bytes_.bytes()[0]); }
  absl::string_view bytes() const { return bytes_.bytes(); }

  friend bool operator==(const MailboxAddress& a, const MailboxAddress& b) {
    return a.bytes_ == b.bytes_;
  }
  friend bool operator!=(const MailboxAddress& a, const MailboxAddress& b) {
    return !(a == b);
  }
  friend bool operator<(const MailboxAddress& a, const MailboxAddress& b) {
    return a.bytes_ < b.bytes_;
  }
  template <typename H>
  friend H AbslHashValue(H state, const MailboxAddress& address) {
    return H::combine(std::move(state), address.bytes_);
  }

 private:
  using Storage = crypto::FixedBytes<struct MailboxAddressTag, kSize>;
  explicit MailboxAddress(const Storage& bytes) : bytes_(bytes) {}

  Storage bytes_;
};

// A compartment of a mailbox, with rules of its own. On the wire: append only.
enum class MailboxNamespace : uint16_t {
  // Messages from strangers to an account: anybody writes, the owner reads.
  kInbox = 0,
  // Signed records of an account: the owner writes, anybody reads.
  kIdentityRecord = 1,
  kPrekeyRecords = 2,
  // Messages of a pairwise mailbox: one key writes, another reads.
  kPairwise = 10,
};

// INVALID_ARGUMENT unless `value` is a namespace for messages (or records) and
// mailboxes of this kind have it.
absl::StatusOr<MailboxNamespace> MessageNamespace(MailboxAddress::Kind kind,
                                                  uint32_t value);
absl::StatusOr<MailboxNamespace> RecordNamespace(MailboxAddress::Kind kind,
                                                 uint32_t value);

// Names an object a swarm stores: a message, a version of a record, a
// deletion. Always a hash of all that matters, so repeating is harmless.
using ObjectId = crypto::FixedBytes<struct ObjectIdTag, 32>;
using MessageId = ObjectId;

MessageId ComputeMessageId(const MailboxAddress& mailbox, MailboxNamespace ns,
                           absl::string_view payload);

}  // namespace messenger::swarm

#endif  // SWARM_AUTH_MAILBOX_H_
