// Hash functions (crypto/SPEC.md, section 2). BLAKE2b-256 with a
// personalisation is the hash of our own formats; the others are for formats
// that name them.
//
// The functions are thread-safe; a `Blake2b256Hasher` is not.

#ifndef CRYPTO_HASH_HASH_H_
#define CRYPTO_HASH_HASH_H_

#include <array>
#include <initializer_list>

#include "absl/strings/string_view.h"
#include "crypto/base/fixed_bytes.h"

namespace messenger::crypto {

using Digest256 = FixedBytes<struct Digest256Tag, 32>;
using Digest512 = FixedBytes<struct Digest512Tag, 64>;

// `personal` keeps the uses of the hash apart, for example "nm1-msgid". It is
// at most 16 bytes, zero padded; a longer one is a broken invariant and
// crashes. The parts are concatenated: callers make them of fixed length or
// prefix their lengths.
Digest256 Blake2b256(absl::string_view personal,
                     std::initializer_list<absl::string_view> parts);

Digest256 Sha256(absl::string_view data);
Digest512 Sha512(absl::string_view data);
Digest256 Sha3_256(absl::string_view data);

// `Blake2b256` over data that arrives in pieces. Copies, so that a common
// beginning is hashed once. After `Finish()` it may only be destroyed.
class Blake2b256Hasher final {
 public:
  explicit Blake2b256Hasher(absl::string_view personal);

  void Update(absl::string_view data);
  Digest256 Finish();

 private:
  // libsodium's state, kept opaque: its header stays out of ours.
  alignas(64) std::array<unsigned char, 384> state_;
};

}  // namespace messenger::crypto

#endif  // CRYPTO_HASH_HASH_H_
