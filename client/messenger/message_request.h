// Requests of strangers (client/SPEC.md, section 9).

#ifndef CLIENT_MESSENGER_MESSAGE_REQUEST_H_
#define CLIENT_MESSENGER_MESSAGE_REQUEST_H_

#include <cstddef>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "crypto/identity/account_id.h"

namespace messenger::client {

// Somebody who has written, and whom the person knows nothing about yet.
struct MessageRequest {
  explicit MessageRequest(const crypto::AccountId& from) : account(from) {}

  crypto::AccountId account;
  std::string claimed_name;  // by themselves; anybody may take any name
  absl::Time arrived;
  // The first texts, cut to kRequestCharacters; how many more there are. None
  // of somebody whose text is too long for an inbox: it comes once accepted.
  std::vector<std::string> texts;
  bool cut = false;
  int more = 0;
};
// What of a request is shown, and kept.
inline constexpr size_t kRequestTexts = 2;
inline constexpr size_t kRequestCharacters = 2'000;
inline constexpr int kMaxRequestTexts = 50;
inline constexpr size_t kMaxRequests = 1'000;
// How long a request waits, and a decline counts.
inline constexpr absl::Duration kRequestLifetime = absl::Hours(24 * 30);

}  // namespace messenger::client

#endif  // CLIENT_MESSENGER_MESSAGE_REQUEST_H_
