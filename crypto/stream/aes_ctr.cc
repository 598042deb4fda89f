#include "crypto/stream/aes_ctr.h"

#include <climits>
#include <cstdint>
#include <cstdlib>

#include "openssl/cipher.h"

namespace messenger::crypto {

void Aes256CtrXor(const SecretBytes<32>& key, const AesCtrIv& iv,
                  absl::Span<char> inout) {
  bssl::ScopedEVP_CIPHER_CTX context;
  bool ok =
      EVP_EncryptInit_ex(context.get(), EVP_aes_256_ctr(), /*engine=*/nullptr,
                         reinterpret_cast<const uint8_t*>(key.Expose().data()),
                         reinterpret_cast<const uint8_t*>(iv.data())) == 1;
  while (ok && !inout.empty()) {
    // The library counts in `int`; pieces of whole blocks join seamlessly.
    constexpr size_t kMaxPiece = size_t{1} << 30;
    const absl::Span<char> piece = inout.subspan(0, kMaxPiece);
    auto* const bytes = reinterpret_cast<uint8_t*>(piece.data());
    int written = 0;
    ok = EVP_EncryptUpdate(context.get(), bytes, &written, bytes,
                           static_cast<int>(piece.size())) == 1;
    inout.remove_prefix(piece.size());
  }
  if (!ok) std::abort();
}

}  // namespace messenger::crypto
