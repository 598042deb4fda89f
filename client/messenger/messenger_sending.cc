// Messenger: from the outbox into the swarms of the recipients' devices.

#include <algorithm>
#include <deque>
#include <map>
#include <set>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "client/messenger/messenger.h"
#include "client/messenger/messenger_parts.h"
#include "client/messenger/refusal_words.h"
#include "client/session/prekey_choice.h"
#include "client/session/prekey_record.h"
#include "client/session/session_choice.h"
#include "crypto/base/secure_memory.h"
#include "crypto/base/status_macros.h"
#include "swarm/auth/limits.h"

namespace messenger::client {
namespace {

using ::messenger::crypto::AccountId;
using ::messenger::swarm::MailboxNamespace;

// How long a contact's list of devices is relied on.
constexpr absl::Duration kIdentityCheckInterval = absl::Hours(24);

constexpr absl::Duration kFirstRetry = absl::Seconds(5);
constexpr absl::Duration kLongestRetry = absl::Minutes(5);
constexpr int kMaxRetryDoublings = 6;

// How long a session that nobody has answered is used before the peer's keys
// are asked for again: less than the 48 hours for which a replaced prekey
// lives at least (client/SPEC.md, section 2).
constexpr absl::Duration kInitiationUse = absl::Hours(36);

static_assert(8192 <= swarm::kMaxStrangerPayloadBytes);
// With its envelope less than kMaxInboxContentBytes.
constexpr size_t kMaxInboxPartBytes = 1300;

absl::Duration RetryDelay(int attempts) {
  const int doublings = std::min(std::max(attempts - 1, 0), kMaxRetryDoublings);
  return std::min(kFirstRetry * (1 << doublings), kLongestRetry);
}

// Of a text that was tried in vain.
MessageState WaitingState(const absl::Status& status) {
  return absl::IsNotFound(status) ? MessageState::kWaitingForKey
                                  : MessageState::kQueued;
}

std::vector<std::string> Bodies(const std::vector<MailRecord>& records) {
  std::vector<std::string> bodies;
  for (const MailRecord& record : records) bodies.push_back(record.body);
  return bodies;
}

// Items of `item` that are sent or replaced together: the parts of a text for
// one device, or a control message alone.
bool BelongTogether(const OutboxItem& a, const OutboxItem& b) {
  if (a.peer != b.peer || a.device != b.device) return false;
  return a.row == b.row ||
         (a.message_row != 0 && a.message_row == b.message_row);
}

}  // namespace

// Items for one device of a peer, in order. Without a device: items whose
// devices are not known yet.
struct Messenger::Chain {
  AccountId peer;
  std::string device;
  std::vector<OutboxItem> items;
  size_t next = 0;
};

// One `Flush`: the chains side by side.
struct Messenger::FlushRun {
  bool force = false;
  std::deque<Chain> chains;  // grows; what is there stays where it is
  size_t running = 0;
  std::map<int64_t, FlushedMessage> messages;
  absl::Status error;  // of our own database
  MailDone<FlushReport> done;
};

// ------------------------------------------------------------------ chains --

void Messenger::Flush(bool force, MailDone<FlushReport> done) {
  if (flushing_) {
    done(absl::FailedPreconditionError("sending already"));
    return;
  }
  absl::Status prepared = RemoveVanished();
  prepared.Update(QueueReceipts());
  prepared.Update(
      env_.store.ForgetFleetingBefore(env_.clock.Now() - kTypingLasts));
  prepared.Update(QueuePictures());
  prepared.Update(SpreadKnown());
  if (!prepared.ok()) {
    done(prepared);
    return;
  }
  auto run = std::make_shared<FlushRun>();
  run->force = force;
  run->done = std::move(done);
  flushing_ = true;
  run->running = 1;  // this call
  StartChains(run);
  EndChain(std::move(run));
}

void Messenger::StartChains(const std::shared_ptr<FlushRun>& run) {
  const absl::StatusOr<std::vector<OutboxItem>> outbox = env_.store.Outbox();
  if (!outbox.ok()) {
    run->error = outbox.status();
    return;
  }
  using Key = std::pair<AccountId, std::string>;
  std::set<Key> there;
  for (const Chain& chain : run->chains)
    there.emplace(chain.peer, chain.device);
  const absl::Time now = env_.clock.Now();
  const size_t first = run->chains.size();
  std::map<Key, size_t> chain_of;
  std::set<Key> waiting;  // Texts to one device keep their order.
  for (const OutboxItem& item : *outbox) {
    const Key key(item.peer, item.device);
    if (there.contains(key)) continue;
    if (!run->force && item.next_try > now && item.expiry > now) {
      waiting.insert(key);
    }
    if (waiting.contains(key)) continue;
    const auto [slot, added] = chain_of.emplace(key, run->chains.size());
    if (added) run->chains.push_back({item.peer, item.device, {}, 0});
    run->chains[slot->second].items.push_back(item);
  }
  const size_t end = run->chains.size();
  run->running += end - first;
  for (size_t chain = first; chain < end; ++chain) FlushChain(run, chain);
}

void Messenger::FlushChain(std::shared_ptr<FlushRun> run, size_t index) {
  Chain& chain = run->chains[index];
  while (run->error.ok() && chain.next < chain.items.size()) {
    OutboxItem item = chain.items[chain.next++];
    const absl::StatusOr<bool> there = env_.store.HasOutboxItem(item.row);
    if (!there.ok()) run->error = there.status();
    // Otherwise taken back meanwhile, or given to other devices.
    if (!there.ok() || !*there) continue;
    if (item.expiry > env_.clock.Now()) {
      FlushItem(run, index, std::move(item));
      return;
    }
    RecordItem(
        *run, index, item,
        absl::DeadlineExceededError("not delivered within 14 days; given up"));
  }
  EndChain(std::move(run));
}

void Messenger::EndChain(std::shared_ptr<FlushRun> run) {
  if (--run->running > 0) return;
  flushing_ = false;
  if (!run->error.ok()) {
    run->done(run->error);
    return;
  }
  const absl::StatusOr<int64_t> waiting = env_.store.WaitingItems(id_);
  if (!waiting.ok()) {
    run->done(waiting.status());
    return;
  }
  FlushReport report;
  report.waiting = static_cast<int>(*waiting);
  for (auto& [row, message] : run->messages) {
    report.messages.push_back(std::move(message));
  }
  run->done(std::move(report));
}

// ----------------------------------------------------------------- devices --

absl::StatusOr<IdentityRecord> Messenger::PinnedIdentity(
    const AccountId& account) {
  if (account == id_) {
    if (identity_record_) return *identity_record_;
    return absl::NotFoundError("this account has no record yet");
  }
  ASSIGN_OR_RETURN(const std::optional<Contact> contact,
                   env_.store.FindContact(account));
  if (!contact || contact->identity_record.empty()) {
    return absl::NotFoundError("no record of this account is known yet");
  }
  absl::StatusOr<IdentityRecord> record =
      IdentityRecord::Verify(contact->identity_record);
  if (!record.ok()) return absl::DataLossError("a contact is damaged");
  return record;
}

absl::Status Messenger::SpreadKnown() {
  ASSIGN_OR_RETURN(const std::vector<AccountId> peers,
                   env_.store.UnspreadPeers());
  for (const AccountId& peer : peers) {
    const absl::Status spread =
        env_.store.Transaction([&] { return SpreadItems(peer); });
    if (!spread.ok() && !absl::IsNotFound(spread)) return spread;
  }
  return absl::OkStatus();
}

absl::Status Messenger::SpreadItems(const AccountId& peer) {
  ASSIGN_OR_RETURN(const IdentityRecord record, PinnedIdentity(peer));
  ASSIGN_OR_RETURN(const std::vector<OutboxItem> outbox, env_.store.Outbox());
  for (const OutboxItem& item : outbox) {
    if (item.peer != peer || !item.device.empty()) continue;
    RETURN_IF_ERROR(env_.store.DeleteOutboxItem(item.row));
    for (const DeviceEntry& device : record.devices()) {
      if (device.id == device_.id()) continue;
      OutboxItem copy = item;
      copy.device = std::string(device.id.bytes());
      // Sealed by an older version, for whichever device there was.
      copy.blob.reset();
      RETURN_IF_ERROR(env_.store.AddOutboxItem(copy).status());
    }
  }
  return absl::OkStatus();
}

// What a device that has left would have got goes to those that are new.
absl::Status Messenger::ChangeDevices(const AccountId& peer,
                                      const IdentityRecord& before,
                                      const IdentityRecord& after) {
  ASSIGN_OR_RETURN(const std::vector<OutboxItem> outbox, env_.store.Outbox());
  std::vector<OutboxItem> pending;  // one copy of each, in order
  std::set<int64_t> messages, logicals;
  for (const OutboxItem& item : outbox) {
    if (item.peer != peer || item.device.empty()) continue;
    const bool fresh = item.message_row != 0
                           ? messages.insert(item.message_row).second
                           : logicals.insert(item.logical).second;
    if (fresh) pending.push_back(item);
  }
  for (const DeviceEntry& device : after.devices()) {
    if (before.FindDevice(device.id) != nullptr || device.id == device_.id()) {
      continue;
    }
    for (const OutboxItem& item : pending) {
      RETURN_IF_ERROR(AddForDevice(item, std::string(device.id.bytes())));
    }
  }
  for (const OutboxItem& item : outbox) {
    if (item.peer != peer || item.device.empty()) continue;
    const absl::StatusOr<DeviceId> device = DeviceId::FromBytes(item.device);
    if (device.ok() && after.FindDevice(*device) != nullptr) continue;
    RETURN_IF_ERROR(env_.store.DeleteOutboxItem(item.row));
  }
  for (const DeviceEntry& device : before.devices()) {
    if (after.FindDevice(device.id) != nullptr) continue;
    RETURN_IF_ERROR(
        env_.store.DeleteSetting(PrekeyMarkSetting(peer, device.id.bytes())));
  }
  return absl::OkStatus();
}

// A text goes whole: the other device may have got some of its parts.
absl::Status Messenger::AddForDevice(const OutboxItem& item,
                                     const std::string& device) {
  OutboxItem copy = item;
  copy.device = device;
  copy.blob.reset();
  copy.sequence = 0;
  copy.attempts = 0;
  copy.next_try = env_.clock.Now();
  ASSIGN_OR_RETURN(const std::optional<Message> message,
                   env_.store.FindMessage(item.message_row));
  const absl::StatusOr<Content> content = DecodeContent(item.content);
  const TextPart* like =
      content.ok() ? std::get_if<TextPart>(&content->body) : nullptr;
  if (!message || like == nullptr) {
    return env_.store.AddOutboxItem(copy).status();
  }
  ASSIGN_OR_RETURN(const Contact contact, ContactFor(item.peer));
  for (TextPart& part : SplitText(message->text)) {
    part.reply_to = like->reply_to;
    part.timer = like->timer;
    copy.content =
        EncodeFor(contact, message->message_id, message->sent, std::move(part));
    copy.logical = 0;
    RETURN_IF_ERROR(env_.store.AddOutboxItem(copy).status());
  }
  return absl::OkStatus();
}

// ------------------------------------------------------------------- items --

// Whatever goes out names the mailbox that answers go to: it must exist first.
void Messenger::FlushItem(std::shared_ptr<FlushRun> run, size_t chain,
                          OutboxItem item) {
  absl::StatusOr<Contact> contact = ContactFor(item.peer);
  const absl::StatusOr<ReadTarget> mailbox =
      contact.ok() ? TargetOf(*contact) : contact.status();
  if (!mailbox.ok()) {
    ItemDone(run, chain, item, mailbox.status());
    return;
  }
  EnsureRegistered(*mailbox, [this, run, chain, item = std::move(item)](
                                 const absl::Status& registered) mutable {
    if (registered.ok()) {
      CheckDevices(run, chain, std::move(item));
    } else if (absl::IsDataLoss(registered)) {
      ItemDone(run, chain, item, registered);
    } else {
      ItemDone(run, chain, item,
               absl::Status(registered.code(),
                            absl::StrCat("a mailbox for the answers could "
                                         "not be registered: ",
                                         registered.message())));
    }
  });
}

// A contact may have moved to another device without having written since;
// what is sent to the old one would be read by nobody.
void Messenger::CheckDevices(std::shared_ptr<FlushRun> run, size_t chain,
                             OutboxItem item) {
  const absl::StatusOr<bool> due = IdentityCheckDue(item.peer);
  if (!due.ok()) {
    ItemDone(run, chain, item, due.status());
    return;
  }
  if (!*due && !item.device.empty()) {
    SealAndStore(run, chain, std::move(item));
    return;
  }
  const AccountId peer = item.peer;
  Progress(item.device.empty()
               ? "fetching the recipient's keys from their swarm"
               : "checking whether the recipient has changed devices");
  FetchIdentity(
      peer, [this, run, chain, item = std::move(item)](
                bool answered, absl::StatusOr<IdentityRecord> record) mutable {
        // Without any record nothing can be sent. Otherwise an older record, or
        // none, is a swarm that withholds: it can delay the news, not stop the
        // text. A fork is not to be written to, nor anybody while our own disk
        // does not take the news.
        const bool stop = item.device.empty()
                              ? !record.ok()
                              : absl::IsUnauthenticated(record.status()) ||
                                    (answered && IsOurFailure(record.status()));
        if (stop) {
          ItemDone(run, chain, item, record.status());
          return;
        }
        if (item.device.empty()) {
          const absl::Status spread = SpreadKnown();
          if (!spread.ok()) {
            ItemDone(run, chain, item, spread);
            return;
          }
        }
        StartChains(run);
        SealAndStore(run, chain, std::move(item));
      });
}

// Only for a contact whose identity is pinned: others are looked up anyway.
absl::StatusOr<bool> Messenger::IdentityCheckDue(const AccountId& peer) {
  if (peer == id_) return false;  // Publish() reads it.
  ASSIGN_OR_RETURN(const std::optional<Contact> contact,
                   env_.store.FindContact(peer));
  if (!contact || contact->identity_record.empty()) return false;
  ASSIGN_OR_RETURN(const std::optional<absl::Time> checked,
                   TimeSetting(env_.store, IdentityCheckSetting(peer)));
  return !checked || env_.clock.Now() >= *checked + kIdentityCheckInterval;
}

void Messenger::SealAndStore(std::shared_ptr<FlushRun> run, size_t chain,
                             OutboxItem item) {
  const absl::StatusOr<bool> there = env_.store.HasOutboxItem(item.row);
  if (!there.ok() || !*there) {
    // It was spread over devices, or its device has left.
    ItemDone(run, chain, item,
             there.ok() ? absl::CancelledError("not for this device any more")
                        : there.status());
    return;
  }
  const absl::Status verified = CheckVerified(item.peer);
  if (!verified.ok()) {
    ItemDone(run, chain, item, verified);
    return;
  }
  absl::StatusOr<std::vector<Session>> sessions =
      SessionsWith(item.peer, item.device);
  if (!sessions.ok()) {
    ItemDone(run, chain, item, sessions.status());
    return;
  }
  const Session* session =
      sessions->empty() ? nullptr
                        : &(*sessions)[PreferredSession(Summaries(*sessions))];
  // Its handshake is for a prekey that the peer may have deleted.
  // And what the peer wrote last did not open in any session from before.
  const absl::StatusOr<absl::Time> refreshed = RefreshedAt(item.peer);
  if (!refreshed.ok()) {
    ItemDone(run, chain, item, refreshed.status());
    return;
  }
  const bool outdated =
      session != nullptr &&
      ((session->awaiting_reply() &&
        session->created() + kInitiationUse <= env_.clock.Now()) ||
       session->generation() < *refreshed);
  if (outdated && item.mailbox_namespace ==
                      static_cast<uint16_t>(MailboxNamespace::kInbox)) {
    item.blob.reset();
  }
  if (item.blob) {
    StoreItem(run, chain, std::move(item));
    return;
  }
  if (!identity_record_) {
    ItemDone(run, chain, item,
             absl::UnavailableError(
                 "this account's own records are not published yet"));
    return;
  }
  if (session != nullptr && !outdated) {
    SealFor(run, chain, *session, /*started=*/false, std::move(item));
    return;
  }
  Progress("fetching the recipient's keys from their swarm");
  const AccountId peer = item.peer;
  const std::string device = item.device;
  FetchKeys(peer, device, /*again=*/outdated,
            [this, run, chain,
             item = std::move(item)](absl::StatusOr<Session> started) mutable {
              if (absl::IsCancelled(started.status())) StartChains(run);
              if (!started.ok()) {
                ItemDone(run, chain, item, started.status());
                return;
              }
              SealFor(run, chain, *started, /*started=*/true, std::move(item));
            });
}

absl::StatusOr<std::string> Messenger::OutgoingMailboxOf(
    const AccountId& peer, absl::string_view device) {
  ASSIGN_OR_RETURN(std::string mailbox, env_.store.PeerMailbox(peer, device));
  if (!mailbox.empty()) return mailbox;
  ASSIGN_OR_RETURN(const std::optional<Contact> contact,
                   env_.store.FindContact(peer));
  if (!contact) return absl::DataLossError("an outbox entry has no contact");
  ASSIGN_OR_RETURN(const IdentityRecord record, PinnedIdentity(peer));
  const bool first = record.devices()[0].id.bytes() == device;
  return first ? contact->outgoing_mailbox : std::string();
}

void Messenger::SealFor(std::shared_ptr<FlushRun> run, size_t chain,
                        const Session& session, bool started, OutboxItem item) {
  const absl::StatusOr<std::string> mailbox =
      OutgoingMailboxOf(item.peer, item.device);
  absl::StatusOr<std::string> content = ContentOf(item);
  absl::Status status = mailbox.status();
  status.Update(content.status());
  const bool to_inbox =
      session.awaiting_reply() || (mailbox.ok() && mailbox->empty());
  if (status.ok() && to_inbox && content->size() > kMaxInboxContentBytes) {
    absl::StatusOr<OutboxItem> first = CutForInbox(*run, chain, started, item);
    status = first.status();
    if (status.ok()) {
      item = *std::move(first);
      content = item.content;
    }
  }
  if (status.ok()) status = SealItem(session, *content, item);
  if (status.ok() && started) {
    status = env_.store.Transaction([&] { return DropOldSessions(item.peer); });
  }
  if (!status.ok()) {
    ItemDone(run, chain, item, status);
    return;
  }
  StoreItem(run, chain, std::move(item));
}

// Small parts, as many as a text may have. What needs more, or cannot be cut,
// follows a greeting, once that is answered.
absl::StatusOr<OutboxItem> Messenger::CutForInbox(FlushRun& run, size_t chain,
                                                  bool started,
                                                  const OutboxItem& item) {
  ASSIGN_OR_RETURN(const std::optional<Message> message,
                   env_.store.FindMessage(item.message_row));
  ASSIGN_OR_RETURN(const Contact contact, ContactFor(item.peer));
  ASSIGN_OR_RETURN(const Content content, DecodeContent(item.content));
  if (std::holds_alternative<Picture>(content.body)) return PutPictureOff(item);
  const auto* whole = std::get_if<TextPart>(&content.body);
  std::vector<TextPart> parts;
  if (message && whole != nullptr) {
    parts = SplitText(message->text, kMaxInboxPartBytes);
  }
  OutboxItem like = item;
  like.blob.reset();
  like.sequence = 0;
  std::vector<OutboxItem> replacements;
  if (!parts.empty() && parts.size() <= static_cast<size_t>(kMaxParts)) {
    for (TextPart& part : parts) {
      part.reply_to = whole->reply_to;
      part.timer = whole->timer;
      like.content = EncodeFor(contact, message->message_id, message->sent,
                               std::move(part));
      replacements.push_back(like);
    }
  } else if (started) {
    OutboxItem greeting = like;
    greeting.message_row = 0;
    greeting.words_of = 0;
    greeting.content = EncodeFor(contact, env_.random.String(kMessageIdBytes),
                                 env_.clock.Now(), std::monostate());
    replacements.push_back(std::move(greeting));
    ASSIGN_OR_RETURN(const std::vector<OutboxItem> outbox, env_.store.Outbox());
    for (const OutboxItem& part : outbox) {
      if (BelongTogether(part, item)) replacements.push_back(part);
    }
  } else {
    return absl::UnavailableError(absl::StrCat(
        "only ", kMaxParts * kMaxInboxPartBytes,
        " bytes fit into a text to somebody who has not answered yet; they "
        "have been greeted, and the text goes out when they have answered"));
  }
  ASSIGN_OR_RETURN(run.chains[chain].items,
                   ReplaceInOutbox(item, std::move(replacements)));
  run.chains[chain].next = 1;
  return run.chains[chain].items[0];
}

absl::StatusOr<std::vector<OutboxItem>> Messenger::ReplaceInOutbox(
    const OutboxItem& item, std::vector<OutboxItem> replacements) {
  RETURN_IF_ERROR(env_.store.Transaction([&]() -> absl::Status {
    ASSIGN_OR_RETURN(const bool there, env_.store.HasOutboxItem(item.row));
    // While its keys were fetched the device may have left its account.
    if (!there) return absl::CancelledError("not for this device any more");
    ASSIGN_OR_RETURN(const std::vector<OutboxItem> outbox, env_.store.Outbox());
    // Rows order the outbox: what waits behind moves behind the new rows.
    for (const OutboxItem& known : outbox) {
      if (known.peer != item.peer || known.device != item.device) continue;
      const bool replaced = BelongTogether(known, item);
      const bool goes_on = std::any_of(replacements.begin(), replacements.end(),
                                       [&known](const OutboxItem& one) {
                                         return one.sequence != 0 &&
                                                one.sequence == known.sequence;
                                       });
      // A number that was given and is not used is explained.
      RETURN_IF_ERROR(replaced && !goes_on
                          ? env_.store.WithdrawOutboxItem(
                                known, env_.clock.Now() + kMessageLifetime)
                          : env_.store.DeleteOutboxItem(known.row));
      if (!replaced) replacements.push_back(known);
    }
    for (OutboxItem& one : replacements) {
      ASSIGN_OR_RETURN(one.row, env_.store.AddOutboxItem(one));
    }
    return absl::OkStatus();
  }));
  return replacements;
}

// -------------------------------------------------------------------- keys --

absl::StatusOr<std::vector<Session>> Messenger::SessionsWith(
    const AccountId& peer, absl::string_view device) {
  ASSIGN_OR_RETURN(std::vector<SessionRow> rows, env_.store.Sessions(peer));
  std::vector<Session> sessions;
  for (SessionRow& row : rows) {
    absl::StatusOr<Session> session = Session::Parse(row.state);
    crypto::SecureWipe(row.state);
    RETURN_IF_ERROR(session.status());
    if (device.empty() || session->peer_device().bytes() == device) {
      sessions.push_back(*std::move(session));
    }
  }
  return sessions;
}

absl::Status Messenger::DropOldSessions(const AccountId& peer) {
  ASSIGN_OR_RETURN(std::vector<Session> all, SessionsWith(peer, ""));
  // Those with devices that have left still open what is on its way.
  std::map<std::string, std::vector<Session>> by_device;
  for (Session& session : all) {
    by_device[std::string(session.peer_device().bytes())].push_back(
        std::move(session));
  }
  for (const auto& [device, sessions] : by_device) {
    for (const size_t index :
         SessionsToDelete(Summaries(sessions), env_.clock.Now())) {
      RETURN_IF_ERROR(env_.store.DeleteSession(sessions[index].id().bytes()));
    }
  }
  return absl::OkStatus();
}

void Messenger::FetchIdentity(const AccountId& peer, IdentityDone done) {
  env_.mail.GetRecords(
      std::string(peer.bytes()), MailboxNamespace::kIdentityRecord,
      [this, peer, done = std::move(done)](
          absl::StatusOr<std::vector<MailRecord>> records) mutable {
        if (!records.ok()) {
          done(false, records.status());
        } else {
          done(true, CheckPeerIdentity(peer, *records));
        }
      });
}

// `again`: there is a session, which the new one is to replace. CANCELLED: the
// device has left its account.
void Messenger::FetchKeys(const AccountId& peer, const std::string& device,
                          bool again, MailDone<Session> done) {
  FetchIdentity(peer, [this, device, again, done = std::move(done)](
                          bool,
                          absl::StatusOr<IdentityRecord> identity) mutable {
    if (!identity.ok()) {
      done(identity.status());
      return;
    }
    const absl::StatusOr<std::string> inbox = DeviceInbox(*identity, device);
    if (!inbox.ok()) {
      done(absl::CancelledError("the device has left its account"));
      return;
    }
    env_.mail.GetRecords(
        *inbox, MailboxNamespace::kPrekeyRecords,
        [this, device, again, identity = *std::move(identity),
         done = std::move(done)](
            absl::StatusOr<std::vector<MailRecord>> prekeys) mutable {
          if (!prekeys.ok()) {
            done(prekeys.status());
          } else {
            done(StartSession(identity, device, *prekeys, again));
          }
        });
  });
}

absl::StatusOr<IdentityRecord> Messenger::CheckPeerIdentity(
    const AccountId& peer, const std::vector<MailRecord>& records) {
  ASSIGN_OR_RETURN(IdentityRecord newest,
                   NewestIdentity(peer, Bodies(records)));
  if (peer == id_) {
    RETURN_IF_ERROR(AdoptOwnRecord(newest));
    return *identity_record_;
  }
  RETURN_IF_ERROR(env_.store.Transaction([&]() -> absl::Status {
    ASSIGN_OR_RETURN(Contact contact, ContactFor(peer));
    RETURN_IF_ERROR(PinIdentity(contact, newest));
    return env_.store.SetSetting(
        IdentityCheckSetting(peer),
        absl::StrCat(absl::ToUnixMillis(env_.clock.Now())));
  }));
  return newest;
}

absl::Status Messenger::PinIdentity(Contact& contact,
                                    const IdentityRecord& record) {
  if (contact.identity_record.empty()) {
    RETURN_IF_ERROR(CompareWithMark(record, contact));
    contact.identity_record = record.bytes();
    return env_.store.PutContact(contact);
  }
  absl::StatusOr<IdentityRecord> pinned =
      IdentityRecord::Verify(contact.identity_record);
  if (!pinned.ok()) return absl::DataLossError("a contact is damaged");
  RETURN_IF_ERROR(CheckIdentitySuccession(*pinned, record));
  if (*pinned == record) return absl::OkStatus();
  const auto& before = pinned->devices();
  const bool same =
      before.size() == record.devices().size() &&
      std::all_of(before.begin(), before.end(), [&](const DeviceEntry& device) {
        return record.FindDevice(device.id) != nullptr;
      });
  contact.devices_changed |= !same;
  contact.identity_record = record.bytes();
  RETURN_IF_ERROR(env_.store.PutContact(contact));
  return ChangeDevices(contact.account, *pinned, record);
}

absl::StatusOr<Session> Messenger::StartSession(
    const IdentityRecord& identity, absl::string_view device,
    const std::vector<MailRecord>& prekeys, bool again) {
  const absl::Time now = env_.clock.Now();
  ASSIGN_OR_RETURN(const DeviceId device_id, DeviceId::FromBytes(device));
  const std::string setting = PrekeyMarkSetting(identity.account_id(), device);
  ASSIGN_OR_RETURN(const std::optional<std::string> known,
                   env_.store.Setting(setting));
  std::optional<PrekeyMark> mark;
  if (known) {
    const absl::StatusOr<PrekeyMark> parsed = ParsePrekeyMark(*known);
    if (!parsed.ok()) return absl::DataLossError("a contact is damaged");
    mark = *parsed;
  }
  ASSIGN_OR_RETURN(
      const PrekeyRecord newest,
      ChoosePrekey(Bodies(prekeys), identity, device_id, mark, now));
  // Before anything is sealed with it: a crash must not forget it.
  if (mark != newest.mark()) {
    RETURN_IF_ERROR(
        env_.store.SetSetting(setting, SerializePrekeyMark(newest.mark())));
  }
  InitiateOptions options;
  if (again) options.generation = now;
  return Initiate(Self(), identity, newest, options, now, env_.random);
}

// ----------------------------------------------------------- seal and store --

// The session moves on and the sealed blob is kept, together.
absl::Status Messenger::SealItem(const Session& session,
                                 absl::string_view content, OutboxItem& item) {
  OutboxItem sealed = item;
  // Once it has a number it keeps it, whenever it is sealed again.
  if (sealed.sequence == 0 && !sealed.fleeting) {
    ASSIGN_OR_RETURN(sealed.sequence,
                     env_.store.NextSequence(item.peer, item.device));
  }
  ASSIGN_OR_RETURN(
      Session::Encrypted encrypted,
      session.Encrypt(WithSequence(content, sealed.sequence), env_.random));
  ASSIGN_OR_RETURN(const std::string outgoing,
                   OutgoingMailboxOf(item.peer, item.device));
  if (session.awaiting_reply() || outgoing.empty()) {
    ASSIGN_OR_RETURN(const IdentityRecord record, PinnedIdentity(item.peer));
    ASSIGN_OR_RETURN(sealed.mailbox, DeviceInbox(record, item.device));
    sealed.mailbox_namespace = static_cast<uint16_t>(MailboxNamespace::kInbox);
  } else {
    ASSIGN_OR_RETURN(const OutgoingMailbox mailbox,
                     OutgoingMailbox::Parse(outgoing));
    sealed.mailbox = mailbox.address();
    sealed.mailbox_namespace =
        static_cast<uint16_t>(MailboxNamespace::kPairwise);
  }
  sealed.blob = std::move(encrypted.blob);
  RETURN_IF_ERROR(env_.store.Transaction([&]() -> absl::Status {
    ASSIGN_OR_RETURN(const bool there, env_.store.HasOutboxItem(item.row));
    if (!there) return absl::CancelledError("it was taken back");
    RETURN_IF_ERROR(PutSession(env_.store, encrypted.next));
    if (sealed.sequence != 0) {
      RETURN_IF_ERROR(env_.store.CountSequence(sealed.peer, sealed.device,
                                               sealed.sequence));
    }
    return env_.store.UpdateOutboxItem(sealed);
  }));
  // Not before: a blob whose session was not kept must never leave, or the
  // next text would be sealed under the same key.
  item = std::move(sealed);
  return absl::OkStatus();
}

void Messenger::StoreItem(std::shared_ptr<FlushRun> run, size_t chain,
                          OutboxItem item) {
  WriteTarget target;
  target.mailbox = item.mailbox;
  target.mailbox_namespace =
      static_cast<MailboxNamespace>(item.mailbox_namespace);
  if (target.mailbox_namespace == MailboxNamespace::kPairwise) {
    const absl::StatusOr<std::string> outgoing =
        OutgoingMailboxOf(item.peer, item.device);
    absl::StatusOr<OutgoingMailbox> mailbox =
        outgoing.ok() ? OutgoingMailbox::Parse(*outgoing) : outgoing.status();
    if (!mailbox.ok()) {
      ItemDone(run, chain, item, mailbox.status());
      return;
    }
    // The device may have moved to another mailbox since it was sealed.
    target.mailbox = mailbox->address();
    target.read_key = mailbox->read_key();
    target.write_key = mailbox->write_key();
  }
  Progress("storing the message in the recipient's swarm");
  const std::string payload = *item.blob;
  const absl::Time expiry = item.expiry;
  env_.mail.Store(target, payload, expiry,
                  [this, run, chain, item = std::move(item)](
                      absl::StatusOr<Delivery> result) mutable {
                    if (!result.ok()) {
                      const auto contact = env_.store.FindContact(item.peer);
                      result = InWords(result.status(), contact.ok() && *contact
                                                            ? (*contact)->name
                                                            : std::string());
                    }
                    ItemDone(run, chain, item, std::move(result));
                  });
}

// ----------------------------------------------------------------- results --

absl::Status Messenger::RecordItemResult(
    const OutboxItem& item, const absl::StatusOr<Delivery>& result) {
  ClientStore& store = env_.store;
  ASSIGN_OR_RETURN(const bool there, store.HasOutboxItem(item.row));
  if (!there) return absl::OkStatus();  // Taken back meanwhile.
  // To an own device that the account does not list any more.
  if (absl::IsCancelled(result.status()) && item.peer == id_) {
    return store.WithdrawOutboxItem(item, env_.clock.Now() + kMessageLifetime);
  }
  const bool given_up = GivenUp(item, result.status());
  const bool counts = item.message_row != 0 && !item.extra;
  if (!result.ok() && item.fleeting) return store.DeleteOutboxItem(item.row);
  if (!result.ok() && !given_up) {
    OutboxItem next = item;
    ++next.attempts;
    next.next_try = env_.clock.Now() + RetryDelay(next.attempts);
    RETURN_IF_ERROR(store.UpdateOutboxItem(next));
    if (!counts) return absl::OkStatus();
    return store.SetMessageState(item.message_row,
                                 WaitingState(result.status()),
                                 result.status().message());
  }
  RETURN_IF_ERROR(store.DeleteOutboxItem(item.row));
  if (result.ok() && item.sequence != 0) {
    RETURN_IF_ERROR(store.PutSent(item, env_.clock.Now() + kMessageLifetime));
  }
  if (item.message_row == 0) {
    return result.ok() ? store.MarkExtra(item) : absl::OkStatus();
  }
  if (!counts) return absl::OkStatus();
  if (given_up) {
    return store.SetMessageState(item.message_row, MessageState::kFailed,
                                 result.status().message());
  }
  ASSIGN_OR_RETURN(const int64_t left,
                   store.OutboxItemsOf(item.message_row, item.device));
  if (left > 0) return absl::OkStatus();
  ASSIGN_OR_RETURN(const std::optional<Message> message,
                   store.FindMessage(item.message_row));
  // A part that was given up on stays the truth about the whole.
  if (!message || message->state == MessageState::kFailed) {
    return absl::OkStatus();
  }
  // One device of the recipient has all of it.
  RETURN_IF_ERROR(store.MarkExtra(item));
  RETURN_IF_ERROR(store.StartTimer(item.message_row, env_.clock.Now()));
  return store.SetMessageState(item.message_row, MessageState::kSent, "");
}

bool Messenger::GivenUp(const OutboxItem& item,
                        const absl::Status& status) const {
  return absl::IsDeadlineExceeded(status) && item.expiry <= env_.clock.Now();
}

void Messenger::ItemDone(std::shared_ptr<FlushRun> run, size_t chain,
                         const OutboxItem& item,
                         absl::StatusOr<Delivery> result) {
  // What failed for one text would most likely fail for the next, and the parts
  // of a text keep their order.
  const bool stop = !result.ok() && !absl::IsCancelled(result.status());
  RecordItem(*run, chain, item, std::move(result));
  Chain& items = run->chains[chain];
  if (stop) items.next = items.items.size();
  FlushChain(std::move(run), chain);
}

void Messenger::RecordItem(FlushRun& run, size_t index, const OutboxItem& item,
                           absl::StatusOr<Delivery> result) {
  const Chain& chain = run.chains[index];
  const absl::Status recorded = env_.store.Transaction([&]() -> absl::Status {
    // Another device may have got it since the chain began.
    OutboxItem newest = item;
    ASSIGN_OR_RETURN(newest.extra, env_.store.IsExtra(item.row));
    RETURN_IF_ERROR(RecordItemResult(newest, result));
    if (result.ok() || absl::IsCancelled(result.status()) ||
        GivenUp(item, result.status())) {
      return absl::OkStatus();
    }
    // The texts behind it wait for the same reason.
    for (size_t i = chain.next; i < chain.items.size(); ++i) {
      const OutboxItem& behind = chain.items[i];
      ASSIGN_OR_RETURN(const bool extra, env_.store.IsExtra(behind.row));
      if (behind.message_row == 0 || extra) continue;
      RETURN_IF_ERROR(env_.store.SetMessageState(behind.message_row,
                                                 WaitingState(result.status()),
                                                 result.status().message()));
    }
    return absl::OkStatus();
  });
  if (!recorded.ok()) run.error = recorded;
  if (item.message_row == 0 || absl::IsCancelled(result.status())) return;
  FlushedMessage& message = run.messages[item.message_row];
  message.message_row = item.message_row;
  message.status.Update(result.status());
  if (!result.ok()) return;
  message.delivery.holders = result->holders;
  for (NamedRoute& route : result->routes) {
    message.delivery.routes.push_back(std::move(route));
  }
}

}  // namespace messenger::client
