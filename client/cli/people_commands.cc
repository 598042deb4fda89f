// The commands about other people.

#include <cstdio>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "client/cli/run.h"
#include "client/cli/terminal_text.h"
#include "crypto/identity/safety_number.h"

namespace messenger::client {

Run::Result Run::ContactCommand() {
  if (Result failure = NeedAccount()) return failure;
  if (arguments_.word(1) == "add" && arguments_.words().size() >= 3) {
    std::optional<ContactLink> link;
    if (Result failure = ReadLink(arguments_.word(2), &link)) return failure;
    const std::string id = link->account.ToHex();
    const absl::Status added =
        messenger_->AddContact(link->account, arguments_.word(3));
    if (absl::IsInvalidArgument(added) || absl::IsFailedPrecondition(added)) {
      return Failure{ExitCode::kUsage,
                     Capitalized(absl::StrCat(added.message(), "."))};
    }
    if (!added.ok()) return StorageFailure(added, folder_);
    if (Result failure = KeepInviteOf(arguments_.word(2))) return failure;
    if (json_) {
      JsonWriter json;
      json.BeginObject().Key("account_id").String(id);
      json.Key("name").String(arguments_.word(3));
      Print(std::move(json.EndObject()));
    } else {
      Print(absl::StrCat(
          link->token ? "Added. You are their contact once you have "
                        "written to them, while the invitation is good. "
                      : "Added. ",
          "Compare safety numbers to be sure it is them: session "
          "safety-number ",
          id));
    }
    return std::nullopt;
  }
  if (arguments_.word(1) == "picture") return ContactPicture();
  if (arguments_.word(1) != "list") {
    return Failure{ExitCode::kUsage,
                   "Say `contact add LINK-OR-ID [NAME]`, `contact list` or "
                   "`contact picture WHO --file F`."};
  }
  const absl::StatusOr<std::vector<Contact>> contacts = store_->Contacts();
  if (!contacts.ok()) return StorageFailure(contacts.status(), folder_);
  const absl::StatusOr<std::vector<AccountId>> owners = store_->PictureOwners();
  if (!owners.ok()) return StorageFailure(owners.status(), folder_);
  const std::set<AccountId> with_picture(owners->begin(), owners->end());
  JsonWriter json;
  json.BeginObject().Key("contacts").BeginArray();
  bool any = false;
  for (const Contact& contact : *contacts) {
    const bool blocked = contact.standing == Standing::kBlocked;
    if (contact.standing != Standing::kContact && !blocked) continue;
    any = true;
    if (json_) {
      json.BeginObject().Key("account_id").String(contact.account.ToHex());
      json.Key("name").String(contact.name);
      json.Key("profile_name").String(contact.profile_name);
      json.Key("verified").Bool(contact.verified.has_value());
      json.Key("has_picture").Bool(with_picture.contains(contact.account));
      json.Key("blocked").Bool(blocked).EndObject();
    } else {
      const std::string claimed = SafeForTerminal(contact.profile_name, false);
      Print(absl::StrCat(
          contact.account.ToHex(), "  ", SafeForTerminal(contact.name, false),
          contact.name.empty() && !claimed.empty()
              ? absl::StrCat("(calls itself ", claimed, ")")
              : "",
          contact.verified ? " (verified)" : "", blocked ? " (blocked)" : "",
          with_picture.contains(contact.account) ? " (picture)" : ""));
    }
  }
  if (json_) {
    Print(std::move(json.EndArray().EndObject()));
  } else if (!any) {
    std::fprintf(err_, "There are no contacts yet.\n");
  }
  return std::nullopt;
}

// One in each line, as a person can type it to say whom they mean.
Run::Result Run::ContactNames() {
  if (Result failure = NeedAccount()) return failure;
  const absl::StatusOr<std::vector<Contact>> contacts = store_->Contacts();
  if (!contacts.ok()) return StorageFailure(contacts.status(), folder_);
  for (const Contact& contact : *contacts) {
    if (contact.standing != Standing::kContact) continue;
    Print(contact.name.empty() ? contact.account.ToHex()
                               : SafeForTerminal(contact.name, false));
  }
  return std::nullopt;
}

Run::Result Run::RequestsCommand() {
  if (Result failure = NeedAccount()) return failure;
  const absl::StatusOr<std::vector<MessageRequest>> requests =
      messenger_->Requests();
  if (!requests.ok()) return StorageFailure(requests.status(), folder_);
  JsonWriter json;
  json.BeginObject().Key("requests").BeginArray();
  for (const MessageRequest& request : *requests) {
    const std::string id = request.account.ToHex();
    if (json_) {
      json.BeginObject().Key("account_id").String(id);
      json.Key("profile_name").String(request.claimed_name);
      json.Key("arrived_ms").Int(absl::ToUnixMillis(request.arrived));
      json.Key("texts").BeginArray();
      for (const std::string& text : request.texts) json.String(text);
      json.EndArray().Key("cut").Bool(request.cut);
      json.Key("more").Int(request.more).EndObject();
      continue;
    }
    const std::string claimed = SafeForTerminal(request.claimed_name, false);
    Print(absl::StrCat(
        id,
        claimed.empty() ? "" : absl::StrCat(" (calls itself ", claimed, ")"),
        ", since ", TerminalTime(request.arrived), ":"));
    for (const std::string& text : request.texts) {
      Print(absl::StrCat("  ", SafeForTerminal(text, true)));
    }
    if (request.texts.empty()) {
      Print("  (a text too long for a first one; it comes when you accept)");
    }
    if (request.cut || request.more > 0) {
      Print("  (there is more; it comes when you accept)");
    }
  }
  if (json_) {
    Print(std::move(json.EndArray().EndObject()));
  } else if (requests->empty()) {
    std::fprintf(err_, "No requests wait.\n");
  } else {
    std::fprintf(err_,
                 "Whoever wrote this learns nothing until you `session accept` "
                 "it. A name proves nothing: compare safety numbers.\n");
  }
  return std::nullopt;
}

// accept, decline, block, unblock
Run::Result Run::Decide(const std::string& command) {
  const bool accept = command == "accept";
  std::optional<AccountId> found;
  if (Result failure =
          NeedPerson(accept ? 3 : 2,
                     absl::StrCat("Say whom: session ", command, " WHO",
                                  accept ? " [NAME]." : "."),
                     &found)) {
    return failure;
  }
  const AccountId& who = *found;
  const absl::Status name_check = CheckProfileName(arguments_.word(2));
  if (!name_check.ok()) {
    return Failure{ExitCode::kUsage,
                   Capitalized(absl::StrCat(name_check.message(), "."))};
  }
  absl::Status done;
  std::string words_for_it;
  if (accept) {
    done = messenger_->AcceptRequest(who);
    if (done.ok() && arguments_.words().size() == 3) {
      done = messenger_->AddContact(who, arguments_.word(2));
    }
    words_for_it =
        "Accepted. `session receive` shows what they wrote, and lets them "
        "know.";
  } else if (command == "decline") {
    done = messenger_->DeclineRequest(who);
    words_for_it =
        "Declined. For 30 days what they send is dropped; they do not learn of "
        "it.";
  } else if (command == "block") {
    done = messenger_->Block(who);
    words_for_it =
        "Blocked. What they send is dropped from now on; they do not learn of "
        "it.";
  } else {
    done = messenger_->Unblock(who);
    words_for_it = "Unblocked. What was dropped does not come back.";
  }
  if (!done.ok()) return Refusal(done, "");
  if (json_) {
    JsonWriter json;
    json.BeginObject().Key("account_id").String(who.ToHex());
    Print(std::move(json.Key(command).Bool(true).EndObject()));
  } else {
    Print(words_for_it);
  }
  return std::nullopt;
}

Run::Result Run::NoteDevices(const std::vector<AccountId>& accounts) {
  for (const AccountId& account : accounts) {
    if (json_) {
      JsonWriter json;
      json.BeginObject().Key("devices_changed").String(account.ToHex());
      Print(std::move(json.EndObject()));
      continue;
    }
    const absl::StatusOr<std::optional<Contact>> contact =
        store_->FindContact(account);
    const bool verified = contact.ok() && *contact && (*contact)->verified;
    std::fprintf(err_,
                 verified
                     ? "%s, whom you have verified, has changed devices: "
                       "what you send them waits. Ask them by another way, "
                       "compare safety numbers, then: session verify\n"
                     : "%s has changed devices.\n",
                 NameOf(account).c_str());
  }
  const absl::Status confirmed = messenger_->ConfirmDevices(accounts);
  if (!confirmed.ok()) return StorageFailure(confirmed, folder_);
  return std::nullopt;
}

void Run::NoteRequests(int requests) {
  if (requests == 0) return;
  if (json_) {
    JsonWriter json;
    json.BeginObject().Key("requests").Int(requests);
    Print(std::move(json.EndObject()));
    return;
  }
  std::fprintf(err_,
               requests == 1
                   ? "%d request of somebody who is no contact waits: session "
                     "requests\n"
                   : "%d requests of people who are no contacts wait: session "
                     "requests\n",
               requests);
}

Run::Result Run::SafetyNumber() {
  std::optional<AccountId> other;
  if (Result failure =
          NeedPerson(2, "Say whose: session safety-number WHO.", &other)) {
    return failure;
  }
  const std::string digits =
      crypto::SafetyNumber(messenger_->account_id(), *other);
  std::string code;
  if (arguments_.has("qr")) {
    const absl::StatusOr<std::string> made =
        messenger_->ScannableSafetyCode(*other);
    if (!made.ok()) return Refusal(made.status(), "");
    code = *made;
  }
  if (json_) {
    JsonWriter json;
    json.BeginObject().Key("safety_number").String(digits);
    if (!code.empty()) json.Key("safety_code").String(code);
    Print(std::move(json.EndObject()));
    return std::nullopt;
  }
  // Twelve groups of five, in three lines, to read aloud.
  for (size_t line = 0; line < digits.size(); line += 20) {
    std::vector<std::string> groups;
    for (size_t group = line; group < line + 20; group += 5) {
      groups.push_back(digits.substr(group, 5));
    }
    Print(absl::StrJoin(groups, " "));
  }
  if (!code.empty()) {
    Print(code);
    PrintQr(code);
  }
  return std::nullopt;
}

Run::Result Run::Verify() {
  if (arguments_.words().size() < 3) {
    return Failure{ExitCode::kUsage,
                   "Say whom, and the digits they see: session verify WHO "
                   "DIGITS; or what their code says: session verify WHO --qr "
                   "TEXT."};
  }
  std::optional<AccountId> found;
  if (Result failure = NeedPerson(arguments_.words().size(), "", &found)) {
    return failure;
  }
  const AccountId& who = *found;
  if (arguments_.has("qr")) {
    if (Result failure = VerifyScanned(who)) return failure;
    return SayVerified(who);
  }
  std::string digits;
  for (size_t i = 2; i < arguments_.words().size(); ++i) {
    absl::StrAppend(&digits, arguments_.word(i), " ");
  }
  const absl::Status verified = messenger_->Verify(who, digits);
  if (absl::IsFailedPrecondition(verified)) {
    return Failure{
        ExitCode::kFailure,
        "These are not the digits of this conversation. Read them again; if "
        "they still differ, one of you has the id of somebody else: do not "
        "write anything here that they must not see."};
  }
  if (!verified.ok()) return Refusal(verified, "");
  return SayVerified(who);
}

Run::Result Run::SayVerified(const AccountId& who) {
  if (json_) {
    JsonWriter json;
    Print(std::move(json.BeginObject().Key("verified").Bool(true).EndObject()));
  } else {
    Print(absl::StrCat(NameOf(who), " is verified."));
  }
  return std::nullopt;
}

Run::Result Run::Unverify() {
  std::optional<AccountId> found;
  if (Result failure =
          NeedPerson(2, "Say whom: session unverify WHO.", &found)) {
    return failure;
  }
  const AccountId& who = *found;
  const absl::Status done = messenger_->Unverify(who);
  if (!done.ok()) return Refusal(done, "");
  if (json_) {
    JsonWriter json;
    Print(
        std::move(json.BeginObject().Key("verified").Bool(false).EndObject()));
  } else {
    Print(absl::StrCat(NameOf(who), " is not verified any more."));
  }
  return std::nullopt;
}

}  // namespace messenger::client
