// The handshake "PQXDH-X" (client/SPEC.md, section 3): one flight from an
// initiator to a device of which it knows the identity record and a prekey
// record. Used by `Initiate` and `Accept` in session.h only.
//
// Pure functions, thread-safe.

#ifndef CLIENT_SESSION_HANDSHAKE_H_
#define CLIENT_SESSION_HANDSHAKE_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "client/session/device_keys.h"
#include "client/session/identity_record.h"
#include "client/session/prekey_record.h"
#include "client/session/prekey_secrets.h"
#include "client/session/ratchet.h"
#include "crypto/hash/hash.h"
#include "crypto/identity/account_id.h"
#include "crypto/kem/xwing.h"
#include "crypto/random/random.h"

namespace messenger::client {

inline constexpr uint8_t kHandshakeVersion = 1;
inline constexpr size_t kOuterPlaintextBytes = 1920;
inline constexpr size_t kOuterBytes = kOuterPlaintextBytes + 48;
// version | EKA | c1 | c2 | outer
inline constexpr size_t kHandshakeBytes = 1 + 32 + 1120 + 1120 + kOuterBytes;

struct HandshakeOffer {
  std::string bytes;  // kHandshakeBytes, the beginning of each initial blob
  RatchetRoot root;
};

// INVALID_ARGUMENT on an unusable key of the peer.
absl::StatusOr<HandshakeOffer> OfferHandshake(const IdentityRecord& own_record,
                                              const DeviceKeys& own_device,
                                              const IdentityRecord& peer,
                                              const PrekeyRecord& peer_prekey,
                                              uint64_t generation_ms,
                                              crypto::Random& random);

struct HandshakeAnswer {
  RatchetRoot root;
  IdentityRecord peer_identity;
  DeviceId peer_device;
  uint64_t generation_ms;
  size_t epoch;  // index into PrekeySecrets::epochs()
};

// Tries the epochs of `prekeys`, newest first. `bytes` is kHandshakeBytes long.
//   INVALID_ARGUMENT  version, or a low-order EKA
//   UNAUTHENTICATED   no epoch opens it, or its sender is not genuine
absl::StatusOr<HandshakeAnswer> AnswerHandshake(
    const crypto::AccountId& own_account, const DeviceKeys& own_device,
    const crypto::XWingPrivateKey& own_identity_kem,
    const PrekeySecrets& prekeys, absl::string_view bytes);

}  // namespace messenger::client

#endif  // CLIENT_SESSION_HANDSHAKE_H_
