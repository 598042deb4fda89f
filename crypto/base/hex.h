// Hexadecimal text of bytes: written in lower case, read in either.
//
// For public values: it does not run in constant time.

#ifndef CRYPTO_BASE_HEX_H_
#define CRYPTO_BASE_HEX_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace messenger::crypto {

std::string HexEncode(absl::string_view bytes);

// INVALID_ARGUMENT on an odd length or a character that is no hex digit.
absl::StatusOr<std::string> HexDecode(absl::string_view hex);

}  // namespace messenger::crypto

#endif  // CRYPTO_BASE_HEX_H_
