#include "client/session/prekey_secrets.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "crypto/base/bytes.h"
#include "crypto/base/secret_bytes.h"
#include "crypto/base/status_macros.h"

namespace messenger::client {
namespace {

constexpr uint8_t kVersion = 1;

absl::Time ToMillis(absl::Time time) {
  return absl::FromUnixMillis(absl::ToUnixMillis(time));
}

bool IsFinished(const PrekeyEpoch& epoch, absl::Time now,
                absl::Time last_complete_drain) {
  if (!epoch.superseded.has_value()) return false;
  const absl::Time drained_after = *epoch.superseded + kPrekeyGrace;
  return (now > drained_after && last_complete_drain > drained_after) ||
         now > *epoch.superseded + kPrekeyRetention;
}

absl::Status Damaged() {
  return absl::DataLossError("stored prekeys are damaged");
}

}  // namespace

bool PrekeySecrets::ShouldRotate(const IdentityRecord& identity,
                                 absl::Time now) const {
  return epochs_.empty() || now >= next_rotation_ ||
         epochs_.back().identity_hash != identity.hash() ||
         // The clock was far ahead when the epoch was made, so that others
         // refuse its record.
         now + kPrekeyClockSkew < epochs_.back().start;
}

absl::StatusOr<PrekeyRecord> PrekeySecrets::Rotate(
    const IdentityRecord& identity, const DeviceKeys& device, absl::Time now,
    crypto::Random& random) {
  const uint64_t seq = epochs_.empty() ? 1 : epochs_.back().seq + 1;
  now = ToMillis(now);
  crypto::X25519PrivateKey signed_prekey =
      crypto::X25519PrivateKey::Generate(random);
  crypto::XWingPrivateKey kem_prekey =
      crypto::XWingPrivateKey::Generate(random);
  ASSIGN_OR_RETURN(PrekeyRecord record,
                   PrekeyRecord::Create(identity, device, seq, now,
                                        signed_prekey.public_key(),
                                        kem_prekey.public_key()));
  if (!epochs_.empty()) {
    epochs_.back().superseded = std::max(now, epochs_.back().start);
  }
  epochs_.push_back(PrekeyEpoch{record.hash(), identity.hash(), seq, now,
                                std::nullopt, std::move(signed_prekey),
                                std::move(kem_prekey)});
  if (epochs_.size() > kMaxPrekeyEpochs) epochs_.erase(epochs_.begin());
  current_record_ = record.bytes();
  const auto window_ms = static_cast<uint64_t>(
      absl::ToInt64Milliseconds(2 * kPrekeyRotationJitter));
  next_rotation_ =
      now + kPrekeyRotation - kPrekeyRotationJitter +
      absl::Milliseconds(static_cast<int64_t>(random.Uniform(window_ms + 1)));
  return record;
}

void PrekeySecrets::MarkPublished(uint64_t published_before, absl::Time now) {
  for (PrekeyEpoch& epoch : epochs_) {
    if (epoch.superseded && epoch.seq >= published_before) {
      epoch.superseded = std::max(*epoch.superseded, ToMillis(now));
    }
  }
}

std::vector<crypto::Digest256> PrekeySecrets::DeleteFinished(
    absl::Time now, absl::Time last_complete_drain) {
  std::vector<crypto::Digest256> deleted;
  for (auto epoch = epochs_.begin(); epoch != epochs_.end();) {
    if (IsFinished(*epoch, now, last_complete_drain)) {
      deleted.push_back(epoch->record_hash);
      epoch = epochs_.erase(epoch);
    } else {
      ++epoch;
    }
  }
  return deleted;
}

std::string PrekeySecrets::Serialize() const {
  crypto::ByteWriter out;
  out.U8(kVersion);
  out.U64(epochs_.empty()
              ? 0
              : static_cast<uint64_t>(absl::ToUnixMillis(next_rotation_)));
  out.Var16(current_record_);
  out.U8(static_cast<uint8_t>(epochs_.size()));
  for (const PrekeyEpoch& epoch : epochs_) {
    out.Bytes(epoch.record_hash.bytes())
        .Bytes(epoch.identity_hash.bytes())
        .U64(epoch.seq)
        .U64(static_cast<uint64_t>(absl::ToUnixMillis(epoch.start)))
        .U8(epoch.superseded.has_value() ? 1 : 0)
        .U64(epoch.superseded.has_value()
                 ? static_cast<uint64_t>(absl::ToUnixMillis(*epoch.superseded))
                 : 0)
        .Bytes(epoch.signed_prekey.secret().Expose())
        .Bytes(epoch.kem_prekey.seed().Expose());
  }
  return out.Take();
}

absl::StatusOr<PrekeySecrets> PrekeySecrets::Parse(absl::string_view bytes) {
  crypto::ByteReader in(bytes);
  constexpr uint64_t kMaxMs = std::numeric_limits<int64_t>::max();
  if (in.U8() != kVersion) return Damaged();
  PrekeySecrets secrets;
  const uint64_t next_rotation = in.U64();
  secrets.current_record_ = std::string(in.Var16());
  const size_t count = in.U8();
  if (!in.ok() || count > kMaxPrekeyEpochs || next_rotation > kMaxMs ||
      secrets.current_record_.size() != (count == 0 ? 0 : kPrekeyRecordBytes)) {
    return Damaged();
  }
  for (size_t i = 0; i < count; ++i) {
    const auto record_hash = crypto::Digest256::FromBytes(in.Bytes(32));
    const auto identity_hash = crypto::Digest256::FromBytes(in.Bytes(32));
    const uint64_t seq = in.U64();
    const uint64_t start = in.U64();
    const uint8_t has_superseded = in.U8();
    const uint64_t superseded = in.U64();
    auto signed_prekey = crypto::SecretBytes<32>::FromBytes(in.Bytes(32));
    const auto kem_prekey = crypto::SecretBytes<32>::FromBytes(in.Bytes(32));
    const bool newest = i + 1 == count;
    if (!in.ok() || start > kMaxMs || superseded > kMaxMs ||
        has_superseded != (newest ? 0 : 1) ||
        (!secrets.epochs_.empty() && seq <= secrets.epochs_.back().seq)) {
      return Damaged();
    }
    std::optional<absl::Time> superseded_at;
    if (!newest) {
      superseded_at = absl::FromUnixMillis(static_cast<int64_t>(superseded));
    }
    secrets.epochs_.push_back(PrekeyEpoch{
        *record_hash, *identity_hash, seq,
        absl::FromUnixMillis(static_cast<int64_t>(start)), superseded_at,
        crypto::X25519PrivateKey::FromBytes(*std::move(signed_prekey)),
        crypto::XWingPrivateKey::FromSeed(*kem_prekey)});
  }
  if (!in.Finish().ok()) return Damaged();
  if (count > 0) {
    secrets.next_rotation_ =
        absl::FromUnixMillis(static_cast<int64_t>(next_rotation));
  }
  return secrets;
}

}  // namespace messenger::client
