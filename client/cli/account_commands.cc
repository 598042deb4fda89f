// The commands about the own account.

#include <sys/stat.h>

#include <algorithm>
#include <cstdio>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "client/cli/pin_source.h"
#include "client/cli/run.h"
#include "client/cli/terminal_text.h"
#include "crypto/base/status_macros.h"
#include "crypto/identity/account_keys.h"
#include "crypto/identity/recovery_phrase.h"
#include "routing/runtime/files.h"

namespace messenger::client {
namespace {

using ::messenger::crypto::AccountKeys;

constexpr size_t kMaxPhraseBytes = 1024;

Failure DeviceSecretExists() {
  return {ExitCode::kUsage,
          "There is a device secret already where this one would be, perhaps "
          "of another "
          "account; nothing was changed. Say another one with "
          "--device-secret-file."};
}

// In the account's own database, where nobody reads it without the first PIN.
constexpr char kSecondPinSetting[] = "pin/second";

constexpr char kDuressWords[] =
    R"(This PIN erases. Whoever types it where the other one is asked for destroys,
at once and without a question, the key of everything that is here, and
finds a new, empty account.
- It does not hide that: an account that is empty, and files as new as it,
  tell what has happened.
- It does not reach copies that were made before (backups, an image of the
  disk with the device secret), your other devices, or what contacts and the
  network know of the account. Your 13 words still restore the account, without
  what was said.
- In some places destroying what somebody has a right to see is itself a crime.
)";

const char* NameOfPlace(DeviceSecretKind kind) {
  return kind == DeviceSecretKind::kFile ? "file" : "secret-service";
}

const char* WordsForPlace(DeviceSecretKind kind) {
  return kind == DeviceSecretKind::kFile ? "a file" : "the Secret Service";
}

}  // namespace

Run::Result Run::Account() {
  const std::string what = arguments_.word(1);
  if (what == "create") return AccountCreate(/*restore=*/false);
  if (what == "restore") return AccountCreate(/*restore=*/true);
  if (what == "show") return AccountShow();
  if (what == "pin") return AccountPin();
  if (what == "vault") return AccountVault();
  if (what == "link") return AccountLink();
  return Failure{
      ExitCode::kUsage,
      "Say what to do with the account: create, restore, link, show, "
      "vault or pin."};
}

// A folder with a keyslot and an empty database.
Run::Result Run::MakeStore() {
  // 0700: other users of the machine have no business here. Parents as usual.
  for (size_t slash = folder_.find('/', 1); slash != std::string::npos;
       slash = folder_.find('/', slash + 1)) {
    mkdir(folder_.substr(0, slash).c_str(), 0777);
  }
  if (mkdir(folder_.c_str(), 0700) != 0 && errno != EEXIST) {
    return Failure{ExitCode::kStorage,
                   absl::StrCat("The folder ", folder_,
                                " cannot be made: ", strerror(errno), ".")};
  }
  if (Result failure = LockFolder()) return failure;
  if (Result failure = ChooseDeviceSecret()) return failure;
  PinPolicy policy;
  if (Result failure = ReadPinPolicy(&policy)) return failure;
  std::optional<std::string> pin;
  absl::Cleanup wipe = [&pin] {
    if (pin) crypto::SecureWipe(*pin);
  };
  if (arguments_.has("pin") || arguments_.has("pin-fd") ||
      getenv("SESSION_PIN_FILE") != nullptr) {
    absl::StatusOr<std::string> read =
        ReadNewPin(arguments_, "pin-fd", "SESSION_PIN_FILE");
    if (!read.ok()) {
      return Failure{ExitCode::kPin,
                     Capitalized(absl::StrCat(read.status().message(), "."))};
    }
    pin = *std::move(read);
  }
  const absl::StatusOr<DatabaseKey> key = CreateKeyslot(
      folder_, pin ? std::optional<absl::string_view>(*pin) : std::nullopt,
      policy, Places(), environment_.random);
  if (absl::IsAlreadyExists(key.status()) &&
      absl::IsNotFound(ReadKeyslotState(folder_).status())) {
    return DeviceSecretExists();
  }
  if (absl::IsAlreadyExists(key.status())) {
    return Failure{ExitCode::kUsage,
                   absl::StrCat("There is an account in ", folder_,
                                " already; nothing was changed.")};
  }
  if (!key.ok()) return PinFailure(key.status(), folder_);
  absl::StatusOr<std::unique_ptr<ClientStore>> store =
      ClientStore::Open(folder_, *key);
  if (!store.ok()) return StorageFailure(store.status(), folder_);
  store_ = *std::move(store);
  return std::nullopt;
}

Run::Result Run::AccountCreate(bool restore) {
  const std::string name = arguments_.option("name");
  const absl::Status name_check = CheckProfileName(name);
  if (!name_check.ok()) {
    return Failure{ExitCode::kUsage,
                   Capitalized(absl::StrCat(name_check.message(), "."))};
  }
  std::optional<AccountKeys> account;
  if (restore) {
    absl::StatusOr<std::string> phrase = console_.ReadInput(
        kMaxPhraseBytes, "Type the 13 words, then Ctrl-D:\n");
    if (!phrase.ok()) {
      return Failure{ExitCode::kUsage,
                     Capitalized(absl::StrCat(phrase.status().message(), "."))};
    }
    const absl::StatusOr<crypto::AccountSeed> seed =
        crypto::DecodeRecoveryPhrase(*phrase);
    crypto::SecureWipe(*phrase);
    if (!seed.ok()) {
      return Failure{
          ExitCode::kUsage,
          absl::StrCat("The recovery phrase is wrong: ",
                       SafeForTerminal(seed.status().message(), false), ".")};
    }
    account = AccountKeys::FromSeed(*seed);
  } else {
    account = AccountKeys::Generate(environment_.random);
  }

  if (Result failure = MakeStore()) return failure;
  const absl::Status created =
      Messenger::CreateAccount(*store_, *account, restore, name,
                               environment_.clock.Now(), environment_.random);
  if (!created.ok()) return StorageFailure(created, folder_);

  // The account is there, whatever the network does.
  std::string phrase = crypto::EncodeRecoveryPhrase(account->seed());
  absl::Cleanup wipe_phrase = [&phrase] { crypto::SecureWipe(phrase); };
  if (json_ && !restore) {
    JsonWriter json;
    json.BeginObject().Key("account_id").String(account->id().ToHex());
    json.Key("recovery_phrase").String(phrase);
    Print(std::move(json.EndObject()));
  } else if (!json_) {
    Print(absl::StrCat("Account id: ", account->id().ToHex()));
    if (!restore) {
      Print(absl::StrCat("Recovery phrase: ", phrase));
      std::fprintf(err_,
                   "Write the 13 words down and keep them secret: they are the "
                   "only way to restore the account.\n");
    }
  }
  Result failure;
  if (arguments_.has("network-file") || !console_.network_file().empty()) {
    // Others can write to it once its keys are in its swarm.
    failure = Connect();
    if (failure && failure->code == ExitCode::kNetwork) {
      std::fprintf(
          err_,
          "%s Nobody can write to the account before its keys are "
          "published; the next command that uses the network does it.\n",
          failure->sentence.c_str());
      failure.reset();
    } else if (!failure) {
      failure = Publish();
    }
  }
  if (restore) PrintRestored(account->id());
  return failure;
}

void Run::PrintRestored(const AccountId& account) {
  const RestoredVaults got = restored_.value_or(RestoredVaults());
  const bool later = !restored_ || got.unread > 0;
  if (json_) {
    JsonWriter json;
    json.BeginObject().Key("account_id").String(account.ToHex());
    json.Key("vault").String(later ? "later"
                                   : (got.found > 0 ? "restored" : "none"));
    json.Key("contacts").Int(got.contacts).Key("blocked").Int(got.blocked);
    Print(std::move(json.EndObject()));
    return;
  }
  if (got.found > 0) {
    Print(absl::StrCat("Back from the vault: ", got.contacts, " contacts, ",
                       got.blocked,
                       " blocked accounts, your name and settings"));
  }
  if (later) {
    Print(absl::StrCat(
        got.found > 0 ? "Another vault of this account" : "The vault",
        " could not be read yet, so people may be missing, also those you have "
        "blocked; commands that use the network try again by themselves."));
  } else if (got.found == 0) {
    Print(
        "No contacts: there is no vault of this account. It is gone when no "
        "device was online for 60 days, and older programs made none. Add "
        "people again, or restore a backup.");
  }
  Print(
      "No messages: those come from a backup (`session backup restore`). "
      "People you write to are told that your devices have changed.");
}

Run::Result Run::AccountVault() {
  const std::string what = arguments_.word(2);
  if ((!what.empty() && what != "save") || arguments_.words().size() > 3) {
    return Failure{ExitCode::kUsage,
                   "Say nothing more to see the state of the vault, or save."};
  }
  if (Result failure = what == "save" ? NeedNetwork() : NeedAccount()) {
    return failure;
  }
  const absl::StatusOr<VaultState> before = messenger_->Vault();
  if (absl::IsFailedPrecondition(before.status())) {
    return Failure{ExitCode::kUsage, Sentence(before.status())};
  }
  if (!before.ok()) return StorageFailure(before.status(), folder_);
  if (what == "save") {
    waiter_.RunUntil([this] { return !messenger_->publishing(); },
                     kCommandLimit);
    const absl::Status saved = Await<Delivery>([&](auto done) {
                                 messenger_->SaveVault(std::move(done));
                               }).status();
    if (absl::IsDataLoss(saved)) return StorageFailure(saved, folder_);
    if (!saved.ok()) {
      return Failure{
          ExitCode::kNetwork,
          absl::StrCat("The vault could not be saved: ", saved.message(),
                       ". Commands that use the network try again some "
                       "minutes later; until then what has changed would not "
                       "come back with the 13 words.")};
    }
  }
  const absl::StatusOr<VaultState> state = messenger_->Vault();
  if (!state.ok()) return StorageFailure(state.status(), folder_);
  if (json_) {
    JsonWriter json;
    json.BeginObject().Key("contacts").Int(state->contacts);
    json.Key("left_out").Int(state->left_out);
    json.Key("pending").Bool(state->pending);
    if (state->saved)
      json.Key("saved_ms").Int(absl::ToUnixMillis(*state->saved));
    json.Key("unread").Int(state->unread);
    Print(std::move(json.EndObject()));
    return std::nullopt;
  }
  Print(absl::StrCat(
      "Vault: ", state->contacts, " contacts and blocked accounts, saved ",
      state->saved ? TerminalTime(*state->saved) : std::string("never")));
  if (state->pending) {
    Print(
        "Something has changed since; it is saved some minutes later, or "
        "with `session account vault save`");
  }
  if (state->left_out > 0) {
    Print(absl::StrCat("No room: ", state->left_out,
                       " contacts would not come back; a backup has all"));
  }
  if (state->unread > 0) {
    Print(absl::StrCat("Not read yet: ", state->unread,
                       " vaults of devices that you had before"));
  }
  return std::nullopt;
}

Run::Result Run::AccountShow() {
  if (Result failure = NeedAccount()) return failure;
  const std::string id = messenger_->account_id().ToHex();
  const crypto::AccountKeys* keys = messenger_->account_keys();
  if (arguments_.has("phrase") && keys == nullptr) {
    return Failure{ExitCode::kUsage,
                   "This is a linked device: only the account's first device "
                   "has the 13 words."};
  }
  std::string phrase = arguments_.has("phrase")
                           ? crypto::EncodeRecoveryPhrase(keys->seed())
                           : std::string();
  absl::Cleanup wipe = [&phrase] { crypto::SecureWipe(phrase); };
  if (json_) {
    JsonWriter json;
    json.BeginObject().Key("account_id").String(id);
    json.Key("name").String(messenger_->name());
    json.Key("published").Bool(messenger_->published());
    if (!phrase.empty()) json.Key("recovery_phrase").String(phrase);
    Print(std::move(json.EndObject()));
    return std::nullopt;
  }
  Print(absl::StrCat("Account id: ", id));
  if (arguments_.has("qr")) {
    PrintQr(ContactLink(messenger_->account_id()).ToText());
  }
  Print(
      absl::StrCat("Name: ", messenger_->name().empty()
                                 ? "(none)"
                                 : SafeForTerminal(messenger_->name(), false)));
  Print(messenger_->published()
            ? "Keys: published, others can write to you"
            : "Keys: to be published with the next command that uses the "
              "network");
  if (!phrase.empty()) Print(absl::StrCat("Recovery phrase: ", phrase));
  return std::nullopt;
}

Run::Result Run::AccountPin() {
  const std::string what = arguments_.word(2);
  if (what == "status") return AccountPinStatus();
  if (what == "duress") return AccountPinDuress();
  if (what == "move") return AccountPinMove();
  if (!what.empty() && what != "remove") {
    return Failure{ExitCode::kUsage,
                   "Say what to do with the PIN: nothing more to set or change "
                   "it, remove, status, duress or move."};
  }
  const bool remove = what == "remove";
  if (Result failure = OpenStore()) return failure;
  PinPolicy policy;
  if (Result failure = ReadPinPolicy(&policy)) return failure;
  const absl::StatusOr<std::optional<std::string>> had_second =
      store_->Setting(kSecondPinSetting);
  if (!had_second.ok()) return StorageFailure(had_second.status(), folder_);
  std::optional<std::string> new_pin;
  std::optional<std::string> second_pin;
  absl::Cleanup wipe = [&] {
    if (new_pin) crypto::SecureWipe(*new_pin);
    if (second_pin) crypto::SecureWipe(*second_pin);
  };
  if (!remove) {
    if (Result failure = AskNewPin("New PIN", &new_pin)) return failure;
    if (*had_second) {
      absl::StatusOr<std::string> read =
          ReadPin(arguments_, "duress-pin-fd", "",
                  "The PIN that erases, so that it stays in force (nothing: it "
                  "goes): ");
      if (!read.ok()) {
        return Failure{
            ExitCode::kPin,
            "There is a PIN that erases too. Give it with --duress-pin-fd, so "
            "that it stays in force, or an empty line, so that it goes; "
            "nothing was changed."};
      }
      second_pin = *std::move(read);
      if (!second_pin->empty()) policy.second_pin = *second_pin;
    }
  }
  const absl::Status changed = ChangeKeyslotPin(
      folder_, pin_ ? std::optional<absl::string_view>(*pin_) : std::nullopt,
      new_pin ? std::optional<absl::string_view>(*new_pin) : std::nullopt,
      policy, Places(), environment_.clock, environment_.random);
  if (absl::IsAlreadyExists(changed)) return DeviceSecretExists();
  if (!changed.ok()) return PinFailure(changed, folder_);
  const bool second_gone = *had_second && !policy.second_pin;
  if (second_gone) {
    const absl::Status forgotten = store_->DeleteSetting(kSecondPinSetting);
    if (!forgotten.ok()) return StorageFailure(forgotten, folder_);
  }
  if (!remove && arguments_.has("device-secret")) {
    const absl::Status moved =
        MoveDeviceSecret(folder_, policy.device_secret_kind, Places());
    if (!moved.ok()) return PinFailure(moved, folder_);
  }
  if (json_) {
    JsonWriter json;
    json.BeginObject().Key("pin").Bool(!remove);
    json.Key("duress_pin").Bool(policy.second_pin.has_value());
    Print(std::move(json.EndObject()));
    return std::nullopt;
  }
  Print(remove ? "The PIN is gone: whoever gets the folder can read it."
               : "The new PIN is in force.");
  if (second_gone) Print("The PIN that erased is gone, too.");
  return std::nullopt;
}

Run::Result Run::AskNewPin(absl::string_view what,
                           std::optional<std::string>* pin) {
  absl::StatusOr<std::string> read =
      ReadNewPin(arguments_, "new-pin-fd", "", what);
  if (!read.ok()) {
    return Failure{ExitCode::kPin,
                   Capitalized(absl::StrCat(read.status().message(), "."))};
  }
  *pin = *std::move(read);
  return std::nullopt;
}

Run::Result Run::AccountPinDuress() {
  const std::string what = arguments_.word(3);
  const bool remove = what == "remove";
  if (!what.empty() && !remove) {
    return Failure{ExitCode::kUsage,
                   "Say `account pin duress`, or `account pin duress remove`."};
  }
  if (Result failure = OpenStore()) return failure;
  if (!pin_) {
    return Failure{ExitCode::kUsage,
                   "There is no PIN yet, so nobody can be forced to give it; "
                   "`session account pin` sets one."};
  }
  std::optional<std::string> second;
  absl::Cleanup wipe = [&second] {
    if (second) crypto::SecureWipe(*second);
  };
  std::string note;
  if (!remove) {
    std::fputs(kDuressWords, err_);
    if (Result failure = AskNewPin("PIN that erases", &second)) return failure;
    const absl::StatusOr<std::string> network =
        ShortNetwork(*store_, kMaxNoteBytes);
    if (!network.ok()) return StorageFailure(network.status(), folder_);
    note = *network;
    // First, so that no second PIN is in force without being asked for when the
    // first one changes.
    const absl::Status marked = store_->SetSetting(kSecondPinSetting, "1");
    if (!marked.ok()) return StorageFailure(marked, folder_);
  }
  const absl::Status set = SetSecondPin(
      folder_, *pin_,
      second ? std::optional<absl::string_view>(*second) : std::nullopt, note,
      Places(), environment_.clock, environment_.random);
  if (absl::IsFailedPrecondition(set) &&
      PinRefusalOf(set) == PinRefusal::kNone) {
    return Failure{ExitCode::kUsage, Sentence(set)};
  }
  if (!set.ok()) return PinFailure(set, folder_);
  if (remove) {
    const absl::Status forgotten = store_->DeleteSetting(kSecondPinSetting);
    if (!forgotten.ok()) return StorageFailure(forgotten, folder_);
  }
  if (json_) {
    JsonWriter json;
    Print(std::move(
        json.BeginObject().Key("duress_pin").Bool(!remove).EndObject()));
  } else {
    Print(remove ? "No PIN erases any more."
                 : "The PIN that erases is in force.");
  }
  return std::nullopt;
}

// Without the PIN: the keyslot says where the secret is, and its seal is not
// touched.
Run::Result Run::AccountPinMove() {
  DeviceSecretKind kind = DeviceSecretKind::kFile;
  if (Result failure = DeviceSecretKindOf(arguments_.word(3), &kind)) {
    return failure;
  }
  const absl::Status state = ReadKeyslotState(folder_).status();
  if (absl::IsNotFound(state)) {
    return Failure{ExitCode::kNotFound,
                   absl::StrCat("There is no account in ", folder_, ".")};
  }
  if (!state.ok()) return PinFailure(state, folder_);
  if (Result failure = LockFolder()) return failure;
  if (Result failure = ChooseDeviceSecret()) return failure;
  const absl::Status moved = MoveDeviceSecret(folder_, kind, Places());
  if (absl::IsAlreadyExists(moved)) return DeviceSecretExists();
  if (absl::IsFailedPrecondition(moved) &&
      PinRefusalOf(moved) == PinRefusal::kNone) {
    return Failure{ExitCode::kUsage, Sentence(moved)};
  }
  if (!moved.ok()) return PinFailure(moved, folder_);
  if (json_) {
    JsonWriter json;
    Print(std::move(json.BeginObject()
                        .Key("device_secret_place")
                        .String(NameOfPlace(kind))
                        .EndObject()));
  } else {
    Print(absl::StrCat("The device secret is in ", WordsForPlace(kind), "."));
  }
  return std::nullopt;
}

// Without the PIN: nothing of this is secret.
Run::Result Run::AccountPinStatus() {
  const absl::StatusOr<KeyslotState> state = ReadKeyslotState(folder_);
  if (absl::IsNotFound(state.status())) {
    return Failure{ExitCode::kNotFound,
                   absl::StrCat("There is no account in ", folder_, ".")};
  }
  if (!state.ok()) return PinFailure(state.status(), folder_);
  if (json_) {
    JsonWriter json;
    json.BeginObject().Key("pin").Bool(state->has_pin);
    json.Key("device_secret").Bool(state->has_device_secret);
    if (state->has_device_secret) {
      json.Key("device_secret_place")
          .String(NameOfPlace(state->device_secret_kind));
    }
    json.Key("wrong_pins").Int(state->wrong_pins);
    json.Key("wipe_after").Int(state->wipe_after);
    Print(std::move(json.EndObject()));
    return std::nullopt;
  }
  if (!state->has_pin) {
    Print("PIN: none, whoever gets the folder can read it");
    return std::nullopt;
  }
  Print("PIN: set");
  Print(state->has_device_secret
            ? absl::StrCat("Device secret: in ",
                           WordsForPlace(state->device_secret_kind),
                           "; a copy of the folder alone does not open")
            : std::string(
                  "Device secret: none; `account pin` sets a PIN with one"));
  Print(absl::StrCat("Wrong PINs in a row: ", state->wrong_pins));
  Print(state->wipe_after == 0
            ? std::string("Destroyed after wrong PINs: never")
            : absl::StrCat("Destroyed after wrong PINs: ", state->wipe_after));
  return std::nullopt;
}

Run::Result Run::Name() {
  if (Result failure = NeedAccount()) return failure;
  if (arguments_.words().size() > 1) {
    const absl::Status set = messenger_->SetName(arguments_.word(1));
    if (absl::IsInvalidArgument(set)) {
      return Failure{ExitCode::kUsage,
                     Capitalized(absl::StrCat(set.message(), "."))};
    }
    if (!set.ok()) return StorageFailure(set, folder_);
  }
  if (json_) {
    JsonWriter json;
    json.BeginObject().Key("name").String(messenger_->name());
    Print(std::move(json.EndObject()));
  } else {
    Print(SafeForTerminal(messenger_->name(), false));
  }
  return std::nullopt;
}

}  // namespace messenger::client
