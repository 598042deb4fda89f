// Messenger: mailboxes that are registered, and records that are published.

#include <set>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "client/messenger/messenger.h"
#include "client/messenger/messenger_parts.h"
#include "client/remote/write_refusal.h"
#include "crypto/base/status_macros.h"
#include "swarm/auth/limits.h"

namespace messenger::client {
namespace {

using ::messenger::swarm::MailboxNamespace;

// How often a linked device looks at the account's record.
constexpr absl::Duration kOwnIdentityInterval = absl::Minutes(15);

const std::string& ZeroRecordKey() {
  static const auto* key = new std::string(16, '\0');
  return *key;
}

}  // namespace

// ------------------------------------------------------------ registering --

ReadTarget Messenger::InboxTarget() const {
  ReadTarget inbox;
  inbox.mailbox = inbox_mailbox_;
  inbox.mailbox_namespace = MailboxNamespace::kInbox;
  inbox.reader = inbox_key_;
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
  if (contact.standing == Standing::kContact ||
      contact.standing == Standing::kSelf ||
      contact.standing == Standing::kLink) {
    return true;
  }
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
    ASSIGN_OR_RETURN(const bool answered,
                     env_.store.HasPeerMailbox(contact.account));
    // Without either, nobody has been told of the mailbox yet.
    if (!before && !answered && contact.outgoing_mailbox.empty()) continue;
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

bool Messenger::renewal_due() {
  const absl::StatusOr<absl::Duration> inbox = RegistrationLeft(inbox_mailbox_);
  const absl::StatusOr<std::vector<ReadTarget>> due = MailboxesToRenew();
  return (inbox.ok() && *inbox < swarm::kRegistrationRenewal) ||
         (due.ok() && !due->empty()) || OwnIdentityDue() || VaultDue();
}

// ------------------------------------------------------------- publishing --

bool Messenger::published() const {
  if (unlinked_) return false;
  const absl::StatusOr<absl::Duration> left = RegistrationLeft(inbox_mailbox_);
  if (!left.ok() || *left <= absl::ZeroDuration()) return false;
  if (!identity_record_ ||
      prekeys_.ShouldRotate(*identity_record_, env_.clock.Now())) {
    return false;
  }
  const auto identity = env_.store.Setting(kPublishedIdentitySetting);
  const auto prekey = env_.store.Setting(kPublishedPrekeySetting);
  // A linked device cannot publish the account's record.
  const bool identity_there =
      identity.ok() &&
      (!keys_ || *identity == std::string(identity_record_->hash().bytes()));
  return identity_there && prekey.ok() && *prekey == prekeys_.current_record();
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
  const absl::Status forgotten = env_.store.ForgetRegistration(inbox_mailbox_);
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
  } else if (!keys_) {
    ReadOwnIdentity(std::move(done));
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
          TakeOverVaults(std::move(done));
        }
      });
}

// This device takes the account over: the next record lists it alone.
absl::Status Messenger::AdoptIdentity(const std::vector<MailRecord>& records) {
  std::vector<std::string> bodies;
  for (const MailRecord& record : records) bodies.push_back(record.body);
  const absl::StatusOr<IdentityRecord> newest = NewestIdentity(id_, bodies);
  const std::vector<DeviceEntry> devices = {
      MakeDeviceEntry(device_, env_.clock.Now())};
  ASSIGN_OR_RETURN(IdentityRecord record,
                   newest.ok() ? newest->Next(*keys_, devices)
                               : IdentityRecord::First(*keys_, devices));
  std::set<DeviceId> before;
  if (newest.ok()) {
    for (const DeviceEntry& device : newest->devices()) {
      before.insert(device.id);
    }
  }
  RETURN_IF_ERROR(env_.store.Transaction([&]() -> absl::Status {
    RETURN_IF_ERROR(env_.store.SetSetting(kIdentitySetting, record.bytes()));
    RETURN_IF_ERROR(SetUnreadVaults(before));
    RETURN_IF_ERROR(env_.store.SetSetting(
        kVaultUnreadSinceSetting,
        absl::StrCat(absl::ToUnixMillis(env_.clock.Now()))));
    return env_.store.SetSetting(kRestoredSetting, "");
  }));
  identity_record_ = std::move(record);
  return absl::OkStatus();
}

bool Messenger::OwnIdentityDue() const {
  if (keys_) return false;
  const auto read = TimeSetting(env_.store, kOwnIdentityReadSetting);
  return !read.ok() || !*read ||
         env_.clock.Now() >= **read + kOwnIdentityInterval;
}

// Whether the account still lists this device, and which others.
void Messenger::ReadOwnIdentity(MailDone<Delivery> done) {
  if (!OwnIdentityDue()) {
    PutPrekey(std::move(done));
    return;
  }
  Progress("looking whether the account still lists this device");
  FetchIdentity(id_, [this, done = std::move(done)](
                         bool answered,
                         absl::StatusOr<IdentityRecord> record) mutable {
    absl::Status status = record.status();
    if (status.ok()) {
      status = env_.store.SetSetting(
          kOwnIdentityReadSetting,
          absl::StrCat(absl::ToUnixMillis(env_.clock.Now())));
    }
    // A swarm that withholds the record delays the news, nothing else.
    if (absl::IsFailedPrecondition(status) || absl::IsUnauthenticated(status) ||
        (answered && IsOurFailure(status))) {
      FinishPublish(done, status);
    } else {
      PutPrekey(std::move(done));
    }
  });
}

absl::Status Messenger::AdoptOwnRecord(const IdentityRecord& record) {
  // Whoever has the account's keys makes its records.
  if (keys_ || *identity_record_ == record) return absl::OkStatus();
  const absl::Status successor =
      CheckIdentitySuccession(*identity_record_, record);
  // Older: a node rolled it back.
  if (absl::IsFailedPrecondition(successor)) return absl::OkStatus();
  RETURN_IF_ERROR(successor);
  if (record.FindDevice(device_.id()) == nullptr) {
    unlinked_ = true;
    return absl::FailedPreconditionError(
        "this device has been unlinked from the account; what it has stays "
        "here, and nothing is sent or received any more");
  }
  RETURN_IF_ERROR(
      env_.store.Transaction([&] { return StoreOwnRecord(record); }));
  identity_record_ = record;
  return absl::OkStatus();
}

absl::Status Messenger::StoreOwnRecord(const IdentityRecord& record) {
  RETURN_IF_ERROR(env_.store.SetSetting(kIdentitySetting, record.bytes()));
  ASSIGN_OR_RETURN(Contact self, ContactFor(id_, Standing::kSelf));
  self.identity_record = record.bytes();
  RETURN_IF_ERROR(env_.store.PutContact(self));
  return ChangeDevices(id_, *identity_record_, record);
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
      account_mailbox(), MailboxNamespace::kIdentityRecord, inbox_key_,
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
      inbox_mailbox_, MailboxNamespace::kPrekeyRecords, inbox_key_,
      {std::string(device_.id().bytes()), prekeys_.epochs().back().seq, record},
      [this, record,
       done = std::move(done)](absl::StatusOr<Delivery> delivery) mutable {
        if (RegisterAgain(delivery.status(), done)) return;
        if (delivery.ok()) {
          const absl::Status status = RecordPublished(record);
          if (!status.ok()) delivery = status;
        }
        FinishRecords(std::move(done), std::move(delivery));
      });
}

// Only now nobody is given the record before it any more.
absl::Status Messenger::RecordPublished(const std::string& record) {
  ASSIGN_OR_RETURN(PrekeySecrets marked,
                   PrekeySecrets::Parse(prekeys_.Serialize()));
  ASSIGN_OR_RETURN(const std::optional<std::string> seq,
                   env_.store.Setting(kPublishedSeqSetting));
  uint64_t before = 0;
  if (!seq || !absl::SimpleAtoi(*seq, &before)) before = 0;
  marked.MarkPublished(before, env_.clock.Now());
  RETURN_IF_ERROR(env_.store.Transaction([&]() -> absl::Status {
    RETURN_IF_ERROR(env_.store.SetSetting(kPublishedPrekeySetting, record));
    RETURN_IF_ERROR(env_.store.SetSetting(
        kPublishedSeqSetting, absl::StrCat(marked.epochs().back().seq)));
    return SetSecret(env_.store, kPrekeysSetting, marked.Serialize());
  }));
  prekeys_ = std::move(marked);
  return absl::OkStatus();
}

void Messenger::FinishRecords(MailDone<Delivery> done,
                              absl::StatusOr<Delivery> result) {
  absl::StatusOr<std::vector<ReadTarget>> due = MailboxesToRenew();
  if (!result.ok() || !due.ok()) {
    FinishPublish(done, result.ok() ? due.status() : result.status());
    return;
  }
  RenewMailboxes(*std::move(due), [this, done = std::move(done),
                                   result = std::move(result)](
                                      const absl::Status& status) mutable {
    if (!status.ok()) result = status;
    KeepVault([this, done = std::move(done),
               result = std::move(result)](const absl::Status& kept) mutable {
      if (absl::IsDataLoss(kept)) result = kept;
      FinishPublish(done, std::move(result));
    });
  });
}

}  // namespace messenger::client
