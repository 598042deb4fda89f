// Mentions: "@" and an account id in a text name somebody of the conversation
// (client/SPEC.md, section 9.1). People type and see names.
//
// Pure functions, thread-safe.

#ifndef CLIENT_MESSENGER_MENTION_H_
#define CLIENT_MESSENGER_MENTION_H_

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/strings/string_view.h"
#include "crypto/identity/account_id.h"

namespace messenger::client {

struct Mention {
  size_t at = 0;    // bytes before the "@"
  size_t size = 0;  // bytes, with it
  crypto::AccountId account;
};

// In order. The "@" of an address, or an id with something behind it, is none.
std::vector<Mention> FindMentions(absl::string_view text);

bool IsMentioned(absl::string_view text, const crypto::AccountId& account);

struct AccountName {
  std::string name;
  crypto::AccountId account;
};

// "@Ben" becomes a mention of him; of several names that fit the longest
// counts. Empty ones never fit.
std::string WriteMentions(absl::string_view text,
                          const std::vector<AccountName>& names);

// Each mention becomes "@" and the name; without one it stays as it is.
std::string ShowMentions(
    absl::string_view text,
    absl::FunctionRef<std::optional<std::string>(const crypto::AccountId&)>
        name_of);

}  // namespace messenger::client

#endif  // CLIENT_MESSENGER_MENTION_H_
