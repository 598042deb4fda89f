// A mailbox exists for its swarm once its reader has registered it, and paid
// for that with work (swarm/SPEC.md, sections 1.6 and 3.6). And the work a
// stranger pays with when an inbox is crowded (section 3.8).
//
// Pure functions; thread-safe. Clocks are the caller's business.

#ifndef SWARM_AUTH_REGISTRATION_H_
#define SWARM_AUTH_REGISTRATION_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "crypto/sign/ed25519.h"
#include "swarm/auth/mailbox.h"
#include "swarm/auth/request_auth.h"

namespace messenger::swarm {

struct RegistrationTerms {
  MailboxAddress mailbox;
  uint64_t timestamp_ms = 0;
  uint64_t proof_nonce = 0;
};

std::string RegistrationSignedBytes(const RegistrationTerms& terms);
// By the account key or read key.
crypto::Ed25519Signature SignRegistration(
    const crypto::Ed25519PrivateKey& read_key, const RegistrationTerms& terms);
// INVALID_ARGUMENT or PERMISSION_DENIED as CheckKeysOf(), UNAUTHENTICATED.
absl::Status VerifyRegistration(const MailboxKeys& keys,
                                const RegistrationTerms& terms,
                                const crypto::Ed25519Signature& signature);
// What receipts for it name.
ObjectId RegistrationId(const RegistrationTerms& terms);

// Leading zero bits of the hash that a registration's nonce makes.
int RegistrationWork(const RegistrationTerms& terms);

// Leading zero bits of the hash that a message's nonce makes in `hour` (Unix
// hours). Bound to the message, its mailbox and the hour: no stock of work can
// be laid up and none is used twice.
int MessageWork(const MessageId& id, const MailboxAddress& mailbox,
                uint32_t hour, uint64_t nonce);

// Searches nonces `from`, `from` + 1, ... and gives the first of at most
// `tries` with `bits` of work; nothing if none has. 2^bits tries are expected.
std::optional<uint64_t> FindRegistrationNonce(RegistrationTerms terms, int bits,
                                              uint64_t from, uint64_t tries);
std::optional<uint64_t> FindMessageNonce(const MessageId& id,
                                         const MailboxAddress& mailbox,
                                         uint32_t hour, int bits, uint64_t from,
                                         uint64_t tries);

}  // namespace messenger::swarm

#endif  // SWARM_AUTH_REGISTRATION_H_
