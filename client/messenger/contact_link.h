// The links that name an account, and invite to write to it
// (client/SPEC.md, section 17.1).

#ifndef CLIENT_MESSENGER_CONTACT_LINK_H_
#define CLIENT_MESSENGER_CONTACT_LINK_H_

#include <cstddef>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "client/messenger/content.h"
#include "crypto/base/fixed_bytes.h"
#include "crypto/identity/account_id.h"

namespace messenger::client {

// Whoever has it becomes a contact of the account that made it.
using InviteToken =
    crypto::FixedBytes<struct InviteTokenTag, kInviteTokenBytes>;

inline constexpr size_t kMaxContactLinkBytes = 512;

struct ContactLink {
  explicit ContactLink(const crypto::AccountId& id) : account(id) {}

  crypto::AccountId account;
  std::optional<InviteToken> token;

  std::string ToText() const;
};

// Whether it is meant as a link, good or not; otherwise perhaps an id.
bool LooksLikeContactLink(absl::string_view text);

// INVALID_ARGUMENT, in words for the person who got it.
absl::StatusOr<ContactLink> ParseContactLink(absl::string_view text);

}  // namespace messenger::client

#endif  // CLIENT_MESSENGER_CONTACT_LINK_H_
