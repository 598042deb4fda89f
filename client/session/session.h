// A pairwise end-to-end encrypted session between two devices (client/SPEC.md,
// sections 3 to 5): made by one flight to an offline peer, then a double
// ratchet with encrypted headers and ML-KEM-768 in every turn.
//
//   Alice                                              Bob (offline)
//   fetch identity record and prekey record
//   Initiate -> session, awaiting_reply
//   Encrypt  -> blob  -- account inbox -->              InitReplayKey: new
//   Encrypt  -> blob  -- account inbox -->              Accept -> session
//     (both carry the handshake; either suffices)       InitReplayKey: known
//                                                       session.Decrypt
//             <-- pairwise mailbox --  blob  <-         session.Encrypt
//   Decrypt: no longer awaiting_reply
//   Encrypt  -> blob  -- pairwise mailbox -->           Decrypt
//
// Bytes in, bytes out. A `Session` never changes: `Encrypt` and `Decrypt`
// return the next state, which the caller stores in the same transaction as
// the message, before the blob leaves the process or the content is shown. A
// state that is lost this way is lost with its message; a failed call changes
// nothing.
//
// Sessions are move-only and thread-compatible.

#ifndef CLIENT_SESSION_SESSION_H_
#define CLIENT_SESSION_SESSION_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "client/session/device_keys.h"
#include "client/session/identity_record.h"
#include "client/session/prekey_record.h"
#include "client/session/prekey_secrets.h"
#include "client/session/ratchet.h"
#include "crypto/base/fixed_bytes.h"
#include "crypto/hash/hash.h"
#include "crypto/identity/account_id.h"
#include "crypto/kem/xwing.h"
#include "crypto/random/random.h"

namespace messenger::client {

enum class SessionRole : uint8_t { kInitiator = 1, kResponder = 2 };

// Content of this size fits into a blob in every state of a session. Longer
// content is split or sent as an attachment.
inline constexpr size_t kMaxContentBytes = 58'885;

// Who we are. All three must outlive the calls they are passed to.
struct LocalIdentity {
  const IdentityRecord& record;  // our newest, listing `device`
  const DeviceKeys& device;
  const crypto::XWingPrivateKey& identity_kem;  // AccountKeys::identity_kem()
};

struct Accepted;
struct InitiateOptions;

class Session final {
 public:
  struct Encrypted;
  struct Decrypted;

  Session(Session&&) = default;
  Session& operator=(Session&&) = default;

  // Seals `content` into a blob of a bucket size (client/SPEC.md, section 5).
  // While `awaiting_reply()`, the blob repeats the handshake and belongs into
  // the peer's account inbox; afterwards into the pairwise mailbox.
  //   INVALID_ARGUMENT    `content` is too long for the largest bucket
  //   RESOURCE_EXHAUSTED  2^32-1 messages were sent without an answer
  absl::StatusOr<Encrypted> Encrypt(absl::string_view content,
                                    crypto::Random& random) const;

  // Opens a blob of the peer, in any order. `identity_kem` is our own account
  // KEM key.
  //   NOT_FOUND           not a blob of this session: try the next one
  //   ALREADY_EXISTS      of this session, but its key is gone: a duplicate,
  //                       or older than the limits allow
  //   INVALID_ARGUMENT    the peer broke the protocol (unusable keys, padding)
  //   UNAUTHENTICATED     the header is the peer's, the body was altered
  //   RESOURCE_EXHAUSTED  more than `kMaxSkip` messages are missing before it
  absl::StatusOr<Decrypted> Decrypt(
      absl::string_view blob, absl::Time now,
      const crypto::XWingPrivateKey& identity_kem) const;

  // The same on both sides, unique, and unknown to others.
  const SessionId& id() const { return ratchet_.id(); }
  SessionRole role() const { return role_; }
  const crypto::AccountId& local_account() const {
    return ratchet_.parties().local_account;
  }
  const DeviceId& local_device() const {
    return ratchet_.parties().local_device;
  }
  const crypto::AccountId& peer_account() const {
    return ratchet_.parties().peer_account;
  }
  const DeviceId& peer_device() const { return ratchet_.parties().peer_device; }

  // When the session was made here, and its refresh generation (see
  // `InitiateOptions`): what `PreferredSession` compares.
  absl::Time created() const { return created_; }
  absl::Time generation() const { return generation_; }

  // The initiator has not decrypted any answer yet.
  bool awaiting_reply() const { return !handshake_.empty(); }

  // The initiator's account KEM key has been mixed into the root: from here
  // on, breaking X25519 and Ed25519 does not suffice to impersonate either.
  bool pq_mutually_authenticated() const {
    return ratchet_.pq_mutually_authenticated();
  }

  // Responder only (zero otherwise): the key of this session in the replay
  // set, equal to `InitReplayKey` of every blob that carries its handshake.
  const crypto::Digest256& replay_key() const { return replay_key_; }

  // A state without skipped message keys past their 30 days; none when there
  // are none to drop. For sessions that lie idle: both calls above drop them
  // as they go.
  std::optional<Session> DropExpiredKeys(absl::Time now) const;

  // How many message keys are kept for messages that have not come yet.
  size_t skipped_keys() const { return ratchet_.skipped_keys(); }

  // Messages sent since the peer last answered. A peer that misses more than
  // `kMaxSkip` in a row cannot read on, so refresh the session before that.
  uint32_t unanswered() const { return ratchet_.unanswered(); }

  Session Clone() const;

  // For the encrypted database. The string is secret; wipe it after use.
  // Parse: DATA_LOSS when the bytes are not what `Serialize` wrote.
  std::string Serialize() const;
  static absl::StatusOr<Session> Parse(absl::string_view bytes);

 private:
  friend absl::StatusOr<Session> Initiate(const LocalIdentity& self,
                                          const IdentityRecord& peer,
                                          const PrekeyRecord& peer_prekey,
                                          const InitiateOptions& options,
                                          absl::Time now,
                                          crypto::Random& random);
  friend absl::StatusOr<Accepted> Accept(const LocalIdentity& self,
                                         const PrekeySecrets& prekeys,
                                         absl::string_view blob,
                                         absl::Time now);

  Session(SessionRole role, Ratchet ratchet)
      : role_(role), ratchet_(std::move(ratchet)) {}

  // Where the ratchet message begins in `blob`, which has a bucket size.
  // NOT_FOUND when another handshake precedes it.
  absl::StatusOr<absl::string_view> StripHandshake(
      absl::string_view blob) const;

  SessionRole role_;
  absl::Time created_;
  absl::Time generation_ = absl::UnixEpoch();
  std::string handshake_;               // initiator, until the first answer
  crypto::Digest256 handshake_digest_;  // responder
  crypto::Digest256 replay_key_;        // responder
  Ratchet ratchet_;
};

struct Session::Encrypted {
  std::string blob;
  Session next;
};

struct Session::Decrypted {
  std::string content;
  Session next;
};

struct InitiateOptions {
  // Unix epoch when there is no session with this device, or none is known
  // any more that was ever used. The current time when this one replaces
  // others: state was lost or restored, the peer missed too much, or an
  // initiation went unanswered until its prekey record was outdated. Both
  // sides prefer the highest generation (session_choice.h).
  absl::Time generation = absl::UnixEpoch();
};

// Starts a session with the device that published `peer_prekey`.
//   INVALID_ARGUMENT     `self` is inconsistent, the peer device is our own,
//                        or a key of the peer is unusable
//   FAILED_PRECONDITION  `peer_prekey` is expired or does not belong to `peer`
// There is no way to start one without a valid prekey record.
absl::StatusOr<Session> Initiate(const LocalIdentity& self,
                                 const IdentityRecord& peer,
                                 const PrekeyRecord& peer_prekey,
                                 const InitiateOptions& options, absl::Time now,
                                 crypto::Random& random);

// What came with a handshake. Before storing any of it the caller checks that
// `replay_key` is new, that `peer_identity` passes `CheckIdentitySuccession`
// against the record it has pinned, and that the peer is welcome.
struct Accepted {
  Session session;
  IdentityRecord peer_identity;  // of session.peer_account()
  std::string content;           // of the first message that arrived
  crypto::Digest256 replay_key;
  crypto::Digest256 prekey_record_hash;  // the epoch whose death ends replays
};

// Reads the first blob of a session that somebody started with us.
//   INVALID_ARGUMENT  malformed: size, version, low-order EKA, or a generation
//                     more than an hour ahead
//   UNAUTHENTICATED   nothing we hold opens it, or what is inside is not
//                     genuine
//   others            as `Session::Decrypt`
absl::StatusOr<Accepted> Accept(const LocalIdentity& self,
                                const PrekeySecrets& prekeys,
                                absl::string_view blob, absl::Time now);

// Replay key of a blob from the account inbox, computed from its first bytes
// without any secret. If it belongs to a session, give the blob to that
// session's `Decrypt`; if not, to `Accept`. INVALID_ARGUMENT when the blob
// cannot be a handshake.
absl::StatusOr<crypto::Digest256> InitReplayKey(absl::string_view blob);

}  // namespace messenger::client

#endif  // CLIENT_SESSION_SESSION_H_
