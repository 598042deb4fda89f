#include "client/backup/backup.h"

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <utility>
#include <variant>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/strings/str_cat.h"
#include "client/backup/backup_record.h"
#include "client/backup/sealed_file.h"
#include "client/session/identity_record.h"
#include "crypto/base/bytes.h"
#include "crypto/base/status_macros.h"
#include "crypto/identity/account_id.h"

namespace messenger::client {
namespace {

using ::messenger::crypto::AccountId;

constexpr int kMessagesAtOnce = 64;
constexpr size_t kLengthBytes = 4;

bool IsKept(Standing standing) {
  return standing == Standing::kContact || standing == Standing::kBlocked;
}

bool IsToBeSeen(const Message& message) {
  return message.removal <= Removal::kUnsent;
}

// Zero is the longest: it never vanishes.
bool IsShorter(absl::Duration a, absl::Duration b) {
  return a > absl::ZeroDuration() && (b == absl::ZeroDuration() || a < b);
}

// ----------------------------------------------------------------- writing --

absl::Status Append(SealedFileWriter& file, const BackupRecord& record) {
  const std::string bytes = EncodeRecord(record);
  // Rather no backup than one that nobody can restore.
  if (!DecodeRecord(bytes).ok()) {
    return absl::InternalError("something stored is not as it should be");
  }
  return file.Append(crypto::ByteWriter().Var32(bytes).Take());
}

absl::Status AppendMessages(ClientStore& store, SealedFileWriter& file,
                            BackupReport& report, BackupEnd& end) {
  int64_t last = 0;
  while (true) {
    ASSIGN_OR_RETURN(const std::vector<Message> page,
                     store.MessagesToKeep(last, kMessagesAtOnce));
    if (page.empty()) return absl::OkStatus();
    for (const Message& message : page) {
      ASSIGN_OR_RETURN(std::vector<ReactionRow> reactions,
                       store.Reactions(message));
      RETURN_IF_ERROR(Append(file, KeptMessage{message, std::move(reactions)}));
      ++end.messages;
      if (IsToBeSeen(message)) ++report.messages;
    }
    last = page.back().row;
  }
}

// ----------------------------------------------------------------- reading --

absl::Status Damaged() { return absl::DataLossError("the file is damaged"); }

// All records of a file in their order, the first checked and the last left
// out.
absl::Status ReadRecords(
    const std::string& path, const BackupKey& key, const AccountId& account,
    absl::FunctionRef<absl::Status(const BackupRecord&)> take) {
  ASSIGN_OR_RETURN(const std::unique_ptr<SealedFileReader> file,
                   SealedFileReader::Open(path, key));
  BackupEnd seen;
  std::optional<size_t> type;
  while (true) {
    ASSIGN_OR_RETURN(const std::string length, file->Read(kLengthBytes));
    const uint32_t bytes = crypto::ByteReader(length).U32();
    if (bytes == 0 || bytes > kMaxRecordBytes) return Damaged();
    ASSIGN_OR_RETURN(const std::string encoded, file->Read(bytes));
    const absl::StatusOr<BackupRecord> record = DecodeRecord(encoded);
    if (!record.ok()) return Damaged();
    const auto* head = std::get_if<BackupHead>(&*record);
    // The head is first, and only there; the types rise.
    if ((head != nullptr) != !type.has_value()) return Damaged();
    if (type && record->index() < *type) return Damaged();
    type = record->index();
    if (head != nullptr && head->account != account) {
      return absl::PermissionDeniedError("the backup is of another account");
    }
    if (std::holds_alternative<KeptContact>(*record)) ++seen.contacts;
    if (std::holds_alternative<KeptMessage>(*record)) ++seen.messages;
    if (const auto* end = std::get_if<BackupEnd>(&*record)) {
      if (end->contacts != seen.contacts || end->messages != seen.messages) {
        return Damaged();
      }
      return file->Finish();
    }
    RETURN_IF_ERROR(take(*record));
  }
}

// --------------------------------------------------------------- restoring --

// Inside a transaction.
class Restoring {
 public:
  explicit Restoring(const BackupAccount& account)
      : store_(account.store),
        messenger_(account.messenger),
        now_(account.clock.Now()) {}

  absl::Status Take(const BackupRecord& record) {
    return std::visit([this](const auto& one) { return TakeOne(one); }, record);
  }

  absl::Status Finish() {
    return last_here_ ? messenger_.PlaceRestored(*last_here_)
                      : absl::OkStatus();
  }

  const RestoreReport& report() const { return report_; }

 private:
  absl::Status TakeOne(const BackupHead& head) {
    created_ = head.created;
    return absl::OkStatus();
  }

  absl::Status TakeOne(const StateEntry& value) {
    ASSIGN_OR_RETURN(const bool newer, messenger_.TakeValue(value));
    if (newer) newer_values_.insert(value.name);
    return absl::OkStatus();
  }

  absl::Status TakeOne(const KeptContact& kept);
  absl::Status TakeOne(const KeptMessage& kept);
  absl::Status TakeOne(const BackupEnd&) { return absl::OkStatus(); }

  // Of the person, by what is decided here.
  absl::StatusOr<bool> IsWanted(const AccountId& conversation);
  Message AsOfNow(const Message& kept) const;

  ClientStore& store_;
  Messenger& messenger_;
  const absl::Time now_;
  absl::Time created_;
  std::set<std::string> newer_values_;  // by name
  std::map<AccountId, bool> wanted_;
  // The row of the last message before the first of the file. Not known
  // earlier: what was a request moves when it becomes a conversation.
  std::optional<int64_t> last_here_;
  RestoreReport report_;
};

absl::Status Restoring::TakeOne(const KeptContact& kept) {
  const Contact& from = kept.contact;
  ASSIGN_OR_RETURN(std::optional<Contact> here,
                   store_.FindContact(from.account));
  if (!here || !IsKept(here->standing)) return absl::OkStatus();
  if (here->profile_name.empty()) here->profile_name = from.profile_name;
  here->added = std::min(here->added, from.added);
  if (from.timer_revision > here->timer_revision ||
      (from.timer_revision == here->timer_revision &&
       IsShorter(from.timer, here->timer))) {
    here->timer = from.timer;
    here->timer_revision = from.timer_revision;
  }
  ASSIGN_OR_RETURN(const std::vector<Message> said,
                   store_.Messages(from.account, 1));
  if (said.empty() && here->draft.empty()) here->draft = from.draft;
  if (here->identity_record.empty()) {
    here->identity_record = from.identity_record;
  } else if (here->verified && !from.identity_record.empty() &&
             newer_values_.count(absl::StrCat("contact/", from.account.ToHex(),
                                              "/verified")) > 0) {
    // What the person compared then are not the devices known here.
    const auto pinned = IdentityRecord::Verify(here->identity_record);
    const auto compared = IdentityRecord::Verify(from.identity_record);
    here->devices_changed = !pinned.ok() || !compared.ok() ||
                            pinned->devices() != compared->devices();
  }
  return store_.PutContact(*here);
}

absl::StatusOr<bool> Restoring::IsWanted(const AccountId& conversation) {
  const auto known = wanted_.find(conversation);
  if (known != wanted_.end()) return known->second;
  ASSIGN_OR_RETURN(const std::optional<Contact> contact,
                   store_.FindContact(conversation));
  const bool wanted = contact && IsKept(contact->standing);
  wanted_.emplace(conversation, wanted);
  return wanted;
}

Message Restoring::AsOfNow(const Message& kept) const {
  Message message = kept;
  const bool has_words =
      message.kind == MessageKind::kText && message.removal == Removal::kNone;
  if (has_words && message.timer > absl::ZeroDuration() && !message.vanishes) {
    // Lying in a file prolongs nothing.
    message.vanishes = created_ + message.timer;
  }
  if (has_words && message.vanishes && *message.vanishes <= now_) {
    message.removal = Removal::kVanished;
    message.text.clear();
    message.detail.clear();
    message.reply_to.reset();
    message.edited.reset();
    message.vanishes.reset();
  } else if (message.outgoing &&
             (message.state == MessageState::kQueued ||
              message.state == MessageState::kWaitingForKey)) {
    message.state = MessageState::kFailed;
    message.detail =
        "it had not been sent when the backup was made; if it was later, "
        "nothing here knows";
  }
  return message;
}

absl::Status Restoring::TakeOne(const KeptMessage& kept) {
  ASSIGN_OR_RETURN(const bool wanted, IsWanted(kept.message.conversation));
  if (!wanted) return absl::OkStatus();
  if (!last_here_) {
    ASSIGN_OR_RETURN(last_here_, store_.LastMessageRow());
  }
  const Message message = AsOfNow(kept.message);
  ASSIGN_OR_RETURN(const bool added, store_.AddRestored(message));
  if (IsToBeSeen(message)) ++(added ? report_.added : report_.present);
  if (!added || message.removal != Removal::kNone) return absl::OkStatus();
  for (const ReactionRow& reaction : kept.reactions) {
    RETURN_IF_ERROR(store_
                        .PutReaction(message.conversation,
                                     {message.outgoing, message.message_id},
                                     reaction)
                        .status());
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<BackupReport> CreateBackup(const BackupAccount& account,
                                          const std::string& path,
                                          const BackupKey& key) {
  ASSIGN_OR_RETURN(const std::unique_ptr<SealedFileWriter> file,
                   SealedFileWriter::Create(path, key, account.random));
  RETURN_IF_ERROR(Append(
      *file, BackupHead{account.messenger.account_id(), account.clock.Now()}));
  ASSIGN_OR_RETURN(const std::vector<StateEntry> values,
                   account.messenger.ValuesToKeep(absl::UnixEpoch()));
  for (const StateEntry& value : values) {
    RETURN_IF_ERROR(Append(*file, value));
  }
  BackupReport report;
  BackupEnd end;
  ASSIGN_OR_RETURN(std::vector<Contact> contacts, account.store.Contacts());
  for (Contact& contact : contacts) {
    if (!IsKept(contact.standing)) continue;
    RETURN_IF_ERROR(Append(*file, KeptContact{std::move(contact)}));
    ++end.contacts;
  }
  report.contacts = end.contacts;
  RETURN_IF_ERROR(AppendMessages(account.store, *file, report, end));
  RETURN_IF_ERROR(Append(*file, end));
  RETURN_IF_ERROR(file->Finish());
  return report;
}

absl::Status CheckBackup(const BackupAccount& account, const std::string& path,
                         const BackupKey& key) {
  return ReadRecords(path, key, account.messenger.account_id(),
                     [](const BackupRecord&) { return absl::OkStatus(); });
}

absl::StatusOr<RestoreReport> RestoreBackup(const BackupAccount& account,
                                            const std::string& path,
                                            const BackupKey& key) {
  // Most of what can go wrong then does so before anything has changed.
  RETURN_IF_ERROR(CheckBackup(account, path, key));
  Restoring restoring(account);
  RETURN_IF_ERROR(account.store.Transaction([&]() -> absl::Status {
    RETURN_IF_ERROR(account.messenger.DateValues());
    RETURN_IF_ERROR(ReadRecords(
        path, key, account.messenger.account_id(),
        [&](const BackupRecord& record) { return restoring.Take(record); }));
    return restoring.Finish();
  }));
  return restoring.report();
}

}  // namespace messenger::client
