#include "client/session/device_keys.h"

#include <cstdint>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "crypto/base/bytes.h"
#include "crypto/base/secret_bytes.h"
#include "crypto/base/status_macros.h"

namespace messenger::client {
namespace {

constexpr uint8_t kVersion = 1;

}  // namespace

DeviceKeys::DeviceKeys(DeviceId id, crypto::Ed25519PrivateKey signing_key,
                       crypto::X25519PrivateKey agreement_key)
    : id_(id),
      signing_key_(std::move(signing_key)),
      agreement_key_(std::move(agreement_key)) {}

DeviceKeys DeviceKeys::Generate(crypto::Random& random) {
  const DeviceId id = random.Fixed<DeviceId>();
  crypto::Ed25519PrivateKey signing_key =
      crypto::Ed25519PrivateKey::Generate(random);
  return DeviceKeys(id, std::move(signing_key),
                    crypto::X25519PrivateKey::Generate(random));
}

DeviceKeys DeviceKeys::GenerateFor(const crypto::Ed25519PrivateKey& signing_key,
                                   crypto::Random& random) {
  const DeviceId id = random.Fixed<DeviceId>();
  return DeviceKeys(id, crypto::Ed25519PrivateKey::FromSeed(signing_key.seed()),
                    crypto::X25519PrivateKey::Generate(random));
}

std::string DeviceKeys::Serialize() const {
  return crypto::ByteWriter()
      .U8(kVersion)
      .Bytes(id_.bytes())
      .Bytes(signing_key_.seed().Expose())
      .Bytes(agreement_key_.secret().Expose())
      .Take();
}

absl::StatusOr<DeviceKeys> DeviceKeys::Parse(absl::string_view bytes) {
  crypto::ByteReader in(bytes);
  const uint8_t version = in.U8();
  const absl::string_view id = in.Bytes(DeviceId::kSize);
  const absl::string_view signing = in.Bytes(32);
  const absl::string_view agreement = in.Bytes(32);
  RETURN_IF_ERROR(in.Finish());
  if (version != kVersion) {
    return absl::InvalidArgumentError("unknown version of device keys");
  }
  ASSIGN_OR_RETURN(const DeviceId device_id, DeviceId::FromBytes(id));
  ASSIGN_OR_RETURN(const crypto::Ed25519Seed seed,
                   crypto::Ed25519Seed::FromBytes(signing));
  ASSIGN_OR_RETURN(crypto::SecretBytes<32> secret,
                   crypto::SecretBytes<32>::FromBytes(agreement));
  return DeviceKeys(device_id, crypto::Ed25519PrivateKey::FromSeed(seed),
                    crypto::X25519PrivateKey::FromBytes(std::move(secret)));
}

}  // namespace messenger::client
