#include "routing/directory/node_keys.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "crypto/base/bytes.h"
#include "crypto/base/secret_bytes.h"
#include "crypto/base/secure_memory.h"
#include "crypto/base/status_macros.h"
#include "crypto/hash/hash.h"
#include "routing/runtime/files.h"

namespace messenger::routing {
namespace {

using crypto::ByteReader;
using crypto::ByteWriter;

// The file: magic | n u8 | n x {epoch u32, secret 32} | m u8 | m x {epoch u32,
// seed 64} | BLAKE2b-256 of all before.
constexpr absl::string_view kMagic = "nm-node-keys-1\n";
constexpr size_t kMaxKeys = 8;

uint32_t EpochOf(absl::Time time, absl::Duration period) {
  return static_cast<uint32_t>((time - absl::UnixEpoch()) / period);
}

absl::Time StartOf(uint32_t epoch, absl::Duration period) {
  return absl::UnixEpoch() + period * static_cast<int64_t>(epoch);
}

// When the last SETUP under a key of `epoch` may still arrive.
absl::Time EndOf(uint32_t epoch, absl::Duration period,
                 absl::Duration overlap) {
  return StartOf(epoch, period) + period + overlap;
}

struct Rotated {
  bool deleted = false;
  bool made = false;
};

// Deletes what is over, or so far ahead that the clock must have been wrong,
// and makes the keys of the current epoch and the next.
template <typename Keys, typename Generate>
Rotated RotateKind(Keys& keys, absl::Time now, absl::Duration period,
                   absl::Duration overlap, Generate generate) {
  const uint32_t current = EpochOf(now, period);
  Rotated rotated;
  for (auto it = keys.begin(); it != keys.end();) {
    if (EndOf(it->first, period, overlap) <= now || it->first > current + 1) {
      it = keys.erase(it);
      rotated.deleted = true;
    } else {
      ++it;
    }
  }
  for (const uint32_t epoch : {current, current + 1}) {
    if (keys.contains(epoch)) continue;
    keys.emplace(epoch, generate());
    rotated.made = true;
  }
  return rotated;
}

template <typename Keys>
absl::Time NextOfKind(const Keys& keys, absl::Time now, absl::Duration period,
                      absl::Duration overlap) {
  // The next key but one is made when the next becomes current.
  absl::Time next = StartOf(EpochOf(now, period) + 1, period);
  for (const auto& [epoch, key] : keys) {
    next = std::min(next, EndOf(epoch, period, overlap));
  }
  return next;
}

}  // namespace

NodeKeys::NodeKeys(std::string path, const NodeId& node_id,
                   const NetworkParams& params, crypto::Random& random)
    : path_(std::move(path)),
      node_id_(node_id),
      params_(params),
      random_(random) {}

absl::StatusOr<std::unique_ptr<NodeKeys>> NodeKeys::Open(
    std::string path, const NodeId& node_id, const NetworkParams& params,
    crypto::Random& random, absl::Time now) {
  RETURN_IF_ERROR(params.Check());
  // Not make_unique: the constructor is private.
  std::unique_ptr<NodeKeys> keys(
      new NodeKeys(std::move(path), node_id, params, random));
  RETURN_IF_ERROR(keys->Load());
  RETURN_IF_ERROR(keys->Rotate(now).status());
  return keys;
}

absl::StatusOr<bool> NodeKeys::Rotate(absl::Time now) {
  const Rotated onion = RotateKind(
      onion_, now, params_.onion_key_period, params_.onion_overlap, [this] {
        return std::make_unique<crypto::X25519PrivateKey>(
            crypto::X25519PrivateKey::Generate(random_));
      });
  const Rotated kem = RotateKind(
      kem_, now, params_.kem_key_period, params_.kem_overlap, [this] {
        return std::make_unique<crypto::MlKem768PrivateKey>(
            crypto::MlKem768PrivateKey::Generate(random_));
      });
  Reindex();
  const bool made = onion.made || kem.made;
  if (made || onion.deleted || kem.deleted) RETURN_IF_ERROR(Save());
  return made;
}

absl::Time NodeKeys::NextRotation(absl::Time now) const {
  return std::min(
      NextOfKind(onion_, now, params_.onion_key_period, params_.onion_overlap),
      NextOfKind(kem_, now, params_.kem_key_period, params_.kem_overlap));
}

const HopSecrets* NodeKeys::Find(OnionEpochs epochs, absl::Time now) const {
  // The timer that deletes a key may be late; the key's end is not.
  if (EndOf(epochs.onion, params_.onion_key_period, params_.onion_overlap) <=
          now ||
      EndOf(epochs.kem, params_.kem_key_period, params_.kem_overlap) <= now) {
    return nullptr;
  }
  const auto it = secrets_.find({epochs.onion, epochs.kem});
  return it == secrets_.end() ? nullptr : &it->second;
}

void NodeKeys::FillDescriptor(Descriptor& descriptor, absl::Time now) const {
  descriptor.onion_keys.clear();
  descriptor.kem_keys.clear();
  const uint32_t onion_epoch = EpochOf(now, params_.onion_key_period);
  const uint32_t kem_epoch = EpochOf(now, params_.kem_key_period);
  for (const auto& [epoch, key] : onion_) {
    if (epoch >= onion_epoch) {
      descriptor.onion_keys.emplace(epoch, key->public_key());
    }
  }
  for (const auto& [epoch, key] : kem_) {
    if (epoch >= kem_epoch) {
      descriptor.kem_keys.emplace(epoch, key->public_key());
    }
  }
}

absl::Status NodeKeys::Load() {
  if (path_.empty()) return absl::OkStatus();
  absl::StatusOr<std::string> file = ReadFile(path_, /*max_bytes=*/4096);
  if (absl::IsNotFound(file.status())) return absl::OkStatus();
  RETURN_IF_ERROR(file.status());
  const absl::Status damaged =
      absl::DataLossError("the file of node keys is damaged");
  const absl::string_view bytes = *file;
  constexpr size_t kDigest = crypto::Digest256::kSize;
  if (bytes.size() < kMagic.size() + kDigest ||
      !absl::StartsWith(bytes, kMagic)) {
    return damaged;
  }
  const absl::string_view body = bytes.substr(0, bytes.size() - kDigest);
  if (crypto::Blake2b256("nm1-nodekeys", {body}).bytes() !=
      bytes.substr(body.size())) {
    return damaged;
  }
  ByteReader reader(body.substr(kMagic.size()));
  for (int n = reader.U8(); n > 0 && reader.ok(); --n) {
    const uint32_t epoch = reader.U32();
    auto secret = crypto::SecretBytes<32>::FromBytes(reader.Bytes(32));
    if (!secret.ok()) return damaged;
    onion_.emplace(
        epoch, std::make_unique<crypto::X25519PrivateKey>(
                   crypto::X25519PrivateKey::FromBytes(*std::move(secret))));
  }
  for (int n = reader.U8(); n > 0 && reader.ok(); --n) {
    const uint32_t epoch = reader.U32();
    auto seed = crypto::SecretBytes<64>::FromBytes(reader.Bytes(64));
    if (!seed.ok()) return damaged;
    kem_.emplace(epoch, std::make_unique<crypto::MlKem768PrivateKey>(
                            crypto::MlKem768PrivateKey::FromSeed(*seed)));
  }
  const bool whole = reader.Finish().ok() && onion_.size() <= kMaxKeys &&
                     kem_.size() <= kMaxKeys;
  crypto::SecureWipe(*file);
  return whole ? absl::OkStatus() : damaged;
}

absl::Status NodeKeys::Save() const {
  if (path_.empty()) return absl::OkStatus();
  ByteWriter writer;
  writer.Bytes(kMagic).U8(static_cast<uint8_t>(onion_.size()));
  for (const auto& [epoch, key] : onion_) {
    writer.U32(epoch).Bytes(key->secret().Expose());
  }
  writer.U8(static_cast<uint8_t>(kem_.size()));
  for (const auto& [epoch, key] : kem_) {
    writer.U32(epoch).Bytes(key->seed().Expose());
  }
  std::string body = writer.Take();
  const crypto::Digest256 digest = crypto::Blake2b256("nm1-nodekeys", {body});
  std::string file = ByteWriter().Bytes(body).Bytes(digest.bytes()).Take();
  const absl::Status status = WriteFileAtomically(path_, file);
  crypto::SecureWipe(body);
  crypto::SecureWipe(file);
  return status;
}

void NodeKeys::Reindex() {
  secrets_.clear();
  for (const auto& [onion_epoch, onion] : onion_) {
    for (const auto& [kem_epoch, kem] : kem_) {
      secrets_.try_emplace({onion_epoch, kem_epoch}, node_id_, *onion, *kem);
    }
  }
}

}  // namespace messenger::routing
