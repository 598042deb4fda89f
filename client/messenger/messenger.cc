#include "client/messenger/messenger.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>
#include <variant>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "client/messenger/messenger_parts.h"
#include "client/remote/write_refusal.h"
#include "crypto/base/secure_memory.h"
#include "crypto/base/status_macros.h"
#include "crypto/identity/safety_number.h"

namespace messenger::client {
namespace {

using ::messenger::crypto::AccountId;
using ::messenger::crypto::AccountKeys;
using ::messenger::crypto::AccountSeed;
using ::messenger::crypto::Ed25519PrivateKey;
using ::messenger::swarm::MailboxNamespace;

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
  return CreateWith(store, account, DeviceKeys::Generate(random), restored,
                    name, now);
}

absl::Status Messenger::CreateWith(ClientStore& store,
                                   const AccountKeys& account,
                                   const DeviceKeys& device, bool restored,
                                   absl::string_view name, absl::Time now,
                                   bool awaits_link) {
  RETURN_IF_ERROR(CheckProfileName(name));
  return store.Transaction([&]() -> absl::Status {
    ASSIGN_OR_RETURN(const std::optional<std::string> existing,
                     store.Setting(kDeviceSetting));
    if (existing) {
      return absl::AlreadyExistsError("there is an account already");
    }
    RETURN_IF_ERROR(
        SetSecret(store, kSeedSetting, std::string(account.seed().Expose())));
    RETURN_IF_ERROR(SetSecret(store, kDeviceSetting, device.Serialize()));
    RETURN_IF_ERROR(store.SetSetting(kNameSetting, name));
    if (awaits_link) {
      RETURN_IF_ERROR(store.SetSetting(kLinkSetting, kLinkAwaited));
    }
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

absl::StatusOr<Messenger::OwnAccount> Messenger::LoadAccount(
    ClientStore& store, const DeviceKeys& device) {
  ASSIGN_OR_RETURN(std::optional<std::string> seed_bytes,
                   store.Setting(kSeedSetting));
  if (seed_bytes) {
    absl::StatusOr<AccountSeed> seed = AccountSeed::FromBytes(*seed_bytes);
    crypto::SecureWipe(*seed_bytes);
    if (!seed.ok()) return absl::DataLossError("the account's seed is damaged");
    AccountKeys keys = AccountKeys::FromSeed(*seed);
    auto inbox_key = std::make_shared<Ed25519PrivateKey>(
        Ed25519PrivateKey::FromSeed(keys.signing_key().seed()));
    return OwnAccount{keys.id(), std::move(keys), std::move(inbox_key)};
  }
  ASSIGN_OR_RETURN(const std::string id_bytes,
                   Required(store, kAccountIdSetting));
  const absl::StatusOr<AccountId> id = AccountId::FromBytes(id_bytes);
  if (!id.ok()) return absl::DataLossError("the account's id is damaged");
  return OwnAccount{
      *id, std::nullopt,
      std::make_shared<Ed25519PrivateKey>(
          Ed25519PrivateKey::FromSeed(device.signing_key().seed()))};
}

absl::StatusOr<std::unique_ptr<Messenger>> Messenger::Open(
    const Environment& environment) {
  ClientStore& store = environment.store;
  ASSIGN_OR_RETURN(std::optional<std::string> device_bytes,
                   store.Setting(kDeviceSetting));
  if (!device_bytes) return absl::NotFoundError("there is no account yet");
  absl::StatusOr<DeviceKeys> device = DeviceKeys::Parse(*device_bytes);
  crypto::SecureWipe(*device_bytes);
  if (!device.ok()) return absl::DataLossError("the device's keys are damaged");
  ASSIGN_OR_RETURN(OwnAccount account, LoadAccount(store, *device));
  ASSIGN_OR_RETURN(std::string prekey_bytes, Required(store, kPrekeysSetting));
  absl::StatusOr<PrekeySecrets> prekeys = PrekeySecrets::Parse(prekey_bytes);
  crypto::SecureWipe(prekey_bytes);
  if (!prekeys.ok()) return absl::DataLossError("the prekeys are damaged");
  std::optional<crypto::XWingPrivateKey> kem;
  if (account.keys) {
    kem = account.keys->identity_kem();
  } else {
    ASSIGN_OR_RETURN(std::string bytes, Required(store, kAccountKemSetting));
    const auto seed = crypto::SecretBytes<32>::FromBytes(bytes);
    crypto::SecureWipe(bytes);
    if (!seed.ok()) return absl::DataLossError("the account's key is damaged");
    kem = crypto::XWingPrivateKey::FromSeed(*seed);
  }

  std::unique_ptr<Messenger> messenger(
      new Messenger(environment, std::move(account), *std::move(kem),
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

Messenger::Messenger(const Environment& environment, OwnAccount account,
                     crypto::XWingPrivateKey identity_kem, DeviceKeys device,
                     PrekeySecrets prekeys)
    : env_(environment),
      id_(account.id),
      keys_(std::move(account.keys)),
      inbox_key_(std::move(account.inbox_key)),
      identity_kem_(std::move(identity_kem)),
      device_(std::move(device)),
      prekeys_(std::move(prekeys)) {
  // Of the key that reads it: of an account with its keys, its own.
  const absl::StatusOr<AccountId> inbox =
      crypto::AccountIdFromEd25519(inbox_key_->public_key());
  inbox_mailbox_ = std::string(inbox.ok() ? inbox->bytes() : id_.bytes());
}

void Messenger::Progress(absl::string_view words) const {
  if (env_.on_progress) env_.on_progress(words);
}

absl::Status Messenger::SetName(absl::string_view name) {
  RETURN_IF_ERROR(CheckProfileName(name));
  const std::string before = std::exchange(name_, std::string(name));
  const absl::Status set = env_.store.Transaction([&]() -> absl::Status {
    RETURN_IF_ERROR(env_.store.SetSetting(kNameSetting, name));
    return ShareProfile();
  });
  if (!set.ok()) name_ = before;
  return set;
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
  if (account == id_) {
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
  if (identity_record_) content.identity_seq = identity_record_->seq();
  content.body = std::move(body);
  absl::StatusOr<std::string> token =
      env_.store.ReceivedInvite(contact.account);
  // Without it this is an ordinary request.
  if (token.ok()) content.invite_token = *std::move(token);
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

absl::Status Messenger::Tell(const Contact& contact, absl::string_view device,
                             ContentBody body, int64_t words_of) {
  OutboxItem item = NewItem(contact, env_.random.String(kMessageIdBytes),
                            env_.clock.Now(), std::move(body));
  item.device = std::string(device);
  item.words_of = words_of;
  return env_.store.AddOutboxItem(item).status();
}

absl::Status Messenger::MakeContact(Contact& contact) {
  const Standing before = contact.standing;
  if (before != Standing::kContact) {
    contact.standing = Standing::kContact;
    contact.standing_since = env_.clock.Now();
  }
  RETURN_IF_ERROR(env_.store.PutContact(contact));
  RETURN_IF_ERROR(ShareContact(contact));
  if (before == Standing::kContact || before == Standing::kBlocked) {
    return absl::OkStatus();
  }
  // What it began and nobody has answered.
  ASSIGN_OR_RETURN(const std::vector<SessionRow> sessions,
                   env_.store.Sessions(contact.account));
  if (!sessions.empty()) RETURN_IF_ERROR(QueueGreeting(contact, ""));
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
    RETURN_IF_ERROR(env_.store.PutContact(*contact));
    return ShareContact(*contact);
  });
}

absl::Status Messenger::Block(const AccountId& account) {
  if (account == id_) {
    return absl::InvalidArgumentError("that is your own account id");
  }
  return env_.store.Transaction([&]() -> absl::Status {
    ASSIGN_OR_RETURN(Contact contact, ContactFor(account));
    RETURN_IF_ERROR(MakeBlocked(contact));
    return ShareContact(contact);
  });
}

absl::Status Messenger::MakeBlocked(Contact& contact) {
  if (contact.standing == Standing::kRequest) {
    RETURN_IF_ERROR(env_.store.DeleteConversation(contact.account));
  }
  ASSIGN_OR_RETURN(const std::vector<OutboxItem> outbox, env_.store.Outbox());
  for (const OutboxItem& item : outbox) {
    if (item.peer != contact.account) continue;
    RETURN_IF_ERROR(env_.store.WithdrawOutboxItem(
        item, env_.clock.Now() + kMessageLifetime));
    if (item.message_row == 0 || item.extra) continue;
    RETURN_IF_ERROR(
        env_.store.SetMessageState(item.message_row, MessageState::kFailed,
                                   "you have blocked this account"));
  }
  RETURN_IF_ERROR(env_.store.ForgetPicturesTold(contact.account));
  contact.standing = Standing::kBlocked;
  contact.standing_since = env_.clock.Now();
  return env_.store.PutContact(contact);
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
    RETURN_IF_ERROR(env_.store.PutContact(*contact));
    return ShareContact(*contact);
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
    // A link takes minutes; what it leaves goes with the requests.
    if (contact.standing == Standing::kRequest ||
        contact.standing == Standing::kForgotten ||
        contact.standing == Standing::kLink) {
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
  const std::string expected = crypto::SafetyNumber(id_, account);
  if (digits.size() != expected.size()) {
    return absl::InvalidArgumentError(
        absl::StrCat("a safety number has ", expected.size(), " digits"));
  }
  if (digits != expected) {
    return absl::FailedPreconditionError("these are other digits");
  }
  return MarkVerified(account);
}

absl::Status Messenger::MarkVerified(const AccountId& account) {
  return env_.store.Transaction([&]() -> absl::Status {
    ASSIGN_OR_RETURN(std::optional<Contact> contact,
                     env_.store.FindContact(account));
    if (!contact || contact->standing != Standing::kContact) {
      return absl::NotFoundError("this account is no contact");
    }
    contact->verified = env_.clock.Now();
    contact->devices_changed = false;
    RETURN_IF_ERROR(env_.store.PutContact(*contact));
    return ShareContact(*contact);
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
    RETURN_IF_ERROR(env_.store.PutContact(*contact));
    return ShareContact(*contact);
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
  if (became_linked_) return absl::OkStatus();
  adopted_record_.reset();
  joined_.clear();
  typing_.clear();
  const absl::Status stored = env_.store.Transaction([&]() -> absl::Status {
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
    // Only the contact can write there.
    if (box.peer) RETURN_IF_ERROR(RefreshSessions(*box.peer));
    return env_.store.AddQuarantined(
        message.id, absl::StatusCodeToString(refused.code()), env_.clock.Now());
  });
  if (!stored.ok()) {
    became_linked_ = false;
    return stored;
  }
  if (adopted_record_) identity_record_ = std::exchange(adopted_record_, {});
  run.report.changes.insert(run.report.changes.end(), changes.begin(),
                            changes.end());
  run.report.joined.insert(run.report.joined.end(), joined_.begin(),
                           joined_.end());
  run.report.typing.insert(run.report.typing.end(), typing_.begin(),
                           typing_.end());
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
  ASSIGN_OR_RETURN(const bool awaits_link, AwaitsLink());
  const Standing stranger = peer == id_   ? Standing::kSelf
                            : awaits_link ? Standing::kLink
                                          : Standing::kRequest;
  if (!known && stranger == Standing::kRequest) {
    RETURN_IF_ERROR(MakeRoomForRequest());
  }
  ASSIGN_OR_RETURN(Contact contact, ContactFor(peer, stranger));
  RETURN_IF_ERROR(PinSender(contact, accepted));
  RETURN_IF_ERROR(env_.store.AddAcceptedInit(
      accepted.replay_key.bytes(), accepted.prekey_record_hash.bytes()));
  RETURN_IF_ERROR(PutSession(env_.store, accepted.session));
  RETURN_IF_ERROR(DropOldSessions(peer));
  const bool acknowledge = contact.standing == Standing::kContact ||
                           contact.standing == Standing::kSelf ||
                           contact.standing == Standing::kLink;
  return DeliverContent(accepted.session, accepted.content, acknowledge,
                        changes);
}

// A device that has not heard of its account's newest record yet names an older
// one; it may, as long as the newest lists it.
absl::Status Messenger::PinSender(Contact& contact, const Accepted& accepted) {
  const IdentityRecord& theirs = accepted.peer_identity;
  const DeviceId& device = accepted.session.peer_device();
  if (contact.account != id_) {
    const absl::Status pinned = PinIdentity(contact, theirs);
    if (!absl::IsFailedPrecondition(pinned)) return pinned;
  } else if (!keys_ && theirs.seq() > identity_record_->seq()) {
    RETURN_IF_ERROR(CheckIdentitySuccession(*identity_record_, theirs));
    if (theirs.FindDevice(device_.id()) == nullptr) {
      return absl::UnauthenticatedError("this device was unlinked");
    }
    RETURN_IF_ERROR(StoreOwnRecord(theirs));
    adopted_record_ = theirs;
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(const IdentityRecord newest,
                   PinnedIdentity(contact.account));
  const DeviceEntry* listed = newest.FindDevice(device);
  const DeviceEntry* claimed = theirs.FindDevice(device);
  if (listed == nullptr || claimed == nullptr || !(*listed == *claimed)) {
    return absl::UnauthenticatedError("of a device that has left its account");
  }
  return absl::OkStatus();
}

absl::Status Messenger::OpenPairwiseBlob(const AccountId& peer,
                                         const MailMessage& message,
                                         Changes& changes) {
  ASSIGN_OR_RETURN(const std::vector<Session> sessions, SessionsWith(peer, ""));
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
  const std::string device(session.peer_device().bytes());
  if (content.ok()) {
    // Not from a device that has left: nobody reads its mailbox any more.
    const absl::StatusOr<IdentityRecord> record = adopted_record_ && peer == id_
                                                      ? *adopted_record_
                                                      : PinnedIdentity(peer);
    const bool listed =
        record.ok() && record->FindDevice(session.peer_device()) != nullptr;
    if (!listed && peer == id_) {
      return absl::UnauthenticatedError("of a device that was unlinked");
    }
    if (listed && !content->mailbox_offer.empty()) {
      RETURN_IF_ERROR(
          env_.store.PutPeerMailbox(peer, device, content->mailbox_offer));
    }
    if (listed && content->identity_seq > record->seq()) {
      // There is a newer record than we know.
      RETURN_IF_ERROR(env_.store.DeleteSetting(
          peer == id_ ? kOwnIdentityReadSetting : IdentityCheckSetting(peer)));
    }
    contact.profile_name = content->profile_name;
    if (contact.standing == Standing::kForgotten) {
      contact.standing = Standing::kRequest;
      contact.standing_since = now;
    }
    RETURN_IF_ERROR(env_.store.PutContact(contact));
    RETURN_IF_ERROR(env_.store.ForgetReceivedInvite(peer));
    ASSIGN_OR_RETURN(const bool invited, TakeInvite(contact, *content));
    if (invited) {
      RETURN_IF_ERROR(MakeContact(contact));
      joined_.push_back(peer);
    }
  }
  if (acknowledge) RETURN_IF_ERROR(QueueGreeting(contact, device));
  RETURN_IF_ERROR(content.status());
  if (content->sequence != 0) {
    RETURN_IF_ERROR(
        env_.store.NoteSequence(peer, device, content->sequence, now));
  }
  if (contact.standing == Standing::kContact ||
      contact.standing == Standing::kSelf) {
    if (const auto* resend = std::get_if<Resend>(&content->body)) {
      return SendAgain(contact, device, *resend);
    }
    if (const auto* gone = std::get_if<Gone>(&content->body)) {
      return CloseGaps(peer, device, *gone);
    }
  }
  if (contact.standing == Standing::kSelf) return ApplyOwn(*content, changes);
  if (contact.standing == Standing::kLink) return ApplyLink(contact, *content);
  if (contact.standing == Standing::kContact) {
    heard_[peer] = now;
    if (std::holds_alternative<Typing>(content->body)) {
      return HearTyping(peer, content->sent);
    }
  }
  ASSIGN_OR_RETURN(const std::optional<absl::Time> due, ReceiptDue());
  return ApplyContent(env_.store, contact, /*own=*/false, *content, now, due,
                      changes);
}

absl::Status Messenger::FinishReceive(ReceiveRun& run) {
  if (became_linked_) return absl::OkStatus();
  const absl::Time now = env_.clock.Now();
  absl::StatusOr<PrekeySecrets> left =
      PrekeySecrets::Parse(prekeys_.Serialize());
  RETURN_IF_ERROR(left.status());
  // While the newest record is not published, others still use the one before.
  ASSIGN_OR_RETURN(const std::optional<std::string> published,
                   env_.store.Setting(kPublishedPrekeySetting));
  std::vector<crypto::Digest256> finished;
  if (published == prekeys_.current_record()) {
    finished = left->DeleteFinished(
        now, run.inbox_complete ? run.started : absl::InfinitePast());
  }
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
    RETURN_IF_ERROR(env_.store.ForgetSentBefore(now));
    // What a mailbox has not been read for may still be there.
    if (run.report.complete) RETURN_IF_ERROR(AskForMissing());
    return env_.store.TrimQuarantine();
  }));
  if (!finished.empty()) prekeys_ = *std::move(left);
  return ReportNew(run);
}

absl::Status Messenger::ReportNew(ReceiveRun& run) {
  RETURN_IF_ERROR(RemoveVanished());
  RETURN_IF_ERROR(ApplyShown());
  // Also what a run before this one stored, which ended before it could show
  // it.
  ASSIGN_OR_RETURN(run.report.messages,
                   env_.store.IncomingAfter(run.shown_row));
  RETURN_IF_ERROR(ReportContacts(run));
  ASSIGN_OR_RETURN(run.report.missing, Missing());
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
    RETURN_IF_ERROR(ShareShown(messages));
    return env_.store.SetSetting(kShownSetting,
                                 absl::StrCat(messages.back().row));
  });
}

}  // namespace messenger::client
