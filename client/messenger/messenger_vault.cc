// Messenger: the vault that this device writes, and those that a restored
// account reads (client/SPEC.md, section 19).

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "client/messenger/messenger.h"
#include "client/messenger/messenger_parts.h"
#include "client/remote/write_refusal.h"
#include "client/vault/sealed_vault.h"
#include "client/vault/vault_contents.h"
#include "crypto/base/bytes.h"
#include "crypto/base/secure_memory.h"
#include "crypto/base/status_macros.h"
#include "crypto/hash/hash.h"
#include "crypto/identity/account_keys.h"
#include "swarm/auth/limits.h"

namespace messenger::client {
namespace {

using ::messenger::crypto::AccountId;
using ::messenger::crypto::Ed25519PrivateKey;
using ::messenger::swarm::MailboxNamespace;

constexpr size_t kHeadBytes = 16;

std::string Bytes(const VaultRecordMark& mark) {
  return crypto::ByteWriter().U64(mark.seq).Bytes(mark.head).Take();
}

VaultRecordMark MarkOf(const IdentityRecord& record) {
  return {record.seq(),
          std::string(record.hash().bytes().substr(0, kHeadBytes))};
}

std::optional<VaultRecordMark> MarkFrom(absl::string_view bytes) {
  crypto::ByteReader in(bytes);
  VaultRecordMark mark;
  mark.seq = in.U64();
  mark.head = std::string(in.Bytes(kHeadBytes));
  if (!in.Finish().ok()) return std::nullopt;
  return mark;
}

// When that account last had no record yet.
std::string MarkSetting(const AccountId& account) {
  return absl::StrCat("contact/record-mark/", account.ToHex());
}

bool IsKept(Standing standing) {
  return standing == Standing::kContact || standing == Standing::kBlocked;
}

std::string DigestOf(const VaultContents& contents) {
  std::string bytes = EncodeVault(contents);
  const absl::Cleanup wipe = [&bytes] { crypto::SecureWipe(bytes); };
  return std::string(crypto::Blake2b256("nm1-vault-state", {bytes}).bytes());
}

std::vector<VaultRecord> Records(const std::vector<MailRecord>& records) {
  std::vector<VaultRecord> result;
  for (const MailRecord& record : records) {
    // The newest of a key is first.
    if (!result.empty() && result.back().key == record.key) continue;
    result.push_back({record.key, record.sequence, record.body});
  }
  return result;
}

}  // namespace

// ------------------------------------------------------------- the writing --

struct Messenger::OwnVault {
  ReadTarget target;  // registers it; its reader's key writes
  crypto::XWingPublicKey kem;
};

absl::StatusOr<std::optional<Messenger::OwnVault>> Messenger::VaultOfDevice() {
  ASSIGN_OR_RETURN(const bool awaits_link, AwaitsLink());
  if (awaits_link || unlinked_) return std::nullopt;
  OwnVault vault;
  std::optional<Ed25519PrivateKey> key;
  if (keys_) {
    key = keys_->vault_key(device_.id().bytes());
    vault.kem = keys_->vault_kem().public_key();
  } else {
    ASSIGN_OR_RETURN(std::string seed, LinkValue(kVaultKeySetting));
    const absl::Cleanup wipe = [&seed] { crypto::SecureWipe(seed); };
    // Linked by a program that knew of no vaults.
    if (seed.empty()) return std::nullopt;
    ASSIGN_OR_RETURN(const std::string kem, LinkValue(kVaultKemSetting));
    const auto secret = crypto::SecretBytes<32>::FromBytes(seed);
    const auto public_key = crypto::XWingPublicKey::FromBytes(kem);
    if (!secret.ok() || !public_key.ok()) {
      return absl::DataLossError("the keys of the vault are damaged");
    }
    key = Ed25519PrivateKey::FromSeed(*secret);
    vault.kem = *public_key;
  }
  ASSIGN_OR_RETURN(const AccountId id,
                   crypto::AccountIdFromEd25519(key->public_key()));
  vault.target.mailbox = std::string(id.bytes());
  vault.target.mailbox_namespace = MailboxNamespace::kInbox;
  vault.target.reader = std::make_shared<Ed25519PrivateKey>(*std::move(key));
  return vault;
}

absl::StatusOr<std::set<DeviceId>> Messenger::UnreadVaults() {
  ASSIGN_OR_RETURN(const std::string bytes, LinkValue(kVaultUnreadSetting));
  std::set<DeviceId> unread;
  crypto::ByteReader in(bytes);
  while (in.remaining() > 0) {
    const auto device = DeviceId::FromBytes(in.Bytes(DeviceId::kSize));
    if (!device.ok()) break;
    unread.insert(*device);
  }
  return unread;
}

absl::Status Messenger::SetUnreadVaults(const std::set<DeviceId>& devices) {
  std::string bytes;
  for (const DeviceId& device : devices)
    absl::StrAppend(&bytes, device.bytes());
  return env_.store.SetSetting(kVaultUnreadSetting, bytes);
}

absl::StatusOr<std::set<VaultBackupKey>> Messenger::KeptBackupKeys() {
  ASSIGN_OR_RETURN(std::string bytes, LinkValue(kBackupKeysSetting));
  const absl::Cleanup wipe = [&bytes] { crypto::SecureWipe(bytes); };
  std::set<VaultBackupKey> keys;
  crypto::ByteReader in(bytes);
  while (in.remaining() > 0) {
    VaultBackupKey key;
    key.made_ms = static_cast<int64_t>(in.U64());
    key.key = std::string(in.Bytes(32));
    if (!in.ok()) return absl::DataLossError("the keys of backups are damaged");
    keys.insert(std::move(key));
  }
  return keys;
}

absl::Status Messenger::AddBackupKeys(std::set<VaultBackupKey> keys) {
  ASSIGN_OR_RETURN(const std::set<VaultBackupKey> before, KeptBackupKeys());
  keys.insert(before.begin(), before.end());
  KeepNewest(keys);
  crypto::ByteWriter out;
  for (const VaultBackupKey& key : keys) {
    out.U64(static_cast<uint64_t>(key.made_ms)).Bytes(key.key);
  }
  return SetSecret(env_.store, kBackupKeysSetting, out.Take());
}

absl::Status Messenger::KeepBackupKey(const crypto::SecretBytes<32>& key) {
  return env_.store.Transaction([&] {
    return AddBackupKeys(
        {{std::max<int64_t>(0, absl::ToUnixMillis(env_.clock.Now())),
          std::string(key.Expose())}});
  });
}

absl::StatusOr<std::vector<crypto::SecretBytes<32>>> Messenger::BackupKeys() {
  ASSIGN_OR_RETURN(const std::set<VaultBackupKey> kept, KeptBackupKeys());
  std::vector<crypto::SecretBytes<32>> keys;
  for (auto it = kept.rbegin(); it != kept.rend(); ++it) {
    ASSIGN_OR_RETURN(crypto::SecretBytes<32> key,
                     crypto::SecretBytes<32>::FromBytes(it->key));
    keys.push_back(std::move(key));
  }
  return keys;
}

absl::Status Messenger::CollectContact(const Contact& from,
                                       VaultContact& contact) {
  if (from.timer_revision > 0) {
    contact.timer =
        VaultTimer{from.timer_revision,
                   static_cast<uint32_t>(absl::ToInt64Seconds(from.timer))};
  }
  ASSIGN_OR_RETURN(contact.token, env_.store.ReceivedInvite(from.account));
  if (!from.verified) return absl::OkStatus();
  if (!from.identity_record.empty()) {
    const auto record = IdentityRecord::Verify(from.identity_record);
    if (!record.ok()) return absl::DataLossError("a contact is damaged");
    contact.record = MarkOf(*record);
    return absl::OkStatus();
  }
  // Restored, and not written to since.
  ASSIGN_OR_RETURN(const std::optional<std::string> mark,
                   env_.store.Setting(MarkSetting(from.account)));
  if (mark) contact.record = MarkFrom(*mark);
  return absl::OkStatus();
}

absl::StatusOr<VaultContents> Messenger::CollectVault() {
  VaultContents contents;
  ASSIGN_OR_RETURN(const std::vector<StateEntry> values,
                   ValuesToKeep(absl::UnixEpoch()));
  for (const StateEntry& value : values) AddValue(value, contents);
  ASSIGN_OR_RETURN(const std::vector<Contact> contacts, env_.store.Contacts());
  for (const Contact& contact : contacts) {
    if (!IsKept(contact.standing)) continue;
    RETURN_IF_ERROR(
        CollectContact(contact, contents.contacts[contact.account]));
  }
  ASSIGN_OR_RETURN(contents.keys, KeptBackupKeys());
  ASSIGN_OR_RETURN(contents.unread, UnreadVaults());
  return contents;
}

absl::StatusOr<bool> Messenger::VaultChanged(const VaultContents& contents) {
  ASSIGN_OR_RETURN(const std::string written, LinkValue(kVaultDigestSetting));
  // One that says nothing is not worth a mailbox.
  if (written.empty() && contents == VaultContents()) return false;
  return DigestOf(contents) != written;
}

absl::Status Messenger::DelayVault() {
  const auto spread = static_cast<uint64_t>(
      (kLongestVaultDelay - kShortestVaultDelay) / absl::Milliseconds(1));
  return SetTimeSetting(env_.store, kVaultDueSetting,
                        env_.clock.Now() + kShortestVaultDelay +
                            absl::Milliseconds(env_.random.Uniform(spread)));
}

absl::StatusOr<bool> Messenger::VaultWriteDue() {
  ASSIGN_OR_RETURN(const std::optional<OwnVault> vault, VaultOfDevice());
  if (!vault || !identity_record_) return false;
  const absl::Time now = env_.clock.Now();
  ASSIGN_OR_RETURN(VaultContents contents, CollectVault());
  TrimToFit(kMaxVaultContentBytes, contents);
  ASSIGN_OR_RETURN(const bool changed, VaultChanged(contents));
  ASSIGN_OR_RETURN(const auto saved,
                   TimeSetting(env_.store, kVaultSavedSetting));
  bool old = false;
  if (saved) {
    ASSIGN_OR_RETURN(const absl::Duration left,
                     RegistrationLeft(vault->target.mailbox));
    old = now >= *saved + kVaultInterval || now < *saved - kLongestVaultDelay ||
          left < swarm::kRegistrationRenewal;
  }
  if (!changed && !old) {
    RETURN_IF_ERROR(env_.store.DeleteSetting(kVaultDueSetting));
    return false;
  }
  ASSIGN_OR_RETURN(const auto due, TimeSetting(env_.store, kVaultDueSetting));
  // Beyond the longest delay: the clock was ahead when it was chosen.
  if (due && *due <= now + kLongestVaultDelay) return now >= *due;
  if (old) return true;
  RETURN_IF_ERROR(DelayVault());
  return false;
}

bool Messenger::VaultDue() {
  const absl::StatusOr<bool> read = VaultReadDue();
  const absl::StatusOr<bool> write = VaultWriteDue();
  return (read.ok() && *read) || (write.ok() && *write);
}

absl::StatusOr<VaultState> Messenger::Vault() {
  ASSIGN_OR_RETURN(const std::optional<OwnVault> vault, VaultOfDevice());
  if (!vault) {
    return absl::FailedPreconditionError(
        "this device keeps no vault: it was linked before there were any. "
        "Unlink it and link it again");
  }
  VaultState state;
  ASSIGN_OR_RETURN(VaultContents contents, CollectVault());
  state.left_out = static_cast<int>(TrimToFit(kMaxVaultContentBytes, contents));
  state.contacts = static_cast<int>(contents.contacts.size());
  state.unread = static_cast<int>(contents.unread.size());
  ASSIGN_OR_RETURN(state.saved, TimeSetting(env_.store, kVaultSavedSetting));
  ASSIGN_OR_RETURN(state.pending, VaultChanged(contents));
  return state;
}

void Messenger::SaveVault(MailDone<Delivery> done) {
  if (publishing_) {
    done(absl::FailedPreconditionError("publishing already"));
    return;
  }
  publishing_ = true;
  WriteVault(
      [this, done = std::move(done)](const absl::Status& status) mutable {
        if (status.ok()) {
          FinishPublish(done, Delivery());
        } else {
          FinishPublish(done, status);
        }
      });
}

// One writing, piece by piece.
struct Messenger::VaultWriting {
  OwnVault vault;
  std::string digest;
  VaultSet set = 0;
  uint64_t seq = 0;
  std::vector<VaultRecord> left;  // the next one last
  Registered done;
};

absl::StatusOr<std::shared_ptr<Messenger::VaultWriting>>
Messenger::BeginVault() {
  ASSIGN_OR_RETURN(std::optional<OwnVault> vault, VaultOfDevice());
  if (!vault || !identity_record_) {
    return absl::FailedPreconditionError("this device keeps no vault yet");
  }
  auto writing = std::make_shared<VaultWriting>();
  writing->vault = *std::move(vault);
  ASSIGN_OR_RETURN(VaultContents contents, CollectVault());
  TrimToFit(kMaxVaultContentBytes, contents);
  writing->digest = DigestOf(contents);
  ASSIGN_OR_RETURN(const std::string last, LinkValue(kVaultSeqSetting));
  uint64_t last_seq = 0;
  if (!last.empty() && !absl::SimpleAtoi(last, &last_seq)) {
    return absl::DataLossError("the number of the vault is damaged");
  }
  writing->seq =
      std::max(last_seq + 1, static_cast<uint64_t>(std::max<int64_t>(
                                 0, absl::ToUnixMillis(env_.clock.Now()))));
  ASSIGN_OR_RETURN(const std::string whole, LinkValue(kVaultSetSetting));
  writing->set = whole == "0" ? 1 : 0;
  ASSIGN_OR_RETURN(
      writing->left,
      SealVault(writing->vault.kem, writing->vault.target.mailbox, writing->set,
                writing->seq, contents, env_.random));
  std::reverse(writing->left.begin(), writing->left.end());
  // No number is used twice, whatever becomes of this.
  RETURN_IF_ERROR(
      env_.store.SetSetting(kVaultSeqSetting, absl::StrCat(writing->seq)));
  return writing;
}

void Messenger::WriteVault(Registered done) {
  Progress("saving contacts and settings for whoever restores the account");
  absl::StatusOr<std::shared_ptr<VaultWriting>> begun = BeginVault();
  if (!begun.ok()) return done(begun.status());
  std::shared_ptr<VaultWriting> writing = *std::move(begun);
  writing->done = std::move(done);
  EnsureRegistered(writing->vault.target,
                   [this, writing](const absl::Status& registered) {
                     if (registered.ok()) {
                       WriteVaultPiece(writing);
                     } else {
                       EndVault(writing, registered);
                     }
                   });
}

void Messenger::WriteVaultPiece(std::shared_ptr<VaultWriting> writing) {
  if (writing->left.empty()) return EndVault(writing, absl::OkStatus());
  VaultRecord piece = std::move(writing->left.back());
  writing->left.pop_back();
  const ReadTarget& target = writing->vault.target;
  env_.mail.PutRecord(target.mailbox, MailboxNamespace::kPrekeyRecords,
                      target.reader,
                      {std::move(piece.key), piece.seq, std::move(piece.body)},
                      [this, writing](absl::StatusOr<Delivery> delivery) {
                        if (delivery.ok()) {
                          WriteVaultPiece(writing);
                        } else if (absl::IsAborted(delivery.status())) {
                          CatchUpWithVault(writing);
                        } else {
                          EndVault(writing, delivery.status());
                        }
                      });
}

// The database is an older copy: newer pieces than it knows of are stored.
void Messenger::CatchUpWithVault(std::shared_ptr<VaultWriting> writing) {
  env_.mail.GetRecords(
      writing->vault.target.mailbox, MailboxNamespace::kPrekeyRecords,
      [this, writing](absl::StatusOr<std::vector<MailRecord>> records) {
        absl::Status status = records.status();
        uint64_t seq = 0;
        VaultSet set = -1;
        if (records.ok()) {
          for (const MailRecord& record : *records) {
            if (SetOfRecord(record.key) < 0 || record.sequence < seq) continue;
            seq = record.sequence;
            set = SetOfRecord(record.key);
          }
        }
        if (set >= 0) {
          status = env_.store.Transaction([&]() -> absl::Status {
            RETURN_IF_ERROR(
                env_.store.SetSetting(kVaultSeqSetting, absl::StrCat(seq)));
            return env_.store.SetSetting(kVaultSetSetting, absl::StrCat(set));
          });
        }
        if (status.ok()) {
          status = absl::AbortedError(
              "a newer vault of this device is stored already; the next try "
              "goes on from it");
        }
        EndVault(writing, status);
      });
}

void Messenger::EndVault(const std::shared_ptr<VaultWriting>& writing,
                         absl::Status status) {
  if (status.ok()) {
    status = env_.store.Transaction([&]() -> absl::Status {
      RETURN_IF_ERROR(
          env_.store.SetSetting(kVaultDigestSetting, writing->digest));
      RETURN_IF_ERROR(
          env_.store.SetSetting(kVaultSetSetting, absl::StrCat(writing->set)));
      RETURN_IF_ERROR(env_.store.DeleteSetting(kVaultDueSetting));
      return SetTimeSetting(env_.store, kVaultSavedSetting, env_.clock.Now());
    });
  } else {
    const absl::Status forgotten =
        RefusalOf(status).reason == RefusalReason::kNotRegistered
            ? env_.store.ForgetRegistration(writing->vault.target.mailbox)
            : absl::OkStatus();
    const absl::Status delayed = DelayVault();
    if (!forgotten.ok()) status = forgotten;
    if (!delayed.ok()) status = delayed;
  }
  // `done` may hold what holds this.
  Registered done = std::move(writing->done);
  done(std::move(status));
}

// ------------------------------------------------------------- the reading --

struct Messenger::VaultReading {
  std::vector<DeviceId> left;
  std::set<DeviceId> seen;
  std::set<DeviceId> unread;
  VaultContents merged;
  int found = 0;
  Registered done;
};

absl::StatusOr<bool> Messenger::VaultReadDue() {
  ASSIGN_OR_RETURN(const std::set<DeviceId> unread, UnreadVaults());
  if (unread.empty() || !keys_ || !identity_record_) return false;
  const absl::Time now = env_.clock.Now();
  ASSIGN_OR_RETURN(const auto since,
                   TimeSetting(env_.store, kVaultUnreadSinceSetting));
  if (!since || now >= *since + kVaultLife) {
    RETURN_IF_ERROR(SetUnreadVaults({}));
    return false;
  }
  ASSIGN_OR_RETURN(const auto tried,
                   TimeSetting(env_.store, kVaultTriedSetting));
  return !tried || now >= *tried + kVaultReadInterval || now < *tried;
}

void Messenger::ReadVaults(Registered done) {
  const absl::StatusOr<std::set<DeviceId>> unread = UnreadVaults();
  if (!unread.ok()) return done(unread.status());
  auto reading = std::make_shared<VaultReading>();
  reading->left.assign(unread->begin(), unread->end());
  reading->seen = *unread;
  reading->done = std::move(done);
  if (!unread->empty()) Progress("looking for the account's contacts");
  ReadNextVault(std::move(reading));
}

void Messenger::ReadNextVault(std::shared_ptr<VaultReading> reading) {
  if (reading->left.empty()) {
    const absl::Status taken = TakeVaults(*reading);
    Registered done = std::move(reading->done);
    return done(taken);
  }
  const DeviceId device = reading->left.back();
  reading->left.pop_back();
  const absl::StatusOr<AccountId> mailbox = crypto::AccountIdFromEd25519(
      keys_->vault_key(device.bytes()).public_key());
  if (!mailbox.ok()) return ReadNextVault(std::move(reading));
  const std::string address(mailbox->bytes());
  env_.mail.GetRecords(
      address, MailboxNamespace::kPrekeyRecords,
      [this, reading, device,
       address](absl::StatusOr<std::vector<MailRecord>> records) mutable {
        absl::StatusOr<VaultContents> contents =
            records.ok()
                ? OpenVault(keys_->vault_kem(), address, Records(*records))
                : absl::StatusOr<VaultContents>(records.status());
        if (contents.ok()) {
          ++reading->found;
          for (const DeviceId& other : contents->unread) {
            if (reading->seen.size() == kMaxVaultUnread) break;
            if (reading->seen.insert(other).second) {
              reading->left.push_back(other);
            }
          }
          contents->unread.clear();
          Merge(*contents, reading->merged);
        } else if (!absl::IsNotFound(contents.status())) {
          // Other members, or a later reading, may have it whole.
          reading->unread.insert(device);
        }
        ReadNextVault(std::move(reading));
      });
}

absl::Status Messenger::TakeVaults(const VaultReading& reading) {
  const std::string name = name_;
  const absl::Status taken = env_.store.Transaction([&]() -> absl::Status {
    // What was decided since this device is there counts.
    RETURN_IF_ERROR(DateValues());
    for (const StateEntry& value : ValuesOf(reading.merged)) {
      RETURN_IF_ERROR(TakeValue(value).status());
    }
    for (const auto& [account, contact] : reading.merged.contacts) {
      if (account == id_) continue;
      RETURN_IF_ERROR(TakeContact(account, contact));
    }
    if (!reading.merged.keys.empty()) {
      RETURN_IF_ERROR(AddBackupKeys(reading.merged.keys));
    }
    RETURN_IF_ERROR(SetUnreadVaults(reading.unread));
    return SetTimeSetting(env_.store, kVaultTriedSetting, env_.clock.Now());
  });
  if (!taken.ok()) {
    name_ = name;
    return taken;
  }
  RestoredVaults restored;
  restored.found = reading.found;
  restored.unread = static_cast<int>(reading.unread.size());
  ASSIGN_OR_RETURN(const std::vector<Contact> contacts, env_.store.Contacts());
  for (const Contact& contact : contacts) {
    if (contact.standing == Standing::kContact) ++restored.contacts;
    if (contact.standing == Standing::kBlocked) ++restored.blocked;
  }
  restored_ = restored;
  return absl::OkStatus();
}

// What of a contact is no shared value.
absl::Status Messenger::TakeContact(const AccountId& account,
                                    const VaultContact& from) {
  ASSIGN_OR_RETURN(std::optional<Contact> here,
                   env_.store.FindContact(account));
  if (!here || !IsKept(here->standing)) return absl::OkStatus();
  if (from.timer && (from.timer->revision > here->timer_revision)) {
    here->timer = absl::Seconds(from.timer->seconds);
    here->timer_revision = from.timer->revision;
  }
  const auto compared = from.fields.find(VaultField::kVerified);
  const bool mark_counts =
      from.record && here->verified && compared != from.fields.end() &&
      compared->second.value ==
          absl::StrCat(absl::ToUnixMillis(*here->verified));
  if (mark_counts && here->identity_record.empty()) {
    RETURN_IF_ERROR(
        env_.store.SetSetting(MarkSetting(account), Bytes(*from.record)));
  } else if (mark_counts) {
    const auto pinned = IdentityRecord::Verify(here->identity_record);
    if (!pinned.ok()) return absl::DataLossError("a contact is damaged");
    here->devices_changed |= MarkOf(*pinned) != *from.record;
  }
  RETURN_IF_ERROR(env_.store.PutContact(*here));
  if (from.token.empty()) return absl::OkStatus();
  ASSIGN_OR_RETURN(const bool heard, env_.store.HasPeerMailbox(account));
  ASSIGN_OR_RETURN(const std::string token, env_.store.ReceivedInvite(account));
  if (heard || !token.empty()) return absl::OkStatus();
  return env_.store.PutReceivedInvite(account, from.token);
}

absl::Status Messenger::CompareWithMark(const IdentityRecord& record,
                                        Contact& contact) {
  const std::string setting = MarkSetting(contact.account);
  ASSIGN_OR_RETURN(const std::optional<std::string> bytes,
                   env_.store.Setting(setting));
  if (!bytes) return absl::OkStatus();
  contact.devices_changed |= MarkFrom(*bytes) != MarkOf(record);
  return env_.store.DeleteSetting(setting);
}

std::optional<RestoredVaults> Messenger::TakeRestored() {
  return std::exchange(restored_, std::nullopt);
}

// At the end of Publish(): what fails here takes nothing away.
void Messenger::KeepVault(Registered done) {
  const absl::StatusOr<bool> read = VaultReadDue();
  if (read.ok() && *read) {
    ReadVaults([this, done = std::move(done)](absl::Status taken) mutable {
      if (absl::IsDataLoss(taken)) return done(std::move(taken));
      WriteVaultIfDue(std::move(done));
    });
    return;
  }
  WriteVaultIfDue(std::move(done));
}

void Messenger::WriteVaultIfDue(Registered done) {
  const absl::StatusOr<bool> due = VaultWriteDue();
  if (!due.ok() || !*due) return done(due.status());
  WriteVault(std::move(done));
}

// Of an account that was just restored, before anybody learns of it.
void Messenger::TakeOverVaults(MailDone<Delivery> done) {
  ReadVaults([this, done = std::move(done)](const absl::Status& taken) mutable {
    if (absl::IsDataLoss(taken)) return FinishPublish(done, taken);
    const bool nothing =
        restored_ && restored_->found == 0 && restored_->unread == 0;
    if (nothing) return PutIdentity(std::move(done));
    WriteVault([this, done = std::move(done)](const absl::Status&) mutable {
      PutIdentity(std::move(done));
    });
  });
}

}  // namespace messenger::client
