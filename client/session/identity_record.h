// The signed statement of which keys belong to an account and which devices
// act for it (client/SPEC.md, section 1). Any untrusted node may serve it: the
// account id is the account's own key, and that key signs the record.
//
// Records of one account form a chain of rising sequence numbers. Whoever has
// seen one accepts only successors: see `CheckIdentitySuccession`.
//
// An `IdentityRecord` that exists has been verified. Immutable, copyable.

#ifndef CLIENT_SESSION_IDENTITY_RECORD_H_
#define CLIENT_SESSION_IDENTITY_RECORD_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "client/session/device_keys.h"
#include "crypto/agreement/x25519.h"
#include "crypto/hash/hash.h"
#include "crypto/identity/account_id.h"
#include "crypto/identity/account_keys.h"
#include "crypto/kem/xwing.h"
#include "crypto/sign/ed25519.h"

namespace messenger::client {

inline constexpr size_t kMaxDevices = 5;

// The body is 1763 bytes whatever the number of devices; 64 bytes of
// signature follow.
inline constexpr size_t kIdentityRecordBytes = 1827;

struct DeviceEntry {
  DeviceId id;
  crypto::Ed25519PublicKey signing_key;
  crypto::X25519PublicKey agreement_key;
  absl::Time added;  // whole milliseconds

  friend bool operator==(const DeviceEntry& a, const DeviceEntry& b) {
    return a.id == b.id && a.signing_key == b.signing_key &&
           a.agreement_key == b.agreement_key && a.added == b.added;
  }
};

// The public entry of `keys`, as listed since `added`.
DeviceEntry MakeDeviceEntry(const DeviceKeys& keys, absl::Time added);

class IdentityRecord final {
 public:
  // Signs the first record of an account (seq 1). INVALID_ARGUMENT on no
  // device, more than `kMaxDevices`, or two devices with one id.
  static absl::StatusOr<IdentityRecord> First(
      const crypto::AccountKeys& account,
      absl::Span<const DeviceEntry> devices);

  // Signs the record that follows `this`. INVALID_ARGUMENT as above, or when
  // `account` is another account.
  absl::StatusOr<IdentityRecord> Next(
      const crypto::AccountKeys& account,
      absl::Span<const DeviceEntry> devices) const;

  // As `First` with a free choice of the sequence number and the predecessor's
  // hash: for an account restored from its recovery phrase, which learns both
  // from the record found in the swarm.
  static absl::StatusOr<IdentityRecord> Create(
      const crypto::AccountKeys& account, uint64_t seq,
      const crypto::Digest256& previous_hash,
      absl::Span<const DeviceEntry> devices);

  // Reads a record from an untrusted source.
  //   INVALID_ARGUMENT  malformed, or a key in it is unusable
  //   UNAUTHENTICATED   its key does not make its account id, or the signature
  //                     is wrong
  // The caller still has to compare `account_id()` with the one it asked for.
  static absl::StatusOr<IdentityRecord> Verify(absl::string_view bytes);

  const crypto::AccountId& account_id() const { return account_id_; }
  uint64_t seq() const { return seq_; }
  const crypto::Ed25519PublicKey& signing_key() const { return signing_key_; }
  const crypto::XWingPublicKey& identity_kem() const { return identity_kem_; }
  const crypto::Digest256& previous_hash() const { return previous_hash_; }
  const std::vector<DeviceEntry>& devices() const { return devices_; }

  // The entry of `device`, or null when the account does not list it. Valid as
  // long as the record.
  const DeviceEntry* FindDevice(const DeviceId& device) const;

  // What prekey records and successors refer to.
  const crypto::Digest256& hash() const { return hash_; }

  // Body and signature, `kIdentityRecordBytes` long.
  const std::string& bytes() const { return bytes_; }

  friend bool operator==(const IdentityRecord& a, const IdentityRecord& b) {
    return a.bytes_ == b.bytes_;
  }

 private:
  explicit IdentityRecord(const crypto::AccountId& account_id)
      : account_id_(account_id) {}

  crypto::AccountId account_id_;
  uint64_t seq_ = 0;
  crypto::Ed25519PublicKey signing_key_;
  crypto::XWingPublicKey identity_kem_;
  crypto::Digest256 previous_hash_;
  std::vector<DeviceEntry> devices_;
  crypto::Digest256 hash_;
  std::string bytes_;
};

// Whether `candidate` may replace `pinned`, the newest record seen so far. The
// same record again is fine.
//   INVALID_ARGUMENT     another account
//   FAILED_PRECONDITION  older than `pinned`: a node rolled it back
//   UNAUTHENTICATED      a fork: another record of the same number, a direct
//                        successor that names another predecessor, or another
//                        account KEM key
absl::Status CheckIdentitySuccession(const IdentityRecord& pinned,
                                     const IdentityRecord& candidate);

}  // namespace messenger::client

#endif  // CLIENT_SESSION_IDENTITY_RECORD_H_
