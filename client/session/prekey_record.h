// The signed medium-term keys with which strangers and contacts start sessions
// with a device while it is offline (client/SPEC.md, section 2).
//
// A record is used by any number of initiators: nothing depends on a node
// handing it out once. It is valid only together with the identity record it
// names, and until `not_after`.
//
// A `PrekeyRecord` that exists has been verified. Immutable, copyable.

#ifndef CLIENT_SESSION_PREKEY_RECORD_H_
#define CLIENT_SESSION_PREKEY_RECORD_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "client/session/device_keys.h"
#include "client/session/identity_record.h"
#include "crypto/agreement/x25519.h"
#include "crypto/hash/hash.h"
#include "crypto/kem/xwing.h"

namespace messenger::client {

inline constexpr size_t kPrekeyRecordBytes = 1417;

// Protocol bounds.
inline constexpr absl::Duration kPrekeyLifetime = absl::Hours(24 * 30);
inline constexpr absl::Duration kPrekeyClockSkew = absl::Hours(1);

// What is remembered of the newest record of a device that was taken.
struct PrekeyMark {
  uint64_t seq = 0;
  crypto::Digest256 hash;

  friend bool operator==(const PrekeyMark&, const PrekeyMark&) = default;
};

class PrekeyRecord final {
 public:
  // Signs a record. `epoch_start` is cut to milliseconds. INVALID_ARGUMENT
  // when `identity` does not list `device` with these keys, or `seq` is 0.
  static absl::StatusOr<PrekeyRecord> Create(
      const IdentityRecord& identity, const DeviceKeys& device, uint64_t seq,
      absl::Time epoch_start, const crypto::X25519PublicKey& signed_prekey,
      const crypto::XWingPublicKey& kem_prekey);

  // Reads a record from an untrusted source; `identity` is the newest accepted
  // identity record of its account.
  //   INVALID_ARGUMENT     malformed, a lifetime beyond `kPrekeyLifetime`, or
  //                        an unusable KEM key
  //   FAILED_PRECONDITION  made for another identity record, of a device not
  //                        listed, not yet valid, or expired: fetch again
  //   UNAUTHENTICATED      the device did not sign it
  static absl::StatusOr<PrekeyRecord> Verify(absl::string_view bytes,
                                             const IdentityRecord& identity,
                                             absl::Time now);

  const DeviceId& device_id() const { return device_id_; }
  const crypto::Digest256& identity_hash() const { return identity_hash_; }
  uint64_t seq() const { return seq_; }
  absl::Time epoch_start() const { return epoch_start_; }
  absl::Time not_after() const { return not_after_; }
  const crypto::X25519PublicKey& signed_prekey() const {
    return signed_prekey_;
  }
  const crypto::XWingPublicKey& kem_prekey() const { return kem_prekey_; }

  // Names the epoch in handshakes and in the replay set.
  const crypto::Digest256& hash() const { return hash_; }
  PrekeyMark mark() const { return {seq_, hash_}; }

  // Body and signature, `kPrekeyRecordBytes` long.
  const std::string& bytes() const { return bytes_; }

 private:
  PrekeyRecord() = default;

  DeviceId device_id_;
  crypto::Digest256 identity_hash_;
  uint64_t seq_ = 0;
  absl::Time epoch_start_;
  absl::Time not_after_;
  crypto::X25519PublicKey signed_prekey_;
  crypto::XWingPublicKey kem_prekey_;
  crypto::Digest256 hash_;
  std::string bytes_;
};

// Whether `candidate` may replace `newest`, the newest record seen of the same
// device.
//   FAILED_PRECONDITION  older: a node rolled it back
//   UNAUTHENTICATED      another record of the same number
//   INVALID_ARGUMENT     another device
absl::Status CheckPrekeySuccession(const PrekeyRecord& newest,
                                   const PrekeyRecord& candidate);
// The same of records that are of the same device.
absl::Status CheckPrekeySuccession(const PrekeyMark& newest,
                                   const PrekeyMark& candidate);

}  // namespace messenger::client

#endif  // CLIENT_SESSION_PREKEY_RECORD_H_
