// The commands about backups (client/SPEC.md, section 18).

#include <unistd.h>

#include <cstdio>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "client/backup/backup.h"
#include "client/backup/backup_key.h"
#include "client/cli/pin_source.h"
#include "client/cli/run.h"
#include "client/cli/terminal_text.h"

namespace messenger::client {
namespace {

constexpr size_t kMaxKeyBytes = 1024;

// What is wrong with a file, or the place for one.
Failure FileFailure(const absl::Status& status) {
  ExitCode code = ExitCode::kUsage;
  if (absl::IsNotFound(status) || absl::IsUnavailable(status)) {
    code = ExitCode::kNotFound;
  } else if (absl::IsResourceExhausted(status)) {
    code = ExitCode::kStorage;
  } else if (absl::IsInternal(status)) {
    code = ExitCode::kFailure;
  }
  return {code, Capitalized(
                    absl::StrCat(status.message(), "; nothing was changed."))};
}

}  // namespace

Run::Result Run::BackupCommand() {
  const std::string what = arguments_.word(1);
  const std::string path = arguments_.option("file");
  if ((what != "create" && what != "restore") || path.empty() ||
      arguments_.words().size() > 2) {
    return Failure{ExitCode::kUsage,
                   "Say what to do, and which file: session backup create "
                   "--file F, or session backup restore --file F."};
  }
  if (Result failure = NeedAccount()) return failure;
  return what == "create" ? BackupCreate(path) : BackupRestore(path);
}

Run::Result Run::BackupCreate(const std::string& path) {
  const BackupKey key = environment_.random.Secret<32>();
  const absl::StatusOr<BackupReport> report = CreateBackup(
      {*store_, *messenger_, environment_.clock, environment_.random}, path,
      key);
  if (absl::IsDataLoss(report.status())) {
    return StorageFailure(report.status(), folder_);
  }
  if (!report.ok()) return FileFailure(report.status());
  std::string text = BackupKeyText(key);
  absl::Cleanup wipe = [&text] { crypto::SecureWipe(text); };
  if (json_) {
    JsonWriter json;
    json.BeginObject().Key("backup_key").String(text);
    json.Key("contacts").Int(static_cast<int64_t>(report->contacts));
    json.Key("messages").Int(static_cast<int64_t>(report->messages));
    Print(std::move(json.EndObject()));
  } else {
    Print(absl::StrCat("Backup key: ", text));
  }
  if (!console_.Flushed()) {
    unlink(path.c_str());
    return Failure{ExitCode::kFailure,
                   "The key could not be shown, so the backup was removed."};
  }
  const absl::Status kept = messenger_->KeepBackupKey(key);
  if (!kept.ok()) return StorageFailure(kept, folder_);
  if (!json_) {
    std::fprintf(err_,
                 "%llu messages with %llu contacts are in the file. Write the "
                 "key down and keep it apart from the file: it is shown this "
                 "once, and nothing opens the file without it. The account "
                 "itself comes back with its 13 words, and with it the keys of "
                 "its five newest backups once the vault was saved (`session "
                 "account vault`).\n",
                 static_cast<unsigned long long>(report->messages),
                 static_cast<unsigned long long>(report->contacts));
  }
  return std::nullopt;
}

Run::Result Run::BackupRestore(const std::string& path) {
  const BackupAccount account = {*store_, *messenger_, environment_.clock,
                                 environment_.random};
  if (!arguments_.has("key-fd")) {
    const absl::StatusOr<std::vector<BackupKey>> kept =
        messenger_->BackupKeys();
    if (!kept.ok()) return StorageFailure(kept.status(), folder_);
    for (const BackupKey& key : *kept) {
      if (!absl::IsUnauthenticated(CheckBackup(account, path, key))) {
        return BackupRestoreWith(path, key);
      }
    }
  }
  absl::StatusOr<std::string> typed =
      arguments_.has("key-fd")
          ? ReadPin(arguments_, "key-fd", "", "")
          : console_.ReadInput(kMaxKeyBytes,
                               "Type the backup key, then Ctrl-D:\n");
  if (!typed.ok()) {
    return Failure{ExitCode::kUsage, Sentence(typed.status())};
  }
  const absl::StatusOr<BackupKey> key = ParseBackupKey(*typed);
  crypto::SecureWipe(*typed);
  if (!key.ok()) return Failure{ExitCode::kUsage, Sentence(key.status())};
  return BackupRestoreWith(path, *key);
}

Run::Result Run::BackupRestoreWith(const std::string& path,
                                   const BackupKey& key) {
  const BackupAccount account = {*store_, *messenger_, environment_.clock,
                                 environment_.random};
  const absl::Status good = CheckBackup(account, path, key);
  if (!good.ok()) return FileFailure(good);
  const absl::StatusOr<RestoreReport> report =
      RestoreBackup(account, path, key);
  if (!report.ok()) return StorageFailure(report.status(), folder_);
  if (json_) {
    JsonWriter json;
    json.BeginObject().Key("added").Int(static_cast<int64_t>(report->added));
    json.Key("present").Int(static_cast<int64_t>(report->present));
    Print(std::move(json.EndObject()));
  } else {
    Print(absl::StrCat("Messages restored: ", report->added,
                       "; already here, or removed here: ", report->present));
  }
  return std::nullopt;
}

}  // namespace messenger::client
