#include "client/messenger/testing/faulty_device.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "crypto/base/status_macros.h"
#include "crypto/identity/safety_number.h"
#include "routing/runtime/sqlite/database.h"

namespace messenger::client {
namespace {

using ::messenger::crypto::AccountKeys;

constexpr int kMaxTries = 6;
constexpr char kFile[] = "/messages.db";

// What a device may say when its disk fails. Anything else is a wrong answer.
bool IsOfTheDisk(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsResourceExhausted(status);
}

}  // namespace

// The network as a process sees it that can be dead.
class FaultyDevice::PoweredMail final : public MailService {
 public:
  explicit PoweredMail(FaultyDevice& device) : device_(device) {}

  void Store(const WriteTarget& target, std::string payload, absl::Time expiry,
             MailDone<Delivery> done) override {
    if (Dead(done)) return;
    device_.mail_.Store(target, std::move(payload), expiry, std::move(done));
  }
  void Register(const ReadTarget& target, MailDone<Delivery> done) override {
    if (Dead(done)) return;
    device_.mail_.Register(target, std::move(done));
  }
  void Retrieve(const ReadTarget& target, std::vector<CursorRow> cursors,
                MailDone<Retrieved> done) override {
    if (Dead(done)) return;
    device_.mail_.Retrieve(target, std::move(cursors), std::move(done));
  }
  void Wait(const ReadTarget& target, std::vector<CursorRow> cursors,
            absl::Duration timeout, MailDone<Retrieved> done) override {
    if (Dead(done)) return;
    device_.mail_.Wait(target, std::move(cursors), timeout, std::move(done));
  }
  void PutRecord(const std::string& mailbox,
                 swarm::MailboxNamespace mailbox_namespace,
                 std::shared_ptr<const crypto::Ed25519PrivateKey> owner,
                 MailRecord record, MailDone<Delivery> done) override {
    if (Dead(done)) return;
    device_.mail_.PutRecord(mailbox, mailbox_namespace, std::move(owner),
                            std::move(record), std::move(done));
  }
  void GetRecords(const std::string& mailbox,
                  swarm::MailboxNamespace mailbox_namespace,
                  MailDone<std::vector<MailRecord>> done) override {
    if (Dead(done)) return;
    device_.mail_.GetRecords(mailbox, mailbox_namespace, std::move(done));
  }

 private:
  // Answers as nobody would; only the dead process hears it.
  template <typename T>
  bool Dead(MailDone<T>& done) {
    if (device_.disk_.powered()) return false;
    device_.story_.executor.Run([done = std::move(done)]() mutable {
      done(absl::UnavailableError("the power is off"));
    });
    return true;
  }

  FaultyDevice& device_;
};

FaultyDevice::FaultyDevice(absl::string_view name, Story& story,
                           crypto::Random& disk_random,
                           const FaultyDevice* moved_from)
    : name_(name),
      story_(story),
      disk_(disk_random),
      mail_(story.network, story.executor, story.random),
      powered_mail_(std::make_unique<PoweredMail>(*this)),
      key_(story.random.Secret<32>()),
      account_(moved_from == nullptr
                   ? AccountKeys::Generate(story.random)
                   : AccountKeys::FromSeed(moved_from->account_->seed())),
      id_(account_->id()),
      restored_(moved_from != nullptr) {}

FaultyDevice::FaultyDevice(AwaitsLink, absl::string_view name, Story& story,
                           crypto::Random& disk_random)
    : name_(name),
      story_(story),
      disk_(disk_random),
      mail_(story.network, story.executor, story.random),
      powered_mail_(std::make_unique<PoweredMail>(*this)),
      key_(story.random.Secret<32>()),
      id_(AccountKeys::Generate(story.random).id()),  // until it is on
      restored_(false) {}

FaultyDevice::~FaultyDevice() { Close(); }

template <typename T, typename Begin>
absl::StatusOr<T> FaultyDevice::Await(Begin begin) {
  std::optional<absl::StatusOr<T>> result;
  begin([&](absl::StatusOr<T> outcome) { result = std::move(outcome); });
  story_.executor.RunUntilIdle();
  if (!result) return absl::InternalError("no answer");
  return *std::move(result);
}

void FaultyDevice::Close() {
  messenger_.reset();
  store_.reset();
}

absl::Status FaultyDevice::Open() {
  Close();
  ASSIGN_OR_RETURN(store_,
                   ClientStore::Open("", key_, story_.random, disk_.name()));
  const Messenger::Environment environment = {
      *store_,       *powered_mail_, story_.clock,
      story_.random, nullptr,        /*confirms_shown=*/true};
  absl::StatusOr<std::unique_ptr<Messenger>> messenger =
      Messenger::Open(environment);
  if (absl::IsNotFound(messenger.status())) {
    RETURN_IF_ERROR(account_ ? Messenger::CreateAccount(
                                   *store_, *account_, restored_, name_,
                                   story_.clock.Now(), story_.random)
                             : Messenger::CreateForLink(
                                   *store_, story_.clock.Now(), story_.random));
    messenger = Messenger::Open(environment);
  }
  RETURN_IF_ERROR(messenger.status());
  messenger_ = *std::move(messenger);
  id_ = messenger_->account_id();
  linked_ = messenger_->account_keys() == nullptr;
  return absl::OkStatus();
}

void FaultyDevice::Do(absl::string_view what,
                      absl::FunctionRef<absl::Status()> act) {
  ++story_.steps;
  story_.clock.Advance(absl::Seconds(1));
  if (on_step_) on_step_();
  absl::Status status;
  for (int tries = 0; tries < kMaxTries; ++tries) {
    status = messenger_ == nullptr ? Open() : absl::OkStatus();
    if (status.ok()) status = act();
    if (status.ok() && disk_.powered()) return;
    if (!status.ok() && !IsOfTheDisk(status)) break;
    if (!disk_.powered()) {
      Close();
      disk_.Restart();
    }
    if (on_failure_) on_failure_();
  }
  story_.Fail(absl::StrCat(
      "stuck: ", name_, ", ", what, ": ",
      status.ToString(absl::StatusToStringMode::kWithNoExtraData)));
}

void FaultyDevice::Start() {
  Do("start", [] { return absl::OkStatus(); });
}

void FaultyDevice::Restart() {
  bool closed = false;
  Do("restart", [&] {
    if (closed) return absl::OkStatus();
    closed = true;
    Close();
    return Open();
  });
}

void FaultyDevice::Publish() {
  Do("publish", [&]() -> absl::Status {
    RETURN_IF_ERROR(Await<Delivery>([&](auto done) {
                      messenger_->Publish(std::move(done));
                    }).status());
    for (const OwnDevice& device : messenger_->Devices()) {
      if (device.is_this) device_id_ = std::string(device.id.bytes());
    }
    return absl::OkStatus();
  });
}

void FaultyDevice::Add(const FaultyDevice& other, absl::string_view name) {
  Do("add", [&] { return messenger_->AddContact(other.id(), name); });
}

void FaultyDevice::Queue(const FaultyDevice& to, absl::string_view text) {
  Do("queue", [&]() -> absl::Status {
    ASSIGN_OR_RETURN(const std::vector<Message> newest,
                     store_->Messages(to.id(), 3));
    for (const Message& message : newest) {
      if (message.outgoing && message.text == text) return absl::OkStatus();
    }
    return messenger_->Queue(to.id(), text).status();
  });
}

absl::Status FaultyDevice::FlushOnce(bool all) {
  ASSIGN_OR_RETURN(const FlushReport report, Await<FlushReport>([&](auto done) {
                     messenger_->Flush(/*force=*/true, std::move(done));
                   }));
  return report.waiting == 0 || !all
             ? absl::OkStatus()
             : absl::UnavailableError("something waits still");
}

void FaultyDevice::Flush() {
  Do("flush", [&] { return FlushOnce(/*all=*/true); });
}

void FaultyDevice::TryToFlush() {
  Do("flush", [&] { return FlushOnce(/*all=*/false); });
}

absl::Status FaultyDevice::ReceiveOnce() {
  ASSIGN_OR_RETURN(const ReceiveReport report,
                   Await<ReceiveReport>([&](auto done) {
                     messenger_->Receive(std::move(done));
                   }));
  // The process has ended before it could show anything.
  if (!disk_.powered()) return absl::UnavailableError("the power is off");
  // What a restored account finds at first was sealed for another device.
  const bool expected = expects_unreadable_ || (restored_ && !has_read_);
  has_read_ = true;
  // The database is another account's now.
  if (messenger_->became_linked()) return Open();
  unreadable_ += report.unreadable;
  if (report.unreadable > 0 && !expected) {
    story_.Fail(absl::StrCat("unreadable: by ", name_));
  }
  for (const Message& message : report.messages) {
    if (message.kind != MessageKind::kText) continue;
    if (!shown_.insert(message.text).second &&
        !unconfirmed_.contains(message.text)) {
      story_.Fail(absl::StrCat("doubled: shown to ", name_, ": ",
                               message.text.substr(0, 20)));
    }
    unconfirmed_.insert(message.text);
  }
  RETURN_IF_ERROR(messenger_->ConfirmShown(report.messages));
  unconfirmed_.clear();
  return report.changed_devices.empty()
             ? absl::OkStatus()
             : messenger_->ConfirmDevices(report.changed_devices);
}

void FaultyDevice::Read() {
  Do("receive", [&] { return ReceiveOnce(); });
  Flush();
}

absl::StatusOr<std::optional<Contact>> FaultyDevice::Find(
    const FaultyDevice& other) {
  return store_->FindContact(other.id());
}

void FaultyDevice::Accept(const FaultyDevice& from) {
  Do("accept", [&]() -> absl::Status {
    ASSIGN_OR_RETURN(const std::optional<Contact> contact, Find(from));
    if (contact && contact->standing == Standing::kContact) {
      return absl::OkStatus();
    }
    return messenger_->AcceptRequest(from.id());
  });
}

void FaultyDevice::Decline(const FaultyDevice& from) {
  Do("decline", [&]() -> absl::Status {
    ASSIGN_OR_RETURN(const std::optional<Contact> contact, Find(from));
    if (contact && contact->standing == Standing::kDeclined) {
      return absl::OkStatus();
    }
    return messenger_->DeclineRequest(from.id());
  });
}

void FaultyDevice::Block(const FaultyDevice& other) {
  Do("block", [&] { return messenger_->Block(other.id()); });
}

void FaultyDevice::Unblock(const FaultyDevice& other) {
  Do("unblock", [&]() -> absl::Status {
    ASSIGN_OR_RETURN(const std::optional<Contact> contact, Find(other));
    if (contact && contact->standing == Standing::kContact) {
      return absl::OkStatus();
    }
    return messenger_->Unblock(other.id());
  });
}

void FaultyDevice::Verify(const FaultyDevice& other) {
  Do("verify", [&] {
    return messenger_->Verify(other.id(),
                              crypto::SafetyNumber(other.id(), id()));
  });
}

void FaultyDevice::Unverify(const FaultyDevice& other) {
  Do("unverify", [&]() -> absl::Status {
    ASSIGN_OR_RETURN(const std::optional<Contact> contact, Find(other));
    if (contact && !contact->verified) return absl::OkStatus();
    return messenger_->Unverify(other.id());
  });
}

void FaultyDevice::Rename(absl::string_view name) {
  Do("rename", [&] { return messenger_->SetName(name); });
}

void FaultyDevice::OfferLink(const FaultyDevice& fresh) {
  Do("offer a link", [&] { return messenger_->OfferLink(fresh.id()); });
}

std::string FaultyDevice::LinkDigits() {
  std::string digits;
  Do("show digits", [&]() -> absl::Status {
    ASSIGN_OR_RETURN(digits, messenger_->LinkDigits());
    return absl::OkStatus();
  });
  return digits;
}

void FaultyDevice::ConfirmLink(absl::string_view digits) {
  std::optional<size_t> before;
  Do("confirm a link", [&]() -> absl::Status {
    const size_t devices = messenger_->Devices().size();
    if (!before) before = devices;
    return devices > *before ? absl::OkStatus()
                             : messenger_->ConfirmLink(digits);
  });
}

void FaultyDevice::Unlink(const FaultyDevice& linked) {
  Do("unlink", [&]() -> absl::Status {
    for (const OwnDevice& device : messenger_->Devices()) {
      if (device.id.bytes() != linked.device_id_) continue;
      return messenger_->UnlinkDevice(device.id);
    }
    return absl::OkStatus();
  });
}

void FaultyDevice::LearnOfUnlinking() {
  Do("learn of it", [&]() -> absl::Status {
    const absl::Status told = Await<Delivery>([&](auto done) {
                                messenger_->Publish(std::move(done));
                              }).status();
    if (absl::IsFailedPrecondition(told)) {
      unlinked_ = true;
      return absl::OkStatus();
    }
    if (told.ok()) story_.Fail("stuck: it does not know");
    return told;
  });
}

std::vector<Message> FaultyDevice::HistoryWith(const FaultyDevice& other) {
  std::vector<Message> history;
  Do("history", [&]() -> absl::Status {
    ASSIGN_OR_RETURN(history, store_->Messages(other.id(), 1'000'000));
    return absl::OkStatus();
  });
  return history;
}

void FaultyDevice::CheckWhatIsLeft() {
  Do("outbox", [&]() -> absl::Status {
    ASSIGN_OR_RETURN(const std::vector<OutboxItem> outbox, store_->Outbox());
    ASSIGN_OR_RETURN(const int64_t quarantined, store_->QuarantinedCount());
    if (!outbox.empty() && !unlinked_) {
      story_.Fail(absl::StrCat("lost: in the outbox of ", name_));
    }
    if (quarantined != std::min<int64_t>(unreadable_, kMaxQuarantined)) {
      story_.Fail(absl::StrCat("unreadable: kept aside by ", name_));
    }
    return absl::OkStatus();
  });
  Close();
  sqlite::Database::Options options;
  options.key = &key_;
  options.vfs = disk_.name();
  const auto check = [&]() -> absl::Status {
    ASSIGN_OR_RETURN(const std::unique_ptr<sqlite::Database> database,
                     sqlite::Database::Open(kFile, options));
    ASSIGN_OR_RETURN(sqlite::Statement * report,
                     database->Prepared("PRAGMA integrity_check"));
    ASSIGN_OR_RETURN(const bool row, report->Step());
    return row && report->Text(0) == "ok"
               ? absl::OkStatus()
               : absl::DataLossError("integrity_check");
  };
  const absl::Status sound = check();
  if (!sound.ok()) {
    story_.Fail(
        absl::StrCat("damaged: the file of ", name_, ": ", sound.message()));
  }
  Start();
}

}  // namespace messenger::client
