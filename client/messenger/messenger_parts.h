// What the files of Messenger share. Private to this package.

#ifndef CLIENT_MESSENGER_MESSENGER_PARTS_H_
#define CLIENT_MESSENGER_MESSENGER_PARTS_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "client/session/device_keys.h"
#include "client/session/identity_record.h"
#include "client/session/session.h"
#include "client/session/session_choice.h"
#include "client/store/client_store.h"
#include "crypto/identity/account_id.h"

namespace messenger::client {

// Settings of the store. An account on its first device has the seed; a linked
// device has the id and the seed of the account KEM key.
inline constexpr char kSeedSetting[] = "account/seed";
inline constexpr char kAccountIdSetting[] = "account/id";
inline constexpr char kAccountKemSetting[] = "account/identity-kem";
inline constexpr char kNameSetting[] = "account/name";
inline constexpr char kDeviceSetting[] = "account/device";
inline constexpr char kIdentitySetting[] = "account/identity-record";
inline constexpr char kPrekeysSetting[] = "account/prekeys";
// Hash of the identity record and bytes of the prekey record that a write
// quorum of the swarm has signed for.
inline constexpr char kPublishedIdentitySetting[] =
    "account/published-identity";
inline constexpr char kPublishedPrekeySetting[] = "account/published-prekey";
// The number of that prekey record, decimal.
inline constexpr char kPublishedSeqSetting[] = "account/published-prekey-seq";
// "1" while the account may have an identity record that we do not know.
inline constexpr char kRestoredSetting[] = "account/restored";
// When a linked device last read the account's record: milliseconds.
inline constexpr char kOwnIdentityReadSetting[] = "account/identity-read";
// A new device: kLinkAwaited until it is linked, then kLinkDone.
inline constexpr char kLinkSetting[] = "link/state";
inline constexpr char kLinkAwaited[] = "awaited";
inline constexpr char kLinkDone[] = "done";
// Of a link that is being made, on both sides; empty without one.
inline constexpr char kLinkPeerSetting[] = "link/peer";
inline constexpr char kLinkNonceSetting[] = "link/nonce";
inline constexpr char kLinkPeerNonceSetting[] = "link/peer-nonce";
inline constexpr char kLinkStartedSetting[] = "link/started";
inline constexpr char kLinkCommitmentSetting[] = "link/commitment";
inline constexpr char kLinkEntrySetting[] = "link/entry";
// Of a linked device's vault: the seed of its key, and the public KEM key.
inline constexpr char kVaultKeySetting[] = "vault/key";
inline constexpr char kVaultKemSetting[] = "vault/kem";
// Of the writing of the vault: its last number; the set of the last one that is
// whole, the hash of what it says, and when it was done; and when the next one
// is to be. Times are in milliseconds.
inline constexpr char kVaultSeqSetting[] = "vault/seq";
inline constexpr char kVaultSetSetting[] = "vault/set";
inline constexpr char kVaultDigestSetting[] = "vault/digest";
inline constexpr char kVaultSavedSetting[] = "vault/saved";
inline constexpr char kVaultDueSetting[] = "vault/due";
// Ids of devices whose vaults are to be read, since when, and the last try.
inline constexpr char kVaultUnreadSetting[] = "vault/unread";
inline constexpr char kVaultUnreadSinceSetting[] = "vault/unread-since";
inline constexpr char kVaultTriedSetting[] = "vault/tried";
// Of the newest backups: the time each was made u64, and its key.
inline constexpr char kBackupKeysSetting[] = "backup/keys";
// The newest row that a front end has shown; decimal.
inline constexpr char kShownSetting[] = "receive/shown-row";

// "1": contacts are told, and believed, that something is being written.
inline constexpr char kTypingSetting[] = "messages/typing";

// Names of shared values (client/SPEC.md, section 14.6): "contact/ID/FIELD",
// "read/ID", and these.
inline constexpr char kContactState[] = "contact/";
inline constexpr char kReadState[] = "read/";
inline constexpr char kProfileNameState[] = "profile/name";
inline constexpr char kReceiptsState[] = "settings/receipts";
inline constexpr char kTypingState[] = "settings/typing";
std::string ContactField(const crypto::AccountId& account,
                         absl::string_view field);

// When the contact's identity record was last read: milliseconds.
std::string IdentityCheckSetting(const crypto::AccountId& peer);

// What session_choice.h decides by.
std::vector<SessionSummary> Summaries(const std::vector<Session>& sessions);

// The mark of the newest prekey record of a device of the account with which a
// session was started (client/SPEC.md, section 2.2). `device`: its 16 bytes.
std::string PrekeyMarkSetting(const crypto::AccountId& peer,
                              absl::string_view device);

// Failures of our own device: they say nothing about the message, which must
// be read again later. Everything else is the message's fault.
bool IsOurFailure(const absl::Status& status);

// A time in a setting: milliseconds since 1970, decimal. Nothing where there is
// none.
absl::StatusOr<std::optional<absl::Time>> TimeSetting(ClientStore& store,
                                                      absl::string_view name);
absl::Status SetTimeSetting(ClientStore& store, absl::string_view name,
                            absl::Time time);

// Stores and wipes it.
absl::Status SetSecret(ClientStore& store, absl::string_view name,
                       std::string secret);
absl::Status PutSession(ClientStore& store, const Session& session);

// The newest of an account among records of an untrusted source; NOT_FOUND
// without a valid one.
absl::StatusOr<IdentityRecord> NewestIdentity(
    const crypto::AccountId& account, const std::vector<std::string>& bodies);

// Where a device takes first messages and publishes its prekeys
// (client/SPEC.md, section 14). NOT_FOUND: the account does not list it.
absl::StatusOr<std::string> DeviceInbox(const IdentityRecord& record,
                                        absl::string_view device_id);

}  // namespace messenger::client

#endif  // CLIENT_MESSENGER_MESSENGER_PARTS_H_
