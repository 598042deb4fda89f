// An invitation of this account (client/SPEC.md, section 17).

#ifndef CLIENT_MESSENGER_INVITE_H_
#define CLIENT_MESSENGER_INVITE_H_

#include "absl/time/time.h"
#include "client/messenger/contact_link.h"
#include "crypto/identity/account_id.h"

namespace messenger::client {

inline constexpr absl::Duration kDefaultInvite = absl::Hours(24 * 7);
inline constexpr absl::Duration kShortestInvite = absl::Hours(24);
inline constexpr absl::Duration kLongestInvite = absl::Hours(24 * 365);
inline constexpr int kMaxInviteUses = 1'000;
// Of those that are good.
inline constexpr int kMaxInvites = 100;

struct Invite {
  explicit Invite(const crypto::AccountId& own) : link(own) {}

  ContactLink link;  // with a token
  absl::Time expires;
  int most_uses = 1;  // 0: any number
  int uses = 0;
  bool good = true;  // neither expired nor used up
};

}  // namespace messenger::client

#endif  // CLIENT_MESSENGER_INVITE_H_
