// A fixed-length secret that wipes itself, and that cannot be copied, printed
// or compared with `==` by accident.
//
// Thread-compatible: concurrent reads are safe, writes need a lock.

#ifndef CRYPTO_BASE_SECRET_BYTES_H_
#define CRYPTO_BASE_SECRET_BYTES_H_

#include <array>
#include <cstddef>
#include <cstring>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "crypto/base/secure_memory.h"

namespace messenger::crypto {

template <size_t N>
class SecretBytes {
 public:
  static constexpr size_t kSize = N;

  // A zeroed buffer, to be filled through `MutableExpose()`.
  SecretBytes() : bytes_{} {}
  ~SecretBytes() { SecureWipe(bytes_.data(), N); }

  // INVALID_ARGUMENT unless `bytes` is exactly N long. The caller still owns,
  // and wipes, what it passed in.
  static absl::StatusOr<SecretBytes> FromBytes(absl::string_view bytes) {
    if (bytes.size() != N) {
      return absl::InvalidArgumentError("secret has the wrong length");
    }
    SecretBytes secret;
    std::memcpy(secret.bytes_.data(), bytes.data(), N);
    return secret;
  }

  // Move-only; the moved-from object is wiped.
  SecretBytes(SecretBytes&& other) noexcept : bytes_(other.bytes_) {
    SecureWipe(other.bytes_.data(), N);
  }
  SecretBytes& operator=(SecretBytes&& other) noexcept {
    if (this != &other) {
      bytes_ = other.bytes_;
      SecureWipe(other.bytes_.data(), N);
    }
    return *this;
  }
  SecretBytes(const SecretBytes&) = delete;
  SecretBytes& operator=(const SecretBytes&) = delete;

  // A second copy, asked for by name so that each one can be searched for.
  SecretBytes Clone() const {
    SecretBytes copy;
    copy.bytes_ = bytes_;
    return copy;
  }

  // The only ways in and out. Searching the tree for `Expose(` lists every
  // place that handles raw key material.
  absl::string_view Expose() const { return {bytes_.data(), N}; }
  absl::Span<char> MutableExpose() { return absl::MakeSpan(bytes_); }

 private:
  std::array<char, N> bytes_;
};

}  // namespace messenger::crypto

#endif  // CRYPTO_BASE_SECRET_BYTES_H_
