// Messenger: several devices of one account (client/SPEC.md, section 14).

#include <algorithm>
#include <optional>
#include <utility>
#include <variant>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "client/messenger/messenger.h"
#include "client/messenger/messenger_parts.h"
#include "crypto/base/secure_memory.h"
#include "crypto/base/status_macros.h"
#include "crypto/hash/hash.h"

namespace messenger::client {
namespace {

using ::messenger::crypto::AccountId;
using ::messenger::crypto::AccountKeys;

constexpr uint64_t kDigitsModulus = 1'000'000;

std::string LinkCommitment(absl::string_view nonce) {
  return std::string(crypto::Blake2b256("nm1-link-commit", {nonce}).bytes());
}

// What both sides show: six digits over everything that was agreed.
std::string Digits(const AccountId& account, const AccountId& fresh,
                   absl::string_view entry, absl::string_view account_nonce,
                   absl::string_view fresh_nonce) {
  const crypto::Digest256 hash = crypto::Blake2b256(
      "nm1-link-sas",
      {account.bytes(), fresh.bytes(), entry, account_nonce, fresh_nonce});
  uint64_t number = 0;
  for (const char byte : hash.bytes().substr(0, 8)) {
    number = number << 8 | static_cast<uint8_t>(byte);
  }
  return absl::StrFormat("%06d", number % kDigitsModulus);
}

std::string Flag(bool value) { return value ? "1" : "0"; }

}  // namespace

// ------------------------------------------------------------ own devices --

bool Messenger::HasOtherDevices() const {
  return identity_record_ && identity_record_->devices().size() > 1;
}

std::vector<OwnDevice> Messenger::Devices() const {
  std::vector<OwnDevice> devices;
  if (!identity_record_) return devices;
  for (const DeviceEntry& entry : identity_record_->devices()) {
    devices.push_back(
        {entry.id, entry.added, entry.id == device_.id(), devices.empty()});
  }
  return devices;
}

absl::Status Messenger::TellOwnDevices(ContentBody body, int64_t words_of) {
  if (!HasOtherDevices()) return absl::OkStatus();
  ASSIGN_OR_RETURN(const Contact self, ContactFor(id_, Standing::kSelf));
  return Tell(self, "", std::move(body), words_of);
}

absl::Status Messenger::Say(const Contact& to, absl::string_view message_id,
                            absl::Time sent, ContentBody body, About about) {
  OutboxItem item = NewItem(to, message_id, sent, body);
  item.message_row = about.state_of;
  item.words_of = about.words_of;
  RETURN_IF_ERROR(env_.store.AddOutboxItem(item).status());
  if (!HasOtherDevices()) return absl::OkStatus();
  Content copy;
  copy.message_id = std::string(message_id);
  copy.sent = sent;
  copy.body = std::move(body);
  return TellOwnDevices(
      OwnCopy{std::string(to.account.bytes()), EncodeContent(copy)},
      about.words_of);
}

// ------------------------------------------------------------ shared values --

absl::Status Messenger::ShareValue(absl::string_view name,
                                   absl::string_view value,
                                   absl::string_view unless,
                                   std::vector<StateEntry>& entries) {
  ASSIGN_OR_RETURN(const std::optional<OwnStateRow> before,
                   env_.store.OwnState(name));
  if (before ? before->value == value : value == unless) {
    return absl::OkStatus();
  }
  OwnStateRow row = {std::string(name), std::string(value), env_.clock.Now(),
                     std::string(device_.id().bytes())};
  // Newer than what it replaces, whatever the clock says.
  if (before) {
    row.changed =
        std::max(row.changed, before->changed + absl::Milliseconds(1));
  }
  RETURN_IF_ERROR(env_.store.MergeOwnState(row).status());
  entries.push_back({row.name, row.value, row.changed, row.device});
  return absl::OkStatus();
}

absl::Status Messenger::ShareContact(const Contact& contact) {
  std::vector<StateEntry> entries;
  const auto share = [&](absl::string_view field, const std::string& value,
                         absl::string_view unless) {
    return ShareValue(ContactField(contact.account, field), value, unless,
                      entries);
  };
  RETURN_IF_ERROR(share("name", contact.name, ""));
  RETURN_IF_ERROR(share(
      "verified",
      contact.verified ? absl::StrCat(absl::ToUnixMillis(*contact.verified))
                       : "",
      ""));
  RETURN_IF_ERROR(share("muted", Flag(contact.muted), "0"));
  RETURN_IF_ERROR(share("archived", Flag(contact.archived), "0"));
  RETURN_IF_ERROR(share("pinned", Flag(contact.pinned), "0"));
  RETURN_IF_ERROR(
      share("standing", absl::StrCat(static_cast<int>(contact.standing)), ""));
  return entries.empty() ? absl::OkStatus()
                         : TellOwnDevices(OwnState{std::move(entries)});
}

absl::Status Messenger::ShareProfile() {
  std::vector<StateEntry> entries;
  RETURN_IF_ERROR(ShareValue(kProfileNameState, name_, "", entries));
  ASSIGN_OR_RETURN(const bool receipts, ReceiptsWanted());
  RETURN_IF_ERROR(ShareValue(kReceiptsState, Flag(receipts), "0", entries));
  ASSIGN_OR_RETURN(const bool typing, TypingWanted());
  RETURN_IF_ERROR(ShareValue(kTypingState, Flag(typing), "0", entries));
  return entries.empty() ? absl::OkStatus()
                         : TellOwnDevices(OwnState{std::move(entries)});
}

absl::Status Messenger::ShareShown(const std::vector<Message>& messages) {
  if (!HasOtherDevices()) return absl::OkStatus();
  std::map<AccountId, const Message*> last;
  for (const Message& message : messages) {
    last[message.conversation] = &message;
  }
  std::vector<StateEntry> entries;
  for (const auto& [account, message] : last) {
    RETURN_IF_ERROR(ShareValue(absl::StrCat(kReadState, account.ToHex()),
                               message->message_id, "", entries));
  }
  return entries.empty() ? absl::OkStatus()
                         : TellOwnDevices(OwnState{std::move(entries)});
}

absl::Status Messenger::ApplyShown() {
  if (!HasOtherDevices()) return absl::OkStatus();
  ASSIGN_OR_RETURN(const std::vector<OwnStateRow> rows,
                   env_.store.AllOwnState());
  return env_.store.Transaction([&]() -> absl::Status {
    for (const OwnStateRow& row : rows) {
      if (absl::StartsWith(row.name, kReadState)) {
        RETURN_IF_ERROR(ApplyValue(row.name, row.value));
      }
    }
    return absl::OkStatus();
  });
}

absl::Status Messenger::ShareEverything() {
  ASSIGN_OR_RETURN(const std::vector<Contact> contacts, env_.store.Contacts());
  for (const Contact& contact : contacts) {
    if (contact.standing == Standing::kContact ||
        contact.standing == Standing::kBlocked) {
      RETURN_IF_ERROR(ShareContact(contact));
    }
  }
  RETURN_IF_ERROR(ShareProfile());
  ASSIGN_OR_RETURN(const std::vector<OwnStateRow> rows,
                   env_.store.AllOwnState());
  std::vector<StateEntry> entries;
  size_t bytes = 0;
  for (const OwnStateRow& row : rows) {
    const size_t size = row.name.size() + row.value.size();
    if (entries.size() == kMaxStateEntries || bytes + size > kMaxStateBytes) {
      RETURN_IF_ERROR(TellOwnDevices(OwnState{std::move(entries)}));
      entries.clear();
      bytes = 0;
    }
    entries.push_back({row.name, row.value, row.changed, row.device});
    bytes += size;
  }
  return entries.empty() ? absl::OkStatus()
                         : TellOwnDevices(OwnState{std::move(entries)});
}

absl::Status Messenger::ApplyOwn(const Content& content, Changes& changes) {
  const absl::Time now = env_.clock.Now();
  if (const auto* copy = std::get_if<OwnCopy>(&content.body)) {
    ASSIGN_OR_RETURN(const AccountId peer, AccountId::FromBytes(copy->peer));
    ASSIGN_OR_RETURN(const Content said, DecodeContent(copy->content));
    ASSIGN_OR_RETURN(Contact contact, ContactFor(peer, Standing::kForgotten));
    if (contact.standing == Standing::kRequest ||
        contact.standing == Standing::kForgotten) {
      // Writing to somebody accepts them.
      RETURN_IF_ERROR(MakeContact(contact));
    }
    return ApplyContent(env_.store, contact, /*own=*/true, said, now,
                        std::nullopt, changes);
  }
  if (const auto* picture = std::get_if<Picture>(&content.body)) {
    return ApplyOwnPicture(*picture, content.sent);
  }
  if (const auto* state = std::get_if<OwnState>(&content.body)) {
    for (const StateEntry& entry : state->entries) {
      ASSIGN_OR_RETURN(const bool newer,
                       env_.store.MergeOwnState({entry.name, entry.value,
                                                 entry.changed, entry.device}));
      if (newer) RETURN_IF_ERROR(ApplyValue(entry.name, entry.value));
    }
  }
  return absl::OkStatus();
}

// Names and values that this version does not know are kept, no more.
absl::Status Messenger::ApplyValue(absl::string_view name,
                                   absl::string_view value) {
  if (name == kProfileNameState) {
    if (!CheckProfileName(value).ok()) return absl::OkStatus();
    name_ = std::string(value);
    return env_.store.SetSetting(kNameSetting, value);
  }
  if (name == kReceiptsState) return SetReceipts(value == "1");
  if (name == kTypingState) {
    return env_.store.SetSetting(kTypingSetting, value == "1" ? "1" : "0");
  }
  if (absl::ConsumePrefix(&name, kReadState)) {
    const absl::StatusOr<AccountId> account = AccountId::FromHex(name);
    if (!account.ok()) return absl::OkStatus();
    return env_.store.MarkShown(*account, value, env_.clock.Now());
  }
  if (!absl::ConsumePrefix(&name, kContactState)) return absl::OkStatus();
  const std::pair<absl::string_view, absl::string_view> parts =
      absl::StrSplit(name, absl::MaxSplits('/', 1));
  const absl::StatusOr<AccountId> account = AccountId::FromHex(parts.first);
  if (!account.ok() || *account == id_) return absl::OkStatus();
  ASSIGN_OR_RETURN(Contact contact, ContactFor(*account, Standing::kForgotten));
  const absl::string_view field = parts.second;
  if (field == "standing") return ApplyStanding(contact, value);
  if (field == "name") {
    if (!CheckProfileName(value).ok()) return absl::OkStatus();
    contact.name = std::string(value);
  } else if (field == "verified") {
    int64_t milliseconds = 0;
    contact.verified.reset();
    if (absl::SimpleAtoi(value, &milliseconds)) {
      contact.verified = absl::FromUnixMillis(milliseconds);
      contact.devices_changed = false;
    }
  } else if (field == "muted") {
    contact.muted = value == "1";
  } else if (field == "archived") {
    contact.archived = value == "1";
  } else if (field == "pinned") {
    contact.pinned = value == "1";
  }
  return env_.store.PutContact(contact);
}

absl::Status Messenger::ApplyStanding(Contact& contact,
                                      absl::string_view value) {
  int number = 0;
  if (!absl::SimpleAtoi(value, &number)) return absl::OkStatus();
  const auto standing = static_cast<Standing>(number);
  if (standing == contact.standing) return absl::OkStatus();
  switch (standing) {
    case Standing::kContact:
      return MakeContact(contact);
    case Standing::kBlocked:
      return MakeBlocked(contact);
    case Standing::kDeclined:
    case Standing::kForgotten:
      if (contact.standing == Standing::kRequest) {
        RETURN_IF_ERROR(env_.store.DeleteConversation(contact.account));
      }
      contact.standing = standing;
      contact.standing_since = env_.clock.Now();
      return env_.store.PutContact(contact);
    default:  // Each device has requests of its own.
      return absl::OkStatus();
  }
}

// ----------------------------------------------------------------- linking --

absl::Status Messenger::CreateForLink(ClientStore& store, absl::Time now,
                                      crypto::Random& random) {
  const AccountKeys account = AccountKeys::Generate(random);
  return CreateWith(store, account,
                    DeviceKeys::GenerateFor(account.signing_key(), random),
                    /*restored=*/false, "", now, /*awaits_link=*/true);
}

absl::StatusOr<bool> Messenger::AwaitsLink() {
  ASSIGN_OR_RETURN(const std::optional<std::string> link,
                   env_.store.Setting(kLinkSetting));
  return link == kLinkAwaited;
}

absl::Status Messenger::OfferLink(const AccountId& code) {
  if (!keys_) {
    return absl::FailedPreconditionError(
        "only the account's first device can link others; this one is linked "
        "itself");
  }
  if (!identity_record_) {
    return absl::FailedPreconditionError(
        "this account has not been published yet");
  }
  if (identity_record_->devices().size() >= kMaxDevices) {
    return absl::FailedPreconditionError(absl::StrCat(
        "an account has at most ", kMaxDevices, " devices; unlink one first"));
  }
  if (code == id_) {
    return absl::InvalidArgumentError("that is your own account id");
  }
  const std::string nonce = env_.random.String(kLinkNonceBytes);
  return env_.store.Transaction([&]() -> absl::Status {
    ASSIGN_OR_RETURN(const std::string offered, LinkValue(kLinkPeerSetting));
    ASSIGN_OR_RETURN(const bool open, LinkIsOpen());
    // The device answers its first offer only: another one would never match.
    if (open && offered == code.bytes()) return absl::OkStatus();
    ASSIGN_OR_RETURN(const Contact contact, ContactFor(code, Standing::kLink));
    if (contact.standing != Standing::kLink) {
      return absl::InvalidArgumentError(
          "that is the id of somebody you know, not the code of a new device");
    }
    RETURN_IF_ERROR(ForgetLink());
    RETURN_IF_ERROR(env_.store.SetSetting(kLinkPeerSetting, code.bytes()));
    RETURN_IF_ERROR(env_.store.SetSetting(kLinkNonceSetting, nonce));
    RETURN_IF_ERROR(env_.store.SetSetting(
        kLinkStartedSetting,
        absl::StrCat(absl::ToUnixMillis(env_.clock.Now()))));
    return Tell(contact, "", LinkOffer{LinkCommitment(nonce)});
  });
}

absl::Status Messenger::ForgetLink() {
  for (const char* setting :
       {kLinkPeerSetting, kLinkNonceSetting, kLinkStartedSetting,
        kLinkPeerNonceSetting, kLinkCommitmentSetting, kLinkEntrySetting}) {
    RETURN_IF_ERROR(env_.store.SetSetting(setting, ""));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> Messenger::LinkValue(const char* setting) {
  ASSIGN_OR_RETURN(std::optional<std::string> value,
                   env_.store.Setting(setting));
  return value ? *std::move(value) : std::string();
}

absl::Status Messenger::ApplyLink(const Contact& contact,
                                  const Content& content) {
  ASSIGN_OR_RETURN(const std::string peer, LinkValue(kLinkPeerSetting));
  ASSIGN_OR_RETURN(const bool awaits, AwaitsLink());
  const auto answer = [&](ContentBody body) {
    return Tell(contact, "", std::move(body));
  };
  if (const auto* offer = std::get_if<LinkOffer>(&content.body)) {
    // The first who offers; another one would show other digits.
    if (!awaits || !peer.empty()) return absl::OkStatus();
    const std::string nonce = env_.random.String(kLinkNonceBytes);
    RETURN_IF_ERROR(
        env_.store.SetSetting(kLinkPeerSetting, contact.account.bytes()));
    RETURN_IF_ERROR(env_.store.SetSetting(kLinkNonceSetting, nonce));
    RETURN_IF_ERROR(
        env_.store.SetSetting(kLinkCommitmentSetting, offer->commitment));
    return answer(
        LinkAnswer{nonce, std::string(device_.id().bytes()),
                   std::string(device_.signing_key().public_key().bytes()),
                   std::string(device_.agreement_key().public_key().bytes())});
  }
  if (contact.account.bytes() != peer) return absl::OkStatus();
  if (const auto* answered = std::get_if<LinkAnswer>(&content.body)) {
    ASSIGN_OR_RETURN(const std::string known, LinkValue(kLinkPeerNonceSetting));
    ASSIGN_OR_RETURN(const bool open, LinkIsOpen());
    if (awaits || !open || !known.empty()) return absl::OkStatus();
    // The code is the id of the new device's own inbox.
    ASSIGN_OR_RETURN(
        const crypto::Ed25519PublicKey signing_key,
        crypto::Ed25519PublicKey::FromBytes(answered->signing_key));
    const absl::StatusOr<AccountId> inbox =
        crypto::AccountIdFromEd25519(signing_key);
    if (!inbox.ok() || *inbox != contact.account) {
      return absl::InvalidArgumentError("another device answered");
    }
    ASSIGN_OR_RETURN(const std::string nonce, LinkValue(kLinkNonceSetting));
    RETURN_IF_ERROR(
        env_.store.SetSetting(kLinkPeerNonceSetting, answered->nonce));
    RETURN_IF_ERROR(env_.store.SetSetting(
        kLinkEntrySetting,
        absl::StrCat(answered->device_id, answered->signing_key,
                     answered->agreement_key)));
    return answer(LinkReveal{nonce});
  }
  if (const auto* reveal = std::get_if<LinkReveal>(&content.body)) {
    ASSIGN_OR_RETURN(const std::string commitment,
                     LinkValue(kLinkCommitmentSetting));
    if (!awaits || LinkCommitment(reveal->nonce) != commitment) {
      return absl::InvalidArgumentError("not what was committed to");
    }
    return env_.store.SetSetting(kLinkPeerNonceSetting, reveal->nonce);
  }
  if (const auto* grant = std::get_if<LinkGrant>(&content.body)) {
    ASSIGN_OR_RETURN(const std::string revealed,
                     LinkValue(kLinkPeerNonceSetting));
    if (!awaits || revealed.empty()) return absl::OkStatus();
    return BecomeLinked(contact, *grant);
  }
  return absl::OkStatus();
}

absl::StatusOr<bool> Messenger::LinkIsOpen() {
  ASSIGN_OR_RETURN(const std::optional<absl::Time> started,
                   TimeSetting(env_.store, kLinkStartedSetting));
  return started && env_.clock.Now() < *started + kLinkWindow;
}

absl::StatusOr<std::string> Messenger::LinkDigits() {
  ASSIGN_OR_RETURN(const std::string peer_bytes, LinkValue(kLinkPeerSetting));
  ASSIGN_OR_RETURN(const std::string nonce, LinkValue(kLinkNonceSetting));
  ASSIGN_OR_RETURN(const std::string peer_nonce,
                   LinkValue(kLinkPeerNonceSetting));
  const absl::StatusOr<AccountId> peer = AccountId::FromBytes(peer_bytes);
  if (!peer.ok() || peer_nonce.empty()) return std::string();
  ASSIGN_OR_RETURN(const bool awaits, AwaitsLink());
  if (awaits) {
    const std::string entry = absl::StrCat(
        device_.id().bytes(), device_.signing_key().public_key().bytes(),
        device_.agreement_key().public_key().bytes());
    return Digits(*peer, id_, entry, peer_nonce, nonce);
  }
  ASSIGN_OR_RETURN(const std::string entry, LinkValue(kLinkEntrySetting));
  return Digits(id_, *peer, entry, nonce, peer_nonce);
}

absl::Status Messenger::ConfirmLink(absl::string_view seen) {
  ASSIGN_OR_RETURN(const std::string digits, LinkDigits());
  ASSIGN_OR_RETURN(const bool open, LinkIsOpen());
  if (!keys_ || digits.empty() || !open) {
    RETURN_IF_ERROR(env_.store.Transaction([&] { return ForgetLink(); }));
    return absl::FailedPreconditionError(
        "no device waits to be linked, or it took longer than 10 minutes; "
        "begin again");
  }
  std::string typed;
  for (const char c : seen) {
    if (absl::ascii_isdigit(static_cast<unsigned char>(c))) typed += c;
  }
  if (typed != digits) {
    // One guess: whoever stands between has no second one.
    RETURN_IF_ERROR(env_.store.Transaction([&] { return ForgetLink(); }));
    return absl::InvalidArgumentError(
        "these are not the digits of this device; nothing was linked. If you "
        "copied them right, somebody has given you the code of their own "
        "device");
  }
  ASSIGN_OR_RETURN(const std::string peer_bytes, LinkValue(kLinkPeerSetting));
  ASSIGN_OR_RETURN(const AccountId peer, AccountId::FromBytes(peer_bytes));
  ASSIGN_OR_RETURN(const std::string entry, LinkValue(kLinkEntrySetting));
  const absl::string_view bytes = entry;
  DeviceEntry device;
  ASSIGN_OR_RETURN(device.id, DeviceId::FromBytes(bytes.substr(0, 16)));
  ASSIGN_OR_RETURN(device.signing_key,
                   crypto::Ed25519PublicKey::FromBytes(bytes.substr(16, 32)));
  ASSIGN_OR_RETURN(device.agreement_key,
                   crypto::X25519PublicKey::FromBytes(bytes.substr(48, 32)));
  device.added = absl::FromUnixMillis(absl::ToUnixMillis(env_.clock.Now()));
  std::vector<DeviceEntry> devices = identity_record_->devices();
  devices.push_back(device);
  return ChangeOwnDevices(devices, [&](const IdentityRecord& record) {
    LinkGrant grant;
    grant.identity_record = record.bytes();
    grant.identity_kem_seed = std::string(identity_kem_.seed().Expose());
    grant.profile_name = name_;
    grant.vault_key_seed =
        std::string(keys_->vault_key(device.id.bytes()).seed().Expose());
    grant.vault_kem = std::string(keys_->vault_kem().public_key().bytes());
    auto contact = ContactFor(peer, Standing::kLink);
    absl::Status queued = contact.status();
    if (queued.ok()) queued = Tell(*contact, "", grant);
    crypto::SecureWipe(grant.identity_kem_seed);
    crypto::SecureWipe(grant.vault_key_seed);
    RETURN_IF_ERROR(queued);
    return ForgetLink();
  });
}

absl::Status Messenger::ChangeOwnDevices(
    const std::vector<DeviceEntry>& devices,
    absl::FunctionRef<absl::Status(const IdentityRecord&)> also) {
  ASSIGN_OR_RETURN(IdentityRecord next,
                   identity_record_->Next(*keys_, devices));
  const std::optional<IdentityRecord> before = identity_record_;
  const absl::Status changed = env_.store.Transaction([&]() -> absl::Status {
    RETURN_IF_ERROR(StoreOwnRecord(next));
    // What is said from here on names the new record.
    identity_record_ = next;
    RETURN_IF_ERROR(also(next));
    RETURN_IF_ERROR(ShareEverything());
    return AnnounceDevices();
  });
  if (!changed.ok()) identity_record_ = before;
  return changed;
}

// Contacts read the record when they hear of its number.
absl::Status Messenger::AnnounceDevices() {
  ASSIGN_OR_RETURN(const std::vector<Contact> contacts, env_.store.Contacts());
  for (const Contact& contact : contacts) {
    if (contact.standing != Standing::kContact) continue;
    ASSIGN_OR_RETURN(const std::vector<SessionRow> sessions,
                     env_.store.Sessions(contact.account));
    if (sessions.empty()) continue;
    RETURN_IF_ERROR(QueueGreeting(contact, ""));
  }
  return absl::OkStatus();
}

absl::Status Messenger::UnlinkDevice(const DeviceId& device) {
  if (!keys_ || !identity_record_) {
    return absl::FailedPreconditionError(
        "only the account's first device can unlink others");
  }
  if (device == device_.id()) {
    return absl::InvalidArgumentError(
        "this is the account's first device; it cannot be unlinked");
  }
  std::vector<DeviceEntry> devices;
  for (const DeviceEntry& entry : identity_record_->devices()) {
    if (entry.id != device) devices.push_back(entry);
  }
  if (devices.size() == identity_record_->devices().size()) {
    return absl::NotFoundError("the account has no such device");
  }
  return ChangeOwnDevices(devices, [&](const IdentityRecord&) -> absl::Status {
    ASSIGN_OR_RETURN(const std::vector<Session> sessions,
                     SessionsWith(id_, device.bytes()));
    for (const Session& session : sessions) {
      RETURN_IF_ERROR(env_.store.DeleteSession(session.id().bytes()));
    }
    // It knew how to write to the mailbox of the own devices.
    ASSIGN_OR_RETURN(Contact self, ContactFor(id_, Standing::kSelf));
    self.incoming_mailbox = IncomingMailbox::Generate(env_.random).Serialize();
    return env_.store.PutContact(self);
  });
}

// From a waiting account of its own to a device of the account that grants it.
absl::Status Messenger::BecomeLinked(const Contact& contact,
                                     const LinkGrant& grant) {
  absl::StatusOr<IdentityRecord> record =
      IdentityRecord::Verify(grant.identity_record);
  absl::StatusOr<crypto::SecretBytes<32>> seed =
      crypto::SecretBytes<32>::FromBytes(grant.identity_kem_seed);
  if (!record.ok() || !seed.ok() || record->account_id() != contact.account) {
    return absl::InvalidArgumentError("link grant: record");
  }
  const DeviceEntry* entry = record->FindDevice(device_.id());
  if (entry == nullptr ||
      entry->signing_key != device_.signing_key().public_key() ||
      entry->agreement_key != device_.agreement_key().public_key() ||
      record->devices()[0].id == device_.id() ||
      crypto::XWingPrivateKey::FromSeed(*seed).public_key() !=
          record->identity_kem()) {
    return absl::InvalidArgumentError("link grant: keys");
  }
  ClientStore& store = env_.store;
  RETURN_IF_ERROR(ForgetRequest(contact));
  RETURN_IF_ERROR(store.DeleteSetting(kSeedSetting));
  RETURN_IF_ERROR(store.SetSetting(kAccountIdSetting, contact.account.bytes()));
  RETURN_IF_ERROR(
      SetSecret(store, kAccountKemSetting, std::string(seed->Expose())));
  RETURN_IF_ERROR(store.SetSetting(kNameSetting, grant.profile_name));
  if (!grant.vault_key_seed.empty()) {
    RETURN_IF_ERROR(SetSecret(store, kVaultKeySetting, grant.vault_key_seed));
    RETURN_IF_ERROR(store.SetSetting(kVaultKemSetting, grant.vault_kem));
  }
  RETURN_IF_ERROR(store.SetSetting(kIdentitySetting, record->bytes()));
  // The prekeys go on: the mailbox has a record of theirs already, and only one
  // with a higher number replaces it.
  RETURN_IF_ERROR(store.SetSetting(kPublishedIdentitySetting, ""));
  RETURN_IF_ERROR(ForgetLink());
  RETURN_IF_ERROR(store.SetSetting(kLinkSetting, kLinkDone));
  Contact self(contact.account);
  self.added = self.standing_since = env_.clock.Now();
  self.standing = Standing::kSelf;
  self.incoming_mailbox = IncomingMailbox::Generate(env_.random).Serialize();
  self.identity_record = record->bytes();
  RETURN_IF_ERROR(store.PutContact(self));
  became_linked_ = true;
  return absl::OkStatus();
}

}  // namespace messenger::client
