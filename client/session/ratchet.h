// The double ratchet with encrypted headers and ML-KEM-768 in both half-steps
// of every turn (client/SPEC.md, section 4).
//
// Used by `Session` only, which pairs it with a handshake. `Seal` and `Open`
// work on a copy of the state and return it: the object itself never changes.
//
// Move-only, thread-compatible.

#ifndef CLIENT_SESSION_RATCHET_H_
#define CLIENT_SESSION_RATCHET_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "client/session/device_keys.h"
#include "crypto/agreement/x25519.h"
#include "crypto/base/bytes.h"
#include "crypto/base/fixed_bytes.h"
#include "crypto/base/secret_bytes.h"
#include "crypto/base/shared_secret.h"
#include "crypto/identity/account_id.h"
#include "crypto/kem/mlkem768.h"
#include "crypto/kem/xwing.h"
#include "crypto/random/random.h"

namespace messenger::client {

using SessionId = crypto::FixedBytes<struct SessionIdTag, 32>;

// Protocol constants (client/SPEC.md, section 4.1).
inline constexpr size_t kHeaderBytes = 2320;
inline constexpr size_t kEncryptedHeaderBytes = 2360;
inline constexpr size_t kBodyOverheadBytes = 48;
inline constexpr uint32_t kMaxSkip = 1000;
inline constexpr size_t kMaxSkippedKeys = 2000;
inline constexpr size_t kMaxOldChains = 5;
inline constexpr absl::Duration kSkippedKeyLifetime = absl::Hours(24 * 30);

// The two ends, bound into every message.
struct SessionParties {
  crypto::AccountId local_account;
  DeviceId local_device;
  crypto::AccountId peer_account;
  DeviceId peer_device;
};

// What the handshake hands over.
struct RatchetRoot {
  SessionId id;
  crypto::SecretBytes<32> root_key;
  crypto::SecretBytes<32> initiator_header_key;
  crypto::SecretBytes<32> responder_next_header_key;
};

class Ratchet final {
 public:
  struct Sealed;
  struct Opened;

  // The initiator's ratchet has turned once against the peer's signed prekey.
  // INVALID_ARGUMENT when that is a low-order point.
  static absl::StatusOr<Ratchet> ForInitiator(
      SessionParties parties, RatchetRoot root,
      const crypto::X25519PublicKey& peer_signed_prekey,
      crypto::Random& random);

  // The responder's ratchet waits for the initiator's first message.
  // `peer_identity_kem` is what the first answer encapsulates to.
  static Ratchet ForResponder(SessionParties parties, RatchetRoot root,
                              const crypto::X25519PrivateKey& signed_prekey,
                              const crypto::XWingPublicKey& peer_identity_kem);

  Ratchet(Ratchet&&) = default;
  Ratchet& operator=(Ratchet&&) = default;

  // The longest content that fits into a message of `message_bytes`; none if
  // not even empty content does.
  std::optional<size_t> Capacity(size_t message_bytes) const;

  // Seals `content` into exactly `message_bytes`. INVALID_ARGUMENT when it
  // does not fit, RESOURCE_EXHAUSTED when the chain has no number left,
  // FAILED_PRECONDITION for a responder that has received nothing yet.
  absl::StatusOr<Sealed> Seal(absl::string_view content, size_t message_bytes,
                              crypto::Random& random) const;

  // Codes as `Session::Decrypt`.
  absl::StatusOr<Opened> Open(
      absl::string_view message, absl::Time now,
      const crypto::XWingPrivateKey& identity_kem) const;

  const SessionId& id() const { return id_; }
  const SessionParties& parties() const { return parties_; }
  bool pq_mutually_authenticated() const { return pq_authenticated_; }
  size_t skipped_keys() const;

  // Forgets skipped keys past their life; returns whether there were any.
  bool DropExpiredKeys(absl::Time now);

  Ratchet Clone() const;

  // Messages sent since the peer's last turn. When the peer misses more than
  // `kMaxSkip` of them in a row, it cannot read on.
  uint32_t unanswered() const;

  // Secret bytes, to be wiped by the caller. `Parse` reads from the middle of
  // a longer encoding; DATA_LOSS when it is not what `Serialize` wrote.
  void Serialize(crypto::ByteWriter& out) const;
  static absl::StatusOr<Ratchet> Parse(crypto::ByteReader& in);

 private:
  using Key = crypto::SecretBytes<32>;

  struct SendingChain {
    Key header_key;
    Key chain_key;
    uint32_t next = 0;
    crypto::MlKem768Ciphertext ciphertext;  // repeated in each header
    bool has_ciphertext = false;            // false in the very first chain
  };
  // The keys with which the peer answers our newest sending chain.
  struct OwnKeys {
    Key dh_secret;
    crypto::X25519PublicKey dh_public;
    // Absent only in a responder that still waits with its signed prekey.
    std::optional<crypto::SecretBytes<64>> kem_seed;
    crypto::MlKem768PublicKey kem_public;
  };
  struct PeerKeys {
    crypto::X25519PublicKey dh;
    crypto::MlKem768PublicKey kem;
  };
  struct SkippedKey {
    absl::Time stored;
    Key message_key;
  };
  struct ReceivingChain {
    Key header_key;
    Key chain_key;  // zero in old chains
    uint32_t next = 0;
    uint8_t flags = 0;  // what each header of this chain must carry
    std::map<uint32_t, SkippedKey> skipped;
  };
  struct Header {
    PeerKeys keys;
    crypto::MlKem768Ciphertext ciphertext;
    uint32_t previous_length = 0;
    uint32_t number = 0;
    uint8_t flags = 0;
  };

  Ratchet(SessionParties parties, SessionId id)
      : parties_(std::move(parties)), id_(id) {}

  bool CarriesAuthentication() const;
  std::optional<std::string> OpenHeader(const Key& key,
                                        absl::string_view sealed) const;
  std::string BodyContext(bool sending, absl::string_view sealed_header) const;

  // The working parts of `Seal` and `Open`, on the copy.
  absl::Status TurnSending(crypto::Random& random);
  absl::Status TurnReceiving(const Header& header, absl::Time now);
  void Advance(const crypto::SharedSecret& dh_secret,
               const crypto::SharedSecret& kem_secret,
               const crypto::MlKem768PublicKey& kem_public,
               const crypto::MlKem768Ciphertext& ciphertext,
               bool mix_authentication, Key& chain_key, Key& next_header_key);
  absl::Status SkipTo(ReceivingChain& chain, uint32_t number, absl::Time now);
  absl::StatusOr<Key> TakeMessageKey(ReceivingChain& chain, uint32_t number,
                                     absl::Time now);
  absl::StatusOr<std::string> OpenBody(
      absl::string_view message, const Key& message_key, uint8_t flags,
      const crypto::XWingPrivateKey& identity_kem);
  void TrimSkippedKeys();

  static void SerializeChain(const ReceivingChain& chain,
                             crypto::ByteWriter& out);
  static absl::StatusOr<ReceivingChain> ParseChain(crypto::ByteReader& in);
  static ReceivingChain CloneChain(const ReceivingChain& chain);

  SessionParties parties_;
  SessionId id_;
  Key root_key_;
  Key next_sending_header_key_;
  Key next_receiving_header_key_;
  // Set by a receiving turn: the next `Seal` turns before it seals.
  bool turn_pending_ = false;
  uint32_t previous_length_ = 0;
  std::optional<SendingChain> sending_;
  std::optional<ReceivingChain> receiving_;
  std::deque<ReceivingChain> old_chains_;  // newest first
  std::optional<OwnKeys> own_;             // absent while `turn_pending_`
  std::optional<PeerKeys> peer_;           // present while `turn_pending_`

  // Post-quantum authentication of the initiator (section 4.4).
  bool pq_authenticated_ = false;
  // Responder, until its first sending turn.
  std::optional<crypto::XWingPublicKey> peer_identity_kem_;
  // Responder, during its first sending chain.
  std::optional<crypto::XWingCiphertext> auth_ciphertext_;
  // Both, until it is mixed into the root: by the initiator's second sending
  // turn and the receiving turn that answers it.
  std::optional<Key> auth_secret_;
};

struct Ratchet::Sealed {
  std::string message;
  Ratchet next;
};

struct Ratchet::Opened {
  std::string content;
  Ratchet next;
};

}  // namespace messenger::client

#endif  // CLIENT_SESSION_RATCHET_H_
