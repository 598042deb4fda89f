#include "crypto/pwhash/argon2id.h"

#include <cstdint>

#include "absl/status/status.h"
#include "crypto/internal/sodium_init.h"
#include "sodium.h"

namespace messenger::crypto {

absl::StatusOr<SecretBytes<32>> Argon2id(absl::string_view password,
                                         const Argon2Salt& salt,
                                         uint32_t passes,
                                         uint64_t memory_bytes) {
  internal::EnsureSodium();
  static_assert(Argon2Salt::kSize == crypto_pwhash_argon2id_SALTBYTES);
  if (passes < crypto_pwhash_argon2id_OPSLIMIT_MIN) {
    return absl::InvalidArgumentError("too few Argon2id passes");
  }
  if (memory_bytes < crypto_pwhash_argon2id_MEMLIMIT_MIN ||
      memory_bytes > crypto_pwhash_argon2id_MEMLIMIT_MAX) {
    return absl::InvalidArgumentError("Argon2id memory is out of range");
  }
  if (password.size() > crypto_pwhash_argon2id_PASSWD_MAX) {
    return absl::InvalidArgumentError("password is too long");
  }
  SecretBytes<32> key;
  const int result = crypto_pwhash_argon2id(
      reinterpret_cast<uint8_t*>(key.MutableExpose().data()), key.kSize,
      password.data(), password.size(),
      reinterpret_cast<const uint8_t*>(salt.data()), passes, memory_bytes,
      crypto_pwhash_argon2id_ALG_ARGON2ID13);
  // Every argument was checked, so what remains is the memory itself.
  if (result != 0) {
    return absl::ResourceExhaustedError("no memory for Argon2id");
  }
  return key;
}

}  // namespace messenger::crypto
