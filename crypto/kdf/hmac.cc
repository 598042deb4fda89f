#include "crypto/kdf/hmac.h"

#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "openssl/digest.h"
#include "openssl/hmac.h"

namespace messenger::crypto {
namespace {

// `out` holds the whole digest.
void Hmac(const EVP_MD* digest, absl::string_view key,
          std::initializer_list<absl::string_view> parts, uint8_t* out) {
  bssl::ScopedHMAC_CTX context;
  unsigned int size = 0;
  bool ok = HMAC_Init_ex(context.get(), key.data(), key.size(), digest,
                         /*impl=*/nullptr) == 1;
  for (const absl::string_view part : parts) {
    ok = ok && HMAC_Update(context.get(),
                           reinterpret_cast<const uint8_t*>(part.data()),
                           part.size()) == 1;
  }
  ok = ok && HMAC_Final(context.get(), out, &size) == 1;
  if (!ok || size != EVP_MD_size(digest)) std::abort();
}

}  // namespace

SecretBytes<32> HmacSha512Truncated32(absl::string_view key,
                                      absl::string_view message) {
  SecretBytes<64> whole;
  Hmac(EVP_sha512(), key, {message},
       reinterpret_cast<uint8_t*>(whole.MutableExpose().data()));
  SecretBytes<32> truncated;
  std::memcpy(truncated.MutableExpose().data(), whole.Expose().data(),
              truncated.kSize);
  return truncated;
}

SecretBytes<32> HmacSha256(absl::string_view key,
                           std::initializer_list<absl::string_view> parts) {
  SecretBytes<32> mac;
  Hmac(EVP_sha256(), key, parts,
       reinterpret_cast<uint8_t*>(mac.MutableExpose().data()));
  return mac;
}

}  // namespace messenger::crypto
