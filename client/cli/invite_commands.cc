// The commands about invitations, and what is shown as a QR code.

#include <unistd.h>

#include <cstdio>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "client/cli/run.h"
#include "client/cli/terminal_qr.h"
#include "client/cli/terminal_text.h"
#include "client/messenger/contact_link.h"
#include "client/messenger/invite.h"

namespace messenger::client {
namespace {

// With which an invitation can be named.
constexpr size_t kFewestTokenDigits = 4;

std::string Uses(const Invite& invite) {
  return invite.most_uses == 0
             ? absl::StrCat("used ", invite.uses, " times")
             : absl::StrCat("used ", invite.uses, " of ", invite.most_uses);
}

}  // namespace

void Run::PrintQr(absl::string_view text) {
  if (json_ || arguments_.has("no-qr")) return;
  const absl::StatusOr<std::string> drawn =
      TerminalQr(text, isatty(STDOUT_FILENO) != 0 ? QrColors::kOwn
                                                  : QrColors::kOfTerminal);
  // What it says is there as text, too.
  if (drawn.ok()) std::fwrite(drawn->data(), 1, drawn->size(), out_);
  std::fflush(out_);
}

Run::Result Run::ReadLink(const std::string& word,
                          std::optional<ContactLink>* link) {
  if (LooksLikeContactLink(word)) {
    const absl::StatusOr<ContactLink> read = ParseContactLink(word);
    if (!read.ok()) {
      return Failure{ExitCode::kUsage,
                     Capitalized(absl::StrCat(read.status().message(), "."))};
    }
    *link = *read;
    return std::nullopt;
  }
  const absl::StatusOr<AccountId> id = AccountId::FromHex(word);
  if (!id.ok()) {
    return Failure{
        ExitCode::kUsage,
        absl::StrCat("That is no account id: ", id.status().message(), ".")};
  }
  *link = ContactLink(*id);
  return std::nullopt;
}

Run::Result Run::KeepInviteOf(const std::string& who) {
  if (!LooksLikeContactLink(who)) return std::nullopt;
  std::optional<ContactLink> link;
  if (Result failure = ReadLink(who, &link)) return failure;
  const absl::Status kept = messenger_->KeepInvite(*link);
  if (!kept.ok()) return StorageFailure(kept, folder_);
  return std::nullopt;
}

Run::Result Run::InviteCommand() {
  const std::string what = arguments_.word(1);
  const size_t words = arguments_.words().size();
  if (words == 1) return InviteMake();
  if (what == "list" && words == 2) return InviteList();
  if (what == "revoke" && words == 3) return InviteRevoke();
  return Failure{ExitCode::kUsage,
                 "Say `invite`, `invite list` or `invite revoke LINK`."};
}

Run::Result Run::InviteMake() {
  int uses = 1;
  int days = static_cast<int>(kDefaultInvite / absl::Hours(24));
  if (arguments_.has("uses") &&
      !absl::SimpleAtoi(arguments_.option("uses"), &uses)) {
    return Failure{ExitCode::kUsage,
                   "The option --uses takes a number of people, or 0 for any."};
  }
  if (arguments_.has("days") &&
      !absl::SimpleAtoi(arguments_.option("days"), &days)) {
    return Failure{ExitCode::kUsage, "The option --days takes a number."};
  }
  if (Result failure = NeedAccount()) return failure;
  const absl::StatusOr<Invite> invite =
      messenger_->MakeInvite(uses, absl::Hours(24) * days);
  if (!invite.ok()) return Refusal(invite.status(), "");
  const std::string link = invite->link.ToText();
  if (json_) {
    JsonWriter json;
    json.BeginObject().Key("link").String(link);
    json.Key("expires_ms").Int(absl::ToUnixMillis(invite->expires));
    Print(std::move(json.Key("most_uses").Int(uses).EndObject()));
    return std::nullopt;
  }
  Print(link);
  PrintQr(link);
  std::fprintf(
      err_,
      "Good until %s for %s. Whoever has the link can use it: give it to "
      "nobody else.\n",
      TerminalTime(invite->expires).c_str(),
      uses == 0   ? "any number of people"
      : uses == 1 ? "one person"
                  : absl::StrCat(uses, " people").c_str());
  return std::nullopt;
}

Run::Result Run::InviteList() {
  if (Result failure = NeedAccount()) return failure;
  const absl::StatusOr<std::vector<Invite>> invites = messenger_->Invites();
  if (!invites.ok()) return StorageFailure(invites.status(), folder_);
  JsonWriter json;
  json.BeginObject().Key("invites").BeginArray();
  for (const Invite& invite : *invites) {
    if (json_) {
      json.BeginObject().Key("link").String(invite.link.ToText());
      json.Key("expires_ms").Int(absl::ToUnixMillis(invite.expires));
      json.Key("most_uses").Int(invite.most_uses);
      json.Key("uses").Int(invite.uses);
      json.Key("good").Bool(invite.good).EndObject();
    } else {
      Print(absl::StrCat(invite.link.ToText(), "  ", Uses(invite), ", until ",
                         TerminalTime(invite.expires),
                         invite.good ? "" : " (over)"));
    }
  }
  if (json_) {
    Print(std::move(json.EndArray().EndObject()));
  } else if (invites->empty()) {
    std::fprintf(err_, "There are no invitations.\n");
  }
  return std::nullopt;
}

Run::Result Run::InviteRevoke() {
  std::string prefix = arguments_.word(2);
  if (LooksLikeContactLink(prefix)) {
    std::optional<ContactLink> link;
    if (Result failure = ReadLink(prefix, &link)) return failure;
    prefix = link->token ? link->token->ToHex() : "";
  }
  if (prefix.size() < kFewestTokenDigits) {
    return Failure{ExitCode::kUsage,
                   "Say which, as `invite list` shows it: the link, or the "
                   "first digits after t=."};
  }
  if (Result failure = NeedAccount()) return failure;
  const absl::StatusOr<std::vector<Invite>> invites = messenger_->Invites();
  if (!invites.ok()) return StorageFailure(invites.status(), folder_);
  std::optional<InviteToken> found;
  for (const Invite& invite : *invites) {
    if (!absl::StartsWithIgnoreCase(invite.link.token->ToHex(), prefix)) {
      continue;
    }
    if (found) {
      return Failure{ExitCode::kUsage,
                     "Several invitations begin like that; say more of it."};
    }
    found = invite.link.token;
  }
  if (!found) {
    return Failure{ExitCode::kNotFound, "There is no such invitation."};
  }
  const absl::Status revoked = messenger_->RevokeInvite(*found);
  if (!revoked.ok()) return Refusal(revoked, "");
  if (json_) {
    JsonWriter json;
    Print(std::move(json.BeginObject().Key("revoked").Bool(true).EndObject()));
  } else {
    Print("Revoked. Whoever has used it stays a contact.");
  }
  return std::nullopt;
}

void Run::NoteJoined(const std::vector<AccountId>& accounts) {
  for (const AccountId& account : accounts) {
    if (json_) {
      JsonWriter json;
      json.BeginObject().Key("joined").String(account.ToHex());
      Print(std::move(json.EndObject()));
    } else {
      std::fprintf(err_,
                   "%s is a contact now: they had an invitation of yours. "
                   "Compare safety numbers to be sure who it is.\n",
                   NameOf(account).c_str());
    }
  }
}

Run::Result Run::VerifyScanned(const AccountId& who) {
  if (arguments_.words().size() != 3) {
    return Failure{ExitCode::kUsage,
                   "Say whom, and what their code says: session verify WHO "
                   "--qr TEXT."};
  }
  const absl::StatusOr<SafetyCodeMatch> match =
      messenger_->VerifyScanned(who, arguments_.word(2));
  if (!match.ok()) return Refusal(match.status(), "");
  switch (*match) {
    case SafetyCodeMatch::kSame:
      return std::nullopt;
    case SafetyCodeMatch::kOtherAccounts:
      return Failure{
          ExitCode::kFailure,
          "This is not the code of this conversation. Scan the one that they "
          "show for you; if it still differs, one of you has the id of "
          "somebody else: do not write anything here that they must not see."};
    case SafetyCodeMatch::kOtherDevices:
      break;
  }
  return Failure{
      ExitCode::kFailure,
      "The accounts are the right ones, but you do not know the same devices "
      "of them; nothing was verified. Write to each other and scan again: the "
      "news of a device takes that long. If it stays like that, one of you has "
      "a device that somebody else added: see `session device list`."};
}

}  // namespace messenger::client
