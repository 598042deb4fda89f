// Everything a client keeps: account, contacts, sessions, messages, outbox
// (client/SPEC.md, section 8).
//
// One encrypted SQLite file. The rule that makes messages survive a crash: the
// state of a session, the message it opened or sealed, the mark that the
// message was seen and the cursor move in one `Transaction`, or not at all.
//
// Byte fields are opaque here; the packages that own them parse them. Not
// thread-safe. Every method may fail as `sqlite::Database` says (DATA_LOSS,
// RESOURCE_EXHAUSTED, UNAVAILABLE); the comments name only further codes.

#ifndef CLIENT_STORE_CLIENT_STORE_H_
#define CLIENT_STORE_CLIENT_STORE_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "client/store/keyslot.h"
#include "client/store/vanishing_keys.h"
#include "crypto/identity/account_id.h"
#include "crypto/random/random.h"
#include "routing/runtime/sqlite/database.h"

namespace messenger::client {

// What the person has decided about an account (client/SPEC.md, section 9).
enum class Standing : int {
  kContact = 0,
  kRequest = 1,    // it has written, and nobody has decided yet
  kDeclined = 2,   // what it sends is dropped for a while
  kBlocked = 3,    // and for good
  kForgotten = 4,  // a stranger again; the next word is a new request
  kSelf = 5,       // the own account: its other devices
  kLink = 6,       // a device that is being linked, or the one that links this
};

struct Contact {
  explicit Contact(const crypto::AccountId& id) : account(id) {}

  crypto::AccountId account;
  std::string name;  // Given by this user; empty without one.
  // What the contact calls itself. Anybody may take any name: it is shown, but
  // nobody is found by it.
  std::string profile_name;
  absl::Time added;
  // Where we write to and read from, once known: client/SPEC.md, section 9.
  // The first is of databases up to version 8, and of the first device listed;
  // `PeerMailbox` is newer.
  std::string outgoing_mailbox;
  std::string incoming_mailbox;
  std::string identity_record;
  Standing standing = Standing::kContact;
  absl::Time standing_since;
  // When the person last compared safety numbers; nothing if never.
  std::optional<absl::Time> verified;
  // Since then, or since the person was last told.
  bool devices_changed = false;
  // After it was read a new text vanishes; zero: never. Both sides count the
  // changes.
  absl::Duration timer;
  uint32_t timer_revision = 0;
  // How the person wants to see the conversation.
  bool muted = false;
  bool archived = false;
  bool pinned = false;
  std::string draft;
};

// The truth about an outgoing message, and what it means to its writer.
enum class MessageState : int {
  kQueued = 1,         // Here only; will be tried again.
  kWaitingForKey = 2,  // Here only: the recipient's keys could not be had yet.
  kSent = 3,           // W storage nodes have signed that they keep it.
  kReceived = 4,       // An incoming message.
  kFailed = 5,         // Given up; the detail says why.
  kDelivered = 6,      // The recipient's device has said that it has it.
  kRead = 7,           // And that it was shown.
  kElsewhere = 8,      // Sent from another device of this account.
};

enum class MessageKind : int {
  kText = 0,
  kTimer = 1,    // no text: its author has set the conversation's timer
  kMissing = 2,  // no text: something that was said cannot be had any more
};

// Why the text of a message is gone. The row stays: a late copy of the message
// is known by it.
enum class Removal : int {
  kNone = 0,
  kUnsent = 1,    // by its author
  kDeleted = 2,   // by this user, here alone
  kVanished = 3,  // its time was over
};

// Names a message within a conversation. Each side chooses the ids of its own.
struct MessageKey {
  bool outgoing = false;
  std::string message_id;
};

struct Message {
  explicit Message(const crypto::AccountId& with) : conversation(with) {}

  int64_t row = 0;
  crypto::AccountId conversation;
  bool outgoing = false;
  std::string message_id;  // 16 bytes, chosen by the sender.
  std::string text;
  absl::Time sent;
  absl::Time stored;  // When it entered this database.
  MessageState state = MessageState::kQueued;
  std::string detail;
  MessageKind kind = MessageKind::kText;
  std::optional<MessageKey> reply_to;
  std::optional<absl::Time> edited;  // by its author's clock
  Removal removal = Removal::kNone;
  absl::Duration timer;  // zero: stays
  // Once it has been read, or, an outgoing one, sent.
  std::optional<absl::Time> vanishes;
};

struct ReactionRow {
  bool own = false;
  std::string emoji;  // Empty: taken back.
  absl::Time sent;
};

// A value that all devices of the account share; the newest one counts, and of
// two set at the same time that of the higher device id.
struct OwnStateRow {
  std::string name;
  std::string value;
  absl::Time changed;
  std::string device;
};

struct OwedReceipt {
  std::string message_id;
  bool read = false;
};

// One envelope on its way. `content` is what is to be said; `blob` is there
// once a session has sealed it and is what every retry sends.
struct OutboxItem {
  explicit OutboxItem(const crypto::AccountId& to) : peer(to) {}

  int64_t row = 0;
  int64_t message_row = 0;  // 0: a control message without a visible one.
  crypto::AccountId peer;
  std::string content;
  std::optional<std::string> blob;
  std::string mailbox;
  uint16_t mailbox_namespace = 0;
  absl::Time expiry;
  int attempts = 0;
  absl::Time next_try;
  // The device of the peer it is for; empty: for each one, which are not known
  // yet. Copies for several devices have one `logical` number, at first the
  // row.
  std::string device;
  int64_t logical = 0;
  // Another device of the peer has it already.
  bool extra = false;
  // Its number for that device, once it has been sealed; 0 before.
  uint64_t sequence = 0;
  // The message whose words are in it, as a new text, an edit or a copy for
  // another device; 0: none.
  int64_t words_of = 0;
  // Means something only now: it has no number, and is not tried again.
  bool fleeting = false;
};

// Contents of a device that have not come though later ones have.
struct Gap {
  uint64_t sequence = 0;
  absl::Time noticed;
  absl::Time asked;  // the last time; InfinitePast: never
  int asks = 0;
};

struct GapsOfDevice {
  crypto::AccountId peer;
  std::string device;
  std::vector<Gap> gaps;
};

// What was said and confirmed, in case it is asked for again. Without content:
// it was taken back, or has vanished.
struct SentContent {
  int64_t words_of = 0;  // as in OutboxItem
  std::string content;
  int resends = 0;
};

// An invite link of this account (client/SPEC.md, section 17).
struct InviteRow {
  std::string token;
  absl::Time created;
  absl::Time expires;
  int most_uses = 1;  // 0: any number
  int uses = 0;
};

// A profile picture, or that there is none any more (client/SPEC.md, section
// 9.3).
struct PictureRow {
  crypto::AccountId account;  // whose it is
  std::string jpeg;           // empty: none
  absl::Time changed;         // by its owner's clock
  bool chosen_here = false;   // an own one, on this device
};

// A picture that a device has not been told of.
struct UntoldPicture {
  crypto::AccountId peer;
  std::string device;
  crypto::AccountId owner;
  absl::Time changed;
};

struct SessionRow {
  std::string session_id;
  crypto::AccountId peer;
  std::string state;
};

struct CursorRow {
  std::string node;
  uint64_t incarnation = 0;
  uint64_t sequence = 0;
  uint64_t challenge = 0;
};

// Bounds on what others can make us keep.
inline constexpr int kMaxUnfinishedTexts = 32;
inline constexpr int kMaxQuarantined = 1'000;
// Edits of, and reactions to, messages that are not here.
inline constexpr int kMaxEarly = 200;
inline constexpr int kMaxOwedReceipts = 1'000;
// Of one device.
inline constexpr int kMaxGaps = 1'000;

class ClientStore {
 public:
  static constexpr int64_t kSchemaVersion = 13;

  // Opens or creates `folder`/messages.db, and messages.db-keys beside it.
  // `random` must outlive the store; `vfs` as in `sqlite::Database`.
  //   UNAUTHENTICATED      the key does not open it
  //   FAILED_PRECONDITION  written by a newer version of the program
  static absl::StatusOr<std::unique_ptr<ClientStore>> Open(
      const std::string& folder, const DatabaseKey& key, crypto::Random& random,
      const std::string& vfs = "");

  // Removes the file and its logs, for good: what is left in free blocks only
  // the key opens. OK when there is none.
  static absl::Status Remove(const std::string& folder);

  // What Open() does to a database of an older version, or an empty one; to an
  // older version in tests only. FAILED_PRECONDITION: it is newer.
  static absl::Status Migrate(sqlite::Database& database, int64_t to);

  // Any error of `body` rolls back and is returned. Keys of what was removed
  // are destroyed at the end; where the disk refuses, by the next transaction,
  // or by TruncateLog(), which says so.
  absl::Status Transaction(absl::FunctionRef<absl::Status()> body);

  // Single values by name.
  absl::StatusOr<std::optional<std::string>> Setting(absl::string_view name);
  absl::Status SetSetting(absl::string_view name, absl::string_view value);
  absl::Status DeleteSetting(absl::string_view name);

  absl::Status PutContact(const Contact& contact);
  absl::StatusOr<std::optional<Contact>> FindContact(
      const crypto::AccountId& account);
  absl::StatusOr<std::vector<Contact>> Contacts();
  absl::Status DeleteContact(const crypto::AccountId& account);

  absl::Status PutSession(const SessionRow& session);
  absl::Status DeleteSession(absl::string_view session_id);
  // Newest first.
  absl::StatusOr<std::vector<SessionRow>> Sessions(
      const crypto::AccountId& peer);
  absl::StatusOr<std::vector<SessionRow>> AllSessions();

  // Remembers an accepted first message until the secrets of the prekey record
  // it used are gone. ALREADY_EXISTS: a replay.
  absl::Status AddAcceptedInit(absl::string_view replay_key,
                               absl::string_view prekey_record_hash);
  absl::StatusOr<bool> IsAcceptedInit(absl::string_view replay_key);
  absl::Status ForgetAcceptedInits(absl::string_view prekey_record_hash);

  // Returns the row. ALREADY_EXISTS: a message with this id, of the same side
  // of the conversation, is there already, or was removed.
  absl::StatusOr<int64_t> AddMessage(const Message& message);
  // Of an outgoing one. What the recipient has said about it stays.
  absl::Status SetMessageState(int64_t row, MessageState state,
                               absl::string_view detail);
  absl::StatusOr<std::optional<Message>> FindMessage(int64_t row);
  absl::StatusOr<std::optional<Message>> FindMessage(
      const crypto::AccountId& conversation, const MessageKey& key);
  // Oldest first; the newest `limit` ones. Without a conversation: all but
  // those of requests.
  absl::StatusOr<std::vector<Message>> Messages(
      const std::optional<crypto::AccountId>& conversation, int limit);
  // Messages with all of the words, or words that begin like them, whatever
  // their case and accents; none of requests. Oldest first; the newest `limit`
  // ones. Nothing without a word.
  absl::StatusOr<std::vector<Message>> Search(absl::string_view words,
                                              int limit);
  // Incoming messages of contacts after a row, oldest first: what `receive`
  // prints.
  absl::StatusOr<std::vector<Message>> IncomingAfter(int64_t row);
  // Another device has shown the incoming messages of the conversation up to
  // this one: no report brings them, and their timers run. Nothing if it has
  // not come.
  absl::Status MarkShown(const crypto::AccountId& conversation,
                         absl::string_view message_id, absl::Time now);
  // Gives the incoming messages of a conversation new rows, in their order, so
  // that they are after all others. Inside a transaction.
  absl::Status MoveIncomingToEnd(const crypto::AccountId& conversation);
  // For backups (client/SPEC.md, section 18). After a row, oldest first: those
  // with contacts and blocked ones, also what was removed.
  absl::StatusOr<std::vector<Message>> MessagesToKeep(int64_t after, int limit);
  // As one that was shown. Whether it was neither here nor removed here.
  absl::StatusOr<bool> AddRestored(const Message& message);
  absl::StatusOr<int64_t> LastMessageRow();
  // Those after row `last` were restored: gives them, and what was stored later
  // than the first of them, new rows in the order in which they were stored.
  // What was reported, up to `shown`, is reported no more. Inside a
  // transaction.
  absl::Status SortRestored(int64_t last, int64_t shown);
  // All that was said in it, and what waits in the outbox.
  absl::Status DeleteConversation(const crypto::AccountId& conversation);

  // New words. An edit older than the last one changes nothing, nor does one of
  // a removed message. Whether it changed something.
  absl::StatusOr<bool> EditMessage(int64_t row, absl::string_view text,
                                   absl::Time edited);
  // Takes text, reactions and edits away.
  absl::Status RemoveMessage(const Message& message, Removal why);
  // For a message that has not come: it never will be shown.
  absl::Status AddRemoved(const crypto::AccountId& conversation,
                          const MessageKey& key, absl::Time now);
  // A message that has not come yet is edited as soon as it does; the newest
  // edit counts. At most kMaxEarly of a conversation wait.
  absl::Status KeepEarlyEdit(const crypto::AccountId& conversation,
                             const MessageKey& key, absl::string_view text,
                             absl::Time edited, absl::Time now);

  // The newest of each side, by `sent`. To a message that has not come, too,
  // at most kMaxEarly of a conversation. Whether it changed something.
  absl::StatusOr<bool> PutReaction(const crypto::AccountId& conversation,
                                   const MessageKey& target,
                                   const ReactionRow& reaction);
  // Without those taken back.
  absl::StatusOr<std::vector<ReactionRow>> Reactions(const Message& message);
  absl::StatusOr<std::optional<ReactionRow>> FindReaction(
      const crypto::AccountId& conversation, const MessageKey& target,
      bool own);

  // The recipient has the message: kDelivered or kRead. Never back. Its row, or
  // nothing if that is no news.
  absl::StatusOr<std::optional<int64_t>> Confirm(
      const crypto::AccountId& conversation, absl::string_view message_id,
      MessageState state);
  // A receipt to be sent; that of having read replaces that of having got. At
  // most kMaxOwedReceipts to one peer.
  absl::Status OweReceipt(const crypto::AccountId& peer,
                          const OwedReceipt& receipt, absl::Time due);
  // Whom receipts are owed to, of which one is due by now.
  absl::StatusOr<std::vector<crypto::AccountId>> ReceiptsDue(absl::Time now);
  // Takes out at most `limit`.
  absl::StatusOr<std::vector<OwedReceipt>> TakeReceipts(
      const crypto::AccountId& peer, int limit);
  absl::Status ForgetReceipts();

  // The time of a message with a timer begins, if it has not yet.
  absl::Status StartTimer(int64_t row, absl::Time now);
  // Those whose time is over, at most `limit`.
  absl::StatusOr<std::vector<Message>> Vanished(absl::Time now, int limit);
  // Forgets that messages were deleted or have vanished, and what waited for
  // some that never came.
  absl::Status ForgetRemovedBefore(absl::Time time);
  // After a removal: nothing of it stays in the log of the database.
  absl::Status TruncateLog();

  absl::StatusOr<int64_t> AddOutboxItem(const OutboxItem& item);
  absl::Status UpdateOutboxItem(const OutboxItem& item);
  absl::Status DeleteOutboxItem(int64_t row);
  absl::StatusOr<bool> HasOutboxItem(int64_t row);
  // Not to be sent any more. If it has a number already, whoever asks for that
  // learns that it was taken back.
  absl::Status WithdrawOutboxItem(const OutboxItem& item, absl::Time expiry);
  absl::StatusOr<std::vector<OutboxItem>> Outbox();
  // Fleeting ones that wait since before.
  absl::Status ForgetFleetingBefore(absl::Time time);
  // Whom items are for whose devices are not known yet.
  absl::StatusOr<std::vector<crypto::AccountId>> UnspreadPeers();
  // Items to others than `own` that no device of theirs has yet.
  absl::StatusOr<int64_t> WaitingItems(const crypto::AccountId& own);
  // Those that no device of the recipient has yet; for one device, whatever the
  // others have.
  absl::StatusOr<int64_t> OutboxItemsOf(int64_t message_row);
  absl::StatusOr<int64_t> OutboxItemsOf(int64_t message_row,
                                        absl::string_view device);
  // The item has arrived: other copies of its message, or without one of
  // itself, are extra.
  absl::Status MarkExtra(const OutboxItem& arrived);
  // Also what is not there any more.
  absl::StatusOr<bool> IsExtra(int64_t row);

  // Numbers of contents (client/SPEC.md, section 9.2). The next one to a
  // device; PutSent keeps what has arrived under its number and counts it.
  absl::StatusOr<uint64_t> NextSequence(const crypto::AccountId& peer,
                                        absl::string_view device);
  absl::Status CountSequence(const crypto::AccountId& peer,
                             absl::string_view device, uint64_t sequence);
  absl::Status PutSent(const OutboxItem& item, absl::Time expiry);
  absl::StatusOr<std::optional<SentContent>> FindSent(
      const crypto::AccountId& peer, absl::string_view device,
      uint64_t sequence);
  absl::Status CountResend(const crypto::AccountId& peer,
                           absl::string_view device, uint64_t sequence);
  absl::Status ForgetSentBefore(absl::Time time);
  // One has come: gaps before it are kept, that at it is closed.
  absl::Status NoteSequence(const crypto::AccountId& peer,
                            absl::string_view device, uint64_t sequence,
                            absl::Time now);
  absl::Status CloseGap(const crypto::AccountId& peer, absl::string_view device,
                        uint64_t sequence);
  absl::Status MarkAsked(const crypto::AccountId& peer,
                         absl::string_view device, uint64_t sequence,
                         absl::Time now);
  // Of all devices, those noticed before.
  absl::StatusOr<std::vector<GapsOfDevice>> GapsBefore(absl::Time time);

  // Where a device of the account reads what we write; empty if not known.
  absl::StatusOr<std::string> PeerMailbox(const crypto::AccountId& account,
                                          absl::string_view device);
  absl::Status PutPeerMailbox(const crypto::AccountId& account,
                              absl::string_view device,
                              absl::string_view mailbox);
  absl::StatusOr<bool> HasPeerMailbox(const crypto::AccountId& account);

  absl::StatusOr<std::optional<OwnStateRow>> OwnState(absl::string_view name);
  absl::StatusOr<std::vector<OwnStateRow>> AllOwnState();
  // Keeps the newer of `row` and what is there. Whether that is `row`, and new.
  absl::StatusOr<bool> MergeOwnState(const OwnStateRow& row);

  // The invite links of this account, the oldest first.
  absl::Status PutInvite(const InviteRow& invite);
  absl::StatusOr<std::vector<InviteRow>> Invites();
  absl::Status DeleteInvite(absl::string_view token);

  // The token of a link of `account`; empty without one.
  absl::StatusOr<std::string> ReceivedInvite(const crypto::AccountId& account);
  absl::Status PutReceivedInvite(const crypto::AccountId& account,
                                 absl::string_view token);
  absl::Status ForgetReceivedInvite(const crypto::AccountId& account);

  // Of each account the newer one, then the one with the higher bytes. Whether
  // that is `row`, and new.
  absl::StatusOr<bool> MergePicture(const PictureRow& row);
  absl::StatusOr<std::optional<PictureRow>> FindPicture(
      const crypto::AccountId& account);
  absl::StatusOr<std::vector<crypto::AccountId>> PictureOwners();
  // To devices with a mailbox, of contacts and of the account `own`: its
  // picture, and to its own devices those of contacts. Only a first device says
  // what was not chosen on it. Nobody learns that there is none who was never
  // told of one.
  absl::StatusOr<std::vector<UntoldPicture>> UntoldPictures(
      const crypto::AccountId& own, bool first_device);
  absl::Status MarkPictureTold(const UntoldPicture& told);
  // To a device, or to all of the account when it is empty.
  absl::Status ForgetPicturesTold(const crypto::AccountId& peer,
                                  absl::string_view device = "");

  // Whether the swarm's message was new; marks it as seen.
  absl::StatusOr<bool> MarkSeen(absl::string_view mailbox, absl::string_view id,
                                absl::Time expiry);
  absl::Status ForgetSeenBefore(absl::Time time);

  absl::StatusOr<std::vector<CursorRow>> Cursors(absl::string_view mailbox,
                                                 uint16_t mailbox_namespace);
  absl::Status PutCursor(absl::string_view mailbox, uint16_t mailbox_namespace,
                         const CursorRow& cursor);

  // When a mailbox of this account was last registered with its swarm; nothing
  // if never, or forgotten.
  absl::StatusOr<std::optional<absl::Time>> RegisteredAt(
      absl::string_view mailbox);
  absl::Status SetRegistered(absl::string_view mailbox, absl::Time time);
  absl::Status ForgetRegistration(absl::string_view mailbox);

  // Adds one part of a long text. The whole text once every part is there
  // (and then forgets the parts). Of one peer at most `kMaxUnfinishedTexts`
  // texts wait for parts; the oldest gives way. A text that comes again in
  // more, smaller parts replaces what came of it; fewer parts than are known
  // are left out. INVALID_ARGUMENT, and nothing is stored: outside its text.
  absl::StatusOr<std::optional<std::string>> AddPart(
      const crypto::AccountId& peer, absl::string_view text_id, int part,
      int parts, absl::string_view text, absl::Time now);
  absl::Status ForgetPartsBefore(absl::Time time);

  // Keeps what could not be opened out of the way, for later diagnosis: only
  // the reason and the time.
  absl::Status AddQuarantined(absl::string_view id, absl::string_view reason,
                              absl::Time now);
  absl::StatusOr<int64_t> QuarantinedCount();
  // Forgets all but the newest `kMaxQuarantined`.
  absl::Status TrimQuarantine();

 private:
  ClientStore(std::unique_ptr<sqlite::Database> database,
              std::unique_ptr<VanishingKeys> keys)
      : database_(std::move(database)), keys_(std::move(keys)) {}

  // A text under a key of its own, in the columns of its row; without a slot as
  // it is (client/SPEC.md, section 8.1).
  struct Words {
    std::optional<int64_t> slot;
    std::string bytes;
  };
  absl::StatusOr<Words> Seal(bool vanishes, absl::string_view text);
  // Nothing: the key was destroyed.
  absl::StatusOr<std::optional<std::string>> Unseal(const Words& words);
  static Words ReadWords(sqlite::Statement& row, int slot, int bytes);
  static void BindWords(sqlite::Statement& statement, int slot, int bytes,
                        const Words& words);

  absl::StatusOr<std::vector<Message>> CollectMessages(
      sqlite::Statement* query);
  absl::StatusOr<std::optional<Message>> FirstMessage(sqlite::Statement* query);
  // Those whose words the index does not have.
  absl::StatusOr<std::vector<Message>> SearchVanishing(
      const std::string& wanted, int limit);
  // Whether the words of that message vanish.
  absl::StatusOr<bool> Vanishes(int64_t message_row);
  // Of a message that has just been added.
  absl::Status ApplyEarlyEdit(const crypto::AccountId& conversation,
                              const MessageKey& key, int64_t row);
  // Rows that older versions have left unsealed.
  absl::Status SealOldRows();
  absl::Status SealOldSent();
  // Destroys the keys of rows that are gone.
  absl::Status DestroyDropped();

  std::unique_ptr<sqlite::Database> database_;
  std::unique_ptr<VanishingKeys> keys_;
  bool in_transaction_ = false;
};

}  // namespace messenger::client

#endif  // CLIENT_STORE_CLIENT_STORE_H_
