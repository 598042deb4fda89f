#include "crypto/hash/hash.h"

#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "crypto/internal/sodium_init.h"
#include "openssl/sha.h"
#include "sodium.h"

namespace messenger::crypto {
namespace {

const uint8_t* Bytes(absl::string_view data) {
  return reinterpret_cast<const uint8_t*>(data.data());
}

template <typename D>
uint8_t* Out(D& digest) {
  return reinterpret_cast<uint8_t*>(digest.data());
}

crypto_generichash_blake2b_state* State(std::array<unsigned char, 384>& state) {
  static_assert(sizeof(crypto_generichash_blake2b_state) <= 384);
  return reinterpret_cast<crypto_generichash_blake2b_state*>(state.data());
}

}  // namespace

Digest256 Blake2b256(absl::string_view personal,
                     std::initializer_list<absl::string_view> parts) {
  Blake2b256Hasher hasher(personal);
  for (const absl::string_view part : parts) hasher.Update(part);
  return hasher.Finish();
}

Digest256 Sha256(absl::string_view data) {
  Digest256 digest;
  SHA256(Bytes(data), data.size(), Out(digest));
  return digest;
}

Digest512 Sha512(absl::string_view data) {
  Digest512 digest;
  SHA512(Bytes(data), data.size(), Out(digest));
  return digest;
}

Digest256 Sha3_256(absl::string_view data) {
  internal::EnsureSodium();
  Digest256 digest;
  crypto_hash_sha3256(Out(digest), Bytes(data), data.size());
  return digest;
}

Blake2b256Hasher::Blake2b256Hasher(absl::string_view personal) {
  internal::EnsureSodium();
  uint8_t padded[crypto_generichash_blake2b_PERSONALBYTES] = {};
  if (personal.size() > sizeof(padded)) std::abort();
  if (!personal.empty()) {
    std::memcpy(padded, personal.data(), personal.size());
  }
  state_.fill(0);
  crypto_generichash_blake2b_init_salt_personal(State(state_), /*key=*/nullptr,
                                                /*keylen=*/0, Digest256::kSize,
                                                /*salt=*/nullptr, padded);
}

void Blake2b256Hasher::Update(absl::string_view data) {
  crypto_generichash_blake2b_update(State(state_), Bytes(data), data.size());
}

Digest256 Blake2b256Hasher::Finish() {
  Digest256 digest;
  crypto_generichash_blake2b_final(State(state_), Out(digest),
                                   Digest256::kSize);
  return digest;
}

}  // namespace messenger::crypto
