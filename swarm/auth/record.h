// A small signed document of an account, of which the newest version counts
// (swarm/SPEC.md, sections 1.4 and 3.4): its identity record, a device's
// prekeys.
//
// Whoever reads one verifies it again: members are not trusted with it.

#ifndef SWARM_AUTH_RECORD_H_
#define SWARM_AUTH_RECORD_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "crypto/base/fixed_bytes.h"
#include "crypto/sign/ed25519.h"
#include "swarm/auth/mailbox.h"

namespace messenger::swarm {

// Which of several records of a namespace: a device id, or zero.
using RecordKey = crypto::FixedBytes<struct RecordKeyTag, 16>;

struct Record {
  RecordKey key;
  uint64_t seq = 0;
  std::string body;
  crypto::Ed25519PublicKey owner_key;
  crypto::Ed25519Signature signature;

  friend bool operator==(const Record&, const Record&) = default;
};

std::string RecordSignedBytes(const MailboxAddress& mailbox,
                              MailboxNamespace ns, const Record& record);

// Fills in `owner_key` and `signature`.
void SignRecord(const crypto::Ed25519PrivateKey& account_key,
                const MailboxAddress& mailbox, MailboxNamespace ns,
                Record& record);

// PERMISSION_DENIED unless `owner_key` is the account's; UNAUTHENTICATED
// unless it signed.
absl::Status VerifyRecord(const MailboxAddress& mailbox, MailboxNamespace ns,
                          const Record& record);

// Names this version; what receipts for it name.
ObjectId RecordId(const MailboxAddress& mailbox, MailboxNamespace ns,
                  const Record& record);

// Whether a version replaces another: the higher seq, then the higher id. A
// total order, so members that saw versions in different orders agree.
inline bool Supersedes(uint64_t seq, const ObjectId& id, uint64_t than_seq,
                       const ObjectId& than_id) {
  return seq != than_seq ? seq > than_seq : than_id < id;
}

}  // namespace messenger::swarm

#endif  // SWARM_AUTH_RECORD_H_
