#include "client/session/prekey_record.h"

#include <limits>
#include <string>
#include <utility>

#include "client/session/kem_key_check.h"
#include "crypto/base/bytes.h"
#include "crypto/base/status_macros.h"
#include "crypto/sign/ed25519.h"

namespace messenger::client {
namespace {

constexpr uint8_t kVersion = 1;
constexpr size_t kBodyBytes = 1 + 16 + 32 + 8 + 8 + 8 + 32 + 1216 + 32;
static_assert(kBodyBytes + crypto::Ed25519Signature::kSize ==
              kPrekeyRecordBytes);

}  // namespace

absl::StatusOr<PrekeyRecord> PrekeyRecord::Create(
    const IdentityRecord& identity, const DeviceKeys& device, uint64_t seq,
    absl::Time epoch_start, const crypto::X25519PublicKey& signed_prekey,
    const crypto::XWingPublicKey& kem_prekey) {
  const DeviceEntry* const entry = identity.FindDevice(device.id());
  if (entry == nullptr ||
      entry->signing_key != device.signing_key().public_key() ||
      entry->agreement_key != device.agreement_key().public_key()) {
    return absl::InvalidArgumentError("the account does not list this device");
  }
  const int64_t start_ms = absl::ToUnixMillis(epoch_start);
  if (seq == 0 || start_ms < 0) {
    return absl::InvalidArgumentError("prekey record out of bounds");
  }
  const int64_t end_ms = start_ms + absl::ToInt64Milliseconds(kPrekeyLifetime);
  std::string bytes = crypto::ByteWriter()
                          .U8(kVersion)
                          .Bytes(device.id().bytes())
                          .Bytes(identity.hash().bytes())
                          .U64(seq)
                          .U64(static_cast<uint64_t>(start_ms))
                          .U64(static_cast<uint64_t>(end_ms))
                          .Bytes(signed_prekey.bytes())
                          .Bytes(kem_prekey.bytes())
                          .Bytes(crypto::Digest256().bytes())
                          .Take();
  const crypto::Ed25519Signature signature =
      device.signing_key().Sign(crypto::SigningDomain::kPrekeyRecord, bytes);
  bytes.append(signature.bytes().data(), signature.bytes().size());
  return Verify(bytes, identity, epoch_start);
}

absl::StatusOr<PrekeyRecord> PrekeyRecord::Verify(
    absl::string_view bytes, const IdentityRecord& identity, absl::Time now) {
  if (bytes.size() != kPrekeyRecordBytes) {
    return absl::InvalidArgumentError("prekey record has the wrong length");
  }
  const absl::string_view body = bytes.substr(0, kBodyBytes);
  crypto::ByteReader in(body);
  if (in.U8() != kVersion) {
    return absl::InvalidArgumentError("unknown version of prekey record");
  }
  PrekeyRecord record;
  ASSIGN_OR_RETURN(record.device_id_, DeviceId::FromBytes(in.Bytes(16)));
  ASSIGN_OR_RETURN(record.identity_hash_,
                   crypto::Digest256::FromBytes(in.Bytes(32)));
  record.seq_ = in.U64();
  const uint64_t start_ms = in.U64();
  const uint64_t end_ms = in.U64();
  ASSIGN_OR_RETURN(record.signed_prekey_,
                   crypto::X25519PublicKey::FromBytes(in.Bytes(32)));
  ASSIGN_OR_RETURN(record.kem_prekey_,
                   crypto::XWingPublicKey::FromBytes(in.Bytes(1216)));
  ASSIGN_OR_RETURN(const crypto::Digest256 pool_root,
                   crypto::Digest256::FromBytes(in.Bytes(32)));
  constexpr uint64_t kMaxMs = std::numeric_limits<int64_t>::max();
  const auto lifetime_ms =
      static_cast<uint64_t>(absl::ToInt64Milliseconds(kPrekeyLifetime));
  if (record.seq_ == 0 || !pool_root.IsZero() || end_ms > kMaxMs ||
      start_ms >= end_ms || end_ms - start_ms > lifetime_ms) {
    return absl::InvalidArgumentError("prekey record out of bounds");
  }
  record.epoch_start_ = absl::FromUnixMillis(static_cast<int64_t>(start_ms));
  record.not_after_ = absl::FromUnixMillis(static_cast<int64_t>(end_ms));
  if (!IsUsable(record.kem_prekey_)) {
    return absl::InvalidArgumentError("KEM prekey is unusable");
  }
  const DeviceEntry* const device = identity.FindDevice(record.device_id_);
  if (device == nullptr || record.identity_hash_ != identity.hash()) {
    return absl::FailedPreconditionError(
        "prekey record belongs to another device list");
  }
  ASSIGN_OR_RETURN(
      const crypto::Ed25519Signature signature,
      crypto::Ed25519Signature::FromBytes(bytes.substr(kBodyBytes)));
  RETURN_IF_ERROR(crypto::Verify(device->signing_key,
                                 crypto::SigningDomain::kPrekeyRecord, body,
                                 signature));
  if (now >= record.not_after_ ||
      now + kPrekeyClockSkew < record.epoch_start_) {
    return absl::FailedPreconditionError("prekey record is not valid now");
  }
  record.hash_ = crypto::Blake2b256("nm1-prekey", {body});
  record.bytes_ = std::string(bytes);
  return record;
}

absl::Status CheckPrekeySuccession(const PrekeyRecord& newest,
                                   const PrekeyRecord& candidate) {
  if (candidate.device_id() != newest.device_id()) {
    return absl::InvalidArgumentError("prekey record of another device");
  }
  return CheckPrekeySuccession(newest.mark(), candidate.mark());
}

absl::Status CheckPrekeySuccession(const PrekeyMark& newest,
                                   const PrekeyMark& candidate) {
  if (candidate.seq < newest.seq) {
    return absl::FailedPreconditionError("prekey record was rolled back");
  }
  if (candidate.seq == newest.seq && candidate.hash != newest.hash) {
    return absl::UnauthenticatedError("prekey record contradicts another");
  }
  return absl::OkStatus();
}

}  // namespace messenger::client
