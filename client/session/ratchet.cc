#include "client/session/ratchet.h"

#include <algorithm>
#include <limits>

#include "client/session/kem_key_check.h"
#include "client/session/padding.h"
#include "crypto/aead/committing_aead.h"
#include "crypto/aead/xchacha20poly1305.h"
#include "crypto/base/secure_memory.h"
#include "crypto/base/status_macros.h"
#include "crypto/hash/hash.h"
#include "crypto/kdf/hkdf.h"
#include "crypto/kdf/hmac.h"

namespace messenger::client {
namespace {

using crypto::SharedSecret;

// Header flags.
constexpr uint8_t kFirstChain = 1;      // there is no KEM ciphertext yet
constexpr uint8_t kAuthentication = 2;  // the body begins with c4

constexpr size_t kHeaderUsedBytes = 32 + 1184 + 1088 + 4 + 4 + 1;
constexpr size_t kAuthenticationBytes = crypto::XWingCiphertext::kSize;
constexpr uint32_t kMaxNumber = std::numeric_limits<uint32_t>::max();

static_assert(kEncryptedHeaderBytes ==
              kHeaderBytes + crypto::XNonce::kSize + crypto::kXChaChaOverhead);
static_assert(kBodyOverheadBytes == crypto::kCommittingOverhead);

absl::Status Violation() {
  return absl::InvalidArgumentError("the peer broke the protocol");
}

absl::Status Damaged() {
  return absl::DataLossError("stored session is damaged");
}

bool AllZero(absl::string_view bytes) {
  return std::all_of(bytes.begin(), bytes.end(),
                     [](char c) { return c == '\0'; });
}

absl::Time ToMillis(absl::Time time) {
  return absl::FromUnixMillis(absl::ToUnixMillis(time));
}

crypto::SecretBytes<32> NextChainKey(const crypto::SecretBytes<32>& key) {
  return crypto::HmacSha512Truncated32(key.Expose(), "\x02");
}

crypto::SecretBytes<32> MessageKey(const crypto::SecretBytes<32>& key) {
  return crypto::HmacSha512Truncated32(key.Expose(), "\x01");
}

std::string HeaderContext(const SessionId& id) {
  return crypto::ByteWriter().Bytes("hdr").Bytes(id.bytes()).Take();
}

template <typename T>
std::optional<T> CloneOptional(const std::optional<T>& value) {
  if (!value.has_value()) return std::nullopt;
  return value->Clone();
}

// Presence as one byte; any other value than 0 and 1 is damage.
template <typename Write, typename T>
void WriteOptional(crypto::ByteWriter& out, const std::optional<T>& value,
                   Write write) {
  out.U8(value.has_value() ? 1 : 0);
  if (value.has_value()) write(*value);
}

// Reads booleans and keys of a stored state and remembers what was wrong.
class StateReader {
 public:
  explicit StateReader(crypto::ByteReader& in) : in_(in) {}

  bool Bool() {
    const uint8_t value = in_.U8();
    if (value > 1) ok_ = false;
    return value == 1;
  }
  template <typename F>
  F Fixed() {
    const absl::StatusOr<F> value = F::FromBytes(in_.Bytes(F::kSize));
    return value.ok() ? *value : F();
  }
  template <size_t N>
  crypto::SecretBytes<N> Secret() {
    absl::StatusOr<crypto::SecretBytes<N>> value =
        crypto::SecretBytes<N>::FromBytes(in_.Bytes(N));
    return value.ok() ? *std::move(value) : crypto::SecretBytes<N>();
  }
  bool ok() const { return ok_ && in_.ok(); }

 private:
  crypto::ByteReader& in_;
  bool ok_ = true;
};

}  // namespace

absl::StatusOr<Ratchet> Ratchet::ForInitiator(
    SessionParties parties, RatchetRoot root,
    const crypto::X25519PublicKey& peer_signed_prekey, crypto::Random& random) {
  Ratchet ratchet(std::move(parties), root.id);
  ratchet.root_key_ = std::move(root.root_key);
  ratchet.next_receiving_header_key_ =
      std::move(root.responder_next_header_key);
  const crypto::X25519PrivateKey dh =
      crypto::X25519PrivateKey::Generate(random);
  const crypto::MlKem768PrivateKey kem =
      crypto::MlKem768PrivateKey::Generate(random);
  ASSIGN_OR_RETURN(const SharedSecret shared, dh.Agree(peer_signed_prekey));
  SendingChain chain;
  chain.header_key = std::move(root.initiator_header_key);
  ratchet.Advance(shared, SharedSecret(), crypto::MlKem768PublicKey(),
                  chain.ciphertext, /*mix_authentication=*/false,
                  chain.chain_key, ratchet.next_sending_header_key_);
  ratchet.sending_ = std::move(chain);
  ratchet.own_ = OwnKeys{dh.secret().Clone(), dh.public_key(),
                         kem.seed().Clone(), kem.public_key()};
  return ratchet;
}

Ratchet Ratchet::ForResponder(SessionParties parties, RatchetRoot root,
                              const crypto::X25519PrivateKey& signed_prekey,
                              const crypto::XWingPublicKey& peer_identity_kem) {
  Ratchet ratchet(std::move(parties), root.id);
  ratchet.root_key_ = std::move(root.root_key);
  ratchet.next_receiving_header_key_ = std::move(root.initiator_header_key);
  ratchet.next_sending_header_key_ = std::move(root.responder_next_header_key);
  ratchet.own_ =
      OwnKeys{signed_prekey.secret().Clone(), signed_prekey.public_key(),
              std::nullopt, crypto::MlKem768PublicKey()};
  ratchet.peer_identity_kem_ = peer_identity_kem;
  return ratchet;
}

bool Ratchet::CarriesAuthentication() const {
  return peer_identity_kem_.has_value() || auth_ciphertext_.has_value();
}

std::optional<size_t> Ratchet::Capacity(size_t message_bytes) const {
  const size_t overhead = kEncryptedHeaderBytes + kBodyOverheadBytes +
                          kPaddingPrefixBytes +
                          (CarriesAuthentication() ? kAuthenticationBytes : 0);
  if (message_bytes < overhead) return std::nullopt;
  return message_bytes - overhead;
}

std::string Ratchet::BodyContext(bool sending,
                                 absl::string_view sealed_header) const {
  crypto::ByteWriter out;
  out.Bytes("msg");
  if (sending) {
    out.Bytes(parties_.local_account.bytes())
        .Bytes(parties_.local_device.bytes())
        .Bytes(parties_.peer_account.bytes())
        .Bytes(parties_.peer_device.bytes());
  } else {
    out.Bytes(parties_.peer_account.bytes())
        .Bytes(parties_.peer_device.bytes())
        .Bytes(parties_.local_account.bytes())
        .Bytes(parties_.local_device.bytes());
  }
  return out.Bytes(sealed_header).Take();
}

// One half-step of a turn (section 4.3).
void Ratchet::Advance(const SharedSecret& dh_secret,
                      const SharedSecret& kem_secret,
                      const crypto::MlKem768PublicKey& kem_public,
                      const crypto::MlKem768Ciphertext& ciphertext,
                      bool mix_authentication, Key& chain_key,
                      Key& next_header_key) {
  const absl::string_view authentication =
      mix_authentication ? auth_secret_->Expose() : absl::string_view();
  const crypto::Prk512 prk = crypto::HkdfSha512Extract(
      root_key_.Expose(),
      {dh_secret.Expose(), kem_secret.Expose(), authentication});
  const crypto::Digest256 context =
      crypto::Blake2b256("nm1-rk", {kem_public.bytes(), ciphertext.bytes()});
  const crypto::SecretBytes<96> keys = crypto::HkdfSha512Expand<96>(
      prk.Expose(), crypto::KdfLabel::kRatchet, context.bytes());
  const absl::string_view bytes = keys.Expose();
  root_key_ = Key::FromBytes(bytes.substr(0, 32)).value();
  chain_key = Key::FromBytes(bytes.substr(32, 32)).value();
  next_header_key = Key::FromBytes(bytes.substr(64, 32)).value();
  if (mix_authentication) {
    auth_secret_.reset();
    auth_ciphertext_.reset();
    pq_authenticated_ = true;
  }
}

absl::Status Ratchet::TurnSending(crypto::Random& random) {
  const crypto::X25519PrivateKey dh =
      crypto::X25519PrivateKey::Generate(random);
  const crypto::MlKem768PrivateKey kem =
      crypto::MlKem768PrivateKey::Generate(random);
  // Neither fails: the receiving turn has checked these keys.
  ASSIGN_OR_RETURN(const SharedSecret shared, dh.Agree(peer_->dh));
  ASSIGN_OR_RETURN(const crypto::MlKem768Encapsulation encapsulation,
                   crypto::MlKem768Encapsulate(peer_->kem, random));
  SendingChain chain;
  chain.header_key = std::move(next_sending_header_key_);
  chain.ciphertext = encapsulation.ciphertext;
  chain.has_ciphertext = true;
  // Here only the initiator can hold an authentication secret.
  Advance(shared, encapsulation.secret, peer_->kem, encapsulation.ciphertext,
          /*mix_authentication=*/auth_secret_.has_value(), chain.chain_key,
          next_sending_header_key_);
  if (peer_identity_kem_.has_value()) {
    ASSIGN_OR_RETURN(crypto::XWingEncapsulation authentication,
                     crypto::XWingEncapsulate(*peer_identity_kem_, random));
    auth_ciphertext_ = authentication.ciphertext;
    auth_secret_ = std::move(authentication.secret);
    peer_identity_kem_.reset();
  }
  previous_length_ = sending_.has_value() ? sending_->next : 0;
  sending_ = std::move(chain);
  own_ = OwnKeys{dh.secret().Clone(), dh.public_key(), kem.seed().Clone(),
                 kem.public_key()};
  peer_.reset();
  turn_pending_ = false;
  return absl::OkStatus();
}

absl::StatusOr<Ratchet::Sealed> Ratchet::Seal(absl::string_view content,
                                              size_t message_bytes,
                                              crypto::Random& random) const {
  const std::optional<size_t> capacity = Capacity(message_bytes);
  if (!capacity.has_value() || content.size() > *capacity) {
    return absl::InvalidArgumentError("content is too long");
  }
  Ratchet next = Clone();
  if (next.turn_pending_) RETURN_IF_ERROR(next.TurnSending(random));
  if (!next.sending_.has_value()) {
    return absl::FailedPreconditionError("nothing was received yet");
  }
  SendingChain& chain = *next.sending_;
  if (chain.next == kMaxNumber) {
    return absl::ResourceExhaustedError("too many unanswered messages");
  }
  uint8_t flags = chain.has_ciphertext ? 0 : kFirstChain;
  if (next.auth_ciphertext_.has_value()) flags |= kAuthentication;
  std::string header = crypto::ByteWriter()
                           .Bytes(next.own_->dh_public.bytes())
                           .Bytes(next.own_->kem_public.bytes())
                           .Bytes(chain.ciphertext.bytes())
                           .U32(next.previous_length_)
                           .U32(chain.next)
                           .U8(flags)
                           .Take();
  header.resize(kHeaderBytes, '\0');

  const auto nonce = random.Fixed<crypto::XNonce>();
  std::string message(nonce.bytes());
  message +=
      crypto::XChaChaSeal(chain.header_key, nonce, HeaderContext(id_), header);

  std::string body;
  if (next.auth_ciphertext_.has_value()) {
    body = std::string(next.auth_ciphertext_->bytes());
  }
  body += Pad(content, message_bytes - kEncryptedHeaderBytes -
                           kBodyOverheadBytes - body.size());
  message +=
      crypto::CommittingSeal(MessageKey(chain.chain_key),
                             BodyContext(/*sending=*/true, message), body);
  crypto::SecureWipe(body);
  chain.chain_key = NextChainKey(chain.chain_key);
  ++chain.next;
  return Sealed{std::move(message), std::move(next)};
}

std::optional<std::string> Ratchet::OpenHeader(const Key& key,
                                               absl::string_view sealed) const {
  const auto nonce =
      crypto::XNonce::FromBytes(sealed.substr(0, crypto::XNonce::kSize));
  absl::StatusOr<std::string> header = crypto::XChaChaOpen(
      key, *nonce, HeaderContext(id_), sealed.substr(crypto::XNonce::kSize));
  if (!header.ok()) return std::nullopt;
  return *std::move(header);
}

absl::Status Ratchet::SkipTo(ReceivingChain& chain, uint32_t number,
                             absl::Time now) {
  if (number > chain.next && number - chain.next > kMaxSkip) {
    return absl::ResourceExhaustedError("too many messages are missing");
  }
  for (; chain.next < number; ++chain.next) {
    chain.skipped.emplace(
        chain.next, SkippedKey{ToMillis(now), MessageKey(chain.chain_key)});
    chain.chain_key = NextChainKey(chain.chain_key);
  }
  return absl::OkStatus();
}

absl::Status Ratchet::TurnReceiving(const Header& header, absl::Time now) {
  if (!IsUsable(header.keys.kem)) return Violation();
  const crypto::X25519PrivateKey dh =
      crypto::X25519PrivateKey::FromBytes(own_->dh_secret.Clone());
  const absl::StatusOr<SharedSecret> shared = dh.Agree(header.keys.dh);
  if (!shared.ok()) return Violation();
  const bool first_chain = !own_->kem_seed.has_value();
  // The initiator waits for the responder's first chain, which carries c4.
  const bool expects_authentication =
      !first_chain && !pq_authenticated_ && !auth_ciphertext_.has_value();
  ReceivingChain chain;
  chain.flags =
      static_cast<uint8_t>((first_chain ? kFirstChain : 0) |
                           (expects_authentication ? kAuthentication : 0));
  if (header.flags != chain.flags) return Violation();
  if (first_chain && !AllZero(header.ciphertext.bytes())) return Violation();

  if (receiving_.has_value()) {
    // Messages of the old chain that may still come. A peer that claims more
    // than the limit loses the rest of them, not the session.
    const uint32_t end = std::min<uint64_t>(
        header.previous_length, uint64_t{receiving_->next} + kMaxSkip);
    RETURN_IF_ERROR(SkipTo(*receiving_, end, now));
    receiving_->chain_key = Key();
    old_chains_.push_front(*std::move(receiving_));
    if (old_chains_.size() > kMaxOldChains) old_chains_.pop_back();
  }
  const SharedSecret kem_secret =
      first_chain ? SharedSecret()
                  : crypto::MlKem768PrivateKey::FromSeed(*own_->kem_seed)
                        .Decapsulate(header.ciphertext);
  chain.header_key = std::move(next_receiving_header_key_);
  Advance(*shared, kem_secret, own_->kem_public, header.ciphertext,
          /*mix_authentication=*/auth_ciphertext_.has_value(), chain.chain_key,
          next_receiving_header_key_);
  receiving_ = std::move(chain);
  own_.reset();
  peer_ = header.keys;
  turn_pending_ = true;
  return absl::OkStatus();
}

absl::StatusOr<Ratchet::Key> Ratchet::TakeMessageKey(ReceivingChain& chain,
                                                     uint32_t number,
                                                     absl::Time now) {
  const bool ended = &chain != &*receiving_;
  if (number < chain.next || ended) {
    const auto skipped = chain.skipped.find(number);
    if (skipped == chain.skipped.end()) {
      return absl::AlreadyExistsError("the message key was used or dropped");
    }
    Key key = std::move(skipped->second.message_key);
    chain.skipped.erase(skipped);
    return key;
  }
  RETURN_IF_ERROR(SkipTo(chain, number, now));
  Key key = MessageKey(chain.chain_key);
  chain.chain_key = NextChainKey(chain.chain_key);
  ++chain.next;
  return key;
}

absl::StatusOr<std::string> Ratchet::OpenBody(
    absl::string_view message, const Key& message_key, uint8_t flags,
    const crypto::XWingPrivateKey& identity_kem) {
  ASSIGN_OR_RETURN(std::string body,
                   crypto::CommittingOpen(
                       message_key,
                       BodyContext(/*sending=*/false,
                                   message.substr(0, kEncryptedHeaderBytes)),
                       message.substr(kEncryptedHeaderBytes)));
  absl::string_view padded = body;
  if ((flags & kAuthentication) != 0) {
    if (padded.size() < kAuthenticationBytes) return Violation();
    if (!pq_authenticated_ && !auth_secret_.has_value()) {
      ASSIGN_OR_RETURN(const crypto::XWingCiphertext ciphertext,
                       crypto::XWingCiphertext::FromBytes(
                           padded.substr(0, kAuthenticationBytes)));
      absl::StatusOr<SharedSecret> secret =
          identity_kem.Decapsulate(ciphertext);
      if (!secret.ok()) return Violation();
      auth_secret_ = *std::move(secret);
    }
    padded.remove_prefix(kAuthenticationBytes);
  }
  const absl::StatusOr<absl::string_view> content = Unpad(padded);
  if (!content.ok()) return Violation();
  std::string result(*content);
  crypto::SecureWipe(body);
  return result;
}

absl::StatusOr<Ratchet::Opened> Ratchet::Open(
    absl::string_view message, absl::Time now,
    const crypto::XWingPrivateKey& identity_kem) const {
  if (message.size() < kEncryptedHeaderBytes + kBodyOverheadBytes) {
    return absl::NotFoundError("not a message of this session");
  }
  const absl::string_view sealed = message.substr(0, kEncryptedHeaderBytes);

  // Which chain is it? -1 the current, -2 the one after the next turn, else an
  // old one.
  constexpr int kCurrent = -1;
  constexpr int kTurn = -2;
  std::optional<std::string> bytes;
  int which = kCurrent;
  if (receiving_.has_value())
    bytes = OpenHeader(receiving_->header_key, sealed);
  if (!bytes.has_value() && !turn_pending_) {
    bytes = OpenHeader(next_receiving_header_key_, sealed);
    which = kTurn;
  }
  for (size_t i = 0; i < old_chains_.size() && !bytes.has_value(); ++i) {
    bytes = OpenHeader(old_chains_[i].header_key, sealed);
    which = static_cast<int>(i);
  }
  if (!bytes.has_value()) {
    return absl::NotFoundError("not a message of this session");
  }

  crypto::ByteReader in(*bytes);
  Header header;
  header.keys.dh = crypto::X25519PublicKey::FromBytes(in.Bytes(32)).value();
  header.keys.kem =
      crypto::MlKem768PublicKey::FromBytes(in.Bytes(1184)).value();
  header.ciphertext =
      crypto::MlKem768Ciphertext::FromBytes(in.Bytes(1088)).value();
  header.previous_length = in.U32();
  header.number = in.U32();
  header.flags = in.U8();
  static_assert(kHeaderUsedBytes < kHeaderBytes);
  if (!AllZero(in.Bytes(kHeaderBytes - kHeaderUsedBytes)) ||
      header.number == kMaxNumber) {
    return Violation();
  }

  Ratchet next = Clone();
  if (which == kTurn) RETURN_IF_ERROR(next.TurnReceiving(header, now));
  ReceivingChain& chain = which >= 0
                              ? next.old_chains_[static_cast<size_t>(which)]
                              : *next.receiving_;
  if (header.flags != chain.flags) return Violation();
  next.DropExpiredKeys(now);
  ASSIGN_OR_RETURN(const Key message_key,
                   next.TakeMessageKey(chain, header.number, now));
  ASSIGN_OR_RETURN(
      std::string content,
      next.OpenBody(message, message_key, header.flags, identity_kem));
  next.TrimSkippedKeys();
  return Opened{std::move(content), std::move(next)};
}

size_t Ratchet::skipped_keys() const {
  size_t count = receiving_.has_value() ? receiving_->skipped.size() : 0;
  for (const ReceivingChain& chain : old_chains_) count += chain.skipped.size();
  return count;
}

uint32_t Ratchet::unanswered() const {
  return sending_.has_value() && !turn_pending_ ? sending_->next : 0;
}

bool Ratchet::DropExpiredKeys(absl::Time now) {
  bool dropped = false;
  const auto drop_from = [now, &dropped](ReceivingChain& chain) {
    for (auto key = chain.skipped.begin(); key != chain.skipped.end();) {
      if (key->second.stored + kSkippedKeyLifetime <= now) {
        key = chain.skipped.erase(key);
        dropped = true;
      } else {
        ++key;
      }
    }
  };
  if (receiving_.has_value()) drop_from(*receiving_);
  for (ReceivingChain& chain : old_chains_) drop_from(chain);
  return dropped;
}

// The oldest go first. One step stores at most half of the bound, so what this
// message made stays.
void Ratchet::TrimSkippedKeys() {
  size_t count = skipped_keys();
  for (size_t i = old_chains_.size(); i-- > 0;) {
    std::map<uint32_t, SkippedKey>& keys = old_chains_[i].skipped;
    for (; count > kMaxSkippedKeys && !keys.empty(); --count) {
      keys.erase(keys.begin());
    }
  }
  for (; count > kMaxSkippedKeys; --count) {
    receiving_->skipped.erase(receiving_->skipped.begin());
  }
}

Ratchet::ReceivingChain Ratchet::CloneChain(const ReceivingChain& chain) {
  ReceivingChain copy;
  copy.header_key = chain.header_key.Clone();
  copy.chain_key = chain.chain_key.Clone();
  copy.next = chain.next;
  copy.flags = chain.flags;
  for (const auto& [number, key] : chain.skipped) {
    copy.skipped.emplace_hint(copy.skipped.end(), number,
                              SkippedKey{key.stored, key.message_key.Clone()});
  }
  return copy;
}

Ratchet Ratchet::Clone() const {
  Ratchet copy(parties_, id_);
  copy.root_key_ = root_key_.Clone();
  copy.next_sending_header_key_ = next_sending_header_key_.Clone();
  copy.next_receiving_header_key_ = next_receiving_header_key_.Clone();
  copy.turn_pending_ = turn_pending_;
  copy.previous_length_ = previous_length_;
  if (sending_.has_value()) {
    copy.sending_ = SendingChain{
        sending_->header_key.Clone(), sending_->chain_key.Clone(),
        sending_->next, sending_->ciphertext, sending_->has_ciphertext};
  }
  if (receiving_.has_value()) copy.receiving_ = CloneChain(*receiving_);
  for (const ReceivingChain& chain : old_chains_) {
    copy.old_chains_.push_back(CloneChain(chain));
  }
  if (own_.has_value()) {
    copy.own_ = OwnKeys{own_->dh_secret.Clone(), own_->dh_public,
                        CloneOptional(own_->kem_seed), own_->kem_public};
  }
  copy.peer_ = peer_;
  copy.pq_authenticated_ = pq_authenticated_;
  copy.peer_identity_kem_ = peer_identity_kem_;
  copy.auth_ciphertext_ = auth_ciphertext_;
  copy.auth_secret_ = CloneOptional(auth_secret_);
  return copy;
}

void Ratchet::SerializeChain(const ReceivingChain& chain,
                             crypto::ByteWriter& out) {
  out.Bytes(chain.header_key.Expose())
      .Bytes(chain.chain_key.Expose())
      .U32(chain.next)
      .U8(chain.flags)
      .U16(static_cast<uint16_t>(chain.skipped.size()));
  for (const auto& [number, key] : chain.skipped) {
    out.U32(number)
        .U64(static_cast<uint64_t>(absl::ToUnixMillis(key.stored)))
        .Bytes(key.message_key.Expose());
  }
}

absl::StatusOr<Ratchet::ReceivingChain> Ratchet::ParseChain(
    crypto::ByteReader& in) {
  StateReader state(in);
  ReceivingChain chain;
  chain.header_key = state.Secret<32>();
  chain.chain_key = state.Secret<32>();
  chain.next = in.U32();
  chain.flags = in.U8();
  const size_t count = in.U16();
  if (!in.ok() || count > kMaxSkippedKeys) return Damaged();
  for (size_t i = 0; i < count; ++i) {
    const uint32_t number = in.U32();
    const uint64_t stored = in.U64();
    Key key = state.Secret<32>();
    if (!in.ok() || number >= chain.next ||
        stored > static_cast<uint64_t>(std::numeric_limits<int64_t>::max()) ||
        (!chain.skipped.empty() && number <= chain.skipped.rbegin()->first)) {
      return Damaged();
    }
    chain.skipped.emplace_hint(
        chain.skipped.end(), number,
        SkippedKey{absl::FromUnixMillis(static_cast<int64_t>(stored)),
                   std::move(key)});
  }
  return chain;
}

void Ratchet::Serialize(crypto::ByteWriter& out) const {
  out.Bytes(parties_.local_account.bytes())
      .Bytes(parties_.local_device.bytes())
      .Bytes(parties_.peer_account.bytes())
      .Bytes(parties_.peer_device.bytes())
      .Bytes(id_.bytes())
      .Bytes(root_key_.Expose())
      .Bytes(next_sending_header_key_.Expose())
      .Bytes(next_receiving_header_key_.Expose())
      .U8(turn_pending_ ? 1 : 0)
      .U8(pq_authenticated_ ? 1 : 0)
      .U32(previous_length_);
  WriteOptional(out, sending_, [&out](const SendingChain& chain) {
    out.Bytes(chain.header_key.Expose())
        .Bytes(chain.chain_key.Expose())
        .U32(chain.next)
        .U8(chain.has_ciphertext ? 1 : 0)
        .Bytes(chain.ciphertext.bytes());
  });
  WriteOptional(out, receiving_, [&out](const ReceivingChain& chain) {
    SerializeChain(chain, out);
  });
  out.U8(static_cast<uint8_t>(old_chains_.size()));
  for (const ReceivingChain& chain : old_chains_) SerializeChain(chain, out);
  WriteOptional(out, own_, [&out](const OwnKeys& keys) {
    out.Bytes(keys.dh_secret.Expose()).Bytes(keys.dh_public.bytes());
    WriteOptional(out, keys.kem_seed,
                  [&out](const crypto::SecretBytes<64>& seed) {
                    out.Bytes(seed.Expose());
                  });
    out.Bytes(keys.kem_public.bytes());
  });
  WriteOptional(out, peer_, [&out](const PeerKeys& keys) {
    out.Bytes(keys.dh.bytes()).Bytes(keys.kem.bytes());
  });
  WriteOptional(
      out, peer_identity_kem_,
      [&out](const crypto::XWingPublicKey& key) { out.Bytes(key.bytes()); });
  WriteOptional(out, auth_ciphertext_,
                [&out](const crypto::XWingCiphertext& ciphertext) {
                  out.Bytes(ciphertext.bytes());
                });
  WriteOptional(out, auth_secret_,
                [&out](const Key& key) { out.Bytes(key.Expose()); });
}

absl::StatusOr<Ratchet> Ratchet::Parse(crypto::ByteReader& in) {
  StateReader state(in);
  const auto local_account = crypto::AccountId::FromBytes(in.Bytes(33));
  const DeviceId local_device = state.Fixed<DeviceId>();
  const auto peer_account = crypto::AccountId::FromBytes(in.Bytes(33));
  const DeviceId peer_device = state.Fixed<DeviceId>();
  if (!local_account.ok() || !peer_account.ok()) return Damaged();
  Ratchet ratchet(
      SessionParties{*local_account, local_device, *peer_account, peer_device},
      state.Fixed<SessionId>());
  ratchet.root_key_ = state.Secret<32>();
  ratchet.next_sending_header_key_ = state.Secret<32>();
  ratchet.next_receiving_header_key_ = state.Secret<32>();
  ratchet.turn_pending_ = state.Bool();
  ratchet.pq_authenticated_ = state.Bool();
  ratchet.previous_length_ = in.U32();
  if (state.Bool()) {
    SendingChain chain;
    chain.header_key = state.Secret<32>();
    chain.chain_key = state.Secret<32>();
    chain.next = in.U32();
    chain.has_ciphertext = state.Bool();
    chain.ciphertext = state.Fixed<crypto::MlKem768Ciphertext>();
    ratchet.sending_ = std::move(chain);
  }
  if (state.Bool()) {
    ASSIGN_OR_RETURN(ratchet.receiving_, ParseChain(in));
  }
  const size_t old_chains = in.U8();
  if (old_chains > kMaxOldChains) return Damaged();
  for (size_t i = 0; i < old_chains; ++i) {
    ASSIGN_OR_RETURN(ReceivingChain chain, ParseChain(in));
    ratchet.old_chains_.push_back(std::move(chain));
  }
  if (state.Bool()) {
    OwnKeys keys;
    keys.dh_secret = state.Secret<32>();
    keys.dh_public = state.Fixed<crypto::X25519PublicKey>();
    if (state.Bool()) keys.kem_seed = state.Secret<64>();
    keys.kem_public = state.Fixed<crypto::MlKem768PublicKey>();
    ratchet.own_ = std::move(keys);
  }
  if (state.Bool()) {
    PeerKeys keys;
    keys.dh = state.Fixed<crypto::X25519PublicKey>();
    keys.kem = state.Fixed<crypto::MlKem768PublicKey>();
    ratchet.peer_ = keys;
  }
  if (state.Bool()) {
    ratchet.peer_identity_kem_ = state.Fixed<crypto::XWingPublicKey>();
  }
  if (state.Bool()) {
    ratchet.auth_ciphertext_ = state.Fixed<crypto::XWingCiphertext>();
  }
  if (state.Bool()) ratchet.auth_secret_ = state.Secret<32>();
  const bool consistent =
      ratchet.peer_.has_value() == ratchet.turn_pending_ &&
      ratchet.own_.has_value() == !ratchet.turn_pending_ &&
      (ratchet.receiving_.has_value() ||
       (!ratchet.turn_pending_ && old_chains == 0)) &&
      // What `Seal` and `Open` rely on: a ciphertext never without its secret.
      (!ratchet.auth_ciphertext_.has_value() ||
       ratchet.auth_secret_.has_value()) &&
      ratchet.skipped_keys() <= kMaxSkippedKeys;
  if (!state.ok() || !consistent) return Damaged();
  return ratchet;
}

}  // namespace messenger::client
