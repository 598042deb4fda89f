// The 60 digits two people compare to know that nobody stands between them
// (crypto/SPEC.md, section 9.3). Thread-safe.

#ifndef CRYPTO_IDENTITY_SAFETY_NUMBER_H_
#define CRYPTO_IDENTITY_SAFETY_NUMBER_H_

#include <cstddef>
#include <string>

#include "absl/strings/string_view.h"
#include "crypto/identity/account_id.h"

namespace messenger::crypto {

// The same for both sides: the order of the arguments does not matter. Takes a
// few milliseconds, on purpose.
std::string SafetyNumber(const AccountId& ours, const AccountId& theirs);

// One side's 30 digits: 5,200 times SHA-512 over a public key and the stable
// identifier it belongs to.
std::string NumericFingerprint(absl::string_view public_key,
                               absl::string_view identifier);

// The same hash for a code that is scanned: its first 32 bytes.
inline constexpr size_t kScannableFingerprintBytes = 32;
std::string ScannableFingerprint(absl::string_view public_key,
                                 absl::string_view identifier);

// Both sides' digits, the smaller first.
std::string CombineFingerprints(absl::string_view a, absl::string_view b);

}  // namespace messenger::crypto

#endif  // CRYPTO_IDENTITY_SAFETY_NUMBER_H_
