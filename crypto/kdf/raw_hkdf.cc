#include "crypto/kdf/raw_hkdf.h"

#include <cstdint>
#include <cstdlib>

#include "openssl/digest.h"
#include "openssl/hkdf.h"

namespace messenger::crypto::internal {
namespace {

void Expand(const EVP_MD* digest, absl::string_view prk, absl::string_view info,
            absl::Span<char> out) {
  const int ok =
      HKDF_expand(reinterpret_cast<uint8_t*>(out.data()), out.size(), digest,
                  reinterpret_cast<const uint8_t*>(prk.data()), prk.size(),
                  reinterpret_cast<const uint8_t*>(info.data()), info.size());
  // Only a length beyond 255 hash lengths can fail.
  if (ok != 1) std::abort();
}

}  // namespace

void RawHkdfSha512Expand(absl::string_view prk, absl::string_view info,
                         absl::Span<char> out) {
  Expand(EVP_sha512(), prk, info, out);
}

void RawHkdfSha256Expand(absl::string_view prk, absl::string_view info,
                         absl::Span<char> out) {
  Expand(EVP_sha256(), prk, info, out);
}

}  // namespace messenger::crypto::internal
