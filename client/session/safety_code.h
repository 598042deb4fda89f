// What two people scan from each other's screens to know that nobody stands
// between them, and that neither account lists a device that the other does not
// know of (client/SPEC.md, section 17.6).
//
// Thread-safe.

#ifndef CLIENT_SESSION_SAFETY_CODE_H_
#define CLIENT_SESSION_SAFETY_CODE_H_

#include <cstddef>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "client/session/identity_record.h"

namespace messenger::client {

inline constexpr size_t kSafetyCodeBytes = 110;

// What is shown: text, for a QR code. Takes some milliseconds, on purpose.
std::string SafetyCode(const IdentityRecord& ours,
                       const IdentityRecord& theirs);

enum class SafetyCodeMatch {
  kSame,
  kOtherAccounts,  // one side has the id of somebody else
  kOtherDevices,   // the right accounts, and another list of one's devices
};

// `scanned` is what the other side shows, or the same bytes as hex or any kind
// of base64, with white space around it. In constant time.
// INVALID_ARGUMENT, in words for a person: it is no such code.
absl::StatusOr<SafetyCodeMatch> CompareSafetyCode(const IdentityRecord& ours,
                                                  const IdentityRecord& theirs,
                                                  absl::string_view scanned);

}  // namespace messenger::client

#endif  // CLIENT_SESSION_SAFETY_CODE_H_
