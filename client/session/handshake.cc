#include "client/session/handshake.h"

#include <algorithm>
#include <utility>

#include "absl/status/status.h"
#include "crypto/aead/committing_aead.h"
#include "crypto/agreement/x25519.h"
#include "crypto/base/bytes.h"
#include "crypto/base/secret_bytes.h"
#include "crypto/base/secure_memory.h"
#include "crypto/base/shared_secret.h"
#include "crypto/base/status_macros.h"
#include "crypto/kdf/hkdf.h"

namespace messenger::client {
namespace {

using crypto::Digest256;
using crypto::SecretBytes;
using crypto::SharedSecret;

constexpr uint16_t kNoPoolKey = 0xffff;
constexpr size_t kOuterOffset = 1 + 32 + 1120 + 1120;
static_assert(kHandshakeBytes == kOuterOffset + kOuterBytes);
static_assert(kOuterBytes ==
              kOuterPlaintextBytes + crypto::kCommittingOverhead);

// `open` is everything before the outer layer: version, EKA, c1 and c2.
Digest256 HashOpenPart(const crypto::AccountId& recipient,
                       const DeviceId& recipient_device,
                       const Digest256& prekey_record_hash,
                       absl::string_view open) {
  return crypto::Blake2b256(
      "nm1-hs0",
      {open.substr(0, 1), recipient.bytes(), recipient_device.bytes(),
       prekey_record_hash.bytes(), open.substr(1)});
}

Digest256 HashTranscript(const Digest256& h0, absl::string_view outer) {
  return crypto::Blake2b256("nm1-hs1", {h0.bytes(), outer});
}

// Everything before the sender is known.
crypto::Prk512 FirstStage(const SharedSecret& dh2, const SharedSecret& dh3,
                          const SharedSecret& k1, const SharedSecret& k2) {
  return crypto::HkdfSha512Extract(
      "nm/v1/hs", {dh2.Expose(), dh3.Expose(), k1.Expose(), k2.Expose()});
}

RatchetRoot SecondStage(const crypto::Prk512& prk0, const SharedSecret& dh1,
                        const Digest256& h1) {
  const SecretBytes<32> salt = crypto::HkdfSha512Expand<32>(
      prk0.Expose(), crypto::KdfLabel::kChain, h1.bytes());
  const crypto::Prk512 prk1 =
      crypto::HkdfSha512Extract(salt.Expose(), {dh1.Expose()});
  const SecretBytes<128> keys = crypto::HkdfSha512Expand<128>(
      prk1.Expose(), crypto::KdfLabel::kRoot, h1.bytes());
  const absl::string_view bytes = keys.Expose();
  return RatchetRoot{SessionId::FromBytes(bytes.substr(96)).value(),
                     SecretBytes<32>::FromBytes(bytes.substr(0, 32)).value(),
                     SecretBytes<32>::FromBytes(bytes.substr(32, 32)).value(),
                     SecretBytes<32>::FromBytes(bytes.substr(64, 32)).value()};
}

struct Sender {
  IdentityRecord identity;
  DeviceId device;
  uint64_t generation_ms;
};

// What the outer layer says about the sender. UNAUTHENTICATED for whatever is
// wrong: only whoever wrote the blob can have put it there.
absl::StatusOr<Sender> ParseSender(absl::string_view plaintext) {
  crypto::ByteReader in(plaintext);
  const absl::string_view record = in.Bytes(kIdentityRecordBytes);
  const absl::string_view device = in.Bytes(DeviceId::kSize);
  const uint64_t generation_ms = in.U64();
  const uint16_t pool_index = in.U16();
  const absl::string_view zeros = in.Bytes(in.remaining());
  absl::StatusOr<IdentityRecord> identity = IdentityRecord::Verify(record);
  const absl::StatusOr<DeviceId> id = DeviceId::FromBytes(device);
  if (!in.ok() || pool_index != kNoPoolKey || !identity.ok() || !id.ok() ||
      !std::all_of(zeros.begin(), zeros.end(),
                   [](char c) { return c == '\0'; }) ||
      identity->FindDevice(*id) == nullptr) {
    return absl::UnauthenticatedError("the sender is not genuine");
  }
  return Sender{*std::move(identity), *id, generation_ms};
}

}  // namespace

absl::StatusOr<HandshakeOffer> OfferHandshake(const IdentityRecord& own_record,
                                              const DeviceKeys& own_device,
                                              const IdentityRecord& peer,
                                              const PrekeyRecord& peer_prekey,
                                              uint64_t generation_ms,
                                              crypto::Random& random) {
  const DeviceEntry* const device = peer.FindDevice(peer_prekey.device_id());
  if (device == nullptr) {
    return absl::FailedPreconditionError(
        "prekey record belongs to another device list");
  }
  const crypto::X25519PrivateKey ephemeral =
      crypto::X25519PrivateKey::Generate(random);
  ASSIGN_OR_RETURN(const crypto::XWingEncapsulation to_prekey,
                   crypto::XWingEncapsulate(peer_prekey.kem_prekey(), random));
  ASSIGN_OR_RETURN(const crypto::XWingEncapsulation to_identity,
                   crypto::XWingEncapsulate(peer.identity_kem(), random));
  ASSIGN_OR_RETURN(const SharedSecret dh1, own_device.agreement_key().Agree(
                                               peer_prekey.signed_prekey()));
  ASSIGN_OR_RETURN(const SharedSecret dh2,
                   ephemeral.Agree(device->agreement_key));
  ASSIGN_OR_RETURN(const SharedSecret dh3,
                   ephemeral.Agree(peer_prekey.signed_prekey()));

  std::string bytes = crypto::ByteWriter()
                          .U8(kHandshakeVersion)
                          .Bytes(ephemeral.public_key().bytes())
                          .Bytes(to_prekey.ciphertext.bytes())
                          .Bytes(to_identity.ciphertext.bytes())
                          .Take();
  const Digest256 h0 = HashOpenPart(peer.account_id(), peer_prekey.device_id(),
                                    peer_prekey.hash(), bytes);
  const crypto::Prk512 prk0 =
      FirstStage(dh2, dh3, to_prekey.secret, to_identity.secret);

  std::string sender = crypto::ByteWriter()
                           .Bytes(own_record.bytes())
                           .Bytes(own_device.id().bytes())
                           .U64(generation_ms)
                           .U16(kNoPoolKey)
                           .Take();
  sender.resize(kOuterPlaintextBytes, '\0');
  const std::string outer = crypto::CommittingSeal(
      crypto::HkdfSha512Expand<32>(prk0.Expose(), crypto::KdfLabel::kOuter,
                                   h0.bytes()),
      h0.bytes(), sender);
  bytes += outer;
  return HandshakeOffer{std::move(bytes),
                        SecondStage(prk0, dh1, HashTranscript(h0, outer))};
}

absl::StatusOr<HandshakeAnswer> AnswerHandshake(
    const crypto::AccountId& own_account, const DeviceKeys& own_device,
    const crypto::XWingPrivateKey& own_identity_kem,
    const PrekeySecrets& prekeys, absl::string_view bytes) {
  if (bytes.size() != kHandshakeBytes || bytes[0] != kHandshakeVersion) {
    return absl::InvalidArgumentError("not a handshake of this version");
  }
  const absl::string_view open = bytes.substr(0, kOuterOffset);
  const absl::string_view outer = bytes.substr(kOuterOffset);
  crypto::ByteReader in(open.substr(1));
  ASSIGN_OR_RETURN(const crypto::X25519PublicKey ephemeral,
                   crypto::X25519PublicKey::FromBytes(in.Bytes(32)));
  ASSIGN_OR_RETURN(const crypto::XWingCiphertext c1,
                   crypto::XWingCiphertext::FromBytes(in.Bytes(1120)));
  ASSIGN_OR_RETURN(const crypto::XWingCiphertext c2,
                   crypto::XWingCiphertext::FromBytes(in.Bytes(1120)));

  // These do not depend on the epoch.
  ASSIGN_OR_RETURN(const SharedSecret dh2,
                   own_device.agreement_key().Agree(ephemeral));
  ASSIGN_OR_RETURN(const SharedSecret k2, own_identity_kem.Decapsulate(c2));

  const std::vector<PrekeyEpoch>& epochs = prekeys.epochs();
  for (size_t i = epochs.size(); i-- > 0;) {
    const PrekeyEpoch& epoch = epochs[i];
    ASSIGN_OR_RETURN(const SharedSecret dh3,
                     epoch.signed_prekey.Agree(ephemeral));
    ASSIGN_OR_RETURN(const SharedSecret k1, epoch.kem_prekey.Decapsulate(c1));
    const Digest256 h0 =
        HashOpenPart(own_account, own_device.id(), epoch.record_hash, open);
    const crypto::Prk512 prk0 = FirstStage(dh2, dh3, k1, k2);
    absl::StatusOr<std::string> plaintext = crypto::CommittingOpen(
        crypto::HkdfSha512Expand<32>(prk0.Expose(), crypto::KdfLabel::kOuter,
                                     h0.bytes()),
        h0.bytes(), outer);
    if (!plaintext.ok()) continue;
    ASSIGN_OR_RETURN(Sender sender, ParseSender(*plaintext));
    if (sender.identity.account_id() == own_account &&
        sender.device == own_device.id()) {
      return absl::UnauthenticatedError("a device does not write to itself");
    }
    const absl::StatusOr<SharedSecret> dh1 = epoch.signed_prekey.Agree(
        sender.identity.FindDevice(sender.device)->agreement_key);
    if (!dh1.ok()) {
      return absl::UnauthenticatedError("the sender is not genuine");
    }
    return HandshakeAnswer{SecondStage(prk0, *dh1, HashTranscript(h0, outer)),
                           std::move(sender.identity), sender.device,
                           sender.generation_ms, i};
  }
  return absl::UnauthenticatedError("no prekey opens this handshake");
}

}  // namespace messenger::client
