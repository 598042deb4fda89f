// The commands about the account's devices.

#include <cstdio>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "client/cli/pin_source.h"
#include "client/cli/run.h"
#include "client/cli/terminal_text.h"

namespace messenger::client {
namespace {

constexpr absl::Duration kExchangeInterval = absl::Seconds(1);
// With which a device can be named.
constexpr size_t kFewestDeviceDigits = 4;

std::string Hex(const DeviceId& id) {
  return absl::BytesToHexString(id.bytes());
}

}  // namespace

Run::Result Run::ExchangeUntil(absl::FunctionRef<bool()> done) {
  const absl::Time limit = environment_.clock.Now() + kLinkWindow;
  while (!done()) {
    if (environment_.clock.Now() >= limit) {
      return Failure{ExitCode::kNetwork,
                     "The other device has not answered within 10 minutes; "
                     "nothing was linked. Begin again on both."};
    }
    ReceiveReport received;
    if (Result failure = ReceiveOnce(&received)) return failure;
    if (done()) break;
    FlushReport flushed;
    if (Result failure = FlushOutbox(&flushed)) return failure;
    if (stopped_) {
      return Failure{ExitCode::kFailure, "Stopped; nothing was linked."};
    }
    quiet_ = true;
    const absl::Time next = environment_.clock.Now() + kExchangeInterval;
    waiter_.RunUntil([] { return false; }, kExchangeInterval);
    if (environment_.clock.Now() < next) {
      return Failure{ExitCode::kFailure, "Stopped; nothing was linked."};
    }
  }
  return std::nullopt;
}

Run::Result Run::AccountLink() {
  // A folder in which a link was begun goes on with it.
  if (ReadKeyslotState(folder_).ok()) {
    if (Result failure = NeedAccount()) return failure;
    const absl::StatusOr<bool> awaits = messenger_->AwaitsLink();
    if (!awaits.ok()) return StorageFailure(awaits.status(), folder_);
    if (!*awaits) {
      return Failure{ExitCode::kUsage,
                     absl::StrCat("There is an account in ", folder_,
                                  " already; nothing was changed.")};
    }
  } else {
    if (Result failure = MakeStore()) return failure;
    const absl::Status created = Messenger::CreateForLink(
        *store_, environment_.clock.Now(), environment_.random);
    if (!created.ok()) return StorageFailure(created, folder_);
  }
  if (Result failure = NeedNetwork()) return failure;
  const std::string code = messenger_->account_id().ToHex();
  if (json_) {
    JsonWriter json;
    Print(std::move(json.BeginObject().Key("code").String(code).EndObject()));
  } else {
    Print(absl::StrCat("Code: ", code));
    PrintQr(code);
    std::fprintf(err_,
                 "On the account's first device: session device link %s\n",
                 code.c_str());
  }
  std::string shown;
  Result failure = ExchangeUntil([&] {
    const absl::StatusOr<std::string> digits = messenger_->LinkDigits();
    if (digits.ok() && !digits->empty() && *digits != shown) {
      shown = *digits;
      if (json_) {
        JsonWriter json;
        Print(std::move(
            json.BeginObject().Key("digits").String(shown).EndObject()));
      } else {
        Print(absl::StrCat("Digits: ", shown));
        std::fprintf(err_, "Type them into the other device.\n");
      }
    }
    return messenger_->became_linked();
  });
  if (failure) return failure;
  messenger_.reset();
  if (Result opened = OpenMessenger()) return opened;
  const std::string id = messenger_->account_id().ToHex();
  if (json_) {
    JsonWriter json;
    Print(
        std::move(json.BeginObject().Key("account_id").String(id).EndObject()));
  } else {
    Print(absl::StrCat("Linked. Account id: ", id));
  }
  return Publish();
}

Run::Result Run::DeviceCommand() {
  const std::string what = arguments_.word(1);
  if (what == "list") return DeviceList();
  if (what == "link") return DeviceLink();
  if (what == "unlink") return DeviceUnlink();
  return Failure{
      ExitCode::kUsage,
      "Say `device list`, `device link CODE` or `device unlink ID`."};
}

Run::Result Run::DeviceList() {
  if (Result failure = NeedAccount()) return failure;
  JsonWriter json;
  json.BeginObject().Key("devices").BeginArray();
  for (const OwnDevice& device : messenger_->Devices()) {
    if (json_) {
      json.BeginObject().Key("device_id").String(Hex(device.id));
      json.Key("added_ms").Int(absl::ToUnixMillis(device.added));
      json.Key("first").Bool(device.is_first);
      json.Key("this").Bool(device.is_this).EndObject();
    } else {
      Print(absl::StrCat(Hex(device.id), "  since ", TerminalTime(device.added),
                         device.is_first ? " (first)" : "",
                         device.is_this ? " (this one)" : ""));
    }
  }
  if (json_) Print(std::move(json.EndArray().EndObject()));
  return std::nullopt;
}

Run::Result Run::DeviceLink() {
  const absl::StatusOr<AccountId> code = AccountId::FromHex(arguments_.word(2));
  if (arguments_.words().size() != 3 || !code.ok()) {
    return Failure{ExitCode::kUsage,
                   "Say the code that `session account link` shows on the new "
                   "device: session device link CODE."};
  }
  if (Result failure = NeedNetwork()) return failure;
  const absl::Status offered = messenger_->OfferLink(*code);
  if (!offered.ok()) return Refusal(offered, "; nothing was linked");
  const auto answered = [&] {
    const absl::StatusOr<std::string> digits = messenger_->LinkDigits();
    return digits.ok() && !digits->empty();
  };
  FlushReport flushed;
  if (Result failure = FlushOutbox(&flushed)) return failure;
  if (Result failure = ExchangeUntil(answered)) return failure;
  // What the other side checks before it shows its digits.
  if (Result failure = FlushOutbox(&flushed)) return failure;
  Note("the new device has answered and shows six digits");
  absl::StatusOr<std::string> digits = console_.ReadLine(
      "Type the six digits that the new device shows, and nothing that "
      "somebody tells you: ");
  const absl::Status linked =
      messenger_->ConfirmLink(digits.ok() ? *digits : std::string());
  if (!linked.ok()) return Refusal(linked, "");
  if (Result failure = Publish()) return failure;
  if (Result failure = FlushOutbox(&flushed)) return failure;
  if (json_) {
    JsonWriter json;
    Print(std::move(json.BeginObject().Key("linked").Bool(true).EndObject()));
  } else {
    Print(
        "Linked. Contacts learn that you have another device; those who have "
        "verified you are asked to compare safety numbers again.");
  }
  return std::nullopt;
}

Run::Result Run::DeviceUnlink() {
  const std::string word = absl::AsciiStrToLower(arguments_.word(2));
  if (arguments_.words().size() != 3 || word.size() < kFewestDeviceDigits) {
    return Failure{ExitCode::kUsage,
                   "Say which, as `device list` shows it: session device "
                   "unlink ID."};
  }
  if (Result failure = NeedAccount()) return failure;
  std::optional<DeviceId> found;
  for (const OwnDevice& device : messenger_->Devices()) {
    if (!absl::StartsWith(Hex(device.id), word)) continue;
    if (found) {
      return Failure{ExitCode::kUsage,
                     "Several devices begin like that; say more of the id."};
    }
    found = device.id;
  }
  if (!found) {
    return Failure{ExitCode::kNotFound, "The account has no such device."};
  }
  const absl::Status unlinked = messenger_->UnlinkDevice(*found);
  if (!unlinked.ok()) return Refusal(unlinked, "; nothing was changed");
  return SendOut(
      "Unlinked. Nothing is sent to it any more; what it has stays on it.");
}

}  // namespace messenger::client
