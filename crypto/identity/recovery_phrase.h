// The 13 words from which an account is restored (crypto/SPEC.md, section
// 9.1).
//
// A phrase is the account: whoever reads it owns everything. Wipe the strings
// that hold one with `SecureWipe`. Thread-safe.

#ifndef CRYPTO_IDENTITY_RECOVERY_PHRASE_H_
#define CRYPTO_IDENTITY_RECOVERY_PHRASE_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "crypto/base/secret_bytes.h"

namespace messenger::crypto {

using AccountSeed = SecretBytes<16>;

// Lower-case words, one space between two.
std::string EncodeRecoveryPhrase(const AccountSeed& seed);

// Reads any ASCII case and white space; the first three letters of a word are
// enough. INVALID_ARGUMENT otherwise, with a message for the person who typed:
// it names the word at fault by its place, and quotes it only if it is not in
// the list, hence no part of any phrase. It must not be logged.
absl::StatusOr<AccountSeed> DecodeRecoveryPhrase(absl::string_view phrase);

}  // namespace messenger::crypto

#endif  // CRYPTO_IDENTITY_RECOVERY_PHRASE_H_
