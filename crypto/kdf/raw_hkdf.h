// HKDF-Expand with the info string as given. For hkdf.cc, and for the tests
// that check it against RFC 5869; product code derives under a `KdfLabel`.

#ifndef CRYPTO_KDF_RAW_HKDF_H_
#define CRYPTO_KDF_RAW_HKDF_H_

#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace messenger::crypto::internal {

void RawHkdfSha512Expand(absl::string_view prk, absl::string_view info,
                         absl::Span<char> out);
void RawHkdfSha256Expand(absl::string_view prk, absl::string_view info,
                         absl::Span<char> out);

}  // namespace messenger::crypto::internal

#endif  // CRYPTO_KDF_RAW_HKDF_H_
