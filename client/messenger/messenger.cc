#include "client/messenger/messenger.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "client/messenger/refusal_words.h"
#include "client/remote/write_refusal.h"
#include "client/session/prekey_record.h"
#include "client/session/session_choice.h"
#include "crypto/base/secure_memory.h"
#include "crypto/base/status_macros.h"
#include "crypto/identity/safety_number.h"
#include "swarm/auth/limits.h"

namespace messenger::client {
namespace {

using ::messenger::crypto::AccountId;
using ::messenger::crypto::AccountKeys;
using ::messenger::crypto::AccountSeed;
using ::messenger::crypto::Ed25519PrivateKey;
using ::messenger::swarm::MailboxNamespace;

// Settings of the store.
constexpr char kSeedSetting[] = "account/seed";
constexpr char kNameSetting[] = "account/name";
constexpr char kDeviceSetting[] = "account/device";
constexpr char kIdentitySetting[] = "account/identity-record";
constexpr char kPrekeysSetting[] = "account/prekeys";
// Hash of the identity record and bytes of the prekey record that a write
// quorum of the swarm has signed for.
constexpr char kPublishedIdentitySetting[] = "account/published-identity";
constexpr char kPublishedPrekeySetting[] = "account/published-prekey";
// "1" while the account may have an identity record that we do not know.
constexpr char kRestoredSetting[] = "account/restored";
// The newest row that a front end has shown; decimal.
constexpr char kShownSetting[] = "receive/shown-row";

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
// With its envelope less than that.
constexpr size_t kMaxInboxPartBytes = 1300;

const std::string& ZeroRecordKey() {
  static const auto* key = new std::string(16, '\0');
  return *key;
}

std::string IdentityCheckSetting(const AccountId& peer) {
  return absl::StrCat("contact/identity-checked/", peer.ToHex());
}

// Failures of our own device: they say nothing about the message, which must
// be read again later. Everything else is the message's fault.
bool IsOurFailure(const absl::Status& status) {
  return absl::IsDataLoss(status) || absl::IsUnavailable(status) ||
         absl::IsInternal(status) || absl::IsResourceExhausted(status);
}

// RESOURCE_EXHAUSTED of a session is the message's fault (too many are missing
// before it); of the database it is a full disk.
absl::Status OfTheMessage(const absl::Status& status) {
  return absl::IsResourceExhausted(status)
             ? absl::OutOfRangeError(status.message())
             : status;
}

// The store's times are whole milliseconds; a start that is not would lie after
// what is stored within its own.
absl::Time WholeMilliseconds(absl::Time time) {
  return absl::FromUnixMillis(absl::ToUnixMillis(time));
}

absl::Duration RetryDelay(int attempts) {
  const int doublings = std::min(std::max(attempts - 1, 0), kMaxRetryDoublings);
  return std::min(kFirstRetry * (1 << doublings), kLongestRetry);
}

// Of a text that was tried in vain.
MessageState WaitingState(const absl::Status& status) {
  return absl::IsNotFound(status) ? MessageState::kWaitingForKey
                                  : MessageState::kQueued;
}

absl::Status SetSecret(ClientStore& store, absl::string_view name,
                       std::string secret) {
  const absl::Status status = store.SetSetting(name, secret);
  crypto::SecureWipe(secret);
  return status;
}

absl::Status PutSession(ClientStore& store, const Session& session) {
  SessionRow row = {std::string(session.id().bytes()), session.peer_account(),
                    session.Serialize()};
  const absl::Status status = store.PutSession(row);
  crypto::SecureWipe(row.state);
  return status;
}

// The setting, or DATA_LOSS: an account without it is not whole.
absl::StatusOr<std::string> Required(ClientStore& store,
                                     absl::string_view name) {
  ASSIGN_OR_RETURN(std::optional<std::string> value, store.Setting(name));
  if (!value) {
    return absl::DataLossError(absl::StrCat(
        "the account in this database is incomplete (", name, ")"));
  }
  return *std::move(value);
}

bool SameDevices(const IdentityRecord& a, const IdentityRecord& b) {
  return a.devices().size() == b.devices().size() &&
         std::all_of(a.devices().begin(), a.devices().end(),
                     [&b](const DeviceEntry& device) {
                       return b.FindDevice(device.id) != nullptr;
                     });
}

// As many characters as `left` says, which is lowered by them. `text` is UTF-8.
std::string FirstCharacters(absl::string_view text, size_t& left) {
  size_t end = 0;
  while (end < text.size() && left > 0) {
    ++end;
    while (end < text.size() && (text[end] & 0xC0) == 0x80) ++end;
    --left;
  }
  return std::string(text.substr(0, end));
}

}  // namespace

// One `Flush`: a chain of items per peer, the chains side by side.
struct Messenger::FlushRun {
  std::vector<std::vector<OutboxItem>> chains;
  std::vector<size_t> next;
  size_t running = 0;
  std::map<int64_t, FlushedMessage> messages;
  absl::Status error;  // of our own database
  MailDone<FlushReport> done;
};

// One `Receive`: the mailboxes side by side.
struct Messenger::ReceiveRun {
  std::vector<OwnMailbox> boxes;
  absl::Time started;
  int64_t shown_row = 0;
  size_t running = 0;
  bool inbox_complete = false;
  ReceiveReport report;
  absl::Status error;
  MailDone<ReceiveReport> done;
};

// ---------------------------------------------------------------- account --

absl::Status Messenger::CreateAccount(ClientStore& store,
                                      const AccountKeys& account, bool restored,
                                      absl::string_view name, absl::Time now,
                                      crypto::Random& random) {
  RETURN_IF_ERROR(CheckProfileName(name));
  return store.Transaction([&]() -> absl::Status {
    ASSIGN_OR_RETURN(const std::optional<std::string> existing,
                     store.Setting(kSeedSetting));
    if (existing) {
      return absl::AlreadyExistsError("there is an account already");
    }
    const DeviceKeys device = DeviceKeys::Generate(random);
    RETURN_IF_ERROR(
        SetSecret(store, kSeedSetting, std::string(account.seed().Expose())));
    RETURN_IF_ERROR(SetSecret(store, kDeviceSetting, device.Serialize()));
    RETURN_IF_ERROR(store.SetSetting(kNameSetting, name));
    RETURN_IF_ERROR(
        SetSecret(store, kPrekeysSetting, PrekeySecrets().Serialize()));
    if (restored) return store.SetSetting(kRestoredSetting, "1");
    // Nobody else can have this seed: the first record needs no look-up.
    ASSIGN_OR_RETURN(
        const IdentityRecord record,
        IdentityRecord::First(account, {MakeDeviceEntry(device, now)}));
    return store.SetSetting(kIdentitySetting, record.bytes());
  });
}

absl::StatusOr<std::unique_ptr<Messenger>> Messenger::Open(
    const Environment& environment) {
  ClientStore& store = environment.store;
  ASSIGN_OR_RETURN(std::optional<std::string> seed_bytes,
                   store.Setting(kSeedSetting));
  if (!seed_bytes) return absl::NotFoundError("there is no account yet");
  absl::StatusOr<AccountSeed> seed = AccountSeed::FromBytes(*seed_bytes);
  crypto::SecureWipe(*seed_bytes);
  if (!seed.ok()) return absl::DataLossError("the account's seed is damaged");
  ASSIGN_OR_RETURN(std::string device_bytes, Required(store, kDeviceSetting));
  absl::StatusOr<DeviceKeys> device = DeviceKeys::Parse(device_bytes);
  crypto::SecureWipe(device_bytes);
  if (!device.ok()) return absl::DataLossError("the device's keys are damaged");
  ASSIGN_OR_RETURN(std::string prekey_bytes, Required(store, kPrekeysSetting));
  absl::StatusOr<PrekeySecrets> prekeys = PrekeySecrets::Parse(prekey_bytes);
  crypto::SecureWipe(prekey_bytes);
  if (!prekeys.ok()) return absl::DataLossError("the prekeys are damaged");

  std::unique_ptr<Messenger> messenger(
      new Messenger(environment, AccountKeys::FromSeed(*seed),
                    *std::move(device), *std::move(prekeys)));
  ASSIGN_OR_RETURN(messenger->name_, Required(store, kNameSetting));
  ASSIGN_OR_RETURN(const std::optional<std::string> record,
                   store.Setting(kIdentitySetting));
  if (record) {
    absl::StatusOr<IdentityRecord> verified = IdentityRecord::Verify(*record);
    if (!verified.ok()) {
      return absl::DataLossError("the account's identity record is damaged");
    }
    messenger->identity_record_ = *std::move(verified);
  }
  RETURN_IF_ERROR(messenger->RemoveVanished());
  return messenger;
}

Messenger::Messenger(const Environment& environment, AccountKeys account,
                     DeviceKeys device, PrekeySecrets prekeys)
    : env_(environment),
      account_(std::move(account)),
      account_signing_key_(std::make_shared<Ed25519PrivateKey>(
          Ed25519PrivateKey::FromSeed(account_.signing_key().seed()))),
      identity_kem_(account_.identity_kem()),
      device_(std::move(device)),
      prekeys_(std::move(prekeys)) {}

void Messenger::Progress(absl::string_view words) const {
  if (env_.on_progress) env_.on_progress(words);
}

absl::Status Messenger::SetName(absl::string_view name) {
  RETURN_IF_ERROR(CheckProfileName(name));
  RETURN_IF_ERROR(env_.store.SetSetting(kNameSetting, name));
  name_ = std::string(name);
  return absl::OkStatus();
}

absl::StatusOr<Contact> Messenger::ContactFor(const AccountId& peer,
                                              Standing standing) {
  ASSIGN_OR_RETURN(std::optional<Contact> contact,
                   env_.store.FindContact(peer));
  if (contact) return *std::move(contact);
  Contact fresh(peer);
  fresh.added = fresh.standing_since = env_.clock.Now();
  fresh.standing = standing;
  fresh.incoming_mailbox = IncomingMailbox::Generate(env_.random).Serialize();
  RETURN_IF_ERROR(env_.store.PutContact(fresh));
  return fresh;
}

absl::StatusOr<Contact> Messenger::UnblockedContact(const AccountId& peer) {
  ASSIGN_OR_RETURN(Contact contact, ContactFor(peer));
  if (contact.standing == Standing::kBlocked) {
    return absl::FailedPreconditionError(
        "you have blocked this account; unblock it first");
  }
  return contact;
}

absl::Status Messenger::AddContact(const AccountId& account,
                                   absl::string_view name) {
  RETURN_IF_ERROR(CheckProfileName(name));
  if (account == account_.id()) {
    return absl::InvalidArgumentError("that is your own account id");
  }
  return env_.store.Transaction([&]() -> absl::Status {
    ASSIGN_OR_RETURN(Contact contact, UnblockedContact(account));
    contact.name = std::string(name);
    return MakeContact(contact);
  });
}

std::string Messenger::EncodeFor(const Contact& contact,
                                 absl::string_view message_id, absl::Time sent,
                                 ContentBody body) {
  Content content;
  content.message_id = std::string(message_id);
  content.sent = sent;
  content.profile_name = name_;
  content.body = std::move(body);
  const absl::StatusOr<IncomingMailbox> mailbox =
      IncomingMailbox::Parse(contact.incoming_mailbox);
  if (mailbox.ok()) {
    content.mailbox_offer =
        absl::StrCat(mailbox->read_key()->public_key().bytes(),
                     mailbox->write_key().seed().Expose());
  }
  return EncodeContent(content);
}

// --------------------------------------------------------------- requests --

// Says only that the session is established, and where to write.
absl::Status Messenger::QueueGreeting(const Contact& contact) {
  return env_.store
      .AddOutboxItem(NewItem(contact, env_.random.String(kMessageIdBytes),
                             env_.clock.Now(), std::monostate()))
      .status();
}

absl::Status Messenger::MakeContact(Contact& contact) {
  const Standing before = contact.standing;
  if (before != Standing::kContact) {
    contact.standing = Standing::kContact;
    contact.standing_since = env_.clock.Now();
  }
  RETURN_IF_ERROR(env_.store.PutContact(contact));
  if (before == Standing::kContact || before == Standing::kBlocked) {
    return absl::OkStatus();
  }
  // What it began and nobody has answered.
  ASSIGN_OR_RETURN(const std::vector<SessionRow> sessions,
                   env_.store.Sessions(contact.account));
  if (!sessions.empty()) RETURN_IF_ERROR(QueueGreeting(contact));
  return env_.store.MoveIncomingToEnd(contact.account);
}

absl::StatusOr<std::vector<MessageRequest>> Messenger::Requests() {
  ASSIGN_OR_RETURN(const std::vector<Contact> contacts, env_.store.Contacts());
  std::vector<MessageRequest> requests;
  for (const Contact& contact : contacts) {
    if (contact.standing != Standing::kRequest) continue;
    MessageRequest request(contact.account);
    request.claimed_name = contact.profile_name;
    request.arrived = contact.standing_since;
    ASSIGN_OR_RETURN(const std::vector<Message> messages,
                     env_.store.Messages(contact.account, kMaxRequestTexts));
    size_t left = kRequestCharacters;
    for (const Message& message : messages) {
      if (request.texts.size() == kRequestTexts || left == 0) {
        ++request.more;
        continue;
      }
      request.texts.push_back(FirstCharacters(message.text, left));
      request.cut |= request.texts.back().size() < message.text.size();
    }
    requests.push_back(std::move(request));
  }
  std::stable_sort(requests.begin(), requests.end(),
                   [](const MessageRequest& a, const MessageRequest& b) {
                     return a.arrived < b.arrived;
                   });
  return requests;
}

absl::Status Messenger::AcceptRequest(const AccountId& account) {
  return env_.store.Transaction([&]() -> absl::Status {
    ASSIGN_OR_RETURN(std::optional<Contact> contact,
                     env_.store.FindContact(account));
    if (!contact || contact->standing != Standing::kRequest) {
      return absl::NotFoundError("there is no request of this account");
    }
    return MakeContact(*contact);
  });
}

absl::Status Messenger::ForgetRequest(const Contact& contact) {
  ASSIGN_OR_RETURN(const std::vector<SessionRow> sessions,
                   env_.store.Sessions(contact.account));
  for (const SessionRow& session : sessions) {
    RETURN_IF_ERROR(env_.store.DeleteSession(session.session_id));
  }
  RETURN_IF_ERROR(env_.store.DeleteConversation(contact.account));
  return env_.store.DeleteContact(contact.account);
}

absl::Status Messenger::DeclineRequest(const AccountId& account) {
  return env_.store.Transaction([&]() -> absl::Status {
    ASSIGN_OR_RETURN(std::optional<Contact> contact,
                     env_.store.FindContact(account));
    if (!contact || contact->standing != Standing::kRequest) {
      return absl::NotFoundError("there is no request of this account");
    }
    RETURN_IF_ERROR(env_.store.DeleteConversation(account));
    contact->standing = Standing::kDeclined;
    contact->standing_since = env_.clock.Now();
    return env_.store.PutContact(*contact);
  });
}

absl::Status Messenger::Block(const AccountId& account) {
  if (account == account_.id()) {
    return absl::InvalidArgumentError("that is your own account id");
  }
  return env_.store.Transaction([&]() -> absl::Status {
    ASSIGN_OR_RETURN(Contact contact, ContactFor(account));
    if (contact.standing == Standing::kRequest) {
      RETURN_IF_ERROR(env_.store.DeleteConversation(account));
    }
    ASSIGN_OR_RETURN(const std::vector<OutboxItem> outbox, env_.store.Outbox());
    for (const OutboxItem& item : outbox) {
      if (item.peer != account) continue;
      RETURN_IF_ERROR(env_.store.DeleteOutboxItem(item.row));
      if (item.message_row == 0) continue;
      RETURN_IF_ERROR(
          env_.store.SetMessageState(item.message_row, MessageState::kFailed,
                                     "you have blocked this account"));
    }
    contact.standing = Standing::kBlocked;
    contact.standing_since = env_.clock.Now();
    return env_.store.PutContact(contact);
  });
}

absl::Status Messenger::Unblock(const AccountId& account) {
  return env_.store.Transaction([&]() -> absl::Status {
    ASSIGN_OR_RETURN(std::optional<Contact> contact,
                     env_.store.FindContact(account));
    if (!contact || contact->standing != Standing::kBlocked) {
      return absl::NotFoundError("this account is not blocked");
    }
    // Somebody who was never a contact may ask again.
    ASSIGN_OR_RETURN(const std::vector<Message> messages,
                     env_.store.Messages(account, 1));
    const bool known = !contact->name.empty() || !messages.empty();
    contact->standing = known ? Standing::kContact : Standing::kForgotten;
    contact->standing_since = env_.clock.Now();
    return env_.store.PutContact(*contact);
  });
}

absl::Status Messenger::MakeRoomForRequest() {
  ASSIGN_OR_RETURN(const std::vector<Contact> contacts, env_.store.Contacts());
  size_t waiting = 0;
  const Contact* oldest = nullptr;
  for (const Contact& contact : contacts) {
    if (contact.standing != Standing::kRequest) continue;
    ++waiting;
    if (oldest == nullptr || contact.standing_since < oldest->standing_since) {
      oldest = &contact;
    }
  }
  if (waiting < kMaxRequests) return absl::OkStatus();
  return ForgetRequest(*oldest);
}

absl::Status Messenger::EndOldRequests() {
  const absl::Time now = env_.clock.Now();
  ASSIGN_OR_RETURN(std::vector<Contact> contacts, env_.store.Contacts());
  for (Contact& contact : contacts) {
    if (now < contact.standing_since + kRequestLifetime) continue;
    if (contact.standing == Standing::kRequest ||
        contact.standing == Standing::kForgotten) {
      RETURN_IF_ERROR(ForgetRequest(contact));
    } else if (contact.standing == Standing::kDeclined) {
      contact.standing = Standing::kForgotten;
      contact.standing_since = now;
      RETURN_IF_ERROR(env_.store.PutContact(contact));
    }
  }
  return absl::OkStatus();
}

absl::Status Messenger::ReportContacts(ReceiveRun& run) {
  ASSIGN_OR_RETURN(const std::vector<Contact> contacts, env_.store.Contacts());
  for (const Contact& contact : contacts) {
    if (contact.standing == Standing::kRequest) {
      ++run.report.requests;
      if (contact.standing_since >= run.started) ++run.report.new_requests;
    } else if (contact.standing == Standing::kContact &&
               contact.devices_changed) {
      run.report.changed_devices.push_back(contact.account);
    }
  }
  return absl::OkStatus();
}

// ----------------------------------------------------------- verification --

absl::Status Messenger::Verify(const AccountId& account,
                               absl::string_view seen) {
  std::string digits;
  for (const char c : seen) {
    if (absl::ascii_isdigit(static_cast<unsigned char>(c))) digits += c;
  }
  const std::string expected = crypto::SafetyNumber(account_.id(), account);
  if (digits.size() != expected.size()) {
    return absl::InvalidArgumentError(
        absl::StrCat("a safety number has ", expected.size(), " digits"));
  }
  if (digits != expected) {
    return absl::FailedPreconditionError("these are other digits");
  }
  return env_.store.Transaction([&]() -> absl::Status {
    ASSIGN_OR_RETURN(std::optional<Contact> contact,
                     env_.store.FindContact(account));
    if (!contact || contact->standing != Standing::kContact) {
      return absl::NotFoundError("this account is no contact");
    }
    contact->verified = env_.clock.Now();
    contact->devices_changed = false;
    return env_.store.PutContact(*contact);
  });
}

absl::Status Messenger::Unverify(const AccountId& account) {
  return env_.store.Transaction([&]() -> absl::Status {
    ASSIGN_OR_RETURN(std::optional<Contact> contact,
                     env_.store.FindContact(account));
    if (!contact || !contact->verified) {
      return absl::NotFoundError("this account is not verified");
    }
    contact->verified.reset();
    return env_.store.PutContact(*contact);
  });
}

absl::Status Messenger::CheckVerified(const AccountId& peer) {
  ASSIGN_OR_RETURN(const std::optional<Contact> contact,
                   env_.store.FindContact(peer));
  if (!contact || !contact->verified || !contact->devices_changed) {
    return absl::OkStatus();
  }
  return absl::FailedPreconditionError(
      "you have verified this contact, and it has changed its devices since; "
      "ask them by another way, compare safety numbers, and verify them again");
}

absl::Status Messenger::ConfirmDevices(const std::vector<AccountId>& told) {
  return env_.store.Transaction([&]() -> absl::Status {
    for (const AccountId& account : told) {
      ASSIGN_OR_RETURN(std::optional<Contact> contact,
                       env_.store.FindContact(account));
      // Of a verified one the person has to decide.
      if (!contact || contact->verified) continue;
      contact->devices_changed = false;
      RETURN_IF_ERROR(env_.store.PutContact(*contact));
    }
    return absl::OkStatus();
  });
}

// ------------------------------------------------------------ registering --

ReadTarget Messenger::InboxTarget() const {
  ReadTarget inbox;
  inbox.mailbox = account_mailbox();
  inbox.mailbox_namespace = MailboxNamespace::kInbox;
  inbox.reader = account_signing_key();
  return inbox;
}

absl::StatusOr<ReadTarget> Messenger::TargetOf(const Contact& contact) const {
  const absl::StatusOr<IncomingMailbox> mailbox =
      IncomingMailbox::Parse(contact.incoming_mailbox);
  if (!mailbox.ok()) {
    return absl::DataLossError("a contact's mailbox is damaged");
  }
  ReadTarget target;
  target.mailbox = mailbox->address();
  target.mailbox_namespace = MailboxNamespace::kPairwise;
  target.reader = mailbox->read_key();
  target.write_key = mailbox->write_key().public_key();
  return target;
}

absl::StatusOr<bool> Messenger::MailboxInUse(const Contact& contact) const {
  if (contact.standing == Standing::kContact) return true;
  // That of a contact who was blocked is read still, so that nothing the
  // network sees changes. Strangers have not been told of any.
  if (contact.standing != Standing::kBlocked) return false;
  ASSIGN_OR_RETURN(const ReadTarget target, TargetOf(contact));
  ASSIGN_OR_RETURN(const std::optional<absl::Time> registered,
                   env_.store.RegisteredAt(target.mailbox));
  return registered.has_value();
}

absl::StatusOr<absl::Duration> Messenger::RegistrationLeft(
    absl::string_view mailbox) const {
  ASSIGN_OR_RETURN(const std::optional<absl::Time> registered,
                   env_.store.RegisteredAt(mailbox));
  const absl::Time now = env_.clock.Now();
  // From the future: the clock was wrong then, so nobody knows.
  if (!registered || *registered > now + swarm::kClockTolerance) {
    return -absl::InfiniteDuration();
  }
  return *registered + swarm::kRegistrationLife - now;
}

void Messenger::EnsureRegistered(const ReadTarget& target, Registered done) {
  const absl::StatusOr<absl::Duration> left = RegistrationLeft(target.mailbox);
  if (!left.ok() || *left >= swarm::kRegistrationRenewal) {
    return done(left.status());
  }
  Progress("registering a mailbox with its swarm");
  env_.mail.Register(
      target,
      [this, mailbox = target.mailbox, started = env_.clock.Now(),
       still_good = *left > absl::ZeroDuration(),
       done = std::move(done)](absl::StatusOr<Delivery> registered) mutable {
        absl::Status status = registered.status();
        if (status.ok()) {
          status = env_.store.SetRegistered(mailbox, started);
        } else if (still_good) {
          status = absl::OkStatus();
        }
        done(std::move(status));
      });
}

absl::StatusOr<std::vector<ReadTarget>> Messenger::MailboxesToRenew() const {
  ASSIGN_OR_RETURN(const std::vector<Contact> contacts, env_.store.Contacts());
  std::vector<ReadTarget> due;
  for (const Contact& contact : contacts) {
    ASSIGN_OR_RETURN(const bool in_use, MailboxInUse(contact));
    if (!in_use) continue;
    ASSIGN_OR_RETURN(ReadTarget target, TargetOf(contact));
    ASSIGN_OR_RETURN(const std::optional<absl::Time> before,
                     env_.store.RegisteredAt(target.mailbox));
    ASSIGN_OR_RETURN(const absl::Duration left,
                     RegistrationLeft(target.mailbox));
    // Without either, nobody has been told of the mailbox yet.
    if (!before && contact.outgoing_mailbox.empty()) continue;
    if (left < swarm::kRegistrationRenewal) due.push_back(std::move(target));
  }
  return due;
}

// One after the other: each takes work. What fails is tried again when Publish
// is next called.
void Messenger::RenewMailboxes(std::vector<ReadTarget> due, Registered done) {
  if (due.empty()) return done(absl::OkStatus());
  const ReadTarget target = std::move(due.back());
  due.pop_back();
  EnsureRegistered(target, [this, due = std::move(due), done = std::move(done)](
                               const absl::Status& status) mutable {
    if (absl::IsDataLoss(status)) return done(status);
    RenewMailboxes(std::move(due), std::move(done));
  });
}

bool Messenger::renewal_due() const {
  const absl::StatusOr<absl::Duration> inbox =
      RegistrationLeft(account_mailbox());
  const absl::StatusOr<std::vector<ReadTarget>> due = MailboxesToRenew();
  return (inbox.ok() && *inbox < swarm::kRegistrationRenewal) ||
         (due.ok() && !due->empty());
}

// ------------------------------------------------------------- publishing --

bool Messenger::published() const {
  const absl::StatusOr<absl::Duration> left =
      RegistrationLeft(account_mailbox());
  if (!left.ok() || *left <= absl::ZeroDuration()) return false;
  if (!identity_record_ ||
      prekeys_.ShouldRotate(*identity_record_, env_.clock.Now())) {
    return false;
  }
  const auto identity = env_.store.Setting(kPublishedIdentitySetting);
  const auto prekey = env_.store.Setting(kPublishedPrekeySetting);
  return identity.ok() && prekey.ok() &&
         *identity == std::string(identity_record_->hash().bytes()) &&
         *prekey == prekeys_.current_record();
}

void Messenger::Publish(MailDone<Delivery> done) {
  if (publishing_) {
    done(absl::FailedPreconditionError("publishing already"));
    return;
  }
  publishing_ = true;
  registered_again_ = false;
  RegisterInbox(std::move(done));
}

// Before the records: nothing can be kept in a mailbox that does not exist.
void Messenger::RegisterInbox(MailDone<Delivery> done) {
  EnsureRegistered(InboxTarget(), [this, done = std::move(done)](
                                      const absl::Status& registered) mutable {
    if (!registered.ok()) {
      FinishPublish(done, registered);
    } else {
      PublishRecords(std::move(done));
    }
  });
}

bool Messenger::RegisterAgain(const absl::Status& failure,
                              MailDone<Delivery>& done) {
  if (RefusalOf(failure).reason != RefusalReason::kNotRegistered ||
      registered_again_) {
    return false;
  }
  registered_again_ = true;
  const absl::Status forgotten =
      env_.store.ForgetRegistration(account_mailbox());
  if (!forgotten.ok()) {
    FinishPublish(done, forgotten);
  } else {
    RegisterInbox(std::move(done));
  }
  return true;
}

void Messenger::PublishRecords(MailDone<Delivery> done) {
  const auto restored = env_.store.Setting(kRestoredSetting);
  if (!restored.ok()) {
    FinishPublish(done, restored.status());
  } else if (*restored == "1") {
    FetchOwnIdentity(std::move(done));
  } else {
    PutIdentity(std::move(done));
  }
}

void Messenger::FinishPublish(MailDone<Delivery>& done,
                              absl::StatusOr<Delivery> result) {
  publishing_ = false;
  done(std::move(result));
}

void Messenger::FetchOwnIdentity(MailDone<Delivery> done) {
  Progress("looking for the account's records in its swarm");
  env_.mail.GetRecords(
      account_mailbox(), MailboxNamespace::kIdentityRecord,
      [this, done = std::move(done)](
          absl::StatusOr<std::vector<MailRecord>> records) mutable {
        const absl::Status status =
            records.ok() ? AdoptIdentity(*records) : records.status();
        if (!status.ok()) {
          FinishPublish(done, status);
        } else {
          PutIdentity(std::move(done));
        }
      });
}

// This device takes the account over: the next record lists it alone.
absl::Status Messenger::AdoptIdentity(const std::vector<MailRecord>& records) {
  std::optional<IdentityRecord> newest;
  for (const MailRecord& record : records) {
    absl::StatusOr<IdentityRecord> verified =
        IdentityRecord::Verify(record.body);
    if (!verified.ok() || verified->account_id() != account_.id()) continue;
    if (!newest || verified->seq() > newest->seq()) newest = *verified;
  }
  const std::vector<DeviceEntry> devices = {
      MakeDeviceEntry(device_, env_.clock.Now())};
  ASSIGN_OR_RETURN(IdentityRecord record,
                   newest ? newest->Next(account_, devices)
                          : IdentityRecord::First(account_, devices));
  RETURN_IF_ERROR(env_.store.Transaction([&]() -> absl::Status {
    RETURN_IF_ERROR(env_.store.SetSetting(kIdentitySetting, record.bytes()));
    return env_.store.SetSetting(kRestoredSetting, "");
  }));
  identity_record_ = std::move(record);
  return absl::OkStatus();
}

void Messenger::PutIdentity(MailDone<Delivery> done) {
  const std::string hash(identity_record_->hash().bytes());
  const auto published = env_.store.Setting(kPublishedIdentitySetting);
  if (!published.ok()) {
    FinishPublish(done, published.status());
    return;
  }
  if (*published == hash) {
    PutPrekey(std::move(done));
    return;
  }
  Progress("publishing the account's identity record");
  env_.mail.PutRecord(
      account_mailbox(), MailboxNamespace::kIdentityRecord,
      account_signing_key(),
      {ZeroRecordKey(), identity_record_->seq(), identity_record_->bytes()},
      [this, hash,
       done = std::move(done)](absl::StatusOr<Delivery> delivery) mutable {
        if (absl::IsAborted(delivery.status())) {
          FinishPublish(done, absl::FailedPreconditionError(
                                  "this account has been restored on another "
                                  "device, which has taken its place"));
          return;
        }
        if (RegisterAgain(delivery.status(), done)) return;
        absl::Status status = delivery.status();
        if (status.ok()) {
          status = env_.store.SetSetting(kPublishedIdentitySetting, hash);
        }
        if (!status.ok()) {
          FinishPublish(done, status);
        } else {
          PutPrekey(std::move(done));
        }
      });
}

void Messenger::PutPrekey(MailDone<Delivery> done) {
  const absl::Time now = env_.clock.Now();
  if (prekeys_.ShouldRotate(*identity_record_, now)) {
    // The secret is on disk before anybody can use the public half.
    absl::StatusOr<PrekeySecrets> next =
        PrekeySecrets::Parse(prekeys_.Serialize());
    absl::Status status = next.status();
    if (status.ok()) {
      status =
          next->Rotate(*identity_record_, device_, now, env_.random).status();
    }
    if (status.ok()) {
      status = SetSecret(env_.store, kPrekeysSetting, next->Serialize());
    }
    if (!status.ok()) {
      FinishPublish(done, status);
      return;
    }
    prekeys_ = *std::move(next);
  }
  const std::string record = prekeys_.current_record();
  const auto published = env_.store.Setting(kPublishedPrekeySetting);
  if (!published.ok()) {
    FinishPublish(done, published.status());
    return;
  }
  if (*published == record) {
    FinishRecords(std::move(done), Delivery());
    return;
  }
  Progress("publishing the device's prekey");
  env_.mail.PutRecord(
      account_mailbox(), MailboxNamespace::kPrekeyRecords,
      account_signing_key(),
      {std::string(device_.id().bytes()), prekeys_.epochs().back().seq, record},
      [this, record,
       done = std::move(done)](absl::StatusOr<Delivery> delivery) mutable {
        if (RegisterAgain(delivery.status(), done)) return;
        if (delivery.ok()) {
          const absl::Status status =
              env_.store.SetSetting(kPublishedPrekeySetting, record);
          if (!status.ok()) delivery = status;
        }
        FinishRecords(std::move(done), std::move(delivery));
      });
}

void Messenger::FinishRecords(MailDone<Delivery> done,
                              absl::StatusOr<Delivery> result) {
  absl::StatusOr<std::vector<ReadTarget>> due = MailboxesToRenew();
  if (!result.ok() || !due.ok()) {
    FinishPublish(done, result.ok() ? due.status() : result.status());
    return;
  }
  RenewMailboxes(*std::move(due),
                 [this, done = std::move(done), result = std::move(result)](
                     const absl::Status& status) mutable {
                   if (!status.ok()) result = status;
                   FinishPublish(done, std::move(result));
                 });
}

// ---------------------------------------------------------------- sending --

void Messenger::Flush(bool force, MailDone<FlushReport> done) {
  if (flushing_) {
    done(absl::FailedPreconditionError("sending already"));
    return;
  }
  auto run = std::make_shared<FlushRun>();
  run->done = std::move(done);
  absl::Status prepared = RemoveVanished();
  prepared.Update(QueueReceipts());
  if (!prepared.ok()) {
    run->done(prepared);
    return;
  }
  const absl::StatusOr<std::vector<OutboxItem>> outbox = env_.store.Outbox();
  if (!outbox.ok()) {
    run->done(outbox.status());
    return;
  }
  const absl::Time now = env_.clock.Now();
  std::map<AccountId, size_t> chain_of;
  std::set<AccountId> waiting;  // Texts to one person keep their order.
  for (const OutboxItem& item : *outbox) {
    if (!force && item.next_try > now && item.expiry > now) {
      waiting.insert(item.peer);
    }
    if (waiting.find(item.peer) != waiting.end()) continue;
    const auto [slot, added] = chain_of.emplace(item.peer, run->chains.size());
    if (added) run->chains.emplace_back();
    run->chains[slot->second].push_back(item);
  }
  flushing_ = true;
  run->next.assign(run->chains.size(), 0);
  run->running = run->chains.size() + 1;
  for (size_t peer = 0; peer < run->chains.size(); ++peer) {
    FlushPeer(run, peer);
  }
  // The last one to finish closes the run; this is the loop above.
  FlushPeer(run, run->chains.size());
}

void Messenger::FlushPeer(std::shared_ptr<FlushRun> run, size_t peer) {
  while (peer < run->chains.size() && run->error.ok() &&
         run->next[peer] < run->chains[peer].size()) {
    OutboxItem item = run->chains[peer][run->next[peer]++];
    const absl::StatusOr<bool> there = env_.store.HasOutboxItem(item.row);
    if (!there.ok()) run->error = there.status();
    if (!there.ok() || !*there) continue;  // Taken back meanwhile.
    if (item.expiry > env_.clock.Now()) {
      FlushItem(run, peer, std::move(item));
      return;
    }
    RecordItem(
        *run, peer, item,
        absl::DeadlineExceededError("not delivered within 14 days; given up"));
  }
  if (--run->running > 0) return;
  flushing_ = false;
  if (!run->error.ok()) {
    run->done(run->error);
    return;
  }
  const absl::StatusOr<std::vector<OutboxItem>> left = env_.store.Outbox();
  if (!left.ok()) {
    run->done(left.status());
    return;
  }
  FlushReport report;
  report.waiting = static_cast<int>(left->size());
  for (auto& [row, message] : run->messages) {
    report.messages.push_back(std::move(message));
  }
  run->done(std::move(report));
}

absl::StatusOr<std::vector<Session>> Messenger::SessionsWith(
    const AccountId& peer) {
  ASSIGN_OR_RETURN(std::vector<SessionRow> rows, env_.store.Sessions(peer));
  std::vector<Session> sessions;
  for (SessionRow& row : rows) {
    absl::StatusOr<Session> session = Session::Parse(row.state);
    crypto::SecureWipe(row.state);
    RETURN_IF_ERROR(session.status());
    sessions.push_back(*std::move(session));
  }
  return sessions;
}

namespace {

std::vector<SessionSummary> Summaries(const std::vector<Session>& sessions) {
  std::vector<SessionSummary> summaries;
  for (const Session& session : sessions) {
    summaries.push_back({session.id(), session.generation(), session.created(),
                         session.awaiting_reply()});
  }
  return summaries;
}

}  // namespace

// Whatever goes out names the mailbox that answers go to: it must exist first.
void Messenger::FlushItem(std::shared_ptr<FlushRun> run, size_t peer,
                          OutboxItem item) {
  absl::StatusOr<Contact> contact = ContactFor(item.peer);
  const absl::StatusOr<ReadTarget> mailbox =
      contact.ok() ? TargetOf(*contact) : contact.status();
  if (!mailbox.ok()) {
    ItemDone(run, peer, item, mailbox.status());
    return;
  }
  EnsureRegistered(*mailbox, [this, run, peer, item = std::move(item)](
                                 const absl::Status& registered) mutable {
    if (registered.ok()) {
      CheckDevices(run, peer, std::move(item));
    } else if (absl::IsDataLoss(registered)) {
      ItemDone(run, peer, item, registered);
    } else {
      ItemDone(run, peer, item,
               absl::Status(registered.code(),
                            absl::StrCat("a mailbox for the answers could "
                                         "not be registered: ",
                                         registered.message())));
    }
  });
}

// A contact may have moved to another device without having written since;
// what is sent to the old one would be read by nobody.
void Messenger::CheckDevices(std::shared_ptr<FlushRun> run, size_t peer,
                             OutboxItem item) {
  const AccountId to = item.peer;
  const absl::StatusOr<bool> due = IdentityCheckDue(to);
  if (!due.ok()) {
    ItemDone(run, peer, item, due.status());
    return;
  }
  if (!*due) {
    SealAndStore(run, peer, std::move(item));
    return;
  }
  Progress("checking whether the recipient has changed devices");
  env_.mail.GetRecords(
      std::string(to.bytes()), MailboxNamespace::kIdentityRecord,
      [this, run, peer, to, item = std::move(item)](
          absl::StatusOr<std::vector<MailRecord>> records) mutable {
        // An older record, or none, is a swarm that withholds: it can delay
        // the news, not stop the text. A fork is not to be written to.
        const absl::Status checked =
            records.ok() ? CheckPeerIdentity(to, *records).status()
                         : absl::OkStatus();
        if (absl::IsUnauthenticated(checked) || IsOurFailure(checked)) {
          ItemDone(run, peer, item, checked);
        } else {
          SealAndStore(run, peer, std::move(item));
        }
      });
}

// Only for a contact whose identity is pinned: others are looked up anyway.
absl::StatusOr<bool> Messenger::IdentityCheckDue(const AccountId& peer) {
  ASSIGN_OR_RETURN(const std::optional<Contact> contact,
                   env_.store.FindContact(peer));
  if (!contact || contact->identity_record.empty()) return false;
  ASSIGN_OR_RETURN(const std::optional<std::string> checked,
                   env_.store.Setting(IdentityCheckSetting(peer)));
  int64_t checked_ms = 0;
  if (!checked || !absl::SimpleAtoi(*checked, &checked_ms)) return true;
  return env_.clock.Now() >=
         absl::FromUnixMillis(checked_ms) + kIdentityCheckInterval;
}

void Messenger::SealAndStore(std::shared_ptr<FlushRun> run, size_t peer,
                             OutboxItem item) {
  const absl::Status verified = CheckVerified(item.peer);
  if (!verified.ok()) {
    ItemDone(run, peer, item, verified);
    return;
  }
  absl::StatusOr<std::vector<Session>> sessions = SessionsWith(item.peer);
  if (!sessions.ok()) {
    ItemDone(run, peer, item, sessions.status());
    return;
  }
  absl::StatusOr<SessionsByDevice> usable = SessionsByDevice();
  if (!sessions->empty()) {
    usable = SortByDevice(item.peer, *std::move(sessions));
    if (!usable.ok()) {
      ItemDone(run, peer, item, usable.status());
      return;
    }
  }
  // A device that has left its account reads nothing any more.
  const std::vector<Session>& listed = usable->listed;
  const Session* session =
      listed.empty() ? nullptr : &listed[PreferredSession(Summaries(listed))];
  // Its handshake is for a prekey that the peer may have deleted.
  const bool outdated = session != nullptr && session->awaiting_reply() &&
                        session->created() + kInitiationUse <= env_.clock.Now();
  if (outdated && item.mailbox_namespace ==
                      static_cast<uint16_t>(MailboxNamespace::kInbox)) {
    item.blob.reset();
  }
  if (item.blob) {
    StoreItem(run, peer, std::move(item));
    return;
  }
  if (!identity_record_) {
    ItemDone(run, peer, item,
             absl::UnavailableError(
                 "this account's own records are not published yet"));
    return;
  }
  if (session != nullptr && !outdated) {
    SealFor(run, peer, *session, /*started=*/false, std::move(item));
    return;
  }
  Progress("fetching the recipient's keys from their swarm");
  const AccountId to = item.peer;
  FetchKeys(to, /*again=*/outdated,
            [this, run, peer, to,
             item = std::move(item)](absl::StatusOr<Session> started) mutable {
              if (!started.ok()) {
                ItemDone(run, peer, item, started.status());
                return;
              }
              SealFor(run, peer, *started, /*started=*/true, std::move(item));
            });
}

void Messenger::SealFor(std::shared_ptr<FlushRun> run, size_t peer,
                        const Session& session, bool started, OutboxItem item) {
  const auto contact = env_.store.FindContact(item.peer);
  const bool to_inbox =
      session.awaiting_reply() ||
      (contact.ok() && *contact && (*contact)->outgoing_mailbox.empty());
  absl::Status status = contact.status();
  if (status.ok() && to_inbox && item.content.size() > kMaxInboxContentBytes) {
    absl::StatusOr<OutboxItem> first = CutForInbox(*run, peer, started, item);
    status = first.status();
    if (status.ok()) item = *std::move(first);
  }
  if (status.ok()) status = SealItem(session, item);
  if (status.ok() && started) {
    status = env_.store.Transaction([&] { return DropOldSessions(item.peer); });
  }
  if (!status.ok()) {
    ItemDone(run, peer, item, status);
    return;
  }
  StoreItem(run, peer, std::move(item));
}

// Small parts, as many as a text may have. A text that needs more follows a
// greeting, once that is answered.
absl::StatusOr<OutboxItem> Messenger::CutForInbox(FlushRun& run, size_t peer,
                                                  bool started,
                                                  const OutboxItem& item) {
  ASSIGN_OR_RETURN(const std::optional<Message> message,
                   env_.store.FindMessage(item.message_row));
  ASSIGN_OR_RETURN(const Contact contact, ContactFor(item.peer));
  const absl::Status must_wait = absl::UnavailableError(absl::StrCat(
      "only ", kMaxParts * kMaxInboxPartBytes,
      " bytes fit into a text to somebody who has not answered yet; they "
      "have been greeted, and the text goes out when they have answered"));
  if (!message) return must_wait;  // an edit
  ASSIGN_OR_RETURN(const Content content, DecodeContent(item.content));
  const auto* whole = std::get_if<TextPart>(&content.body);
  if (whole == nullptr)
    return absl::DataLossError("an outbox entry is damaged");
  std::vector<TextPart> parts = SplitText(message->text, kMaxInboxPartBytes);
  OutboxItem like = item;
  like.blob.reset();
  std::vector<OutboxItem> replacements;
  if (parts.size() <= static_cast<size_t>(kMaxParts)) {
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
    greeting.content = EncodeFor(contact, env_.random.String(kMessageIdBytes),
                                 env_.clock.Now(), std::monostate());
    replacements.push_back(std::move(greeting));
    ASSIGN_OR_RETURN(const std::vector<OutboxItem> outbox, env_.store.Outbox());
    for (const OutboxItem& part : outbox) {
      if (part.message_row == item.message_row) replacements.push_back(part);
    }
  } else {
    return must_wait;
  }
  ASSIGN_OR_RETURN(run.chains[peer],
                   ReplaceInOutbox(item, std::move(replacements)));
  run.next[peer] = 1;
  return run.chains[peer][0];
}

absl::StatusOr<std::vector<OutboxItem>> Messenger::ReplaceInOutbox(
    const OutboxItem& item, std::vector<OutboxItem> replacements) {
  RETURN_IF_ERROR(env_.store.Transaction([&]() -> absl::Status {
    ASSIGN_OR_RETURN(const std::vector<OutboxItem> outbox, env_.store.Outbox());
    // Rows order the outbox: what waits behind moves behind the new rows.
    for (const OutboxItem& known : outbox) {
      if (known.peer != item.peer) continue;
      RETURN_IF_ERROR(env_.store.DeleteOutboxItem(known.row));
      if (known.message_row != item.message_row) replacements.push_back(known);
    }
    for (OutboxItem& one : replacements) {
      ASSIGN_OR_RETURN(one.row, env_.store.AddOutboxItem(one));
    }
    return absl::OkStatus();
  }));
  return replacements;
}

void Messenger::FetchKeys(const AccountId& peer, bool again,
                          MailDone<Session> done) {
  const std::string mailbox(peer.bytes());
  env_.mail.GetRecords(
      mailbox, MailboxNamespace::kIdentityRecord,
      [this, peer, mailbox, again, done = std::move(done)](
          absl::StatusOr<std::vector<MailRecord>> records) mutable {
        if (!records.ok()) {
          done(records.status());
          return;
        }
        absl::StatusOr<IdentityRecord> identity =
            CheckPeerIdentity(peer, *records);
        if (!identity.ok()) {
          done(identity.status());
          return;
        }
        env_.mail.GetRecords(
            mailbox, MailboxNamespace::kPrekeyRecords,
            [this, again, identity = *std::move(identity),
             done = std::move(done)](
                absl::StatusOr<std::vector<MailRecord>> prekeys) mutable {
              if (!prekeys.ok()) {
                done(prekeys.status());
              } else {
                done(StartSession(identity, *prekeys, again));
              }
            });
      });
}

absl::StatusOr<IdentityRecord> Messenger::CheckPeerIdentity(
    const AccountId& peer, const std::vector<MailRecord>& records) {
  std::optional<IdentityRecord> newest;
  for (const MailRecord& record : records) {
    absl::StatusOr<IdentityRecord> verified =
        IdentityRecord::Verify(record.body);
    if (!verified.ok() || verified->account_id() != peer) continue;
    if (!newest || verified->seq() > newest->seq()) newest = *verified;
  }
  if (!newest) {
    return absl::NotFoundError(
        "no keys of this account are in its swarm: the id is wrong, or its "
        "owner has not been online yet");
  }
  RETURN_IF_ERROR(env_.store.Transaction([&]() -> absl::Status {
    ASSIGN_OR_RETURN(Contact contact, ContactFor(peer));
    RETURN_IF_ERROR(PinIdentity(contact, *newest));
    return env_.store.SetSetting(
        IdentityCheckSetting(peer),
        absl::StrCat(absl::ToUnixMillis(env_.clock.Now())));
  }));
  return *newest;
}

absl::Status Messenger::PinIdentity(Contact& contact,
                                    const IdentityRecord& record) {
  const bool changed = !contact.identity_record.empty();
  if (changed) {
    absl::StatusOr<IdentityRecord> pinned =
        IdentityRecord::Verify(contact.identity_record);
    if (!pinned.ok()) return absl::DataLossError("a contact is damaged");
    RETURN_IF_ERROR(CheckIdentitySuccession(*pinned, record));
    if (*pinned == record) return absl::OkStatus();
    contact.devices_changed |= !SameDevices(*pinned, record);
  }
  contact.identity_record = record.bytes();
  RETURN_IF_ERROR(env_.store.PutContact(contact));
  if (!changed) return absl::OkStatus();
  // What was sealed for a device that has left is read by nobody. Whatever is
  // not confirmed is sealed again; who has it already knows its message id.
  ASSIGN_OR_RETURN(std::vector<OutboxItem> outbox, env_.store.Outbox());
  for (OutboxItem& item : outbox) {
    if (item.peer != contact.account || !item.blob) continue;
    item.blob.reset();
    RETURN_IF_ERROR(env_.store.UpdateOutboxItem(item));
  }
  return absl::OkStatus();
}

absl::StatusOr<Messenger::SessionsByDevice> Messenger::SortByDevice(
    const AccountId& peer, std::vector<Session> sessions) {
  ASSIGN_OR_RETURN(const std::optional<Contact> contact,
                   env_.store.FindContact(peer));
  if (!contact || contact->identity_record.empty()) {
    return absl::DataLossError("a session has no contact");
  }
  const absl::StatusOr<IdentityRecord> record =
      IdentityRecord::Verify(contact->identity_record);
  if (!record.ok()) return absl::DataLossError("a contact is damaged");
  SessionsByDevice sorted;
  for (Session& session : sessions) {
    const bool listed = record->FindDevice(session.peer_device()) != nullptr;
    (listed ? sorted.listed : sorted.left).push_back(std::move(session));
  }
  return sorted;
}

absl::StatusOr<Session> Messenger::StartSession(
    const IdentityRecord& identity, const std::vector<MailRecord>& prekeys,
    bool again) {
  const absl::Time now = env_.clock.Now();
  std::optional<PrekeyRecord> newest;
  for (const MailRecord& record : prekeys) {
    absl::StatusOr<PrekeyRecord> verified =
        PrekeyRecord::Verify(record.body, identity, now);
    if (!verified.ok()) continue;
    if (!newest || verified->epoch_start() > newest->epoch_start()) {
      newest = *verified;
    }
  }
  if (!newest) {
    return absl::NotFoundError(
        "the recipient has no valid prekey in their swarm; it comes when they "
        "are online next");
  }
  InitiateOptions options;
  if (again) options.generation = now;
  return Initiate(Self(), identity, *newest, options, now, env_.random);
}

// The session moves on and the sealed blob is kept, together.
absl::Status Messenger::SealItem(const Session& session, OutboxItem& item) {
  ASSIGN_OR_RETURN(Session::Encrypted encrypted,
                   session.Encrypt(item.content, env_.random));
  ASSIGN_OR_RETURN(const std::optional<Contact> contact,
                   env_.store.FindContact(item.peer));
  if (!contact) return absl::DataLossError("an outbox entry has no contact");
  OutboxItem sealed = item;
  if (session.awaiting_reply() || contact->outgoing_mailbox.empty()) {
    sealed.mailbox = std::string(item.peer.bytes());
    sealed.mailbox_namespace = static_cast<uint16_t>(MailboxNamespace::kInbox);
  } else {
    ASSIGN_OR_RETURN(const OutgoingMailbox mailbox,
                     OutgoingMailbox::Parse(contact->outgoing_mailbox));
    sealed.mailbox = mailbox.address();
    sealed.mailbox_namespace =
        static_cast<uint16_t>(MailboxNamespace::kPairwise);
  }
  sealed.blob = std::move(encrypted.blob);
  RETURN_IF_ERROR(env_.store.Transaction([&]() -> absl::Status {
    ASSIGN_OR_RETURN(const bool there, env_.store.HasOutboxItem(item.row));
    if (!there) return absl::CancelledError("it was taken back");
    RETURN_IF_ERROR(PutSession(env_.store, encrypted.next));
    return env_.store.UpdateOutboxItem(sealed);
  }));
  // Not before: a blob whose session was not kept must never leave, or the
  // next text would be sealed under the same key.
  item = std::move(sealed);
  return absl::OkStatus();
}

void Messenger::StoreItem(std::shared_ptr<FlushRun> run, size_t peer,
                          OutboxItem item) {
  WriteTarget target;
  target.mailbox = item.mailbox;
  target.mailbox_namespace =
      static_cast<MailboxNamespace>(item.mailbox_namespace);
  if (target.mailbox_namespace == MailboxNamespace::kPairwise) {
    const auto contact = env_.store.FindContact(item.peer);
    absl::StatusOr<OutgoingMailbox> mailbox =
        contact.ok() && *contact
            ? OutgoingMailbox::Parse((*contact)->outgoing_mailbox)
            : absl::DataLossError("an outbox entry has no mailbox");
    if (!mailbox.ok()) {
      ItemDone(run, peer, item, mailbox.status());
      return;
    }
    // The contact may have moved to another mailbox since it was sealed.
    target.mailbox = mailbox->address();
    target.read_key = mailbox->read_key();
    target.write_key = mailbox->write_key();
  }
  Progress("storing the message in the recipient's swarm");
  const std::string payload = *item.blob;
  const absl::Time expiry = item.expiry;
  env_.mail.Store(target, payload, expiry,
                  [this, run, peer, item = std::move(item)](
                      absl::StatusOr<Delivery> result) mutable {
                    if (!result.ok()) {
                      const auto contact = env_.store.FindContact(item.peer);
                      result = InWords(result.status(), contact.ok() && *contact
                                                            ? (*contact)->name
                                                            : std::string());
                    }
                    ItemDone(run, peer, item, std::move(result));
                  });
}

absl::Status Messenger::RecordItemResult(
    const OutboxItem& item, const absl::StatusOr<Delivery>& result) {
  ClientStore& store = env_.store;
  ASSIGN_OR_RETURN(const bool there, store.HasOutboxItem(item.row));
  if (!there) return absl::OkStatus();  // Taken back meanwhile.
  const bool given_up = GivenUp(item, result.status());
  if (result.ok() || given_up) {
    RETURN_IF_ERROR(store.DeleteOutboxItem(item.row));
    if (item.message_row == 0) return absl::OkStatus();
    if (given_up) {
      return store.SetMessageState(item.message_row, MessageState::kFailed,
                                   result.status().message());
    }
    ASSIGN_OR_RETURN(const int64_t left, store.OutboxItemsOf(item.message_row));
    if (left > 0) return absl::OkStatus();
    ASSIGN_OR_RETURN(const std::optional<Message> message,
                     store.FindMessage(item.message_row));
    // A part that was given up on stays the truth about the whole.
    if (!message || message->state == MessageState::kFailed) {
      return absl::OkStatus();
    }
    RETURN_IF_ERROR(store.StartTimer(item.message_row, env_.clock.Now()));
    return store.SetMessageState(item.message_row, MessageState::kSent, "");
  }
  OutboxItem next = item;
  ++next.attempts;
  next.next_try = env_.clock.Now() + RetryDelay(next.attempts);
  RETURN_IF_ERROR(store.UpdateOutboxItem(next));
  if (item.message_row == 0) return absl::OkStatus();
  return store.SetMessageState(item.message_row, WaitingState(result.status()),
                               result.status().message());
}

bool Messenger::GivenUp(const OutboxItem& item,
                        const absl::Status& status) const {
  return absl::IsDeadlineExceeded(status) && item.expiry <= env_.clock.Now();
}

void Messenger::ItemDone(std::shared_ptr<FlushRun> run, size_t peer,
                         const OutboxItem& item,
                         absl::StatusOr<Delivery> result) {
  // What failed for one text of a peer would most likely fail for the next,
  // and the parts of a text keep their order.
  const bool stop = !result.ok() && !absl::IsCancelled(result.status());
  RecordItem(*run, peer, item, std::move(result));
  if (stop) run->next[peer] = run->chains[peer].size();
  FlushPeer(std::move(run), peer);
}

void Messenger::RecordItem(FlushRun& run, size_t peer, const OutboxItem& item,
                           absl::StatusOr<Delivery> result) {
  const std::vector<OutboxItem>& chain = run.chains[peer];
  const absl::Status recorded = env_.store.Transaction([&]() -> absl::Status {
    RETURN_IF_ERROR(RecordItemResult(item, result));
    if (result.ok() || absl::IsCancelled(result.status()) ||
        GivenUp(item, result.status())) {
      return absl::OkStatus();
    }
    // The texts behind it wait for the same reason.
    for (size_t i = run.next[peer]; i < chain.size(); ++i) {
      if (chain[i].message_row == 0) continue;
      RETURN_IF_ERROR(env_.store.SetMessageState(chain[i].message_row,
                                                 WaitingState(result.status()),
                                                 result.status().message()));
    }
    return absl::OkStatus();
  });
  if (!recorded.ok()) run.error = recorded;
  if (item.message_row == 0) return;
  FlushedMessage& message = run.messages[item.message_row];
  message.message_row = item.message_row;
  message.status.Update(result.status());
  if (!result.ok()) return;
  message.delivery.holders = result->holders;
  for (NamedRoute& route : result->routes) {
    message.delivery.routes.push_back(std::move(route));
  }
}

// -------------------------------------------------------------- receiving --

absl::StatusOr<std::vector<OwnMailbox>> Messenger::Mailboxes() {
  std::vector<OwnMailbox> boxes;
  boxes.push_back({InboxTarget(), std::nullopt});
  ASSIGN_OR_RETURN(const std::vector<Contact> contacts, env_.store.Contacts());
  for (const Contact& contact : contacts) {
    ASSIGN_OR_RETURN(const bool in_use, MailboxInUse(contact));
    if (!in_use) continue;
    ASSIGN_OR_RETURN(ReadTarget target, TargetOf(contact));
    boxes.push_back({std::move(target), contact.account});
  }
  return boxes;
}

absl::StatusOr<std::vector<CursorRow>> Messenger::CursorsOf(
    const OwnMailbox& mailbox) {
  return env_.store.Cursors(
      mailbox.target.mailbox,
      static_cast<uint16_t>(mailbox.target.mailbox_namespace));
}

absl::Status Messenger::ReadShownRow(ReceiveRun& run) {
  ASSIGN_OR_RETURN(const std::optional<std::string> shown,
                   env_.store.Setting(kShownSetting));
  if (shown && !absl::SimpleAtoi(*shown, &run.shown_row)) {
    return absl::DataLossError("the mark of the last message is damaged");
  }
  return absl::OkStatus();
}

absl::StatusOr<ReceiveReport> Messenger::TakePushed(
    const OwnMailbox& mailbox, const Retrieved& retrieved) {
  ReceiveRun run;
  run.boxes.push_back(mailbox);
  run.started = WholeMilliseconds(env_.clock.Now());
  RETURN_IF_ERROR(ReadShownRow(run));
  RETURN_IF_ERROR(StoreRetrieved(run, 0, retrieved));
  RETURN_IF_ERROR(ReportNew(run));
  return std::move(run.report);
}

void Messenger::Receive(MailDone<ReceiveReport> done) {
  if (receiving_) {
    done(absl::FailedPreconditionError("receiving already"));
    return;
  }
  auto run = std::make_shared<ReceiveRun>();
  run->done = std::move(done);
  run->started = WholeMilliseconds(env_.clock.Now());
  run->report.complete = true;

  absl::StatusOr<std::vector<OwnMailbox>> boxes = Mailboxes();
  const absl::Status shown = ReadShownRow(*run);
  if (!boxes.ok() || !shown.ok()) {
    run->done(boxes.ok() ? shown : boxes.status());
    return;
  }
  run->boxes = *std::move(boxes);
  receiving_ = true;
  Progress(absl::StrCat("reading ", run->boxes.size(),
                        run->boxes.size() == 1 ? " mailbox" : " mailboxes"));
  run->running = run->boxes.size();
  for (size_t i = 0; i < run->boxes.size(); ++i) ReceiveMailbox(run, i);
}

void Messenger::ReceiveMailbox(std::shared_ptr<ReceiveRun> run, size_t index) {
  const ReadTarget& target = run->boxes[index].target;
  absl::StatusOr<std::vector<CursorRow>> cursors = env_.store.Cursors(
      target.mailbox, static_cast<uint16_t>(target.mailbox_namespace));
  if (!cursors.ok()) {
    run->error = cursors.status();
    cursors = std::vector<CursorRow>();
  }
  env_.mail.Retrieve(
      target, *std::move(cursors),
      [this, run, index](absl::StatusOr<Retrieved> retrieved) mutable {
        if (retrieved.ok() && run->error.ok()) {
          run->error = StoreRetrieved(*run, index, *retrieved);
        }
        if (RefusalOf(retrieved.status()).reason ==
                RefusalReason::kNotRegistered &&
            run->error.ok()) {
          // Publish() registers it again.
          run->error =
              env_.store.ForgetRegistration(run->boxes[index].target.mailbox);
        }
        if (run->error.ok() && retrieved.ok() && retrieved->more) {
          ReceiveMailbox(run, index);
          return;
        }
        if (!retrieved.ok() || !retrieved->complete) {
          run->report.complete = false;
          run->report.incomplete_reason =
              retrieved.ok()
                  ? "too few storage nodes of a mailbox answered; what they "
                    "alone hold will come with the next try"
                  : std::string(retrieved.status().message());
        } else if (!run->boxes[index].peer) {
          run->inbox_complete = true;
        }
        if (--run->running > 0) return;
        receiving_ = false;
        if (run->error.ok()) run->error = FinishReceive(*run);
        if (!run->error.ok()) {
          run->done(run->error);
        } else {
          run->done(std::move(run->report));
        }
      });
}

absl::Status Messenger::StoreRetrieved(ReceiveRun& run, size_t index,
                                       const Retrieved& retrieved) {
  for (const NamedRoute& route : retrieved.routes) {
    run.report.routes.push_back(route);
  }
  // Members list in no particular order. A text expires a fixed time after it
  // was queued, so this is the order in which a sender wrote.
  std::vector<const MailMessage*> ordered;
  for (const MailMessage& message : retrieved.messages) {
    ordered.push_back(&message);
  }
  std::stable_sort(ordered.begin(), ordered.end(),
                   [](const MailMessage* a, const MailMessage* b) {
                     return a->expiry < b->expiry;
                   });
  for (const MailMessage* message : ordered) {
    RETURN_IF_ERROR(StoreOne(run, index, *message));
  }
  const ReadTarget& target = run.boxes[index].target;
  return env_.store.Transaction([&]() -> absl::Status {
    for (const CursorRow& cursor : retrieved.cursors) {
      RETURN_IF_ERROR(env_.store.PutCursor(
          target.mailbox, static_cast<uint16_t>(target.mailbox_namespace),
          cursor));
    }
    return absl::OkStatus();
  });
}

absl::Status Messenger::StoreOne(ReceiveRun& run, size_t index,
                                 const MailMessage& message) {
  const OwnMailbox& box = run.boxes[index];
  absl::Status refused;
  Changes changes;
  RETURN_IF_ERROR(env_.store.Transaction([&]() -> absl::Status {
    ASSIGN_OR_RETURN(
        const bool fresh,
        env_.store.MarkSeen(
            box.target.mailbox, message.id,
            // A node says when it expires; it may not say "never".
            std::min(message.expiry, env_.clock.Now() + kMessageLifetime)));
    if (!fresh) return absl::OkStatus();
    refused = box.peer ? OpenPairwiseBlob(*box.peer, message, changes)
                       : OpenInboxBlob(message, changes);
    if (IsOurFailure(refused)) return refused;
    // ALREADY_EXISTS: the same text came another way before.
    if (refused.ok() || absl::IsAlreadyExists(refused)) return absl::OkStatus();
    ++run.report.unreadable;
    return env_.store.AddQuarantined(
        message.id, absl::StatusCodeToString(refused.code()), env_.clock.Now());
  }));
  run.report.changes.insert(run.report.changes.end(), changes.begin(),
                            changes.end());
  return absl::OkStatus();
}

absl::Status Messenger::OpenInboxBlob(const MailMessage& message,
                                      Changes& changes) {
  if (!identity_record_) {
    // Only possible before the first publishing of a restored account.
    return absl::UnavailableError(
        "this account's own records are not published yet");
  }
  ASSIGN_OR_RETURN(const crypto::Digest256 replay_key,
                   InitReplayKey(message.payload));
  ASSIGN_OR_RETURN(const bool known,
                   env_.store.IsAcceptedInit(replay_key.bytes()));
  if (!known) return AcceptSession(message, changes);
  ASSIGN_OR_RETURN(std::vector<SessionRow> rows, env_.store.AllSessions());
  for (SessionRow& row : rows) {
    absl::StatusOr<Session> session = Session::Parse(row.state);
    crypto::SecureWipe(row.state);
    RETURN_IF_ERROR(session.status());
    if (session->replay_key() != replay_key) continue;
    absl::StatusOr<Session::Decrypted> opened =
        session->Decrypt(message.payload, env_.clock.Now(), identity_kem_);
    RETURN_IF_ERROR(OfTheMessage(opened.status()));
    RETURN_IF_ERROR(PutSession(env_.store, opened->next));
    return DeliverContent(*session, opened->content, /*acknowledge=*/false,
                          changes);
  }
  return absl::NotFoundError("of a session that has ended");
}

absl::Status Messenger::AcceptSession(const MailMessage& message,
                                      Changes& changes) {
  absl::StatusOr<Accepted> opened =
      Accept(Self(), prekeys_, message.payload, env_.clock.Now());
  RETURN_IF_ERROR(OfTheMessage(opened.status()));
  Accepted accepted = *std::move(opened);
  const AccountId peer = accepted.session.peer_account();
  ASSIGN_OR_RETURN(const std::optional<Contact> known,
                   env_.store.FindContact(peer));
  if (!known) RETURN_IF_ERROR(MakeRoomForRequest());
  ASSIGN_OR_RETURN(Contact contact, ContactFor(peer, Standing::kRequest));
  RETURN_IF_ERROR(PinIdentity(contact, accepted.peer_identity));
  RETURN_IF_ERROR(env_.store.AddAcceptedInit(
      accepted.replay_key.bytes(), accepted.prekey_record_hash.bytes()));
  RETURN_IF_ERROR(PutSession(env_.store, accepted.session));
  RETURN_IF_ERROR(DropOldSessions(peer));
  return DeliverContent(accepted.session, accepted.content,
                        /*acknowledge=*/contact.standing == Standing::kContact,
                        changes);
}

absl::Status Messenger::DropOldSessions(const AccountId& peer) {
  ASSIGN_OR_RETURN(std::vector<Session> sessions, SessionsWith(peer));
  ASSIGN_OR_RETURN(const SessionsByDevice sorted,
                   SortByDevice(peer, std::move(sessions)));
  // Those with devices that have left still open what is on its way.
  for (const std::vector<Session>* some : {&sorted.listed, &sorted.left}) {
    for (const size_t index :
         SessionsToDelete(Summaries(*some), env_.clock.Now())) {
      RETURN_IF_ERROR(env_.store.DeleteSession((*some)[index].id().bytes()));
    }
  }
  return absl::OkStatus();
}

absl::Status Messenger::OpenPairwiseBlob(const AccountId& peer,
                                         const MailMessage& message,
                                         Changes& changes) {
  ASSIGN_OR_RETURN(const std::vector<Session> sessions, SessionsWith(peer));
  for (const Session& session : sessions) {
    absl::StatusOr<Session::Decrypted> opened =
        session.Decrypt(message.payload, env_.clock.Now(), identity_kem_);
    if (absl::IsNotFound(opened.status())) continue;
    RETURN_IF_ERROR(OfTheMessage(opened.status()));
    RETURN_IF_ERROR(PutSession(env_.store, opened->next));
    return DeliverContent(session, opened->content, /*acknowledge=*/false,
                          changes);
  }
  return absl::NotFoundError("of no session with this contact");
}

// A malformed content still moves the session on: the peer did seal it.
absl::Status Messenger::DeliverContent(const Session& session,
                                       absl::string_view bytes,
                                       bool acknowledge, Changes& changes) {
  const AccountId& peer = session.peer_account();
  const absl::Time now = env_.clock.Now();
  ASSIGN_OR_RETURN(Contact contact, ContactFor(peer));
  const absl::StatusOr<Content> content = DecodeContent(bytes);
  if (content.ok()) {
    // Not from a device that has left: nobody reads its mailbox any more.
    const absl::StatusOr<IdentityRecord> record =
        IdentityRecord::Verify(contact.identity_record);
    const bool listed =
        record.ok() && record->FindDevice(session.peer_device()) != nullptr;
    if (listed && !content->mailbox_offer.empty()) {
      contact.outgoing_mailbox = content->mailbox_offer;
    }
    contact.profile_name = content->profile_name;
    if (contact.standing == Standing::kForgotten) {
      contact.standing = Standing::kRequest;
      contact.standing_since = now;
    }
    RETURN_IF_ERROR(env_.store.PutContact(contact));
  }
  if (acknowledge) RETURN_IF_ERROR(QueueGreeting(contact));
  RETURN_IF_ERROR(content.status());
  ASSIGN_OR_RETURN(const std::optional<absl::Time> due, ReceiptDue());
  return ApplyContent(env_.store, contact, *content, now, due, changes);
}

absl::Status Messenger::FinishReceive(ReceiveRun& run) {
  const absl::Time now = env_.clock.Now();
  absl::StatusOr<PrekeySecrets> left =
      PrekeySecrets::Parse(prekeys_.Serialize());
  RETURN_IF_ERROR(left.status());
  const std::vector<crypto::Digest256> finished = left->DeleteFinished(
      now, run.inbox_complete ? run.started : absl::InfinitePast());
  RETURN_IF_ERROR(env_.store.Transaction([&]() -> absl::Status {
    for (const crypto::Digest256& record : finished) {
      RETURN_IF_ERROR(env_.store.ForgetAcceptedInits(record.bytes()));
    }
    if (!finished.empty()) {
      RETURN_IF_ERROR(
          SetSecret(env_.store, kPrekeysSetting, left->Serialize()));
    }
    ASSIGN_OR_RETURN(std::vector<SessionRow> rows, env_.store.AllSessions());
    for (SessionRow& row : rows) {
      const absl::StatusOr<Session> session = Session::Parse(row.state);
      crypto::SecureWipe(row.state);
      RETURN_IF_ERROR(session.status());
      const std::optional<Session> lighter = session->DropExpiredKeys(now);
      if (!lighter) continue;
      RETURN_IF_ERROR(PutSession(env_.store, *lighter));
    }
    // A late copy must still be recognised: swarms drop a message at its
    // expiry, give or take their clocks.
    RETURN_IF_ERROR(env_.store.ForgetSeenBefore(now - absl::Hours(24)));
    RETURN_IF_ERROR(EndOldRequests());
    // All parts of a text expire together.
    RETURN_IF_ERROR(env_.store.ForgetPartsBefore(now - kMessageLifetime));
    // No copy of what was removed comes as late as that.
    RETURN_IF_ERROR(env_.store.ForgetRemovedBefore(now - 2 * kMessageLifetime));
    return env_.store.TrimQuarantine();
  }));
  if (!finished.empty()) prekeys_ = *std::move(left);
  return ReportNew(run);
}

absl::Status Messenger::ReportNew(ReceiveRun& run) {
  RETURN_IF_ERROR(RemoveVanished());
  // Also what a run before this one stored, which ended before it could show
  // it.
  ASSIGN_OR_RETURN(run.report.messages,
                   env_.store.IncomingAfter(run.shown_row));
  RETURN_IF_ERROR(ReportContacts(run));
  return env_.confirms_shown ? absl::OkStatus()
                             : ConfirmShown(run.report.messages);
}

absl::StatusOr<std::vector<Message>> Messenger::NotShown() {
  ReceiveRun run;
  RETURN_IF_ERROR(ReadShownRow(run));
  return env_.store.IncomingAfter(run.shown_row);
}

absl::Status Messenger::ConfirmShown(const std::vector<Message>& messages) {
  if (messages.empty()) return absl::OkStatus();
  const absl::Time now = env_.clock.Now();
  return env_.store.Transaction([&]() -> absl::Status {
    for (const Message& message : messages) {
      RETURN_IF_ERROR(env_.store.StartTimer(message.row, now));
      if (message.kind != MessageKind::kText) continue;
      ASSIGN_OR_RETURN(const std::optional<absl::Time> due, ReceiptDue());
      if (!due) continue;
      RETURN_IF_ERROR(env_.store.OweReceipt(
          message.conversation, {message.message_id, /*read=*/true}, *due));
    }
    return env_.store.SetSetting(kShownSetting,
                                 absl::StrCat(messages.back().row));
  });
}

}  // namespace messenger::client
