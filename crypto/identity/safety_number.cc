#include "crypto/identity/safety_number.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "crypto/hash/hash.h"

namespace messenger::crypto {
namespace {

constexpr int kIterations = 5200;
constexpr size_t kGroups = 6;
constexpr size_t kGroupBytes = 5;

Digest512 IteratedHash(absl::string_view public_key,
                       absl::string_view identifier) {
  static constexpr absl::string_view kVersion("\0\0", 2);
  Digest512 hash =
      Sha512(absl::StrCat(kVersion, public_key, identifier, public_key));
  for (int i = 1; i < kIterations; ++i) {
    hash = Sha512(absl::StrCat(hash.bytes(), public_key));
  }
  return hash;
}

}  // namespace

std::string NumericFingerprint(absl::string_view public_key,
                               absl::string_view identifier) {
  const Digest512 hash = IteratedHash(public_key, identifier);
  std::string digits;
  for (size_t group = 0; group < kGroups; ++group) {
    uint64_t value = 0;
    for (const char c : hash.bytes().substr(group * kGroupBytes, kGroupBytes)) {
      value = value << 8 | static_cast<unsigned char>(c);
    }
    absl::StrAppendFormat(&digits, "%05d", value % 100'000);
  }
  return digits;
}

std::string CombineFingerprints(absl::string_view a, absl::string_view b) {
  return absl::StrCat(std::min(a, b), std::max(a, b));
}

std::string ScannableFingerprint(absl::string_view public_key,
                                 absl::string_view identifier) {
  return std::string(IteratedHash(public_key, identifier)
                         .bytes()
                         .substr(0, kScannableFingerprintBytes));
}

std::string SafetyNumber(const AccountId& ours, const AccountId& theirs) {
  return CombineFingerprints(
      NumericFingerprint(ours.bytes(), ours.ToHex()),
      NumericFingerprint(theirs.bytes(), theirs.ToHex()));
}

}  // namespace messenger::crypto
