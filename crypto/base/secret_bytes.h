// A fixed-length secret that wipes itself, and that cannot be copied, printed
// or compared with `==` by accident. It lies in memory of its own, which is
// never in a core dump and, as far as the system allows, not in the swap space
// (secret_arena.h).
//
// Thread-compatible: concurrent reads are safe, writes need a lock.

#ifndef CRYPTO_BASE_SECRET_BYTES_H_
#define CRYPTO_BASE_SECRET_BYTES_H_

#include <array>
#include <cstddef>
#include <cstring>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "crypto/base/secret_arena.h"

namespace messenger::crypto {

template <size_t N>
class SecretBytes {
 public:
  static constexpr size_t kSize = N;
  static_assert(N > 0 && N <= kMaxSecretBytes);

  // Zeros, to be filled through `MutableExpose()`.
  SecretBytes() = default;
  ~SecretBytes() { Release(); }

  // INVALID_ARGUMENT unless `bytes` is exactly N long. The caller still owns,
  // and wipes, what it passed in.
  static absl::StatusOr<SecretBytes> FromBytes(absl::string_view bytes) {
    if (bytes.size() != N) {
      return absl::InvalidArgumentError("secret has the wrong length");
    }
    SecretBytes secret;
    std::memcpy(secret.MutableExpose().data(), bytes.data(), N);
    return secret;
  }

  // Move-only; the moved-from object is all zeros.
  SecretBytes(SecretBytes&& other) noexcept
      : bytes_(std::exchange(other.bytes_, nullptr)) {}
  SecretBytes& operator=(SecretBytes&& other) noexcept {
    if (this != &other) {
      Release();
      bytes_ = std::exchange(other.bytes_, nullptr);
    }
    return *this;
  }
  SecretBytes(const SecretBytes&) = delete;
  SecretBytes& operator=(const SecretBytes&) = delete;

  // A second copy, asked for by name so that each one can be searched for.
  SecretBytes Clone() const {
    SecretBytes copy;
    if (bytes_ != nullptr) {
      std::memcpy(copy.MutableExpose().data(), bytes_, N);
    }
    return copy;
  }

  // The only ways in and out. Searching the tree for `Expose(` lists every
  // place that handles raw key material.
  absl::string_view Expose() const {
    return {bytes_ != nullptr ? bytes_ : kZeros.data(), N};
  }
  absl::Span<char> MutableExpose() {
    if (bytes_ == nullptr) bytes_ = AllocateSecret(N);
    return absl::MakeSpan(bytes_, N);
  }

 private:
  static constexpr std::array<char, N> kZeros = {};

  void Release() {
    if (bytes_ != nullptr) FreeSecret(bytes_, N);
  }

  char* bytes_ = nullptr;  // null: zeros
};

}  // namespace messenger::crypto

#endif  // CRYPTO_BASE_SECRET_BYTES_H_
