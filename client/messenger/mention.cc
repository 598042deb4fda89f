#include "client/messenger/mention.h"

#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace messenger::client {
namespace {

using ::messenger::crypto::AccountId;

constexpr size_t kIdDigits = 66;

// A letter of another script may stand before an "@" without a space: only
// what an address has there speaks against a mention.
bool BelongsToAddress(char c) {
  return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '_' ||
         c == '.' || c == '-' || c == '+';
}

bool GoesOn(char c) {
  return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '_' ||
         static_cast<unsigned char>(c) >= 0x80;
}

// Whether an "@" of `text` may begin a mention.
bool MayBegin(absl::string_view text, size_t at) {
  return text[at] == '@' && (at == 0 || !BelongsToAddress(text[at - 1]));
}

// What `find` makes of each "@" that may begin a mention takes the place of as
// many bytes as it says.
struct Change {
  size_t size = 0;  // 0: none
  std::string bytes;
};
std::string Rewrite(absl::string_view text,
                    absl::FunctionRef<Change(size_t at)> find) {
  std::string out;
  for (size_t at = 0; at < text.size();) {
    Change change;
    if (MayBegin(text, at)) change = find(at);
    if (change.size == 0) {
      out.push_back(text[at++]);
    } else {
      out.append(change.bytes);
      at += change.size;
    }
  }
  return out;
}

}  // namespace

std::vector<Mention> FindMentions(absl::string_view text) {
  std::vector<Mention> mentions;
  for (size_t at = text.find('@'); at != text.npos;
       at = text.find('@', at + 1)) {
    const absl::string_view digits = text.substr(at + 1, kIdDigits);
    const size_t end = at + 1 + kIdDigits;
    if (!MayBegin(text, at) || digits.size() < kIdDigits ||
        (end < text.size() && GoesOn(text[end]))) {
      continue;
    }
    absl::StatusOr<AccountId> account = AccountId::FromHex(digits);
    if (!account.ok()) continue;
    mentions.push_back({at, 1 + kIdDigits, *std::move(account)});
  }
  return mentions;
}

bool IsMentioned(absl::string_view text, const AccountId& account) {
  for (const Mention& mention : FindMentions(text)) {
    if (mention.account == account) return true;
  }
  return false;
}

std::string WriteMentions(absl::string_view text,
                          const std::vector<AccountName>& names) {
  return Rewrite(text, [&](size_t at) -> Change {
    const absl::string_view rest = text.substr(at + 1);
    const AccountName* longest = nullptr;
    for (const AccountName& one : names) {
      const size_t size = one.name.size();
      if (size == 0 || !absl::StartsWith(rest, one.name) ||
          (rest.size() > size && GoesOn(rest[size])) ||
          (longest != nullptr && longest->name.size() >= size)) {
        continue;
      }
      longest = &one;
    }
    if (longest == nullptr) return {};
    return {1 + longest->name.size(),
            absl::StrCat("@", longest->account.ToHex())};
  });
}

std::string ShowMentions(
    absl::string_view text,
    absl::FunctionRef<std::optional<std::string>(const AccountId&)> name_of) {
  std::string shown;
  size_t done = 0;
  for (const Mention& mention : FindMentions(text)) {
    const std::optional<std::string> name = name_of(mention.account);
    if (!name) continue;
    absl::StrAppend(&shown, text.substr(done, mention.at - done), "@", *name);
    done = mention.at + mention.size;
  }
  absl::StrAppend(&shown, text.substr(done));
  return shown;
}

}  // namespace messenger::client
