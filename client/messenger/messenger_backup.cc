// Messenger: what a backup keeps besides the messages (client/SPEC.md, section
// 17).

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "client/messenger/messenger.h"
#include "client/messenger/messenger_parts.h"
#include "crypto/base/status_macros.h"

namespace messenger::client {
namespace {

// What a person has decided about an account. Requests and links pass.
bool IsDecision(Standing standing) {
  return standing == Standing::kContact || standing == Standing::kBlocked ||
         standing == Standing::kDeclined;
}

// Of a contact, what goes without saying left out.
std::vector<StateEntry> ValuesOf(const Contact& contact, absl::Time undated) {
  std::vector<StateEntry> values;
  const auto add = [&](absl::string_view field, std::string value,
                       absl::Time changed) {
    values.push_back({ContactField(contact.account, field), std::move(value),
                      changed, std::string(kMessageIdBytes, '\0')});
  };
  if (!contact.name.empty()) add("name", contact.name, undated);
  if (contact.muted) add("muted", "1", undated);
  if (contact.archived) add("archived", "1", undated);
  if (contact.pinned) add("pinned", "1", undated);
  add("standing", absl::StrCat(static_cast<int>(contact.standing)),
      contact.standing_since);
  if (contact.verified) {
    add("verified", absl::StrCat(absl::ToUnixMillis(*contact.verified)),
        *contact.verified);
  }
  return values;
}

}  // namespace

absl::StatusOr<std::vector<StateEntry>> Messenger::ValuesToKeep(
    absl::Time undated) {
  // By name; what was shared takes the place of what was not.
  std::map<std::string, StateEntry> values;
  const auto add = [&values](StateEntry value) {
    std::string name = value.name;
    values.insert_or_assign(std::move(name), std::move(value));
  };
  const std::string no_device(kMessageIdBytes, '\0');
  if (!name_.empty()) add({kProfileNameState, name_, undated, no_device});
  ASSIGN_OR_RETURN(const bool receipts, ReceiptsWanted());
  if (receipts) add({kReceiptsState, "1", undated, no_device});
  ASSIGN_OR_RETURN(const bool typing, TypingWanted());
  if (typing) add({kTypingState, "1", undated, no_device});
  ASSIGN_OR_RETURN(const std::vector<Contact> contacts, env_.store.Contacts());
  std::set<std::string, std::less<>> kept;  // "contact/ID"
  for (const Contact& contact : contacts) {
    if (!IsDecision(contact.standing)) continue;
    kept.insert(absl::StrCat(kContactState, contact.account.ToHex()));
    for (StateEntry& value : ValuesOf(contact, undated)) add(std::move(value));
  }
  ASSIGN_OR_RETURN(const std::vector<OwnStateRow> rows,
                   env_.store.AllOwnState());
  for (const OwnStateRow& row : rows) {
    const bool wanted =
        absl::StartsWith(row.name, kContactState)
            ? kept.contains(row.name.substr(0, row.name.rfind('/')))
            : !absl::StartsWith(row.name, kReadState);
    if (wanted) add({row.name, row.value, row.changed, row.device});
  }
  std::vector<StateEntry> result;
  for (auto& [name, value] : values) result.push_back(std::move(value));
  return result;
}

absl::Status Messenger::DateValues() {
  ASSIGN_OR_RETURN(const std::vector<StateEntry> values,
                   ValuesToKeep(env_.clock.Now()));
  for (const StateEntry& value : values) {
    RETURN_IF_ERROR(env_.store
                        .MergeOwnState({value.name, value.value, value.changed,
                                        value.device})
                        .status());
  }
  return absl::OkStatus();
}

absl::StatusOr<bool> Messenger::TakeValue(const StateEntry& value) {
  ASSIGN_OR_RETURN(const bool newer,
                   env_.store.MergeOwnState(
                       {value.name, value.value, value.changed, value.device}));
  if (newer) RETURN_IF_ERROR(ApplyValue(value.name, value.value));
  return newer;
}

absl::Status Messenger::PlaceRestored(int64_t last) {
  ASSIGN_OR_RETURN(const std::optional<std::string> setting,
                   env_.store.Setting(kShownSetting));
  int64_t shown = 0;
  if (setting && !absl::SimpleAtoi(*setting, &shown)) {
    return absl::DataLossError("the mark of the last message is damaged");
  }
  return env_.store.SortRestored(last, shown);
}

}  // namespace messenger::client
