#include "client/session/identity_record.h"

#include <algorithm>
#include <limits>
#include <set>
#include <string>
#include <utility>

#include "client/session/kem_key_check.h"
#include "crypto/base/bytes.h"
#include "crypto/base/status_macros.h"

namespace messenger::client {
namespace {

constexpr uint8_t kVersion = 1;
constexpr size_t kEntryBytes = 16 + 32 + 32 + 8;
constexpr size_t kBodyBytes =
    1 + 8 + 33 + 32 + 1216 + 32 + 1 + kMaxDevices * kEntryBytes;
static_assert(kBodyBytes + crypto::Ed25519Signature::kSize ==
              kIdentityRecordBytes);

crypto::Digest256 HashOf(absl::string_view body) {
  return crypto::Blake2b256("nm1-identity", {body});
}

absl::Status CheckDevices(absl::Span<const DeviceEntry> devices) {
  if (devices.empty() || devices.size() > kMaxDevices) {
    return absl::InvalidArgumentError("an account has one to five devices");
  }
  std::set<DeviceId> ids;
  for (const DeviceEntry& device : devices) {
    if (!ids.insert(device.id).second) {
      return absl::InvalidArgumentError("a device is listed twice");
    }
    if (absl::ToUnixMillis(device.added) < 0) {
      return absl::InvalidArgumentError("a device was added before 1970");
    }
  }
  return absl::OkStatus();
}

}  // namespace

DeviceEntry MakeDeviceEntry(const DeviceKeys& keys, absl::Time added) {
  return {keys.id(), keys.signing_key().public_key(),
          keys.agreement_key().public_key(),
          absl::FromUnixMillis(absl::ToUnixMillis(added))};
}

absl::StatusOr<IdentityRecord> IdentityRecord::First(
    const crypto::AccountKeys& account, absl::Span<const DeviceEntry> devices) {
  return Create(account, /*seq=*/1, crypto::Digest256(), devices);
}

absl::StatusOr<IdentityRecord> IdentityRecord::Next(
    const crypto::AccountKeys& account,
    absl::Span<const DeviceEntry> devices) const {
  if (account.id() != account_id_ ||
      seq_ == std::numeric_limits<uint64_t>::max()) {
    return absl::InvalidArgumentError("not a successor of this record");
  }
  return Create(account, seq_ + 1, hash_, devices);
}

absl::StatusOr<IdentityRecord> IdentityRecord::Create(
    const crypto::AccountKeys& account, uint64_t seq,
    const crypto::Digest256& previous_hash,
    absl::Span<const DeviceEntry> devices) {
  RETURN_IF_ERROR(CheckDevices(devices));
  crypto::ByteWriter body;
  body.U8(kVersion)
      .U64(seq)
      .Bytes(account.id().bytes())
      .Bytes(account.signing_key().public_key().bytes())
      .Bytes(account.identity_kem().public_key().bytes())
      .Bytes(previous_hash.bytes())
      .U8(static_cast<uint8_t>(devices.size()));
  for (const DeviceEntry& device : devices) {
    body.Bytes(device.id.bytes())
        .Bytes(device.signing_key.bytes())
        .Bytes(device.agreement_key.bytes())
        .U64(static_cast<uint64_t>(absl::ToUnixMillis(device.added)));
  }
  body.Bytes(std::string((kMaxDevices - devices.size()) * kEntryBytes, '\0'));
  std::string bytes = body.Take();
  const crypto::Ed25519Signature signature =
      account.signing_key().Sign(crypto::SigningDomain::kIdentityRecord, bytes);
  bytes.append(signature.bytes().data(), signature.bytes().size());
  return Verify(bytes);
}

absl::StatusOr<IdentityRecord> IdentityRecord::Verify(absl::string_view bytes) {
  if (bytes.size() != kIdentityRecordBytes) {
    return absl::InvalidArgumentError("identity record has the wrong length");
  }
  const absl::string_view body = bytes.substr(0, kBodyBytes);
  crypto::ByteReader in(body);
  if (in.U8() != kVersion) {
    return absl::InvalidArgumentError("unknown version of identity record");
  }
  const uint64_t seq = in.U64();
  ASSIGN_OR_RETURN(const crypto::AccountId account_id,
                   crypto::AccountId::FromBytes(in.Bytes(33)));
  IdentityRecord record(account_id);
  record.seq_ = seq;
  ASSIGN_OR_RETURN(record.signing_key_,
                   crypto::Ed25519PublicKey::FromBytes(in.Bytes(32)));
  ASSIGN_OR_RETURN(record.identity_kem_,
                   crypto::XWingPublicKey::FromBytes(in.Bytes(1216)));
  ASSIGN_OR_RETURN(record.previous_hash_,
                   crypto::Digest256::FromBytes(in.Bytes(32)));
  const size_t count = in.U8();
  if (seq == 0 || count == 0 || count > kMaxDevices) {
    return absl::InvalidArgumentError("identity record out of bounds");
  }
  for (size_t i = 0; i < count; ++i) {
    DeviceEntry entry;
    ASSIGN_OR_RETURN(entry.id, DeviceId::FromBytes(in.Bytes(16)));
    ASSIGN_OR_RETURN(entry.signing_key,
                     crypto::Ed25519PublicKey::FromBytes(in.Bytes(32)));
    ASSIGN_OR_RETURN(entry.agreement_key,
                     crypto::X25519PublicKey::FromBytes(in.Bytes(32)));
    const uint64_t added = in.U64();
    if (added > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) {
      return absl::InvalidArgumentError("time out of bounds");
    }
    entry.added = absl::FromUnixMillis(static_cast<int64_t>(added));
    record.devices_.push_back(std::move(entry));
  }
  const absl::string_view unused = in.Bytes(in.remaining());
  if (!std::all_of(unused.begin(), unused.end(),
                   [](char c) { return c == '\0'; })) {
    return absl::InvalidArgumentError("unused device entry is not zero");
  }
  RETURN_IF_ERROR(CheckDevices(record.devices_));
  if (!IsUsable(record.identity_kem_)) {
    return absl::InvalidArgumentError("account KEM key is unusable");
  }
  const absl::StatusOr<crypto::AccountId> signer =
      crypto::AccountIdFromEd25519(record.signing_key_);
  if (!signer.ok() || *signer != account_id) {
    return absl::UnauthenticatedError("key does not belong to the account");
  }
  ASSIGN_OR_RETURN(
      const crypto::Ed25519Signature signature,
      crypto::Ed25519Signature::FromBytes(bytes.substr(kBodyBytes)));
  RETURN_IF_ERROR(crypto::Verify(record.signing_key_,
                                 crypto::SigningDomain::kIdentityRecord, body,
                                 signature));
  record.hash_ = HashOf(body);
  record.bytes_ = std::string(bytes);
  return record;
}

const DeviceEntry* IdentityRecord::FindDevice(const DeviceId& device) const {
  for (const DeviceEntry& entry : devices_) {
    if (entry.id == device) return &entry;
  }
  return nullptr;
}

absl::Status CheckIdentitySuccession(const IdentityRecord& pinned,
                                     const IdentityRecord& candidate) {
  if (candidate.account_id() != pinned.account_id()) {
    return absl::InvalidArgumentError("record of another account");
  }
  if (candidate.seq() < pinned.seq()) {
    return absl::FailedPreconditionError("identity record was rolled back");
  }
  const bool forked =
      candidate.seq() == pinned.seq() && candidate.hash() != pinned.hash();
  const bool torn = candidate.seq() - pinned.seq() == 1 &&
                    candidate.previous_hash() != pinned.hash();
  if (forked || torn || candidate.identity_kem() != pinned.identity_kem()) {
    return absl::UnauthenticatedError("identity record contradicts another");
  }
  return absl::OkStatus();
}

}  // namespace messenger::client
