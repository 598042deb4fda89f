// A member's signed statement that an object is on its disk, or that its
// owner's deletion of it is (swarm/SPEC.md, section 3.5).
//
// A client shows "sent" only with W of these from distinct members of the
// swarm in its own directory copy.

#ifndef SWARM_AUTH_RECEIPT_H_
#define SWARM_AUTH_RECEIPT_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "crypto/sign/ed25519.h"
#include "routing/onion/node_id.h"
#include "swarm/auth/mailbox.h"

namespace messenger::swarm {

// What is promised. `expiry_ms` is 0 for records and deletions, which stay
// until replaced or no longer needed.
struct ReceiptSubject {
  ObjectId id;
  MailboxAddress mailbox;
  uint64_t expiry_ms = 0;

  friend bool operator==(const ReceiptSubject&,
                         const ReceiptSubject&) = default;
};

struct Receipt {
  routing::NodeId node;
  uint64_t epoch = 0;         // of the directory the member used
  uint64_t node_time_ms = 0;  // its clock, Unix milliseconds
  crypto::Ed25519Signature signature;
};

// `storage_key` is the one the directory lists for `node`.
Receipt SignReceipt(const crypto::Ed25519PrivateKey& storage_key,
                    const ReceiptSubject& subject, const routing::NodeId& node,
                    uint64_t epoch, uint64_t node_time_ms);

// UNAUTHENTICATED unless the holder of `storage_key` made this receipt for
// exactly this subject.
absl::Status VerifyReceipt(const crypto::Ed25519PublicKey& storage_key,
                           const ReceiptSubject& subject,
                           const Receipt& receipt);

// The signed bytes, for the specification's vectors.
std::string ReceiptSignedBytes(const ReceiptSubject& subject,
                               const Receipt& receipt);

}  // namespace messenger::swarm

#endif  // SWARM_AUTH_RECEIPT_H_
