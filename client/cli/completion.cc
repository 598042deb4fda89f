#include "client/cli/completion.h"

#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "client/cli/arguments.h"

namespace messenger::client {
namespace {

struct Command {
  absl::string_view name;
  // What may follow it, with spaces between; WHO: a contact.
  absl::string_view next;
};

constexpr absl::string_view kWho = "WHO";
constexpr Command kCommands[] = {
    {"accept", "WHO"},
    {"account", "create restore link show vault pin"},
    {"archive", "WHO"},
    {"backup", "create restore"},
    {"block", "WHO"},
    {"chat", "WHO"},
    {"completion", "bash zsh"},
    {"contact", "add list picture"},
    {"conversations", ""},
    {"daemon", "status stop"},
    {"decline", "WHO"},
    {"delete", ""},
    {"device", "list link unlink"},
    {"draft", "WHO"},
    {"edit", ""},
    {"events", ""},
    {"export", "WHO"},
    {"history", "WHO"},
    {"invite", "list revoke"},
    {"lock", ""},
    {"mute", "WHO"},
    {"name", ""},
    {"path", ""},
    {"picture", "remove save set"},
    {"pin", "WHO"},
    {"react", ""},
    {"receipts", "on off"},
    {"receive", ""},
    {"reply", ""},
    {"requests", ""},
    {"safety-number", "WHO"},
    {"search", ""},
    {"send", "WHO"},
    {"timer", "WHO"},
    {"unarchive", "WHO"},
    {"unblock", "WHO"},
    {"unlock", ""},
    {"unmute", "WHO"},
    {"unpin", "WHO"},
    {"unreact", ""},
    {"unsend", ""},
    {"unverify", "WHO"},
    {"verify", "WHO"},
    {"watch", ""},
};

// The shell completes names of files where this offers nothing.
constexpr char kBash[] = R"(# session: completion for bash
_session() {
  local current="${COMP_WORDS[COMP_CWORD]}" word quoted
  COMPREPLY=()
  while IFS= read -r word; do
    printf -v quoted '%q' "${word}"
    if [[ -n "${word}" && ( "${word}" == "${current}"* ||
          "${quoted}" == "${current}"* ) ]]; then
      COMPREPLY+=("${quoted}")
    fi
  done < <("${COMP_WORDS[0]}" completion candidates -- "${COMP_CWORD}" \
           "${COMP_WORDS[@]}" 2>/dev/null </dev/null)
}
complete -o default -F _session session
)";

constexpr char kZsh[] = R"(#compdef session
# session: completion for zsh
_session() {
  local -a candidates
  candidates=("${(@f)$("${words[1]}" completion candidates -- \
      $((CURRENT - 1)) "${words[@]}" 2>/dev/null </dev/null)}")
  candidates=(${candidates:#})
  if (( ${#candidates} )); then
    compadd -a candidates
  else
    _files
  fi
}
compdef _session session
)";

}  // namespace

Completion Complete(const std::vector<std::string>& line, size_t index) {
  Completion completion;
  if (index >= 1 && index < line.size() && absl::StartsWith(line[index], "-")) {
    for (const std::string& option : Arguments::OptionNames()) {
      completion.words.push_back("--" + option);
    }
    return completion;
  }
  // Words before it that are neither options nor their values.
  std::vector<std::string> before;
  for (size_t i = 1; i < index && i < line.size(); ++i) {
    if (!absl::StartsWith(line[i], "--")) {
      before.push_back(line[i]);
    } else if (Arguments::TakesNextWord(line[i])) {
      if (i + 1 == index) {
        if (line[i] == "--routing") completion.words = {"onion", "proxy"};
        return completion;
      }
      ++i;
    }
  }
  if (before.empty()) {
    for (const Command& command : kCommands) {
      completion.words.emplace_back(command.name);
    }
    return completion;
  }
  if (before.size() == 2 && before[0] == "account" && before[1] == "pin") {
    completion.words = {"duress", "move", "remove", "status"};
  }
  if (before.size() == 2 && before[0] == "contact" && before[1] == "picture") {
    completion.contacts = true;
  }
  if (before.size() != 1) return completion;
  for (const Command& command : kCommands) {
    if (command.name != before[0]) continue;
    completion.contacts = command.next == kWho;
    if (!completion.contacts) {
      completion.words = absl::StrSplit(command.next, ' ', absl::SkipEmpty());
    }
  }
  return completion;
}

std::string CompletionScript(absl::string_view shell) {
  if (shell == "bash") return kBash;
  if (shell == "zsh") return kZsh;
  return "";
}

}  // namespace messenger::client
