// What a front end says of the account's vaults (client/SPEC.md, section 19).

#ifndef CLIENT_MESSENGER_VAULT_STATE_H_
#define CLIENT_MESSENGER_VAULT_STATE_H_

#include <optional>

#include "absl/time/time.h"

namespace messenger::client {

// A change is written so long after it was first seen, at a time chosen
// uniformly.
inline constexpr absl::Duration kShortestVaultDelay = absl::Minutes(5);
inline constexpr absl::Duration kLongestVaultDelay = absl::Minutes(15);
// Without a change it is written as often as that.
inline constexpr absl::Duration kVaultInterval = absl::Hours(24 * 7);
// Vaults that could not be read are asked for again; after the last they are
// gone from their swarms.
inline constexpr absl::Duration kVaultReadInterval = absl::Minutes(15);
inline constexpr absl::Duration kVaultLife = absl::Hours(24 * 60);

// That of this device.
struct VaultState {
  int contacts = 0;                 // with those that are blocked
  int left_out = 0;                 // for lack of room
  std::optional<absl::Time> saved;  // when it was last written
  bool pending = false;             // something has changed since
  int unread = 0;  // vaults of other devices that are still to be taken in
};

// What a restored account got from vaults.
struct RestoredVaults {
  int found = 0;
  int unread = 0;  // could not be read yet
  // Those that are known now.
  int contacts = 0;
  int blocked = 0;
};

}  // namespace messenger::client

#endif  // CLIENT_MESSENGER_VAULT_STATE_H_
