// Who may do what to a mailbox, and the exact bytes they sign to prove it
// (swarm/SPEC.md, sections 3.1 to 3.3). Used by both ends.
//
// Pure functions; thread-safe. Clocks and replays are the caller's business.

#ifndef SWARM_AUTH_REQUEST_AUTH_H_
#define SWARM_AUTH_REQUEST_AUTH_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "crypto/base/fixed_bytes.h"
#include "crypto/sign/ed25519.h"
#include "routing/onion/node_id.h"
#include "swarm/auth/mailbox.h"

namespace messenger::swarm {

using RequestNonce = crypto::FixedBytes<struct RequestNonceTag, 16>;

// The keys a request shows: the account's Ed25519 key alone, or both keys of a
// pairwise mailbox.
struct MailboxKeys {
  crypto::Ed25519PublicKey read_key;
  std::optional<crypto::Ed25519PublicKey> write_key;
};

// Whether these are the keys that `mailbox` commits to. INVALID_ARGUMENT: a
// number of keys that its kind does not have; PERMISSION_DENIED: other keys.
absl::Status CheckKeysOf(const MailboxAddress& mailbox,
                         const MailboxKeys& keys);

// A message for a pairwise mailbox, signed by its write key.
std::string WriteSignedBytes(const MessageId& id, uint64_t expiry_ms);
crypto::Ed25519Signature SignWrite(const crypto::Ed25519PrivateKey& write_key,
                                   const MessageId& id, uint64_t expiry_ms);

// One page from one node, once; signed by the account key or read key.
struct RetrieveTerms {
  routing::NodeId node;
  MailboxAddress mailbox;
  MailboxNamespace ns;
  uint64_t cursor = 0;
  uint64_t incarnation = 0;
  uint32_t limit = 0;
  uint64_t timestamp_ms = 0;
  uint64_t challenge = 0;  // the node's
  RequestNonce nonce;
};
std::string RetrieveSignedBytes(const RetrieveTerms& terms);
crypto::Ed25519Signature SignRetrieve(const crypto::Ed25519PrivateKey& read_key,
                                      const RetrieveTerms& terms);

// A deletion, signed by the account key or read key. The same order goes to
// all members.
struct DeleteTerms {
  MailboxAddress mailbox;
  MailboxNamespace ns;
  uint64_t timestamp_ms = 0;
  RequestNonce nonce;
  // 0: at once. Otherwise the messages end at this time instead of a later
  // one (section 3.3).
  uint64_t effective_ms = 0;
  std::vector<MessageId> ids;  // at most kMaxDeleteIds
};
std::string DeleteSignedBytes(const DeleteTerms& terms);
crypto::Ed25519Signature SignDelete(const crypto::Ed25519PrivateKey& read_key,
                                    const DeleteTerms& terms);
// What receipts for a deletion name.
ObjectId DeletionId(const DeleteTerms& terms);

// "Everything in this compartment that ends at `expiry_until_ms` or before is
// deleted, also what is yet to arrive"; signed by the account key or read key
// (section 3.7). Messages carry no time but their expiry, on which all members
// agree.
struct PurgeTerms {
  MailboxAddress mailbox;
  MailboxNamespace ns;
  uint64_t expiry_until_ms = 0;
  uint64_t timestamp_ms = 0;
  RequestNonce nonce;
};
std::string PurgeSignedBytes(const PurgeTerms& terms);
crypto::Ed25519Signature SignPurge(const crypto::Ed25519PrivateKey& read_key,
                                   const PurgeTerms& terms);
ObjectId PurgeId(const PurgeTerms& terms);

// Each checks keys against the address, then the signature: INVALID_ARGUMENT
// or PERMISSION_DENIED as CheckKeysOf(), UNAUTHENTICATED.
absl::Status VerifyWrite(const MailboxAddress& mailbox, const MailboxKeys& keys,
                         const MessageId& id, uint64_t expiry_ms,
                         const crypto::Ed25519Signature& signature);
absl::Status VerifyRetrieve(const MailboxKeys& keys, const RetrieveTerms& terms,
                            const crypto::Ed25519Signature& signature);
absl::Status VerifyDelete(const MailboxKeys& keys, const DeleteTerms& terms,
                          const crypto::Ed25519Signature& signature);
absl::Status VerifyPurge(const MailboxKeys& keys, const PurgeTerms& terms,
                         const crypto::Ed25519Signature& signature);

}  // namespace messenger::swarm

#endif  // SWARM_AUTH_REQUEST_AUTH_H_
