// A public value of fixed length, typed by what it means: ids, public keys,
// digests and signatures of equal length do not convert into one another.
//
// A regular type: copies, compares (not in constant time), orders bytewise and
// hashes. Secrets belong in `SecretBytes`. Thread-compatible.

#ifndef CRYPTO_BASE_FIXED_BYTES_H_
#define CRYPTO_BASE_FIXED_BYTES_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "crypto/base/hex.h"

namespace messenger::crypto {

// `Tag` is any type, usually declared on the spot:
//   using NodeId = FixedBytes<struct NodeIdTag, 32>;
template <typename Tag, size_t N>
class FixedBytes {
 public:
  static constexpr size_t kSize = N;

  // All zero.
  FixedBytes() : bytes_{} {}

  // INVALID_ARGUMENT unless `bytes` is exactly N long.
  static absl::StatusOr<FixedBytes> FromBytes(absl::string_view bytes) {
    if (bytes.size() != N) {
      return absl::InvalidArgumentError("value has the wrong length");
    }
    FixedBytes value;
    std::memcpy(value.bytes_.data(), bytes.data(), N);
    return value;
  }

  // INVALID_ARGUMENT unless `hex` is exactly 2N hex digits.
  static absl::StatusOr<FixedBytes> FromHex(absl::string_view hex) {
    absl::StatusOr<std::string> bytes = HexDecode(hex);
    if (!bytes.ok()) return std::move(bytes).status();
    return FromBytes(*bytes);
  }

  static FixedBytes FromArray(const std::array<uint8_t, N>& bytes) {
    FixedBytes value;
    std::memcpy(value.bytes_.data(), bytes.data(), N);
    return value;
  }

  absl::string_view bytes() const { return {bytes_.data(), N}; }
  std::string ToHex() const { return HexEncode(bytes()); }

  // For filling in place.
  char* data() { return bytes_.data(); }
  const char* data() const { return bytes_.data(); }

  bool IsZero() const { return *this == FixedBytes(); }

  friend bool operator==(const FixedBytes& a, const FixedBytes& b) {
    return a.bytes_ == b.bytes_;
  }
  friend bool operator!=(const FixedBytes& a, const FixedBytes& b) {
    return !(a == b);
  }
  // Bytes order as unsigned numbers, like the hex text.
  friend bool operator<(const FixedBytes& a, const FixedBytes& b) {
    return std::memcmp(a.bytes_.data(), b.bytes_.data(), N) < 0;
  }
  template <typename H>
  friend H AbslHashValue(H state, const FixedBytes& value) {
    return H::combine(std::move(state), value.bytes());
  }

 private:
  std::array<char, N> bytes_;
};

}  // namespace messenger::crypto

#endif  // CRYPTO_BASE_FIXED_BYTES_H_
