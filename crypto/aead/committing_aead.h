// CAEAD: authenticated encryption that commits to its key and to the
// associated data (crypto/SPEC.md, section 4.2).
//
// A ciphertext opens under one key only, so it cannot be made to say different
// things to different people, and trying several keys tells an attacker
// nothing. The key is for one message: the nonce is derived from it.
// Thread-safe.

#ifndef CRYPTO_AEAD_COMMITTING_AEAD_H_
#define CRYPTO_AEAD_COMMITTING_AEAD_H_

#include <cstddef>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "crypto/base/secret_bytes.h"

namespace messenger::crypto {

// A commitment of 32 bytes and a tag of 16.
inline constexpr size_t kCommittingOverhead = 48;

// `message_key` must never seal a second message.
std::string CommittingSeal(const SecretBytes<32>& message_key,
                           absl::string_view ad, absl::string_view plaintext);

// UNAUTHENTICATED unless `ciphertext` was sealed with this key and ad.
absl::StatusOr<std::string> CommittingOpen(const SecretBytes<32>& message_key,
                                           absl::string_view ad,
                                           absl::string_view ciphertext);

}  // namespace messenger::crypto

#endif  // CRYPTO_AEAD_COMMITTING_AEAD_H_
