#include "client/session/session.h"

#include <limits>
#include <utility>

#include "client/session/handshake.h"
#include "client/session/padding.h"
#include "crypto/base/bytes.h"
#include "crypto/base/status_macros.h"

namespace messenger::client {
namespace {

constexpr uint8_t kStateVersion = 1;
constexpr absl::Duration kGenerationSkew = absl::Hours(1);

static_assert(kMaxContentBytes == kBucketBytes.back() - kHandshakeBytes -
                                      kEncryptedHeaderBytes -
                                      kBodyOverheadBytes - kPaddingPrefixBytes);

absl::Status NotOurs() {
  return absl::NotFoundError("not a message of this session");
}

absl::Status Damaged() {
  return absl::DataLossError("stored session is damaged");
}

absl::Time ToMillis(absl::Time time) {
  return absl::FromUnixMillis(absl::ToUnixMillis(time));
}

crypto::Digest256 DigestOfHandshake(absl::string_view handshake) {
  return crypto::Blake2b256("nm1-init", {handshake});
}

crypto::Digest256 ReplayKeyOf(absl::string_view blob) {
  return crypto::Blake2b256("nm1-init-eka", {blob.substr(1, 32)});
}

// `self` must be what its record says, or peers would refuse us later.
absl::Status CheckSelf(const LocalIdentity& self) {
  const DeviceEntry* const entry = self.record.FindDevice(self.device.id());
  if (entry == nullptr ||
      entry->agreement_key != self.device.agreement_key().public_key() ||
      self.record.identity_kem() != self.identity_kem.public_key()) {
    return absl::InvalidArgumentError("the account does not list this device");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Session::Encrypted> Session::Encrypt(
    absl::string_view content, crypto::Random& random) const {
  for (const size_t bucket : kBucketBytes) {
    if (bucket < handshake_.size()) continue;
    const size_t message_bytes = bucket - handshake_.size();
    const std::optional<size_t> capacity = ratchet_.Capacity(message_bytes);
    if (!capacity.has_value() || content.size() > *capacity) continue;
    ASSIGN_OR_RETURN(Ratchet::Sealed sealed,
                     ratchet_.Seal(content, message_bytes, random));
    Session next(role_, std::move(sealed.next));
    next.created_ = created_;
    next.generation_ = generation_;
    next.handshake_ = handshake_;
    next.handshake_digest_ = handshake_digest_;
    next.replay_key_ = replay_key_;
    return Encrypted{handshake_ + sealed.message, std::move(next)};
  }
  return absl::InvalidArgumentError("content is too long");
}

absl::StatusOr<absl::string_view> Session::StripHandshake(
    absl::string_view blob) const {
  if (role_ != SessionRole::kResponder || blob[0] != kHandshakeVersion ||
      blob.size() < kHandshakeBytes || ReplayKeyOf(blob) != replay_key_) {
    return blob;
  }
  if (DigestOfHandshake(blob.substr(0, kHandshakeBytes)) != handshake_digest_) {
    return NotOurs();
  }
  return blob.substr(kHandshakeBytes);
}

absl::StatusOr<Session::Decrypted> Session::Decrypt(
    absl::string_view blob, absl::Time now,
    const crypto::XWingPrivateKey& identity_kem) const {
  if (!IsBucketSize(blob.size())) return NotOurs();
  ASSIGN_OR_RETURN(const absl::string_view message, StripHandshake(blob));
  ASSIGN_OR_RETURN(Ratchet::Opened opened,
                   ratchet_.Open(message, now, identity_kem));
  // Any answer shows that the peer has the session: no more handshakes.
  Session next(role_, std::move(opened.next));
  next.created_ = created_;
  next.generation_ = generation_;
  next.handshake_digest_ = handshake_digest_;
  next.replay_key_ = replay_key_;
  return Decrypted{std::move(opened.content), std::move(next)};
}

Session Session::Clone() const {
  Session copy(role_, ratchet_.Clone());
  copy.created_ = created_;
  copy.generation_ = generation_;
  copy.handshake_ = handshake_;
  copy.handshake_digest_ = handshake_digest_;
  copy.replay_key_ = replay_key_;
  return copy;
}

std::optional<Session> Session::DropExpiredKeys(absl::Time now) const {
  Session next = Clone();
  if (!next.ratchet_.DropExpiredKeys(now)) return std::nullopt;
  return next;
}

std::string Session::Serialize() const {
  crypto::ByteWriter out;
  out.U8(kStateVersion)
      .U8(static_cast<uint8_t>(role_))
      .U64(static_cast<uint64_t>(absl::ToUnixMillis(created_)))
      .U64(static_cast<uint64_t>(absl::ToUnixMillis(generation_)))
      .Var16(handshake_)
      .Bytes(handshake_digest_.bytes())
      .Bytes(replay_key_.bytes());
  ratchet_.Serialize(out);
  return out.Take();
}

absl::StatusOr<Session> Session::Parse(absl::string_view bytes) {
  crypto::ByteReader in(bytes);
  constexpr uint64_t kMaxMs = std::numeric_limits<int64_t>::max();
  const uint8_t version = in.U8();
  const uint8_t role = in.U8();
  const uint64_t created_ms = in.U64();
  const uint64_t generation_ms = in.U64();
  const absl::string_view handshake = in.Var16();
  const auto digest = crypto::Digest256::FromBytes(in.Bytes(32));
  const auto replay_key = crypto::Digest256::FromBytes(in.Bytes(32));
  const bool initiator = role == static_cast<uint8_t>(SessionRole::kInitiator);
  const bool responder = role == static_cast<uint8_t>(SessionRole::kResponder);
  if (!in.ok() || version != kStateVersion || !(initiator || responder) ||
      created_ms > kMaxMs || generation_ms > kMaxMs ||
      !(handshake.empty() ||
        (initiator && handshake.size() == kHandshakeBytes))) {
    return Damaged();
  }
  ASSIGN_OR_RETURN(Ratchet ratchet, Ratchet::Parse(in));
  if (!in.Finish().ok()) return Damaged();
  Session session(static_cast<SessionRole>(role), std::move(ratchet));
  session.created_ = absl::FromUnixMillis(static_cast<int64_t>(created_ms));
  session.generation_ =
      absl::FromUnixMillis(static_cast<int64_t>(generation_ms));
  session.handshake_ = std::string(handshake);
  session.handshake_digest_ = *digest;
  session.replay_key_ = *replay_key;
  return session;
}

absl::StatusOr<Session> Initiate(const LocalIdentity& self,
                                 const IdentityRecord& peer,
                                 const PrekeyRecord& peer_prekey,
                                 const InitiateOptions& options, absl::Time now,
                                 crypto::Random& random) {
  RETURN_IF_ERROR(CheckSelf(self));
  if (options.generation < absl::UnixEpoch() ||
      options.generation > now + kGenerationSkew) {
    return absl::InvalidArgumentError("generation out of bounds");
  }
  if (peer.account_id() == self.record.account_id() &&
      peer_prekey.device_id() == self.device.id()) {
    return absl::InvalidArgumentError("a device does not write to itself");
  }
  // The caller may have kept the record for a while.
  RETURN_IF_ERROR(
      PrekeyRecord::Verify(peer_prekey.bytes(), peer, now).status());
  const absl::Time generation = ToMillis(options.generation);
  ASSIGN_OR_RETURN(
      HandshakeOffer offer,
      OfferHandshake(self.record, self.device, peer, peer_prekey,
                     static_cast<uint64_t>(absl::ToUnixMillis(generation)),
                     random));
  ASSIGN_OR_RETURN(
      Ratchet ratchet,
      Ratchet::ForInitiator(
          SessionParties{self.record.account_id(), self.device.id(),
                         peer.account_id(), peer_prekey.device_id()},
          std::move(offer.root), peer_prekey.signed_prekey(), random));
  Session session(SessionRole::kInitiator, std::move(ratchet));
  session.created_ = ToMillis(now);
  session.generation_ = generation;
  session.handshake_ = std::move(offer.bytes);
  return session;
}

absl::StatusOr<Accepted> Accept(const LocalIdentity& self,
                                const PrekeySecrets& prekeys,
                                absl::string_view blob, absl::Time now) {
  ASSIGN_OR_RETURN(const crypto::Digest256 replay_key, InitReplayKey(blob));
  const absl::string_view handshake = blob.substr(0, kHandshakeBytes);
  ASSIGN_OR_RETURN(HandshakeAnswer answer,
                   AnswerHandshake(self.record.account_id(), self.device,
                                   self.identity_kem, prekeys, handshake));
  const auto latest_ms = absl::ToUnixMillis(now + kGenerationSkew);
  if (latest_ms < 0 ||
      answer.generation_ms > static_cast<uint64_t>(latest_ms)) {
    return absl::InvalidArgumentError("generation lies in the future");
  }
  const PrekeyEpoch& epoch = prekeys.epochs()[answer.epoch];
  const Ratchet waiting = Ratchet::ForResponder(
      SessionParties{self.record.account_id(), self.device.id(),
                     answer.peer_identity.account_id(), answer.peer_device},
      std::move(answer.root), epoch.signed_prekey,
      answer.peer_identity.identity_kem());
  absl::StatusOr<Ratchet::Opened> opened =
      waiting.Open(blob.substr(kHandshakeBytes), now, self.identity_kem);
  if (absl::IsNotFound(opened.status())) {
    // The handshake is fine, its message was altered.
    return absl::UnauthenticatedError("the first message does not open");
  }
  RETURN_IF_ERROR(opened.status());
  Session session(SessionRole::kResponder, std::move(opened->next));
  session.created_ = ToMillis(now);
  session.generation_ =
      absl::FromUnixMillis(static_cast<int64_t>(answer.generation_ms));
  session.handshake_digest_ = DigestOfHandshake(handshake);
  session.replay_key_ = replay_key;
  return Accepted{std::move(session), std::move(answer.peer_identity),
                  std::move(opened->content), replay_key, epoch.record_hash};
}

absl::StatusOr<crypto::Digest256> InitReplayKey(absl::string_view blob) {
  if (!IsBucketSize(blob.size()) || blob.size() < kHandshakeBytes ||
      blob[0] != kHandshakeVersion) {
    return absl::InvalidArgumentError("not the first message of a session");
  }
  return ReplayKeyOf(blob);
}

}  // namespace messenger::client
