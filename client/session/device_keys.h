// The long-term keys of one device (client/SPEC.md, section 1): an Ed25519 key
// that signs its prekey records and an X25519 key that authenticates its
// handshakes. The account's signed identity record lists their public halves.
//
// Move-only and thread-compatible.

#ifndef CLIENT_SESSION_DEVICE_KEYS_H_
#define CLIENT_SESSION_DEVICE_KEYS_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "crypto/agreement/x25519.h"
#include "crypto/base/fixed_bytes.h"
#include "crypto/random/random.h"
#include "crypto/sign/ed25519.h"

namespace messenger::client {

// Chosen at random by the device when it is set up.
using DeviceId = crypto::FixedBytes<struct DeviceIdTag, 16>;

class DeviceKeys final {
 public:
  static DeviceKeys Generate(crypto::Random& random);
  // With a signing key that there is already (client/SPEC.md, section 14).
  static DeviceKeys GenerateFor(const crypto::Ed25519PrivateKey& signing_key,
                                crypto::Random& random);

  // For the encrypted database. The string is secret; wipe it after use.
  // Parse: INVALID_ARGUMENT on another length or version.
  std::string Serialize() const;
  static absl::StatusOr<DeviceKeys> Parse(absl::string_view bytes);

  const DeviceId& id() const { return id_; }
  const crypto::Ed25519PrivateKey& signing_key() const { return signing_key_; }
  const crypto::X25519PrivateKey& agreement_key() const {
    return agreement_key_;
  }

 private:
  DeviceKeys(DeviceId id, crypto::Ed25519PrivateKey signing_key,
             crypto::X25519PrivateKey agreement_key);

  DeviceId id_;
  crypto::Ed25519PrivateKey signing_key_;
  crypto::X25519PrivateKey agreement_key_;
};

}  // namespace messenger::client

#endif  // CLIENT_SESSION_DEVICE_KEYS_H_
