// The commands about conversations as a whole.

#include <fcntl.h>

#include <algorithm>
#include <cstdio>
#include <limits>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "client/cli/message_text.h"
#include "client/cli/run.h"
#include "client/cli/terminal_text.h"
#include "crypto/base/status_macros.h"

namespace messenger::client {
namespace {

constexpr size_t kPreviewCharacters = 60;

}  // namespace

absl::StatusOr<std::vector<Run::ConversationLine>> Run::OrderedConversations() {
  ASSIGN_OR_RETURN(const std::vector<Contact> contacts, store_->Contacts());
  std::vector<ConversationLine> lines;
  for (const Contact& contact : contacts) {
    if (contact.standing != Standing::kContact) continue;
    ASSIGN_OR_RETURN(const std::vector<Message> newest,
                     store_->Messages(contact.account, 1));
    ConversationLine line = {contact, std::nullopt};
    if (!newest.empty()) line.last = newest[0];
    lines.push_back(std::move(line));
  }
  // Pinned ones first, archived ones last, and the newest first within each.
  std::stable_sort(
      lines.begin(), lines.end(),
      [](const ConversationLine& a, const ConversationLine& b) {
        const auto rank = [](const ConversationLine& line) {
          return line.contact.archived ? 2 : line.contact.pinned ? 0 : 1;
        };
        const auto row = [](const ConversationLine& line) {
          return line.last ? line.last->row : 0;
        };
        return rank(a) != rank(b) ? rank(a) < rank(b) : row(a) > row(b);
      });
  return lines;
}

Run::Result Run::Conversations() {
  if (Result failure = NeedAccount()) return failure;
  const absl::StatusOr<std::vector<ConversationLine>> lines =
      OrderedConversations();
  if (!lines.ok()) return StorageFailure(lines.status(), folder_);
  JsonWriter json;
  json.BeginObject().Key("conversations").BeginArray();
  for (const ConversationLine& line : *lines) {
    const Contact& contact = line.contact;
    if (json_) {
      json.BeginObject().Key("account_id").String(contact.account.ToHex());
      json.Key("name").String(NameOf(contact.account));
      json.Key("pinned").Bool(contact.pinned);
      json.Key("archived").Bool(contact.archived);
      json.Key("muted").Bool(contact.muted);
      json.Key("verified").Bool(contact.verified.has_value());
      json.Key("timer_seconds").Int(absl::ToInt64Seconds(contact.timer));
      json.Key("draft").String(contact.draft);
      json.Key("last");
      if (line.last) {
        WriteMessage(json, *line.last);
      } else {
        json.Null();
      }
      json.EndObject();
      continue;
    }
    Print(absl::StrCat(
        NameOf(contact.account), contact.pinned ? " (pinned)" : "",
        contact.archived ? " (archived)" : "", contact.muted ? " (muted)" : "",
        contact.verified ? " (verified)" : ""));
    if (line.last) {
      Print(absl::StrCat(
          "  ", FirstLine(MessageLine(*line.last), kPreviewCharacters)));
    }
    if (!contact.draft.empty()) {
      Print(absl::StrCat(
          "  draft: ",
          SafeForTerminal(FirstLine(contact.draft, kPreviewCharacters),
                          false)));
    }
  }
  if (json_) {
    Print(std::move(json.EndArray().EndObject()));
  } else if (lines->empty()) {
    std::fprintf(err_, "There are no conversations yet.\n");
  }
  return std::nullopt;
}

// mute, unmute, archive, unarchive, pin, unpin
Run::Result Run::Arrange(const std::string& command) {
  std::optional<AccountId> with;
  if (Result failure = NeedPerson(
          2, absl::StrCat("Say whom: session ", command, " WHO."), &with)) {
    return failure;
  }
  const absl::Status done =
      messenger_->Arrange(*with, [&command](Contact& contact) {
        if (command == "mute" || command == "unmute") {
          contact.muted = command == "mute";
        } else if (command == "archive" || command == "unarchive") {
          contact.archived = command == "archive";
        } else {
          contact.pinned = command == "pin";
        }
      });
  if (!done.ok()) return Refusal(done, "");
  if (json_) {
    JsonWriter json;
    json.BeginObject().Key("account_id").String(with->ToHex());
    Print(std::move(json.Key(command).Bool(true).EndObject()));
  } else {
    Print(command == "mute" ? "Muted: `watch` does not ring for them."
                            : absl::StrCat("Done: ", command, "."));
  }
  return std::nullopt;
}

Run::Result Run::Draft() {
  std::optional<AccountId> with;
  if (Result failure =
          NeedPerson(3, "Say for whom: session draft WHO [TEXT].", &with)) {
    return failure;
  }
  if (arguments_.words().size() == 3) {
    const std::string text = arguments_.word(2);
    const absl::Status valid =
        text.empty() ? absl::OkStatus() : CheckText(text);
    if (!valid.ok()) return Refusal(valid, "");
    const absl::Status done = messenger_->Arrange(
        *with, [&text](Contact& contact) { contact.draft = text; });
    if (!done.ok()) return Refusal(done, "");
  }
  const auto contact = store_->FindContact(*with);
  if (!contact.ok()) return StorageFailure(contact.status(), folder_);
  const std::string draft = *contact ? (*contact)->draft : std::string();
  if (json_) {
    JsonWriter json;
    json.BeginObject().Key("draft").String(draft);
    Print(std::move(json.EndObject()));
  } else {
    Print(SafeForTerminal(draft, true));
  }
  return std::nullopt;
}

// Only for its owner, and never over something that is there.
Run::Result Run::WriteNewFile(const std::string& path,
                              absl::string_view contents) {
  const std::string file_path = console_.AbsolutePath(path);
  const int fd =
      open(file_path.c_str(),
           O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) {
    return Failure{ExitCode::kNotFound,
                   absl::StrCat("The file ", path,
                                " is there already, or cannot be made; nothing "
                                "was written.")};
  }
  std::FILE* file = fdopen(fd, "w");
  const bool written = file != nullptr &&
                       std::fwrite(contents.data(), 1, contents.size(), file) ==
                           contents.size() &&
                       std::fflush(file) == 0 && fsync(fd) == 0;
  if (file == nullptr) {
    close(fd);
  } else {
    std::fclose(file);
  }
  if (written) return std::nullopt;
  unlink(file_path.c_str());
  return Failure{ExitCode::kStorage,
                 absl::StrCat("The file ", path,
                              " could not be written to its end, perhaps "
                              "because the disk is full; it was removed.")};
}

Run::Result Run::Export() {
  std::optional<AccountId> with;
  if (Result failure = NeedPerson(
          2, "Say whose, and where to: session export WHO --file F.", &with)) {
    return failure;
  }
  const std::string path = arguments_.option("file");
  if (path.empty()) {
    return Failure{ExitCode::kUsage,
                   "Say where to: session export WHO --file F."};
  }
  const auto messages =
      store_->Messages(*with, std::numeric_limits<int>::max());
  if (!messages.ok()) return StorageFailure(messages.status(), folder_);
  std::string text;
  for (const Message& message : *messages) {
    if (json_) {
      JsonWriter json;
      WriteMessage(json, message);
      absl::StrAppend(&text, std::move(json).Take(), "\n");
    } else {
      absl::StrAppend(&text, MessageLine(message), "\n");
    }
  }
  if (Result failure = WriteNewFile(path, text)) return failure;
  if (json_) {
    JsonWriter json;
    json.BeginObject()
        .Key("messages")
        .Int(static_cast<int64_t>(messages->size()));
    Print(std::move(json.EndObject()));
  } else {
    Print(absl::StrCat(messages->size(), " messages written to ", path,
                       ", readable for whoever gets the file."));
  }
  return std::nullopt;
}

}  // namespace messenger::client
