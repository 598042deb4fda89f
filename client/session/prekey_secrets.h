// The secrets behind a device's published prekey records, and the rules of
// when they are made and destroyed (client/SPEC.md, section 2).
//
//   rotate   every 24 h, give or take a random 2 h, and whenever the account's
//            identity record changes
//   delete   48 h after the successor was made, once the inbox has been read
//            completely since then; at the latest 16 days after it
//
// The newest epoch is never deleted: a device that was away for a month can
// still read what it was sent with its last record.
//
// Move-only, not thread-safe. The caller stores `Serialize()` in the same
// transaction in which it acts on a change, and publishes a new record only
// after that.

#ifndef CLIENT_SESSION_PREKEY_SECRETS_H_
#define CLIENT_SESSION_PREKEY_SECRETS_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "client/session/device_keys.h"
#include "client/session/identity_record.h"
#include "client/session/prekey_record.h"
#include "crypto/agreement/x25519.h"
#include "crypto/hash/hash.h"
#include "crypto/kem/xwing.h"
#include "crypto/random/random.h"

namespace messenger::client {

inline constexpr absl::Duration kPrekeyRotation = absl::Hours(24);
inline constexpr absl::Duration kPrekeyRotationJitter = absl::Hours(2);
// An initiator uses a cached record for so long.
inline constexpr absl::Duration kPrekeyGrace = absl::Hours(48);
// The grace period and the longest time a message waits in a swarm.
inline constexpr absl::Duration kPrekeyRetention = absl::Hours(24 * 16);
// Bound of the list; the oldest superseded epoch makes room.
inline constexpr size_t kMaxPrekeyEpochs = 40;

struct PrekeyEpoch {
  crypto::Digest256 record_hash;
  crypto::Digest256 identity_hash;
  uint64_t seq = 0;
  absl::Time start;
  std::optional<absl::Time> superseded;  // none for the newest
  crypto::X25519PrivateKey signed_prekey;
  crypto::XWingPrivateKey kem_prekey;
};

class PrekeySecrets final {
 public:
  // No epoch yet: `ShouldRotate` is true at once.
  PrekeySecrets() = default;
  PrekeySecrets(PrekeySecrets&&) = default;
  PrekeySecrets& operator=(PrekeySecrets&&) = default;

  // True when a new record is due.
  bool ShouldRotate(const IdentityRecord& identity, absl::Time now) const;

  // Makes the next epoch and its record. INVALID_ARGUMENT when `identity` does
  // not list `device`; nothing has changed then.
  absl::StatusOr<PrekeyRecord> Rotate(const IdentityRecord& identity,
                                      const DeviceKeys& device, absl::Time now,
                                      crypto::Random& random);

  // The newest record was published at `now`; until then others were given the
  // one of `published_before` (its seq; 0: not known), which is superseded now
  // only. Without this call an epoch counts as superseded when its successor
  // was made.
  void MarkPublished(uint64_t published_before, absl::Time now);

  // Deletes the secrets that are no longer needed and returns the record
  // hashes of their epochs, whose replay set entries can go as well.
  // `last_complete_drain` is when the newest retrieval began that read the
  // inbox to the end at a read quorum of its swarm; InfinitePast if none did.
  std::vector<crypto::Digest256> DeleteFinished(absl::Time now,
                                                absl::Time last_complete_drain);

  // Signed bytes of the newest record, to publish again where it is missing;
  // empty when there is none.
  const std::string& current_record() const { return current_record_; }
  absl::Time next_rotation() const { return next_rotation_; }

  // Oldest first.
  const std::vector<PrekeyEpoch>& epochs() const { return epochs_; }

  // For the encrypted database. The string is secret; wipe it after use.
  // Parse: DATA_LOSS when the bytes are not what `Serialize` wrote.
  std::string Serialize() const;
  static absl::StatusOr<PrekeySecrets> Parse(absl::string_view bytes);

 private:
  std::vector<PrekeyEpoch> epochs_;
  std::string current_record_;
  absl::Time next_rotation_ = absl::InfinitePast();
};

}  // namespace messenger::client

#endif  // CLIENT_SESSION_PREKEY_SECRETS_H_
