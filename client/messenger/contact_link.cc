#include "client/messenger/contact_link.h"

#include <algorithm>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace messenger::client {
namespace {

constexpr absl::string_view kScheme = "session:";
constexpr absl::string_view kTokenParameter = "t=";

absl::Status Bad(absl::string_view why) {
  return absl::InvalidArgumentError(absl::StrCat("that is no link: ", why));
}

bool IsLowerHex(absl::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    return absl::ascii_isdigit(static_cast<unsigned char>(c)) ||
           (c >= 'a' && c <= 'f');
  });
}

}  // namespace

std::string ContactLink::ToText() const {
  std::string text = absl::StrCat(kScheme, account.ToHex());
  if (token) absl::StrAppend(&text, "?", kTokenParameter, token->ToHex());
  return text;
}

bool LooksLikeContactLink(absl::string_view text) {
  return absl::StartsWithIgnoreCase(text, kScheme);
}

absl::StatusOr<ContactLink> ParseContactLink(absl::string_view text) {
  if (text.size() > kMaxContactLinkBytes) return Bad("it is too long");
  if (!std::all_of(text.begin(), text.end(), [](char c) {
        return absl::ascii_isgraph(static_cast<unsigned char>(c));
      })) {
    return Bad("it has spaces or strange characters in it");
  }
  if (!LooksLikeContactLink(text)) {
    return Bad(absl::StrCat("it does not begin with ", kScheme));
  }
  text.remove_prefix(kScheme.size());
  const std::pair<absl::string_view, absl::string_view> parts =
      absl::StrSplit(text, absl::MaxSplits('?', 1));
  const absl::StatusOr<crypto::AccountId> account =
      crypto::AccountId::FromHex(parts.first);
  if (!account.ok()) return Bad(account.status().message());
  ContactLink link(*account);
  for (absl::string_view parameter :
       absl::StrSplit(parts.second, '&', absl::SkipEmpty())) {
    if (!absl::ConsumePrefix(&parameter, kTokenParameter)) continue;
    const absl::StatusOr<InviteToken> token = InviteToken::FromHex(parameter);
    if (link.token || !token.ok() || !IsLowerHex(parameter)) {
      return Bad("its invitation is damaged; ask for it again");
    }
    link.token = *token;
  }
  return link;
}

}  // namespace messenger::client
