// The words that recovery phrases are made of (crypto/SPEC.md, section 9.1).

#ifndef CRYPTO_IDENTITY_RECOVERY_WORDS_H_
#define CRYPTO_IDENTITY_RECOVERY_WORDS_H_

#include <array>
#include <cstddef>

#include "absl/strings/string_view.h"

namespace messenger::crypto {

inline constexpr size_t kRecoveryWordCount = 1626;

// Lower case, in the order of the list; the first three letters are unique.
extern const std::array<absl::string_view, kRecoveryWordCount> kRecoveryWords;

}  // namespace messenger::crypto

#endif  // CRYPTO_IDENTITY_RECOVERY_WORDS_H_
