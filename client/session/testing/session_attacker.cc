#include "client/session/testing/session_attacker.h"

#include <cstdlib>

#include "client/session/handshake.h"
#include "client/session/ratchet.h"
#include "crypto/aead/committing_aead.h"
#include "crypto/aead/xchacha20poly1305.h"
#include "crypto/agreement/x25519.h"
#include "crypto/base/bytes.h"
#include "crypto/base/secret_bytes.h"
#include "crypto/hash/hash.h"
#include "crypto/kdf/hkdf.h"
#include "crypto/kdf/hmac.h"
#include "crypto/kem/mlkem768.h"
#include "crypto/kem/xwing.h"

namespace messenger::client {
namespace {

using Secret32 = crypto::SecretBytes<32>;

constexpr int kChainSteps = 24;
constexpr size_t kOpenPart = 1 + 32 + 1120 + 1120;
constexpr uint8_t kFirstChain = 1;
constexpr uint8_t kAuthentication = 2;

const std::string& Zeros32() {
  static const auto* const zeros = new std::string(32, '\0');
  return *zeros;
}

Secret32 ToSecret(absl::string_view bytes) {
  return Secret32::FromBytes(bytes).value();
}

template <typename T>
std::string Text(const T& value) {
  return std::string(value.bytes());
}

std::string Hmac(const std::string& key, absl::string_view message) {
  return std::string(crypto::HmacSha512Truncated32(key, message).Expose());
}

std::string Part(absl::string_view bytes, size_t i) {
  return std::string(bytes.substr(32 * i, 32));
}

}  // namespace

SessionAttacker::SessionAttacker(const TestParty& a, const TestParty& b) {
  for (const TestParty* party : {&a, &b}) {
    ends_.push_back({Text(party->account.id()) + Text(party->device.id()),
                     Text(party->device.agreement_key().public_key()),
                     Text(party->kem.public_key())});
    KnowPrekeyRecord(*party, party->prekey);
  }
}

void SessionAttacker::KnowPrekeyRecord(const TestParty& owner,
                                       const PrekeyRecord& record) {
  const std::string name = Text(owner.account.id()) + Text(owner.device.id());
  prekeys_.push_back({name == ends_[0].name ? size_t{0} : size_t{1},
                      Text(record.hash()), Text(record.signed_prekey()),
                      Text(record.kem_prekey())});
  // The first half-steps of both answer this one.
  pairs_.insert({Text(record.signed_prekey()),
                 std::string(crypto::MlKem768PublicKey::kSize, '\0')});
}

void SessionAttacker::KnowX25519(absl::string_view secret) {
  const auto key = crypto::X25519PrivateKey::FromBytes(ToSecret(secret));
  x25519_[Text(key.public_key())] = std::string(secret);
  cache_.clear();
}

void SessionAttacker::KnowMlKem(absl::string_view seed) {
  const auto key = crypto::MlKem768PrivateKey::FromSeed(
      crypto::SecretBytes<64>::FromBytes(seed).value());
  mlkem_[Text(key.public_key())] = std::string(seed);
  cache_.clear();
}

void SessionAttacker::KnowXWing(absl::string_view seed) {
  const auto key = crypto::XWingPrivateKey::FromSeed(ToSecret(seed));
  xwing_[Text(key.public_key())] = std::string(seed);
  cache_.clear();
}

void SessionAttacker::KnowPrekeys(const PrekeySecrets& prekeys) {
  for (const PrekeyEpoch& epoch : prekeys.epochs()) {
    KnowX25519(epoch.signed_prekey.secret().Expose());
    KnowXWing(epoch.kem_prekey.seed().Expose());
  }
}

void SessionAttacker::KnowLongTermKeys(const TestParty& party) {
  KnowX25519(party.device.agreement_key().secret().Expose());
  KnowXWing(party.kem.seed().Expose());
}

void SessionAttacker::StealSession(absl::string_view stored) {
  crypto::ByteReader in(stored);
  const auto key = [this, &in] {
    const std::string bytes(in.Bytes(32));
    if (bytes != Zeros32()) keys_.insert(bytes);
    return bytes;
  };
  const auto receiving_chain = [&in, &key] {
    key();  // header
    key();  // chain
    in.U32();
    in.U8();
    const size_t skipped = in.U16();
    for (size_t i = 0; i < skipped; ++i) {
      in.U32();
      in.U64();
      key();
    }
  };
  in.Bytes(1 + 1 + 8 + 8);  // version, role, created, generation
  in.Var16();               // handshake
  in.Bytes(32 + 32);        // its digest, the replay key
  in.Bytes(2 * (33 + 16));  // both ends
  sids_.insert(std::string(in.Bytes(32)));
  roots_.insert(key());
  key();  // the next header keys
  key();
  in.Bytes(1 + 1 + 4);  // turn pending, authenticated, previous length
  if (in.U8() == 1) {   // the sending chain
    key();
    key();
    in.Bytes(4 + 1 + 1088);
  }
  if (in.U8() == 1) receiving_chain();
  const size_t ended = in.U8();
  for (size_t i = 0; i < ended; ++i) receiving_chain();
  if (in.U8() == 1) {  // own keys
    KnowX25519(in.Bytes(32));
    Pair pair;
    pair.dh = std::string(in.Bytes(32));
    if (in.U8() == 1) KnowMlKem(in.Bytes(64));
    pair.ek = std::string(in.Bytes(1184));
    pairs_.insert(pair);
  }
  if (in.U8() == 1) {  // the peer's
    Pair pair;
    pair.dh = std::string(in.Bytes(32));
    pair.ek = std::string(in.Bytes(1184));
    pairs_.insert(pair);
  }
  if (in.U8() == 1) in.Bytes(1216);  // account KEM key of the peer
  if (in.U8() == 1) in.Bytes(1120);  // c4
  if (in.U8() == 1) authentication_.insert(key());
  if (!in.Finish().ok()) std::abort();  // the stored form has changed
}

void SessionAttacker::Record(absl::string_view blob) {
  blobs_.emplace_back();
  blobs_.back().bytes = std::string(blob);
}

std::vector<std::string> SessionAttacker::Agreements(const std::string& a,
                                                     const std::string& b) {
  std::vector<std::string>& secrets = cache_[{a, b}];
  if (!secrets.empty()) return secrets;
  secrets = {"", Zeros32()};
  for (const auto& [own, peer] : {std::pair(a, b), std::pair(b, a)}) {
    const auto found = x25519_.find(own);
    if (found == x25519_.end()) continue;
    const auto agreed =
        crypto::X25519PrivateKey::FromBytes(ToSecret(found->second))
            .Agree(crypto::X25519PublicKey::FromBytes(peer).value());
    if (!agreed.ok()) continue;
    secrets.push_back(std::string(agreed->Expose()));
    break;
  }
  return secrets;
}

std::vector<std::string> SessionAttacker::Decapsulations(
    const std::string& ek, const std::string& ciphertext) {
  std::vector<std::string>& secrets = cache_[{ek, ciphertext}];
  if (!secrets.empty()) return secrets;
  secrets = {"", Zeros32()};
  const auto found = mlkem_.find(ek);
  if (found != mlkem_.end()) {
    const auto key = crypto::MlKem768PrivateKey::FromSeed(
        crypto::SecretBytes<64>::FromBytes(found->second).value());
    secrets.push_back(std::string(
        key.Decapsulate(
               crypto::MlKem768Ciphertext::FromBytes(ciphertext).value())
            .Expose()));
  }
  return secrets;
}

std::vector<std::string> SessionAttacker::XWingSecrets(
    const std::string& key, const std::string& ciphertext) {
  std::vector<std::string> secrets = {"", Zeros32()};
  const auto found = xwing_.find(key);
  if (found == xwing_.end()) return secrets;
  const auto secret =
      crypto::XWingPrivateKey::FromSeed(ToSecret(found->second))
          .Decapsulate(crypto::XWingCiphertext::FromBytes(ciphertext).value());
  if (secret.ok()) secrets.push_back(std::string(secret->Expose()));
  return secrets;
}

// Section 3.1, as the addressee or from the ephemeral key.
bool SessionAttacker::TryHandshake(Blob& blob) {
  if (blob.handshake_open || blob.bytes[0] != kHandshakeVersion ||
      blob.bytes.size() <= kHandshakeBytes) {
    return false;
  }
  const std::string eka = blob.bytes.substr(1, 32);
  const std::string c1 = blob.bytes.substr(33, 1120);
  const std::string c2 = blob.bytes.substr(33 + 1120, 1120);
  const std::string outer = blob.bytes.substr(kOpenPart, kOuterBytes);
  for (const Prekey& prekey : prekeys_) {
    const End& to = ends_[prekey.owner];
    const End& from = ends_[1 - prekey.owner];
    const auto h0 = crypto::Blake2b256(
        "nm1-hs0", {blob.bytes.substr(0, 1), to.name, prekey.hash,
                    blob.bytes.substr(1, kOpenPart - 1)});
    const auto h1 = crypto::Blake2b256("nm1-hs1", {h0.bytes(), outer});
    for (const std::string& dh2 : Agreements(eka, to.device_key))
      for (const std::string& dh3 : Agreements(eka, prekey.spk))
        for (const std::string& k1 : XWingSecrets(prekey.xpk, c1))
          for (const std::string& k2 : XWingSecrets(to.account_kem, c2)) {
            const crypto::Prk512 prk0 =
                crypto::HkdfSha512Extract("nm/v1/hs", {dh2, dh3, k1, k2});
            if (!crypto::CommittingOpen(
                     crypto::HkdfSha512Expand<32>(
                         prk0.Expose(), crypto::KdfLabel::kOuter, h0.bytes()),
                     h0.bytes(), outer)
                     .ok()) {
              continue;
            }
            blob.handshake_open = true;
            const Secret32 salt = crypto::HkdfSha512Expand<32>(
                prk0.Expose(), crypto::KdfLabel::kChain, h1.bytes());
            for (const std::string& dh1 :
                 Agreements(from.device_key, prekey.spk)) {
              const auto prk1 = crypto::HkdfSha512Extract(salt.Expose(), {dh1});
              const auto keys = crypto::HkdfSha512Expand<128>(
                  prk1.Expose(), crypto::KdfLabel::kRoot, h1.bytes());
              roots_.insert(Part(keys.Expose(), 0));
              keys_.insert(Part(keys.Expose(), 1));
              keys_.insert(Part(keys.Expose(), 2));
              sids_.insert(Part(keys.Expose(), 3));
            }
          }
  }
  return blob.handshake_open;
}

bool SessionAttacker::TryHeader(Blob& blob) {
  if (blob.header.has_value()) return false;
  for (const size_t offset : {size_t{0}, kHandshakeBytes}) {
    if (blob.bytes.size() < offset + kEncryptedHeaderBytes) continue;
    const std::string sealed = blob.bytes.substr(offset, kEncryptedHeaderBytes);
    for (const std::string& sid : sids_)
      for (const std::string& key : keys_) {
        const auto opened = crypto::XChaChaOpen(
            ToSecret(key),
            crypto::XNonce::FromBytes(sealed.substr(0, 24)).value(),
            "hdr" + sid, sealed.substr(24));
        if (!opened.ok()) continue;
        crypto::ByteReader in(*opened);
        Header header;
        header.key = key;
        header.sid = sid;
        header.bytes = *opened;
        header.pair.dh = std::string(in.Bytes(32));
        header.pair.ek = std::string(in.Bytes(1184));
        header.ciphertext = std::string(in.Bytes(1088));
        in.U32();
        header.number = in.U32();
        header.flags = in.U8();
        pairs_.insert(header.pair);
        blob.header = std::move(header);
        blob.offset = offset;
        return true;
      }
  }
  return false;
}

bool SessionAttacker::TryMessageKey(Blob& blob,
                                    const std::string& message_key) {
  const std::string sealed =
      blob.bytes.substr(blob.offset, kEncryptedHeaderBytes);
  const std::string body =
      blob.bytes.substr(blob.offset + kEncryptedHeaderBytes);
  for (const auto& [from, to] : {std::pair(0, 1), std::pair(1, 0)}) {
    auto opened =
        crypto::CommittingOpen(ToSecret(message_key),
                               "msg" + ends_[static_cast<size_t>(from)].name +
                                   ends_[static_cast<size_t>(to)].name + sealed,
                               body);
    if (!opened.ok()) continue;
    absl::string_view text = *opened;
    if ((blob.header->flags & kAuthentication) != 0) {
      const std::string c4(text.substr(0, 1120));
      text.remove_prefix(1120);
      for (const End& end : ends_) {
        for (const std::string& k4 : XWingSecrets(end.account_kem, c4)) {
          if (k4.empty() || k4 == Zeros32()) continue;
          authentication_.insert(k4);
        }
      }
    }
    crypto::ByteReader in(text);
    blob.content = std::string(in.Var16());
    return true;
  }
  return false;
}

// Tries `chain_key` as it is and as many steps on as there may be.
bool SessionAttacker::TryChain(Blob& blob, std::string chain_key) {
  for (int step = 0; step < kChainSteps; ++step) {
    if (TryMessageKey(blob, Hmac(chain_key, "\x01"))) return true;
    chain_key = Hmac(chain_key, "\x02");
  }
  return false;
}

bool SessionAttacker::TryBody(Blob& blob) {
  if (!blob.header.has_value() || blob.content.has_value()) return false;
  for (const std::string& key : keys_) {
    if (TryMessageKey(blob, key) || TryChain(blob, key)) return true;
  }
  return false;
}

// Section 4.3: the half-step of which `blob` is a message, from any root and
// as an answer to any keys.
bool SessionAttacker::TryTurn(Blob& blob) {
  if (!blob.header.has_value() || blob.content.has_value()) return false;
  const Header header = *blob.header;
  std::vector<std::string> k4s(authentication_.begin(), authentication_.end());
  k4s.push_back("");
  for (const Pair& pair : pairs_) {
    const crypto::Digest256 context =
        crypto::Blake2b256("nm1-rk", {pair.ek, header.ciphertext});
    for (const std::string& dh : Agreements(header.pair.dh, pair.dh))
      for (const std::string& ss : Decapsulations(pair.ek, header.ciphertext))
        for (const std::string& k4 : k4s)
          for (const std::string& root : roots_) {
            const auto prk = crypto::HkdfSha512Extract(root, {dh, ss, k4});
            const auto keys = crypto::HkdfSha512Expand<96>(
                prk.Expose(), crypto::KdfLabel::kRatchet, context.bytes());
            std::string chain = Part(keys.Expose(), 1);
            for (uint32_t i = 0; i < header.number; ++i) {
              chain = Hmac(chain, "\x02");
            }
            if (!TryMessageKey(blob, Hmac(chain, "\x01"))) continue;
            roots_.insert(Part(keys.Expose(), 0));
            keys_.insert(Part(keys.Expose(), 0));
            keys_.insert(Part(keys.Expose(), 1));
            keys_.insert(Part(keys.Expose(), 2));
            return true;
          }
  }
  return false;
}

std::map<size_t, std::string> SessionAttacker::Open() {
  for (bool more = true; more;) {
    more = false;
    for (Blob& blob : blobs_) {
      // A message that opens otherwise may still show the half-step.
      more |= TryHandshake(blob);
      more |= TryHeader(blob);
      more |= TryTurn(blob);
      more |= TryBody(blob);
    }
  }
  std::map<size_t, std::string> opened;
  for (size_t i = 0; i < blobs_.size(); ++i) {
    if (blobs_[i].content.has_value()) opened[i] = *blobs_[i].content;
  }
  return opened;
}

std::string SessionAttacker::Seal(const std::string& header_key,
                                  const std::string& sid,
                                  const std::string& header,
                                  const std::string& message_key, bool forward,
                                  crypto::Random& random) const {
  const auto nonce = random.Fixed<crypto::XNonce>();
  std::string message = Text(nonce);
  message +=
      crypto::XChaChaSeal(ToSecret(header_key), nonce, "hdr" + sid, header);
  std::string body = crypto::ByteWriter().Var16("forged").Take();
  body.resize(4096 - message.size() - kBodyOverheadBytes, '\0');
  message += crypto::CommittingSeal(ToSecret(message_key),
                                    "msg" + ends_[forward ? 0 : 1].name +
                                        ends_[forward ? 1 : 0].name + message,
                                    body);
  return message;
}

void SessionAttacker::Forge(
    crypto::Random& random,
    const std::function<void(const std::string& blob)>& use) {
  const auto forge = [&](const std::string& header_key, const Pair& pair,
                         const std::string& ciphertext, uint32_t number,
                         uint8_t flags, const std::string& message_key) {
    std::string header = crypto::ByteWriter()
                             .Bytes(pair.dh)
                             .Bytes(pair.ek)
                             .Bytes(ciphertext)
                             .U32(0)
                             .U32(number)
                             .U8(flags)
                             .Take();
    header.resize(kHeaderBytes, '\0');
    for (const std::string& sid : sids_) {
      for (const bool forward : {true, false}) {
        use(Seal(header_key, sid, header, message_key, forward, random));
      }
    }
  };
  const std::string no_ciphertext(crypto::MlKem768Ciphertext::kSize, '\0');
  const auto dh = crypto::X25519PrivateKey::Generate(random);
  const auto kem = crypto::MlKem768PrivateKey::Generate(random);
  const Pair own = {Text(dh.public_key()), Text(kem.public_key())};
  // In a chain of which a key is known: its first, or one of unknown number.
  for (const std::string& header_key : keys_)
    for (const std::string& key : keys_) {
      std::string chain = key;
      for (uint32_t number = 0; number < 6; ++number) {
        for (const uint8_t flags : {uint8_t{0}, kFirstChain}) {
          for (const std::string& message_key :
               {key, Hmac(key, "\x01"), Hmac(chain, "\x01")}) {
            forge(header_key, own, no_ciphertext, number, flags, message_key);
          }
        }
        chain = Hmac(chain, "\x02");
      }
    }
  // A half-step of our own, in answer to any keys.
  KnowX25519(dh.secret().Expose());
  std::vector<std::string> k4s(authentication_.begin(), authentication_.end());
  k4s.push_back("");
  for (const Pair& pair : pairs_) {
    const auto ek = crypto::MlKem768PublicKey::FromBytes(pair.ek).value();
    auto encapsulated = crypto::MlKem768Encapsulate(ek, random);
    if (!encapsulated.ok()) continue;
    const std::string ciphertext = Text(encapsulated->ciphertext);
    const auto context = crypto::Blake2b256("nm1-rk", {pair.ek, ciphertext});
    const std::string secret(encapsulated->secret.Expose());
    for (const std::string& agreed : Agreements(own.dh, pair.dh))
      for (const std::string& ss : {secret, std::string(), Zeros32()})
        for (const std::string& k4 : k4s)
          for (const std::string& root : roots_) {
            const auto prk = crypto::HkdfSha512Extract(root, {agreed, ss, k4});
            const auto keys = crypto::HkdfSha512Expand<96>(
                prk.Expose(), crypto::KdfLabel::kRatchet, context.bytes());
            for (const std::string& header_key : keys_) {
              forge(header_key, own, ciphertext, 0, /*flags=*/0,
                    Hmac(Part(keys.Expose(), 1), "\x01"));
            }
          }
  }
}

}  // namespace messenger::client
