// One account on one device: what a front end embeds
// (client/SPEC.md, sections 8 to 10).
//
//   Queue     writes a text to the outbox; from then on it is never lost
//   Publish   keeps the account's mailboxes registered and its identity and
//             prekey records in its swarm
//   Receive   reads every mailbox, opens what came, stores it
//   Flush     seals what waits in the outbox and stores it in the swarms
//
// The messenger is a state machine over a database and a `MailService`. Each
// event of a session - a message sealed, a message opened - is one transaction
// with its message, so a crash at any point loses nothing and shows nothing
// twice. It fails closed: without valid keys of the recipient a text stays in
// the outbox; there is no weaker way to send it.
//
// Belongs to one executor. One `Flush`, one `Receive` and one `Publish` may be
// under way at a time (a second is FAILED_PRECONDITION). Must outlive its
// pending calls.

#ifndef CLIENT_MESSENGER_MESSENGER_H_
#define CLIENT_MESSENGER_MESSENGER_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "client/messenger/contact_link.h"
#include "client/messenger/content.h"
#include "client/messenger/incoming_content.h"
#include "client/messenger/invite.h"
#include "client/messenger/mail_service.h"
#include "client/messenger/message_request.h"
#include "client/messenger/pairwise_mailbox.h"
#include "client/messenger/vault_state.h"
#include "client/session/device_keys.h"
#include "client/session/identity_record.h"
#include "client/session/prekey_secrets.h"
#include "client/session/safety_code.h"
#include "client/session/session.h"
#include "client/store/client_store.h"
#include "client/vault/vault_contents.h"
#include "crypto/base/secret_bytes.h"
#include "crypto/identity/account_id.h"
#include "crypto/identity/account_keys.h"
#include "crypto/random/random.h"
#include "routing/runtime/clock.h"

namespace messenger::client {

// How long a message waits in the swarm for its reader.
inline constexpr absl::Duration kMessageLifetime = absl::Hours(24 * 14);

// A mailbox of this account.
struct OwnMailbox {
  ReadTarget target;
  std::optional<crypto::AccountId> peer;  // none: the account inbox
};

// Content of a message to an inbox: it has to fit, with its handshake, into the
// bucket of 8 KiB (client/SPEC.md, section 5.2), the largest that a stranger
// may send.
inline constexpr size_t kMaxInboxContentBytes = 1541;

// What became of one text of the outbox in a `Flush`.
struct FlushedMessage {
  int64_t message_row = 0;
  absl::Status status;
  Delivery delivery;
};

struct FlushReport {
  std::vector<FlushedMessage> messages;
  // Texts and control messages that are still in the outbox.
  int waiting = 0;
};

// A device of this account.
struct OwnDevice {
  DeviceId id;
  absl::Time added;
  bool is_this = false;
  bool is_first = false;  // has the account's keys
};

// From the offer to the comparison of the digits.
inline constexpr absl::Duration kLinkWindow = absl::Minutes(10);

// That somebody writes is said at most so often, to somebody from whom
// something has come within that time, and is worth telling so long.
inline constexpr absl::Duration kTypingPause = absl::Seconds(10);
inline constexpr absl::Duration kTypingAudience = absl::Minutes(10);
inline constexpr absl::Duration kTypingLasts = absl::Seconds(20);

// Contents of a contact that later ones have shown to be missing.
struct MissingContents {
  crypto::AccountId account;
  int count = 0;
};
// How long one that comes out of order is not missed.
inline constexpr absl::Duration kGapPatience = absl::Minutes(1);

struct ReceiveReport {
  // Those not shown before, in the order they were stored.
  std::vector<Message> messages;
  // What is new about others, as they came.
  std::vector<MessageChange> changes;
  // Every mailbox was read to the end at a read quorum of its swarm.
  bool complete = false;
  // Why not, in words for the user; empty if complete.
  std::string incomplete_reason;
  int unreadable = 0;    // put into quarantine
  int requests = 0;      // that wait for an answer
  int new_requests = 0;  // of these, since this reading began
  // Contacts whose devices have changed, until ConfirmDevices(), and of
  // verified ones until they are verified again.
  std::vector<crypto::AccountId> changed_devices;
  // They have been asked for again.
  std::vector<MissingContents> missing;
  // Whom an invitation of this account has made contacts.
  std::vector<crypto::AccountId> joined;
  // Who writes just now, for the next kTypingLasts.
  std::vector<crypto::AccountId> typing;
  std::vector<NamedRoute> routes;
};

class Messenger final {
 public:
  // All outlive the messenger.
  struct Environment {
    ClientStore& store;
    MailService& mail;
    const routing::Clock& clock;
    crypto::Random& random;
    // Told what is being waited for, in words for the user. May be null.
    std::function<void(absl::string_view)> on_progress;
    // The front end calls `ConfirmShown`; until then every report brings a
    // message again. Otherwise a message counts as shown once it is reported.
    bool confirms_shown = false;
  };

  // Writes a new account into an empty store. `restored`: the account may have
  // records in its swarm already. ALREADY_EXISTS when the store has one;
  // INVALID_ARGUMENT for a bad name.
  static absl::Status CreateAccount(ClientStore& store,
                                    const crypto::AccountKeys& account,
                                    bool restored, absl::string_view name,
                                    absl::Time now, crypto::Random& random);

  // NOT_FOUND: the store has no account. DATA_LOSS: it is damaged.
  static absl::StatusOr<std::unique_ptr<Messenger>> Open(
      const Environment& environment);

  const crypto::AccountId& account_id() const { return id_; }
  // Null on a linked device: it can do everything but change the account.
  const crypto::AccountKeys* account_keys() const {
    return keys_ ? &*keys_ : nullptr;
  }
  // Where strangers write to this device.
  ReadTarget inbox() const { return InboxTarget(); }
  const std::string& name() const { return name_; }
  absl::Status SetName(absl::string_view name);
  // What contacts are shown (client/SPEC.md, section 9.3); empty: no picture.
  // The store has it, and theirs. INVALID_ARGUMENT: CheckPicture() refuses it.
  absl::Status SetPicture(absl::string_view jpeg);

  // INVALID_ARGUMENT: the own account, or a bad name. Adding a contact again
  // renames it; adding somebody whose request waits accepts it.
  // FAILED_PRECONDITION: it is blocked.
  absl::Status AddContact(const crypto::AccountId& account,
                          absl::string_view name);

  // Puts a text into the outbox and the history; returns its row. The codes
  // and words of `CheckText`; INVALID_ARGUMENT for the own account,
  // FAILED_PRECONDITION for one that is blocked. Writing to somebody whose
  // request waits accepts it.
  absl::StatusOr<int64_t> Queue(const crypto::AccountId& to,
                                absl::string_view text);

  // About a message of the history, by its row (client/SPEC.md, section 9.1).
  // Each is put into the outbox. NOT_FOUND: there is no such message, or its
  // text is gone. INVALID_ARGUMENT: not this text, or not this message, in
  // words for the user. FAILED_PRECONDITION: a blocked account.
  absl::StatusOr<int64_t> Reply(int64_t row, absl::string_view text);
  // Own texts only.
  absl::Status Edit(int64_t row, absl::string_view text);
  // An empty `emoji` takes the reaction back.
  absl::Status React(int64_t row, absl::string_view emoji);
  // Own texts only; whatever has not left yet never does.
  absl::Status Unsend(int64_t row);
  // On this device alone. FAILED_PRECONDITION: it has not been sent yet.
  absl::Status Delete(int64_t row);
  // New texts of the conversation vanish so long after they were read; zero:
  // never. NOT_FOUND: no contact.
  absl::Status SetTimer(const crypto::AccountId& account, absl::Duration time);
  // Changes how a conversation is shown: muted, archived, pinned, its draft.
  // NOT_FOUND: no contact.
  absl::Status Arrange(const crypto::AccountId& account,
                       absl::FunctionRef<void(Contact&)> change);
  // Whether contacts are told that their texts have come and were read. Only
  // then what they tell is believed.
  absl::StatusOr<bool> ReceiptsWanted();
  absl::Status WantReceipts(bool wanted);
  // Whether contacts are told that the person writes to them just now. Only
  // then what they tell is believed.
  absl::StatusOr<bool> TypingWanted();
  absl::Status WantTyping(bool wanted);
  // The person writes to somebody just now: whether something is to be sent.
  // Nothing where it is not wanted, nobody would see it, or it was said a
  // moment ago; so it may be called with every key. NOT_FOUND: no contact.
  absl::StatusOr<bool> TellTyping(const crypto::AccountId& account);
  // Takes away the texts whose time is over. Every call that shows or sends
  // something does it; a front end that shows texts meanwhile calls it, too.
  absl::Status RemoveVanished();

  // Requests of strangers (client/SPEC.md, section 9), the oldest first. Until
  // one is accepted nothing is sent to them. What is accepted comes with the
  // next report, as if it had just arrived. NOT_FOUND: no such request.
  absl::StatusOr<std::vector<MessageRequest>> Requests();
  absl::Status AcceptRequest(const crypto::AccountId& account);
  absl::Status DeclineRequest(const crypto::AccountId& account);

  // Invitations (client/SPEC.md, section 17): whoever writes with one becomes a
  // contact at once. `most_uses` 0: any number of people. INVALID_ARGUMENT: not
  // that many, or not that long. FAILED_PRECONDITION: too many are open.
  // NOT_FOUND: no such invitation.
  absl::StatusOr<Invite> MakeInvite(int most_uses, absl::Duration lifetime);
  // Those that are not good any more, too; the oldest first.
  absl::StatusOr<std::vector<Invite>> Invites();
  absl::Status RevokeInvite(const InviteToken& token);
  // The token of somebody's link goes with what is written to them from now
  // on, until they have answered.
  absl::Status KeepInvite(const ContactLink& link);

  // Anybody, known or not; the own account is INVALID_ARGUMENT. Unblocking
  // somebody who is not blocked: NOT_FOUND.
  absl::Status Block(const crypto::AccountId& account);
  absl::Status Unblock(const crypto::AccountId& account);

  // The 60 digits of `safety_number` were compared. Digits are all that counts
  // of `seen`. FAILED_PRECONDITION: they are others; nothing has changed.
  // NOT_FOUND: no contact.
  absl::Status Verify(const crypto::AccountId& account, absl::string_view seen);
  // The same with a code that is scanned (safety_code.h): what to show, and
  // what the other side shows. Unless it is the same nothing has changed.
  // FAILED_PRECONDITION: the account's devices are not known yet.
  // INVALID_ARGUMENT: no such code, or the own account. NOT_FOUND: no contact.
  absl::StatusOr<std::string> ScannableSafetyCode(
      const crypto::AccountId& account);
  absl::StatusOr<SafetyCodeMatch> VerifyScanned(
      const crypto::AccountId& account, absl::string_view scanned);
  absl::Status Unverify(const crypto::AccountId& account);
  // The person was told of a report's changed devices.
  absl::Status ConfirmDevices(const std::vector<crypto::AccountId>& told);

  // Several devices (client/SPEC.md, section 14). A new device makes an account
  // of its own, whose id is the code, and waits; the first device offers, both
  // show digits once they have answered each other, and the person types them
  // into the first device. Everything in between is Flush() and Receive().
  static absl::Status CreateForLink(ClientStore& store, absl::Time now,
                                    crypto::Random& random);
  absl::StatusOr<bool> AwaitsLink();
  // The account is that of the other side now; this object is of no more use.
  bool became_linked() const { return became_linked_; }
  // FAILED_PRECONDITION: a linked device, or too many of them.
  // INVALID_ARGUMENT: that is no code. A second offer to the same code, in
  // time, is the first.
  absl::Status OfferLink(const crypto::AccountId& code);
  // Six, or none yet.
  absl::StatusOr<std::string> LinkDigits();
  // INVALID_ARGUMENT: others; the link is given up. FAILED_PRECONDITION: none
  // is being made, or for too long.
  absl::Status ConfirmLink(absl::string_view digits);
  // NOT_FOUND: no such device. FAILED_PRECONDITION: this one is linked itself.
  absl::Status UnlinkDevice(const DeviceId& device);
  // The first device first.
  std::vector<OwnDevice> Devices() const;

  // Whether others can write to the account: the inbox is registered, and the
  // records have been published since they last changed.
  bool published() const;
  // Whether a mailbox in use should be registered again, the account's record
  // read by a linked device, or a vault read or written. Publish() does it; it
  // is no failure if that has to wait.
  bool renewal_due();
  void Publish(MailDone<Delivery> done);

  // Whether such a call is under way.
  bool publishing() const { return publishing_; }
  bool flushing() const { return flushing_; }

  // Tries everything in the outbox that is due, or all of it with `force`.
  void Flush(bool force, MailDone<FlushReport> done);

  void Receive(MailDone<ReceiveReport> done);

  // For whoever waits for messages (mail_watch.h): the mailboxes, the inbox
  // first; how far one has been read; and what a wait brought, stored like any
  // page. The report has what was not shown before, and is not complete.
  absl::StatusOr<std::vector<OwnMailbox>> Mailboxes();
  absl::StatusOr<std::vector<CursorRow>> CursorsOf(const OwnMailbox& mailbox);
  absl::StatusOr<ReceiveReport> TakePushed(const OwnMailbox& mailbox,
                                           const Retrieved& retrieved);

  // Incoming ones that every report brings until they are confirmed.
  absl::StatusOr<std::vector<Message>> NotShown();
  // The messages of a report have been shown: no later one brings them.
  absl::Status ConfirmShown(const std::vector<Message>& messages);

  // What a backup takes of, and gives to, the account besides the messages
  // (client/SPEC.md, section 18); the last three inside a transaction.
  //
  // The shared values, and what would be one had it ever been shared; as of
  // `undated` where nobody knows since when.
  absl::StatusOr<std::vector<StateEntry>> ValuesToKeep(absl::Time undated);
  // From here on what was never shared counts as decided now.
  absl::Status DateValues();
  // Whether it was newer than what is here.
  absl::StatusOr<bool> TakeValue(const StateEntry& value);
  // Those after row `last` are there now: puts them in their places.
  absl::Status PlaceRestored(int64_t last);

  // Vaults (client/SPEC.md, section 19). Publish() reads those of a restored
  // account, and writes that of this device some minutes after a change.
  // FAILED_PRECONDITION: this device has none.
  absl::StatusOr<VaultState> Vault();
  // Writes it now. As Publish(), and not at the same time as one.
  void SaveVault(MailDone<Delivery> done);
  // What has been taken in since the last call, if vaults were read.
  std::optional<RestoredVaults> TakeRestored();
  // Of the account's newest backups, the newest first.
  absl::Status KeepBackupKey(const crypto::SecretBytes<32>& key);
  absl::StatusOr<std::vector<crypto::SecretBytes<32>>> BackupKeys();

 private:
  struct ReceiveRun;
  struct FlushRun;
  struct Chain;

  struct OwnAccount {
    crypto::AccountId id;
    std::optional<crypto::AccountKeys> keys;
    std::shared_ptr<const crypto::Ed25519PrivateKey> inbox_key;
  };
  static absl::Status CreateWith(ClientStore& store,
                                 const crypto::AccountKeys& account,
                                 const DeviceKeys& device, bool restored,
                                 absl::string_view name, absl::Time now,
                                 bool awaits_link = false);
  static absl::StatusOr<OwnAccount> LoadAccount(ClientStore& store,
                                                const DeviceKeys& device);

  Messenger(const Environment& environment, OwnAccount account,
            crypto::XWingPrivateKey identity_kem, DeviceKeys device,
            PrekeySecrets prekeys);

  LocalIdentity Self() const {
    return {*identity_record_, device_, identity_kem_};
  }
  const std::string account_mailbox() const { return std::string(id_.bytes()); }
  void Progress(absl::string_view words) const;

  // Registering.
  using Registered = absl::AnyInvocable<void(absl::Status)>;
  ReadTarget InboxTarget() const;
  absl::StatusOr<ReadTarget> TargetOf(const Contact& contact) const;
  // Whether the mailbox made for the contact is to be read.
  absl::StatusOr<bool> MailboxInUse(const Contact& contact) const;
  // How long the mailbox stays registered; negative if it is not.
  absl::StatusOr<absl::Duration> RegistrationLeft(
      absl::string_view mailbox) const;
  // OK while the mailbox is registered; registers it where that is due.
  void EnsureRegistered(const ReadTarget& target, Registered done);
  // Those of contacts, as far as they have been used.
  absl::StatusOr<std::vector<ReadTarget>> MailboxesToRenew() const;
  void RenewMailboxes(std::vector<ReadTarget> due, Registered done);

  // Publishing, step by step.
  void RegisterInbox(MailDone<Delivery> done);
  void PublishRecords(MailDone<Delivery> done);
  void FinishRecords(MailDone<Delivery> done, absl::StatusOr<Delivery> result);
  // Members say that the inbox is not registered. False: we did all we can.
  bool RegisterAgain(const absl::Status& failure, MailDone<Delivery>& done);
  void FetchOwnIdentity(MailDone<Delivery> done);
  absl::Status AdoptIdentity(const std::vector<MailRecord>& records);
  void PutIdentity(MailDone<Delivery> done);
  void PutPrekey(MailDone<Delivery> done);
  absl::Status RecordPublished(const std::string& record);
  void FinishPublish(MailDone<Delivery>& done, absl::StatusOr<Delivery> result);

  // The vault of this device: what is in it, and writing it.
  struct OwnVault;
  struct VaultWriting;
  absl::StatusOr<std::optional<OwnVault>> VaultOfDevice();
  absl::StatusOr<VaultContents> CollectVault();
  absl::Status CollectContact(const Contact& from, VaultContact& contact);
  absl::StatusOr<bool> VaultChanged(const VaultContents& contents);
  // These two choose when a change is written.
  absl::StatusOr<bool> VaultWriteDue();
  absl::Status DelayVault();
  absl::StatusOr<std::shared_ptr<VaultWriting>> BeginVault();
  void WriteVault(Registered done);
  void WriteVaultIfDue(Registered done);
  void WriteVaultPiece(std::shared_ptr<VaultWriting> writing);
  void CatchUpWithVault(std::shared_ptr<VaultWriting> writing);
  void EndVault(const std::shared_ptr<VaultWriting>& writing,
                absl::Status status);

  // The vaults of a restored account's devices before, and taking them in.
  struct VaultReading;
  absl::StatusOr<std::set<DeviceId>> UnreadVaults();
  absl::Status SetUnreadVaults(const std::set<DeviceId>& devices);
  absl::StatusOr<bool> VaultReadDue();
  void ReadVaults(Registered done);
  void ReadNextVault(std::shared_ptr<VaultReading> reading);
  absl::Status TakeVaults(const VaultReading& reading);
  absl::Status TakeContact(const crypto::AccountId& account,
                           const VaultContact& from);
  // A contact's first record on this device, against what a vault said of it.
  absl::Status CompareWithMark(const IdentityRecord& record, Contact& contact);
  void TakeOverVaults(MailDone<Delivery> done);
  void KeepVault(Registered done);
  bool VaultDue();
  absl::StatusOr<std::set<VaultBackupKey>> KeptBackupKeys();
  absl::Status AddBackupKeys(std::set<VaultBackupKey> keys);

  // Of a linked device: the record that the account's first device has made.
  void ReadOwnIdentity(MailDone<Delivery> done);
  bool OwnIdentityDue() const;
  absl::Status AdoptOwnRecord(const IdentityRecord& record);
  // Inside a transaction; `identity_record_` is still the one before.
  absl::Status StoreOwnRecord(const IdentityRecord& record);

  // Sending: chains of items, one for each device of a peer.
  void StartChains(const std::shared_ptr<FlushRun>& run);
  void FlushChain(std::shared_ptr<FlushRun> run, size_t chain);
  void EndChain(std::shared_ptr<FlushRun> run);
  // The newest record of the account that was accepted. NOT_FOUND: none yet.
  absl::StatusOr<IdentityRecord> PinnedIdentity(
      const crypto::AccountId& account);
  // Makes one item for each device of the items whose peers' are known.
  absl::Status SpreadKnown();
  absl::Status SpreadItems(const crypto::AccountId& peer);
  absl::Status ChangeDevices(const crypto::AccountId& peer,
                             const IdentityRecord& before,
                             const IdentityRecord& after);
  absl::Status AddForDevice(const OutboxItem& item, const std::string& device);
  void FlushItem(std::shared_ptr<FlushRun> run, size_t chain, OutboxItem item);
  void CheckDevices(std::shared_ptr<FlushRun> run, size_t chain,
                    OutboxItem item);
  absl::StatusOr<bool> IdentityCheckDue(const crypto::AccountId& peer);
  void SealAndStore(std::shared_ptr<FlushRun> run, size_t chain,
                    OutboxItem item);
  // Empty while the device has not told us of one.
  absl::StatusOr<std::string> OutgoingMailboxOf(const crypto::AccountId& peer,
                                                absl::string_view device);
  // `started`: the session was made for this item and nobody knows it yet.
  void SealFor(std::shared_ptr<FlushRun> run, size_t chain,
               const Session& session, bool started, OutboxItem item);
  // For an item too large for an inbox: what goes out now in its place.
  absl::StatusOr<OutboxItem> CutForInbox(FlushRun& run, size_t chain,
                                         bool started, const OutboxItem& item);
  absl::StatusOr<std::vector<OutboxItem>> ReplaceInOutbox(
      const OutboxItem& item, std::vector<OutboxItem> replacements);
  // With one device, or with all when it is empty.
  absl::StatusOr<std::vector<Session>> SessionsWith(
      const crypto::AccountId& peer, absl::string_view device);
  // `answered`: the swarm did, whatever became of what it said.
  using IdentityDone = absl::AnyInvocable<void(
      bool answered, absl::StatusOr<IdentityRecord> record)>;
  void FetchIdentity(const crypto::AccountId& peer, IdentityDone done);
  void FetchKeys(const crypto::AccountId& peer, const std::string& device,
                 bool again, MailDone<Session> done);
  absl::StatusOr<IdentityRecord> CheckPeerIdentity(
      const crypto::AccountId& peer, const std::vector<MailRecord>& records);
  absl::StatusOr<Session> StartSession(const IdentityRecord& identity,
                                       absl::string_view device,
                                       const std::vector<MailRecord>& prekeys,
                                       bool again);
  // `content` is what leaves (ContentOf).
  absl::Status SealItem(const Session& session, absl::string_view content,
                        OutboxItem& item);
  void StoreItem(std::shared_ptr<FlushRun> run, size_t chain, OutboxItem item);
  void ItemDone(std::shared_ptr<FlushRun> run, size_t chain,
                const OutboxItem& item, absl::StatusOr<Delivery> result);
  void RecordItem(FlushRun& run, size_t chain, const OutboxItem& item,
                  absl::StatusOr<Delivery> result);
  bool GivenUp(const OutboxItem& item, const absl::Status& status) const;
  absl::Status RecordItemResult(const OutboxItem& item,
                                const absl::StatusOr<Delivery>& result);
  std::string EncodeFor(const Contact& contact, absl::string_view message_id,
                        absl::Time sent, ContentBody body);
  OutboxItem NewItem(const Contact& contact, absl::string_view message_id,
                     absl::Time sent, ContentBody body);
  // To a contact, and a copy to the other devices of this account.
  // The messages whose state a content decides, and whose words it has; 0:
  // none.
  struct About {
    int64_t state_of = 0;
    int64_t words_of = 0;
  };
  absl::Status Say(const Contact& to, absl::string_view message_id,
                   absl::Time sent, ContentBody body, About about);
  absl::Status TellOwnDevices(ContentBody body, int64_t words_of = 0);
  bool HasOtherDevices() const;

  // Values that the own devices share; all inside a transaction. `unless`: the
  // value that goes without saying.
  absl::Status ShareValue(absl::string_view name, absl::string_view value,
                          absl::string_view unless,
                          std::vector<StateEntry>& entries);
  absl::Status ShareContact(const Contact& contact);
  absl::Status ShareProfile();
  absl::Status ShareShown(const std::vector<Message>& messages);
  absl::Status ShareEverything();
  // The other devices' marks may be here before what they are about.
  absl::Status ApplyShown();
  absl::Status ApplyValue(absl::string_view name, absl::string_view value);
  absl::Status ApplyStanding(Contact& contact, absl::string_view value);
  absl::Status SetReceipts(bool wanted);

  // Linking, inside a transaction but for the second last.
  absl::Status ForgetLink();
  absl::StatusOr<std::string> LinkValue(const char* setting);
  absl::StatusOr<bool> LinkIsOpen();
  absl::Status ApplyLink(const Contact& contact, const Content& content);
  absl::Status BecomeLinked(const Contact& contact, const LinkGrant& grant);
  absl::Status ChangeOwnDevices(
      const std::vector<DeviceEntry>& devices,
      absl::FunctionRef<absl::Status(const IdentityRecord&)> also);
  absl::Status AnnounceDevices();

  // The parts of a text, inside a transaction.
  absl::Status QueueText(const Contact& contact, const Message& message,
                         absl::string_view message_id, absl::Time sent,
                         const TextPart& like);
  absl::StatusOr<int64_t> QueueMessage(const crypto::AccountId& to,
                                       absl::string_view text,
                                       std::optional<MessageKey> reply_to);
  // A message that is shown, of somebody who may be written to.
  struct Shown {
    Message message;
    Contact contact;
  };
  absl::StatusOr<Shown> FindShown(int64_t row);
  absl::Status QueueReceipts();
  // Pictures that devices with a mailbox do not know yet.
  absl::Status QueuePictures();
  // What the item says when it leaves now. Of a picture the outbox does not
  // keep the bytes.
  absl::StatusOr<std::string> ContentOf(const OutboxItem& item);
  // CANCELLED: it was taken out of the outbox, and comes again once there is a
  // mailbox for it.
  absl::Status PutPictureOff(const OutboxItem& item);
  absl::StatusOr<std::optional<absl::Time>> ReceiptDue();

  // The sender writes just now, if that is worth telling.
  absl::Status HearTyping(const crypto::AccountId& peer, absl::Time sent);

  // Receiving.
  void ReceiveMailbox(std::shared_ptr<ReceiveRun> run, size_t index);
  absl::Status StoreRetrieved(ReceiveRun& run, size_t index,
                              const Retrieved& retrieved);
  absl::Status StoreOne(ReceiveRun& run, size_t index,
                        const MailMessage& message);
  // Opens a blob and stores its consequences inside the caller's transaction.
  using Changes = std::vector<MessageChange>;
  absl::Status OpenInboxBlob(const MailMessage& message, Changes& changes);
  absl::Status OpenPairwiseBlob(const crypto::AccountId& peer,
                                const MailMessage& message, Changes& changes);
  absl::Status AcceptSession(const MailMessage& message, Changes& changes);
  absl::Status ApplyOwn(const Content& content, Changes& changes);
  absl::Status ApplyOwnPicture(const Picture& picture, absl::Time chosen);
  // Gaps and sessions that do not work any more (client/SPEC.md, 9.2 and 3.6).
  absl::StatusOr<std::vector<MissingContents>> Missing();
  absl::Status AskForMissing();
  absl::Status SendAgain(const Contact& contact, const std::string& device,
                         const Resend& resend);
  absl::Status CloseGaps(const crypto::AccountId& peer,
                         const std::string& device, const Gone& gone);
  // A message of a contact did not open: a new session, if that is not too
  // often.
  absl::Status RefreshSessions(const crypto::AccountId& peer);
  // Sessions from before are replaced; InfinitePast: none.
  absl::StatusOr<absl::Time> RefreshedAt(const crypto::AccountId& peer);
  // The sender of a first message is a device of its account.
  absl::Status PinSender(Contact& contact, const Accepted& accepted);
  absl::Status DeliverContent(const Session& session, absl::string_view bytes,
                              bool acknowledge, Changes& changes);
  // `standing` is that of an account never heard of.
  absl::StatusOr<Contact> ContactFor(const crypto::AccountId& peer,
                                     Standing standing = Standing::kContact);
  // The same; FAILED_PRECONDITION for one that is blocked.
  absl::StatusOr<Contact> UnblockedContact(const crypto::AccountId& peer);
  // Inside a transaction.
  absl::Status MakeContact(Contact& contact);
  absl::Status MakeBlocked(Contact& contact);
  // Something that is no text, under an id of its own; to one device, or to all
  // when `device` is empty. QueueGreeting says only that there is a session.
  absl::Status Tell(const Contact& contact, absl::string_view device,
                    ContentBody body, int64_t words_of = 0);
  absl::Status QueueGreeting(const Contact& contact, absl::string_view device) {
    return Tell(contact, device, std::monostate());
  }
  absl::Status ForgetRequest(const Contact& contact);
  absl::Status MakeRoomForRequest();
  absl::Status EndOldRequests();
  // Requests, and contacts with other devices.
  absl::Status ReportContacts(ReceiveRun& run);
  absl::StatusOr<Invite> FromRow(const InviteRow& row) const;
  // Whether the content of a stranger has the token of a good invitation, which
  // is used then. Inside a transaction.
  absl::StatusOr<bool> TakeInvite(const Contact& contact,
                                  const Content& content);
  absl::Status MarkVerified(const crypto::AccountId& account);
  // What codes are made from. FAILED_PRECONDITION: not known yet.
  absl::StatusOr<IdentityRecord> RecordForCode(
      const crypto::AccountId& account);
  // FAILED_PRECONDITION while a verified contact has other devices.
  absl::Status CheckVerified(const crypto::AccountId& peer);
  absl::Status ReadShownRow(ReceiveRun& run);
  absl::Status FinishReceive(ReceiveRun& run);
  absl::Status ReportNew(ReceiveRun& run);
  absl::Status PinIdentity(Contact& contact, const IdentityRecord& record);
  absl::Status DropOldSessions(const crypto::AccountId& peer);

  Environment env_;
  crypto::AccountId id_;
  std::optional<crypto::AccountKeys> keys_;
  std::shared_ptr<const crypto::Ed25519PrivateKey> inbox_key_;
  std::string inbox_mailbox_;
  crypto::XWingPrivateKey identity_kem_;
  DeviceKeys device_;
  std::optional<IdentityRecord> identity_record_;
  PrekeySecrets prekeys_;
  std::string name_;
  // Adopted in a transaction that has not ended yet.
  std::optional<IdentityRecord> adopted_record_;
  // The same of contacts that an invitation made.
  std::vector<crypto::AccountId> joined_;
  // Who has said that they write.
  std::vector<crypto::AccountId> typing_;
  // Of this run: when something last came from a contact, and was said to it.
  std::map<crypto::AccountId, absl::Time> heard_;
  std::map<crypto::AccountId, absl::Time> told_typing_;
  std::optional<RestoredVaults> restored_;
  bool became_linked_ = false;
  bool unlinked_ = false;  // as far as this run has seen
  bool publishing_ = false;
  bool registered_again_ = false;  // in this Publish()
  bool flushing_ = false;
  bool receiving_ = false;
};

}  // namespace messenger::client

#endif  // CLIENT_MESSENGER_MESSENGER_H_
